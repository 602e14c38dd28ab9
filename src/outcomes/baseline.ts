import type { Episode, PatientRecord, Score } from './record.ts';

/** Which scores are compared with which (docs/clinical.md 3.0; service-defined). */

const day = 86_400_000;
/** A score may come this long before its episode or its first session and still be part of it, */
const before = 14 * day;
/** and this long after the first session and still be a baseline. */
const after = 7 * day;

/** A score that can be compared: it has a total and a time. */
export interface Valid extends Score { readonly value: number; readonly at: number }

/** The valid scores of one instrument in one episode of care, in time order, with the one that the others are compared with. */
export interface Series {
  readonly episode: Episode | null;
  readonly scores: readonly Valid[];
  readonly baseline: Valid;
}

/**
 * @returns the episode that a moment belongs to: the one that began last, counted from 14 days before its start,
 * so that an assessment before the first session belongs to the therapy that it led to, and a follow-up to the therapy that it follows.
 */
export function episodeAt(episodes: readonly Episode[], at: number): Episode | null {
  return episodes.findLast((episode) => episode.at !== null && episode.at - before <= at) ?? null;
}

const isValid = (score: Score): score is Valid => score.value !== null && score.at !== null;

/** @returns the series of `scaleKey`, one for each episode with a valid score, in time order. */
export function seriesOf(record: PatientRecord, scaleKey: string): Series[] {
  const groups: { episode: Episode | null; scores: Valid[] }[] = [];
  for (const score of record.scores.get(scaleKey) ?? []) {
    if (!isValid(score)) continue;
    const episode = episodeAt(record.episodes, score.at);
    const last = groups.at(-1);
    if (last !== undefined && last.episode === episode) last.scores.push(score);
    else groups.push({ episode, scores: [score] });
  }
  return groups.map(({ episode, scores }) => ({ episode, scores, baseline: baseline(scores, firstSession(record, episode)) }));
}

/**
 * The last valid score from 14 days before to 7 days after the first finished session; without one the first valid score.
 * Of two scores on one date the later counts: `scores` is in time order, so the last of the window is the one.
 */
function baseline(scores: readonly Valid[], session: number | null): Valid {
  const inWindow = session === null ? undefined : scores.findLast(({ at }) => at >= session - before && at <= session + after);
  if (inWindow !== undefined) return inWindow;
  const first = scores[0]!;
  return scores.findLast(({ date }) => date === first.date) ?? first;
}

/** A session belongs to the episode that it names; one that names none that has begun, to the episode of its date. */
function firstSession({ sessions, episodes }: PatientRecord, episode: Episode | null): number | null {
  const first = sessions.find(({ at, data }) => at !== null
    && (episodes.find(({ id }) => id === data.episode) ?? episodeAt(episodes, at)) === episode);
  return first?.at ?? null;
}

/** @returns whether `score` is compared with the baseline of its series: it is later, on another date. */
export const isLater = (score: Valid, { baseline }: Series): boolean => score.at > baseline.at && score.date !== baseline.date;
