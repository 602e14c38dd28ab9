import { codeSystem, loinc } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { isLoincCode } from './loinc.ts';
import type { Instrument, Registry } from './registry.ts';

/** An item of a response, with where it stands. */
export interface ResponseItem {
  /** As the form has it. */
  readonly linkId: string;
  readonly answers: readonly unknown[];
  /** FHIRPath, e.g. `QuestionnaireResponse.item[3]`. */
  readonly expression: string;
}

/** A response in which an instrument was found. */
export interface Recognised {
  readonly instrument: Instrument;
  /** Whether the whole panel was recognised; false: only its safety item is there, which is read wherever it is asked. */
  readonly panel: boolean;
  /** The form that was answered, where it is known. */
  readonly form?: Resource;
  /** What the numbers of this form lack to be those of the instrument. */
  readonly add: number;
  /** linkId of the instrument -> every item of the response that answers it (more than one is a fault). */
  readonly items: ReadonlyMap<string, readonly ResponseItem[]>;
}

type Leaf = ResponseItem;
interface FormItem { readonly linkId?: string; readonly code?: readonly { system?: string; code?: string }[]; readonly item?: readonly FormItem[] }
interface AnsweredItem { readonly linkId?: string; readonly answer?: readonly { item?: readonly AnsweredItem[] }[]; readonly item?: readonly AnsweredItem[] }

/**
 * @returns the instrument that `response` answers, or undefined.
 * Known by the canonical (with or without |version), by the codes of the Questionnaire that it names, or by LOINC codes in its
 * linkIds as LHC-Forms and US Core write them (`/44250-9`, `44249-1/44250-9`); never by position.
 * Without the panel's own code or canonical every item of the panel must be on the form, and no other instrument may fit as well.
 */
export function recognise(response: Resource, registry: Registry, questionnaire?: Resource): Recognised | undefined {
  const url = (questionnaire?.url ?? response.questionnaire) as string | undefined;
  const known = typeof url === 'string' ? registry.byCanonical.get(withoutVersion(url)) : undefined;
  const leaves: Leaf[] = [];
  walk(response.item as AnsweredItem[] | undefined, 'QuestionnaireResponse', leaves);
  const codes = known !== undefined && known.canonical === withoutVersion(url!) ? undefined : formCodes(questionnaire);
  const codeOf = (leaf: Leaf): string => codes?.get(leaf.linkId) ?? lastSegment(leaf.linkId);
  const instrument = known ?? byCodes(leaves.map(codeOf), codes, questionnaire, registry);
  if (instrument !== undefined) return { instrument, panel: true, add: (url === undefined ? undefined : registry.codings.get(withoutVersion(url))) ?? 0, ...(questionnaire === undefined ? {} : { form: questionnaire }), items: matched(instrument, leaves, codeOf) };
  return safetyOnly(leaves, codeOf, registry);
}

/** @returns a canonical without its |version. */
export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar < 0 ? canonical : canonical.slice(0, bar);
}

const lastSegment = (linkId: string): string => linkId.slice(linkId.lastIndexOf('/') + 1);

function walk(items: readonly AnsweredItem[] | undefined, parent: string, leaves: Leaf[]): void {
  if (!Array.isArray(items)) return;
  items.forEach((item: AnsweredItem, i) => {
    const expression = `${parent}.item[${i}]`;
    const answers = Array.isArray(item.answer) ? item.answer : [];
    leaves.push({ linkId: typeof item.linkId === 'string' ? item.linkId : '', answers, expression });
    walk(item.item, expression, leaves);
    answers.forEach((answer: { item?: readonly AnsweredItem[] }, j: number) => {
      if (answer.item !== undefined) walk(answer.item, `${expression}.answer[${j}]`, leaves);
    });
  });
}

/** Code of every item of a Questionnaire that has one of LOINC or of ours, by linkId. Older LHC-Forms exports leave the system out. */
function formCodes(questionnaire: Resource | undefined): Map<string, string> | undefined {
  if (questionnaire === undefined) return undefined;
  const codes = new Map<string, string>();
  const collect = (items: readonly FormItem[] | undefined): void => {
    if (!Array.isArray(items)) return;
    for (const item of items as readonly FormItem[]) {
      const code = loincOf(item.code) ?? ownOf(item.code);
      if (item.linkId !== undefined && code !== undefined) codes.set(item.linkId, code);
      collect(item.item);
    }
  };
  collect(questionnaire.item as FormItem[] | undefined);
  return codes;
}

const loincOf = (codings: FormItem['code']): string | undefined =>
  Array.isArray(codings)
    ? (codings as NonNullable<FormItem['code']>).find(({ system, code }) => code !== undefined && (system === loinc || (system === undefined && isLoincCode(code))))?.code
    : undefined;

const ownItems: ReadonlySet<string | undefined> = new Set([codeSystem('instrument-item'), codeSystem('record-item')]);
const ownOf = (codings: FormItem['code']): string | undefined =>
  Array.isArray(codings) ? (codings as NonNullable<FormItem['code']>).find(({ system }) => ownItems.has(system))?.code : undefined;

/** Words such as "mood" may be the linkIds of any form: our own scales and single totals are known by codes only. */
const isNamedInLinkIds = ({ definition: { licence }, items }: Instrument): boolean => licence.class !== 'OWN' && items.size > 1;

/**
 * The items of a short form are part of a longer one: a PHQ-9 of which two answers came looks like a PHQ-2. So an instrument
 * that is part of another is only known by its codes where the form itself is known, and asks nothing else of the longer one.
 */
function byCodes(answered: readonly string[], form: Map<string, string> | undefined, questionnaire: Resource | undefined, registry: Registry): Instrument | undefined {
  const present = new Set([...answered, ...form?.values() ?? []]);
  const panels = new Set([...present, loincOf(questionnaire?.code as FormItem['code']) ?? '']);
  const named = [...panels].flatMap((code) => registry.byPanel.get(code) ?? []);
  if (named.length === 1) return named[0];
  const onForm = new Set(form?.values());
  const complete = registry.instruments.filter((instrument) => {
    const codes = isNamedInLinkIds(instrument) ? present : onForm;
    return [...instrument.items.values()].every(({ code }) => codes.has(code));
  });
  const widest = complete.filter((one) => !complete.some((other) => other !== one && includes(other, one)));
  const [only] = widest;
  if (only === undefined || widest.length > 1) return undefined;
  const longer = registry.instruments.filter((other) => includes(other, only));
  if (longer.length === 0) return only;
  return form !== undefined && !longer.some((other) => [...other.items.values()].some(({ code }) => present.has(code) && !only.linkIdOf.has(code))) ? only : undefined;
}

function includes(wide: Instrument, narrow: Instrument): boolean {
  const codes = new Set([...wide.items.values()].map(({ code }) => code));
  return codes.size > narrow.items.size && [...narrow.items.values()].every(({ code }) => codes.has(code));
}

function matched(instrument: Instrument, leaves: readonly Leaf[], codeOf: (leaf: Leaf) => string): Map<string, ResponseItem[]> {
  const found = new Map<string, ResponseItem[]>();
  for (const leaf of leaves) {
    const linkId = instrument.items.has(leaf.linkId) ? leaf.linkId : instrument.linkIdOf.get(codeOf(leaf));
    if (linkId === undefined) continue;
    const list = found.get(linkId);
    if (list === undefined) found.set(linkId, [leaf]);
    else list.push(leaf);
  }
  return found;
}

function safetyOnly(leaves: readonly Leaf[], codeOf: (leaf: Leaf) => string, registry: Registry): Recognised | undefined {
  for (const leaf of leaves) {
    const instrument = registry.bySafetyItem.get(codeOf(leaf));
    if (instrument !== undefined) return { instrument, panel: false, add: 0, items: matched(instrument, leaves, codeOf) };
  }
  return undefined;
}
