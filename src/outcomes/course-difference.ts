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
import type { Scale } from './registry.ts';

/** Which writes lead from what stood out in the courses of one record to what stands out in those of another. */

interface Found { readonly event: CourseEvent; readonly course: Course }

/** Adds to `writes` what turns the Observations of events and the open reviews of `before` into those of `after`. */
export function courseWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  if (scale.definition.compared === false) return;
  const was = coursesOf(before, scale), is = coursesOf(after, scale);
  const events = (course: Course): CourseEvent[] => scoreEvents(course, context.reference ?? null);
  const earlier = foundIn(was, events), now = foundIn(is, events);
  eventWrites(writes, scale, earlier, now, change, context);
  for (const id of moved(was, is, change)) {
    const key = `trajectory-signal|${id}`;
    if (!now.has(key) && !earlier.has(key)) writes.push(withdrawal(scale, 'trajectory-signal', id));
  }
  reviewWrites(writes, scale, { was, is }, change, context);
}

/** Adds to `writes` what a change of check-ins means for the scores of another scale: whether a week of them confirms a setback. */
export function checkInWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  if (scale.definition.compared === false || scale.threshold === undefined) return;
  eventWrites(writes, scale, foundIn(coursesOf(before, scale), setbackEvents), foundIn(coursesOf(after, scale), setbackEvents), change, context);
}

function eventWrites(writes: DerivedWrite[], scale: Scale, earlier: ReadonlyMap<string, Found>, now: ReadonlyMap<string, Found>, change: Change, context: DeriveContext): void {
  for (const [key, byScores] of now) {
    const before = earlier.get(key);
    // What is the same by its scores is looked at again only where the check-ins are others.
    if (before !== undefined && same(before, byScores) && sameCheckIns(before, byScores)) continue;
    const known = before === undefined ? undefined : settled(before, context), found = settled(byScores, context);
    if (known !== undefined && same(known, found)) continue;
    const standing = new Standing(found.event.anchor.id, change);
    const status = standing.status(known !== undefined, found.event.anchor.data.status === 'amended' ? 'amended' : 'final');
    writes.push({ kind: 'put', resource: courseObservation(scale, found.event, found.course.series.episode, status, context), mayExist: !standing.fresh });
  }
  for (const [key, { event }] of earlier) if (!now.has(key)) writes.push(withdrawal(scale, event.metric, event.anchor.id));
}

const sameCheckIns = (a: Found, b: Found): boolean => !dependsOnCheckIns(b.course, b.event) || a.course.checkIns.every((list, i) => list.length === b.course.checkIns[i]!.length && list.every((score, j) => score === b.course.checkIns[i]![j]));

/** An event with what check-ins add to it, which are asked for where the record may not have them. */
function settled({ event, course }: Found, { looksAt }: DeriveContext): Found {
  if (!dependsOnCheckIns(course, event)) return { event, course };
  looksAt?.(checkInKeys);
  return { event: withWeek(course, event), course };
}

const coursesOf = (record: PatientRecord, scale: Scale): Course[] => seriesOf(record, scale.key).map((series) => courseOf(record, scale, series));

function foundIn(courses: readonly Course[], events: (course: Course) => readonly CourseEvent[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const course of courses) for (const event of events(course)) found.set(`${event.metric}|${event.anchor.id}`, { event, course });
  return found;
}

/** Whether the Observation of an event would be the same. Scores that a change left alone are the same objects, so that this costs little for them. */
function same(a: Found, b: Found): boolean {
  const [one, other] = [a.event.inputs, b.event.inputs];
  return a.course.series.episode?.id === b.course.series.episode?.id && detail(a.event) === detail(b.event)
    && one.length === other.length && one.every((score, i) => sameInput(score, other[i]!));
}

function sameInput(a: Valid, b: Valid): boolean {
  return a === b || (a.id === b.id && a.value === b.value && a.date === b.date && a.data.encounter === b.data.encounter
    && a.data.authored === b.data.authored && JSON.stringify(a.data.security) === JSON.stringify(b.data.security));
}

/** What an event says beside its inputs. */
function detail(event: CourseEvent): string {
  switch (event.metric) {
    case 'response': return String(event.reduction);
    case 'remission': return '';
    case 'sustained-remission': return event.from.id;
    case 'setback': return `${event.state} ${event.setback.recoveryDays} ${event.setback.confirmed?.id}`;
    case 'relapse': return event.after.state;
    case 'sudden-gain': case 'sudden-loss': return `${event.step.before.length} ${event.step.after.length} ${event.step.reversal?.id}`;
    case 'trajectory-signal': return `${event.session} ${event.signal.code} ${event.signal.uncapped} ${event.signal.basis} ${JSON.stringify(event.signal.reference)}`;
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
  const [before, after] = [placesIn(was), placesIn(is)];
  const ids = [...before].filter(([id, place]) => after.get(id) !== place).map(([id]) => id);
  return ids.filter((id) => !new Standing(id, change).fresh);
}

const placesIn = (courses: readonly Course[]): Map<string, string> => new Map(courses.flatMap(({ placed, series: { baseline } }) =>
  placed.filter(({ session }) => session >= 3).map(({ score, session }): [string, string] => [score.id, `${session} ${score.value} ${baseline.value} ${baseline.id}`])));
