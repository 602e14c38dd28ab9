import { operationOutcome } from '../fhir/outcome.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import type { SystemPlan } from '../fhir/search-system.ts';
import { pageParameter } from '../fhir/search-controls.ts';
import { subset } from '../fhir/subset.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { search, searchSeveral, type Cursor, type Found, type Row } from '../store/search.ts';
import type { Contained } from '../store/search-contained.ts';
import { decided } from './concept-tests.ts';
import { containedPage, shownOf, type FoundContained } from './search-contained.ts';
import { PageTrail } from './trail.ts';

/** What a search needs beside its plan. */
export interface SearchContext {
  readonly database: Connection;
  /** `http://host:port/fhir/R4`, without a slash at the end. */
  readonly baseUrl: string;
  readonly pageKey: Buffer;
}

/** The answer and whose records are in it. */
export interface SearchAnswer {
  readonly status: 200;
  /** A Bundle of type searchset as JSON text. */
  readonly body: string;
  /** Patients (rid) whose record was shown, for the access log. */
  readonly patients: readonly (bigint | null)[];
}

/**
 * search-type (http://hl7.org/fhir/R4/http.html#search).
 * Stored texts go into the Bundle as they are; they are read only where `_summary` or `_elements` ask for it.
 * @throws Problem `malformed` for a page token of somebody else or of another query; as `store/search.ts` does.
 */
export async function searchInteraction(context: SearchContext, plan: SearchPlan, visibility: Visibility): Promise<SearchAnswer> {
  const ready = await decided(plan, { ...context, visibility });
  return answered(context, pathOf(plan), plan, visibility, async (page) => (plan.contained === 'false' ? search(context.database, ready, visibility, page) : containedPage(context.database, ready, visibility, page)));
}

/** search-system: the same over several types. @throws Problem as `searchInteraction` does. */
export async function systemSearchInteraction(context: SearchContext, { plans, applied, ...follow }: SystemPlan, visibility: Visibility): Promise<SearchAnswer> {
  const ready = await Promise.all(plans.map((plan) => decided(plan, { ...context, visibility })));
  const within = recordOf(plans[0]!);
  return answered(context, within === undefined ? '' : `Patient/${within}/*`, { ...plans[0]!, applied }, visibility, (page) => searchSeveral(context.database, ready, follow, visibility, page));
}

async function answered(context: SearchContext, path: string, plan: SearchPlan, visibility: Visibility, find: (page?: Cursor) => Promise<Found | FoundContained>): Promise<SearchAnswer> {
  const query = encoded(plan.applied);
  const binding = `${path}?${query}`;
  const sealing = { pageKey: context.pageKey, visibility };
  const trail = new PageTrail<Cursor>(sealing, binding, plan.page);
  const found = await find(trail.position);
  const url = path === '' ? context.baseUrl : `${context.baseUrl}/${path}`;
  const page = (token: string | null): string => withQuery(url, [query, ...(token === null ? [] : [`${pageParameter}=${token}`])].filter((part) => part !== '').join('&'));
  const previous = trail.previous();
  const links = [
    { relation: 'self', url: withQuery(url, query) },
    ...(plan.page === null ? [] : [{ relation: 'first', url: page(null) }]),
    ...(previous === undefined ? [] : [{ relation: 'previous', url: page(previous) }]),
    ...(found.next === undefined ? [] : [{ relation: 'next', url: page(trail.next(found.next)) }]),
  ];
  return { status: 200, body: bundle(context, plan, found, links), patients: [...found.matches, ...insideOf(found).map(({ container }) => container), ...found.included].map(({ patient }) => patient) };
}

/** Logical id of the Patient in whose record alone is searched. */
const recordOf = ({ tests }: SearchPlan): string | undefined => tests.find((test) => test.kind === 'compartment')?.patient;

function pathOf(plan: SearchPlan): string {
  const within = recordOf(plan);
  return within === undefined ? plan.type : `Patient/${within}/${plan.type}`;
}

const encoded = (applied: SearchPlan['applied']): string =>
  applied.map(([name, value]) => `${readable(name)}=${readable(value)}`).join('&');

/** Percent-encoded, except for what a query may hold as it is (RFC 3986 3.4) and what makes a FHIR query readable. */
const readable = (text: string): string =>
  encodeURIComponent(text).replace(/%(3A|2F|2C|24|40)/g, (escape) => decodeURIComponent(escape));

const withQuery = (url: string, query: string): string => (query === '' ? url : `${url}?${query}`);

const insideOf = (found: Found | FoundContained): readonly Contained[] => ('inside' in found ? found.inside : []);

function bundle(context: SearchContext, plan: SearchPlan, found: Found | FoundContained, links: readonly { relation: string; url: string }[]): string {
  const summarized = plan.summary !== 'false';
  const shaped = (text: string): string => (summarized || plan.elements.length > 0 ? subset(text, plan) : text);
  const entries = [
    ...found.matches.map((row) => entry(context, row, shaped(row.body), 'match')),
    ...shownOf(plan, insideOf(found)).map(({ row, text, fragment }) => entry(context, row, shaped(text), 'match', fragment)),
    ...found.included.map((row) => entry(context, row, summarized ? subset(row.body, plan) : row.body, 'include')),
    ...(found.incomplete ? [`{"resource":${JSON.stringify(operationOutcome([{ severity: 'warning', code: 'incomplete', text: 'More resources could be included than one answer carries; ask for fewer matches with _count.' }]))},"search":{"mode":"outcome"}}`] : []),
  ];
  const total = found.total === undefined ? '' : `,"total":${found.total}`;
  return `{"resourceType":"Bundle","type":"searchset"${total},"link":${JSON.stringify(links)}${entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`}}`;
}

const entry = (context: SearchContext, row: Row, text: string, mode: 'match' | 'include', fragment = ''): string =>
  `{"fullUrl":${JSON.stringify(`${context.baseUrl}/${row.type}/${row.id}${fragment}`)},"resource":${text},"search":{"mode":"${mode}"}}`;
