import type { Resource } from './resource.ts';

/** A CodeSystem that is held here, ready to be asked (http://hl7.org/fhir/R4/codesystem.html). */

export interface Designation { readonly language?: string; readonly use?: object; readonly value?: string }
export interface Property { readonly code?: string; readonly [value: string]: unknown }

/** One concept of a code system. */
export interface Concept {
  readonly code: string;
  readonly display?: string;
  readonly definition?: string;
  readonly designation: readonly Designation[];
  readonly property: readonly Property[];
  readonly parents: readonly string[];
  readonly children: readonly string[];
  readonly inactive: boolean;
  /** Groups others and is not meant to be recorded. */
  readonly abstract: boolean;
}

export interface HeldSystem {
  readonly url: string;
  readonly version?: string;
  readonly name: string;
  /** Whether every concept of the system is here; what is said of a part only is never said of the whole. */
  readonly complete: boolean;
  /** By code, in the order of the resource. */
  readonly concepts: ReadonlyMap<string, Concept>;
  /** What can be asked of a concept: what every one has, and the properties that the system declares or uses. */
  readonly properties: ReadonlySet<string>;
  /** The concept with this code, by the system's own rule of case. */
  find(code: string): Concept | undefined;
  /** The codes below `code`, without itself; none where the hierarchy is not one of kinds. */
  below(code: string): ReadonlySet<string>;
  /** The codes above `code`, without itself. */
  above(code: string): ReadonlySet<string>;
}

interface Written { code?: string; display?: string; definition?: string; designation?: Designation[]; property?: Property[]; concept?: Written[] }
interface Building extends Omit<Concept, 'parents' | 'children'> { parents: string[]; children: string[] }

/** What every concept can be asked for. */
const ofEvery = ['code', 'concept', 'display', 'definition', 'parent', 'child', 'inactive'];

const retired = new Set(['retired', 'inactive', 'withdrawn']);

/** The value of a property, whatever its type, as text; a Coding by its code. */
export function propertyText(property: Property): string | undefined {
  const entry = Object.entries(property).find(([name]) => name.startsWith('value'));
  if (entry === undefined) return undefined;
  const [, value] = entry;
  return typeof value === 'object' && value !== null ? (value as { code?: string }).code : String(value);
}

function collect(concepts: readonly Written[], parent: string | undefined, into: Map<string, Building>): void {
  for (const { code, display, definition, designation = [], property = [], concept } of concepts) {
    if (code === undefined) continue;
    const has = (name: string, accepts: (value: string | undefined) => boolean): boolean =>
      property.some((each) => each.code === name && accepts(propertyText(each)));
    into.set(code, {
      code, designation, property, children: [],
      ...(display === undefined ? {} : { display }),
      ...(definition === undefined ? {} : { definition }),
      parents: parent === undefined ? [] : [parent],
      inactive: has('inactive', (value) => value === 'true') || has('status', (value) => value !== undefined && retired.has(value)),
      abstract: has('notSelectable', (value) => value === 'true'),
    });
    if (concept !== undefined) collect(concept, code, into);
  }
}

/** Parents and children that properties name beside those that nesting shows. */
function relate(concepts: Map<string, Building>): void {
  const join = (child: string | undefined, parent: string | undefined): void => {
    const below = concepts.get(child ?? '');
    if (below !== undefined && parent !== undefined && concepts.has(parent) && !below.parents.includes(parent)) below.parents.push(parent);
  };
  for (const { code, property } of concepts.values()) {
    for (const each of property) {
      if (each.code === 'parent') join(code, propertyText(each));
      if (each.code === 'child') join(propertyText(each), code);
    }
  }
  for (const { code, parents } of concepts.values()) for (const parent of parents) concepts.get(parent)!.children.push(code);
}

/** @returns the code system of a valid CodeSystem resource. */
export function heldSystem(resource: Resource): HeldSystem {
  const { url, version, name, title, content, caseSensitive, hierarchyMeaning } = resource as Resource & Readonly<Record<string, string | boolean | undefined>>;
  const concepts = new Map<string, Building>();
  collect((resource['concept'] ?? []) as Written[], undefined, concepts);
  relate(concepts);
  const folded = caseSensitive === false ? new Map([...concepts.values()].map((concept) => [concept.code.toLowerCase(), concept])) : undefined;
  const declared = (resource['property'] ?? []) as Property[];
  const kinds = hierarchyMeaning === undefined || hierarchyMeaning === 'is-a';
  const walk = (code: string, to: 'parents' | 'children'): Set<string> => {
    const found = new Set<string>();
    const open = kinds ? [...concepts.get(code)?.[to] ?? []] : [];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next === code || found.has(next)) continue;
      found.add(next);
      open.push(...concepts.get(next)![to]);
    }
    return found;
  };
  return {
    url: String(url ?? ''),
    ...(typeof version === 'string' ? { version } : {}),
    name: String(name ?? title ?? resource.id ?? url),
    complete: content === 'complete',
    properties: new Set([...ofEvery, ...[...declared, ...[...concepts.values()].flatMap(({ property }) => property)].map(({ code }) => code).filter((code) => code !== undefined)]),
    concepts,
    find: (code) => concepts.get(code) ?? folded?.get(code.toLowerCase()),
    below: (code) => walk(code, 'children'),
    above: (code) => walk(code, 'parents'),
  };
}
