import type { Resource } from '../fhir/resource.ts';
import { isTimeZone } from './local-time.ts';

const url = 'http://hl7.org/fhir/StructureDefinition/timezone';

/**
 * @param patient who may say where they live (http://hl7.org/fhir/StructureDefinition/timezone, a code of the IANA database)
 * @returns the zone in which the days of a client begin and end; undefined where it is not said: a code that is no time zone counts as that.
 */
export function statedZone(patient: Resource | undefined): string | undefined {
  const found = ((patient?.extension ?? []) as { url?: string; valueCode?: string }[]).find((each) => each.url === url)?.valueCode;
  return found !== undefined && isTimeZone(found) ? found : undefined;
}

/** @returns the same, where it is not said the zone of the deployment. */
export const zoneOf = (patient: Resource | undefined, otherwise: string): string => statedZone(patient) ?? otherwise;
