import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeProtectedHeader, exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT, type JWK, type JWTPayload } from 'jose';
import t from 'tap';
import { readRegistration } from '../../src/auth/client.ts';
import { Accounts } from '../../src/http/authorization-accounts.ts';
import { isPublicAddress, outbound } from '../../src/jobs/outbound.ts';
import { AccountStore } from '../../src/store/authorization-accounts.ts';
import { testService } from '../kit/service.ts';
import { basic, Browser, exchange, request, signIn, signInService, type Said } from '../kit/authorization.ts';

// SMART Backend Services (http://hl7.org/fhir/smart-app-launch/backend-services.html): each refusal beside a permitted control.

t.setTimeout(120_000); // alone it takes 6 s, most of it commands that start

const rsa = await generateKeyPair('RS384', { extractable: true });
const ec = await generateKeyPair('ES384', { extractable: true });
const later = await generateKeyPair('ES384', { extractable: true });
const stranger = await generateKeyPair('RS384');
const publicKey = async (key: Parameters<typeof exportJWK>[0], kid: string): Promise<JWK> => ({ ...await exportJWK(key), kid });

/** Where a client publishes its keys. */
let published: { keys: JWK[] } = { keys: [] };
let fetched = 0;
let behave: 'well' | 'redirect' | 'large' | 'slow' | 'broken' = 'well';
const keyServer = createServer((_request, response) => {
  fetched += 1;
  if (behave === 'redirect') return void response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
  if (behave === 'slow') return undefined;
  if (behave === 'broken') return void response.end('<html>');
  if (behave === 'large') return void response.end(JSON.stringify({ ...published, filler: 'x'.repeat(400_000) }));
  return void response.setHeader('cache-control', 'max-age=300').end(JSON.stringify(published));
});
await new Promise<void>((resolve) => { keyServer.listen(0, '127.0.0.1', resolve); });
t.teardown(() => { keyServer.closeAllConnections(); keyServer.close(); });
const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const keysUrl = `http://127.0.0.1:${portOf(keyServer)}/jwks`;

const folder = mkdtempSync(join(tmpdir(), 'intersession-backend-'));
t.teardown(() => { rmSync(folder, { recursive: true, force: true }); });
const scope = 'system/*.rs';
const clients = [
  { client_id: 'by-key', client_name: 'By key', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [await publicKey(rsa.publicKey, 'rsa'), await publicKey(ec.publicKey, 'ec')] }, scope },
  { client_id: 'by-url', client_name: 'By URL', token_endpoint_auth_method: 'private_key_jwt', jwks_uri: keysUrl, scope },
  { client_id: 'twice', client_name: 'By URL, twice', token_endpoint_auth_method: 'private_key_jwt', jwks_uri: `${keysUrl}?twice`, scope },
];
const keysFile = join(folder, 'keys.json');
const service = await signInService(t, { more: clients, env: { KEYS_FILE: keysFile } });
const seconds = (): number => Math.floor(Date.now() / 1000);

let jti = 0;
interface Made { readonly claims?: JWTPayload; readonly header?: Record<string, unknown>; readonly key?: Parameters<SignJWT['sign']>[0]; readonly client?: string }
const assertion = ({ claims = {}, header = {}, key = rsa.privateKey, client = 'by-key' }: Made = {}): Promise<string> =>
  new SignJWT({ iss: client, sub: client, aud: `${service.issuer}/token`, exp: seconds() + 240, iat: seconds(), jti: `${client} ${jti += 1}`, ...claims }).setProtectedHeader({ alg: 'RS384', kid: 'rsa', typ: 'JWT', ...header }).sign(key);
const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const present = (signed: string, change: Record<string, string> = {}): Promise<Said> =>
  service.ask('token', { grant_type: 'client_credentials', scope, client_assertion_type: type, client_assertion: signed, ...change });

t.test('a client that signs gets a token for what it is registered for', async (t) => {
  const { status, body } = await present(await assertion());
  t.match({ status, body }, { status: 200, body: { token_type: 'Bearer', scope, expires_in: Number } });
  t.notOk('refresh_token' in body || 'id_token' in body);
  t.equal((await fetch(`${service.url}/Patient/ada`, { headers: { authorization: `Bearer ${body.access_token}` } })).status, 200);
  t.equal((await present(await assertion({ header: { alg: 'ES384', kid: 'ec' }, key: ec.privateKey }))).status, 200, 'ES384');
  t.equal((await present(await assertion({ claims: { aud: service.issuer } }))).status, 200, 'the issuer as audience');
  t.equal((await present(await assertion({ header: { typ: undefined } }))).status, 200, 'typ left out');
  t.match(await present(await assertion(), { scope: 'system/Task.cruds' }), { status: 400, body: { error: 'invalid_scope' } }, 'beyond the registration');
  t.match(await present(await assertion(), { scope: 'patient/*.rs' }), { status: 400, body: { error: 'invalid_scope' } }, 'a person’s scope');
});

t.test('what is wrong with an assertion is enough to refuse it', async (t) => {
  const hmac = async (secret: string): Promise<string> => {
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${encode({ alg: 'HS256', kid: 'rsa', typ: 'JWT' })}.${encode({ iss: 'by-key', sub: 'by-key', aud: `${service.issuer}/token`, exp: seconds() + 240, jti: `h ${jti += 1}` })}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const good = await assertion();
  const [head, body] = good.split('.') as [string, string];
  const wrong: Record<string, string> = {
    'expired': await assertion({ claims: { exp: seconds() - 60 } }),
    'longer than five minutes': await assertion({ claims: { exp: seconds() + 400 } }),
    'no expiry': await assertion({ claims: { exp: undefined } }),
    'not valid yet': await assertion({ claims: { nbf: seconds() + 120 } }),
    'no jti': await assertion({ claims: { jti: undefined } }),
    'an empty jti': await assertion({ claims: { jti: '' } }),
    'no issuer': await assertion({ claims: { iss: undefined } }),
    'another issuer': await assertion({ claims: { iss: 'system' } }),
    'another subject': await assertion({ claims: { sub: 'system' } }),
    'no audience': await assertion({ claims: { aud: undefined } }),
    'the FHIR server as audience': await assertion({ claims: { aud: service.url } }),
    'another server as audience': await assertion({ claims: { aud: 'https://evil.example/token' } }),
    'signed by a stranger': await assertion({ key: stranger.privateKey }),
    'a tampered signature': `${head}.${body}.${'A'.repeat(342)}`,
    'no signature': `${head}.${body}.`,
    'alg none': new UnsecuredJWT({ iss: 'by-key', sub: 'by-key', aud: `${service.issuer}/token`, exp: seconds() + 240, jti: 'none' }).encode(),
    'HS256 with the public key as PEM': await hmac(await exportSPKI(rsa.publicKey)),
    'HS256 with the public key as JWK': await hmac(JSON.stringify(await exportJWK(rsa.publicKey))),
    'RS256': await assertion({ header: { alg: 'RS256' }, key: (await generateKeyPair('RS256')).privateKey }),
    'no kid': await assertion({ header: { kid: undefined } }),
    'an unknown kid': await assertion({ header: { kid: 'other' } }),
    'the kid of a key of another type': await assertion({ header: { kid: 'ec' } }),
    'a key of its own': await assertion({ header: { jwk: await exportJWK(stranger.publicKey) }, key: stranger.privateKey }),
    'a URL of keys that is not registered': await assertion({ header: { jku: 'https://evil.example/jwks' } }),
    'a typ of another kind': await assertion({ header: { typ: 'at+jwt' } }),
    'a critical header': await assertion({ header: { crit: ['x'], x: 1 } }).catch(() => 'e30.e30.x'),
    'garbage': 'garbage',
    'another client’s': await assertion({ client: 'system' }),
  };
  for (const [name, signed] of Object.entries(wrong)) {
    const { status, body: said } = await present(signed);
    t.ok((status === 400 || status === 401) && said.access_token === undefined, `${name}: ${status} ${said.error}`);
  }
  t.match(await present(good, { client_assertion_type: 'urn:other' }), { status: 400 }, 'another type of assertion');
  t.match(await present(good, { client_id: 'by-url' }), { status: 400 }, 'in the name of another client');
  t.match(await present(good, { client_secret: 'x'.repeat(40) }), { status: 400 }, 'two ways at once');
  t.match(await service.ask('token', { grant_type: 'client_credentials', scope, client_id: 'by-key' }), { status: 401 }, 'no assertion');
  t.equal((await present(good)).status, 200, 'the control: refused attempts did not use it up');
  t.match(await present(good), { status: 401, body: { error: 'invalid_client' } }, 'used twice');
});

t.test('keys that are registered by URL are fetched, kept, and fetched again when they were rotated, once a minute', async (t) => {
  const byUrl = (header: Record<string, unknown> = {}, key = ec.privateKey): Promise<string> => assertion({ client: 'by-url', header: { alg: 'ES384', kid: 'ec', ...header }, key });
  published = { keys: [await publicKey(ec.publicKey, 'ec')] };
  fetched = 0;
  t.equal((await present(await byUrl())).status, 200);
  t.equal((await present(await byUrl({ jku: keysUrl }))).status, 200, 'the registered URL may be named');
  t.equal(fetched, 1, 'kept');
  t.match(await present(await byUrl({ jku: `${keysUrl}?x` })), { status: 401 }, 'another URL may not');
  published = { keys: [await publicKey(later.publicKey, 'later')] };
  t.match(await present(await byUrl({ kid: 'later' }, later.privateKey)), { status: 401 }, 'within the minute unknown keys are not asked for');
  for (let at = 0; at < 5; at++) await present(await byUrl({ kid: `made-up-${at}` }));
  t.equal(fetched, 1, 'made-up key ids do not become requests');
  published = { keys: [await publicKey(ec.publicKey, 'same'), await publicKey(later.publicKey, 'same'), await publicKey(rsa.publicKey, 'rsa')] };
  t.equal((await present(await assertion({ client: 'twice' }))).status, 200, 'the control');
  t.match(await present(await assertion({ client: 'twice', header: { alg: 'ES384', kid: 'same' }, key: ec.privateKey })), { status: 401 }, 'a kid that two keys have chooses neither');
});

t.test('two keys of one kid, a private key, a weak key, a plain URL: such a client is not registered', async (t) => {
  const base = { client_id: 'x', client_name: 'X', token_endpoint_auth_method: 'private_key_jwt', scope };
  const jwk = await publicKey(ec.publicKey, 'ec');
  const wrong: Record<string, [object, RegExp]> = {
    'two keys of one kid': [{ ...base, jwks: { keys: [jwk, { ...await publicKey(later.publicKey, 'ec') }] } }, /exactly one/],
    'a private key': [{ ...base, jwks: { keys: [{ ...await exportJWK(ec.privateKey), kid: 'ec' }] } }, /private/],
    'a key without kid': [{ ...base, jwks: { keys: [{ ...jwk, kid: undefined }] } }, /kid/],
    'a weak key': [{ ...base, jwks: { keys: [{ kty: 'RSA', kid: 'a', n: 'AQAB', e: 'AQAB' }] } }, /2048/],
    'another curve': [{ ...base, jwks: { keys: [{ ...jwk, crv: 'P-256' }] } }, /P-384/],
    'keys and a URL': [{ ...base, jwks: { keys: [jwk] }, jwks_uri: 'https://a.example/jwks' }, /not both/],
    'a plain URL': [{ ...base, jwks_uri: 'http://a.example/jwks' }, /https/],
    'no keys': [base, /needs jwks/],
    'a weak secret': [{ ...base, token_endpoint_auth_method: 'client_secret_basic', client_secret: 'short' }, /32 characters/],
    'no secret': [{ ...base, token_endpoint_auth_method: 'client_secret_basic' }, /missing/],
    'a plain redirect URI': [{ ...base, jwks: { keys: [jwk] }, redirect_uris: ['http://app.example/'] }, /https/],
    'a wildcard redirect URI': [{ ...base, jwks: { keys: [jwk] }, redirect_uris: ['https://*.example/'] }, /wildcard/],
    'a fragment': [{ ...base, jwks: { keys: [jwk] }, redirect_uris: ['https://app.example/#x'] }, /fragment/],
    'a script': [{ ...base, jwks: { keys: [jwk] }, redirect_uris: ['javascript:alert(1)'] }, /https/],
    'a wildcard origin': [{ ...base, jwks: { keys: [jwk] }, origins: ['*'] }, /wildcard/],
    'a public client for itself': [{ ...base, token_endpoint_auth_method: 'none' }, /authenticate/],
    'a scope nobody knows': [{ ...base, jwks: { keys: [jwk] }, scope: 'system/Nothing.rs' }, /cannot be granted/],
    'an element nobody knows': [{ ...base, jwks: { keys: [jwk] }, admin: true }, /admin/i],
  };
  for (const [name, [value, why]] of Object.entries(wrong)) {
    const read = readRegistration(value);
    t.match('wrong' in read ? read.wrong.join('\n') : 'registered', why, name);
  }
  t.ok('client' in readRegistration({ ...base, jwks: { keys: [jwk] } }), 'the control');
  t.ok('client' in readRegistration({ ...base, jwks_uri: 'https://a.example/jwks', redirect_uris: ['https://app.example/', 'http://127.0.0.1:8000/', 'org.example.app:/done'] }), 'https, this machine, a private scheme');
  for (const [name, files] of Object.entries({ 'a development client': { CLIENTS_FILE: [{ ...base, client_id: 'development', jwks: { keys: [jwk] } }] }, 'a password instead of its hash': { USERS_FILE: [{ id: '00000000-0000-4000-8000-000000000009', name: 'x', password: 'hunter2hunter2hunter2', fhirUser: 'Patient/x' }] }, 'no list': { CLIENTS_FILE: {} } })) {
    const [variable, content] = Object.entries(files)[0]!;
    const file = join(folder, 'wrong.json');
    writeFileSync(file, JSON.stringify(content));
    const options = { store: new AccountStore(service.database), clientsFile: undefined, usersFile: undefined, development: undefined, now: () => 0, fetchKeys: () => Promise.reject(new Error()) };
    t.throws(() => new Accounts({ ...options, [variable === 'CLIENTS_FILE' ? 'clientsFile' : 'usersFile']: file }), { name: 'StartRefusal', message: new RegExp(variable) }, `${name}: the service does not start`);
  }
});

t.test('two processes are one authorization server', async (t) => {
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => { const found = portOf(probe); probe.close(() => { resolve(found); }); });
  });
  const second = await testService(t, { beside: service, env: { ...service.accounts, KEYS_FILE: keysFile, PORT: String(port), PUBLIC_URL: service.origin, MODE: 'development' } });
  const there = `http://127.0.0.1:${port}`;
  const other = { ...service, ask: async (path: string, form: Record<string, string> | URLSearchParams, headers: Record<string, string> = {}): Promise<Said> => {
    const response = await fetch(`${there}/oauth/${path}`, { method: 'POST', body: new URLSearchParams(form), headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: text === '' ? undefined : JSON.parse(text) };
  } };
  const signed = await assertion();
  const form = { grant_type: 'client_credentials', scope, client_assertion_type: type, client_assertion: signed };
  const both = await Promise.all([service.ask('token', form), other.ask('token', form), service.ask('token', form), other.ask('token', form)]);
  t.strictSame(both.map(({ status }) => status).toSorted((a, b) => a - b), [200, 401, 401, 401], 'an assertion is used once, wherever');
  const { url, verifier } = request(service);
  const code = (await signIn(new Browser(service.origin), url)).searchParams.get('code')!;
  const given = await exchange(other, code, verifier);
  t.match(given, { status: 200, body: { patient: 'ada' } }, 'the code of one is good at the other: a restart loses no sign-in');
  const refreshing = { grant_type: 'refresh_token', refresh_token: given.body.refresh_token as string, client_id: 'app' };
  const races = await Promise.all([service.ask('token', refreshing), other.ask('token', refreshing)]);
  t.ok(races.filter(({ status }) => status === 200).length <= 1, 'a refresh token is used once, wherever');
  t.match(await service.ask('token', refreshing), { status: 400, body: { error: 'invalid_grant' } });
  await service.database.query(`update authorization_entry set expires = now() - interval '1 second' where kind = 'ReplayDetection'`);
  t.equal(await second.job('authorization-expiry'), true);
  t.strictSame(await service.database.query(`select kind from authorization_entry where expires <= now()`), [], 'what has expired is removed');
  const system = (await service.ask('token', { grant_type: 'client_credentials', scope }, basic('system'))).body.access_token as string;
  const read = (origin: string): Promise<number> => fetch(`${origin}/fhir/R4/Task`, { headers: { authorization: `Bearer ${system}` } }).then(({ status }) => status);
  t.strictSame([await read(service.origin), await read(there)], [200, 200], 'a token of one is read by both');
  t.equal((await other.ask('introspect', { token: system }, basic('ehr'))).body.active, true);
  await service.ask('revoke', { token: system }, basic('system'));
  t.equal(await read(service.origin), 401);
  t.equal((await other.ask('introspect', { token: system }, basic('ehr'))).body.active, false);
  t.equal(await read(there), 401, 'what one takes back the other has heard of');
});

t.test('requests to elsewhere go to public addresses over HTTPS, and nowhere that an answer leads', async (t) => {
  const code = (url: string, options: Parameters<typeof outbound>[0] = {}): Promise<string> => outbound({ timeoutMs: 400, ...options })(new URL(url)).then(() => 'answered', (error: { code: string }) => error.code);
  behave = 'well';
  t.equal(await code(keysUrl, { loopback: true }), 'answered', 'the control: development, this machine');
  t.equal(await code(keysUrl, { trusted: [new URL(keysUrl).origin] }), 'answered', 'the control: named by the operator');
  t.equal(await code(keysUrl.replace('127.0.0.1', 'localhost'), { loopback: true }), 'answered');
  t.equal(await code(keysUrl), 'OUTBOUND_SCHEME');
  for (const url of ['http://93.184.216.34/', 'http://example.org/', 'ftp://example.org/', 'file:///etc/passwd']) t.equal(await code(url, { loopback: true }), 'OUTBOUND_SCHEME', url);
  for (const host of ['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '255.255.255.255', '[::1]', '[::]', '[fc00::1]', '[fe80::1]', '[::ffff:10.0.0.1]', '[64:ff9b::a00:1]', '2130706433', '0x7f.1', 'localhost']) t.equal(await code(`https://${host}/`), 'OUTBOUND_ADDRESS', host);
  t.equal(await code('https://user@93.184.216.34/'), 'OUTBOUND_ADDRESS', 'credentials in the URL');
  for (const [how, expected] of [['redirect', 'OUTBOUND_REDIRECT'], ['large', 'OUTBOUND_TOO_LARGE'], ['slow', 'OUTBOUND_TIMEOUT']] as const) {
    behave = how;
    t.equal(await code(keysUrl, { loopback: true }), expected);
  }
  behave = 'well';
  t.equal(await code('http://127.0.0.1:1/', { loopback: true }), 'OUTBOUND_UNREACHABLE');
  for (const address of ['8.8.8.8', '93.184.216.34', '2606:4700::1111']) t.ok(isPublicAddress(address), address);
  for (const address of ['::ffff:127.0.0.1', '10.1.2.3', 'fd00::1', 'not an address']) t.notOk(isPublicAddress(address), address);
});

t.test('clients, users and keys are managed by command', async (t) => {
  const env = { PATH: process.env['PATH']!, DATABASE_URL: service.databaseUrl, KEYS_FILE: keysFile, DATA_DIR: folder };
  const run = async (command: string, words: readonly string[], input = ''): Promise<{ code: number; out: string; err: string }> => {
    const child = spawn(process.execPath, [`src/commands/${command}.ts`, ...words], { env });
    child.stdin.end(input);
    const ended = new Promise<number>((resolve) => { child.on('close', (code) => { resolve(code ?? 1); }); });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, out, err };
  };
  const [added, person, hashed, weak, nothing] = await Promise.all([
    run('client', ['add', 'new-system', '--name=New system', '--scope=system/Task.rs', '--secret']),
    run('user', ['add', 'zoe', '--person=Practitioner/dr'], 'a password of some length\n'),
    run('user', ['hash'], 'a password of some length\n'),
    run('user', ['add', 'bob', '--person=Practitioner/dr'], 'short\n'),
    run('client', ['add', 'x', '--scope=system/Nothing.rs', '--public']),
  ]);
  t.match(added, { code: 0, err: '' });
  const secret = /not shown again: ([\w-]{43})\n/.exec(added.out)?.[1] ?? '';
  const token = await service.ask('token', { grant_type: 'client_credentials', scope: 'system/Task.rs' }, basic('new-system', secret));
  t.equal(token.status, 200, 'known to the running service');
  t.match(person, { code: 0, out: 'Registered zoe as Practitioner/dr.\n' });
  t.match((await signIn(new Browser(service.origin), request(service).url, { name: 'zoe', password: 'a password of some length' })).searchParams.get('code'), /./);
  t.match(hashed.out, /^scrypt\$/);
  t.match(weak, { code: 1, err: /15 characters/ });
  t.match(nothing, { code: 1, err: /system\/Nothing.rs cannot be granted/ });
  const before = (await service.ask('token', { grant_type: 'client_credentials', scope }, basic('system'))).body.access_token as string;
  const [listed, again, removed, rotated] = await Promise.all([run('client', ['list']), run('user', ['add', 'zoe', '--person=Patient/ada'], 'a password of some length'), run('client', ['remove', 'new-system']), run('keys', ['rotate'])]);
  t.match(listed.out, /new-system|^$/);
  t.notMatch(listed.out, secret, 'no secret is listed');
  t.match(again, { code: 1, err: /there is a user zoe/ });
  t.match(removed, { code: 0 });
  t.equal((await service.ask('token', { grant_type: 'client_credentials', scope: 'system/Task.rs' }, basic('new-system', secret))).status, 401, 'gone');
  t.equal((await service.ask('introspect', { token: token.body.access_token }, basic('ehr'))).body.active, false, 'with its tokens');
  t.match(rotated, { code: 0, out: /The new key is [\w-]+/ });
  const kid = /The new key is ([\w-]+)/.exec(rotated.out)?.[1];
  const kids = async (): Promise<string[]> => ((await (await fetch(`${service.issuer}/jwks`)).json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid);
  for (let attempt = 0; attempt < 50 && (await kids())[0] !== kid; attempt++) await delay(100);
  const published = await kids();
  t.strictSame([published.length, published[0]], [2, kid], 'the running service publishes both');
  const fresh = (await service.ask('token', { grant_type: 'client_credentials', scope }, basic('system'))).body.access_token as string;
  t.equal(decodeProtectedHeader(fresh).kid, kid, 'and signs with the new one');
  for (const each of [fresh, before]) t.equal((await fetch(`${service.url}/Patient/ada`, { headers: { authorization: `Bearer ${each}` } })).status, 200, 'both are read');
  const { code, out } = await run('user', ['remove', 'zoe']);
  t.match({ code, out }, { code: 0, out: /ended/ });
  t.match(await run('user', []), { code: 1, err: /usage/ });
});
