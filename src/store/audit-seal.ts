import { chained, noHash, sealedColumns, type Seal, type SealedEvent } from './audit-chain.ts';
import type { Connection, Database } from './database.ts';
import { commitHorizon, instant } from './load.ts';

/** Events that one transaction seals at most. */
const batch = 5000;

/** How far behind the commit horizon the sealer stays: what a clock may be set back by without an event being passed over. */
const usualMarginMs = 1000;

const lastSeal = `select position::int8 as position, ${instant('recorded')} as recorded, event::text as event, hash from audit_seal order by position desc limit 1`;

const unsealed = `
  select ${sealedColumns} from audit_event e
  where e.recorded < $1::timestamptz - $2::int * interval '1 millisecond' and ($3::timestamptz is null or (e.recorded, e.id) > ($3::timestamptz, $4::uuid))
  order by e.recorded, e.id limit ${batch}`;

const insert = `
  insert into audit_seal (position, recorded, event, hash)
  select $1::bigint + n, at, event, hash from unnest($2::timestamptz[], $3::uuid[], $4::bytea[]) with ordinality as s(at, event, hash, n)`;

/** @returns the end of the chain, or undefined while nothing is sealed. */
export async function chainEnd(connection: Connection): Promise<Seal | undefined> {
  const [row] = await connection.query<Omit<Seal, 'position'> & { position: bigint }>(lastSeal, []);
  return row === undefined ? undefined : { ...row, position: Number(row.position) };
}

/**
 * Seals the events that are behind the commit horizon, in the order of their time and id: whatever is still open will carry a
 * later time, so none is ever left behind. An event with an earlier time than the end of the chain was never written by the
 * service: it stays without a seal, and the verifier says so. Two sealers at once would take the same positions, of which the
 * key of the table lets one have each.
 * @returns how many were sealed, and whether there may be more.
 */
export async function sealBatch(database: Database, marginMs: number = usualMarginMs): Promise<{ sealed: number; more: boolean }> {
  const horizon = await commitHorizon(database);
  return database.transaction(async (connection) => {
    const end = await chainEnd(connection);
    const events = await connection.query<SealedEvent>(unsealed, [horizon, marginMs, end?.recorded ?? null, end?.event ?? null]);
    if (events.length === 0) return { sealed: 0, more: false };
    let hash = end?.hash ?? noHash;
    const hashes = events.map((event) => (hash = chained(hash, event)));
    await connection.query(insert, [
      end?.position ?? 0, events.map(({ recorded }) => recorded), events.map(({ id }) => id), hashes.map((each) => `\\x${each.toString('hex')}`),
    ]);
    return { sealed: events.length, more: events.length === batch };
  });
}
