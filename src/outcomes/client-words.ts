import type { Valid } from './baseline.ts';
import type { Change } from './change.ts';
import { shown } from './explain.ts';
import type { Band } from './instrument.ts';
import type { Score } from './record.ts';
import type { Scale } from './registry.ts';

/** Sentences for the client beside computed numbers. They say what moved and judge neither the person nor the score; a test looks for words that would. */

const nameOf = ({ instrument: { definition } }: Scale): string => definition.shortTitle;

/** Which way is which on this form, without calling either end good. */
const easier = ({ sign }: Scale): string => `On this form ${sign === 1 ? 'lower' : 'higher'} scores stand for an easier time.`;

/** @returns what a total is. */
export function scoreForClient(scale: Scale, { value, date, data: { answered, items } }: Score, band: Band | undefined): string {
  if (value === null) return `${nameOf(scale)}, ${date}: no total, because ${answered} of ${items} questions are answered. That is fine; answer what you like to answer.`;
  const where = band === undefined ? '' : ` The form calls this range "${band.clientLabel}".`;
  return `${nameOf(scale)}, ${date}: ${shown(value)} of ${shown(scale.definition.max)}.${where} It is a snapshot of some days and says nothing about who you are.`;
}

/** @returns how a score stands beside the one at the start. */
export function changeForClient(scale: Scale, score: Valid, baseline: Valid, { delta }: Change): string {
  const moved = delta === 0 ? 'the same' : `${shown(Math.abs(delta))} ${delta < 0 ? 'lower' : 'higher'}`;
  return `${nameOf(scale)} was ${shown(baseline.value)} on ${baseline.date} and is ${shown(score.value)} on ${score.date}: ${moved}. ${easier(scale)}`;
}

/** @returns how large that step is. */
export function classForClient({ threshold }: Scale, change: Change): string {
  if (threshold === undefined) return 'For this form nobody has published how large a step counts as more than the usual ups and downs.';
  const limit = `(${threshold.op === '>' ? 'more than ' : ''}${shown(threshold.value)} points${threshold.op === '>' ? '' : ' or more'})`;
  switch (change.reliable) {
    case 'better': return `The step since the start is larger than the usual ups and downs of this form ${limit}, towards an easier time.`;
    case 'worse': return `The step since the start is larger than the usual ups and downs of this form ${limit}, towards a harder time. It is something to talk about together.`;
    default: return `The step since the start is within the usual ups and downs of this form; a step counts as larger from a certain size on ${limit}.`;
  }
}
