import type { Resource } from '../fhir/resource.ts';
import type { Context } from '../interactions/context.ts';
import { zoneOf } from '../outcomes/time-zone.ts';
import type { Given } from './given.ts';

/** What explanations look at of the Patient whom an Observation or a response is about. */
export interface ExplainedPerson { readonly zone: string; readonly gender?: string }

/** @returns where the Patient lives and the gender, of one whom the caller may not see as if nothing were said. */
export const personOf = (patient: Resource | undefined, { zone }: Context): ExplainedPerson =>
  ({ zone: zoneOf(patient, zone), ...(patient?.['gender'] === undefined ? {} : { gender: patient['gender'] as string }) });

/** @returns the same of the subject of a resource. */
export async function subjectAsPerson(context: Context, given: Given, { subject }: Resource): Promise<ExplainedPerson> {
  const [, id] = /^Patient\/([^/]+)$/.exec((subject as { reference?: string } | undefined)?.reference ?? '') ?? [];
  const row = id === undefined || context.visibility.grants.get('Patient')?.has('r') !== true ? undefined : await given.row('Patient', id);
  return personOf(row === undefined ? undefined : (JSON.parse(row.body!) as Resource), context);
}
