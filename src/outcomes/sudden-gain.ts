import type { Valid } from './baseline.ts';
import { exact } from './decimals.ts';
import type { Scale } from './registry.ts';

/** Sudden gains and losses between two scores (Tang and DeRubeis 1999; docs/clinical.md 3.9). Pure. */

export interface SuddenChange {
  readonly kind: 'sudden-gain' | 'sudden-loss';
  /** Up to three scores before the step, the last of them the score from which it is counted. */
  readonly before: readonly Valid[];
  /** Up to three scores after it, the first of them the score to which it is counted. */
  readonly after: readonly Valid[];
  /** Size of the step, above 0. */
  readonly size: number;
  /** The first later score at which half of the step or more is undone; null: none so far. */
  readonly reversal: Valid | null;
}

export interface SuddenChangeOptions {
  /** Whether the step from the first score to the second may be one. */
  readonly firstInterval?: boolean;
}

/** Two-sided 5 % points of Student's t by degrees of freedom. */
export const criticalT: Readonly<Record<number, number>> = { 2: 4.303, 3: 3.182, 4: 2.776 };

/**
 * @param scores one a date, in time order, of one episode.
 * @returns the sudden gains and losses in time order; none for an instrument without a threshold of reliable change.
 */
export function suddenChanges(scale: Scale, scores: readonly Valid[], { firstInterval = false }: SuddenChangeOptions = {}): SuddenChange[] {
  const cutoff = scale.threshold?.value;
  if (cutoff === undefined) return [];
  const found: SuddenChange[] = [];
  for (let n = firstInterval ? 0 : 1; n + 1 < scores.length; n += 1) {
    const step = exact(scale.sign * (scores[n]!.value - scores[n + 1]!.value));
    // Both directions are compared as sizes: a share of a score is above 0.
    if (Math.abs(step) < cutoff || Math.abs(step) < 0.25 * Math.abs(scores[n]!.value)) continue;
    const before = scores.slice(Math.max(0, n - 2), n + 1);
    const after = scores.slice(n + 1, n + 4);
    if (!standsOut(before, after, scale.sign * Math.sign(step))) continue;
    found.push({ kind: step > 0 ? 'sudden-gain' : 'sudden-loss', before, after, size: Math.abs(step), reversal: reversalOf(scale, scores, n, step) });
  }
  return found;
}

/** The third criterion: the means differ by more than t times the pooled standard deviation. `turn`: +1 where values fall. */
function standsOut(before: readonly Valid[], after: readonly Valid[], turn: number): boolean {
  const df = before.length + after.length - 2;
  if (before.length < 2 || after.length < 2) return false;
  const difference = turn * (mean(before) - mean(after));
  return difference > criticalT[df]! * Math.sqrt((squares(before) + squares(after)) / df);
}

const mean = (scores: readonly Valid[]): number => scores.reduce((sum, { value }) => sum + value, 0) / scores.length;
/** Sum of squared deviations from the mean: (n - 1) s^2. */
function squares(scores: readonly Valid[]): number {
  const center = mean(scores);
  return scores.reduce((sum, { value }) => sum + (value - center) ** 2, 0);
}

const reversalOf = ({ sign }: Scale, scores: readonly Valid[], n: number, step: number): Valid | null =>
  scores.find((score, i) => i > n + 1 && exact(Math.sign(step) * sign * (score.value - scores[n + 1]!.value)) >= exact(Math.abs(step) / 2)) ?? null;
