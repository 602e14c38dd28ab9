import { stringKey } from './index-keys.ts';
import { parseFilter, type Filter, type FilterStep, type Operator } from './search-filter.ts';
import { chainTest, parameterTest } from './search-names.ts';
import { searchParameter, type SearchParameter } from './search-parameters.ts';
import type { Test } from './search-plan.ts';
import { badValue, called, isId, queryExpression, splitEscaped, unescaped, unknownName, unsupported, type Reading } from './search-syntax.ts';
import { problem } from './outcome.ts';

/**
 * Reads `_filter` and `_list`, which are search parameters of every type without being about an element.
 * @returns null for another name.
 * @throws Problem as `parameterTest` does.
 */
export function specialTest(type: string, name: string, value: string, reading: Reading): Test | null {
  if (name === '_filter') return filterTest(type, parseFilter(value, reading), reading);
  if (name === '_list') return listTest(type, value, reading);
  return null;
}

/** `_list=42`: what the List points to; `_list=$current-problems` of Conditions (http://hl7.org/fhir/R4/lifecycle.html#current). */
function listTest(type: string, value: string, reading: Reading): Test {
  const named = splitEscaped(value, ',').map(unescaped);
  if (type === 'Condition' && value === currentProblems) return problems(reading);
  const ids = named.map((one) => {
    if (one.startsWith('$')) throw unsupported(reading.name, `${called(reading.name)}: of the lists by function there is ${currentProblems} of Conditions, by itself; give the id of a List.`);
    const id = one.startsWith('List/') ? one.slice('List/'.length) : one;
    if (!isId(id)) throw badValue(reading.name, 'it must be the id of a List.');
    return id;
  });
  const reference = searchParameter('List', 'item')!;
  if (!reference.targets.includes(type)) return { kind: 'nothing' };
  return { kind: 'has', source: 'List', reference, test: { kind: 'id', ids, negated: false } };
}

const currentProblems = '$current-problems';

/** What is current is computed from the Conditions: their clinical status says so, and nobody has taken them back. */
function problems(reading: Reading): Test {
  const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
  const verification = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
  return { kind: 'all', tests: [
    parameterTest('Condition', 'clinical-status', ['active', 'recurrence', 'relapse'].map((code) => `${clinical}|${code}`).join(','), reading),
    parameterTest('Condition', 'verification-status:not', ['refuted', 'entered-in-error'].map((code) => `${verification}|${code}`).join(','), reading),
  ] };
}

function filterTest(type: string, filter: Filter, reading: Reading): Test {
  switch (filter.kind) {
    case 'and': return { kind: 'all', tests: filter.filters.map((one) => filterTest(type, one, reading)) };
    case 'or': return { kind: 'any', tests: filter.filters.map((one) => filterTest(type, one, reading)) };
    case 'not': return { kind: 'not', test: filterTest(type, filter.filter, reading) };
    case 'test': return pathTest(type, filter.path, filter, reading);
  }
}

interface Comparison { readonly operator: Operator; readonly value: string }

function pathTest(type: string, [step, ...rest]: readonly FilterStep[], comparison: Comparison, reading: Reading): Test {
  const { name, filter } = step!;
  const parameter = searchParameter(type, name);
  if (parameter === undefined) throw unknownName(reading.name, `${called(reading.name)}: ${type} has no search parameter of a name that the filter uses.`);
  if (rest.length === 0) return comparisonTest(type, parameter, comparison, reading);
  return chainTest(parameter, null, reading, (target, inner) => {
    const further = pathTest(target, rest, comparison, inner);
    return filter === undefined ? further : { kind: 'all', tests: [filterTest(target, filter, inner), further] };
  });
}

const ordered: ReadonlySet<string> = new Set(['date', 'number', 'quantity']);

/** One comparison, by way of what the ordinary search says with a modifier or a prefix. */
function comparisonTest(type: string, parameter: SearchParameter, { operator, value }: Comparison, reading: Reading): Test {
  const kind = parameter.type;
  if (kind === 'composite' || kind === 'special') throw unsupported(reading.name, `${called(reading.name)}: "${parameter.code}" cannot be used in a filter; use the parameters that it combines.`);
  // commas and dollars are part of a value here; a | parts system and code as everywhere
  const text = value.replace(/[\\,$]/g, '\\$&');
  const named = (modifier: string, given = text): Test => parameterTest(type, `${parameter.code}${modifier}`, given, reading);
  const inapplicable = (): Error => unsupported(reading.name, `${called(reading.name)}: "${operator}" cannot be asked of "${parameter.code}", which is a ${kind} parameter.`);
  switch (operator) {
    case 'eq': return ordered.has(kind) ? named('', `eq${text}`) : kind === 'string' ? matching(named(':contains'), 'same') : named('');
    case 'ne': return ordered.has(kind) ? named('', `ne${text}`) : { kind: 'all', tests: [
      ...(parameter.column === 'id' ? [] : [named(':missing', 'false')]),
      { kind: 'not', test: kind === 'string' ? matching(named(':contains'), 'same') : named('') },
    ] };
    case 'gt': case 'lt': case 'ge': case 'le': case 'ap': case 'sa': case 'eb':
      if (!ordered.has(kind)) throw inapplicable();
      return named('', `${operator}${text}`);
    case 'co': case 'ew':
      if (kind !== 'string') throw inapplicable();
      return operator === 'co' ? named(':contains') : matching(named(':contains'), 'end');
    case 'sw':
      if (kind !== 'string' && kind !== 'uri') throw inapplicable();
      return named(kind === 'uri' ? ':below' : '');
    case 'pr':
      if (value !== 'true' && value !== 'false') throw badValue(reading.name, 'pr takes true or false.');
      return named(':missing', value === 'true' ? 'false' : 'true');
    case 'po': return overlapping(named('', `eq${text}`), inapplicable);
    case 're':
      if (kind !== 'reference') throw inapplicable();
      return named('');
    case 'ss': case 'sb': case 'in': case 'ni':
      if (kind !== 'token') throw inapplicable();
      return named({ ss: ':below', sb: ':above', in: ':in', ni: ':not-in' }[operator]);
  }
}

/** The string tests in `test` with another way to match. */
function matching(test: Test, match: 'same' | 'end'): Test {
  if (test.kind === 'any') return { kind: 'any', tests: test.tests.map((one) => matching(one, match)) };
  return test.kind === 'string' ? { ...test, match, values: test.values.map(stringKey) } : test;
}

function overlapping(test: Test, inapplicable: () => Error): Test {
  if (test.kind !== 'date') throw inapplicable();
  return { ...test, values: test.values.map((value) => ({ ...value, prefix: 'po' as const })) };
}

/**
 * Refuses by name what R4 has and this service has not.
 * @throws Problem `not-supported`.
 */
export function refuseAbsent(name: string): void {
  const text = absent.get(name.split(':', 1)[0]!);
  if (text !== undefined) throw problem('not-supported', 'not-supported', text, queryExpression(name));
}

const absent: ReadonlyMap<string, string> = new Map([
  ['_query', 'Named queries are not supported: "_query" names none that this service has.'],
  ['_text', '"_text" is not supported: narratives are not indexed.'],
  ['_content', '"_content" is not supported: whole resources are not indexed as text.'],
  ['_type', '"_type" belongs to a search over several types: GET [base]?_type=Task,Goal.'],
]);
