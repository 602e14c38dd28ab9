import { searchParameter } from '../fhir/search-parameters.ts';
import type { ReadEntry } from '../outcomes/record-entry.ts';
import type { Connection, Lease } from './database.ts';
import type { Current } from './unit.ts';

/** FHIR instant in UTC with microseconds: the form in which every timestamp enters and leaves the store. */
export const instant = (expression: string): string =>
  `to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Publishes the time `since`: see `commitHorizon`. */
const publish = 'count(pg_advisory_xact_lock_shared(floor(extract(epoch from since) / 60)::int, extract(microseconds from since)::int)) as published';

/** A query that publishes since when its transaction may write, for one that is a single statement; one row, `published` above 0. */
export const publication = `select ${publish} from (select clock_timestamp() as since) held`;

// From the inside out: the locks, a time, that time published, and the time of what is written, which is not before it.
const lockAndClock = `
  select ${instant('clock_timestamp()')} as now, max(locked) as locked, ${publish}
  from (
    select clock_timestamp() as since, count(pg_advisory_xact_lock(key)) as locked
    from (select key from unnest($1::bigint[]) as key order by key offset 0) ordered) held`;

const horizon = `
  select ${instant(`least(statement_timestamp(), min(timestamptz 'epoch' + classid::bigint * interval '1 minute' + objid::bigint * interval '1 microsecond'))`)} as horizon
  from pg_locks where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_database where datname = current_database())`;

/**
 * The commit horizon: whatever is not visible to a later statement is written at this time or after it. A transaction
 * publishes a time as a lock of two numbers (minute, and microsecond in it) before it reads the clock for its versions, and
 * it holds that lock until they are visible. An order by transaction id would not do: an id is given at the first write, after the
 * clock was read, and a transaction that waits between the two would appear behind a reader.
 */
export async function commitHorizon(connection: Connection): Promise<string> {
  const rows = await connection.query<{ horizon: string }>(horizon, []);
  return rows[0]!.horizon;
}

/**
 * Takes the advisory locks of a transaction in ascending order (two transactions that share several never deadlock),
 * publishes the time since when it may write (see `commitHorizon`) and reads the clock. Must be the first statement: under READ COMMITTED each later one sees what the holder before
 * committed (reliability M6; under REPEATABLE READ it would not, M7).
 */
export async function lock(connection: Lease, keys: readonly bigint[]): Promise<string> {
  const rows = await connection.query<{ now: string }>(lockAndClock, [keys.map(String)]);
  return rows[0]!.now;
}

const currentVersions = `
  select r.type, r.id, r.rid, r.version, r.live, r.patient, r.restricted, r.private, ${instant('r.last_updated')} as "lastUpdated", r.body,
    case when r.type = 'Patient' and not r.live then exists (select from erasure e where e.patient = r.rid) else false end as erased
  from unnest($1::text[], $2::text[]) as k(type, id)
  cross join lateral (
    select * from resource v where v.id = k.id and v.type = k.type order by v.version desc limit 1
  ) r`;

/** @returns the newest version (deleted ones too) of each resource that exists, keyed `Type/id`. */
export async function loadCurrent(connection: Lease, keys: readonly { type: string; id: string }[]): Promise<Map<string, Current>> {
  if (keys.length === 0) return new Map();
  const rows = await connection.query<Current>(currentVersions, [keys.map(({ type }) => type), keys.map(({ id }) => id)]);
  return new Map(rows.map((row) => [`${row.type}/${row.id}`, row]));
}

/** One line of a record as a JSON array; `e` is a row of record_entry. */
export const recordLine = `'["' || e.kind || '",' || to_json(e.key) || ',"' || e.id || '",' || coalesce(e.value::text, 'null') || ',' || e.data || ']'`;

// The record of a patient comes as one JSON text: forty rows of their own cost this process three times what parsing it does.
const recordsOf = `
  select p.id, p.rid, case when p.id = any($2) then (
    select string_agg(${recordLine}, ',')
    from record_entry e where e.patient = p.rid and (e.kind not in ('score', 'imported') or $3::text[] is null or e.key = any($3) or w.setback)
  ) end as entries
  from resource p cross join lateral (
    select $4::timestamptz is not null and exists (
      select from index_token t join resource o on o.type = 'Observation' and o.rid = t.rid and o.live
      where t.param = ${searchParameter('Observation', 'code')!.number} and t.patient = p.rid and t.code = 'setback' and o.date_low >= $4
    ) as setback offset 0) w
  where p.type = 'Patient' and p.live and p.id = any($1)`;

type EntryTuple = [kind: ReadEntry['kind'], key: string, id: string, value: number | null, data: object];

/** The Patients that exist, and what is recorded of those for whom it was asked, both by logical id. */
export interface LoadedRecords { readonly patients: Map<string, bigint>; readonly entries: Map<string, ReadEntry[]> }

/**
 * @param patients logical ids of the Patients that must be known.
 * @param recorded those of them whose record is needed.
 * @param instruments whose scores are needed; null for all.
 * @param setbacks of Patients with a setback that began at this time or later all scores are needed: check-ins may confirm it; null: of none.
 */
export async function loadRecords(connection: Lease, patients: readonly string[], recorded: readonly string[], instruments: readonly string[] | null, setbacks: string | null = null): Promise<LoadedRecords> {
  const found: LoadedRecords = { patients: new Map(), entries: new Map() };
  if (patients.length === 0) return found;
  const rows = await connection.query<{ id: string; rid: bigint; entries: string | null }>(recordsOf, [patients, recorded, instruments, setbacks]);
  for (const { id, rid, entries } of rows) {
    found.patients.set(id, rid);
    const tuples = entries === null ? [] : (JSON.parse(`[${entries}]`) as EntryTuple[]);
    // `at` is for SQL; the engine reads the times in `data`.
    found.entries.set(id, tuples.map(([kind, key, source, value, data]) => ({ kind, key, id: source, at: null, value, data })));
  }
  return found;
}

const careTeams = `
  select p.id as "patientId", c.body
  from resource p join resource c on c.patient = p.rid and c.type = 'CareTeam' and c.live and c.status = 'active'
  where p.type = 'Patient' and p.live and p.id = any($1)
  order by c.date_low desc nulls last, c.rid desc`;

/** @returns the text of the newest active CareTeam by logical id of the Patient. */
export async function loadCareTeams(connection: Connection, patients: readonly string[]): Promise<Map<string, string>> {
  if (patients.length === 0) return new Map();
  const rows = await connection.query<{ patientId: string; body: string }>(careTeams, [patients]);
  const found = new Map<string, string>();
  for (const { patientId, body } of rows) if (!found.has(patientId)) found.set(patientId, body);
  return found;
}

const idempotent = `
  select i.client, i.key, i.body_hash as "bodyHash", i.type, i.id, i.version, i.status
  from unnest($1::text[], $2::text[]) as k(client, key) join idempotency i on i.client = k.client and i.key = k.key`;

/** What an idempotency key was used for. */
export interface Replay { client: string; key: string; bodyHash: Buffer; type: string; id: string; version: number; status: number }

/** @returns earlier uses by `client key`. */
export async function loadIdempotency(connection: Lease, keys: readonly { client: string; key: string }[]): Promise<Map<string, Replay>> {
  if (keys.length === 0) return new Map();
  const rows = await connection.query<Replay>(idempotent, [keys.map(({ client }) => client), keys.map(({ key }) => key)]);
  return new Map(rows.map((row) => [`${row.client} ${row.key}`, row]));
}

const identified = `
  select k.n, r.type, r.id, r.rid, r.version, r.live, r.patient, r.restricted, r.private, ${instant('r.last_updated')} as "lastUpdated", r.body
  from unnest($1::int[], $2::text[], $3::bigint[], $4::text[]) as k(n, code, system, patient)
  join resource p on p.type = 'Patient' and p.id = k.patient and p.live
  join index_token t on t.param = $5 and t.code = k.code and t.system = k.system and t.patient = p.rid
  join resource r on r.type = 'QuestionnaireResponse' and r.rid = t.rid and r.live`;

/** The identifier of a QuestionnaireResponse within its patient's record. */
export interface ResponseIdentifier { n: number; code: string; system: bigint; patient: string }

/** @returns live QuestionnaireResponses of the same patient with the same identifier, by `n`. */
export async function loadIdentified(connection: Lease, identifiers: readonly ResponseIdentifier[], param: number): Promise<Map<number, Current>> {
  if (identifiers.length === 0) return new Map();
  const rows = await connection.query<Current & { n: number }>(identified, [
    identifiers.map(({ n }) => n), identifiers.map(({ code }) => code),
    identifiers.map(({ system }) => String(system)), identifiers.map(({ patient }) => patient), param,
  ]);
  return new Map(rows.map((row) => [row.n, row]));
}

const inRecords = `
  select p.id, array(select r.type || '/' || r.id from resource r where r.patient = p.rid and r.live and r.type <> 'Patient' limit $2) as left
  from resource p where p.type = 'Patient' and p.live and p.id = any($1)`;

/** @returns what is in the records of `patients` (`Type/id`), `most` of each at most. */
export async function loadLeft(connection: Lease, patients: readonly string[], most: number): Promise<Map<string, readonly string[]>> {
  if (patients.length === 0) return new Map();
  const rows = await connection.query<{ id: string; left: string[] }>(inRecords, [patients, most]);
  return new Map(rows.map(({ id, left }) => [id, left]));
}
