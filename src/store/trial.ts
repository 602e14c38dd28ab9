import type { Database } from './database.ts';
import { decideWrites } from './decide.ts';
import type { OutcomeRules } from './derived.ts';
import { problemOf } from './errors.ts';
import { RidBlocks } from './identity.ts';
import { loadFor } from './needs.ts';
import { Staging } from './staging.ts';
import type { Unit, Written } from './unit.ts';

/** Keys for what is not stored. */
class Unstored extends RidBlocks {
  override take(): bigint {
    return -1n;
  }
}

/**
 * Decides a unit as `Committer.commit` would, on what is stored now, and stores nothing: no lock is taken, nothing is derived,
 * the transaction is rolled back. That the same unit is accepted a moment later is likely, not promised.
 * @throws Problem as `commit` does when the unit is refused.
 */
export async function trial(database: Database, unit: Unit, rules: OutcomeRules): Promise<Written[]> {
  const connection = await database.lease().catch((error: unknown) => { throw problemOf(error); });
  let broken: Error | undefined;
  try {
    const loaded = await loadFor(connection, [unit], [], rules);
    return decideWrites(unit, loaded.found[0]!, new Staging(loaded.base, new Unstored()));
  } catch (error) {
    throw problemOf(error);
  } finally {
    await connection.query('rollback').catch((failure: Error) => { broken = failure; });
    connection.release(broken);
  }
}
