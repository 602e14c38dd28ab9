import type { Database, Lease } from './database.ts';
import { noEffects, type AuditRow } from './effects.ts';
import { lockKey } from './identity.ts';
import { lock } from './load.ts';
import { writeEffects } from './write.ts';

/** Places or releases the hold on a record; what is so already stays so. @param reason of a new hold: a reference to the case. */
export async function holdRecord(database: Database, id: string, patient: bigint, hold: boolean, reason: string, audit: readonly AuditRow[]): Promise<void> {
  await database.transaction(async (connection: Lease) => {
    await lock(connection, [lockKey('patient', id)]); // no erasure begins meanwhile
    if (hold) await connection.query('insert into legal_hold (patient, reason) values ($1, $2) on conflict (patient) where released is null do nothing', [patient, reason]);
    else await connection.query('update legal_hold set released = clock_timestamp() where patient = $1 and released is null', [patient]);
    await writeEffects(connection, { ...noEffects(), audit: [...audit] });
  });
}
