import type { Scale } from '../registry.ts';
import { beganClinical, finishedCourses, paired, strataOf, type Course, type Paired, type Subject } from './courses.ts';
import { reference, type MeasurementPeriod, type Membership } from './membership.ts';

/** Rates of outcome on one scale over the courses that ended in a period (docs/clinical.md 3.1 to 3.5). Pure. */

/** What a rate asks of a course that has a pair. `denominator` false: the course does not count in this rate. */
type Question = (pair: Paired) => { readonly denominator: boolean; readonly numerator: boolean };

/** Share of the drop that counts as a response, and the least score that one can respond from where the scale has a clinical cut-off. */
const response = 0.5;

const questions = {
  /** Better than the first score by more than chance, of all with a pair. */
  'reliable-improvement': ({ change }) => ({ denominator: change.reliable !== null, numerator: change.reliable === 'better' }),
  'reliable-deterioration': ({ change }) => ({ denominator: change.reliable !== null, numerator: change.reliable === 'worse' }),
  /** From the clinical to the functional side, of those who began on the clinical side. */
  'recovery': (pair) => ({ denominator: beganClinical(pair) === true, numerator: pair.change.postClinical === false }),
  'reliable-recovery': (pair) => ({ denominator: beganClinical(pair) === true, numerator: pair.change.class === 'recovered' }),
  /** Half or less of the first score, of those who began on the clinical side. */
  'response': (pair) => ({ denominator: beganClinical(pair) === true && pair.baseline.value > 0, numerator: pair.change.improvement / pair.baseline.value >= response }),
  /** Within the remission limit of the scale, of those who began outside it. */
  'remission': ({ scale, baseline, last }) => ({ denominator: isRemitted(scale, baseline.value) === false, numerator: isRemitted(scale, last.value) === true }),
} as const satisfies Record<string, Question>;

export type CourseRate = keyof typeof questions;

export const courseRates = Object.keys(questions) as CourseRate[];

/** @returns whether a score is in remission; undefined where the scale has no such limit. */
function isRemitted({ definition: { cutoffs }, sign }: Scale, value: number): boolean | undefined {
  const limit = cutoffs.find(({ use }) => use === 'remission');
  return limit === undefined ? undefined : sign === 1 ? value < limit.value : value > limit.value;
}

/** @returns one membership for each course that ended in `period`; without a pair it is in the initial population only. */
export function courseRate(rate: CourseRate, subject: Subject, period: MeasurementPeriod, scale: Scale): Membership[] {
  return finishedCourses(subject, period).map((course) => place(course, subject, paired(course, scale), questions[rate]));
}

function place(course: Course, subject: Subject, pair: Paired | undefined, question: Question): Membership {
  const answer = pair === undefined ? { denominator: false, numerator: false } : question(pair);
  return {
    patient: course.patient, unit: reference(course.episode), paired: pair !== undefined, denominator: answer.denominator, exclusion: false, numerator: answer.denominator && answer.numerator,
    evaluated: [reference(course.episode), ...(pair === undefined ? [] : [pair.baseline, pair.last].map(({ id }) => `QuestionnaireResponse/${id}`))],
    strata: strataOf(course, subject, pair),
  };
}

