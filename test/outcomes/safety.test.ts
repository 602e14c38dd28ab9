import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { alertId } from '../../src/outcomes/safety.ts';
import { checkTaskTransition } from '../../src/resources/task.ts';
import { base, gad7, phq9, totalling, World } from '../kit/record.ts';

const trigger = 'phq-9-item-9';
const task = (world: World, id: string, what = trigger): Resource | undefined => world.resources.get(`Task/${alertId(id, what, 'task')}`);
const due = (one: Resource | undefined): string | undefined => (one?.restriction as { period?: { end?: string } } | undefined)?.period?.end;

t.test('each level of PHQ-9 item 9 has its priority and its time to be seen', async (t) => {
  for (const [answer, priority, minutes, flagPriority] of [[1, 'urgent', 240, 'PM'], [2, 'asap', 120, 'PH'], [3, 'stat', 60, 'PH']] as const) {
    const world = new World();
    world.now = '2024-03-01T10:05:00Z';
    world.careTeam = { resourceType: 'CareTeam', participant: [
      { member: { reference: 'Patient/p' } },
      { member: { reference: 'Practitioner/left' }, period: { end: '2023-12-31' } },
      { member: { reference: 'Practitioner/here' }, period: { start: '2024-01-01' } },
    ] };
    world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, answer)));
    const review = task(world, 'q1')!;
    t.match(review, {
      status: 'requested', intent: 'order', priority, focus: { reference: 'QuestionnaireResponse/q1' }, for: { reference: 'Patient/p' },
      owner: { reference: 'Practitioner/here' }, code: { coding: [{ system: `${base}/CodeSystem/task-type`, code: 'safety-review' }] },
      reasonReference: { reference: `Flag/${alertId('q1', trigger, 'flag')}` },
    });
    t.equal(due(review), new Date(Date.parse('2024-03-01T10:00:00Z') + minutes * 60_000).toISOString());
    t.same(checkTaskTransition(undefined, review), [], 'by the rules of its own kind');
    const [flag] = world.all('Flag');
    t.match(flag, { status: 'active', subject: { reference: 'Patient/p' }, code: { coding: [{ system: `${base}/CodeSystem/safety-trigger`, code: trigger }] } });
    t.match(JSON.stringify(flag!.extension), flagPriority);
    t.same((flag!.category as { coding: { code: string }[] }[]).map(({ coding }) => coding[0]!.code), ['clinical', 'safety']);
    const [message] = world.all('Communication');
    t.match(message, { category: [{ coding: [{ code: 'alert' }] }], sender: { reference: 'Device/intersession-1' }, recipient: [{ reference: 'Practitioner/here' }] });
    t.notMatch(JSON.stringify(message!.payload), /PHQ|item|suicid|[0-9]/i, 'the message itself carries nothing clinical');
    t.match(world.observation('safety-item', 'q1'), { valueInteger: answer, code: { coding: [{ code: '44260-8' }] } });
  }
});

t.test('no alert for "not at all", none for GAD-7, none when nothing is answered yet', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01', totalling(10)));
  world.write(gad7('g1', '2024-03-01', [3, 3, 3, 3, 3, 3, 3]));
  world.write(phq9('q2', '2024-03-02', [1, 1], { status: 'in-progress' }));
  t.same(world.all('Flag').concat(world.all('Task')).length, 0);
});

t.test('a rise since the last answer raises the priority by one level, up to stat', async (t) => {
  for (const [last, now, priority] of [[0, 1, 'asap'], [1, 1, 'urgent'], [1, 2, 'stat'], [2, 3, 'stat'], [3, 2, 'asap']] as const) {
    const world = new World();
    world.write(phq9('q1', '2024-03-01', totalling(10, last)));
    world.write(phq9('q2', '2024-03-08', totalling(10, now)));
    t.equal(task(world, 'q2')?.priority, priority, `${last} then ${now}`);
  }
});

t.test('responses in progress or stopped alert as well, once: completing them adds nothing', async (t) => {
  for (const status of ['in-progress', 'stopped']) {
    const world = new World();
    world.write(phq9('q1', '2024-03-01', [null, null, null, null, null, null, null, null, 2], { status }));
    t.equal(world.all('Flag').length, 1, status);
    t.match(world.observation('safety-item', 'q1'), { status: status === 'in-progress' ? 'preliminary' : 'final' });
    world.write(phq9('q1', '2024-03-01', totalling(12, 2)));
    t.same([world.all('Flag').length, world.all('Task').length, world.all('Communication').length], [1, 1, 1]);
  }
});

t.test('the item alerts on a form that is not the whole panel too', async (t) => {
  const world = new World();
  world.write({ ...phq9('q1', '2024-03-01', []), questionnaire: 'http://example.org/short', item: [{ linkId: '/44260-8', answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA6569-3' } }] }] });
  t.equal(task(world, 'q1')?.priority, 'urgent');
  t.equal(world.observation('score', 'q1'), undefined);
});

t.test('item 9 left open in a completed response asks for a routine look, without a flag', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null]));
  t.match(task(world, 'q1', `${trigger}-missing`), { priority: 'routine', status: 'requested' });
  t.same([world.all('Flag').length, world.all('Task').length], [0, 1]);
  const stopped = new World();
  stopped.write(phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null], { status: 'stopped' }));
  t.equal(stopped.all('Task').length, 0);
});

t.test('writing the response again makes no second alert', async (t) => {
  const world = new World();
  for (let i = 0; i < 3; i += 1) world.write(phq9('q1', '2024-03-01', totalling(10, 2)));
  t.same(['Flag', 'Task', 'Communication'].map((type) => world.all(type).length), [1, 1, 1]);
  t.equal(task(world, 'q1')?.meta?.versionId, '1');
});

t.test('an amendment to 0, a withdrawal and a deletion leave a note and never close', async (t) => {
  for (const change of [
    (world: World): void => world.write(phq9('q1', '2024-03-01', totalling(10, 0), { status: 'amended' })),
    (world: World): void => world.write(phq9('q1', '2024-03-01', totalling(10, 2), { status: 'entered-in-error' })),
    (world: World): void => world.delete('QuestionnaireResponse', 'q1'),
  ]) {
    const world = new World();
    world.write(phq9('q1', '2024-03-01', totalling(10, 2)));
    change(world);
    t.match(task(world, 'q1'), { status: 'requested', priority: 'asap', note: [{ time: world.now, text: /changed or withdrawn/ }] });
    t.match(world.all('Flag'), [{ status: 'active' }]);
  }
  const world = new World();
  world.write(phq9('q1', '2024-03-01', totalling(10, 2)));
  world.write(phq9('q1', '2024-03-01', totalling(10, 0), { status: 'amended' }));
  t.match(world.observation('safety-item', 'q1'), { status: 'corrected', valueInteger: 0 });
});

t.test('an amendment upward makes the same Task more pressing and sends one more message; a closed Task only gets the note', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 3), { status: 'amended' }));
  t.match(task(world, 'q1'), { status: 'requested', priority: 'stat', note: [{}] });
  t.equal(due(task(world, 'q1')), '2024-03-01T11:00:00.000Z');
  t.same(['Flag', 'Task', 'Communication'].map((type) => world.all(type).length), [1, 1, 2]);
  const closed = new World();
  closed.write(phq9('q1', '2024-03-01', totalling(10, 1)));
  closed.resources.set(`Task/${alertId('q1', trigger, 'task')}`, { ...task(closed, 'q1')!, status: 'completed' });
  closed.write(phq9('q1', '2024-03-01', totalling(10, 3), { status: 'amended' }));
  t.match(task(closed, 'q1'), { status: 'completed', priority: 'urgent', note: [{}] });
  t.equal(closed.all('Communication').length, 2, 'somebody hears of it');
});

t.test('worse by twice the threshold within 14 days asks for a look by the next working day', async (t) => {
  const world = new World();
  world.now = '2024-03-08T12:00:00Z';
  world.write(phq9('q1', '2024-02-28T10:00:00Z', totalling(4)));
  world.write(phq9('q2', '2024-03-08T10:00:00Z', totalling(16)));
  t.match(task(world, 'q2', 'rapid-worsening'), { priority: 'urgent' });
  t.equal(due(task(world, 'q2', 'rapid-worsening')), '2024-03-11T10:00:00.000Z', 'Friday to Monday');
  const slow = new World();
  slow.write(phq9('q1', '2024-02-20T10:00:00Z', totalling(4)));
  slow.write(phq9('q2', '2024-03-08T10:00:00Z', totalling(16)));
  slow.write(phq9('q3', '2024-03-09T10:00:00Z', totalling(5)));
  t.equal(slow.all('Task').length, 0);
});

t.test('a clock that runs ahead does not give more time', async (t) => {
  const world = new World();
  world.now = '2024-03-01T10:00:00Z';
  world.write(phq9('q1', '2024-03-05T10:00:00Z', totalling(10, 3)));
  t.equal(due(task(world, 'q1')), '2024-03-01T11:00:00.000Z');
});
