import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { gad7, phq9, phq9Items, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

const text = (name: string): string => readFileSync(new URL(`../data/${name}.json`, import.meta.url), 'utf8');
const resources = (body: any): any[] => (body.entry ?? []).map((entry: any) => entry.resource);

/** JSON with its numbers as they are written, so that 13.0 is not 13; without the meta elements that the service sets. */
function written(json: string): any {
  const keep = (_key: string, value: unknown, context: { source?: string }): unknown => (typeof value === 'number' ? `number ${context.source}` : value);
  const { meta: { versionId: _version, lastUpdated: _updated, ...meta } = {} as any, ...resource } = JSON.parse(json, keep as never);
  return { ...resource, meta };
}

/** Values of the total scores that were derived from a response. */
async function totals(fhir: Client, id: string): Promise<number[]> {
  const { body } = await fhir('GET', `Observation?derived-from=QuestionnaireResponse/${id}&code=44261-6,70274-6`);
  return resources(body).map((observation) => observation.valueInteger);
}

t.test('responses as real clients write them', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const id of ['ada', 'example']) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });

  await t.test('US Core: forms and answers are stored as they are, and PHQ-9 is scored', async (t) => {
    for (const name of ['Questionnaire-phq-9-example', 'Questionnaire-AUDIT-C', 'QuestionnaireResponse-phq-9-example', 'QuestionnaireResponse-AUDIT-C']) {
      const sent = text(`us-core/${name}`);
      const { resourceType, id } = JSON.parse(sent);
      const put = await fhir('PUT', `${resourceType}/${id}`, sent);
      t.equal(put.status, 201, `${name} ${put.text.slice(0, 300)}`);
      t.same(written((await fhir('GET', `${resourceType}/${id}`)).text), written(sent), name);
    }
    t.same(await totals(fhir, 'phq-9-example'), [12]);
    t.same(await totals(fhir, 'AUDIT-C'), [], 'an instrument that is not in the registry is stored and left alone');
  });

  const shapes: [name: string, total: number, why: string][] = [
    ['phq-9', 13, 'no questionnaire, linkIds /44250-9, total and difficulty beside the nine'],
    ['phq-9-under-its-panel', 13, 'nested under the panel, linkIds /44249-1/44250-9'],
    ['phq-9-in-german', 13, 'http://loinc.org/q/44249-1, German texts and displays'],
    ['phq-9-with-its-form', 13, 'the Questionnaire is contained; only it knows which question is which'],
    ['gad-7-older', 8, 'codings without system, item 2 answered "More days than not"'],
    ['gad-7-plain-links', 3, 'codes as linkIds, a canonical of somebody else'],
  ];
  for (const [name, total, why] of shapes) {
    await t.test(`${name}: ${why}`, async (t) => {
      const sent = text(`lhc-forms/${name}`);
      const posted = await fhir('POST', 'QuestionnaireResponse', sent);
      t.equal(posted.status, 201, posted.text.slice(0, 300));
      const { id, ...stored } = written((await fhir('GET', `QuestionnaireResponse/${posted.body.id}`)).text);
      t.same(stored, written(sent));
      t.same(await totals(fhir, id), [total]);
    });
  }

  await t.test('a form of our own store is found by Questionnaire/id, by its URL here and by its canonical', async (t) => {
    const form = { ...JSON.parse(text('lhc-forms/phq-9-with-its-form')).contained[0], id: 'my-form', url: 'https://clinic.example/forms/phq', version: '3' };
    t.equal((await fhir('PUT', 'Questionnaire/my-form', form)).status, 201);
    const { contained: _, ...response } = JSON.parse(text('lhc-forms/phq-9-with-its-form'));
    for (const questionnaire of ['Questionnaire/my-form', `${service.url}/Questionnaire/my-form`, 'https://clinic.example/forms/phq', 'https://clinic.example/forms/phq|3']) {
      const posted = await fhir('POST', 'QuestionnaireResponse', { ...response, questionnaire });
      t.equal(posted.status, 201, `${questionnaire} ${posted.text.slice(0, 300)}`);
      t.same(await totals(fhir, posted.body.id), [13], questionnaire);
    }
    const foreign = await fhir('POST', 'QuestionnaireResponse', { ...response, questionnaire: 'Questionnaire/not-here' });
    t.equal(foreign.status, 201, 'a form that is not here is no reason to refuse answers');
    t.same(await totals(fhir, foreign.body.id), [], 'nor to guess what they mean');
  });

  await t.test('a form that is changed binds the answers that come after', async (t) => {
    const question = (linkId: string) => ({ linkId, text: linkId, type: 'string' });
    const form = { resourceType: 'Questionnaire', id: 'diary', url: 'https://clinic.example/forms/diary', status: 'active', item: [question('a')] };
    const entry = (linkId: string) => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: form.url, subject: { reference: 'Patient/ada' }, item: [{ linkId, answer: [{ valueString: 'x' }] }] });
    await fhir('PUT', 'Questionnaire/diary', form);
    t.equal((await fhir('POST', 'QuestionnaireResponse', entry('a'))).status, 201);
    t.equal((await fhir('POST', 'QuestionnaireResponse', entry('b'))).status, 422);
    await fhir('PUT', 'Questionnaire/diary', { ...form, item: [question('a'), question('b')] });
    t.equal((await fhir('POST', 'QuestionnaireResponse', entry('b'))).status, 201);
  });

  await t.test('a form and its answers in one transaction', async (t) => {
    const { contained: [form], ...response } = JSON.parse(text('lhc-forms/phq-9-with-its-form'));
    const fullUrl = 'urn:uuid:0e7c2f5e-98cb-4bd5-86f3-7a0e0a2f6d10';
    for (const [questionnaire, url] of [[fullUrl, undefined], ['https://clinic.example/forms/same-bundle', 'https://clinic.example/forms/same-bundle']]) {
      const bundle = (item: unknown) => ({ resourceType: 'Bundle', type: 'transaction', entry: [
        { resource: { ...response, questionnaire, item }, request: { method: 'POST', url: 'QuestionnaireResponse' } },
        { fullUrl, resource: { ...form, id: undefined, url }, request: { method: 'POST', url: 'Questionnaire' } },
      ] });
      const { status, body, text: all } = await fhir('POST', '', bundle(response.item));
      t.equal(status, 200, all.slice(0, 300));
      t.same(await totals(fhir, body.entry[0].response.location.split('/').at(-3)), [13]);
      const wrong = await fhir('POST', '', bundle([{ linkId: 'no-such-question', answer: [{ valueInteger: 1 }] }]));
      t.equal(wrong.status, 422);
      t.same(wrong.body.issue[0].expression, ['Bundle.entry[0].resource.item[0].linkId']);
    }
  });

  await t.test('numbers instead of codes', async (t) => {
    for (const answer of [{ valueInteger: 2 }, { valueDecimal: 2 }]) {
      const body = { ...phq9('ada', [], '2026-04-01T10:00:00Z'), questionnaire: undefined, item: phq9Items.map((code) => ({ linkId: `/${code}`, answer: [answer] })) };
      const posted = await fhir('POST', 'QuestionnaireResponse', body);
      t.equal(posted.status, 201, posted.text.slice(0, 300));
      t.same(await totals(fhir, posted.body.id), [18]);
    }
  });

  await t.test('in-progress and stopped: no total from too few answers', async (t) => {
    const some = (status: string, answered: number): Record<string, any> => {
      const body = phq9('ada', spread(9), '2026-04-02T10:00:00Z', { status });
      return { ...body, item: (body['item'] as object[]).slice(0, answered) };
    };
    const running = await fhir('POST', 'QuestionnaireResponse', some('in-progress', 9));
    t.same(await totals(fhir, running.body.id), [], 'while it is answered there is no total');
    const stopped = await fhir('POST', 'QuestionnaireResponse', some('stopped', 3));
    t.same(await totals(fhir, stopped.body.id), []);
    for (const [status, answered, expected] of [['stopped', 7, 10], ['completed', 6, null]] as const) {
      const posted = await fhir('POST', 'QuestionnaireResponse', some(status, answered));
      t.equal(posted.status, 201, posted.text.slice(0, 300));
      const [score] = resources((await fhir('GET', `Observation?derived-from=QuestionnaireResponse/${posted.body.id}&code=44261-6`)).body);
      t.equal(score.valueInteger ?? null, expected, `${status} with ${answered} answers`);
      t.equal(score.dataAbsentReason === undefined, expected !== null, 'and why there is none is said');
    }
    const finished = await fhir('POST', 'QuestionnaireResponse', some('in-progress', 4));
    const { id } = finished.body;
    t.equal((await fhir('PUT', `QuestionnaireResponse/${id}`, { ...some('completed', 9), id })).status, 200);
    t.same(await totals(fhir, id), [9], 'the total comes when the form is completed');
  });

  await t.test('an answer that the question does not offer is refused by name, and nothing is stored', async (t) => {
    const body: any = phq9('ada', spread(9), '2026-04-03T10:00:00Z', { identifier: { value: 'wrong-answer' } });
    body.item[3].answer[0].valueCoding.code = 'LA9999-9';
    for (const questionnaire of [body.questionnaire, undefined]) {
      const posted = await fhir('POST', 'QuestionnaireResponse', { ...body, questionnaire });
      t.equal(posted.status, 422);
      t.match(posted.body, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'code-invalid', expression: ['QuestionnaireResponse.item[3].answer[0].value'] }] });
      t.notMatch(posted.text, /LA9999/);
    }
    t.equal(resources((await fhir('GET', 'QuestionnaireResponse?identifier=wrong-answer')).body).length, 0);
  });

  await t.test('an item given twice is refused by name', async (t) => {
    const body: any = phq9('ada', spread(9), '2026-04-03T11:00:00Z');
    body.item.push(body.item[2]);
    for (const questionnaire of [body.questionnaire, undefined]) {
      const posted = await fhir('POST', 'QuestionnaireResponse', { ...body, questionnaire });
      t.equal(posted.status, 422, posted.text.slice(0, 200));
      t.same(posted.body.issue[0].expression, ['QuestionnaireResponse.item[9]']);
    }
  });

  await t.test('declining to answer is an answer: no total is invented from it', async (t) => {
    const declined = { valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'asked-declined' } };
    const body: any = gad7('ada', spread(6, 7), '2026-04-04T10:00:00Z', { questionnaire: 'https://phr.example/Questionnaire/gad7' });
    for (const at of [0, 3]) body.item[at].answer = [declined];
    const posted = await fhir('POST', 'QuestionnaireResponse', body);
    t.equal(posted.status, 201, posted.text.slice(0, 300));
    t.same(await totals(fhir, posted.body.id), [undefined], 'two of seven were declined: no total');
    const safety: any = phq9('ada', spread(9), '2026-04-04T11:00:00Z');
    safety.item[8].answer = [declined];
    const withForm = await fhir('POST', 'QuestionnaireResponse', safety);
    t.equal(withForm.status, 201, 'also where the form does not offer it: what was answered must not be lost');
    t.same(await totals(fhir, withForm.body.id), [10], '9 of eight answers, the ninth in proportion: 10.1');
    const reviews = (await fhir('GET', `Task?focus=QuestionnaireResponse/${withForm.body.id}&code=safety-review`)).body;
    t.match(reviews, { total: 1, entry: [{ resource: { priority: 'routine' } }] }, 'the question that was not answered is looked at');
    const without = await fhir('POST', 'QuestionnaireResponse', { ...safety, questionnaire: undefined });
    t.equal(without.status, 201);
    t.same(await totals(fhir, without.body.id), [10]);
  });
});

t.test('of whom: every way in which FHIR can name the subject', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', identifier: [{ system: 'urn:clinic', value: '17' }] });
  const answers = (subject: unknown): Record<string, unknown> => ({ ...phq9('ada', spread(9), '2026-01-05T10:00:00Z'), subject });

  await t.test('an absolute URL on our own base is the patient here', async (t) => {
    const posted = await fhir('POST', 'QuestionnaireResponse', answers({ reference: `${service.url}/Patient/ada` }));
    t.equal(posted.status, 201, posted.text.slice(0, 300));
    t.same(await totals(fhir, posted.body.id), [9]);
    for (const query of ['subject=Patient/ada', 'patient=ada', `subject=${service.url}/Patient/ada`]) {
      t.same(resources((await fhir('GET', `QuestionnaireResponse?${query}`)).body).map(({ id }) => id), [posted.body.id], query);
    }
    t.same(resources((await fhir('GET', 'Patient/ada/QuestionnaireResponse')).body).map(({ id }) => id), [posted.body.id], 'in the compartment');
  });

  await t.test('a patient of another server, or one that is not here', async (t) => {
    const elsewhere = await fhir('POST', 'QuestionnaireResponse', answers({ reference: 'https://other.example/fhir/Patient/ada' }));
    t.equal(elsewhere.status, 201, 'is stored');
    t.same(await totals(fhir, elsewhere.body.id), [], 'and belongs to no record here');
    const absent = await fhir('POST', 'QuestionnaireResponse', answers({ reference: 'Patient/nobody' }));
    t.equal(absent.status, 422);
    t.same(absent.body.issue[0].expression, ['QuestionnaireResponse.subject']);
    const wrongType = await fhir('POST', 'QuestionnaireResponse', answers({ reference: 'Patientt/ada' }));
    t.equal(wrongType.status, 400);
    t.same(wrongType.body.issue[0].expression, ['QuestionnaireResponse.subject.reference']);
  });

  await t.test('no subject, or only its identifier: stored, not scored, and not in anybody\'s record', async (t) => {
    for (const subject of [undefined, { identifier: { system: 'urn:clinic', value: '17' } }, { display: 'Ada' }]) {
      const posted = await fhir('POST', 'QuestionnaireResponse', answers(subject));
      t.equal(posted.status, 201, posted.text.slice(0, 300));
      t.same(await totals(fhir, posted.body.id), []);
      t.equal((await fhir('GET', `QuestionnaireResponse/${posted.body.id}`)).status, 200);
    }
  });

  await t.test('answers that a person is to look at are not taken without the Patient: nobody would be told', async (t) => {
    const safety = (subject: unknown): any => ({ ...phq9('ada', spread(9, 9, 1), '2026-01-05T10:00:00Z'), subject });
    const count = async (): Promise<number> => (await fhir('GET', 'QuestionnaireResponse?_summary=count')).body.total;
    const before = await count();
    const refused = async (reply: any): Promise<void> => {
      t.equal(reply.status, 422, reply.text.slice(0, 300));
      t.match(reply.body.issue[0], { code: 'required', details: { text: /name the Patient/ } });
      t.match(reply.body.issue[0].expression[0], /subject$/);
    };
    for (const subject of [undefined, { identifier: { system: 'urn:clinic', value: '17' } }, { display: 'Ada' }]) await refused(await fhir('POST', 'QuestionnaireResponse', safety(subject)));
    await refused(await fhir('PUT', 'QuestionnaireResponse/lost', { ...safety(undefined), id: 'lost' }));
    await refused(await fhir('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'https://intersession.example/fhir/Questionnaire/bs-help-now' }));
    await refused(await fhir('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'in-progress', item: [{ linkId: '/44260-8', answer: [{ valueInteger: 2 }] }] }));
    const entries = [{ resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } }, { resource: safety(undefined), request: { method: 'POST', url: 'QuestionnaireResponse' } }];
    await refused(await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: entries }));
    t.match((await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: entries })).body.entry.map(({ response }: any) => response.status), [/^201/, /^422/]);
    t.equal(await count(), before, 'nothing was stored');
    const calm = await fhir('POST', 'QuestionnaireResponse', answers(undefined));
    await refused(await fhir('PUT', `QuestionnaireResponse/${calm.body.id}`, { ...safety(undefined), id: calm.body.id, status: 'amended' }));
  });

  await t.test('urn:uuid of a Patient of the same transaction', async (t) => {
    const fullUrl = 'urn:uuid:6f2b8d0e-61f0-4c5d-9d5c-3a2a2b0f7c11';
    const { status, body, text: all } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
      { resource: answers({ reference: fullUrl }), request: { method: 'POST', url: 'QuestionnaireResponse' } },
      { fullUrl, resource: { resourceType: 'Patient' }, request: { method: 'POST', url: 'Patient' } },
    ] });
    t.equal(status, 200, all.slice(0, 300));
    const [response, patient] = body.entry.map(({ response }: any) => response.location.replace(`${service.url}/`, '').replace(/\/_history.*/, ''));
    t.equal((await fhir('GET', response)).body.subject.reference, patient);
    t.same(await totals(fhir, response.split('/')[1]), [9]);
  });
});

t.test('when: every way in which authored can be written', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const authoredOf = async (t: Test, patient: string, authored: string | undefined, more: object = {}) => {
    await fhir('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient });
    const posted = await fhir('POST', 'QuestionnaireResponse', { ...phq9(patient, spread(9), ''), authored, ...more });
    t.equal(posted.status, 201, posted.text.slice(0, 300));
    t.equal(posted.body.authored, authored, 'what was written stays');
    return resources((await fhir('GET', `Observation?patient=${patient}&code=44261-6`)).body)[0];
  };
  t.equal((await authoredOf(t, 'offset', '2026-01-05T23:30:00-08:00'))?.effectiveDateTime, '2026-01-05T23:30:00-08:00', 'with its offset');
  t.match((await authoredOf(t, 'date', '2026-01-05'))?.effectiveDateTime, /^2026-01-05/, 'date only');
  t.match((await authoredOf(t, 'month', '2026-01'))?.effectiveDateTime, /^2026-01/, 'month only');
  const absent = await authoredOf(t, 'absent', undefined);
  t.equal(absent?.valueInteger, 9, 'without authored it is scored all the same');
  const future = await authoredOf(t, 'future', '2099-01-01T00:00:00Z');
  t.equal(future?.valueInteger, 9, 'a clock that is wrong does not lose the answers');
  const withoutZone = await fhir('POST', 'QuestionnaireResponse', { ...phq9('date', spread(9), ''), authored: '2026-01-05T10:00:00' });
  t.equal(withoutZone.status, 400, 'a time needs a time zone (datatypes.html#dateTime)');
  t.match(withoutZone.body, { issue: [{ expression: ['QuestionnaireResponse.authored'] }] });
});
