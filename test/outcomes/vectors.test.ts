import t from 'tap';
import type { Valid } from '../../src/outcomes/baseline.ts';
import { changeBetween, isClinical, reliability } from '../../src/outcomes/change.ts';
import { eventArithmetic, type Given } from '../../src/outcomes/event-arithmetic.ts';
import { goalAttainment } from '../../src/outcomes/goal-attainment.ts';
import { momentary } from '../../src/outcomes/momentary.ts';
import type { Scale } from '../../src/outcomes/registry.ts';
import { responseBetween } from '../../src/outcomes/response.ts';
import { bandOf } from '../../src/outcomes/score.ts';
import { setbacks } from '../../src/outcomes/setback.ts';
import { suddenChanges } from '../../src/outcomes/sudden-gain.ts';
import { outcome, pairOf, type Judged } from '../../src/outcomes/talking-therapies.ts';
import { signalAt } from '../../src/outcomes/trajectory.ts';
import { registry } from '../kit/record.ts';

// Worked by hand from the published rules, not from the code: every limit with the value on it and the value beside it.

const scaleOf = (key: string): Scale => registry.scales.get(key)!;

/** Scores of one series, a week apart. */
const weekly = (...values: readonly number[]): Valid[] => values.map((value, i) => {
  const at = Date.UTC(2024, 0, 1 + 7 * i, 10);
  const authored = new Date(at).toISOString();
  return { id: `q${i}`, key: 'x', value, at, date: authored.slice(0, 10), data: { status: 'completed', authored, panel: true, answered: 9, items: 9, prorated: false, maxScore: 27 } } as Valid;
});

/** Score key; the lower ends of its bands; the case cut-off; the reliable change that decides; the minimal important difference. */
const limits: readonly (readonly [string, readonly number[] | null, string | null, string | null, number | null])[] = [
  ['phq-9', [0, 5, 10, 15, 20], '>=10', '>=6', 5],
  ['phq-8', [0, 5, 10, 15, 20], '>=10', '>=5', null],
  ['phq-2', null, '>=3', null, null],
  ['gad-7', [0, 5, 10, 15], '>=8', '>=4', 4],
  ['gad-2', null, '>=3', null, null],
  ['phq-4', [0, 3, 6, 9], '>=6', null, null],
  ['phq-4.anxiety', null, '>=3', null, null],
  ['phq-4.depression', null, '>=3', null, null],
  ['phq-15', [0, 5, 10, 15], '>=10', '>=8', null],
  ['wsas', [0, 10, 21], null, '>=8', null],
  ['core-10', [0, 6, 11, 15, 20, 25], '>=11', '>=6', null],
  ['who-5', null, '<=50', '>=10', 10],
  ['pcl-5', null, '>=33', '>=15', null],
  ['audit', [0, 8, 16, 20], '>=8', null, null],
  ['k6', null, '>=13', null, null],
  ['k10', [10, 20, 25, 30], null, null, null],
  ['pss-10', null, null, null, null],
  ['dass-21.depression', [0, 10, 14, 21, 28], null, null, null],
  ['dass-21.anxiety', [0, 8, 10, 15, 20], null, null, null],
  ['dass-21.stress', [0, 15, 19, 26, 34], null, null, null],
  ['isi', [0, 8, 15, 22], '>=15', null, 6],
  ['swemwbs', null, null, null, null],
  ['oq-45', null, '>=64', '>=14', null],
  ['ors', null, '<25', '>=5', null],
];

t.test('bands begin, cut-offs and thresholds lie where their sources say', async (t) => {
  for (const [key, lows, cut, reliable, important] of limits) {
    const { definition, threshold, cutoff: deciding } = scaleOf(key);
    if (lows !== null) t.same(definition.bands?.list.map(({ low }) => low), lows, `${key}: bands`);
    if (cut !== null) t.equal(deciding && `${deciding.op}${deciding.value}`, cut, `${key}: cut-off`);
    if (reliable !== null) t.equal(threshold && `${threshold.op}${threshold.value}`, reliable, `${key}: reliable change`);
    if (important !== null) t.equal(definition.minimalImportant[0]?.value, important, `${key}: minimal important difference`);
    for (const [i, low] of (lows ?? []).slice(1).entries()) {
      t.equal(bandOf(scaleOf(key), low)?.low, low, `${key} ${low} is in its own band`);
      t.equal(bandOf(scaleOf(key), low - 0.5)?.low, lows![i], `${key} ${low - 0.5} is still in the one below`);
    }
  }
  t.same(scaleOf('pss-10').definition.cutoffs, [], 'the authors of the PSS-10 state no cut-offs');
});

/** Score key, baseline, current, class, and whether the cut-off was crossed without a reliable change. */
const changes: readonly (readonly [string, number, number, string, boolean])[] = [
  ['phq-9', 16, 9, 'recovered', false], ['phq-9', 15, 9, 'recovered', false], ['phq-9', 14, 9, 'unchanged', true], ['phq-9', 16, 10, 'improved', false],
  ['phq-9', 9, 3, 'improved', false], ['phq-9', 9, 4, 'unchanged', false], ['phq-9', 9, 15, 'harmed', false], ['phq-9', 4, 10, 'harmed', false], ['phq-9', 3, 9, 'deteriorated', false],
  ['phq-9', 12, 18, 'deteriorated', false], ['phq-9', 12, 17, 'unchanged', false], ['phq-9', 10, 10, 'unchanged', false], ['phq-9', 27, 0, 'recovered', false],
  ['gad-7', 11, 7, 'recovered', false], ['gad-7', 12, 8, 'improved', false], ['gad-7', 10, 7, 'unchanged', true], ['gad-7', 7, 11, 'harmed', false], ['gad-7', 3, 7, 'deteriorated', false], ['gad-7', 8, 11, 'unchanged', false],
  ['core-10', 17, 11, 'improved', false], ['core-10', 16.9, 10.9, 'recovered', false], ['core-10', 16, 10.1, 'unchanged', true],
  ['who-5', 48, 57, 'unchanged', true], ['who-5', 48, 58, 'recovered', false], ['who-5', 48, 60, 'recovered', false], ['who-5', 40, 50, 'improved', false], ['who-5', 52, 40, 'harmed', false], ['who-5', 80, 68, 'deteriorated', false],
  ['pcl-5', 47, 32, 'recovered', false], ['pcl-5', 48, 33, 'improved', false], ['pcl-5', 46, 32, 'unchanged', true], ['pcl-5', 18, 33, 'harmed', false],
  ['wsas', 18, 10, 'improved', false], ['wsas', 17, 9, 'improved', false], ['wsas', 16, 9, 'unchanged', false],
  ['ors', 20, 25, 'recovered', false], ['ors', 24.9, 29.8, 'unchanged', true], ['ors', 19.9, 24.9, 'improved', false], ['ors', 30, 25, 'deteriorated', false], ['ors', 29, 24, 'harmed', false],
  ['oq-45', 77, 63, 'recovered', false], ['oq-45', 78, 64, 'improved', false], ['oq-45', 76, 63, 'unchanged', true],
  ['k6', 20, 2, 'not-computable', false], ['pss-10', 30, 10, 'not-computable', false],
];

t.test('classes of change on and beside the threshold and the cut-off', async (t) => {
  for (const [key, x0, x1, expected, crossed] of changes) {
    const found = changeBetween(scaleOf(key), x0, x1);
    if (expected !== 'not-computable' || scaleOf(key).threshold === undefined) t.equal(found.class, expected, `${key} ${x0} to ${x1}`);
    if (expected !== 'not-computable') t.equal(found.crossedWithoutReliable, crossed, `${key} ${x0} to ${x1}: crossed without`);
  }
});

/** First and last of the depression and the anxiety measure; then recovery, improvement, deterioration, reliable recovery, no reliable change. */
const pairs: readonly (readonly [readonly [number, number] | null, readonly [number, number] | null, boolean, boolean | null, boolean, boolean, boolean | null, boolean])[] = [
  [[15, 9], [12, 7], true, true, true, false, true, false],
  [[15, 10], [12, 7], true, false, true, false, false, false],
  [[9, 3], [7, 3], false, false, true, false, false, false],
  [[10, 9], [7, 7], true, true, false, false, false, true],
  [[9, 9], [8, 7], true, true, false, false, false, true],
  [[16, 9], [6, 7], true, true, true, false, true, false],
  [[16, 9], [3, 7], true, true, false, false, false, true],
  [[12, 18], [10, 14], true, false, false, true, false, false],
  [[12, 17], [10, 13], true, false, false, false, false, true],
  [[9, 15], [12, 8], true, false, false, false, false, true],
  [[20, 14], [18, 15], true, false, true, false, false, false],
  [[15, 9], null, true, null, true, false, null, false],
  [null, [7, 11], false, null, false, true, null, false],
  [[9, 4], null, false, null, false, false, null, true],
];

t.test('two measures judged together, on and beside each limit', async (t) => {
  const { depression, specific: [anxiety] } = pairOf(registry, null);
  t.same([depression, anxiety!].map(({ scale, cutoff, threshold }) => [scale.key, cutoff.value, threshold.value]), [['phq-9', 10, 6], ['gad-7', 8, 4]]);
  for (const [d, a, caseAtStart, recovery, improved, worse, reliableRecovery, none] of pairs) {
    const judged = [[depression, d], [anxiety!, a]].flatMap(([measure, ends]): Judged[] => {
      if (ends === null) return [];
      const [{ scale, cutoff, threshold }, [x0, x1]] = [measure as typeof depression, ends as readonly [number, number]];
      const [first, last] = weekly(x0, x1) as [Valid, Valid];
      return [{ scale, cutoff, threshold, first, last, caseAtStart: isClinical(x0, cutoff), caseAtEnd: isClinical(x1, cutoff), reliable: reliability(scale.sign * (x0 - x1), threshold) }];
    });
    const { measures: _, ...found } = outcome(judged);
    t.same(found, { caseAtStart, recovery, reliableImprovement: improved, reliableDeterioration: worse, reliableRecovery, noReliableChange: none }, JSON.stringify([d, a]));
  }
});

/** Score key, baseline, current; reduction, response, partial response, remission, minimal important difference. */
const responses: readonly (readonly [string, number, number, number | null, boolean | null, boolean | null, boolean | null, boolean | null])[] = [
  ['phq-9', 20, 10, 0.5, true, false, false, true], ['phq-9', 20, 11, 0.45, false, true, false, true], ['phq-9', 20, 15, 0.25, false, true, false, true], ['phq-9', 20, 16, 0.2, false, false, false, false],
  ['phq-9', 10, 5, 0.5, true, false, false, true], ['phq-9', 10, 4, 0.6, true, false, true, true], ['phq-9', 9, 4, 5 / 9, null, null, true, true], ['phq-9', 11, 6, 5 / 11, false, true, false, true],
  ['phq-9', 0, 5, null, null, null, false, false], ['phq-9', 12, 18, -0.5, false, false, false, false],
  ['gad-7', 10, 6, 0.4, false, true, null, true], ['gad-7', 10, 7, 0.3, false, true, null, false], ['gad-7', 8, 4, 0.5, true, false, null, true],
  ['who-5', 20, 60, null, null, null, null, true], ['who-5', 20, 28, null, null, null, null, false],
  ['isi', 20, 7, 0.65, true, false, true, true], ['isi', 20, 8, 0.6, true, false, false, true], ['isi', 18, 13, 5 / 18, false, true, false, false],
];

t.test('response, partial response, remission and the minimal important difference', async (t) => {
  for (const [key, x0, x1, reduction, response, partial, remission, minimalImportant] of responses) {
    const found = responseBetween(scaleOf(key), x0, x1);
    t.ok(reduction === null ? found.reduction === null : Math.abs(found.reduction! - reduction) < 1e-12, `${key} ${x0} to ${x1}: ${found.reduction}`);
    t.same({ ...found, reduction: 0 }, { reduction: 0, response, partial, remission, minimalImportant }, `${key} ${x0} to ${x1}`);
  }
});

/** PHQ-9 series; for each setback: best, possible, confirmed, resolved, days. */
const setbackVectors: readonly (readonly [readonly number[], readonly (readonly [number, number, number | null, number | null, number | null])[]])[] = [
  [[18, 12, 17, 12], []],
  [[18, 12, 18, 12], [[12, 18, null, 12, 7]]],
  [[18, 12, 18, 18, 17], [[12, 18, 18, 17, 14]]],
  [[18, 12, 18], [[12, 18, null, null, null]]],
  [[10, 4, 11, 12, 13], [[4, 11, 12, null, null]]],
  [[10, 16, 15], [[10, 16, null, 15, 7]]],
  [[18, 6, 12, 11, 5, 11], [[6, 12, null, 11, 7], [5, 11, null, null, null]]],
];

t.test('setbacks are counted from the best score so far', async (t) => {
  for (const [values, expected] of setbackVectors) {
    t.same(setbacks(scaleOf('phq-9'), weekly(...values)).map(({ best, possible, confirmed, resolved, recoveryDays }) =>
      [best.value, possible.value, confirmed?.value ?? null, resolved?.value ?? null, recoveryDays]), expected, values.join(' '));
  }
});

/**
 * The series without gaps of the test data of the R package suddengains, with the numbers of the scores from which a gain is counted
 * there (cut-off 7, 25 %, critical values by the number of scores), and whether it was reversed.
 */
const gains: readonly (readonly [readonly number[], readonly (readonly [number, boolean])[]])[] = [
  [[35, 37, 34, 23, 24, 21, 29, 17, 11, 11, 10, 7], [[3, true], [7, false]]],
  [[31, 30, 32, 22, 22, 20, 21, 19, 24, 33, 30, 28], [[3, true]]],
  [[39, 37, 36, 26, 26, 23, 21, 19, 6, 7, 8, 8], [[3, false], [8, false]]],
  [[35, 34, 32, 23, 24, 22, 21, 17, 14, 10, 13, 11], [[3, false]]],
  [[35, 35, 25, 25, 17, 17, 16, 16, 11, 9, 7, 8], [[2, false], [4, false]]],
  [[34, 33, 36, 23, 25, 23, 19, 18, 10, 9, 8, 9], [[3, false], [8, false]]],
];

t.test('sudden gains are those that another implementation finds; losses need their own positive share', async (t) => {
  const seven = { sign: 1, threshold: { value: 7, op: '>=' } } as unknown as Scale;
  for (const [values, expected] of gains) {
    const scores = weekly(...values);
    const found = suddenChanges(seven, scores).filter(({ kind }) => kind === 'sudden-gain');
    t.same(found.map(({ before, reversal }) => [scores.indexOf(before.at(-1)!) + 1, reversal !== null]), expected, values.join(' '));
  }
  const losses = (...values: number[]): number => suddenChanges(seven, weekly(...values)).filter(({ kind }) => kind === 'sudden-loss').length;
  t.equal(losses(5, 6, 5, 14, 14, 15), 1);
  t.equal(losses(40, 41, 40, 48, 48, 49), 0, '8 is less than a quarter of 40: the other implementation, which compares with a difference below 0, takes it');
  t.equal(losses(32, 31, 32, 40, 40, 41), 1, '8 is a quarter of 32');
});

/** PHQ-9 baseline, current, session; signal without a reference. */
const signals: readonly (readonly [number, number, number, string | null])[] = [
  [16, 10, 2, null], [16, 10, 3, 'on-track'], [16, 22, 3, 'not-on-track'], [16, 21, 3, 'neutral'], [16, 16, 5, 'neutral'], [16, 16, 6, 'watch'], [16, 13, 6, 'neutral'], [16, 14, 6, 'watch'],
  [12, 9, 6, 'on-track'], [9, 9, 8, 'on-track'], [9, 15, 4, 'not-on-track'], [12, 11, 9, 'watch'],
];

t.test('signals by the rule without a reference', async (t) => {
  for (const [x0, x1, session, code] of signals) t.equal(signalAt(scaleOf('phq-9'), x0, x1, session, null)?.code ?? null, code, `${x0} to ${x1} at session ${session}`);
});

t.test('goal attainment: T scores by hand', async (t) => {
  const score = (...goals: readonly (readonly [number | null, number])[]): number | null => goalAttainment(goals.map(([level, weight]) => ({ level, weight })))?.t ?? null;
  for (const [goals, expected] of [
    [[[0, 1]], 50], [[[1, 1]], 60], [[[2, 1]], 70], [[[-2, 1]], 30], [[[-1, 3]], 40],
    [[[2, 1], [2, 1]], 50 + 40 / Math.sqrt(0.7 * 2 + 0.3 * 4)], [[[1, 2], [-1, 1]], 50 + 10 / Math.sqrt(0.7 * 5 + 0.3 * 9)], [[[2, 4], [1, 2], [null, 3]], 50 + 100 / Math.sqrt(0.7 * 20 + 0.3 * 36)], [[[null, 1]], null],
  ] as const) {
    const found = score(...goals as readonly (readonly [number | null, number])[]);
    t.ok(expected === null ? found === null : Math.abs(found! - expected) < 1e-9, `${JSON.stringify(goals)}: ${found}`);
  }
});

t.test('momentary ratings by hand: 2 4 4 6 4 2 6 every day', async (t) => {
  const ratings = [2, 4, 4, 6, 4, 2, 6].map((value, i) => ({ at: i * 86_400_000, date: `2024-01-0${i + 1}`, value }));
  // mean 4; squares 4 0 0 4 0 4 4 = 16; products 0 0 0 0 0 -4; differences 2 0 2 -2 -2 4: 4 0 4 4 4 16 = 32
  t.match(momentary(ratings), { n: 7, mean: 4, rollingMean: 4, sd: Math.sqrt(16 / 6), inertia: -4 / 16, mssd: 32 / 6, rmssd: Math.sqrt(32 / 6) });
  t.equal(momentary(ratings.slice(1)), null, 'six are too few');
  t.equal(momentary(ratings.map((each) => ({ ...each, value: 5 })))?.inertia, null, 'a constant series has none');
});

t.test('what stands out, with its numbers filled in', async (t) => {
  const given = (...values: readonly number[]): Given[] => weekly(...values).map(({ value, date, data: { authored } }) => ({ value, date, at: authored! }));
  const told = (at: string, more: object = {}): { at: string } => ({ at, ...more });
  const [phq, who] = [scaleOf('phq-9'), scaleOf('who-5')];
  const gain = given(20, 19, 21, 10, 10, 9);
  t.equal(eventArithmetic('sudden-gain', phq, gain, told(gain[3]!.at)), '(1) size: 21 - 10 = 11, 6 or more needed; (2) share: a quarter of 21 = 0.25 × 21 = 5.25, that or more needed; (3) mean before: (20 + 19 + 21) / 3 = 20; mean after: (10 + 10 + 9) / 3 = 9.6667; difference of the means: 20 - 9.6667 = 10.3333, more than t × pooled SD = 2.776 × 0.8165 = 2.2666 needed (t for 4 degrees of freedom, 5 %)');
  const rise = given(20, 24, 20, 60, 64);
  t.match(eventArithmetic('sudden-gain', who, rise, told(rise[3]!.at)), /^\(1\) size: 60 - 20 = 40, 10 or more needed; \(2\) share: a quarter of 20 = 0\.25 × 20 = 5, .*; \(3\) mean before: \(20 \+ 24 \+ 20\) \/ 3 = 21\.3333; mean after: \(60 \+ 64\) \/ 2 = 62; difference of the means: 62 - 21\.3333 = 40\.6667, more than t × pooled SD = 3\.182 × /);
  const [best, possible, confirmed, resolved] = given(6, 13, 12, 11) as [Given, Given, Given, Given];
  t.equal(eventArithmetic('setback', phq, [possible, best, confirmed, resolved], told(possible.at)), '8 January 2024: worse than the best by 13 - 6 = 7, which is 6 or more: possible; 15 January 2024: worse than the best by 12 - 6 = 6, which is 6 or more: confirmed; 22 January 2024: worse than the best by 11 - 6 = 5, which is less than 6: resolved after 14 days');
  t.match(eventArithmetic('setback', phq, [possible, best, { ...resolved, value: 4 }], told(possible.at)), /; 22 January 2024: better than the best by 6 - 4 = 2: resolved after 14 days$/, 'which is not said to be worse by less than nothing');
  t.equal(eventArithmetic('relapse', phq, [possible, best], told(possible.at)), '13 is 10 or more: clinical side; worse than the end of the therapy by 13 - 6 = 7, which is 6 or more: by a reliable change');
  t.equal(eventArithmetic('remission', phq, given(4, 16), told('')), 'baseline 16 is 5 or more: outside the remission range; current 4 is less than 5: in the remission range');
  t.equal(eventArithmetic('trajectory-signal', phq, given(14, 16), told('', { session: 6 })), 'session 6: improvement = 16 - 14 = 2; a reliable change is 6 points or more, half of it 3; current 14 is 10 or more: clinical side');
  t.equal(eventArithmetic('trajectory-signal', who, given(40, 20), told('', { session: 4, expected: 44.5, boundary: 30 })), 'expected at session 4 = 20 + 17.673 × ln(4) = 44.5; edge = 44.5 - 0.84 × 11.3281 = 34.9844; boundary = 44.5 - 1.28 × 11.3281 = 30 (SD of the fit 11.3281); 40 is not below 30, the boundary');
  t.equal(eventArithmetic('setback', phq, [possible], told('')), undefined, 'an input that is not shown');
});
