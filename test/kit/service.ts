import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../src/app.ts';
import { developmentClient } from '../../src/auth/development-client.ts';
import { readKeys } from '../../src/auth/keys.ts';
import { loadConfig } from '../../src/config.ts';
import { silent, type Log } from '../../src/log.ts';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { testDatabase, type Ending } from './database.ts';

/** An answer of the service with its body parsed where it is JSON. */
export interface Reply { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: any }

/** Who asks: scopes, and the person or patient in context. */
export interface Who { readonly scopes?: string; readonly patient?: string; readonly user?: string }

/** A running service on a database of its own. */
export interface TestService {
  readonly url: string;
  readonly databaseUrl: string;
  /** The same database as the role that owns it: what the service itself may not do. */
  readonly ownerUrl: string;
  readonly database: Database;
  /** An access token of the development client. */
  token(who?: Who): Promise<string>;
  /** A client that sends `token(who)` with every request. Bodies are sent as FHIR JSON unless they are text. */
  as(who?: Who): Client;
  /** Does a periodic job once, as of `at` (an instant; not given: now). No job runs by itself. */
  job(name: string, at?: string): Promise<boolean>;
}

export interface Client {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

/** Another pool on the database of `service`, closed when `t` ends. */
function besideOf(t: Ending, { databaseUrl, ownerUrl }: TestService): { url: string; ownerUrl: string; database: Database } {
  const database = openDatabase({ url: databaseUrl, connections: 10, namedStatements: true, statementTimeoutMs: 10_000 });
  t.teardown(() => database.close());
  return { url: databaseUrl, ownerUrl, database };
}

/** Starts the real application in this process, on a database of its own or on that of `beside`; it ends with `t`. */
export async function testService(t: Ending, options: { env?: Record<string, string>; log?: Log; beside?: TestService } = {}): Promise<TestService> {
  const { url: databaseUrl, ownerUrl, database } = options.beside === undefined ? await testDatabase(t, { connections: 10, as: 'service' }) : besideOf(t, options.beside);
  const dataDir = mkdtempSync(join(tmpdir(), 'intersession-service-'));
  const config = loadConfig({ PORT: '0', METRICS_PORT: '0', DATA_DIR: dataDir, DATABASE_URL: databaseUrl, MODE: 'development', JOBS: 'false', ...options.env });
  const app = await createApp({ config, database, log: options.log ?? silent });
  const { url } = await app.listen();
  t.teardown(async () => {
    await app.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const secret = (await readKeys(config.keysFile))!.development.secret;
  const tokens = new Map<string, Promise<string>>();
  const token = (who: Who = {}): Promise<string> => {
    const key = JSON.stringify(who);
    if (!tokens.has(key)) tokens.set(key, requestToken(url, secret, who));
    return tokens.get(key)!;
  };
  return { url, databaseUrl, ownerUrl, database, token, as: (who) => async (method, path, body, headers) => request(url, method, path, await token(who), body, headers), job: (name, at) => app.schedule.run(name, at === undefined ? undefined : Date.parse(at)) };
}

/** Asks the service at `url` for a token of the development client. */
export async function requestToken(url: string, secret: string, who: Who): Promise<string> {
  const scope = who.scopes ?? (who.patient !== undefined ? 'patient/*.cruds' : who.user !== undefined ? 'user/*.cruds' : 'system/*.cruds');
  const response = await fetch(new URL('/oauth/token', url), {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${developmentClient.withSecret}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, ...(who.patient === undefined ? {} : { patient: who.patient }), ...(who.user === undefined ? {} : { fhirUser: who.user }) }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`no token: ${response.status}`);
  return token;
}

async function request(url: string, method: string, path: string, token: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(path.startsWith('http') ? path : `${url}/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: 'application/fhir+json', ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = text === '' ? undefined : JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: response.status, headers: response.headers, text, body: parsed };
}
