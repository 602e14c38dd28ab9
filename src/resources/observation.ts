import { canonicalBase, codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';

interface Identified { identifier?: { system?: string }[]; method?: { coding?: { system?: string }[] } }

/**
 * @returns whether `resource` is an Observation that this service computes: its identifier is of ours, or its method is one of ours.
 * Clients read these and never write, change or delete them; a client's own Observation must not look like one.
 */
export function isDerived(resource: Resource): boolean {
  if (resource.resourceType !== 'Observation') return false;
  const { identifier, method } = resource as Resource & Identified;
  const list = <T>(value: T[] | undefined): T[] => (Array.isArray(value) ? value : []);
  return list(identifier).some(({ system }) => system === `${canonicalBase}/progress` || system === `${canonicalBase}/score`)
    || list(method?.coding).some(({ system }) => system === codeSystem('scoring-method'));
}
