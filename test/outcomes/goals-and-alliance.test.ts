import fc from 'fast-check';
import t from 'tap';
import { isConsistentlyMaximal, isLow, ruptures } from '../../src/outcomes/alliance.ts';
import { goalAttainment, goalProgress } from '../../src/outcomes/goal-attainment.ts';

t.test('goal attainment: the T score of weighted levels', async (t) => {
  t.equal(goalAttainment([]), null);
  t.equal(goalAttainment([{ level: null, weight: 1 }]), null);
  t.same(goalAttainment([{ level: 0, weight: 1 }, { level: 0, weight: 3 }]), { t: 50, scored: 2, unscored: 0 });
  t.same(goalAttainment([{ level: 1, weight: 1 }, { level: null, weight: 2 }]), { t: 60, scored: 1, unscored: 1 }, 'one goal: ten points a level');
  // Weights 1, 2, 1 with levels 1, 0, -1 cancel out; 2, 1, 3 with 1, 2, -1: sum 1, squares 14, square of the sum 36: 50 + 10 / sqrt(9.8 + 10.8)
  t.equal(goalAttainment([{ level: 1, weight: 1 }, { level: 0, weight: 2 }, { level: -1, weight: 1 }])!.t, 50);
  t.equal(goalAttainment([{ level: 1, weight: 2 }, { level: 2, weight: 1 }, { level: -1, weight: 3 }])!.t.toFixed(4), (50 + 10 / Math.sqrt(20.6)).toFixed(4));
  t.equal(goalAttainment([{ level: 2, weight: 1 }, { level: 2, weight: 1 }])!.t.toFixed(3), '74.807', '50 + 40 / sqrt(2.6)');
  t.throws(() => goalAttainment([{ level: 1, weight: 0 }]), RangeError);
  fc.assert(fc.property(fc.array(fc.record({ level: fc.integer({ min: -2, max: 2 }), weight: fc.integer({ min: 1, max: 16 }) }), { minLength: 1 }), fc.integer({ min: 2, max: 9 }), (goals, factor) =>
    Math.abs(goalAttainment(goals)!.t - goalAttainment(goals.map(({ level, weight }) => ({ level, weight: weight * factor })))!.t) < 1e-9));
});

t.test('goal ratings: the mean over goals rated both times; a single goal is described only', async (t) => {
  t.equal(goalProgress([{ start: 2, now: null }]), null);
  t.same(goalProgress([{ start: 2, now: 8 }]), { mean: 6, rated: 1, leftOut: 0, reliable: null });
  t.same(goalProgress([{ start: 2, now: 5 }, { start: 4, now: 6 }, { start: null, now: 6 }]), { mean: 2.5, rated: 2, leftOut: 1, reliable: 'better' });
  t.equal(goalProgress([{ start: 2, now: 4 }, { start: 4, now: 6 }])!.reliable, 'none');
  t.equal(goalProgress([{ start: 8, now: 4 }, { start: 9, now: 6 }])!.reliable, 'worse');
});

const rated = (values: readonly number[]) => values.map((value, at) => ({ id: `r${at}`, value }));

t.test('a repair may take three sessions, whether or not they are rated', async (t) => {
  const after = (numbers: readonly number[], values: readonly number[], count: number): unknown[] => {
    const ratings = rated(values);
    const [drop] = ruptures(ratings, 5, 0, { count, numberOf: (each) => numbers[ratings.indexOf(each)]! });
    return [drop!.repairedBy?.id ?? null, drop!.isUnrepaired, drop!.later.length];
  };
  t.same(after([4, 5], [40, 30], 8), [null, false, 0], 'the third session after may still be rated');
  t.same(after([4, 5], [40, 30], 9), [null, true, 0], 'who stops rating is not waited for');
  t.same(after([4, 5, 6, 8], [40, 30, 31, 32], 8), [null, true, 2], 'the rating of the third is the last word');
  t.same(after([4, 5, 8], [40, 30, 38], 8), ['r2', false, 1]);
  t.same(after([4, 5, 9], [40, 30, 38], 9), [null, true, 0], 'later is too late');
  t.same(after([4, 5, 5, 5, 5, 6], [40, 30, 30, 30, 30, 38], 6), ['r5', false, 4], 'several ratings of one session are of one session');
  t.same(after([0, 0, 0, 0, 0, 0], [40, 30, 30, 30, 30, 38], 0), [null, true, 3], 'without sessions three ratings stand for them');
});

t.test('a drop between sessions is measured by the larger spread, and may be repaired within three ratings', async (t) => {
  t.same(ruptures(rated([40, 30])), [], 'no spread is known yet');
  const [first] = ruptures(rated([40, 30, 33, 36]), 5);
  t.same([first!.drop, first!.reference, first!.size, first!.repairedBy?.id, first!.isUnrepaired], [10, 5, 'major', 'r3', false], '36 >= 40 - 5');
  const [unrepaired] = ruptures(rated([40, 34, 34, 34, 34]), 5);
  t.same([unrepaired!.size, unrepaired!.repairedBy, unrepaired!.isUnrepaired], ['minor', null, true]);
  t.equal(ruptures(rated([40, 34, 34, 34]), 5)[0]!.isUnrepaired, false, 'one more rating may still come back');
  // Own spread of 30 40 30 40 is 5.77: a drop of 5 does not count although the sample says 3.
  t.same(ruptures(rated([30, 40, 30, 40, 35]), 3).map(({ at }) => at.id), ['r2'], 'the stricter of the two');
  t.same(ruptures(rated([30, 30, 30, 30, 20])), [], 'who always gives the same rating has no spread to measure by');
  t.same(ruptures(rated([36.6, 36.6, 36.6, 36.6, 20])), [], 'whatever the rounding of their mean');
  t.same(ruptures(rated([50, 50, 50, 51, 50])).map(({ size }) => size), ['major'], 'SD 0.5, a drop of 1');
  t.same(ruptures(rated([50, 50, 50, 51, 50]), undefined, 3), [], 'which is too small to be one');
  t.same(ruptures(rated([38.3, 36.3]), 2).map(({ size, drop }) => [size, drop]), [['minor', 2]], 'a drop of exactly one SD, whatever binary fractions make of it');
  t.equal(ruptures(rated([37.1, 33.1, 35.1]), 2)[0]!.repairedBy?.id, 'r2', 'back to exactly one SD below');
  t.same(ruptures(rated([50, 50, 50, 51, 48]), undefined, 3).map(({ size }) => size), ['major']);
});

t.test('a low rating is by the operator of its source; always the highest is a hint', async (t) => {
  t.ok(isLow(36, { op: '<=', value: 36 }));
  t.notOk(isLow(36, { op: '<', value: 36 }));
  t.ok(isConsistentlyMaximal([39, 40, 40, 40].map((value, at) => ({ id: `${at}`, value })), 40));
  t.notOk(isConsistentlyMaximal([40, 40].map((value, at) => ({ id: `${at}`, value })), 40));
});
