import { sql } from 'kysely';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { storedRows } from '../resources/stored-rows.ts';
import { endAllAbout, endAllOf } from './authorization.ts';
import type { Connection, Database, Lease } from './database.ts';
import { noEffects, type AuditRow, type IndexChange } from './effects.ts';
import { identifyingTerms } from './erase-terms.ts';
import { lockKey } from './identity.ts';
import { commitHorizon, instant, lock } from './load.ts';
import { redacted } from './redact.ts';
import { name, run } from './sql.ts';
import { writeEffects } from './write.ts';

/** What a record holds: resources that have content, and all their versions. */
export interface RecordSize { readonly type: string; readonly resources: number; readonly versions: number }

/** An erasure as it stands. */
export interface Erasure { readonly patient: bigint; readonly id: string; readonly begun: string; readonly finished: string | null; readonly resources: number; readonly versions: number }

/** A person whose record may be erased: also one that was deleted. */
export interface Erasable { readonly rid: bigint; readonly held: boolean; readonly erasure: Erasure | undefined; readonly now: string }

/** Resources that one transaction erases. */
const step = 200;

const erasures = `select patient, id, ${instant('begun')} as begun, ${instant('finished')} as finished, resources, versions from erasure`;

/** @returns the Patient `id`, whether it is live, deleted or erased; undefined where there never was one. */
export async function readErasable(connection: Connection, id: string): Promise<Erasable | undefined> {
  const [row] = await connection.query<{ rid: bigint; held: boolean; now: string }>(`
    select r.rid, exists (select from legal_hold h where h.patient = r.rid and h.released is null) as held, ${instant('clock_timestamp()')} as now
    from resource r where r.type = 'Patient' and r.id = $1 order by r.version desc limit 1`, [id]);
  if (row === undefined) return undefined;
  const [erasure] = await connection.query<Erasure>(`${erasures} where patient = $1`, [row.rid]);
  return { ...row, erasure };
}

// Live ones by the record's index, deleted ones by the row of their deletion: every resource is one or the other.
const ofRecord = `(select type, id from resource where patient = $1 and live union select type, id from resource where patient = $1 and method = 'D')`;

/** @returns what would be erased of the record, by type. */
export async function recordSize(connection: Connection, patient: bigint): Promise<RecordSize[]> {
  return connection.query<RecordSize>(`
    select k.type, count(distinct k.id)::int as resources, count(*)::int as versions
    from ${ofRecord} k join resource v on v.id = k.id and v.type = k.type and v.body is not null group by k.type order by k.type`, [patient]);
}

/**
 * Begins the erasure of a record: from the commit on there is no such Patient, so nothing can be added to it.
 * @param audit rows of the access log, written in the same transaction.
 * @throws Problem `conflict` while a legal hold stands.
 */
export async function beginErasure(database: Database, id: string, patient: bigint, audit: readonly AuditRow[]): Promise<void> {
  await database.transaction(async (connection) => {
    const now = await lock(connection, [lockKey('patient', id), lockKey('resource', 'Patient', id)]);
    if ((await readErasable(connection, id))?.held !== false) throw heldBack();
    await connection.query(`
      insert into erasure (patient, id, begun) values ($1, $2, $3)
      on conflict (patient) do update set begun = excluded.begun, finished = null`, [patient, id, now]);
    await takeAway(connection, [{ type: 'Patient', id }], now);
    await writeEffects(connection, { ...noEffects(), audit: [...audit] });
  });
}

/** The refusal of an erasure while a legal hold stands. */
export const heldBack = (): Error => problem('conflict', 'business-rule', 'A legal hold stands on this record: it is kept until $legal-hold releases it.');

/** Makes the newest versions of live resources old ones, with a deletion after them. Their content is still there. */
async function takeAway(connection: Connection, keys: readonly { type: string; id: string }[], now: string): Promise<void> {
  await connection.query(`
    with gone as (
      update resource r set live = false from unnest($1::text[], $2::text[]) as k(type, id) where r.id = k.id and r.type = k.type and r.live
      returning r.type, r.id, r.version, r.rid, r.restricted, r.private, r.patient, r.last_updated)
    insert into resource (type, id, version, rid, live, method, restricted, private, patient, last_updated)
    select type, id, version + 1, rid, false, 'D', restricted, private, patient, greatest($3::timestamptz, last_updated + interval '1 microsecond') from gone`,
    [keys.map(({ type }) => type), keys.map(({ id }) => id), now]);
}

/** @returns erasures that were begun and are not finished: interrupted ones. */
export async function unfinishedErasures(connection: Connection): Promise<Erasure[]> {
  return connection.query<Erasure>(`${erasures} where finished is null order by begun`, []);
}

/**
 * Does what is left of an erasure that was begun, in steps of their own: what was done stays done, and doing it again changes
 * nothing. First waits for transactions that read the Patient before it was taken away.
 * @returns what was erased in all.
 */
export async function continueErasure(database: Database, patient: bigint, signal?: AbortSignal): Promise<Erasure> {
  const [erasure] = await database.query<Erasure>(`${erasures} where patient = $1`, [patient]);
  if (erasure === undefined) throw new Error('this erasure was never begun');
  if (erasure.finished !== null) return erasure;
  while ((await commitHorizon(database)) <= erasure.begun) {
    signal?.throwIfAborted();
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  await eraseQueries(database, erasure);
  await redactElsewhere(database, erasure, signal);
  const left = await database.query<{ type: string; id: string }>(`select k.type, k.id from ${ofRecord} k where exists (select from resource v where v.id = k.id and v.type = k.type and v.body is not null) order by k.type = 'Patient', k.type, k.id`, [patient]);
  for (let at = 0; at < left.length; at += step) {
    signal?.throwIfAborted();
    await eraseResources(database, patient, left.slice(at, at + step));
  }
  await eraseBeside(database, erasure);
  await database.query(`update erasure set finished = clock_timestamp() where patient = $1`, [patient]);
  return (await database.query<Erasure>(`${erasures} where patient = $1`, [patient]))[0]!;
}

/** Texts of queries: those about the record, and those that name the person although nothing was found. The rows stay, and so does the chain. */
async function eraseQueries(database: Database, { patient, id }: Erasure): Promise<void> {
  const bodies = await database.query<{ body: string }>(`select body from resource where type = 'Patient' and id = $1 and body is not null`, [id]);
  const terms = identifyingTerms(bodies.map(({ body }) => JSON.parse(body) as Resource));
  await database.query('delete from audit_query q using audit_event e where e.id = q.event and e.patient = $1', [patient]);
  if (terms.length > 0) await database.query('delete from audit_query q where exists (select from unnest($1::text[]) as t(term) where position(t.term in lower(q.query)) > 0)', [terms]);
}

interface Version { readonly type: string; readonly id: string; readonly version: number; readonly rid: bigint; readonly patient: bigint | null; readonly live: boolean; readonly body: string }

/** All columns of a version but its body. */
const columns = 'type, id, version, rid, live, method, restricted, private, patient, status, date_low, date_high, last_updated';

/** What records of others and groups say of the person: nothing but the id is left, in every version of what names the Patient now. */
async function redactElsewhere(database: Database, { patient, id }: Erasure, signal?: AbortSignal): Promise<void> {
  const named = await database.query<{ type: string; id: string }>(`
    select distinct r.type, r.id from index_reference i join resource r on r.rid = i.rid and r.live
    where i.target_type = 'Patient' and i.target_id = $1 and r.patient is distinct from $2`, [id, patient]);
  for (const key of named) {
    signal?.throwIfAborted();
    await database.transaction(async (connection) => {
      await lock(connection, [lockKey('resource', key.type, key.id)]);
      const versions = await connection.query<Version>(`select type, id, version, rid, patient, live, body from resource where type = $1 and id = $2 and body is not null`, [key.type, key.id]);
      const index: IndexChange[] = [];
      for (const version of versions) {
        const body = redacted(version.body, `Patient/${id}`);
        if (body === version.body) continue;
        await connection.query(`
          with gone as (delete from resource where type = $1 and id = $2 and version = $3 returning *)
          insert into resource (${columns}, body) select ${columns}, $4 from gone`, [key.type, key.id, version.version, body]);
        if (version.live) index.push({ rid: version.rid, patient: version.patient, added: storedRows(JSON.parse(body) as Resource), removed: storedRows(JSON.parse(version.body) as Resource) });
      }
      await writeEffects(connection, { ...noEffects(), index });
    });
  }
}

const indexTables = ['reference', 'date', 'string', 'uri', 'quantity'];

/** Removes every version and index row of some resources of the record; a deletion without content is left of each. */
async function eraseResources(database: Database, patient: bigint, keys: readonly { type: string; id: string }[]): Promise<void> {
  await database.transaction(async (connection: Lease) => {
    const now = await lock(connection, keys.map(({ type, id }) => lockKey('resource', type, id)));
    await takeAway(connection, keys, now);
    const types = keys.map(({ type }) => type);
    const ids = keys.map(({ id }) => id);
    const newest = await connection.query<{ rid: bigint; body: string }>(`
      select v.rid, v.body from unnest($1::text[], $2::text[]) as k(type, id)
      cross join lateral (select rid, body from resource r where r.id = k.id and r.type = k.type and r.body is not null order by r.version desc limit 1) v`, [types, ids]);
    // index_token has no index of every parameter by resource: its rows are found by what they say
    await writeEffects(connection, { ...noEffects(), index: newest.map(({ rid, body }) => ({ rid, patient, added: nothing, removed: storedRows(JSON.parse(body) as Resource) })) });
    for (const table of indexTables) await connection.query(`delete from index_${table} where rid = any($1::bigint[])`, [newest.map(({ rid }) => String(rid))]);
    const [erased] = await connection.query<{ versions: number }>(`
      with gone as (delete from resource r using unnest($1::text[], $2::text[]) as k(type, id) where r.id = k.id and r.type = k.type and r.body is not null returning 1)
      select count(*)::int as versions from gone`, [types, ids]);
    // of several deletions only the newest is needed
    await connection.query(`
      delete from resource r using unnest($1::text[], $2::text[]) as k(type, id)
      where r.id = k.id and r.type = k.type and r.version < (select max(l.version) from resource l where l.id = k.id and l.type = k.type)`, [types, ids]);
    await connection.query('update erasure set resources = resources + $2, versions = versions + $3 where patient = $1', [patient, newest.length, erased!.versions]);
  });
}

const nothing = { token: [], reference: [], date: [], string: [], uri: [], quantity: [] };

/** Tables that keep what they say of a Patient: the log, and that a record was held or erased. */
const kept = new Set(['resource', 'audit_event', 'erasure', 'legal_hold']);

/** What else is kept by record: any table with a column `patient` (a rid, an id or a reference), the keys of requests, the person's own account with its sessions, and what apps were granted for the record. */
async function eraseBeside(database: Database, { patient, id }: Erasure): Promise<void> {
  const tables = await database.query<{ table: string; type: string }>(`
    select c.table_name as table, c.data_type as type from information_schema.columns c
    where c.table_schema = 'public' and c.column_name = 'patient' and has_table_privilege(format('%I.%I', c.table_schema, c.table_name), 'delete')`, []);
  for (const { table, type } of tables) {
    if (kept.has(table)) continue;
    const values = type === 'bigint' ? [String(patient)] : [id, `Patient/${id}`];
    await run(database, sql`delete from ${sql.table(table)} where patient = any(${values}::${name(type === 'bigint' ? 'bigint' : 'text')}[])`);
  }
  await database.transaction(async (connection) => {
    const accounts = await connection.query<{ account: string }>('delete from authorization_user where fhir_user = $1 returning id::text as account', [`Patient/${id}`]);
    for (const { account } of accounts) await endAllOf(connection, 'account', account);
    await endAllAbout(connection, id);
  });
  await database.query(`delete from idempotency i where exists (select from resource r where r.type = i.type and r.id = i.id and r.patient = $1)`, [patient]);
}
