import type { JWK } from 'jose';

/** Keys as they were published, with the `Cache-Control` they came with. */
export interface FetchedKeys {
  readonly keys: readonly JWK[];
  readonly cacheControl: string;
}

/** A publisher is asked again for a key it did not have at most this often: made-up key ids must not become requests to it. */
const unknownKeySeconds = 60;
/** How long keys are used without a word on it, and at most. */
const usualSeconds = 300;
const longestSeconds = 3600;
/** After a failure the publisher is left alone for a moment. */
const failureSeconds = 5;

/** How long keys may be used (RFC 9111 5.2.2); `no-store` and `no-cache`: for this question only. */
function freshSeconds(cacheControl: string): number {
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/i.test(cacheControl)) return 0;
  const given = /(?:^|[\s,])max-age="?(\d{1,9})/i.exec(cacheControl)?.[1];
  return given === undefined ? usualSeconds : Math.min(Number(given), longestSeconds);
}

/**
 * The keys of one publisher, asked for by `publisher` and kept as long as it allows.
 * @param now milliseconds since 1970.
 * @returns a function that gives the keys for a key id. A key id that is not among the kept keys makes it ask again, once a
 *   minute at most, so that rotated keys are found. It throws what `publisher` throws when there are no keys that may be used.
 */
export function keySource(publisher: () => Promise<FetchedKeys>, now: () => number): (kid: string | undefined) => Promise<readonly JWK[]> {
  let kept: readonly JWK[] = [];
  let until = -Infinity;
  let asked = -Infinity;
  let failed: { readonly error: unknown; readonly until: number } | undefined;
  let asking: Promise<readonly JWK[]> | undefined;
  const ask = async (): Promise<readonly JWK[]> => {
    if (failed !== undefined && now() < failed.until) throw failed.error;
    try {
      const fetched = await publisher();
      asked = now();
      kept = fetched.keys;
      until = asked + freshSeconds(fetched.cacheControl) * 1000;
      failed = undefined;
      return kept;
    } catch (error) {
      failed = { error, until: now() + failureSeconds * 1000 };
      throw error;
    }
  };
  const once = (): Promise<readonly JWK[]> => asking ??= ask().finally(() => { asking = undefined; });
  return async (kid) => {
    const fresh = now() < until;
    if (fresh && (kid === undefined || kept.some((key) => key.kid === kid))) return kept;
    if (fresh && now() < asked + unknownKeySeconds * 1000) return kept;
    return once();
  };
}
