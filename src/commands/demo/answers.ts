import type { Resource } from '../../fhir/resource.ts';
import type { Random } from './random.ts';

interface Option { readonly code: string; readonly coding: object; readonly score?: number }
interface Question { readonly linkId: string; readonly text?: string; readonly options: readonly Option[] }

/** A form as the service publishes it: what may be answered to what. */
export interface Form {
  readonly canonical: string;
  readonly scored: readonly Question[];
  /** Questions whose answers carry no score. */
  readonly others: readonly Question[];
  /** Questions that are answered with a whole number. */
  readonly ratings: readonly { readonly linkId: string; readonly text?: string }[];
}

interface PublishedItem {
  linkId: string;
  type?: string;
  text?: string;
  answerOption?: { extension?: { url: string; valueDecimal?: number }[]; valueCoding?: { code?: string } }[];
}

const ordinalValue = 'http://hl7.org/fhir/StructureDefinition/ordinalValue';

/** @returns the form in a Questionnaire: its linkIds, options and scores are read, none is known here. */
export function formOf(questionnaire: Resource): Form {
  const { url, version, item = [] } = questionnaire as Resource & { url?: string; version?: string; item?: PublishedItem[] };
  const questions = item.filter(({ answerOption }) => answerOption !== undefined).map(({ linkId, text, answerOption }): Question => ({
    linkId,
    text,
    options: answerOption!.map(({ extension, valueCoding }) => ({ code: valueCoding!.code!, coding: valueCoding!, score: extension?.find((one) => one.url === ordinalValue)?.valueDecimal })),
  }));
  const isScored = ({ options }: Question): boolean => options.every(({ score }) => score !== undefined);
  return { canonical: `${url}|${version}`, scored: questions.filter(isScored), others: questions.filter((question) => !isScored(question)), ratings: item.filter(({ type }) => type === 'integer').map(({ linkId, text }) => ({ linkId, text })) };
}

/** Scores of the items, by linkId; null: left open. */
export type Answers = ReadonlyMap<string, number | null>;

/** @returns answers that add up to `total`, spread over the items except those in `zero`. */
export function answersFor(form: Form, total: number, random: Random, zero: readonly string[] = []): Map<string, number | null> {
  const answers = new Map<string, number | null>(form.scored.map(({ linkId }) => [linkId, 0]));
  const open = form.scored.filter(({ linkId }) => !zero.includes(linkId));
  for (let left = total; left > 0;) {
    const { linkId, options } = random.pick(open);
    const value = answers.get(linkId)!;
    if (value >= options.length - 1) continue;
    answers.set(linkId, value + 1);
    left -= 1;
  }
  return answers;
}

/** @returns the items of a QuestionnaireResponse. `as`: the coded option, or its number as some apps send it. */
export function responseItems(form: Form, answers: Answers, as: 'coding' | 'number', others: number): object[] {
  const scored = form.scored.flatMap(({ linkId, text, options }) => {
    const value = answers.get(linkId);
    if (value === null || value === undefined) return [];
    const { coding } = options.find(({ score }) => score === value)!;
    return [{ linkId, text, answer: [as === 'number' ? { valueInteger: value } : { valueCoding: coding }] }];
  });
  return [...scored, ...form.others.map(({ linkId, text, options }) => ({ linkId, text, answer: [{ valueCoding: options[Math.min(others, options.length - 1)]!.coding }] }))];
}
