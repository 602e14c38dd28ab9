import { z95, type Interval } from './proportions.ts';

/** How large the mean change of a caseload is, against its spread (docs/clinical.md 3.15). Pure. */

/** Baseline and last score of one episode. */
export interface Pair { readonly baseline: number; readonly last: number }

export interface EffectSize {
  readonly n: number;
  /** Mean improvement in points; above 0 is better. */
  readonly meanImprovement: number;
  /** Standard deviation of the baseline scores: what `dPre` and `g` are measured by. */
  readonly sdPre: number;
  /** Mean improvement over `sdPre`; null when the baseline scores do not differ. */
  readonly dPre: number | null;
  /** `dPre` with Hedges' correction for small samples. */
  readonly g: number | null;
  /** Mean improvement over the standard deviation of the differences: not comparable with `dPre`. */
  readonly dz: number | null;
  /** 95 % limits of `dPre`, its standard error from the correlation of the two scores; null where either has no spread. */
  readonly interval: Interval | null;
  /** The same of `g`. */
  readonly intervalOfG: Interval | null;
}

/** Service-defined: below it an effect size is not shown. */
export const effectSizeMinimum = 10;

/**
 * @param sign +1 where a higher score is worse, -1 where it is better
 * @returns the effect sizes; null for fewer than `effectSizeMinimum` pairs
 */
export function effectSize(pairs: readonly Pair[], sign: 1 | -1): EffectSize | null {
  const n = pairs.length;
  if (n < effectSizeMinimum) return null;
  const differences = pairs.map(({ baseline, last }) => sign * (baseline - last));
  const meanImprovement = mean(differences);
  const sdPre = deviation(pairs.map(({ baseline }) => baseline));
  const sdDifference = deviation(differences);
  const r = correlation(pairs.map(({ baseline, last }) => [baseline, last]));
  const dPre = sdPre === 0 ? null : meanImprovement / sdPre;
  const correction = 1 - 3 / (4 * (n - 1) - 1);
  const half = dPre === null || r === null ? null : z95 * Math.sqrt(2 * (1 - r) / n + dPre ** 2 / (2 * n));
  const around = (value: number | null, size: number | null): Interval | null => (value === null || size === null ? null : { low: value - size, high: value + size });
  const g = dPre === null ? null : dPre * correction;
  return {
    n, meanImprovement, sdPre, dPre, g,
    dz: sdDifference === 0 ? null : meanImprovement / sdDifference,
    interval: around(dPre, half), intervalOfG: around(g, half === null ? null : half * correction),
  };
}

/** Pearson's correlation with the 95 % limits of Fisher's transformation. */
export interface Correlation { readonly n: number; readonly r: number; readonly low: number; readonly high: number }

/**
 * @returns the correlation of the pairs; null for fewer than ten, or where one side does not vary. It is an association, and says
 * nothing about what causes what.
 */
export function association(pairs: readonly (readonly [number, number])[]): Correlation | null {
  const n = pairs.length;
  const r = n < effectSizeMinimum ? null : correlation(pairs);
  if (r === null) return null;
  const half = z95 / Math.sqrt(n - 3);
  // A perfect correlation has no Fisher transform: its limits are itself.
  const limit = (step: number): number => (Math.abs(r) === 1 ? r : Math.tanh(Math.atanh(r) + step));
  return { n, r, low: limit(-half), high: limit(half) };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation of a sample; exactly 0 for equal values, whose rounded mean may differ from them. */
function deviation(values: readonly number[]): number {
  if (values.every((value) => value === values[0])) return 0;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

function correlation(pairs: readonly (readonly [number, number])[]): number | null {
  const x = pairs.map(([first]) => first);
  const y = pairs.map(([, second]) => second);
  const [sx, sy] = [deviation(x), deviation(y)];
  if (sx === 0 || sy === 0) return null;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = pairs.reduce((sum, [a, b]) => sum + (a - mx) * (b - my), 0) / (pairs.length - 1);
  return Math.min(1, Math.max(-1, covariance / (sx * sy)));
}
