import { against, less, precise } from './arithmetic.ts';
import { isClinical, reliability } from './change.ts';
import { checkInScales, compareCheckIns, reaches } from './check-in-week.ts';
import { exact } from './decimals.ts';
import { daysBetween } from './local-time.ts';
import { counted, dayOf, limitOf, points } from './plain-words.ts';
import type { Scale } from './registry.ts';
import { criticalT } from './sudden-gain.ts';

/** What stands out in a course, with the numbers of one case filled in, as text (arithmetic.ts). Pure. */

/** A score on the whole scale, at the time and on the date that it is of; with the key of its scale where that is another (check-ins beside a setback). */
export interface Given { readonly value: number; readonly at: string; readonly date: string; readonly rating?: string }

/** What else decided, as the Observation has it. */
export interface Told { readonly at: string; readonly session?: number; readonly expected?: number; readonly edge?: number; readonly boundary?: number; readonly percentile?: number; readonly n?: number }

/**
 * @param inputs in the order in which the Observation was derived from them
 * @returns undefined for other metrics, and where an input is not there
 */
export function eventArithmetic(metric: string, scale: Scale, inputs: readonly Given[], told: Told): string | undefined {
  const [first, second] = inputs;
  if (first === undefined) return undefined;
  switch (metric) {
    case 'remission': return second === undefined ? undefined : remission(scale, first.value, second.value);
    case 'sustained-remission': return sustained(scale, first, second);
    case 'setback': return second === undefined ? undefined : setback(scale, first, second, inputs.slice(2));
    case 'relapse': return second === undefined || scale.cutoff === undefined ? undefined : afterRecovery(scale, first.value, second.value);
    case 'sudden-gain': case 'sudden-loss': return step(scale, inputs, told.at);
    case 'trajectory-signal': return second === undefined ? undefined : signal(scale, first.value, second.value, told);
    default: return undefined;
  }
}

function remission({ definition }: Scale, current: number, baseline: number): string | undefined {
  const limit = definition.cutoffs.find(({ use }) => use === 'remission');
  return limit && [`baseline ${against(baseline, limit)}: ${isClinical(baseline, limit) ? 'outside' : 'in'} the remission range`, `current ${against(current, limit)}: ${isClinical(current, limit) ? 'outside' : 'in'} the remission range`].join('; ');
}

function sustained({ definition: { cutoffs }, cutoff }: Scale, last: Given, first: Given | undefined): string {
  const limit = cutoffs.find(({ use }) => use === 'remission') ?? cutoff;
  const value = (score: Given): string => `${dayOf(score.date)}: ${limit === undefined ? precise(score.value) : against(score.value, limit)}`;
  if (first === undefined) return `${value(last)}: in the range at the last score of a finished episode`;
  return `${value(first)}; ${value(last)}; ${daysBetween(first.date, last.date)} days in the range without a score outside of it, at least 14 needed`;
}

/** How much worse `value` is than `than`, beside the threshold. */
function worse({ sign, threshold }: Scale, value: number, than: number, name: string): string {
  const [high, low] = sign === 1 ? [value, than] : [than, value];
  if (high < low) return `better than ${name} by ${less(low, high)}`;
  return `worse than ${name} by ${less(high, low)}, which ${against(exact(high - low), threshold!).replace(/^\S+ /, '')}`;
}

const isWorse = ({ sign, threshold }: Scale, value: number, than: number): boolean => reliability(sign * (than - value), threshold!) === 'worse';

function setback(scale: Scale, possible: Given, best: Given, others: readonly Given[]): string {
  const steps = others.filter(({ rating }) => rating === undefined).map((each) => `${dayOf(each.date)}: ${worse(scale, each.value, best.value, 'the best')}: ${isWorse(scale, each.value, best.value) ? 'confirmed' : `resolved after ${counted(daysBetween(possible.date, each.date), 'day')}`}`);
  return [`${dayOf(possible.date)}: ${worse(scale, possible.value, best.value, 'the best')}: possible`, ...steps, ...checkIns(best, others)].join('; ');
}

/** The check-ins of the week after a score against those up to the best one, for each rating that has both. */
function checkIns(best: Given, others: readonly Given[]): string[] {
  const until = best.date;
  const compared = checkInScales.flatMap(({ key, name, sign }): string[] => {
    const own = others.filter(({ rating }) => rating === key);
    const before = own.filter(({ date }) => date <= until).map(({ value }) => value);
    const during = own.filter(({ date }) => date > until).map(({ value }) => value);
    if (before.length === 0 || during.length === 0) return [];
    const comparison = compareCheckIns(before, during, sign);
    const size = Math.abs(comparison.worse);
    return [`${name} in the check-ins of the week after: mean of ${during.map(precise).join(', ')} = ${precise(comparison.mean)}; up to the best: mean of ${before.map(precise).join(', ')} = ${precise(comparison.usual)}, SD ${precise(comparison.sd)}; `
      + `${name} ${comparison.worse >= 0 ? 'worse' : 'better'} by ${precise(size)}, which is ${reaches(size, comparison) ? '' : 'not '}${precise(comparison.limit)} or more (the SD, at least 1)`];
  });
  return compared.length === 0 ? [] : [...compared, 'confirmed by check-ins'];
}

function afterRecovery(scale: Scale, current: number, end: number): string {
  return `${against(current, scale.cutoff!)}: clinical side; ${worse(scale, current, end, 'the end of the therapy')}: ${isWorse(scale, current, end) ? 'by a reliable change' : 'without a reliable change'}`;
}

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
  const [high, low] = turn > 0 ? [mean, other] : [other, mean];
  const undone = inputs.slice(split + 1).find(({ value }) => exact(turn * (value - to)) >= exact(size / 2));
  return [
    `(1) size: ${from >= to ? less(from, to) : less(to, from)}, ${precise(threshold.value)} or more needed`, `(2) share: a quarter of ${precise(from)} = 0.25 × ${precise(from)} = ${precise(0.25 * Math.abs(from))}, that or more needed`,
    `(3) mean before: (${before.map(precise).join(' + ')}) / ${before.length} = ${precise(mean)}`, `mean after: (${after.map(precise).join(' + ')}) / ${after.length} = ${precise(other)}`,
    `difference of the means: ${less(high, low)}, more than t × pooled SD = ${criticalT[df]} × ${precise(pooled)} = ${precise(criticalT[df]! * pooled)} needed (t for ${df} degrees of freedom, 5 %)`,
    ...(undone === undefined ? [] : [`undone on ${dayOf(undone.date)}: ${turn > 0 ? less(undone.value, to) : less(to, undone.value)}, half of the step or more`]),
  ].join('; ');
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = (values: readonly number[]): number => values.reduce((sum, value) => sum + (value - average(values)) ** 2, 0);

/** z of the edge and of the boundary, the 80th and 90th percentile of a normal distribution (trajectory.ts). */
const z80 = 0.84, z90 = 1.28;

function signal(scale: Scale, current: number, baseline: number, told: Told): string {
  const { sign, threshold, cutoff } = scale;
  const { session, expected, edge, boundary, percentile, n } = told;
  if (boundary !== undefined && expected !== undefined && session !== undefined) {
    const steps = percentile === undefined ? fitted(baseline, session, expected, boundary) : [
      `${precise(expected)} is expected at session ${session}, the median of ${n} closed episodes`,
      ...(edge === undefined ? [] : [`edge = 80th percentile towards worse = ${precise(edge)}`]), `boundary = 90th percentile towards worse = ${precise(boundary)}`,
    ];
    const beyond = (limit: number): string => `${precise(current)} is ${(sign === 1 ? current > limit : current < limit) ? '' : 'not '}${sign === 1 ? 'above' : 'below'} ${precise(limit)}`;
    return [...steps, ...(edge === undefined ? [] : [`${beyond(edge)}, the edge`]), `${beyond(boundary)}, the boundary`].join('; ');
  }
  const improvement = sign === 1 ? less(baseline, current) : less(current, baseline);
  const side = cutoff === undefined ? [] : [`current ${against(current, cutoff)}: ${isClinical(current, cutoff) ? 'clinical' : 'functional'} side`];
  const half = { op: '>=', value: threshold!.value / 2 } as const;
  return [`session ${session ?? '?'}: improvement = ${improvement}`, `a reliable change is ${limitOf(threshold!, points)}, half of it ${precise(half.value)}`, ...side].join('; ');
}

/** The fit over closed episodes, with its slope and SD as they follow from what is stored. */
function fitted(baseline: number, session: number, expected: number, boundary: number): string[] {
  const log = Math.log(session);
  const sd = Math.abs(boundary - expected) / z90;
  return [
    `expected at session ${session} = ${precise(baseline)} ${expected < baseline ? '-' : '+'} ${precise(Math.abs(expected - baseline) / log)} × ln(${session}) = ${precise(expected)}`,
    ...([['edge', z80], ['boundary', z90]] as const).map(([name, z]) => `${name} = ${precise(expected)} ${boundary < expected ? '-' : '+'} ${z} × ${precise(sd)} = ${precise(expected + (boundary < expected ? -z : z) * sd)}${z === z90 ? ` (SD of the fit ${precise(sd)})` : ''}`),
  ];
}
