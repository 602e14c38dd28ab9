import type { QuestionnaireItem, QuestionnaireResponseItem, QuestionnaireResponseItemAnswer } from '@medplum/fhirtypes';
import type { Issue, IssueCode } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { faultOfAnswer } from './answers.ts';
import { Enablement, type Place } from './enable-when.ts';

/** Statuses in which the respondent says that the answers are complete. */
const complete: ReadonlySet<unknown> = new Set(['completed', 'amended']);

/**
 * Checks the answers against the questions (http://hl7.org/fhir/R4/questionnaireresponse.html#notes): known items in their
 * places, answers of the right type and from the options, enough of them, not too many, none where the question is disabled.
 * Required answers are missed only in a response that is completed or amended.
 * @param response a resource that passed `validate`.
 * @param questionnaire the Questionnaire it names, valid too.
 * @returns errors and warnings; issues name linkIds of the questionnaire, never an answer.
 */
export function checkAgainstQuestionnaire(response: Resource, questionnaire: Resource): Issue[] {
  const check = new Check(response, questionnaire);
  check.level(itemsOf(response), itemsOf<QuestionnaireItem>(questionnaire), { items: itemsOf(response), above: undefined }, 'QuestionnaireResponse', true);
  return check.issues;
}

function itemsOf<Item = QuestionnaireResponseItem>(owner: object): readonly Item[] {
  return (owner as { item?: readonly Item[] }).item ?? [];
}

class Check {
  readonly issues: Issue[] = [];
  readonly #questionnaire: Resource;
  readonly #complete: boolean;
  readonly #known: ReadonlyMap<string, QuestionnaireItem>;
  readonly #enablement: Enablement;

  constructor(response: Resource, questionnaire: Resource) {
    this.#questionnaire = questionnaire;
    this.#complete = complete.has(response['status']);
    this.#known = byLinkId(itemsOf<QuestionnaireItem>(questionnaire));
    this.#enablement = new Enablement(this.#known);
  }

  /** @param enabled undefined where the specification leaves open whether the parent is. */
  level(items: readonly QuestionnaireResponseItem[], questions: readonly QuestionnaireItem[], place: Place, path: string, enabled: boolean | undefined): void {
    const byId = new Map(questions.map((question, order) => [question.linkId, { question, order }]));
    const seen = new Map<string, number>();
    let last = -1;
    items.forEach((item, index) => {
      const at = `${path}.item[${index}]`;
      const found = byId.get(item.linkId ?? '');
      if (found === undefined) {
        this.#report('value', this.#known.has(item.linkId ?? '')
          ? `The item "${item.linkId}" belongs elsewhere in the questionnaire.`
          : 'linkId must be one that the questionnaire has.', `${at}.linkId`);
        return;
      }
      const { question, order } = found;
      if (order < last) this.#report('structure', `The item "${question.linkId}" comes earlier in the questionnaire.`, at, 'warning');
      last = Math.max(last, order);
      const count = (seen.get(question.linkId) ?? 0) + 1;
      seen.set(question.linkId, count);
      if (count > 1 && !(question.type === 'group' && question.repeats === true)) {
        this.#report('structure', question.type === 'group'
          ? `The group "${question.linkId}" does not repeat: it must be there once.`
          : `The item "${question.linkId}" must be there once, with all its answers.`, at);
      }
      this.#item(item, question, place, at, both(enabled, this.#enablement.isEnabled(question, place)));
    });
    if (!this.#complete) return;
    for (const question of questions) {
      if (question.required !== true || seen.has(question.linkId) || enabled !== true) continue;
      if (this.#enablement.isEnabled(question, place) === true) this.#missing(question, path);
    }
  }

  #item(item: QuestionnaireResponseItem, question: QuestionnaireItem, place: Place, at: string, enabled: boolean | undefined): void {
    const answers = item.answer ?? [];
    const nested = itemsOf(item);
    if (question.type === 'display') {
      if (answers.length > 0 || nested.length > 0) this.#report('structure', `"${question.linkId}" is shown only: it must have no answer and no items.`, at);
      return;
    }
    if (enabled === false) {
      if (hasAnswer(item)) this.#report('business-rule', `"${question.linkId}" is not enabled by the other answers: it must have none itself.`, at);
      return;
    }
    if (question.type === 'group') {
      if (answers.length > 0) this.#report('structure', `"${question.linkId}" is a group: it must have items, not answers.`, `${at}.answer`);
      if (this.#complete && question.required === true && enabled === true && !hasAnswer(item)) this.#missing(question, at);
      this.level(nested, question.item ?? [], { items: nested, above: place }, at, enabled);
      return;
    }
    if (nested.length > 0) this.#report('structure', `"${question.linkId}" is a question: its items must be within its answer.`, `${at}.item`);
    if (this.#complete && question.required === true && enabled === true && answers.length === 0) this.#missing(question, at);
    if (answers.length > 1 && question.repeats !== true) this.#report('structure', `"${question.linkId}" must have one answer only.`, `${at}.answer`);
    answers.forEach((answer, index) => this.#answer(answer, question, place, `${at}.answer[${index}]`, enabled));
  }

  #answer(answer: QuestionnaireResponseItemAnswer, question: QuestionnaireItem, place: Place, at: string, enabled: boolean | undefined): void {
    const fault = faultOfAnswer(answer, question, this.#questionnaire);
    if (fault !== undefined) this.#report(fault.code, fault.text, `${at}.value`);
    const nested = itemsOf(answer);
    this.level(nested, question.item ?? [], { items: nested, above: place }, at, enabled);
  }

  #missing(question: QuestionnaireItem, at: string): void {
    this.#report('required', `"${question.linkId}" must be answered before the response is completed.`, at);
  }

  #report(code: IssueCode, text: string, expression: string, severity: Issue['severity'] = 'error'): void {
    this.issues.push({ severity, code, text, expression });
  }
}

function both(one: boolean | undefined, other: boolean | undefined): boolean | undefined {
  return one === false || other === false ? false : one === undefined ? undefined : other;
}

function hasAnswer(item: QuestionnaireResponseItem): boolean {
  return (item.answer ?? []).length > 0 || itemsOf(item).some(hasAnswer);
}

function byLinkId(items: readonly QuestionnaireItem[], known = new Map<string, QuestionnaireItem>()): Map<string, QuestionnaireItem> {
  for (const item of items) {
    known.set(item.linkId, item);
    byLinkId(item.item ?? [], known);
  }
  return known;
}
