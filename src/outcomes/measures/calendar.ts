import { dateRange, periodRange } from '../../fhir/dates.ts';

/** Dates as measures compare them: by their UTC days and months, as CQL does where no other offset is given. Pure. */

/** Milliseconds since 1970, half-open; an open end is infinite. */
export interface Span { readonly low: number; readonly high: number }

export const day = 86_400_000;

const number = (text: string): number => (text === 'infinity' ? Infinity : text === '-infinity' ? -Infinity : Date.parse(text));

/** @returns the time that `x[name]DateTime`, `x[name]Period`, `x[name]Instant` or `x[name]` stands for; undefined where it has none. */
export function spanOf(holder: Readonly<Record<string, unknown>>, name: string): Span | undefined {
  const text = holder[`${name}DateTime`] ?? holder[`${name}Instant`] ?? holder[name];
  const range = typeof text === 'string' ? dateRange(text) : periodRange((holder[`${name}Period`] ?? holder[name] ?? {}) as { start?: string; end?: string });
  return range === undefined ? undefined : { low: number(range.low), high: number(range.high) };
}

/** The first instant of the UTC day of `at`. */
export const startOfDay = (at: number): number => Math.floor(at / day) * day;

/** @returns `at` moved by whole months; where the day does not exist there, the last of that month (CQL: 31 January + 1 month = 28 February). */
export function plusMonths(at: number, months: number): number {
  const from = new Date(at);
  const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months, 1));
  const last = new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() + 1, 0)).getUTCDate();
  return Date.UTC(to.getUTCFullYear(), to.getUTCMonth(), Math.min(from.getUTCDate(), last)) + (at - startOfDay(at));
}

/** @returns whole years from the day of `birthDate` to the day of `at`; undefined for a birth date without a day. */
export function ageAt(birthDate: unknown, at: number): number | undefined {
  const birth = typeof birthDate === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(birthDate) ? new Date(birthDate) : undefined;
  if (birth === undefined) return undefined;
  const then = new Date(at);
  const before = then.getUTCMonth() < birth.getUTCMonth() || (then.getUTCMonth() === birth.getUTCMonth() && then.getUTCDate() < birth.getUTCDate());
  return then.getUTCFullYear() - birth.getUTCFullYear() - (before ? 1 : 0);
}

export const overlap = (one: Span, other: Span): boolean => one.low < other.high && other.low < one.high;
