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

/** Cases of one kind, of one period. */
interface Stratum { readonly by: string; readonly value: string; readonly members: readonly Membership[] }

/**
 * The total of each period, and the strata of the first: in the quarters of a year they would be few, and too many to tell what
 * they give away together.
 * @param parts a year and its quarters, or one period of any kind
 * @param own the place of the period that is reported
 * @param stratifiers by which the report tells cases apart
 */
export function reportCells(parts: readonly CountedPart[], own: number, stratifiers: readonly string[]): MayShow {
  const [whole, ...others] = parts as [CountedPart, ...CountedPart[]];
  const strata = stratifiers.flatMap((by) => [...Map.groupBy(whole.memberships, (membership) => stratumOf(membership, by))].map(([value, members]): Stratum => ({ by, value, members: members.filter(isCounted) })))
    .sort((a, b) => b.members.length - a.members.length);
  const cells: Cell[] = [
    cellOf(whole.memberships), ...strata.map(({ by, members }) => cellOf(members, { within: 0, partOf: [{ name: by, of: 0 }] })),
    ...others.map(({ memberships }) => cellOf(memberships, { round: 1, partOf: [{ name: 'periods', of: 0 }] })),
  ];
  const shown = withoutSecrets(cells, strata);
  return (by, value) => {
    const at = by === undefined ? (own === 0 ? 0 : strata.length + own) : own === 0 ? 1 + strata.findIndex((each) => each.by === by && each.value === value) : -1;
    return at !== -1 && shown[at] === true && !isSmall(cells[at]!.counts);
  };
}

const cellOf = (memberships: readonly Membership[], more: Omit<Cell, 'counts' | 'units'> = {}): Cell => ({ counts: countsOf(memberships), units: memberships.filter(isCounted).map(({ unit }) => unit), ...more });

/**
 * Few cases may be the common part of two strata (who of a team has a certain problem), or what a stratum has, or lacks, of those
 * of another kind that are shown, or hidden, or go beyond it: they must not be known either.
 */
function withoutSecrets(cells: readonly Cell[], strata: readonly Stratum[]): boolean[] {
  const secrets = new Map<string, Cell>();
  const add = (members: readonly Membership[]): void => {
    const cell = cellOf(members, { isSecret: true });
    if (members.length > 0 && isSmall(cell.counts)) secrets.set(cell.units.toSorted().join(' '), cell);
  };
  const overlaps = overlapsOf(strata);
  for (const { common } of overlaps) add(common);
  for (;;) {
    const shown = mayBeShown([...cells, ...secrets.values()]);
    const before = secrets.size;
    for (const goesBeyond of [true, false]) {
      const list = overlaps.filter(({ beyond }) => !goesBeyond || beyond.length > 0);
      for (const together of Map.groupBy(list, ({ one, other }) => JSON.stringify([one, strata[other]!.by, shown[other + 1]])).values()) {
        add(together.flatMap(({ common }) => common));
        add(together.flatMap(({ beyond }) => beyond));
      }
    }
    if (secrets.size === before) return shown;
  }
}

/** Two strata of different kinds, by their places, with the cases that are in both and those that only the other one has. */
interface Overlap { readonly one: number; readonly other: number; readonly common: readonly Membership[]; readonly beyond: readonly Membership[] }

function overlapsOf(strata: readonly Stratum[]): Overlap[] {
  const places = new Map(strata.map(({ by, value }, at) => [JSON.stringify([by, value]), at]));
  const kinds = [...new Set(strata.map(({ by }) => by))];
  return strata.flatMap(({ by, value, members }, one) => kinds.filter((kind) => kind !== by).flatMap((kind) =>
    [...Map.groupBy(members, (membership) => stratumOf(membership, kind))].map(([found, common]): Overlap => {
      const other = places.get(JSON.stringify([kind, found]))!;
      return { one, other, common, beyond: strata[other]!.members.filter((membership) => stratumOf(membership, by) !== value) };
    })));
}
