import { isScalar, parsePath, UnsupportedExpression, type Expression, type Step } from './simple-path-parse.ts';
import { nodeOf, resourceTypes, type Node } from './structures.ts';

export { UnsupportedExpression } from './simple-path-parse.ts';

/** A value with its FHIR type: `string`, `Quantity`, `Patient`, or the path of a nested element (`Patient.contact`). */
export interface Typed { readonly type: string; readonly value: unknown }

/** What an expression may refer to: named values without `%`, and the time that `now()` and `today()` say. */
export interface Environment {
  readonly names: ReadonlyMap<string, readonly Typed[]>;
  /** FHIR instant in UTC. */
  readonly now: string;
  /** What a path without `%` starts from. */
  readonly focus?: readonly Typed[];
  /** Values that may still be looked at, for all expressions that share it; without it an expression has its own. */
  readonly budget?: Budget;
}

/** Counts down; at the end nothing more is evaluated, so that no expression can keep a request busy. */
export interface Budget { left: number }

const budgetOfOne = 100_000;

/** @returns a resource as a value of its type. */
export const resourceValue = (resource: { readonly resourceType: string }): Typed => ({ type: resource.resourceType, value: resource });

/**
 * Evaluates a simple path: the part of FHIRPath that needs no engine, so that it is safe and quick on a request (its cost is
 * that of the values it walks): a literal, `today()`, `now()`, or a name and elements with `[n]`, `first()`, `last()`,
 * `exists()`, `empty()`, `count()`, `not()`, `ofType(T)` and `where(path = literal)`; two such may be compared with `=` or `!=`.
 * @throws UnsupportedExpression for anything else, for a name that is not known and for an element that a type does not have:
 *   an empty answer always means that there is no such value.
 */
export function evaluate(expression: string, environment: Environment): readonly Typed[] {
  return result(parsePath(expression), { ...environment, budget: environment.budget ?? { left: budgetOfOne } });
}

function result(expression: Expression, environment: Environment): readonly Typed[] {
  const left = walk(expression, environment);
  if (expression.compared === undefined) return left;
  const right = walk(expression.compared.with, environment);
  if (left.length === 0 || right.length === 0) return [];
  if (![...left, ...right].every(isScalar)) throw new UnsupportedExpression('only simple values can be compared');
  const same = left.length === right.length && left.every(({ value }, at) => value === right[at]!.value);
  return [{ type: 'boolean', value: same === (expression.compared.operator === '=') }];
}

function walk({ start, steps }: Expression, environment: Environment): readonly Typed[] {
  return steps.reduce<readonly Typed[]>((values, step) => stepped(step, values, environment), started(start, environment));
}

function started(start: Expression['start'], environment: Environment): readonly Typed[] {
  switch (start.kind) {
    case 'literal': return [start.value];
    case 'now': return [{ type: 'dateTime', value: environment.now }];
    case 'today': return [{ type: 'date', value: environment.now.slice(0, 10) }];
    case 'focus': {
      const { focus } = environment;
      if (focus === undefined) throw new UnsupportedExpression('a path here starts with a %name');
      return focus;
    }
    case 'type': {
      const focus = environment.focus ?? [];
      if (focus.length === 1 && focus[0]!.type === start.name) return focus;
      return stepped({ kind: 'element', name: start.name }, started({ kind: 'focus' }, environment), environment);
    }
    case 'name': {
      const named = environment.names.get(start.name);
      if (named === undefined) throw new UnsupportedExpression(`%${start.name} is not known here`);
      return named;
    }
  }
}

function stepped(step: Step, values: readonly Typed[], environment: Environment): readonly Typed[] {
  environment.budget!.left -= 1 + values.length;
  if (environment.budget!.left < 0) throw new UnsupportedExpression('it looks at too many values');
  switch (step.kind) {
    case 'element': return values.flatMap((value) => elementOf(value, step.name));
    case 'index': return values.slice(step.index, step.index + 1);
    case 'first': return values.slice(0, 1);
    case 'last': return values.slice(-1);
    case 'exists': return [{ type: 'boolean', value: values.length > 0 }];
    case 'empty': return [{ type: 'boolean', value: values.length === 0 }];
    case 'count': return [{ type: 'integer', value: values.length }];
    case 'not': {
      if (values.length > 1 || values.some(({ type }) => type !== 'boolean')) throw new UnsupportedExpression('not() is for one boolean');
      return values.map(({ value }) => ({ type: 'boolean', value: value !== true }));
    }
    case 'ofType': return values.filter(({ type }) => type === step.type);
    case 'where': return values.filter((value) => result(step.criterion, { ...environment, focus: [value] })[0]?.value === true);
  }
}

function nodeFor(type: string): Node {
  try {
    return nodeOf(type);
  } catch {
    throw new UnsupportedExpression(`${type} has no elements`);
  }
}

/** @returns the values of the element `name` of `value`, whatever type a choice has. */
function elementOf({ type, value }: Typed, name: string): Typed[] {
  if (typeof value !== 'object' || value === null) throw new UnsupportedExpression(`a ${type} has no element ${name}`);
  const node = nodeFor(type);
  const candidates = [...node.elements].filter(([, element]) => element.name === name);
  if (candidates.length === 0 && !(node.isResource && name === 'resourceType')) throw new UnsupportedExpression(`${type} has no element ${name}`);
  return candidates.flatMap(([key, element]) => {
    const found = (value as Record<string, unknown>)[key];
    if (found === undefined) return [];
    const list: unknown[] = Array.isArray(found) ? found : [found];
    return list.filter((each) => each !== null).map((each) => ({ type: element.holdsResource ? typeOfResource(each) : typeName(element.type), value: each }));
  });
}

const typeName = (type: string): string => (type === 'SimpleQuantity' ? 'Quantity' : type);

function typeOfResource(resource: unknown): string {
  const type = (resource as { resourceType?: unknown }).resourceType;
  if (typeof type !== 'string' || !resourceTypes.has(type)) throw new UnsupportedExpression('a contained resource says no type');
  return type;
}
