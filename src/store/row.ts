import { sql } from 'kysely';
import { instant } from './load.ts';
import { name, type Fragment } from './sql.ts';

/** A resource that a search found: its current version. */
export interface Row {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly rid: bigint;
  /** The Patient whose record it belongs to, for the access log. */
  readonly patient: bigint | null;
  readonly lastUpdated: string;
  readonly body: string;
}

/** The columns of a Row, from `resource` under the alias `alias`. */
export const rowColumns = (alias: string): Fragment =>
  name(`${alias}.type, ${alias}.id, ${alias}.version, ${alias}.rid, ${alias}.patient, ${instant(`${alias}.last_updated`)} as "lastUpdated", ${alias}.body`);

/** Bytes of resources that one answer carries, beside the first: a page of a thousand large forms would not fit into memory. */
export const mostBytes = 16 * 1024 * 1024;

/**
 * The rows of an ordered `statement` (of `rowColumns` and `keys` sort keys), with the bodies of as many as one answer
 * carries: `body` is null in those after them. Sizes are known without the texts, which are kept apart where they are large.
 */
export function bounded(statement: Fragment, keys: number): Fragment {
  const columns = ['type', 'id', 'version', 'rid', 'patient', '"lastUpdated"', ...Array.from({ length: keys }, (_, at) => `key${at}`)].map((column) => `f.${column}`).join(', ');
  return sql`select ${name(columns)}, case when f.before is null or f.before < ${name(String(mostBytes))} then f.body end as body
    from (select p.*, sum(octet_length(p.body)) over (rows between unbounded preceding and 1 preceding) as before from (${statement}) p) f`;
}
