import t, { type Test as Tap } from 'tap';
import { jargonWords, judgingWords, verdictWords } from '../outcomes/words.ts';
import { testService, type Client } from '../kit/service.ts';

const base = 'https://intersession.example/fhir';
const day = 86_400_000;
const start = '2026-01-05';
const on = (days: number, time = 'T10:00:00Z'): string => `${new Date(Date.parse(start) + days * day).toISOString().slice(0, 10)}${time}`;
const put = (resource: any): any => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
const parts = (body: any, ...path: string[]): any[] => path.reduce((list: any[], name) => list.flatMap((each) => (each.parameter ?? each.part ?? []).filter((part: any) => part.name === name)), [body]);
const value = (part: any): any => Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
const values = (body: any, ...path: string[]): unknown[] => parts(body, ...path).map(value);
const ada = { reference: 'Patient/ada' };
const kept = { meta: { security: [{ system: `${base}/CodeSystem/sharing`, code: 'private' }] } };

async function send(t: Tap, fhir: Client, resources: readonly any[]): Promise<void> {
  const { status, body } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: resources.map(put) });
  t.equal(status, 200, JSON.stringify(body).slice(0, 400));
}

const response = (id: string, form: string, authored: string, answers: Record<string, object>, more: object = {}): any => ({
  resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: `${base}/Questionnaire/${form}`, subject: ada, authored,
  item: Object.entries(answers).map(([linkId, answer]) => ({ linkId, answer: [answer] })), ...more,
});
/** Six ratings with this total. */
const rating = (id: string, authored: string, total: number, beside: Record<string, object> = {}, more: object = {}): any => response(id, 'bs-alliance', authored, {
  ...Object.fromEntries(['heard', 'topics', 'way', 'agree', 'trust', 'overall'].map((linkId, i) => [linkId, { valueInteger: Math.floor((total + i) / 6) }])), ...beside,
}, more);
const encounter = (id: string, at: string): any => ({
  resourceType: 'Encounter', id, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: ada, episodeOfCare: [{ reference: 'EpisodeOfCare/ep' }], period: { start: at },
});
const input = (code: string, given: object): object => ({ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code }] }, ...given });
const homework = (id: string, status: string, from: string, end: string, more: object = {}): any => ({
  resourceType: 'Task', id, status, intent: 'order', code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, for: ada, authoredOn: from, lastModified: from, restriction: { period: { start: from, end } }, ...more,
});
const ask = (id: string, form: string, status: string, authoredOn: string, end?: string, more: object = {}): any => ({
  resourceType: 'Task', id, status, intent: 'order', code: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'complete-questionnaire' }] }, for: ada, requester: { reference: 'Practitioner/thea' }, authoredOn,
  input: [{ type: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'questionnaire' }] }, valueCanonical: `${base}/Questionnaire/${form}` }], ...(end === undefined ? {} : { restriction: { period: { end } } }), ...more,
});
const people = [
  { resourceType: 'Practitioner', id: 'thea' },
  { resourceType: 'Patient', id: 'ada', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: 'Europe/Berlin' }] },
  { resourceType: 'EpisodeOfCare', id: 'ep', status: 'active', patient: ada, period: { start } },
  { resourceType: 'CareTeam', id: 'team', status: 'active', subject: ada, participant: [{ member: { reference: 'Practitioner/thea' } }] },
];

/** No text for a client judges; none claims a diagnosis. */
function readWords(t: Tap, body: any): void {
  for (const [, name, text] of JSON.stringify(body).matchAll(/"name":"(text|text-for-client)","valueString":"((?:[^"\\]|\\.)*)"/g)) {
    t.notMatch(text, verdictWords);
    t.notMatch(text, /\b1 (?:items|points|days|goals|ratings|sessions|times|exercises|things)\b|\d{4}-\d\d-\d\d/, 'numbers and dates as people write them');
    if (name === 'text-for-client') {
      t.notMatch(text, judgingWords);
      t.notMatch(text, jargonWords);
    }
  }
}

t.test('how two people work together: a drop, a repair that did not come, and feedback that is answered', async (t) => {
  const service = await testService(t);
  const [fhir, therapist, client] = [service.as(), service.as({ user: 'Practitioner/thea' }), service.as({ patient: 'ada' })];
  const now = Date.now();
  const ago = (days: number): string => new Date(now - days * day).toISOString();
  await send(t, fhir, people.map((each) => (each.id === 'ep' ? { ...each, period: { start: ago(60).slice(0, 10) } } : each)));
  // Ratings 48 50 46 48 have an SD of 1.633; 44 is 2.45 SD below 48.
  for (const [i, total] of [48, 50, 46, 48, 44, 40, 41].entries()) t.equal((await fhir('PUT', `QuestionnaireResponse/a${i}`, rating(`a${i}`, ago(50 - 6 * i), total))).status, 201);
  const progress = async (who: Client): Promise<any> => {
    const { status, body } = await who('GET', 'EpisodeOfCare/ep/$progress');
    t.equal(status, 200, JSON.stringify(body).slice(0, 300));
    return body;
  };
  t.same(values(await progress(therapist), 'alliance', 'event', 'state'), ['open', 'open']);
  t.equal((await therapist('GET', 'Task?code=alliance-review')).body.total, 0);
  await fhir('PUT', 'QuestionnaireResponse/a7', rating('a7', ago(6), 42));
  const body = await progress(therapist);
  t.same(values(body, 'alliance', 'event', 'size'), ['major', 'minor']);
  t.same(values(body, 'alliance', 'event', 'state'), ['unrepaired', 'repaired'], '42 >= 44 - 2.28');
  t.same(values(body, 'alliance', 'latest'), [42]);
  for (const { reference } of values(body, 'alliance', 'event', 'observation') as { reference: string }[]) t.match((await therapist('GET', reference)).body, { resourceType: 'Observation', status: /final|amended/, method: { coding: [{ code: 'alliance-rupture' }] } });
  const reviews = (await therapist('GET', 'Task?code=alliance-review')).body;
  t.match(reviews.entry.map(({ resource }: any) => [resource.priority, resource.status, resource.owner.reference]), [['routine', 'requested', 'Practitioner/thea']]);
  t.equal((await client('GET', 'Task?code=alliance-review')).body.total, 0, 'the prompt is the clinician\'s');
  const explained = await therapist('GET', `${(values(body, 'alliance', 'event', 'observation')[0] as any).reference}/$explain`);
  t.equal(explained.status, 200);
  t.same(values(explained.body, 'formula-with-numbers'), ['drop = 48 - 44 = 4; standard deviation (SD, n - 1) of 48, 50, 46, 48 = 1.633; 4 / 1.633 = 2.4495 SD, 2 or more: major; the least drop that counts on this form: 4 is 3 or more; a repair is a return to 48 - 1.633 = 46.367 or more within three sessions; later: 40, 41, 42']);
  t.equal(parts(explained.body, 'input').length, 8, 'the two, three before them, three after');

  await t.test('a tick or own words ask for an answer; what is agreed is named, and the client sees it', async (t) => {
    await fhir('PUT', 'QuestionnaireResponse/a8', rating('a8', ago(1), 46, { 'less-of': { valueString: 'less talking about work' } }));
    await fhir('PUT', 'QuestionnaireResponse/hidden', rating('hidden', ago(3), 30, { 'want-to-talk': { valueBoolean: true } }, kept));
    const asked = (await therapist('GET', 'Task?code=respond-to-feedback')).body;
    t.same(asked.entry.map(({ resource }: any) => resource.focus.reference), ['QuestionnaireResponse/a8'], 'what is kept private asks nobody');
    t.equal((await therapist('GET', 'QuestionnaireResponse/hidden')).status, 404);
    t.same([values(await progress(therapist), 'alliance', 'ratings'), values(await progress(client), 'alliance', 'ratings')], [[9], [10]], 'what is kept private counts for the client only');
    t.same(values(await progress(therapist), 'alliance', 'event', 'state'), ['unrepaired', 'repaired']);
    t.same([values(await progress(client), 'alliance', 'event', 'state'), new Set(values(await progress(client), 'alliance', 'event', 'title'))], [[], new Set(['A change in how you rated the sessions'])], 'in words, to the client');
    t.same(values(await progress(client), 'feedback', 'state'), ['given']);
    await fhir('PUT', 'Goal/agreed', { resourceType: 'Goal', id: 'agreed', lifecycleStatus: 'active', subject: ada, description: { text: 'Time for what is not work' } });
    const task = asked.entry[0].resource;
    t.equal((await therapist('PUT', `Task/${task.id}`, { ...task, status: 'completed', output: [input('agreed-change', { valueReference: { reference: 'Goal/agreed' } })] })).status, 200);
    const seen = await progress(client);
    t.same(values(seen, 'feedback', 'state'), ['agreed-change']);
    t.same(values(seen, 'feedback', 'change'), [{ reference: 'Goal/agreed' }]);
    await fhir('PUT', 'QuestionnaireResponse/a8', rating('a8', ago(1), 46, {}, { status: 'amended' }));
    t.match((await therapist('GET', `Task/${task.id}`)).body, { status: 'completed', meta: { versionId: '2' } });
    const round = (await therapist('GET', 'PlanDefinition/bs-feedback-round/$apply?subject=Patient/ada&practitioner=Practitioner/thea')).body;
    const [invitation] = round.contained;
    t.match(invitation, { resourceType: 'Task', status: 'draft', owner: ada, input: [{ valueCanonical: `${base}/Questionnaire/bs-alliance|1.0.0` }] });
    await send(t, fhir, [{ ...invitation, id: 'invite', status: 'requested' }]);
    t.same(new Set(values(await progress(client), 'feedback', 'state')), new Set(['agreed-change', 'invited']));
  });

  await t.test('the therapist\'s own form and its score are not the client\'s to see where they are labelled so', async (t) => {
    const mirror = response('m1', 'bs-alliance-therapist', ago(1), Object.fromEntries(['heard', 'topics', 'way', 'agree', 'trust', 'overall'].map((linkId) => [`therapist-${linkId}`, { valueInteger: 7 }])), { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } });
    t.equal((await fhir('PUT', 'QuestionnaireResponse/m1', mirror)).status, 201);
    t.equal((await client('GET', 'QuestionnaireResponse/m1')).status, 404);
    t.equal((await client('GET', 'Observation?code=bs-alliance-therapist')).body.total, 0);
    t.equal((await therapist('GET', 'Observation?code=bs-alliance-therapist')).body.total, 1);
  });

  await t.test('always the highest is a hint, and nothing is stored for it', async (t) => {
    for (const i of [1, 2, 3]) await fhir('PUT', `QuestionnaireResponse/w${i}`, response(`w${i}`, 'srs', ago(20 - i), Object.fromEntries([1, 2, 3, 4].map((each) => [`srs-${each}`, { valueDecimal: 10 }]))));
    const found = await progress(fhir);
    t.same(values(found, 'alliance', 'hint', 'code'), ['consistently-maximal']);
    t.equal((await fhir('GET', 'Observation?code=alliance-consistent')).body.total, 0);
    readWords(t, found);
  });

  const dry = await fhir('POST', 'Patient/ada/$recompute', { resourceType: 'Parameters' });
  t.match([values(dry.body, 'differences'), values(dry.body, 'record-lines')], [[0], [0]], JSON.stringify(dry.body).slice(0, 400));
});

t.test('homework in the days of the client, between sessions and day by day; goals; how complete the data are', async (t) => {
  const service = await testService(t, { env: { TIME_ZONE: 'America/New_York' } });
  const fhir = service.as();
  const check = (id: string, authored: string): any => response(id, 'bs-checkin', authored, { mood: { valueInteger: 5 } });
  await send(t, fhir, [...people, encounter('s1', on(0)), encounter('s2', on(7)), encounter('s3', on(14))]);
  await send(t, fhir, [
    // 23:30 UTC is the next day in Berlin: the 6th and the 7th are one day there, and the 10th.
    check('d1', on(1, 'T23:30:00Z')), check('d2', on(2, 'T08:00:00Z')), check('d3', on(5, 'T08:00:00Z')),
  ]);
  await send(t, fhir, [
    homework('daily', 'in-progress', on(0, ''), on(6, ''), { input: [input('expected-occurrences', { valueInteger: 7 })], output: ['d1', 'd2', 'd3'].map((id) => input('response', { valueReference: { reference: `QuestionnaireResponse/${id}` } })) }),
    homework('done', 'completed', on(0, ''), on(5, ''), { executionPeriod: { end: on(4) }, output: [input('quality-client', { valueInteger: 2 }), input('quality-therapist', { valueInteger: 4 }), input('reviewed-in', { valueReference: { reference: 'Encounter/s2' } })] }),
    homework('late', 'completed', on(8, ''), on(10, ''), { executionPeriod: { end: on(13) } }),
    homework('no', 'rejected', on(8, ''), on(12, ''), { statusReason: { text: 'no time' } }),
    ask('c1', 'bs-checkin', 'completed', on(1)), ask('c2', 'bs-checkin', 'requested', on(2), on(3, '')), ask('c3', 'bs-checkin', 'rejected', on(3), on(4, ''), { statusReason: { text: 'was ill' } }),
    ask('c4', 'bs-checkin', 'requested', on(4)), ask('c5', 'bs-checkin', 'entered-in-error', on(4)),
  ]);
  await send(t, fhir, [
    { resourceType: 'Patient', id: 'nowhere' }, { resourceType: 'CareTeam', id: 'team-nowhere', status: 'active', subject: { reference: 'Patient/nowhere' }, participant: [{ member: { display: 'x', reference: 'Organization/o' } }] }, { resourceType: 'Organization', id: 'o', name: 'O' },
    { ...response('help', 'bs-help-now', new Date().toISOString(), { what: { valueString: 'a call' } }), subject: { reference: 'Patient/nowhere' } },
  ]);
  t.match((await fhir('GET', 'Communication?part-of=QuestionnaireResponse/help')).body.entry[0].resource.payload[0].contentString, / at \d\d:\d\d GMT-[45] at the latest\./, 'told to the team of the same transaction; the clock of the deployment, where a client does not say where they live');
  t.match((await fhir('GET', 'Task?patient=nowhere')).body.entry[0].resource.owner, { reference: 'Organization/o' });
  const { status, body } = await fhir('GET', 'EpisodeOfCare/ep/$progress');
  t.equal(status, 200, JSON.stringify(body).slice(0, 300));
  t.same(values(body, 'homework', 'time-zone'), ['Europe/Berlin'], 'where the client lives');
  t.same(['eligible', 'completed', 'on-time', 'overdue'].map((name) => values(body, 'homework', name)[0]), [3, 2, 1, 1]);
  // Quantity: 2 of 7 days, 1 and 1: 16 / 21. Quality: (2 / 4 + 4 / 4) / 2. Accepted: 3 of 4 that were offered. Talked about: 1 of 2.
  t.same(['completion-rate', 'quantity', 'quality', 'quality-client', 'quality-therapist', 'acceptance', 'review-rate'].map((name) => values(body, 'homework', name)[0]), [0.6667, 0.7619, 0.75, 0.5, 1, 0.75, 0.5]);
  t.same(parts(body, 'homework', 'interval').map((each) => ['session', 'eligible', 'completed', 'overdue'].map((name) => values(each, name)[0])), [[1, 2, 1, 1], [2, 1, 1, 0]]);
  // Practised on the 7th and 10th (written) and on the 9th and 18th (completed); planned the 5th to the 11th: kept 3; gaps 5-6, 8, 11.
  t.same(['days', 'planned-days', 'planned-days-kept', 'share', 'gaps', 'longest-gap'].map((name) => values(body, 'homework', 'practice', name)[0]), [4, 7, 3, 0.4286, 3, 2]);
  t.same(['sessions', 'sessions-with-score', 'session-completeness'].map((name) => values(body, 'completeness', name)[0]), [3, 2, 0.6667], 'the check-ins of the 6th and the 10th are near the sessions of the 5th and the 12th');
  t.same(['prompts', 'answered', 'due', 'open', 'overdue', 'skipped', 'answered-share'].map((name) => values(body, 'completeness', 'schedule', name)[0]), [4, 1, 0, 1, 1, 1, 0.3333]);
  t.same(values(body, 'completeness', 'schedule', 'prompt', 'reason'), ['was ill']);
  t.same(values(body, 'completeness', 'schedule', 'prompt', 'until')[0], on(3, 'T23:00:00.000Z'), 'the day is over in Berlin');
  readWords(t, body);

  await t.test('a client without a zone has that of the deployment; a day that an access may not see counts no practice', async (t) => {
    await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada' });
    const here = (await fhir('GET', 'Patient/ada/$progress')).body;
    t.same(values(here, 'homework', 'time-zone'), ['America/New_York']);
    t.same(values(here, 'homework', 'practice', 'planned-days-kept'), [4], 'the 6th, the 7th, the 9th and the 10th');
    const limited = (await service.as({ user: 'Practitioner/thea', scopes: 'user/Patient.rs user/Observation.rs user/Task.rs user/EpisodeOfCare.rs user/Encounter.rs' })('GET', 'Patient/ada/$progress')).body;
    t.same(values(limited, 'homework', 'practice', 'planned-days-kept'), [1], 'only what was completed is dated');
    await fhir('PUT', 'Patient/ada', { resourceType: 'Patient', id: 'ada', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: 'Mars/Olympus' }] });
    t.same(values((await fhir('GET', 'Patient/ada/$progress')).body, 'homework', 'time-zone'), ['America/New_York']);
  });

  await t.test('goals: each by its own rating, all by their mean, and by the T score', async (t) => {
    const measure = { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'goal-rating.goal-1' }] };
    await send(t, fhir, [{ resourceType: 'Goal', id: 'g1', lifecycleStatus: 'active', subject: ada, startDate: on(0, ''), description: { text: 'Meet a friend each week' }, target: [{ measure, detailInteger: 8 }] }]);
    const rate = (id: string, when: number, ratings: number[]): any => response(id, 'goal-rating', on(when), Object.fromEntries(ratings.map((each, i) => [`goal-${i + 1}`, { valueInteger: each }])));
    const gas = (id: string, when: number, levels: readonly (number | null)[]): any => response(id, 'gas', on(when), { ...Object.fromEntries(levels.flatMap((level, i) => (level === null ? [] : [[`gas-level-${i + 1}`, { valueInteger: level }]]))), 'gas-weight-1': { valueInteger: 2 }, 'gas-weight-2': { valueInteger: 1 } });
    await send(t, fhir, [rate('r1', 0, [2, 4]), gas('x1', 0, [-2, -1])]);
    t.match((await fhir('GET', 'Goal/g1')).body.achievementStatus, { coding: [{ code: 'in-progress' }] });
    await send(t, fhir, [rate('r2', 14, [8, 4, 5]), gas('x2', 14, [1, null])]);
    t.match((await fhir('GET', 'Goal/g1')).body.achievementStatus, { coding: [{ code: 'achieved' }] });
    const found = (await fhir('GET', 'EpisodeOfCare/ep/$progress')).body;
    t.same(['mean-change', 'rated-twice', 'left-out', 'reliable'].map((name) => values(found, 'goal-ratings', name)[0]), [3, 2, 1, 'better'], '(6 + 0) / 2');
    // x1: 50 - 10 (4 + 1) / sqrt(0.7 x 5 + 0.3 x 9) = 50 - 50 / 2.48998 = 29.92; x2: one goal, one level: 60.
    t.same(['t', 't-at-baseline', 'change', 'scored', 'unscored'].map((name) => values(found, 'goal-attainment', name)[0]), [60, 29.92, 30.08, 1, 1]);
    t.match(values(found, 'goal', 'status'), ['achieved']);
    for (const code of ['goal-rating', 'goal-rating.goal-1', 'gas']) t.equal((await fhir('GET', `Observation?code=${code}`)).body.total, 2, `${code}: scores`);
    t.ok((await fhir('GET', 'Observation?code=change-from-baseline')).body.total >= 4, 'and their changes');
    readWords(t, found);
    t.notMatch(values((await service.as({ patient: 'ada' })('GET', 'EpisodeOfCare/ep/$progress')).body, 'goal', 'explanation', 'text').join(), judgingWords);
  });
});

t.test('a time zone that is none keeps the service from starting', async (t) => {
  await t.rejects(testService(t, { env: { TIME_ZONE: 'Mars/Olympus' } }), /TIME_ZONE must be a time zone/);
});
