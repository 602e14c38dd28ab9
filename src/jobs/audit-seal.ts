import type { KeyObject } from 'node:crypto';
import type { Log } from '../log.ts';
import { appendHead, newestHead } from '../store/audit-heads.ts';
import { chainEnd, sealBatch } from '../store/audit-seal.ts';
import type { Database } from '../store/database.ts';
import type { Job } from './schedule.ts';

/** What the sealing of the access log needs. */
export interface SealingOptions {
  readonly database: Database;
  readonly key: KeyObject;
  /** The file outside the database that signed heads are appended to. */
  readonly headsFile: string;
  readonly log: Log;
  /** See `sealBatch`. */
  readonly marginMs?: number;
}

/**
 * Seals the access log and states the end of the chain outside the database (docs/audit.md). A head is written whenever the
 * chain has grown, so that none is later than one run after the event; after an interruption the next run goes on.
 */
export function auditSeal({ database, key, headsFile, log, marginMs }: SealingOptions): Job {
  return {
    name: 'audit-seal',
    everyMs: 15_000,
    async run(at, signal) {
      while ((await sealBatch(database, marginMs)).more) signal.throwIfAborted();
      const end = await chainEnd(database);
      const stated = newestHead(headsFile);
      if (stated !== undefined && (end === undefined || end.position < stated.position || (end.position === stated.position && end.hash.toString('hex') !== stated.hash))) {
        log.error({ event: 'audit-chain-cut', count: end?.position ?? 0 });
        return; // a head for what is left would make it look whole
      }
      if (end !== undefined && end.position > (stated?.position ?? 0)) {
        appendHead(headsFile, key, { position: end.position, hash: end.hash.toString('hex'), at: new Date(at).toISOString() });
      }
    },
  };
}
