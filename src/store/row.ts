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
