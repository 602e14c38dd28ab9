import type { Database } from './database.ts';
import { lockKey } from './identity.ts';

/** How often the connection that holds a lock says that it is still wanted: PostgreSQL ends a transaction that is idle for 15 s. */
const beatMs = 2000;

/**
 * Does `work` while no other process of the deployment does work of the same `name`. The lock belongs to a transaction that
 * writes nothing, so that it ends with the process that holds it, also behind a pooler in transaction mode.
 * @param work its signal says that the lock was lost with its connection: somebody else may have begun.
 * @returns whether it was done; false: another process is at it.
 */
export async function exclusively(database: Database, name: string, work: (lost: AbortSignal) => Promise<void>): Promise<boolean> {
  const connection = await database.lease();
  const lost = new AbortController();
  let broken: Error | undefined;
  try {
    await connection.query('begin');
    const [answer] = await connection.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1::bigint) as taken', [String(lockKey('job', name))]);
    if (answer?.taken !== true) return false;
    const beat = setInterval(() => {
      connection.query('select 1', []).catch((error: Error) => {
        broken = error;
        lost.abort(error);
      });
    }, beatMs);
    try {
      await work(lost.signal);
    } finally {
      clearInterval(beat);
    }
    lost.signal.throwIfAborted();
    return true;
  } finally {
    await connection.query('rollback').catch((error: Error) => { broken = error; });
    connection.release(broken);
  }
}
