import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Priority } from './instrument.ts';
import { isSafetyReview } from './review-times.ts';
import { instant } from './instant.ts';
import type { Recipient, Recipients } from './safety-recipients.ts';
import { message } from './safety-resources.ts';

/** Who hears next of a review that nobody acknowledged: a second clinician at its limit, the duty lead at twice its time. */
export type Step = 'second-clinician' | 'duty-lead';

const told: Readonly<Record<Step, string>> = { 'second-clinician': 'A second clinician has been told', 'duty-lead': 'The duty lead has been told' };
const recipientOf: Readonly<Record<Step, keyof Recipients>> = { 'second-clinician': 'second', 'duty-lead': 'lead' };

interface Concept { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }

/** @returns the step that is due for `task` at `now` (milliseconds since 1970), or undefined: acknowledged, in time, or everybody was told. */
export function stepDue(task: Resource, now: number): Step | undefined {
  const { start, end } = ((task.restriction ?? {}) as { period?: { start?: string; end?: string } }).period ?? {};
  const limit = instant(end);
  if (!isSafetyReview(task) || task.status !== 'requested' || limit === null || now < limit) return undefined;
  const done = new Set((task.businessStatus as Concept | undefined)?.coding?.filter(({ system }) => system === codeSystem('review-escalation')).map(({ code }) => code));
  if (!done.has('second-clinician')) return 'second-clinician';
  const began = instant(start) ?? instant(task.authoredOn as string | undefined) ?? limit;
  return !done.has('duty-lead') && now >= limit + (limit - began) ? 'duty-lead' : undefined;
}

/** @returns the review after a step: what was done stands in it, so that a step is taken once however often it is tried. A review without an owner gets who was told. */
export function escalated(task: Resource, step: Step, to: Recipients, now: string): Resource {
  const coding = [...(task.businessStatus as Concept | undefined)?.coding ?? [], { system: codeSystem('review-escalation'), code: step, display: told[step] }];
  const recipient = to[recipientOf[step]];
  const text = `Nobody acknowledged this in ${step === 'duty-lead' ? 'twice its time' : 'its time'}. ${recipient === undefined ? 'There is nobody on duty in the care team who could be told.' : `${told[step]}: ${recipient.reference}.`}`;
  // Two clocks may differ: a Task is never modified before it was (inv-1).
  const before = (task.lastModified ?? task.authoredOn) as string | undefined;
  const lastModified = (instant(before) ?? -Infinity) > Date.parse(now) ? before : now;
  return {
    ...task, businessStatus: { coding, text: told[step] }, lastModified,
    ...(task.owner === undefined && recipient !== undefined ? { owner: recipient } : {}),
    note: [...(task.note as unknown[] | undefined) ?? [], { time: now, text }],
  };
}

/** @returns the message of a step, under an id that follows from the review and the step. */
export function escalationMessage(task: Resource, step: Step, to: Recipients, { device, now }: { readonly device: string; readonly now: string }): Resource {
  const patient = (task.for as Recipient).reference;
  const recipient = to[recipientOf[step]];
  const built = message(derivedId(task.id!, `escalation|${step}`), `Task/${task.id}`, task.priority as Priority | undefined, recipient, { patient, device, now });
  const security = task.meta?.security;
  return security === undefined ? built : { ...built, meta: { security } };
}
