import { isSmall, type Counts } from './suppression.ts';

/**
 * Which cells of a table may be shown so that no hidden one can be had from them: not as a total less its other strata, and not
 * by way of strata of another kind, or of another period, that have the same cases in them. Whoever adds and subtracts cells
 * forms linear combinations of them; so a cell is shown only while no small one is such a combination of those shown. Pure.
 */

/** Cases that are counted together. */
export interface Cell {
  readonly counts: Counts;
  /** The cases of the denominator. */
  readonly units: readonly string[];
  /** The place of a cell without which this one is not shown: the total of its report. */
  readonly within?: number;
  /** Each: with the others of that name it makes up the cell at the place `of`, which comes before it. */
  readonly partOf?: readonly { readonly name: string; readonly of: number }[];
}

/** Sums are kept modulo a prime, in which products stay exact; a combination of whole numbers is one there as well. */
const prime = 67_108_859;

type Vector = readonly number[];

/** @param cells those that matter most first @returns whether each may be shown */
export function mayBeShown(cells: readonly Cell[]): boolean[] {
  const vectors = vectorsOf(cells);
  const withheld = new Set<number>();
  for (;;) {
    const shown = choose(cells, vectors, withheld);
    const more = nextToHide(cells, shown);
    if (more === undefined) return shown;
    withheld.add(more);
  }
}

/** In order, each cell that does not make a small one known. */
function choose(cells: readonly Cell[], vectors: readonly Vector[], withheld: ReadonlySet<number>): boolean[] {
  const shown: boolean[] = [];
  let basis: readonly Row[] = [];
  let targets = vectors.filter((_, at) => isSmall(cells[at]!.counts) && cells[at]!.units.length > 0);
  for (const [at, cell] of cells.entries()) {
    shown[at] = false;
    if (isSmall(cell.counts) || withheld.has(at) || (cell.within !== undefined && !shown[cell.within]!)) continue;
    const row = rowOf(basis.reduce(without, vectors[at]!));
    const left = row === undefined ? targets : targets.map((target) => without(target, row));
    if (left.some((target) => target.every((value) => value === 0))) continue;
    shown[at] = true;
    targets = left;
    if (row !== undefined) basis = [...basis, row];
  }
  return shown;
}

/** What is hidden of the parts of a cell that is shown is known together: where that is small, the smallest part that is shown has to be hidden too. */
function nextToHide(cells: readonly Cell[], shown: readonly boolean[]): number | undefined {
  const parts = cells.flatMap(({ partOf = [] }, at) => partOf.filter(({ of }) => shown[of]!).map(({ name }) => ({ name, at })));
  for (const members of Map.groupBy(parts, ({ name }) => name).values()) {
    const out = members.filter(({ at }) => !shown[at]! && cells[at]!.units.length > 0).map(({ at }) => cells[at]!.counts);
    const together = out.reduce((all, { numerator, denominator }) => ({ numerator: all.numerator + numerator, denominator: all.denominator + denominator }), { numerator: 0, denominator: 0 });
    if (out.length === 0 || !isSmall(together)) continue;
    const [next] = members.filter(({ at }) => shown[at]!).sort((a, b) => cells[a.at]!.counts.denominator - cells[b.at]!.counts.denominator);
    if (next !== undefined) return next.at;
  }
  return undefined;
}

/** A vector whose first number that is not 0 is 1. */
interface Row { readonly pivot: number; readonly values: Vector }

function rowOf(values: Vector): Row | undefined {
  const pivot = values.findIndex((value) => value !== 0);
  if (pivot === -1) return undefined;
  const inverse = power(values[pivot]!, prime - 2);
  return { pivot, values: values.map((value) => (value * inverse) % prime) };
}

/** `values` less as much of `row` as it has of its pivot. */
function without(values: Vector, { pivot, values: row }: Row): Vector {
  const factor = values[pivot]!;
  return factor === 0 ? values : values.map((value, at) => (value + (prime - factor) * row[at]!) % prime);
}

/** By Fermat, the power prime - 2 is the inverse. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let [square, rest] = [base, exponent]; rest > 0; [square, rest] = [(square * square) % prime, Math.floor(rest / 2)]) if (rest % 2 === 1) result = (result * square) % prime;
  return result;
}

/** One number for each set of cases that are in the same cells: 1 where the cell has them. */
function vectorsOf(cells: readonly Cell[]): Vector[] {
  const cellsOf = new Map<string, number[]>();
  for (const [at, { units }] of cells.entries()) for (const unit of units) cellsOf.set(unit, [...cellsOf.get(unit) ?? [], at]);
  const patterns = [...new Set([...cellsOf.values()].map((list) => list.join()))].map((text) => new Set(text.split(',').map(Number)));
  return cells.map((_, at) => patterns.map((pattern) => (pattern.has(at) ? 1 : 0)));
}
