import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { StartRefusal } from '../start-refusal.ts';
import { commandOf, type Account, type Binaries } from './embedded-binaries.ts';

/** The major version of the built-in binaries; a cluster of another one cannot be opened. */
const major = '18';

/** Superuser of the cluster, used only to hold the lock and to create the service's own role and database. */
export const superuser = 'postgres';

/** Nothing of the caller's environment reaches PostgreSQL: no PG* variable, no locale. */
export const environmentOfPostgres = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * Settings of the server, given on its command line so that they change with the code and not with the age of the data.
 * Every durability switch is at its safe value. Errors of clients are not logged: their text quotes rows.
 */
export function settings(): string[] {
  const sharedMegabytes = Math.max(64, Math.min(256, Math.floor(totalmem() / 8 / 1024 / 1024)));
  const values: Record<string, string | number> = {
    listen_addresses: '',
    unix_socket_permissions: '0700',
    fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on',
    shared_buffers: `${sharedMegabytes}MB`,
    // a log that is rewritten seldom: fewer full-page images for many small commits
    wal_buffers: '16MB', max_wal_size: '2GB', max_locks_per_transaction: 256, min_wal_size: '256MB', checkpoint_timeout: '15min', checkpoint_completion_target: 0.9,
    // short indexed statements on local storage: neither compilation nor parallel plans ever pay
    jit: 'off', max_parallel_workers_per_gather: 0, random_page_cost: 1.1,
    work_mem: '16MB', maintenance_work_mem: '128MB',
    // index rows are replaced at every update: vacuum and statistics follow early
    autovacuum_naptime: '20s', autovacuum_vacuum_scale_factor: 0.05, autovacuum_vacuum_insert_scale_factor: 0.1, autovacuum_analyze_scale_factor: 0.05, autovacuum_vacuum_cost_limit: 1000,
    timezone: 'UTC', log_timezone: 'UTC', update_process_title: 'off',
    log_min_messages: 'log', log_error_verbosity: 'terse', log_checkpoints: 'off', logging_collector: 'off',
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * Creates the cluster unless it is there. It is prepared beside its place and moved in when complete,
 * so neither a kill nor a second process at the same time can leave half of one.
 * @throws StartRefusal when initdb fails or the cluster is of another major version
 */
export async function initialise(cluster: string, binaries: Binaries, account: Account): Promise<void> {
  if (!existsSync(join(cluster, 'PG_VERSION'))) await create(cluster, binaries, account);
  const found = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  if (found !== major) throw new StartRefusal(`The data in ${cluster} belongs to PostgreSQL ${found}, the built-in one is ${major}: dump it with the old version and load it with the new one.`);
}

async function create(cluster: string, binaries: Binaries, account: Account): Promise<void> {
  const draft = `${cluster}.new-${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  if (account.owner) chownSync(draft, account.owner.uid, account.owner.gid);
  const flags = [`--pgdata=${draft}`, `--username=${superuser}`, '--auth-local=peer', '--auth-host=reject', '--encoding=UTF8', '--locale=C', '--data-checksums', '--no-instructions'];
  const { program, parameters, uid, gid } = commandOf(account, binaries.initdb, flags, [draft]);
  const failed = await new Promise<string | undefined>((resolve) => {
    const child = spawn(program, parameters, { uid, gid, cwd: '/', env: environmentOfPostgres, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => { complaint += text; });
    child.on('error', (error: NodeJS.ErrnoException) => { resolve(error.code ?? error.message); });
    child.on('close', (code) => { resolve(code === 0 ? undefined : complaint.trim().split('\n').findLast((line) => line.includes('error')) ?? `exit code ${code}`); });
  });
  try {
    if (failed !== undefined) throw new Error(failed);
    // only the operating system user that runs the service gets in, vouched for by the kernel; there is no password to keep
    writeFileSync(join(draft, 'pg_hba.conf'), 'local all all peer map=operator\nlocal replication all peer map=operator\n');
    writeFileSync(join(draft, 'pg_ident.conf'), `operator "${account.operator}" all\n`);
    renameSync(draft, cluster);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(join(cluster, 'PG_VERSION'))) return; // another process was faster
    throw new StartRefusal(`The built-in PostgreSQL could not create its data in ${cluster} (${(error as Error).message}): set DATA_DIR to a folder that can be written, or DATABASE_URL to another PostgreSQL.`);
  }
}

/** Removes what an interrupted creation left. Call it only while this process holds the cluster: then nobody needs a draft any more. */
export function removeDrafts(cluster: string): void {
  for (const name of readdirSync(dirname(cluster))) {
    if (name.startsWith('postgres.new-')) rmSync(join(dirname(cluster), name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * The folder of the server's socket: the cluster itself, which only its owner may enter,
 * or a private folder for temporary files where the path would be longer than a socket's path may be (107 bytes).
 * @throws StartRefusal when somebody else owns that folder
 */
export function socketFolder(cluster: string, account: Account): string {
  if (Buffer.byteLength(join(cluster, '.s.PGSQL.5432.lock')) <= 100) return cluster;
  const folder = join(tmpdir(), `intersession-${createHash('sha256').update(realpathSync(cluster)).digest('hex').slice(0, 16)}`);
  const uid = account.owner?.uid ?? process.getuid?.();
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 });
    if (account.owner) chownSync(folder, account.owner.uid, account.owner.gid);
  }
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) throw new StartRefusal(`${folder} belongs to somebody else: set DATA_DIR to a shorter path.`);
  return folder;
}

/** The process number of the server that runs on this cluster, or undefined. A number that another program has got meanwhile does not count. */
export function runningServer(cluster: string): number | undefined {
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10);
  } catch {
    return undefined;
  }
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster) ? pid : undefined; // the server works in its data folder
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.includes('postgres') ? pid : undefined;
}

/** Removes the lock files of a server that is gone: PostgreSQL itself keeps them when another program runs under the same number. */
export function removeStaleLocks(cluster: string, socket: string): void {
  for (const path of [join(cluster, 'postmaster.pid'), join(socket, '.s.PGSQL.5432.lock'), join(socket, '.s.PGSQL.5432')]) rmSync(path, { force: true });
}
