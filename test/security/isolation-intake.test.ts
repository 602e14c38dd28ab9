import t from 'tap';
import { testService, type Client, type Reply } from '../kit/service.ts';

t.setTimeout(180_000); // a busy machine

// Taking a person in: what a practitioner begins a record with, and that none of it leads into a record that is there.

const ref = (reference: string): object => ({ reference });
const ids = (reply: Reply): string[] => (reply.body?.entry ?? []).map(({ resource }: any) => resource.id as string).toSorted((a: string, b: string) => a.localeCompare(b));
const own = 'urn:uuid:11111111-1111-4111-8111-111111111111';
const me = ref('Practitioner/tom');

const entry = (resource: any, more: object = {}): object => ({ ...(resource.resourceType === 'Patient' ? { fullUrl: own } : {}), resource, request: { method: 'POST', url: resource.resourceType, ...more } });
const transaction = (...entries: object[]): object => ({ resourceType: 'Bundle', type: 'transaction', entry: entries });
const patient = (more: object = {}): any => ({ resourceType: 'Patient', identifier: [{ system: 'urn:test', value: 'known' }], name: [{ family: 'New' }], ...more });
const relations = (subject: object, practitioner = me): Readonly<Record<string, any>> => ({
  CareTeam: { resourceType: 'CareTeam', status: 'active', subject, participant: [{ member: practitioner }] },
  EpisodeOfCare: { resourceType: 'EpisodeOfCare', status: 'active', patient: subject, careManager: practitioner },
  Encounter: { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' }, subject, participant: [{ individual: practitioner }] },
  Task: { resourceType: 'Task', status: 'requested', intent: 'order', for: subject, owner: practitioner },
});
const locationId = (reply: Reply, at: number): string => /\/([^/]+)\/_history/.exec(reply.body.entry[at].response.location)![1]!;

t.test('a practitioner takes a person in', async (t) => {
  const service = await testService(t);
  const system = service.as();
  const tom = service.as({ user: 'Practitioner/tom' });
  const eve = service.as({ user: 'Practitioner/eve' });
  for (const id of ['tom', 'eve']) await system('PUT', `Practitioner/${id}`, { resourceType: 'Practitioner', id });
  await system('PUT', 'Patient/ann', patient({ id: 'ann' }));
  await system('PUT', 'Goal/of-ann', { resourceType: 'Goal', id: 'of-ann', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') });
  const caseload = async (fhir: Client): Promise<string[]> => ids(await fhir('GET', 'Patient'));
  const mine: string[] = [];

  for (const type of Object.keys(relations({}))) {
    await t.test(`with a ${type} that names the practitioner, in either order`, async (t) => {
      for (const entries of [[entry(patient()), entry(relations(ref(own))[type]!)], [entry(relations(ref(own))[type]!), entry(patient())]]) {
        const made = await tom('POST', '', transaction(...entries));
        t.equal(made.status, 200, made.text.slice(0, 300));
        const id = locationId(made, (entries[0] as any).resource.resourceType === 'Patient' ? 0 : 1);
        mine.push(id);
        t.equal((await tom('GET', `Patient/${id}`)).status, 200);
        t.equal((await eve('GET', `Patient/${id}`)).status, 404, 'nobody else');
      }
    });
  }
  await t.test('by a Patient alone, or with more of the record', async (t) => {
    const alone = await tom('POST', 'Patient', patient({ generalPractitioner: [me] }));
    t.equal(alone.status, 201);
    mine.push(alone.body.id);
    t.equal((await tom('GET', `Patient/${alone.body.id}`)).status, 200);
    const more = await tom('POST', '', transaction(entry(patient({ generalPractitioner: [me] })), entry({ resourceType: 'Condition', subject: ref(own), code: { text: 'worry' } }), entry(relations(ref(own))['CareTeam'])));
    t.equal(more.status, 200, more.text.slice(0, 300));
    mine.push(locationId(more, 0));
    t.equal((await tom('GET', `Condition?patient=${locationId(more, 0)}`)).body.total, 1);
  });
  t.same(await caseload(tom), mine.toSorted((a, b) => a.localeCompare(b)));
  t.same(await caseload(eve), []);

  await t.test('none of it leads into a record that is there', async (t) => {
    for (const [type, relation] of Object.entries(relations(ref('Patient/ann')))) {
      const attempts: [what: string, bundle: object][] = [
        ['beside a new Patient', transaction(entry(patient()), entry(relation))],
        ['with the new Patient under the id of the other', transaction({ resource: patient({ id: 'ann' }), request: { method: 'PUT', url: 'Patient/ann' } }, entry(relation))],
        ['with a condition that the other would fulfil', transaction({ fullUrl: own, resource: patient(), request: { method: 'PUT', url: 'Patient?_id=ann' } }, entry(relation))],
        ['with what is created only where it is not there', transaction(entry(patient(), { ifNoneExist: '_id=ann' }), entry(relation))],
      ];
      for (const [what, bundle] of attempts) {
        const reply = await tom('POST', '', bundle);
        t.ok([404, 422].includes(reply.status), `${type} ${what}: ${reply.status}`);
        t.notMatch(reply.text, /of-ann|Annwood/);
      }
    }
    // what is found by a condition is what the practitioner sees: the new person is another one, with a record of its own
    const found = await tom('POST', '', transaction(entry(patient(), { ifNoneExist: 'name=nobody' }), entry(relations(ref(own))['CareTeam'])));
    t.equal(found.status, 200);
    mine.push(locationId(found, 0));
    t.not(locationId(found, 0), 'ann');
    t.equal((await tom('PUT', 'Patient/ann', patient({ id: 'ann', generalPractitioner: [me] }))).status, 404);
    t.equal((await tom('PUT', 'Patient/new-id', patient({ id: 'new-id', generalPractitioner: [me] }))).status, 404, 'and an id that is free answers the same');
    t.equal((await tom('POST', 'Patient', patient({ link: [{ type: 'replaces', other: ref('Patient/ann') }], generalPractitioner: [me] }))).status, 201, 'a link is only words');
    t.equal((await tom('GET', 'Patient/ann')).status, 404);
    t.equal((await tom('GET', 'Goal/of-ann')).status, 404);
    t.equal((await system('GET', 'Goal/of-ann')).status, 200);
    const moved = (await tom('GET', `Condition?patient=${mine.at(-2)!}`)).body.entry[0].resource;
    const [toAnn, toNobody] = [await tom('PUT', `Condition/${moved.id}`, { ...moved, subject: ref('Patient/ann') }), await tom('PUT', `Condition/${moved.id}`, { ...moved, subject: ref('Patient/none') })];
    t.same([toAnn.status, toAnn.text], [toNobody.status, toNobody.text], 'nothing is moved to another record, whether there is one');
    t.ok([404, 422].includes(toAnn.status));
    t.equal((await tom('PUT', `Condition/${moved.id}`, { ...moved, code: { text: 'worries' } })).status, 200);
  });

  await t.test('what was deleted does not come back in another record', async (t) => {
    const [first, second] = mine;
    const made = (await tom('POST', 'CareTeam', relations(ref(`Patient/${first!}`))['CareTeam'])).body;
    t.equal((await tom('DELETE', `CareTeam/${made.id}`)).status, 204);
    const again = (subject: string): Promise<Reply> => tom('PUT', `CareTeam/${made.id}`, { ...relations(ref(subject))['CareTeam'], id: made.id });
    const [there, not] = [await again('Patient/ann'), await again('Patient/none')];
    t.equal(there.status, 422);
    t.same([there.status, there.text], [not.status, not.text]);
    t.equal((await tom('GET', 'Patient/ann')).status, 404);
    t.equal((await again(`Patient/${second!}`)).status, 422, 'not even in one that is seen');
    t.equal((await again(`Patient/${first!}`)).status, 201, 'in its own it does');
  });

  await t.test('being named as author, performer, member, focus or link gives no access', async (t) => {
    const about = { subject: ref('Patient/ann') };
    const code = { text: 'x' };
    for (const resource of [
      { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'urn:test:form', author: ref('Practitioner/eve'), source: ref('Patient/ann'), ...about },
      { resourceType: 'Observation', status: 'final', code, performer: [ref('Practitioner/eve')], focus: [ref('Patient/ann')], ...about },
      { resourceType: 'Task', status: 'requested', intent: 'order', for: ref('Patient/ann'), requester: ref('Practitioner/eve'), focus: ref('Goal/of-ann') },
      { resourceType: 'Communication', status: 'completed', sender: ref('Practitioner/eve'), recipient: [ref('Practitioner/eve')], ...about },
      { resourceType: 'Condition', code, asserter: ref('Practitioner/eve'), recorder: ref('Practitioner/eve'), ...about },
      { resourceType: 'Group', type: 'person', actual: true, member: [{ entity: ref('Patient/ann') }], managingEntity: ref('Practitioner/eve') },
      { resourceType: 'CareTeam', status: 'inactive', participant: [{ member: ref('Practitioner/eve') }], ...about },
      { resourceType: 'List', status: 'current', mode: 'working', source: ref('Practitioner/eve'), entry: [{ item: ref('Goal/of-ann') }], ...about },
      { resourceType: 'Provenance', target: [ref('Goal/of-ann')], recorded: '2026-01-05T10:00:00Z', agent: [{ who: ref('Practitioner/eve') }] },
    ]) {
      const made = await system('POST', resource.resourceType, resource);
      t.equal(made.status, 201, made.text.slice(0, 200));
      t.equal((await eve('GET', `${resource.resourceType}/${made.body.id}`)).status, 404, resource.resourceType);
    }
    t.same(await caseload(eve), []);
    await system('POST', 'CareTeam', relations(ref('Patient/ann'), ref('Practitioner/eve'))['CareTeam']);
    t.same(await caseload(eve), ['ann'], 'a relation of care does');
  });

  await t.test('a Provenance does not tell of what is in other records', async (t) => {
    const [first] = mine;
    const made = (...targets: string[]): Promise<Reply> => tom('POST', 'Provenance', { resourceType: 'Provenance', target: targets.map(ref), recorded: '2026-01-05T10:00:00Z', agent: [{ who: me }] });
    t.equal((await made(`Patient/${first!}`)).status, 201);
    const [there, not] = [await made(`Patient/${first!}`, 'Goal/of-ann'), await made(`Patient/${first!}`, 'Goal/none')];
    t.equal(there.status, 422);
    t.same([there.status, there.text], [not.status, not.text]);
  });
});
