import t from 'tap';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { inspectStore } from '../kit/consistency.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';
import { sequence } from './writers.ts';

/** Two processes of the service are two applications with pools of their own on one database. */
const racers = 64;
const keys = ['a', 'b', 'c', 'd'];

const first = await testService(t);
const second = await testService(t, { beside: first });
const clients = [first.as(), second.as()] as const;
const [fhir] = clients;
/** Requests that are answered with success. */
let writes = 0;

/** Sends `count` requests at once, every other one to the other process. */
function race(count: number, send: (client: Client, n: number) => Promise<Reply>): Promise<Reply[]> {
  writes += count;
  return Promise.all(Array.from({ length: count }, (_, n) => send(clients[n % 2]!, n)));
}

/** How often each status came. */
function statuses(replies: readonly Reply[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

const ids = (replies: readonly Reply[]): number => new Set(replies.map(({ body }) => body.id as string)).size;
const versionsOf = async (path: string): Promise<number> => (await fhir('GET', `${path}/_history?_count=500`)).body.entry.length as number;
const total = async (query: string): Promise<number> => (await fhir('GET', `${query}&_summary=count`)).body.total as number;
const put = (resource: { resourceType: string; id: string }): Promise<Reply[]> => race(1, () => fhir('PUT', `${resource.resourceType}/${resource.id}`, resource));

const patients = ['p1', 'p2', 'p3'];
for (const id of patients) await put({ resourceType: 'Patient', id });

t.test('one identifier is one response', async (t) => {
  for (const key of keys) {
    const body = phq9('p1', spread(12), '2026-03-01T10:00:00Z', { identifier: { system: 'urn:app', value: key } });
    const replies = await race(racers, (client) => client('POST', 'QuestionnaireResponse', body));
    t.same(statuses(replies), { 200: racers - 1, 201: 1 });
    t.equal(ids(replies), 1);
    t.equal(await total(`Observation?code=44261-6&derived-from=QuestionnaireResponse/${replies[0]!.body.id}`), 1);
  }
});

t.test('one condition of If-None-Exist is one resource', async (t) => {
  for (const key of keys) {
    const replies = await race(racers, (client, n) => client('POST', 'Practitioner', { resourceType: 'Practitioner', identifier: [{ system: 'urn:x', value: key }], name: [{ family: `n${n}` }] }, { 'if-none-exist': `identifier=urn:x|${key}` }));
    t.same(statuses(replies), { 200: racers - 1, 201: 1 });
    t.equal(ids(replies), 1);
    t.equal(await total(`Practitioner?identifier=urn:x|${key}`), 1);
  }
});

t.test('one Idempotency-Key is one resource and one answer; other content under it is refused', async (t) => {
  for (const key of keys) {
    const body = phq9('p2', spread(3), '2026-03-02T10:00:00Z');
    const replies = await race(racers, (client) => client('POST', 'QuestionnaireResponse', body, { 'idempotency-key': key }));
    t.same(statuses(replies), { 201: racers });
    t.equal(new Set(replies.map(({ text }) => text)).size, 1);
  }
  t.equal(await total('QuestionnaireResponse?subject=Patient/p2'), keys.length);
  const replies = await race(racers, (client, n) => client('POST', 'QuestionnaireResponse', phq9('p2', spread(n % 2), '2026-03-03T10:00:00Z'), { 'idempotency-key': 'two' }));
  writes -= racers / 2; // those that are refused
  t.same(statuses(replies), { 201: racers / 2, 422: racers / 2 });
  t.equal(ids(replies.filter(({ status }) => status === 201)), 1);
});

t.test('an update that creates: one 201, and as many versions as there were different contents', async (t) => {
  for (const key of keys) {
    const same = await race(racers, (client) => client('PUT', `Practitioner/same-${key}`, { resourceType: 'Practitioner', id: `same-${key}`, active: true }));
    t.same(statuses(same), { 200: racers - 1, 201: 1 });
    t.equal(await versionsOf(`Practitioner/same-${key}`), 1);
    const different = await race(racers, (client, n) => client('PUT', `Practitioner/other-${key}`, { resourceType: 'Practitioner', id: `other-${key}`, name: [{ family: `n${n}` }] }));
    t.same(statuses(different), { 200: racers - 1, 201: 1 });
    t.same(different.map(({ body }) => Number(body.meta.versionId)).sort((a, b) => a - b), Array.from({ length: racers }, (_, n) => n + 1));
  }
});

t.test('of the updates that name one version in If-Match one succeeds, and nothing that was counted is lost', async (t) => {
  const counter = (n: number): { resourceType: string; id: string; extension: object[] } => ({ resourceType: 'Practitioner', id: 'counter', extension: [{ url: 'https://example.org/count', valueInteger: n }] });
  await put(counter(0));
  for (let version = 1; version <= 4; version++) {
    const replies = await race(racers, (client) => client('PUT', 'Practitioner/counter', counter(version), { 'if-match': `W/"${version}"` }));
    writes -= racers - 1;
    t.same(statuses(replies), { 200: 1, 412: racers - 1 });
  }
  let successes = 0;
  await Promise.all(Array.from({ length: 16 }, async (_, n) => {
    const client = clients[n % 2]!;
    for (let own = 0; own < 4;) {
      const { body, headers } = await client('GET', 'Practitioner/counter');
      const { status } = await client('PUT', 'Practitioner/counter', counter(body.extension[0].valueInteger + 1), { 'if-match': headers.get('etag')! });
      if (status === 200) own++;
      else if (status !== 412) throw new Error(`status ${status}`);
      if (status === 200) successes++;
    }
  }));
  writes += successes;
  const { body } = await fhir('GET', 'Practitioner/counter');
  t.equal(successes, 64);
  t.equal(body.extension[0].valueInteger, 4 + successes);
  t.equal(Number(body.meta.versionId), 5 + successes);
});

t.test('one condition of a conditional update is one resource, with a version for every update', async (t) => {
  for (const key of keys) {
    const replies = await race(racers, (client, n) => client('PUT', `Practitioner?identifier=urn:y|${key}`, { resourceType: 'Practitioner', identifier: [{ system: 'urn:y', value: key }], name: [{ family: `n${n}` }] }));
    const { 201: created, 200: updated } = statuses(replies);
    t.same([created, updated], [1, racers - 1]);
    t.equal(ids(replies), 1);
    t.equal(await versionsOf(`Practitioner/${replies[0]!.body.id}`), racers);
  }
});

t.test('transactions that touch the same resources in opposite order all succeed', async (t) => {
  const entry = (method: string, url: string, resource: object): object => ({ request: { method, url }, resource });
  const replies = await race(racers, (client, n) => {
    const entries = [
      ...patients.map((id) => entry('PUT', `Patient/${id}`, { resourceType: 'Patient', id, extension: [{ url: 'https://example.org/n', valueInteger: n }] })),
      ...patients.map((id) => entry('POST', 'QuestionnaireResponse', gad7(id, spread(n % 18, 7), `2026-04-${String(1 + (n % 28)).padStart(2, '0')}T10:00:00Z`))),
      entry('PUT', 'Practitioner/shared', { resourceType: 'Practitioner', id: 'shared', name: [{ family: `n${n}` }] }),
    ];
    return client('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: n % 4 < 2 ? entries : entries.toReversed() });
  });
  t.same(statuses(replies), { 200: racers });
  for (const id of patients) {
    t.equal(await versionsOf(`Patient/${id}`), 1 + racers);
    t.equal(await total(`QuestionnaireResponse?subject=Patient/${id}&questionnaire=https://intersession.example/fhir/Questionnaire/gad-7`), racers);
  }
  t.equal(await versionsOf('Practitioner/shared'), racers);
});

t.test('transactions that create the same Practitioner under a condition refer to the one that came first', async (t) => {
  const replies = await race(racers, (client, n) => client('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    { fullUrl: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a', request: { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=urn:z|1' }, resource: { resourceType: 'Practitioner', identifier: [{ system: 'urn:z', value: '1' }] } },
    { request: { method: 'POST', url: 'CareTeam' }, resource: { resourceType: 'CareTeam', status: 'inactive', name: `n${n}`, subject: { reference: 'Patient/p1' }, participant: [{ member: { reference: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a' } }] } },
  ] }));
  t.same(statuses(replies), { 200: racers });
  const { body } = await fhir('GET', 'Practitioner?identifier=urn:z|1');
  t.equal(body.entry.length, 1);
  t.equal(await total(`CareTeam?participant=Practitioner/${body.entry[0].resource.id}`), racers);
});

t.test('responses of one patient that arrive on both processes at once give the record that their dates say', async (t) => {
  await put({ resourceType: 'Patient', id: 'both' });
  const next = sequence(7);
  const days = Array.from({ length: racers }, (_, n) => n).sort(() => next(3) - 1);
  const replies = await race(racers, (client, n) => client('POST', 'QuestionnaireResponse', phq9('both', spread(4 + (days[n]! % 20)), new Date(Date.UTC(2026, 0, 1 + 2 * days[n]!, 9)).toISOString())));
  t.same(statuses(replies), { 201: racers });
  const query = 'Observation?patient=both&_count=200';
  t.equal(await total(`${query}&code=44261-6`), racers);
  const { body } = await fhir('GET', `${query}&code=https://intersession.example/fhir/CodeSystem/progress-metric|change-from-baseline`);
  t.equal(body.entry.length, racers - 1, 'every response but the first is compared with it');
  t.equal(new Set(body.entry.map(({ resource }: any) => resource.derivedFrom[1].reference)).size, 1, 'all with the same baseline');
});

t.test('a deletion that races with updates leaves either, whole', async (t) => {
  for (const key of keys) {
    const body = { ...phq9('p3', spread(12, 9, 2), '2026-05-01T09:00:00Z'), id: `race-${key}` };
    const known = keys.indexOf(key) % 2 === 0; // else most deletions look it up before it is there
    if (known) await put(body as unknown as { resourceType: string; id: string });
    const replies = await race(racers, (client, n) => (n % 4 === 0
      ? client('DELETE', `QuestionnaireResponse/race-${key}`)
      : client('PUT', `QuestionnaireResponse/race-${key}`, { ...body, authored: `2026-05-01T10:00:${String(n % 60).padStart(2, '0')}Z` })));
    const { 200: updated = 0, 201: created = 0, 204: deleted = 0, 409: refused = 0 } = statuses(replies);
    t.equal(updated + created + deleted + refused, racers, JSON.stringify(statuses(replies)));
    t.ok(replies.every(({ status, headers }) => status !== 409 || headers.get('retry-after') !== null), 'a conflict says that it may be tried again');
    writes -= refused;
    const versions = await first.database.query<{ body: string | null }>(`select body from resource where type = 'QuestionnaireResponse' and id = $1 order by version`, [`race-${key}`]);
    const deletions = versions.filter((version) => version.body === null).length;
    const creates = versions.filter((_version, at) => at === 0 || versions[at - 1]!.body === null).length;
    t.equal(creates, created + (known ? 1 : 0), 'a version for each 201');
    t.ok(deletions <= deleted && deletions >= creates - 1 && deletions <= creates, `${deletions} deletions between ${creates} creations`);
  }
});

t.test('after all of it nothing in the store contradicts anything else, and every answered write is in the access log', async (t) => {
  const { examples, ...counts } = await inspectStore(first.database);
  t.same(counts, { versions: 0, index: 0, entries: 0, derived: 0, alerts: 0, provenance: 0, orphans: 0 }, examples.join('\n'));
  const [{ requests, entries } = { requests: 0, entries: 0 }] = await first.database.query<{ requests: number; entries: number }>(`
    select count(distinct request_id)::int as requests, count(*) filter (where interaction = 'transaction')::int as entries
    from audit_event where outcome = '0' and interaction in ('create', 'update', 'delete', 'transaction') and request_id <> 'start'`);
  t.equal(requests, writes);
  t.equal(entries, racers * (7 + 2), 'a row for each entry of a transaction');
});
