import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { requireAdministrator } from '../../src/operations/administration.ts';
import { openDatabase } from '../../src/store/database.ts';
import { beginErasure, continueErasure } from '../../src/store/erase.ts';
import { sealBatch } from '../../src/store/audit-seal.ts';
import { verifyAudit } from '../../src/store/audit-verify.ts';
import { phq9, spread } from '../kit/answers.ts';
import { inspectStore } from '../kit/consistency.ts';
import { testService, type TestService } from '../kit/service.ts';

/** Stands wherever somebody may have written something about the person. */
const canary = 'Zzcanary';
const json = { 'content-type': 'application/json-patch+json' };

/** A record with everything in it that may hold content, and others that name the person. */
async function filled(service: TestService, id: string): Promise<void> {
  const system = service.as();
  const made = async (method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<any> => {
    const reply = await system(method, path, body, headers);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return reply.body;
  };
  const subject = { reference: `Patient/${id}` };
  await made('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: canary, given: [`${canary}a`] }], telecom: [{ system: 'phone', value: `0${canary}1` }], identifier: [{ system: 'urn:x', value: `${canary}9` }] });
  await made('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: `${canary}-Later` }] });
  await made('PUT', 'Patient/ben', { resourceType: 'Patient', id: 'ben', name: [{ family: 'Benfield' }] });
  for (const [at, day] of ['05', '12', '19'].entries()) await made('POST', 'QuestionnaireResponse', phq9(id, spread(15 - 3 * at, 9, at), `2026-01-${day}T10:00:00Z`, { identifier: { system: 'urn:x', value: `${canary}-${day}` } }), { 'idempotency-key': `${canary}-key-${day}` });
  const goal = await made('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: `${canary} walks` }, subject });
  await made('PATCH', `Goal/${goal.id}`, [{ op: 'replace', path: '/description/text', value: `${canary} runs` }], json);
  const gone = await made('POST', 'Communication', { resourceType: 'Communication', status: 'completed', subject, payload: [{ contentString: `${canary} wrote` }] });
  await made('DELETE', `Communication/${gone.id}`, undefined);
  await made('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text: `${canary} code` }, subject, valueQuantity: { value: 2.5, unit: `${canary}s` } });
  await made('POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: subject, description: `${canary} writes a diary` });
  await made('POST', 'QuestionnaireResponse', { ...phq9('ben', spread(4), '2026-02-01T10:00:00Z'), author: { reference: `Patient/${id}`, display: `${canary} Partner` } });
  await made('PUT', 'Group/couple', { resourceType: 'Group', id: 'couple', type: 'person', actual: true, name: 'Monday', member: [{ entity: { reference: `Patient/${id}`, display: canary } }, { entity: { reference: 'Patient/ben', display: 'Ben' } }] });
  await made('PUT', 'Group/couple', { resourceType: 'Group', id: 'couple', type: 'person', actual: true, name: 'Tuesday', quantity: 2, member: [{ entity: { reference: `Patient/${id}`, display: canary } }, { entity: { reference: 'Patient/ben' } }] });
  await service.database.query(`with u as (insert into authorization_user (id, name, password, fhir_user) values (gen_random_uuid(), $1, 'x', $2) returning id)
    insert into authorization_entry (kind, digest, payload, account, expires) select 'Session', $3, $4, id::text, now() + interval '1 day' from u`, [`${canary}-${id}`, `Patient/${id}`, Buffer.from(id), `{"login":"${canary}"}`]);
  await system('GET', `Patient?family=${canary}`);
  await system('GET', `Patient?name=${canary.toLowerCase()}a%20nobody`);
}

/** Every table and column that may hold text, and the rows in which the canary is. */
async function traces(service: TestService): Promise<string[]> {
  const columns = await service.database.query<{ table: string; column: string }>(`select table_name as table, column_name as column from information_schema.columns where table_schema = 'public'`, []);
  const found: string[] = [];
  for (const { table, column } of columns) {
    const [row] = await service.database.query<{ rows: number }>(`select count(*)::int as rows from ${table} where "${column}"::text ilike $1 or "${column}"::text ilike $2`, [`%${canary}%`, `%${Buffer.from(canary).toString('hex')}%`]);
    if (row!.rows > 0) found.push(`${table}.${column}`);
  }
  return found;
}

const parameter = (name: string, value: unknown): unknown => ({ resourceType: 'Parameters', parameter: [{ name, ...(typeof value === 'boolean' ? { valueBoolean: value } : { valueString: value }) }] });
const valuesOf = (body: any): Record<string, any> => Object.fromEntries(body.parameter.map((each: any) => [each.name, each.valueBoolean ?? each.valueString ?? each.valueInteger ?? each.valueInstant]));

t.test('an erased record leaves no content anywhere, and the log of it holds', async (t) => {
  const service = await testService(t);
  const system = service.as();
  await filled(service, 'ada');
  const ids = ((await system('GET', 'Patient/ada/$everything')).body.entry as any[]).map(({ resource }) => `${resource.resourceType}/${resource.id}`).filter((key) => !key.startsWith('Questionnaire/') && !key.startsWith('Practitioner'));
  t.ok((await traces(service)).length > 5, 'control: it is there before');
  const scored = ids.filter((key) => key.startsWith('Observation/')).length;
  t.ok(scored >= 4, 'with scores computed');

  const first = await system('POST', 'Patient/ada/$erase');
  const asked = valuesOf(first.body);
  t.match(first, { status: 200 });
  t.equal(asked['erased'], false);
  t.equal((await system('GET', 'Patient/ada')).status, 200, 'the first step erases nothing');
  const confirm = asked['confirm'] as string;
  t.equal((await system('POST', 'Patient/ben/$erase', parameter('confirm', confirm))).status, 400, 'the token is for one record');
  t.equal((await system('POST', 'Patient/ada/$erase', parameter('confirm', `${confirm.slice(0, -4)}AAAA`))).status, 400);
  t.equal((await system('GET', 'Patient/ada/$erase')).status, 405);

  const second = await system('POST', 'Patient/ada/$erase', parameter('confirm', confirm));
  t.match(second, { status: 200 }, second.text);
  const told = valuesOf(second.body);
  t.match(told, { erased: true, resources: Number, versions: Number });
  t.ok(told['finished']);
  t.same(await traces(service), [], 'no text of any table has it');

  for (const key of ids) {
    const reply = await system('GET', key);
    t.match([reply.status, reply.text.includes(canary)], [410, false], key.split('/')[0]!);
    t.equal((await system('GET', `${key}/_history/1`)).status, 404, 'nor an old version');
  }
  for (const query of [`Patient?family=${canary}`, 'Patient?_id=ada', 'Observation?patient=ada', 'QuestionnaireResponse?patient=ada', 'Goal?patient=Patient/ada', 'Task?patient=ada', `Observation?code:text=${canary}`]) {
    t.notOk((await system('GET', query)).body.entry?.some(({ resource }: any) => resource.resourceType !== 'OperationOutcome'), query);
  }
  t.equal((await system('GET', 'Patient/ada/$everything')).status, 404);
  t.equal((await system('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/ada' } })).status, 422, 'nothing can be added');

  const ben = (await system('GET', 'QuestionnaireResponse?patient=ben')).body.entry;
  t.match(ben, [{ resource: { status: 'completed', author: { reference: 'Patient/ada' } } }], 'what belongs to others stays, without the name');
  t.equal(ben[0].resource.author.display, undefined);
  t.match((await system('GET', 'Observation?patient=ben')).body.entry?.length > 0, true);
  t.same((await system('GET', 'Group/couple')).body.member, [{ entity: { reference: 'Patient/ben' } }]);
  t.same((await system('GET', 'Group/couple/_history/1')).body.member, [{ entity: { reference: 'Patient/ben', display: 'Ben' } }]);
  t.same((await system('GET', 'Group?member=Patient/ada')).body.entry, undefined);
  t.equal((await system('GET', 'Group?member=Patient/ben')).body.entry.length, 1);

  const log = (await system('GET', 'AuditEvent?patient=ada&_count=1000')).body.entry.map(({ resource }: any) => resource);
  t.ok(log.some(({ action, subtype }: any) => action === 'D' && subtype.some(({ code }: any) => code === '$erase')), 'who erased it is in the log of the record');
  t.ok(log.some(({ action, entity }: any) => action === 'C' && entity.some(({ what }: any) => what?.reference?.startsWith('QuestionnaireResponse/'))), 'and who wrote what');
  t.notOk(log.some(({ entity }: any) => entity.some(({ query }: any) => query !== undefined)), 'but not what was looked for');

  const again = await system('POST', 'Patient/ada/$erase');
  t.match(valuesOf(again.body), { erased: true, resources: told['resources'], versions: told['versions'] }, 'done again it says what was done');

  const owner = openDatabase({ url: service.ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => owner.close());
  while ((await sealBatch(service.database, 0)).sealed > 0);
  const lease = await owner.lease();
  const report = await verifyAudit({ connection: lease, publicKey: createPublicKey(generateKeyPairSync('ed25519').privateKey), headFiles: [], lateMs: 600_000, mostFaults: 10 });
  lease.release();
  t.match(report, { faults: [] }, 'the chain holds');
  t.ok(report.erasedQueries > 0);
  t.match(await inspectStore(service.database), { index: 0, entries: 0, derived: 0, alerts: 0 }, 'nothing is left of it in what follows from records');
});

t.test('an erasure that was interrupted goes on by itself, and one of a seal of before does too', async (t) => {
  const service = await testService(t);
  const system = service.as();
  await filled(service, 'ida');
  const [row] = await service.database.query<{ rid: bigint }>(`select rid from resource where type = 'Patient' and id = 'ida' limit 1`, []);
  await beginErasure(service.database, 'ida', row!.rid, []);
  t.equal((await system('GET', 'Patient/ida')).status, 410, 'from the first commit on the person is not there');
  t.ok((await traces(service)).length > 0, 'control: the rest is');
  const stopped = new AbortController();
  stopped.abort();
  await t.rejects(continueErasure(service.database, row!.rid, stopped.signal));
  t.equal(await service.job('erasure'), true);
  t.same(await traces(service), []);
  t.match(valuesOf((await system('POST', 'Patient/ida/$erase')).body), { erased: true });
  const back = { resourceType: 'Patient', id: 'ida', name: [{ family: canary }] };
  t.equal((await system('PUT', 'Patient/ida', back)).status, 410, 'a system that sends what it has does not bring the person back');
  t.equal((await system('PUT', 'Patient/ida', back, { 'if-none-match': '*' })).status, 201, 'one that means to says so');
  const anew = valuesOf((await system('POST', 'Patient/ida/$erase')).body);
  t.equal(anew['erased'], false, 'who comes back under the same id can be erased again');
  t.equal((await system('POST', 'Patient/ida/$erase', parameter('confirm', anew['confirm']))).status, 200);
  t.same(await traces(service), []);
});

t.test('who may erase, and what stands against it', async (t) => {
  const service = await testService(t, { env: { ADMIN_CLIENTS: 'office' } });
  const system = service.as();
  await system('PUT', 'Patient/eve', { resourceType: 'Patient', id: 'eve' });
  for (const [who, client] of [['a patient', service.as({ patient: 'eve' })], ['a practitioner', service.as({ user: 'Practitioner/x' })], ['a system that may not delete', service.as({ scopes: 'system/Patient.rus' })]] as const) {
    t.equal((await client('POST', 'Patient/eve/$erase')).status, 403, who);
  }
  const asking = (client: string, kind: 'all' | 'practitioner'): unknown => ({ administrators: new Set(['office']), requester: { client }, visibility: { reach: { kind } } });
  t.throws(() => { requireAdministrator(asking('other', 'all') as never, 'erase'); }, /ADMIN_CLIENTS/, 'a client that is not named');
  t.throws(() => { requireAdministrator(asking('office', 'practitioner') as never, 'erase'); }, /ADMIN_CLIENTS/, 'a person who uses one that is');
  t.doesNotThrow(() => { requireAdministrator(asking('office', 'all') as never, 'erase'); });
  const confirm = valuesOf((await system('POST', 'Patient/eve/$erase')).body)['confirm'];
  t.equal((await system('POST', 'Patient/eve/$legal-hold', parameter('hold', true))).status, 400, 'a hold has a reason');
  const held = { resourceType: 'Parameters', parameter: [{ name: 'hold', valueBoolean: true }, { name: 'reason', valueString: 'case 17' }] };
  t.equal((await system('POST', 'Patient/eve/$legal-hold', held)).status, 200);
  t.equal((await system('POST', 'Patient/eve/$legal-hold', held)).status, 200, 'again changes nothing');
  t.match(await system('POST', 'Patient/eve/$erase', parameter('confirm', confirm)), { status: 409, body: { issue: [{ details: { text: /legal hold/ } }] } }, 'a hold that came meanwhile refuses');
  t.equal((await system('POST', 'Patient/eve/$erase')).status, 409);
  t.equal((await system('GET', 'Patient/eve')).status, 200);
  t.equal((await system('POST', 'Patient/eve/$legal-hold', parameter('hold', false))).status, 200);
  t.match(valuesOf((await system('POST', 'Patient/eve/$erase', parameter('confirm', confirm))).body), { erased: true }, 'released, it goes on');
  t.equal((await system('POST', 'Patient/nobody/$erase')).status, 404);
  const holds = await service.database.query('select reason, released is not null as released from legal_hold', []);
  t.same(holds, [{ reason: 'case 17', released: true }], 'a hold is kept with its times');
});

t.test('keys of requests are removed after their time', async (t) => {
  const service = await testService(t);
  const system = service.as();
  await system('POST', 'Patient', { resourceType: 'Patient' }, { 'idempotency-key': 'old' });
  const count = async (): Promise<number> => (await service.database.query<{ n: number }>('select count(*)::int as n from idempotency', []))[0]!.n;
  await service.job('retention', new Date(Date.now() + 29 * 86_400_000).toISOString());
  t.equal(await count(), 1);
  await service.job('retention', new Date(Date.now() + 31 * 86_400_000).toISOString());
  t.equal(await count(), 0);
});
