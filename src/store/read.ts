import { sql } from 'kysely';
import type { Resource } from '../fhir/resource.ts';
import { limitsOf, within, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { instant } from './load.ts';
import { and, name, run, typeLiteral, type Fragment } from './sql.ts';
import { forAudience, reachedPredicate, visiblePredicate } from './visible.ts';

/** One version as a reader sees it. */
export interface VersionRow {
  readonly id: string;
  readonly version: number;
  readonly live: boolean;
  readonly patient: bigint | null;
  readonly lastUpdated: string;
  /** null: this version is a deletion. */
  readonly body: string | null;
}

export const versionColumns: Fragment = name(`r.id, r.version, r.live, r.patient, ${instant('r.last_updated')} as "lastUpdated", r.body`);

/**
 * @returns the newest version of `type`/`id`, or undefined when it does not exist or is not visible: the two are the same.
 * The newest is taken first and looked at then: under a label that was set later there is no older version to fall back on.
 */
export async function readNewest(connection: Connection, visibility: Visibility, type: string, id: string): Promise<VersionRow | undefined> {
  const rows = await run<VersionRow>(connection, sql`
    select ${versionColumns} from (
      select n.* from resource n where n.id = ${id} and n.type = ${typeLiteral(type)} order by n.version desc limit 1) r
    where ${visiblePredicate(visibility, type, 'r', name('r.patient'), 'r')}`);
  return rows[0];
}

/**
 * @returns one version of `type`/`id`. A version is visible only while the newest one is too: a label that was set later
 * covers the versions before it.
 */
export async function readVersion(connection: Connection, visibility: Visibility, type: string, id: string, version: number): Promise<VersionRow | undefined> {
  const rows = await run<VersionRow & Judged>(connection, sql`
    select ${versionColumns}${judgedBy(visibility, type)} from resource r
    where r.id = ${id} and r.type = ${typeLiteral(type)} and r.version = ${version} and ${reachedPredicate(visibility, type, 'r', name('r.patient'))}
      and ${newestVisible(visibility, type)}`);
  return rows.find((row) => isWithin(visibility, row));
}

/** What a version is judged by where granular scopes limit the caller: its own content, of a deletion what it deleted. */
export interface Judged { readonly judged?: string | null }

/** The column of `Judged`, where the caller is limited. Index rows are those of the live version and say nothing of others. */
export const judgedBy = (visibility: Visibility, type: string): Fragment => (limitsOf(visibility, type).length === 0 ? sql`` : sql`,
  coalesce(r.body, (select b.body from resource b where b.id = r.id and b.type = r.type and b.version = r.version - 1)) as judged`);

/** @returns whether granular scopes leave a version to the caller; `verb` s: in the history of a type or of all. */
export const isWithin = (visibility: Visibility, { judged }: Judged, verb: 'r' | 's' = 'r'): boolean =>
  judged === undefined || (judged !== null && within(visibility, verb, JSON.parse(judged) as Resource));

/**
 * Holds when the newest version of the resource of row `r` is visible, and none after `r` was restricted: a resource that was
 * deleted and written anew without its label does not give away what stood there before.
 */
export function newestVisible(visibility: Visibility, type: string): Fragment {
  const audience = forAudience(visibility, [type], 'later');
  const unlabelled = audience.length === 0 ? sql`` : sql` and not exists (
    select from resource later where later.id = r.id and later.type = r.type and later.version > r.version and not ${and(audience)})`;
  return sql`exists (
    select from (select n.* from resource n where n.id = r.id and n.type = r.type order by n.version desc limit 1) newest
    where ${reachedPredicate(visibility, type, 'newest', name('newest.patient'))})${unlabelled}`;
}
