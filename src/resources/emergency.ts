import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { withRecorder } from './consent.ts';

const actReason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

/** Purposes (v3-ActReason) for which a practitioner may look into a record without being in care of the person. */
export const emergencyReasons: Readonly<Record<string, string>> = { BTG: 'break the glass', ETREAT: 'Emergency Treatment' };

/** What a practitioner declares, and until when it holds. Times are FHIR instants. */
export interface Emergency {
  readonly patient: string;
  readonly practitioner: string;
  readonly code: string;
  readonly text: string;
  readonly start: string;
  readonly end: string;
  readonly ids: { readonly consent: string; readonly task: string };
}

/**
 * What an access in an emergency leaves in the record, where the person sees it: a Consent that is in force for the time and
 * the practitioner alone, and the Task of whoever looks after privacy to review it.
 */
export function emergencyAccess({ patient, practitioner, code, text, start, end, ids }: Emergency): readonly [consent: Resource, review: Resource] {
  const purpose = { system: actReason, code, display: emergencyReasons[code] };
  const consent: Resource = {
    resourceType: 'Consent', id: ids.consent, status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMRGONLY', display: 'emergency only' }] }],
    patient: { reference: patient }, dateTime: start, performer: [{ reference: practitioner }],
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMRGONLY', display: 'emergency only' }], text },
    provision: {
      type: 'permit', period: { start, end }, purpose: [purpose],
      actor: [{ role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP', display: 'information recipient' }] }, reference: { reference: practitioner } }],
    },
  };
  const review: Resource = {
    resourceType: 'Task', id: ids.task, status: 'requested', intent: 'order', priority: 'urgent',
    code: { coding: [{ system: codeSystem('task-type'), code: 'break-glass-review', display: 'Review of an access in an emergency' }] },
    description: `The record was opened in an emergency by someone who is not in care of the person, until ${end}.`,
    focus: { reference: `Consent/${ids.consent}` }, for: { reference: patient }, requester: { reference: practitioner }, authoredOn: start,
    performerType: [{ text: 'Privacy officer' }], reasonCode: { coding: [purpose], text },
  };
  return [withRecorder(consent, 'break-glass'), review];
}
