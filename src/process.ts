import { setTimeout as delay } from 'node:timers/promises';
import type { App } from './app.ts';
import { loadConfig, type Config, type Environment } from './config.ts';
import { failure, openLog, type Log, type ProcessLog } from './log.ts';
import { StartRefusal } from './start-refusal.ts';
import { openDatabase, type Database } from './store/database.ts';
import { startEmbedded } from './store/embedded.ts';
import { checkServer, migrate } from './store/migrate.ts';
import { confineTo, isConfined } from './store/roles.ts';
import { waitForDatabase } from './store/wait.ts';

/** Builds the program around an open, migrated database. */
export type CreateApp = (options: { config: Config; database: Database; log: Log }) => Promise<Pick<App, 'listen' | 'drain' | 'close'>>;

/** After this the process ends even with requests in flight: by exit code, before Kubernetes kills (30 s), and sooner after a failure. */
const deadlineMs = { 0: 25_000, 1: 5000 } as const;

/** A terminal's Ctrl-C arrives twice through npm; a second signal this much later is somebody's impatience. */
const impatienceMs = 1000;

/** Ends the process: 0 after a signal, 1 after a failure. */
class Ending {
  readonly stopped = new AbortController();
  readonly #undo: ((code: 0 | 1) => Promise<void>)[] = [];
  readonly #log: ProcessLog;
  #begun = 0;

  constructor(log: ProcessLog) {
    this.#log = log;
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => { this.#signal(name); });
    for (const name of ['uncaughtException', 'unhandledRejection'] as const) process.on(name, (thrown: unknown) => { this.fail(thrown); });
    process.stdout.on('error', () => {}); // nobody reads any more
  }

  /** Registers what ends a part; the parts end in the reverse order of their beginning. */
  add(undo: (code: 0 | 1) => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Stops when the parent process ends: a signal to npm kills the shell that npm started, and the shell passes nothing on. */
  followParent(): void {
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      this.#signal('parent-ended');
    }, 250);
    watch.unref();
  }

  #signal(signal: string): void {
    if (this.#begun === 0) {
      this.#log.info({ event: 'stopping', signal });
      void this.run(0);
    } else if (performance.now() - this.#begun > impatienceMs) {
      this.#log.warn({ event: 'stopped-at-once', signal });
      this.#exit(1);
    }
  }

  /** Ends the process because of an error: one line for the operator, or an event with the place in the code. */
  fail(thrown: unknown): void {
    if (thrown instanceof StartRefusal) process.stderr.write(`${thrown.message}\n`);
    else if (isAddressInUse(thrown)) process.stderr.write(`PORT ${thrown.port} is in use: stop the other program, or set another PORT (0: a free one).\n`);
    else this.#log.error({ event: 'crashed', ...failure(thrown) });
    void this.run(1);
  }

  async run(code: 0 | 1): Promise<void> {
    if (this.#begun !== 0) return;
    this.#begun = performance.now();
    this.stopped.abort();
    setTimeout(() => {
      this.#log.error({ event: 'stop-deadline' });
      this.#exit(1);
    }, deadlineMs[code]).unref();
    let exit: 0 | 1 = code;
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo(code);
      } catch (error) {
        this.#log.error({ event: 'stop-failed', ...failure(error) });
        exit = 1;
      }
    }
    this.#exit(exit);
  }

  #exit(code: number): never {
    this.#log.flush();
    process.exit(code);
  }
}

function isAddressInUse(thrown: unknown): thrown is NodeJS.ErrnoException & { port: number } {
  return (thrown as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
}

/**
 * Runs the service until a signal ends it: configuration, database, migration, program, and the way back.
 * Standard output gets one readable line when requests are accepted; everything else is events on standard error.
 */
export async function runService(createApp: CreateApp, env?: Environment): Promise<void> {
  let config: Config;
  try {
    config = loadConfig(env);
  } catch (error) {
    if (!(error instanceof StartRefusal)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  const log = openLog(config.logLevel);
  const ending = new Ending(log);
  if (config.startedByNpm) ending.followParent();
  const started = performance.now();
  try {
    const database = await openStore(config, log, ending);
    const app = await createApp({ config, database, log });
    ending.add(() => app.close());
    ending.stopped.signal.throwIfAborted();
    const { url, notice = [] } = await app.listen();
    ending.add(async (code) => {
      await app.drain();
      if (code === 0) await delay(config.drainMs);
    });
    log.info({ event: 'ready', ms: Math.round(performance.now() - started) });
    process.stdout.write(`Intersession answers at ${url} - ${config.mode === 'development' ? 'get a token with: npm run token' : `tokens of ${config.issuer}`}\n`);
    for (const line of notice) process.stdout.write(`${line}\n`);
  } catch (error) {
    if (!ending.stopped.signal.aborted) ending.fail(error);
  }
}

/** The database, reachable, durable, and at the schema of this version. Each part is registered with `ending` as soon as it is there. */
async function openStore(config: Config, log: Log, ending: Ending): Promise<Database> {
  const { signal } = ending.stopped;
  let url = config.databaseUrl;
  let ownerUrl = config.migrationUrl;
  if (url === undefined) {
    const embedded = await startEmbedded(config.dataDir, log);
    ending.add(() => embedded.stop());
    void embedded.lost.then((refusal) => { ending.fail(refusal); });
    ({ url, ownerUrl } = embedded);
  }
  signal.throwIfAborted();
  const database = openDatabase({ url, connections: config.connections, namedStatements: config.namedStatements, statementTimeoutMs: 10_000 });
  ending.add(() => database.close());
  await waitForDatabase(database, log, signal);
  await checkServer(database, config.allowUnsafeDatabase);
  for (const migration of await migrate(ownerUrl ?? url)) log.info({ event: 'migrated', migration });
  if (ownerUrl !== undefined) await confineTo(ownerUrl, database);
  if (config.mode === 'production' && !config.allowOneDatabaseRole && !(await isConfined(database))) log.warn({ event: 'one-database-role' });
  signal.throwIfAborted();
  return database;
}
