import type { Resource } from '../fhir/resource.ts';

/** A decision of a person that the record keeps beside the resource it changed. */
export interface Decision {
  readonly id: string;
  /** Reference of the version written, e.g. `Task/1/_history/2`. */
  readonly target: string;
  readonly now: string;
  /** `Practitioner/x`, `Patient/y`; absent where the client acted for itself. */
  readonly agent?: string;
  /** OAuth client id. */
  readonly client: string;
  readonly activity: string;
}

/** @returns the Provenance of a decision: who, through which client, when. */
export function decisionProvenance({ id, target, now, agent, client, activity }: Decision): Resource {
  return {
    resourceType: 'Provenance',
    id,
    target: [{ reference: target }],
    recorded: now,
    activity: { text: activity },
    agent: [{
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code: 'author', display: 'Author' }] },
      who: agent === undefined ? { identifier: { value: client } } : { reference: agent },
      ...(agent === undefined ? {} : { onBehalfOf: { identifier: { value: client } } }),
    }],
  };
}
