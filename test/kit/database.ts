import { setTimeout as delay } from 'node:timers/promises';
import tap from 'tap';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { asService, onServer, startTestServer, template, urlOf } from './server.ts';

/** The server of `npm test`, or one of this file's own where the file runs by itself. */
let server: Promise<string> | undefined;

function serverUrl(): Promise<string> {
  return server ??= (async () => {
    const given = process.env['INTERSESSION_TEST_SERVER'];
    if (given) return given;
    const own = await startTestServer();
    tap.teardown(() => own.stop());
    return own.url;
  })();
}

let databases = 0;

/** What of tap's test the kit needs. */
export interface Ending {
  teardown(work: () => unknown): unknown;
}

/** Drops a database. A worker of autovacuum in it belongs to the superuser, whom the service's role may not end: it is waited for. */
async function dropped(server: string, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await onServer(server, `drop database ${name} with (force)`);
    } catch (error) {
      if ((error as { code?: string }).code !== '42501' || attempt === 50) throw error;
      await delay(100);
    }
  }
}

/** An empty migrated database of its own for `t`, dropped when `t` ends: as the role that owns it, or as the service's. */
export async function testDatabase(t: Ending, options: { connections?: number; as?: 'owner' | 'service' } = {}): Promise<{ url: string; ownerUrl: string; database: Database }> {
  const server = await serverUrl();
  const name = `test_${process.pid}_${databases += 1}`;
  await onServer(server, `create database ${name} template ${template}`);
  const ownerUrl = urlOf(server, name);
  const url = options.as === 'service' ? asService(ownerUrl) : ownerUrl;
  const database = openDatabase({ url, connections: options.connections ?? 4, namedStatements: true, statementTimeoutMs: 10_000 });
  t.teardown(async () => {
    if (!database.pool.ended) await database.close();
    await dropped(server, name);
  });
  return { url, ownerUrl, database };
}
