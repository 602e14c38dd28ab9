import { monthsAfter } from './moments.ts';
import type { MeasurementPeriod } from './membership.ts';

/** The periods of which reports with hidden numbers are given: months, quarters and years of the calendar. Pure. */

export interface CalendarPart { readonly period: MeasurementPeriod; /** The place of the period that it is a part of. */ readonly partOf?: number }

/** The year, its quarters, its months, as far as they are needed to see what can be told of one of them; `own`: the place of that one. */
export interface CalendarParts { readonly parts: readonly CalendarPart[]; readonly own: number }

/** @returns undefined where `period` is no month, quarter or year. */
export function calendarParts({ start, end }: MeasurementPeriod): CalendarParts | undefined {
  const january = Date.UTC(new Date(start).getUTCFullYear(), 0, 1);
  const parts: CalendarPart[] = [];
  for (const [months, parents] of [[12, []], [3, [0]], [1, [1, 2, 3, 4]]] as const) {
    const size = 12 / months;
    parts.push(...Array.from({ length: size }, (_, at): CalendarPart => ({
      period: { start: monthsAfter(january, at * months), end: monthsAfter(january, (at + 1) * months) },
      ...(parents.length === 0 ? {} : { partOf: parents[Math.floor((at * parents.length) / size)]! }),
    })));
    const own = parts.findIndex(({ period }) => period.start === start && period.end === end);
    if (own !== -1) return { parts, own };
  }
  return undefined;
}
