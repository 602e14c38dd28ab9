import { isClinical } from './change.ts';
import type { Valid } from './baseline.ts';
import { exact } from './decimals.ts';
import { daysBetween } from './local-time.ts';
import type { Scale } from './registry.ts';

/** Response, remission and minimal important change between two totals (docs/clinical.md 3.5). Pure. */

export interface Response {
  /** (x0 - x1) / x0; null on scales where a share of the baseline says nothing: those that do not begin at 0 or where higher is better. */
  readonly reduction: number | null;
  readonly response: boolean | null;
  readonly partial: boolean | null;
  /** Null where the instrument has no remission cut-off. */
  readonly remission: boolean | null;
  /** For the better; null where the instrument has no minimal important difference. */
  readonly minimalImportant: boolean | null;
}

/** @returns how `current` compares with `baseline` by the rules that are about a pair of totals. */
export function responseBetween(scale: Scale, baseline: number, current: number): Response {
  const { definition, cutoff, sign } = scale;
  const defined = sign === 1 && definition.min === 0 && baseline > 0;
  const reduction = defined ? (baseline - current) / baseline : null;
  // Half of a score that was not high to begin with is no response.
  const counts = reduction !== null && (cutoff === undefined || isClinical(baseline, cutoff));
  const important = definition.minimalImportant[0]?.value;
  return {
    reduction,
    // In whole steps of the scale: 2 * (x0 - x1) >= x0, without the rounding of a quotient.
    response: counts ? exact(2 * (baseline - current)) >= baseline : null,
    partial: counts ? exact(4 * (baseline - current)) >= baseline && exact(2 * (baseline - current)) < baseline : null,
    remission: inRemission(scale, current),
    minimalImportant: important === undefined ? null : exact(sign * (baseline - current)) >= important,
  };
}

/** @returns whether a total is on the better side of the remission cut-off; null where the instrument has none. */
export function inRemission({ definition }: Scale, value: number): boolean | null {
  const limit = definition.cutoffs.find(({ use }) => use === 'remission');
  return limit === undefined ? null : !isClinical(value, limit);
}

/** How many days two scores in the range must be apart, by calendar dates: a fortnight that the clocks are put forward in is one. */
const sustainedFor = 14;

/**
 * In the remission range, or without such a cut-off on the functional side, at two assessments in a row or more that span at
 * least 14 days, or at the last one of a finished episode.
 * @param scores one a date, from the baseline on.
 * @param discharge last day of the episode, where it is finished.
 * @returns the score at which that was first so, with the first one of the row; null where it never was.
 */
export function sustainedRemission(scale: Scale, scores: readonly Valid[], discharge: string | null): { readonly from: Valid; readonly at: Valid } | null {
  let from: Valid | null = null;
  for (let i = 0; i < scores.length; i += 1) {
    const score = scores[i]!;
    if (!isSettled(scale, score.value)) {
      from = null;
      continue;
    }
    from ??= score;
    const next = scores[i + 1];
    const last = discharge !== null && score.date <= discharge && (next === undefined || next.date > discharge);
    if (daysBetween(from.date, score.date) >= sustainedFor || last) return { from, at: score };
  }
  return null;
}

const isSettled = (scale: Scale, value: number): boolean =>
  inRemission(scale, value) ?? (scale.cutoff !== undefined && !isClinical(value, scale.cutoff));

/**
 * Last day after the baseline by which a change is early, whatever the session: the first four weeks of therapy are what studies of
 * early response look at (Beard and Delgadillo 2019); and the last one for a change by the fourth session, which with a session every
 * two weeks is in the eighth week (service-defined): months later nothing is early, however few sessions there were.
 */
const earlyDays = 28, earlyDaysBySession = 56, earlySessions = 4;

/**
 * At least 20 % lower than the baseline in the first 28 days after it, or by the fourth session in the first 56; by calendar dates.
 * @param later one a date, after the baseline, with their session numbers.
 * @returns the first such score; null: none so far; undefined where a share of the baseline says nothing.
 */
export function earlyResponse(scale: Scale, baseline: Valid, later: readonly { readonly score: Valid; readonly session: number }[]): Valid | null | undefined {
  if (scale.sign !== 1 || scale.definition.min !== 0 || baseline.value <= 0) return undefined;
  const isEarly = ({ score, session }: (typeof later)[number]): boolean => {
    const days = daysBetween(baseline.date, score.date);
    return days <= earlyDays || (days <= earlyDaysBySession && session > 0 && session <= earlySessions);
  };
  return later.find((each) => isEarly(each) && exact(5 * (baseline.value - each.score.value)) >= baseline.value)?.score ?? null;
}
