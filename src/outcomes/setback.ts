import type { Valid } from './baseline.ts';
import { changeBetween, isClinical, reliability, type Change } from './change.ts';
import type { Scale } from './registry.ts';

/** Setbacks within an episode, and what follows a recovery (docs/clinical.md 3.8; service-defined). Pure. */

export interface Setback {
  /** The best score before it. */
  readonly best: Valid;
  /** The first score that is worse than the best by at least the threshold. */
  readonly possible: Valid;
  /** The next score, where it is so as well. */
  readonly confirmed: Valid | null;
  /** The first score that is less than the threshold from the best again. */
  readonly resolved: Valid | null;
  /** Calendar days from possible to resolved. */
  readonly recoveryDays: number | null;
}

export type SetbackState = 'setback-possible' | 'setback-confirmed' | 'setback-resolved';

export const setbackState = ({ confirmed, resolved }: Setback): SetbackState =>
  (resolved !== null ? 'setback-resolved' : confirmed !== null ? 'setback-confirmed' : 'setback-possible');

const day = 86_400_000;
const daysBetween = (from: Valid, to: Valid): number => Math.round((Date.parse(to.date.slice(0, 10)) - Date.parse(from.date.slice(0, 10))) / day);

/**
 * @param scores one a date, in time order, of one episode.
 * @returns the setbacks in time order, the last one perhaps open; none for an instrument without a threshold of reliable change.
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
    list.push({ best: reference, possible, confirmed, resolved, recoveryDays: resolved === null ? null : daysBetween(possible, resolved) });
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
