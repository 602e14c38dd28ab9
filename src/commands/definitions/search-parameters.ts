import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { servedTypes } from '../../fhir/types.ts';
import type { ParameterType, Path, PublishedComponent, PublishedParameter } from '../../fhir/search-parameters.ts';
import { expressionPaths } from './expression-paths.ts';
import type { Place } from './expression-paths.ts';
import { generatedNote, readDefinitions } from './package-files.ts';
import { StructureElements } from './structure-elements.ts';

/** SearchParameter as far as it is read here (http://hl7.org/fhir/R4/searchparameter.html). */
interface SearchParameterResource {
  readonly resourceType: string;
  readonly url: string;
  readonly code: string;
  readonly base: readonly string[];
  readonly type: ParameterType;
  readonly expression?: string;
  readonly target?: readonly string[];
  readonly multipleOr?: boolean;
  readonly multipleAnd?: boolean;
  readonly component?: readonly { readonly definition: string; readonly expression: string }[];
}

const output = new URL('../../../schemas/r4/search-parameters.json', import.meta.url);
const ownParameters = new URL('../../../schemas/search-parameters/', import.meta.url);
const hl7 = 'http://hl7.org/fhir/SearchParameter/';

// The source adds three parameters to the set that HL7 published as R4 and widens the targets of one.
const notR4: ReadonlySet<string> = new Set([`${hl7}DetectedIssue-status`, `${hl7}DeviceDefinition-classification`, `${hl7}ServiceRequest-order-detail`]);
const r4Targets: Readonly<Record<string, readonly string[]>> = {
  [`${hl7}MeasureReport-subject`]: ['Practitioner', 'Group', 'Device', 'Patient', 'PractitionerRole', 'RelatedPerson', 'Location'],
};

// Element types that a parameter of each type can be read from; other types of a choice element carry no value for it.
const admissible: Readonly<Record<ParameterType, ReadonlySet<string>>> = {
  token: new Set(['code', 'Coding', 'CodeableConcept', 'Identifier', 'ContactPoint', 'boolean', 'string', 'uri', 'id']),
  reference: new Set(['Reference', 'canonical', 'uri']),
  date: new Set(['date', 'dateTime', 'instant', 'Period', 'Timing']),
  string: new Set(['string', 'markdown', 'HumanName', 'Address']),
  uri: new Set(['uri', 'url', 'canonical', 'oid', 'uuid']),
  number: new Set(['decimal', 'integer', 'positiveInt', 'unsignedInt', 'Range']),
  quantity: new Set(['Quantity', 'Age', 'Duration', 'Money', 'Range', 'SampledData']),
  composite: new Set(),
  special: new Set(),
};

/**
 * Writes `schemas/r4/search-parameters.json`: the R4 parameters of every served type and this project's own
 * (`schemas/search-parameters/*.json`), each with its expression narrowed to the type and resolved to paths.
 * @throws Error that names the parameter whose expression cannot be resolved.
 */
export async function writeSearchParameters(): Promise<void> {
  await writeFile(output, await searchParametersText());
}

/** @returns what `writeSearchParameters` writes. */
export async function searchParametersText(): Promise<string> {
  const elements = await StructureElements.read();
  const published = [...(await r4Parameters()), ...(await projectParameters())];
  const types: Record<string, PublishedParameter[]> = {};
  for (const type of ['Resource', ...servedTypes]) types[type] = parametersOf(type, published, elements);
  return render(await generatedNote(), allTargets(published), types);
}

async function r4Parameters(): Promise<SearchParameterResource[]> {
  const resources = (await readDefinitions('search-parameters')) as SearchParameterResource[];
  return resources
    .filter(({ url, expression }) => !notR4.has(url) && expression !== undefined)
    .map((parameter) => ({ ...parameter, target: r4Targets[parameter.url] ?? parameter.target }));
}

async function projectParameters(): Promise<SearchParameterResource[]> {
  const names = (await readdir(ownParameters)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(new URL(name, ownParameters), 'utf8')) as SearchParameterResource));
}

function allTargets(published: readonly SearchParameterResource[]): readonly string[] {
  return published.reduce<readonly string[]>((longest, { target = [] }) => (target.length > longest.length ? target : longest), []);
}

function parametersOf(type: string, published: readonly SearchParameterResource[], elements: StructureElements): PublishedParameter[] {
  const any = allTargets(published).length;
  const found = published.filter(({ base }) => base.includes(type));
  const simple = found.filter((parameter) => parameter.type !== 'composite').map((parameter) => simpleParameter(parameter, type, any, elements));
  const composite = found.filter((parameter) => parameter.type === 'composite').map((parameter) => compositeParameter(parameter, type, simple, elements));
  const all = [...simple, ...composite].sort((a, b) => (a.code < b.code ? -1 : 1));
  return all.map((parameter) => withUnion(parameter, all));
}

/** @returns the alternatives of `expression` that start at `type`. */
function narrowed(expression: string, type: string): string[] {
  const alternatives = expression.split(/\s\|\s/);
  return alternatives.filter((alternative) => new RegExp(`^\\(?${type}\\b`).test(alternative.trim())).map((alternative) => alternative.trim());
}

function simpleParameter(parameter: SearchParameterResource, type: string, any: number, elements: StructureElements): PublishedParameter {
  const alternatives = narrowed(parameter.expression as string, type);
  const places = alternatives.flatMap((alternative) => expressionPaths(alternative, type, elements));
  const kept = places.filter((place) => admissible[parameter.type].has(place.type));
  if (kept.length === 0) throw new Error(`${parameter.url}: no value for ${type} can be read as ${parameter.type}`);
  const targets = parameter.target ?? [];
  const system = impliedSystem(kept, elements);
  return {
    ...common(parameter, alternatives),
    paths: kept.map(toPath),
    ...(targets.length === 0 ? {} : { targets: targets.length === any ? 'any' : targets }),
    ...(system === undefined ? {} : { system }),
  };
}

function compositeParameter(parameter: SearchParameterResource, type: string, simple: readonly PublishedParameter[], elements: StructureElements): PublishedParameter {
  const alternatives = narrowed(parameter.expression as string, type);
  const contexts = alternatives.flatMap((alternative) => expressionPaths(alternative, type, elements));
  const first = contexts[0] as Place;
  const components = (parameter.component ?? []).map(({ definition, expression }): PublishedComponent => {
    const places = expressionPaths(expression, first.type, elements);
    // The definitions of DocumentReference-relationship are interchanged in R4, so the parameter is found by what it reads.
    const reading = simple.filter((candidate) => reads(candidate, first, places));
    const match = reading.find(({ url }) => url === definition) ?? reading[0];
    if (match === undefined) throw new Error(`${parameter.url}: no parameter of ${type} reads "${expression}"`);
    return { code: match.code, type: match.type, paths: places.filter((place) => admissible[match.type].has(place.type)).map(toPath) };
  });
  return { ...common(parameter, alternatives), paths: contexts.map(toPath), components };
}

function reads(candidate: PublishedParameter, context: Place, places: readonly Place[]): boolean {
  const wanted = places.filter((place) => admissible[candidate.type].has(place.type)).map((place) => key({ ...place, steps: [...context.steps, ...place.steps] }));
  const own = new Set(candidate.paths.map(key));
  return wanted.length > 0 && wanted.every((path) => own.has(path));
}

function common(parameter: SearchParameterResource, alternatives: readonly string[]): Pick<PublishedParameter, 'code' | 'type' | 'url' | 'expression' | 'multipleOr' | 'multipleAnd'> {
  return {
    code: parameter.code,
    type: parameter.type,
    url: parameter.url,
    expression: alternatives.join(' | '),
    ...(parameter.multipleOr === false ? { multipleOr: false } : {}),
    ...(parameter.multipleAnd === false ? { multipleAnd: false } : {}),
  };
}

function impliedSystem(places: readonly Place[], elements: StructureElements): string | undefined {
  const systems = new Set(places.map((place) => (place.type === 'code' ? elements.system(place.valueSet) : undefined)));
  return systems.size === 1 ? [...systems][0] : undefined;
}

const toPath = ({ type, steps, many }: Place): Path => ({ type, steps, ...(many === true ? { many } : {}) });
const key = ({ type, steps }: Path): string => JSON.stringify([type, steps]);

/**
 * A parameter that reads exactly what others of its type read together (`combo-code` = `code` + `component-code`) needs no
 * index rows of its own. Of two that read the same, the one named like the element has the rows (`name`, not `phonetic`).
 */
function withUnion(parameter: PublishedParameter, all: readonly PublishedParameter[]): PublishedParameter {
  const reads = readSet(parameter);
  const parts = all.filter((other) => {
    if (other === parameter || other.type !== parameter.type) return false;
    const part = readSet(other);
    if (![...part].every((each) => reads.has(each))) return false;
    return part.size < reads.size || isPlainer(other, parameter);
  });
  const covered = new Set(parts.flatMap((part) => [...readSet(part)]));
  if (covered.size !== reads.size) return parameter;
  const whole = parts.find((part) => readSet(part).size === reads.size && parts.every((each) => each === part || !isPlainer(each, part)));
  const union = whole === undefined ? parts : [whole];
  return { ...parameter, union: union.map(({ code }) => code) };
}

function readSet(parameter: PublishedParameter): ReadonlySet<string> {
  const components = JSON.stringify(parameter.components?.map(({ type, paths }) => [type, paths.map(key)]));
  return new Set(parameter.paths.map((path) => key(parameter.type === 'composite' ? { ...path, type: '' } : path) + components));
}

// `name` reads the element `name`; `phonetic` reads it under another name.
function isPlainer(one: PublishedParameter, other: PublishedParameter): boolean {
  const named = ({ code, paths }: PublishedParameter): number => (paths.some(({ steps }) => steps.at(-1) === code) ? 0 : 1);
  return named(one) < named(other) || (named(one) === named(other) && one.code < other.code);
}

function render(note: string, anyTarget: readonly string[], types: Readonly<Record<string, readonly PublishedParameter[]>>): string {
  const lists = Object.entries(types).map(([type, list]) => {
    const lines = list.map((parameter) => `      ${JSON.stringify(parameter)}`);
    return `    ${JSON.stringify(type)}: [${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n    `}]`;
  });
  return `{\n  "note": ${JSON.stringify(note)},\n  "content": "The R4 search parameters of the served types and those of schemas/search-parameters",\n  "any": ${JSON.stringify(anyTarget)},\n  "types": {\n${lists.join(',\n')}\n  }\n}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeSearchParameters();
