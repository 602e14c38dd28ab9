import t from 'tap';
import { testService, type Reply } from '../kit/service.ts';

const service = await testService(t);
const fhir = service.as();
const found = ({ body }: Reply): string[] => (body.entry ?? []).map((entry: any) => `${entry.resource.resourceType} ${entry.fullUrl.replace(`${service.url}/`, '')}`);
const link = ({ body }: Reply, relation: string): string | undefined => body.link.find((one: { relation: string }) => one.relation === relation)?.url;
const refused = (reply: Reply): string => `${reply.status} ${reply.body.issue?.[0]?.code} ${reply.body.issue?.[0]?.expression?.[0]}`;

for (const id of ['ada', 'bea']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
await fhir('PUT', 'Organization/clinic', { resourceType: 'Organization', id: 'clinic', name: 'Clinic' });
const quantity = (value: string) => `"code":{"coding":[{"system":"urn:c","code":"x"}],"text":"Mood"},"valueQuantity":{"value":${value},"system":"http://unitsofmeasure.org","code":"mg"}`;
const inside = (id: string, value: string, date: string) => `{"resourceType":"Observation","id":"${id}","status":"final",${quantity(value)},"effectiveDateTime":"${date}","identifier":[{"system":"urn:i","value":"${id}"}]}`;
const impression = (id: string, patient: string, ...contained: string[]) => fhir('PUT', `ClinicalImpression/${id}`, `{"resourceType":"ClinicalImpression","id":"${id}","contained":[${contained.join()}],"status":"completed","subject":{"reference":"Patient/${patient}"},"investigation":[{"code":{"text":"x"},"item":[${contained.map((text) => `{"reference":"#${JSON.parse(text).id}"}`).join()}]}]}`);
const written = [
  await impression('c1', 'ada', inside('a', '2.50', '2026-01-01'), inside('b', '7', '2026-02-01')),
  await impression('c2', 'bea', inside('a', '5000', '2026-03-01')),
  await fhir('PUT', 'Observation/plain', `{"resourceType":"Observation","id":"plain","status":"final",${quantity('2.5')},"subject":{"reference":"Patient/ada"}}`),
  await fhir('PUT', 'Task/t', { resourceType: 'Task', id: 't', status: 'requested', intent: 'order', for: { reference: 'Patient/ada' }, owner: { reference: '#me' }, contained: [{ resourceType: 'Practitioner', id: 'me', name: [{ family: 'Müller' }] }, { resourceType: 'PractitionerRole', id: 'role', organization: { reference: 'Organization/clinic' } }], reasonReference: { reference: '#role' } }),
];
t.ok(written.every(({ status }) => status === 201), written.map(({ text }) => text.slice(0, 300)).join('\n'));

t.test('contained resources are found by what they say, as their container or by themselves', async (t) => {
  const rows: [query: string, expected: string[]][] = [
    ['Observation?code=urn:c|x', ['Observation Observation/plain']],
    ['Observation?code=urn:c|x&_contained=false', ['Observation Observation/plain']],
    ['Observation?code=urn:c|x&_contained=true', ['ClinicalImpression ClinicalImpression/c2', 'ClinicalImpression ClinicalImpression/c1']],
    ['Observation?code=urn:c|x&_contained=both', ['Observation Observation/plain', 'ClinicalImpression ClinicalImpression/c2', 'ClinicalImpression ClinicalImpression/c1']],
    ['Observation?_contained=true&_containedType=contained', ['Observation ClinicalImpression/c2#a', 'Observation ClinicalImpression/c1#a', 'Observation ClinicalImpression/c1#b']],
    ['Observation?identifier=urn:i|b&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c1#b']],
    ['Observation?value-quantity=gt1|http://unitsofmeasure.org|g&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c2#a']],
    ['Observation?code-value-quantity=x$lt3&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c1#a']],
    ['Observation?date=ge2026-02&status=final&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c2#a', 'Observation ClinicalImpression/c1#b']],
    ['Observation?code:text=moo&date=2026-01&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c1#a']],
    ['Observation?_id=b&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c1#b']],
    ['Observation?patient=ada&_contained=true&_containedType=contained', ['Observation ClinicalImpression/c1#a', 'Observation ClinicalImpression/c1#b']],
    ['Patient/bea/Observation?_contained=true&_containedType=contained', ['Observation ClinicalImpression/c2#a']],
    ['Observation?patient.gender:missing=true&date=2026-03&_contained=true', ['ClinicalImpression ClinicalImpression/c2']],
    ['Observation?status:not=final&_contained=true', []], ['Observation?value-string=x&_contained=both', []],
    ['Practitioner?name=muller&_contained=true&_containedType=contained', ['Practitioner Task/t#me']],
    ['PractitionerRole?organization.name=clinic&_contained=true', ['Task Task/t']], ['PractitionerRole?organization.name=other&_contained=true', []],
    ['Goal?_contained=true', []],
  ];
  for (const [query, expected] of rows) {
    const reply = await fhir('GET', query);
    t.same(found(reply), expected, `${query} ${reply.status === 200 ? '' : reply.text.slice(0, 300)}`);
    t.same(reply.body.entry?.map(({ search }: any) => search.mode) ?? [], expected.map(() => 'match'));
    if (query.includes('_contained=')) t.match(link(reply, 'self'), /_contained=/);
  }
  t.match((await fhir('GET', 'Observation?_id=a&date=2026-01&_contained=true&_containedType=contained')).text, /"value":2\.50,/, 'as it is written');
});

t.test('totals, pages and shapes', async (t) => {
  for (const [query, total] of [['_contained=true', 3], ['_contained=both', 4], ['_contained=true&date=2026-01', 1]] as const) {
    t.equal((await fhir('GET', `Observation?${query}&_summary=count`)).body.total, total, query);
    t.equal((await fhir('GET', `Observation?${query}`)).body.total, total, query);
  }
  const pages: string[][] = [];
  let reply = await fhir('GET', 'Observation?_contained=both&_containedType=contained&_count=1');
  for (;;) {
    pages.push(found(reply));
    const next = link(reply, 'next');
    if (next === undefined || pages.length > 9) break;
    reply = await fhir('GET', next);
  }
  t.same(pages.flat(), ['Observation Observation/plain', 'Observation ClinicalImpression/c2#a', 'Observation ClinicalImpression/c1#a', 'Observation ClinicalImpression/c1#b']);
  t.ok(pages.every((page) => page.length <= 1));
  const shaped = await fhir('GET', 'Observation?_id=b&_contained=true&_containedType=contained&_elements=status');
  t.notOk('effectiveDateTime' in shaped.body.entry[0].resource);
});

t.test('only what the caller sees is looked into; what cannot be carried out is refused', async (t) => {
  t.same(found(await service.as({ patient: 'ada', scopes: 'patient/*.rs' })('GET', 'Observation?_contained=true')), ['ClinicalImpression ClinicalImpression/c1']);
  t.same(found(await service.as({ patient: 'ada', scopes: 'patient/Observation.rs' })('GET', 'Observation?_contained=true')), [], 'a container whose type is not granted');
  t.equal((await service.as({ scopes: 'system/ClinicalImpression.rs' })('GET', 'Observation?_contained=true')).status, 403);
  for (const query of ['Observation?_contained=true&_sort=date', 'Observation?_contained=true&_include=Observation:subject', 'AuditEvent?_contained=true', 'Observation/$lastn?patient=ada&code=urn:c|x&_contained=true']) {
    const reply = await fhir('GET', query);
    t.match(refused(reply), /^400 not-supported/, query);
  }
  t.equal((await fhir('GET', `${service.url}?_type=Observation,Goal&_contained=true`)).status, 400);
  t.equal(refused(await fhir('GET', 'Observation?_contained=maybe')), '400 value http._contained');
  await fhir('PUT', 'ClinicalImpression/c1', { resourceType: 'ClinicalImpression', id: 'c1', status: 'completed', subject: { reference: 'Patient/ada' } });
  t.same(found(await fhir('GET', 'Observation?_contained=true')), ['ClinicalImpression ClinicalImpression/c2'], 'after an update that contains it no more');
  await fhir('DELETE', 'ClinicalImpression/c2');
  t.same(found(await fhir('GET', 'Observation?_contained=true')), []);
});
