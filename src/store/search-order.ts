import { sql } from 'kysely';
import { problem } from '../fhir/outcome.ts';
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

/** @param patientById orders by the Patient's id where a column holds its rid: so do types whose references are index rows. */
function key({ by, descending }: SortKey, position: number, patientById = false): Key {
  if (patientById && typeof by !== 'string' && by.column === 'patient') {
    return { expression: sql`(select p.id from resource p where p.rid = r.patient and p.type = 'Patient' and p.live)`, cast: 'text', nullable: true, descending };
  }
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
  /** Selected beside the row, each after a comma: the keys as text, for the cursor. */
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
export const orderOf = (plan: SearchPlan): Order => ordered(plan, plan.sort.map((sort, position) => key(sort, position)));

/**
 * The order of a search over several types, whose pages are made of a page of each.
 * @returns the order of each, and `orderBy` of the rows of all (alias `r`).
 * @throws Problem `not-supported` where one name stands for values of different kinds.
 */
export function orderOfSeveral(plans: readonly SearchPlan[]): { of(plan: SearchPlan): Order; orderBy: Fragment } {
  const first = plans[0]!.sort;
  const kinds = first.map((_, position) => {
    const casts = new Set(plans.map((plan) => key(plan.sort[position]!, position).cast));
    const byId = casts.size > 1;
    const cast = key(first[position]!, position, byId).cast;
    if (plans.some((plan) => key(plan.sort[position]!, position, byId).cast !== cast)) {
      throw problem('not-supported', 'not-supported', 'The searched types cannot be sorted together: a key of _sort stands for values of different kinds in them.', 'http._sort');
    }
    return { cast, byId };
  });
  const descending = first.at(-1)?.descending ?? true;
  return {
    of: (plan) => ordered(plan, plan.sort.map((sort, position) => key(sort, position, kinds[position]!.byId))),
    orderBy: sql.join([
      ...first.map((sort, position) => sql`r.${name(`key${position}`)}::${name(kinds[position]!.cast)}${name(kinds[position]!.cast === 'text' ? ' collate "C"' : '')} ${direction(sort.descending, true)}`),
      sql`r.rid ${direction(descending, false)}`,
    ]),
  };
}

const direction = (down: boolean, nullable: boolean): Fragment => name(`${down ? 'desc' : 'asc'}${nullable && down ? ' nulls last' : ''}`);

function ordered(plan: SearchPlan, keys: readonly Key[]): Order {
  const descending = plan.sort.at(-1)?.descending ?? true;
  const selections = plan.sort.flatMap(({ by, descending: down }, position) => {
    if (typeof by === 'string' || by.column !== undefined) return [];
    const [table] = tablesOf(by);
    const column = name(`s.${keyColumn[table!]![0]}`);
    return [sql`(select ${down ? sql`max` : sql`min`}(${column}) from ${name(table!)} s where s.param = ${literal(by.number)} and s.rid = r.rid) as ${name(`k${position}`)}`];
  });
  return {
    tables: selections.length === 0 ? sql`` : sql`cross join lateral (select ${sql.join(selections)}) k`,
    columns: keys.length === 0 ? sql`` : sql`, ${sql.join(keys.map(({ expression }, position) => sql`${expression}::text as ${name(`key${position}`)}`))}`,
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
