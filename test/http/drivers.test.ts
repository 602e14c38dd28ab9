import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { jargonWords, judgingWords, verdictWords } from '../outcomes/words.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// EpisodeOfCare/[id]/$drivers: motivation, work together and homework beside outcomes.

const b = 'https://intersession.example/fhir';
const parts = (body: any, ...path: string[]): any[] => path.reduce((list: any[], name) => list.flatMap((each) => (each.parameter ?? each.part ?? []).filter((part: any) => part.name === name)), [body]);
const value = (part: any): any => Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
const only = (body: any, ...path: string[]): any => value(parts(body, ...path)[0]);
const answers = (form: string, scores: Record<string, number>, authored: string, more: object = {}): any => ({
  resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${b}/Questionnaire/${form}`, subject: { reference: 'Patient/ada' }, authored,
  item: Object.entries(scores).map(([linkId, score]) => ({ linkId, answer: [{ valueInteger: score }] })), ...more,
});
const rated = (score: number): Record<string, number> => Object.fromEntries(['heard', 'topics', 'way', 'agree', 'trust', 'overall'].map((linkId) => [linkId, score]));
const homework = (id: string, status: string, due: string): any => ({
  resourceType: 'Task', id, intent: 'order', status, for: { reference: 'Patient/ada' }, authoredOn: '2026-01-06T10:00:00Z', code: { coding: [{ system: `${b}/CodeSystem/homework-type`, code: 'journaling' }] }, restriction: { period: { end: due } },
});

t.test('$drivers', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const entry = (resource: any): any => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
  const { status, text } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
    ...['ada', 'bea'].map((id) => ({ resourceType: 'Patient', id })),
    ...[['ep', 'ada'], ['none', 'bea']].map(([id, patient]) => ({ resourceType: 'EpisodeOfCare', id, status: 'active', patient: { reference: `Patient/${patient}` }, period: { start: '2026-01-05' } })),
    ...['2026-01-06T10:00:00Z', '2026-01-13T10:00:00Z', '2026-01-20T10:00:00Z'].map((start, n) => ({
      resourceType: 'Encounter', id: `s${n + 1}`, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: 'Patient/ada' }, episodeOfCare: [{ reference: 'EpisodeOfCare/ep' }], period: { start },
    })),
    homework('h1', 'completed', '2026-01-10'), homework('h2', 'accepted', '2026-01-11'), homework('h3', 'completed', '2026-01-17'),
  ].map(entry) });
  t.equal(status, 200, text.slice(0, 300));
  for (const response of [
    answers('bs-weekly', { motivation: 5, 'self-efficacy': 4 }, '2026-01-08T10:00:00Z'), answers('bs-weekly', { motivation: 7 }, '2026-01-11T10:00:00Z'), answers('bs-weekly', { motivation: 9 }, '2026-01-15T10:00:00Z'),
    answers('bs-alliance', rated(7), '2026-01-06T11:00:00Z'), answers('bs-alliance', rated(8), '2026-01-13T11:00:00Z'),
    answers('bs-alliance-therapist', Object.fromEntries(Object.entries(rated(6)).map(([linkId, score]) => [`therapist-${linkId}`, score])), '2026-01-13T12:00:00Z'),
    phq9('ada', spread(18), '2026-01-06T09:00:00Z'), phq9('ada', spread(15), '2026-01-13T09:00:00Z'), phq9('ada', spread(9), '2026-01-20T09:00:00Z'),
    gad7('ada', spread(12, 7), '2026-01-06T09:00:00Z'),
  ]) t.equal((await fhir('POST', 'QuestionnaireResponse', response)).status, 201);

  await t.test('over the episode and between two sessions, each number traced to Observations and Tasks', async (t) => {
    const { status: found, body } = await fhir('GET', 'EpisodeOfCare/ep/$drivers');
    t.equal(found, 200);
    t.same(validate(body, 'Parameters').filter(({ severity }) => severity === 'error'), []);
    t.match(only(body, 'caution', 'text'), /cannot be told/);
    t.same(parts(body, 'rating').map((part) => [only(part, 'driver').code, only(part, 'n'), only(part, 'mean'), only(part, 'latest'), parts(part, 'point', 'session').map(value)]), [
      ['alliance', 2, 45, 48, [1, 2]], ['alliance-therapist', 1, 36, 36, [2]], ['motivation', 3, 7, 9, [1, 1, 2]], ['self-efficacy', 1, 4, 4, [1]],
    ]);
    t.same(parts(body, 'outcome').map((part) => [only(part, 'baseline'), only(part, 'latest'), only(part, 'improvement')]), [[12, 12, undefined], [15, 9, 6]], 'two instruments side by side; one date compares nothing; the baseline is the last score within 7 days of the first session');
    t.same(parts(body, 'interval').map((part) => [only(part, 'session'), parts(part, 'rating').map((each) => [only(each, 'driver').code, only(each, 'mean')]), only(part, 'homework', 'quantity'), only(part, 'change', 'improvement')]), [
      [1, [['alliance', 42], ['motivation', 6], ['self-efficacy', 4]], 0.5, 3], [2, [['alliance', 48], ['alliance-therapist', 36], ['motivation', 9]], 1, 6],
    ]);
    const named = [...JSON.stringify(body).matchAll(/"(Observation\/[^"]+|Task\/[^"]+)"/g)].map(([, reference]) => reference!);
    t.ok(named.length > 20);
    for (const reference of new Set(named)) t.equal((await fhir('GET', reference)).status, 200, reference);
    for (const each of [...parts(body, 'rating', 'explanation', 'text-for-client'), ...parts(body, 'outcome', 'explanation', 'text-for-client'), ...parts(body, 'caution', 'text-for-client')]) for (const words of [judgingWords, jargonWords, verdictWords]) t.notMatch(value(each), words);
    t.notMatch(JSON.stringify(body), /\b(?:because of|leads? to (?:better|worse)|caused by|due to|predicts?)\b/i, 'no claim of a cause');
    const one = await fhir('GET', 'EpisodeOfCare/ep/$drivers?outcome=phq-9');
    t.same(parts(one.body, 'outcome').length, 1);
    t.same(await fhir('POST', 'EpisodeOfCare/ep/$drivers', { resourceType: 'Parameters', parameter: [{ name: 'outcome', valueCode: 'phq-9' }] }).then(({ body: { parameter } }) => parameter.filter(({ name }: any) => name !== 'computed')), one.body.parameter.filter(({ name }: any) => name !== 'computed'));
    for (const wrong of ['?outcome=nothing', '?outcomes=phq-9', '?outcome=']) t.equal((await fhir('GET', `EpisodeOfCare/ep/$drivers${wrong}`)).status, 400, wrong);
    const { body: concepts } = await fhir('GET', 'CodeSystem/driver');
    for (const part of parts(body, 'rating', 'driver')) t.ok(concepts.concept.some(({ code }: any) => code === value(part).code));
  });

  await t.test('of nothing there is nothing but the caution', async (t) => {
    const { body } = await fhir('GET', 'EpisodeOfCare/none/$drivers');
    t.same(body.parameter.map(({ name }: any) => name), ['patient', 'episode', 'computed', 'caution']);
  });

  await t.test('a client gets the words for clients and nothing of the therapist; another client nothing', async (t) => {
    const { body } = await service.as({ patient: 'ada' })('GET', 'EpisodeOfCare/ep/$drivers');
    t.same(parts(body, 'rating', 'driver').map((part) => value(part).code), ['alliance', 'motivation', 'self-efficacy']);
    t.notOk(JSON.stringify(body).includes('text-for-client'));
    for (const each of [...parts(body, 'rating', 'explanation', 'text'), ...parts(body, 'interval', 'homework', 'explanation', 'text'), ...parts(body, 'caution', 'text')]) for (const words of [judgingWords, jargonWords]) t.notMatch(value(each), words);
    const [theirs, nobody] = await Promise.all(['ep', 'nobody'].map((id) => service.as({ patient: 'bea' })('GET', `EpisodeOfCare/${id}/$drivers`)));
    t.same([theirs!.status, theirs!.body], [404, nobody!.body]);
    t.equal((await service.as({ scopes: 'system/EpisodeOfCare.r system/Patient.r' })('GET', 'EpisodeOfCare/ep/$drivers')).status, 403);
    const withoutTasks = await service.as({ scopes: 'system/EpisodeOfCare.r system/Patient.r system/Observation.r' })('GET', 'EpisodeOfCare/ep/$drivers');
    t.same(parts(withoutTasks.body, 'interval', 'homework'), [], 'homework is for who may see Tasks');
    t.ok(JSON.stringify((await fhir('GET', 'AuditEvent?patient=ada&_count=200')).body).includes('$drivers'));
  });
});
