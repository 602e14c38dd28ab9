import { problem } from './outcome.ts';
import type { Resource } from './resource.ts';

/** One entry of a batch or transaction as it was sent. */
export interface Entry {
  readonly fullUrl?: string;
  readonly method: string;
  readonly url: string;
  readonly resource?: Resource;
  readonly ifMatch?: string;
  readonly ifNoneExist?: string;
  readonly ifNoneMatch?: string;
  readonly ifModifiedSince?: string;
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/**
 * Reads the entries of a batch or transaction Bundle.
 * @throws Problem `invalid` naming the entry that has no request, an unknown method or lacks its resource.
 */
export function entriesOf(bundle: Resource): Entry[] {
  const entries = (bundle['entry'] as { fullUrl?: string; resource?: Resource; request?: Omit<Entry, 'fullUrl' | 'resource'> }[] | undefined) ?? [];
  return entries.map(({ fullUrl, resource, request }, at) => {
    const where = `Bundle.entry[${at}].request`;
    if (request?.method === undefined || request.url === undefined) throw problem('invalid', 'required', 'Every entry of a batch or transaction needs request.method and request.url.', where);
    if (!methods.has(request.method)) throw problem('invalid', 'value', 'request.method must be GET, HEAD, POST, PUT, PATCH or DELETE.', `${where}.method`);
    return { fullUrl, resource, ...request };
  });
}

/** FHIR's order of processing (http://hl7.org/fhir/R4/http.html#trules): DELETE, POST, PUT and PATCH, then GET and HEAD. */
export function processingOrder(method: string): number {
  return method === 'DELETE' ? 0 : method === 'POST' ? 1 : method === 'PUT' || method === 'PATCH' ? 2 : 3;
}

// Elements whose text is data, never a link: an Identifier may hold the same urn:uuid as a fullUrl.
const notLinks = new Set(['value', 'valueString', 'display', 'text', 'id', 'linkId', 'code']);

/**
 * Replaces links to other entries by where those entries end up: in references, uris, canonicals and narrative links.
 * @param links from a fullUrl (`urn:uuid:...`) to `Type/id`; the tree is changed in place.
 */
export function resolveLinks(node: unknown, links: ReadonlyMap<string, string>): void {
  if (Array.isArray(node)) {
    for (let at = 0; at < node.length; at++) {
      const item: unknown = node[at];
      if (typeof item === 'string') node[at] = links.get(item) ?? item;
      else resolveLinks(item, links);
    }
    return;
  }
  if (node === null || typeof node !== 'object') return;
  const object = node as Record<string, unknown>;
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === 'object') resolveLinks(value, links);
    else if (typeof value !== 'string' || notLinks.has(key)) continue;
    else if (key === 'div') object[key] = resolveNarrative(value, links);
    else object[key] = links.get(value) ?? linkWithFragment(value, links) ?? value;
  }
}

function linkWithFragment(value: string, links: ReadonlyMap<string, string>): string | undefined {
  const hash = value.indexOf('#');
  if (hash <= 0) return undefined;
  const target = links.get(value.slice(0, hash));
  return target === undefined ? undefined : target + value.slice(hash);
}

function resolveNarrative(div: string, links: ReadonlyMap<string, string>): string {
  return div.replace(/(href|src)="([^"]+)"/g, (whole, attribute: string, url: string) => {
    const target = links.get(url);
    return target === undefined ? whole : `${attribute}="${target}"`;
  });
}

/** @returns every conditional reference (`Type?criteria`, http://hl7.org/fhir/R4/http.html#trules) in the tree. */
export function conditionalReferences(node: unknown, found: Set<string> = new Set()): Set<string> {
  if (Array.isArray(node)) for (const item of node) conditionalReferences(item, found);
  else if (node !== null && typeof node === 'object') {
    for (const [key, value] of Object.entries(node)) {
      if (key === 'reference' && typeof value === 'string' && /^[A-Z][A-Za-z]+\?/.test(value)) found.add(value);
      else if (typeof value === 'object') conditionalReferences(value, found);
    }
  }
  return found;
}
