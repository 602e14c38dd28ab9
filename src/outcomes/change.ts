import { exact } from './decimals.ts';
import type { Cutoff } from './instrument.ts';
import type { Scale, Threshold } from './registry.ts';
import { significanceCutoffs } from './reliable-change.ts';

/** Reliable and clinically significant change between two totals (docs/clinical.md 3.1 to 3.3). */

export type ChangeClass = 'recovered' | 'improved' | 'unchanged' | 'deteriorated' | 'harmed' | 'not-computable';
export type Direction = 'better' | 'worse' | 'none';

export interface Change {
  readonly baseline: number;
  readonly current: number;
  /** current - baseline, as read off the scale. */
  readonly delta: number;
  /** Above 0 is better, whichever way the scale runs. */
  readonly improvement: number;
  readonly class: ChangeClass;
  /** The five-way class with `harmed` folded into `deteriorated`. */
  readonly fourWay: Exclude<ChangeClass, 'harmed'>;
  /** By the threshold that decides the class. */
  readonly reliable: Direction | null;
  readonly preClinical: boolean | null;
  readonly postClinical: boolean | null;
  /** From the clinical to the functional side without a reliable change. */
  readonly crossedWithoutReliable: boolean;
}

/** @returns how `current` compares with `baseline` on `scale`. Class `not-computable` where the instrument has no reliable-change threshold. */
export function changeBetween(scale: Scale, baseline: number, current: number): Change {
  const improvement = exact(scale.sign * (baseline - current));
  const { threshold, cutoff } = scale;
  const reliable = threshold === undefined ? null : reliability(improvement, threshold);
  const preClinical = cutoff === undefined ? null : isClinical(baseline, cutoff);
  const postClinical = cutoff === undefined ? null : isClinical(current, cutoff);
  const classified = classify(reliable, preClinical, postClinical);
  return {
    baseline, current, delta: exact(current - baseline), improvement, reliable, preClinical, postClinical,
    class: classified,
    fourWay: classified === 'harmed' ? 'deteriorated' : classified,
    crossedWithoutReliable: preClinical === true && postClinical === false && reliable !== 'better',
  };
}

/** @returns whether totals of a scale say how somebody is doing: there is a limit of change or of range, and it rates no work together. */
export const isOutcome = ({ definition, threshold, cutoff }: Scale): boolean =>
  definition.compared !== false && definition.alliance === undefined && (threshold !== undefined || cutoff !== undefined);

/** A computed threshold is exceeded (>), a published whole number is reached (>=): the registry says which. */
export function reliability(improvement: number, { value, op }: Pick<Threshold, 'value' | 'op'>): Direction {
  const size = exact(Math.abs(improvement));
  if (!(op === '>=' ? size >= value : size > value)) return 'none';
  return improvement > 0 ? 'better' : 'worse';
}

/** @returns whether `value` is on the clinical side; on a `>=` or `<=` cut-off itself is clinical. */
export function isClinical(value: number, { op, value: cut }: Pick<Cutoff, 'op' | 'value'>): boolean {
  switch (op) {
    case '>=': return value >= cut;
    case '>': return value > cut;
    case '<=': return value <= cut;
    case '<': return value < cut;
  }
}

/** @returns the class that a reliable change and the sides of the cut-off come to. */
export function classify(reliable: Direction | null, preClinical: boolean | null, postClinical: boolean | null): ChangeClass {
  if (reliable === null) return 'not-computable';
  if (reliable === 'better') return preClinical === true && postClinical === false ? 'recovered' : 'improved';
  if (reliable === 'worse') return preClinical === false && postClinical === true ? 'harmed' : 'deteriorated';
  return 'unchanged';
}

/** @returns cut-offs a, b and c of Jacobson and Truax from the norms of the instrument, where it has them. */
export function normCutoffs({ definition: { norms }, sign }: Scale): { a: number; b: number; c: number } | undefined {
  return norms === undefined ? undefined : significanceCutoffs(norms.clinical, norms.functional, sign);
}
