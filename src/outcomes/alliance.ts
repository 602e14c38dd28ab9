import { exact } from './decimals.ts';

/**
 * How two people work together, rating by rating (docs/clinical.md 3.13). Pure. Nothing here is about one side alone: a drop is a
 * reason to talk, and never a mark.
 */

/** An alliance rating, in time order. */
export interface AllianceRating { readonly id: string; readonly value: number }

export type RuptureSize = 'minor' | 'major';

/** A drop of the rating from one session to the next. */
export interface Rupture<R extends AllianceRating = AllianceRating> {
  /** The rating before the drop, and the one that shows it. */
  readonly before: R;
  readonly at: R;
  readonly drop: number;
  /** What the drop is measured by: the larger of the person's own spread and that of the sample. */
  readonly reference: number;
  /** The ratings before the drop, where their spread is that reference; else []. */
  readonly spreadOf: readonly R[];
  readonly size: RuptureSize;
  /** The first rating within the next three sessions that came back to within one reference of the rating before. */
  readonly repairedBy: R | null;
  /** The ratings that were looked at for a repair: up to the one that is. */
  readonly later: readonly R[];
  /** Three further sessions passed, and no rating came back. */
  readonly isUnrepaired: boolean;
}

/** Ratings that a person's own spread needs, and sessions that a repair may take. Service-defined after Gumz and others 2012. */
const ownSpread = 4;
export const repairWithin = 3;

/** The sessions of a therapy, and to which a rating belongs: 0 before the first, or where none is known. */
export interface RatedSessions<R> { readonly count: number; readonly numberOf: (rating: R) => number }

/**
 * @param ratings of one person about one therapy, higher is better
 * @param sampleSd standard deviation of the instrument in a sample; absent: the person's own spread alone counts
 * @param sessions three of them may pass to a repair, whether or not each is rated: who stops rating after a drop is not waited for; absent,
 * or where a rating is of none: three further ratings stand for them
 * @param leastDrop a smaller drop is none, however even the ratings were before: a point on one line is no rupture
 * @returns every drop of at least one reference; where neither spread is known, or both are 0, a rating is not judged
 */
export function ruptures<R extends AllianceRating>(ratings: readonly R[], sampleSd?: number, leastDrop = 0, sessions?: RatedSessions<R>): Rupture<R>[] {
  return ratings.flatMap((at, index): Rupture<R>[] => {
    const before = ratings[index - 1];
    if (before === undefined) return [];
    const own = index >= ownSpread ? deviation(ratings.slice(0, index)) : 0;
    const reference = exact(Math.max(own, sampleSd ?? 0));
    const drop = exact(before.value - at.value);
    if (reference === 0 || drop < Math.max(reference, leastDrop)) return [];
    const { next, isOver } = afterDrop(ratings, index, sessions);
    const repaired = next.findIndex(({ value }) => exact(before.value - value) <= reference);
    return [{
      before, at, drop, reference, spreadOf: exact(own) === reference ? ratings.slice(0, index) : [], size: drop >= exact(2 * reference) ? 'major' : 'minor',
      repairedBy: next[repaired] ?? null, later: repaired < 0 ? next : next.slice(0, repaired + 1), isUnrepaired: repaired < 0 && isOver,
    }];
  });
}

/** The ratings that may repair the drop at `index`, and whether its time for that is over. A rating of the third session is the last word. */
function afterDrop<R extends AllianceRating>(ratings: readonly R[], index: number, sessions: RatedSessions<R> | undefined): { next: readonly R[]; isOver: boolean } {
  const later = ratings.slice(index + 1);
  const number = sessions?.numberOf(ratings[index]!) ?? 0;
  if (sessions === undefined || number === 0) return { next: later.slice(0, repairWithin), isOver: later.length >= repairWithin };
  const last = number + repairWithin;
  return { next: later.filter((rating) => sessions.numberOf(rating) <= last), isOver: sessions.count > last || later.some((rating) => sessions.numberOf(rating) >= last) };
}

/** Exactly 0 for equal ratings, whose rounded mean may differ from them. */
function deviation(ratings: readonly AllianceRating[]): number {
  if (ratings.every(({ value }) => value === ratings[0]!.value)) return 0;
  const mean = ratings.reduce((sum, { value }) => sum + value, 0) / ratings.length;
  return Math.sqrt(ratings.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / (ratings.length - 1));
}

/** A limit below which a total or one of its items is a reason to talk: the operator is part of it, sources differ. */
export interface LowAlliance { readonly op: '<=' | '<'; readonly value: number }

/** @returns whether `value` is as low as `limit` says. */
export const isLow = (value: number, { op, value: limit }: LowAlliance): boolean => (op === '<=' ? value <= limit : value < limit);

/** Ratings in a row at the top of the scale after which it may be politeness: worth a question, not praise. Service-defined. */
const consistent = 3;

/** @returns whether the latest ratings are all the highest possible. */
export const isConsistentlyMaximal = (ratings: readonly AllianceRating[], max: number): boolean =>
  ratings.length >= consistent && ratings.slice(-consistent).every(({ value }) => value === max);
