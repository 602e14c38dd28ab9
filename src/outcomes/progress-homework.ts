import type { Resource } from '../fhir/resource.ts';
import { adherence, dueOf, isHomework, type Adherence } from './adherence.ts';
import { endOf, localDate } from './local-time.ts';
import { metricTable } from './metrics.ts';
import { explanation, known, number, reference, type Part } from './parts.ts';
import { counted } from './plain-words.ts';
import { practice } from './practice.ts';
import { associationParts, changePart, changesOf, type IntervalChange } from './progress-homework-change.ts';
import { instant } from './instant.ts';
import type { Episode, PatientRecord } from './record.ts';
import type { Registry } from './registry.ts';
import { intervalAfter, sessionsOf, type Interval } from './sessions.ts';

/** What `$progress` says of homework: what was due, what was done of it, and when, in the days of the client (docs/clinical.md 3.10). */

export interface HomeworkContext {
  readonly registry: Registry;
  readonly tasks: readonly Resource[];
  readonly now: string;
  /** Where the client's days begin and end. */
  readonly zone: string;
  /** When each resource was written that a Task names, by its reference. */
  readonly written: ReadonlyMap<string, string>;
  /** The only episode that is asked for. */
  readonly episode?: string;
}

/** @returns the part `homework`: of all that was ever due, or of one episode; with what was due between two sessions. */
export function homeworkPart(record: PatientRecord, context: HomeworkContext): Part {
  const { zone, written } = context;
  const episode = record.episodes.find(({ id }) => id === context.episode);
  const span = spanOf(episode, context);
  const tasks = context.tasks.filter(isHomework).filter((task) => episode === undefined || isWithin(task, span, zone)).sort(byDue(zone));
  const found = adherence(tasks, span.to, { zone, written, ...(span.from === undefined ? {} : { from: span.from }) });
  return {
    name: 'homework',
    part: [
      ...(episode === undefined ? [] : [reference('episode', `EpisodeOfCare/${episode.id}`)]),
      { name: 'time-zone', valueString: zone },
      ...measures(found), ...known('acceptance', found.acceptance),
      homeworkExplanation(found, found.offered),
      practicePart(tasks, span, context),
      ...record.episodes.filter(({ id }) => episode === undefined || id === episode.id).flatMap((each) => intervalParts(record, each, { ...context, tasks })),
    ],
  };
}

/** In the order in which they are due, whatever the order in which they came. */
const byDue = (zone: string) => (a: Resource, b: Resource): number => {
  const [one, other] = [dueOf(a, zone) ?? Infinity, dueOf(b, zone) ?? Infinity];
  return one === other ? (a.id! < b.id! ? -1 : 1) : one - other;
};

interface Span { readonly from?: string; readonly to: string }

/** Since when, and up to when homework counts: the time of the episode so far. */
function spanOf(episode: Episode | undefined, { now, zone }: HomeworkContext): Span {
  const end = episode?.data.status === 'finished' ? endOf(episode.data.end, zone) : null;
  return {
    ...(episode?.data.start === undefined ? {} : { from: episode.data.start }),
    to: end === null || end > Date.parse(now) ? now : new Date(end).toISOString(),
  };
}

/** A Task is of an episode that is due in its time; one without a due day, that was agreed in it. */
function isWithin(task: Resource, { from, to }: Span, zone: string): boolean {
  const at = dueOf(task, zone) ?? instant(task.authoredOn as string | undefined);
  // What is due after now was agreed in an episode that still goes on.
  return at !== null && at > (instant(from) ?? -Infinity) && ((instant(task.authoredOn as string | undefined) ?? -Infinity) <= Date.parse(to) || at <= Date.parse(to));
}

const measures = ({ eligible, completed, onTime, overdue, completionRate, quantity, quality, qualityBy, reviewRate }: Adherence): Part[] => [
  number('eligible', eligible.length), number('completed', completed), number('on-time', onTime), number('overdue', overdue),
  ...known('completion-rate', completionRate), ...known('quantity', quantity), ...known('quality', quality),
  ...known('quality-client', qualityBy.client), ...known('quality-therapist', qualityBy.therapist), ...known('review-rate', reviewRate),
];

const references = (tasks: readonly Resource[]): string[] => tasks.map(({ id }) => `Task/${id}`);
const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** @param asked the exercises that were offered, where their share that was accepted stands beside. */
function words({ eligible, completed, onTime, overdue, quantity, quality, qualityBy, reviewRate, acceptance }: Adherence, asked?: readonly Resource[]): { clinician: string; client: string } {
  if (eligible.length === 0) return { clinician: 'No homework has been due so far: there is no rate, and not a rate of 0.', client: 'Nothing that you agreed to try has been due so far.' };
  const raters = qualityBy.client === null ? 'rated by the therapist' : qualityBy.therapist === null ? 'rated by the client' : 'mean of the client\'s and the therapist\'s rating';
  return {
    clinician: [
      `${counted(eligible.length, 'exercise')} ${eligible.length === 1 ? 'was' : 'were'} due. Completed: ${completed} (within a day of being due: ${onTime}). Not completed yet: ${overdue}.`,
      ...(quantity === null ? [] : [eligible.length === 1 ? `${percent(quantity)} of it was done.` : `On average ${percent(quantity)} of each was done.`]),
      ...(quality === null ? [] : [`How fully the idea was used in what was done: ${percent(quality)} (${raters}).`]),
      ...(reviewRate === null ? [] : [`Talked about in a session: ${Math.round(reviewRate * completed)} of ${completed} completed.`]),
      ...(asked === undefined || asked.length === 0 ? [] : [`Offered: ${asked.length}, accepted: ${Math.round(acceptance! * asked.length)}.`]),
    ].join(' '),
    client: `You agreed to try ${counted(eligible.length, 'thing')}. Done: ${completed}${overdue === 0 ? '' : `, still on your list: ${overdue}`}. What got in the way is worth talking about as much as what worked.`,
  };
}

function practicePart(tasks: readonly Resource[], { from, to }: Span, { now, zone, written }: HomeworkContext): Part {
  const found = practice(tasks, now, { zone, written, ...(from === undefined ? {} : { from: localDate(Date.parse(from), zone) }), to: localDate(Date.parse(to) - 1, zone) });
  const { days, planned, kept, share, gaps, longestGap } = found;
  const text = {
    clinician: share === null ? `Practice on ${counted(days.length, 'day')}; no daily practice was agreed.`
      : `Practice on ${counted(days.length, 'day')}; on ${kept} of the ${counted(planned, 'day')} for which daily practice was agreed (${percent(share)}). ${gaps === 0 ? 'No gaps.' : `${counted(gaps, 'gap')}, the longest of ${counted(longestGap, 'day')}.`}`,
    client: days.length === 0 ? 'Practice is written down here day by day, whenever you begin.' : `You practised on ${counted(days.length, 'day')}. Every one of them counts; days without practice take nothing away.`,
  };
  return {
    name: 'practice',
    part: [
      number('days', days.length), number('planned-days', planned), number('planned-days-kept', kept), ...known('share', share), number('gaps', gaps), number('longest-gap', longestGap),
      explanation('practice-consistency', metricTable['practice-consistency'].version, text, references(tasks)),
    ],
  };
}

/** What was due between two sessions, or before the first or after the last, and how the scores moved in that time. */
export interface HomeworkInterval extends Interval { readonly found: Adherence; readonly moved: readonly IntervalChange[] }

/** @returns every interval of an episode, also those in which nothing was due. */
export function homeworkIntervals(record: PatientRecord, episode: Episode, context: HomeworkContext): HomeworkInterval[] {
  const { tasks, zone, written, registry } = context;
  const sessions = sessionsOf(record, episode);
  const span = spanOf(episode, context);
  const changes = changesOf(record, episode, registry);
  // Where a day ends is worked out once for each Task: a calendar is slow.
  const dues = new Map(tasks.map((task) => [task, dueOf(task, zone)]));
  return Array.from({ length: sessions.length + 1 }, (_, k) => intervalAfter(sessions, k)!).map((interval): HomeworkInterval => {
    const from = interval.after?.data.start ?? episode.data.start;
    const to = interval.before?.data.start ?? span.to;
    const [low, high] = [instant(from) ?? -Infinity, Date.parse(to)];
    const due = tasks.filter((task) => (dues.get(task) ?? -Infinity) > low && (dues.get(task) ?? Infinity) <= high);
    return { ...interval, found: adherence(due, to, { zone, written, ...(from === undefined ? {} : { from }) }), moved: changes.get(interval.session) ?? [] };
  });
}

/** The intervals in which homework was due, each with how the scores moved, and whether the two go together. */
function intervalParts(record: PatientRecord, episode: Episode, context: HomeworkContext): Part[] {
  const intervals = homeworkIntervals(record, episode, context).filter(({ found }) => found.eligible.length > 0);
  const pairs = intervals.flatMap(({ found, moved }) => moved.map((change) => ({ quantity: found.quantity!, tasks: references(found.eligible), change })));
  return [...intervals.map((interval) => intervalPart(episode, interval)), ...associationParts(pairs)];
}

const intervalPart = (episode: Episode, { session, after, before, found, moved }: HomeworkInterval): Part => ({
  name: 'interval',
  part: [
    reference('episode', `EpisodeOfCare/${episode.id}`), number('session', session),
    ...(after === undefined ? [] : [reference('after', `Encounter/${after.id}`)]), ...(before === undefined ? [] : [reference('before', `Encounter/${before.id}`)]),
    ...measures(found),
    ...moved.map(changePart),
    homeworkExplanation(found),
  ],
});

/**
 * @param asked the Tasks that were offered, where their share that was accepted stands beside
 * @returns what stands beside a rate of homework: its rule, its words and the Tasks that it counts.
 */
export const homeworkExplanation = (found: Adherence, asked?: readonly Resource[]): Part =>
  explanation('homework-adherence', metricTable['homework-adherence'].version, words(found, asked), references([...new Set([...found.eligible, ...(asked ?? [])])]));
