import { mayBeShown, type Cell } from '../disclosure.ts';
import type { Pieces } from '../pieces.ts';
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
interface Stratum { readonly by: string; readonly value: string; readonly members: readonly Membership[]; readonly counts: Counts }

/**
 * The total of each period, and the strata of the first: in the quarters of a year they would be few, and too many to tell what
 * they give away together.
 * @param parts a year and the shorter periods of it, or one period of any kind
 * @param own the place of the period that is reported
 * @param stratifiers by which the report of the first tells cases apart
 */
export function* reportCells(parts: readonly CountedPart[], own: number, stratifiers: readonly string[]): Pieces<MayShow> {
  const [whole, ...others] = parts as [CountedPart, ...CountedPart[]];
  const strata = stratifiers.flatMap((by) => [...Map.groupBy(whole.memberships, (membership) => stratumOf(membership, by))].map(([value, all]): Stratum => {
    const members = all.filter(isCounted);
    return { by, value, members, counts: countsOf(members) };
  })).sort((a, b) => b.members.length - a.members.length);
  const cells: Cell[] = [
    cellOf(whole.memberships), ...strata.map(({ by, members }) => cellOf(members, { within: 0, partOf: [{ name: by, of: 0 }] })),
    ...others.map(({ memberships, partOf }) => cellOf(memberships, { round: 1, ...(partOf === undefined ? {} : { partOf: [{ name: 'periods', of: partOf }] }) })),
    ...unions(others.filter(({ partOf }) => partOf !== undefined)).map((memberships) => cellOf(memberships, { round: 1, isSecret: true })),
  ];
  yield;
  const shown = yield* withoutSecrets(cells, strata);
  return (by, value) => {
    const at = by === undefined ? (own === 0 ? 0 : strata.length + own) : 1 + strata.findIndex((each) => each.by === by && each.value === value);
    const isToldApart = by === undefined || (own === 0 && at > 0);
    return isToldApart && shown[at] === true && !isSmall(cells[at]!.counts);
  };
}

const cellOf = (memberships: readonly Membership[], more: Omit<Cell, 'counts' | 'units'> = {}): Cell => ({ counts: countsOf(memberships), units: memberships.filter(isCounted).map(({ unit }) => unit), ...more });

/** @returns for any two or more periods the cases of them all: few must not be known together either, where the first quarters of a year are told together. */
function unions(parts: readonly CountedPart[]): Membership[][] {
  return Array.from({ length: 2 ** parts.length }, (_, choice) => parts.filter((__, at) => Math.floor(choice / 2 ** at) % 2 === 1)).filter(({ length }) => length > 1).map((chosen) => chosen.flatMap(({ memberships }) => memberships));
}

/** Groups of parts that are looked at in one piece. */
const together = 16;

/**
 * Few cases may be the common part of two strata (who of a team has a certain problem), or what a stratum has, or lacks, of those
 * of another kind that are shown, or hidden, or go beyond it: they must not be known either.
 */
function* withoutSecrets(cells: readonly Cell[], strata: readonly Stratum[]): Pieces<boolean[]> {
  const secrets = new Map<string, Cell>();
  const add = (parts: readonly Part[]): void => {
    const counts = { numerator: 0, denominator: 0 };
    for (const part of parts) {
      counts.numerator += part.counts.numerator;
      counts.denominator += part.counts.denominator;
    }
    if (counts.denominator === 0 || !isSmall(counts)) return;
    const units = parts.flatMap(({ members }) => members().map(({ unit }) => unit));
    secrets.set(units.toSorted().join(' '), { counts, units, isSecret: true });
  };
  const overlaps = yield* overlapsOf(strata);
  for (const { common } of overlaps) add([common]);
  for (;;) {
    yield;
    const shown = yield* mayBeShown([...cells, ...secrets.values()]);
    const before = secrets.size;
    for (const goesBeyond of [true, false]) {
      const list = overlaps.filter(({ beyond }) => !goesBeyond || beyond.counts.denominator > 0);
      const groups = [...Map.groupBy(list, ({ one, other }) => `${one} ${String(shown[other + 1])} ${strata[other]!.by}`).values()];
      for (const [at, group] of groups.entries()) {
        add(group.map(({ common }) => common));
        add(group.map(({ beyond }) => beyond));
        if (at % together === 0) yield;
      }
    }
    if (secrets.size === before) return shown;
  }
}

/** Two strata of different kinds, by their places, with the cases that are in both and those that only the other one has. */
interface Overlap { readonly one: number; readonly other: number; readonly common: Part; readonly beyond: Part }
interface Part { readonly counts: Counts; readonly members: () => readonly Membership[] }

function* overlapsOf(strata: readonly Stratum[]): Pieces<Overlap[]> {
  const places = new Map(strata.map(({ by, value }, at) => [JSON.stringify([by, value]), at]));
  const kinds = [...new Set(strata.map(({ by }) => by))];
  const found: Overlap[] = [];
  for (const [one, { by, value, members }] of strata.entries()) {
    for (const kind of kinds.filter((each) => each !== by)) {
      for (const [name, common] of Map.groupBy(members, (membership) => stratumOf(membership, kind))) {
        const other = places.get(JSON.stringify([kind, name]))!;
        const [counts, all] = [countsOf(common), strata[other]!];
        found.push({
          one, other, common: { counts, members: () => common },
          // Most have more than a few cases: which they are is looked for only where they have not.
          beyond: { counts: { numerator: all.counts.numerator - counts.numerator, denominator: all.counts.denominator - counts.denominator }, members: () => all.members.filter((membership) => stratumOf(membership, by) !== value) },
        });
      }
    }
    yield;
  }
  return found;
}
