import { codeSystem } from '../fhir/canonical.ts';
import { audienceOf } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { AllianceEvent } from './alliance-events.ts';
import { Standing } from './difference.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { labels, observationId } from './observations.ts';
import { instant } from './instant.ts';
import { dayOf } from './plain-words.ts';
import { sourceOf, type PatientRecord, type Score } from './record.ts';
import type { Scale } from './registry.ts';
import { recipients } from './safety-recipients.ts';

/**
 * Routine Tasks that ask a clinician to talk with the client about their work together (docs/clinical.md 3.13): when a drop was not
 * repaired, and when the client said something beside the scores. People close them, never the service: where the answers behind
 * one are changed so that nothing asks for it any more, it is noted on it.
 */

const day = 86_400_000;
/** Older answers ask nobody for anything: they come from an import. */
const recent = 30 * day;
const confidential = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' } as const;

export type AllianceRequest = 'alliance-review' | 'respond-to-feedback';

/** @returns which of these requests a Task is; undefined for any other. */
export const allianceTaskKind = ({ code }: Resource): AllianceRequest | undefined =>
  (code as { coding?: { system?: string; code?: string }[] } | undefined)?.coding?.filter(({ system }) => system === codeSystem('task-type'))
    .map((coding) => coding.code).find((each) => each === 'alliance-review' || each === 'respond-to-feedback');

/** @returns the id of the request that the rating `responseId` gives rise to. */
export const allianceTaskId = (request: AllianceRequest, scale: Scale, responseId: string): string => derivedId(responseId, `${request}|${scale.key}`);

/** One request, with the rating that it is about. */
interface Asked { readonly score: Score; readonly task: () => Resource }

interface Records { readonly before: PatientRecord; readonly after: PatientRecord; readonly was: readonly AllianceEvent[]; readonly is: readonly AllianceEvent[] }

/** Adds to `writes` each request that `after` asks for and `before` did not, and a note on each that nothing asks for any more. */
export function allianceTaskWrites(writes: DerivedWrite[], scale: Scale, { before, after, was, is }: Records, change: Change, context: DeriveContext): void {
  const earlier = asked(scale, before, was, context), now = asked(scale, after, is, context);
  for (const [id, { score, task }] of now) {
    if (earlier.has(id)) continue;
    const { fresh } = new Standing(score.id, change);
    writes.push({ kind: 'once', resource: task(), mayExist: !fresh });
    if (!fresh) writes.push({ kind: 'change', type: 'Task', id, change: (current) => withoutNote(current, context.now) });
  }
  for (const id of earlier.keys()) if (!now.has(id)) writes.push({ kind: 'change', type: 'Task', id, change: (current) => withNote(current, context.now) });
}

/** What is asked for, by the id of its Task. What a client keeps private asks nobody: the request would give it away. */
function asked(scale: Scale, record: PatientRecord, events: readonly AllianceEvent[], context: DeriveContext): Map<string, Asked> {
  const since = (instant(context.now) ?? 0) - recent;
  const found = new Map<string, Asked>();
  for (const event of events) {
    if (event.metric !== 'alliance-rupture' || event.state !== 'unrepaired' || event.series.episode?.data.status === 'finished') continue;
    if (event.decidedAt < since || isKept(event.inputs)) continue;
    found.set(allianceTaskId('alliance-review', scale, event.anchor.id), { score: event.anchor, task: () => reviewTask(scale, event, context) });
  }
  for (const score of record.scores.get(scale.key) ?? []) {
    if (score.data.alliance?.feedback === undefined || score.at === null || score.at < since || isKept([score])) continue;
    found.set(allianceTaskId('respond-to-feedback', scale, score.id), { score, task: () => feedbackTask(scale, score, context) });
  }
  return found;
}

const isKept = (scores: readonly Score[]): boolean => audienceOf('Observation', labels(...scores)).private;

/** A prompt for the clinician; what it rests on is open to the client, in words of its own. */
const reviewTask = (scale: Scale, { anchor, inputs }: AllianceEvent, context: DeriveContext): Resource => ({
  ...request('alliance-review', scale, anchor, [...(labels(...inputs) ?? []).filter(({ code }) => code !== confidential.code), confidential], context),
  code: { coding: [{ system: codeSystem('task-type'), code: 'alliance-review', display: 'Talk about how we work together' }] },
  description: `After a drop, ${scale.instrument.definition.shortTitle} did not come back within three sessions to where it was. Please talk with the client about how you work together: a prompt to talk, not a mark for anybody.`,
  reasonReference: { reference: `Observation/${observationId('alliance-rupture', scale, anchor.id)}` },
});

/** Open to the client, who sees whether it was answered. */
const feedbackTask = (scale: Scale, score: Score, context: DeriveContext): Resource => ({
  ...request('respond-to-feedback', scale, score, labels(score), context),
  code: { coding: [{ system: codeSystem('task-type'), code: 'respond-to-feedback', display: 'Respond to feedback' }] },
  description: `With the ${scale.instrument.definition.shortTitle} of ${dayOf(score.date)} the client said something about the sessions, or asked to talk. Please respond to it; what is changed because of it is named on this task, as "What was agreed to change".`,
  reasonReference: { reference: sourceOf(score) },
});

function request(kind: AllianceRequest, scale: Scale, score: Score, security: ReturnType<typeof labels>, { patient, device, now, careTeam, patientResource, safety }: DeriveContext): Resource {
  const { first: owner } = recipients(careTeam, patientResource, Date.parse(now), safety?.dutyLead);
  const { encounter } = score.data;
  return {
    resourceType: 'Task',
    id: allianceTaskId(kind, scale, score.id),
    ...(security === undefined ? {} : { meta: { security: [...security] } }),
    status: 'requested',
    intent: 'order',
    priority: 'routine',
    focus: { reference: sourceOf(score) },
    for: { reference: patient },
    ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    authoredOn: now,
    lastModified: now,
    requester: { reference: device },
    ...(owner === undefined ? {} : { owner }),
  };
}

const closed: readonly unknown[] = ['completed', 'cancelled', 'rejected', 'failed', 'entered-in-error'];
const changedText = 'The answers behind this request were changed, and nothing asks for it any more. It stays open until somebody has looked at it.';

interface Noted { readonly note?: readonly { readonly text?: string }[] }
const isOurs = ({ text }: { readonly text?: string }): boolean => text === changedText;

/** @returns whether the service noted on a request that nothing asks for it any more. */
export const isNoLongerAsked = (task: Resource): boolean => (task as Noted).note?.some(isOurs) === true;

function withNote(task: Resource, now: string): Resource | null {
  if (closed.includes(task.status) || isNoLongerAsked(task)) return null;
  return { ...task, note: [...(task as Noted).note ?? [], { time: now, text: changedText }], lastModified: now };
}

/** What is asked for again. */
function withoutNote(task: Resource, now: string): Resource | null {
  if (!isNoLongerAsked(task)) return null;
  const { note = [], ...rest } = task as Resource & Noted;
  const others = note.filter((each) => !isOurs(each));
  return { ...rest, ...(others.length === 0 ? {} : { note: others }), lastModified: now } as Resource;
}
