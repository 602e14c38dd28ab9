import { createHash } from 'node:crypto';
import pg from 'pg';
import { isUnavailable, problemOf } from './errors.ts';

/**
 * How PostgreSQL plans a statement. `once`: named, parsed and planned once a connection; after five runs it gets a plan for
 * all values. `for its values`: unnamed, planned each time, for searches whose best plan depends on how frequent a value is
 * (measured on 500,000 Observations: a dense code 280 ms with the plan for all values, 1 ms with its own).
 */
export type Plan = 'once' | 'for its values';

/** Runs one statement. Implemented by the pool and by the connection of a transaction. */
export interface Connection {
  /** `text` must not carry values: it is the name under which the statement is prepared. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[], plan?: Plan): Promise<Row[]>;
}

/** One connection held for a transaction. Statements may be issued without waiting for the one before: they travel together. */
export interface Lease extends Connection {
  /** Sends what `issue` queues in one write to the socket. */
  together<T>(issue: () => T): T;
  /** Gives the connection back; with an error it is closed instead. */
  release(error?: Error): void;
}

/** The pool of the process. */
export interface Database extends Connection {
  lease(): Promise<Lease>;
  /** Runs `work` on one connection inside BEGIN ... COMMIT (READ COMMITTED); rolls back when it throws. */
  transaction<T>(work: (connection: Lease) => Promise<T>): Promise<T>;
  /** Borrows the raw pool (migrations, health, shutdown). */
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

const names = new Map<string, string>();

/** A short stable name for a statement text: a named statement is parsed and planned once a connection (a third of PostgreSQL's CPU). */
function statementName(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha256').update(text).digest('base64url').slice(0, 20);
    if (names.size > 5000) names.clear();
    names.set(text, name);
  }
  return name;
}

// int8 as bigint: rids; timestamptz stays text in ISO form where a query asks for it; numeric stays text.
const types = new pg.TypeOverrides();
types.setTypeParser(20, (value: string) => BigInt(value));

/** Options of `openDatabase`. */
export interface DatabaseOptions {
  readonly url: string;
  /** Connections at most. */
  readonly connections: number;
  /** Named statements; false for a pooler in transaction mode that cannot keep them. */
  readonly namedStatements: boolean;
  readonly statementTimeoutMs: number;
}

/** Statements that share a connection for one trip, at most: one that takes long holds up those behind it. */
const sharing = 8;

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[] | undefined;
  readonly resolve: (rows: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Single statements that are asked for in one turn of the event loop travel together, up to `sharing` on one connection.
 * Requests arrive in flocks, and a trip for each wakes PostgreSQL for each. The gain at 8 connections is within the noise
 * (docs/adr/0010).
 */
class SharedTrips {
  readonly #lease: () => Promise<Lease>;
  #asked: Asked[] = [];

  constructor(lease: () => Promise<Lease>) {
    this.#lease = lease;
  }

  ask<Row>(text: string, values: readonly unknown[] | undefined): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#asked.length === 0) setImmediate(() => { this.#leave(); });
      this.#asked.push({ text, values, resolve, reject });
    });
  }

  #leave(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (let at = 0; at < asked.length; at += sharing) void this.#trip(asked.slice(at, at + sharing));
  }

  async #trip(asked: readonly Asked[]): Promise<void> {
    let connection: Lease;
    try {
      connection = await this.#lease();
    } catch (error) {
      for (const { reject } of asked) reject(error);
      return;
    }
    const answers = connection.together(() => asked.map(({ text, values }) => connection.query<never>(text, values)));
    let lost: Error | undefined;
    await Promise.allSettled(answers.map((answer, at) => answer.then(asked[at]!.resolve as (rows: never[]) => void, (error: Error) => {
      if (isUnavailable(error)) lost = error; // nobody else should get this connection
      asked[at]!.reject(error);
    })));
    connection.release(lost);
  }
}

/** A connection that dies between two statements says so by an event, which unheard would end the process; the next statement fails. */
const heard = (): void => {};

/**
 * Opens the pool. Nothing is connected until the first statement.
 * @throws nothing; errors come with the statement that met them: from `query` as store/errors.ts maps them, from a lease as
 * they are.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connections,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 60_000,
    // Behind the server's own limit: for a server that does not answer at all. The connection is destroyed with it.
    query_timeout: options.statementTimeoutMs + 2000,
    keepAlive: true,
    pipeline: true, // statements of one transaction travel together: two round trips a write instead of eight
    types,
    options: `-c statement_timeout=${options.statementTimeoutMs} -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000 -c timezone=UTC -c jit=off -c plan_cache_mode=auto`,
    application_name: 'intersession',
  } as pg.PoolConfig);
  pool.on('error', heard); // an idle connection that dies is replaced at the next statement
  const run = async <Row>(client: pg.Pool | pg.PoolClient, text: string, values?: readonly unknown[], plan: Plan = 'once'): Promise<Row[]> => {
    const config = options.namedStatements && values !== undefined && plan === 'once'
      ? { name: statementName(text), text, values: values as unknown[] }
      : { text, values: values as unknown[] };
    return (await client.query(config)).rows as Row[];
  };
  const lease = async (): Promise<Lease> => {
    const client = await pool.connect();
    client.on('error', heard);
    const stream = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection.stream;
    return {
      query: (text, values, plan) => run(client, text, values, plan),
      together(issue) {
        stream.cork();
        try {
          return issue();
        } finally {
          stream.uncork();
        }
      },
      release: (error) => {
        client.off('error', heard);
        client.release(error);
      },
    };
  };
  const shared = new SharedTrips(lease);
  return {
    pool,
    lease,
    async query<Row>(text: string, values?: readonly unknown[], plan: Plan = 'once') {
      try {
        return await (plan === 'once' ? shared.ask<Row>(text, values) : run<Row>(pool, text, values, plan));
      } catch (error) {
        throw problemOf(error); // what the store cannot do now is no defect
      }
    },
    async transaction(work) {
      const connection = await lease();
      let broken: Error | undefined;
      try {
        await connection.query('begin');
        const result = await work(connection);
        await connection.query('commit');
        return result;
      } catch (error) {
        await connection.query('rollback').catch((failure: Error) => { broken = failure; });
        throw error;
      } finally {
        connection.release(broken);
      }
    },
    close: () => pool.end(),
  };
}
