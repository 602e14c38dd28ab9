import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { openDatabase, type Connection, type Database } from '../../src/store/database.ts';
import { inspectStore } from '../kit/consistency.ts';
import { Ledger } from '../kit/ledger.ts';
import { Program } from './running.ts';
import { sequence, Writer, type Address } from './writers.ts';

t.setTimeout(3_600_000); // each wait has its own limit

/** Kills of the service, of PostgreSQL and of both in turn. KILLS=50 for a longer run. */
const kills = Number(process.env['KILLS'] ?? 8);
const clients = 16;
const order = ['service', 'postgres', 'both'] as const;

/** Posts a Patient through the ledger, again and again until it is settled. */
async function patient(ledger: Ledger, address: Address, id: string): Promise<void> {
  const operation = ledger.intend('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
  while ((await ledger.attempt(operation, address.base, address.token)).outcome !== 'acked') await delay(50);
}

/** Both judgements: what the clients know against the store, and the store against itself. */
async function judge(ledger: Ledger, connection: Connection): Promise<{ counts: Record<string, number>; wrong: Record<string, number>; examples: readonly string[] }> {
  const { examples: ofLedger, operations, acked, refused, indeterminate, converged, ...ledgerCounts } = await ledger.examine(connection);
  const { examples: ofStore, ...storeCounts } = await inspectStore(connection);
  return { counts: { operations, acked, refused, indeterminate, converged }, wrong: { ...ledgerCounts, ...storeCounts }, examples: [...ofLedger, ...ofStore] };
}

const nothing = { failed: 0, lost: 0, altered: 0, phantom: 0, duplicated: 0, unaudited: 0, versions: 0, index: 0, entries: 0, derived: 0, alerts: 0, provenance: 0, orphans: 0 };

async function kill(program: Program, what: (typeof order)[number]): Promise<void> {
  program.kill(what);
  if (what === 'postgres') {
    await delay(100);
    return program.ready(); // the service starts it again by itself
  }
  await program.ended();
  return program.start();
}

t.test(`${clients} clients write through ${kills} kills, and afterwards the store holds exactly what they know`, async (t) => {
  // Without jobs: what they write belongs to no request, and the ledger knows of requests only.
  const program = await Program.begin(t, { JOBS: 'false' });
  const address: Address = { base: program.base, token: await program.token() };
  const ledger = new Ledger();
  const patients = Array.from({ length: 12 }, (_, n) => `p${n}`);
  await Promise.all(patients.map((id) => patient(ledger, address, id)));
  const stop = new AbortController();
  const running = Promise.all(Array.from({ length: clients }, (_, n) => new Writer(ledger, address, n, patients).run(stop.signal)));
  const next = sequence(kills);
  for (let n = 0; n < kills; n++) {
    await delay(300 + next(1200));
    await kill(program, order[n % order.length]!);
    address.token = await program.token();
  }
  await delay(500);
  stop.abort();
  await running;
  await kill(program, 'both'); // what was acknowledged last must be there after a recovery too

  const database = openDatabase({ url: program.databaseUrl, connections: 2, namedStatements: false, statementTimeoutMs: 60_000 });
  t.teardown(async () => { if (!database.pool.ended) await database.close(); });
  const { counts, wrong, examples } = await judge(ledger, database);
  t.same(wrong, nothing, examples.join('\n'));
  t.comment(JSON.stringify(counts));
  t.equal(counts['indeterminate'], 0, 'every write that was uncertain for a while was settled by repeating it');
  t.ok(counts['acked']! > 20 * kills && counts['refused']! > 0 && counts['converged']! > 0, 'and there were some of each');

  await t.test('a store that is broken on purpose is noticed: otherwise the zeros above say nothing', (t) => controls(t, ledger, database));
  program.signal('SIGTERM');
  await database.close();
  t.match(await program.ended(), { code: 0 });
});

/** What is broken, and the counts that must notice. */
const broken: readonly (readonly [what: string, sql: string, ...noticed: (keyof typeof nothing)[]])[] = [
  ['a score is gone', `delete from resource where ctid in (select ctid from resource where type = 'Observation' and version = 1 and live and body like '%/fhir/score"%' limit 1)`, 'derived', 'index'],
  ['a score has another value', `update resource set body = regexp_replace(body, '"valueInteger":\\d+', '"valueInteger":99') where ctid in (select ctid from resource where type = 'Observation' and live and status <> 'entered-in-error' and body like '%/fhir/score"%valueInteger%' limit 1)`, 'derived'],
  ['a row of an index is gone', `delete from index_token where ctid in (select ctid from index_token limit 1)`, 'index'],
  ['a row of an index is there twice', `insert into index_date select * from index_date limit 1`, 'index'],
  ['a row of the access log is gone', `delete from audit_event where ctid in (select ctid from audit_event where interaction = 'create' limit 1)`, 'unaudited'],
  ['a row of the access log is about nothing', `insert into audit_event (id, recorded, interaction, action, outcome, client, patient, entity_type, entity_id, version, request_id) select gen_random_uuid(), recorded, interaction, action, outcome, client, patient, entity_type, entity_id, version, 'unheard' from audit_event where interaction = 'create' limit 1`, 'unaudited'],
  ['an entry of a record is gone', `delete from record_entry where ctid in (select ctid from record_entry where kind = 'score' limit 1)`, 'entries'],
  ['an acknowledged response is gone', `delete from resource where ctid in (select ctid from resource where type = 'QuestionnaireResponse' and version = 1 and live limit 1)`, 'lost'],
  ['a response is there twice', `insert into resource select (jsonb_populate_record(r, jsonb_build_object('id', 'twin', 'rid', nextval('rid'), 'body', replace(body, id, 'twin')))).* from resource r where type = 'QuestionnaireResponse' and version = 1 and live limit 1`, 'duplicated'],
  ['a version is missing', `delete from resource where ctid in (select ctid from resource where version = 1 and not live limit 1)`, 'versions'],
  ['an alert is gone', `delete from resource where type = 'Flag' and ctid in (select ctid from resource where type = 'Flag' and version = 1 and body like '%"phq-9-item-9"%' limit 1)`, 'alerts'],
  ['a Provenance is gone', `delete from resource where ctid in (select ctid from resource where type = 'Provenance' and body like '%Observation/%' limit 1)`, 'provenance'],
];

async function controls(t: Pick<typeof import('tap').default, 'ok'>, ledger: Ledger, database: Database): Promise<void> {
  for (const [what, sql, ...noticed] of broken) {
    const connection = await database.lease();
    await connection.query('begin');
    await connection.query(sql);
    const { wrong } = await judge(ledger, connection);
    await connection.query('rollback');
    connection.release();
    t.ok(noticed.every((kind) => wrong[kind]! > 0), `${what}: ${JSON.stringify(Object.fromEntries(Object.entries(wrong).filter(([, count]) => count > 0)))}`);
  }
  const unheard = ledger.operations.find(({ attempts }) => attempts.length === 1 && attempts[0]!.outcome === 'acked')!;
  unheard.attempts[0]!.outcome = 'refused';
  const { wrong } = await judge(ledger, database);
  unheard.attempts[0]!.outcome = 'acked';
  t.ok(wrong['phantom'] === 1, 'a refused write that is stored');
}
