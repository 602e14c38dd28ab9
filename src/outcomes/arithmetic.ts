import { changeBetween, isClinical } from './change.ts';
import { exact } from './decimals.ts';
import type { Cutoff } from './instrument.ts';
import type { Scale } from './registry.ts';
import { comparable, total } from './score.ts';

/** Formulas with the numbers of one case filled in, as text: what a reader checks by hand. Pure. */

const shown = (value: number): string => String(Math.round(value * 10_000) / 10_000);
const plus = (values: readonly number[]): string => values.map(shown).join(' + ').replaceAll('+ -', '- ');

/** @returns the formula of a total in words, with what is done about missing items. */
export function scoringFormula({ items, definition: { formula, factor = 1, missing, criteria = [] } }: Scale): string {
  const count = `the ${items.length} item scores`;
  const reversed = items.filter(({ reverse }) => reverse).map(({ linkId }) => linkId);
  const how = {
    'sum': `sum of ${count}`, 'mean': `mean of ${count}`, 'table': `conversion table of the sum of ${count}`, 'difference': 'first item score less the second',
    'criteria': `1 where all are met, else 0: ${criteria.map(({ items: of, atLeast, count: needed }) => `${needed} or more of ${of.length} items at ${atLeast} or more`).join('; ')}`,
    'goal-attainment': '50 + 10 x sum(w x) / sqrt(0.7 sum(w^2) + 0.3 (sum w)^2) over the goals that are scored',
  }[formula];
  const open = missing.method === 'none' || missing.max === 0 ? 'no item may be missing' : `up to ${missing.max} missing: sum x items / answered${{ 'half-up': ', rounded half up', '1dp': ', rounded to one decimal', 'none': '' }[missing.round]}`;
  return [`${how}${factor === 1 ? '' : ` x ${shown(factor)}`}`, ...(items.length === 1 || formula === 'goal-attainment' ? [] : [open]), ...(reversed.length === 0 ? [] : [`reversed: ${reversed.join(', ')}`])].join('; ');
}

/** @returns how a total is reached from its item scores, e.g. `2 + 1 + 0 = 3; 3 x 4 = 12`. */
export function totalArithmetic(scale: Scale, scores: ReadonlyMap<string, number>, notApplicable: ReadonlySet<string>): string {
  const { items, definition: { formula, factor = 1, missing, criteria = [] } } = scale;
  const result = total(scale, scores, notApplicable);
  const own = items.flatMap(({ linkId }) => scores.get(linkId) ?? []);
  if (result.value === null) return `${result.answered} of ${result.items} items are answered and at most ${missing.method === 'none' ? 0 : missing.max} may be missing: no total`;
  if (formula === 'criteria') {
    const parts = criteria.map(({ items: of, atLeast, count }) => `${of.filter((linkId) => (scores.get(linkId) ?? -Infinity) >= atLeast).length} of ${of.length} items at ${atLeast} or more, ${count} needed`);
    return `${parts.join('; ')}: ${result.value === 1 ? 'all criteria are met, 1' : 'not all criteria are met, 0'}`;
  }
  if (formula === 'difference') return `${shown(own[0]!)} - ${shown(own[1]!)} = ${shown(result.value)}`;
  if (formula === 'goal-attainment') return `50 + 10 x sum(w x) / sqrt(0.7 sum(w^2) + 0.3 (sum w)^2) over the levels ${own.map(shown).join(', ')} = ${shown(result.value)}`;
  const sum = own.reduce((all, each) => all + each, 0);
  const steps = [`${plus(own)} = ${shown(sum)}`];
  let raw = sum;
  if (result.prorated) {
    raw = total({ ...scale, definition: { ...scale.definition, formula: 'sum', factor: 1 } }, scores, notApplicable).value!;
    steps.push(`${shown(sum)} x ${result.items} / ${result.answered} = ${shown((sum * result.items) / result.answered)}${missing.round === 'none' ? '' : `, rounded ${shown(raw)}`}`);
  }
  if (formula === 'table') steps.push(`${shown(raw)} is ${shown(result.value)} in the conversion table`);
  if (formula === 'mean') steps.push(`${shown(raw)} / ${result.items} = ${shown(raw / result.items)}`);
  if (factor !== 1) steps.push(`${shown(formula === 'mean' ? raw / result.items : raw)} x ${shown(factor)} = ${shown(result.value)}`);
  return steps.join('; ');
}

/** A score as it is compared: out of the highest that its answers could have reached. */
export interface Compared { readonly value: number; readonly maxScore: number }

/** @returns how a change is reached, e.g. `9 - 18 = -9`; scores out of a lower maximum are brought to the whole scale first. */
export function changeArithmetic(scale: Scale, baseline: Compared, current: Compared): string {
  const brought = (score: Compared): string => (score.maxScore === scale.definition.max ? [] : [`${shown(score.value)} of ${shown(score.maxScore)} counts as ${shown(comparable(scale, score.value, score.maxScore))} of ${shown(scale.definition.max)}`]).join('');
  const [x0, x1] = [comparable(scale, baseline.value, baseline.maxScore), comparable(scale, current.value, current.maxScore)];
  return [brought(baseline), brought(current), `${shown(x1)} - ${shown(x0)} = ${shown(x1 - x0)}`].filter((step) => step !== '').join('; ');
}

const side = ({ op, value }: Cutoff, score: number, name: string): string =>
  `${name} ${shown(score)} ${op} ${shown(value)} is ${isClinical(score, { op, value }) ? 'true: clinical' : 'false: functional'} side`;

/** @returns how a class of change is reached: the improvement against the threshold, and both scores against the cut-off. */
export function classArithmetic(scale: Scale, baseline: Compared, current: Compared): string {
  const { sign, threshold, cutoff } = scale;
  const [x0, x1] = [comparable(scale, baseline.value, baseline.maxScore), comparable(scale, current.value, current.maxScore)];
  const change = changeBetween(scale, x0, x1);
  const steps = [`improvement = ${sign === 1 ? `${shown(x0)} - ${shown(x1)}` : `${shown(x1)} - ${shown(x0)}`} = ${shown(change.improvement)}`];
  if (threshold === undefined) return [...steps, 'the instrument has no threshold of reliable change: not computable'].join('; ');
  if ('sd' in threshold.definition) {
    const { sd, r, z } = threshold.definition;
    steps.push(`S_E = ${shown(sd)} x sqrt(1 - ${shown(r)}) = ${shown(sd * Math.sqrt(1 - r))}`, `S_diff = sqrt(2 x S_E^2) = ${shown(threshold.sDiff!)}`, `threshold = ${shown(z)} x S_diff = ${shown(threshold.value)}`);
  }
  steps.push(`|${shown(change.improvement)}| ${threshold.op} ${shown(threshold.value)} is ${change.reliable === 'none' ? 'false: not reliable' : `true: reliable, for the ${change.reliable!}`}`);
  if (cutoff !== undefined) steps.push(side(cutoff, x0, 'baseline'), side(cutoff, x1, 'current'));
  return [...steps, change.class].join('; ');
}

/**
 * @param reference the standard deviation that the drop is measured by.
 * @param size as it is stored: decided without rounding the reference.
 * @returns how the size of a drop is reached, e.g. `48 - 44 = 4; 4 / 1.63 = 2.45 SD, from 2 on: major`.
 */
export function dropArithmetic(at: number, before: number, reference: number, size: string | undefined): string {
  const drop = exact(before - at);
  return `${shown(before)} - ${shown(at)} = ${shown(drop)}; ${shown(drop)} / ${shown(reference)} = ${shown(drop / reference)} SD, ${size === 'major' ? 'from 2 on: major' : 'from 1 to 2: minor'}`;
}
