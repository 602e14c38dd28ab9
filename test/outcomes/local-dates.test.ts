import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { instant } from '../../src/outcomes/instant.ts';
import { endOf, instantAt, localDate, momentOf } from '../../src/outcomes/local-time.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { differences, StoredResource } from '../../src/outcomes/recompute.ts';
import { patientRecord } from '../../src/outcomes/record.ts';
import { sessionNumbers, sessionsOf } from '../../src/outcomes/sessions.ts';
import { phq9, registry, session, totalling, World } from '../kit/record.ts';

const living = (zone: string, more: object = {}): Resource => ({ resourceType: 'Patient', id: 'p', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode: zone }], ...more });
const datesOf = (zone: string, ...times: readonly string[]): string[] =>
  patientRecord([living(zone), ...times.map((authored, i) => phq9(`q${i}`, authored, totalling(9)))].flatMap((each) => recordEntries(each, { registry }))).scores.get('phq-9')!.map(({ date }) => date);

function permutations<T>(list: readonly T[]): T[][] {
  return list.length === 0 ? [[]] : list.flatMap((each, i) => permutations(list.toSpliced(i, 1)).map((rest) => [each, ...rest]));
}

t.test('a time in Z is on the date where the client lives, one with an offset on that of its author', async (t) => {
  const evening = '2024-01-01T22:30:00Z';
  t.same(['UTC', 'Europe/Berlin', 'Europe/Moscow', 'Pacific/Auckland', 'America/Los_Angeles'].map((zone) => datesOf(zone, evening)[0]), ['2024-01-01', '2024-01-01', '2024-01-02', '2024-01-02', '2024-01-01']);
  for (const zone of ['UTC', 'Pacific/Auckland', 'America/Los_Angeles']) {
    t.same(datesOf(zone, '2024-01-01T23:30:00+01:00', '2024-01-03', '2024-01-05T00:30:00-05:00'), ['2024-01-01', '2024-01-03', '2024-01-05'], `${zone}: what the author wrote`);
  }
  t.same(datesOf('Europe/Berlin', '2024-03-30T23:30:00Z', '2024-03-31T22:30:00Z'), ['2024-03-31', '2024-04-01'], 'across the night in which clocks change');
  t.same(datesOf('Mars/Olympus', evening), ['2024-01-01'], 'no time zone: as if it were not said');
  const inTokyo = patientRecord([phq9('q', evening, totalling(9)), session('s', '2024-01-01T16:00:00Z')].flatMap((each) => recordEntries(each, { registry })), 'Asia/Tokyo');
  t.same([inTokyo.scores.get('phq-9')![0]!.date, inTokyo.sessions[0]!.date], ['2024-01-02', '2024-01-02'], 'who does not say lives where the deployment is');
  t.equal(sessionNumbers(sessionsOf(inTokyo, null))(inTokyo.scores.get('phq-9')![0]!), 1);
});

t.test('two answers around midnight are of one date or of two, whatever arrives first and whenever it becomes known where the client lives', async (t) => {
  const [first, late, early] = [phq9('q1', '2024-01-01T10:00:00Z', totalling(20)), phq9('q2', '2024-02-01T22:30:00Z', totalling(12)), phq9('q3', '2024-02-02T05:00:00Z', totalling(9))];
  const changes = (world: World): (string | undefined)[] => ['q2', 'q3'].map((id) => world.observation('change-from-baseline', id)?.['status'] as string | undefined).map((status) => (status === 'entered-in-error' ? undefined : status && 'there'));
  for (const [zone, expected] of [['UTC', ['there', 'there']], ['Europe/Berlin', ['there', 'there']], ['Pacific/Auckland', [undefined, 'there']], ['America/Los_Angeles', [undefined, 'there']]] as const) {
    const states = permutations<Resource>([first, late, early, living(zone)]).map((order) => {
      const world = new World();
      for (const each of order) world.write(each);
      t.same(changes(world), expected, `${zone}: ${order.map(({ id }) => id).join(' ')}`);
      return world.derivedState();
    });
    for (const state of states.slice(1)) t.strictSame(state, states[0]);
  }
});

t.test('moving to another zone computes anew what is on other dates then, and nothing else', async (t) => {
  const world = new World();
  for (const each of [living('Europe/Berlin'), phq9('q1', '2024-01-01T10:00:00Z', totalling(20)), phq9('q2', '2024-01-15T23:30:00Z', totalling(12)), phq9('q3', '2024-01-20T11:00:00+01:00', totalling(9))]) world.write(each);
  t.match(JSON.stringify(world.observation('change-from-baseline', 'q2')), /on 16 January 2024, 15 days later/);
  world.log.length = 0;
  world.write(living('Europe/Paris', { birthDate: '1990-01-01' }));
  t.same(world.log, [], 'the same dates');
  world.write(living('Europe/London'));
  t.match(JSON.stringify(world.observation('change-from-baseline', 'q2')), /on 15 January 2024, 14 days later/);
  t.match(world.observation('change-from-baseline', 'q2'), { status: 'amended' });
  t.match(world.observation('change-from-baseline', 'q3'), { status: 'final', meta: { versionId: '1' } });
});

t.test('days between two answers are those of the calendar: a fortnight is one whatever the hour, and where the clocks are put forward', async (t) => {
  const lasts = (zone: string, first: string, second: string): boolean => {
    const world = new World();
    for (const each of [living(zone), phq9('q0', '2024-01-15T18:00:00Z', totalling(18)), phq9('q1', first, totalling(4)), phq9('q2', second, totalling(3))]) world.write(each);
    return world.observation('sustained-remission', 'q2')?.['status'] === 'final';
  };
  t.ok(lasts('UTC', '2024-03-04T18:00:00Z', '2024-03-18T07:00:00Z'), 'from an evening to a morning');
  t.notOk(lasts('UTC', '2024-03-04T07:00:00Z', '2024-03-17T23:00:00Z'));
  t.ok(lasts('Europe/Berlin', '2024-03-22T17:00:00Z', '2024-04-05T16:00:00Z'), '14 times 24 hours less one');
  t.notOk(lasts('Europe/Berlin', '2024-03-22T23:30:00Z', '2024-04-05T16:00:00Z'), 'half past midnight of the day after');
  const world = new World();
  world.write({ resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', startDate: '2024-01-01', target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 4 }] });
  const status = (): unknown => (world.resources.get('Goal/g')!['achievementStatus'] as { coding: { code: string }[] }).coding[0]!.code;
  for (const [i, at] of ['2024-03-04T18:00:00Z', '2024-03-18T18:00:00Z', '2024-04-01T07:00:00Z'].entries()) world.write(phq9(`g${i}`, at, totalling(4)));
  t.equal(status(), 'sustaining', 'four weeks');
  for (const [i, at] of ['2024-03-04T18:00:00Z', '2024-03-18T18:00:00Z', '2024-04-29T07:00:00Z'].entries()) world.write(phq9(`g${i}`, at, totalling(9)));
  t.equal(status(), 'no-progress', 'eight weeks');
  const task = (world: World): boolean => world.all('Task').some(({ reasonCode }) => JSON.stringify(reasonCode).includes('rapid-worsening'));
  for (const [at, asked] of [['2024-03-18T18:00:00Z', true], ['2024-03-19T06:00:00Z', false]] as const) {
    const worse = new World();
    for (const each of [phq9('r1', '2024-03-04T09:00:00Z', totalling(5)), phq9('r2', at, totalling(17))]) worse.write(each);
    t.equal(task(worse), asked, `worse by 12 on the 4th and at ${at}`);
  }
});

t.test('another time zone of the deployment is found when a record is computed anew', async (t) => {
  const world = new World();
  for (const each of [phq9('q1', '2024-01-01T10:00:00Z', totalling(20)), phq9('q2', '2024-01-15T23:30:00Z', totalling(12))]) world.write(each);
  const stored = new Map([...world.resources].map(([key, resource]) => [key, new StoredResource(JSON.stringify(resource))]));
  const entries = [...world.resources.values()].flatMap((resource) => recordEntries(resource, { registry }));
  const context = { registry, now: world.now, device: 'Device/intersession-1', patient: 'Patient/p' };
  t.same(differences(entries, stored, context), []);
  const found = differences(entries, stored, { ...context, zone: 'Europe/Berlin' });
  t.same(new Map(found.map(({ id, why }) => [id, why])), new Map((['score', 'change-from-baseline'] as const).map((rule) => [world.observation(rule, 'q2')!.id!, 'note'])), 'the words that name the date');
});

t.test('a goal is past its day when that day is over where the client lives', async (t) => {
  const goal: Resource = { resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', startDate: '2024-01-01', target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 4, dueDate: '2024-03-01' }] };
  for (const [zone, now, expected] of [['America/New_York', '2024-03-02T04:00:00Z', 'improving'], ['America/New_York', '2024-03-02T05:00:00Z', 'not-achieved'], ['Pacific/Auckland', '2024-03-01T11:00:00Z', 'not-achieved']] as const) {
    const world = new World();
    world.now = now;
    for (const each of [living(zone), phq9('q1', '2024-01-01T10:00:00Z', totalling(20)), phq9('q2', '2024-02-01T10:00:00Z', totalling(12)), goal]) world.write(each);
    t.match(world.resources.get('Goal/g'), { achievementStatus: { coding: [{ code: expected }] } }, `${zone} ${now}`);
  }
});

t.test('dates and midnights agree with the clocks of every zone, also where days are remembered', async (t) => {
  const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'Asia/Kathmandu', 'Africa/Casablanca', 'Australia/Lord_Howe', 'America/Santiago'];
  const clock = new Map(zones.map((zone) => [zone, new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' })]));
  fc.assert(fc.property(fc.constantFrom(...zones), fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(2037, 0, 1) }), (zone, at) => {
    const date = localDate(at, zone);
    t.equal(date, clock.get(zone)!.format(at), `${zone} ${new Date(at).toISOString()}`);
    t.ok(instantAt(date, 0, zone) <= at && at < endOf(date, zone)!, `${zone} ${date}: within its day`);
  }), { numRuns: 400 });
  t.equal(momentOf('2024-01-15', 'Europe/Berlin'), Date.parse('2024-01-14T23:00:00Z'));
  t.equal(momentOf('2024-07', 'America/New_York'), Date.parse('2024-07-01T04:00:00Z'));
  t.same(['2024', '2024-02', '2024-12'].map((period) => new Date(endOf(period, 'UTC')!).toISOString().slice(0, 10)), ['2025-01-01', '2024-03-01', '2025-01-01'], 'a month and a year last to their end');
});

t.test('a time is the same however it is read, in every year', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9998-12-31T23:59:59Z'), noInvalidDate: true }), fc.constantFrom('Z', '+14:00', '-09:30'), (date, offset) => {
    const text = `${date.toISOString().slice(0, 19)}${offset}`;
    return instant(text) === Date.parse(text);
  }), { seed: 20240331, numRuns: 500, examples: [[new Date('0024-03-05T10:00:00Z'), 'Z'], [new Date('0099-12-28T10:00:00Z'), '+14:00'], [new Date('0100-01-01T00:00:00Z'), 'Z'], [new Date('2024-02-29T23:59:59Z'), '-09:30']] }));
});
