import type { CheckInWeek } from './check-in-week.ts';
import type { CourseEvent } from './course.ts';
import { marks, percent, shown } from './explain.ts';
import { metricTable } from './metrics.ts';
import type { Words } from './observations.ts';
import type { Scale } from './registry.ts';
import type { Setback } from './setback.ts';
import type { Signal } from './trajectory.ts';

/** What is said in words of something that stands out in a course: for clinicians with numbers and rule, for clients without a verdict. */

/** The sentence that every setback comes with. */
const roughPatch = 'Setbacks are common and do not undo what you learned. Your plan for rough patches is here.';

/** @returns the sentences of an event. */
export function eventWords(scale: Scale, event: CourseEvent): Words {
  const { clinician, client } = wordsOf(scale, event);
  const { version, verification } = metricTable[event.metric];
  return { clinician: `${clinician} Rule ${event.metric} ${version} (${marks[verification as keyof typeof marks]}). It describes scores, not a person.`, client };
}

function wordsOf(scale: Scale, event: CourseEvent): Words {
  const { title } = scale.definition;
  const name = scale.instrument.definition.shortTitle;
  const { anchor } = event;
  switch (event.metric) {
    case 'response': return {
      clinician: `${title} is ${percent(event.reduction)} % lower than at baseline for the first time (${shown(event.inputs[1]!.value)} to ${shown(anchor.value)}, ${anchor.date}).`,
      client: `On ${anchor.date} your ${name} score was half of what it was at the start, or lower.`,
    };
    case 'remission': return {
      clinician: `${title} is in the remission range for the first time (${shown(anchor.value)}, ${anchor.date}; baseline ${shown(event.inputs[1]!.value)}). One score in the range is not yet a sustained remission.`,
      client: `On ${anchor.date} your ${name} score was in the lowest range of this form.`,
    };
    case 'sustained-remission': return {
      clinician: `${title} has been in the remission or functional range from ${event.from.date} to ${anchor.date}, without a score outside of it in between.`,
      client: `Your ${name} score has stayed on the easier side of this form from ${event.from.date} to ${anchor.date}.`,
    };
    case 'setback': return setbackWords(title, name, event.setback);
    case 'relapse': return {
      clinician: `${title} was ${shown(event.after.reference.value)} at the end of the therapy (${event.after.reference.date}) and is ${shown(anchor.value)} (${anchor.date}): in the clinical range again, ${event.after.state === 'relapse' ? 'by at least' : 'by less than'} the threshold of ${shown(scale.threshold!.value)}.`,
      client: `Your ${name} score was ${shown(event.after.reference.value)} on ${event.after.reference.date} and is ${shown(anchor.value)} now. ${roughPatch} You are welcome to get in touch.`,
    };
    case 'sudden-gain': case 'sudden-loss': return stepWords(scale, title, name, event);
    case 'trajectory-signal': return signalWords(title, name, event);
  }
}

function setbackWords(title: string, name: string, { best, possible, confirmed, week, resolved, recoveryDays }: Setback): Words {
  const began = `${title} was ${shown(best.value)} at its best (${best.date}) and ${shown(possible.value)} on ${possible.date}, worse than that by a reliable change or more${week === null ? '' : `; ${weekWords(week)}`}`;
  if (resolved !== null) {
    return {
      clinician: `${began}${confirmed === null ? '' : `, and again on ${confirmed.date}`}. On ${resolved.date} it was near the best again (${shown(resolved.value)}), after ${recoveryDays} days.`,
      client: `Around ${possible.date} there was a rough patch in your ${name} scores; by ${resolved.date}, ${recoveryDays} days later, they were near where they had been. ${roughPatch}`,
    };
  }
  return {
    clinician: `${began}${confirmed !== null ? `, and again on ${confirmed.date} (${shown(confirmed.value)})` : week === null ? '; the next score will show whether it stays' : ''}. A setback is counted from the best score, a deterioration from the baseline.`,
    client: `Your ${name} score points to a harder time at the moment${week === null ? '' : ', and so do your check-ins of the week after it'}. ${roughPatch}`,
  };
}

/** How the check-ins of a week differed from what was usual. */
const weekWords = ({ week, usual, compared }: CheckInWeek): string => `in the check-ins from ${week.from} to ${week.to}, beside those from ${usual.from} to ${usual.to}, ${compared
  .map(({ scale: { name }, mean, usual: before, sd }) => `${name} was ${shown(mean)} on average (${shown(before)}, SD ${shown(sd)})`).join(' and ')}`;

function stepWords(scale: Scale, title: string, name: string, { step: { kind, before, after, size, reversal } }: Extract<CourseEvent, { metric: 'sudden-gain' | 'sudden-loss' }>): Words {
  const [from, to] = [before.at(-1)!, after[0]!];
  return {
    clinician: `Between ${from.date} and ${to.date} ${title} moved by ${shown(size)} (${shown(from.value)} to ${shown(to.value)}), at least the threshold (${shown(scale.threshold!.value)}) and a quarter of the score; the means of the ${before.length} scores before and the ${after.length} after differ by more than t times their pooled SD.${reversal === null ? '' : ` By ${reversal.date} half of it or more was undone.`}`,
    client: `Between ${from.date} and ${to.date} your ${name} score took a larger step, towards ${kind === 'sudden-gain' ? 'an easier' : 'a harder'} time. It can help to look together at what was going on then.`,
  };
}

function signalWords(title: string, name: string, { signal, session, anchor }: Extract<CourseEvent, { metric: 'trajectory-signal' }>): Words {
  return {
    clinician: `${title} ${shown(anchor.value)} at session ${session}: ${standing(signal)}${signal.code === signal.uncapped ? '' : ' Before session 6 this counts as "watch" at most: many people change late.'} A prompt to talk, never a verdict.`,
    client: `${beside(`Here are your ${name} scores`, signal, session)}; it is something to look at together.`,
  };
}

/** @returns for a client: what the scores are shown beside, which without a reference is nothing but the client's own start. */
export const beside = (what: string, { reference }: Pick<Signal, 'reference'>, session: number): string =>
  `${what} ${reference === undefined ? `up to session ${session}` : `beside what is usual at session ${session}`}. People change at their own pace, many of them late`;

/** @returns how a score stands to what is expected, with the boundaries that decide. */
export function standing({ code, basis, reference }: Pick<Signal, 'code' | 'basis' | 'reference'>): string {
  if (reference === undefined) return `${states[code]} (${rational[code]}), by the rule without a reference: there is no benchmark of closed episodes yet.`;
  const where = reference.percentile === undefined ? '' : ` (percentile ${shown(reference.percentile)})`;
  const how = basis === 'percentile' ? `${reference.n} closed episodes with a similar baseline` : `the fit over ${reference.n} closed episodes`;
  return `${states[code]}${where}; by ${how} ${shown(reference.expected)} is expected, "watch" begins beyond ${shown(reference.watchBeyond)} and "outside" beyond ${shown(reference.notOnTrackBeyond)} (reference ${reference.version}).`;
}

const states = { 'on-track': 'within the expected course', 'watch': 'at the edge of the expected course', 'not-on-track': 'outside the expected course', 'neutral': 'nothing stands out' } as const;

/** What the rule without a reference looks at. */
const rational = {
  'on-track': 'reliably better than at baseline, or on the functional side', 'watch': 'session 6 or later, by less than half a reliable change better, and on the clinical side',
  'not-on-track': 'reliably worse than at baseline', 'neutral': 'neither a reliable change nor the functional side',
} as const;
