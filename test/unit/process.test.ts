// The small parts around the service: configuration, log, numbers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadConfig, type Environment } from '../../src/config.ts';
import { createMetrics, serveMetrics } from '../../src/http/metrics.ts';
import { allowed, failure, type Event } from '../../src/log.ts';
import { StartRefusal } from '../../src/start-refusal.ts';

/** The lines a refused configuration is answered with. */
function refused(env: Environment): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof StartRefusal) return error.message.split('\n');
    throw error;
  }
  return [];
}

t.test('without variables the service is for this machine only, with the built-in database', async (t) => {
  const config = loadConfig({ PORT: '', DATABASE_URL: ' ' });
  t.match(config, { mode: 'development', host: '127.0.0.1', port: 3000, metricsPort: 3001, drainMs: 0, databaseUrl: undefined, logLevel: 'warn', namedStatements: true, dataDir: resolve('.data'), keysFile: resolve('.data/keys.json') });
  t.ok(Object.isFrozen(config));
});

t.test('what says that others shall reach the service makes it production', async (t) => {
  t.equal(loadConfig({ HOST: '0.0.0.0', PUBLIC_URL: 'https://fhir.example/' }).publicUrl, 'https://fhir.example');
  const signs: Environment[] = [{ HOST: '0.0.0.0', PUBLIC_URL: 'https://fhir.example' }, { PUBLIC_URL: 'https://fhir.example' }, { OIDC_ISSUER: 'https://id.example' }];
  for (const env of signs) t.match(loadConfig(env), { mode: 'production', logLevel: 'info', drainMs: 5000 });
  t.same(refused({ MODE: 'development', HOST: '0.0.0.0', PUBLIC_URL: 'https://fhir.example' }), ['MODE may be development only with a loopback HOST: its credentials are known to everybody']);
});

t.test('each wrong variable is one line that names it, says what would be right and never repeats the value', async (t) => {
  const cases: [Environment, RegExp][] = [
    [{ PORT: '3000; secret' }, /^PORT must be a whole number from 0 to 65535$/],
    [{ PORT: '65536' }, /^PORT /], [{ PORT: '-1' }, /^PORT /], [{ PORT: '0x10' }, /^PORT /],
    [{ METRICS_PORT: '3000' }, /^METRICS_PORT must be another port/],
    [{ DATABASE_URL: 'mysql://user:secret@host/db' }, /^DATABASE_URL must be a URL that begins with postgresql/],
    [{ PUBLIC_URL: 'https://host/?secret' }, /^PUBLIC_URL must have no user, query or fragment$/],
    [{ OIDC_ISSUER: 'secret' }, /^OIDC_ISSUER must be a URL/],
    [{ HOST: '0.0.0.0' }, /^PUBLIC_URL must be set/],
    [{ NAMED_STATEMENTS: 'secret' }, /^NAMED_STATEMENTS must be true or false$/],
    [{ ALLOW_UNSAFE_DATABASE: 'fsync,secret' }, /^ALLOW_UNSAFE_DATABASE must list names from/],
    [{ LOG_LEVEL: 'secret' }, /^LOG_LEVEL must be one of silent,/],
    [{ DATABASE_URL: 'postgresql://a@b/secret', DATABASE_URL_FILE: '/secret' }, /^DATABASE_URL and DATABASE_URL_FILE exclude each other/],
    [{ SAFETY_RULES: '/there/is/no/secret' }, /^SAFETY_RULES cannot be read \(ENOENT\)$/],
    [{ CRISIS_CONTACTS: fileURLToPath(import.meta.url) }, /^CRISIS_CONTACTS names a file that is not JSON$/],
    [{ DATABASE_URL_FILE: '/there/is/no/secret' }, /^DATABASE_URL_FILE cannot be read \(ENOENT\)$/],
  ];
  for (const [env, line] of cases) {
    t.match(refused(env)[0], line);
    t.equal(refused(env).length, 1, 'one line');
    t.notMatch(refused(env)[0], /secret/);
  }
  t.equal(refused({ PORT: 'x', HOST: 'a b', LOG_LEVEL: 'x' }).length, 3);
});

t.test('a secret is read from the file that NAME_FILE names', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'intersession-config-'));
  t.teardown(() => { rmSync(folder, { recursive: true }); });
  const file = join(folder, 'url');
  writeFileSync(file, 'postgresql://a:b@c/d\n');
  t.equal(loadConfig({ DATABASE_URL_FILE: file }).databaseUrl, 'postgresql://a:b@c/d');
  writeFileSync(file, '\n');
  t.same(refused({ DATABASE_URL_FILE: file }), ['DATABASE_URL_FILE names an empty file']);
});

t.test('a log line carries listed fields with the form of a code, and nothing else', async (t) => {
  const event = { event: 'request', type: 'Task', status: 200, ms: 3.5, name: 'Peter Chalmers', url: '/Patient?name=Peter', interaction: 'search-type' } as Event;
  t.same(allowed(event), { event: 'request', interaction: 'search-type', type: 'Task', status: 200, ms: 3.5 });
  t.same(allowed({ event: 'request', type: 'Peter Chalmers', reason: '{"ssn":1}', ms: Number.NaN, requestId: 'x'.repeat(101) }), { event: 'request' });
});

t.test('of an error the log gets class, SQLSTATE, constraint and places in the code, never its text', async (t) => {
  const error = Object.assign(new Error('Key (ssn)=(123-45-6789) already exists.'), { code: '23505', constraint: 'person_ssn', detail: 'Failing row contains (Peter)', where: 'JSON data, line 1: Peter' });
  const line = JSON.stringify(allowed({ event: 'request-failed', ...failure(error) }));
  t.match(JSON.parse(line), { error: 'Error', sqlstate: '23505', constraint: 'person_ssn', at: /unit\/process\.test\.ts:\d+:\d+/ });
  t.notMatch(line, /123-45|Peter|ssn\)/);
  t.match(failure(Object.assign(new Error('connect ECONNREFUSED 10.0.0.1'), { code: 'ECONNREFUSED' })), { error: 'ECONNREFUSED', sqlstate: undefined });
  t.same(failure('Peter'), { error: 'string' });
});

t.test('numbers are served on the loopback address, on a free port where the wanted one is taken', async (t) => {
  const metrics = createMetrics({ totalCount: 4, idleCount: 3, waitingCount: 2 });
  metrics.request('create', 'Task', 201, 0.004);
  metrics.request('read', 'Task', 404, 0.001);
  metrics.batch(16);
  metrics.shed('queue-full');
  const other = createServer();
  await new Promise<void>((settle) => { other.listen(0, '127.0.0.1', settle); });
  t.teardown(() => { other.close(); });
  const { port: taken } = other.address() as { port: number };
  const served = await serveMetrics(metrics, taken);
  t.teardown(() => served.close());
  t.not(served.port, taken);
  const text = await (await fetch(`http://127.0.0.1:${served.port}/metrics`)).text();
  for (const line of ['fhir_request_seconds_count{interaction="create",type="Task",status="2xx"} 1', 'fhir_request_seconds_count{interaction="read",type="Task",status="4xx"} 1', 'store_batch_writes_sum 16', 'store_connections 4', 'store_connections_idle 3', 'store_connections_waiting 2', 'fhir_requests_shed_total{reason="queue-full"} 1']) t.ok(text.includes(`${line}\n`), line);
  t.match(text, /nodejs_eventloop_lag_seconds \d/);
  t.equal((await fetch(`http://127.0.0.1:${served.port}/`)).status, 404);
});
