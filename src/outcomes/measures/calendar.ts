import { monthsAfter } from './moments.ts';
import type { MeasurementPeriod } from './membership.ts';

/**
 * The periods of which reports with hidden numbers are given. Of a year of the calendar: its months, its quarters, its first quarters
 * together (of this year: the year so far) and the whole, each once it is over. Pure.
 */

export interface CalendarPart { readonly period: MeasurementPeriod; /** The place of the period that it is a part of, with the others that say so. */ readonly partOf?: number }

/** The period that is reported, at the place `own`, with those of its year beside which it must not give anything away. */
export interface CalendarParts {
  /** The first is the year, as far as its quarters are over. */
  readonly parts: readonly CalendarPart[];
  readonly own: number;
  /** Whether the first is a whole year, of which there are strata. */
  readonly withStrata: boolean;
}

/** @returns the months of the year in which `period` begins, or its quarters, or the whole, as `months` is 1, 3 or 12. */
function partsOf({ start }: MeasurementPeriod, months: 1 | 3 | 12): MeasurementPeriod[] {
  const january = Date.UTC(new Date(start).getUTCFullYear(), 0, 1);
  return Array.from({ length: 12 / months }, (_, at) => ({ start: monthsAfter(january, at * months), end: monthsAfter(january, (at + 1) * months) }));
}

const quartersOfYear = 4;

const isSame = (one: MeasurementPeriod, other: MeasurementPeriod): boolean => one.start === other.start && one.end === other.end;

const over = (periods: readonly MeasurementPeriod[], now: number): MeasurementPeriod[] => periods.filter(({ end }) => end <= now);

/** @returns whether `period` is over and one of those of which reports are given. */
export const isOfCalendar = (period: MeasurementPeriod, now: number): boolean => over(partsOf(period, 1), now).some((month) => isSame(month, period)) || calendarParts(period, now) !== undefined;

/** @returns the year alone, as far as it is over; a shorter period with that and the others of it; undefined for a period of which there are no reports. */
export function calendarParts(period: MeasurementPeriod, now: number): CalendarParts | undefined {
  const quarters = over(partsOf(period, 3), now);
  const [first] = quarters;
  if (first === undefined) return undefined;
  const withStrata = quarters.length === quartersOfYear;
  const [whole, ...shorter] = quarters.map(({ end }) => ({ start: first.start, end })).reverse() as [MeasurementPeriod, ...MeasurementPeriod[]];
  if (isSame(period, whole)) return { parts: [{ period }], own: 0, withStrata };
  const parts: CalendarPart[] = [{ period: whole }, ...shorter.slice(0, -1).map((each) => ({ period: each })), ...quarters.map((quarter) => ({ period: quarter, partOf: 0 }))];
  const own = parts.findIndex((part) => isSame(part.period, period));
  return own === -1 ? undefined : { parts, own, withStrata };
}

/** @returns `period` as far as the quarters of this year are over, where it is to end with a day of this year after them. */
export function asFarAsOver(period: MeasurementPeriod, now: number): MeasurementPeriod {
  const [year] = partsOf({ start: now, end: now }, 12) as [MeasurementPeriod];
  const last = over(partsOf(year, 3), now).at(-1);
  return last === undefined || period.end <= last.end || period.end > year.end ? period : { start: period.start, end: last.end };
}

/**
 * @returns periods of which there are reports, to ask for in place of `period`: the year in which it begins and the quarter, where
 * they are over; else this year so far, its last quarter, and the year before.
 */
export function insteadOf(period: MeasurementPeriod, now: number): MeasurementPeriod[] {
  const near = [...over(partsOf(period, 12), now), ...over(partsOf(period, 3), now).filter(({ start, end }) => start <= period.start && period.start < end)];
  if (near.length === 2) return near;
  const today = { start: now, end: now };
  const quarters = over(partsOf(today, 3), now);
  const [january] = partsOf(today, 1) as [MeasurementPeriod];
  return [
    ...(quarters.length > 1 ? [{ start: january.start, end: quarters.at(-1)!.end }] : []), ...quarters.slice(-1),
    ...partsOf({ start: january.start - 1, end: january.start }, 12),
  ];
}

/** @returns the first and the last day of a period, as dates. */
export const datesOf = ({ start, end }: MeasurementPeriod): { start: string; end: string } => ({ start: new Date(start).toISOString().slice(0, 10), end: new Date(end - 1).toISOString().slice(0, 10) });
