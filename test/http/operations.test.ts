import t, { type Test } from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type TestService } from '../kit/service.ts';

// The operations of FHIR R4 itself, from the outside: http://hl7.org/fhir/R4/operationslist.html.

const canonical = 'https://intersession.example/fhir/OperationDefinition';
const resources = (body: any): any[] => (body.entry ?? []).map((entry: any) => entry.resource);
const ids = (body: any): string[] => resources(body).map(({ id }) => id);
const ofRecord = (type: string, id: string, patient: string, more: object): object => ({ resourceType: type, id, subject: { reference: `Patient/${patient}` }, ...more });
const parameters = (...list: [string, object][]): object => ({ resourceType: 'Parameters', parameter: list.map(([name, value]) => ({ name, ...value })) });

/** Checks that `reply` refuses with an OperationOutcome of this status and, where given, this expression. */
function refuses(t: Test, reply: Reply, status: number, what: string, expression?: string): void {
  t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 300)}`);
  t.match(reply.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', details: { text: String }, ...(expression === undefined ? {} : { expression: [expression] }) }] }, what);
}

/** Puts a resource; fails the test when it is refused. */
async function put(t: Test, fhir: Client, resource: any): Promise<any> {
  const reply = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
  t.ok(reply.status === 200 || reply.status === 201, `stored ${resource.resourceType}/${resource.id}: ${reply.status === 200 || reply.status === 201 ? '' : reply.text}`);
  return reply.body;
}

/** The access log of a patient, by interaction. */
async function logged(service: TestService, patient: string): Promise<string[]> {
  const { body } = await service.as()('GET', `AuditEvent?patient=${patient}&_count=1000`);
  return resources(body).flatMap(({ subtype }) => (subtype ?? []).map(({ code }: any) => code));
}

t.test('operations are stated, and called where they are defined', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const { body: statement } = await fhir('GET', 'metadata');
  const offered = (type: string): string[] => statement.rest[0].resource.find((each: any) => each.type === type).operation.map(({ name }: any) => name);
  t.strictSame(statement.rest[0].operation.map(({ name, definition }: any) => ({ name, definition })), ['meta', 'recompute', 'versions'].map((name) => ({ name, definition: `${canonical}/${name}` })));
  t.strictSame(offered('Task').filter((name) => name.startsWith('meta')), ['meta', 'meta-add', 'meta-delete']);
  const definitions = [...statement.rest[0].operation, ...statement.rest[0].resource.flatMap(({ operation }: any) => operation ?? [])];
  for (const url of new Set<string>(definitions.map(({ definition }: any) => definition))) {
    t.equal((await fhir('GET', `OperationDefinition?url=${url}`)).body.total, 1, `${url} can be read`);
  }
  t.strictSame((await fhir('GET', '$versions')).body, { resourceType: 'Parameters', parameter: [{ name: 'version', valueCode: '4.0' }, { name: 'default', valueCode: '4.0' }] });
  refuses(t, await fhir('GET', 'Patient/$meta-add'), 400, 'of instances only');
  refuses(t, await fhir('GET', 'Patient/x/$versions'), 400, 'of the base only');
  refuses(t, await fhir('GET', 'Patient/x/$meta-add'), 405, 'what changes something is not called with GET');
});

t.test('$meta, $meta-add, $meta-delete', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code });
  const tag = { system: 'urn:example', code: 'a', display: 'first' };
  await put(t, fhir, { resourceType: 'Patient', id: 'ada', meta: { tag: [tag] } });
  await put(t, fhir, { resourceType: 'Patient', id: 'bob', meta: { tag: [{ system: 'urn:example', code: 'b' }, { system: 'urn:other', code: 'a' }], profile: ['http://example.org/p'] } });
  await put(t, fhir, ofRecord('Goal', 'sleep', 'ada', { lifecycleStatus: 'active', description: { text: 'Sleep' }, meta: { security: [label('R')] } }));
  const meta = (reply: Reply): any => reply.body.parameter[0].valueMeta;
  const codes = (list: any[] | undefined): string[] => (list ?? []).map(({ system, code }: any) => `${system}|${code}`).sort();

  await t.test('an instance, and a version of it', async (t) => {
    const reply = await fhir('GET', 'Patient/ada/$meta');
    t.match(reply, { status: 200, body: { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: { versionId: '1', tag: [tag] } }] } });
    t.equal(reply.headers.get('etag'), 'W/"1"');
    t.strictSame(validate(reply.body), []);
    refuses(t, await fhir('GET', 'Patient/nobody/$meta'), 404, 'nobody');
    t.ok((await logged(service, 'ada')).includes('$meta'), 'is in the access log');
  });

  await t.test('$meta-add joins sets by system and code, and makes a new version with the labels found by search', async (t) => {
    const add = await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [{ ...tag, display: 'another word' }, { system: 'urn:example', code: 'c' }], profile: ['http://example.org/p'] } }]));
    t.equal(add.status, 200, add.text);
    t.match(meta(add), { versionId: '2', tag: [tag, { code: 'c' }], profile: ['http://example.org/p'] });
    t.equal(meta(add).tag.length, 2, 'no tag twice');
    t.strictSame(ids((await fhir('GET', 'Patient?_tag=urn:example|c')).body), ['ada']);
    const again = await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [{ system: 'urn:example', code: 'c' }] } }]));
    t.equal(meta(again).versionId, '2', 'nothing new, no version');
    t.equal(meta(await fhir('GET', 'Patient/ada/_history/1/$meta')).tag.length, 1, 'the version before has what it had');
    refuses(t, await fhir('POST', 'Patient/ada/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }]), { 'if-match': 'W/"1"' }), 412, 'If-Match');
  });

  await t.test('$meta-delete takes away what is there', async (t) => {
    const less = await fhir('POST', 'Patient/ada/$meta-delete', parameters(['meta', { valueMeta: { tag: [{ system: 'urn:example', code: 'c' }, { system: 'urn:nowhere', code: 'x' }], profile: ['http://example.org/p'] } }]));
    t.equal(less.status, 200, less.text);
    t.strictSame(meta(less).tag, [tag]);
    t.notOk(meta(less).profile);
    t.strictSame(ids((await fhir('GET', 'Patient?_tag=urn:example|c')).body), []);
    t.strictSame((await fhir('GET', 'Patient/ada')).body.meta, meta(less), 'the resource says the same');
    refuses(t, await fhir('POST', 'Patient/ada/$meta-delete', parameters(['meta', { valueString: 'x' }])), 400, 'no meta', 'Parameters.parameter');
    refuses(t, await fhir('POST', 'Patient/nobody/$meta-delete', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, 'nobody');
  });

  await t.test('the labels of a type and of the service are those of what the caller sees', async (t) => {
    t.strictSame(codes(meta(await fhir('GET', 'Patient/$meta')).tag), ['urn:example|a', 'urn:example|b', 'urn:other|a']);
    t.strictSame(meta(await fhir('GET', 'Patient/$meta')).profile, ['http://example.org/p']);
    t.strictSame(codes(meta(await fhir('GET', '$meta')).security), ['http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R']);
    const ada = service.as({ patient: 'ada' });
    t.strictSame(codes(meta(await ada('GET', 'Patient/$meta')).tag), ['urn:example|a'], 'not those of another patient');
    t.notOk(meta(await ada('GET', '$meta')).security, 'not those of a restricted resource');
    const none = await ada('GET', 'Task/$meta');
    t.strictSame([none.status, validate(none.body)], [200, []], 'none at all is a valid answer');
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('GET', 'Patient/$meta'), 403, 'without the scope');
  });

  await t.test('a restriction is lifted by those who treat, not by the patient', async (t) => {
    const ada = service.as({ patient: 'ada' });
    refuses(t, await ada('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { security: [label('R')] } }])), 403, 'a security label');
    refuses(t, await ada('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, 'what is restricted is not there');
    refuses(t, await ada('POST', 'Patient/bob/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }])), 404, "another's");
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('POST', 'Goal/sleep/$meta-add', parameters(['meta', { valueMeta: { tag: [tag] } }])), 403, 'without the scope');
    const lifted = await fhir('POST', 'Goal/sleep/$meta-delete', parameters(['meta', { valueMeta: { security: [label('R')] } }]));
    t.notOk(meta(lifted).security, lifted.text);
    t.equal((await ada('GET', 'Goal/sleep')).status, 200, 'now she sees it');
  });

  await t.test('labels of a computed Observation are the service\'s: they follow those of the answers', async (t) => {
    const { body: { id } } = await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(12), '2026-02-01T09:00:00Z'));
    const ada = service.as({ patient: 'ada' });
    const seen = async (): Promise<number> => (await ada('GET', 'Observation?code=http://loinc.org|44261-6')).body.total;
    t.equal(await seen(), 1);
    await fhir('POST', `QuestionnaireResponse/${id}/$meta-add`, parameters(['meta', { valueMeta: { security: [label('R')] } }]));
    t.equal(await seen(), 0, 'a restriction of the answers is one of the score');
    await fhir('POST', `QuestionnaireResponse/${id}/$meta-delete`, parameters(['meta', { valueMeta: { security: [label('R')] } }]));
    t.equal(await seen(), 1, 'and is lifted with it');
    const [score] = resources((await fhir('GET', 'Observation?patient=ada&code=http://loinc.org|44261-6')).body);
    refuses(t, await fhir('POST', `Observation/${score.id}/$meta-add`, parameters(['meta', { valueMeta: { tag: [tag] } }])), 403, 'computed');
  });
});

/** The components of a statistics Observation by statistic; those of the regression by their part. */
const computed = (observation: any): Record<string, any> =>
  Object.fromEntries(observation.component.map(({ code, valueQuantity }: any) => [code.text ?? code.coding[0].code, valueQuantity?.value]));

t.test('Observation/$stats', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const loinc = (code: string): object => ({ coding: [{ system: 'http://loinc.org', code, display: `name of ${code}` }] });
  const kg = (value: number, more: object = {}): object => ({ valueQuantity: { value, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg', ...more } });
  const observation = (id: string, patient: string, code: string, day: string, more: object): object =>
    ofRecord('Observation', id, patient, { status: 'final', code: loinc(code), effectiveDateTime: day, ...more });
  for (const id of ['ada', 'bob']) await put(t, fhir, { resourceType: 'Patient', id });
  // The values of the unit test, one a day: 2 4 4 4 5 5 7 9.
  for (const [at, value] of [2, 4, 4, 4, 5, 5, 7, 9].entries()) await put(t, fhir, observation(`w${at}`, 'ada', '29463-7', `2026-03-0${at + 1}`, kg(value)));
  await put(t, fhir, observation('wrong', 'ada', '29463-7', '2026-03-09', { ...kg(900), status: 'entered-in-error' }));
  await put(t, fhir, observation('open', 'ada', '29463-7', '2026-03-09', { dataAbsentReason: { text: 'scales broken' } }));
  await put(t, fhir, observation('above', 'ada', '29463-7', '2026-03-09', kg(150, { comparator: '>' })));
  await put(t, fhir, observation('bobs', 'bob', '29463-7', '2026-03-05', kg(100)));
  const of = (reply: Reply, name: string): any[] => (reply.body.parameter ?? []).filter((each: any) => each.name === name).map(({ resource }: any) => resource);
  const every = ['average', 'maximum', 'minimum', 'count', 'total-count', 'median', 'std-dev', 'sum', 'variance', '20-percent', '80-percent', '4-lower', '4-upper', '4-dev', '5-1', '5-2', '5-3', '5-4', 'skew', 'kurtosis', 'regression'];
  const asked = (subject: string, ...more: [string, object][]): object => parameters(['subject', { valueUri: subject }], ...more);
  const weight: [string, object] = ['coding', { valueCoding: { system: 'http://loinc.org', code: '29463-7' } }];

  await t.test('every statistic, of the values that count', async (t) => {
    const reply = await fhir('POST', 'Observation/$stats', asked('Patient/ada', weight, ...every.map((code): [string, object] => ['statistic', { valueCode: code }])));
    t.equal(reply.status, 200, reply.text);
    t.strictSame(validate(reply.body), [], 'valid FHIR');
    const [found, another] = of(reply, 'statistics');
    t.equal(another, undefined, 'one Observation for one code');
    t.match(found, { status: 'final', subject: { reference: 'Patient/ada' }, code: { coding: [{ system: 'http://loinc.org', code: '29463-7', display: 'name of 29463-7' }] } });
    const { gradient, intercept, ...rest } = computed(found);
    t.strictSame(rest, {
      'average': 5, 'maximum': 9, 'minimum': 2, 'count': 8, 'total-count': 10, 'median': 4.5, 'std-dev': 2.1380899353, 'sum': 40, 'variance': 4.57142857143,
      '20-percent': 4, '80-percent': 6.2, '4-lower': 4, '4-upper': 5.5, '4-dev': 0.75, '5-1': 4, '5-2': 4, '5-3': 5, '5-4': 6.2, 'skew': 0.818487553357, 'kurtosis': 0.940625,
    });
    // Sum of (x - 3.5)(y - 5) = 10.5 + 2.5 + 1.5 + 0.5 + 0 + 0 + 5 + 14 = 34; of (x - 3.5)^2 = 42.
    t.strictSame([gradient, intercept], [0.809523809524, 2.16666666667]);
    const unit = (code: string): any => found.component.find((each: any) => (each.code.text ?? each.code.coding[0].code) === code).valueQuantity;
    t.match([unit('average'), unit('variance'), unit('gradient'), unit('count'), unit('skew')], [{ code: 'kg' }, { code: 'kg.kg' }, { code: 'kg/d' }, { code: '1' }, { code: '1' }]);
    t.ok((await logged(service, 'ada')).includes('$stats'), 'is in the access log');
  });

  await t.test('GET; period and duration; what the values do not define', async (t) => {
    const get = await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=29463-7&system=http://loinc.org&statistic=max&statistic=min,count');
    t.strictSame(computed(of(get, 'statistics')[0]), { maximum: 9, minimum: 2, count: 8 });
    const period = await fhir('POST', 'Observation/$stats', asked(`${service.url}/Patient/ada`, weight, ['period', { valuePeriod: { start: '2026-03-07', end: '2026-03-08' } }], ['statistic', { valueCode: 'sum' }], ['statistic', { valueCode: 'kurtosis' }]));
    t.strictSame(computed(of(period, 'statistics')[0]), { sum: 16, kurtosis: undefined });
    t.match(of(period, 'statistics')[0], { effectivePeriod: { start: '2026-03-07', end: '2026-03-08' }, component: [{}, { dataAbsentReason: { coding: [{ code: 'not-applicable' }] } }] });
    await put(t, fhir, observation('now', 'ada', '29463-7', new Date(Date.now() - 60_000).toISOString(), kg(11)));
    const hour = await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=29463-7&statistic=average&statistic=count&duration=1');
    t.strictSame(computed(of(hour, 'statistics')[0]), { average: 11, count: 1 });
    await fhir('DELETE', 'Observation/now');
    const none = await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=nothing&statistic=average&statistic=count');
    t.strictSame(computed(of(none, 'statistics')[0]), { average: undefined, count: 0 });
    t.strictSame(validate(none.body), []);
  });

  await t.test('include and limit bring the Observations, newest first', async (t) => {
    const query = 'Observation/$stats?subject=Patient/ada&code=29463-7&statistic=count';
    t.strictSame(of(await fhir('GET', `${query}&limit=2`), 'source'), [], 'limit alone does nothing');
    t.equal(of(await fhir('GET', `${query}&include=true`), 'source').length, 10);
    t.strictSame(of(await fhir('GET', `${query}&include=true&limit=9`), 'source').slice(2, 4).map(({ id }) => id), ['w7', 'w6']);
    t.equal(of(await fhir('GET', `${query}&include=true&limit=3`), 'source').length, 3);
  });

  await t.test('a panel gives statistics of its components and members, each under its own code', async (t) => {
    const pressure = (value: number): object => ({ valueQuantity: { value, unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' } });
    for (const [at, [high, low]] of ([[120, 80], [130, 84]] as const).entries()) {
      await put(t, fhir, observation(`bp${at}`, 'ada', '85354-9', `2026-04-0${at + 1}`, { component: [{ code: loinc('8480-6'), ...pressure(high) }, { code: loinc('8462-4'), ...pressure(low) }] }));
    }
    await put(t, fhir, observation('pulse', 'ada', '8867-4', '2026-04-03', { valueInteger: 70 }));
    await put(t, fhir, observation('vital', 'ada', '85354-9', '2026-04-03', { hasMember: [{ reference: 'Observation/pulse' }, { reference: 'Observation/bobs' }] }));
    const panel = of(await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=85354-9&statistic=average,count'), 'statistics');
    t.strictSame(panel.map((each) => [each.code.coding[0].code, computed(each)]), [['8867-4', { average: 70, count: 1 }], ['8480-6', { average: 125, count: 2 }], ['8462-4', { average: 82, count: 2 }]], "no member of another's record");
    const component = of(await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=8480-6&system=http://loinc.org&statistic=maximum'), 'statistics');
    t.strictSame(component.map(computed), [{ maximum: 130 }]);
    const both = of(await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=85354-9&code=8480-6&statistic=count'), 'statistics');
    t.strictSame(both.map(computed), [{ count: 2 }, { count: 1 }, { count: 2 }], 'nothing counts twice');
  });

  await t.test('scores of this service: numbers without dimension agree, other units do not', async (t) => {
    for (const [week, total] of [18, 12, 9].entries()) await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(total), `2026-05-0${week * 3 + 1}T09:00:00Z`));
    await put(t, fhir, observation('paper', 'ada', '44261-6', '2026-04-20', { valueInteger: 21 }));
    const scores = of(await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=44261-6&system=http://loinc.org&statistic=maximum,minimum,count,regression'), 'statistics');
    t.match(scores.map(computed), [{ maximum: 21, minimum: 9, count: 4 }]);
    await put(t, fhir, observation('pounds', 'ada', '29463-7', '2026-03-10', { valueQuantity: { value: 160, unit: 'lb', system: 'http://unitsofmeasure.org', code: '[lb_av]' } }));
    refuses(t, await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=29463-7&statistic=average'), 422, 'kg and lb', 'Observation.value');
  });

  await t.test('what is refused, and who sees what', async (t) => {
    const query = 'code=29463-7&statistic=count';
    refuses(t, await fhir('GET', `Observation/$stats?${query}`), 400, 'no subject', 'http.subject');
    refuses(t, await fhir('GET', `Observation/$stats?subject=Group/x&${query}`), 400, 'no Patient', 'http.subject');
    refuses(t, await fhir('GET', 'Observation/$stats?subject=Patient/ada&statistic=count'), 400, 'no code', 'http.code');
    refuses(t, await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=x'), 400, 'no statistic', 'http.statistic');
    refuses(t, await fhir('GET', 'Observation/$stats?subject=Patient/ada&code=x&statistic=mode'), 400, 'an unknown statistic', 'http.statistic');
    refuses(t, await fhir('GET', `Observation/$stats?subject=Patient/ada&${query}&duration=-1`), 400, 'no duration', 'http.duration');
    refuses(t, await fhir('GET', `Observation/$stats?subject=Patient/ada&${query}&colour=red`), 400, 'an unknown parameter', 'http.colour');
    refuses(t, await fhir('GET', `Observation/$stats?subject=Patient/nobody&${query}`), 404, 'nobody');
    const bob = service.as({ patient: 'bob' });
    refuses(t, await bob('GET', `Observation/$stats?subject=Patient/ada&${query}`), 404, "another's record");
    t.strictSame(of(await bob('GET', `Observation/$stats?subject=Patient/bob&${query}`), 'statistics').map(computed), [{ count: 1 }]);
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('GET', `Observation/$stats?subject=Patient/ada&${query}`), 403, 'without the scope');
    await put(t, fhir, observation('note', 'bob', '29463-7', '2026-03-06', { ...kg(1), meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }));
    t.strictSame(of(await bob('GET', `Observation/$stats?subject=Patient/bob&${query}`), 'statistics').map(computed), [{ count: 1 }], 'what is restricted does not shine through');
  });
});

t.test('Observation/$lastn', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const id of ['ada', 'bob']) await put(t, fhir, { resourceType: 'Patient', id });
  const category = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'survey' }] }];
  const observation = async (id: string, code: object, day: string | undefined, more: object = {}): Promise<void> => {
    await put(t, fhir, ofRecord('Observation', id, 'ada', { status: 'final', category, code, ...(day === undefined ? {} : { effectiveDateTime: day }), valueInteger: 1, ...more }));
  };
  const coded = (...codes: string[]): object => ({ coding: codes.map((code) => ({ system: 'urn:example', code })) });
  await observation('a1', coded('a'), '2026-01-01T10:00:00Z');
  await observation('a2', coded('a'), '2026-01-02T10:00:00Z');
  await observation('a3', coded('a'), '2026-01-03T10:00:00Z', { status: 'entered-in-error' });
  await observation('b1', coded('b'), '2026-01-01T11:00:00Z');
  await observation('b2', coded('b'), '2026-01-04T00:00:00+02:00');
  await observation('b3', coded('b'), '2026-01-03T22:00:00Z');
  await observation('t1', { text: 'textM' }, '2026-01-01');
  await observation('t2', { text: 'Text' }, '2026-01-02');
  await observation('t3', { text: 't e x t' }, '2026-01-05');
  await observation('u1', coded('u'), undefined);
  await observation('u2', coded('u'), undefined);
  await observation('other', { coding: [{ system: 'urn:another', code: 'a' }] }, '2026-01-06');
  await put(t, fhir, ofRecord('Observation', 'bobs', 'bob', { status: 'final', category, code: coded('a'), effectiveDateTime: '2026-02-01' }));
  const last = async (query: string, client = fhir): Promise<string[]> => ids((await client('GET', `Observation/$lastn?${query}`)).body);

  await t.test('one of each code, newest first; those of equal time come together', async (t) => {
    const reply = await fhir('GET', 'Observation/$lastn?patient=Patient/ada&category=survey');
    t.strictSame(validate(reply.body), []);
    t.strictSame(ids(reply.body).slice(0, 2), ['other', 't3']);
    t.strictSame(ids(reply.body).slice(2, 4).sort(), ['b2', 'b3'], 'equal times, in whatever zone they are written');
    t.strictSame(ids(reply.body).slice(4), ['a3', 't2', 't1', 'u2'], 'another system is another code, texts are groups of their own, what has no time is last');
    t.match(reply.body, { type: 'searchset', total: 8, link: [{ relation: 'self', url: /Observation\/\$lastn\?patient=.*max=1$/ }], entry: [{ search: { mode: 'match' }, fullUrl: `${service.url}/Observation/other` }] });
    t.ok((await logged(service, 'ada')).includes('$lastn'), 'is in the access log');
  });

  await t.test('max, filters and POST', async (t) => {
    t.strictSame(await last('patient=ada&code=urn:example|a,urn:example|u&max=2'), ['a3', 'a2', 'u2', 'u1']);
    t.strictSame(await last('subject=Patient/ada&code=urn:example|a&status:not=entered-in-error'), ['a2']);
    t.strictSame(await last('patient=ada&category=survey&date=lt2026-01-02'), ['b1', 'a1', 't1']);
    t.strictSame((await last('patient=ada&code=urn:example|b&max=1')).length, 2);
    t.strictSame((await last('patient=ada&code=urn:example|b&max=3')).length, 3);
    const post = await fhir('POST', 'Observation/$lastn', parameters(['patient', { valueString: 'ada' }], ['code', { valueString: 'urn:example|a' }], ['max', { valuePositiveInt: 2 }]));
    t.strictSame(ids(post.body), ['a3', 'a2']);
    const few = await fhir('GET', 'Observation/$lastn?patient=ada&code=urn:example|a&_elements=status');
    t.match(resources(few.body), [{ id: 'a3', status: 'entered-in-error', meta: { tag: [{ code: 'SUBSETTED' }] } }]);
    t.notOk(resources(few.body)[0].effectiveDateTime);
    t.match((await fhir('GET', 'Observation/$lastn?patient=ada&code=urn:example|nothing')).body, { resourceType: 'Bundle', total: 0 }, 'nothing is an empty set');
  });

  await t.test('codes that a translation joins are one group, also by way of a third', async (t) => {
    await observation('ab', coded('b', 'a'), '2025-12-01');
    t.strictSame(await last('patient=ada&code=urn:example|a'), ['a3'], 'the oldest joins a and b');
    t.strictSame((await last('patient=ada&code=urn:example|a,urn:example|b')).sort(), ['b2', 'b3']);
  });

  await t.test('each patient has groups of their own; who sees what', async (t) => {
    t.strictSame(await last('patient=ada,bob&code=urn:example|a'), ['bobs', 'a3']);
    const bob = service.as({ patient: 'bob' });
    t.strictSame(await last('category=survey', bob), ['bobs'], 'the one patient need not be named');
    t.strictSame(await last('patient=ada&category=survey', bob), []);
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('GET', 'Observation/$lastn?patient=ada&category=survey'), 403, 'without the scope');
    refuses(t, await fhir('GET', 'Observation/$lastn?category=survey'), 400, 'no patient', 'http.patient');
    refuses(t, await fhir('GET', 'Observation/$lastn?patient=ada'), 400, 'no category and no code', 'http.category');
    t.equal((await fhir('GET', 'Observation/$lastn?patient=ada', undefined, { prefer: 'handling=lenient' })).body.total, 7, 'unless the client is lenient');
    refuses(t, await fhir('GET', 'Observation/$lastn?patient=ada&category=survey&max=0'), 400, 'max', 'http.max');
    refuses(t, await fhir('GET', 'Observation/$lastn?patient=ada&category=survey&_sort=date'), 400, 'another order', 'http._sort');
    refuses(t, await fhir('GET', 'Observation/$lastn?patient=ada&category=survey&colour=red'), 400, 'an unknown parameter', 'http.colour');
  });
});

t.test('Patient/$everything', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await put(t, fhir, { resourceType: 'Organization', id: 'clinic', name: 'Clinic' });
  for (const id of ['house', 'other']) await put(t, fhir, { resourceType: 'Practitioner', id });
  await put(t, fhir, { resourceType: 'PractitionerRole', id: 'role', practitioner: { reference: 'Practitioner/house' }, organization: { reference: 'Organization/clinic' } });
  for (const id of ['ada', 'bob']) await put(t, fhir, { resourceType: 'Patient', id, birthDate: '1980-01-01' });
  await put(t, fhir, { resourceType: 'CareTeam', id: 'team', status: 'active', subject: { reference: 'Patient/ada' }, participant: [{ member: { reference: 'PractitionerRole/role' } }] });
  await put(t, fhir, ofRecord('Goal', 'early', 'ada', { lifecycleStatus: 'active', description: { text: 'x' }, startDate: '2025-01-10' }));
  await put(t, fhir, ofRecord('Goal', 'late', 'ada', { lifecycleStatus: 'active', description: { text: 'x' }, startDate: '2026-03-10' }));
  await put(t, fhir, { resourceType: 'Observation', id: 'shared', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/bob' }, performer: [{ reference: 'Patient/ada' }, { reference: 'Practitioner/other' }] });
  await put(t, fhir, ofRecord('Observation', 'joint', 'ada', { status: 'final', code: { text: 'x' }, effectiveDateTime: '2026-02-01', focus: [{ reference: 'Patient/bob' }], derivedFrom: [{ reference: 'Observation/shared' }] }));
  await put(t, fhir, ofRecord('Observation', 'note', 'ada', { status: 'final', code: { text: 'x' }, effectiveDateTime: '2026-02-02', meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }));
  await fhir('POST', 'QuestionnaireResponse', phq9('ada', spread(12), '2026-02-01T09:00:00Z'));
  const names = (list: any[]): string[] => list.map(({ resourceType, id }) => `${resourceType}/${id}`);
  const all = async (path: string, client = fhir): Promise<any[]> => {
    const found: any[] = [];
    for (let url: string | undefined = path; url !== undefined;) {
      const { body, status, text } = await client('GET', url);
      if (status !== 200) throw new Error(text);
      found.push(...resources(body));
      url = body.link.find(({ relation }: any) => relation === 'next')?.url;
    }
    return found;
  };

  await t.test('the record and what it refers to, and nobody else\'s', async (t) => {
    const reply = await fhir('GET', 'Patient/ada/$everything');
    t.strictSame(validate(reply.body), [], 'valid FHIR');
    const found = names(resources(reply.body));
    t.equal(found[0], 'Patient/ada', 'the Patient comes first');
    t.strictSame(['CareTeam/team', 'Goal/early', 'Goal/late', 'Observation/joint', 'Observation/note', 'PractitionerRole/role', 'Practitioner/house', 'Organization/clinic', 'Questionnaire/phq-9'].filter((name) => !found.includes(name)), [], 'the record, the role in it, and by way of the role who it is');
    t.strictSame(found.filter((name) => /bob|shared|Practitioner\/other/.test(name)), [], 'nothing of a record that this one mentions');
    t.ok(['QuestionnaireResponse', 'Observation', 'Provenance'].every((type) => found.some((name) => name.startsWith(`${type}/`))), 'with what was computed, and where it comes from');
    t.equal(new Set(found).size, found.length, 'each once');
    t.equal(reply.body.total, found.length);
    t.strictSame(reply.body.entry.filter(({ search }: any) => search.mode === 'include').map(({ resource }: any) => resource.resourceType).sort(), ['Organization', 'Practitioner', 'PractitionerRole', 'Questionnaire']);
    t.ok((await logged(service, 'ada')).includes('$everything'), 'is in the access log');
  });

  await t.test('pages neither repeat nor skip, and belong to the one who got them', async (t) => {
    const whole = names(await all('Patient/ada/$everything'));
    for (const count of [1, 3, 7]) t.strictSame(names(await all(`Patient/ada/$everything?_count=${count}`)), whole, `pages of ${count}`);
    const { body: { link } } = await fhir('GET', 'Patient/ada/$everything?_count=2');
    const next = link.find(({ relation }: any) => relation === 'next').url;
    refuses(t, await service.as({ patient: 'ada' })('GET', next), 400, "another's page", 'http._page');
    refuses(t, await fhir('GET', next.replace('_count=2', '_count=3')), 400, 'the page of another query', 'http._page');
    refuses(t, await fhir('GET', 'Patient/ada/$everything?_count=0'), 400, '_count', 'http._count');
  });

  await t.test('_type, start, end, _since', async (t) => {
    t.strictSame(names(await all('Patient/ada/$everything?_type=Goal,Organization')), ['Goal/early', 'Goal/late', 'Organization/clinic']);
    t.strictSame(names(await all('Patient/ada/$everything?_type=Goal&_type=Patient')), ['Patient/ada', 'Goal/early', 'Goal/late']);
    t.strictSame(names(await all('Patient/ada/$everything?_type=Goal,Patient,CareTeam&start=2026-01-01')), ['Patient/ada', 'CareTeam/team', 'Goal/late'], 'what has no date of care stays');
    t.strictSame(names(await all('Patient/ada/$everything?_type=Goal&start=2025-01-10&end=2025')), ['Goal/early'], 'whole days, whole years');
    const { body: { meta: { lastUpdated } } } = await fhir('GET', 'Patient/ada/$everything?_count=1');
    t.strictSame(names(await all(`Patient/ada/$everything?_since=${lastUpdated}`)), [], 'nothing since');
    await put(t, fhir, ofRecord('Goal', 'late', 'ada', { lifecycleStatus: 'active', description: { text: 'y' }, startDate: '2026-03-10' }));
    t.strictSame(names(await all(`Patient/ada/$everything?_since=${lastUpdated}`)), ['Goal/late'], 'what changed since');
    const post = await fhir('POST', 'Patient/ada/$everything', parameters(['_type', { valueCode: 'Goal' }], ['_count', { valueInteger: 1 }]));
    t.strictSame(ids(post.body), ['early']);
    t.strictSame(ids((await fhir('GET', post.body.link[1].url)).body), ['late'], 'the next page of a POST is a GET');
    refuses(t, await fhir('GET', 'Patient/ada/$everything?_type=Medication'), 400, 'a type that is not served', 'http._type');
    refuses(t, await fhir('GET', 'Patient/ada/$everything?start=spring'), 400, 'no date', 'http.start');
    refuses(t, await fhir('GET', 'Patient/ada/$everything?colour=red'), 400, 'an unknown parameter', 'http.colour');
  });

  await t.test('who sees what', async (t) => {
    const ada = service.as({ patient: 'ada' });
    const own = names(await all('Patient/$everything', ada));
    t.strictSame(own, names(await all('Patient/ada/$everything', ada)), 'the type is the one patient');
    t.strictSame(names(await all('Patient/ada/$everything')).filter((name) => !own.includes(name)), ['Observation/note'], 'all but what is restricted');
    refuses(t, await ada('GET', 'Patient/bob/$everything'), 404, "another's record");
    refuses(t, await fhir('GET', 'Patient/nobody/$everything'), 404, 'nobody');
    refuses(t, await fhir('GET', 'Patient/$everything'), 400, 'several patients');
    t.strictSame(names(await all('Patient/ada/$everything', service.as({ scopes: 'system/Patient.r system/Goal.rs' }))), ['Patient/ada', 'Goal/early', 'Goal/late'], 'only types that the scopes name');
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('GET', 'Patient/ada/$everything'), 403, 'without the scope');
    const stranger = service.as({ user: 'Practitioner/other' });
    refuses(t, await stranger('GET', 'Patient/ada/$everything'), 404, 'who does not treat');
  });
});

t.test('$validate', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const base = 'http://hl7.org/fhir/StructureDefinition';
  await put(t, fhir, { resourceType: 'Patient', id: 'ada' });
  await put(t, fhir, { resourceType: 'Patient', id: 'bob' });
  const homework = (status: string, more: object = {}): object => ({
    resourceType: 'Task', id: 'walk', status, intent: 'order', for: { reference: 'Patient/ada' },
    code: { coding: [{ system: 'https://intersession.example/fhir/CodeSystem/homework-type', code: 'behavioural-experiment' }] }, ...more,
  });
  await put(t, fhir, homework('completed'));
  const stored = async (): Promise<unknown[]> => (await service.database.query<{ n: string }>('select count(*)::text as n from resource', []));
  const issues = (reply: Reply): [string, string, string | undefined][] => (reply.body.issue ?? []).map(({ severity, code, expression }: any) => [severity, code, expression?.[0]]);
  const goal = (more: object = {}): object => ({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'Sleep' }, subject: { reference: 'Patient/ada' }, ...more });
  const fine = [['information', 'informational', undefined]];
  const check = async (path: string, body?: unknown, client = fhir): Promise<Reply> => {
    const reply = await client(body === undefined ? 'GET' : 'POST', path, body);
    t.equal(reply.status, 200, `${path}: ${reply.text.slice(0, 200)}`);
    t.strictSame(validate(reply.body), [], 'a valid OperationOutcome');
    return reply;
  };

  await t.test('a resource as the body, or in Parameters', async (t) => {
    t.strictSame(issues(await check('Goal/$validate', goal())), fine);
    t.strictSame(issues(await check('Goal/$validate', parameters(['resource', { resource: goal() }], ['mode', { valueCode: 'create' }]))), fine);
    t.strictSame(issues(await check('Goal/$validate', goal({ lifecycleStatus: 'banana', nickname: 'x' }))).map(([severity, , where]) => `${severity} ${where}`).sort(), ['error Goal.lifecycleStatus', 'error Goal.nickname'], 'every element that is wrong is named');
    t.strictSame(issues(await check('Goal/$validate', parameters(['resource', { resource: goal({ lifecycleStatus: 'banana' }) }]))), [['error', 'code-invalid', 'Goal.lifecycleStatus']], 'also in Parameters');
    t.strictSame(issues(await check('Goal/$validate', { resourceType: 'Patient' })).map(([severity]) => severity), ['error'], 'another type');
    refuses(t, await fhir('POST', 'Goal/$validate', '{"resourceType":'), 400, 'what is no JSON cannot be checked');
    refuses(t, await fhir('POST', 'Goal/$validate', parameters(['mode', { valueCode: 'create' }])), 400, 'no resource');
    refuses(t, await fhir('GET', 'Goal/$validate'), 400, 'nothing to check');
    refuses(t, await fhir('POST', 'Goal/$validate?mode=destroy', goal()), 400, 'an unknown mode', 'http.mode');
    refuses(t, await fhir('POST', 'Goal/$validate?mode=update', goal()), 400, 'update of no resource', 'http.mode');
    refuses(t, await fhir('POST', 'Goal/$validate?colour=red', goal()), 400, 'an unknown parameter', 'http.colour');
  });

  await put(t, fhir, { resourceType: 'Patient', id: 'cleo' });
  await fhir('POST', 'QuestionnaireResponse', phq9('cleo', spread(12), '2026-02-01T09:00:00Z'));
  const before = await stored();

  await t.test('the rules that the store decides: an error with a mode, a warning without', async (t) => {
    const unknown = goal({ subject: { reference: 'Patient/nobody' } });
    t.strictSame(issues(await check('Goal/$validate?mode=create', unknown)), [['error', 'not-found', 'Goal.subject']]);
    t.strictSame(issues(await check('Goal/$validate', unknown)), [['warning', 'not-found', 'Goal.subject']]);
    t.strictSame(issues(await check('Goal/$validate?mode=profile', unknown)), fine, 'of the content alone');
    t.strictSame(issues(await check('Task/walk/$validate?mode=update', homework('requested'))), [['error', 'business-rule', 'Task.status']], 'a step that a Task cannot take');
    t.strictSame(issues(await check('Task/walk/$validate?mode=update', homework('entered-in-error'))), fine);
    t.strictSame(issues(await check('Task/walk/$validate?mode=update', homework('completed', { id: 'run' }))), [['error', 'invalid', 'Task.id']]);
    t.strictSame(issues(await check('Task/walk/$validate?mode=create', homework('completed'))).map(([severity]) => severity), ['error'], 'it is there already');
    t.strictSame(issues(await check('Patient/new/$validate?mode=update', { resourceType: 'Patient', id: 'new' })), fine, 'an update that creates');
    t.strictSame(issues(await check('Goal/new/$validate?mode=update', goal({ id: 'new' }))), fine);
    const late = await fhir('POST', 'Task/walk/$validate?mode=update', homework('completed'), { 'if-match': 'W/"7"' });
    t.strictSame([late.status, issues(late)], [200, [['error', 'conflict', undefined]]], 'a version that is not the current one');
    const [score] = resources((await fhir('GET', 'Observation?patient=cleo&code=http://loinc.org|44261-6')).body);
    t.strictSame(issues(await check(`Observation/${score.id}/$validate?mode=update`, { ...score, status: 'amended' })), [['error', 'forbidden', 'Observation']], 'what the service computes');
  });

  await t.test('answers against the Questionnaire and the instrument', async (t) => {
    t.strictSame(issues(await check('QuestionnaireResponse/$validate?mode=create', phq9('ada', spread(12), '2026-02-01T09:00:00Z'))), fine);
    const wrong: any = phq9('ada', spread(12), '2026-02-01T09:00:00Z');
    wrong.item[1].answer = [{ valueCoding: { system: 'http://loinc.org', code: 'LA0000-0' } }];
    t.strictSame(issues(await check('QuestionnaireResponse/$validate', wrong)).map(([severity, , where]) => [severity, where?.slice(0, 29)]), [['error', 'QuestionnaireResponse.item[1]']]);
  });

  await t.test('deletion, and what is stored', async (t) => {
    t.strictSame(issues(await check('Task/walk/$validate?mode=delete')), fine);
    t.strictSame(issues(await check('Patient/ada/$validate?mode=delete')), [['error', 'conflict', undefined]], 'a Patient with a record');
    t.strictSame(issues(await check('Task/walk/$validate')), fine, 'as it is stored');
    t.strictSame(issues(await check(`Task/walk/$validate?profile=${base}/Task`)), fine);
    refuses(t, await fhir('GET', 'Task/nothing/$validate?mode=delete'), 404, 'nothing');
    t.ok((await logged(service, 'ada')).includes('$validate'), 'is in the access log');
  });

  await t.test('profiles: the base definition of the type; no other is passed over in silence', async (t) => {
    t.strictSame(issues(await check(`Goal/$validate?profile=${base}/Goal|4.0.1`, goal())), fine);
    t.strictSame(issues(await check(`Goal/$validate?profile=${base}/Task`, goal())), [['error', 'invalid', 'http.profile']]);
    const unknown = await check('Goal/$validate', parameters(['resource', { resource: goal() }], ['profile', { valueUri: 'http://example.org/p' }]));
    t.strictSame(issues(unknown), [['error', 'not-supported', 'Parameters.parameter[1]']]);
    t.strictSame(issues(await check('Goal/$validate', goal({ meta: { profile: [`${base}/Goal`, 'http://example.org/p'] } }))), [['information', 'not-supported', 'Goal.meta.profile[1]']], 'what a resource says of itself');
    t.strictSame(issues(await check(`Goal/$validate?profile=${base}/Task`, goal({ lifecycleStatus: 'banana' }))).length, 2, 'the content is checked all the same');
  });

  await t.test('who may ask what; nothing was stored', async (t) => {
    const ada = service.as({ patient: 'ada' });
    t.strictSame(issues(await check('Goal/$validate?mode=create', goal(), ada)), fine);
    t.strictSame(issues(await check('Goal/$validate?mode=create', goal({ subject: { reference: 'Patient/bob' } }), ada)), [['error', 'not-found', 'Goal.subject']], "another's record is not there");
    refuses(t, await ada('GET', 'Patient/bob/$validate'), 404, "another's");
    refuses(t, await ada('GET', 'Task/walk/$validate?mode=delete'), 403, 'what a patient never does');
    refuses(t, await service.as({ scopes: 'system/Goal.rs' })('POST', 'Goal/$validate?mode=create', goal()), 403, 'a create without its scope');
    t.strictSame(issues(await check('Goal/$validate', goal(), service.as({ scopes: 'system/Goal.c' }))), fine, 'who only writes checks what it writes');
    refuses(t, await service.as({ scopes: 'system/Task.rs' })('POST', 'Goal/$validate', goal()), 403, 'no scope of the type');
    refuses(t, await fhir('GET', 'AuditEvent/$validate'), 400, 'what only the service writes');
    t.strictSame(await stored(), before, 'no version more');
  });
});
