import fc from 'fast-check';
import t from 'tap';
import { hlmChange, type HlmChange, type ScoredCourse } from '../../src/outcomes/hlm-change.ts';
import { linesAsCsv, suppressedLines, type Line } from '../../src/outcomes/measures/caseload-line.ts';
import { mixedModel, type MixedModel } from '../../src/outcomes/mixed-model.ts';
import { simplexMinimum } from '../../src/outcomes/simplex.ts';
import { atOnce } from '../kit/pieces.ts';

const near = (test: Pick<typeof t, 'ok'>, found: number | null | undefined, wanted: number, name: string, within = 1e-6): void => {
  test.ok(found != null && Math.abs(found - wanted) <= within * (1 + Math.abs(wanted)), `${name}: ${wanted}, found ${found}`);
};

let state = 11;
/** A number from 0 to 1, the same in every run. */
const random = (): number => {
  state = (state * 1664525 + 1013904223) % 4294967296;
  return state / 4294967296;
};
/** About normal: the sum of twelve. */
const normal = (): number => Array.from({ length: 12 }, random).reduce((sum, each) => sum + each, -6);

const courses = (n: number, times: (at: number) => readonly number[], value: (at: number, time: number) => number): ScoredCourse[] =>
  Array.from({ length: n }, (_, at) => ({ episode: `EpisodeOfCare/${at}`, points: times(at).map((time) => ({ time, value: value(at, time) })) }));

/** Courses whose lines differ, with scatter about them. */
function varied(n: number, times: (at: number) => readonly number[], slope = -0.6): ScoredCourse[] {
  const lines = Array.from({ length: n }, () => ({ first: 16 + 4 * normal(), slope: slope + 0.4 * normal() }));
  return courses(n, times, (at, time) => Math.round(lines[at]!.first + lines[at]!.slope * time + 1.5 * normal()));
}

type Square = readonly [number, number, number];
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

t.test('where all scores are of the same weeks the model has a closed form', async (t) => {
  const times = [0, 1, 3, 6, 10], n = 30, k = times.length;
  const all = varied(n, () => times);
  const model = atOnce(mixedModel(all.map(({ points }) => points))) as MixedModel;
  // Each course by least squares; S is the covariance of their lines: that of the true lines, and what scatter adds to it.
  const [x, xx] = [times.reduce((a, b) => a + b), times.reduce((a, b) => a + b * b, 0)];
  const det = k * xx - x * x;
  const own = all.map(({ points }) => {
    const [y, xy] = [points.reduce((sum, { value }) => sum + value, 0), points.reduce((sum, { time, value }) => sum + time * value, 0)];
    const [a, b] = [(xx * y - x * xy) / det, (k * xy - x * y) / det];
    return { a, b, rest: points.reduce((sum, { time, value }) => sum + (value - a - b * time) ** 2, 0) };
  });
  const sigma2 = own.reduce((sum, { rest }) => sum + rest, 0) / (n * (k - 2));
  const [ma, mb] = [mean(own.map(({ a }) => a)), mean(own.map(({ b }) => b))];
  const s: Square = [0, 1, 2].map((which) => own.reduce((sum, { a, b }) => sum + [(a - ma) ** 2, (a - ma) * (b - mb), (b - mb) ** 2][which]!, 0) / (n - 1)) as unknown as Square;
  const tau: Square = [s[0] - sigma2 * xx / det, s[1] + sigma2 * x / det, s[2] - sigma2 * k / det];
  t.ok(tau[0] > 0 && tau[2] > 0 && tau[0] * tau[2] > tau[1] ** 2, 'the true lines differ in both');
  near(t, model.intercept.value, ma, 'mean of the intercepts');
  near(t, model.slope.value, mb, 'mean of the slopes');
  near(t, model.intercept.error, Math.sqrt(s[0] / n), 'their standard errors');
  near(t, model.slope.error, Math.sqrt(s[2] / n), 'of the slope');
  near(t, model.spread.residual, Math.sqrt(sigma2), 'scatter');
  near(t, model.spread.intercept, Math.sqrt(tau[0]), 'spread of where lines begin', 1e-5);
  near(t, model.spread.slope, Math.sqrt(tau[2]), 'spread of slopes', 1e-5);
  near(t, model.spread.correlation, tau[1] / Math.sqrt(tau[0] * tau[2]), 'and how they go together', 1e-5);
  // Shrinkage L = T S^-1: the share of what courses differ by that is not scatter.
  const detS = s[0] * s[2] - s[1] ** 2;
  const [l1, l2] = [(tau[1] * s[2] - tau[2] * s[1]) / detS, (tau[2] * s[0] - tau[1] * s[1]) / detS];
  const conditional = tau[2] - l1 * tau[1] - l2 * tau[2];
  const fromMean = (l1 ** 2 * s[0] - 2 * l1 * (1 - l2) * s[1] + (1 - l2) ** 2 * s[2]) / n;
  for (const [at, { a, b }] of own.entries()) {
    near(t, model.persons[at]!.slope, mb + l1 * (a - ma) + l2 * (b - mb), 'a course, drawn toward the mean', 1e-5);
    near(t, model.persons[at]!.deviationError, Math.sqrt(conditional), 'its error about the mean', 1e-5);
    near(t, model.persons[at]!.slopeError, Math.sqrt(conditional + fromMean), 'and its own', 1e-5);
  }
  t.equal(model.singular, false);
});

t.test('courses of different lengths: as lme4 has them', async (t) => {
  state = 4;
  const all = varied(24, (at) => Array.from({ length: 3 + (at % 7) }, (_, i) => i * 2 + (at % 3) / 7));
  const model = atOnce(mixedModel(all.map(({ points }) => points))) as MixedModel;
  // R 4.2.2, lme4 1.1-31, lmer(score ~ week + (week | course)), bobyqa to 1e-9; errors of slopes by Henderson's equations.
  const wanted: Record<string, number> = {
    criterion: 645.4212429467, b0: 17.1179027251, b1: -0.6149153923, se0: 0.8506710948, se1: 0.1044658896, sd0: 3.9941191859, sd1: 0.4440536149, r: 0.2997945227,
    residual: 1.5879012576, deviation: -0.7948885592, deviationError: 0.1129258973, slopeError: 0.1134484452, shortest: 0.3280003478,
  };
  const found = {
    criterion: model.criterion, b0: model.intercept.value, b1: model.slope.value, se0: model.intercept.error, se1: model.slope.error,
    sd0: model.spread.intercept, sd1: model.spread.slope, r: model.spread.correlation!, residual: model.spread.residual,
    deviation: model.persons[5]!.deviation, deviationError: model.persons[5]!.deviationError, slopeError: model.persons[5]!.slopeError, shortest: model.persons[0]!.slopeError,
  };
  for (const [name, value] of Object.entries(found)) near(t, value, wanted[name]!, name, 2e-5);
});

t.test('the class goes by the own slope, whichever way the scale runs and whatever time is counted in', async (t) => {
  state = 21;
  const all = varied(40, (at) => Array.from({ length: 3 + (at % 5) }, (_, i) => 2 * i), -0.2);
  const found = atOnce(hlmChange(all, 1)) as HlmChange;
  const { courses: slopes } = found;
  if (typeof slopes === 'string') throw new Error(slopes);
  t.same(new Set(slopes.map((each) => each.class)), new Set(['improved', 'unchanged', 'deteriorated']));
  for (const { slope, interval, index, class: of } of slopes) {
    t.equal(of, interval.high < 0 ? 'improved' : interval.low > 0 ? 'deteriorated' : 'unchanged');
    near(t, index, slope / ((interval.high - slope) / 1.959963984540054), 'the slope over its error');
  }
  t.ok(slopes.some((each) => Math.sign(each.index) !== Math.sign(each.indexOfDifference)), 'better, and less so than others');
  t.equal(slopes[0]!.scores, 3);
  // 39 degrees of freedom: t = 2.0226909 (R, qt(.975, 39)).
  near(t, found.slope.interval.high, found.slope.value + 2.0226909 * found.slope.error, 'limits of the mean slope');
  const classes = (list: readonly ScoredCourse[], sign: 1 | -1): (string | undefined)[] => {
    const { courses: each } = atOnce(hlmChange(list, sign)) as HlmChange;
    return typeof each === 'string' ? [each] : each.map((course) => course.class);
  };
  const changed = (how: (point: { time: number; value: number }) => { time: number; value: number }): ScoredCourse[] => all.map(({ episode, points }) => ({ episode, points: points.map(how) }));
  t.same(classes(changed(({ time, value }) => ({ time, value: 40 - value })), -1), classes(all, 1), 'a scale that runs the other way');
  t.same(classes(changed(({ time, value }) => ({ time: time * 7, value: value + 100 })), 1), classes(all, 1), 'days instead of weeks, and a scale that begins elsewhere');
  t.same(classes([...all, ...courses(3, () => [0, 4], () => 12)], 1), classes(all, 1), 'courses with two scores are left out');
});

t.test('what cannot be computed says why', async (t) => {
  state = 31;
  const weeks = [0, 2, 4, 6];
  t.match(atOnce(hlmChange([], 1)), /fewer than 20 courses with 3 scores/);
  t.match(atOnce(hlmChange([...varied(19, () => weeks), ...varied(5, () => [0, 2])], 1)), /fewer than 20/);
  t.match(atOnce(hlmChange(courses(25, () => weeks, (at, time) => at + time * (at % 3)), 1)), /without any scatter/);
  t.match(atOnce(hlmChange(courses(25, () => weeks, () => 7), 1)), /without any scatter/, 'nothing but sevens');
  t.match(atOnce(hlmChange(courses(2001, () => weeks, (at, time) => at % 7 + time), 1)), /more than 2000 courses/);
  const alike = atOnce(hlmChange(courses(25, () => weeks, (at, time) => 15 - time + ((at + time) % 4)), 1)) as HlmChange;
  t.match(alike.courses, /do not differ enough/, 'one line for all');
  t.ok(alike.slope.interval.high < 0, 'and the mean slope is known all the same');
  t.equal(alike.spread.correlation, null, 'what does not vary goes with nothing');
  t.throws(() => atOnce(mixedModel([[{ time: 0, value: 1 }, { time: 1, value: 2 }, { time: 1, value: 3 }], []])), /three different times/);
  t.throws(() => atOnce(mixedModel([])), /two persons/);
});

t.test('the search finds a minimum, and says when it has not', async (t) => {
  fc.assert(fc.property(fc.tuple(...[0, 1, 2].map(() => fc.double({ min: -5, max: 5, noNaN: true }))), (goal) => {
    const { at, settled } = atOnce(simplexMinimum((x) => x.reduce((sum, each, axis) => sum + (axis + 1) * (each - goal[axis]!) ** 2, 0), [1, 0, 1], 0.5));
    return settled && at.every((each, axis) => Math.abs(each - goal[axis]!) < 1e-5);
  }), { numRuns: 50 });
  t.equal(atOnce(simplexMinimum(([x]) => -x!, [1], 0.5)).settled, false, 'down and down');
});

const line = (more: Partial<Line>): Line => ({ scale: 'phq-9', statistic: 'x', metric: 'caseload-outcomes', n: 23, value: 0.5, ...more });

t.test('suppressed, no number tells of one course or of fewer than five', async (t) => {
  const [shown] = suppressedLines([line({ value: 0.4347826, low: 0.256, high: 0.63189, tells: [10], places: 2 })]);
  t.match(shown, { n: 25, value: 0.43, low: 0.26, high: 0.63 });
  t.match(suppressedLines([line({ value: 12.345 }), line({ value: 23, isCount: true })]).map(({ value }) => value), [12.3, 25]);
  for (const hidden of [line({ n: 4 }), line({ tells: [4] }), line({ tells: [0] }), line({ n: null })]) {
    t.same(suppressedLines([hidden]), [{ scale: 'phq-9', statistic: 'x', metric: 'caseload-outcomes', n: null, value: null, note: 'hidden: small numbers' }]);
  }
  t.same(suppressedLines([line({ episode: 'EpisodeOfCare/a', class: 'improved' })]), []);
});

t.test('a table is as RFC 4180 has it: quoted where it must be, plain decimals, every row with its rule', async (t) => {
  const odd = 'fewer than 5, "so far"\r\nsee below';
  const csv = linesAsCsv([line({ note: odd, value: 1 / 3, low: -1e-9, high: -1234567 }), line({ value: null, episode: 'EpisodeOfCare/a', class: 'improved' })]);
  t.equal(csv, [
    'scale,statistic,n,value,low,high,note,method,episode,class',
    'phq-9,x,23,0.333333,0,-1234570,"fewer than 5, ""so far""\r\nsee below",caseload-outcomes|1,,',
    'phq-9,x,23,,,,,caseload-outcomes|1,EpisodeOfCare/a,improved', '',
  ].join('\r\n'));
});
