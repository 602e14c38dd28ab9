import t from 'tap';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

const loinc = 'http://loinc.org';
const local = 'https://intersession.example/fhir/CodeSystem';
const entries = (body: any): any[] => (body.entry ?? []).map((entry: any) => entry.resource);

t.test('a posted PHQ-9 comes back as a durable, explained score', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  const posted = await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(14), '2026-01-05T10:00:00Z'));
  t.equal(posted.status, 201);
  t.match(posted.headers.get('location'), /\/fhir\/R4\/QuestionnaireResponse\/[0-9a-f-]{36}\/_history\/1$/);
  t.equal(posted.headers.get('etag'), 'W/"1"');
  const id = posted.body.id as string;

  await t.test('the score is there when the answer comes, with both codings, band, method and source', async (t) => {
    const { body } = await fhir('GET', `Observation?patient=p1&code=${loinc}|44261-6`);
    const [score] = entries(body);
    t.equal(entries(body).length, 1);
    t.equal(score.valueInteger, 14);
    t.equal(score.status, 'final');
    t.same(score.code.coding.map((coding: any) => coding.code), ['44261-6', 'phq-9']);
    t.equal(score.interpretation[0].coding[0].code, 'moderate');
    t.equal(score.derivedFrom[0].reference, `QuestionnaireResponse/${id}`);
    t.ok(score.method.coding[0].version, 'the version of the rule is named');
    t.ok(score.referenceRange.length >= 5);
  });

  await t.test('change and class follow from the second answer on', async (t) => {
    await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(6), '2026-02-05T10:00:00Z'));
    const { body } = await fhir('GET', `Observation?patient=p1&code=${local}/progress-metric|`);
    const byCode = Object.fromEntries(entries(body).map((o) => [o.code.coding[0].code, o]));
    t.equal(byCode['change-from-baseline']?.valueInteger ?? byCode['change-from-baseline']?.valueQuantity?.value, -8);
    t.equal(byCode['reliable-change']?.valueCodeableConcept.coding[0].code, 'recovered');
    t.ok(byCode['reliable-change'].derivedFrom.length >= 2, 'every input is named');
    t.ok(byCode['reliable-change'].device.reference.startsWith('Device/'));
  });

  await t.test('a response that arrives late computes the baseline again', async (t) => {
    await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(24), '2025-12-01T10:00:00Z'));
    const { body } = await fhir('GET', `Observation?patient=p1&code=${local}/progress-metric|change-from-baseline&_sort=date`);
    t.same(entries(body).map((o) => o.valueInteger ?? o.valueQuantity.value), [-10, -18]);
    t.match(entries(body).map((o) => o.status), ['final', /amended|corrected/]);
    t.ok(entries(body).some((o) => Number(o.meta.versionId) > 1), 'the earlier change has a new version');
  });

  await t.test('amending an answer amends what follows from it, and nothing is overwritten silently', async (t) => {
    const amended = await fhir('PUT', `QuestionnaireResponse/${id}`, { ...phq9('p1', spread(16), '2026-01-05T10:00:00Z', { status: 'amended' }), id });
    t.equal(amended.status, 200);
    const { body } = await fhir('GET', `Observation?patient=p1&code=44261-6&derived-from=QuestionnaireResponse/${id}`);
    t.equal(entries(body)[0].valueInteger, 16);
    t.match(entries(body)[0].status, /amended|corrected/);
    const history = await fhir('GET', `Observation/${entries(body)[0].id}/_history`);
    t.same(entries(history.body).map((o) => o.valueInteger), [16, 14]);
  });

  await t.test('entered-in-error withdraws what was derived', async (t) => {
    await fhir('PUT', `QuestionnaireResponse/${id}`, { ...phq9('p1', spread(16), '2026-01-05T10:00:00Z', { status: 'entered-in-error' }), id });
    const { body } = await fhir('GET', `Observation?derived-from=QuestionnaireResponse/${id}`);
    t.ok(entries(body).length > 0);
    t.ok(entries(body).every((o) => o.status === 'entered-in-error'));
  });

  await t.test('the provenance of a score names the response and this service', async (t) => {
    const { body } = await fhir('GET', 'Observation?patient=p1&code=44261-6&_revinclude=Provenance:target');
    const provenances = entries(body).filter((r) => r.resourceType === 'Provenance');
    t.ok(provenances.length >= 1);
    t.ok(provenances.every((p) => p.agent[0].who.reference.startsWith('Device/') && p.entity[0].what.reference.startsWith('QuestionnaireResponse/')));
  });

  await t.test('$progress shows the series with its explanation', async (t) => {
    const { status, body } = await fhir('GET', 'Patient/p1/$progress');
    t.equal(status, 200);
    const instrument = body.parameter.find((p: any) => p.name === 'instrument');
    t.equal(instrument.part.filter((p: any) => p.name === 'score').length, 2);
    const change = instrument.part.find((p: any) => p.name === 'change');
    t.equal(change.part.find((p: any) => p.name === 'class').valueCodeableConcept.coding[0].code, 'recovered');
  });
});

t.test('re-posting the same response changes nothing', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  const identified = phq9('p1', spread(9), '2026-01-05T10:00:00Z', { identifier: { system: 'urn:app', value: 'r-1' } });

  await t.test('the same identifier', async (t) => {
    const first = await fhir('POST', 'QuestionnaireResponse', identified);
    const again = await fhir('POST', 'QuestionnaireResponse', identified);
    t.equal(first.status, 201);
    t.equal(again.status, 200);
    t.equal(again.body.id, first.body.id);
    t.equal(again.text, first.text);
    const other = await fhir('POST', 'QuestionnaireResponse', { ...identified, authored: '2026-01-06T10:00:00Z' });
    t.equal(other.status, 409, 'the same identifier with other answers is a conflict, not a second response');
    t.equal(other.body.issue[0].expression[0], 'QuestionnaireResponse.identifier');
  });

  await t.test('If-None-Exist', async (t) => {
    const body = phq9('p1', spread(9), '2026-01-07T10:00:00Z', { identifier: { system: 'urn:app', value: 'r-2' } });
    const headers = { 'if-none-exist': 'identifier=urn:app|r-2' };
    const first = await fhir('POST', 'QuestionnaireResponse', body, headers);
    const again = await fhir('POST', 'QuestionnaireResponse', body, headers);
    t.equal(again.status, 200);
    t.equal(again.body.id, first.body.id);
  });

  await t.test('Idempotency-Key replays the first answer; another body under the key is refused', async (t) => {
    const body = phq9('p1', spread(9), '2026-01-08T10:00:00Z');
    const first = await fhir('POST', 'QuestionnaireResponse', body, { 'idempotency-key': 'k-1' });
    const again = await fhir('POST', 'QuestionnaireResponse', body, { 'idempotency-key': 'k-1' });
    t.equal(again.status, 201);
    t.equal(again.headers.get('location'), first.headers.get('location'));
    const other = await fhir('POST', 'QuestionnaireResponse', { ...body, authored: '2026-01-09T10:00:00Z' }, { 'idempotency-key': 'k-1' });
    t.equal(other.status, 422);
  });

  await t.test('64 clients posting the same response at once make one', async (t) => {
    const body = phq9('p1', spread(12), '2026-03-01T10:00:00Z', { identifier: { system: 'urn:app', value: 'race' } });
    const replies = await Promise.all(Array.from({ length: 64 }, () => fhir('POST', 'QuestionnaireResponse', body)));
    t.equal(replies.filter(({ status }) => status === 201).length, 1);
    t.equal(replies.filter(({ status }) => status === 200).length, 63);
    t.equal(new Set(replies.map(({ body }) => body.id)).size, 1);
    const scores = await fhir('GET', `Observation?patient=p1&code=44261-6&date=2026-03-01`);
    t.equal(entries(scores.body).length, 1);
    const keyed = await Promise.all(Array.from({ length: 32 }, () => fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(3), '2026-03-02T10:00:00Z'), { 'idempotency-key': 'race' })));
    t.equal(new Set(keyed.map(({ body }) => body.id)).size, 1);
    t.ok(keyed.every(({ status }) => status === 201));
    const conditional = await Promise.all(Array.from({ length: 32 }, () => fhir('POST', 'Practitioner', { resourceType: 'Practitioner', identifier: [{ system: 'urn:x', value: '1' }] }, { 'if-none-exist': 'identifier=urn:x|1' })));
    t.equal(new Set(conditional.map(({ body }) => body.id)).size, 1);
    t.equal(conditional.filter(({ status }) => status === 201).length, 1);
  });
});

t.test('a positive safety item raises one alert in the same transaction', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  await fhir('PUT', 'Practitioner/t1', { resourceType: 'Practitioner', id: 't1' });
  await fhir('PUT', 'CareTeam/c1', { resourceType: 'CareTeam', id: 'c1', status: 'active', subject: { reference: 'Patient/p1' }, participant: [{ member: { reference: 'Practitioner/t1' } }] });
  const { body: response } = await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(12, 9, 2), '2026-01-05T10:00:00Z'));
  const flags = entries((await fhir('GET', 'Flag?patient=p1')).body);
  t.equal(flags.length, 1);
  t.equal(flags[0].status, 'active');
  const tasks = entries((await fhir('GET', 'Task?patient=p1')).body);
  t.equal(tasks.length, 1);
  t.equal(tasks[0].priority, 'asap');
  t.equal(tasks[0].focus.reference, `QuestionnaireResponse/${response.id}`);
  t.equal(tasks[0].owner?.reference, 'Practitioner/t1');
  const item = entries((await fhir('GET', 'Observation?patient=p1&code=44260-8')).body);
  t.equal(item.length, 1);
  await fhir('PUT', `QuestionnaireResponse/${response.id}`, { ...phq9('p1', spread(12, 9, 2), '2026-01-05T10:00:00Z', { status: 'amended' }), id: response.id });
  t.equal(entries((await fhir('GET', 'Flag?patient=p1')).body).length, 1, 'an update of the same response makes no second alert');
  await fhir('PUT', `QuestionnaireResponse/${response.id}`, { ...phq9('p1', spread(10, 9, 0), '2026-01-05T10:00:00Z', { status: 'amended' }), id: response.id });
  const after = entries((await fhir('GET', 'Task?patient=p1')).body);
  t.equal(after.length, 1);
  t.equal(after[0].status, 'requested', 'amending the answer away never closes an alert');
});

t.test('a goal on a score gets its status, and a human who decides otherwise is respected', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(20), '2026-01-05T10:00:00Z'));
  const goal = {
    resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'Feel better' }, subject: { reference: 'Patient/p1' }, startDate: '2026-01-01',
    target: [{ measure: { coding: [{ system: loinc, code: '44261-6' }] }, detailQuantity: { value: 9, comparator: '<=' } }],
  };
  const created = await fhir('POST', 'Goal', goal);
  t.equal(created.status, 201);
  await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(8), '2026-03-05T10:00:00Z'));
  const computed = await fhir('GET', `Goal/${created.body.id}`);
  t.equal(computed.body.achievementStatus?.coding[0].code, 'achieved');
  const overridden = { ...computed.body, achievementStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/goal-achievement', code: 'in-progress' }] } };
  const put = await fhir('PUT', `Goal/${created.body.id}`, overridden);
  t.equal(put.status, 200, put.text.slice(0, 300));
  await fhir('POST', 'QuestionnaireResponse', phq9('p1', spread(7), '2026-03-12T10:00:00Z'));
  t.equal((await fhir('GET', `Goal/${created.body.id}`)).body.achievementStatus.coding[0].code, 'in-progress');

  const { body: another } = await fhir('POST', 'Goal', goal);
  t.equal((await fhir('GET', `Goal/${another.id}`)).body.achievementStatus.coding[0].code, 'achieved');
  const given = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    { resource: phq9('p1', spread(21), '2026-03-19T10:00:00Z'), request: { method: 'POST', url: 'QuestionnaireResponse' } },
    { resource: { ...goal, id: another.id, lifecycleStatus: 'cancelled' }, request: { method: 'PUT', url: `Goal/${another.id}` } },
  ] });
  t.equal(given.status, 200);
  t.equal((await fhir('GET', `Goal/${another.id}`)).body.achievementStatus, undefined, 'a goal that the same transaction gives up gets no status');
});

t.test('homework moves only along its allowed transitions', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  const task = {
    resourceType: 'Task', status: 'requested', intent: 'order', code: { coding: [{ system: `${local}/homework-type`, code: 'behavioural-experiment' }] },
    for: { reference: 'Patient/p1' }, owner: { reference: 'Patient/p1' }, authoredOn: '2026-01-01T10:00:00Z', lastModified: '2026-01-01T10:00:00Z',
  };
  const { body, status } = await fhir('POST', 'Task', task);
  t.equal(status, 201);
  const move = (to: string, more: object = {}) => fhir('PUT', `Task/${body.id}`, { ...body, status: to, ...more });
  t.equal((await move('rejected')).status, 422, 'declining needs a reason');
  t.equal((await move('accepted')).status, 200);
  t.equal((await move('draft')).status, 422);
  const done = await move('completed', { output: [{ type: { coding: [{ system: `${local}/task-output`, code: 'completion-fraction' }] }, valueDecimal: 1.0 }] });
  t.equal(done.status, 200, done.text.slice(0, 300));
  t.equal((await move('requested')).status, 422, 'what is completed stays completed');
});

t.test('answering a questionnaire fulfils the Task that asks for it', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p1', { resourceType: 'Patient', id: 'p1' });
  const sdc = 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp';
  const request = (authoredOn: string) => ({
    resourceType: 'Task', status: 'requested', intent: 'order', code: { coding: [{ system: sdc, code: 'complete-questionnaire' }] },
    for: { reference: 'Patient/p1' }, authoredOn, requester: { reference: 'Practitioner/t1' },
    input: [{ type: { coding: [{ system: sdc, code: 'questionnaire' }] }, valueCanonical: 'https://intersession.example/fhir/Questionnaire/gad-7' }],
  });
  const { body: task, status } = await fhir('POST', 'Task', request('2026-01-01T10:00:00Z'));
  t.equal(status, 201);
  const { body: response } = await fhir('POST', 'QuestionnaireResponse', gad7('p1', spread(8, 7), '2026-01-02T10:00:00Z'));
  const fulfilled = (await fhir('GET', `Task/${task.id}`)).body;
  t.equal(fulfilled.status, 'completed');
  t.equal(fulfilled.output[0].valueReference.reference, `QuestionnaireResponse/${response.id}`);

  const two = await Promise.all(['2026-01-08T10:00:00Z', '2026-01-15T10:00:00Z'].map(async (at) => (await fhir('POST', 'Task', request(at))).body.id));
  await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: ['2026-01-16T10:00:00Z', '2026-01-09T10:00:00Z', '2026-01-17T10:00:00Z'].map((at) =>
    ({ resource: gad7('p1', spread(8, 7), at), request: { method: 'POST', url: 'QuestionnaireResponse' } })) });
  const given = await Promise.all(two.map(async (id) => (await fhir('GET', `Task/${id}`)).body));
  t.same(given.map((each) => [each.status, each.output.length]), [['completed', 1], ['completed', 1]], 'each answer of one transaction is that of another request');
});
