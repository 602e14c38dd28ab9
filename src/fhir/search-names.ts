import { searchParameter, type SearchParameter } from './search-parameters.ts';
import type { Test } from './search-plan.ts';
import { called, unknownName, UnknownName, unsupported, type Reading } from './search-syntax.ts';
import { valueTest } from './search-values.ts';
import { servedType } from './types.ts';

const deepestChain = 3;
const deepestHas = 2;

/**
 * Reads one parameter of a query: `code`, `code:modifier`, a chain (`subject:Patient.name`) or `_has:Type:reference:name`.
 * @param type the resource type that the parameter is about.
 * @throws UnknownName for a name that `type` does not have; Problem for all else that cannot be answered.
 */
export function parameterTest(type: string, name: string, value: string, reading: Reading): Test {
  if (name.startsWith('_has:')) return hasTest(type, name, value, reading);
  const dot = name.indexOf('.');
  const head = dot < 0 ? name : name.slice(0, dot);
  const colon = head.indexOf(':');
  const code = colon < 0 ? head : head.slice(0, colon);
  const modifier = colon < 0 ? null : head.slice(colon + 1);
  const parameter = searchParameter(type, code);
  if (parameter === undefined) {
    throw unknownName(reading.name, `${called(reading.name)}: ${type} has no such search parameter. The CapabilityStatement lists those it has.`);
  }
  if (dot >= 0) return chainTest(parameter, modifier, reading, (target, inner) => parameterTest(target, name.slice(dot + 1), value, inner));
  return united(parameter, modifier, (one) => valueTest(one, modifier, value, reading));
}

/** A parameter that is the union of others: any of them, or for a negation all of them. */
function united(parameter: SearchParameter, modifier: string | null, test: (one: SearchParameter) => Test): Test {
  if (parameter.union === undefined) return test(parameter);
  const tests = parameter.union.map((code) => test(searchParameter(parameter.base, code)!));
  return { kind: modifier === 'not' || modifier === 'not-in' || (modifier === 'missing' && tests.some((one) => one.kind === 'missing' && one.missing)) ? 'all' : 'any', tests };
}

/**
 * @param modifier the type that the reference must point to, null for any.
 * @param test reads what a resource of one of the target types must fulfil; a type that lacks the parameter is left out.
 */
export function chainTest(reference: SearchParameter, modifier: string | null, reading: Reading, test: (type: string, reading: Reading) => Test): Test {
  if (reference.type !== 'reference') throw unsupported(reading.name, `${called(reading.name)} chains from "${reference.code}", which is not a reference.`);
  if (reading.chains === deepestChain) throw unsupported(reading.name, `${called(reading.name)}: chains may be ${deepestChain} references deep at most.`);
  if (modifier !== null && !reference.targets.includes(modifier)) {
    throw unsupported(reading.name, `${called(reading.name)}: "${reference.code}" never points to the type that follows the colon.`);
  }
  const targets: { type: string; test: Test }[] = [];
  let unknown: UnknownName | undefined;
  for (const type of (modifier === null ? reference.targets : [modifier]).filter((candidate) => servedType(candidate) !== undefined)) {
    try {
      targets.push({ type, test: test(type, { ...reading, chains: reading.chains + 1 }) });
    } catch (error) {
      if (!(error instanceof UnknownName)) throw error;
      unknown = error;
    }
  }
  if (targets.length === 0) {
    throw unknown ?? unknownName(reading.name, `${called(reading.name)}: "${reference.code}" points to no type that is served here.`);
  }
  return { kind: 'chain', reference, targets };
}

function hasTest(type: string, name: string, value: string, reading: Reading): Test {
  const [, source = '', code = '', ...rest] = name.split(':');
  const form = 'it must be _has:Type:reference:parameter, e.g. _has:Observation:patient:code.';
  if (reading.reverse === deepestHas) throw unsupported(reading.name, `_has may be nested ${deepestHas} deep at most.`);
  if (servedType(source) === undefined || rest.length === 0) throw unknownName(reading.name, `${called(reading.name)}: ${form}`);
  const reference = searchParameter(source, code);
  if (reference?.type !== 'reference' || !reference.targets.includes(type)) {
    throw unknownName(reading.name, `${called(reading.name)}: ${source} has no reference parameter of that name that points to ${type}; ${form}`);
  }
  return { kind: 'has', source, reference, test: parameterTest(source, rest.join(':'), value, { ...reading, reverse: reading.reverse + 1 }) };
}
