import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

const service = await testService(t);
const fhir = service.as();

const bundle = (type: string, ...entry: object[]): object => ({ resourceType: 'Bundle', type, entry });
const post = <R extends { resourceType: string }>(resource: R, more: object = {}): object => ({ resource, request: { method: 'POST', url: resource.resourceType, ...more } });
const get = (url: string, more: object = {}): object => ({ request: { method: 'GET', url, ...more } });
const statuses = (body: any): string[] => body.entry.map(({ response }: any) => response.status);
const placeOf = (entry: any): string => entry.response.location.replace(`${service.url}/`, '').replace(/\/_history.*/, '');

await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada' });

t.test('links between entries are rewritten by the type of the element, and nothing else is', async (t) => {
  const [urn, oid, absolute] = ['urn:uuid:0f7d1c2e-4d1c-4a53-9d5e-5b0a2f3c0001', 'urn:oid:1.2.3.4.5', 'https://elsewhere.example/fhir/Practitioner/p1'];
  const div = `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${urn}">x</a> <img src='${oid}' alt="y"/> ${urn}</div>`;
  const { status, body, text } = await fhir('POST', '', bundle('transaction',
    { fullUrl: urn, ...post({ resourceType: 'Patient' }) },
    { fullUrl: oid, ...post({ resourceType: 'Questionnaire', status: 'active', url: 'urn:form' }) },
    { fullUrl: absolute, ...post({ resourceType: 'Practitioner' }) },
    { fullUrl: 'https://elsewhere.example/fhir/Task/t1', ...post({
      resourceType: 'Task', status: 'requested', intent: 'order', description: urn, for: { reference: urn, display: urn, identifier: { value: urn } },
      owner: { reference: 'Practitioner/p1' }, requester: { reference: absolute }, instantiatesUri: `${oid}#part`, text: { status: 'generated', div },
      extension: [{ url: 'urn:a', valueUri: urn }, { url: 'urn:b', valueString: urn }, { url: 'urn:c', valueCanonical: `${oid}|2` }, { url: 'urn:d', valueReference: { reference: absolute } }],
      _description: { extension: [{ url: 'urn:e', valueUrl: absolute }] }, note: [{ text: urn, authorReference: { reference: absolute } }],
      contained: [{ resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: urn } }], focus: { reference: '#g' },
    }) },
  ));
  t.equal(status, 200, text.slice(0, 500));
  const [patient, form, practitioner, task] = body.entry.map(placeOf);
  const stored = (await fhir('GET', task)).body;
  t.match(stored, {
    description: urn, for: { reference: patient, display: urn, identifier: { value: urn } }, owner: { reference: practitioner }, requester: { reference: practitioner }, instantiatesUri: `${form}#part`,
    extension: [{ valueUri: patient }, { valueString: urn }, { valueCanonical: `${form}|2` }, { valueReference: { reference: practitioner } }], _description: { extension: [{ valueUrl: practitioner }] },
    note: [{ text: urn, authorReference: { reference: practitioner } }], contained: [{ subject: { reference: patient } }],
  });
  t.equal(stored.text.div, `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${patient}">x</a> <img src='${form}' alt="y"/> ${urn}</div>`);
});

t.test('reads of an entry: conditional, HEAD, search, history, operation, metadata; by GET and by POST', async (t) => {
  const { headers } = await fhir('GET', 'Patient/ada');
  await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(9), '2026-01-05T10:00:00Z'));
  const entries = [
    get('Patient/ada', { ifNoneMatch: headers.get('etag') }), { request: { method: 'HEAD', url: 'Patient/ada' } }, get('Patient?_id=ada&_format=json'), get('Patient/ada/_history'), get('Patient/ada/_history/1'), get('_history?_count=2'),
    get('Patient/ada/$progress'), get('metadata'), get(`${service.url}/Patient/ada`), get('/Patient/ada'), { request: { method: 'POST', url: 'Patient/_search?_id=ada' } },
  ];
  const expected = ['304', '200', '200', '200', '200', '200', '200', '200', '200', '200', '200'];
  for (const type of ['batch', 'transaction']) {
    const { status, body, text } = await fhir('POST', '', bundle(type, ...entries));
    t.equal(status, 200, `${type} ${text.slice(0, 300)}`);
    t.same(statuses(body), expected, type);
    t.same(body.entry.map(({ resource }: any) => resource?.resourceType), [undefined, undefined, 'Bundle', 'Bundle', 'Patient', 'Bundle', 'Bundle', 'CapabilityStatement', 'Patient', 'Patient', 'Bundle'].map((name, at) => (at === 6 ? body.entry[6].resource.resourceType : name)), `${type}: what they bring`);
    t.match(body.entry[1].response, { etag: headers.get('etag'), lastModified: /^\d{4}-.*Z$/ }, type);
    t.equal(body.entry[10].resource.total, 1);
  }
  for (const url of ['Patient?_format=xml', 'Patient/ada?_format=text/turtle']) {
    t.same(statuses((await fhir('POST', '', bundle('batch', get(url)))).body), ['406'], url);
    const refused = await fhir('POST', '', bundle('transaction', get('Patient/ada'), get(url)));
    t.equal(refused.status, 406, url);
    t.match(refused.body.issue[0].expression, ['Bundle.entry[1].request.url']);
  }
  t.match((await fhir('POST', '', bundle('transaction', get('Practitioner?nickname=x')))).body.issue[0].expression, ['Bundle.entry[0].request.url']);
  const inner = await fhir('POST', '', bundle('transaction', { resource: bundle('batch'), request: { method: 'POST', url: '' } }));
  t.equal(inner.status, 400, 'a Bundle in a transaction');
});

t.test('Prefer: return says what the entries of writes carry', async (t) => {
  for (const type of ['batch', 'transaction']) {
    const write = bundle(type, post({ resourceType: 'Practitioner' }), { resource: { resourceType: 'Practitioner', id: `prefer-${type}` }, request: { method: 'PUT', url: `Practitioner/prefer-${type}` } }, get('Patient/ada'));
    const told = await fhir('POST', '', write, { prefer: 'return=OperationOutcome' });
    t.match(told.body.entry.slice(0, 2), [0, 1].map(() => ({ resource: undefined, response: { outcome: { resourceType: 'OperationOutcome', issue: [{ severity: 'information' }] } } })), type);
    t.equal(told.body.entry[2].resource.id, 'ada', 'a read brings what was read');
    const whole = await fhir('POST', '', write, { prefer: 'return=representation' });
    t.same(whole.body.entry.map(({ resource }: any) => resource.resourceType), ['Practitioner', 'Practitioner', 'Patient'], type);
    const least = await fhir('POST', '', write, { prefer: 'return=minimal' });
    t.same(least.body.entry.map(({ resource }: any) => resource?.resourceType), [undefined, undefined, 'Patient'], type);
  }
});

t.test('one resource in two entries is refused, however the entries name it', async (t) => {
  const id = (await fhir('POST', 'Practitioner', { resourceType: 'Practitioner', identifier: [{ system: 'urn:b', value: 'twice' }] })).body.id as string;
  const resource = { resourceType: 'Practitioner', identifier: [{ system: 'urn:b', value: 'twice' }], active: true };
  const condition = 'Practitioner?identifier=urn:b|twice';
  const ways: Record<string, object> = {
    update: { resource: { ...resource, id }, request: { method: 'PUT', url: `Practitioner/${id}` } },
    'conditional update': { resource, request: { method: 'PUT', url: condition } },
    patch: { resource: { resourceType: 'Parameters' }, request: { method: 'PATCH', url: `Practitioner/${id}` } },
    'conditional patch': { resource: { resourceType: 'Parameters' }, request: { method: 'PATCH', url: condition } },
    delete: { request: { method: 'DELETE', url: `Practitioner/${id}` } },
    'conditional delete': { request: { method: 'DELETE', url: condition } },
  };
  const names = Object.keys(ways);
  for (const [at, one] of names.entries()) for (const other of names.slice(at)) {
    const reply = await fhir('POST', '', bundle('transaction', ways[one]!, ways[other]!));
    t.equal(reply.status, 422, `${one} and ${other}: ${reply.text.slice(0, 200)}`);
    t.match(reply.body.issue[0], { code: 'duplicate', expression: ['Bundle.entry[1]'] });
  }
  t.equal((await fhir('GET', `Practitioner/${id}`)).body.meta.versionId, '1', 'nothing of it was done');
});

t.test('a condition sees the store as it was before the transaction', async (t) => {
  const id = (await fhir('POST', 'Practitioner', { resourceType: 'Practitioner', identifier: [{ system: 'urn:b', value: 'before' }] })).body.id as string;
  const { status, body, text } = await fhir('POST', '', bundle('transaction',
    { resource: { resourceType: 'Practitioner', id, identifier: [{ system: 'urn:b', value: 'after' }] }, request: { method: 'PUT', url: `Practitioner/${id}` } },
    post({ resourceType: 'Practitioner', identifier: [{ system: 'urn:b', value: 'before' }] }, { ifNoneExist: 'identifier=urn:b|before' }),
    { resource: { resourceType: 'Practitioner', identifier: [{ system: 'urn:b', value: 'after' }] }, request: { method: 'PUT', url: 'Practitioner?identifier=urn:b|new' } },
  ));
  t.equal(status, 200, text.slice(0, 300));
  t.same(statuses(body), ['200', '200', '201']);
  t.equal(placeOf(body.entry[1]), `Practitioner/${id}`, 'it existed when the transaction began');
});

t.test('every failed entry of a batch has an outcome that names the element; the others are done', async (t) => {
  const { body } = await fhir('POST', '', bundle('batch',
    post({ resourceType: 'Practitioner', gender: 'm' }), post({ resourceType: 'Practitioner' }), get('Practitioner?nickname=x'), get('Practitioner/nobody'), { request: { method: 'PATCH', url: 'Patient/ada' } },
    { resource: { resourceType: 'Patient', id: 'ada' }, request: { method: 'PUT', url: 'Patient/ada', ifMatch: 'now' } }, { resource: { resourceType: 'Patient', id: 'ada' }, request: { method: 'PUT', url: 'Patient/ada', ifNoneMatch: '*' } },
  ));
  t.same(statuses(body), ['400', '201', '400', '404', '422', '400', '412']);
  for (const at of [0, 2, 3, 4, 5, 6]) t.match(body.entry[at].response.outcome, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', details: { text: String } }] }, `entry ${at}`);
  t.match(body.entry[0].response.outcome.issue[0].expression, ['Practitioner.gender']);
  t.match(body.entry[2].response.outcome.issue[0].expression, ['http.nickname']);
});

t.test('1,000 entries of every kind in one transaction, and 5,000 at most', async (t) => {
  const patch = { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'replace' }, { name: 'path', valueString: 'Practitioner.active' }, { name: 'value', valueBoolean: false }] }] };
  const known = (n: number, more: object = {}): { resourceType: string; [element: string]: unknown } => ({ resourceType: 'Practitioner', identifier: [{ system: 'urn:mix', value: `${n}` }], active: true, ...more });
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);
  const created = await fhir('POST', '', bundle('transaction', ...range(0, 500).map((n) => post(known(n)))));
  t.equal(created.status, 200, created.text.slice(0, 300));
  const ids = created.body.entry.map((entry: any) => placeOf(entry));
  const entries = [
    ...range(0, 100).map((n) => ({ request: { method: 'DELETE', url: ids[n] } })),
    ...range(100, 200).map((n) => ({ request: { method: 'DELETE', url: `Practitioner?identifier=urn:mix|${n}` } })),
    ...range(200, 300).map((n) => ({ resource: { ...known(n, { gender: 'other' }), id: ids[n].split('/')[1] }, request: { method: 'PUT', url: ids[n], ifMatch: 'W/"1"' } })),
    ...range(300, 400).map((n) => ({ resource: known(n, { gender: 'other' }), request: { method: 'PUT', url: `Practitioner?identifier=urn:mix|${n}` } })),
    ...range(400, 500).map((n) => ({ resource: patch, request: { method: 'PATCH', url: ids[n] } })),
    ...range(500, 700).map((n) => ({ fullUrl: `urn:uuid:0f7d1c2e-4d1c-4a53-9d5e-${String(n).padStart(12, '0')}`, ...post(known(n), { ifNoneExist: `identifier=urn:mix|${n}` }) })),
    ...range(500, 700).map((n) => post({ resourceType: 'PractitionerRole', practitioner: { reference: n % 2 === 0 ? `urn:uuid:0f7d1c2e-4d1c-4a53-9d5e-${String(n).padStart(12, '0')}` : `Practitioner?identifier=urn:mix|${n}` } })),
    ...range(450, 500).map((n) => get(ids[n])), ...range(0, 50).map((n) => get(`Practitioner?identifier=urn:mix|${n + 600}`)),
  ];
  t.equal(entries.length, 1000);
  const started = performance.now();
  const { status, body, text } = await fhir('POST', '', bundle('transaction', ...entries));
  const ms = performance.now() - started;
  t.equal(status, 200, text.slice(0, 300));
  const expected = [...range(0, 200).map(() => '204'), ...range(0, 300).map(() => '200'), ...range(0, 400).map(() => '201'), ...range(0, 100).map(() => '200')];
  t.same(statuses(body), expected);
  t.ok(body.entry.slice(900, 950).every(({ resource }: any) => resource.active === false), 'reads see the patches of the same transaction');
  t.ok(body.entry.slice(950).every(({ resource }: any) => resource.entry.length === 1), 'and its creates');
  t.comment(`${Math.round(ms)} ms`);
  t.ok(ms < 10_000, 'within a few seconds');
  for (const type of ['transaction', 'batch']) {
    const refused = await fhir('POST', '', bundle(type, ...Array.from({ length: 5001 }, () => get('Patient/ada'))));
    t.equal(refused.status, 413, type);
    t.match(refused.body, { resourceType: 'OperationOutcome', issue: [{ expression: ['Bundle.entry'] }] });
  }
  t.same((await fhir('POST', '', { resourceType: 'Bundle', type: 'batch' })).body, { resourceType: 'Bundle', type: 'batch-response' }, 'of nothing comes nothing');
});
