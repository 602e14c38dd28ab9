import t, { type Test } from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

// http://hl7.org/fhir/R4/http.html and search.html, from the outside.

const resources = (body: any): any[] => (body.entry ?? []).map((entry: any) => entry.resource);
const ascending = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);
const ids = (body: any): string[] => resources(body).map(({ id }) => id);
const person = (id: string, more: object = {}): object => ({ resourceType: 'Practitioner', id, ...more });
const bundle = (type: string, entry: object[]): object => ({ resourceType: 'Bundle', type, entry });
const post = (resource: object, more: object = {}): object => ({ resource, request: { method: 'POST', url: (resource as any).resourceType, ...more } });

/** Checks that `reply` refuses: its status, and an OperationOutcome that names the element. */
function refuses(t: Test, reply: Reply, status: number, expression: string | undefined, what: string): void {
  t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 300)}`);
  t.match(reply.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: String, details: { text: String } }] }, `${what}: OperationOutcome`);
  t.match(reply.headers.get('content-type'), /^application\/fhir\+json/, `${what}: content type`);
  if (expression !== undefined) t.same(reply.body?.issue?.[0].expression, [expression], `${what}: expression`);
}

t.test('statuses, headers and content types', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada' });
  const raw = async (method: string, path: string, headers: Record<string, string>, body?: string | Buffer): Promise<Response> =>
    fetch(`${service.url}/${path}`, { method, headers: { authorization: `Bearer ${await service.token()}`, ...headers }, ...(body === undefined ? {} : { body: body as never }) });

  await t.test('each refusal has its status and says what is wrong and where', async (t) => {
    const { body: { id } } = await fhir('POST', 'Practitioner', { resourceType: 'Practitioner' });
    refuses(t, await fhir('POST', 'Practitioner', '{"resourceType": "Practitioner",'), 400, undefined, 'broken JSON');
    refuses(t, await fhir('POST', 'Practitioner', '[]'), 400, undefined, 'no object');
    refuses(t, await fhir('POST', 'Practitioner', ''), 400, undefined, 'no body');
    refuses(t, await fhir('POST', 'Practitioner', { resourceType: 'Patient' }), 400, 'resourceType', 'another type');
    refuses(t, await fhir('POST', 'Practitioner', { resourceType: 'Practitioner', gender: 'm' }), 400, 'Practitioner.gender', 'a code outside a required binding');
    refuses(t, await fhir('POST', 'Practitioner', { resourceType: 'Practitioner', nickname: 'x' }), 400, 'Practitioner.nickname', 'an element that is not defined');
    refuses(t, await fhir('PUT', `Practitioner/${id}`, person('another')), 400, 'Practitioner.id', 'another id');
    refuses(t, await fhir('PUT', `Practitioner/${id}`, { resourceType: 'Practitioner' }), 400, 'Practitioner.id', 'no id');
    refuses(t, await fhir('PUT', 'Practitioner/a_b', person('a_b')), 400, 'Practitioner.id', 'an id that is none');
    refuses(t, await fhir('GET', 'Practitioner?nickname=x'), 400, 'http.nickname', 'an unknown parameter');
    refuses(t, await fhir('GET', 'Observation?date=yesterday'), 400, 'http.date', 'a value that is no date');
    refuses(t, await fhir('GET', 'Practitioner?_count=-1'), 400, 'http._count', 'a negative _count');
    refuses(t, await fhir('GET', 'Practitioner?_page=abc'), 400, 'http._page', 'an invented page');
    refuses(t, await fhir('GET', 'Practitioner/%E0%A4%A'), 400, undefined, 'a path that is not percent-encoded');
    refuses(t, await fhir('PUT', `Practitioner/${id}`, person(id), { 'if-match': '1' }), 400, 'http.If-Match', 'If-Match that is no ETag');
    refuses(t, await fhir('GET', 'Practitioner/nobody'), 404, undefined, 'an unknown id');
    refuses(t, await fhir('GET', `Practitioner/${id}/_history/7`), 404, undefined, 'an unknown version');
    refuses(t, await fhir('GET', 'Practitioner/nobody/_history'), 404, undefined, 'the history of an unknown id');
    refuses(t, await fhir('GET', 'Medication/x'), 404, undefined, 'a type that is not served');
    refuses(t, await fhir('GET', 'Practitioner/$no-such-operation'), 404, undefined, 'an unknown operation');
    refuses(t, await fhir('POST', `Practitioner/${id}`, person(id)), 405, undefined, 'POST to an instance');
    t.match((await fhir('POST', `Practitioner/${id}`, person(id))).headers.get('allow'), /GET.*PUT.*DELETE/, 'Allow');
    refuses(t, await fhir('DELETE', ''), 405, undefined, 'DELETE of the base');
    refuses(t, await fhir('PATCH', 'Practitioner/nobody', [{ op: 'add', path: '/active', value: true }], { 'content-type': 'application/json-patch+json' }), 404, undefined, 'PATCH of an unknown id');
    refuses(t, await fhir('GET', 'Practitioner', undefined, { accept: 'application/fhir+xml' }), 406, undefined, 'XML');
    refuses(t, await fhir('POST', 'Practitioner', '<Practitioner/>', { 'content-type': 'application/fhir+xml' }), 415, undefined, 'an XML body');
    refuses(t, await fhir('PATCH', `Practitioner/${id}`, '[]', { 'content-type': 'application/fhir+json' }), 415, undefined, 'a patch that is not JSON Patch');
    refuses(t, await fhir('POST', 'Practitioner/_search', '{}', { 'content-type': 'application/json' }), 415, undefined, 'a search that is no form');
    refuses(t, await fhir('PUT', `Practitioner/${id}`, person(id), { 'if-match': 'W/"9"' }), 412, undefined, 'a version that is not the current one');
    refuses(t, await fhir('POST', 'QuestionnaireResponse', phq9('nobody', spread(9), '2026-01-01')), 422, 'QuestionnaireResponse.subject', 'a subject that is not here');
    refuses(t, await fhir('POST', 'AuditEvent', { resourceType: 'AuditEvent' }), 405, undefined, 'a type that only the service writes');
  });

  await t.test('401 says how to authenticate; 403 says what is missing', async (t) => {
    const none = await fetch(`${service.url}/Practitioner`);
    t.equal(none.status, 401);
    t.match(none.headers.get('www-authenticate'), /^Bearer/);
    t.match(await none.json(), { resourceType: 'OperationOutcome', issue: [{ code: 'login' }] });
    for (const authorization of ['Bearer nonsense', 'Basic eDp5', 'Bearer']) {
      const wrong = await fetch(`${service.url}/Practitioner`, { headers: { authorization } });
      t.equal(wrong.status, 401, authorization);
      t.match(wrong.headers.get('www-authenticate'), /^Bearer/, authorization);
    }
    const reader = service.as({ scopes: 'system/Practitioner.rs' });
    t.equal((await reader('GET', 'Practitioner')).status, 200);
    refuses(t, await reader('POST', 'Practitioner', { resourceType: 'Practitioner' }), 403, undefined, 'a verb without scope');
    refuses(t, await reader('GET', 'Patient/ada'), 403, undefined, 'a type without scope');
    refuses(t, await reader('POST', '', bundle('transaction', [post({ resourceType: 'Practitioner' })])), 403, 'Bundle.entry[0]', 'an entry without scope');
  });

  await t.test('create: 201 with Location, ETag and Last-Modified; an id in the body is not taken', async (t) => {
    const { status, headers, body } = await fhir('POST', 'Practitioner', person('mine', { meta: { versionId: '77', lastUpdated: '2001-01-01T00:00:00Z' } }));
    t.equal(status, 201);
    t.not(body.id, 'mine');
    t.equal(headers.get('location'), `${service.url}/Practitioner/${body.id}/_history/1`);
    t.equal(headers.get('etag'), 'W/"1"');
    t.equal(headers.get('last-modified'), new Date(body.meta.lastUpdated).toUTCString());
    t.equal(body.meta.versionId, '1');
    t.ok(Date.parse(body.meta.lastUpdated) > Date.parse('2026-01-01'));
  });

  await t.test('update as create, update, delete, read, delete again, bring back', async (t) => {
    const created = await fhir('PUT', 'Practitioner/zoe', person('zoe'));
    t.equal(created.status, 201);
    t.equal(created.headers.get('location'), `${service.url}/Practitioner/zoe/_history/1`);
    const updated = await fhir('PUT', 'Practitioner/zoe', person('zoe', { active: true }), { 'if-match': 'W/"1"' });
    t.equal(updated.status, 200);
    t.equal(updated.headers.get('etag'), 'W/"2"');
    const deleted = await fhir('DELETE', 'Practitioner/zoe');
    t.equal(deleted.status, 204);
    t.equal(deleted.text, '');
    t.equal(deleted.headers.get('etag'), 'W/"3"');
    const gone = await fhir('GET', 'Practitioner/zoe');
    refuses(t, gone, 410, undefined, 'read after delete');
    t.equal(gone.headers.get('etag'), 'W/"3"');
    refuses(t, await fhir('GET', 'Practitioner/zoe/_history/3'), 410, undefined, 'vread of the deletion');
    t.equal((await fhir('GET', 'Practitioner/zoe/_history/2')).body.active, true, 'vread of an earlier version');
    t.equal((await fhir('GET', 'Practitioner?_id=zoe')).body.entry, undefined, 'search does not find it');
    refuses(t, await fhir('PATCH', 'Practitioner/zoe', [{ op: 'add', path: '/active', value: true }], { 'content-type': 'application/json-patch+json' }), 410, undefined, 'patch after delete');
    t.equal((await fhir('DELETE', 'Practitioner/zoe')).status, 204, 'deleting again is no error');
    t.equal((await fhir('DELETE', 'Practitioner/never-there')).status, 204);
    const back = await fhir('PUT', 'Practitioner/zoe', person('zoe'));
    t.equal(back.status, 201, 'an update brings it back as a creation');
    t.equal(back.headers.get('etag'), 'W/"4"');
    const { body: history } = await fhir('GET', 'Practitioner/zoe/_history');
    t.same(history.entry.map(({ response }: any) => [response.status.slice(0, 3), response.etag]), [['201', 'W/"4"'], ['204', 'W/"3"'], ['200', 'W/"2"'], ['201', 'W/"1"']]);
    t.match(history.entry[1], { request: { method: 'DELETE', url: 'Practitioner/zoe' }, resource: undefined }, 'a deletion has no resource');
    t.same(history.entry.map(({ request }: any) => request.method), ['PUT', 'DELETE', 'PUT', 'PUT'], 'what was created by PUT says so');
    t.equal(history.type, 'history');
    t.ok(history.entry.every(({ fullUrl }: any) => fullUrl === `${service.url}/Practitioner/zoe`));
  });

  await t.test('conditional read: 304 without a body', async (t) => {
    await fhir('PUT', 'Practitioner/cond', person('cond'));
    const { headers } = await fhir('GET', 'Practitioner/cond');
    const same = await fhir('GET', 'Practitioner/cond', undefined, { 'if-none-match': headers.get('etag')! });
    t.equal(same.status, 304);
    t.equal(same.text, '');
    t.equal((await fhir('GET', 'Practitioner/cond', undefined, { 'if-modified-since': headers.get('last-modified')! })).status, 304);
    t.equal((await fhir('GET', 'Practitioner/cond', undefined, { 'if-modified-since': 'Mon, 05 Jan 2026 10:00:00 GMT' })).status, 200);
    await fhir('PUT', 'Practitioner/cond', person('cond', { active: true }));
    t.equal((await fhir('GET', 'Practitioner/cond', undefined, { 'if-none-match': headers.get('etag')! })).status, 200);
  });

  await t.test('If-None-Match: * on an update makes it a creation or nothing', async (t) => {
    const first = { 'if-none-match': '*' };
    const replies = await Promise.all(Array.from({ length: 6 }, (_, at) => fhir('PUT', 'Practitioner/once', person('once', { active: at % 2 === 0 }), first)));
    t.same(replies.map(({ status }) => status).toSorted(ascending), [201, 412, 412, 412, 412, 412]);
    refuses(t, await fhir('PUT', 'Practitioner/once', person('once'), first), 412, undefined, 'it is there');
    const entry = { resource: person('once'), request: { method: 'PUT', url: 'Practitioner/once', ifNoneMatch: '*' } };
    refuses(t, await fhir('POST', '', bundle('transaction', [entry])), 412, 'Bundle.entry[0]', 'in a transaction');
    t.match((await fhir('POST', '', bundle('batch', [entry]))).body.entry[0].response.status, /^412/, 'in a batch');
    t.equal((await fhir('GET', 'Practitioner/once')).body.meta.versionId, '1');
    await fhir('DELETE', 'Practitioner/once');
    t.equal((await fhir('PUT', 'Practitioner/once', person('once'), first)).status, 201, 'what was deleted is not there');
  });

  await t.test('of racing updates under one If-Match one is taken and the others get 412', async (t) => {
    await fhir('PUT', 'Practitioner/race', person('race'));
    const replies = await Promise.all(Array.from({ length: 8 }, () => fhir('PUT', 'Practitioner/race', person('race', { active: true }), { 'if-match': 'W/"1"' })));
    t.same(replies.map(({ status }) => status).toSorted(ascending), [200, 412, 412, 412, 412, 412, 412, 412]);
  });

  await t.test('Prefer: return, for create, update and patch', async (t) => {
    const minimal = await fhir('POST', 'Practitioner', { resourceType: 'Practitioner' }, { prefer: 'return=minimal' });
    t.equal(minimal.status, 201);
    t.equal(minimal.text, '');
    t.ok(minimal.headers.get('location'));
    t.equal((await fhir('POST', 'Practitioner', { resourceType: 'Practitioner' }, { prefer: 'return=representation' })).body.resourceType, 'Practitioner');
    const outcome = await fhir('PUT', 'Practitioner/pref', person('pref'), { prefer: 'return=OperationOutcome' });
    t.match(outcome.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'information' }] });
    t.equal((await fhir('PUT', 'Practitioner/pref', person('pref'), { prefer: 'respond-async, return=minimal; handling=lenient' })).text, '');
  });

  await t.test('Accept and Content-Type: parameters, case, charset, fhirVersion, lists', async (t) => {
    for (const accept of ['application/fhir+json', 'application/json', 'APPLICATION/FHIR+JSON', 'application/fhir+json;fhirVersion=4.0', 'application/fhir+json; fhirVersion=4.0.1', 'application/fhir+json; charset=utf-8', 'application/fhir+xml, application/fhir+json;q=0.9', '*/*', 'text/html, */*;q=0.1']) {
      t.equal((await raw('GET', 'Practitioner?_count=1', { accept })).status, 200, accept);
    }
    for (const accept of ['application/fhir+xml', 'text/turtle', 'application/fhir+json;q=0', 'application/fhir+json;fhirVersion=5.0']) t.equal((await raw('GET', 'Practitioner?_count=1', { accept })).status, 406, accept);
    for (const type of ['application/fhir+json', 'application/json', 'Application/FHIR+JSON; Charset=UTF-8', 'application/fhir+json;fhirVersion=4.0', 'application/fhir+json; charset="utf-8"; fhirVersion="4.0"']) {
      t.equal((await raw('POST', 'Practitioner', { 'content-type': type }, '{"resourceType":"Practitioner"}')).status, 201, type);
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/fhir+json; charset=latin1', 'application/fhir+json;fhirVersion=3.0', 'application/fhir+jsonx']) {
      t.equal((await raw('POST', 'Practitioner', { 'content-type': type }, '{"resourceType":"Practitioner"}')).status, 415, type);
    }
    t.equal((await raw('POST', 'Practitioner', {}, Buffer.from('{"resourceType":"Practitioner"}'))).status, 415, 'none at all');
  });

  await t.test('_format before Accept; _pretty keeps decimals', async (t) => {
    for (const format of ['json', 'application/json', 'application/fhir%2Bjson', 'application/fhir+json']) t.equal((await raw('GET', `Practitioner?_count=1&_format=${format}`, { accept: 'application/fhir+xml' })).status, 200, format);
    for (const path of ['Practitioner?_format=xml', 'Practitioner/pref?_format=application/fhir%2Bxml', 'metadata?_format=xml']) t.equal((await raw('GET', path, {})).status, 406, path);
    await fhir('PUT', 'Observation/pretty', '{"resourceType":"Observation","id":"pretty","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ada"},"valueQuantity":{"value":2.50}}');
    const form = await fhir('POST', 'Observation/_search', '_id=pretty&_pretty=true', { 'content-type': 'application/x-www-form-urlencoded' });
    t.match(form, { status: 200, text: /\n {2}"resourceType": "Bundle"/ }, 'a form may ask for indentation too');
    t.notOk((await fhir('GET', 'Observation?_id=pretty&_pretty=false')).text.includes('\n'), 'and false is false');
    for (const path of ['Observation/pretty?_pretty=true', 'Observation?_id=pretty&_pretty=true', 'Observation/pretty/_history?_pretty=true']) {
      const { text } = await fhir('GET', path);
      t.match(text, /\n {2}/, path);
      t.match(text, /"value": 2\.50\b/, path);
    }
  });

  await t.test('HEAD answers as GET does, without the body', async (t) => {
    for (const [path, status] of [['Practitioner/pref', 200], ['Practitioner?_count=1', 200], ['Practitioner/nobody', 404], ['Practitioner/pref/_history/1', 200], ['metadata', 200]] as const) {
      const head = await raw('HEAD', path, {});
      t.equal(head.status, status, path);
      t.equal(await head.text(), '');
    }
    t.equal((await raw('HEAD', 'Practitioner/pref', {})).headers.get('etag'), (await fhir('GET', 'Practitioner/pref')).headers.get('etag'));
  });

  await t.test('UTF-8, right-to-left text and a narrative of 1 MB come back as they were sent', async (t) => {
    const name = [{ text: 'شيرين 👩🏽‍⚕️ Ünïcødé 漢字 \u202Eabc \u2028' }];
    const div = `<div xmlns="http://www.w3.org/1999/xhtml"><p>${'Zwischen den Sitzungen 🌱 '.repeat(38_000)}</p></div>`;
    t.ok(Buffer.byteLength(div) > 1_000_000);
    const sent = person('utf', { name, text: { status: 'generated', div } });
    const put = await fhir('PUT', 'Practitioner/utf', sent);
    t.equal(put.status, 201);
    const { body } = await fhir('GET', 'Practitioner/utf');
    t.same(body.name, name);
    t.equal(body.text.div, div);
    t.same(ids((await fhir('GET', `Practitioner?name=${encodeURIComponent('شيرين')}`)).body), ['utf']);
    t.equal((await raw('POST', 'Practitioner', { 'content-type': 'application/fhir+json' }, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))).status, 400, 'what is not UTF-8 is refused');
    const marked = await raw('POST', 'Practitioner', { 'content-type': 'application/fhir+json' }, Buffer.from('\uFEFF{"resourceType":"Practitioner"}'));
    t.equal(marked.status, 201, 'a byte order mark is no part of the text');
  });

  await t.test('20 MB are too much, and the service goes on', async (t) => {
    const response = await raw('POST', 'Practitioner', { 'content-type': 'application/fhir+json' }, Buffer.alloc(20 * 1024 * 1024, 0x20)).catch(() => undefined);
    // The service may answer before the body is through; a client that is still sending may see the connection closed.
    if (response !== undefined) {
      t.equal(response.status, 413);
      t.match(await response.json(), { resourceType: 'OperationOutcome', issue: [{ code: 'too-long' }] });
    }
    t.equal((await fhir('GET', 'Practitioner/pref')).status, 200);
  });
});

t.test('conditional interactions, patch and keys', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const known = (value: string, more: object = {}): object => ({ resourceType: 'Practitioner', identifier: [{ system: 'urn:staff', value }], ...more });
  const jsonPatch = { 'content-type': 'application/json-patch+json' };

  await t.test('If-None-Exist: none, one, several', async (t) => {
    const first = await fhir('POST', 'Practitioner', known('1'), { 'if-none-exist': 'identifier=urn:staff|1' });
    t.equal(first.status, 201);
    for (const condition of ['identifier=urn:staff|1', '?identifier=urn:staff|1', 'identifier=urn%3Astaff%7C1', 'Practitioner?identifier=urn:staff|1']) {
      const again = await fhir('POST', 'Practitioner', known('1'), { 'if-none-exist': condition });
      t.equal(again.status, 200, condition);
      t.equal(again.body.id, first.body.id);
      t.equal(again.headers.get('location'), first.headers.get('location'));
    }
    await fhir('POST', 'Practitioner', known('1'));
    refuses(t, await fhir('POST', 'Practitioner', known('1'), { 'if-none-exist': 'identifier=urn:staff|1' }), 412, undefined, 'two match');
    refuses(t, await fhir('POST', 'Practitioner', known('1'), { 'if-none-exist': '' }), 412, undefined, 'an empty condition');
    refuses(t, await fhir('POST', 'Practitioner', known('1'), { 'if-none-exist': 'nickname=x' }), 400, 'http.nickname', 'an unknown parameter never matches everything');
  });

  await t.test('conditional update: creates, updates, refuses several and another id', async (t) => {
    const created = await fhir('PUT', 'Practitioner?identifier=urn:staff|2', known('2'));
    t.equal(created.status, 201);
    const updated = await fhir('PUT', 'Practitioner?identifier=urn:staff|2', known('2', { active: true }));
    t.equal(updated.status, 200);
    t.equal(updated.body.id, created.body.id);
    t.equal(updated.body.meta.versionId, '2');
    refuses(t, await fhir('PUT', 'Practitioner?identifier=urn:staff|2', known('2', { id: 'another' })), 400, 'Practitioner.id', 'another id');
    await fhir('POST', 'Practitioner', known('2'));
    refuses(t, await fhir('PUT', 'Practitioner?identifier=urn:staff|2', known('2')), 412, undefined, 'two match');
    refuses(t, await fhir('PUT', 'Practitioner', known('2')), 412, undefined, 'no condition');
    const own = await fhir('PUT', 'Practitioner?identifier=urn:staff|own', known('own', { id: 'own-id' }));
    t.equal(own.status, 201);
    t.equal(own.body.id, 'own-id');
  });

  await t.test('conditional delete: one, none, several', async (t) => {
    await fhir('POST', 'Practitioner', known('3'));
    t.equal((await fhir('DELETE', 'Practitioner?identifier=urn:staff|3')).status, 204);
    t.equal((await fhir('GET', 'Practitioner?identifier=urn:staff|3')).body.entry, undefined);
    t.equal((await fhir('DELETE', 'Practitioner?identifier=urn:staff|3')).status, 204);
    await fhir('POST', 'Practitioner', known('4'));
    await fhir('POST', 'Practitioner', known('4'));
    refuses(t, await fhir('DELETE', 'Practitioner?identifier=urn:staff|4'), 412, undefined, 'two match');
    refuses(t, await fhir('DELETE', 'Practitioner'), 412, undefined, 'no condition');
    t.equal(resources((await fhir('GET', 'Practitioner?identifier=urn:staff|4')).body).length, 2, 'nothing was deleted');
  });

  await t.test('JSON Patch: every operation, a test that fails, and what it must not do', async (t) => {
    await fhir('PUT', 'Practitioner/pat', person('pat', { name: [{ family: 'Berg', given: ['A', 'B'] }], active: true }));
    const done = await fhir('PATCH', 'Practitioner/pat', [
      { op: 'test', path: '/active', value: true }, { op: 'replace', path: '/active', value: false }, { op: 'add', path: '/name/0/given/-', value: 'C' },
      { op: 'move', from: '/name/0/given/0', path: '/name/0/given/2' }, { op: 'copy', from: '/name/0/family', path: '/name/0/text' }, { op: 'remove', path: '/name/0/given/0' },
    ], jsonPatch);
    t.equal(done.status, 200, done.text.slice(0, 300));
    t.match(done.body, { active: false, name: [{ family: 'Berg', text: 'Berg', given: ['C', 'A'] }], meta: { versionId: '2' } });
    const before = (await fhir('GET', 'Practitioner/pat')).text;
    for (const [operations, status, what] of [
      [[{ op: 'replace', path: '/active', value: true }, { op: 'test', path: '/active', value: false }], 422, 'a test that fails'],
      [[{ op: 'remove', path: '/gender' }], 422, 'a path that is not there'],
      [[{ op: 'replace', path: '/gender', value: 'm' }], 422, 'a path to replace that is not there'],
      [[{ op: 'add', path: '/gender', value: 'm' }], 422, 'a result that is not valid'],
      [[{ op: 'replace', path: '/id', value: 'x' }], 422, 'another id'],
      [[{ op: 'add', path: '/__proto__/x', value: 1 }], 422, 'a prototype'],
      [[{ op: 'leap', path: '/active' }], 422, 'an unknown operation'],
      [{ op: 'add', path: '/active', value: true }, 400, 'no array'],
    ] as const) refuses(t, await fhir('PATCH', 'Practitioner/pat', operations, jsonPatch), status, undefined, what);
    refuses(t, await fhir('PATCH', 'Practitioner/pat', [{ op: 'add', path: '/active', value: true }], { ...jsonPatch, 'if-match': 'W/"1"' }), 412, undefined, 'another version');
    t.equal((await fhir('GET', 'Practitioner/pat')).text, before, 'nothing of them was stored');
    t.equal((await fhir('PATCH', 'Practitioner/pat', [{ op: 'add', path: '/active', value: true }], { ...jsonPatch, 'if-match': 'W/"2"' })).status, 200);
  });

  await t.test('PATCH within a transaction, as a Binary', async (t) => {
    const data = Buffer.from(JSON.stringify([{ op: 'add', path: '/gender', value: 'female' }])).toString('base64');
    const entry = { resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data }, request: { method: 'PATCH', url: 'Practitioner/pat' } };
    for (const type of ['transaction', 'batch']) {
      const { status, text, body } = await fhir('POST', '', bundle(type, [entry]));
      t.equal(status, 200, text.slice(0, 300));
      t.match(body.entry[0].response.status, /^200/, `${type}: ${text.slice(0, 300)}`);
    }
    t.equal((await fhir('GET', 'Practitioner/pat')).body.gender, 'female');
  });

  await t.test('Idempotency-Key: create, update, delete; one answer for one request', async (t) => {
    const key = (name: string) => ({ 'idempotency-key': name });
    const created = await fhir('POST', 'Practitioner', known('5'), key('k1'));
    const again = await fhir('POST', 'Practitioner', known('5'), key('k1'));
    t.equal(again.text, created.text);
    t.equal(again.status, created.status);
    refuses(t, await fhir('POST', 'Practitioner', known('6'), key('k1')), 422, undefined, 'the key with another body');
    await fhir('PUT', 'Practitioner/keyed', person('keyed'), key('k2'));
    const replay = await fhir('PUT', 'Practitioner/keyed', person('keyed'), key('k2'));
    t.equal(replay.body.meta.versionId, '1');
    t.equal((await fhir('GET', 'Practitioner/keyed')).body.meta.versionId, '1');
    refuses(t, await fhir('POST', 'Practitioner', known('5'), key('a b')), 400, 'http.Idempotency-Key', 'a key with a blank');
  });
});

t.test('search and history', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', name: [{ family: 'Ames' }] });
  await fhir('PUT', 'Patient/bea', { resourceType: 'Patient', id: 'bea' });
  await fhir('PUT', 'Practitioner/doc', person('doc'));
  const observation = (at: number, patient = 'ada'): object => ({
    resourceType: 'Observation', id: `o${at}`, status: 'final', code: { coding: [{ system: 'urn:codes', code: 'mood' }] }, subject: { reference: `Patient/${patient}` },
    performer: [{ reference: 'Practitioner/doc' }], effectiveDateTime: `2026-02-${String(1 + (at % 9)).padStart(2, '0')}`, valueInteger: at,
  });
  await fhir('POST', '', bundle('transaction', Array.from({ length: 50 }, (_, at) => ({ resource: observation(at), request: { method: 'PUT', url: `Observation/o${at}` } }))));

  const walk = async (path: string, each?: (page: number) => Promise<unknown>): Promise<{ pages: number; found: any[] }> => {
    const found: any[] = [];
    let pages = 0;
    for (let url: string | undefined = path; url !== undefined;) {
      const { status, body, text } = await fhir('GET', url);
      if (status !== 200) throw new Error(text);
      found.push(...(body.entry ?? []));
      pages += 1;
      await each?.(pages);
      url = body.link.find(({ relation }: any) => relation === 'next')?.url;
    }
    return { pages, found };
  };

  await t.test('pages of 3 over 50 resources: none twice, none left out, whatever the order', async (t) => {
    for (const sort of ['', '&_sort=date', '&_sort=-date', '&_sort=_id', '&_sort=-_lastUpdated', '&_sort=code,-date']) {
      const { pages, found } = await walk(`Observation?patient=ada&code=mood&_count=3${sort}`);
      t.equal(pages, 17, `pages${sort}`);
      t.equal(new Set(found.map(({ resource }) => resource.id)).size, 50, `resources${sort}`);
      t.equal(found.length, 50, `entries${sort}`);
      if (sort.endsWith('date')) {
        const dates = found.map(({ resource }) => resource.effectiveDateTime);
        t.same(dates, sort.endsWith('-date') ? dates.toSorted(ascending).toReversed() : dates.toSorted(ascending), `order${sort}`);
      }
    }
  });

  await t.test('pages stay whole while others write', async (t) => {
    const { found } = await walk('Observation?patient=ada&code=mood&_count=7&_sort=date', (page) => fhir('PUT', `Observation/o${page}`, { ...observation(page), note: [{ text: 'x' }] }));
    t.equal(new Set(found.map(({ resource }) => resource.id)).size, 50);
    t.equal(found.length, 50);
  });

  await t.test('total, _summary=count, _count=0', async (t) => {
    for (const query of ['_summary=count', '_count=0', '_total=accurate&_count=1']) t.equal((await fhir('GET', `Observation?patient=ada&code=mood&${query}`)).body.total, 50, query);
    t.equal((await fhir('GET', 'Observation?patient=ada&code=mood&_summary=count')).body.entry, undefined);
    const links = (await fhir('GET', 'Observation?patient=ada&_count=3')).body.link;
    t.match(links, [{ relation: 'self', url: `${service.url}/Observation?patient=ada&_count=3` }, { relation: 'next' }]);
  });

  await t.test('a page link is of the one who got it', async (t) => {
    const next = (await fhir('GET', 'Observation?patient=ada&_count=3')).body.link[1].url as string;
    refuses(t, await service.as({ scopes: 'patient/*.rs', patient: 'ada' })('GET', next), 400, 'http._page', 'another caller');
    refuses(t, await fhir('GET', next.replace('patient=ada', 'patient=bea')), 400, 'http._page', 'another query');
  });

  await t.test('_elements and _summary: a part, marked as such', async (t) => {
    const [part] = resources((await fhir('GET', 'Observation?_id=o1&_elements=valueInteger')).body);
    t.match(part, { id: 'o1', status: 'final', code: {}, meta: { tag: [{ code: 'SUBSETTED' }] } });
    t.equal(part.performer, undefined);
    const [summary] = resources((await fhir('GET', 'Observation?_id=o1&_summary=true')).body);
    t.match(summary.meta.tag, [{ code: 'SUBSETTED' }]);
    const [text] = resources((await fhir('GET', 'Patient?_id=ada&_summary=text')).body);
    t.equal(text.name, undefined);
  });

  await t.test('_include and _revinclude: marked as included, each once', async (t) => {
    const { body } = await fhir('GET', 'Observation?patient=ada&code=mood&_count=4&_include=Observation:subject&_include=Observation:performer');
    t.same(body.entry.map(({ search, resource }: any) => `${search.mode} ${resource.resourceType}`).toSorted(ascending),
      ['include Patient', 'include Practitioner', 'match Observation', 'match Observation', 'match Observation', 'match Observation']);
    const reverse = await fhir('GET', 'Patient?_id=ada&_revinclude=Observation:subject');
    t.equal(reverse.body.entry.filter(({ search }: any) => search.mode === 'match').length, 1);
    t.equal(reverse.body.entry.filter(({ search, resource }: any) => search.mode === 'include' && resource.resourceType === 'Observation').length, 50);
    const { found } = await walk('Observation?patient=ada&code=mood&_count=3&_include=Observation:subject');
    t.equal(found.filter(({ search }) => search.mode === 'match').length, 50, 'paging counts matches only');
  });

  await t.test('in a compartment, by POST _search, and with both', async (t) => {
    await fhir('PUT', 'Observation/of-bea', { ...observation(0, 'bea'), id: 'of-bea' });
    t.equal((await fhir('GET', 'Patient/ada/Observation?_summary=count')).body.total, 50);
    t.same(ids((await fhir('GET', 'Patient/bea/Observation')).body), ['of-bea']);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    t.same(ids((await fhir('POST', 'Observation/_search', 'patient=bea&code=urn:codes%7Cmood', form)).body), ['of-bea']);
    t.same(ids((await fhir('POST', 'Patient/bea/Observation/_search', 'code=mood', form)).body), ['of-bea']);
    t.same(ids((await fhir('POST', 'Observation/_search?patient=bea', 'code=mood', form)).body), ['of-bea'], 'parameters of URL and body together');
    t.equal((await fhir('POST', 'Observation/_search', '', form)).status, 200, 'an empty form');
  });

  await t.test('over several types, by GET, by POST _search and in a batch; what was shown is in the access log', async (t) => {
    await fhir('PUT', 'Patient/several', { resourceType: 'Patient', id: 'several' });
    await fhir('PUT', 'Goal/several', { resourceType: 'Goal', id: 'several', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/several' } });
    const found = await fhir('GET', `${service.url}?_type=Patient,Goal&_id=several`);
    t.match(found.body, { total: 2, link: [{ url: `${service.url}?_type=Patient,Goal&_id=several` }] });
    t.same(found.body.entry.map(({ fullUrl }: { fullUrl: string }) => fullUrl), [`${service.url}/Goal/several`, `${service.url}/Patient/several`]);
    const posted = await fhir('POST', '_search', '_id=several', { 'content-type': 'application/x-www-form-urlencoded' });
    t.equal(posted.body.total, 2, 'of all types');
    const bundle = await fhir('POST', service.url, { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: '?_type=Goal&_id=several' } }] });
    t.match(bundle.body.entry, [{ resource: { type: 'searchset', total: 1 }, response: { status: '200' } }]);
    const first = await fhir('GET', `${service.url}?_id=several&_count=1`);
    const next = await fhir('GET', first.body.link.find(({ relation }: { relation: string }) => relation === 'next').url);
    t.match(next.body.entry, [{ resource: { resourceType: 'Patient', id: 'several' } }]);
    const logged = await fhir('GET', 'AuditEvent?patient=several&_count=1000');
    t.ok(logged.body.entry.some(({ resource }: { resource: { subtype?: { code: string }[] } }) => resource.subtype?.some(({ code }) => code === 'search-system')));
    refuses(t, await service.as({ scopes: 'system/Patient.rs' })('GET', `${service.url}?_type=Patient,Goal`), 403, undefined, 'a type that is not granted');
    t.equal((await service.as({ scopes: 'system/Patient.rs' })('GET', `${service.url}?_id=several`)).body.total, 1, 'without _type: what is granted');
    refuses(t, await fhir('GET', `${service.url}?_type=Patient,Goal&family=x`), 400, 'http.family', 'a parameter that one of the types lacks');
  });

  await t.test('Prefer: handling', async (t) => {
    refuses(t, await fhir('GET', 'Observation?patient=bea&mood=1', undefined, { prefer: 'handling=strict' }), 400, 'http.mood', 'strict');
    const lenient = await fhir('GET', 'Observation?patient=bea&mood=1', undefined, { prefer: 'handling=lenient' });
    t.same(ids(lenient.body), ['of-bea']);
    t.equal(lenient.body.link[0].url, `${service.url}/Observation?patient=bea`, 'the self link shows what was applied');
  });

  await t.test('decimals come back as they were written: read, vread, search, history, transaction, patch', async (t) => {
    const decimals = '"component":[{"code":{"text":"a"},"valueQuantity":{"value":2.50}},{"code":{"text":"b"},"valueQuantity":{"value":0.010}},{"code":{"text":"c"},"valueQuantity":{"value":1E+2}},{"code":{"text":"d"},"valueQuantity":{"value":-0.0}},{"code":{"text":"e"},"valueQuantity":{"value":3.14159265358979323846}}]';
    const body = `{"resourceType":"Observation","id":"dec","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ada"},${decimals}}`;
    t.equal((await fhir('PUT', 'Observation/dec', body)).status, 201);
    t.equal((await fhir('PATCH', 'Observation/dec', [{ op: 'add', path: '/note', value: [{ text: 'x' }] }], { 'content-type': 'application/json-patch+json' })).status, 200);
    const inBundle = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":${body.replace('"dec"', '"dec2"')},"request":{"method":"PUT","url":"Observation/dec2"}}]}`;
    t.equal((await fhir('POST', '', inBundle)).status, 200);
    t.equal((await fhir('POST', '', inBundle.replaceAll('dec2', 'dec3').replace('"transaction"', '"batch"'))).status, 200);
    for (const path of ['Observation/dec', 'Observation/dec/_history/1', 'Observation?_id=dec', 'Observation/dec/_history', 'Observation/dec2', 'Observation/dec3', 'Observation?_id=dec&_elements=component']) {
      t.ok((await fhir('GET', path)).text.includes(decimals), path);
    }
    t.same(ids((await fhir('GET', 'Observation?_id=dec&component-value-quantity=2.5')).body), ['dec']);
  });

  await t.test('history of an instance, a type and the system, paged while others write', async (t) => {
    for (let version = 1; version <= 9; version++) await fhir('PUT', 'Practitioner/hist', person('hist', { telecom: [{ system: 'phone', value: String(version) }] }));
    const { found } = await walk('Practitioner/hist/_history?_count=2', (page) => fhir('PUT', 'Practitioner/hist', person('hist', { telecom: [{ system: 'phone', value: `later ${page}` }] })));
    t.same(found.map(({ resource }) => Number(resource.meta.versionId)), [9, 8, 7, 6, 5, 4, 3, 2, 1], 'what came later is not mixed in');
    const ofType = await walk('Observation/_history?_count=10', (page) => fhir('PUT', `Observation/o${page}`, observation(page)));
    const keys = ofType.found.map(({ resource }) => `${resource.id}/${resource.meta.versionId}`);
    t.equal(new Set(keys).size, keys.length, 'no version twice');
    for (let at = 0; at < 50; at++) t.ok(keys.includes(`o${at}/1`), `o${at}/1`);
    const ofAll = await walk('_history?_count=40');
    const all = ofAll.found.map(({ fullUrl, response }) => `${fullUrl} ${response.etag}`);
    t.equal(new Set(all).size, all.length);
    t.ok(all.some((key) => key.includes('Practitioner/hist')) && all.some((key) => key.includes('Observation/o1')));
    const stamps = ofAll.found.map(({ response }) => response.lastModified);
    t.same(stamps, stamps.toSorted(ascending).toReversed(), 'newest first');
  });

  await t.test('_since and _at', async (t) => {
    const { body: first } = await fhir('PUT', 'Practitioner/time', person('time'));
    const { body: second } = await fhir('PUT', 'Practitioner/time', person('time', { active: true }));
    const since = await fhir('GET', `Practitioner/time/_history?_since=${second.meta.lastUpdated}`);
    t.same(resources(since.body).map(({ meta }) => meta.versionId), ['2']);
    t.same(resources((await fhir('GET', 'Practitioner/time/_history?_since=2099-01-01')).body), []);
    const at = await fhir('GET', `Practitioner/time/_history?_at=${first.meta.lastUpdated}`);
    t.same(resources(at.body).map(({ meta }) => meta.versionId), ['1']);
    refuses(t, await fhir('GET', 'Practitioner/time/_history?_since=soon'), 400, 'http._since', 'a time that is none');
  });
});

t.test('what the service answers is itself valid FHIR', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada' });
  await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(12, 9, 1), '2026-01-05T10:00:00Z'));
  await fhir('PUT', 'Practitioner/gone', person('gone'));
  await fhir('DELETE', 'Practitioner/gone');
  const batch = { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/ada' } }, { request: { method: 'GET', url: 'Patient/x' } }, post({ resourceType: 'Practitioner' })] };
  for (const [method, path, body] of [
    ['GET', 'metadata'], ['GET', 'Patient/ada/$progress'], ['GET', 'AuditEvent?_count=20'], ['GET', '_history?_count=100'], ['GET', 'Practitioner/gone'], ['GET', 'Practitioner/gone/_history'],
    ['GET', 'Observation?patient=ada&_include=*&_revinclude=Provenance:target'], ['GET', 'Observation?patient=ada&_summary=count'], ['GET', 'Observation?patient=ada&_summary=true'],
    ['GET', 'Observation?patient=ada&_elements=code'], ['GET', 'Flag?patient=ada'], ['GET', 'Task?patient=ada'], ['GET', 'Observation?nickname=x'], ['GET', 'Nothing/1'],
    ['POST', '', batch], ['POST', '', { ...batch, type: 'transaction', entry: [batch.entry[0], batch.entry[2]] }], ['POST', 'Practitioner', '{'],
  ] as const) {
    const reply = await fhir(method, path, body);
    t.same(validate(reply.body, reply.body.resourceType).filter(({ severity }) => severity === 'error'), [], `${method} ${path} ${reply.status}`);
    for (const resource of resources(reply.body)) if (resource !== undefined) t.same(validate(resource, resource.resourceType).filter(({ severity }) => severity === 'error'), [], `${path}: ${resource.resourceType}`);
  }
});

t.test('batch and transaction', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', identifier: [{ system: 'urn:clinic', value: '17' }] });
  const count = async (client: Client, query: string): Promise<number> => (await client('GET', `${query}${query.includes('?') ? '&' : '?'}_summary=count`)).body.total;
  const statuses = (body: any): string[] => body.entry.map(({ response }: any) => response.status.slice(0, 3));

  await t.test('a batch: the bad entries are refused by themselves, in their places', async (t) => {
    const { status, body } = await fhir('POST', '', bundle('batch', [
      post(person('x', { name: [{ family: 'batch' }] })), post({ resourceType: 'Practitioner', gender: 'm' }), { request: { method: 'GET', url: 'Patient/ada' } },
      { request: { method: 'GET', url: 'Patient/nobody' } }, { request: { method: 'DELETE', url: 'Practitioner/none' } }, { request: { method: 'GET', url: 'Patient?_id=ada' } },
      { resource: person('b1'), request: { method: 'PUT', url: 'Practitioner/b1', ifMatch: 'W/"3"' } }, { request: { method: 'GET', url: 'Medication/x' } }, post(phq9('nobody', spread(3), '2026-01-01')),
    ]));
    t.equal(status, 200);
    t.equal(body.type, 'batch-response');
    t.same(statuses(body), ['201', '400', '200', '404', '204', '200', '412', '404', '422']);
    t.match(body.entry[0].response, { location: /Practitioner\/[0-9a-f-]{36}\/_history\/1$/, etag: 'W/"1"' });
    t.match(body.entry[1].response.outcome, { resourceType: 'OperationOutcome', issue: [{ expression: ['Practitioner.gender'] }] });
    t.equal(body.entry[2].resource.id, 'ada');
    t.equal(body.entry[5].resource.resourceType, 'Bundle');
    t.equal(await count(fhir, 'Practitioner?name=batch'), 1);
  });

  await t.test('a transaction with one bad entry stores nothing and names the entry', async (t) => {
    const good = (at: number): object => post({ resourceType: 'Practitioner', name: [{ family: `roll${at}` }] });
    for (const [bad, status, expression] of [
      [post({ resourceType: 'Practitioner', gender: 'm' }), 400, 'Bundle.entry[2].resource.gender'],
      [post(phq9('nobody', spread(3), '2026-01-01')), 422, 'Bundle.entry[2].resource.subject'],
      [{ resource: person('tx'), request: { method: 'PUT', url: 'Practitioner/ty' } }, 400, 'Bundle.entry[2].resource.id'],
      [{ resource: person('tx'), request: { method: 'PUT', url: 'Practitioner/tx', ifMatch: 'W/"3"' } }, 412, 'Bundle.entry[2]'],
      [{ request: { method: 'GET', url: 'Practitioner?nickname=x' } }, 400, 'Bundle.entry[2]'],
      [{ request: { method: 'GET', url: 'Practitioner/nobody' } }, 404, 'Bundle.entry[2]'],
      [{ resource: person('tx'), request: { method: 'POST', url: 'Medication' } }, 404, 'Bundle.entry[2]'],
      [{ resource: person('tx') }, 400, 'Bundle.entry[2].request'],
      [{ request: { method: 'POST', url: 'Practitioner' } }, 400, 'Bundle.entry[2].resource'],
      [post({ resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: 'Patient?identifier=urn:clinic|99' } }), 412, 'Bundle.entry[2].resource'],
    ] as const) {
      const reply = await fhir('POST', '', bundle('transaction', [good(0), good(1), bad, good(3)]));
      t.equal(reply.status, status, `${expression}: ${reply.text.slice(0, 300)}`);
      t.match(reply.body.issue?.[0].expression?.[0], new RegExp(`^${expression.replaceAll('[', '\\[').replaceAll(']', '\\]').replaceAll('.', '\\.')}`), reply.text.slice(0, 300));
      t.equal(await count(fhir, 'Practitioner?name=roll0,roll1,roll3'), 0, `nothing was stored (${expression})`);
    }
    const twice = await fhir('POST', '', bundle('transaction', [1, 2].map(() => ({ resource: person('twice'), request: { method: 'PUT', url: 'Practitioner/twice' } }))));
    t.match(twice.body, { issue: [{ expression: ['Bundle.entry[1]'] }] }, 'one resource in two entries');
    t.ok(twice.status >= 400);
    t.equal((await fhir('GET', 'Practitioner/twice')).status, 404);
  });

  await t.test('what a transaction writes it can read, and what its writes take away is told in the entry', async (t) => {
    await fhir('PUT', 'Practitioner/leaves', person('leaves'));
    const { status, body } = await fhir('POST', '', bundle('transaction', [
      { request: { method: 'GET', url: 'Practitioner/comes' } }, { resource: person('comes'), request: { method: 'PUT', url: 'Practitioner/comes' } },
      { request: { method: 'GET', url: 'Practitioner/leaves' } }, { request: { method: 'DELETE', url: 'Practitioner/leaves' } },
    ]));
    t.equal(status, 200);
    t.same(statuses(body), ['200', '201', '410', '204']);
    t.equal(body.entry[0].resource.id, 'comes');
  });

  await t.test('a Bundle that is none is refused by name, never a failure', async (t) => {
    for (const [entry, expression] of [
      [{}, 'Bundle.entry'], ['x', 'Bundle.entry'], [[null], 'Bundle.entry[0]'], [['x'], 'Bundle.entry[0]'], [[{}], 'Bundle.entry[0].request'], [[{ request: {} }], 'Bundle.entry[0].request'],
      [[{ request: { method: 5, url: 'Practitioner' } }], 'Bundle.entry[0].request.method'], [[{ request: { method: 'GET', url: 7 } }], 'Bundle.entry[0].request.url'],
      [[{ request: { method: 'LEAP', url: 'Practitioner' } }], 'Bundle.entry[0].request.method'], [[{ request: { method: 'GET' } }], 'Bundle.entry[0].request.url'],
      [[{ resource: 'x', request: { method: 'POST', url: 'Practitioner' } }], undefined], [[{ resource: null, request: { method: 'PUT', url: 'Practitioner/x' } }], undefined],
      [[{ resource: [], request: { method: 'POST', url: 'Practitioner' } }], undefined],
    ] as const) {
      for (const type of ['batch', 'transaction']) {
        const reply = await fhir('POST', '', { resourceType: 'Bundle', type, entry });
        const what = `${type} ${JSON.stringify(entry)}`;
        if (type === 'batch' && reply.status === 200) t.match(reply.body.entry[0].response, { status: /^4/, outcome: { resourceType: 'OperationOutcome' } }, what);
        else {
          t.match(String(reply.status), /^4/, `${what}: ${reply.text.slice(0, 200)}`);
          if (expression !== undefined) t.match(reply.body.issue[0].expression[0], expression, what);
        }
      }
    }
  });

  await t.test('references between entries: circular, forward, conditional, in narrative and canonical', async (t) => {
    const [a, b, c] = ['0c6d0d40-2f0e-4a53-8a1d-2d0c9a6a0001', '0c6d0d40-2f0e-4a53-8a1d-2d0c9a6a0002', '0c6d0d40-2f0e-4a53-8a1d-2d0c9a6a0003'].map((id) => `urn:uuid:${id}`);
    const { status, body, text } = await fhir('POST', '', bundle('transaction', [
      { fullUrl: a, ...post({ resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: c }, partOf: [{ reference: b }], text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${c}">who</a></div>` } }) },
      { fullUrl: b, ...post({ resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: 'Patient?identifier=urn:clinic|17' }, partOf: [{ reference: a }] }) },
      { fullUrl: c, ...post({ resourceType: 'Patient', link: [{ other: { reference: 'Patient/ada' }, type: 'seealso' }], identifier: [{ system: 'urn:ietf:rfc:3986', value: a }] }) },
    ]));
    t.equal(status, 200, text.slice(0, 300));
    const places = body.entry.map(({ response }: any) => response.location.replace(`${service.url}/`, '').replace(/\/_history.*/, ''));
    const first = (await fhir('GET', places[0])).body;
    t.equal(first.for.reference, places[2]);
    t.equal(first.partOf[0].reference, places[1]);
    t.match(first.text.div, `href="${places[2]}"`);
    const second = (await fhir('GET', places[1])).body;
    t.equal(second.partOf[0].reference, places[0]);
    t.equal(second.for.reference, 'Patient/ada', 'a conditional reference');
    t.equal((await fhir('GET', places[2])).body.identifier[0].value, a, 'an identifier is no link');
  });

  await t.test('conditional entries: create, update and delete in one', async (t) => {
    const known = (value: string, more: object = {}): object => ({ resourceType: 'Practitioner', identifier: [{ system: 'urn:tx', value }], ...more });
    const create = bundle('transaction', [post(known('1'), { ifNoneExist: 'identifier=urn:tx|1' })]);
    t.same(statuses((await fhir('POST', '', create)).body), ['201']);
    t.same(statuses((await fhir('POST', '', create)).body), ['200']);
    const { body } = await fhir('POST', '', bundle('transaction', [
      { resource: known('1', { active: true }), request: { method: 'PUT', url: 'Practitioner?identifier=urn:tx|1' } },
      { resource: known('2'), request: { method: 'PUT', url: 'Practitioner?identifier=urn:tx|2' } },
      { request: { method: 'DELETE', url: 'Practitioner?identifier=urn:tx|3' } },
      { request: { method: 'GET', url: 'Practitioner?identifier=urn:tx|2' } },
    ]));
    t.same(statuses(body), ['200', '201', '204', '200'], JSON.stringify(body).slice(0, 300));
    t.equal(body.entry[3].resource.entry.length, 1, 'reads come after the writes');
    t.same(statuses((await fhir('POST', '', bundle('transaction', [{ request: { method: 'DELETE', url: 'Practitioner?identifier=urn:tx|2' } }]))).body), ['204']);
    t.equal(await count(fhir, 'Practitioner?identifier=urn:tx|2'), 0);
  });

  await t.test('two creates under one condition are one; two updates under one condition are refused', async (t) => {
    const known = { resourceType: 'Practitioner', identifier: [{ system: 'urn:tx', value: 'same' }] };
    const [a, b] = ['urn:uuid:7f1c2d3e-0000-4000-8000-000000000001', 'urn:uuid:7f1c2d3e-0000-4000-8000-000000000002'];
    const role = (reference: string | undefined): object => post({ resourceType: 'PractitionerRole', practitioner: { reference } });
    const { status, body, text } = await fhir('POST', '', bundle('transaction', [
      { fullUrl: a, ...post(known, { ifNoneExist: 'identifier=urn:tx|same' }) }, { fullUrl: b, ...post(known, { ifNoneExist: '?identifier=urn:tx|same' }) }, role(a), role(b),
    ]));
    t.equal(status, 200, text.slice(0, 300));
    t.same(statuses(body), ['201', '200', '201', '201']);
    t.equal(body.entry[0].response.location, body.entry[1].response.location);
    t.equal(await count(fhir, 'Practitioner?identifier=urn:tx|same'), 1);
    const id = body.entry[0].response.location.split('/').at(-3);
    t.equal(await count(fhir, `PractitionerRole?practitioner=${id}`), 2, 'both references lead there');
    const update = { resource: { ...known, identifier: [{ system: 'urn:tx', value: 'put' }] }, request: { method: 'PUT', url: 'Practitioner?identifier=urn:tx|put' } };
    refuses(t, await fhir('POST', '', bundle('transaction', [update, update])), 422, 'Bundle.entry[1]', 'two updates');
    t.equal(await count(fhir, 'Practitioner?identifier=urn:tx|put'), 0);
  });

  await t.test('the same response twice in one transaction is one', async (t) => {
    const response = phq9('ada', spread(5), '2026-04-01T10:00:00Z', { identifier: { system: 'urn:app', value: 'tx-twin' } });
    const { body, text } = await fhir('POST', '', bundle('transaction', [post(response), post(response)]));
    t.same(statuses(body), ['201', '200'], text.slice(0, 300));
    t.equal(await count(fhir, 'QuestionnaireResponse?identifier=tx-twin'), 1);
  });

  await t.test('racing transactions with the same conditions make one of each, and every reference leads to it', async (t) => {
    const fullUrl = 'urn:uuid:7f1c2d3e-0000-4000-8000-00000000000a';
    const known = (value: string): object => ({ resourceType: 'Practitioner', identifier: [{ system: 'urn:race', value }] });
    const one = (value: string, request: object): Promise<Reply> => fhir('POST', '', bundle('transaction', [
      { fullUrl, resource: known(value), request }, post({ resourceType: 'PractitionerRole', practitioner: { reference: fullUrl }, identifier: [{ system: 'urn:race', value }] }),
    ]));
    for (const [value, request] of [
      ['create', { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=urn:race|create' }],
      ['update', { method: 'PUT', url: 'Practitioner?identifier=urn:race|update' }],
    ] as const) {
      const replies = await Promise.all(Array.from({ length: 12 }, () => one(value, request)));
      t.ok(replies.every(({ status }) => status === 200), `${value}: ${replies.find(({ status }) => status !== 200)?.text.slice(0, 300)}`);
      t.equal(replies.filter(({ body }) => statuses(body)[0] === '201').length, 1, `${value}: one creates`);
      const [practitioner, ...more] = ids((await fhir('GET', `Practitioner?identifier=urn:race|${value}`)).body);
      t.same(more, [], value);
      const roles = resources((await fhir('GET', `PractitionerRole?identifier=urn:race|${value}`)).body);
      t.equal(roles.length, 12);
      t.same([...new Set(roles.map((role) => role.practitioner.reference))], [`Practitioner/${practitioner}`], value);
    }
  });

  await t.test('Prefer: return decides what the entries carry', async (t) => {
    const entries = bundle('transaction', [post({ resourceType: 'Practitioner' })]);
    t.equal((await fhir('POST', '', entries)).body.entry[0].resource, undefined);
    t.equal((await fhir('POST', '', entries, { prefer: 'return=representation' })).body.entry[0].resource.resourceType, 'Practitioner');
    t.equal((await fhir('POST', '', entries, { prefer: 'return=minimal' })).body.entry[0].resource, undefined);
  });

  await t.test('a Patient goes after the record, not before', async (t) => {
    await fhir('PUT', 'Patient/leaves', { resourceType: 'Patient', id: 'leaves' });
    await fhir('PUT', 'Goal/leaves', { resourceType: 'Goal', id: 'leaves', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/leaves' } });
    refuses(t, await fhir('DELETE', 'Patient/leaves'), 409, undefined, 'a Patient with a record');
    t.same(statuses((await fhir('POST', '', bundle('transaction', [{ request: { method: 'DELETE', url: 'Goal/leaves' } }]))).body), ['204']);
    t.equal((await fhir('DELETE', 'Patient/leaves')).status, 204);
    t.equal((await fhir('GET', 'Patient/leaves')).status, 410);
  });

  await t.test('a Patient goes with the record in one transaction, whatever the order; not while anything is left or comes', async (t) => {
    const goal = (id: string): object => ({ resourceType: 'Goal', id, lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/whole' } });
    const secret = { ...goal('secret'), meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } };
    await fhir('PUT', 'Patient/whole', { resourceType: 'Patient', id: 'whole' });
    for (const id of ['one', 'two']) await fhir('PUT', `Goal/${id}`, goal(id));
    const deleting = (...urls: string[]): object => bundle('transaction', urls.map((url) => ({ request: { method: 'DELETE', url } })));
    const refused = await fhir('POST', '', deleting('Goal/one', 'Patient/whole'));
    refuses(t, refused, 409, undefined, 'something is left');
    t.match(refused.body.issue[0].expression, ['Bundle.entry[1]']);
    t.equal((await fhir('GET', 'Goal/one')).status, 200, 'and nothing is deleted');
    const adding = { ...deleting('Patient/whole', 'Goal/one', 'Goal/two') as { entry: object[] } };
    adding.entry.push({ resource: goal('three'), request: { method: 'PUT', url: 'Goal/three' } });
    refuses(t, await fhir('POST', '', adding), 409, undefined, 'something comes');
    t.equal((await fhir('PUT', 'Goal/secret', secret)).status, 201);
    const narrow = service.as({ scopes: 'user/*.cruds', user: 'Practitioner/x' });
    await narrow('POST', '', deleting('Patient/whole', 'Goal/one', 'Goal/two', 'Goal/secret'));
    for (const url of ['Patient/whole', 'Goal/one', 'Goal/secret']) t.equal((await fhir('GET', url)).status, 200, `who does not see the record takes nothing away: ${url}`);
    t.same(statuses((await fhir('POST', '', deleting('Patient/whole', 'Goal/one', 'Goal/two', 'Goal/secret'))).body), ['204', '204', '204', '204']);
    t.equal((await fhir('GET', 'Patient/whole')).status, 410);
    t.equal((await fhir('GET', 'Goal/two')).status, 410);
  });

  await t.test('1,000 entries', async (t) => {
    const started = performance.now();
    const { status, body, text } = await fhir('POST', '', bundle('transaction', [
      { fullUrl: 'urn:uuid:1d9b1f5e-0000-4000-8000-000000000000', ...post({ resourceType: 'Patient' }) },
      ...Array.from({ length: 999 }, (_, at) => post({
        resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'urn:codes', code: 'many' }] }, subject: { reference: 'urn:uuid:1d9b1f5e-0000-4000-8000-000000000000' }, effectiveDateTime: '2026-01-01', valueInteger: at,
      })),
    ]));
    t.equal(status, 200, text.slice(0, 300));
    t.equal(body.entry.length, 1000);
    t.ok(statuses(body).every((one) => one === '201'));
    t.equal(await count(fhir, 'Observation?code=many'), 999);
    t.comment(`${Math.round(performance.now() - started)} ms`);
  });

  await t.test('what is no batch or transaction', async (t) => {
    for (const type of ['collection', 'searchset', 'document', undefined]) refuses(t, await fhir('POST', '', { resourceType: 'Bundle', type, entry: [] }), 400, 'Bundle.type', String(type));
    refuses(t, await fhir('POST', '', { resourceType: 'Patient' }), 400, undefined, 'no Bundle');
    t.same((await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction' })).status, 200, 'an empty one is fine');
  });
});
