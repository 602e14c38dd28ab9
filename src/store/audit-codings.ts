import { sql } from 'kysely';
import { canonicalBase } from '../fhir/canonical.ts';
import { name, type Fragment } from './sql.ts';

export const auditSystems = {
  eventType: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
  dicom: 'http://dicom.nema.org/resources/ontology/DCM',
  restful: 'http://hl7.org/fhir/restful-interaction',
  own: `${canonicalBase}/CodeSystem/interaction`,
  entityType: 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
  resourceTypes: 'http://hl7.org/fhir/resource-types',
  balpEntityType: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType',
  role: 'http://terminology.hl7.org/CodeSystem/object-role',
} as const;

interface Coding { readonly system: string; readonly code: string; readonly display?: string }

const authentication: Coding = { system: auditSystems.dicom, code: '110114', display: 'User Authentication' };
const ownAuthentication = (code: string): { type: Coding; subtype: Coding } => ({ type: authentication, subtype: { system: auditSystems.own, code } });

/** What of the log is no RESTful interaction. Whatever else is not in here and not in `restful` is an operation. */
const others: Readonly<Record<string, { readonly type: Coding; readonly subtype: Coding }>> = {
  login: { type: authentication, subtype: { system: auditSystems.dicom, code: '110122', display: 'Login' } },
  logout: { type: authentication, subtype: { system: auditSystems.dicom, code: '110123', display: 'Logout' } },
  // of the authorization server (src/auth/authorization-event.ts)
  ...Object.fromEntries(['authorization', 'token', 'revocation', 'introspection', 'launch', 'patient-list'].map((each) => [each, ownAuthentication(each)])),
};

/** http://hl7.org/fhir/R4/codesystem-restful-interaction.html */
const restful = ['read', 'vread', 'update', 'patch', 'delete', 'history', 'history-instance', 'history-type', 'history-system', 'create', 'search', 'search-type', 'search-system', 'capabilities', 'transaction', 'batch'];

const rest: Coding = { system: auditSystems.eventType, code: 'rest', display: 'RESTful Operation' };

/** @returns AuditEvent.type and .subtype of an interaction of the log. */
export function kindOf(interaction: string): { readonly type: Coding; readonly subtype: readonly Coding[] } {
  const other = others[interaction];
  if (other !== undefined) return { type: other.type, subtype: [other.subtype] };
  if (restful.includes(interaction)) return { type: rest, subtype: [{ system: auditSystems.restful, code: interaction }] };
  return { type: rest, subtype: [{ system: auditSystems.restful, code: 'operation' }, { system: auditSystems.own, code: interaction }] };
}

/** One coding that rows are rendered with: `code` a constant or what a column says, on the rows that fulfil `where`. */
export interface AuditCoding { readonly system: string | null; readonly code: string | Fragment; readonly where?: Fragment }

const interaction = name('a.interaction');
const among = (list: readonly string[]): Fragment => sql`${interaction} in (${sql.join(list.map((each) => sql.lit(each)))})`;
const isOperation = sql`not ${among([...restful, ...Object.keys(others)])}`;
const isOther = among(Object.keys(others));
const ofRecord = sql`a."patientId" is not null`;
const ofResource = sql`a.entity_id is not null`;
const isQuery = sql`a.query_digest is not null`;

/** The token parameters that AuditEvents are searched by: exactly the codings that the resource is rendered with. */
export const auditCodings: Readonly<Record<string, readonly AuditCoding[]>> = {
  action: [{ system: 'http://hl7.org/fhir/audit-event-action', code: name('a.action::text') }],
  outcome: [{ system: 'http://hl7.org/fhir/audit-event-outcome', code: name('a.outcome::text') }],
  altid: [{ system: null, code: name('a.client') }],
  type: [
    { ...rest, where: sql`not ${isOther}` },
    ...Object.entries(others).map(([each, { type }]) => ({ ...type, where: among([each]) })),
  ],
  subtype: [
    { system: auditSystems.restful, code: interaction, where: among(restful) },
    { system: auditSystems.restful, code: 'operation', where: isOperation },
    { system: auditSystems.own, code: interaction, where: isOperation },
    ...Object.entries(others).map(([each, { subtype }]) => ({ ...subtype, where: among([each]) })),
  ],
  'entity-type': [
    { system: auditSystems.resourceTypes, code: name('a.entity_type'), where: sql`a.entity_type is not null` },
    { system: auditSystems.entityType, code: '1', where: ofRecord },
    { system: auditSystems.entityType, code: '2', where: sql`(${ofResource} or ${isQuery})` },
    { system: auditSystems.balpEntityType, code: 'XrequestId' },
  ],
  'entity-role': [
    { system: auditSystems.role, code: '1', where: ofRecord },
    { system: auditSystems.role, code: '4', where: ofResource },
    { system: auditSystems.role, code: '24', where: isQuery },
  ],
};
