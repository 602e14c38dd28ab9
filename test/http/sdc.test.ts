import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

const base = 'https://intersession.example/fhir';
const sdc = 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-';
const service = await testService(t);
const system = service.as();
const fhirpath = (expression: string, name?: string): object => ({ language: 'text/fhirpath', expression, ...(name === undefined ? {} : { name }) });
const coding = { system: 'http://example.org/codes', code: 'sleep-hours' };
const part = (parameters: { parameter: { name: string; resource?: any }[] }, name: string): any => parameters.parameter.find((each) => each.name === name)?.resource;

async function put(client: Client, resource: any): Promise<any> {
  const reply = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`PUT ${resource.resourceType}/${resource.id}: ${reply.text}`);
  return reply.body;
}

await put(system, { resourceType: 'Practitioner', id: 'thea', name: [{ family: 'Example' }] });
for (const id of ['ann', 'bea']) {
  await put(system, { resourceType: 'Patient', id, name: [{ use: 'official', given: ['Ann', 'Lou'], family: 'Example' }], birthDate: '1990-05-17', gender: 'female', ...(id === 'ann' ? { generalPractitioner: [{ reference: 'Practitioner/thea' }] } : {}) });
}
await put(system, { resourceType: 'Encounter', id: 'session-3', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: 'Patient/ann' }, period: { start: '2026-02-01T10:00:00Z' } });

const form = {
  resourceType: 'Questionnaire', id: 'intake', url: 'http://example.org/Questionnaire/intake', version: '2', status: 'active',
  extension: [{ url: `${sdc}launchContext`, extension: [{ url: 'name', valueCoding: { code: 'patient' } }, { url: 'type', valueCode: 'Patient' }] }],
  item: [
    { linkId: 'given', text: 'First name', type: 'string', extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath("%patient.name.where(use = 'official').given.first()") }] },
    { linkId: 'born', type: 'date', extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath('%patient.birthDate') }] },
    { linkId: 'gender', type: 'choice', answerOption: [{ valueCoding: { system: 'http://hl7.org/fhir/administrative-gender', code: 'female' } }], extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath('%patient.gender') }] },
    { linkId: 'day', type: 'date', extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath('today()') }] },
    { linkId: 'age', type: 'integer', extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath('(today() - %patient.birthDate).years()') }] },
    { linkId: 'group', type: 'group', item: [
      { linkId: 'sleep', type: 'decimal', code: [coding], extension: [{ url: `${sdc}observationLinkPeriod`, valueDuration: { value: 30, system: 'http://unitsofmeasure.org', code: 'd' } }, { url: 'http://hl7.org/fhir/StructureDefinition/questionnaire-unit', valueCoding: { system: 'http://unitsofmeasure.org', code: 'h' } }] },
      { linkId: 'consent', type: 'boolean', initial: [{ valueBoolean: false }] },
      { linkId: 'why', type: 'string', enableWhen: [{ question: 'consent', operator: '=', answerBoolean: true }], initial: [{ valueString: 'because' }] },
    ] },
    { linkId: 'names', type: 'group', repeats: true, extension: [{ url: `${sdc}itemPopulationContext`, valueExpression: fhirpath('%patient.name.given', 'one') }], item: [
      { linkId: 'one', type: 'string', extension: [{ url: `${sdc}initialExpression`, valueExpression: fhirpath('%one') }] },
    ] },
    { linkId: 'shown', type: 'display', text: 'Thank you' },
  ],
};
await put(system, form);
const answersOf = (response: any): Record<string, unknown[]> => {
  const found: Record<string, unknown[]> = {};
  const walk = (items: any[] = []): void => items.forEach((item) => {
    for (const answer of item.answer ?? []) (found[item.linkId] ??= []).push(Object.values(answer)[0]);
    walk(item.item);
  });
  walk(response.item);
  return found;
};
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
const sleep = (id: string, days: number, hours: number, patient = 'ann', more = {}): object => ({
  resourceType: 'Observation', id, status: 'final', code: { coding: [coding] }, subject: { reference: `Patient/${patient}` }, effectiveDateTime: daysAgo(days), valueQuantity: { value: hours, unit: 'h', system: 'http://unitsofmeasure.org', code: 'h' }, ...more,
});
for (const each of [sleep('s1', 20, 5), sleep('s2', 3, 7), sleep('s3', 1, 9, 'bea'), sleep('s4', 1, 1, 'ann', { status: 'entered-in-error' })]) await put(system, each);

t.test('$populate answers from the subject, its newest Observation, initial values and simple expressions, and says what it does not evaluate', async (t) => {
  const { status, body } = await system('POST', 'Questionnaire/intake/$populate', { resourceType: 'Parameters', parameter: [{ name: 'subject', valueReference: { reference: 'Patient/ann' } }] });
  t.equal(status, 200);
  const response = part(body, 'response');
  t.same(validate(response), []);
  t.equal(response.questionnaire, 'http://example.org/Questionnaire/intake|2');
  t.equal(response.status, 'in-progress');
  t.same(response.subject, { reference: 'Patient/ann' });
  t.same(answersOf(response), {
    given: ['Ann'], born: ['1990-05-17'], gender: [{ system: 'http://hl7.org/fhir/administrative-gender', code: 'female' }], day: [new Date().toISOString().slice(0, 10)],
    sleep: [7], consent: [false], one: ['Ann', 'Lou'],
  });
  t.equal(response.item.filter((item: any) => item.linkId === 'names').length, 2, 'a repeating group for each value');
  t.ok(response.item.some((item: any) => item.linkId === 'shown'), 'display items are there');
  const issues = part(body, 'issues').issue;
  t.same(issues.map((issue: any) => [issue.severity, issue.code, issue.expression]), [['warning', 'not-supported', ['Questionnaire.item[4]']]]);
  const accepted = await system('POST', 'QuestionnaireResponse', response);
  t.equal(accepted.status, 201, 'what it fills in is accepted as it is');
});

t.test('$populate finds the form by canonical, identifier, reference or as a resource, and uses nothing of the subject where local is false', async (t) => {
  const subject = { name: 'subject', valueReference: { reference: 'Patient/ann' } };
  const named = async (parameter: object, ...more: object[]): Promise<any> => system('POST', 'Questionnaire/$populate', { resourceType: 'Parameters', parameter: [parameter, subject, ...more] });
  await put(system, { ...form, id: 'known', url: 'http://example.org/Questionnaire/known', identifier: [{ system: 'urn:forms', value: 'k' }] });
  for (const parameter of [
    { name: 'questionnaire', valueUri: 'http://example.org/Questionnaire/known' }, { name: 'questionnaire', valueCanonical: 'http://example.org/Questionnaire/known|2' },
    { name: 'questionnaireRef', valueReference: { reference: 'Questionnaire/known' } }, { name: 'identifier', valueIdentifier: { system: 'urn:forms', value: 'k' } },
    { name: 'questionnaire', resource: form },
  ]) t.same(answersOf(part((await named(parameter)).body, 'response'))['given'], ['Ann'], JSON.stringify(parameter).slice(0, 60));
  const foreign = part((await named({ name: 'questionnaire', valueUri: form.url }, { name: 'local', valueBoolean: false })).body, 'response');
  t.same(Object.keys(answersOf(foreign)), ['day', 'consent']);
  const { id: _id, url: _url, version: _version, ...nameless } = form;
  const contained = part((await named({ name: 'questionnaire', resource: nameless })).body, 'response');
  t.equal(contained.questionnaire, '#questionnaire');
  t.same(validate(contained), []);
  t.equal((await system('POST', 'Questionnaire/$populate', { resourceType: 'Parameters', parameter: [subject] })).status, 400);
  t.equal((await named({ name: 'questionnaire', valueUri: 'http://example.org/none' })).status, 422);
  const twice = await named({ name: 'questionnaire', valueUri: form.url }, { name: 'questionnaireRef', valueReference: { reference: 'Questionnaire/known' } });
  t.equal(twice.status, 400);
  const byGet = await system('GET', 'Questionnaire/intake/$populate?subject=Patient/ann');
  t.same(answersOf(part(byGet.body, 'response'))['given'], ['Ann']);
});

t.test('$populate takes contexts by their declared names, as reference or resource', async (t) => {
  const parameter = (name: string, content: object): object => ({ name: 'context', part: [{ name: 'name', valueString: name }, { name: 'content', ...content }] });
  const given = await system('POST', 'Questionnaire/intake/$populate', { resourceType: 'Parameters', parameter: [
    parameter('patient', { resource: { resourceType: 'Patient', name: [{ use: 'official', given: ['Cara'] }] } }), parameter('other', { valueReference: { reference: 'Patient/bea' } }),
    parameter('encounter', { valueReference: { reference: 'Encounter/session-3' } }),
  ] });
  t.same(answersOf(part(given.body, 'response'))['given'], ['Cara']);
  t.same(part(given.body, 'response').encounter, { reference: 'Encounter/session-3' });
  t.ok(part(given.body, 'issues').issue.some((issue: any) => issue.expression?.[0] === 'Parameters.parameter[1]'), 'an undeclared name is said');
});

t.test('$populate shows a therapist nothing of a patient in nobody\'s care of theirs, and writes the access log', async (t) => {
  const therapist = service.as({ user: 'Practitioner/thea' });
  const of = (patient: string): Promise<any> => therapist('POST', 'Questionnaire/intake/$populate', { resourceType: 'Parameters', parameter: [{ name: 'subject', valueReference: { reference: `Patient/${patient}` } }] });
  t.equal((await of('ann')).status, 200);
  t.equal((await of('bea')).status, 422);
  t.equal((await service.as({ scopes: 'system/Questionnaire.r' })('POST', 'Questionnaire/intake/$populate', { resourceType: 'Parameters', parameter: [{ name: 'subject', valueReference: { reference: 'Patient/ann' } }] })).status, 403);
  const log = await system('GET', 'AuditEvent?patient=ann&_count=200');
  t.ok(log.text.includes('$populate'), 'the access log names the operation');
});

const survey = {
  resourceType: 'Questionnaire', id: 'survey', url: 'http://example.org/Questionnaire/survey', status: 'active',
  extension: [{ url: `${sdc}observationExtract`, valueBoolean: true }],
  item: [
    { linkId: 'weight', type: 'decimal', code: [{ system: 'http://loinc.org', code: '29463-7' }, { system: 'http://loinc.org', code: '3141-9' }], extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/questionnaire-unit', valueCoding: { system: 'http://unitsofmeasure.org', code: 'kg', display: 'kg' } }] },
    { linkId: 'panel', type: 'group', code: [{ system: 'urn:c', code: 'panel' }], extension: [{ url: `${sdc}observation-extract-category`, valueCodeableConcept: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'activity' }] } }], item: [
      { linkId: 'steps', type: 'integer', code: [{ system: 'urn:c', code: 'steps' }] },
      { linkId: 'felt', type: 'choice', repeats: true, code: [{ system: 'urn:c', code: 'felt' }], answerOption: ['calm', 'sad', 'tired'].map((code) => ({ valueCoding: { system: 'urn:f', code } })) },
      { linkId: 'secret', type: 'string', code: [{ system: 'urn:c', code: 'secret' }], extension: [{ url: `${sdc}observationExtract`, valueBoolean: false }] },
    ] },
    { linkId: 'two', type: 'boolean', code: [{ system: 'urn:c', code: 'a', extension: [{ url: `${sdc}observationExtract`, valueBoolean: true }] }, { system: 'urn:c', code: 'b' }] },
    { linkId: 'file', type: 'attachment', code: [{ system: 'urn:c', code: 'file' }] },
    { linkId: 'uncoded', type: 'string' },
  ],
};
const surveyed = (more: object, weight = '70.50', felt = ['calm', 'sad']): string => JSON.stringify({
  resourceType: 'QuestionnaireResponse', id: 'r1', questionnaire: survey.url, status: 'completed', subject: { reference: 'Patient/ann' }, authored: '2026-03-01T09:00:00Z', author: { reference: 'Patient/ann' },
  encounter: { reference: 'Encounter/session-3' }, extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare', valueReference: { reference: 'EpisodeOfCare/e1' } }],
  item: [
    { linkId: 'weight', answer: [{ valueDecimal: 'WEIGHT' }] },
    { linkId: 'panel', item: [{ linkId: 'steps', answer: [{ valueInteger: 4000 }] }, { linkId: 'felt', answer: felt.map((code) => ({ valueCoding: { system: 'urn:f', code } })) }, { linkId: 'secret', answer: [{ valueString: 'x' }] }] },
    { linkId: 'two', answer: [{ valueBoolean: true }] }, { linkId: 'uncoded', answer: [{ valueString: 'y' }] },
  ], ...more,
}).replace('"WEIGHT"', weight);

t.test('$extract gives a transaction of Observations; sent again it changes nothing, amended answers update in place, an error withdraws', async (t) => {
  await put(system, survey);
  t.equal((await system('PUT', 'QuestionnaireResponse/r1', surveyed({}))).status, 201);
  const first = await system('GET', 'QuestionnaireResponse/r1/$extract');
  t.equal(first.status, 200);
  t.equal(first.body.resourceType, 'Bundle');
  t.equal(first.body.type, 'transaction');
  t.same(validate(first.body), []);
  const of = (bundle: any, code: string): any[] => bundle.entry.map((entry: any) => entry.resource).filter((resource: any) => resource.code.coding.some((each: any) => each.code === code));
  const [weight] = of(first.body, '29463-7');
  t.match(weight, {
    status: 'final', subject: { reference: 'Patient/ann' }, encounter: { reference: 'Encounter/session-3' }, effectiveDateTime: '2026-03-01T09:00:00Z', issued: '2026-03-01T09:00:00Z',
    performer: [{ reference: 'Patient/ann' }], derivedFrom: [{ reference: 'QuestionnaireResponse/r1' }], category: [{ coding: [{ code: 'survey' }] }], valueQuantity: { unit: 'kg', code: 'kg' },
    extension: [{ valueReference: { reference: 'EpisodeOfCare/e1' } }],
  });
  t.equal(weight.code.coding.length, 2, 'all codes of the item');
  t.match(first.text, '"value":70.50', 'decimals as they were written');
  const [panel] = of(first.body, 'panel');
  t.notOk(Object.keys(panel).some((key) => key.startsWith('value')));
  t.same(panel.hasMember.map(({ reference }: any) => reference), [...of(first.body, 'steps'), ...of(first.body, 'felt')].map(({ id }) => `Observation/${id}`));
  t.equal(of(first.body, 'steps')[0].category[0].coding[0].code, 'activity', 'the nearest category');
  t.equal(of(first.body, 'felt').length, 2, 'an Observation for each answer');
  t.same(of(first.body, 'a')[0].code.coding, [{ system: 'urn:c', code: 'a' }], 'only the marked code');
  t.equal(of(first.body, 'secret').length, 0, 'false ends it');
  t.equal(first.body.entry.length, 6);

  const sent = await system('POST', '', first.body);
  t.equal(sent.status, 200, sent.text);
  const again = await system('GET', 'QuestionnaireResponse/r1/$extract');
  t.equal(part(again.body, 'return').entry, undefined, 'nothing to write');
  t.equal(part(again.body, 'issues').issue[0].severity, 'information');

  await system('PUT', 'QuestionnaireResponse/r1', surveyed({ status: 'amended' }, '71.0', ['sad']));
  const amended = (await system('GET', 'QuestionnaireResponse/r1/$extract')).body;
  t.same(amended.entry.map((entry: any) => [entry.request.method, entry.request.ifMatch, entry.resource.status]), [['PUT', 'W/"1"', 'amended'], ['PUT', 'W/"1"', 'amended']], 'what changed, and the panel that lost a member');
  t.equal(of(amended, '29463-7')[0].id, weight.id);
  t.equal((await system('POST', '', amended)).status, 200);
  t.equal((await system('GET', `Observation/${weight.id}`)).body.valueQuantity.value, 71);

  await system('PUT', 'QuestionnaireResponse/r1', surveyed({ status: 'entered-in-error' }, '71.0', ['sad']));
  const withdrawn = (await system('GET', 'QuestionnaireResponse/r1/$extract')).body;
  t.ok(withdrawn.entry.length >= 5 && withdrawn.entry.every((entry: any) => entry.resource.status === 'entered-in-error'));
  t.equal((await system('POST', '', withdrawn)).status, 200);
});

t.test('$extract of a response that is not stored creates, linked by urn:uuid; one that is not complete or not valid is refused', async (t) => {
  const { id: _id, ...given } = JSON.parse(surveyed({})) as Record<string, unknown>;
  const direct = await system('POST', 'QuestionnaireResponse/$extract', given);
  const wrapped = await system('POST', 'QuestionnaireResponse/$extract', { resourceType: 'Parameters', parameter: [{ name: 'questionnaire-response', resource: given }, { name: 'questionnaire', resource: survey }] });
  t.same(direct.body, wrapped.body);
  t.ok(direct.body.entry.every((entry: any) => entry.request.method === 'POST' && entry.fullUrl.startsWith('urn:uuid:') && entry.resource.id === undefined));
  const panel = direct.body.entry.find((entry: any) => entry.resource.hasMember !== undefined).resource;
  t.ok(panel.hasMember.every(({ reference }: any) => direct.body.entry.some((entry: any) => entry.fullUrl === reference)));
  t.equal((await system('POST', '', direct.body)).status, 200);
  for (const [more, status] of [[{ status: 'in-progress' }, 422], [{ questionnaire: 'http://example.org/none' }, 422], [{ item: [{ linkId: 'weight', answer: [{ valueString: 'heavy' }] }] }, 422], [{ status: 'done' }, 400]] as const) {
    t.equal((await system('POST', 'QuestionnaireResponse/$extract', { ...given, ...more })).status, status, JSON.stringify(more));
  }
  t.equal((await system('GET', 'QuestionnaireResponse/none/$extract')).status, 404);
});

t.test('$extract leaves to the service what it computes itself, and copies the labels of a private entry', async (t) => {
  const instrument = await system('POST', 'QuestionnaireResponse', phq9('ann', spread(12, 9, 1), '2026-03-02T09:00:00Z'));
  const extracted = await system('GET', `QuestionnaireResponse/${instrument.body.id}/$extract`);
  const bundle = part(extracted.body, 'return');
  t.equal(bundle.entry.length, 8, 'eight items; the watched ninth is the service\'s own');
  t.notOk(JSON.stringify(bundle).includes('44261-6'), 'no total');
  t.equal((await system('POST', '', bundle)).status, 200, 'and they can be stored');
  const other = await system('POST', 'QuestionnaireResponse', gad7('ann', spread(9, 7, 0), '2026-03-02T09:00:00Z'));
  t.equal((await system('GET', `QuestionnaireResponse/${other.body.id}/$extract`)).body.entry.length, 7);

  const codes = ['44250-9', '44255-8', '44259-0', '44254-1', '44251-7', '44258-2', '44252-5', '44253-3', '44260-8'];
  await put(system, { resourceType: 'Questionnaire', id: 'foreign', url: 'http://example.org/Questionnaire/foreign', status: 'active', extension: [{ url: `${sdc}observationExtract`, valueBoolean: true }], code: [{ system: 'http://loinc.org', code: '44249-1' }], item: [
    ...codes.map((code) => ({ linkId: code, type: 'choice', code: [{ system: 'http://loinc.org', code }], answerOption: ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'].map((each) => ({ valueCoding: { system: 'http://loinc.org', code: each } })) })),
    { linkId: 'total', type: 'integer', code: [{ system: 'http://loinc.org', code: '44261-6' }] },
  ] });
  const foreign = await system('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', questionnaire: 'http://example.org/Questionnaire/foreign', status: 'completed', subject: { reference: 'Patient/ann' }, authored: '2026-03-04T09:00:00Z', item: [
    ...codes.map((linkId) => ({ linkId, answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA6568-5' } }] })), { linkId: 'total', answer: [{ valueInteger: 0 }] },
  ] });
  t.equal(foreign.status, 201, foreign.text);
  const fromForeign = (await system('GET', `QuestionnaireResponse/${foreign.body.id}/$extract`)).body;
  t.equal(part(fromForeign, 'return').entry.length, 8, 'the total of a foreign form of the instrument is left to the service too');
  t.equal(part(fromForeign, 'issues').issue.length, 2, 'and both that are left out are said');

  const checkIn = { resourceType: 'QuestionnaireResponse', questionnaire: `${base}/Questionnaire/bs-journal-question`, status: 'completed', subject: { reference: 'Patient/ann' }, authored: '2026-03-03T20:00:00Z', author: { reference: 'Patient/ann' }, item: [{ linkId: 'question', answer: [{ valueString: 'What if?' }] }, { linkId: 'bring-to-session', answer: [{ valueBoolean: true }] }] };
  const own = service.as({ patient: 'ann' });
  const entry = await own('POST', 'QuestionnaireResponse', checkIn);
  t.equal(entry.status, 201, entry.text);
  const [stored] = (await own('GET', `QuestionnaireResponse/${entry.body.id}/$extract`)).body.entry;
  t.match(stored.resource.meta.security, [{ system: `${base}/CodeSystem/sharing`, code: 'private' }]);
  const [unstored] = (await own('POST', 'QuestionnaireResponse/$extract', checkIn)).body.entry;
  t.match(unstored.resource.meta.security, [{ code: 'private' }]);
});

t.test('$extract puts answers at the elements that item.definition names', async (t) => {
  const definition = (path: string): string => `http://hl7.org/fhir/StructureDefinition/${path.split('.')[0]}#${path}`;
  const target = { resourceType: 'Questionnaire', id: 'goal-form', url: 'http://example.org/Questionnaire/goal-form', status: 'active', extension: [{ url: `${sdc}itemExtractionContext`, valueExpression: { language: 'application/x-fhir-query', expression: 'Goal' } }], item: [
    { linkId: 'status', type: 'choice', definition: definition('Goal.lifecycleStatus'), answerOption: [{ valueCoding: { code: 'proposed' } }] },
    { linkId: 'who', type: 'reference', definition: definition('Goal.subject') },
    { linkId: 'what', type: 'text', definition: definition('Goal.description.text') },
    { linkId: 'by', type: 'group', repeats: true, definition: definition('Goal.target'), item: [{ linkId: 'due', type: 'date', definition: definition('Goal.target.due[x]') }, { linkId: 'measure', type: 'string', definition: definition('Goal.target.measure.text') }] },
    { linkId: 'odd', type: 'boolean', definition: definition('Goal.startDate') },
    { linkId: 'contact', type: 'group', repeats: true, extension: [{ url: `${sdc}definitionExtract`, extension: [{ url: 'definition', valueCanonical: 'http://hl7.org/fhir/StructureDefinition/RelatedPerson' }] }, { url: `${sdc}definitionExtractValue`, extension: [{ url: 'definition', valueUri: definition('RelatedPerson.patient') }, { url: 'expression', valueExpression: fhirpath('%resource.subject') }] }], item: [
      { linkId: 'family', type: 'string', definition: definition('RelatedPerson.name.family') }, { linkId: 'given', type: 'string', repeats: true, definition: definition('RelatedPerson.name.given') },
    ] },
  ] };
  const person = (family: string, ...given: string[]): object => ({ linkId: 'contact', item: [{ linkId: 'family', answer: [{ valueString: family }] }, { linkId: 'given', answer: given.map((valueString) => ({ valueString })) }] });
  const response = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: target.url, subject: { reference: 'Patient/ann' }, item: [
    { linkId: 'status', answer: [{ valueCoding: { code: 'proposed' } }] }, { linkId: 'who', answer: [{ valueReference: { reference: 'Patient/ann' } }] }, { linkId: 'what', answer: [{ valueString: 'Sleep well' }] },
    { linkId: 'by', item: [{ linkId: 'due', answer: [{ valueDate: '2026-06-01' }] }, { linkId: 'measure', answer: [{ valueString: 'Hours' }] }] }, { linkId: 'by', item: [{ linkId: 'due', answer: [{ valueDate: '2026-09-01' }] }, { linkId: 'measure', answer: [{ valueString: 'Hours' }] }] },
    { linkId: 'odd', answer: [{ valueBoolean: true }] }, person('Neighbour', 'Nia', 'Noor'), person('Friend', 'Flo'),
  ] };
  await put(system, target);
  const stored = await system('POST', 'QuestionnaireResponse', response);
  const extracted = (await system('GET', `QuestionnaireResponse/${stored.body.id}/$extract`)).body;
  const resources = part(extracted, 'return').entry.map((entry: any) => entry.resource);
  t.match(resources[0], { resourceType: 'Goal', lifecycleStatus: 'proposed', subject: { reference: 'Patient/ann' }, description: { text: 'Sleep well' }, target: [{ dueDate: '2026-06-01', measure: { text: 'Hours' } }, { dueDate: '2026-09-01' }] });
  t.same(resources.slice(1).map((each: any) => [each.resourceType, each.patient.reference, each.name]), [['RelatedPerson', 'Patient/ann', [{ family: 'Neighbour', given: ['Nia', 'Noor'] }]], ['RelatedPerson', 'Patient/ann', [{ family: 'Friend', given: ['Flo'] }]]]);
  t.same(part(extracted, 'issues').issue.map((issue: any) => issue.expression), [['QuestionnaireResponse.item[5].answer[0]']], 'what fits nowhere is said');
  t.equal((await system('POST', '', part(extracted, 'return'))).status, 200);
  t.equal(part((await system('GET', `QuestionnaireResponse/${stored.body.id}/$extract`)).body, 'return').entry, undefined, 'and it is the same the second time');
  await put(system, { ...response, id: stored.body.id, status: 'entered-in-error' });
  const withdrawn = part((await system('GET', `QuestionnaireResponse/${stored.body.id}/$extract`)).body, 'return').entry;
  t.same(withdrawn.map(({ resource, request }: any) => [resource.resourceType, resource.lifecycleStatus, request.ifMatch]), [['Goal', 'entered-in-error', 'W/"1"']], 'what has such a status is withdrawn');
});

t.test('$apply of the shipped homework week is a draft CarePlan that can be stored', async (t) => {
  const applied = await system('POST', 'PlanDefinition/bs-homework-week/$apply', { resourceType: 'Parameters', parameter: [{ name: 'subject', valueString: 'Patient/ann' }, { name: 'encounter', valueString: 'Encounter/session-3' }, { name: 'practitioner', valueString: 'Practitioner/thea' }] });
  t.equal(applied.status, 200, applied.text);
  t.same(validate(applied.body), []);
  t.match(applied.body, { resourceType: 'CarePlan', intent: 'plan', status: 'draft', subject: { reference: 'Patient/ann' }, encounter: { reference: 'Encounter/session-3' }, author: { reference: 'Practitioner/thea' }, instantiatesCanonical: [`${base}/PlanDefinition/bs-homework-week|1.0.0`] });
  const [goal, practice, plan, attempt, look] = applied.body.contained;
  t.match(goal, { resourceType: 'Goal', lifecycleStatus: 'proposed' });
  t.match(practice, { resourceType: 'Task', status: 'draft', intent: 'plan', owner: { reference: 'Patient/ann' }, requester: { reference: 'Practitioner/thea' }, code: { coding: [{ code: 'mindfulness' }] }, restriction: { repetitions: 7 }, instantiatesCanonical: `${base}/ActivityDefinition/bs-breathing-practice|1.0.0` });
  t.match(plan, { code: { coding: [{ code: 'complete-questionnaire' }] }, input: [{ valueCanonical: `${base}/Questionnaire/bs-experiment-plan|1.0.0` }], reasonReference: { reference: `#${goal.id}` } });
  t.same(applied.body.activity.map((each: any) => each.reference?.reference ?? each.detail.status), [`#${practice.id}`, `#${plan.id}`, `#${attempt.id}`, `#${look.id}`, 'not-started']);
  t.match(applied.body.activity[2].extension[0].extension, [{ valueReference: { reference: `#${plan.id}` } }, { valueCode: 'after-end' }]);
  t.equal((await system('GET', 'CarePlan?patient=ann&_summary=count')).body.total, 0, 'nothing is stored');
  t.equal((await system('POST', 'CarePlan', applied.body)).status, 201);
});

t.test('$apply decides constant and simple conditions, sets dynamic values, and refuses by name what it cannot', async (t) => {
  const subject = { name: 'subject', valueString: 'Patient/ann' };
  const request = { resourceType: 'ActivityDefinition', id: 'walk', url: 'http://example.org/ActivityDefinition/walk', status: 'active', kind: 'ServiceRequest', doNotPerform: true, code: { text: 'Walk' }, timingTiming: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } }, dynamicValue: [{ path: 'patientInstruction', expression: fhirpath('%patient.name.family.first()') }] };
  await put(system, request);
  const single = await system('GET', 'ActivityDefinition/walk/$apply?subject=Patient/ann');
  t.match(single.body, { resourceType: 'ServiceRequest', status: 'draft', intent: 'proposal', doNotPerform: true, patientInstruction: 'Example', occurrenceTiming: { repeat: { period: 1 } } });
  t.same(validate(single.body), []);
  const condition = (expression: string): object => ({ kind: 'applicability', expression: fhirpath(expression) });
  const plan = (...action: object[]): object => ({ resourceType: 'PlanDefinition', status: 'active', action });
  const apply = (definition: object): Promise<any> => system('POST', 'PlanDefinition/$apply', { resourceType: 'Parameters', parameter: [{ name: 'planDefinition', resource: definition }, subject] });
  const decided = await apply(plan({ title: 'no', condition: [condition('false')] }, { title: 'yes', condition: [condition('true')] }, { title: 'female', condition: [condition("%patient.gender = 'female'")] }, { title: 'other', condition: [condition("%patient.gender != 'female'")] }));
  t.same(decided.body.activity.map(({ detail }: any) => detail.description), ['yes', 'female']);
  const within = await apply({ ...plan({ definitionCanonical: '#inner', participant: [{ type: 'practitioner' }] }), contained: [{ resourceType: 'ActivityDefinition', id: 'inner', status: 'active', kind: 'Task', description: 'Look at it', timingDuration: { value: 3, code: 'd', system: 'http://unitsofmeasure.org', unit: 'days' } }] });
  t.same(validate(within.body), []);
  t.match(within.body.contained, [{ resourceType: 'Task', description: 'Look at it', intent: 'proposal' }], 'a definition that the plan contains');
  t.equal(within.body.contained[0].owner, undefined, 'nobody is named where no practitioner is given');
  const { start, end } = within.body.contained[0].restriction.period;
  t.ok(Math.abs(Date.parse(end) - Date.parse(start) - 3 * 86_400_000) < 2, 'a duration is a period from now');
  const refused = async (definition: object, expression: string): Promise<void> => {
    const { status, body } = await apply(definition);
    t.equal(status, 422, expression);
    t.same(body.issue[0].expression, [expression]);
  };
  await refused(plan({ condition: [condition('%patient.name.repeat(given)')] }), 'PlanDefinition.action[0].condition[0].expression');
  await refused(plan({ definitionCanonical: 'http://example.org/none' }), 'PlanDefinition.action[0].definition');
  await refused(plan({ action: [{ definitionCanonical: request.url, dynamicValue: [{ path: 'subject.nothing', expression: fhirpath("'x'") }] }] }), 'PlanDefinition.action[0].action[0].dynamicValue[0].path');
  t.equal((await system('GET', 'PlanDefinition/bs-homework-week/$apply')).status, 400, 'subject is required');
  t.equal((await service.as({ user: 'Practitioner/thea' })('GET', 'PlanDefinition/bs-homework-week/$apply?subject=Patient/bea')).status, 422, 'a subject that is not there for the caller');
});

t.test('the CapabilityStatement states the three, and each has its OperationDefinition', async (t) => {
  const { body } = await system('GET', 'metadata');
  for (const [type, name] of [['Questionnaire', 'populate'], ['QuestionnaireResponse', 'extract'], ['PlanDefinition', 'apply'], ['ActivityDefinition', 'apply']] as const) {
    const stated = body.rest[0].resource.find((each: any) => each.type === type).operation.find((each: any) => each.name === name);
    t.equal((await system('GET', `OperationDefinition?url=${stated.definition}`)).body.entry[0].resource.code, name);
  }
});

t.test('every shipped form and plan is valid, and what they extract has codes that are published', async (t) => {
  const folder = (name: string): any[] => readdirSync(new URL(`../../schemas/${name}/`, import.meta.url)).map((file) => JSON.parse(readFileSync(new URL(`../../schemas/${name}/${file}`, import.meta.url), 'utf8')));
  const items = new Set((await system('GET', 'CodeSystem/record-item')).body.concept.map(({ code }: any) => code));
  for (const resource of [...folder('questionnaires'), ...folder('plans')]) {
    t.same(validate(resource), [], resource.id);
    t.equal((await system('GET', `${resource.resourceType}/${resource.id}`)).status, 200);
    if (resource.resourceType !== 'Questionnaire') continue;
    const walk = (list: any[] = []): void => list.forEach((item) => {
      for (const { system: codes, code } of item.code ?? []) t.ok(codes === `${base}/CodeSystem/record-item` && items.has(code), `${resource.id} ${item.linkId}`);
      walk(item.item);
    });
    walk(resource.item);
    const share = resource.item.find(({ linkId }: any) => linkId === 'share');
    if (share !== undefined) t.equal(share.answerOption.find(({ initialSelected }: any) => initialSelected).valueCoding.code, 'private');
  }
  const populated = part((await system('GET', 'Questionnaire/bs-journal-pattern/$populate?subject=Patient/ann')).body, 'response');
  t.equal((answersOf(populated)['share']![0] as any).code, 'private');
});

t.test('an operation on what was deleted says that it was', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/gone', { resourceType: 'Patient', id: 'gone' });
  const resources = [
    { resourceType: 'Questionnaire', id: 'gone', status: 'active', url: 'urn:test:gone' },
    { resourceType: 'PlanDefinition', id: 'gone', status: 'active' },
    { resourceType: 'ActivityDefinition', id: 'gone', status: 'active', kind: 'ServiceRequest' },
    { resourceType: 'QuestionnaireResponse', id: 'gone', status: 'completed', subject: { reference: 'Patient/gone' } },
  ];
  for (const resource of resources) {
    await fhir('PUT', `${resource.resourceType}/gone`, resource);
    t.equal((await fhir('DELETE', `${resource.resourceType}/gone`)).status, 204);
    const operation = { Questionnaire: '$populate', QuestionnaireResponse: '$extract' }[resource.resourceType] ?? '$apply';
    const query = operation === '$extract' ? '' : '?subject=Patient/gone';
    const reply = await fhir('GET', `${resource.resourceType}/gone/${operation}${query}`);
    t.match([reply.status, reply.headers.get('etag'), reply.body.issue?.[0]?.code], [410, 'W/"2"', 'deleted'], `${resource.resourceType} ${operation}`);
    t.equal((await fhir('GET', `${resource.resourceType}/never/${operation}${query}`)).status, 404);
  }
});
