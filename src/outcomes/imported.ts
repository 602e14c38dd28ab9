import { canonicalBase } from '../fhir/canonical.ts';
import { weightOf, type Extended } from '../fhir/item-weight.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import { isDerived } from '../resources/observation.ts';
import type { Coding } from './instrument.ts';
import { isOfSystem } from './item-code.ts';
import type { ScoreData } from './record-entry.ts';
import type { ForeignAnswer } from './recognise.ts';
import type { Instrument, Item, Registry, Scale } from './registry.ts';
import { isGiven, mostPressing, scoreOfWords, unaccented } from './answer-words.ts';
import { questionInWords, wordsToLookFor } from './safety-questions.ts';

/** What other systems computed or asked: Observations with the code of a known score or of a safety item, as EHRs send them (docs/clinical.md 2, 7). */

interface Holder {
  readonly code?: { readonly coding?: readonly Coding[]; readonly text?: string };
  readonly valueInteger?: number;
  readonly valueQuantity?: { readonly value?: number; readonly comparator?: string; readonly unit?: string; readonly system?: string; readonly code?: string };
  readonly valueString?: string;
  readonly valueCodeableConcept?: { readonly coding?: readonly Coding[]; readonly text?: string };
  readonly modifierExtension?: unknown;
}
interface Observation extends Holder {
  readonly status?: string;
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
  readonly component?: readonly Holder[];
  readonly contained?: readonly Resource[];
  readonly effectiveDateTime?: string;
  readonly effectiveInstant?: string;
  readonly effectivePeriod?: { readonly start?: string; readonly end?: string };
  readonly issued?: string;
  readonly encounter?: { readonly reference?: string };
  readonly derivedFrom?: readonly { readonly reference?: string }[];
}

/** A total that joins the scores of `scale`. */
export interface ImportedTotal { readonly scale: Scale; readonly value: number; readonly time: string | undefined; readonly data: ScoreData }

/** @returns whether an Observation of this code may be a total or the answer to a safety item, whatever its status and value: then it concerns the record. */
export const isImport = (observation: Resource, registry: Registry): boolean =>
  (scaleOf(observation as Observation, registry) !== undefined && !isOwn(observation)) || (safetyItemsIn(observation as Observation, registry).length > 0 && !isDerived(observation));

interface Traces { readonly codes: ReadonlySet<string>; readonly words: RegExp | undefined }
const tracesOf = new WeakMap<Registry, Traces>();

function traces(registry: Registry): Traces {
  const totals = [...registry.scales.values()].flatMap(({ codings, definition }) => [...codings, ...definition.acceptAsTotal].flatMap(({ code }) => code ?? []));
  const words = wordsToLookFor(registry.instruments);
  const known = { codes: new Set([...totals, ...registry.bySafetyItem.keys()]), words: words.length === 0 ? undefined : new RegExp(words.join('|'), 'iu') };
  tracesOf.set(registry, known);
  return known;
}

/** @returns whether the text of an Observation, as it is stored, has a code or a word with which `isImport` may hold: of most it tells that it does not, and they need not be read. */
export function mayBeImport(text: string, registry: Registry): boolean {
  const { codes, words } = tracesOf.get(registry) ?? traces(registry);
  for (let at = text.indexOf(named); at >= 0; at = text.indexOf(named, at)) {
    at += named.length;
    if (codes.has(text.slice(at, text.indexOf('"', at)))) return true;
  }
  if (words === undefined || words.test(text)) return words !== undefined;
  const seen = unaccented(text);
  return seen !== text && words.test(seen);
}

const named = '"code":"';

/**
 * @returns the total that a client's Observation carries: status final, amended or corrected, an exact number within the range of
 * the scale. undefined for every other Observation, those that this service computed itself among them.
 */
export function importedTotal(resource: Resource, registry: Registry): ImportedTotal | undefined {
  const observation = resource as Observation;
  const found = scaleOf(observation, registry);
  if (found === undefined || isOwn(resource) || observation.modifierExtension !== undefined || !counted.includes(observation.status)) return undefined;
  const given = valueOf(observation);
  if (given === undefined) return undefined;
  const { scale, code } = found;
  const { multiply, add } = registry.conversions.get(code) ?? { multiply: 1, add: 0 };
  const value = given * multiply + add;
  const { min, max } = scale.definition;
  if (value < min || value > max) return undefined;
  const data = dataOf(resource, max, true);
  return { scale, value, time: data.authored, data };
}

/** The answer to a safety item that joins the scores of its instrument without a total. */
export interface ImportedSafety { readonly scale: Scale; readonly time: string | undefined; readonly data: ScoreData & { readonly safety: Readonly<Record<string, number | null>> } }

/**
 * @returns for each instrument the answers to its safety items that a client's Observation carries, as its value, in components or in
 * what it contains: a score of the item, the code of an answer or its words, whatever the status that is not withdrawn; null and
 * `unread` where it is another value than "no". Of several to one item the most pressing. [] for every other Observation.
 */
export function importedSafety(resource: Resource, registry: Registry): ImportedSafety[] {
  const observation = resource as Observation;
  if (isDerived(resource) || withdrawn.includes(observation.status)) return [];
  const found = safetyItemsIn(observation, registry).flatMap(({ instrument, item, holder }) => {
    const score = answerOf(holder, instrument, item);
    return score === undefined ? [] : [{ instrument, linkId: item.linkId, score }];
  });
  return [...Map.groupBy(found, ({ instrument }) => instrument)].map(([{ scales }, own]) => {
    const scale = scales[0]!;
    const data = dataOf(resource, scale.definition.max, false);
    const safety = Object.fromEntries([...Map.groupBy(own, ({ linkId }) => linkId)].map(([linkId, answers]) => [linkId, mostPressing(answers.map(({ score }) => score))]));
    return { scale, time: data.authored, data: { ...data, safety, ...(Object.values(safety).includes(null) ? { unread: true } : {}) } };
  });
}

function dataOf(resource: Resource, maxScore: number, panel: boolean): ScoreData {
  const { status, effectiveDateTime, effectiveInstant, effectivePeriod, issued, encounter, derivedFrom } = resource as Observation;
  const time = effectiveDateTime ?? effectiveInstant ?? effectivePeriod?.end ?? effectivePeriod?.start ?? issued ?? resource.meta?.lastUpdated;
  const responses = (derivedFrom ?? []).flatMap(({ reference }) => (reference?.startsWith(response) === true ? [reference.slice(response.length).split('/', 1)[0]!] : []));
  const labels = resource.meta?.security;
  return {
    status: status === 'final' ? 'completed' : status === 'preliminary' ? 'in-progress' : 'amended',
    ...(time === undefined ? {} : { authored: time }),
    panel, answered: 0, items: 0, prorated: false, maxScore, source: 'Observation',
    ...(responses.length === 0 ? {} : { of: responses }),
    ...(encounter?.reference === undefined ? {} : { encounter: encounter.reference }),
    ...(labels === undefined || labels.length === 0 ? {} : { security: labels }),
  };
}

const response = 'QuestionnaireResponse/';
const counted: readonly unknown[] = ['final', 'amended', 'corrected'];
/** What never was. Of `unknown` and `registered` nothing says that the answer was not given. */
const withdrawn: readonly unknown[] = ['entered-in-error', 'cancelled'];

interface FoundItem { readonly instrument: Instrument; readonly item: Item; readonly holder: Holder }

/** An Observation, its components, and what it contains, with what says that the whole is not to be read as it stands. */
const holdersIn = (observation: Observation): Holder[] => [observation, ...list(observation.component), ...list(observation.contained).filter((each) => each.resourceType === 'Observation' && !withdrawn.includes(each.status)).flatMap((each) => holdersIn(each as Observation))]
  .map((holder) => (observation.modifierExtension === undefined ? holder : { ...holder, modifierExtension: observation.modifierExtension }));

const list = <T>(value: readonly T[] | undefined): readonly T[] => (Array.isArray(value) ? value as readonly T[] : []);

/** The safety items that an Observation or its components answer: by a code, else by the words of a question that has no known code. */
const safetyItemsIn = (observation: Observation, registry: Registry): FoundItem[] => holdersIn(observation).flatMap((holder) => {
  const found = safetyItemOf(holder, registry);
  return found === undefined ? [] : [{ ...found, holder }];
});

function safetyItemOf(holder: Holder, { bySafetyItem, codes, instruments }: Registry): Omit<FoundItem, 'holder'> | undefined {
  const codings = list(holder.code?.coding);
  for (const { system, code = '' } of codings) {
    const instrument = bySafetyItem.get(code);
    const item = instrument?.items.get(instrument.linkIdOf.get(code)!);
    if (item !== undefined && isOfSystem(system, item.system)) return { instrument: instrument!, item };
  }
  if (codings.some(({ code = '' }) => codes.has(code)) || !isGiven(holder)) return undefined;
  const asked = questionInWords([holder.code?.text, ...codings.map(({ display }) => display)].join('\n'), instruments);
  return asked === undefined ? undefined : { instrument: asked.instrument, item: asked.instrument.items.get(asked.linkId)! };
}

/** @returns the item score of an answer; null for one that cannot be read, or that another element may turn into its opposite; undefined for none. */
function answerOf(holder: Holder, instrument: Instrument, item: Item): number | null | undefined {
  if (holder.modifierExtension !== undefined) return isGiven(holder) ? null : undefined;
  return readAnswer(holder, instrument, item) ?? (isGiven(holder) ? null : undefined);
}

function readAnswer(holder: Holder, instrument: Instrument, { linkId, byNumber, byCode, answerSystem }: Item): number | undefined {
  const codings = list(holder.valueCodeableConcept?.coding);
  const chosen = codings.find(({ system, code = '' }) => byCode.has(code) && isOfSystem(system, answerSystem));
  if (chosen !== undefined) return byCode.get(chosen.code!);
  const number = valueOf(holder);
  if (number !== undefined && byNumber.has(number)) return byNumber.get(number);
  const weight = instrument.definition.foreignWeights === 'item-score' ? weightOf(...codings as readonly Extended[]) : undefined;
  if (weight !== undefined && [...byCode.values()].includes(weight)) return weight;
  const words: readonly ForeignAnswer[] = [...codings, ...[holder.valueCodeableConcept?.text, holder.valueString].flatMap((display) => (display === undefined ? [] : [{ display }]))];
  return words.map((answer) => scoreOfWords(instrument, linkId, answer)).find((score) => score !== undefined);
}

function scaleOf({ code }: Observation, { byMeasure }: Registry): { scale: Scale; code: string } | undefined {
  for (const coding of Array.isArray(code?.coding) ? (code.coding as readonly Coding[]) : []) {
    const key = `${coding.system}|${coding.code}`;
    const scale = byMeasure.get(key);
    if (scale !== undefined) return { scale, code: key };
  }
  return undefined;
}

/** Our own score Observations carry what their id is made from. */
function isOwn({ id, ...observation }: Resource): boolean {
  return ((observation as Observation).identifier ?? []).some(({ system, value }) => {
    if (system !== `${canonicalBase}/score` || value === undefined) return false;
    const colon = value.lastIndexOf(':');
    return id === derivedId(value.slice(colon + 1), `score|${value.slice(0, colon)}`);
  });
}

const plainCode = /^(1|\{[^{}]*\})$/;
const plainWords = /^(|1|\{[^{}]*\}|(total )?scores?|points?|pts)$/i;

/** A number without dimension: no unit, 1, or an annotation such as {score} (https://ucum.org/ucum 6); without a code also the words that EHRs print. */
function valueOf({ valueInteger, valueQuantity, valueString }: Holder): number | undefined {
  if (valueInteger !== undefined) return Number(valueInteger);
  if (valueString !== undefined) return /^\s*\d{1,4}(\.\d{1,4})?\s*$/.test(valueString) ? Number(valueString) : undefined;
  if (valueQuantity?.value === undefined || valueQuantity.comparator !== undefined) return undefined;
  const isPlain = valueQuantity.code === undefined ? plainWords.test(valueQuantity.unit ?? '') : plainCode.test(valueQuantity.code);
  return isPlain ? Number(valueQuantity.value) : undefined;
}
