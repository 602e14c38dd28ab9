import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// QuestionnaireResponse/$score: the scores of a response, stored or not, with their derivation.

interface Part { readonly name: string; readonly part?: readonly Part[]; readonly resource?: any; readonly [value: string]: any }
const of = (parts: readonly Part[] | undefined, name: string): Part[] => (parts ?? []).filter((each) => each.name === name);
const scores = (body: any): { observation: any; explanation: readonly Part[] }[] => of(body.parameter, 'score').map(({ part }) => ({ observation: of(part, 'observation')[0]!.resource, explanation: of(part, 'explanation')[0]!.part! }));
/** What an Observation says, less what it has only once it is stored. */
const said = ({ id: _id, meta: _meta, identifier: _identifier, derivedFrom: _from, ...rest }: any): any => rest;
const byText = (a: any, b: any): number => (a.code.text < b.code.text ? -1 : 1);

const weights = 'http://hl7.org/fhir/StructureDefinition/itemWeight';
const weighed = {
  resourceType: 'Questionnaire', status: 'active', url: 'http://clinic.example/weighed', title: 'Days off', item: ['q1', 'q2'].map((linkId) => ({
    linkId, type: 'choice', text: linkId, answerOption: [0, 1, 2].map((n) => ({ valueCoding: { system: 'urn:a', code: `a${n}` }, extension: [{ url: weights, valueDecimal: n + 0.5 }] })),
  })),
};
const weighedAnswers = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: weighed.url, authored: '2025-01-01T09:00:00Z', item: ['q1', 'q2'].map((linkId, n) => ({ linkId, answer: [{ valueCoding: { system: 'urn:a', code: `a${n + 1}` } }] })) };

t.test('$score', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const id of ['p', 'q']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
  const count = async (): Promise<number[]> => Promise.all(['Observation', 'QuestionnaireResponse', 'Flag', 'Task', 'Communication', 'Provenance'].map(async (type) => (await fhir('GET', `${type}?_summary=count`)).body.total));
  const log = async (patient: string): Promise<string[]> => (await fhir('GET', `AuditEvent?patient=${patient}&_count=200`)).body.entry.map(({ resource }: any) => resource.subtype?.[0]?.code);
  const noOne = await count();

  await t.test('says what storing would write, without writing it, raising it or telling anybody', async (t) => {
    const sent = phq9('p', spread(14, 9, 2), '2025-01-01T09:00:00Z');
    const bare = await fhir('POST', 'QuestionnaireResponse/$score', sent);
    t.equal(bare.status, 200, bare.text.slice(0, 300));
    t.same(validate(bare.body, 'Parameters').filter(({ severity }) => severity === 'error'), []);
    t.same(scores(bare.body).map(({ observation }) => observation.valueInteger), [14, 2]);
    for (const { observation, explanation } of scores(bare.body)) {
      t.notOk('id' in observation, 'what is not stored has no id');
      t.equal(of(explanation, 'formula-with-numbers').length, 1);
      t.equal(of(of(explanation, 'input')[0]!.part, 'item').length, 9, 'every answer with what it counts');
    }
    t.match(of(bare.body.parameter, 'alert').map(({ part }) => part), [[{ valueCoding: { code: 'phq-9-item-9' } }, { valueCode: 'asap' }, { valueInteger: 120 }, { valueBoolean: true }]]);
    t.match(of(bare.body.parameter, 'note'), [{ valueString: /nobody was told/ }]);
    t.ok(of(bare.body.parameter, 'contact').length > 0, 'whom to reach is said wherever an answer calls for a look');
    const again = await fhir('POST', 'QuestionnaireResponse/$score', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: sent }] });
    t.same(again.body, bare.body, 'the same answers, the same scores, as Parameters too');
    const [one, two] = await Promise.all([fhir('POST', 'QuestionnaireResponse/$score', sent), fhir('POST', 'QuestionnaireResponse/$score', sent)]);
    t.same([one!.body, two!.body], [bare.body, bare.body], 'and twice at once');
    t.same(await count(), noOne, 'nothing is stored');
    t.same((await log('p')).filter((code) => code === 'operation' || code === '$score').length > 0, true, 'that the record was used is in the access log');

    const { body: stored } = await fhir('POST', 'QuestionnaireResponse', sent);
    const found = (await fhir('GET', `Observation?patient=p&_count=50`)).body.entry.map(({ resource }: any) => resource);
    t.same(scores(bare.body).map(({ observation }) => observation).map(said).sort(byText), found.map(said).sort(byText), 'exactly what a write then stores');
    const instance = await fhir('GET', `QuestionnaireResponse/${stored.id}/$score`);
    t.same(scores(instance.body).map(({ observation }) => observation).sort(byText), found.sort(byText));
    for (const { observation, explanation } of scores(instance.body)) {
      t.same(explanation, (await fhir('GET', `Observation/${observation.id}/$explain`)).body.parameter, 'with the derivation that $explain gives');
    }
    t.match(of(instance.body.parameter, 'stored'), [{ valueBoolean: true }]);
    await fhir('POST', 'QuestionnaireResponse', phq9('p', spread(4), '2025-02-01T09:00:00Z'));
    t.same((await fhir('POST', 'QuestionnaireResponse/$score', sent)).body, bare.body, 'what else is in the record does not matter');
  });

  await t.test('of nobody, of a form that weighs its answers, of two instruments in one form', async (t) => {
    const { subject: _, ...nobody } = gad7('p', spread(9, 7), '2025-01-01T09:00:00Z');
    const scored = await fhir('POST', 'QuestionnaireResponse/$score', nobody);
    t.same(scores(scored.body).map(({ observation: { valueInteger, subject } }) => [valueInteger, subject]), [[9, undefined]]);
    const form = await fhir('POST', 'QuestionnaireResponse/$score', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: weighedAnswers }, { name: 'questionnaire', resource: weighed }] });
    const [{ observation, explanation } = { observation: undefined, explanation: [] }] = scores(form.body);
    t.equal(observation?.valueInteger ?? observation?.valueQuantity?.value, 4);
    t.match(of(explanation, 'formula-with-numbers'), [{ valueString: '1.5 + 2.5 = 4' }]);
    t.match(of(of(explanation, 'input')[0]!.part, 'item').map(({ part }) => of(part, 'score')[0]), [{ valueDecimal: 1.5 }, { valueDecimal: 2.5 }]);
    const list = { resourceType: 'ValueSet', id: 'answers', url: 'http://clinic.example/answers', status: 'active', compose: { include: [{ system: 'urn:a', concept: [0, 1, 2].map((n) => ({ code: `a${n}`, extension: [{ url: weights, valueDecimal: 2 * n }] })) }] } };
    t.equal((await fhir('PUT', 'ValueSet/answers', list)).status, 201);
    const byList = { ...weighed, item: weighed.item.map(({ answerOption: _options, ...item }) => ({ ...item, answerValueSet: list.url })) };
    const listed = await fhir('POST', 'QuestionnaireResponse/$score', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: weighedAnswers }, { name: 'questionnaire', resource: byList }] });
    t.match(of(scores(listed.body)[0]!.explanation, 'formula-with-numbers'), [{ valueString: '2 + 4 = 6' }], 'a list of answers that is stored weighs them');
    const another = await fhir('POST', 'QuestionnaireResponse/$score', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: weighedAnswers }, { name: 'questionnaire', resource: { ...weighed, url: 'http://clinic.example/another' } }] });
    t.match(another, { status: 422, body: { issue: [{ expression: ['QuestionnaireResponse.questionnaire'] }] } }, 'answers are not read by another form');
    const both = await fhir('POST', 'QuestionnaireResponse/$score', { ...phq9('p', spread(12), '2025-01-01T09:00:00Z'), questionnaire: 'http://clinic.example/both', item: [...(phq9('p', spread(12), '') as any).item, ...(gad7('p', spread(9, 7), '') as any).item] });
    t.same(scores(both.body).map(({ observation: each }) => each.valueInteger).sort((a, b) => a - b), [9, 12], both.text.slice(0, 200));
  });

  await t.test('what cannot be scored is refused with the element', async (t) => {
    const whole = phq9('p', spread(14), '2025-01-01T09:00:00Z') as any;
    const few = { ...whole, item: whole.item.slice(0, 3) };
    const wrong = structuredClone(whole);
    wrong.item[3].answer[0].valueCoding.code = 'LA0000-0';
    const cases: [string, unknown, number, string?][] = [
      ['an answer of no list', wrong, 422, 'QuestionnaireResponse.item[3].answer[0].value'],
      ['still being written', { ...whole, status: 'in-progress' }, 422, 'QuestionnaireResponse.status'],
      ['entered in error', { ...whole, status: 'entered-in-error' }, 422, 'QuestionnaireResponse.status'],
      ['a form that is not known', { ...weighedAnswers, questionnaire: 'http://clinic.example/other' }, 422, 'QuestionnaireResponse.questionnaire'],
      ['a person who is not here', { ...whole, subject: { reference: 'Patient/nobody' } }, 422, 'QuestionnaireResponse.subject'],
      ['a group', { ...whole, subject: { reference: 'Group/g' } }, 422, 'QuestionnaireResponse.subject'],
      ['no body', undefined, 400], ['another resource', { resourceType: 'Patient' }, 400, 'resourceType'], ['no JSON', '{', 400],
      ['no resource', { resourceType: 'QuestionnaireResponse' }, 400, 'QuestionnaireResponse.status'],
      ['two responses', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: whole }, { name: 'questionnaire-response', resource: whole }] }, 400, 'Parameters.parameter[1]'],
      ['another parameter', { resourceType: 'Parameters', parameter: [{ name: 'response', resource: whole }] }, 400, 'Parameters.parameter[0]'],
    ];
    for (const [what, body, status, expression] of cases) {
      const reply = await fhir('POST', 'QuestionnaireResponse/$score', body);
      t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 200)}`);
      t.match(reply.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', details: { text: String }, ...(expression === undefined ? {} : { expression: [expression] }) }] }, what);
    }
    const without = await fhir('POST', 'QuestionnaireResponse/$score', few);
    t.equal(scores(without.body)[0]!.observation.dataAbsentReason.coding[0].code, 'unknown', 'as a write: the reason why there is no total');
    t.match(of(without.body.parameter, 'issues')[0]!.resource.issue, [{ severity: 'warning', expression: ['QuestionnaireResponse.item'], details: { text: /Open: .*44260-8/ } }]);
    const pressing = await fhir('POST', 'QuestionnaireResponse/$score', { ...(phq9('p', spread(14, 9, 3), '2025-01-01T09:00:00Z')), status: 'in-progress' });
    t.same(of(pressing.body.parameter, 'alert').length, 1, 'a safety item calls for a look before the form is completed');
    const huge = { ...weighedAnswers, item: Array.from({ length: 20_000 }, (_, n) => ({ linkId: `n${n}`, answer: [{ valueInteger: n }] })) };
    t.equal((await fhir('POST', 'QuestionnaireResponse/$score', huge)).status, 422, 'a large one that nothing is known of');
  });

  await t.test('a client gets the words for clients; another client nothing', async (t) => {
    const [own, other] = [service.as({ patient: 'p' }), service.as({ patient: 'q' })];
    const sent = phq9('p', spread(14, 9, 1), '2025-03-01T09:00:00Z');
    const reply = await own('POST', 'QuestionnaireResponse/$score', sent);
    t.equal(reply.status, 200);
    for (const { explanation } of scores(reply.body)) t.same([of(explanation, 'text').length, of(explanation, 'text-for-client').length, of(explanation, 'rule').length], [0, 1, 0]);
    t.match(of(reply.body.parameter, 'note'), [{ valueString: /^These answers were only added up here\. Nobody has seen them\.$/ }]);
    const [foreign, nobody] = await Promise.all([sent, { ...sent, subject: { reference: 'Patient/nobody' } }].map((body) => other('POST', 'QuestionnaireResponse/$score', body)));
    t.same([foreign!.status, foreign!.body], [422, nobody!.body], "another's answers are nobody's");
    const { body: { id } } = await fhir('POST', 'QuestionnaireResponse', sent);
    const [theirs, none] = await Promise.all([id, 'none'].map((each) => other('GET', `QuestionnaireResponse/${each}/$score`)));
    t.same([theirs!.status, theirs!.body], [404, none!.body]);
    t.equal((await own('GET', `QuestionnaireResponse/${id}/$score`)).status, 200);
    t.equal((await own('GET', `QuestionnaireResponse/${id}/$score?x=1`)).status, 400);
    t.equal((await service.as({ scopes: 'system/QuestionnaireResponse.r' })('POST', 'QuestionnaireResponse/$score', sent)).status, 403);
    t.equal((await service.as({ scopes: 'system/QuestionnaireResponse.r system/Observation.r' })('POST', 'QuestionnaireResponse/$score', sent)).status, 403, 'whose they are needs Patient.r');
  });

  await t.test('a stored response without scores, withdrawn or unknown, says why', async (t) => {
    await fhir('PUT', 'QuestionnaireResponse/gone', { ...phq9('p', spread(5), '2025-04-01T09:00:00Z'), id: 'gone' });
    await fhir('PUT', 'QuestionnaireResponse/gone', { ...phq9('p', spread(5), '2025-04-01T09:00:00Z'), id: 'gone', status: 'entered-in-error' });
    const before = (await log('p')).filter((code) => code === 'operation').length;
    t.match(await fhir('GET', 'QuestionnaireResponse/gone/$score'), { status: 422, body: { issue: [{ expression: ['QuestionnaireResponse.status'] }] } });
    t.equal((await log('p')).filter((code) => code === 'operation').length, before + 1, 'the refusal says something of the response: it is in the access log');
    const { body: { id } } = await fhir('POST', 'QuestionnaireResponse', { ...weighedAnswers, subject: { reference: 'Patient/p' } });
    t.match(await fhir('GET', `QuestionnaireResponse/${id}/$score`), { status: 422, body: { issue: [{ expression: ['QuestionnaireResponse.questionnaire'] }] } });
    await fhir('DELETE', 'QuestionnaireResponse/gone');
    t.equal((await fhir('GET', 'QuestionnaireResponse/gone/$score')).status, 410);
  });
});
