/** Statistics of momentary ratings of one person: mood, stress, energy, distress (docs/clinical.md 3.9). Pure. */

export interface Rating { readonly at: number; readonly date: string; readonly value: number }

/** One time at which a rating was asked for. */
export interface Asked { readonly at: number; readonly answered: boolean }

export interface Momentary {
  /** Ratings in the window: the 14 days up to the last one. */
  readonly n: number;
  readonly mean: number;
  /** Mean of the last seven. */
  readonly rollingMean: number;
  /** Of a sample: n - 1 in the denominator. */
  readonly sd: number;
  /** Lag-1 autocorrelation; null for a constant series and where no two ratings are near enough. */
  readonly inertia: number | null;
  /** Mean square of successive differences, and its root. */
  readonly mssd: number;
  readonly rmssd: number;
  /** What was asked for in the window, and what of it was answered: ratings that nobody asked for are not in it. */
  readonly prompted: number;
  readonly answered: number;
  /** answered / prompted; null where nothing was asked for. */
  readonly compliance: number | null;
  /** Each rating less the person's own mean, in time order. */
  readonly centred: readonly number[];
}

const window = 14 * 86_400_000;
const least = 7;

/**
 * @param asked in time order; the gap that was planned is the median of theirs, without two in the window that of the ratings.
 * @returns the statistics of the last 14 days of `ratings` (in time order), or null with fewer than 7 of them.
 */
export function momentary(ratings: readonly Rating[], asked: readonly Asked[] = []): Momentary | null {
  const until = ratings.at(-1)?.at ?? 0;
  const series = ratings.filter(({ at }) => at > until - window);
  if (series.length < least) return null;
  const within = asked.filter(({ at }) => at > until - window && at <= until);
  const answered = within.filter((each) => each.answered).length;
  const values = series.map(({ value }) => value);
  const center = average(values);
  const centred = values.map((value) => value - center);
  const spread = total(centred.map((value) => value ** 2));
  const mssd = average(values.slice(1).map((value, i) => (value - values[i]!) ** 2));
  return {
    n: series.length, mean: center, rollingMean: average(values.slice(-least)), sd: Math.sqrt(spread / (series.length - 1)),
    inertia: inertia(series, centred, spread, usualGap(within.length < 2 ? series : within)), mssd, rmssd: Math.sqrt(mssd),
    prompted: within.length, answered, compliance: within.length === 0 ? null : answered / within.length, centred,
  };
}

/** Pairs over a longer break say nothing about how a mood carries over: those on one date or near in time count. */
function inertia(series: readonly Rating[], centred: readonly number[], spread: number, gap: number): number | null {
  if (series.every(({ value }) => value === series[0]!.value)) return null;
  const products = centred.slice(1).flatMap((value, i) => {
    const [one, other] = [series[i]!, series[i + 1]!];
    return one.date === other.date || other.at - one.at <= 1.5 * gap ? [centred[i]! * value] : [];
  });
  return products.length === 0 ? null : total(products) / spread;
}

/** The median of the times from one to the next. */
function usualGap(series: readonly { readonly at: number }[]): number {
  const gaps = series.slice(1).map(({ at }, i) => at - series[i]!.at).sort((a, b) => a - b);
  const middle = Math.floor(gaps.length / 2);
  return gaps.length % 2 === 1 ? gaps[middle]! : (gaps[middle - 1]! + gaps[middle]!) / 2;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const average = (values: readonly number[]): number => total(values) / values.length;
