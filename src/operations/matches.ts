import type { Query } from '../interactions/route.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { problem } from '../fhir/outcome.ts';
import { decided } from '../interactions/concept-tests.ts';
import type { Context } from '../interactions/context.ts';
import { search, type Cursor, type Row } from '../store/search.ts';

/** Resources that an operation looks at, at most: what it keeps in memory must be bounded. */
const most = 20_000;
const onPage = '1000';

/** Everything that a search finds, with what it includes. */
export interface Matches { readonly plan: SearchPlan; readonly matches: readonly Row[]; readonly included: readonly Row[] }

/**
 * Runs a search to its end.
 * @throws Problem `too-costly` when it finds more than an operation looks at; as `parseSearch` and `search` do.
 */
export async function allMatches(context: Context, type: string, query: Query): Promise<Matches> {
  const { database, visibility, baseUrl, prefer } = context;
  const plan = await decided(parseSearch(type, [...query, ['_count', onPage]], { handling: prefer.handling, baseUrl }), context);
  const matches: Row[] = [];
  const included = new Map<bigint, Row>();
  let page: Cursor | undefined;
  do {
    const found = await search(database, plan, visibility, page);
    matches.push(...found.matches);
    for (const row of found.included) included.set(row.rid, row);
    if (matches.length > most || included.size > most || found.incomplete) {
      throw problem('too-costly', 'too-costly', `This looks at more than ${most} resources; confine it by date or by code.`);
    }
    page = found.next;
  } while (page !== undefined);
  return { plan, matches, included: [...included.values()] };
}
