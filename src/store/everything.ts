import { sql } from 'kysely';
import { searchParameter, searchParameters } from '../fhir/search-parameters.ts';
import { isCanonical } from '../fhir/search-values.ts';
import { servedType, servedTypes } from '../fhir/types.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { rowColumns, type Row } from './row.ts';
import { and, literal, name, run, type Fragment } from './sql.ts';
import { visibleAmong } from './visible.ts';

/** Where a page ended: `head` while the Patient itself was the last. */
export interface EverythingPosition { readonly part: 'record' | 'directory'; readonly head: boolean; readonly rid: string }

/** What of a patient's record is asked for. Times are FHIR instants. */
export interface EverythingQuery {
  /** rid of the Patient. */
  readonly patient: bigint;
  readonly types: readonly string[];
  readonly count: number;
  /** Changed at or after this time. */
  readonly since?: string;
  /** Clinical dates that meet [start, end); what has none always does. */
  readonly start?: string;
  readonly end?: string;
  readonly after?: EverythingPosition;
}

const ofAccess = (access: string): readonly string[] => servedTypes.filter((type) => servedType(type)!.access === access && servedType(type)!.writtenBy === undefined);

/** Types whose resources are part of a patient's record. */
export const recordTypes = ofAccess('patient');
/** Types of resources that records refer to and share. */
export const directoryTypes = ofAccess('directory');

/** How far references are followed: from a record to a role, from the role to its practitioner. */
const furthest = 2;

/** The rows `r` of the record, whatever their type, whose clinical date is asked for. */
function inRecord(visibility: Visibility, { patient, start, end }: EverythingQuery, types: readonly string[]): Fragment[] {
  const dates = [
    ...(start === undefined ? [] : [sql`r.date_high > ${start}::timestamptz`]),
    ...(end === undefined ? [] : [sql`r.date_low < ${end}::timestamptz`]),
  ];
  return [
    sql`r.patient = ${String(patient)}::bigint`, sql`r.live`, visibleAmong(visibility, types, 'r'),
    // the date of a Patient is the day of birth, which is no date of care
    ...(dates.length === 0 ? [] : [sql`(r.type = 'Patient' or r.date_low is null or ${and(dates)})`]),
  ];
}

const changed = ({ since }: EverythingQuery, alias: string): Fragment[] =>
  (since === undefined ? [] : [sql`${name(`${alias}.last_updated`)} >= ${since}::timestamptz`]);

/** @returns up to `limit` resources of the record, the Patient first, then in the order in which they were created. */
export async function readEverything(connection: Connection, visibility: Visibility, query: EverythingQuery, limit: number): Promise<Row[]> {
  const types = query.types.filter((type) => recordTypes.includes(type));
  const { after } = query;
  if (types.length === 0 || after?.part === 'directory') return [];
  const beyond = after === undefined ? [] : [sql`(r.type <> 'Patient', r.rid) > (${!after.head}::boolean, ${after.rid}::bigint)`];
  return run<Row>(connection, sql`
    select ${rowColumns('r')} from resource r where ${and([...inRecord(visibility, query, types), ...changed(query, 'r'), ...beyond])}
    order by r.type <> 'Patient', r.rid limit ${literal(limit)}`);
}

/** @returns up to `limit` resources of the directory that the record refers to, itself or by way of another of them. */
export async function readReferred(connection: Connection, visibility: Visibility, query: EverythingQuery, limit: number): Promise<Row[]> {
  const types = query.types.filter((type) => directoryTypes.includes(type));
  if (types.length === 0) return [];
  const beyond = query.after?.part === 'directory' ? [sql`c.rid > ${query.after.rid}::bigint`] : [];
  return run<Row>(connection, sql`
    with recursive reached(type, rid, depth) as (
      select r.type, r.rid, 0 from resource r where ${and(inRecord(visibility, query, recordTypes))}
      union
      select target.type, target.rid, reached.depth + 1 from reached cross join lateral (${named(visibility)}) target where reached.depth < ${literal(furthest)})
    select distinct ${rowColumns('c')} from reached join resource c on c.type = reached.type and c.rid = reached.rid and c.live
    where reached.depth > 0 and ${and([visibleAmong(visibility, types, 'c'), ...changed(query, 'c'), ...beyond])}
    order by rid limit ${literal(limit)}`);
}

/** What the row `reached` names in the directory: by references, and by canonicals of the version they say. */
function named(visibility: Visibility): Fragment {
  const numbers = (types: readonly string[], code: string): Fragment =>
    sql.join(types.flatMap((type) => searchParameter(type, code) ?? []).map(({ number }) => literal(number)));
  const canonicals = [...recordTypes, ...directoryTypes].flatMap((type) => searchParameters(type).filter(isCanonical)).map(({ number }) => literal(number));
  return sql`
    select t.type, t.rid from index_reference x join resource t on t.type = x.target_type and t.id = x.target_id and t.live
      where x.rid = reached.rid and ${visibleAmong(visibility, directoryTypes, 't')}
    union all
    select t.type, t.rid from index_uri x join index_uri u on u.value = x.value and u.param in (${numbers(directoryTypes, 'url')})
      join resource t on t.rid = u.rid and t.live
      where x.rid = reached.rid and x.param in (${sql.join(canonicals)}) and ${visibleAmong(visibility, directoryTypes, 't')}
        and (x.version is null or exists (select from index_token v where v.param in (${numbers(directoryTypes, 'version')}) and v.code = x.version and v.rid = t.rid))`;
}
