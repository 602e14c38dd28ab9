import { indexRows } from '../fhir/extract.ts';
import type { IndexRows } from '../fhir/index-rows.ts';
import type { Resource } from '../fhir/resource.ts';
import { isDerived } from './observation.ts';

/**
 * @returns the index rows that are stored for a resource. A computed Observation has none of its texts: they are the same in
 * every one of its kind, and `:text` finds them by their codes (value set `computed`).
 */
export const storedRows = (resource: Resource): IndexRows => indexRows(resource, !isDerived(resource));
