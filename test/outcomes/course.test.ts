import fc from 'fast-check';
import t from 'tap';
import { firstAndLast, seriesOf, type Valid } from '../../src/outcomes/baseline.ts';
import { changeBetween } from '../../src/outcomes/change.ts';
import { courseEvents, courseOf, reviewsOf, signalsOf, pointsOf } from '../../src/outcomes/course.ts';
import { momentary } from '../../src/outcomes/momentary.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord } from '../../src/outcomes/record.ts';
import { indexOfChange } from '../../src/outcomes/change-index.ts';
import { reliableChangeIndex } from '../../src/outcomes/reliable-change.ts';
import { earlyResponse, responseBetween, sustainedRemission } from '../../src/outcomes/response.ts';
import { intervalAfter, sessionNumber, sessionsOf } from '../../src/outcomes/sessions.ts';
import { afterRecovery, setbacks, setbackState } from '../../src/outcomes/setback.ts';
import { suddenChanges } from '../../src/outcomes/sudden-gain.ts';
import { descriptorOf, outcome, pairOf, pairOutcome, type Judged } from '../../src/outcomes/talking-therapies.ts';
import { personTrend, signalAt } from '../../src/outcomes/trajectory.ts';
import { closedCourses, bandAt, percentileIn, trajectoryReference, type ClosedCourse } from '../../src/outcomes/trajectory-reference.ts';
import { gad7, phq9, registry, session, totalling } from '../kit/record.ts';
import type { Resource } from '../../src/fhir/resource.ts';

const phq = registry.scales.get('phq-9')!;
const who5 = registry.scales.get('who-5')!;
const near = (found: number | null | undefined, wanted: number, digits = 4): boolean => Math.abs((found ?? Number.NaN) - wanted) < 0.5 * 10 ** -digits;

const dayMs = 86_400_000;
const dateOf = (day: number): string => new Date(Date.UTC(2024, 0, 1) + day * dayMs).toISOString().slice(0, 10);
/** Scores a week apart, or on the days given. */
const scores = (values: readonly number[], days = values.map((_, i) => 7 * i)): Valid[] => values.map((value, i) => ({
  id: `s${i}`, key: 'phq-9', value, at: Date.UTC(2024, 0, 1) + days[i]! * dayMs, date: dateOf(days[i]!),
  data: { status: 'completed', panel: true, answered: 9, items: 9, prorated: false, maxScore: 27 },
}));
const recordOf = (resources: readonly Resource[]): ReturnType<typeof patientRecord> => patientRecord(resources.flatMap((each) => recordEntries(each, { registry })));

t.test('property: a larger improvement is never classed lower, and Jacobson-Truax agrees with its threshold', async (t) => {
  const rank = { harmed: 0, deteriorated: 0, 'not-computable': 1, unchanged: 1, improved: 2, recovered: 3 };
  fc.assert(fc.property(fc.integer({ min: 0, max: 27 }), fc.integer({ min: 0, max: 26 }), (x0, x1) => {
    t.ok(rank[changeBetween(phq, x0, x1).class] >= rank[changeBetween(phq, x0, x1 + 1).class]);
    const reliable = Math.abs(x0 - x1) > reliableChangeIndex(6.1, 0.89, 1.96).threshold;
    t.equal(Math.abs((indexOfChange('jacobson-truax', { baseline: x0, current: x1, sign: 1 }, { sd: 6.1, r: 0.89 }) as { value: number }).value) > 1.96, reliable);
  }), { numRuns: 200 });
});

t.test('response is half of a clinical baseline, partial response a quarter; remission is below 5', async (t) => {
  for (const [x0, x1, response, partial, remission, important] of [
    [20, 10, true, false, false, true], [20, 11, false, true, false, true], [20, 15, false, true, false, true], [20, 16, false, false, false, false],
    [10, 5, true, false, false, true], [10, 4, true, false, true, true], [9, 4, null, null, true, true], [0, 0, null, null, true, false], [21, 11, false, true, false, true],
  ] as const) t.match(responseBetween(phq, x0, x1), { response, partial, remission, minimalImportant: important }, `${x0} to ${x1}`);
  t.equal(responseBetween(phq, 0, 3).reduction, null, 'no share of nothing');
  t.match(responseBetween(who5, 40, 60), { reduction: null, response: null, minimalImportant: true }, 'where higher is better, a share of the baseline says nothing');
});

t.test('remission counts as sustained after 14 days in a row, or at the end of an episode', async (t) => {
  const at = (values: readonly number[], days?: readonly number[], discharge: string | null = null): string | undefined =>
    sustainedRemission(phq, scores(values, days === undefined ? undefined : [...days]), discharge)?.at.id;
  t.equal(at([4, 3], [0, 13]), undefined);
  t.equal(at([4, 3], [0, 14]), 's1');
  t.equal(at([4, 6, 3], [0, 10, 20]), undefined, 'one in between begins anew');
  t.equal(at([4, 6, 3, 2], [0, 10, 20, 34]), 's3');
  t.equal(at([12, 4], [0, 7], '2024-01-10'), 's1', 'the last before discharge');
  t.equal(at([12, 4, 12], [0, 7, 20], '2024-01-10'), 's1');
  t.equal(at([4, 12], [0, 7], '2024-01-10'), undefined);
});

t.test('early response: 20 % in 28 days, or by the fourth session in 56', async (t) => {
  const [baseline, ...later] = scores([20, 17, 16, 10]);
  const placed = later.map((score, i) => ({ score, session: i + 2 }));
  t.equal(earlyResponse(phq, baseline!, placed)?.id, 's2');
  t.equal(earlyResponse(phq, baseline!, scores([20, 17, 17, 17, 17, 10]).slice(1).map((score) => ({ score, session: 9 }))), null, 'the last is after 28 days and session 4');
  const on = (day: number, session: number): boolean => earlyResponse(phq, baseline!, [{ score: scores([20, 16], [0, day])[1]!, session }]) !== null;
  t.same([on(28, 5), on(29, 5), on(29, 4), on(42, 4), on(56, 4), on(57, 4), on(273, 2), on(29, 0)], [true, false, true, true, true, false, false, false]);
  t.equal(earlyResponse(who5, baseline!, placed), undefined);
});

t.test('a setback is measured from the best score so far: possible, confirmed, resolved, with days', async (t) => {
  const [first, ...more] = setbacks(phq, scores([18, 8, 14, 15, 13, 20]));
  t.match(first, { best: { id: 's1' }, possible: { id: 's2' }, confirmed: { id: 's3' }, resolved: { id: 's4' }, recoveryDays: 14 });
  t.match(more, [{ best: { id: 's1' }, possible: { id: 's5' }, confirmed: null, resolved: null, recoveryDays: null }]);
  t.equal(setbackState(first!), 'setback-resolved');
  t.same(setbacks(phq, scores([18, 13, 18, 12])), [], 'five points are less than the threshold');
  t.match(setbacks(phq, scores([10, 16, 9])), [{ confirmed: null, resolved: { id: 's2' }, recoveryDays: 7 }]);
  t.match(setbacks(who5, scores([80, 60, 62, 76])), [{ possible: { id: 's1' }, confirmed: { id: 's2' }, resolved: { id: 's3' } }], 'direction: higher is better');
});

t.test('deterioration is from the baseline, a setback from the best: 12, 4, 11 is a setback and no deterioration', async (t) => {
  t.equal(setbacks(phq, scores([12, 4, 11])).length, 1);
  t.equal(changeBetween(phq, 12, 11).class, 'unchanged');
});

t.test('relapse needs a recovery at the end, the clinical range and the threshold; less than it is named apart', async (t) => {
  const discharge = '2024-01-20';
  const after = (values: readonly number[]): [string, string][] => {
    const list = scores(values);
    return afterRecovery(phq, list[0]!, list, discharge).map(({ state, score }) => [state, score.id]);
  };
  t.same(after([18, 10, 7, 13]), [['relapse', 's3']], '7 to 13: six worse and clinical');
  t.same(after([18, 10, 7, 12]), [['clinical-again', 's3']]);
  t.same(after([18, 10, 7, 10, 13, 20]), [['clinical-again', 's3'], ['relapse', 's4']]);
  t.same(after([18, 10, 2, 9]), [], 'seven worse, not clinical');
  t.same(after([18, 10, 10, 17]), [], 'no recovery at the end');
});

t.test('sudden gains: size, share and the t criterion; losses with a positive share', async (t) => {
  const found = (values: readonly number[]): [string, string, number][] => suddenChanges(phq, scores(values)).map(({ kind, after, size }) => [kind, after[0]!.id, size]);
  t.same(found([20, 19, 20, 12, 11, 12]), [['sudden-gain', 's3', 8]]);
  // before 20 19 20 (m 19.667, s2 .3333), after 14 19 12 (m 15, s2 13): 4.667 > 2.776 * sqrt(13.333 * 2 / 4) = 7.168 is false
  t.same(found([20, 19, 20, 14, 19, 12]), []);
  t.same(found([20, 12, 11, 12, 11]), [], 'the first interval is left out');
  t.equal(suddenChanges(phq, scores([20, 12, 12, 12]), { firstInterval: true }).length, 0, 'one score before is too few');
  t.same(found([27, 27, 27, 21, 21, 21]), [], 'six of 27 are less than a quarter');
  t.same(found([20, 20, 20, 12]), [], 'one score after is too few');
  t.same(found([8, 9, 8, 15, 16, 15]), [['sudden-loss', 's3', 7]]);
  t.same(found([20, 20, 20, 26, 26]), [['sudden-loss', 's3', 6]], 'six of 20');
  const [gain] = suddenChanges(phq, scores([20, 20, 20, 10, 10, 14, 15]));
  t.equal(gain?.reversal?.id, 's6', 'half of ten is undone at 15');
});

t.test('property: a sudden gain mirrored is a sudden loss of the mirrored scale when the share is met on both', async (t) => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 27 }), { minLength: 4, maxLength: 9 }), (values) => {
    for (const { kind, before, after, size } of suddenChanges(phq, scores(values))) {
      const [from, to] = [before.at(-1)!.value, after[0]!.value];
      t.equal(Math.sign(from - to), kind === 'sudden-gain' ? 1 : -1);
      t.ok(size >= 6 && size >= 0.25 * from && before.length >= 2 && after.length >= 2);
    }
  }), { numRuns: 100 });
});

t.test('the trend through log sessions, by hand: 20 - 4 ln s', async (t) => {
  const points = [1, 2, 4, 8].map((each) => ({ session: each, value: 20 - 4 * Math.log(each) }));
  const trend = personTrend(points)!;
  t.ok(near(trend.intercept, 20) && near(trend.slope, -4) && near(trend.at(16), 20 - 4 * Math.log(16)));
  t.equal(personTrend(points.slice(0, 2)), null);
  t.equal(personTrend([points[0]!, points[1]!, points[1]!]), null, 'three points at two sessions');
});

t.test('the rational rule, where there is no reference', async (t) => {
  const code = (x0: number, x1: number, k: number): string | undefined => signalAt(phq, x0, x1, k, null)?.code;
  t.equal(code(15, 25, 2), undefined, 'the first signal is at session 3');
  t.equal(code(15, 21, 3), 'not-on-track', 'reliably worse needs no caution');
  t.equal(code(15, 9, 3), 'on-track');
  t.equal(code(15, 13, 5), 'neutral');
  t.equal(code(15, 13, 6), 'watch');
  t.equal(code(15, 12, 6), 'neutral', 'half of the threshold');
  t.equal(code(9, 9, 6), 'on-track', 'functional');
});

/** 100 closed episodes of baseline 16, half of the scores lower by ln s, in one band. */
const closed = (n: number, baseline = 16): ClosedCourse[] => Array.from({ length: n }, (_, i) => ({
  baseline, start: { session: 1, severity: baseline }, sessions: 8, points: [2, 3, 4, 5, 6, 7, 8].map((each) => ({ session: each, severity: baseline - 10 + 10 * i / (n - 1) })),
}));

t.test('percentile curves: type 7, 30 at a session, 100 episodes overall, the caution of sessions 3 to 5', async (t) => {
  const reference = trajectoryReference(new Map([['phq-9', closed(101)], ['gad-7', closed(99)]]), registry, 'v1');
  t.same(Object.keys(reference.scales), ['phq-9'], '99 episodes are no benchmark yet');
  const band = bandAt(reference.scales['phq-9']!, phq, 16);
  t.match(band, { low: 15, episodes: 101 });
  const at3 = band.sessions.find((each) => each.session === 3)!;
  t.match(at3, { n: 101 });
  t.same([0, 10, 16, 18, 20].map((step) => at3.severities[step]), [6, 11, 14, 15, 16]);
  const signal = (x1: number, k: number): unknown => signalAt(phq, 16, x1, k, reference);
  t.match(signal(14, 6), { code: 'on-track', basis: 'percentile', reference: { version: 'v1', n: 101, expected: 11, watchBeyond: 14, notOnTrackBeyond: 15, percentile: 80 } });
  t.match(signal(15, 6), { code: 'watch', reference: { percentile: 90 } });
  t.match(signal(16, 6), { code: 'not-on-track' });
  t.match(signal(16, 5), { code: 'watch', uncapped: 'not-on-track' });
  t.match(signal(22, 5), { code: 'not-on-track' }, 'reliably worse');
  t.match(signal(22, 20), { basis: 'log-linear' }, 'nobody was at session 20');
});

t.test('the pooled fit: E = x0 + B ln s, by hand', async (t) => {
  const log = [2, 4].map((each) => Math.log(each));
  const courses = Array.from({ length: 100 }, (_, i): ClosedCourse => ({ baseline: 16, start: { session: 1, severity: 16 }, sessions: 4, points: [2, 4].map((each, p) => ({ session: each, severity: 16 + (i % 2 === 0 ? -2 : -4) * log[p]! })) }));
  const reference = trajectoryReference(new Map([['phq-9', courses]]), registry, 'v2');
  const { fit } = bandAt(reference.scales['phq-9']!, phq, 16);
  t.match(fit, { n: 100, slope: -3, residual: 0 });
  t.ok(near(fit.slopeSd, Math.sqrt(100 / 99)));
  const found = signalAt(phq, 16, 16, 10, reference)!;
  t.ok(near(found.reference?.expected, 16 - 3 * Math.log(10)));
  t.ok(near(found.reference?.watchBeyond, 16 - 3 * Math.log(10) + 0.84 * Math.sqrt(100 / 99) * Math.log(10)));
  t.equal(found.code, 'not-on-track');
  t.match(signalAt(phq, 22, 16, 10, reference)?.reference, { n: 100 }, 'a band without episodes of its own uses all');
});

t.test('where higher is better the worse tail is the lower one', async (t) => {
  const courses = Array.from({ length: 100 }, (_, i): ClosedCourse => ({ baseline: -40, start: { session: 1, severity: -40 }, sessions: 6, points: [2, 6].map((each) => ({ session: each, severity: -(40 + i) })) }));
  const reference = trajectoryReference(new Map([['who-5', courses]]), registry, 'v3');
  const found = signalAt(who5, 40, 45, 6, reference)!;
  t.match(found, { code: 'not-on-track', basis: 'percentile' });
  t.ok(found.reference!.notOnTrackBeyond < found.reference!.watchBeyond && found.reference!.watchBeyond < found.reference!.expected);
});

t.test('a score stands for the three sessions after it, the baseline too', async (t) => {
  const courses = Array.from({ length: 100 }, (_, i): ClosedCourse => ({ baseline: 16, start: { session: 1, severity: 16 }, sessions: 9, points: [{ session: i < 40 ? 3 : 5, severity: 10 }] }));
  const { sessions } = bandAt(trajectoryReference(new Map([['phq-9', courses]]), registry, 'v4').scales['phq-9']!, phq, 16);
  t.same(sessions.map(({ session: each, n, severities }) => [each, n, severities[0], severities[20]]), [[2, 100, 16, 16], [3, 100, 10, 16], [4, 100, 10, 16], [5, 100, 10, 10], [6, 100, 10, 10], [7, 60, 10, 10], [8, 60, 10, 10]], 'to session 4, 6 and 8');
  const record = recordOf([
    { resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', patient: { reference: 'Patient/p' }, period: { start: dateOf(0), end: dateOf(60) } },
    ...[12, 18, 17, 9].flatMap((total, i) => [session(`e${i}`, `${dateOf(7 * i)}T09:00:00Z`), phq9(`q${i}`, dateOf(7 * i), totalling(total))]),
  ]);
  t.same(closedCourses(record, registry).find(([key]) => key === 'phq-9')?.[1], { baseline: 18, start: { session: 2, severity: 18 }, points: [{ session: 3, severity: 17 }, { session: 4, severity: 9 }], sessions: 4 }, 'a baseline of the second session stands there');
});

t.test('the line goes through every score by its session, and the best so far is of the whole episode: what was before the baseline counts', async (t) => {
  const record = recordOf([12, 18, 17, 9].flatMap((total, i) => [session(`e${i}`, `${dateOf(7 * i)}T09:00:00Z`), phq9(`q${i}`, dateOf(7 * i), totalling(total))]));
  const course = courseOf(record, phq, seriesOf(record, 'phq-9')[0]!);
  t.equal(course.series.baseline.id, 'q1', 'the last one within seven days of the first session');
  t.same(pointsOf(course).map(({ session: each, score }) => [each, score.value]), [[1, 12], [2, 18], [3, 17], [4, 9]]);
  t.match(courseEvents(course, null).find(({ metric }) => metric === 'setback'), { state: 'setback-resolved', anchor: { id: 'q1' }, setback: { best: { id: 'q0' } } });
  const early = recordOf([phq9('q0', dateOf(-5), totalling(12)), session('e0', `${dateOf(0)}T09:00:00Z`), phq9('q1', dateOf(9), totalling(10))]);
  t.same(pointsOf(courseOf(early, phq, seriesOf(early, 'phq-9')[0]!)).map(({ session: each }) => each), [1, 1], 'a baseline from before the first session stands at it');
});

t.test('a percentile is interpolated, and of equal ones the middle', async (t) => {
  const grid = Array.from({ length: 21 }, (_, i) => i);
  t.same([-1, 0, 10, 10.5, 20, 21].map((each) => percentileIn(grid, each)), [0, 0, 50, 52.5, 100, 100]);
  t.equal(percentileIn(Array.from({ length: 21 }, () => 5), 5), 50);
});

t.test('sessions are counted by start; a score belongs to the one it names or the last on or before its date', async (t) => {
  const record = recordOf([
    session('b', '2024-01-15T10:00:00Z'), session('a', '2024-01-08T10:00:00Z'), session('c', '2024-01-22T10:00:00Z', { status: 'cancelled' }), session('d', '2024-01-23T10:00:00Z', { class: { code: 'IMP' } }),
  ]);
  const list = sessionsOf(record, null);
  t.same(list.map(({ id }) => id), ['a', 'b']);
  const identifier = [{ system: 'urn:ehr', value: '1' }];
  const more = recordOf([
    session('a', '2024-01-08T10:00:00Z', { identifier }), session('again', '2024-01-08T10:00:00Z', { identifier }), session('b', '2024-01-15T10:00:00Z', { identifier: [{ system: 'urn:other', value: '1' }] }),
    session('c', '2024-01-16T10:00:00Z', { type: [{ coding: [{ system: 'https://intersession.example/fhir/CodeSystem/encounter-type', code: 'administrative' }] }] }),
  ]);
  t.same(sessionsOf(more, null).map(({ id }) => id), ['a', 'b'], 'sent twice is one; a meeting about papers is none');
  const number = (date: string, encounter?: string): number => sessionNumber(list, { date, data: encounter === undefined ? {} : { encounter } });
  t.same(['2024-01-07', '2024-01-08', '2024-01-14', '2024-01-15', '2025-01-01'].map((date) => number(date)), [0, 1, 1, 2, 2]);
  t.equal(number('2024-01-14', 'Encounter/b'), 2);
  t.equal(number('2024-01-14', 'Encounter/unknown'), 1);
  t.match(intervalAfter(list, 1), { after: { id: 'a' }, before: { id: 'b' } });
  t.same([intervalAfter(list, 0)?.before?.id, intervalAfter(list, 2)?.before, intervalAfter(list, 3)], ['a', undefined, undefined]);
});

t.test('two signals in a row that a course is not as expected ask for one look, however long the row', async (t) => {
  const resources = [10, 10, 10, 20, 20, 20, 20].flatMap((total, i) => [session(`e${i}`, `${dateOf(7 * i)}T09:00:00Z`), phq9(`q${i}`, dateOf(7 * i), totalling(total))]);
  const record = recordOf(resources);
  const course = courseOf(record, phq, seriesOf(record, 'phq-9')[0]!);
  t.same(signalsOf(course, null).map(({ placed, signal }) => [placed.session, signal.code]), [[3, 'neutral'], [4, 'not-on-track'], [5, 'not-on-track'], [6, 'not-on-track'], [7, 'not-on-track']]);
  t.same(reviewsOf(course, null).map(({ score }) => score.id), ['q4']);
  t.same(courseEvents(course, null).map(({ metric, anchor }) => `${metric} ${anchor.id}`).sort(),
    ['setback q3', 'sudden-loss q3', 'trajectory-signal q3', 'trajectory-signal q4', 'trajectory-signal q5', 'trajectory-signal q6']);
});

t.test('what happens after the end of an episode is compared with how it ended', async (t) => {
  const record = recordOf([
    { resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', period: { start: '2024-01-01', end: '2024-02-01' } } as Resource,
    ...[18, 12, 6, 15].map((total, i) => phq9(`q${i}`, dateOf([0, 10, 25, 60][i]!), totalling(total))),
  ]);
  const events = courseEvents(courseOf(record, phq, seriesOf(record, 'phq-9')[0]!), null);
  t.same(events.map(({ metric, anchor }) => `${metric} ${anchor.id}`).sort(), ['relapse q3', 'response q2']);
  const evening = recordOf([
    { resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', period: { start: '2024-01-01', end: '2024-02-01' } } as Resource,
    phq9('q0', '2024-01-01', totalling(18)), phq9('q1', '2024-02-01T20:00:00-08:00', totalling(4)),
  ]);
  t.ok(courseEvents(courseOf(evening, phq, seriesOf(evening, 'phq-9')[0]!), null).some(({ metric }) => metric === 'sustained-remission'), 'the evening of the last day belongs to the therapy');
});

t.test('national rules: first and last of the pathway, none of them prorated, up to its end', async (t) => {
  const record = recordOf([
    { resourceType: 'EpisodeOfCare', id: 'ep', status: 'finished', period: { start: '2024-01-01', end: '2024-02-01' } } as Resource,
    phq9('a', '2024-01-01', [3, 3, 3, 3, 3, 3, 3, null, 0]), phq9('b', '2024-01-03T08:00:00Z', totalling(20)), phq9('c', '2024-01-03T18:00:00Z', totalling(18)),
    phq9('d', '2024-01-20', totalling(7)), phq9('e', '2024-03-01', totalling(20)),
  ]);
  const ends = firstAndLast(seriesOf(record, 'phq-9')[0]!)!;
  t.same([ends.first.id, ends.last?.id], ['c', 'd'], 'of one date the later');
});

const judged = (key: string, first: number, last: number): Judged => {
  const { depression, specific } = pairOf(registry, null);
  const each = key === 'phq-9' ? depression : specific.find(({ scale }) => scale.key === key)!;
  const { scale, cutoff, threshold } = each;
  const improvement = first - last;
  return { ...each, scale, first: scores([first])[0]!, last: scores([last])[0]!, caseAtStart: first >= cutoff.value, caseAtEnd: last >= cutoff.value,
    reliable: Math.abs(improvement) < threshold.value ? 'none' : improvement > 0 ? 'better' : 'worse' };
};

t.test('the pair rules: every combination that the manual tells apart', async (t) => {
  for (const [d0, d1, a0, a1, caseAtStart, recovery, improvement, deterioration, reliableRecovery] of [
    [18, 9, 14, 7, true, true, true, false, true],
    [12, 9, 7, 7, true, true, false, false, false], // recovery by three points
    [18, 9, 14, 8, true, false, true, false, false], // anxiety still at the cut-off
    [9, 3, 7, 3, false, false, true, false, false], // not a case to begin with
    [18, 12, 8, 12, true, false, false, false, false], // one of each
    [18, 24, 14, 14, true, false, false, true, false],
    [10, 9, 7, 7, true, true, false, false, false],
  ] as const) {
    t.match(outcome([judged('phq-9', d0, d1), judged('gad-7', a0, a1)]),
      { caseAtStart, recovery, reliableImprovement: improvement, reliableDeterioration: deterioration, reliableRecovery, noReliableChange: !improvement && !deterioration }, `${d0}-${d1}, ${a0}-${a1}`);
  }
  t.match(outcome([judged('phq-9', 18, 5)]), { caseAtStart: true, recovery: null, reliableRecovery: null, reliableImprovement: true }, 'one measure: recovery cannot be told');
});

t.test('the pair follows the problem, and falls back where its measure has no two scores', async (t) => {
  const record = recordOf([phq9('p1', '2024-01-01', totalling(18)), phq9('p2', '2024-02-01', totalling(5)), gad7('g1', '2024-01-01', [2, 2, 2, 2, 2, 2, 2]), gad7('g2', '2024-02-01', [1, 1, 1, 0, 0, 0, 0])]);
  const all = (key: string): ReturnType<typeof seriesOf>[number] | undefined => seriesOf(record, key)[0];
  t.match(pairOutcome(registry, all, 'social-anxiety'), { descriptor: 'social-anxiety', measures: [{ scale: { key: 'phq-9' } }, { scale: { key: 'gad-7' } }], reliableRecovery: true });
  t.equal(pairOutcome(registry, () => undefined, null), null);
  t.same(['F40.1', 'F33.1', 'F33', 'F41.0', 'F43.10', 'Z00', 'F4'].map((code) => descriptorOf({ coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code }] })),
    ['social-anxiety', 'depression', 'depression', 'panic', 'post-traumatic-stress', null, null]);
  t.equal(descriptorOf({ coding: [{ system: 'http://snomed.info/sct', code: 'F33' }] }), null);
  for (const { code } of [{ code: 'post-traumatic-stress' }, { code: 'agoraphobia' }, { code: 'obsessive-compulsive' }, { code: 'panic' }, { code: 'health-anxiety' }]) t.equal(pairOf(registry, code).specific.at(-1)?.scale.key, 'gad-7', code);
});

t.test('momentary ratings: worked by hand, at least seven in 14 days', async (t) => {
  const rate = (values: readonly number[], hours = 24): Parameters<typeof momentary>[0] => values.map((value, i) => ({ value, at: i * hours * 3_600_000, date: new Date(i * hours * 3_600_000).toISOString().slice(0, 10) }));
  t.equal(momentary(rate([1, 2, 3, 4, 5, 6])), null);
  const askedEvery = (days: number, times: number): Parameters<typeof momentary>[1] => Array.from({ length: times }, (_, i) => ({ at: i * days * dayMs, answered: i % 2 === 0 }));
  const found = momentary(rate([2, 4, 4, 6, 4, 6, 2, 4]), askedEvery(1, 9))!;
  // mean 4; deviations -2 0 0 2 0 2 -2 0; sum of squares 16; products of neighbours: 0 0 0 0 0 -4 0 = -4
  t.match(found, { n: 8, mean: 4, inertia: -0.25, prompted: 8, answered: 4, compliance: 0.5 }, 'what was asked after the last rating is not of its days');
  t.equal(momentary(rate([2, 4, 4, 6, 4, 6, 2, 4]), askedEvery(0.5, 14))!.inertia, null, 'asked for every twelve hours, a day is a long break');
  t.ok(near(found.sd, Math.sqrt(16 / 7)) && near(found.rollingMean, 30 / 7));
  t.ok(near(found.mssd, (4 + 0 + 4 + 4 + 4 + 16 + 4) / 7) && near(found.rmssd, Math.sqrt(36 / 7)));
  t.match(momentary(rate([3, 3, 3, 3, 3, 3, 3])), { sd: 0, inertia: null, mssd: 0, compliance: null }, 'a constant series has no inertia');
  t.equal(momentary(rate([1, 2, 3, 4, 5, 6, 7], 72)), null, 'five in 14 days');
  const gap = rate([0, 8, 0, 8, 0, 8, 0]).map((each, i) => (i < 4 ? each : { ...each, at: each.at + 5 * dayMs, date: `2024-02-0${i}` }));
  t.not(momentary(gap)?.inertia, momentary(rate([0, 8, 0, 8, 0, 8, 0]))?.inertia, 'the pair over the break is left out');
});
