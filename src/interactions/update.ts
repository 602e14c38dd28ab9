import { problem } from '../fhir/outcome.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { newId } from '../store/identity.ts';
import { ExistsElsewhere, type WriteRequest } from '../store/unit.ts';
import { accept, meetKept, type Accepted } from './accept.ts';
import { writtenAnswer } from './answer.ts';
import { conditionPlan, matchOf, whileItHolds } from './condition.ts';
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
  await meetKept(context, type, id, accepted);
  const [written] = await context.committer.commit({
    ...unitOf(context, 'update', `PUT ${type}/${id} ${body}`),
    writes: [{ kind: 'update', type, id, ...accepted, ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }), ...onlyNew(context.ifNoneMatch) }],
  });
  return writtenAnswer(context, written!, accepted);
}

/** `If-None-Match: *` (RFC 9110 13.1.2): create it, or change nothing. Other values of it are for reads. */
export const onlyNew = (ifNoneMatch: string | undefined): { ifNoneMatch?: '*' } => (ifNoneMatch?.trim() === '*' ? { ifNoneMatch: '*' } : {});

/**
 * Conditional update (http://hl7.org/fhir/R4/http.html#cond-update). One match is updated, several are refused; none: it is
 * created, under the id of the body where that names one. What the condition matches is looked at again inside the
 * transaction, so that nothing is updated that does not match any more and racing updates create one resource.
 * @throws Problem `precondition-failed` for several matches, or none where If-Match names a version; `malformed` for
 * another id in the body; `conflict` when nothing matches and the id in the body is taken.
 */
export async function conditionalUpdate(context: Context, type: string, query: string, body: string): Promise<Answer> {
  const accepted = await accept(body, type, context);
  const plan = await conditionPlan(context, type, query);
  let met: string | null = null;
  return whileItHolds(async () => {
    const match = await matchOf(context, plan);
    if (match !== undefined) await meetKept(context, type, match, accepted);
    try {
      const [written] = await context.committer.commit({
        ...unitOf(context, 'update', `PUT ${type}?${query} ${body}`),
        writes: [conditionalPut({ type, plan, match, newId: newId(), accepted, ifMatch: context.ifMatch, ifNoneMatch: context.ifNoneMatch })],
      });
      return writtenAnswer(context, written!, accepted);
    } catch (error) {
      // Met twice and still no match: it is not a racing create but the same response, which the condition leaves out.
      const id = error instanceof ExistsElsewhere ? error.id : null;
      if (id !== null && id === met) throw problem('conflict', 'duplicate', `This ${type} exists already and the condition does not match it. To amend it, PUT ${type}/${id}.`);
      met = id;
      throw error;
    }
  });
}

/** A conditional update with what its condition matches now. */
export interface ConditionalPut {
  readonly type: string;
  readonly plan: SearchPlan;
  readonly match: string | undefined;
  /** Where it is created when nothing matches and the body has no id. */
  readonly newId: string;
  readonly accepted: Accepted;
  readonly ifMatch: number | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** @returns the write that a conditional update comes down to. */
export function conditionalPut({ type, plan, match, newId: fresh, accepted, ifMatch, ifNoneMatch }: ConditionalPut): WriteRequest {
  const { id } = accepted.incoming.value;
  if (match === undefined && ifMatch !== undefined) throw problem('precondition-failed', 'conflict', 'If-Match names a version, and the condition matches nothing.');
  if (match === undefined && id === undefined) return { kind: 'create', type, id: fresh, linked: 'new', ifNoneExist: plan, ...accepted };
  if (match !== undefined && id !== undefined && id !== match) throw problem('malformed', 'invalid', 'The id in the body is not the id of the resource that the condition matches.', `${type}.id`);
  return {
    kind: 'update', type, id: match ?? id!, ...accepted, ...onlyNew(ifNoneMatch), ...(ifMatch === undefined ? {} : { ifMatch }),
    condition: { plan, found: match === undefined ? [] : [match] },
  };
}
