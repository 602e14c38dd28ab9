import t from 'tap';
import { changeIndices, classByIndex, criticalValue, indexOfChange, momentsOf, type ChangeIndexCode, type IndexOfChange } from '../../src/outcomes/change-index.ts';

// Indices of change beside the one that decides, worked by hand and held against R clinicalsignificance 2.1.0.9000.

const near = (found: number, wanted: number, within = 1e-9): boolean => Math.abs(found - wanted) < within;
const sample = { sd: 6, r: 0.8, mean: 17, meanAfter: 10, sdAfter: 5, correlation: 0.5, functional: { mean: 4, sd: 3.5 } };
const of = (code: ChangeIndexCode, more: object = {}, scores = { baseline: 20, current: 12, sign: 1 as 1 | -1 }): IndexOfChange => indexOfChange(code, scores, { ...sample, ...more }) as IndexOfChange;

/** Index; the cut-off that it is classed by; the first indices; how many are recovered, improved, unchanged, deteriorated, harmed. */
const reference: readonly (readonly [ChangeIndexCode, number, readonly number[], readonly number[]])[] = [
  ['jacobson-truax', 21.58537301, [-3.99710460, -3.49746652, -2.99782845, -1.24909519], [12, 4, 8, 0, 0]],
  ['gulliksen-lord-novick', 21.58537301, [-4.86287141, -3.70420891, -2.54554641, -1.54488334], [12, 4, 8, 0, 0]],
  ['hsu-linn-lord', 21.58537301, [-1.702882768, -0.544220266, 0.614442236, 1.615105306], [5, 0, 15, 4, 0]],
  ['edwards-nunnally', 21.58537301, [-6.52422662, -4.96971775, -3.41520888, -2.07267849], [12, 7, 5, 0, 0]],
  ['nunnally-kotsch', 21.58537301, [-5.09456508, -3.88069759, -2.66683009, -1.61848999], [12, 4, 8, 0, 0]],
  ['hageman-arrindell', 21.85287423, [-4.27093838, -3.82861769, -3.38629700, -1.83817457], [8, 11, 5, 0, 0]],
];
const cutoffIndices = [-6.02373577, -1.34722394, 3.32928788];

t.test('from baseline 20, current 12, M 17, SD 6, r .8', async (t) => {
  const se = 6 * Math.sqrt(0.2);
  t.ok(near(of('jacobson-truax').value, -8 / (se * Math.SQRT2)));
  t.ok(near(of('edwards-nunnally').value, (12 - (0.8 * 3 + 17)) / se));
  t.ok(near(of('gulliksen-lord-novick').value, (-5 - 2.4) / (6 * 0.6)));
  t.ok(near(of('hsu-linn-lord').value, (2 - 2.4) / (6 * 0.6)));
  t.ok(near(of('nunnally-kotsch').value, -7.4 / Math.sqrt(0.64 * 36 * 0.2 + 36 * 0.2)));
  t.same(changeIndices.map((code) => [code, of(code).reliable]), [
    ['jacobson-truax', 'better'], ['gulliksen-lord-novick', 'better'], ['hsu-linn-lord', 'none'], ['edwards-nunnally', 'better'], ['nunnally-kotsch', 'better'], ['hageman-arrindell', 'better'],
  ]);
  t.same(changeIndices.map(criticalValue), [1.96, 1.96, 1.96, 1.96, 1.96, 1.645]);
});

t.test('Hageman and Arrindell: the change, and how surely the last score is beyond the cut-off of true scores', async (t) => {
  // S_E^2 = 7.2; r0 = .8, r1 = 17.8 / 25 = .712; r_dd = (36 * .8 + 17.8 - 30) / (36 + 25 - 30) = 16.6 / 31
  const rdd = 16.6 / 31;
  const { value, cutoff } = of('hageman-arrindell');
  t.ok(near(value, (-8 * rdd - 7 * (1 - rdd)) / (Math.sqrt(rdd) * Math.sqrt(14.4))));
  // SD of true scores: sqrt(28.8) = 5.36656, of the norms sqrt(12.25 - 7.2) = 2.24722; T = (5.36656 * 4 + 2.24722 * 17) / 7.61378 = 7.83697
  t.ok(near(cutoff!.limit, 7.83697, 1e-5));
  // (10 + 2 * .712 - 7.83697) / sqrt(.712 * 7.2) = 3.58703 / 2.26416
  t.ok(near(cutoff!.index, 1.58427, 1e-5));
  t.same([cutoff!.preClinical, cutoff!.postFunctional], [true, false]);
  t.equal(classByIndex('hageman-arrindell', of('hageman-arrindell'), { preClinical: true, postClinical: false }), 'improved', 'not surely beyond the cut-off, whatever the other one says');
  const low = of('hageman-arrindell', {}, { baseline: 20, current: 1, sign: 1 });
  t.equal(classByIndex('hageman-arrindell', low, { preClinical: null, postClinical: null }), 'recovered');
  t.ok(low.cutoff!.index < -1.645);
  const up = of('hageman-arrindell', {}, { baseline: 5, current: 20, sign: 1 });
  t.equal(classByIndex('hageman-arrindell', up, { preClinical: false, postClinical: true }), 'deteriorated', 'there is no class of its own for the clinical side');
  t.equal(of('hageman-arrindell', { functional: undefined }).cutoff, undefined, 'without norms there is no cut-off');
  t.equal(of('hageman-arrindell', { functional: { mean: 4, sd: 2.6 } }).cutoff, undefined, 'norms that scatter no more than the error have no true scores');
});

t.test('a scale that runs the other way gives the same with the signs turned', async (t) => {
  for (const code of changeIndices) {
    const mirrored = indexOfChange(code, { baseline: -20, current: -12, sign: -1 }, { ...sample, mean: -17, meanAfter: -10, functional: { mean: -4, sd: 3.5 } }) as IndexOfChange;
    const own = of(code);
    t.ok(near(mirrored.value, -own.value) && mirrored.reliable === own.reliable, code);
    t.equal(mirrored.cutoff?.preClinical, own.cutoff?.preClinical);
  }
});

t.test('what a sample lacks is named', async (t) => {
  t.equal(indexOfChange('hsu-linn-lord', { baseline: 20, current: 12, sign: 1 }, { sd: 6, r: 0.8, mean: 17 }), 'not computed: the sample lacks the mean at the end');
  t.equal(indexOfChange('hageman-arrindell', { baseline: 20, current: 12, sign: 1 }, { sd: 6, r: 0.8 }), 'not computed: the sample lacks the mean at the beginning, the mean at the end, the standard deviation at the end, the correlation of beginning and end');
  for (const wrong of [{ r: 1 }, { r: -0.1 }, { sd: 0 }, { sd: Number.NaN }]) t.match(of('jacobson-truax', wrong), /^not computed/);
  t.match(of('hageman-arrindell', { correlation: 0.99 }), /no reliability/, 'who began higher ended higher by as much: differences are error alone');
});

t.test('24 pairs, r .8, norms 8 and 8: indices and classes as R has them', async (t) => {
  const pairs = Array.from({ length: 24 }, (_, i) => ({ baseline: 20 + ((i * 7) % 17) + ((i * 5) % 11), current: 4 + ((i * 11) % 23) + ((i * 3) % 13) }));
  const moments = momentsOf(pairs)!;
  for (const [code, cut, first, counts] of reference) {
    const found = pairs.map(({ baseline, current }) => indexOfChange(code, { baseline, current, sign: 1 }, { ...moments, r: 0.8, functional: { mean: 8, sd: 8 } }) as IndexOfChange);
    t.same(found.slice(0, first.length).map(({ value }, i) => near(value, first[i]!, 1e-6)), first.map(() => true), `${code}: ${found.slice(0, first.length).map(({ value }) => value).join(' ')}`);
    const classes = found.map((index, i) => classByIndex(code, index, { preClinical: pairs[i]!.baseline > cut, postClinical: pairs[i]!.current >= cut }));
    t.same(['recovered', 'improved', 'unchanged', 'deteriorated', 'harmed'].map((each) => classes.filter((one) => one === each).length), counts, code);
    if (code === 'hageman-arrindell') {
      t.ok(near(found[0]!.cutoff!.limit, cut, 1e-6));
      t.same(found.slice(0, 3).map(({ cutoff }, i) => near(cutoff!.index, cutoffIndices[i]!, 1e-6)), [true, true, true]);
    }
  }
  t.equal(momentsOf([{ baseline: 1, current: 2 }]), undefined);
  t.equal(momentsOf([{ baseline: 1, current: 2 }, { baseline: 1, current: 3 }]), undefined, 'first scores that do not differ judge nothing');
  t.equal(momentsOf([{ baseline: 1, current: 2 }, { baseline: 2, current: 2 }])!.correlation, undefined);
});
