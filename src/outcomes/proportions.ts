/**
 * Proportions of a caseload and how sure they are (docs/clinical.md 3.14, 3.15). Pure; a proportion of nothing is null, never 0.
 */

/** A value with the limits of its confidence interval. */
export interface Interval { readonly low: number; readonly high: number }

/** The 0.975 quantile of the standard normal distribution: intervals of 95 %. */
export const z95 = 1.959963984540054;

/**
 * Wilson's score interval (Wilson 1927): unlike the simple one it stays within 0 and 1 and is not empty at 0 or n.
 * @param k how many, a whole number from 0 to `n`
 * @param n of how many
 * @returns the limits; null when n is 0
 */
export function wilson(k: number, n: number, z = z95): Interval | null {
  if (n === 0) return null;
  const p = k / n;
  const square = z * z;
  const center = p + square / (2 * n);
  const half = z * Math.sqrt(p * (1 - p) / n + square / (4 * n * n));
  const scale = 1 + square / n;
  // At the ends the limit is exact; the subtraction would leave 1e-17 or so.
  return { low: k === 0 ? 0 : (center - half) / scale, high: k === n ? 1 : (center + half) / scale };
}

/**
 * What the proportion would be if none, and if all, of those without paired data had the outcome.
 * @param k how many of the `observed` had it
 * @param missing how many have no paired data
 * @returns the worst and the best case; null when nobody is counted
 */
export function bounds(k: number, observed: number, missing: number): Interval | null {
  const n = observed + missing;
  return n === 0 ? null : { low: k / n, high: (k + missing) / n };
}

/**
 * Control limits of a funnel plot: where the proportion of a unit of `n` lies by chance around `target`, by the normal approximation
 * (Spiegelhalter 2005).
 * @returns the limits, within 0 and 1; null when n is 0
 */
export function funnel(target: number, n: number, z = z95): Interval | null {
  if (n === 0) return null;
  const half = z * Math.sqrt(target * (1 - target) / n);
  return { low: Math.max(0, target - half), high: Math.min(1, target + half) };
}

/** The 0.999 quantile of the standard normal distribution: the outer limits of a funnel plot, 99.8 %. */
export const z998 = 3.090232306167813;

/**
 * The proportion of a unit drawn towards that of all, the more the smaller the unit is: the mean of the Beta distribution that follows
 * from a prior as heavy as `weight` units of `target` (Beta-Binomial model).
 * @param k how many of the unit's `n`
 * @param weight of how many cases the prior counts, above 0
 * @returns null when n is 0
 */
export function shrunken(k: number, n: number, target: number, weight: number): number | null {
  return n === 0 ? null : (k + target * weight) / (n + weight);
}
