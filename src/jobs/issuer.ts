import type { JSONWebKeySet } from 'jose';
import type { FetchedKeys } from '../auth/key-source.ts';
import { StartRefusal } from '../start-refusal.ts';
import type { Outbound, OutboundAnswer } from './outbound.ts';

/** What is known of an issuer of somebody else (OpenID Connect Discovery 1.0, section 4; RFC 8414). */
export interface Issuer {
  readonly keys: URL;
  /** Where it answers questions about tokens, if it does. */
  readonly introspection: URL | undefined;
  /** As it publishes them. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Reads the metadata of the configured issuer.
 * @throws StartRefusal when it cannot be reached or its metadata are not its own.
 */
export async function discoverIssuer(issuer: string, send: Outbound): Promise<Issuer> {
  const refuse = (why: string): never => { throw new StartRefusal(`OIDC_ISSUER ${issuer}: ${why}`); };
  const answer = await send(new URL(`${issuer}/.well-known/openid-configuration`)).catch((error: { code?: string }) => refuse(`it cannot be reached (${error.code ?? 'unknown'}).`)) as OutboundAnswer;
  if (answer.status !== 200) return refuse(`its openid-configuration answers ${answer.status}.`);
  const metadata = parsed(answer.body) as Record<string, unknown> | undefined;
  if (metadata?.['issuer'] !== issuer) return refuse('its openid-configuration names another issuer.');
  const keys = urlOf(metadata['jwks_uri']);
  if (keys === undefined) return refuse('its openid-configuration has no jwks_uri.');
  return { keys, introspection: urlOf(metadata['introspection_endpoint']), metadata };
}

/**
 * Fetches a JSON Web Key Set.
 * @throws Error when it cannot be had or is none.
 */
export async function fetchKeys(url: URL, send: Outbound): Promise<FetchedKeys> {
  const { status, headers, body } = await send(url);
  const set = status === 200 ? (parsed(body) as Partial<JSONWebKeySet> | undefined) : undefined;
  if (!Array.isArray(set?.keys) || !set.keys.every((key) => typeof key === 'object' && key !== null)) throw Object.assign(new Error('no key set'), { code: 'NO_KEY_SET' });
  return { keys: set.keys.slice(0, 100), cacheControl: String(headers['cache-control'] ?? '') };
}

/** Credentials with which this service asks an issuer about tokens. */
export interface IntrospectionClient { readonly id: string; readonly secret: string }

/**
 * Makes the function that asks an issuer about a token that says nothing by itself (RFC 7662).
 * @returns what it says, or undefined when the token is not active. Throws when it does not answer as it should: then nothing is known.
 */
export function introspector(endpoint: URL, { id, secret }: IntrospectionClient, send: Outbound): (token: string) => Promise<Readonly<Record<string, unknown>> | undefined> {
  const authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
  return async (token) => {
    const { status, body } = await send(endpoint, {
      method: 'POST', headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    });
    const said = status === 200 ? parsed(body) : undefined;
    if (typeof said !== 'object' || said === null || typeof (said as { active?: unknown }).active !== 'boolean') throw Object.assign(new Error('no introspection'), { code: 'NO_INTROSPECTION' });
    return (said as { active: boolean }).active ? (said as Record<string, unknown>) : undefined;
  };
}

function urlOf(value: unknown): URL | undefined {
  return typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
