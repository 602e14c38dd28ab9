import type { Resource } from '../../fhir/resource.ts';
import { isLater, seriesOf, type Series, type Valid } from '../baseline.ts';
import { changeBetween, isClinical, type Change } from '../change.ts';
import { dischargeOf, onWholeScale } from '../course.ts';
import type { PatientRecord, Session } from '../record.ts';
import { scaleForSex, type Scale } from '../registry.ts';
import { bandOf } from '../score.ts';
import { sessionsOf } from '../sessions.ts';
import { isWithin, reference, type MeasurementPeriod, type Membership, type StratumCoding } from './membership.ts';

/** A finished course of treatment, as the measures of outcome count it (docs/clinical.md 3.4, 3.14). Pure. */
export interface Course {
  readonly patient: string;
  /** Patient.gender, where it is known. */
  readonly gender?: string;
  readonly episode: Resource;
  /** Finished sessions of the course, in time order. */
  readonly sessions: readonly Session[];
  readonly series: (scaleKey: string) => Series | undefined;
}

/** What one patient brings to the measures. */
export interface Subject {
  readonly patient: Resource;
  readonly record: PatientRecord;
  readonly byType: ReadonlyMap<string, readonly Resource[]>;
}

/** @returns the courses that ended in `period`, by the date of their end (docs/clinical.md 3.0). */
export function finishedCourses({ patient, record, byType }: Subject, period: MeasurementPeriod): Course[] {
  return (byType.get('EpisodeOfCare') ?? []).flatMap((resource): Course[] => {
    const episode = record.episodes.find(({ id }) => id === resource.id);
    if (resource.status !== 'finished' || episode?.lastDate === undefined || !isWithin(episode.lastDate, period)) return [];
    return [{
      patient: reference(patient), episode: resource, ...(record.person.gender === undefined ? {} : { gender: record.person.gender }),
      sessions: sessionsOf(record, episode),
      series: (key) => seriesOf(record, key).find((series) => series.episode?.id === episode.id),
    }];
  });
}

/** Baseline and last score of a course on one scale, none later than its end. */
export interface Paired { readonly scale: Scale; readonly baseline: Valid; readonly last: Valid; readonly change: Change }

/** @returns what the course has on `scale`; undefined without two scores on different dates. */
export function paired(course: Course, general: Scale): Paired | undefined {
  const scale = scaleForSex(general, course.gender);
  const series = course.series(scale.key);
  const discharge = series === undefined ? null : dischargeOf(series.episode);
  const last = series?.scores.findLast(({ date }) => discharge === null || date <= discharge);
  if (series === undefined || last === undefined || !isLater(last, series)) return undefined;
  const [x0, x1] = [onWholeScale(scale, series.baseline), onWholeScale(scale, last)];
  return { scale, baseline: x0, last: x1, change: changeBetween(scale, x0.value, x1.value) };
}

interface Reference { readonly reference?: string }
interface Coded { readonly text?: string; readonly coding?: readonly StratumCoding[] }

/** @returns what an episode is about: the first of its diagnoses that the record has. */
export function conditionOf(episode: Resource | undefined, { byType }: Subject): Resource | undefined {
  const problem = ((episode?.diagnosis ?? []) as { condition?: Reference }[])[0]?.condition?.reference;
  return problem === undefined ? undefined : byType.get('Condition')?.find((each) => reference(each) === problem);
}

type Strata = Pick<Membership, 'strata' | 'codings'>;

/** @returns by what units of an episode are told apart: who and which team was responsible, and what it was about, by its first code: the same code is often worded in many ways, and the words of one record are nobody else's business. */
export function strataOfEpisode(episode: Resource | undefined, subject: Subject): Strata {
  const { text, coding = [] } = (conditionOf(episode, subject)?.code ?? {}) as Coded;
  const problem = coding.find(({ code }) => code !== undefined);
  return {
    strata: {
      practitioner: (episode?.careManager as Reference | undefined)?.reference ?? 'unknown',
      team: ((episode?.team ?? []) as Reference[])[0]?.reference ?? 'unknown',
      problem: problem === undefined ? text ?? coding[0]?.display ?? 'unknown' : `${problem.system ?? ''}|${problem.code}`,
    },
    ...(problem === undefined ? {} : { codings: { problem } }),
  };
}

/** @returns the same of a course, with the band of its first score. */
export function strataOf({ episode }: Course, subject: Subject, pair: Paired | undefined): Strata {
  const band = pair === undefined ? undefined : bandOf(pair.scale, pair.baseline.value);
  const { strata, ...codings } = strataOfEpisode(episode, subject);
  return { strata: { ...strata, 'baseline-band': band?.code ?? 'unknown' }, ...codings };
}

/** @returns whether the course began on the clinical side of the scale; null where the scale has no cut-off. */
export const beganClinical = ({ scale, baseline }: Paired): boolean | null => (scale.cutoff === undefined ? null : isClinical(baseline.value, scale.cutoff));

