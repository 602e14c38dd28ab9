import { sql } from 'kysely';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { RecordEntry } from '../outcomes/record.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { name, run, typeLiteral } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** What the outcome engine knows of one patient, with the time at which it was read. */
export interface PatientEntries { readonly now: string; readonly rid: bigint; readonly entries: RecordEntry[] }

/** @returns the record of the Patient `id`, or undefined when the Patient does not exist or is not visible. */
export async function readRecord(connection: Connection, visibility: Visibility, id: string): Promise<PatientEntries | undefined> {
  const rows = await run<RecordEntry & { now: string; rid: bigint }>(connection, sql`
    select ${name(instant('clock_timestamp()'))} as now, r.rid, e.kind, e.key, e.id, ${name(instant('e.at'))} as at, e.value, e.data
    from resource r left join record_entry e on e.patient = r.rid
    where r.type = 'Patient' and r.id = ${id} and r.live and ${visiblePredicate(visibility, 'Patient', 'r', name('r.patient'))}`);
  const first = rows[0];
  if (first === undefined) return undefined;
  return { now: first.now, rid: first.rid, entries: rows.filter(({ kind }) => kind !== null).map(({ kind, key, id: source, at, value, data }) => ({ kind, key, id: source, at, value, data })) };
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
