import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { isConsistentlyMaximal } from './alliance.ts';
import { eventsOf, ratingsOf, type AllianceEvent } from './alliance-events.ts';
import { allianceTaskKind, isNoLongerAsked } from './alliance-tasks.ts';
import { allianceWords } from './alliance-words.ts';
import { seriesOf, type Series } from './baseline.ts';
import { instant } from './instant.ts';
import { metricTable } from './metrics.ts';
import { observationId } from './observations.ts';
import { explanation, flag, number, reference, type Part } from './parts.ts';
import { explained } from './progress-course.ts';
import { sourceOf, type PatientRecord, type Session } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { fulfillable, questionnaireOf } from './requests.ts';
import { episodeAt, sessionsOf } from './sessions.ts';
import { allianceStateDisplay } from './terminology.ts';

/** What `$progress` says of how two people work together: their ratings, and what became of feedback (docs/clinical.md 3.13). */

interface AllianceContext { readonly registry: Registry; readonly tasks: readonly Resource[]; readonly episode?: string }

/** @returns a part `alliance` for each scale and episode with ratings, and a part `feedback` for each feedback and each invitation. */
export function allianceParts(record: PatientRecord, { registry, tasks, episode }: AllianceContext): Part[] {
  const scales = [...registry.scales.values()].filter(({ definition }) => definition.alliance !== undefined);
  return [
    ...scales.flatMap((scale) => seriesOf(record, scale.key).filter((series) => episode === undefined || series.episode?.id === episode).map((series) => ratingPart(scale, series, sessionsOf(record, series.episode)))),
    ...inOrder(tasks, record).flatMap((task) => [...feedbackPart(task, record, episode), ...invitationPart(task, registry)]),
  ];
}

/** By the time of the feedback that a Task is about, else by when it was asked for: in whatever order they came. */
function inOrder(tasks: readonly (Resource & Answering)[], record: PatientRecord): readonly (Resource & Answering)[] {
  const at = new Map([...record.scores.values()].flat().map((score) => [sourceOf(score), score.at]));
  const timeOf = ({ focus, authoredOn }: Resource & Answering): number => at.get(focus?.reference ?? '') ?? instant(authoredOn as string | undefined) ?? Infinity;
  return tasks.map((task) => ({ task, time: timeOf(task) })).sort((a, b) => (a.time === b.time ? compareIds(a.task, b.task) : a.time < b.time ? -1 : 1)).map(({ task }) => task);
}

const compareIds = (a: Resource, b: Resource): number => (a.id! < b.id! ? -1 : 1);

function ratingPart(scale: Scale, series: Series, sessions: readonly Session[]): Part {
  const ratings = ratingsOf(series);
  const latest = ratings.at(-1)!;
  return {
    name: 'alliance',
    part: [
      { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } },
      ...(series.episode === null ? [] : [reference('episode', `EpisodeOfCare/${series.episode.id}`)]),
      number('ratings', ratings.length), number('latest', latest.value),
      ...eventsOf(scale, series, sessions).map((event) => eventPart(scale, event)),
      ...hintPart(scale, ratings),
    ],
  };
}

function eventPart(scale: Scale, event: AllianceEvent): Part {
  const { metric, anchor, inputs } = event;
  const state = event.metric === 'alliance-rupture' ? event.state : undefined;
  return {
    name: 'event',
    part: [
      { name: 'metric', valueCode: metric },
      { name: 'effective', valueDateTime: anchor.data.authored },
      ...(event.metric === 'alliance-rupture' ? [{ name: 'size', valueCode: event.rupture.size }, number('drop', event.rupture.drop), number('reference-sd', event.rupture.reference)] : event.items.map((linkId) => ({ name: 'low-item', valueString: linkId }))),
      ...(state === undefined ? [] : [{ name: 'state', valueCode: state }, { name: 'state-text', valueString: allianceStateDisplay[state] }]),
      reference('observation', `Observation/${observationId(metric, scale, anchor.id)}`),
      explained(metric, allianceWords(scale, event), inputs),
    ],
  };
}

/** Always the highest: worth a question. It is for the moment and not kept. */
function hintPart(scale: Scale, ratings: ReturnType<typeof ratingsOf>): Part[] {
  if (!isConsistentlyMaximal(ratings, scale.definition.max)) return [];
  const words = {
    clinician: 'The last three ratings are all the highest possible. That may be so, and it may be politeness: it can be worth asking what else would help.',
    client: 'The last three times you gave the highest marks. If there is anything that you would like to be different, it is welcome too.',
  };
  return [{ name: 'hint', part: [{ name: 'code', valueCode: 'consistently-maximal' }, explained('alliance-consistent', words, ratings.slice(-3))] }];
}

interface Answering { readonly output?: readonly { readonly type?: { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] }; readonly valueReference?: { readonly reference?: string }; readonly valueString?: string }[]; readonly focus?: { readonly reference?: string } }

/** What became of one feedback: given, answered, and what was agreed to change. */
function feedbackPart(task: Resource & Answering, record: PatientRecord, episode: string | undefined): Part[] {
  if (allianceTaskKind(task) !== 'respond-to-feedback' || task.status === 'entered-in-error') return [];
  const source = task.focus?.reference ?? '';
  const score = [...record.scores.values()].flat().find((each) => sourceOf(each) === source);
  if (episode !== undefined && (score === undefined || score.at === null || episodeAt(record.episodes, score.at)?.id !== episode)) return [];
  const changes = (task.output ?? []).filter(({ type }) => type?.coding?.some(({ system, code }) => system === codeSystem('task-input') && code === 'agreed-change'));
  const state = task.status !== 'completed' ? 'given' : changes.length > 0 ? 'agreed-change' : 'answered';
  return [{
    name: 'feedback',
    part: [
      { name: 'state', valueCode: state }, reference('task', `Task/${task.id}`), reference('response', source),
      ...(score?.data.authored === undefined ? [] : [{ name: 'given', valueDateTime: score.data.authored }]),
      ...changes.flatMap(({ valueReference, valueString }): Part[] => (valueReference?.reference !== undefined ? [reference('change', valueReference.reference)] : valueString === undefined ? [] : [{ name: 'change-text', valueString }])),
      ...flag('no-longer-asked', isNoLongerAsked(task) ? true : null),
      explanation('feedback-loop', metricTable['feedback-loop'].version, feedbackWords[state], [source, `Task/${task.id}`]),
    ],
  }];
}

const feedbackWords = {
  'given': { clinician: 'The client said something about the sessions; it waits for an answer.', client: 'You said something about the sessions. It is on the list of your therapist to talk about it with you.' },
  'answered': { clinician: 'The feedback was answered.', client: 'Your therapist has answered what you said about the sessions.' },
  'agreed-change': { clinician: 'The feedback was answered, and something was changed because of it.', client: 'What you said about the sessions has changed something: see what was agreed.' },
} as const;

/** A form with room for feedback that waits for the client: an open invitation. */
function invitationPart(task: Resource, registry: Registry): Part[] {
  const instrument = registry.byCanonical.get(questionnaireOf(task) ?? '');
  if (!fulfillable(task.status) || instrument === undefined || instrument.definition.unscored.length === 0 || !instrument.scales.some(({ definition }) => definition.alliance !== undefined)) return [];
  const words = { clinician: `The client is invited to say how the sessions are (${instrument.definition.shortTitle}).`, client: 'You are invited to say how the sessions are for you, and what you would like more or less of.' };
  return [{ name: 'feedback', part: [{ name: 'state', valueCode: 'invited' }, reference('task', `Task/${task.id}`), explanation('feedback-loop', metricTable['feedback-loop'].version, words, [`Task/${task.id}`])] }];
}
