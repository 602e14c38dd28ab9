import { evalFhirPathTyped, indexStructureDefinitionBundle, toTypedValue } from '@medplum/core';
import type { Bundle, StructureDefinition } from '@medplum/fhirtypes';
import { readDefinitions } from '../../src/commands/definitions/package-files.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { searchParameters, type SearchParameter } from '../../src/fhir/search-parameters.ts';

/** What a search parameter must find a resource by, told by FHIRPath of somebody else and by rules that are plain. */

/** Loads the structures without which a FHIRPath value has no type. */
export async function loadStructures(): Promise<void> {
  for (const file of ['profiles-types', 'profiles-resources']) {
    const entry = (await readDefinitions(file)).filter(({ resourceType }) => resourceType === 'StructureDefinition').map((resource) => ({ resource: resource as StructureDefinition }));
    indexStructureDefinitionBundle({ resourceType: 'Bundle', type: 'collection', entry } as Bundle<StructureDefinition>);
  }
}

export type Pair = readonly [name: string, value: string];
type Value = Readonly<Record<string, any>>; // oxlint-disable-line typescript/no-explicit-any -- JSON of a FHIR datatype

const escaped = (text: string): string => text.replace(/[\\,$|]/g, '\\$&');
const isMeant = (text: string): boolean => /[\p{L}\p{N}]/u.test(text);
const present: Pair = [':missing', 'false'];

const coding = ({ system = '', code, display }: Value): Pair[] => [
  ...(code === undefined ? [] : [['', escaped(code)], ['', `${escaped(system)}|${escaped(code)}`]] as Pair[]),
  ...(code === undefined || system === '' ? [] : [['', `${escaped(system)}|`] as Pair]),
  ...(display === undefined || !isMeant(display) ? [] : [[':text', escaped(display)] as Pair]), present,
];

const token: Readonly<Record<string, (value: Value) => Pair[]>> = {
  Coding: coding,
  CodeableConcept: ({ coding: codings = [], text }) => [...codings.flatMap(coding), ...(text === undefined || !isMeant(text) ? [] : [[':text', escaped(text)] as Pair]), present],
  Identifier: ({ system = '', value, type }) => [
    ...(value === undefined ? [] : [['', escaped(value)], ['', `${escaped(system)}|${escaped(value)}`]] as Pair[]),
    ...(value === undefined ? [] : (type?.coding ?? []).filter((one: Value) => one['system'] && one['code']).map((one: Value): Pair => [':of-type', `${escaped(one['system'])}|${escaped(one['code'])}|${escaped(value)}`])), present,
  ],
  ContactPoint: ({ value }) => (value === undefined ? [present] : [['', escaped(value)], present]),
};

function reference(value: Value | string, baseUrl: string): Pair[] {
  if (typeof value === 'string') return value.startsWith('#') ? [present] : [['', escaped(value)], ['', escaped(value.split('|')[0]!)], present];
  const { reference: written, identifier } = value;
  const logical: Pair[] = identifier?.value === undefined ? [] : [[':identifier', `${escaped(identifier.system ?? '')}|${escaped(identifier.value)}`]];
  if (written === undefined || written.startsWith('#')) return [...logical, present];
  const [, type, id] = /^([A-Za-z]+)\/([A-Za-z0-9.-]+)(?:\/_history\/.*)?$/.exec(written) ?? [];
  return [...logical, ...(type === undefined ? [['', escaped(written)] as Pair] : [['', `${type}/${id}`], ['', id!], [`:${type}`, id!], ['', `${baseUrl}/${type}/${id}`]] as Pair[]), present];
}

function string(value: Value | string): Pair[] {
  const texts = typeof value === 'string' ? [value] : Object.values(value).flat().filter((part): part is string => typeof part === 'string' && part !== value['use'] && part !== value['type']);
  return texts.filter(isMeant).flatMap((text): Pair[] => [['', escaped(text)], [':exact', escaped(text)], [':contains', escaped(isMeant(text.slice(1)) ? text.slice(1) : text)]]);
}

function date(value: Value | string): Pair[] {
  if (typeof value === 'string') return [['', value], ['', `ge${value}`], ['', `le${value}`], ['', value.slice(0, 4)], ['', `ap${value}`]];
  const { start, end } = value;
  if (start === undefined && end === undefined) return [present];
  return [...(start === undefined ? [] : [['', `ge${start}`] as Pair]), ...(end === undefined ? [] : [['', `le${end}`] as Pair]), ...(start?.slice(0, 4) === end?.slice(0, 4) ? [['', start.slice(0, 4)] as Pair] : []), present];
}

function quantity({ value, code, unit, system = '', comparator }: Value): Pair[] {
  if (value === undefined || comparator !== undefined) return [present];
  return [['', String(value)], ...(code === undefined ? [] : [['', `${value}|${escaped(system)}|${escaped(code)}`], ['', `${value}||${escaped(code)}`]] as Pair[]), ...(unit === undefined ? [] : [['', `${value}||${escaped(unit)}`] as Pair]), ['', `ge${value}`], ['', `le${value}`], present];
}

function forms({ type, system }: SearchParameter, found: { type: string; value: Value | string }, baseUrl: string): Pair[] {
  const { value } = found;
  const plain = String(value as string | number | boolean);
  switch (type) {
    case 'token': return token[found.type]?.(value as Value) ?? [['', escaped(plain)], ...(system === undefined ? [] : [['', `${system}|${escaped(plain)}`] as Pair]), present];
    case 'reference': return reference(value, baseUrl);
    case 'string': return string(value);
    case 'uri': return [['', escaped(value as string)], [':below', escaped((value as string).slice(0, -1))], [':above', escaped(`${value as string}/x`)], present];
    case 'date': return found.type === 'string' ? [] : date(value);
    case 'number': return [['', plain], ['', `ge${plain}`], ['', `le${plain}`], present];
    case 'quantity': return quantity(value as Value);
    default: return [];
  }
}

/**
 * @returns searches of the resource's type that must find it, by parameter; a parameter that its expression finds nothing for
 * has `:missing=true`. Composites are not among them.
 */
export function searchesFor(resource: Resource, baseUrl: string): Map<SearchParameter, Pair[]> {
  const all = new Map<SearchParameter, Pair[]>();
  for (const parameter of searchParameters(resource.resourceType)) {
    if (parameter.type === 'composite' || parameter.type === 'special') continue;
    const found = evalFhirPathTyped(parameter.expression, [toTypedValue(resource)]) as { type: string; value: Value | string }[];
    const pairs = found.flatMap((value) => forms(parameter, value, baseUrl));
    // a patient who is contained or elsewhere is one all the same, which FHIRPath without a server cannot tell
    if (found.length === 0 && !parameter.common && parameter.code !== 'patient') pairs.push([':missing', 'true']);
    // an id has no :missing; every resource was updated
    const usable = parameter.common ? pairs.filter(([modifier]) => modifier === '' || parameter.code !== '_id' && parameter.code !== '_lastUpdated') : pairs;
    all.set(parameter, [...new Map(usable.map(([modifier, value]): [string, Pair] => [`${modifier}=${value}`, [`${parameter.code}${modifier}`, value]])).values()]);
  }
  return all;
}
