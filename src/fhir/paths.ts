import { referencedType } from './references.ts';
import type { Path, Step } from './search-parameters.ts';

/** A JSON object as it is met on the way; what it holds is known from the definitions only. */
export type Node = Readonly<Record<string, unknown>>;

/** Follows a path from `node` and hands on everything it ends at, with the two values it was given. */
export type Walk<A, B> = (node: unknown, a: A, b: B) => void;

/**
 * @returns the steps of `path` as one function: `take` is called with each value at its end, never with null.
 * Made once for each path and run on every write, so it allocates nothing.
 */
export function compilePath<A, B>(path: Path, take: Walk<A, B>): Walk<A, B> {
  return path.steps.reduceRight((next, step) => compileStep(step, next), take);
}

function compileStep<A, B>(step: Step, next: Walk<A, B>): Walk<A, B> {
  if (typeof step === 'string') return child(step, next);
  if ('where' in step) return having(Object.entries(step.where), next);
  if ('resolves' in step) return resolving(step.resolves, next);
  return presence(step.present, next);
}

function child<A, B>(name: string, next: Walk<A, B>): Walk<A, B> {
  return (node, a, b) => {
    const value = (node as Node)[name];
    if (value === undefined || value === null) return;
    if (!Array.isArray(value)) return next(value, a, b);
    for (const each of value) if (each !== null) next(each, a, b);
  };
}

function having<A, B>(content: readonly (readonly [string, string])[], next: Walk<A, B>): Walk<A, B> {
  return (node, a, b) => {
    if (content.every(([name, value]) => (node as Node)[name] === value)) next(node, a, b);
  };
}

function resolving<A, B>(type: string, next: Walk<A, B>): Walk<A, B> {
  return (node, a, b) => {
    const { reference } = node as { reference?: unknown };
    if (typeof reference === 'string' && referencedType(reference) === type) next(node, a, b);
  };
}

function presence<A, B>(names: readonly string[], next: Walk<A, B>): Walk<A, B> {
  return (node, a, b) => next(names.some((name) => (node as Node)[name] !== undefined && (node as Node)[name] !== false), a, b);
}
