import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql, type RawBuilder } from 'kysely';
import type { Connection, Plan } from './database.ts';

/** Part of a statement: text of our own with its values beside it. */
export type Fragment = RawBuilder<unknown>;

// Compiles only: statements run through Connection, which names them.
const dialect = new Kysely<Record<string, never>>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/**
 * Runs a statement put together from fragments.
 * @param plan see `Connection.query`.
 */
export function run<Row>(connection: Connection, statement: Fragment, plan?: Plan): Promise<Row[]> {
  const { sql: text, parameters } = statement.compile(dialect);
  return connection.query<Row>(text, parameters, plan);
}

/**
 * A number as a literal. Parameter numbers and limits are part of a statement's text, so that partial indexes apply and the
 * planner knows them; they come from our own tables, never from a client as text.
 */
export function literal(value: number): Fragment {
  if (!Number.isSafeInteger(value)) throw new TypeError('a literal must be an integer');
  return sql.raw(String(value));
}

/** The name of a served type as a literal, for the same reason. */
export const typeLiteral = (type: string): Fragment => sql.lit(type);

/** An alias or a column of our own making. */
export const name = (text: string): Fragment => sql.raw(text);

/** @returns the fragments joined by `and`; `true` when there is none. */
export const and = (fragments: readonly Fragment[]): Fragment =>
  fragments.length === 0 ? sql`true` : sql.join([...fragments], sql` and `);

/** @returns the fragments joined by `or` in brackets; `false` when there is none. */
export const or = (fragments: readonly Fragment[]): Fragment =>
  fragments.length === 0 ? sql`false` : fragments.length === 1 ? fragments[0]! : sql`(${sql.join([...fragments], sql` or `)})`;
