import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Visibility } from '../../src/fhir/visibility.ts';
import { Committer } from '../../src/store/commit.ts';
import type { Database } from '../../src/store/database.ts';
import { registry } from '../kit/record.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

const practitioner = (id: string, more: object = {}): { resourceType: string; id: string } => ({ resourceType: 'Practitioner', id, ...more });
const nextOf = (reply: Reply): string | undefined => reply.body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url;
const keysOf = (reply: Reply): string[] => (reply.body.entry ?? []).map(({ response }: any) => response.location as string);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Follows next links to the end. @returns the locations of all versions. */
async function all(fhir: Client, path: string): Promise<string[]> {
  const found: string[] = [];
  for (let url: string | undefined = path; url !== undefined;) {
    const reply: Reply = await fhir('GET', url);
    if (reply.status !== 200) throw new Error(`${reply.status} ${reply.text.slice(0, 200)}`);
    found.push(...keysOf(reply));
    url = nextOf(reply);
  }
  return found;
}

t.test('parameters of a history', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const active of [true, false, true]) await fhir('PUT', 'Practitioner/h', practitioner('h', { active }));
  await fhir('DELETE', 'Practitioner/h');
  const versions = (reply: Reply): number[] => (reply.body.entry ?? []).map(({ response }: any) => Number(/"(\d+)"/.exec(response.etag)![1]));
  t.same(versions(await fhir('GET', 'Practitioner/h/_history')), [4, 3, 2, 1], 'newest first');
  t.same(versions(await fhir('GET', 'Practitioner/h/_history?_sort=_lastUpdated')), [1, 2, 3, 4]);
  t.same(versions(await fhir('GET', 'Practitioner/_history?_sort=-_lastUpdated')), [4, 3, 2, 1]);
  const times = (await fhir('GET', 'Practitioner/h/_history')).body.entry.map(({ response }: any) => response.lastModified as string).reverse();
  t.same(versions(await fhir('GET', `Practitioner/h/_history?_since=${times[2]}`)), [4, 3], 'since is inclusive');
  t.same(versions(await fhir('GET', `Practitioner/h/_history?_since=2000-01-01T00:00:00+01:00`)), [4, 3, 2, 1], 'a + that was not encoded');
  t.same(versions(await fhir('GET', `Practitioner/h/_history?_at=${times[1]}`)), [2], 'the version of that moment');
  t.equal((await fhir('GET', 'Practitioner/h/_history')).body.total, 4);
  const page = await fhir('GET', 'Practitioner/h/_history?_count=3&_sort=_lastUpdated');
  t.same(versions(page), [1, 2, 3]);
  t.equal(page.body.total, undefined, 'a page does not say how many there are');
  t.same(versions(await fhir('GET', nextOf(page)!)), [4]);
  t.same(versions(await fhir('GET', 'Practitioner/h/_history?_count=0')), []);
  for (const [query, expression] of [['_count=x', 'http._count'], ['_count=-1', 'http._count'], ['_since=yesterday', 'http._since'], ['_at=x', 'http._at'], ['_sort=name', 'http._sort'], ['name=x', 'http.name']] as const) {
    const reply = await fhir('GET', `Practitioner/h/_history?${query}`);
    t.equal(reply.status, 400, query);
    t.match(reply.body, { resourceType: 'OperationOutcome', issue: [{ expression: [expression] }] }, query);
  }
  t.equal((await fhir('GET', 'Practitioner/h/_history?name=x', undefined, { prefer: 'handling=lenient' })).status, 200, 'lenient handling leaves out what is unknown');
  t.equal((await fhir('GET', 'Practitioner/nobody/_history')).status, 404);
  t.equal((await fhir('GET', nextOf(page)!.replace('_count=3', '_count=4'))).status, 400, 'a page link serves its own query only');
  const head = await fhir('HEAD', 'Practitioner/h/_history');
  t.same([head.status, head.text], [200, '']);
});

t.test('while eight writers write, the pages of a history at each level neither repeat nor skip what was there when they began', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Practitioner/hot', practitioner('hot'));
  let writing = true;
  const acknowledged: string[] = [(await fhir('GET', 'Practitioner/hot/_history')).body.entry[0].response.location];
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let n = 0; writing; n++) {
      const id = n % 3 === 0 ? 'hot' : `w${writer}-${n % 5}`;
      const reply = await fhir('PUT', `Practitioner/${id}`, practitioner(id, { name: [{ family: `${writer} ${n}` }] }));
      if (reply.status >= 300) throw new Error(reply.text);
      acknowledged.push(reply.headers.get('location')!);
      await pause(20);
    }
  });
  for (const path of ['_history', 'Practitioner/_history', 'Practitioner/hot/_history']) {
    for (let round = 0; round < 2; round++) {
      await pause(50);
      const before = acknowledged.filter((location) => path !== 'Practitioner/hot/_history' || location.includes('/hot/'));
      const found = await all(fhir, `${path}?_count=13`);
      t.equal(new Set(found).size, found.length, `${path}: nothing twice`);
      const missing = before.filter((location) => !found.includes(location));
      t.same(missing, [], `${path}: all of ${before.length} versions that were acknowledged before`);
    }
  }
  writing = false;
  await Promise.all(writers);
  t.ok(acknowledged.length > 50, `${acknowledged.length} versions`);
  t.same((await all(fhir, 'Practitioner/_history?_count=50')).sort(), acknowledged.sort(), 'in the end: everything');
});

const everything: Visibility = { caller: 'test', reach: { kind: 'all' }, restricted: true, grants: new Map(servedTypes.map((type) => [type, new Set(['c', 'r', 'u', 'd', 's'] as const)])) };

/** A way into the store whose transactions are held open: some before they write anything, some before they commit. */
function slow(database: Database): Committer {
  let n = 0;
  const holding: Database = {
    ...database,
    async lease() {
      const lease = await database.lease();
      const held = [undefined, /^insert into resource/, /^commit$/][n++ % 3];
      let before: Promise<unknown> = Promise.resolve();
      return {
        ...lease,
        // statements keep their order: what comes after one that is held waits with it
        query<Row>(text: string, values?: readonly unknown[], plan?: 'once' | 'for its values'): Promise<Row[]> {
          if (held?.test(text) === true) before = before.then(() => pause(Math.random() * 40));
          return before.then(() => lease.query<Row>(text, values, plan));
        },
      };
    },
  };
  return new Committer({ database: holding, rules: { registry, device: 'Device/d' }, lanes: 1, queueLimit: 1000 });
}

async function write(committer: Committer, resource: Resource): Promise<string> {
  const [written] = await committer.commit({ visibility: everything, requester: { client: 'test', requestId: 'r' }, interaction: 'update', writes: [{ kind: 'update', type: resource.resourceType, id: resource.id!, incoming: { value: resource, stored: resource } }] });
  return `${written!.type}/${written!.id}/_history/${written!.version}`;
}

t.test('a reader that follows what is written misses nothing while transactions stay open', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const { database } = service;
  const committers = Array.from({ length: 8 }, () => slow(database));
  const start = (await database.query<{ now: string }>(`select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`))[0]!.now;
  let writing = true;
  const written: string[] = [];
  let finished = -1;
  const writers = committers.map(async (committer, writer) => {
    for (let n = 0; writing; n++) written.push(await write(committer, practitioner(`m${writer}-${n % 10}`, { active: n % 20 < 10 }) as Resource));
  });
  const short = (location: string): string => location.replace(`${service.url}/`, '');

  const polled = new Set<string>();
  const poller = async (): Promise<void> => {
    for (let since = start, last = false; ;) {
      const ending = written.length === finished; // one more reading after everything is answered
      for (let url: string | undefined = `Practitioner/_history?_since=${since}&_sort=_lastUpdated&_count=50`; url !== undefined;) {
        const reply: Reply = await fhir('GET', url);
        for (const { response } of reply.body.entry ?? []) {
          polled.add(short(response.location));
          if (response.lastModified > since) since = response.lastModified;
        }
        url = nextOf(reply);
      }
      if (last) return;
      last = ending;
    }
  };
  const paged = new Set<string>();
  // The other way: newest first, down to where the reading before began.
  const pager = async (): Promise<void> => {
    for (let since = start, last = false; ;) {
      const ending = written.length === finished; // one more reading after everything is answered
      let newest = since;
      for (let url: string | undefined = `_history?_since=${since}&_count=20`; url !== undefined;) {
        const reply: Reply = await fhir('GET', url);
        for (const { response } of reply.body.entry ?? []) {
          paged.add(short(response.location));
          if (response.lastModified > newest) newest = response.lastModified;
        }
        url = nextOf(reply);
      }
      since = newest;
      if (last) return;
      last = ending;
      await pause(5);
    }
  };
  const readers = [poller(), pager()];
  await pause(4000);
  writing = false;
  await Promise.all(writers);
  finished = written.length;
  await Promise.all(readers);
  const expected = [...new Set(written)];
  t.ok(expected.length > 300, `${expected.length} versions`);
  t.same(expected.filter((location) => !polled.has(location)), [], 'the poller of _since, oldest first');
  t.same(expected.filter((location) => !paged.has(location)), [], 'the reader of pages, newest first');
});

t.test('what a client has written is in the history that it reads next', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (let n = 0; n < 20; n++) {
    const { headers } = await fhir('PUT', 'Practitioner/own', practitioner('own', { name: [{ family: `n${n}` }] }));
    const { body } = await fhir('GET', '_history?_count=1');
    t.equal(body.entry[0].response.location, headers.get('location'));
  }
});
