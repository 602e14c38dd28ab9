import type { Adapter, Context } from 'oidc-provider';
import { clientMetadata } from '../auth/client.ts';
import type { AuthorizationStore } from '../store/authorization.ts';
import type { Accounts } from './authorization-accounts.ts';

type Errors = (typeof import('oidc-provider'))['errors'];

/** What the memory needs beside the store: the request under way, and the library's refusals. */
export interface MemoryOptions {
  readonly store: AuthorizationStore;
  readonly accounts: Accounts;
  readonly context: () => Context | undefined;
  readonly errors: Errors;
  /** Told of a grant that has ended: its access tokens must stop working here at once. */
  readonly ended: (grantId: string) => void;
}

/**
 * The store as oidc-provider uses it, one adapter for each kind of thing. Where the library looks first and writes then, the
 * write decides: of two requests with the same code, refresh token or assertion one is refused, in whichever processes they run.
 */
export function authorizationMemory(options: MemoryOptions): (kind: string) => Adapter {
  const { store, errors, ended } = options;
  const end = async (grantId: string): Promise<void> => {
    await store.revokeGrant(grantId);
    ended(grantId);
  };
  return (kind) => {
    if (kind === 'Client') return clients(options);
    return {
      async upsert(id, payload, expiresIn) {
        if (kind === 'ReplayDetection') {
          if (!await store.keepOnce(kind, id, payload, expiresIn!)) throw new errors.InvalidClientAuth('client assertion tokens must only be used once');
          return;
        }
        await store.keep(kind, id, kind === 'Interaction' ? withoutCookie(payload) : payload, expiresIn!);
      },
      find: async (id) => store.find(kind, id) as Promise<Record<string, unknown> | undefined>,
      findByUid: async (uid) => store.findByUid(kind, uid) as Promise<Record<string, unknown> | undefined>,
      findByUserCode: async () => undefined,
      async consume(id) {
        if (await store.consume(kind, id)) return;
        const grantId = (await store.find(kind, id))?.['grantId'];
        if (typeof grantId === 'string') await end(grantId);
        throw new errors.InvalidGrant('already used');
      },
      async destroy(id) {
        if (kind === 'Grant') await end(id);
        else await store.remove(kind, id);
      },
      revokeByGrantId: end,
    };
  };
}

/** The library notes the session's cookie with a pending sign-in and never looks at it: a secret that must not be kept. */
function withoutCookie(payload: Record<string, unknown>): Record<string, unknown> {
  const { cookie: _, ...session } = (payload['session'] ?? {}) as Record<string, unknown>;
  return payload['session'] === undefined ? payload : { ...payload, session };
}

function clients({ accounts, context }: MemoryOptions): Adapter {
  const refuse = (): Promise<never> => Promise.reject(new Error('clients are registered elsewhere'));
  return {
    async find(id) {
      const client = await accounts.client(id);
      if (client === undefined) return undefined;
      // keys that are registered by URL are fetched only for a request that is signed with one
      const assertion = context()?.oidc?.params?.['client_assertion'];
      const keys = typeof assertion === 'string' ? await accounts.keysOf(client.registration, kidOf(assertion)).catch(() => []) : undefined;
      return { ...clientMetadata(client.registration, client.secret, keys ?? (client.registration.jwks_uri === undefined ? undefined : [])) };
    },
    upsert: refuse, consume: refuse, destroy: refuse, revokeByGrantId: refuse, findByUid: async () => undefined, findByUserCode: async () => undefined,
  };
}

/** The key id that a signed assertion names, unverified. */
function kidOf(assertion: string): string | undefined {
  try {
    const { kid } = JSON.parse(Buffer.from(assertion.split('.', 1)[0]!, 'base64url').toString('utf8')) as { kid?: unknown };
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}
