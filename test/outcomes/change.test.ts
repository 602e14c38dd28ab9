import t from 'tap';
import { changeBetween, isClinical, normCutoffs, reliability } from '../../src/outcomes/change.ts';
import { reliableChangeIndex, significanceCutoffs } from '../../src/outcomes/reliable-change.ts';
import { baselineOf, phq9, registry, session, totalling } from '../kit/record.ts';

const scale = registry.scales.get('phq-9')!;
const near = (found: number, wanted: number, digits: number): boolean => Math.abs(found - wanted) < 0.5 * 10 ** -digits;

t.test('the worked examples of the reliable change index', async (t) => {
  for (const [sd, r, standardError, sDiff, threshold] of [[6.1, 0.89, 2.0231, 2.8612, 5.6079], [6.0, 0.86, 2.2450, 3.1749, 6.2228], [10.5, 0.931, 2.7581, 3.9006, 7.6451]] as const) {
    const found = reliableChangeIndex(sd, r, 1.96);
    t.ok(near(found.standardError, standardError, 4));
    t.ok(near(found.sDiff, sDiff, 4));
    t.ok(near(found.threshold, threshold, 4));
  }
  t.throws(() => reliableChangeIndex(6, 1, 1.96), RangeError, 'r = 1 is undefined');
  t.throws(() => reliableChangeIndex(6, -0.1, 1.96), RangeError);
  t.throws(() => reliableChangeIndex(0, 0.8, 1.96), RangeError);
  t.ok(near(scale.thresholds.find(({ id }) => id === 'jacobson-truax-95')!.value, 5.6079, 4));
});

t.test('a published threshold is reached, a computed one is exceeded', async (t) => {
  t.same([5, 6, -6, -5, 0].map((improvement) => reliability(improvement, { value: 6, op: '>=' })), ['none', 'better', 'worse', 'none', 'none']);
  t.same([6, 6.01, -6.01].map((improvement) => reliability(improvement, { value: 6, op: '>' })), ['none', 'better', 'worse']);
});

t.test('the worked example of the cut-offs, and its mirror where higher is better', async (t) => {
  const { a, b, c } = normCutoffs(scale)!;
  t.ok(near(a, 4.9, 4));
  t.ok(near(b, 10.9, 4));
  t.ok(near(c, 8.597, 3));
  const mirror = significanceCutoffs({ mean: -17.1, sd: 6.1 }, { mean: -3.3, sd: 3.8 }, -1);
  t.ok(near(mirror.a, -4.9, 4));
  t.ok(near(mirror.b, -10.9, 4));
  t.ok(near(mirror.c, -8.597, 3));
  t.same([9, 10, 11].map((value) => isClinical(value, { op: '>=', value: 10 })), [false, true, true], 'on the cut-off is clinical');
  t.same([50, 51].map((value) => isClinical(value, { op: '<=', value: 50 })), [true, false]);
});

t.test('every class of change for PHQ-9 (threshold 6, cut-off 10)', async (t) => {
  for (const [x0, x1, wanted, four, crossed] of [
    [15, 9, 'recovered', 'recovered', false],
    [16, 10, 'improved', 'improved', false],
    [8, 2, 'improved', 'improved', false],
    [15, 10, 'unchanged', 'unchanged', false],
    [11, 9, 'unchanged', 'unchanged', true],
    [12, 18, 'deteriorated', 'deteriorated', false],
    [2, 8, 'deteriorated', 'deteriorated', false],
    [9, 15, 'harmed', 'deteriorated', false],
    [9, 14, 'unchanged', 'unchanged', false],
    [12, 12, 'unchanged', 'unchanged', false],
  ] as const) {
    t.match(changeBetween(scale, x0, x1), { class: wanted, fourWay: four, crossedWithoutReliable: crossed, delta: x1 - x0, improvement: x0 - x1 }, `${x0} to ${x1}`);
  }
});

t.test('direction: where higher is better, a rise is an improvement', async (t) => {
  const better = { ...scale, sign: -1 as const, cutoff: { ...scale.cutoff!, op: '<=' as const, value: 12 } };
  t.match(changeBetween(better, 10, 20), { class: 'recovered', improvement: 10, delta: 10 });
  t.match(changeBetween(better, 20, 10), { class: 'harmed', improvement: -10 });
  t.equal(changeBetween({ ...scale, threshold: undefined }, 20, 1).class, 'not-computable');
});

t.test('baseline: last in the window round the first session, else the first; later on one date wins', async (t) => {
  const scores = [['2024-01-01', 20], ['2024-01-10', 18], ['2024-01-20', 16], ['2024-01-25', 14]] as const;
  const responses = scores.map(([date, total], i) => phq9(`q${i}`, `${date}T10:00:00Z`, totalling(total)));
  t.equal(baselineOf(responses), 20, 'no session: the first');
  t.equal(baselineOf([...responses, session('s', '2024-01-15T09:00:00Z')]), 16, '14 days before to 7 days after 15 January holds three, the last is of 20 January');
  t.equal(baselineOf([...responses, session('s', '2024-02-20T09:00:00Z')]), 20, 'none in the window: the first');
  t.equal(baselineOf([...responses, session('s', '2024-01-15T09:00:00Z', { status: 'planned' })]), 20, 'a planned session is none');
  t.equal(baselineOf([...responses, session('s', '2024-01-15T09:00:00Z', { class: { code: 'IMP' } })]), 20, 'an inpatient stay is none');
  t.equal(baselineOf([phq9('a', '2024-01-01T08:00:00+01:00', totalling(20)), phq9('b', '2024-01-01T20:00:00+01:00', totalling(11)), phq9('c', '2024-02-01', totalling(5))]), 11);
});

t.test('each episode of care has its own baseline; the first score is not compared across episodes', async (t) => {
  const episode = (id: string, start: string): object => ({ resourceType: 'EpisodeOfCare', id, status: 'active', period: { start } });
  const all = [phq9('a', '2022-03-01', totalling(22)), phq9('b', '2024-03-01', totalling(15)), phq9('c', '2024-05-01', totalling(8)), episode('e1', '2022-03-05'), episode('e2', '2024-03-10')];
  t.same([...baselineOf.all(all as never)], [22, 15], 'an assessment 9 days before the episode belongs to it');
});
