import { nameForClient } from './client-words.ts';
import type { Scale } from './registry.ts';
import type { Series, Valid } from './baseline.ts';
import { changeBetween } from './change.ts';
import { courseEvents, earlyResponseOf, pointsOf, signalsOf, type Course, type CourseEvent } from './course.ts';
import { beside, eventWords, promptOf, standing } from './course-words.ts';
import { counted, dayOf, percent, shown } from './plain-words.ts';
import { metricTable, type MetricId } from './metrics.ts';
import { momentary, type Asked } from './momentary.ts';
import { observationId, type Words } from './observations.ts';
import { explanation, flag, known, number, reference, type Part } from './parts.ts';
import { sourceOf } from './record.ts';
import { responseBetween } from './response.ts';
import { courseStateDisplay } from './terminology.ts';
import { lastOfSession, personTrend, type Placed, type Signal } from './trajectory.ts';
import type { TrajectoryReference } from './trajectory-reference.ts';

/** What `$progress` and `$trajectory` say of a course beyond baseline and latest score. */

/** The explanation of a metric: its rule and version from the table of metrics. */
export const explained = (metric: MetricId, words: Words, inputs: readonly Valid[]): Part =>
  explanation(metric, metricTable[metric].version, words, inputs.map(sourceOf));

/** @returns the parts of a course with two scores of different dates or more. */
export function courseParts(course: Course, benchmark: TrajectoryReference | null): Part[] {
  const signals = signalsOf(course, benchmark);
  return [
    ...responseParts(course), ...earlyPart(course),
    ...courseEvents(course, benchmark).filter(({ metric }) => metric !== 'trajectory-signal').sort((a, b) => a.anchor.at - b.anchor.at).map((event) => eventPart(course, event)),
    ...signals.slice(-1).map(({ placed, signal }) => signalPart(course, placed, signal)),
    ...trendParts(course),
  ];
}

/** Response, remission and minimal important change; [] where none of them is defined. */
function responseParts({ scale, baseline, placed }: Course): Part[] {
  const latest = placed.at(-1)!.score;
  const { reduction, response, partial, remission, minimalImportant } = responseBetween(scale, baseline.value, latest.value);
  if (reduction === null && remission === null && minimalImportant === null) return [];
  const said = (value: boolean | null, yes: string, no: string): string[] => (value === null ? [] : [value ? yes : no]);
  const clinician = [
    reduction === null ? 'A share of the baseline is not defined here: the scale does not run from 0 towards worse, or the baseline is 0.'
      : reduction === 0 ? `The same as at baseline (${shown(latest.value)}).`
        : `${percent(reduction)} % ${reduction > 0 ? 'below' : 'above'} baseline (${shown(baseline.value)} to ${shown(latest.value)}).`,
    ...(reduction !== null && response === null ? ['Response is asked of baselines on the clinical side only.'] : []),
    ...said(response, 'Response: at least half.', partial === true ? 'Partial response: at least a quarter, less than half.' : reduction !== null && reduction > 0 ? 'No response: less than a quarter.' : 'No response.'),
    ...said(remission, 'In the remission range.', 'Outside the remission range.'),
    ...said(minimalImportant, 'Better by at least the minimal important difference.', 'Not better by the minimal important difference.'),
  ].join(' ');
  const client = reduction === null || reduction < 0 ? `Your latest score is ${shown(latest.value)}; it was ${shown(baseline.value)} at the start.`
    : reduction === 0 ? 'Your latest score is the same as at the start.' : `Your latest score is ${percent(reduction)} % lower than at the start.`;
  return [{
    name: 'response',
    part: [
      ...known('reduction', reduction), ...flag('response', response), ...flag('partial-response', partial), ...flag('remission', remission), ...flag('minimal-important-change', minimalImportant),
      explained('response', { clinician, client }, [latest, baseline]),
    ],
  }];
}

/** Early response: for information only. */
function earlyPart(course: Course): Part[] {
  const early = earlyResponseOf(course);
  if (early === undefined) return [];
  const { baseline } = course;
  const inputs = early === null ? [baseline] : [early, baseline];
  const words = early === null
    ? { clinician: 'No score 20 % below baseline in the first 28 days, or by session 4 in the first 56 days. For information only: many people change later.', client: 'Change often comes later than in the first weeks.' }
    : { clinician: `From ${shown(baseline.value)} at baseline to ${shown(early.value)} on ${dayOf(early.date)}, by ${percent((baseline.value - early.value) / baseline.value)} %: 20 % or more in the first 28 days, or by session 4 in the first 56 days. For information only.`, client: `In the first weeks your score was lower by a fifth or more: ${shown(early.value)} on ${dayOf(early.date)} after ${shown(baseline.value)}.` };
  return [{ name: 'early-response', part: [...flag('value', early !== null), explained('early-response', words, inputs)] }];
}

function eventPart({ scale }: Course, event: CourseEvent): Part {
  const { metric, anchor } = event;
  const state = metric === 'setback' ? event.state : metric === 'relapse' ? event.after.state : undefined;
  return {
    name: 'event',
    part: [
      { name: 'metric', valueCode: metric },
      { name: 'effective', valueDateTime: anchor.data.authored },
      ...(state === undefined ? [] : [{ name: 'state', valueCode: state }, { name: 'state-text', valueString: courseStateDisplay[state] }]),
      ...(metric === 'setback' ? [number('reference-score', event.setback.best.value), ...known('recovery-days', event.setback.recoveryDays)] : []),
      ...(metric === 'relapse' ? [number('reference-score', event.after.reference.value)] : []),
      ...(metric === 'sudden-gain' || metric === 'sudden-loss' ? [number('size', event.step.size), ...flag('reversed', event.step.reversal !== null)] : []),
      reference('observation', `Observation/${observationId(metric, scale, anchor.id)}`),
      explained(metric, eventWords(scale, event), event.inputs),
    ],
  };
}

/** @returns the signal at one score, with the boundaries that decide. */
export function signalPart({ scale, baseline }: Course, { score, session }: Placed, signal: Signal): Part {
  const { reference: against } = signal;
  const words = {
    clinician: `${shown(score.value)} at session ${session}, ${shown(baseline.value)} at baseline: ${standing(signal, changeBetween(scale, baseline.value, score.value).reliable)}${promptOf(signal)}`,
    client: `${beside('Here are your scores', signal, session)}.`,
  };
  return {
    name: 'signal',
    part: [
      number('session', session), number('value', score.value), { name: 'code', valueCode: signal.code }, { name: 'basis', valueCode: signal.basis },
      ...(signal.code === signal.uncapped ? [] : [{ name: 'without-caution', valueCode: signal.uncapped }]),
      ...(against === undefined ? [] : [
        number('expected', against.expected), number('watch-beyond', against.watchBeyond), number('not-on-track-beyond', against.notOnTrackBeyond),
        ...known('percentile', against.percentile ?? null), number('n', against.n), { name: 'reference-version', valueString: against.version },
      ]),
      explained('trajectory-signal', words, [score, baseline]),
    ],
  };
}

/** @returns the line through the scores by session; [] with too few sessions. */
export function trendParts(course: Course): Part[] {
  const { scale } = course;
  const points = lastOfSession(pointsOf(course));
  const trend = personTrend(points.map(({ session, score }) => ({ session, value: score.value })));
  if (trend === null) return [];
  const next = points.at(-1)!.session + 1;
  const { min, max } = scale.definition;
  // A line goes on where a score cannot.
  const nextAt = Math.min(max, Math.max(min, trend.at(next)));
  const words = {
    clinician: `score = ${shown(trend.intercept)} ${trend.slope < 0 ? '-' : '+'} ${shown(Math.abs(trend.slope))} × ln(session), fitted to the scores of ${counted(trend.n, 'session')}; the line is at ${shown(nextAt)}${nextAt === trend.at(next) ? '' : ', the end of the scale,'} at session ${next}. A description, not a forecast.`,
    client: `This line is drawn through your scores at ${counted(trend.n, 'session')}. It describes what was, not what will be.`,
  };
  return [{ name: 'trend', part: [number('intercept', trend.intercept), number('slope', trend.slope), number('n', trend.n), number('next', nextAt), explained('person-trend', words, points.map(({ score }) => score))] }];
}

/** @returns the statistics of ratings that are not compared with a baseline; [] with too few of them. */
export function momentaryParts(scale: Scale, { scores }: Series, asked: readonly Asked[]): Part[] {
  const found = momentary(scores, asked);
  if (found === null) return [];
  const { n, mean, rollingMean, sd, inertia, mssd, rmssd, prompted, answered, compliance } = found;
  const words = {
    clinician: `${scale.definition.title}, over ${n} ratings in 14 days: mean ${shown(mean)}, mean of the last seven ${shown(rollingMean)}, standard deviation (SD) ${shown(sd)}, instability (root of the mean squared step from one rating to the next, RMSSD) ${shown(rmssd)}, ${inertia === null ? 'no inertia (all ratings are equal, or none is near enough to the next)' : `inertia (correlation of one rating with the next) ${shown(inertia)}`}.${compliance === null ? '' : ` Asked for ${counted(prompted, 'time')} in these days, answered ${answered} (${percent(compliance)} %).`}`,
    client: `${nameForClient(scale)}: over ${n} ratings in two weeks yours were ${shown(mean)} on average, and ${shown(rollingMean)} over the last seven.${compliance === null ? '' : ` You answered ${answered} of ${counted(prompted, 'request')} in these days.`}`,
  };
  return [{ name: 'momentary', part: [number('n', n), number('mean', mean), number('rolling-mean', rollingMean), number('sd', sd), ...known('inertia', inertia), number('mssd', mssd), number('rmssd', rmssd), ...(compliance === null ? [] : [number('prompted', prompted), number('answered', answered), number('compliance', compliance)]), explained('momentary', words, scores.slice(-n))] }];
}
