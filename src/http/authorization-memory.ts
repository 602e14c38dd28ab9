import type { Adapter } from 'oidc-provider';

interface Entry {
  readonly payload: Record<string, unknown>;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * What the authorization server must remember, in this process: with client credentials alone, which client assertions were
 * used. An entry is never given up before it expires, because a forgotten assertion could be used again.
 *
 * @param now milliseconds since 1970
 * @returns the adapter of each kind of thing remembered
 */
export function authorizationMemory(now: () => number): (kind: string) => Adapter {
  const entries = new Map<string, Entry>();
  let sweepAt = 0;

  const sweep = (): void => {
    if (now() < sweepAt) return;
    sweepAt = now() + 60_000;
    for (const [key, { until }] of entries) if (until <= now()) entries.delete(key);
  };

  return (kind) => {
    const live = (key: string): Record<string, unknown> | undefined => {
      const entry = entries.get(key);
      return entry !== undefined && entry.until > now() ? entry.payload : undefined;
    };
    const first = (name: string, value: string): Record<string, unknown> | undefined =>
      [...entries].find(([key, { payload, until }]) => key.startsWith(`${kind}:`) && payload[name] === value && until > now())?.[1].payload;
    return {
      upsert: async (id, payload, expiresIn) => {
        sweep();
        entries.set(`${kind}:${id}`, { payload, until: expiresIn === undefined ? Infinity : now() + expiresIn * 1000 });
      },
      find: async (id) => live(`${kind}:${id}`),
      findByUid: async (uid) => first('uid', uid),
      findByUserCode: async (userCode) => first('userCode', userCode),
      consume: async (id) => {
        const payload = live(`${kind}:${id}`);
        if (payload !== undefined) payload['consumed'] = Math.floor(now() / 1000);
      },
      destroy: async (id) => { entries.delete(`${kind}:${id}`); },
      revokeByGrantId: async (grantId) => {
        for (const [key, { payload }] of entries) if (payload['grantId'] === grantId) entries.delete(key);
      },
    };
  };
}
