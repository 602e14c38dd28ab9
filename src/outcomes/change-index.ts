import { precise } from './arithmetic.ts';
import { classify, type ChangeClass, type Direction } from './change.ts';
import { reliableChangeIndex, type Moments } from './reliable-change.ts';

/**
 * Indices of change beside the reliable change that decides a class (docs/clinical.md 3.3; CodeSystem/change-index has each formula
 * with its source). They ask what regression to the mean, or the sample's own change, would have brought. Pure.
 */

export const changeIndices = ['jacobson-truax', 'gulliksen-lord-novick', 'hsu-linn-lord', 'edwards-nunnally', 'nunnally-kotsch', 'hageman-arrindell'] as const;
export type ChangeIndexCode = typeof changeIndices[number];

/** Two sided at 5 %; Hageman and Arrindell test one side. */
export const criticalValue = (code: ChangeIndexCode): number => (code === 'hageman-arrindell' ? 1.645 : 1.96);

/** What the indices need of a sample, beside the two scores. */
export interface SampleMoments {
  /** SD at the beginning, above 0. */
  readonly sd: number;
  /** Reliability, in [0, 1). */
  readonly r: number;
  /** Mean at the beginning: all but jacobson-truax. */
  readonly mean?: number;
  /** Mean at the end: hsu-linn-lord, hageman-arrindell. */
  readonly meanAfter?: number;
  /** Reliability at the end: nunnally-kotsch; absent: the same. */
  readonly rAfter?: number;
  /** SD at the end, and correlation of beginning and end: hageman-arrindell. */
  readonly sdAfter?: number;
  readonly correlation?: number;
  /** People without the problem: cut-off of hageman-arrindell. */
  readonly functional?: Moments;
}

/** The two scores, and +1 where a higher score is worse, -1 where it is better. */
export interface TwoScores { readonly baseline: number; readonly current: number; readonly sign: 1 | -1 }

export interface IndexOfChange {
  /** With the sign of `current - baseline`. */
  readonly value: number;
  readonly critical: number;
  readonly reliable: Direction;
  /** The formula with the numbers of this case, in steps parted by `; `. */
  readonly formula: string;
  /** Of hageman-arrindell, where the norms are known. */
  readonly cutoff?: CutoffOfTrueScores;
}

/** Between two populations, in true scores; `index`: how surely the last score is beyond it, with the sign of `last - limit`. */
export interface CutoffOfTrueScores { readonly limit: number; readonly index: number; readonly preClinical: boolean; readonly postFunctional: boolean; readonly formula: string }

/** @returns the index by `code`; or why it cannot be computed, for a reader. */
export function indexOfChange(code: ChangeIndexCode, scores: TwoScores, sample: SampleMoments): IndexOfChange | string {
  const missing = needs[code].filter((name) => sample[name] === undefined).map((name) => named[name]);
  if (missing.length > 0) return `not computed: the sample lacks ${missing.join(', ')}`;
  if (!(sample.sd > 0) || !(sample.r >= 0 && sample.r < 1)) return 'not computed: it needs a standard deviation above 0 and a reliability from 0 to below 1';
  const found = code === 'jacobson-truax' ? jacobsonTruax(scores, sample) : code === 'hageman-arrindell' ? hagemanArrindell(scores, sample) : byRegression(code, scores, sample);
  if (typeof found === 'string') return found;
  const critical = criticalValue(code);
  const isReliable = Math.abs(found.value) > critical;
  const reliable = !isReliable ? 'none' : scores.sign * found.value < 0 ? 'better' : 'worse';
  return { ...found, critical, reliable, formula: `${found.formula}; its size, ${precise(Math.abs(found.value))}, is ${isReliable ? '' : 'not '}more than ${critical}` };
}

/**
 * @returns the class that an index comes to. Hageman and Arrindell have no class for going to the clinical side, and recovery needs
 * both indices; without norms nothing is recovered.
 * @param sides of the first and last score by the cut-off of the instrument, for the other indices.
 */
export function classByIndex(code: ChangeIndexCode, { reliable, cutoff }: IndexOfChange, sides: { readonly preClinical: boolean | null; readonly postClinical: boolean | null }): ChangeClass {
  if (code !== 'hageman-arrindell') return classify(reliable, sides.preClinical, sides.postClinical);
  if (reliable === 'better') return cutoff?.preClinical === true && cutoff.postFunctional ? 'recovered' : 'improved';
  return reliable === 'worse' ? 'deteriorated' : 'unchanged';
}

type Named = 'mean' | 'meanAfter' | 'sdAfter' | 'correlation';
const named: Readonly<Record<Named, string>> = { mean: 'the mean at the beginning', meanAfter: 'the mean at the end', sdAfter: 'the standard deviation at the end', correlation: 'the correlation of beginning and end' };
const needs: Readonly<Record<ChangeIndexCode, readonly Named[]>> = {
  'jacobson-truax': [], 'gulliksen-lord-novick': ['mean'], 'hsu-linn-lord': ['mean', 'meanAfter'], 'edwards-nunnally': ['mean'], 'nunnally-kotsch': ['mean'],
  'hageman-arrindell': ['mean', 'meanAfter', 'sdAfter', 'correlation'],
};

type Worked = Pick<IndexOfChange, 'value' | 'formula' | 'cutoff'>;

const n = precise;
/** A number in brackets where it is negative. */
const b = (value: number): string => (value < 0 ? `(${n(value)})` : n(value));
const errorSteps = ({ sd, r }: SampleMoments, standardError: number): string => `S_E = ${n(sd)} × √(1 - ${n(r)}) = ${n(standardError)}`;

function jacobsonTruax({ baseline, current }: TwoScores, sample: SampleMoments): Worked {
  const { standardError, sDiff } = reliableChangeIndex(sample.sd, sample.r, 1.96);
  const value = (current - baseline) / sDiff;
  return { value, formula: `${errorSteps(sample, standardError)}; S_diff = √(2 × ${n(standardError)}²) = ${n(sDiff)}; index = (${n(current)} - ${b(baseline)}) / ${n(sDiff)} = ${n(value)}` };
}

/** The last score against the one that the first, drawn toward a mean, leads one to expect. */
function byRegression(code: Exclude<ChangeIndexCode, 'jacobson-truax' | 'hageman-arrindell'>, { baseline, current }: TwoScores, { sd, r, mean = 0, meanAfter = 0, rAfter = r }: SampleMoments): Worked {
  const around = code === 'hsu-linn-lord' ? meanAfter : mean;
  const expected = around + r * (baseline - mean);
  const [error, said] = {
    'gulliksen-lord-novick': [sd * Math.sqrt(1 - r ** 2), `√(1 - ${n(r)}²) × ${n(sd)}`],
    'hsu-linn-lord': [sd * Math.sqrt(1 - r ** 2), `√(1 - ${n(r)}²) × ${n(sd)}`],
    'edwards-nunnally': [sd * Math.sqrt(1 - r), `√(1 - ${n(r)}) × ${n(sd)}`],
    'nunnally-kotsch': [Math.sqrt(r ** 2 * sd ** 2 * (1 - r) + sd ** 2 * (1 - rAfter)), `√(${n(r)}² × ${n(sd)}² × (1 - ${n(r)}) + ${n(sd)}² × (1 - ${n(rAfter)}))`],
  }[code] as [number, string];
  const value = (current - expected) / error;
  return { value, formula: `expected score: ${n(around)} + ${n(r)} × (${n(baseline)} - ${b(mean)}) = ${n(expected)}; its error: ${said} = ${n(error)}; index = (${n(current)} - ${b(expected)}) / ${n(error)} = ${n(value)}` };
}

/** The person's change weighed against the mean change of the sample by the reliability of differences. */
function hagemanArrindell(scores: TwoScores, sample: SampleMoments): Worked | string {
  const { baseline, current } = scores;
  const { sd, mean, meanAfter, sdAfter, correlation } = sample as Required<Pick<SampleMoments, 'sd' | Named>>;
  const { standardError, sDiff } = reliableChangeIndex(sd, sample.r, 1.645);
  const reliability = (each: number): number => (each ** 2 - standardError ** 2) / each ** 2;
  const [before, after] = [reliability(sd), reliability(sdAfter)];
  const shared = 2 * sd * sdAfter * correlation;
  const ofDifferences = (sd ** 2 * before + sdAfter ** 2 * after - shared) / (sd ** 2 + sdAfter ** 2 - shared);
  if (!(ofDifferences > 0)) return 'not computed: the differences between the two scores of the sample have no reliability';
  const value = ((current - baseline) * ofDifferences + (meanAfter - mean) * (1 - ofDifferences)) / (Math.sqrt(ofDifferences) * sDiff);
  const squares = `${n(sd)}² ${'{0}'}+ ${n(sdAfter)}² ${'{1}'}- 2 × ${n(sd)} × ${n(sdAfter)} × ${b(correlation)}`;
  const formula = [
    errorSteps(sample, standardError),
    `reliability at the end: (${n(sdAfter)}² - ${n(standardError)}²) / ${n(sdAfter)}² = ${n(after)}`,
    `reliability of the differences: (${squares.replace('{0}', `× ${n(before)} `).replace('{1}', `× ${b(after)} `)}) / (${squares.replace('{0}', '').replace('{1}', '')}) = ${n(ofDifferences)}`,
    `S_diff = √(2 × ${n(standardError)}²) = ${n(sDiff)}`,
    `index = ((${n(current)} - ${b(baseline)}) × ${n(ofDifferences)} + (${n(meanAfter)} - ${b(mean)}) × (1 - ${n(ofDifferences)})) / (√${n(ofDifferences)} × ${n(sDiff)}) = ${n(value)}`,
  ].join('; ');
  const cutoff = cutoffOf(scores, { sd, mean, meanAfter, before, after, standardError, functional: sample.functional });
  return { value, formula, ...(cutoff === undefined ? {} : { cutoff }) };
}

interface TrueScores { readonly sd: number; readonly mean: number; readonly meanAfter: number; readonly before: number; readonly after: number; readonly standardError: number; readonly functional: Moments | undefined }

/** The cut-off c of Jacobson and Truax in true scores; undefined without norms, or where they have no reliability. */
function cutoffOf({ baseline, current, sign }: TwoScores, { sd, mean, meanAfter, before, after, standardError, functional }: TrueScores): CutoffOfTrueScores | undefined {
  if (functional === undefined || !(after > 0)) return undefined;
  const ofNorms = (functional.sd ** 2 - standardError ** 2) / functional.sd ** 2;
  if (!(ofNorms > 0)) return undefined;
  const [clinical, healthy] = [sd * Math.sqrt(before), functional.sd * Math.sqrt(ofNorms)];
  const limit = (clinical * functional.mean + healthy * mean) / (clinical + healthy);
  const index = (meanAfter + (current - meanAfter) * after - limit) / (Math.sqrt(after) * standardError);
  const preClinical = sign * (baseline - limit) >= 0;
  const postFunctional = -sign * index > criticalValue('hageman-arrindell');
  const formula = [
    `SD of true scores: ${n(sd)} × √${n(before)} = ${n(clinical)}`, `of people without the problem: ${n(functional.sd)} × √${n(ofNorms)} = ${n(healthy)}`,
    `cut-off = (${n(clinical)} × ${n(functional.mean)} + ${n(healthy)} × ${n(mean)}) / (${n(clinical)} + ${n(healthy)}) = ${n(limit)}`,
    `index = (${n(meanAfter)} + (${n(current)} - ${b(meanAfter)}) × ${n(after)} - ${n(limit)}) / (√${n(after)} × ${n(standardError)}) = ${n(index)}`,
  ].join('; ');
  return { limit, index, preClinical, postFunctional, formula };
}

/** Moments of pairs of scores; undefined for fewer than two, or where the first scores do not differ. */
export function momentsOf(pairs: readonly { readonly baseline: number; readonly current: number }[]): Required<Pick<SampleMoments, 'sd' | 'mean' | 'meanAfter' | 'sdAfter'>> & { readonly correlation?: number } | undefined {
  const count = pairs.length;
  if (count < 2) return undefined;
  const mean = (of: (pair: typeof pairs[number]) => number): number => pairs.reduce((sum, pair) => sum + of(pair), 0) / count;
  const [first, last] = [mean(({ baseline }) => baseline), mean(({ current }) => current)];
  const sum = (of: (pair: typeof pairs[number]) => number): number => pairs.reduce((all, pair) => all + of(pair), 0) / (count - 1);
  const [before, after] = [sum(({ baseline }) => (baseline - first) ** 2), sum(({ current }) => (current - last) ** 2)];
  if (pairs.every(({ baseline }) => baseline === pairs[0]!.baseline)) return undefined;
  const shared = sum(({ baseline, current }) => (baseline - first) * (current - last));
  const varies = pairs.some(({ current }) => current !== pairs[0]!.current);
  return { mean: first, meanAfter: last, sd: Math.sqrt(before), sdAfter: Math.sqrt(after), ...(varies ? { correlation: shared / Math.sqrt(before * after) } : {}) };
}
