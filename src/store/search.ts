import { sql } from 'kysely';
import { problem } from '../fhir/outcome.ts';
import type { SearchPlan, Test } from '../fhir/search-plan.ts';
import { grants, type Visibility } from '../fhir/visibility.ts';
import type { Connection, Plan } from './database.ts';
import { bounded, rowColumns, type Row } from './row.ts';
import { orderOf, orderOfSeveral, type Cursor, type Order } from './search-order.ts';
import { includedRows } from './search-include.ts';
import { testSql } from './search-tests.ts';
import { isConfined, orderedWalk, recordOf } from './search-walk.ts';
import { and, literal, run, typeLiteral, type Fragment } from './sql.ts';
import { visiblePredicate } from './visible.ts';

export type { Row } from './row.ts';
export type { Cursor } from './search-order.ts';

/** What a search found. */
export interface Found {
  readonly matches: readonly Row[];
  readonly included: readonly Row[];
  /** More could be included than one answer may carry. */
  readonly incomplete: boolean;
  /** Number of all matches, where it was asked for or is known anyway. */
  readonly total?: number;
  /** Where the next page begins; absent on the last one. */
  readonly next?: Cursor;
}

/** The types that a test reaches beside the searched one. */
function reachedTypes(test: Test, into: Set<string>): void {
  if (test.kind === 'all' || test.kind === 'any') for (const inner of test.tests) reachedTypes(inner, into);
  if (test.kind === 'not') reachedTypes(test.test, into);
  if (test.kind === 'has') {
    into.add(test.source);
    reachedTypes(test.test, into);
  }
  if (test.kind === 'chain') {
    // a chain that names no type goes to those that are granted
    for (const { type, test: inner } of test.targets) {
      into.add(type);
      reachedTypes(inner, into);
    }
  }
}

/** Who asks by what is in a resource searches its type: the answer tells of what matches. */
const readable = (visibility: Visibility, type: string): boolean => grants(visibility, type, 's');

/** @returns the test without the targets of chains that the caller may not read. */
function granted(visibility: Visibility, test: Test): Test {
  switch (test.kind) {
    case 'all': case 'any': return { ...test, tests: test.tests.map((inner) => granted(visibility, inner)) };
    case 'not': return { ...test, test: granted(visibility, test.test) };
    case 'has': {
      if (!readable(visibility, test.source)) throw forbidden(test.source);
      return { ...test, test: granted(visibility, test.test) };
    }
    case 'chain': {
      const targets = test.targets.filter(({ type }) => readable(visibility, type));
      if (targets.length === 0) throw forbidden(test.targets[0]!.type);
      return { ...test, targets: targets.map(({ type, test: inner }) => ({ type, test: granted(visibility, inner) })) };
    }
    default: return test;
  }
}

const forbidden = (type: string): Error =>
  problem('forbidden', 'forbidden', `This access does not allow to search by what is in a ${type}.`);

/** @returns the tests of `plan` that may be asked by the caller. @throws Problem `forbidden`, `not-supported`. */
export function admitted(plan: SearchPlan, visibility: Visibility): readonly Test[] {
  if (!grants(visibility, plan.type, 's')) throw problem('forbidden', 'forbidden', `This access does not allow to search ${plan.type}.`);
  const tests = plan.tests.map((test) => granted(visibility, test));
  const types = new Set([plan.type]);
  for (const test of tests) reachedTypes(test, types);
  if (types.has('AuditEvent')) throw problem('not-supported', 'not-supported', 'AuditEvent is not kept with the other resources and cannot be searched this way.');
  return tests;
}

/** Contained resources are looked for by `searchContained`. */
function refuseContained({ contained }: SearchPlan): void {
  if (contained !== 'false') throw problem('not-supported', 'not-supported', 'Contained resources are found by a search of one type, without an operation.', 'http._contained');
}

/**
 * The conditions of a match on the row `r`.
 * @param confined whether few rows are looked at whatever the conditions are: then each row is asked by itself.
 */
export function matchConditions(plan: SearchPlan, tests: readonly Test[], visibility: Visibility, confined = isConfined(plan.tests, visibility, plan.type)): Fragment[] {
  const record = recordOf(plan.tests, visibility, plan.type);
  const subject = { type: plan.type, alias: 'r', visibility, confined, record };
  return [
    sql`r.type = ${typeLiteral(plan.type)}`, sql`r.live`, visiblePredicate(visibility, plan.type, 'r', record, 's'),
    ...tests.map((test) => testSql(subject, test)),
  ];
}

/** The statement that fetches `limit` matches after `cursor`. */
function matchStatement(plan: SearchPlan, tests: readonly Test[], visibility: Visibility, cursor: Cursor | undefined, limit: number, order: Order = orderOf(plan)): Fragment {
  const after = cursor === undefined ? [] : [order.after(cursor)];
  const ending = sql`order by ${order.orderBy} limit ${literal(limit)}`;
  const walk = order.keys === 0 ? orderedWalk(tests, visibility, plan.type, cursor) : null;
  const selected = sql`select ${rowColumns('r')}${order.columns}`;
  if (walk === null) {
    return sql`${selected} from resource r ${order.tables} where ${and([...matchConditions(plan, tests, visibility), ...after])} ${ending}`;
  }
  const others = and(matchConditions(plan, tests.filter((test) => test !== walk.test), visibility));
  const walked = walk.ridsByValue.map((rids) => sql`from ${rids} walk join resource r on r.rid = walk.rid where ${others} ${ending}`);
  if (walked.length === 1) return sql`${selected} ${walked[0]}`;
  // one page for each value, of which the first page of all is made
  return sql`${selected} from resource r where ${others}
    and r.rid in (${sql.join(walked.map((page) => sql`(select r.rid ${page})`), sql` union all `)}) ${ending}`;
}

/** Resources of a type that are looked at one by one before anything else is tried. */
const newest = 200;

/**
 * Whether most resources may be a match by what points to them (`_has`). The planner computes all that do before it takes a
 * page of them: 1.7 s of 10,000 Patients with 390,000 Observations, for a page that the newest few fill.
 */
const mayBeDense = (plan: SearchPlan, tests: readonly Test[], visibility: Visibility): boolean =>
  plan.sort.length === 0 && tests.some(({ kind }) => kind === 'has') && !isConfined(plan.tests, visibility, plan.type);

/** The statement that fetches `limit` matches after `cursor` from the newest resources of the type alone. */
function newestStatement(plan: SearchPlan, tests: readonly Test[], visibility: Visibility, cursor: Cursor | undefined, limit: number): Fragment {
  const after = cursor === undefined ? sql`` : sql` and q.rid < ${cursor.rid}::bigint`;
  return sql`select ${rowColumns('r')} from (select * from resource q where q.type = ${typeLiteral(plan.type)} and q.live${after} order by q.rid desc limit ${literal(newest)}) r
    where ${and(matchConditions(plan, tests, visibility, true))} order by r.rid desc limit ${literal(limit)}`;
}

/** One page of matches, and the match after it. */
async function pageRows(connection: Connection, plan: SearchPlan, tests: readonly Test[], visibility: Visibility, cursor: Cursor | undefined): Promise<Keyed[]> {
  const limit = plan.count + 1;
  if (mayBeDense(plan, tests, visibility)) {
    const rows = await run<Keyed>(connection, bounded(newestStatement(plan, tests, visibility, cursor, limit), 0), 'once');
    if (rows.length === limit) return rows;
  }
  return run<Keyed>(connection, bounded(matchStatement(plan, tests, visibility, cursor, limit), plan.sort.length), planOf(plan, visibility));
}

/** A search within one record or among some ids has one good plan; any other depends on how frequent its values are. */
const planOf = (plan: SearchPlan, visibility: Visibility): Plan =>
  (plan.tests.length === 0 || isConfined(plan.tests, visibility, plan.type) ? 'once' : 'for its values');

/** Number of all visible matches. */
async function count(connection: Connection, plan: SearchPlan, tests: readonly Test[], visibility: Visibility): Promise<number> {
  const rows = await run<{ total: number }>(connection, sql`select count(*)::integer as total from resource r where ${and(matchConditions(plan, tests, visibility))}`, planOf(plan, visibility));
  return rows[0]!.total;
}

/** Number of all visible resources of a type, where they are few; undefined where there are more: counting stops there. */
async function countOfFew(connection: Connection, plan: SearchPlan, visibility: Visibility): Promise<number | undefined> {
  const part = sql`select from resource r where ${and(matchConditions(plan, [], visibility))} limit ${literal(few + 1)}`;
  const [row] = await run<{ total: number }>(connection, sql`select count(*)::integer as total from (${part}) part`, 'once');
  return row!.total > few ? undefined : row!.total;
}

const few = 1000;

const isAsked = ({ total }: Pick<SearchPlan, 'total'>): boolean => total === 'accurate' || total === 'estimate';

type Keyed = Row & Readonly<Record<string, unknown>>;

/** The rows that fit onto a page, by number and by size; and the last of them, where others follow. */
function pageOf(rows: readonly Keyed[], count: number): { matches: readonly Keyed[]; last: Keyed | undefined } {
  const cut = rows.findIndex(({ body }) => (body as string | null) === null);
  const matches = rows.slice(0, cut < 0 ? count : Math.min(cut, count));
  return { matches, last: rows.length > matches.length ? matches.at(-1) : undefined };
}

/**
 * Runs a search: one statement fetches the page, with one row more that tells whether another page follows. The total is known
 * where all matches are on the page; else it is a statement of its own, made where it is asked for, and where it costs little:
 * for the first page within one record, among some ids, and of a type of which there are few. So is each round of includes.
 * @param page where the page begins; from a `next` of the same plan and caller.
 * @throws Problem `forbidden` when the caller may not search the type or a type that a condition reaches; `not-supported`
 *   for AuditEvent.
 */
export async function search(connection: Connection, plan: SearchPlan, visibility: Visibility, page?: Cursor): Promise<Found> {
  refuseContained(plan);
  const tests = admitted(plan, visibility);
  if (plan.count === 0) return { matches: [], included: [], incomplete: false, total: await count(connection, plan, tests, visibility) };
  const [rows, counted] = await Promise.all([
    pageRows(connection, plan, tests, visibility, page),
    isAsked(plan) ? count(connection, plan, tests, visibility) : undefined,
  ]);
  const { matches, last } = pageOf(rows, plan.count);
  const next = last === undefined ? undefined : cursorOf(last, plan.sort.length);
  const unasked = async (): Promise<number | undefined> => {
    if (page !== undefined) return undefined;
    if (next === undefined) return matches.length;
    if (plan.total === 'none') return undefined;
    if (isConfined(tests, visibility, plan.type)) return count(connection, plan, tests, visibility);
    return tests.length === 0 ? countOfFew(connection, plan, visibility) : undefined;
  };
  const total = counted ?? await unasked();
  const { rows: included, incomplete } = await includedRows(connection, plan, visibility, matches);
  return { matches, included, incomplete, ...(total === undefined ? {} : { total }), ...(next === undefined ? {} : { next }) };
}

/**
 * Runs a search over several types: one statement fetches a page of each, of which the page of all is made.
 * @param plans one for each type, which differ in what their parameters are only.
 * @param follow what is followed from the matches, of whichever type they are.
 * @throws Problem as `search` does; `not-supported` for a sort key that is of another kind in another type.
 */
export async function searchSeveral(connection: Connection, plans: readonly SearchPlan[], follow: Pick<SearchPlan, 'includes' | 'revincludes'>, visibility: Visibility, page?: Cursor): Promise<Found> {
  refuseContained(plans[0]!);
  const asked = plans.map((plan) => ({ plan, tests: admitted(plan, visibility) }));
  const { count: size, total: wanted, sort } = plans[0]!;
  const countAll = async (): Promise<number> => {
    const counts = asked.map(({ plan, tests }) => sql`(select count(*) from resource r where ${and(matchConditions(plan, tests, visibility))})`);
    return (await run<{ total: number }>(connection, sql`select (${sql.join(counts, sql` + `)})::integer as total`, 'for its values'))[0]!.total;
  };
  if (size === 0) return { matches: [], included: [], incomplete: false, total: await countAll() };
  const order = orderOfSeveral(plans);
  const pages = asked.map(({ plan, tests }) => sql`(${matchStatement(plan, tests, visibility, page, size + 1, order.of(plan))})`);
  const all = sql`select * from (${sql.join(pages, sql` union all `)}) r order by ${order.orderBy} limit ${literal(size + 1)}`;
  const [rows, counted] = await Promise.all([run<Keyed>(connection, bounded(all, sort.length), 'for its values'), isAsked({ total: wanted }) ? countAll() : undefined]);
  const { matches, last } = pageOf(rows, size);
  const next = last === undefined ? undefined : cursorOf(last, sort.length);
  const total = counted ?? (page === undefined && next === undefined ? matches.length : undefined);
  const { rows: included, incomplete } = await includedRows(connection, follow, visibility, matches);
  return { matches, included, incomplete, ...(total === undefined ? {} : { total }), ...(next === undefined ? {} : { next }) };
}

const cursorOf = (row: Keyed, keys: number): Cursor => ({
  keys: Array.from({ length: keys }, (_, position) => row[`key${position}`] as string | null),
  rid: String(row.rid),
});

/**
 * The first matches of a plan, newest created first, for conditional interactions: inside a transaction it sees what the
 * transaction sees. Sorting, paging and includes of the plan play no part.
 * @param limit rows at most; two tell "none", "one" and "several" apart.
 * @throws Problem as `search` does.
 */
export async function matching(connection: Connection, plan: SearchPlan, visibility: Visibility, limit: number): Promise<Row[]> {
  const tests = admitted(plan, visibility);
  return run<Row>(connection, matchStatement({ ...plan, sort: [] }, tests, visibility, undefined, limit), planOf(plan, visibility));
}
