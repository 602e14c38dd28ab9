import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { operations } from '../../src/operations/operations.ts';
import { openDatabase } from '../../src/store/database.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

const service = await testService(t);
const system = service.as();
/** Looks from outside, so that what it sees is committed. */
const outside = openDatabase({ url: service.ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
t.teardown(() => outside.close());

for (const id of ['ann', 'ben']) await system('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: id }] });
const goal = (await system('PUT', 'Goal/g', { resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/ann' } })).body;
await system('POST', 'QuestionnaireResponse', phq9('ann', spread(9), '2026-01-05T10:00:00Z'));
await system('PUT', 'CareTeam/c', { resourceType: 'CareTeam', id: 'c', status: 'active', subject: { reference: 'Patient/ann' }, participant: [{ member: { reference: 'Practitioner/who' } }] });
const as: Readonly<Record<string, Client>> = { system, ann: service.as({ patient: 'ann' }), ben: service.as({ patient: 'ben' }), reader: service.as({ scopes: 'system/Patient.rs' }), who: service.as({ user: 'Practitioner/who' }) };
const patch = { 'content-type': 'application/json-patch+json' };
const bundle = (type: string, ...entries: readonly [method: string, url: string, resource?: unknown][]): unknown =>
  ({ resourceType: 'Bundle', type, entry: entries.map(([method, url, resource]) => ({ request: { method, url }, ...(resource === undefined ? {} : { resource }) })) });

interface Row { readonly interaction: string; readonly action: string; readonly outcome: string; readonly patient: string | null; readonly entity: string | null }

let requests = 0;
/** Sends a request and @returns its status and the rows of the log that were there when the answer was. */
async function logged(client: Client, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ status: number; rows: Row[] }> {
  const requestId = `request-${requests += 1}`;
  const { status } = await client(method, path, body, { ...headers, 'x-request-id': requestId });
  const rows = await outside.query<Row>(`
    select interaction, action::text, outcome::text, (select id from resource p where p.type = 'Patient' and p.rid = e.patient limit 1) as patient,
      entity_type || coalesce('/' || entity_id, '') as entity
    from audit_event e where request_id = $1 order by interaction, entity, patient`, [requestId]);
  return { status, rows };
}

const row = (interaction: string, action: string, patient: string | null, entity: string | null, outcome = '0'): Row => ({ interaction, action, outcome, patient, entity });

/** Every kind of request, and what the log says of it: one row for each patient whose record is concerned. */
const table: readonly { who?: string; request: [method: string, path: string, body?: unknown, headers?: Record<string, string>]; status: number; rows: Row[] }[] = [
  { request: ['GET', 'Goal/g'], status: 200, rows: [row('read', 'R', 'ann', 'Goal/g')] },
  { request: ['HEAD', 'Goal/g'], status: 200, rows: [row('read', 'R', 'ann', 'Goal/g')] },
  { request: ['GET', 'Goal/g', undefined, { 'if-none-match': 'W/"1"' }], status: 304, rows: [row('read', 'R', 'ann', 'Goal/g')] },
  { request: ['GET', 'Goal/g/_history/1'], status: 200, rows: [row('vread', 'R', 'ann', 'Goal/g')] },
  { request: ['GET', 'Goal/g/_history'], status: 200, rows: [row('history-instance', 'R', 'ann', 'Goal/g')] },
  { request: ['GET', 'Patient/_history'], status: 200, rows: [row('history-type', 'R', 'ann', 'Patient'), row('history-type', 'R', 'ben', 'Patient')] },
  { request: ['GET', 'Patient?_id=ann,ben'], status: 200, rows: [row('search-type', 'E', 'ann', 'Patient'), row('search-type', 'E', 'ben', 'Patient')] },
  { request: ['POST', 'Patient/_search', '_id=ben', { 'content-type': 'application/x-www-form-urlencoded' }], status: 200, rows: [row('search-type', 'E', 'ben', 'Patient')] },
  { request: ['GET', 'Patient?_id=nobody'], status: 200, rows: [row('search-type', 'E', null, 'Patient')] },
  { request: ['GET', 'Goal?patient=ann&_include=Goal:subject'], status: 200, rows: [row('search-type', 'E', 'ann', 'Goal')] },
  { request: ['GET', 'Patient/ann/Goal'], status: 200, rows: [row('search-type', 'E', 'ann', 'Goal')] },
  { request: ['GET', '?_type=Goal&_id=g'], status: 200, rows: [row('search-system', 'E', 'ann', null)] },
  { request: ['PUT', 'Goal/h', { ...goal, id: 'h' }], status: 201, rows: [row('update', 'C', 'ann', 'Goal/h')] },
  { request: ['PUT', 'Goal/h', { ...goal, id: 'h', lifecycleStatus: 'on-hold' }], status: 200, rows: [row('update', 'U', 'ann', 'Goal/h')] },
  { request: ['PATCH', 'Goal/h', [{ op: 'replace', path: '/lifecycleStatus', value: 'active' }], patch], status: 200, rows: [row('patch', 'U', 'ann', 'Goal/h')] },
  { request: ['DELETE', 'Goal/h'], status: 204, rows: [row('delete', 'D', 'ann', 'Goal/h')] },
  { request: ['GET', 'Goal/h'], status: 410, rows: [row('read', 'R', 'ann', 'Goal/h')] },
  { request: ['POST', '', bundle('batch', ['GET', 'Goal/g'], ['GET', 'Goal/none'], ['GET', 'Patient?_id=ben'])], status: 200, rows: [row('read', 'E', null, 'Goal/none', '4'), row('read', 'R', 'ann', 'Goal/g'), row('search-type', 'E', 'ben', 'Patient')] },
  { request: ['POST', '', bundle('transaction', ['PUT', 'Goal/i', { ...goal, id: 'i' }], ['PUT', 'Goal/j', { ...goal, id: 'j', subject: { reference: 'Patient/ben' } }])], status: 200, rows: [row('transaction', 'C', 'ann', 'Goal/i'), row('transaction', 'C', 'ben', 'Goal/j')] },
  { request: ['GET', 'Patient/ann/$everything'], status: 200, rows: [row('$everything', 'E', 'ann', 'Patient/ann')] },
  { request: ['GET', 'Patient/ann/$progress'], status: 200, rows: [row('$progress', 'E', 'ann', 'Patient/ann')] },
  { request: ['GET', 'Patient/ann/$export-record'], status: 200, rows: [row('$export-record', 'E', 'ann', 'Patient/ann')] },
  { request: ['POST', 'Goal/g/$meta-add', { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ system: 'urn:t', code: 'a' }] } }] }], status: 200, rows: [row('$meta-add', 'U', 'ann', 'Goal/g')] },
  { request: ['GET', 'AuditEvent?entity=Goal/h'], status: 200, rows: [row('search-type', 'E', 'ann', 'AuditEvent')] },
  { who: 'who', request: ['GET', 'Goal/g'], status: 200, rows: [row('read', 'R', 'ann', 'Goal/g')] },
  { who: 'ben', request: ['GET', 'Goal/g'], status: 404, rows: [row('read', 'E', null, 'Goal/g', '4')] },
  { who: 'ben', request: ['GET', 'Patient/ann/$progress'], status: 404, rows: [row('$progress', 'E', null, 'Patient/ann', '4')] },
  { who: 'reader', request: ['GET', 'Goal/g'], status: 403, rows: [row('read', 'E', null, 'Goal/g', '4')] },
  { who: 'reader', request: ['PUT', 'Patient/ann', {}], status: 403, rows: [row('update', 'E', null, 'Patient/ann', '4')] },
  { who: 'reader', request: ['DELETE', 'Goal?patient=ann'], status: 403, rows: [row('delete', 'E', null, 'Goal', '4')] },
  { who: 'reader', request: ['POST', '', bundle('batch', ['GET', 'Goal/g'])], status: 200, rows: [row('read', 'E', null, 'Goal/g', '4')] },
  { who: 'reader', request: ['POST', 'Patient/ann/$erase', { resourceType: 'Parameters' }], status: 403, rows: [row('$erase', 'E', null, 'Patient/ann', '4')] },
];

t.test('every kind of request is in the log before its answer is out, once for each patient concerned', async (t) => {
  for (const { who = 'system', request, status, rows } of table) {
    t.same(await logged(as[who]!, ...request), { status, rows: rows.toSorted((a, b) => `${a.interaction} ${a.entity} ${a.patient}` < `${b.interaction} ${b.entity} ${b.patient}` ? -1 : 1) }, `${who}: ${request[0]} ${request[1]}`);
  }
});

t.test('no operation answers without a row', async (t) => {
  let answered = 0;
  for (const [name, { type, level, changes }] of operations) {
    if (name === 'versions') continue; // says what the service speaks, of nobody
    const on = typeof type === 'string' ? (type === '*' ? 'Goal' : type) : type?.[0];
    const paths = [on === undefined ? '' : `${on}/${on === 'Goal' ? 'g' : 'ann'}/`, on === undefined ? '' : `${on}/`, ''];
    for (const path of new Set(paths)) {
      const { status, rows } = await logged(system, changes === true ? 'POST' : 'GET', `${path}$${name}`, changes === true ? { resourceType: 'Parameters' } : undefined);
      if (status >= 400) continue;
      answered++;
      t.ok(rows.length > 0, `${path}$${name} (${JSON.stringify(level)})`);
    }
  }
  t.ok(answered >= 8, `${answered} operations answer without parameters`);
});

t.test('events are valid FHIR after the BALP patterns, for each kind', async (t) => {
  const { body } = await system('GET', 'AuditEvent?_count=1000');
  const kinds = new Set<string>();
  for (const { resource } of body.entry) {
    kinds.add(`${resource.subtype[0].code} ${resource.outcome}`);
    const errors = validate(resource, 'AuditEvent').filter(({ severity }) => severity === 'error');
    if (errors.length > 0) t.fail(`${resource.subtype[0].code}: ${errors[0]!.text} ${errors[0]!.expression}`);
    if (resource.agent.filter(({ requestor }: any) => requestor).length !== 1) t.fail('one agent asks');
  }
  t.ok(kinds.size >= 12, [...kinds].join(', '));
  const one = async (query: string): Promise<any> => (await system('GET', `AuditEvent?_count=1&${query}`)).body.entry[0].resource;
  t.match(await one('subtype=http://hl7.org/fhir/restful-interaction|read&agent=Practitioner/who'), {
    type: { code: 'rest' }, action: 'R', outcome: '0', agent: [
      { type: { coding: [{ code: '110152' }] }, who: { identifier: { value: 'development' } }, network: { address: String } },
      { type: { coding: [{ code: '110153' }] }, network: {} },
      { type: { coding: [{ code: 'IRCP' }] }, who: { reference: 'Practitioner/who' }, requestor: true },
    ],
    meta: { profile: [/IHE\.BasicAudit\.PatientRead$/] },
  });
  const search = await one('subtype=search-type&patient=ben&entity-type=Patient');
  t.match(search, { action: 'E', meta: { profile: [/IHE\.BasicAudit\.PatientQuery$/] }, agent: [{ type: { coding: [{ code: '110153' }] } }, { type: { coding: [{ code: '110152' }] } }] });
  t.match(Buffer.from(search.entity.find(({ query }: any) => query !== undefined).query, 'base64').toString(), /^Patient\?_id=/);
});

t.test('the log is searched by what it is rendered with; what it does not have is refused', async (t) => {
  const count = async (query: string, client: Client = system): Promise<number> => {
    const { status, body } = await client('GET', `AuditEvent?_count=1000&${query}`);
    return status === 200 ? (body.entry?.length ?? 0) : -status;
  };
  for (const query of ['subtype=operation', 'subtype=$progress', 'subtype=http://hl7.org/fhir/restful-interaction|vread', 'type=rest', 'type=http://dicom.nema.org/resources/ontology/DCM|110114', 'subtype=token', 'action=C', 'outcome=4', 'altid=development', 'address=127', 'address:exact=127.0.0.1', 'entity=Goal/g', 'entity=Patient/ann', 'entity-type=Goal', 'entity-role=24', 'agent=Practitioner/who', 'patient=ann&date=ge2026', 'action:not=R', '_lastUpdated=ge2026']) t.ok(await count(query) > 0, query);
  for (const query of ['subtype=urn:other|vread', 'type=110106', 'date=lt2020', 'address=10.', 'agent=Practitioner/other', 'entity=Goal/zz', 'outcome=8']) t.equal(await count(query), 0, query);
  for (const query of ['policy=urn:x', 'site=x', 'source=Device/x', 'agent-name=x', 'agent-role=x', 'entity-name=x', 'agent:missing=true']) t.equal(await count(query), -400, query);
  const { id } = (await system('GET', 'AuditEvent?_count=1')).body.entry[0].resource;
  t.equal(await count(`_id=${id},nobody`), 1);
  t.equal(await count('_id=nobody'), 0);
  t.equal((await system('GET', `AuditEvent/${id}`)).body.id, id);
  t.equal((await system('GET', 'AuditEvent/nobody')).status, 404);
  t.equal(await count('address=127', as['ann']), 0, 'where somebody sat is not for a patient to ask');
  const seen = await as['ann']!('GET', 'AuditEvent?_count=1000');
  t.notMatch(seen.text, /"query":|"profile":/);
  t.ok(seen.body.entry.every(({ resource: { agent } }: any) => agent[0].network === undefined), 'nor to see');
  const own = (await as['ann']!('GET', 'AuditEvent?agent=Practitioner/who')).body.entry;
  t.ok(own.length > 0, 'a patient sees who looked');
  t.ok((await as['ann']!('GET', 'AuditEvent?_count=1000')).body.entry.every(({ resource }: any) => resource.entity.some(({ what }: any) => what?.reference === 'Patient/ann')), 'and nothing of others');
});
