import t from 'tap';
import { testService } from '../kit/service.ts';

const service = await testService(t);
const fhir = service.as();
const png = Buffer.from('89504e470d0a1a0a0000000dff00fe', 'hex');

for (const id of ['ada', 'bea']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });

/** A request with bytes, answered with bytes. */
async function raw(method: string, path: string, headers: Record<string, string>, body?: Buffer | string, who = {}): Promise<{ status: number; headers: Headers; bytes: Buffer }> {
  const response = await fetch(`${service.url}/${path}`, { method, headers: { authorization: `Bearer ${await service.token(who)}`, ...headers }, ...(body === undefined ? {} : { body: new Uint8Array(typeof body === 'string' ? Buffer.from(body) : body) }) });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

t.test('what is written as bytes is a Binary, and comes back as the same bytes, as a file', async (t) => {
  const posted = await raw('POST', 'Binary', { 'content-type': 'image/png', 'x-security-context': 'Patient/ada' }, png);
  t.equal(posted.status, 201);
  const { id, ...resource } = JSON.parse(posted.bytes.toString()) as { id: string };
  t.match(resource, { resourceType: 'Binary', contentType: 'image/png', securityContext: { reference: 'Patient/ada' }, data: png.toString('base64') });
  t.match(posted.headers.get('location')!, new RegExp(`/Binary/${id}/_history/1$`));

  for (const accept of ['image/png', '*/*', 'image/*', 'text/html, */*;q=0.1']) for (const path of [`Binary/${id}`, `Binary/${id}/_history/1`]) {
    const got = await raw('GET', path, { accept });
    t.same([got.status, got.bytes, got.headers.get('content-type'), got.headers.get('etag')], [200, png, 'image/png', 'W/"1"'], `${path} as ${accept}`);
    t.same([got.headers.get('content-disposition'), got.headers.get('x-content-type-options')], ['attachment', 'nosniff'], 'never shown by a browser');
    t.match(got.headers.get('content-security-policy')!, /sandbox/);
  }
  const head = await raw('HEAD', `Binary/${id}`, { accept: 'image/png' });
  t.same([head.status, head.bytes.length, head.headers.get('content-type')], [200, 0, 'image/png']);
  t.equal((await raw('GET', `Binary/${id}`, { accept: 'image/png', 'if-none-match': 'W/"1"' })).status, 304);

  for (const [accept, query] of [['application/fhir+json', ''], ['application/fhir+json, */*;q=0.1', ''], ['application/json', ''], ['image/png', '?_format=json'], ['*/*', '?_summary=true']] as const) {
    const got = await raw('GET', `Binary/${id}${query}`, { accept });
    t.same([got.status, got.headers.get('content-type'), (JSON.parse(got.bytes.toString()) as { resourceType: string }).resourceType], [200, 'application/fhir+json; charset=utf-8', 'Binary'], `${accept} ${query}`);
  }
  for (const accept of ['application/pdf', 'application/fhir+xml', 'image/png;q=0']) {
    const got = await raw('GET', `Binary/${id}`, { accept });
    t.same([got.status, (JSON.parse(got.bytes.toString()) as { resourceType: string }).resourceType], [406, 'OperationOutcome'], accept);
  }

  const put = await raw('PUT', `Binary/${id}`, { 'content-type': 'text/html; charset=utf-8', 'x-security-context': 'Patient/ada', 'if-match': 'W/"1"' }, '<script>alert(1)</script>');
  t.equal(put.status, 200);
  const html = await raw('GET', `Binary/${id}`, { accept: '*/*' });
  t.same([html.headers.get('content-type'), html.headers.get('content-disposition'), html.bytes.toString()], ['text/html; charset=utf-8', 'attachment', '<script>alert(1)</script>']);
  t.equal((await raw('PUT', `Binary/${id}`, { 'content-type': 'text/plain', 'x-security-context': 'Patient/ada', 'if-match': 'W/"1"' }, 'late')).status, 412);
  t.equal((await raw('GET', `Binary/${id}/_history/1`, { accept: '*/*' })).headers.get('content-type'), 'image/png', 'each version in its own');
});

t.test('the content of a Binary is seen, written and logged as the resource is', async (t) => {
  t.equal((await fhir('PUT', 'Binary/b', { resourceType: 'Binary', id: 'b', contentType: 'text/plain', securityContext: { reference: 'Patient/bea' }, data: 'aGk=' })).status, 201);
  t.equal((await raw('GET', 'Binary/b', { accept: 'text/plain' })).bytes.toString(), 'hi');
  const ada = { patient: 'ada' };
  t.equal((await raw('GET', 'Binary/b', { accept: 'text/plain' }, undefined, ada)).status, 404, 'of somebody else');
  t.equal((await raw('GET', 'Binary/b', { accept: 'text/plain' }, undefined, { scopes: 'system/Observation.r' })).status, 403);
  t.equal((await raw('PUT', 'Binary/b', { 'content-type': 'text/plain', 'x-security-context': 'Patient/bea' }, 'mine', ada)).status >= 400, true);
  t.equal((await raw('GET', 'Binary/b', { accept: 'text/plain' })).bytes.toString(), 'hi');
  const rows = await service.database.query<{ count: number }>(`select count(*)::int as count from audit_event where interaction = 'read' and entity_type = 'Binary' and entity_id = 'b' and outcome = '0'`, []);
  t.equal(rows[0]!.count, 2, 'each reading is in the access log');
});

t.test('what is no content of a Binary is a resource, or is refused', async (t) => {
  for (const [method, path, type, body, status] of [
    ['POST', 'Binary', 'application/fhir+json', '{"resourceType":"Binary"}', 400], ['POST', 'Binary', 'application/fhir+json', '{', 400], ['POST', 'Binary', 'application/fhir+json', '', 400], ['POST', 'Binary', 'application/fhir+xml', '<Binary/>', 415], ['POST', 'Patient', 'image/png', 'x', 415],
    ['PUT', 'Binary/bad_id', 'text/plain', 'x', 400], ['POST', 'Binary', 'not a type', 'x', 415], ['PUT', 'Binary', 'text/plain', 'x', 415], ['POST', 'Binary/_search', 'text/plain', 'x', 415], ['POST', 'Binary', 'text/plain', '', 201],
  ] as const) {
    const { status: got, bytes } = await raw(method, path, { 'content-type': type }, body);
    t.equal(got, status, `${method} ${path} ${type}: ${bytes.toString().slice(0, 200)}`);
  }
  for (const [type, json] of [['application/json', '{"a": 1.00}'], ['application/fhir+json', '{"resourceType":"Patient"}'], ['application/json', '[]']] as const) {
    const { status, bytes } = await raw('POST', 'Binary', { 'content-type': type }, json);
    t.same([status, (JSON.parse(bytes.toString()) as { contentType: string; data: string })], [201, { ...JSON.parse(bytes.toString()), contentType: type, data: Buffer.from(json).toString('base64') }], 'JSON that is no Binary is content');
  }
  await fhir('PUT', 'Binary/odd', { resourceType: 'Binary', id: 'odd', contentType: 'text/plain; x="\\"', data: 'aGk=' });
  t.match((await raw('GET', 'Binary/odd', { accept: '*/*' })).headers.get('content-type')!, /^(application\/octet-stream|application\/fhir\+json)/);
  const batch = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Binary/b' } }] }, { accept: '*/*' });
  t.match(batch.body.entry[0].resource, { resourceType: 'Binary', data: 'aGk=' }, 'in a Bundle it is a resource');
});
