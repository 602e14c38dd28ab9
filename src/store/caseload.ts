import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { RecordEntry } from '../outcomes/record-entry.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { knownOf } from './record.ts';
import { and, literal, name, run, type Fragment } from './sql.ts';
import { visibleAmong, visiblePredicate } from './visible.ts';

/** One patient of a caseload. */
export interface CaseloadPatient {
  readonly rid: bigint;
  /** Text of the Patient. */
  readonly body: string;
  readonly entries: readonly RecordEntry[];
  /** Texts of the resources asked for, with their types. */
  readonly resources: readonly { readonly type: string; readonly body: string }[];
}

export interface CaseloadQuery {
  /** Logical ids of the only Patients that are asked for; absent: all that the caller may see. */
  readonly patients?: readonly string[];
  /** Only Patients that this one sees as well; what is read of them is what the caller sees. */
  readonly among?: Visibility;
  /** Types whose resources are read beside the record entries. */
  readonly types: readonly string[];
  /** LOINC codes of the Observations that are read, where `types` has them: a record has many that are of no interest here. */
  readonly observations?: readonly string[];
  /** Whether only patients with an episode of care are read. */
  readonly withEpisode: boolean;
}

/** Patients that are read together: what is in memory at a time is bounded by it. */
const batch = 100;

/**
 * Reads a caseload patient by patient, in batches, as far as `visibility` reaches: the Patient, what the outcome engine knows of
 * it, and its resources of some types.
 */
export async function* readCaseload(connection: Connection, visibility: Visibility, query: CaseloadQuery): AsyncGenerator<readonly CaseloadPatient[]> {
  let after = '0';
  for (;;) {
    const patients = await run<{ rid: bigint; body: string }>(connection, sql`
      select r.rid, r.body from resource r where r.type = 'Patient' and r.live and r.rid > ${after}::bigint and ${visiblePredicate(visibility, 'Patient', 'r')}
        ${query.among === undefined ? sql`` : sql`and ${visiblePredicate(query.among, 'Patient', 'r')}`}
        ${query.patients === undefined ? sql`` : sql`and r.id = any(${query.patients}::text[])`}
        ${query.withEpisode ? sql`and exists (select from record_entry e where e.patient = r.rid and e.kind = 'episode')` : sql``}
      order by r.rid limit ${literal(batch)}`);
    if (patients.length === 0) return;
    const rids = patients.map(({ rid }) => String(rid));
    const [entries, resources] = await Promise.all([readEntries(connection, visibility, rids), readResources(connection, visibility, rids, query)]);
    yield patients.map(({ rid, body }) => ({ rid, body, entries: entries.get(rid) ?? [], resources: resources.get(rid) ?? [] }));
    if (patients.length < batch) return;
    after = rids.at(-1)!;
  }
}

async function readEntries(connection: Connection, visibility: Visibility, rids: readonly string[]): Promise<Map<bigint, (RecordEntry & { patient: bigint })[]>> {
  const rows = await run<RecordEntry & { patient: bigint }>(connection, sql`
    select e.patient, e.kind, e.key, e.id, ${name(instant('e.at'))} as at, e.value, e.data from record_entry e where e.patient = any(${rids}::bigint[])${knownOf(visibility)}`);
  return Map.groupBy(rows, ({ patient }) => patient);
}

async function readResources(connection: Connection, visibility: Visibility, rids: readonly string[], { types, observations }: CaseloadQuery): Promise<Map<bigint, { patient: bigint; type: string; body: string }[]>> {
  if (types.length === 0) return new Map();
  const conditions: Fragment[] = [sql`r.patient = any(${rids}::bigint[])`, sql`r.live`, visibleAmong(visibility, types, 'r')];
  if (observations !== undefined) {
    const code = literal(searchParameter('Observation', 'code')!.number);
    conditions.push(sql`(r.type <> 'Observation' or exists (select from index_token t where t.param = ${code} and t.rid = r.rid and t.patient = r.patient and t.code = any(${observations}::text[])))`);
  }
  const rows = await run<{ patient: bigint; type: string; body: string }>(connection, sql`select r.patient, r.type, r.body from resource r where ${and(conditions)} order by r.rid`);
  return Map.groupBy(rows, ({ patient }) => patient);
}
