import { extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { seriesOf, type Valid } from './baseline.ts';
import { onWholeScale } from './course.ts';
import { exact } from './decimals.ts';
import { broughtSentence } from './explain.ts';
import { daysBetween, endOf } from './local-time.ts';
import { metricTable } from './metrics.ts';
import { dayOf, marks, points, shown } from './plain-words.ts';
import type { MeasuredGoal, PatientRecord } from './record.ts';
import type { Registry, Scale } from './registry.ts';

/** Achievement of goals that are measured by a score: docs/clinical.md 3.12, service-defined. */

export const goalRule = { id: 'goal-achievement', version: metricTable['goal-achievement'].version } as const;

/** Codes of http://terminology.hl7.org/CodeSystem/goal-achievement that this rule gives. */
export type Achievement = 'in-progress' | 'improving' | 'worsening' | 'no-change' | 'achieved' | 'sustaining' | 'not-achieved' | 'no-progress';

export interface GoalStatus {
  readonly status: Achievement;
  /** As they were given. */
  readonly ratings: readonly Valid[];
  readonly scale: Scale;
  /** One plain sentence: why. */
  readonly why: string;
}

/**
 * @returns the status of `goal`, or null when its scale is not known or nothing was rated since it began.
 * Ratings: the valid scores from the goal's start on, and the last one before it as the point it started from; compared on
 * the whole scale, as everywhere.
 */
export function goalStatus(goal: MeasuredGoal, record: PatientRecord, registry: Registry, now: string): GoalStatus | null {
  const scale = registry.scales.get(goal.data.scale);
  if (scale === undefined) return null;
  const ratings = ratingsOf(goal, record);
  if (ratings.length === 0) return null;
  const [status, why] = judge(goal, scale, ratings.map((score) => onWholeScale(scale, score)), isPast(goal, record, now));
  return { status, ratings, scale, why: why + broughtSentence(scale, [...new Set([ratings[0]!, ratings.at(-1)!])]) };
}

function ratingsOf({ at: from, data: { scale } }: MeasuredGoal, record: PatientRecord): readonly Valid[] {
  const all = seriesOf(record, scale);
  if (from === null) return all.at(-1)?.scores ?? [];
  const scores = all.flatMap((series) => series.scores);
  const first = scores.findIndex(({ at }) => at >= from);
  if (first < 0) return scores.slice(-1);
  return scores.slice(Math.max(0, first - 1));
}

function judge(goal: MeasuredGoal, scale: Scale, ratings: readonly Valid[], past: boolean): [Achievement, string] {
  const { definition: { title } } = scale;
  const last = ratings.at(-1)!;
  const first = ratings[0]!;
  if (ratings.length === 1) return ['in-progress', `One ${title} so far (${shown(last.value)} on ${dayOf(last.date)}); a second one is needed to see a direction.`];
  const met = ratings.map(({ value }) => isMet(goal, value));
  const threshold = stepOf(scale);
  if (met.at(-1)) return kept(ratings.slice(met.lastIndexOf(false) + 1), title);
  const away = distance(goal, last.value);
  if (met.includes(true) && threshold !== null && away >= threshold) {
    return ['worsening', `The target was met before. ${title} is now ${shown(last.value)}, ${points(away)} away from it. A step is ${points(threshold)} or more.`];
  }
  if (past) return ['not-achieved', `The target was due on ${dayOf(goal.data.due ?? '')}; ${title} is ${shown(last.value)} and does not meet it yet.`];
  return direction(scale, first, last, threshold);
}

/** Points that count as a step: a reliable change; on a rating from 0 to 10 without one, two (docs/clinical.md 3.12). */
const stepOf = ({ threshold, definition: { min, max, compared } }: Scale): number | null =>
  threshold?.value ?? (min === 0 && max === 10 && compared !== false ? 2 : null);

function kept(run: readonly Valid[], title: string): [Achievement, string] {
  const last = run.at(-1)!;
  if (run.length >= 3 && daysBetween(run[0]!.date, last.date) >= 28) return ['sustaining', `${title} has met the target in the last ${run.length} scores, since ${dayOf(run[0]!.date)}.`];
  return ['achieved', `${title} is ${shown(last.value)} on ${dayOf(last.date)} and meets the target.`];
}

function direction(scale: Scale, first: Valid, last: Valid, threshold: number | null): [Achievement, string] {
  const { definition: { title }, sign } = scale;
  const improvement = exact(sign * (first.value - last.value));
  const moved = `${title} went from ${shown(first.value)} (${dayOf(first.date)}) to ${shown(last.value)} (${dayOf(last.date)})`;
  if (threshold === null) return ['in-progress', `${moved}; nothing says what counts as a step on this scale.`];
  if (improvement >= threshold) return ['improving', `${moved}: better by a step of ${points(threshold)} or more.`];
  if (-improvement >= threshold) return ['worsening', `${moved}: worse by a step of ${points(threshold)} or more.`];
  if (daysBetween(first.date, last.date) >= 56) return ['no-progress', `${moved}: less than a step of ${points(threshold)} either way, over eight weeks or more.`];
  return ['no-change', `${moved}: less than a step of ${points(threshold)} either way.`];
}

const isMet = ({ data: { low = -Infinity, high = Infinity, above = -Infinity, below = Infinity } }: MeasuredGoal, value: number): boolean =>
  value >= low && value <= high && value > above && value < below;

/** How far outside the target a value is. */
function distance({ data: { low, high, above, below } }: MeasuredGoal, value: number): number {
  const under = low ?? above;
  const over = high ?? below;
  return exact(Math.max(under === undefined ? 0 : under - value, over === undefined ? 0 : value - over, 0));
}

/** @returns whether the day on which a goal is due is over where the client lives. */
export function isPast({ data: { due } }: MeasuredGoal, { person: { zone } }: PatientRecord, now: string): boolean {
  const end = endOf(due, zone);
  return end !== null && end <= Date.parse(now);
}

const computed = extensionUrl('computed-achievement');
interface AchievementStatus { coding?: { system?: string; code?: string }[]; extension?: { url: string; valueCode?: string }[]; text?: string }

/** @returns the status that this service wrote last. */
export const computedAchievement = (goal: Resource): string | undefined =>
  (goal.achievementStatus as AchievementStatus | undefined)?.extension?.find(({ url }) => url === computed)?.valueCode;

/** @returns `goal` with `status` as the mark of what was computed last; undefined: without a mark. Without achievementStatus there is nothing to mark. */
export function withComputedAchievement(goal: Resource, status: string | undefined): Resource {
  const current = goal.achievementStatus as AchievementStatus | undefined;
  if (current === undefined || computedAchievement(goal) === status) return goal;
  const { extension = [], ...rest } = current;
  const marked = [...extension.filter(({ url }) => url !== computed), ...(status === undefined ? [] : [{ url: computed, valueCode: status }])];
  return { ...goal, achievementStatus: { ...(marked.length === 0 ? {} : { extension: marked }), ...rest } };
}

/**
 * @returns the status that a person set: the Goal's achievementStatus where it is not the one that this service wrote last.
 * A client takes the override back by removing achievementStatus.
 */
export function humanAchievement(goal: Resource): string | undefined {
  const code = (goal.achievementStatus as AchievementStatus | undefined)?.coding?.[0]?.code;
  return code === computedAchievement(goal) ? undefined : code;
}

/**
 * @returns `goal` with the computed status (null: without one), or null when a person's stands or nothing changes.
 * The text names the rule and no score: a Goal may be seen by more people than a restricted response.
 */
export function withAchievement(goal: Resource, computedStatus: GoalStatus | null): Resource | null {
  const current = (goal.achievementStatus as AchievementStatus | undefined)?.coding?.[0]?.code;
  if (humanAchievement(goal) !== undefined || current === computedStatus?.status) return null;
  if (computedStatus === null) {
    const { achievementStatus: _, ...rest } = goal;
    return rest as Resource;
  }
  const { status, scale } = computedStatus;
  return {
    ...goal,
    achievementStatus: {
      extension: [{ url: computed, valueCode: status }],
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/goal-achievement', code: status }],
      text: `Computed from the ${scale.definition.title} by the rule "${metricTable[goalRule.id].title.clinician}", version ${goalRule.version} (${marks.service})`,
    },
  };
}
