import t from 'tap';
import { testService, type Reply } from '../kit/service.ts';

/** What the pages of the specification say, request by request, as somebody sees it who knows nothing of this service. */

const service = await testService(t);
const fhir = service.as();
const ids = ({ body }: Reply): string => (body.entry ?? []).filter(({ search }: { search?: { mode: string } }) => search?.mode === 'match').map(({ resource }: { resource: { id: string } }) => resource.id).sort().join(' ');
const links = ({ body }: Reply): string => body.link.map(({ relation }: { relation: string }) => relation).join(' ');
const link = ({ body }: Reply, relation: string): string => body.link.find((one: { relation: string }) => one.relation === relation).url;
const observation = (id: string, more: object): Promise<Reply> => fhir('PUT', `Observation/${id}`, { resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'urn:c', code: 'x' }] }, subject: { reference: 'Patient/ada' }, ...more });

await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', telecom: [{ system: 'phone', value: '+1 (555) 123-4567' }, { system: 'email', value: 'Ada@Example.org' }], name: [{ family: 'Ames' }] });

t.test('numbers (search.html#number): what is searched for has a precision, what is stored is a number', async (t) => {
  for (const [id, value] of [['n99', '99.5'], ['n100', '100'], ['n1004', '100.4'], ['n1005', '100.5'], ['n95', '95'], ['n49', '4.9'], ['n5', '5'], ['n51', '5.10']] as const) {
    const { status } = await fhir('PUT', `Observation/${id}`, `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"n"},"subject":{"reference":"Patient/ada"},"valueQuantity":{"value":${value},"unit":"u"}}`);
    t.equal(status, 201, id);
  }
  const rows: readonly (readonly [asked: string, found: string])[] = [
    ['100', 'n100 n1004 n99'], ['100.0', 'n100'], ['100.00', 'n100'], ['1e2', 'n100 n1004 n1005 n95 n99'], ['1.00e2', 'n100 n1004 n99'], ['100.5', 'n1005'], ['ne100', 'n1005 n49 n5 n51 n95'],
    ['gt100', 'n1004 n1005'], ['ge100', 'n100 n1004 n1005'], ['lt99.5', 'n49 n5 n51 n95'], ['le99.5', 'n49 n5 n51 n95 n99'], ['sa100.4', 'n1005'], ['eb5', 'n49'], ['5', 'n49 n5 n51'], ['5.1', 'n51'], ['5.100', 'n51'], ['ap100', 'n100 n1004 n1005 n95 n99'],
  ];
  for (const [asked, found] of rows) t.equal(ids(await fhir('GET', `Observation?patient=ada&value-quantity=${asked}`)), found, asked);
  const sorted = await fhir('GET', 'Observation?patient=ada&value-quantity=lt10&_sort=value-quantity&_elements=valueQuantity');
  t.same(sorted.body.entry.map(({ resource }: any) => resource.id), ['n49', 'n5', 'n51'], 'in the order of the numbers'); // oxlint-disable-line typescript/no-explicit-any
});

t.test('contact points (search.html#token): a number by its digits, an address whatever its case, no system', async (t) => {
  for (const query of ['phone=%2B1%20(555)%20123-4567', 'phone=15551234567', 'phone=+1-555-123-4567', 'email=ada@example.org', 'email=ADA@EXAMPLE.ORG', 'telecom=Ada@Example.org', '_filter=email eq ada@example.org']) t.equal(ids(await fhir('GET', `Patient?${query}`)), 'ada', query);
  for (const query of ['phone=5551234567', 'email=ada', 'phone=ada@example.org']) t.equal(ids(await fhir('GET', `Patient?${query}`)), '', query);
  t.equal((await fhir('GET', 'Patient?telecom=email|ada@example.org')).status, 400);
});

t.test('what a read may be asked for (http.html#read, #cread): conditional, summarized, of a version too', async (t) => {
  const read = await fhir('GET', 'Patient/ada');
  const [etag, modified] = [read.headers.get('etag')!, read.headers.get('last-modified')!];
  for (const path of ['Patient/ada', 'Patient/ada/_history/1']) {
    const rows: readonly (readonly [Record<string, string>, number])[] = [
      [{ 'if-none-match': etag }, 304], [{ 'if-none-match': etag.slice(2) }, 304], [{ 'if-none-match': 'W/"7"' }, 200], [{ 'if-none-match': `W/"7", ${etag}` }, 304], [{ 'if-modified-since': modified }, 304],
      [{ 'if-modified-since': 'Sat, 01 Jan 2000 00:00:00 GMT' }, 200], [{ 'if-modified-since': 'yesterday' }, 200], [{ 'if-none-match': 'W/"7"', 'if-modified-since': modified }, 200],
    ];
    for (const [headers, status] of rows) {
      const reply = await fhir('GET', path, undefined, headers);
      t.same([reply.status, reply.headers.get('etag'), reply.text === ''], [status, etag, status === 304], `${path} ${JSON.stringify(headers)}`);
    }
    t.match((await fhir('GET', `${path}?_elements=gender`)).body, { id: 'ada', meta: { tag: [{ code: 'SUBSETTED' }] }, name: undefined });
  }
  t.equal((await fhir('GET', 'Patient/ada?_format=')).status, 200, 'an empty _format asks for nothing');
  t.equal((await fhir('GET', 'Patient/ada?_format=xml')).status, 406);
});

t.test('totals and links of pages (search.html#total, bundle.html#searchset)', async (t) => {
  const first = await fhir('GET', 'Observation?patient=ada&_count=3');
  t.same([first.body.total, links(first)], [8, 'self next'], 'within a record the total costs little');
  const second = await fhir('GET', link(first, 'next'));
  t.same([second.body.total, links(second), link(second, 'first')], [undefined, 'self first previous next', link(first, 'self')]);
  t.same([(await fhir('GET', 'Observation?patient=ada&_count=3&_total=none')).body.total, (await fhir('GET', 'Observation?code:missing=false&_count=3')).body.total], [undefined, undefined]);
  t.same([(await fhir('GET', 'Observation?_count=3')).body.total, (await fhir('POST', 'Observation/_search', '_count=3', { 'content-type': 'application/x-www-form-urlencoded' })).body.total], [8, 8], 'few of a type are counted');
  t.equal((await fhir('GET', 'Observation?_count=3&_total=accurate')).body.total, 8);
  t.equal((await fhir('GET', 'Observation?_id=n5,n51,n49&_count=1')).body.total, 3);
});

t.test('previous links lead back through the same pages, of searches and histories', async (t) => {
  for (let n = 0; n < 70; n++) await fhir('PUT', `Organization/o${n}`, { resourceType: 'Organization', id: `o${n}`, name: `name ${n % 3}` });
  const names = ({ body }: Reply): string => body.entry.map(({ fullUrl, response }: { fullUrl: string; response?: { etag: string } }) => `${fullUrl.split('/').at(-1)} ${response?.etag ?? ''}`).join();
  const walk = async (start: string, relation: string): Promise<{ pages: string[]; last: Reply }> => {
    const pages: string[] = [];
    for (let reply = await fhir('GET', start); ; reply = await fhir('GET', link(reply, relation))) {
      pages.push(names(reply));
      if (!links(reply).split(' ').includes(relation)) return { pages, last: reply };
    }
  };
  for (const [start, size] of [['Observation?patient=ada&_count=2&_sort=value-quantity', 4], [`${service.url}?_type=Observation,Patient&_count=2`, 5], ['Organization?_count=7', 10], ['Organization?_count=7&_sort=-name,_id', 10], ['Observation/_history?_count=2', 4], ['Organization/_history?_count=5', 14], ['Organization/_history?_count=7&_sort=_lastUpdated', 10]] as const) {
    const there = await walk(start, 'next');
    t.equal(there.pages.length, size, start);
    const back = await walk(link(await fhir('GET', link(there.last, 'previous')), 'next'), 'previous');
    t.same(back.pages, there.pages.toReversed(), `${start}, back`);
  }
  const far = await walk('Organization?_count=1', 'next');
  t.equal(far.pages.length, 70);
  const { pages } = await walk(link(far.last, 'previous'), 'previous');
  t.ok(pages.length > 30, `${pages.length} pages back`);
  t.same(pages, far.pages.toReversed().slice(1, pages.length + 1), 'as far as the way is remembered');
});

t.test('a history (http.html#history) is summarized as a search is, and its pages are of bounded size', async (t) => {
  const gender = (await fhir('GET', 'Patient/ada/_history?_elements=gender')).body.entry[0];
  t.match(gender, { resource: { id: 'ada', meta: { tag: [{ code: 'SUBSETTED' }] }, name: undefined }, request: { method: 'PUT' }, response: { status: /^201/ } });
  t.match((await fhir('GET', 'Patient/_history?_summary=text')).body.entry[0].resource, { resourceType: 'Patient', name: undefined });
  t.match((await fhir('GET', '_history?_summary=true&_count=1')).body.entry[0].resource.meta.tag, [{ code: 'SUBSETTED' }]);
  for (const query of ['_summary=count', '_elements=nothing', '_elements=name&_summary=true']) t.equal((await fhir('GET', `Patient/_history?${query}`)).status, 400, query);
  t.equal((await fhir('GET', '_history?_elements=id')).status, 400, 'elements are those of a type');

  const note = 'x'.repeat(1_000_000);
  for (let n = 0; n < 4; n++) t.ok((await observation('large', { note: Array.from({ length: 7 }, () => ({ text: note + n })) })).status < 300);
  const versions: string[] = [];
  const sizes: number[] = [];
  for (let url: string | undefined = 'Observation/large/_history'; url !== undefined;) {
    const page: Reply = await fhir('GET', url);
    sizes.push(page.body.entry.length);
    for (const { response } of page.body.entry) versions.push(response.etag);
    url = page.body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url;
  }
  t.same([versions, sizes], [['W/"4"', 'W/"3"', 'W/"2"', 'W/"1"'], [3, 1]], 'the version that passes the limit is the last of its page');
});

t.test('$versions is asked of the base and of CapabilityStatement', async (t) => {
  for (const path of ['$versions', 'CapabilityStatement/$versions']) t.match(await fhir('GET', path), { status: 200, body: { parameter: [{ name: 'version', valueCode: '4.0' }, { name: 'default', valueCode: '4.0' }] } }, path);
  t.equal((await fhir('DELETE', 'CapabilityStatement/$versions')).status, 405);
  t.equal((await fhir('GET', 'CapabilityStatement')).status, 404);
});

t.test('a Bundle without entries is nothing to do; an empty patch changes nothing', async (t) => {
  for (const type of ['batch', 'transaction']) for (const entry of [undefined, []]) t.match(await fhir('POST', '', { resourceType: 'Bundle', type, entry }), { status: 200, body: { type: `${type}-response`, entry: undefined } });
  const patched = await fhir('PATCH', 'Patient/ada', [], { 'content-type': 'application/json-patch+json' });
  t.same([patched.status, patched.headers.get('etag')], [200, 'W/"1"']);
  t.equal((await fhir('PATCH', 'Patient/nobody', [], { 'content-type': 'application/json-patch+json' })).status, 404);
});

t.test('a batch (http.html#brules) runs in its order, and its entries do not refer to each other', async (t) => {
  const observed = (subject: string): object => ({ resourceType: 'Observation', status: 'final', code: { text: 'b' }, subject: { reference: subject } });
  const batch = async (entry: readonly object[]): Promise<string[]> => (await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry })).body.entry.map(({ response }: { response: { status: string } }) => response.status.slice(0, 3));
  for (let round = 0; round < 5; round++) {
    const id = `batch${round}`;
    t.same(await batch([
      { resource: { resourceType: 'Patient', id }, request: { method: 'PUT', url: `Patient/${id}` } },
      ...[1, 2, 3].map((n) => ({ resource: { ...observed(`Patient/${id}`), id: `${id}-${n}` }, request: { method: 'PUT', url: `Observation/${id}-${n}` } })),
      { resource: { resourceType: 'Patient', id, active: true }, request: { method: 'PUT', url: `Patient/${id}` } }, { resource: { resourceType: 'Patient', id, active: false }, request: { method: 'PUT', url: `Patient/${id}` } },
      { request: { method: 'GET', url: `Observation?patient=${id}` } },
      ...[1, 2, 3].map((n) => ({ request: { method: 'DELETE', url: `Observation/${id}-${n}` } })),
      { request: { method: 'DELETE', url: `Patient/${id}` } }, { request: { method: 'GET', url: `Patient/${id}` } },
    ]), ['201', '201', '201', '201', '200', '200', '200', '204', '204', '204', '204', '410']);
    t.equal((await fhir('GET', `Patient/${id}/_history/3`)).body.active, false, 'the later of two writes of one place is the later version');
  }
  const urn = 'urn:uuid:7a0f6c1e-7d0c-4f0b-9a55-3f0a2b9c1d01';
  t.same(await batch([{ fullUrl: urn, resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } }, { resource: observed(urn), request: { method: 'POST', url: 'Observation' } }]), ['201', '422']);
});
