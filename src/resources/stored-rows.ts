import { actorsOf } from '../fhir/consent.ts';
import { indexRows } from '../fhir/extract.ts';
import type { IndexRows, ReferenceRow } from '../fhir/index-rows.ts';
import { parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { aspectNumber, searchParameter } from '../fhir/search-parameters.ts';
import { isDerived } from './observation.ts';

/** The rows by which the Consents that name a person are found, at whatever depth. */
export const concerned = aspectNumber(searchParameter('Consent', 'actor')!.number, 'nested');

/** The id in the row of a Consent that denies to everybody. */
export const everybody = '*';

/**
 * @returns the index rows that are stored for a resource. A computed Observation has none of its texts: they are the same in
 * every one of its kind, and `:text` finds them by their codes (value set `computed`). A Consent has one for each person that
 * its provisions name, also below the first: the search parameter looks at the first only.
 */
export function storedRows(resource: Resource): IndexRows {
  const rows = indexRows(resource, !isDerived(resource));
  return resource.resourceType === 'Consent' ? { ...rows, reference: [...rows.reference, ...actorRows(resource)] } : rows;
}

function actorRows(consent: Resource): ReferenceRow[] {
  const { named, everybody: all } = actorsOf(consent);
  const rows: ReferenceRow[] = [...named].flatMap((text) => {
    const parsed = parseReference(text);
    return parsed?.kind === 'relative' ? [{ param: concerned, targetId: parsed.id, targetType: parsed.type }] : [];
  });
  return all ? [...rows, { param: concerned, targetId: everybody, targetType: null }] : rows;
}
