/** Half-open [low, high) in UTC with microseconds; `-infinity` and `infinity` are open ends. Such texts sort as the instants do. */
export interface DateRange { readonly low: string; readonly high: string }

export const earliest = '-infinity';
export const latest = 'infinity';

interface Period { readonly start?: string; readonly end?: string }
interface Timing { readonly event?: readonly (string | null)[]; readonly repeat?: { readonly boundsPeriod?: Period } }

const written = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d):(\d\d))?)?)?)?$/;

/**
 * The time that a FHIR date, dateTime, instant or search value stands for, by its written precision: `2026-11` is the
 * month, `10:30` the minute, `10:30:00.5` a tenth of a second. Without a zone it is read as UTC. A second of 60 is the
 * first of the next minute. Digits after the microsecond are dropped.
 * (http://hl7.org/fhir/R4/search.html#date, http://hl7.org/fhir/R4/datatypes.html#dateTime)
 * @returns undefined when the text is no such value, e.g. 2026-02-30.
 */
export function dateRange(text: string): DateRange | undefined {
  const match = written.exec(text);
  if (match === null) return undefined;
  const year = Number(match[1]);
  if (year === 0) return undefined;
  if (match[2] === undefined) return between(daysBefore(year, 1), daysBefore(year + 1, 1));
  const month = Number(match[2]);
  if (month < 1 || month > 12) return undefined;
  const first = daysBefore(year, month);
  const next = month === 12 ? daysBefore(year + 1, 1) : daysBefore(year, month + 1);
  if (match[3] === undefined) return between(first, next);
  const day = Number(match[3]);
  if (day < 1 || day > next - first) return undefined;
  const days = first + day - 1;
  return match[4] === undefined ? between(days, days + 1) : timeRange(days, match);
}

function timeRange(days: number, match: RegExpExecArray): DateRange | undefined {
  const hour = Number(match[4]);
  const minute = Number(match[5]);
  const second = Number(match[6] ?? 0);
  const offset = match[9] === undefined ? 0 : (match[9] === '-' ? -1 : 1) * (Number(match[10]) * 3600 + Number(match[11]) * 60);
  if (hour > 23 || minute > 59 || second > 60 || Number(match[11] ?? 0) > 59 || Math.abs(offset) > 14 * 3600) return undefined;
  const seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
  if (match[6] === undefined) return { low: instantText(seconds, 0), high: instantText(seconds + 60, 0) };
  const fraction = match[7];
  if (fraction === undefined) return { low: instantText(seconds, 0), high: instantText(seconds + 1, 0) };
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'));
  const end = micros + 10 ** Math.max(0, 6 - fraction.length);
  return { low: instantText(seconds, micros), high: end < 1_000_000 ? instantText(seconds, end) : instantText(seconds + 1, 0) };
}

/** @returns the range of a Period, open where it has no start or no end; undefined when it has neither or ends before it starts. */
export function periodRange({ start, end }: Period): DateRange | undefined {
  if (start === undefined && end === undefined) return undefined;
  const low = start === undefined ? earliest : dateRange(start)?.low;
  const high = end === undefined ? latest : dateRange(end)?.high;
  return low === undefined || high === undefined || low >= high ? undefined : { low, high };
}

/**
 * @returns the outer limits of a Timing: the hull of its events and bounds. One that names neither (`code` or `repeat` only) has a
 * time, of which the limits are not known: it is open on both sides, as a Period is where it has no end. undefined when a date in it is none.
 */
export function timingRange({ event = [], repeat }: Timing): DateRange | undefined {
  if (event.length === 0 && repeat?.boundsPeriod === undefined) return { low: earliest, high: latest };
  const ranges = event.map((each) => (typeof each === 'string' ? dateRange(each) : undefined));
  if (repeat?.boundsPeriod !== undefined) ranges.push(periodRange(repeat.boundsPeriod));
  return hull(ranges.filter((range) => range !== undefined));
}

/** @returns the smallest range that holds all of `ranges`; undefined for none. */
export function hull(ranges: readonly DateRange[]): DateRange | undefined {
  const [first, ...others] = ranges;
  return others.reduce<DateRange | undefined>((whole, each) => (whole === undefined ? each : {
    low: each.low < whole.low ? each.low : whole.low,
    high: each.high > whole.high ? each.high : whole.high,
  }), first);
}

function between(days: number, end: number): DateRange {
  return { low: instantText(days * 86_400, 0), high: instantText(end * 86_400, 0) };
}

const beforeMonth = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const;

// Days from 1970-01-01 to the first of a month, in the Gregorian calendar carried back to year 1.
function daysBefore(year: number, month: number): number {
  const past = year - 1;
  const leap = month > 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  return past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) + (beforeMonth[month - 1] as number) + leap - 719_162;
}

// Beyond the years that a FHIR date can write, the range is open.
function instantText(seconds: number, micros: number): string {
  const days = Math.floor(seconds / 86_400);
  if (days < firstDay) return earliest;
  if (days >= endDay) return latest;
  const rest = seconds - days * 86_400;
  const hour = Math.floor(rest / 3600);
  const minute = Math.floor(rest / 60) % 60;
  return `${dayText(days)}T${two(hour)}:${two(minute)}:${two(rest % 60)}.${micros === 0 ? '000000' : String(micros).padStart(6, '0')}Z`;
}

function dayText(days: number): string {
  let year = 1970 + Math.floor(days / 365.2425);
  if (daysBefore(year, 1) > days) year -= 1;
  else if (daysBefore(year + 1, 1) <= days) year += 1;
  let month = Math.floor((days - daysBefore(year, 1)) / 31) + 1;
  if (month < 12 && daysBefore(year, month + 1) <= days) month += 1;
  return `${year < 1000 ? String(year).padStart(4, '0') : year}-${two(month)}-${two(days - daysBefore(year, month) + 1)}`;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}

const firstDay = daysBefore(1, 1);
const endDay = daysBefore(10_000, 1);
