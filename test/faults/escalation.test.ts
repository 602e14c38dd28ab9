import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { phq9, spread } from '../kit/answers.ts';
import { Program } from './running.ts';

const reviews = 60;

/** Messages by review, and reviews by how far they have come, as they are stored. */
async function state(database: Database): Promise<{ messages: number[]; steps: number[]; notes: number[]; doubled: number }> {
  const rows = await database.query<{ type: string; body: string }>(`select type, body from resource where live and type in ('Task', 'Communication')`, []);
  const tasks = rows.filter(({ type }) => type === 'Task').map(({ body }) => JSON.parse(body) as Resource);
  const about = Map.groupBy(rows.filter(({ type, body }) => type === 'Communication' && body.includes('"about"')).map(({ body }) => JSON.parse(body) as Resource), ({ about: list }) => (list as { reference: string }[])[0]!.reference);
  const [versions] = await database.query<{ doubled: number }>(`select count(*)::int as doubled from (select id from resource where type = 'Communication' group by id having count(*) > 1) d`, []);
  return {
    messages: tasks.map(({ id }) => about.get(`Task/${id}`)?.length ?? 0),
    steps: tasks.map(({ businessStatus }) => (businessStatus as { coding: unknown[] } | undefined)?.coding.length ?? 0),
    notes: tasks.map(({ note }) => (note as unknown[] | undefined)?.length ?? 0),
    doubled: versions!.doubled,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

t.test('kill -9 in the middle of an escalation loses no step and takes none twice', async (t) => {
  const program = await Program.begin(t, { JOBS: 'false' });
  const token = await program.token();
  const send = (method: string, path: string, body: object): Promise<Response> =>
    fetch(`${program.base}/${path}`, { method, body: JSON.stringify(body), headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' } });
  await send('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  await send('PUT', 'CareTeam/c', { resourceType: 'CareTeam', id: 'c', status: 'active', subject: { reference: 'Patient/p' }, participant: ['a', 'b', 'c'].map((id) => ({ member: { reference: `Practitioner/${id}` } })) });
  const entry = Array.from({ length: reviews }, (_, n) => ({ request: { method: 'POST', url: 'QuestionnaireResponse' }, resource: phq9('p', spread(10, 9, 1), new Date(Date.parse('2025-01-01T10:00:00Z') + n * 60_000).toISOString()) }));
  for (let at = 0; at < reviews; at += 30) t.equal((await send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: entry.slice(at, at + 30) })).status, 200);
  program.kill('service');
  await program.ended();

  const database = openDatabase({ url: program.databaseUrl, connections: 2, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => database.close());
  program.set('JOBS', 'true');
  let interrupted = 0;
  for (let kill = 0; kill < 2; kill++) {
    await program.start();
    const taken = async (): Promise<number> => sum((await state(database)).steps);
    for (let n = 0; n < 200 && (await taken()) < 20 + 40 * kill; n++) await delay(10);
    program.kill('service');
    await program.ended();
    const now = await state(database);
    if (sum(now.steps) > 0 && sum(now.steps) < 2 * reviews) interrupted++;
    t.same(now.messages, now.steps.map((steps) => 1 + steps), 'at any moment a step and its message are there together, or neither');
  }
  t.ok(interrupted > 0, 'a run was interrupted');
  await program.start();
  for (let n = 0; n < 600 && sum((await state(database)).steps) < 2 * reviews; n++) await delay(25);
  const end = await state(database);
  t.same(end, { messages: end.messages.map(() => 3), steps: end.steps.map(() => 2), notes: end.notes.map(() => 2), doubled: 0 });
  t.equal(end.steps.length, reviews);
});
