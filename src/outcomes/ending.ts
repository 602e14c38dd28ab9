import { canonicalBase } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { isHomework } from './adherence.ts';
import { eventsOf } from './alliance-events.ts';
import { allianceTaskKind, isNoLongerAsked } from './alliance-tasks.ts';
import { isLater, onePerDate, seriesOf, type Series, type Valid } from './baseline.ts';
import { isOutcome } from './change.ts';
import { prompts } from './completeness.ts';
import { humanAchievement } from './goals.ts';
import { instant } from './instant.ts';
import { scoreReference } from './observations.ts';
import type { Episode, PatientRecord } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { episodeAt, sessionsOf } from './sessions.ts';

/**
 * What is open when a therapy comes to its end (docs/clinical.md 6; service-defined): a list for a conversation. Only an alert
 * that is not closed stands against the ending. Pure.
 */

/** Raised whenever the same record may give another list. */
export const endingRule = { id: 'ending-checklist', version: '1' } as const;

export const endingTypes = ['Task', 'Flag', 'Goal', 'QuestionnaireResponse', 'CarePlan', 'Encounter', 'Appointment', 'ServiceRequest'] as const;
export type EndingType = typeof endingTypes[number];

/** What of a patient an ending looks at, as far as the caller may see it; null: the caller sees nothing of that type, or not all. */
export type EndingResources = Readonly<Record<EndingType, readonly Resource[] | null>>;

export interface EndingContext {
  readonly registry: Registry;
  readonly now: string;
  readonly zone: string;
  readonly resources: EndingResources;
  /** Alerts that are not closed, among the Tasks and Flags. */
  readonly alerts: readonly Resource[];
}

/** `unknown`: this access does not show what it would have to look at. */
export type CheckState = 'done' | 'open' | 'not-applicable' | 'unknown';
export type CheckCode = 'alert' | 'final-score' | 'questionnaire' | 'homework' | 'homework-review' | 'goal' | 'blueprint' | 'alliance' | 'feedback' | 'session' | 'follow-up';

/** One line of the list. */
export interface Check {
  readonly code: CheckCode;
  readonly state: CheckState;
  /** What is open, or shows that nothing is. */
  readonly references: readonly string[];
  /** Of a score: its scale, and the last total. */
  readonly scale?: Scale;
  readonly last?: Valid;
}

const day = 86_400_000;
/** A final score is at most this much older than the last session: the mirror of the baseline. */
const before = 14 * day;

/** @returns every line of the list, also those that are done: what was looked at is part of the answer. */
export function endingChecks(record: PatientRecord, episode: Episode, context: EndingContext): Check[] {
  const { Task: tasks, Goal: goals } = context.resources;
  const own = tasks?.filter((task) => isOf(record, episode, task)) ?? null;
  return [
    openOf('alert', context.resources.Task === null || context.resources.Flag === null ? null : context.alerts),
    ...finalScores(record, episode, context),
    ...promptChecks(own, context),
    openOf('homework', own?.filter((task) => isHomework(task) && undone.has(String(task.status)) && !beginsAfter(task, context.now)) ?? null),
    openOf('homework-review', own?.filter((task) => isHomework(task) && task.status === 'completed' && !isReviewed(task)) ?? null),
    goalCheck(goals),
    blueprintCheck(record, episode, context.resources),
    allianceCheck(record, episode, own, context.registry),
    openOf('feedback', own?.filter((task) => allianceTaskKind(task) === 'respond-to-feedback' && isAsked(task)) ?? null),
    sessionCheck(episode, context),
  ];
}

const undone: ReadonlySet<string> = new Set(['requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold']);
const references = (list: readonly Resource[]): string[] => list.map(({ resourceType, id }) => `${resourceType}/${id}`);

/** What is open, or that nothing is; null: it is not shown. */
const openOf = (code: CheckCode, list: readonly Resource[] | null): Check =>
  ({ code, state: list === null ? 'unknown' : list.length > 0 ? 'open' : 'done', references: references(list ?? []) });

/** Of the episode in which it was made: what says no time of every one, what is older than all of them of the first. */
function isOf({ episodes }: PatientRecord, episode: Episode, resource: Resource): boolean {
  const at = instant((resource['authoredOn'] ?? resource['authored']) as string | undefined);
  return at === null || (episodeAt(episodes, at) ?? episodes[0])?.id === episode.id;
}

/** Of the scales by which a change is judged: a form that was answered once to see whether there is something needs no second time. */
function finalScores(record: PatientRecord, episode: Episode, { registry, now }: EndingContext): Check[] {
  const lastSession = sessionsOf(record, episode).at(-1);
  const from = Math.min(lastSession?.at ?? Date.parse(now), Date.parse(now)) - before;
  const found = [...record.scores.keys()].sort().flatMap((key): Check[] => {
    const scale = registry.scales.get(key);
    const series = seriesOf(record, key).find((each) => each.episode?.id === episode.id);
    return scale?.threshold === undefined || series === undefined || !isOutcome(scale) ? [] : [scoreCheck(scale, series, from)];
  });
  return found.length > 0 ? found : [{ code: 'final-score', state: 'open', references: [] }];
}

function scoreCheck(scale: Scale, series: Series, from: number): Check {
  const last = onePerDate(series.scores).at(-1)!;
  const isFinal = isLater(last, series) && last.at >= from;
  return { code: 'final-score', state: isFinal ? 'done' : 'open', references: [scoreReference(last)], scale, last };
}

interface Restricted { readonly restriction?: { readonly period?: { readonly start?: string } } }
const beginsAfter = ({ restriction }: Resource & Restricted, now: string): boolean => (instant(restriction?.period?.start) ?? -Infinity) > Date.parse(now);

/** What may be answered now; and what comes later, which is there for afterwards: requests, sessions with oneself, appointments to follow up. */
function promptChecks(tasks: readonly Resource[] | null, { now, zone, resources: { ServiceRequest: requests, Appointment: appointments, Encounter: encounters } }: EndingContext): Check[] {
  const asked = prompts(tasks ?? [], now, zone);
  const waiting = asked.filter(({ task, state }) => state === 'due' || state === 'overdue' || (state === 'open' && !beginsAfter(task, now)));
  const planned = [
    ...(tasks ?? []).filter((task) => undone.has(String(task.status)) && beginsAfter(task, now) && (isHomework(task) || asked.some((each) => each.task === task))),
    ...(requests ?? []).filter((request) => comesLater(request, now)),
    ...(appointments ?? []).filter((appointment) => isToCome(appointment, now) && isFollowUp(appointment)), ...(encounters ?? []).filter((encounter) => encounter.status === 'planned' && isFollowUp(encounter)),
  ];
  const follow: Check = { code: 'follow-up', state: planned.length > 0 ? 'done' : tasks === null || requests === null || appointments === null ? 'unknown' : 'open', references: references(planned) };
  return [openOf('questionnaire', tasks === null ? null : waiting.map(({ task }) => task)), follow];
}

interface Occurring { readonly occurrenceDateTime?: string; readonly occurrencePeriod?: { readonly start?: string; readonly end?: string }; readonly occurrenceTiming?: { readonly event?: readonly string[]; readonly repeat?: { readonly boundsPeriod?: { readonly end?: string } } } }

/** A request that is in force and has an occurrence after `now`. */
function comesLater(request: Resource & Occurring, now: string): boolean {
  const { occurrenceDateTime, occurrencePeriod, occurrenceTiming } = request;
  const times = [occurrenceDateTime, occurrencePeriod?.start, occurrencePeriod?.end, occurrenceTiming?.repeat?.boundsPeriod?.end, ...occurrenceTiming?.event ?? []];
  return request.status === 'active' && times.some((time) => (instant(time) ?? -Infinity) > Date.parse(now));
}

interface Typed { readonly type?: { readonly coding?: readonly { readonly code?: string }[] } }
const isReviewed = ({ output }: Resource): boolean => ((output ?? []) as Typed[]).some(({ type }) => type?.coding?.some(({ code }) => code === 'reviewed-in'));

const going: ReadonlySet<string> = new Set(['proposed', 'planned', 'accepted', 'active', 'on-hold']);
/** Statuses of achievement that say how a goal ended. */
const decided: ReadonlySet<string | undefined> = new Set(['achieved', 'sustaining', 'not-achieved', 'not-attainable']);

function goalCheck(goals: readonly Resource[] | null): Check {
  const code = (goal: Resource): string | undefined => (goal['achievementStatus'] as { coding?: { code?: string }[] } | undefined)?.coding?.[0]?.code;
  const counted = goals?.filter(({ lifecycleStatus }) => lifecycleStatus !== 'entered-in-error') ?? null;
  const open = counted?.filter((goal) => going.has(String(goal['lifecycleStatus'])) && !decided.has(humanAchievement(goal) ?? code(goal))) ?? null;
  return counted?.length === 0 ? { code: 'goal', state: 'not-applicable', references: [] } : openOf('goal', open);
}

/** Canonical of the form, and of what a CarePlan that is made from it instantiates. */
export const blueprint = `${canonicalBase}/Questionnaire/bs-blueprint`;

function blueprintCheck(record: PatientRecord, episode: Episode, { QuestionnaireResponse: responses, CarePlan: plans }: EndingResources): Check {
  const answered = responses?.filter((response) => (response.status === 'completed' || response.status === 'amended') && isOf(record, episode, response)) ?? [];
  const planned = plans?.filter(({ status, instantiatesCanonical }) => (status === 'active' || status === 'completed')
    && ((instantiatesCanonical ?? []) as string[]).some((each) => each.split('|')[0] === blueprint)) ?? [];
  const found = references([...answered, ...planned]);
  return { code: 'blueprint', state: found.length > 0 ? 'done' : responses === null || plans === null ? 'unknown' : 'open', references: found };
}

/** Drops that did not come back, and what asks to talk about one. */
function allianceCheck(record: PatientRecord, episode: Episode, tasks: readonly Resource[] | null, registry: Registry): Check {
  const scales = [...registry.scales.values()].filter(({ definition }) => definition.alliance !== undefined);
  const series = scales.flatMap((scale) => seriesOf(record, scale.key).filter((each) => each.episode?.id === episode.id).map((each) => ({ scale, each })));
  const drops = series.flatMap(({ scale, each }) => eventsOf(scale, each, sessionsOf(record, episode))).filter((event) => event.metric === 'alliance-rupture' && event.state !== 'repaired');
  const asked = tasks?.filter((task) => allianceTaskKind(task) === 'alliance-review' && isAsked(task)) ?? [];
  const found = [...new Set([...drops.map(({ anchor }) => scoreReference(anchor)), ...references(asked)])];
  if (found.length > 0) return { code: 'alliance', state: 'open', references: found };
  if (tasks === null) return { code: 'alliance', state: 'unknown', references: [] };
  return { code: 'alliance', state: series.length === 0 ? 'not-applicable' : 'done', references: series.map(({ each }) => scoreReference(each.scores.at(-1)!)) };
}

const isAsked = (task: Resource): boolean => undone.has(String(task.status)) && !isNoLongerAsked(task);

const underWay: ReadonlySet<string> = new Set(['planned', 'arrived', 'triaged', 'in-progress', 'onleave']);
const agreed: ReadonlySet<string> = new Set(['proposed', 'pending', 'booked', 'arrived', 'checked-in', 'waitlist']);
const isToCome = ({ status, start }: Resource, now: string): boolean => agreed.has(String(status)) && (instant(start as string | undefined) ?? -Infinity) > Date.parse(now);

interface Coded { readonly coding?: readonly { readonly code?: string }[] }
const codes = (concepts: readonly (Coded | undefined)[]): (string | undefined)[] => concepts.flatMap((concept) => concept?.coding?.map(({ code }) => code) ?? []);

/** For afterwards, a booster: an appointment of type FOLLOWUP (http://terminology.hl7.org/CodeSystem/v2-0276), an encounter of our type follow-up. */
const isFollowUp = ({ resourceType, appointmentType, type }: Resource): boolean =>
  (resourceType === 'Appointment' ? codes([appointmentType as Coded | undefined]).includes('FOLLOWUP') : codes((type ?? []) as Coded[]).includes('follow-up'));

function sessionCheck(episode: Episode, { now, resources: { Encounter: encounters, Appointment: appointments } }: EndingContext): Check {
  const ofEpisode = ({ episodeOfCare }: Resource): boolean => ((episodeOfCare ?? []) as { reference?: string }[]).some(({ reference }) => reference === `EpisodeOfCare/${episode.id}`);
  const found = [
    ...(encounters ?? []).filter((encounter) => underWay.has(String(encounter.status)) && ofEpisode(encounter) && !isFollowUp(encounter)),
    ...(appointments ?? []).filter((appointment) => isToCome(appointment, now) && !isFollowUp(appointment)),
  ];
  return { code: 'session', state: found.length > 0 ? 'open' : encounters === null || appointments === null ? 'unknown' : 'done', references: references(found) };
}
