import t from 'tap';
import { openDatabase } from '../../src/store/database.ts';
import { confineTo, isConfined } from '../../src/store/roles.ts';
import { testDatabase } from '../kit/database.ts';
import { testService } from '../kit/service.ts';

const stateOf = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'done', (error: Error & { code?: string; cause?: { code?: string } }) => error.code ?? error.cause?.code ?? error.message);

/** What somebody could try who makes the service run SQL of their own: each is refused by the role alone. */
const attempts: Readonly<Record<string, string>> = {
  'an event is changed': `update audit_event set outcome = '0'`,
  'an event is deleted': 'delete from audit_event',
  'all events are deleted': 'truncate audit_event',
  'a seal is changed': `update audit_seal set hash = ''`,
  'a seal is deleted': 'delete from audit_seal',
  'all seals are deleted': 'truncate audit_seal',
  'the text of a query is changed': `update audit_query set query = 'x'`,
  'a version is rewritten': `update resource set body = '{}'`,
  'the time of a version is changed': 'update resource set last_updated = now()',
  'a version is given to another record': 'update resource set patient = 1',
  'all versions are deleted': 'truncate resource',
  'an erasure is forgotten': 'delete from erasure',
  'a hold is lifted without a trace': 'delete from legal_hold',
  'a table is made': 'create table mine (a int)',
  'a temporary table is made': 'create temporary table mine (a int)',
  'a table is taken away': 'drop table audit_event',
  'a column is added': 'alter table audit_event add column mine text',
  'a trigger is made': 'create trigger mine before insert on audit_event for each row execute function suppress_redundant_updates_trigger()',
  'a function is made': `create function mine() returns int language sql as 'select 1'`,
  'the owner is taken on': 'set role intersession',
  'a migration is forgotten': 'delete from kysely_migration',
  'a file is read': `copy setting from '/etc/passwd'`,
};

t.test('the second wall alone: what the service may not do, its database role cannot, whatever the program says', async (t) => {
  const { ownerUrl, database } = await testDatabase(t, { as: 'service' });
  const owner = openDatabase({ url: ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => owner.close());
  await confineTo(ownerUrl, database);
  for (const [what, statement] of Object.entries(attempts)) {
    await owner.query('begin');
    const allowed = await stateOf(owner.query(statement.replace('set role intersession', 'select 1').replace(/^copy.*/, 'select 1')));
    await owner.query('rollback');
    t.equal(allowed, 'done', `control: ${what} by the owner`);
    t.equal(await stateOf(database.query(statement)), '42501', what);
  }
  t.equal(await isConfined(database), true);
  t.equal(await isConfined(owner), false);
});

t.test('a right that was given by hand is taken away at the next start, and one that is missing comes back', async (t) => {
  const { ownerUrl, database } = await testDatabase(t, { as: 'service' });
  const owner = openDatabase({ url: ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => owner.close());
  await owner.query('grant update, delete on audit_event to intersession_service; grant update (body) on resource to intersession_service; revoke select on setting from intersession_service; create table later (a int)');
  t.equal(await isConfined(database), false, 'it is seen');
  await Promise.all([confineTo(ownerUrl, database), confineTo(ownerUrl, database)]);
  t.equal(await isConfined(database), true);
  t.equal(await stateOf(database.query('delete from audit_event')), '42501');
  t.equal(await stateOf(database.query(`update resource set body = '{}'`)), '42501');
  t.equal(await stateOf(database.query('select from setting')), 'done');
  t.equal(await stateOf(database.query('insert into later values (1)')), 'done', 'what a later version adds is there for the service');
});

t.test('the first wall alone: where one role may do everything, the API still has no way to change the log or a version', async (t) => {
  const { ownerUrl } = await testDatabase(t);
  const service = await testService(t, { beside: { databaseUrl: ownerUrl, ownerUrl } as Awaited<ReturnType<typeof testService>> });
  t.equal(await isConfined(service.database), false);
  const system = service.as();
  await system('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada' });
  const [event] = (await system('GET', 'AuditEvent?patient=ada')).body.entry;
  const { id } = event.resource;
  const before = await service.database.query('select * from audit_event order by id');
  for (const [method, path, body] of [
    ['PUT', `AuditEvent/${id}`, event.resource], ['DELETE', `AuditEvent/${id}`, undefined], ['DELETE', 'AuditEvent?patient=ada', undefined], ['POST', 'AuditEvent', event.resource],
    ['POST', `AuditEvent/${id}/$meta-add`, { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }] }],
  ] as const) t.ok([400, 405].includes((await system(method, path, body)).status), `${method} ${path.replace(id, '[id]')}`);
  const ids = (before as { id: string }[]).map((row) => row.id);
  t.same(await service.database.query('select * from audit_event where id = any($1) order by id', [ids]), before);
  t.ok([404, 405].includes((await system('PUT', 'Patient/ada/_history/1', { resourceType: 'Patient', id: 'ada' })).status));
});
