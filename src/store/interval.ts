import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { literal, run } from './sql.ts';
import { visibleAmong } from './visible.ts';

/** A stretch of one patient's record: what falls into it by its clinical date, and what names one of the sessions. */
export interface Stretch {
  readonly patient: bigint;
  readonly types: readonly string[];
  /** Instants; absent: open. */
  readonly from?: string;
  readonly until?: string;
  /** Ids of Encounters. */
  readonly sessions: readonly string[];
}

/** @returns what of a stretch is visible, newest first, `limit` at most. */
export async function readStretch(connection: Connection, visibility: Visibility, { patient, types, from, until, sessions }: Stretch, limit: number): Promise<{ type: string; id: string; body: string }[]> {
  const seen = types.filter((type) => grants(visibility, type, 'r') || grants(visibility, type, 's'));
  if (seen.length === 0) return [];
  const encounters = seen.flatMap((type) => searchParameter(type, 'encounter')?.number ?? []);
  return run(connection, sql`
    select r.type, r.id, r.body from resource r
    where r.patient = ${String(patient)}::bigint and r.live and ${visibleAmong(visibility, seen, 'r')}
      and ((r.date_low >= ${from ?? '-infinity'}::timestamptz and r.date_low < ${until ?? 'infinity'}::timestamptz)
        or r.rid in (select x.rid from index_reference x where x.param = any(${encounters}::int[]) and x.target_id = any(${sessions}::text[]) and x.target_type = 'Encounter'))
    order by r.date_low desc nulls last, r.rid desc limit ${literal(limit)}`);
}
