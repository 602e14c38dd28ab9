import { dateRange } from '../../fhir/dates.ts';
import { dayAfter } from '../local-time.ts';

/**
 * Points in time as CQL compares them (CQL 1.5, Author's Guide, "Comparing Dates and Times"): as far as both are written down, and
 * what cannot be told from that is not so. Compared by day, each counts by the date that is written; otherwise by its instant. Pure.
 */
export interface Moment {
  /** In UTC, as far as it is known: `2024-03-10T09:00:00.000Z`, or a date, a month or a year. */
  readonly utc: string;
  /** The date as it was written, in whatever offset. */
  readonly date: string;
}

/** How two moments are compared. */
export type Precision = 'instant' | 'day';

/** Both ends belong to it; one that is undefined is not known. */
export interface Stretch { readonly low: Moment | undefined; readonly high: Moment | undefined }

const earliest: Moment = { utc: '0001-01-01T00:00:00.000Z', date: '0001-01-01' };
const latest: Moment = { utc: '9999-12-31T23:59:59.999Z', date: '9999-12-31' };
/** Where nothing is said of a beginning, or of an end. */
export const always: Stretch = { low: earliest, high: latest };

/** @returns the moment that a FHIR date, dateTime or instant names; undefined where it is none. */
export function momentOf(text: unknown): Moment | undefined {
  const low = typeof text === 'string' ? dateRange(text)?.low : undefined;
  if (low === undefined) return undefined;
  const written = text as string;
  return { utc: written.includes('T') ? new Date(low).toISOString() : written, date: written.slice(0, 10) };
}

/** @returns the moment of milliseconds since 1970, in UTC. */
export function utcMoment(at: number): Moment {
  const utc = new Date(at).toISOString();
  return { utc, date: utc.slice(0, 10) };
}

/** @returns a date without a time: a day, a month or a year. */
export const dateOnly = (date: string): Moment => ({ utc: date, date });

/** @returns below 0, 0 or above 0 as `a` is before, at or after `b`; undefined where what is written does not tell. */
function compare(a: Moment, b: Moment, by: Precision): number | undefined {
  const [x, y] = by === 'day' ? [a.date, b.date] : [a.utc, b.utc];
  const known = Math.min(x.length, y.length);
  const [one, other] = [x.slice(0, known), y.slice(0, known)];
  if (one !== other) return one < other ? -1 : 1;
  return x.length === y.length ? 0 : undefined;
}

/** Whether `a` is surely at or before `b`. */
export function notAfter(a: Moment | undefined, b: Moment | undefined, by: Precision): boolean {
  const order = a === undefined || b === undefined ? undefined : compare(a, b, by);
  return order !== undefined && order <= 0;
}

/** Whether `a` is surely before `b`. */
export function before(a: Moment | undefined, b: Moment | undefined, by: Precision): boolean {
  const order = a === undefined || b === undefined ? undefined : compare(a, b, by);
  return order !== undefined && order < 0;
}

/** Whether `point` is surely within `stretch`. */
export const within = (point: Moment | undefined, { low, high }: Stretch, by: Precision): boolean => notAfter(low, point, by) && notAfter(point, high, by);

/** Whether two stretches surely have a moment in common. An end that is not known is not before the beginning, and the other way round. */
export const overlapping = (one: Stretch, other: Stretch, by: Precision): boolean =>
  notAfter(one.low ?? one.high, other.high ?? other.low, by) && notAfter(other.low ?? other.high, one.high ?? one.low, by);

interface Period { readonly start?: unknown; readonly end?: unknown }

/** @returns a Period: without an end it goes on, without a beginning that is not known; undefined without either. */
export function stretchOf(period: Period | undefined): Stretch | undefined {
  if (period?.start === undefined && period?.end === undefined) return undefined;
  return { low: momentOf(period.start), high: period.end === undefined ? latest : momentOf(period.end) };
}

/** @returns the time that `x[name]DateTime`, `x[name]Period`, `x[name]Instant` or `x[name]` stands for; undefined where it has none. */
export function timeOf(holder: Readonly<Record<string, unknown>>, name: string): Stretch | undefined {
  const value = holder[`${name}DateTime`] ?? holder[`${name}Instant`] ?? holder[name];
  if (typeof value !== 'string') return stretchOf((holder[`${name}Period`] ?? value) as Period | undefined);
  const moment = momentOf(value);
  return moment === undefined ? undefined : { low: moment, high: moment };
}

/** @returns the last moment before `moment`: a millisecond where it has a time, else a day; unchanged without a day. */
export function justBefore(moment: Moment | undefined): Moment | undefined {
  if (moment === undefined || moment.utc.length < 10) return moment;
  return moment.utc.includes('T') ? { utc: utcMoment(Date.parse(moment.utc) - 1).utc, date: moment.date } : dateOnly(dayAfter(moment.date, -1));
}

/** @returns a date, a month or, by twelves, a year moved by months; the last of the month where the day does not exist there. */
export function monthsLater(date: string, months: number): string {
  const [year, month, day] = date.split('-').map(Number) as [number, number?, number?];
  const at = year * 12 + (month ?? 1) - 1 + months;
  const [y, m] = [Math.floor(at / 12), at % 12];
  const padded = [String(y).padStart(4, '0'), String(m + 1).padStart(2, '0')];
  if (month === undefined) return padded[0]!;
  if (day === undefined) return padded.join('-');
  return [...padded, String(Math.min(day, new Date(Date.UTC(y, m + 1, 0)).getUTCDate())).padStart(2, '0')].join('-');
}

/** @returns an instant (milliseconds since 1970) moved by whole months in UTC, by the same rule. */
export function monthsAfter(at: number, months: number): number {
  const { date } = utcMoment(at);
  return Date.parse(monthsLater(date, months)) + at - Date.parse(date);
}
export const monthsBefore = (at: number, months: number): number => monthsAfter(at, -months);
