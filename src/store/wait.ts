import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { StartRefusal } from '../start-refusal.ts';
import type { Connection } from './database.ts';

/** What the server itself says and time does not change. */
const final: Readonly<Record<string, string>> = {
  '28P01': 'The database refuses the password in DATABASE_URL.',
  '28000': 'The database refuses the user in DATABASE_URL.',
  '3D000': 'The database named in DATABASE_URL does not exist: create it first.',
};

/**
 * Waits until the database answers, with growing pauses of 5 seconds at most and one log line each.
 * @param patienceMs how long to go on
 * @throws StartRefusal when the server says something that will not change, or patience is at its end; the signal's reason when aborted
 */
export async function waitForDatabase(connection: Connection, log: Log, signal: AbortSignal, patienceMs = 120_000): Promise<void> {
  const end = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await connection.query('select 1');
      return;
    } catch (error) {
      const code = (((error as Error).cause ?? error) as { code?: unknown }).code;
      const reason = typeof code === 'string' ? code : 'connection-failed';
      const refusal = final[reason];
      if (refusal !== undefined) throw new StartRefusal(refusal);
      if (performance.now() > end) throw new StartRefusal(`The database in DATABASE_URL does not answer (${reason}).`);
      log.warn({ event: 'database-waiting', attempt, reason });
    }
    await delay(Math.min(5000, 100 * 2 ** attempt), undefined, { signal });
  }
}
