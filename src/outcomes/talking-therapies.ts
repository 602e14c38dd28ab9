import rules from '../../schemas/talking-therapies.json' with { type: 'json' };
import { firstAndLast, type Series, type Valid } from './baseline.ts';
import { isClinical, reliability, type Direction } from './change.ts';
import type { Cutoff } from './instrument.ts';
import type { Registry, Scale, Threshold } from './registry.ts';

/** Outcome of a pathway by the rules of NHS Talking Therapies: two measures judged together (docs/clinical.md 3.4). Pure. */

export const talkingTherapiesRules = { version: rules.version, source: rules.source, verification: rules.verification, note: rules.note } as const;

/** One measure of the pair with the limits that these rules judge it by. */
export interface PairMeasure { readonly scale: Scale; readonly cutoff: Cutoff; readonly threshold: Threshold }

export interface Judged extends PairMeasure {
  readonly first: Valid;
  readonly last: Valid;
  readonly caseAtStart: boolean;
  readonly caseAtEnd: boolean;
  readonly reliable: Direction;
}

export interface PairOutcome {
  /** What the course is about, where it is known. */
  readonly descriptor: string | null;
  /** The measures with two scores, one or both. */
  readonly measures: readonly Judged[];
  /** Either was at its cut-off at the start. */
  readonly caseAtStart: boolean;
  /** Null: not computable, because one of the two measures has no second score. */
  readonly recovery: boolean | null;
  readonly reliableImprovement: boolean;
  readonly reliableDeterioration: boolean;
  readonly reliableRecovery: boolean | null;
  /** Neither reliably better nor reliably worse, or one of each. */
  readonly noReliableChange: boolean;
}

interface Coded { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }
const icd10 = /^http:\/\/hl7\.org\/fhir\/sid\/icd-10(?:-|$)/;

/** @returns the problem descriptor of a Condition's code: by ICD-10, the longest code that fits; null for another. */
export function descriptorOf(code: unknown): string | null {
  const codes = ((code as Coded | undefined)?.coding ?? []).flatMap(({ system, code: each }) => (each !== undefined && icd10.test(system ?? '') ? [each] : []));
  const found = rules.descriptors.flatMap((descriptor) => descriptor.icd10
    .filter((prefix) => codes.some((each) => each === prefix || each.startsWith(prefix.includes('.') ? prefix : `${prefix}.`)))
    .map((prefix) => ({ descriptor, length: prefix.length })));
  return found.sort((a, b) => b.length - a.length)[0]?.descriptor.code ?? null;
}

type MeasureRule = { readonly scale: string; readonly cutoff: string; readonly change: string };

/** @throws Error where schemas/talking-therapies.json names a limit that the instrument does not have. */
function measure({ scales }: Registry, { scale: key, cutoff: cut, change }: MeasureRule): PairMeasure {
  const scale = scales.get(key);
  const cutoff = scale?.definition.cutoffs.find(({ id }) => id === cut);
  const threshold = scale?.thresholds.find(({ id }) => id === change);
  if (scale === undefined || cutoff === undefined || threshold === undefined) throw new Error(`schemas/talking-therapies.json: ${key} has no ${cut} or no ${change}.`);
  return { scale, cutoff, threshold };
}

/** @returns the depression measure, the specific measures of a descriptor in the order of preference, and the measure that stands in for them. */
export function pairOf(registry: Registry, descriptor: string | null): { readonly depression: PairMeasure; readonly specific: readonly PairMeasure[] } {
  const measures: Readonly<Record<string, MeasureRule>> = rules.measures;
  const wanted = rules.descriptors.find(({ code }) => code === descriptor)?.measures ?? [];
  return { depression: measure(registry, rules.depression), specific: [...new Set([...wanted, rules.fallback])].map((key) => measure(registry, measures[key]!)) };
}

/**
 * @param seriesFor the scores of one scale in the pathway.
 * @returns the outcome; null where neither measure has two valid scores of different dates.
 */
export function pairOutcome(registry: Registry, seriesFor: (scaleKey: string) => Series | undefined, descriptor: string | null): PairOutcome | null {
  const { depression, specific } = pairOf(registry, descriptor);
  const judge = (each: PairMeasure): Judged[] => {
    const series = seriesFor(each.scale.key);
    const ends = series === undefined ? undefined : firstAndLast(series);
    return ends?.last === undefined ? [] : [judged(each, ends.first, ends.last)];
  };
  // The specific measure where it has two scores; else the fallback.
  const second = specific.values().flatMap(judge).take(1).toArray();
  const measures = [...judge(depression), ...second];
  return measures.length === 0 ? null : { descriptor, ...outcome(measures) };
}

function judged(pair: PairMeasure, first: Valid, last: Valid): Judged {
  const { scale, cutoff, threshold } = pair;
  return {
    ...pair, first, last, caseAtStart: isClinical(first.value, cutoff), caseAtEnd: isClinical(last.value, cutoff),
    reliable: reliability(scale.sign * (first.value - last.value), threshold),
  };
}

/** @param measures one or both of the pair: with one, improvement and deterioration are those of that one, and recovery cannot be told. */
export function outcome(measures: readonly Judged[]): Omit<PairOutcome, 'descriptor'> {
  const any = (direction: Direction): boolean => measures.some(({ reliable }) => reliable === direction);
  const caseAtStart = measures.some((each) => each.caseAtStart);
  const recovery = measures.length < 2 ? null : caseAtStart && measures.every(({ caseAtEnd }) => !caseAtEnd);
  const reliableImprovement = any('better') && !any('worse');
  const reliableDeterioration = any('worse') && !any('better');
  return {
    measures, caseAtStart, recovery, reliableImprovement, reliableDeterioration,
    reliableRecovery: recovery === null ? null : recovery && reliableImprovement,
    noReliableChange: !reliableImprovement && !reliableDeterioration,
  };
}
