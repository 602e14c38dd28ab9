import { onePerDate, seriesOf, type Series, type Valid } from './baseline.ts';
import type { PatientRecord } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { comparable } from './score.ts';
import { sessionNumbers, sessionsOf } from './sessions.ts';
import { quantile } from './statistics.ts';

/** What the scores of closed episodes of this deployment were at each session: the reference of the expected course (docs/clinical.md 3.7). Pure. */

/** A version of the reference; it is never changed, so that a signal that names it can be followed. */
export interface TrajectoryReference {
  readonly version: string;
  /** By score key; a scale with fewer than 100 closed episodes has none. */
  readonly scales: Readonly<Record<string, ScaleReference>>;
}

export interface ScaleReference {
  /** Closed episodes with a baseline and a later score. */
  readonly episodes: number;
  /** By severity of the baseline, from the least: each begins where it says and ends where the next one begins. */
  readonly bands: readonly BandReference[];
}

export interface BandReference {
  /** Least severity (value times the sign of the scale) of the band. */
  readonly low: number;
  readonly episodes: number;
  /** Sessions at which 30 episodes or more have a score, in order. */
  readonly sessions: readonly { readonly session: number; readonly n: number; /** Severities at the percentiles 0, 5, 10, ... 100. */ readonly severities: readonly number[] }[];
  /** score = baseline + slope * ln(session): mean and SD of the slopes of `n` episodes, SD of the residuals. */
  readonly fit: { readonly n: number; readonly slope: number; readonly slopeSd: number; readonly residual: number };
}

/** The least numbers on which a curve may rest (service-defined). */
export const leastEpisodes = 100, leastAtSession = 30;
/** How many sessions a score stands for the ones after it. */
const carried = 3;
const lastSession = 60;

/** One closed episode as the reference sees it: severities, so that more is always worse. */
export interface ClosedCourse {
  readonly baseline: number;
  /** The last score before those of `points`: the baseline, or a later one of the first session. */
  readonly start: AtSession;
  /** By session, in order, from the second on. */
  readonly points: readonly AtSession[];
  readonly sessions: number;
}
interface AtSession { readonly session: number; readonly severity: number }

/** @returns the closed episodes in a record, by score key. */
export function closedCourses(record: PatientRecord, { scales }: Registry): [key: string, course: ClosedCourse][] {
  return [...record.scores.keys()].flatMap((key) => {
    const scale = scales.get(key);
    if (scale === undefined || scale.definition.compared === false || scale.threshold === undefined) return [];
    return seriesOf(record, key).flatMap((series): [string, ClosedCourse][] => {
      const course = series.episode?.data.status === 'finished' ? courseOf(record, scale, series) : null;
      return course === null ? [] : [[key, course]];
    });
  });
}

function courseOf(record: PatientRecord, scale: Scale, { episode, scores, baseline }: Series): ClosedCourse | null {
  const sessions = sessionsOf(record, episode);
  const numberOf = sessionNumbers(sessions);
  const severity = ({ value, data: { maxScore } }: Valid): number => scale.sign * comparable(scale, value, maxScore);
  const end = episode?.lastDate;
  const bySession = new Map<number, number>();
  let start: AtSession = { session: Math.max(1, numberOf(baseline)), severity: severity(baseline) };
  for (const score of onePerDate(scores)) {
    if (score.at <= baseline.at || score.date === baseline.date || (end !== undefined && score.date > end)) continue;
    const session = numberOf(score);
    if (session < 2) start = { session: start.session, severity: severity(score) };
    else if (session <= lastSession) bySession.set(session, severity(score));
  }
  if (bySession.size === 0) return null;
  const points = [...bySession].sort(([a], [b]) => a - b).map(([session, value]) => ({ session, severity: value }));
  return { baseline: severity(baseline), start, points, sessions: Math.min(sessions.length, lastSession) };
}

/**
 * @param courses closed episodes by score key.
 * @param version name of the result.
 * @returns the reference; scales with fewer than 100 closed episodes are not in it.
 */
export function trajectoryReference(courses: ReadonlyMap<string, readonly ClosedCourse[]>, { scales }: Registry, version: string): TrajectoryReference {
  const entries = [...courses].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([key, list]): [string, ScaleReference][] => {
    const scale = scales.get(key);
    return scale === undefined || list.length < leastEpisodes ? [] : [[key, scaleReference(scale, list)]];
  });
  return { version, scales: Object.fromEntries(entries) };
}

function scaleReference(scale: Scale, courses: readonly ClosedCourse[]): ScaleReference {
  const lows = lowsOf(scale, courses);
  const all = fitOf(courses);
  return {
    episodes: courses.length,
    bands: lows.map((low, i) => {
      const own = courses.filter(({ baseline }) => (i === 0 || baseline >= low) && (i + 1 === lows.length || baseline < lows[i + 1]!));
      return { low, episodes: own.length, sessions: sessionsIn(own), fit: own.length >= leastAtSession ? fitOf(own) : all };
    }),
  };
}

/** The bands of the instrument, or fifths of the baselines where it has none. */
function lowsOf({ definition: { bands }, sign }: Scale, courses: readonly ClosedCourse[]): number[] {
  if (bands !== undefined) return bands.list.map(({ low, high }) => (sign === 1 ? low : -high)).sort((a, b) => a - b);
  const sorted = courses.map(({ baseline }) => baseline).sort((a, b) => a - b);
  return [...new Set([0, 1, 2, 3, 4].map((fifth) => quantile(sorted, fifth, 5)!))];
}

function sessionsIn(courses: readonly ClosedCourse[]): BandReference['sessions'] {
  const last = courses.reduce((most, { sessions }) => Math.max(most, sessions), 0);
  return Array.from({ length: Math.max(0, last - 1) }, (_, i) => i + 2).flatMap((session) => {
    const values = courses.flatMap((course) => valueAt(course, session) ?? []).sort((a, b) => a - b);
    if (values.length < leastAtSession) return [];
    return [{ session, n: values.length, severities: Array.from({ length: 21 }, (_each, step) => rounded(quantile(values, step, 20)!)) }];
  });
}

/** The last score at or before a session (the baseline too), at most three sessions old, of an episode that reached the session. */
function valueAt({ start, points, sessions }: ClosedCourse, session: number): number | undefined {
  if (session > sessions) return undefined;
  const point = [start, ...points].findLast((each) => each.session <= session);
  return point === undefined || session - point.session > carried ? undefined : point.severity;
}

/** Each episode has its own slope through its baseline; what is left is the residual. The slope is in values of the scale times its sign. */
function fitOf(courses: readonly ClosedCourse[]): { n: number; slope: number; slopeSd: number; residual: number } {
  let residuals = 0, points = 0;
  const slopes = courses.map(({ baseline, points: own }) => {
    let products = 0, squares = 0;
    for (const { session, severity } of own) {
      products += Math.log(session) * (severity - baseline);
      squares += Math.log(session) ** 2;
    }
    const slope = products / squares;
    for (const { session, severity } of own) residuals += (severity - baseline - slope * Math.log(session)) ** 2;
    points += own.length;
    return slope;
  });
  const n = slopes.length;
  const slope = slopes.reduce((sum, each) => sum + each, 0) / n;
  const slopeSd = n < 2 ? 0 : Math.sqrt(slopes.reduce((sum, each) => sum + (each - slope) ** 2, 0) / (n - 1));
  const free = points - n;
  return { n, slope: rounded(slope), slopeSd: rounded(slopeSd), residual: free > 0 ? rounded(Math.sqrt(residuals / free)) : 0 };
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** @returns the band of a baseline. */
export function bandAt({ bands }: ScaleReference, { sign }: Scale, baseline: number): BandReference {
  return bands.findLast(({ low }) => low <= sign * baseline) ?? bands[0]!;
}

/** @returns where `severity` lies among the percentiles 0, 5, ... 100, interpolated; of equal percentiles the middle. */
export function percentileIn(severities: readonly number[], severity: number): number {
  if (severity < severities[0]!) return 0;
  if (severity > severities.at(-1)!) return 100;
  const first = severities.indexOf(severity);
  if (first >= 0) return 5 * (first + severities.lastIndexOf(severity)) / 2;
  const above = severities.findIndex((each) => each > severity);
  const [low, high] = [severities[above - 1]!, severities[above]!];
  return rounded(5 * (above - 1 + (severity - low) / (high - low)));
}
