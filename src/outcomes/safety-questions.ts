import { whyAbsent } from '../fhir/absent.ts';
import { loinc, withoutVersion } from '../fhir/canonical.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { formCodes, isOfSystem, itemCodes, loincOf, type NamedItem, type ResponseItem } from './item-code.ts';
import type { SafetyItem } from './instrument.ts';
import type { Instrument, Item, Registry } from './registry.ts';

/**
 * Safety items that a form asks without a code of theirs. A score never rests on words; but an answer about wanting to die that
 * nobody hears is worse than a look too many. So such a question is known by its words, and a form by its name (docs/clinical.md 7).
 */

interface Worded { readonly text?: string; readonly _text?: object }
interface FormItem extends Worded { readonly linkId?: string; readonly type?: string; readonly definition?: string | undefined; readonly item?: readonly FormItem[] }
interface Named { readonly url?: unknown; readonly name?: unknown; readonly title?: unknown; readonly code?: readonly { readonly display?: unknown }[] }

/** Without accents, which apps leave out or write in two ways, and without what nobody sees: marks of hyphenation, tags of XHTML. Other text is left as it is. */
export function unaccented(text: string): string {
  const seen = text.includes('<') ? text.replaceAll(/<[^<>]{0,200}>/g, ' ') : text;
  return /[^\0-\x7f]/.test(seen) ? seen.normalize('NFKD').replaceAll(/[\p{M}\p{Cf}]+/gu, '') : seen;
}

/** Words as they are compared: letters and digits, with one space between. */
const plain = (text: string): string => unaccented(text).toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();

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

/** Of the words of a group as many characters as a question has: each of its items is looked at with them. */
const longestOfGroup = 1000;

/** @returns the words of a group as those of the questions in it that have none. */
export const asQuestion = (words: string | undefined): string | undefined => words?.slice(0, longestOfGroup);

interface Extended { readonly valueString?: unknown; readonly valueMarkdown?: unknown; readonly extension?: readonly Extended[] }

/** @returns the words of an item: its text, and what stands beside it as a translation or in another form; undefined for none. */
export function questionText({ text, _text }: Worded): string | undefined {
  if (_text === undefined) return text;
  const said = ({ valueString, valueMarkdown, extension }: Extended): unknown[] => [valueString, valueMarkdown, ...Array.isArray(extension) ? (extension as readonly Extended[]).flatMap(said) : []];
  const all = [text, ...said(_text as Extended)].filter((each) => typeof each === 'string');
  return all.length === 0 ? undefined : all.join('\n');
}

/** @returns the answer to hear of several to one safety item: the highest, null where one that cannot be read stands beside nothing above 0. Nobody knows whether that is 0 as well. */
export function mostPressing(scores: readonly (number | null)[]): number | null {
  const most = scores.reduce<number>((highest, score) => Math.max(highest, score ?? -Infinity), -Infinity);
  return most > 0 || !scores.includes(null) ? most : null;
}

interface Question { readonly instrument: Instrument; readonly item: SafetyItem; /** Any of the words of the question. */ readonly phrases: RegExp; readonly names: readonly RegExp[] }

/** A text of a deployment that is shorter says too little to tell a question by. */
const shortestText = 12;

/** Words by which a safety item is known: those of the registry, and the whole question as the deployment's own texts have it. */
const phrasesOf = ({ texts }: Instrument, { words, linkId }: SafetyItem): string[] => [...words.map(({ text }) => text), ...texts.flatMap(({ items }) => items[linkId] ?? []).filter((text) => plain(text).length >= shortestText)];

const questionsOf = new WeakMap<Instrument, readonly Question[]>();

function questions(instrument: Instrument): readonly Question[] {
  const known = questionsOf.get(instrument) ?? instrument.definition.safety.map((item): Question => ({
    instrument, item, phrases: new RegExp(phrasesOf(instrument, item).map(inWords).join('|'), 'iu'), names: item.names.flatMap(inName),
  }));
  questionsOf.set(instrument, known);
  return known;
}

/** A phrase within a longer text, whatever stands between its words. Looked for as it stands: to bring every text into one form first took six times as long. */
const inWords = (phrase: string): string => plain(phrase).split(' ').join('[^\\p{L}\\p{N}]+');

/** `PHQ-9` within `phq9-followup`, `Mein PHQ 9`, `phq_09` and `myPHQ9`, not within `phq-90`; `CORE-10` not within `score-10`. */
function inName(name: string): RegExp[] {
  const parts = name.match(/\p{L}+|\p{N}+/gu)!.map((part) => (/\p{N}/u.test(part) ? `0?${part}` : part)).join('[^\\p{L}\\p{N}]{0,3}');
  return [new RegExp(`(?<!\\p{L})${parts}(?!\\p{N})`, 'iu'), new RegExp(`(?<=\\p{Ll})${parts}(?!\\p{N})`, 'u')];
}

interface FormQuestion extends NamedItem { readonly text: string }

const askedOn = new WeakMap<Resource, readonly FormQuestion[]>();

/** @returns the questions of a form that have words. Forms are remembered as they are found: every answered form asks. */
function questionsOn(form: Resource): readonly FormQuestion[] {
  const known = askedOn.get(form);
  if (known !== undefined) return known;
  const found: FormQuestion[] = [];
  const collect = (items: unknown, above?: string): void => {
    for (const each of Array.isArray(items) ? (items as readonly FormItem[]) : []) {
      const { linkId, type, definition, item } = each;
      // Of a question without words those that are shown in it, or beside it in its group.
      const shown = (Array.isArray(item) ? (item as readonly FormItem[]) : []).filter((one) => one.type === 'display').flatMap((one) => questionText(one) ?? []);
      const own = questionText(each) ?? (type !== 'group' && shown.length > 0 ? shown.join('\n') : undefined);
      const text = own ?? (type === 'group' ? undefined : above);
      if (linkId !== undefined && text !== undefined) found.push({ linkId, definition, answers: [], text });
      collect(item, type === 'group' ? asQuestion([own ?? above, ...shown].filter((one) => one !== undefined).join('\n')) : undefined);
    }
  };
  collect(form['item']);
  askedOn.set(form, found);
  return found;
}

/** The safety item of which one text is the question, by its words. */
export function questionInWords(text: string, instruments: readonly Instrument[]): { readonly instrument: Instrument; readonly linkId: string } | undefined {
  const words = unaccented(text);
  const found = instruments.flatMap(questions).find(({ phrases }) => phrases.test(words));
  return found === undefined ? undefined : { instrument: found.instrument, linkId: found.item.linkId };
}

/** @returns of each phrase a word that stands in every text that has the phrase, however it is written: most texts are told by it to have none. */
export const wordsToLookFor = (instruments: readonly Instrument[]): string[] => instruments.flatMap((instrument) => instrument.definition.safety.flatMap((item) => phrasesOf(instrument, item))).map((text) => {
  const all = text.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const plainly = all.filter((word) => unaccented(word) === word);
  return (plainly.length === 0 ? all : plainly).reduce((longest, word) => (word.length > longest.length ? word : longest));
});

/** A safety item that is asked without its code. */
export interface UncodedQuestion {
  readonly instrument: Instrument;
  /** The answers that its words are beside; none: the form has the name of the instrument, and any answer may be the one. */
  readonly items: readonly ResponseItem[];
  readonly linkId: string;
}

/**
 * @param items of a response of which no code says what they ask.
 * @param form that was answered, where it is known.
 * @param others instruments whose safety item is looked for: those of which the response is not known to be.
 * @param known the instrument whose canonical the response names: it need not have its name.
 * @returns their safety items among them.
 */
export function uncodedQuestions(response: Resource, items: readonly ResponseItem[], form: Resource | undefined, others: readonly Instrument[], known: Instrument | undefined): UncodedQuestion[] {
  const given = items.filter(({ answers }) => answers.some(isGiven));
  if (given.length === 0) return [];
  const texts = new Map(form === undefined ? [] : questionsOn(form).map(({ linkId, text }) => [linkId, text]));
  const wordsOf = ({ linkId, text }: ResponseItem): string => unaccented(`${text ?? ''}\n${texts.get(linkId) ?? ''}`);
  const words = given.map(wordsOf);
  const choices = items.filter(({ answers }) => answers.some(isAnswerLike)).map(({ expression }) => expression);
  let counts: ReadonlyMap<string, number> | undefined; // of groups; few forms have one with the name of an instrument
  const choicesIn = (group: string): number => (counts ??= countsIn(choices)).get(group) ?? 0;
  const isCalled = (name: string, names: readonly RegExp[]): boolean => names.some((each) => each.test(name));
  return others.flatMap(questions).flatMap(({ instrument, item: { linkId }, phrases, names }): UncodedQuestion[] => {
    const asked = given.filter((_, i) => phrases.test(words[i]!));
    if (asked.length > 0) return [{ instrument, linkId, items: asked }];
    // While it is being written the one question may not have been reached yet, until as many are answered as there are.
    const isEnough = (answered: number): boolean => (response.status === 'in-progress' ? answered >= instrument.items.size : answered > instrument.items.size / 2);
    const isForm = isEnough(choices.length) && (instrument === known || namesOf(response, form).some((name) => isCalled(name, names))
      || items.some((group) => group.answers.length === 0 && isCalled(wordsOf(group), names) && isEnough(choicesIn(group.expression))));
    return isForm ? [{ instrument, linkId, items: [] }] : [];
  });
}

/** @returns how many of the expressions stand within each item. */
function countsIn(expressions: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const expression of expressions) {
    for (let end = expression.lastIndexOf('.'); end > 0; end = expression.lastIndexOf('.', end - 1)) {
      const above = expression.slice(0, end);
      counts.set(above, (counts.get(above) ?? 0) + 1);
    }
  }
  return counts;
}

/** What a form is called: by its canonical, the title that the response shows of it (http://hl7.org/fhir/R4/extension-display.html), and by itself. */
function namesOf(response: Resource, form: Resource | undefined): string[] {
  const { url, name, title, code } = (form ?? {}) as Named;
  const shown = questionText({ _text: (response['_questionnaire'] ?? {}) as object });
  return [response['questionnaire'], shown, url, name, title, ...(Array.isArray(code) ? code.map(({ display }) => display) : [])].filter((each) => typeof each === 'string');
}

/** A safety item that a form asks, or has the name of an instrument that does. */
interface AskedOn { readonly instrument: Instrument; readonly item: SafetyItem; readonly by: 'code' | 'words' | 'name' }

/** @returns the safety items of a form of a deployment; of one that is known by its canonical none. */
function safetyItemsOn(form: Resource, { instruments, byCanonical, codes: known }: Registry): AskedOn[] {
  const watching = byCanonical.has(withoutVersion(String(form['url']))) ? [] : instruments.filter(({ definition }) => definition.safety.length > 0);
  if (watching.length === 0) return [];
  const asked = questionsOn(form);
  const formCode = formCodes(form['item']);
  const codes = new Set([...formCode.values(), ...asked.map(itemCodes(asked, formCode, (code) => known.has(code)))]);
  const called = namesOf(form, form);
  const panel = loincOf(form['code']) ?? '';
  return watching.flatMap((instrument) => questions(instrument).flatMap(({ item, phrases, names }): AskedOn[] => {
    if (codes.has(instrument.items.get(item.linkId)!.code)) return [{ instrument, item, by: 'code' }];
    if (asked.some(({ text }) => phrases.test(unaccented(text)))) return [{ instrument, item, by: 'words' }];
    const isNamed = asked.length > instrument.items.size / 2 && (panel === instrument.definition.panel?.code || called.some((name) => names.some((each) => each.test(name))));
    return isNamed ? [{ instrument, item, by: 'name' }] : [];
  }));
}

/** @returns the instruments whose safety item a form of a deployment asks, or seems to ask. */
export const asksSafetyOf = (form: Resource, registry: Registry): ReadonlySet<Instrument> => new Set(safetyItemsOn(form, registry).map(({ instrument }) => instrument));

/**
 * @param form a Questionnaire of a deployment.
 * @returns a warning for each safety item that it asks, or seems to ask, without its code: whoever stores the form can still mend it.
 */
export const uncodedQuestionsOn = (form: Resource, registry: Registry): Issue[] => safetyItemsOn(form, registry).filter(({ by }) => by !== 'code').map(({ instrument: { items }, item: { linkId, title }, by }) => {
  const { code, system } = items.get(linkId)!;
  const text = `${title} ${by === 'words' ? 'is asked' : 'seems to be asked'} without its code: give its item the code ${code} of ${system}, and the others theirs. Without them no response is scored by its instrument, and a clinician is asked to look at ${by === 'words' ? 'answers that are not in its words' : 'each'}.`;
  return { severity: 'warning', code: 'business-rule', expression: 'Questionnaire.item', text };
});

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
