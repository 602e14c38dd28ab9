import t from 'tap';
import { phq9, phq9Items, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

const sharing = 'https://intersession.example/fhir/CodeSystem/sharing';
const byText = (one: string, other: string): number => one.localeCompare(other);
const ids = (body: any): string[] => (body.entry ?? []).map(({ resource }: any) => resource.id as string).toSorted(byText);
const share = (code: string) => ({ linkId: 'share', answer: [{ valueCoding: { system: sharing, code } }] });

const shareItem = { linkId: 'share', type: 'choice', text: 'Who may see this?', answerOption: ['private', 'summary', 'all'].map((code) => ({ valueCoding: { system: sharing, code } })) };
const journal = { resourceType: 'Questionnaire', id: 'journal', url: 'urn:example:journal', status: 'active', item: [{ linkId: 'text', type: 'text', text: 'What happened?' }, shareItem] };

const entry = (more: object[] = [], id?: string) => ({
  resourceType: 'QuestionnaireResponse', ...(id === undefined ? {} : { id }), questionnaire: 'urn:example:journal', status: 'completed', subject: { reference: 'Patient/ann' }, author: { reference: 'Patient/ann' },
  authored: '2026-01-05T10:00:00Z', item: [{ linkId: 'text', answer: [{ valueString: 'a thought' }] }, ...more],
});

async function world(t: Parameters<typeof testService>[0]): Promise<{ system: Client; ann: Client; therapist: Client }> {
  const service = await testService(t);
  const system = service.as();
  await system('PUT', 'Patient/ann', { resourceType: 'Patient', id: 'ann' });
  await system('PUT', 'Practitioner/tom', { resourceType: 'Practitioner', id: 'tom' });
  await system('PUT', 'CareTeam/team', { resourceType: 'CareTeam', id: 'team', status: 'active', subject: { reference: 'Patient/ann' }, participant: [{ member: { reference: 'Practitioner/tom' } }] });
  await system('PUT', 'Questionnaire/journal', journal);
  return { system, ann: service.as({ patient: 'ann' }), therapist: service.as({ user: 'Practitioner/tom' }) };
}

t.test('a form that asks what to share is private unless the client says otherwise', async (t) => {
  const { ann, therapist, system } = await world(t);
  const posted = await ann('POST', 'QuestionnaireResponse', entry());
  t.equal(posted.status, 201, posted.text.slice(0, 300));
  t.match(posted.body.meta.security, [{ system: sharing, code: 'private' }]);
  const { id } = posted.body;
  t.equal((await ann('GET', `QuestionnaireResponse/${id}`)).status, 200, 'the client reads what the client wrote');
  t.same(ids((await ann('GET', 'QuestionnaireResponse?patient=ann')).body), [id]);
  t.equal((await system('GET', `QuestionnaireResponse/${id}`)).status, 200);
  for (const path of [`QuestionnaireResponse/${id}`, `QuestionnaireResponse/${id}/_history`, `QuestionnaireResponse/${id}/_history/1`]) {
    t.equal((await therapist('GET', path)).status, 404, `${path} does not exist for the therapist`);
  }
  for (const path of ['QuestionnaireResponse?patient=ann', 'QuestionnaireResponse/_history', 'Patient?_id=ann&_revinclude=QuestionnaireResponse:patient', 'AuditEvent?patient=ann&_count=100']) {
    t.notOk((await therapist('GET', path)).text.includes(id), `${path} does not show it`);
  }
  t.equal((await therapist('GET', 'CareTeam/team')).status, 200, 'and the therapist does have the client in care');
  t.equal((await therapist('PUT', `QuestionnaireResponse/${id}`, entry([share('all')], id))).status, 404, 'nobody else shares it');

  await t.test('once shared the entry is seen, its private version is not', async (t) => {
    t.equal((await ann('PUT', `QuestionnaireResponse/${id}`, entry([share('all')], id))).status, 200);
    t.equal((await therapist('GET', `QuestionnaireResponse/${id}`)).status, 200);
    t.equal((await therapist('GET', `QuestionnaireResponse/${id}/_history/1`)).status, 404);
    t.equal((await ann('GET', `QuestionnaireResponse/${id}/_history/1`)).status, 200);
    t.equal((await ann('PUT', `QuestionnaireResponse/${id}`, entry([share('private')], id))).status, 200);
    t.equal((await therapist('GET', `QuestionnaireResponse/${id}`)).status, 404, 'taken back, it is private again');
    t.equal((await therapist('GET', `QuestionnaireResponse/${id}/_history/2`)).status, 404, 'with the version that was shared');
  });
});

t.test('a summary shares the score and not the answers; private keeps both; a safety item is always seen', async (t) => {
  const { system, ann, therapist } = await world(t);
  const { body: form } = await system('GET', 'Questionnaire/phq-9');
  const { id: _id, meta: _meta, ...rest } = form;
  await system('PUT', 'Questionnaire/phq-9-share', { ...rest, id: 'phq-9-share', url: 'urn:example:phq-9-share', item: [...form.item, shareItem] });
  const answer = async (code: string, day: string, last = 0) => {
    const response = phq9('ann', spread(12, phq9Items.length, last), `2026-01-${day}T10:00:00Z`, { questionnaire: 'urn:example:phq-9-share', author: { reference: 'Patient/ann' } });
    return ann('POST', 'QuestionnaireResponse', { ...response, item: [...(response['item'] as object[]), share(code)] });
  };
  const summary = await answer('summary', '05');
  t.equal(summary.status, 201, summary.text.slice(0, 300));
  const kept = await answer('private', '12', 1);
  t.same(ids((await therapist('GET', 'QuestionnaireResponse?patient=ann')).body), [], 'no answers');
  const scores = (await therapist('GET', 'Observation?patient=ann&code=http://loinc.org|44261-6')).body.entry.map(({ resource }: any) => resource.derivedFrom[0].reference);
  t.same(scores, [`QuestionnaireResponse/${summary.body.id}`], 'the score of the summary only');
  t.equal((await ann('GET', 'Observation?patient=ann&code=http://loinc.org|44261-6')).body.entry.length, 2, 'the client sees both');
  const { body } = await therapist('GET', 'Patient/ann/$progress');
  const series = body.parameter.find(({ name }: any) => name === 'instrument').part.filter(({ name }: any) => name === 'score');
  t.equal(series.length, 1, '$progress shows the therapist what is shared');
  t.notOk((await therapist('GET', 'Provenance?_count=100')).text.includes(kept.body.id), 'no Provenance names the private one');
  t.equal((await therapist('GET', 'Flag?patient=ann')).body.entry.length, 1, 'the safety item of the private one raised its alert');
});

t.test("notes of clinicians stay out of the client's access, and the client's restricted ones out of the clinicians'", async (t) => {
  const { system, ann, therapist } = await world(t);
  const restricted = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } };
  const note = await therapist('POST', 'DocumentReference', { resourceType: 'DocumentReference', ...restricted, status: 'current', subject: { reference: 'Patient/ann' }, author: [{ reference: 'Practitioner/tom' }], content: [{ attachment: { title: 'Process note' } }] });
  t.equal(note.status, 201, note.text.slice(0, 300));
  const own = await ann('POST', 'DocumentReference', { resourceType: 'DocumentReference', ...restricted, status: 'current', subject: { reference: 'Patient/ann' }, author: [{ reference: 'Patient/ann' }], content: [{ attachment: { title: 'Diary' } }] });
  t.equal(own.status, 201, own.text.slice(0, 300));
  t.same(ids((await ann('GET', 'DocumentReference?patient=ann')).body), [own.body.id]);
  t.same(ids((await therapist('GET', 'DocumentReference?patient=ann')).body), [note.body.id]);
  t.same(ids((await system('GET', 'DocumentReference?patient=ann')).body), [note.body.id as string, own.body.id as string].toSorted(byText));
});
