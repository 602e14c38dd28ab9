import { createServer } from 'node:net';
import t from 'tap';
import { silent, type Event } from '../../src/log.ts';
import { phq9, spread } from '../kit/answers.ts';
import { tableCounts } from '../kit/consistency.ts';
import { testService } from '../kit/service.ts';

const service = await testService(t);
const fhir = service.as();
await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(9), '2026-01-05T10:00:00Z')); // its Questionnaire is known from here on
const token = await service.token();
const reading = await service.token({ scopes: 'system/Patient.rs' });

let connections = 0;
service.database.pool.on('acquire', () => { connections++; });

interface Request { readonly what: string; readonly status: number; readonly method?: string; readonly path: string; readonly body?: string; readonly headers?: Record<string, string> }

const json = { 'content-type': 'application/fhir+json' };
const patient = JSON.stringify({ resourceType: 'Patient', id: 'new' });
const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });

/** Sends it and @returns the status, and how many connections were taken for it. */
async function send({ method = 'GET', path, body, headers }: Request): Promise<{ status: number; taken: number; type: string; issue: string }> {
  const before = connections;
  const response = await fetch(`${service.url}${path}`, { method, headers: { ...bearer(token), ...headers }, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const outcome = text === '' ? undefined : (JSON.parse(text) as { resourceType?: string; issue?: { severity: string }[] });
  return { status: response.status, taken: connections - before, type: outcome?.resourceType ?? '', issue: outcome?.issue?.[0]?.severity ?? '' };
}

const refusals: readonly Request[] = [
  { what: 'a type that is not served', status: 404, path: '/Pasient/p1' },
  { what: 'a path that leads nowhere', status: 404, path: '/Patient/p1/nothing/here' },
  { what: 'a verb that the base does not take', status: 405, method: 'PUT', path: '', body: patient, headers: json },
  { what: 'a verb that a version does not take', status: 405, method: 'DELETE', path: '/Patient/p1/_history/1' },
  { what: 'a type that only the service writes', status: 405, method: 'POST', path: '/AuditEvent', body: '{"resourceType":"AuditEvent"}', headers: json },
  { what: 'XML wanted', status: 406, path: '/Patient/p1', headers: { accept: 'application/fhir+xml' } },
  { what: 'XML sent', status: 415, method: 'POST', path: '/Patient', body: '<Patient/>', headers: { 'content-type': 'application/fhir+xml' } },
  { what: 'a patch that is none', status: 415, method: 'PATCH', path: '/Patient/p1', body: '{}', headers: { 'content-type': 'text/plain' } },
  { what: 'an id that is none', status: 400, path: '/Patient/a_b' },
  { what: 'a body that is not JSON', status: 400, method: 'PUT', path: '/Patient/new', body: '{"resourceType":', headers: json },
  { what: 'a body that is not UTF-8 JSON of an object', status: 400, method: 'POST', path: '/Patient', body: '[]', headers: json },
  { what: 'an element of the wrong form', status: 400, method: 'POST', path: '/Patient', body: '{"resourceType":"Patient","birthDate":"yesterday"}', headers: json },
  { what: 'an element that does not exist', status: 400, method: 'PUT', path: '/Patient/new', body: '{"resourceType":"Patient","id":"new","colour":"red"}', headers: json },
  { what: 'a resource of another type', status: 400, method: 'POST', path: '/Goal', body: patient, headers: json },
  { what: 'another id than in the URL', status: 400, method: 'PUT', path: '/Patient/other', body: patient, headers: json },
  { what: 'an If-Match that is no version', status: 400, method: 'PUT', path: '/Patient/new', body: patient, headers: { ...json, 'if-match': 'yesterday' } },
  { what: 'a search parameter that does not exist', status: 400, path: '/Patient?colour=red' },
  { what: 'a date that is none in a search', status: 400, path: '/Observation?date=yesterday' },
  { what: 'a condition that selects nothing in particular', status: 412, method: 'PUT', path: '/Patient?_count=1', body: '{"resourceType":"Patient"}', headers: json },
  { what: 'a Bundle that is none', status: 400, method: 'POST', path: '', body: patient, headers: json },
  { what: 'a transaction with an entry that is not valid', status: 400, method: 'POST', path: '', headers: json, body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'PUT', url: 'Patient/new' }, resource: { resourceType: 'Patient', id: 'new', birthDate: 'x' } }] }) },
  { what: 'answers that do not fit a Questionnaire that is known', status: 422, method: 'POST', path: '/QuestionnaireResponse', headers: json, body: JSON.stringify(phq9('p1', spread(9), '2026-01-06T10:00:00Z', { item: [{ linkId: '/44250-9', answer: [{ valueString: 'x' }] }] })) },
];

t.test('a request with a token that is refused before its interaction takes no database connection and writes nothing', async (t) => {
  const before = await tableCounts(service.database);
  for (const request of refusals) {
    t.match(await send(request), { status: request.status, taken: 0, type: 'OperationOutcome', issue: /error|fatal/ }, `${request.status}: ${request.what}`);
  }
  t.same(await tableCounts(service.database), before);
});

t.test('a request without a token that holds costs one row of the log, and no more than a few of them a second', async (t) => {
  const strangers: Request[] = [
    { what: 'no token', status: 401, path: '/Patient/p1', headers: { authorization: '' } },
    { what: 'a token that is none', status: 401, path: '/Patient/p1', headers: bearer('x.y.z') },
    { what: 'a token with another signature', status: 401, path: '/Patient/p1', headers: bearer(`${token.slice(0, -6)}AAAAAA`) },
    { what: 'a write without a token', status: 401, method: 'PUT', path: '/Patient/new', body: patient, headers: { ...json, authorization: '' } },
  ];
  const before = await tableCounts(service.database);
  for (const request of strangers) t.match(await send(request), { status: 401, taken: 1, type: 'OperationOutcome', issue: /error|fatal/ }, request.what);
  t.same(await tableCounts(service.database), { ...before, audit_event: before['audit_event']! + strangers.length });
  for (let at = 0; at < 60; at++) await send(strangers[at % strangers.length]!);
  t.ok((await tableCounts(service.database))['audit_event']! - before['audit_event']! <= 44, 'anybody can send such requests');
  const rows = await service.database.query(`select distinct interaction, outcome::text, client from audit_event where interaction = 'login'`);
  t.same(rows, [{ interaction: 'login', outcome: '4', client: 'unknown' }]);
});

t.test('a token that does not allow it is refused without a look at the store; then the attempt is logged, and nothing else is written', async (t) => {
  const attempts: Request[] = [
    { what: 'a write with a token for reading', status: 403, method: 'PUT', path: '/Patient/new', body: patient, headers: { ...json, ...bearer(reading) } },
    { what: 'a body is not even read', status: 403, method: 'PUT', path: '/Patient/new', body: '{', headers: { ...json, ...bearer(reading) } },
    { what: 'a type that the token does not name', status: 403, path: '/Goal', headers: bearer(reading) },
    { what: 'a deletion', status: 403, method: 'DELETE', path: '/Patient/p1', headers: bearer(reading) },
  ];
  const before = await tableCounts(service.database);
  for (const request of attempts) {
    t.match(await send(request), { status: 403, taken: 1, type: 'OperationOutcome' }, `${request.what}: one connection, for its row of the log`);
  }
  t.same(await tableCounts(service.database), { ...before, audit_event: before['audit_event']! + attempts.length });
  const rows = await service.database.query(`select outcome::text, action::text from audit_event where outcome = '4' and interaction <> 'login'`);
  t.same(rows, attempts.map(() => ({ outcome: '4', action: 'E' })));
});

t.test('the count is one that counts: what is answered does take connections', async (t) => {
  t.ok((await send({ what: 'a read', status: 200, path: '/Patient/p1' })).taken >= 1);
  t.ok((await send({ what: 'a write', status: 201, method: 'PUT', path: '/Patient/new', body: patient, headers: json })).taken >= 1);
  t.equal((await send({ what: 'what anybody may read', status: 200, path: '/metadata', headers: { authorization: '' } })).taken, 0);
});

t.test('a request is counted and logged under what it asked for, answered or refused; on another port where the wanted one is taken, which the log says', async (t) => {
  const other = createServer();
  await new Promise<void>((settle) => { other.listen(0, '127.0.0.1', settle); });
  t.teardown(() => { other.close(); });
  const events: Event[] = [], warnings: Event[] = [];
  const { port: taken } = other.address() as { port: number };
  const counted = await testService(t, { beside: service, env: { METRICS_PORT: String(taken) }, log: { ...silent, info: (event) => { events.push(event); }, warn: (event) => { warnings.push(event); } } });
  const ask = counted.as();
  await ask('GET', 'Patient/p1');
  await ask('GET', 'Patient/nobody');
  await ask('PUT', 'Patient/new', '{');
  await ask('GET', 'Pasient/p1');
  await counted.as({ scopes: 'system/Patient.rs' })('DELETE', 'Patient/p1');
  t.same(events.filter(({ event }) => event === 'request').map(({ interaction, type, status }) => [interaction, type, status]), [
    ['read', 'Patient', 200], ['read', 'Patient', 404], ['update', 'Patient', 400], ['none', undefined, 404], ['delete', 'Patient', 403],
  ]);
  t.match(warnings, [{ event: 'metrics-port', port: Number }]);
  const text = await (await fetch(`http://127.0.0.1:${warnings[0]!.port}/metrics`)).text();
  for (const labels of ['interaction="update",type="Patient",status="4xx"', 'interaction="delete",type="Patient",status="4xx"', 'interaction="none",type="",status="4xx"']) t.ok(text.includes(`fhir_request_seconds_count{${labels}} 1\n`), labels);
});
