import type { Resource } from '../../fhir/resource.ts';
import { adherence } from '../adherence.ts';
import { sourceOf } from '../record.ts';
import { reviewCourse } from '../time-to-acknowledge.ts';
import { zoneOf } from '../time-zone.ts';
import { finishedCourses, strataOf, strataOfEpisode, type Course, type Subject } from './courses.ts';
import { reference, type MeasurementPeriod, type Membership } from './membership.ts';

/** Measures of how treatment is accompanied, session by session and task by task (docs/clinical.md 3.10, 3.13, 3.14). Pure. */

/** A score this far from a session, before or after, belongs to it. */
const near = 3 * 86_400_000;

/**
 * Sessions of the measurement period with a score of one of `keys` at most three days away, or that names the session.
 * @returns one membership for each session
 */
export function sessionsCovered(subject: Subject, period: MeasurementPeriod, keys: readonly string[]): Membership[] {
  const { patient, record, byType } = subject;
  const scores = keys.flatMap((key) => record.scores.get(key) ?? []).filter(({ value }) => value !== null);
  return record.sessions.filter(({ at }) => at !== null && at >= period.start && at < period.end).map((session): Membership => {
    const found = scores.find(({ at, data }) => data.encounter === `Encounter/${session.id}` || (at !== null && Math.abs(at - session.at!) <= near));
    return {
      patient: reference(patient), unit: `Encounter/${session.id}`, denominator: true, exclusion: false, numerator: found !== undefined,
      evaluated: [`Encounter/${session.id}`, ...(found === undefined ? [] : [sourceOf(found)])], strata: strataOfEpisode(byType.get('EpisodeOfCare')?.find(({ id }) => id === session.data.episode), subject),
    };
  });
}

/** Homework that was due in the measurement period and not withdrawn; completed. One membership for each Task. */
export function homeworkCompleted({ patient, byType }: Subject, period: MeasurementPeriod, zone: string): Membership[] {
  const { eligible } = adherence(byType.get('Task') ?? [], new Date(period.end).toISOString(), { from: new Date(period.start).toISOString(), zone: zoneOf(patient, zone) });
  return eligible.map((task): Membership => ({
    patient: reference(patient), unit: reference(task), denominator: true, exclusion: false, numerator: task.status === 'completed', evaluated: [reference(task)],
    strata: { 'homework-type': codeOf(task), practitioner: (task.requester as { reference?: string } | undefined)?.reference ?? 'unknown' },
  }));
}

const codeOf = (task: Resource): string => (task.code as { coding?: { code?: string }[] } | undefined)?.coding?.[0]?.code ?? 'unknown';

/** Reviews of alerts whose time began in the measurement period; acknowledged before their limit. One membership for each Task. */
export function reviewsAcknowledged({ patient, byType }: Subject, period: MeasurementPeriod, now: number): Membership[] {
  return (byType.get('Task') ?? []).flatMap((task): Membership[] => {
    const course = reviewCourse(task);
    if (course === undefined || course.start < period.start || course.start >= period.end) return [];
    const { acknowledged, limit } = course;
    return [{
      patient: reference(patient), unit: reference(task), denominator: true, exclusion: acknowledged === null && now <= limit,
      numerator: acknowledged !== null && acknowledged <= limit, evaluated: [reference(task)], strata: { priority: (task.priority as string | undefined) ?? 'routine' },
    }];
  });
}

/** Finished courses with at least two valid totals, on different dates, of some instrument. */
export function pairedData(subject: Subject, period: MeasurementPeriod): Membership[] {
  return finishedCourses(subject, period).map((course): Membership => {
    const found = [...subject.record.scores.keys()].flatMap((key) => pairIn(course, key) ?? []);
    return {
      patient: course.patient, unit: reference(course.episode), denominator: true, exclusion: false, numerator: found.length > 0,
      evaluated: [reference(course.episode), ...found], strata: strataOf(course, subject, undefined),
    };
  });
}

function pairIn(course: Course, key: string): readonly string[] | undefined {
  const scores = course.series(key)?.scores ?? [];
  const [first, last] = [scores[0], scores.at(-1)];
  return first === undefined || last === undefined || first.date === last.date ? undefined : [first, last].map(sourceOf);
}
