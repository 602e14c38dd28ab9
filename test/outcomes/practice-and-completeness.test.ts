import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { adherence } from '../../src/outcomes/adherence.ts';
import { answeredShare, askedAt, covered, prompts } from '../../src/outcomes/completeness.ts';
import { localDate } from '../../src/outcomes/local-time.ts';
import { homeworkExplanation, homeworkPart } from '../../src/outcomes/progress-homework.ts';
import { rankCorrelation } from '../../src/outcomes/rank-correlation.ts';
import { practice } from '../../src/outcomes/practice.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord } from '../../src/outcomes/record.ts';
import { zoneOf } from '../../src/outcomes/time-zone.ts';
import { base, phq9, registry, session, totalling } from '../kit/record.ts';

const parameter = (code: string, value: object): object => ({ type: { coding: [{ system: `${base}/CodeSystem/task-input`, code }] }, ...value });
const homework = (id: string, status: string, start: string, end: string, times: number | null, named: readonly string[] = [], more: object = {}): Resource => ({
  resourceType: 'Task', id, intent: 'plan', status, code: { coding: [{ system: `${base}/CodeSystem/homework-type`, code: 'mindfulness' }] }, restriction: { period: { start, end }, ...(times === null ? {} : { repetitions: times }) },
  output: named.map((each) => parameter('response', { valueReference: { reference: `QuestionnaireResponse/${each}` } })), ...more,
});
const written = new Map([['a', '2024-05-01T22:30:00Z'], ['b', '2024-05-02T06:00:00Z'], ['c', '2024-05-04T12:00:00Z'], ['d', '2024-05-09T12:00:00Z']].map(([id, at]) => [`QuestionnaireResponse/${id}`, at!]));
const zone = 'Europe/Berlin';

t.test('practice is counted by the days of the client, today only where there was some', async (t) => {
  const daily = homework('h', 'in-progress', '2024-05-01', '2024-05-07', 7, ['a', 'b', 'c', 'unknown']);
  // In Berlin a and b are of the 2nd, c of the 4th. Planned on the 6th: the 1st to the 5th; kept 2; gaps 1st, 3rd, 5th.
  t.same(practice([daily], '2024-05-06T10:00:00Z', { zone, written }), { days: ['2024-05-02', '2024-05-04'], planned: 5, kept: 2, share: 0.4, gaps: 3, longestGap: 1 });
  t.same(practice([daily], '2024-05-06T10:00:00Z', { zone: 'UTC', written }).days, ['2024-05-01', '2024-05-02', '2024-05-04']);
  t.same(practice([daily], '2024-05-20T10:00:00Z', { zone, written }), { days: ['2024-05-02', '2024-05-04'], planned: 7, kept: 2, share: 2 / 7, gaps: 3, longestGap: 3 });
  t.same(practice([daily], '2024-05-04T13:00:00Z', { zone, written }).planned, 4, 'the 4th has practice already');
  t.same(practice([daily], '2024-05-03T13:00:00Z', { zone, written }).planned, 2, 'the 3rd is not over');
  const weekly = homework('w', 'completed', '2024-05-01', '2024-05-08', 1, [], { executionPeriod: { end: '2024-05-08T23:30:00+02:00' } });
  t.same(practice([weekly], '2024-05-20T00:00:00Z', { zone, written }), { days: ['2024-05-08'], planned: 0, kept: 0, share: null, gaps: 0, longestGap: 0 });
  t.same(practice([homework('x', 'cancelled', '2024-05-01', '2024-05-07', 7, ['a'])], '2024-05-20T00:00:00Z', { zone, written }).days, [], 'what was withdrawn counts no more');
  t.same(practice([daily], '2024-05-20T00:00:00Z', { zone, written, from: '2024-05-03', to: '2024-05-05' }), { days: ['2024-05-04'], planned: 3, kept: 1, share: 1 / 3, gaps: 2, longestGap: 1 });
  // Eight days and seven times: the day on which it was agreed is left out.
  t.equal(practice([homework('y', 'accepted', '2024-05-01', '2024-05-08', 7)], '2024-05-20T00:00:00Z', { zone, written }).planned, 7);
  t.equal(practice([homework('z', 'accepted', '2024-05-01', '9999-05-08', 7)], '2024-05-20T00:00:00Z', { zone, written }).planned, 0);
});

t.test('property: the order of Tasks and of what they name changes nothing; kept + missed is planned; more practice never lowers the share', async (t) => {
  const day = fc.integer({ min: 1, max: 28 });
  const task = fc.record({ start: day, length: fc.integer({ min: 1, max: 20 }), isDaily: fc.boolean(), status: fc.constantFrom('accepted', 'in-progress', 'completed', 'failed', 'cancelled'), named: fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 9 }) });
  const at = (hours: number): string => new Date(Date.UTC(2024, 4, 1) + hours * 17 * 3_600_000).toISOString();
  const times = new Map(Array.from({ length: 41 }, (_, i) => [`QuestionnaireResponse/r${i}`, at(i)]));
  const date = (n: number): string => new Date(Date.UTC(2024, 4, n)).toISOString().slice(0, 10);
  fc.assert(fc.property(fc.array(task, { maxLength: 5 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 40 }), (specs, extra, now) => {
    const tasks = specs.map(({ start, length, isDaily, status, named }, i) => homework(`h${i}`, status, date(start), date(start + length - 1), isDaily ? length : null, named.map((each) => `r${each}`)));
    const options = { zone, written: times };
    const when = `${date(now)}T15:00:00Z`;
    const found = practice(tasks, when, options);
    const turned = tasks.toReversed().map((each) => ({ ...each, output: (each.output as object[]).toReversed() }));
    t.strictSame(practice(turned, when, options), found);
    const rounded = (list: readonly Resource[]): unknown => { const { eligible, offered, quantity, ...rest } = adherence(list, when, options); return { ...rest, offered: offered.length, eligible: eligible.length, quantity: quantity?.toFixed(9) }; };
    t.strictSame(rounded(turned), rounded(tasks));
    const more = practice([...tasks, homework('more', 'in-progress', date(1), date(60), 1, [`r${extra}`])], when, options);
    const [first, last] = [found.share ?? 0, more.share ?? 0];
    return found.kept <= found.planned && found.kept <= found.days.length && found.longestGap <= found.planned - found.kept && (found.gaps === 0) === (found.planned === found.kept)
      && (last >= first || more.days.includes(localDate(Date.parse(when), zone)));
  }), { numRuns: 200 });
});

t.test('a session is covered by a total that names it, or else by the nearest within three days', async (t) => {
  const resources = [
    session('s1', '2024-05-01T10:00:00Z'), session('s2', '2024-05-08T10:00:00Z'), session('s3', '2024-05-15T10:00:00Z'), session('s4', '2024-05-22T10:00:00Z'),
    phq9('q1', '2024-05-04T10:00:00Z', totalling(10)), phq9('q2', '2024-05-11T10:00:00Z', totalling(9), { encounter: { reference: 'Encounter/s2' } }), phq9('q3', '2024-05-18T10:00:01Z', totalling(8)),
    phq9('q4', '2024-05-21T10:00:00Z', [1, 1, 1]), phq9('q5', '2024-05-15T12:00:00Z', totalling(8), { status: 'entered-in-error' }),
  ];
  const record = patientRecord(resources.flatMap((resource) => recordEntries(resource, { registry })));
  t.same(covered(record, record.sessions).map((each) => each.score?.id ?? null), ['q1', 'q2', null, null], 'three days and a second are too far; three answers are no total; what was withdrawn is none');
});

t.test('a request is answered, due, open, overdue or skipped, on the client\'s day', async (t) => {
  const ask = (id: string, status: string, more: object = {}): Resource => ({
    resourceType: 'Task', id, status, intent: 'order', code: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'complete-questionnaire' }] }, authoredOn: '2024-05-01',
    input: [{ type: { coding: [{ system: 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp', code: 'questionnaire' }] }, valueCanonical: `${base}/Questionnaire/phq-9|1.0.0` }], ...more,
  });
  const until = (end: string, start?: string): object => ({ restriction: { period: { ...(start === undefined ? {} : { start }), end } } });
  const tasks = [
    ask('a', 'completed'), ask('b', 'requested', until('2024-05-05')), ask('c', 'requested', until('2024-05-04')), ask('d', 'accepted', until('2024-05-20', '2024-05-10')), ask('e', 'requested'),
    ask('f', 'rejected', { statusReason: { text: 'too much' } }), ask('g', 'cancelled'), ask('h', 'draft'), ask('i', 'entered-in-error'), ask('j', 'on-hold', until('2024-05-02')), { ...ask('k', 'requested'), code: { text: 'other' } },
  ];
  const found = (now: string, where = zone): Record<string, string> => Object.fromEntries(prompts(tasks, now, where).map(({ task, state }) => [task.id!, state]));
  t.same(found('2024-05-05T12:00:00Z'), { a: 'answered', b: 'due', c: 'overdue', d: 'open', e: 'open', f: 'skipped', g: 'skipped', j: 'open' });
  t.equal(found('2024-05-05T22:30:00Z')['b'], 'overdue', 'the day is over in Berlin');
  t.equal(found('2024-05-05T22:30:00Z', 'America/New_York')['b'], 'due', 'and goes on in New York');
  const list = prompts(tasks, '2024-05-05T12:00:00Z', zone);
  t.same(list.filter(({ state }) => state === 'skipped').map(({ reason }) => reason), ['too much', null]);
  t.equal(answeredShare(list), 0.25, 'one of one answered, one overdue, two skipped');
  t.same(askedAt(list).map(({ at, answered }) => [new Date(at).toISOString().slice(0, 10), answered]), [['2024-05-01', true], ['2024-05-01', false], ['2024-05-01', false], ['2024-05-01', false]], 'what is due or open is not asked in vain yet');
  t.equal(answeredShare(prompts([ask('e', 'requested')], '2024-05-05T12:00:00Z', zone)), null);
  t.ok(list.every(({ questionnaire }) => questionnaire === `${base}/Questionnaire/phq-9`));
});

t.test('where a client lives is a time zone of the IANA database, or that of the deployment', async (t) => {
  const patient = (valueCode: unknown): Resource => ({ resourceType: 'Patient', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode }] });
  t.equal(zoneOf(patient('Asia/Kolkata'), 'UTC'), 'Asia/Kolkata');
  t.equal(zoneOf(patient('Mars/Olympus'), 'Europe/Berlin'), 'Europe/Berlin');
  t.equal(zoneOf({ resourceType: 'Patient' }, 'Europe/Berlin'), 'Europe/Berlin');
  t.equal(zoneOf(undefined, 'UTC'), 'UTC');
});

t.test('ranks go together as far as they agree, ties share their mean, and few pairs or no variation say nothing', async (t) => {
  const pairs = (x: readonly number[], y: readonly number[]): [number, number][] => x.map((each, i) => [each, y[i]!]);
  t.equal(rankCorrelation(pairs([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 600])), 1);
  // Differences of the ranks 1 1 1 1 1 1: 1 - 6 x 6 / (6 x 35).
  t.equal(rankCorrelation(pairs([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]))!.toFixed(9), (1 - 36 / 210).toFixed(9));
  // Ranks 1.5 1.5 3 4 5 6 against 1 to 6: 17 / sqrt(17 x 17.5).
  t.equal(rankCorrelation(pairs([0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 6]))!.toFixed(9), (17 / Math.sqrt(17 * 17.5)).toFixed(9));
  t.equal(rankCorrelation(pairs([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])), null, 'five pairs');
  t.equal(rankCorrelation(pairs([1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6])), null);
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), { minLength: 6, maxLength: 20 }), (list) => {
    const rho = rankCorrelation(list);
    const grown = rankCorrelation(list.map(([x, y]) => [x ** 3 + 1, y]));
    return rho === null ? grown === null : Math.abs(rho) <= 1 + 1e-9 && Math.abs(rho - grown!) < 1e-9;
  }));
});

t.test('homework between sessions stands beside how the scores moved in that time', async (t) => {
  const at = (days: number): string => new Date(Date.UTC(2024, 4, 6) + days * 86_400_000).toISOString().slice(0, 10);
  const weeks = Array.from({ length: 8 }, (_, i) => i);
  // The evening before each session; in the week after session k, k + 1 of ten times are done, and the score falls by k + 1.
  const totals = weeks.map((k) => 24 - (k * (k + 1)) / 2).map((total) => Math.max(total, 0));
  const resources = [
    { resourceType: 'EpisodeOfCare', id: 'ep', status: 'active', period: { start: at(0) } } as Resource,
    ...weeks.map((k) => session(`s${k}`, `${at(7 * k)}T10:00:00Z`)), ...weeks.map((k) => phq9(`q${k}`, `${at(7 * k - 1)}T18:00:00Z`, totalling(totals[k]!))),
  ];
  const record = patientRecord(resources.flatMap((resource) => recordEntries(resource, { registry })));
  const tasks = weeks.map((k) => homework(`h${k}`, 'failed', at(7 * k), at(7 * k + 5), 10, [], { output: [parameter('completion-fraction', { valueDecimal: (k + 1) / 10 })] }));
  const { part = [] } = homeworkPart(record, { registry, tasks, now: '2024-09-01T00:00:00Z', zone: 'UTC', written: new Map() });
  const valueOf = (list: readonly { name: string }[] | undefined, name: string): unknown => Object.entries(list?.find((each) => each.name === name) ?? {}).find(([key]) => key.startsWith('value'))?.[1];
  const intervals = part.filter(({ name }) => name === 'interval');
  t.same(intervals.map((each) => [valueOf(each.part, 'session'), valueOf(each.part, 'quantity')]), weeks.map((k) => [k + 1, (k + 1) / 10]));
  const changes = intervals.flatMap((each) => each.part!.filter(({ name }) => name === 'change').map((change) => [valueOf(change.part, 'from'), valueOf(change.part, 'to'), valueOf(change.part, 'improvement')]));
  t.same(changes, [[24, 23, 1], [23, 21, 2], [21, 18, 3], [18, 14, 4], [14, 9, 5], [9, 3, 6], [3, 0, 3]], 'the last interval has no session at its end');
  // Improvements 1 2 3 4 5 6 3 rank 1 2 3.5 5 6 7 3.5 against 1 to 7: products of deviations 9 + 4 + 0.5 + 0 + 2 + 6 - 1.5 = 20; squares 27.5 and 28.
  const [association] = part.filter(({ name }) => name === 'association');
  t.same([valueOf(association!.part, 'n'), valueOf(association!.part, 'rank-correlation')], [7, Math.round(10_000 * (20 / Math.sqrt(27.5 * 28))) / 10_000]);
});

t.test('what is said of homework counts one as one, and names what a share is of', async (t) => {
  const words = (...tasks: Resource[]): (string | undefined)[] => {
    const found = adherence(tasks, '2024-06-01T00:00:00Z');
    const { part } = homeworkExplanation(found, found.offered) as { readonly part: readonly { readonly name: string; readonly valueString?: string }[] };
    return ['text', 'text-for-client'].map((name) => part.find((each) => each.name === name)?.valueString);
  };
  const one = homework('a', 'completed', '2024-05-01', '2024-05-07', null, [], { lastModified: '2024-05-06T10:00:00Z' });
  t.same(words(one), [
    '1 exercise was due. Completed: 1 (within a day of being due: 1). Not completed yet: 0. 100 % of it was done. Talked about in a session: 0 of 1 completed. Offered: 1, accepted: 1.',
    'You agreed to try 1 thing. Done: 1. What got in the way is worth talking about as much as what worked.',
  ]);
  t.same(words(one, homework('b', 'accepted', '2024-05-01', '2024-05-07', null), homework('c', 'rejected', '2024-05-01', '2024-05-07', null)), [
    '2 exercises were due. Completed: 1 (within a day of being due: 1). Not completed yet: 1. On average 50 % of each was done. Talked about in a session: 0 of 1 completed. Offered: 3, accepted: 2.',
    'You agreed to try 2 things. Done: 1, still on your list: 1. What got in the way is worth talking about as much as what worked.',
  ]);
});
