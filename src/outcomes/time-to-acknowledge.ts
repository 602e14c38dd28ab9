import type { Resource } from '../fhir/resource.ts';
import { instant } from './instant.ts';
import { isSafetyReview, timesOf } from './review-times.ts';
import { onDutyLimit } from './safety-resources.ts';

/** One review with a time limit, in milliseconds since 1970. */
export interface ReviewCourse {
  /** Beginning of its time: the answer, or when it was raised. */
  readonly start: number;
  readonly limit: number;
  /** The limit by staffed time, where staffed hours are set. */
  readonly onDutyLimit: number | null;
  readonly acknowledged: number | null;
  readonly contacted: number | null;
  readonly closed: number | null;
}

/** @returns the course of a review, or undefined: another Task, one without a time limit, one that was entered in error. */
export function reviewCourse(task: Resource): ReviewCourse | undefined {
  const { start, end } = ((task.restriction ?? {}) as { period?: { start?: string; end?: string } }).period ?? {};
  const began = instant(start) ?? instant(task.authoredOn as string | undefined);
  const limit = instant(end);
  if (!isSafetyReview(task) || began === null || limit === null || task.status === 'entered-in-error') return undefined;
  const { acknowledgedAt, contactedAt, closedAt } = timesOf(task);
  const duty = (Array.isArray(task.extension) ? (task.extension as readonly { url?: string; valueDateTime?: string }[]) : []).find(({ url }) => url === onDutyLimit)?.valueDateTime;
  return { start: began, limit, onDutyLimit: instant(duty), acknowledged: instant(acknowledgedAt), contacted: instant(contactedAt), closed: instant(closedAt) };
}

/** Minutes from the beginning to an event, over the reviews that had it. */
export interface Minutes { readonly n: number; readonly median: number | null; readonly p90: number | null }

/** Time to acknowledge over a set of reviews (docs/clinical.md 7). */
export interface TimeToAcknowledge {
  /** Reviews whose time began in the period. */
  readonly n: number;
  readonly acknowledge: Minutes;
  readonly firstContact: Minutes;
  readonly close: Minutes;
  /** Acknowledged after the limit, or not at all by now with the limit over. */
  readonly breaches: number;
  /** The same by staffed time, of those that have such a limit. */
  readonly onDuty: { readonly n: number; readonly breaches: number };
}

const isBreach = (acknowledged: number | null, limit: number, now: number): boolean => (acknowledged ?? now) > limit;

/**
 * @param period the beginning of a review's time must lie in it: from `start`, up to but without `end`.
 * @param now a review that nobody acknowledged by now is a breach when its limit is over.
 */
export function timeToAcknowledge(courses: readonly ReviewCourse[], period: { readonly start: number; readonly end: number }, now: number): TimeToAcknowledge {
  const within = courses.filter(({ start }) => start >= period.start && start < period.end);
  const minutes = (event: 'acknowledged' | 'contacted' | 'closed'): Minutes => {
    // An event before the beginning (clocks that differ) took no time.
    const found = within.flatMap((course) => (course[event] === null ? [] : [Math.max(0, course[event] - course.start) / 60_000])).sort((a, b) => a - b);
    return { n: found.length, median: quantile(found, 0.5), p90: quantile(found, 0.9) };
  };
  const onDuty = within.filter((course) => course.onDutyLimit !== null);
  return {
    n: within.length,
    acknowledge: minutes('acknowledged'), firstContact: minutes('contacted'), close: minutes('closed'),
    breaches: within.filter(({ acknowledged, limit }) => isBreach(acknowledged, limit, now)).length,
    onDuty: { n: onDuty.length, breaches: onDuty.filter(({ acknowledged, onDutyLimit: limit }) => isBreach(acknowledged, limit!, now)).length },
  };
}

/** Linear interpolation between the closest ranks (Hyndman and Fan 1996, type 7), of values in ascending order. */
function quantile(sorted: readonly number[], p: number): number | null {
  if (sorted.length === 0) return null;
  const at = p * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (at - Math.floor(at)) * (sorted[Math.ceil(at)]! - low);
}
