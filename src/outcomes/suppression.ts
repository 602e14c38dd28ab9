/**
 * Small numbers that would tell about individuals (docs/clinical.md 3.15, docs/measures.md): the rule of NHS England's public
 * dashboards, in counts and rates from which the exact numbers cannot be had. Pure.
 */

/** A rate as counted. */
export interface Counts { readonly numerator: number; readonly denominator: number }

/** A rate as shown; null: hidden. */
export interface Shown { readonly numerator: number | null; readonly denominator: number | null; readonly rate: number | null }

/** Below it a cell is hidden. */
export const smallest = 5;

const nearest = 5;

export const hidden: Shown = { numerator: null, denominator: null, rate: null };

export const isSmall = ({ numerator, denominator }: Counts): boolean => numerator < smallest || denominator < smallest;

/** @returns a count to the nearest five. */
export const coarse = (count: number): number => nearest * Math.round(count / nearest);

/** From so many cases on a rate is in steps of so many per cent: one case more or less must not be seen in it. */
const steps: readonly (readonly [cases: number, perCent: number])[] = [[100, 1], [20, 5], [10, 10], [0, 20]];

/** @returns a share, or a limit of it, in the step that its `n` cases allow: in whole per cents, most counts below fifty could be had back from it. */
export function coarseShare(share: number, n: number): number {
  const [, perCent] = steps.find(([cases]) => n >= cases)!;
  return (perCent * Math.round(100 * share / perCent)) / 100;
}

/** @returns `counts` as they are: for a client, or for a clinician's own caseload. */
export const unsuppressed = ({ numerator, denominator }: Counts): Shown =>
  ({ numerator, denominator, rate: denominator === 0 ? null : numerator / denominator });

/** @returns `counts` for somebody who may know the caseload and not the people in it: counts to the nearest five, the rate of the counts themselves in its step. */
export const suppressed = (counts: Counts): Shown => (isSmall(counts) ? hidden : {
  numerator: coarse(counts.numerator), denominator: coarse(counts.denominator), rate: coarseShare(counts.numerator / counts.denominator, counts.denominator),
});
