import type { Valid } from './baseline.ts';
import type { Change } from './change.ts';
import type { Band } from './instrument.ts';
import { dayOf, limitOf, outOf, points, shown } from './plain-words.ts';
import type { Score } from './record.ts';
import type { Scale } from './registry.ts';
import { sideOf } from './side.ts';

/** Sentences for the client beside computed numbers. They say what moved and judge neither the person nor the score; a test looks for words that would. */

/** What a client calls a score: the short name of the form, of one part of a form the name of that part. */
export const nameForClient = ({ definition: { id, title, clientTitle }, instrument }: Scale): string =>
  clientTitle ?? (id === 'total' ? instrument.definition.shortTitle : title);

/** Towards what the better and the worse end of a scale point, without calling either end good. */
export const towards = ({ definition: { towards: own } }: Scale): { readonly better: string; readonly worse: string } =>
  own ?? { better: 'an easier time', worse: 'a harder time' };

/** Which way is which on this form. */
const easier = (scale: Scale): string => `${scale.sign === 1 ? 'Lower' : 'Higher'} scores here stand for ${towards(scale).better}.`;

/** A difference of two answers. */
const apart = (value: number): string => (value === 0 ? 'the same' : `${points(Math.abs(value))} ${value < 0 ? 'lower' : 'higher'}`);

/** @returns what a total is. */
export function scoreForClient(scale: Scale, { value, date, data: { answered, items, maxScore } }: Score, band: Band | undefined): string {
  const on = `${nameForClient(scale)}${date === '' ? '' : `, ${dayOf(date)}`}`;
  if (value === null) return `${on}: there is no total, as ${answered} of ${items} questions ${answered === 1 ? 'is' : 'are'} answered. That is fine; answer what you like to answer.`;
  const where = band === undefined ? '' : ` In words: ${band.clientLabel.charAt(0).toLowerCase()}${band.clientLabel.slice(1)}.`;
  const isLookedAt = band === undefined && sideOf(scale, value)?.reached === true;
  const { formula, max } = scale.definition;
  const number = formula === 'criteria' ? '' : formula === 'difference' ? `: ${apart(value)}` : `: ${outOf(scale, value, Math.min(maxScore, max))}`;
  return `${on}${number}.${where} It is ${isLookedAt ? 'something to look at together: ' : ''}a snapshot and not the whole of you.`;
}

/** @returns how a score stands beside the one at the start. */
export function changeForClient(scale: Scale, score: Valid, baseline: Valid, { baseline: before, current, delta }: Change): string {
  const moved = delta === 0 ? 'the same' : `${shown(Math.abs(delta))} ${delta < 0 ? 'lower' : 'higher'}`;
  return `${nameForClient(scale)}: ${shown(before)} on ${dayOf(baseline.date)}, ${shown(current)} on ${dayOf(score.date)}. That is ${moved}. ${easier(scale)}`;
}

/** @returns how large that step is. */
export function classForClient(scale: Scale, change: Change): string {
  const { threshold } = scale;
  if (threshold === undefined) return 'We have no set size here from which a step counts as more than the usual ups and downs.';
  const size = limitOf(threshold, points);
  switch (change.reliable) {
    case 'better': return `The step since the start is larger than the usual ups and downs here (${size}). It goes towards ${towards(scale).better}.`;
    case 'worse': return `The step since the start is larger than the usual ups and downs here (${size}). It goes towards ${towards(scale).worse}. It is something to talk about together.`;
    default: return change.improvement === 0 ? `There is no step since the start. A step beyond the usual ups and downs would be ${size}.`
      : `The step since the start is within the usual ups and downs here. A step beyond them would be ${size}.`;
  }
}

/** @returns what a client reads beside the answer to a question that is always looked at. */
export const safetyItemForClient = (scale: Scale, { date }: Score): string =>
  `This is your answer to one question of the ${scale.instrument.definition.shortTitle}${date === '' ? '' : `, ${dayOf(date)}`}. Your care team looks at answers like this one, so that they can talk with you. Thank you for telling us.`;
