import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import t from 'tap';
import { basic, Browser, exchange, launched, password, redirectUri, request, signIn, signInService, type Said } from '../kit/authorization.ts';

// Attacks on signing in (RFC 9700, RFC 9207, SMART App Launch 2.2): each beside the same step done as it should be.

t.setTimeout(180_000);

const service = await signInService(t, { env: { RATE_LIMIT_STRANGER: '100000' }, more: [
  { client_id: 'spoof', client_name: 'Ministry <img src=x onerror=alert(1)> "of" Health\' & <script>alert(1)</script>', token_endpoint_auth_method: 'none', redirect_uris: ['https://spoof.example/back'], scope: 'patient/*.rs' },
] });
const read = (token: string, path = 'Observation'): Promise<number> => fetch(`${service.url}/${path}`, { headers: { authorization: `Bearer ${token}` } }).then(async (response) => { await response.text(); return response.status; });
const begin = async (change: Record<string, string | undefined>, more = ''): Promise<{ page?: Said; back?: URL }> => {
  const browser = new Browser(service.origin);
  return browser.follow(await browser.go(`${request(service, change).url}${more}`));
};
const pageOf = async (browser: Browser, url: string): Promise<Said> => (await browser.follow(await browser.go(url))).page!;

await t.test('where an answer is sent: to the letter where it was registered, whatever it is dressed up as', async (t) => {
  const evil = [
    'https://app.example/after-sign-in/', 'https://app.example/after-sign-in/../evil', 'https://app.example/after-sign-in?x=1', 'https://app.example/after-sign-in#x', 'https://app.example/After-Sign-In', 'https://app.example:443/after-sign-in', 'https://app.example:8443/after-sign-in',
    'https://app.example.evil.example/after-sign-in', 'https://app.example@evil.example/after-sign-in', 'https://evil.example/https://app.example/after-sign-in', 'https://evil.example#https://app.example/after-sign-in', 'http://app.example/after-sign-in', '//app.example/after-sign-in', '/after-sign-in', 'after-sign-in',
    'https://app.example/after-sign-in%0d%0aSet-Cookie:x=1', 'https://app.example/after-sign-in\r\nX: 1', 'https://app.example\\after-sign-in', 'https://app.example/after-sign-in%2f..', 'javascript:alert(1)', 'data:text/html,x', 'http://127.0.0.1:9091/', 'http://127.0.0.1/', 'http://localhost:9090/', 'https://other.example/', '', ' https://app.example/after-sign-in',
  ];
  for (const uri of evil) {
    const { page, back } = await begin({ redirect_uri: uri });
    t.equal(back, undefined, `${uri}: nobody is sent there`);
    t.equal(page?.status, 400, uri);
  }
  t.match((await begin({ redirect_uri: redirectUri })).page?.text, /name="password"/, 'the control');
  const twice = await begin({}, `&redirect_uri=${encodeURIComponent('https://evil.example/')}`);
  t.equal(twice.back, undefined, 'two of them');
  t.equal(twice.page?.status, 400);
});

await t.test('the authorization request: every downgrade and every mix-up is refused, and says which issuer refused it', async (t) => {
  const cases: Readonly<Record<string, [Record<string, string | undefined>, more?: string]>> = {
    'PKCE left out': [{ code_challenge: undefined, code_challenge_method: undefined }], 'PKCE plain': [{ code_challenge_method: 'plain' }], 'PKCE without a method': [{ code_challenge_method: undefined }], 'PKCE blank': [{ code_challenge: '' }], 'PKCE too short': [{ code_challenge: 'x' }], 'a method that is none': [{ code_challenge_method: 'S512' }],
    'the implicit flow': [{ response_type: 'token' }], 'the hybrid flow': [{ response_type: 'code id_token' }], 'an id token alone': [{ response_type: 'id_token' }], 'nothing': [{ response_type: 'none' }], 'the answer posted by a form': [{ response_mode: 'form_post' }], 'the answer in the fragment': [{ response_mode: 'fragment' }], 'the answer to another window': [{ response_mode: 'web_message' }],
    'a request object': [{ request: 'x.y.z' }], 'a request object elsewhere': [{ request_uri: 'https://169.254.169.254/' }], 'a registration in the request': [{ registration: '{}' }], 'claims': [{ claims: '{"id_token":{"sub":{"value":"x"}}}' }],
    'no aud': [{ aud: undefined }], 'another aud': [{ aud: 'https://evil.example/fhir' }], 'aud twice': [{}, '&aud=https://evil.example/fhir'], 'another resource': [{ resource: 'https://evil.example/' }], 'a scope twice': [{}, '&scope=patient/*.cruds'], 'state twice': [{}, '&state=x'], 'a client twice': [{}, '&client_id=other-app'],
  };
  for (const [name, [change, more]] of Object.entries(cases)) {
    const { page, back } = await begin(change, more);
    t.equal(back?.searchParams.get('code') ?? null, null, name);
    if (back === undefined && page!.status < 400) {
      // what is not understood is ignored: then the answer goes the usual way, by code, to where it belongs
      t.match(page!.text, /name="password"/, `${name}: as if it were not there`);
      t.ok(['claims', 'a registration in the request', 'the answer posted by a form', 'the answer in the fragment'].includes(name), `${name}: must not be ignored`);
    } else if (back !== undefined) {
      t.equal(`${back.origin}${back.pathname}`, redirectUri, name);
      t.equal(back.searchParams.get('iss') ?? new URLSearchParams(back.hash.slice(1)).get('iss'), service.issuer, `${name}: by whom (RFC 9207)`);
    }
  }
});

await t.test('the page shows who asks as text, cannot be framed, runs nothing and sends forms home only', async (t) => {
  const page = (await begin({ client_id: 'spoof', redirect_uri: 'https://spoof.example/back', scope: 'launch/patient patient/Observation.rs' })).page!;
  t.equal(page.status, 200);
  t.notMatch(page.text, /<img|<script|onerror=alert\(1\)>/, 'no element of the name');
  t.match(page.text, /Ministry &lt;img/);
  const policy = page.headers.get('content-security-policy') ?? '';
  t.match(policy, /default-src 'none'/);
  t.match(policy, /frame-ancestors 'none'/);
  t.match(policy, /form-action/);
  t.notMatch(policy, /unsafe-(?:inline|eval)|script-src (?!'none')/);
  t.equal(page.headers.get('x-frame-options')?.toUpperCase(), 'DENY');
  t.match(page.headers.get('cache-control'), /no-store/);
  t.match(page.headers.get('referrer-policy'), /^(?:no-referrer|same-origin)$/);
  for (const hint of ['"><script>alert(1)</script>', "' onfocus=alert(1) autofocus='", '{{7*7}}']) {
    const hinted = (await begin({ login_hint: hint, state: hint, nonce: hint, ui_locales: hint })).page!;
    t.notOk(hinted.text.includes(hint), `not as it came: ${hint}`);
  }
});

await t.test('a session is not one that somebody else chose, and a code not one that was planted', async (t) => {
  const fixed = new Browser(service.origin);
  const { url } = request(service);
  const first = await fixed.go(url, undefined, { cookie: 'intersession=chosen-by-somebody-else; intersession-signin=chosen; intersession-resume=chosen' });
  t.ok(first.status === 303 || first.status === 302);
  const before = fixed.cookies;
  await signIn(fixed, url);
  t.notOk(fixed.cookies.includes('chosen-by-somebody-else'));
  t.ok(fixed.cookies.some((cookie) => !before.includes(cookie)), 'signing in changes the session');
  // the code of the attacker's own sign-in, in the victim's app: its verifier is another
  const attacker = request(service);
  const code = (await signIn(new Browser(service.origin), attacker.url)).searchParams.get('code')!;
  t.equal((await exchange(service, code, request(service).verifier)).status, 400, 'a code that was injected');
  t.equal((await exchange(service, code, '')).status, 400, 'without a verifier');
  t.equal((await exchange(service, code, createHash('sha256').update(attacker.verifier).digest('base64url'))).status, 400, 'with the challenge as verifier');
  const again = request(service);
  const fresh = (await signIn(new Browser(service.origin), again.url)).searchParams.get('code')!;
  t.equal((await exchange(service, fresh, again.verifier)).status, 200, 'the control');
});

await t.test('what is a token of one kind is none of another', async (t) => {
  const { body } = await launched(service);
  const { access_token: access, id_token: id, refresh_token: refresh } = body as Record<string, string>;
  t.equal(await read(access!), 200, 'the control');
  for (const [name, token] of Object.entries({ 'an id token': id!, 'a refresh token': refresh! })) t.equal(await read(token), 401, name);
  const refreshing = (token: string, more: Record<string, string> = {}): Promise<Said> => service.ask('token', { grant_type: 'refresh_token', refresh_token: token, client_id: 'app', ...more });
  t.equal((await refreshing(access!)).status, 400, 'an access token as refresh token');
  t.equal((await refreshing(id!)).status, 400, 'an id token as refresh token');
  t.equal((await service.ask('token', { grant_type: 'authorization_code', code: refresh!, redirect_uri: redirectUri, client_id: 'app', code_verifier: 'x'.repeat(43) })).status, 400, 'a refresh token as code');
  t.equal((await refreshing(refresh!, { scope: 'patient/*.cruds' })).status, 400, 'more than was granted');
  t.equal((await refreshing(refresh!, { client_id: 'spoof' })).status, 400, 'of another client');
  for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:token-exchange', 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'urn:ietf:params:oauth:grant-type:device_code', 'urn:openid:params:grant-type:ciba', '__proto__', '']) {
    const answer = await service.ask('token', { grant_type: grant, username: 'dee', password, client_id: 'app', assertion: access!, subject_token: access! });
    t.equal(answer.status, 400, `the grant ${grant}`);
  }
  const next = await refreshing(refresh!);
  t.equal(next.status, 200, 'the control: none of that used it up');
  t.equal((await refreshing(next.body.refresh_token as string, { resource: 'https://evil.example/' })).status, 400, 'for another server');
});

await t.test('a token that somebody else signed, or nobody, whatever its header says', async (t) => {
  const { body } = await launched(service, { scope: 'launch/patient patient/Observation.rs' });
  const token = body.access_token as string;
  const claims = decodeJwt(token) as JWTPayload;
  const header = decodeProtectedHeader(token) as { alg: string; kid: string; typ: string };
  const mine = await generateKeyPair('RS256');
  const publicJwk = { ...await exportJWK(mine.publicKey), kid: header.kid, alg: 'RS256', use: 'sig' };
  const published = ((await (await fetch(`${service.issuer}/jwks`)).json()) as { keys: Record<string, unknown>[] }).keys[0]!;
  const forge = (change: Record<string, unknown>, key: Parameters<SignJWT['sign']>[0] = mine.privateKey, payload: JWTPayload = claims): Promise<string> => new SignJWT(payload).setProtectedHeader({ ...header, ...change } as { alg: string }).sign(key);
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const forged: Readonly<Record<string, string>> = {
    'another key': await forge({}), 'its key in the header': await forge({ jwk: publicJwk }), 'its key elsewhere': await forge({ jku: 'https://evil.example/jwks' }), 'a certificate': await forge({ x5c: ['MIIB'] }), 'a certificate elsewhere': await forge({ x5u: 'https://evil.example/x' }), 'a kid that is a path': await forge({ kid: '../../../../dev/null' }), 'a kid that is SQL': await forge({ kid: "' or 1=1 --" }), 'no kid': await forge({ kid: undefined }),
    'the public key as a secret': await forge({ alg: 'HS256' }, bytes(JSON.stringify(published))), 'its modulus as a secret': await forge({ alg: 'HS256' }, bytes(String(published['n']))), 'an empty secret': await forge({ alg: 'HS256', kid: '' }, new Uint8Array(32)),
    'a header that must be understood': `${Buffer.from(JSON.stringify({ ...header, crit: ['x'], x: 1 })).toString('base64url')}.${token.split('.').slice(1).join('.')}`, 'signed twice over': `${token}.${token}`, 'with a blank': `${token.slice(0, 20)} ${token.slice(20)}`, 'encrypted': `${token}.x.y`, 'in JSON': JSON.stringify({ payload: token.split('.')[1], signatures: [] }),
    'alg none': `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')}.${token.split('.')[1]}.`, 'alg nOnE': `${Buffer.from(JSON.stringify({ ...header, alg: 'nOnE' })).toString('base64url')}.${token.split('.')[1]}.`,
  };
  t.equal(await read(token), 200, 'the control');
  for (const [name, each] of Object.entries(forged)) t.equal(await read(each), 401, name);
  for (const scheme of ['Basic', 'bearer bearer', 'DPoP', 'Token', '']) t.equal((await fetch(`${service.url}/Observation`, { headers: { authorization: `${scheme} ${token}`.trim() } })).status, 401, `${scheme} as its scheme`);
  t.equal((await fetch(`${service.url}/Observation`, { headers: { cookie: `access_token=${token}; intersession=${token}` } })).status, 401, 'a cookie is no access');
});

await t.test('an app is not another app, and an EHR’s launch not for everybody', async (t) => {
  const { url, verifier } = request(service, { client_id: 'secret-app' });
  const code = (await signIn(new Browser(service.origin), url)).searchParams.get('code')!;
  const ask = (form: Record<string, string>, headers: Record<string, string> = {}): Promise<Said> => service.ask('token', { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, ...form }, headers);
  t.equal((await ask({ client_id: 'secret-app' })).status, 401, 'without its secret');
  t.equal((await ask({}, basic('secret-app', 'wrong'))).status, 401, 'with another secret');
  t.equal((await ask({ client_id: 'secret-app', client_secret: 'x' })).status, 401, 'with a secret in another place');
  t.equal((await ask({ client_id: 'app' }, basic('secret-app'))).status, 400, 'in two names');
  t.equal((await ask({ client_id: 'secret-app', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: 'x.y.z' })).status, 400, 'with an assertion that is none');
  t.equal((await ask({}, basic('secret-app'))).status, 200, 'the control');
  t.equal((await service.ask('introspect', { token: code }, basic('system'))).body.active, false, 'a code tells nobody anything');
  t.equal((await service.ask('introspect', { token: 'x' }, {})).status, 400, 'asking needs a client');
  const ehr = (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('ehr'))).body.access_token as string;
  const open = async (body: object): Promise<string> => ((await (await fetch(`${service.issuer}/launch`, { method: 'POST', headers: { authorization: `Bearer ${ehr}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()) as { launch: string }).launch;
  const launch = await open({ patient: 'ada', client_id: 'secret-app' });
  const stolen = { launch, scope: 'launch patient/Observation.rs' };
  t.equal((await signIn(new Browser(service.origin), request(service, stolen).url).catch((error: Error) => error.message) as URL).searchParams?.get('error'), 'invalid_request', 'by another app');
  t.equal((await signIn(new Browser(service.origin), request(service, { launch: await open({ patient: 'cy' }), scope: 'launch patient/Observation.rs' }).url)).searchParams.get('error'), 'access_denied', 'for a person who does not treat that client');
  const own = request(service, { ...stolen, client_id: 'secret-app' });
  t.match((await signIn(new Browser(service.origin), own.url)).searchParams.get('code'), /./, 'the control');
});

await t.test('no name is told from none: not by words, not by time, not by a success in between', async (t) => {
  const { url } = request(service);
  const attempt = async (name: string, typed: string): Promise<{ status: number; ms: number; text: string }> => {
    const browser = new Browser(service.origin);
    const page = await pageOf(browser, url);
    const started = performance.now();
    const { page: after, back } = await browser.submit(page, [['name', name], ['password', typed], ['action', 'login']]);
    return { status: back === undefined ? after!.status : 302, ms: performance.now() - started, text: (after?.text ?? '').replaceAll(name, 'NAME').replaceAll(/[\w-]{30,}/g, '') };
  };
  const [known, unknown] = [await attempt('ada', 'wrong'), await attempt('ghost', 'wrong')];
  t.strictSame([known.status, known.text], [unknown.status, unknown.text]);
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let n = 0; n < 4; n++) {
    times.known.push((await attempt('ada', 'wrong')).ms);
    times.unknown.push((await attempt(`ghost${n}`, 'wrong')).ms);
  }
  const least = (list: number[]): number => Math.min(...list);
  t.ok(least(times.unknown) > 0.4 * least(times.known), `an unknown name takes as long: ${Math.round(least(times.unknown))} and ${Math.round(least(times.known))} ms`);
  // many names, and now and then one's own: the address is counted on
  await service.database.query('delete from authorization_attempt', []);
  for (let n = 0; n < 3; n++) await attempt(`sprayed${n}`, 'Password1');
  t.equal((await attempt('dee', password)).status, 200);
  const [row] = await service.database.query<{ failures: number }>("select failures from authorization_attempt where key = sha256('address 127.0.0.1')", []);
  t.equal(row!.failures, 3, 'a success forgives itself, not the failures of others');
});

await t.test('what an erased person’s record was opened for ends with it', async (t) => {
  await service.as()('PUT', 'Patient/gone', { resourceType: 'Patient', id: 'gone', name: [{ family: 'Gone' }] });
  await service.as()('POST', 'CareTeam', { resourceType: 'CareTeam', status: 'active', subject: { reference: 'Patient/gone' }, participant: [{ member: { reference: 'Practitioner/dr' } }] });
  const scope = 'launch/patient offline_access patient/Patient.rs';
  const { body } = await launched(service, { scope }, { patient: 'gone' });
  const other = (await launched(service, { scope }, { patient: 'bo' })).body;
  const ehr = (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('ehr'))).body.access_token as string;
  await fetch(`${service.issuer}/launch`, { method: 'POST', headers: { authorization: `Bearer ${ehr}`, 'content-type': 'application/json' }, body: JSON.stringify({ patient: 'gone' }) });
  const named = async (): Promise<number> => Number((await service.database.query<{ n: string }>(`select count(*)::text as n from authorization_entry where payload like '%"gone"%'`, []))[0]!.n);
  t.equal(await named(), 2, 'the grant and the launch name the record');
  const admin = service.as();
  const confirm = ((await admin('POST', 'Patient/gone/$erase')).body.parameter as { name: string; valueString?: string }[]).find(({ name }) => name === 'confirm')!.valueString;
  t.equal((await admin('POST', 'Patient/gone/$erase', { resourceType: 'Parameters', parameter: [{ name: 'confirm', valueString: confirm }] })).status, 200);
  t.equal(await named(), 0);
  const refresh = (token: string): Promise<Said> => service.ask('token', { grant_type: 'refresh_token', refresh_token: token, client_id: 'app' });
  t.equal((await refresh(body.refresh_token as string)).status, 400, 'the grant is over');
  t.ok([401, 200].includes(await read(body.access_token as string, 'Patient')), 'what is left of the token opens nothing');
  t.equal((await refresh(other.refresh_token as string)).status, 200, 'the control: that of somebody else goes on');
});

await t.test('requests to sign in are limited by address, with room for others at the FHIR API', async (t) => {
  const limited = await signInService(t, { env: { RATE_LIMIT_STRANGER: '20' } });
  const statuses: number[] = [];
  let last: Said | undefined;
  for (let n = 0; n < 30; n++) statuses.push((last = await limited.ask('token', { grant_type: 'client_credentials', client_id: `guess${n}`, client_secret: randomBytes(20).toString('hex') })).status);
  t.ok(statuses.filter((status) => status === 429).length >= 10, statuses.join(", "));
  t.match(last!.headers.get('retry-after'), /^[1-9]\d?$/);
  t.equal(last!.body.error, 'temporarily_unavailable');
  for (const path of ['authorize', 'jwks', '.well-known/openid-configuration', 'signin/x']) t.equal((await fetch(`${limited.issuer}/${path}`)).status, 429, path);
  t.equal((await limited.as()('GET', 'Patient/ada')).status, 200, 'the control: who has access goes on');
});

await t.test('an address is what the operator’s own proxies say, and nobody else', async (t) => {
  const open = await signInService(t, { env: { RATE_LIMIT_STRANGER: '5' } });
  const statuses = async ({ url }: { url: string }, forwarded: (n: number) => string): Promise<number[]> => {
    const found: number[] = [];
    for (let n = 0; n < 8; n++) {
      const response = await fetch(`${url}/Patient`, { headers: { authorization: 'Bearer nonsense', 'x-forwarded-for': forwarded(n) } });
      await response.text();
      found.push(response.status);
    }
    return found;
  };
  const five = [401, 401, 401, 401, 401, 429, 429, 429];
  t.same(await statuses(open, (n) => `203.0.113.${n}`), five, 'without a proxy it is a header like any other');
  const behind = await signInService(t, { env: { RATE_LIMIT_STRANGER: '5', TRUSTED_PROXIES: '127.0.0.1 10.1.0.0/16' } });
  t.same(await statuses(behind, (n) => `203.0.113.${n}, 10.1.2.3`), Array.from({ length: 8 }, () => 401), 'the control: eight clients behind two proxies');
  t.same(await statuses(behind, (n) => `198.51.100.${n}, 203.0.113.99`), five, 'what a client puts before it is not believed');
  t.same(await statuses(behind, (n) => `198.51.100.${n}, 203.0.113.98, unknown`), five, 'nor what stands beyond something that is no address');
  const rows = await behind.database.query<{ address: string }>("select distinct address from audit_event where outcome = '4' order by address", []);
  t.ok(rows.some(({ address }) => address === '203.0.113.99') && !rows.some(({ address }) => address.startsWith('198.51.100')), 'and the log has it');
});
