import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { validate } from '../../src/fhir/validate.ts';
import { derive } from '../../src/outcomes/derive.ts';
import { progress } from '../../src/outcomes/progress.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord, withSource } from '../../src/outcomes/record.ts';
import { storedRows } from '../../src/resources/stored-rows.ts';
import { trajectoryReference, type ClosedCourse } from '../../src/outcomes/trajectory-reference.ts';
import { base, gad7, phq9, registry, session, totalling, World } from '../kit/record.ts';
import { judgingWords, verdictWords } from './words.ts';

const dayMs = 86_400_000;
const dateOf = (day: number): string => new Date(Date.UTC(2024, 10, 1) + day * dayMs).toISOString().slice(0, 10);

/** A weekly course with a session on the day of each score. */
function weekly(world: World, totals: readonly number[]): void {
  for (const [i, total] of totals.entries()) {
    world.write(session(`e${i}`, `${dateOf(7 * i)}T09:00:00Z`));
    world.write(phq9(`q${i}`, `${dateOf(7 * i)}T10:00:00Z`, totalling(total)));
  }
}

const stateOf = (observation: Resource | undefined): string | undefined => (observation?.valueCodeableConcept as { coding: { code: string }[] } | undefined)?.coding[0]!.code;
const component = (observation: Resource | undefined, code: string): unknown =>
  (observation?.component as { code: { coding: { code: string }[] } }[] | undefined)?.find((one) => one.code.coding[0]!.code === code);

const closed: ClosedCourse[] = Array.from({ length: 120 }, (_, i) => ({
  baseline: 4 + (i % 20), start: { session: 1, severity: 4 + (i % 20) }, sessions: 8, points: [2, 3, 4, 5, 6, 7, 8].map((each) => ({ session: each, severity: 2 + ((i * 7) % 18) })),
}));
const reference = trajectoryReference(new Map([['phq-9', closed]]), registry, '7');

t.test('a course as expected writes score, change and class, and nothing more', async (t) => {
  const world = new World();
  weekly(world, [18, 16, 15, 14, 13]);
  t.equal(world.all('Observation').length, 5 + 4 * 2);
  const rows = ['score', 'change-from-baseline', 'reliable-change'].flatMap((rule) => Object.values(storedRows(world.observation(rule as 'score', 'q4')!)).flat());
  t.ok(rows.length <= 40, `${rows.length} index rows for the three Observations of a usual score`);
  t.comment(`${rows.length} index rows`);
});

t.test('a setback opens, is confirmed and is resolved as one Observation with its history in versions', async (t) => {
  const world = new World();
  weekly(world, [18, 8, 14]);
  const setback = (): Resource | undefined => world.observation('setback', 'q2');
  t.equal(stateOf(setback()), 'setback-possible');
  t.match(setback(), {
    code: { coding: [{ system: `${base}/CodeSystem/progress-metric`, code: 'setback' }] }, method: { coding: [{ code: 'setback', version: '4' }, { code: 'phq-9' }] },
    derivedFrom: [{ reference: `Observation/${world.observation('score', 'q2')!.id}` }, { reference: `Observation/${world.observation('score', 'q1')!.id}` }],
  });
  t.match(component(setback(), 'reference-score'), { valueInteger: 8 });
  world.write(phq9('q3', `${dateOf(21)}T10:00:00Z`, totalling(15)));
  t.equal(stateOf(setback()), 'setback-confirmed');
  world.write(phq9('q4', `${dateOf(28)}T10:00:00Z`, totalling(10)));
  t.equal(stateOf(setback()), 'setback-resolved');
  t.match(component(setback(), 'recovery-days'), { valueInteger: 14 });
  t.match(setback(), { status: 'amended', meta: { versionId: '3' } });
  world.write(phq9('q2', `${dateOf(14)}T10:00:00Z`, totalling(9), { status: 'amended' }));
  t.match(setback(), { status: 'entered-in-error' }, 'the amended score is no setback');
  t.equal(stateOf(world.observation('setback', 'q3')), 'setback-resolved', 'the next one is');
});

const checkIn = (id: string, day: number, mood: number | null, stress: number | null = null, more: object = {}): Resource => ({
  resourceType: 'QuestionnaireResponse', id, questionnaire: `${base}/Questionnaire/bs-checkin`, status: 'completed', authored: `${dateOf(day)}T20:00:00Z`,
  item: [['mood', mood], ['stress', stress]].flatMap(([linkId, value]) => (value === null ? [] : [{ linkId, answer: [{ valueInteger: value }] }])), ...more,
});

t.test('a week of check-ins worse than usual confirms a setback, whenever it arrives; a later score resolves it', async (t) => {
  // Best on day 14, worse on day 28. Usual: days 1 to 14; the week: days 29 to 35.
  const usual = [7, 6, 7, 8, 7, 6, 8].map((mood, i) => checkIn(`u${i}`, 2 + 2 * i - 1, mood));
  const scores = [[0, 18], [14, 8], [28, 14]].map(([day, total]) => phq9(`q${day}`, `${dateOf(day!)}T10:00:00Z`, totalling(total!)));
  const state = (week: readonly Resource[], others: readonly Resource[] = []): [string | undefined, Resource | undefined] => {
    const worlds = [[...usual, ...scores, ...week, ...others], [...others, ...week.toReversed(), ...scores.toReversed(), ...usual]].map((order) => {
      const world = new World();
      for (const resource of order) world.write(resource);
      return world;
    });
    t.strictSame(worlds[0]!.derivedState(), worlds[1]!.derivedState(), 'in any order');
    const found = worlds[0]!.observation('setback', 'q28');
    return [stateOf(found), found];
  };
  const week = (moods: readonly number[], days: readonly number[] = [29, 31, 33, 35]): Resource[] => moods.map((mood, i) => checkIn(`w${i}`, days[i]!, mood));
  // mean 7, SD 0.8165: one point is needed
  const [confirmed, observation] = state(week([6, 6, 6, 6]));
  t.equal(confirmed, 'setback-confirmed', '7 - 6 = 1, the limit itself');
  t.equal((observation!.derivedFrom as object[]).length, 2 + 7 + 4, 'every check-in that it rests on');
  t.match(component(observation, 'check-in-week'), { valuePeriod: { start: dateOf(29), end: dateOf(35) } });
  t.match((observation!.note as { text: string }[])[0]!.text, /mood was 6 on average \(before: 7, SD 0\.82\)/);
  t.same(validate(observation!), []);
  for (const [name, checkIns] of [
    ['by less than a point', week([6, 6, 6, 7])], ['three days', week([0, 0, 0])], ['one of four before the week', week([0, 0, 0, 0], [28, 31, 33, 35])], ['one of four after it', week([0, 0, 0, 0], [29, 31, 33, 36])],
    ['three days of four check-ins', week([0, 0, 0, 0], [29, 29, 31, 33])],
    ['kept private', week([0, 0, 0, 0]).map((each) => ({ ...each, meta: { security: [{ system: `${base}/CodeSystem/sharing`, code: 'private' }] } }))],
  ] as const) t.equal(state(checkIns)[0], 'setback-possible', name);
  t.equal(state(week([5, 5, 5, 5]).map((each, i) => (i === 0 ? { ...each, status: 'entered-in-error' } : each)))[0], 'setback-possible', 'withdrawn');
  const later = (day: number, total: number): Resource => phq9('later', `${dateOf(day)}T10:00:00Z`, totalling(total));
  const [resolved, kept] = state(week([4, 4, 4, 4]), [later(42, 10)]);
  t.equal(resolved, 'setback-resolved');
  t.equal((kept!.derivedFrom as object[]).length, 3 + 7 + 4, 'resolved, what confirmed it stays');
  t.equal((state(week([4, 4, 4, 4]), [later(35, 10)])[1]!.derivedFrom as object[]).length, 3, 'the next score was in the week');
  t.equal((state(week([4, 4, 4, 4]), [later(42, 15)])[1]!.derivedFrom as object[]).length, 3, 'the next score confirms it by itself');
  const stressed = usual.map((each, i) => checkIn(each.id!, 2 + 2 * i - 1, 7, 3 + (i % 2)));
  const both = (mood: number, stress: number): string | undefined => {
    const world = new World();
    for (const resource of [...stressed, ...scores, ...[29, 31, 33, 35].map((day) => checkIn(`w${day}`, day, mood, stress))]) world.write(resource);
    return stateOf(world.observation('setback', 'q28'));
  };
  t.equal(both(7, 5), 'setback-confirmed', 'more stress, the same mood');
  t.equal(both(9, 5), 'setback-possible', 'more stress and a better mood say nothing together');
});

t.test('response, remission and sustained remission are written when they are reached first', async (t) => {
  const world = new World();
  weekly(world, [20, 10, 4, 4, 3, 3]);
  t.match(world.observation('response', 'q1'), { valueQuantity: { value: 50, code: '%' } });
  t.match(world.observation('remission', 'q2'), { valueBoolean: true });
  t.match(world.observation('sustained-remission', 'q4'), { valueBoolean: true });
  for (const [rule, id] of [['response', 'q2'], ['remission', 'q3'], ['sustained-remission', 'q5']] as const) t.equal(world.observation(rule, id), undefined, rule);
});

t.test('a signal names the reference that it was judged by; of an earlier version it is kept until its inputs change', async (t) => {
  const world = new World();
  world.now = `${dateOf(60)}T10:00:00Z`;
  world.reference = reference;
  weekly(world, [16, 16, 16, 20, 20, 20]);
  const signal = world.observation('trajectory-signal', 'q5');
  t.equal(stateOf(signal), 'not-on-track');
  t.match(component(signal, 'reference-version'), { valueString: '7' });
  t.match(component(signal, 'session-number'), { valueInteger: 6 });
  t.ok(component(signal, 'watch-boundary') && component(signal, 'boundary') && component(signal, 'expected') && component(signal, 'n'));
  world.reference = null;
  world.write(phq9('q6', `${dateOf(42)}T10:00:00Z`, totalling(15)));
  t.match(world.observation('trajectory-signal', 'q5'), { meta: { versionId: '1' } });
  world.write(phq9('q5', `${dateOf(35)}T10:00:00Z`, totalling(10), { status: 'amended' }));
  t.match(stateOf(world.observation('trajectory-signal', 'q5')) === 'on-track' || world.observation('trajectory-signal', 'q5')?.status === 'entered-in-error', true);
});

t.test('two signals in a row ask a clinician once, with the answers of recent weeks only; taken back when the scores no longer ask', async (t) => {
  const world = new World();
  world.careTeam = { resourceType: 'CareTeam', participant: [{ member: { reference: 'Practitioner/x' } }] };
  world.now = `${dateOf(45)}T10:00:00Z`;
  weekly(world, [10, 10, 10, 20, 20, 20]);
  const tasks = (): Resource[] => world.all('Task', ({ code }) => JSON.stringify(code).includes('course-review'));
  t.match(tasks(), [{ status: 'requested', priority: 'routine', owner: { reference: 'Practitioner/x' }, meta: { security: [{ code: 'R' }] }, focus: { reference: 'QuestionnaireResponse/q4' } }]);
  t.same(validate(tasks()[0]!), []);
  t.match(tasks()[0]!['description'], /scores in a row are reliably worse than at baseline\./, 'no expected course where there is no benchmark');
  world.write(phq9('q4', `${dateOf(28)}T10:00:00Z`, totalling(20)));
  t.equal(tasks().length, 1, 'idempotent');
  world.write(phq9('q4', `${dateOf(28)}T10:00:00Z`, totalling(10), { status: 'amended' }));
  t.match(tasks().map(({ status }) => status), ['cancelled']);
  world.write(phq9('q4', `${dateOf(28)}T10:00:00Z`, totalling(20), { status: 'amended' }));
  t.match(tasks().map(({ status, statusReason }) => [status, statusReason]), [['requested', undefined]]);
  const old = new World();
  old.now = '2026-01-01T00:00:00Z';
  weekly(old, [10, 10, 10, 20, 20]);
  t.equal(old.all('Task').filter(({ code }) => JSON.stringify(code).includes('course-review')).length, 0, 'an import asks nobody');
  for (const which of [0, 3, 4]) {
    const kept = new World();
    kept.now = `${dateOf(45)}T10:00:00Z`;
    for (const [i, total] of [10, 10, 10, 20, 20].entries()) {
      kept.write(session(`e${i}`, `${dateOf(7 * i)}T09:00:00Z`));
      const security = [{ system: `${base}/CodeSystem/sharing`, code: 'private' }];
      kept.write(phq9(`q${i}`, `${dateOf(7 * i)}T10:00:00Z`, totalling(total), i === which ? { meta: { security } } : {}));
    }
    t.equal(kept.all('Task').length, 0, 'what the client keeps private tells nobody anything');
  }
});

const at = fc.integer({ min: 0, max: 60 }).map((day) => `${dateOf(day)}T10:00:00Z`);
const label = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }];
const write: fc.Arbitrary<Resource> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ id: fc.integer({ min: 0, max: 9 }), when: at, total: fc.integer({ min: 0, max: 24 }), status: fc.constantFrom('completed', 'completed', 'completed', 'amended', 'entered-in-error', 'in-progress'), secret: fc.boolean(), of: fc.constantFrom(null, 's1', 's2') })
    .map(({ id, when, total, status, secret, of }) => phq9(`q${id}`, when, totalling(total), { status, ...(secret ? { meta: { security: label } } : {}), ...(of === null ? {} : { encounter: { reference: `Encounter/${of}` } }) })) },
  { weight: 1, arbitrary: fc.record({ id: fc.constantFrom('g1', 'g2'), when: at, total: fc.integer({ min: 0, max: 3 }) }).map(({ id, when, total }) => gad7(id, when, [total, total, total, 1, 1, 1, 1])) },
  { weight: 3, arbitrary: fc.record({ id: fc.constantFrom('s1', 's2', 's3', 's4', 's5', 's6'), when: at, status: fc.constantFrom('finished', 'finished', 'cancelled') }).map(({ id, when, status }) => session(id, when, { status })) },
  { weight: 2, arbitrary: fc.record({ id: fc.constantFrom('o1', 'o2', 'o3'), when: at, total: fc.integer({ min: 0, max: 27 }), status: fc.constantFrom('final', 'final', 'corrected', 'entered-in-error') })
    .map(({ id, when, total, status }): Resource => ({ resourceType: 'Observation', id, status, code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, subject: { reference: 'Patient/p' }, effectiveDateTime: when, valueInteger: total })) },
  { weight: 1, arbitrary: fc.record({ id: fc.constantFrom('ep1', 'ep2'), start: fc.integer({ min: 0, max: 40 }), days: fc.integer({ min: 5, max: 40 }), status: fc.constantFrom('active', 'finished') })
    .map(({ id, start, days, status }): Resource => ({ resourceType: 'EpisodeOfCare', id, status, patient: { reference: 'Patient/p' }, period: { start: dateOf(start), ...(status === 'finished' ? { end: dateOf(start + days) } : {}) } })) },
);
/** A score near its best, a worse one three weeks later, check-ins around both, and perhaps a score after them. */
const checkedIn: fc.Arbitrary<Resource[]> = fc.record({ usual: fc.array(fc.integer({ min: 5, max: 9 }), { minLength: 8, maxLength: 14 }), week: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 3, maxLength: 7 }), stress: fc.boolean(), later: fc.option(fc.record({ day: fc.integer({ min: 33, max: 50 }), total: fc.integer({ min: 3, max: 20 }) })) })
  .map(({ usual, week, stress, later }) => [
    phq9('q0', `${dateOf(0)}T10:00:00Z`, totalling(18)), phq9('q1', `${dateOf(14)}T10:00:00Z`, totalling(6)), phq9('q2', `${dateOf(28)}T10:00:00Z`, totalling(14)),
    ...usual.map((mood, i) => checkIn(`u${i}`, 1 + i, mood, stress ? 9 - mood : null)), ...week.map((mood, i) => checkIn(`w${i}`, 29 + i, mood, stress ? mood : null)),
    ...(later === null ? [] : [phq9('q3', `${dateOf(later.day)}T10:00:00Z`, totalling(later.total))]),
  ]);
/** A recovery at the end of an episode, and a score after it. */
const ended: fc.Arbitrary<Resource[]> = fc.record({ end: fc.integer({ min: 0, max: 9 }), after: fc.integer({ min: 10, max: 22 }) }).map(({ end, after }) => [
  phq9('q0', `${dateOf(0)}T10:00:00Z`, totalling(18)), phq9('q1', `${dateOf(14)}T10:00:00Z`, totalling(end)), phq9('q2', `${dateOf(40)}T10:00:00Z`, totalling(after)),
  { resourceType: 'EpisodeOfCare', id: 'ep1', status: 'finished', patient: { reference: 'Patient/p' }, period: { start: dateOf(0), end: dateOf(20) } },
]);
const last = (writes: readonly Resource[]): Resource[] => [...new Map(writes.map((one) => [`${one.resourceType}/${one.id}`, one])).values()];

/** Weekly scores that move little but for one step, for the better or for the worse: chance alone makes such a series too seldom. */
const stepped: fc.Arbitrary<Resource[]> = fc.record({ first: fc.integer({ min: 17, max: 20 }), second: fc.integer({ min: 3, max: 6 }), after: fc.integer({ min: 3, max: 4 }), better: fc.boolean() })
  .map(({ first, second, after, better }) => Array.from({ length: 8 }, (_, i) => phq9(`q${i}`, `${dateOf(7 * i)}T10:00:00Z`, totalling(((i < after) === better ? first : second) + (i % 2)))));
const history: fc.Arbitrary<Resource[]> = fc.oneof(
  { weight: 5, arbitrary: fc.array(write, { minLength: 6, maxLength: 26 }) },
  { weight: 1, arbitrary: fc.tuple(stepped, fc.array(write, { maxLength: 3 })).map(([steps, others]) => [...others, ...steps]) },
  { weight: 1, arbitrary: fc.tuple(checkedIn, fc.array(write, { maxLength: 2 })).map(([resources, others]) => [...others, ...resources]) },
  { weight: 1, arbitrary: fc.tuple(ended, fc.array(write, { maxLength: 2 })).map(([resources, others]) => [...others, ...resources]) },
);

t.test('property: any order of arrival, amendment and withdrawal gives the same derived set, and again nothing new', async (t) => {
  const seen = new Set<string>();
  fc.assert(fc.property(history, fc.infiniteStream(fc.nat(1000)), fc.boolean(), (writes, keys, withReference) => {
    const run = (list: readonly Resource[]): World => {
      const world = new World();
      if (withReference) world.reference = reference;
      for (const resource of list) world.write(resource);
      return world;
    };
    const final = last(writes);
    const order = final.map((resource) => [keys.next().value, resource] as const).sort(([a], [b]) => a - b).map(([, resource]) => resource);
    const world = run(writes);
    for (const observation of world.all('Observation', ({ status }) => status !== 'entered-in-error')) {
      seen.add((observation.code as { coding: { code: string }[] }).coding[0]!.code);
      if (component(observation, 'check-in-week') !== undefined) seen.add('check-in-week');
    }
    t.strictSame(world.derivedState(), run(final).derivedState());
    t.strictSame(run(order).derivedState(), run(final).derivedState());
    world.log.length = 0;
    for (const resource of final) world.write(resource);
    t.same(world.log, [], 'written again, nothing changes');
  }), { numRuns: 250 });
  for (const metric of ['setback', 'response', 'remission', 'sustained-remission', 'sudden-gain', 'sudden-loss', 'trajectory-signal', 'relapse', 'check-in-week']) t.ok(seen.has(metric), `${metric} was among them`);
});

t.test('property: amended and amended back equals never amended', async (t) => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 24 }), { minLength: 3, maxLength: 9 }), fc.nat(8), fc.integer({ min: 0, max: 24 }), (totals, which, other) => {
    const world = new World();
    weekly(world, totals);
    const before = world.derivedState();
    const i = which % totals.length;
    world.write(phq9(`q${i}`, `${dateOf(7 * i)}T10:00:00Z`, totalling(other), { status: 'amended' }));
    world.write(phq9(`q${i}`, `${dateOf(7 * i)}T10:00:00Z`, totalling(totals[i]!), { status: 'amended' }));
    t.strictSame(world.derivedState(), before);
  }), { numRuns: 100 });
});

t.test('everything that stands out is valid R4, names inputs and rule, and has words for both sides', async (t) => {
  const seen = new Map<string, Resource>();
  for (const withReference of [true, false]) {
    for (const totals of [[20, 10, 4, 4, 3, 3], [18, 8, 14, 15, 10], [20, 20, 20, 8, 8, 9, 20], [8, 9, 8, 15, 16, 15, 15], [12, 12, 12, 12, 12, 12, 12]]) {
      const world = new World();
      world.now = `${dateOf(60)}T00:00:00Z`;
      if (withReference) world.reference = reference;
      weekly(world, totals);
      world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', patient: { reference: 'Patient/p' }, period: { start: dateOf(0), end: dateOf(30) } });
      for (const observation of world.all('Observation')) {
        const codes = (observation.code as { coding: { code: string }[] }).coding;
        seen.set(`${codes[0]!.code}${stateOf(observation) ?? ''}${withReference}`, observation);
      }
    }
  }
  t.ok(seen.size > 12);
  for (const [name, observation] of seen) {
    t.same(validate(observation), [], name);
    t.match(observation, { device: {}, method: {}, derivedFrom: [{}] }, name);
    const [clinician, client] = observation.note as { text: string; extension?: object[] }[];
    t.match(client?.extension, [{ url: `${base}/StructureDefinition/audience`, valueCode: 'client' }], name);
    t.notMatch(client!.text, judgingWords, `${name}: ${client!.text}`);
    t.notMatch(clinician!.text, verdictWords, name);
    t.match(clinician!.text, /[Rr]ule|baseline|threshold|better|worse|change/, name);
  }
});

t.test('check-ins are not compared with a baseline; $progress sums up two weeks of them', async (t) => {
  const world = new World();
  for (let i = 0; i < 9; i += 1) {
    world.write({ resourceType: 'QuestionnaireResponse', id: `r${i}`, questionnaire: `${base}/Questionnaire/bs-checkin`, status: 'completed', authored: `2024-11-${10 + i}T10:00:00Z`, item: [{ linkId: 'mood', answer: [{ valueInteger: (i * 3) % 10 }] }] });
  }
  t.equal(world.all('Observation').length, 9, 'scores, and no change');
  const found = progress(world.record, { registry, now: world.now, patient: 'Patient/p', goals: [], tasks: [], alerts: [], reader: 'any' });
  t.same(validate(found), []);
  const instrument = (found['parameter'] as { name: string; part: { name: string; part?: object[] }[] }[]).find(({ name }) => name === 'instrument')!;
  t.match(instrument.part.find(({ name }) => name === 'momentary')?.part, [{ name: 'n', valueInteger: 9 }, { name: 'mean', valueDecimal: 4.2222 }, { name: 'rolling-mean', valueInteger: 5 }]);
  t.notOk(instrument.part.some(({ name }) => name === 'change'));
});

t.test('a response of a client with 100 earlier scores is derived in less than a millisecond of CPU', async (t) => {
  const context = { registry, now: '2024-12-01T00:00:00Z', device: 'Device/d', patient: 'Patient/p', reference };
  const resources = Array.from({ length: 100 }, (_, i) => [session(`e${i}`, new Date(Date.UTC(2023, 0, 1) + 7 * i * dayMs).toISOString()), phq9(`q${i}`, new Date(Date.UTC(2023, 0, 1) + 7 * i * dayMs).toISOString(), totalling(11 + (i % 3)))]).flat();
  const record = patientRecord(resources.flatMap((resource) => recordEntries(resource, { registry })));
  const posted = { ...phq9('new', '2024-12-01', totalling(9)), meta: { versionId: '1' } };
  const run = (): number => {
    const after = withSource(record, { type: 'QuestionnaireResponse', id: 'new' }, recordEntries(posted, { registry }));
    return derive(record, after, { resource: posted, deleted: false }, context).length;
  };
  for (let i = 0; i < 300; i += 1) run();
  const begun = process.cpuUsage();
  for (let i = 0; i < 500; i += 1) run();
  const { user, system } = process.cpuUsage(begun);
  const each = (user + system) / 500;
  t.comment(`${each.toFixed(0)} µs`);
  t.ok(each < 1000, `${each.toFixed(0)} µs`);
});
