import { createHash, randomBytes } from 'node:crypto';
import type { IndexRows } from '../fhir/index-rows.ts';
import type { Lease } from './database.ts';
import type { AuditRow, Effects, IndexChange, Version } from './effects.ts';
import { publication } from './load.ts';

/** Thrown when a live version was replaced by somebody else between reading and writing: the transaction runs again. */
export class Superseding extends Error {}

// Rows of `resource` go as scalar parameters in chunks of fixed size: few statement texts (so they stay prepared), and no
// array escaping of bodies, which costs twice the CPU in this process (libraries.md 4). Index rows are short: arrays.
const columns = 14;
const chunkSizes = [64, 32, ...Array.from({ length: 16 }, (_, at) => 16 - at)];
const inserts = new Map(chunkSizes.map((size) => [size, insertVersions(size)]));

function insertVersions(rows: number): string {
  const groups: string[] = [];
  for (let row = 0; row < rows; row++) {
    groups.push(`(${Array.from({ length: columns }, (_, column) => `$${row * columns + column + 1}`).join(',')})`);
  }
  return `insert into resource (type, id, version, rid, live, method, restricted, private, patient, status, date_low, date_high, last_updated, body) values ${groups.join(',')}`;
}

const supersede = `
  update resource r set live = false
  from unnest($1::text[], $2::bigint[], $3::int[]) as s(type, rid, version)
  where r.type = s.type and r.rid = s.rid and r.live and r.version = s.version
  returning 1`;

/** The typed index tables: columns after `param`, their SQL types, where a row of `IndexRows` keeps them, and the columns that lead to `rid` in the index. */
export const tables: { [K in keyof IndexRows]: { columns: readonly [column: string, type: string, property: string][]; seek: readonly string[] } } = {
  token: { columns: [['code', 'text', 'code'], ['system', 'bigint', 'system']], seek: ['code'] },
  reference: { columns: [['target_id', 'text', 'targetId'], ['target_type', 'text', 'targetType']], seek: ['target_id'] },
  date: { columns: [['low', 'timestamptz', 'low'], ['high', 'timestamptz', 'high']], seek: ['low'] },
  string: { columns: [['value', 'text', 'value'], ['exact', 'text', 'exact']], seek: ['value'] },
  uri: { columns: [['value', 'text', 'value'], ['version', 'text', 'version']], seek: ['value'] },
  quantity: { columns: [['code', 'text', 'code'], ['system', 'bigint', 'system'], ['low', 'numeric', 'low'], ['high', 'numeric', 'high']], seek: ['code', 'low'] },
};
export const kinds = Object.keys(tables) as (keyof IndexRows)[];

const indexDelete = new Map(kinds.map((kind) => {
  const names = tables[kind].columns.map(([column]) => column);
  const casts = tables[kind].columns.map(([, type], at) => `$${at + 3}::${type}[]`);
  const same = names.map((name) => `i.${name} is not distinct from d.${name}`);
  // Equality on the key columns before rid lets the delete seek; "is not distinct from" cannot, and with `low` left out
  // every threshold of the same instrument was visited (28,000 pages for one amended response).
  const seek = tables[kind].seek.map((name) => `i.${name} = d.${name}`);
  return [kind, `delete from index_${kind} i using unnest($1::int[], $2::bigint[], ${casts.join(', ')}) as d(param, rid, ${names.join(', ')}) where i.param = d.param and i.rid = d.rid and ${[...seek, ...same].join(' and ')}`];
}));

const sqlValue = (value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

/** A text array in PostgreSQL's input form. The driver's own escaping runs two regular expressions on every element. */
export function textArray(values: readonly unknown[]): string {
  let text = '{';
  for (let at = 0; at < values.length; at++) {
    if (at > 0) text += ',';
    const value = values[at];
    if (value === null || value === undefined) text += 'NULL';
    else if (typeof value === 'bigint' || typeof value === 'number') text += value;
    else text += plain.test(value as string) ? `"${value as string}"` : `"${(value as string).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  }
  return `${text}}`;
}
const plain = /^[^"\\]*$/;

/** One list a column: `param`, `rid` and, for insertion, `patient`, then what the kind of index has. */
export function indexLists(changes: readonly IndexChange[], side: 'added' | 'removed', kind: keyof IndexRows): string[] | null {
  const params: number[] = [];
  const rids: bigint[] = [];
  const patients: (bigint | null)[] = [];
  const rest: unknown[][] = tables[kind].columns.map(() => []);
  for (const change of changes) {
    for (const row of change[side][kind] as unknown as Record<string, unknown>[]) {
      params.push(row['param'] as number);
      rids.push(change.rid);
      patients.push(change.patient);
      tables[kind].columns.forEach(([, , property], at) => rest[at]!.push(row[property]));
    }
  }
  if (params.length === 0) return null;
  return (side === 'added' ? [params, rids, patients, ...rest] : [params, rids, ...rest]).map(textArray);
}

function versionStatements(versions: readonly Version[]): { text: string; values: unknown[] }[] {
  const statements: { text: string; values: unknown[] }[] = [];
  let at = 0;
  for (const size of chunkSizes) {
    while (versions.length - at >= size) {
      const values: unknown[] = [];
      for (const v of versions.slice(at, at + size)) {
        values.push(v.type, v.id, v.version, sqlValue(v.rid), v.live, v.method, v.restricted, v.private, sqlValue(v.patient), v.status, v.dateLow, v.dateHigh, v.lastUpdated, v.body);
      }
      statements.push({ text: inserts.get(size)!, values });
      at += size;
    }
  }
  return statements;
}

const entryDelete = `
  delete from record_entry e using unnest($1::bigint[], $2::text[], $3::text[]) as d(patient, kind, id)
  where e.patient = d.patient and e.kind = d.kind and e.id = d.id`;

/** What one statement appends: a table, its columns with their types, how to fill one that no list gives, and a query that this names. */
interface Appended { readonly table: string; readonly columns: readonly (readonly [name: string, type: string])[]; readonly filled?: readonly [name: string, expression: string]; readonly before?: string }

const appendedIndex = new Map(kinds.map((kind): [string, Appended] => [kind, {
  table: `index_${kind}`, columns: [['param', 'int'], ['rid', 'bigint'], ['patient', 'bigint'], ...tables[kind].columns.map(([name, type]) => [name, type] as const)],
}]));
const appendedEntries: Appended = { table: 'record_entry', columns: [['patient', 'bigint'], ['kind', 'text'], ['key', 'text'], ['id', 'text'], ['at', 'timestamptz'], ['value', 'numeric'], ['data', 'text']] };
const appendedReplays: Appended = { table: 'idempotency', columns: [['client', 'text'], ['key', 'text'], ['body_hash', 'bytea'], ['status', 'smallint'], ['type', 'text'], ['id', 'text'], ['version', 'int']] };
const appendedAudit: Appended = {
  table: 'audit_event', filled: ['recorded', 'clock_timestamp()'],
  columns: [['id', 'uuid'], ['interaction', 'text'], ['action', '"char"'], ['outcome', '"char"'], ['client', 'text'], ['agent', 'text'], ['patient', 'bigint'], ['entity_type', 'text'], ['entity_id', 'text'], ['version', 'int'], ['query_digest', 'bytea'], ['request_id', 'text'], ['address', 'inet'], ['purpose', 'text']],
};
/** As `appendedAudit`, in a transaction of its own: the time is read after it was published that one will be (see `commitHorizon`). */
const appendedAuditAlone: Appended = {
  ...appendedAudit, before: `published as materialized (${publication})`, filled: ['recorded', '(select case when published > 0 then clock_timestamp() end from published)'],
};
const appendedQueries: Appended = { table: 'audit_query', columns: [['event', 'uuid'], ['salt', 'bytea'], ['query', 'text']] };

/** Lists for one table: as many as it has columns, each in PostgreSQL's input form of an array. */
interface Appending { readonly into: Appended; readonly lists: readonly string[] }

const statements = new Map<string, string>();

/**
 * One statement that appends to several tables. Each table would be a statement of its own, but a statement costs this
 * process and PostgreSQL about 20 microseconds apart from its rows, and a scored response has seven of them.
 */
function appendStatement(parts: readonly Appending[]): { text: string; values: unknown[] } {
  const key = parts.map(({ into }) => `${into.table}${into.before ?? ''}`).join(' ');
  let text = statements.get(key);
  if (text === undefined) {
    let at = 0;
    const inserts = parts.map(({ into: { table, columns: list, filled } }) => {
      const names = list.map(([name]) => name).join(', ');
      const arrays = list.map(([, type]) => `$${(at += 1)}::${type}[]`).join(', ');
      return `insert into ${table} (${names}${filled === undefined ? '' : `, ${filled[0]}`}) select ${names}${filled === undefined ? '' : `, ${filled[1]}`} from unnest(${arrays}) as t(${names})`;
    });
    const last = inserts.pop()!;
    const first = [...parts.flatMap(({ into }) => into.before ?? []), ...inserts.map((insert, n) => `a${n} as (${insert})`)];
    text = first.length === 0 ? last : `with ${first.join(', ')} ${last}`;
    statements.set(key, text);
  }
  return { text, values: parts.flatMap(({ lists }) => lists) };
}

const bytes = (value: Buffer | null): string | null => (value === null ? null : `\\x${value.toString('hex')}`);

/** What `rows` add to the access log: the text of a query goes beside its row, which keeps only a digest that cannot be guessed back. */
function auditParts(rows: readonly AuditRow[], into: Appended): Appending[] {
  const queries = rows.flatMap(({ id, query }) => (query === null ? [] : [{ id, query, salt: randomBytes(16) }]));
  const digests = new Map(queries.map(({ id, query, salt }) => [id, createHash('sha256').update(salt).update(query).digest()]));
  const list = (pick: (row: AuditRow) => unknown): string => textArray(rows.map(pick));
  const event = { into, lists: [
    list((row) => row.id), list((row) => row.interaction), list((row) => row.action), list((row) => row.outcome), list((row) => row.client),
    list((row) => row.agent), list((row) => row.patient), list((row) => row.entityType), list((row) => row.entityId), list((row) => row.version),
    list((row) => bytes(digests.get(row.id) ?? null)), list((row) => row.requestId), list((row) => row.address), list((row) => row.purpose),
  ] };
  if (queries.length === 0) return [event];
  return [{ into: appendedQueries, lists: [textArray(queries.map(({ id }) => id)), textArray(queries.map(({ salt }) => bytes(salt))), textArray(queries.map(({ query }) => query))] }, event];
}

/** The statement that appends `rows` to the access log in a transaction of its own. */
export const auditStatement = (rows: readonly AuditRow[]): { text: string; values: unknown[] } => appendStatement(auditParts(rows, appendedAuditAlone));

function entryLists(effects: Effects): string[] | null {
  const added = effects.entries.flatMap(({ patient, entries }) => entries.map((entry) => ({ ...entry, patient })));
  if (added.length === 0) return null;
  const list = (pick: (entry: (typeof added)[number]) => unknown): string => textArray(added.map(pick));
  return [list((e) => e.patient), list((e) => e.kind), list((e) => e.key), list((e) => e.id), list((e) => e.at), list((e) => e.value), list((e) => e.data)];
}

function replayLists({ replays }: Effects): string[] | null {
  if (replays.length === 0) return null;
  const list = (pick: (replay: (typeof replays)[number]) => unknown): string => textArray(replays.map(pick));
  return [list((r) => r.client), list((r) => r.key), list((r) => bytes(r.bodyHash)), list((r) => r.status), list((r) => r.type), list((r) => r.id), list((r) => r.version)];
}

/** Deletions come first: an insertion may bring back a row that one of them takes away. */
function removals(effects: Effects): { text: string; values: unknown[] }[] {
  const found = kinds.flatMap((kind) => {
    const lists = indexLists(effects.index, 'removed', kind);
    return lists === null ? [] : [{ text: indexDelete.get(kind)!, values: lists as unknown[] }];
  });
  const gone = effects.entries.filter(({ replaces }) => replaces).flatMap(({ patient, id, kinds: entryKinds }) => entryKinds.map((kind) => ({ patient, kind, id })));
  if (gone.length > 0) found.push({ text: entryDelete, values: [textArray(gone.map((e) => e.patient)), textArray(gone.map((e) => e.kind)), textArray(gone.map((e) => e.id))] });
  return found;
}

/** All statements that put `effects` into the store, in the order in which they must run. */
function statementsOf(effects: Effects): { text: string; values: unknown[] }[] {
  const parts: Appending[] = [];
  const append = (into: Appended, lists: readonly string[] | null): void => { if (lists !== null) parts.push({ into, lists }); };
  for (const kind of kinds) append(appendedIndex.get(kind)!, indexLists(effects.index, 'added', kind));
  append(appendedEntries, entryLists(effects));
  append(appendedReplays, replayLists(effects));
  if (effects.audit.length > 0) parts.push(...auditParts(effects.audit, appendedAudit));
  return [...versionStatements(effects.versions), ...removals(effects), ...(parts.length === 0 ? [] : [appendStatement(parts)])];
}

/**
 * Writes `effects` on an open transaction; all statements travel together and `last` (COMMIT, where given) with them.
 * @throws Superseding when a version to be superseded is no longer the live one; pg errors as they come.
 */
export async function writeEffects(connection: Lease, effects: Effects, last?: string): Promise<void> {
  const { superseded } = effects;
  if (superseded.length > 0) {
    const rows = await connection.query(supersede, [
      textArray(superseded.map((s) => s.type)), textArray(superseded.map((s) => s.rid)), textArray(superseded.map((s) => s.version)),
    ]);
    if (rows.length !== superseded.length) throw new Superseding('a version was superseded meanwhile');
  }
  const results = await Promise.allSettled(connection.together(() => {
    const sent: Promise<unknown>[] = statementsOf(effects).map(({ text, values }) => connection.query(text, values));
    if (last !== undefined) sent.push(connection.query(last));
    return sent;
  }));
  // The first failure is the cause; what follows it only says that the transaction is aborted.
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
