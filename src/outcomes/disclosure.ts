import type { Pieces } from './pieces.ts';
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
  /** Never shown: cases that must not be known together, where they are few. */
  readonly isSecret?: boolean;
  /** Cells of a later round are decided after all of those before; 0 without it. */
  readonly round?: number;
  /** The place of a cell without which this one is not shown: the total of its report. */
  readonly within?: number;
  /** Each: with the others of that name it makes up the cell at the place `of`, which comes before it. */
  readonly partOf?: readonly { readonly name: string; readonly of: number }[];
}

/** Sums are kept modulo a prime, in which products stay small and exact; a combination of whole numbers is one there as well. */
const prime = 32_749;

/**
 * Whole numbers that stand for what they leave modulo the prime, which is taken only where one is looked at: each step of an elimination
 * adds less than 2^30 to a number, so that a million steps stay exact, and the loop that does most of the work has no division.
 */
type Vector = Float64Array;

/**
 * Round by round: what is decided in one round does not depend on later ones, so that a report of a year says the same whether or
 * not somebody asks for its quarters.
 * @param cells those that matter most first, in the order of their rounds
 * @returns whether each may be shown
 */
export function* mayBeShown(cells: readonly Cell[]): Pieces<boolean[]> {
  const vectors = yield* vectorsOf(cells);
  let decided: Decision = { shown: [], basis: [] };
  for (const round of new Set(cells.map((cell) => cell.round ?? 0))) decided = yield* decideRound(cells, vectors, decided, round);
  return [...decided.shown];
}

interface Decision { readonly shown: readonly boolean[]; readonly basis: readonly Row[] }

function* decideRound(cells: readonly Cell[], vectors: readonly Vector[], before: Decision, round: number): Pieces<Decision> {
  const withheld = new Set<number>();
  for (;;) {
    const decision = yield* choose(cells, vectors, before, round, withheld);
    const more = nextToHide(cells, decision.shown, round);
    if (more.length === 0) return decision;
    for (const at of more) withheld.add(at);
  }
}

/** In order, each cell of a round that does not make a small one known. */
function* choose(cells: readonly Cell[], vectors: readonly Vector[], before: Decision, round: number, withheld: ReadonlySet<number>): Pieces<Decision> {
  const shown = [...before.shown];
  let { basis } = before;
  const targets: Vector[] = [];
  for (const [at, { counts, round: of = 0 }] of cells.entries()) {
    if (at % together === 0) yield;
    if (!isSmall(counts) || of > round) continue;
    const target = reduced(vectors[at]!, basis);
    if (isSomething(target)) targets.push(target);
  }
  for (const [at, cell] of cells.entries()) {
    if ((cell.round ?? 0) !== round) continue;
    shown[at] = false;
    if (cell.isSecret === true || isSmall(cell.counts) || withheld.has(at) || (cell.within !== undefined && !shown[cell.within]!)) continue;
    yield;
    const row = rowOf(reduced(vectors[at]!, basis));
    if (row !== undefined && targets.some((target) => isMultiple(target, row))) continue;
    shown[at] = true;
    if (row === undefined) continue;
    for (const target of targets) eliminate(target, row);
    basis = [...basis, row];
  }
  return { shown, basis };
}

/** Vectors that are gone through in one piece: a few milliseconds. */
const together = 64;

const isSomething = (vector: Vector): boolean => vector.some((value) => value % prime !== 0);

/** What is hidden of the parts of a cell that is shown is known together: where that is small, the smallest part that is shown has to be hidden too. */
function nextToHide(cells: readonly Cell[], shown: readonly boolean[], round: number): number[] {
  const parts = cells.flatMap(({ partOf = [], round: of = 0 }, at) => (of === round ? partOf : []).filter(({ of }) => shown[of]!).map(({ name }) => ({ name, at })));
  return [...Map.groupBy(parts, ({ name }) => name).values()].flatMap((members) => {
    const out = members.filter(({ at }) => !shown[at]! && cells[at]!.units.length > 0).map(({ at }) => cells[at]!.counts);
    const together = out.reduce((all, { numerator, denominator }) => ({ numerator: all.numerator + numerator, denominator: all.denominator + denominator }), { numerator: 0, denominator: 0 });
    if (out.length === 0 || !isSmall(together)) return [];
    const [next] = members.filter(({ at }) => shown[at]!).sort((a, b) => cells[a.at]!.counts.denominator - cells[b.at]!.counts.denominator);
    return next === undefined ? [] : [next.at];
  });
}

/** A vector whose first number that is not 0 is 1, all below the prime. */
interface Row { readonly pivot: number; readonly values: Vector }

function rowOf(values: Vector): Row | undefined {
  const pivot = values.findIndex((value) => value % prime !== 0);
  if (pivot === -1) return undefined;
  const inverse = power(values[pivot]! % prime, prime - 2);
  return { pivot, values: values.map((value) => ((value % prime) * inverse) % prime) };
}

/** Takes as much of `row` from `values` as they have of its pivot. */
function eliminate(values: Vector, { pivot, values: row }: Row): void {
  const factor = values[pivot]! % prime;
  if (factor === 0) return;
  for (let at = pivot; at < values.length; at += 1) values[at]! += (prime - factor) * row[at]!;
}

/** @returns what is left of `values` without the rows. */
function reduced(values: Vector, rows: readonly Row[]): Vector {
  const rest = Float64Array.from(values);
  for (const row of rows) eliminate(rest, row);
  return rest;
}

/** Whether nothing is left of `values`, which are not all 0, without `row`. Most differ next to the pivot, which is looked at first: before it both are 0 as a rule. */
function isMultiple(values: Vector, { pivot, values: row }: Row): boolean {
  const factor = values[pivot]! % prime;
  if (factor === 0) return false;
  for (let at = pivot + 1; at < values.length; at += 1) if (values[at]! % prime !== (factor * row[at]!) % prime) return false;
  for (let at = 0; at < pivot; at += 1) if (values[at]! % prime !== 0) return false;
  return true;
}

/** By Fermat, the power prime - 2 is the inverse. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let [square, rest] = [base, exponent]; rest > 0; [square, rest] = [(square * square) % prime, Math.floor(rest / 2)]) if (rest % 2 === 1) result = (result * square) % prime;
  return result;
}

/**
 * A cell as the sum of its cases, where cases that are in the same cells are one direction. There may be as many directions as
 * cases; sums of fixed mixtures of them, a few more than there are cells that could be shown, depend on each other as the cells do (but for a chance
 * of one in `prime`).
 */
function* vectorsOf(cells: readonly Cell[]): Pieces<Vector[]> {
  const cellsOf = new Map<string, number[]>();
  for (const [at, { units }] of cells.entries()) {
    for (const unit of new Set(units)) {
      const list = cellsOf.get(unit);
      if (list === undefined) cellsOf.set(unit, [at]);
      else list.push(at);
    }
    if (at % together === 0) yield;
  }
  const patterns = [...new Map([...cellsOf.values()].map((list) => [list.join(), list])).values()];
  const size = Math.min(patterns.length, cells.filter(({ isSecret, counts }) => isSecret !== true && !isSmall(counts)).length + spare);
  const vectors = cells.map(() => new Float64Array(size));
  for (const [direction, list] of patterns.entries()) {
    const mixed = Float64Array.from({ length: size }, (_, place) => (patterns.length === size ? Number(place === direction) : mixture(direction, place)));
    for (const at of list) {
      const vector = vectors[at]!;
      for (let place = 0; place < size; place += 1) vector[place]! += mixed[place]!;
    }
    if (direction % together === 0) yield;
  }
  return vectors;
}

const spare = 8;

/** A number that looks random, the same for the same two. */
const mixture = (direction: number, place: number): number => {
  let mixed = Math.imul(direction + 1, 0x9E3779B1) ^ Math.imul(place + 1, 0x85EBCA77);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2C1B3C6D);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297A2D39);
  return ((mixed ^ (mixed >>> 15)) >>> 0) % prime;
};
