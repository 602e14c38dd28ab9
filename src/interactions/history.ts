import { dateRange } from '../fhir/dates.ts';
import { problem } from '../fhir/outcome.ts';
import { isId } from '../fhir/search-syntax.ts';
import { servedTypes } from '../fhir/types.ts';
import { grants } from '../fhir/visibility.ts';
import { history as versions, positionOf, type HistoryPosition, type HistoryRow } from '../store/history.ts';
import { accessRows } from './access-log.ts';
import { etag, versionUrl } from './answer.ts';
import type { Answer, Context } from './context.ts';
import { openPage, sealPage } from './paging.ts';
import { shaper, type Shaper } from './shape.ts';

const defaultCount = 50;
const largestCount = 1000;
const known = new Set(['_count', '_since', '_at', '_list', '_sort', '_page', '_format', '_pretty', '_summary', '_elements']);

/** Where a page begins: after this version, or, read backwards, before it. */
type Edge = HistoryPosition & { readonly backwards?: true };

/** What is asked for: a resource, a type, or everything. */
export interface HistoryOf { readonly type?: string; readonly id?: string }

/**
 * history (http://hl7.org/fhir/R4/http.html#history) of an instance, a type or the system: newest first, with `_since`,
 * `_at`, `_list`, `_count`, `_sort`, `_summary`, `_elements`; pages never repeat or skip (see store/history.ts for the horizon).
 * @throws Problem `not-found` for an instance that does not exist or is not visible.
 */
export async function history(context: Context, of: HistoryOf, query: readonly (readonly [string, string])[]): Promise<Answer> {
  for (const [name] of query) {
    if (!known.has(name) && context.prefer.handling === 'strict') throw problem('malformed', 'not-supported', 'History takes _count, _since, _at, _list, _sort, _summary, _elements, _format and _pretty.', `http.${name}`);
  }
  const get = (name: string): string | undefined => query.find(([key]) => key === name)?.[1];
  const shape = shaper(of.type, query);
  const count = countOf(get('_count'));
  const since = rangeOf('_since', get('_since'));
  const at = rangeOf('_at', get('_at'));
  const applied = query.filter(([name]) => known.has(name) && name !== '_page');
  const path = [of.type, of.id, '_history'].filter((part) => part !== undefined).join('/');
  const page = get('_page');
  const binding = `${path}?${new URLSearchParams(applied as [string, string][]).toString()}`;
  const after = page === undefined ? undefined : openPage<Edge>(context, binding, page);
  const backwards = after?.backwards === true;
  const found = await versions(context.database, context.visibility, {
    types: of.type === undefined ? servedTypes : [of.type], id: of.id, count, since: since?.low, at, after, list: listOf(context, get('_list')), oldestFirst: oldestFirst(get('_sort')) !== backwards,
  });
  const rows = backwards ? found.rows.toReversed() : found.rows;
  if (of.id !== undefined && rows.length === 0 && after === undefined && since === undefined && at === undefined && get('_list') === undefined) {
    throw problem('not-found', 'not-found', `No such ${of.type}.`);
  }
  await context.audit.record(accessRows(context, { interaction: `history-${of.id !== undefined ? 'instance' : of.type !== undefined ? 'type' : 'system'}`, type: of.type, id: of.id, patients: rows.map(({ patient }) => patient) }));
  const first = rows[0];
  const last = rows.at(-1);
  const previous = first !== undefined && (backwards ? found.more : after !== undefined) ? sealPage(context, binding, { ...positionOf(first), backwards: true } satisfies Edge) : undefined;
  const next = last !== undefined && (backwards || found.more) ? sealPage(context, binding, positionOf(last)) : undefined;
  // a page that holds everything tells how much that is; counting would cost more than it tells
  const total = after === undefined && !found.more ? rows.length : undefined;
  return { status: 200, body: bundle(context, path, applied, rows, { previous, next, total, shape, isFirst: after === undefined }) };
}

function countOf(text: string | undefined): number {
  if (text === undefined) return defaultCount;
  if (!/^\d{1,9}$/.test(text)) throw problem('malformed', 'value', '_count must be a whole number from 0.', 'http._count');
  return Math.min(Number(text), largestCount);
}

/** `_list=42`: of the resources that the List points to. */
function listOf(context: Context, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const id = text.replace(/^List\//, '');
  if (!isId(id)) throw problem('malformed', 'value', '_list of a history is the id of a List.', 'http._list');
  if (!grants(context.visibility, 'List', 'r') && !grants(context.visibility, 'List', 's')) throw problem('forbidden', 'forbidden', 'This access does not allow to read a List.');
  return id;
}

/** `_sort` of a history (R5 names it; R4 leaves the order at newest first). */
function oldestFirst(text: string | undefined): boolean {
  if (text !== undefined && text !== '_lastUpdated' && text !== '-_lastUpdated') throw problem('malformed', 'value', '_sort of a history is _lastUpdated or -_lastUpdated.', 'http._sort');
  return text === '_lastUpdated';
}

function rangeOf(name: string, text: string | undefined): { low: string; high: string } | undefined {
  if (text === undefined) return undefined;
  const range = dateRange(text.replace(/ (?=\d{2}:\d{2}$)/, '+')); // a + that was not percent-encoded
  if (range === undefined || range === null) throw problem('malformed', 'value', `${name} must be a FHIR instant or date, e.g. 2026-03-14T09:26:53Z.`, `http.${name}`);
  return range;
}

const whole: Shaper = (text) => text;
const methods = { C: 'POST', P: 'PUT', U: 'PUT', D: 'DELETE' } as const;
const statuses = { C: '201', P: '201', U: '200', D: '204' } as const;

function bundle(context: Context, path: string, applied: readonly (readonly [string, string])[], rows: readonly HistoryRow[], { previous, next, total, shape = whole, isFirst }: { readonly previous: string | undefined; readonly next: string | undefined; readonly total: number | undefined; readonly shape: Shaper | undefined; readonly isFirst: boolean }): string {
  const self = new URLSearchParams(applied as [string, string][]).toString();
  const url = (page?: string): string => `${context.baseUrl}/${path}${self === '' && page === undefined ? '' : '?'}${self}${page === undefined ? '' : `${self === '' ? '' : '&'}_page=${page}`}`;
  const links = [{ relation: 'self', url: url() }, ...(isFirst ? [] : [{ relation: 'first', url: url() }]), ...(previous === undefined ? [] : [{ relation: 'previous', url: url(previous) }]), ...(next === undefined ? [] : [{ relation: 'next', url: url(next) }])];
  const entries = rows.map((row) => {
    const fullUrl = JSON.stringify(`${context.baseUrl}/${row.type}/${row.id}`);
    const method = methods[row.method];
    const request = JSON.stringify({ method, url: method === 'POST' ? row.type : `${row.type}/${row.id}` });
    const response = JSON.stringify({ status: statuses[row.method], location: versionUrl(context, row), etag: etag(row.version), lastModified: row.lastUpdated });
    const resource = row.body === null ? '' : `"resource":${shape(row.body)},`;
    return `{"fullUrl":${fullUrl},${resource}"request":${request},"response":${response}}`;
  });
  return `{"resourceType":"Bundle","type":"history"${total === undefined ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}${entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`}}`;
}
