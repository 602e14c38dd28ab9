import { sql } from 'kysely';
import { hotColumns, indexRows } from '../fhir/extract.ts';
import type { IndexRows } from '../fhir/index-rows.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { containedNumber } from '../fhir/search-parameters.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { servedTypes } from '../fhir/types.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { bounded, rowColumns, type Row } from './row.ts';
import { admitted, matchConditions } from './search.ts';
import { recordOf } from './search-walk.ts';
import { and, literal, name, run, typeLiteral, type Fragment } from './sql.ts';
import { visibleAmong } from './visible.ts';

/** A contained resource that matches, and what contains it. */
export interface Contained {
  readonly container: Row;
  /** Its place in `contained`. */
  readonly at: number;
}

/** Containers that one search looks into. */
const mostContainers = 1000;

/**
 * Searches the resources of the plan's type that are contained in others, newest container first. Contained resources have no
 * rows of their own, so that they cost a write nothing but one row that says of which types they are: here they are read out
 * of the containers that the caller sees, and the conditions run over them as if they stood in the tables beside all else.
 * Their record is the container's.
 * @throws Problem as `search` does; `too-costly` when more contain such a resource than are looked into.
 */
export async function searchContained(connection: Connection, plan: SearchPlan, visibility: Visibility): Promise<Contained[]> {
  const tests = admitted(plan, visibility);
  const containers = await containersOf(connection, plan, visibility);
  const given = containers.flatMap((container) => {
    const { contained = [] } = JSON.parse(container.body) as { contained?: Resource[] };
    return contained.flatMap((resource, at) => (resource.resourceType === plan.type ? [{ container, at, resource }] : []));
  });
  if (given.length === 0) return [];
  // below every rid there is, in the order of the containers
  const rids = given.map((_, at) => String(-1 - at));
  const hot = given.map(({ resource }) => hotColumns(resource));
  const rows = given.map(({ resource }) => indexRows(resource));
  const found = await run<{ rid: bigint }>(connection, sql`with
    given as (
      select g.*, c.version, c.restricted, c.private, c.patient, c.last_updated from
      unnest(${rids}::bigint[], ${given.map(({ container }) => String(container.rid))}::bigint[], ${given.map(({ resource }) => resource.id ?? '')}::text[], ${hot.map(({ status }) => status)}::text[],
        ${hot.map(({ dateLow }) => dateLow)}::timestamptz[], ${hot.map(({ dateHigh }) => dateHigh)}::timestamptz[]) g(rid, container, id, status, date_low, date_high)
      join resource c on c.rid = g.container and c.live),
    resource as not materialized (
      select type, id, version, rid, live, restricted, private, patient, status, date_low, date_high, last_updated, body from resource
      union all select ${typeLiteral(plan.type)}::text collate "C", id collate "C", version, rid, true, restricted, private, patient, status collate "C", date_low, date_high, last_updated, null::text from given),
    ${sql.join(tables.map((table) => beside(table, rows, rids)))}
    select r.rid from resource r where r.rid < 0 and ${and(matchConditions(plan, tests, visibility))} order by r.rid desc`, 'for its values');
  return found.map(({ rid }) => given[Number(-1n - rid)]!);
}

/** What the caller sees of what contains a resource of the plan's type; within the record that the plan is about. */
async function containersOf(connection: Connection, plan: SearchPlan, visibility: Visibility): Promise<Row[]> {
  const types = servedTypes.filter((type) => type !== 'AuditEvent' && grants(visibility, type, 's'));
  const record = recordOf(plan.tests, visibility, plan.type);
  const rows = await run<Row>(connection, bounded(sql`select ${rowColumns('r')} from index_token x join resource r on r.rid = x.rid and r.live
    where x.param = ${literal(containedNumber)} and x.code = ${plan.type} and ${record === undefined ? sql`true` : sql`r.patient = ${record}`}
      and ${visibleAmong(visibility, types, 'r', 's')} order by r.rid desc limit ${literal(mostContainers + 1)}`, 0), 'for its values');
  if (rows.length > mostContainers || rows.some(({ body }) => (body as string | null) === null)) {
    throw problem('malformed', 'too-costly', `More than ${mostContainers} resources, or too large ones, contain a ${plan.type}, and each would be looked into: name a patient.`, 'http._contained');
  }
  return rows;
}

/** An index table: the columns of its rows, by the names that extraction gives them. */
interface Table { readonly kind: keyof IndexRows; readonly columns: readonly (readonly [column: string, type: string, key: string])[] }

const tables: readonly Table[] = [
  { kind: 'token', columns: [['code', 'text', 'code'], ['system', 'bigint', 'system']] },
  { kind: 'reference', columns: [['target_id', 'text', 'targetId'], ['target_type', 'text', 'targetType']] },
  { kind: 'date', columns: [['low', 'timestamptz', 'low'], ['high', 'timestamptz', 'high']] },
  { kind: 'string', columns: [['value', 'text', 'value'], ['exact', 'text', 'exact']] },
  { kind: 'uri', columns: [['value', 'text', 'value'], ['version', 'text', 'version']] },
  { kind: 'quantity', columns: [['code', 'text', 'code'], ['system', 'bigint', 'system'], ['low', 'numeric', 'low'], ['high', 'numeric', 'high']] },
];

/** The table with the rows of contained resources beside its own, under its own name. */
function beside({ kind, columns }: Table, rows: readonly IndexRows[], rids: readonly string[]): Fragment {
  const all = rows.flatMap((of, at) => (of[kind] as unknown as readonly Readonly<Record<string, string | number | bigint | null>>[]).map((row) => ({ row, rid: rids[at]! })));
  const values = columns.map(([, type, key]) => sql`${all.map(({ row }) => (row[key] === null ? null : String(row[key])))}::${name(`${type}[]`)}`);
  const list = columns.map(([column]) => column).join(', ');
  const collated = columns.map(([column, type]) => `g.${column}${type === 'text' ? ' collate "C"' : ''}`).join(', ');
  const table = name(`index_${kind}`);
  return sql`${table} as not materialized (
    select param, ${name(list)}, rid, patient from ${table}
    union all select g.param, ${name(collated)}, g.rid, v.patient
    from unnest(${all.map(({ row }) => row['param'])}::integer[], ${sql.join(values)}, ${all.map(({ rid }) => rid)}::bigint[]) g(param, ${name(list)}, rid) join given v on v.rid = g.rid)`;
}
