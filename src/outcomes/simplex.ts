import type { Pieces } from './pieces.ts';

/** The smallest value of a function of few variables without its derivatives (Nelder and Mead 1965), in pieces of one step. Pure. */

interface Vertex { readonly at: readonly number[]; readonly value: number }

/** `settled`: the points of the search came together before its steps ran out. */
export interface Minimum extends Vertex { readonly settled: boolean }

const mostSteps = 500;

/**
 * @param of the function; where it is not defined it is Infinity
 * @param start where the search begins
 * @param step how far apart the first points are
 * @returns the best point found in at most 500 steps: a minimum near `start`, not always the least of all
 */
export function* simplexMinimum(of: (at: readonly number[]) => number, start: readonly number[], step: number): Pieces<Minimum> {
  const vertex = (at: readonly number[]): Vertex => ({ at, value: of(at) });
  const n = start.length;
  const points = [vertex(start), ...start.map((_, axis) => vertex(start.map((each, i) => (i === axis ? each + step : each))))];
  let settled = false;
  for (let round = 0; round < mostSteps && !settled; round += 1) {
    points.sort((a, b) => a.value - b.value);
    settled = isSmall(points);
    if (!settled) move(points, n, vertex);
    yield;
  }
  return { ...points.reduce((least, each) => (each.value < least.value ? each : least)), settled };
}

/** Moves the worst of the points, which are sorted, to a better place, or all of them toward the best. */
function move(points: Vertex[], n: number, vertex: (at: readonly number[]) => Vertex): void {
  const best = points[0]!, worst = points[n]!;
  const center = best.at.map((_, axis) => points.slice(0, n).reduce((sum, { at }) => sum + at[axis]!, 0) / n);
  const along = (factor: number): Vertex => vertex(center.map((each, axis) => each + factor * (each - worst.at[axis]!)));
  const reflected = along(1);
  if (reflected.value < best.value) {
    const further = along(2);
    points[n] = further.value < reflected.value ? further : reflected;
    return;
  }
  if (reflected.value < points[n - 1]!.value) {
    points[n] = reflected;
    return;
  }
  const nearer = reflected.value < worst.value ? along(0.5) : along(-0.5);
  if (nearer.value < Math.min(reflected.value, worst.value)) points[n] = nearer;
  else for (let i = 1; i <= n; i += 1) points[i] = vertex(points[i]!.at.map((each, axis) => (each + best.at[axis]!) / 2));
}

const isSmall = ([best, ...others]: readonly Vertex[]): boolean =>
  others.every(({ at }) => at.every((each, axis) => Math.abs(each - best!.at[axis]!) <= 1e-9 * (1 + Math.abs(best!.at[axis]!))));
