import { parseJson } from '../fhir/json.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { answered } from '../interactions/accept.ts';
import { listsIn, withAnswerLists } from '../interactions/questionnaires.ts';
import type { Context } from '../interactions/context.ts';
import type { Incoming } from '../store/unit.ts';
import type { Given } from './given.ts';
import { inputsOf, type Input } from './input.ts';
import type { Call } from './operation.ts';

/** How the operations of QuestionnaireResponse take the response and its form: parameters `questionnaire-response` and `questionnaire`. */

/** @returns the inputs; a response may be the body itself, as the one resource that such an operation takes. */
export function withBareResponse(call: Call, body: string): Input[] {
  if (body !== '') {
    const { value, stored } = parseJson(body);
    if (value['resourceType'] === 'QuestionnaireResponse') {
      return [...inputsOf(call, ''), { name: 'questionnaire-response', resource: { value: value as Resource, stored }, expression: 'QuestionnaireResponse' }];
    }
  }
  return inputsOf(call, body);
}

/**
 * @returns the response that the operation is called with, or on.
 * @throws Problem `malformed` for none, several, or one beside the instance that it is called on; as `Given` does.
 */
export async function responseOf(call: Call, inputs: readonly Input[], given: Given): Promise<Incoming> {
  const [input, second] = inputs.filter(({ name }) => name === 'questionnaire-response');
  if (second !== undefined) throw problem('malformed', 'invalid', 'One response at a time.', second.expression);
  if (call.id !== undefined) {
    if (input !== undefined) throw problem('malformed', 'invalid', `On one QuestionnaireResponse $${call.name} takes no other.`, input.expression);
    return given.instance('QuestionnaireResponse', call.id);
  }
  if (input?.resource === undefined) throw problem('malformed', 'required', `Give the response as the resource of the parameter questionnaire-response, or call $${call.name} on a stored one.`, input?.expression);
  return given.resource(input.resource, 'QuestionnaireResponse');
}

/** @returns the form of a response, with the lists of its answers: the one that is given, else the one that the response names, where it is stored here. */
export async function questionnaireOf(context: Context, response: Resource, inputs: readonly Input[], given: Given): Promise<Resource | undefined> {
  const [input, second] = inputs.filter(({ name }) => name === 'questionnaire');
  if (second !== undefined) throw problem('malformed', 'invalid', 'One questionnaire at a time.', second.expression);
  if (input === undefined) return answered(response, context);
  if (input.resource === undefined) throw problem('malformed', 'value', 'questionnaire must be a resource.', input.expression);
  const form = given.resource(input.resource, 'Questionnaire').value;
  refuseOther(response, form);
  return withAnswerLists(form, listsIn(context.database));
}

/** A response that names its form by its canonical is not read by another one. @throws Problem `invalid`. */
function refuseOther({ questionnaire: named }: Resource, { url }: Resource): void {
  const bare = (canonical: unknown): string | undefined => (typeof canonical === 'string' && /^(https?|urn):/.test(canonical) ? canonical.split('|', 1)[0] : undefined);
  const [own, other] = [bare(named), bare(url)];
  if (own === undefined || other === undefined || own === other) return;
  throw problem('invalid', 'value', 'The response answers another Questionnaire than the one that is given.', 'QuestionnaireResponse.questionnaire');
}
