import { codeSystem, loinc } from '../fhir/canonical.ts';
import { isLoincCode } from './loinc.ts';

/** What an item asks, by the codes that it carries: its `code`, its `definition`, or its linkId. Its text is never looked at. */

interface FormItem { readonly linkId?: string; readonly definition?: string; readonly code?: readonly { readonly system?: string; readonly code?: string }[]; readonly item?: readonly FormItem[] }

/** An answered item, as far as it says what was asked: its linkId as the form has it, its definition where the response says it. */
export interface NamedItem { readonly linkId: string; readonly definition: string | undefined; readonly answers: readonly unknown[] }

/** An item of a response, with where it stands. */
export interface ResponseItem extends NamedItem {
  /** The words of the question, where the response repeats them; without any, those of its group. */
  readonly text?: string;
  /** FHIRPath, e.g. `QuestionnaireResponse.item[3]`. */
  readonly expression: string;
}

/** Names of LOINC as a system of codes: its URL, as written by hand, and its OID (http://hl7.org/fhir/R4/loinc.html). */
const loincSystems: ReadonlySet<string | undefined> = new Set([
  loinc, `${loinc}/`, 'https://loinc.org', 'https://loinc.org/', 'http://www.loinc.org', 'https://www.loinc.org', 'LOINC', 'urn:oid:2.16.840.1.113883.6.1',
]);
/** @returns whether a coding is of the system `wanted`: by its URI, for LOINC by any of its names, or without saying one, as many apps send it. */
export const isOfSystem = (system: string | undefined, wanted: string): boolean => system === undefined || system === wanted || (wanted === loinc && loincSystems.has(system));

const ownItems: ReadonlySet<string | undefined> = new Set([codeSystem('instrument-item'), codeSystem('record-item')]);

/** @returns the first LOINC code of an element. Older LHC-Forms exports leave the system out. */
export function loincOf(codings: unknown): string | undefined {
  return Array.isArray(codings)
    ? (codings as NonNullable<FormItem['code']>).find(({ system, code }) => code !== undefined && (loincSystems.has(system) || (system === undefined && isLoincCode(code))))?.code
    : undefined;
}

const ownOf = (codings: FormItem['code']): string | undefined =>
  Array.isArray(codings) ? (codings as NonNullable<FormItem['code']>).find(({ system }) => ownItems.has(system))?.code : undefined;

/** @returns linkId -> code, of every item of a Questionnaire that has one of LOINC or of ours, as its code or its definition. */
export function formCodes(items: unknown): Map<string, string> {
  const codes = new Map<string, string>();
  const collect = (nested: unknown): void => {
    if (!Array.isArray(nested)) return;
    for (const { linkId, code: codings, definition, item } of nested as readonly FormItem[]) {
      const code = loincOf(codings) ?? ownOf(codings) ?? definedCode(definition);
      if (linkId !== undefined && code !== undefined) codes.set(linkId, code);
      collect(item);
    }
  };
  collect(items);
  return codes;
}

/** @returns the LOINC code that an `item.definition` of loinc.org ends in. */
function definedCode(definition: string | undefined): string | undefined {
  if (typeof definition !== 'string' || !/^https?:\/\/(?:www\.)?loinc\.org[/#|]/.test(definition)) return undefined;
  const last = lastSegment(definition);
  return isLoincCode(last) ? last : wholeCode(definition, isLoincCode)?.code;
}

const lastSegment = (linkId: string): string => linkId.slice(Math.max(linkId.lastIndexOf('/'), linkId.lastIndexOf('|'), linkId.lastIndexOf('#')) + 1);

/** Two to seven digits and a check digit, beside no other digit or letter: a part of a longer number or of a UUID is none. */
const codes = /(?<![\dA-Za-z])\d{2,7}-\d(?![\dA-Za-z])/g;

/** @returns the last code wanted that stands whole in a text, and whether nothing comes after it. */
function wholeCode(text: string, isWanted: (code: string) => boolean): { readonly code: string; readonly ends: boolean } | undefined {
  const last = [...text.matchAll(codes)].findLast(([code]) => isWanted(code));
  return last === undefined ? undefined : { code: last[0], ends: last.index + last[0].length === text.length };
}

/** An answer of words beside a question (`44260-8-comment`) is not the answer to it. */
const isChosen = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && ('valueCoding' in answer || 'valueInteger' in answer || 'valueDecimal' in answer);

/**
 * @param items of a response.
 * @param form what its form says of them (`formCodes`), where it is known.
 * @param isKnown whether a code is that of an item or a total: others are not looked for within linkIds.
 * @returns item -> its code: of the form, else of its definition, else the last part of its linkId (`/44249-1/44250-9`), else a LOINC
 * code that stands whole in the linkId (`LOINC:44260-8`, `PHQ9_44260-8`, `44260-8-1`; of several the last). That last way counts only
 * where no item of the response has the code in a clearer way, and among such items those whose linkId ends in it come first.
 */
export function itemCodes<Item extends NamedItem>(items: readonly Item[], form: ReadonlyMap<string, string> | undefined, isKnown: (code: string) => boolean): (item: Item) => string {
  const found = new Map<Item, string>();
  const loose: { item: Item; code: string; ends: boolean }[] = [];
  const taken = new Set<string>();
  for (const item of items) {
    const code = form?.get(item.linkId) ?? definedCode(item.definition) ?? lastSegment(item.linkId);
    found.set(item, code);
    taken.add(code);
    if (form?.has(item.linkId) === true || isKnown(code)) continue;
    const whole = wholeCode(item.linkId, isKnown);
    if (whole !== undefined && (whole.ends || item.answers.some(isChosen))) loose.push({ item, ...whole });
  }
  const ended = new Set(loose.flatMap(({ code, ends }) => (ends ? [code] : [])));
  for (const { item, code, ends } of loose) if (!taken.has(code) && (ends || !ended.has(code))) found.set(item, code);
  return (item) => found.get(item)!;
}
