import type { Query } from '../interactions/route.ts';

/** A resource in an answer: its stored text, or the part of it that was asked for. */
export interface Shown { readonly type: string; readonly id: string; readonly text: string; readonly mode: 'match' | 'include' }

/**
 * @param more beside the entries: total and meta of the Bundle, links.
 * @returns a Bundle of type searchset as JSON text; the texts go into it as they are.
 */
export function searchset(baseUrl: string, more: { readonly total?: number; readonly lastUpdated?: string; readonly links: readonly { relation: string; url: string }[] }, shown: readonly Shown[]): string {
  const entries = shown.map(({ type, id, text, mode }) => `{"fullUrl":${JSON.stringify(`${baseUrl}/${type}/${id}`)},"resource":${text},"search":{"mode":"${mode}"}}`);
  const { total, lastUpdated, links } = more;
  return `{"resourceType":"Bundle"${lastUpdated === undefined ? '' : `,"meta":${JSON.stringify({ lastUpdated })}`},"type":"searchset"${total === undefined ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}${entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`}}`;
}

/** @returns `url` with the parameters, percent-encoded. */
export const withQuery = (url: string, query: Query): string =>
  (query.length === 0 ? url : `${url}?${new URLSearchParams(query.map(([name, value]) => [name, value])).toString()}`);
