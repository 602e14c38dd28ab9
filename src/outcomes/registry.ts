import { canonicalBase, codeSystem, loinc } from '../fhir/canonical.ts';
import { checkInstrument, itemScores } from './instrument-check.ts';
import type { Cutoff, InstrumentDefinition, ReliableChange, ScaleDefinition, Coding } from './instrument.ts';
import { reliableChangeIndex } from './reliable-change.ts';
import { textPacks, type TextPack } from './text-pack.ts';

/** An item as answers are scored against it. */
export interface Item {
  readonly linkId: string;
  readonly code: string;
  readonly system: string;
  /** Item score by answer code. */
  readonly byCode: ReadonlyMap<string, number>;
  /** Item score by the number that the form prints beside the answer. */
  readonly byNumber: ReadonlyMap<number, number>;
  /** System of the answer codes. */
  readonly answerSystem: string;
  /** A number that scores itself, within these bounds. */
  readonly numeric?: { readonly min: number; readonly max: number; readonly step: number };
  /** Whether such a number runs against the scale; the maps hold reversed scores already. */
  readonly reverse: boolean;
  /** Highest score of the item. */
  readonly max: number;
  /** Whether "does not apply" is an answer. */
  readonly notApplicable: boolean;
}

/** A reliable-change threshold, ready to compare with. */
export interface Threshold {
  readonly id: string;
  readonly value: number;
  readonly op: '>=' | '>';
  readonly definition: ReliableChange;
  /** Standard error of the difference, for a computed threshold. */
  readonly sDiff?: number;
}

/** One score of an instrument with everything that judges it. */
export interface Scale {
  /** Key of the score in a record: the instrument's id for its total, else `instrument.scale`. */
  readonly key: string;
  readonly instrument: Instrument;
  readonly definition: ScaleDefinition;
  readonly items: readonly Item[];
  /** +1 where higher is worse, -1 where higher is better: improvement = sign * (baseline - current). */
  readonly sign: 1 | -1;
  readonly thresholds: readonly Threshold[];
  /** The threshold and the cut-off that decide the change class, where the instrument has them; of cut-offs by sex the more cautious. */
  readonly threshold?: Threshold;
  readonly cutoff?: Cutoff;
  /** The cut-off by which a score is interpreted, chosen in the same way (`sideOf`). */
  readonly interpreting?: Cutoff;
  /** The sex whose cut-off it is, in the scale of one person (`scaleForSex`). */
  readonly sex?: string;
  /** All codings of the total: LOINC where it exists, the local code always. */
  readonly codings: readonly Coding[];
}

export interface Instrument {
  readonly definition: InstrumentDefinition;
  /** Canonical of the Questionnaire that this service publishes, without version. */
  readonly canonical: string;
  /** Scored items by linkId. */
  readonly items: ReadonlyMap<string, Item>;
  /** linkId by item code. */
  readonly linkIdOf: ReadonlyMap<string, string>;
  readonly scales: readonly Scale[];
  /** Texts that the deployment has a licence for. */
  readonly texts: readonly TextPack[];
}

/** A form of an instrument with names of its own. */
export interface Rendering {
  readonly instrument: Instrument;
  /** What its numbers lack to be ours (a form that prints 0 to 4 where ours has 1 to 5: 1). */
  readonly add: number;
  /** linkId of the form -> code of the item. */
  readonly codeOf: ReadonlyMap<string, string>;
  /** Their answers: item score by code. */
  readonly answers?: { readonly system: string; readonly scores: ReadonlyMap<string, number> };
}

/** All instruments that the service can score. */
export interface Registry {
  readonly instruments: readonly Instrument[];
  /** Score key -> scale. */
  readonly scales: ReadonlyMap<string, Scale>;
  /** Canonical without version -> instrument. */
  readonly byCanonical: ReadonlyMap<string, Instrument>;
  /** Canonical -> how another form of an instrument names its questions and answers. */
  readonly renderings: ReadonlyMap<string, Rendering>;
  /** LOINC code of the panel -> instrument. */
  readonly byPanel: ReadonlyMap<string, Instrument>;
  /** `system|code` of a total -> scale: what a Goal's target.measure names. */
  readonly byMeasure: ReadonlyMap<string, Scale>;
  /** `system|code` of a total in another coding -> how ours follows from it: times `multiply`, plus `add`. */
  readonly conversions: ReadonlyMap<string, { readonly multiply: number; readonly add: number }>;
  /** Codes of all items and totals. */
  readonly codes: ReadonlySet<string>;
  /** Codes of what is asked beside the items. */
  readonly besides: ReadonlySet<string>;
  /** Code of a safety item -> instrument. */
  readonly bySafetyItem: ReadonlyMap<string, Instrument>;
  /** Answer codes whose check digit looks wrong. */
  readonly warnings: readonly string[];
}

/**
 * Builds the registry from the parsed files of `schemas/instruments` and of the folder with the deployment's own texts.
 * @throws Error that names the instrument and every field that is wrong.
 */
export function instrumentRegistry(definitions: readonly unknown[], texts: readonly unknown[] = []): Registry {
  const warnings: string[] = [];
  const checked = definitions.map((definition) => checkInstrument(definition, warnings));
  const packs = textPacks(texts, checked);
  const instruments = checked.map((definition) => instrument(definition, packs.get(definition.id) ?? []));
  const scales = new Map<string, Scale>();
  const byCanonical = new Map<string, Instrument>();
  const byPanel = new Map<string, Instrument>();
  const byMeasure = new Map<string, Scale>();
  const bySafetyItem = new Map<string, Instrument>();
  const renderings = new Map<string, Rendering>();
  const conversions = new Map<string, { multiply: number; add: number }>();
  for (const each of instruments) {
    const { id, panel, alsoKnownAs, safety } = each.definition;
    const others = renderingsOf(each);
    for (const [canonical, rendering] of others) renderings.set(canonical, rendering);
    const published = panel === undefined ? [] : [`${loinc}/q/${panel.code}`]; // the Questionnaires that LOINC itself publishes
    for (const url of [each.canonical, ...published, ...alsoKnownAs, ...others.keys()]) claim(byCanonical, url, each, id);
    if (panel !== undefined) claim(byPanel, panel.code, each, id);
    for (const scale of each.scales) {
      claim(scales, scale.key, scale, id);
      for (const { system, code } of [...scale.codings, ...scale.definition.acceptAsTotal]) claim(byMeasure, `${system}|${code}`, scale, id);
      for (const { system, code, multiply = 1, add = 0 } of scale.definition.acceptAsTotal) if (multiply !== 1 || add !== 0) conversions.set(`${system}|${code}`, { multiply, add });
    }
    for (const { linkId } of safety) bySafetyItem.set(each.items.get(linkId)!.code, each);
  }
  const besides = new Set(instruments.flatMap(({ definition }) => definition.unscored.map(({ code }) => code)));
  const codes = new Set(instruments.flatMap(({ linkIdOf, scales: own }) => [...linkIdOf.keys(), ...own.flatMap(({ codings: each }) => each.map(({ code }) => code!))]));
  return Object.freeze({ codes, besides, instruments, scales, byCanonical, byPanel, byMeasure, bySafetyItem, renderings, conversions, warnings });
}

/** @returns canonical -> rendering, of every other form that is known of an instrument. */
function renderingsOf(instrument: Instrument): Map<string, Rendering> {
  const codeOf = new Map([...instrument.linkIdOf].map(([code, linkId]) => [linkId, code]));
  for (const { linkId, code } of instrument.definition.unscored) codeOf.set(linkId, code);
  return new Map((instrument.definition.renderings ?? []).flatMap(({ canonicals, add = 0, linkIds = {}, answers }) => canonicals.map((canonical): [string, Rendering] => [canonical, {
    instrument, add, codeOf: new Map(Object.entries(linkIds).map(([theirs, ours]) => [theirs, codeOf.get(ours)!])),
    ...(answers === undefined ? {} : { answers: { system: answers.system, scores: new Map(Object.entries(answers.scores)) } }),
  }])));
}

function claim<V>(map: Map<string, V>, key: string, value: V, instrumentId: string): void {
  if (map.has(key)) throw new Error(`Instrument ${instrumentId}: ${key} is already used by another instrument or scale.`);
  map.set(key, value);
}

function instrument(definition: InstrumentDefinition, texts: readonly TextPack[]): Instrument {
  const scored = new Map(definition.items.map((item): [string, Item] => {
    const maps = itemScores(definition, item);
    return [item.linkId, {
      linkId: item.linkId, code: item.code, system: item.system ?? loinc, ...maps, notApplicable: item.notApplicable === true, reverse: item.reverse === true,
      ...(item.numeric === undefined ? {} : { numeric: item.numeric }), max: item.numeric?.max ?? Math.max(...maps.byNumber.values()),
    }];
  }));
  const built: { -readonly [K in keyof Instrument]: Instrument[K] } = {
    definition, canonical: `${canonicalBase}/Questionnaire/${definition.id}`, items: scored,
    linkIdOf: new Map([...scored.values()].map(({ code, linkId }) => [code, linkId])), scales: [], texts,
  };
  built.scales = definition.scales.map((scale) => scaleOf(built, scale));
  return built;
}

function scaleOf(instrument: Instrument, definition: ScaleDefinition): Scale {
  const { id } = instrument.definition;
  const key = definition.id === 'total' ? id : `${id}.${definition.id}`;
  const thresholds = definition.reliableChange.map(threshold);
  return {
    key, instrument, definition,
    items: (definition.items ?? [...instrument.items.keys()]).map((linkId) => instrument.items.get(linkId)!),
    sign: definition.direction === 'higher-worse' ? 1 : -1,
    thresholds,
    threshold: thresholds.find(({ definition: { use } }) => use === 'class'),
    cutoff: firstReached(definition, isDeciding),
    interpreting: firstReached(definition, isInterpreting),
    codings: [
      ...definition.codes.map(({ system, code, display }) => ({ system, code, display })),
      { system: codeSystem('instrument'), code: key, display: definition.title },
    ],
  };
}

const isDeciding = ({ use }: Cutoff): boolean => use === 'class';
const isInterpreting = ({ interprets }: Cutoff): boolean => interprets !== undefined;

/**
 * @returns the cut-off that `holds`. Of one for each sex the one that is reached first: it holds where the sex is not known, or another.
 */
function firstReached({ cutoffs, direction }: Pick<ScaleDefinition, 'cutoffs' | 'direction'>, holds: (cutoff: Cutoff) => boolean): Cutoff | undefined {
  const found = cutoffs.filter(holds).sort((a, b) => (direction === 'higher-worse' ? a.value - b.value : b.value - a.value));
  return found.find(({ sex }) => sex === undefined) ?? found[0];
}

const bySex = new WeakMap<Scale, Map<string, Scale>>();

/** @returns whether the sex of a person decides which cut-off holds. */
export const dependsOnSex = ({ definition: { cutoffs } }: Scale): boolean => cutoffs.some(({ sex }) => sex !== undefined);

/**
 * @param sex Patient.gender, where it is known.
 * @returns the scale as it judges the scores of one person: with the cut-offs of their sex, where it has one for each. The same
 * object for the same sex.
 */
export function scaleForSex(scale: Scale, sex: string | undefined): Scale {
  const ofSex = scale.definition.cutoffs.filter((each) => each.sex !== undefined && each.sex === sex);
  if (sex === undefined || ofSex.length === 0) return scale;
  const known = bySex.get(scale) ?? new Map<string, Scale>();
  const own = known.get(sex) ?? { ...scale, cutoff: ofSex.find(isDeciding) ?? scale.cutoff, interpreting: ofSex.find(isInterpreting) ?? scale.interpreting, sex };
  bySex.set(scale, known.set(sex, own));
  return own;
}

function threshold(definition: ReliableChange): Threshold {
  const { id, op } = definition;
  if ('value' in definition) return { id, value: definition.value, op, definition };
  const { threshold: value, sDiff } = reliableChangeIndex(definition.sd, definition.r, definition.z);
  return { id, value, op, sDiff, definition };
}
