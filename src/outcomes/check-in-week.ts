import { audienceOf } from '../fhir/labels.ts';
import { onePerDate, type Valid } from './baseline.ts';
import { exact } from './decimals.ts';
import { dayAfter } from './local-time.ts';
import type { PatientRecord, Score } from './record.ts';

/**
 * Whether the check-ins of the week after a score were worse than usual (docs/clinical.md 3.8; service-defined). Pure.
 *
 * The week: the 7 dates after that of the score, which the score itself does not ask about. What is usual: the 14 dates up to that of
 * the best score, the stretch that most forms ask about. Of check-ins on one date the last counts.
 */

/** The ratings that are looked at, and +1 where higher is worse. Energy is not: it follows sleep and illness of the body as well. */
export const checkInScales = [{ key: 'bs-checkin.mood', name: 'mood', sign: -1 }, { key: 'bs-checkin.stress', name: 'stress', sign: 1 }] as const;
/** Keys of these ratings in a record. */
export const checkInKeys: readonly string[] = checkInScales.map(({ key }) => key);

/** Dates of the week and of what is usual, and how many of them must have a check-in: half, as for the statistics of momentary ratings. */
const weekDays = 7, usualDays = 14, leastInWeek = 4, leastUsual = 7;
/** Steps of the scale that a difference must reach at least: who always gives the same rating has no spread to measure it by. */
const leastStep = 1;

/** The ratings of a record, in the order of `checkInScales`. */
export type CheckIns = readonly (readonly Score[])[];

const none: readonly Score[] = [];
/** @returns the check-ins of a record. Lists of one record that are those of another are the same objects. */
export const checkInsOf = ({ scores }: PatientRecord): CheckIns => checkInKeys.map((key) => scores.get(key) ?? none);

/** A stretch of calendar dates, both ends included. */
export interface Stretch { readonly from: string; readonly to: string }

/** How the ratings of a week stand to what is usual for the person. */
export interface Comparison {
  readonly mean: number;
  /** Of the usual ratings, and their standard deviation (n - 1). */
  readonly usual: number;
  readonly sd: number;
  /** Difference from which it counts: one standard deviation, at least one step of the scale. */
  readonly limit: number;
  /** Above 0 is worse, whichever way the rating runs. */
  readonly worse: number;
}

export interface ComparedCheckIns extends Comparison { readonly scale: (typeof checkInScales)[number]; readonly during: readonly Valid[]; readonly before: readonly Valid[] }

/** A week of check-ins that was worse than usual. */
export interface CheckInWeek { readonly week: Stretch; readonly usual: Stretch; readonly compared: readonly ComparedCheckIns[] }

/** @returns the 7 dates after `date`. */
export const weekAfter = (date: string): Stretch => ({ from: dayAfter(date, 1), to: dayAfter(date, weekDays) });
/** @returns the 14 dates up to `date`. */
export const usualUpTo = (date: string): Stretch => ({ from: dayAfter(date, 1 - usualDays), to: date });

/** @returns how `during` compares with `before`, on a rating of which higher is worse with `sign` +1. */
export function compareCheckIns(before: readonly number[], during: readonly number[], sign: number): Comparison {
  const [usual, mean] = [average(before), average(during)];
  const sd = Math.sqrt(before.reduce((sum, value) => sum + (value - usual) ** 2, 0) / (before.length - 1));
  return { mean, usual, sd, limit: Math.max(sd, leastStep), worse: exact(sign * (mean - usual)) };
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @returns whether a difference reaches the limit. */
export const reaches = (difference: number, { limit }: Pick<Comparison, 'limit'>): boolean => difference >= exact(limit);

/**
 * @param score date of the score that the week follows.
 * @param best date of the best score before it.
 * @returns the week where mood or stress was worse than usual and neither was better by as much; null otherwise, and where there are too few check-ins.
 */
export function worseWeek(checkIns: CheckIns, score: string, best: string): CheckInWeek | null {
  const [week, usual] = [weekAfter(score), usualUpTo(best)];
  const compared = checkInScales.flatMap((scale, i): ComparedCheckIns[] => {
    const [before, during] = [inStretch(checkIns[i]!, usual), inStretch(checkIns[i]!, week)];
    if (before.length < leastUsual || during.length < leastInWeek) return [];
    return [{ scale, before, during, ...compareCheckIns(before.map(({ value }) => value), during.map(({ value }) => value), scale.sign) }];
  });
  const isWorse = compared.some((each) => reaches(each.worse, each)) && !compared.some((each) => reaches(-each.worse, each));
  return isWorse ? { week, usual, compared } : null;
}

/** What a client keeps private, or a clinician for the clinicians, decides nothing that the other side sees. */
const isOpen = ({ data: { security } }: Score): boolean => !audienceOf('Observation', security).restricted;

const inStretch = (scores: readonly Score[], { from, to }: Stretch): readonly Valid[] => onePerDate(scores.filter((score): score is Valid =>
  score.value !== null && score.at !== null && score.date.length === 10 && score.date >= from && score.date <= to && isOpen(score)));
