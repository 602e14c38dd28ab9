import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { adherence } from '../../src/outcomes/adherence.ts';
import { driverParts } from '../../src/outcomes/drivers.ts';
import { progress } from '../../src/outcomes/progress.ts';
import { goalByClient } from '../../src/resources/goal.ts';
import { isDerived } from '../../src/resources/observation.ts';
import { checkTaskTransition } from '../../src/resources/task.ts';
import { base, phq9, registry, totalling, World, wsas } from '../kit/record.ts';

const goal = (target: object, more: object = {}): Resource => ({
  resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', startDate: '2024-01-01', description: { text: 'Feel lighter' },
  target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, ...target }], ...more,
});
const statusOf = (world: World): string | undefined =>
  (world.resources.get('Goal/g')?.achievementStatus as { coding: { code: string }[] } | undefined)?.coding[0]!.code;

/** Totals by date, written one after the other after the goal; @returns the status after each. */
function course(one: Resource, scores: readonly (readonly [string, number])[], now = '2024-12-31T00:00:00Z'): (string | undefined)[] {
  const world = new World();
  world.now = now;
  world.write(one);
  return scores.map(([date, total], i) => {
    world.write(phq9(`q${i}`, date, totalling(total)));
    return statusOf(world);
  });
}

t.test('achievement follows the scores: each status of the rule', async (t) => {
  const below5 = goal({ detailQuantity: { value: 5, comparator: '<' } });
  t.same(course(below5, [['2024-01-02', 18], ['2024-01-09', 15], ['2024-01-16', 12], ['2024-01-23', 19], ['2024-03-01', 4], ['2024-03-15', 3], ['2024-04-01', 2], ['2024-04-15', 10]]),
    ['in-progress', 'no-change', 'improving', 'no-change', 'achieved', 'achieved', 'sustaining', 'improving']);
  t.same(course(below5, [['2024-01-02', 10], ['2024-01-09', 16]]), ['in-progress', 'worsening']);
  t.same(course(below5, [['2024-01-02', 10], ['2024-03-09', 9]]), ['in-progress', 'no-progress'], 'eight weeks and more');
  t.same(course(below5, [['2024-01-02', 10], ['2024-01-09', 4], ['2024-01-19', 11]]), ['in-progress', 'achieved', 'worsening'], 'met before, now away by the threshold');
});

t.test('targets as integer, quantity or range; by LOINC or local code; due dates', async (t) => {
  for (const target of [{ detailInteger: 9 }, { detailQuantity: { value: 9 } }, { detailQuantity: { value: 9, comparator: '<=' } }, { detailRange: { high: { value: 9 } } }]) {
    t.same(course(goal(target), [['2024-01-02', 18], ['2024-02-01', 9]]), ['in-progress', 'achieved'], JSON.stringify(target));
  }
  t.same(course(goal({ detailQuantity: { value: 9, comparator: '<' } }), [['2024-01-02', 18], ['2024-02-01', 9]]), ['in-progress', 'improving']);
  const local = goal({}, { target: [{ measure: { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'phq-9' }] }, detailInteger: 9, dueDate: '2024-03-31' }] });
  t.same(course(local, [['2024-01-02', 18], ['2024-02-01', 10]], '2024-03-31T23:00:00Z'), ['in-progress', 'improving'], 'the due day itself still counts');
  t.same(course(local, [['2024-01-02', 18], ['2024-02-01', 10]], '2024-04-01T00:00:00Z'), ['in-progress', 'not-achieved']);
  t.same(course(goal({ detailInteger: 9 }, { lifecycleStatus: 'proposed' }), [['2024-01-02', 18], ['2024-02-01', 9]]), [undefined, undefined], 'not agreed yet');
  t.same(course({ ...local, target: [{ measure: { text: 'mood' }, detailInteger: 9 }] }, [['2024-01-02', 18]]), [undefined]);
});

t.test('a rating to which an item does not apply meets a target on the whole scale, as it is compared everywhere', async (t) => {
  const world = new World();
  world.write({ ...goal({}), target: [{ measure: { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'wsas' }] }, detailInteger: 10 }] });
  const after = (...answers: Parameters<typeof wsas>): string | undefined => {
    world.write(wsas(...answers));
    return statusOf(world);
  };
  t.equal(after('q0', '2024-01-02', [4, 4, 4, 4, 4]), 'in-progress');
  t.equal(after('q1', '2024-02-01', [null, 3, 2, 2, 2]), 'improving', '9 of 32 is 11.25 of 40: not 10 or less, and 8.75 better than 20');
  const shown = JSON.stringify(progress(world.record, { registry, now: world.now, patient: 'Patient/p', goals: [world.resources.get('Goal/g')!], tasks: [], alerts: [], reader: 'any' }));
  t.match(shown, /went from 20 .* to 11\.25 .*An item did not apply, so 9 of 32 counts as 11\.25 of 40/, 'and it says so');
  t.equal(after('q2', '2024-03-01', [null, 2, 2, 2, 2]), 'achieved', '8 of 32 is 10 of 40');
});

t.test('a goal with ratings of its own from 0 to 10 moves by two points', async (t) => {
  const measure = { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'goal-rating.goal-1' }] };
  const rated = (values: readonly number[], gap = 7, more: object = {}, now = '2024-12-31T00:00:00Z'): (string | undefined)[] => {
    const world = new World();
    world.now = now;
    world.write({ ...goal({}), target: [{ measure, detailInteger: 8, ...more }] });
    return values.map((value, at) => {
      world.write({
        resourceType: 'QuestionnaireResponse', id: `q${at}`, status: 'completed', questionnaire: `${base}/Questionnaire/goal-rating`, subject: { reference: 'Patient/p' },
        authored: new Date(Date.parse('2024-01-02') + at * gap * 86_400_000).toISOString(), item: [{ linkId: 'goal-1', answer: [{ valueInteger: value }] }],
      });
      return statusOf(world);
    });
  };
  t.same(rated([3, 4, 5, 8]), ['in-progress', 'no-change', 'improving', 'achieved']);
  t.same(rated([3, 8, 9, 8], 14).at(-1), 'sustaining', 'two further ratings over 28 days');
  t.same(rated([3, 8, 9, 8], 13).at(-1), 'achieved', '26 days are too few');
  t.same(rated([3, 8, 6]).at(-1), 'worsening', 'reached before, two below now');
  t.same(rated([3, 8, 7]).at(-1), 'improving');
  t.same(rated([5, 3]).at(-1), 'worsening');
  t.same(rated([5, 6], 56).at(-1), 'no-progress');
  t.same(rated([5, 7], 7, { dueDate: '2024-02-01' }).at(-1), 'not-achieved');
  t.same(rated([5, 8], 7, { dueDate: '2024-02-01' }).at(-1), 'achieved', 'met is met, whenever it is looked at');
});

t.test('a goal that is written after its scores has its status at once; withdrawn scores take it away', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2023-12-20', totalling(18)));
  world.write(phq9('q2', '2024-02-01', totalling(6)));
  world.write(goal({ detailInteger: 9 }));
  t.equal(statusOf(world), 'achieved', 'the last score before the start is where it started from');
  t.notMatch(JSON.stringify(world.resources.get('Goal/g')!.achievementStatus), /18|\b6\b/, 'no score in the Goal itself');
  world.write(phq9('q1', '2023-12-20', totalling(18), { status: 'entered-in-error' }));
  world.write(phq9('q2', '2024-02-01', totalling(6), { status: 'entered-in-error' }));
  t.equal(statusOf(world), undefined);
});

t.test('a status that a person sets stands until it is taken back', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-02', totalling(18)));
  world.write(goal({ detailInteger: 9 }));
  const stored = world.resources.get('Goal/g')!;
  const byHand = { ...stored, achievementStatus: { ...stored.achievementStatus as object, coding: [{ system: 'http://terminology.hl7.org/CodeSystem/goal-achievement', code: 'not-attainable' }] } };
  const kept = goalByClient(stored, byHand);
  t.equal(kept.override, true);
  world.write(kept.goal);
  world.write(phq9('q2', '2024-02-02', totalling(3)));
  t.equal(statusOf(world), 'not-attainable');
  const current = world.resources.get('Goal/g')!;
  t.equal(goalByClient(current, current).override, false, 'sent back unchanged is no new override');
  const { achievementStatus: _, ...cleared } = current;
  const back = goalByClient(current, cleared as Resource);
  t.equal(back.override, true, 'taking it back is a decision too');
  world.write(back.goal);
  t.equal(statusOf(world), 'achieved');
  const computed = world.resources.get('Goal/g')!;
  const forged = { ...computed, achievementStatus: { coding: [{ code: 'worsening' }], extension: [{ url: `${base}/StructureDefinition/computed-achievement`, valueCode: 'worsening' }] } };
  t.equal(goalByClient(computed, forged).override, true, 'the mark of the service cannot be sent by a client');
  const bare = { ...computed, achievementStatus: { coding: (computed.achievementStatus as { coding: object[] }).coding } };
  t.equal(goalByClient(computed, bare).override, false, 'a client that drops extensions overrides nothing');
});

const homework = (status: string, more: object = {}): Resource => ({
  resourceType: 'Task', id: 'h', status, intent: 'plan', for: { reference: 'Patient/p' }, authoredOn: '2024-01-01',
  code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, ...more,
});
const faults = (previous: Resource | undefined, next: Resource): (string | undefined)[] => checkTaskTransition(previous, next).map(({ expression }) => expression);

t.test('homework: steps that make sense pass, others name Task.status; declining needs a reason', async (t) => {
  for (const [from, to] of [['draft', 'requested'], ['requested', 'accepted'], ['accepted', 'in-progress'], ['in-progress', 'completed'], ['on-hold', 'in-progress'], ['accepted', 'failed'], ['completed', 'completed']]) {
    t.same(faults(homework(from!), homework(to!)), [], `${from} to ${to}`);
  }
  for (const [from, to] of [['completed', 'in-progress'], ['rejected', 'accepted'], ['cancelled', 'requested'], ['accepted', 'requested'], ['entered-in-error', 'draft']]) {
    t.same(faults(homework(from!), homework(to!)), ['Task.status'], `${from} to ${to}`);
  }
  t.same(faults(homework('requested'), homework('rejected')), ['Task.statusReason']);
  t.same(faults(homework('requested'), homework('rejected', { statusReason: { text: 'too much this week' } })), []);
  t.same(faults(undefined, homework('requested', { for: undefined })), ['Task.for']);
  t.same(faults(undefined, homework('requested', { intent: 'proposal' })), ['Task.intent']);
  t.same(faults(undefined, homework('requested', { lastModified: '2023-12-31' })), ['Task.lastModified']);
  t.same(faults(undefined, homework('requested', { code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'juggling' }] } })), ['Task.code']);
  t.same(faults(homework('requested'), homework('requested', { for: { reference: 'Patient/other' } })), ['Task.for']);
  t.same(faults(homework('requested'), homework('requested', { code: { text: 'something else' } })), ['Task.code'], 'a kind cannot be left to escape its rules');
});

t.test('Tasks of others are left alone', async (t) => {
  const foreign: Resource = { resourceType: 'Task', id: 'x', status: 'completed', intent: 'proposal', code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'fulfill' }] } };
  t.same(faults(undefined, foreign), []);
  t.same(faults(foreign, { ...foreign, status: 'in-progress' }), []);
  t.same(faults(undefined, { resourceType: 'Task', status: 'rejected', intent: 'order' }), []);
});

t.test('a questionnaire request names its questionnaire; a safety review is closed only with what was done', async (t) => {
  const request: Resource = { ...homework('requested'), requester: { reference: 'Practitioner/x' }, code: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'complete-questionnaire' }] } };
  t.same(faults(undefined, request), ['Task.input']);
  const input = [{ type: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'questionnaire' }] }, valueCanonical: `${base}/Questionnaire/phq-9` }];
  t.same(faults(undefined, { ...request, input }), []);
  t.same(faults(undefined, { ...request, input, authoredOn: undefined, requester: undefined, focus: { reference: 'Patient/p' } }), ['Task.authoredOn', 'Task.requester', 'Task.focus']);
  const review: Resource = { ...homework('requested'), intent: 'order', code: { coding: [{ system: `${base}/CodeSystem/task-type`, code: 'safety-review' }] } };
  const named = (code: string): object => ({ coding: [{ system: `${base}/CodeSystem/task-input`, code }] });
  const noted = [{ type: named('note'), valueString: 'Talked on the telephone' }, { type: named('next-check'), valueDate: '2024-03-08' }];
  const output = (code: string): object[] => [{ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code: 'action-taken' }] }, valueCodeableConcept: { coding: [{ system: `${base}/CodeSystem/review-action`, code }] } }, ...noted];
  t.same(faults(review, { ...review, status: 'received' }), []);
  t.same(faults(review, { ...review, status: 'completed' }), ['Task.output', 'Task.output', 'Task.output'], 'what was done, a note, when to look again');
  t.same(faults(review, { ...review, status: 'completed', output: output('nothing') }), ['Task.output']);
  t.same(faults(review, { ...review, status: 'completed', output: output('contacted-client').slice(0, 1) }), ['Task.output', 'Task.output']);
  t.same(faults(review, { ...review, status: 'completed', output: output('contacted-client') }), []);
  t.same(faults(review, { ...review, status: 'cancelled' }), ['Task.status'], 'it cannot be withdrawn');
  t.same(faults({ ...review, status: 'completed', output: output('escalated') }, { ...review, status: 'requested' }), ['Task.status']);
});

t.test('what the service computes is known as its own', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-01-01', totalling(17, 1)));
  world.write(phq9('q2', '2024-03-01', totalling(9)));
  t.equal(world.all('Observation').length, 5);
  t.ok(world.all('Observation').every(isDerived));
  t.notOk(isDerived({ resourceType: 'Observation', status: 'final', identifier: [{ system: 'http://example.org' }], code: { coding: [{ code: '44261-6' }] } }));
  t.notOk(isDerived({ resourceType: 'Task', identifier: [{ system: `${base}/score` }] }));
});

t.test('adherence counts what was due and not withdrawn, declined or paused', async (t) => {
  const due = (end: string): object => ({ restriction: { period: { end } } });
  const output = [{ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code: 'completion-fraction' }] }, valueDecimal: 0.5 }];
  const tasks = [
    homework('completed', { ...due('2024-01-10'), lastModified: '2024-01-10T12:00:00Z' }),
    homework('completed', { ...due('2024-01-10'), executionPeriod: { end: '2024-01-14' } }),
    homework('failed', { ...due('2024-01-12'), output }),
    homework('requested', due('2024-01-15')),
    homework('rejected', due('2024-01-15')), homework('on-hold', due('2024-01-15')), homework('cancelled', due('2024-01-15')), homework('draft', due('2024-01-15')),
    homework('accepted', due('2024-03-01')), homework('accepted'),
    { ...homework('completed', due('2024-01-10')), code: { text: 'not homework' } },
  ];
  const found = adherence(tasks, '2024-02-01T00:00:00Z');
  t.match({ ...found, eligible: found.eligible.length }, { eligible: 4, completed: 2, completionRate: 0.5, onTime: 1, quantity: 0.625, acceptance: 6 / 8 });
  t.match(adherence([], '2024-02-01T00:00:00Z'), { completionRate: null, quantity: null, acceptance: null });
  t.match(adherence(tasks, '2024-02-01T00:00:00Z', { from: '2024-01-11' }).eligible.length, 2);
});

interface Part { name: string; part?: Part[]; [value: string]: unknown }
const named = (parts: Part[] | undefined, name: string): Part[] => (parts ?? []).filter((part) => part.name === name);

t.test('$progress compares what is stored, also where an item did not apply at the beginning', async (t) => {
  const world = new World();
  world.write({ resourceType: 'EpisodeOfCare', id: 'ep', status: 'active', period: { start: '2024-01-01' } });
  world.write(wsas('w1', '2024-01-02', [null, 6, 6, 6, 6]));
  world.write(wsas('w2', '2024-02-02', [5, 5, 4, 4, 4]));
  const context = { registry, now: world.now, patient: 'Patient/p', goals: [], tasks: [], alerts: [], reader: 'any' as const };
  const all = (progress(world.record, context) as Resource & { parameter: Part[] }).parameter;
  const instrument = named(all, 'instrument')[0]!.part;
  t.match(named(named(instrument, 'change')[0]!.part, 'delta'), [{ valueInteger: -8 }], '24 of 32 is 30 of 40, once');
  t.match(world.observation('change-from-baseline', 'w2', 'wsas'), { valueInteger: -8 });
  t.match(named(instrument, 'baseline')[0]!.part!.filter(({ name }) => name === 'value'), [{ valueInteger: 24 }], 'the score as it was given');
  t.match(JSON.stringify(named(instrument, 'baseline')), /"WSAS total score: 24 of 32 .* counts as 30 of 40/);
  const outcome = named(driverParts(world.record, world.record.episodes[0]!, { ...context, zone: 'UTC', written: new Map() }) as Part[], 'outcome')[0]!.part!;
  t.match(['baseline', 'latest', 'improvement'].map((name) => named(outcome, name)[0]!.valueInteger), [30, 22, 8], 'beside each other they are of one scale');
});

t.test('$progress: series, baseline, change, goal, homework and alerts, each number with inputs, rule and sentence', async (t) => {
  const world = new World();
  world.write(goal({ detailInteger: 4 }));
  world.write(phq9('q1', '2024-01-02', totalling(18, 1)));
  world.write(phq9('q2', '2024-02-02', totalling(9), { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }));
  const context = { registry, now: world.now, patient: 'Patient/p', goals: world.all('Goal'), tasks: [homework('completed', { restriction: { period: { end: '2024-01-10' } } })], alerts: [...world.all('Flag'), ...world.all('Task')] };
  const all = (progress(world.record, { ...context, reader: 'any' }) as Resource & { parameter: Part[] }).parameter;
  const [instrument] = named(all, 'instrument');
  t.equal(named(instrument!.part, 'score').length, 2);
  const latest = named(instrument!.part, 'latest')[0]!.part;
  t.equal(named(latest, 'value')[0]!.valueInteger, 9);
  t.match(named(latest, 'response'), [{ valueReference: { reference: 'QuestionnaireResponse/q2' } }]);
  const change = named(instrument!.part, 'change')[0]!.part;
  t.match(named(change, 'class'), [{ valueCodeableConcept: { coding: [{ code: 'recovered' }] } }]);
  t.same(named(named(change, 'explanation')[0]!.part, 'input').length, 2);
  t.ok(named(instrument!.part, 'threshold').every(({ part }) => named(part, 'verification').length === 1));
  t.match(named(named(all, 'goal')[0]!.part, 'status'), [{ valueCode: 'improving' }]);
  t.match(named(named(all, 'homework')[0]!.part, 'completion-rate'), [{ valueInteger: 1 }]);
  t.equal(named(all, 'alert').length, 2);
  const explained = (parts: Part[]): boolean => parts.every(({ name, part }) => (!['score', 'baseline', 'latest', 'change', 'homework', 'goal'].includes(name) || named(part, 'explanation').length === 1) && explained(part ?? []));
  t.ok(explained(all));
  const limited = (progress(world.record, { ...context, reader: 'client' }) as Resource & { parameter: Part[] }).parameter;
  t.equal(named(named(limited, 'instrument')[0]!.part, 'score').length, 1, 'a restricted response is left out');
  t.notMatch(JSON.stringify(limited), /QuestionnaireResponse\/q2|to 9/);
  t.same(named(limited, 'goal')[0]!.part!.map(({ name }) => name), ['reference', 'explanation'], 'a client gets the words about a goal and no verdict');
  t.match(named(named(named(limited, 'goal')[0]!.part, 'explanation')[0]!.part, 'text'), [{ valueString: /rarely straight/ }]);
  t.match(named(limited, 'alert').map(({ part }) => part!.map(({ name }) => name).join(' ')), [/^resource status text$/, /^resource status due text$/], 'what an alert is about is said by people');
});
