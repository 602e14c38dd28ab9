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

/**
 * Other indices of reliable change (as collected in the R package clinicalsignificance). None of them decides a class here; the sign is that of
 * `current - baseline`, and a change is reliable when the size is above z.
 */
export type ReliableChangeMethod = 'jacobson-truax' | 'gulliksen-lord-novick' | 'hsu-linn-lord' | 'edwards-nunnally' | 'nunnally-kotsch' | 'hageman-arrindell';

/** What the indices need of a reference sample, beside the two scores. */
export interface SampleMoments {
  readonly sd: number;
  readonly r: number;
  /** Mean at the beginning: all but jacobson-truax. */
  readonly mean?: number;
  /** Mean at the end: hsu-linn-lord, hageman-arrindell. */
  readonly meanAfter?: number;
  /** Reliability at the end: nunnally-kotsch; absent: the same. */
  readonly rAfter?: number;
  /** SD at the end, and correlation of beginning and end: hageman-arrindell. */
  readonly sdAfter?: number;
  readonly correlation?: number;
}

/**
 * @returns the index by `method`.
 * @throws RangeError when the sample lacks what the method needs.
 */
export function changeIndex(method: ReliableChangeMethod, baseline: number, current: number, sample: SampleMoments): number {
  const { sd, r } = sample;
  const { standardError, sDiff } = reliableChangeIndex(sd, r, 1.96);
  const need = (name: 'mean' | 'meanAfter' | 'sdAfter' | 'correlation'): number => {
    const value = sample[name];
    if (value === undefined) throw new RangeError(`${method} needs ${name}.`);
    return value;
  };
  const predicted = (): number => r * (baseline - need('mean')); // regression to the mean of the first score
  switch (method) {
    case 'jacobson-truax': return (current - baseline) / sDiff;
    case 'gulliksen-lord-novick': return (current - need('mean') - predicted()) / (sd * Math.sqrt(1 - r ** 2));
    case 'hsu-linn-lord': return (current - need('meanAfter') - predicted()) / (sd * Math.sqrt(1 - r ** 2));
    case 'edwards-nunnally': return (current - predicted() - need('mean')) / standardError;
    case 'nunnally-kotsch': return (current - predicted() - need('mean')) / Math.sqrt(r ** 2 * sd ** 2 * (1 - r) + sd ** 2 * (1 - (sample.rAfter ?? r)));
    case 'hageman-arrindell': return hagemanArrindell(current - baseline, need('meanAfter') - need('mean'), [sd, need('sdAfter')], need('correlation'), standardError);
  }
}

/** Weighs the person's change against the mean change of the sample by the reliability of difference scores. */
function hagemanArrindell(change: number, meanChange: number, [sd, after]: readonly [number, number], correlation: number, standardError: number): number {
  const shared = 2 * sd * after * correlation;
  const reliable = (each: number): number => each ** 2 - standardError ** 2; // sd^2 * (1 - S_E^2 / sd^2)
  const ofDifferences = (reliable(sd) + reliable(after) - shared) / (sd ** 2 + after ** 2 - shared);
  if (!(ofDifferences > 0)) throw new RangeError('hageman-arrindell: the difference scores of the sample have no reliability.');
  return (change * ofDifferences + meanChange * (1 - ofDifferences)) / (Math.sqrt(ofDifferences) * Math.sqrt(2 * standardError ** 2));
}
