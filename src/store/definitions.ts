import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { literal, run, typeLiteral } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/**
 * Finds a definition (ValueSet, CodeSystem, ConceptMap ...) by its canonical, as the caller may see it.
 * @param type a served type with the search parameters `url` and `version`.
 * @param version null: of the versions that are stored the active one that was created last.
 * @returns its text; undefined when there is none that the caller may see.
 */
export async function readDefinition(connection: Connection, visibility: Visibility, type: string, url: string, version: string | null): Promise<string | undefined> {
  const byUrl = literal(searchParameter(type, 'url')!.number);
  const byVersion = literal(searchParameter(type, 'version')!.number);
  const rows = await run<{ body: string }>(connection, sql`
    select r.body from index_uri u join resource r on r.type = ${typeLiteral(type)} and r.rid = u.rid and r.live
    where u.param = ${byUrl} and u.value = ${url} and ${visiblePredicate(visibility, type, 'r')}
      and (${version}::text is null or exists (select from index_token v where v.param = ${byVersion} and v.code = ${version} and v.rid = r.rid))
    order by (r.status = 'active') desc, r.rid desc limit 1`);
  return rows[0]?.body;
}
