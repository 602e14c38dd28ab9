import { sql } from 'kysely';
import { servedType } from '../fhir/types.ts';
import { limitsOf, type Verb, type Visibility } from '../fhir/visibility.ts';
import { careOf } from './care.ts';
import { deniedRows, openedRows, permittedRows } from './consents.ts';
import type { Connection } from './database.ts';
import { limitSql } from './limits.ts';
import { and, name, or, run, typeLiteral, type Fragment } from './sql.ts';

function reached(visibility: Visibility, alias: string, record?: Fragment): Fragment {
  const { reach } = visibility;
  const patient = name(`${alias}.patient`);
  switch (reach.kind) {
    case 'none': case 'related': return sql`false`;
    case 'all': return sql`true`;
    // reports that are about nobody in particular
    case 'auditor': return sql`${patient} is null`;
    case 'patient': return sql`${patient} = (select self.rid from resource self where self.id = ${reach.patient} and self.type = 'Patient' and self.live)`;
    // the whole caseload once for a statement (1 ms for 40 patients with 400 sessions), or one Patient of it (0.1 ms)
    case 'practitioner': return record === undefined
      ? sql`${patient} = any(array(${careOf(reach.reference)}))`
      : sql`(${patient} = ${record} and exists (${careOf(reach.reference, record)}))`;
  }
}

/** What of a type the reach of a caller leaves, and whether rows need to be looked at for it. */
function access({ reach: { kind }, grants }: Visibility, type: string): 'no' | 'yes' | 'by patient' {
  const served = servedType(type);
  const verbs = grants.get(type);
  if (served === undefined || kind === 'none' || verbs === undefined || !(verbs.has('s') || verbs.has('r'))) return 'no';
  if (kind === 'all' || served.access === 'directory' || (kind === 'auditor' && type === 'AuditEvent')) return 'yes';
  return served.access === 'system' ? 'no' : 'by patient';
}

/**
 * What labels leave of rows: a practitioner's access has no entries that a client keeps private, a patient's no notes of
 * clinicians, a relative's neither; a Consent that names an entry opens it.
 */
export function forAudience(visibility: Visibility, types: readonly string[], alias: string): Fragment[] {
  const { reach, restricted } = visibility;
  const [forOneSide, forClient] = [name(`${alias}.restricted`), name(`${alias}.private`)];
  const opened = openedRows(visibility, types, alias);
  if (reach.kind === 'related') return [opened === undefined ? sql`not ${forOneSide}` : sql`(not ${forOneSide} or (${forClient} and ${opened}))`];
  if (!restricted) return reach.kind === 'auditor' ? [] : [sql`(not ${forOneSide} or ${forClient})`];
  return reach.kind === 'all' ? [] : [opened === undefined ? sql`not ${forClient}` : sql`(not ${forClient} or ${opened})`];
}

/** Whose record, which labels and what Consents say: all but the limits of granular scopes. */
function conditions(visibility: Visibility, types: readonly string[], alias: string, byPatient: boolean, record?: Fragment): Fragment[] {
  const list: Fragment[] = [];
  if (byPatient) {
    const permitted = permittedRows(visibility, types, alias);
    list.push(or([reached(visibility, alias, record), ...(permitted === undefined ? [] : [record === undefined ? permitted : sql`(${name(`${alias}.patient`)} = ${record} and ${permitted})`])]));
    const denied = deniedRows(visibility, types, alias);
    if (denied !== undefined) list.push(sql`(${denied}) is not true`);
  }
  return [...list, ...forAudience(visibility, types, alias)];
}

/**
 * As `visiblePredicate` without the limits of granular scopes: those are about the content of a version, which index rows
 * tell of the live one only. Who reads other versions looks at their content (`within` in fhir/visibility.ts).
 */
export function reachedPredicate(visibility: Visibility, type: string, alias: string, record?: Fragment): Fragment {
  const allowed = access(visibility, type);
  return allowed === 'no' ? sql`false` : and(conditions(visibility, [type], alias, allowed === 'by patient', record));
}

/**
 * The wall between callers and rows: stands on every reference to `resource` in every query.
 * @param alias the alias of `resource` in the query; its rows are of `type`, and live.
 * @param record the rid of the one Patient whose record the query is confined to, or the column `patient` of the row where the
 *   query reads a single row: then only that Patient's care relations are looked at, not the caller's whole caseload.
 * @param verb what the query does with the rows: limits of granular scopes are those of the verb, and where none is said of
 *   reading and of searching.
 * @returns a condition that holds exactly for the rows that `visibility` lets its caller see (of `record`, where it is given).
 */
export function visiblePredicate(visibility: Visibility, type: string, alias: string, record?: Fragment, verb?: Verb): Fragment {
  return and([reachedPredicate(visibility, type, alias, record), ...limitSql(limitsOf(visibility, type, verb), alias)]);
}

/**
 * As `visiblePredicate`, for rows that may be of any of `types`.
 * @returns a condition that also confines the rows to those types.
 */
export function visibleAmong(visibility: Visibility, types: readonly string[], alias: string, verb?: Verb): Fragment {
  const column = name(`${alias}.type`);
  const isLimited = (type: string): boolean => limitsOf(visibility, type, verb).length > 0;
  const plain = types.filter((type) => !isLimited(type));
  const among = (list: readonly string[]): Fragment => sql`${column} in (${sql.join(list.map(typeLiteral))})`;
  const groups: Fragment[] = [];
  for (const allowed of ['yes', 'by patient'] as const) {
    const list = plain.filter((type) => access(visibility, type) === allowed);
    if (list.length > 0) groups.push(sql`(${and([among(list), ...conditions(visibility, list, alias, allowed === 'by patient')])})`);
  }
  for (const type of types.filter(isLimited)) groups.push(sql`(${and([among([type]), visiblePredicate(visibility, type, alias, undefined, verb)])})`);
  return or(groups);
}

/**
 * The Patients among `ids` whose record the caller may reach by a relation of care: the same rule for a write, whose row does
 * not exist yet. What Consents say comes on top (store/decide.ts).
 * @param held resources that may be there: the Patients whose record holds them count too.
 * @returns their rids.
 */
export async function loadReachable(connection: Connection, visibility: Visibility, ids: readonly string[], held: readonly { readonly type: string; readonly id: string }[]): Promise<Set<bigint>> {
  const holders = held.length === 0 ? sql`` : sql` union select v.patient from unnest(${held.map(({ type }) => type)}::text[], ${held.map(({ id }) => id)}::text[]) k(type, id) join resource v on v.id = k.id and v.type = k.type`;
  const rows = await run<{ rid: bigint }>(connection, sql`
    select p.rid from (select o.rid from resource o where o.id = any(${ids}::text[]) and o.type = 'Patient' and o.live${holders}) of
    join resource p on p.type = 'Patient' and p.rid = of.rid and p.live and ${reached(visibility, 'p', name('p.patient'))}`);
  return new Set(rows.map(({ rid }) => rid));
}
