import { isLater, onePerDate, type Series, type Valid } from './baseline.ts';
import { changeBetween, type Direction } from './change.ts';
import { checkInsOf, type CheckIns } from './check-in-week.ts';
import type { MetricId } from './metrics.ts';
import type { Episode, PatientRecord, Session } from './record.ts';
import type { Scale } from './registry.ts';
import { earlyResponse, inRemission, responseBetween, sustainedRemission } from './response.ts';
import { comparable } from './score.ts';
import { sessionNumbers, sessionsOf } from './sessions.ts';
import { afterRecovery, awaitsCheckIns, setbackState, setbacks, withCheckIns, type AfterRecovery, type SetbackState, type Setback } from './setback.ts';
import { suddenChanges, type SuddenChange } from './sudden-gain.ts';
import { firstSignal, signalAt, type Placed, type Signal } from './trajectory.ts';
import type { TrajectoryReference } from './trajectory-reference.ts';

/** What stands out in the scores of one instrument within one episode (docs/clinical.md 3.5 to 3.9). Pure. */

/** The scores of a course with their sessions, one a date, from the baseline on. */
export interface Course {
  readonly scale: Scale;
  /** As it is recorded. */
  readonly series: Series;
  /** On the whole scale, as are `scores` and `placed`. */
  readonly baseline: Valid;
  /** One a date, in time order, those before the baseline included. */
  readonly scores: readonly Valid[];
  readonly sessions: readonly Session[];
  /** The baseline and what is later, each with its session; the baseline is of session 1. */
  readonly placed: readonly Placed[];
  /** The last day of a finished episode. */
  readonly discharge: string | null;
  readonly checkIns: CheckIns;
}

/** Something in a course that is worth an Observation of its own. */
export type CourseEvent = { readonly anchor: Valid; readonly inputs: readonly Valid[] } & (
  | { readonly metric: 'response'; readonly reduction: number }
  | { readonly metric: 'remission' }
  | { readonly metric: 'sustained-remission'; readonly from: Valid }
  | { readonly metric: 'setback'; readonly state: SetbackState; readonly setback: Setback }
  | { readonly metric: 'relapse'; readonly after: AfterRecovery }
  | { readonly metric: 'sudden-gain' | 'sudden-loss'; readonly step: SuddenChange }
  | { readonly metric: 'trajectory-signal'; readonly signal: Signal; readonly session: number; readonly reliable: Direction | null }
);
/** The metrics that are stored where they apply. */
export type EventMetric = CourseEvent['metric'] & MetricId;

/** @returns the course of one series of a record. */
export function courseOf(record: PatientRecord, scale: Scale, series: Series): Course {
  const sessions = sessionsOf(record, series.episode);
  const scores = onePerDate(series.scores).map((score) => onWholeScale(scale, score));
  const numberOf = sessionNumbers(sessions);
  const placed = scores.filter((score) => score.id === series.baseline.id || isLater(score, series))
    .map((score) => ({ score, session: score.id === series.baseline.id ? 1 : numberOf(score) }));
  return { scale, series, baseline: onWholeScale(scale, series.baseline), scores, sessions, placed, discharge: dischargeOf(series.episode), checkIns: checkInsOf(record) };
}

/**
 * @returns every score of a course with the session that it belongs to, those before the baseline included: for a line through what was.
 * A baseline from before the first session stands at session 1.
 */
export function pointsOf({ scores, sessions, baseline }: Course): Placed[] {
  const numberOf = sessionNumbers(sessions);
  return scores.map((score) => ({ score, session: score.id === baseline.id ? Math.max(1, numberOf(score)) : numberOf(score) }));
}

/** @returns a score to which an item did not apply, as it compares with others. */
export function onWholeScale(scale: Scale, score: Valid): Valid {
  const value = comparable(scale, score.value, score.data.maxScore);
  return value === score.value ? score : { ...score, value };
}

/** The last day of a finished episode: what is dated on it, in the evening as well, is still of the therapy. */
export const dischargeOf = (episode: Episode | null): string | null => (episode?.data.status === 'finished' ? episode.lastDate ?? null : null);

/** @returns everything that stands out, in no particular order; [] where scores of the instrument are not compared. */
export const courseEvents = (course: Course, reference: TrajectoryReference | null): CourseEvent[] =>
  scoreEvents(course, reference).map((event) => withWeek(course, event));

/** @returns what stands out by the scores of the instrument alone: a setback does not know of check-ins yet (`withWeek`). */
export function scoreEvents(course: Course, reference: TrajectoryReference | null): CourseEvent[] {
  const { scale, scores, placed } = course;
  if (scale.definition.compared === false || scores.length < 2) return [];
  return [...levelEvents(course, placed.map(({ score }) => score)), ...setbackEvents(course), ...stepEvents(course), ...signalEvents(course, reference)];
}

/** @returns whether check-ins may change an event. */
export const dependsOnCheckIns = ({ discharge }: Course, event: CourseEvent): boolean => event.metric === 'setback' && awaitsCheckIns(event.setback, discharge);

/** @returns an event of `scoreEvents` with what check-ins add to it. */
export function withWeek({ checkIns, discharge }: Course, event: CourseEvent): CourseEvent {
  return event.metric === 'setback' ? setbackEvent(withCheckIns(event.setback, checkIns, discharge)) : event;
}

/** The first time that a level is reached. */
function levelEvents({ scale, baseline, discharge }: Course, within: readonly Valid[]): CourseEvent[] {
  const later = within.slice(1);
  const events: CourseEvent[] = [];
  const responded = later.find(({ value }) => responseBetween(scale, baseline.value, value).response === true);
  if (responded !== undefined) {
    events.push({ metric: 'response', anchor: responded, inputs: [responded, baseline], reduction: responseBetween(scale, baseline.value, responded.value).reduction! });
  }
  const remitted = inRemission(scale, baseline.value) === false ? later.find(({ value }) => inRemission(scale, value) === true) : undefined;
  if (remitted !== undefined) events.push({ metric: 'remission', anchor: remitted, inputs: [remitted, baseline] });
  const began = changeBetween(scale, baseline.value, baseline.value).preClinical === true;
  const sustained = began ? sustainedRemission(scale, later, discharge) : null;
  if (sustained !== null) {
    const inputs = sustained.from === sustained.at ? [sustained.at] : [sustained.at, sustained.from];
    events.push({ metric: 'sustained-remission', anchor: sustained.at, from: sustained.from, inputs });
  }
  return events;
}

/** @returns the setbacks of a course by its scores alone, and what followed a recovery at its end. */
export function setbackEvents({ scale, scores, placed, baseline, discharge }: Course): CourseEvent[] {
  // After the end of a therapy it is not called a setback: what follows is compared with how it ended.
  const during = discharge === null ? scores : scores.filter(({ date }) => date <= discharge);
  return [
    ...setbacks(scale, during).map(setbackEvent),
    ...afterRecovery(scale, baseline, placed.map(({ score }) => score), discharge).map((after): CourseEvent => ({ metric: 'relapse', anchor: after.score, after, inputs: [after.score, after.reference] })),
  ];
}

function setbackEvent(setback: Setback): CourseEvent {
  const { best, possible, confirmed, resolved, week } = setback;
  const checkIns = week?.compared.flatMap(({ before, during }) => [...before, ...during]) ?? [];
  return { metric: 'setback', anchor: possible, state: setbackState(setback), setback, inputs: [possible, best, ...[confirmed, resolved].filter((each) => each !== null), ...checkIns] };
}

const stepEvents = ({ scale, scores, discharge }: Course): CourseEvent[] => suddenChanges(scale, scores.filter(({ date }) => discharge === null || date <= discharge)).map((step) => ({
  metric: step.kind, anchor: step.after[0]!, step, inputs: [...step.before, ...step.after, ...(step.reversal === null || step.after.includes(step.reversal) ? [] : [step.reversal])],
}));

/** A signal is kept where it differs from the one before, and each that a course is not as expected: a steady course writes nothing again and again. */
function signalEvents(course: Course, reference: TrajectoryReference | null): CourseEvent[] {
  const { baseline, scale } = course;
  const signals = signalsOf(course, reference);
  return signals.filter(({ signal: { code } }, i) => code === 'not-on-track' || code !== (signals[i - 1]?.signal.code ?? 'neutral')).map(({ placed: { score, session }, signal }) =>
    ({ metric: 'trajectory-signal', anchor: score, signal, session, inputs: [score, baseline], reliable: changeBetween(scale, baseline.value, score.value).reliable }));
}

interface PlacedSignal { readonly placed: Placed; readonly signal: Signal }

/** The events of a course and the requests to look at it rest on the same signals. */
const known = new WeakMap<Course, { readonly reference: TrajectoryReference | null; readonly signals: readonly PlacedSignal[] }>();

/** @returns the signal at each score from the third session to the end of the episode. */
export function signalsOf(course: Course, reference: TrajectoryReference | null): readonly PlacedSignal[] {
  const found = known.get(course);
  if (found?.reference === reference) return found.signals;
  const { placed, scale, baseline, discharge } = course;
  const signals: PlacedSignal[] = [];
  for (const each of placed) {
    if (each === placed[0] || each.session < firstSignal || (discharge !== null && each.score.date > discharge)) continue;
    const signal = signalAt(scale, baseline.value, each.score.value, each.session, reference);
    if (signal !== null) signals.push({ placed: each, signal });
  }
  known.set(course, { reference, signals });
  return signals;
}

/**
 * @returns the second of two signals in a row that the course is not as expected, for each such row: what a clinician is asked to look at.
 */
export function reviewsOf(course: Course, reference: TrajectoryReference | null): Placed[] {
  const signals = signalsOf(course, reference);
  const off = (i: number): boolean => signals[i]?.signal.code === 'not-on-track';
  return signals.filter((_, i) => off(i) && off(i - 1) && !off(i - 2)).map(({ placed }) => placed);
}

/** @returns the first score of an early response; null: none so far; undefined: not defined on this scale. */
export const earlyResponseOf = ({ scale, baseline, placed }: Course): Valid | null | undefined => earlyResponse(scale, baseline, placed.slice(1));
