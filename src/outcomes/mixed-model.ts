import type { Pieces } from './pieces.ts';
import { simplexMinimum, type Minimum } from './simplex.ts';

/**
 * Scores of several persons over time as one linear mixed model: each person has a line of their own, and the lines of all are
 * normally distributed about one line (Laird and Ware 1982). Fitted by restricted maximum likelihood, with the likelihood profiled
 * to the three relative covariances of intercept and slope (Bates and others 2015). Pure.
 */

export interface Timed { readonly time: number; readonly value: number }

/** What the model says of the slope of one person. */
export interface PersonSlope {
  /** Points per unit of time (empirical Bayes): the mean slope and what the person differs from it by. */
  readonly slope: number;
  /** Posterior standard error of `slope`, with what is not known of the mean line (Raudenbush and Bryk 2002, equation 3.66). */
  readonly slopeError: number;
  readonly deviation: number;
  /** Posterior standard deviation of `deviation`, the mean line taken as known. */
  readonly deviationError: number;
}

export interface Estimate { readonly value: number; readonly error: number }

export interface MixedModel {
  /** The mean line at time 0, and its slope. */
  readonly intercept: Estimate;
  readonly slope: Estimate;
  /** Standard deviations of the lines of persons, and of scores about them. `correlation` is null where one of the two does not vary. */
  readonly spread: { readonly intercept: number; readonly slope: number; readonly correlation: number | null; readonly residual: number };
  /** The best covariance is at the edge of what is possible: lines do not differ in one direction at all. */
  readonly singular: boolean;
  /** -2 log restricted likelihood at the optimum. */
  readonly criterion: number;
  /** In the order of the input. */
  readonly persons: readonly PersonSlope[];
}

/** Why there is no model: scores lie on the lines of their persons without any residual; or the search found no optimum. */
export type NoModel = 'no-residual' | 'not-converged';

/** Sums over the scores of one person; x is time and y the value, both centred and x scaled. */
interface Sums { readonly n: number; readonly x: number; readonly xx: number; readonly y: number; readonly xy: number; readonly yy: number }

/** A symmetric 2 x 2 matrix. */
interface Matrix { readonly a: number; readonly b: number; readonly d: number }

/** Lower triangle of the relative covariance factor of intercept and slope. */
type Factor = readonly [first: number, below: number, last: number];

const determinant = ({ a, b, d }: Matrix): number => a * d - b * b;

/**
 * @param persons the scores of each, two persons or more; every person needs scores at three different times
 * @returns the model, or why there is none
 * @throws RangeError for one person alone, or a person with fewer than three different times
 */
export function* mixedModel(persons: readonly (readonly Timed[])[]): Pieces<MixedModel | NoModel> {
  if (persons.length < 2) throw new RangeError('Lines are compared between two persons or more.');
  if (persons.some((points) => new Set(points.map(({ time }) => time)).size < 3)) throw new RangeError('Each person needs scores at three different times.');
  const all = persons.flat();
  const center = mean(all.map(({ time }) => time)), middle = mean(all.map(({ value }) => value));
  // In these units the search is the same whether time is told in days or in weeks.
  const unit = Math.sqrt(mean(all.map(({ time }) => (time - center) ** 2)));
  const sums = persons.map((points) => sumsOf(points.map(({ time, value }) => ({ time: (time - center) / unit, value: value - middle }))));
  const variance = mean(all.map(({ value }) => (value - middle) ** 2));
  if (sums.every((each) => residualOf(each) <= 1e-9 * variance * each.n)) return 'no-residual';
  const factor = yield* fittedFactor(sums, all.length);
  if (factor === undefined) return 'not-converged';
  const fit = fitWith(factor, sums, all.length);
  const sigma = Math.sqrt(fit.residual);
  const covariance = { a: factor[0] ** 2, b: factor[0] * factor[1], d: factor[1] ** 2 + factor[2] ** 2 };
  const ofMean = inverse(fit.information);
  const shift = center / unit;
  const atStart = ({ a, b, d }: Matrix): number => Math.sqrt(Math.max(0, a - 2 * b * shift + d * shift ** 2));
  const ofSlope = Math.sqrt(covariance.d), ofIntercept = atStart(covariance);
  return {
    intercept: { value: middle + fit.beta[0] - fit.beta[1] * shift, error: sigma * atStart(ofMean) },
    slope: { value: fit.beta[1] / unit, error: sigma * Math.sqrt(ofMean.d) / unit },
    spread: {
      intercept: sigma * ofIntercept, slope: sigma * ofSlope / unit, residual: sigma,
      correlation: Math.min(ofSlope, ofIntercept) < edge ? null : (covariance.b - covariance.d * shift) / (ofSlope * ofIntercept),
    },
    singular: Math.min(Math.abs(factor[0]), Math.abs(factor[2])) < edge,
    criterion: fit.criterion + 2 * Math.log(unit),
    persons: sums.map((each) => {
      const { deviation, error, deviationError } = personOf(each, factor, fit, ofMean);
      return { slope: (fit.beta[1] + deviation) / unit, slopeError: sigma * error / unit, deviation: deviation / unit, deviationError: sigma * deviationError / unit };
    }),
  };
}

/** A factor as small as that is a spread of none; the limit is the one that lme4 has for its own. */
const edge = 1e-4;

const inverse = (matrix: Matrix): Matrix => {
  const size = determinant(matrix);
  return { a: matrix.d / size, b: -matrix.b / size, d: matrix.a / size };
};

/** How far the slope of one person is from the mean slope, with errors in units of the residual. */
function personOf(each: Sums, factor: Factor, { beta }: Fit, ofMean: Matrix): { deviation: number; error: number; deviationError: number } {
  const { weight } = weightOf(factor, each);
  const [left, right] = [each.y - each.n * beta[0] - each.x * beta[1], each.xy - each.x * beta[0] - each.xx * beta[1]];
  // What of the mean line the slope of the person still rests on: the second row of I - weight * (design' design).
  const [level, slope] = [-(weight.b * each.n + weight.d * each.x), 1 - weight.b * each.x - weight.d * each.xx];
  const mean = ofMean.a * level ** 2 + 2 * ofMean.b * level * slope + ofMean.d * slope ** 2;
  const own = Math.max(0, weight.d);
  return { deviation: weight.b * left + weight.d * right, error: Math.sqrt(own + Math.max(0, mean)), deviationError: Math.sqrt(own) };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function sumsOf(points: readonly Timed[]): Sums {
  const sum = (of: (point: Timed) => number): number => points.reduce((total, point) => total + of(point), 0);
  return { n: points.length, x: sum(({ time }) => time), xx: sum(({ time }) => time ** 2), y: sum(({ value }) => value), xy: sum(({ time, value }) => time * value), yy: sum(({ value }) => value ** 2) };
}

/** Sum of squares about the person's own least-squares line. */
function residualOf({ n, x, xx, y, xy, yy }: Sums): number {
  const [squares, products] = [xx - x * x / n, xy - x * y / n];
  return yy - y * y / n - products ** 2 / squares;
}

/** Where the search begins: lines that differ as much as scores from them, much less, and much more. */
const starts = [1, 0.2, 4] as const;
const mostRounds = 5;

/** @returns undefined where five searches more about the best point found still found a better one. */
function* fittedFactor(sums: readonly Sums[], total: number): Pieces<Factor | undefined> {
  const criterion = (at: readonly number[]): number => fitWith(at as unknown as Factor, sums, total).criterion;
  const from = (start: readonly number[], step: number): Pieces<Minimum> => simplexMinimum(criterion, start, step);
  let best: Minimum | undefined;
  for (const size of starts) {
    const found = yield* from([size, 0, size], size / 2);
    if (best === undefined || found.value < best.value) best = found;
  }
  // A simplex may have closed too early; a new one about the point shows it.
  for (let round = 0; round < mostRounds; round += 1) {
    const next: Minimum = yield* from(best!.at, 0.1);
    const gain = best!.value - next.value;
    if (gain > 0) best = next;
    if (next.settled && gain < 1e-9) return best!.at as unknown as Factor;
  }
  return undefined;
}

interface Fit { readonly beta: readonly [number, number]; readonly information: Matrix; readonly residual: number; readonly criterion: number }

/** Mean line and residual variance that are best for one covariance of the lines, and the criterion there. */
function fitWith(factor: Factor, sums: readonly Sums[], total: number): Fit {
  let log = 0, squares = 0, left = 0, right = 0;
  const information = { a: 0, b: 0, d: 0 };
  for (const each of sums) {
    const { n, x, xx, y, xy, yy } = each;
    const { weight: { a, b, d }, size } = weightOf(factor, each);
    log += Math.log(size);
    // weight times (design' design), and what it takes away from the plain sums.
    const [p, q, r, s] = [a * n + b * x, a * x + b * xx, b * n + d * x, b * x + d * xx];
    information.a += n - n * p - x * r;
    information.b += x - n * q - x * s;
    information.d += xx - x * q - xx * s;
    const [u, v] = [a * y + b * xy, b * y + d * xy];
    left += y - n * u - x * v;
    right += xy - x * u - xx * v;
    squares += yy - y * u - xy * v;
  }
  const size = determinant(information);
  const beta = [(information.d * left - information.b * right) / size, (information.a * right - information.b * left) / size] as const;
  const free = total - 2;
  const residual = (squares - beta[0] * left - beta[1] * right) / free;
  const criterion = log + Math.log(size) + free * (1 + Math.log(2 * Math.PI * residual));
  return { beta, information, residual, criterion: Number.isFinite(criterion) ? criterion : Infinity };
}

/** L (I + L' A L)^-1 L' with L the factor and A the design's sums of squares: what the covariance of the lines is worth; and the determinant. */
function weightOf([first, below, last]: Factor, { n, x, xx }: Sums): { weight: Matrix; size: number } {
  const a = 1 + first ** 2 * n + 2 * first * below * x + below ** 2 * xx;
  const b = last * (first * x + below * xx);
  const d = 1 + last ** 2 * xx;
  const size = determinant({ a, b, d });
  return {
    weight: { a: first ** 2 * d / size, b: (first * below * d - b * first * last) / size, d: (below ** 2 * d - 2 * b * below * last + last ** 2 * a) / size },
    size,
  };
}
