import type { Resource } from '../fhir/resource.ts';
import { isLater, seriesOf, type Series, type Valid } from './baseline.ts';
import { nameForClient } from './client-words.ts';
import { onWholeScale } from './course.ts';
import { counted, dayOf, marks, shown } from './plain-words.ts';
import { goalProgress, type GoalProgress } from './goal-attainment.ts';
import { goalRule, goalStatus, humanAchievement, type GoalStatus } from './goals.ts';
import { metricTable } from './metrics.ts';
import { changeOf } from './observations.ts';
import { explanation, known, number, reference, type Part } from './parts.ts';
import { explained } from './progress-course.ts';
import { sourceOf, type PatientRecord } from './record.ts';
import type { Registry, Scale } from './registry.ts';

/** What `$progress` says of goals: how far they are attained together, and where each stands (docs/clinical.md 3.11, 3.12). */

interface GoalContext { readonly registry: Registry; readonly goals: readonly Resource[]; readonly now: string; readonly episode?: string }

/** @returns the parts `goal-attainment` of rated goals and a part `goal` for each Goal with a status. */
export function goalParts(record: PatientRecord, visible: PatientRecord, context: GoalContext): Part[] {
  return [...attainmentParts(visible, context), ...ratedParts(visible, context), ...achievementParts(record, visible, context)];
}

/** The series of a scale that are asked for. */
const seriesIn = (record: PatientRecord, key: string, episode: string | undefined): Series[] =>
  seriesOf(record, key).filter((series) => episode === undefined || series.episode?.id === episode);

const ofEpisode = ({ episode }: Series): Part[] => (episode === null ? [] : [reference('episode', `EpisodeOfCare/${episode.id}`)]);

/** The T score of goals on agreed levels, now and at the beginning. */
function attainmentParts(record: PatientRecord, { registry, episode }: GoalContext): Part[] {
  const scales = [...registry.scales.values()].filter(({ definition }) => definition.formula === 'goal-attainment');
  return scales.flatMap((scale) => seriesIn(record, scale.key, episode).map((series) => attainmentPart(scale, series)));
}

function attainmentPart(scale: Scale, series: Series): Part {
  const { baseline } = series;
  const latest = series.scores.at(-1)!;
  const later = isLater(latest, series);
  const unscored = latest.data.items - latest.data.answered;
  const left = unscored === 0 ? '' : ` ${unscored} ${unscored === 1 ? 'goal has' : 'goals have'} a weight and no level, and ${unscored === 1 ? 'is' : 'are'} left out.`;
  const { reliable } = changeOf(scale, baseline, latest);
  const words = {
    clinician: `T ${shown(latest.value)} over ${counted(latest.data.answered, 'scored goal')} (${dayOf(latest.date)})${later ? `, ${shown(baseline.value)} at the beginning (${dayOf(baseline.date)}): a change of ${shown(latest.value - baseline.value)}` : ''}; 50 means that goals are attained as expected, a difference of 10 is one standard deviation.${left}`,
    client: `Taken together your goals stand at ${shown(latest.value)} (${dayOf(latest.date)})${later ? ` and stood at ${shown(baseline.value)} on ${dayOf(baseline.date)}` : ''}; 50 is what you had set yourself.`,
  };
  return {
    name: 'goal-attainment',
    part: [
      { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } }, ...ofEpisode(series),
      number('t', latest.value), ...(later ? [number('t-at-baseline', baseline.value), number('change', Math.round(100 * (latest.value - baseline.value)) / 100), ...(reliable === null ? [] : [{ name: 'reliable', valueCode: reliable }])] : []),
      number('scored', latest.data.answered), number('unscored', unscored),
      explained('goal-attainment', words, later ? [latest, baseline] : [latest]),
    ],
  };
}

/** Own ratings of up to three goals: the mean of those that were rated twice. */
function ratedParts(record: PatientRecord, { registry, episode }: GoalContext): Part[] {
  const scales = [1, 2, 3].flatMap((goal) => registry.scales.get(`goal-rating.goal-${goal}`) ?? []);
  const all = scales.flatMap((scale) => seriesIn(record, scale.key, episode).map((series) => ({ scale, series })));
  return [...Map.groupBy(all, ({ series }) => series.episode?.id).values()].map((goals) => ratedPart(goals));
}

function ratedPart(goals: readonly { readonly scale: Scale; readonly series: Series }[]): Part {
  const rated = goals.map(({ scale, series }) => ({ scale, series, start: series.baseline, now: last(series) }));
  const found = goalProgress(rated.map(({ start, now }) => ({ start: start.value, now: now?.value ?? null })));
  return {
    name: 'goal-ratings',
    part: [
      ...ofEpisode(goals[0]!.series),
      ...rated.map(({ scale, start, now }): Part => ({
        name: 'rating', part: [{ name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } }, number('start', start.value), ...(now === null ? [] : [number('now', now.value)])],
      })),
      ...known('mean-change', found?.mean ?? null), number('rated-twice', found?.rated ?? 0), number('left-out', found?.leftOut ?? rated.length),
      ...(found === null || found.reliable === null ? [] : [{ name: 'reliable', valueCode: found.reliable }]),
      explained('goal-ratings', ratedWords(found, rated.length), rated.flatMap(({ start, now }) => (now === null ? [start] : [now, start]))),
    ],
  };
}

const last = (series: Series): Valid | null => (isLater(series.scores.at(-1)!, series) ? series.scores.at(-1)! : null);

const limits = { better: 'more than the usual ups and downs, nearer to the goals', worse: 'more than the usual ups and downs, further from the goals', none: 'within the usual ups and downs' } as const;

function ratedWords(found: GoalProgress | null, goals: number): { clinician: string; client: string } {
  const begun = `${goals} ${goals === 1 ? 'goal is' : 'goals are'} rated`;
  if (found === null) return { clinician: `${begun} once; a change needs two ratings of one goal.`, client: `${begun} so far; a second time shows what moved.` };
  const moved = `${shown(Math.abs(found.mean))} ${found.mean === 0 ? 'points, the same as at the beginning' : found.mean > 0 ? 'points nearer' : 'points further away'}`;
  const left = found.leftOut === 0 ? '' : ` ${found.leftOut} ${found.leftOut === 1 ? 'goal is' : 'goals are'} left out, without two ratings.`;
  return {
    clinician: `Mean change of ${shown(found.mean)} over ${found.rated} ${found.rated === 1 ? 'goal, which is described only: the threshold is of a mean' : `goals: ${limits[found.reliable ?? 'none']} (threshold: 2.45 points or more, ${marks.memory})`}.${left}`,
    client: `By your own ratings you are ${moved}${found.mean === 0 ? '' : found.rated === 1 ? ' to your goal than at the beginning' : ` to your goals than at the beginning, on average over ${found.rated} goals`}.`,
  };
}

/** The status follows from all scores; those that the caller may not see are counted and not shown. */
function achievementParts(record: PatientRecord, visible: PatientRecord, { goals, registry, now }: GoalContext): Part[] {
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

/** Where the ratings of a goal began and where they are: no verdict. */
function goalForClient(title: string, ratings: readonly Valid[], met: boolean): string {
  const [first, latest] = [ratings[0], ratings.at(-1)];
  const way = met ? 'That is where you wanted to get to.' : 'The way to a goal is rarely straight.';
  if (first === undefined || latest === undefined) return way;
  return first === latest ? `${title}: ${shown(first.value)} on ${dayOf(first.date)}. ${way}` : `${title}: ${shown(first.value)} on ${dayOf(first.date)}, ${shown(latest.value)} on ${dayOf(latest.date)}. ${way}`;
}

function goalExplanation({ status, ratings, scale, why }: GoalStatus, visible: PatientRecord): Part {
  const shownRatings = ratings.filter(({ id }) => visible.scores.get(scale.key)?.some((score) => score.id === id) === true);
  const hidden = ratings.length - shownRatings.length;
  const text = hidden === 0 ? why : `Computed from ${counted(ratings.length, 'score')} of ${scale.definition.title}; not shown to you: ${hidden}.`;
  return explanation(goalRule.id, metricTable['goal-achievement'].version, { clinician: text, client: goalForClient(nameForClient(scale), shownRatings.map((score) => onWholeScale(scale, score)), hidden === 0 && (status === 'achieved' || status === 'sustaining')) }, shownRatings.map(sourceOf));
}
