import { sql } from 'kysely';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { name, run } from './sql.ts';
import { visiblePredicate } from './visible.ts';

/** A Patient that an operation is about. `now` is the database's time; `settled` is before anything that is not committed yet. */
export interface Subject { readonly rid: bigint; readonly now: string; readonly settled: string }

/**
 * @returns the Patient `id` where the caller may see it. `settled`: whatever a transaction that is open now will have written
 * carries a later time, so a reader who comes back with it misses nothing.
 */
export async function readSubject(connection: Connection, visibility: Visibility, id: string): Promise<Subject | undefined> {
  const rows = await run<Subject>(connection, sql`
    select r.rid, ${name(instant('clock_timestamp()'))} as now, (
      select ${name(instant('least(clock_timestamp(), min(open.xact_start))'))} from pg_stat_activity open where open.datname = current_database() and open.backend_type = 'client backend') as settled
    from resource r where r.type = 'Patient' and r.id = ${id} and r.live and ${visiblePredicate(visibility, 'Patient', 'r', name('r.patient'))}`);
  return rows[0];
}
