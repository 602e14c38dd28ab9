import { parseJson } from '../fhir/json.ts';
import { problem, Problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import { answerIssues } from '../outcomes/score.ts';
import type { Registry } from '../outcomes/registry.ts';
import { checkAgainstQuestionnaire } from '../resources/questionnaire-response.ts';
import type { Incoming } from '../store/unit.ts';
import type { Parts } from './context.ts';

const isError = ({ severity }: Issue): boolean => severity === 'error' || severity === 'fatal';

/**
 * Refuses a resource that breaks FHIR itself (400) or the rules of this service (422): the two that
 * http://hl7.org/fhir/R4/http.html#create tells apart.
 * @throws Problem `malformed` or `invalid` with every issue when one of them is an error.
 */
export function refuseErrors(issues: readonly Issue[], kind: 'malformed' | 'invalid' = 'malformed'): void {
  if (issues.some(isError)) throw new Problem(kind, issues);
}

/** A resource that passed the gate, with the Questionnaire it answers where that is known. */
export interface Accepted { readonly incoming: Incoming; readonly questionnaire?: Resource }

/**
 * The gate: nothing is stored that did not pass it.
 * @param body the resource as JSON text.
 * @throws Problem `malformed` (400) when the text is not JSON of a valid resource, `invalid` (422) when the answers do
 * not fit their Questionnaire; every element is named.
 */
export async function accept(body: string, type: string, parts: Pick<Parts, 'questionnaire' | 'registry'>): Promise<Accepted> {
  const parsed = parseJson(body);
  return admit({ value: parsed.value as Resource, stored: parsed.stored }, type, parts);
}

/** As `accept`, for a resource that is parsed already (an entry of a Bundle, the result of a patch). */
export async function admit(incoming: Incoming, type: string, parts: Pick<Parts, 'questionnaire' | 'registry'>): Promise<Accepted> {
  const { value } = incoming;
  if (value.resourceType !== type) {
    throw problem('malformed', 'invalid', `The body must be a ${type}: resourceType says otherwise or is missing.`, 'resourceType');
  }
  refuseErrors(validate(value, type));
  if (type !== 'QuestionnaireResponse') return { incoming };
  const canonical = value['questionnaire'];
  const questionnaire = typeof canonical === 'string' ? await parts.questionnaire(canonical) : undefined;
  refuseErrors(answersIssues(value, questionnaire, parts.registry), 'invalid');
  return { incoming, questionnaire };
}

/** @returns what is wrong with the answers of a response: against its Questionnaire where that is known, and against its instrument. */
export function answersIssues(response: Resource, questionnaire: Resource | undefined, registry: Registry): readonly Issue[] {
  if (response['status'] === 'entered-in-error') return [];
  const issues = questionnaire === undefined ? [] : checkAgainstQuestionnaire(response, questionnaire);
  return issues.some(isError) ? issues : [...issues, ...answerIssues(response, { registry, questionnaire })];
}
