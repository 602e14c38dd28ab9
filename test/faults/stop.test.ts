import { Agent, request as send } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { Program } from './running.ts';

t.setTimeout(120_000);

const clients = 24;

/** What a client met: an HTTP status, or the code of a connection's error. */
type Met = number | string;

/** One request over the kept-alive connections of `agent`. */
function once(agent: Agent, program: Program, method: string, path: string, token: string, body?: object, key?: string): Promise<{ met: Met; reused: boolean }> {
  return new Promise((settle) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = send({
      agent, host: '127.0.0.1', port: program.port, method, path: `/fhir/R4/${path}`,
      headers: { authorization: `Bearer ${token}`, ...(key === undefined ? {} : { 'idempotency-key': key }), ...(text === undefined ? {} : { 'content-type': 'application/fhir+json', 'content-length': Buffer.byteLength(text) }) },
    }, (response) => {
      response.resume().once('end', () => { settle({ met: response.statusCode!, reused: request.reusedSocket }); }).once('error', (error: NodeJS.ErrnoException) => { settle({ met: `half an answer: ${error.code}`, reused: request.reusedSocket }); });
    });
    request.once('error', (error: NodeJS.ErrnoException) => { settle({ met: error.code ?? error.message, reused: request.reusedSocket }); });
    request.end(text);
  });
}

/**
 * As HTTP clients do (RFC 9112 section 9.3.1): what was sent on a kept connection that the server was just closing got no
 * answer, and is sent again on a new one. @returns whether that was so, too.
 */
async function ask(agent: Agent, program: Program, method: string, path: string, token: string, body?: object, key?: string): Promise<{ met: Met; repeated: boolean }> {
  const { met, reused } = await once(agent, program, method, path, token, body, key);
  if (met !== 'ECONNRESET' || !reused) return { met, repeated: false };
  const again = await once(new Agent(), program, method, path, token, body, key);
  if (again.met !== 'ECONNRESET') return { met: again.met, repeated: true };
  // A connection that waits in the listener's queue when it closes is reset by the kernel: it was never accepted, and the next is refused.
  return { met: (await once(new Agent(), program, method, path, token, body, key)).met, repeated: true };
}

/** Clients that read and write without a pause until the listener is gone. @returns how often they met what. */
async function load(program: Program, token: string, signal: AbortSignal): Promise<{ counts: Record<string, number>; repetitions: number }> {
  const counts: Record<string, number> = {};
  let repetitions = 0;
  const agents = Array.from({ length: clients }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  await Promise.all(agents.map(async (agent, n) => {
    for (let at = 0; !signal.aborted; at++) {
      const { met, repeated } = at % 3 === 0
        ? await ask(agent, program, 'POST', 'QuestionnaireResponse', token, phq9(`p${n % 4}`, spread((at + n) % 20), new Date(Date.UTC(2026, 0, 1 + (at % 300), n)).toISOString()), `${n}-${at}`)
        : await ask(agent, program, 'GET', at % 3 === 1 ? `Patient/p${n % 4}` : `Observation?patient=p${n % 4}&_count=5`, token);
      counts[met] = (counts[met] ?? 0) + 1;
      if (repeated) repetitions++;
      if (met === 'ECONNREFUSED') return;
      if (at % 5 === n % 5) await delay((at + n) % 7); // some connections are idle when the service closes them
    }
  }));
  for (const agent of agents) agent.destroy();
  return { counts, repetitions };
}

for (const env of [{ DRAIN_SECONDS: '1' }, {}] as Record<string, string>[]) {
  t.test(`SIGTERM under load${env['DRAIN_SECONDS'] === undefined ? ' without a time to drain' : ''}: every request that was accepted is answered, and the exit code is 0`, async (t) => {
    const program = await Program.begin(t, env);
    const token = await program.token();
    const agent = new Agent();
    for (let n = 0; n < 4; n++) t.equal((await ask(agent, program, 'PUT', `Patient/p${n}`, token, { resourceType: 'Patient', id: `p${n}` })).met, 201);
    const stop = new AbortController();
    const counting = load(program, token, stop.signal);
    await delay(1500);
    const begun = performance.now();
    program.signal('SIGTERM');
    t.match(await program.ended(), { code: 0, signal: null });
    t.ok(performance.now() - begun < 15_000, `stopped after ${Math.round(performance.now() - begun)} ms`);
    const { counts: { 200: read = 0, 201: written = 0, ECONNREFUSED: refused = 0, ...errors }, repetitions } = await counting;
    stop.abort();
    t.same(errors, {}, `${read} reads, ${written} writes, ${refused} refused connections, ${repetitions} sent again`);
    t.equal(refused, clients, 'every client ends at the closed listener');
    t.ok(repetitions <= clients, 'a kept connection is closed under a request once at most');
    t.ok(read > clients && written > clients);
    t.equal(program.errors, '', 'nothing went wrong inside');
    t.equal(program.server, undefined, 'PostgreSQL is gone');
  });
}
