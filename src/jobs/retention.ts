import type { Database } from '../store/database.ts';
import { continueErasure, unfinishedErasures } from '../store/erase.ts';
import type { Job } from './schedule.ts';

const day = 86_400_000;

/** Goes on with erasures that were interrupted. */
export function erasure(database: Database): Job {
  return {
    name: 'erasure',
    everyMs: 60_000,
    async run(_at, signal) {
      for (const { patient } of await unfinishedErasures(database)) await continueErasure(database, patient, signal);
    },
  };
}

/** Keys of requests that are removed with one statement. */
const step = 10_000;

/**
 * Removes keys of requests after `days`: a request that is repeated later than that is a new one. The access log has no end,
 * and records none of its own: a practice decides about each, with $erase.
 */
export function retention(database: Database, days: number): Job {
  return {
    name: 'retention',
    everyMs: 3_600_000,
    async run(at, signal) {
      const until = new Date(at - days * day).toISOString();
      for (;;) {
        signal.throwIfAborted();
        const gone = await database.query<{ client: string }>(`
          delete from idempotency where (client, key) in (select client, key from idempotency where created < $1 limit ${step}) returning client`, [until]);
        if (gone.length < step) return;
      }
    },
  };
}
