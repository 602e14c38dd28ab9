import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { readInstruments } from '../../src/instruments.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { differences, StoredResource } from '../../src/outcomes/recompute.ts';
import { instrumentRegistry, type Registry } from '../../src/outcomes/registry.ts';
import { reviewCourse, timeToAcknowledge, type ReviewCourse } from '../../src/outcomes/time-to-acknowledge.ts';
import { checkTaskTransition } from '../../src/resources/task.ts';
import { stepDue } from '../../src/outcomes/escalation.ts';
import { timesOf } from '../../src/outcomes/review-times.ts';
import { alertId, alertsOf, triggerConcepts } from '../../src/outcomes/safety.ts';
import { patientRecord } from '../../src/outcomes/record.ts';
import type { DerivedWrite } from '../../src/outcomes/derived-write.ts';
import { safetyWrites } from '../../src/outcomes/safety-writes.ts';
import { clientMessageId } from '../../src/outcomes/safety-message.ts';
import { matches, phraseIndex } from '../../src/outcomes/safety-phrases.ts';
import { recipients } from '../../src/outcomes/safety-recipients.ts';
import { defaultSafety, safetySettings } from '../../src/outcomes/safety-settings.ts';
import { afterStaffed, afterWorkingDays, nextStaffed, staffedHours } from '../../src/outcomes/staffed-hours.ts';
import { answerIssues } from '../../src/outcomes/score.ts';
import { base, gad7, phq9, phqItems, registry, totalling, World, wsas } from '../kit/record.ts';

const trigger = 'phq-9-item-9';
const task = (world: World, id: string, what = trigger): Resource | undefined => world.resources.get(`Task/${alertId(id, what, 'task')}`);
/** Messages to clinicians; the client's own answers another question. */
const messages = (world: World): Resource[] => world.all('Communication', ({ about }) => about !== undefined);
const counts = (world: World): number[] => [world.all('Flag').length, world.all('Task').length, messages(world).length];
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
    const [message] = world.all('Communication', ({ about }) => about !== undefined);
    t.match(message, { category: [{ coding: [{ code: 'alert' }] }], sender: { reference: 'Device/intersession-1' }, recipient: [{ reference: 'Practitioner/here' }] });
    t.notMatch(JSON.stringify(message!.payload), /PHQ|item|suicid|[0-9]/i, 'the message itself carries nothing clinical');
    t.match(world.observation('safety-item', 'q1'), { valueInteger: answer, code: { coding: [{ code: '44260-8' }] } });
  }
});

t.test('two safety items of one response are two Observations, and each is taken back by itself', async (t) => {
  const definitions = readInstruments(new URL('../../schemas/instruments', import.meta.url)) as { id: string; safety: object[] }[];
  const watched = instrumentRegistry(definitions.map((one) => (one.id === 'phq-9' ? { ...one, safety: [...one.safety, { ...one.safety[0], linkId: '/44255-8', trigger: 'phq-9-item-2', title: 'PHQ-9 item 2' }] } : one)));
  const world = new World(watched);
  const items = (): [string, unknown, unknown][] => world.all('Observation', ({ code }) => /44260-8|44255-8/.test(JSON.stringify(code)))
    .map(({ id, status, valueInteger, code }): [string, unknown, unknown] => [(code as { coding: { code: string }[] }).coding[0]!.code + (id === world.observation('safety-item', 'q1')!.id ? ' first' : ''), status, valueInteger]).sort(([a], [b]) => (a < b ? -1 : 1));
  world.write(phq9('q1', '2024-03-01T10:00:00Z', [0, 3, 0, 0, 0, 0, 0, 0, 1]));
  t.same(items(), [['44255-8', 'final', 3], ['44260-8 first', 'final', 1]], 'the item that was alone keeps its id');
  const stored = new Map([...world.resources].map(([key, resource]) => [key, new StoredResource(JSON.stringify(resource))]));
  const found = differences(recordEntries(world.resources.get('QuestionnaireResponse/q1')!, { registry: watched }), stored, { registry: watched, now: world.now, device: 'Device/intersession-1', patient: 'Patient/p' });
  t.same(found.map(({ type, id, why }) => [type, id, why]), [], 'computed anew, both are as they are stored');
  world.write(phq9('q1', '2024-03-01T10:00:00Z', [0, 0, 0, 0, 0, 0, 0, 0, 1], { status: 'amended' }));
  t.same(items(), [['44255-8', 'entered-in-error', 3], ['44260-8 first', 'corrected', 1]]);
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
    t.same(counts(world), [1, 1, 1]);
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
  t.same(counts(world), [0, 1, 0]);
  const stopped = new World();
  stopped.write(phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null], { status: 'stopped' }));
  t.equal(stopped.all('Task').length, 0);
});

const sdc = 'http://hl7.org/fhir/uv/sdc/Questionnaire/questionnaire-sdc-profile-example-PHQ9';
const sdcAnswers = ['Not-at-all', 'Several days', 'More than half the days', 'Nearly every day'];

t.test('forms of other publishers whose items carry no codes are scored under their canonicals', async (t) => {
  const scores = [1, 2, 3, 0, 1, 0, 0, 2, 3];
  const answered = (linkId: (n: number) => string, answer: (score: number) => object): object[] => scores.map((score, i) => ({ linkId: linkId(i + 1), answer: [answer(score)] }));
  const loincAnswer = (score: number): object => ({ valueCoding: { code: ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'][score] } });
  const theirs = (score: number): object => ({ valueCoding: { system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/CSPHQ9', code: sdcAnswers[score] } });
  const adaptive = { resourceType: 'Questionnaire', id: 'own', derivedFrom: [`${sdc}|4.0.0`], status: 'active', item: [] } as Resource;
  for (const [questionnaire, item, form] of [
    [`${sdc}|4.0.0`, [{ linkId: 'H1/T1', item: answered((n) => `H1/T1/Q${n}`, theirs) }], undefined],
    [sdc, answered((n) => `H1/T1/Q${n}`, (score) => ({ valueCoding: { code: sdcAnswers[score], display: 'no system' } })), undefined],
    ['#own', answered((n) => `H1/T1/Q${n}`, theirs), adaptive],
    ['http://fhir.org/guides/argonaut/questionnaire/Questionnaire/questionnaire-example-phq9', answered((n) => `g1.q${n}`, loincAnswer), undefined],
    ['https://www.medizininformatik-initiative.de/fhir/ext/modul-pro/Questionnaire/mii-qst-pro-phq-9', answered((n) => `PHQ-9.${n}`, loincAnswer), undefined],
  ] as const) {
    const world = new World();
    world.write({ ...phq9('q1', '2024-03-01', []), questionnaire, item }, form);
    t.match(world.observation('score', 'q1'), { valueInteger: 12 }, questionnaire);
    t.match(task(world, 'q1'), { priority: 'stat' }, questionnaire);
  }
  const refused = answerIssues({ ...phq9('q1', '2024-03-01', []), questionnaire: sdc, item: [{ linkId: 'H1/T1/Q1', answer: [{ valueCoding: { code: 'Often' } }] }] }, { registry });
  t.match(refused, [{ code: 'code-invalid', expression: 'QuestionnaireResponse.item[0].answer[0].value' }], 'an answer that is none of theirs is not scored as something');
});

/** A response of a form that says nothing by codes. */
const uncoded = (item: readonly object[], more: object = {}): Resource => ({ ...phq9('q1', '2024-03-01', []), questionnaire: 'http://example.org/own', item, ...more });
const nine = Array.from({ length: 9 }, (_, i) => ({ linkId: `q${i + 1}`, answer: [{ valueInteger: 1 }] }));

t.test('a question is known by its words, for safety alone: read where the answer is one of the instrument, else somebody is asked to look', async (t) => {
  const words = { linkId: 'x', text: 'Thoughts that you would be  better off dead, or of hurting yourself' };
  for (const [answer, priority] of [[{ valueInteger: 2 }, 'asap'], [{ valueCoding: { system: 'http://loinc.org', code: 'LA6571-9' } }, 'stat'], [{ valueCoding: { code: 'often', display: 'Nearly every day' } }, 'stat'], [{ valueString: 'several days' }, 'urgent']] as const) {
    const world = new World();
    world.write(uncoded([{ ...words, answer: [answer] }]));
    t.equal(task(world, 'q1')?.priority, priority, JSON.stringify(answer));
    t.equal(world.observation('score', 'q1'), undefined, 'words make no score');
  }
  for (const [text, answer, priority] of [
    ['Gedanken, dass du lieber tot wärst', 'Beinahe jeden Tag', 'stat'], ['Gedanken, dass Sie lieber tot wären', 'Überhaupt nicht', undefined], ['Penser qu’il vaudrait mieux mourir ou envisager de vous faire du mal', 'Plusieurs jours', 'urgent'],
    ['Pensamientos de que estaria mejor muerta'.normalize('NFD'), '2 - Más de la mitad de los días'.normalize('NFD'), 'asap'], ['Gedachten dat u beter dood zou kunnen zijn', 'Bijna elke dag', 'stat'], ['有不如死掉或用某种方式伤害自己的念头', '几乎每天', 'stat'],
    ['Thoughts of being <b>better off</b> dead', 'Several days', 'urgent'], ['Thoughts of being bet\u00ADter off\u00A0dead', 'Several days', 'urgent'], ['\u200Bｂｅｔｔｅｒ ｏｆｆ ｄｅａｄ', 'Several\u200B days', 'urgent'],
    ['Вас посещали мысли о том, что Вам лучше было бы умереть', 'Ни разу', undefined], ['Wie oft war es Ihnen lieber, total allein zu sein?', 'Beinahe jeden Tag', undefined],
  ] as const) {
    const world = new World();
    world.write(uncoded([{ linkId: 'x', text, answer: [{ valueString: answer }] }]));
    t.equal(task(world, 'q1')?.priority, priority, text);
    t.equal(world.all('Task').length, priority === undefined ? 0 : 1);
  }
  const { text } = words;
  const placed: readonly (readonly [string, object, object?])[] = [
    ['of its group', { linkId: 'g', text, item: [{ linkId: 'x', answer: [{ valueInteger: 3 }] }] }], ['as a translation', { linkId: 'x', text: 'Frage 9', _text: { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/translation', extension: [{ url: 'lang', valueCode: 'en' }, { url: 'content', valueString: text }] }] }, answer: [{ valueInteger: 3 }] }],
    ['of what the form shows in its group', { linkId: 'x', answer: [{ valueInteger: 3 }] }, { item: [{ linkId: 'g', type: 'group', item: [{ linkId: 'd', type: 'display', text }, { linkId: 'x', type: 'integer' }] }] }],
    ['of what the form shows in it', { linkId: 'x', answer: [{ valueInteger: 3 }] }, { item: [{ linkId: 'x', type: 'integer', item: [{ linkId: 'd', type: 'display', text }] }] }],
  ];
  for (const [what, item, form] of placed) {
    const world = new World();
    world.write(uncoded([item]), form === undefined ? undefined : { resourceType: 'Questionnaire', ...form } as Resource);
    t.equal(task(world, 'q1')?.priority, 'stat', `the words ${what}`);
  }
  const writing = new World();
  writing.write(uncoded([{ ...words, answer: [{ valueBoolean: true }] }], { status: 'in-progress' }));
  writing.write(uncoded([{ ...words, answer: [{ valueBoolean: true }] }]));
  t.same(counts(writing), [0, 1, 1], 'an answer that is there may be all that ever comes, and is looked at once');
  const german = new World();
  german.write(uncoded([{ linkId: 'x', answer: [{ valueInteger: 3 }] }]), { resourceType: 'Questionnaire', item: [{ linkId: 'x', text: 'Gedanken, dass Sie lieber tot wären' }] } as Resource);
  t.equal(task(german, 'q1')?.priority, 'stat', 'the words of the form');
  for (const answer of [{ valueBoolean: true }, { valueInteger: 7 }, { valueString: 'sometimes, at night' }]) {
    const world = new World();
    world.write(uncoded([{ ...words, answer: [answer] }]));
    t.match(task(world, 'q1', `${trigger}-unread`), { priority: 'urgent', description: /could not be read/, restriction: { period: { end: '2024-03-02T04:00:00.000Z' } } }, JSON.stringify(answer));
    t.same(counts(world), [0, 1, 1], 'a Task with a limit and its message; no Flag for what nobody knows');
  }
  for (const item of [{ ...words, answer: [{ valueInteger: 0 }] }, { ...words, answer: [{ valueBoolean: false }] }, { ...words, answer: [{ valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'asked-declined' } }] }, words]) {
    const world = new World();
    world.write(uncoded([item]));
    t.same(counts(world), [0, 0, 0], JSON.stringify(item));
  }
});

t.test('a form that has the name of an instrument, or its code, and no codes of its items: somebody is asked to look at each response', async (t) => {
  const unread = (response: Resource, form?: object): unknown => {
    const world = new World();
    world.write(response, form as Resource | undefined);
    return task(world, 'q1', `${trigger}-unread`)?.priority ?? task(world, 'q1', 'core-10-item-6-unread')?.priority;
  };
  t.equal(unread(uncoded(nine, { questionnaire: 'http://example.org/forms/phq9-de|2' })), 'urgent');
  t.equal(unread(uncoded(nine, { questionnaire: 'http://example.org/forms/core_10', status: 'stopped' })), 'urgent');
  t.equal(unread(uncoded(nine), { resourceType: 'Questionnaire', title: 'Patient Health Questionnaire - 9 Item' }), 'urgent');
  t.equal(unread(uncoded(nine, { questionnaire: 'http://example.org/forms/phq9', status: 'in-progress' })), 'urgent', 'all that it asks is answered, and nothing says that it will ever be completed');
  for (const name of ['http://example.org/forms/myPHQ9', 'http://example.org/forms/phq_09', 'urn:uuid:PHQ9', 'http://loinc.org/q/44249-1']) t.equal(unread(uncoded(nine, { questionnaire: name })), 'urgent', name);
  t.equal(unread(uncoded(nine, { _questionnaire: { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/display', valueString: 'PHQ-9' }] } })), 'urgent', 'the title that the response shows');
  t.equal(unread(uncoded([{ linkId: 'g', text: 'PHQ-9', item: nine }])), 'urgent', 'the name of a group');
  for (const answer of [{ valueString: 'Bijna elke dag' }, { valueBoolean: true }, { valueQuantity: { value: 1 } }]) t.equal(unread(uncoded(nine.map(({ linkId }) => ({ linkId, answer: [answer] })), { questionnaire: 'http://example.org/forms/phq9' })), 'urgent', JSON.stringify(answer));
  t.equal(unread(uncoded(nine), { resourceType: 'Questionnaire', code: [{ system: 'http://loinc.org', code: '44249-1' }] }), 'urgent');
  for (const [why, response] of [
    ['nothing says so', uncoded(nine)],
    ['another name', uncoded(nine, { questionnaire: 'http://example.org/forms/phq-90' })],
    ['part of a word', uncoded(nine, { questionnaire: 'http://example.org/forms/score-10' })],
    ['too few answers for it', uncoded(nine.slice(0, 4), { questionnaire: 'http://example.org/forms/about-the-phq-9' })],
    ['still being written', uncoded(nine.slice(0, 8), { questionnaire: 'http://example.org/forms/phq9', status: 'in-progress' })],
    ['notes about it', uncoded(nine.map(({ linkId }) => ({ linkId, answer: [{ valueString: 'We talked about what could help when the next week gets hard' }] })), { questionnaire: 'http://example.org/forms/after-the-phq-9' })],
    ['"no" throughout', uncoded(nine.map(({ linkId }) => ({ linkId, answer: [{ valueBoolean: false }] })), { questionnaire: 'http://example.org/forms/phq9' })],
    ['another group has its name', uncoded([{ linkId: 'a', text: 'PHQ-9', item: nine.slice(0, 2) }, { linkId: 'b', text: 'Sleep', item: nine.slice(2) }])],
    ['known by codes, left open', phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null])],
  ] as const) t.equal(unread(response), undefined, why);
  const eight = phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null])['item'] as object[];
  const chosen = (linkId: string): object => ({ linkId, answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA6571-9' } }] });
  t.equal(unread(uncoded([...eight, chosen('own')])), 'urgent', 'eight that are known, and one answer of their list');
  t.equal(unread(uncoded([...eight, chosen('own'), chosen('other')])), undefined, 'questions of another form beside them');
  t.equal(unread(uncoded(eight)), undefined, 'eight alone');
  t.equal(unread(uncoded([...eight, { linkId: 'own', answer: [{ valueInteger: 3 }] }], { questionnaire: 'http://loinc.org/q/44249-1' })), 'urgent', 'the canonical is that of the PHQ-9');
  t.match(unread({ ...phq9('q1', '2024-03-01', [1, 1, 1, 1, 1, 1, 1, 1, null]), questionnaire: 'http://example.org/x', item: [...phq9('q1', '', [1, 1, 1, 1, 1, 1, 1, 1, null])['item'] as object[], { linkId: 'own', text: 'better off dead', answer: [{ valueInteger: 3 }] }] },
    { resourceType: 'Questionnaire', code: [{ system: 'http://loinc.org', code: '44249-1' }] }), 'urgent', 'the ninth of eight that are known has no code');
});

t.test('the safety item of a deployment is known by the words of its own texts, and of two each is read for itself', async (t) => {
  const definitions = readInstruments(new URL('../../schemas/instruments', import.meta.url)) as any[];
  const core = definitions.find(({ id }) => id === 'core-10');
  const pack = (items: object, answers: object): object => ({ instrument: 'core-10', version: core.formVersion ?? core.version, language: 'nl', items: { ...Object.fromEntries(core.items.map(({ linkId }: any) => [linkId, 'kort'])), ...items }, answers, licence: { id: 'L-1', date: '2026-01-31' } });
  const own = instrumentRegistry(definitions, [pack({ 'core10-06': 'Ik heb plannen gemaakt om een einde aan mijn leven te maken.' }, { [core.answerLists[0].options[3].code]: 'Vaak' })]);
  const short = instrumentRegistry(definitions, [pack({}, {})]);
  const heard = (known: Registry, ...items: readonly object[]): string[] => {
    const world = new World(known);
    world.write(uncoded(items));
    return world.all('Task').map(({ reasonCode, priority }: any) => `${reasonCode.coding[0].code} ${priority}`).sort();
  };
  const asked = { linkId: 'x', text: 'Ik heb plannen gemaakt om een einde aan mijn leven te maken' };
  t.same(heard(own, { ...asked, answer: [{ valueString: 'Vaak' }] }), ['core-10-item-6 stat']);
  t.same(heard(registry, { ...asked, answer: [{ valueString: 'Vaak' }] }), []);
  t.same(heard(short, { linkId: 'x', text: 'Was het gesprek te kort?', answer: [{ valueInteger: 3 }] }), [], 'a text that is no question tells nothing');
  const two = instrumentRegistry(definitions.map((one) => (one === core ? { ...one, safety: [...one.safety, { ...one.safety[0], linkId: 'core10-07', trigger: 'core-10-item-7', title: 'CORE-10 item 7', words: [{ text: 'a second thing that is asked', language: 'en', source: 'test', verification: 'service' }] }] } : one)));
  const second = (value: number): object => ({ linkId: 'y', text: 'A second thing that is asked', answer: [{ valueInteger: value }] });
  const first = { linkId: 'x', text: 'I made plans to end my life', answer: [{ valueInteger: 2 }] };
  t.same(heard(two, first, second(1)), ['core-10-item-6 asap', 'core-10-item-7 urgent']);
  t.same(heard(two, { linkId: 'core10-06', answer: [{ valueInteger: 2 }] }, second(0)), ['core-10-item-6 asap'], 'one by its code, one by its words');
});

t.test('what a form does not ask after the answers before it is not left open', async (t) => {
  const when = { enableWhen: [0, 1].map((i) => ({ question: `v${i}`, operator: '>', answerInteger: 1 })), enableBehavior: 'any' };
  const question = (i: number, more: object = {}): object => ({ linkId: `v${i}`, type: 'integer', code: [{ system: 'http://loinc.org', code: phqItems[i] }], ...more });
  const form = (...item: readonly object[]): Resource => ({ resourceType: 'Questionnaire', url: 'http://example.org/staged', code: [{ system: 'http://loinc.org', code: '44249-1' }], item } as unknown as Resource);
  const staged = form(...phqItems.map((_, i) => question(i, i > 1 ? when : {})));
  const grouped = form(question(0), question(1), { linkId: 'rest', type: 'group', ...when, item: phqItems.slice(2).map((_, i) => question(i + 2)) });
  const open = (asked: Resource, ...first: readonly number[]): unknown[] => {
    const world = new World();
    world.write(uncoded(first.map((value, i) => ({ linkId: `v${i}`, answer: [{ valueInteger: value }] })), { questionnaire: 'http://example.org/staged' }), asked);
    return world.all('Task').map(({ reasonCode }: any) => reasonCode.coding[0].code);
  };
  for (const asked of [staged, grouped]) {
    t.same(open(asked, 0, 1), [], 'a PHQ-9 that ends after its first two');
    t.same(open(asked, 0, 2), [`${trigger}-missing`], 'one that goes on, and is left');
  }
  const empty = new World();
  empty.write(uncoded(phqItems.map((_, i) => ({ linkId: `v${i}`, ...(i > 1 ? {} : { answer: [{ valueInteger: 0 }] }) })), { questionnaire: 'http://example.org/staged' }), staged);
  t.same(empty.all('Task'), [], 'the same from an app that sends the items without answers too');
  t.same(open(form(...phqItems.map((_, i) => question(i))), 0, 0), [`${trigger}-missing`], 'all are asked');
});

t.test('a safety item on the form of another instrument is heard, and one by its code in the words of an answer', async (t) => {
  const item9 = { linkId: '/44260-8', answer: [{ valueInteger: 3 }] };
  for (const questionnaire of ['http://loinc.org/q/69737-5', 'https://intersession.example/fhir/Questionnaire/gad-7|99', undefined]) {
    const world = new World();
    world.write(uncoded([{ linkId: '/69725-0', answer: [{ valueInteger: 1 }] }, item9], { questionnaire }));
    t.equal(task(world, 'q1')?.priority, 'stat', questionnaire ?? 'no canonical');
  }
  const contained = new World();
  const form = { resourceType: 'Questionnaire', id: 'f', status: 'active', url: 'https://intersession.example/fhir/Questionnaire/gad-7', item: [{ linkId: 'z', type: 'integer', code: [{ system: 'http://loinc.org', code: '44260-8' }] }] } as unknown as Resource;
  contained.write(uncoded([{ linkId: 'z', answer: [{ valueInteger: 3 }] }], { questionnaire: '#f', contained: [form] }), form);
  t.equal(task(contained, 'q1')?.priority, 'stat', 'a form that is contained under a canonical of ours');
  for (const [answer, priority] of [[{ valueString: 'Nearly every day' }, 'stat'], [{ valueCoding: { system: 'urn:x', code: '1', display: '1 - Several days' } }, 'urgent'], [{ valueCoding: { system: 'urn:oid:2.16.840.1.113883.6.1', code: 'LA6571-9' } }, 'stat'], [{ valueCoding: { system: 'http://loinc.org', code: 'LA6571-9', display: 'No' } }, 'stat'], [{ valueCoding: { system: 'urn:x', code: 'no' } }, undefined], [{ valueString: 'No' }, undefined], [{ valueBoolean: false }, undefined]] as const) {
    const world = new World();
    world.write(uncoded([{ linkId: '/44260-8', answer: [answer] }]));
    t.equal(task(world, 'q1')?.priority, priority, JSON.stringify(answer));
    t.equal(world.all('Task').length, priority === undefined ? 0 : 1);
  }
});

t.test('a form of thousands of groups and questions is read in time that grows with it alone', async (t) => {
  const groups = Array.from({ length: 5000 }, (_, i) => ({ linkId: `g${i}`, text: 'PHQ-9', item: [{ linkId: `q${i}`, answer: [{ valueInteger: 1 }] }] }));
  const wide = [{ linkId: 'g', text: 'lieber '.repeat(50_000), item: groups.flatMap(({ item }) => item) }];
  for (const item of [groups, wide]) {
    const start = performance.now();
    t.same(recordEntries(uncoded(item), { registry }), []);
    t.ok(performance.now() - start < 2000, `${performance.now() - start} ms`);
  }
});

t.test('when the form comes that says what was asked, the answer is heard, and the Task says so', async (t) => {
  const world = new World();
  world.write(uncoded(nine.map((each, i) => (i === 8 ? { ...each, answer: [{ valueInteger: 3 }] } : each)), { questionnaire: 'http://example.org/forms/phq9' }));
  t.equal(task(world, 'q1'), undefined);
  const form = { resourceType: 'Questionnaire', item: nine.map(({ linkId }, i) => ({ linkId, code: [{ system: 'http://loinc.org', code: phqItems[i] }] })) } as unknown as Resource;
  world.write(world.resources.get('QuestionnaireResponse/q1')!, form);
  t.match(world.observation('score', 'q1'), { valueInteger: 11 });
  t.equal(task(world, 'q1')?.priority, 'stat');
  t.match(task(world, 'q1', `${trigger}-unread`)?.note, [{ text: /does not call for a look by itself any more/ }]);
});

t.test('writing the response again makes no second alert', async (t) => {
  const world = new World();
  for (let i = 0; i < 3; i += 1) world.write(phq9('q1', '2024-03-01', totalling(10, 2)));
  t.same(counts(world), [1, 1, 1]);
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
  t.match(world.observation('safety-item', 'q1'), { status: 'entered-in-error', valueInteger: 2 });
});

t.test('an amendment upward makes the same Task more pressing and sends one more message; a closed Task gets the note, and a further one asks for a look', async (t) => {
  const world = new World();
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 3), { status: 'amended' }));
  t.match(task(world, 'q1'), { status: 'requested', priority: 'stat', note: [{}] });
  t.equal(due(task(world, 'q1')), '2024-03-01T11:00:00.000Z');
  t.same(counts(world), [1, 1, 2]);
  const seen = new World();
  seen.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  const times = { url: `${base}/StructureDefinition/review-times`, extension: [{ url: 'acknowledgedAt', valueInstant: '2024-03-01T10:20:00Z' }, { url: 'contactedAt', valueInstant: '2024-03-01T10:30:00Z' }] };
  for (const [status, after] of [['received', 'requested'], ['in-progress', 'in-progress']] as const) {
    seen.resources.set(`Task/${alertId('q1', trigger, 'task')}`, { ...task(seen, 'q1')!, status, priority: 'urgent', extension: [times] });
    seen.now = '2024-03-02T12:00:00Z';
    seen.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1), { status: 'amended' }));
    seen.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 3), { status: 'amended' }));
    t.match(task(seen, 'q1'), { status: after, priority: 'stat' });
    const again = after === 'requested';
    t.equal(due(task(seen, 'q1')), again ? '2024-03-02T13:00:00.000Z' : '2024-03-01T11:00:00.000Z', 'who saw the answer before has not seen this one');
    t.same(timesOf(task(seen, 'q1')!), { ...(again ? {} : { acknowledgedAt: '2024-03-01T10:20:00Z' }), contactedAt: '2024-03-01T10:30:00Z' });
    t.equal(stepDue(task(seen, 'q1')!, Date.parse('2024-03-02T13:00:00Z')), again ? 'second-clinician' : undefined);
  }
  const closed = new World();
  closed.write(phq9('q1', '2024-03-01', totalling(10, 1)));
  closed.resources.set(`Task/${alertId('q1', trigger, 'task')}`, { ...task(closed, 'q1')!, status: 'completed' });
  closed.write(phq9('q1', '2024-03-01', totalling(10, 3), { status: 'amended' }));
  t.match(task(closed, 'q1'), { status: 'completed', priority: 'urgent', note: [{}] });
  t.equal(messages(closed).length, 2, 'somebody hears of it');
  const again = closed.resources.get(`Task/${alertId('q1', trigger, 'task-stat')}`);
  t.match(again, { status: 'requested', priority: 'stat', focus: { reference: 'QuestionnaireResponse/q1' } });
  t.equal(due(again), '2024-03-02T01:00:00.000Z');
  closed.write(phq9('q1', '2024-03-01', totalling(10, 2), { status: 'amended' }));
  closed.write(phq9('q1', '2024-03-01', totalling(10, 3), { status: 'amended' }));
  t.equal(closed.all('Task').length, 2, 'once for a priority');
});

t.test('an answer that was amended away and comes back is heard by its review: more pressing where it is, reviewed again where it was closed', async (t) => {
  const at = (world: World, minute: string, item9: number): void => {
    world.now = `2024-03-01T10:${minute}:00Z`;
    world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, item9), { status: 'amended' }));
  };
  for (const [back, priority, sent, end] of [[3, 'stat', 2, '2024-03-01T11:00:00.000Z'], [2, 'asap', 1, '2024-03-01T12:00:00.000Z'], [1, 'asap', 2, '2024-03-01T12:00:00.000Z']] as const) {
    const world = new World();
    at(world, '01', 2);
    at(world, '02', 0);
    at(world, '03', back);
    t.match(task(world, 'q1'), { status: 'requested', priority, note: [{ text: /does not call for a look/ }, { time: world.now, text: /still calls for a look/ }] }, `2, 0, ${back}`);
    t.equal(due(task(world, 'q1')), end);
    t.same(counts(world), [1, 1, sent]);
  }
  const closed = new World();
  at(closed, '01', 1);
  closed.resources.set(`Task/${alertId('q1', trigger, 'task')}`, { ...task(closed, 'q1')!, status: 'completed' });
  at(closed, '02', 0);
  at(closed, '03', 3);
  t.match(closed.resources.get(`Task/${alertId('q1', trigger, 'task-stat')}`), { status: 'requested', priority: 'stat' });
  const late = new World();
  at(late, '01', 0);
  at(late, '02', 2);
  t.equal(task(late, 'q1')?.note, undefined, 'the first alert of a response has no note of a change');
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
  for (const [others, asked] of [[[5, 5, 5, 4], false], [[5, 5, 5, 5], true]] as const) {
    const without = new World();
    without.write(wsas('q1', '2024-03-01T10:00:00Z', [2, 2, 2, 1, 1]));
    without.write(wsas('q2', '2024-03-08T10:00:00Z', [null, ...others]));
    t.equal(task(without, 'q2', 'rapid-worsening') !== undefined, asked, `${others.join('+')} of 32 against 8 of 40: worse by 16 or more on the whole scale?`);
  }
});

t.test('a score that comes late is looked at beside those after it: worse by a lot, an item above the answer before; taken away, it closes nothing', async (t) => {
  const world = new World();
  world.now = '2024-03-08T12:00:00Z';
  world.write(phq9('q2', '2024-03-08T10:00:00Z', totalling(16, 1)));
  world.write(phq9('q3', '2024-03-20T10:00:00Z', totalling(17, 2)));
  t.match([task(world, 'q2')?.priority, task(world, 'q3')?.priority, task(world, 'q2', 'rapid-worsening')], ['urgent', 'stat', undefined]);
  world.now = '2024-03-25T12:00:00Z';
  world.write(phq9('q1', '2024-02-28T10:00:00Z', totalling(4)));
  t.match(task(world, 'q2', 'rapid-worsening'), { status: 'requested', priority: 'urgent', note: undefined, restriction: { period: { start: '2024-03-25T12:00:00.000Z', end: '2024-03-26T12:00:00.000Z' } } }, 'the clock starts when it can be known');
  t.equal(task(world, 'q3', 'rapid-worsening'), undefined, 'too long after');
  t.match(task(world, 'q2'), { priority: 'asap', note: [{ text: 'An earlier response came in, or was changed or withdrawn. This response still calls for a look.' }] }, 'from 0 to 1');
  t.match([world.resources.get((task(world, 'q2')!['reasonReference'] as { reference: string }).reference)], [{ extension: [{ valueCodeableConcept: { coding: [{ code: 'PH' }] } }] }]);
  const before = world.all('Task').length;
  world.write(phq9('q1', '2024-02-28T10:00:00Z', totalling(4)));
  t.equal(world.all('Task').length, before, 'once');
  world.write(phq9('q1', '2024-02-28T10:00:00Z', totalling(4), { status: 'entered-in-error' }));
  t.match(task(world, 'q2', 'rapid-worsening'), { status: 'requested', note: [{ text: /does not call for a look by itself any more/ }] });
  const imported = new World();
  imported.write(phq9('q2', '2024-03-08T10:00:00Z', totalling(16)));
  imported.write({ resourceType: 'Observation', id: 'o1', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, effectiveDateTime: '2024-03-01T10:00:00Z', valueInteger: 3 } as Resource);
  t.match(task(imported, 'q2', 'rapid-worsening'), { priority: 'urgent' });
  for (const [date, raised] of [['2024-11-25', 1], ['2024-11-10', 0]] as const) {
    const last = new World();
    last.write({ resourceType: 'Observation', id: 'o1', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, effectiveDateTime: `${date}T10:00:00Z`, valueInteger: 20 } as Resource);
    last.write(phq9('q1', '2024-11-05T10:00:00Z', totalling(3)));
    last.write(phq9('q2', '2024-11-20T10:00:00Z', totalling(4)));
    t.match(last.all('Task').map(({ focus }) => focus), Array(raised).fill({ reference: 'Observation/o1' }), 'a total of another system, of the last two weeks');
  }
});

t.test('property: which Flags and reviews there are does not depend on the order in which answers come', async (t) => {
  const answer = fc.record({ day: fc.integer({ min: 1, max: 28 }), total: fc.integer({ min: 3, max: 23 }), item9: fc.integer({ min: 0, max: 3 }), imported: fc.boolean() });
  fc.assert(fc.property(fc.array(answer, { minLength: 2, maxLength: 6 }), fc.array(fc.nat(), { minLength: 6, maxLength: 6 }), (answers, places) => {
    const given = answers.map(({ day, total, item9, imported }, i): Resource => {
      const at = `2024-02-${String(day).padStart(2, '0')}T10:00:00Z`;
      return imported ? { resourceType: 'Observation', id: `o${i}`, status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, effectiveDateTime: at, valueInteger: total } as Resource : phq9(`q${i}`, at, totalling(total, item9));
    });
    const [one, other] = [given, given.map((each, i) => ({ each, place: places[i]! })).sort((a, b) => a.place - b.place).map(({ each }) => each)].map((list) => {
      const world = new World();
      world.now = '2024-03-01T10:00:00Z';
      for (const each of list) world.write(each);
      return world.all('Flag').concat(world.all('Task')).map(({ resourceType, id, status }) => `${resourceType}/${id} ${String(status)}`).sort();
    });
    t.strictSame(other, one);
  }), { numRuns: 100, seed: 20240229 });
});

t.test('a clock that runs ahead does not give more time', async (t) => {
  const world = new World();
  world.now = '2024-03-01T10:00:00Z';
  world.write(phq9('q1', '2024-03-05T10:00:00Z', totalling(10, 3)));
  t.equal(due(task(world, 'q1')), '2024-03-01T11:00:00.000Z');
});

const coded = (linkId: string, code: string): object => ({ linkId, answer: [{ valueCoding: { system: `${base}/CodeSystem/record-answer`, code } }] });
const form = (id: string, questionnaire: string, item: object[], more: object = {}): Resource =>
  ({ resourceType: 'QuestionnaireResponse', id, questionnaire: `${base}/Questionnaire/${questionnaire}`, status: 'completed', authored: '2024-03-01T10:00:00Z', item, ...more });
const private_ = { meta: { security: [{ system: `${base}/CodeSystem/sharing`, code: 'private' }] } };
const words = (text: string): object => ({ linkId: 'note', answer: [{ valueString: text }] });
const minutesOf = (one: Resource | undefined): number => {
  const { start, end } = (one!.restriction as { period: { start: string; end: string } }).period;
  return (Date.parse(end) - Date.parse(start)) / 60_000;
};

t.test('a check-in that says "not sure" or "no" to being safe, and "I need help now", are looked at in their time; the client is told at once', async (t) => {
  for (const [questionnaire, item, what, priority, minutes] of [
    ['bs-stress-checkin', [coded('safe', 'not-sure')], 'checkin-safe', 'asap', 120],
    ['bs-checkin', [{ linkId: 'group', item: [coded('safe', 'no')] }], 'checkin-safe', 'stat', 60],
    ['bs-help-now', [], 'help-now', 'stat', 60],
  ] as const) {
    const world = new World();
    world.now = '2024-03-01T10:00:00Z';
    world.write(form('r1', questionnaire, [...item]));
    t.match(task(world, 'r1', what), { priority, status: 'requested' }, questionnaire);
    t.equal(minutesOf(task(world, 'r1', what)), minutes);
    t.same(counts(world), [1, 1, 1]);
    t.match(world.resources.get(`Communication/${clientMessageId('r1')}`), { recipient: [{ reference: 'Patient/p' }], partOf: [{ reference: 'QuestionnaireResponse/r1' }], sender: { reference: 'Device/intersession-1' } });
  }
  const world = new World();
  world.write(form('r1', 'bs-stress-checkin', [coded('safe', 'yes')]));
  world.write({ ...form('r2', 'x', [coded('safe', 'no')]), questionnaire: 'http://example.org/Questionnaire/other' });
  world.write(form('r3', 'bs-help-now', [], { status: 'entered-in-error' }));
  t.same(counts(world), [0, 0, 0], 'yes, the form of somebody else, an error');
  world.write(form('r4', 'bs-stress-checkin', [coded('safe', 'not-sure')]));
  world.write(form('r4', 'bs-stress-checkin', [coded('safe', 'no')], { status: 'amended' }));
  t.match(task(world, 'r4', 'checkin-safe'), { priority: 'stat', note: [{}] });
  t.same(counts(world), [1, 1, 2], 'the same alert, more pressing');
});

t.test('a private entry hides no safety item, and the client is told', async (t) => {
  const world = new World();
  world.write(form('r1', 'bs-checkin', [coded('safe', 'no')], private_));
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 2), private_));
  t.same(counts(world), [2, 2, 2]);
  for (const resource of [...world.all('Flag'), ...world.all('Task'), ...world.all('Communication')]) t.equal(resource.meta?.security, undefined, resource.resourceType);
  t.equal(world.observation('safety-item', 'q1')?.meta?.security, undefined);
});

t.test('words in a text are found in shared entries, in private ones only where the organisation said so, and never in notes for therapists', async (t) => {
  const text = 'On Tuesday I thought: I want to   DIE, honestly.';
  const found = (more: object, rules: object = {}): boolean => {
    const world = new World();
    world.safety = safetySettings({ rules });
    world.write(form('r1', 'bs-journal-question', [words(text)], more));
    return task(world, 'r1', 'phrase-match') !== undefined;
  };
  t.equal(found({}), true);
  t.equal(found(private_), false);
  t.equal(found(private_, { phrases: { private: true } }), true);
  t.equal(found({}, { phrases: { shared: false } }), false);
  t.equal(found({}, { phrases: { languages: ['de'] } }), false);
  t.equal(found({}, { phrases: { languages: ['de'], more: ['on tuesday i thought'] } }), true);
  t.equal(found({ source: { reference: 'Practitioner/t' } }), false);
  t.equal(found({ meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }), false);
  const world = new World();
  world.write(form('r1', 'bs-journal-question', [words(text)]));
  t.match(task(world, 'r1', 'phrase-match'), { priority: 'urgent', reasonCode: { text: /possible, machine-matched/ } });
  t.notMatch(JSON.stringify([...world.all('Flag'), ...world.all('Task'), ...world.all('Communication')]), /want to/i, 'the words stay where they were written');
});

t.test('phrases match whole words of every language, whatever the case, accents and punctuation, in time that grows with the text alone', async (t) => {
  const { index } = defaultSafety.phrases;
  for (const text of ['I wish I was dead.', 'Ich möchte sterben', 'J’ai envie de mourir', 'No quiero vivir…', 'self-harm', 'don’t want to live', 'ending it all', 'sui\u00adcidal', 'I overdosed', 'Autolesión', 'Suizidgedanken']) t.ok(matches(index, text), text);
  for (const text of ['', 'The deadline is Tuesday', 'I want to diet', 'kill my self-doubt', 'Leben', 'she is dead-set on it', 'I take my life back', 'mourir de rire', 'I remember to take all my pills', 'in front of a train station']) t.notOk(matches(index, text), text);
  t.notOk(matches(phraseIndex([]), 'anything'));
  t.notOk(matches(phraseIndex(['...']), 'anything'), 'a phrase without words matches nothing');
  const timed = (text: string): number => {
    const started = performance.now();
    matches(index, text);
    return performance.now() - started;
  };
  timed('i want to '.repeat(10_000));
  t.ok(timed('do not want to be '.repeat(20_000)) < 1000, 'a text of 360,000 characters that almost matches everywhere');
});

t.test('AUDIT of 20 or more and a marked impression of risk are looked at by the next working day, and are not told to the client', async (t) => {
  const scale = [...registry.scales.values()].find(({ key }) => key === 'phq-9')!;
  const audit = { ...scale, key: 'audit', instrument: { ...scale.instrument, definition: { ...scale.instrument.definition, safety: [] } }, threshold: undefined, definition: { ...scale.definition, title: 'AUDIT' } };
  const alerts = (value: number): unknown[] => alertsOf({
    record: { ...patientRecord([]), scores: new Map([['audit', [{ id: 'a1', key: 'audit', at: 0, value, date: '', data: { status: 'completed', panel: true, answered: 10, items: 10, prorated: false, maxScore: 40 } }]]]) },
    response: { resourceType: 'QuestionnaireResponse', id: 'a1', status: 'completed' }, registry: { ...registry, scales: new Map([['audit', audit]]) }, settings: defaultSafety,
  });
  t.match(alerts(20), [{ trigger: 'audit-20', priority: 'urgent', limit: { workingDays: 1 }, tellsClient: false }]);
  t.same(alerts(19), []);
  const world = new World();
  world.now = '2024-03-01T12:00:00Z';
  world.write(form('o1', 'bs-therapist-observation', [coded('risk-impression', 'marked')]));
  t.match(task(world, 'o1', 'risk-impression'), { priority: 'urgent', meta: { security: [{ code: 'R' }] } }, 'and it is for clinicians');
  t.equal(due(task(world, 'o1', 'risk-impression')), '2024-03-04T10:00:00.000Z', 'Friday to Monday');
  t.match([...world.all('Flag'), ...world.all('Communication')], [{ meta: { security: [{ code: 'R' }] } }, { meta: { security: [{ code: 'R' }] } }]);
  world.write(form('o2', 'bs-therapist-observation', [coded('risk-impression', 'some')]));
  t.equal(world.all('Task').length, 1);
});

t.test('CORE-10 item 6 has its own levels, AUDIT its own limit, on the instruments that are shipped', async (t) => {
  const answered = (id: string, questionnaire: string, scores: Readonly<Record<string, number>>): Resource =>
    form(id, questionnaire, Object.entries(scores).map(([linkId, valueInteger]) => ({ linkId, answer: [{ valueInteger }] })));
  const items = (scale: string): string[] => registry.scales.get(scale)!.items.map(({ linkId }) => linkId);
  for (const [answer, priority, minutes] of [[1, 'urgent', 240], [2, 'asap', 120], [3, 'stat', 60], [4, 'stat', 60]] as const) {
    const world = new World();
    world.write(answered('c1', 'core-10', Object.fromEntries(items('core-10').map((linkId) => [linkId, linkId === 'core10-06' ? answer : 1]))));
    t.match(task(world, 'c1', 'core-10-item-6'), { priority }, `answer ${answer}`);
    t.equal(minutesOf(task(world, 'c1', 'core-10-item-6')), minutes);
  }
  const world = new World();
  world.write(answered('a1', 'audit', Object.fromEntries(items('audit').map((linkId) => [linkId, 2]))));
  world.write(answered('a2', 'audit', Object.fromEntries(items('audit').map((linkId, at) => [linkId, at === 0 ? 1 : 2]))));
  t.match(task(world, 'a1', 'audit-20'), { priority: 'urgent', reasonCode: { text: /20 or more/ } });
  t.equal(task(world, 'a2', 'audit-20'), undefined, '19');
});

t.test('deriving again from a record that did not change writes nothing', async (t) => {
  const world = new World();
  const response = phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 2));
  world.write(form('o1', 'bs-therapist-observation', [coded('risk-impression', 'no-concern')]));
  world.write(response);
  t.same([world.all('Task').length, world.all('DetectedIssue').length], [1, 1]);
  const stored = world.resources.get('QuestionnaireResponse/q1')!;
  const writes: DerivedWrite[] = [];
  safetyWrites(writes, world.record, world.record, { resource: stored, previous: stored, deleted: false }, { registry, now: world.now, device: 'Device/d', patient: 'Patient/p' });
  t.same(writes, []);
});

t.test('a positive item and an impression of "no concern" within a week are a DetectedIssue, whichever comes first, once', async (t) => {
  const impression = (id: string, authored: string, code: string): Resource => form(id, 'bs-therapist-observation', [coded('risk-impression', code)], { authored });
  for (const order of [[0, 1], [1, 0]]) {
    const world = new World();
    const both = [phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)), impression('o1', '2024-03-07T10:00:00Z', 'no-concern')];
    for (const at of order) world.write(both[at]!);
    for (const at of order) world.write(both[at]!);
    t.match(world.all('DetectedIssue'), [{ severity: 'high', status: 'preliminary', patient: { reference: 'Patient/p' }, implicated: [{ reference: 'QuestionnaireResponse/q1' }, { reference: 'QuestionnaireResponse/o1' }], meta: { security: [{ code: 'R' }] } }]);
  }
  const world = new World();
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  world.write(impression('o1', '2024-03-08T11:00:00Z', 'no-concern'));
  world.write(phq9('q2', '2024-03-20T10:00:00Z', totalling(10, 0)));
  world.write(impression('o2', '2024-03-20T11:00:00Z', 'no-concern'));
  t.equal(world.all('DetectedIssue').length, 0, 'more than a week apart; nothing positive');
  world.write(impression('o3', '2024-03-02T10:00:00Z', 'no-concern'));
  t.equal(world.all('DetectedIssue').length, 1);
  const later = new World();
  later.write(impression('o1', '2024-03-01T10:00:00Z', 'no-concern'));
  later.write(impression('o2', '2024-03-02T10:00:00Z', 'some'));
  later.write(phq9('q1', '2024-03-03T10:00:00Z', totalling(10, 1)));
  t.equal(later.all('DetectedIssue').length, 0, 'the newer impression counts');
});

const office = { timeZone: 'Europe/London', week: { mon: [['09:00', '12:00'], ['13:00', '17:00']], tue: [['09:00', '17:00']], fri: [['09:00', '17:00']] }, closed: ['2024-03-11'] };

t.test('staffed hours are of the place: over lunch, nights, closed days and the change of the clocks', async (t) => {
  const hours = staffedHours.parse(office);
  const at = (text: string): number => Date.parse(text);
  const text = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString().slice(0, 16));
  t.equal(text(nextStaffed(hours, at('2024-03-08T10:00:00Z'))), '2024-03-08T10:00', 'now');
  t.equal(text(nextStaffed(hours, at('2024-03-04T12:30:00Z'))), '2024-03-04T13:00', 'after lunch');
  t.equal(text(nextStaffed(hours, at('2024-03-08T17:00:00Z'))), '2024-03-12T09:00', 'Monday is closed');
  t.equal(text(nextStaffed(hours, at('2024-03-31T20:00:00Z'))), '2024-04-01T08:00', 'summer time began that day');
  t.equal(text(afterStaffed(hours, at('2024-03-04T11:00:00Z'), 240)), '2024-03-04T16:00', 'an hour, lunch, three hours');
  t.equal(text(afterStaffed(hours, at('2024-03-08T16:30:00Z'), 60)), '2024-03-12T09:30');
  t.equal(text(afterWorkingDays(hours, at('2024-03-08T16:30:00Z'), 1)), '2024-03-12T16:30');
  t.equal(text(afterWorkingDays(undefined, at('2024-03-08T16:30:00Z'), 1)), '2024-03-11T16:30');
  t.equal(text(afterWorkingDays(hours, at('2024-03-29T10:00:00Z'), 1)), '2024-04-01T09:00', 'the same time by the clock on the wall, which went forward');
  t.equal(text(afterWorkingDays(hours, at('2024-10-27T10:00:00Z'), 1)), '2024-10-28T10:00', 'from the day on which it went back');
  t.equal(nextStaffed(staffedHours.parse({ timeZone: 'UTC', week: {} }), 0), null, 'never');
});

t.test('outside staffed hours the client reads when somebody may see it, and both time limits are kept', async (t) => {
  const world = new World();
  world.now = '2024-03-08T20:00:00Z';
  world.safety = safetySettings({ rules: { staffedHours: office }, contacts: { GB: [{ name: 'Example line', phone: '000', hours: 'always' }], '*': [{ name: 'Elsewhere', url: 'https://example.org/lines' }] } });
  world.careTeam = { resourceType: 'CareTeam', participant: [{ member: { reference: 'Practitioner/one' } }] };
  world.patient = { resourceType: 'Patient', id: 'p', address: [{ country: 'gb' }] };
  world.write(phq9('q1', '2024-03-08T20:00:00Z', totalling(10, 3)));
  const told = world.resources.get(`Communication/${clientMessageId('q1')}`)!;
  const lines = (told.payload as { contentString: string }[]).map(({ contentString }) => contentString);
  t.match(lines[0], /No one may see this before Tuesday 12 March at 09:00 GMT/);
  t.match(lines[0], /Your care team has been told. The time set for looking at it is Friday 8 March at 21:00 GMT/);
  t.same(lines.slice(1), ['Example line: 000 (always)', 'This app is not an emergency service.']);
  t.notMatch(lines.join(' '), /PHQ|item|suicid|die|harm/i);
  const review = task(world, 'q1')!;
  t.equal(due(review), '2024-03-08T21:00:00.000Z');
  t.match(review.extension, [{ url: `${base}/StructureDefinition/on-duty-limit`, valueDateTime: '2024-03-12T10:00:00.000Z' }]);
  world.patient = { resourceType: 'Patient', id: 'p', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: 'Pacific/Auckland' }] };
  world.write(phq9('away', '2024-03-08T20:00:00Z', totalling(10, 3)));
  t.match(JSON.stringify(world.resources.get(`Communication/${clientMessageId('away')}`)), /Saturday 9 March at 10:00 GMT\+13 at the latest. No one may see this before Tuesday 12 March at 22:00/, 'by the clock of the client');
  world.patient = { resourceType: 'Patient', id: 'p', address: [{ country: 'FR' }] };
  world.now = '2024-03-12T10:00:00Z';
  world.write(phq9('q2', '2024-03-12T10:00:00Z', totalling(10, 1)));
  const later = JSON.stringify(world.resources.get(`Communication/${clientMessageId('q2')}`));
  t.match(later, /Elsewhere: https/);
  t.notMatch(later, /No one may see/);
  const plain = new World();
  plain.write(phq9('q1', '2024-03-08T20:00:00Z', totalling(10, 3)));
  t.match(JSON.stringify(plain.all('Communication')), /findahelpline/, 'the finder, where the organisation has set nothing');
  t.notMatch(JSON.stringify(plain.resources.get(`Communication/${clientMessageId('q1')}`)), /has been told/, 'nobody is named where there is nobody');
  t.match(JSON.stringify(plain.resources.get(`Communication/${clientMessageId('q1')}`)), /It cannot be said yet who will see this, or when\./, 'and nobody is waited for');
  world.now = '2024-03-20T10:00:00Z';
  world.write(phq9('late', '2024-03-12T11:00:00Z', totalling(10, 3)));
  t.match(JSON.stringify(world.resources.get(`Communication/${clientMessageId('late')}`)), /Your care team has been told\. No one|Your care team has been told\. If waiting/, 'a time that is over is no promise');
});

t.test('the organisation sets the times; a file that does not fit says where', async (t) => {
  const world = new World();
  world.safety = safetySettings({ rules: { minutes: { 'phq-9-item-9': { stat: 15 }, '*': { urgent: 30 } } } });
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  world.write(phq9('q2', '2024-03-02T10:00:00Z', totalling(10, 3)));
  t.same(['q1', 'q2'].map((id) => minutesOf(task(world, id))), [30, 15]);
  world.now = '2024-03-05T12:00:00Z';
  world.write(phq9('today', '2024-03-05', totalling(10, 3)));
  world.write(phq9('before', '2024-03-04', totalling(10, 3)));
  t.same(['today', 'before'].map((id) => due(task(world, id))), ['2024-03-05T12:15:00.000Z', '2024-03-05T00:15:00.000Z'], 'of a date without a time nobody knows that it was midnight');
  t.throws(() => safetySettings({ rules: { staffedHours: { timeZone: 'Mars/North', week: { mon: [['17:00', '09:00']] } }, minutes: { '*': { stat: -1 } } } }), /SAFETY_RULES staffedHours.timeZone: .*\n?.*/);
  t.throws(() => safetySettings({ contacts: { UK1: [{ name: 'x' }] } }), /CRISIS_CONTACTS/);
});

t.test('who is told: the first and the next on duty, and who leads', async (t) => {
  const lead = [{ coding: [{ system: `${base}/CodeSystem/care-team-role`, code: 'duty-lead' }] }];
  const team = (...participant: object[]): Resource => ({ resourceType: 'CareTeam', participant });
  const person = (id: string, more: object = {}): object => ({ member: { reference: `Practitioner/${id}` }, ...more });
  const now = Date.parse('2024-03-01T22:00:00Z');
  const told = (careTeam: Resource | undefined, patient?: Resource, dutyLead?: string): unknown[] => {
    const { first, second, lead: leads } = recipients(careTeam, patient, now, dutyLead);
    return [first, second, leads].map((one) => one?.reference.split('/')[1]);
  };
  t.same(told(team(person('boss', { role: lead }), person('a'), person('b'))), ['a', 'b', 'boss']);
  t.same(told(team(person('a'), person('off', { period: { end: '2024-02-29' } }), person('b', { period: { end: '2024-03-01' } }), person('c'))), ['a', 'b', 'c'], 'a last day counts to its end');
  t.same(told(team(person('a'), person('a'), person('b')), undefined, 'Practitioner/set'), ['a', 'b', 'set']);
  t.same(told(team(person('a'))), ['a', 'a', 'a']);
  t.same(told(team(person('boss', { role: lead }))), ['boss', 'boss', 'boss']);
  t.same(told(team({ member: { reference: 'Patient/p' } }), { resourceType: 'Patient', generalPractitioner: [{ reference: 'Practitioner/gp' }] }), ['gp', 'gp', 'gp']);
  t.same(told(undefined), [undefined, undefined, undefined]);
});

t.test('time to acknowledge: median and 90th percentile by hand, breaches by the clock and by staffed time', async (t) => {
  const minute = 60_000;
  const review = (acknowledged: number | null, more: Partial<ReviewCourse> = {}): ReviewCourse =>
    ({ start: 0, limit: 60 * minute, onDutyLimit: null, acknowledged: acknowledged === null ? null : acknowledged * minute, contacted: null, closed: null, ...more });
  const reviews = [review(10), review(20), review(30), review(40), review(100), review(null), review(null, { start: 50 * minute, limit: 110 * minute })];
  const report = timeToAcknowledge(reviews, { start: 0, end: 1000 * minute }, 100 * minute);
  t.same(report.acknowledge, { n: 5, median: 30, p90: 76 }, '40 + 0.6 * (100 - 40)');
  t.same([report.n, report.breaches, report.onDuty], [7, 2, { n: 0, breaches: 0 }], 'one too late, one not at all; one has time left');
  t.same([report.firstContact, report.close], [{ n: 0, median: null, p90: null }, { n: 0, median: null, p90: null }]);
  const duty = timeToAcknowledge([review(90, { onDutyLimit: 120 * minute, contacted: 95 * minute, closed: 200 * minute }), review(130, { onDutyLimit: 120 * minute, contacted: 131 * minute })], { start: 0, end: 1 }, 1000 * minute);
  t.same([duty.breaches, duty.onDuty], [2, { n: 2, breaches: 1 }], 'late by the clock, in time by staffed time');
  t.same([duty.firstContact, duty.close], [{ n: 2, median: 113, p90: 127.4 }, { n: 1, median: 200, p90: 200 }]);
  t.equal(timeToAcknowledge(reviews, { start: 1, end: 50 * minute }, 0).n, 0, 'the period is that of the beginning');
  const world = new World();
  world.now = '2024-03-01T10:00:00Z';
  world.write(phq9('q1', '2024-03-01T10:00:00Z', totalling(10, 1)));
  world.write(phq9('q2', '2024-03-01T10:00:00Z', [1, 1, 1, 1, 1, 1, 1, 1, null]));
  t.match(reviewCourse(task(world, 'q1')!), { start: Date.parse(world.now), limit: Date.parse(world.now) + 240 * minute, acknowledged: null });
  t.equal(reviewCourse(task(world, 'q2', `${trigger}-missing`)!), undefined, 'no limit');
  t.equal(reviewCourse({ resourceType: 'Task', status: 'requested' }), undefined);
});

t.test('every trigger of this deployment is in the documentation', async (t) => {
  const text = readFileSync(new URL('../../docs/clinical.md', import.meta.url), 'utf8');
  const codes = triggerConcepts(registry).map(({ code }) => code);
  t.ok(codes.length >= 9);
  t.same(codes.filter((code) => !text.includes(`\`${code}\``)), []);
  t.equal(new Set(codes).size, codes.length, 'and each is one code');
});

t.test('the words for clients judge nothing and name nothing clinical', async (t) => {
  const { words: sentences, contacts } = defaultSafety;
  const text = JSON.stringify([sentences, contacts]);
  t.notMatch(text, /\b(?:fail|bad|wrong|severe|risk|suicid|diagnos|disorder|symptom|should have|non-complian)/i);
  t.notMatch(text, /\d{3}/, 'and no telephone number is made up');
});
