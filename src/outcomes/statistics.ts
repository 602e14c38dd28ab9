/**
 * The statistics of http://hl7.org/fhir/R4/valueset-observation-statistics.html over numbers: each formula and its source is
 * in docs/operations-fhir.md. Pure; what the numbers do not define is undefined (the deviation of one value, the skewness of
 * equal ones).
 */

/** A value and when it was measured, in days from any fixed instant; undefined: not known. */
export interface Point { readonly value: number; readonly day?: number }

/** All codes, in the order of the code system, with their displays. */
export const statisticDisplay = {
  'average': 'Average',
  'maximum': 'Maximum',
  'minimum': 'Minimum',
  'count': 'Count',
  'total-count': 'Total Count',
  'median': 'Median',
  'std-dev': 'Standard Deviation',
  'sum': 'Sum',
  'variance': 'Variance',
  '20-percent': '20th Percentile',
  '80-percent': '80th Percentile',
  '4-lower': 'Lower Quartile',
  '4-upper': 'Upper Quartile',
  '4-dev': 'Quartile Deviation',
  '5-1': '1st Quintile',
  '5-2': '2nd Quintile',
  '5-3': '3rd Quintile',
  '5-4': '4th Quintile',
  'skew': 'Skew',
  'kurtosis': 'Kurtosis',
  'regression': 'Regression',
} as const;

export type Statistic = keyof typeof statisticDisplay;

/** The statistics that are one number of the values alone: neither the count of what was left out nor the regression. */
export type Descriptive = Exclude<Statistic, 'total-count' | 'regression'>;

/** @returns whether `code` is a code of the value set. */
export const isStatistic = (code: string): code is Statistic => Object.hasOwn(statisticDisplay, code);

const formulas: Readonly<Record<Descriptive, (sorted: readonly number[]) => number | undefined>> = {
  'average': (x) => (x.length === 0 ? undefined : mean(x)),
  'maximum': (x) => x.at(-1),
  'minimum': (x) => x[0],
  'count': (x) => x.length,
  'median': (x) => quantile(x, 1, 2),
  'std-dev': (x) => (x.length < 2 ? undefined : Math.sqrt(variance(x))),
  'sum': (x) => sum(x),
  'variance': (x) => (x.length < 2 ? undefined : variance(x)),
  '20-percent': (x) => quantile(x, 1, 5),
  '80-percent': (x) => quantile(x, 4, 5),
  '4-lower': (x) => quantile(x, 1, 4),
  '4-upper': (x) => quantile(x, 3, 4),
  '4-dev': (x) => (x.length === 0 ? undefined : (quantile(x, 3, 4)! - quantile(x, 1, 4)!) / 2),
  '5-1': (x) => quantile(x, 1, 5),
  '5-2': (x) => quantile(x, 2, 5),
  '5-3': (x) => quantile(x, 3, 5),
  '5-4': (x) => quantile(x, 4, 5),
  'skew': skewness,
  'kurtosis': kurtosis,
};

/** @returns the statistic of `values`, in any order, to twelve significant digits; undefined where they do not define it. */
export function describe(statistic: Descriptive, values: readonly number[]): number | undefined {
  return rounded(formulas[statistic](values.toSorted((a, b) => a - b)));
}

/**
 * The least-squares line value = intercept + gradient * (day - first day).
 * @returns undefined when fewer than two different times are known.
 */
export function regression(points: readonly Point[]): { gradient: number; intercept: number } | undefined {
  const dated = points.filter((point): point is Required<Point> => point.day !== undefined);
  if (dated.length < 2) return undefined;
  const first = dated.reduce((least, { day }) => Math.min(least, day), Infinity);
  const x = dated.map(({ day }) => day - first);
  const y = dated.map(({ value }) => value);
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = sum(x.map((each) => (each - meanX) ** 2));
  if (spread === 0) return undefined;
  const gradient = sum(x.map((each, at) => (each - meanX) * (y[at]! - meanY))) / spread;
  return { gradient: rounded(gradient)!, intercept: rounded(meanY - gradient * meanX)! };
}

/** Neumaier's compensated sum: the order and the size of the values do not cost digits. */
function sum(values: readonly number[]): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}

const mean = (values: readonly number[]): number => sum(values) / values.length;

/** Mean of the deviations from the mean to the power of `k`. */
function moment(values: readonly number[], k: number): number {
  const center = mean(values);
  return sum(values.map((value) => (value - center) ** k)) / values.length;
}

/** Of a sample: n - 1 in the denominator. */
const variance = (values: readonly number[]): number => (isConstant(values) ? 0 : moment(values, 2) * values.length / (values.length - 1));

/** The quantile `part / of` by linear interpolation between the order statistics (Hyndman and Fan 1996, definition 7). */
export function quantile(sorted: readonly number[], part: number, of: number): number | undefined {
  if (sorted.length === 0) return undefined;
  // In whole numbers: (n - 1) * 0.2 is not exact, and could fall just below the value that it means.
  const steps = (sorted.length - 1) * part;
  const at = Math.floor(steps / of);
  const low = sorted[at]!;
  const rest = steps % of;
  return rest === 0 ? low : low + (sorted[at + 1]! - low) * rest / of;
}

/** Adjusted Fisher-Pearson coefficient G1 (Joanes and Gill 1998). */
function skewness(values: readonly number[]): number | undefined {
  const n = values.length;
  if (n < 3 || isConstant(values)) return undefined;
  return Math.sqrt(n * (n - 1)) / (n - 2) * moment(values, 3) / moment(values, 2) ** 1.5;
}

/** Excess kurtosis of a sample, G2 (Joanes and Gill 1998): 0 is that of the normal distribution. */
function kurtosis(values: readonly number[]): number | undefined {
  const n = values.length;
  if (n < 4 || isConstant(values)) return undefined;
  const excess = moment(values, 4) / moment(values, 2) ** 2 - 3;
  return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6);
}

/** Equal values have no spread; their mean, rounded, may differ from them. */
const isConstant = (sorted: readonly number[]): boolean => sorted[0] === sorted.at(-1);

/** Twelve digits are more than a measurement has, and fewer than a double loses. */
const rounded = (value: number | undefined): number | undefined =>
  (value === undefined || !Number.isFinite(value) ? undefined : Number(value.toPrecision(12)));
