import type { Resource } from '../fhir/resource.ts';
import type { RecordEntry } from './record.ts';
import type { Registry } from './registry.ts';

/** What a projection may read besides the resource. */
export interface ProjectionContext { readonly registry: Registry; readonly questionnaire?: Resource }

/**
 * @returns the entries that `resource` contributes to its patient's record, [] when it contributes nothing:
 * other types, status entered-in-error, a Task or Goal that is no longer open.
 * The store replaces the entries of a resource (kinds: `kindsOf(type)`) on every write of it, its own derived writes included.
 */
export function recordEntries(resource: Resource, context: ProjectionContext): RecordEntry[] {
  void resource; void context;
  return [];
}
