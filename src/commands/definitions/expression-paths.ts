import { AndAtom, AsAtom, DotAtom, EqualsAtom, FunctionAtom, IsAtom, LiteralAtom, NotEqualsAtom, SymbolAtom, UnionAtom, parseFhirPath } from '@medplum/core';
import type { Path, Step } from '../../fhir/search-parameters.ts';
import type { StructureElements } from './structure-elements.ts';

/** A place in a resource that an expression selects: the steps that lead there and what is found. */
export interface Place extends Path { readonly valueSet?: string }

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Translates the part of FHIRPath that SearchParameter.expression uses (`.`, `|`, `where`, `ofType`, `as`, `is`,
 * `resolve`, `extension`, `exists() and != false`) into steps through plain JSON, choice elements resolved.
 * @param context the type (or element path) that the expression starts from
 * @throws Error that names the expression when it uses anything else or an element that R4 does not have.
 */
export function expressionPaths(expression: string, context: string, elements: StructureElements): Place[] {
  const start: Place = { type: context, steps: [] };
  const atom = (parseFhirPath(expression) as unknown as { child: unknown }).child;
  const fail = (what: string): never => {
    throw new Error(`Search expression "${expression}" on ${context}: ${what}`);
  };

  const walk = (node: unknown, from: readonly Place[]): Place[] => {
    if (node instanceof UnionAtom) return [...walk(node.left, from), ...walk(node.right, from)];
    if (node instanceof DotAtom) return walk(node.right, walk(node.left, from));
    if (node instanceof AsAtom) return ofType(walk(node.left, from), symbol(node.right));
    if (node instanceof AndAtom) return [presence(node, from)];
    if (node instanceof FunctionAtom) return call(node, from);
    if (node instanceof SymbolAtom) return child(node.name, from);
    return fail('this operator is not supported');
  };

  const symbol = (node: unknown): string => (node instanceof SymbolAtom ? node.name : fail('a type name is expected'));

  const literal = (node: unknown): string =>
    node instanceof LiteralAtom && typeof node.value.value === 'string' ? node.value.value : fail('a string is expected');

  const child = (name: string, from: readonly Place[]): Place[] => {
    if (from.length === 1 && from[0] === start && name === context) return [start];
    return from.flatMap((place) => {
      const found = elements.child(place.type, name);
      if (found.length === 0) fail(`${place.type} has no element ${name}`);
      return found.map((each) => step(place, each.name, each.type, each.many, each.valueSet));
    });
  };

  const call = (node: FunctionAtom, from: readonly Place[]): Place[] => {
    const [argument] = node.args;
    if (node.name === 'ofType' || node.name === 'as') return ofType(from, symbol(argument));
    if (node.name === 'extension') return narrow(child('extension', from), { where: { url: literal(argument) } });
    if (node.name === 'where' && argument instanceof EqualsAtom) return narrow(from, { where: { [symbol(argument.left)]: literal(argument.right) } });
    if (node.name === 'where' && argument instanceof IsAtom && argument.left instanceof FunctionAtom && argument.left.name === 'resolve') {
      return narrow(from, { resolves: symbol(argument.right) });
    }
    return fail(`${node.name}() is not supported like this`);
  };

  // `X.exists() and X != false`: true when the element is there and not false. It has a value on every resource.
  const presence = (node: AndAtom, from: readonly Place[]): Place => {
    const { left, right } = node;
    const exists = left instanceof DotAtom && left.right instanceof FunctionAtom && left.right.name === 'exists' ? left.left : undefined;
    const notFalse = right instanceof NotEqualsAtom && right.right instanceof LiteralAtom && right.right.value.value === false ? right.left : undefined;
    if (exists === undefined || String(exists) !== String(notFalse)) fail('only "X.exists() and X != false" is supported');
    const places = walk(exists, from);
    if (places.some(({ steps }) => steps.length !== 1)) fail('only an element of the resource itself can be tested');
    return { type: 'boolean', steps: [{ present: places.map(({ steps }) => steps[0] as string) }] };
  };

  return walk(atom, [start]);
}

function step(from: Place, name: Step, type: string, many: boolean, valueSet?: string): Place {
  const place: Mutable<Place> = { type, steps: [...from.steps, name] };
  if (many || from.many === true) place.many = true;
  if (valueSet !== undefined) place.valueSet = valueSet;
  return place;
}

function narrow(from: readonly Place[], condition: Step): Place[] {
  return from.map((place) => ({ ...place, steps: [...place.steps, condition] }));
}

// R4 once writes `DateTime` for the type dateTime.
function ofType(from: readonly Place[], type: string): Place[] {
  return from.filter((place) => place.type.toLowerCase() === type.toLowerCase());
}
