import { z95, type Interval } from './proportions.ts';

/**
 * Dose and response of a caseload: after how many sessions how many have got better (docs/clinical.md 3.6). Kaplan and Meier 1958,
 * with the variance of Greenwood 1926. Pure.
 */

/** One episode: the session of the event, or the last session that is known. */
export interface Course { readonly session: number; readonly event: boolean }

/** The curve at a session where somebody had the event. */
export interface CurveStep {
  readonly session: number;
  /** Episodes without the event and still under way just before this session. */
  readonly atRisk: number;
  readonly events: number;
  /** Share that has not had the event after this session, 0 to 1. */
  readonly survival: number;
  /** 95 % limits by Greenwood's standard error; null at a survival of 0, which has none. */
  readonly interval: Interval | null;
}

export interface Curve {
  readonly episodes: number;
  readonly steps: readonly CurveStep[];
  /** The first session after which at most half have not had the event; null: not reached. */
  readonly median: number | null;
}

/**
 * @param courses one for each episode; an episode that ends in the session of another's event counts as at risk in it
 * @returns the curve; without episodes it has no step
 */
export function survivalCurve(courses: readonly Course[]): Curve {
  const sorted = courses.toSorted((a, b) => a.session - b.session);
  const steps: CurveStep[] = [];
  let survival = 1;
  let greenwood = 0;
  for (let at = 0; at < sorted.length;) {
    const { session } = sorted[at]!;
    const atRisk = sorted.length - at;
    let events = 0;
    for (; at < sorted.length && sorted[at]!.session === session; at += 1) if (sorted[at]!.event) events += 1;
    if (events === 0) continue;
    survival *= (atRisk - events) / atRisk;
    greenwood += atRisk === events ? 0 : events / (atRisk * (atRisk - events));
    steps.push({ session, atRisk, events, survival, interval: survival === 0 ? null : limits(survival, greenwood) });
  }
  return { episodes: courses.length, steps, median: steps.find(isHalf)?.session ?? null };
}

/** A product of shares that is a half may come out as 0.5000000000000001. */
const isHalf = ({ survival }: CurveStep): boolean => survival <= 0.5 + 1e-9;

function limits(survival: number, greenwood: number): Interval {
  const half = z95 * survival * Math.sqrt(greenwood);
  return { low: Math.max(0, survival - half), high: Math.min(1, survival + half) };
}

/** Service-defined: fewer episodes, or fewer at risk, say more about individuals than about the service. */
export const publishable = { episodes: 20, atRisk: 5 } as const;

/** @returns the part of `curve` that may be shown, or null when it rests on too few episodes. */
export function publishedCurve(curve: Curve): Curve | null {
  if (curve.episodes < publishable.episodes) return null;
  const steps = curve.steps.filter(({ atRisk }) => atRisk >= publishable.atRisk);
  return { ...curve, steps, median: steps.find(isHalf)?.session ?? null };
}
