import { stringFold } from './index-keys.ts';
import type { Concept, Designation, HeldSystem } from './code-systems.ts';
import { filterTest, type Filter } from './concept-filters.ts';
import { problem, type Problem } from './outcome.ts';
import { parseCanonical } from './references.ts';
import type { Resource } from './resource.ts';

/**
 * What a value set holds (http://hl7.org/fhir/R4/valueset.html#expansion). Only what is known here is said: concepts of a
 * system that is not held are those that the value set itself lists.
 */

/** Finds definitions by canonical. */
export interface Held {
  /** @param version null: the one that is current. */
  codeSystem(url: string, version: string | null): Promise<HeldSystem | undefined>;
  valueSet(canonical: string): Promise<Resource | undefined>;
}

export interface Member {
  readonly system: string;
  readonly version?: string;
  readonly code: string;
  readonly display?: string;
  readonly designation: readonly Designation[];
  readonly inactive: boolean;
  readonly abstract: boolean;
}

export interface Expansion {
  /** By `memberKey`, in the order of the definition. */
  readonly members: ReadonlyMap<string, Member>;
  /** `url|version` of the code systems that were looked at. */
  readonly systems: ReadonlySet<string>;
  /** What could not be done as asked: for whoever reads the expansion. */
  readonly warnings: ReadonlySet<string>;
}

/** More concepts than this are not listed: use `filter`, or `$validate-code`. */
export const mostMembers = 10_000;
const mostVisited = 200_000;
const deepestImport = 20;

export const memberKey = (system: string, code: string): string => `${system}\n${code}`;

interface Include {
  readonly system?: string; readonly version?: string; readonly valueSet?: readonly string[]; readonly filter?: readonly Filter[];
  readonly concept?: readonly { readonly code?: string; readonly display?: string; readonly designation?: readonly Designation[] }[];
}
interface Compose { readonly inactive?: boolean; readonly include?: readonly Include[]; readonly exclude?: readonly Include[] }
interface Contained { readonly system?: string; readonly version?: string; readonly code?: string; readonly display?: string; readonly designation?: readonly Designation[]; readonly inactive?: boolean; readonly abstract?: boolean; readonly contains?: readonly Contained[] }

type Members = Map<string, Member>;

/** One expansion on its way. */
interface Work {
  readonly held: Held;
  /** Only this system is wanted; what is said of others is not looked at. */
  readonly only: string | undefined;
  readonly imported: Map<string, Promise<Members>>;
  readonly systems: Set<string>;
  readonly warnings: Set<string>;
  visited: number;
}

const tooCostly = (): Problem =>
  problem('invalid', 'too-costly', `The value set holds more than this service lists at once (${mostMembers} concepts). Ask $validate-code whether a code is in it, or define a narrower one.`, 'ValueSet.compose');

/** A URL in a sentence, cut where somebody made it endless. */
export const quoted = (url: string): string => (url.length > 200 ? `${url.slice(0, 200)}...` : url);

/**
 * @param valueSet a valid ValueSet, with a `compose` or, without one, an `expansion` that somebody else made.
 * @param only the system that is asked for: with it a value set can be decided whose other parts cannot.
 * @throws Problem `invalid`: `too-costly`; `not-found` for a value set or a whole system that is not held; `business-rule` for
 *   imports that lead back to where they began; `not-supported` for a filter that cannot be applied.
 */
export async function expansion(valueSet: Resource, held: Held, only?: string): Promise<Expansion> {
  const work: Work = { held, only, imported: new Map(), systems: new Set(), warnings: new Set(), visited: 0 };
  const members = await membersOf(work, valueSet, []);
  if (members.size > mostMembers) throw tooCostly();
  return { members, systems: work.systems, warnings: work.warnings };
}

async function membersOf(work: Work, valueSet: Resource, path: readonly string[]): Promise<Members> {
  const compose = valueSet['compose'] as Compose | undefined;
  if (compose === undefined) return enumerated(work, valueSet);
  const { url } = valueSet;
  // it may have been imported by its place
  const trail = typeof url === 'string' && !path.includes(url) ? [...path, url] : path;
  const members: Members = new Map();
  for (const [at, include] of (compose.include ?? []).entries()) {
    for (const [key, member] of await included(work, include, `ValueSet.compose.include[${at}]`, valueSet, trail)) if (!members.has(key)) members.set(key, member);
    if (members.size > mostMembers * 2) throw tooCostly();
  }
  for (const [at, exclude] of (compose.exclude ?? []).entries()) {
    for (const key of (await included(work, exclude, `ValueSet.compose.exclude[${at}]`, valueSet, trail)).keys()) members.delete(key);
  }
  if (compose.inactive === false) for (const [key, { inactive }] of members) if (inactive) members.delete(key);
  return members;
}

/** A value set that comes without a definition: what its expansion lists. */
function enumerated(work: Work, valueSet: Resource): Members {
  const expanded = valueSet['expansion'] as { contains?: readonly Contained[] } | undefined;
  if (expanded === undefined) throw problem('invalid', 'not-supported', 'The value set has neither a compose nor an expansion: nothing says what is in it.', 'ValueSet.compose');
  const members: Members = new Map();
  const open = [...(expanded.contains ?? [])].reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    visit(work);
    const { system, version, code, display, designation = [], inactive = false, abstract = false, contains = [] } = next;
    if (system !== undefined && code !== undefined && wanted(work, system)) {
      members.set(memberKey(system, code), { system, code, designation, inactive, abstract, ...(version === undefined ? {} : { version }), ...(display === undefined ? {} : { display }) });
    }
    open.push(...[...contains].reverse());
  }
  work.warnings.add('The value set has no definition: this is the expansion that it was stored with.');
  return members;
}

const wanted = ({ only }: Work, system: string): boolean => only === undefined || only === system;

function visit(work: Work, count = 1): void {
  work.visited += count;
  if (work.visited > mostVisited) throw tooCostly();
}

/** One include: in its system, by its concepts or filters, and in every value set that it names. */
async function included(work: Work, include: Include, at: string, within: Resource, trail: readonly string[]): Promise<Members> {
  let members = include.system === undefined || !wanted(work, include.system) ? undefined : await ofSystem(work, include, include.system, at);
  if (members === undefined && include.system !== undefined) return new Map();
  for (const [index, canonical] of (include.valueSet ?? []).entries()) {
    const other = await imported(work, canonical, `${at}.valueSet[${index}]`, within, trail);
    members = members === undefined ? other : new Map([...members].filter(([key]) => other.has(key)));
  }
  return members ?? new Map();
}

async function imported(work: Work, canonical: string, at: string, within: Resource, trail: readonly string[]): Promise<Members> {
  if (trail.includes(parseCanonical(canonical).url)) throw problem('invalid', 'business-rule', `The value set ${quoted(canonical)} is part of its own definition: an import may not lead back to where it began.`, at);
  if (trail.length > deepestImport) throw problem('invalid', 'too-costly', `Value sets may import each other ${deepestImport} deep at most.`, at);
  const known = work.imported.get(canonical);
  if (known !== undefined) {
    const members = await known;
    visit(work, members.size);
    return members;
  }
  const made = (async () => {
    const contained = (within['contained'] ?? []) as readonly Resource[];
    const valueSet = canonical.startsWith('#')
      ? contained.find(({ resourceType, id }) => resourceType === 'ValueSet' && `#${id}` === canonical)
      : await work.held.valueSet(canonical);
    if (valueSet === undefined) throw problem('invalid', 'not-found', `The value set ${quoted(canonical)} is not held here.`, at);
    return membersOf(work, valueSet, [...trail, parseCanonical(canonical).url]);
  })();
  // what is contained is known under its id in one resource only
  if (!canonical.startsWith('#')) work.imported.set(canonical, made);
  return made;
}

async function ofSystem(work: Work, include: Include, system: string, at: string): Promise<Members> {
  const { version, concept, filter = [] } = include;
  const held = await work.held.codeSystem(system, version ?? null);
  if (held !== undefined) work.systems.add(held.version === undefined ? system : `${system}|${held.version}`);
  if (concept !== undefined) return listed(work, include, system, held);
  if (held === undefined || !held.complete) {
    throw problem('invalid', 'not-found', held === undefined
      ? `The code system ${quoted(system)} is not held here: of its codes only those that a value set lists can be told.`
      : `Of the code system ${quoted(system)} only a part is held here: of its codes only those that a value set lists can be told.`, `${at}.system`);
  }
  visit(work, held.concepts.size);
  const tests = filter.map((each, index) => filterTest(each, held, `${at}.filter[${index}]`));
  const members: Members = new Map();
  for (const each of held.concepts.values()) if (tests.every((test) => test(each))) members.set(memberKey(system, each.code), memberOf(held, each));
  return members;
}

function listed(work: Work, { concept: concepts = [], version, filter }: Include, system: string, held: HeldSystem | undefined): Members {
  visit(work, concepts.length);
  const members: Members = new Map();
  if (filter !== undefined && filter.length > 0) throw problem('invalid', 'invalid', 'An include has concepts or filters, not both (vsd-3).', 'ValueSet.compose');
  if (held === undefined) work.warnings.add(`The code system ${quoted(system)} is not held here: its codes are as the value set lists them.`);
  for (const { code, display, designation } of concepts) {
    if (code === undefined) continue;
    const known = held?.find(code);
    if (known === undefined && held?.complete === true) {
      work.warnings.add(`The value set lists ${quoted(code)}, which ${quoted(system)} does not have: it is left out.`);
      continue;
    }
    const base: Member = known === undefined
      ? { system, code, designation: [], inactive: false, abstract: false, ...(version === undefined ? {} : { version }) }
      : memberOf(held!, known);
    members.set(memberKey(system, base.code), { ...base, ...(display === undefined ? {} : { display }), designation: [...base.designation, ...(designation ?? [])] });
  }
  return members;
}

const memberOf = ({ url, version }: HeldSystem, { code, display, designation, inactive, abstract }: Concept): Member => ({
  system: url, code, designation, inactive, abstract, ...(version === undefined ? {} : { version }), ...(display === undefined ? {} : { display }),
});

/** What of an expansion is asked for. */
export interface Selection { readonly filter?: string; readonly activeOnly: boolean; readonly offset: number; readonly count?: number }

/** Whether each word of `filter` is in the code, the display or a designation; case and accents do not matter. */
export function hasWords(filter: string): (member: { readonly code: string; readonly display?: string; readonly designation?: readonly Designation[] }) => boolean {
  const words = stringFold(filter).split(' ').filter((word) => word !== '');
  return ({ code, display = '', designation = [] }) => {
    const text = [code, display, ...designation.map(({ value }) => value ?? '')].map(stringFold).join('\n');
    return words.every((word) => text.includes(word));
  };
}

/** @returns the members of one page, and how many there are on all. */
export function selected({ members }: Expansion, { filter, activeOnly, offset, count }: Selection): { readonly total: number; readonly page: readonly Member[] } {
  const matches = filter === undefined ? () => true : hasWords(filter);
  const all = [...members.values()].filter((member) => !(activeOnly && member.inactive) && matches(member));
  return { total: all.length, page: all.slice(offset, count === undefined ? undefined : offset + count) };
}
