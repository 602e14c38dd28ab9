import { before, dateOnly, momentOf, monthsLater, notAfter, type Moment } from './moments.ts';

/** Ages on the date of something as it is written. Of a birth date known to the month or the year, what is true of every day in it. Pure. */

const adult = 18;

function birthday(birthDate: unknown, years: number): Moment | undefined {
  const born = momentOf(birthDate);
  return born === undefined ? undefined : dateOnly(monthsLater(born.date, 12 * years));
}

/** @returns whether somebody is surely at least so many years old: on the birthday, yes. */
export const isAged = (birthDate: unknown, years: number, at: Moment): boolean => notAfter(birthday(birthDate, years), at, 'day');

/** @returns the band of age that reports on depression tell apart, of twelve years and more; `unknown` where the birth date does not tell. */
export function ageBand(birthDate: unknown, at: Moment): string {
  const comesOfAge = birthday(birthDate, adult);
  if (comesOfAge !== undefined && before(at, comesOfAge, 'day')) return '12-17';
  return isAged(birthDate, adult, at) ? '18+' : 'unknown';
}
