import { hotColumns } from '../fhir/extract.ts';
import { exactKey } from '../fhir/index-keys.ts';
import type { Resource } from '../fhir/resource.ts';
import { hash64, searchParameter } from '../fhir/search-parameters.ts';
import type { SearchPlan, Test, TokenValue } from '../fhir/search-plan.ts';
import { lockKey } from './identity.ts';

/**
 * The locks under which a condition that matches nothing lets a resource be created.
 *
 * Two conditions may be about one resource without being the same (`identifier=a|1` and `identifier=a|1&active=true`): each
 * request sees nothing, and each creates what the other's condition matches. So a lock stands for what the created resource
 * and the condition have in common, whatever else the condition says: the value of an identifier, else the patient. What is
 * created takes the locks of its own identifiers and patient; a condition those that it asks for. A resource that a condition
 * matches has what the condition asks for: then both hold the same lock, and the later one sees the earlier one's resource.
 * A condition about neither takes a lock for each of its parameters. Writes without a condition look at nothing and take none.
 */
export function conditionLocks(type: string, plan: SearchPlan, content: Resource): Set<bigint> {
  const keys = new Set<bigint>(identifiersOf(content).map(({ value }) => identifierLock(type, exactKey(value))));
  const { patient } = hotColumns(content);
  if (patient !== null) keys.add(lockKey('patient', patient));
  const tests = together(plan.tests);
  const asked = tests.flatMap((test) => identifiersAsked(type, test));
  const patients = tests.flatMap(patientsAsked);
  if (asked.length > 0) for (const { code } of asked) keys.add(identifierLock(type, code!));
  else if (patients.length > 0) for (const id of patients) keys.add(lockKey('patient', id));
  else for (const pair of plan.applied) keys.add(lockKey('condition', type, pair.join('=')));
  return keys;
}

/** Without the system: a condition may leave it out. */
const identifierLock = (type: string, value: string): bigint => lockKey('identifier', type, value);

/** An identifier of a resource. */
export interface BusinessIdentifier { readonly system?: string | undefined; readonly value: string }

/** Whether the condition asks for `identifier`, alone or among others. */
export const asksFor = (type: string, plan: SearchPlan, { system, value }: BusinessIdentifier): boolean =>
  together(plan.tests).flatMap((test) => identifiersAsked(type, test)).some((asked) =>
    asked.code === exactKey(value) && (asked.system === null || asked.system === (system === undefined ? '0' : String(hash64(system)))));

/** @returns the identifiers of `resource` that have a value. */
export const identifiersOf = ({ identifier }: Resource): BusinessIdentifier[] =>
  [identifier].flat().filter((one): one is BusinessIdentifier => typeof (one as { value?: unknown } | null | undefined)?.value === 'string');

/** The tests that must all hold. */
const together = (tests: readonly Test[]): Test[] => tests.flatMap((test) => (test.kind === 'all' ? together(test.tests) : [test]));

/** The identifiers of which what matches has one; none where the test does not say. */
function identifiersAsked(type: string, test: Test): readonly TokenValue[] {
  if (test.kind !== 'token' || test.negated || test.parameter.number !== searchParameter(type, 'identifier')?.number) return [];
  return test.values.every(({ code }) => code !== null) ? test.values : [];
}

/** The Patients in the record of one of whom a match is; none where the test does not say. */
function patientsAsked(test: Test): string[] {
  if (test.kind !== 'reference' || test.parameter.column !== 'patient') return [];
  const ids = test.values.flatMap((value) => (value.kind === 'local' && value.type === 'Patient' ? [value.id] : []));
  return ids.length === test.values.length ? ids : [];
}
