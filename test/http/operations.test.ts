import t, { type Test } from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type TestService } from '../kit/service.ts';

// The operations of FHIR R4 itself, from the outside: http://hl7.org/fhir/R4/operationslist.html.

const canonical = 'https://intersession.example/fhir/OperationDefinition';
const resources = (body: any): any[] => (body.entry ?? []).map((entry: any) => entry.resource);
const ids = (body: any): string[] => resources(body).map(({ id }) => id);
const ofRecord = (type: string, id: string, patient: string, more: object): object => ({ resourceType: type, id, subject: { reference: `Patient/${patient}` }, ...more });
const parameters = (...list: [string, object][]): object => ({ resourceType: 'Parameters', parameter: list.map(([name, value]) => ({ name, ...value })) });

/** Checks that `reply` refuses with an OperationOutcome of this status and, where given, this expression. */
function refuses(t: Test, reply: Reply, status: number, what: string, expression?: string): void {
  t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 300)}`);
  t.match(reply.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', details: { text: String }, ...(expression === undefined ? {} : { expression: [expression] }) }] }, what);
}

/** Puts a resource; fails the test when it is refused. */
async function put(t: Test, fhir: Client, resource: any): Promise<any> {
  const reply = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
  t.ok(reply.status === 200 || reply.status === 201, `stored ${resource.resourceType}/${resource.id}: ${reply.status === 200 || reply.status === 201 ? '' : reply.text}`);
  return reply.body;
}

/** The access log of a patient, by interaction. */
async function logged(service: TestService, patient: string): Promise<string[]> {
  const { body } = await service.as()('GET', `AuditEvent?patient=${patient}&_count=1000`);
  return resources(body).flatMap(({ subtype }) => (subtype ?? []).map(({ code }: any) => code));
}

t.test('operations are stated, and called where they are defined', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const { body: statement } = await fhir('GET', 'metadata');
  const offered = (type: string): string[] => statement.rest[0].resource.find((each: any) => each.type === type).operation.map(({ name }: any) => name);
  t.strictSame(statement.rest[0].operation, [{ name: 'meta', definition: `${canonical}/meta` }, { name: 'versions', definition: `${canonical}/versions` }]);
  t.strictSame(offered('Task').filter((name) => /^meta/.test(name)), ['meta', 'meta-add', 'meta-delete']);
  const definitions = [...statement.rest[0].operation, ...statement.rest[0].resource.flatMap(({ operation }: any) => operation ?? [])];
  for (const url of new Set<string>(definitions.map(({ definition }: any) => definition))) {
    t.equal((await fhir('GET', `OperationDefinition?url=${url}`)).body.total, 1, `${url} can be read`);
  }
  t.strictSame((await fhir('GET', '$versions')).body, { resourceType: 'Parameters', parameter: [{ name: 'version', valueCode: '4.0' }, { name: 'default', valueCode: '4.0' }] });
  refuses(t, await fhir('GET', 'Patient/$meta-add'), 400, 'of instances only');
  refuses(t, await fhir('GET', 'Patient/x/$versions'), 400, 'of the base only');
  refuses(t, await fhir('GET', 'Patient/x/$meta-add'), 405, 'what changes something is not called with GET');
});

t.test('$meta, $meta-add, $meta-delete', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code });
  const tag = { system: 'urn:example', code: 'a', display: 'first' };
  await put(t, fhir, { resourceType: 'Patient', id: 'ada', meta: { tag: [tag] } });
  await put(t, fhir, { resourceType: 'Patient', id: 'bob', meta: { tag: [{ system: 'urn:example', code: 'b' }, { system: 'urn:other', code: 'a' }], profile: ['http://example.org/p'] } });
  await put(t, fhir, ofRecord('Goal', 'sleep', 'ada', { lifecycleStatus: 'active', description: { text: 'Sleep' }, meta: { security: [label('R')] } }));
  const meta = (reply: Reply): any => reply.body.parameter[0].valueMeta;
  const codes = (list: any[] | undefined): string[] => (list ?? []).map(({ system, code }: any) => `${system}|${code}`).sort();

  await t.test('an instance, and a version of it', async (t) => {
    const reply = await fhir('GET', 'Patient/ada/$meta');
    t.match(reply, { status: 200, body: { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: { versionId: '1', tag: [tag] } }] } });
    t.equal(reply.headers.get('etag'), 'W/"1"');
    t.strictSame(validate(reply.body), []);
    refuses(t, await fhir('GET', 'Patient/nobody/$meta'), 404, 'nobody');
    t.ok((await logged(service, 'ada')).includes('$meta'), 'is in the access log');
  });

  await t.test('$meta-add joins sets by system and code, and makes a new version with the labels found by search', async (t) => {
    const add = await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [{ ...tag, display: 'another word' }, { system: 'urn:example', code: 'c' }], profile: ['http://example.org/p'] } }]));
    t.equal(add.status, 200, add.text);
    t.match(meta(add), { versionId: '2', tag: [tag, { code: 'c' }], profile: ['http://example.org/p'] });
    t.equal(meta(add).tag.length, 2, 'no tag twice');
    t.strictSame(ids((await fhir('GET', 'Patient?_tag=urn:example|c')).body), ['ada']);
    const again = await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [{ system: 'urn:example', code: 'c' }] } }]));
    t.equal(meta(again).versionId, '2', 'nothing new, no version');
    t.equal(meta(await fhir('GET', 'Patient/ada/_history/1/$meta')).tag.length, 1, 'the version before has what it had');
    refuses(t, await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }]), { 'if-match': 'W/"1"' }), 412, 'If-Match');
  });

  await t.test('$meta-delete takes away what is there', async (t) => {
    const less = await fhir('POST', 'Patient/ada/$meta-delete', parameters(['meta', { valueMeta: { tag: [{ system: 'urn:example', code: 'c' }, { system: 'urn:nowhere', code: 'x' }], profile: ['http://example.org/p'] } }]));
    t.equal(less.status, 200, less.text);
    t.strictSame(meta(less).tag, [tag]);
    t.notOk(meta(less).profile);
    t.strictSame(ids((await fhir('GET', 'Patient?_tag=urn:example|c')).body), []);
    t.strictSame((await fhir('GET', 'Patient/ada')).body.meta, meta(less), 'the resource says the same');
    refuses(t, await fhir('POST', 'Patient/ada/$meta-delete', parameters(['meta', { valueString: 'x' }])), 400, 'no meta', 'Parameters.parameter');
    refuses(t, await fhir('POST', 'Patient/nobody/$meta-delete', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, 'nobody');
  });

  await t.test('the labels of a type and of the service are those of what the caller sees', async (t) => {
    t.strictSame(codes(meta(await fhir('GET', 'Patient/$meta')).tag), ['urn:example|a', 'urn:example|b', 'urn:other|a']);
    t.strictSame(meta(await fhir('GET', 'Patient/$meta')).profile, ['http://example.org/p']);
    t.strictSame(codes(meta(await fhir('GET', '$meta')).security), ['http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R']);
    const ada = service.as({ patient: 'ada' });
    t.strictSame(codes(meta(await ada('GET', 'Patient/$meta')).tag), ['urn:example|a'], 'not those of another patient');
    t.notOk(meta(await ada('GET', '$meta')).security, 'not those of a restricted resource');
    const none = await ada('GET', 'Task/$meta');
    t.strictSame([none.status, validate(none.body)], [200, []], 'none at all is a valid answer');
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('GET', 'Patient/$meta'), 403, 'without the scope');
  });

  await t.test('a restriction is lifted by those who treat, not by the patient', async (t) => {
    const ada = service.as({ patient: 'ada' });
    refuses(t, await ada('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { security: [label('R')] } }])), 403, 'a security label');
    refuses(t, await ada('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, 'what is restricted is not there');
    refuses(t, await ada('POST', 'Patient/bob/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, "another's");
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('POST', 'Goal/sleep/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }])), 403, 'without the scope');
    const lifted = await fhir('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { security: [label('R')] } }]));
    t.notOk(meta(lifted).security, lifted.text);
    t.equal((await ada('GET', 'Goal/sleep')).status, 200, 'now she sees it');
  });

  await t.test('labels of a computed Observation are the service\'s', async (t) => {
    await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(12), '2026-02-01T09:00:00Z'));
    const [score] = resources((await fhir('GET', 'Observation?patient=ada&code=http://loinc.org|44261-6')).body);
    refuses(t, await fhir('POST', `Observation/${score.id}/$meta-add`, parameters(['meta', { valueMeta: { tag: [tag] } }])), 403, 'computed');
  });
});
