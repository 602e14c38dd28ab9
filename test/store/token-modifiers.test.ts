import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../src/fhir/outcome.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { parseSearch } from '../../src/fhir/search-parse.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Visibility } from '../../src/fhir/visibility.ts';
import { decided } from '../../src/interactions/concept-tests.ts';
import { conditionPlan } from '../../src/interactions/condition.ts';
import type { Connection } from '../../src/store/database.ts';
import { matching, search } from '../../src/store/search.ts';
import { phq9 } from '../kit/answers.ts';
import { testDatabase } from '../kit/database.ts';
import { testService } from '../kit/service.ts';
import { putResource, type Rids } from '../kit/store-rows.ts';

const moods = 'http://example.org/moods';
const other = 'http://example.org/other';
const baseUrl = 'https://here.example/fhir';
const everybody: Visibility = { caller: 'x', reach: { kind: 'all' }, restricted: true, grants: new Map(servedTypes.map((type) => [type, new Set(['r', 's'] as const)])) };

// a > b > c, a > d
const system: Resource = {
  resourceType: 'CodeSystem', id: 'moods', url: moods, status: 'active', content: 'complete',
  concept: [{ code: 'a', concept: [{ code: 'b', concept: [{ code: 'c' }] }, { code: 'd' }] }, { code: 'e' }],
};
const valueSet = (id: string, compose: object, more: object = {}): Resource => ({ resourceType: 'ValueSet', id, url: `http://example.org/ValueSet/${id}`, status: 'active', compose, ...more });
const sets = [
  valueSet('bs', { include: [{ system: moods, filter: [{ property: 'concept', op: 'is-a', value: 'b' }] }] }, { version: '1' }),
  valueSet('others', { include: [{ system: other, concept: [{ code: 'a' }] }, { valueSet: ['http://example.org/ValueSet/bs'] }] }),
  valueSet('unlisted', { include: [{ system: 'http://loinc.org' }] }),
  valueSet('restricted', { include: [{ system: other, concept: [{ code: 'a' }] }] }, { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }),
];

async function found(connection: Connection, url: string, visibility: Visibility = everybody): Promise<string> {
  const [type, query = ''] = url.split('?') as [string, string?];
  const plan = parseSearch(type, [...new URLSearchParams(query)] as [string, string][], { handling: 'strict', baseUrl });
  const { matches } = await search(connection, await decided(plan, { database: connection, baseUrl, visibility }), visibility);
  return matches.map(({ id }) => id).sort().join(' ');
}

async function kindOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof Problem) return `${error.kind} ${error.issues[0]!.code} ${error.issues[0]!.expression}`;
    throw error;
  }
  return 'accepted';
}

const observation = (id: string, coding: readonly object[], more: object = {}): Resource =>
  ({ resourceType: 'Observation', id, status: 'final', code: { coding, ...more }, subject: { reference: 'Patient/p' } }) as unknown as Resource;

t.test('token modifiers', async (t) => {
  const { database } = await testDatabase(t, { connections: 4 });
  const rids: Rids = new Map();
  for (const resource of [
    system, ...sets,
    { resourceType: 'Patient', id: 'p', name: [{ family: 'Example' }] } as Resource,
    ...['a', 'b', 'c', 'd', 'e'].map((code) => observation(`m${code}`, [{ system: moods, code }])),
    observation('oa', [{ system: other, code: 'a' }]),
    observation('two', [{ system: other, code: 'a' }, { system: moods, code: 'c' }]),
    observation('none', [], { text: 'Only words: Größe' }),
    observation('shown', [{ system: other, code: 'z', display: 'Sleep quality' }], { text: 'How did you sleep?' }),
  ]) await putResource(database, rids, resource);
  const of = (query: string): Promise<string> => found(database, `Observation?${query}`);
  const bs = 'http://example.org/ValueSet/bs';

  await t.test(':in and :not-in by canonical, version, place; several; nested in chains and _has', async (t) => {
    t.equal(await of(`code:in=${bs}`), 'mb mc two');
    t.equal(await of(`code:in=${bs}|1`), 'mb mc two');
    t.equal(await of('code:in=ValueSet/bs'), 'mb mc two');
    t.equal(await of(`code:in=${baseUrl}/ValueSet/bs`), 'mb mc two');
    t.equal(await of(`code:not-in=${bs}`), 'ma md me none oa shown', 'what has no code is not in it either');
    t.equal(await of('code:in=ValueSet/others'), 'mb mc oa two', 'the same code of another system is another code');
    t.equal(await of('code:in=ValueSet/restricted,ValueSet/bs'), 'mb mc oa two');
    t.equal(await of('code:not-in=ValueSet/restricted,ValueSet/bs'), 'ma md me none shown', 'in none of them');
    t.equal(await of(`code:in=${bs}&code:not-in=ValueSet/restricted`), 'mb mc');
    t.equal(await of(`patient=p&code:in=${bs}`), 'mb mc two');
    t.equal(await found(database, `Patient?_has:Observation:patient:code:in=${bs}`), 'p');
    t.equal(await found(database, 'Patient?_has:Observation:patient:code:in=http://hl7.org/fhir/ValueSet/observation-status'), '');
    t.equal(await of(`combo-code:not-in=${bs}`), 'ma md me none oa shown');
    t.equal(await of('status:in=http://hl7.org/fhir/ValueSet/observation-status&code=e'), 'me', 'an element of type code by the system that it implies');
    t.equal(await of('status:in=http://hl7.org/fhir/ValueSet/task-status'), '', 'the same word of another system');
    t.equal(await of('status:not-in=http://hl7.org/fhir/ValueSet/observation-status'), '');
    t.equal(await of('_filter=code in ValueSet/bs and not (code ni ValueSet/others)'), 'mb mc two');
    t.equal(await of(`_filter=code ss ${moods}|b`), 'mb mc two');
  });

  await t.test(':above and :below along the hierarchy of a code system that is held', async (t) => {
    t.equal(await of(`code:below=${moods}|b`), 'mb mc two');
    t.equal(await of(`code:below=${moods}|a`), 'ma mb mc md two');
    t.equal(await of(`code:above=${moods}|c`), 'ma mb mc two');
    t.equal(await of(`code:above=${moods}|e,${moods}|d`), 'ma md me');
  });

  await t.test(':text in what is written beside codes and references', async (t) => {
    t.equal(await of('code:text=SLEEP'), 'shown');
    t.equal(await of('code:text=quality'), 'shown', 'display');
    t.equal(await of('code:text=gro%C3%9Fe'), 'none', 'a text without a code; case and accents do not matter');
    t.equal(await of('code:text=nothing,words'), 'none');
    t.equal(await of('code:text=z'), '', 'a code is no text');
    await putResource(database, rids, { resourceType: 'Task', id: 't', status: 'requested', intent: 'order', owner: { reference: 'Practitioner/x', display: 'Dr. Adler' }, identifier: [{ type: { text: 'Case number' }, value: '7' }] } as unknown as Resource);
    t.equal(await found(database, 'Task?owner:text=adler'), 't');
    t.equal(await found(database, 'Task?owner:text=x'), '');
    t.equal(await found(database, 'Task?identifier:text=case'), 't');
  });

  await t.test(':not with several values: none of them', async (t) => {
    t.equal(await of(`code:not=${moods}|a,${moods}|b,${other}|`), 'mc md me none');
    t.equal(await of(`code:not=${moods}|a&code:not=${moods}|b`), 'mc md me none oa shown two');
    t.equal(await of('_id:not=ma,mb,mc,md,me,none'), 'oa shown two');
  });

  await t.test('what cannot be decided is refused with the name of the parameter', async (t) => {
    for (const [query, kind] of [
      ['code:in=http://example.org/ValueSet/nowhere', 'malformed not-found http.code:in'],
      ['code:in=ValueSet/unlisted', 'malformed not-found http.code:in'],
      [`code:below=${moods}|nothing`, 'malformed code-invalid http.code:below'],
      ['code:below=http://loinc.org|1-8', 'malformed not-found http.code:below'],
      ['code:below=b', 'malformed value http.code:below'],
      [`code:above=${moods}|`, 'malformed value http.code:above'],
      ['code:text=%CC%81', 'malformed value http.code:text'],
      [`code:in=${Array.from({ length: 51 }, () => 'ValueSet/bs').join(',')}`, 'malformed too-costly http.code:in'],
      [Array.from({ length: 51 }, () => 'code:not-in=ValueSet/bs').join('&'), 'malformed too-costly http.code:not-in'],
      ['_id:in=ValueSet/bs', 'not-supported not-supported http._id:in'],
      ['date:in=ValueSet/bs', 'not-supported not-supported http.date:in'],
      ['subject:in=ValueSet/bs', 'not-supported not-supported http.subject:in'],
      ['status:text=final', 'not-supported not-supported http.status:text'],
    ] as const) t.equal(await kindOf(of(query)), kind, query);
    t.equal(await kindOf(found(database, 'Patient?active:in=ValueSet/bs')), 'not-supported not-supported http.active:in');
    const unseeing: Visibility = { ...everybody, restricted: false };
    t.equal(await kindOf(found(database, 'Observation?code:in=ValueSet/restricted', unseeing)), 'malformed not-found http.code:in', 'a restricted definition does not exist for whom it is not visible');
    const narrow: Visibility = { ...everybody, grants: new Map([['Observation', new Set(['r', 's'] as const)]]) };
    t.equal(await found(database, `Observation?code:in=${bs}`, narrow), 'mb mc two', 'needs no scope for ValueSet');
    const condition = async (type: string, query: string) => matching(database, await conditionPlan({ database, baseUrl, visibility: everybody }, type, query), everybody, 10);
    t.same((await condition('Observation', `code:in=${bs}`)).map(({ id }) => id).toSorted(), ['mb', 'mc', 'two'], 'the condition of a write asks the same');
    t.same((await condition('Patient', `_has:Observation:patient:code:in=${bs}&_id=nobody`)), []);
    await t.rejects(condition('Observation', 'code:in=ValueSet/nowhere'), { message: /no such value set is held here/ });
  });

  await t.test('any hierarchy and any value set: the same as counting by hand', async () => {
    const codes = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'];
    let round = 0;
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(), { minLength: 6, maxLength: 6 }), fc.subarray(codes), fc.constantFrom(...codes), async (parents, listed, root) => {
      const at = `http://example.org/round${round++}`;
      // each code may be below any that comes before it
      const parentOf = codes.map((_, index) => (index === 0 ? undefined : codes[parents[index]! % index]));
      const ancestors = (code: string): string[] => [code, ...[parentOf[codes.indexOf(code)]].flatMap((parent) => (parent === undefined ? [] : ancestors(parent)))];
      const id = `r${round}`;
      await putResource(database, rids, { resourceType: 'CodeSystem', id, url: at, status: 'active', content: 'complete', concept: codes.map((code, index) => ({ code, ...(parentOf[index] === undefined ? {} : { property: [{ code: 'parent', valueCode: parentOf[index] }] }) })) } as Resource);
      await putResource(database, rids, valueSet(id, { include: [listed.length === 0 ? { system: other, concept: [{ code: 'unused' }] } : { system: at, concept: listed.map((code) => ({ code })) }] }));
      for (const code of codes) await putResource(database, rids, observation(`${id}${code}`, [{ system: at, code }]));
      const expect = async (query: string, holds: (code: string) => boolean): Promise<void> => {
        const got = await of(`${query}&code=${at}|`);
        const wanted = codes.filter(holds).map((code) => `${id}${code}`).join(' ');
        if (got !== wanted) throw new Error(`${query}: ${got} instead of ${wanted}`);
      };
      await expect(`code:in=ValueSet/${id}`, (code) => listed.includes(code));
      await expect(`code:not-in=ValueSet/${id}`, (code) => !listed.includes(code));
      await expect(`code:below=${at}|${root}`, (code) => ancestors(code).includes(root));
      await expect(`code:above=${at}|${root}`, (code) => ancestors(root).includes(code));
    }), { numRuns: 15 });
  });
});

t.test('computed Observations are found by what their codes are called, and write no rows for it', async (t) => {
  const service = await testService(t);
  const all = service.as();
  await all('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p', name: [{ family: 'Example' }] });
  const before = await service.database.query<{ count: number }>('select count(*)::int as count from index_string', []);
  const posted = await all('POST', 'QuestionnaireResponse', phq9('p', [1, 1, 1, 1, 1, 1, 1, 1, 0], '2026-01-05T10:00:00Z'));
  t.equal(posted.status, 201);
  const after = await service.database.query<{ count: number }>('select count(*)::int as count from index_string', []);
  t.ok(after[0]!.count - before[0]!.count <= 3, `${after[0]!.count - before[0]!.count} rows of text for a scored response`);
  const total = async (query: string): Promise<number> => (await all('GET', `Observation?patient=p&${query}&_total=accurate`)).body.total as number;
  t.equal(await total('code:text=PHQ-9'), 1);
  t.equal(await total('category:text=surv'), await total('category=survey'));
  t.equal(await total('method:text=scoring of PHQ'), await total('method=phq-9'));
  t.equal(await total('code:text=GAD'), 0);
  t.ok((await total('code:in=https://intersession.example/fhir/ValueSet/score')) >= 1);
  t.equal((await all('GET', 'Observation/$lastn?patient=p&code:in=https://intersession.example/fhir/ValueSet/score')).body.entry.length, 1, 'also in an operation that searches');
  t.equal((await all('GET', 'Observation?code:in=https://intersession.example/fhir/ValueSet/score')).body.link[0].url.includes('code:in='), true, 'the self link says so');
  await all('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text: 'PHQ-9 by telephone' }, subject: { reference: 'Patient/p' } });
  t.equal(await total('code:text=phq-9'), 2, 'beside what clients write');
  const another = { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/p' } };
  const scored = 'patient=p&code:in=https://intersession.example/fhir/ValueSet/score';
  t.equal((await all('POST', 'Observation', another, { 'if-none-exist': scored })).status, 200, 'there is a score: nothing is created');
  t.match(await all('POST', 'Observation', another, { 'if-none-exist': 'code:in=https://nowhere.example/vs' }), { status: 400, body: { issue: [{ code: 'not-found', expression: ['http.code:in'] }] } });
  const racers = await Promise.all(Array.from({ length: 10 }, async () => all('POST', 'Observation', another, { 'if-none-exist': `${scored}&code:text=by telephone and post` })));
  t.ok(racers.every(({ status }) => status === 201), 'none of them matches the condition, which what is created does not fulfil');
  const conditional = await all('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: another, request: { method: 'POST', url: 'Observation', ifNoneExist: scored } }] });
  t.match(conditional.body, { entry: [{ response: { status: '200' } }] }, 'also in a transaction');
});
