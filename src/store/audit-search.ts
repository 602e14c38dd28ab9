import { sql } from 'kysely';
import { problem } from '../fhir/outcome.ts';
import { hash64 } from '../fhir/search-parameters.ts';
import type { SearchPlan, Test, TokenValue } from '../fhir/search-plan.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { auditCodings, type AuditCoding } from './audit-codings.ts';
import type { Connection } from './database.ts';
import type { AuditRow } from './effects.ts';
import { instant } from './load.ts';
import { compareInstant } from './search-compare.ts';
import { and, literal, or, run, type Fragment } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** One event of the access log as it is read. */
export interface AuditEventRow extends AuditRow {
  readonly recorded: string;
  readonly patientId: string | null;
  readonly purpose: string | null;
}

/** Where a page ended. */
export interface AuditPosition { readonly recorded: string; readonly id: string }

// The log names resources, so an event about a restricted one is itself restricted: in a patient's app it would say that
// there is a note. The newest version tells, as for a read. The predicate is the one of every query. Whose record an event is
// about stays known after the Patient was deleted or erased.
const source: Fragment = sql`(
  select e.*, q.query, coalesce(n.restricted, false) as restricted, coalesce(n.private, false) as private, p.id as "patientId"
  from audit_event e left join audit_query q on q.event = e.id
  left join lateral (select s.id from resource s where s.type = 'Patient' and s.rid = e.patient limit 1) p on true
  left join lateral (select l.restricted, l.private from resource l where l.id = e.entity_id and l.type = e.entity_type order by l.version desc limit 1) n on true) a`;
const columns: Fragment = sql.raw(`a.id, ${instant('a.recorded')} as recorded, a.interaction, a.action, a.outcome, a.client, a.agent, a.patient, a."patientId", a.entity_type as "entityType", a.entity_id as "entityId", a.version, a.query, a.request_id as "requestId", host(a.address) as address, a.purpose`);

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @returns the event `id` where the caller may see it. */
export async function readAuditEvent(connection: Connection, visibility: Visibility, id: string): Promise<AuditEventRow | undefined> {
  if (!uuid.test(id)) return undefined;
  const rows = await run<AuditEventRow>(connection, sql`select ${columns} from ${source} where a.id = ${id}::uuid and ${visiblePredicate(visibility, 'AuditEvent', 'a')}`);
  return rows[0];
}

/**
 * @returns up to plan.count + 1 events, newest first (the log is kept in its own order; another `_sort` is refused).
 * @throws Problem `not-supported` for a parameter that the log does not hold.
 */
export async function searchAuditLog(connection: Connection, plan: SearchPlan, visibility: Visibility, after?: AuditPosition): Promise<AuditEventRow[]> {
  const conditions = plan.tests.map((test) => condition(test, visibility));
  const ascending = plan.sort.length === 1 && !plan.sort[0]!.descending && codeOf(plan.sort[0]!.by) === 'date';
  if (plan.sort.length > 1 || (plan.sort.length === 1 && codeOf(plan.sort[0]!.by) !== 'date')) {
    throw problem('not-supported', 'not-supported', 'AuditEvent is sorted by date only: _sort=-date (the default) or _sort=date.', 'http._sort');
  }
  if (after !== undefined) {
    const keys = sql`(a.recorded, a.id)`;
    const last = sql`(${after.recorded}::timestamptz, ${after.id}::uuid)`;
    conditions.push(ascending ? sql`${keys} > ${last}` : sql`${keys} < ${last}`);
  }
  const direction = sql.raw(ascending ? 'asc' : 'desc');
  return run<AuditEventRow>(connection, sql`
    select ${columns} from ${source} where ${and([visiblePredicate(visibility, 'AuditEvent', 'a'), ...conditions])}
    order by a.recorded ${direction}, a.id ${direction} limit ${literal(plan.count + 1)}`);
}

/** @returns how many events match. @throws Problem as `searchAuditLog` does. */
export async function countAuditLog(connection: Connection, plan: SearchPlan, visibility: Visibility): Promise<number> {
  const conditions = plan.tests.map((test) => condition(test, visibility));
  const rows = await run<{ total: number }>(connection, sql`select count(*)::integer as total from ${source} where ${and([visiblePredicate(visibility, 'AuditEvent', 'a'), ...conditions])}`);
  return rows[0]!.total;
}

const codeOf = (by: SearchPlan['sort'][number]['by']): string => (typeof by === 'string' ? by : by.code);

/** Parameters that AuditEvents are searched by here. */
export const auditParameters: readonly string[] = ['_id', '_lastUpdated', 'action', 'address', 'agent', 'altid', 'date', 'entity', 'entity-role', 'entity-type', 'outcome', 'patient', 'subtype', 'type'];

function condition(test: Test, visibility: Visibility): Fragment {
  switch (test.kind) {
    case 'id': {
      const ids = test.ids.filter((id) => uuid.test(id));
      return test.negated ? sql`a.id <> all(${ids}::uuid[])` : sql`a.id = any(${ids}::uuid[])`;
    }
    case 'updated': return or(test.values.map((value) => compareInstant(sql`a.recorded`, value)));
    case 'compartment': return sql`a."patientId" = ${test.patient}`;
    case 'nothing': return sql`false`;
    case 'date': if (test.parameter.code === 'date') return or(test.values.map((value) => compareInstant(sql`a.recorded`, value))); break;
    case 'token': {
      const found = auditCodings[test.parameter.code];
      if (found === undefined) break;
      const matches = or(test.values.flatMap((value) => found.flatMap((coding) => coded(coding, value))));
      return test.negated ? sql`not coalesce(${matches}, false)` : matches;
    }
    case 'string':
      // where somebody sat is for auditors only: for others the element is not there
      if (test.parameter.code === 'address') return visibility.reach.kind !== 'all' ? sql`false` : or(test.values.map((value) => (test.match === 'exact' ? sql`host(a.address) = ${value}` : test.match === 'contains' ? sql`position(${value} in host(a.address)) > 0` : sql`starts_with(host(a.address), ${value})`)));
      break;
    case 'reference': {
      const targets = references[test.parameter.code];
      if (targets !== undefined) return or(test.values.flatMap((value) => targets.map((column) => (value.kind === 'url' ? sql`false` : value.type === null ? sql`right(${column}, ${value.id.length + 1}) = ${`/${value.id}`}` : sql`${column} = ${`${value.type}/${value.id}`}`))));
      break;
    }
    default: break;
  }
  throw problem('not-supported', 'not-supported', `AuditEvent is searched by ${auditParameters.join(', ')}, with no modifier but :not of a code.`, 'http');
}

const patientReference = sql`'Patient/' || a."patientId"`;
const entityReference = sql`a.entity_type || '/' || a.entity_id`;
/** `patient` is narrower than R4 has it: whose record it was. Who looked is `agent`. */
const references: Readonly<Record<string, readonly Fragment[]>> = {
  patient: [patientReference], agent: [sql`a.agent`], entity: [entityReference, patientReference],
};

function coded({ system, code, where }: AuditCoding, value: TokenValue): Fragment[] {
  if (value.system !== null && value.system !== (system === null ? '0' : String(hash64(system)))) return [];
  if (value.code !== null && typeof code === 'string' && code !== value.code) return [];
  const same = value.code === null || typeof code === 'string' ? [] : [sql`${code} = ${value.code}`];
  return [and([...same, ...(where === undefined ? [] : [where])])];
}
