import { problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { severalMatches } from '../store/decide.ts';
import { matching } from '../store/search.ts';
import { ExistsElsewhere } from '../store/unit.ts';
import { decided } from './concept-tests.ts';
import type { Context } from './context.ts';
import type { TerminologyContext } from './terminology.ts';

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
 * @returns the search that a condition of a write stands for. It is read strictly: a criterion that is left out would widen
 * it. What definitions decide (`code:in=...`) is decided here, once: each look at what it matches asks for the same codes.
 * @throws Problem as `parseSearch` and `decided` do, and `precondition-failed` for a condition that selects nothing in particular.
 */
export async function conditionPlan(context: TerminologyContext, type: string, condition: string): Promise<SearchPlan> {
  return decided(parseSearch(type, conditionOf(condition), { handling: 'strict', baseUrl: context.baseUrl }), context);
}

/**
 * @returns the id of the one resource that a condition chooses now; undefined when there is none. The transaction of the
 * write looks again (see `Condition` in store/unit.ts).
 * @throws Problem `precondition-failed` when it chooses several.
 */
export async function matchOf(context: Pick<Context, 'database' | 'visibility'>, plan: SearchPlan): Promise<string | undefined> {
  const rows = await matching(context.database, plan, context.visibility, 2);
  if (rows.length > 1) throw severalMatches();
  return rows[0]?.id;
}

/** A write is made anew when what its condition chooses changed meanwhile: each time others got something done. */
const attempts = 6;

/**
 * Runs `work`, which looks up what a condition chooses and commits; again when the transaction found it to choose otherwise.
 * @throws Problem `conflict` with Retry-After when others were faster each time.
 */
export async function whileItHolds<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ExistsElsewhere)) throw error;
      if (attempt === attempts) throw problem('conflict', 'lock-error', 'Others are writing what the condition matches. Try again.', undefined, { 'retry-after': '1' });
    }
  }
}
