import triggers from '../../schemas/safety/triggers.json' with { type: 'json' };
import { canonicalBase, withoutVersion } from '../fhir/canonical.ts';
import { audience } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';
import { derivedId } from '../fhir/uuid.ts';
import { exact } from './decimals.ts';
import type { Priority, SafetyItem } from './instrument.ts';
import { daysBetween } from './local-time.ts';
import type { PatientRecord, Score } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { comparable } from './score.ts';
import { matches } from './safety-phrases.ts';
import type { SafetySettings } from './safety-settings.ts';

/** When a response calls for a look by a person (docs/clinical.md 7). Triggers are data: `safety` of an instrument, schemas/safety/triggers.json. */

const priorities: readonly Priority[] = ['routine', 'urgent', 'asap', 'stat'];

/** How much later than the answer somebody must have seen it. */
type TimeLimit = { readonly minutes: number } | { readonly workingDays: number } | null;

/** One reason why a response calls for a look. */
export interface Alert {
  /** Code in CodeSystem/safety-trigger; with the response it is the key: one Flag, one Task, however often the response is written. */
  readonly trigger: string;
  readonly title: string;
  readonly priority: Priority;
  readonly limit: TimeLimit;
  /** Whether the patient's chart is flagged; a missing answer only asks for a look. */
  readonly flagged: boolean;
  /** Whether the client is told at once who will look, and whom to reach now. */
  readonly tellsClient: boolean;
  /** Set where the source is not for the client's eyes. */
  readonly audience?: 'clinicians';
}

/** Id of what is written for an alert. */
export const alertId = (responseId: string, trigger: string, what: 'flag' | 'task' | `task-${Priority}` | `communication-${Priority}`): string =>
  derivedId(responseId, `${trigger}|${what}`);

/** @returns every trigger that a response can have, with what it stands for: the concepts of CodeSystem/safety-trigger. */
export function triggerConcepts({ instruments }: Registry): { code: string; display: string }[] {
  const { answers, totals, worsening, phrases, conflict } = triggers;
  return [
    ...instruments.flatMap(({ definition }) => definition.safety).flatMap(({ trigger, title }) => [{ code: trigger, display: `${title} above 0` }, { code: `${trigger}-missing`, display: openWords(title) }, { code: `${trigger}-unread`, display: unreadWords(title) }]),
    ...[...answers, ...totals, phrases, conflict].map(({ trigger, title }) => ({ code: trigger, display: title })),
    { code: worsening.trigger, display: `Worse by ${worsening.thresholds === 2 ? 'twice' : `${worsening.thresholds} times`} the reliable-change threshold within ${worsening.days} days` },
  ];
}

/** The alerts of a response: of its scores in the record, and of its own answers. */
export interface AlertSource { readonly record: PatientRecord; readonly response: Resource; readonly registry: Registry; readonly settings: SafetySettings }

/** @returns the alerts of `response` as the record stands, one for each trigger (the most pressing). */
export function alertsOf({ record, response, registry, settings }: AlertSource): Alert[] {
  const found = [
    ...alertsOfScores(record, response.id!, registry, settings),
    ...answerAlerts(response, settings),
    ...phraseAlerts(response, settings),
  ];
  const byTrigger = new Map<string, Alert>();
  for (const alert of found) {
    const other = byTrigger.get(alert.trigger);
    if (other === undefined || isMorePressing(alert, other)) byTrigger.set(alert.trigger, alert);
  }
  return [...byTrigger.values()];
}

/** @param source whose scores (`scoreId`). @returns the alerts that they give rise to, on every scale. */
export const alertsOfScores = ({ scores }: PatientRecord, source: string, { scales }: Registry, settings: SafetySettings): Alert[] => [...scores].flatMap(([key, list]) => {
  const scale = scales.get(key);
  return scale === undefined ? [] : scoreAlerts(scale, list, source, settings);
});

/** @returns the alerts that the score of a response on one scale gives rise to, beside the `scores` before it. */
export function scoreAlerts(scale: Scale, scores: readonly Score[], responseId: string, settings: SafetySettings): Alert[] {
  const index = scores.findLastIndex(({ id }) => id === responseId);
  if (index < 0) return [];
  const score = scores[index]!;
  const earlier = scores.slice(0, index);
  return [
    ...scale.instrument.definition.safety.flatMap((item) => itemAlert(item, score, earlier, settings)),
    ...totalAlerts(scale, score),
    ...worseningAlert(scale, score, earlier),
  ];
}

const openWords = (title: string): string => `${title} was left open`;
const unreadWords = (title: string): string => `${title} could not be read`;

function itemAlert(item: SafetyItem, { data: { safety, status, unread } }: Score, earlier: readonly Score[], settings: SafetySettings): Alert[] {
  const { linkId, trigger, title, levels, minutes, raiseWhenWorse, missing } = item;
  const value = safety?.[linkId];
  if (value === undefined) return [];
  if (value === null) {
    const common = { flagged: false, tellsClient: false };
    // An answer may still come while the response is being written; a stopped response says by itself that it is incomplete. One that is there may be all that ever comes.
    if (unread === undefined) return status === 'in-progress' || status === 'stopped' ? [] : [{ trigger: `${trigger}-missing`, title: openWords(title), priority: missing, limit: null, ...common }];
    return [{ trigger: `${trigger}-unread`, title: unreadWords(title), priority: item.unread, limit: { minutes: setMinutes(settings, trigger, item.unread) ?? minutes[item.unread]! }, ...common }];
  }
  const level = levels[value];
  if (level === undefined) return [];
  const last = earlier.findLast(({ data }) => typeof data.safety?.[linkId] === 'number')?.data.safety?.[linkId];
  const priority = typeof last === 'number' && value - last >= raiseWhenWorse ? raised(level) : level;
  return [{ trigger, title, priority, limit: { minutes: setMinutes(settings, trigger, priority) ?? minutes[priority] ?? minutes[level]! }, flagged: true, tellsClient: true }];
}

const setMinutes = ({ minutes }: SafetySettings, trigger: string, priority: Priority): number | undefined => minutes[trigger]?.[priority] ?? minutes['*']?.[priority];

const raised = (priority: Priority): Priority => priorities[Math.min(priorities.indexOf(priority) + 1, priorities.length - 1)]!;

function totalAlerts({ key, definition }: Scale, { value }: Score): Alert[] {
  return triggers.totals.filter(({ scale, atLeast }) => scale === key && value !== null && value >= atLeast).map(({ trigger, priority, workingDays, tellsClient }) => ({
    trigger, title: `${definition.title} of ${triggers.totals.find((each) => each.trigger === trigger)!.atLeast} or more`, priority: priority as Priority, limit: { workingDays }, flagged: true, tellsClient,
  }));
}

/** Worse by twice the reliable-change threshold within 14 days, by calendar dates: a form of every two weeks is not answered at the same minute. */
function worseningAlert(scale: Scale, { value: given, at, date, data: { maxScore } }: Score, earlier: readonly Score[]): Alert[] {
  const { threshold, sign, definition } = scale;
  const { trigger, title, thresholds, days, priority, workingDays, tellsClient } = triggers.worsening;
  if (threshold === undefined || given === null || at === null) return [];
  const value = comparable(scale, given, maxScore);
  const fast = earlier.some((one) => one.value !== null && one.at !== null && daysBetween(one.date, date) <= days
    && exact(sign * (value - comparable(scale, one.value, one.data.maxScore))) >= thresholds * threshold.value);
  return fast ? [{ trigger, title: `${definition.title} ${title}`, priority: priority as Priority, limit: { workingDays }, flagged: true, tellsClient }] : [];
}

const readable: readonly unknown[] = ['in-progress', 'completed', 'amended', 'stopped'];

interface Answer { readonly valueCoding?: { readonly code?: string }; readonly valueString?: string; readonly item?: readonly AnsweredItem[] }
interface AnsweredItem { readonly linkId?: string; readonly answer?: readonly Answer[]; readonly item?: readonly AnsweredItem[] }

interface Answered { readonly linkId: string | undefined; readonly answer: Answer }

/** @returns every answer of a response with the linkId of its question, in the order of the form. */
export function answersIn(items: unknown, found: Answered[] = []): readonly Answered[] {
  for (const item of Array.isArray(items) ? (items as readonly AnsweredItem[]) : []) {
    for (const answer of Array.isArray(item.answer) ? (item.answer as readonly Answer[]) : []) {
      found.push({ linkId: item.linkId, answer });
      answersIn(answer.item, found);
    }
    answersIn(item.item, found);
  }
  return found;
}

/** @returns the id of the form of this service that a response answers, or undefined for another's. */
export function ownForm({ questionnaire }: Resource): string | undefined {
  const prefix = `${canonicalBase}/Questionnaire/`;
  const canonical = typeof questionnaire === 'string' ? withoutVersion(questionnaire) : '';
  return canonical.startsWith(prefix) ? canonical.slice(prefix.length) : undefined;
}

interface AnswerTrigger {
  readonly trigger: string; readonly title: string; readonly questionnaire?: string; readonly linkId?: string; readonly workingDays?: number;
  /** Answer code -> priority; `*`: the response itself, whatever is answered. */
  readonly levels: Readonly<Record<string, { readonly priority: string; readonly title?: string } | undefined>>;
  readonly audience?: string; readonly tellsClient: boolean;
}

function answerAlerts(response: Resource, settings: SafetySettings): Alert[] {
  const form = ownForm(response);
  if (form === undefined || !readable.includes(response.status)) return [];
  const answers = answersIn(response.item);
  return (triggers.answers as readonly AnswerTrigger[]).flatMap(({ trigger, title, questionnaire, linkId, levels, workingDays, audience: readers, tellsClient }): Alert[] => {
    if (questionnaire !== undefined && questionnaire !== form) return [];
    const codes = linkId === undefined ? ['*'] : answers.filter((each) => each.linkId === linkId).map(({ answer }) => answer.valueCoding?.code ?? '');
    return codes.flatMap((code): Alert[] => {
      const level = levels[code];
      if (level === undefined) return [];
      const priority = level.priority as Priority;
      const limit = workingDays === undefined ? { minutes: setMinutes(settings, trigger, priority) ?? triggers.minutes[priority as keyof typeof triggers.minutes] } : { workingDays };
      return [{ trigger, title: level.title ?? title, priority, limit, flagged: true, tellsClient, ...(readers === 'clinicians' ? { audience: 'clinicians' } : {}) }];
    });
  });
}

/** Only what people write in their own words is looked at, and of a private entry only where the organisation said so. */
function phraseAlerts(response: Resource, settings: SafetySettings): Alert[] {
  const kept = audience(response);
  // A note of a therapist is not a client's words.
  if (triggers.phrases.notIn.includes(ownForm(response) ?? '') || byProfessional(response)) return [];
  if (!readable.includes(response.status) || (kept.restricted && !kept.private) || !(kept.private ? settings.phrases.private : settings.phrases.shared)) return [];
  const { trigger, title, priority, tellsClient } = triggers.phrases;
  for (const { answer: { valueString } } of answersIn(response.item)) {
    if (typeof valueString !== 'string' || !matches(settings.phrases.index, valueString)) continue;
    return [{ trigger, title, priority: priority as Priority, limit: { minutes: setMinutes(settings, trigger, priority as Priority) ?? triggers.minutes.urgent }, flagged: true, tellsClient }];
  }
  return [];
}

const byProfessional = (response: Resource): boolean => [response.source, response.author].some((who) => /^(?:Practitioner|PractitionerRole|Organization)\//.test((who as { reference?: string } | undefined)?.reference ?? ''));

const higher = (one: Priority, other: Priority): boolean => priorities.indexOf(one) > priorities.indexOf(other);

/** @returns whether `after` is more pressing than `before`. */
export const isMorePressing = (after: { readonly priority: Priority }, before: { readonly priority: Priority }): boolean => higher(after.priority, before.priority);
