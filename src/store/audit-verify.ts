import { createHash, type KeyObject } from 'node:crypto';
import { chained, noHash, sealedColumns, type Seal, type SealedEvent } from './audit-chain.ts';
import { readHeads, sizeOfHeads, type Head, type HeadFault } from './audit-heads.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';

/** Something that cannot be so unless somebody changed the log, its seals or the heads outside. */
export interface AuditFault {
  /** Where in the chain: the position of the seal, or of the one before. */
  readonly position: number;
  readonly reason:
    /** The event differs from what was sealed. */ | 'modified'
    /** A sealed event is gone, or its time or id was changed. */ | 'deleted'
    /** An event that was never sealed stands between sealed ones. */ | 'inserted'
    /** A seal is gone. */ | 'seal-missing'
    /** Seals are not in the order of their events. */ | 'reordered'
    /** The text of a query is not what was asked. */ | 'query-modified'
    /** The chain is not what a signed head says it was. */ | 'rewritten'
    /** A signed head lies beyond the end of the chain. */ | 'truncated'
    /** Events have waited for their seal for too long. */ | 'unsealed'
    /** The end of the chain was not stated outside in time: heads were taken away, or the job does not run. */ | 'head-late'
    | `head-${HeadFault['reason']}`;
  /** Id of the event, where there is one. */
  readonly event?: string;
  /** File and line of a head, where it is about one. */
  readonly head?: string;
}

/** What was verified. */
export interface AuditReport {
  readonly faults: readonly AuditFault[];
  readonly sealed: number;
  /** Events that came so late that they wait for the next run of the job. */
  readonly waiting: number;
  /** Texts of queries that were erased with a person. */
  readonly erasedQueries: number;
  readonly heads: number;
  /** Position and time of the newest head. */
  readonly newest: Head | undefined;
}

export interface AuditVerification {
  /** A connection of its own, in no transaction. Needs to read `audit_event`, `audit_seal` and `audit_query` only. */
  readonly connection: Connection;
  readonly publicKey: KeyObject;
  readonly headFiles: readonly string[];
  /** How long an event may wait for its seal, and the chain for its head. */
  readonly lateMs: number;
  readonly mostFaults: number;
}

interface Event extends SealedEvent { readonly digest: Buffer | null; readonly salt: Buffer | null; readonly query: string | null }

const page = 5000;

const eventsAfter = `
  select ${sealedColumns}, e.query_digest as digest, q.salt, q.query from audit_event e left join audit_query q on q.event = e.id
  where $1::timestamptz is null or (e.recorded, e.id) > ($1::timestamptz, $2::uuid) order by e.recorded, e.id limit ${page}`;

const sealsAfter = `select position::int8 as position, ${instant('recorded')} as recorded, event::text as event, hash from audit_seal where position > $1::bigint order by position limit ${page}`;

async function* events(connection: Connection): AsyncGenerator<Event> {
  for (let last: Event | undefined; ;) {
    const rows: Event[] = await connection.query<Event>(eventsAfter, [last?.recorded ?? null, last?.id ?? null]);
    yield* rows;
    if (rows.length < page) return;
    last = rows.at(-1);
  }
}

async function* seals(connection: Connection): AsyncGenerator<Seal> {
  for (let last = Number.MIN_SAFE_INTEGER; ;) {
    const rows = await connection.query<Omit<Seal, 'position'> & { position: bigint }>(sealsAfter, [last]);
    for (const row of rows) yield { ...row, position: Number(row.position) };
    if (rows.length < page) return;
    last = Number(rows.at(-1)!.position);
  }
}

/** One file of heads, read as far as the chain has come. */
class Heads {
  readonly #heads: AsyncGenerator<Head>;
  readonly #file: string;
  #next: Head | undefined;
  newest: Head | undefined;
  count = 0;

  constructor(file: string, size: number, publicKey: KeyObject, report: (fault: AuditFault) => void) {
    this.#file = file;
    this.#heads = readHeads(file, size, publicKey, ({ line, reason }) => { report({ position: this.newest?.position ?? 0, reason: `head-${reason}`, head: `${file}:${line}` }); });
  }

  async begin(): Promise<this> {
    await this.#advance();
    return this;
  }

  /** Compares the heads at `position` with the chain. */
  async meet(position: number, hash: string, report: (fault: AuditFault) => void): Promise<void> {
    while (this.#next !== undefined && this.#next.position <= position) {
      if (this.#next.position === position && this.#next.hash !== hash) report({ position, reason: 'rewritten', head: this.#file });
      await this.#advance();
    }
  }

  /** Whatever is left lies beyond the chain. */
  async end(position: number, report: (fault: AuditFault) => void): Promise<void> {
    if (this.#next !== undefined) report({ position, reason: 'truncated', head: this.#file });
    while (this.#next !== undefined) await this.#advance();
  }

  async #advance(): Promise<void> {
    const { value } = await this.#heads.next() as { value: Head | undefined };
    this.#next = value;
    if (value === undefined) return;
    this.count++;
    if (this.newest === undefined || value.position > this.newest.position) this.newest = value;
  }
}

const later = (one: { recorded: string; id: string }, other: { recorded: string; event: string }): number =>
  (one.recorded === other.recorded ? (one.id === other.event ? 0 : one.id < other.event ? -1 : 1) : one.recorded < other.recorded ? -1 : 1);

/**
 * Compares every event with its seal, every seal with the one before it, and every signed head with the chain; in one pass,
 * however many there are. Faults come in the order of their positions.
 */
export async function verifyAudit(verification: AuditVerification): Promise<AuditReport> {
  const { connection, publicKey, headFiles, lateMs, mostFaults } = verification;
  const faults: AuditFault[] = [];
  const report = (fault: AuditFault): void => { if (faults.length < mostFaults) faults.push(fault); };
  // Before the snapshot: a head is written after its seals, so none of these lies beyond what the snapshot shows. The job goes on meanwhile.
  const sizes = headFiles.map(sizeOfHeads);
  await connection.query('begin isolation level repeatable read read only');
  try {
    const [clock] = await connection.query<{ due: string }>(`select ${instant(`(clock_timestamp() - $1::int * interval '1 millisecond')`)} as due`, [lateMs]);
    const heads = await Promise.all(headFiles.map((file, at) => new Heads(file, sizes[at]!, publicKey, report).begin()));
    const walk = new Walk(connection, heads, clock!.due, report);
    await walk.run();
    for (const each of heads) await each.end(walk.position, report);
    const newest = heads.map((each) => each.newest).reduce((one, other) => (one === undefined || (other !== undefined && other.position > one.position) ? other : one), undefined);
    if (walk.due > (newest?.position ?? 0)) report({ position: walk.due, reason: 'head-late' });
    return { faults, sealed: walk.sealed, waiting: walk.waiting, erasedQueries: walk.erasedQueries, heads: heads.reduce((sum, { count }) => sum + count, 0), newest };
  } finally {
    await connection.query('rollback');
  }
}

/** The pass over events and seals side by side: both are in the order of time and id. */
class Walk {
  position = 0;
  sealed = 0;
  waiting = 0;
  erasedQueries = 0;
  /** Position of the last seal that is old enough to have been stated outside. */
  due = 0;
  #hash: Buffer = noHash;
  #last: Seal | undefined;
  readonly #connection: Connection;
  readonly #heads: readonly Heads[];
  readonly #due: string;
  readonly #report: (fault: AuditFault) => void;

  constructor(connection: Connection, heads: readonly Heads[], due: string, report: (fault: AuditFault) => void) {
    this.#connection = connection;
    this.#heads = heads;
    this.#due = due;
    this.#report = report;
  }

  async run(): Promise<void> {
    const log = events(this.#connection);
    let event = (await log.next()).value as Event | undefined;
    const next = async (): Promise<void> => { event = (await log.next()).value as Event | undefined; };
    for await (const seal of seals(this.#connection)) {
      this.#seal(seal);
      while (event !== undefined && later(event, seal) < 0) {
        this.#report({ position: this.position, reason: 'inserted', event: event.id });
        await next();
      }
      if (event === undefined || later(event, seal) > 0) this.#report({ position: seal.position, reason: 'deleted', event: seal.event });
      else {
        this.#event(event, seal);
        await next();
      }
      this.#hash = seal.hash;
      this.position = seal.position;
      for (const heads of this.#heads) await heads.meet(seal.position, seal.hash.toString('hex'), this.#report);
    }
    let waits = true;
    for (; event !== undefined; await next()) {
      if (event.recorded >= this.#due) this.waiting++;
      else if (waits) {
        this.#report({ position: this.position, reason: 'unsealed', event: event.id });
        waits = false;
      }
    }
  }

  #seal(seal: Seal): void {
    if (seal.position !== this.position + 1) this.#report({ position: this.position + 1, reason: 'seal-missing' });
    const last = this.#last;
    if (last !== undefined && later({ recorded: last.recorded, id: last.event }, seal) >= 0) this.#report({ position: seal.position, reason: 'reordered', event: seal.event });
    this.#last = seal;
    this.sealed++;
    if (seal.recorded < this.#due) this.due = seal.position;
  }

  #event(event: Event, seal: Seal): void {
    const { digest, salt, query, id } = event;
    if (!chained(this.#hash, event).equals(seal.hash)) this.#report({ position: seal.position, reason: 'modified', event: id });
    if (query === null || salt === null) {
      if (digest !== null) this.erasedQueries++;
    } else if (digest === null || !createHash('sha256').update(salt).update(query).digest().equals(digest)) {
      this.#report({ position: seal.position, reason: 'query-modified', event: id });
    }
  }
}
