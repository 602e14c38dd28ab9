import { problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import type { Parts } from './context.ts';

const shaping = /^_(sort|count|include|revinclude|total|summary|elements|contained|containedType|format|pretty|page)(:|$)/;

/**
 * The search criteria of a conditional interaction (`If-None-Exist`, `PUT Type?...`) as name-value pairs.
 * Accepts `?a=b`, `a=b` and `Type?a=b`, because clients send all three (HAPI #5651).
 * @throws Problem `precondition-failed` when nothing selects: an empty condition would match everything.
 */
function conditionOf(text: string): [string, string][] {
  const query = text.includes('?') ? text.slice(text.indexOf('?') + 1) : text;
  const pairs = [...new URLSearchParams(query)].filter(([name]) => !shaping.test(name));
  if (pairs.length === 0 || pairs.some(([, value]) => value === '')) {
    throw problem('precondition-failed', 'invalid', 'The condition must select: give at least one search parameter with a value.');
  }
  return pairs as [string, string][];
}

/**
 * @returns the search that a condition of a write stands for. It is read strictly: a criterion that is left out would widen it.
 * @throws Problem as `parseSearch` does, and `precondition-failed` for a condition that selects nothing in particular.
 */
export function conditionPlan({ baseUrl }: Pick<Parts, 'baseUrl'>, type: string, condition: string): SearchPlan {
  return parseSearch(type, conditionOf(condition), { handling: 'strict', baseUrl });
}
