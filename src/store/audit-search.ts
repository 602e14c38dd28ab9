import { sql } from 'kysely';
import { problem } from '../fhir/outcome.ts';
import type { SearchPlan, Test } from '../fhir/search-plan.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import type { AuditRow } from './effects.ts';
import { instant } from './load.ts';
import { compareInstant, oneOf } from './search-compare.ts';
import { and, literal, or, run, type Fragment } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** One event of the access log as it is read. */
export interface AuditEventRow extends Omit<AuditRow, 'patient'> {
  readonly recorded: string;
  readonly patientId: string | null;
}

/** Where a page ended. */
export interface AuditPosition { readonly recorded: string; readonly id: string }

// The log names resources, so an event about a restricted one is itself restricted: in a patient's app it would say that
// there is a note. The newest version tells, as for a read. The predicate is the one of every query.
const source: Fragment = sql`(
  select e.*, coalesce(n.restricted, false) as restricted, coalesce(n.private, false) as private, p.id as "patientId"
  from audit_event e left join resource p on p.type = 'Patient' and p.rid = e.patient and p.live
  left join lateral (select l.restricted, l.private from resource l where l.id = e.entity_id and l.type = e.entity_type order by l.version desc limit 1) n on true) a`;
const columns: Fragment = sql.raw(`a.id, ${instant('a.recorded')} as recorded, a.interaction, a.action, a.outcome, a.client, a.agent, a."patientId", a.entity_type as "entityType", a.entity_id as "entityId", a.version, a.query, a.request_id as "requestId", host(a.address) as address`);

/** @returns the event `id` where the caller may see it. */
export async function readAuditEvent(connection: Connection, visibility: Visibility, id: string): Promise<AuditEventRow | undefined> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return undefined;
  const rows = await run<AuditEventRow>(connection, sql`select ${columns} from ${source} where a.id = ${id}::uuid and ${visiblePredicate(visibility, 'AuditEvent', 'a')}`);
  return rows[0];
}

/**
 * @returns up to plan.count + 1 events, newest first (the log is kept in its own order; another `_sort` is refused).
 * @throws Problem `not-supported` for a parameter that the log does not hold.
 */
export async function searchAuditLog(connection: Connection, plan: SearchPlan, visibility: Visibility, after?: AuditPosition): Promise<AuditEventRow[]> {
  const conditions = plan.tests.map(condition);
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

const codeOf = (by: SearchPlan['sort'][number]['by']): string => (typeof by === 'string' ? by : by.code);

const tokenColumns: ReadonlyMap<string, string> = new Map([['action', 'a.action::text'], ['outcome', 'a.outcome::text'], ['subtype', 'a.interaction'], ['entity-type', 'a.entity_type']]);

function condition(test: Test): Fragment {
  switch (test.kind) {
    case 'id': return sql`a.id::text = any(${test.ids})`;
    case 'updated': return or(test.values.map((value) => compareInstant(sql`a.recorded`, value)));
    case 'compartment': return sql`a."patientId" = ${test.patient}`;
    case 'date': if (test.parameter.code === 'date') return or(test.values.map((value) => compareInstant(sql`a.recorded`, value))); break;
    case 'token': {
      const column = tokenColumns.get(test.parameter.code);
      const codes = test.values.flatMap(({ code }) => (code === null ? [] : [code]));
      if (column !== undefined) return test.negated ? sql`not ${oneOf(sql.raw(column), codes)}` : oneOf(sql.raw(column), codes);
      break;
    }
    case 'reference': {
      const column = test.parameter.code === 'patient' ? sql`'Patient/' || a."patientId"` : test.parameter.code === 'agent' ? sql`a.agent` : test.parameter.code === 'entity' ? sql`a.entity_type || '/' || a.entity_id` : null;
      if (column !== null) return or(test.values.map((value) => (value.kind === 'url' ? sql`false` : value.type === null ? sql`right(${column}, ${value.id.length + 1}) = ${`/${value.id}`}` : sql`${column} = ${`${value.type}/${value.id}`}`)));
      break;
    }
    default: break;
  }
  throw problem('not-supported', 'not-supported', 'AuditEvent is searched by _id, date, patient, agent, entity, entity-type, action, subtype and outcome.', 'http');
}
