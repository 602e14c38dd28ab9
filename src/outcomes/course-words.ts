import type { Valid } from './baseline.ts';
import type { Direction } from './change.ts';
import type { CheckInWeek } from './check-in-week.ts';
import { nameForClient, towards } from './client-words.ts';
import type { CourseEvent } from './course.ts';
import { exact } from './decimals.ts';
import { ruleSentence } from './explain.ts';
import type { Words } from './observations.ts';
import { daysBetween } from './local-time.ts';
import { counted, dayOf, limitOf, marks, percent, points, shown } from './plain-words.ts';
import type { Scale } from './registry.ts';
import { inRemission } from './response.ts';
import type { Setback } from './setback.ts';
import type { Signal } from './trajectory.ts';

/** What is said in words of something that stands out in a course: for clinicians with numbers and rule, for clients without a verdict. */

/** The sentence that every setback comes with. */
const roughPatch = 'Setbacks are common and do not undo what you learned. Your plan for rough patches is here.';

/** @returns the sentences of an event. */
export function eventWords(scale: Scale, event: CourseEvent): Words {
  const { clinician, client } = wordsOf(scale, event);
  return { clinician: `${clinician} ${ruleSentence(event.metric)} It describes scores, not a person.`, client };
}

function wordsOf(scale: Scale, event: CourseEvent): Words {
  const { title } = scale.definition;
  const mine = scoreForClient(scale);
  const { anchor } = event;
  const on = dayOf(anchor.date);
  switch (event.metric) {
    case 'response': return {
      clinician: `${title} fell from ${shown(event.inputs[1]!.value)} at baseline (${dayOf(event.inputs[1]!.date)}) to ${shown(anchor.value)} (${on}), by ${percent(event.reduction)} %: for the first time at least half, which counts as a response. It does not say what led to it.`,
      client: `On ${on} ${mine} was half of what it was at the start, or less: ${shown(anchor.value)} after ${shown(event.inputs[1]!.value)}.`,
    };
    case 'remission': return {
      clinician: `${title} is in the remission range for the first time: ${shown(anchor.value)} on ${on}, baseline ${shown(event.inputs[1]!.value)}${remissionLimit(scale)}. One score in the range is not yet a sustained remission.`,
      client: `On ${on} ${mine} was in the lowest range of this form.`,
    };
    case 'sustained-remission': return {
      clinician: event.from === anchor ? `${title} was in the ${rangeOf(scale, anchor)} range on ${on}: the last score of a finished episode.`
        : `${title} has been in the ${rangeOf(scale, anchor)} range from ${dayOf(event.from.date)} to ${on}, ${counted(daysBetween(event.from.date, anchor.date), 'day')}, without a score outside of it in between.`,
      client: event.from === anchor ? `On ${on}, at the end of the therapy, ${mine} was on the easier side of this form.` : `${capital(mine)} has stayed on the easier side of this form from ${dayOf(event.from.date)} to ${on}.`,
    };
    case 'setback': return setbackWords(scale, mine, event.setback);
    case 'relapse': return relapseWords(scale, mine, event);
    case 'sudden-gain': case 'sudden-loss': return stepWords(scale, mine, event);
    case 'trajectory-signal': return signalWords(scale, mine, event);
  }
}

const rangeOf = (scale: Scale, { value }: Valid): string => (inRemission(scale, value) === null ? 'functional' : 'remission');

function remissionLimit({ definition: { cutoffs } }: Scale): string {
  const limit = cutoffs.find(({ use }) => use === 'remission');
  return limit === undefined ? '' : ` (${limitOf(limit)} is outside the range, ${marks[limit.verification]})`;
}

/** How a client's own score is called within a sentence. */
const scoreForClient = (scale: Scale): string => (scale.definition.clientTitle === undefined ? `your ${nameForClient(scale)} score` : `your score "${nameForClient(scale)}"`);
const plural = (mine: string): string => mine.replace(/\bscore\b/, 'scores');
const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** The threshold that decides, with how sure it is. */
const thresholdWords = ({ threshold }: Scale): string => `${limitOf(threshold!, points)} count as reliable (threshold: ${marks[threshold!.definition.verification]})`;

function setbackWords(scale: Scale, mine: string, { best, possible, confirmed, week, resolved, recoveryDays }: Setback): Words {
  const began = `${scale.definition.title} was ${shown(best.value)} at its best (${dayOf(best.date)}) and ${shown(possible.value)} on ${dayOf(possible.date)}, worse by ${points(exact(Math.abs(possible.value - best.value)))}; ${thresholdWords(scale)}.${week === null ? '' : ` ${weekWords(week)}`}`;
  if (resolved !== null) {
    return {
      clinician: `${began}${confirmed === null ? '' : ` It was so again on ${dayOf(confirmed.date)} (${shown(confirmed.value)}).`} On ${dayOf(resolved.date)} it was near the best again (${shown(resolved.value)}), after ${counted(recoveryDays ?? 0, 'day')}.`,
      client: `Around ${dayOf(possible.date)} there was a rough patch in ${plural(mine)}. By ${dayOf(resolved.date)}, ${counted(recoveryDays ?? 0, 'day')} later, they were near where they had been. ${roughPatch}`,
    };
  }
  const next = confirmed !== null ? ` It was so again on ${dayOf(confirmed.date)} (${shown(confirmed.value)}).` : week === null ? ' The next score will show whether it stays.' : '';
  return {
    clinician: `${began}${next} A setback is counted from the best score so far, a deterioration from the baseline.`,
    client: `On ${dayOf(possible.date)} ${mine} pointed to a harder time${week === null ? '' : ', and so did your check-ins in the week after it'}. ${roughPatch}`,
  };
}

/** How the check-ins of a week differed from what was usual. */
const weekWords = ({ week, usual, compared }: CheckInWeek): string => `In the check-ins from ${dayOf(week.from)} to ${dayOf(week.to)}, beside those from ${dayOf(usual.from)} to ${dayOf(usual.to)}, ${compared
  .map(({ scale: { name }, mean, usual: before, sd }) => `${name} was ${shown(mean)} on average (before: ${shown(before)}, SD ${shown(sd)})`).join(' and ')}.`;

function relapseWords(scale: Scale, mine: string, { anchor, after: { reference, state } }: Extract<CourseEvent, { metric: 'relapse' }>): Words {
  const how = state === 'relapse' ? 'by a reliable change' : 'by less than a reliable change';
  return {
    clinician: `${scale.definition.title} was ${shown(reference.value)} at the end of the therapy (${dayOf(reference.date)}) and ${shown(anchor.value)} on ${dayOf(anchor.date)}: on the clinical side of the cut-off again (${limitOf(scale.cutoff!)}, ${marks[scale.cutoff!.verification]}), worse by ${points(exact(Math.abs(anchor.value - reference.value)))}, ${how}; ${thresholdWords(scale)}.`,
    client: `${capital(mine)} was ${shown(reference.value)} on ${dayOf(reference.date)} and ${shown(anchor.value)} on ${dayOf(anchor.date)}. ${roughPatch} You are welcome to get in touch.`,
  };
}

function stepWords(scale: Scale, mine: string, { step: { kind, before, after, size, reversal } }: Extract<CourseEvent, { metric: 'sudden-gain' | 'sudden-loss' }>): Words {
  const [from, to] = [before.at(-1)!, after[0]!];
  return {
    clinician: `Between ${dayOf(from.date)} and ${dayOf(to.date)} ${scale.definition.title} got ${kind === 'sudden-gain' ? 'better' : 'worse'} by ${points(size)} (${shown(from.value)} to ${shown(to.value)}): at least the threshold of ${shown(scale.threshold!.value)} and a quarter of the score, and the means of the ${before.length} scores before and the ${after.length} after differ by more than their spread explains.${reversal === null ? '' : ` By ${dayOf(reversal.date)} half of it or more was undone (${shown(reversal.value)}).`} It does not say what led to it.`,
    client: `Between ${dayOf(from.date)} and ${dayOf(to.date)} ${mine} took a larger step, towards ${kind === 'sudden-gain' ? towards(scale).better : towards(scale).worse}. It can help to look together at what was going on then.`,
  };
}

function signalWords(scale: Scale, mine: string, { signal, session, anchor, reliable }: Extract<CourseEvent, { metric: 'trajectory-signal' }>): Words {
  return {
    clinician: `${scale.definition.title} ${shown(anchor.value)} at session ${session} (${dayOf(anchor.date)}): ${standing(signal, reliable)}${signal.code === signal.uncapped ? '' : ' Before session 6 this counts as "watch" at most: many people change late.'}${promptOf(signal)}`,
    client: `${beside(`Here are ${plural(mine)}`, signal, session)}. It is something to look at together.`,
  };
}

/** What a signal is for. */
export const promptOf = ({ code }: Pick<Signal, 'code'>): string => (code === 'watch' || code === 'not-on-track' ? ' A prompt to talk, never a verdict and no forecast.' : ' It is no forecast.');

/** @returns for a client: what the scores are shown beside, which without a reference is nothing but the client's own start. */
export const beside = (what: string, { reference }: Pick<Signal, 'reference'>, session: number): string =>
  `${what} ${reference === undefined ? `up to session ${session}` : `beside what is usual at session ${session}`}. People change at their own pace, many of them late`;

/**
 * @param reliable the direction in which the score differs reliably from the baseline
 * @returns how a score stands to what is expected, with the boundaries that decide.
 */
export function standing({ code, basis, reference }: Pick<Signal, 'code' | 'basis' | 'reference'>, reliable: Direction | null): string {
  if (reference === undefined) return `${code === 'on-track' && reliable !== 'better' ? 'on track: on the functional side' : rational[code]}. There is no benchmark of closed episodes here yet, so the baseline decides.`;
  const where = reference.percentile === undefined ? '' : ` (percentile ${shown(reference.percentile)}, counted towards worse)`;
  const how = basis === 'percentile' ? `${reference.n} closed episodes with a similar baseline had a median of ${shown(reference.expected)}` : `a line fitted to ${reference.n} closed episodes expects ${shown(reference.expected)}`;
  return `${states[code]}${where}. At this session ${how}; the edge begins beyond ${shown(reference.watchBeyond)}, the outside beyond ${shown(reference.notOnTrackBeyond)} (version ${reference.version} of the reference).`;
}

const states = { 'on-track': 'within the expected course', 'watch': 'at the edge of the expected course', 'not-on-track': 'outside the expected course', 'neutral': 'nothing stands out' } as const;

/** What the rule without a reference looks at. */
const rational = {
  'on-track': 'on track: reliably better than at baseline', 'watch': 'watch: session 6 or later, better by less than half a reliable change, and on the clinical side',
  'not-on-track': 'not on track: reliably worse than at baseline', 'neutral': 'nothing stands out: neither a reliable change nor the functional side',
} as const;
