import { recordedBy, type Recorder } from '../fhir/consent.ts';
import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';

/** @returns who recorded a Consent, by the tag that the service set. */
export function recorderOf({ meta }: Resource): Recorder | undefined {
  return meta?.tag?.find(({ system }) => system === recordedBy)?.code as Recorder | undefined;
}

/**
 * Says on a Consent who records it: what it permits counts only where that is the patient, or a system that acts for one. The
 * name of a performer would not do; anybody can write it.
 */
export function withRecorder(resource: Resource, recorder: Recorder): Resource {
  if (resource.resourceType !== 'Consent') return resource;
  const others = (resource.meta?.tag ?? []).filter(({ system }) => system !== recordedBy);
  return { ...resource, meta: { ...resource.meta, tag: [...others, { system: recordedBy, code: recorder }] } };
}

/** @returns why a person may not write a Consent: an access in an emergency stays in the record as it was declared. */
export function checkEmergency(previous: Resource | undefined): Issue[] {
  if (previous?.resourceType !== 'Consent' || recorderOf(previous) !== 'break-glass') return [];
  return [{ severity: 'error', code: 'forbidden', text: 'This is the record of an access in an emergency: it ends by its time and is changed by nobody.', expression: 'Consent' }];
}

interface Provision { readonly type?: string; readonly provision?: readonly Provision[] }

const denies = ({ type, provision = [] }: Provision): boolean => type === 'deny' || provision.some(denies);

/** @returns why somebody who treats may not change or delete what the person or a system denies: whom it denies would take it back. */
export function checkDenial(previous: Resource | undefined): Issue[] {
  if (previous?.resourceType !== 'Consent' || recorderOf(previous) === 'practitioner' || !denies((previous['provision'] ?? {}) as Provision)) return [];
  return [{ severity: 'error', code: 'forbidden', text: 'This Consent denies something: the person or a system changes it, not who treats.', expression: 'Consent' }];
}
