import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import { literal, typeLiteral, type Fragment } from './sql.ts';

/** References that put a Patient into a practitioner's care: who is named there may reach the whole record. */
const careRelations: readonly { readonly type: string; readonly param: Fragment }[] = (
  [
    ['CareTeam', 'participant'], ['Encounter', 'participant'], ['EpisodeOfCare', 'care-manager'],
    ['Patient', 'general-practitioner'], ['Task', 'owner'],
  ] as const
).map(([type, code]) => {
  const parameter = searchParameter(type, code);
  if (parameter === undefined) throw new Error(`search parameter ${type}.${code} is missing`);
  return { type, param: literal(parameter.number) };
});

/** Statuses of a CareTeam, Encounter, EpisodeOfCare or Task that end the care it states. A finished session was one: it does not. */
const ended: Fragment = sql`'entered-in-error', 'inactive', 'cancelled', 'rejected', 'proposed'`;

/**
 * The rows of `index_reference` that put Patients into the care of `reference`, as a union of selects of their rid. A relation
 * counts only while the resource that states it is live and does not say that it never was or no longer holds. A branch for each relation: with the type and
 * the parameter as constants each is a short walk of two indexes; over all relations at once the planner joins 200 ms long.
 * @param patient only relations of this Patient (rid).
 */
export function careOf(reference: string, patient?: Fragment): Fragment {
  const slash = reference.indexOf('/');
  const targetType = reference.slice(0, slash);
  const targetId = reference.slice(slash + 1);
  const branches = careRelations.map(({ type, param }) => sql`
    select care.patient from index_reference care join resource relation on relation.type = ${typeLiteral(type)} and relation.rid = care.rid
      and relation.live and relation.patient = care.patient and coalesce(relation.status, '') not in (${ended})
    where care.param = ${param} and care.target_id = ${targetId} and care.target_type = ${targetType}${patient === undefined ? sql`` : sql` and care.patient = ${patient}`}`);
  return patient === undefined ? sql.join(branches, sql` union `) : sql.join(branches, sql` union all `);
}
