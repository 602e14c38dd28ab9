import { parseSearch, type SearchOptions } from './search-parse.ts';
import type { SearchPlan } from './search-plan.ts';
import { badValue, unknownName, unsupported } from './search-syntax.ts';
import { servedType } from './types.ts';

type Query = readonly (readonly [string, string])[];

/** A search over several types: a plan for each; what shapes the result is the same in all of them. */
export interface SystemPlan {
  readonly plans: readonly SearchPlan[];
  /** Names and values that are really applied: the self link. */
  readonly applied: readonly (readonly [string, string])[];
}

/**
 * Reads the query of a search over several types: `[base]?_type=Task,Goal&_lastUpdated=gt2026-01-01`
 * (http://hl7.org/fhir/R4/http.html#search, search.html#all). A parameter must be one of each of the types; without `_type`
 * that leaves those of every resource.
 * @param all the types that are searched without `_type`.
 * @throws Problem as `parseSearch` does, and `not-supported` for includes and for sorting by anything but _id and _lastUpdated.
 */
export function parseSystemSearch(all: readonly string[], query: Query, options: SearchOptions): SystemPlan {
  const given = query.filter(([name]) => name === '_type');
  const types = given.length === 0 ? all : typesOf(given, options);
  const rest = query.filter(([name]) => name !== '_type');
  for (const [name, value] of rest) {
    if (/^_(rev)?include(:|$)/.test(name)) throw unsupported(name, 'A search over several types includes nothing: search one type, or follow the references.');
    if (name === '_sort' && value.split(',').some((key) => key.replace(/^-/, '') !== '_id' && key.replace(/^-/, '') !== '_lastUpdated')) {
      throw unsupported(name, 'A search over several types is sorted by _id and _lastUpdated only.');
    }
  }
  const first = types.map((type) => parseSearch(type, rest, options));
  // what is left out for one type (in lenient handling) is left out for all of them
  const kept = rest.filter(([name]) => first.every(({ applied, page }) => applied.some(([one]) => one === name) || (name === '_page' && page !== null)));
  const plans = kept.length === rest.length ? first : types.map((type) => parseSearch(type, kept, options));
  return { plans, applied: [...(given.length === 0 ? [] : [['_type', types.join(',')] as const]), ...(plans[0]?.applied ?? [])] };
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
