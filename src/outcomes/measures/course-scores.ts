import { isLater, onePerDate, type Valid } from '../baseline.ts';
import { dischargeOf, onWholeScale } from '../course.ts';
import type { Scale } from '../registry.ts';
import type { Course } from './courses.ts';

/**
 * @returns what a course has on `scale`: its baseline and what came after it up to its end, one score a date, in time order; [] where
 * there is no score. A score after the end is a follow-up: it is not of the course. Pure.
 */
export function courseScores({ series: seriesOf }: Course, scale: Scale): Valid[] {
  const series = seriesOf(scale.key);
  if (series === undefined) return [];
  const discharge = dischargeOf(series.episode);
  return onePerDate(series.scores)
    .filter((score) => score.id === series.baseline.id || (isLater(score, series) && (discharge === null || score.date <= discharge)))
    .map((score) => onWholeScale(scale, score));
}
