import structures from '../../schemas/r4/structures.json' with { type: 'json' };
import valueSets from '../../schemas/r4/value-sets.json' with { type: 'json' };
import { invariants, type Invariant } from './invariants.ts';
import { primitives, type Primitive } from './validate-primitives.ts';

/** A type, or a nested element with children of its own, ready to check objects by. */
export interface Node {
  /** `Patient`, `Patient.contact`, `Coding`. */
  readonly path: string;
  readonly isResource: boolean;
  /** By JSON name: a choice is there once for each of its types (`valueQuantity`, `valueCode`). */
  readonly elements: ReadonlyMap<string, Element>;
  /** The elements that must be there. */
  readonly required: readonly { readonly name: string; readonly bit: number }[];
  readonly requiredBits: number;
  readonly invariants: readonly Invariant[];
}

/** One JSON property of a node. */
export interface Element {
  /** Its FHIRPath name: `value` for `valueQuantity`. */
  readonly name: string;
  readonly type: string;
  readonly many: boolean;
  /** Bit in Node.required, or 0. */
  readonly bit: number;
  /** Bit that all properties of one choice share, or 0. */
  readonly choice: number;
  /** Set for primitives; the others have `node()`, or hold any resource. */
  readonly primitive: Primitive | undefined;
  readonly holdsResource: boolean;
  readonly binding: Binding | undefined;
  /** Types a Reference may point to; undefined: any. */
  readonly targets: ReadonlySet<string> | undefined;
  readonly invariants: readonly Invariant[];
  /** The node of its type; compiled when it is first needed. */
  node(): Node;
}

/** A required binding. */
export interface Binding {
  readonly name: string;
  /** All codes, whatever their system: what an element of type code may hold. */
  readonly codes: ReadonlySet<string>;
  readonly bySystem: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Described { readonly base?: string; readonly kind?: string; readonly constraints?: readonly string[]; readonly elements: readonly string[] }

const described: ReadonlyMap<string, Described> = new Map(Object.entries(structures.types));
const nodes = new Map<string, Node>();
const bindings = new Map<string, Binding>();

/** The 146 resource types of R4. A Map, so that no name finds a property of Object.prototype. */
export const resourceTypes: ReadonlySet<string> = new Set([...described].filter(([, node]) => node.kind === 'resource').map(([name]) => name));

/** @returns the node of a type or nested element that exists in `schemas/r4/structures.json`. */
export function nodeOf(path: string): Node {
  const known = nodes.get(path);
  if (known !== undefined) return known;
  const node = compile(path);
  nodes.set(path, node);
  return node;
}

function compile(path: string): Node {
  const lines = linesOf(path);
  const elements = new Map<string, Element>();
  const required: { name: string; bit: number }[] = [];
  let choices = 0;
  for (const line of lines) {
    const [shownName = '', cardinality = '', types = '', ...marks] = line.split(' ');
    const isChoice = shownName.endsWith('[x]');
    const name = shownName.replace('[x]', '');
    const bit = cardinality.startsWith('0') ? 0 : 1 << required.length;
    if (bit !== 0) required.push({ name, bit });
    const choice = isChoice ? 1 << choices++ : 0;
    for (const type of types.split('|')) {
      const element = compileElement(path, name, type, marks, { many: !cardinality.endsWith('..1'), bit, choice });
      elements.set(isChoice ? name + suffix(element.type) : name, element);
    }
  }
  return {
    path,
    isResource: described.get(path)?.kind === 'resource',
    elements,
    required,
    requiredBits: required.reduce((bits, { bit }) => bits | bit, 0),
    invariants: (described.get(path)?.constraints ?? []).flatMap((key) => invariantOf(path, key)),
  };
}

function linesOf(path: string): string[] {
  const node = described.get(path);
  if (node === undefined) throw new Error(`No structure ${path}`);
  return node.base === undefined ? [...node.elements] : [...new Map([...linesOf(node.base), ...node.elements].map((line) => [line.split(' ')[0], line])).values()];
}

function compileElement(owner: string, name: string, written: string, marks: readonly string[], rest: Pick<Element, 'many' | 'bit' | 'choice'>): Element {
  const reference = /^Reference\((.*)\)$/.exec(written);
  const type = reference === null ? written.replace(/^#/, '') : 'Reference';
  const bound = marks.find((mark) => mark.startsWith('='))?.slice(1);
  const mimeType = bound === 'mimetypes';
  const primitive = primitives.get(mimeType ? 'mimetype' : type);
  let node: Node | undefined;
  return {
    ...rest,
    name,
    type,
    primitive,
    holdsResource: type === 'Resource',
    binding: bound === undefined || mimeType ? undefined : bindingOf(bound),
    targets: reference === null ? undefined : new Set((reference[1] ?? '').split(',')),
    invariants: marks.filter((mark) => mark.startsWith('!')).flatMap((mark) => invariantOf(owner, mark.slice(1))),
    node: () => (node ??= nodeOf(type)),
  };
}

/** SimpleQuantity is a profile: in a property's name it is a Quantity. */
function suffix(type: string): string {
  const name = type === 'SimpleQuantity' ? 'Quantity' : type;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function invariantOf(path: string, key: string): Invariant[] {
  const invariant = invariants.get(`${path.split('.')[0]}.${key}`);
  return invariant === undefined ? [] : [invariant];
}

function bindingOf(name: string): Binding | undefined {
  const known = bindings.get(name);
  if (known !== undefined) return known;
  const written = new Map<string, Record<string, string[] | undefined>>(Object.entries(valueSets.valueSets)).get(name);
  if (written === undefined) return undefined;
  const bySystem = new Map(Object.entries(written).map(([system, codes]) => [system, new Set(codes)]));
  const binding = { name, bySystem, codes: new Set([...bySystem.values()].flatMap((codes) => [...codes])) };
  bindings.set(name, binding);
  return binding;
}
