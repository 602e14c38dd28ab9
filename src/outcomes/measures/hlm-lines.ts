import { hlmChange, isUsed, type HlmChange, type ScoredCourse } from '../hlm-change.ts';
import type { Pieces } from '../pieces.ts';
import { daysBetween } from '../local-time.ts';
import { wilson } from '../proportions.ts';
import type { Scale } from '../registry.ts';
import type { Line } from './caseload-line.ts';
import { courseScores } from './course-scores.ts';
import type { Course } from './courses.ts';
import { reference } from './membership.ts';

/** Change by slopes in the outcomes of a caseload (docs/clinical.md 3.3). Pure. */

/** @returns the scores of a course by weeks since its baseline. */
export function scoredCourse(course: Course, scale: Scale): ScoredCourse {
  const scores = courseScores(course, scale);
  return { episode: reference(course.episode), points: scores.map(({ date, value }) => ({ time: daysBetween(scores[0]!.date, date) / 7, value })) };
}

/**
 * @param courses all that ended in the period
 * @returns the mean line and how courses differ from it, how many improved and deteriorated by their own slopes, and each course
 */
export function* hlmLines(scale: Scale, courses: readonly ScoredCourse[]): Pieces<Line[]> {
  const used = courses.filter(isUsed).length;
  const found = yield* hlmChange(courses, scale.sign);
  const line = (statistic: string, more: Pick<Line, 'value'> & Partial<Line>): Line => ({ scale: scale.key, statistic: `hlm-${statistic}`, metric: 'hlm-change', n: used, ...more });
  const coverage = line('courses', { n: courses.length, value: courses.length === 0 ? null : used / courses.length, ...wilson(used, courses.length), tells: [used], isShare: true });
  if (typeof found === 'string') return [coverage, line('slope', { value: null, note: found })];
  const { intercept, slope, spread } = found;
  return [
    coverage,
    line('intercept', { value: intercept.value, ...intercept.interval }),
    line('slope', { value: slope.value, ...slope.interval, places: 2 }), line('slope-standard-error', { value: slope.error, places: 2 }),
    line('sd-of-intercepts', { value: spread.intercept }), line('sd-of-slopes', { value: spread.slope, places: 2 }),
    line('correlation', { value: spread.correlation, ...(spread.correlation === null ? { note: 'one of the two does not vary' } : {}) }),
    line('sd-of-residuals', { value: spread.residual }),
    ...classLines(found, line),
  ];
}

const drawn = 'slopes are drawn toward the mean slope: not to be compared with a rate of reliable change';

function classLines({ courses }: HlmChange, line: (statistic: string, more: Pick<Line, 'value'> & Partial<Line>) => Line): Line[] {
  if (typeof courses === 'string') return [line('improved', { value: null, note: courses }), line('deteriorated', { value: null, note: courses })];
  const share = (wanted: 'improved' | 'deteriorated'): Line => {
    const k = courses.filter((course) => course.class === wanted).length;
    return line(wanted, { value: k / courses.length, ...wilson(k, courses.length), tells: [k], isShare: true, note: drawn });
  };
  return [
    share('improved'), share('deteriorated'),
    ...courses.flatMap(({ episode, scores, slope, interval, index, indexOfDifference, class: of }) => [
      line('course-slope', { n: scores, value: slope, ...interval, episode, class: of }),
      line('course-index', { n: scores, value: index, episode, class: of }),
      line('course-index-of-difference', { n: scores, value: indexOfDifference, episode }),
    ]),
  ];
}
