import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import t from 'tap';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { silent } from '../../src/log.ts';
import { testDatabase } from '../kit/database.ts';

// The operator's own authorization server: what it publishes is used, and nothing beyond it.

const key = await generateKeyPair('RS256');
const jwk = { ...await exportJWK(key.publicKey), kid: 'one' };
let metadata: Record<string, unknown> = {};
let introspected: Record<string, unknown> = { active: false };
const asked: string[] = [];

const issuer = createServer((request, response) => {
  void (async () => {
    asked.push(request.url!);
    const body = await text(request);
    const json = (value: unknown): void => { response.setHeader('content-type', 'application/json').end(JSON.stringify(value)); };
    if (request.url === '/.well-known/openid-configuration') return json(metadata);
    if (request.url === '/jwks') return json({ keys: [jwk] });
    const isUs = request.headers.authorization === `Basic ${Buffer.from('fhir:secret%20of%20it').toString('base64')}`;
    if (request.url === '/introspect' && isUs && new URLSearchParams(body).has('token')) return json(introspected);
    return response.writeHead(401).end();
  })();
});
await new Promise<void>((resolve) => { issuer.listen(0, '127.0.0.1', resolve); });
t.teardown(() => { issuer.closeAllConnections(); issuer.close(); });
const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
metadata = { issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks`, introspection_endpoint: `${url}/introspect`, code_challenge_methods_supported: ['S256'], claims_supported: ['sub'] };

const { url: databaseUrl, database } = await testDatabase(t, { connections: 8 });
const env = { PORT: '0', METRICS_PORT: '0', DATABASE_URL: databaseUrl, DATA_DIR: t.testdir(), OIDC_ISSUER: url, PUBLIC_URL: 'https://fhir.example', OIDC_INTROSPECTION_CLIENT: 'fhir', OIDC_INTROSPECTION_SECRET: 'secret of it', JOBS: 'false' };

t.test('its tokens are read with the keys it publishes; tokens that say nothing are asked about', async (t) => {
  const config = loadConfig({ ...env, PUBLIC_URL: undefined, MODE: 'production' });
  t.equal(config.mode, 'production');
  const app = await createApp({ config, database, log: silent });
  const { url: base } = await app.listen();
  t.teardown(() => app.close());
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: url, aud: base, sub: 'someone', client_id: 'app', jti: 'x', scope: 'system/*.rs', exp: seconds + 300 };
  const sign = (change: JWTPayload = {}, typ = 'at+jwt'): Promise<string> => new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: 'RS256', kid: 'one', typ }).setIssuedAt().sign(key.privateKey);
  const read = async (token: string): Promise<number> => { const answer = await fetch(`${base}/Patient?_count=1`, { headers: { authorization: `Bearer ${token}` } }); await answer.text(); return answer.status; };
  t.equal(await read(await sign()), 200);
  for (const [name, token] of Object.entries({ 'another audience': await sign({ aud: 'https://other.example' }), 'another issuer': await sign({ iss: 'https://other.example' }), 'an identity token': await sign({}, 'JWT'), 'expired': await sign({ exp: seconds - 60 }) })) t.equal(await read(token), 401, name);
  introspected = { active: true, ...claims };
  t.equal(await read('opaque-and-active'), 200);
  introspected = { active: false };
  t.equal(await read('opaque-and-over'), 401);
  introspected = { active: true, ...claims, aud: 'https://other.example' };
  t.equal(await read('opaque-for-another'), 401);
  t.equal(asked.filter((path) => path === '/jwks').length, 1, 'the keys were fetched once');
  t.equal((await fetch(new URL('/oauth/token', base), { method: 'POST' })).status, 404, 'there is no authorization server of ours beside it');
  const smart = await (await fetch(`${base}/.well-known/smart-configuration`)).json() as Record<string, unknown>;
  t.match(smart, { issuer: url, token_endpoint: `${url}/token`, authorization_endpoint: `${url}/authorize`, capabilities: ['permission-patient', 'permission-user', 'permission-v1', 'permission-v2'] });
  t.notOk('claims_supported' in smart);
});

t.test('an issuer that cannot be what it should be stops the start', async (t) => {
  const start = async (change: Record<string, unknown>): Promise<string> => {
    const kept = metadata;
    metadata = { ...metadata, ...change };
    const app = await createApp({ config: loadConfig({ ...env, OIDC_ISSUER: 'gone' in change ? 'http://127.0.0.1:1' : url }), database, log: silent });
    try {
      await app.listen();
      return 'started';
    } catch (error) {
      return (error as Error).message;
    } finally {
      metadata = kept;
      await app.close();
    }
  };
  t.match(await start({ issuer: 'https://other.example' }), /names another issuer/);
  t.match(await start({ jwks_uri: undefined }), /no jwks_uri/);
  t.match(await start({ gone: true }), /cannot be reached \(OUTBOUND_UNREACHABLE\)/);
  t.equal(await start({}), 'started', 'the control');
});

t.test('what production does not start with', async (t) => {
  const refusal = (change: Record<string, string | undefined>): string => {
    try {
      loadConfig({ PUBLIC_URL: 'https://fhir.example', ...change });
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.equal(refusal({}), 'accepted');
  t.match(refusal({ PUBLIC_URL: 'http://fhir.example' }), /PUBLIC_URL must be https/);
  t.equal(refusal({ PUBLIC_URL: 'http://127.0.0.1:3000' }), 'accepted', 'this machine');
  t.match(refusal({ OIDC_ISSUER: 'http://id.example' }), /OIDC_ISSUER must be https/);
  t.match(refusal({ CORS_ORIGINS: '*' }), /CORS_ORIGINS/);
  t.match(refusal({ OIDC_INTROSPECTION_CLIENT: 'x', OIDC_ISSUER: 'https://id.example' }), /belong together/);
  t.match(refusal({ OIDC_INTROSPECTION_CLIENT: 'x', OIDC_INTROSPECTION_SECRET: 'y' }), /needs OIDC_ISSUER/);
  t.match(refusal({ HOST: '0.0.0.0', MODE: 'development' }), /MODE may be development only/);
});
