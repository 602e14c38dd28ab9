import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test as Tap } from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import { jargonWords, judgingWords, verdictWords } from '../outcomes/words.ts';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { testService, type Client } from '../kit/service.ts';

// EpisodeOfCare/[id]/$end: the list with which a therapy is ended, and ending it.

const b = 'https://intersession.example/fhir';
const parts = (body: any, ...path: string[]): any[] => path.reduce((list: any[], name) => list.flatMap((each) => (each.parameter ?? each.part ?? []).filter((part: any) => part.name === name)), [body]);
const value = (part: any): any => Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
const coded = (system: string, code: string): object => ({ coding: [{ system: `${b}/CodeSystem/${system}`, code }] });
const sdc = (code: string): object => ({ coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code }] });
const of = (patient: string, resource: any): any => ({ subject: { reference: `Patient/${patient}` }, ...resource });
const task = (patient: string, id: string, more: object): any => ({ resourceType: 'Task', id, intent: 'order', status: 'requested', for: { reference: `Patient/${patient}` }, authoredOn: '2026-02-01T10:00:00Z', ...more });
const asking = (canonical: string, start: string): object => ({ code: sdc('complete-questionnaire'), requester: { reference: 'Practitioner/one' }, input: [{ type: sdc('questionnaire'), valueCanonical: canonical }], restriction: { period: { start, end: '2099-12-31' } } });
const encounter = (patient: string, id: string, episode: string, start: string, status = 'finished'): any => of(patient, {
  resourceType: 'Encounter', id, status, class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, episodeOfCare: [{ reference: `EpisodeOfCare/${episode}` }], period: { start },
});
const episode = (patient: string, id: string, more: object = {}): any => ({ resourceType: 'EpisodeOfCare', id, status: 'active', patient: { reference: `Patient/${patient}` }, period: { start: '2026-01-05' }, ...more });

async function send(t: Tap, fhir: Client, resources: readonly any[]): Promise<void> {
  const { status, body } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })) });
  t.equal(status, 200, JSON.stringify(body).slice(0, 300));
}

/** The lines of a list, as `code: state`. */
const lines = (body: any): Record<string, string[]> => Object.fromEntries([...Map.groupBy(parts(body, 'check'), (each) => value(parts(each, 'code')[0]).code as string)].map(([code, list]) => [code, list.map((each) => value(parts(each, 'state')[0]))]));
const resources = (body: any, code: string): string[] => parts(body, 'check').filter((each) => value(parts(each, 'code')[0]).code === code).flatMap((each) => parts(each, 'resource').map((part) => value(part).reference));

t.test('$end', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const one = service.as({ user: 'Practitioner/one', scopes: 'user/*.cruds' });
  await send(t, fhir, [
    { resourceType: 'Practitioner', id: 'one' }, ...['ada', 'bea', 'cy', 'dan'].map((id) => ({ resourceType: 'Patient', id, generalPractitioner: [{ reference: 'Practitioner/one' }] })),
    episode('ada', 'ep'), episode('bea', 'empty'), episode('bea', 'not-yet', { status: 'planned' }), episode('cy', 'alerted'), episode('dan', 'raced'),
    encounter('ada', 's1', 'ep', '2026-01-05T10:00:00Z'), encounter('ada', 's2', 'ep', '2026-03-02T10:00:00Z'), encounter('ada', 's3', 'ep', '2026-03-09T10:00:00Z', 'planned'),
    { ...phq9('ada', spread(15), '2026-01-05T09:00:00Z'), id: 'p1' }, { ...phq9('ada', spread(6), '2026-03-01T09:00:00Z'), id: 'p2' },
    { ...gad7('ada', spread(12, 7), '2026-01-05T09:00:00Z'), id: 'g1' }, { ...gad7('ada', spread(9, 7), '2026-02-01T09:00:00Z'), id: 'g2' },
    task('ada', 'h1', { code: coded('homework-type', 'journaling'), status: 'accepted' }),
    task('ada', 'h2', { code: coded('homework-type', 'journaling'), status: 'completed' }),
    task('ada', 'h3', { code: coded('homework-type', 'journaling'), status: 'completed', output: [{ type: coded('task-input', 'reviewed-in'), valueReference: { reference: 'Encounter/s2' } }] }),
    task('ada', 'due', asking(`${b}/Questionnaire/phq-9`, '2026-02-01')), task('ada', 'later', asking(`${b}/Questionnaire/phq-9`, '2099-01-01')),
    of('ada', { resourceType: 'Goal', id: 'open', lifecycleStatus: 'active', description: { text: 'x' } }),
    of('ada', { resourceType: 'Goal', id: 'attained', lifecycleStatus: 'active', description: { text: 'x' }, achievementStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/goal-achievement', code: 'achieved' }] } }),
  ]);

  await t.test('says what is open and what it rests on, and changes nothing', async (t) => {
    const before = (await fhir('GET', 'EpisodeOfCare/ep')).headers.get('etag');
    const { status, body } = await one('GET', 'EpisodeOfCare/ep/$end');
    t.equal(status, 200, JSON.stringify(body).slice(0, 300));
    t.same(validate(body, 'Parameters').filter(({ severity }) => severity === 'error'), []);
    t.same(lines(body), {
      'alert': ['done'], 'final-score': ['open', 'done'], 'questionnaire': ['open'], 'follow-up': ['done'], 'homework': ['open'], 'homework-review': ['open'],
      'goal': ['open'], 'blueprint': ['open'], 'alliance': ['not-applicable'], 'feedback': ['done'], 'session': ['open'],
    });
    t.same([resources(body, 'homework'), resources(body, 'homework-review'), resources(body, 'goal'), resources(body, 'questionnaire'), resources(body, 'follow-up'), resources(body, 'session')],
      [['Task/h1'], ['Task/h2'], ['Goal/open'], ['Task/due'], ['Task/later'], ['Encounter/s3']]);
    t.equal(value(parts(body, 'open')[0]), 7);
    for (const reference of resources(body, 'final-score')) t.equal((await fhir('GET', reference)).body.resourceType, 'Observation', 'a score is traced to its Observation');
    for (const each of parts(body, 'check', 'explanation', 'text-for-client')) for (const words of [judgingWords, jargonWords, verdictWords]) t.notMatch(value(each), words);
    for (const each of parts(body, 'check', 'explanation', 'text')) t.notMatch(value(each), verdictWords);
    const { body: concepts } = await fhir('GET', 'CodeSystem/ending-check');
    for (const code of Object.keys(lines(body))) t.ok(concepts.concept.some((each: any) => each.code === code), `${code} is a concept`);
    t.equal((await fhir('GET', 'EpisodeOfCare/ep')).headers.get('etag'), before);
    t.ok(JSON.stringify((await fhir('GET', 'AuditEvent?patient=ada&_count=200')).body).includes('$end'), 'it is in the access log');
  });

  await t.test('a plan for afterwards is a completed blueprint, or a CarePlan from it', async (t) => {
    const answers = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${b}/Questionnaire/bs-blueprint|1.0.0`, authored: '2026-03-02T10:00:00Z', item: ['rough-patch-plan', 'when-to-return'].map((linkId) => ({ linkId, answer: [{ valueString: 'x' }] })) };
    const { body: { id }, status, text } = await fhir('POST', 'QuestionnaireResponse', of('ada', answers));
    t.equal(status, 201, text.slice(0, 300));
    t.same(resources((await one('GET', 'EpisodeOfCare/ep/$end')).body, 'blueprint'), [`QuestionnaireResponse/${id}`]);
    await fhir('PUT', 'CarePlan/after', of('bea', { resourceType: 'CarePlan', id: 'after', status: 'active', intent: 'plan', instantiatesCanonical: [`${b}/Questionnaire/bs-blueprint`] }));
    t.same(lines((await one('GET', 'EpisodeOfCare/empty/$end')).body)['blueprint'], ['done']);
  });

  await t.test('a form that was answered once at the start needs no second time; a day is that of where the client lives', async (t) => {
    // Where it is always a day later than in UTC, or the same: an episode may end today there.
    await send(t, fhir, [{ resourceType: 'Patient', id: 'ela', generalPractitioner: [{ reference: 'Practitioner/one' }], extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: 'Pacific/Kiritimati' }] }, episode('ela', 'far')]);
    const single = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${b}/Questionnaire/phq-2`, authored: '2026-01-05T09:00:00Z', item: ['/44250-9', '/44255-8'].map((linkId) => ({ linkId, answer: [{ valueInteger: 2 }] })) };
    t.equal((await fhir('POST', 'QuestionnaireResponse', of('ela', single))).status, 201);
    t.ok((await fhir('GET', 'Observation?patient=ela&_summary=count')).body.total > 0, 'it is scored');
    const { body } = await one('GET', 'EpisodeOfCare/far/$end');
    t.same(parts(body, 'check', 'scale'), [], 'no line for a gate');
    const there = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);
    const after = new Date(Date.now() + 38 * 3_600_000 + 60_000).toISOString().slice(0, 10);
    t.equal((await one('POST', `EpisodeOfCare/far/$end?apply=true&end=${after}`)).status, 422);
    const { status, body: ended } = await one('POST', `EpisodeOfCare/far/$end?apply=true&end=${there}`);
    t.equal(status, 200, JSON.stringify(ended).slice(0, 200));
    t.equal(parts(ended, 'episode')[0].resource.period.end, there);
  });

  await t.test('what begins later is for afterwards, and not open', async (t) => {
    await send(t, fhir, [
      { resourceType: 'Patient', id: 'fay', generalPractitioner: [{ reference: 'Practitioner/one' }] }, episode('fay', 'later'),
      task('fay', 'self', { code: coded('homework-type', 'other'), restriction: { period: { start: '2099-01-01' } } }),
      { ...encounter('fay', 'after', 'later', '2099-01-15T10:00:00Z', 'planned'), type: [coded('encounter-type', 'follow-up')] },
      ...[['booster', 'FOLLOWUP'], ['visit', 'ROUTINE']].map(([id, code]) => ({
        resourceType: 'Appointment', id, status: 'booked', start: '2099-02-01T10:00:00Z', end: '2099-02-01T11:00:00Z', appointmentType: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0276', code }] },
        participant: [{ actor: { reference: 'Patient/fay' }, status: 'accepted' }],
      })),
    ]);
    const { body } = await one('GET', 'EpisodeOfCare/later/$end');
    t.same([resources(body, 'follow-up').sort(), resources(body, 'session'), lines(body)['homework']], [['Appointment/booster', 'Encounter/after', 'Task/self'], ['Appointment/visit'], ['done']]);
  });

  await t.test('of nothing it says that there is nothing; of what an access does not show, that it does not show it', async (t) => {
    t.same(lines((await one('POST', 'EpisodeOfCare/empty/$end', { resourceType: 'Parameters' })).body), {
      'alert': ['done'], 'final-score': ['open'], 'questionnaire': ['done'], 'follow-up': ['open'], 'homework': ['done'], 'homework-review': ['done'],
      'goal': ['not-applicable'], 'blueprint': ['done'], 'alliance': ['not-applicable'], 'feedback': ['done'], 'session': ['done'],
    });
    const narrow = service.as({ scopes: 'system/EpisodeOfCare.rs system/Patient.r system/Observation.r' });
    const { body } = await narrow('GET', 'EpisodeOfCare/ep/$end');
    for (const code of ['alert', 'questionnaire', 'homework', 'goal', 'blueprint', 'session']) t.same(lines(body)[code], ['unknown'], code);
  });

  await t.test('an alert that is not closed stands against the ending, also one that comes at the same moment', async (t) => {
    const { body: { id } } = await fhir('POST', 'QuestionnaireResponse', phq9('cy', spread(9, 9, 1), '2026-03-01T09:00:00Z'));
    t.ok(id);
    t.same(lines((await one('GET', 'EpisodeOfCare/alerted/$end')).body)['alert'], ['open']);
    const logged = async (): Promise<number> => JSON.stringify((await fhir('GET', 'AuditEvent?patient=cy&_count=200')).body).split('EpisodeOfCare/alerted').length;
    const before = await logged();
    const refused = await one('POST', 'EpisodeOfCare/alerted/$end?apply=true');
    t.equal(await logged(), before + 1, 'that there is an alert was shown: it is in the access log');
    t.match(refused, { status: 409, body: { issue: [{ severity: 'error', code: 'business-rule', expression: ['EpisodeOfCare.status'], details: { text: /Task\// } }, { details: { text: /Flag\// } }] } });
    t.equal((await fhir('GET', 'EpisodeOfCare/alerted')).body.status, 'active');
    for (let round = 0; round < 6; round += 1) {
      await send(t, fhir, [{ resourceType: 'Patient', id: `race-${round}`, generalPractitioner: [{ reference: 'Practitioner/one' }] }, episode(`race-${round}`, `race-${round}`)]);
      const [ending, answered] = await Promise.all([one('POST', `EpisodeOfCare/race-${round}/$end?apply=true`), sleep(3 + round).then(() => fhir('POST', 'QuestionnaireResponse', phq9(`race-${round}`, spread(9, 9, 1), '2026-03-01T09:00:00Z')))]);
      t.equal(answered!.status, 201);
      const [stored, flagged] = await Promise.all([fhir('GET', `EpisodeOfCare/race-${round}`), fhir('GET', `Flag?patient=race-${round}`)]);
      t.ok(ending!.status === 200 || ending!.status === 409, ending!.text.slice(0, 200));
      // Either it was ended before the answer came, or the alert was there and it goes on.
      t.equal(stored.body.status, ending!.status === 200 ? 'finished' : 'active');
      if (ending!.status === 200) t.ok(Date.parse(stored.body.meta.lastUpdated) <= Date.parse(flagged.body.entry[0].resource.meta.lastUpdated), 'the alert came after it');
    }
  });

  await t.test('apply=true ends it once, with the history of its status, guarded by If-Match', async (t) => {
    const version = (await fhir('GET', 'EpisodeOfCare/ep')).headers.get('etag')!;
    t.equal((await one('GET', 'EpisodeOfCare/ep/$end?apply=true')).status, 405);
    t.equal((await one('POST', 'EpisodeOfCare/ep/$end?apply=true', undefined, { 'if-match': 'W/"99"' })).status, 412);
    t.match(await one('POST', 'EpisodeOfCare/ep/$end?apply=true&end=2099-01-01'), { status: 422, body: { issue: [{ expression: ['http.end'], details: { text: /future/ } }] } });
    t.match(await one('POST', 'EpisodeOfCare/ep/$end', { resourceType: 'Parameters', parameter: [{ name: 'apply', valueBoolean: true }, { name: 'end', valueDateTime: '2099-01-01' }] }), { status: 422, body: { issue: [{ expression: ['Parameters.parameter[1]'] }] } });
    t.match(await one('POST', 'EpisodeOfCare/ep/$end?apply=true&end=2026-01-01'), { status: 422, body: { issue: [{ details: { text: /before the start/ } }] } });
    for (const wrong of ['?apply=true&end=soon', '?end=2026-03-10', '?apply=maybe', '?apply=true&at=2026-03-10']) t.equal((await one('POST', `EpisodeOfCare/ep/$end${wrong}`)).status, 400, wrong);
    for (const body of [{ resourceType: 'EpisodeOfCare' }, '{']) t.equal((await one('POST', 'EpisodeOfCare/ep/$end', body)).status, 400);
    t.match(await one('POST', 'EpisodeOfCare/not-yet/$end?apply=true'), { status: 422, body: { issue: [{ expression: ['EpisodeOfCare.period.start'] }] } });
    const given = { resourceType: 'Parameters', parameter: [{ name: 'apply', valueBoolean: true }, { name: 'end', valueDateTime: '2026-03-10' }] };
    const [first, second] = await Promise.all([one('POST', 'EpisodeOfCare/ep/$end', given), one('POST', 'EpisodeOfCare/ep/$end', given)]);
    t.same([first!.status, second!.status], [200, 200], `${first!.text.slice(0, 200)} ${second!.text.slice(0, 200)}`);
    const { body: stored } = await fhir('GET', 'EpisodeOfCare/ep');
    t.match(stored, { status: 'finished', period: { start: '2026-01-05', end: '2026-03-10' }, statusHistory: [{ status: 'active', period: { start: '2026-01-05', end: '2026-03-10' } }] });
    t.equal(Number(stored.meta.versionId), Number(/\d+/.exec(version)![0]) + 1, 'twice at once is once');
    t.same(parts(first!.body, 'episode')[0].resource, stored);
    t.equal(first!.headers.get('etag'), `W/"${stored.meta.versionId}"`);
    t.equal((await one('POST', 'EpisodeOfCare/ep/$end?apply=true')).status, 200, 'done again it is done');
    t.match(await one('POST', 'EpisodeOfCare/ep/$end?apply=true&end=2026-03-11'), { status: 409, body: { issue: [{ expression: ['EpisodeOfCare.period.end'] }] } });
    t.equal((await one('POST', 'EpisodeOfCare/ep/$end?apply=true', undefined, { 'if-match': version })).status, 412);
    t.equal((await fhir('GET', 'EpisodeOfCare/ep')).body.meta.versionId, stored.meta.versionId);
  });

  await t.test('a client reads the list in words for clients and ends nothing; nobody else learns that there is an episode', async (t) => {
    const own = service.as({ patient: 'cy' });
    const { status, body } = await own('GET', 'EpisodeOfCare/alerted/$end');
    t.equal(status, 200);
    t.notOk(JSON.stringify(body).includes('text-for-client'));
    for (const each of parts(body, 'check', 'explanation', 'text')) for (const words of [judgingWords, jargonWords]) t.notMatch(value(each), words);
    t.equal((await own('POST', 'EpisodeOfCare/alerted/$end?apply=true')).status, 403);
    const other = service.as({ patient: 'bea' });
    for (const query of ['', '?apply=true']) {
      const [theirs, none] = await Promise.all(['alerted', 'none'].map((id) => service.as({ user: 'Practitioner/stranger' })('POST', `EpisodeOfCare/${id}/$end${query}`)));
      t.same([theirs!.status, theirs!.body], [404, none!.body]);
    }
    t.equal((await other('GET', 'EpisodeOfCare/alerted/$end')).status, 404);
    const blind = service.as({ scopes: 'system/EpisodeOfCare.ru system/Patient.r system/Observation.r system/Flag.s' });
    t.equal((await blind('POST', 'EpisodeOfCare/empty/$end?apply=true')).status, 403, 'who does not see the reviews ends nothing');
    const partly = service.as({ scopes: 'system/EpisodeOfCare.ru system/Patient.r system/Observation.r system/Flag.s system/Task.s?status=completed' });
    t.equal((await partly('POST', 'EpisodeOfCare/empty/$end?apply=true')).status, 403);
  });

  await t.test('once the review is completed and the Flag is inactive nothing stands against it any more', async (t) => {
    const [review] = (await one('GET', 'Task?patient=cy&code=safety-review')).body.entry.map(({ resource }: any) => resource);
    const said: [string, object][] = [['action-taken', { valueCodeableConcept: coded('review-action', 'contacted-client') }], ['note', { valueString: 'We talked.' }], ['next-check', { valueDate: '2026-03-08' }]];
    const output = said.map(([code, more]) => ({ type: coded('task-input', code), ...more }));
    for (const more of [{ status: 'received' }, { status: 'in-progress' }, { status: 'completed', output }]) {
      const reply = await one('PUT', `Task/${review.id}`, { ...review, ...more });
      t.equal(reply.status, 200, reply.text.slice(0, 200));
    }
    const still = await one('POST', 'EpisodeOfCare/alerted/$end?apply=true');
    t.same([still.status, still.body.issue.length], [409, 1], 'the Flag is still active');
    const flag = (await one('GET', 'Flag?patient=cy')).body.entry[0].resource;
    const closed = await one('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive', extension: [...flag.extension, { url: `${b}/StructureDefinition/status-reason`, valueString: 'Talked about' }] });
    t.equal(closed.status, 200, closed.text.slice(0, 200));
    const { status, body } = await one('POST', 'EpisodeOfCare/alerted/$end?apply=true');
    t.equal(status, 200, JSON.stringify(body).slice(0, 200));
    t.same(lines(body)['alert'], ['done']);
    t.equal((await fhir('GET', 'EpisodeOfCare/alerted')).body.status, 'finished');
  });
});
