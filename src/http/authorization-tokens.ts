import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import type { Client } from 'oidc-provider';
import type { AuthorizationStore } from '../store/authorization.ts';
import { mayIntrospect } from './authorization-provider.ts';
import type { Revocations } from './authorization-revocations.ts';

export interface IssuedTokensOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly store: AuthorizationStore;
  readonly revocations: Revocations;
  readonly keys: () => Promise<JSONWebKeySet>;
  readonly now: () => number;
}

/** The access tokens of this server. They are signed statements that nobody keeps: what is asked about them is answered here, what refers to the rest by the library. */
export class IssuedTokens {
  readonly #options: IssuedTokensOptions;

  constructor(options: IssuedTokensOptions) {
    this.#options = options;
  }

  /** RFC 7662, with the launch context (http://hl7.org/fhir/smart-app-launch/token-introspection.html). Inactive, or not to be told, is the same. */
  async introspect(token: string, by: Client): Promise<Record<string, unknown>> {
    const claims = await this.#claims(token);
    if (claims === undefined || !mayIntrospect(by, { clientId: String(claims['client_id']) }) || await this.#isOver(claims)) return { active: false };
    const { scope, client_id: client, exp, iat, sub, iss, aud, jti, patient, encounter, fhirUser } = claims;
    return {
      active: true, scope, client_id: client, exp, iat, sub, iss, aud, jti, token_type: 'Bearer',
      ...(patient === undefined ? {} : { patient }), ...(encounter === undefined ? {} : { encounter }),
      ...(typeof fhirUser === 'string' ? { fhirUser: `${this.#options.audience}/${fhirUser}` } : {}),
    };
  }

  /** RFC 7009: a client takes back its own token, and with a person's token the whole grant, as the specification suggests. */
  async revoke(token: string, by: Client): Promise<void> {
    const claims = await this.#claims(token);
    if (claims === undefined || claims['client_id'] !== by.clientId) return;
    const { store, revocations } = this.#options;
    const grant = claims['grant'];
    if (typeof grant === 'string') await store.revokeGrant(grant);
    else await store.revoke([String(claims.jti)]);
    revocations.add(typeof grant === 'string' ? grant : String(claims.jti));
  }

  async #isOver(claims: JWTPayload): Promise<boolean> {
    const { store, revocations } = this.#options;
    const grant = claims['grant'] as string | undefined;
    await revocations.refresh();
    if (revocations.has({ tokenId: String(claims.jti), client: String(claims['client_id']), ...(grant === undefined ? {} : { grant }) })) return true;
    return grant !== undefined && await store.find('Grant', grant) === undefined;
  }

  /** What a token says, if this server says it and it has not expired. */
  async #claims(token: string): Promise<JWTPayload | undefined> {
    const { issuer, audience, keys, now } = this.#options;
    try {
      const set = createLocalJWKSet(await keys());
      return (await jwtVerify(token, set, { issuer, audience, typ: 'at+jwt', algorithms: ['RS256'], requiredClaims: ['exp', 'jti', 'client_id'], currentDate: new Date(now()) })).payload;
    } catch {
      return undefined;
    }
  }
}
