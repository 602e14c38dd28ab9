import { monthsAfter } from './moments.ts';
import type { MeasurementPeriod } from './membership.ts';

/** The periods of which reports with hidden numbers are given: months, quarters and years of the calendar. Pure. */

export interface CalendarPart { readonly period: MeasurementPeriod; /** The place of the period that it is a part of. */ readonly partOf?: number }

/** A year and its quarters, where a quarter is asked for; `own`: the place of the period that is. */
export interface CalendarParts { readonly parts: readonly CalendarPart[]; readonly own: number }

/** @returns the twelve months of the year in which `period` begins, or its quarters, or the whole, as `months` is 1, 3 or 12. */
function partsOf({ start }: MeasurementPeriod, months: 1 | 3 | 12): MeasurementPeriod[] {
  const january = Date.UTC(new Date(start).getUTCFullYear(), 0, 1);
  return Array.from({ length: 12 / months }, (_, at) => ({ start: monthsAfter(january, at * months), end: monthsAfter(january, (at + 1) * months) }));
}

const isOne = ({ start, end }: MeasurementPeriod, of: readonly MeasurementPeriod[]): boolean => of.some((each) => each.start === start && each.end === end);

/** @returns whether `period` is a month, a quarter or a year. */
export const isOfCalendar = (period: MeasurementPeriod): boolean => ([1, 3, 12] as const).some((months) => isOne(period, partsOf(period, months)));

/** @returns a year alone, a quarter with its year and the other quarters; undefined for what is neither. */
export function calendarParts(period: MeasurementPeriod): CalendarParts | undefined {
  const [year, quarters] = [partsOf(period, 12), partsOf(period, 3)];
  if (isOne(period, year)) return { parts: [{ period }], own: 0 };
  if (!isOne(period, quarters)) return undefined;
  return { parts: [{ period: year[0]! }, ...quarters.map((quarter) => ({ period: quarter, partOf: 0 }))], own: 1 + quarters.findIndex(({ start }) => start === period.start) };
}
