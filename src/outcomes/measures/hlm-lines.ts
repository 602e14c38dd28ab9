import { daysBetween } from '../local-time.ts';
import { isLater, onePerDate } from '../baseline.ts';
import { dischargeOf, onWholeScale } from '../course.ts';
import { hlmChange, isUsed, type HlmChange, type ScoredCourse } from '../hlm-change.ts';
import { wilson } from '../proportions.ts';
import type { Scale } from '../registry.ts';
import type { Line } from './caseload-line.ts';
import type { Course } from './courses.ts';

/** Change by slopes in the outcomes of a caseload (docs/clinical.md 3.3). Pure. */

/** @returns the scores of a course from the baseline to its end, one a date, by weeks since the baseline; none without a baseline. */
export function scoredCourse({ episode, series: seriesOf }: Course, scale: Scale): ScoredCourse {
  const series = seriesOf(scale.key);
  if (series === undefined) return { episode: `EpisodeOfCare/${episode.id}`, points: [] };
  const { baseline } = series;
  const discharge = dischargeOf(series.episode);
  const counted = onePerDate(series.scores).filter((score) => (score.id === baseline.id || isLater(score, series)) && (discharge === null || score.date <= discharge));
  return {
    episode: `EpisodeOfCare/${episode.id}`,
    points: counted.map((score) => ({ time: daysBetween(baseline.date, score.date) / 7, value: onWholeScale(scale, score).value })),
  };
}

/**
 * @param courses all that ended in the period
 * @returns the mean line and how courses differ from it, how many improved and deteriorated by their own slopes, and each course
 */
export function hlmLines(scale: Scale, courses: readonly ScoredCourse[]): Line[] {
  const used = courses.filter(isUsed).length;
  const found = hlmChange(courses, scale.sign);
  const line = (statistic: string, more: Pick<Line, 'value'> & Partial<Line>): Line => ({ scale: scale.key, statistic: `hlm-${statistic}`, metric: 'hlm-change', n: used, ...more });
  const coverage = line('courses', { n: courses.length, value: courses.length === 0 ? null : used / courses.length, ...wilson(used, courses.length), tells: [used], places: 2 });
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

function classLines({ courses }: HlmChange, line: (statistic: string, more: Pick<Line, 'value'> & Partial<Line>) => Line): Line[] {
  if (typeof courses === 'string') return [line('improved', { value: null, note: courses }), line('deteriorated', { value: null, note: courses })];
  const share = (wanted: 'improved' | 'deteriorated'): Line => {
    const k = courses.filter((course) => course.class === wanted).length;
    return line(wanted, { value: k / courses.length, ...wilson(k, courses.length), tells: [k], places: 2 });
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
