import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { validate } from '../../src/fhir/validate.ts';
import { isNoLongerAsked } from '../../src/outcomes/alliance-tasks.ts';
import { explanation } from '../../src/outcomes/explanation.ts';
import { differences, StoredResource } from '../../src/outcomes/recompute.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { base, registry, session, World } from '../kit/record.ts';
import { judgingWords, verdictWords } from './words.ts';

const dayMs = 86_400_000;
const dateOf = (day: number): string => new Date(Date.UTC(2024, 10, 1) + day * dayMs).toISOString().slice(0, 10);
const items = ['heard', 'topics', 'way', 'agree', 'trust', 'overall'];
const kept = [{ system: `${base}/CodeSystem/sharing`, code: 'private' }];

/** A rating of the session with this total, and more answers. */
function rating(id: string, day: number, total: number, more: object = {}, beside: readonly object[] = []): Resource {
  const each = items.map((_, i) => Math.min(10, Math.max(0, Math.floor((total + i) / 6))));
  return {
    resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: `${base}/Questionnaire/bs-alliance`, authored: `${dateOf(day)}T10:00:00Z`,
    item: [...items.map((linkId, i) => ({ linkId, answer: [{ valueInteger: each[i] }] })), ...beside], ...more,
  };
}
const talk = { linkId: 'want-to-talk', answer: [{ valueBoolean: true }] };
const words = (text: string): object => ({ linkId: 'less-of', answer: [{ valueString: text }] });
const srs = (id: string, day: number, marks: readonly number[], more: object = {}): Resource => ({
  resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: `${base}/Questionnaire/srs`, authored: `${dateOf(day)}T10:00:00Z`,
  item: marks.map((value, i) => ({ linkId: `srs-${i + 1}`, answer: [{ valueDecimal: value }] })), ...more,
});
const episode = (status: string, more: object = {}): Resource => ({ resourceType: 'EpisodeOfCare', id: 'ep', status, patient: { reference: 'Patient/p' }, period: { start: dateOf(0), ...more } });

/** Weekly ratings from day 0 on. */
function weekly(world: World, totals: readonly number[]): void {
  for (const [i, total] of totals.entries()) world.write(rating(`a${i}`, 7 * i, total));
}
const valueOf = (part: Resource | undefined): string | undefined => (part?.valueCodeableConcept as { coding: { code: string }[] } | undefined)?.coding[0]!.code;
function component(observation: Resource | undefined, code: string): unknown {
  const found = (observation?.component as (Record<string, unknown> & { code: { coding: { code: string }[] } })[] | undefined)?.find((one) => one.code.coding[0]!.code === code);
  return found?.['valueInteger'] ?? (found?.['valueQuantity'] as { value: number } | undefined)?.value ?? found?.['valueString'] ?? valueOf(found as unknown as Resource);
}
const tasks = (world: World, code: string): Resource[] => world.all('Task', (task) => JSON.stringify(task.code).includes(code));

t.test('a drop is open, then repaired or unrepaired, as one Observation with its history in versions', async (t) => {
  const world = new World();
  // Ratings 48 50 46 48: mean 48, squares 0 + 4 + 4 + 0, SD sqrt(8 / 3) = 1.633; a drop of 3 is 1.84 SD: minor. Repaired from 48 - 1.633 on.
  weekly(world, [48, 50, 46, 48, 45]);
  const rupture = (): Resource | undefined => world.observation('alliance-rupture', 'a4', 'bs-alliance');
  t.equal(world.observation('alliance-rupture', 'a2', 'bs-alliance'), undefined, 'before the fourth rating nothing is known of the spread');
  t.equal(valueOf(rupture()), 'minor');
  t.same(['state', 'drop', 'reference-sd', 'drop-threshold', 'reference-score'].map((code) => component(rupture(), code)), ['open', 3, 1.633, 3, 48], 'the least drop of the form is 3');
  t.same((rupture()!.derivedFrom as { reference: string }[]).map(({ reference }) => reference),
    ['a4', 'a3', 'a0', 'a1', 'a2'].map((id) => `Observation/${world.observation('score', id, 'bs-alliance')!.id}`), 'every rating that the number rests on');
  world.write(rating('a5', 35, 47));
  t.match([component(rupture(), 'state'), rupture()!.meta!.versionId, rupture()!.status], ['repaired', '2', 'amended'], '47 >= 46.37');
  const other = new World();
  weekly(other, [48, 50, 46, 48, 44, 40, 41, 42]);
  t.equal(valueOf(other.observation('alliance-rupture', 'a4', 'bs-alliance')), 'major', '4 is 2.45 SD');
  t.equal(component(other.observation('alliance-rupture', 'a4', 'bs-alliance'), 'state'), 'unrepaired');
  t.equal(component(other.observation('alliance-rupture', 'a4', 'bs-alliance'), 'drop-threshold'), 3.266);
  other.write(rating('a4', 28, 48, { status: 'amended' }));
  t.equal(other.observation('alliance-rupture', 'a4', 'bs-alliance')!.status, 'entered-in-error');
});

t.test('low ratings of the SRS: by the total and by single items, with the limit that holds', async (t) => {
  const world = new World();
  world.write(srs('s1', 0, [9, 9, 9, 9]));
  t.match(world.observation('alliance-low', 's1', 'srs'), { valueBoolean: true, method: { coding: [{ code: 'alliance-low', version: '1' }, { code: 'srs' }] } });
  t.equal(component(world.observation('alliance-low', 's1', 'srs'), 'low-limit'), 36, '36 is at most 36');
  t.equal(component(world.observation('alliance-low', 's1', 'srs'), 'low-item'), undefined, '9 is not below 9');
  world.write(srs('s2', 7, [8.9, 9.5, 9.5, 9.5]));
  t.same([component(world.observation('alliance-low', 's2', 'srs'), 'low-limit'), component(world.observation('alliance-low', 's2', 'srs'), 'low-item')], [undefined, 'srs-1'], '37.4 in all');
  const explained = (id: string, inputs: ReadonlyMap<string, Resource>): unknown =>
    (explanation(world.observation('alliance-low', id, 'srs')!, { registry, inputs, forms: new Map(), reader: 'clinician' })['parameter'] as { name: string; valueString?: string }[]).find(({ name }) => name === 'formula-with-numbers')?.valueString;
  t.equal(explained('s1', world.resources), 'total 36 of 40: 36 is 36 or less');
  t.equal(explained('s2', world.resources), 'total 37.4 of 40: 37.4 is more than 36; item 1: 8.9 is less than 9');
  const score = world.observation('score', 's2', 'srs')!;
  t.equal(explained('s2', new Map([[`Observation/${score.id}`, score]])), 'total 37.4 of 40: 37.4 is more than 36', 'answers that are not shown are not told');
  t.equal(explained('s2', new Map()), undefined);
  world.write(srs('s3', 14, [9.1, 9.1, 9.1, 9.1]));
  t.equal(world.observation('alliance-low', 's3', 'srs'), undefined);
  world.write(srs('s3', 14, [9.1, 9.1, 9.1, 2], { status: 'amended' }));
  t.same(component(world.observation('alliance-low', 's3', 'srs'), 'low-item'), 'srs-4');
  weekly(world, [6, 6]);
  t.equal(world.observation('alliance-low', 'a0', 'bs-alliance'), undefined, 'the own scale has no limit');
});

t.test('three ratings that did not come back ask the therapist once to talk; nobody else closes it, and a correction is noted', async (t) => {
  const world = new World();
  world.now = `${dateOf(50)}T12:00:00Z`;
  world.careTeam = { resourceType: 'CareTeam', participant: [{ member: { reference: 'Practitioner/x' } }] };
  weekly(world, [48, 50, 46, 48, 44, 40, 41]);
  t.same(tasks(world, 'alliance-review'), [], 'a third rating may come back');
  world.write(rating('a7', 49, 42));
  const [task] = tasks(world, 'alliance-review');
  t.match(task, { status: 'requested', priority: 'routine', owner: { reference: 'Practitioner/x' }, meta: { security: [{ code: 'R' }] }, focus: { reference: 'QuestionnaireResponse/a4' } });
  t.same(validate(task!), []);
  t.notMatch(task!.description, judgingWords);
  world.write(rating('a7', 49, 42));
  t.equal(tasks(world, 'alliance-review').length, 1, 'idempotent');
  world.write(rating('a7', 49, 47, { status: 'amended' }));
  t.match(tasks(world, 'alliance-review').map((each) => [each.status, isNoLongerAsked(each)]), [['requested', true]], 'noted, and open');
  world.write(rating('a7', 49, 42, { status: 'amended' }));
  t.match(tasks(world, 'alliance-review').map((each) => [each.status, isNoLongerAsked(each), each.note]), [['requested', false, undefined]]);
  const old = new World();
  old.now = '2026-01-01T00:00:00Z';
  weekly(old, [48, 50, 46, 48, 44, 40, 41, 42]);
  t.same(tasks(old, 'alliance-review'), [], 'an import asks nobody');
  const ended = new World();
  ended.now = world.now;
  ended.write(episode('finished', { end: dateOf(50) }));
  weekly(ended, [48, 50, 46, 48, 44, 40, 41, 42]);
  t.same(tasks(ended, 'alliance-review'), [], 'a therapy that is over is not reviewed');
});

t.test('who stops rating after a drop is asked about when a fourth session has passed, whatever arrives first', async (t) => {
  for (const late of [false, true]) {
    const world = new World();
    world.now = `${dateOf(63)}T12:00:00Z`;
    const meet = (n: number): void => world.write(session(`e${n}`, `${dateOf(7 * n)}T09:00:00Z`));
    if (!late) for (const n of [0, 1, 2, 3, 4, 5, 6, 7]) meet(n);
    weekly(world, [48, 50, 46, 48, 40]);
    if (late) for (const n of [0, 1, 2, 3, 4, 5, 6, 7]) meet(n);
    t.same(tasks(world, 'alliance-review'), [], 'the third session after may still be rated');
    meet(8);
    t.equal(tasks(world, 'alliance-review').length, 1);
    t.match(world.observation('alliance-rupture', 'a4', 'bs-alliance')?.note, [{ text: /There is no rating in the three sessions after\./ }]);
    world.write(rating('a7', 49, 47));
    t.match(tasks(world, 'alliance-review').map((each) => isNoLongerAsked(each)), [true], 'a rating that comes late is noted');
  }
});

t.test('what a client says beside the scores asks for an answer, unless it is kept private', async (t) => {
  const world = new World();
  world.now = `${dateOf(5)}T12:00:00Z`;
  world.write(rating('a0', 0, 48));
  world.write(rating('a1', 1, 48, {}, [words('   '), { linkId: 'want-to-talk', answer: [{ valueBoolean: false }] }]));
  world.write(rating('a2', 2, 48, { status: 'in-progress' }, [talk]));
  world.write(rating('a3', 3, 48, { meta: { security: kept } }, [talk]));
  t.same(tasks(world, 'respond-to-feedback'), []);
  world.write(rating('a4', 4, 48, {}, [talk]));
  world.write(rating('a5', 5, 48, {}, [words('less homework')]));
  const found = tasks(world, 'respond-to-feedback');
  t.same(found.map(({ focus }) => (focus as { reference: string }).reference).sort(), ['QuestionnaireResponse/a4', 'QuestionnaireResponse/a5']);
  for (const task of found) {
    t.same(validate(task), []);
    t.equal(task.meta?.security, undefined, 'the client sees whether it was answered');
    t.notMatch(task.description, judgingWords);
    t.match(task.description, /of \d\d? [A-Z][a-z]+ 20\d\d the client said/, 'a date as people write it');
    t.notMatch(JSON.stringify(task), /less homework/, 'the words stay where they were written');
  }
  t.notMatch(recordEntries(rating('a5', 5, 48, {}, [words('less homework')]), { registry }).map(({ data }) => data).join(), /less homework/);
  world.write({ ...found[0]!, status: 'completed' });
  world.write(rating('a4', 4, 48, { status: 'amended' }));
  world.write(rating('a5', 5, 48, { status: 'entered-in-error' }, [words('less homework')]));
  t.same(tasks(world, 'respond-to-feedback').map((each) => `${String(each.status)} ${isNoLongerAsked(each)}`).sort(), ['completed false', 'requested true'], 'what is closed is closed');
  t.equal(tasks(world, 'respond-to-feedback').length, 2);
});

t.test('a drop that rests on a private rating is private, and asks nobody', async (t) => {
  const world = new World();
  world.now = `${dateOf(50)}T12:00:00Z`;
  for (const [i, total] of [48, 50, 46, 48, 44, 40, 41, 42].entries()) world.write(rating(`a${i}`, 7 * i, total, i === 1 ? { meta: { security: kept } } : {}));
  t.match(world.observation('alliance-rupture', 'a4', 'bs-alliance'), { meta: { security: kept } });
  t.same(tasks(world, 'alliance-review'), []);
});

const write: fc.Arbitrary<Resource> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ id: fc.integer({ min: 0, max: 13 }), day: fc.integer({ min: 0, max: 40 }), low: fc.nat(20), status: fc.constantFrom('completed', 'completed', 'completed', 'completed', 'amended', 'entered-in-error', 'in-progress'), secret: fc.integer({ min: 0, max: 15 }), said: fc.boolean() })
    .map(({ id, day, low, status, secret, said }) => rating(`a${id}`, day, day < 15 ? 60 - low % 5 : 58 - low, { status, ...(secret === 0 ? { meta: { security: kept } } : {}) }, said ? [talk] : [])) },
  { weight: 2, arbitrary: fc.record({ id: fc.constantFrom('s1', 's2', 's3'), day: fc.integer({ min: 0, max: 40 }), marks: fc.array(fc.integer({ min: 70, max: 100 }), { minLength: 4, maxLength: 4 }) }).map(({ id, day, marks }) => srs(id, day, marks.map((mark) => mark / 10))) },
  { weight: 1, arbitrary: fc.record({ status: fc.constantFrom('active', 'finished'), start: fc.integer({ min: 0, max: 30 }) }).map(({ status, start }) => episode(status, { start: dateOf(start), ...(status === 'finished' ? { end: dateOf(start + 20) } : {}) })) },
);
const last = (writes: readonly Resource[]): Resource[] => [...new Map(writes.map((one) => [`${one.resourceType}/${one.id}`, one])).values()];

t.test('property: any order of ratings, amendments and withdrawals gives the same Observations and open requests; recomputing finds nothing', async (t) => {
  const seen = new Set<string>();
  const course = [58, 60, 56, 58, 50, 48, 49, 48].map((total, i) => rating(`c${i}`, 5 * i + 2, total));
  fc.assert(fc.property(fc.array(write, { minLength: 2, maxLength: 22 }), fc.boolean(), fc.infiniteStream(fc.nat(1000)), (some, withCourse, keys) => {
    const writes = withCourse ? [...course, ...some] : some;
    const run = (list: readonly Resource[]): World => {
      const world = new World();
      world.now = `${dateOf(45)}T12:00:00Z`;
      for (const resource of list) world.write(resource);
      return world;
    };
    const open = (world: World): string[] => world.all('Task', (task) => !isNoLongerAsked(task) && /alliance-review|respond-to-feedback/.test(JSON.stringify(task.code))).map(({ id }) => id!).sort();
    const final = last(writes);
    const order = final.map((resource) => [keys.next().value, resource] as const).sort(([a], [b]) => a - b).map(([, resource]) => resource);
    const world = run(writes), straight = run(final), other = run(order);
    for (const each of [...straight.all('Observation'), ...straight.all('Task')]) seen.add((each.code as { coding: { code: string }[] }).coding[0]!.code);
    t.strictSame(world.derivedState(), straight.derivedState());
    t.strictSame(other.derivedState(), straight.derivedState());
    t.strictSame(open(world), open(straight));
    t.strictSame(open(other), open(straight));
    const sources = straight.all('QuestionnaireResponse').concat(straight.all('EpisodeOfCare'));
    const context = { registry, now: straight.now, device: 'Device/intersession-1', patient: 'Patient/p', reference: null };
    const derived = new Map([...straight.resources].filter(([, { resourceType }]) => resourceType === 'Observation' || resourceType === 'Task').map(([key, resource]) => [key, new StoredResource(JSON.stringify(resource))]));
    t.strictSame(differences(sources.flatMap((resource) => recordEntries(resource, { registry })), derived, context).filter(({ type }) => type === 'Observation'), []);
    world.log.length = 0;
    for (const resource of final) world.write(resource);
    t.same(world.log, [], 'written again, nothing changes');
  }), { numRuns: 150 });
  for (const metric of ['alliance-rupture', 'alliance-low', 'alliance-review', 'respond-to-feedback']) t.ok(seen.has(metric), `${metric} was among them`);
});

t.test('what stands out is valid R4 and has words for both sides that judge nobody', async (t) => {
  const world = new World();
  world.now = `${dateOf(50)}T12:00:00Z`;
  weekly(world, [48, 50, 46, 48, 44, 48, 40, 41, 42, 43]);
  world.write(srs('s1', 0, [2, 9, 9, 9]));
  world.write(srs('s2', 0, [5, 5, 9, 9]));
  const found = world.all('Observation', ({ code }) => /"alliance-/.test(JSON.stringify(code)));
  t.ok(found.length >= 3);
  t.same(new Set(found.map((each) => component(each, 'state')).filter((state) => state !== undefined)), new Set(['repaired', 'unrepaired']));
  for (const each of found) {
    t.same(validate(each), []);
    const [clinician, client] = each.note as { text: string; extension?: object[] }[];
    t.notMatch(clinician!.text, verdictWords);
    t.notMatch(client!.text, judgingWords);
    t.notMatch(client!.text, verdictWords);
  }
});
