import { instant } from './instant.ts';

/** Calendar days where the client lives: what is due "on Friday" is due when Friday is over there. Pure. */

const day = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  if (formats.size === mostZones) formats.clear();
  formats.set(zone, format);
  return format;
}

/** Names of zones may be written in capitals and otherwise: what is remembered of them is bounded. */
const mostZones = 1000, mostDays = 4000, mostDates = 40_000;

/** @returns whole days from one calendar date to another; of a dateTime the date as its author's clock wrote it. */
export const daysBetween = (from: string, to: string): number => Math.round((Date.parse(to.slice(0, 10)) - Date.parse(from.slice(0, 10))) / day);

/** @returns whether `zone` is a time zone of the IANA database, such as Europe/Berlin. */
export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What a clock in `zone` shows at `at`, as if it were UTC. */
function shown(at: number, zone: string): number {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(parts['year']!, parts['month']! - 1, parts['day'], parts['hour'], parts['minute'], parts['second']);
}

/** By zone: how far its clocks are ahead of UTC on each day since 1970 (in UTC); null for a day on which they change. A record has hundreds of times. */
const offsets = new Map<string, Map<number, number | null>>();
/** Before, towns had times of their own. */
const zonesBegan = Date.UTC(1900, 0, 1);

function offsetAt(at: number, zone: string): number {
  if (zone === 'UTC' || at < zonesBegan) return 0;
  const known = offsets.get(zone) ?? new Map<number, number | null>();
  if (known.size === 0) {
    if (offsets.size === mostZones) offsets.clear();
    offsets.set(zone, known);
  }
  const date = Math.floor(at / day);
  let offset = known.get(date);
  if (offset === undefined) {
    const [first, last] = [date * day, (date + 1) * day].map((time) => shown(time, zone) - time) as [number, number];
    offset = first === last ? first : null;
    if (known.size === mostDays) known.clear();
    known.set(date, offset);
  }
  if (offset !== null) return offset;
  const second = Math.floor(at / 1000) * 1000;
  return shown(second, zone) - second;
}

/**
 * @param at milliseconds since 1970
 * @returns the calendar date in `zone`, e.g. 2024-03-31
 */
export const localDate = (at: number, zone: string): string => dateText(Math.floor((at + offsetAt(at, zone)) / day));

const dates = new Map<number, string>();

/** The date so many days after 1 January 1970; of a record the same are asked for again and again, and writing one takes longer than finding it. */
function dateText(days: number): string {
  let text = dates.get(days);
  if (text === undefined) {
    text = new Date(days * day).toISOString().slice(0, 10);
    if (dates.size === mostDates) dates.clear();
    dates.set(days, text);
  }
  return text;
}

/** @returns the calendar date so many days after `date`, before it where `days` is below 0. */
export const dayAfter = (date: string, days: number): string => new Date(Date.parse(date) + days * day).toISOString().slice(0, 10);

/**
 * The calendar date that a FHIR dateTime says: the one on the author's own clock where it has an offset, else the one in `zone`.
 * @returns undefined for what is no date
 */
export function dateOf(dateTime: string, zone: string): string | undefined {
  const hasDay = dateTime.length >= 10 && dateTime.charCodeAt(4) === 45 && dateTime.charCodeAt(7) === 45;
  if (zone === 'UTC' || (dateTime.charCodeAt(dateTime.length - 1) | 32) !== 122) return hasDay ? dateTime.slice(0, 10) : undefined;
  const at = instant(dateTime);
  return at === null ? undefined : localDate(at, zone);
}

/** @returns the same for the engine: of a date without a day what it says, YYYY-MM or YYYY. */
export const dayIn = (dateTime: string, zone: string): string => dateOf(dateTime, zone) ?? dateTime.slice(0, 10);

/** @returns when a clock in `zone` shows `minutes` after midnight of `date`; for a time that clocks skip, as much later as they skip. */
export function instantAt(date: string, minutes: number, zone: string): number {
  const wanted = Date.parse(date) + minutes * 60_000;
  // The offset just before the change applies to the first guess, the one after it to the second; more than two do not differ.
  const first = wanted - offsetAt(wanted, zone);
  return wanted - offsetAt(first, zone);
}

/** @returns milliseconds of a FHIR date, dateTime or instant, of a date its first moment in `zone`; null for what is none. */
export function momentOf(dateTime: string | undefined, zone: string): number | null {
  const at = instant(dateTime);
  return at === null || dateTime!.length > 10 ? at : instantAt(new Date(at).toISOString(), 0, zone);
}

/** @returns the first instant after `date` in `zone`; days on which clocks change are an hour shorter or longer. */
export const endOfDay = (date: string, zone: string): number => instantAt(date, 24 * 60, zone);

/**
 * @returns the first instant after the period that a FHIR date or dateTime stands for: for a date the end of that day in `zone`
 * (http://hl7.org/fhir/R4/datatypes.html#Period: an end without a time includes that whole day), of a month or a year its end; null for none
 */
export function endOf(dateTime: string | undefined, zone: string): number | null {
  if (dateTime === undefined) return null;
  if (/^\d{4}-\d{2}-\d{2}$/.test(dateTime)) return endOfDay(dateTime, zone);
  if (/^\d{4}(-\d{2})?$/.test(dateTime)) return instantAt(nextPeriod(dateTime), 0, zone);
  const at = Date.parse(dateTime);
  return Number.isNaN(at) ? null : at;
}

/** The first day after the month YYYY-MM or the year YYYY. */
function nextPeriod(text: string): string {
  const [year, month] = text.split('-').map(Number) as [number, number?];
  const next = month === undefined || month === 12 ? [year + 1, 1] : [year, month + 1];
  return `${String(next[0]).padStart(4, '0')}-${String(next[1]).padStart(2, '0')}-01`;
}
