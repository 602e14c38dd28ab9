import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { parseSearch } from '../../src/fhir/search-parse.ts';
import { parseSystemSearch } from '../../src/fhir/search-system.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Verb, Visibility } from '../../src/fhir/visibility.ts';
import { search, searchSeveral, type Cursor, type Found } from '../../src/store/search.ts';
import { testDatabase } from '../kit/database.ts';
import { putResource, type Rids } from '../kit/store-rows.ts';

const all: Visibility = { caller: 'test', reach: { kind: 'all' }, grants: new Map(servedTypes.map((type) => [type, new Set<Verb>(['r', 's'])])), restricted: true };
const pairs = (query: string) => [...new URLSearchParams(query)] as [string, string][];

/** All pages of what `ask` answers. */
async function walked(ask: (page?: Cursor) => Promise<Found>): Promise<{ pages: Found[]; ids: string[] }> {
  const pages: Found[] = [];
  let cursor: Cursor | undefined;
  do {
    const page = await ask(cursor);
    pages.push(page);
    cursor = page.next;
  } while (cursor !== undefined && pages.length < 200);
  return { pages, ids: pages.flatMap(({ matches }) => matches.map(({ type, id }) => `${type}/${id}`)) };
}

t.test('several types: sorted by any parameter that they have in common, with what is included', async (t) => {
  const { database } = await testDatabase(t);
  const rids: Rids = new Map();
  const patients = ['pb', 'pa', 'pc'];
  for (const id of patients) await putResource(database, rids, { resourceType: 'Patient', id });
  await putResource(database, rids, { resourceType: 'Practitioner', id: 'd1' });
  const dates = ['2026-01-05', '2026-01-03', undefined, '2026-01-09', '2026-01-01', undefined];
  const written: { key: string; date?: string; patient: string; code?: string }[] = [];
  for (let n = 0; n < 36; n++) {
    const type = ['Observation', 'Encounter', 'Appointment'][n % 3]!;
    const date = dates[Math.floor(n / 3) % dates.length];
    const patient = patients[n % 2 === 0 ? 0 : n % 5 === 0 ? 1 : 2]!;
    const subject = { reference: `Patient/${patient}` };
    const resource: Resource = type === 'Observation'
      ? { resourceType: type, id: `n${n}`, status: 'final', code: { coding: [{ code: `c${n % 4}` }] }, subject, ...(date === undefined ? {} : { effectiveDateTime: date }), performer: [{ reference: 'Practitioner/d1' }] }
      : type === 'Encounter'
        ? { resourceType: type, id: `n${n}`, status: 'finished', class: { code: 'AMB' }, subject, ...(date === undefined ? {} : { period: { start: date, end: date } }) }
        : { resourceType: type, id: `n${n}`, status: 'booked', participant: [{ actor: subject, status: 'accepted' }], ...(date === undefined ? {} : { start: `${date}T00:00:00Z`, end: `${date}T01:00:00Z` }) };
    await putResource(database, rids, resource);
    written.push({ key: `${type}/n${n}`, patient, ...(date === undefined ? {} : { date }) });
  }
  const several = async (query: string) => {
    const { plans, ...follow } = parseSystemSearch(['Observation', 'Encounter', 'Appointment', 'Patient'], pairs(query), { handling: 'strict' });
    return walked((page) => searchSeveral(database, plans, follow, all, page));
  };
  const expected = (by: (one: (typeof written)[number]) => string | undefined, descending: boolean): string[] => {
    const order = written.map((one, at) => ({ ...one, at, by: by(one) }));
    order.sort((a, b) => (a.by === b.by ? (descending ? b.at - a.at : a.at - b.at) : a.by === undefined ? 1 : b.by === undefined ? -1 : (a.by < b.by) !== descending ? -1 : 1));
    return order.map(({ key }) => key);
  };
  for (const count of [1, 5, 36, 100]) {
    const of = `_type=Observation,Encounter,Appointment&_count=${count}`;
    t.same((await several(`${of}&_sort=date`)).ids, expected(({ date }) => date, false), `by date, ${count} a page`);
    t.same((await several(`${of}&_sort=-date`)).ids, expected(({ date }) => date, true), 'newest first, those without a date last');
    t.same((await several(`${of}&_sort=patient`)).ids, expected(({ patient }) => patient, false), 'by patient, which is a column of two of them and index rows of the third');
    t.same((await several(`${of}&_sort=-status,date&_total=accurate`)).pages[0]!.total, 36);
  }
  const included = async (query: string): Promise<string[]> => (await several(query)).pages.flatMap(({ included: rows }) => rows.map(({ type, id }) => `${type}/${id}`)).toSorted();
  t.same(await included('_type=Observation,Encounter&_id=n0,n1,n3&_include=Observation:performer&_include=Encounter:subject'), ['Patient/pc', 'Practitioner/d1']);
  t.same(await included('_type=Observation,Encounter&_id=n0,n1&_include=Observation:*&_include=Encounter:*'), ['Patient/pb', 'Patient/pc', 'Practitioner/d1']);
  t.same(await included('_type=Observation,Encounter&_id=n0,n1&_include=*'), ['Patient/pb', 'Patient/pc', 'Practitioner/d1']);
  t.same(await included('_type=Patient,Encounter&_id=pa&_revinclude=Appointment:patient'), written.filter(({ key, patient }) => key.startsWith('Appointment/') && patient === 'pa').map(({ key }) => key).toSorted());
  t.same(parseSystemSearch(['Observation', 'Encounter'], pairs('_include=Encounter:subject&_count=3'), { handling: 'strict' }).applied, [['_count', '3'], ['_include', 'Encounter:subject']], 'the self link says so');
  for (const query of ['_include=Goal:subject', '_revinclude=Questionnaire:derived-from', '_include=Observation:nothing', '_summary=text&_include=*', '_include']) {
    t.throws(() => parseSystemSearch(['Observation', 'Encounter'], pairs(query), { handling: 'strict' }), { name: 'Problem' }, query);
  }
  t.same(parseSystemSearch(['Observation', 'Encounter'], pairs('_include=Observation:nothing'), { handling: 'lenient' }).applied, [], 'an unknown include in lenient handling');
  await t.rejects(several('_type=Observation,Patient&_sort=identifier,name'), { name: 'Problem' }, 'a key that one of the types lacks');
});

t.test('a page ends before it carries more than 16 MB, and the next one goes on there', async (t) => {
  const { database } = await testDatabase(t);
  const rids: Rids = new Map();
  const large = 5 * 1024 * 1024;
  await putResource(database, rids, { resourceType: 'Organization', id: 'org' });
  for (let n = 0; n < 9; n++) await putResource(database, rids, { resourceType: 'Practitioner', id: `p${n}`, gender: n % 2 === 0 ? 'female' : 'male' });
  await putResource(database, rids, { resourceType: 'PractitionerRole', id: 'role', practitioner: { reference: 'Practitioner/p1' } });
  for (let n = 0; n < 9; n++) await putResource(database, rids, { resourceType: 'PractitionerRole', id: `r${n}`, practitioner: { reference: `Practitioner/p${n}` }, organization: { reference: 'Organization/org' } });
  await database.query(`update resource set body = body || repeat(' ', $1::int) where type = 'Practitioner'`, [large]);
  const of = (query: string) => parseSearch(query.split('?')[0]!, pairs(query.split('?')[1]!), { handling: 'strict' });
  for (const query of ['Practitioner?_count=1000', 'Practitioner?_count=1000&_sort=_id', 'Practitioner?_count=1000&gender=male,female']) {
    const { pages, ids } = await walked((page) => search(database, of(query), all, page));
    t.equal(new Set(ids).size, 9, `${query}: everything, once`);
    t.same(pages.map(({ matches }) => matches.length), [4, 4, 1], 'the last that begins below the limit is there whole');
    t.ok(pages.every(({ matches }) => matches.every(({ body }) => body.length > large)));
  }
  const several = parseSystemSearch(['Practitioner', 'Organization'], pairs('_count=100'), { handling: 'strict' });
  t.same((await walked((page) => searchSeveral(database, several.plans, several, all, page))).pages.map(({ matches }) => matches.length), [4, 4, 2]);
  const roles = await search(database, of('PractitionerRole?_count=100&_include=PractitionerRole:practitioner'), all);
  t.equal(roles.matches.length, 10);
  t.equal(roles.incomplete, true, 'what is included has the same limit, and the answer says that there is more');
  t.ok(roles.included.length > 0 && roles.included.length < 9);
});

t.test('an id without a type is that of a subject of any type', async (t) => {
  const { database } = await testDatabase(t);
  const rids: Rids = new Map();
  await putResource(database, rids, { resourceType: 'Patient', id: 'same' });
  await putResource(database, rids, { resourceType: 'Group', id: 'same', type: 'person', actual: true });
  await putResource(database, rids, { resourceType: 'Group', id: 'herd', type: 'animal', actual: true });
  const observation = (id: string, reference: string): Resource => ({ resourceType: 'Observation', id, status: 'final', code: { coding: [{ code: 'x' }] }, subject: { reference } });
  await putResource(database, rids, observation('a', 'Patient/same'));
  await putResource(database, rids, observation('b', 'Group/same'));
  await putResource(database, rids, observation('c', 'Group/herd'));
  await putResource(database, rids, observation('d', 'https://other.example/Group/herd'));
  for (const [query, expected] of [
    ['subject=same', 'a b'], ['subject=herd', 'c'], ['subject=Patient/same', 'a'], ['subject:Group=same', 'b'], ['patient=same', 'a'], ['subject=same,herd', 'a b c'],
    ['subject=same&code=x', 'a b'], ['subject=nobody', ''], ['subject=same&_sort=-_id&_count=1', 'a b'], ['_filter=subject eq same', 'a b'], ['_filter=not (subject eq same)', 'c d'],
  ] as const) {
    const { ids } = await walked((page) => search(database, parseSearch('Observation', pairs(query), { handling: 'strict' }), all, page));
    t.same(ids.map((id) => id.replace('Observation/', '')).toSorted(), expected.split(' ').filter((id) => id !== ''), query);
  }
  t.equal((await search(database, parseSearch('Appointment', pairs('slot:Slot=1&supporting-info:Immunization=2'), { handling: 'strict' }), all)).matches.length, 0, 'a reference may be asked for by a type that is not served here');
});

t.test('the list of current problems is what the Conditions say', async (t) => {
  const { database } = await testDatabase(t);
  const rids: Rids = new Map();
  await putResource(database, rids, { resourceType: 'Patient', id: 'p' });
  const condition = (id: string, clinical?: string, verification?: string): Resource => ({
    resourceType: 'Condition', id, subject: { reference: 'Patient/p' },
    ...(clinical === undefined ? {} : { clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: clinical }] } }),
    ...(verification === undefined ? {} : { verificationStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: verification }] } }),
  });
  for (const each of [condition('now', 'active', 'confirmed'), condition('again', 'recurrence'), condition('back', 'relapse', 'provisional'), condition('over', 'resolved', 'confirmed'), condition('rest', 'remission'), condition('wrong', undefined, 'entered-in-error'), condition('not', 'active', 'refuted'), condition('unsaid')]) await putResource(database, rids, each);
  const { ids } = await walked((page) => search(database, parseSearch('Condition', pairs('patient=p&_list=$current-problems&_sort=_id'), { handling: 'strict' }), all, page));
  t.same(ids, ['Condition/again', 'Condition/back', 'Condition/now']);
});
