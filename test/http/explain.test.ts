import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// Every number opens to its answers, its rule and its version.

interface Part { readonly name: string; readonly part?: readonly Part[]; readonly [value: string]: any }
const of = (parts: readonly Part[], name: string): Part[] => parts.filter((each) => each.name === name);
const text = (parts: readonly Part[], name: string): any => { const { name: _, ...rest } = of(parts, name)[0] ?? { name }; return Object.values(rest)[0]; };

t.test('a total, a change and a class open to the answers, with the arithmetic filled in', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  const first = [3, 3, 2, 2, 2, 2, 2, 1, 1];
  await fhir('PUT', 'QuestionnaireResponse/a', { ...phq9('p', first, '2025-01-01T09:00:00Z'), id: 'a' });
  await fhir('PUT', 'QuestionnaireResponse/b', { ...phq9('p', spread(9), '2025-02-01T09:00:00Z'), id: 'b' });
  const derived = async (query: string): Promise<any[]> => ((await fhir('GET', `Observation?patient=p&${query}`)).body.entry ?? []).map(({ resource }: any) => resource);
  const explained = async (id: string, as = fhir): Promise<Part[]> => {
    const reply = await as('GET', `Observation/${id}/$explain`);
    t.equal(reply.status, 200, reply.text.slice(0, 300));
    return reply.body.parameter;
  };

  const [total] = await derived('derived-from=QuestionnaireResponse/a&code=44261-6');
  const score = await explained(total.id);
  t.equal(text(score, 'value'), 18);
  t.equal(text(score, 'formula-with-numbers'), '3 + 3 + 2 + 2 + 2 + 2 + 2 + 1 + 1 = 18');
  t.match(of(score, 'rule')[0]!.part, [{ name: 'id', valueString: 'phq-9' }, { name: 'version' }]);
  t.equal(text(of(score, 'rule')[0]!.part!, 'formula'), 'sum of the 9 item scores; up to 2 missing: sum × items / answered, rounded half up');
  const [input] = of(score, 'input');
  t.equal(of(input!.part!, 'reference')[0]!['valueReference'].reference, 'QuestionnaireResponse/a');
  const items = of(input!.part!, 'item').map(({ part }) => [text(part!, 'linkId'), text(part!, 'score')]);
  t.same(items.map(([, each]) => each), first);
  t.match(text(of(input!.part!, 'item')[0]!.part!, 'answer'), { system: 'http://loinc.org', code: 'LA6571-9' }, 'the answer as it was given');
  t.match(of(score, 'cut-off').map(({ part }) => text(part!, 'verification')), [String], 'each limit says how sure it is');

  const observations = await derived('derived-from=Observation/' + total.id);
  const change = observations.find(({ code }) => code.coding[0].code === 'change-from-baseline');
  t.equal(text(await explained(change.id), 'formula-with-numbers'), 'current - baseline: 9 - 18 = -9');
  const reliable = observations.find(({ code }) => code.coding[0].code === 'reliable-change');
  const classed = await explained(reliable.id);
  t.match(text(classed, 'formula-with-numbers'), /^improvement = 18 - 9 = 9 \(lower is better, so above 0 is better\); size 9 is 6 or more: reliable, for the better; baseline 18 is 10 or more: clinical side; current 9 is less than 10: functional side; class: Reliably better, and now in the functional range$/);
  t.match(text(of(classed, 'rule')[0]!.part!, 'source'), /Jacobson and Truax/);
  t.ok(text(of(classed, 'rule')[0]!.part!, 'formula').length > 20);
  const answers = of(classed, 'input').map(({ part }) => of(part!, 'input')[0]!.part!).map((part) => of(part, 'reference')[0]!['valueReference'].reference);
  t.same(answers, ['QuestionnaireResponse/b', 'QuestionnaireResponse/a'], 'down to the answers of both');
  t.same(of(classed, 'input').map(({ part }) => [text(part!, 'version'), text(of(part!, 'input')[0]!.part!, 'version')]), [['1', '1'], ['1', '1']], 'with the version of each');

  const client = await explained(reliable.id, service.as({ patient: 'p' }));
  t.same(of(client, 'text'), [], 'a client gets the words for clients');
  for (const name of ['code', 'rule', 'component', 'cut-off', 'value']) t.same(of(client, name), [], `${name} has names for clinicians`);
  const sections = (parts: readonly Part[]): string[][] => of(parts, 'reading').flatMap(({ part }) => part!).map(({ part }) => part!.map((each) => each['valueString']));

  await t.test('the total of a form of the deployment: what the form is called, its version as the rule, one question as one', async (t) => {
    const weighed = (score: number): object => ({ valueCoding: { system: 'urn:sleep', code: String(score) }, extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: score }] });
    await fhir('PUT', 'Questionnaire/sleep', { resourceType: 'Questionnaire', id: 'sleep', url: 'http://example.org/sleep', version: '3', status: 'active', title: 'Sleep log', item: [{ linkId: 'a', type: 'choice', required: true, answerOption: [0, 1, 2].map(weighed) }] });
    await fhir('PUT', 'QuestionnaireResponse/sleep', { resourceType: 'QuestionnaireResponse', id: 'sleep', status: 'completed', questionnaire: 'http://example.org/sleep', subject: { reference: 'Patient/p' }, authored: '2025-01-03T10:00:00Z', item: [{ linkId: 'a', answer: [{ valueCoding: { system: 'urn:sleep', code: '2' } }] }] });
    const own = (await fhir('GET', 'Observation?derived-from=QuestionnaireResponse/sleep')).body.entry[0].resource;
    t.match(own.note[0].text, /^Total of Sleep log: 2 of 2 .* One question, answered\. Rule: .*, version 3 of the form\./);
    const told = await explained(own.id);
    t.match(sections(told).flatMap(([, ...lines]) => lines), [/^Sleep log of 3 January 2025/, 'the answer counts 2', /^A score sums up/, /^Rule: sum of the weights that the form gives its answers, version 3 of the form\. Source: weights of the form \(set by this service/, /^Version 1/]);
    t.match(of(told, 'rule'), [{ part: [{ valueString: 'form-total' }, { valueString: '3' }, {}, { name: 'formula' }, { name: 'source' }, { valueCode: 'service' }, {}] }]);
  });

  t.same(sections(client).map(([title]) => title), ['What it rests on', 'Worth knowing', 'When']);
  t.same(sections(classed).map(([title]) => title), ['What it rests on', 'How it is worked out', 'What decides', 'What it does not say', 'Rule and time']);
  t.same(sections(classed)[0]!.slice(1), ['PHQ-9 total score, 1 January 2025: 18 of 27, 9 of 9 items answered.', 'PHQ-9 total score, 1 February 2025: 9 of 27, 9 of 9 items answered.']);
  t.match(sections(classed)[2], [/^What/, /^A reliable change is 6 points or more\. Source: .*NCT05134103.*\(taken from a secondary source/, /^For comparison only: by another rule it is more than 5\.61 points/, /^On the clinical side: 10 or more/]);
  await fhir('PUT', 'QuestionnaireResponse/b', { ...phq9('p', spread(8), '2025-02-01T09:00:00Z'), id: 'b', status: 'amended' });
  t.match(sections(await explained(change.id)).at(-1)!.join(' '), /Version 2, computed on .* UTC\. It was -9 and is -10\. What led to it: the answers of 1 February 2025 \(changed\)\./, 'what changed since the version before');
  t.match(of(await explained(change.id), 'changed-by'), [{ valueReference: { reference: 'QuestionnaireResponse/b/_history/2' } }]);
  t.match(sections(await explained(change.id, service.as({ patient: 'p' }))).at(-1)!.join(' '), /It was worked out again\. What led to it: the answers of 1 February 2025 \(changed\)\./);
  t.match(sections(await explained(change.id, service.as({ scopes: 'system/Observation.rs system/QuestionnaireResponse.rs' }))).at(-1)!.join(' '), /because what it rests on was corrected\./, 'without access to Provenance what the inputs tell');
  await fhir('PUT', 'EpisodeOfCare/e', { resourceType: 'EpisodeOfCare', id: 'e', status: 'active', patient: { reference: 'Patient/p' }, period: { start: '2024-12-30' } });
  t.match(sections(await explained(change.id)).at(-1)!.join(' '), /Version 3, .*What led to it: the therapy that began on 30 December 2024 \(new\)\./);
  await fhir('PUT', 'QuestionnaireResponse/b', { ...phq9('p', spread(9), '2025-02-01T09:00:00Z'), id: 'b', status: 'entered-in-error' });
  t.match(sections(await explained(change.id)).at(-1)!.join(' '), /Withdrawn: .* Do not use it\./);
  t.equal(of(client, 'text-for-client').length, 1);
  const narrow = await explained(total.id, service.as({ scopes: 'system/Observation.rs' }));
  t.same(of(of(narrow, 'input')[0]!.part!, 'shown'), [{ name: 'shown', valueBoolean: false }], 'what is not for the caller is named and not shown');
  t.equal((await service.as({ patient: 'q' })('GET', `Observation/${total.id}/$explain`)).status, 404);
  const { body: own } = await fhir('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { text: 'Sleep' }, subject: { reference: 'Patient/p' }, valueInteger: 7 });
  t.equal((await fhir('GET', `Observation/${own.id}/$explain`)).status, 422);
  t.equal((await fhir('GET', `Observation/${total.id}/$explain?deep=true`)).status, 400);
});

t.test('missing answers, factors and every stored metric can be explained', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  const full = phq9('p', [2, 2, 2, 2, 2, 2, 2, 2, 0], '2025-01-01T09:00:00Z') as { item: unknown[] };
  await fhir('PUT', 'QuestionnaireResponse/a', { ...full, item: full.item.filter((_, at) => at !== 2), id: 'a' });
  for (const [at, value] of [20, 18, 12, 4, 3, 12, 13].entries()) await fhir('POST', 'QuestionnaireResponse', phq9('p', spread(value), `2025-0${at + 2}-01T09:00:00Z`));
  const { body } = await fhir('GET', 'Observation?patient=p&_count=200');
  const all = body.entry.map(({ resource }: any) => resource);
  const prorated = all.find(({ derivedFrom, code }: any) => derivedFrom?.[0].reference === 'QuestionnaireResponse/a' && code.coding[0].code === '44261-6');
  const reply = await fhir('GET', `Observation/${prorated.id}/$explain`);
  t.match(text(reply.body.parameter, 'formula-with-numbers'), /^2 \+ 2 \+ 2 \+ 2 \+ 2 \+ 2 \+ 2 \+ 0 = 14; left open: item 3; 14 × 9 \/ 8 = 15\.75, rounded half up to 16$/);
  t.same(of(of(reply.body.parameter, 'input')[0]!.part!, 'item').filter(({ part }) => of(part!, 'absent').length > 0).length, 1);
  const metrics = new Set<string>();
  for (const { id, code } of all) {
    const { status, body: told } = await fhir('GET', `Observation/${id}/$explain`);
    t.equal(status, 200);
    t.ok(of(told.parameter, 'rule').length > 0 && of(told.parameter, 'input').length > 0, `${code.coding[0].code}: a rule and inputs`);
    if (code.coding[0].code !== '44260-8') t.ok(of(told.parameter, 'formula-with-numbers').length === 1 && of(told.parameter, 'threshold').length > 0, `${code.coding[0].code}: numbers filled in, and the limits`);
    metrics.add(code.coding[0].code);
  }
  t.ok(metrics.size >= 5, [...metrics].join(' '));
});
