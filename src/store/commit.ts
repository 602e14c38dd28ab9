import { problem, Problem } from '../fhir/outcome.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { withClientMessages } from './client-message.ts';
import type { Database, Lease } from './database.ts';
import { auditWrites, decideWrites } from './decide.ts';
import { deriveUnit, type OutcomeRules } from './derived.ts';
import { addEffects, noEffects } from './effects.ts';
import { isRetryable, problemOf } from './errors.ts';
import { RidBlocks } from './identity.ts';
import * as load from './load.ts';
import { loadFor, locksOf, type LoadedBatch } from './needs.ts';
import { readVersion } from './read.ts';
import { Staging } from './staging.ts';
import type { Unit, Written } from './unit.ts';
import { Superseding, writeEffects } from './write.ts';

interface Waiting {
  readonly unit: Unit;
  readonly keys: readonly bigint[];
  readonly resolve: (written: Written[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Sizes of the committed batches, and writes that were refused because too many wait: for the metrics. */
export interface CommitObserver { batch(units: number): void; full(): void }

export interface CommitterOptions {
  readonly database: Database;
  readonly rules: OutcomeRules;
  /** Transactions under way at once. Two keep PostgreSQL busy while this process decides the next batch. */
  readonly lanes: number;
  /** Units waiting at most; beyond it a write is refused with 503 at once instead of waiting. */
  readonly queueLimit: number;
  readonly observer?: CommitObserver;
}

const batchUnits = 32;
const batchWrites = 64;
const attempts = 6;
/** A further lane opens when so many units wait, */
const crowd = 16;
/** or when one has waited so long, behind a large transaction. */
const patienceMs = 10;

/** New resources that one write leads to at most: itself, and for each scale of its instrument a score, its change and its alerts. */
const ridsPerWrite = 64;
/** And for each score that is there already: when a baseline moves, everything that is computed from a score may be new. */
const ridsPerEntry = 12;

/** Share of the queue that writes without answers may fill: those of clients, in which a call for help may be, are shed last. */
const forOthers = 0.75;

const carriesAnswers = ({ writes }: Unit): boolean =>
  writes.some((write) => (write.kind === 'create' || write.kind === 'update') && write.type === 'QuestionnaireResponse');

/**
 * The only way into the store: every write of the service is a Unit given to `commit`.
 *
 * Units that arrive while a transaction is under way are committed together by the next one (group commit): one round
 * trip to lock and read, one to write and commit, whatever the number of units. Units of one batch share no lock, so
 * none sees another half done; a unit that is refused is left out and the others go on. Each caller is answered after
 * its own commit.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #rids = new RidBlocks();
  readonly #queue: Waiting[] = [];
  readonly #held = new Set<bigint>();
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** The rules by which what is written is derived. */
  get rules(): OutcomeRules {
    return this.#options.rules;
  }

  /** Transactions under way and units waiting: zero and zero when drained. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#queue.length };
  }

  /**
   * Commits a unit.
   * @returns what became of each write, in order, after the commit is durable.
   * @throws Problem when the unit is refused (with `position` of the write) or the store cannot take it now.
   */
  commit(unit: Unit): Promise<Written[]> {
    if (this.#queue.length >= this.#options.queueLimit * (carriesAnswers(unit) ? 1 : forOthers)) {
      this.#options.observer?.full();
      throw problem('unavailable', 'throttled', 'The service has more writes waiting than it can take. Try again shortly.', undefined, { 'retry-after': '1' });
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ unit, keys: locksOf(unit, this.#options.rules), resolve, reject });
      // Requests of one turn of the event loop travel together.
      setImmediate(() => this.#start());
    });
  }

  /** @param late units have waited for `patienceMs`. */
  #start(late = false): void {
    while (this.#queue.length > 0 && this.#running < this.#options.lanes) {
      if (this.#running > 0 && this.#queue.length < crowd && !late) {
        // A second transaction at once costs more than it gains while few wait: at 8 clients one lane took 0.52 to 0.60 ms of
        // PostgreSQL's CPU a response and two lanes 0.79 to 0.82 (two runs each), because each carries half as many.
        if (this.#timer !== undefined) return;
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#start(true);
        }, patienceMs);
        return;
      }
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#running++;
      void this.#run(batch).finally(() => {
        for (const { keys } of batch) for (const key of keys) this.#held.delete(key);
        this.#running--;
        this.#start();
      });
    }
  }

  /** The next units that share no lock with each other or with a running transaction; order is kept for equal locks. */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    const blocked = new Set<bigint>();
    let writes = 0;
    for (let at = 0; at < this.#queue.length && batch.length < batchUnits && writes < batchWrites;) {
      const waiting = this.#queue[at]!;
      if (waiting.keys.some((key) => this.#held.has(key) || blocked.has(key)) || (batch.length > 0 && waiting.unit.writes.length > batchWrites)) {
        for (const key of waiting.keys) blocked.add(key);
        at++;
        continue;
      }
      this.#queue.splice(at, 1);
      batch.push(waiting);
      writes += waiting.unit.writes.length;
      for (const key of waiting.keys) this.#held.add(key);
    }
    return batch;
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#options.observer?.batch(batch.length);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transact(batch);
      } catch (error) {
        const again = error instanceof Superseding || isRetryable(error);
        if (again && attempt < attempts) {
          await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * (1 + Math.random())));
          continue;
        }
        const cause = problemOf(error);
        if (batch.length > 1 && !(cause instanceof Problem && cause.kind === 'unavailable')) {
          // One unit of several breaks the transaction: each on its own, so that only the culprit is refused. Not where the
          // connection was lost: the commit may have happened, and doing a unit again would refuse what is stored.
          for (const waiting of batch) await this.#run([waiting]);
          return;
        }
        const refusal = again ? problem('conflict', 'lock-error', 'Others are writing the same resource. Try again.', undefined, { 'retry-after': '1' }) : cause;
        for (const { reject } of batch) reject(refusal);
        return;
      }
    }
  }

  async #transact(batch: readonly Waiting[]): Promise<void> {
    const connection = await this.#options.database.lease();
    let broken: Error | undefined;
    try {
      const { answers, effects } = await this.#decide(connection, batch);
      await writeEffects(connection, effects, 'commit');
      for (const answer of answers) answer();
    } catch (error) {
      await connection.query('rollback').catch((failure: Error) => { broken = failure; });
      throw error;
    } finally {
      connection.release(broken);
    }
  }

  async #decide(connection: Lease, batch: readonly Waiting[]): Promise<{ answers: (() => void)[]; effects: ReturnType<typeof noEffects> }> {
    const units = batch.map(({ unit }) => unit);
    const loaded = await loadFor(connection, units, batch.flatMap(({ keys }) => keys), this.#options.rules);
    const entries = loaded.entries.values().reduce((sum, list) => sum + list.length, 0);
    const rids = units.reduce((sum, unit) => sum + unit.writes.length, 0) * ridsPerWrite + entries * ridsPerEntry;
    try {
      await this.#rids.reserve(connection, rids);
      return await this.#stage(connection, batch, loaded);
    } finally {
      this.#rids.release(rids);
    }
  }

  async #stage(connection: Lease, batch: readonly Waiting[], loaded: LoadedBatch): Promise<{ answers: (() => void)[]; effects: ReturnType<typeof noEffects> }> {
    const effects = noEffects();
    const answers: (() => void)[] = [];
    for (const [at, waiting] of batch.entries()) {
      const { unit, resolve, reject } = waiting;
      try {
        const replayed = await replay(connection, unit, loaded);
        const staging = new Staging({ ...loaded.base, current: new Map(loaded.base.current) }, this.#rids);
        const written = replayed ?? decideWrites(unit, loaded.found[at]!, staging);
        auditWrites(unit, written, staging);
        if (replayed === null) {
          await deriveUnit(unit, staging, {
            entries: loaded.entries,
            instruments: loaded.instruments,
            scores: async (patientId, scales) => (await load.loadRecords(connection, [patientId], [patientId], scales)).entries.get(patientId)!.filter(({ kind }) => kind === 'score' || kind === 'imported'),
            current: (keys) => load.loadCurrent(connection, keys),
            careTeam: async (patientId) => (await load.loadCareTeams(connection, [patientId])).get(patientId),
          }, this.#options.rules);
          remember(unit, written, staging);
        }
        const told = await withClientMessages(written, staging, (keys) => load.loadCurrent(connection, keys));
        addEffects(effects, staging.effects);
        answers.push(() => resolve(told));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        // Nothing of this unit is written. It is told so after the commit: until then another attempt may decide otherwise.
        answers.push(() => reject(error));
      }
    }
    return { answers, effects };
  }
}

/** The caller's visibility, with the right to read what the caller wrote: a replay shows what the first answer showed. */
const readable = ({ visibility }: Unit, type: string): Visibility =>
  ({ ...visibility, grants: new Map([[type, new Set(['r'] as const)]]) });

/** @returns the answer of an earlier request with the same key, or null when there was none. */
async function replay(connection: Lease, unit: Unit, loaded: LoadedBatch): Promise<Written[] | null> {
  if (unit.idempotency === undefined) return null;
  const used = loaded.replays.get(`${unit.visibility.caller} ${unit.idempotency.key}`);
  if (used === undefined) return null;
  if (!used.bodyHash.equals(unit.idempotency.bodyHash)) {
    throw problem('invalid', 'business-rule', 'This Idempotency-Key was used for another request. Use a new key for new content.');
  }
  // A label that was set since covers it: then it is not there any more for this caller, as for a read.
  const row = await readVersion(connection, readable(unit, used.type), used.type, used.id, used.version);
  if (row === undefined) throw problem('not-found', 'not-found', `No such ${used.type}.`);
  const outcome = used.status === 201 ? 'created' : used.status === 204 ? 'deleted' : 'updated';
  return [{ outcome, type: used.type, id: used.id, version: used.version, body: row.body, lastUpdated: row.lastUpdated, patient: row.patient }];
}

const statusOf = { created: 201, updated: 200, deleted: 204, existing: 200, unchanged: 200, absent: 204 } as const;

function remember(unit: Unit, written: readonly Written[], staging: Staging): void {
  const first = written[0];
  if (unit.idempotency === undefined || first === undefined) return;
  const { key, bodyHash } = unit.idempotency;
  staging.effects.replays.push({ client: unit.visibility.caller, key, bodyHash, status: statusOf[first.outcome], type: first.type, id: first.id, version: first.version });
}
