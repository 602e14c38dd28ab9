import type { Database } from './database.ts';
import type { AuditRow } from './effects.ts';
import { problemOf } from './errors.ts';
import { auditStatement } from './write.ts';

interface Waiting { readonly rows: readonly AuditRow[]; readonly resolve: () => void; readonly reject: (error: unknown) => void }

/**
 * The access log for reads: a response leaves only after its row is durable, and is withheld when the log cannot be
 * written. Rows of requests that are answered at the same time go in one statement and one commit.
 * Writes log in their own transaction (`Committer`).
 */
export class AuditLog {
  readonly #database: Database;
  #waiting: Waiting[] = [];
  #writing = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns after the rows are durable. @throws Problem `unavailable` when they cannot be written. */
  record(rows: readonly AuditRow[]): Promise<void> {
    if (rows.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject });
      if (!this.#writing) {
        this.#writing = true;
        setImmediate(() => void this.#flush());
      }
    });
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const { text, values } = auditStatement(batch.flatMap(({ rows }) => rows));
      try {
        await this.#database.query(text, values);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(problemOf(error));
      }
    }
    this.#writing = false;
  }
}
