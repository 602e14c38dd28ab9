/** Goals that are rated rather than measured by an instrument (docs/clinical.md 3.11). Pure. */

/** One goal on the scale of Goal Attainment Scaling. */
export interface AttainmentLevel {
  /** -2 (much less than expected) to +2 (much more than expected); null: not scored at this time. */
  readonly level: number | null;
  /** How much the goal counts, above 0. */
  readonly weight: number;
}

export interface Attainment {
  /** 50 where all goals are met as expected; ten points are one standard deviation. */
  readonly t: number;
  /** Goals that count. */
  readonly scored: number;
  /** Goals left out because they are not scored. */
  readonly unscored: number;
}

/** The correlation between goals that Kiresuk and Sherman assume. */
const rho = 0.3;

/**
 * The T score of Kiresuk and Sherman 1968: 50 + 10 sum(w x) / sqrt((1 - rho) sum(w^2) + rho (sum w)^2), rho = 0.3.
 * @returns null when no goal is scored
 * @throws RangeError for a weight that is not above 0
 */
export function goalAttainment(goals: readonly AttainmentLevel[]): Attainment | null {
  if (goals.some(({ weight }) => !(weight > 0))) throw new RangeError('The weight of a goal must be above 0.');
  const scored = goals.filter((goal): goal is { level: number; weight: number } => goal.level !== null);
  if (scored.length === 0) return null;
  const sum = (of: (goal: { level: number; weight: number }) => number): number => scored.reduce((total, goal) => total + of(goal), 0);
  const spread = (1 - rho) * sum(({ weight }) => weight ** 2) + rho * sum(({ weight }) => weight) ** 2;
  return { t: 50 + 10 * sum(({ weight, level }) => weight * level) / Math.sqrt(spread), scored: scored.length, unscored: goals.length - scored.length };
}

/** The first and the latest rating of one goal, 0 to 10; null: not rated then. */
export interface RatedGoal { readonly start: number | null; readonly now: number | null }

export interface GoalProgress {
  /** Mean of latest less first rating; above 0 is nearer to the goals. */
  readonly mean: number;
  readonly rated: number;
  /** Goals without two ratings. */
  readonly leftOut: number;
  /** Whether the mean reaches the reliable change; null for a single goal, which is only described. */
  readonly reliable: 'better' | 'worse' | 'none' | null;
}

/** Reliable change of the mean of goal ratings (Edbrooke-Childs and others 2015), recalled and to be checked before use. */
export const goalRatingChange = { value: 2.45, op: '>=', verification: 'memory' } as const;

/** @returns the mean change over the goals that were rated both times (goal-based outcomes, Law 2011); null when there is none. */
export function goalProgress(goals: readonly RatedGoal[]): GoalProgress | null {
  const both = goals.filter((goal): goal is { start: number; now: number } => goal.start !== null && goal.now !== null);
  if (both.length === 0) return null;
  const mean = both.reduce((sum, { start, now }) => sum + now - start, 0) / both.length;
  const reached = Math.abs(mean) >= goalRatingChange.value;
  const direction = reached ? (mean > 0 ? 'better' : 'worse') : 'none';
  return { mean, rated: both.length, leftOut: goals.length - both.length, reliable: both.length === 1 ? null : direction };
}
