import type { ScaleDefinition } from './instrument.ts';
import type { Instrument, Item, Scale } from './registry.ts';

/**
 * The rules of scoring as FHIRPath, for renderers that show a total while a form is filled in
 * (http://hl7.org/fhir/uv/sdc/expressions.html). What counts is what the service computes from the answers (score.ts); the two
 * are compared for random answers in test/outcomes/instruments.test.ts.
 */

export interface Calculation {
  /** Name of the variable with the item scores that are there. */
  readonly name: string;
  readonly variable: string;
  readonly expression: string;
}

/** @returns how a renderer computes the scale, or undefined where it does not: patterns of answers, and what is one answer by itself. */
export function calculation(scale: Scale): Calculation | undefined {
  const { definition: { id, formula, optional }, items } = scale;
  if (formula === 'criteria' || formula === 'difference' || optional === true) return undefined;
  const name = id.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  if (formula === 'goal-attainment') return { name, variable: scoresOf(items), expression: attainment(scale) };
  return { name, variable: scoresOf(items), expression: total(scale, name) };
}

/**
 * @returns when a renderer asks the item, where answers to others may make it superfluous; undefined: always. In plain FHIRPath, because
 * validators evaluate it too, and not all of them know the weight of an answer.
 */
export function askedWhen({ definition: { skips = [] }, items }: Instrument, linkId: string): string | undefined {
  const skipped = skips.filter((skip) => skip.items.includes(linkId)).map(({ when }) => `(${when.map((each) => scoresNothing(items.get(each)!)).join(' and ')})`);
  return skipped.length === 0 ? undefined : `(${skipped.join(' or ')}).not()`;
}

/** Whether an item is answered with what scores 0. */
function scoresNothing(item: Item): string {
  const { numeric, reverse, byCode } = item;
  if (numeric !== undefined) return `${answersOf([item])}.where(value = ${reverse ? numeric.min + numeric.max : 0}).exists()`;
  const codes = [...byCode].flatMap(([code, score]) => (score === 0 ? [`'${code}'`] : []));
  return `${answersOf([item])}.value.where(code in (${codes.join(' | ')})).exists()`;
}

/** The answers to some items. */
const answersOf = (items: readonly Item[]): string => `%resource.item.where(linkId in (${items.map(({ linkId }) => `'${linkId}'`).join(' | ')})).answer`;

/** The item scores that are there: weights of choices, numbers themselves; `combine` keeps equal ones apart. */
function scoresOf(items: readonly Item[]): string {
  const choices = items.filter(({ numeric }) => numeric === undefined);
  // An engine looks for the weight of an answer without one at a terminology server, and gives up the whole expression where it may not.
  const weighed = choices.some(({ notApplicable }) => notApplicable) ? ".where(value.code != 'not-applicable')" : '';
  const parts = choices.length === 0 ? [] : [`${answersOf(choices)}${weighed}.weight()`];
  const numbers = items.filter(({ numeric, reverse }) => numeric !== undefined && !reverse);
  if (numbers.length > 0) parts.push(`${answersOf(numbers)}.value`);
  for (const item of items.filter(({ numeric, reverse }) => numeric !== undefined && reverse)) {
    parts.push(`${answersOf([item])}.value.select(${item.numeric!.min + item.numeric!.max} - $this)`);
  }
  return parts.reduce((all, part) => `${all}.combine(${part})`);
}

const sumOf = (collection: string): string => `${collection}.aggregate($this + $total, 0)`;

function total({ definition, items, instrument: { definition: { skips = [] } } }: Scale, name: string): string {
  const scores = `%${name}`;
  const count = items.length;
  const sum = sumOf(scores);
  const parts = [`${items.some(({ notApplicable }) => notApplicable) ? answersOf(items) : scores}.count() = ${count}`];
  for (const skip of skips) {
    const [when, asked] = [items.filter(({ linkId }) => skip.when.includes(linkId)), items.filter(({ linkId }) => !skip.items.includes(linkId))];
    if (when.length < skip.when.length) continue;
    const first = scoresOf(when);
    parts.push(`(${first}.count() = ${when.length} and ${sumOf(first)} = 0 and ${scoresOf(asked)}.count() = ${asked.length})`);
  }
  const { max, method } = definition.missing;
  const whole = finished(definition, sum, count);
  if (method === 'none' || max === 0) return `iif(${parts.join(' or ')}, ${whole})`;
  return `iif(${parts.join(' or ')}, ${whole}, iif(${scores}.count() >= ${count - max}, ${finished(definition, imputed(definition, sum, `${scores}.count()`, count), count)}))`;
}

/** The mean of the answered items stands for each missing one. */
function imputed({ missing: { round } }: ScaleDefinition, sum: string, answered: string, count: number): string {
  if (round === 'half-up') return `(${sum} * ${count} / ${answered} + 0.5).floor()`;
  return round === '1dp' ? `((${sum} * ${count * 10} / ${answered} + 0.5).floor() / 10)` : `(${sum} * ${count} / ${answered})`;
}

function finished({ formula, factor = 1, table }: ScaleDefinition, raw: string, count: number): string {
  if (formula === 'table') {
    const sums = Object.keys(table!).map(Number).sort((a, b) => a - b);
    const width = Math.max(...Object.values(table!).map((value) => value.toFixed(2).length));
    const text = sums.map((sum) => table![sum]!.toFixed(2).padStart(width, '0')).join('');
    return `'${text}'.substring((${raw} - ${sums[0]}) * ${width}, ${width}).toDecimal()`;
  }
  const value = formula === 'mean' ? `${raw} / ${count}` : raw;
  return factor === 1 ? value : `${value} * ${factor}`;
}

/** T = 50 + 10 sum(w x) / sqrt(0.7 sum(w^2) + 0.3 (sum w)^2), over the goals that are scored. */
function attainment({ definition: { weights = {} }, items, instrument }: Scale): string {
  const terms = items.map((item) => {
    const weight = instrument.items.get(weights[item.linkId] ?? '');
    const level = `${answersOf([item])}.value`;
    const given = weight === undefined ? '1' : `iif(${answersOf([weight])}.value.exists(), ${answersOf([weight])}.value, 1)`;
    return { level: `iif(${level}.exists(), ${level}, 0)`, weight: `iif(${level}.exists(), ${given}, 0)` };
  });
  const added = (each: (term: { level: string; weight: string }) => string): string => `(${terms.map(each).join(' + ')})`;
  const [product, squares, sum] = [added(({ level, weight }) => `${level} * ${weight}`), added(({ weight }) => `${weight} * ${weight}`), added(({ weight }) => weight)];
  return `iif(${answersOf(items)}.exists(), (50 + 10 * ${product} / (0.7 * ${squares} + 0.3 * ${sum} * ${sum}).sqrt()).round(2))`;
}
