import { parseJson } from '../fhir/json.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { search, type Cursor, type Found, type Row } from '../store/search.ts';
import { searchContained, type Contained } from '../store/search-contained.ts';

/** A page of a search that looks into other resources; `shown` has the matches that are contained, by row. */
export interface FoundContained extends Found { readonly inside: readonly Contained[] }

/** Where contained matches go on: after this one. The first page of them begins above every rid. */
interface Position extends Cursor { readonly inside: true }

const beginning: Position = { inside: true, rid: '9223372036854775807', keys: ['-1'] };

/**
 * A page of a search with `_contained=true` or `both` (http://hl7.org/fhir/R4/search.html#contained): of both, those that are
 * not contained come first.
 * @throws Problem as `searchContained` does.
 */
export async function containedPage(database: Connection, plan: SearchPlan, visibility: Visibility, page?: Cursor): Promise<FoundContained> {
  const position = page !== undefined && 'inside' in page ? (page as Position) : undefined;
  const outside: Found = plan.contained === 'true' || position !== undefined
    ? { matches: [], included: [], incomplete: false, total: 0 }
    : await search(database, { ...plan, contained: 'false' }, visibility, page);
  if (outside.next !== undefined) return { ...outside, total: undefined, inside: [] };
  const all = await searchContained(database, plan, visibility);
  const total = page !== undefined || outside.total === undefined ? {} : { total: outside.total + all.length };
  if (plan.count === 0) return { ...outside, ...total, inside: [] };
  const { rid, keys } = position ?? beginning;
  const left = all.filter(({ container, at }) => container.rid < BigInt(rid) || (container.rid === BigInt(rid) && at > Number(keys[0])));
  const inside = left.slice(0, plan.count - outside.matches.length);
  const last = inside.at(-1);
  const next: Position | undefined = inside.length === left.length ? undefined : last === undefined ? beginning : { inside: true, rid: String(last.container.rid), keys: [String(last.at)] };
  return { ...outside, ...total, inside, ...(next === undefined ? {} : { next }) };
}

/** What is shown of a contained match: its container, each once, or itself. */
export function shownOf(plan: SearchPlan, inside: readonly Contained[]): { readonly row: Row; readonly text: string; readonly fragment: string }[] {
  if (plan.containedType === 'container') return [...new Set(inside.map(({ container }) => container))].map((row) => ({ row, text: row.body, fragment: '' }));
  return inside.map(({ container, at }) => {
    const resource = (parseJson(container.body).stored['contained'] as { id?: string }[])[at]!;
    return { row: container, text: JSON.stringify(resource), fragment: `#${resource.id ?? ''}` };
  });
}
