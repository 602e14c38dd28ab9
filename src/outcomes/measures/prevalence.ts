import type { Resource } from '../../fhir/resource.ts';
import { dayAfter } from '../local-time.ts';
import type { Concept } from './concepts.ts';
import { always, dateOnly, justBefore, momentOf, monthsLater, timeOf, type Moment, type Stretch } from './moments.ts';

/** How long a diagnosis has been one, as the libraries of the published measures tell it (QICoreCommon: prevalenceInterval). Pure. */

const activeStatuses: readonly string[] = ['active', 'recurrence', 'relapse'];

export const hasStatus = (condition: Resource, element: string, codes: readonly string[]): boolean =>
  (condition[element] as Concept | undefined)?.coding?.some(({ code }) => code !== undefined && codes.includes(code)) === true;

/**
 * From the onset, or from ever, to the end of the abatement; an active diagnosis without one goes on.
 * @param birthDate for what is written as an age
 * @returns undefined for one that is no longer active and does not say since when: nobody knows how long it was one
 */
export function prevalence(condition: Resource, birthDate: unknown): Stretch | undefined {
  const born = momentOf(birthDate);
  const onset = spanOf(condition, 'onset', born);
  const end = abated(condition, born) ?? (hasStatus(condition, 'clinicalStatus', activeStatuses) ? always.high : undefined);
  return end === undefined ? undefined : { low: onset === undefined ? always.low : onset.low ?? onset.high, high: end };
}

/** The last moment of the abatement, where it is known; a Period of it is taken without its end. */
function abated(condition: Resource, born: Moment | undefined): Moment | undefined {
  const period = condition.abatementPeriod as { end?: unknown } | undefined;
  return period === undefined ? spanOf(condition, 'abatement', born)?.high : justBefore(momentOf(period.end));
}

interface Age { readonly value?: number; readonly code?: string; readonly unit?: string }

/** A time, or the year of life in which something began or ended. */
function spanOf(condition: Resource, name: string, born: Moment | undefined): Stretch | undefined {
  const age = condition[`${name}Age`] as Age | undefined;
  const range = condition[`${name}Range`] as { low?: Age; high?: Age } | undefined;
  if (age === undefined && range === undefined) return timeOf(condition, name);
  const [low, high] = [age ?? range?.low, age ?? range?.high].map((each) => atAge(born, each));
  return { low: low === undefined ? undefined : dateOnly(low), high: high === undefined ? undefined : justBefore(dateOnly(monthsLater(high, 12))) };
}

const months: Readonly<Record<string, number>> = { a: 12, years: 12, year: 12, mo: 1, months: 1, month: 1 };
const days: Readonly<Record<string, number>> = { wk: 7, weeks: 7, week: 7, d: 1, days: 1, day: 1 };

function atAge(born: Moment | undefined, age: Age | undefined): string | undefined {
  if (born === undefined || age?.value === undefined) return undefined;
  const unit = age.code ?? age.unit ?? '';
  if (Object.hasOwn(months, unit)) return monthsLater(born.date, Math.trunc(age.value) * months[unit]!);
  return Object.hasOwn(days, unit) && born.date.length === 10 ? dayAfter(born.date, Math.trunc(age.value) * days[unit]!) : undefined;
}
