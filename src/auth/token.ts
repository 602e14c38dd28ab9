import { createHash } from 'node:crypto';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWK, JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose';
import { Problem, problem } from '../fhir/outcome.ts';
import { invalidToken, longestToken } from './bearer.ts';
import { parseScopes, type Scopes } from './scopes.ts';

/** Who asks: what a verified token says, and nothing it does not say. */
export interface Caller {
  readonly client: string;
  readonly subject: string;
  readonly scopes: Scopes;
  /** Id of the Patient in context. */
  readonly patient?: string;
  /** The person who uses the client, as a reference on this server, e.g. `Practitioner/p1`. */
  readonly fhirUser?: string;
  readonly tokenId: string;
  /** The person's consent that the token goes back to, where this service issued it. */
  readonly grant?: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** Only signatures by a private key: `none` and the HMAC family can never be among them. */
export type SignatureAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA';

export const signatureAlgorithms: readonly SignatureAlgorithm[] = ['RS256', 'RS384', 'PS256', 'PS384', 'ES256', 'ES384'];

export interface TokenVerifierOptions {
  readonly issuer: string;
  /** The FHIR base URL that tokens must be meant for. */
  readonly audience: string;
  /** The issuer's public keys, or what gives them for a key id (`key-source.ts`). */
  readonly keys: JSONWebKeySet | ((kid: string | undefined) => Promise<readonly JWK[]>);
  readonly algorithms?: readonly SignatureAlgorithm[];
  /** `typ` of an access token: `at+jwt` (RFC 9068), or what an issuer that does not follow it writes, e.g. `JWT`. */
  readonly type?: string;
  /** Asks the issuer about a token that is no JSON Web Token; undefined: it is not active. Without it there are no such tokens. */
  readonly introspect?: (token: string) => Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Whether a token was taken back, by its id, its grant or its client. Asked at every use. */
  readonly isRevoked?: (caller: Caller) => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Verified tokens remembered at most. */
  readonly remembered?: number;
}

const toleranceSeconds = 5;
/** Keys are fetched again, and a verified token is verified again, after this: a key the issuer withdrew stops working. */
const rememberedForSeconds = 300;
/** An introspected token is asked about again after this: the issuer may have taken it back. */
const introspectedForSeconds = 60;

/**
 * Makes the function that turns an access token into its Caller. Everything a token can lack is required by name:
 * issuer, audience, expiry, subject, client and type (RFC 9068; RFC 8725).
 *
 * @returns a function that throws Problem `unauthenticated` for a token that is not accepted, and `unavailable`
 *   when the issuer's keys cannot be fetched
 */
export function tokenVerifier(options: TokenVerifierOptions): (token: string) => Promise<Caller> {
  const keys = typeof options.keys === 'function' ? keysBy(options.keys) : createLocalJWKSet(options.keys);
  const type = options.type ?? 'at+jwt';
  const required: JWTVerifyOptions = {
    issuer: options.issuer,
    audience: options.audience,
    algorithms: [...(options.algorithms ?? signatureAlgorithms)],
    typ: type,
    clockTolerance: toleranceSeconds,
    requiredClaims: ['exp', 'iat', 'sub', ...(type === 'at+jwt' ? ['jti', 'client_id'] : [])],
  };
  const remembered = new RememberedCallers(options.remembered ?? 10_000);
  const current = (caller: Caller): Caller => {
    if (options.isRevoked?.(caller) === true) throw invalidToken('it was revoked');
    return caller;
  };

  return async (token) => {
    if (token.length > longestToken) throw invalidToken(`it is longer than ${longestToken} characters`);
    const digest = createHash('sha256').update(token).digest('base64url');
    const milliseconds = options.now();
    const known = remembered.get(digest, milliseconds / 1000);
    if (known !== undefined) return current(known);
    const opaque = options.introspect !== undefined && token.split('.').length !== 3;
    const payload = opaque
      ? introspected(await asked(options.introspect!, token), options, milliseconds / 1000)
      : await verified(token, keys, { ...required, currentDate: new Date(milliseconds) });
    const caller = callerOf(payload, digest, options.audience);
    remembered.put(digest, caller, milliseconds / 1000, opaque ? introspectedForSeconds : rememberedForSeconds);
    return current(caller);
  };
}

/** Keys that change: the set is built once for each array that the source gives. */
function keysBy(source: (kid: string | undefined) => Promise<readonly JWK[]>): JWTVerifyGetKey {
  const sets = new WeakMap<readonly JWK[], JWTVerifyGetKey>();
  return async (header, token) => {
    const keys = await source(header.kid);
    if (!sets.has(keys)) sets.set(keys, createLocalJWKSet({ keys: [...keys] }));
    return sets.get(keys)!(header, token);
  };
}

async function asked(introspect: NonNullable<TokenVerifierOptions['introspect']>, token: string): Promise<JWTPayload> {
  try {
    const said = await introspect(token);
    if (said === undefined) throw invalidToken('its issuer says that it is not active');
    return said as JWTPayload;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw problem('unavailable', 'transient', 'The token issuer does not answer at the moment: try again later.', undefined, { 'Retry-After': '5' });
  }
}

/** What an issuer says of a token is held to the same rules as what a token says of itself. */
function introspected(said: JWTPayload, { issuer, audience }: TokenVerifierOptions, seconds: number): JWTPayload {
  const { iss, aud, exp, nbf } = said;
  if (iss !== undefined && iss !== issuer) throw invalidToken(`its ${claimName('iss')} is not what this service requires`);
  if (![aud].flat().includes(audience)) throw invalidToken(`its ${claimName('aud')} is missing or not what this service requires`);
  if (typeof exp !== 'number') throw invalidToken(`its ${claimName('exp')} is missing or not what this service requires`);
  if (exp + toleranceSeconds <= seconds) throw invalidToken('it has expired', 'expired');
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf - toleranceSeconds <= seconds)) throw invalidToken(`its ${claimName('nbf')} is not what this service requires`);
  if (said['token_type'] !== undefined && !(typeof said['token_type'] === 'string' && /^bearer$/i.test(said['token_type']))) throw invalidToken('only bearer tokens are supported');
  return said;
}

/** Verified callers by the digest of their token: the least recently used goes first, and no entry outlives its token. */
class RememberedCallers {
  readonly #limit: number;
  readonly #entries = new Map<string, { readonly caller: Caller; readonly until: number }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(digest: string, seconds: number): Caller | undefined {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    this.#entries.delete(digest);
    if (seconds >= entry.until) return undefined;
    this.#entries.set(digest, entry);
    return entry.caller;
  }

  put(digest: string, caller: Caller, seconds: number, forSeconds: number): void {
    const until = Math.min(caller.expires, seconds + forSeconds);
    if (seconds >= until) return;
    this.#entries.set(digest, { caller, until });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
  }
}

async function verified(token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    throw refusal(error);
  }
}

/** The phrases are fixed: nothing of the token comes back, and a wrong key reads like a wrong signature. */
function refusal(error: unknown): Error {
  if (error instanceof errors.JWTExpired) return invalidToken('it has expired', 'expired');
  if (error instanceof errors.JWTClaimValidationFailed) return invalidToken(`its ${claimName(error.claim)} is missing or not what this service requires`);
  if (error instanceof errors.JOSEAlgNotAllowed) return invalidToken('its signature algorithm is not allowed');
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return invalidToken('its signature is not by a key of the issuer');
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid || error instanceof errors.JOSENotSupported) {
    return invalidToken('it is not a signed JSON Web Token');
  }
  return problem('unavailable', 'transient', 'The keys of the token issuer cannot be fetched at the moment: try again later.', undefined, { 'Retry-After': '5' });
}

const claimNames: Readonly<Record<string, string>> = {
  iss: 'issuer (iss)', aud: 'audience (aud)', exp: 'expiry (exp)', nbf: 'start (nbf)', iat: 'time of issue (iat)',
  sub: 'subject (sub)', jti: 'identifier (jti)', client_id: 'client (client_id)', typ: 'type (typ)',
};

function claimName(claim: string): string {
  return claimNames[claim] ?? 'content';
}

function callerOf(payload: JWTPayload, digest: string, audience: string): Caller {
  refuseOtherTokens(payload);
  const client = payload['client_id'] ?? payload['azp'];
  const { sub, exp } = payload;
  if (typeof client !== 'string' || client === '') throw invalidToken('its client (client_id) is missing or not what this service requires');
  if (typeof sub !== 'string' || sub === '') throw invalidToken('its subject (sub) is missing or not what this service requires');
  if (exp === undefined) throw invalidToken('its expiry (exp) is missing or not what this service requires');
  const scope = payload['scope'] ?? '';
  if (typeof scope !== 'string') throw invalidToken('its scope must be one string');
  const patient = patientOf(payload['patient']);
  const fhirUser = fhirUserOf(payload['fhirUser'], audience);
  return Object.freeze({
    client,
    subject: sub,
    scopes: parseScopes(scope),
    ...(patient === undefined ? {} : { patient }),
    ...(fhirUser === undefined ? {} : { fhirUser }),
    tokenId: typeof payload.jti === 'string' ? payload.jti : digest,
    ...(typeof payload['grant'] === 'string' ? { grant: payload['grant'] } : {}),
    expires: exp,
  });
}

/**
 * An issuer that types every token `JWT` tells them apart in the payload only; and a token bound to a key
 * (RFC 7800 `cnf`) must not pass for a bearer token, because the possession of the key is not checked here.
 */
function refuseOtherTokens(payload: JWTPayload): void {
  const idToken = 'nonce' in payload || 'at_hash' in payload || 'c_hash' in payload || payload['typ'] === 'ID' || payload['token_use'] === 'id';
  if (idToken) throw invalidToken('it is an identity token, and an access token is needed');
  const refreshToken = payload['typ'] === 'Refresh' || payload['typ'] === 'Offline' || payload['token_use'] === 'refresh';
  if (refreshToken) throw invalidToken('it is a refresh token, and an access token is needed');
  if ('cnf' in payload) throw invalidToken('it is bound to a key, and only bearer tokens are supported');
}

/** http://hl7.org/fhir/R4/datatypes.html#id */
const id = '[A-Za-z0-9.-]{1,64}';
const patientId = new RegExp(`^${id}$`);
const localPerson = new RegExp(`^(?:Practitioner|Patient|PractitionerRole|RelatedPerson)/${id}$`);

function patientOf(claim: unknown): string | undefined {
  if (claim === undefined) return undefined;
  if (typeof claim !== 'string' || !patientId.test(claim)) throw invalidToken('its patient must be the id of a Patient');
  return claim;
}

/** A person known to another server only is nobody here: the claim is dropped, and with it what user scopes would reach. */
function fhirUserOf(claim: unknown, audience: string): string | undefined {
  if (claim === undefined) return undefined;
  if (typeof claim !== 'string') throw invalidToken('its fhirUser must be one reference');
  const reference = claim.startsWith(`${audience}/`) ? claim.slice(audience.length + 1) : claim;
  return localPerson.test(reference) ? reference : undefined;
}
