import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { literal, name, run } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** @returns text and patient of the Provenance of one version of a computed resource; undefined where there is none that the caller may see. */
export async function readProvenanceOf(connection: Connection, visibility: Visibility, type: string, id: string, version: number): Promise<{ readonly body: string; readonly patient: bigint | null } | undefined> {
  const rows = await run<{ body: string; patient: bigint | null }>(connection, sql`
    select r.body, r.patient from index_reference x join resource r on r.type = 'Provenance' and r.rid = x.rid and r.live
    where x.param = ${literal(searchParameter('Provenance', 'target')!.number)} and x.target_id = ${id} and x.target_type = ${type}
      and strpos(r.body, ${`"${type}/${id}/_history/${version}"`}) > 0 and ${visiblePredicate(visibility, 'Provenance', 'r', name('r.patient'), 'r')}
    order by r.rid desc limit 1`);
  return rows[0];
}
