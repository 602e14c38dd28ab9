import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { instant } from './record.ts';

/** How much of the homework that was due was done (docs/clinical.md 3.10). */

export interface Adherence {
  /** Homework Tasks that were due in the window and were not withdrawn, declined or paused. */
  readonly eligible: readonly Resource[];
  readonly completed: number;
  /** completed / eligible; null when nothing was due. */
  readonly completionRate: number | null;
  /** Completed within 24 hours of being due. */
  readonly onTime: number;
  /** Mean share of each Task that was done, 0 to 1; null when nothing was due. */
  readonly quantity: number | null;
  /** Accepted / offered; null when nothing was offered. */
  readonly acceptance: number | null;
}

const day = 86_400_000;
const counted: readonly unknown[] = ['requested', 'received', 'accepted', 'ready', 'in-progress', 'completed', 'failed'];
const offered: readonly unknown[] = ['requested', 'received', 'accepted', 'rejected', 'ready', 'in-progress', 'on-hold', 'completed', 'failed'];
const accepted: readonly unknown[] = ['accepted', 'ready', 'in-progress', 'on-hold', 'completed', 'failed'];

interface Coded { coding?: { system?: string; code?: string }[] }

/** @returns whether `task` is homework: its code is of our system homework-type. */
export const isHomework = (task: Resource): boolean =>
  (task.code as Coded | undefined)?.coding?.some(({ system }) => system === codeSystem('homework-type')) === true;

const dueOf = (task: Resource): number | null =>
  instant((task.restriction as { period?: { end?: string } } | undefined)?.period?.end);

/** Share of a Task that was done: as reported in its output, else all or nothing by its status. */
function share(task: Resource): number {
  const output = (task.output as { type?: Coded; valueDecimal?: number }[] | undefined)
    ?.find(({ type }) => type?.coding?.some(({ system, code }) => system === codeSystem('task-input') && code === 'completion-fraction'));
  const reported = output?.valueDecimal;
  if (reported !== undefined) return Math.min(Math.max(reported, 0), 1);
  return task.status === 'completed' ? 1 : 0;
}

function isOnTime(task: Resource): boolean {
  const end = instant(((task.executionPeriod as { end?: string } | undefined)?.end ?? task.lastModified) as string | undefined);
  return task.status === 'completed' && end !== null && end <= dueOf(task)! + day;
}

/** @returns the adherence over the homework in `tasks` that was due from `from` (absent: ever) to `now`; other Tasks are left out. */
export function adherence(tasks: readonly Resource[], now: string, from?: string): Adherence {
  const homework = tasks.filter(isHomework);
  const start = instant(from) ?? -Infinity;
  const end = Date.parse(now);
  const eligible = homework.filter((task) => {
    const due = dueOf(task);
    return due !== null && due >= start && due <= end && counted.includes(task.status);
  });
  const n = eligible.length;
  const completed = eligible.filter(({ status }) => status === 'completed').length;
  const asked = homework.filter(({ status }) => offered.includes(status));
  return {
    eligible, completed,
    completionRate: n === 0 ? null : completed / n,
    onTime: eligible.filter(isOnTime).length,
    quantity: n === 0 ? null : eligible.reduce((sum, task) => sum + share(task), 0) / n,
    acceptance: asked.length === 0 ? null : asked.filter(({ status }) => accepted.includes(status)).length / asked.length,
  };
}
