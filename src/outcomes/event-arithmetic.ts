import { isClinical, reliability } from './change.ts';
import { checkInScales, compareCheckIns, reaches } from './check-in-week.ts';
import { exact } from './decimals.ts';
import type { Scale } from './registry.ts';
import { criticalT } from './sudden-gain.ts';

/** What stands out in a course, with the numbers of one case filled in, as text. Pure. */

/** A score on the whole scale, at the time that it is of; with the key of its scale where that is another (check-ins beside a setback). */
export interface Given { readonly value: number; readonly at: string; readonly rating?: string }

/** What else decided, as the Observation has it. */
export interface Told { readonly at: string; readonly session?: number; readonly expected?: number; readonly boundary?: number }

const shown = (value: number): string => String(Math.round(value * 10_000) / 10_000);
const less = (from: number, what: number): string => `${shown(from)} - ${shown(what)} = ${shown(from - what)}`;

/**
 * @param inputs in the order in which the Observation was derived from them
 * @returns undefined for other metrics, and where an input is not there
 */
export function eventArithmetic(metric: string, scale: Scale, inputs: readonly Given[], told: Told): string | undefined {
  const [first, second] = inputs;
  if (first === undefined) return undefined;
  switch (metric) {
    case 'remission': return second === undefined ? undefined : remission(scale, first.value, second.value);
    case 'sustained-remission': return second === undefined ? `${shown(first.value)} at the last score of a finished episode` : `in the range from ${second.at.slice(0, 10)} to ${first.at.slice(0, 10)}: ${days(second, first)} days, 14 needed`;
    case 'setback': return second === undefined ? undefined : setback(scale, first, second, inputs.slice(2));
    case 'relapse': return second === undefined || scale.cutoff === undefined ? undefined
      : `${shown(first.value)} ${scale.cutoff.op} ${shown(scale.cutoff.value)} is ${isClinical(first.value, scale.cutoff)}: clinical side; ${against(scale, first.value, second.value, 'the end of the therapy')}`;
    case 'sudden-gain': case 'sudden-loss': return step(scale, inputs, told.at);
    case 'trajectory-signal': return second === undefined ? undefined : signal(scale, first.value, second.value, told);
    default: return undefined;
  }
}

function remission({ definition }: Scale, current: number, baseline: number): string | undefined {
  const limit = definition.cutoffs.find(({ use }) => use === 'remission');
  return limit && `baseline ${shown(baseline)} ${limit.op} ${shown(limit.value)} is ${isClinical(baseline, limit)}; ${shown(current)} ${limit.op} ${shown(limit.value)} is ${isClinical(current, limit)}: in the remission range`;
}

/** How much worse `value` is than `than`, beside the threshold. */
function against({ sign, threshold }: Scale, value: number, than: number, name: string): string {
  const [high, low] = sign === 1 ? [value, than] : [than, value];
  return `worse than ${name} by ${less(high, low)}; ${shown(exact(high - low))} ${threshold!.op} ${shown(threshold!.value)} is ${reliability(sign * (than - value), threshold!) === 'worse'}`;
}

function setback(scale: Scale, possible: Given, best: Given, others: readonly Given[]): string {
  const steps = others.filter(({ rating }) => rating === undefined).map((each) => {
    const isWorse = reliability(scale.sign * (best.value - each.value), scale.threshold!) === 'worse';
    return `${each.at.slice(0, 10)}: ${against(scale, each.value, best.value, 'the best')}: ${isWorse ? 'confirmed' : `resolved after ${days(possible, each)} days`}`;
  });
  return [`${possible.at.slice(0, 10)}: ${against(scale, possible.value, best.value, 'the best')}: possible`, ...steps, ...checkIns(best, others)].join('; ');
}

/** The check-ins of the week after a score against those up to the best one, for each rating that has both. */
function checkIns(best: Given, others: readonly Given[]): string[] {
  const until = best.at.slice(0, 10);
  const compared = checkInScales.flatMap(({ key, name, sign }): string[] => {
    const own = others.filter(({ rating }) => rating === key);
    const before = own.filter(({ at }) => at.slice(0, 10) <= until).map(({ value }) => value);
    const during = own.filter(({ at }) => at.slice(0, 10) > until).map(({ value }) => value);
    if (before.length === 0 || during.length === 0) return [];
    const comparison = compareCheckIns(before, during, sign);
    const size = Math.abs(comparison.worse);
    return [`${name} in the check-ins of the week after: mean of ${during.map(shown).join(', ')} = ${shown(comparison.mean)}; up to the best: mean of ${before.map(shown).join(', ')} = ${shown(comparison.usual)}, SD ${shown(comparison.sd)}; `
      + `${comparison.worse >= 0 ? 'worse' : 'better'} by ${shown(size)}; ${shown(size)} >= ${shown(comparison.limit)} (the SD, at least 1) is ${reaches(size, comparison)}`];
  });
  return compared.length === 0 ? [] : [...compared, 'confirmed by check-ins'];
}

const days = (from: Given, to: Given): number => Math.round((Date.parse(to.at.slice(0, 10)) - Date.parse(from.at.slice(0, 10))) / 86_400_000);

/** The three criteria of a sudden step, which ends with the score of `at`. */
function step({ sign, threshold }: Scale, inputs: readonly Given[], at: string): string | undefined {
  const split = inputs.findIndex((each) => each.at === at);
  if (split < 2 || threshold === undefined) return undefined;
  const [before, after] = [inputs.slice(0, split).map(({ value }) => value), inputs.slice(split, split + 3).map(({ value }) => value)];
  const [from, to] = [before.at(-1)!, after[0]!];
  const size = exact(Math.abs(from - to));
  const turn = sign * Math.sign(sign * (from - to));
  const [mean, other] = [average(before), average(after)];
  const df = before.length + after.length - 2;
  const pooled = Math.sqrt((squares(before) + squares(after)) / df);
  return [
    `(1) ${from >= to ? less(from, to) : less(to, from)}; ${shown(size)} >= ${shown(threshold.value)}`, `(2) ${shown(size)} >= 0.25 x ${shown(from)} = ${shown(0.25 * from)}`,
    `(3) mean of ${before.map(shown).join(', ')} = ${shown(mean)}, mean of ${after.map(shown).join(', ')} = ${shown(other)}: ${shown(turn * (mean - other))} > ${criticalT[df]} x ${shown(pooled)} = ${shown(criticalT[df]! * pooled)}`,
  ].join('; ');
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = (values: readonly number[]): number => values.reduce((sum, value) => sum + (value - average(values)) ** 2, 0);

function signal({ sign, threshold, cutoff }: Scale, current: number, baseline: number, { session, expected, boundary }: Told): string {
  const where = `session ${session ?? '?'}: `;
  if (boundary !== undefined) return `${where}${shown(current)} against ${shown(expected ?? NaN)} expected; not on track ${sign === 1 ? 'above' : 'below'} ${shown(boundary)}`;
  const improvement = sign === 1 ? less(baseline, current) : less(current, baseline);
  const side = cutoff === undefined ? '' : `; ${shown(current)} ${cutoff.op} ${shown(cutoff.value)} is ${isClinical(current, cutoff)}: ${isClinical(current, cutoff) ? 'clinical' : 'functional'} side`;
  return `${where}improvement = ${improvement}; reliable ${threshold!.op} ${shown(threshold!.value)}, half of it ${shown(threshold!.value / 2)}${side}`;
}
