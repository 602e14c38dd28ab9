import { codeSystem, extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Priority } from './instrument.ts';
import { instant } from './instant.ts';
import { alertId, isMorePressing, type Alert } from './safety.ts';
import { timesOf, withTimes } from './review-times.ts';
import { recipients, type Recipients } from './safety-recipients.ts';
import type { SafetySettings } from './safety-settings.ts';
import { afterStaffed, afterWorkingDays } from './staffed-hours.ts';

/** What is written for an alert: Flag, Task, Communication. No alert is ever closed here. */

/** What Flag, Task and Communication name beside the alert. */
export interface AlertContext {
  readonly patient: string;
  readonly device: string;
  readonly now: string;
  readonly careTeam?: Resource;
  readonly patientResource?: Resource;
  /** Time zone of the deployment; absent: UTC. */
  readonly zone?: string;
  readonly settings: SafetySettings;
}

/** Time limit by staffed hours, beside the one by the clock in restriction.period.end. */
export const onDutyLimit = extensionUrl('on-duty-limit');

const clinicians = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] };
const labelled = ({ audience }: Alert): { meta?: typeof clinicians } => (audience === 'clinicians' ? { meta: clinicians } : {});

/** @returns who is told, as the care team is now. */
export const recipientsIn = ({ careTeam, patientResource, now, settings }: AlertContext): Recipients => recipients(careTeam, patientResource, Date.parse(now), settings.dutyLead);

/** @returns what is written once for an alert of `response`: a Task for a clinician; where it has a time limit, a Communication; where the answer is known, a Flag. */
export function alertResources(alert: Alert, response: Resource, context: AlertContext): Resource[] {
  const flags = alert.flagged ? [flag(alert, response, context)] : [];
  return [...flags, reviewTask(alert, response, context), ...(alert.limit === null ? [] : [notification(alert, response, context)])];
}

const triggerConcept = ({ trigger, title }: Alert): object => ({ coding: [{ system: codeSystem('safety-trigger'), code: trigger, display: title }], text: title });

const flagPriorityUrl = 'http://hl7.org/fhir/StructureDefinition/flag-priority';

function flagPriority({ priority }: Alert): { readonly url: string; readonly valueCodeableConcept: object } {
  const high = priority === 'asap' || priority === 'stat';
  return { url: flagPriorityUrl, valueCodeableConcept: { coding: [{ system: 'http://hl7.org/fhir/flag-priority-code', code: high ? 'PH' : 'PM', display: high ? 'High priority' : 'Medium priority' }] } };
}

function flag(alert: Alert, response: Resource, { patient, device, now }: AlertContext): Resource {
  return {
    resourceType: 'Flag',
    id: alertId(response.id!, alert.trigger, 'flag'),
    ...labelled(alert),
    extension: [flagPriority(alert)],
    status: 'active',
    category: ['clinical', 'safety'].map((code) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/flag-category', code }] })),
    code: triggerConcept(alert),
    subject: { reference: patient },
    period: { start: now },
    author: { reference: device },
  };
}

export function reviewTask(alert: Alert, response: Resource, context: AlertContext): Resource {
  const { patient, device, now } = context;
  const { first: owner } = recipientsIn(context);
  const encounter = (response.encounter as { reference?: string } | undefined)?.reference;
  const limits = limitsOf(alert, response, context);
  return {
    resourceType: 'Task',
    id: alertId(response.id!, alert.trigger, 'task'),
    ...labelled(alert),
    ...(limits?.onDuty === undefined ? {} : { extension: [{ url: onDutyLimit, valueDateTime: limits.onDuty }] }),
    status: 'requested',
    intent: 'order',
    priority: alert.priority,
    code: { coding: [{ system: codeSystem('task-type'), code: 'safety-review', display: 'Review of a response that calls for a look' }] },
    description: `${alert.title}: please look at the response and talk with the client`,
    focus: { reference: `${response.resourceType}/${response.id}` },
    for: { reference: patient },
    ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    authoredOn: now,
    lastModified: now,
    requester: { reference: device },
    ...(owner === undefined ? {} : { owner }),
    reasonCode: triggerConcept(alert),
    ...(alert.flagged ? { reasonReference: { reference: `Flag/${alertId(response.id!, alert.trigger, 'flag')}` } } : {}),
    ...(limits === undefined ? {} : { restriction: { period: { start: limits.start, end: limits.end } } }),
  };
}

/** A message that somebody should look. Its payload carries nothing clinical: it may be passed on to a telephone. */
export function message(id: string, task: string, priority: Priority | undefined, recipient: { readonly reference: string } | undefined, { patient, device, now }: Pick<AlertContext, 'patient' | 'device' | 'now'>): Resource {
  return {
    resourceType: 'Communication',
    id,
    status: 'completed',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'alert', display: 'Alert' }] }],
    ...(priority === undefined ? {} : { priority }),
    subject: { reference: patient },
    about: [{ reference: task }],
    sent: now,
    ...(recipient === undefined ? {} : { recipient: [recipient] }),
    sender: { reference: device },
    payload: [{ contentString: 'A response needs to be looked at. Please open your task list.' }],
  };
}

/** @returns the message to the first clinician; one for each priority that an alert has had. */
export function notification(alert: Alert, response: Resource, context: AlertContext): Resource {
  const { trigger, priority } = alert;
  const built = message(alertId(response.id!, trigger, `communication-${priority}`), `Task/${alertId(response.id!, trigger, 'task')}`, priority, recipientsIn(context).first, context);
  return { ...built, ...labelled(alert) };
}

/** When the time to acknowledge begins and ends. */
export interface Limits { readonly start: string; readonly end: string; readonly onDuty?: string }

const day = 86_400_000;

/**
 * The clock starts with the answer, or now where the author's clock runs ahead; by the clock on the wall, and by staffed hours where they
 * are set. A date without a time says only that the answer came by the end of that day.
 */
export function limitsOf({ limit }: Alert, response: Resource, { now, settings: { staffedHours: hours } }: Pick<AlertContext, 'now' | 'settings'>): Limits | undefined {
  if (limit === null) return undefined;
  const said = (response.authored ?? response.meta?.lastUpdated) as string | undefined;
  const start = Math.min((instant(said) ?? Infinity) + (said?.length === 10 ? day : 0), Date.parse(now));
  const end = 'minutes' in limit ? start + limit.minutes * 60_000 : afterWorkingDays(hours, start, limit.workingDays);
  const onDuty = hours === undefined ? null : 'minutes' in limit ? afterStaffed(hours, start, limit.minutes) : end;
  const text = (at: number): string => new Date(at).toISOString();
  return { start: text(start), end: text(end), ...(onDuty === null ? {} : { onDuty: text(onDuty) }) };
}

const closed: readonly unknown[] = ['completed', 'cancelled', 'rejected', 'failed', 'entered-in-error'];

/** @returns whether a review is not worked on any more. */
export const isClosed = ({ status }: Resource): boolean => closed.includes(status);

/** Whether a response is looked at again because it was changed, or because one before it came or was changed. */
export type Changed = 'itself' | 'earlier';

const whatChanged: Readonly<Record<Changed, string>> = { itself: 'It was changed or withdrawn, or its form became known.', earlier: 'An earlier response came in, or was changed or withdrawn.' };

/** @returns the Flag with the priority of an alert that became more pressing. */
export const moreUrgent = (current: Resource, alert: Alert): Resource => ({ ...current, extension: [...((current.extension ?? []) as readonly { url?: string }[]).filter(({ url }) => url !== flagPriorityUrl), flagPriority(alert)] });

/**
 * @returns the review Task after the answer behind it was changed: a note always, and a higher priority with its earlier time limit
 * while the Task is open. Who acknowledged the answer before has not seen this one: it is to be acknowledged again, in its time from now
 * on. It is never closed and never made less pressing: that is a person's decision.
 */
export function reviewAfterAmendment(task: Resource, alert: Alert | undefined, response: Resource, context: Pick<AlertContext, 'now' | 'settings'>, by: Changed = 'itself'): Resource {
  const { now } = context;
  const text = `${whatChanged[by]} ${alert === undefined ? 'This response does not call for a look by itself any more. Please check, and close this task yourself.' : 'This response still calls for a look.'}`;
  const noted = { ...task, lastModified: now, note: [...(task.note as unknown[] | undefined) ?? [], { time: now, text }] };
  const priority = (task.priority as Priority | undefined) ?? 'routine';
  if (alert === undefined || isClosed(task) || !isMorePressing(alert, { priority })) return noted;
  const again = task.status === 'received';
  const limits = limitsOf(alert, again ? { ...response, authored: now } : response, context);
  if (limits === undefined) return { ...noted, priority: alert.priority };
  const others = ((task.extension ?? []) as readonly { url?: string }[]).filter(({ url }) => url !== onDutyLimit);
  const extension = [...others, ...(limits.onDuty === undefined ? [] : [{ url: onDutyLimit, valueDateTime: limits.onDuty }])];
  const raised: Resource = {
    ...noted, priority: alert.priority, ...(extension.length === 0 ? {} : { extension }),
    restriction: { ...task.restriction as object | undefined, period: { start: limits.start, end: limits.end } },
  };
  return again ? unacknowledged(raised, now) : raised;
}

/** A review that somebody acknowledged, to be acknowledged again. When it was before is in its earlier versions. */
function unacknowledged(task: Resource, now: string): Resource {
  const { acknowledgedAt: _at, acknowledgedBy: _by, ...times } = timesOf(task);
  const text = 'It is more pressing than what was acknowledged. Please acknowledge it again.';
  return { ...withTimes(task, times), status: 'requested', note: [...task.note as unknown[], { time: now, text }] };
}
