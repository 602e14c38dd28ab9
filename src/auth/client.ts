import type { JWK } from 'jose';
import { z } from 'zod';
import { parseScopes } from './scopes.ts';

/** Names of this machine: what leaves for them stays on it. */
export const loopbackHosts: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Shortest secret: 32 characters (of a random one: 190 bits). */
export const shortestSecret = 32;

/** Why a URI that a browser is sent to cannot be registered; undefined: it can. */
function offenceOf(uri: string): string | undefined {
  if (!URL.canParse(uri)) return 'must be an absolute URI';
  const { protocol, hostname, username, password } = new URL(uri);
  if (uri.includes('#') || uri.includes('*')) return 'must have no fragment and no wildcard';
  if (username !== '' || password !== '') return 'must have no user and no password';
  if (protocol === 'https:') return undefined;
  if (protocol === 'http:') return loopbackHosts.has(hostname) ? undefined : 'must be https (http on this machine only)';
  return /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]+:$/.test(protocol) ? undefined : 'must be https, or a private scheme that is a reversed domain name such as org.example.app:/done (RFC 8252)';
}

const redirectUri = z.string().max(2000).superRefine((uri, context) => {
  const offence = offenceOf(uri);
  if (offence !== undefined) context.addIssue({ code: 'custom', message: offence });
});

const origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text && offenceOf(text) === undefined, 'must be one origin such as https://app.example, never a wildcard');

const publicKey = z.looseObject({ kty: z.enum(['RSA', 'EC']), kid: z.string().min(1) }).refine((key) => !['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].some((part) => part in key), 'must be a public key: it has a private part')
  .refine((key) => key.kty !== 'EC' || key['crv'] === 'P-384', 'must be on the curve P-384 (ES384)')
  .refine((key) => key.kty !== 'RSA' || (typeof key['n'] === 'string' && Buffer.from(key['n'], 'base64url').length >= 256), 'must have 2048 bits or more (RS384)');

const keySet = z.object({ keys: z.array(publicKey).min(1).max(20) }).refine(({ keys }) => new Set(keys.map(({ kid, kty }) => `${kty} ${kid}`)).size === keys.length, 'must have one key a kid and kty: a kid must choose exactly one');

/** How a client may be registered: the entries of CLIENTS_FILE, and what `npm run client -- add` makes. */
const registration = z.strictObject({
  client_id: z.string().regex(/^[\w.:/-]{1,128}$/, 'must be 1 to 128 letters, digits and . : / _ -'),
  /** What people read on the page that asks them. */
  client_name: z.string().min(1).max(80),
  token_endpoint_auth_method: z.enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  client_secret: z.string().min(shortestSecret, `must have ${shortestSecret} characters or more`).max(512).optional(),
  jwks: keySet.optional(),
  jwks_uri: z.string().refine((uri) => URL.canParse(uri) && (new URL(uri).protocol === 'https:' || (new URL(uri).protocol === 'http:' && loopbackHosts.has(new URL(uri).hostname))), 'must be an https URL').optional(),
  redirect_uris: z.array(redirectUri).max(20).default([]),
  post_logout_redirect_uris: z.array(redirectUri).max(20).default([]),
  /** Origins of browsers' pages that may ask for tokens, beside those of the redirect URIs. */
  origins: z.array(origin).max(20).default([]),
  /** The most it can be granted. */
  scope: z.string().max(8000),
  /** An EHR: it may open launches (POST /oauth/launch). */
  may_launch: z.boolean().default(false),
  /** A resource server: it may ask about tokens of other clients. */
  may_introspect: z.boolean().default(false),
}).superRefine((client, context) => {
  for (const [path, message] of contradictionsOf(client)) context.addIssue({ code: 'custom', path: [path], message });
});

/** A client as it is registered. */
export type Registration = z.infer<typeof registration>;
type Given = Omit<Registration, never>;

function contradictionsOf(client: Given): [string, string][] {
  const found: [string, string][] = [];
  const method = client.token_endpoint_auth_method;
  const bySecret = method.startsWith('client_secret');
  if (bySecret !== (client.client_secret !== undefined)) found.push(['client_secret', bySecret ? 'is missing' : `is not used with ${method}`]);
  const keys = [client.jwks, client.jwks_uri].filter((each) => each !== undefined).length;
  if (method === 'private_key_jwt' && keys !== 1) found.push(['jwks', 'needs jwks or jwks_uri, not both']);
  if (method !== 'private_key_jwt' && keys > 0) found.push(['jwks', `is not used with ${method}`]);
  const { contexts, ignored, understood } = parseScopes(client.scope);
  for (const { scope, reason } of ignored) found.push(['scope', `${scope.slice(0, 100)} cannot be granted (${reason})`]);
  if (understood.length === 0 && ignored.length === 0) found.push(['scope', 'names no resource scope: the client could be granted nothing']);
  if (method === 'none' && contexts.has('system')) found.push(['scope', 'system/ scopes are for clients that can authenticate']);
  if (method === 'none' && (client.may_launch || client.may_introspect)) found.push(['token_endpoint_auth_method', 'none cannot launch or introspect: anybody could be this client']);
  if (client.redirect_uris.length === 0 && !contexts.has('system') && understood.length > 0) found.push(['redirect_uris', 'is empty: without system/ scopes a client needs somewhere to send people back to']);
  return found;
}

/**
 * Reads a registration.
 * @returns it, or what is wrong with it, one line an element; a secret is never in a line.
 */
export function readRegistration(value: unknown): { readonly client: Registration } | { readonly wrong: readonly string[] } {
  const parsed = registration.safeParse(value);
  if (parsed.success) return { client: parsed.data };
  return { wrong: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'client'} ${message}`) };
}

/** Origins from which a browser may ask for tokens of this client. */
export function originsOf({ redirect_uris, origins }: Pick<Registration, 'redirect_uris' | 'origins'>): string[] {
  const ofPages = redirect_uris.map((uri) => new URL(uri)).filter(({ protocol }) => protocol === 'https:' || protocol === 'http:').map((uri) => uri.origin);
  return [...new Set([...ofPages, ...origins])];
}

/**
 * @returns the registration in the words of RFC 7591, as the authorization server's library takes it.
 * @param keys the client's public keys as they are now, where they are registered by URL.
 * @param secret what is kept of its secret.
 */
export function clientMetadata(client: Registration, secret: string | null, keys: readonly JWK[] | undefined): { readonly client_id: string; readonly [name: string]: unknown } {
  const people = client.redirect_uris.length > 0;
  const itself = client.token_endpoint_auth_method !== 'none' && parseScopes(client.scope).contexts.has('system');
  const jwks = keys ?? client.jwks?.keys;
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    grant_types: [...(people ? ['authorization_code', 'refresh_token'] : []), ...(itself ? ['client_credentials'] : [])],
    response_types: people ? ['code'] : [],
    redirect_uris: client.redirect_uris,
    post_logout_redirect_uris: client.post_logout_redirect_uris,
    application_type: client.redirect_uris.some((uri) => !uri.startsWith('https:')) ? 'native' : 'web',
    ...(secret === null ? {} : { client_secret: secret }),
    ...(jwks === undefined ? {} : { jwks: { keys: jwks } }),
    fhir_scope: client.scope,
    origins: originsOf(client),
    may_launch: client.may_launch,
    may_introspect: client.may_introspect,
    keys_url: client.jwks_uri ?? '',
  };
}
