import { sql } from 'kysely';
import type { Test, ValueTest } from '../fhir/search-plan.ts';
import { servedType } from '../fhir/types.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Cursor } from './search-order.ts';
import { indexTable, rowCondition } from './search-rows.ts';
import { literal, name, type Fragment } from './sql.ts';

/** A condition that leads the search: its index rows, in the order of the result, decide which resources are looked at. */
export interface Walk {
  /** The test that the walk replaces. */
  readonly test: Test;
  /** One subquery for each value: rids in descending order, each once. */
  readonly ridsByValue: readonly Fragment[];
}

const mostBranches = 8;

/** The test as one equality for each branch, so that each is a range of the index in the order of the rid; null: none. */
function branches(test: Test): ValueTest[] | null {
  if (test.kind === 'token' && test.parameter.column === undefined && !test.negated) {
    return test.values.every(({ code }) => code !== null) ? test.values.map((value) => ({ ...test, values: [value] })) : null;
  }
  if (test.kind === 'reference' && test.parameter.column === undefined) return test.values.map((value) => ({ ...test, values: [value] }));
  if (test.kind === 'uri' && test.match === 'equal') return test.values.map((value) => ({ ...test, values: [value] }));
  return null;
}

/** Whether a test confines the search to few resources by itself. */
const confines = (test: Test): boolean =>
  test.kind === 'id' || test.kind === 'compartment' || (test.kind === 'reference' && test.parameter.column === 'patient');

/** Whether the search looks at few rows whatever its other conditions are: those of a Patient's record, or some ids. */
export const isConfined = (tests: readonly Test[], visibility: Visibility, type: string): boolean =>
  (visibility.reach.kind === 'patient' && servedType(type)?.access === 'patient') || tests.some(confines);

/**
 * For a search in the order of the rid whose only indexed condition is an equality: the index already holds its rids in
 * that order, so the first page costs what it returns, be the value rare or on every resource. The planner cannot find
 * this by itself: for it EXISTS has no order. With a second condition it is left to the planner, which knows how frequent
 * the values are; with a Patient the Patient's own index is better.
 */
export function orderedWalk(tests: readonly Test[], visibility: Visibility, type: string, cursor: Cursor | undefined): Walk | null {
  if (isConfined(tests, visibility, type)) return null;
  const [test, another] = tests.filter((one) => one.kind !== 'updated');
  if (test === undefined || another !== undefined) return null;
  const parts = branches(test);
  if (parts === null || parts.length > mostBranches) return null;
  const after = cursor === undefined ? sql`` : sql` and w.rid < ${cursor.rid}::bigint`;
  return {
    test,
    ridsByValue: parts.map((part) => sql`(select distinct w.rid from ${name(indexTable[part.kind])} w
      where w.param = ${literal(part.parameter.number)} and ${rowCondition(part, 'w')}${after} order by w.rid desc)`),
  };
}
