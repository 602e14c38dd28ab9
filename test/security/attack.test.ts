import net from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Event, Log } from '../../src/log.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type TestService } from '../kit/service.ts';

// Whatever is sent: an answer that says what is wrong, never a failure of the service, and nothing of anybody's in it.

t.setTimeout(240_000);

const secrets = ['Zebrowska', 'Quetzalcoatl', '1999-12-24', 'kept-secret-note'];
/** What no answer may hold: words of the database, of the runtime, of the source. */
const inside = /\bat (?:async )?[\w.<>]+ \(|node_modules|\/src\/|\.ts:\d|SELECT |select .* from |index_(?:token|reference|date)|\bpg_|SQLSTATE|syntax error at|TypeError|RangeError|undefined is not|Cannot read prop|FST_ERR|ECONN/;

interface Attacked { service: TestService; fhir: Client; patient: Client; lines: Event[]; raw: (text: string, more?: { wait?: number }) => Promise<string> }

async function attacked(t: Test): Promise<Attacked> {
  const lines: Event[] = [];
  const push = (event: Event): void => { lines.push(event); };
  const log: Log = { debug: push, info: push, warn: push, error: push };
  const service = await testService(t, { log, env: { RATE_LIMIT_PATIENT: '1000000' } });
  const fhir = service.as();
  await fhir('PUT', 'Patient/victim', { resourceType: 'Patient', id: 'victim', name: [{ family: secrets[0], given: [secrets[1]] }], birthDate: secrets[2] });
  await fhir('PUT', 'Patient/mallory', { resourceType: 'Patient', id: 'mallory' });
  await fhir('PUT', 'Observation/v', { resourceType: 'Observation', id: 'v', status: 'final', code: { text: secrets[3] }, subject: { reference: 'Patient/victim' } });
  await fhir('PUT', 'Goal/mine', { resourceType: 'Goal', id: 'mine', lifecycleStatus: 'active', description: { text: 'walk' }, subject: { reference: 'Patient/mallory' } });
  const token = await service.token();
  const raw = (text: string, { wait = 2000 } = {}): Promise<string> => new Promise((resolve) => {
    let got = '';
    const socket = net.connect(Number(new URL(service.url).port), '127.0.0.1', () => socket.write(text.replaceAll('TOKEN', token), 'latin1'));
    const timer = setTimeout(() => socket.destroy(), wait);
    socket.on('data', (data) => { got += data.toString('latin1'); });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(got);
    });
  });
  return { service, fhir, patient: service.as({ patient: 'mallory' }), lines, raw };
}

/** What is wrong with an answer; undefined: it is as it should be. */
function fault({ status, text, body, headers }: Reply, { own = false } = {}): string | undefined {
  if (status >= 500) return `status ${status}: ${text}`;
  if (status >= 400 && body?.resourceType !== 'OperationOutcome') return `status ${status} without an OperationOutcome: ${text.slice(0, 200)}`;
  if (status >= 400 && inside.test(text)) return `insides: ${text.slice(0, 400)}`;
  if (!own && secrets.some((secret) => text.includes(secret))) return `a value of another patient: ${text.slice(0, 200)}`;
  if (headers.get('x-content-type-options') !== 'nosniff' || headers.get('cache-control') !== 'no-store' || headers.get('access-control-allow-origin') !== null) return 'headers';
  return undefined;
}
function safe(t: Test, reply: Reply, statuses: readonly number[], what: string, own = true): void {
  t.equal(fault(reply, { own }), undefined, what);
  t.ok(statuses.includes(reply.status), `${what}: ${reply.status} ${reply.text.slice(0, 160)}`);
}

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const nasty = [
  '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '\u0000', 'a\u0000b', '\ud800', '\udfff\ud800', '\u202e', '\ufeff', '',
  "' or '1'='1", "'; drop table resource; --", '1) or (1=1', '%27%20or%201=1', '$1', '${7*7}', '{{7*7}}', '\\', '\\,', '|', '||', 'a|b|c', '|$', ',', ',,,', '*', '%', '_', '%25', '..', '../../etc/passwd', '/etc/passwd',
  '<script>alert(1)</script>', 'javascript:alert(1)', 'http://169.254.169.254/', 'file:///etc/passwd', '-1', '1e9', '1e999999', '-1e-999999', 'NaN', 'Infinity', '9'.repeat(400), '0x10', '9999-12-31', '0000-01-01', '0001-01-01', '2026-02-30',
  '9999-12-31T23:59:60+14:00', '0001-01-01T00:00:00+14:00', 'gt', 'gt2026', 'ap0001-01-01', 'ap9999-12-31', 'eq5.40e-3|http://unitsofmeasure.org|mg', '5||', `${'a'.repeat(5000)}!`, `${'-'.repeat(3000)}`, 'Patient/', 'Patient/victim', 'Observation/v', '#x', 'urn:uuid:x', 'Patient?_id=x',
  '$$$', '-', '-$$$', 'true', 'null', '[object Object]', 'é'.repeat(300), '\r\nX-Injected: 1', '_id', '&', '=', '🙂', 'ſ', 'İ',
];

t.test('tokens', async (t) => {
  const { service } = await attacked(t);
  const [head, body, signature] = (await service.token()).split('.') as [string, string, string];
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const tokens: Record<string, string> = {
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt' })}.${body}.`, 'no signature': `${head}.${body}.`, 'another payload': `${head}.${encode({ ...claims, scope: 'system/*.cruds', patient: 'victim' })}.${signature}`,
    'no audience': `${head}.${encode({ ...claims, aud: undefined })}.${signature}`, 'garbage': 'x.y.z', 'empty parts': '..', 'a long one': 'a'.repeat(9000), 'prototype': `${encode({ alg: '__proto__', typ: 'at+jwt' })}.${body}.${signature}`,
  };
  for (const [name, token] of Object.entries(tokens)) {
    const response = await fetch(`${service.url}/Patient/victim`, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    t.equal(response.status, 401, name);
    t.match(response.headers.get('www-authenticate'), /^Bearer realm="fhir", error="invalid_token"/, name);
    t.equal(JSON.parse(text).resourceType, 'OperationOutcome');
    t.notOk(text.includes(token) || text.includes('victim'), `${name}: nothing of it comes back`);
  }
  const both = await fetch(`${service.url}/Patient/victim?access_token=${await service.token()}`);
  t.equal(both.status, 401, 'a token in the URL is none');
});

t.test('HTTP', async (t) => {
  const { service, fhir, raw } = await attacked(t);
  const request = (line: string, headers = '', body = ''): string => `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nConnection: close\r\n${headers}\r\n${body}`;
  const status = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);

  await t.test('methods and framing', async (t) => {
    const cases: [name: string, text: string, status: number][] = [
      ['OPTIONS', request('OPTIONS /fhir/R4/Patient'), 405], ['TRACE', request('TRACE /fhir/R4/Patient/victim'), 405], ['QUERY', request('QUERY /fhir/R4/Patient'), 405], ['an invented method', request('FOO /fhir/R4/Patient'), 400],
      ['the absolute form', request('GET http://x/fhir/R4/Patient/victim'), 200], ['HEAD', request('HEAD /fhir/R4/Patient/victim'), 200],
      ['a method in a header', request('POST /fhir/R4/Patient/victim', 'X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nContent-Length: 0\r\n'), 405],
      ['a method in a query', request('GET /fhir/R4/Patient?_method=DELETE'), 400],
      ['two lengths', request('POST /fhir/R4/Patient', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400], ['two lengths that differ', request('POST /fhir/R4/Patient', 'Content-Length: 4\r\nContent-Length: 5\r\n', 'aaaa'), 400],
      ['an encoding that is none', request('POST /fhir/R4/Patient', 'Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 400], ['a chunk that is none', request('POST /fhir/R4/Patient', 'Content-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n', 'zz\r\n'), 400],
      ['headers of 40 KB', request('GET /fhir/R4/Patient', `X: ${'a'.repeat(40_000)}\r\n`), 431], ['a query of 30 KB', request(`GET /fhir/R4/Patient?family=${'a'.repeat(30_000)}`), 400], ['a query of 40 KB', request(`GET /fhir/R4/Patient?family=${'a'.repeat(40_000)}`), 431],
      ['a path that leaves', request('GET /fhir/R4/Binary/../../../etc/passwd'), 404], ['the same, encoded', request('GET /fhir/R4/Binary/..%2f..%2fetc%2fpasswd'), 400], ['a NUL in the path', request('GET /fhir/R4/Patient/a%00b'), 400],
      ['no percent-encoding', request('GET /fhir/R4/%zz'), 400], ['another root, encoded', request('GET /%66hir/R4/Patient/victim'), 404], ['nothing like HTTP', '\x16\x03\x01\x02\x00\x01\r\n\r\n', 400],
    ];
    for (const [name, text, want] of cases) {
      const answer = await raw(text);
      t.equal(status(answer), want, `${name}: ${answer.slice(0, 100)}`);
      if (want >= 400) t.match(answer, /"resourceType":"OperationOutcome"/, `${name}: OperationOutcome`);
      t.match(answer.toLowerCase(), /x-content-type-options: nosniff/, name);
      t.notMatch(answer.slice(answer.indexOf('\r\n\r\n')), inside, name);
    }
    t.equal((await fhir('GET', 'Patient/victim')).status, 200, 'and nothing was deleted');
    const slow = await raw('POST /fhir/R4/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{', { wait: 300 });
    t.equal(slow, '', 'a slow body waits for itself');
    t.equal((await fhir('GET', 'Patient/victim')).status, 200, 'and holds nobody up');
  });

  await t.test('headers', async (t) => {
    for (const name of ['if-none-exist', 'prefer', 'if-match', 'if-none-match', 'if-modified-since', 'idempotency-key', 'accept', 'x-request-id', 'content-type', 'x-forwarded-for', 'x-forwarded-host']) {
      for (const value of ['\t;;;=""', "' or 1=1 --", '__proto__', 'a'.repeat(8000), '%0d%0aX-Injected: 1', '*', ',,,', 'W/"999999999999"', 'é']) {
        const reply = await fhir('PUT', 'Goal/mine', { resourceType: 'Goal', id: 'mine', lifecycleStatus: 'active', description: { text: 'walk' }, subject: { reference: 'Patient/mallory' } }, { [name]: value }).catch(() => undefined);
        if (reply === undefined) continue; // fetch refuses to send it
        safe(t, reply, [200, 400, 406, 412, 415, 422], `${name}: ${value.slice(0, 20)}`);
        t.equal(reply.headers.get('x-injected'), null);
      }
    }
    t.notMatch((await fhir('GET', 'Patient/victim', undefined, { 'x-request-id': 'a b<script>' })).headers.get('x-request-id'), /script/, 'an id that is none is not echoed');
    t.match((await fhir('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/mallory' } }, { 'x-forwarded-host': 'evil.example', host: 'evil.example' })).headers.get('location'), new RegExp(`^${service.url}/`), 'the address of the service is its own');
    const gzip = await fhir('POST', 'Goal', '{}', { 'content-encoding': 'gzip' });
    safe(t, gzip, [415], 'a compressed body');
  });

  await t.test('Content-Type: what is meant is taken, whatever else is refused', async (t) => {
    const goal = JSON.stringify({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/mallory' } });
    const cases: [type: string, status: number][] = [
      ['application/fhir+json', 201], ['APPLICATION/FHIR+JSON', 201], ['application/json; charset=UTF-8', 201], ['application/fhir+json;fhirVersion=4.0', 201], [' application/fhir+json ', 201],
      ['application/fhir+json; charset=latin1', 415], ['application/fhir+json, text/html', 415], ['application/fhir+json/x', 415], ['application/fhir +json', 415], ['application/fhir+json;fhirVersion=5.0', 415], ['text/plain', 415], ['multipart/form-data; boundary=x', 415], ['application/fhir+jsonx', 415], ['application/x-www-form-urlencoded', 415], ['', 415], ['__proto__', 415],
    ];
    for (const [type, want] of cases) safe(t, await fhir('POST', 'Goal', goal, { 'content-type': type }), [want], JSON.stringify(type));
  });

  await t.test('no other origin is let in', async (t) => {
    const reply = await fhir('GET', 'Patient/victim', undefined, { origin: 'https://evil.example' });
    for (const name of ['access-control-allow-origin', 'access-control-allow-credentials']) t.equal(reply.headers.get(name), null, name);
    t.match(reply.headers.get('content-security-policy'), /default-src 'none'/);
    t.equal(reply.headers.get('strict-transport-security'), null, 'HSTS is for who ends TLS');
    t.equal((await fetch(`${service.url}/.well-known/smart-configuration`, { headers: { origin: 'https://app.example' } })).headers.get('access-control-allow-origin'), '*', 'the public discovery document is for everybody (SMART App Launch)');
  });
});

t.test('bodies', async (t) => {
  const { fhir, patient, service } = await attacked(t);
  const goal = { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/mallory' } };
  const text = JSON.stringify(goal);
  const json = { 'content-type': 'application/json-patch+json' };

  await t.test('JSON that could do harm', async (t) => {
    const bodies: Record<string, string> = {
      'nested 10,000 deep': nested(10_000), 'arrays nested 100,000 deep': `{"resourceType":"Goal","a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, '65 levels': `{"resourceType":"Goal","extension":${nested(64)}}`,
      '__proto__': text.replace('{', '{"__proto__":{"polluted":"yes"},'), 'constructor': text.replace('{', '{"constructor":{"prototype":{"polluted":"yes"}},'), 'prototype below': text.replace('"text"', '"prototype":1,"text"'),
      'escaped __proto__': text.replace('{', '{"\\u005f_proto__":{"polluted":"yes"},'), 'a key twice': text.replace('{', '{"resourceType":"Patient",'), 'a key twice, below': text.replace('"text":"x"', '"text":"x","text":"y"'),
      'NUL': text.replace('"x"', '"a\\u0000b"'), 'half a surrogate': text.replace('"x"', '"\\ud800"'), 'the other half': text.replace('"x"', '"\\udc00x"'), 'NUL in a key': text.replace('"text"', '"te\\u0000xt"'),
      'a number of 1,000 digits': text.replace('"x"', '9'.repeat(1000)), 'an array of 100,000': `{"resourceType":"Goal","note":[${'{},'.repeat(99_999)}{}]}`, '200,000 names': `{"resourceType":"Goal",${Array.from({ length: 200_000 }, (_, n) => `"k${n}":1`).join(',')}}`,
      'null': 'null', 'a string': '"Goal"', 'an array': '[]', 'nothing': '', 'a comment': `${text}//`, 'NaN': text.replace('"x"', 'NaN'), 'trailing comma': text.replace('}', ',}'),
      'a resource that is not JSON inside': text.replace('"x"', '{"toString":"x"}'), 'resourceType of a prototype': '{"resourceType":"__proto__"}', 'resourceType that is no text': '{"resourceType":{"toString":1}}',
    };
    for (const [name, body] of Object.entries(bodies)) {
      const started = performance.now();
      safe(t, await fhir('POST', 'Goal', body), [400, 413, 422], name);
      t.ok(performance.now() - started < 3000, `${name}: in time`);
    }
    t.equal(({} as Record<string, unknown>)['polluted'], undefined);
    safe(t, await fhir('POST', 'Goal', `${text}${' '.repeat(17 * 1024 * 1024)}`), [413], '17 MB');
    const latin = await fetch(`${service.url}/Goal`, { method: 'POST', headers: { authorization: `Bearer ${await service.token()}`, 'content-type': 'application/fhir+json' }, body: Buffer.from(text.replace('"x"', '"\xe9"'), 'latin1') });
    t.equal(latin.status, 400, 'bytes that are not UTF-8');
  });

  await t.test('content that could do harm to who shows it', async (t) => {
    const div = (inner: string): object => ({ ...goal, text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>` } });
    for (const inner of ['<script>alert(1)</script>', '<img src="x" onerror="alert(1)"/>', '<a href="javascript:alert(1)">x</a>', '<iframe src="x"></iframe>', '<svg onload="x"/>', '<p style="background:url(javascript:x)">x</p>', '<!--', '<![CDATA[', '<p>', '<'.repeat(50_000), `<p ${'a="b" '.repeat(10_000)}>`]) {
      const started = performance.now();
      safe(t, await fhir('POST', 'Goal', div(inner)), [400], inner.slice(0, 30));
      t.ok(performance.now() - started < 1000, 'in time');
    }
    safe(t, await fhir('POST', 'Goal', div(`${'<b>'.repeat(5000)}x${'</b>'.repeat(5000)}`)), [201, 400], 'deep, and no harm');
    t.equal((await fhir('POST', 'Goal', div('<p>walk</p>'))).status, 201, 'the control');
    for (const reference of ['javascript:alert(1)', 'data:text/html,x', 'Goal/../Patient/victim', 'Patient/victim?x', 'Patient/__proto__', '__proto__/x', 'Patient/\u0000', ' Patient/mallory', 'Patient/mallory ']) {
      safe(t, await fhir('POST', 'Goal', { ...goal, subject: { reference } }), [400, 422], `a subject that is ${reference}`);
    }
    for (const id of ['../x', 'a/b', 'a b', 'a%00', 'x'.repeat(65), '__proto__', '<b>', 'é']) safe(t, await fhir('PUT', `Goal/${encodeURIComponent(id)}`, { ...goal, id }), [400], `the id ${id.slice(0, 20)}`);
    safe(t, await fhir('PUT', 'Goal/constructor', { ...goal, id: 'constructor' }), [201], 'an id that is a name of JavaScript is an id');
    t.equal((await fhir('GET', 'Goal/constructor')).body.id, 'constructor');
  });

  await t.test('JSON Patch', async (t) => {
    const patches: Record<string, unknown> = {
      '__proto__ in a path': [{ op: 'add', path: '/__proto__/polluted', value: 'yes' }], 'constructor in a path': [{ op: 'add', path: '/constructor/prototype/polluted', value: 'yes' }], '__proto__ in a value': '[{"op":"add","path":"/note","value":{"__proto__":{"polluted":"yes"}}}]',
      'from a prototype': [{ op: 'copy', from: '/__proto__', path: '/x' }], 'another id': [{ op: 'replace', path: '/id', value: 'v' }], 'another type': [{ op: 'replace', path: '/resourceType', value: 'Patient' }], 'another patient': [{ op: 'replace', path: '/subject/reference', value: 'Patient/victim' }],
      'no array': {}, 'null': [null], 'numbers': [1, 2], 'an unknown op': [{ op: 'x', path: '/a' }], 'no path': [{ op: 'add', value: 1 }], 'a path that is no text': [{ op: 'add', path: { toString: 1 }, value: 1 }],
      'the whole': [{ op: 'replace', path: '', value: null }], 'removing the whole': [{ op: 'remove', path: '' }], 'an index past the end': [{ op: 'add', path: '/note/9999999999', value: {} }], 'half a surrogate': '[{"op":"add","path":"/language","value":"\\ud800"}]', 'NUL': '[{"op":"add","path":"/\\u0000","value":"x"}]',
      'nested deep': `[{"op":"add","path":"/a","value":${nested(10_000)}}]`, 'a bomb of copies': [{ op: 'add', path: '/note', value: [{ text: 'x'.repeat(100) }] }, ...Array.from({ length: 60 }, () => ({ op: 'copy', from: '/note', path: '/note/-' }))],
      'a million operations': `[${Array.from({ length: 100_000 }, () => '{"op":"test","path":"/id","value":"mine"}').join(',')}]`, 'FHIRPath patch': { resourceType: 'Parameters' },
    };
    for (const [name, body] of Object.entries(patches)) {
      const started = performance.now();
      safe(t, await patient('PATCH', 'Goal/mine', body, json), [400, 403, 413, 422], name, false);
      t.ok(performance.now() - started < 3000, `${name}: in time`);
    }
    t.equal(({} as Record<string, unknown>)['polluted'], undefined);
    t.equal((await patient('PATCH', 'Goal/mine', [{ op: 'add', path: '/language', value: 'de' }], json)).status, 200, 'the control');
  });

  await t.test('Bundles', async (t) => {
    const entries: Record<string, unknown> = {
      'no array': {}, 'a string': 'x', 'null': [null], 'numbers': [1], 'no request': [{}], 'a url that is no text': [{ request: { method: 'GET', url: 5 } }], 'a url that is a list': [{ request: { method: 'GET', url: ['Patient'] } }], 'a method that is none': [{ request: { method: 'TRACE', url: 'Patient' } }], 'no resource': [{ request: { method: 'POST', url: 'Goal' } }],
      'a null resource': [{ request: { method: 'POST', url: 'Goal' }, resource: null }], 'a resource that is text': [{ request: { method: 'PUT', url: 'Goal/x' }, resource: 'x' }], 'a resource that is a list': [{ request: { method: 'POST', url: 'Goal' }, resource: [] }], 'ifMatch of another kind': [{ request: { method: 'PUT', url: 'Goal/x', ifMatch: {} }, resource: { ...goal, id: 'x' } }],
      'a batch in a batch': [{ request: { method: 'POST', url: '' }, resource: { resourceType: 'Bundle', type: 'batch' } }], 'another host': [{ request: { method: 'GET', url: 'https://evil.example/fhir/Patient' } }], 'a path that leaves': [{ request: { method: 'GET', url: '../../health/live' } }], 'a fullUrl of a prototype': [{ fullUrl: '__proto__', request: { method: 'POST', url: 'Goal' }, resource: goal }],
      'an operation': [{ request: { method: 'GET', url: 'Patient/victim/$progress' } }], 'everything of everybody': [{ request: { method: 'GET', url: 'Patient?_count=1000&_revinclude=*' } }], 'a patch that is none': [{ request: { method: 'PATCH', url: 'Goal/mine' }, resource: { resourceType: 'Binary', contentType: 'x', data: 'e30=' } }],
    };
    for (const type of ['batch', 'transaction']) {
      for (const [name, entry] of Object.entries(entries)) safe(t, await patient('POST', '', { resourceType: 'Bundle', type, entry }), [200, 400, 403, 404, 405, 422], `${type}: ${name}`, false);
    }
    for (const type of ['searchset', '__proto__', null, 5, {}]) safe(t, await patient('POST', '', { resourceType: 'Bundle', type }), [400], JSON.stringify(type));
    safe(t, await patient('POST', '', { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 5001 }, () => ({ request: { method: 'GET', url: 'Goal/mine' } })) }), [413], '5,001 entries');
  });
});

t.test('queries', async (t) => {
  const { fhir, patient, service } = await attacked(t);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };

  await t.test('every kind of parameter with every bad value: an answer, soon, and nothing of the other record', async (t) => {
    const names = ['family', 'family:exact', 'family:contains', 'birthdate', 'identifier', '_id', '_lastUpdated', '_tag', '_security', '_profile', 'general-practitioner', 'gender', '_has:Observation:patient:code', 'general-practitioner:Practitioner.family', 'link', '_sort', '_count', '_total', '_summary', '_elements', '_include', '_revinclude', '_page', '_format', 'name:missing', 'identifier:of-type', 'gender:not', 'phone', 'address'];
    for (const name of names) {
      for (const value of nasty) {
        const reply = await patient('POST', 'Patient/_search', `${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`, form);
        const wrong = fault(reply);
        if (wrong !== undefined || reply.status >= 500) t.fail(`${name}=${value.slice(0, 40)}: ${wrong}`);
      }
    }
    for (const name of ['date', 'value-quantity', 'code', 'code-value-quantity', 'subject', 'derived-from', 'value-string', 'component-code', 'method', 'status']) {
      for (const value of nasty) {
        const wrong = fault(await patient('POST', 'Observation/_search', `${name}=${encodeURIComponent(value.toWellFormed())}`, form));
        if (wrong !== undefined) t.fail(`Observation.${name}=${value.slice(0, 40)}: ${wrong}`);
      }
    }
    for (const name of ['instantiates-canonical', 'focus', 'owner', 'authored-on', 'period']) for (const value of nasty) {
      const wrong = fault(await patient('POST', 'Task/_search', `${name}=${encodeURIComponent(value.toWellFormed())}`, form));
      if (wrong !== undefined) t.fail(`Task.${name}=${value.slice(0, 40)}: ${wrong}`);
    }
    for (const name of ['_since', '_at', '_count', '_page', '_sort']) for (const value of nasty) {
      const wrong = fault(await patient('GET', `Goal/_history?${name}=${encodeURIComponent(value.toWellFormed())}`));
      if (wrong !== undefined) t.fail(`_history?${name}=${value.slice(0, 40)}: ${wrong}`);
    }
    for (const name of ['date', 'patient', 'agent', 'entity', 'action', 'subtype', 'outcome', '_id', '_lastUpdated', 'address', '_sort']) for (const value of nasty) {
      const wrong = fault(await patient('GET', `AuditEvent?${name}=${encodeURIComponent(value.toWellFormed())}`));
      if (wrong !== undefined) t.fail(`AuditEvent?${name}=${value.slice(0, 40)}: ${wrong}`);
    }
    t.equal((await fhir('GET', 'Patient/victim')).status, 200, 'the tables are still there');
  });

  await t.test('names of JavaScript as types, parameters, ids and operations', async (t) => {
    for (const word of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']) {
      safe(t, await fhir('GET', word), [404], `the type ${word}`);
      safe(t, await fhir('GET', `Patient/victim/${word}`), [404], 'a compartment');
      safe(t, await fhir('GET', `Patient/$${word}`), [404], 'an operation');
      safe(t, await fhir('GET', `Patient?${word}=x`), [400], 'a parameter');
      safe(t, await fhir('GET', `Patient?family:${word}=x`), [400], 'a modifier');
      safe(t, await fhir('GET', `Patient?_has:${word}:patient:code=x`), [400], 'a source');
      safe(t, await fhir('GET', `Patient?_has:Observation:${word}:code=x`), [400], 'a reverse chain');
      safe(t, await fhir('GET', `Observation?subject:${word}.family=x`), [400], 'a chain');
      safe(t, await fhir('GET', `Observation?subject.${word}=x`), [400], 'the end of a chain');
      safe(t, await fhir('GET', `Observation?_sort=${word}`), [400], 'a sort key');
      safe(t, await fhir('GET', `Observation?_include=${word}:subject`), [400], 'an include');
      safe(t, await fhir('GET', `Observation?_include=Observation:${word}`), [400], 'an included parameter');
      safe(t, await fhir('GET', `Goal/${word}`), [404, 400], 'an id');
      t.equal(fault(await fhir('GET', `Observation?_elements=${word}`), { own: true }), undefined, 'an element');
    }
  });

  await t.test('page tokens: tampered with, cut, of somebody else', async (t) => {
    for (let n = 0; n < 4; n++) await fhir('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/mallory' } });
    const next = (await patient('GET', 'Goal?_count=1')).body.link.find((link: any) => link.relation === 'next').url as string;
    const token = new URL(next).searchParams.get('_page')!;
    t.equal((await patient('GET', next)).status, 200);
    for (const broken of [token.slice(1), token.slice(0, -1), token.slice(0, 10), `${token}AAAA`, token.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')), '', 'AAAA', 'x'.repeat(5000), Buffer.alloc(28).toString('base64url')]) {
      safe(t, await patient('GET', `Goal?_count=1&_page=${broken}`), [400], `a token of ${broken.length} characters`);
    }
    safe(t, await fhir('GET', next), [400], 'of another caller');
    safe(t, await service.as({ patient: 'victim' })('GET', next), [400], 'of another patient');
    safe(t, await patient('GET', next.replace('_count=1', '_count=2')), [400], 'for another query');
  });
});

t.test('what costs too much is refused or stays cheap', async (t) => {
  const { fhir } = await attacked(t);
  const timed = async (name: string, limit: number, statuses: readonly number[], work: () => Promise<Reply>): Promise<Reply> => {
    const started = performance.now();
    const reply = await work();
    const took = performance.now() - started;
    t.equal(fault(reply, { own: true }), undefined, name);
    t.ok(statuses.includes(reply.status), `${name}: ${reply.status} ${reply.text.slice(0, 120)}`);
    t.ok(took < limit, `${name}: ${Math.round(took)} ms`);
    return reply;
  };
  for (let n = 0; n < 30; n++) await fhir('POST', 'QuestionnaireResponse', phq9('mallory', spread(n % 25), new Date(Date.UTC(2025, 0, 1 + n * 7)).toISOString()));
  await timed('a chain of three', 2000, [200], () => fhir('GET', 'Observation?derived-from:QuestionnaireResponse.source:Patient.general-practitioner:Practitioner.family=x'));
  await timed('a chain of four', 500, [400], () => fhir('GET', 'Observation?part-of:Procedure.subject.general-practitioner.organization.partof.name=x'));
  await timed('a chain without types', 2000, [200, 400], () => fhir('GET', 'Provenance?target.subject.general-practitioner.family=x'));
  await timed('_has in _has in _has', 500, [400], () => fhir('GET', 'Patient?_has:Observation:patient:_has:Provenance:target:_has:Provenance:target:_id=x'));
  await timed('an include that goes round in circles', 3000, [200], () => fhir('GET', 'Patient?_revinclude:iterate=*&_include:iterate=*&_include=*&_revinclude=*&_count=1000'));
  await timed('every include there is', 3000, [200, 400], () => fhir('GET', `Observation?${servedTypes.map((type) => `_include:iterate=${type}:*&_revinclude:iterate=${type}:*`).join('&')}`));
  await timed('a list of 1,000 codes', 2000, [200, 400], () => fhir('POST', 'Observation/_search', `code=${Array.from({ length: 1000 }, (_, n) => `c${n}`).join(',')}`, { 'content-type': 'application/x-www-form-urlencoded' }));
  await timed('a list of 1,000 references', 2000, [200, 400], () => fhir('POST', 'Observation/_search', `subject=${Array.from({ length: 1000 }, (_, n) => `Patient/p${n}`).join(',')}`, { 'content-type': 'application/x-www-form-urlencoded' }));
  await timed('a list of 1,000 dates', 3000, [200, 400], () => fhir('POST', 'Observation/_search', `date=${Array.from({ length: 1000 }, (_, n) => `gt${2000 + n}`).join(',')}`, { 'content-type': 'application/x-www-form-urlencoded' }));
  await timed('a list of 1,000 names', 3000, [200, 400], () => fhir('POST', 'Patient/_search', `family:contains=${Array.from({ length: 1000 }, (_, n) => `n${n}`).join(',')}`, { 'content-type': 'application/x-www-form-urlencoded' }));
  await timed('100 conditions', 500, [400], () => fhir('GET', `Observation?${Array.from({ length: 100 }, (_, n) => `code:not=c${n}`).join('&')}`));
  await timed('101 parameters', 500, [400], () => fhir('GET', `Observation?${Array.from({ length: 101 }, () => '_total=none').join('&')}`));
  await timed('a form of 200,000 parameters', 2000, [400], () => fhir('POST', 'Observation/_search', 'a=b&'.repeat(200_000), { 'content-type': 'application/x-www-form-urlencoded' }));
  const before = process.memoryUsage().rss;
  const batch = await timed('a batch of 5,000 searches', 60_000, [200], () => fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 5000 }, () => ({ request: { method: 'GET', url: 'Goal?_summary=count' } })) }));
  t.equal(batch.body.entry.length, 5000);
  t.ok(process.memoryUsage().rss - before < 500 * 1024 * 1024, 'in bounded memory');
  const heavy = await timed('a batch that asks for everything 1,000 times', 60_000, [200], () => fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 1000 }, () => ({ request: { method: 'GET', url: 'Observation?_count=1000&_include=*' } })) }));
  t.equal(heavy.body.entry[0].response.status, '200');
  t.equal(heavy.body.entry.at(-1).response.status, '413', 'what does not fit is refused by itself');
  t.ok(heavy.text.length < 45 * 1024 * 1024, `an answer of ${Math.round(heavy.text.length / 1024 / 1024)} MB`);
  t.ok(process.memoryUsage().rss - before < 900 * 1024 * 1024, `in bounded memory: ${Math.round((process.memoryUsage().rss - before) / 1024 / 1024)} MB`);
});

t.test('anything at all', async (t) => {
  const { service, fhir, patient, lines } = await attacked(t);
  const word = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...nasty) }, fc.constantFrom('Patient', 'Goal', 'Observation', 'Task', 'victim', 'v', 'mine', 'mallory', '_history', '_search', '$progress', '1', '_id', 'code', 'subject', 'status', 'metadata', 'AuditEvent', 'Questionnaire'), fc.string({ maxLength: 20 }));
  const type = fc.constantFrom(...servedTypes);
  const path = fc.oneof(fc.array(word, { maxLength: 4 }), fc.tuple(type, word), fc.tuple(type), fc.tuple(type, word, word)).map((parts) => parts.map((part) => encodeURIComponent(part.toWellFormed())).join('/').replace(/(^|\/)\.{1,2}(?=\/|$)/g, '$1x'));
  const query = fc.array(fc.tuple(fc.oneof(word, fc.constantFrom('_sort', '_include', '_revinclude', '_count', '_has:Observation:patient:code', 'patient', 'subject', 'date', 'code', 'identifier', '_elements', '_summary', '_format', '_page', '_since')), word), { maxLength: 4 })
    .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`).join('&')}`));
  const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    any: fc.oneof({ maxDepth: 4 }, word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.array(tie('any'), { maxLength: 3 }), fc.dictionary(fc.oneof(fc.constantFrom('resourceType', 'id', 'meta', 'status', 'subject', 'reference', 'code', 'coding', 'entry', 'request', 'url', 'method', 'text', 'div', 'extension', 'contained', 'item', 'answer', 'identifier', 'value', 'security', 'target'), word), tie('any'), { maxKeys: 5 })),
  })).any;
  const resource = fc.tuple(type, fc.dictionary(fc.constantFrom('id', 'meta', 'status', 'subject', 'for', 'patient', 'code', 'identifier', 'text', 'contained', 'extension', 'item', 'target', 'participant', 'questionnaire', 'authored', 'valueQuantity', 'entry', 'type'), value, { maxKeys: 6 })).map(([resourceType, rest]) => ({ ...rest, resourceType }));
  const body = fc.oneof(resource, value, fc.array(fc.record({ op: fc.constantFrom('add', 'remove', 'replace', 'copy', 'move', 'test', 'x'), path: word.map((part) => `/${part}`), from: word.map((part) => `/${part}`), value }), { maxLength: 3 }),
    fc.record({ resourceType: fc.constant('Bundle'), type: fc.constantFrom('batch', 'transaction'), entry: fc.array(fc.record({ fullUrl: word, resource: fc.oneof(resource, value), request: fc.record({ method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE'), url: fc.tuple(path, query).map(([p, q]) => p + q), ifNoneExist: word, ifMatch: word }, { requiredKeys: ['method', 'url'] }) }, { requiredKeys: ['request'] }), { maxLength: 3 }) }));
  // valid but for what is in its texts
  const sound = fc.tuple(word, word, fc.constantFrom('1', '2', '3')).map(([one, other, id]) => ({
    resourceType: 'Goal', id: `g${id}`, lifecycleStatus: 'active', subject: { reference: 'Patient/mallory' }, description: { text: one.toWellFormed() || 'x' }, identifier: [{ system: 'urn:test', value: other.toWellFormed().trim() || 'x' }],
  }));
  const fixed: fc.Arbitrary<[string, string, unknown]> = fc.oneof(
    sound.map((goal): [string, string, unknown] => ['POST', 'Goal', goal]), sound.map((goal): [string, string, unknown] => ['PUT', `Goal/${goal.id}`, goal]),
    sound.map((goal): [string, string, unknown] => ['POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: goal, request: { method: 'PUT', url: `Goal/${goal.id}` } }] }]),
    fc.tuple(fc.nat(24), word).map(([total, text]): [string, string, unknown] => ['POST', 'QuestionnaireResponse', phq9('mallory', spread(total), '2026-01-05', { identifier: { system: 'urn:test', value: text.toWellFormed().trim() || 'x' } })]),
  );
  const mediaType = fc.constantFrom('application/fhir+json', 'application/json', 'application/json-patch+json', 'application/x-www-form-urlencoded', 'text/plain');
  const header = fc.record({ 'if-match': fc.constantFrom('W/"1"', '"1"', 'x'), 'if-none-exist': word.map((text) => `identifier=${encodeURIComponent(text.toWellFormed())}`), prefer: fc.constantFrom('return=minimal', 'handling=lenient', 'return=OperationOutcome'), 'idempotency-key': fc.constantFrom('a', 'b') }, { requiredKeys: [] });
  let sent = 0;
  const statuses = new Map<number, number>();
  await fc.assert(fc.asyncProperty(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'), path, query, body, mediaType, header, fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fixed), async (anyMethod, anyPath, anyQuery, anyContent, anyType, headers, known) => {
    const [method, p, content] = known ?? [anyMethod, anyPath, anyContent];
    const [q, contentType] = known === null ? [anyQuery, anyType] : ['', 'application/fhir+json'];
    const text = method === 'GET' || method === 'HEAD' ? undefined : contentType === 'application/x-www-form-urlencoded' ? q.slice(1) : JSON.stringify(content) ?? '';
    const reply = await patient(method, `${service.url}/${p}${q}`, text, { ...headers, ...(text === undefined ? {} : { 'content-type': contentType }) });
    sent++;
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    if (method === 'HEAD') {
      if (reply.status >= 500) throw new Error(`HEAD ${p}${q}: ${reply.status}`);
      return;
    }
    const wrong = fault(reply);
    if (wrong !== undefined && !/Retry|try again/i.test(wrong)) throw new Error(`${method} ${p}${q} ${text?.slice(0, 500)}: ${wrong}`);
  }), { numRuns: 4000, seed: 20260105, endOnFailure: false });
  t.ok(sent >= 4000, `${sent} requests: ${JSON.stringify([...statuses])}`);
  t.ok([200, 201, 400, 403, 404, 412].every((status) => statuses.has(status)), 'of many kinds');
  t.equal((await fhir('GET', 'Patient/victim')).status, 200);
  t.equal((await fhir('GET', 'Patient/victim/_history')).body.entry.length, 1, 'the other record was not touched');

  await t.test('and the log holds codes only', async (t) => {
    const fields = new Set(['event', 'requestId', 'interaction', 'type', 'method', 'status', 'ms', 'error', 'sqlstate', 'constraint', 'at', 'reason', 'count', 'port']);
    t.ok(lines.length > 4000);
    const token = await service.token();
    for (const line of lines) {
      for (const [key, content] of Object.entries(line)) {
        if (!fields.has(key)) t.fail(`field ${key}`);
        if (key === 'type' && content !== undefined && !servedTypes.includes(String(content))) t.fail(`type ${String(content)}`);
        if (key === 'interaction' && !/^[a-z-]{1,30}$/.test(String(content))) t.fail(`interaction ${String(content)}`);
        if (key === 'requestId' && !/^[\w.-]{1,64}$/.test(String(content))) t.fail(`requestId ${String(content)}`);
      }
    }
    const all = JSON.stringify(lines);
    for (const secret of [...secrets, token.slice(0, 40), 'victim', 'mallory', 'drop table', '<script>']) t.notOk(all.includes(secret), `not in the log: ${secret.slice(0, 12)}`);
    t.same(lines.filter(({ event }) => event === 'failed').map(({ error, sqlstate, at }) => [error, sqlstate, at]), [], 'nothing failed');
  });
});
