/**
 * `npm run bench`: the figures of docs/search.md and docs/adr/0010-what-a-scored-response-costs.md, measured in one run on this machine. It starts all it needs (the service with
 * its built-in PostgreSQL in a temporary folder, the bare HTTP framework), fills the database, prints one table, and removes everything.
 * Method: docs/adr/0006-benchmark-method.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { developmentToken } from '../src/commands/development-token.ts';
import { loadConfig } from '../src/config.ts';
import { databaseAccount } from '../src/store/embedded-binaries.ts';
import { runningServer, socketFolder, superuser } from '../src/store/embedded-cluster.ts';
import { HttpConnection } from './http-client.ts';
import { ask, bundleRequest, lines, type Bench } from './lines.ts';
import { measure, type Measured } from './measure.ts';
import { optionsOf, type Options } from './options.ts';
import { start, type Program } from './processes.ts';
import { formOf, remember } from './resources.ts';

const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => { stopped.abort(new Error('stopped')); });

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

async function connected(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // a statement under way fails by itself
  await client.connect();
  return client;
}

/** Carries out `use` with everything running, and ends and removes all of it afterwards, whatever happened. */
async function withBench(options: Options, use: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'intersession-bench-'));
  const undo: (() => Promise<unknown> | void)[] = [() => { rmSync(folder, { recursive: true, force: true }); }];
  try {
    const started = async (words: readonly string[], env: Record<string, string>): Promise<Program> => {
      const program = await start(words, { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], ...env });
      undo.push(() => program.stop());
      return program;
    };
    const hello = await started([file('hello.ts')], {});
    const profile = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
    // the event of npm makes the service end with its parent, should this process be killed
    const service = await started([...profile, file('../src/main.ts')], { DATA_DIR: folder, PORT: '0', MODE: 'development', LOG_LEVEL: 'warn', npm_lifecycle_event: 'bench' });
    const cluster = join(folder, 'postgres');
    const databaseUrl = `postgresql://intersession@/intersession?host=${encodeURIComponent(socketFolder(cluster, databaseAccount()))}`;
    const database = await connected(databaseUrl);
    undo.push(() => database.end());
    const config = loadConfig({ DATA_DIR: folder, PORT: service.url.port, MODE: 'development' });
    const token = async (): Promise<string> => (await developmentToken(config, { scope: 'system/*.cruds' })).token;
    const bench = { hello, service, postmaster: runningServer(cluster)!, databaseUrl, database, token, known: { patients: [], responses: [], tasks: [] }, forms: undefined as never };
    const form = async (name: string): Promise<ReturnType<typeof formOf>> => formOf((await ask(bench, `Questionnaire?name=${name}`)).entry[0].resource);
    await use({ ...bench, forms: { phq9: await form('PHQ9'), gad7: await form('GAD7') } });
  } finally {
    for (const each of undo.toReversed()) await each();
  }
}

/**
 * Fills the database through transactions of a hundred resources. Then PostgreSQL gathers its statistics, and a checkpoint
 * leaves log files behind that can be used again: a server that has run for a while does not create them while it writes.
 */
async function seed(bench: Bench, resources: number): Promise<void> {
  const began = performance.now();
  const sent = { authorization: `Bearer ${await bench.token()}` };
  let left = Math.ceil(resources / 100);
  await Promise.all(Array.from({ length: 4 }, async () => {
    const connection = await HttpConnection.open(bench.service.url);
    while (left-- > 0) {
      stopped.signal.throwIfAborted();
      const { status, body } = await connection.send(bundleRequest(bench, sent));
      if (status !== 200) throw new Error(`seeding was refused with ${status}: ${body.toString().slice(0, 300)}`);
      remember(bench.known, JSON.parse(body.toString()));
    }
    connection.close();
  }));
  const seconds = (performance.now() - began) / 1000;
  await bench.database.query('vacuum analyze');
  const operator = await connected(bench.databaseUrl.replace('//intersession@', `//${superuser}@`));
  await operator.query('checkpoint').finally(() => operator.end());
  const { rows: [stored] } = await bench.database.query<{ count: number }>('select count(*)::int as count from resource where live');
  print(`seeded ${bench.known.patients.length * 100} resources (${stored!.count} with what is computed from them) in ${seconds.toFixed(0)} s: ${Math.round((bench.known.patients.length * 100) / seconds)} resources/s`);
}

const print = (text: string): void => { process.stdout.write(`${text}\n`); };
const number = (value: number | undefined, digits: number): string => (value === undefined ? 'n/a' : value.toFixed(digits));
const widths = [33, 6, 10, 9, 9, 10, 10, 10, 7, 8] as const;
const row = (cells: readonly string[]): string => cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[at]!))).join('');

type Result = Measured & { readonly ratio: number | undefined };

/** Measures every line that was asked for; a line that fails says so and leaves the others alone. */
async function table(bench: Bench, options: Options): Promise<Result[]> {
  print(row(['', 'conn.', '1/s', 'p50 ms', 'p99 ms', 'CPU node', 'CPU PG', 'CPU gen.', 'errors', 'ratio']));
  const results: Result[] = [];
  for (const { title, connections, reference, prepare } of lines.filter((line) => options.only.includes(line.name))) {
    for (const each of options.connections ?? connections) {
      stopped.signal.throwIfAborted();
      const { work, check } = await prepare(bench);
      const measured = await measure(work, each, options.seconds, stopped.signal);
      const failure = measured.first ?? await check().then(() => undefined, (error: Error) => error.message);
      const compared = results.filter(({ line }) => line === reference).find(({ connections: with_ }) => with_ >= each);
      const result = { ...measured, ratio: compared === undefined ? undefined : measured.perSecond / compared.perSecond };
      const { perSecond, p50, p99, cpu, errors, ratio } = result;
      if (failure === undefined) {
        results.push(result);
        print(row([title, `${each}`, number(perSecond, 0), number(p50, 2), number(p99, 2), number(cpu.service, 3), number(cpu.postgres, 3), number(cpu.generator, 3), `${errors}`, ratio === undefined ? '-' : ratio.toFixed(2)]));
      } else {
        process.exitCode = 1;
        print(row([title, `${each}`, `failed: ${failure}`]));
      }
    }
  }
  return results;
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  await withBench(options, async (bench) => {
    const { rows: [server] } = await bench.database.query<{ version: string; fsync: string; commit: string }>("select current_setting('server_version') as version, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit");
    const machine = { cores: cpus().length, cpu: cpus()[0]?.model ?? '', node: process.versions.node, postgres: server!.version, fsync: server!.fsync, synchronousCommit: server!.commit };
    print(`${machine.cores} cores (${machine.cpu}), Node ${machine.node}, PostgreSQL ${machine.postgres}, fsync ${machine.fsync}, synchronous_commit ${machine.synchronousCommit}; load generator, service and database share the cores`);
    await seed(bench, options.seed);
    const results = await table(bench, options);
    print('CPU: milliseconds a request (a resource, where resources are counted) of the service, of all processes of PostgreSQL, of the generator. Ratio: reads to "hello world", writes to the insert.');
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ machine, seed: options.seed, seconds: options.seconds, results }, null, 2)}\n`);
  });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
