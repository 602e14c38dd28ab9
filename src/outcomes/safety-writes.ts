import triggers from '../../schemas/safety/triggers.json' with { type: 'json' };
import { codeSystem, extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { scoreId, sourceOf, type PatientRecord, type Score } from './record.ts';
import { isSafetyReview } from './review-times.ts';
import { alertId, alertsOf, alertsOfScores, isMorePressing, scoreAlerts, type Alert } from './safety.ts';
import { clientMessage } from './safety-message.ts';
import { alertResources, isClosed, moreUrgent, notification, reviewAfterAmendment, reviewTask, type AlertContext, type Changed } from './safety-resources.ts';
import { defaultSafety } from './safety-settings.ts';

/** What the safety rules write for one change of a record. */
export function safetyWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  const { resourceType } = change.resource;
  if (resourceType === 'QuestionnaireResponse') {
    responseWrites(writes, before, after, change, context);
    laterWrites(writes, before, after, change, context);
    conflictWrites(writes, before, after, change, context);
  }
  if (resourceType === 'Observation') {
    importWrites(writes, before, after, change, context);
    laterWrites(writes, before, after, change, context);
    conflictWrites(writes, before, after, change, context);
  }
  if (resourceType === 'Task') reviewWrites(writes, change);
}

/** An alert is about an answer that has just been given or changed: of others only those are looked at beside which the change puts something new. */
function responseWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  const { resource, previous, deleted } = change;
  const settings = context.safety ?? defaultSafety;
  const alerts = (record: PatientRecord, response: Resource | undefined): Alert[] => (response === undefined ? [] : alertsOf({ record, response, registry: context.registry, settings }));
  const was = alerts(before, deleted ? resource : previous);
  const is = deleted ? [] : alerts(after, resource);
  alertWrites(writes, { response: resource, was, is, by: 'itself', mayExist: resource.meta?.versionId !== '1' }, within(context));
}

/**
 * What another system sent as an Observation: looked at where it is of the last two weeks, which is what the forms ask about; a history
 * that is taken over must not call for hundreds of looks. The clock starts now: nobody here could know earlier. No client is waiting.
 */
function importWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, { resource }: Change, context: DeriveContext): void {
  const own = scoreId({ type: resource.resourceType, id: resource.id! });
  const isOld = ({ scores }: PatientRecord): boolean => [...scores.values()].some((list) => list.some((score) => score.id === own && isOldImport(score, context.now)));
  const alerts = (record: PatientRecord): Alert[] =>
    (isOld(record) ? [] : alertsOfScores(record, own, context.registry, context.safety ?? defaultSafety).map((alert) => ({ ...alert, tellsClient: false })));
  alertWrites(writes, { response: { ...resource, authored: context.now }, was: alerts(before), is: alerts(after), by: 'itself', mayExist: resource.meta?.versionId !== '1' }, within(context));
}

/** @returns whether a score of another system is of more than the two weeks before `now` that the forms ask about. */
export const isOldImport = ({ at, data: { source, authored = '' } }: Score, now: string): boolean => source !== undefined && at !== null && Math.max(at, endOf(authored)) < Date.parse(now) - triggers.imported.days * day;

/** The end of a year or a month (UTC), of a time that says no more: it may be of today. */
function endOf(time: string): number {
  const [, year, month] = /^(\d{4})(?:-(\d{2}))?$/.exec(time) ?? [];
  return year === undefined ? -Infinity : Date.UTC(Number(year), month === undefined ? 12 : Number(month), 1);
}

const within = (context: DeriveContext): AlertContext => ({
  patient: context.patient, device: context.device, now: context.now, settings: context.safety ?? defaultSafety, ...(context.zone === undefined ? {} : { zone: context.zone }),
  get careTeam() { return context.careTeam; }, get patientResource() { return context.patientResource; },
});

/** What a response calls for, before and after a change. */
interface Looked { readonly response: Resource; readonly was: readonly Alert[]; readonly is: readonly Alert[]; readonly by: Changed; readonly mayExist: boolean }

function alertWrites(writes: DerivedWrite[], { response, was, is, by, mayExist }: Looked, context: AlertContext): void {
  if (was.length === 0 && is.length === 0) return;
  const id = response.id!;
  const byTrigger = new Map(was.map((alert) => [alert.trigger, alert]));
  const review = (trigger: string, alert: Alert | undefined): void => {
    writes.push({ kind: 'change', type: 'Task', id: alertId(id, trigger, 'task'), change: (task) => reviewAfterAmendment(task, alert, response, context, by) });
  };
  for (const alert of is) {
    const earlier = byTrigger.get(alert.trigger);
    byTrigger.delete(alert.trigger);
    if (earlier === undefined) {
      for (const written of alertResources(alert, response, context)) writes.push({ kind: 'once', resource: written, mayExist });
      // A version before the last may have called for a look already: its review, open or closed, hears that the answer is back.
      if (mayExist) writes.push({ kind: 'change', type: 'Task', id: alertId(id, alert.trigger, 'task'), change: (task) => (task.authoredOn === context.now ? null : reviewAfterAmendment(task, alert, response, context, by)) }, ...reviewAgain(alert, response, context));
    } else if (earlier.priority !== alert.priority) {
      review(alert.trigger, alert);
      if (!isMorePressing(alert, earlier)) continue;
      writes.push(
        { kind: 'change', type: 'Flag', id: alertId(id, alert.trigger, 'flag'), change: (flag) => moreUrgent(flag, alert) },
        { kind: 'once', resource: notification(alert, response, context), mayExist: true }, ...reviewAgain(alert, response, context),
      );
    }
  }
  for (const { trigger } of byTrigger.values()) review(trigger, undefined);
  const told = is.filter(({ tellsClient }) => tellsClient);
  const triggersBefore = new Set(was.map(({ trigger }) => trigger));
  if (told.some(({ trigger }) => !triggersBefore.has(trigger))) writes.push({ kind: 'once', resource: clientMessage(told, response, context), mayExist });
}

/**
 * What a score that comes late, or is changed, means for those after it: worse by a lot within days, a safety item above the answer
 * before. Whichever of two answers comes last, the later one is looked at; the clock starts when that can be known.
 */
function laterWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, { resource }: Change, context: DeriveContext): void {
  const own = scoreId({ type: resource.resourceType, id: resource.id! });
  const settings = context.safety ?? defaultSafety;
  for (const [key, scores] of after.scores) {
    const scale = context.registry.scales.get(key);
    const earlier = before.scores.get(key) ?? [];
    if (scale === undefined || scores === earlier) continue;
    const times = [earlier, scores].flatMap((list) => list.find(({ id }) => id === own)?.at ?? []);
    const [from, to] = [Math.min(...times), Math.max(...times)];
    const items = scale.instrument.definition.safety;
    let isAnswered = items.length === 0;
    // As a rule the answer is the latest: all others are before it.
    const first = scores.findLastIndex(({ at }) => at === null || at < from) + 1;
    for (const later of scores.slice(first)) {
      const { id: laterId, at, data: { encounter, safety, of } } = later;
      // Beyond, each has the answer of a later one before it, and no score within days.
      if (at !== null && at > to + triggers.worsening.days * day && isAnswered) break;
      // A copy of the response that was changed says nothing new: the review of the response hears of the change.
      if (at === null || laterId === own || isOldImport(later, context.now) || of?.includes(resource.id!) === true) continue;
      const [was, is] = [earlier, scores].map((list) => scoreAlerts(scale, list, laterId, settings).map((alert) => (later.data.source === undefined ? alert : { ...alert, tellsClient: false }))) as [Alert[], Alert[]];
      const [resourceType, id] = sourceOf(later).split('/') as [string, string];
      const response: Resource = { resourceType, id, authored: context.now, ...(encounter === undefined ? {} : { encounter: { reference: encounter } }) };
      alertWrites(writes, { response, was, is, by: 'earlier', mayExist: true }, within(context));
      isAnswered ||= at >= to && items.every(({ linkId }) => typeof safety?.[linkId] === 'number');
    }
  }
}

/** An answer that became more pressing after its review was closed is reviewed again: a further Task, and the Flag is active until it is closed too. */
function reviewAgain(alert: Alert, response: Resource, context: AlertContext): DerivedWrite[] {
  const { trigger, priority } = alert;
  const first = alertId(response.id!, trigger, 'task');
  return [
    { kind: 'once', resource: { ...reviewTask(alert, response, context), id: alertId(response.id!, trigger, `task-${priority}`) }, mayExist: true, when: { type: 'Task', id: first, holds: isClosed } },
    { kind: 'change', type: 'Flag', id: alertId(response.id!, trigger, 'flag'), change: (flag) => {
      const extension = (flag.extension ?? []) as readonly { url?: string }[];
      if (!extension.some(({ url }) => url === reviewedBy)) return null; // its review is open
      const { end: _end, ...period } = (flag.period ?? {}) as { end?: string };
      return { ...flag, status: 'active', period, extension: extension.filter(({ url }) => url !== reviewedBy && url !== statusReason) };
    } },
  ];
}

const day = 86_400_000;

/** A positive safety item and the impression of no concern that was noted near it: ids of the two, and the reference of where the item was answered. */
interface Conflict { readonly score: string; readonly source: string; readonly impression: string }

/** A positive safety item and, as the newest impression within a week of it, that of no concern. */
function conflictsIn({ scores, impressions }: PatientRecord, registry: DeriveContext['registry']): Conflict[] {
  const { code, days } = triggers.conflict;
  if (impressions.length === 0) return [];
  const near = (a: number | null, b: number | null): boolean => a !== null && b !== null && Math.abs(a - b) <= days * day;
  return [...scores].flatMap(([key, list]) => {
    const items = registry.scales.get(key)?.instrument.definition.safety ?? [];
    return list.flatMap((score): Conflict[] => {
      if (!items.some(({ linkId, levels }) => levels[score.data.safety?.[linkId] ?? 0] !== undefined)) return [];
      const impression = impressions.findLast(({ at }) => near(at, score.at));
      return impression?.data.code === code ? [{ score: score.id, source: sourceOf(score), impression: impression.id }] : [];
    });
  });
}

/** What two sources say differently since this change, and did not before. */
function conflictWrites(writes: DerivedWrite[], before: PatientRecord, after: PatientRecord, { resource }: Change, { registry, patient, device, now }: DeriveContext): void {
  const { trigger, title } = triggers.conflict;
  const id = ({ score, impression }: Conflict): string => derivedId(score, `${trigger}|${impression}`);
  const known = new Set(conflictsIn(before, registry).map(id));
  for (const conflict of conflictsIn(after, registry)) {
    if (known.has(id(conflict))) continue;
    writes.push({ kind: 'once', mayExist: resource.meta?.versionId !== '1' || (resource.id !== conflict.score && resource.id !== conflict.impression), resource: {
      resourceType: 'DetectedIssue',
      id: id(conflict),
      // A therapist's impression is for clinicians.
      meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] },
      status: 'preliminary',
      code: { coding: [{ system: codeSystem('safety-trigger'), code: trigger, display: title }], text: title },
      severity: 'high',
      patient: { reference: patient },
      identifiedDateTime: now,
      author: { reference: device },
      implicated: [conflict.source, `QuestionnaireResponse/${conflict.impression}`].map((reference) => ({ reference })),
      detail: 'The client answered the safety item above "not at all"; the impression noted within a week of it was "no concern". Please compare the two.',
    } });
  }
}

/** The completed review of an alert, on its Flag: only then may the Flag be set inactive. */
export const reviewedBy = extensionUrl('review');

/** Why a Flag was set inactive, in the words of who did it. */
export const statusReason = extensionUrl('status-reason');

const priorities = ['urgent', 'asap', 'stat'] as const;

/** A review that was completed is named on the Flag of its alert, which a clinician may then close. */
function reviewWrites(writes: DerivedWrite[], { resource, previous, deleted }: Change): void {
  if (deleted || resource.status !== 'completed' || previous?.status === 'completed' || !isSafetyReview(resource)) return;
  const response = (resource.focus as { reference?: string } | undefined)?.reference?.split('/').at(-1) ?? '';
  const { coding } = (resource.reasonCode ?? {}) as { coding?: readonly { system?: string; code?: string }[] };
  const trigger = coding?.find(({ system }) => system === codeSystem('safety-trigger'))?.code ?? '';
  const ours = ['task' as const, ...priorities.map((priority) => `task-${priority}` as const)];
  if (!ours.some((what) => resource.id === alertId(response, trigger, what))) return; // not the review of an alert that was raised here
  writes.push({ kind: 'change', type: 'Flag', id: alertId(response, trigger, 'flag'), change: (current) => {
    const others = ((current.extension ?? []) as readonly { url?: string }[]).filter(({ url }) => url !== reviewedBy);
    return { ...current, extension: [...others, { url: reviewedBy, valueReference: { reference: `Task/${resource.id}` } }] };
  } });
}
