import t, { type Test as Tap } from 'tap';
import { judgingWords, verdictWords } from '../outcomes/words.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

const day = 86_400_000;
const at = (from: string, days: number, time = 'T10:00:00Z'): string => `${new Date(Date.parse(from) + days * day).toISOString().slice(0, 10)}${time}`;
const put = (resource: any): any => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
const parts = (body: any, ...path: string[]): any[] => path.reduce((list: any[], name) => list.flatMap((each) => (each.parameter ?? each.part ?? []).filter((part: any) => part.name === name)), [body]);
const value = (part: any): unknown => Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];

const phq = (id: string, patient: string, total: number, when: string, more: Record<string, unknown> = {}): any => ({ ...phq9(patient, spread(total), when, more), id });
const encounter = (id: string, patient: string, episode: string, start: string): any => ({
  resourceType: 'Encounter', id, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
  subject: { reference: `Patient/${patient}` }, episodeOfCare: [{ reference: `EpisodeOfCare/${episode}` }], period: { start },
});
const episodeOf = (id: string, patient: string, status: string, start: string, end?: string, more: object = {}): any => ({
  resourceType: 'EpisodeOfCare', id, status, patient: { reference: `Patient/${patient}` }, period: { start, ...(end === undefined ? {} : { end }) }, ...more,
});

async function send(t: Tap, fhir: Client, resources: readonly any[]): Promise<void> {
  const { status, body } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: resources.map(put) });
  t.equal(status, 200, JSON.stringify(body).slice(0, 300));
}

t.test('an episode between its sessions, its progress and its course', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const start = '2026-01-05';
  await send(t, fhir, [
    { resourceType: 'Patient', id: 'ada' }, { resourceType: 'Patient', id: 'bea' },
    { resourceType: 'Condition', id: 'c1', subject: { reference: 'Patient/ada' }, code: { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'F32.1' }] } },
    episodeOf('ep', 'ada', 'active', start, undefined, { diagnosis: [{ condition: { reference: 'Condition/c1' } }] }), episodeOf('old', 'bea', 'planned', start),
    ...[0, 8, 16, 24].map((days, i) => encounter(`s${i + 1}`, 'ada', 'ep', at(start, days))),
  ]);
  await send(t, fhir, [
    phq('q1', 'ada', 18, at(start, 0)), phq('q2', 'ada', 10, at(start, 8)), phq('q3', 'ada', 9, at(start, 16)), phq('q4', 'ada', 16, at(start, 24)),
    phq('q5', 'ada', 17, at(start, 32), { encounter: { reference: 'Encounter/s3' } }),
    { ...gad7('ada', [2, 2, 2, 2, 2, 2, 2], at(start, 0)), id: 'g1' }, { ...gad7('ada', [1, 1, 1, 1, 0, 0, 0], at(start, 24)), id: 'g2' },
    { resourceType: 'Communication', id: 'm1', status: 'completed', subject: { reference: 'Patient/ada' }, sent: at(start, 9) },
    { resourceType: 'Task', id: 't1', status: 'requested', intent: 'order', for: { reference: 'Patient/ada' }, authoredOn: at(start, 13) },
  ]);

  await t.test('$progress of the episode: events, response, signal, sessions and pair outcome, each explained in both words', async (t) => {
    const { status, body } = await fhir('GET', 'EpisodeOfCare/ep/$progress');
    t.equal(status, 200);
    t.same(parts(body, 'episode', 'sessions').map(value), [4]);
    t.same(parts(body, 'episode', 'talking-therapies', 'problem').map(value), ['depression']);
    t.same(parts(body, 'episode', 'talking-therapies', 'case-at-start').map(value), [true]);
    t.same(parts(body, 'episode', 'talking-therapies', 'measure', 'last').map(value), [17, 4]);
    const events = parts(body, 'instrument', 'event');
    t.same(events.map((event) => [value(parts(event, 'metric')[0]), value(parts(event, 'state')[0])]), [['response', undefined], ['response', undefined], ['setback', 'setback-confirmed']]);
    for (const event of events) {
      const reference = String((value(parts(event, 'observation')[0]) as any).reference);
      t.equal((await fhir('GET', reference)).status, 200, 'the event is an Observation');
      const explained = await fhir('GET', `${reference}/$explain`);
      t.equal(explained.status, 200);
      t.ok(parts(explained.body, 'rule').some((rule) => JSON.stringify(rule).includes(String(value(parts(event, 'metric')[0])))), 'its rule is told');
    }
    t.ok(parts(body, 'instrument', 'signal').length >= 1);
    for (const explanation of JSON.stringify(body).matchAll(/"name":"(text|text-for-client)","valueString":"((?:[^"\\]|\\.)*)"/g)) {
      if (explanation[1] === 'text-for-client') t.notMatch(explanation[2]!, judgingWords);
      else t.notMatch(explanation[2]!, verdictWords);
    }
    t.equal((await fhir('GET', 'Patient/ada/$progress')).body.parameter.filter((each: any) => each.name === 'instrument').length, 2);
  });

  await t.test('$trajectory: points by session, the trend, and that there is no benchmark yet', async (t) => {
    const { status, body } = await fhir('GET', 'EpisodeOfCare/ep/$trajectory?instrument=phq-9');
    t.equal(status, 200);
    t.same(parts(body, 'instrument', 'point', 'session').map(value), [1, 2, 3, 4, 3], 'the last names session 3');
    t.same(parts(body, 'instrument', 'benchmark', 'status').map(value), ['none-yet']);
    t.equal(parts(body, 'instrument', 'expected').length, 0);
    t.ok(parts(body, 'instrument', 'trend', 'slope').length === 1);
    t.equal((await fhir('GET', 'EpisodeOfCare/ep/$trajectory?instrument=nothing')).status, 400);
  });

  await t.test('$interval: what follows a session, up to the next', async (t) => {
    const inInterval = async (k: string): Promise<string[]> => {
      const { status, body } = await fhir('GET', `EpisodeOfCare/ep/$interval${k}`);
      t.equal(status, 200, JSON.stringify(body).slice(0, 200));
      return (parts(body, 'entries')[0].resource.entry ?? []).map((entry: any) => entry.resource).filter((resource: any) => resource.resourceType !== 'Observation').map((resource: any) => resource.id).sort();
    };
    t.same(await inInterval('?session=1'), ['g1', 'q1']);
    t.same(await inInterval('?session=2'), ['m1', 'q2', 't1']);
    t.same(await inInterval('?session=3'), ['q3', 'q5'], 'an entry that names the session belongs to it');
    t.same(await inInterval(''), ['g2', 'q4']);
    t.same(await inInterval('?session=0'), []);
    for (const wrong of ['5', '-1', 'x']) t.match(await fhir('GET', `EpisodeOfCare/ep/$interval?session=${wrong}`), { status: 400, body: { issue: [{ expression: ['http.session'] }] } });
    t.equal((await fhir('GET', 'EpisodeOfCare/ep/$interval?week=2')).status, 400);
  });

  await t.test('an episode of somebody else, that is not there, or that has not begun', async (t) => {
    const own = service.as({ scopes: 'patient/*.rs', patient: 'bea' });
    for (const name of ['$progress', '$trajectory', '$interval']) {
      t.equal((await own('GET', `EpisodeOfCare/ep/${name}`)).status, 404, name);
      t.equal((await fhir('GET', `EpisodeOfCare/none/${name}`)).status, 404, name);
      t.equal((await fhir('GET', `EpisodeOfCare/old/${name}`)).status, 422, name);
      t.equal((await service.as({ scopes: 'patient/Patient.rs', patient: 'ada' })('GET', `EpisodeOfCare/ep/${name}`)).status, 403, name);
    }
    const { body } = await fhir('GET', 'AuditEvent?patient=Patient/ada&_count=200');
    const logged = JSON.stringify(body);
    for (const name of ['$progress', '$trajectory', '$interval']) t.ok(logged.includes(name), `${name} is in the access log`);
  });

  await t.test('the same for the client, without what is for clinicians', async (t) => {
    const client = service.as({ scopes: 'patient/*.rs', patient: 'ada' });
    const { status, body } = await client('GET', 'EpisodeOfCare/ep/$progress');
    t.equal(status, 200);
    const texts = ['event', 'signal', 'change', 'response', 'trend', 'latest'].flatMap((name) => parts(body, 'instrument', name, 'explanation', 'text')).map(value) as string[];
    t.ok(texts.length >= 10);
    for (const text of texts) t.notMatch(text, judgingWords);
    t.equal(JSON.stringify(body).includes('text-for-client'), false);
    t.notMatch(JSON.stringify(body), /"Moderate"|"Moderately severe"|"Severe"|Reliably|clinical range/, 'names of bands and classes are for clinicians');
    t.match(JSON.stringify(body), /"band-for-client"/, 'what they are called for clients');
    const trajectory = await client('GET', 'EpisodeOfCare/ep/$trajectory');
    t.equal(trajectory.status, 200);
    for (const answer of [body, trajectory.body]) t.notMatch(JSON.stringify(answer), /change-class|on-track|"watch|four-way|"(?:threshold|cut-off|class|metric|state|next)"|sudden-|relapse/, 'no code says what the words do not');
    t.equal((await client('GET', 'EpisodeOfCare/ep/$interval?session=2')).status, 200);
  });
});

t.test('the expected course is computed from 100 closed episodes, kept as a version, and derived with', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const start = '2025-01-06';
  for (let block = 0; block < 5; block += 1) {
    await send(t, fhir, Array.from({ length: 20 }, (_, n) => 20 * block + n).flatMap((n) => [
      { resourceType: 'Patient', id: `p${n}` }, episodeOf(`e${n}`, `p${n}`, 'finished', start, at(start, 60, '')),
      ...[0, 7, 14].map((days, k) => encounter(`s${n}-${k}`, `p${n}`, `e${n}`, at(start, days))),
      phq(`a${n}`, `p${n}`, 16, at(start, 0)), phq(`b${n}`, `p${n}`, 4 + (n % 10), at(start, 14)),
    ]));
    if (block === 3) {
      await service.job('trajectory-reference');
      t.same(await service.database.query('select version::int, body from trajectory_reference', []), [{ version: 1, body: '{}' }], '80 are no benchmark yet');
    }
  }
  await service.job('trajectory-reference');
  await service.job('trajectory-reference');
  t.equal((await service.database.query('select 1 from trajectory_reference', [])).length, 2, 'the same again is no new version');
  await t.rejects(service.database.query('update trajectory_reference set body = $1', ['{}']), 'a version is never changed');

  await send(t, fhir, [
    { resourceType: 'Patient', id: 'ada' }, episodeOf('ep', 'ada', 'active', start), ...[0, 7, 14].map((days, k) => encounter(`x${k}`, 'ada', 'ep', at(start, days))),
    phq('q1', 'ada', 16, at(start, 0)), phq('q2', 'ada', 16, at(start, 14)),
  ]);
  const { body } = await fhir('GET', 'EpisodeOfCare/ep/$trajectory?instrument=phq-9');
  t.same(parts(body, 'instrument', 'benchmark', 'status').map(value), ['available']);
  t.same(parts(body, 'instrument', 'benchmark', 'episodes').map(value), [100]);
  // 4 to 13, ten of each: type 7 at 0.8 * 99 = 79.2 lies between 11 and 12
  const [third] = parts(body, 'instrument', 'expected');
  t.same(['session', 'value', 'watch-beyond', 'not-on-track-beyond', 'n'].map((name) => value(parts(third, name)[0])), [3, 8.5, 11.2, 12.1, 100]);
  const [signal] = parts(body, 'instrument', 'signal');
  t.same(['code', 'without-caution', 'percentile', 'reference-version'].map((name) => value(parts(signal, name)[0])), ['watch', 'not-on-track', 100, '2']);
  const stored = await fhir('GET', 'Observation?patient=ada&code=trajectory-signal');
  t.match(stored.body.entry.map(({ resource }: any) => resource), [{ valueCodeableConcept: { coding: [{ code: 'watch' }] }, component: [{}, {}, {}, {}, {}, {}, { valueString: '2' }] }]);
  const explained = await fhir('GET', `Observation/${stored.body.entry[0].resource.id}/$explain`);
  const lines = parts(explained.body, 'reading', 'section', 'line').map(value);
  t.match(lines.join('\n'), /edge = 80th percentile towards worse = 11\.2\nboundary = 90th percentile towards worse = 12\.1\n16 is above 11\.2, the edge\n16 is above 12\.1, the boundary\nThe 80th percentile .* in sessions 3 to 5 .*counts as "watch"/, 'both limits, and why it is no more than "watch"');
});

t.test('a baseline that moves under 150 scores computes them all anew in one transaction', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const start = '2024-01-01';
  await send(t, fhir, [{ resourceType: 'Patient', id: 'ada' }, episodeOf('ep', 'ada', 'active', start), encounter('s', 'ada', 'ep', at(start, 150))]);
  await send(t, fhir, Array.from({ length: 150 }, (_, n) => n).map((n) => phq(`q${n}`, 'ada', n % 2 === 0 ? 16 : 4, at(start, n))));
  const changes = async (): Promise<number> => (await fhir('GET', 'Observation?patient=ada&code=reliable-change&status=final,amended,corrected&_summary=count')).body.total;
  t.equal(await changes(), 0, 'all lie before the baseline');
  t.equal((await fhir('DELETE', 'Encounter/s')).status, 204);
  t.equal(await changes(), 149);
});

t.test('posted one by one, a week of check-ins confirms a setback, whichever comes last, and is explained', async (t) => {
  const service = await testService(t, { env: { ADMIN_CLIENTS: 'development' } });
  const fhir = service.as();
  const day = (n: number, hour: number): string => new Date(Date.UTC(2025, 0, 1 + n, hour)).toISOString();
  const post = async (patient: string, resource: object): Promise<void> => {
    const { status, text } = await fhir('POST', 'QuestionnaireResponse', { ...resource, subject: { reference: `Patient/${patient}` } });
    t.equal(status, 201, text.slice(0, 300));
  };
  const checkIn = (n: number, mood: number): object => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'https://intersession.example/fhir/Questionnaire/bs-checkin', authored: day(n, 20), item: [{ linkId: 'mood', answer: [{ valueInteger: mood }] }] });
  const score = (patient: string, n: number, total: number): object => phq9(patient, spread(total), day(n, 10));
  const usual = [7, 6, 7, 8, 7, 6, 8].map((mood, i) => checkIn(1 + 2 * i, mood)), week = [29, 31, 33, 35].map((n) => checkIn(n, 5));
  const setback = async (patient: string): Promise<any> => (await fhir('GET', `Observation?patient=${patient}&code=setback`)).body.entry?.[0].resource;
  const state = async (patient: string): Promise<string> => (await setback(patient))?.valueCodeableConcept.coding[0].code;
  for (const [patient, first, then] of [['ci-1', [...usual], [...week]], ['ci-2', [...week], [...usual]]] as const) {
    await fhir('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient });
    for (const each of first) await post(patient, each);
    for (const [n, total] of [[0, 18], [14, 8], [28, 14]] as const) await post(patient, score(patient, n, total));
    t.equal(await state(patient), 'setback-possible');
    for (const each of then) await post(patient, each);
    t.equal(await state(patient), 'setback-confirmed', `${patient}: the check-ins came last`);
  }
  await fhir('PUT', 'Patient/ci-3', { resourceType: 'Patient', id: 'ci-3' });
  for (const each of [...usual, ...week, score('ci-3', 0, 18), score('ci-3', 14, 8), score('ci-3', 28, 14)]) await post('ci-3', each);
  const found = await setback('ci-3');
  t.equal(found.valueCodeableConcept.coding[0].code, 'setback-confirmed', 'the score came last');
  t.equal(found.meta.versionId, '1');
  const { body } = await fhir('GET', `Observation/${found.id}/$explain`);
  t.match(body.parameter.find(({ name }: any) => name === 'formula-with-numbers').valueString,
    /mood in the check-ins of the week after: mean of 5, 5, 5, 5 = 5; up to the best: mean of 7, 6, 7, 8, 7, 6, 8 = 7, SD 0\.8165; mood worse by 2, which is 1 or more \(the SD, at least 1\); confirmed by check-ins$/);
  for (const patient of ['ci-1', 'ci-2', 'ci-3']) {
    const again = await fhir('POST', `Patient/${patient}/$recompute`, { resourceType: 'Parameters' });
    t.equal(again.body.parameter?.find(({ name }: any) => name === 'differences').valueInteger, 0, `${patient}: ${again.text.slice(0, 600)}`);
  }
});
