import { extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';

/** One line of a readable record: what it is called, and what it says. */
export interface Line { readonly label: string; readonly text: string; readonly depth: number }

type Part = Readonly<Record<string, unknown>>;

/** Of a resource's elements: what tells a reader nothing. */
const silent = new Set(['resourceType', 'id', 'meta', 'text', 'extension', 'modifierExtension', 'contained', 'implicitRules', 'language', 'linkId', 'derivedFrom', 'questionnaire']);

/** `valueQuantity` is "value", `lifecycleStatus` "lifecycle status". */
const labelOf = (key: string): string => key.replace(/^(value|effective|onset|performed|scheduled|occurrence)[A-Z].*/, '$1').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const textsOf = (...values: readonly unknown[]): string => values.flat().filter((value) => typeof value === 'string' && value !== '').join(' ');

/** @returns what a value says in a few words, or undefined where it has parts that must be told one by one. */
function phrase(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const part = value as Part;
  if (Array.isArray(part['coding'])) return textsOf(part['text']) || part['coding'].map((coding: Part) => textsOf(coding['display']) || textsOf(coding['code'])).join(', ');
  if (typeof part['family'] === 'string' || Array.isArray(part['given'])) return textsOf(part['text']) || textsOf(part['prefix'], part['given'], part['family']);
  if (typeof part['value'] === 'number') return `${textsOf(part['comparator'])}${part['value']} ${textsOf(part['unit']) || textsOf(part['code'])}`.trim();
  if (typeof part['reference'] === 'string') return textsOf(part['display']) || part['reference'];
  if (typeof part['start'] === 'string' || typeof part['end'] === 'string') return `${textsOf(part['start'])} – ${textsOf(part['end'])}`;
  if (typeof part['contentType'] === 'string') return textsOf(part['title']) || part['contentType'];
  for (const key of ['text', 'display', 'value', 'code']) if (typeof part[key] === 'string') return part[key];
  return undefined;
}

/** The words of a form: what stands at a link id, and what a code of its options is called. */
export interface FormWords { readonly questions: ReadonlyMap<string, string>; readonly options: ReadonlyMap<string, string> }

/** @returns the words of a Questionnaire, for answers that came without them. */
export function formWords(questionnaire: Resource): FormWords {
  const words = { questions: new Map<string, string>(), options: new Map<string, string>() };
  const visit = (items: unknown): void => {
    for (const item of (items ?? []) as Part[]) {
      words.questions.set(textsOf(item['linkId']), textsOf(item['text']));
      for (const option of (item['answerOption'] ?? []) as { valueCoding?: { code?: string; display?: string } }[]) {
        if (option.valueCoding?.code !== undefined && option.valueCoding.display !== undefined) words.options.set(option.valueCoding.code, option.valueCoding.display);
      }
      visit(item['item']);
    }
  };
  visit(questionnaire['item']);
  return words;
}

/** The questions of a form with their answers. */
function answers(items: unknown, depth: number, words: FormWords | undefined): Line[] {
  return ((items ?? []) as Part[]).flatMap((item) => {
    const given = ((item['answer'] ?? []) as Part[]);
    const said = given.flatMap((answer) => Object.entries(answer).flatMap(([key, value]) => (key.startsWith('value') ? answered(value, words) ?? [] : [])));
    const linkId = textsOf(item['linkId']);
    return [
      { label: textsOf(item['text']) || words?.questions.get(linkId) || linkId, text: said.join(', '), depth },
      ...answers(item['item'], depth + 1, words),
      ...given.flatMap((answer) => answers(answer['item'], depth + 1, words)),
    ];
  });
}

function answered(value: unknown, words: FormWords | undefined): string | undefined {
  const { code, display } = (typeof value === 'object' ? value : {}) as { code?: string; display?: string };
  return display ?? (code === undefined ? undefined : words?.options.get(code)) ?? phrase(value);
}

const isForClient = (note: unknown): boolean => ((note as { extension?: readonly { url?: string; valueCode?: string }[] }).extension ?? []).some(({ url, valueCode }) => url === extensionUrl('audience') && valueCode === 'client');

/** Where the same is said twice, which is for whom. */
const noteLabel = (note: unknown, all: readonly unknown[]): string => (!all.some(isForClient) ? 'note' : isForClient(note) ? 'note in plain words' : 'note in clinical terms');

function lines(part: Part, depth: number, words?: FormWords): Line[] {
  return Object.entries(part).flatMap(([key, value]): Line[] => {
    if (silent.has(key) || key.startsWith('_')) return [];
    if (key === 'item' && part['resourceType'] === 'QuestionnaireResponse') return answers(value, depth, words);
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    return all.flatMap((each): Line[] => {
      const text = phrase(each);
      if (text !== undefined) return [{ label: key === 'note' ? noteLabel(each, all) : labelOf(key), text, depth }];
      return [{ label: labelOf(key), text: '', depth }, ...lines(each as Part, depth + 1)];
    });
  });
}

/**
 * @param words of the form that a response answers.
 * @returns what a resource says, line by line, in the order in which it is written.
 */
export const readable = (resource: Resource, words?: FormWords): Line[] => lines(resource, 0, words);
