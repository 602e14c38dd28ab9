import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openDatabase } from '../../src/store/database.ts';
import { Program } from './running.ts';

const verifier = fileURLToPath(new URL('../../src/commands/audit-verify.ts', import.meta.url));

t.test('who read something is in the log though everything is killed as soon as the answer is there, and the chain is whole', { timeout: 90_000 }, async (t) => {
  const program = await Program.begin(t);
  const sent = async (method: string, path: string, requestId: string, body?: unknown): Promise<number> => {
    const response = await fetch(`${program.base}/${path}`, {
      method, headers: { authorization: `Bearer ${await program.token()}`, 'content-type': 'application/fhir+json', 'x-request-id': requestId }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return response.status;
  };
  t.equal(await sent('PUT', 'Patient/ada', 'written', { resourceType: 'Patient', id: 'ada' }), 201);
  t.equal(await sent('GET', 'Patient/nobody', 'refused'), 404);
  t.equal(await sent('GET', 'Patient?_id=ada', 'read'), 200);
  program.kill('both');
  await program.ended();
  await program.start();
  const database = openDatabase({ url: program.databaseUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(async () => { if (!database.pool.ended) await database.close(); });
  const rows = await database.query<{ id: string }>(`select distinct request_id as id from audit_event where request_id in ('written', 'refused', 'read') order by id`);
  t.same(rows.map(({ id }) => id), ['read', 'refused', 'written']);
  const { status, stdout } = spawnSync(process.execPath, [verifier, '--late=60'], { encoding: 'utf8', env: { PATH: process.env['PATH'], DATA_DIR: program.folder } });
  const [, sealed, waiting] = /is sound\. (\d+) sealed events, (\d+) waiting/.exec(stdout) ?? [];
  t.equal(status, 0, stdout);
  t.ok(Number(sealed) + Number(waiting) > rows.length, 'sealed or about to be');
  await database.close();
  program.signal('SIGTERM');
  t.match(await program.ended(), { code: 0 });
});
