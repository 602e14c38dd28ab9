import { z } from 'zod';
import { instantAt, isTimeZone, localDate } from './local-time.ts';

const clock = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time such as 09:00');
const spans = z.array(z.tuple([clock, clock]).refine(([from, to]) => from < to, 'must end after it begins; a span over midnight is two'));

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** When somebody of the organisation looks at what comes in. */
export const staffedHours = z.strictObject({
  timeZone: z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin'),
  /** Local times of each day of the week on which there is staff. */
  week: z.partialRecord(z.enum(weekdays), spans),
  /** Dates without staff. */
  closed: z.array(z.string().regex(/^\d{4}-\d\d-\d\d$/, 'must be a date')).default([]),
});
export type StaffedHours = z.infer<typeof staffedHours>;

const day = 86_400_000;
/** How far ahead is looked for staff: longer than any closure. */
const horizonDays = 60;

const minutesOf = (text: string): number => 60 * Number(text.slice(0, 2)) + Number(text.slice(3));
const nextDate = (date: string): string => new Date(Date.parse(date) + day).toISOString().slice(0, 10);

function spansOn({ week, closed, timeZone }: StaffedHours, date: string): { from: number; to: number }[] {
  if (closed.includes(date)) return [];
  const list = week[weekdays[new Date(date).getUTCDay()]!] ?? [];
  return list.map(([from, to]) => ({ from: instantAt(date, minutesOf(from), timeZone), to: instantAt(date, minutesOf(to), timeZone) })).sort((a, b) => a.from - b.from);
}

/** The staffed spans that end after `at`, in order. */
function* spansAfter(hours: StaffedHours, at: number): Generator<{ from: number; to: number }> {
  let date = localDate(at, hours.timeZone);
  for (let n = 0; n < horizonDays; n += 1, date = nextDate(date)) {
    for (const span of spansOn(hours, date)) if (span.to > at) yield span;
  }
}

/** @returns the first instant from `at` on at which there is staff (`at` itself where there is); null: not within two months. */
export function nextStaffed(hours: StaffedHours, at: number): number | null {
  for (const { from } of spansAfter(hours, at)) return Math.max(from, at);
  return null;
}

/** @returns when `minutes` of staffed time have passed since `at`; null: not within two months. */
export function afterStaffed(hours: StaffedHours, at: number, minutes: number): number | null {
  let left = minutes * 60_000;
  for (const { from, to } of spansAfter(hours, at)) {
    const begin = Math.max(from, at);
    if (to - begin >= left) return begin + left;
    left -= to - begin;
  }
  return null;
}

/**
 * @returns the same time by the clock on the wall after `days` working days: days with staff, or Monday to Friday (UTC) where no hours are
 * set. Where clocks changed in between that is an hour more or less.
 */
export function afterWorkingDays(hours: StaffedHours | undefined, at: number, days: number): number {
  const zone = hours?.timeZone ?? 'UTC';
  let date = localDate(at, zone);
  const minutes = minutesInto(date, at, zone);
  for (let left = days, n = 0; left > 0 && n < horizonDays; n += 1) {
    date = nextDate(date);
    const weekday = new Date(date).getUTCDay();
    if (hours === undefined ? weekday !== 0 && weekday !== 6 : spansOn(hours, date).length > 0) left -= 1;
  }
  return instantAt(date, minutes, zone);
}

/** What the clock on the wall shows at `at`, in minutes since midnight of `date`: on a day on which it changes not the time that passed. */
function minutesInto(date: string, at: number, zone: string): number {
  const passed = (at - instantAt(date, 0, zone)) / 60_000;
  return passed + (at - instantAt(date, passed, zone)) / 60_000;
}
