import { codeSystem, withoutVersion } from '../fhir/canonical.ts';
import { weightOf } from '../fhir/item-weight.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Resource } from '../fhir/resource.ts';
import { weighedLists, type WeighedLists } from './answer-weights.ts';
import type { Coding } from './instrument.ts';
import type { PatientRecord, Score } from './record.ts';
import type { FormTotal } from './record-entry.ts';
import type { Instrument, Registry, Scale } from './registry.ts';

/**
 * Forms of a deployment that weigh their answers (itemWeight, ordinalValue): the plain sum of the weights is their total. Nothing is
 * known of such a form but its weights, so that it has no bands, and its totals are not judged as better or worse.
 */

interface Option { readonly valueCoding?: Coding & { readonly extension?: readonly Extension[] }; readonly extension?: readonly Extension[] }
interface Extension { readonly url?: string }
interface Question {
  readonly linkId?: string; readonly required?: boolean; readonly repeats?: boolean; readonly enableWhen?: unknown; readonly extension?: readonly Extension[];
  readonly answerOption?: readonly Option[]; readonly answerValueSet?: string; readonly item?: readonly Question[];
}
interface AnsweredItem { readonly linkId?: string; readonly answer?: readonly Answer[]; readonly item?: readonly AnsweredItem[] }
interface Answer { readonly valueCoding?: Coding; readonly valueInteger?: unknown; readonly valueDecimal?: unknown; readonly item?: readonly AnsweredItem[] }

const enableWhenExpression = 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression';

interface Weighed {
  readonly required: boolean;
  readonly repeats: boolean;
  readonly offered: Offered;
}

/** What may be chosen. Questions with the same list of answers share it, which may be long. */
interface Offered {
  readonly weights: ReadonlyMap<string, number>;
  readonly numbers: ReadonlySet<number>;
  /** Weights of answers that leave their system out, by code; null where several options have it. */
  readonly byCode: ReadonlyMap<string, number | null>;
  /** Whether the options are codings: one may be answered by its number. */
  readonly coded: boolean;
  /** The lowest and the highest weight of one choice, and of any number of them; choosing nothing counts 0. */
  readonly one: Range;
  readonly several: Range;
}
interface Range { readonly min: number; readonly max: number }
interface WeighedForm { readonly questions: ReadonlyMap<string, Weighed>; readonly form: FormTotal }

/** Forms are remembered as they are found: every answered form asks. */
const known = new WeakMap<Resource, WeighedForm | null>();

function weighedForm(questionnaire: Resource): WeighedForm | null {
  const weighed = known.get(questionnaire) ?? weigh(questionnaire);
  known.set(questionnaire, weighed);
  return weighed;
}

/** @returns whether the answers of a form have a total here. */
export const isWeighed = (questionnaire: Resource): boolean => weighedForm(questionnaire) !== null;

export interface FormScore { readonly key: string; readonly value: number | null; readonly answered: number; readonly items: number; readonly form: FormTotal }

/** @returns the total of a response to a form that weighs its answers; null where a required one is missing; undefined for other forms. */
export function formTotal(response: Resource, questionnaire: Resource | undefined): FormScore | undefined {
  const canonical = (questionnaire?.url ?? response['questionnaire']) as string | undefined;
  if (questionnaire === undefined || typeof canonical !== 'string') return undefined;
  const weighed = weighedForm(questionnaire);
  if (weighed === null) return undefined;
  const answers = formAnswers(response, questionnaire);
  const sum = answers.reduce((all, { weight }) => all + weight, 0);
  const answered = new Set(answers.map(({ linkId }) => linkId));
  const complete = answered.size > 0 && [...weighed.questions].every(([linkId, { required }]) => !required || answered.has(linkId));
  return { key: keyOfForm(canonical, weighed), value: complete ? Math.round(sum * 1e6) / 1e6 : null, answered: answered.size, items: weighed.questions.size, form: { ...weighed.form, ...rangeOf(weighed, timesAsked(response)) } };
}

/** Scores are of one series where the form is the same. One that is contained and has no canonical is known by what it asks and weighs: its id (`#form`) may be any form's. */
function keyOfForm(canonical: string, { form: { title }, questions }: WeighedForm): string {
  if (!canonical.startsWith('#')) return withoutVersion(canonical);
  return `#${derivedId('form', JSON.stringify([title, [...questions].map(([linkId, { offered }]) => [linkId, [...offered.weights]])]))}`;
}

/** What one weighed answer of a response counts. */
export interface FormAnswer { readonly linkId: string; readonly answer: Answer; readonly weight: number }

/** @returns the answers of which the total is the sum, in their order; [] for a form that weighs none. */
export function formAnswers(response: Resource, questionnaire: Resource): FormAnswer[] {
  const questions = weighedForm(questionnaire)?.questions;
  const found: FormAnswer[] = [];
  walk(response['item'] as readonly AnsweredItem[] | undefined, (linkId, answers) => {
    const once = new Map(answers.map((answer) => [keyOf(answer), answer])); // the same option twice is chosen once
    for (const answer of once.values()) {
      const weight = weightIn(questions?.get(linkId), answer);
      if (weight !== undefined) found.push({ linkId, answer, weight });
    }
  });
  return found;
}

function weightIn(question: Weighed | undefined, answer: Answer): number | undefined {
  if (question === undefined) return undefined;
  const { weights, numbers, byCode, coded } = question.offered;
  const { valueCoding: { system, code } = {}, valueInteger, valueDecimal } = answer;
  const number = valueInteger ?? valueDecimal;
  if (coded && number !== undefined) return numbers.has(Number(number)) ? Number(number) : undefined;
  return weights.get(keyOf(answer)) ?? (system === undefined && code !== undefined ? byCode.get(code) ?? undefined : undefined);
}

/** How often each question stands in a response: in a group that repeats it is asked several times. */
function timesAsked(response: Resource): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  walk(response['item'] as readonly AnsweredItem[] | undefined, (linkId) => times.set(linkId, (times.get(linkId) ?? 0) + 1));
  return times;
}

function walk(items: readonly AnsweredItem[] | undefined, each: (linkId: string, answers: readonly Answer[]) => void): void {
  for (const { linkId, answer = [], item } of Array.isArray(items) ? (items as readonly AnsweredItem[]) : []) {
    if (linkId !== undefined) each(linkId, answer);
    walk(item, each);
    for (const nested of answer) walk(nested.item, each);
  }
}

/** What tells one value of an answer or an option from the others; a whole number is a decimal too. */
function keyOf(holder: Answer | Option): string {
  const { valueCoding } = holder;
  if (valueCoding !== undefined) return `${valueCoding.system ?? ''}|${valueCoding.code ?? valueCoding.display ?? ''}`;
  const [name, value] = Object.entries(holder).find(([key]) => key.startsWith('value')) ?? [];
  return typeof value === 'number' ? `number ${value}` : `${name} ${JSON.stringify(value)}`;
}

function weigh(questionnaire: Resource): WeighedForm | null {
  const questions = new Map<string, Weighed>();
  const lists = Array.isArray(questionnaire['contained']) ? (questionnaire['contained'] as readonly Resource[]) : [];
  collect(questionnaire['item'] as readonly Question[] | undefined, true, offeredIn(weighedLists(lists)), questions);
  if (questions.size === 0) return null;
  const { title, name, url, version, code } = questionnaire as Resource & { title?: string; name?: string; url?: string; version?: string; code?: readonly Coding[] };
  return { questions, form: { title: `Total of ${title ?? name ?? url ?? 'a form'}`, ...rangeOf({ questions }), ...(version === undefined ? {} : { version }), codings: (code ?? []).map(({ system, code: value, display }) => ({ system, code: value, display })) } };
}

/** The lowest and the highest total that the answers can have. */
function rangeOf({ questions }: Pick<WeighedForm, 'questions'>, times?: ReadonlyMap<string, number>): Range {
  let [min, max] = [0, 0];
  for (const [linkId, { offered, repeats }] of questions) {
    const [range, asked] = [repeats ? offered.several : offered.one, Math.max(times?.get(linkId) ?? 1, 1)];
    max += asked * range.max;
    min += asked * range.min;
  }
  return { min: Math.round(min * 1e6) / 1e6, max: Math.round(max * 1e6) / 1e6 };
}

/** A list of answers is gone through once, however many questions, and forms, name it. */
const offeredBy = new WeakMap<ReturnType<WeighedLists>, Offered>();

/** What the questions of a form offer. */
function offeredIn(lists: WeighedLists): (item: Question) => Offered {
  const ofList = (canonical: string): Offered => {
    const list = lists(canonical);
    const offered = offeredBy.get(list) ?? offeredAs(list.map(({ coding, weight }) => ({ option: { valueCoding: coding }, weight })));
    offeredBy.set(list, offered);
    return offered;
  };
  const ofOptions = (options: readonly Option[]): Offered => offeredAs(options.flatMap((option) => {
    const weight = weightOf(option, option.valueCoding);
    return weight === undefined ? [] : [{ option, weight }];
  }));
  // One or the other: invariant que-4.
  return ({ answerOption = [], answerValueSet }) => (answerValueSet === undefined ? ofOptions(answerOption) : ofList(answerValueSet));
}

/** @param always whether the questions are asked in every case: only then a required one can be missed. */
function collect(items: readonly Question[] | undefined, always: boolean, offers: (item: Question) => Offered, found: Map<string, Weighed>): void {
  for (const item of Array.isArray(items) ? (items as readonly Question[]) : []) {
    const asked = always && item.enableWhen === undefined && item.extension?.some(({ url }) => url === enableWhenExpression) !== true;
    const offered = offers(item);
    if (offered.weights.size > 0 && item.linkId !== undefined) found.set(item.linkId, { required: asked && item.required === true, repeats: item.repeats === true, offered });
    collect(item.item, asked, offers, found);
  }
}

function offeredAs(options: readonly { readonly option: Option; readonly weight: number }[]): Offered {
  const byCode = new Map<string, number | null>();
  for (const { option: { valueCoding }, weight } of options) if (valueCoding?.code !== undefined) byCode.set(valueCoding.code, byCode.has(valueCoding.code) ? null : weight);
  const weights = new Map(options.map(({ option, weight }) => [keyOf(option), weight]));
  const numbers = new Set(weights.values());
  const [one, several] = [{ min: 0, max: 0 }, { min: 0, max: 0 }];
  for (const weight of weights.values()) {
    one.min = Math.min(one.min, weight);
    one.max = Math.max(one.max, weight);
    several[weight < 0 ? 'min' : 'max'] += weight;
  }
  return { weights, numbers, byCode, coded: options.every(({ option }) => option.valueCoding !== undefined), one, several };
}

/** Codes of what all forms have in common. */
export const formTotalCode = { system: codeSystem('instrument'), code: 'form-total', display: 'Total of a form, the sum of the weights of its answers' } as const;

/** How such a form is scored, in words. */
export const formRule = { id: 'form-total', formula: 'sum of the weights that the form gives its answers', source: 'weights of the form', verification: 'service' } as const;

/**
 * @param records where the scores are; the newest that has some says what the form is called.
 * @returns the scale of a score key: of the registry, or of a form of the deployment.
 */
export function scaleFor(registry: Registry, key: string, ...records: readonly PatientRecord[]): Scale | undefined {
  const scale = registry.scales.get(key);
  if (scale !== undefined) return scale;
  for (const { scores } of records) {
    const form = scores.get(key)?.findLast(({ data }) => data.form !== undefined)?.data.form;
    if (form !== undefined) return formScale(key, form);
  }
  return undefined;
}

/** @returns the scale of one score: of a form each version is its own. */
export const scaleOfScore = (scale: Scale, { data: { form } }: Score): Scale => (form === undefined ? scale : formScale(scale.key, form));

/** The same form is the same scale. */
const formScales = new Map<string, Scale>();
const mostScales = 1000;

function formScale(key: string, form: FormTotal): Scale {
  const name = `${key} ${JSON.stringify(form)}`;
  const known = formScales.get(name);
  if (known !== undefined) return known;
  const scale = newFormScale(key, form);
  if (formScales.size >= mostScales) formScales.clear();
  formScales.set(name, scale);
  return scale;
}

function newFormScale(key: string, { title, min, max, version = '1', codings }: FormTotal): Scale {
  const source = { source: formRule.source, verification: formRule.verification };
  const definition: Scale['definition'] = {
    id: 'total', title, formula: 'sum', min, max, direction: 'higher-worse', codes: [], acceptAsTotal: [], compared: false,
    missing: { max: 0, method: 'none', round: 'none', ...source }, cutoffs: [], reliableChange: [], minimalImportant: [],
  };
  const instrument: Instrument = {
    definition: {
      id: formRule.id, version, name: 'FormTotal', title, shortTitle: title, measures: 'what the form asks', licence: { class: 'OWN', notice: '-', shipItemText: false, ...source }, scoring: source,
      answerLists: [], items: [], unscored: [], scales: [definition], safety: [], alsoKnownAs: [], recall: '-', cadence: '-', estimatedSeconds: 1,
    },
    canonical: key, items: new Map(), linkIdOf: new Map(), scales: [], texts: [],
  };
  return { key, instrument, definition, items: [], sign: 1, thresholds: [], codings: [...codings, formTotalCode] };
}
