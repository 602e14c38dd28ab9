import { problem } from './outcome.ts';
import { searchParameter, searchParameters, type SearchParameter } from './search-parameters.ts';
import type { Include, SortKey } from './search-plan.ts';
import { badValue, called, queryExpression, unknownName, unsupported } from './search-syntax.ts';
import { nodeOf } from './structures.ts';
import { servedType, servedTypes } from './types.ts';

/** What the parameters that are no conditions ask for. */
export interface Controls {
  sort: SortKey[];
  count: number;
  countOnly: boolean;
  total: 'none' | 'estimate' | 'accurate' | null;
  summary: 'true' | 'text' | 'data' | 'false';
  elements: string[];
  includes: Include[];
  revincludes: Include[];
  contained: 'false' | 'true' | 'both';
  containedType: 'container' | 'contained';
  page: string | null;
}

const defaultCount = 50;
const mostOnPage = 1000;

export const initialControls = (): Controls => ({
  sort: [], count: defaultCount, countOnly: false, total: null, summary: 'false', elements: [], includes: [], revincludes: [], contained: 'false', containedType: 'container', page: null,
});

/** Name of the parameter that a `next` link carries. */
export const pageParameter = '_page';

type Apply = (controls: Controls, type: string, name: string, value: string) => string | null;

const controls: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['_sort', sort],
  ['_count', count],
  ['_total', (into, _type, name, value) => (into.total = choice(name, value, ['none', 'estimate', 'accurate']))],
  ['_summary', summary],
  ['_elements', elements],
  ['_include', (into, type, name, value) => include(into, type, name, value)],
  ['_revinclude', (into, type, name, value) => include(into, type, name, value)],
  ['_contained', (into, _type, name, value) => (into.contained = choice(name, value, ['false', 'true', 'both']))],
  ['_containedType', (into, _type, name, value) => (into.containedType = choice(name, value, ['container', 'contained']))],
  ['_format', format],
  ['_pretty', (_into, _type, name, value) => {
    choice(name, value, ['true', 'false']); // the whole answer is indented where it leaves (http/respond.ts)
    return value;
  }],
  [pageParameter, (into, _type, _name, value) => {
    into.page = value;
    return null;
  }],
]);

const baseName = (name: string): string => name.split(':', 1)[0]!;

/** @returns whether `name` shapes the result instead of choosing it. */
export const isControl = (name: string): boolean => controls.has(baseName(name));

/**
 * Applies one of them to `into`.
 * @returns the value as it was applied (for the self link), null when it has no place there.
 */
export function applyControl(into: Controls, type: string, name: string, value: string): string | null {
  const base = baseName(name);
  if (base !== name && base !== '_include' && base !== '_revinclude') throw unsupported(name, `${called(base)} has no modifiers.`);
  return controls.get(base)!(into, type, name, value);
}

function choice<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw badValue(name, `it must be one of ${allowed.join(', ')}.`);
  return found;
}

function count(into: Controls, _type: string, name: string, value: string): string {
  if (!/^\d{1,9}$/.test(value)) throw badValue(name, `it must be a whole number from 0 to ${mostOnPage}.`);
  into.count = Math.min(Number(value), mostOnPage);
  return String(into.count);
}

function summary(into: Controls, _type: string, name: string, value: string): string {
  const asked = choice(name, value, ['true', 'text', 'data', 'count', 'false']);
  into.countOnly = asked === 'count';
  into.summary = asked === 'count' ? 'false' : asked;
  return value;
}

/** `value` and `valueQuantity` are both names of the element `value[x]`. */
function hasElement(type: string, element: string): boolean {
  const known = nodeOf(type).elements;
  return element === 'resourceType' || known.has(element) || [...known.values()].some(({ name }) => name === element);
}

function elements(into: Controls, type: string, name: string, value: string): string {
  for (const part of value.split(',')) {
    const element = part.startsWith(`${type}.`) ? part.slice(type.length + 1) : part;
    if (!/^[A-Za-z][A-Za-z0-9]{0,63}$/.test(element)) throw badValue(name, 'it must be a comma-separated list of names of top-level elements.');
    if (!hasElement(type, element)) throw unknownName(name, `${called(name)} names something that is no top-level element of ${type}.`);
    into.elements.push(element);
  }
  return value;
}

const jsonFormats: ReadonlySet<string> = new Set(['json', 'application/json', 'application/fhir+json', 'text/json']);

function format(_into: Controls, _type: string, name: string, value: string): string {
  // an unescaped + of a media type arrives as a space
  const [asked] = value.toLowerCase().replace(' ', '+').split(';', 1);
  if (!jsonFormats.has(asked!)) throw problem('not-acceptable', 'not-supported', 'This service answers in JSON: _format must be json.', queryExpression(name));
  return value;
}

function sort(into: Controls, type: string, name: string, value: string): string {
  for (const part of value.split(',')) {
    const descending = part.startsWith('-');
    const code = descending ? part.slice(1) : part;
    into.sort.push({ by: sortBy(type, name, code), descending });
  }
  if (into.sort.length > 5) throw badValue(name, 'it may have five keys at most.', 'too-costly');
  return value;
}

function sortBy(type: string, name: string, code: string): SortKey['by'] {
  if (code === '_id' || code === '_lastUpdated') return code;
  const parameter = searchParameter(type, code);
  if (parameter === undefined || !/^[A-Za-z_-]+$/.test(code)) {
    throw unknownName(name, `_sort takes search parameters of ${type}, _id and _lastUpdated, each with - in front for descending order.`);
  }
  if (parameter.type === 'composite' || parameter.type === 'special' || parameter.union !== undefined) {
    throw unsupported(name, `${type} cannot be sorted by "${code}".`);
  }
  return parameter;
}

/** `_include=Source:parameter[:Target]`, with `*` for every reference of the source; `_revinclude` alike. */
function include(into: Controls, type: string, name: string, value: string): string {
  const [base, modifier, more] = name.split(':');
  const reverse = base === '_revinclude';
  if ((modifier !== undefined && modifier !== 'iterate' && modifier !== 'recurse') || more !== undefined) {
    throw unsupported(name, `${base} has the modifier :iterate only.`);
  }
  const iterate = modifier !== undefined;
  const found = value === '*' ? everything(type, reverse, iterate) : [parsed(name, value, type, reverse, iterate)];
  (reverse ? into.revincludes : into.includes).push(...found);
  if (into.includes.length + into.revincludes.length > 100) throw badValue(name, 'that is more than can be included in one search.', 'too-costly');
  return value;
}

const references = (source: string): SearchParameter[] =>
  searchParameters(source).filter(({ type }) => type === 'reference');

const pointsTo = (parameter: SearchParameter, type: string): boolean => parameter.targets.includes(type);

function everything(type: string, reverse: boolean, iterate: boolean): Include[] {
  if (!reverse) return [{ source: type, parameters: references(type), target: null, iterate }];
  return servedTypes
    .filter((source) => source !== 'AuditEvent').map((source): Include => ({ source, parameters: references(source).filter((parameter) => pointsTo(parameter, type)), target: type, iterate }))
    .filter(({ parameters }) => parameters.length > 0);
}

function parsed(name: string, value: string, type: string, reverse: boolean, iterate: boolean): Include {
  const [source = '', code = '', target, more] = value.split(':');
  const form = 'it must be Type:parameter or Type:parameter:TargetType, e.g. Observation:subject:Patient.';
  if (code === '' || more !== undefined) throw badValue(name, form);
  if (servedType(source) === undefined) throw unknownName(name, `${called(name)} starts from a resource type that is not served here: ${form}`);
  if (target !== undefined && servedType(target) === undefined) throw unknownName(name, `${called(name)} leads to a resource type that is not served here: ${form}`);
  // the access log is not kept with the other resources: nothing would ever be found
  if (reverse && source === 'AuditEvent') throw unsupported(name, 'AuditEvents are not included: search AuditEvent by itself, e.g. by patient or entity.');
  const parameter = code === '*' ? undefined : searchParameter(source, code);
  if (code !== '*' && parameter?.type !== 'reference') throw unknownName(name, `${called(name)} needs a reference parameter of ${source}: ${form}`);
  let parameters = parameter === undefined ? references(source) : [parameter];
  if (target !== undefined) parameters = parameters.filter((one) => pointsTo(one, target));
  if (reverse && !iterate) {
    if (target !== undefined && target !== type) throw badValue(name, `it must lead to ${type}, unless :iterate is given.`);
    parameters = parameters.filter((one) => pointsTo(one, type));
  }
  if (!reverse && !iterate && source !== type) throw badValue(name, `it must start from ${type}, unless :iterate is given.`);
  if (parameters.length === 0) throw unsupported(name, `${called(name)} names a reference that never leads there: ${form}`);
  return { source, parameters, target: target ?? (reverse && !iterate ? type : null), iterate };
}
