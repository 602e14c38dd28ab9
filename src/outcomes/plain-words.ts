import type { Cutoff } from './instrument.ts';
import type { Scale } from './registry.ts';

/** Pieces of plain sentences: numbers, dates, limits and how sure a rule is, in words that need no knowledge of codes. Pure. */

/** How well a value or rule is known (docs/clinical.md, Marks), as a clinician reads it. */
export const marks = {
  verified: 'checked in its source',
  secondary: 'taken from a secondary source, not checked in the original',
  memory: 'recalled, not checked in any source: to be checked before use',
  service: 'set by this service, not a published rule',
} as const;

/** The same for a client. */
export const marksForClient = {
  verified: 'This rule was checked in its source.',
  secondary: 'This rule was taken from a text about its source.',
  memory: 'This rule still has to be checked in its source.',
  service: 'This rule was made for this service.',
} as const;

/** @returns the words of a mark; the mark itself where there are none. */
export const markOf = (verification: string, words: Readonly<Record<string, string>> = marks): string => (Object.hasOwn(words, verification) ? words[verification]! : verification);

/** A number with two decimals at most. */
export const shown = (value: number): string => String(Math.round(value * 100) / 100);

/** A share in per cent, to one decimal as Observations have it; what is just below a quarter or a half never reads as one. */
export function percent(share: number): string {
  const exactly = Math.abs(100 * share);
  const tenths = Math.round(10 * exactly) / 10;
  return String([25, 50].some((limit) => tenths >= limit && exactly < limit - 1e-9) ? Math.floor(10 * exactly) / 10 : tenths);
}

/** @returns `1 session`, `2 sessions`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${shown(count)} ${count === 1 ? one : many}`;

export const points = (size: number): string => counted(size, 'point');

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

/** @param date `2024-11-01`, or less of it as FHIR allows. @returns `1 November 2024`: no reader takes the day for the month. */
export function dayOf(date: string): string {
  const [year, month, day] = date.slice(0, 10).split('-');
  const name = month === undefined ? undefined : months[Number(month) - 1];
  if (year === undefined || name === undefined) return date;
  return day === undefined ? `${name} ${year}` : `${Number(day)} ${name} ${year}`;
}

/** @returns a limit as it is spoken: `10 or more`, `below 9`. */
export function limitOf({ op, value }: { readonly op: Cutoff['op']; readonly value: number }, unit: (value: number) => string = shown): string {
  switch (op) {
    case '>=': return `${unit(value)} or more`;
    case '>': return `more than ${unit(value)}`;
    case '<=': return `${unit(value)} or less`;
    case '<': return `less than ${unit(value)}`;
  }
}

/** @returns a score beside the range that it may have. */
export const outOf = ({ definition: { min, max } }: Scale, value: number, highest = max): string =>
  (min === 0 ? `${shown(value)} of ${shown(highest)}` : `${shown(value)} on a scale from ${shown(min)} to ${shown(highest)}`);

/** @returns which way is better on a scale. */
export const direction = ({ sign }: Scale): string => (sign === 1 ? 'a lower score is better' : 'a higher score is better');
