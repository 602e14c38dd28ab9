/** Spearman's rank correlation (docs/clinical.md 3.10). Pure. */

/** Pairs that a rank correlation needs to be shown. Service-defined. */
export const leastPairs = 6;

/**
 * @returns the correlation of the ranks, equal values sharing the mean of their ranks; null for fewer pairs than `leastPairs`, or
 * where one side does not vary. An association within one person says nothing about what causes what, and has no p-value here.
 */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number | null {
  if (pairs.length < leastPairs) return null;
  const [x, y] = [ranks(pairs.map(([first]) => first)), ranks(pairs.map(([, second]) => second))];
  const middle = (pairs.length + 1) / 2;
  const sum = (of: (at: number) => number): number => x.reduce((total, _, at) => total + of(at), 0);
  const spread = Math.sqrt(sum((at) => (x[at]! - middle) ** 2) * sum((at) => (y[at]! - middle) ** 2));
  return spread === 0 ? null : sum((at) => (x[at]! - middle) * (y[at]! - middle)) / spread;
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}
