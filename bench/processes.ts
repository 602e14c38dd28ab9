import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A program that the benchmark started, and the address that its first line told. */
export interface Program {
  readonly pid: number;
  readonly url: URL;
  stop(): Promise<void>;
}

/**
 * Starts a program of Node and waits for the line with its address.
 * @throws Error when it ends before.
 */
export async function start(words: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Program> {
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const ended = new Promise<void>((settle) => { child.once('exit', () => { settle(); }); });
  const url = await Promise.race([addressOf(child), ended.then(() => undefined)]);
  if (url === undefined) throw new Error(`${words.at(-1)} ended with code ${child.exitCode}`);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  return { pid: child.pid!, url, stop };
}

async function addressOf(child: ChildProcess): Promise<URL | undefined> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const found = /http:\/\/\S+/.exec(line)?.[0];
    if (found !== undefined) return new URL(found);
  }
  return undefined;
}

/** Clock ticks in a second: 100 on every Linux that Node runs on (USER_HZ). */
const ticks = 100;

/** Fields of /proc/[pid]/stat after the command, which may hold blanks: state is the first. */
function stat(pid: number | string): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // it ended meanwhile
  }
}

const time = (fields: readonly string[] | undefined, at: readonly number[]): number => at.reduce((sum, each) => sum + Number(fields?.[each] ?? 0), 0) / ticks;

/** @returns CPU seconds that a process has used, in user and system mode; undefined where there is no /proc. */
export function cpuOf(pid: number): number | undefined {
  return process.platform === 'linux' ? time(stat(pid), [11, 12]) : undefined;
}

/** @returns CPU seconds of a PostgreSQL server: the postmaster, its living children, and those that ended. */
export function cpuOfPostgres(postmaster: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let sum = time(stat(postmaster), [11, 12, 13, 14]);
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? stat(name) : undefined;
    if (fields?.[1] === String(postmaster)) sum += time(fields, [11, 12]);
  }
  return sum;
}
