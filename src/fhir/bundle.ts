import { problem } from './outcome.ts';
import type { Resource } from './resource.ts';
import { nodeOf, resourceTypes, type Element, type Node } from './structures.ts';

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

/** The types whose values are links (http://hl7.org/fhir/R4/http.html#trules); text of other types is data, whatever it looks like. */
const linkTypes = new Set(['uri', 'url', 'canonical', 'oid', 'uuid']);

/**
 * Replaces links to other entries by where those entries end up: in references, uris, canonicals and narrative links.
 * @param resource the tree is changed in place.
 * @param links from a fullUrl (`urn:uuid:...`, or a URL) or conditional reference to `Type/id`.
 * @param fullUrl of the entry: where it is a RESTful URL, a relative reference is one below the same base (bundle.html#references).
 */
export function resolveLinks(resource: Resource, links: ReadonlyMap<string, string>, fullUrl?: string): void {
  if (!resourceTypes.has(resource.resourceType)) return; // refused when it is checked
  const base = fullUrl === undefined ? undefined : /^(https?:\/\/.+\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.exec(fullUrl)?.[1];
  resolveIn(resource, nodeOf(resource.resourceType), { links, base });
}

interface Links { readonly links: ReadonlyMap<string, string>; readonly base: string | undefined }

function resolveIn(object: Record<string, unknown>, node: Node, links: Links): void {
  for (const [key, value] of Object.entries(object)) {
    const element = node.elements.get(key.replace(/^_/, ''));
    if (element === undefined || typeof value !== 'object' && typeof value !== 'string') continue;
    const resolved = (item: unknown): unknown => {
      if (typeof item === 'string') return target(item, node, key, element, links);
      if (item !== null && typeof item === 'object' && !Array.isArray(item)) {
        const inner = key.startsWith('_') ? nodeOf('Element') : innerOf(item as Record<string, unknown>, element);
        if (inner !== undefined) resolveIn(item as Record<string, unknown>, inner, links);
      }
      return item;
    };
    if (!Array.isArray(value)) object[key] = resolved(value);
    else for (let at = 0; at < value.length; at++) value[at] = resolved(value[at]);
  }
}

function innerOf(item: Record<string, unknown>, element: Element): Node | undefined {
  if (element.primitive !== undefined) return undefined;
  if (!element.holdsResource) return element.node();
  const type = item['resourceType'];
  return typeof type === 'string' && resourceTypes.has(type) ? nodeOf(type) : undefined;
}

/** What stands for the text of an element: itself, where it is no link to another entry. */
function target(text: string, node: Node, key: string, { type }: Element, { links, base }: Links): string {
  if (type === 'xhtml') return resolveNarrative(text, links);
  const isReference = key === 'reference' && node.path === 'Reference';
  if (!isReference && !linkTypes.has(type)) return text;
  // the part after # or | says what is meant within the target
  const end = links.has(text) ? -1 : text.search(/[#|]/);
  const [whole, more] = end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end)];
  const found = links.get(whole) ?? (isReference && base !== undefined ? links.get(base + whole) : undefined);
  return found === undefined ? text : found + more;
}

function resolveNarrative(div: string, links: ReadonlyMap<string, string>): string {
  return div.replace(/(href|src)=(["'])([^"']+)\2/g, (whole, attribute: string, quote: string, url: string) => {
    const found = links.get(url.replaceAll('&amp;', '&'));
    return found === undefined ? whole : `${attribute}=${quote}${found}${quote}`;
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
