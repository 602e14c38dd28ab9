import { hull } from './dates.ts';
import { textIndexers } from './index-texts.ts';
import { distinctRows, indexer, localPatient, referenceBesidesPatient } from './index-values.ts';
import { audience } from './labels.ts';
import type { Indexer } from './index-values.ts';
import type { HotColumns, IndexRows, TokenRow } from './index-rows.ts';
import { compilePath } from './paths.ts';
import type { Resource } from './resource.ts';
import { aspectNumber, containedNumber, searchParameters, tupleNumber } from './search-parameters.ts';
import type { ParameterType, Path, SearchParameter } from './search-parameters.ts';
import { servedType } from './types.ts';

/** The rows of one parameter. */
interface Indexed { readonly number: number; readonly walks: readonly Indexer[] }

/** What of a resource type is indexed, compiled when the first resource of the type is met. */
interface Extractor {
  readonly indexed: readonly Indexed[];
  /** The texts beside codes and references. */
  readonly texts: readonly Indexed[];
  readonly dates: readonly Indexer[];
  readonly status: string | undefined;
  readonly patient: (resource: Resource) => string | null;
}

const extractors = new Map<string, Extractor>();

/**
 * @returns the index rows of a valid resource: one for each value of each search parameter of its type, except those
 * that a column serves or that are the union of others. None for a type that is not served.
 * @param withTexts whether the texts beside codes and references are rows too, which `:text` searches.
 */
export function indexRows(resource: Resource, withTexts = true): IndexRows {
  const rows = noRows();
  const { indexed, texts } = extractor(resource.resourceType);
  for (const { number, walks } of indexed) for (const walk of walks) walk(resource, number, rows);
  if (withTexts) for (const { number, walks } of texts) for (const walk of walks) walk(resource, number, rows);
  if (Array.isArray(resource['contained'])) containedTypes(resource['contained'], rows);
  return distinctRows(rows);
}

/** Their types only: what is contained is read out of its container when it is searched (store/search-contained.ts). */
function containedTypes(contained: readonly unknown[], { token }: IndexRows): void {
  const types = new Set(contained.map((one) => (one as { resourceType?: unknown } | null)?.resourceType));
  for (const type of types) if (typeof type === 'string' && servedType(type) !== undefined) token.push({ param: containedNumber, code: type, system: 0n });
}

/** @returns what of a valid resource goes into the typed columns of its row. */
export function hotColumns(resource: Resource): HotColumns {
  const { dates, status, patient } = extractor(resource.resourceType);
  const rows = noRows();
  for (const walk of dates) walk(resource, 0, rows);
  const range = hull(rows.date);
  const state = status === undefined ? undefined : resource[status];
  return {
    patient: patient(resource),
    status: typeof state === 'string' ? state : null,
    dateLow: range?.low ?? null,
    dateHigh: range?.high ?? null,
    ...audience(resource),
  };
}

function noRows(): IndexRows {
  return { token: [], reference: [], date: [], string: [], uri: [], quantity: [] };
}

const isEmpty = ({ token, reference, date, string, uri, quantity }: IndexRows): boolean =>
  token.length + reference.length + date.length + string.length + uri.length + quantity.length === 0;

function extractor(type: string): Extractor {
  const known = extractors.get(type);
  if (known !== undefined) return known;
  const made = compile(type);
  if (servedType(type) !== undefined) extractors.set(type, made);
  return made;
}

function compile(type: string): Extractor {
  const parameters = searchParameters(type);
  const own = parameters.filter(({ column, union }) => union === undefined && (column === undefined || column === 'patient'));
  return {
    indexed: own.map((parameter) => ({ number: parameter.number, walks: walksOf(parameter) })),
    texts: own.map(textsOf).filter(({ walks }) => walks.length > 0),
    dates: parameters.filter(({ column }) => column === 'date').flatMap(walksOf),
    status: servedType(type)?.status,
    patient: patientOf(type),
  };
}

function textsOf({ number, paths, type }: SearchParameter): Indexed {
  const walks = type !== 'token' && type !== 'reference' ? [] : paths.flatMap((path) => {
    const take = textIndexers[path.type];
    return take === undefined ? [] : [compilePath(path, take)];
  });
  return { number: aspectNumber(number, 'text'), walks };
}

function walksOf(parameter: SearchParameter): Indexer[] {
  if (parameter.type === 'composite') return tupleWalks(parameter);
  if (parameter.column === 'patient') return parameter.paths.map((path) => compilePath(path, referenceBesidesPatient));
  return compileAll(parameter.type, parameter.paths);
}

function compileAll(kind: ParameterType, paths: readonly Path[]): Indexer[] {
  return paths.map((path) => compilePath(path, indexer(kind, path.type)));
}

// The rows of a composite are those of its last component, under a number that stands for the token of its first.
function tupleWalks(composite: SearchParameter): Indexer[] {
  const [first, second, another] = composite.components ?? [];
  if (first?.type !== 'token' || second === undefined || another !== undefined) {
    throw new Error(`${composite.base}.${composite.code}: a composite of a token and one more value is expected`);
  }
  const tokens = compileAll('token', first.paths);
  const values = compileAll(second.type, second.paths);
  const take: Indexer = (element, _, rows) => {
    const held = noRows();
    for (const walk of values) walk(element, 0, held);
    if (isEmpty(held)) return; // most elements have a value of another kind: their tokens need not be numbered
    const found = noRows();
    for (const walk of tokens) walk(element, 0, found);
    for (const number of tupleNumbers(composite, found.token)) for (const walk of values) walk(element, number, rows);
  };
  return composite.paths.map((path) => compilePath(path, take));
}

function tupleNumbers(composite: SearchParameter, tokens: readonly TokenRow[]): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const { code, system } of tokens) numbers.add(tupleNumber(composite, code)).add(tupleNumber(composite, code, system));
  return numbers;
}

function patientOf(type: string): (resource: Resource) => string | null {
  const element = servedType(type)?.patient;
  if (element === undefined) return () => null;
  if (element === 'id') return ({ id }) => id ?? null;
  const steps = element.split('.');
  const collect = compilePath<Set<string>, undefined>({ type: 'Reference', steps }, (value, patients) => {
    const { reference } = value as { reference?: unknown };
    const patient = typeof reference === 'string' ? localPatient(reference) : null;
    if (patient !== null) patients.add(patient);
  });
  return (resource) => {
    const patients = new Set<string>();
    collect(resource, patients, undefined);
    const [only] = patients;
    return patients.size === 1 ? (only as string) : null;
  };
}
