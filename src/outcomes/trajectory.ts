import type { Valid } from './baseline.ts';
import { changeBetween } from './change.ts';
import type { Scale } from './registry.ts';
import { bandAt, percentileIn, type TrajectoryReference } from './trajectory-reference.ts';

/** The course of a person's scores by session, beside what is expected (docs/clinical.md 3.7). Pure. */

export interface SessionPoint { readonly session: number; readonly value: number }

export interface PersonTrend { readonly intercept: number; readonly slope: number; readonly n: number; readonly at: (session: number) => number }

/** @returns score = intercept + slope * ln(session) by least squares; null with fewer than three points at three different sessions. */
export function personTrend(points: readonly SessionPoint[]): PersonTrend | null {
  const used = points.filter(({ session }) => session >= 1);
  if (new Set(used.map(({ session }) => session)).size < 3) return null;
  const x = used.map(({ session }) => Math.log(session));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(used.map(({ value }) => value))];
  let products = 0, squares = 0;
  for (const [i, { value }] of used.entries()) {
    products += (x[i]! - meanX) * (value - meanY);
    squares += (x[i]! - meanX) ** 2;
  }
  const slope = products / squares;
  const intercept = meanY - slope * meanX;
  return { intercept, slope, n: used.length, at: (session) => intercept + slope * Math.log(session) };
}

/** `neutral`: by the rational rule nothing stands out. */
export type SignalCode = 'on-track' | 'watch' | 'not-on-track' | 'neutral';

export interface Signal {
  readonly code: SignalCode;
  /** Which rule gave it: percentiles of closed episodes, the fit over all of them, or the rule without a reference. */
  readonly basis: 'percentile' | 'log-linear' | 'rational';
  /** The signal before the caution about late responders. */
  readonly uncapped: SignalCode;
  /** With a reference: its version, on how many episodes the boundaries rest, and the boundaries in values of the scale. */
  readonly reference?: {
    readonly version: string; readonly n: number; readonly expected: number; readonly watchBeyond: number; readonly notOnTrackBeyond: number;
    /** Place of the score among the reference, 0 to 100, towards worse; on basis `percentile` only. */
    readonly percentile?: number;
  };
}

/** The first session at which a signal is given, and the last at which caution holds. */
export const firstSignal = 3, lastCautious = 5;

/**
 * @returns the signal for a score at `session`; null before the third session and where the instrument has no threshold of reliable change.
 */
export function signalAt(scale: Scale, baseline: number, current: number, session: number, reference: TrajectoryReference | null): Signal | null {
  if (session < firstSignal || scale.threshold === undefined) return null;
  const change = changeBetween(scale, baseline, current);
  const found = againstReference(scale, baseline, current, session, reference) ?? rational(scale, change, session);
  const cautious = session <= lastCautious && change.reliable !== 'worse' && found.uncapped === 'not-on-track';
  return cautious ? { ...found, code: 'watch' } : found;
}

type Change = ReturnType<typeof changeBetween>;

function rational({ threshold }: Scale, { reliable, improvement, postClinical }: Change, session: number): Signal {
  const code: SignalCode = reliable === 'worse' ? 'not-on-track'
    : reliable === 'better' || postClinical === false ? 'on-track'
      : session >= 6 && improvement < threshold!.value / 2 && postClinical === true ? 'watch'
        : 'neutral';
  return rationalSignals[code];
}

const rationalSignal = (code: SignalCode): Signal => ({ code, uncapped: code, basis: 'rational' });
const rationalSignals: Readonly<Record<SignalCode, Signal>> = {
  'on-track': rationalSignal('on-track'), watch: rationalSignal('watch'), 'not-on-track': rationalSignal('not-on-track'), neutral: rationalSignal('neutral'),
};

/** z of the 80th and the 90th percentile. */
const z80 = 0.84, z90 = 1.28;

function againstReference(scale: Scale, baseline: number, current: number, session: number, reference: TrajectoryReference | null): Signal | null {
  const own = reference?.scales[scale.key];
  if (own === undefined || reference === null) return null;
  const band = bandAt(own, scale, baseline);
  const at = band.sessions.find((each) => each.session === session);
  const judged = (watch: number, off: number): SignalCode => {
    // Boundaries and scores as severities: more is always worse.
    const severity = scale.sign * current;
    return severity > off ? 'not-on-track' : severity > watch ? 'watch' : 'on-track';
  };
  if (at !== undefined) {
    const [p50, p80, p90] = [at.severities[10]!, at.severities[16]!, at.severities[18]!];
    const code = judged(p80, p90);
    return { code, uncapped: code, basis: 'percentile', reference: {
      version: reference.version, n: at.n, expected: scale.sign * p50, watchBeyond: scale.sign * p80, notOnTrackBeyond: scale.sign * p90,
      percentile: percentileIn(at.severities, scale.sign * current),
    } };
  }
  const log = Math.log(session);
  const expected = scale.sign * baseline + band.fit.slope * log;
  const sd = Math.sqrt(band.fit.residual ** 2 + (band.fit.slopeSd * log) ** 2);
  const [watch, off] = [expected + z80 * sd, expected + z90 * sd];
  const code = judged(watch, off);
  return { code, uncapped: code, basis: 'log-linear', reference: { version: reference.version, n: band.fit.n, expected: scale.sign * expected, watchBeyond: scale.sign * watch, notOnTrackBeyond: scale.sign * off } };
}

/** One score with its place among the sessions. */
export interface Placed { readonly score: Valid; readonly session: number }

/** @returns of scores in time order the last of each session, from the first session on. */
export const lastOfSession = (placed: readonly Placed[]): Placed[] =>
  placed.filter(({ session }, i) => session >= 1 && placed.findLastIndex((other) => other.session === session) === i);
