import fc from 'fast-check';
import t from 'tap';
import { observedExpected, poissonLimits, referenceRates, type Case } from '../../src/outcomes/case-mix.ts';
import { association, effectSize } from '../../src/outcomes/effect-size.ts';
import { bounds, funnel, shrunken, wilson, z998 } from '../../src/outcomes/proportions.ts';
import { coarseShare, suppressed, unsuppressed } from '../../src/outcomes/suppression.ts';
import { publishedCurve, survivalCurve } from '../../src/outcomes/survival.ts';

const near = (test: Pick<typeof t, 'equal'>, found: number | null | undefined, wanted: number, name: string, digits = 4): void => {
  test.equal(found?.toFixed(digits), wanted.toFixed(digits), name);
};

t.test('a proportion has the interval of Wilson, and none where nobody is counted', async (t) => {
  t.same(wilson(0, 0), null);
  // p = .3, n = 20: (0.3 + 0.096036 -/+ 1.95996 * sqrt(0.0105 + 0.0024009)) / 1.192073... by hand
  near(t, wilson(6, 20)?.low, 0.1455, 'low');
  near(t, wilson(6, 20)?.high, 0.519, 'high');
  t.equal(wilson(0, 10)?.low, 0);
  near(t, wilson(0, 10)?.high, 0.2775, 'z2 / (n + z2) at 0 of 10');
  t.equal(wilson(10, 10)?.high, 1);
  fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
    const k = Math.round(n * share);
    const { low, high } = wilson(k, n)!;
    return low >= 0 && low <= k / n + 1e-12 && k / n <= high + 1e-12 && high <= 1;
  }));
});

t.test('the best and the worst case enclose the observed proportion', async (t) => {
  t.same(bounds(30, 60, 40), { low: 0.3, high: 0.7 });
  t.same(bounds(0, 0, 0), null);
});

t.test('a rate is drawn towards that of all, the more the smaller the unit is', async (t) => {
  near(t, shrunken(5, 10, 0.6835, 128), (5 + 0.6835 * 128) / 138, 'ten cases');
  near(t, shrunken(500, 1000, 0.6835, 128), 0.520824, 'a thousand');
  t.equal(shrunken(3, 4, 0.75, 7), 0.75);
  t.equal(shrunken(0, 0, 0.5, 1), null);
});

t.test('funnel limits narrow with size and stay within 0 and 1', async (t) => {
  near(t, funnel(0.5, 100)?.low, 0.402, '95 %, n = 100');
  near(t, funnel(0.5, 100, z998)?.high, 0.6545, '99.8 %');
  t.equal(funnel(0.02, 10)?.low, 0);
  t.equal(funnel(0.5, 0), null);
});

t.test('sessions until improvement: Kaplan-Meier with censoring', async (t) => {
  // 10 episodes: events at 2, 4, 4, 8; the others end at 3, 5, 6, 8, 10, 10 without it.
  const curve = survivalCurve([
    { session: 2, event: true }, { session: 3, event: false }, { session: 4, event: true }, { session: 4, event: true }, { session: 5, event: false },
    { session: 6, event: false }, { session: 8, event: true }, { session: 8, event: false }, { session: 10, event: false }, { session: 10, event: false },
  ]);
  t.same(curve.steps.map(({ session, atRisk, events }) => [session, atRisk, events]), [[2, 10, 1], [4, 8, 2], [8, 4, 1]]);
  near(t, curve.steps[0]!.survival, 0.9, '9/10');
  near(t, curve.steps[1]!.survival, 0.675, '9/10 * 6/8');
  near(t, curve.steps[2]!.survival, 0.506, '9/10 * 6/8 * 3/4', 3);
  t.equal(curve.median, null, 'not reached');
  // Greenwood at 2: 0.9 * sqrt(1/90) = 0.094868; 1.95996 * that = 0.18594
  near(t, curve.steps[0]!.interval?.low, 0.7141, 'Greenwood');
  t.equal(curve.steps[0]!.interval?.high, 1, 'cut at 1');
  t.same(survivalCurve([]), { episodes: 0, steps: [], median: null });
  const all = survivalCurve([{ session: 1, event: true }, { session: 2, event: true }]);
  t.same(all.steps.at(-1), { session: 2, atRisk: 1, events: 1, survival: 0, interval: null });
  t.equal(all.median, 1);
  // 16/18 * 14/16 * 13/14 * 12/13 * 11/12 * 9/11 is a half, and 0.5000000000000001 as a product.
  const halved = survivalCurve([1, 1, 2, 2, 3, 4, 5, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9].map((session) => ({ session, event: true })));
  t.not(halved.steps[5]!.survival, 0.5, 'a product of shares is not exact');
  t.equal(halved.median, 6, 'a half is a half');
  t.equal(publishedCurve(curve), null, 'ten episodes are too few to show');
  const many = survivalCurve(Array.from({ length: 24 }, (_, at) => ({ session: at + 1, event: true })));
  t.equal(publishedCurve(many)!.steps.at(-1)!.atRisk, 5, 'the tail with fewer than five at risk is not shown');
  fc.assert(fc.property(fc.array(fc.record({ session: fc.integer({ min: 1, max: 30 }), event: fc.boolean() })), (courses) => {
    const steps = survivalCurve(courses).steps.map(({ survival }) => survival);
    return steps.every((value, at) => value >= 0 && value < (at === 0 ? 1 : steps[at - 1]!));
  }));
});

t.test('without censoring the curve is the share that has not had the event', async (t) => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sessions) => {
    const { steps } = survivalCurve(sessions.map((session) => ({ session, event: true })));
    return steps.every(({ session, survival }) => Math.abs(survival - sessions.filter((each) => each > session).length / sessions.length) < 1e-9);
  }));
  t.pass();
});

t.test('effect sizes are of the baseline spread, corrected for size, and of the differences', async (t) => {
  const baseline = [10, 12, 14, 16, 18, 20, 22, 24, 11, 13];
  const last = [8, 9, 14, 10, 12, 15, 20, 18, 9, 10];
  const pairs = baseline.map((each, at) => ({ baseline: each, last: last[at]! }));
  const effect = effectSize(pairs, 1)!;
  // Differences 2 3 0 6 6 5 2 6 2 3: mean 3.5, squares about it 38.5... ; baseline mean 16, squares about it 210.
  near(t, effect.meanImprovement, 3.5, 'mean');
  near(t, effect.dPre, 3.5 / Math.sqrt(210 / 9), 'd');
  near(t, effect.g, 3.5 / Math.sqrt(210 / 9) * (1 - 3 / 35), 'g');
  near(t, effect.dz, 3.5 / Math.sqrt((163 - 10 * 3.5 ** 2) / 9), 'dz');
  // Squares about the means 210 and 152.5, products 161; SE = sqrt(2 (1 - r) / 10 + d^2 / 20).
  const r = 161 / Math.sqrt(210 * 152.5);
  near(t, effect.interval?.high, effect.dPre! + 1.95996 * Math.sqrt((1 - r) / 5 + effect.dPre! ** 2 / 20), 'limits of d');
  near(t, effect.intervalOfG?.low, effect.interval!.low * (1 - 3 / 35), 'limits of g are those of d, corrected as well');
  t.equal(effectSize(pairs, -1)!.meanImprovement, -3.5, 'the direction of the scale turns the sign');
  t.equal(effectSize(pairs.slice(1), 1), null, 'nine are too few');
  t.same(effectSize(Array.from({ length: 10 }, () => ({ baseline: 12, last: 10 })), 1), { n: 10, meanImprovement: 2, sdPre: 0, dPre: null, g: null, dz: null, interval: null, intervalOfG: null });
});

t.test('an association has the limits of Fisher, and is not shown for few or for equal values', async (t) => {
  const pairs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((x): [number, number] => [x, x % 3 === 0 ? x - 3 : x]);
  const found = association(pairs)!;
  t.ok(found.low < found.r && found.r < found.high);
  near(t, Math.atanh(found.high) - Math.atanh(found.r), 1.959964 / 3, 'z + 1.96 / sqrt(n - 3)');
  t.equal(association(pairs.slice(0, 9)), null);
  t.equal(association(pairs.map(([x]) => [x, 1])), null);
  t.same(association(pairs.map(([x]) => [x, 2 * x])), { n: 12, r: 1, low: 1, high: 1 });
});

t.test('observed and expected: what the reference knows, with exact limits', async (t) => {
  // Garwood's limits as in published tables: 0 -> 3.689; 1 -> 0.025, 5.572; 10 -> 4.795, 18.390; 100 -> 81.36, 121.63
  near(t, poissonLimits(0).low, 0, '0', 3);
  near(t, poissonLimits(0).high, 3.689, '0', 3);
  near(t, poissonLimits(1).low, 0.025, '1', 3);
  near(t, poissonLimits(1).high, 5.572, '1', 3);
  near(t, poissonLimits(10).low, 4.795, '10', 3);
  near(t, poissonLimits(10).high, 18.39, '10', 3);
  near(t, poissonLimits(100).low, 81.36, '100', 2);
  near(t, poissonLimits(100).high, 121.63, '100', 2);
  t.ok(poissonLimits(5000).low > 4860 && poissonLimits(5000).high < 5141, 'large counts neither underflow nor run out of range');
  const cases = [...Array.from({ length: 8 }, (_, at) => ({ cell: 'mild', outcome: at < 6 })), ...Array.from({ length: 5 }, (_, at) => ({ cell: 'severe', outcome: at < 2 })), { cell: 'rare', outcome: true }];
  const reference = referenceRates(cases, 5);
  t.same([...reference], [['mild', 0.75], ['severe', 0.4]]);
  const own = (mild: number, severe: number): Case[] => [...Array.from({ length: mild }, () => ({ cell: 'mild', outcome: true })), ...Array.from({ length: severe }, () => ({ cell: 'severe', outcome: true }))];
  t.same([...referenceRates(cases, 5, own(3, 5)).keys()], ['mild', 'severe'], 'five of others, and none of others');
  t.same([...referenceRates(cases, 5, own(4, 1)).keys()], [], 'who has nearly all of a cell would know the rest');
  const compared = observedExpected(cases, reference);
  t.same([compared.n, compared.withoutReference, compared.observed], [13, 1, 8]);
  near(t, compared.expected, 8, '8 * 0.75 + 5 * 0.4');
  near(t, compared.ratio, 1, 'as expected');
  t.equal(observedExpected([], reference).ratio, null);
});

t.test('small numbers are hidden, and the exact ones cannot be had from what is shown', async (t) => {
  t.same(suppressed({ numerator: 4, denominator: 40 }), { numerator: null, denominator: null, rate: null });
  t.same(suppressed({ numerator: 12, denominator: 33 }), { numerator: 10, denominator: 35, rate: 0.35 });
  t.same(suppressed({ numerator: 121, denominator: 330 }), { numerator: 120, denominator: 330, rate: 0.37 });
  t.same([[6, 0.6], [14, 0.64], [50, 0.64], [100, 0.644]].map(([n, share]) => coarseShare(share!, n!)), [0.6, 0.6, 0.65, 0.64]);
  t.same(unsuppressed({ numerator: 0, denominator: 0 }), { numerator: 0, denominator: 0, rate: null });
  const same = new Map<string, number>();
  const all: string[] = [];
  for (let denominator = 5; denominator < 220; denominator += 1) for (let numerator = 5; numerator <= denominator; numerator += 1) all.push(JSON.stringify(suppressed({ numerator, denominator })));
  for (const each of all) same.set(each, (same.get(each) ?? 0) + 1);
  const unique = all.filter((each) => same.get(each) === 1).length;
  t.ok(unique < 0.04 * all.length, `${unique} of ${all.length} pairs of counts can be told from what is shown of them`);
});
