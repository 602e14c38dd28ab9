import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import type { Client, Context, Provider } from 'oidc-provider';
import type { AuthorizationEvent } from '../auth/authorization-event.ts';
import { keyring, publicKeys, type Keys } from '../auth/keys.ts';
import { authorizationMetadata, authorizationPath, type AuthorizationMetadata } from '../auth/smart-configuration.ts';
import { tokenVerifier, type Caller } from '../auth/token.ts';
import { Problem } from '../fhir/outcome.ts';
import type { Accounts } from './authorization-accounts.ts';
import { readBody } from './authorization-form.ts';
import { openLaunch } from './authorization-launch.ts';
import type { AuthorizationServerOptions } from './authorization-options.ts';
import { launchOf, openProvider } from './authorization-provider.ts';
import { nameRefreshingClient } from './authorization-public-client.ts';
import { Revocations } from './authorization-revocations.ts';
import { SignIn } from './authorization-signin.ts';
import { IssuedTokens } from './authorization-tokens.ts';

export interface AuthorizationServer {
  readonly metadata: AuthorizationMetadata;
  /** Turns an access token of this server into its Caller. */
  readonly authenticate: (token: string) => Promise<Caller>;
  /** Answers the request if it is for the authorization server. @returns whether it is. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  close(): void;
}

/** The endpoints that are open, and for which methods. What is not listed here does not exist. */
const endpoints: readonly (readonly [path: RegExp, methods: string])[] = [
  [/^\/authorize$/, 'GET, POST'],
  [/^\/authorize\/[\w-]{1,64}$/, 'GET'],
  [/^\/signin\/[\w-]{1,64}$/, 'GET, POST'],
  [/^\/(?:token|introspect|revoke)$/, 'POST, OPTIONS'],
  [/^\/launch$/, 'POST'],
  [/^\/logout(?:\/success)?$/, 'GET'],
  [/^\/logout\/confirm$/, 'POST'],
  [/^\/(?:jwks|\.well-known\/(?:oauth-authorization-server|openid-configuration))$/, 'GET, HEAD, OPTIONS'],
  [/^\/smart-style\.json$/, 'GET, HEAD'],
];

/** http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#styling */
const style = JSON.stringify({ color_background: '#ffffff', color_error: '#a1260d', color_highlight: '#0b5c6b', color_modal_backdrop: '', color_success: '#1d6b34', color_text: '#1c2426', dim_border_radius: '6px', dim_font_size: '16px', dim_spacing_size: '16px', font_family_body: 'system-ui, sans-serif', font_family_heading: 'system-ui, sans-serif' });

/**
 * Opens the embedded authorization server (SMART App Launch 2.2, Backend Services). Its library is loaded at the first request
 * for it, not when the service starts.
 *
 * @throws StartRefusal when the keys file cannot be used
 */
export async function authorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { issuer: issuerUrl, audience, store, now, report } = options;
  const keys = keyring(options.keysFile, () => performance.now());
  await keys();
  const issuer = new URL(issuerUrl);
  const metadata = authorizationMetadata(issuerUrl);
  const revocations = new Revocations(store, report);
  await revocations.start();
  const tokens = new IssuedTokens({ issuer: issuerUrl, audience, store, revocations, now, keys: async () => publicKeys(await keys()) });
  const authenticate = tokenVerifier({ issuer: issuerUrl, audience, now, keys: publishedKeys(keys), isRevoked: (caller) => revocations.has(caller) });
  const signIn = new SignIn(options);
  let open: { readonly keys: Keys; readonly provider: Promise<Provider> } | undefined;
  const provider = async (): Promise<Provider> => {
    const current = await keys();
    if (open?.keys !== current) open = { keys: current, provider: opened(options, current, metadata, tokens, (grantId) => { revocations.add(grantId); }) };
    return open.provider;
  };

  const forward = async (request: IncomingMessage, response: ServerResponse, path: string, query: string): Promise<void> => {
    // The origin is the configured one, whatever Host or proxy headers say: a client assertion must name it as audience.
    request.headers.host = issuer.host;
    request.headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1);
    delete request.headers['x-forwarded-host'];
    const asked = path === '/authorize' ? withConsent(query) : query;
    const url = asked === '' ? path : `${path}?${asked}`;
    Object.assign(request, { url, originalUrl: issuer.pathname + url });
    if (path === '/authorize' && request.method === 'POST') return asQuery(request, response, issuerUrl);
    if (path === '/launch') return openLaunch(options, authenticate, request, response);
    const library = await provider();
    if (path.startsWith('/signin/')) return signIn.handle(library, request, response, path.slice('/signin/'.length), new URLSearchParams(query));
    if (path === '/token' && request.method === 'POST') await nameRefreshingClient(request, options);
    await library.callback()(request, response);
  };

  return {
    metadata,
    authenticate,
    handle(request, response) {
      const [path = '', query = ''] = pathOf(request.url ?? '');
      const methods = endpoints.find(([form]) => form.test(path))?.[1];
      if (methods === undefined) return false;
      if (!methods.split(', ').includes(request.method ?? '')) {
        respond(response, 405, JSON.stringify({ error: 'invalid_request', error_description: `allowed methods: ${methods}` }), { allow: methods });
      } else if (path === '/smart-style.json') {
        respond(response, 200, style, { 'cache-control': 'max-age=3600', 'access-control-allow-origin': '*' });
      } else {
        options.limit(options.address(request)).then(() => forward(request, response, path, query)).catch((error: unknown) => {
          if (error instanceof Problem && error.kind === 'throttled') return respond(response, 429, JSON.stringify({ error: 'temporarily_unavailable', error_description: error.message }), error.headers);
          report(error);
          respond(response, 500, JSON.stringify({ error: 'server_error' }));
        });
      }
      return true;
    },
    close: () => { revocations.stop(); },
  };
}

/** Path below the authorization server and query; no path for what is not for it. */
function pathOf(url: string): string[] {
  if (!url.startsWith(`${authorizationPath}/`)) return [];
  const mark = url.indexOf('?');
  return mark < 0 ? [url.slice(authorizationPath.length)] : [url.slice(authorizationPath.length, mark), url.slice(mark + 1)];
}

/** The longest authorization request: as a query it must fit into the line of a request. */
const longestRequest = 16 * 1024;

/** `authorize-post` (http://hl7.org/fhir/smart-app-launch/conformance.html): the same request, which the browser goes on with as a query. */
async function asQuery(request: IncomingMessage, response: ServerResponse, issuer: string): Promise<void> {
  const body = await readBody(request, 'application/x-www-form-urlencoded');
  const query = typeof body === 'number' ? '' : new URLSearchParams(body).toString();
  if (typeof body === 'number' || query.length > longestRequest) return respond(response, typeof body === 'number' ? body : 413, JSON.stringify({ error: 'invalid_request', error_description: `send a form of at most ${longestRequest} characters` }));
  respond(response, 303, '', { location: `${issuer}/authorize?${query}` });
}

/** A person is asked at every launch; without saying so the library would drop `offline_access` (OpenID Connect Core 1.0, 11). */
function withConsent(query: string): string {
  const parameters = new URLSearchParams(query);
  const prompts = parameters.getAll('prompt');
  if (prompts.length > 1 || /(?:^| )(?:none|consent)(?: |$)/.test(prompts[0] ?? '')) return query;
  parameters.set('prompt', `${prompts[0] ?? ''} consent`.trim());
  return parameters.toString();
}

/** The keys as a verifier takes them: the same array until they change. */
function publishedKeys(keys: () => Promise<Keys>): () => Promise<readonly JWK[]> {
  const sets = new WeakMap<Keys, readonly JWK[]>();
  return async () => {
    const current = await keys();
    if (!sets.has(current)) sets.set(current, publicKeys(current).keys);
    return sets.get(current)!;
  };
}

function respond(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers }).end(body);
}

async function opened(options: AuthorizationServerOptions, keys: Keys, metadata: AuthorizationMetadata, tokens: IssuedTokens, ended: (grantId: string) => void): Promise<Provider> {
  const library = await import('oidc-provider');
  const provider = openProvider(library, options, keys, ended);
  provider.use(async (context, next) => {
    await next();
    await confineOrigins(context, options.accounts);
    // the library would send this form by a script of its own: here a person presses the button
    if (typeof context.body === 'string' && context.body.includes('name="xsrf"') && context.body.includes('<script>')) options.pages.logout(context, context.body);
    if (context.oidc?.route === 'discovery' && context.status === 200) context.body = metadata;
    if (context.oidc?.route === 'jwks' && context.status === 200) context.body = publicKeys(keys); // with those that signed before, which the library has no use for
    if (context.oidc?.route === 'token') context.set('pragma', 'no-cache'); // RFC 6749, 5.1
    if (context.oidc?.route === 'token' && context.status === 200) context.body = await withLaunch(context, options);
    await aboutToken(context, tokens);
    const event = eventOf(context, options.address(context.req));
    if (event !== undefined) await options.audit(event);
  });
  for (const name of ['server_error', 'error']) provider.on(name, (...values) => { options.report(values.find((value) => value instanceof Error)); });
  return provider;
}

/** Pages of other origins than the registered ones learn nothing, not even by a preflight. */
async function confineOrigins(context: Context, accounts: Accounts): Promise<void> {
  if (!/\/(?:token|introspect|revoke)$/.test(context.path)) return;
  const origin = context.get('origin');
  if (origin !== '' && await accounts.isOrigin(origin)) return;
  for (const name of ['allow-origin', 'allow-methods', 'allow-headers', 'expose-headers', 'max-age']) context.remove(`access-control-${name}`);
}

/** The token response tells the launch context too (http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html). */
async function withLaunch({ body, oidc }: Context, options: AuthorizationServerOptions): Promise<unknown> {
  const itself = oidc?.entities['ClientCredentials'];
  if (itself !== undefined) return { ...(body as object), ...(itself.extra?.['patient'] === undefined ? {} : { patient: itself.extra['patient'] }) };
  const launch = await launchOf(options, oidc?.entities['AccessToken']?.grantId);
  if (launch === undefined) return body;
  return {
    ...(body as object),
    ...(launch.patient === undefined ? {} : { patient: launch.patient }),
    ...(launch.encounter === undefined ? {} : { encounter: launch.encounter }),
    need_patient_banner: launch.needPatientBanner,
    smart_style_url: `${options.issuer}/smart-style.json`,
  };
}

/** The library refuses questions about signed access tokens once the client has authenticated: they are answered here. */
async function aboutToken(context: Context, tokens: IssuedTokens): Promise<void> {
  const { route, client, params } = context.oidc ?? {};
  if ((context.body as { error?: string } | undefined)?.error !== 'unsupported_token_type' || client === undefined) return;
  const token = String(params?.['token']);
  if (route === 'introspection') Object.assign(context, { status: 200, body: await tokens.introspect(token, client as Client) });
  if (route === 'revocation') {
    await tokens.revoke(token, client as Client);
    Object.assign(context, { status: 200, body: '' });
  }
}

const kinds: Readonly<Record<string, AuthorizationEvent['kind']>> = { token: 'token', revocation: 'revocation', introspection: 'introspection', authorization: 'authorization', resume: 'authorization', end_session_confirm: 'logout' };

/** What the access log gets of a request to the library; the steps of a sign-in report themselves. */
function eventOf(context: Context, address: string): AuthorizationEvent | undefined {
  const { route, client, params } = context.oidc ?? {};
  const kind = kinds[route ?? ''];
  const refused = context.status >= 400;
  if (kind === undefined || context.method === 'OPTIONS' || (kind === 'authorization' && !refused)) return undefined;
  const named = client?.clientId ?? (typeof params?.['client_id'] === 'string' ? params['client_id'].slice(0, 128) : undefined);
  const reason = (context.body as { error?: unknown } | undefined)?.error;
  return {
    kind, refused, ...(named === undefined ? {} : { client: named }), ...(typeof reason === 'string' ? { reason } : {}), address,
  };
}
