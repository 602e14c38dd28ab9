/** Calendar days where the client lives: what is due "on Friday" is due when Friday is over there. Pure. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  formats.set(zone, format);
  return format;
}

/** @returns whole days from one calendar date to another; of a dateTime the date as its author's clock wrote it. */
export const daysBetween = (from: string, to: string): number => Math.round((Date.parse(to.slice(0, 10)) - Date.parse(from.slice(0, 10))) / 86_400_000);

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

/**
 * @param at milliseconds since 1970
 * @returns the calendar date in `zone`, e.g. 2024-03-31
 */
export const localDate = (at: number, zone: string): string => new Date(shown(at, zone)).toISOString().slice(0, 10);

/**
 * The calendar date that a FHIR dateTime says: the one on the author's own clock where it has an offset, else the one in `zone`.
 * @returns undefined for what is no date
 */
export function dateOf(dateTime: string, zone: string): string | undefined {
  if (!/[zZ]$/.test(dateTime)) return /^\d{4}-\d{2}-\d{2}/.exec(dateTime)?.[0];
  const at = Date.parse(dateTime);
  return Number.isNaN(at) ? undefined : localDate(at, zone);
}

/** @returns when a clock in `zone` shows `minutes` after midnight of `date`; for a time that clocks skip, as much later as they skip. */
export function instantAt(date: string, minutes: number, zone: string): number {
  const wanted = Date.parse(date) + minutes * 60_000;
  // The offset just before the change applies to the first guess, the one after it to the second; more than two do not differ.
  const first = wanted - (shown(wanted, zone) - wanted);
  return wanted - (shown(first, zone) - first);
}

/** @returns the first instant after `date` in `zone`; days on which clocks change are an hour shorter or longer. */
export const endOfDay = (date: string, zone: string): number => instantAt(date, 24 * 60, zone);

/**
 * @returns the first instant after the period that a FHIR date or dateTime stands for: for a date the end of that day in `zone`
 * (http://hl7.org/fhir/R4/datatypes.html#Period: an end without a time includes that whole day); null for none
 */
export function endOf(dateTime: string | undefined, zone: string): number | null {
  if (dateTime === undefined) return null;
  if (/^\d{4}-\d{2}-\d{2}$/.test(dateTime)) return endOfDay(dateTime, zone);
  const at = Date.parse(dateTime);
  return Number.isNaN(at) ? null : at;
}
