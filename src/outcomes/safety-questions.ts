import { withoutVersion } from '../fhir/canonical.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { isAnswerLike, isGiven, plain, unaccented } from './answer-words.ts';
import { formCodes, itemCodes, loincOf, type NamedItem, type ResponseItem } from './item-code.ts';
import type { SafetyItem } from './instrument.ts';
import type { Instrument, Registry } from './registry.ts';

/**
 * Safety items that a form asks without a code of theirs. A score never rests on words; but an answer about wanting to die that
 * nobody hears is worse than a look too many. So such a question is known by its words, and a form by its name (docs/clinical.md 7).
 */

interface Worded { readonly text?: string; readonly _text?: object }
interface FormItem extends Worded { readonly linkId?: string; readonly type?: string; readonly definition?: string | undefined; readonly item?: readonly FormItem[] }
interface Named { readonly url?: unknown; readonly name?: unknown; readonly title?: unknown; readonly code?: readonly { readonly display?: unknown }[] }

interface Extended { readonly valueString?: unknown; readonly valueMarkdown?: unknown; readonly extension?: readonly Extended[] }

/** @returns the words of an item: its text, and what stands beside it as a translation or in another form; undefined for none. */
export function questionText({ text, _text }: Worded): string | undefined {
  if (_text === undefined) return text;
  const said = ({ valueString, valueMarkdown, extension }: Extended): unknown[] => [valueString, valueMarkdown, ...Array.isArray(extension) ? (extension as readonly Extended[]).flatMap(said) : []];
  const all = [text, ...said(_text as Extended)].filter((each) => typeof each === 'string');
  return all.length === 0 ? undefined : all.join('\n');
}

/** Of the words of a group as many characters as a question has: each of its items is looked at with them. */
const longestOfGroup = 1000;

/** @returns the words of a group as those of the questions in it that have none. */
export const asQuestion = (words: string | undefined): string | undefined => words?.slice(0, longestOfGroup);

interface Question { readonly instrument: Instrument; readonly item: SafetyItem; /** Whether a text has words of the question. */ readonly isIn: (text: string) => boolean; readonly names: readonly RegExp[] }

/** A text of a deployment that is shorter says too little to tell a question by. */
const shortestText = 12;

/** Words by which a safety item is known: those of the registry, and the whole question as the deployment's own texts have it. */
const phrasesOf = ({ texts }: Instrument, { words, linkId }: SafetyItem): string[] => [...words.map(({ text }) => text), ...texts.flatMap(({ items }) => items[linkId] ?? []).filter((text) => plain(text).length >= shortestText)];

const questionsOf = new WeakMap<Instrument, readonly Question[]>();

function questions(instrument: Instrument): readonly Question[] {
  const known = questionsOf.get(instrument) ?? instrument.definition.safety.map((item): Question => {
    const phrases = new RegExp(phrasesOf(instrument, item).map(inWords).join('|'), 'iu');
    return { instrument, item, isIn: remembering((text) => phrases.test(unaccented(text))), names: item.names.flatMap(inName) };
  });
  questionsOf.set(instrument, known);
  return known;
}

/** Texts that are remembered: apps send the same questions with every response. Longer ones are no questions. */
const mostRemembered = 2000;
const longestRemembered = 300;

function remembering(test: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    if (text.length > longestRemembered) return test(text);
    const before = known.get(text);
    if (before !== undefined) return before;
    if (known.size >= mostRemembered) known.clear();
    const found = test(text);
    known.set(text, found);
    return found;
  };
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
  const found = instruments.flatMap(questions).find(({ isIn }) => isIn(text));
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
  const texts = form === undefined ? undefined : new Map(questionsOn(form).map(({ linkId, text }) => [linkId, text]));
  const wordsOf = ({ linkId, text }: ResponseItem): readonly string[] => [text, texts?.get(linkId)].filter((words) => words !== undefined);
  const words = items.map(wordsOf);
  let counts: ReadonlyMap<string, number> | undefined; // few forms, or groups of them, have the name of an instrument
  const choicesIn = (group: string): number => (counts ??= countsIn(items.filter(({ answers }) => answers.some(isAnswerLike)).map(({ expression }) => expression))).get(group) ?? 0;
  const isCalled = (called: readonly string[], names: readonly RegExp[]): boolean => called.some((name) => names.some((each) => each.test(name)));
  return others.flatMap(questions).flatMap(({ instrument, item: { linkId }, isIn, names }): UncodedQuestion[] => {
    const asked = items.filter(({ answers }, i) => words[i]!.some(isIn) && answers.some(isGiven));
    if (asked.length > 0) return [{ instrument, linkId, items: asked }];
    // While it is being written the one question may not have been reached yet, until as many are answered as there are.
    const isEnough = (answered: number): boolean => (response.status === 'in-progress' ? answered >= instrument.items.size : answered > instrument.items.size / 2);
    const isForm = ((instrument === known || isCalled(namesOf(response, form), names)) && isEnough(choicesIn(whole)))
      || items.some((group, i) => group.answers.length === 0 && isCalled(words[i]!.map(unaccented), names) && isEnough(choicesIn(group.expression)));
    return isForm && items.some(({ answers }) => answers.some(isGiven)) ? [{ instrument, linkId, items: [] }] : [];
  });
}

const whole = 'QuestionnaireResponse';

/** @returns how many of the expressions stand within each item, and in the whole. */
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
  return watching.flatMap((instrument) => questions(instrument).flatMap(({ item, isIn, names }): AskedOn[] => {
    if (codes.has(instrument.items.get(item.linkId)!.code)) return [{ instrument, item, by: 'code' }];
    if (asked.some(({ text }) => isIn(text))) return [{ instrument, item, by: 'words' }];
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

const safetyParts = new WeakMap<Resource, Resource | null>();

/**
 * @param form a Questionnaire in another version than the one that was answered: what its other questions ask may have changed.
 * @returns of its questions those that ask a safety item, by code or words, with nothing that would score them; undefined where there are none.
 */
export function safetyPartOf(form: Resource, { instruments, bySafetyItem }: Registry): Resource | undefined {
  const before = safetyParts.get(form);
  if (before !== undefined) return before ?? undefined;
  const coded = [...formCodes(form['item'])].flatMap(([linkId, code]) => {
    const { items, linkIdOf } = bySafetyItem.get(code) ?? {};
    return items === undefined ? [] : [{ linkId, code: [{ system: items.get(linkIdOf!.get(code)!)!.system, code }] }];
  });
  const inWords = questionsOn(form).filter(({ linkId, text }) => !coded.some((each) => each.linkId === linkId) && questionInWords(text, instruments) !== undefined);
  const item = [...coded, ...inWords.map(({ linkId, text }) => ({ linkId, text }))];
  const part = item.length === 0 ? null : { resourceType: 'Questionnaire', url: form['url'], item } as Resource;
  safetyParts.set(form, part);
  return part ?? undefined;
}
