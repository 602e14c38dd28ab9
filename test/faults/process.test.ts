import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Ending } from '../kit/database.ts';

t.setTimeout(300_000); // processes and databases start and stop here; each step has its own limit

/** What a start may take, also on a machine that is busy with the other tests; alone it takes 0.5 seconds, after a kill 0.7. */
const startLimitMs = 10_000;

const program = fileURLToPath(new URL('../kit/stand-in.ts', import.meta.url));

/** A started process of the service, and what it has said. */
interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly readyMs: number;
  readonly output: () => { out: string; err: string };
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** A data folder that is removed, with whatever still runs on it, when the test ends. */
function dataFolder(t: Ending): string {
  const folder = mkdtempSync(join(tmpdir(), 'intersession-process-'));
  t.teardown(async () => {
    const server = serverOf(folder);
    if (server !== undefined) {
      try { process.kill(server, 'SIGINT'); } catch { /* it has ended by itself */ }
      for (let i = 0; i < 200 && alive(server); i += 1) await delay(20);
    }
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

function serverOf(folder: string): number | undefined {
  const file = join(folder, 'postgres/postmaster.pid');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(process.platform === 'linux' ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
  } catch {
    return false;
  }
}

/** Starts a process with nothing in its environment but what is given. */
function launch(t: Ending, env: Record<string, string>, command = [process.execPath, program]): Omit<Running, 'url' | 'readyMs'> {
  const [name = '', ...parameters] = command;
  const child = spawn(name, parameters, { env: { PORT: '0', LOG_LEVEL: 'info', PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => { out += text; });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { err += text; });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((settle) => { child.once('close', (code, signal) => { settle({ code, signal }); }); });
  t.teardown(() => { child.kill('SIGKILL'); });
  return { child, output: () => ({ out, err }), ended };
}

async function start(t: Ending, env: Record<string, string>, command?: string[]): Promise<Running> {
  const begun = performance.now();
  const running = launch(t, env, command);
  while (running.child.exitCode === null && performance.now() - begun < 30_000) {
    const url = /http:\/\/\S+/.exec(running.output().out)?.[0];
    if (url !== undefined) return { ...running, url, readyMs: Math.round(performance.now() - begun) };
    await delay(10);
  }
  throw new Error(`the process did not start: ${running.output().err}`);
}

async function ask(running: Running, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(running.url + path);
  return { status: response.status, text: await response.text() };
}

t.test('starts on an empty folder, answers, stops on SIGTERM with exit code 0 and leaves no PostgreSQL', async (t) => {
  const folder = dataFolder(t);
  const first = await start(t, { DATA_DIR: folder });
  t.match(await ask(first, '/note/kept'), { status: 200 });
  t.match(first.output().out, /^Intersession answers at http:\/\/127\.0\.0\.1:\d+ .*\n$/, 'one readable line');
  for (const line of first.output().err.trim().split('\n')) t.type(JSON.parse(line), 'object', 'standard error holds events only');
  const server = serverOf(folder);
  t.ok(server !== undefined && alive(server));
  first.child.kill('SIGTERM');
  t.match(await first.ended, { code: 0, signal: null });
  t.notOk(alive(server ?? 0), 'PostgreSQL is gone');

  const second = await start(t, { DATA_DIR: folder });
  t.ok(second.readyMs < startLimitMs, `a second start takes ${second.readyMs} ms`);
  t.match(await ask(second, '/slow'), { status: 200, text: '{"notes":"1"}' });
  second.child.kill('SIGINT');
  t.match(await second.ended, { code: 0 });
});

t.test('a second copy on the same data says so in one line and ends, and the first goes on', async (t) => {
  const folder = dataFolder(t);
  const first = await start(t, { DATA_DIR: folder });
  const second = launch(t, { DATA_DIR: folder });
  t.match(await second.ended, { code: 1 });
  t.equal(second.output().err, `Another copy of the service (process ${first.child.pid}) uses ${folder}: stop it, or set another DATA_DIR.\n`);
  t.match(await ask(first, '/note/still'), { status: 200 });
});

t.test('of copies started at the same moment on an empty folder one runs and the others end in one line', async (t) => {
  const folder = dataFolder(t);
  const copies = [1, 2, 3].map(() => launch(t, { DATA_DIR: folder }));
  const running = () => copies.filter((copy) => copy.child.exitCode === null);
  for (const begun = performance.now(); running().length > 1 && performance.now() - begun < 20_000;) await delay(20);
  await delay(500);
  t.equal(running().length, 1);
  for (const copy of copies) if (copy.child.exitCode !== null) t.match(copy.output().err, /^Another copy of the service .*\n$/);
});

t.test('after kill -9 the next start ends the PostgreSQL left behind and loses nothing', async (t) => {
  const folder = dataFolder(t);
  for (const round of [1, 2, 3]) {
    const running = await start(t, { DATA_DIR: folder });
    if (round > 1) t.ok(running.readyMs < startLimitMs, `ready ${running.readyMs} ms after the kill`);
    t.equal((await ask(running, '/slow')).text, `{"notes":"${round - 1}"}`, 'every acknowledged note is there');
    t.equal((await ask(running, `/note/${round}`)).status, 200);
    const orphan = serverOf(folder);
    running.child.kill('SIGKILL');
    await running.ended;
    t.ok(alive(orphan ?? 0), 'PostgreSQL outlives the killed process: otherwise this test proves nothing');
  }
});

t.test('after kill -9 of everything the next start recovers, though another program has got the number of the old server', async (t) => {
  const folder = dataFolder(t);
  const running = await start(t, { DATA_DIR: folder });
  await ask(running, '/note/one');
  const server = serverOf(folder) ?? 0;
  running.child.kill('SIGKILL');
  process.kill(server, 'SIGKILL');
  await running.ended;
  const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'ignore' });
  t.teardown(() => { other.kill('SIGKILL'); });
  const file = join(folder, 'postgres/postmaster.pid');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(other.pid)));
  const next = await start(t, { DATA_DIR: folder });
  t.ok(next.readyMs < startLimitMs, `ready after ${next.readyMs} ms`);
  t.equal((await ask(next, '/slow')).text, '{"notes":"1"}');
  t.equal(other.exitCode ?? other.signalCode, null, 'the other program is left alone');
});

t.test('a PostgreSQL that is killed under the service is started again, and the service answers on', async (t) => {
  const folder = dataFolder(t);
  const running = await start(t, { DATA_DIR: folder });
  t.match(await ask(running, '/note/one'), { status: 200 });
  process.kill(serverOf(folder) ?? 0, 'SIGKILL');
  let answer = { status: 0, text: '' };
  const killed = performance.now();
  while (answer.status !== 200 && performance.now() - killed < 2 * startLimitMs) {
    await delay(50);
    answer = await ask(running, '/slow');
  }
  t.match(answer, { status: 200, text: '{"notes":"1"}' });
  t.ok(performance.now() - killed < startLimitMs, `back after ${Math.round(performance.now() - killed)} ms`);
});

t.test('requests in flight are answered while the service stops, and kept-alive connections do not hold it', async (t) => {
  const running = await start(t, { DATA_DIR: dataFolder(t) });
  const agent = new Agent({ keepAlive: true, maxSockets: 10 });
  t.teardown(() => { agent.destroy(); });
  const status = () => new Promise<number>((settle, refuse) => { get(`${running.url}/slow`, { agent }, (response) => { response.resume().on('end', () => { settle(response.statusCode ?? 0); }); }).on('error', refuse); });
  const answers = Promise.all(Array.from({ length: 10 }, status));
  await delay(300);
  const begun = performance.now();
  running.child.kill('SIGTERM');
  t.same(await answers, Array.from({ length: 10 }, () => 200));
  t.match(await running.ended, { code: 0 });
  t.ok(performance.now() - begun < 10_000, `stopped ${Math.round(performance.now() - begun)} ms after the signal`);
});

t.test('a stopping service reports "not ready" and answers on for as long as the balancer needs to see it', async (t) => {
  const running = await start(t, { DATA_DIR: dataFolder(t), DRAIN_SECONDS: '1' });
  running.child.kill('SIGTERM');
  await delay(300);
  t.match(await ask(running, '/health/ready'), { status: 503 });
  t.match(await ask(running, '/note/late'), { status: 200 });
  t.match(await running.ended, { code: 0 });
});

t.test('the same signal twice at once is one Ctrl-C; a later second one ends the process with exit code 1', async (t) => {
  const folder = dataFolder(t);
  const patient = await start(t, { DATA_DIR: folder });
  const answer = ask(patient, '/slow');
  await delay(100);
  patient.child.kill('SIGINT');
  await delay(50);
  patient.child.kill('SIGINT');
  t.match(await answer, { status: 200 });
  t.match(await patient.ended, { code: 0 });

  const impatient = await start(t, { DATA_DIR: folder });
  const stuck = ask(impatient, '/stuck').catch(() => 'cut off');
  await delay(100);
  impatient.child.kill('SIGTERM');
  await delay(1300);
  t.equal(impatient.child.exitCode, null, 'a request in flight holds it until the deadline');
  impatient.child.kill('SIGTERM');
  t.match(await impatient.ended, { code: 1 });
  t.equal(await stuck, 'cut off');
  const server = serverOf(folder);
  for (let i = 0; i < 100 && server !== undefined && alive(server); i += 1) await delay(20);
  t.notOk(server !== undefined && alive(server), 'PostgreSQL was told to stop even so');
});

t.test('stops when npm is ended, though the shell between them passes no signal on', async (t) => {
  const folder = dataFolder(t);
  const shell = await start(t, { DATA_DIR: folder, npm_lifecycle_event: 'start' }, ['sh', '-c', `"${process.execPath}" "${program}"; true`]);
  const server = serverOf(folder) ?? 0;
  const answer = ask(shell, '/slow');
  await delay(100);
  shell.child.kill('SIGTERM'); // the shell dies of it; `ended` waits until its output is closed by the service too
  t.match(await answer, { status: 200 });
  await shell.ended;
  t.match(shell.output().err, /"event":"stopping","signal":"parent-ended"/);
  t.notOk(alive(server));
});

t.test('an error nobody caught ends the process with exit code 1, an event without its text, and no PostgreSQL left', async (t) => {
  const folder = dataFolder(t);
  const running = await start(t, { DATA_DIR: folder });
  const server = serverOf(folder) ?? 0;
  await ask(running, '/throw').catch(() => undefined);
  t.match(await running.ended, { code: 1 });
  const event = running.output().err.split('\n').find((line) => line.includes('"crashed"')) ?? '';
  t.match(JSON.parse(event), { level: 'error', event: 'crashed', error: 'TypeError', at: /kit\/stand-in\.ts:\d+:\d+/ });
  t.notMatch(running.output().err, /secret/);
  t.notOk(alive(server));
});

t.test('wrong configuration is one line a variable and exit code 1, before anything is started', async (t) => {
  const folder = dataFolder(t);
  const running = launch(t, { DATA_DIR: join(folder, 'data'), PORT: 'many', LOG_LEVEL: 'loud' });
  t.match(await running.ended, { code: 1 });
  t.equal(running.output().err, 'PORT must be a whole number from 0 to 65535\nLOG_LEVEL must be one of silent, fatal, error, warn, info, debug, trace\n');
  t.notOk(existsSync(join(folder, 'data')));
});

t.test('a port that is taken is one line and exit code 1', async (t) => {
  const folder = dataFolder(t);
  const other = createServer();
  await new Promise<void>((settle) => { other.listen(0, '127.0.0.1', settle); });
  t.teardown(() => { other.close(); });
  const { port } = other.address() as { port: number };
  const running = launch(t, { DATA_DIR: folder, PORT: String(port) });
  t.match(await running.ended, { code: 1 });
  t.equal(running.output().err.split('\n').filter((line) => !line.startsWith('{"level":"info"')).join('\n'), `PORT ${port} is in use: stop the other program, or set another PORT (0: a free one).\n`);
});

t.test('starts with data below a folder that is closed to others, and where the path is too long for a socket', async (t) => {
  const closed = dataFolder(t);
  chmodSync(closed, 0o700);
  const deep = join(closed, 'x'.repeat(60), 'y'.repeat(60));
  mkdirSync(deep, { recursive: true });
  const running = await start(t, { DATA_DIR: deep });
  t.match(await ask(running, '/note/one'), { status: 200 });
  running.child.kill('SIGTERM');
  t.match(await running.ended, { code: 0 });
});
