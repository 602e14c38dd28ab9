import { sql } from 'kysely';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { name, run } from './sql.ts';

/** @returns the time of the database, which times in resources come from, as a FHIR instant. */
export async function readClock(connection: Connection): Promise<string> {
  const rows = await run<{ now: string }>(connection, sql`select ${name(instant('clock_timestamp()'))} as now`);
  return rows[0]!.now;
}
