import type { Resource } from '../fhir/resource.ts';
import { seriesOf, type Valid } from './baseline.ts';
import { checkInKeys } from './check-in-week.ts';
import { courseOf, dependsOnCheckIns, scoreEvents, setbackEvents, withWeek, type Course, type CourseEvent } from './course.ts';
import { courseObservation } from './course-observations.ts';
import { reviewWrites } from './course-review.ts';
import { Standing } from './difference.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { observationId } from './observations.ts';
import type { PatientRecord } from './record.ts';
import { scaleForSex, type Scale } from './registry.ts';
import type { Signal } from './trajectory.ts';

/** Which writes lead from what stood out in the courses of one record to what stands out in those of another. */

interface Found { readonly event: CourseEvent; readonly course: Course }

/** What was found, by the id of the score that it is kept with, each metric by itself. */
type FoundByMetric = ReadonlyMap<CourseEvent['metric'], ReadonlyMap<string, Found>>;

/** Adds to `writes` what turns the Observations of events and the open reviews of `before` into those of `after`. */
export function courseWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  if (scale.definition.compared === false) return;
  const was = coursesOf(before, scale), is = coursesOf(after, scale);
  const events = (course: Course): CourseEvent[] => scoreEvents(course, context.reference ?? null);
  const earlier = foundIn(was, events), now = foundIn(is, events);
  eventWrites(writes, scale, earlier, now, change, context);
  for (const id of moved(was, is, change)) {
    if (now.get('trajectory-signal')?.has(id) !== true && earlier.get('trajectory-signal')?.has(id) !== true) writes.push(withdrawal(scale, 'trajectory-signal', id));
  }
  reviewWrites(writes, scale, { was, is }, change, context);
}

/** Adds to `writes` what a change of check-ins means for the scores of another scale: whether a week of them confirms a setback. */
export function checkInWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  if (scale.definition.compared === false || scale.threshold === undefined) return;
  eventWrites(writes, scale, foundIn(coursesOf(before, scale), setbackEvents), foundIn(coursesOf(after, scale), setbackEvents), change, context);
}

function eventWrites(writes: DerivedWrite[], scale: Scale, earlier: FoundByMetric, now: FoundByMetric, change: Change, context: DeriveContext): void {
  for (const [metric, list] of now) {
    const before = earlier.get(metric);
    for (const [id, byScores] of list) {
      const was = before?.get(id);
      // What is the same by its scores is looked at again only where the check-ins are others.
      if (was !== undefined && same(was, byScores) && sameCheckIns(was, byScores)) continue;
      const known = was === undefined ? undefined : settled(was, context), found = settled(byScores, context);
      if (known !== undefined && same(known, found)) continue;
      const standing = new Standing(id, change);
      const status = standing.status(known !== undefined, found.event.anchor.data.status === 'amended' ? 'amended' : 'final');
      writes.push({ kind: 'put', resource: courseObservation(found.course.scale, found.event, found.course.series.episode, status, context), mayExist: !standing.fresh });
    }
  }
  for (const [metric, list] of earlier) for (const id of list.keys()) if (now.get(metric)?.has(id) !== true) writes.push(withdrawal(scale, metric, id));
}

/** A change of a score leaves the lists of check-ins the same objects: whether they matter to an event, which asks for dates, is looked at after that. */
function sameCheckIns(a: Found, b: Found): boolean {
  const [before, after] = [a.course.checkIns, b.course.checkIns];
  return before.every((list, i) => list === after[i]) || !dependsOnCheckIns(b.course, b.event)
    || before.every((list, i) => list.length === after[i]!.length && list.every((score, j) => score === after[i]![j]));
}

/** An event with what check-ins add to it, which are asked for where the record may not have them. */
function settled({ event, course }: Found, { looksAt }: DeriveContext): Found {
  if (!dependsOnCheckIns(course, event)) return { event, course };
  looksAt?.(checkInKeys);
  return { event: withWeek(course, event), course };
}

function coursesOf(record: PatientRecord, general: Scale): Course[] {
  const scale = scaleForSex(general, record.person.gender);
  return seriesOf(record, scale.key).map((series) => courseOf(record, scale, series));
}

function foundIn(courses: readonly Course[], events: (course: Course) => readonly CourseEvent[]): FoundByMetric {
  const found = new Map<CourseEvent['metric'], Map<string, Found>>();
  for (const course of courses) {
    for (const event of events(course)) {
      const list = found.get(event.metric);
      if (list === undefined) found.set(event.metric, new Map([[event.anchor.id, { event, course }]]));
      else list.set(event.anchor.id, { event, course });
    }
  }
  return found;
}

/** Whether the Observation of an event would be the same. Scores that a change left alone are the same objects, so that this costs little for them. */
function same(a: Found, b: Found): boolean {
  const [one, other] = [a.event.inputs, b.event.inputs];
  return a.course.scale === b.course.scale && a.course.series.episode?.id === b.course.series.episode?.id && sameDetail(a.event, b.event)
    && one.length === other.length && one.every((score, i) => sameInput(score, other[i]!));
}

function sameInput(a: Valid, b: Valid): boolean {
  return a === b || (a.id === b.id && a.value === b.value && a.date === b.date && a.data.encounter === b.data.encounter
    && a.data.authored === b.data.authored && JSON.stringify(a.data.security) === JSON.stringify(b.data.security));
}

/** Whether two events of one metric say the same beside their inputs. */
function sameDetail(a: CourseEvent, b: CourseEvent): boolean {
  if (a.metric === 'trajectory-signal' && b.metric === a.metric) {
    const [own, another] = [a.signal, b.signal];
    const [one, other] = [own.reference, another.reference];
    return a.session === b.session && own.code === another.code && own.uncapped === another.uncapped && own.basis === another.basis
      && (one === other || (one !== undefined && other !== undefined && sameReference(one, other)));
  }
  return detail(a) === detail(b);
}

const sameReference = (a: NonNullable<Signal['reference']>, b: NonNullable<Signal['reference']>): boolean =>
  a.version === b.version && a.n === b.n && a.expected === b.expected && a.watchBeyond === b.watchBeyond && a.notOnTrackBeyond === b.notOnTrackBeyond && a.percentile === b.percentile;

function detail(event: CourseEvent): string {
  switch (event.metric) {
    case 'response': return String(event.reduction);
    case 'remission': case 'trajectory-signal': return '';
    case 'sustained-remission': return event.from.id;
    case 'setback': return `${event.state} ${event.setback.recoveryDays} ${event.setback.confirmed?.id}`;
    case 'relapse': return event.after.state;
    case 'sudden-gain': case 'sudden-loss': return `${event.step.before.length} ${event.step.after.length} ${event.step.reversal?.id}`;
  }
}

/** The Observation keeps its value and says that it must not be used any more. */
const withdrawal = (scale: Scale, metric: CourseEvent['metric'], responseId: string): DerivedWrite => ({
  kind: 'change', type: 'Observation', id: observationId(metric, scale, responseId),
  change: (current: Resource) => (current['status'] === 'entered-in-error' ? null : { ...current, status: 'entered-in-error' }),
});

/**
 * Scores whose signal rests on other numbers now. What was written with an earlier version of the reference cannot be told from
 * the record, so that a signal which is not implied any more is looked up.
 */
function moved(was: readonly Course[], is: readonly Course[], change: Change): string[] {
  if (was.every((course, i) => is[i] !== undefined && continues(course, is[i]))) return [];
  const [before, after] = [placesIn(was), placesIn(is)];
  const ids = [...before].filter(([id, place]) => after.get(id) !== place).map(([id]) => id);
  return ids.filter((id) => !new Standing(id, change).fresh);
}

/** Whether every score of `was` stands in `is` where it stood, with the same baseline: what a further score at the end leaves alone. */
const continues = (was: Course, is: Course): boolean =>
  was.series.baseline === is.series.baseline && was.placed.every(({ score, session }, i) => is.placed[i]?.score === score && is.placed[i].session === session);

const placesIn = (courses: readonly Course[]): Map<string, string> => new Map(courses.flatMap(({ placed, baseline }) =>
  placed.filter(({ session }) => session >= 3).map(({ score, session }): [string, string] => [score.id, `${session} ${score.value} ${baseline.value} ${baseline.id}`])));
