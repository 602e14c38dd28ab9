import { canonicalBase } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import { isDerived } from '../resources/observation.ts';
import type { Coding } from './instrument.ts';
import type { ScoreData } from './record-entry.ts';
import type { ForeignAnswer } from './recognise.ts';
import type { Instrument, Item, Registry, Scale } from './registry.ts';
import { isGiven, scoreOfWords } from './safety-questions.ts';

/** What other systems computed or asked: Observations with the code of a known score or of a safety item, as EHRs send them (docs/clinical.md 2, 7). */

interface Holder {
  readonly code?: { readonly coding?: readonly Coding[] };
  readonly valueInteger?: number;
  readonly valueQuantity?: { readonly value?: number; readonly comparator?: string; readonly unit?: string; readonly system?: string; readonly code?: string };
  readonly valueString?: string;
  readonly valueBoolean?: boolean;
  readonly valueCodeableConcept?: { readonly coding?: readonly Coding[]; readonly text?: string };
  readonly modifierExtension?: unknown;
}
interface Observation extends Holder {
  readonly status?: string;
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
  readonly component?: readonly Holder[];
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

const codesOf = new WeakMap<Registry, ReadonlySet<string>>();

/** @returns whether the text of an Observation, as it is stored, has a code with which `isImport` may hold: of most it tells that it does not, and they need not be read. */
export function mayBeImport(text: string, registry: Registry): boolean {
  let known = codesOf.get(registry);
  if (known === undefined) {
    const totals = [...registry.scales.values()].flatMap(({ codings, definition }) => [...codings, ...definition.acceptAsTotal].flatMap(({ code }) => code ?? []));
    known = new Set([...totals, ...registry.bySafetyItem.keys()]);
    codesOf.set(registry, known);
  }
  for (let at = text.indexOf(named); at >= 0; at = text.indexOf(named, at)) {
    at += named.length;
    if (known.has(text.slice(at, text.indexOf('"', at)))) return true;
  }
  return false;
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
 * @returns the answers to the safety items of an instrument that a client's Observation carries, as its value or in components: a
 * score of the item, the code of an answer or its words, status preliminary as well; null and `unread` where it is another value than "no".
 * undefined for every other Observation.
 */
export function importedSafety(resource: Resource, registry: Registry): ImportedSafety | undefined {
  const observation = resource as Observation;
  if (isDerived(resource) || observation.modifierExtension !== undefined || !(counted.includes(observation.status) || observation.status === 'preliminary')) return undefined;
  const found = safetyItemsIn(observation, registry).flatMap(({ instrument, item, holder }) => {
    const score = answerOf(holder, instrument, item);
    return score === undefined ? [] : [{ instrument, linkId: item.linkId, score }];
  });
  const scale = found[0]?.instrument.scales[0];
  if (scale === undefined) return undefined;
  const data = dataOf(resource, scale.definition.max, false);
  const answers = found.filter(({ instrument }) => instrument === scale.instrument);
  const unread = answers.some(({ score }) => score === null);
  return { scale, time: data.authored, data: { ...data, safety: Object.fromEntries(answers.map(({ linkId, score }) => [linkId, score])), ...(unread ? { unread } : {}) } };
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

interface FoundItem { readonly instrument: Instrument; readonly item: Item; readonly holder: Holder }

/** The safety items by whose codes an Observation or its components go. */
function safetyItemsIn(observation: Observation, { bySafetyItem }: Registry): FoundItem[] {
  const holders: readonly Holder[] = [observation, ...Array.isArray(observation.component) ? (observation.component as readonly Holder[]) : []];
  return holders.flatMap((holder): FoundItem[] => (Array.isArray(holder.code?.coding) ? (holder.code.coding as readonly Coding[]) : []).flatMap(({ system, code = '' }): FoundItem[] => {
    const instrument = bySafetyItem.get(code);
    const item = instrument?.items.get(instrument.linkIdOf.get(code)!);
    return instrument === undefined || item?.system !== system ? [] : [{ instrument, item: item!, holder }];
  }).slice(0, 1));
}

/** @returns the item score of an answer; null for one that cannot be read, undefined for none. */
function answerOf(holder: Holder, instrument: Instrument, { linkId, byNumber, byCode, answerSystem }: Item): number | null | undefined {
  if (holder.modifierExtension !== undefined) return undefined;
  const { valueCodeableConcept: { coding, text } = {}, valueString, valueBoolean } = holder;
  const codings = Array.isArray(coding) ? (coding as readonly Coding[]) : [];
  const chosen = codings.find(({ system, code = '' }) => system === answerSystem && byCode.has(code));
  if (chosen !== undefined) return byCode.get(chosen.code!);
  const number = valueOf(holder);
  if (number !== undefined && byNumber.has(number)) return byNumber.get(number);
  const words: readonly ForeignAnswer[] = [...codings, ...[text, valueString].flatMap((display) => (display === undefined ? [] : [{ display }]))];
  const said = words.map((answer) => scoreOfWords(instrument, linkId, answer)).find((score) => score !== undefined);
  if (said !== undefined) return said;
  return isGiven(holder) && valueBoolean !== false ? null : undefined;
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
