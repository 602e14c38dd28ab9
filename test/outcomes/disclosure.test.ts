import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { mayBeShown as decided, type Cell } from '../../src/outcomes/disclosure.ts';
import { asFarAsOver, calendarParts, datesOf, insteadOf, isOfCalendar } from '../../src/outcomes/measures/calendar.ts';
import type { MeasurementPeriod, Membership } from '../../src/outcomes/measures/membership.ts';
import { reportCells, type MayShow } from '../../src/outcomes/measures/report-cells.ts';
import { inPieces } from '../../src/operations/caseload.ts';
import type { Counts } from '../../src/outcomes/suppression.ts';
import { atOnce, counted } from '../kit/pieces.ts';

// What somebody who may see numbers, and not the people in them, can find out by adding and subtracting.

const mayBeShown = (cells: readonly Cell[]): boolean[] => atOnce(decided(cells));
const counts = (denominator: number, numerator: number): Counts => ({ numerator, denominator });
const cases = (name: string, n: number): string[] => Array.from({ length: n }, (_, at) => `${name}${at}`);

t.test('what is hidden cannot be had from what is shown: of one kind of strata, of two, of a year and its parts', async (t) => {
  const [ann, ben, cat] = [cases('a', 40), cases('b', 9), cases('c', 21)];
  const total: Cell = { counts: counts(70, 34), units: [...ann, ...ben, ...cat] };
  const part = (units: readonly string[], numerator: number, name = 'practitioner'): Cell => ({ counts: counts(units.length, numerator), units, within: 0, partOf: [{ name, of: 0 }] });
  t.same(mayBeShown([total, part(ann, 20), part(cat, 11), part(ben, 3)]), [true, true, false, false], 'the next smallest is hidden with it');
  t.same(mayBeShown([total, part(ann, 20), part(cat, 11), part(ben, 7)]), [true, true, true, true]);
  t.same(mayBeShown([{ ...total, counts: counts(70, 4) }, part(ann, 4)]), [false, false], 'without a total no part of it');
  t.same(mayBeShown([total, part(ann, 20), part(cat, 11), part([...ann, ...ben], 23, 'team'), part(cat, 11, 'team'), part(ben, 3)]), [true, true, false, false, false, false], 'a team that is one person less tells who that is');
  t.same(mayBeShown([total, part([...ann, ...ben], 23, 'team'), part(cat, 11, 'team'), part(ann, 20), part(cat, 11), part(ben, 3)]).slice(3), [false, true, false], 'the other way round as well');
  const quarter = (units: readonly string[], numerator: number): Cell => ({ counts: counts(units.length, numerator), units, partOf: [{ name: 'quarters', of: 0 }] });
  t.same(mayBeShown([total, quarter(ann, 20), quarter(cat, 11), quarter(ben, 3)]), [true, true, false, false], 'nor is a quarter the year less the others');
  const later = (cell: Cell): Cell => ({ ...cell, round: 1 });
  const year = [total, part(ann, 20), part(cat, 11)];
  t.same(mayBeShown([...year, later(quarter(ann.slice(3), 20)), later(quarter([...ann.slice(0, 3), ...cat], 14))]).slice(0, 3), mayBeShown(year), 'a quarter that is asked for changes nothing in the year');
  t.same(mayBeShown([...year, later(quarter(ann.slice(3), 20)), later(quarter(ann.slice(0, 3), 1)), later(quarter([...ben, ...cat], 14))]).slice(3), [false, false, true], 'and shows nothing that the year would complete');
  t.same(mayBeShown([total, part(ann, 20), part(cat, 12), part(cases('b', 4), 1), part(cases('b', 9).slice(4), 1)]), [true, true, false, false, false], 'two small ones together are small too');
});

/** Solves by fractions whether a set of cases is a sum of multiples of others: what somebody with a pencil could do. */
function isCombination(target: readonly number[], rows: readonly (readonly number[])[]): boolean {
  const table = target.map((_, column) => [...rows.map((row) => row[column]!), target[column]!]);
  let rank = 0;
  for (let column = 0; column < rows.length; column += 1) {
    const pivot = table.findIndex((row, at) => at >= rank && Math.abs(row[column]!) > 1e-9);
    if (pivot === -1) continue;
    [table[rank], table[pivot]] = [table[pivot]!, table[rank]!];
    const top = table[rank]!;
    for (const [at, row] of table.entries()) {
      if (at === rank) continue;
      const factor = row[column]! / top[column]!;
      for (const [place, value] of row.entries()) row[place] = value - factor * top[place]!;
    }
    rank += 1;
  }
  return table.slice(rank).every((row) => Math.abs(row.at(-1)!) < 1e-6);
}

t.test('of random tables with strata of three kinds no small cell is a combination of those shown', async () => {
  const one = fc.record({ practitioner: fc.nat({ max: 4 }), team: fc.nat({ max: 2 }), problem: fc.nat({ max: 3 }), better: fc.boolean() });
  fc.assert(fc.property(fc.array(one, { minLength: 5, maxLength: 80 }), (people) => {
    const cell = (isIn: (each: (typeof people)[number]) => boolean, more: object): Cell => {
      const units = people.flatMap((each, at) => (isIn(each) ? [String(at)] : []));
      return { counts: { denominator: units.length, numerator: units.filter((at) => people[Number(at)]!.better).length }, units, ...more };
    };
    const strata = (['practitioner', 'team', 'problem'] as const).flatMap((by) => [0, 1, 2, 3, 4].map((value) => cell((each) => each[by] === value, { within: 0, partOf: [{ name: by, of: 0 }] })));
    const table = [cell(() => true, {}), ...strata];
    const shown = mayBeShown(table);
    const vector = ({ units }: Cell): number[] => people.map((_, at) => (units.includes(String(at)) ? 1 : 0));
    const known = table.filter((_, at) => shown[at]).map(vector);
    return table.every((each, at) => {
      const isSmall = each.counts.denominator < 5 || each.counts.numerator < 5;
      return !isSmall || (!shown[at] && (each.units.length === 0 || !isCombination(vector(each), known)));
    });
  }), { numRuns: 60 });
});

const span = (from: string, to: string): MeasurementPeriod => ({ start: Date.parse(from), end: Date.parse(to) });
const wholeYear = span('2025-01-01', '2026-01-01');
const quarters = [span('2025-01-01', '2025-04-01'), span('2025-04-01', '2025-07-01'), span('2025-07-01', '2025-10-01'), span('2025-10-01', '2026-01-01')];

const soFar = [span('2025-01-01', '2025-10-01'), span('2025-01-01', '2025-07-01')];
const later = Date.parse('2027-02-03');

t.test('reports for those who may not know individuals are of months, quarters and years of the calendar, and of a year so far, once they are over', async (t) => {
  const parted = quarters.map((period) => ({ period, partOf: 0 }));
  t.same(calendarParts(wholeYear, later), { parts: [{ period: wholeYear }], own: 0, withStrata: true });
  t.same(calendarParts(quarters[2]!, later), { parts: [wholeYear, ...soFar].map((period): object => ({ period })).concat(parted), own: 5, withStrata: true });
  t.equal(calendarParts(soFar[1]!, later)!.own, 2);
  for (const [from, to] of [['2025-01-01', '2025-12-31'], ['2025-02-01', '2025-05-01'], ['2025-01-01', '2025-06-30'], ['2025-07-01', '2026-07-01'], ['2025-04-01', '2025-10-01'], ['2025-01-01', '2025-05-01'], ['2026-10-01', '2027-04-01']] as const) t.notOk(calendarParts(span(from, to), later) ?? isOfCalendar(span(from, to), later), `${from} to ${to}`);
  t.ok(isOfCalendar(span('2024-02-01', '2024-03-01'), later) && isOfCalendar(quarters[0]!, later) && isOfCalendar(wholeYear, later) && isOfCalendar(soFar[0]!, later));
  t.equal(calendarParts(span('2025-02-01', '2025-03-01'), later), undefined, 'a month has no strata to be told with it');

  const november = Date.parse('2025-11-25T10:00:00Z');
  t.same(calendarParts(soFar[0]!, november), { parts: [{ period: soFar[0] }], own: 0, withStrata: false }, 'this year so far, without strata');
  t.same(calendarParts(quarters[0]!, november), { parts: [{ period: soFar[0] }, { period: soFar[1] }, ...parted.slice(0, 3)], own: 2, withStrata: false }, 'what is not over is not counted: it would show day by day');
  for (const period of [wholeYear, quarters[3]!, span('2025-11-01', '2025-12-01')]) t.notOk(isOfCalendar(period, november));
  t.ok(isOfCalendar(quarters[3]!, wholeYear.end) && isOfCalendar(span('2025-10-01', '2025-11-01'), november));
  t.same(calendarParts(quarters[0]!, Date.parse('2025-04-01')), { parts: [{ period: quarters[0] }], own: 0, withStrata: false });
});

t.test('who asks for a period that is not given is told which to ask for', async (t) => {
  const told = (from: string, to: string, now: string): string => insteadOf(span(from, to), Date.parse(now)).map((period) => Object.values(datesOf(period)).join('..')).join(' ');
  t.equal(told('2025-01-01', '2026-01-01', '2025-11-25'), '2025-01-01..2025-09-30 2025-07-01..2025-09-30 2024-01-01..2024-12-31');
  t.equal(told('2025-02-10', '2025-05-01', '2026-02-01'), '2025-01-01..2025-12-31 2025-01-01..2025-03-31', 'of a year that is over');
  t.equal(told('2024-02-29', '2024-03-01', '2024-05-01'), '2024-01-01..2024-03-31 2023-01-01..2023-12-31', 'one quarter is over: the year so far is that');
  t.equal(told('2030-01-01', '2031-01-01', '2026-02-01'), '2025-01-01..2025-12-31', 'nothing of this year is over');
  const random = fc.record({ from: fc.integer({ min: 0, max: 40_000 }), days: fc.integer({ min: 1, max: 900 }), now: fc.integer({ min: 18_000, max: 22_000 }) });
  fc.assert(fc.property(random, ({ from, days, now }) => insteadOf({ start: from * 86_400_000, end: (from + days) * 86_400_000 }, now * 86_400_000).every((period) => calendarParts(period, now * 86_400_000) !== undefined)), { numRuns: 200 });
  const asked = (from: string, to: string, now: string): string => Object.values(datesOf(asFarAsOver(span(from, to), Date.parse(now)))).join('..');
  t.equal(asked('2025-01-01', '2026-01-01', '2025-11-25'), '2025-01-01..2025-09-30', 'this year');
  t.equal(asked('2025-01-01', '2025-11-26', '2025-11-25'), '2025-01-01..2025-09-30', 'until today');
  t.equal(asked('2025-07-01', '2026-01-01', '2025-11-25'), '2025-07-01..2025-09-30');
  t.equal(asked('2025-01-01', '2025-08-01', '2025-11-25'), '2025-01-01..2025-07-31', 'what is over stays as it was asked for');
  t.equal(asked('2025-01-01', '2027-01-01', '2025-11-25'), '2025-01-01..2026-12-31');
  t.equal(asked('2025-01-01', '2026-01-01', '2025-02-25'), '2025-01-01..2025-12-31', 'nothing of it is over');
});

/** What is shown of each of a year's reports to somebody who has them all. */
function reportsOf(within: (period: MeasurementPeriod) => readonly Membership[], kinds: readonly string[], now: number): { period: MeasurementPeriod; mayShow: MayShow }[] {
  return [wholeYear, ...soFar, ...quarters].flatMap((period) => {
    const found = calendarParts(period, now);
    return found === undefined ? [] : [{ period, mayShow: atOnce(reportCells(found.parts.map((part) => ({ ...part, memberships: within(part.period) })), found.own, found.withStrata ? kinds : [])) }];
  });
}

t.test('quarters that are small together are hidden with another one, and so are those of a year so far', async (t) => {
  const shown = (sizes: readonly number[], now = later): string => {
    const all = quarters.flatMap((quarter, at) => cases(`q${at}`, sizes[at]!).map((unit): Membership & { at: number } =>
      ({ at: quarter.start, patient: unit, unit, denominator: true, exclusion: false, numerator: true, evaluated: [], strata: { team: 't' } })));
    const found = reportsOf(({ start, end }) => all.filter(({ at }) => at >= start && at < end), ['team'], now);
    for (const { period, mayShow } of found) t.equal(mayShow('team', 't'), period === wholeYear, 'strata are of years');
    return found.map(({ period, mayShow }) => (mayShow() ? Object.values(datesOf(period)).map((date) => date.slice(5)).join('..') : 'hidden')).join(' ');
  };
  t.equal(shown([14, 12, 2, 2]), '01-01..12-31 hidden hidden 01-01..03-31 hidden hidden hidden', 'four in two quarters are the year less the others');
  t.equal(shown([14, 12, 9, 2]), '01-01..12-31 hidden 01-01..06-30 01-01..03-31 04-01..06-30 hidden hidden', 'two in the last are the year less the year so far');
  t.equal(shown([2, 12, 9, 9]), '01-01..12-31 01-01..09-30 01-01..06-30 hidden hidden 07-01..09-30 10-01..12-31', 'two in the first are the first two less the second');
  t.equal(shown([3, 3, 9, 20], Date.parse('2025-11-25')), '01-01..09-30 01-01..06-30 hidden hidden 07-01..09-30', 'what is to come tells nothing of what is over');
});

t.test('of the reports of a year, its quarters and its first quarters together no few are known: no cell, and no part that strata of two kinds have in common', async () => {
  const one = fc.record({ at: fc.nat({ max: 364 }), practitioner: fc.nat({ max: 2 }), elsewhere: fc.integer({ min: 0, max: 9 }), problem: fc.nat({ max: 2 }), better: fc.boolean() });
  const kinds = ['practitioner', 'team', 'problem'] as const;
  let numbers = 0;
  fc.assert(fc.property(fc.array(one, { minLength: 20, maxLength: 90 }), fc.constantFrom(later, Date.parse('2025-11-25')), (people, now) => {
    const all = people.map(({ at, practitioner, elsewhere, problem, better }, i): Membership & { at: number } => ({
      at: wholeYear.start + at * 86_400_000, patient: `p${i}`, unit: `e${i}`, denominator: true, exclusion: false, numerator: better, evaluated: [],
      strata: { practitioner: `x${practitioner}`, team: elsewhere === 0 ? 't2' : `t${practitioner >> 1}`, problem: `q${problem}` },
    }));
    const within = ({ start, end }: MeasurementPeriod): typeof all => all.filter(({ at }) => at >= start && at < end);
    const vector = (members: readonly Membership[]): number[] => all.map((each) => (members.includes(each) ? 1 : 0));
    const known: number[][] = [];
    const secret: (readonly Membership[])[] = [];
    const isFew = (members: readonly Membership[]): boolean => members.length > 0 && (members.length < 5 || members.filter(({ numerator }) => numerator).length < 5);
    for (const { period, mayShow } of reportsOf(within, kinds, now)) {
      const members = within(period);
      const cells = [[members, mayShow()] as const, ...kinds.flatMap((by) => [...Map.groupBy(members, ({ strata }) => strata[by]!)].map(([value, list]) => [list, mayShow(by, value)] as const))];
      for (const [list, isShown] of cells) (isShown ? known : []).push(vector(list));
      secret.push(...(period === wholeYear ? cells.map(([list]) => list) : [members]).filter(isFew));
      if (cells.some(([list, isShown]) => isShown && (list.length === 0 || isFew(list)))) return false;
    }
    // Nor of any stretch of quarters that the shorter reports are apart.
    for (const [at] of quarters.entries()) for (let to = at; to < 4; to += 1) secret.push(...[within({ start: quarters[at]!.start, end: quarters[to]!.end })].filter(isFew));
    for (const by of kinds) for (const other of kinds) if (by < other) secret.push(...[...Map.groupBy(all, ({ strata }) => `${strata[by]!} ${strata[other]!}`).values()].filter((list) => list.length < 5));
    numbers += known.length;
    return secret.every((list) => !isCombination(vector(list), known));
  }), { numRuns: 40, seed: 11 });
  t.ok(numbers > 100, `${numbers} numbers are shown`);
});

t.test('a decision about a large report stops often: others are answered meanwhile', async (t) => {
  const people = Array.from({ length: 3000 }, (_, at): Membership => ({
    patient: `p${at}`, unit: `e${at}`, denominator: true, exclusion: false, numerator: at % 3 > 0, evaluated: [], strata: { practitioner: `x${(at * at) % 97}`, team: `t${at % 5}`, problem: `q${(at * 7) % 23}` },
  }));
  const work = (): ReturnType<typeof reportCells> => reportCells([{ period: wholeYear, memberships: people }], 0, ['practitioner', 'team', 'problem']);
  const { result, pieces } = counted(work());
  t.ok(result() && pieces > 50, `${pieces} pieces`);
  const server = createServer((_, response) => { response.end('here'); });
  await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening); });
  t.teardown(() => { server.close(); });
  const order: string[] = [];
  const other = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers: { connection: 'close' } }).then(async (response) => order.push(await response.text()));
  let turns = 0;
  let isDone = false;
  const others = (): void => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  const mayShow = await inPieces(work());
  isDone = true;
  order.push('decided');
  await other;
  t.same(order, ['here', 'decided'], 'a request that comes meanwhile is answered first');
  t.ok(turns >= pieces - 1, `the event loop has a turn after each piece: ${turns}`);
  t.same(['x0', 'x1', 'x36'].map((value) => mayShow('practitioner', value)), ['x0', 'x1', 'x36'].map((value) => result('practitioner', value)), 'with the same result');
});
