import t from 'tap';
import { loadConfig } from '../../src/config.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Reply } from '../kit/service.ts';

// What keeps one caller from taking the service from the others, and pages of elsewhere from calling it.

const statuses = async (n: number, send: () => Promise<Reply>): Promise<number[]> => {
  const found: number[] = [];
  for (let at = 0; at < n; at += 1) found.push((await send()).status);
  return found;
};

t.test('a patient\'s app that runs wild is slowed down, says when to come back, and others are not', async (t) => {
  const service = await testService(t, { env: { RATE_LIMIT_PATIENT: '6' } });
  const system = service.as();
  for (const id of ['a', 'b']) await system('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
  const app = service.as({ patient: 'a' });
  t.same(await statuses(6, () => app('GET', 'Task?patient=a')), [200, 200, 200, 200, 200, 200]);
  const refused = await app('GET', 'Task?patient=a');
  t.equal(refused.status, 429);
  t.match(refused.headers.get('retry-after'), /^[1-9]\d?$/);
  t.match(refused.body, { resourceType: 'OperationOutcome', issue: [{ code: 'throttled' }] });
  t.equal((await service.as({ patient: 'b' })('GET', 'Task?patient=b')).status, 200, 'another patient');
  t.equal((await system('GET', 'Task')).status, 200, 'another client');
  const answers = await statuses(7, () => app('POST', 'QuestionnaireResponse', phq9('a', spread(3), '2025-01-01T00:00:00Z')));
  t.same(answers, [201, 201, 201, 201, 201, 201, 429], 'answers are shed last: they have as much again');
});

t.test('one client is limited whatever it asks, and requests without access by their address', async (t) => {
  const service = await testService(t, { env: { RATE_LIMIT_CLIENT: '5', RATE_LIMIT_STRANGER: '3' } });
  const token = await service.token();
  const send = async (authorization: string): Promise<Reply> => {
    const response = await fetch(`${service.url}/Patient`, { headers: { authorization } });
    return { status: response.status, headers: response.headers, text: '', body: undefined };
  };
  t.same(await statuses(6, () => send(`Bearer ${token}`)), [200, 200, 200, 200, 200, 429]);
  t.same(await statuses(4, () => send('Bearer nonsense')), [401, 401, 401, 429]);
  const rows = await service.database.query<{ n: string }>("select count(*) as n from audit_event where outcome <> '0'", []);
  t.ok(Number(rows[0]!.n) <= 4, 'what is over the limit leaves no row of its own');
});

t.test('scripts of a page call the API only from an origin that is listed, letter by letter', async (t) => {
  const service = await testService(t, { env: { CORS_ORIGINS: 'https://app.example' } });
  const preflight = (origin: string): Promise<Response> => fetch(`${service.url}/Patient/x`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization,if-match' } });
  const permitted = await preflight('https://app.example');
  t.equal(permitted.status, 204);
  t.equal(permitted.headers.get('access-control-allow-origin'), 'https://app.example');
  t.match(permitted.headers.get('access-control-allow-methods'), /PUT/);
  t.match(permitted.headers.get('access-control-allow-headers'), /If-Match/);
  t.equal(permitted.headers.get('access-control-allow-credentials'), null);
  for (const origin of ['https://app.example.evil', 'http://app.example', 'https://sub.app.example', 'null', 'https://app.example:444']) {
    t.equal((await preflight(origin)).headers.get('access-control-allow-origin'), null, origin);
  }
  const answer = await fetch(`${service.url}/Patient`, { headers: { origin: 'https://app.example', authorization: `Bearer ${await service.token()}` } });
  t.same([answer.status, answer.headers.get('access-control-allow-origin')], [200, 'https://app.example']);
  t.match(answer.headers.get('access-control-expose-headers'), /ETag/);
  t.equal((await fetch(`${service.url}/Patient`, { headers: { origin: 'https://app.example' } })).headers.get('access-control-allow-origin'), 'https://app.example', 'a refusal can be read, too');
  const closed = await testService(t);
  t.equal((await fetch(`${closed.url}/Patient`, { headers: { origin: 'https://app.example' } })).headers.get('access-control-allow-origin'), null, 'none is listed by default');
  for (const wrong of ['*', 'https://app.example/', 'app.example', 'https://*.example']) t.throws(() => loadConfig({ CORS_ORIGINS: wrong }), /CORS_ORIGINS/, wrong);
});

t.test('every answer carries the headers that keep a browser from running or keeping it', async (t) => {
  const service = await testService(t);
  const { origin } = new URL(service.url);
  for (const url of [`${service.url}/metadata`, `${service.url}/Patient`, `${service.url}/nothing/here/at/all`, `${origin}/nowhere`, `${service.url}/%zz`]) {
    const { headers } = await fetch(url);
    t.equal(headers.get('x-content-type-options'), 'nosniff', url);
    t.match(headers.get('content-security-policy'), /default-src 'none'.*sandbox/, url);
    t.equal(headers.get('x-frame-options'), 'DENY', url);
    t.equal(headers.get('cache-control'), 'no-store', url);
    t.equal(headers.get('cross-origin-resource-policy'), 'same-origin', url);
    t.notOk(headers.has('x-powered-by'), url);
    t.notOk(headers.has('server'), url);
  }
});
