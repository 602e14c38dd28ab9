import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

// Attacks with rights of one's own: getting further than they reach by what one may write, and back to what was taken away.

t.setTimeout(180_000);

const ref = (reference: string): object => ({ reference });
const service = await testService(t, { env: { ADMIN_CLIENTS: 'development', BREAK_GLASS_MINUTES: '30' } });
const system = service.as();
const made = async (client: Client, resource: any): Promise<any> => {
  const reply = resource.id === undefined ? await client('POST', resource.resourceType, resource) : await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
  if (reply.status !== 201 && reply.status !== 200) throw new Error(`${resource.resourceType}: ${reply.status} ${reply.text}`);
  return reply.body;
};
const notes = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSYTHPN' }] };
for (const id of ['tom', 'thea', 'stranger']) await made(system, { resourceType: 'Practitioner', id });
for (const [id, by] of [['ann', 'tom'], ['ben', 'thea']] as const) {
  await made(system, { resourceType: 'Patient', id, name: [{ family: `Family${id}` }] });
  await made(system, { resourceType: 'CareTeam', id: `team-${id}`, status: 'active', subject: ref(`Patient/${id}`), participant: [{ member: ref(`Practitioner/${by}`) }] });
  await made(system, { resourceType: 'Goal', id: `goal-${id}`, lifecycleStatus: 'active', description: { text: `kept-secret-${id}` }, subject: ref(`Patient/${id}`) });
}
const ann = service.as({ patient: 'ann' });
const ben = service.as({ patient: 'ben' });
const tom = service.as({ user: 'Practitioner/tom' });
const stranger = service.as({ user: 'Practitioner/stranger' });

await t.test('no way of naming a subject leads into another record, and none out of every record', async (t) => {
  const goal = (subject: unknown, more: object = {}): object => ({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'planted' }, subject, ...more });
  const contained = (id: string): object => ({ contained: [{ resourceType: 'Patient', id: 'p', identifier: [{ value: id }] }] });
  const bodies: Readonly<Record<string, object>> = {
    'a reference': goal(ref('Patient/ben')), 'a URL of this service': goal(ref(`${service.url}/Patient/ben`)), 'a version': goal(ref('Patient/ben/_history/1')), 'a URL of elsewhere': goal(ref('https://elsewhere.example/fhir/Patient/ben')), 'a contained one': goal(ref('#p'), contained('ben')), 'an identifier': goal({ identifier: { system: 'urn:x', value: 'ben' } }), 'an identifier beside one’s own name': goal({ display: 'ann', identifier: { value: 'ben' } }), 'a type and an identifier': goal({ type: 'Patient', identifier: { value: 'ben' } }),
    'nobody': goal(undefined), 'a display': goal({ display: 'Ben' }), 'a group': goal(ref('Group/all')), 'a condition': goal(ref('Patient?_id=ben')), 'a fragment of nothing': goal(ref('#none')), 'a UUID': goal(ref('urn:uuid:4b7ab1fe-0f5f-4b7a-8f29-0b8ab2a3a3a1')), 'two in a list': goal([ref('Patient/ann'), ref('Patient/ben')]), 'a path': goal(ref('Patient/ann/../ben')), 'a case': goal(ref('patient/ben')), 'an extension': goal({ extension: [{ url: 'urn:x', valueReference: ref('Patient/ann') }] }),
  };
  for (const [who, client] of Object.entries({ 'a patient’s app': ann, 'a therapist': tom, 'a stranger': stranger })) {
    for (const [name, body] of Object.entries(bodies)) {
      const reply = await client('POST', 'Goal', body);
      t.ok([400, 403, 404, 422].includes(reply.status), `${who}: ${name}: ${reply.status}`);
      const whole = await client('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: body, request: { method: 'POST', url: 'Goal' } }] });
      t.ok(whole.status >= 400, `${who}: ${name} in a transaction: ${whole.status}`);
    }
  }
  t.equal((await system('GET', 'Goal?_summary=count')).body.total, 2, 'nothing was planted');
  t.equal((await ann('POST', 'Goal', goal(ref('Patient/ann')))).status, 201, 'the control');
  t.equal((await tom('POST', 'Goal', goal(ref(`${service.url}/Patient/ann`)))).status, 201, 'the control: a URL of this service');
});

await t.test('an appointment with two clients is in one record, and shows nobody the other', async (t) => {
  const both = (...patients: string[]): object => ({ resourceType: 'Appointment', status: 'proposed', participant: patients.map((id) => ({ actor: ref(`Patient/${id}`), status: 'accepted' })) });
  const replies = [await ann('POST', 'Appointment', both('ben', 'ann')), await ann('POST', 'Appointment', both('ben'))];
  for (const reply of replies) t.ok([400, 403, 422].includes(reply.status), String(reply.status));
  const own = await ann('POST', 'Appointment', both('ann'));
  t.equal(own.status, 201, 'the control');
  await ann('PUT', `Appointment/${own.body.id}`, { ...own.body, participant: [{ actor: ref('Patient/ben'), status: 'accepted' }] });
  t.equal((await ben('GET', 'Appointment?_summary=count')).body.total, 0, 'it cannot be put into the other’s record');
  t.equal((await ann('GET', `Appointment/${own.body.id}`)).status, 200);
});

await t.test('care is not taken by writing it', async (t) => {
  const attempts: object[] = [
    { resourceType: 'CareTeam', status: 'active', subject: ref('Patient/ben'), participant: [{ member: ref('Practitioner/stranger') }] }, { resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/ben'), participant: [{ individual: ref('Practitioner/stranger') }] }, { resourceType: 'EpisodeOfCare', status: 'active', patient: ref('Patient/ben'), careManager: ref('Practitioner/stranger') },
    { resourceType: 'Task', status: 'requested', intent: 'order', for: ref('Patient/ben'), owner: ref('Practitioner/stranger') }, { resourceType: 'Consent', status: 'active', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: ref('Patient/ben'), provision: { type: 'permit', actor: [{ role: { text: 'x' }, reference: ref('Practitioner/stranger') }] } },
    { resourceType: 'Patient', id: 'ben', generalPractitioner: [ref('Practitioner/stranger')] }, { resourceType: 'PractitionerRole', active: true, practitioner: ref('Practitioner/stranger'), organization: ref('Organization/x') }, { resourceType: 'RelatedPerson', patient: ref('Patient/ben'), name: [{ text: 'stranger' }] }, { resourceType: 'Group', type: 'person', actual: true, member: [{ entity: ref('Patient/ben') }] }, { resourceType: 'List', status: 'current', mode: 'working', subject: ref('Patient/ben') },
    { resourceType: 'Appointment', status: 'booked', start: '2026-01-05T10:00:00Z', end: '2026-01-05T11:00:00Z', participant: [{ actor: ref('Patient/ben'), status: 'accepted' }, { actor: ref('Practitioner/stranger'), status: 'accepted' }] }, { resourceType: 'Provenance', target: [ref('Patient/ben')], recorded: '2026-01-05T10:00:00Z', agent: [{ who: ref('Practitioner/stranger') }] },
    { resourceType: 'AuditEvent', type: { code: 'rest' }, recorded: '2026-01-05T10:00:00Z', agent: [{ requestor: true }], source: { observer: { display: 'x' } } }, { resourceType: 'Subscription', status: 'requested', reason: 'x', criteria: 'Goal?patient=ben', channel: { type: 'rest-hook', endpoint: 'http://169.254.169.254/' } },
  ];
  for (const resource of attempts as any[]) {
    for (const [who, client] of Object.entries({ stranger, tom, ann })) {
      const reply = resource.id === undefined ? await client('POST', resource.resourceType, resource) : await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
      t.ok([400, 403, 404, 405, 422].includes(reply.status), `${who}: ${resource.resourceType}: ${reply.status}`);
    }
  }
  t.same((await stranger('GET', 'Patient')).body.entry, undefined, 'the stranger sees nobody');
  // one's own new client is a way in for oneself only
  const fresh = await stranger('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    { fullUrl: 'urn:uuid:0b8ab2a3-0f5f-4b7a-8f29-4b7ab1fea3a1', resource: { resourceType: 'Patient', link: [{ other: ref('Patient/ben'), type: 'replaces' }], generalPractitioner: [ref('Practitioner/stranger')] }, request: { method: 'POST', url: 'Patient' } },
    { resource: { resourceType: 'CareTeam', status: 'active', subject: ref('Patient/ben'), participant: [{ member: ref('Practitioner/stranger') }] }, request: { method: 'POST', url: 'CareTeam' } }] });
  t.ok(fresh.status >= 400, 'a new client does not open the door to another');
  t.equal((await stranger('POST', 'Patient', { resourceType: 'Patient', link: [{ other: ref('Patient/ben'), type: 'replaces' }], generalPractitioner: [ref('Practitioner/stranger')] })).status, 201, 'the control: a client of one’s own');
  for (const path of ['Goal', 'Patient/ben', 'Patient?_id=ben', 'Patient?_include=Patient:link', 'Patient/ben/$everything']) t.notMatch((await stranger('GET', path)).text, /kept-secret|Familyben/, path);
});

await t.test('a label is not taken off by who does not see under it', async (t) => {
  await made(system, { resourceType: 'Goal', id: 'note', meta: notes, lifecycleStatus: 'active', description: { text: 'kept-secret-note' }, subject: ref('Patient/ann') });
  const label = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: notes }] };
  const attempts: [string, () => Promise<Reply>][] = [
    ['$meta-delete', () => ann('POST', 'Goal/note/$meta-delete', label)], ['$meta', () => ann('GET', 'Goal/note/$meta')], ['a patch', () => ann('PATCH', 'Goal/note', [{ op: 'remove', path: '/meta/security' }], { 'content-type': 'application/json-patch+json' })], ['a FHIRPath patch', () => ann('PATCH', 'Goal/note', { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }, { name: 'path', valueString: 'Goal.meta.security' }] }] })],
    ['an update', () => ann('PUT', 'Goal/note', { resourceType: 'Goal', id: 'note', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') })], ['an update in a transaction', () => ann('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: { resourceType: 'Goal', id: 'note', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') }, request: { method: 'PUT', url: 'Goal/note' } }] })],
    ['an update by condition', () => ann('PUT', 'Goal?_id=note', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') })],
  ];
  for (const [name, attempt] of attempts) {
    const reply = await attempt();
    t.notMatch(reply.text, /kept-secret-note/, name);
  }
  t.match((await system('GET', 'Goal/note')).body, { meta: { versionId: '1', security: [{ code: 'PSYTHPN' }] } }, 'it is as it was');
  for (const path of ['Goal', 'Goal/_history', '_history', 'Patient/ann/$everything', 'Patient/ann/$export-record', 'Patient/ann/$export-record?_format=html', 'Patient/ann/$progress', 'Goal?_security=PSYTHPN', 'Patient?_id=ann&_revinclude=Goal:patient', 'Patient?_has:Goal:patient:_security=PSYTHPN', 'AuditEvent?entity=Goal/note', 'Goal/$meta', 'Patient/$meta']) {
    const { text } = await ann('GET', path);
    t.notMatch(text.replaceAll(/"self","url":"[^"]*"/g, ''), /kept-secret-note|Goal\/note|PSYTHPN/, path); // its own address apart
  }
  t.match((await tom('GET', 'Goal/note')).body, { description: { text: 'kept-secret-note' } }, 'the control: the therapist sees it');
  const exported = await tom('GET', 'Patient/ann/$export-record');
  t.equal(exported.status, 200);
  t.notMatch(exported.text, /kept-secret-note/, 'and does not give it away with the record');
});

await t.test('a denial is not taken back by whom it denies', async (t) => {
  const condition = { resourceType: 'Condition', id: 'worry', subject: ref('Patient/ann'), code: { text: 'kept-secret-worry' } };
  await made(system, condition);
  const consent = {
    resourceType: 'Consent', status: 'active', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: ref('Patient/ann'), performer: [ref('Patient/ann')],
    provision: { type: 'deny', actor: [{ role: { text: 'x' }, reference: ref('Practitioner/tom') }], class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Condition' }] },
  };
  t.equal((await tom('GET', 'Condition/worry')).status, 200, 'the control: before it');
  for (const [who, client] of Object.entries({ 'of the person': ann, 'of a system': system, 'below a permit': system })) {
    const body = who === 'below a permit' ? { ...consent, provision: { type: 'permit', provision: [consent.provision] } } : consent;
    const { body: { id, ...kept }, status } = await client('POST', 'Consent', body);
    t.equal(status, 201, who);
    const attempts: [string, () => Promise<Reply>][] = [
      ['an update', () => tom('PUT', `Consent/${id}`, { ...kept, id, status: 'inactive' })], ['a draft', () => tom('PUT', `Consent/${id}`, { ...kept, id, status: 'draft', provision: undefined })], ['an update by condition', () => tom('PUT', `Consent?_id=${id}`, { ...kept, provision: undefined })], ['a patch', () => tom('PATCH', `Consent/${id}`, [{ op: 'remove', path: '/provision' }], { 'content-type': 'application/json-patch+json' })],
      ['a FHIRPath patch', () => tom('PATCH', `Consent/${id}`, { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }, { name: 'path', valueString: 'Consent.provision' }] }] })], ['a deletion', () => tom('DELETE', `Consent/${id}`)], ['a deletion by condition', () => tom('DELETE', 'Consent?patient=ann&_multiple=true')], ['a transaction', () => tom('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'DELETE', url: `Consent/${id}` } }] })],
      ['a permit beside it', () => tom('POST', 'Consent', { ...consent, provision: { ...consent.provision, type: 'permit' } })], ['another scope', () => tom('PATCH', `Consent/${id}`, [{ op: 'replace', path: '/scope/coding/0/code', value: 'research' }], { 'content-type': 'application/json-patch+json' })],
    ];
    for (const [name, attempt] of attempts) {
      const reply = await attempt();
      t.ok(reply.status < 500, `${who}: ${name}: ${reply.status}`);
      t.equal((await tom('GET', 'Condition/worry')).status, 404, `${who}: ${name}`);
    }
    const own = await ann('PUT', `Consent/${id}`, { ...kept, id, status: 'inactive' });
    t.equal(own.status, 200, `the person may: ${own.text.slice(0, 300)}`);
    t.equal((await ann('PUT', `Consent/${id}`, { ...kept, id })).status, 200);
    t.equal((await system('PUT', `Consent/${id}`, { ...kept, id, status: 'inactive' })).status, 200, 'a system may');
    t.equal((await tom('GET', 'Condition/worry')).status, 200, 'the control: after it');
  }
  const unsigned = { ...consent, performer: undefined };
  const [own, others] = [(await ann('POST', 'Consent', unsigned)).body, (await system('POST', 'Consent', unsigned)).body];
  t.equal((await ann('PUT', `Consent/${own.id}`, { ...unsigned, id: own.id, status: 'inactive' })).status, 200, 'what an app recorded without a performer can be withdrawn');
  t.equal((await ann('PUT', `Consent/${others.id}`, { ...unsigned, id: others.id, status: 'inactive' })).status, 403, 'what somebody else recorded without one cannot');
  await system('DELETE', `Consent/${others.id}`);
});

await t.test('an emergency opens one record, for reading, for its time, and says so each time', async (t) => {
  const reason = { resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: 'BTG' }, { name: 'text', valueString: 'called at night' }] };
  const breakGlass = (client: Client, id: string): Promise<Reply> => client('POST', `Patient/${id}/$break-glass`, reason);
  t.equal((await stranger('GET', 'Patient/ben')).status, 404);
  t.equal((await ann('POST', 'Patient/ben/$break-glass', reason)).status, 403, 'not for a client');
  t.equal((await stranger('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: reason, request: { method: 'POST', url: 'Patient/ben/$break-glass' } }] })).status >= 400, true, 'not within a transaction');
  const opened = await breakGlass(stranger, 'ben');
  t.equal(opened.status, 201);
  const consent = opened.body;
  t.equal((await stranger('GET', 'Goal/goal-ben')).status, 200, 'the control: it opens');
  t.equal((await stranger('GET', 'Goal/goal-ann')).status, 404, 'not another record');
  t.equal((await tom('GET', 'Goal/goal-ben')).status, 404, 'not for another');
  for (const [name, attempt] of Object.entries<() => Promise<Reply>>({
    'a later end': () => stranger('PUT', `Consent/${consent.id}`, { ...consent, provision: { ...consent.provision, period: { ...consent.provision.period, end: '2099-01-01' } } }), 'a patch of the end': () => stranger('PATCH', `Consent/${consent.id}`, [{ op: 'replace', path: '/provision/period/end', value: '2099-01-01' }], { 'content-type': 'application/json-patch+json' }), 'taking it away': () => stranger('DELETE', `Consent/${consent.id}`), 'a copy of it': () => stranger('POST', 'Consent', { ...consent, id: undefined, meta: undefined }),
    'a goal': () => stranger('PUT', 'Goal/goal-ben', { resourceType: 'Goal', id: 'goal-ben', lifecycleStatus: 'completed', description: { text: 'x' }, subject: ref('Patient/ben') }), 'joining the team': () => stranger('PUT', 'CareTeam/team-ben', { resourceType: 'CareTeam', id: 'team-ben', status: 'active', subject: ref('Patient/ben'), participant: [{ member: ref('Practitioner/stranger') }] }), 'a new team': () => stranger('POST', 'CareTeam', { resourceType: 'CareTeam', status: 'active', subject: ref('Patient/ben'), participant: [{ member: ref('Practitioner/stranger') }] }),
  })) t.ok([403, 404, 405, 422].includes((await attempt()).status), `${name} is refused`);
  const review = async (): Promise<number> => (await system('GET', 'Task?code=break-glass-review&patient=ben&_summary=count')).body.total as number;
  t.equal(await review(), 1);
  await breakGlass(stranger, 'ben');
  t.equal(await review(), 2, 'once more is once more to look at');
  const reviewTask = (await system('GET', 'Task?code=break-glass-review&patient=ben')).body.entry[0].resource;
  t.ok([403, 404, 422].includes((await stranger('PUT', `Task/${reviewTask.id}`, { ...reviewTask, status: 'completed' })).status), 'it is not looked at by who did it');
  t.equal((await ben('GET', 'Consent?_summary=count')).body.total >= 2, true, 'the person finds it in the record');
  const owner = (await import('../../src/store/database.ts')).openDatabase({ url: service.ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => owner.close());
  for (const each of (await system('GET', 'Consent?patient=ben')).body.entry) await system('PUT', `Consent/${each.resource.id}`, { ...each.resource, provision: { ...each.resource.provision, period: { start: '2026-01-01', end: '2026-01-02' } } });
  t.equal((await stranger('GET', 'Goal/goal-ben')).status, 404, 'after its time it is over');
  t.equal((await stranger('GET', 'Goal?patient=ben&_summary=count')).body.total, 0);
});

await t.test('what was erased does not come back', async (t) => {
  await made(system, { resourceType: 'Patient', id: 'eve', name: [{ family: 'Evelyn' }] });
  const key = { 'idempotency-key': 'answer-1' };
  const answers = { ...phq9('eve', spread(9), '2026-01-06T08:00:00Z'), identifier: { system: 'urn:app', value: 'answer-1' } };
  const first = await system('POST', 'QuestionnaireResponse', answers, key);
  t.equal(first.status, 201);
  const page = await system('GET', 'Observation?patient=eve&_count=1');
  const next = page.body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined;
  const confirm = (await system('POST', 'Patient/eve/$erase')).body.parameter.find(({ name }: { name: string }) => name === 'confirm').valueString;
  t.equal((await system('POST', 'Patient/eve/$erase', { resourceType: 'Parameters', parameter: [{ name: 'confirm', valueString: confirm }] })).status, 200);
  const id = first.body.id as string;
  const attempts: [string, () => Promise<Reply>][] = [
    ['the same request again', () => system('POST', 'QuestionnaireResponse', answers, key)], ['the same answers', () => system('POST', 'QuestionnaireResponse', answers)], ['the answers under their id', () => system('PUT', `QuestionnaireResponse/${id}`, { ...answers, id })], ['the person', () => system('PUT', 'Patient/eve', { resourceType: 'Patient', id: 'eve', name: [{ family: 'Evelyn' }] })], ['the person by condition', () => system('PUT', 'Patient?_id=eve', { resourceType: 'Patient', id: 'eve' })], ['a patch', () => system('PATCH', 'Patient/eve', [{ op: 'add', path: '/gender', value: 'female' }], { 'content-type': 'application/json-patch+json' })],
    ['a version', () => system('GET', `QuestionnaireResponse/${id}/_history/1`)], ['a history', () => system('GET', `QuestionnaireResponse/${id}/_history`)], ['the history of all', () => system('GET', '_history?_count=1000')], ['the next page', () => system('GET', next ?? 'Observation?patient=eve')], ['a condition', () => system('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') }, { 'if-none-exist': 'patient=eve' })],
    ['everything', () => system('GET', 'Patient/eve/$everything')], ['a break of glass', () => stranger('POST', 'Patient/eve/$break-glass', { resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: 'BTG' }, { name: 'text', valueString: 'x' }] })], ['computing anew', () => system('POST', 'Patient/eve/$recompute', { resourceType: 'Parameters', parameter: [{ name: 'apply', valueBoolean: true }] })], ['an app of the person', async () => service.as({ patient: 'eve' })('GET', 'Patient/eve')], ['answers of the person', async () => service.as({ patient: 'eve' })('POST', 'QuestionnaireResponse', answers)],
  ];
  for (const [name, attempt] of attempts) {
    const reply = await attempt();
    t.notMatch(reply.text, /Evelyn|urn:app/, name);
    t.ok(reply.status < 500, `${name}: ${reply.status}`);
    if (!['the history of all', 'the next page', 'a condition', 'a history', 'computing anew'].includes(name)) t.ok(reply.status >= 400, `${name}: ${reply.status}`);
  }
  t.same((await system('GET', 'Patient?_id=eve')).body.entry, undefined);
  t.equal((await system('GET', 'QuestionnaireResponse?patient=eve&_summary=count')).body.total, 0);
});
