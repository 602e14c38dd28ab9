import { sql } from 'kysely';
import { searchParameter } from '../fhir/search-parameters.ts';
import { grants, limitsOf, type Visibility } from '../fhir/visibility.ts';
import type { Connection } from './database.ts';
import { commitHorizon, instant } from './load.ts';
import { isWithin, judgedBy, newestVisible, type Judged } from './read.ts';
import { mostBytes } from './row.ts';
import { and, literal, name, run, typeLiteral, type Fragment } from './sql.ts';
import { reachedPredicate, visiblePredicate } from './visible.ts';

/** A version in a history, newest first. */
export interface HistoryRow {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly rid: bigint;
  readonly method: 'C' | 'P' | 'U' | 'D';
  readonly patient: bigint | null;
  readonly lastUpdated: string;
  readonly body: string | null;
}

/** A page of a history, and whether others follow. */
export interface HistoryPage<Version = HistoryRow> { readonly rows: readonly Version[]; readonly more: boolean }

/** Where a page ended: the next one begins after it. */
export interface HistoryPosition { readonly lastUpdated: string; readonly rid: string; readonly version: number }

export interface HistoryQuery {
  /** One resource, one type, or all types. */
  readonly types: readonly string[];
  readonly id?: string;
  readonly count: number;
  /** Versions at or after this instant. */
  readonly since?: string;
  /** Versions current at some time in [low, high). */
  readonly at?: { readonly low: string; readonly high: string };
  readonly after?: HistoryPosition;
  /** Id of a List: only of the resources that it points to. */
  readonly list?: string;
  /** Oldest first, as a reader wants it who follows what is written. */
  readonly oldestFirst: boolean;
}

const columns: Fragment = name(`r.type, r.id, r.version, r.rid, r.method, r.patient, ${instant('r.last_updated')} as "lastUpdated", r.body, r.last_updated`);

/**
 * @returns up to count versions, newest first (or oldest first), fewer where they are large. Order is (lastUpdated, rid, version): total and stable.
 * Each type's part walks index resource_last_updated; the parts are merged.
 *
 * Versions of a type's or of all types' resources stay before the commit horizon: a version whose transaction was still open
 * when a reader looked carries an earlier time than what the reader saw, and a reader who goes on from there would skip it
 * (reliability M14). A single resource has no such gap: its versions are written under one lock.
 */
export async function history(connection: Connection, visibility: Visibility, query: HistoryQuery): Promise<HistoryPage> {
  const verb = query.id === undefined ? 's' : 'r';
  // the access log is not among the resources, and has no versions
  const types = query.types.filter((type) => type !== 'AuditEvent' && grants(visibility, type, verb));
  if (types.length === 0) return { rows: [], more: false };
  const settled = query.id === undefined ? await commitHorizon(connection) : undefined;
  if (!types.some((type) => limitsOf(visibility, type, verb).length > 0)) return versions(connection, visibility, { ...query, types }, settled);
  // What granular scopes leave is known of the content: pages are read until one is full.
  const found: HistoryRow[] = [];
  let bytes = 0;
  let { after } = query;
  for (;;) {
    const { rows, more } = await versions(connection, visibility, { ...query, types, after }, settled);
    const within = rows.filter((row) => isWithin(visibility, row, verb));
    found.push(...within);
    for (const { body } of within) bytes += body?.length ?? 0;
    if (!more || found.length > query.count || bytes >= mostBytes) return { rows: found.slice(0, query.count), more: more || found.length > query.count };
    after = positionOf(rows.at(-1)!);
  }
}

/** @returns where a page ends whose last version is `row`. */
export const positionOf = ({ lastUpdated, rid, version }: HistoryRow): HistoryPosition => ({ lastUpdated, rid: String(rid), version });

async function versions(connection: Connection, visibility: Visibility, query: HistoryQuery, settled: string | undefined): Promise<HistoryPage<HistoryRow & Judged>> {
  const limit = literal(query.count + 1);
  const direction = name(query.oldestFirst ? 'asc' : 'desc');
  const limited = query.types.some((type) => limitsOf(visibility, type).length > 0);
  const judged = (type: string): Fragment => (!limited ? sql`` : limitsOf(visibility, type).length === 0 ? sql`, null as judged` : judgedBy(visibility, type));
  const parts = query.types.map((type) => sql`(select ${columns}${judged(type)}, ${literal(limitsOf(visibility, type).length)} as limits from resource r where ${and(conditions(visibility, query, type, settled))}
      order by r.last_updated ${direction}, r.rid ${direction}, r.version ${direction} limit ${limit})`);
  const order = sql`last_updated ${direction}, rid ${direction}, version ${direction}`;
  const rows = await run<HistoryRow & Judged & { limits: number; beyond: boolean }>(connection, sql`
    select type, id, version, rid, method, patient, "lastUpdated", limits, beyond, case when not beyond then body end as body${limited ? sql`, case when not beyond then judged end as judged` : sql``}
    from (select part.*, coalesce(sum(octet_length(body)) over (order by ${order} rows between unbounded preceding and 1 preceding), 0) >= ${literal(mostBytes)} as beyond
      from (${sql.join(parts, sql` union all `)}) part order by ${order} limit ${limit}) page order by ${order}`);
  const cut = rows.findIndex(({ beyond }) => beyond);
  const shown = rows.slice(0, cut < 0 ? query.count : Math.min(cut, query.count));
  return {
    rows: shown.map(({ limits, beyond: _none, judged: by, ...row }) => (limits === 0 ? row : { ...row, judged: by ?? null })),
    more: rows.length > shown.length,
  };
}

function conditions(visibility: Visibility, query: HistoryQuery, type: string, settled: string | undefined): Fragment[] {
  const list: Fragment[] = [sql`r.type = ${typeLiteral(type)}`, reachedPredicate(visibility, type, 'r'), newestVisible(visibility, type)];
  if (settled !== undefined) list.push(sql`r.last_updated < ${settled}::timestamptz`);
  if (query.id !== undefined) list.push(sql`r.id = ${query.id}`);
  if (query.list !== undefined) {
    list.push(sql`r.id in (select x.target_id from resource l join index_reference x on x.rid = l.rid and x.param = ${literal(searchParameter('List', 'item')!.number)}
      where l.type = 'List' and l.live and l.id = ${query.list} and x.target_type = ${typeLiteral(type)} and ${visiblePredicate(visibility, 'List', 'l')})`);
  }
  if (query.since !== undefined) list.push(sql`r.last_updated >= ${query.since}::timestamptz`);
  if (query.at !== undefined) {
    // Current at some time in the range: began before its end, and the next version came after its start.
    list.push(sql`r.last_updated < ${query.at.high}::timestamptz`, sql`not exists (
      select from resource n where n.id = r.id and n.type = r.type and n.version = r.version + 1 and n.last_updated <= ${query.at.low}::timestamptz)`);
  }
  if (query.after !== undefined) {
    const { lastUpdated, rid, version } = query.after;
    list.push(sql`(r.last_updated, r.rid, r.version) ${name(query.oldestFirst ? '>' : '<')} (${lastUpdated}::timestamptz, ${rid}::bigint, ${version}::int)`);
  }
  return list;
}
