import { hotColumns } from '../fhir/extract.ts';
import type { IndexRows } from '../fhir/index-rows.ts';
import type { Resource } from '../fhir/resource.ts';
import { recordEntries } from '../outcomes/project.ts';
import { kindsOf, type RecordEntry } from '../outcomes/record-entry.ts';
import { storedRows } from '../resources/stored-rows.ts';
import { StartRefusal } from '../start-refusal.ts';
import type { Database, Lease } from './database.ts';
import { concernsRecord, recordTypes, type OutcomeRules } from './derived.ts';
import { isRetryable } from './errors.ts';
import { lockKey } from './identity.ts';
import { lock } from './load.ts';
import { readSetting, writeSetting } from './setting.ts';
import { indexLists, kinds, tables, textArray } from './write.ts';

/**
 * Computes anew what the store keeps beside the resources themselves: columns that searches and visibility go by, index rows and
 * record entries. For stores that an earlier version of the service filled. The service may run meanwhile: a batch locks what
 * it looks at as a write would, and each batch is a transaction of its own. What is right is not touched.
 */

/** Rows that differed: wrong or missing columns, rows that should not be there, rows that were not there. */
export interface Differences { columns: number; surplus: number; missing: number }

/** How far a run is. */
export interface Progress { readonly phase: Phase; readonly done: number; readonly differences: Readonly<Differences> }

export interface ReindexOptions {
  /** As the role that owns the tables: indexes are made for the time of the run. */
  readonly database: Database;
  readonly rules: Pick<OutcomeRules, 'registry'>;
  /** Finds the form that a response answers. */
  readonly questionnaire: (response: Resource) => Promise<Resource | undefined>;
  /** Nothing is changed. */
  readonly dryRun: boolean;
  /** Resources of one transaction. */
  readonly batch: number;
  readonly report: (progress: Progress) => void;
  /** Ends the run after the batch that is under way; the next one goes on there. */
  readonly signal?: AbortSignal;
}

const phases = ['versions', 'resources', 'orphans', 'records'] as const;
type Phase = (typeof phases)[number];

/** Where the next batch begins: behind this key. */
interface Position { readonly phase: Phase; readonly after: readonly string[]; readonly done: number; readonly differences: Differences }

interface Batch { readonly after: readonly string[] | null; readonly count: number; readonly differences: Differences }

const beginnings: Readonly<Record<Phase, readonly string[]>> = { versions: ['', '', '0'], resources: ['-1'], orphans: ['0', '-1'], records: ['-1'] };
const attempts = 10;

/**
 * Goes through the whole store, from where an earlier run was ended.
 * @returns what differed, of all runs that it took; undefined when it was ended by the signal.
 * @throws StartRefusal while another run is under way; the error of the database that stopped it: what was done before is kept,
 *   and the next run goes on from there.
 */
export async function reindex(options: ReindexOptions): Promise<Differences | undefined> {
  const connection = await options.database.lease();
  try {
    const [held] = await connection.query<{ free: boolean }>(`select pg_try_advisory_lock(hashtext('intersession reindex')) as free`, []);
    if (!held!.free) throw new StartRefusal('Another reindex is under way.');
    try {
      return await wholeRun(options);
    } finally {
      await connection.query(`select pg_advisory_unlock(hashtext('intersession reindex'))`, []);
    }
  } finally {
    connection.release();
  }
}

async function wholeRun(options: ReindexOptions): Promise<Differences | undefined> {
  const { database, dryRun } = options;
  const setting = dryRun ? 'reindex-dry-run' : 'reindex';
  // one that a run left behind when it was killed may be half made
  for (const [name] of helping) await database.query(`drop index concurrently if exists ${name}`);
  for (const [name, on] of helping) await database.query(`create index concurrently ${name} on ${on}`);
  try {
    const saved = await readSetting(database, setting);
    let position: Position = saved === undefined || saved === '' ? { phase: 'versions', after: beginnings.versions, done: 0, differences: none() } : (JSON.parse(saved) as Position);
    for (;;) {
      if (options.signal?.aborted === true) return undefined;
      const batch = await again(() => batches[position.phase](options, position.after));
      const differences = sum(position.differences, batch.differences);
      options.report({ phase: position.phase, done: position.done + batch.count, differences });
      const next = phases[phases.indexOf(position.phase) + 1];
      if (batch.after === null && next === undefined) {
        await writeSetting(database, setting, '');
        return differences;
      }
      position = batch.after === null ? { phase: next!, after: beginnings[next!], done: 0, differences } : { phase: position.phase, after: batch.after, done: position.done + batch.count, differences };
      await writeSetting(database, setting, JSON.stringify(position));
    }
  } finally {
    for (const [name] of helping) await database.query(`drop index concurrently if exists ${name}`);
  }
}

/** Without these the rows of one resource would be found by reading whole tables. They are made and dropped while others write. */
const helping: readonly (readonly [name: string, on: string])[] = [
  ['reindex_resource', 'resource (rid) where live'],
  ...kinds.map((kind) => [`reindex_${kind}`, `index_${kind} (rid)`] as const),
];

const none = (): Differences => ({ columns: 0, surplus: 0, missing: 0 });
const sum = (a: Differences, b: Differences): Differences => ({ columns: a.columns + b.columns, surplus: a.surplus + b.surplus, missing: a.missing + b.missing });

/** A batch that stands in the way of a write, or a write in its way, is tried again. */
async function again(work: () => Promise<Batch>): Promise<Batch> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === attempts || !isRetryable(error)) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 2 ** attempt * (1 + Math.random())); });
    }
  }
}

/** A dry run sees one moment of the store; a real one locks what it reads. */
const transaction = (database: Database, dryRun: boolean, work: (connection: Lease) => Promise<Batch>): Promise<Batch> => database.transaction(async (connection) => {
  if (dryRun) await connection.query('set transaction isolation level repeatable read read only');
  return work(connection);
});

interface Stored { readonly type: string; readonly id: string; readonly version: number; readonly rid: bigint; readonly patient: bigint | null; readonly body: string }

const columnNames = ['status', 'restricted', 'private', 'date_low', 'date_high'] as const;
const sentColumns = 'unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::boolean[], $6::boolean[], $7::timestamptz[], $8::timestamptz[]) as s(type, id, version, status, restricted, private, date_low, date_high)';
const differing = `r.id = s.id and r.type = s.type and r.version = s.version and (${columnNames.map((name) => `r.${name}`).join(', ')}) is distinct from (${columnNames.map((name) => `s.${name}`).join(', ')})`;

async function columns(connection: Lease, rows: readonly Stored[], dryRun: boolean): Promise<number> {
  const hot = rows.map(({ body }) => hotColumns(JSON.parse(body) as Resource));
  const values = [rows.map(({ type }) => type), rows.map(({ id }) => id), rows.map(({ version }) => version), hot.map(({ status }) => status), hot.map((each) => String(each.restricted)), hot.map((each) => String(each.private)), hot.map(({ dateLow }) => dateLow), hot.map(({ dateHigh }) => dateHigh)].map(textArray);
  const changed = await connection.query(dryRun
    ? `select 1 from resource r, ${sentColumns} where ${differing}`
    : `update resource r set ${columnNames.map((name) => `${name} = s.${name}`).join(', ')} from ${sentColumns} where ${differing} returning 1`, values);
  return changed.length;
}

/** The audience and the other columns of versions that are not current: a history shows them by these. */
async function versions({ database, dryRun, batch }: ReindexOptions, [id, type, version]: readonly string[]): Promise<Batch> {
  return transaction(database, dryRun, async (connection) => {
    const rows = await connection.query<Stored>(`
      select type, id, version, rid, patient, body from resource where (id, type, version) > ($1, $2, $3::int) and not live and body is not null
      order by id, type, version limit $4 ${dryRun ? '' : 'for no key update'}`, [id, type, version, batch]);
    const last = rows.at(-1);
    return { after: last === undefined ? null : [last.id, last.type, String(last.version)], count: rows.length, differences: { ...none(), columns: rows.length === 0 ? 0 : await columns(connection, rows, dryRun) } };
  });
}

/** Columns and index rows of what is current. */
async function resources({ database, dryRun, batch }: ReindexOptions, [after]: readonly string[]): Promise<Batch> {
  return transaction(database, dryRun, async (connection) => {
    const rows = await connection.query<Stored>(`
      select type, id, version, rid, patient, body from resource where live and rid > $1::bigint order by rid limit $2 ${dryRun ? '' : 'for no key update'}`, [after, batch]);
    const last = rows.at(-1);
    if (last === undefined) return { after: null, count: 0, differences: none() };
    const changes = rows.map(({ rid, patient, body }) => ({ rid, patient, added: storedRows(JSON.parse(body) as Resource), removed: noRows }));
    const rids = textArray(rows.map(({ rid }) => rid));
    let differences: Differences = { ...none(), columns: await columns(connection, rows, dryRun) };
    for (const kind of kinds) {
      const names = ['param', 'rid', 'patient', ...tables[kind].columns.map(([column]) => column)];
      const types = ['int', 'bigint', 'bigint', ...tables[kind].columns.map(([, type]) => type)];
      const lists = indexLists(changes, 'added', kind) ?? names.map(() => '{}');
      differences = sum(differences, await corrected(connection, { table: `index_${kind}`, names, types, lists, scope: 'rid', keys: rids }, dryRun));
    }
    return { after: [String(last.rid)], count: rows.length, differences };
  });
}

const noRows: IndexRows = { token: [], reference: [], date: [], string: [], uri: [], quantity: [] };

/** Rows of a table as they should be, for all that it has under `keys` of the column `scope`. */
interface Expected { readonly table: string; readonly names: readonly string[]; readonly types: readonly string[]; readonly lists: readonly string[]; readonly scope: string; readonly keys: string }

/** Compares and corrects in one statement; what is deleted goes first, since a row may take its key. */
async function corrected(connection: Lease, { table, names, types, lists, scope, keys }: Expected, dryRun: boolean): Promise<Differences> {
  const list = names.join(', ');
  const same = names.map((name) => (name === 'param' || name === scope ? `e.${name} = a.${name}` : `e.${name} is not distinct from a.${name}`)).join(' and ');
  const [found] = await connection.query<{ surplus: number; missing: number }>(`
    with e as materialized (select * from unnest(${types.map((type, at) => `$${at + 2}::${type}[]`).join(', ')}) as t(${list})),
    a as materialized (select ctid as place, ${list}, row_number() over (partition by ${list}) as copy from ${table} where ${scope} = any($1::bigint[])),
    surplus as materialized (select place from a where copy > 1 or not exists (select from e where ${same})),
    missing as materialized (select ${list} from e where not exists (select from a where ${same}))
    ${dryRun ? '' : `, gone as (delete from ${table} where ctid = any(array(select place from surplus)) returning 1), made as (insert into ${table} (${list}) select ${list} from missing where (select count(*) from gone) >= 0)`}
    select (select count(*)::int from surplus) as surplus, (select count(*)::int from missing) as missing`, [keys, ...lists]);
  return { columns: 0, ...found! };
}

/** Index rows of what is not current any more, or never was. */
async function orphans({ database, dryRun, batch }: ReindexOptions, [number, after]: readonly string[]): Promise<Batch> {
  const kind = kinds[Number(number)];
  if (kind === undefined) return { after: null, count: 0, differences: none() };
  return transaction(database, dryRun, async (connection) => {
    const rows = await connection.query<{ rid: bigint; live: boolean }>(`
      select i.rid, exists (select from resource r where r.rid = i.rid and r.live) as live
      from (select distinct rid from index_${kind} where rid > $1::bigint order by rid limit $2) i order by i.rid`, [after, batch * 10]);
    const last = rows.at(-1);
    if (last === undefined) return { after: [String(Number(number) + 1), '-1'], count: 0, differences: none() };
    const gone = textArray(rows.filter(({ live }) => !live).map(({ rid }) => rid));
    // looked at again in the statement that deletes: a deleted resource may have been restored since
    const orphaned = `index_${kind} i where i.rid = any($1::bigint[]) and not exists (select from resource r where r.rid = i.rid and r.live)`;
    const deleted = await connection.query(dryRun ? `select 1 from ${orphaned}` : `delete from ${orphaned} returning 1`, [gone]);
    return { after: [String(number), String(last.rid)], count: rows.length, differences: { ...none(), surplus: deleted.length } };
  });
}

/** The record entries of some patients, whole: also those of Patients that are gone. */
async function records({ database, rules, questionnaire, dryRun, batch }: ReindexOptions, [after]: readonly string[]): Promise<Batch> {
  const patients = await database.query<{ rid: bigint; id: string | null }>(`
    select k.rid, (select r.id from resource r where r.rid = k.rid and r.live) as id
    from (select rid from ((select distinct patient as rid from record_entry where patient > $1::bigint order by patient limit $2)
      union (select rid from resource where live and type = 'Patient' and rid > $1::bigint order by rid limit $2)) both_of order by rid limit $2) k`, [after, Math.max(1, Math.floor(batch / 10))]);
  const rids = patients.map(({ rid }) => rid).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const last = rids.at(-1);
  if (last === undefined) return { after: null, count: 0, differences: none() };
  return transaction(database, dryRun, async (connection) => {
    if (!dryRun) await lock(connection, patients.flatMap(({ id }) => (id === null ? [] : [lockKey('patient', id)])));
    const rows = await connection.query<Stored>(`
      select type, id, version, rid, patient, body from resource where live and patient = any($1::bigint[]) and type = any($2::text[])`, [textArray(rids), [...recordTypes]]);
    const entries: (RecordEntry & { patient: bigint })[] = [];
    for (const { type, patient, body } of rows) {
      const resource = JSON.parse(body) as Resource;
      if (patient === null || kindsOf(type).length === 0 || !concernsRecord(resource, rules as OutcomeRules)) continue;
      const form = type === 'QuestionnaireResponse' ? await questionnaire(resource) : undefined;
      for (const entry of recordEntries(resource, { registry: rules.registry, ...(form === undefined ? {} : { questionnaire: form }) })) entries.push({ ...entry, patient });
    }
    const list = (pick: (entry: (typeof entries)[number]) => unknown): string => textArray(entries.map(pick));
    const differences = await corrected(connection, {
      table: 'record_entry', names: ['patient', 'kind', 'key', 'id', 'at', 'value', 'data'], types: ['bigint', 'text', 'text', 'text', 'timestamptz', 'numeric', 'text'],
      lists: [list((e) => e.patient), list((e) => e.kind), list((e) => e.key), list((e) => e.id), list((e) => e.at), list((e) => e.value), list((e) => e.data)],
      scope: 'patient', keys: textArray(rids),
    }, dryRun);
    return { after: [String(last)], count: rids.length, differences };
  });
}

const batches: Readonly<Record<Phase, (options: ReindexOptions, after: readonly string[]) => Promise<Batch>>> = { versions, resources, orphans, records };
