import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { mayBeImport } from '../../src/outcomes/imported.ts';
import { alertId } from '../../src/outcomes/safety.ts';
import { base, gad7, phq9, registry, totalling, World } from '../kit/record.ts';

const loinc = 'http://loinc.org';
const item9 = { coding: [{ system: loinc, code: '44260-8' }] };
const sent = (id: string, more: object): Resource => ({ resourceType: 'Observation', id, status: 'final', code: item9, effectiveDateTime: '2024-03-01T10:00:00Z', ...more });
const coded = (code: string): object => ({ valueCodeableConcept: { coding: [{ system: loinc, code }] } });
const at = (now: string): World => Object.assign(new World(), { now });
const review = (world: World, id: string, trigger = 'phq-9-item-9'): Resource | undefined => world.resources.get(`Task/${alertId(id, trigger, 'task')}`);
const counts = (world: World): number[] => ['Flag', 'Task', 'Communication'].map((type) => world.all(type).length);

t.test('an answer to a safety item that another system sends by itself is looked at', async (t) => {
  const cases: readonly (readonly [string, object, string | undefined])[] = [
    ['a number', { valueInteger: 2 }, 'asap'], ['a quantity', { valueQuantity: { value: 3 } }, 'stat'], ['text', { valueString: '1' }, 'urgent'], ['the code of an answer', coded('LA6569-3'), 'urgent'],
    ['its words', { valueCodeableConcept: { text: 'Nearly every day' } }, 'stat'], ['words in another code', { valueCodeableConcept: { coding: [{ system: 'urn:ehr', code: 'x', display: 'More than half the days' }] } }, 'asap'],
    ['a component of a panel', { code: { coding: [{ system: loinc, code: '44249-1' }] }, component: [{ code: { coding: [{ system: loinc, code: '44250-9' }] }, ...coded('LA6571-9') }, { code: item9, ...coded('LA6571-9') }] }, 'stat'],
    ['a component of the total', { code: { coding: [{ system: loinc, code: '44261-6' }] }, valueInteger: 12, component: [{ code: item9, valueInteger: 1 }] }, 'urgent'],
    ['preliminary', { status: 'preliminary', valueInteger: 1 }, 'urgent'], ['without a time', { effectiveDateTime: undefined, valueInteger: 1 }, 'urgent'],
    ['0', { valueInteger: 0 }, undefined], ['not at all', coded('LA6568-5'), undefined], ['entered in error', { status: 'entered-in-error', valueInteger: 3 }, undefined],
    ['another question', { code: { coding: [{ system: loinc, code: '44258-2' }] }, valueInteger: 3 }, undefined],
    ['the total alone has no item 9', { code: { coding: [{ system: loinc, code: '44261-6' }] }, valueInteger: 27 }, undefined],
  ];
  for (const [what, more, priority] of cases) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(sent('o1', more));
    t.equal(review(world, 'o1')?.priority, priority, what);
    t.same(counts(world), priority === undefined ? [0, 0, 0] : [1, 1, 1], `${what}: no client waits for a message`);
    if (priority === undefined) continue;
    t.match(review(world, 'o1'), { focus: { reference: 'Observation/o1' }, restriction: { period: { start: '2024-03-05T12:00:00.000Z' } } }, 'the clock starts when it comes here');
    t.equal(world.all('Observation', ({ code }) => JSON.stringify(code).includes('44260-8') || JSON.stringify(code).includes('44249-1')).length, what === 'a component of the total' ? 0 : 1, `${what}: it is not copied`);
  }
});

t.test('a value that cannot be read is a review of its own, without a Flag; "no" and no value are none', async (t) => {
  for (const value of [
    { valueInteger: 4 }, { valueString: 'sometimes' }, { valueString: 'denies a plan' }, { valueBoolean: true }, { valueCodeableConcept: { coding: [{ system: 'urn:ehr', code: 'x' }] } }, { valueRange: { low: { value: 1 } } }, { valueString: '1.5' },
    { valueString: '0 - Nearly every day' }, { valueCodeableConcept: { coding: [{ system: 'urn:ehr', code: '0' }] } }, { status: 'preliminary', valueString: 'sometimes' },
    { modifierExtension: [{ url: 'urn:not', valueBoolean: true }], valueInteger: 3 }, { component: [{ code: item9, valueString: 'sometimes' }, { code: item9, valueInteger: 0 }], code: { text: 'Screening' } },
  ]) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(sent('o1', value));
    t.match(review(world, 'o1', 'phq-9-item-9-unread'), { priority: 'urgent', restriction: { period: { start: '2024-03-05T12:00:00.000Z' } } }, JSON.stringify(value));
    t.same(counts(world), [0, 1, 1]);
    world.write(sent('o1', { status: 'corrected', valueInteger: 3, code: item9 }));
    t.equal(review(world, 'o1')?.priority, 'stat', 'corrected, it is heard');
  }
  for (const value of [
    { valueBoolean: false }, { dataAbsentReason: { text: 'declined' } }, {}, { modifierExtension: [{ url: 'urn:not', valueBoolean: true }] }, { valueString: ' No. ' }, { valueString: 'Patient denies' }, { valueCodeableConcept: { text: 'Refused' } }, { valueString: 'N/A' }, { valueCodeableConcept: { text: 'None' } }, coded('LA32-8'), { valueString: 'Not at all (0)' },
    { valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '373067005', display: 'No (qualifier value)' }] } }, { valueCodeableConcept: { coding: [{ system: 'urn:ehr', code: 'a', display: '0' }] } },
  ]) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(sent('o1', value));
    t.same(counts(world), [0, 0, 0], JSON.stringify(value));
  }
});

t.test('however another system names the question, the answer and its own state, it is heard', async (t) => {
  const named = (coding: object): object => ({ code: { coding: [coding] }, valueInteger: 3 });
  const words = 'Thoughts that you would be better off dead, or of hurting yourself';
  const part = (value: number, code: object = item9): object => ({ code, valueInteger: value });
  const whole = (...component: readonly object[]): object => ({ code: { text: 'Screening' }, component });
  const cases: readonly (readonly [string, object, string | undefined])[] = [
    ['LOINC as an OID', named({ system: 'urn:oid:2.16.840.1.113883.6.1', code: '44260-8' }), 'stat'], ['LOINC by another URL', named({ system: 'https://loinc.org/', code: '44260-8' }), 'stat'], ['without a system', named({ code: '44260-8' }), 'stat'],
    ['the code in another system', named({ system: 'urn:ehr', code: '44260-8' }), undefined], ['words beside a code of its own', named({ system: 'urn:ehr', code: '157', display: words }), 'stat'], ['words alone', { code: { text: `Q9. ${words}` }, valueInteger: 3 }, 'stat'],
    ['words with marks of hyphenation', { code: { text: 'Thoughts of being bet\u00ADter off dead' }, valueInteger: 3 }, 'stat'], ['words of another language', { code: { text: 'Gedanken, dass Sie lieber tot wären' }, valueString: 'An einzelnen Tagen' }, 'urgent'],
    ['words of a component', whole(part(2, { text: words })), 'asap'], ['words beside the code of another question', { code: { coding: [{ system: loinc, code: '44258-2' }], text: words }, valueInteger: 3 }, undefined], ['words of a question that nobody answered', { code: { text: words } }, undefined],
    ['3 and 0', whole(part(3), part(0)), 'stat'], ['0 and 3', whole(part(0), part(3)), 'stat'], ['in what it contains', { code: { text: 'PHQ-9' }, hasMember: [{ reference: '#m' }], contained: [{ resourceType: 'Observation', id: 'm', status: 'final', code: item9, valueInteger: 2 }] }, 'asap'],
    ['contained and withdrawn', { code: { text: 'PHQ-9' }, hasMember: [{ reference: '#m' }], contained: [{ resourceType: 'Observation', id: 'm', status: 'entered-in-error', code: item9, valueInteger: 2 }] }, undefined],
    ['status unknown', { status: 'unknown', valueInteger: 3 }, 'stat'], ['registered', { status: 'registered', valueInteger: 3 }, 'stat'], ['cancelled', { status: 'cancelled', valueInteger: 3 }, undefined],
    ['a number with its words', { valueString: '3 - Nearly every day' }, 'stat'], ['words with their number', { valueCodeableConcept: { text: 'Several days (1)' } }, 'urgent'], ['a weight', { valueCodeableConcept: { coding: [{ system: 'urn:ehr', code: 'c', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: 2 }] }] } }, 'asap'],
    ['the code of an answer without its system', { valueCodeableConcept: { coding: [{ code: 'LA6571-9' }] } }, 'stat'], ['this year', { effectiveDateTime: '2024', valueInteger: 3 }, 'stat'], ['last year', { effectiveDateTime: '2023', valueInteger: 3 }, undefined], ['this month', { effectiveDateTime: '2024-03', valueInteger: 3 }, 'stat'], ['January', { effectiveDateTime: '2024-01', valueInteger: 3 }, undefined],
    ['beside the total of another instrument', { code: { coding: [{ system: loinc, code: '70274-6' }] }, valueInteger: 5, component: [part(2)] }, 'asap'],
  ];
  for (const [what, more, priority] of cases) {
    const world = at('2024-03-25T12:00:00Z');
    world.write(sent('o1', { effectiveDateTime: '2024-03-24T10:00:00Z', ...more }));
    t.equal(review(world, 'o1')?.priority, priority, what);
    t.same(counts(world), priority === undefined ? [0, 0, 0] : [1, 1, 1], what);
    if (priority !== undefined) t.ok(mayBeImport(JSON.stringify(sent('o1', more)), registry), `${what}: its text tells so`);
  }
  const both = at('2024-03-05T12:00:00Z');
  both.write(sent('o1', whole(part(1), part(3, { coding: [{ system: `${base}/CodeSystem/instrument-item`, code: 'core10-06' }] }))));
  t.same([review(both, 'o1')?.priority, review(both, 'o1', 'core-10-item-6')?.priority], ['urgent', 'stat'], 'two instruments in one Observation');
});

t.test('a copy of a response that says more than the response is no copy', async (t) => {
  for (const [what, item, value, is] of [['as it is', 2, 2, undefined], ['less', 2, 1, undefined], ['more', 0, 3, 'stat'], ['left open there', null, 1, 'urgent']] as const) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(phq9('q1', '2024-03-05T10:00:00Z', [1, 1, 1, 1, 1, 1, 1, 1, item]));
    world.write(sent('copy', { effectiveDateTime: '2024-03-05T10:00:00Z', valueInteger: value, derivedFrom: [{ reference: 'QuestionnaireResponse/q1' }] }));
    t.equal(review(world, 'copy')?.priority, is, what);
  }
  for (const change of [(world: World): void => world.write(phq9('q1', '2024-03-05T10:00:00Z', totalling(10, 0), { status: 'amended' })), (world: World): void => world.delete('QuestionnaireResponse', 'q1')]) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(phq9('q1', '2024-03-05T10:00:00Z', totalling(10, 2)));
    world.write(sent('copy', { effectiveDateTime: '2024-03-05T10:00:00Z', valueInteger: 2, derivedFrom: [{ reference: 'QuestionnaireResponse/q1' }] }));
    const before = counts(world);
    change(world);
    t.same([counts(world), (review(world, 'q1')!['note'] as object[]).length], [before, 1], 'its review hears that the response was changed; the copy is no second answer');
  }
  for (const status of ['completed', 'in-progress']) {
    const world = at('2024-03-05T12:00:00Z');
    world.write({ resourceType: 'QuestionnaireResponse', id: 'q1', status, authored: '2024-03-05T10:00:00Z', item: [{ linkId: '/44260-8', answer: [{ valueInteger: 2 }] }] });
    const alone = counts(world);
    world.write(sent('copy', { effectiveDateTime: '2024-03-05T10:00:00Z', valueInteger: 2, derivedFrom: [{ reference: 'QuestionnaireResponse/q1' }] }));
    t.same([review(world, 'q1')?.priority, counts(world)], ['asap', alone], `of a response that asks nothing else, or is not finished, it is raised once: ${status}`);
  }
});

t.test('a safety item that a form asks twice among other questions is heard by its most pressing answer', async (t) => {
  const asked = (...answers: readonly object[]): Resource => ({ resourceType: 'QuestionnaireResponse', id: 'q1', status: 'completed', authored: '2024-03-05T11:00:00Z', item: answers.map((answer, i) => ({ linkId: `group-${i}`, item: [{ linkId: '/44260-8', answer: [answer] }] })) });
  const coding = (code: string): object => ({ valueCoding: { system: loinc, code } });
  for (const [what, answers, priority] of [
    ['0 and 3', [{ valueInteger: 0 }, { valueInteger: 3 }], 'stat'], ['3 and 0', [coding('LA6571-9'), coding('LA6568-5')], 'stat'], ['something that cannot be read, and 1', [{ valueString: 'yes' }, { valueInteger: 1 }], 'urgent'], ['0 twice', [{ valueInteger: 0 }, { valueInteger: 0 }], undefined],
  ] as const) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(asked(...answers));
    t.equal(review(world, 'q1')?.priority, priority, what);
  }
  for (const answers of [[{ valueString: 'yes' }], [{ valueString: 'yes' }, { valueInteger: 0 }]]) {
    const world = at('2024-03-05T12:00:00Z');
    world.write(asked(...answers));
    t.match(review(world, 'q1', 'phq-9-item-9-unread'), { priority: 'urgent' }, 'what cannot be read is looked at as well');
  }
});

t.test('what is older than two weeks, or stands in a response of this record, is not looked at again', async (t) => {
  const world = at('2024-03-15T10:00:01Z');
  world.write(sent('old', { valueInteger: 3 }));
  t.same(counts(world), [0, 0, 0]);
  world.write(phq9('q1', '2024-03-15T10:00:00Z', totalling(10, 2)));
  const alone = counts(world);
  world.write(sent('copy', { effectiveDateTime: '2024-03-15T10:00:00Z', valueInteger: 2, derivedFrom: [{ reference: 'QuestionnaireResponse/q1' }] }));
  t.same(counts(world), alone, 'it was looked at with its response');
  world.write(sent('other', { effectiveDateTime: '2024-03-15T10:00:00Z', valueInteger: 2, derivedFrom: [{ reference: 'QuestionnaireResponse/elsewhere' }] }));
  t.ok(review(world, 'other'));
});

t.test('it is an answer like others: a later one is compared with it, a correction is noted, and a review of it closes its Flag', async (t) => {
  const world = at('2024-03-05T12:00:00Z');
  world.write(sent('o1', { valueInteger: 1 }));
  world.write(phq9('q1', '2024-03-05T11:00:00Z', totalling(10, 2)));
  t.equal(review(world, 'q1')?.priority, 'stat', 'one level up: it rose from 1 to 2');
  world.write(sent('o1', { status: 'corrected', valueInteger: 0 }));
  t.match(review(world, 'o1'), { status: 'requested', note: [{ text: /does not call for a look by itself any more/ }] });
  world.write({ ...review(world, 'o1')!, status: 'completed' });
  t.match(JSON.stringify(world.resources.get(`Flag/${alertId('o1', 'phq-9-item-9', 'flag')}`)?.['extension']), `Task/${review(world, 'o1')!.id}`);
  world.write(sent('o2', { valueInteger: 3 }));
  world.delete('Observation', 'o2');
  t.match(review(world, 'o2'), { note: [{ text: /changed or withdrawn/ }] });
});

t.test('imported totals call for a look as totals of responses do', async (t) => {
  const world = at('2024-03-05T12:00:00Z');
  const total = (id: string, code: string, valueInteger: number, effectiveDateTime: string): Resource => sent(id, { code: { coding: [{ system: loinc, code }] }, valueInteger, effectiveDateTime });
  world.write(total('a1', '75624-7', 20, '2024-03-04'));
  t.match(review(world, 'a1', 'audit-20'), { priority: 'urgent', focus: { reference: 'Observation/a1' } });
  world.write(gad7('g1', '2024-02-28T10:00:00Z', [1, 1, 1, 0, 0, 0, 0]));
  world.write(total('g2', '70274-6', 18, '2024-03-04T10:00:00Z'));
  t.match(review(world, 'g2', 'rapid-worsening'), { priority: 'urgent' });
  world.write(total('a2', '75624-7', 30, '2024-02-04'));
  t.equal(review(world, 'a2', 'audit-20'), undefined, 'a month ago');
});
