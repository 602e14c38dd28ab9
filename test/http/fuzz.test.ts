import fc from 'fast-check';
import t from 'tap';
import { searchParameters } from '../../src/fhir/search-parameters.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import { silent } from '../../src/log.ts';
import { testService, type Reply } from '../kit/service.ts';

/** Whatever is sent is answered: no 5xx, and every refusal is an OperationOutcome that says what is wrong. */

const type = fc.constantFrom(...servedTypes);
const odd = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(
  '', '1e308', '9999999999999999999999', '1e-400', '2024-02-29', '2024-13', '9999-12-31', '0001', '9999-12-31T23:59:59.999999999+14:00', 'infinity', '|', 'a|b|c', '$', 'a$b', ',', '\\', '%00', '\u0000', 'Patient/1', 'http://x/Patient/1', '#a', 'urn:uuid:x',
  '../..', "'; drop table resource;--", '\ud800', '(', 'a'.repeat(5000), 'gt', 'ap0', 'sa2024', 'eb1e5', 'true', 'Observation:subject:Patient', '*', '-_id', '5.4|http://unitsofmeasure.org|mg', 'gender eq male and not (', '(birthdate gt 2020 or name co "a")',
));
const modifier = fc.constantFrom('', '', ':missing', ':exact', ':contains', ':not', ':in', ':above', ':below', ':text', ':of-type', ':identifier', ':Patient', ':iterate', '.name', ':Patient.name', '._has:Observation:subject:code');
const common = ['_id', '_lastUpdated', '_tag', '_profile', '_source', '_filter', '_list', '_type', '_sort', '_count', '_include', '_revinclude', '_summary', '_elements', '_contained', '_total', '_page', '_has:Observation:patient:code', '_since', '_at'];
const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

interface Asked { readonly method: string; readonly path: string; readonly headers?: Record<string, string>; readonly body?: string }

const query = (of: string): fc.Arbitrary<string> =>
  fc.array(fc.tuple(fc.constantFrom(...common, ...searchParameters(of).map(({ code }) => code)), modifier, odd), { minLength: 1, maxLength: 4 })
    .map((pairs) => pairs.map(([name, suffix, value]) => `${encoded(name + suffix)}=${encoded(value)}`).join('&'));
const search = fc.tuple(type, fc.constantFrom('', '/_history')).chain(([of, after]) => query(of).map((text): Asked => ({ method: 'GET', path: `${of}${after}?${text}` })));
const rawQuery = fc.tuple(type, fc.string({ unit: fc.constantFrom(...'abc=&?%:.|,$_[](){};+-*/0123456789'.split('')), maxLength: 60 })).map(([of, text]): Asked => ({ method: 'GET', path: `${of}?${text}` }));
const headers = fc.tuple(
  fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE'), type,
  fc.dictionary(fc.constantFrom('accept', 'content-type', 'if-match', 'if-none-match', 'if-none-exist', 'if-modified-since', 'prefer', 'idempotency-key', 'x-request-id', 'content-encoding', 'x-security-context'), fc.oneof(fc.stringMatching(/^[\x20-\x7e]{0,40}$/), fc.constantFrom('application/fhir+json', 'application/json-patch+json', 'W/"1"', '*', 'handling=lenient', 'gzip', 'identifier=a|b', 'text/plain'))),
).map(([method, of, given]): Asked => ({ method, path: `${of}/fuzz`, headers: given, ...(method === 'GET' || method === 'DELETE' ? {} : { body: '{}' }) }));

const seeds: readonly Record<string, unknown>[] = [
  { resourceType: 'Patient', id: 'fuzz', name: [{ family: 'a', given: ['b'] }], birthDate: '1980', text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">a</div>' } },
  { resourceType: 'Observation', id: 'fuzz', status: 'final', code: { coding: [{ system: 'a', code: 'b' }] }, subject: { reference: 'Patient/fuzz' }, valueQuantity: { value: 5, unit: 'x' }, effectivePeriod: { start: '2020', end: '2021' }, component: [{ code: { text: 'a' } }] },
  { resourceType: 'QuestionnaireResponse', id: 'fuzz', status: 'completed', questionnaire: 'https://intersession.example/fhir/Questionnaire/phq-9', subject: { reference: 'Patient/fuzz' }, authored: '2026-01-05T10:00:00Z', item: [{ linkId: '/44250-9', answer: [{ valueInteger: 2 }] }] },
  { resourceType: 'Bundle', type: 'transaction', entry: [{ fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001', resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=a|b' } }, { request: { method: 'GET', url: 'Patient?_count=1' } }] },
  { resourceType: 'Bundle', type: 'batch', entry: [{ resource: { resourceType: 'Patient', id: 'fuzz' }, request: { method: 'PUT', url: 'Patient/fuzz', ifMatch: 'W/"1"' } }] },
  { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'add' }, { name: 'path', valueString: 'Patient' }, { name: 'name', valueString: 'gender' }, { name: 'value', valueCode: 'male' }] }] },
];
const part = fc.oneof(fc.jsonValue({ maxDepth: 3 }), odd, fc.constantFrom<unknown>(null, [], {}, [null], 0, 1e21, { reference: 'Patient/fuzz' }, { reference: '#a' }, { reference: 'Patient?identifier=a|b' }));
const places = (node: unknown, at: readonly string[] = []): string[][] => (node !== null && typeof node === 'object' ? Object.entries(node).flatMap(([key, inner]) => [[...at, key], ...places(inner, [...at, key])]) : []);

/** A resource of which one element is something else, twice. */
const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.option(part, { nil: undefined })), { minLength: 1, maxLength: 2 })).map(([seed, changes]) => {
  const resource = structuredClone(seed);
  for (const [n, value] of changes) {
    const all = places(resource);
    const path = all[n % Math.max(all.length, 1)];
    if (path === undefined) break;
    const holder = path.slice(0, -1).reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], resource) as Record<string, unknown>;
    if (value === undefined) delete holder[path.at(-1)!];
    else holder[path.at(-1)!] = structuredClone(value);
  }
  return resource;
});
const bodies = fc.tuple(mutated, fc.boolean()).map(([resource, check]): Asked => {
  const of = resource['resourceType'];
  const body = JSON.stringify(resource);
  if (of === 'Parameters') return { method: 'PATCH', path: 'Patient/fuzz', body };
  if (of === 'Patient' || of === 'Observation' || of === 'QuestionnaireResponse') return check ? { method: 'POST', path: `${of}/$validate`, body } : { method: 'PUT', path: `${of}/fuzz`, body };
  return { method: 'POST', path: '', body };
});
const pointers = fc.oneof(fc.constantFrom('/name', '/name/0', '/name/-', '/name/0/family', '', '/', '/id', '/meta', '/resourceType', '/__proto__/x', '/name/1e3', '/~2'), odd);
const patches = fc.array(fc.record({ op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'), path: pointers, from: pointers, value: part }, { requiredKeys: ['op'] }), { maxLength: 3 })
  .map((operations): Asked => ({ method: 'PATCH', path: 'Patient/fuzz', headers: { 'content-type': 'application/json-patch+json' }, body: JSON.stringify(operations) }));

t.test('whatever is sent is answered, and never with a failure', { timeout: 60_000 }, async (t) => {
  const failures: unknown[] = [];
  const service = await testService(t, { log: { ...silent, error: (event) => { failures.push(event); } } });
  const fhir = service.as();
  await fhir('PUT', 'Patient/fuzz', seeds[0]);
  let asked = 0;
  const isRight = ({ status, body }: Reply): boolean => status < 400 || (status < 500 && body?.resourceType === 'OperationOutcome' && body.issue.length > 0);
  await fc.assert(fc.asyncProperty(fc.array(fc.oneof(search, search, rawQuery, headers, bodies, bodies, patches), { minLength: 4, maxLength: 8 }), async (requests) => {
    const replies = await Promise.all(requests.map(({ method, path, headers: given, body }) => fhir(method, path, body, given)));
    asked += replies.length;
    const wrong = replies.findIndex((reply) => !isRight(reply));
    if (wrong >= 0) throw new Error(`${JSON.stringify(requests[wrong])}: ${replies[wrong]!.status} ${replies[wrong]!.text.slice(0, 300)}`);
  }), { numRuns: 250, interruptAfterTimeLimit: 4_000, markInterruptAsFailure: false });
  t.ok(asked > 100, `${asked} requests`);
  t.same(failures, []);
  for (const operations of [[{ op: 'move', from: '', path: '/name' }], [{ op: 'move', from: '/name', path: '/name/0/given' }], [{ op: 'remove', path: '' }], [{ op: 'replace', path: '', value: null }], [{ op: 'replace', path: '', value: 'text' }]]) {
    const reply = await fhir('PATCH', 'Patient/fuzz', operations, { 'content-type': 'application/json-patch+json' });
    t.same([reply.status, reply.body.resourceType], [422, 'OperationOutcome'], JSON.stringify(operations));
  }
  t.equal((await fhir('GET', 'Patient/fuzz')).status, 200);
});
