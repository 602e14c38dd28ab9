import type { Valid } from './baseline.ts';
import { changeBetween, isClinical, reliability, type Change } from './change.ts';
import { weekAfter, worseWeek, type CheckIns, type CheckInWeek } from './check-in-week.ts';
import { daysBetween } from './local-time.ts';
import type { Scale } from './registry.ts';

/** Setbacks within an episode, and what follows a recovery (docs/clinical.md 3.8; service-defined). Pure. */

export interface Setback {
  /** The best score before it. */
  readonly best: Valid;
  /** The first score that is worse than the best by at least the threshold. */
  readonly possible: Valid;
  /** The next score, where it is so as well. */
  readonly confirmed: Valid | null;
  /** Without such a score: the week after the first, where its check-ins were worse than usual. */
  readonly week: CheckInWeek | null;
  /** The first score that is less than the threshold from the best again. */
  readonly resolved: Valid | null;
  /** Calendar days from possible to resolved. */
  readonly recoveryDays: number | null;
}

export type SetbackState = 'setback-possible' | 'setback-confirmed' | 'setback-resolved';

export const setbackState = ({ confirmed, week, resolved }: Setback): SetbackState =>
  (resolved !== null ? 'setback-resolved' : confirmed !== null || week !== null ? 'setback-confirmed' : 'setback-possible');

/**
 * @param scores one a date, in time order, of one episode.
 * @returns the setbacks by scores alone, in time order, the last one perhaps open; none for an instrument without a threshold of
 * reliable change.
 */
export function setbacks(scale: Scale, scores: readonly Valid[]): Setback[] {
  const { threshold, sign } = scale;
  if (threshold === undefined) return [];
  const list: Setback[] = [];
  let best: Valid | undefined;
  let open: { best: Valid; possible: Valid; confirmed: Valid | null; last: Valid } | undefined;
  const close = (resolved: Valid | null): void => {
    if (open === undefined) return;
    const { best: reference, possible, confirmed } = open;
    list.push({ best: reference, possible, confirmed, week: null, resolved, recoveryDays: resolved === null ? null : daysBetween(possible.date, resolved.date) });
    open = undefined;
  };
  for (const score of scores) {
    const worse = best !== undefined && reliability(sign * (best.value - score.value), threshold) === 'worse';
    if (!worse) close(score);
    else if (open === undefined) open = { best: best!, possible: score, confirmed: null, last: score };
    else if (open.last === open.possible) open = { ...open, confirmed: score, last: score };
    if (best === undefined || sign * (best.value - score.value) > 0) best = score;
  }
  close(null);
  return list;
}

/**
 * @param discharge last day of the episode, where it is finished.
 * @returns whether check-ins may confirm a setback: no second score did, and the week after the first is over before the next score and
 * the end of the therapy. The next score says more than the days before it.
 */
export function awaitsCheckIns({ possible, confirmed, resolved }: Setback, discharge: string | null): boolean {
  if (confirmed !== null || possible.date.length !== 10) return false;
  const { to } = weekAfter(possible.date);
  return (resolved === null || to < resolved.date) && (discharge === null || to <= discharge);
}

/** @returns `setback` with the week of check-ins that confirms it, where they may and do. */
export function withCheckIns(setback: Setback, checkIns: CheckIns, discharge: string | null): Setback {
  const week = awaitsCheckIns(setback, discharge) ? worseWeek(checkIns, setback.possible.date, setback.best.date) : null;
  return week === null ? setback : { ...setback, week };
}

/** A score after a recovery that is on the clinical side again. */
export interface AfterRecovery { readonly state: 'relapse' | 'clinical-again'; readonly reference: Valid; readonly score: Valid }

/**
 * @param scores one a date, in time order, of one episode and the follow-up after it.
 * @param discharge last day of the episode, where it is finished.
 * @returns the first score that is clinical again by less than the threshold, and the first by at least it; [] without a recovery at the end.
 */
export function afterRecovery(scale: Scale, baseline: Valid, scores: readonly Valid[], discharge: string | null): AfterRecovery[] {
  const { cutoff, threshold, sign } = scale;
  if (cutoff === undefined || threshold === undefined || discharge === null) return [];
  const reference = scores.findLast(({ date }) => date <= discharge);
  if (reference === undefined || reference.at <= baseline.at || changeOf(scale, baseline, reference).class !== 'recovered') return [];
  const found: AfterRecovery[] = [];
  for (const score of scores) {
    if (score.date <= discharge || !isClinical(score.value, cutoff)) continue;
    const state = reliability(sign * (reference.value - score.value), threshold) === 'worse' ? 'relapse' : 'clinical-again';
    if (!found.some((each) => each.state === state)) found.push({ state, reference, score });
    if (state === 'relapse') break;
  }
  return found;
}

const changeOf = (scale: Scale, baseline: Valid, score: Valid): Change => changeBetween(scale, baseline.value, score.value);
