import type { Pieces } from '../../src/outcomes/pieces.ts';

/** @returns the result of a computation, without a stop, and in how many pieces it came. */
export function counted<T>(work: Pieces<T>): { result: T; pieces: number } {
  for (let pieces = 1; ; pieces += 1) {
    const { done, value } = work.next();
    if (done === true) return { result: value, pieces };
  }
}

/** @returns the result of a computation, without a stop. */
export const atOnce = <T>(work: Pieces<T>): T => counted(work).result;
