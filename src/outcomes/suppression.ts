/**
 * Small numbers that would tell about individuals (docs/clinical.md 3.15): the rule of NHS England's public dashboards, with the
 * complementary suppression that keeps a hidden stratum from being computed from its total. Pure.
 */

/** A rate as counted. */
export interface Counts { readonly numerator: number; readonly denominator: number }

/** A rate as shown; null: hidden. */
export interface Shown { readonly numerator: number | null; readonly denominator: number | null; readonly rate: number | null }

/** Below it a cell is hidden. */
export const smallest = 5;

const nearest = 5;

const hidden: Shown = { numerator: null, denominator: null, rate: null };

const isSmall = ({ numerator, denominator }: Counts): boolean => numerator < smallest || denominator < smallest;

/** The counts to the nearest five, the rate of the counts themselves. */
const roundedCounts = ({ numerator, denominator }: Counts): Shown => ({
  numerator: nearest * Math.round(numerator / nearest),
  denominator: nearest * Math.round(denominator / nearest),
  rate: numerator / denominator,
});

/** @returns `counts` as they are: for a client, or for a clinician's own caseload. */
export const unsuppressed = ({ numerator, denominator }: Counts): Shown =>
  ({ numerator, denominator, rate: denominator === 0 ? null : numerator / denominator });

/** @returns `counts` for somebody who may know the caseload and not the people in it. */
export const suppressed = (counts: Counts): Shown => (isSmall(counts) ? hidden : roundedCounts(counts));

/**
 * Suppresses the strata of one total that is shown as well. A stratum is hidden when it is small; and then as many more, the
 * smallest first, as it takes that those hidden cannot be had as the total less the rest: at least two, with at least five in
 * numerator and denominator together. Where the total itself is hidden, every stratum is.
 * @param strata a partition of the cases of the total
 * @returns the total, and the strata in the order given
 */
export function suppressedStrata(total: Counts, strata: readonly Counts[]): { total: Shown; strata: Shown[] } {
  if (isSmall(total)) return { total: hidden, strata: strata.map(() => hidden) };
  const bySize = strata.map((counts, at) => ({ counts, at })).sort((a, b) => a.counts.denominator - b.counts.denominator || a.counts.numerator - b.counts.numerator);
  // An empty stratum says nothing about anybody, but where it alone is hidden everybody knows what is in it.
  const hide = new Set(bySize.filter(({ counts }) => isSmall(counts)).map(({ at }) => at));
  for (const { at } of bySize) {
    if (hide.size === 0 || isSafe([...hide].map((each) => strata[each]!))) break;
    hide.add(at);
  }
  return { total: roundedCounts(total), strata: strata.map((counts, at) => (hide.has(at) ? hidden : roundedCounts(counts))) };
}

function isSafe(together: readonly Counts[]): boolean {
  const sum = together.reduce((all, { numerator, denominator }) => ({ numerator: all.numerator + numerator, denominator: all.denominator + denominator }), { numerator: 0, denominator: 0 });
  return together.filter(({ denominator }) => denominator > 0).length >= 2 && !isSmall(sum);
}
