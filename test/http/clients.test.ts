import { once } from 'node:events';
import { connect } from 'node:net';
import { MedplumClient, OperationOutcomeError, createReference, getReferenceString } from '@medplum/core';
import type { Bundle, Observation, Patient, Practitioner, QuestionnaireResponse, Task } from '@medplum/fhirtypes';
import { CapabilityTool, Client } from 'fhir-kit-client';
import smart from 'fhirclient';
import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// Clients that other people wrote, used as their documentation shows. Nothing in the service is bent for one of them.

const loinc = 'http://loinc.org';
const homework = { coding: [{ system: 'https://intersession.example/fhir/CodeSystem/homework-type', code: 'behavioural-experiment' }] };

t.test('fhirclient (SMART JS client)', async (t) => {
  const service = await testService(t);
  const admin = service.as();
  await admin('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', name: [{ family: 'Ames' }] });
  const client = smart(undefined as never, undefined as never).client({ serverUrl: service.url, tokenResponse: { access_token: await service.token(), token_type: 'Bearer', patient: 'ada' } } as never);

  await t.test('patient.read and patient.request', async (t) => {
    t.match(await client.patient.read(), { resourceType: 'Patient', id: 'ada', name: [{ family: 'Ames' }] });
    const created = await client.create(phq9('ada', spread(14), '2026-01-05T10:00:00Z') as never) as { id: string };
    t.match(created.id, /^[0-9a-f-]{36}$/);
    // It adds the parameter of the patient compartment that the CapabilityStatement names for the type.
    const scores = await client.patient.request<any>('Observation?code=44261-6');
    t.equal(scores.entry[0].resource.valueInteger, 14);
  });

  await t.test('create, update, patch, delete', async (t) => {
    const created: any = await client.create({ resourceType: 'Practitioner', name: [{ family: 'Berg' }] } as never);
    const updated: any = await client.update({ ...created, active: true } as never);
    t.match(updated, { id: created.id, active: true, meta: { versionId: '2' } });
    const patched: any = await client.patch(`Practitioner/${created.id}`, [{ op: 'replace', path: '/active', value: false }]);
    t.match(patched, { active: false, meta: { versionId: '3' } });
    await client.delete(`Practitioner/${created.id}`);
    const gone = await client.request(`Practitioner/${created.id}`).then(() => null, (error: Error & { status?: number; statusCode?: number }) => error);
    t.match(gone, { message: /was deleted/ }, 'it shows the diagnostics of the OperationOutcome');
  });

  await t.test('includeResponse gives the headers', async (t) => {
    const { response, body } = await client.create({ resourceType: 'Practitioner' } as never, { includeResponse: true }) as { response: Response; body: { id: string } };
    t.equal(response.status, 201);
    t.equal(response.headers.get('location'), `${service.url}/Practitioner/${body.id}/_history/1`);
  });

  await t.test('pageLimit 0 walks all pages, flat gives the resources; references are resolved', async (t) => {
    for (let at = 0; at < 7; at++) await client.create({ resourceType: 'Observation', status: 'final', code: { text: 'mood' }, subject: { reference: 'Patient/ada' }, valueInteger: at, category: [{ text: 'paging' }] } as never);
    const pages = await client.request<any[]>('Observation?patient=ada&_count=2', { pageLimit: 0 });
    t.ok(pages.length >= 4, 'several pages');
    const flat = await client.request<Observation[]>('Observation?patient=ada&_count=2', { pageLimit: 0, flat: true });
    t.equal(new Set(flat.map(({ id }) => id)).size, flat.length, 'no resource twice');
    t.same(flat.filter(({ category }) => category?.[0]?.text === 'paging').map(({ valueInteger }) => valueInteger!).toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6]);
    const resolved = await client.request<any>(`Observation/${flat[0]!.id}`, { resolveReferences: 'subject' });
    t.match(resolved.subject, { resourceType: 'Patient', id: 'ada' });
    let streamed = 0;
    for await (const _ of client.resources('Observation?patient=ada&_count=2', { limit: 5 })) streamed += 1;
    t.equal(streamed, 5);
  });

  await t.test('a graph of resolved references, onPage, POST _search', async (t) => {
    const graph: any = await client.request('Observation?patient=ada&_count=2', { resolveReferences: ['subject'], graph: true });
    t.equal(graph.entry[0].resource.subject.resourceType, 'Patient');
    let pages = 0;
    await client.request('Observation?patient=ada&_count=2', { pageLimit: 3, onPage: () => { pages += 1; } });
    t.equal(pages, 3);
    const posted: any = await client.request({ url: 'Patient/_search', method: 'POST', body: '_id=ada', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    t.equal(posted.entry[0].resource.id, 'ada');
  });

  await t.test('it tells the release from the CapabilityStatement, and refusals from their status', async (t) => {
    t.equal(await client.getFhirVersion(), '4.0.1');
    t.equal(await client.getFhirRelease(), 4);
    const anonymous = smart(undefined as never, undefined as never).client({ serverUrl: service.url });
    const refused = await anonymous.request('Patient/ada').then(() => null, (error: Error) => error);
    t.match(refused, { status: 401 });
  });
});

t.test('fhir-kit-client', async (t) => {
  const service = await testService(t);
  const client = new Client({ baseUrl: service.url, bearerToken: await service.token() });
  const refusal = async (work: Promise<unknown>): Promise<{ status: number; data: any }> => work.then(() => { throw new Error('not refused'); }, (error: any) => error.response);

  await t.test('capabilityStatement and smartAuthMetadata', async (t) => {
    t.match(await client.capabilityStatement(), { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1', rest: [{ mode: 'server' }] });
    const { tokenUrl } = await client.smartAuthMetadata();
    t.equal(String(tokenUrl), String(new URL('/oauth/token', service.url)));
  });

  await t.test('create, read, vread, update, patch, history, delete', async (t) => {
    const body = { resourceType: 'Patient', name: [{ family: 'Ames' }] };
    const { id } = await client.create({ resourceType: 'Patient', body }) as any;
    t.match(await client.read({ resourceType: 'Patient', id }), body);
    t.match(await client.update({ resourceType: 'Patient', id, body: { ...body, id, active: true } }), { active: true });
    t.match(await client.vread({ resourceType: 'Patient', id, version: '1' }), { meta: { versionId: '1' } });
    t.match(await client.patch({ resourceType: 'Patient', id, jsonPatch: [{ op: 'test', path: '/active', value: true }, { op: 'add', path: '/gender', value: 'female' }] }), { gender: 'female', meta: { versionId: '3' } });
    const history: any = await client.history({ resourceType: 'Patient', id });
    t.same(history.entry.map(({ resource }: any) => resource.meta.versionId), ['3', '2', '1']);
    t.ok(((await client.history({ resourceType: 'Patient' })) as any).entry.length >= 3);
    t.ok(((await client.history()) as any).entry.length >= 3);
    await client.delete({ resourceType: 'Patient', id });
    t.match(await refusal(client.read({ resourceType: 'Patient', id })), { status: 410, data: { resourceType: 'OperationOutcome' } });
    t.match(await refusal(client.read({ resourceType: 'Patient', id: 'never' })), { status: 404 });
  });

  await t.test('search by GET and POST, with repeated parameters, in a compartment, page by page', async (t) => {
    await client.update({ resourceType: 'Patient', id: 'bea', body: { resourceType: 'Patient', id: 'bea' } });
    for (let day = 1; day <= 5; day++) await client.create({ resourceType: 'QuestionnaireResponse', body: phq9('bea', spread(day), `2026-01-0${day}T10:00:00Z`) as never });
    const searchParams = { patient: 'bea', code: '44261-6', date: ['ge2026-01-02', 'le2026-01-04'] };
    for (const postSearch of [false, true]) {
      const found: any = await client.search({ resourceType: 'Observation', searchParams, options: { postSearch } });
      t.equal(found.entry.length, 3, postSearch ? 'POST _search' : 'GET');
    }
    const within: any = await client.search({ resourceType: 'QuestionnaireResponse', compartment: { resourceType: 'Patient', id: 'bea' }, searchParams: { _count: 2 } });
    const seen: string[] = [];
    for (let bundle: any = within; bundle !== undefined; bundle = await client.nextPage({ bundle })) seen.push(...bundle.entry.map(({ resource }: any) => resource.id));
    t.equal(seen.length, 5);
    t.equal(new Set(seen).size, 5);
  });

  await t.test('conditional update, batch and transaction', async (t) => {
    const searchParams = { identifier: 'urn:clinic|17' };
    const body = { resourceType: 'Practitioner', identifier: [{ system: 'urn:clinic', value: '17' }] };
    const first: any = await client.update({ resourceType: 'Practitioner', searchParams, body });
    const second: any = await client.update({ resourceType: 'Practitioner', searchParams, body: { ...body, active: true } });
    t.equal(second.id, first.id);
    const entry = [{ request: { method: 'GET', url: `Practitioner/${first.id}` } }, { request: { method: 'GET', url: 'Practitioner/nobody' } }];
    const batch: any = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } });
    t.match(batch, { type: 'batch-response', entry: [{ resource: { active: true }, response: { status: /^200/ } }, { response: { status: /^404/, outcome: { resourceType: 'OperationOutcome' } } }] });
    const refused = await refusal(client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } }));
    t.match(refused, { status: 404, data: { issue: [{ expression: ['Bundle.entry[1]'] }] } });
    const transaction: any = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: [entry[0]] } });
    t.match(transaction, { type: 'transaction-response', entry: [{ resource: { id: first.id } }] });
  });

  await t.test('what its CapabilityTool reads from the statement; searches of the system, of a compartment and of a type, by GET and POST', async (t) => {
    const tool = new CapabilityTool(await client.capabilityStatement() as any);
    t.same([tool.serverCan('transaction'), tool.resourceCan('Patient', 'vread'), tool.serverSearch('_id'), tool.resourceSearch('Patient', 'name'), tool.resourceSearch('Patient', 'nothing')], [true, true, true, true, false]);
    for (const postSearch of [false, true]) {
      const options = { postSearch };
      const [system, compartment, type] = await Promise.all([
        client.systemSearch({ searchParams: { _type: 'Patient', _id: 'bea' }, options } as never), client.compartmentSearch({ resourceType: 'QuestionnaireResponse', compartment: { resourceType: 'Patient', id: 'bea' }, searchParams: { _count: 1 }, options } as never),
        client.resourceSearch({ resourceType: 'Patient', searchParams: { _id: 'bea' }, options } as never),
      ]) as any[];
      t.same([system.total, compartment.total, type.total], [1, 5, 1], `postSearch ${postSearch}`);
    }
    t.match(await client.operation({ name: 'versions', method: 'GET' } as never), { resourceType: 'Parameters' });
    t.match(await client.operation({ resourceType: 'Patient', name: '$validate', input: { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: { resourceType: 'Patient' } }] } } as never), { resourceType: 'OperationOutcome' });
  });

  await t.test('operation, and a relative reference resolved', async (t) => {
    const progress: any = await client.operation({ resourceType: 'Patient', id: 'bea', name: 'progress', method: 'GET' });
    t.equal(progress.resourceType, 'Parameters');
    t.match(await client.resolve({ reference: 'Patient/bea' }), { resourceType: 'Patient', id: 'bea' });
  });
});

t.test('MedplumClient', async (t) => {
  const service = await testService(t);
  const { origin } = new URL(service.url);
  // Its default fhirUrlPath is fhir/R4/. Everything outside of FHIR (login, profile, GraphQL) is Medplum's own and not used.
  const medplum = new MedplumClient({ baseUrl: `${origin}/`, fhirUrlPath: 'fhir/R4/', cacheTime: 0, fetch });
  medplum.setAccessToken(await service.token());
  const refused = async (work: PromiseLike<unknown>): Promise<OperationOutcomeError | undefined> => {
    try {
      await work;
      return undefined;
    } catch (error) {
      return error as OperationOutcomeError;
    }
  };

  await t.test('createResource, readResource, readReference, updateResource, readVersion, readHistory', async (t) => {
    const patient = await medplum.createResource<Patient>({ resourceType: 'Patient', name: [{ family: 'Ames', given: ['Ada'] }] });
    t.match(await medplum.readReference(createReference(patient)), { id: patient.id });
    const updated = await medplum.updateResource<Patient>({ ...patient, active: true });
    t.equal(updated.meta?.versionId, '2');
    t.equal((await medplum.readResource('Patient', patient.id)).active, true);
    t.equal((await medplum.readVersion('Patient', patient.id, '1')).active, undefined);
    const history = await medplum.readHistory('Patient', patient.id);
    t.same(history.entry?.map(({ resource }) => resource?.meta?.versionId), ['2', '1']);
  });

  await t.test('an update that changes nothing gives the resource back', async (t) => {
    const practitioner = await medplum.createResource<Practitioner>({ resourceType: 'Practitioner' });
    const same = await medplum.updateResource(practitioner);
    t.equal(same.id, practitioner.id);
  });

  await t.test('patchResource moves a Task, and an illegal step comes back as OperationOutcomeError', async (t) => {
    const patient = await medplum.createResource<Patient>({ resourceType: 'Patient' });
    const task = await medplum.createResource<Task>({ resourceType: 'Task', status: 'requested', intent: 'order', code: homework, for: createReference(patient) });
    const accepted = await medplum.patchResource('Task', task.id, [{ op: 'replace', path: '/status', value: 'accepted' }]);
    t.equal(accepted.status, 'accepted');
    const error = await refused(medplum.patchResource('Task', task.id, [{ op: 'replace', path: '/status', value: 'draft' }]));
    t.match(error?.outcome, { issue: [{ expression: ['Task.status'] }] });
  });

  await t.test('search, searchOne, searchResources, searchResourcePages', async (t) => {
    const patient = await medplum.createResource<Patient>({ resourceType: 'Patient' });
    for (let day = 1; day <= 5; day++) await medplum.createResource(phq9(patient.id, spread(day + 4), `2026-01-0${day}T10:00:00Z`) as unknown as QuestionnaireResponse);
    const subject = getReferenceString(patient);
    t.equal((await medplum.search('Observation', { subject, code: `${loinc}|44261-6`, _total: 'accurate', _count: 1 })).total, 5);
    t.equal((await medplum.searchOne('Observation', { subject, code: '44261-6', _sort: '-date' }))?.valueInteger, 9);
    t.equal((await medplum.searchResources('Observation', new URLSearchParams({ subject, code: '44261-6', 'value-quantity:missing': 'true' }))).length, 5);
    const values: unknown[] = [];
    for await (const page of medplum.searchResourcePages('Observation', `subject=${subject}&code=44261-6&_sort=date&_count=2`)) values.push(...page.map(({ valueInteger }) => valueInteger));
    t.same(values, [5, 6, 7, 8, 9]);
  });

  await t.test('createResourceIfNoneExist and upsertResource are exactly once', async (t) => {
    const body: Practitioner = { resourceType: 'Practitioner', identifier: [{ system: 'urn:clinic', value: '18' }] };
    const both = await Promise.all([1, 2, 3].map(async () => medplum.createResourceIfNoneExist(body, 'identifier=urn:clinic|18')));
    t.equal(new Set(both.map(({ id }) => id)).size, 1);
    const upserted = await medplum.upsertResource({ ...body, active: true }, 'identifier=urn:clinic|18');
    t.equal(upserted.id, both[0]!.id);
    t.equal((await medplum.upsertResource({ ...body, identifier: [{ system: 'urn:clinic', value: '19' }] }, 'identifier=urn:clinic|19')).active, undefined);
  });

  await t.test('executeBatch, and requests that it gathers into a batch by itself', async (t) => {
    const bundle: Bundle = { resourceType: 'Bundle', type: 'transaction', entry: [
      { fullUrl: 'urn:uuid:5c9d0f3e-3f1e-4b2a-8f64-0a6e2f0c1d11', resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } },
      { resource: { resourceType: 'Task', status: 'requested', intent: 'order', code: homework, for: { reference: 'urn:uuid:5c9d0f3e-3f1e-4b2a-8f64-0a6e2f0c1d11' } } as Task, request: { method: 'POST', url: 'Task' } },
    ] };
    const result = await medplum.executeBatch(bundle);
    t.same(result.entry?.map(({ response }) => response?.status.slice(0, 3)), ['201', '201']);
    const gathering = new MedplumClient({ baseUrl: `${origin}/`, autoBatchTime: 20, fetch });
    gathering.setAccessToken(await service.token());
    const [patient] = await medplum.searchResources('Patient', '_count=1');
    const [one, none] = await Promise.allSettled([gathering.readResource('Patient', patient!.id), gathering.readResource('Patient', 'nobody')]);
    t.match(one, { status: 'fulfilled', value: { id: patient!.id } });
    t.match(none, { status: 'rejected', reason: { outcome: { issue: [{ code: 'not-found' }] } } });
  });

  await t.test('createBinary, createAttachment, createDocumentReference, download', async (t) => {
    const patient = await medplum.createResource<Patient>({ resourceType: 'Patient' });
    const securityContext = createReference(patient);
    const binary = await medplum.createBinary({ data: 'hello', contentType: 'text/plain', filename: 'a.txt', securityContext });
    t.match(binary, { resourceType: 'Binary', contentType: 'text/plain', securityContext: { reference: getReferenceString(patient) } });
    const bytes = await medplum.createBinary({ data: new Uint8Array([0x89, 0xff, 0]), contentType: 'image/png', securityContext });
    t.same(Buffer.from(await (await medplum.download(medplum.fhirUrl('Binary', bytes.id!), { headers: { accept: 'image/png' } })).arrayBuffer()), Buffer.from([0x89, 0xff, 0]));
    t.equal(await (await medplum.download(medplum.fhirUrl('Binary', binary.id!))).text(), 'hello', 'it accepts anything');
    t.match(await medplum.createBinary({ data: '{"a":1}', contentType: 'application/json' }), { contentType: 'application/json' });
    t.match(await medplum.createAttachment({ data: 'x', contentType: 'text/plain', securityContext } as never), { contentType: 'text/plain' });
    t.match(await medplum.createDocumentReference({ data: 'x', contentType: 'text/plain', additionalFields: { subject: securityContext }, securityContext } as never), { resourceType: 'DocumentReference', subject: securityContext });
  });

  await t.test('readPatientEverything, validateResource, valueSetExpand, createComment, a batch of nothing', async (t) => {
    const patient = await medplum.createResource<Patient>({ resourceType: 'Patient' });
    t.match(await medplum.createComment(patient, 'hello'), { resourceType: 'Communication', payload: [{ contentString: 'hello' }] });
    t.equal((await medplum.readPatientEverything(patient.id)).entry?.length, 2);
    t.match((await medplum.validateResource({ resourceType: 'Patient', gender: 'x' } as never)).issue, [{ severity: 'error' }]);
    t.ok((await medplum.valueSetExpand({ url: 'http://hl7.org/fhir/ValueSet/administrative-gender' })).expansion!.contains!.length >= 4);
    t.match(await medplum.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [] }), { type: 'batch-response' });
  });

  await t.test('deleteResource, and what it says afterwards', async (t) => {
    const practitioner = await medplum.createResource<Practitioner>({ resourceType: 'Practitioner' });
    await medplum.deleteResource('Practitioner', practitioner.id);
    t.match((await refused(medplum.readResource('Practitioner', practitioner.id)))?.outcome, { issue: [{ code: 'deleted' }] });
  });
});

t.test('a connection that never carried a request does not keep the service from ending', async (t) => {
  const ends = new Promise<number>((resolve) => {
    t.test('the service', async (inner) => {
      const service = await testService(inner);
      const { port, hostname } = new URL(service.url);
      const spare = connect(Number(port), hostname);
      await once(spare, 'connect');
      const started = performance.now();
      spare.once('close', () => { resolve(performance.now() - started); });
    });
  });
  t.ok(await ends < 2000, 'it is closed at once, not after its keep-alive or header time');
});
