import { sql } from 'kysely';
import type { ReferenceValue, Test, ValueTest } from '../fhir/search-plan.ts';
import { servedType } from '../fhir/types.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Cursor } from './search-order.ts';
import { indexTable, rowCondition } from './search-rows.ts';
import { patientRid } from './search-tests.ts';
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
function confines(test: Test): boolean {
  if (test.kind === 'id') return !test.negated;
  if (test.kind === 'reference' && test.parameter.column === 'patient') return test.values.every((value) => isPatient(value) || (value.kind === 'local' && value.type === null));
  return test.kind === 'compartment';
}

/** As the column `patient` holds it; a subject that is a Group or a Device is an index row. */
const isPatient = (value: ReferenceValue): boolean => value.kind === 'local' && value.type === 'Patient';

/** Whether the search looks at few rows whatever its other conditions are: those of a Patient's record, or some ids. */
export const isConfined = (tests: readonly Test[], visibility: Visibility, type: string): boolean =>
  (visibility.reach.kind === 'patient' && servedType(type)?.access === 'patient') || tests.some(confines);

/** The rid of the one Patient in whose record the search looks; undefined where it may look in several. */
export function recordOf(tests: readonly Test[], visibility: Visibility, type: string): Fragment | undefined {
  if (visibility.reach.kind === 'patient' && servedType(type)?.access === 'patient') return patientRid(visibility.reach.patient);
  for (const test of tests) {
    if (test.kind === 'compartment') return patientRid(test.patient);
    if (test.kind !== 'reference' || test.parameter.column !== 'patient') continue;
    const [value, another] = test.values;
    if (another === undefined && value?.kind === 'local' && isPatient(value)) return patientRid(value.id);
  }
  return undefined;
}

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
