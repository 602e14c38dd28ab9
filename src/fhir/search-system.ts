import { parseSearch, type SearchOptions } from './search-parse.ts';
import { searchParameter } from './search-parameters.ts';
import type { Include, SearchPlan } from './search-plan.ts';
import { Problem } from './outcome.ts';
import { badValue, unknownName, UnknownName } from './search-syntax.ts';
import { servedType } from './types.ts';

type Query = readonly (readonly [string, string])[];

/** A search over several types: a plan for each; what shapes the result is the same in all of them. */
export interface SystemPlan {
  readonly plans: readonly SearchPlan[];
  /** Names and values that are really applied: the self link. */
  readonly applied: readonly (readonly [string, string])[];
  /** What is to be followed from the matches, of whichever type they are. */
  readonly includes: readonly Include[];
  readonly revincludes: readonly Include[];
}

/**
 * Reads the query of a search over several types: `[base]?_type=Task,Goal&_lastUpdated=gt2026-01-01`
 * (http://hl7.org/fhir/R4/http.html#search, search.html#all). A parameter must be one of each of the types; without `_type`
 * that leaves those of every resource. An include must start from one of the types (a reverse one: lead to it).
 * @param all the types that are searched without `_type`.
 * @throws Problem as `parseSearch` does.
 */
export function parseSystemSearch(all: readonly string[], query: Query, options: SearchOptions): SystemPlan {
  const given = query.filter(([name]) => name === '_type');
  const named = given.length === 0 ? all : typesOf(given, options);
  const rest = query.filter(([name]) => name !== '_type');
  const types = pointedTo(named, rest);
  const including = rest.filter(isInclude);
  const shared = rest.filter((pair) => !isInclude(pair));
  const first = types.map((type) => parseSearch(type, shared, options));
  // what is left out for one type (in lenient handling) is left out for all of them
  const kept = shared.filter(([name]) => first.every(({ applied, page }) => applied.some(([one]) => one === name) || (name === '_page' && page !== null)));
  const plans = kept.length === shared.length ? first : types.map((type) => parseSearch(type, kept, options));
  const summary = kept.filter(([name]) => name === '_summary');
  const followed = including.map((pair) => followedFrom(types, [...summary, pair], options));
  return {
    plans,
    applied: [
      ...(given.length === 0 ? [] : [['_type', named.join(',')] as const]), ...(plans[0]?.applied ?? []),
      ...including.filter((_, at) => followed[at]!.length > 0),
    ],
    includes: followed.flat().flatMap(({ includes }) => includes),
    revincludes: followed.flat().flatMap(({ revincludes }) => revincludes),
  };
}

/** @returns those of `types` that every `_has` of the query can point to; all where that leaves none. */
function pointedTo(types: readonly string[], query: Query): readonly string[] {
  const references = query.flatMap(([name]) => (name.startsWith('_has:') ? [searchParameter(name.split(':')[1]!, name.split(':')[2] ?? '')] : []));
  const left = types.filter((type) => references.every((reference) => reference?.targets.includes(type)));
  return left.length === 0 ? types : left;
}

const isInclude = ([name]: readonly [string, string]): boolean => /^_(rev)?include(:|$)/.test(name);

/**
 * The searches by type that an include is part of, each reading of it once.
 * @returns none for an unknown include in lenient handling.
 * @throws Problem when it is about none of the types.
 */
function followedFrom(types: readonly string[], query: Query, options: SearchOptions): SearchPlan[] {
  const readings = new Map<string, SearchPlan>();
  let refusal: Problem | undefined;
  for (const type of types) {
    try {
      const plan = parseSearch(type, query, { ...options, handling: 'strict' });
      readings.set(JSON.stringify([plan.includes, plan.revincludes]), plan);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refusal = error;
    }
  }
  if (readings.size === 0 && refusal !== undefined && !(refusal instanceof UnknownName && options.handling === 'lenient')) throw refusal;
  return [...readings.values()];
}

function typesOf(given: Query, { handling }: SearchOptions): string[] {
  const [only, another] = given;
  if (another !== undefined) throw badValue('_type', 'it is given twice; list the types with commas.');
  const named = only![1].split(',');
  const types = [...new Set(named.filter((type) => servedType(type) !== undefined))];
  if (types.length === 0 || (handling === 'strict' && named.some((type) => servedType(type) === undefined))) {
    throw unknownName('_type', '"_type" names a resource type that is not served here. The CapabilityStatement lists those that are.');
  }
  return types;
}
