import type { ChangeClass } from './change.ts';
import { mixedModel, type Estimate, type MixedModel, type Timed } from './mixed-model.ts';
import type { Pieces } from './pieces.ts';
import { z95, type Interval } from './proportions.ts';

/**
 * Change by slopes: the scores of all courses of a caseload over time as one hierarchical linear model, and each course classed by
 * its own slope against what is uncertain of it (Bryk and Raudenbush 1987; Speer and Greenbaum 1995; docs/clinical.md 3.3). Pure.
 */

/** One course: its scores by weeks since the baseline. */
export interface ScoredCourse { readonly episode: string; readonly points: readonly Timed[] }

export interface CourseSlope {
  readonly episode: string;
  readonly scores: number;
  /** Points a week (empirical Bayes), with 95 % limits. */
  readonly slope: number;
  readonly interval: Interval;
  /** `slope` over its posterior standard error: what the class goes by. */
  readonly index: number;
  /** The same of how far the slope is from the mean slope: the index of R clinicalsignificance. */
  readonly indexOfDifference: number;
  readonly class: Extract<ChangeClass, 'improved' | 'unchanged' | 'deteriorated'>;
}

/** A number of the mean line with its standard error and 95 % limits by t, with one degree of freedom less than there are courses. */
export interface Mean extends Estimate { readonly interval: Interval }

export interface HlmChange {
  /** Score at the baseline, and points a week. */
  readonly intercept: Mean;
  readonly slope: Mean;
  readonly spread: MixedModel['spread'];
  /** In the order of the input; or why single courses are not classed. */
  readonly courses: readonly CourseSlope[] | string;
}

/** A line through two scores leaves nothing to tell scatter from change by; the R package asks for three as well. */
export const leastScores = 3;
/** Service-defined: how courses differ is not known from fewer; curves are shown from as many on. */
const leastCourses = 20;
/** What is computed while somebody waits: 2,000 courses take about 0.2 s, in pieces. */
const mostCourses = 2000;

/**
 * @param courses any; those with fewer than three scores of different days are left out
 * @param sign +1 where a higher score is worse, -1 where it is better
 * @returns the model and the classes; or why it is not computed
 */
export function* hlmChange(courses: readonly ScoredCourse[], sign: 1 | -1): Pieces<HlmChange | string> {
  const used = courses.filter(isUsed);
  if (used.length < leastCourses) return `not computed: fewer than ${leastCourses} courses with ${leastScores} scores or more`;
  if (used.length > mostCourses) return `not computed: more than ${mostCourses} courses; ask for a shorter period`;
  const model = yield* mixedModel(used.map(({ points }) => points));
  if (model === 'no-residual') return 'not computed: the scores of each course lie on a line, without any scatter to judge a slope by';
  if (model === 'not-converged') return 'not computed: the search for the best model did not come to an end';
  const t = t95(used.length - 1);
  const withLimits = ({ value, error }: Estimate): Mean => ({ value, error, interval: around(value, t * error) });
  return {
    intercept: withLimits(model.intercept), slope: withLimits(model.slope), spread: model.spread,
    courses: model.singular ? indistinct : used.map((course, at) => slopeOf(course, model.persons[at]!, sign)),
  };
}

const indistinct = 'not computed: courses do not differ enough, beyond the scatter of their scores, for slopes of single ones to be told apart';

/** @returns whether a course has scores enough to be in the model. */
export const isUsed = ({ points }: ScoredCourse): boolean => new Set(points.map(({ time }) => time)).size >= leastScores;

function slopeOf({ episode, points }: ScoredCourse, { slope, slopeError, deviation, deviationError }: MixedModel['persons'][number], sign: 1 | -1): CourseSlope {
  const index = slope / slopeError;
  const isReliable = Math.abs(index) > z95;
  return {
    episode, scores: points.length, slope, interval: around(slope, z95 * slopeError), index, indexOfDifference: deviation / deviationError,
    class: !isReliable ? 'unchanged' : sign * index < 0 ? 'improved' : 'deteriorated',
  };
}

const around = (value: number, half: number): Interval => ({ low: value - half, high: value + half });

/**
 * The 0.975 quantile of Student's t by its expansion about the normal one (Abramowitz and Stegun 1964, 26.7.5): within 2e-5 from 19
 * degrees of freedom on.
 */
function t95(df: number): number {
  const z = z95;
  return z + (z ** 3 + z) / (4 * df) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * df ** 2) + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * df ** 3);
}
