import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { literal, name, run, typeLiteral, type Fragment } from './sql.ts';
import { visibleAmong } from './visible.ts';

const numbers = (types: readonly string[], code: string): Fragment =>
  sql.join(types.map((type) => literal(searchParameter(type, code)!.number)));

/**
 * @returns texts of live resources of `types` that are visible, so that each profile, tag and security label in use among
 * them is in the meta of one text at least. Index rows know a label's system by its hash only: hence the texts.
 */
export async function readLabelled(connection: Connection, visibility: Visibility, types: readonly string[]): Promise<string[]> {
  const searched = types.filter((type) => grants(visibility, type, 's'));
  if (searched.length === 0) return [];
  const part = (table: string, key: string, code: string): Fragment => sql`
    select r.type, r.rid from (select distinct on (${name(key)}) r.type, r.rid, ${name(key)} from ${name(table)} x join resource r on r.rid = x.rid and r.live
      where x.param in (${numbers(searched, code)}) and ${visibleAmong(visibility, searched, 'r', 's')} order by ${name(key)}, r.rid) r`;
  const rows = await run<{ body: string }>(connection, sql`
    select r.body from resource r where r.live and (r.type, r.rid) in (
      ${part('index_token', 'x.param, x.code, x.system', '_tag')} union ${part('index_token', 'x.param, x.code, x.system', '_security')}
      union ${part('index_uri', 'x.param, x.value, x.version', '_profile')}) and ${visibleAmong(visibility, searched, 'r', 's')} order by r.rid`);
  return rows.map(({ body }) => body);
}

/** @returns the text of the live `type`/`id` where it says of profiles that it meets them, whoever may see it. */
export async function readClaiming(connection: Connection, type: string, id: string): Promise<string | undefined> {
  const rows = await run<{ body: string }>(connection, sql`
    select r.body from resource r where r.type = ${typeLiteral(type)} and r.id = ${id} and r.live
      and exists (select from index_uri x where x.param = ${literal(searchParameter(type, '_profile')!.number)} and x.rid = r.rid)`);
  return rows[0]?.body;
}
