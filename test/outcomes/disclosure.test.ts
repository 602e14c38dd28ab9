import fc from 'fast-check';
import t from 'tap';
import { mayBeShown, type Cell } from '../../src/outcomes/disclosure.ts';
import { calendarParts, isOfCalendar } from '../../src/outcomes/measures/calendar.ts';
import type { MeasurementPeriod, Membership } from '../../src/outcomes/measures/membership.ts';
import { reportCells } from '../../src/outcomes/measures/report-cells.ts';
import type { Counts } from '../../src/outcomes/suppression.ts';

// What somebody who may see numbers, and not the people in them, can find out by adding and subtracting.

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

t.test('reports for those who may not know individuals are of months, quarters and years of the calendar', async (t) => {
  t.same(calendarParts(wholeYear), { parts: [{ period: wholeYear }], own: 0 });
  t.same(calendarParts(quarters[2]!), { parts: [{ period: wholeYear }, ...quarters.map((period) => ({ period, partOf: 0 }))], own: 3 });
  for (const [from, to] of [['2025-01-01', '2025-12-31'], ['2025-02-01', '2025-05-01'], ['2025-01-01', '2025-07-01'], ['2025-07-01', '2026-07-01']] as const) t.notOk(calendarParts(span(from, to)) ?? isOfCalendar(span(from, to)), `${from} to ${to}`);
  t.ok(isOfCalendar(span('2024-02-01', '2024-03-01')) && isOfCalendar(quarters[0]!) && isOfCalendar(wholeYear));
  t.equal(calendarParts(span('2025-02-01', '2025-03-01')), undefined, 'a month has no strata to be told with it');
});

t.test('quarters that are small together are hidden with another one', async (t) => {
  const sizes = [14, 12, 2, 2];
  const memberships = quarters.map((_, quarter) => cases(`q${quarter}`, sizes[quarter]!).map((unit): Membership =>
    ({ patient: unit, unit, denominator: true, exclusion: false, numerator: true, evaluated: [], strata: { team: 't' } })));
  const shown = quarters.map((quarter) => {
    const { parts, own } = calendarParts(quarter)!;
    return reportCells(parts.map((part, at) => ({ ...part, memberships: at === 0 ? memberships.flat() : memberships[at - 1]! })), own, ['team']);
  });
  t.same(shown.map((mayShow) => mayShow()), [true, false, false, false], 'four in two quarters are the year less the others');
  t.notOk(shown[0]!('team', 't'), 'strata are of years');
});

t.test('of the reports of a year and its quarters together no few are known: no cell, and no part that strata of two kinds have in common', async () => {
  const one = fc.record({ at: fc.nat({ max: 364 }), practitioner: fc.nat({ max: 2 }), elsewhere: fc.integer({ min: 0, max: 9 }), problem: fc.nat({ max: 2 }), better: fc.boolean() });
  const kinds = ['practitioner', 'team', 'problem'] as const;
  let numbers = 0;
  fc.assert(fc.property(fc.array(one, { minLength: 20, maxLength: 90 }), (people) => {
    const all = people.map(({ at, practitioner, elsewhere, problem, better }, i): Membership & { at: number } => ({
      at: wholeYear.start + at * 86_400_000, patient: `p${i}`, unit: `e${i}`, denominator: true, exclusion: false, numerator: better, evaluated: [],
      strata: { practitioner: `x${practitioner}`, team: elsewhere === 0 ? 't2' : `t${practitioner >> 1}`, problem: `q${problem}` },
    }));
    const within = ({ start, end }: MeasurementPeriod): typeof all => all.filter(({ at }) => at >= start && at < end);
    const vector = (members: readonly Membership[]): number[] => all.map((each) => (members.includes(each) ? 1 : 0));
    const known: number[][] = [];
    const secret: (readonly Membership[])[] = [];
    const isFew = (members: readonly Membership[]): boolean => members.length > 0 && (members.length < 5 || members.filter(({ numerator }) => numerator).length < 5);
    for (const period of [wholeYear, ...quarters]) {
      const { parts, own } = calendarParts(period)!;
      const mayShow = reportCells(parts.map((part) => ({ ...part, memberships: within(part.period) })), own, kinds);
      const members = within(period);
      const cells = [[members, mayShow()] as const, ...kinds.flatMap((by) => [...Map.groupBy(members, ({ strata }) => strata[by]!)].map(([value, list]) => [list, mayShow(by, value)] as const))];
      for (const [list, isShown] of cells) (isShown ? known : []).push(vector(list));
      secret.push(...(period === wholeYear ? cells.map(([list]) => list) : [members]).filter(isFew));
      if (cells.some(([list, isShown]) => isShown && (list.length === 0 || isFew(list)))) return false;
    }
    for (const by of kinds) for (const other of kinds) if (by < other) secret.push(...[...Map.groupBy(all, ({ strata }) => `${strata[by]!} ${strata[other]!}`).values()].filter((list) => list.length < 5));
    numbers += known.length;
    return secret.every((list) => !isCombination(vector(list), known));
  }), { numRuns: 40, seed: 11 });
  t.ok(numbers > 200, `${numbers} numbers are shown`);
});
