import type { Episode, PatientRecord, Score, Session } from './record.ts';
import { episodeAt, sessionsOf } from './sessions.ts';

export { episodeAt } from './sessions.ts';

/** Which scores are compared with which (docs/clinical.md 3.0; service-defined). */

const day = 86_400_000;
/** How long before and after the first session a score may be a baseline. */
const before = 14 * day, after = 7 * day;

/** A score that can be compared: it has a total and a time. */
export interface Valid extends Score { readonly value: number; readonly at: number }

/** The valid scores of one instrument in one episode of care, in time order, with the one that the others are compared with. */
export interface Series {
  readonly episode: Episode | null;
  readonly scores: readonly Valid[];
  readonly baseline: Valid;
}

const isValid = (score: Score): score is Valid => score.value !== null && score.at !== null;

/** A record never changes, and one write asks for the same series of it several times. */
const known = new WeakMap<PatientRecord, Map<string, readonly Series[]>>();

/** @returns the series of `scaleKey`, one for each episode with a valid score, in time order. */
export function seriesOf(record: PatientRecord, scaleKey: string): readonly Series[] {
  const own = known.get(record) ?? new Map<string, readonly Series[]>();
  if (own.size === 0) known.set(record, own);
  const found = own.get(scaleKey) ?? computedSeries(record, scaleKey);
  own.set(scaleKey, found);
  return found;
}

function computedSeries(record: PatientRecord, scaleKey: string): Series[] {
  const groups: { episode: Episode | null; scores: Valid[] }[] = [];
  for (const score of record.scores.get(scaleKey) ?? []) {
    if (!isValid(score)) continue;
    const episode = episodeAt(record.episodes, score.at);
    const last = groups.at(-1);
    if (last !== undefined && last.episode === episode) last.scores.push(score);
    else groups.push({ episode, scores: [score] });
  }
  return groups.map(({ episode, scores }) => ({ episode, scores, baseline: baseline(scores, sessionsOf(record, episode)[0]) }));
}

/**
 * The last valid score from 14 days before to 7 days after the first finished session, by the clock where both say a time, else by
 * calendar dates; without one the first valid score. Of two scores on one date the later counts.
 */
function baseline(scores: readonly Valid[], session: Session | undefined): Valid {
  const isIn = session === undefined ? () => false : windowOf(session);
  const inWindow = scores.findLast((score, i) => score.date !== scores[i + 1]?.date && isIn(score));
  if (inWindow !== undefined) return inWindow;
  const first = scores[0]!;
  return scores.findLast((score) => score.date === first.date) ?? first;
}

function windowOf({ at, date, data: { start } }: Session): (score: Valid) => boolean {
  const first = Date.parse(date);
  const within = (time: number, from: number): boolean => time >= from - before && time <= from + after;
  return (score) => (at !== null && start.length > 10 && score.data.authored!.length > 10 ? within(score.at, at) : within(Date.parse(score.date), first));
}

/** @returns whether `score` is compared with the baseline of its series: it is later, on another date. */
export const isLater = (score: Valid, { baseline }: Series): boolean => score.at > baseline.at && score.date !== baseline.date;

/** @returns one score a date, the later of each, in time order: what the rules of change and course look at. */
export function onePerDate(scores: readonly Valid[]): readonly Valid[] {
  if (scores.every(({ date }, i) => i === 0 || scores[i - 1]!.date < date)) return scores;
  const last = new Map(scores.map((score) => [score.date, score])); // dates need not be in order: each is of its author's own clock
  return scores.filter((score) => last.get(score.date) === score);
}

/**
 * Which scores stand for the beginning and the end of a pathway in national rates: the first and the last one recorded, none of
 * them prorated, not later than its end (docs/clinical.md 3.0, 3.4).
 * @returns undefined where there is none; `last` undefined where all are of one date.
 */
export function firstAndLast({ scores, episode }: Series): { readonly first: Valid; readonly last?: Valid } | undefined {
  const end = episode?.lastDate;
  const recorded = onePerDate(scores.filter(({ data, date }) => !data.prorated && (end === undefined || date <= end)));
  const first = recorded[0];
  if (first === undefined) return undefined;
  return recorded.length === 1 ? { first } : { first, last: recorded.at(-1)! };
}
