import { hotColumns } from '../fhir/extract.ts';
import { problem } from '../fhir/outcome.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { readNewest } from '../store/read.ts';
import { matching } from '../store/search.ts';
import { writtenAnswer } from './answer.ts';
import { conditionPlan } from './condition.ts';
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

/** Conditional delete of one match (http://hl7.org/fhir/R4/http.html#3.1.0.7.1). */
export async function conditionalDelete(context: Context, type: string, query: string): Promise<Answer> {
  const matches = await matching(context.database, conditionPlan(context, type, query), context.visibility, 2);
  if (matches.length > 1) throw problem('precondition-failed', 'multiple-matches', 'The condition matches several resources; delete them one by one.');
  if (matches.length === 0) return { status: 204 };
  return remove(context, type, matches[0]!.id);
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
