import type { Quantity, QuestionnaireItem, QuestionnaireItemEnableWhen, QuestionnaireResponseItem } from '@medplum/fhirtypes';
import { whyAbsent } from '../fhir/absent.ts';
import { dateRange } from '../fhir/dates.ts';
import { optionFor, sameValue, valueOf, type Value } from './answers.ts';

/** Where a response item stands: the items beside it, and the place of the item that holds them. */
export interface Place {
  readonly items: readonly QuestionnaireResponseItem[];
  readonly above: Place | undefined;
}

/**
 * Whether questions are enabled by other answers
 * (http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen).
 */
export class Enablement {
  readonly #questions: ReadonlyMap<string, QuestionnaireItem>;
  /** What is within each place, by linkId: looked up for every question of every repetition, so it is listed once. */
  readonly #within = new Map<Place, ReadonlyMap<string, readonly QuestionnaireResponseItem[]>>();

  constructor(questions: ReadonlyMap<string, QuestionnaireItem>) {
    this.#questions = questions;
  }

  /**
   * @param place where the question stands in the response.
   * @returns undefined where the specification leaves it open: `!=` when there is no answer, and values that do not compare.
   */
  isEnabled(question: QuestionnaireItem, place: Place): boolean | undefined {
    const conditions = question.enableWhen ?? [];
    if (conditions.length === 0) return true;
    const results = conditions.map((condition) => this.#holds(condition, place));
    const decisive = question.enableBehavior === 'any';
    if (results.includes(decisive)) return decisive;
    return results.includes(undefined) ? undefined : !decisive;
  }

  #holds(condition: QuestionnaireItemEnableWhen, place: Place): boolean | undefined {
    const wanted = valueOf(condition, 'answer');
    if (wanted === undefined) return undefined;
    const answers = this.#answersTo(condition.question, place);
    if (condition.operator === 'exists') return (answers.length > 0) === wanted.value;
    if (condition.operator === '=') return answers.some((answer) => equal(answer, wanted));
    if (condition.operator === '!=') return answers.length === 0 ? undefined : !answers.some((answer) => equal(answer, wanted));
    const orders = answers.map((answer) => order(answer, wanted));
    if (orders.some((each) => each !== undefined && compares(condition.operator, each))) return true;
    return orders.includes(undefined) ? undefined : false;
  }

  /** The nearest occurrence of the question: within the same item first, then outwards. A number given for a coding stands for it. */
  #answersTo(linkId: string, place: Place | undefined): Value[] {
    for (let around = place; around !== undefined; around = around.above) {
      const found = this.#itemsIn(around).get(linkId);
      if (found === undefined) continue;
      const options = this.#questions.get(linkId)?.answerOption ?? [];
      return found.flatMap((item) => item.answer ?? []).flatMap((answer) => {
        const given = valueOf(answer, 'value');
        if (given === undefined) return [];
        const option = optionFor(given, options);
        // A reason why there is no answer is none, unless the form offers it.
        if (option === undefined && whyAbsent(answer) !== undefined) return [];
        return [(option === undefined ? undefined : valueOf(option, 'value')) ?? given];
      });
    }
    return [];
  }

  #itemsIn(place: Place): ReadonlyMap<string, readonly QuestionnaireResponseItem[]> {
    let items = this.#within.get(place);
    if (items === undefined) this.#within.set(place, items = list(place.items, new Map()));
    return items;
  }
}

/**
 * @param linkId of a question of the form.
 * @returns false where the other answers of the response disable the question, or a group that it is in; undefined where that is left open, or there is no such question.
 */
export function isAsked(linkId: string, questionnaire: object, response: object): boolean | undefined {
  const known = new Map<string, QuestionnaireItem>();
  const above = new Map<QuestionnaireItem, QuestionnaireItem>();
  const collect = (questions: readonly QuestionnaireItem[], parent?: QuestionnaireItem): void => questions.forEach((question) => {
    known.set(question.linkId, question);
    if (parent !== undefined) above.set(question, parent);
    collect(question.item ?? [], question);
  });
  collect((questionnaire as { item?: readonly QuestionnaireItem[] }).item ?? []);
  const path: QuestionnaireItem[] = [];
  for (let question = known.get(linkId); question !== undefined; question = above.get(question)) path.unshift(question);
  if (path.length === 0) return undefined;
  const enablement = new Enablement(known);
  let place: Place = { items: (response as { item?: readonly QuestionnaireResponseItem[] }).item ?? [], above: undefined };
  let asked: boolean | undefined = true;
  for (const question of path) {
    const isOn = enablement.isEnabled(question, place);
    if (isOn === false) return false;
    if (isOn === undefined) asked = undefined;
    const found = place.items.filter((item) => item.linkId === question.linkId);
    place = { items: found.flatMap((item) => [...item.item ?? [], ...(item.answer ?? []).flatMap((answer) => answer.item ?? [])]), above: place };
  }
  return asked;
}

function list(items: readonly QuestionnaireResponseItem[], listed: Map<string, QuestionnaireResponseItem[]>): Map<string, QuestionnaireResponseItem[]> {
  for (const item of items) {
    const same = listed.get(item.linkId ?? '');
    if (same === undefined) listed.set(item.linkId ?? '', [item]);
    else same.push(item);
    list(item.item ?? [], listed);
    for (const answer of item.answer ?? []) list(answer.item ?? [], listed);
  }
  return listed;
}

function equal(answer: Value, wanted: Value): boolean {
  if (sameValue(answer, wanted)) return true;
  return answer.type === 'Quantity' && order(answer, wanted) === 0;
}

function compares(operator: string, sign: number): boolean {
  switch (operator) {
    case '>': return sign > 0;
    case '<': return sign < 0;
    case '>=': return sign >= 0;
    case '<=': return sign <= 0;
    default: return false;
  }
}

/** @returns below, at or above zero as `answer` is below, at or above `wanted`; undefined when they do not compare. */
function order(answer: Value, wanted: Value): number | undefined {
  const [one, other] = [comparable(answer), comparable(wanted)];
  if (one === undefined || other === undefined || one.unit !== other.unit) return undefined;
  return one.value === other.value ? 0 : one.value < other.value ? -1 : 1;
}

function comparable({ type, value }: Value): { readonly value: number | string; readonly unit: string } | undefined {
  if (typeof value === 'number') return { value, unit: '' };
  if (type === 'Quantity') {
    const { value: amount, system = '', code, unit = '' } = value as Quantity;
    return amount === undefined ? undefined : { value: amount, unit: `Quantity|${code === undefined ? unit : `${system}|${code}`}` };
  }
  if (typeof value !== 'string') return undefined;
  if (type !== 'Date' && type !== 'DateTime') return { value, unit: type };
  const low = dateRange(value)?.low;
  return low === undefined ? undefined : { value: low, unit: 'Date' };
}
