import type { Resource } from '../fhir/resource.ts';
import { dueOf } from './adherence.ts';
import { instant } from './instant.ts';
import { daysBetween } from './local-time.ts';
import type { Asked } from './momentary.ts';
import type { PatientRecord, Score, Session } from './record.ts';
import { fulfillable, questionnaireOf } from './requests.ts';

/** How complete the data of an episode are (docs/clinical.md 3.14). Pure. Any rate of outcomes is only as sure as its data are complete. */

const day = 86_400_000;
/** A score this far from a session, before or after, belongs to it. */
const near = 3 * day;

/** A session with a score that belongs to it, or without one. */
export interface Covered { readonly session: Session; readonly score: Score | null }

/** @returns each of `sessions` with a total that names it, or else the nearest one at most three days away. */
export function covered({ scores }: PatientRecord, sessions: readonly Session[]): Covered[] {
  const totals = [...scores.keys()].sort().flatMap((key) => scores.get(key)!).filter(({ value, at }) => value !== null && at !== null);
  return sessions.map((session): Covered => {
    const named = totals.find(({ data }) => data.encounter === `Encounter/${session.id}`);
    const close = totals.filter((score) => isNear(score, session))
      .sort((a, b) => Math.abs(a.at! - session.at!) - Math.abs(b.at! - session.at!) || (a.id < b.id ? -1 : 1));
    return { session, score: named ?? close[0] ?? null };
  });
}

/** By the clock where both say a time, else by calendar dates. */
const isNear = (score: Score, { at, date, data: { start } }: Session): boolean =>
  (at !== null && start.length > 10 && score.data.authored!.length > 10 ? Math.abs(score.at! - at) : day * Math.abs(daysBetween(score.date, date))) <= near;

/** `due`: it may be answered now; `open`: its time has not begun, or none was agreed. */
export type PromptState = 'answered' | 'due' | 'open' | 'overdue' | 'skipped';

/** A request to answer a questionnaire. */
export interface Prompt {
  readonly task: Resource;
  /** Canonical of the questionnaire, without version. */
  readonly questionnaire: string;
  readonly state: PromptState;
  /** Why it was skipped, as far as somebody said. */
  readonly reason: string | null;
}

interface Asking { readonly status?: string; readonly authoredOn?: string; readonly statusReason?: { readonly text?: string; readonly coding?: readonly { readonly display?: string; readonly code?: string }[] }; readonly restriction?: { readonly period?: { readonly start?: string } } }

/** Not sent, or sent by mistake. */
const unsent: readonly unknown[] = ['draft', 'entered-in-error'];

/** @returns the questionnaires that were asked for, in the order in which they were. A day is over when it is over in `zone`. */
export function prompts(tasks: readonly Resource[], now: string, zone: string): Prompt[] {
  const sent = (task: Resource): number => instant((task as Asking).authoredOn) ?? -Infinity;
  return [...tasks].sort((a, b) => sent(a) - sent(b) || (a.id! < b.id! ? -1 : 1)).flatMap((task): Prompt[] => {
    const questionnaire = questionnaireOf(task);
    if (questionnaire === undefined || unsent.includes(task.status)) return [];
    const { statusReason } = task as Asking;
    const state = stateOf(task, Date.parse(now), zone);
    const reason = state === 'skipped' ? statusReason?.text ?? statusReason?.coding?.[0]?.display ?? statusReason?.coding?.[0]?.code ?? null : null;
    return [{ task, questionnaire, state, reason }];
  });
}

function stateOf(task: Resource & Asking, now: number, zone: string): PromptState {
  if (task.status === 'completed') return 'answered';
  if (!fulfillable(task.status)) return task.status === 'on-hold' ? 'open' : 'skipped';
  const due = dueOf(task, zone);
  if (due === null) return 'open';
  if (due <= now) return 'overdue';
  return (instant(task.restriction?.period?.start) ?? instant(task.authoredOn) ?? -Infinity) <= now ? 'due' : 'open';
}

/** @returns of the prompts whose time is over, or that were answered, when each was sent or began, in time order. */
export function askedAt(list: readonly Prompt[]): Asked[] {
  return list.flatMap(({ task, state }): Asked[] => {
    const at = instant((task as Asking).restriction?.period?.start) ?? instant((task as Asking).authoredOn);
    return state === 'due' || state === 'open' || at === null ? [] : [{ at, answered: state === 'answered' }];
  }).sort((a, b) => a.at - b.at);
}

/** @returns the share of prompts that were answered of those whose time is over or that were answered; null where there is none yet. */
export function answeredShare(list: readonly Prompt[]): number | null {
  const over = list.filter(({ state }) => state !== 'due' && state !== 'open');
  return over.length === 0 ? null : over.filter(({ state }) => state === 'answered').length / over.length;
}
