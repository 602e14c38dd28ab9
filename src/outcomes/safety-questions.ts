import { whyAbsent } from '../fhir/absent.ts';
import { withoutVersion } from '../fhir/canonical.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { formCodes, itemCodes, type NamedItem, type ResponseItem } from './item-code.ts';
import type { SafetyItem } from './instrument.ts';
import type { Instrument, Item, Registry } from './registry.ts';

/**
 * Safety items that a form asks without a code of theirs. A score never rests on words; but an answer about wanting to die that
 * nobody hears is worse than a look too many. So such a question is known by its words, and a form by its name (docs/clinical.md 7).
 */

interface FormItem { readonly linkId?: string; readonly definition?: string | undefined; readonly text?: string; readonly item?: readonly FormItem[] }
interface Named { readonly url?: unknown; readonly name?: unknown; readonly title?: unknown; readonly code?: readonly { readonly display?: unknown }[] }

/** Words as they are compared: letters and digits, with one space between. */
const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();

/** @returns whether somebody gave an answer, other than "no" or why there is none. */
export const isGiven = (answer: unknown): boolean => typeof answer === 'object' && answer !== null && whyAbsent(answer) === undefined && (answer as { valueBoolean?: unknown }).valueBoolean !== false;

/** @returns whether an answer is a choice or a number, as those of instruments are. */
export const isChosen = (answer: unknown): boolean => typeof answer === 'object' && answer !== null && ['valueCoding', 'valueInteger', 'valueDecimal'].some((key) => key in answer);

interface Question { readonly instrument: Instrument; readonly item: SafetyItem; readonly phrases: readonly RegExp[]; readonly names: readonly RegExp[] }

const questionsOf = new WeakMap<Instrument, readonly Question[]>();

function questions(instrument: Instrument): readonly Question[] {
  const known = questionsOf.get(instrument) ?? instrument.definition.safety.map((item): Question => ({
    instrument, item, phrases: item.words.map(({ text }) => inWords(text)), names: item.names.map(inName),
  }));
  questionsOf.set(instrument, known);
  return known;
}

/** A phrase within a longer text, whatever stands between its words. Looked for as it stands: to bring every text into one form first took six times as long. */
const inWords = (phrase: string): RegExp => new RegExp(plain(phrase).split(' ').join('[^\\p{L}\\p{N}]+'), 'iu');

/** `PHQ-9` within `phq9-followup` and `Mein PHQ 9`, not within `phq-90`; `CORE-10` not within `score-10`. */
const inName = (name: string): RegExp => new RegExp(`(?<!\\p{L})${name.match(/\p{L}+|\p{N}+/gu)!.join('[^\\p{L}\\p{N}]{0,3}')}(?!\\p{N})`, 'iu');

interface FormQuestion extends NamedItem { readonly text: string }

const askedOn = new WeakMap<Resource, readonly FormQuestion[]>();

/** @returns the questions of a form that have words. Forms are remembered as they are found: every answered form asks. */
function questionsOn(form: Resource): readonly FormQuestion[] {
  const known = askedOn.get(form);
  if (known !== undefined) return known;
  const found: FormQuestion[] = [];
  const collect = (items: unknown): void => {
    for (const { linkId, definition, text, item } of Array.isArray(items) ? (items as readonly FormItem[]) : []) {
      if (linkId !== undefined && typeof text === 'string') found.push({ linkId, definition, answers: [], text });
      collect(item);
    }
  };
  collect(form['item']);
  askedOn.set(form, found);
  return found;
}

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
 * @returns their safety items among them.
 */
export function uncodedQuestions(response: Resource, items: readonly ResponseItem[], form: Resource | undefined, others: readonly Instrument[]): UncodedQuestion[] {
  const given = items.filter(({ answers }) => answers.some(isGiven));
  if (given.length === 0) return [];
  const texts = new Map(form === undefined ? [] : questionsOn(form).map(({ linkId, text }) => [linkId, text]));
  const words = given.map(({ linkId, text }) => `${text ?? ''}\n${texts.get(linkId) ?? ''}`);
  const chosen = given.filter(({ answers }) => answers.some(isChosen)).length;
  return others.flatMap(questions).flatMap(({ instrument, item: { linkId }, phrases, names }): UncodedQuestion[] => {
    const asked = given.filter((_, i) => phrases.some((phrase) => phrase.test(words[i]!)));
    if (asked.length > 0) return [{ instrument, linkId, items: asked }];
    const isForm = chosen > instrument.items.size / 2 && namesOf(response, form).some((name) => names.some((each) => each.test(name)));
    return isForm ? [{ instrument, linkId, items: [] }] : [];
  });
}

/** What a form is called. */
function namesOf(response: Resource, form: Resource | undefined): string[] {
  const { url, name, title, code } = (form ?? {}) as Named;
  return [response['questionnaire'], url, name, title, ...(Array.isArray(code) ? code.map(({ display }) => display) : [])].filter((each) => typeof each === 'string');
}

/**
 * @param form a Questionnaire of a deployment.
 * @returns a warning for each safety item that it asks, or seems to ask, without its code: whoever stores the form can still mend it.
 */
export function uncodedQuestionsOn(form: Resource, { instruments, byCanonical, codes: known }: Registry): Issue[] {
  const watching = byCanonical.has(withoutVersion(String(form['url']))) ? [] : instruments.filter(({ definition }) => definition.safety.length > 0);
  if (watching.length === 0) return [];
  const asked = questionsOn(form);
  const formCode = formCodes(form['item']);
  const codes = new Set([...formCode.values(), ...asked.map(itemCodes(asked, formCode, (code) => known.has(code)))]);
  const called = namesOf(form, form);
  return watching.flatMap((instrument) => questions(instrument).flatMap(({ item: { linkId, title }, phrases, names }) => {
    const { code, system } = instrument.items.get(linkId)!;
    const isAsked = phrases.some((phrase) => asked.some(({ text }) => phrase.test(text)));
    const isNamed = asked.length > instrument.items.size / 2 && called.some((name) => names.some((each) => each.test(name)));
    if (codes.has(code) || !(isAsked || isNamed)) return [];
    const text = `${title} ${isAsked ? 'is asked' : 'seems to be asked'} without its code: give its item the code ${code} of ${system}, and the others theirs. Without them no response is scored by its instrument, and a clinician is asked to look at ${isAsked ? 'answers that are not in its words' : 'each'}.`;
    return [{ severity: 'warning', code: 'business-rule', expression: 'Questionnaire.item', text } satisfies Issue];
  }));
}

const meanings = new WeakMap<Item, ReadonlyMap<string, number>>();

/** @returns the score that an answer in the words of the instrument has ("Nearly every day", "nearly-every-day"), for a question that is known by its words only. */
export function scoreOfWords({ definition, items }: Instrument, linkId: string, { code, display }: { readonly code?: string; readonly display?: string }): number | undefined {
  const item = items.get(linkId)!;
  const list = definition.items.find((each) => each.linkId === linkId)!.answers;
  const known = meanings.get(item) ?? new Map(definition.answerLists.find(({ id }) => id === list)!.options.map((option) => [plain(option.display), item.byCode.get(option.code)!]));
  meanings.set(item, known);
  return known.get(plain(code ?? '')) ?? known.get(plain(display ?? ''));
}
