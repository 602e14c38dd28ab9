import { withoutVersion } from '../fhir/canonical.ts';
import { parseJson } from '../fhir/json.ts';
import { problem, Problem, type Issue } from '../fhir/outcome.ts';
import { parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import { safetyPartOf } from '../outcomes/safety-questions.ts';
import { answerIssues, scoredAnswers } from '../outcomes/score.ts';
import type { Registry } from '../outcomes/registry.ts';
import { checkAgainstQuestionnaire } from '../resources/questionnaire-response.ts';
import type { Incoming } from '../store/unit.ts';
import type { Parts } from './context.ts';
import { claimed, profileIssues } from './profiles.ts';

const isError = ({ severity }: Issue): boolean => severity === 'error' || severity === 'fatal';

/**
 * Refuses a resource that breaks FHIR itself (400) or the rules of this service (422): the two that
 * http://hl7.org/fhir/R4/http.html#create tells apart.
 * @throws Problem `malformed` or `invalid` with every issue when one of them is an error.
 */
export function refuseErrors(issues: readonly Issue[], kind: 'malformed' | 'invalid' = 'malformed'): void {
  if (issues.some(isError)) throw new Problem(kind, issues);
}

/** What the gate needs to know. */
export type Gate = Pick<Parts, 'questionnaire' | 'profiles' | 'registry' | 'baseUrl'>;

/** A resource that passed the gate, with the Questionnaire it answers where that is known. */
export interface Accepted { readonly incoming: Incoming; readonly questionnaire?: Resource }

/**
 * The gate: nothing is stored that did not pass it.
 * @param body the resource as JSON text.
 * @throws Problem `malformed` (400) when the text is not JSON of a valid resource, `invalid` (422) when it does not meet a
 * profile that it says it meets and that is stored here, or when the answers do not fit their Questionnaire; every element is named.
 */
export async function accept(body: string, type: string, parts: Gate): Promise<Accepted> {
  const parsed = parseJson(body);
  return admit({ value: parsed.value as Resource, stored: parsed.stored }, type, parts);
}

/** As `accept`, for a resource that is parsed already (an entry of a Bundle, the result of a patch). */
export async function admit(incoming: Incoming, type: string, parts: Gate): Promise<Accepted> {
  const { value } = incoming;
  if (value.resourceType !== type) {
    throw problem('malformed', 'invalid', `The body must be a ${type}: resourceType says otherwise or is missing.`, 'resourceType');
  }
  refuseErrors(validate(value, type));
  if (value.meta?.profile !== undefined) refuseErrors(profileIssues(value, (await claimed(value, parts.profiles)).held), 'invalid');
  keepRelative(incoming, parts.baseUrl);
  if (type !== 'QuestionnaireResponse') return { incoming };
  const questionnaire = await answered(value, parts);
  refuseErrors(answersIssues(value, questionnaire, parts.registry), 'invalid');
  return { incoming, questionnaire: questionnaire ?? await ofOtherVersion(value, parts) };
}

/**
 * An update keeps the profiles that it does not repeat (docs/rest.md), so its content has to meet them.
 * @throws Problem `invalid` when it does not.
 */
export async function meetKept({ profiles }: Gate, type: string, id: string, { incoming: { value } }: Accepted): Promise<void> {
  refuseErrors(profileIssues(value, await profiles.kept(type, id)), 'invalid');
}

/** @returns what is wrong with the answers of a response: against its Questionnaire where that is known, and against its instrument. */
export function answersIssues(response: Resource, questionnaire: Resource | undefined, registry: Registry): readonly Issue[] {
  if (response['status'] === 'entered-in-error') return [];
  const found = questionnaire === undefined ? [] : checkAgainstQuestionnaire(response, questionnaire);
  // What the form does not offer is an answer all the same where its instrument scores it.
  const scored = found.some(({ code }) => code === 'code-invalid') ? scoredAnswers(response, { registry, questionnaire }) : undefined;
  const issues = found.filter(({ code, expression }) => !(code === 'code-invalid' && expression !== undefined && scored?.has(expression)));
  return issues.some(isError) ? issues : [...issues, ...answerIssues(response, { registry, questionnaire })];
}

/**
 * @returns the Questionnaire that a response answers, where it can be had: contained in it (`#id`), or stored here under
 * its canonical or its place (`Questionnaire/id`, as LHC-Forms writes it, or the URL of that).
 */
export async function answered(response: Resource, parts: Gate): Promise<Resource | undefined> {
  const canonical = response['questionnaire'];
  if (typeof canonical !== 'string') return undefined;
  if (!canonical.startsWith('#')) return parts.questionnaire(relativeTo(parts.baseUrl, canonical));
  const contained = (response['contained'] ?? []) as readonly Resource[];
  return contained.find(({ resourceType, id }) => resourceType === 'Questionnaire' && `#${id}` === canonical);
}

/** @returns the Questionnaire by which the outcomes of a response are computed: the one that it answers, else `ofOtherVersion`. */
export const questionnaireForOutcomes = async (response: Resource, parts: Gate): Promise<Resource | undefined> => await answered(response, parts) ?? ofOtherVersion(response, parts);

/**
 * An app may ask by a version that nobody stored here.
 * @returns of another version the questions that ask a safety item, so that its answer is heard: nothing is scored or refused by it. undefined where none is stored, or none asks one.
 */
export async function ofOtherVersion({ questionnaire: canonical }: Resource, { questionnaire, registry }: Gate): Promise<Resource | undefined> {
  if (typeof canonical !== 'string' || canonical.startsWith('#') || !canonical.includes('|')) return undefined;
  const other = await questionnaire(withoutVersion(canonical));
  return other === undefined ? undefined : safetyPartOf(other, registry);
}

/**
 * Makes references to this service's own base relative, as all others to it are: a subject that is written as a URL is the
 * same patient, in whose record the resource belongs (http://hl7.org/fhir/R4/references.html#literal). Changed in place.
 */
export function keepRelative({ value, stored }: Incoming, baseUrl: string): void {
  relativeReferences(value, baseUrl);
  if (stored !== value) relativeReferences(stored, baseUrl);
}

function relativeReferences(node: unknown, baseUrl: string): void {
  if (node === null || typeof node !== 'object') return;
  if (Array.isArray(node)) {
    for (const item of node) relativeReferences(item, baseUrl);
    return;
  }
  const object = node as Record<string, unknown>;
  for (const key in object) {
    const inner = object[key];
    if (key === 'reference' && typeof inner === 'string') object[key] = relativeTo(baseUrl, inner);
    else relativeReferences(inner, baseUrl);
  }
}

function relativeTo(baseUrl: string, url: string): string {
  if (!url.startsWith(`${baseUrl}/`)) return url;
  const rest = url.slice(baseUrl.length + 1);
  return parseReference(rest.split('|', 1)[0]!)?.kind === 'relative' ? rest : url;
}
