/**
 * `npm test [-- file...]`: starts one PostgreSQL with a migrated template, runs every test file against it,
 * removes it whatever happens, and ends with one line: "N passed, N failed" (assertions).
 * The server keeps the settings of production (fsync and all): a copy of the template takes 40 ms even so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startTestServer } from './kit/server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const tap = join(dirname(require.resolve('tap/package.json')), 'dist/esm/run.mjs');

/** tap is compiled for its set of plugins; a fresh install still has the one that cannot read TypeScript 7, and a run that notices it fails. */
function prepareTap(): void {
  const built = join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js');
  if (existsSync(built) && !readFileSync(built, 'utf8').includes('@tapjs/typescript')) return;
  const { status, stderr } = spawnSync(process.execPath, [tap, 'build'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`tap could not be built: ${stderr}`);
}

interface Outcome {
  passed: number;
  failed: number;
}

/** Runs tap and prints one line a file; of a file that fails, everything but its passing assertions. */
async function runTap(files: readonly string[], server: string, signal: AbortSignal): Promise<Outcome> {
  const child = spawn(process.execPath, [tap, '--reporter=tap', '--timeout=300', ...files], { cwd: root, env: { ...process.env, INTERSESSION_TEST_SERVER: server, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'inherit'] });
  signal.addEventListener('abort', () => child.kill('SIGTERM'));
  const ended = new Promise<number>((settle) => { child.once('close', (code) => { settle(code ?? 1); }); });
  const outcome: Outcome = { passed: 0, failed: 0 };
  let block: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const total = /^# \{ total: \d+(?:, pass: (\d+))?(?:, fail: (\d+))?/.exec(line);
    const file = /^(not )?ok \d+ - (\S+)(?: # (.*))?$/.exec(line);
    if (total) {
      outcome.passed = Number(total[1] ?? 0);
      outcome.failed = Number(total[2] ?? 0);
    } else if (file) {
      if (file[1]) console.log(block.filter((text) => !/^\s*(?:ok \d.*|1\.\.\d+|)$/.test(text)).join('\n'));
      console.log(`${file[1] ? 'FAIL' : 'ok  '} ${file[2]} ${file[3] ?? ''}`);
      block = [];
    } else {
      block.push(line);
    }
  }
  if (await ended !== 0 || outcome.passed === 0) outcome.failed ||= 1;
  if (block.some((line) => line.startsWith('Bail out!'))) console.log(block.join('\n'));
  return outcome;
}

const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => { stopped.abort(); });

prepareTap();
const server = await startTestServer();
let outcome: Outcome = { passed: 0, failed: 1 };
try {
  if (!stopped.signal.aborted) outcome = await runTap(process.argv.slice(2), server.url, stopped.signal);
} finally {
  await server.stop();
}
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exitCode = outcome.failed > 0 ? 1 : 0;
