import { canonicalBase, codeSystem, extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Valid } from './baseline.ts';
import { changeBetween, type Change } from './change.ts';
import { changeForClient, classForClient, safetyItemForClient, scoreForClient } from './client-words.ts';
import { changeSentence, classSentence, safetyItemSentence, scoreSentence } from './explain.ts';
import type { Band, Coding, Cutoff } from './instrument.ts';
import { metricTable, ruleOf, type MetricId } from './metrics.ts';
import { limitOf, marks } from './plain-words.ts';
import { sourceOf, type Episode, type Score } from './record.ts';
import type { ScoreData } from './record-entry.ts';
import type { Scale, Threshold } from './registry.ts';
import { bandOf, comparable } from './score.ts';
import { interpretationSystem, sideOf, type Side } from './side.ts';
import { changeClassDisplay, progressMetricDisplay, type ProgressMetric } from './terminology.ts';

/** The Observations that the service computes: profiles bs-score-observation and bs-progress-observation (docs/clinical.md). */

/** Version of the rules of change: part of every Observation that they give. */
export const changeRuleVersion = metricTable['reliable-change'].version;

export type ObservationStatus = 'preliminary' | 'final' | 'amended' | 'corrected' | 'entered-in-error';

/** What every computed Observation names beside its own facts. */
export interface ObservationContext {
  readonly patient: string;
  readonly device: string;
}

export type ObservationRule = MetricId | 'safety-item';

/** @returns the id of the Observation that `rule` gives for `scale` of one response. */
export const observationId = (rule: ObservationRule, scale: Pick<Scale, 'key'>, responseId: string): string =>
  derivedId(responseId, `${rule}|${scale.key}`);

/**
 * @returns the id of the Observation of a safety item of one response. The item that its instrument names first keeps the id of an only
 * one; a further one has its linkId in it, so that two of one response are two.
 */
export const safetyItemId = (scale: Pick<Scale, 'key' | 'instrument'>, linkId: string, responseId: string): string =>
  (linkId === scale.instrument.definition.safety[0]?.linkId ? observationId('safety-item', scale, responseId) : derivedId(responseId, `safety-item|${scale.key}|${linkId}`));

/** @returns the reference of the Observation with a score: the one that came with it, or the one that the service computed. */
export function scoreReference(score: Score): string {
  if (score.data.source === 'Observation') return score.id;
  const reference = references.get(score) ?? `Observation/${observationId('score', score, score.id)}`;
  references.set(score, reference);
  return reference;
}
/** Many changes name the same baseline, and to make an id takes a hash. */
const references = new WeakMap<Score, string>();

/** @returns how two scores compare; one to which an item did not apply is brought to the whole scale first. */
export const changeOf = (scale: Scale, baseline: Valid, score: Valid): Change =>
  changeBetween(scale, comparable(scale, baseline.value, baseline.data.maxScore), comparable(scale, score.value, score.data.maxScore));

const observationCategory = 'http://terminology.hl7.org/CodeSystem/observation-category';
const survey = [{ coding: [{ system: observationCategory, code: 'survey', display: 'Survey' }] }];
export const therapy = [
  { coding: [{ system: observationCategory, code: 'therapy', display: 'Therapy' }] },
  { coding: [{ system: codeSystem('observation-category'), code: 'progress', display: 'Progress' }] },
];

const interpretations = {
  better: [{ coding: [{ system: interpretationSystem, code: 'B', display: 'Better' }], text: 'Reliable change for the better' }],
  worse: [{ coding: [{ system: interpretationSystem, code: 'W', display: 'Worse' }], text: 'Reliable change for the worse' }],
  none: [{ coding: [{ system: interpretationSystem, code: 'IND', display: 'Indeterminate' }], text: 'No reliable change' }],
} as const;

/** What is the same in all Observations of one scale, built once. */
interface Fixed {
  readonly code: object;
  readonly method: object;
  readonly changeMethod: object;
  readonly referenceRange: readonly object[];
  readonly bands: ReadonlyMap<Band, object>;
  /** The threshold that decides, the standard error of the difference where one is known, and the cut-off. */
  readonly limits: readonly object[];
}
const fixedOf = new WeakMap<Scale, Fixed>();

function fixed(scale: Scale): Fixed {
  const known = fixedOf.get(scale);
  if (known !== undefined) return known;
  const { definition, codings, instrument, cutoff } = scale;
  const bands = definition.bands?.list ?? [];
  const built: Fixed = {
    code: { coding: codings, text: definition.title },
    method: { coding: [{ system: codeSystem('scoring-method'), version: instrument.definition.version, code: instrument.definition.id, display: `Scoring of ${instrument.definition.shortTitle}` }] },
    changeMethod: {
      coding: [
        ruleOf('reliable-change'),
        { system: codeSystem('scoring-method'), version: instrument.definition.version, code: instrument.definition.id, display: `Scoring of ${instrument.definition.shortTitle}` },
      ],
    },
    referenceRange: bands.map(({ low, high, clinicianLabel }) => ({ low: { value: low }, high: { value: high }, text: clinicianLabel })),
    bands: new Map(bands.map((band) => [band, { coding: [{ system: codeSystem('score-band'), code: band.code, display: band.clinicianLabel }], text: band.clinicianLabel }])),
    limits: [...(scale.threshold === undefined ? [] : thresholdParts(scale.threshold)), ...(cutoff === undefined ? [] : [limit('cut-off', 'On the clinical side', cutoff)])],
  };
  fixedOf.set(scale, built);
  return built;
}

/** A limit of a rule, in words with how sure it is. A whole number is an integer, which takes no rows in the indexes of quantities. */
const limit = (code: ProgressMetric, name: string, { value, op, verification }: Pick<Cutoff, 'value' | 'op' | 'verification'>): object =>
  ({ code: metric(code, `${name}: ${limitOf({ op, value })} (${marks[verification]})`), ...number(value) });

/** The threshold that decides and, where that one is computed, the standard error behind it. */
const thresholdParts = ({ value, op, sDiff, definition: { verification } }: Threshold): object[] => [
  limit('threshold', 'A change that counts as reliable', { value, op, verification }),
  ...(sDiff === undefined ? [] : [{ code: metric('s-diff', `Standard error of the difference (${marks[verification]})`), ...number(sDiff) }]),
];

/** With a text of its own a code needs no display. */
const metric = (code: ProgressMetric, text?: string): object => (text === undefined
  ? { coding: [{ system: codeSystem('progress-metric'), code, display: progressMetricDisplay[code] }] }
  : { coding: [{ system: codeSystem('progress-metric'), code }], text });
const metrics = new Map(Object.keys(progressMetricDisplay).map((code) => [code as ProgressMetric, metric(code as ProgressMetric)]));

/** Whole totals as integer, others as a quantity of `{score}`. */
export const number = (value: number): object => (Number.isInteger(value)
  ? { valueInteger: value }
  : { valueQuantity: { value: Math.round(value * 10_000) / 10_000, unit: 'score', system: 'http://unitsofmeasure.org', code: '{score}' } });

export const part = (code: ProgressMetric, value: object): object => ({ code: metrics.get(code), ...value });

/** Elements that all computed Observations share. */
export function frame(score: Score, episode: Episode | null, security: readonly Coding[] | undefined, { patient, device }: ObservationContext): object {
  const { encounter, authored } = score.data;
  return {
    ...(security === undefined ? {} : { meta: { security } }),
    subject: { reference: patient },
    ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    ...(authored === undefined ? {} : { effectiveDateTime: authored }),
    device: { reference: device },
    ...(episode === null ? {} : { extension: [episodeExtension(episode)] }),
  };
}

const episodeExtension = ({ id }: Episode): object =>
  ({ url: 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare', valueReference: { reference: `EpisodeOfCare/${id}` } });

const quality = ({ answered, items, prorated, maxScore }: ScoreData): object => ({
  url: extensionUrl('score-quality'),
  extension: [
    { url: 'answered', valueInteger: answered },
    { url: 'total', valueInteger: items },
    { url: 'prorated', valueBoolean: prorated },
    { url: 'maxScore', valueDecimal: maxScore },
  ],
});

/** @returns the total of one response; without a value and with dataAbsentReason when too few items are answered. */
export function scoreObservation(scale: Scale, score: Score, episode: Episode | null, status: ObservationStatus, context: ObservationContext): Resource {
  const { code, method, referenceRange, bands } = fixed(scale);
  const band = score.value === null ? undefined : bandOf(scale, score.value);
  const base = frame(score, episode, score.data.security, context);
  const side = score.value === null ? undefined : sideOf(scale, score.value);
  // The band first: it says more. Where there are bands, the side needs no component, because it follows from them.
  const interpretation = [...(band === undefined ? [] : [bands.get(band)]), ...(side === undefined ? [] : [side.concept])];
  const component = [...wholeScale(scale, score), ...(side === undefined || band !== undefined ? [] : [sideLimit(side)])];
  return {
    resourceType: 'Observation',
    id: observationId('score', scale, score.id),
    ...base,
    extension: [...(episode === null ? [] : [episodeExtension(episode)]), quality(score.data)],
    identifier: [{ system: `${canonicalBase}/score`, value: `${scale.key}:${score.id}` }],
    status,
    category: survey,
    code,
    derivedFrom: [{ reference: sourceOf(score) }],
    method,
    ...(score.value === null
      ? { dataAbsentReason: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown', display: 'Unknown' }], text: 'Too few items are answered' } }
      : number(score.value)),
    ...(interpretation.length === 0 ? {} : { interpretation }),
    ...(referenceRange.length === 0 ? {} : { referenceRange }),
    ...(component.length === 0 ? {} : { component }),
    note: notes({ clinician: scoreSentence(scale, score, band), client: scoreForClient(scale, score, band) }),
  };
}

const sideLimit = ({ cutoff, kind }: Side): object => limit('cut-off', kind === 'screening' ? 'The screening cut-off' : 'On the clinical side', cutoff);

/** What a score to which an item did not apply is beside others, and the factor that makes it so. */
function wholeScale(scale: Scale, { value, data: { maxScore } }: Score): object[] {
  const { min, max } = scale.definition;
  if (value === null || maxScore === max) return [];
  const text = `${progressMetricDisplay['whole-scale']}: × ${max} / ${maxScore}, out of ${min} to ${max}`;
  return [{ code: metric('whole-scale', text), ...number(comparable(scale, value, maxScore)) }];
}

/** @returns the answer to a safety item, as a score of that item. It carries no security labels: safety items are always visible. */
export function safetyItemObservation(scale: Scale, score: Score, linkId: string, value: number, episode: Episode | null, status: ObservationStatus, context: ObservationContext): Resource {
  const { method } = fixed(scale);
  const item = scale.instrument.items.get(linkId)!;
  const text = scale.instrument.definition.items.find((each) => each.linkId === linkId)?.text;
  return {
    resourceType: 'Observation',
    id: safetyItemId(scale, linkId, score.id),
    ...frame(score, episode, undefined, context),
    identifier: [{ system: `${canonicalBase}/score`, value: `${scale.key}${linkId}:${score.id}` }],
    status,
    category: survey,
    code: { coding: [{ system: item.system, code: item.code }], ...(text === undefined ? {} : { text }) },
    derivedFrom: [{ reference: `QuestionnaireResponse/${score.id}` }],
    method,
    valueInteger: value,
    note: notes({ clinician: safetyItemSentence(scale, score, linkId, value), client: safetyItemForClient(scale, score) }),
  };
}

/**
 * The two say each number once: the change has both scores, the class what it was decided by. Every component is a row in
 * several indexes, and these are the most written resources of the store; what `$progress` adds (thresholds that are only
 * shown, the four-way class) is computed there.
 * @returns the change of one score from its baseline, and the class of that change.
 */
export function changeObservations(
  scale: Scale, score: Valid, baseline: Valid, episode: Episode | null, status: ObservationStatus, context: ObservationContext,
): [Resource, Resource] {
  const change = changeOf(scale, baseline, score);
  const { changeMethod, limits } = fixed(scale);
  const derivedFrom = [score, baseline].map((each) => ({ reference: scoreReference(each) }));
  const base = { resourceType: 'Observation', ...frame(score, episode, labels(score, baseline), context), status, category: therapy, derivedFrom, method: changeMethod };
  return [
    {
      ...base,
      ...identity('change-from-baseline', scale, score, episode),
      ...number(change.delta),
      ...(change.reliable === null ? {} : { interpretation: interpretations[change.reliable] }),
      component: [part('baseline', number(change.baseline))],
      note: notes({ clinician: changeSentence(scale, score, baseline, change), client: changeForClient(scale, score, baseline, change) }),
    },
    {
      ...base,
      ...identity('reliable-change', scale, score, episode),
      valueCodeableConcept: { coding: [{ system: codeSystem('change-class'), code: change.class, display: changeClassDisplay[change.class] }] },
      ...(change.reliable === null ? {} : { interpretation: interpretations[change.reliable] }),
      component: [part('delta', number(change.delta)), ...limits, ...crossed(change)],
      note: notes({ clinician: classSentence(scale, change), client: classForClient(scale, change) }),
    },
  ];
}

/** Id, identifier and code of what `code` says of one score. */
export function identity(code: MetricId & ProgressMetric, scale: Scale, { id }: Score, episode: Episode | null): object {
  const own = observationId(code, scale, id);
  return {
    id: own,
    identifier: [{ system: `${canonicalBase}/progress`, value: `${code}:${episode?.id ?? 'none'}:${own}` }],
    code: { ...metrics.get(code), text: `${progressMetricDisplay[code]}: ${scale.definition.title}` },
  };
}

const crossed = ({ crossedWithoutReliable }: Change): object[] =>
  (crossedWithoutReliable ? [part('crossed-without-reliable-change', { valueBoolean: true })] : []);

/** Labels of all responses: what is computed from several is no more visible than any of them. */
export function labels(...scores: readonly Score[]): readonly Coding[] | undefined {
  const all = scores.flatMap(({ data: { security } }) => security ?? []);
  if (all.length === 0) return undefined;
  return all.filter(({ system, code }, i) => all.findIndex((label) => label.system === system && label.code === code) === i);
}

/** What is said in words beside a number, for clinicians and in words that do not judge for clients (extension `audience`). */
export interface Words { readonly clinician: string; readonly client: string }

export const notes = ({ clinician, client }: Words): object[] => [{ text: clinician }, { extension: [{ url: extensionUrl('audience'), valueCode: 'client' }], text: client }];

/** What an Observation of something that stands out in several scores says beside its own value. */
export interface Occurrence { readonly metric: MetricId & ProgressMetric; readonly anchor: Score; readonly inputs: readonly Score[] }

/** The Observation of something that stands out in the scores of one scale; it exists only where the rule applies. */
export function occurrenceObservation(scale: Scale, { metric, anchor, inputs }: Occurrence, episode: Episode | null, status: ObservationStatus, context: ObservationContext, content: object, words: Words): Resource {
  const { instrument: { definition: { id, version, shortTitle } } } = scale;
  return {
    resourceType: 'Observation',
    ...frame(anchor, episode, labels(...inputs), context),
    ...identity(metric, scale, anchor, episode),
    status,
    category: therapy,
    derivedFrom: inputs.map((score) => ({ reference: scoreReference(score) })),
    method: { coding: [ruleOf(metric), { system: codeSystem('scoring-method'), version, code: id, display: `Scoring of ${shortTitle}` }] },
    ...content,
    note: notes(words),
  };
}
