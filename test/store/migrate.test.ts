import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StartRefusal } from '../../src/start-refusal.ts';
import { checkServer, durabilitySettings, migrate, migrationsFolder } from '../../src/store/migrate.ts';
import { testDatabase } from '../kit/database.ts';

/** A copy of the migrations that a test may add to or change. */
function folder(ending: { teardown(work: () => void): unknown }): string {
  const copy = mkdtempSync(join(tmpdir(), 'intersession-migrations-'));
  ending.teardown(() => { rmSync(copy, { recursive: true }); });
  cpSync(migrationsFolder, copy, { recursive: true });
  return copy;
}

t.test('a migrated database has nothing left to do', async (t) => {
  const { url, database } = await testDatabase(t);
  t.same(await migrate(url), []);
  t.match(await database.query('select name from kysely_migration order by name limit 1'), [{ name: '0001_resources' }]);
});

t.test('of migrators that race, each step is applied by one and the others wait', async (t) => {
  const { url, database } = await testDatabase(t);
  const steps = folder(t);
  writeFileSync(join(steps, '9001_first.sql'), 'create table first (a integer); select pg_sleep(0.3);');
  writeFileSync(join(steps, '9002_second.sql'), 'create table second (a integer);');
  const runs = await Promise.all([migrate(url, steps), migrate(url, steps), migrate(url, steps)]);
  t.same(runs.flat().toSorted(), ['9001_first', '9002_second']);
  t.match(await database.query(`select to_regclass('first') is not null as first, to_regclass('second') is not null as second`), [{ first: true, second: true }]);
});

t.test('a step that fails leaves nothing, and the steps before it stay', async (t) => {
  const { url, database } = await testDatabase(t);
  const steps = folder(t);
  writeFileSync(join(steps, '9001_good.sql'), 'create table good (a integer);');
  writeFileSync(join(steps, '9002_bad.sql'), 'create table half (a integer); select 1/0;');
  await t.rejects(migrate(url, steps), { name: 'StartRefusal', message: /9002_bad failed \(22012\)/ });
  t.match(await database.query(`select to_regclass('good') is not null as good, to_regclass('half') is not null as half`), [{ good: true, half: false }]);
  writeFileSync(join(steps, '9002_bad.sql'), 'create table half (a integer);');
  t.same(await migrate(url, steps), ['9002_bad'], 'a corrected step goes on from there');
});

t.test('a step waits behind an open transaction without blocking the readers for longer than its lock wait', async (t) => {
  const { url, database } = await testDatabase(t);
  const steps = folder(t);
  writeFileSync(join(steps, '9001_column.sql'), 'alter table resource add column probe integer;');
  const holder = await database.pool.connect();
  await holder.query('begin; select count(*) from resource');
  const migrating = migrate(url, steps);
  let longest = 0;
  for (const end = performance.now() + 1500; performance.now() < end;) {
    const start = performance.now();
    await database.query('select count(*) from resource');
    longest = Math.max(longest, performance.now() - start);
  }
  await holder.query('commit');
  holder.release();
  t.same(await migrating, ['9001_column']);
  t.ok(longest < 1000, `a read waited ${Math.round(longest)} ms, not the 1500 ms of the open transaction`);
});

t.test('a database with a migration this version does not know is refused as newer', async (t) => {
  const { url } = await testDatabase(t);
  const steps = folder(t);
  writeFileSync(join(steps, '9001_future.sql'), 'create table future (a integer);');
  await migrate(url, steps);
  await t.rejects(migrate(url), { name: 'StartRefusal', message: /newer than this version.*9001_future/ });
});

t.test('a migration that was changed after it was applied is refused', async (t) => {
  const { url } = await testDatabase(t);
  const steps = folder(t);
  writeFileSync(join(steps, '9001_step.sql'), 'create table step (a integer);');
  await migrate(url, steps);
  writeFileSync(join(steps, '9001_step.sql'), 'create table step (a bigint);');
  await t.rejects(migrate(url, steps), { name: 'StartRefusal', message: /9001_step was changed/ });
});

t.test('a server that could lose acknowledged writes, is too old or is a standby is refused', async (t) => {
  const { database } = await testDatabase(t, { connections: 1 });
  await t.resolves(checkServer(database), 'the built-in server is durable');
  await database.query('set synchronous_commit = off');
  await t.rejects(checkServer(database), { name: 'StartRefusal', message: /synchronous_commit is off.*ALLOW_UNSAFE_DATABASE=synchronous_commit/ });
  await t.resolves(checkServer(database, ['synchronous_commit']), 'unless its name is allowed');
  const answering = (row: Record<string, string>) => ({ query: <Row>() => Promise.resolve([{ version: '180004', label: '18.4', fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', standby: 'false', ...row }] as Row[]) });
  for (const name of durabilitySettings) await t.rejects(checkServer(answering({ [name]: 'off' })), StartRefusal);
  await t.rejects(checkServer(answering({ version: '140011', label: '14.11' })), /PostgreSQL 14\.11: version 15 or later/);
  await t.rejects(checkServer(answering({ standby: 'true' })), /standby/);
});
