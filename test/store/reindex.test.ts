import t, { type Test } from 'tap';
import { readInstruments } from '../../src/instruments.ts';
import { instrumentRegistry } from '../../src/outcomes/registry.ts';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { reindex, type Differences, type Progress, type ReindexOptions } from '../../src/store/reindex.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { inspectStore } from '../kit/consistency.ts';
import { testService, type TestService } from '../kit/service.ts';

const registry = instrumentRegistry(readInstruments(new URL('../../schemas/instruments/', import.meta.url)));
const none: Differences = { columns: 0, surplus: 0, missing: 0 };

const run = (database: Database, more: Partial<ReindexOptions> = {}): Promise<Differences | undefined> =>
  reindex({ database, rules: { registry }, questionnaire: async () => undefined, dryRun: false, batch: 40, report: () => {}, ...more });

/** A store with records, an older version, a deleted resource and something restricted. */
async function filled(service: TestService): Promise<void> {
  const fhir = service.as();
  for (const id of ['ann', 'ben']) {
    await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: id }] });
    await fhir('PUT', `EpisodeOfCare/e-${id}`, { resourceType: 'EpisodeOfCare', id: `e-${id}`, status: 'active', patient: { reference: `Patient/${id}` }, period: { start: '2026-01-01' } });
    await fhir('PUT', `Goal/g-${id}`, { resourceType: 'Goal', id: `g-${id}`, lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: `Patient/${id}` }, meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } });
    await fhir('PUT', `Goal/g-${id}`, { resourceType: 'Goal', id: `g-${id}`, lifecycleStatus: 'completed', description: { text: 'y' }, subject: { reference: `Patient/${id}` } });
    await fhir('PUT', `Task/t-${id}`, { resourceType: 'Task', id: `t-${id}`, status: 'requested', intent: 'order', for: { reference: `Patient/${id}` } });
    await fhir('DELETE', `Task/t-${id}`);
    for (let n = 0; n < 3; n++) {
      await fhir('POST', 'QuestionnaireResponse', phq9(id, spread(18 - 4 * n, 9), `2026-0${n + 1}-05T10:00:00Z`));
      await fhir('POST', 'QuestionnaireResponse', gad7(id, spread(12 - 3 * n, 7), `2026-0${n + 1}-05T10:05:00Z`));
    }
  }
}

/** The store as the role that owns it: damage and its repair are not for the service's. */
function owned(t: Test, { ownerUrl }: TestService): Database {
  const database = openDatabase({ url: ownerUrl, connections: 4, namedStatements: false, statementTimeoutMs: 60_000 });
  t.teardown(() => database.close());
  return database;
}

const sound = async (t: Test, database: Database, what: string): Promise<void> => {
  const { examples, ...counts } = await inspectStore(database);
  t.same(counts, Object.fromEntries(Object.keys(counts).map((kind) => [kind, 0])), `${what}: ${examples.join('; ')}`);
};

t.test('a sound store stays as it is; a damaged one is sound afterwards, whatever was damaged', async (t) => {
  const service = await testService(t);
  await filled(service);
  const database = owned(t, service);
  await sound(t, database, 'as written');
  t.same(await run(database), none, 'nothing differs');
  const bodies = await database.query<{ all: string }>(`select md5(string_agg(type || id || version || coalesce(body, '') || last_updated::text, '' order by type, id, version)) as all from resource`);

  await database.query(`update index_token set code = code || 'x' where ctid in (select ctid from index_token order by rid desc limit 7)`);
  await database.query(`delete from index_reference where ctid in (select ctid from index_reference order by rid desc limit 5)`);
  await database.query(`insert into index_date select * from index_date order by rid desc limit 3`);
  await database.query(`insert into index_string (param, value, exact, rid, patient) values (1, 'lost', 'Lost', 999999999, null)`);
  await database.query(`update index_quantity set patient = null where ctid in (select ctid from index_quantity limit 2)`);
  await database.query(`delete from index_uri where ctid in (select ctid from index_uri limit 4)`);
  await database.query(`update resource set restricted = not restricted, status = 'other' where type = 'Goal'`);
  await database.query(`update resource set date_low = null where type = 'Observation' and live and date_low is not null and ctid in (select ctid from resource where type = 'Observation' and live limit 3)`);
  await database.query(`delete from record_entry where ctid in (select ctid from record_entry where kind = 'score' limit 2)`);
  await database.query(`update record_entry set value = value + 1 where ctid in (select ctid from record_entry where kind = 'score' limit 1)`);
  await database.query(`insert into record_entry (patient, kind, key, id, data) values (424242, 'task', '', 'gone', '{}')`);
  const damaged = await inspectStore(database);
  t.ok(damaged.index > 20 && damaged.entries >= 4, 'it is damaged');

  const counted = await run(database, { dryRun: true });
  t.equal((await inspectStore(database)).index, damaged.index, 'a dry run changes nothing');
  t.ok(counted!.columns >= 4 && counted!.surplus >= 10 && counted!.missing >= 15, `and says how much differs: ${JSON.stringify(counted)}`);
  const phases = new Set<string>();
  t.same(await run(database, { report: ({ phase }: Progress) => { phases.add(phase); } }), counted, 'the run corrects what the dry run counted');
  t.same([...phases], ['versions', 'resources', 'orphans', 'records']);
  await sound(t, database, 'afterwards');
  t.same((await database.query(`select 1 from resource where type = 'Goal' and not live and restricted`)).length, 2, 'older versions have their audience again');
  t.same(await run(database), none, 'and nothing is left to do');
  t.same(await database.query(`select md5(string_agg(type || id || version || coalesce(body, '') || last_updated::text, '' order by type, id, version)) as all from resource`), bodies, 'no resource was changed');
  t.same(await database.query(`select 1 from pg_indexes where indexname like 'reindex%'`), [], 'its own indexes are gone');
});

t.test('a run that was ended goes on where it was, and the service writes meanwhile', async (t) => {
  const service = await testService(t);
  await filled(service);
  const database = owned(t, service);
  await database.query(`delete from index_token`);
  await database.query(`delete from record_entry`);
  const ending = new AbortController();
  let batches = 0;
  t.equal(await run(database, { batch: 10, signal: ending.signal, report: () => { if (++batches === 4) ending.abort(); } }), undefined, 'it was ended');
  const [left] = await database.query<{ value: string }>(`select value from setting where name = 'reindex'`);
  const { phase, after } = JSON.parse(left!.value) as { phase: string; after: string[] };
  t.same(phase, 'resources');
  t.ok(BigInt(after[0]!) > 0n);
  const fhir = service.as();
  let writing = true;
  const writes = (async () => {
    let n = 0;
    for (; writing; n++) {
      const patient = n % 2 === 0 ? 'ann' : 'ben';
      t.equal((await fhir('PUT', `Goal/g-${patient}`, { resourceType: 'Goal', id: `g-${patient}`, lifecycleStatus: 'active', description: { text: `d${n}` }, subject: { reference: `Patient/${patient}` } })).status, 200);
      t.equal((await fhir('POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: `Patient/${patient}` }, description: `n${n}` })).status, 201);
    }
    return n;
  })();
  const found = await run(database, { batch: 10 });
  const both = await Promise.allSettled([run(database), run(database)]);
  t.match(both.filter(({ status }) => status === 'rejected'), [{ reason: /Another reindex/ }], 'one at a time');
  writing = false;
  t.ok((await writes) > 0);
  t.ok(found!.missing > 100);
  await run(database);
  await sound(t, database, 'after both');
});
