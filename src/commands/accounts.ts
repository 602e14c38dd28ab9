import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { environment, loadConfig, type Config } from '../config.ts';
import { silent } from '../log.ts';
import { shortestPassword } from '../auth/password.ts';
import { AccountStore } from '../store/authorization-accounts.ts';
import { openDatabase } from '../store/database.ts';
import { startEmbedded } from '../store/embedded.ts';
import { migrate } from '../store/migrate.ts';

/**
 * Runs `work` on the clients and users of the deployment: in the database of DATABASE_URL, or in the built-in one, whether the
 * service runs on it at the moment or not.
 */
export async function withAccounts<T>(work: (store: AccountStore, config: Config) => Promise<T>): Promise<T> {
  const config = loadConfig(environment());
  if (config.databaseUrl !== undefined) return onDatabase(config.databaseUrl, config, work);
  const running = `postgresql://intersession@/intersession?host=${encodeURIComponent(join(config.dataDir, 'postgres'))}`;
  if (await answers(running)) return onDatabase(running, config, work);
  const embedded = await startEmbedded(config.dataDir, silent);
  try {
    await migrate(embedded.url);
    return await onDatabase(embedded.url, config, work);
  } finally {
    await embedded.stop();
  }
}

async function onDatabase<T>(url: string, config: Config, work: (store: AccountStore, config: Config) => Promise<T>): Promise<T> {
  const database = openDatabase({ url, connections: 2, namedStatements: false, statementTimeoutMs: 10_000 });
  try {
    return await work(new AccountStore(database), config);
  } finally {
    await database.close();
  }
}

async function answers(url: string): Promise<boolean> {
  const database = openDatabase({ url, connections: 1, namedStatements: false, statementTimeoutMs: 5000 });
  return database.query('select 1', []).then(() => true, () => false).finally(() => database.close());
}

/** @returns the password on standard input, where there is one; it never stands on the command line. */
export async function typedPassword(): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined;
  const typed = (await text(process.stdin)).replace(/\r?\n$/, '');
  if (typed === '') return undefined;
  if (Array.from(typed).length < shortestPassword) throw new Error(`the password must have ${shortestPassword} characters or more`);
  return typed;
}

/** Runs a command: prints its lines, or why it cannot in one line. */
export async function runCommand(name: string, usage: string, work: () => Promise<readonly string[]>): Promise<void> {
  try {
    for (const line of await work()) process.stdout.write(`${line}\n`);
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    process.stderr.write(`${name}: ${code?.toString().startsWith('ERR_PARSE_ARGS') === true || message === '' ? usage : message}\n`);
    process.exitCode = 1;
  }
}
