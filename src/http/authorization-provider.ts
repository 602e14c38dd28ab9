import { createHash, timingSafeEqual } from 'node:crypto';
import type { Configuration, Context, Client, Provider, Token } from 'oidc-provider';
import { grantableScopes } from '../auth/grantable.ts';
import type { Keys } from '../auth/keys.ts';
import { launchScopes, type GrantedContext } from '../auth/launch.ts';
import { assertionAlgorithms } from '../auth/smart-configuration.ts';
import type { AuthorizationServerOptions } from './authorization-options.ts';
import { authorizationMemory } from './authorization-memory.ts';
import { checkAssertion } from './authorization-assertion.ts';
import { developmentContext } from './authorization-development.ts';

type Library = typeof import('oidc-provider');

/** Seconds that things live. Development tokens of `npm run token` live an hour, so that a tour can be followed with one. */
export const lifetimes = {
  accessToken: 300, developmentToken: 3600, code: 60, idToken: 300, refreshToken: 90 * 86_400, grant: 91 * 86_400, interaction: 900, session: 3600,
} as const;

/** What clocks may differ by (seconds). */
export const toleranceSeconds = 15;

/**
 * Sets up the library for SMART App Launch 2.2 (http://hl7.org/fhir/smart-app-launch/app-launch.html): authorization code with
 * PKCE, refresh tokens that rotate, client credentials; one resource server, this one.
 */
export function openProvider(library: Library, options: AuthorizationServerOptions, keys: Keys, ended: (grantId: string) => void): Provider {
  const provider = new library.Provider(options.issuer, configuration(library, options, keys, ended));
  provider.proxy = true;
  Object.assign(provider.Client.prototype, {
    // the secret is kept as its digest
    async compareClientSecret(this: Client, secret: string): Promise<boolean> {
      const kept = Buffer.from(this.clientSecret ?? '', 'base64url');
      const given = createHash('sha256').update(secret).digest();
      return kept.length === given.length && timingSafeEqual(kept, given);
    },
    // exactly as registered, the port of a loopback address included
    redirectUriAllowed(this: Client, uri: string): boolean {
      return this.redirectUris.includes(uri);
    },
  });
  return provider;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The launch context that a grant was given. */
export async function launchOf({ store }: AuthorizationServerOptions, grantId: string | undefined): Promise<GrantedContext | undefined> {
  return grantId === undefined ? undefined : (await store.find('Launch', grantId)) as GrantedContext | undefined;
}

function configuration(library: Library, options: AuthorizationServerOptions, keys: Keys, ended: (grantId: string) => void): Configuration {
  const { errors } = library;
  const { store, accounts, mode } = options;
  return {
    adapter: authorizationMemory({ store, accounts, context: () => library.Provider.ctx, errors, ended }),
    jwks: { keys: [keys.signing] },
    cookies: {
      keys: [options.cookieKey],
      names: { session: 'intersession', interaction: 'intersession-signin', resume: 'intersession-resume' },
      long: { httpOnly: true, sameSite: 'lax', overwrite: true, path: new URL(options.issuer).pathname },
      short: { httpOnly: true, sameSite: 'lax', overwrite: true },
    },
    routes: { authorization: '/authorize', token: '/token', introspection: '/introspect', revocation: '/revoke', end_session: '/logout', jwks: '/jwks' },
    clockTolerance: toleranceSeconds,
    responseTypes: ['code'],
    scopes: [...launchScopes],
    claims: { openid: ['sub'], fhirUser: ['fhirUser'], profile: ['profile'] },
    conformIdTokenClaims: false,
    subjectTypes: ['public'],
    pkce: { required: () => true },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: [...assertionAlgorithms], idTokenSigningAlgValues: ['RS256'] },
    extraClientMetadata: { properties: ['fhir_scope', 'origins', 'may_launch', 'may_introspect', 'keys_url'] },
    extraParams: { aud: requireAudience(options, library), launch: null },
    extraTokenClaims: (context: Context, token: Token) => tokenClaims(options, context, token, library),
    assertJwtClientAuthClaimsAndHeader: checkAssertion(options.now, toleranceSeconds, errors),
    findAccount: async (_context: Context, id: string) => {
      const user = await accounts.user(id);
      if (user === undefined) return undefined;
      const fhirUser = `${options.audience}/${user.fhirUser}`;
      return { accountId: user.id, claims: async () => ({ sub: user.id, fhirUser, profile: fhirUser }) };
    },
    // every launch asks, and has a grant of its own: its patient is not the one of the launch before
    loadExistingGrant: (context: Context) => {
      const grantId = (context.oidc?.result?.['consent'] as { grantId?: string } | undefined)?.grantId;
      return grantId === undefined ? undefined : library.Provider.ctx && (context as unknown as { oidc: { provider: Provider } }).oidc.provider.Grant.find(grantId);
    },
    issueRefreshToken: (_context: Context, client: Client, source: Token) =>
      client.grantTypeAllowed('refresh_token') && (source.scopes?.has('offline_access') === true || source.scopes?.has('online_access') === true),
    rotateRefreshToken: () => true,
    expiresWithSession: (_context: Context, source: Token) => source.scopes?.has('offline_access') !== true,
    clientBasedCORS: (_context: Context, origin: string, client: Client) => (client['origins'] as readonly string[]).includes(origin),
    renderError: (context: Context, out: { error: string; error_description?: string }) => {
      const isPage = /^(?:authorization|resume|end_session|interaction)/.test(context.oidc?.route ?? '');
      if (isPage) options.pages.refused(context, out.error_description ?? out.error);
      else Object.assign(context, { type: 'application/json', body: out });
    },
    fetch: () => Promise.reject(new Error('the library does not call out')),
    interactions: { url: (_context: Context, interaction: { uid: string }) => `${options.issuer}/signin/${interaction.uid}` },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_context: Context, client: Client, token: Token) => mayIntrospect(client, token) },
      revocation: { enabled: true, allowedPolicy: (_context: Context, client: Client, token: Token) => client.clientId === token.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => options.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (context: Context, resource: string, client: Client) => resourceServer(options, library, context, resource, client),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context: Context, form: string) => { options.pages.logout(context, form); },
        postLogoutSuccessSource: (context: Context) => { options.pages.loggedOut(context); },
      },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      userinfo: { enabled: false },
    },
    ttl: {
      AccessToken: lifetimes.accessToken, AuthorizationCode: lifetimes.code, ClientCredentials: mode === 'development' ? lifetimes.developmentToken : lifetimes.accessToken,
      Grant: lifetimes.grant, IdToken: lifetimes.idToken, Interaction: lifetimes.interaction, RefreshToken: lifetimes.refreshToken, Session: lifetimes.session,
    },
  };
}

/** Stands for a patient and a user where it is not known yet who they will be. */
const anybody = { patient: 'somebody', fhirUser: 'somebody' };

/** @returns the scopes that a person can grant to an app: never those of the client itself. */
export function grantableToPeople(requested: string, client: Client, context: { readonly patient?: string; readonly fhirUser: string }): readonly string[] {
  const ofPeople = requested.split(' ').filter((scope) => !scope.startsWith('system/')).join(' ');
  return grantableScopes(ofPeople, text(client['fhir_scope']), context);
}

/** A resource server may ask about every token, a client about its own. */
export const mayIntrospect = (client: Client, token: { readonly clientId?: string | undefined }): boolean =>
  client['may_introspect'] === true || client.clientId === token.clientId;

/** `aud` of the authorization request must be this FHIR server: an app that was lured to another one must not send a token there. */
function requireAudience({ audience }: AuthorizationServerOptions, { errors }: Library) {
  return (_context: Context, value: unknown): void => {
    if (value !== audience) throw new errors.InvalidRequest(`aud must be ${audience}`);
  };
}

async function tokenClaims(options: AuthorizationServerOptions, context: Context, token: Token, { errors }: Library): Promise<Record<string, unknown>> {
  if (token.kind === 'ClientCredentials') return { ...developmentContext(options.mode, context, errors) };
  const launch = await launchOf(options, token.grantId);
  const user = token.accountId === undefined ? undefined : await options.accounts.user(token.accountId);
  return {
    grant: token.grantId,
    ...(launch?.patient === undefined ? {} : { patient: launch.patient }),
    ...(launch?.encounter === undefined ? {} : { encounter: launch.encounter }),
    ...(user === undefined ? {} : { fhirUser: user.fhirUser }),
  };
}

/**
 * What can be granted at this server for this request. In the flow with a person it is what the person can be asked; what was
 * granted of it is in the grant.
 */
function resourceServer({ audience, mode }: AuthorizationServerOptions, { errors }: Library, context: Context, resource: string, client: Client) {
  if (resource !== audience) throw new errors.InvalidTarget(`tokens are issued for ${audience} only`);
  const requested = text(context.oidc?.params?.['scope']);
  const alone = context.oidc?.params?.['grant_type'] === 'client_credentials';
  // at the token endpoint a person's app need not repeat what was granted: it stands in the code or the refresh token
  const source = context.oidc?.entities['AuthorizationCode'] ?? context.oidc?.entities['RefreshToken'];
  const asked = alone || requested !== '' ? requested : [...(source?.scopes ?? [])].join(' ');
  const granted = alone ? grantableScopes(asked, text(client['fhir_scope']), developmentContext(mode, context, errors)) : grantableToPeople(asked, client, anybody);
  if (alone && granted.length === 0) throw new errors.InvalidScope('none of the requested scopes can be granted to this client');
  return {
    audience,
    scope: [...granted, ...(alone ? [] : launchScopes)].join(' '),
    accessTokenTTL: alone && mode === 'development' ? lifetimes.developmentToken : lifetimes.accessToken,
    accessTokenFormat: 'jwt' as const,
    jwt: { sign: { alg: 'RS256' } },
  };
}
