import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Caller } from '../auth/token.ts';
import { problem } from '../fhir/outcome.ts';
import type { Interaction } from '../interactions/route.ts';

/** Requests in a minute to this process: of one client, of one patient's app, and without access from one address. */
export interface RateLimits { readonly client: number; readonly patient: number; readonly stranger: number }

export interface RateLimiter {
  /** Counts a request of somebody who has access. @throws Problem `throttled` (429) with Retry-After. */
  request(caller: Caller, interaction: Interaction): Promise<void>;
  /** Counts a request without access: each leaves a row in the access log, which must not be for anybody to fill. @throws Problem `throttled`. */
  stranger(address: string): Promise<void>;
  /** Counts a request to the authorization server, where nobody has access yet: each may cost a signature or a row. @throws Problem `throttled`. */
  readonly signIn: (address: string) => Promise<void>;
}

const minute = 60;

/**
 * Limits by client and, for apps of patients, by patient: one that runs wild does not take the service from the others. Posts of
 * answers, in which a call for help may be, have as much again when the rest is used up: they are shed last.
 * Counted for each process and in memory: a shared count would cost every request a round trip, and the deployment's limit is
 * that of a process times their number.
 */
export function rateLimiter({ client, patient, stranger }: RateLimits): RateLimiter {
  const limits = (points: number, name: string): { all: RateLimiterMemory; answers: RateLimiterMemory } =>
    ({ all: memory(points, name), answers: memory(points, `${name}-answers`) });
  const clients = limits(client, 'client');
  const patients = limits(patient, 'patient');
  const strangers = memory(stranger, 'stranger');
  const signIns = memory(stranger, 'sign-in'); // its own count: who is refused here must not keep the others of an address from signing in
  const byAddress = async (limiter: RateLimiterMemory, address: string): Promise<void> => {
    const seconds = await take(limiter, address);
    if (seconds !== null) throw tooMany(seconds);
  };
  return {
    async request(caller, interaction) {
      const carries = carriesAnswers(interaction);
      for (const [limit, key] of [[clients, caller.client], ...(caller.patient === undefined ? [] : [[patients, `${caller.client} ${caller.patient}`] as const])] as const) {
        const seconds = await take(limit.all, key);
        if (seconds !== null && (!carries || (await take(limit.answers, key)) !== null)) throw tooMany(seconds);
      }
    },
    stranger: (address) => byAddress(strangers, address),
    signIn: (address) => byAddress(signIns, address),
  };
}

const memory = (points: number, keyPrefix: string): RateLimiterMemory => new RateLimiterMemory({ keyPrefix, points, duration: minute });

/** @returns null, or in how many seconds there is room again. */
async function take(limiter: RateLimiterMemory, key: string): Promise<number | null> {
  try {
    await limiter.consume(key);
    return null;
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    return Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
  }
}

const carriesAnswers = (interaction: Interaction): boolean =>
  (interaction.kind === 'create' || interaction.kind === 'update' || interaction.kind === 'conditional-update') && interaction.type === 'QuestionnaireResponse';

const tooMany = (seconds: number): Error =>
  problem('throttled', 'throttled', `Too many requests in a minute. Try again in ${seconds} seconds.`, undefined, { 'retry-after': String(seconds) });
