import { spawn } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWTPayload } from 'jose';
import t, { type Test } from 'tap';
import { developmentClient } from '../../src/auth/development-client.ts';
import { keyring, openKeys, publicKeys, rotateKeys, type Keys } from '../../src/auth/keys.ts';
import { smartConfiguration } from '../../src/auth/smart-configuration.ts';
import { tokenVerifier } from '../../src/auth/token.ts';
import { Accounts } from '../../src/http/authorization-accounts.ts';
import { Pages } from '../../src/http/authorization-pages.ts';
import { People } from '../../src/http/authorization-people.ts';
import { authorizationServer, type AuthorizationServer } from '../../src/http/authorization-server.ts';
import { AccountStore } from '../../src/store/authorization-accounts.ts';
import { AuthorizationStore } from '../../src/store/authorization.ts';
import { signInViews } from '../../src/web/sign-in.ts';
import { testDatabase } from '../kit/database.ts';

interface Served {
  readonly issuer: string;
  readonly audience: string;
  readonly port: number;
  readonly directory: string;
  readonly keys: Keys;
  readonly server: AuthorizationServer;
  readonly faults: unknown[];
}

/** The authorization server beside another handler on a bare HTTP server; the issuer has another name than the address, as behind a proxy. */
async function serve(t: Test, mode: 'development' | 'production' = 'development'): Promise<Served> {
  const directory = t.testdir();
  const issuer = 'https://service.example/base/oauth';
  const audience = 'https://service.example/base/fhir/R4';
  const faults: unknown[] = [];
  const keysFile = join(directory, 'keys.json');
  const { database } = await testDatabase(t);
  const keys = await openKeys(keysFile);
  const now = (): number => Date.now();
  const server = await authorizationServer({
    issuer, audience, keysFile, mode, now, report: (fault) => faults.push(fault), audit: async () => {}, limit: () => Promise.resolve(), address: () => '127.0.0.1', cookieKey: 'cookie-key',
    store: new AuthorizationStore(database), people: new People(database), pages: new Pages(signInViews),
    accounts: new Accounts({ store: new AccountStore(database), clientsFile: undefined, usersFile: undefined, development: mode === 'development' ? keys : undefined, now, fetchKeys: () => Promise.reject(new Error('nothing to fetch')) }),
  });
  const http = createServer((request, response) => {
    if (!server.handle(request, response)) response.writeHead(418).end('the other handler');
  });
  await new Promise<void>((resolve) => { http.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.close(); http.close(); });
  return { issuer, audience, port: (http.address() as AddressInfo).port, directory, keys, server, faults };
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask({ port }: Served, form: Record<string, string> | URLSearchParams, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/oauth/token`, { method: 'POST', body: new URLSearchParams(form), headers });
  return { status: response.status, body: await response.json() as Record<string, unknown> };
}

const basic = (served: Served, secret = served.keys.development.secret) =>
  ({ authorization: `Basic ${Buffer.from(`${developmentClient.withSecret}:${secret}`).toString('base64')}` });

const credentials = (scope: string, more: Record<string, string> = {}) => ({ grant_type: 'client_credentials', scope, ...more });

const verifierOf = ({ issuer, audience, keys }: Served) => tokenVerifier({ issuer, audience, keys: publicKeys(keys), now: () => Date.now() });

await t.test('a client with its secret gets a token that the verifier of this service accepts', async (t) => {
  const served = await serve(t);
  const bySecret = await ask(served, credentials('system/*.cruds'), basic(served));
  t.match(bySecret, { status: 200, body: { token_type: 'Bearer', expires_in: 3600, scope: 'system/*.cruds' } });
  const caller = await verifierOf(served)(String(bySecret.body['access_token']));
  t.match(caller, { client: 'development', subject: 'development', scopes: { understood: ['system/*.cruds'] } });
  const posted = await ask(served, credentials('system/Task.rs', { client_id: 'development', client_secret: served.keys.development.secret }));
  t.match(posted, { status: 200, body: { scope: 'system/Task.rs' } });
  for (const headers of [basic(served, 'wrong'), basic(served, ''), {}]) {
    const refused = await ask(served, credentials('system/*.cruds'), headers);
    t.ok(refused.status >= 400 && refused.status < 500 && refused.body['access_token'] === undefined, JSON.stringify(refused));
  }
});

await t.test('what is granted is what was understood, and the answer says so', async (t) => {
  const served = await serve(t);
  const granted = async (scope: string, more: Record<string, string> = {}) => {
    const { status, body } = await ask(served, credentials(scope, more), basic(served));
    return status === 200 ? body['scope'] : body['error'];
  };
  t.equal(await granted('system/Task.rs system/Task.dus system/Observation.rs?code:in=x openid offline_access foo'), 'system/Task.rs');
  t.equal(await granted('system/Task.read'), 'system/Task.read');
  for (const nothing of ['', 'openid', 'system/Task.dus', 'patient/*.rs', 'user/*.rs', 'system/Nonsense.rs']) {
    t.equal(await granted(nothing), 'invalid_scope', nothing);
  }
  t.equal(await granted('patient/*.rs', { patient: 'p1' }), 'patient/*.rs');
  t.equal(await granted('patient/*.rs user/*.rs', { fhirUser: 'Practitioner/dr' }), 'user/*.rs');
});

await t.test('in development the token request may name the patient and the user', async (t) => {
  const served = await serve(t);
  const verify = verifierOf(served);
  const { body } = await ask(served, credentials('patient/*.rs', { patient: 'p1', fhirUser: 'Patient/p1' }), basic(served));
  t.equal(body['patient'], 'p1', 'the response tells the launch context');
  t.match(await verify(String(body['access_token'])), { patient: 'p1', fhirUser: 'Patient/p1' });
  const without = await ask(served, credentials('system/*.rs'), basic(served));
  t.notOk('patient' in without.body);
  t.equal((await verify(String(without.body['access_token']))).patient, undefined);
  for (const wrong of [{ patient: 'Patient/p1' }, { patient: 'a b' }, { patient: 'x'.repeat(65) }, { fhirUser: 'dr' }, { fhirUser: 'Organization/o' }] as Record<string, string>[]) {
    t.match(await ask(served, credentials('system/*.rs', wrong), basic(served)), { status: 400, body: { error: 'invalid_request' } }, JSON.stringify(wrong));
  }
  const twice = new URLSearchParams({ ...credentials('patient/*.rs'), patient: 'p1' });
  twice.append('patient', 'p2');
  t.match(await ask(served, twice, basic(served)), { status: 400, body: { error: 'invalid_request' } }, 'two patients');
  t.strictSame(served.faults, []);
});

await t.test('tokens are for this service only', async (t) => {
  const served = await serve(t);
  t.match(await ask(served, credentials('system/*.rs', { resource: served.audience }), basic(served)), { status: 200 });
  t.match(await ask(served, credentials('system/*.rs', { resource: 'https://other.example/fhir' }), basic(served)), { status: 400, body: { error: 'invalid_target' } });
});

await t.test('a signed client assertion works once, when it is exactly what SMART asks for', async (t) => {
  const served = await serve(t);
  const { key } = served.keys.development;
  const own = await importJWK(key, 'ES384');
  const seconds = Math.floor(Date.now() / 1000);
  const client = developmentClient.withKey;
  let jti = 0;
  const assertion = (change: JWTPayload = {}, header: Record<string, unknown> = {}, signer: typeof own = own) =>
    new SignJWT({ iss: client, sub: client, aud: `${served.issuer}/token`, exp: seconds + 240, iat: seconds, jti: `j${jti += 1}`, ...change })
      .setProtectedHeader({ alg: 'ES384', kid: key.kid ?? '', typ: 'JWT', ...header }).sign(signer);
  const present = (signed: string, headers: Record<string, string> = {}) => ask(served, credentials('system/*.rs', {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: signed,
  }), headers);

  const good = await assertion();
  const first = await present(good);
  t.match(first, { status: 200, body: { scope: 'system/*.rs' } });
  t.equal((await verifierOf(served)(String(first.body['access_token']))).client, client);
  t.match(await present(good), { status: 401, body: { error: 'invalid_client' } }, 'used twice');
  t.match(await present(await assertion({ aud: served.issuer })), { status: 200 }, 'the issuer as audience');

  const stranger = await generateKeyPair('ES384');
  const rsa = await generateKeyPair('RS384');
  const wrong: Record<string, string> = {
    'expired': await assertion({ exp: seconds - 60 }),
    'no expiry': await assertion({ exp: undefined }),
    'valid for longer than five minutes': await assertion({ exp: seconds + 400 }),
    'no jti': await assertion({ jti: undefined }),
    'another subject': await assertion({ sub: 'development' }),
    'another issuer': await assertion({ iss: 'development' }),
    'the address it was sent to as audience': await assertion({ aud: `http://127.0.0.1:${served.port}/oauth/token` }),
    'another server as audience': await assertion({ aud: 'https://evil.example/base/oauth/token' }),
    'a stranger’s key under the right kid': await assertion({}, {}, stranger.privateKey),
    'a stranger’s key under its own kid': await assertion({}, { kid: await calculateJwkThumbprint(await exportJWK(stranger.publicKey)) }, stranger.privateKey),
    'no kid': await assertion({}, { kid: undefined }),
    'a key of another type': await assertion({}, { alg: 'RS384' }, rsa.privateKey),
  };
  for (const [name, signed] of Object.entries(wrong)) {
    t.match(await present(signed), { status: 401, body: { error: 'invalid_client' } }, name);
  }
  const toEvil = await assertion({ aud: 'https://evil.example/base/oauth/token' });
  const status = await new Promise<number>((resolve, reject) => {
    const body = new URLSearchParams(credentials('system/*.rs', { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: toEvil })).toString();
    httpRequest({ port: served.port, host: '127.0.0.1', path: '/oauth/token', method: 'POST', headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length } },
      (response) => { response.resume(); resolve(response.statusCode ?? 0); }).on('error', reject).end(body);
  });
  t.equal(status, 401, 'no Host header makes another audience right');
  t.strictSame(served.faults, []);
});

await t.test('in production the development clients do not exist', async (t) => {
  const served = await serve(t, 'production');
  t.match(await ask(served, credentials('system/*.rs'), basic(served)), { status: 401, body: { error: 'invalid_client' } });
  t.match(await command(served.port, served.directory), { code: 1, out: /^$/, err: /^token: [^\n]+ does not know the development client[^\n]+\n$/ });
});

await t.test('only the endpoints that are meant to be open are, the rest goes to the other handler', async (t) => {
  const served = await serve(t);
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${served.port}${path}`, { method });
    return { status: response.status, allow: response.headers.get('allow'), body: await response.text() };
  };
  const jwks = await get('/oauth/jwks');
  t.equal(jwks.status, 200);
  t.strictSame(Object.keys((JSON.parse(jwks.body) as { keys: [object] }).keys[0]).toSorted(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'public parts only');
  t.strictSame(JSON.parse((await get('/oauth/.well-known/oauth-authorization-server')).body), served.server.metadata);
  t.match(await get('/oauth/token'), { status: 405, allow: 'POST, OPTIONS' });
  for (const path of ['/oauth', '/oauth/', '/oauth/auth', '/oauth/me', '/oauth/reg', '/oauth/session/end', '/oauth/interaction/x', '/oauth/device', '/oauthx/token', '/fhir/R4/Task', '/oauth/../oauth/auth', '/oauth/request', '/oauth/challenge', '/oauth/signin/x/y']) {
    t.equal((await get(path)).status, 418, path);
  }
  t.equal((await get('/oauth/jwks', 'DELETE')).status, 405);
});

await t.test('the SMART configuration names the endpoints of the issuer', async (t) => {
  const document = smartConfiguration('https://service.example/oauth');
  t.match(document, {
    issuer: 'https://service.example/oauth', token_endpoint: 'https://service.example/oauth/token', jwks_uri: 'https://service.example/oauth/jwks', authorization_endpoint: 'https://service.example/oauth/authorize',
    introspection_endpoint: /introspect$/, revocation_endpoint: /revoke$/, code_challenge_methods_supported: ['S256'],
  });
  for (const present of ['launch-standalone', 'launch-ehr', 'authorize-post', 'sso-openid-connect', 'client-public', 'client-confidential-symmetric', 'client-confidential-asymmetric', 'permission-offline', 'permission-v2', 'permission-patient', 'context-standalone-patient', 'context-ehr-patient']) t.ok(document.capabilities.includes(present), present);
  for (const absent of ['context-standalone-encounter', 'smart-app-state']) t.notOk(document.capabilities.includes(absent), absent);
});

await t.test('keys are made once, by one of many, for their owner only, and are never overwritten', async (t) => {
  const file = join(t.testdir(), 'new', 'keys.json');
  const opened = await Promise.all(Array.from({ length: 5 }, () => openKeys(file)));
  t.equal(new Set(opened.map((keys) => keys.signing.kid)).size, 1);
  t.equal((await stat(file)).mode & 0o777, 0o600);
  t.strictSame(await openKeys(file), opened[0], 'the same after a restart');
  for (const broken of ['', '{}', 'null', JSON.stringify({ ...opened[0], signing: undefined })]) {
    await writeFile(file, broken);
    await t.rejects(openKeys(file), { name: 'StartRefusal' }, broken);
    t.equal(await readFile(file, 'utf8'), broken);
  }
});

await t.test('a rotated key signs from then on, the one before is still published, and a running service notices', async (t) => {
  const file = join(t.testdir(), 'keys.json');
  let milliseconds = 0;
  const keys = keyring(file, () => milliseconds);
  const before = await keys();
  t.equal(await keys(), before, 'the same value while the file is the same');
  const kid = await rotateKeys(file);
  t.equal(await keys(), before, 'it does not look at every request');
  milliseconds = 2001;
  const after = await keys();
  t.equal(after.signing.kid, kid);
  t.strictSame(publicKeys(after).keys.map((key) => key.kid), [kid, before.signing.kid]);
  t.strictSame(publicKeys(after).keys.map((key) => 'd' in key), [false, false], 'public parts only');
  t.equal((await stat(file)).mode & 0o777, 0o600);
  await writeFile(file, 'broken');
  milliseconds = 5000;
  t.equal(await keys(), after, 'a file that is being edited changes nothing');
  await t.rejects(rotateKeys(file), { name: 'StartRefusal' });
  await t.rejects(rotateKeys(join(t.testdir(), 'none.json')), /no keys file/);
});

/** Runs the command as a user does, against the service that listens on `port`. */
async function command(port: number, directory: string, ...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, ['src/commands/token.ts', ...words], { env: { PATH: process.env['PATH'], PORT: String(port), DATA_DIR: directory } });
  const ended = new Promise<number>((resolve) => { child.on('close', (code) => { resolve(code ?? 1); }); });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
}

await t.test('the token command prints a token and nothing else', async (t) => {
  const served = await serve(t);
  const verify = verifierOf(served);
  const run = await command(served.port, served.directory);
  t.strictSame([run.code, run.err], [0, '']);
  t.match(run.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  t.strictSame((await verify(run.out.trim())).scopes.understood, ['system/*.cruds']);
  const patient = await command(served.port, served.directory, 'patient/Task.rs', 'patient/Goal.rs', '--patient=p1');
  t.match(await verify(patient.out.trim()), { patient: 'p1', scopes: { understood: ['patient/Task.rs', 'patient/Goal.rs'] } });
  const user = await command(served.port, served.directory, '--user=Practitioner/dr');
  t.match(await verify(user.out.trim()), { fhirUser: 'Practitioner/dr', scopes: { understood: ['user/*.cruds'] } });
  const less = await command(served.port, served.directory, 'system/Task.rs system/Task.dus');
  t.match(less, { code: 0, err: /^token: not granted: system\/Task\.dus\n$/, out: /^[\w.-]+\n$/ });
});

await t.test('the token command says in one line why it has no token', async (t) => {
  const served = await serve(t);
  const runs: Record<string, [Promise<{ code: number; out: string; err: string }>, RegExp]> = {
    'not running': [command(1, served.directory), /no service answers at http:\/\/127.0.0.1:1: start it first/],
    'never started': [command(served.port, join(served.directory, 'nothing')), /no keys file/],
    'nothing to grant': [command(served.port, served.directory, 'nonsense'), /none of the requested scopes/],
    'a wrong option': [command(served.port, served.directory, '--pateint=p1'), /usage: /],
  };
  for (const [name, [run, why]] of Object.entries(runs)) {
    const { code, out, err } = await run;
    t.strictSame([code, out], [1, ''], name);
    t.match(err, why, name);
    t.match(err, /^token: [^\n]+\n$/, `${name}: one line`);
  }
});
