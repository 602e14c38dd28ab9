import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashPassword } from '../../src/auth/password.ts';
import type { Ending } from './database.ts';
import { testService, type TestService } from './service.ts';

/** An answer of the authorization server. */
export interface Said { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: any }

/** What a person's browser does: keeps cookies, follows redirects one at a time, fills in forms. */
export class Browser {
  readonly #cookies = new Map<string, { readonly value: string; readonly path: string }>();
  readonly origin: string;

  constructor(origin: string) {
    this.origin = origin;
  }

  /** The values of the cookies, for tests that look for them where they must not be. */
  get cookies(): string[] {
    return [...this.#cookies.values()].map(({ value }) => value);
  }

  async go(url: string, form?: Record<string, string> | URLSearchParams, headers: Record<string, string> = {}): Promise<Said> {
    const { pathname } = new URL(url);
    const cookie = [...this.#cookies].filter(([, { path }]) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`)).map(([name, { value }]) => `${name.split('@')[0]}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', method: form === undefined ? 'GET' : 'POST', ...(form === undefined ? {} : { body: new URLSearchParams(form) }), headers: { accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...headers } });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const path = attributes.find((attribute) => attribute.startsWith('path='))?.slice(5) ?? '/';
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      if (value === '') this.#cookies.delete(`${name}@${path}`);
      else this.#cookies.set(`${name}@${path}`, { value, path });
    }
    return said(response);
  }

  /** Follows redirects within the service. @returns the page it ends on, or the URL of the app it is sent back to. */
  async follow(first: Said): Promise<{ readonly page?: Said; readonly back?: URL }> {
    let answer = first;
    while (answer.status === 303 || answer.status === 302) {
      const target = answer.headers.get('location')!;
      if (!target.startsWith(`${this.origin}/`)) return { back: new URL(target) };
      answer = await this.go(target);
    }
    return { page: answer };
  }

  /** Sends the form of a page, with its hidden fields, to where the page says. */
  async submit(page: Said, fields: readonly (readonly [string, string])[]): Promise<{ readonly page?: Said; readonly back?: URL }> {
    const post = page.text.split('<form').find((part) => part.includes('method="post"')) ?? '';
    const action = /action="([^"]*)"/.exec(post)?.[1] ?? '';
    const hidden = [...post.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [name!, value!] as const);
    return this.follow(await this.go(action, new URLSearchParams([...hidden, ...fields].map(([name, value]) => [name, value]))));
  }
}

async function said(response: Response): Promise<Said> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body };
}

/** The scopes that a page offers to grant. */
export const offered = (page: Said): string[] => [...page.text.matchAll(/name="scope" value="([^"]*)"/g)].map(([, scope]) => scope!.replaceAll('&amp;', '&'));

export const redirectUri = 'https://app.example/after-sign-in';

/** A service with people, records and apps of its own. */
export interface SignInService extends TestService {
  readonly issuer: string;
  readonly origin: string;
  /** The variables that name its clients and users. */
  readonly accounts: { readonly CLIENTS_FILE: string; readonly USERS_FILE: string };
  /** Sends a form to an endpoint of the authorization server. */
  ask(path: string, form: Record<string, string> | URLSearchParams, headers?: Record<string, string>): Promise<Said>;
}

export const password = 'a long enough password';
export const clientSecret = 'a-secret-that-is-long-enough-for-it-0123456789';

const scope = 'patient/*.cruds user/*.cruds';

/** Clients of the tests: an app without a secret, two with one. */
export const clients = [
  { client_id: 'app', client_name: 'Test app', token_endpoint_auth_method: 'none', redirect_uris: [redirectUri, 'http://127.0.0.1:9090/'], scope },
  { client_id: 'secret-app', client_name: 'App with a secret', token_endpoint_auth_method: 'client_secret_basic', client_secret: clientSecret, redirect_uris: [redirectUri], scope },
  { client_id: 'other-app', client_name: 'Other <app>', token_endpoint_auth_method: 'client_secret_post', client_secret: clientSecret, redirect_uris: ['https://other.example/'], scope },
  { client_id: 'ehr', client_name: 'EHR', token_endpoint_auth_method: 'client_secret_basic', client_secret: clientSecret, scope: 'system/*.rs', may_launch: true, may_introspect: true },
  { client_id: 'both', client_name: 'EHR with people', token_endpoint_auth_method: 'client_secret_basic', client_secret: clientSecret, redirect_uris: [redirectUri], scope: 'system/*.rs patient/*.cruds', may_launch: true },
  { client_id: 'system', client_name: 'System', token_endpoint_auth_method: 'client_secret_basic', client_secret: clientSecret, scope: 'system/*.rs' },
];

/** Dr Dee (Practitioner/dr) has Ada and Bo in care, not Cy; Ada signs in too. */
export async function signInService(t: Ending, options: { env?: Record<string, string>; more?: readonly object[]; log?: Parameters<typeof testService>[1] extends infer O ? O extends { log?: infer L } ? L : never : never } = {}): Promise<SignInService> {
  const folder = mkdtempSync(join(tmpdir(), 'intersession-accounts-'));
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }); });
  const hash = await hashPassword(password, true);
  const user = (at: number, name: string, fhirUser: string): object => ({ id: `00000000-0000-4000-8000-00000000000${at}`, name, password: hash, fhirUser });
  writeFileSync(join(folder, 'clients.json'), JSON.stringify([...clients, ...options.more ?? []]));
  writeFileSync(join(folder, 'users.json'), JSON.stringify([user(1, 'dee', 'Practitioner/dr'), user(2, 'ada', 'Patient/ada'), user(3, 'nobody', 'Practitioner/other')]));
  const accounts = { CLIENTS_FILE: join(folder, 'clients.json'), USERS_FILE: join(folder, 'users.json') };
  const service = await testService(t, { env: { ...accounts, ...options.env }, ...(options.log === undefined ? {} : { log: options.log }) });
  const { origin } = new URL(service.url);
  if (options.env?.['MODE'] !== 'production') await people(service);
  const issuer = `${origin}/oauth`;
  return { ...service, issuer, origin, accounts, ask: async (path, form, headers = {}) => said(await fetch(`${issuer}/${path}`, { method: 'POST', body: new URLSearchParams(form), headers })) };
}

async function people(service: TestService): Promise<void> {
  const admin = service.as();
  const patient = (id: string, family: string, given: string): object => ({ resourceType: 'Patient', id, name: [{ family, given: [given] }], birthDate: '1990-01-02' });
  const entries = [
    { resourceType: 'Practitioner', id: 'dr', name: [{ family: 'Dee' }] },
    patient('ada', 'Ames', 'Ada'), patient('bo', 'Berg', 'Bo <script>'), patient('cy', 'Cole', 'Cy'),
    ...['ada', 'bo'].map((id) => ({ resourceType: 'CareTeam', id: `team-${id}`, status: 'active', subject: { reference: `Patient/${id}` }, participant: [{ member: { reference: 'Practitioner/dr' } }] })),
    ...['ada', 'bo', 'cy'].map((id) => ({ resourceType: 'Encounter', id: `session-${id}`, status: 'in-progress', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: `Patient/${id}` } })),
  ];
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries.map((resource) => ({ resource, request: { method: 'PUT', url: `${(resource as { resourceType: string }).resourceType}/${(resource as { id: string }).id}` } })) };
  const answer = await admin('POST', '', bundle);
  if (answer.status !== 200) throw new Error(answer.text);
}

/** A request for authorization, and the PKCE verifier that belongs to it. */
export function request(service: SignInService, change: Record<string, string | undefined> = {}): { readonly url: string; readonly verifier: string; readonly state: string } {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(12).toString('base64url');
  const parameters = {
    response_type: 'code', client_id: 'app', redirect_uri: redirectUri, scope: 'launch/patient openid fhirUser offline_access patient/Observation.rs patient/Task.rs', state, aud: service.url,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...change,
  };
  const query = new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return { url: `${service.issuer}/authorize?${query}`, verifier, state };
}

/** What a person answers on the pages. */
export interface Answers {
  readonly name?: string;
  readonly password?: string;
  /** Whom to choose, where somebody must be chosen. */
  readonly patient?: string;
  /** Which of the offered scopes to leave ticked. All if left out. */
  readonly tick?: (scope: string) => boolean;
}

/** Goes through the pages as a person does. @returns the URL that the app is sent back to. */
export async function signIn(browser: Browser, url: string, { name = 'dee', password: typed = password, patient = 'ada', tick = () => true }: Answers = {}): Promise<URL> {
  let at = await browser.follow(await browser.go(url));
  for (let steps = 0; steps < 5; steps++) {
    if (at.back !== undefined) return at.back;
    const page = at.page!;
    if (page.text.includes('name="password"')) at = await browser.submit(page, [['name', name], ['password', typed], ['action', 'login']]);
    else if (page.text.includes('Whose record is it?')) at = await browser.submit(page, [['patient', patient]]);
    else if (page.text.includes('value="grant"')) at = await browser.submit(page, [...offered(page).filter(tick).map((scope) => ['scope', scope] as const), ['action', 'grant']]);
    else throw new Error(`${page.status} ${page.text.replaceAll(/<style>.*<\/style>/gs, '')}`);
    if (at.page !== undefined && at.page.status >= 400) throw new Error(`${at.page.status} ${at.page.text.replaceAll(/<style>.*<\/style>/gs, '')}`);
  }
  throw new Error('the pages do not end');
}

/** Asks for the tokens of a code. */
export const exchange = (service: SignInService, code: string, verifier: string, change: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Said> =>
  service.ask('token', { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app', code_verifier: verifier, ...change }, headers);

/** The whole launch. @returns the token response. */
export async function launched(service: SignInService, change: Record<string, string | undefined> = {}, answers: Answers = {}): Promise<Said> {
  const { url, verifier } = request(service, change);
  const back = await signIn(new Browser(service.origin), url, answers);
  const code = back.searchParams.get('code');
  if (code === null) throw new Error(String(back));
  return exchange(service, code, verifier);
}

/** The header of a client with a secret. */
export const basic = (id: string, secret: string = clientSecret): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });
