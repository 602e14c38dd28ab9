import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../log.ts';
import { StartRefusal } from '../start-refusal.ts';
import { commandOf, databaseAccount, locateBinaries, type Account, type Binaries } from './embedded-binaries.ts';
import { environmentOfPostgres, initialise, removeDrafts, removeStaleLocks, runningServer, settings, socketFolder, superuser } from './embedded-cluster.ts';

/** The running built-in PostgreSQL. */
export interface Embedded {
  /** Connection URL of the service's own role and database (a Unix socket: no port, no password). */
  readonly url: string;
  /** The same for the role that owns the database: for migrations. */
  readonly ownerUrl: string;
  /** Fast shutdown: ends open statements, writes a checkpoint, returns when the server is gone. */
  stop(): Promise<void>;
  /** Settles only when the server is lost for good: it ended by itself and could not be started again. */
  readonly lost: Promise<StartRefusal>;
}

/** The number of the advisory lock that the one service of a data folder holds for as long as it lives. */
const serviceLock = 712_004_001;

/**
 * Starts the built-in PostgreSQL with its data in `dataDir`/postgres, creating it at first use.
 * A server that a killed process left behind is ended first; a server that ends by itself is started again.
 * @throws StartRefusal when another living process uses `dataDir`, or the server cannot start here
 */
export async function startEmbedded(dataDir: string, log: Log): Promise<Embedded> {
  if (process.platform === 'win32') throw new StartRefusal('The built-in PostgreSQL runs on Linux and macOS: set DATABASE_URL to a PostgreSQL of version 15 or later.');
  const binaries = locateBinaries();
  const account = databaseAccount();
  const folder = resolve(dataDir);
  const cluster = join(folder, 'postgres');
  try {
    mkdirSync(folder, { recursive: true, mode: account.owner ? 0o711 : 0o700 });
  } catch (error) {
    throw new StartRefusal(`DATA_DIR ${folder} cannot be created (${(error as NodeJS.ErrnoException).code}).`);
  }
  await initialise(cluster, binaries, account);
  const server = new Server({ folder, cluster, socket: socketFolder(cluster, account), binaries, account }, log);
  await server.start();
  removeDrafts(cluster);
  const as = (role: string): string => `postgresql://${role}@/intersession?host=${encodeURIComponent(server.place.socket)}`;
  return {
    url: as('intersession_service'),
    ownerUrl: as('intersession'),
    stop: () => server.stop(),
    lost: server.lost,
  };
}

interface Place {
  readonly folder: string;
  readonly cluster: string;
  readonly socket: string;
  readonly binaries: Binaries;
  readonly account: Account;
}

/** One server process, kept running until `stop`. */
class Server {
  readonly place: Place;
  readonly lost: Promise<StartRefusal>;
  readonly #log: Log;
  #child: ChildProcess | undefined;
  #holder: pg.Client | undefined;
  #stopping = false;
  readonly #restarts: number[] = [];
  #giveUp!: (refusal: StartRefusal) => void;
  /** Whatever way the process ends short of SIGKILL, the server is told. */
  readonly #onExit = (): void => { this.#child?.kill('SIGINT'); };

  constructor(place: Place, log: Log) {
    this.place = place;
    this.#log = log;
    this.lost = new Promise((settle) => { this.#giveUp = settle; });
    process.on('exit', this.#onExit);
  }

  async start(): Promise<void> {
    let reason = '';
    for (const deadline = performance.now() + 15_000; performance.now() < deadline && !this.#stopping; await delay(200)) {
      await this.#endOrphan();
      const child = this.#child = await this.#launch();
      const client = await this.#ready(child);
      // the server that answers may be another process's, started at the same moment; or that process took this one's for an orphan
      if (client && runningServer(this.place.cluster) === child.pid && await this.#hold(client)) {
        if (hasEnded(child)) continue;
        child.once('exit', () => { void this.#restart(); });
        return;
      }
      await client?.end().catch(() => {});
      child.kill('SIGINT');
      reason = lastFatal(this.place.folder);
    }
    throw new StartRefusal(`The built-in PostgreSQL does not start${reason && ` (${reason})`}: see ${join(this.place.folder, 'postgres.log')}, or set DATABASE_URL.`);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    process.off('exit', this.#onExit);
    await this.#holder?.end().catch(() => {});
    const child = this.#child;
    if (!child || hasEnded(child)) return;
    const gone = new Promise<void>((settle) => { child.once('exit', () => { settle(); }); });
    child.kill('SIGINT');
    const impatience = setTimeout(() => child.kill('SIGQUIT'), 15_000);
    await gone;
    clearTimeout(impatience);
    if (this.place.socket !== this.place.cluster) rmSync(this.place.socket, { recursive: true, force: true });
  }

  /** The server ended by itself (killed, out of memory): start it again on the same socket, so that the pool finds it. */
  async #restart(): Promise<void> {
    if (this.#stopping) return;
    this.#log.error({ event: 'database-exited' });
    this.#holder?.end().catch(() => {});
    this.#restarts.push(performance.now());
    try {
      if (this.#restarts.length > 5 && performance.now() - (this.#restarts.at(-6) ?? 0) < 60_000) throw new StartRefusal('The built-in PostgreSQL keeps ending by itself.');
      await this.start();
      this.#log.warn({ event: 'database-restarted' });
    } catch (error) {
      this.#giveUp(error instanceof StartRefusal ? error : new StartRefusal('The built-in PostgreSQL ended and cannot be started again.'));
    }
  }

  /** Ends the server of a service that was killed. Refuses when the service that started it lives: it holds the lock. */
  async #endOrphan(): Promise<void> {
    const { cluster, socket, folder } = this.place;
    for (const deadline = performance.now() + 60_000; ; await delay(30)) {
      const client = await connect(socket);
      const lock = client && await tryLock(client);
      await client?.end().catch(() => {});
      const pid = runningServer(cluster);
      if (lock) {
        if (!lock.held || pid === undefined) throw inUse(folder, lock.holder);
        this.#log.warn({ event: 'database-orphan-stopped', pid });
        process.kill(pid, 'SIGINT');
      } else if (pid === undefined) {
        removeStaleLocks(cluster, socket);
        return;
      } else if (performance.now() > deadline) {
        throw new StartRefusal(`A PostgreSQL (process ${pid}) runs on ${cluster} and does not answer: end it and start again.`);
      }
    }
  }

  async #launch(): Promise<ChildProcess> {
    const { folder, cluster, socket, binaries, account } = this.place;
    const file = join(folder, 'postgres.log');
    if (existsSync(file) && statSync(file).size > 1_000_000) renameSync(file, `${file}.1`);
    const output = openSync(file, 'a', 0o600);
    const { program, parameters, uid, gid } = commandOf(account, binaries.postgres, ['-D', cluster, '-k', socket, ...settings()], [cluster, join(socket, 'socket')]);
    // a session of its own: Ctrl-C reaches the service, which ends its requests before it ends the server
    const child = spawn(program, parameters, { uid, gid, detached: true, cwd: '/', env: environmentOfPostgres, stdio: ['ignore', output, output] });
    closeSync(output);
    const started = await new Promise<string | undefined>((settle) => {
      child.once('spawn', () => { settle(undefined); });
      child.once('error', (error: NodeJS.ErrnoException) => { settle(error.code ?? error.name); });
    });
    if (started !== undefined) throw new StartRefusal(`The built-in PostgreSQL cannot run here (${started}): set DATABASE_URL to a PostgreSQL of version 15 or later.`);
    return child;
  }

  /** Waits until the server answers (recovery after a crash may take its time); undefined when it ended instead. */
  async #ready(child: ChildProcess): Promise<pg.Client | undefined> {
    while (!hasEnded(child)) {
      if (this.#stopping) child.kill('SIGINT');
      const client = await connect(this.place.socket);
      if (client) return client;
      await delay(15);
    }
    return undefined;
  }

  /** Takes the lock for the life of this process, and creates roles and database at first use. */
  async #hold(client: pg.Client): Promise<boolean> {
    if (!(await tryLock(client))?.held) return false;
    this.#holder = client;
    const { rows: [present] } = await client.query(`select exists (select from pg_roles where rolname = 'intersession') as owner, exists (select from pg_roles where rolname = 'intersession_service') as service, exists (select from pg_database where datname = 'intersession') as database`);
    if (!present.owner) await client.query('create role intersession login createdb');
    if (!present.service) await client.query('create role intersession_service login');
    if (!present.database) await client.query('create database intersession owner intersession');
    return true;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A connection of the superuser, or undefined while the server does not answer. */
async function connect(socket: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({ host: socket, user: superuser, database: 'postgres', connectionTimeoutMillis: 5000, application_name: `intersession, process ${process.pid}` });
  client.on('error', () => {}); // the server's end is seen by its process
  try {
    await client.connect();
    return client;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('28')) throw new StartRefusal('The built-in PostgreSQL was created by another user of this system: run the service as that user, or set another DATA_DIR.');
    return undefined;
  }
}

/** Tries to take the lock of the service; undefined when the server ends meanwhile. */
async function tryLock(client: pg.Client): Promise<{ held: boolean; holder: string | null } | undefined> {
  const holder = `select application_name from pg_stat_activity a join pg_locks l on l.pid = a.pid where l.locktype = 'advisory' and l.objid = $1::bigint and l.granted limit 1`;
  try {
    return (await client.query(`select (${holder}) as holder, pg_try_advisory_lock($1) as held`, [serviceLock])).rows[0];
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57P')) throw error; // a statement that is wrong is no server that ends
    return undefined;
  }
}

function inUse(folder: string, holder: string | null | undefined): StartRefusal {
  const process = /process \d+/.exec(holder ?? '')?.[0];
  return new StartRefusal(`Another copy of the service${process ? ` (${process})` : ''} uses ${folder}: stop it, or set another DATA_DIR.`);
}

function lastFatal(folder: string): string {
  const lines = readFileSync(join(folder, 'postgres.log'), 'utf8').trimEnd().split('\n');
  return /FATAL: {2}(.*)/.exec(lines.findLast((line) => line.includes('FATAL')) ?? '')?.[1] ?? '';
}
