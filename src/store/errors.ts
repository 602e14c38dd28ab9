import { Problem, problem } from '../fhir/outcome.ts';

/** SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock, lock timeout, a racing insert of the same key. */
const retryable = new Set(['40001', '40P01', '55P03', '23505']);

/** SQLSTATE classes and codes that say: not now. 08 connection, 53 resources, 57 operator intervention, 25006 read only. */
const unavailable = /^(08|53|57|58|25006|25P03)/;

/** @returns the SQLSTATE of an error of the driver, or undefined. */
export function sqlState(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (syscall !== undefined) return undefined; // EPIPE of the operating system looks like a SQLSTATE
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** @returns whether the whole transaction may be run again. */
export function isRetryable(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && retryable.has(state);
}

/** @returns whether an error says that the store cannot be reached or cannot take this now; the connection is then not to be trusted. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return unavailable.test(state) && state !== '57014';
  return /connect|terminated|timeout|ECONN|EPIPE|not queryable|closed/i.test((error as Error | null)?.message ?? '');
}

/**
 * The Problem for an error of the store. Nothing of the database's own words leaves: they quote values.
 * A connection lost at COMMIT is indeterminate; the client is told to repeat with the same identifier or key.
 */
export function problemOf(error: unknown): Error {
  if (error instanceof Problem) return error;
  const state = sqlState(error);
  if (state === '57014') return Object.assign(problem('too-costly', 'timeout', 'The request took longer than the store allows. Ask for less at once.'), { cause: error });
  if (isUnavailable(error)) {
    return Object.assign(problem('unavailable', 'transient', 'The store cannot be reached or cannot write now. Repeat the request; with the same identifier or Idempotency-Key nothing is stored twice.', undefined, { 'retry-after': '2' }), { cause: error });
  }
  return error instanceof Error ? error : new Error('unknown failure');
}
