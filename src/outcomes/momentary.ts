/** Statistics of momentary ratings of one person: mood, stress, energy, distress (docs/clinical.md 3.9). Pure. */

export interface Rating { readonly at: number; readonly date: string; readonly value: number }

export interface MomentaryOptions {
  /** Usual time from one rating to the next in milliseconds; absent: the median of the gaps. */
  readonly plannedGap?: number;
  /** How many ratings were asked for in the window; absent: not known. */
  readonly prompted?: number;
}

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
  /** Answered of prompted, at most 1; null where nothing was asked for. */
  readonly compliance: number | null;
  /** Each rating less the person's own mean, in time order. */
  readonly centred: readonly number[];
}

const window = 14 * 86_400_000;
const least = 7;

/** @returns the statistics of the last 14 days of `ratings` (in time order), or null with fewer than 7 of them. */
export function momentary(ratings: readonly Rating[], { plannedGap, prompted }: MomentaryOptions = {}): Momentary | null {
  const until = ratings.at(-1)?.at ?? 0;
  const series = ratings.filter(({ at }) => at > until - window);
  if (series.length < least) return null;
  const values = series.map(({ value }) => value);
  const center = average(values);
  const centred = values.map((value) => value - center);
  const spread = total(centred.map((value) => value ** 2));
  const mssd = average(values.slice(1).map((value, i) => (value - values[i]!) ** 2));
  return {
    n: series.length, mean: center, rollingMean: average(values.slice(-least)), sd: Math.sqrt(spread / (series.length - 1)),
    inertia: inertia(series, centred, spread, plannedGap ?? usualGap(series)), mssd, rmssd: Math.sqrt(mssd),
    compliance: prompted === undefined || prompted <= 0 ? null : Math.min(1, series.length / prompted), centred,
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

function usualGap(series: readonly Rating[]): number {
  const gaps = series.slice(1).map(({ at }, i) => at - series[i]!.at).sort((a, b) => a - b);
  const middle = Math.floor(gaps.length / 2);
  return gaps.length % 2 === 1 ? gaps[middle]! : (gaps[middle - 1]! + gaps[middle]!) / 2;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const average = (values: readonly number[]): number => total(values) / values.length;
