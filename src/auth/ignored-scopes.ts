import type { IgnoredScope } from './scopes.ts';
import type { Caller } from './token.ts';

/** A scope that a token carries in vain, without its criteria: those may hold content. */
export interface Ignored { readonly client: string; readonly type: string | undefined; readonly reason: IgnoredScope['reason'] }

/** Scopes of one token that are reported at most. */
const most = 10;

/**
 * Reports the scopes that grant nothing, once for each verified token: an issuer that writes them believes that they do.
 * @returns `authenticate`, which otherwise does what it did
 */
export function reportingIgnored(authenticate: (token: string) => Promise<Caller>, report: (ignored: Ignored) => void): (token: string) => Promise<Caller> {
  const reported = new WeakSet<Caller>();
  return async (token) => {
    const caller = await authenticate(token);
    if (caller.scopes.ignored.length > 0 && !reported.has(caller)) {
      reported.add(caller);
      for (const { scope, reason } of caller.scopes.ignored.slice(0, most)) report({ client: caller.client, type: /^[a-z]+\/([A-Za-z]+)\./.exec(scope)?.[1], reason });
    }
    return caller;
  };
}
