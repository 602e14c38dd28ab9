import http from 'node:http';
import net from 'node:net';
import t, { type Test } from 'tap';
import { silent } from '../../src/log.ts';
import { testService, type Reply } from '../kit/service.ts';

// Attacks on the service itself: what it keeps in memory, what it computes for others, and how it reads addresses.

t.setTimeout(180_000);

let metricsPort = 0;
const service = await testService(t, { log: { ...silent, info: ({ event, port = 0 }) => { if (event === 'metrics-port') metricsPort = port; } } });
const system = service.as();
const { port } = new URL(service.url);
for (const id of ['victim', 'mallory']) await system('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: id === 'victim' ? 'Zebrowska' : 'Mallory' }] });
await system('PUT', 'Goal/theirs', { resourceType: 'Goal', id: 'theirs', lifecycleStatus: 'active', description: { text: 'kept-secret' }, subject: { reference: 'Patient/victim' } });
await system('PUT', 'Goal/mine', { resourceType: 'Goal', id: 'mine', lifecycleStatus: 'active', description: { text: 'walk' }, subject: { reference: 'Patient/mallory' } });
const app = service.as({ patient: 'mallory' });

/** Sends a body in one piece or in many, over a connection of its own. @returns the status; 0 where the connection ended without one. */
function send(token: string, body: Buffer, chunked: boolean): Promise<number> {
  return new Promise((resolve) => {
    const request = http.request(`${service.url}/Goal`, { method: 'POST', agent: false, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }) } }, (response) => {
      response.resume().once('close', () => { resolve(response.statusCode!); });
    });
    request.once('error', () => { resolve(0); });
    request.end(body);
  });
}

/** Begins a body and does not end it. @returns what ends the connection. */
function begin(token: string, framing: string, megabytes: number): Promise<() => void> {
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), '127.0.0.1', () => {
      socket.write(`POST /fhir/R4/Goal HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/fhir+json\r\n${framing}\r\n\r\n`);
      const part = Buffer.alloc(1024 * 1024, 0x20);
      for (let n = 0; n < megabytes; n++) socket.write(Buffer.concat(framing.startsWith('Transfer') ? [Buffer.from('100000\r\n'), part, Buffer.from('\r\n')] : [part]));
      socket.write('', () => { resolve(() => { socket.destroy(); }); });
    });
    socket.on('error', () => {}).resume();
  });
}

await t.test('many large bodies at once do not take the memory', async (t) => {
  const token = await service.token();
  const large = Buffer.from(`{"resourceType":"Goal","note":"${'x'.repeat(15 * 1024 * 1024)}"}`);
  const usual = Buffer.from(JSON.stringify({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/mallory' } }));
  const soon = async (want: number, work: () => Promise<number>): Promise<number> => {
    for (let status = 0, n = 0; ; n++) {
      if ((status = await work()) === want || n === 40) return status;
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  };
  for (const [name, framing, chunked] of [['that say how long they are', `Content-Length: ${large.length}`, false], ['in pieces', 'Transfer-Encoding: chunked', true]] as const) {
    const before = process.memoryUsage().rss;
    for (const status of await Promise.all(Array.from({ length: 20 }, () => send('nobody', large, chunked)))) t.ok(status === 401 || status === 0, `of strangers, ${name}: ${status}`);
    t.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024, `and are not kept: ${Math.round((process.memoryUsage().rss - before) / 1024 / 1024)} MB`);
    t.equal(await send(token, large, chunked), 400, `the control: read, ${name}`);
    const open = await Promise.all(Array.from({ length: 12 }, () => begin(token, framing, 12)));
    t.equal(await soon(503, () => send(token, large, chunked)), 503, `one too many, ${name}`);
    t.equal(await send(token, usual, chunked), 201, 'a usual one finds room');
    for (const end of open) end();
    t.equal(await soon(400, () => send(token, large, chunked)), 400, `the control: room is given back, ${name}`);
  }
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  t.ok(Number(/fhir_requests_shed_total\{reason="large-bodies"\} (\d+)/.exec(metrics)?.[1]) >= 2, 'each that is refused is counted');
});

await t.test('connections that say nothing, or say it slowly, hold nobody up', async (t) => {
  const sockets = Array.from({ length: 300 }, (_, n) => net.connect(Number(port), '127.0.0.1', function connected(this: net.Socket) {
    this.write(n % 3 === 0 ? '' : n % 3 === 1 ? 'GET /fhir/R4/Patient HTTP/1.1\r\nHost: x\r\nX: ' : 'POST /fhir/R4/Goal HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{');
  }).on('error', () => {}));
  await new Promise((resolve) => { setTimeout(resolve, 200); });
  const started = performance.now();
  t.equal((await app('GET', 'Goal/mine')).status, 200);
  t.ok(performance.now() - started < 2000);
  for (const socket of sockets) socket.destroy();
});

/** Requests are answered within `limit` milliseconds, and the service goes on. */
async function cheap(t: Test, name: string, limit: number, work: () => Promise<Reply>, statuses: readonly number[]): Promise<Reply> {
  const started = performance.now();
  const reply = await work();
  const took = performance.now() - started;
  t.ok(statuses.includes(reply.status), `${name}: ${reply.status} ${reply.text.slice(0, 200)}`);
  t.ok(took < limit, `${name}: ${Math.round(took)} ms`);
  return reply;
}

const evil = ['^(a+)+$', '(a|a)*b', '(a*)*b', '([a-zA-Z]+)*$', '(.*a){25}', '(?=(a+))a*b\\1', 'a{1,99}{1,99}{1,99}', '((((((a*)*)*)*)*)*)*b', `${'(a?'.repeat(40)}${')'.repeat(40)}${'a'.repeat(40)}`, '(a'.repeat(200), '[', '\\', '(?<x>a)\\k<x>', 'x'.repeat(5000), '\ud800'];

await t.test('a pattern that somebody wrote costs the length of what it is held against', async (t) => {
  for (const [at, pattern] of evil.entries()) {
    const url = `urn:test:pattern-${at}`;
    const form = { resourceType: 'Questionnaire', id: `pattern-${at}`, url, status: 'active', item: [{ linkId: 'a', type: 'string', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/regex', valueString: pattern }] }] };
    const put = await cheap(t, `the form with ${pattern.slice(0, 20)}`, 2000, () => system('PUT', `Questionnaire/pattern-${at}`, form), [201, 200, 400, 422]);
    if (put.status >= 400) continue;
    await cheap(t, `an answer against ${pattern.slice(0, 20)}`, 2000, () => app('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: url, subject: { reference: 'Patient/mallory' }, authored: '2026-01-05', item: [{ linkId: 'a', answer: [{ valueString: `${'a'.repeat(20_000)}!` }] }] }), [201, 400, 422]);
  }
});

const expressions = [
  "name.family.matches('^(a+)+$')", `${'('.repeat(3000)}true${')'.repeat(3000)}`, `${'name.'.repeat(3000)}family`, 'repeat($this)', 'descendants().descendants().descendants().descendants().exists()', 'iif(true,'.repeat(500), "'a'.replaceMatches('(a+)+','b')", 'trace(\'x\', %context)', "resolve().exists()", '%resource.descendants().where($this.descendants().count() > 1).exists()',
  "(1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9)))))", 'name.all(name.all(name.all(name.all(name.all(name.all(true))))))', "'x'.toChars().toChars()", "constructor.constructor('return process')()", '__proto__.polluted', 'aggregate($this + $total, 1)', '', ' ', ';', '\u0000',
];

await t.test('an expression that somebody wrote is refused, ignored or soon done', async (t) => {
  for (const [at, expression] of expressions.entries()) {
    const name = expression.slice(0, 30);
    const profile = { resourceType: 'StructureDefinition', id: `expression-${at}`, url: `http://test.example/StructureDefinition/e${at}`, name: `E${at}`, status: 'active', kind: 'resource', abstract: false, type: 'Patient', baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient', derivation: 'constraint',
      differential: { element: [{ id: 'Patient', path: 'Patient', constraint: [{ key: `e-${at}`, severity: 'error', human: 'x', expression }] }] } };
    const put = await cheap(t, `a profile with ${name}`, 3000, () => system('PUT', `StructureDefinition/expression-${at}`, profile), [200, 201, 400, 422]);
    if (put.status < 400) {
      const person = { resourceType: 'Patient', meta: { profile: [profile.url] }, name: Array.from({ length: 40 }, () => ({ family: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', given: Array.from({ length: 10 }, () => 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!') })) };
      await cheap(t, `what claims the profile with ${name}`, 3000, () => system('POST', 'Patient', person), [201, 400, 422]);
      await cheap(t, `validating against ${name}`, 3000, () => system('POST', `Patient/$validate?profile=${encodeURIComponent(profile.url)}`, { ...person, meta: {} }), [200, 400, 422]);
    }
    await cheap(t, `a search parameter with ${name}`, 3000, () => system('PUT', `SearchParameter/expression-${at}`, { resourceType: 'SearchParameter', id: `expression-${at}`, url: `urn:test:sp-${at}`, name: 'X', status: 'active', description: 'x', code: `x${at}`, base: ['Patient'], type: 'string', expression }), [200, 201, 400, 422]);
    const form = { resourceType: 'Questionnaire', id: `expression-${at}`, url: `urn:test:form-${at}`, status: 'active', subjectType: ['Patient'],
      extension: [{ url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-launchContext', extension: [{ url: 'name', valueCoding: { code: 'patient' } }, { url: 'type', valueCode: 'Patient' }] }, { url: 'http://hl7.org/fhir/StructureDefinition/variable', valueExpression: { name: 'v', language: 'text/fhirpath', expression } }],
      item: [{ linkId: 'a', type: 'string', extension: [{ url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-initialExpression', valueExpression: { language: 'text/fhirpath', expression } }, { url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression', valueExpression: { language: 'text/fhirpath', expression } }, { url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression', valueExpression: { language: 'text/fhirpath', expression } }] }] };
    const stored = await cheap(t, `a form with ${name}`, 3000, () => system('PUT', `Questionnaire/expression-${at}`, form), [200, 201, 400, 422]);
    if (stored.status < 400) await cheap(t, `filled in with ${name}`, 3000, () => system('POST', `Questionnaire/expression-${at}/$populate`, { resourceType: 'Parameters', parameter: [{ name: 'subject', valueReference: { reference: 'Patient/mallory' } }] }), [200, 400, 422]);
    await cheap(t, `a patch at ${name}`, 3000, () => app('PATCH', 'Goal/mine', { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }, { name: 'path', valueString: expression }] }] }), [200, 400, 422]);
    await cheap(t, `a filter with ${name}`, 3000, () => app('GET', `Goal?_filter=${encodeURIComponent(expression.slice(0, 5000))}`), [400]);
  }
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

await t.test('a terminology that grows is cut', async (t) => {
  const many = { resourceType: 'CodeSystem', id: 'many', url: 'urn:test:many', status: 'active', content: 'complete', concept: Array.from({ length: 20_000 }, (_, n) => ({ code: `c${n}`, display: `C ${n}`, property: [{ code: 'parent', valueCode: `c${Math.max(0, n - 1)}` }] })) };
  await cheap(t, 'a system of 20,000 codes', 6000, () => system('PUT', 'CodeSystem/many', many), [201, 400, 413, 422]);
  for (const [id, compose] of Object.entries({
    itself: { include: [{ valueSet: ['urn:test:vs-itself'] }] }, other: { include: [{ valueSet: ['urn:test:vs-round'] }] }, round: { include: [{ valueSet: ['urn:test:vs-other'] }] },
    all: { include: Array.from({ length: 200 }, () => ({ system: 'urn:test:many' })) }, hierarchy: { include: [{ system: 'urn:test:many', filter: [{ property: 'concept', op: 'is-a', value: 'c0' }, { property: 'display', op: 'regex', value: '(C+ ?)+$' }] }] },
    nested: { include: Array.from({ length: 50 }, () => ({ valueSet: ['urn:test:vs-all'] })), exclude: [{ valueSet: ['urn:test:vs-all'] }] },
  })) {
    await cheap(t, `the value set ${id}`, 3000, () => system('PUT', `ValueSet/vs-${id}`, { resourceType: 'ValueSet', id: `vs-${id}`, url: `urn:test:vs-${id}`, status: 'active', compose }), [201, 400, 422]);
    await cheap(t, `expanding ${id}`, 5000, () => system('GET', `ValueSet/vs-${id}/$expand`), [200, 400, 404, 422, 413, 403]);
    await cheap(t, `a code in ${id}`, 5000, () => system('GET', `ValueSet/vs-${id}/$validate-code?system=urn:test:many&code=c5`), [200, 400, 404, 422, 413, 403]);
    await cheap(t, `searching in ${id}`, 5000, () => app('GET', `Observation?code:in=urn:test:vs-${id}`), [200, 400, 404, 422, 413, 403]);
  }
});

await t.test('an address is what it says: no way around to another record', async (t) => {
  const raw = (path: string, token: string, headers = ''): Promise<string> => new Promise((resolve) => {
    let got = '';
    const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n${headers}\r\n`, 'latin1'));
    socket.on('data', (data) => { got += data.toString('latin1'); }).on('error', () => {}).on('close', () => { resolve(got); });
  });
  const [mine, all] = [await service.token({ patient: 'mallory' }), await service.token()];
  const paths = [
    '/fhir/R4/Goal/theirs', '/fhir/R4/Goal/mine/../theirs', '/fhir/R4/Goal/mine/%2e%2e/theirs', '/fhir/R4/Goal/mine/%2E%2E%2ftheirs', '/fhir/R4/Goal/%2e/theirs', '/fhir/R4//Goal/theirs', '/fhir/R4/Goal//theirs', '/fhir/R4/Goal/theirs/', '/fhir/R4/Goal/theirs;x=1', '/fhir/R4/Goal;x=1/theirs', '/fhir/R4/Goal/theirs.', '/fhir/R4/Goal/theirs%20', '/fhir/R4/Goal/theirs%00', '/fhir/R4/Goal/theirs%09', '/fhir/R4/Goal/theirs.json',
    '/fhir/R4/Goal%2ftheirs', '/fhir/R4/Goal%252ftheirs', '/fhir/R4/goal/theirs', '/fhir/R4/GOAL/theirs', '/fhir/R4/Goal/THEIRS', '/fhir/R4/Goal/theirs?_format=json', '/fhir/R4/Goal/theirs#x', '/fhir/R4/Goal/theirs?patient=mallory', '/fhir/R4/Goal/theirs/_history/1', '/fhir/R4/Goal/theirs/_history/01', '/fhir/R4/Goal/theirs/_history/1.0', '/fhir/R4/Patient/mallory/Goal?_id=theirs', '/fhir/R4/Patient/mallory/../victim/Goal', '/fhir/R4/Patient/mallory%2f..%2fvictim', '/fhir/R4/Patient/victim/$everything', '/fhir/R4/Patient/mallory/$everything?subject=Patient/victim',
    'http://x/fhir/R4/Goal/theirs', 'http://evil.example/fhir/R4/Goal/theirs', 'https://x@evil.example/fhir/R4/Goal/theirs', '/oauth/../fhir/R4/Goal/theirs', '/fhir/R4/../R4/Goal/theirs', '/fhir/r4/Goal/theirs', '/fhir/R4%2fGoal/theirs', '/\\fhir/R4/Goal/theirs', '/fhir\\R4/Goal/theirs', '*', '/fhir/R4/Goal?_id=theirs&_id=mine', '/fhir/R4/Goal?_id=mine,theirs', '/fhir/R4/Goal?patient=mallory&patient=victim', '/fhir/R4/Goal?patient=mallory,victim', '/fhir/R4/Goal?subject=Patient/mallory%2CPatient/victim', `/fhir/R4/Goal?subject=${encodeURIComponent(`${service.url}/Patient/victim`)}`, '/fhir/R4/_history', '/fhir/R4/?_type=Goal&_id=theirs', '/fhir/R4/Goal/_search', '/metrics', '/health/../fhir/R4/Goal/theirs',
  ];
  let shown = 0;
  for (const path of paths) {
    for (const headers of ['', 'X-Original-URL: /fhir/R4/Goal/theirs\r\nX-Rewrite-URL: /fhir/R4/Goal/theirs\r\nX-HTTP-Method-Override: GET\r\nX-Forwarded-Prefix: /fhir\r\nX-Forwarded-For: 127.0.0.1\r\n']) {
      const answer = await raw(path, mine, headers);
      t.notMatch(answer, /Zebrowska|kept-secret/, path);
      t.notMatch(answer, /^HTTP\/1\.1 5/, path);
    }
    if (/kept-secret|Zebrowska/.test(await raw(path, all))) shown++;
  }
  t.ok(shown > 10, `the control: who may see it is shown it on ${shown} of the ways`);
});

const escape = (text: string): string => encodeURIComponent(text.slice(0, 10));

await t.test('text that is strange stays what it is, or is refused; nothing is smuggled into headers', async (t) => {
  const goal = (text: string): object => ({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text }, subject: { reference: 'Patient/mallory' } });
  for (const text of ['\ufeffx', 'x\ufeff', 'a\u2028b', 'a\u202eb', '\u200b', 'A\u030a', '𝒳', 'x'.repeat(100_000), '<b>x</b>', '${jndi:ldap://x}', '{{7*7}}', '=cmd|x', '%s%n']) {
    const reply = await app('POST', 'Goal', goal(text));
    if (reply.status === 201) t.ok((await app('GET', `Goal/${reply.body.id}`)).body.description.text === text, `as it came: ${escape(text)}`);
    else t.equal(reply.status, 400, escape(text));
  }
  const marked = await app('POST', 'Goal', `\ufeff${JSON.stringify(goal('x'))}`);
  t.same([marked.status, (await app('GET', `Goal/${marked.body.id}`)).text.charAt(0)], [201, '{'], 'a byte order mark is passed over (RFC 8259, 8.1) and not kept');
  for (const value of ['x\r\nSet-Cookie: a=b', 'x%0d%0aSet-Cookie:%20a=b', 'a b', '../x', '<script>', 'é', 'x'.repeat(65)]) {
    const got = await app('GET', 'Goal/mine', undefined, { 'x-request-id': value }).catch(() => undefined);
    if (got === undefined) continue; // cannot be sent
    t.equal(got.headers.get('set-cookie'), null);
    t.not(got.headers.get('x-request-id'), value, `an id that is none is not echoed: ${escape(value)}`);
  }
  t.equal((await app('GET', 'Goal/mine', undefined, { 'x-request-id': 'abc-1' })).headers.get('x-request-id'), 'abc-1', 'the control');
});
