import { sql } from 'kysely';
import type { SearchPlan, SortKey } from '../fhir/search-plan.ts';
import { tablesOf } from './search-rows.ts';
import { and, literal, name, or, type Fragment } from './sql.ts';

/** Where a page ended: the sort keys of its last match as text, and its rid. */
export interface Cursor {
  readonly keys: readonly (string | null)[];
  readonly rid: string;
}

/** An expression that rows are ordered by. */
interface Key {
  readonly expression: Fragment;
  readonly cast: string;
  readonly nullable: boolean;
  readonly descending: boolean;
}

const keyColumn: Readonly<Record<string, readonly [column: string, type: string]>> = {
  index_token: ['code', 'text'], index_string: ['value', 'text'], index_uri: ['value', 'text'], index_reference: ['target_id', 'text'],
  index_date: ['low', 'timestamptz'], index_quantity: ['low', 'numeric'],
};

const columnKeys: Readonly<Record<string, readonly [column: string, type: string]>> = {
  _id: ['id', 'text'], _lastUpdated: ['last_updated', 'timestamptz'], date: ['date_low', 'timestamptz'], status: ['status', 'text'], patient: ['patient', 'bigint'],
  id: ['id', 'text'], lastUpdated: ['last_updated', 'timestamptz'],
};

function key({ by, descending }: SortKey, position: number): Key {
  const known = typeof by === 'string' ? columnKeys[by]! : by.column === undefined ? undefined : columnKeys[by.column]!;
  if (known !== undefined) {
    const [column, cast] = known;
    const expression = name(`r.${column}`);
    return { expression, cast, nullable: column !== 'id' && column !== 'last_updated', descending };
  }
  const cast = keyColumn[tablesOf(by as Exclude<SortKey['by'], string>)[0]!]![1];
  return { expression: name(`k.k${position}`), cast, nullable: true, descending };
}

/** What gives a search its order, and where a page begins in it. */
export interface Order {
  /** Joined after `resource r`: the sort keys that are no columns. */
  readonly tables: Fragment;
  /** Selected beside the row: the keys as text, for the cursor. */
  readonly columns: Fragment;
  readonly orderBy: Fragment;
  /** Holds for the rows after a cursor. */
  after(cursor: Cursor): Fragment;
  readonly keys: number;
}

/**
 * The order of a plan: its sort keys with missing values last, then the rid, which makes it total. Without sort keys the
 * newest created come first. Of several values the smallest counts in ascending order, the greatest in descending order.
 */
export function orderOf(plan: SearchPlan): Order {
  const keys = plan.sort.map(key);
  const descending = plan.sort.at(-1)?.descending ?? true;
  const selections = plan.sort.flatMap(({ by, descending: down }, position) => {
    if (typeof by === 'string' || by.column !== undefined) return [];
    const [table] = tablesOf(by);
    const column = name(`s.${keyColumn[table!]![0]}`);
    return [sql`(select ${down ? sql`max` : sql`min`}(${column}) from ${name(table!)} s where s.param = ${literal(by.number)} and s.rid = r.rid) as ${name(`k${position}`)}`];
  });
  const direction = (down: boolean, nullable: boolean): Fragment => name(`${down ? 'desc' : 'asc'}${nullable && down ? ' nulls last' : ''}`);
  return {
    tables: selections.length === 0 ? sql`` : sql`cross join lateral (select ${sql.join(selections)}) k`,
    columns: sql.join([sql`r.rid`, ...keys.map(({ expression }, position) => sql`${expression}::text as ${name(`"key${position}"`)}`)]),
    orderBy: sql.join([...keys.map((one) => sql`${one.expression} ${direction(one.descending, one.nullable)}`), sql`r.rid ${direction(descending, false)}`]),
    after: (cursor) => after(keys, descending, cursor),
    keys: keys.length,
  };
}

function after(keys: readonly Key[], descending: boolean, cursor: Cursor): Fragment {
  const rid = sql`${cursor.rid}::bigint`;
  const beyond = name(descending ? '<' : '>');
  const value = (one: Key, position: number): Fragment => sql`${cursor.keys[position]}::${name(one.cast)}`;
  if (keys.length === 0) return sql`r.rid ${beyond} ${rid}`;
  const [only] = keys;
  if (keys.length === 1 && !only!.nullable) return sql`(${only!.expression}, r.rid) ${beyond} (${value(only!, 0)}, ${rid})`;
  const alternatives: Fragment[] = [];
  const equal: Fragment[] = [];
  keys.forEach((one, position) => {
    const missing = cursor.keys[position] === null;
    if (!missing) {
      const further = sql`${one.expression} ${name(one.descending ? '<' : '>')} ${value(one, position)}`;
      alternatives.push(and([...equal, one.nullable ? sql`(${further} or ${one.expression} is null)` : further]));
    }
    equal.push(missing ? sql`${one.expression} is null` : sql`${one.expression} = ${value(one, position)}`);
  });
  alternatives.push(and([...equal, sql`r.rid ${beyond} ${rid}`]));
  return or(alternatives);
}
