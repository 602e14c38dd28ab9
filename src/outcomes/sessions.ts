import type { Episode, PatientRecord, Session } from './record.ts';

/** Which session and which episode of care a moment belongs to (docs/clinical.md 3.0 and 3.6). */

/**
 * @returns the episode that a moment belongs to: the one that began last, counted from 14 days before its start,
 * so that an assessment before the first session belongs to the therapy that it led to, and a follow-up to the therapy that it follows.
 */
export function episodeAt(episodes: readonly Episode[], at: number): Episode | null {
  for (let i = episodes.length; i-- > 0;) {
    const { leadsFrom } = episodes[i]!;
    if (leadsFrom !== null && leadsFrom <= at) return episodes[i]!;
  }
  return null;
}

/** Sessions by the id of their episode, of lists that are looked at several times in one write: before and after it they are the same. */
const grouping = new WeakMap<readonly Session[], { readonly episodes: readonly Episode[]; readonly byEpisode: ReadonlyMap<string | undefined, readonly Session[]> }>();

/**
 * A session belongs to the episode that it names; one that names none that has begun, to the episode of its date.
 * @returns the finished sessions of `episode` in time order, each once: session k is element k - 1.
 */
export function sessionsOf({ sessions, episodes }: PatientRecord, episode: Episode | null): readonly Session[] {
  const found = grouping.get(sessions);
  const { byEpisode } = found?.episodes === episodes ? found : grouped(sessions, episodes);
  return byEpisode.get(episode?.id) ?? [];
}

function grouped(sessions: readonly Session[], episodes: readonly Episode[]): NonNullable<ReturnType<typeof grouping.get>> {
  const lists = new Map<string | undefined, Session[]>();
  for (const session of sessions) {
    const { at, data } = session;
    if (at === null) continue;
    const id = (episodes.find((each) => each.id === data.episode) ?? episodeAt(episodes, at))?.id;
    const list = lists.get(id);
    if (list === undefined) lists.set(id, [session]);
    else list.push(session);
  }
  const byEpisode = new Map([...lists].map(([id, own]) => [id, own.some(({ data: { identifiers } }) => identifiers !== undefined) ? withoutRepeats(own) : own]));
  const result = { episodes, byEpisode };
  grouping.set(sessions, result);
  return result;
}

/** Of sessions that share an identifier the first counts. */
function withoutRepeats(sessions: readonly Session[]): Session[] {
  const seen = new Set<string>();
  return sessions.filter(({ data: { identifiers = [] } }) => {
    const repeated = identifiers.some((each) => seen.has(each));
    for (const each of identifiers) seen.add(each);
    return !repeated;
  });
}

/** What tells to which session a score belongs. */
interface Dated { readonly date: string; readonly data: { readonly encounter?: string } }

const numbered = new WeakMap<readonly Session[], (score: Dated) => number>();

/**
 * @param sessions of one episode, in time order.
 * @returns what tells the number of the session that a score belongs to: the one that it names, else the last one on or before its date; 0 before the first.
 */
export function sessionNumbers(sessions: readonly Session[]): (score: Dated) => number {
  const known = numbered.get(sessions);
  if (known !== undefined) return known;
  const dates = sessions.map(({ date }) => date);
  // Clocks with different offsets may give dates that go back: then the last one must be looked for from the end.
  const ascending = dates.every((date, i) => i === 0 || dates[i - 1]! <= date);
  let byReference: ReadonlyMap<string, number> | undefined; // most scores name no session
  const named = (encounter: string): number | undefined => (byReference ??= new Map(sessions.map(({ id }, i) => [`Encounter/${id}`, i + 1]))).get(encounter);
  const numberOf = ({ date, data: { encounter } }: Dated): number =>
    (encounter === undefined ? undefined : named(encounter)) ?? (ascending ? countUpTo(dates, date) : dates.findLastIndex((each) => each <= date) + 1);
  numbered.set(sessions, numberOf);
  return numberOf;
}

/** How many of `dates`, in ascending order, are not after `date`. */
function countUpTo(dates: readonly string[], date: string): number {
  let low = 0;
  let high = dates.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (dates[middle]! <= date) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @returns the number of the session that one score belongs to; `sessionNumbers` is for many. */
export const sessionNumber = (sessions: readonly Session[], score: Dated): number => sessionNumbers(sessions)(score);

/** Since when and until when an entry belongs to the interval after a session: the next session begins another. */
export interface Interval {
  /** 0: before the first session. */
  readonly session: number;
  /** The session that it follows. */
  readonly after?: Session;
  /** The session that it leads to. */
  readonly before?: Session;
}

/** @returns the interval after session `k` of `sessions`; undefined where there are fewer. */
export function intervalAfter(sessions: readonly Session[], k: number): Interval | undefined {
  if (!Number.isInteger(k) || k < 0 || k > sessions.length) return undefined;
  const [after, before] = [sessions[k - 1], sessions[k]];
  return { session: k, ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }) };
}
