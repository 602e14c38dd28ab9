import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

const base = 'https://intersession.example/fhir';
const moods = 'http://example.org/moods';
const codeSystem = {
  resourceType: 'CodeSystem', id: 'moods', url: moods, version: '2', name: 'Moods', status: 'active', content: 'complete',
  concept: [{ code: 'low', display: 'Low mood', definition: 'Less than usual.', designation: [{ language: 'de', value: 'Gedrückt' }], concept: [{ code: 'flat', display: 'Flat' }] }, { code: 'high', display: 'High mood' }],
};
const valueSet = { resourceType: 'ValueSet', id: 'low', url: 'http://example.org/ValueSet/low', version: '1', status: 'active', compose: { include: [{ system: moods, filter: [{ property: 'concept', op: 'is-a', value: 'low' }] }] } };
const url = encodeURIComponent;

const codes = ({ body }: Reply): string => (body.expansion.contains ?? []).map(({ code }: { code: string }) => code).join(' ');
const out = ({ body }: Reply, name: string): unknown => {
  const found = body.parameter?.find((parameter: { name: string }) => parameter.name === name) as Record<string, unknown> | undefined;
  return found === undefined ? undefined : Object.entries(found).find(([key]) => key !== 'name')?.[1];
};
const parts = ({ body }: Reply, name: string): string[] => body.parameter.filter((parameter: { name: string }) => parameter.name === name)
  .map(({ part }: { part: Record<string, unknown>[] }) => part.map((each) => JSON.stringify(Object.entries(each).find(([key]) => key !== 'name')?.[1])).join(' '));

async function put(all: Client): Promise<void> {
  for (const resource of [codeSystem, valueSet]) await all('PUT', `${resource.resourceType}/${resource.id}`, resource);
}

t.test('terminology', async (t) => {
  const service = await testService(t);
  const all = service.as();
  await put(all);

  await t.test('every value set that is shipped can be expanded, and every one is right', async (t) => {
    const shipped = await all('GET', 'ValueSet?_count=200');
    const own = shipped.body.entry.map(({ resource }: { resource: { id: string } }) => resource.id).filter((id: string) => id !== 'low');
    t.ok(own.length > 12);
    for (const id of own) {
      const answer = await all('GET', `ValueSet/${id}/$expand`);
      t.equal(answer.status, 200, id);
      t.same(validate(answer.body), [], id);
      t.ok(answer.body.expansion.total > 0, id);
    }
    t.equal(codes(await all('GET', `ValueSet/$expand?url=${url(`${base}/ValueSet/answers-ll358-3`)}`)), 'LA6568-5 LA6569-3 LA6570-1 LA6571-9');
    t.match(codes(await all('GET', `ValueSet/$expand?url=${url(`${base}/ValueSet/homework-type`)}`)), /journaling/);
    t.match(codes(await all('GET', 'ValueSet/score/$expand')), /44261-6 70274-6|44261-6.*phq-9/);
  });

  await t.test('$expand by url, instance, body and inline; filter, paging, designations, notes', async (t) => {
    const canonical = url(valueSet.url);
    t.equal(codes(await all('GET', `ValueSet/$expand?url=${canonical}`)), 'low flat');
    t.equal(codes(await all('GET', `ValueSet/$expand?url=${canonical}&valueSetVersion=1`)), 'low flat');
    t.equal((await all('GET', `ValueSet/$expand?url=${canonical}&valueSetVersion=9`)).status, 404);
    t.equal(codes(await all('GET', 'ValueSet/low/$expand')), 'low flat');
    const inline = { ...valueSet, compose: { include: [{ system: moods }] } };
    t.equal(codes(await all('POST', 'ValueSet/$expand', inline)), 'low flat high');
    const full = await all('POST', 'ValueSet/$expand', { resourceType: 'Parameters', parameter: [{ name: 'valueSet', resource: inline }, { name: 'filter', valueString: 'mood' }, { name: 'count', valueInteger: 1 }, { name: 'offset', valueInteger: 1 }, { name: 'includeDesignations', valueBoolean: true }, { name: 'displayLanguage', valueCode: 'de' }] });
    t.same(validate(full.body), []);
    t.match(full.body.expansion, { total: 2, offset: 1, contains: [{ system: moods, version: '2', code: 'high', display: 'High mood' }] });
    t.match(JSON.stringify(full.body.expansion.parameter), /displayLanguage was not applied/);
    t.match(full.body.expansion.parameter, [{ name: 'filter', valueString: 'mood' }]);
    t.notOk(full.body.compose);
    const withMore = await all('GET', 'ValueSet/low/$expand?includeDesignations=true&includeDefinition=true');
    t.match(withMore.body, { compose: {}, expansion: { contains: [{ designation: [{ language: 'de', value: 'Gedrückt' }] }] } });
    t.equal(codes(await all('GET', `ValueSet/$expand?url=${url('http://hl7.org/fhir/ValueSet/observation-status')}&filter=fin`)), 'final');
    for (const [path, status] of [
      ['ValueSet/$expand', 400], ['ValueSet/$expand?url=http://nowhere', 404], ['ValueSet/none/$expand', 404], ['ValueSet/low/$expand?count=-1', 400], ['ValueSet/low/$expand?context=x', 400],
      ['ValueSet/low/$expand?url=http://x', 400], ['ValueSet/low/$expand?activeOnly=perhaps', 400], ['CodeSystem/$expand', 400],
    ] as const) t.equal((await all('GET', path)).status, status, path);
    const loinc = await all('POST', 'ValueSet/$expand', { resourceType: 'ValueSet', status: 'active', compose: { include: [{ system: 'http://loinc.org' }] } });
    t.match(loinc, { status: 422, body: { resourceType: 'OperationOutcome', issue: [{ code: 'not-found', expression: ['ValueSet.compose.include[0].system'] }] } });
    t.equal((await all('POST', 'ValueSet/$expand', { resourceType: 'ValueSet', compose: {} })).status, 400, 'an invalid one');
  });

  await t.test('$validate-code on value sets and code systems', async (t) => {
    const on = (query: string): Promise<Reply> => all('GET', `ValueSet/$validate-code?url=${url(valueSet.url)}&${query}`);
    t.equal(out(await on(`code=flat&system=${url(moods)}`), 'result'), true);
    t.equal(out(await on(`code=flat&system=${url(moods)}`), 'display'), 'Flat');
    t.equal(out(await on(`code=high&system=${url(moods)}`), 'result'), false);
    t.equal(out(await on(`code=flat&system=${url(moods)}&display=Wrong`), 'result'), false);
    t.equal((await on('code=flat')).status, 400, 'a code without its system');
    t.equal((await on('')).status, 400);
    const posted = await all('POST', 'ValueSet/low/$validate-code', { resourceType: 'Parameters', parameter: [{ name: 'codeableConcept', valueCodeableConcept: { coding: [{ system: 'http://x', code: 'y' }, { system: moods, code: 'low' }] } }] });
    t.equal(out(posted, 'result'), true);
    t.same(validate(posted.body), []);
    t.equal(out(await all('GET', `CodeSystem/$validate-code?url=${url(moods)}&code=high`), 'result'), true);
    t.equal(out(await all('GET', `CodeSystem/$validate-code?url=${url(moods)}&code=nothing`), 'result'), false);
    t.equal(out(await all('GET', 'CodeSystem/moods/$validate-code?code=high&display=High mood'), 'result'), true);
    t.equal(out(await all('POST', 'CodeSystem/$validate-code', { resourceType: 'Parameters', parameter: [{ name: 'coding', valueCoding: { system: moods, code: 'high' } }] }), 'result'), true);
    t.equal((await all('GET', 'CodeSystem/$validate-code?url=http://loinc.org&code=44261-6')).status, 404, 'what is not held is not told');
    t.equal((await all('GET', 'CodeSystem/$validate-code?code=high')).status, 400);
    const endless = Array.from({ length: 51 }, (_, at) => ({ system: moods, code: `x${at}` }));
    t.equal((await all('POST', 'ValueSet/low/$validate-code', { resourceType: 'Parameters', parameter: [{ name: 'codeableConcept', valueCodeableConcept: { coding: endless } }] })).status, 400);
  });

  await t.test('$lookup and $subsumes', async (t) => {
    const found = await all('GET', `CodeSystem/$lookup?system=${url(moods)}&code=low`);
    t.same([out(found, 'name'), out(found, 'version'), out(found, 'display')], ['Moods', '2', 'Low mood']);
    t.same(parts(found, 'designation'), ['"de" "Gedrückt"']);
    t.same(parts(found, 'property'), ['"definition" "Less than usual."', '"inactive" false', '"child" "flat" "Flat"']);
    t.same(validate(found.body), []);
    t.same(parts(await all('GET', `CodeSystem/$lookup?system=${url(moods)}&code=flat&property=parent`), 'property'), ['"parent" "low" "Low mood"']);
    t.equal(out(await all('POST', 'CodeSystem/$lookup', { resourceType: 'Parameters', parameter: [{ name: 'coding', valueCoding: { system: `${base}/CodeSystem/change-class`, code: 'improved' } }] }), 'display'), 'Reliably better');
    for (const [query, status] of [['code=none&system=' + url(moods), 404], ['code=44261-6&system=http://loinc.org', 404], ['code=low', 400], ['', 400]] as const) t.equal((await all('GET', `CodeSystem/$lookup?${query}`)).status, status, query);
    t.equal(out(await all('GET', `CodeSystem/$subsumes?system=${url(moods)}&codeA=low&codeB=flat`), 'outcome'), 'subsumes');
    t.equal(out(await all('GET', 'CodeSystem/moods/$subsumes?codeA=flat&codeB=low'), 'outcome'), 'subsumed-by');
    t.equal((await all('GET', 'CodeSystem/moods/$subsumes?codeA=flat&codeB=none')).status, 404);
    t.equal((await all('GET', 'CodeSystem/$subsumes?codeA=flat&codeB=low')).status, 400);
  });

  await t.test('$translate by the shipped map, without naming it, in reverse', async (t) => {
    const local = `${base}/CodeSystem/instrument`;
    const named = await all('GET', `ConceptMap/$translate?url=${url(`${base}/ConceptMap/score-to-loinc`)}&system=${url(local)}&code=phq-9`);
    t.equal(out(named, 'result'), true);
    t.same(validate(named.body), []);
    t.match(parts(named, 'match'), [/^"equivalent" \{"system":"http:\/\/loinc.org","code":"44261-6"/]);
    t.equal(out(await all('GET', `ConceptMap/$translate?system=${url(local)}&code=gad-7&target=${url(`${base}/ValueSet/score`)}`), 'result'), true);
    t.match(parts(await all('GET', 'ConceptMap/$translate?system=http://loinc.org&code=70274-6&reverse=true'), 'match'), [/gad-7/]);
    t.equal(out(await all('GET', 'ConceptMap/score-to-loinc/$translate?system=http://loinc.org&code=1-8'), 'result'), false);
    t.equal(out(await all('GET', `ConceptMap/$translate?system=${url(local)}&code=phq-9&targetsystem=http://snomed.info/sct`), 'result'), false);
    t.equal((await all('GET', 'ConceptMap/$translate?url=http://nowhere&system=http://x&code=y')).status, 404);
    t.equal((await all('GET', `ConceptMap/$translate?system=${url(local)}`)).status, 400);
  });

  await t.test('modifiers that definitions decide, wherever a search can be asked', async (t) => {
    const status = 'status:in=http://hl7.org/fhir/ValueSet/publication-status';
    t.match(await all('GET', `CodeSystem?${status}&_summary=count`), { status: 200, body: { total: Number } });
    t.match(await all('GET', `?_type=CodeSystem,ValueSet&${status}`), { status: 200 });
    for (const type of ['batch', 'transaction']) {
      const answer = await all('POST', '', { resourceType: 'Bundle', type, entry: [{ request: { method: 'GET', url: `CodeSystem?${status}&_count=3` } }] });
      t.match(answer, { status: 200, body: { entry: [{ response: { status: /^200/ }, resource: { type: 'searchset' } }] } }, type);
    }
    for (const query of ['action:in=http://hl7.org/fhir/ValueSet/audit-event-action', 'type:text=rest', 'agent:text=x', 'type:below=http://x|y']) t.equal((await all('GET', `AuditEvent?${query}`)).status, 400, query);
    const spare = { resourceType: 'CodeSystem', url: 'http://example.org/spare', status: 'draft', content: 'complete' };
    t.equal((await all('PUT', 'CodeSystem/spare', { ...spare, id: 'spare' })).status, 201);
    t.equal((await all('DELETE', 'CodeSystem?url=http://example.org/spare&status:not-in=http://hl7.org/fhir/ValueSet/publication-status')).status, 204);
    t.equal((await all('GET', 'CodeSystem/spare')).status, 200, 'what a condition excludes stays');
    t.equal((await all('POST', 'CodeSystem', spare, { 'if-none-exist': `url=http://example.org/spare&${status}` })).body.id, 'spare');
    t.equal((await all('DELETE', `CodeSystem?url=http://example.org/spare&${status}`)).status, 204);
    t.equal((await all('GET', 'CodeSystem/spare')).status, 410, 'what it selects is deleted');
    t.equal((await all('DELETE', 'Task?status:in=http://nowhere')).status, 400, 'a value set that is not here decides nothing');
    t.match(await all('GET', `CodeSystem?${status}`, undefined, { prefer: 'handling=lenient' }), { status: 200 });
  });

  await t.test('scopes, the statement and the access log', async (t) => {
    const narrow = service.as({ scopes: 'system/Observation.rs' });
    for (const path of ['ValueSet/low/$expand', 'ValueSet/low/$validate-code?code=a&system=b', 'CodeSystem/moods/$validate-code?code=low', `CodeSystem/$lookup?system=${url(moods)}&code=low`, 'ConceptMap/$translate?system=a&code=b']) t.equal((await narrow('GET', path)).status, 403, path);
    t.equal((await service.as({ scopes: 'system/ValueSet.r' })('GET', 'ValueSet/low/$expand')).status, 200);
    t.equal((await service.as({ scopes: 'system/ValueSet.rs' })('GET', 'CodeSystem/moods/$validate-code?code=low')).status, 403);
    const { resource } = (await all('GET', 'metadata')).body.rest[0] as { resource: { type: string; operation?: { name: string; definition: string }[] }[] };
    const offered = ['ValueSet', 'CodeSystem', 'ConceptMap'].map((type) => resource.find((each) => each.type === type)!.operation!.map(({ name }) => name).filter((name) => !/^meta|^validate$/.test(name)).sort().join(' '));
    t.same(offered, ['expand validate-code', 'lookup subsumes validate-code', 'translate']);
    for (const { definition } of resource.find(({ type }) => type === 'ValueSet')!.operation!) t.equal((await all('GET', `OperationDefinition?url=${url(definition)}&_total=accurate`)).body.total, 1, definition);
    const rows = await service.database.query<{ count: number }>(`select count(*)::int as count from audit_event where interaction = '$expand' and outcome = '0' and patient is null`, []);
    t.ok(rows[0]!.count > 10);
  });
});
