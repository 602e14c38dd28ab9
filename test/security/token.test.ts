import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import t from 'tap';
import { bearerToken } from '../../src/auth/bearer.ts';
import { keySource } from '../../src/auth/key-source.ts';
import { tokenVerifier, type Caller, type TokenVerifierOptions } from '../../src/auth/token.ts';
import { Problem } from '../../src/fhir/outcome.ts';

const issuer = 'https://issuer.example/oauth';
const audience = 'https://service.example/fhir/R4';
const start = 1_800_000_000;

const rsa = await generateKeyPair('RS256', { extractable: true });
const ec = await generateKeyPair('ES384', { extractable: true });
const stranger = await generateKeyPair('RS256');
const keys = { keys: [{ ...await exportJWK(rsa.publicKey), kid: 'rsa' }, { ...await exportJWK(ec.publicKey), kid: 'ec' }] };

let seconds = start;
const verifier = (more: Partial<TokenVerifierOptions> = {}) => tokenVerifier({ issuer, audience, keys, now: () => seconds * 1000, ...more });
const verify = verifier();

const claims: JWTPayload = {
  iss: issuer, aud: audience, sub: 'someone', client_id: 'app', jti: 'token-1', iat: start, exp: start + 600, scope: 'patient/*.rs', patient: 'p1',
};
const header = { alg: 'RS256', typ: 'at+jwt', kid: 'rsa' };

const sign = (change: Record<string, unknown> = {}, headers: Record<string, unknown> = {}, key = rsa.privateKey): Promise<string> =>
  new SignJWT({ ...claims, ...change }).setProtectedHeader({ ...header, ...headers }).sign(key);

/** The refusal of a token as what a client reads of it; undefined when it is accepted. */
async function refusal(token: string, by: (token: string) => Promise<unknown> = verify): Promise<{ kind: string; text: string; authenticate: string | undefined } | undefined> {
  try {
    await by(token);
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { kind: error.kind, text: error.message, authenticate: error.headers['WWW-Authenticate'] };
  }
}

await t.test('a token with everything in it becomes a frozen Caller (the control of every refusal below)', async (t) => {
  const caller = await verify(await sign({ fhirUser: `${audience}/Practitioner/dr` }));
  t.match(caller, { client: 'app', subject: 'someone', patient: 'p1', fhirUser: 'Practitioner/dr', tokenId: 'token-1', expires: start + 600 });
  t.strictSame(caller.scopes.understood, ['patient/*.rs']);
  t.ok(Object.isFrozen(caller));
  t.equal(await refusal(await sign({}, { alg: 'ES384', kid: 'ec' }, ec.privateKey)), undefined, 'ES384');
  t.equal(await refusal(await sign({ aud: ['https://other.example', audience] })), undefined, 'one of several audiences');
  t.equal(await refusal(await sign({}, { typ: 'application/at+jwt' })), undefined, 'the long form of the type');
});

await t.test('a token that is not what it should be is refused with 401 and says why, not what it contained', async (t) => {
  const [head, body, signature] = (await sign()).split('.') as [string, string, string];
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hmac = async (secret: string): Promise<string> => {
    const signed = `${encode({ ...header, alg: 'HS256' })}.${body}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const flip = (text: string): string => `${text.slice(0, 20)}${text[20] === 'A' ? 'B' : 'A'}${text.slice(21)}`;
  const without = (name: string): Promise<string> => sign({ [name]: undefined });
  const cases: Record<string, [token: string, why: RegExp]> = {
    'alg none': [new UnsecuredJWT(claims).encode(), /type|algorithm|signed/],
    'alg none with the right type': [`${encode({ typ: 'at+jwt', alg: 'none' })}.${body}.`, /algorithm|signed/],
    'alg NoNe': [`${encode({ ...header, alg: 'NoNe' })}.${body}.${signature}`, /algorithm|signed/],
    'HS256 with the public key as PEM': [await hmac(await exportSPKI(rsa.publicKey)), /algorithm/],
    'HS256 with the public key as JWK': [await hmac(JSON.stringify(keys.keys[0])), /algorithm/],
    'HS256 with an empty secret': [await hmac(''), /algorithm/],
    'an algorithm outside the list': [await sign({}, { alg: 'RS512' }, (await generateKeyPair('RS512')).privateKey), /algorithm/],
    'wrong issuer': [await sign({ iss: `${issuer}/` }), /issuer/],
    'no issuer': [await without('iss'), /issuer/],
    'wrong audience': [await sign({ aud: 'https://service.example/fhir' }), /audience/],
    'the client as audience': [await sign({ aud: 'app' }), /audience/],
    'no audience': [await without('aud'), /audience/],
    'expired': [await sign({ exp: start - 6 }), /expired/],
    'no expiry': [await without('exp'), /expiry/],
    'an expiry in words': [await sign({ exp: 'never' }), /expiry/],
    'not yet valid': [await sign({ nbf: start + 6 }), /start/],
    'no time of issue': [await without('iat'), /time of issue/],
    'no subject': [await without('sub'), /subject/],
    'an empty subject': [await sign({ sub: '' }), /subject/],
    'no client': [await without('client_id'), /client/],
    'no identifier': [await without('jti'), /identifier/],
    'an identity token by type': [await sign({}, { typ: 'JWT' }), /type/],
    'no type': [await sign({}, { typ: undefined }), /type/],
    'an identity token by content': [await sign({ nonce: 'n' }), /identity token/],
    'a refresh token by content': [await sign({ typ: 'Refresh' }), /refresh token/],
    'bound to a key': [await sign({ cnf: { jkt: 'x' } }), /bound to a key/],
    'a scope that is a list': [await sign({ scope: ['patient/*.rs'] }), /scope/],
    'a patient that is no id': [await sign({ patient: 'Patient/p1' }), /patient/],
    'a patient that is a list': [await sign({ patient: ['p1', 'p2'] }), /patient/],
    'tampered signature': [`${head}.${body}.${flip(signature)}`, /signature/],
    'tampered payload': [`${head}.${encode({ ...claims, patient: 'p2' })}.${signature}`, /signature/],
    'no signature': [`${head}.${body}.`, /signature|signed/],
    'a stranger’s key': [await sign({}, {}, stranger.privateKey), /signature/],
    'unknown kid': [await sign({}, { kid: 'other' }), /signature/],
    'no kid': [`${encode({ ...header, kid: undefined })}.${body}.${signature}`, /signature/],
    'kid of a key of another type': [await sign({}, { kid: 'ec' }), /signature/],
    'a key of its own': [await sign({}, { jwk: await exportJWK(stranger.publicKey) }, stranger.privateKey), /signature/],
    'critical header not understood': [`${encode({ ...header, crit: ['x'], x: 1 })}.${body}.${signature}`, /signed/],
    'oversize': [`${head}.${encode({ ...claims, note: 'x'.repeat(9000) })}.${signature}`, /longer than 8192/],
    'garbage': ['garbage', /signed/],
    'five parts': [`${head}.${body}.${signature}.${body}.${signature}`, /signed/],
    'empty': ['', /signed/],
    'dots': ['..', /signed/],
  };
  for (const [name, [token, why]] of Object.entries(cases)) {
    const refused = await refusal(token);
    t.match(refused, { kind: 'unauthenticated', text: why, authenticate: /^Bearer realm="fhir", error="invalid_token", error_description="[^"]+"$/ }, name);
    t.notMatch(refused?.text, /p1|p2|someone|example/, `${name}: nothing of the token comes back`);
  }
});

await t.test('any other text is refused as a token, never an internal error', async () => {
  const parts = fc.array(fc.oneof(fc.base64String(), fc.json().map((json) => Buffer.from(json).toString('base64url')), fc.string()), { maxLength: 6 });
  await fc.assert(fc.asyncProperty(parts, async (list) => {
    const refused = await refusal(list.join('.'));
    if (refused?.kind !== 'unauthenticated') throw new Error(JSON.stringify(refused));
  }), { numRuns: 500 });
});

await t.test('clocks may differ by five seconds', async (t) => {
  t.equal(await refusal(await sign({ exp: start - 4 })), undefined);
  t.equal(await refusal(await sign({ nbf: start + 4 })), undefined);
});

await t.test('a remembered token is served the same, until it expires and not a second longer', async (t) => {
  const verifyOnce = verifier();
  const token = await sign({ exp: start + 60 });
  const first = await verifyOnce(token);
  t.equal(await verifyOnce(token), first, 'the same value');
  seconds = start + 59;
  t.equal(await verifyOnce(token), first);
  seconds = start + 66;
  t.match(await refusal(token, verifyOnce), { kind: 'unauthenticated', text: /expired/ });
  seconds = start;
});

await t.test('a remembered token is verified again after five minutes, so that a withdrawn key stops working', async (t) => {
  const verifyAgain = verifier();
  const token = await sign({ exp: start + 3600 });
  const first = await verifyAgain(token);
  seconds = start + 299;
  t.equal(await verifyAgain(token), first);
  seconds = start + 301;
  t.not(await verifyAgain(token), first);
  seconds = start;
});

await t.test('keys are fetched from where the issuer publishes them, as often as it says, and once a minute for an unknown key', async (t) => {
  let fetched = 0;
  let cacheControl = 'max-age=120';
  let published = [keys.keys[0]!];
  const source = keySource(async () => { fetched += 1; return { keys: published, cacheControl }; }, () => seconds * 1000);
  const remote = verifier({ keys: source });
  t.equal(await refusal(await sign({ jti: 'a' }), remote), undefined);
  t.equal(await refusal(await sign({ jti: 'b' }), remote), undefined);
  for (const kid of ['x', 'y', 'z']) t.match(await refusal(await sign({}, { kid }), remote), { kind: 'unauthenticated', text: /signature/ });
  t.equal(fetched, 1, 'unknown key ids do not make it ask again and again');
  const byNew = await sign({ jti: 'c' }, { alg: 'ES384', kid: 'ec' }, ec.privateKey);
  published = [...keys.keys];
  t.match(await refusal(byNew, remote), { text: /signature/ }, 'a rotated key is not known yet');
  seconds = start + 61;
  t.equal(await refusal(byNew, remote), undefined, 'and found after a minute');
  t.equal(fetched, 2);
  seconds = start + 61 + 119;
  await refusal(await sign({ jti: 'd' }), remote);
  t.equal(fetched, 2, 'kept as long as Cache-Control says');
  seconds = start + 61 + 121;
  cacheControl = 'no-store';
  await refusal(await sign({ jti: 'e', exp: start + 900 }), remote);
  await refusal(await sign({ jti: 'f', exp: start + 900 }), remote);
  t.equal(fetched, 4, 'and not longer');
  published = [keys.keys[1]!];
  t.match(await refusal(await sign({ jti: 'g', exp: start + 900 }), remote), { text: /signature/ }, 'a key that was withdrawn does not count');
  seconds = start;
});

await t.test('keys that cannot be fetched are a fault of the moment, not of the token', async (t) => {
  let asked = 0;
  const nowhere = verifier({ keys: keySource(() => { asked += 1; return Promise.reject(new Error('nowhere')); }, () => seconds * 1000) });
  t.match(await refusal(await sign(), nowhere), { kind: 'unavailable' });
  t.match(await refusal(await sign({ jti: 'other' }), nowhere), { kind: 'unavailable' });
  t.equal(asked, 1, 'it is left alone for a moment');
  t.match(await refusal('garbage', nowhere), { kind: 'unauthenticated' });
});

await t.test('a token that says nothing by itself is asked about, for a minute at most, and never believed beyond what it says', async (t) => {
  let asked = 0;
  let answer: Record<string, unknown> | undefined | Error = { active: true, ...claims, token_type: 'Bearer' };
  const opaque = verifier({ introspect: async () => { asked += 1; if (answer instanceof Error) throw answer; return answer; } });
  const caller = await opaque('opaque-token');
  t.match(caller, { client: 'app', patient: 'p1', tokenId: 'token-1' });
  t.equal(await opaque('opaque-token'), caller);
  t.equal(asked, 1);
  answer = undefined;
  seconds = start + 61;
  t.match(await refusal('opaque-token', opaque), { kind: 'unauthenticated', text: /not active/ }, 'taken back at the issuer');
  seconds = start;
  answer = { active: true, ...claims, exp: start + 10 };
  t.equal(await refusal('short', opaque), undefined);
  seconds = start + 16;
  answer = { active: true, ...claims, exp: start + 10 };
  t.match(await refusal('short', opaque), { text: /expired/ }, 'not past its end');
  seconds = start;
  for (const [name, change] of Object.entries({ 'no audience': { aud: undefined }, 'another audience': { aud: 'https://other.example' }, 'another issuer': { iss: 'https://other.example' }, 'no expiry': { exp: undefined }, 'not yet': { nbf: start + 60 }, 'a refresh token': { token_use: 'refresh' }, 'a token of another kind': { token_type: 'DPoP' }, 'no subject': { sub: undefined }, 'bound to a key': { cnf: {} } })) {
    answer = { active: true, ...claims, ...change };
    t.match(await refusal(`opaque ${name}`.replaceAll(' ', '-'), opaque), { kind: 'unauthenticated' }, name);
  }
  answer = new Error('down');
  t.match(await refusal('while-it-is-down', opaque), { kind: 'unavailable' }, 'fails closed');
  t.match(await refusal('opaque-token'), { kind: 'unauthenticated' }, 'without introspection there are no such tokens');
});

await t.test('a token that was taken back is refused at its next use, remembered or not', async (t) => {
  const revoked = new Set<string>();
  const careful = verifier({ isRevoked: ({ tokenId, grant }) => revoked.has(tokenId) || revoked.has(grant ?? '') });
  const [one, two] = [await sign({ jti: 'one', grant: 'g' }), await sign({ jti: 'two', grant: 'g' })];
  t.equal(await refusal(one, careful), undefined);
  t.equal(await refusal(two, careful), undefined);
  revoked.add('one');
  t.match(await refusal(one, careful), { kind: 'unauthenticated', text: /revoked/, authenticate: /invalid_token/ });
  t.equal(await refusal(two, careful), undefined);
  revoked.add('g');
  t.match(await refusal(two, careful), { text: /revoked/ }, 'with the grant');
});

await t.test('memory is bounded: the least recently used token is verified again', async (t) => {
  const small = verifier({ remembered: 2 });
  const [one, two, three] = await Promise.all(['1', '2', '3'].map((jti) => sign({ jti }))) as [string, string, string];
  const a = await small(one);
  const b = await small(two);
  t.equal(await small(one), a, 'used again, so the other is the oldest');
  await small(three);
  t.equal(await small(one), a);
  t.not(await small(two), b);
});

await t.test('two tokens never share a Caller', async (t) => {
  const callers: Caller[] = [];
  for (const patient of ['p1', 'p2', 'p1']) callers.push(await verify(await sign({ patient, jti: `of ${patient} ${callers.length}` })));
  t.strictSame(callers.map((caller) => caller.patient), ['p1', 'p2', 'p1']);
  t.equal(new Set(callers).size, 3);
});

await t.test('an issuer that types its tokens JWT is served when configured, and its other tokens are still refused', async (t) => {
  const foreign = verifier({ type: 'JWT' });
  const token = (change: Record<string, unknown> = {}, typ = 'JWT') => sign({ client_id: undefined, jti: undefined, azp: 'app', ...change }, { typ });
  const caller = await foreign(await token());
  t.equal(caller.client, 'app');
  t.match(caller.tokenId, /^[\w-]{43}$/, 'a token without identifier is known by its digest');
  for (const change of [{ at_hash: 'x' }, { c_hash: 'x' }, { nonce: 'x' }, { typ: 'ID' }, { token_use: 'id' }, { token_use: 'refresh' }, { typ: 'Offline' }, { azp: undefined }]) {
    t.match(await refusal(await token(change), foreign), { kind: 'unauthenticated' }, JSON.stringify(change));
  }
  t.match(await refusal(await token({}, 'at+jwt'), foreign), { kind: 'unauthenticated' });
});

await t.test('a user of another server is nobody here', async (t) => {
  const user = async (fhirUser: unknown) => (await verify(await sign({ fhirUser, jti: JSON.stringify(fhirUser) }))).fhirUser;
  t.equal(await user('Practitioner/dr'), 'Practitioner/dr');
  t.equal(await user(`${audience}/Patient/p9`), 'Patient/p9');
  for (const other of ['https://other.example/fhir/Practitioner/dr', `${audience}.evil.example/Practitioner/dr`, 'Practitioner/a/b', 'Organization/o', '../Practitioner/dr', 'Practitioner/']) {
    t.equal(await user(other), undefined, other);
  }
});

await t.test('the Authorization header holds exactly one bearer token', async (t) => {
  t.equal(bearerToken('Bearer a.b.c'), 'a.b.c');
  t.equal(bearerToken('bearer a.b.c'), 'a.b.c');
  const challenge = async (value: string | undefined) => (await refusal('', async () => bearerToken(value)))?.authenticate;
  for (const none of [undefined, '']) t.equal(await challenge(none), 'Bearer realm="fhir"', 'no error code for who did not try');
  for (const wrong of ['Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a b', 'Bearer a,b', 'a.b.c', 'Bearer a, Bearer b', 'Bearer "x"']) {
    t.match(await challenge(wrong), /error="invalid_token"/, wrong);
  }
});
