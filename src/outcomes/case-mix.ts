import type { Interval } from './proportions.ts';
import { smallest } from './suppression.ts';

/** Observed against expected outcomes (docs/clinical.md 3.15): indirect standardisation with exact Poisson limits. Pure. */

/** One episode in a cell of the reference table: baseline band, problem, employment, as the deployment has it. */
export interface Case { readonly cell: string; readonly outcome: boolean }

/** Share with the outcome in the reference, by cell. */
export type ReferenceRates = ReadonlyMap<string, number>;

export interface ObservedExpected {
  /** Cases whose cell is in the reference. */
  readonly n: number;
  /** Cases that the reference says nothing about: they are counted on neither side. */
  readonly withoutReference: number;
  readonly observed: number;
  readonly expected: number;
  /** observed / expected; null when nothing is expected. */
  readonly ratio: number | null;
  /** 95 % limits of the ratio (Garwood 1936). */
  readonly interval: Interval | null;
}

/**
 * @param own the cases, among `cases`, of whoever holds theirs against the reference
 * @returns the reference rates of `cases`, cell by cell; cells with fewer than `minimum` cases are left out, and those in which few
 * are somebody else's: who knows the own ones would know them
 */
export function referenceRates(cases: readonly Case[], minimum: number, own: readonly Case[] = []): ReferenceRates {
  const cells = new Map<string, { n: number; k: number }>();
  for (const { cell, outcome } of cases) {
    const count = cells.get(cell) ?? { n: 0, k: 0 };
    cells.set(cell, { n: count.n + 1, k: count.k + (outcome ? 1 : 0) });
  }
  return new Map([...cells].filter(([cell, { n }]) => n >= minimum && !areFew(n - own.filter((each) => each.cell === cell).length)).map(([cell, { n, k }]) => [cell, k / n]));
}

/** Whether so many of others are too few to be told; of nobody else there is nothing to tell. */
export const areFew = (others: number): boolean => others > 0 && others < smallest;

/** @returns how many outcomes were observed among `cases`, and how many the reference leads one to expect of such cases. */
export function observedExpected(cases: readonly Case[], reference: ReferenceRates): ObservedExpected {
  let n = 0;
  let observed = 0;
  let expected = 0;
  for (const { cell, outcome } of cases) {
    const rate = reference.get(cell);
    if (rate === undefined) continue;
    n += 1;
    if (outcome) observed += 1;
    expected += rate;
  }
  const counts = poissonLimits(observed);
  return {
    n, withoutReference: cases.length - n, observed, expected,
    ratio: expected === 0 ? null : observed / expected,
    interval: expected === 0 ? null : { low: counts.low / expected, high: counts.high / expected },
  };
}

/**
 * Exact limits of the mean of a Poisson distribution of which `count` was observed (Garwood 1936): the means at which `count` or
 * more, and `count` or fewer, have the probability `alpha` / 2.
 */
export function poissonLimits(count: number, alpha = 0.05): Interval {
  const tail = alpha / 2;
  const top = count + 10 * Math.sqrt(count + 10);
  return {
    low: count === 0 ? 0 : root((mean) => tail - (1 - atMost(count - 1, mean)), 0, top),
    high: root((mean) => atMost(count, mean) - tail, 0, top),
  };
}

/** Probability of at most `count` events where `mean` are expected; terms by their logarithms, which do not underflow. */
function atMost(count: number, mean: number): number {
  if (mean === 0) return 1;
  let log = -mean;
  let sum = Math.exp(log);
  for (let k = 1; k <= count; k += 1) {
    log += Math.log(mean) - Math.log(k);
    sum += Math.exp(log);
  }
  return Math.min(1, sum);
}

/** Where `falling` goes from above 0 to below, by halving the range until it is as narrow as numbers are. */
function root(falling: (x: number) => number, from: number, to: number): number {
  let low = from;
  let high = to;
  for (let step = 0; step < 100; step += 1) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
