import { follow, objectOf, type Selected } from '../fhirpath-select.ts';
import { UnsupportedExpression } from '../simple-path-parse.ts';
import { nodeOf } from '../structures.ts';

/** A value on its way through an expression: of the resource, or a literal. */
export interface Item {
  readonly value: unknown;
  /** FHIR type, or the path of a nested element. */
  readonly type: string;
  /** Where it stands in the resource; a literal stands nowhere. */
  readonly selected?: Selected;
}

export type Items = readonly Item[];

/** What an expression may look at, and how much. */
export interface Scope {
  readonly context: Items;
  readonly self: Items;
  readonly index: number;
  readonly resource: Item;
  readonly budget: { left: number };
}

export const none: Items = [];
export const boolean = (value: boolean): Items => (value ? isTrue : isFalse);
export const text = (value: string): Items => [{ value, type: 'string' }];
export const number = (value: number): Items => [{ value, type: Number.isInteger(value) ? 'integer' : 'decimal' }];
const isTrue: Items = [{ value: true, type: 'boolean' }];
const isFalse: Items = [{ value: false, type: 'boolean' }];

/** Takes from the budget. @throws UnsupportedExpression when it is used up, so that no expression keeps a request busy. */
export function spend({ budget }: Scope, cost: number): void {
  budget.left -= cost;
  if (budget.left < 0) throw new UnsupportedExpression('it looks at too many values');
}

/** @returns a place of the resource as a value. */
export function itemOf(selected: Selected): Item {
  const { place, value } = selected;
  const type = place === undefined || place.element.holdsResource ? String((value as { resourceType?: unknown }).resourceType) : place.element.type;
  return { value, type, selected };
}

/** @returns the elements of this name. A literal has none, and neither has a resource that was not read. */
export function childrenOf(item: Item, name: string): Items {
  if (item.selected === undefined) {
    if (item.type === unread) throw new UnsupportedExpression('it looks into another resource');
    return none;
  }
  return follow([item.selected], [{ kind: 'child', name }]).map(itemOf);
}

/** @returns every element of `item`. */
export function allChildrenOf(item: Item): Items {
  const { selected } = item;
  if (selected === undefined || objectOf(selected) === undefined) return none;
  const names = new Set([...selected.node.elements.values()].map(({ name }) => name));
  return [...names].flatMap((name) => childrenOf(item, name));
}

/** The type of what a reference that was not followed leads to. */
const unread = 'unread';

/** @returns what a Reference leads to: of a resource that is not at hand, its type only, which `is` can ask for. */
export function resolved(item: Item, { resource }: Scope): Items {
  const reference = typeof item.value === 'string' ? item.value : (item.value as { reference?: unknown } | undefined)?.reference;
  const said = (item.value as { type?: unknown } | undefined)?.type;
  if (typeof reference === 'string' && reference.startsWith('#')) {
    const contained = (resource.value as { contained?: readonly { id?: string; resourceType?: string }[] }).contained?.find(({ id }) => id === reference.slice(1));
    return contained === undefined ? none : [{ value: contained, type: contained.resourceType!, selected: { value: contained, node: nodeOf(contained.resourceType!), place: undefined } }];
  }
  const type = typeof reference === 'string' ? /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/.*)?$/.exec(reference)?.[1] : undefined;
  if (type === undefined && typeof said !== 'string') throw new UnsupportedExpression('it follows a reference of which the type is not known');
  return [{ value: type ?? said, type: unread }];
}

const above: Readonly<Record<string, string>> = {
  code: 'string', id: 'string', markdown: 'string', url: 'uri', canonical: 'uri', oid: 'uri', uuid: 'uri', positiveint: 'integer', unsignedint: 'integer',
  age: 'quantity', duration: 'quantity', distance: 'quantity', count: 'quantity', simplequantity: 'quantity', moneyquantity: 'quantity',
  'system.id': 'id', 'system.string': 'string', 'system.uri': 'uri', instant: 'datetime',
};

/** FHIRPath `is`. Names of types are told apart without case: profiles write `DateTime` for dateTime. */
export function isOfType(item: Item, written: string): boolean {
  const name = written.replace(/^(?:FHIR|System)\./, '').toLowerCase();
  let type: string | undefined = item.type === unread ? String(item.value).toLowerCase() : item.type.toLowerCase();
  if (name === 'resource' || name === 'domainresource') return item.type === unread || item.selected?.node.isResource === true;
  for (; type !== undefined; type = above[type]) if (type === name) return true;
  return name === 'backboneelement' && item.type.includes('.') && !item.type.startsWith('System.');
}

/** @returns whether an item has a value, not only extensions in its place. */
export const hasValue = ({ value, selected }: Item): boolean => value !== undefined && value !== null && (selected === undefined || selected.place === undefined || selected.place.element.primitive !== undefined);

/** @returns the extensions beside a primitive or in an element. */
export const extensionsOf = (item: Item, url: string): Items => childrenOf(item, 'extension').filter(({ value }) => (value as { url?: unknown }).url === url);

/** @returns whether two JSON values say the same; the order of names in an object means nothing. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, at) => sameValue(each, b[at]));
  const left = a as Record<string, unknown>, right = b as Record<string, unknown>;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && sameValue(left[name], right[name]));
}

/** @returns whether `value` has all that `pattern` has (http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_). */
export function fitsPattern(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern)) return Array.isArray(value) && pattern.every((wanted) => value.some((each) => fitsPattern(each, wanted)));
  if (typeof pattern !== 'object' || pattern === null) return value === pattern;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(pattern).every(([name, wanted]) => Object.hasOwn(value, name) && fitsPattern((value as Record<string, unknown>)[name], wanted));
}
