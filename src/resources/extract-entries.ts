import { resolveLinks } from '../fhir/bundle.ts';
import type { Resource } from '../fhir/resource.ts';
import { nodeOf } from '../fhir/structures.ts';
import type { Extracted } from './extract-observations.ts';

/** What is stored already under the id of an extracted resource. */
export interface Existing { readonly version: number; readonly resource: Resource }

/** An entry of a transaction Bundle. */
export interface TransactionEntry { readonly fullUrl: string; readonly resource: Resource; readonly request: { readonly method: 'PUT' | 'POST'; readonly url: string; readonly ifMatch?: string } }

/**
 * @returns how an extracted resource is written: created under its own id, or an update of what an earlier extraction made, with
 *   `amended` for an Observation whose content changed; undefined when nothing changed. What others added to it stays.
 */
export function entryFor({ resource }: Extracted, existing: Existing | undefined, baseUrl: string): TransactionEntry | undefined {
  if (existing === undefined) return put(resource, baseUrl);
  const { resource: stored, version } = existing;
  const isObservation = resource.resourceType === 'Observation';
  const { status: _status, meta, id: _id, ...content } = resource;
  const { meta: _meta, ...others } = isObservation ? Object.fromEntries(Object.entries(stored).filter(([name]) => !/^_?value[A-Z]/.test(name))) : stored;
  const { versionId: _version, lastUpdated: _updated, ...storedMeta } = stored.meta ?? {};
  const next: Resource = { ...others, ...(isObservation ? content : resource), resourceType: resource.resourceType, ...metaOf({ ...storedMeta, ...meta }) };
  const withdrawn = stored['status'] === 'entered-in-error';
  if (!withdrawn && same({ ...next, meta: null }, { ...stored, meta: null }) && same(next.meta?.security ?? [], stored.meta?.security ?? [])) return undefined;
  return put(isObservation ? { ...next, status: 'amended' } : next, baseUrl, version);
}

const mistaken = 'entered-in-error';

/**
 * @returns how what was extracted before is withdrawn with its response; undefined where there is nothing to withdraw, or the
 *   type has no such status.
 */
export function withdrawal(existing: Existing | undefined, baseUrl: string): TransactionEntry | undefined {
  if (existing === undefined) return undefined;
  const { elements } = nodeOf(existing.resource.resourceType);
  const element = ['status', 'lifecycleStatus'].find((name) => elements.get(name)?.binding?.codes.has(mistaken) === true);
  if (element === undefined || existing.resource[element] === mistaken) return undefined;
  const { meta, ...rest } = existing.resource;
  const { versionId: _version, lastUpdated: _updated, ...kept } = meta ?? {};
  return put({ ...rest, ...metaOf(kept), [element]: mistaken } as Resource, baseUrl, existing.version);
}

const metaOf = (meta: object): object => (Object.keys(meta).length === 0 ? {} : { meta });

function put(resource: Resource, baseUrl: string, version?: number): TransactionEntry {
  const url = `${resource.resourceType}/${resource.id}`;
  return { fullUrl: `${baseUrl}/${url}`, resource, request: { method: 'PUT', url, ...(version === undefined ? {} : { ifMatch: `W/"${version}"` }) } };
}

/** @returns entries that create resources without ids of their own, linked among each other by urn:uuid: what came from a response that is not stored. */
export function creations(extracted: readonly Extracted[]): TransactionEntry[] {
  const links = new Map(extracted.map(({ resource }) => [`${resource.resourceType}/${resource.id}`, `urn:uuid:${resource.id}`]));
  return extracted.map(({ resource }) => {
    const { id, ...rest } = resource;
    resolveLinks(rest, links);
    return { fullUrl: `urn:uuid:${id}`, resource: rest as Resource, request: { method: 'POST', url: resource.resourceType } };
  });
}

/** Whether two values say the same, whatever the order of their names; numbers as they are written. */
function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(JSON.parse(JSON.stringify(value), (_name, inner: unknown) => (inner !== null && typeof inner === 'object' && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner)));
}
