import { randomBytes } from 'node:crypto';
import t from 'tap';
import { Problem } from '../../src/fhir/outcome.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Visibility } from '../../src/fhir/visibility.ts';
import { statusOf } from '../../src/http/respond.ts';
import { Committer } from '../../src/store/commit.ts';
import { openDatabase, type Database, type Lease } from '../../src/store/database.ts';
import { isRetryable, problemOf } from '../../src/store/errors.ts';
import { lockKey, RidBlocks } from '../../src/store/identity.ts';
import type { Unit, WriteRequest, Written } from '../../src/store/unit.ts';
import { textArray } from '../../src/store/write.ts';
import { inspectStore, tableCounts } from '../kit/consistency.ts';
import { testDatabase, type Ending } from '../kit/database.ts';
import { phq9, registry, totalling } from '../kit/record.ts';

const everything: Visibility = { caller: 'test', reach: { kind: 'all' }, restricted: true, grants: new Map(servedTypes.map((type) => [type, new Set(['c', 'r', 'u', 'd', 's'] as const)])) };
const unit = (...writes: WriteRequest[]): Unit => ({ writes, visibility: everything, requester: { client: 'test', requestId: 'r' }, interaction: 'update' });
const put = (resource: Resource, ifMatch?: number): WriteRequest =>
  ({ kind: 'update', type: resource.resourceType, id: resource.id!, incoming: { value: resource, stored: resource }, ...(ifMatch === undefined ? {} : { ifMatch }) });
const create = (resource: Resource): WriteRequest => ({ kind: 'create', type: resource.resourceType, id: resource.id!, incoming: { value: resource, stored: resource } });
const patient = (id: string, birthDate = '1990-01-01'): Resource => ({ resourceType: 'Patient', id, birthDate });
const response = (id: string, of: string, scores = totalling(9)): Resource => phq9(id, '2026-01-05T10:00:00Z', scores, { subject: { reference: `Patient/${of}` } });

/** What a fault does instead of, before or after a statement of a transaction. */
type Fault = (text: string, run: () => Promise<any[]>, connection: Lease) => Promise<any[]>;

/** A committer whose transactions run through `fault`; batches are counted. */
function committer(database: Database, fault: Fault = (_text, run) => run(), more: { lanes?: number; queueLimit?: number } = {}): { committer: Committer; batches: number[]; refused: number[] } {
  const batches: number[] = [], refused: number[] = [];
  const faulty: Database = {
    ...database,
    async lease() {
      const lease = await database.lease();
      return { ...lease, query: (text, values, plan) => fault(text, () => lease.query(text, values, plan), lease) as Promise<any[]> };
    },
  };
  return { batches, refused, committer: new Committer({ database: faulty, rules: { registry, device: 'Device/d' }, lanes: more.lanes ?? 1, queueLimit: more.queueLimit ?? 100, observer: { batch: (units) => batches.push(units), full: () => refused.push(1) } }) };
}

/** A fault that happens the first time a statement begins with `start`. */
function once(start: string, fault: Fault): Fault {
  let done = false;
  return (text, run, connection) => {
    if (done || !text.trimStart().startsWith(start)) return run();
    done = true;
    return fault(text, run, connection);
  };
}

/** Fails in the server, in the order of the statements: what is sent after it meets an aborted transaction. */
const failing = (code: string): Fault => (_text, _run, connection) => connection.query(`do $$ begin raise exception using errcode = '${code}'; end $$`);
const lost = (): Error => new Error('Connection terminated unexpectedly');
const versions = async (database: Database, type: string, id: string): Promise<number> => (await database.query(`select 1 from resource where type = $1 and id = $2`, [type, id])).length;

/** `created`, `updated` ... or the kind of the Problem. */
const outcomes = async (promises: readonly Promise<Written[]>[]): Promise<string[]> => (await Promise.allSettled(promises)).map((result) =>
  (result.status === 'fulfilled' ? result.value[0]!.outcome : result.reason instanceof Problem ? result.reason.kind : `defect: ${(result.reason as Error).message}`));

async function store(t: Ending, connections = 6): Promise<Database> {
  const { database } = await testDatabase(t, { connections });
  await committer(database).committer.commit(unit(put(patient('p1')), put(patient('p2'))));
  return database;
}

/** Asserts that nothing in the store contradicts anything else. */
async function consistent(t: Pick<typeof import('tap').default, 'ok'>, database: Database): Promise<void> {
  const { examples, ...counts } = await inspectStore(database);
  t.ok(Object.values(counts).every((count) => count === 0), `the store is consistent: ${JSON.stringify(counts)} ${examples.join('; ')}`);
}

t.test('a unit that is refused is left out of its batch, and the others are stored', async (t) => {
  const database = await store(t);
  const { committer: store1, batches } = committer(database);
  const found = await outcomes(Array.from({ length: 8 }, (_, at) => store1.commit(unit(put(patient(`b${at}`), at === 3 ? 7 : undefined)))));
  t.same(batches, [8], 'one transaction for all of them');
  t.same(found, ['created', 'created', 'created', 'precondition-failed', 'created', 'created', 'created', 'created']);
  t.equal(await versions(database, 'Patient', 'b3'), 0);
  await consistent(t, database);
});

t.test('a unit that the database itself refuses breaks the transaction, and only that unit fails', async (t) => {
  const database = await store(t);
  const { committer: store1, batches } = committer(database);
  const tooLong = randomBytes(12_000).toString('base64url'); // more than an index entry can hold
  const found = await outcomes(['c0', 'c1', tooLong, 'c3'].map((id) => store1.commit(unit(put(patient(id))))));
  t.same(batches, [4, 1, 1, 1, 1]);
  t.same(found.map((outcome) => outcome.slice(0, 6)), ['create', 'create', 'defect', 'create']);
  for (const id of ['c0', 'c1', 'c3']) t.equal(await versions(database, 'Patient', id), 1);
  await consistent(t, database);
});

t.test('what a unit is told is what the transaction that committed decided, also when an earlier attempt decided otherwise', async (t) => {
  const database = await store(t);
  const other = committer(database).committer;
  const { committer: store1 } = committer(database, once('insert into', failing('40001')));
  // While the first attempt is rolled back another process writes the version that the refused unit waited for.
  let moved = false;
  const { committer: racing } = committer(database, async (text, run, connection) => {
    if (!moved && text === 'rollback') {
      const rows = await run();
      moved = true;
      await other.commit(unit(put(patient('p1', '1991-01-01'))));
      return rows;
    }
    if (!moved && text.startsWith('insert into resource')) return failing('40001')(text, run, connection);
    return run();
  });
  t.same(await outcomes([store1.commit(unit(put(patient('x1'))))]), ['created'], 'a serialization failure is tried again');
  const [guarded, free] = await outcomes([racing.commit(unit(put(patient('p1', '1992-01-01'), 2))), racing.commit(unit(put(patient('x2'))))]);
  t.equal(free, 'created');
  t.equal(await versions(database, 'Patient', 'p1'), guarded === 'updated' ? 3 : 2, `told "${guarded}", and so it is`);
  await consistent(t, database);
});

t.test('a COMMIT whose answer is lost is indeterminate for every unit of the batch, and repeating converges', async (t) => {
  const database = await store(t);
  const identified = (n: number): Resource => ({ ...response(`q${n}-${randomBytes(4).toString('hex')}`, `p${n}`), identifier: { system: 'urn:app', value: `lost-${n}` } });
  const cut = new WeakSet<Lease>();
  const { committer: store1 } = committer(database, async (text, run, connection) => {
    if (cut.has(connection)) throw lost();
    if (text !== 'commit') return run();
    await run();
    cut.add(connection);
    throw lost(); // this connection is gone; the next one works
  });
  await committer(database).committer.commit(unit(put(patient('p3'))));
  const amended = unit(put(patient('p3', '1999-01-01'), 1));
  const lostUnits = [...[1, 2].map((n) => unit(create(identified(n)))), amended];
  t.same(await outcomes(lostUnits.map((each) => store1.commit(each))), ['unavailable', 'unavailable', 'unavailable'], '503, never a refusal: all are stored');
  t.equal(await versions(database, 'Patient', 'p3'), 2);
  const { committer: again } = committer(database);
  t.same(await outcomes([1, 2].map((n) => again.commit(unit(create(identified(n)))))), ['existing', 'existing']);
  for (const n of [1, 2]) t.equal((await database.query(`select 1 from index_token where code = $1`, [`lost-${n}`])).length, 1);
  await consistent(t, database);
});

t.test('a connection that PostgreSQL ends in the middle is 503; nothing is stored, and the next attempt is', async (t) => {
  const database = await store(t);
  for (const at of ['insert into', 'commit', 'begin', 'update resource']) {
    const before = await tableCounts(database);
    const { committer: store1 } = committer(database, once(at, (_text, run, connection) => {
      void connection.query('select pg_terminate_backend(pg_backend_pid())').catch(() => {}); // in the order of the statements
      return run();
    }));
    const resource = patient('p2', `19${70 + at.length}-01-01`);
    t.same(await outcomes([store1.commit(unit(put(resource)))]), ['unavailable'], `before ${at}`);
    t.same(await tableCounts(database), before);
    t.same(await outcomes([store1.commit(unit(put(resource)))]), ['updated']);
  }
  await consistent(t, database);
});

t.test('more waiting writes than the queue holds are refused with 503 and Retry-After at once; those that wait are stored', async (t) => {
  const database = await store(t);
  const { committer: store1, refused } = committer(database, undefined, { queueLimit: 4 });
  const blocker = await database.lease();
  await blocker.query('begin');
  await blocker.query('select pg_advisory_xact_lock($1)', [lockKey('patient', 'p1').toString()]);
  const first = store1.commit(unit(put(patient('p1', '1990-02-01'))));
  await new Promise((settle) => { setTimeout(settle, 50); });
  const waiting = Array.from({ length: 3 }, (_, at) => store1.commit(unit(put(patient(`w${at}`)))));
  try {
    await store1.commit(unit(put(patient('w9'))));
    t.fail('the queue is full');
  } catch (error) {
    t.ok(error instanceof Problem);
    t.equal(statusOf(error as Problem), 503);
    t.equal((error as Problem).headers['retry-after'], '1');
  }
  t.same(store1.load, { running: 1, waiting: 3 });
  // Answers of clients are shed last: there may be a call for help among them.
  const answers = Array.from({ length: 2 }, async (_, at) => store1.commit(unit(create({ resourceType: 'QuestionnaireResponse', id: `a${at}`, status: 'completed', subject: { reference: 'Patient/p1' }, authored: '2025-01-01' }))));
  t.same(await outcomes([answers[1]!]), ['unavailable'], 'only so many of them either');
  t.equal(refused.length, 2, 'each is counted');
  await blocker.query('rollback');
  blocker.release();
  t.same(await outcomes([first, ...waiting, answers[0]!]), ['updated', 'created', 'created', 'created', 'created']);
  t.equal(await versions(database, 'Patient', 'w9'), 0);
  t.same(store1.load, { running: 0, waiting: 0 });
});

t.test('a statement that takes too long is 503 and leaves nothing', async (t) => {
  const { url } = await testDatabase(t);
  const quick = openDatabase({ url, connections: 3, namedStatements: true, statementTimeoutMs: 200 });
  t.teardown(() => quick.close());
  const { committer: store1 } = committer(quick, once('insert into', async (_text, run, connection) => { await connection.query('select pg_sleep(2)'); return run(); }));
  t.same(await outcomes([store1.commit(unit(put(patient('s1'))))]), ['too-costly']);
  t.equal(await versions(quick, 'Patient', 's1'), 0);
  t.same(await outcomes([store1.commit(unit(put(patient('s1'))))]), ['created']);
});

t.test('the last entry of a transaction that is refused takes all of it back, in every table', async (t) => {
  const database = await store(t);
  const { committer: store1 } = committer(database);
  const before = await tableCounts(database);
  const goal: Resource = { resourceType: 'Goal', id: 'g1', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/p1' }, target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailQuantity: { value: 9, comparator: '<=' } }] };
  const writes = [put(patient('t1')), create(response('t-a', 'p1', totalling(20, 3))), create(response('t-b', 'p2')), create(goal), put(patient('p1', '2000-01-01'), 9)];
  t.same(await outcomes([store1.commit(unit(...writes))]), ['precondition-failed']);
  t.same(await tableCounts(database), before);
  const broken = committer(database, (text, run, connection) => (text === 'commit' ? failing('53100')(text, run, connection) : run())).committer;
  t.same(await outcomes([broken.commit(unit(...writes.slice(0, 4)))]), ['unavailable'], 'a full disk is 503');
  t.same(await tableCounts(database), before);
  t.same(await outcomes([store1.commit(unit(...writes.slice(0, 4)))]), ['created']);
  await consistent(t, database);
});

t.test('a version that somebody replaced after it was read is noticed, and the unit is decided again', async (t) => {
  const database = await store(t);
  const { committer: store1, batches } = committer(database, once('update resource', async (_text, run) => {
    // Somebody who does not take the locks.
    await database.query(`update resource set live = false where type = 'Patient' and id = 'p1'`);
    await database.query(`insert into resource (type, id, version, rid, live, method, patient, last_updated, body) select type, id, 2, rid, true, 'U', patient, last_updated + interval '1 second', replace(body, '"versionId":"1"', '"versionId":"2"') from resource where type = 'Patient' and id = 'p1'`);
    return run();
  }));
  const [written] = await store1.commit(unit(put(patient('p1', '1999-01-01'))));
  t.match(written, { outcome: 'updated', version: 3 });
  t.same(batches, [1], 'within the same turn');
  const always = committer(database, (text, run) => (text.trimStart().startsWith('update resource') ? Promise.resolve([]) : run())).committer;
  t.same(await outcomes([always.commit(unit(put(patient('p1', '1998-01-01'))))]), ['conflict'], 'in vain six times: 409, to be repeated');
  t.equal(await versions(database, 'Patient', 'p1'), 3);
});

t.test('a deletion that was looked up before the resource came into a record does not leave its scores behind', async (t) => {
  const database = await store(t);
  const { committer: store1 } = committer(database);
  await store1.commit(unit(create(response('late', 'p1'))));
  const [outcome] = await outcomes([store1.commit(unit({ kind: 'delete', type: 'QuestionnaireResponse', id: 'late', patient: null }))]);
  t.equal(outcome, 'conflict', 'the client is asked to repeat');
  await consistent(t, database);
  t.same(await outcomes([store1.commit(unit({ kind: 'delete', type: 'QuestionnaireResponse', id: 'late', patient: 'p1' }))]), ['deleted']);
  await consistent(t, database);
});

t.test('lanes that take rids from the same blocks never run out between reserving and taking', async (t) => {
  const { database } = await testDatabase(t);
  const rids = new RidBlocks();
  await rids.reserve(database, 600);
  rids.release(600);
  await Promise.all([600, 600, 600].map((count) => rids.reserve(database, count)));
  const taken = new Set(Array.from({ length: 1800 }, () => rids.take()));
  t.equal(taken.size, 1800);
});

t.test('as many lanes as connections do not wait for one more', async (t) => {
  const { database } = await testDatabase(t, { connections: 1 });
  const { committer: store1 } = committer(database);
  t.same(await outcomes([store1.commit(unit(put(patient('l1'))))]), ['created']);
});

t.test('a read that meets no database is 503 as a write is, not a defect', async (t) => {
  const { database } = await testDatabase(t, { connections: 1 });
  const held = await database.lease();
  const refusal = (asked: Promise<unknown>): Promise<unknown> => asked.then(() => 'answered', (error: unknown) => error);
  t.match(await refusal(database.query('select 1', [])), { kind: 'unavailable', headers: { 'retry-after': '2' } }, 'no connection is free within its time');
  held.release();
  t.same(await database.query('select 1 as one', []), [{ one: 1 }]);
  for (const plan of ['once', 'for its values'] as const) {
    t.match(await refusal(database.query('select pg_terminate_backend(pg_backend_pid())', [], plan)), { kind: 'unavailable' });
    t.same(await database.query('select 2 as one', [], plan), [{ one: 2 }], 'the next one gets another connection');
    t.match(await refusal(database.query('select nothing from nowhere', [], plan)), { code: '42P01' }, 'a statement that is wrong is a defect');
  }
  const nobody = openDatabase({ url: 'postgresql://nobody@127.0.0.1:1/none', connections: 1, namedStatements: true, statementTimeoutMs: 1000 });
  t.teardown(() => nobody.close());
  t.match(await refusal(nobody.query('select 1', [])), { kind: 'unavailable', cause: { code: 'ECONNREFUSED' } });
});

t.test('what an error of the database means for the client', (t) => {
  const kindOf = (code: string): string => { const found = problemOf(Object.assign(new Error('secret value'), { code })); return found instanceof Problem ? found.kind : 'defect'; };
  const table: Record<string, string> = {
    '53100': 'unavailable', '53200': 'unavailable', '53300': 'unavailable', '57P01': 'unavailable', '57P02': 'unavailable', '57P03': 'unavailable',
    '08006': 'unavailable', '08003': 'unavailable', '58030': 'unavailable', '25006': 'unavailable', '25P03': 'unavailable', '57014': 'too-costly', '42P01': 'defect', '22P02': 'defect',
  };
  t.same(Object.fromEntries(Object.keys(table).map((code) => [code, kindOf(code)])), table);
  for (const code of ['40001', '40P01', '55P03', '23505']) t.ok(isRetryable(Object.assign(new Error(), { code })), code);
  for (const code of ['53100', '57014', '08006', '22P02']) t.notOk(isRetryable(Object.assign(new Error(), { code })), code);
  for (const text of ['Connection terminated unexpectedly', 'read ECONNRESET', 'connect ECONNREFUSED 127.0.0.1:1', 'timeout exceeded when trying to connect', 'Query read timeout', 'Client has encountered a connection error and is not queryable']) {
    const found = problemOf(new Error(text));
    t.match(found, { kind: 'unavailable', headers: { 'retry-after': '2' } }, text);
    t.notMatch(JSON.stringify((found as Problem).issues), /ECONN|terminated|not queryable/, 'nothing of the driver leaves');
  }
  const refusal = problemOf(new Problem('gone', []));
  for (const code of ['EPIPE', 'ECONNRESET']) t.match(problemOf(Object.assign(new Error(`write ${code}`), { code, syscall: 'write' })), { kind: 'unavailable' }, code);
  t.match(refusal, { kind: 'gone' }, 'a refusal stays what it is');
  t.end();
});

t.test('texts come to the database as they are, whatever they look like in the input form of an array', async (t) => {
  const { database } = await testDatabase(t);
  const texts = ['NULL', 'null', 'nullable', '', ' ', ' a', 'a ', 'a,b', '{', '}', '{a}', '[1:2]={a,b}', '"', '\\', 'a"b\\c', '\\x00', 'a\nb', 'a\tb', 'é', '漢字', '-', '+00:00', '2024-03-05T12:00:00.000000Z', 'http://loinc.org/q/44249-1', null];
  const rows = await database.query<{ text: string | null }>('select text from unnest($1::text[]) with ordinality as t(text, at) order by at', [textArray(texts)]);
  t.same(rows.map(({ text }) => text), texts);
  const numbers = await database.query<{ sum: string }>('select sum(n)::text from unnest($1::bigint[]) as n', [textArray([1, 2n ** 62n, null, '3'])]);
  t.same(numbers, [{ sum: String(2n ** 62n + 4n) }]);
});
