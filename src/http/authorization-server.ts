import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JSONWebKeySet } from 'jose';
import type { Adapter, ClientMetadata, Configuration, Context, Provider, Token } from 'oidc-provider';
import { developmentClient, developmentScopes } from '../auth/development-client.ts';
import { grantableScopes, type LaunchContext } from '../auth/grantable.ts';
import { openKeys, publicKeys, type Keys } from '../auth/keys.ts';
import { assertionAlgorithms, authorizationMetadata, authorizationPath, type AuthorizationMetadata } from '../auth/smart-configuration.ts';
import { authorizationMemory } from './authorization-memory.ts';

export interface AuthorizationServerOptions {
  /** URL of the issuer as clients know it, e.g. `http://127.0.0.1:3000/oauth`. */
  readonly issuer: string;
  /** FHIR base URL: the only audience that tokens are issued for. */
  readonly audience: string;
  readonly keysFile: string;
  readonly mode: 'development' | 'production';
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What must be remembered between requests. In this process if left out. */
  readonly adapter?: (kind: string) => Adapter;
  /** Told of faults of the server itself, never of refused requests. */
  readonly report?: (error: unknown) => void;
}

export interface AuthorizationServer {
  readonly metadata: AuthorizationMetadata;
  /** Public keys of the tokens, for a verifier in the same process. */
  readonly keys: JSONWebKeySet;
  /** Answers the request if it is for the authorization server. @returns whether it is. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** The endpoints that are open, and for which methods. What is not listed here does not exist. */
const endpoints: Readonly<Record<string, string>> = {
  '/token': 'POST, OPTIONS',
  '/jwks': 'GET, HEAD, OPTIONS',
  '/.well-known/oauth-authorization-server': 'GET, HEAD, OPTIONS',
};

/** Longest life of a client assertion, and what clocks may differ by (SMART App Launch, asymmetric authentication). */
const assertionSeconds = 300;
const toleranceSeconds = 15;
const tokenSeconds = { development: 3600, production: 300 } as const;

/**
 * Opens the embedded authorization server (OAuth 2.0 client credentials, RFC 6749 4.4, for SMART scopes). Its library is
 * loaded at the first request for it, not when the service starts.
 *
 * @throws StartRefusal when the keys file cannot be used
 */
export async function authorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const keys = await openKeys(options.keysFile);
  const issuer = new URL(options.issuer);
  const metadata = authorizationMetadata(options.issuer);
  let answer: Promise<ReturnType<Provider['callback']>> | undefined;

  const forward = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    answer ??= openProvider(options, keys, metadata);
    // The origin is the configured one, whatever Host or proxy headers say: a client assertion must name it as audience.
    request.headers.host = issuer.host;
    request.headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1);
    delete request.headers['x-forwarded-host'];
    Object.assign(request, { url: path, originalUrl: issuer.pathname + path });
    await (await answer)(request, response);
  };

  return {
    metadata,
    keys: publicKeys(keys.signing),
    handle: (request, response) => {
      const url = request.url ?? '';
      if (!url.startsWith(`${authorizationPath}/`)) return false;
      const path = url.slice(authorizationPath.length);
      const methods = endpoints[path.split('?', 1)[0] ?? ''];
      if (methods === undefined) return false;
      if (!methods.split(', ').includes(request.method ?? '')) {
        respond(response, 405, { error: 'invalid_request', error_description: `allowed methods: ${methods}` }, { allow: methods });
        return true;
      }
      forward(request, response, path).catch((error: unknown) => {
        options.report?.(error);
        respond(response, 500, { error: 'server_error' });
      });
      return true;
    },
  };
}

function respond(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }).end(JSON.stringify(body));
}

async function openProvider(options: AuthorizationServerOptions, keys: Keys, metadata: AuthorizationMetadata): Promise<ReturnType<Provider['callback']>> {
  const library = await import('oidc-provider');
  const provider = new library.Provider(options.issuer, configuration(options, keys, library.errors));
  provider.proxy = true;
  provider.use(async (context, next) => {
    await next();
    if (context.oidc?.route === 'discovery' && context.status === 200) context.body = metadata;
    if (context.oidc?.route === 'token' && context.status === 200) context.body = withLaunchContext(context);
  });
  for (const event of ['server_error', 'error'] as const) {
    provider.on(event, (...values) => options.report?.(values.find((value) => value instanceof Error)));
  }
  return provider.callback();
}

/** The token response tells the patient in context too (http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html). */
function withLaunchContext({ body, oidc }: Context): unknown {
  const issued: Token | undefined = oidc?.entities['ClientCredentials'];
  return { ...(body as object), ...(issued?.extra?.['patient'] === undefined ? {} : { patient: issued.extra['patient'] }) };
}

type Errors = (typeof import('oidc-provider'))['errors'];

function configuration(options: AuthorizationServerOptions, keys: Keys, errors: Errors): Configuration {
  const { audience, mode, now } = options;
  const launch = (context: Context): LaunchContext => (mode === 'development' ? requestedLaunch(context, errors) : {});
  return {
    adapter: options.adapter ?? authorizationMemory(now),
    clients: mode === 'development' ? developmentClients(keys) : [],
    jwks: { keys: [keys.signing] },
    clockTolerance: toleranceSeconds,
    responseTypes: [],
    scopes: [],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: [...assertionAlgorithms] },
    extraClientMetadata: { properties: ['fhir_scope'] },
    extraTokenClaims: (context: Context) => ({ ...launch(context) }),
    assertJwtClientAuthClaimsAndHeader: checkAssertion(now, errors),
    // Who may have a token is decided by the client's authentication; no cookie is involved, so the origin says nothing.
    clientBasedCORS: () => true,
    renderError: (context: Context, out: object) => {
      context.type = 'application/json';
      context.body = out;
    },
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: (context: Context, resource: string, client: { readonly [name: string]: unknown }) => {
          if (resource !== audience) throw new errors.InvalidTarget(`tokens are issued for ${audience} only`);
          const granted = grantableScopes(text(context.oidc?.params?.['scope']), text(client['fhir_scope']), launch(context));
          if (granted.length === 0) throw new errors.InvalidScope('none of the requested scopes can be granted to this client');
          return { audience, scope: granted.join(' '), accessTokenTTL: tokenSeconds[mode], accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
        },
      },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
    ttl: { ClientCredentials: tokenSeconds[mode] },
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The two ways to authenticate are two clients, because a client is registered for one way (RFC 7591). */
function developmentClients(keys: Keys): ClientMetadata[] {
  const common = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], fhir_scope: developmentScopes };
  return [
    { ...common, client_id: developmentClient.withSecret, client_secret: keys.development.secret, token_endpoint_auth_method: 'client_secret_basic' },
    { ...common, client_id: developmentClient.withKey, jwks: publicKeys(keys.development.key), token_endpoint_auth_method: 'private_key_jwt' },
  ];
}

const launchParameters: Readonly<Record<keyof LaunchContext, RegExp>> = {
  patient: /^[A-Za-z0-9.-]{1,64}$/,
  fhirUser: /^(?:Practitioner|Patient|RelatedPerson)\/[A-Za-z0-9.-]{1,64}$/,
};

/** In development a token can be had for any patient or user without a launch: parameters of the token request name them. */
function requestedLaunch(context: Context, errors: Errors): LaunchContext {
  const found: { patient?: string; fhirUser?: string } = {};
  for (const name of ['patient', 'fhirUser'] as const) {
    const value = context.oidc?.body?.[name];
    if (value === undefined || value === '') continue;
    if (typeof value !== 'string' || !launchParameters[name].test(value)) {
      throw new errors.InvalidRequest(name === 'patient' ? 'patient must be the id of a Patient' : 'fhirUser must be Practitioner/id or Patient/id');
    }
    found[name] = value;
  }
  return found;
}

/** SMART App Launch asks more of a client assertion than RFC 7523: `sub` is the client, and it lives five minutes at most. */
function checkAssertion(now: () => number, errors: Errors) {
  return (_context: Context, claims: { readonly sub?: unknown; readonly exp?: unknown }, header: { readonly kid?: unknown }, client: { readonly clientId: string }): void => {
    if (claims.sub !== client.clientId) throw new errors.InvalidClientAuth('sub must be the client_id');
    if (typeof claims.exp !== 'number' || claims.exp > now() / 1000 + assertionSeconds + toleranceSeconds) {
      throw new errors.InvalidClientAuth('exp must be at most five minutes ahead');
    }
    if (typeof header.kid !== 'string') throw new errors.InvalidClientAuth('kid must name the key');
  };
}
