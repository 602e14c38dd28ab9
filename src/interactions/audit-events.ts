import { problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { subset } from '../fhir/subset.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { auditSystems, kindOf } from '../store/audit-codings.ts';
import { countAuditLog, readAuditEvent, searchAuditLog, type AuditEventRow, type AuditPosition } from '../store/audit-search.ts';
import { accessRows } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import { openPage, sealPage } from './paging.ts';
import type { Query } from './route.ts';

const dicom = (code: string, display: string): object => ({ coding: [{ system: auditSystems.dicom, code, display }] });
const source = dicom('110153', 'Source Role ID');
const destination = dicom('110152', 'Destination Role ID');
const participant = (code: string, display: string): object => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code, display }] });
const recipient = participant('IRCP', 'information recipient');
const author = participant('AUT', 'author (originator)');

const systemObject = { system: auditSystems.entityType, code: '2', display: 'System Object' };
const domainResource = { system: auditSystems.role, code: '4', display: 'Domain Resource' };

/**
 * The AuditEvent resource of one row after IHE Basic Audit Log Patterns (https://profiles.ihe.net/ITI/BALP): identifiers only,
 * no content. A query may name several people, and an address says where somebody works: only who reaches every record is
 * shown them.
 */
function auditEvent(row: AuditEventRow, { reach }: Visibility, baseUrl: string): string {
  const whole = reach.kind === 'all' || reach.kind === 'auditor';
  const { type, subtype } = kindOf(row.interaction);
  return JSON.stringify({
    resourceType: 'AuditEvent',
    id: row.id,
    meta: { versionId: '1', lastUpdated: row.recorded, ...(whole ? profiled(row) : {}) },
    type,
    subtype,
    action: row.action,
    recorded: row.recorded,
    outcome: row.outcome,
    ...(row.purpose === null ? {} : { purposeOfEvent: purposeOf(row.purpose) }),
    agent: agentsOf(row, whole, baseUrl),
    source: { observer: { display: 'Intersession' }, type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4', display: 'Application Server' }] },
    entity: entitiesOf(row, whole),
  });
}

const purposeOf = (code: string): object[] => [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code }] }];

/** What was read flows from the server to the client; what was written or asked for, the other way. */
function agentsOf(row: AuditEventRow, whole: boolean, baseUrl: string): object[] {
  const reading = row.action === 'R';
  const { hostname } = new URL(baseUrl);
  const person = row.agent === null ? [] : [{
    type: reading || row.action === 'E' ? recipient : author, who: { reference: row.agent }, requestor: true,
    ...(row.purpose === null ? {} : { purposeOfUse: purposeOf(row.purpose) }),
  }];
  return [
    {
      type: reading ? destination : source, who: { identifier: { value: row.client } }, altId: row.client, requestor: row.agent === null,
      ...(row.address === null || !whole ? {} : { network: { address: row.address, type: '2' } }),
    },
    { type: reading ? source : destination, who: { display: 'Intersession' }, requestor: false, network: { address: hostname, type: /^[\d.]+$|^\[/.test(hostname) ? '2' : '1' } },
    ...person,
  ];
}

function entitiesOf(row: AuditEventRow, whole: boolean): object[] {
  const { entityType, entityId, version, query } = row;
  return [
    ...(entityType === null ? [] : [{ type: { system: auditSystems.resourceTypes, code: entityType }, what: { type: entityType } }]),
    ...(entityType === null || entityId === null ? [] : [{ type: systemObject, role: domainResource, what: { reference: `${entityType}/${entityId}${version === null ? '' : `/_history/${version}`}` } }]),
    ...(query === null || !whole ? [] : [{ type: systemObject, role: { system: auditSystems.role, code: '24', display: 'Query' }, query: Buffer.from(query).toString('base64') }]),
    ...(row.patientId === null ? [] : [{
      type: { system: auditSystems.entityType, code: '1', display: 'Person' }, role: { system: auditSystems.role, code: '1', display: 'Patient' },
      what: { reference: `Patient/${row.patientId}` },
    }]),
    { type: { system: auditSystems.balpEntityType, code: 'XrequestId' }, what: { identifier: { value: row.requestId } } },
  ];
}

const balp = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';

/** The profile that a row fulfils as it is rendered whole: those of successes with a known address. */
function profiled({ interaction, outcome, address, entityId, query, patientId }: AuditEventRow): { profile?: string[] } {
  if (outcome !== '0' || address === null) return {};
  const of = patientId === null ? '' : 'Patient';
  if ((interaction === 'read' || interaction === 'vread') && entityId !== null) return { profile: [`${balp}${of}Read`] };
  if (interaction === 'create' && entityId !== null) return { profile: [`${balp}${of}Create`] };
  if (interaction === 'update' && entityId !== null) return { profile: [`${balp}${of}Update`] };
  if (interaction.startsWith('search-') && query !== null) return { profile: [`${balp}${of}Query`] };
  return {};
}

/** read of an AuditEvent. Reading the access log is itself logged. */
export async function readAudit(context: Context, id: string): Promise<Answer> {
  const row = await readAuditEvent(context.database, context.visibility, id);
  if (row === undefined) throw problem('not-found', 'not-found', 'No such AuditEvent.');
  await context.audit.record(accessRows(context, { interaction: 'read', type: 'AuditEvent', id, patients: [row.patient] }));
  return { status: 200, headers: { etag: 'W/"1"' }, body: auditEvent(row, context.visibility, context.baseUrl) };
}

/**
 * search of AuditEvents: rendered from the access log, newest first.
 * @throws Problem `not-supported` for an include: the log is not kept with the other resources.
 */
export async function searchAuditEvents(context: Context, query: Query, compartment?: string): Promise<Answer> {
  const plan = parseSearch('AuditEvent', query, { handling: context.prefer.handling, ...(compartment === undefined ? {} : { compartment: { type: 'Patient', id: compartment } }) });
  if (plan.includes.length + plan.revincludes.length > 0) throw problem('not-supported', 'not-supported', 'A search of AuditEvents includes nothing: follow their references.', plan.includes.length > 0 ? 'http._include' : 'http._revinclude');
  if (plan.contained !== 'false') throw problem('not-supported', 'not-supported', 'AuditEvents are contained in nothing.', 'http._contained');
  const path = compartment === undefined ? 'AuditEvent' : `Patient/${compartment}/AuditEvent`;
  const asked = new URLSearchParams(plan.applied as [string, string][]).toString();
  const binding = `${path}?${asked}`;
  const after = plan.page === null ? undefined : openPage<AuditPosition>(context, binding, plan.page);
  const [rows, counted] = await Promise.all([
    plan.count === 0 ? [] : searchAuditLog(context.database, plan, context.visibility, after),
    plan.total === null || plan.total === 'none' ? undefined : countAuditLog(context.database, plan, context.visibility),
  ]);
  const shown = rows.slice(0, plan.count);
  await context.audit.record(accessRows(context, { interaction: 'search-type', type: 'AuditEvent', query: asked, patients: shown.map(({ patient }) => patient) }));
  const last = shown.at(-1);
  const next = rows.length > plan.count && last !== undefined ? sealPage(context, binding, { recorded: last.recorded, id: last.id } satisfies AuditPosition) : undefined;
  const links = [
    { relation: 'self', url: `${context.baseUrl}/${binding}` },
    ...(next === undefined ? [] : [{ relation: 'next', url: `${context.baseUrl}/${binding}${binding.endsWith('?') ? '' : '&'}_page=${next}` }]),
  ];
  const entries = shown.map((row) => `{"fullUrl":${JSON.stringify(`${context.baseUrl}/AuditEvent/${row.id}`)},"resource":${shaped(auditEvent(row, context.visibility, context.baseUrl), plan)},"search":{"mode":"match"}}`);
  const total = counted ?? (after === undefined && rows.length <= plan.count ? rows.length : undefined);
  return { status: 200, body: `{"resourceType":"Bundle","type":"searchset"${total === undefined ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}${entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`}}` };
}

const shaped = (text: string, plan: SearchPlan): string => (plan.summary !== 'false' || plan.elements.length > 0 ? subset(text, plan) : text);
