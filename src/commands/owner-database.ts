import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { silent } from '../log.ts';
import { StartRefusal } from '../start-refusal.ts';
import { databaseAccount } from '../store/embedded-binaries.ts';
import { runningServer, socketFolder } from '../store/embedded-cluster.ts';
import { startEmbedded } from '../store/embedded.ts';

/**
 * The database of the deployment, as the role that owns its tables. The built-in one is used where it runs and started where it
 * does not.
 * @throws StartRefusal when there is none.
 */
export async function ownerDatabase(config: Config): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const given = config.migrationUrl ?? config.databaseUrl;
  if (given !== undefined) return { url: given, stop: () => Promise.resolve() };
  const cluster = join(config.dataDir, 'postgres');
  if (!existsSync(cluster)) throw new StartRefusal(`There is no database in ${config.dataDir}: set DATA_DIR or DATABASE_URL.`);
  if (runningServer(cluster) !== undefined) {
    return { url: `postgresql://intersession@/intersession?host=${encodeURIComponent(socketFolder(cluster, databaseAccount()))}`, stop: () => Promise.resolve() };
  }
  const embedded = await startEmbedded(config.dataDir, silent);
  return { url: embedded.ownerUrl, stop: () => embedded.stop() };
}
