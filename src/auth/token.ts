import { createHash } from 'node:crypto';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose';
import { problem } from '../fhir/outcome.ts';
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
  /** The issuer's public keys, or where it publishes them. */
  readonly keys: JSONWebKeySet | URL;
  readonly algorithms?: readonly SignatureAlgorithm[];
  /** `typ` of an access token: `at+jwt` (RFC 9068), or what an issuer that does not follow it writes, e.g. `JWT`. */
  readonly type?: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Verified tokens remembered at most. */
  readonly remembered?: number;
}

const toleranceSeconds = 5;
/** Keys are fetched again, and a verified token is verified again, after this: a key the issuer withdrew stops working. */
const rememberedForSeconds = 300;

/**
 * Makes the function that turns an access token into its Caller. Everything a token can lack is required by name:
 * issuer, audience, expiry, subject, client and type (RFC 9068; RFC 8725).
 *
 * @returns a function that throws Problem `unauthenticated` for a token that is not accepted, and `unavailable`
 *   when the issuer's keys cannot be fetched
 */
export function tokenVerifier(options: TokenVerifierOptions): (token: string) => Promise<Caller> {
  const keys: JWTVerifyGetKey = options.keys instanceof URL
    ? createRemoteJWKSet(options.keys, { timeoutDuration: 5_000, cacheMaxAge: rememberedForSeconds * 1000 })
    : createLocalJWKSet(options.keys);
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

  return async (token) => {
    if (token.length > longestToken) throw invalidToken(`it is longer than ${longestToken} characters`);
    const digest = createHash('sha256').update(token).digest('base64url');
    const milliseconds = options.now();
    const known = remembered.get(digest, milliseconds / 1000);
    if (known !== undefined) return known;
    const payload = await verified(token, keys, { ...required, currentDate: new Date(milliseconds) });
    const caller = callerOf(payload, digest, options.audience);
    remembered.put(digest, caller, milliseconds / 1000);
    return caller;
  };
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

  put(digest: string, caller: Caller, seconds: number): void {
    const until = Math.min(caller.expires, seconds + rememberedForSeconds);
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
