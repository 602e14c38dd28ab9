import type { PathStep, PathTest } from './fhirpath-parse.ts';
import { nodeOf, resourceTypes, type Element, type Node } from './structures.ts';

/** A JSON object of the tree that is patched. */
export type Tree = Record<string, unknown>;

/** Where a value stands: property `key` of `holder`, at position `at` where that is a list. */
export interface Place { readonly holder: Tree; readonly key: string; readonly at: number | undefined; readonly element: Element }

/** Something that a path leads to. A primitive with extensions only has no value. */
export interface Selected {
  readonly value: unknown;
  /** The definition of its children. */
  readonly node: Node;
  /** undefined: the resource itself. */
  readonly place: Place | undefined;
}

/** @returns the extensions and id of the primitive at `place`, which JSON keeps beside it (http://hl7.org/fhir/R4/json.html#primitive). */
function besideOf({ holder, key, at }: Place): unknown {
  const beside = holder[`_${key}`];
  return at === undefined ? beside : (beside as unknown[] | undefined)?.[at];
}

/** The JSON properties that element `name` of `node` may have: several where it is a choice (`value`: `valueQuantity`, `valueCode`...). */
export function propertiesOf(node: Node, name: string): [key: string, element: Element][] {
  return [...node.elements].filter(([key, element]) => element.name === name || key === name);
}

/** The object that holds the children of `selected`, where it has any. */
export function objectOf({ value, place }: Selected): Tree | undefined {
  const object = place?.element.primitive === undefined ? value : besideOf(place);
  return typeof object === 'object' && object !== null && !Array.isArray(object) ? (object as Tree) : undefined;
}

function nodeAt(element: Element, value: unknown): Node {
  if (element.primitive !== undefined) return nodeOf('Element');
  if (!element.holdsResource) return element.node();
  const type = (value as { resourceType?: unknown } | null)?.resourceType;
  return nodeOf(typeof type === 'string' && resourceTypes.has(type) ? type : 'Element');
}

function children(from: Selected, name: string): Selected[] {
  const holder = objectOf(from);
  if (holder === undefined) return [];
  const found: Selected[] = [];
  for (const [key, element] of propertiesOf(from.node, name)) {
    const beside = element.primitive === undefined ? undefined : holder[`_${key}`];
    const value = holder[key];
    if (Array.isArray(value) || Array.isArray(beside)) {
      const length = Math.max((value as unknown[] | undefined)?.length ?? 0, (beside as unknown[] | undefined)?.length ?? 0);
      for (let at = 0; at < length; at++) found.push(selected((value as unknown[] | undefined)?.[at], { holder, key, at, element }));
    } else if (value !== undefined || beside !== undefined) found.push(selected(value, { holder, key, at: undefined, element }));
  }
  return found;
}

const selected = (value: unknown, place: Place): Selected => ({ value, place, node: nodeAt(place.element, value) });

/** @returns what `steps` lead to from `from`, in document order. */
export function follow(from: readonly Selected[], steps: readonly PathStep[]): readonly Selected[] {
  return steps.reduce<readonly Selected[]>((items, step) => {
    switch (step.kind) {
      case 'child': return items.flatMap((item) => children(item, step.name));
      case 'index': return items.slice(step.at, step.at + 1);
      case 'first': return items.slice(0, 1);
      case 'last': return items.slice(-1);
      case 'single': return items.length > 1 ? [] : items;
      case 'where': return items.filter((item) => holds(item, step.test));
      case 'extension': return items.flatMap((item) => children(item, 'extension')).filter(({ value }) => (value as Tree)['url'] === step.url);
      case 'type': return items.filter(({ place, value }) => (place?.element.holdsResource === false ? place.element.type : (value as Tree)['resourceType']) === step.type);
    }
  }, from);
}

/** @returns what a path leads to in `resource`; its first step may be the type, as in `Patient.name`. */
export function select(resource: Tree, steps: readonly PathStep[]): readonly Selected[] {
  const type = resource['resourceType'] as string;
  const root: Selected = { value: resource, node: nodeOf(type), place: undefined };
  const [first] = steps;
  return follow([root], first?.kind === 'child' && first.name === type ? steps.slice(1) : steps);
}

function holds(item: Selected, test: PathTest): boolean {
  switch (test.kind) {
    case 'and': return holds(item, test.left) && holds(item, test.right);
    case 'or': return holds(item, test.left) || holds(item, test.right);
    case 'exists': return (follow([item], test.steps).length > 0) === test.wanted;
    case 'compare': {
      const [only, ...more] = follow([item], test.steps);
      // of nothing FHIRPath's = and != are both empty, which where() takes for false
      return only !== undefined && more.length === 0 && equals(only.value, test.literal) === test.equal;
    }
  }
}

function equals(value: unknown, literal: string | boolean): boolean {
  if (typeof value === 'boolean' || typeof literal === 'boolean') return value === literal;
  const number = typeof value === 'number' ? String(value) : (value as { rawJSON?: string } | null)?.rawJSON;
  return number === undefined ? value === literal : Number(number) === Number(literal);
}
