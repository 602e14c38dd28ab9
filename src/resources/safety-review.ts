import { codeSystem } from '../fhir/canonical.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import reviewAction from '../../schemas/code-systems/review-action.json' with { type: 'json' };
import { isMorePressing } from '../outcomes/safety.ts';
import { onDutyLimit } from '../outcomes/safety-resources.ts';
import { reviewedBy, statusReason } from '../outcomes/safety-writes.ts';
import { isSafetyReview, reviewTimes, timesOf, withTimes } from '../outcomes/review-times.ts';

/** How the review of an alert is acknowledged and closed, and its Flag after it (docs/clinical.md 7). */

interface Concept { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }
interface Output { readonly type?: Concept; readonly [value: string]: unknown }
interface Extension { readonly url?: string; readonly valueString?: string; readonly valueCodeableConcept?: Concept & { readonly text?: string } }

const fault = (code: Issue['code'], expression: string, text: string): Issue => ({ severity: 'error', code, expression, text });
const list = <T>(value: unknown): readonly T[] => (Array.isArray(value) ? (value as readonly T[]) : []);
const extensions = (resource: Resource | undefined): readonly Extension[] => list<Extension>(resource?.extension);
const codes = (concept: Concept | undefined, system: string): (string | undefined)[] => list<{ system?: string; code?: string }>(concept?.coding).filter((each) => each.system === codeSystem(system)).map(({ code }) => code);

/** @returns whether `resource` is a Flag of an alert. */
export const isSafetyFlag = ({ resourceType, code }: Resource): boolean => resourceType === 'Flag' && codes(code as Concept | undefined, 'safety-trigger').length > 0;

const outputs = (task: Resource, type: string): readonly Output[] => list<Output>(task.output).filter((output) => codes(output.type, 'task-input').includes(type));
const actionsIn = (task: Resource): (string | undefined)[] => outputs(task, 'action-taken').flatMap(({ valueCodeableConcept }) => codes(valueCodeableConcept as Concept | undefined, 'review-action'));

/** @returns what a completed review lacks: what was done, a note, and when to look again. */
export function checkCompletedReview(task: Resource): Issue[] {
  if (task.status !== 'completed') return [];
  const lacks: Issue[] = [];
  const known = reviewAction.concept.map(({ code }) => code);
  if (!actionsIn(task).some((code) => code !== undefined && known.includes(code))) {
    lacks.push(fault('required', 'Task.output', `A completed safety review needs an output of type action-taken with one of ${known.join(', ')} (${codeSystem('review-action')}).`));
  }
  if (!outputs(task, 'note').some(({ valueString }) => typeof valueString === 'string' && valueString.trim() !== '')) {
    lacks.push(fault('required', 'Task.output', 'A completed safety review needs an output of type note with a valueString: what was found and agreed.'));
  }
  if (!outputs(task, 'next-check').some(({ valueDate, valueDateTime }) => valueDate !== undefined || valueDateTime !== undefined)) {
    lacks.push(fault('required', 'Task.output', 'A completed safety review needs an output of type next-check with a valueDate: when somebody looks again.'));
  }
  return lacks;
}

/** @returns why the Flag of an alert may not leave `active` in this way: its review must be completed, and a reason given. */
export function checkFlag(previous: Resource | undefined, next: Resource): Issue[] {
  if (previous === undefined || !isSafetyFlag(previous) || next.status === 'active' || previous.status !== 'active') return [];
  if (!extensions(previous).some(({ url }) => url === reviewedBy)) {
    return [fault('business-rule', 'Flag.status', 'The review of this alert is not completed yet. Complete its Task first (Task.reasonReference names this Flag), then set the Flag inactive.')];
  }
  const reason = extensions(next).find(({ url }) => url === statusReason);
  const words = reason?.valueString ?? reason?.valueCodeableConcept?.text ?? reason?.valueCodeableConcept?.coding?.[0]?.code ?? '';
  return words.trim() === '' ? [fault('required', 'Flag.extension', `A Flag of an alert is set inactive with a reason: an extension ${statusReason} with a valueString or valueCodeableConcept.`)] : [];
}

/** @returns an issue where somebody who is no clinician acknowledges, works on or closes the review of an alert, or its Flag. */
export function checkClinician(previous: Resource | undefined, next: Resource, agent: string | undefined): Issue[] {
  if (previous === undefined || previous.status === next.status || !(isSafetyReview(previous) || isSafetyFlag(previous))) return [];
  if (/^Practitioner(?:Role)?\//.test(agent ?? '')) return [];
  return [fault('forbidden', `${next.resourceType}.status`, 'The review of an alert is acknowledged and closed by a clinician: a token whose fhirUser is a Practitioner is needed.')];
}

/** Elements of a review that the service raised which stay as they are, whoever writes it. */
const kept = ['authoredOn', 'focus', 'for', 'requester', 'reasonCode', 'reasonReference', 'restriction', 'businessStatus'] as const;
const contacts = new Set(['contacted-client', 'safety-plan-made']);

/**
 * A review as a clinician writes it. What the service keeps of it stays, so that a copy that was read before an amendment takes
 * nothing back: its time limits, a higher priority, notes. When it was acknowledged, when the client was first reached and when it
 * was closed is stamped once, by the clock of the database.
 * @param agent who writes.
 */
export function reviewByClient(previous: Resource | undefined, next: Resource, now: string, agent: string | undefined): Resource {
  if (previous === undefined || !isSafetyReview(previous)) return next;
  const service = Object.fromEntries(kept.flatMap((element) => (previous[element] === undefined ? [] : [[element, previous[element]]])));
  const priority = isMorePressing(priorityOf(previous), priorityOf(next)) ? previous.priority : next.priority;
  const written = new Set(list(next.note).map((note) => JSON.stringify(note)));
  const note = [...list(previous.note).filter((each) => !written.has(JSON.stringify(each))), ...list(next.note)];
  const own = extensions(next).filter(({ url }) => url !== onDutyLimit && url !== reviewTimes);
  const extension = [...extensions(previous).filter(({ url }) => url === onDutyLimit || url === reviewTimes), ...own];
  const { extension: _extension, note: _note, businessStatus: _status, ...rest } = next;
  const merged: Resource = { ...rest, ...service, ...(priority === undefined ? {} : { priority }), ...(note.length === 0 ? {} : { note }), ...(extension.length === 0 ? {} : { extension }) };
  const times = timesOf(merged);
  const by = agent === undefined ? {} : { reference: agent };
  return withTimes(merged, {
    ...times,
    ...(times.acknowledgedAt === undefined && previous.status === 'requested' && next.status !== 'requested' ? { acknowledgedAt: now, acknowledgedBy: by } : {}),
    ...(times.contactedAt === undefined && actionsIn(next).some((code) => contacts.has(code ?? '')) ? { contactedAt: now } : {}),
    ...(times.closedAt === undefined && next.status === 'completed' ? { closedAt: now, closedBy: by } : {}),
  });
}

const priorityOf = ({ priority }: Resource): Parameters<typeof isMorePressing>[0] => ({ priority: priority === 'urgent' || priority === 'asap' || priority === 'stat' ? priority : 'routine' });

/** A Flag of an alert as a clinician writes it: what it is about, and that its review was completed, is the service's to say. */
export function flagByClient(previous: Resource | undefined, next: Resource, now: string): Resource {
  if (previous === undefined || !isSafetyFlag(previous)) return next;
  const { code, subject, author, category } = previous;
  const extension = [...extensions(previous).filter(({ url }) => url === reviewedBy), ...extensions(next).filter(({ url }) => url !== reviewedBy)];
  const period = { ...previous.period as object, ...(next.period as object | undefined) } as { start?: string; end?: string };
  const closing = previous.status === 'active' && next.status !== 'active' && period.end === undefined;
  return {
    ...next, code, subject, ...(author === undefined ? {} : { author }), ...(category === undefined ? {} : { category }),
    period: closing ? { ...period, end: now } : period, ...(extension.length === 0 ? {} : { extension }),
  };
}
