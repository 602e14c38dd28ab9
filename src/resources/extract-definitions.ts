import type { Extension, Questionnaire, QuestionnaireItem } from '@medplum/fhirtypes';
import { openAt, putAt, type Opened } from '../fhir/element-path.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { evaluate, resourceValue, UnsupportedExpression, type Typed } from '../fhir/simple-path.ts';
import { servedType } from '../fhir/types.ts';
import { validate } from '../fhir/validate.ts';
import { valueOf } from './answers.ts';
import { extractedId, type Extracted } from './extract-observations.ts';
import { answeredItems, type Answered, type AnsweredItem } from './extract-walk.ts';
import { extension, extensions, itemsOf, sdcExtension } from './sdc.ts';

const core = 'http://hl7.org/fhir/StructureDefinition/';

/** A resource that answers are put into, and the objects that groups opened in it. */
interface Target { readonly key: string; readonly resource: Resource; readonly opened: Opened }

/**
 * Definition-based extraction (http://hl7.org/fhir/uv/sdc/extraction.html#definition-extract): for each occurrence of the form or a
 * group with an itemExtractionContext that names a type, or a definitionExtract of a core definition, a resource of that type,
 * with each answer at the element that `item.definition` names, and what definitionExtractValue fixes. It is created; a
 * context that is a query, which would update what it finds, is not carried out, and said.
 * @param options.source as in `extractedId`. @param options.now for expressions.
 * @returns the resources that are valid; what is not is left out, and said.
 */
export function extractDefinitions({ response, questionnaire }: Answered, options: { readonly source: string; readonly now: string }): { extracted: Extracted[]; issues: Issue[] } {
  const extraction = new Extraction(response, options.now);
  const target = extraction.contexts(questionnaire, '', 'QuestionnaireResponse') ?? [];
  extraction.level(response, questionnaire, target, 'QuestionnaireResponse', '');
  const security = response.meta?.security;
  const extracted = extraction.targets.filter(({ resource }) => Object.keys(resource).length > 1).flatMap(({ key, resource }): Extracted[] => {
    const faults = validate(JSON.parse(JSON.stringify(resource)), resource.resourceType).filter(({ severity }) => severity === 'error' || severity === 'fatal');
    if (faults.length === 0) return [{ key, resource: { ...resource, id: resource.id ?? extractedId(options.source, key), ...(security === undefined ? {} : { meta: { security } }) } }];
    extraction.issues.push(...faults.map((fault): Issue => ({ ...fault, severity: 'warning', text: `A ${resource.resourceType} is not extracted: ${fault.text}` })));
    return [];
  });
  return { extracted, issues: extraction.issues };
}

class Extraction {
  readonly targets: Target[] = [];
  readonly issues: Issue[] = [];
  readonly #names: ReadonlyMap<string, readonly Typed[]>;
  readonly #now: string;

  constructor(response: Resource, now: string) {
    this.#names = new Map([['resource', [resourceValue(JSON.parse(JSON.stringify(response)) as Resource)]]]);
    this.#now = now;
  }

  /** @returns new targets where `question` (or the form) says that it is about a resource; undefined where it says nothing. */
  contexts(question: object, key: string, path: string): Target[] | undefined {
    const named = [...extensions(question, sdcExtension.itemExtractionContext).map(typeOfContext), ...extensions(question, sdcExtension.definitionExtract).map(typeOfDefinition)];
    if (named.length === 0) return undefined;
    return named.flatMap((type, at): Target[] => {
      if (type === undefined || servedType(type) === undefined) {
        this.#report('not-supported', 'An extraction context is passed over: it must be the name of a resource type that is served here.', path);
        return [];
      }
      const target = { key: `definition ${type}${key}${at === 0 ? '' : `+${at}`}`, resource: { resourceType: type }, opened: new Map() };
      this.targets.push(target);
      this.#fixed(question, [target], path);
      return [target];
    });
  }

  level(owner: object, questions: object, targets: readonly Target[], path: string, key: string): void {
    for (const item of answeredItems(owner, itemsOf(questions), path, key)) this.#item(item, targets);
  }

  #item({ question, item, path, key }: AnsweredItem, above: readonly Target[]): void {
    let targets = this.contexts(question, key, path) ?? above;
    if (targets === above) this.#fixed(question, targets, path);
    const definition = definitionOf(question);
    if (question.type === 'group') {
      if (definition !== undefined) targets = targets.map((target) => openedAt(target, definition));
      this.level(item, question, targets, path, key);
      return;
    }
    (item.answer ?? []).forEach((answer, at) => {
      const given = valueOf(answer, 'value');
      if (given !== undefined && definition !== undefined) this.#put(targets, definition, { type: fhirType(given.type), value: given.value }, `${path}.answer[${at}]`);
      this.level(answer, question, targets, `${path}.answer[${at}]`, `${key}=${at}`);
    });
  }

  #fixed(question: object, targets: readonly Target[], path: string): void {
    for (const { extension: parts = [] } of extensions(question, sdcExtension.definitionExtractValue)) {
      const definition = elementOf(parts.find(({ url }) => url === 'definition')?.valueUri);
      if (definition === undefined) continue;
      for (const value of this.#values(parts, path)) this.#put(targets, definition, value, path);
    }
  }

  #values(parts: readonly Extension[], path: string): readonly Typed[] {
    const fixed = parts.find(({ url }) => url === 'fixed-value');
    if (fixed !== undefined) {
      const value = valueOf(fixed, 'value');
      return value === undefined ? [] : [{ type: fhirType(value.type), value: value.value }];
    }
    const expression = parts.find(({ url }) => url === 'expression')?.valueExpression;
    try {
      if (expression?.language !== 'text/fhirpath' || expression.expression === undefined) throw new UnsupportedExpression('its language is not text/fhirpath');
      return evaluate(expression.expression, { names: this.#names, now: this.#now });
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
      this.#report('not-supported', `A value to extract is left out, as its expression is not evaluated here: ${error.message}.`, path);
      return [];
    }
  }

  #put(targets: readonly Target[], definition: string, value: Typed, path: string): void {
    const matching = targets.filter(({ resource }) => definition.startsWith(`${resource.resourceType}.`));
    for (const { resource, opened } of matching) {
      const fault = putAt(resource, definition, value, opened);
      if (fault !== undefined) this.#report('value', `An answer is not extracted: ${fault}`, path);
    }
  }

  #report(code: Issue['code'], text: string, expression: string): void {
    this.issues.push({ severity: 'warning', code, text, expression });
  }
}

function openedAt(target: Target, definition: string): Target {
  const object = openAt(target.resource, definition, target.opened);
  return object === undefined ? target : { ...target, opened: new Map([...target.opened, [definition, object]]) };
}

/** `valueBoolean` -> `boolean`, `valueCoding` -> `Coding`: primitives begin in lower case. */
function fhirType(suffix: string): string {
  const lower = suffix.charAt(0).toLowerCase() + suffix.slice(1);
  return ['boolean', 'decimal', 'integer', 'date', 'dateTime', 'time', 'string', 'uri', 'url', 'code', 'id', 'instant', 'canonical', 'markdown', 'positiveInt', 'unsignedInt', 'oid', 'uuid', 'base64Binary'].includes(lower) ? lower : suffix;
}

/** `http://hl7.org/fhir/StructureDefinition/Patient#Patient.birthDate` -> `Patient.birthDate`. */
const elementOf = (definition: string | undefined): string | undefined => {
  const [, path] = definition?.split('#') ?? [];
  return path !== undefined && /^[A-Z][A-Za-z]+(\.[A-Za-z0-9[\]]+)+$/.test(path) ? path : undefined;
};

const definitionOf = (question: QuestionnaireItem): string | undefined => elementOf(question.definition);

function typeOfContext({ valueCode, valueExpression }: Extension): string | undefined {
  const named = valueCode ?? valueExpression?.expression;
  return named !== undefined && /^[A-Z][A-Za-z]+$/.test(named) ? named : undefined;
}

function typeOfDefinition({ extension: parts = [] }: Extension): string | undefined {
  const definition = parts.find(({ url }) => url === 'definition')?.valueCanonical?.split('|', 1)[0];
  return definition?.startsWith(core) === true ? definition.slice(core.length) : undefined;
}

/** @returns whether a form says anything about definition-based extraction. */
export function extractsDefinitions(questionnaire: Questionnaire | QuestionnaireItem): boolean {
  return [sdcExtension.itemExtractionContext, sdcExtension.definitionExtract].some((url) => extension(questionnaire, url) !== undefined)
    || itemsOf(questionnaire).some(extractsDefinitions);
}
