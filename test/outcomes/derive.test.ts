import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { derive } from '../../src/outcomes/derive.ts';
import { mayProject, recordEntries } from '../../src/outcomes/project.ts';
import { provenance } from '../../src/outcomes/provenance.ts';
import { patientRecord, withSource } from '../../src/outcomes/record.ts';
import { StoredResource } from '../../src/outcomes/recompute.ts';
import { base, gad7, phq9, registry, session, totalling, World } from '../kit/record.ts';

const component = (observation: Resource | undefined, code: string): Record<string, unknown> | undefined =>
  (observation?.component as { code: { coding: { code: string }[] } }[] | undefined)?.find((one) => one.code.coding[0]!.code === code) as Record<string, unknown> | undefined;
const classOf = (observation: Resource | undefined): string | undefined => (observation?.valueCodeableConcept as { coding: { code: string }[] } | undefined)?.coding[0]!.code;

t.test('the score Observation carries codes, band, range, quality, rule and source', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01T09:30:00+01:00', totalling(17), { encounter: { reference: 'Encounter/e' } }));
  const score = world.observation('score', 'q1')!;
  t.match(score, {
    status: 'final', valueInteger: 17, effectiveDateTime: '2024-03-01T09:30:00+01:00',
    category: [{ coding: [{ code: 'survey' }] }],
    code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }, { system: `${base}/CodeSystem/instrument`, code: 'phq-9' }] },
    subject: { reference: 'Patient/p' }, encounter: { reference: 'Encounter/e' }, device: { reference: 'Device/intersession-1' },
    derivedFrom: [{ reference: 'QuestionnaireResponse/q1' }],
    method: { coding: [{ system: `${base}/CodeSystem/scoring-method`, code: 'phq-9', version: '1.1.0' }] },
    interpretation: [{ text: 'Moderately severe' }, { text: 'At or above the screening cut-off of 10' }],
    identifier: [{ system: `${base}/score`, value: 'phq-9:q1' }],
    note: [{ text: /17 of 27.*not a diagnosis/ }],
  });
  t.equal((score.referenceRange as unknown[]).length, 5);
  t.match((score.extension as object[]).at(-1), { url: `${base}/StructureDefinition/score-quality`, extension: [{ valueInteger: 9 }, { valueInteger: 9 }, { valueBoolean: false }, { valueDecimal: 27 }] });
  t.equal(score.performer, undefined);
  t.equal(world.observation('change-from-baseline', 'q1'), undefined, 'one score is no change');
});

t.test('too few answers: an Observation without value says why', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01', [1, 1, 1]));
  const score = world.observation('score', 'q1')!;
  t.match(score, { dataAbsentReason: { coding: [{ code: 'unknown' }] }, note: [{ text: /3 of 9/ }] });
  t.notOk(Object.keys(score).some((key) => key.startsWith('value')));
});

t.test('a total of another system counts where the response behind it has none here, and only there', async (t) => {
  const world = new World();
  const total: Resource = { resourceType: 'Observation', id: 'o', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, effectiveDateTime: '2024-02-01', valueInteger: 14, derivedFrom: [{ reference: 'QuestionnaireResponse/q2' }] } as Resource;
  const change = (): (string | undefined)[] => world.all('Observation', ({ code, status }) => status !== 'entered-in-error' && JSON.stringify(code).includes('change-from-baseline')).map(({ valueInteger }) => String(valueInteger));
  world.write(phq9('q1', '2024-01-01', totalling(20)));
  world.write(phq9('q2', '2024-02-01', [2, 2, 2, null, null, null]));
  world.write(total);
  t.same(change(), ['-6'], 'three of nine answers are no total here');
  world.write(phq9('q2', '2024-02-01', totalling(12), { status: 'amended' }));
  t.same(change(), ['-8'], 'the answers that came later are counted themselves');
  world.write(phq9('q2', '2024-02-01', [2, 2, 2], { status: 'amended' }));
  t.same(change(), ['-6']);
});

t.test('a later score gives the pair of change Observations, with thresholds, cut-off and inputs', async (t) => {
  const world = new World();
  world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'active', period: { start: '2024-01-05' } } as Resource);
  world.write(phq9('q1', '2024-01-05', totalling(17)));
  world.write(phq9('q2', '2024-03-01', totalling(9)));
  const delta = world.observation('change-from-baseline', 'q2')!;
  const change = world.observation('reliable-change', 'q2')!;
  t.match(delta, { valueInteger: -8, interpretation: [{ coding: [{ code: 'B' }] }], category: [{ coding: [{ code: 'therapy' }] }, { coding: [{ code: 'progress' }] }] });
  t.equal(classOf(change), 'recovered');
  t.same(change.derivedFrom, [{ reference: `Observation/${world.observation('score', 'q2')!.id}` }, { reference: `Observation/${world.observation('score', 'q1')!.id}` }]);
  t.match(component(change, 'threshold'), { valueInteger: 6 });
  t.match(component(change, 'cut-off'), { valueInteger: 10 });
  t.match(component(change, 'delta'), { valueInteger: -8 });
  t.match(component(delta, 'baseline'), { valueInteger: 17 });
  t.match(change.identifier, [{ system: `${base}/progress`, value: `reliable-change:ep:${change.id}` }]);
  t.match(change.extension, [{ url: 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare', valueReference: { reference: 'EpisodeOfCare/ep' } }]);
  t.match(change.note, [{ text: /taken from a secondary source, not checked in the original/ }], 'a threshold says how sure it is');
});

t.test('posting the same response again changes nothing', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-05', totalling(17, 2)));
  world.write(phq9('q2', '2024-03-01', totalling(9)));
  world.log.length = 0;
  world.write(phq9('q2', '2024-03-01', totalling(9)));
  world.write(phq9('q1', '2024-01-05', totalling(17, 2)));
  t.same(world.log, []);
});

t.test('an amended baseline is corrected and amends what is computed from it; amended back, the values are as before', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-05', totalling(17)));
  world.write(phq9('q2', '2024-03-01', totalling(9)));
  const before = world.derivedState();
  world.write(phq9('q1', '2024-01-05', totalling(12), { status: 'amended' }));
  t.match(world.observation('score', 'q1'), { status: 'corrected', valueInteger: 12 });
  t.match(world.observation('score', 'q2'), { status: 'final', meta: { versionId: '1' } }, 'its own answers did not change');
  t.match(world.observation('reliable-change', 'q2'), { status: 'amended' });
  t.equal(classOf(world.observation('reliable-change', 'q2')), 'unchanged');
  world.write(phq9('q1', '2024-01-05', totalling(17), { status: 'amended' }));
  t.same(world.derivedState(), before);
});

t.test('a withdrawn or deleted response takes back what was derived and keeps the values; reinstated, they count again', async (t) => {
  for (const withdraw of [(world: World): void => world.write(phq9('q1', '2024-01-05', totalling(17, 1), { status: 'entered-in-error' })), (world: World): void => world.delete('QuestionnaireResponse', 'q1')]) {
    const world = new World();
    world.write(phq9('q1', '2024-01-05', totalling(17, 1)));
    world.write(phq9('q2', '2024-02-05', totalling(14)));
    world.write(phq9('q3', '2024-03-05', totalling(6)));
    withdraw(world);
    t.match(world.observation('score', 'q1'), { status: 'entered-in-error', valueInteger: 17 });
    t.match(world.observation('safety-item', 'q1'), { status: 'entered-in-error', valueInteger: 1 });
    t.match(world.observation('reliable-change', 'q2'), { status: 'entered-in-error' }, 'q2 is the baseline now');
    t.match(world.observation('change-from-baseline', 'q3'), { status: 'amended', valueInteger: -8 });
    world.write(phq9('q1', '2024-01-05', totalling(17, 1)));
    t.match(world.observation('score', 'q1'), { status: 'corrected', valueInteger: 17 });
    t.match(world.observation('change-from-baseline', 'q3'), { status: 'amended', valueInteger: -11 });
  }
});

t.test('a late response that becomes the baseline re-computes every change; so does a session that moves the window', async (t) => {
  const world = new World();
  world.write(phq9('q2', '2024-02-01', totalling(14)));
  world.write(phq9('q3', '2024-03-01', totalling(9)));
  world.write(phq9('q1', '2024-01-01', totalling(21)));
  t.match(world.observation('change-from-baseline', 'q2'), { valueInteger: -7, status: 'final' });
  t.match(world.observation('change-from-baseline', 'q3'), { valueInteger: -12, status: 'amended' });
  world.write(session('s1', '2024-02-03T10:00:00Z'));
  t.match(world.observation('change-from-baseline', 'q2'), { status: 'entered-in-error' });
  t.match(world.observation('change-from-baseline', 'q3'), { valueInteger: -5, status: 'amended' });
});

t.test('two totals on one date are no change', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-01T08:00:00Z', totalling(21)));
  world.write(phq9('q2', '2024-01-01T18:00:00Z', totalling(12)));
  t.equal(world.observation('change-from-baseline', 'q2'), undefined);
  world.write(phq9('q3', '2024-02-01T18:00:00Z', totalling(6)));
  t.match(world.observation('change-from-baseline', 'q3'), { valueInteger: -6 }, 'the later of the first day is the baseline');
});

t.test('at the same instant what is said decides and not an id: the higher score counts as the later, of episodes the one that lasts longer', async (t) => {
  const instants = ['2024-03-01T08:00:00Z', '2024-03-01T10:00:00+02:00'];
  for (const [first, second] of [['a', 'b'], ['b', 'a']] as const) {
    const world = new World();
    world.write({ resourceType: 'EpisodeOfCare', id: second, status: 'finished', period: { start: '2024-01-05', end: '2024-06-01' } } as Resource);
    world.write({ resourceType: 'EpisodeOfCare', id: first, status: 'active', period: { start: '2024-01-05' } } as Resource);
    world.write(phq9('q1', '2024-01-05', totalling(17)));
    world.write(phq9(first, instants[0]!, totalling(9)));
    world.write(phq9(second, instants[1]!, totalling(12)));
    t.match(world.observation('change-from-baseline', second), { valueInteger: -5, extension: [{ valueReference: { reference: `EpisodeOfCare/${first}` } }] });
    t.equal(world.observation('change-from-baseline', first)?.status ?? 'entered-in-error', 'entered-in-error');
  }
});

t.test('a response in progress gives no score; completed, it does', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-01', totalling(9), { status: 'in-progress' }));
  t.equal(world.observation('score', 'q1'), undefined);
  world.write(phq9('q1', '2024-01-01', totalling(9)));
  t.match(world.observation('score', 'q1'), { status: 'final', valueInteger: 9 });
});

t.test('labels of a restricted response are carried by its score and by each change that it enters', async (t) => {
  const world = new World();
  const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }];
  world.write(phq9('q1', '2024-01-01', totalling(20, 1), { meta: { security } }));
  world.write(phq9('q2', '2024-02-01', totalling(9)));
  t.match(world.observation('score', 'q1')?.meta, { security });
  t.match(world.observation('reliable-change', 'q2')?.meta, { security });
  t.equal(world.observation('score', 'q2')?.meta?.security, undefined);
  t.equal(world.observation('safety-item', 'q1')?.meta?.security, undefined, 'safety items are always visible');
});

t.test('a prorated total with a fraction is a quantity of {score}, and the sentence says that it is prorated', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-01', totalling(20)));
  world.write(phq9('q2', '2024-02-01', [2, 2, 2, 2, 2, 1, 1, null, 0]));
  t.match(world.observation('score', 'q2'), { valueInteger: 14, note: [{ text: /from 8 of 9 items/ }] });
  t.match(world.observation('change-from-baseline', 'q2')?.note, [{ text: /prorated/ }]);
});

const asked = (id: string, authoredOn: string, more: { canonical?: string; start?: string } = {}): Resource => ({
  resourceType: 'Task', id, status: 'requested', intent: 'order', authoredOn, lastModified: authoredOn,
  code: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'complete-questionnaire' }] },
  input: [{ type: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'questionnaire' }] }, valueCanonical: more.canonical ?? `${base}/Questionnaire/phq-9|1.0.0` }],
  ...(more.start === undefined ? {} : { restriction: { period: { start: more.start } } }),
});

t.test('the text alone tells of tasks at home and of what clients measure that they are no part of the record, and never of what is', async (t) => {
  const may = (resource: Resource): boolean => mayProject(resource.resourceType, JSON.stringify(resource), registry);
  const observed = (id: string, coding: object, more: object = {}): Resource =>
    ({ resourceType: 'Observation', id, meta: { versionId: '1' }, status: 'final', code: { coding: [{ system: 'http://example.org/local', code: 'x' }, coding] }, effectiveDateTime: '2024-03-01', ...more });
  const totals = [...registry.scales.values()].flatMap(({ codings, definition: { acceptAsTotal, min } }) => [...codings, ...acceptAsTotal].map((coding) => observed('total', coding, { valueInteger: min })));
  const items = [...registry.bySafetyItem].map(([code, { items: all, linkIdOf }]) => {
    const { system, byNumber } = all.get(linkIdOf.get(code)!)!;
    return observed('panel', { system: 'http://example.org/local', code: 'panel' }, { component: [{ code: { coding: [{ system, code }] }, valueInteger: [...byNumber.keys()][0] }] });
  });
  const known = [...totals, ...items, asked('t', '2024-01-01')];
  t.ok(totals.length > 40 && items.length > 1, `${totals.length} totals, ${items.length} safety items`);
  t.ok(known.filter((each) => recordEntries(each, { registry }).length > 0).length > 40, 'they are lines of the record');
  t.same(known.filter((each) => !may(each)), [], 'nothing that may be one is left out');
  for (const type of ['QuestionnaireResponse', 'Encounter', 'EpisodeOfCare', 'Goal', 'Patient']) t.ok(may({ resourceType: type, id: 'a' }), type);
  t.notOk(may(observed('minutes', { system: 'http://example.org/local', code: 'practice-minutes' }, { valueInteger: 20 })));
  t.notOk(may({ resourceType: 'Task', id: 'a', status: 'requested', intent: 'order', description: 'Ten minutes of breathing practice' }));
});

t.test('what a client sends is not taken for what is computed here by something that it contains', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01T09:30:00+01:00', totalling(17)));
  const computed = world.observation('score', 'q1')!;
  t.ok(new StoredResource(JSON.stringify(computed)).isPlainlyDerived);
  const { resourceType, code } = computed;
  t.notOk(new StoredResource(JSON.stringify({ resourceType, id: 'own', contained: [computed], status: 'final', code })).isPlainlyDerived);
  t.notOk(new StoredResource(JSON.stringify({ resourceType, id: 'own', status: 'final', code, contained: [computed] })).isPlainlyDerived);
});

t.test('a completed response answers the open request for its questionnaire whose time began last', async (t) => {
  const world = new World();
  world.write(asked('t2', '2024-02-01'));
  world.write(asked('t1', '2024-01-01'));
  world.write(asked('t3', '2024-05-01'));
  world.write(asked('t0', '2023-01-01', { canonical: `${base}/Questionnaire/gad-7` }));
  const status = (id: string): unknown => world.resources.get(`Task/${id}`)?.status;
  world.write(phq9('q1', '2024-03-01', totalling(9), { status: 'in-progress' }));
  t.same(['t1', 't2'].map(status), ['requested', 'requested']);
  world.write(phq9('q1', '2024-03-01', totalling(9)));
  t.match(world.resources.get('Task/t2'), { status: 'completed', lastModified: world.now, output: [{ type: { coding: [{ code: 'questionnaire-response' }] }, valueReference: { reference: 'QuestionnaireResponse/q1' } }] });
  world.write(phq9('q1', '2024-03-01', totalling(10), { status: 'amended' }));
  t.same(['t0', 't1', 't3'].map(status), ['requested', 'requested', 'requested'], 'an amendment answers no second request');
  world.delete('QuestionnaireResponse', 'q1');
  world.write(phq9('q1', '2024-03-01', totalling(9)));
  t.same(['t0', 't1', 't3'].map(status), ['requested', 'requested', 'requested'], 'nor does an answer that comes back');
  world.write(phq9('q2', '2023-04-01', totalling(9)));
  t.same(['t0', 't1', 't3'].map(status), ['requested', 'requested', 'requested'], 'before they were made');
  world.write(phq9('q2', '2024-04-01', totalling(9), { status: 'amended' }));
  t.same(['t0', 't1', 't3'].map(status), ['requested', 'completed', 'requested'], 'corrected to be of a later time');
  world.write(phq9('q3', '2024-04-02', totalling(9)));
  t.equal(status('t3'), 'requested', 'made after the answer');
});

t.test('of requests made at once each is answered in its time; an answer before all of them is that of the first', async (t) => {
  const world = new World();
  for (const start of ['2024-03-15', '2024-03-01', '2024-03-08']) world.write(asked(`t-${start}`, '2024-02-01T10:00:00Z', { start }));
  const answeredTo = (id: string): unknown[] => world.all('Task', ({ output }) => JSON.stringify(output ?? '').includes(`/${id}"`)).map((each) => each.id);
  world.write(phq9('q1', '2024-03-08T20:00:00Z', totalling(9)));
  world.write(phq9('q2', '2024-02-27T20:00:00Z', totalling(9)));
  t.same([answeredTo('q1'), answeredTo('q2')], [['t-2024-03-08'], ['t-2024-03-01']]);
});

t.test('property: which requests are answered does not depend on the order of the answers', async (t) => {
  const day = fc.integer({ min: 1, max: 28 }).map((n) => `2024-02-${String(n).padStart(2, '0')}`);
  fc.assert(fc.property(fc.array(day, { maxLength: 5 }), fc.boolean(), fc.array(fc.tuple(day, fc.nat()), { maxLength: 6 }), (times, atOnce, answers) => {
    const [one, other] = [answers, answers.toSorted(([, a], [, b]) => a - b)].map((list) => {
      const world = new World();
      for (const [i, time] of times.entries()) world.write(atOnce ? asked(`t${i}`, '2024-01-31', { start: time }) : asked(`t${i}`, time));
      for (const answer of list) world.write(phq9(`q${answers.indexOf(answer)}`, answer[0], totalling(9)));
      return world.all('Task', ({ status }) => status === 'completed').map(({ id }) => id!).sort();
    });
    t.strictSame(other, one);
  }), { numRuns: 100, seed: 20240301 });
});

t.test('Provenance names the service, the sources with their versions and the rule', async (t) => {
  const source = { ...phq9('q1', '2024-01-01', totalling(3)), meta: { versionId: '2' } };
  const made = provenance({ id: 'x', targets: ['Observation/1/_history/1'], sources: [source], now: '2024-01-01T00:00:00Z', device: 'Device/d', registry, patient: 'Patient/p' });
  t.match(made, { agent: [{ who: { reference: 'Device/d' } }], entity: [{ role: 'source', what: { reference: 'QuestionnaireResponse/q1/_history/2' } }], policy: [`${base}/Questionnaire/phq-9|1.0.0`] });
});

/** Writes of a small clinic: responses, sessions, an episode, amendments, withdrawals, deletions. */
const day = fc.tuple(fc.integer({ min: 1, max: 28 }), fc.constantFrom('T10:00:00Z', 'T10:00:00Z', 'T23:30:00Z', 'T23:30:00+02:00', '')).map(([one, time]) => `2024-02-${String(one).padStart(2, '0')}${time}`);
const response = fc.record({
  id: fc.constantFrom('q1', 'q2', 'q3', 'q4', 'q5'), at: day, total: fc.integer({ min: 0, max: 24 }), item9: fc.integer({ min: 0, max: 3 }),
  status: fc.constantFrom('completed', 'completed', 'amended', 'in-progress', 'stopped', 'entered-in-error'), kind: fc.constantFrom('phq', 'phq', 'gad'),
}).map(({ id, at, total, item9, status, kind }) => (kind === 'gad'
  ? gad7(`g${id}`, at, [1, 1, 1, 1, 1, 1, item9], { status })
  : phq9(id, at, totalling(Math.max(total, item9), item9), { status })));
const write: fc.Arbitrary<Resource> = fc.oneof(
  { weight: 6, arbitrary: response },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('s1', 's2'), day).map(([id, at]) => session(id, at)) },
  { weight: 1, arbitrary: fc.tuple(day, fc.option(day, { nil: undefined })).map(([start, end]): Resource => ({ resourceType: 'EpisodeOfCare', id: 'ep', status: end === undefined ? 'active' : 'finished', period: { start, ...(end === undefined ? {} : { end }) } })) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('q6', 'q7'), day, fc.integer({ min: 0, max: 4 })).map(([id, authored, last]): Resource => ({
    resourceType: 'QuestionnaireResponse', id, status: 'completed', authored, questionnaire: `${base}/Questionnaire/audit-c`, item: [1, 1, last].map((valueInteger, i) => ({ linkId: ['/68518-0', '/68519-8', '/68520-6'][i], answer: [{ valueInteger }] })),
  })) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('Europe/Berlin', 'Pacific/Auckland', 'America/Los_Angeles', undefined), fc.constantFrom('male', 'female', undefined)).map(([valueCode, gender]): Resource => ({
    resourceType: 'Patient', id: 'p', ...(gender === undefined ? {} : { gender }), ...(valueCode === undefined ? {} : { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode }] }),
  })) },
);

/** The resources that are there in the end, each as it was written last. */
const last = (writes: readonly Resource[]): Resource[] => [...new Map(writes.map((one) => [`${one.resourceType}/${one.id}`, one])).values()];

t.test('property: whatever the way there, what is derived follows from what is there', async (t) => {
  fc.assert(fc.property(fc.array(write, { minLength: 1, maxLength: 14 }), fc.nat(), (writes, seed) => {
    const world = new World();
    for (const resource of writes) world.write(resource);
    const scratch = new World();
    const final = last(writes);
    for (const resource of final) scratch.write(resource);
    const shuffled = new World();
    for (const resource of [...final].sort((a, b) => hash(a, seed) - hash(b, seed))) shuffled.write(resource);
    t.strictSame(world.derivedState(), scratch.derivedState());
    t.strictSame(shuffled.derivedState(), scratch.derivedState());
  }), { numRuns: 300 });
});

const hash = (resource: Resource, seed: number): number => (Array.from(`${resource.resourceType}${resource.id}`).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 9973, seed % 9973));

t.test('property: writing everything again writes nothing', async (t) => {
  fc.assert(fc.property(fc.array(write, { minLength: 1, maxLength: 10 }), (writes) => {
    const world = new World();
    for (const resource of writes) world.write(resource);
    world.log.length = 0;
    for (const resource of last(writes)) world.write(resource);
    t.same(world.log, []);
  }), { numRuns: 200 });
});

t.test('property: the record after a change equals the record read from the changed entries', async (t) => {
  fc.assert(fc.property(fc.array(write, { maxLength: 12 }), (writes) => {
    const entries = new Map<string, ReturnType<typeof recordEntries>>();
    let record = patientRecord([]);
    for (const resource of writes) {
      const projected = recordEntries(resource, { registry });
      entries.set(`${resource.resourceType}/${resource.id}`, projected);
      record = withSource(record, { type: resource.resourceType, id: resource.id! }, projected);
    }
    t.strictSame(record, patientRecord([...entries.values()].flat()));
  }), { numRuns: 100 });
});

t.test('a usual post (12 earlier scores) is derived in well under a millisecond', async (t) => {
  let record = patientRecord([]);
  const context = { registry, now: '2024-12-01T00:00:00Z', device: 'Device/d', patient: 'Patient/p' };
  for (let i = 0; i < 12; i += 1) {
    record = withSource(record, { type: 'QuestionnaireResponse', id: `q${i}` }, recordEntries(phq9(`q${i}`, `2024-01-${10 + i}`, totalling(20 - i)), { registry }));
  }
  const posted = { ...phq9('new', '2024-02-01', totalling(7)), meta: { versionId: '1' } };
  const run = (): number => {
    const after = withSource(record, { type: 'QuestionnaireResponse', id: 'new' }, recordEntries(posted, { registry }));
    return derive(record, after, { resource: posted, deleted: false }, context).length;
  };
  for (let i = 0; i < 2000; i += 1) run();
  const start = performance.now();
  for (let i = 0; i < 2000; i += 1) run();
  const each = (performance.now() - start) / 2;
  t.equal(run(), 3);
  t.ok(each < 1000, `${each.toFixed(1)} µs including the projection`);
  t.comment(`${each.toFixed(1)} µs`);
});
