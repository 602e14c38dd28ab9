import { whyAbsent } from '../fhir/absent.ts';
import { loinc } from '../fhir/canonical.ts';
import { isOfSystem } from './item-code.ts';
import type { Instrument, Item } from './registry.ts';

/**
 * What an answer to a safety item says where it is not one of the instrument's own codes or numbers: whether somebody gave one, and
 * what its words stand for (docs/clinical.md 7.1).
 */

/** @returns a text without accents, which apps leave out or write in two ways, and without what nobody sees: marks of hyphenation, tags of XHTML. Other text is left as it is. */
export function unaccented(text: string): string {
  const seen = text.includes('<') ? text.replaceAll(/<[^<>]{0,200}>/g, ' ') : text;
  return /[^\0-\x7f]/.test(seen) ? seen.normalize('NFKD').replaceAll(/[\p{M}\p{Cf}]+/gu, '') : seen;
}

/** @returns words as they are compared: letters and digits, with one space between. */
export const plain = (text: string): string => unaccented(text).toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();

/** "No" as LOINC, HL7 and SNOMED CT code it. */
const codesOfNo: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['LA32-8', new Set([loinc])], ['N', new Set(['http://terminology.hl7.org/CodeSystem/v2-0136', 'http://terminology.hl7.org/CodeSystem/v2-0532'])],
  ['373067005', new Set(['http://snomed.info/sct'])], ['260413007', new Set(['http://snomed.info/sct'])],
]);
/** The same in words, as clients choose and as clinicians write. More would be guessed at: what is none of these is looked at by a person. */
const wordsOfNo: ReadonlySet<string> = new Set(['no', 'none', 'never', 'denies', 'denied', 'patient denies', 'negative', 'nein', 'nie', 'non', 'jamais', 'nee', 'nooit', 'nunca', 'nao', 'mai', 'nej', 'nei', 'aldrig', 'aldri', 'nigdy']);
/** Words that say why there is no answer, where a code for it (fhir/absent.ts) would be right. */
const wordsOfNone: ReadonlySet<string> = new Set(['declined', 'refused', 'patient declined', 'patient refused', 'declined to answer', 'refused to answer', 'prefer not to answer', 'prefer not to say', 'not asked', 'not answered', 'not applicable', 'n a']);

const isWordOfNo = (words: string): boolean => wordsOfNo.has(words) || wordsOfNone.has(words);
/** What is longer is neither, and need not be compared. */
const longestNo = 60;

interface Said { readonly system?: string; readonly code?: string; readonly display?: string }

/** @returns whether a choice says "no", or that there is no answer. */
const isNo = ({ system, code = '', display = '' }: Said): boolean => (code !== '' && [...codesOfNo.get(code) ?? []].some((each) => system !== undefined && isOfSystem(system, each))) || [code, display].some((said) => said.length <= longestNo && isWordOfNo(plain(said)));

interface Given { readonly valueBoolean?: unknown; readonly valueCoding?: Said; readonly valueString?: string; readonly valueCodeableConcept?: { readonly coding?: readonly Said[]; readonly text?: string } }

/** @returns whether somebody gave an answer, other than "no" or why there is none. */
export function isGiven(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null || whyAbsent(answer) !== undefined) return false;
  const { valueBoolean, valueCoding, valueString, valueCodeableConcept } = answer as Given;
  if (valueCodeableConcept !== undefined) {
    const { coding, text } = valueCodeableConcept;
    return ![...Array.isArray(coding) ? (coding as readonly Said[]) : [], ...(text === undefined ? [] : [{ display: text }])].some(isNo);
  }
  return valueBoolean !== false && !(valueCoding !== undefined && isNo(valueCoding)) && !(valueString !== undefined && isNo({ display: valueString }));
}

const kindsOfChoices = ['valueCoding', 'valueInteger', 'valueDecimal', 'valueBoolean', 'valueQuantity'];
/** Apps send the words of a choice as text; what people write is longer. */
const mostWordsOfChoice = 8;

/** @returns whether an answer is like those of instruments: a choice, a number or a few words, "no" as well. */
export function isAnswerLike(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null || whyAbsent(answer) !== undefined) return false;
  const { valueString } = answer as Given;
  return valueString === undefined ? kindsOfChoices.some((key) => key in answer) : plain(valueString).split(' ').length <= mostWordsOfChoice;
}

/** @returns the answer to hear of several to one safety item: the highest, null where one that cannot be read stands beside nothing above 0. Nobody knows whether that is 0 as well. */
export function mostPressing(scores: readonly (number | null)[]): number | null {
  const most = scores.reduce<number>((highest, score) => Math.max(highest, score ?? -Infinity), -Infinity);
  return most > 0 || !scores.includes(null) ? most : null;
}

/** What the words of an instrument's answers mean: those of its own list, of the languages in which its safety item is known, and of the deployment's texts. */
interface Meanings { readonly scores: ReadonlyMap<string, number>; readonly byNumber: ReadonlyMap<number, number> }

const meanings = new WeakMap<Item, Meanings>();

function meaningsOf({ definition, items, texts }: Instrument, linkId: string): Meanings {
  const item = items.get(linkId)!;
  const known = meanings.get(item);
  if (known !== undefined) return known;
  const list = definition.items.find((each) => each.linkId === linkId)!.answers;
  const options = definition.answerLists.find(({ id }) => id === list)?.options ?? [];
  const scores = new Map<string, number>();
  options.forEach(({ display, code }, i) => {
    const others = definition.safety.filter((each) => each.linkId === linkId).flatMap(({ words }) => words.flatMap(({ answers }) => answers?.[i] ?? []));
    for (const words of [display, ...others, ...texts.flatMap(({ answers }) => answers?.[code] ?? [])]) scores.set(plain(words), item.byCode.get(code)!);
  });
  const found = { scores, byNumber: item.byNumber };
  meanings.set(item, found);
  return found;
}

/**
 * @returns the score that an answer in the words of the instrument has ("Nearly every day", "nearly-every-day"), with or without the
 * number that forms print beside it ("3 - Nearly every day", "Not at all (0)", "2"), for a question that is known by its words only.
 * A code that is only a number says nothing: its system may count otherwise.
 */
export function scoreOfWords(instrument: Instrument, linkId: string, { code = '', display = '' }: { readonly code?: string; readonly display?: string }): number | undefined {
  const { scores, byNumber } = meaningsOf(instrument, linkId);
  return scores.get(plain(code)) ?? scores.get(plain(display)) ?? numbered(plain(display), scores, byNumber);
}

function numbered(text: string, scores: ReadonlyMap<string, number>, byNumber: ReadonlyMap<number, number>): number | undefined {
  const [, before, words, after] = /^(?:(\d{1,2})(?: |$))?(.*?)(?: ?\b(\d{1,2}))?$/.exec(text)!;
  const number = before ?? after;
  if (number === undefined || (before !== undefined && after !== undefined)) return undefined;
  const printed = byNumber.get(Number(number));
  if (words === '') return printed;
  const said = scores.get(words!);
  // Words and number that contradict each other are no answer that can be read.
  return said === printed ? said : undefined;
}
