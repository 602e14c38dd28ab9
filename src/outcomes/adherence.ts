import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { dateOf, endOf, localDate } from './local-time.ts';
import { instant } from './instant.ts';

/** How much of the homework that was due was done, and how (docs/clinical.md 3.10). Pure. */

export interface Adherence {
  /** Homework Tasks that were due in the window and were not withdrawn, declined or paused. */
  readonly eligible: readonly Resource[];
  readonly completed: number;
  /** completed / eligible; null when nothing was due. */
  readonly completionRate: number | null;
  /** Completed within 24 hours of being due. */
  readonly onTime: number;
  /** Neither completed nor given up although the day on which it was due is over. */
  readonly overdue: number;
  /** Mean share of each Task that was done, 0 to 1; null when nothing was due. */
  readonly quantity: number | null;
  /** Mean of what client and therapist say of how fully it was done, 0 to 1, over what was done at all; null when nobody said. */
  readonly quality: number | null;
  /** The same by each rater. */
  readonly qualityBy: { readonly client: number | null; readonly therapist: number | null };
  /** What the client was asked to try, declined and paused ones too. */
  readonly offered: readonly Resource[];
  /** Accepted / offered; null when nothing was offered. */
  readonly acceptance: number | null;
  /** Completed Tasks that were talked about in a session / completed; null when none is completed. */
  readonly reviewRate: number | null;
}

export interface AdherenceOptions {
  /** Only what was due from then on. */
  readonly from?: string;
  /** The client's time zone: a due date ends when the day is over there. */
  readonly zone?: string;
  /** When each resource was written that a Task names as what was written or observed, by its reference: `authored` or `effectiveDateTime`. */
  readonly written?: ReadonlyMap<string, string>;
}

const day = 86_400_000;
const counted: readonly unknown[] = ['requested', 'received', 'accepted', 'ready', 'in-progress', 'completed', 'failed'];
const offered: readonly unknown[] = ['requested', 'received', 'accepted', 'rejected', 'ready', 'in-progress', 'on-hold', 'completed', 'failed'];
const open: readonly unknown[] = ['requested', 'received', 'accepted', 'ready', 'in-progress'];
const accepted: readonly unknown[] = ['accepted', 'ready', 'in-progress', 'on-hold', 'completed', 'failed'];

interface Coded { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }
interface Parameter { readonly type?: Coded; readonly valueDecimal?: number; readonly valueInteger?: number; readonly valueReference?: { readonly reference?: string } }

/** @returns whether `task` is homework: its code is of our system homework-type. */
export const isHomework = (task: Resource): boolean =>
  (task.code as Coded | undefined)?.coding?.some(({ system }) => system === codeSystem('homework-type')) === true;

/** The inputs or outputs of a Task of one of our types. */
const parameters = (list: unknown, wanted: string): Parameter[] => ((list ?? []) as Parameter[])
  .filter(({ type }) => type?.coding?.some(({ system, code }) => system === codeSystem('task-input') && code === wanted));

const numberIn = (list: unknown, wanted: string): number | undefined => {
  const found = parameters(list, wanted)[0];
  return found?.valueDecimal ?? found?.valueInteger;
};

/** @returns whether a Task has been agreed and not been withdrawn, declined or paused: it counts when it is due. */
export const isCounted = (task: Resource): boolean => counted.includes(task.status);

/** @returns references of what was written or observed while a Task was done, each once. */
export const writingsOf = (task: Resource): string[] =>
  [...new Set(parameters(task.output, 'response').flatMap(({ valueReference }) => valueReference?.reference ?? []))];

/** @returns the first instant after the time in which a Task is to be done; null where none was agreed. */
export const dueOf = (task: Resource, zone: string): number | null => endOf(restrictionOf(task).period?.end, zone);

interface Restriction { readonly repetitions?: number; readonly period?: { readonly start?: string; readonly end?: string } }
const restrictionOf = (task: Resource): Restriction => (task.restriction as Restriction | undefined) ?? {};

/** Share of a Task that was done: as reported, else all of it when completed, else the times it was done of those agreed. */
function share(task: Resource, zone: string, written: AdherenceOptions['written']): number {
  const reported = numberIn(task.output, 'completion-fraction');
  if (reported !== undefined) return Math.min(Math.max(reported, 0), 1);
  if (task.status === 'completed') return 1;
  const expected = timesOf(task);
  if (expected === undefined || expected <= 0) return 0;
  return Math.min(occurrences(task, expected, zone, written) / expected, 1);
}

const timesOf = (task: Resource): number | undefined => numberIn(task.input, 'expected-occurrences') ?? restrictionOf(task).repetitions;

/** How often it was done; of what is to be done daily, on how many days. */
function occurrences(task: Resource, expected: number, zone: string, written: AdherenceOptions['written']): number {
  const references = writingsOf(task);
  if (!isDaily(task, expected, zone)) return references.length;
  return new Set(references.map((reference) => {
    const at = written?.get(reference);
    return at === undefined ? reference : dateOf(at, zone) ?? reference;
  })).size;
}

/** Agreed for each day of its period: the day on which it was agreed may count or not. */
function isDaily(task: Resource, expected: number, zone: string): boolean {
  const days = daysOf(task, zone).length;
  return expected === days || expected === days - 1;
}

/** The calendar days of the period of a Task, where the client lives; [] without a beginning and an end. */
function daysOf(task: Resource, zone: string): string[] {
  const { start, end } = restrictionOf(task).period ?? {};
  const first = start === undefined ? undefined : dateOf(start, zone);
  const last = endOf(end, zone);
  if (first === undefined || last === null) return [];
  const days = Math.round((Date.parse(localDate(last - 1, zone)) - Date.parse(first)) / day) + 1;
  return Array.from({ length: Math.min(Math.max(days, 0), longest) }, (_, at) => new Date(Date.parse(first) + at * day).toISOString().slice(0, 10));
}

/** No period of practice is longer: a wrong year must not make a list of a million days. */
const longest = 1000;

/** @returns the days on which a Task is to be done daily; [] for one that is not. Of one day more than times, the day on which it was agreed is left out. */
export function dailyDaysOf(task: Resource, zone: string): string[] {
  const expected = timesOf(task);
  const days = daysOf(task, zone);
  if (expected === undefined || expected < 2 || (expected !== days.length && expected !== days.length - 1)) return [];
  return expected === days.length ? days : days.slice(1);
}

/** @returns when a Task was ended, as it says. */
export const endedAt = (task: Resource): string | undefined => ((task.executionPeriod as { end?: string } | undefined)?.end ?? task.lastModified) as string | undefined;

function isOnTime(task: Resource, zone: string): boolean {
  const end = instant(endedAt(task));
  return task.status === 'completed' && end !== null && end <= dueOf(task, zone)! + day;
}

/** @returns the adherence over the homework in `tasks` that was due up to `now`; other Tasks are left out. */
export function adherence(tasks: readonly Resource[], now: string, { from, zone = 'UTC', written }: AdherenceOptions = {}): Adherence {
  const homework = tasks.filter(isHomework);
  // The end of a due day is the first instant of the next one: what was due on the day before is not of the window.
  const start = instant(from) ?? -Infinity;
  const end = Date.parse(now);
  const eligible = homework.filter((task) => {
    const due = dueOf(task, zone);
    return due !== null && due > start && due <= end && counted.includes(task.status);
  });
  const shares = eligible.map((task) => share(task, zone, written));
  const completed = eligible.filter(({ status }) => status === 'completed');
  const asked = homework.filter(({ status }) => offered.includes(status));
  return {
    eligible, completed: completed.length,
    completionRate: ratio(completed.length, eligible.length),
    onTime: eligible.filter((task) => isOnTime(task, zone)).length,
    overdue: eligible.filter(({ status }) => open.includes(status)).length,
    quantity: mean(shares),
    ...qualities(eligible.filter((_, at) => shares[at]! > 0)),
    offered: asked,
    acceptance: ratio(asked.filter(({ status }) => accepted.includes(status)).length, asked.length),
    reviewRate: ratio(completed.filter((task) => parameters(task.output, 'reviewed-in').length > 0).length, completed.length),
  };
}

const highest = 4;

/** Each Task counts once: with both raters, by the mean of the two. */
function qualities(done: readonly Resource[]): Pick<Adherence, 'quality' | 'qualityBy'> {
  const by = (rater: string): (number | undefined)[] => done.map((task) => numberIn(task.output, rater)).map((rating) =>
    (rating === undefined || rating < 0 || rating > highest ? undefined : rating / highest));
  const client = by('quality-client');
  const therapist = by('quality-therapist');
  const known = (list: readonly (number | undefined)[]): number[] => list.filter((rating) => rating !== undefined);
  return {
    quality: mean(client.flatMap((rating, at) => mean(known([rating, therapist[at]])) ?? [])),
    qualityBy: { client: mean(known(client)), therapist: mean(known(therapist)) },
  };
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
const mean = (values: readonly number[]): number | null => (values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length);
