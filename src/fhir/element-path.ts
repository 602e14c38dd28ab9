import type { Resource } from './resource.ts';
import type { Typed } from './simple-path.ts';
import { nodeOf, type Element, type Node } from './structures.ts';

/** Objects that a group of answers opened, by the path they stand at: `Patient.contact` -> this contact. */
export type Opened = ReadonlyMap<string, Record<string, unknown>>;

/**
 * Puts a value at an element of `resource`, converted to the element's type where that loses nothing. Elements between are made.
 * A repeating element on the way is the one in `opened`, else its first; at the end the value is added to a repeating element.
 * @param path `Type.element.element`; a choice as `value[x]`, `value` or `valueQuantity`.
 * @returns what is wrong (completes "This is not put there: ..."), or undefined when it was done.
 */
export function putAt(resource: Resource, path: string, { type, value }: Typed, opened: Opened = new Map()): string | undefined {
  const [root, ...names] = path.split('.');
  if (root !== resource.resourceType || names.length === 0) return `the path must begin with ${resource.resourceType}.`;
  let node = nodeOf(root);
  let owner: Record<string, unknown> = resource;
  let walked = root;
  for (const [at, name] of names.entries()) {
    const found = elementFor(node, name, at === names.length - 1 ? type : undefined);
    if (found === undefined) return `${node.path} has no element ${printable(name)} that can hold it.`;
    const { key, element } = found;
    walked = `${walked}.${name}`;
    if (at === names.length - 1) return place(owner, key, element, { type, value });
    if (element.primitive !== undefined || element.holdsResource) return `${walked} has no elements.`;
    owner = opened.get(walked) ?? inner(owner, key, element);
    node = element.node();
  }
  return undefined;
}

/** @returns a new object at a repeating element, for what follows to be put into; undefined where there is no such element. */
export function openAt(resource: Resource, path: string, opened: Opened): Record<string, unknown> | undefined {
  const [root, ...names] = path.split('.');
  if (root !== resource.resourceType || names.length === 0) return undefined;
  let node = nodeOf(root);
  let owner: Record<string, unknown> = resource;
  let walked = root;
  for (const [at, name] of names.entries()) {
    const found = elementFor(node, name, undefined);
    if (found === undefined || found.element.primitive !== undefined || found.element.holdsResource) return undefined;
    const { key, element } = found;
    walked = `${walked}.${name}`;
    node = element.node();
    if (at < names.length - 1 || !element.many) owner = opened.get(walked) ?? inner(owner, key, element);
    else {
      const made = {};
      owner[key] = [...((owner[key] as unknown[] | undefined) ?? []), made];
      owner = made;
    }
  }
  return owner;
}

const printable = (name: string): string => (/^[A-Za-z[\]]{1,64}$/.test(name) ? name : 'of that name');

function elementFor(node: Node, name: string, type: string | undefined): { key: string; element: Element } | undefined {
  const bare = name.replace('[x]', '');
  const exact = node.elements.get(bare);
  if (exact !== undefined) return { key: bare, element: exact };
  const choices = [...node.elements].filter(([, element]) => element.name === bare);
  const chosen = choices.find(([, element]) => element.type === type) ?? choices.find(([, element]) => type !== undefined && converted({ type, value: '' }, element.type) !== undefined);
  return chosen === undefined ? undefined : { key: chosen[0], element: chosen[1] };
}

function inner(owner: Record<string, unknown>, key: string, { many }: Element): Record<string, unknown> {
  if (!many) return (owner[key] ??= {}) as Record<string, unknown>;
  const list = (owner[key] ??= [{}]) as Record<string, unknown>[];
  return list[0]!;
}

function place(owner: Record<string, unknown>, key: string, element: Element, typed: Typed): string | undefined {
  const fitting = converted(typed, element.type);
  if (fitting === undefined) return `a ${typed.type} is no ${element.type}.`;
  if (element.many) owner[key] = [...((owner[key] as unknown[] | undefined) ?? []), fitting.value];
  else if (owner[key] !== undefined) return `${key} holds one value only.`;
  else owner[key] = fitting.value;
  return undefined;
}

const texts = new Set(['string', 'markdown', 'code', 'id', 'uri', 'url', 'canonical']);
const wholes = new Set(['integer', 'positiveInt', 'unsignedInt']);

/** @returns `value` as a `type`, or undefined when it cannot be one without loss or guess. */
function converted({ type, value }: Typed, wanted: string): { value: unknown } | undefined {
  const wantedType = wanted === 'SimpleQuantity' ? 'Quantity' : wanted;
  if (type === wantedType || (texts.has(type) && texts.has(wantedType)) || (wholes.has(type) && (wholes.has(wantedType) || wantedType === 'decimal'))) return { value };
  if (type === 'date' && wantedType === 'dateTime') return { value };
  if (type === 'dateTime' && wantedType === 'date' && typeof value === 'string') return { value: value.slice(0, 10) };
  if ((type === 'dateTime' || type === 'instant') && (wantedType === 'instant' || wantedType === 'dateTime')) return { value };
  if (type === 'Coding' && wantedType === 'CodeableConcept') return { value: { coding: [value] } };
  if (type === 'Coding' && wantedType === 'code') return { value: (value as { code?: string }).code };
  if (type === 'string' && wantedType === 'CodeableConcept') return { value: { text: value } };
  if ((type === 'decimal' || type === 'integer') && wantedType === 'Quantity') return { value: { value } };
  return undefined;
}
