import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

const first = await testService(t);
const second = await testService(t, { beside: first });
const clients = [first.as(), second.as()] as const;
const [fhir] = clients;
const jsonPatch = { 'content-type': 'application/json-patch+json' };

const known = (value: string, more: object = {}) => ({ resourceType: 'Practitioner', identifier: [{ system: 'urn:c', value }], ...more });
const by = (value: string): string => `Practitioner?identifier=urn:c|${value}`;
const matches = async (value: string): Promise<any[]> => ((await fhir('GET', by(value))).body.entry ?? []).map(({ resource }: any) => resource);
const make = async (value: string, count = 1): Promise<string[]> => Promise.all(Array.from({ length: count }, async () => (await fhir('POST', 'Practitioner', known(value))).body.id as string));
const statuses = (replies: readonly Reply[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
const race = (count: number, send: (client: Client, n: number) => Promise<Reply>): Promise<Reply[]> => Promise.all(Array.from({ length: count }, (_, n) => send(clients[n % 2]!, n)));
const transaction = (...entry: object[]): object => ({ resourceType: 'Bundle', type: 'transaction', entry });

t.test('conditional update: each row of the specification, with and without an id, and under If-Match', async (t) => {
  const created = await fhir('PUT', by('u1'), known('u1'));
  t.equal(created.status, 201, 'no match, no id');
  t.equal((await fhir('PUT', by('u2'), known('u2', { id: 'chosen' }))).body.id, 'chosen', 'no match, an id: created there');
  t.equal((await fhir('PUT', by('u1'), known('u1', { active: true }))).body.meta.versionId, '2', 'one match, no id');
  t.equal((await fhir('PUT', by('u1'), known('u1', { id: created.body.id, active: false }))).body.meta.versionId, '3', 'one match, its id');
  for (const [path, body, headers, status, what] of [
    [by('u1'), known('u1', { id: 'other' }), {}, 400, 'one match, another id'],
    [by('u3'), known('u3', { id: 'chosen' }), {}, 409, 'no match, the id of another resource'],
    [by('u1'), known('u1'), { 'if-match': 'W/"2"' }, 412, 'one match, not the version'],
    [by('u3'), known('u3'), { 'if-match': 'W/"1"' }, 412, 'no match, a version'],
    [by('u1'), known('u1'), { 'if-none-match': '*' }, 412, 'one match, none is wanted'],
    ['Practitioner?nickname=x', known('x'), {}, 400, 'an unknown parameter'],
    ['Practitioner?_sort=name', known('x'), {}, 412, 'a parameter that does not select'],
  ] as const) {
    const reply = await fhir('PUT', path, body, headers);
    t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 200)}`);
    t.match(reply.body, { resourceType: 'OperationOutcome' }, what);
  }
  t.equal((await fhir('PUT', by('u1'), known('u1', { active: true }), { 'if-match': 'W/"3"' })).status, 200, 'one match, the version');
  t.same(await matches('u3'), []);
  await fhir('PUT', 'Patient/cu', { resourceType: 'Patient', id: 'cu' });
  const response = phq9('cu', spread(4), '2026-01-01T10:00:00Z', { identifier: { system: 'urn:app', value: 'cu' } });
  const { id } = (await fhir('POST', 'QuestionnaireResponse', response)).body;
  const twin = await fhir('PUT', 'QuestionnaireResponse?identifier=urn:app|cu&status=amended', response);
  t.equal(twin.status, 409, 'a response that is there, which the condition leaves out');
  t.match(twin.body, { issue: [{ code: 'duplicate', details: { text: new RegExp(`QuestionnaireResponse/${id}`) } }] });
  await make('u1');
  t.equal((await fhir('PUT', by('u1'), known('u1'))).status, 412, 'two match');
});

t.test('conditional delete: one match; several only where _multiple says so, and up to 100', async (t) => {
  const [one] = await make('d1');
  t.equal((await fhir('DELETE', by('d1'), undefined, { 'if-match': 'W/"7"' })).status, 412, 'another version');
  t.equal((await fhir('DELETE', by('d1'), undefined, { 'if-match': 'W/"1"' })).status, 204);
  t.equal((await fhir('GET', `Practitioner/${one}`)).status, 410);
  t.equal((await fhir('DELETE', by('d1'))).status, 204, 'none');
  const many = await make('d2', 5);
  for (const path of [by('d2'), `${by('d2')}&_multiple=false`]) {
    const refused = await fhir('DELETE', path);
    t.equal(refused.status, 412, path);
    t.match(refused.body, { issue: [{ code: 'multiple-matches' }] });
  }
  t.equal((await fhir('DELETE', `${by('d2')}&_multiple=maybe`)).status, 400);
  t.equal((await fhir('DELETE', 'Practitioner?_multiple=true')).status, 412, 'no condition');
  t.equal((await fhir('DELETE', `${by('d2')}&_multiple=true`)).status, 204);
  for (const id of many) t.equal((await fhir('GET', `Practitioner/${id}`)).status, 410);
  await fhir('POST', '', transaction(...Array.from({ length: 101 }, () => ({ resource: known('d3'), request: { method: 'POST', url: 'Practitioner' } }))));
  t.equal((await fhir('DELETE', `${by('d3')}&_multiple=true`)).status, 412, 'more than 100');
  t.equal((await fhir('GET', `${by('d3')}&_summary=count`)).body.total, 101, 'none of them was deleted');
  await fhir('PUT', 'Patient/cd', { resourceType: 'Patient', id: 'cd' });
  const goal = (id: string): object => ({ resourceType: 'Goal', id, lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: 'Patient/cd' } });
  for (const id of ['cd1', 'cd2']) await fhir('PUT', `Goal/${id}`, goal(id));
  t.equal((await fhir('DELETE', 'Patient?_id=cd')).status, 409, 'a Patient whose record holds something');
  const both = await fhir('POST', '', transaction({ request: { method: 'DELETE', url: 'Goal?patient=cd&_multiple=true' } }, { request: { method: 'DELETE', url: 'Practitioner?identifier=urn:c|d2' } }));
  t.same(both.body.entry.map(({ response }: any) => response.status), ['204', '204'], both.text.slice(0, 300));
  t.equal((await fhir('DELETE', 'Patient?_id=cd')).status, 204, 'now it is empty');
  t.match((await fhir('GET', 'metadata')).body.rest[0].resource.find(({ type }: any) => type === 'Goal'), { conditionalDelete: 'multiple', conditionalUpdate: true, conditionalCreate: true });
});

t.test('of racing conditional updates of nothing one creates; the order of the parameters is no difference', async (t) => {
  for (const [key, through] of [['r1', 'single'], ['r2', 'transaction']] as const) {
    const replies = await race(24, (client, n) => {
      const url = n % 4 < 2 ? `Practitioner?identifier=urn:c|${key}&active=true` : `Practitioner?active=true&identifier=urn:c|${key}`;
      const resource = known(key, { active: true, name: [{ family: `n${n}` }] });
      return through === 'single' ? client('PUT', url, resource) : client('POST', '', transaction({ resource, request: { method: 'PUT', url } }));
    });
    t.ok(replies.every(({ status }) => status < 300), JSON.stringify(statuses(replies)));
    const [found, ...more] = await matches(key);
    t.same(more, [], key);
    t.equal(found.meta.versionId, '24', 'a version for each');
  }
});

t.test('nothing is written that does not match any more', async (t) => {
  // One writer moves a mark between two values; others write under the condition that the mark is there.
  const id = (await fhir('POST', 'Practitioner', known('mark-on'))).body.id as string;
  let moving = true;
  const mover = async (): Promise<void> => {
    for (let n = 0; moving; n++) {
      const value = n % 2 === 0 ? 'mark-off' : 'mark-on';
      await fhir('PATCH', `Practitioner/${id}`, [{ op: 'replace', path: '/identifier/0/value', value }], jsonPatch);
    }
  };
  const move = mover();
  const seen: Record<string, number> = {};
  await Promise.all(Array.from({ length: 6 }, async (_, writer) => {
    for (let n = 0; n < 25; n++) {
      const client = clients[writer % 2]!;
      const gender = ['male', 'female', 'other'][n % 3]!;
      const reply = writer % 3 === 0
        ? await client('PATCH', by('mark-on'), [{ op: 'add', path: '/gender', value: gender }, { op: 'test', path: '/identifier/0/value', value: 'mark-on' }], jsonPatch)
        : writer % 3 === 1
          ? await client('POST', '', transaction({ request: { method: 'PATCH', url: by('mark-on') }, resource: { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'replace' }, { name: 'path', valueString: "Practitioner.identifier.where(value = 'mark-on').system" }, { name: 'value', valueUri: 'urn:c' }] }] } }))
          : await client('PATCH', by('mark-on'), [{ op: 'test', path: '/identifier/0/value', value: 'mark-on' }, { op: 'add', path: '/gender', value: gender }], jsonPatch);
      seen[reply.status] = (seen[reply.status] ?? 0) + 1;
      // each patch holds for the mark only: refused with 422, it was applied to a version that the condition does not match
      if (reply.status === 422) t.fail(`applied to what does not match: ${reply.text.slice(0, 200)}`);
    }
  }));
  moving = false;
  await move;
  t.ok((seen[200] ?? 0) > 0 && (seen[404] ?? 0) > 0, `both were met: ${JSON.stringify(seen)}`);
  t.same(Object.keys(seen).filter((status) => !['200', '404', '409'].includes(status)), []);
  await fhir('DELETE', `Practitioner/${id}`);
});

t.test('a conditional delete and updates that move the match away leave either, whole', async (t) => {
  for (let round = 0; round < 6; round++) {
    const [id] = await make(`m${round}`);
    const [away, gone] = await Promise.all([
      fhir('PATCH', `Practitioner/${id}`, [{ op: 'replace', path: '/identifier/0/value', value: `moved${round}` }], jsonPatch),
      clients[1]('DELETE', by(`m${round}`)),
    ]);
    t.equal(gone.status, 204);
    t.ok(away.status === 200 || away.status === 410, String(away.status));
    // either the patch came first, and the delete matched nothing, or the delete did, and there was nothing to patch
    t.equal((await fhir('GET', `Practitioner/${id}`)).status, away.status === 200 ? 200 : 410);
  }
});

t.test('conditional references mean one resource, also one that the same transaction makes', async (t) => {
  const role = (reference: string): object => ({ resource: { resourceType: 'PractitionerRole', practitioner: { reference } }, request: { method: 'POST', url: 'PractitionerRole' } });
  const made = await fhir('POST', '', transaction(
    { resource: known('ref'), request: { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=urn:c|ref' } }, role(by('ref')),
  ));
  t.equal(made.status, 200, made.text.slice(0, 300));
  const [practitioner] = await matches('ref');
  t.equal((await fhir('GET', made.body.entry[1].response.location)).body.practitioner.reference, `Practitioner/${practitioner.id}`);
  const again = await fhir('POST', '', transaction(role(by('ref')), role(by('ref'))));
  t.equal((await fhir('GET', again.body.entry[1].response.location)).body.practitioner.reference, `Practitioner/${practitioner.id}`);
  for (const [reference, what] of [[by('nobody'), 'nothing'], [by('two'), 'several']] as const) {
    if (what === 'several') await make('two', 2);
    const refused = await fhir('POST', '', transaction(role(reference)));
    t.equal(refused.status, 412, what);
    t.match(refused.body.issue[0].expression, [/^Bundle\.entry\[0\]/], what);
  }
  // While the match comes and goes, a reference leads to what was there, or the transaction is refused.
  let going = true;
  const comer = (async () => {
    for (let n = 0; going; n++) {
      if (n % 2 === 0) await fhir('PUT', by('comes'), known('comes'));
      else await fhir('DELETE', by('comes'));
    }
  })();
  const replies = await race(40, (client) => client('POST', '', transaction(role(by('comes')))));
  going = false;
  await comer;
  const outcomes = statuses(replies);
  t.same(Object.keys(outcomes).filter((status) => !['200', '412', '409'].includes(status)), [], JSON.stringify(outcomes));
});

t.test('batch entries have the same conditions', async (t) => {
  await make('b1');
  await make('b2', 2);
  const { body } = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [
    { resource: known('b0'), request: { method: 'PUT', url: by('b0') } },
    { resource: known('b1', { active: true }), request: { method: 'PUT', url: by('b1'), ifMatch: 'W/"1"' } },
    { resource: known('b2'), request: { method: 'PUT', url: by('b2') } },
    { request: { method: 'DELETE', url: `${by('b3')}` } },
    { request: { method: 'DELETE', url: `${by('b2')}` } },
    { resource: known('b1'), request: { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=urn:c|b1' } },
  ] });
  t.same(body.entry.map(({ response }: any) => response.status), ['201', '200', '412', '204', '412', '200']);
});

t.test('of racing requests whose conditions differ and mean one resource, one creates', async (t) => {
  await fhir('PUT', 'Patient/overlap', { resourceType: 'Patient', id: 'overlap' });
  const practitioner = (key: string) => known(key, { active: true });
  const observation = (key: string) => ({
    resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'urn:c', code: key }] }, subject: { reference: 'Patient/overlap' }, identifier: [{ system: 'urn:c', value: key }],
  });
  const post = (resource: (key: string) => { resourceType: string }, condition: (key: string) => string) => (client: Client, key: string) =>
    client('POST', resource(key).resourceType, resource(key), { 'if-none-exist': condition(key) });
  const put = (resource: (key: string) => { resourceType: string }, condition: (key: string) => string) => (client: Client, key: string) =>
    client('PUT', `${resource(key).resourceType}?${condition(key)}`, resource(key));
  const within = (resource: (key: string) => { resourceType: string }, condition: (key: string) => string) => (client: Client, key: string) =>
    client('POST', '', transaction({ resource: resource(key), request: { method: 'POST', url: resource(key).resourceType, ifNoneExist: condition(key) } }));
  const mixes: readonly (readonly [name: string, count: (key: string) => string, ways: readonly ((client: Client, key: string) => Promise<Reply>)[]])[] = [
    ['identifier', (key) => `Practitioner?identifier=urn:c|${key}`, [
      post(practitioner, (key) => `identifier=urn:c|${key}`), post(practitioner, (key) => `active=true&identifier=${key}&_format=json`), post(practitioner, (key) => `Practitioner?identifier=other,urn:c|${key}&active=true`),
      put(practitioner, (key) => `identifier=urn%3Ac%7C${key}&active:not=false`), within(practitioner, (key) => `identifier=${key}`), within(practitioner, (key) => `_filter=identifier eq ${key} and active eq true`),
    ]],
    ['patient and code, or identifier', (key) => `Observation?code=urn:c|${key}`, [
      post(observation, (key) => `patient=overlap&code=urn:c|${key}`), post(observation, (key) => `subject=Patient/overlap&code=${key}&status=final`), post(observation, (key) => `identifier=urn:c|${key}`),
      put(observation, (key) => `code=${key}&patient=Patient/overlap`), within(observation, (key) => `code=${key}&subject=Patient/overlap,Patient/else`),
    ]],
    ['neither', (key) => `Practitioner?identifier=urn:c|${key}`, [
      post(practitioner, (key) => `active=true&identifier:not=${key}x&_filter=identifier eq ${key}`), post(practitioner, (key) => `identifier=${key}`),
    ]],
  ];
  for (const [name, found, ways] of mixes) {
    for (const key of ['overlap-1', 'overlap-2', 'overlap-3']) {
      const replies = await race(40, (client, n) => ways[n % ways.length]!(client, `${key}${name.length}`));
      t.ok(replies.every(({ status }) => status < 300), `${name}: ${JSON.stringify(statuses(replies))}`);
      t.equal((await fhir('GET', `${found(`${key}${name.length}`)}&_summary=count`)).body.total, 1, name);
    }
  }
});

t.test('creates without a condition stand beside those with one: what they make is counted, and nothing more', async (t) => {
  const replies = await race(40, (client, n) => (n % 10 === 0
    ? client('POST', 'Practitioner', known('beside'))
    : client('POST', 'Practitioner', known('beside'), { 'if-none-exist': n % 2 === 0 ? 'identifier=urn:c|beside' : 'identifier=beside' })));
  const created = (wanted: (n: number) => boolean): number => replies.filter(({ status }, n) => status === 201 && wanted(n)).length;
  t.equal(created((n) => n % 10 === 0), 4, 'each of them creates');
  t.ok(created((n) => n % 10 !== 0) <= 1, 'of the conditional ones one at most');
  t.ok(replies.every(({ status }) => [200, 201, 412].includes(status)), JSON.stringify(statuses(replies)));
  t.equal((await matches('beside')).length, created(() => true));
});

t.test('two entries of one transaction that would create one resource under different conditions are refused', async (t) => {
  const entry = (resource: object, ifNoneExist: string) => ({ resource, request: { method: 'POST', url: 'Practitioner', ifNoneExist } });
  const refused = await fhir('POST', '', transaction(entry(known('twice', { active: true }), 'identifier=urn:c|twice'), entry(known('twice', { active: true }), 'active=true&identifier=urn:c|twice')));
  t.equal(refused.status, 422, refused.text.slice(0, 300));
  t.match(refused.body.issue, [{ code: 'duplicate', expression: ['Bundle.entry[1]'] }]);
  t.same(await matches('twice'), []);
  const apart = await fhir('POST', '', transaction(entry(known('twice'), 'identifier=urn:c|twice'), entry(known('twice2'), 'identifier=urn:c|twice2'), entry(known('twice'), 'identifier=urn:c|twice')));
  t.same(apart.body.entry.map(({ response }: any) => response.status), ['201', '201', '200'], 'one condition is one create, and other identifiers are others');
});
