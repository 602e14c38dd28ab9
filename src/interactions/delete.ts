import { hotColumns } from '../fhir/extract.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { readNewest } from '../store/read.ts';
import { matching } from '../store/search.ts';
import type { WriteRequest } from '../store/unit.ts';
import { writtenAnswer } from './answer.ts';
import { conditionPlan, whileItHolds } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { unitOf } from './create.ts';

/**
 * delete (http://hl7.org/fhir/R4/http.html#delete). Deleting what is not there, or is not visible, answers 204 like a
 * deletion: which of them it was is not for the caller to know.
 */
export async function remove(context: Context, type: string, id: string): Promise<Answer> {
  const patient = await patientOf(context, type, id);
  const [written] = await context.committer.commit({
    ...unitOf(context, 'delete', `DELETE ${type}/${id}`),
    writes: [{ kind: 'delete', type, id, patient, ...(context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch }) }],
  });
  return writtenAnswer(context, written!);
}

/** Matches of one conditional delete at most, where several are allowed. */
export const mostDeleted = 100;

/** The parameter that says that a conditional delete may delete several: without it that is refused. */
const severalParameter = '_multiple';

/** What a conditional delete asks for. */
export interface ConditionalDelete { readonly plan: SearchPlan; readonly several: boolean }

/** @returns the condition of `DELETE Type?...` and whether it may choose several (`_multiple=true`). */
export async function conditionalDeleteOf(context: Context, type: string, query: string): Promise<ConditionalDelete> {
  const pairs = new URLSearchParams(query);
  const several = pairs.get(severalParameter);
  if (several !== null && several !== 'true' && several !== 'false') throw problem('malformed', 'value', '_multiple must be true or false.', `http.${severalParameter}`);
  pairs.delete(severalParameter);
  return { plan: await conditionPlan(context, type, pairs.toString()), several: several === 'true' };
}

/**
 * Conditional delete (http://hl7.org/fhir/R4/http.html#3.1.0.7.1): of one match, or with `_multiple=true` of all of them as
 * one, up to `mostDeleted`. `If-Match` guards a single match. The matches are looked at again inside the transaction.
 * @throws Problem `precondition-failed` for more matches than may be deleted, or another version.
 */
export async function conditionalDelete(context: Context, type: string, query: string): Promise<Answer> {
  const asked = await conditionalDeleteOf(context, type, query);
  return whileItHolds(async () => {
    const writes = await conditionalDeletes(context, type, asked, context.ifMatch);
    if (writes.length === 0) return { status: 204 };
    const written = await context.committer.commit({ ...unitOf(context, 'delete', `DELETE ${type}?${query}`), writes });
    return written.length === 1 ? writtenAnswer(context, written[0]!) : { status: 204 };
  });
}

/** @returns a deletion for each match of the condition. */
export async function conditionalDeletes(context: Context, type: string, { plan, several }: ConditionalDelete, ifMatch: number | undefined): Promise<WriteRequest[]> {
  const rows = await matching(context.database, plan, context.visibility, several ? mostDeleted + 1 : 2);
  if (rows.length > mostDeleted) throw problem('precondition-failed', 'multiple-matches', `The condition matches more than ${mostDeleted} resources, which is the most that one request deletes; make it more specific.`);
  if (rows.length > 1 && !several) throw problem('precondition-failed', 'multiple-matches', `The condition matches several resources; make it more specific, or say ${severalParameter}=true to delete all of them.`);
  if (ifMatch !== undefined && rows.length !== 1) throw problem('precondition-failed', 'conflict', 'If-Match names a version, and the condition does not match one resource.');
  const condition = { plan, found: rows.map(({ id }) => id), ...(several ? { several } as const : {}) };
  return rows.map(({ id, body }) => ({ kind: 'delete', type, id, patient: hotColumns(JSON.parse(body) as Resource).patient, condition, ...(ifMatch === undefined ? {} : { ifMatch }) }));
}

/** Logical id of the Patient whose record holds the current version: the lock under which it changes. */
export async function patientOf(context: Context, type: string, id: string): Promise<string | null> {
  const row = await readNewest(context.database, forWriting(context.visibility, type), type, id);
  return row?.body == null ? null : hotColumns(JSON.parse(row.body)).patient;
}

/**
 * The visibility for looking at what is about to be written. A caller with the scope to write but not to read is not shown
 * it, but the service must know it: whose record it is, which form it answers.
 */
export const forWriting = (visibility: Visibility, type: string): Visibility => ({ ...visibility, grants: new Map([[type, new Set(['r'] as const)]]) });
