import { changeBetween, isClinical } from './change.ts';
import { exact } from './decimals.ts';
import type { Cutoff } from './instrument.ts';
import { limitOf, outOf, points } from './plain-words.ts';
import type { Scale } from './registry.ts';
import { comparable, total } from './score.ts';
import { changeClassDisplay } from './terminology.ts';

/**
 * Formulas with the numbers of one case filled in, as text: what a reader checks by hand, step by step, parted by `; `. Each
 * equation holds as it is written (numbers have four decimals at most); a test works them out again. Pure.
 */

/** @returns a number with four decimals at most. */
export const precise = (value: number): string => String(Math.round(value * 10_000) / 10_000);

/** @returns `high - low = difference`; a negative number is put in brackets. */
export const less = (from: number, what: number): string => `${precise(from)} - ${bracketed(what)} = ${precise(exact(from - what))}`;
const bracketed = (value: number): string => (value < 0 ? `(${precise(value)})` : precise(value));
const plus = (values: readonly number[]): string => values.map((value, i) => (i === 0 ? precise(value) : bracketed(value))).join(' + ');

const opposite = { '>=': '<', '>': '<=', '<=': '>', '<': '>=' } as const;

/** @returns on which side of a limit a number is, in words: `9 is 6 or more`, `5 is less than 6`. */
export const against = (value: number, { op, value: limit }: Pick<Cutoff, 'op' | 'value'>): string =>
  `${precise(value)} is ${limitOf({ op: isClinical(value, { op, value: limit }) ? op : opposite[op], value: limit }, precise)}`;

const attainmentFormula = 'T = 50 + 10 × sum of (weight × level) / √(0.7 × sum of squared weights + 0.3 × squared sum of weights), over the goals with a level';

/** @returns how weights add up, e.g. `2 + 1 = 3`, what the only one is, or undefined where there is none. */
export const sumArithmetic = (weights: readonly number[]): string | undefined =>
  (weights.length === 0 ? undefined : weights.length === 1 ? `the answer counts ${precise(weights[0]!)}` : `${plus(weights)} = ${precise(exact(weights.reduce((all, each) => all + each, 0)))}`);

/** @returns the formula of a total in words, with what is done about missing items. */
export function scoringFormula({ items, instrument, definition: { formula, factor = 1, missing, criteria = [] } }: Scale): string {
  const count = items.length === 1 ? 'the score of the answer' : `the ${items.length} item scores`;
  const numbers = items.flatMap(({ linkId, reverse }) => (reverse || instrument.definition.items.find((each) => each.linkId === linkId)?.reverse === true ? [placeOf(items, linkId)] : []));
  const how = {
    'sum': items.length === 1 ? count : `sum of ${count}`, 'mean': `mean of ${count}`, 'table': `conversion table of the sum of ${count}`, 'difference': 'first item score less the second',
    'criteria': `1 where all are met, else 0: ${criteria.map(({ title, items: of, atLeast, count: needed }) => `${title}: ${needed} or more of ${of.length} items at ${atLeast} or more`).join('; ')}`,
    'goal-attainment': attainmentFormula,
  }[formula];
  const open = missing.method === 'none' || missing.max === 0 ? 'no item may be missing' : `up to ${missing.max} missing: sum × items / answered${{ 'half-up': ', rounded half up', '1dp': ', rounded to one decimal', 'none': '' }[missing.round]}`;
  return [
    `${how}${factor === 1 ? '' : `, × ${precise(factor)}`}`, ...(items.length === 1 || formula === 'goal-attainment' ? [] : [open]),
    ...(numbers.length === 0 ? [] : [`${numbers.length === 1 ? 'item' : 'items'} ${numbers.join(', ')} run the other way and ${numbers.length === 1 ? 'is' : 'are'} turned round first (lowest + highest option - answer)`]),
  ].join('; ');
}

const placeOf = (items: Scale['items'], linkId: string): number => items.findIndex((item) => item.linkId === linkId) + 1;

/** @returns how a total is reached from its item scores, e.g. `2 + 1 + 0 = 3; 3 × 4 = 12`. */
export function totalArithmetic(scale: Scale, scores: ReadonlyMap<string, number>, notApplicable: ReadonlySet<string>, skipped: ReadonlySet<string> = new Set()): string {
  const { items, instrument, definition: { formula, factor = 1, missing, max } } = scale;
  const result = total(scale, scores, notApplicable);
  const own = items.flatMap(({ linkId }) => scores.get(linkId) ?? []);
  if (result.value === null) return [`${result.answered} of ${result.items} items are answered and ${missing.method === 'none' || missing.max === 0 ? 'none' : `at most ${missing.max}`} may be missing: no total`, ...openItems(scale, scores, notApplicable)].join('; ');
  if (formula === 'criteria') return patternArithmetic(scale, scores, result.value);
  if (formula === 'difference') return less(own[0]!, own[1]!);
  if (formula === 'goal-attainment') return attainmentArithmetic(scale, scores, result.value);
  if (items.length === 1 && factor === 1) return instrument.definition.licence.shipItemText ? `the answer counts ${precise(result.value)}` : `the total was entered as such: ${precise(result.value)}`;
  const sum = exact(own.reduce((all, each) => all + each, 0));
  const left = items.flatMap(({ linkId }) => (skipped.has(linkId) ? [linkId] : []));
  const steps = [...turnedItems(scale, scores), ...(left.length === 0 ? [] : [`left out by the form after the answers before, and counted 0: ${numbered(scale, left)}`]), `${plus(own)} = ${precise(sum)}`, ...(result.prorated ? openItems(scale, scores, notApplicable) : [])];
  let raw = sum;
  if (result.prorated && formula !== 'mean') {
    raw = total({ ...scale, definition: { ...scale.definition, formula: 'sum', factor: 1 } }, scores, notApplicable).value!;
    steps.push(`${precise(sum)} × ${result.items} / ${result.answered} = ${precise((sum * result.items) / result.answered)}${{ 'half-up': `, rounded half up to ${precise(raw)}`, '1dp': `, rounded to one decimal: ${precise(raw)}`, 'none': '' }[missing.round]}`);
  }
  if (formula === 'table') steps.push(`${precise(raw)} is ${precise(result.value)} in the conversion table`);
  const divisor = result.prorated ? result.answered : result.items;
  if (formula === 'mean') steps.push(`${precise(raw)} / ${divisor} = ${precise(raw / divisor)}`);
  if (factor !== 1) steps.push(`${precise(formula === 'mean' ? raw / divisor : raw)} × ${precise(factor)} = ${precise(result.value)}`);
  if (result.maxScore !== max) steps.push(`to compare it with other scores: ${precise(result.value)} × ${precise(max)} / ${precise(result.maxScore)} = ${precise(comparable(scale, result.value, result.maxScore))}`);
  return steps.join('; ');
}

/** Items by their number on the form: `item 4`, `items 2 and 3`. */
function numbered({ instrument: { definition } }: Scale, linkIds: readonly string[]): string {
  const numbers = linkIds.map((linkId) => definition.items.findIndex((each) => each.linkId === linkId) + 1);
  return `${numbers.length === 1 ? 'item' : 'items'} ${numbers.join(', ').replace(/, (\d+)$/, ' and $1')}`;
}

/** Which items have no answer. */
function openItems(scale: Scale, scores: ReadonlyMap<string, number>, notApplicable: ReadonlySet<string>): string[] {
  const open = scale.items.flatMap(({ linkId }) => (scores.has(linkId) || notApplicable.has(linkId) ? [] : [linkId]));
  return open.length === 0 ? [] : [`left open: ${numbered(scale, open)}`];
}

/** How the answers to items that run the other way came to their scores. */
function turnedItems(scale: Scale, scores: ReadonlyMap<string, number>): string[] {
  return scale.items.flatMap(({ linkId, reverse, numeric, byNumber, max }) => {
    const score = scores.get(linkId);
    if (score === undefined || !reverse) return [];
    const min = numeric?.min ?? Math.min(...byNumber.values());
    return [`${numbered(scale, [linkId])} runs the other way: ${precise(min)} + ${precise(max)} - ${bracketed(exact(min + max - score))} = ${precise(score)}`];
  });
}

function patternArithmetic({ definition: { criteria = [] } }: Scale, scores: ReadonlyMap<string, number>, value: number): string {
  const parts = criteria.map(({ title, items: of, atLeast, count }) => `${title}: ${of.filter((linkId) => (scores.get(linkId) ?? -Infinity) >= atLeast).length} of ${of.length} items at ${atLeast} or more, ${count} needed`);
  return `${parts.join('; ')}; ${value === 1 ? 'all criteria are met: 1' : 'not all criteria are met: 0'}`;
}

function attainmentArithmetic({ items, definition: { weights = {} } }: Scale, scores: ReadonlyMap<string, number>, value: number): string {
  const goals = items.flatMap(({ linkId }) => (scores.has(linkId) ? [{ level: scores.get(linkId)!, weight: scores.get(weights[linkId] ?? '') ?? 1 }] : []));
  const [products, squares, sum] = [goals.reduce((all, { level, weight }) => all + weight * level, 0), goals.reduce((all, { weight }) => all + weight ** 2, 0), goals.reduce((all, { weight }) => all + weight, 0)];
  const root = Math.sqrt(0.7 * squares + 0.3 * sum ** 2);
  return [
    `weight × level: ${goals.map(({ level, weight }) => `${precise(weight)} × ${bracketed(level)}`).join(' + ')} = ${precise(products)}`,
    `squared weights: ${goals.map(({ weight }) => `${precise(weight)}²`).join(' + ')} = ${precise(squares)}`,
    `squared sum of weights: (${plus(goals.map(({ weight }) => weight))})² = ${precise(sum ** 2)}`,
    `√(0.7 × ${precise(squares)} + 0.3 × ${precise(sum ** 2)}) = ${precise(root)}`,
    `T = 50 + 10 × ${bracketed(products)} / ${precise(root)} = ${precise(value)}, rounded to two decimals`,
  ].join('; ');
}

/** A score as it is compared: out of the highest that its answers could have reached. */
export interface Compared { readonly value: number; readonly maxScore: number }

/** How scores out of a lower maximum are brought to the whole scale. */
const brought = (scale: Scale, scores: readonly Compared[]): string[] => scores.flatMap(({ value, maxScore }) => (maxScore === scale.definition.max ? []
  : [`${precise(value)} of ${precise(maxScore)} counts as ${precise(value)} × ${precise(scale.definition.max)} / ${precise(maxScore)} = ${precise(comparable(scale, value, maxScore))}`]));

/** @returns how a change is reached, e.g. `9 - 18 = -9`; scores out of a lower maximum are brought to the whole scale first. */
export function changeArithmetic(scale: Scale, baseline: Compared, current: Compared): string {
  const [x0, x1] = [comparable(scale, baseline.value, baseline.maxScore), comparable(scale, current.value, current.maxScore)];
  return [...brought(scale, [baseline, current]), `current - baseline: ${less(x1, x0)}`].join('; ');
}

/** @returns how far a score fell from its baseline as a share of it. */
export function shareArithmetic(scale: Scale, baseline: Compared, current: Compared): string {
  const [x0, x1] = [comparable(scale, baseline.value, baseline.maxScore), comparable(scale, current.value, current.maxScore)];
  const share = (x0 - x1) / x0;
  return [...brought(scale, [baseline, current]), `(${precise(x0)} - ${precise(x1)}) / ${precise(x0)} = ${precise(share)}, which is ${precise(Math.round(1000 * share) / 10)} %`, 'half (50 %) or more counts as a response'].join('; ');
}

const side = (cutoff: Cutoff, score: number, name: string): string => `${name} ${against(score, cutoff)}: ${isClinical(score, cutoff) ? 'clinical' : 'functional'} side`;

/** @returns how a class of change is reached: the improvement against the threshold, and both scores against the cut-off. */
export function classArithmetic(scale: Scale, baseline: Compared, current: Compared): string {
  const { sign, threshold, cutoff } = scale;
  const [x0, x1] = [comparable(scale, baseline.value, baseline.maxScore), comparable(scale, current.value, current.maxScore)];
  const change = changeBetween(scale, x0, x1);
  const steps = [...brought(scale, [baseline, current]), `improvement = ${sign === 1 ? less(x0, x1) : less(x1, x0)} (${sign === 1 ? 'lower' : 'higher'} is better, so above 0 is better)`];
  if (threshold === undefined) return [...steps, 'there is no threshold of reliable change: not computable'].join('; ');
  if ('sd' in threshold.definition) {
    const { sd, r, z } = threshold.definition;
    steps.push(
      `standard error of measurement = ${precise(sd)} × √(1 - ${precise(r)}) = ${precise(sd * Math.sqrt(1 - r))}`,
      `standard error of the difference = √(2 × ${precise(sd * Math.sqrt(1 - r))}²) = ${precise(threshold.sDiff!)}`, `threshold = ${precise(z)} × ${precise(threshold.sDiff!)} = ${precise(threshold.value)}`,
    );
  }
  const size = exact(Math.abs(change.improvement));
  steps.push(`size ${against(size, threshold)}: ${change.reliable === 'none' ? 'not reliable' : `reliable, for the ${change.reliable!}`}`);
  if (cutoff !== undefined) steps.push(side(cutoff, x0, 'baseline'), side(cutoff, x1, 'current'));
  return [...steps, `class: ${changeClassDisplay[change.class]}`].join('; ');
}

/** What a drop is measured by and what followed. */
export interface Drop {
  readonly at: number;
  readonly before: number;
  /** The standard deviation that the drop is measured by. */
  readonly reference: number;
  /** The ratings before whose spread that is; [] where it is the sample's. */
  readonly spreadOf: readonly number[];
  readonly later: readonly number[];
  /** As it is stored: decided without rounding the reference. */
  readonly size: string | undefined;
  /** The least drop that counts on the scale. */
  readonly least: number | undefined;
}

/** @returns how the size of a drop is reached, and how it went on. */
export function dropArithmetic({ at, before, reference, spreadOf, later, size, least }: Drop): string {
  const drop = exact(before - at);
  const back = exact(before - reference);
  return [
    `drop = ${less(before, at)}`,
    `${spreadOf.length === 0 ? 'standard deviation (SD) in a sample' : `standard deviation (SD, n - 1) of ${spreadOf.map(precise).join(', ')}`} = ${precise(reference)}`,
    `${precise(drop)} / ${precise(reference)} = ${precise(drop / reference)} SD, ${size === 'major' ? '2 or more: major' : 'from 1 to below 2: minor'}`,
    ...(least === undefined ? [] : [`the least drop that counts on this form: ${against(drop, { op: '>=', value: least })}`]),
    `a repair is a return to ${precise(before)} - ${precise(reference)} = ${precise(back)} or more within three sessions; later: ${later.length === 0 ? 'none yet' : later.map(precise).join(', ')}`,
  ].join('; ');
}

/** @returns what makes a rating low: the total, and the items by their place on the form. */
export function lowArithmetic(scale: Scale, value: number, items: readonly { readonly place: number; readonly score: number }[]): string {
  const { total: whole, item } = scale.definition.alliance?.low ?? {};
  return [
    ...(whole === undefined ? [] : [`total ${outOf(scale, value)}: ${against(value, whole)}`]),
    ...(item === undefined ? [] : items.map(({ place, score }) => `item ${place}: ${against(score, item)}`)),
  ].join('; ');
}

/** @returns what the answer to one item counts. */
export const answerArithmetic = (score: number, highest: number, words: string | undefined): string => `the answer${words === undefined ? '' : ` "${words}"`} counts ${points(score)} of ${precise(highest)}`;
