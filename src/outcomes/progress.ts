import { audienceOf } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { adherence } from './adherence.ts';
import { seriesOf } from './baseline.ts';
import { courseOf } from './course.ts';
import { scaleFor } from './form-total.ts';
import { goalRule, goalStatus, humanAchievement, type GoalStatus } from './goals.ts';
import { metricTable } from './metrics.ts';
import { explanation, forReader, number, reference, type Part, type Reader } from './parts.ts';
import { episodeParts } from './progress-episode.ts';
import { instrumentPart } from './progress-instrument.ts';
import { sourceOf, type PatientRecord, type Score } from './record.ts';
import type { Registry } from './registry.ts';
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
  /** The only episode that is asked for. */
  readonly episode?: string;
  /** What each episode is about, by its id (`descriptorOf`). */
  readonly descriptors?: ReadonlyMap<string, string | null>;
}

/** @returns the Parameters resource that shows where a patient stands. Pure: nothing is read or stored. */
export function progress(record: PatientRecord, context: ProgressContext): Resource {
  const visible = withoutHidden(record, context.reader);
  const scales = [...visible.scores.keys()].sort().flatMap((key) => scaleFor(context.registry, key, visible) ?? []);
  return {
    resourceType: 'Parameters',
    parameter: forReader([
      { name: 'patient', valueReference: { reference: context.patient } },
      { name: 'computed', valueInstant: context.now },
      ...scales.flatMap((scale) => seriesOf(visible, scale.key).filter(({ episode }) => context.episode === undefined || episode?.id === context.episode)
        .map((series) => instrumentPart(scale, courseOf(visible, scale, series), context.benchmark ?? null))),
      ...visible.episodes.filter(({ id }) => context.episode === undefined || id === context.episode)
        .flatMap((episode) => episodeParts(visible, episode, context.registry, context.descriptors?.get(episode.id) ?? null)),
      ...goalParts(record, visible, context),
      homeworkPart(context),
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

const response = sourceOf;

/** The status follows from all scores; those that the caller may not see are counted and not shown. */
function goalParts(record: PatientRecord, visible: PatientRecord, { goals, registry, now }: ProgressContext): Part[] {
  return goals.flatMap((goal): Part[] => {
    const human = humanAchievement(goal);
    const measured = record.goals.find(({ id }) => id === goal.id);
    const computed = measured === undefined ? null : goalStatus(measured, record, registry, now);
    if (human === undefined && computed === null) return [];
    return [{
      name: 'goal',
      part: [
        reference('reference', `Goal/${goal.id}`),
        { name: 'status', valueCode: human ?? computed!.status },
        { name: 'set-by', valueCode: human === undefined ? 'service' : 'person' },
        ...(computed === null ? [] : [goalExplanation(computed, visible)]),
      ],
    }];
  });
}

function goalExplanation({ ratings, scale, why }: GoalStatus, visible: PatientRecord): Part {
  const shown = ratings.filter(({ id }) => visible.scores.get(scale.key)?.some((score) => score.id === id) === true);
  const hidden = ratings.length - shown.length;
  const text = hidden === 0 ? why : `Computed from ${ratings.length} scores of ${scale.definition.title}, ${hidden} of which are not shown to you.`;
  return explanation(goalRule.id, goalRule.version, text, shown.map(response));
}

function homeworkPart({ tasks, now }: ProgressContext): Part {
  const { eligible, completed, completionRate, onTime, quantity, acceptance } = adherence(tasks, now);
  const text = eligible.length === 0 ? 'No homework has been due so far.' : `${completed} of ${eligible.length} exercises that were due are completed, ${onTime} of them within a day of being due.`;
  return {
    name: 'homework',
    part: [
      number('eligible', eligible.length), number('completed', completed), number('on-time', onTime),
      ...(completionRate === null ? [] : [number('completion-rate', completionRate)]),
      ...(quantity === null ? [] : [number('quantity', quantity)]),
      ...(acceptance === null ? [] : [number('acceptance', acceptance)]),
      explanation('homework-adherence', metricTable['homework-adherence'].version, text, eligible.map(({ id }) => `Task/${id}`)),
    ],
  };
}

function alertPart(alert: Resource): Part {
  const { resourceType, id, status, priority, code, restriction } = alert as Resource & { status?: string; priority?: string; restriction?: { period?: { end?: string } } };
  const due = restriction?.period?.end;
  return {
    name: 'alert',
    part: [
      reference('resource', `${resourceType}/${id}`),
      { name: 'status', valueCode: status },
      ...(code === undefined ? [] : [{ name: 'code', valueCodeableConcept: code }]),
      ...(priority === undefined ? [] : [{ name: 'priority', valueCode: priority }]),
      ...(due === undefined ? [] : [{ name: 'due', valueDateTime: due }]),
    ],
  };
}
