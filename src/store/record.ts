import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import { kindsOf, type RecordEntry } from '../outcomes/record-entry.ts';
import { servedTypes } from '../fhir/types.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { literal, name, or, run, typeLiteral, type Fragment } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** What the outcome engine knows of one patient, with the time at which it was read. */
export interface PatientEntries { readonly now: string; readonly rid: bigint; readonly entries: RecordEntry[] }

/** @returns the record of the Patient `id`, or undefined when the Patient does not exist or is not visible. */
export async function readRecord(connection: Connection, visibility: Visibility, id: string): Promise<PatientEntries | undefined> {
  const rows = await run<RecordEntry & { now: string; rid: bigint }>(connection, sql`
    select ${name(instant('clock_timestamp()'))} as now, r.rid, e.kind, e.key, e.id, ${name(instant('e.at'))} as at, e.value, e.data
    from resource r left join record_entry e on e.patient = r.rid${knownOf(visibility)}
    where r.type = 'Patient' and r.id = ${id} and r.live and ${visiblePredicate(visibility, 'Patient', 'r', name('r.patient'))}`);
  const first = rows[0];
  if (first === undefined) return undefined;
  return { now: first.now, rid: first.rid, entries: rows.filter(({ kind }) => kind !== null).map(({ kind, key, id: source, at, value, data }) => ({ kind, key, id: source, at, value, data })) };
}

/** The types of which entries are made, with their kinds, but for the scores of a response: those are seen as Observations. */
const sources = servedTypes.filter((type) => type !== 'QuestionnaireResponse' && kindsOf(type).length > 0);

/**
 * What an access knows of a record that sees a part of it only, by granular scopes or by Consents: the scores whose Observations
 * it sees, and of the rest what it sees the source of.
 */
export function knownOf(visibility: Visibility): Fragment {
  if (visibility.limits === undefined && (visibility.consents ?? []).length === 0) return sql``;
  const seen = (type: string, condition: Fragment): Fragment => sql`exists (select from resource o where o.type = ${typeLiteral(type)} and o.live and ${condition} and ${visiblePredicate(visibility, type, 'o', name('o.patient'))})`;
  const derivedFrom = literal(searchParameter('Observation', 'derived-from')!.number);
  return sql` and ${or([
    sql`(e.kind = any(${kindsOf('QuestionnaireResponse')}::text[]) and ${seen('Observation', sql`o.rid in (select x.rid from index_reference x where x.param = ${derivedFrom} and x.target_id = e.id and x.target_type = 'QuestionnaireResponse')`)})`,
    ...sources.map((type) => sql`(e.kind = any(${kindsOf(type)}::text[]) and ${seen(type, sql`o.id = e.id`)})`),
  ])}`;
}

/** @returns texts of the live resources of one type in the record of the Patient `rid` that are visible, newest clinical date first. */
export async function readOfPatient(connection: Connection, visibility: Visibility, rid: bigint, type: string, statuses: readonly string[] | null): Promise<string[]> {
  if (!grants(visibility, type, 'r') && !grants(visibility, type, 's')) return [];
  const rows = await run<{ body: string }>(connection, sql`
    select r.body from resource r
    where r.patient = ${String(rid)}::bigint and r.type = ${typeLiteral(type)} and r.live
      and (${statuses}::text[] is null or r.status = any(${statuses})) and ${visiblePredicate(visibility, type, 'r')}
    order by r.date_low desc nulls last, r.rid desc`);
  return rows.map(({ body }) => body);
}
