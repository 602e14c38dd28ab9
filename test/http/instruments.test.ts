import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';
import { questionnaireFinder } from '../../src/interactions/questionnaires.ts';

const base = 'https://intersession.example/fhir';
const loinc = 'http://loinc.org';
const service = await testService(t);
const system = service.as();

async function put(resource: any): Promise<any> {
  const reply = await system('PUT', `${resource.resourceType}/${resource.id}`, resource);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`PUT ${resource.resourceType}/${resource.id}: ${reply.text}`);
  return reply.body;
}
const found = async (query: string): Promise<any[]> => ((await system('GET', query)).body.entry ?? []).map(({ resource }: { resource: unknown }) => resource);
const metric = (code: string): string => `${base}/CodeSystem/progress-metric%7C${code}`;

/** A total as another system sends it. */
const imported = (id: string, patient: string, time: string, value: object, more: object = {}): any => ({
  resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: loinc, code: '44261-6' }] }, subject: { reference: `Patient/${patient}` }, effectiveDateTime: time, ...value, ...more,
});

/** The change Observations of a patient, by date: value, and what they are derived from. */
async function changes(patient: string): Promise<[string, number | undefined, string[]][]> {
  const all = await found(`Observation?patient=${patient}&code=${metric('change-from-baseline')}&_count=50`);
  return all.filter(({ status }) => status !== 'entered-in-error')
    .map(({ effectiveDateTime, valueInteger, derivedFrom }): [string, number | undefined, string[]] => [effectiveDateTime.slice(0, 10), valueInteger, derivedFrom.map(({ reference }: { reference: string }) => reference)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

t.test('totals of other systems join the series: integer, quantity, text; they are not written a second time', async (t) => {
  await put({ resourceType: 'Patient', id: 'ida' });
  await put(imported('ehr-1', 'ida', '2024-01-01T10:00:00Z', { valueQuantity: { value: 20, unit: '{score}', system: 'http://unitsofmeasure.org', code: '{score}' } }));
  const answers = (await system('POST', 'QuestionnaireResponse', phq9('ida', spread(12), '2024-02-01T10:00:00Z'))).body;
  t.match(await changes('ida'), [['2024-02-01', -8, [/^Observation\//, 'Observation/ehr-1']]]);
  await put(imported('ehr-2', 'ida', '2024-03-01', { valueString: ' 6 ' }));
  await put(imported('ehr-3', 'ida', '2024-04-01', { valueInteger: 30 }));
  await put(imported('ehr-4', 'ida', '2024-04-02', { valueInteger: 4 }, { status: 'preliminary' }));
  await put(imported('ehr-5', 'ida', '2024-04-03', { valueString: 'about 5' }));
  t.match(await changes('ida'), [['2024-02-01', -8], ['2024-03-01', -14, ['Observation/ehr-2', 'Observation/ehr-1']]], 'out of range, preliminary and words are left aside');
  t.equal((await found('Observation?patient=ida&code=http://loinc.org%7C44261-6&_count=50')).length, 6, 'five that came, one computed');
  const { body } = await system('GET', 'Patient/ida/$progress');
  const scores = body.parameter.find(({ name }: { name: string }) => name === 'instrument').part.filter(({ name }: { name: string }) => name === 'score');
  t.same(scores.map(({ part }: any) => [part.find(({ name }: any) => name === 'value').valueInteger, part.some(({ name, valueBoolean }: any) => name === 'imported' && valueBoolean)]), [[20, true], [12, false], [6, true]]);
  await put(imported('ehr-2', 'ida', '2024-03-01', { valueInteger: 8 }, { status: 'corrected' }));
  t.match(await changes('ida'), [['2024-02-01', -8], ['2024-03-01', -12]], 'corrected');
  await put(imported('ehr-2', 'ida', '2024-03-01', { valueInteger: 8 }, { status: 'entered-in-error' }));
  await system('DELETE', 'Observation/ehr-1');
  t.same(await changes('ida'), [], 'withdrawn and deleted: one score is left');
  t.equal((await system('GET', `QuestionnaireResponse/${answers.id}`)).status, 200);
});

t.test('a total of a response that is scored here is the same score a second time', async (t) => {
  await put({ resourceType: 'Patient', id: 'jon' });
  await put(imported('jon-0', 'jon', '2024-01-01', { valueInteger: 20 }));
  const { id } = (await system('POST', 'QuestionnaireResponse', phq9('jon', spread(12), '2024-02-01'))).body;
  await put(imported('jon-1', 'jon', '2024-02-02', { valueInteger: 12 }, { derivedFrom: [{ reference: `QuestionnaireResponse/${id}` }] }));
  t.match(await changes('jon'), [['2024-02-01', -8]]);
  await system('DELETE', `QuestionnaireResponse/${id}`);
  t.match(await changes('jon'), [['2024-02-02', -8, ['Observation/jon-1', 'Observation/jon-0']]], 'once the response is gone, the total stands for it');
});

t.test('codes of other codings are brought to the scale, and other Observations are left alone', async (t) => {
  await put({ resourceType: 'Patient', id: 'kim' });
  const k10 = (id: string, time: string, code: string, value: number): any => imported(id, 'kim', time, { valueInteger: value }, { code: { coding: [{ system: `${base}/CodeSystem/instrument`, code }] } });
  await put(k10('k-1', '2024-01-01', 'k10.0-40', 20));
  await put(k10('k-2', '2024-02-01', 'k10', 22));
  t.match(await changes('kim'), [['2024-02-01', -8, ['Observation/k-2', 'Observation/k-1']]], '20 of 40 is 30 of 50');
  await put(imported('k-3', 'kim', '2024-03-01', { valueQuantity: { value: 70, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' } }));
  await put({ resourceType: 'Observation', id: 'k-4', status: 'final', code: { coding: [{ system: loinc, code: '29463-7' }] }, subject: { reference: 'Patient/kim' }, valueInteger: 70 });
  t.equal((await changes('kim')).length, 1);
});

t.test('the form of a deployment that weighs its answers is scored as their sum, and its scores are one series', async (t) => {
  await put({ resourceType: 'Patient', id: 'lea' });
  const weight = (name: 'itemWeight' | 'ordinalValue', valueDecimal: number): object[] => [{ url: `http://hl7.org/fhir/StructureDefinition/${name}`, valueDecimal }];
  const option = (code: string, value: number, name: 'itemWeight' | 'ordinalValue' = 'itemWeight'): object => ({ extension: weight(name, value), valueCoding: { system: 'http://example.org/a', code } });
  const form = (version: string): any => ({
    resourceType: 'Questionnaire', id: 'own', url: 'http://example.org/Questionnaire/own', version, status: 'active', title: 'Own form', code: [{ system: 'http://example.org/forms', code: 'own', display: 'Own form' }],
    item: [
      { linkId: 'a', type: 'choice', required: true, answerOption: [option('no', 0), option('some', 1.5), option('much', 3)] },
      { linkId: 'g', type: 'group', item: [{ linkId: 'b', type: 'choice', required: true, answerOption: [option('no', 0, 'ordinalValue'), option('yes', 4, 'ordinalValue')] }] },
      { linkId: 'c', type: 'choice', repeats: true, answerOption: [option('x', 1), option('y', 2)] },
      { linkId: 'note', type: 'string' },
    ],
  });
  await put(form('1'));
  const answer = (code: string): object => ({ valueCoding: { system: 'http://example.org/a', code } });
  const post = async (authored: string, item: object[], more: object = {}): Promise<any> => (await system('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', questionnaire: 'http://example.org/Questionnaire/own|1', status: 'completed', subject: { reference: 'Patient/lea' }, authored, item, ...more })).body;
  const both = (a: string, b: string, c: string[] = []): object[] => [{ linkId: 'a', answer: [answer(a)] }, { linkId: 'g', item: [{ linkId: 'b', answer: [answer(b)] }] }, ...(c.length === 0 ? [] : [{ linkId: 'c', answer: c.map(answer) }])];
  await post('2024-01-01', both('some', 'yes', ['x', 'y']));
  await post('2024-02-01', both('much', 'no'));
  await post('2024-03-01', [{ linkId: 'a', answer: [answer('much')] }], { status: 'stopped' });
  const totals = (await found('Observation?patient=lea&code=http://example.org/forms%7Cown&_sort=date')).map((each) => [each.effectiveDateTime, each.valueInteger ?? each.valueQuantity?.value]);
  t.same(totals, [['2024-01-01', 8.5], ['2024-02-01', 3]], '1.5 + 4 + 1 + 2; 3 + 0; a stopped one without what is required has none');
  const [observation] = await found('Observation?patient=lea&code=http://example.org/forms%7Cown&date=2024-02-01');
  t.match(observation, { code: { text: 'Total of Own form', coding: [{ code: 'own' }, { code: 'form-total' }] }, note: [{ text: /^Total of Own form: 3 of 10 \(the form does not say which way is better\)/ }] });
  t.equal(observation.interpretation, undefined, 'no bands');
  t.same(await changes('lea'), [], 'and no change that would be better or worse');
  const { body } = await system('GET', 'Patient/lea/$progress');
  const [instrument] = body.parameter.filter(({ name }: { name: string }) => name === 'instrument');
  t.equal(instrument.part.filter(({ name }: { name: string }) => name === 'score').length, 2, 'one series');
  await put({ resourceType: 'EpisodeOfCare', id: 'lea-1', status: 'active', patient: { reference: 'Patient/lea' }, period: { start: '2023-12-20' } });
  const moved = await found('Observation?patient=lea&code=http://example.org/forms%7Cown');
  t.ok(moved.every(({ code, extension }) => code.text === 'Total of Own form' && JSON.stringify(extension).includes('EpisodeOfCare/lea-1')), 'an episode that is added later finds them again');
});

t.test('a form whose answers are in a value set is weighed by what is stored of it', async (t) => {
  const codes = 'http://example.org/CodeSystem/stress';
  const weighed = (weights: readonly number[]): any => ({ resourceType: 'CodeSystem', id: 'stress', url: codes, status: 'active', content: 'complete', concept: weights.map((valueDecimal, i) => ({ code: `s${i}`, extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal }] })) });
  const list = { resourceType: 'ValueSet', id: 'stress', url: 'http://example.org/ValueSet/stress', status: 'active', compose: { include: [{ system: codes }] } };
  const form = { resourceType: 'Questionnaire', id: 'stress', url: 'http://example.org/Questionnaire/stress', status: 'active', item: ['a', 'b'].map((linkId) => ({ linkId, type: 'choice', required: true, answerValueSet: list.url })) };
  const answers = (patient: string, authored: string): any => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: form.url, subject: { reference: `Patient/${patient}` }, authored, item: [{ linkId: 'a', answer: [{ valueCoding: { system: codes, code: 's1' } }] }, { linkId: 'b', answer: [{ valueCoding: { code: 's2' } }] }] });
  const entry = (resource: any): object => ({ resource, request: resource.id === undefined ? { method: 'POST', url: resource.resourceType } : { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
  const totals = async (patient: string): Promise<unknown[]> => (await found(`Observation?patient=${patient}&code=form-total&_sort=date`)).map(({ valueInteger }) => valueInteger);
  const together = [{ resourceType: 'Patient', id: 'una' }, answers('una', '2024-01-01'), form, list, weighed([0, 1, 3])].map(entry);
  t.equal((await system('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: together })).status, 200);
  t.same(await totals('una'), [4], 'all of it in one Bundle');
  await system('POST', 'QuestionnaireResponse', answers('una', '2024-02-01'));
  t.same(await totals('una'), [4, 4], 'found where it is stored');
  await put(weighed([0, 2, 5]));
  await system('POST', 'QuestionnaireResponse', answers('una', '2024-03-01'));
  t.same(await totals('una'), [4, 4, 7], 'a changed list counts at once');
  await system('POST', 'Patient/una/$recompute', { resourceType: 'Parameters', parameter: [{ name: 'apply', valueBoolean: true }] });
  t.same(await totals('una'), [7, 7, 7]);
});

t.test('an instrument is published, answered and read like anything else', async (t) => {
  await put({ resourceType: 'Patient', id: 'max', gender: 'male' });
  const form = (await system('GET', 'Questionnaire/audit-c')).body;
  t.match(form, { item: [{ text: /drink containing alcohol/ }, {}, {}, { readOnly: true, extension: [{ url: /calculatedExpression/ }] }] });
  const reply = await system('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', questionnaire: form.url, status: 'completed', authored: '2024-05-01', subject: { reference: 'Patient/max' }, item: [{ linkId: '/68518-0', answer: [{ valueInteger: 3 }] }, { linkId: '/68519-8', answer: [{ valueInteger: 0 }] }, { linkId: '/68520-6', answer: [{ valueInteger: 0 }] }] });
  t.equal(reply.status, 201);
  const [score] = await found('Observation?patient=max&code=http://loinc.org%7C75626-2');
  t.match(score, { valueInteger: 3, note: [{ text: /the cut-off for this sex, male: 4 or more \(.*likely below recommended limits/ }] });
  t.match(score, { interpretation: [{ coding: [{ code: 'NEG' }] }] });
  const decides = async (): Promise<string> => JSON.stringify((await system('GET', `Observation/${score.id}/$explain`)).body.parameter.find(({ name }: { name: string }) => name === 'reading'));
  t.match(await decides(), /The screening cut-off \(male\): 4 or more/);
  t.notMatch(await decides(), /female/, 'the one that holds');
  await put({ resourceType: 'Patient', id: 'max', gender: 'female' });
  t.match((await found('Observation?patient=max&code=http://loinc.org%7C75626-2'))[0], { status: 'amended', interpretation: [{ coding: [{ code: 'POS' }] }], note: [{ text: /this sex, female: 3 or more/ }] }, 'in the transaction of the correction');
  t.match((await system('GET', 'ObservationDefinition/score-phq-9')).body, { qualifiedInterval: [{ category: 'absolute' }, { category: 'reference', range: { low: { value: 0 }, high: { value: 4 } } }, {}, {}, {}, {}, { category: 'critical', range: { low: { value: 10 } } }, {}] });
  t.match(await system('POST', 'QuestionnaireResponse', { ...phq9('max', spread(3), '2024-05-01'), questionnaire: `${base}/Questionnaire/ors`, item: [{ linkId: 'ors-1', answer: [{ valueDecimal: 10.1 }] }] }), { status: 422 }, 'a mark beyond the line');
});

t.test('forms that name the same list share it, and lists that weigh nothing are not kept', async (t) => {
  const [many, few] = ['http://example.org/CodeSystem/many', 'http://example.org/CodeSystem/few'];
  const codes = (id: string, url: string, weigh: boolean): any => ({ resourceType: 'CodeSystem', id, url, status: 'active', content: 'complete', concept: [0, 1, 2].map((at) => ({ code: `c${at}`, ...(weigh ? { property: [{ code: 'itemWeight', valueDecimal: at }] } : {}) })), ...(weigh ? { property: [{ code: 'itemWeight', type: 'decimal' }] } : {}) });
  await put(codes('many', many, false));
  await put(codes('few', few, true));
  for (const [id, system] of [['many', many], ['few', few]] as const) await put({ resourceType: 'ValueSet', id, url: `http://example.org/ValueSet/${id}`, status: 'active', compose: { include: [{ system }] } });
  for (const id of ['sharing-1', 'sharing-2']) await put({ resourceType: 'Questionnaire', id, url: `http://example.org/Questionnaire/${id}`, status: 'active', item: ['many', 'few'].map((linkId) => ({ linkId, type: 'choice', answerValueSet: `http://example.org/ValueSet/${linkId}` })) });
  let time = 0;
  const find = questionnaireFinder(service.database, 1000, () => time);
  const lists = async (id: string): Promise<any[]> => ((await find(`http://example.org/Questionnaire/${id}`))!['contained'] as any[]).filter(({ resourceType }) => resourceType === 'CodeSystem');
  const [one] = await lists('sharing-1');
  t.same((await lists('sharing-1')).map(({ url }) => url), [few]);
  time = 900;
  t.equal((await lists('sharing-2'))[0], one, 'one copy');
  time = 1500;
  const [later] = await lists('sharing-1');
  t.not(later, one, 'looked for again after a while');
  time = 1600;
  t.equal((await lists('sharing-2'))[0], one, 'a form that is still remembered is as it was found');
  await put(codes('few', few, true));
  find.forget();
  const [changed] = await lists('sharing-2');
  t.ok(changed !== one && changed !== later, 'and at once where one was written');
});

t.test('the side of a cut-off: stored with a score, and told of a total from elsewhere', async (t) => {
  await put({ resourceType: 'Patient', id: 'ida' });
  const lines = (value: number): object[] => [1, 2, 3, 4].map((n) => ({ linkId: `ors-${n}`, answer: [{ valueDecimal: value }] }));
  const { body: response } = await system('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', questionnaire: `${base}/Questionnaire/ors`, status: 'completed', authored: '2024-05-01', subject: { reference: 'Patient/ida' }, item: lines(6.2) });
  const [score] = await found(`Observation?patient=ida&derived-from=QuestionnaireResponse/${response.id}`);
  t.match(score, { valueQuantity: { value: 24.8 }, interpretation: [{ coding: [{ code: 'clinical-range' }], text: 'Below the cut-off of 25, in the clinical range' }] });
  await put({ resourceType: 'Observation', id: 'ida-1', status: 'final', code: { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'ors' }] }, subject: { reference: 'Patient/ida' }, effectiveDateTime: '2024-05-08', valueQuantity: { value: 25, unit: 'score', system: 'http://unitsofmeasure.org', code: '{score}' } });
  t.equal((await system('GET', 'Observation/ida-1')).body.interpretation, undefined, 'what came from elsewhere stays as it came');
  const sides = async (): Promise<any[]> => {
    const [ors] = (await system('GET', 'Patient/ida/$progress')).body.parameter.filter(({ name, part }: any) => name === 'instrument' && JSON.stringify(part).includes('"ors"'));
    return ors.part.filter(({ name }: any) => name === 'score').map(({ part }: any) => [part.find(({ name }: any) => name === 'value')?.valueDecimal ?? part.find(({ name }: any) => name === 'value')?.valueInteger, part.find(({ name }: any) => name === 'side')?.valueCodeableConcept.coding[0].code]);
  };
  t.same(await sides(), [[24.8, 'clinical-range'], [25, 'functional-range']], 'of both');
  t.notMatch((await service.as({ patient: 'ida' })('GET', 'Patient/ida/$progress')).text, /clinical-range|functional-range|clinical range/, 'clients get the words for clients');
  const { body: alone } = await system('POST', 'QuestionnaireResponse/$score', { ...response, id: undefined, meta: undefined, authored: '2024-05-02', item: lines(6.3) });
  t.match(alone.parameter.find(({ name }: any) => name === 'score').part[0].resource, { valueQuantity: { value: 25.2 }, interpretation: [{ coding: [{ code: 'functional-range' }] }] });
  const { body: explained } = await system('GET', `Observation/${score.id}/$explain`);
  t.match(JSON.stringify(explained), /On the clinical side: less than 25\. Source: pages about the scale.* \(taken from a secondary source, not checked in the original\)/);
  t.match(explained.parameter.filter(({ name }: any) => name === 'cut-off').map(({ part }: any) => part.find(({ name }: any) => name === 'interprets')?.valueCode), ['clinical-range', undefined]);
});
