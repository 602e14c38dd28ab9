import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, exportJWK, importJWK, jwtVerify, SignJWT, type JWK } from 'jose';
import t from 'tap';
import { basic, Browser, exchange, launched, redirectUri, request, signIn, signInService, type Said } from '../kit/authorization.ts';

// What the public certification kits (SMART App Launch STU1, STU2, STU2.2; ONC (g)(10)) look at, in their order.

t.setTimeout(120_000);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const publicKey = async (key: typeof rsa.publicKey, kid: string, alg: string): Promise<JWK> => ({ ...await exportJWK(key), kid, alg, use: 'sig', key_ops: ['verify'] });
const app = 'https://kit.example';
const service = await signInService(t, { more: [
  { client_id: 'backend', client_name: 'Backend', token_endpoint_auth_method: 'private_key_jwt', scope: 'system/*.rs', jwks: { keys: [await publicKey(rsa.publicKey, 'rsa', 'RS384'), await publicKey(ec.publicKey, 'ec', 'ES384')] } },
  { client_id: 'signed-app', client_name: 'Signed app', token_endpoint_auth_method: 'private_key_jwt', redirect_uris: [redirectUri], scope: 'patient/*.rs', jwks: { keys: [await publicKey(ec.publicKey, 'ec', 'ES384')] } },
  { client_id: 'browser-app', client_name: 'Browser app', token_endpoint_auth_method: 'none', redirect_uris: [`${app}/redirect`], scope: 'patient/*.rs user/*.rs' },
] });
const json = async (url: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers; body: any }> => {
  const response = await fetch(url, { headers: { accept: 'application/json', ...headers } });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
};
const read = (path: string, token: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers; body: any }> => json(`${service.url}/${path}`, { accept: 'application/fhir+json', authorization: `Bearer ${token}`, ...headers });
const discovery = (await json(`${service.url}/.well-known/smart-configuration`)).body;
const assertion = (client: string, change: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ iss: client, sub: client, aud: discovery.token_endpoint, exp: Math.floor(Date.now() / 1000) + 300, jti: randomBytes(32).toString('hex'), ...change }).setProtectedHeader({ alg: 'ES384', kid: 'ec', typ: 'JWT' }).sign(ec.privateKey);
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

await t.test('discovery: both documents, the same endpoints, every capability that is asked for', async (t) => {
  const { status, headers } = await json(`${service.url}/.well-known/smart-configuration`, { origin: app });
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^application\/json/);
  t.match(headers.get('access-control-allow-origin'), /./);
  for (const [field, type] of Object.entries({ authorization_endpoint: 'string', token_endpoint: 'string', introspection_endpoint: 'string', revocation_endpoint: 'string', issuer: 'string', jwks_uri: 'string' })) t.equal(typeof discovery[field], type, field);
  t.ok(['authorization_code', 'client_credentials'].every((grant) => discovery.grant_types_supported.includes(grant)));
  t.same(discovery.code_challenge_methods_supported, ['S256']);
  t.ok(discovery.token_endpoint_auth_methods_supported.includes('private_key_jwt') && discovery.token_endpoint_auth_signing_alg_values_supported.includes('ES384'));
  const wanted = ['launch-standalone', 'launch-ehr', 'authorize-post', 'client-public', 'client-confidential-symmetric', 'client-confidential-asymmetric', 'sso-openid-connect', 'context-banner', 'context-style', 'context-standalone-patient', 'context-ehr-patient', 'permission-offline', 'permission-patient', 'permission-user', 'permission-v1', 'permission-v2'];
  t.same(wanted.filter((capability) => !discovery.capabilities.includes(capability)), []);
  const metadata = await json(`${service.url}/metadata`, { accept: 'application/fhir+json', origin: app });
  t.match(metadata.headers.get('access-control-allow-origin'), /./, 'for pages of a registered app, too');
  const security = metadata.body.rest[0].security;
  t.ok(security.service.some(({ coding }: any) => coding.some(({ code }: any) => code === 'SMART-on-FHIR')));
  const uris = Object.fromEntries(security.extension.find(({ url }: any) => url === 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris').extension.map(({ url, valueUri }: any) => [url, valueUri]));
  t.same(uris, { authorize: discovery.authorization_endpoint, token: discovery.token_endpoint, introspect: discovery.introspection_endpoint, revoke: discovery.revocation_endpoint }, 'the same endpoints');
});

await t.test('a standalone launch of each kind of client, OpenID Connect and refresh', async (t) => {
  const scope = 'launch/patient openid fhirUser offline_access patient/Observation.rs patient/Practitioner.rs';
  for (const [client, back, credentials] of [['browser-app', `${app}/redirect`, async () => ({ form: { client_id: 'browser-app' }, headers: { origin: app } })], ['secret-app', redirectUri, async () => ({ form: {}, headers: basic('secret-app') })], ['signed-app', redirectUri, async () => ({ form: { client_assertion_type: assertionType, client_assertion: await assertion('signed-app') }, headers: {} })]] as const) {
    const { url, verifier, state } = request(service, { client_id: client, redirect_uri: back, scope });
    const answered = await signIn(new Browser(service.origin), url);
    t.equal(answered.searchParams.get('state'), state, client);
    const { form, headers } = await credentials() as { form: Record<string, string>; headers: Record<string, string> };
    const token = await service.ask('token', { grant_type: 'authorization_code', code: answered.searchParams.get('code')!, redirect_uri: back, code_verifier: verifier, ...form }, headers);
    t.equal(token.status, 200, token.text);
    t.match([token.headers.get('cache-control'), token.headers.get('pragma')], [/no-store/, /no-cache/]);
    if (client === 'browser-app') t.equal(token.headers.get('access-control-allow-origin'), app);
    t.match(token.body, { access_token: String, token_type: /^bearer$/i, expires_in: Number, scope: String, refresh_token: String, id_token: String, patient: 'ada', need_patient_banner: Boolean, smart_style_url: String });
    t.strictSame(new Set(token.body.scope.split(' ')), new Set(scope.split(' ')), 'what was asked is what was granted');
    t.equal((await read(`Patient/${token.body.patient}`, token.body.access_token)).status, 403, 'not granted');
    t.equal((await read('Observation?patient=ada', token.body.access_token)).status, 200);
    // OpenID Connect
    const configuration = (await json(`${decodeJwt(token.body.id_token).iss}/.well-known/openid-configuration`)).body;
    t.match(configuration, { issuer: discovery.issuer, authorization_endpoint: discovery.authorization_endpoint, token_endpoint: discovery.token_endpoint, jwks_uri: String, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'] });
    const header = decodeProtectedHeader(token.body.id_token);
    t.equal(header.alg, 'RS256');
    const key = (await json(configuration.jwks_uri)).body.keys.find(({ kid, kty }: any) => kid === header.kid && kty === 'RSA');
    const { payload } = await jwtVerify(token.body.id_token, await importJWK(key, 'RS256'), { issuer: configuration.issuer, audience: client });
    t.ok(['exp', 'iat', 'iss', 'aud', 'sub'].every((claim) => claim in payload) && payload.sub!.length < 256);
    const person = await json(String(payload['fhirUser']), { authorization: `Bearer ${token.body.access_token}`, origin: client === 'browser-app' ? app : '' });
    t.match([person.status, person.body.resourceType], [200, 'Practitioner']);
    if (client === 'browser-app') t.equal(person.headers.get('access-control-allow-origin'), app);
    // refresh, without scopes and with fewer
    const again = await credentials() as { form: Record<string, string>; headers: Record<string, string> };
    const refreshed = await service.ask('token', { grant_type: 'refresh_token', refresh_token: token.body.refresh_token, ...again.form }, again.headers);
    t.match([refreshed.status, refreshed.headers.get('cache-control'), refreshed.headers.get('pragma')], [200, /no-store/, /no-cache/]);
    t.strictSame(new Set(refreshed.body.scope.split(' ')), new Set(scope.split(' ')));
    const third = await credentials() as { form: Record<string, string>; headers: Record<string, string> };
    const fewer = await service.ask('token', { grant_type: 'refresh_token', refresh_token: refreshed.body.refresh_token, scope: 'launch/patient patient/Observation.rs', ...third.form }, third.headers);
    t.equal(fewer.status, 200, fewer.text);
    t.equal(fewer.body.scope.split(' ').every((each: string) => scope.split(' ').includes(each)), true, 'a subset');
  }
});

await t.test('an app with fewer scopes: each type is refused unless it was granted; without a token all are', async (t) => {
  const { body } = await launched(service, { scope: 'launch/patient openid fhirUser offline_access patient/Patient.read patient/Condition.read patient/Observation.read' }, { tick: (scope) => !scope.includes('Condition') });
  t.notMatch(body.scope, /Condition/);
  for (const type of ['Patient', 'Observation']) t.equal((await read(type === 'Patient' ? 'Patient/ada' : `${type}?patient=ada`, body.access_token)).status, 200, type);
  for (const type of ['CarePlan', 'CareTeam', 'Condition', 'Device', 'DocumentReference', 'Encounter', 'Goal', 'Procedure', 'ServiceRequest', 'Provenance']) t.ok([401, 403].includes((await read(`${type}?patient=ada`, body.access_token)).status), type);
  t.equal((await json(`${service.url}/Patient/ada`)).status, 401, 'no token');
});

await t.test('an EHR launch with a practitioner, by v1 and v2 scopes and with limits on content', async (t) => {
  const ehr = (await service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs' }, basic('ehr'))).body.access_token as string;
  const open = async (): Promise<{ launch: string; iss: string }> => (await (await fetch(`${service.issuer}/launch`, { method: 'POST', headers: { authorization: `Bearer ${ehr}`, 'content-type': 'application/json' }, body: JSON.stringify({ patient: 'ada', encounter: 'session-ada' }) })).json()) as { launch: string; iss: string };
  for (const scopes of ['user/Patient.read user/Observation.read', 'user/Patient.rs user/Observation.rs', 'patient/Patient.rs patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|survey patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|social-history']) {
    const { launch, iss } = await open();
    t.equal(iss, service.url);
    const { status, body } = await launched(service, { launch, scope: `launch launch/encounter openid fhirUser offline_access ${scopes}` });
    t.equal(status, 200, scopes);
    t.match(body, { patient: 'ada', encounter: 'session-ada', need_patient_banner: Boolean, smart_style_url: String });
    t.ok(scopes.split(' ').every((scope) => body.scope.split(' ').includes(scope)), body.scope);
    t.match((await json(body.smart_style_url)).body, Object, 'the style is a document');
    t.equal((await read('Patient/ada', body.access_token)).status, 200);
    t.equal((await read('Observation?patient=ada', body.access_token)).status, 200);
    t.equal((await read('Condition?patient=ada', body.access_token)).status, 403);
  }
});

await t.test('introspection and revocation', async (t) => {
  const { body } = await launched(service);
  const claims = decodeJwt(body.id_token);
  const asked = await service.ask('introspect', { token: body.access_token }, { accept: 'application/json', ...basic('ehr') });
  t.equal(asked.status, 200);
  t.match(asked.body, { active: true, client_id: 'app', exp: Number, patient: 'ada', iss: claims.iss, sub: claims.sub, fhirUser: claims['fhirUser'] });
  t.strictSame(new Set(asked.body.scope.split(' ')), new Set(body.scope.split(' ')), 'as many scopes, and the same');
  const unknown = await service.ask('introspect', { token: 'invalid_token_value' }, basic('ehr'));
  t.same([unknown.status, unknown.body], [200, { active: false }]);
  t.equal((await read('Observation', body.access_token)).status, 200);
  t.equal((await service.ask('revoke', { token: body.refresh_token, client_id: 'app' })).status, 200);
  t.equal((await read('Observation', body.access_token)).status, 401, 'within the hour, at once');
  t.equal((await service.ask('token', { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'app' })).status, 400);
});

await t.test('backend services: one thing wrong at a time, and then right', async (t) => {
  const ask = async (change: Record<string, string> = {}, claims: Record<string, unknown> = {}): Promise<Said> => service.ask('token', { grant_type: 'client_credentials', scope: 'system/*.rs', client_assertion_type: assertionType, client_assertion: await assertion('backend', claims), ...change });
  t.equal((await ask({ grant_type: 'not_a_grant_type' })).status, 400);
  t.ok([400, 401].includes((await ask({ client_assertion_type: 'not_an_assertion_type' })).status));
  t.ok([400, 401].includes((await ask({}, { iss: 'not_a_client', sub: 'not_a_client' })).status));
  // what the kits do not send
  for (const [name, claims] of Object.entries({ 'expired': { exp: 1 }, 'too far ahead': { exp: Math.floor(Date.now() / 1000) + 3600 }, 'another audience': { aud: 'https://elsewhere.example/token' }, 'another subject': { sub: 'somebody' }, 'no jti': { jti: undefined } })) t.ok([400, 401].includes((await ask({}, claims)).status), name);
  const right = await ask();
  t.equal(right.status, 200);
  t.match(right.body, { access_token: String, token_type: /^bearer$/i, expires_in: Number, scope: String });
  t.ok(right.body.expires_in <= 3600, 'an hour in development, five minutes in production');
  t.equal((await read('Patient', right.body.access_token)).status, 200);
});

await t.test('token requests with a wrong code, client or verifier', async (t) => {
  const { url, verifier } = request(service);
  const code = (await signIn(new Browser(service.origin), url)).searchParams.get('code')!;
  t.equal((await exchange(service, 'BAD_CODE', verifier)).status, 400);
  t.ok([400, 401].includes((await exchange(service, code, verifier, { client_id: 'BAD_CLIENT_ID' })).status));
  for (const wrong of ['', 'x', randomBytes(32).toString('base64url'), new URL(url).searchParams.get('code_challenge')!]) t.ok([400, 401].includes((await exchange(service, code, wrong)).status), `the verifier ${wrong}`);
  t.ok([400, 401].includes((await service.ask('token', { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'app' })).status), 'no verifier');
});
