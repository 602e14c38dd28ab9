/** Reliable change and clinically significant change (Jacobson and Truax 1991): docs/clinical.md 3.1 and 3.2. */

export interface ReliableChangeIndex { readonly standardError: number; readonly sDiff: number; readonly threshold: number }

/**
 * S_E = sd * sqrt(1 - r); S_diff = sqrt(2 * S_E^2); threshold = z * S_diff. A change is reliable when it is larger than the threshold.
 * @param sd standard deviation of the reference sample at baseline, above 0.
 * @param r reliability in [0, 1): with r = 1 every difference would be reliable, so the index is undefined.
 * @param z 1.96 for 95 %, 1.645 for 90 %, 1.28 for 80 %.
 * @throws RangeError when a parameter is outside its range.
 */
export function reliableChangeIndex(sd: number, r: number, z: number): ReliableChangeIndex {
  if (!(sd > 0)) throw new RangeError('The standard deviation must be above 0.');
  if (!(r >= 0 && r < 1)) throw new RangeError('The reliability must be at least 0 and below 1.');
  if (!(z > 0)) throw new RangeError('z must be above 0.');
  const standardError = sd * Math.sqrt(1 - r);
  const sDiff = Math.sqrt(2 * standardError ** 2);
  return { standardError, sDiff, threshold: z * sDiff };
}

export interface Moments { readonly mean: number; readonly sd: number }

/**
 * The three cut-offs between a clinical and a functional population.
 * a: two SD beyond the clinical mean, b: within two SD of the functional mean (with the functional SD), c: where both are equally likely.
 * @param sign +1 where higher is worse, -1 where higher is better.
 */
export function significanceCutoffs(clinical: Moments, functional: Moments, sign: 1 | -1): { a: number; b: number; c: number } {
  return {
    a: clinical.mean - sign * 2 * clinical.sd,
    b: functional.mean + sign * 2 * functional.sd,
    c: (functional.sd * clinical.mean + clinical.sd * functional.mean) / (functional.sd + clinical.sd),
  };
}
