import t from 'tap';
import { testService, type Reply } from '../kit/service.ts';

const service = await testService(t);
const fhir = service.as();
const ids = ({ body }: Reply): string[] => (body.entry ?? []).map((entry: { resource: { id: string } }) => entry.resource.id);
const link = ({ body }: Reply, relation: string): string | undefined => body.link.find((one: { relation: string }) => one.relation === relation)?.url;
const refused = (reply: Reply): string => `${reply.status} ${reply.body.issue?.[0]?.code} ${reply.body.issue?.[0]?.expression?.[0]}`;

for (const id of ['ada', 'bea']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
const goal = (id: string, patient: string): object => ({ resourceType: 'Goal', id, lifecycleStatus: 'active', description: { text: id }, subject: { reference: `Patient/${patient}` } });
for (const [id, patient] of [['g1', 'ada'], ['g2', 'ada'], ['g3', 'bea']] as const) await fhir('PUT', `Goal/${id}`, goal(id, patient));

t.test('what shapes a search of AuditEvents is applied or refused', async (t) => {
  for (let n = 0; n < 4; n++) await fhir('GET', 'Goal/g1');
  const of = 'AuditEvent?patient=ada&action=R&_lastUpdated=le';
  const now = new Date().toISOString();
  const all = await fhir('GET', `${of}${now}&_count=1000`);
  t.equal(all.body.total, all.body.entry.length, 'a page that holds everything says how much it is');
  t.ok(all.body.total >= 4);
  const few = await fhir('GET', `${of}${now}&_count=2`);
  t.equal(few.body.total, undefined);
  t.equal((await fhir('GET', `${of}${now}&_count=2&_total=accurate`)).body.total, all.body.total);
  for (const query of ['_summary=count', '_count=0']) {
    const counted = await fhir('GET', `${of}${now}&${query}`);
    t.equal(counted.body.total, all.body.total, query);
    t.equal(counted.body.entry, undefined, query);
    t.equal(link(counted, 'next'), undefined, query);
  }
  const elements = await fhir('GET', `${of}${now}&_count=1&_elements=action`);
  t.match(elements.body.entry[0].resource, { action: 'R', meta: { tag: [{ code: 'SUBSETTED' }] } });
  t.notOk('subtype' in elements.body.entry[0].resource);
  t.notOk('query' in (await fhir('GET', `${of}${now}&_count=1&_summary=true`)).body.entry[0].resource);
  for (const query of ['_include=AuditEvent:patient', '_revinclude=Provenance:target']) t.equal(refused(await fhir('GET', `AuditEvent?${query}`)), `400 not-supported http.${query.split('=')[0]}`);
  t.equal(refused(await fhir('GET', 'Patient?_revinclude=AuditEvent:patient')), '400 not-supported http._revinclude', 'and they are not silently left out elsewhere');
  t.equal((await fhir('GET', 'Patient?_id=ada&_revinclude=*')).status, 200);
});

t.test('a history of what a List points to', async (t) => {
  await fhir('PUT', 'List/mine', { resourceType: 'List', id: 'mine', status: 'current', mode: 'working', subject: { reference: 'Patient/ada' }, entry: [{ item: { reference: 'Goal/g1' } }, { item: { reference: 'Patient/ada' } }] });
  await fhir('PUT', 'Goal/g1', { ...goal('g1', 'ada'), note: [{ text: 'again' }] });
  t.same(ids(await fhir('GET', 'Goal/_history?_list=mine')), ['g1', 'g1']);
  t.same(ids(await fhir('GET', '_history?_list=List/mine')), ['g1', 'g1', 'ada'], 'of all types, newest first');
  t.same(ids(await fhir('GET', 'Goal/g1/_history?_list=mine')), ['g1', 'g1']);
  t.same(ids(await fhir('GET', 'Goal/g2/_history?_list=mine')), []);
  t.same(ids(await fhir('GET', 'Goal/_history?_list=nowhere')), []);
  const first = await fhir('GET', 'Goal/_history?_list=mine&_count=1');
  t.match(link(first, 'self'), /_list=mine/);
  t.same(ids(await fhir('GET', link(first, 'next')!)), ['g1']);
  t.same(ids(await service.as({ patient: 'bea', scopes: 'patient/*.rs' })('GET', 'Goal/_history?_list=mine')), [], 'a List that is not visible points to nothing');
  t.equal((await service.as({ scopes: 'system/Goal.rs' })('GET', 'Goal/_history?_list=mine')).status, 403);
  t.equal(refused(await fhir('GET', 'Goal/_history?_list=$current-problems')), '400 value http._list');
});

t.test('several types: by sort, with includes, in a batch and in a transaction', async (t) => {
  const query = '?_type=Goal,Patient&_sort=-_lastUpdated,_id&_count=2&_include=Goal:subject&_revinclude=List:item';
  const pages: string[] = [];
  let reply = await fhir('GET', `${service.url}${query}`);
  t.match(link(reply, 'self'), /_sort=-_lastUpdated,_id.*_include=Goal:subject&_revinclude=List:item$/);
  for (let n = 0; n < 10; n++) {
    pages.push(...reply.body.entry.filter((entry: any) => entry.search.mode === 'match').map((entry: any) => `${entry.resource.resourceType}/${entry.resource.id}`));
    const next = link(reply, 'next');
    if (next === undefined) break;
    reply = await fhir('GET', next);
  }
  t.same(pages, ['Goal/g1', 'Goal/g3', 'Goal/g2', 'Patient/bea', 'Patient/ada']);
  const included = (await fhir('GET', `${service.url}${query}&_id=g1`)).body.entry.filter((entry: any) => entry.search.mode === 'include').map((entry: any) => entry.resource.id);
  t.same(included.toSorted(), ['ada', 'mine']);
  for (const type of ['batch', 'transaction']) {
    const { status, body, text } = await fhir('POST', '', { resourceType: 'Bundle', type, entry: [
      { request: { method: 'GET', url: '?_type=Goal,Patient&_id=g1,ada&_sort=_id&_include=Goal:subject' } },
      { request: { method: 'PUT', url: `Goal/new-${type}` }, resource: goal(`new-${type}`, 'bea') },
    ] });
    t.equal(status, 200, text.slice(0, 300));
    t.same(body.entry[0].resource.entry.map((entry: any) => entry.resource.id), ['ada', 'g1'], type);
    const wrong = await fhir('POST', '', { resourceType: 'Bundle', type, entry: [{ request: { method: 'GET', url: '?_type=Goal,Patient&family=x' } }, { request: { method: 'PUT', url: `Goal/wrong-${type}` }, resource: goal(`wrong-${type}`, 'bea') }] });
    t.equal(type === 'batch' ? wrong.body.entry[0].response.status : String(wrong.status), '400', `${type}: ${wrong.text.slice(0, 200)}`);
    t.equal((await fhir('GET', `Goal/wrong-${type}`)).status, type === 'batch' ? 200 : 404, 'a transaction that asks for what is refused stores nothing');
  }
});

t.test('_has over all types leaves those that it can point to', async (t) => {
  await fhir('PUT', 'Group/herd', { resourceType: 'Group', id: 'herd', type: 'person', actual: true });
  for (const [id, reference] of [['has-1', 'Patient/bea'], ['has-2', 'Group/herd']]) {
    await fhir('PUT', `Observation/${id}`, { resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'urn:has', code: 'x' }] }, subject: { reference } });
  }
  t.same(ids(await fhir('GET', `${service.url}?_has:Observation:subject:code=urn:has|x&_sort=_id`)), ['bea', 'herd']);
  t.same(ids(await fhir('GET', `${service.url}?_type=Patient,Goal&_has:Observation:subject:code=urn:has|x`)), ['bea']);
  t.equal(refused(await fhir('GET', `${service.url}?_type=Goal&_has:Observation:subject:code=urn:has|x`)), '400 not-supported http._has:Observation:subject:code');
});

t.test('everything in a record, by any parameter that its types have in common', async (t) => {
  const all = await fhir('GET', 'Patient/bea/*?_sort=_id&_count=2');
  t.equal(link(all, 'self'), `${service.url}/Patient/bea/*?_sort=_id&_count=2`);
  const found = [...all.body.entry, ...(await fhir('GET', link(all, 'next')!)).body.entry].map((entry: any) => `${entry.resource.resourceType}/${entry.resource.id}`);
  const whole = await fhir('GET', 'Patient/bea/*?_sort=_id&_count=100');
  t.same(found, whole.body.entry.slice(0, 4).map((entry: any) => `${entry.resource.resourceType}/${entry.resource.id}`));
  t.ok(found.includes('Patient/bea') || whole.body.entry.some((entry: any) => entry.resource.id === 'bea'), 'the Patient too');
  t.ok(whole.body.entry.every((entry: any) => entry.resource.id === 'bea' || entry.resource.subject?.reference === 'Patient/bea'));
  t.same(ids(await fhir('GET', 'Patient/bea/*?_type=Goal&lifecycle-status=active&_id=g3')), ['g3']);
  t.equal((await fhir('GET', 'Patient/bea/*?_type=Questionnaire')).status, 400, 'what belongs to no record');
  t.same(ids(await service.as({ patient: 'ada', scopes: 'patient/*.rs' })('GET', 'Patient/bea/*')), []);
});

t.test('a read and a vread take _summary and _elements', async (t) => {
  const rows: [query: string, has: string[], lacks: string[]][] = [
    ['_elements=subject', ['subject', 'lifecycleStatus', 'description'], ['note']], ['_summary=true', ['description', 'subject'], ['note']], ['_summary=data', ['note'], ['text']],
    ['_summary=text', ['lifecycleStatus', 'text'], ['note']], ['_summary=false', ['note', 'text'], []], ['__t=0', ['note', 'text'], []],
  ];
  const narrative = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">A goal</div>' };
  await fhir('PUT', 'Goal/shaped', { ...goal('shaped', 'ada'), text: narrative, note: [{ text: 'n' }] });
  for (const path of ['Goal/shaped', 'Goal/shaped/_history/1']) {
    for (const [query, has, lacks] of rows) {
      const { status, body, headers } = await fhir('GET', `${path}?${query}`);
      t.equal(status, 200, `${path}?${query}`);
      t.same([has.filter((name) => !(name in body)), lacks.filter((name) => name in body)], [[], []], `${path}?${query}`);
      t.equal(body.meta.tag?.[0]?.code, query === '_summary=false' || query === '__t=0' ? undefined : 'SUBSETTED', query);
      t.equal(headers.get('etag'), 'W/"1"');
    }
    for (const query of ['_summary=count', '_summary=x', '_elements=nothing', '_elements=note&_summary=true']) t.equal((await fhir('GET', `${path}?${query}`)).status, 400, query);
  }
});
