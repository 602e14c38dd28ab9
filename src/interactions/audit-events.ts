import { problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { readAuditEvent, searchAuditLog, type AuditEventRow, type AuditPosition } from '../store/audit-search.ts';
import { accessRows } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import { openPage, sealPage } from './paging.ts';
import type { Query } from './route.ts';

const restful = { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest', display: 'RESTful Operation' };
const interactions = 'http://hl7.org/fhir/restful-interaction';

/**
 * The AuditEvent resource of one row (shaped after IHE Basic Audit Log Patterns; identifiers only, no content). A query may
 * name several people: only who reaches every record is shown it.
 */
function auditEvent(row: AuditEventRow, { reach }: Visibility): string {
  const query = row.query === null || reach.kind !== 'all' ? {} : { query: Buffer.from(row.query).toString('base64') };
  const entity = [
    ...(row.entityType === null ? [] : [{
      what: row.entityId === null ? { type: row.entityType } : { reference: `${row.entityType}/${row.entityId}${row.version === null ? '' : `/_history/${row.version}`}` },
      type: { system: 'http://hl7.org/fhir/resource-types', code: row.entityType },
      ...query,
    }]),
    ...(row.patientId === null ? [] : [{
      what: { reference: `Patient/${row.patientId}` },
      type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '1', display: 'Person' },
      role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '1', display: 'Patient' },
    }]),
    { what: { identifier: { value: row.requestId } }, type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' } },
  ];
  return JSON.stringify({
    resourceType: 'AuditEvent',
    id: row.id,
    meta: { versionId: '1', lastUpdated: row.recorded },
    type: restful,
    subtype: [{ system: interactions, code: row.interaction }],
    action: row.action,
    recorded: row.recorded,
    outcome: row.outcome,
    agent: [
      {
        type: { coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: '110153', display: 'Source Role ID' }] },
        who: { identifier: { value: row.client } }, requestor: row.agent === null,
        ...(row.address === null ? {} : { network: { address: row.address, type: '2' } }),
      },
      ...(row.agent === null ? [] : [{ who: { reference: row.agent }, requestor: true }]),
    ],
    source: { observer: { display: 'Intersession' } },
    entity,
  });
}

/** read of an AuditEvent. Reading the access log is itself logged. */
export async function readAudit(context: Context, id: string): Promise<Answer> {
  const row = await readAuditEvent(context.database, context.visibility, id);
  if (row === undefined) throw problem('not-found', 'not-found', 'No such AuditEvent.');
  await context.audit.record(accessRows(context, { interaction: 'read', type: 'AuditEvent', id }));
  return { status: 200, headers: { etag: 'W/"1"' }, body: auditEvent(row, context.visibility) };
}

/** search of AuditEvents: rendered from the access log, newest first. */
export async function searchAuditEvents(context: Context, query: Query, compartment?: string): Promise<Answer> {
  const plan = parseSearch('AuditEvent', query, { handling: context.prefer.handling, ...(compartment === undefined ? {} : { compartment: { type: 'Patient', id: compartment } }) });
  const path = compartment === undefined ? 'AuditEvent' : `Patient/${compartment}/AuditEvent`;
  const binding = `${path}?${new URLSearchParams(plan.applied as [string, string][]).toString()}`;
  const after = plan.page === null ? undefined : openPage<AuditPosition>(context, binding, plan.page);
  const rows = await searchAuditLog(context.database, plan, context.visibility, after);
  await context.audit.record(accessRows(context, { interaction: 'search-type', type: 'AuditEvent', query: binding }));
  const shown = rows.slice(0, plan.count);
  const last = shown.at(-1);
  const next = rows.length > plan.count && last !== undefined ? sealPage(context, binding, { recorded: last.recorded, id: last.id } satisfies AuditPosition) : undefined;
  const links = [
    { relation: 'self', url: `${context.baseUrl}/${binding}` },
    ...(next === undefined ? [] : [{ relation: 'next', url: `${context.baseUrl}/${binding}${binding.endsWith('?') ? '' : '&'}_page=${next}` }]),
  ];
  const entries = shown.map((row) => `{"fullUrl":${JSON.stringify(`${context.baseUrl}/AuditEvent/${row.id}`)},"resource":${auditEvent(row, context.visibility)},"search":{"mode":"match"}}`);
  return { status: 200, body: `{"resourceType":"Bundle","type":"searchset","link":${JSON.stringify(links)}${entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`}}` };
}
