import fc from 'fast-check';
import t from 'tap';
import { describe, isStatistic, regression, statisticDisplay, type Descriptive } from '../../src/outcomes/statistics.ts';

// Every expected number is worked out by hand in the comment beside it, or follows from the definition.

type Tap = Pick<typeof t, 'ok'>;

const close = (t: Tap, found: number | undefined, wanted: number, what: string): void => {
  t.ok(found !== undefined && Math.abs(found - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)), `${what}: ${found} is ${wanted}`);
};

t.test('2 4 4 4 5 5 7 9, worked out by hand', (t) => {
  // Sum 40, mean 5. Deviations -3 -1 -1 -1 0 0 2 4: squares 9 1 1 1 0 0 4 16 = 32; cubes -27 -1 -1 -1 0 0 8 64 = 42;
  // fourth powers 81 1 1 1 0 0 16 256 = 356. m2 = 4, m3 = 5.25, m4 = 44.5.
  const x = [9, 2, 4, 5, 4, 7, 4, 5];
  const wanted: Record<Descriptive, number> = {
    'average': 5, 'maximum': 9, 'minimum': 2, 'count': 8, 'sum': 40,
    'median': 4.5, // (4 + 5) / 2
    'variance': 32 / 7, 'std-dev': Math.sqrt(32 / 7),
    // Quantile p stands at (n - 1) p = 7 p, counted from 0 in 2 4 4 4 5 5 7 9, between two values by interpolation.
    '20-percent': 4, '5-1': 4,     // 1.4: between 4 and 4
    '5-2': 4,                      // 2.8: between 4 and 4
    '5-3': 5,                      // 4.2: between 5 and 5
    '80-percent': 6.2, '5-4': 6.2, // 5.6: 5 + 0.6 * (7 - 5)
    '4-lower': 4,                  // 1.75
    '4-upper': 5.5,                // 5.25: 5 + 0.25 * (7 - 5)
    '4-dev': 0.75,                 // (5.5 - 4) / 2
    'skew': Math.sqrt(56) / 6 * 5.25 / 8, // g1 = 5.25 / 4^1.5 = 0.65625
    'kurtosis': 7 / (6 * 5) * (9 * (44.5 / 16 - 3) + 6), // g2 = -0.21875
  };
  for (const [statistic, value] of Object.entries(wanted)) close(t, describe(statistic as Descriptive, x), value, statistic);
  close(t, describe('skew', x), 0.8184875533568, 'skew in figures');
  close(t, describe('kurtosis', x), 0.940625, 'kurtosis in figures');
  t.end();
});

t.test('published examples of the same definitions', (t) => {
  // Examples of the reference of Microsoft Excel: SKEW, KURT, QUARTILE.INC, VAR.S, STDEV.S, SLOPE, INTERCEPT.
  const x = [3, 4, 5, 2, 3, 4, 5, 6, 4, 7];
  t.equal(describe('skew', x)!.toFixed(6), '0.359543');
  t.equal(describe('kurtosis', x)!.toFixed(9), '-0.151799637');
  t.equal(describe('4-lower', [1, 2, 4, 7, 8, 9, 10, 12]), 3.5);
  const strength = [1345, 1301, 1368, 1322, 1310, 1370, 1318, 1350, 1303, 1299];
  t.equal(describe('variance', strength)!.toFixed(5), '754.26667');
  t.equal(describe('std-dev', strength)!.toFixed(8), '27.46391572');
  const points = (y: number[], day: number[]): { value: number; day: number }[] => y.map((value, at) => ({ value, day: day[at]! }));
  t.equal(regression(points([2, 3, 9, 1, 8, 7, 5], [6, 5, 11, 7, 5, 4, 4]))!.gradient.toFixed(6), '0.305556');
  const line = regression(points([2, 3, 9, 1, 8], [6, 5, 11, 7, 5]))!;
  t.equal((line.intercept - 5 * line.gradient).toFixed(7), '0.0483871', 'the intercept at day 0 of the example; ours is at the first day, 5');
  t.end();
});

t.test('few values: what they do not define is not there', (t) => {
  const defined = (values: number[]): string[] => Object.keys(statisticDisplay).filter((code) => code !== 'total-count' && code !== 'regression' && describe(code as Descriptive, values) !== undefined);
  t.same(defined([]), ['count', 'sum']);
  t.same(describe('count', []), 0);
  t.same(describe('sum', []), 0);
  t.notOk(defined([7]).some((code) => ['std-dev', 'variance', 'skew', 'kurtosis'].includes(code)));
  t.same([describe('median', [7]), describe('5-1', [7]), describe('4-dev', [7])], [7, 7, 0]);
  t.ok(defined([1, 2]).includes('variance'));
  t.notOk(defined([1, 2]).includes('skew'), 'skew needs three');
  t.ok(defined([1, 2, 4]).includes('skew'));
  t.notOk(defined([1, 2, 4]).includes('kurtosis'), 'kurtosis needs four');
  t.same([describe('skew', [3, 3, 3, 3]), describe('kurtosis', [3, 3, 3, 3]), describe('variance', [3, 3, 3, 3])], [undefined, undefined, 0], 'equal values have no shape');
  t.same([describe('skew', [0.1, 0.1, 0.1]), describe('variance', [0.1, 0.1, 0.1])], [undefined, 0], 'nor by rounding');
  t.equal(regression([{ value: 1, day: 3 }]), undefined);
  t.equal(regression([{ value: 1, day: 3 }, { value: 2, day: 3 }]), undefined, 'one time is no line');
  t.equal(regression([{ value: 1, day: 3 }, { value: 2 }]), undefined, 'a value without a time does not count');
  t.same(regression([{ value: 20, day: 14 }, { value: 24, day: 0 }, { value: 22, day: 7 }]), { gradient: -0.285714285714, intercept: 24 });
  t.ok(isStatistic('5-1') && !isStatistic('5-5') && !isStatistic('constructor'));
  t.end();
});

t.test('digits are not lost to order or size', (t) => {
  t.equal(describe('sum', [0.1, 0.2, 0.3]), 0.6);
  t.equal(describe('sum', [1e15, 1, -1e15]), 1);
  t.equal(describe('variance', [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]), 30, 'a large mean does not swallow the deviations');
  t.end();
});

t.test('laws that hold for any values', (t) => {
  const values = fc.array(fc.integer({ min: -1000, max: 1000 }).map((each) => each / 10), { minLength: 1, maxLength: 60 });
  fc.assert(fc.property(values, (x) => {
    const of = (statistic: Descriptive): number => describe(statistic, x)!;
    const order = [of('minimum'), of('5-1'), of('4-lower'), of('5-2'), of('median'), of('5-3'), of('4-upper'), of('5-4'), of('maximum')];
    const ascending = order.every((each, at) => at === 0 || each >= order[at - 1]! - 1e-9);
    return ascending && of('20-percent') === of('5-1') && of('80-percent') === of('5-4') && of('count') === x.length
      && Math.abs(of('average') * x.length - of('sum')) < 1e-6
      && (x.length < 2 || Math.abs(of('std-dev') ** 2 - of('variance')) <= 1e-6 * Math.max(1, of('variance')));
  }), { numRuns: 300 });
  fc.assert(fc.property(values, fc.shuffledSubarray([...Array.from({ length: 60 }).keys()], { minLength: 60 }), (x, order) => {
    const shuffled = order.filter((at) => at < x.length).map((at) => x[at]!);
    return Object.keys(statisticDisplay).every((code) => code === 'total-count' || code === 'regression' || Object.is(describe(code as Descriptive, x), describe(code as Descriptive, shuffled)));
  }), { numRuns: 300 });
  t.end();
});
