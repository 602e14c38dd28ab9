import { hash } from 'node:crypto';
import published from '../../schemas/r4/search-parameters.json' with { type: 'json' };
import { exactKey } from './index-keys.ts';
import { servedType } from './types.ts';

export type ParameterType = 'token' | 'reference' | 'date' | 'string' | 'uri' | 'number' | 'quantity' | 'composite' | 'special';

/**
 * One step through the JSON of a resource: into an element by name; or on with what meets a condition: an element with
 * the given content, a reference to the given type; or (`present`) whether one of the elements is there and not false.
 */
export type Step = string | { readonly where: Readonly<Record<string, string>> } | { readonly resolves: string } | { readonly present: readonly string[] };

/** Where values are, and of which FHIR type. `many`: the element or one around it may repeat. */
export interface Path { readonly type: string; readonly steps: readonly Step[]; readonly many?: boolean }

/** A component of a composite parameter: `code` is the parameter of the same resource type that reads the same element. */
export interface PublishedComponent { readonly code: string; readonly type: ParameterType; readonly paths: readonly Path[] }

/** A parameter as `schemas/r4/search-parameters.json` has it. */
export interface PublishedParameter {
  readonly code: string;
  readonly type: ParameterType;
  readonly url: string;
  readonly expression: string;
  readonly paths: readonly Path[];
  readonly targets?: readonly string[] | 'any';
  readonly system?: string;
  readonly union?: readonly string[];
  readonly components?: readonly PublishedComponent[];
  readonly multipleOr?: false;
  readonly multipleAnd?: false;
}

/** A search parameter of one resource type. */
export interface SearchParameter {
  readonly code: string;
  readonly base: string;
  readonly type: ParameterType;
  /** What index rows carry for it: the first 32 bits of the SHA-256 of `base.code`, signed. */
  readonly number: number;
  /** Canonical URL of the SearchParameter resource. */
  readonly url: string;
  /** SearchParameter.expression, narrowed to `base`. */
  readonly expression: string;
  /** Types that a reference may point to, as published (some of them not served here); empty for other parameters. */
  readonly targets: readonly string[];
  /**
   * Served by a column of `resource`; no index rows are written for it. `patient`: a reference to a local Patient is in the
   * column; a reference to anything else (Group, Device, another server) is in `index_reference`. `id`, `lastUpdated`: every type.
   */
  readonly column?: 'patient' | 'date' | 'status' | 'id' | 'lastUpdated';
  /** Finds what any of these parameters of the same type finds; has no rows of its own. */
  readonly union?: readonly string[];
  /** Of a composite: the first is always a token. Its rows carry `tupleNumber`. */
  readonly components?: readonly PublishedComponent[];
  /** `_id`, `_lastUpdated`, `_tag`, `_profile`, `_security`, `_source`. */
  readonly common: boolean;
  /** Where the values are; for a composite, where the elements are that hold the components. */
  readonly paths: readonly Path[];
  /**
   * FHIR types of the elements. A reference parameter over `canonical` or `uri` has its rows in `index_uri`;
   * one over `Reference` in `index_reference`.
   */
  readonly elements: readonly string[];
  /** The code system that an element of type `code` implies. Rows of `code` elements have no system. */
  readonly system?: string;
  /** False where the specification allows no comma list. */
  readonly multipleOr: boolean;
  /** False where the specification allows no repetition. */
  readonly multipleAnd: boolean;
}

const entries = published.types as unknown as Readonly<Record<string, readonly PublishedParameter[]>>;
const registry = new Map<string, ReadonlyMap<string, SearchParameter>>();

/** @returns the parameter `code` of `type`, or undefined when the type has none or is not served. */
export function searchParameter(type: string, code: string): SearchParameter | undefined {
  return parameters(type).get(code);
}

/** @returns every parameter of `type`, the common ones first; none for a type that is not served. */
export function searchParameters(type: string): readonly SearchParameter[] {
  return [...parameters(type).values()];
}

function parameters(type: string): ReadonlyMap<string, SearchParameter> {
  const known = registry.get(type);
  if (known !== undefined) return known;
  const own = servedType(type) === undefined ? [] : entries[type] ?? [];
  const common = servedType(type) === undefined ? [] : entries.Resource ?? [];
  const made = new Map([
    ...common.map((entry): [string, SearchParameter] => [entry.code, parameter(type, entry, true)]),
    ...own.map((entry): [string, SearchParameter] => [entry.code, parameter(type, entry, false)]),
  ]);
  if (made.size > 0) registry.set(type, made);
  return made;
}

function parameter(base: string, entry: PublishedParameter, common: boolean): SearchParameter {
  const column = columnOf(base, entry);
  return {
    code: entry.code,
    base,
    type: entry.type,
    number: int32(`${base}.${entry.code}`),
    url: entry.url,
    expression: entry.expression,
    targets: entry.targets === 'any' ? published.any : entry.targets ?? [],
    ...(column === undefined ? {} : { column }),
    ...(entry.union === undefined ? {} : { union: entry.union }),
    ...(entry.components === undefined ? {} : { components: entry.components }),
    common,
    paths: entry.paths,
    elements: [...new Set(entry.paths.map((path) => path.type))],
    ...(entry.system === undefined ? {} : { system: entry.system }),
    multipleOr: entry.multipleOr !== false,
    multipleAnd: entry.multipleAnd !== false,
  };
}

function columnOf(base: string, { code, type, paths }: PublishedParameter): SearchParameter['column'] {
  if (code === '_id') return 'id';
  if (code === '_lastUpdated') return 'lastUpdated';
  const served = servedType(base);
  if (type === 'date' && served?.date === code) return 'date';
  const [path, another] = paths;
  if (path === undefined || another !== undefined || path.many === true) return undefined;
  const [element, condition, more] = path.steps;
  if (type === 'reference' && element === served?.patient && (condition === undefined || typeof condition === 'object') && more === undefined) return 'patient';
  return type === 'token' && element === served?.status && condition === undefined ? 'status' : undefined;
}

/**
 * The number of a composite parameter's rows for one value of its token: the rows of `code-value-quantity` for LOINC 44261-6
 * are quantity rows with this number. A search finds them by it and by its second component, and must also match the first
 * component's own parameter: that decides the system where the elements do not repeat, and rules out an equal number.
 * @param system `hash64` of the token's system, 0n for a token without one, undefined when any system will do
 */
export function tupleNumber(composite: SearchParameter, code: string, system?: bigint): number {
  const name = `${composite.base}.${composite.code}$${composite.paths[0]?.many === true && system !== undefined ? `${system}|` : ''}${exactKey(code)}`;
  const known = tupleNumbers.get(name);
  if (known !== undefined) return known;
  const value = int32(name);
  remember(tupleNumbers, name, value);
  return value;
}

/**
 * What further rows of a parameter say, each under a number of its own: `of-type` an identifier with its type, `identifier`
 * the logical identifier of a reference, `present` that the element is there without a value that other rows could hold, and
 * `canonical` a quantity in the base unit of its dimension, `text` the text beside a code or a reference, `nested` the same element
 * further down in what repeats within itself.
 */
export type Aspect = 'of-type' | 'identifier' | 'present' | 'canonical' | 'text' | 'nested';

/** @returns the number of the rows that tell `aspect` of what rows with `number` are about. */
export function aspectNumber(number: number, aspect: Aspect): number {
  const known = aspectNumbers[aspect].get(number);
  if (known !== undefined) return known;
  const value = int32(`${number}:${aspect}`);
  if (aspectNumbers[aspect].size >= remembered) aspectNumbers[aspect].clear();
  aspectNumbers[aspect].set(number, value);
  return value;
}

const aspectNumbers: Readonly<Record<Aspect, Map<number, number>>> = { 'of-type': new Map(), identifier: new Map(), present: new Map(), canonical: new Map(), text: new Map(), nested: new Map() };

function int32(text: string): number {
  return hash('sha256', text, 'buffer').readInt32BE(0);
}

/** What the token rows carry that say of which types the contained resources of a resource are. */
export const containedNumber = int32('Resource.contained');

const tupleNumbers = new Map<string, number>();
const hashes = new Map<string, bigint>();
const remembered = 10_000;

/** @returns the first 64 bits of the SHA-256 of `text` (not empty), signed. 0n stands for "no system" and is never returned. */
export function hash64(text: string): bigint {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  const value = hash('sha256', text, 'buffer').readBigInt64BE(0) || 1n;
  remember(hashes, text, value);
  return value;
}

function remember<T>(values: Map<string, T>, key: string, value: T): void {
  if (key.length > 1000) return;
  if (values.size >= remembered) values.clear();
  values.set(key, value);
}
