import type { TrajectoryReference } from '../outcomes/trajectory-reference.ts';
import type { Connection } from './database.ts';

/** The versions of the reference of the expected course (migrations/0004). */

type Scales = TrajectoryReference['scales'];
const parsed = ({ version, body }: { version: string; body: string }): TrajectoryReference => ({ version, scales: JSON.parse(body) as Scales });

/** @returns the newest version, or the one that is asked for; null where there is none. */
export async function readTrajectoryReference(connection: Connection, version?: string): Promise<TrajectoryReference | null> {
  const rows = await connection.query<{ version: string; body: string }>(
    'select version::text, body from trajectory_reference where $1::bigint is null or version = $1::bigint order by version desc limit 1', [version ?? null],
  );
  return rows[0] === undefined ? null : parsed(rows[0]);
}

/**
 * Stores `scales` as a new version where they differ from the newest one.
 * @returns the newest version.
 */
export async function storeTrajectoryReference(connection: Connection, scales: Scales): Promise<TrajectoryReference> {
  const newest = await readTrajectoryReference(connection);
  const body = JSON.stringify(scales);
  if (newest !== null && JSON.stringify(newest.scales) === body) return newest;
  const rows = await connection.query<{ version: string; body: string }>('insert into trajectory_reference (body) values ($1) returning version::text, body', [body]);
  return parsed(rows[0]!);
}

/** The newest version as this process knows it: writes are derived with it and never wait for it. */
export class NewestReference {
  readonly #connection: Connection;
  readonly #ttlMs: number;
  readonly #now: () => number;
  #current: TrajectoryReference | null = null;
  #readAt = -Infinity;
  #reading = false;

  /** @param now a clock in milliseconds. */
  constructor(connection: Connection, ttlMs: number, now: () => number) {
    this.#connection = connection;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** What was read last; what is older than the time to live is read again beside the caller. */
  get current(): TrajectoryReference | null {
    if (!this.#reading && this.#now() - this.#readAt > this.#ttlMs) {
      // The earlier version goes on being used while the database cannot be asked.
      void this.refresh().catch(() => {});
    }
    return this.#current;
  }

  /** Reads the newest version. @throws what the database throws. */
  async refresh(): Promise<void> {
    this.#reading = true;
    this.#readAt = this.#now();
    try {
      this.#current = await readTrajectoryReference(this.#connection);
    } finally {
      this.#reading = false;
    }
  }
}
