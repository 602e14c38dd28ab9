
import { sourceOf } from '../record.ts';
import type { Registry, Scale } from '../registry.ts';
import { inRemission, responseBetween } from '../response.ts';
import { descriptorOf, pairOutcome, type PairOutcome } from '../talking-therapies.ts';
import { beganClinical, conditionOf, finishedCourses, paired, strataOf, type Course, type Paired, type Subject } from './courses.ts';
import { reference, type MeasurementPeriod, type Membership } from './membership.ts';

/** Rates of outcome on one scale over the courses that ended in a period (docs/clinical.md 3.1 to 3.5). Pure. */

/** What a rate asks of a course that has a pair. `denominator` false: the course does not count in this rate. */
type Question = (pair: Paired) => { readonly denominator: boolean; readonly numerator: boolean };

const questions = {
  /** Better than the first score by more than chance, of all with a pair. */
  'reliable-improvement': ({ change }) => ({ denominator: change.reliable !== null, numerator: change.reliable === 'better' }),
  'reliable-deterioration': ({ change }) => ({ denominator: change.reliable !== null, numerator: change.reliable === 'worse' }),
  /** From the clinical to the functional side, of those who began on the clinical side. */
  'recovery': (pair) => ({ denominator: beganClinical(pair) === true, numerator: pair.change.postClinical === false }),
  'reliable-recovery': (pair) => ({ denominator: beganClinical(pair) === true, numerator: pair.change.class === 'recovered' }),
  /** Half or less of the first score, of those who began on the clinical side. */
  'response': ({ scale, baseline, last }) => {
    const { response } = responseBetween(scale, baseline.value, last.value);
    return { denominator: response !== null, numerator: response === true };
  },
  /** Within the remission limit of the scale, of those who began outside it. */
  'remission': ({ scale, baseline, last }) => ({ denominator: inRemission(scale, baseline.value) === false, numerator: inRemission(scale, last.value) === true }),
} as const satisfies Record<string, Question>;

export type CourseRate = keyof typeof questions;

export const courseRates = Object.keys(questions) as CourseRate[];

/** @returns one membership for each course that ended in `period`; without a pair it is in the initial population only. */
export function courseRate(rate: CourseRate, subject: Subject, period: MeasurementPeriod, scale: Scale): Membership[] {
  return finishedCourses(subject, period).map((course) => place(course, subject, paired(course, scale), questions[rate]));
}

function place(course: Course, subject: Subject, pair: Paired | undefined, question: Question): Membership {
  const answer = pair === undefined ? { denominator: false, numerator: false } : question(pair);
  return {
    patient: course.patient, unit: reference(course.episode), paired: pair !== undefined, denominator: answer.denominator, exclusion: false, numerator: answer.denominator && answer.numerator,
    evaluated: [reference(course.episode), ...(pair === undefined ? [] : [pair.baseline, pair.last].map(sourceOf))],
    ...strataOf(course, subject, pair),
  };
}

/** Treatment appointments that make a course one that national rates count. */
const leastSessions = 2;

/**
 * What national rates ask of a finished course by the pair rules (docs/clinical.md 3.4): improvement and deterioration over all of
 * them, both recoveries over all that are not known to have begun below the cut-offs. A course without the scores stays in the
 * denominator, as it does there: the completeness beside the rate says how many.
 */
const pairQuestions = {
  'talking-therapies-recovery': (found) => ({ denominator: found?.caseAtStart !== false, numerator: found?.recovery === true }),
  'talking-therapies-reliable-recovery': (found) => ({ denominator: found?.caseAtStart !== false, numerator: found?.reliableRecovery === true }),
  'talking-therapies-reliable-improvement': (found) => ({ denominator: true, numerator: found?.reliableImprovement === true }),
  'talking-therapies-reliable-deterioration': (found) => ({ denominator: true, numerator: found?.reliableDeterioration === true }),
} as const satisfies Record<string, (outcome: PairOutcome | undefined) => { readonly denominator: boolean; readonly numerator: boolean }>;

export type PairRate = keyof typeof pairQuestions;

export const pairRates = Object.keys(pairQuestions) as PairRate[];

/** @returns one membership for each course with at least two sessions that ended in `period`. */
export function pairRate(rate: PairRate, subject: Subject, period: MeasurementPeriod, registry: Registry): Membership[] {
  return finishedCourses(subject, period).filter(({ sessions }) => sessions.length >= leastSessions).map((course): Membership => {
    const found = pairOutcome(registry, course.series, descriptorOf(conditionOf(course.episode, subject)?.code));
    const answer = pairQuestions[rate](found ?? undefined);
    return {
      patient: course.patient, unit: reference(course.episode), paired: found !== null, denominator: answer.denominator, exclusion: false, numerator: answer.denominator && answer.numerator,
      evaluated: [reference(course.episode), ...(found?.measures ?? []).flatMap(({ first, last }) => [sourceOf(first), sourceOf(last)])],
      ...strataOf(course, subject, paired(course, registry.scales.get('phq-9')!)),
    };
  });
}
