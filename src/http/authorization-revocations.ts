import type { Caller } from '../auth/token.ts';
import type { AuthorizationStore } from '../store/authorization.ts';

/** How long another process may go on accepting a token that was taken back. */
const refreshMs = 5000;

/**
 * The access tokens that were taken back and would not have expired yet, in this process's memory: a look-up at each request
 * costs no question to the database. What is revoked here counts at once, elsewhere within seconds.
 */
export class Revocations {
  readonly #store: AuthorizationStore;
  readonly #report: (error: unknown) => void;
  #ids: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: AuthorizationStore, report: (error: unknown) => void) {
    this.#store = store;
    this.#report = report;
  }

  /** Reads the list, now and again and again until `stop`. */
  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => { this.refresh().catch(this.#report); }, refreshMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async refresh(): Promise<void> {
    this.#ids = await this.#store.revoked();
  }

  /** Counts from now on in this process; the store has it for the others. */
  add(id: string): void {
    this.#ids = new Set([...this.#ids, id]);
  }

  has({ tokenId, grant, client }: Pick<Caller, 'tokenId' | 'grant' | 'client'>): boolean {
    return this.#ids.size > 0 && (this.#ids.has(tokenId) || (grant !== undefined && this.#ids.has(grant)) || this.#ids.has(`client:${client}`));
  }
}
