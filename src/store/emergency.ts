import { sql } from 'kysely';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { name, run } from './sql.ts';

/**
 * Looks up a person for an access in an emergency: the one query that does not ask whether the caller may see the row, because
 * that is what the access is to give. It tells of the person nothing but that there is one.
 *
 * @returns the rid of the Patient and the time of the database, or undefined when there is no such Patient
 */
export async function personInEmergency(connection: Connection, id: string): Promise<{ readonly rid: bigint; readonly now: string } | undefined> {
  const rows = await run<{ rid: bigint; now: string }>(connection, sql`
    select p.rid, ${name(instant('clock_timestamp()'))} as now from resource p where p.type = 'Patient' and p.id = ${id} and p.live`);
  return rows[0];
}
