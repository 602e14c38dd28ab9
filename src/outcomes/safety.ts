import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Priority, SafetyItem } from './instrument.ts';
import { instant, type PatientRecord, type Score } from './record.ts';
import type { Scale } from './registry.ts';

/** When a response calls for a look by a person, and what is written then (docs/clinical.md 5). No alert is ever closed here. */

const day = 86_400_000;
const priorities: readonly Priority[] = ['routine', 'urgent', 'asap', 'stat'];

/** How much later than the answer somebody must have seen it. */
type TimeLimit = { readonly minutes: number } | { readonly workingDays: number } | null;

/** One reason why a response calls for a look. */
export interface Alert {
  /** Code in CodeSystem/safety-trigger; with the response it is the key: one Flag, one Task, however often the response is written. */
  readonly trigger: string;
  readonly title: string;
  readonly priority: Priority;
  readonly limit: TimeLimit;
  /** Whether the patient's chart is flagged; a missing answer only asks for a look. */
  readonly flagged: boolean;
}

/** @returns the alerts of the response `responseId` as the record stands, for its scores on `scale`. */
export function alertsOf(record: PatientRecord, scale: Scale, responseId: string): Alert[] {
  const scores = record.scores.get(scale.key) ?? [];
  const index = scores.findIndex(({ id }) => id === responseId);
  if (index < 0) return [];
  const score = scores[index]!;
  const earlier = scores.slice(0, index);
  return [
    ...scale.instrument.definition.safety.flatMap((item) => itemAlert(item, score, earlier)),
    ...worseningAlert(scale, score, earlier),
  ];
}

function itemAlert(item: SafetyItem, { data: { safety, status } }: Score, earlier: readonly Score[]): Alert[] {
  const { linkId, trigger, title, levels, minutes, raiseWhenWorse, missing } = item;
  const value = safety?.[linkId];
  if (value === undefined) return [];
  if (value === null) {
    // An answer may still come while the response is being written; a stopped response says by itself that it is incomplete.
    if (status !== 'completed' && status !== 'amended') return [];
    return [{ trigger: `${trigger}-missing`, title: `${title} was left open`, priority: missing, limit: null, flagged: false }];
  }
  const level = levels[value];
  if (level === undefined) return [];
  const last = earlier.findLast(({ data }) => typeof data.safety?.[linkId] === 'number')?.data.safety?.[linkId];
  const priority = typeof last === 'number' && value - last >= raiseWhenWorse ? raised(level) : level;
  return [{ trigger, title, priority, limit: { minutes: minutes[priority] ?? minutes[level]! }, flagged: true }];
}

const raised = (priority: Priority): Priority => priorities[Math.min(priorities.indexOf(priority) + 1, priorities.length - 1)]!;

/** Worse by twice the reliable-change threshold within 14 days. */
function worseningAlert(scale: Scale, score: Score, earlier: readonly Score[]): Alert[] {
  const { value, at } = score;
  const { threshold, sign, definition: { title } } = scale;
  if (threshold === undefined || value === null || at === null) return [];
  const fast = earlier.some((one) => one.value !== null && one.at !== null && at - one.at <= 14 * day && sign * (value - one.value) >= 2 * threshold.value);
  return fast ? [{ trigger: 'rapid-worsening', title: `${title} changed fast`, priority: 'urgent', limit: { workingDays: 1 }, flagged: true }] : [];
}

/** What Flag, Task and Communication name beside the alert. */
export interface AlertContext {
  readonly patient: string;
  readonly device: string;
  readonly now: string;
  readonly careTeam?: Resource;
}

export const alertId = (responseId: string, trigger: string, what: 'flag' | 'task' | `communication-${Priority}`): string =>
  derivedId(responseId, `${trigger}|${what}`);

/** @returns what is written once for an alert: a Flag (unless nothing was answered), a Task for a clinician, a Communication. */
export function alertResources(alert: Alert, score: Score, context: AlertContext): Resource[] {
  return [...(alert.flagged ? [flag(alert, score, context)] : []), reviewTask(alert, score, context), notification(alert, score, context)];
}

const triggerConcept = ({ trigger, title }: Alert): object => ({ coding: [{ system: codeSystem('safety-trigger'), code: trigger, display: title }], text: title });

function flag(alert: Alert, score: Score, { patient, device, now }: AlertContext): Resource {
  const high = alert.priority === 'asap' || alert.priority === 'stat';
  return {
    resourceType: 'Flag',
    id: alertId(score.id, alert.trigger, 'flag'),
    extension: [{
      url: 'http://hl7.org/fhir/StructureDefinition/flag-priority',
      valueCodeableConcept: { coding: [{ system: 'http://hl7.org/fhir/flag-priority-code', code: high ? 'PH' : 'PM', display: high ? 'High priority' : 'Medium priority' }] },
    }],
    status: 'active',
    category: ['clinical', 'safety'].map((code) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/flag-category', code }] })),
    code: triggerConcept(alert),
    subject: { reference: patient },
    period: { start: now },
    author: { reference: device },
  };
}

function reviewTask(alert: Alert, score: Score, { patient, device, now, careTeam }: AlertContext): Resource {
  const owner = onDuty(careTeam, now);
  const end = due(alert, score, now);
  return {
    resourceType: 'Task',
    id: alertId(score.id, alert.trigger, 'task'),
    status: 'requested',
    intent: 'order',
    priority: alert.priority,
    code: { coding: [{ system: codeSystem('task-type'), code: 'safety-review', display: 'Review of a response that calls for a look' }] },
    description: `${alert.title}: please look at the response and talk with the client`,
    focus: { reference: `QuestionnaireResponse/${score.id}` },
    for: { reference: patient },
    ...(score.data.encounter === undefined ? {} : { encounter: { reference: score.data.encounter } }),
    authoredOn: now,
    lastModified: now,
    requester: { reference: device },
    ...(owner === undefined ? {} : { owner }),
    reasonCode: triggerConcept(alert),
    ...(alert.flagged ? { reasonReference: { reference: `Flag/${alertId(score.id, alert.trigger, 'flag')}` } } : {}),
    ...(end === undefined ? {} : { restriction: { period: { end } } }),
  };
}

/** The payload carries nothing clinical: it may be passed on to a telephone. */
export function notification(alert: Alert, score: Score, { patient, device, now, careTeam }: AlertContext): Resource {
  const recipient = onDuty(careTeam, now);
  return {
    resourceType: 'Communication',
    id: alertId(score.id, alert.trigger, `communication-${alert.priority}`),
    status: 'completed',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'alert', display: 'Alert' }] }],
    priority: alert.priority,
    subject: { reference: patient },
    about: [{ reference: `Task/${alertId(score.id, alert.trigger, 'task')}` }],
    sent: now,
    ...(recipient === undefined ? {} : { recipient: [recipient] }),
    sender: { reference: device },
    payload: [{ contentString: 'A response needs to be looked at. Please open your task list.' }],
  };
}

/** The clock starts with the answer, or now where the author's clock runs ahead. */
function due({ limit }: Alert, { at }: Score, now: string): string | undefined {
  if (limit === null) return undefined;
  const start = Math.min(at ?? Infinity, Date.parse(now));
  return new Date('minutes' in limit ? start + limit.minutes * 60_000 : afterWorkingDays(start, limit.workingDays)).toISOString();
}

function afterWorkingDays(start: number, days: number): number {
  let time = start;
  for (let left = days; left > 0;) {
    time += day;
    const weekday = new Date(time).getUTCDay();
    if (weekday !== 0 && weekday !== 6) left -= 1;
  }
  return time;
}

interface Participant { member?: { reference?: string }; period?: { start?: string; end?: string } }

/** The first professional of the care team whose period covers now. */
function onDuty(careTeam: Resource | undefined, now: string): { reference: string } | undefined {
  const at = Date.parse(now);
  const found = (careTeam?.participant as Participant[] | undefined)?.find(({ member, period }) =>
    /^(Practitioner|PractitionerRole|Organization)\//.test(member?.reference ?? '')
    && (instant(period?.start) ?? -Infinity) <= at && at <= (instant(period?.end) ?? Infinity));
  return found === undefined ? undefined : { reference: found.member!.reference! };
}

const higher = (one: Priority, other: Priority): boolean => priorities.indexOf(one) > priorities.indexOf(other);

/** @returns whether `after` is more pressing than `before`. */
export const isMorePressing = (after: Alert, before: Alert): boolean => higher(after.priority, before.priority);

const closed: readonly unknown[] = ['completed', 'cancelled', 'rejected', 'failed', 'entered-in-error'];

/**
 * @returns the review Task after the answer behind it was changed: a note always, and a higher priority with its earlier time limit
 * while the Task is open. It is never closed and never made less pressing: that is a person's decision.
 */
export function reviewAfterAmendment(task: Resource, alert: Alert | undefined, score: Score | undefined, now: string): Resource {
  const text = alert === undefined
    ? 'The response was changed or withdrawn and does not call for a look by itself any more. Please check, and close this task yourself.'
    : 'The response was changed and still calls for a look.';
  const noted = { ...task, lastModified: now, note: [...(task.note as unknown[] | undefined) ?? [], { time: now, text }] };
  if (alert === undefined || score === undefined || closed.includes(task.status) || !higher(alert.priority, (task.priority as Priority | undefined) ?? 'routine')) return noted;
  const end = due(alert, score, now);
  return { ...noted, priority: alert.priority, ...(end === undefined ? {} : { restriction: { ...task.restriction as object | undefined, period: { end } } }) };
}
