import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
import t from 'tap';
import type { Event, Log } from '../../src/log.ts';
import { basic, Browser, clientSecret, exchange, launched, offered, password, redirectUri, request, signIn, signInService, type Said } from '../kit/authorization.ts';

// SMART App Launch 2.2 as an app meets it: each refusal beside the same request with the one thing put right.

t.setTimeout(120_000); // alone it takes 5 s

const events: Event[] = [];
const note = (event: Event): void => { events.push(event); };
const log: Log = { debug: note, info: note, warn: note, error: note };
const service = await signInService(t, { log });

const read = (token: string, path: string): Promise<number> => fetch(`${service.url}/${path}`, { headers: { authorization: `Bearer ${token}` } }).then(async (response) => { await response.text(); return response.status; });
const introspect = (token: string, headers = basic('ehr')): Promise<Said> => service.ask('introspect', { token }, headers);
const refresh = (token: string, more: Record<string, string> = {}): Promise<Said> => service.ask('token', { grant_type: 'refresh_token', refresh_token: token, client_id: 'app', ...more });

/** What an authorization request leads to without anybody being asked. */
const answer = async (change: Record<string, string | undefined>): Promise<{ page?: Said; back?: URL }> => {
  const browser = new Browser(service.origin);
  return browser.follow(await browser.go(request(service, change).url));
};

t.test('a standalone launch: sign in, choose whose record, choose what for', async (t) => {
  const { url, verifier, state } = request(service);
  const browser = new Browser(service.origin);
  const login = (await browser.follow(await browser.go(url))).page!;
  t.equal(login.status, 200);
  t.match(login.text, /<strong>Test app<\/strong>/);
  const list = (await browser.submit(login, [['name', 'dee'], ['password', password], ['action', 'login']])).page!;
  t.match(list.text, /Ada Ames, born 1990-01-02/);
  t.match(list.text, /Bo &lt;script&gt; Berg/, 'names are text');
  t.notMatch(list.text, /Cole/, 'who is not in care is not listed');
  const scopes = (await browser.submit(list, [['patient', 'ada']])).page!;
  t.strictSame(offered(scopes), ['patient/Observation.rs', 'patient/Task.rs', 'openid', 'fhirUser', 'offline_access']);
  t.match(scopes.text, /See scores and observations in Ada Ames’s record/, 'in plain words');
  const { back } = await browser.submit(scopes, [['scope', 'patient/Observation.rs'], ['scope', 'openid'], ['scope', 'fhirUser'], ['action', 'grant']]);
  t.equal(`${back!.origin}${back!.pathname}`, redirectUri);
  t.equal(back!.searchParams.get('state'), state);
  t.equal(back!.searchParams.get('iss'), service.issuer);
  const { status, body, headers } = await exchange(service, back!.searchParams.get('code')!, verifier);
  t.match({ status, body }, { status: 200, body: { token_type: 'Bearer', expires_in: 300, patient: 'ada', need_patient_banner: true, smart_style_url: `${service.issuer}/smart-style.json` } });
  t.match(headers.get('cache-control'), /no-store/);
  t.equal(headers.get('pragma'), 'no-cache');
  t.strictSame(new Set(body.scope.split(' ')), new Set(['launch/patient', 'openid', 'fhirUser', 'patient/Observation.rs']), 'the subset that was ticked, and it says so');
  t.notOk('refresh_token' in body, 'staying connected was not ticked');
  t.equal(await read(body.access_token, 'Observation'), 200);
  t.equal(await read(body.access_token, 'Task'), 403, 'what was unticked');
  t.equal(await read(body.access_token, 'Patient/bo'), 403, 'a type that was not asked for');
  t.equal((await fetch(body.smart_style_url)).status, 200);
  const keys = createRemoteJWKSet(new URL(`${service.issuer}/jwks`));
  const { payload } = await jwtVerify(body.id_token, keys, { issuer: service.issuer, audience: 'app', algorithms: ['RS256'] });
  t.equal(payload['fhirUser'], `${service.url}/Practitioner/dr`);
  t.equal(payload.sub, decodeJwt(body.access_token).sub);
  t.equal(await read(body.id_token, 'Observation'), 401, 'an identity token is no access token');
});

t.test('who is a client is not asked whose record it is', async (t) => {
  const { body } = await launched(service, { scope: 'launch/patient openid fhirUser patient/Patient.rs' }, { name: 'ada' });
  t.equal(body.patient, 'ada');
  t.equal(decodeJwt(body.id_token)['fhirUser'], `${service.url}/Patient/ada`);
  t.equal(await read(body.access_token, 'Patient/ada'), 200);
  t.equal(await read(body.access_token, 'Patient/bo'), 404, 'nobody else’s record');
});

t.test('version 1 scopes, user scopes and confidential clients', async (t) => {
  const old = await launched(service, { scope: 'launch/patient patient/*.read' });
  t.match(old.body.scope, /patient\/\*\.read/);
  t.equal(await read(old.body.access_token, 'Patient/ada'), 200);
  const user = await launched(service, { scope: 'openid fhirUser user/Patient.rs' });
  t.notOk('patient' in user.body, 'no patient was asked for');
  t.equal(await read(user.body.access_token, 'Patient/bo'), 200, 'in care');
  t.equal(await read(user.body.access_token, 'Patient/cy'), 404, 'not in care');
  for (const [client_id, redirect, headers, form] of [['secret-app', redirectUri, basic('secret-app'), {}], ['other-app', 'https://other.example/', {}, { client_secret: clientSecret }]] as const) {
    const { url, verifier } = request(service, { client_id, redirect_uri: redirect });
    const code = (await signIn(new Browser(service.origin), url)).searchParams.get('code')!;
    const given = { client_id, redirect_uri: redirect, ...form } as Record<string, string>;
    t.match(await exchange(service, code, verifier, { ...given, ...(client_id === 'other-app' ? { client_secret: 'x'.repeat(40) } : {}) }, client_id === 'other-app' ? {} : basic(client_id, 'x'.repeat(40))), { status: 401, body: { error: 'invalid_client' } }, `${client_id}: a wrong secret`);
    t.match(await exchange(service, code, verifier, { client_id, redirect_uri: redirect }), { status: 401, body: { error: 'invalid_client' } }, `${client_id}: no secret`);
    t.match(await exchange(service, code, verifier, given, headers), { status: 200, body: { patient: 'ada' } }, `${client_id}: its own`);
  }
});

t.test('a scope beyond the registration or of the client itself is not offered', async (t) => {
  const { url } = request(service, { scope: 'launch/patient patient/Task.rs system/*.rs patient/Task.dus patient/Nothing.rs foo' });
  const browser = new Browser(service.origin);
  const login = (await browser.follow(await browser.go(url))).page!;
  const own = (await browser.submit(login, [['name', 'ada'], ['password', password], ['action', 'login']])).page!;
  t.strictSame(offered(own), ['patient/Task.rs']);
  const forged = await browser.submit(own, [['scope', 'patient/Task.rs'], ['scope', 'system/*.rs'], ['scope', 'patient/*.cruds'], ['patient', 'bo'], ['action', 'grant']]);
  const said = forged.back!.searchParams;
  t.ok(said.get('code'));
});

t.test('a client that is registered for itself and for people keeps the two apart', async (t) => {
  const { url, verifier } = request(service, { client_id: 'both', scope: 'launch/patient patient/Task.rs system/*.rs' });
  const browser = new Browser(service.origin);
  const login = (await browser.follow(await browser.go(url))).page!;
  const own = (await browser.submit(login, [['name', 'ada'], ['password', password], ['action', 'login']])).page!;
  t.strictSame(offered(own), ['patient/Task.rs'], 'a person is not asked for what is the client’s own');
  const { back } = await browser.submit(own, [['scope', 'patient/Task.rs'], ['scope', 'system/*.rs'], ['action', 'grant']]);
  const { body } = await exchange(service, back!.searchParams.get('code')!, verifier, { client_id: 'both' }, basic('both'));
  t.strictSame(new Set(body.scope.split(' ')), new Set(['launch/patient', 'patient/Task.rs']));
  const open = (token: string): Promise<number> => fetch(`${service.issuer}/launch`, { method: 'POST', headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' }, body: '{}' }).then(({ status }) => status);
  t.equal(await open(body.access_token), 403, 'a person’s token opens no launch');
  const itself = await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('both'));
  t.equal(await open(itself.body.access_token), 201, 'the control: its own does');
});

t.test('what a form adds is not granted: no scope and no record that was not offered', async (t) => {
  const { url, verifier } = request(service, { scope: 'launch/patient patient/Task.rs' });
  const browser = new Browser(service.origin);
  const login = (await browser.follow(await browser.go(url))).page!;
  const list = (await browser.submit(login, [['name', 'dee'], ['password', password], ['action', 'login']])).page!;
  const scopes = (await browser.submit(list, [['patient', 'ada']])).page!;
  const { back } = await browser.submit(scopes, [['scope', 'patient/Task.rs'], ['scope', 'patient/*.cruds'], ['scope', 'system/*.rs'], ['scope', 'offline_access'], ['action', 'grant']]);
  const { body } = await exchange(service, back!.searchParams.get('code')!, verifier);
  t.strictSame(new Set(body.scope.split(' ')), new Set(['launch/patient', 'patient/Task.rs']));
  for (const record of ['cy', 'nobody-here']) {
    const other = request(service);
    const again = new Browser(service.origin);
    const page = (await again.follow(await again.go(other.url))).page!;
    const choose = (await again.submit(page, [['name', 'dee'], ['password', password], ['action', 'login']])).page!;
    t.equal((await again.submit(choose, [['patient', record]])).back?.searchParams.get('error'), 'access_denied', `${record}: not in care and not there are the same`);
  }
});

t.test('the authorization request', async (t) => {
  const challenge = createHash('sha256').update('x'.repeat(43)).digest('base64url');
  t.match((await answer({})).page, { status: 200 }, 'the control: somebody is asked');
  const refusedToApp: Record<string, [Record<string, string | undefined>, string]> = {
    'no aud': [{ aud: undefined }, 'invalid_request'],
    'aud of another server': [{ aud: 'https://evil.example/fhir' }, 'invalid_request'],
    'aud that only begins right': [{ aud: `${service.url}/evil` }, 'invalid_request'],
    'no PKCE': [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    'a blank challenge': [{ code_challenge: '' }, 'invalid_request'],
    'plain PKCE': [{ code_challenge_method: 'plain' }, 'invalid_request'],
    'no method, which means plain': [{ code_challenge_method: undefined }, 'invalid_request'],
    'a challenge that is too short': [{ code_challenge: 'short' }, 'invalid_request'],
    'implicit flow': [{ response_type: 'token' }, 'unsupported_response_type'],
    'hybrid flow': [{ response_type: 'code id_token', nonce: 'n' }, 'unsupported_response_type'],
    'a resource of somebody else': [{ resource: 'https://evil.example/fhir' }, 'invalid_target'],
    'a launch nobody opened': [{ scope: 'launch patient/*.rs', launch: 'made-up' }, ''],
    'without asking anybody': [{ prompt: 'none' }, 'login_required'],
    'a request object': [{ request: 'e30.e30.' }, 'request_not_supported'],
    'a request by reference': [{ request_uri: 'https://evil.example/' }, 'request_uri_not_supported'],
  };
  for (const [name, [change, error]] of Object.entries(refusedToApp)) {
    const { back, page } = await answer({ code_challenge: challenge, ...change });
    if (error === '') t.equal(page?.status, 200, `${name}: found out after signing in`);
    else t.equal(new URLSearchParams(back?.search || back?.hash.slice(1)).get('error'), error, name);
    t.notMatch(back?.href, /[?&#](?:code|access_token|id_token)=/, name);
  }
  for (const [name, change] of Object.entries({
    'another redirect URI': { redirect_uri: 'https://evil.example/' }, 'a longer redirect URI': { redirect_uri: `${redirectUri}/more` }, 'a query that is not registered': { redirect_uri: `${redirectUri}?x=1` },
    'another port of the loopback address': { redirect_uri: 'http://127.0.0.1:9091/' }, 'no redirect URI': { redirect_uri: undefined }, 'no client': { client_id: undefined }, 'an unknown client': { client_id: 'nobody' }, 'a client without people': { client_id: 'system' }, 'another client’s redirect URI': { client_id: 'other-app' },
  })) {
    const { back, page } = await answer(change);
    t.equal(back, undefined, `${name}: nobody is sent anywhere`);
    t.ok(page!.status >= 400 && page!.status < 500, `${name}: ${page!.status}`);
    t.match(page!.text, /This did not work/, name);
    t.match(page!.headers.get('content-security-policy'), /default-src 'none'/, name);
  }
  const posted = await fetch(`${service.issuer}/authorize`, { method: 'POST', redirect: 'manual', body: new URL(request(service).url).searchParams });
  t.equal(posted.status, 303, 'a request that is posted goes on as a query');
  t.ok(posted.headers.get('location')?.startsWith(`${service.issuer}/authorize?response_type=code&`));
  t.equal((await fetch(`${service.issuer}/authorize`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ state: 'x'.repeat(20_000) }) })).status, 413, 'not at any length');
});

t.test('a made-up, strange or used launch is refused once it is known who asks', async (t) => {
  const { url } = request(service, { scope: 'launch openid patient/*.rs', launch: 'made-up' });
  t.equal((await signIn(new Browser(service.origin), url)).searchParams.get('error'), 'invalid_request');
});

t.test('the code: once, by the app it was given to, with its verifier, for the same redirect URI', async (t) => {
  const fresh = async (): Promise<{ code: string; verifier: string }> => {
    const { url, verifier } = request(service);
    return { code: (await signIn(new Browser(service.origin), url)).searchParams.get('code')!, verifier };
  };
  const { code, verifier } = await fresh();
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const wrong: Record<string, [Record<string, string>, number, Record<string, string>?]> = {
    'another verifier': [{ code_verifier: randomBytes(32).toString('base64url') }, 400],
    'the challenge as verifier': [{ code_verifier: challenge }, 400],
    'a blank verifier': [{ code_verifier: '' }, 400],
    'a short verifier': [{ code_verifier: 'short' }, 400],
    'another redirect URI': [{ redirect_uri: 'http://127.0.0.1:9090/' }, 400],
    'another client': [{ client_id: 'secret-app' }, 400, basic('secret-app')],
    'an unknown client': [{ client_id: 'nobody' }, 401],
    'a made-up code': [{ code: 'x'.repeat(43) }, 400],
    'a blank code': [{ code: '' }, 400],
    'another grant type': [{ grant_type: 'password', username: 'dee', password }, 400],
  };
  for (const [name, [change, status, headers]] of Object.entries(wrong)) {
    const said = await exchange(service, code, verifier, change, headers);
    t.equal(said.status, status, `${name}: ${said.text}`);
    t.notOk(said.body.access_token, name);
  }
  const missing = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app' });
  t.match(await service.ask('token', missing), { status: 400, body: { error: 'invalid_grant' } }, 'no verifier');
  const good = await exchange(service, code, verifier);
  t.equal(good.status, 200, 'and the code is still good for its owner');
  t.equal(await read(good.body.access_token, 'Observation'), 200);
  t.match(await exchange(service, code, verifier), { status: 400, body: { error: 'invalid_grant' } }, 'used twice');
  t.equal(await read(good.body.access_token, 'Observation'), 401, 'what the code gave is taken back');
  t.match(await refresh(good.body.refresh_token), { status: 400, body: { error: 'invalid_grant' } }, 'all of it');
  const race = await fresh();
  const both = await Promise.all([exchange(service, race.code, race.verifier), exchange(service, race.code, race.verifier), exchange(service, race.code, race.verifier)]);
  t.ok(both.filter(({ status }) => status === 200).length <= 1, 'of several at the same moment one at most gets a token');
});

t.test('refresh tokens rotate, and one that comes back ends the family', async (t) => {
  const first = await launched(service);
  const second = await refresh(first.body.refresh_token);
  t.match(second, { status: 200, body: { patient: 'ada', scope: first.body.scope, token_type: 'Bearer', expires_in: 300, need_patient_banner: true } });
  t.not(second.body.refresh_token, first.body.refresh_token);
  const less = await refresh(second.body.refresh_token, { scope: 'patient/Task.rs' });
  t.equal(less.body.scope, 'patient/Task.rs');
  t.equal(await read(less.body.access_token, 'Observation'), 403, 'for less it gives less');
  t.match(await refresh(less.body.refresh_token, { scope: 'patient/*.cruds' }), { status: 400, body: { error: 'invalid_scope' } }, 'never more');
  t.match(await refresh(less.body.refresh_token, { client_id: 'secret-app' }), { status: 401 }, 'another client');
  t.match(await service.ask('token', { grant_type: 'refresh_token', refresh_token: less.body.refresh_token }, basic('secret-app')), { status: 400, body: { error: 'invalid_grant' } }, 'another client that authenticates');
  t.equal(await read(less.body.refresh_token, 'Task'), 401, 'a refresh token is no access token');
  const third = await refresh(less.body.refresh_token);
  t.equal(third.body.scope, first.body.scope, 'the control: the last one is good, and for all that was granted');
  t.equal(await read(third.body.access_token, 'Observation'), 200);
  t.match(await refresh(first.body.refresh_token), { status: 400, body: { error: 'invalid_grant' } }, 'the first one again');
  t.match(await refresh(third.body.refresh_token), { status: 400, body: { error: 'invalid_grant' } }, 'so the last one is not believed any more');
  t.equal(await read(third.body.access_token, 'Observation'), 401);
  const nameless = await launched(service);
  t.equal((await service.ask('token', { grant_type: 'refresh_token', refresh_token: nameless.body.refresh_token })).status, 200, 'an app without a secret need not say its name');
  t.match(await service.ask('token', { grant_type: 'refresh_token', refresh_token: 'made-up' }), { status: 400 });
  const { url, verifier } = request(service, { client_id: 'secret-app' });
  const secret = await exchange(service, (await signIn(new Browser(service.origin), url)).searchParams.get('code')!, verifier, { client_id: 'secret-app' }, basic('secret-app'));
  t.equal((await service.ask('token', { grant_type: 'refresh_token', refresh_token: secret.body.refresh_token })).status, 400, 'an app with a secret must');
  t.equal((await service.ask('token', { grant_type: 'refresh_token', refresh_token: secret.body.refresh_token }, basic('secret-app'))).status, 200);
  const online = await launched(service, { scope: 'launch/patient online_access patient/Task.rs' });
  t.equal((await refresh(online.body.refresh_token)).status, 200, 'online access lasts as long as the session');
  const none = await launched(service, { scope: 'launch/patient patient/Task.rs' });
  t.notOk('refresh_token' in none.body);
});

t.test('revocation is effective at once, for the owner only', async (t) => {
  const one = await launched(service);
  t.equal((await service.ask('revoke', { token: one.body.access_token }, basic('secret-app'))).status, 200, 'the answer tells a stranger nothing');
  t.equal(await read(one.body.access_token, 'Task'), 200, 'and nothing happens');
  t.equal((await service.ask('revoke', { token: one.body.access_token, client_id: 'app' })).status, 200);
  t.equal(await read(one.body.access_token, 'Task'), 401);
  t.equal((await refresh(one.body.refresh_token)).status, 400);
  const two = await launched(service);
  t.equal(await read(two.body.access_token, 'Task'), 200, 'another launch goes on');
  t.equal((await service.ask('revoke', { token: two.body.refresh_token, client_id: 'app', token_type_hint: 'refresh_token' })).status, 200);
  t.equal(await read(two.body.access_token, 'Task'), 401);
  t.equal((await service.ask('revoke', { token: 'nonsense', client_id: 'app' })).status, 200);
  t.equal((await service.ask('revoke', { token: two.body.access_token })).status, 400, 'nobody');
  const system = await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('system'));
  t.equal(await read(system.body.access_token, 'Task'), 200);
  await service.ask('revoke', { token: system.body.access_token }, basic('system'));
  t.equal(await read(system.body.access_token, 'Task'), 401);
});

t.test('introspection tells a resource server, and nobody else, what a token is', async (t) => {
  const { body } = await launched(service);
  t.match(await introspect(body.access_token), { status: 200, body: { active: true, client_id: 'app', scope: body.scope, patient: 'ada', fhirUser: `${service.url}/Practitioner/dr`, iss: service.issuer, sub: '00000000-0000-4000-8000-000000000001', exp: Number, aud: service.url } });
  t.match((await introspect(body.refresh_token)).body, { active: true, client_id: 'app' });
  t.match((await introspect(body.access_token, basic('secret-app'))).body, { active: false }, 'another client learns nothing');
  t.equal((await introspect(body.access_token, {})).status, 400, 'nobody');
  t.equal((await introspect(body.access_token, basic('ehr', 'wrong'.repeat(10)))).status, 401);
  const stranger = await new SignJWT({ scope: 'patient/*.rs', client_id: 'app' }).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).setIssuer(service.issuer).setAudience(service.url).setExpirationTime('5m').setSubject('x').setJti('x').sign(Buffer.from('x'.repeat(64)));
  for (const [name, token] of Object.entries({ 'made up': 'nonsense', 'unsigned': new UnsecuredJWT(decodeJwt(body.access_token)).encode(), 'by a stranger': stranger, 'an identity token': body.id_token as string })) t.strictSame((await introspect(token)).body, { active: false }, name);
  await service.ask('revoke', { token: body.access_token, client_id: 'app' });
  t.strictSame((await introspect(body.access_token)).body, { active: false }, 'taken back');
  t.strictSame((await introspect(body.refresh_token)).body, { active: false });
});

t.test('an EHR opens a launch with what is on its screen; the app of that launch gets it, once', async (t) => {
  const ehr = (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('ehr'))).body.access_token as string;
  const open = async (of: object, token = ehr): Promise<Said> => {
    const response = await fetch(`${service.issuer}/launch`, { method: 'POST', headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(of) });
    return { status: response.status, headers: response.headers, text: '', body: await response.json() };
  };
  const begin = async (of: object): Promise<string> => (await open(of)).body.launch;
  const scope = 'launch launch/encounter openid fhirUser patient/Encounter.rs';
  const launch = await begin({ patient: 'ada', encounter: 'session-ada', client_id: 'app', fhirUser: 'Practitioner/dr', need_patient_banner: false });
  const browser = new Browser(service.origin);
  const { url, verifier } = request(service, { scope, launch });
  const page = (await browser.follow(await browser.go(url))).page!;
  const scopes = (await browser.submit(page, [['name', 'dee'], ['password', password], ['action', 'login']])).page!;
  t.match(scopes.text, /record of <strong>Ada Ames/, 'nobody is asked whose record it is');
  const { back } = await browser.submit(scopes, [...offered(scopes).map((each) => ['scope', each] as const), ['action', 'grant']]);
  const { body } = await exchange(service, back!.searchParams.get('code')!, verifier);
  t.match(body, { patient: 'ada', encounter: 'session-ada', need_patient_banner: false });
  t.strictSame(new Set(body.scope.split(' ')), new Set(['launch', 'launch/encounter', 'openid', 'fhirUser', 'patient/Encounter.rs']));
  t.match((await introspect(body.access_token)).body, { patient: 'ada', encounter: 'session-ada' });
  const outcome = async (of: object, change: Record<string, string> = {}, answers = {}): Promise<string | null> =>
    (await signIn(new Browser(service.origin), request(service, { scope, launch: await begin(of), ...change }).url, answers)).searchParams.get('error');
  t.equal((await signIn(new Browser(service.origin), request(service, { scope, launch }).url)).searchParams.get('error'), 'invalid_request', 'a second time');
  t.equal(await outcome({ patient: 'ada' }), null, 'the control');
  t.equal(await outcome({ patient: 'ada', client_id: 'secret-app' }), 'invalid_request', 'another app');
  t.equal(await outcome({ patient: 'ada', fhirUser: 'Practitioner/other' }), 'access_denied', 'another person');
  t.equal(await outcome({ patient: 'cy' }), 'access_denied', 'a record not in care');
  t.equal(await outcome({ patient: 'ada', encounter: 'session-bo' }), 'access_denied', 'an encounter of somebody else');
  t.equal(await outcome({ patient: 'bo' }, {}, { name: 'ada' }), 'access_denied', 'a client and the record of another');
  t.equal((await open({ patient: 'ada' }, (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('system'))).body.access_token)).status, 403, 'a client that is no EHR');
  t.equal((await open({ patient: 'ada' }, body.access_token)).status, 403, 'an app');
  t.equal((await open({ patient: 'ada' }, 'nonsense')).status, 401);
  for (const wrong of [{ patient: 'Patient/ada' }, { encounter: 'session-ada' }, { more: 1 }, []]) t.equal((await open(wrong)).status, 400, JSON.stringify(wrong));
});

t.test('no password is tried more than ten times in a quarter of an hour, by however many at once', async (t) => {
  const { url } = request(service);
  const attempt = async (name: string, typed: string): Promise<number> => {
    const browser = new Browser(service.origin);
    const page = (await browser.follow(await browser.go(url))).page!;
    const { page: after, back } = await browser.submit(page, [['name', name], ['password', typed], ['action', 'login']]);
    return back === undefined ? after!.status : 302;
  };
  t.equal(await attempt('nobody', password), 200, 'the control: the list of clients, which is empty');
  const statuses = await Promise.all(Array.from({ length: 13 }, () => attempt('nobody', 'wrong')));
  t.strictSame([statuses.filter((status) => status === 401).length, statuses.filter((status) => status === 429).length], [10, 3]);
  t.equal(await attempt('nobody', password), 429, 'not even the right one');
  t.equal(await attempt('Nobody', password), 429, 'however it is written');
  t.equal(await attempt('dee', password), 200, 'others go on');
  t.equal(await attempt('who is this', password), 401, 'an unknown name is answered like a wrong password');
});

t.test('forms are taken from our own pages only', async (t) => {
  const { url } = request(service);
  const browser = new Browser(service.origin);
  const page = (await browser.follow(await browser.go(url))).page!;
  const action = /method="post" action="([^"]*)"/.exec(page.text)![1]!;
  const csrf = /name="csrf" value="([^"]*)"/.exec(page.text)![1]!;
  const fields = { name: 'dee', password, action: 'login' };
  t.equal((await browser.go(action, fields)).status, 403, 'without its token');
  t.equal((await browser.go(action, { ...fields, csrf: createHmac('sha256', 'x').update('y').digest('base64url') })).status, 403, 'with another token');
  t.equal((await browser.go(action, { ...fields, csrf }, { 'sec-fetch-site': 'cross-site' })).status, 403, 'from another site');
  t.equal((await new Browser(service.origin).go(action, { ...fields, csrf })).status, 400, 'from another browser');
  t.equal((await browser.go(action, { ...fields, csrf, more: 'x'.repeat(70_000) })).status, 413, 'too large');
  t.equal((await browser.go(action, { ...fields, csrf })).status, 303, 'the control');
  t.equal((await browser.go(`${service.issuer}/signin/${'x'.repeat(30)}`)).status, 400, 'a sign-in that is not under way');
  t.match(page.headers.get('content-security-policy'), /frame-ancestors 'none'/);
  t.match(page.headers.get('set-cookie') ?? 'httponly', /httponly/i);
});

t.test('who cancels sends the app away with nothing, and who signs out ends the session', async (t) => {
  const browser = new Browser(service.origin);
  const page = (await browser.follow(await browser.go(request(service).url))).page!;
  const { back } = await browser.submit(page, [['action', 'cancel']]);
  t.equal(back!.searchParams.get('error'), 'access_denied');
  t.notOk(back!.searchParams.has('code'));
  await signIn(browser, request(service).url);
  const again = (await browser.follow(await browser.go(request(service).url))).page!;
  t.match(again.text, /Whose record/, 'the session goes on, and every launch asks');
  const stranger = await new Browser(service.origin).go(`${service.issuer}/logout`);
  t.match(stranger.text, /Sign out\?/, 'the same page for who is not signed in');
  t.notMatch(stranger.text, /<script/, 'without a script');
  t.match(stranger.headers.get('content-security-policy'), /default-src 'none'/);
  const out = (await browser.go(`${service.issuer}/logout`));
  t.match(out.text, /Sign out\?/);
  const done = (await browser.submit(out, [['logout', 'yes']])).page!;
  t.match(done.text, /You are signed out/);
  const login = (await browser.follow(await browser.go(request(service).url))).page!;
  t.match(login.text, /name="password"/);
});

t.test('a page of a registered origin may ask for tokens, no other', async (t) => {
  const cors = async (method: string, origin: string): Promise<string | null> => {
    const response = await fetch(`${service.issuer}/token`, { method, headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }, ...(method === 'POST' ? { body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'x', client_id: 'app' }) } : {}) });
    await response.text();
    return response.headers.get('access-control-allow-origin');
  };
  for (const method of ['OPTIONS', 'POST']) {
    t.equal(await cors(method, 'https://app.example'), 'https://app.example', method);
    t.equal(await cors(method, 'https://evil.example'), null, method);
    t.equal(await cors(method, 'https://app.example.evil.example'), null, method);
  }
  t.equal(await cors('POST', 'https://other.example'), null, 'the origin of another client');
  const api = async (origin: string): Promise<string | null> => (await fetch(`${service.url}/Patient`, { headers: { origin } })).headers.get('access-control-allow-origin');
  t.strictSame([await api('https://app.example'), await api('https://evil.example')], ['https://app.example', null], 'and call the API');
  t.equal((await fetch(`${service.url}/.well-known/smart-configuration`, { headers: { origin: 'https://any.example' } })).headers.get('access-control-allow-origin'), '*', 'what is public is public');
});

t.test('what is stored, logged or said in an error is no password, code, token, cookie or secret', async (t) => {
  const { url, verifier, state } = request(service);
  const browser = new Browser(service.origin);
  const code = (await signIn(browser, url)).searchParams.get('code')!;
  const { body } = await exchange(service, code, verifier);
  await exchange(service, code, verifier);
  const secrets = { password, clientSecret, code, verifier, state, access: body.access_token as string, refresh: body.refresh_token as string, ...Object.fromEntries(browser.cookies.map((value, at) => [`cookie ${at}`, value])) };
  const tables = ['authorization_entry', 'authorization_client', 'authorization_user', 'authorization_attempt', 'authorization_revocation', 'audit_event'];
  const rows = await Promise.all(tables.map((table) => service.database.query<{ row: string }>(`select row_to_json(t)::text as row from ${table} t`, [])));
  const stored = rows.flat().map(({ row }) => row).join('\n');
  const said = JSON.stringify(events);
  t.ok(stored.length > 1000 && said.length > 100, 'there is something to look at');
  for (const [name, secret] of Object.entries(secrets)) {
    if (name !== 'state') t.notOk(stored.includes(secret), `stored: ${name}`);
    t.notOk(said.includes(secret), `logged: ${name}`);
  }
  const { rows: kinds } = await service.database.pool.query<{ interaction: string; outcome: string }>('select distinct interaction, outcome::text from audit_event');
  for (const interaction of ['login', 'authorization', 'token', 'revocation', 'introspection', 'launch']) t.ok(kinds.some((row) => row.interaction === interaction && row.outcome === '0'), `the access log has a ${interaction}`);
  t.ok(kinds.some((row) => row.interaction === 'login' && row.outcome === '4'), 'and a refused login');
});
