import type { IndexRows } from '../fhir/index-rows.ts';
import type { Lease } from './database.ts';
import type { AuditRow, Effects, IndexChange, Version } from './effects.ts';

/** Thrown when a live version was replaced by somebody else between reading and writing: the transaction runs again. */
export class Superseding extends Error {}

// Rows of `resource` go as scalar parameters in chunks of fixed size: few statement texts (so they stay prepared), and no
// array escaping of bodies, which costs twice the CPU in this process (libraries.md 4). Index rows are short: arrays.
const columns = 13;
const chunkSizes = [64, 32, 16, 8, 4, 2, 1];
const inserts = new Map(chunkSizes.map((size) => [size, insertVersions(size)]));

function insertVersions(rows: number): string {
  const groups: string[] = [];
  for (let row = 0; row < rows; row++) {
    groups.push(`(${Array.from({ length: columns }, (_, column) => `$${row * columns + column + 1}`).join(',')})`);
  }
  return `insert into resource (type, id, version, rid, live, method, restricted, patient, status, date_low, date_high, last_updated, body) values ${groups.join(',')}`;
}

const supersede = `
  update resource r set live = false
  from unnest($1::text[], $2::bigint[], $3::int[]) as s(type, rid, version)
  where r.type = s.type and r.rid = s.rid and r.live and r.version = s.version
  returning 1`;

/** The typed index tables: columns after `param`, their SQL types, and where a row of `IndexRows` keeps them. */
const tables: { [K in keyof IndexRows]: { columns: readonly [column: string, type: string, property: string][] } } = {
  token: { columns: [['code', 'text', 'code'], ['system', 'bigint', 'system']] },
  reference: { columns: [['target_id', 'text', 'targetId'], ['target_type', 'text', 'targetType']] },
  date: { columns: [['low', 'timestamptz', 'low'], ['high', 'timestamptz', 'high']] },
  string: { columns: [['value', 'text', 'value'], ['exact', 'text', 'exact']] },
  uri: { columns: [['value', 'text', 'value'], ['version', 'text', 'version']] },
  quantity: { columns: [['code', 'text', 'code'], ['system', 'bigint', 'system'], ['low', 'numeric', 'low'], ['high', 'numeric', 'high']] },
};
const kinds = Object.keys(tables) as (keyof IndexRows)[];

const indexInsert = new Map(kinds.map((kind) => {
  const names = tables[kind].columns.map(([column]) => column);
  const casts = tables[kind].columns.map(([, type], at) => `$${at + 4}::${type}[]`);
  return [kind, `insert into index_${kind} (param, rid, patient, ${names.join(', ')}) select * from unnest($1::int[], $2::bigint[], $3::bigint[], ${casts.join(', ')})`];
}));

const indexDelete = new Map(kinds.map((kind) => {
  const names = tables[kind].columns.map(([column]) => column);
  const casts = tables[kind].columns.map(([, type], at) => `$${at + 3}::${type}[]`);
  const same = names.map((name) => `i.${name} is not distinct from d.${name}`);
  // Equality on the leading key column lets the delete seek; "is not distinct from" alone cannot.
  const lead = names[0]!;
  return [kind, `delete from index_${kind} i using unnest($1::int[], $2::bigint[], ${casts.join(', ')}) as d(param, rid, ${names.join(', ')}) where i.param = d.param and i.rid = d.rid and i.${lead} = d.${lead} and ${same.join(' and ')}`];
}));

const sqlValue = (value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

/** A text array in PostgreSQL's input form. The driver's own escaping runs two regular expressions on every element. */
function textArray(values: readonly unknown[]): string {
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

function indexStatements(changes: readonly IndexChange[], side: 'added' | 'removed'): { text: string; values: unknown[] }[] {
  const statements: { text: string; values: unknown[] }[] = [];
  for (const kind of kinds) {
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
    if (params.length === 0) continue;
    const lists = side === 'added' ? [params, rids, patients, ...rest] : [params, rids, ...rest];
    statements.push({ text: (side === 'added' ? indexInsert : indexDelete).get(kind)!, values: lists.map(textArray) });
  }
  return statements;
}

function versionStatements(versions: readonly Version[]): { text: string; values: unknown[] }[] {
  const statements: { text: string; values: unknown[] }[] = [];
  let at = 0;
  for (const size of chunkSizes) {
    while (versions.length - at >= size) {
      const values: unknown[] = [];
      for (const v of versions.slice(at, at + size)) {
        values.push(v.type, v.id, v.version, sqlValue(v.rid), v.live, v.method, v.restricted, sqlValue(v.patient), v.status, v.dateLow, v.dateHigh, v.lastUpdated, v.body);
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
const entryInsert = `
  insert into record_entry (patient, kind, key, id, at, value, data)
  select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::numeric[], $7::text[])`;
const replayInsert = `
  insert into idempotency (client, key, body_hash, status, type, id, version)
  select * from unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::text[], $6::text[], $7::int[])`;
const auditInsert = `
  insert into audit_event (id, recorded, interaction, action, outcome, client, agent, patient, entity_type, entity_id, version, query, request_id, address)
  select id, clock_timestamp(), interaction, action, outcome, client, agent, patient, entity_type, entity_id, version, query, request_id, address
  from unnest($1::uuid[], $2::text[], $3::"char"[], $4::"char"[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::int[], $11::text[], $12::text[], $13::inet[])
    as a(id, interaction, action, outcome, client, agent, patient, entity_type, entity_id, version, query, request_id, address)`;

/** The statement that appends `rows` to the access log. */
export function auditStatement(rows: readonly AuditRow[]): { text: string; values: unknown[] } {
  const list = (pick: (row: AuditRow) => unknown): string => textArray(rows.map(pick));
  return {
    text: auditInsert,
    values: [
      list((row) => row.id), list((row) => row.interaction), list((row) => row.action), list((row) => row.outcome), list((row) => row.client),
      list((row) => row.agent), list((row) => row.patient), list((row) => row.entityType), list((row) => row.entityId), list((row) => row.version),
      list((row) => row.query), list((row) => row.requestId), list((row) => row.address),
    ],
  };
}

function entryStatements(effects: Effects): { text: string; values: unknown[] }[] {
  const gone: { patient: bigint; kind: string; id: string }[] = [];
  const added: { patient: bigint; kind: string; key: string; id: string; at: string | null; value: unknown; data: string }[] = [];
  for (const { patient, id, kinds: entryKinds, entries, replaces } of effects.entries) {
    if (replaces) for (const kind of entryKinds) gone.push({ patient, kind, id });
    for (const entry of entries) added.push({ ...entry, patient });
  }
  const statements: { text: string; values: unknown[] }[] = [];
  if (gone.length > 0) {
    statements.push({ text: entryDelete, values: [textArray(gone.map((e) => e.patient)), textArray(gone.map((e) => e.kind)), textArray(gone.map((e) => e.id))] });
  }
  if (added.length > 0) {
    statements.push({
      text: entryInsert,
      values: [
        textArray(added.map((e) => e.patient)), textArray(added.map((e) => e.kind)), textArray(added.map((e) => e.key)), textArray(added.map((e) => e.id)),
        textArray(added.map((e) => e.at)), textArray(added.map((e) => e.value)), textArray(added.map((e) => e.data)),
      ],
    });
  }
  return statements;
}

/** All statements that put `effects` into the store, in the order in which they must run. */
function statementsOf(effects: Effects): { text: string; values: unknown[] }[] {
  const { replays } = effects;
  return [
    ...versionStatements(effects.versions),
    ...indexStatements(effects.index, 'removed'),
    ...indexStatements(effects.index, 'added'),
    ...entryStatements(effects),
    ...(replays.length === 0 ? [] : [{
      text: replayInsert,
      values: [
        textArray(replays.map((r) => r.client)), textArray(replays.map((r) => r.key)), textArray(replays.map((r) => `\\x${r.bodyHash.toString('hex')}`)),
        textArray(replays.map((r) => r.status)), textArray(replays.map((r) => r.type)), textArray(replays.map((r) => r.id)), textArray(replays.map((r) => r.version)),
      ],
    }]),
    ...(effects.audit.length === 0 ? [] : [auditStatement(effects.audit)]),
  ];
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
