import { mayBeShown, type Cell } from '../disclosure.ts';
import { isSmall, type Counts } from '../suppression.ts';
import type { CalendarPart } from './calendar.ts';
import type { Membership } from './membership.ts';

/** Which numbers of a report may be shown to somebody who may not know individuals, beside those of other reports of the same year. Pure. */

/** Where everybody stands in one of the periods. */
export interface CountedPart extends CalendarPart { readonly memberships: readonly Membership[] }

export const isCounted = ({ denominator, exclusion }: Membership): boolean => denominator && !exclusion;

export const countsOf = (memberships: readonly Membership[]): Counts => ({
  numerator: memberships.filter((membership) => isCounted(membership) && membership.numerator).length,
  denominator: memberships.filter(isCounted).length,
});

/** Whether the total, or the stratum `value` of the stratifier `by`, may be shown. */
export type MayShow = (by?: string, value?: string) => boolean;

export const stratumOf = (membership: Membership, by: string): string => membership.strata[by] ?? 'unknown';

/**
 * @param parts longer periods before those that they consist of
 * @param own the place of the period that is reported
 * @param stratifiers by which the report tells cases apart
 */
export function reportCells(parts: readonly CountedPart[], own: number, stratifiers: readonly string[]): MayShow {
  const cells: Cell[] = [];
  const places = new Map<string, number>();
  const key = (part: number, by = '', value = ''): string => JSON.stringify([part, by, value]);
  const add = (name: string, memberships: readonly Membership[], more: Pick<Cell, 'round' | 'within' | 'partOf'>): void => {
    places.set(name, cells.length);
    cells.push({ counts: countsOf(memberships), units: memberships.filter(isCounted).map(({ unit }) => unit), ...more });
  };
  for (const [at, { memberships, partOf }] of parts.entries()) {
    const before = (by?: string, value?: string): NonNullable<Cell['partOf']> => {
      const of = partOf === undefined ? undefined : places.get(key(partOf, by, value));
      return of === undefined ? [] : [{ name: `periods of ${of}`, of }];
    };
    const total = cells.length;
    const round = partOf === undefined ? 0 : 1;
    add(key(at), memberships, { round, partOf: before() });
    const strata = stratifiers.flatMap((by) => [...Map.groupBy(memberships, (membership) => stratumOf(membership, by))].map(([value, members]) => ({ by, value, members })));
    for (const { by, value, members } of strata.sort((a, b) => countsOf(b.members).denominator - countsOf(a.members).denominator)) {
      add(key(at, by, value), members, { round, within: total, partOf: [{ name: `strata of ${total} by ${by}`, of: total }, ...before(by, value)] });
    }
  }
  const shown = mayBeShown(cells);
  return (by, value) => {
    const at = places.get(key(own, by, value));
    return at !== undefined && shown[at]! && !isSmall(cells[at]!.counts);
  };
}
