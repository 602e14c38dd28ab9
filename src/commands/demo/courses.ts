import type { Random } from './random.ts';

/** How scores go over the weeks. The shares are those of `order`. */
export type Course = 'improving' | 'unchanged' | 'sudden gain' | 'worse' | 'setback';

/** One turn of twenty clients: 40 % improve, 20 % stay, 15 % gain suddenly, 15 % get worse, 10 % meet a setback; all five in the first seven. */
const order: readonly Course[] = [
  'improving', 'unchanged', 'improving', 'sudden gain', 'worse', 'improving', 'setback', 'improving', 'unchanged', 'worse',
  'improving', 'sudden gain', 'improving', 'unchanged', 'improving', 'worse', 'improving', 'setback', 'sudden gain', 'unchanged',
];

export const courses: readonly Course[] = [...new Set(order)];

/** @returns the course of the client with this number, counted from 1. */
export const courseOf = (client: number): Course => order[(client - 1) % order.length]!;

/** @returns the expected PHQ-9 total by week (1 is the first), drawn once for a client. */
export function curve(course: Course, random: Random): (week: number) => number {
  switch (course) {
    case 'improving': {
      const start = random.whole(12, 22), share = 0.45 + 0.4 * random.next();
      return (week) => start * (1 - (share * Math.log(week)) / Math.log(12));
    }
    case 'unchanged': {
      const start = random.whole(8, 18);
      return () => start;
    }
    case 'sudden gain': {
      const start = random.whole(14, 21), drop = random.whole(8, 10), last = random.whole(4, 7);
      return (week) => start - 0.2 * week - (week > last ? drop : 0);
    }
    case 'worse': {
      const start = random.whole(7, 13), rise = random.whole(7, 9);
      return (week) => start + (rise * (week - 1)) / 11;
    }
    case 'setback': {
      const start = random.whole(14, 20);
      return (week) => (week <= 7 ? start - (9 * (week - 1)) / 6 : week <= 9 ? start - 9 + 3.5 * (week - 7) : start - 2 - (week - 9));
    }
  }
}

/** A score that somebody reports in a week. */
export interface Measure { readonly week: number; readonly total: number }

/**
 * @returns what is reported at `weeks`: the expected score with a little noise, within `highest`, and never so much above
 * the scores of the last two weeks that the rule for rapid worsening (twice the reliable change in 14 days) would call for a look.
 */
export function measures(weeks: readonly number[], expected: (week: number) => number, limits: { highest: number; steepest: number }, random: Random): Measure[] {
  const found: Measure[] = [];
  for (const week of weeks) {
    const wanted = Math.min(limits.highest, Math.max(0, Math.round(expected(week)) + random.whole(-1, 1)));
    const lately = found.filter((earlier) => week - earlier.week <= 3).map(({ total }) => total);
    found.push({ week, total: Math.min(wanted, Math.min(Infinity, ...lately) + limits.steepest) });
  }
  return found;
}
