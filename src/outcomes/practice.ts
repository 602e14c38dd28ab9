import type { Resource } from '../fhir/resource.ts';
import { dailyDaysOf, endedAt, isCounted, isHomework, writingsOf } from './adherence.ts';
import { dateOf, localDate } from './local-time.ts';

/** On which days something was practised (docs/clinical.md 3.10). Pure. Days are those of the client; nothing starts again from zero. */
export interface Practice {
  /** Days with practice, in order. */
  readonly days: readonly string[];
  /** Days up to yesterday for which daily practice was agreed, and today where there was practice. */
  readonly planned: number;
  /** Of those the days with practice. */
  readonly kept: number;
  /** kept / planned; null where nothing daily was agreed. */
  readonly share: number | null;
  /** Stretches of planned days without practice, and the days of the longest. */
  readonly gaps: number;
  readonly longestGap: number;
}

interface PracticeOptions {
  /** Only days from that one on, and up to that one. */
  readonly from?: string;
  readonly to?: string;
  readonly zone: string;
  /** When each resource was written that a Task names, by its reference. */
  readonly written: ReadonlyMap<string, string>;
}

/**
 * @param tasks any Tasks: homework that was agreed counts.
 * @returns the practice on the days up to the one of `now`. What a Task names without a time that is known counts on no day; a
 * completed Task that names nothing counts on the day on which it was completed.
 */
export function practice(tasks: readonly Resource[], now: string, { from = '', to = '9999', zone, written }: PracticeOptions): Practice {
  const today = localDate(Date.parse(now), zone);
  const isWithin = (date: string): boolean => date >= from && date <= to && date <= today;
  const homework = tasks.filter((task) => isHomework(task) && isCounted(task));
  const days = new Set(homework.flatMap((task) => datesOf(task, zone, written)).filter(isWithin));
  const planned = [...new Set(homework.flatMap((task) => dailyDaysOf(task, zone)))].filter((date) => isWithin(date) && (date < today || days.has(date))).sort();
  const gaps = stretches(planned, (date) => !days.has(date));
  const kept = planned.filter((date) => days.has(date)).length;
  return {
    days: [...days].sort(), planned: planned.length, kept, share: planned.length === 0 ? null : kept / planned.length,
    gaps: gaps.length, longestGap: Math.max(0, ...gaps),
  };
}

function datesOf(task: Resource, zone: string, written: ReadonlyMap<string, string>): string[] {
  const references = writingsOf(task);
  const times = references.length > 0 ? references.flatMap((each) => written.get(each) ?? [])
    : task.status === 'completed' ? [endedAt(task) ?? ''] : [];
  return times.flatMap((time) => dateOf(time, zone) ?? []);
}

/** Lengths of the stretches of dates one after the other in the list that `holds` for. */
function stretches(dates: readonly string[], holds: (date: string) => boolean): number[] {
  const lengths: number[] = [];
  let length = 0;
  for (const date of dates) {
    if (holds(date)) length += 1;
    else if (length > 0) {
      lengths.push(length);
      length = 0;
    }
  }
  return length > 0 ? [...lengths, length] : lengths;
}
