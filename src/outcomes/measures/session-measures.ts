import type { Resource } from '../../fhir/resource.ts';
import { adherence } from '../adherence.ts';
import { covered } from '../completeness.ts';
import { instantAt } from '../local-time.ts';
import { sourceOf } from '../record.ts';
import { sessionsOf } from '../sessions.ts';
import { reviewCourse } from '../time-to-acknowledge.ts';
import { zoneOf } from '../time-zone.ts';
import { finishedCourses, strataOf, strataOfEpisode, type Course, type Subject } from './courses.ts';
import { isWithin, reference, type MeasurementPeriod, type Membership } from './membership.ts';

/** Measures of how treatment is accompanied, session by session and task by task (docs/clinical.md 3.10, 3.13, 3.14). Pure. */

/**
 * Finished sessions of the measurement period with a score of one of `keys` that names the session or is at most three days away.
 * @returns one membership for each session
 */
export function sessionsCovered(subject: Subject, period: MeasurementPeriod, keys: readonly string[]): Membership[] {
  const { patient, record, byType } = subject;
  const wanted = { ...record, scores: new Map(keys.map((key) => [key, record.scores.get(key) ?? []])) };
  return [...record.episodes, null].flatMap((episode) => {
    const strata = strataOfEpisode(episode === null ? undefined : byType.get('EpisodeOfCare')?.find(({ id }) => id === episode.id), subject);
    return covered(wanted, sessionsOf(record, episode).filter(({ date }) => isWithin(date, period))).map(({ session, score }): Membership => ({
      patient: reference(patient), unit: `Encounter/${session.id}`, denominator: true, exclusion: false, numerator: score !== null,
      evaluated: [`Encounter/${session.id}`, ...(score === null ? [] : [sourceOf(score)])], ...strata,
    }));
  });
}

/** Homework that was due by now in the measurement period, where the client lives, and not withdrawn; completed. One membership for each Task. */
export function homeworkCompleted({ patient, byType }: Subject, period: MeasurementPeriod, zone: string, now: number): Membership[] {
  const lived = zoneOf(patient, zone);
  const midnight = (at: number): number => instantAt(new Date(at).toISOString(), 0, lived);
  const until = Math.min(midnight(period.end), now);
  const { eligible } = adherence(byType.get('Task') ?? [], new Date(until).toISOString(), { from: new Date(midnight(period.start)).toISOString(), zone: lived });
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

/** Finished courses with at least two valid totals, on different dates and none later than its end, of some instrument. */
export function pairedData(subject: Subject, period: MeasurementPeriod): Membership[] {
  return finishedCourses(subject, period).map((course): Membership => {
    const found = [...subject.record.scores.keys()].flatMap((key) => pairIn(course, key) ?? []);
    return {
      patient: course.patient, unit: reference(course.episode), denominator: true, exclusion: false, numerator: found.length > 0,
      evaluated: [reference(course.episode), ...found], ...strataOf(course, subject, undefined),
    };
  });
}

function pairIn(course: Course, key: string): readonly string[] | undefined {
  const { scores = [], episode } = course.series(key) ?? {};
  const end = episode?.lastDate;
  const [first, last] = [scores[0], scores.findLast(({ date }) => end === undefined || date <= end)];
  return first === undefined || last === undefined || first.date === last.date ? undefined : [first, last].map(sourceOf);
}
