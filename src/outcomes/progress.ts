import { audienceOf } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { seriesOf } from './baseline.ts';
import type { ChangeIndexCode } from './change-index.ts';
import { courseOf } from './course.ts';
import { scaleFor } from './form-total.ts';
import { forReader, type Reader } from './client-answer.ts';
import { reference, type Part } from './parts.ts';
import { allianceParts } from './progress-alliance.ts';
import { completenessPart } from './progress-completeness.ts';
import { episodeParts } from './progress-episode.ts';
import { goalParts } from './progress-goals.ts';
import { homeworkPart } from './progress-homework.ts';
import { askedAt, prompts } from './completeness.ts';
import { instrumentPart } from './progress-instrument.ts';
import type { PatientRecord, Score } from './record.ts';
import { scaleForSex, type Registry } from './registry.ts';
import type { TrajectoryReference } from './trajectory-reference.ts';

/** Content of `GET Patient/{id}/$progress`: every number with its inputs, its rule, the version of the rule and a plain sentence. */
export interface ProgressContext {
  readonly registry: Registry;
  readonly now: string;
  /** `Patient/...` */
  readonly patient: string;
  /** The Goals that the caller may see. */
  readonly goals: readonly Resource[];
  /** The Tasks that the caller may see; homework among them is summed up. */
  readonly tasks: readonly Resource[];
  /** Active Flags and open safety-review Tasks that the caller may see. */
  readonly alerts: readonly Resource[];
  /** Who reads: the scores of responses that are for the other side only are left out. */
  readonly reader: Reader;
  /** What the course of closed episodes was; absent: there is no benchmark. */
  readonly benchmark?: TrajectoryReference | null;
  /** Where the client's days begin and end; absent: UTC. */
  readonly zone?: string;
  /** When each resource was written that a homework Task names and the caller may see, by its reference. */
  readonly written?: ReadonlyMap<string, string>;
  /** The only episode that is asked for. */
  readonly episode?: string;
  /** Indices of change that are asked for beside the one that decides the class. */
  readonly indices?: readonly ChangeIndexCode[];
  /** What each episode is about, by its id (`descriptorOf`). */
  readonly descriptors?: ReadonlyMap<string, string | null>;
}

/** @returns the Parameters resource that shows where a patient stands. Pure: nothing is read or stored. */
export function progress(record: PatientRecord, context: ProgressContext): Resource {
  const visible = withoutHidden(record, context.reader);
  const local = { ...context, zone: context.zone ?? 'UTC', written: context.written ?? new Map<string, string>() };
  const asked = prompts(context.tasks, context.now, local.zone);
  const scales = [...visible.scores.keys()].sort().flatMap((key) => scaleFor(context.registry, key, visible) ?? []).map((scale) => scaleForSex(scale, visible.person.gender));
  return {
    resourceType: 'Parameters',
    parameter: forReader([
      { name: 'patient', valueReference: { reference: context.patient } },
      { name: 'computed', valueInstant: context.now },
      ...scales.flatMap((scale) => seriesOf(visible, scale.key).filter(({ episode }) => context.episode === undefined || episode?.id === context.episode)
        .map((series) => instrumentPart(scale, courseOf(visible, scale, series), { benchmark: context.benchmark ?? null, indices: context.indices ?? [], asked: askedAt(asked.filter(({ questionnaire }) => questionnaire === scale.instrument.canonical)) }))),
      ...visible.episodes.filter(({ id }) => context.episode === undefined || id === context.episode)
        .flatMap((episode) => [...episodeParts(visible, episode, context.registry, context.descriptors?.get(episode.id) ?? null), completenessPart(visible, episode, local)]),
      ...goalParts(record, visible, context),
      homeworkPart(visible, local),
      ...allianceParts(visible, context),
      ...context.alerts.map(alertPart),
    ], context.reader),
  };
}

/** @returns `record` without the scores of responses that are not for this reader (fhir/labels.ts): clinicians' notes in a client's access, what a client keeps private in a clinician's. */
export function withoutHidden(record: PatientRecord, reader: ProgressContext['reader']): PatientRecord {
  if (reader === 'any') return record;
  const isHidden = ({ data }: Score): boolean => {
    const { restricted, private: kept } = audienceOf('Observation', data.security);
    return reader === 'client' ? restricted && !kept : kept;
  };
  return { ...record, scores: new Map([...record.scores].map(([key, list]) => [key, list.filter((score) => !isHidden(score))])) };
}

function alertPart(alert: Resource): Part {
  const { resourceType, id, status, priority, code, restriction, description } = alert as Resource & { status?: string; priority?: string; description?: string; restriction?: { period?: { end?: string } } };
  const due = restriction?.period?.end;
  const what = description ?? `${(code as { text?: string } | undefined)?.text ?? 'Alert'}: not closed`;
  return {
    name: 'alert',
    part: [
      reference('resource', `${resourceType}/${id}`),
      { name: 'status', valueCode: status },
      ...(code === undefined ? [] : [{ name: 'code', valueCodeableConcept: code }]),
      ...(priority === undefined ? [] : [{ name: 'priority', valueCode: priority }]),
      ...(due === undefined ? [] : [{ name: 'due', valueDateTime: due }]),
      { name: 'text', valueString: `${what}.` },
      { name: 'text-for-client', valueString: 'Your care team is asked to look at something that you answered, and to talk with you about it.' },
    ],
  };
}
