import { problem } from '../fhir/outcome.ts';
import { matching } from '../store/search.ts';
import { newId } from '../store/identity.ts';
import { accept, type Accepted } from './accept.ts';
import { writtenAnswer } from './answer.ts';
import { conditionPlan } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { unitOf } from './create.ts';

/**
 * update and update-as-create (http://hl7.org/fhir/R4/http.html#update); `If-Match` and `If-None-Match: *` guard it.
 * @throws Problem `malformed` when the body names another id, `precondition-failed` when the version is not the current one.
 */
export async function update(context: Context, type: string, id: string, body: string): Promise<Answer> {
  const accepted = await accept(body, type, context);
  if (accepted.incoming.value.id !== id) {
    throw problem('malformed', 'invalid', 'The id in the body must be the id in the URL.', `${type}.id`);
  }
  return put(context, type, id, accepted, `PUT ${type}/${id} ${body}`);
}

async function put(context: Context, type: string, id: string, { incoming, questionnaire }: Accepted, content: string): Promise<Answer> {
  const [written] = await context.committer.commit({
    ...unitOf(context, 'update', content),
    writes: [{ kind: 'update', type, id, incoming, questionnaire, ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }), ...onlyNew(context.ifNoneMatch) }],
  });
  return writtenAnswer(context, written!);
}

/** `If-None-Match: *` (RFC 9110 13.1.2): create it, or change nothing. Other values of it are for reads. */
export const onlyNew = (ifNoneMatch: string | undefined): { ifNoneMatch?: '*' } => (ifNoneMatch?.trim() === '*' ? { ifNoneMatch: '*' } : {});

/**
 * Conditional update (http://hl7.org/fhir/R4/http.html#cond-update): no match creates, one match updates, several are refused.
 * Racing creates under one condition are serialised by the condition's lock, as in a conditional create.
 */
export async function conditionalUpdate(context: Context, type: string, query: string, body: string): Promise<Answer> {
  const accepted = await accept(body, type, context);
  const plan = conditionPlan(context, type, query);
  const { id } = accepted.incoming.value;
  const matches = await matching(context.database, plan, context.visibility, 2);
  if (matches.length > 1) throw problem('precondition-failed', 'multiple-matches', 'The condition matches several resources; make it more specific.');
  if (matches.length === 1) {
    if (id !== undefined && id !== matches[0]!.id) throw problem('malformed', 'invalid', 'The id in the body is not the id of the resource that the condition matches.', `${type}.id`);
    return put(context, type, matches[0]!.id, accepted, `PUT ${type}?${query} ${body}`);
  }
  if (id !== undefined) return put(context, type, id, accepted, `PUT ${type}?${query} ${body}`);
  const [written] = await context.committer.commit({
    ...unitOf(context, 'update', `PUT ${type}?${query} ${body}`),
    writes: [{ kind: 'create', type, id: newId(), incoming: accepted.incoming, questionnaire: accepted.questionnaire, ifNoneExist: plan }],
  });
  // Somebody created the match meanwhile: now it is an update of that one.
  if (written!.outcome === 'existing') return put(context, type, written!.id, accepted, `PUT ${type}?${query} ${body}`);
  return writtenAnswer(context, written!);
}
