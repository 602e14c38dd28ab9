import type { Resource } from '../fhir/resource.ts';
import { isTimeZone } from './local-time.ts';

const url = 'http://hl7.org/fhir/StructureDefinition/timezone';

/**
 * @param patient who may say where they live (http://hl7.org/fhir/StructureDefinition/timezone, a code of the IANA database)
 * @param otherwise the zone of the deployment
 * @returns the zone in which the days of a client begin and end; a code that is no time zone counts as not said.
 */
export function zoneOf(patient: Resource | undefined, otherwise: string): string {
  const found = ((patient?.extension ?? []) as { url?: string; valueCode?: string }[]).find((each) => each.url === url)?.valueCode;
  return found !== undefined && isTimeZone(found) ? found : otherwise;
}
