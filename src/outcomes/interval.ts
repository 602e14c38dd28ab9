import type { Resource } from '../fhir/resource.ts';
import { dayIn } from './local-time.ts';
import type { Session } from './record.ts';
import { sessionNumber } from './sessions.ts';

/** What belongs to the interval after a session (docs/clinical.md 3.6). Pure. */

/** The elements that say when something was written or happened, by type, in the order in which they are looked at. */
const times: Readonly<Record<string, readonly string[]>> = {
  QuestionnaireResponse: ['authored'],
  Observation: ['effectiveDateTime', 'effectivePeriod', 'effectiveInstant', 'issued'],
  Task: ['authoredOn'],
  Communication: ['sent', 'received'],
  DocumentReference: ['date'],
  ClinicalImpression: ['effectiveDateTime', 'effectivePeriod', 'date'],
};

/** The types that an interval shows. */
export const intervalTypes: readonly string[] = Object.keys(times);

/**
 * @param sessions of one episode, in time order.
 * @param zone where the client lives.
 * @returns the number of the session after which `resource` belongs; undefined where it says neither a session nor a time.
 */
export function intervalOf(sessions: readonly Session[], resource: Resource, zone: string): number | undefined {
  const found = (times[resource.resourceType] ?? []).flatMap((element) => {
    const value = resource[element] as string | { start?: string } | undefined;
    return (typeof value === 'object' ? value.start : value) ?? [];
  })[0];
  const encounters = [resource['encounter'], ...((resource['context'] as { encounter?: unknown[] } | undefined)?.encounter ?? [])] as ({ reference?: string } | undefined)[];
  const named = encounters.flatMap((each) => each?.reference ?? []).find((reference) => sessions.some(({ id }) => reference === `Encounter/${id}`));
  if (named === undefined && found === undefined) return undefined;
  return sessionNumber(sessions, { date: found === undefined ? '' : dayIn(found, zone), data: named === undefined ? {} : { encounter: named } });
}
