import { parsePath } from './fhirpath-parse.ts';
import { objectOf, propertiesOf, select, type Place, type Selected, type Tree } from './fhirpath-select.ts';
import { problem, type Problem } from './outcome.ts';
import { nodeOf, type Element, type Node } from './structures.ts';

interface Part { readonly name?: unknown; readonly part?: readonly Part[]; readonly resource?: unknown; readonly [element: string]: unknown }

/** What an operation puts somewhere: a JSON value, and what stands beside it where it is a primitive with extensions. */
interface Given { readonly value: unknown; readonly beside: unknown; readonly type: string | undefined }

/** One operation, read and checked; the paths are read when it is applied. */
export interface PatchOperation {
  readonly kind: 'add' | 'insert' | 'delete' | 'replace' | 'move';
  readonly path: string;
  readonly name: string | undefined;
  readonly value: Part | undefined;
  readonly index: number | undefined;
  readonly source: number | undefined;
  readonly destination: number | undefined;
  /** FHIRPath of the operation in the Parameters. */
  readonly where: string;
}

const kinds = new Set(['add', 'insert', 'delete', 'replace', 'move']);
const needs = { add: ['name', 'value'], insert: ['value', 'index'], delete: [], replace: ['value'], move: ['source', 'destination'] } as const;
const mostOperations = 1000;

const refused = (text: string, where: string): Problem => problem('invalid', 'processing', text, where);

/**
 * Reads a FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html).
 * @param parameters a Parameters resource, as the lossless tree.
 * @throws Problem `malformed` naming the operation that lacks a part.
 */
export function patchOperations(parameters: Tree): PatchOperation[] {
  const list = (parameters['parameter'] ?? []) as readonly Part[];
  if (list.length > mostOperations) throw problem('too-large', 'too-costly', `A patch takes ${mostOperations} operations at most; PUT the resource instead.`);
  return list.map((operation, at) => {
    const where = `Parameters.parameter[${at}]`;
    if (operation.name !== 'operation') throw problem('malformed', 'value', 'Every parameter of a FHIRPath Patch is named operation.', `${where}.name`);
    const part = (name: string): Part | undefined => operation.part?.find((candidate) => candidate.name === name);
    const kind = text(part('type')) ?? '';
    if (!kinds.has(kind)) throw problem('malformed', 'value', 'The type of an operation is add, insert, delete, replace or move.', where);
    const path = text(part('path'));
    const read: PatchOperation = {
      kind: kind as PatchOperation['kind'], path: path ?? '', where, name: text(part('name')), value: part('value'),
      index: whole(part('index')), source: whole(part('source')), destination: whole(part('destination')),
    };
    const missing = path === undefined ? 'path' : needs[read.kind].find((name) => read[name] === undefined);
    if (missing !== undefined) throw problem('malformed', 'required', `The operation ${kind} needs the part ${missing}.`, where);
    return read;
  });
}

function text(part: Part | undefined): string | undefined {
  const value = part?.['valueCode'] ?? part?.['valueString'] ?? part?.['valueUri'] ?? part?.['valueId'];
  return typeof value === 'string' ? value : undefined;
}

function whole(part: Part | undefined): number | undefined {
  const value = part?.['valueInteger'] ?? part?.['valueUnsignedInt'] ?? part?.['valuePositiveInt'];
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Applies the operations one after the other to `resource`, in place. Numbers keep their written form.
 * @throws Problem `invalid` naming the operation that does not apply; the tree is then not to be used.
 */
export function applyPatch(resource: Tree, operations: readonly PatchOperation[]): void {
  for (const operation of operations) {
    if (operation.kind === 'add') add(resource, operation);
    else if (operation.kind === 'delete') remove(resource, operation);
    else if (operation.kind === 'replace') replace(resource, operation);
    else reorder(resource, operation);
    prune(resource);
  }
}

/** The one thing that the path leads to. */
function target(resource: Tree, { path, kind, where }: PatchOperation): Selected | undefined {
  const found = select(resource, parsePath(path));
  if (found.length > 1) throw refused(`The path leads to ${found.length} elements; ${kind} takes one: add an index.`, where);
  return found[0];
}

function required(resource: Tree, operation: PatchOperation): Selected {
  const found = target(resource, operation);
  if (found === undefined) throw refused(`The path leads to nothing; there is nothing to ${operation.kind === 'add' ? 'add to' : operation.kind}.`, operation.where);
  return found;
}

function add(resource: Tree, operation: PatchOperation): void {
  const to = required(resource, operation);
  const [key, element, given] = placed(to.node, operation.name!, operation.value!, operation.where);
  const holder = objectOf(to) ?? besideAnew(to.place!);
  const choices = propertiesOf(to.node, element.name).some(([other]) => holder[other] !== undefined || holder[`_${other}`] !== undefined);
  if (!element.many && choices) throw refused(`There is a ${element.name} already; replace it, or delete it first.`, operation.where);
  if (element.many) splice({ holder, key, at: lengthOf(holder, key), element }, 0, given);
  else put({ holder, key, at: undefined, element }, given);
}

/** A primitive without extensions gets the object that will hold one. */
function besideAnew({ holder, key, at }: Place): Tree {
  const made: Tree = {};
  if (at === undefined) holder[`_${key}`] = made;
  else {
    const list = (holder[`_${key}`] ??= (holder[key] as unknown[]).map(() => null)) as unknown[];
    list[at] = made;
  }
  return made;
}

function remove(resource: Tree, operation: PatchOperation): void {
  const found = target(resource, operation);
  if (found === undefined) return; // what is not there is deleted
  if (found.place === undefined) throw refused('A patch cannot delete the resource itself.', operation.where);
  const { place } = found;
  if (place.at !== undefined) splice(place, 1);
  else put(place, { value: undefined, beside: undefined, type: undefined });
}

function replace(resource: Tree, operation: PatchOperation): void {
  const { place } = required(resource, operation);
  if (place === undefined) throw refused('A patch cannot replace the resource itself.', operation.where);
  const owner = ownerOf(resource, operation, place);
  const [key, element, given] = placed(owner, place.element.name, operation.value!, operation.where);
  if (key !== place.key) put(place, { value: undefined, beside: undefined, type: undefined }); // another type of the choice
  if (place.at !== undefined) splice(place, 1, given);
  else put({ ...place, key, element }, given);
}

/** The definition of the object that a place is in. */
function ownerOf(resource: Tree, { path }: PatchOperation, place: Place): Node {
  const steps = parsePath(path);
  for (let end = steps.length - 1; end >= 0; end--) {
    const owner = select(resource, steps.slice(0, end)).find((item) => objectOf(item) === place.holder);
    if (owner !== undefined) return owner.node;
  }
  return nodeOf(resource['resourceType'] as string);
}

function reorder(resource: Tree, operation: PatchOperation): void {
  const { path, where, kind } = operation;
  const steps = parsePath(path);
  const last = steps.at(-1);
  const named = last?.kind === 'child' ? last.name : last?.kind === 'extension' ? 'extension' : undefined;
  const owners = select(resource, steps.slice(0, -1));
  const owner = owners[0];
  if (named === undefined || owner === undefined || owners.length > 1) throw refused(`The path of ${kind} is that of one list, such as Patient.name.`, where);
  const holder = objectOf(owner) ?? besideAnew(owner.place!);
  const [[key, element] = [undefined, undefined]] = propertiesOf(owner.node, named);
  if (key === undefined || !element!.many) throw refused(`The path of ${kind} is that of a list.`, where);
  const length = lengthOf(holder, key);
  if (kind === 'insert') {
    if (operation.index! > length) throw refused(`The list has ${length} items; the index is at most ${length}.`, where);
    splice({ holder, key, at: operation.index, element: element! }, 0, placed(owner.node, named, operation.value!, where)[2]);
    return;
  }
  const { source, destination } = operation;
  if (source! >= length || destination! >= length) throw refused(`The list has ${length} items; source and destination are below that.`, where);
  for (const list of [holder[key], holder[`_${key}`]]) if (Array.isArray(list)) list.splice(destination!, 0, ...list.splice(source!, 1));
}

const lengthOf = (holder: Tree, key: string): number =>
  Math.max((holder[key] as unknown[] | undefined)?.length ?? 0, (holder[`_${key}`] as unknown[] | undefined)?.length ?? 0);

function put({ holder, key }: Place, { value, beside }: Given): void {
  for (const [name, content] of [[key, value], [`_${key}`, beside]] as const) {
    if (content === undefined) delete holder[name];
    else holder[name] = content;
  }
}

/** Takes `count` items out of a list and puts `given` there; a list of primitives keeps step with the list beside it. */
function splice({ holder, key, at, element }: Place, count: number, given?: Given): void {
  const length = lengthOf(holder, key);
  const into = (name: string, item: unknown, needed: boolean): void => {
    if (!needed) return;
    const list = (holder[name] ??= []) as unknown[];
    while (list.length < length) list.push(null);
    list.splice(at!, count, ...(given === undefined ? [] : [item ?? null]));
  };
  into(key, given?.value, holder[key] !== undefined || given?.value !== undefined);
  if (element.primitive !== undefined) into(`_${key}`, given?.beside, holder[`_${key}`] !== undefined || given?.beside !== undefined);
}

/** Where the value of an operation goes in `node` under `name`, and what goes there. */
function placed(node: Node, name: string, part: Part, where: string): [key: string, element: Element, given: Given] {
  const properties = propertiesOf(node, name);
  if (properties.length === 0) throw refused('The element is not defined there; check path and name.', where);
  const type = typeOf(part);
  const match = properties.length === 1 ? properties[0] : properties.find(([, element]) => element.type.toLowerCase() === type?.toLowerCase());
  if (match === undefined) throw refused(`The element takes one of the types ${properties.map(([, element]) => element.type).join(', ')}.`, where);
  const [key, element] = match;
  return [key, element, givenOf(part, element, where)];
}

/** The type that a part's value is of: `Quantity` for `valueQuantity`. */
function typeOf(part: Part): string | undefined {
  return Object.keys(part).find((key) => /^_?value[A-Z]/.test(key))?.replace(/^_?value/, '');
}

function givenOf(part: Part, element: Element, where: string): Given {
  const type = typeOf(part);
  if (type !== undefined) return { value: part[`value${type}`], beside: part[`_value${type}`], type };
  if (part.resource !== undefined) return { value: part.resource, beside: undefined, type };
  if (part.part === undefined || element.primitive !== undefined || element.holdsResource) throw refused('The value of an operation is a value[x], a resource, or parts that name the elements.', where);
  const made: Tree = {};
  for (const inner of part.part) {
    const [key, child, given] = placed(element.node(), String(inner.name), inner, where);
    if (child.many) splice({ holder: made, key, at: lengthOf(made, key), element: child }, 0, given);
    else put({ holder: made, key, at: undefined, element: child }, given);
  }
  return { value: made, beside: undefined, type };
}

/** Takes away what a deletion left empty: FHIR has no empty objects and lists (http://hl7.org/fhir/R4/json.html#null). @returns whether `value` is empty. */
function prune(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || 'rawJSON' in value) return value === null;
  if (Array.isArray(value)) {
    // items of lists that are kept in step stay where they are, so only objects leave
    const complex = value.some((item) => typeof item === 'object' && item !== null && !('rawJSON' in item)) && !value.includes(null);
    for (let at = value.length - 1; at >= 0; at--) if (prune(value[at]) && complex) value.splice(at, 1);
    return value.every((item) => item === null || (typeof item === 'object' && !('rawJSON' in item) && Object.keys(item).length === 0));
  }
  const tree = value as Tree;
  for (const [key, inner] of Object.entries(tree)) if (prune(inner)) delete tree[key];
  return Object.keys(tree).length === 0;
}
