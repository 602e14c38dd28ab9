import { codeSystem } from '../fhir/canonical.ts';
import { audienceOf } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import type { Valid } from './baseline.ts';
import { reviewsOf, type Course } from './course.ts';
import { Standing } from './difference.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { observationId } from './observations.ts';
import { instant } from './instant.ts';
import { sourceOf } from './record.ts';
import type { Scale } from './registry.ts';
import { recipients } from './safety-recipients.ts';
import type { Placed } from './trajectory.ts';

/** The routine Task that asks a clinician to look at a course together with the client (docs/clinical.md 3.7). */

const day = 86_400_000;
/** Older answers ask nobody for anything: they come from an import. */
const recent = 30 * day;

/** Adds to `writes` the Task of each row of signals that asks for one, and takes back what nobody has begun. */
export function reviewWrites(writes: DerivedWrite[], scale: Scale, { was, is }: { was: readonly Course[]; is: readonly Course[] }, change: Change, context: DeriveContext): void {
  const earlier = asked(was, context), now = asked(is, context);
  for (const [id, score] of now) {
    if (earlier.has(id)) continue;
    const task = reviewTask(scale, score, context);
    const { fresh } = new Standing(id, change);
    writes.push({ kind: 'once', resource: task, mayExist: !fresh });
    if (!fresh) writes.push({ kind: 'change', type: 'Task', id: task.id!, change: (current) => (current['status'] === 'cancelled' && isWithdrawn(current) ? reopened(current, context.now) : null) });
  }
  for (const id of earlier.keys()) {
    if (now.has(id)) continue;
    writes.push({ kind: 'change', type: 'Task', id: taskId(scale, id), change: (current) => (current['status'] === 'requested' ? withdrawn(current, context.now) : null) });
  }
}

const taskId = (scale: Scale, responseId: string): string => derivedId(responseId, `course-review|${scale.key}`);

function asked(courses: readonly Course[], { reference = null, now }: DeriveContext): Map<string, Valid> {
  const open = courses.filter(({ series: { episode } }) => episode?.data.status !== 'finished');
  return new Map(open.flatMap((course) => reviewsOf(course, reference).filter((placed) => !restsOnPrivate(course, placed)))
    .filter(({ score }) => score.at >= (instant(now) ?? 0) - recent).map(({ score }) => [score.id, score]));
}

/** What a client keeps private tells a clinician nothing, not even that there is something to look at. */
function restsOnPrivate({ placed, baseline }: Course, { score }: Placed): boolean {
  const at = placed.findIndex((each) => each.score.id === score.id);
  return [baseline, score, placed[at - 1]?.score].some((each) => each !== undefined && audienceOf('Observation', each.data.security).private);
}

function reviewTask(scale: Scale, score: Valid, context: DeriveContext): Resource {
  const { patient, device, now, careTeam, patientResource, safety, reference } = context;
  // Without closed episodes there is no expected course: the baseline decides.
  const how = reference?.scales[scale.key] === undefined ? 'reliably worse than at baseline' : 'outside the expected course';
  const { first: owner } = recipients(careTeam, patientResource, Date.parse(now), safety?.dutyLead);
  const { encounter } = score.data;
  return {
    resourceType: 'Task',
    id: taskId(scale, score.id),
    // A prompt for the clinician; what it rests on is open to the client, in words of its own.
    meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] },
    status: 'requested',
    intent: 'order',
    priority: 'routine',
    code: { coding: [{ system: codeSystem('task-type'), code: 'course-review', display: 'Look together at how the therapy is going' }] },
    description: `Two ${scale.instrument.definition.shortTitle} scores in a row are ${how}. Please look at it together with the client: a prompt to talk, not a verdict.`,
    focus: { reference: sourceOf(score) },
    for: { reference: patient },
    ...(encounter === undefined ? {} : { encounter: { reference: encounter } }),
    authoredOn: now,
    lastModified: now,
    requester: { reference: device },
    ...(owner === undefined ? {} : { owner }),
    reasonReference: { reference: `Observation/${observationId('trajectory-signal', scale, score.id)}` },
  };
}

const withdrawnText = 'The scores behind this request were changed and do not ask for it any more.';

const withdrawn = (task: Resource, now: string): Resource => ({ ...task, status: 'cancelled', statusReason: { text: withdrawnText }, lastModified: now });

const isWithdrawn = (task: Resource): boolean => (task['statusReason'] as { text?: string } | undefined)?.text === withdrawnText;

function reopened({ statusReason: _reason, ...task }: Resource, now: string): Resource {
  return { ...task, status: 'requested', lastModified: now };
}
