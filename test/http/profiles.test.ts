import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { phq9 } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

// What profiles decide: $validate by the profile that is asked for, and writes by those that a resource says it meets.

const base = 'https://intersession.example/fhir';
const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition/';
const example = (name: string): any => JSON.parse(readFileSync(new URL(`../data/us-core-6.1/${name}.json`, import.meta.url), 'utf8'));
const errors = ({ body }: Reply): { expression?: string[]; code: string; details: { text: string } }[] => body.issue.filter(({ severity }: { severity: string }) => severity === 'error');
const at = (reply: Reply): string[] => errors(reply).map(({ expression }) => expression?.[0] ?? '').sort();
const validated = (fhir: Client, resource: any, profile: string): Promise<Reply> => fhir('POST', `${resource.resourceType}/$validate?profile=${encodeURIComponent(profile)}`, resource);

/** A profile of Task that wants a description. */
const described = (id: string, more: object = {}): any => ({
  resourceType: 'StructureDefinition', id, url: `urn:test:${id}`, version: '1', name: 'Described', status: 'active', fhirVersion: '4.0.1', kind: 'resource', abstract: false, type: 'Task',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Task', derivation: 'constraint',
  differential: { element: [{ id: 'Task', path: 'Task' }, { id: 'Task.description', path: 'Task.description', min: 1 }] }, ...more,
});
const task = (rest: object = {}): any => ({ resourceType: 'Task', status: 'requested', intent: 'order', ...rest });
const claiming = (profile: string, rest: object = {}): any => task({ meta: { profile: [profile] }, ...rest });

t.test('$validate by the profiles that are shipped, and by one that was stored a moment ago', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const [name, profile] of [['Patient-example', 'us-core-patient'], ['Goal-goal-1', 'us-core-goal'], ['CarePlan-colonoscopy', 'us-core-careplan'], ['QuestionnaireResponse-phq-9-example', 'us-core-questionnaireresponse'], ['Observation-PHQ9-panel-example-44249-1', 'us-core-observation-screening-assessment']] as const) {
    const reply = await validated(fhir, example(name), usCore + profile);
    t.equal(reply.status, 200);
    t.same(errors(reply), [], name);
  }
  const careless = { ...example('Patient-example'), gender: undefined };
  t.same(at(await validated(fhir, careless, `${usCore}us-core-patient`)), ['Patient.gender']);
  t.same(at(await validated(fhir, careless, `${usCore}us-core-patient|6.1.0`)), ['Patient.gender'], 'with its version');
  t.match(errors(await validated(fhir, careless, `${usCore}us-core-patient|99`)).find(({ code }) => code === 'not-supported'), { details: { text: /not known here/ } }, 'not with another');
  t.match(errors(await validated(fhir, task(), 'urn:test:fresh')), [{ code: 'not-supported', details: { text: /store its StructureDefinition/ } }]);
  t.match(errors(await validated(fhir, task(), `${usCore}us-core-goal`)), [{ code: 'invalid', details: { text: /one of Goal, not of Task/ } }]);
  t.equal((await fhir('PUT', 'StructureDefinition/fresh', described('fresh'))).status, 201);
  t.same(at(await validated(fhir, task(), 'urn:test:fresh')), ['Task.description'], 'what was not known before is known now');
  t.same(errors(await validated(fhir, task({ description: 'x' }), 'urn:test:fresh')), []);
  const asParameters = { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: task() }, { name: 'profile', valueUri: 'urn:test:fresh' }, { name: 'mode', valueCode: 'profile' }] };
  t.same(at(await fhir('POST', 'Task/$validate', asParameters)), ['Task.description']);
  const stored = (await fhir('POST', 'Task', task())).body.id as string;
  t.same(at(await fhir('GET', `Task/${stored}/$validate?profile=urn:test:fresh`)), ['Task.description'], 'of what is stored');
  t.equal((await fhir('PUT', 'StructureDefinition/fresh', described('fresh', { differential: { element: [{ id: 'Task', path: 'Task' }, { id: 'Task.note', path: 'Task.note', min: 1 }] } }))).status, 200);
  t.same(at(await validated(fhir, task(), 'urn:test:fresh')), ['Task.note'], 'a changed definition counts at once');
  t.equal((await fhir('DELETE', 'StructureDefinition/fresh')).status, 204);
  t.match(errors(await validated(fhir, task(), 'urn:test:fresh')), [{ code: 'not-supported' }], 'a deleted one is not known');
});

t.test('a resource that does not meet a profile that it claims is refused by every way of writing', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'StructureDefinition/d', described('d'));
  const bad = claiming('urn:test:d');
  const good = claiming('urn:test:d', { description: 'x' });
  const refused = (reply: Reply, what: string): void => {
    t.equal(reply.status, 422, what);
    t.match(reply.body, { issue: [{ severity: 'error', expression: [/\.description$/] }] }, what);
  };
  refused(await fhir('POST', 'Task', bad), 'create');
  refused(await fhir('PUT', 'Task/t', { ...bad, id: 't' }), 'update');
  refused(await fhir('PUT', 'Task?identifier=urn:x|1', bad), 'conditional update');
  refused(await fhir('POST', 'Task', bad, { 'if-none-exist': 'identifier=urn:x|1' }), 'conditional create');
  const entry = { resource: bad, request: { method: 'POST', url: 'Task' } };
  refused(await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [entry] }), 'transaction');
  const batch = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [entry, { ...entry, resource: good }] });
  t.same(batch.body.entry.map(({ response }: { response: { status: string } }) => response.status.slice(0, 3)), ['422', '201'], 'batch');
  const id = (await fhir('POST', 'Task', good)).body.id as string;
  const patch = (operations: object): Promise<Reply> => fhir('PATCH', `Task/${id}`, JSON.stringify(operations), { 'content-type': 'application/json-patch+json' });
  refused(await patch([{ op: 'remove', path: '/description' }]), 'patch that breaks what is claimed');
  refused(await fhir('PUT', `Task/${id}`, task({ id })), 'an update that does not repeat the claim, which stays');
  refused(await fhir('PUT', `Task?_id=${id}`, task()), 'a conditional one');
  refused(await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: task({ id }), request: { method: 'PUT', url: `Task/${id}` } }] }), 'one in a transaction');
  t.same(at(await fhir('POST', `Task/${id}/$validate?mode=update`, task({ id }))), ['Task.description'], '$validate says so');
  t.match(await fhir('PUT', `Task/${id}`, task({ id, description: 'y' })), { status: 200, body: { meta: { profile: ['urn:test:d'] } } });
  const other = (await fhir('POST', 'Task', task())).body.id as string;
  refused(await fhir('PATCH', `Task/${other}`, JSON.stringify([{ op: 'add', path: '/meta/profile', value: ['http://test.example/d'] }]), { 'content-type': 'application/json-patch+json' }).then(async (reply) => {
    t.equal(reply.status, 200, 'a claim that is not known here is taken');
    await fhir('PUT', 'StructureDefinition/d2', described('d2', { url: 'http://test.example/d' }));
    return fhir('PATCH', `Task/${other}`, JSON.stringify([{ op: 'add', path: '/priority', value: 'urgent' }]), { 'content-type': 'application/json-patch+json' });
  }), 'a patch of what claims a profile that became known');
  const plain = (await fhir('POST', 'Task', task())).body.id as string;
  refused(await fhir('PATCH', `Task/${plain}`, JSON.stringify([{ op: 'add', path: '/meta/profile', value: ['http://test.example/d'] }]), { 'content-type': 'application/json-patch+json' }), 'a patch that claims');
  refused(await fhir('POST', `Task/${plain}/$meta-add`, { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { profile: ['urn:test:d'] } }] }), '$meta-add that claims');
  t.equal((await fhir('POST', `Task/${id}/$meta-add`, { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { profile: ['http://test.example/d'] } }] })).status, 200, '$meta-add of what is so');
  t.equal((await fhir('POST', 'Task', claiming('urn:test:d|2'))).status, 201, 'another version is another profile, which is not known here');
  t.equal((await fhir('POST', 'Task', claiming('urn:test:elsewhere'))).status, 201, 'a profile that is not known is stored as it comes');
  t.equal((await fhir('POST', 'Task', claiming('http://hl7.org/fhir/StructureDefinition/Task'))).status, 201);
  t.match((await fhir('POST', 'Task/$validate', claiming('urn:test:elsewhere'))).body, { issue: [{ severity: 'information', expression: ['Task.meta.profile[0]'] }] }, '$validate says so');
  const shared = await fhir('POST', 'Patient', { ...example('Patient-example'), id: undefined, gender: undefined });
  t.match([shared.status, at(shared)], [422, ['Patient.gender']]);
});

t.test('what the service computes and publishes meets its own profiles and those of US Core', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', identifier: [{ system: 'urn:mrn', value: '1' }], name: [{ family: 'L' }], gender: 'female' });
  await fhir('PUT', 'EpisodeOfCare/e', { resourceType: 'EpisodeOfCare', id: 'e', status: 'active', patient: { reference: 'Patient/ada' }, period: { start: '2026-01-01' } });
  for (const [at, scores] of [['2026-01-05T10:00:00Z', [3, 3, 3, 3, 2, 2, 2, 1, 0]], ['2026-02-05T10:00:00Z', [1, 1, 1, 1, 1, 1, 0, 0, 0]]] as const) {
    t.equal((await fhir('POST', 'QuestionnaireResponse', phq9('ada', scores as unknown as number[], at))).status, 201);
  }
  const computed = (await fhir('GET', 'Observation?patient=ada&_count=100')).body.entry.map(({ resource }: any) => resource) as any[];
  const has = (observation: any, category: string): boolean => observation.category[0].coding.some(({ code }: any) => code === category);
  const scores = computed.filter((each) => has(each, 'survey') && each.extension?.some(({ url }: any) => url.endsWith('score-quality')));
  const progress = computed.filter((each) => has(each, 'therapy'));
  t.ok(scores.length >= 2 && progress.length >= 2, `${scores.length} scores, ${progress.length} of progress`);
  for (const score of scores) {
    t.same(errors(await validated(fhir, score, `${base}/StructureDefinition/bs-score-observation`)), []);
    t.same(errors(await validated(fhir, score, `${usCore}us-core-observation-screening-assessment`)), [], 'US Core');
    t.same(at(await validated(fhir, { ...score, method: undefined, derivedFrom: undefined }, `${base}/StructureDefinition/bs-score-observation`)), ['Observation.derivedFrom', 'Observation.method']);
  }
  for (const each of progress) t.same(errors(await validated(fhir, each, `${base}/StructureDefinition/bs-progress-observation`)), []);
  const homework = { resourceType: 'Task', status: 'requested', intent: 'order', code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, for: { reference: 'Patient/ada' }, authoredOn: '2026-01-05', lastModified: '2026-01-05', input: [{ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code: 'confidence-0-10' }] }, valueInteger: 7 }] };
  const homeworkProfile = `${base}/StructureDefinition/bs-homework-task`;
  t.same(errors(await validated(fhir, homework, homeworkProfile)), []);
  t.same(at(await validated(fhir, { ...homework, intent: 'proposal', status: 'rejected', for: undefined, input: [{ ...homework.input[0], valueInteger: 11 }] }, homeworkProfile)), ['Task', 'Task.for', 'Task.input[0].value', 'Task.intent']);
});

t.test('every extension and profile of this service can be read under its id', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const source = readdirSync(new URL('../../src/', import.meta.url), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')).join('\n');
  const names = new Set([...source.matchAll(/extensionUrl\('([a-z-]+)'\)/g)].map(([, name]) => name!));
  t.ok(names.size >= 3);
  for (const name of names) {
    const found = await fhir('GET', `StructureDefinition?url=${base}/StructureDefinition/${name}`);
    t.equal(found.body.total ?? found.body.entry?.length, 1, `${name} is published`);
    t.match(found.body.entry?.[0]?.resource, { id: name, type: 'Extension', kind: 'complex-type' }, name);
  }
  for (const file of ['us-core', 'sdc', 'profiles'].flatMap((folder) => readdirSync(new URL(`../../schemas/${folder}/`, import.meta.url)).map((name) => new URL(`../../schemas/${folder}/${name}`, import.meta.url)))) {
    if (!file.pathname.endsWith('.json')) continue;
    const { resourceType, id } = JSON.parse(readFileSync(file, 'utf8')) as { resourceType: string; id: string };
    t.equal((await fhir('GET', `${resourceType}/${id}`)).status, 200, `${resourceType}/${id}`);
  }
});
