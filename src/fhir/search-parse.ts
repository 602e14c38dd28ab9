import { problem } from './outcome.ts';
import { applyControl, initialControls, isControl, type Controls } from './search-controls.ts';
import type { SearchPlan, Test } from './search-plan.ts';
import { parameterTest } from './search-names.ts';
import { refuseAbsent, specialTest } from './search-special.ts';
import { badValue, queryExpression, unknownName, UnknownName } from './search-syntax.ts';
import { servedType } from './types.ts';

/** How a search is read. */
export interface SearchOptions {
  /** `strict` refuses what is unknown; `lenient` leaves it out, and the self link shows that it did. */
  readonly handling: 'strict' | 'lenient';
  /** Base URL of this service: a reference to something below it is a local one. */
  readonly baseUrl?: string;
  /** Search within the record of one Patient: `Patient/x/Observation?...`. */
  readonly compartment?: { readonly type: 'Patient'; readonly id: string };
}

/** More would be an attack or a mistake: each condition costs an index look-up for each candidate. */
const mostParameters = 100;
const longestValue = 20_000;
const mostConditions = 60;

/**
 * Reads the query of a type search (http://hl7.org/fhir/R4/search.html). Pure: whether the caller may ask is decided later.
 * @param type a served type.
 * @param query names and values in the order of the URL or the form, decoded.
 * @returns the frozen plan.
 * @throws Problem `malformed` for a value that cannot be used, `not-supported` for an unknown or unsupported parameter,
 *   modifier, sort key or include (an unknown name is left out in lenient handling); each names the parameter as `http.<name>`.
 */
export function parseSearch(type: string, query: readonly (readonly [string, string])[], options: SearchOptions): SearchPlan {
  const served = servedType(type);
  if (served === undefined) throw problem('not-supported', 'not-supported', 'This resource type is not served here.', 'http');
  if (query.length > mostParameters) throw problem('malformed', 'too-costly', `A search may have ${mostParameters} parameters at most.`, 'http');
  const tests: Test[] = [];
  if (options.compartment !== undefined) {
    if (served.access !== 'patient') {
      throw problem('not-supported', 'not-supported', `${type} is not part of a Patient's record: search it without the compartment.`, 'http');
    }
    tests.push({ kind: 'compartment', patient: options.compartment.id });
  }
  const controls = initialControls();
  const applied: [string, string][] = [];
  for (const [name, value] of query) {
    try {
      checkText(name, value);
      const used = isControl(name) ? applyControl(controls, type, name, value) : addTest(tests, type, name, value, options);
      if (used !== null) applied.push([name, used]);
    } catch (error) {
      if (options.handling === 'strict' || !(error instanceof UnknownName)) throw error;
    }
  }
  if (size(tests) > mostConditions) throw problem('malformed', 'too-costly', `A search may have ${mostConditions} conditions at most.`, 'http');
  return freeze(finish(type, tests, controls, applied));
}

function checkText(name: string, value: string): void {
  if (name.includes('\u0000') || value.includes('\u0000')) throw badValue(name, 'it contains a NUL character.', 'invalid');
  // an ignored empty value would widen the result
  if (value === '') throw badValue(name, 'it is empty.', 'required');
  if (value.length > longestValue) throw badValue(name, `it is longer than ${longestValue} characters.`, 'too-long');
}

function addTest(tests: Test[], type: string, name: string, value: string, options: SearchOptions): string {
  if (name.length > 300) throw unknownName(name, 'A parameter name of the query is too long.');
  refuseAbsent(name);
  const reading = { name, baseUrl: options.baseUrl, chains: 0, reverse: 0 };
  tests.push(specialTest(type, name, value, reading) ?? parameterTest(type, name, value, reading));
  return value;
}

function size(tests: readonly Test[]): number {
  let conditions = 0;
  for (const test of tests) {
    if (test.kind === 'all' || test.kind === 'any') conditions += size(test.tests);
    else if (test.kind === 'chain') conditions += 1 + size(test.targets.map((target) => target.test));
    else if (test.kind === 'not') conditions += size([test.test]);
    else if (test.kind === 'has') conditions += 1 + size([test.test]);
    else conditions += 1;
  }
  return conditions;
}

function finish(type: string, tests: Test[], controls: Controls, applied: [string, string][]): SearchPlan {
  if (controls.elements.length > 0 && controls.summary !== 'false') {
    throw problem('malformed', 'invalid', '_elements and _summary exclude each other: give one of them.', queryExpression('_elements'));
  }
  if (controls.summary === 'text' && controls.includes.length + controls.revincludes.length > 0) {
    throw problem('malformed', 'invalid', '_summary=text and _include exclude each other: give one of them.', queryExpression('_summary'));
  }
  if (controls.contained !== 'false' && controls.sort.length + controls.includes.length + controls.revincludes.length > 0) {
    throw problem('not-supported', 'not-supported', 'A search of contained resources is not sorted and includes nothing.', queryExpression('_contained'));
  }
  const { countOnly, total, count, ...rest } = controls;
  return { type, tests, applied, ...rest, count: countOnly ? 0 : count, total: countOnly || count === 0 ? 'accurate' : total };
}

/** Freezes the plan and everything in it but the search parameters, which are shared. */
function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !('expression' in value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
