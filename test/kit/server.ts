import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silent } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { startEmbedded, type Embedded } from '../../src/store/embedded.ts';
import { migrate } from '../../src/store/migrate.ts';
import { confineTo } from '../../src/store/roles.ts';

/** Name of the migrated database that every test's database is a copy of. */
export const template = 'template_intersession';

/** A PostgreSQL for tests, with the migrated template in it. */
export interface TestServer {
  /** URL of a role that may create databases. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The URL of the same database for the service's own role. */
export const asService = (ownerUrl: string): string => ownerUrl.replace('//intersession@', '//intersession_service@');

/** The URL of another database of the same server. */
export function urlOf(server: string, name: string): string {
  return server.replace(/\/[^/?]*(?=\?|$)/, `/${name}`);
}

/** Starts the built-in PostgreSQL, with the settings the service runs on, in a temporary folder that `stop` removes. */
export async function startTestServer(): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'intersession-test-'));
  let embedded: Embedded | undefined;
  const stop = async (): Promise<void> => {
    await embedded?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    embedded = await startEmbedded(folder, silent);
    await onServer(embedded.ownerUrl, `create database ${template}`);
    await migrate(urlOf(embedded.ownerUrl, template));
    const service = openDatabase({ url: urlOf(embedded.url, template), connections: 1, namedStatements: false, statementTimeoutMs: 60_000 });
    await confineTo(urlOf(embedded.ownerUrl, template), service).finally(() => service.close());
    await onServer(embedded.ownerUrl, `alter database ${template} with allow_connections false`); // a connection (autovacuum) would make copies wait
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: embedded.ownerUrl, stop };
}

/** Runs one statement that belongs to no transaction, over a connection of its own. */
export async function onServer(url: string, statement: string): Promise<void> {
  const database = openDatabase({ url, connections: 1, namedStatements: false, statementTimeoutMs: 60_000 });
  try {
    await database.query(statement);
  } finally {
    await database.close();
  }
}
