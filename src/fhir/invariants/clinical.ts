import type {
  Appointment, AppointmentParticipant, AuditEventEntity, CarePlanActivity, CareTeamParticipant, CodeableConcept, Coding, Condition, ConditionEvidence, ConditionStage,
  Consent, GoalTarget, Group, List, Observation, ObservationReferenceRange, Organization, Patient, QuestionnaireResponseItem, Range, RiskAssessmentPrediction,
  ServiceRequest, Task,
} from '@medplum/fhirtypes';
import { referencedType } from '../references.ts';
import { isOrdered } from './datatypes.ts';
import { exists, existsChoice, rule, type Invariant, type Plain } from './rule.ts';

type PatientContact = NonNullable<Patient['contact']>[number];
interface Used { readonly use?: string }

const conditionClinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const conditionVerification = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
const consentScope = 'http://terminology.hl7.org/CodeSystem/consentscope';
const abated: ReadonlySet<unknown> = new Set(['inactive', 'resolved', 'remission']);
const withoutTime: ReadonlySet<unknown> = new Set(['proposed', 'cancelled', 'waitlist']);

const notAtHome = ({ use }: Used): boolean => use !== 'home';

function has(concept: CodeableConcept | undefined, system: string, isWanted: (code: unknown) => boolean): boolean {
  return (concept?.coding ?? []).some((coding) => coding.system === system && isWanted(coding.code));
}

/** The published FHIRPath compares the system with 'something' and so never applies; this is what its text says. */
function needsPatient(key: string, scope: string): Invariant {
  return rule<Consent>(key, `A consent of scope ${scope} must name a patient`, (consent) => 'patient' in consent || !has(consent.scope, consentScope, (code) => code === scope));
}

/** Constraints of the resources that are about people and what happens to them. */
export const ofClinicalResources: Readonly<Record<string, readonly Invariant[]>> = {
  Appointment: [
    rule<AppointmentParticipant>('app-1', 'A participant must have a type or an actor', (participant) => 'type' in participant || 'actor' in participant),
    rule<Appointment>('app-2', 'start and end must be there both or not at all', (appointment) => exists(appointment, 'start') === exists(appointment, 'end')),
    rule<Appointment>('app-3', 'Only a proposed, cancelled or waitlisted appointment may lack start and end', (appointment) => (exists(appointment, 'start') && exists(appointment, 'end'))
      || withoutTime.has(appointment.status)),
    rule<Appointment>('app-4', 'cancelationReason is for cancelled appointments and no-shows only', (appointment) => !('cancelationReason' in appointment)
      || appointment.status === 'cancelled' || appointment.status === 'noshow'),
  ],
  AuditEvent: [
    rule<AuditEventEntity>('sev-1', 'An entity must not have both name and query', (entity) => !exists(entity, 'name') || !exists(entity, 'query')),
  ],
  CarePlan: [
    rule<CarePlanActivity>('cpl-3', 'An activity must not have both reference and detail', (activity) => !('detail' in activity) || !('reference' in activity)),
  ],
  CareTeam: [
    rule<CareTeamParticipant>('ctm-1', 'onBehalfOf is for members that are a Practitioner only', (participant, resource) => !('onBehalfOf' in participant)
      || (memberType(participant.member?.reference, resource) ?? 'Practitioner') === 'Practitioner'),
  ],
  Condition: [
    rule<ConditionStage>('con-1', 'A stage must have a summary or an assessment', (stage) => 'summary' in stage || 'assessment' in stage),
    rule<ConditionEvidence>('con-2', 'Evidence must have a code or a detail', (evidence) => 'code' in evidence || 'detail' in evidence),
    rule<Condition>('con-4', 'A condition that has abated must have the clinicalStatus inactive, resolved or remission', (condition) => !existsChoice(condition, 'abatement')
      || has(condition.clinicalStatus, conditionClinical, (code) => abated.has(code))),
    rule<Condition>('con-5', 'A condition that was entered in error must have no clinicalStatus', (condition) => !('clinicalStatus' in condition)
      || !has(condition.verificationStatus, conditionVerification, (code) => code === 'entered-in-error')),
  ],
  Consent: [
    rule<Consent>('ppc-1', 'A consent must have a policy or a policyRule', (consent) => 'policy' in consent || 'policyRule' in consent),
    needsPatient('ppc-2', 'patient-privacy'),
    needsPatient('ppc-3', 'research'),
    needsPatient('ppc-4', 'adr'),
    needsPatient('ppc-5', 'treatment'),
  ],
  Goal: [
    rule<GoalTarget>('gol-1', 'A target with a detail must have a measure', (target) => !existsChoice(target, 'detail') || 'measure' in target),
  ],
  Group: [
    rule<Group>('grp-1', 'Only an actual group may have members', (group) => !('member' in group) || group.actual === true),
  ],
  List: [
    rule<List>('lst-1', 'Only an empty list may have an emptyReason', (list) => !('emptyReason' in list) || !('entry' in list)),
    rule<List>('lst-2', 'entry.deleted is for lists of mode changes only', (list) => list.mode === 'changes' || !(list.entry ?? []).some((entry) => exists(entry, 'deleted'))),
    rule<List>('lst-3', 'entry.date is for lists of mode working only', (list) => list.mode === 'working' || !(list.entry ?? []).some((entry) => exists(entry, 'date'))),
  ],
  Observation: [
    rule<ObservationReferenceRange>('obs-3', 'A referenceRange must have low, high or text', (range) => 'low' in range || 'high' in range || exists(range, 'text')),
    rule<Observation>('obs-6', 'dataAbsentReason and value[x] exclude each other', (observation) => !('dataAbsentReason' in observation) || !existsChoice(observation, 'value')),
    rule<Observation>('obs-7', 'An observation whose code is also the code of a component must have no value[x]', (observation) => {
      if (observation.component === undefined || !existsChoice(observation, 'value')) return true;
      const keys = new Set((observation.code.coding ?? []).map(codingKey));
      return !observation.component.some(({ code }) => hasCodingOf(code, keys));
    }),
  ],
  Organization: [
    rule<Organization>('org-1', 'An organization must have a name or an identifier', (organization) => exists(organization, 'name') || 'identifier' in organization),
    rule<Used>('org-2', 'The address of an organization must not be of use home', notAtHome),
    rule<Used>('org-3', 'The contact point of an organization must not be of use home', notAtHome),
  ],
  Patient: [
    rule<PatientContact>('pat-1', 'A contact must have a name, telecom, address or organization', (contact) => 'name' in contact || 'telecom' in contact || 'address' in contact || 'organization' in contact),
  ],
  QuestionnaireResponse: [
    rule<QuestionnaireResponseItem>('qrs-1', 'An item must not have both item and answer', (item) => !('item' in item) || !('answer' in item)),
  ],
  RiskAssessment: [
    rule<Range | number>('ras-1', 'low and high of a probability must be percentages in UCUM', (probability) => typeof probability === 'number'
      || [probability.low, probability.high].every((end) => end === undefined || (end.code === '%' && end.system === 'http://unitsofmeasure.org'))),
    rule<RiskAssessmentPrediction>('ras-2', 'A probability must be at most 100', ({ probabilityDecimal }) => probabilityDecimal === undefined || probabilityDecimal <= 100),
  ],
  ServiceRequest: [
    rule<ServiceRequest>('prr-1', 'orderDetail needs code', (request) => !('orderDetail' in request) || 'code' in request),
  ],
  Task: [
    rule<Task>('inv-1', 'lastModified must not be before authoredOn', ({ authoredOn, lastModified }) => authoredOn === undefined || lastModified === undefined
      || isOrdered(authoredOn, lastModified)),
  ],
};

function memberType(reference: string | undefined, resource: Plain): string | undefined {
  if (reference === undefined) return undefined;
  if (!reference.startsWith('#')) return referencedType(reference);
  const contained = (resource['contained'] ?? []) as readonly { readonly id?: string; readonly resourceType: string }[];
  return contained.find(({ id }) => id === reference.slice(1))?.resourceType;
}

/** FHIRPath `coding.intersect(coding)`: codings equal in all their parts. By set, since both lists are the client's to lengthen. */
function hasCodingOf({ coding = [] }: CodeableConcept, keys: ReadonlySet<string>): boolean {
  return coding.some((each) => keys.has(codingKey(each)));
}

function codingKey({ system, version, code, display, userSelected }: Coding): string {
  return JSON.stringify([system, version, code, display, userSelected]);
}
