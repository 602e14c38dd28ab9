import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

const service = await testService(t);
const system = service.as();
const label = (system: string, code: string): object => ({ meta: { security: [{ system, code }] } });
const confidential = label('http://terminology.hl7.org/CodeSystem/v3-Confidentiality', 'R');

await system('PUT', 'Practitioner/who', { resourceType: 'Practitioner', id: 'who', name: [{ family: 'Healer' }] });
await system('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', name: [{ family: 'Lace', given: ['<b>Ada</b>'] }], generalPractitioner: [{ reference: 'Practitioner/who' }] });
await system('PUT', 'Patient/ben', { resourceType: 'Patient', id: 'ben', name: [{ family: 'Other' }] });
await system('POST', 'QuestionnaireResponse', phq9('ada', spread(12), '2026-01-05T10:00:00Z'));
await system('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'walk every day' }, subject: { reference: 'Patient/ada' } });
await system('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'of somebody else' }, subject: { reference: 'Patient/ben' } });
await system('POST', 'Communication', { resourceType: 'Communication', status: 'completed', subject: { reference: 'Patient/ada' }, payload: [{ contentString: 'for clinicians' }], ...confidential });
await system('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text: 'steps' }, subject: { reference: 'Patient/ada' }, valueQuantity: { value: 4000, unit: 'steps' } });

t.test('the record comes as a valid document: Composition first, each resource in a section', async (t) => {
  for (const [who, client] of [['the client', service.as({ patient: 'ada' })], ['a system', system]] as const) {
    const reply = await client('GET', 'Patient/ada/$export-record');
    t.equal(reply.status, 200, reply.text.slice(0, 300));
    const bundle = reply.body;
    t.match(bundle, { resourceType: 'Bundle', type: 'document', identifier: { value: /^urn:uuid:/ }, timestamp: String }, who);
    t.same(validate(bundle, 'Bundle').filter(({ severity }) => severity === 'error'), [], 'valid');
    const [composition, ...rest] = bundle.entry.map(({ resource }: any) => resource);
    t.match(composition, { resourceType: 'Composition', status: 'final', subject: { reference: `${service.url}/Patient/ada` } });
    const urls = new Set(bundle.entry.map(({ fullUrl }: any) => fullUrl));
    t.equal(urls.size, bundle.entry.length, 'each once');
    const named = composition.section.flatMap(({ entry }: any) => entry.map(({ reference }: any) => reference));
    t.ok(named.every((url: string) => urls.has(url)), 'every entry of a section is in the document');
    t.equal(composition.section[0].title, 'Who this is about');
    const types = rest.map(({ resourceType }: any) => resourceType);
    for (const type of ['Patient', 'QuestionnaireResponse', 'Observation', 'Goal', 'Questionnaire', 'Practitioner', 'Provenance']) t.ok(types.includes(type), type);
    t.ok(rest.every(({ resourceType }: any) => ['Questionnaire', 'Practitioner', 'ObservationDefinition', 'PlanDefinition', 'ActivityDefinition', 'Organization', 'CodeSystem', 'ValueSet', 'Device', 'Library', 'Measure'].includes(resourceType) || named.some((url: string) => url.includes(`/${resourceType}/`))));
    t.notMatch(reply.text, /for clinicians|of somebody else|Other/, 'nothing for clinicians only, nothing of others');
  }
});

t.test('it can be read without a program: as a page, and as text', async (t) => {
  const client = service.as({ patient: 'ada' });
  for (const page of [await client('GET', 'Patient/ada/$export-record?_format=html'), await client('GET', 'Patient/ada/$export-record', undefined, { accept: 'text/html' })]) {
    t.match([page.status, page.headers.get('content-type'), page.headers.get('content-disposition'), page.headers.get('x-content-type-options')], [200, 'text/html; charset=utf-8', /attachment/, 'nosniff']);
    t.match(page.text, /<h2>Goals<\/h2>[\s\S]*walk every day/);
    t.match(page.text, /&lt;b&gt;Ada&lt;\/b&gt; Lace/, 'what somebody wrote is text, never markup');
    t.notMatch(page.text, /<b>|<script|for clinicians/);
  }
  const text = await client('GET', 'Patient/ada/$export-record?_format=text/plain');
  t.equal(text.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.match(text.text, /Scores and observations\n=+\n[\s\S]*value: 4000 steps/);
  t.match(text.text, /Answered forms[\s\S]*Little interest/i);
  t.match(text.text, /note in clinical terms: PHQ-9 total score: 12 of 27 .*\nnote in plain words: PHQ-9, 5 January 2026: 12 of 27\./, 'which of two sentences is for whom');
  t.equal((await client('GET', 'Patient/ada/$export-record?_format=xml')).status, 406);
  t.equal((await client('GET', 'Patient/ada?_format=html')).status, 406, 'only this has a page');
});

t.test('it is the caller’s to have, and in the log', async (t) => {
  t.equal((await service.as({ patient: 'ben' })('GET', 'Patient/ada/$export-record')).status, 404);
  t.equal((await service.as({ scopes: 'system/Goal.rs' })('GET', 'Patient/ada/$export-record')).status, 403);
  t.equal((await system('GET', 'Patient/none/$export-record')).status, 404);
  t.equal((await system('GET', 'Patient/ada/$export-record?since=2026')).status, 400);
  const log = (await system('GET', 'AuditEvent?patient=ada&subtype=$export-record&outcome=0')).body.entry;
  t.equal(log.length, 5, 'one event for each');
  const narrow = await service.as({ scopes: 'system/Patient.r system/Goal.rs' })('GET', 'Patient/ada/$export-record');
  t.same(([...new Set(narrow.body.entry.map(({ resource }: any) => resource.resourceType))] as string[]).toSorted(), ['Composition', 'Goal', 'Patient'], 'no more than the scopes');
});
