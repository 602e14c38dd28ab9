import type { Expression, QuestionnaireItem, QuestionnaireResponseItem, QuestionnaireResponseItemAnswer } from '@medplum/fhirtypes';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { evaluate, resourceValue, UnsupportedExpression, type Typed } from '../fhir/simple-path.ts';
import { Enablement, type Place } from './enable-when.ts';
import { answerFrom, initialAnswers } from './populate-answer.ts';
import { canonicalOf, extension, extensions, itemsOf, sdcExtension } from './sdc.ts';

/** What a form is filled from. */
export interface Sources {
  readonly subject?: string;
  readonly encounter?: string;
  /** Values of `%name` in expressions. */
  readonly names: ReadonlyMap<string, readonly Typed[]>;
  /** The newest Observation that answers an item, by linkId. */
  readonly observations: ReadonlyMap<string, Resource>;
  /** FHIR instant. */
  readonly now: string;
}

/** How many items a populated form may have: a group is repeated for each value of its population context. */
const mostItems = 10_000;

/** Values that all expressions of one form may look at. */
const mostLooks = 1_000_000;

/**
 * Fills a form in (http://hl7.org/fhir/uv/sdc/populate.html): one item for each of the Questionnaire; a question is answered by its
 * initialExpression, else by the Observation that its code and observationLinkPeriod name, else by its initial value. What is
 * not surely an answer is left out, and said. A question that the others disable gets none.
 * @param questionnaire a valid Questionnaire. One without a url is contained in the response.
 * @returns a QuestionnaireResponse in progress, and warnings that name items by linkId and never a value.
 */
export function populated(questionnaire: Resource, sources: Sources): { response: Resource; issues: Issue[] } {
  const population = new Population(questionnaire, sources);
  const canonical = canonicalOf(questionnaire);
  const item = population.enabled(population.items(itemsOf(questionnaire), population.variables(questionnaire, sources.names, 'Questionnaire'), 'Questionnaire'));
  const response: Resource = {
    resourceType: 'QuestionnaireResponse',
    ...(canonical === undefined ? { contained: [{ ...withoutMeta(questionnaire), id: 'questionnaire' }], questionnaire: '#questionnaire' } : { questionnaire: canonical }),
    status: 'in-progress',
    ...(sources.subject === undefined ? {} : { subject: { reference: sources.subject } }),
    ...(sources.encounter === undefined ? {} : { encounter: { reference: sources.encounter } }),
    authored: sources.now,
    ...(item.length === 0 ? {} : { item }),
  };
  return { response, issues: population.issues };
}

function withoutMeta({ meta: _meta, ...rest }: Resource): Resource {
  return rest as Resource;
}

type Names = ReadonlyMap<string, readonly Typed[]>;

class Population {
  readonly issues: Issue[] = [];
  readonly #questionnaire: Resource;
  readonly #sources: Sources;
  readonly #budget = { left: mostLooks };
  #count = 0;

  constructor(questionnaire: Resource, sources: Sources) {
    this.#questionnaire = questionnaire;
    this.#sources = sources;
  }

  /** @returns `names` with the variables that `owner` defines: each may use those before it. */
  variables(owner: object, names: Names, path: string): Names {
    const all = new Map(names);
    for (const { valueExpression } of extensions(owner, sdcExtension.variable)) {
      if (valueExpression?.name === undefined || all.has(valueExpression.name)) continue;
      const values = this.#value(valueExpression, all, path, `The variable ${valueExpression.name}`);
      if (values !== undefined) all.set(valueExpression.name, values);
    }
    return all;
  }

  items(questions: readonly QuestionnaireItem[], names: Names, path: string): QuestionnaireResponseItem[] {
    return questions.flatMap((question, at) => this.#item(question, names, `${path}.item[${at}]`));
  }

  #item(question: QuestionnaireItem, names: Names, path: string): QuestionnaireResponseItem[] {
    if (++this.#count > mostItems) {
      if (this.#count === mostItems + 1) this.#report('too-costly', `The form has more than ${mostItems} items: from "${question.linkId}" on they are left out.`, path);
      return [];
    }
    const shown = { linkId: question.linkId, ...(question.text === undefined ? {} : { text: question.text }) };
    if (question.type === 'group') {
      return this.#contexts(question, names, path).map((inner) => {
        const item = this.items(itemsOf(question), this.variables(question, inner, path), path);
        return { ...shown, ...(item.length === 0 ? {} : { item }) };
      });
    }
    if (question.type === 'display') return [shown];
    const answers = this.#answers(question, this.variables(question, names, path), path);
    if (answers.length === 0) return [shown];
    const nested = itemsOf(question);
    return [{ ...shown, answer: answers.map((answer) => {
      const item = nested.length === 0 ? [] : this.items(nested, names, path);
      return item.length === 0 ? answer : { ...answer, item };
    }) }];
  }

  /** The names within each repetition of a group: one for each value of its itemPopulationContext, or one. */
  #contexts(group: QuestionnaireItem, names: Names, path: string): Names[] {
    const expression = extension(group, sdcExtension.itemPopulationContext)?.valueExpression;
    if (expression === undefined) return [names];
    const values = this.#value(expression, names, path, `The population context of "${group.linkId}"`);
    if (values === undefined || values.length === 0 || expression.name === undefined) return [names];
    const within = (value: readonly Typed[]): Names => new Map([...names, [expression.name!, value]]);
    if (group.repeats === true && values.length + this.#count > mostItems) {
      this.#report('too-costly', `"${group.linkId}" would repeat too often: it is left empty.`, path);
      return [names];
    }
    return group.repeats === true ? values.map((value) => within([value])) : [within(values)];
  }

  #answers(question: QuestionnaireItem, names: Names, path: string): QuestionnaireResponseItemAnswer[] {
    const expression = extension(question, sdcExtension.initialExpression)?.valueExpression;
    if (expression !== undefined) {
      const values = this.#value(expression, names, path, `The initial value of "${question.linkId}"`);
      if (values !== undefined && values.length > 0) return this.#fitting(values, question, path);
    }
    const observation = this.#sources.observations.get(question.linkId);
    if (observation !== undefined) {
      const values = evaluate('Observation.value', { names: new Map(), now: this.#sources.now, focus: [resourceValue(observation)] });
      if (values.length > 0) return this.#fitting(values, question, path);
    }
    return initialAnswers(question);
  }

  #fitting(values: readonly Typed[], question: QuestionnaireItem, path: string): QuestionnaireResponseItemAnswer[] {
    if (values.length > 1 && question.repeats !== true) {
      this.#report('multiple-matches', `"${question.linkId}" takes one answer and several were found: it is left empty.`, path);
      return [];
    }
    const answers = values.flatMap((value) => answerFrom(value, question, this.#questionnaire) ?? []);
    if (answers.length < values.length) this.#report('value', `What was found for "${question.linkId}" is not among its answers, or of another type or unit: it is left out.`, path);
    return answers;
  }

  /** @returns the values of an expression; undefined, with a warning, where this service does not evaluate it. */
  #value(expression: Expression, names: Names, path: string, what: string): readonly Typed[] | undefined {
    try {
      if (expression.language !== 'text/fhirpath' || expression.expression === undefined) throw new UnsupportedExpression('its language is not text/fhirpath');
      return evaluate(expression.expression, { names, now: this.#sources.now, budget: this.#budget });
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
      this.#report('not-supported', `${what} is left out, as its expression is not evaluated here: ${error.message}.`, path);
      return undefined;
    }
  }

  /** Takes the answers of disabled questions out again. */
  enabled(items: readonly QuestionnaireResponseItem[]): QuestionnaireResponseItem[] {
    const known = new Map<string, QuestionnaireItem>();
    const list = (questions: readonly QuestionnaireItem[]): void => questions.forEach((question) => {
      known.set(question.linkId, question);
      list(itemsOf(question));
    });
    list(itemsOf(this.#questionnaire));
    if (![...known.values()].some(({ enableWhen }) => enableWhen !== undefined)) return [...items];
    const enablement = new Enablement(known);
    const pruned = (place: Place, isOn: boolean): QuestionnaireResponseItem[] => place.items.map((item) => {
      const on = isOn && enablement.isEnabled(known.get(item.linkId)!, place) !== false;
      const { answer, item: inner, ...rest } = item;
      const within = (nested: readonly QuestionnaireResponseItem[]): QuestionnaireResponseItem[] => pruned({ items: nested, above: place }, on);
      return {
        ...rest,
        ...(inner === undefined ? {} : { item: within(inner) }),
        ...(answer === undefined || !on ? {} : { answer: answer.map((each) => (each.item === undefined ? each : { ...each, item: within(each.item) })) }),
      };
    });
    return pruned({ items, above: undefined }, true);
  }

  #report(code: Issue['code'], text: string, expression: string): void {
    this.issues.push({ severity: 'warning', code, text, expression });
  }
}
