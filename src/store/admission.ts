import { problem, type Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { SearchPlan } from '../fhir/search-plan.ts';
import { servedType } from '../fhir/types.ts';
import { limitsOf, within, type Reach, type Verb } from '../fhir/visibility.ts';
import { isBeyond, standingOf, type Standing } from './standing.ts';
import type { Staging } from './staging.ts';
import type { Current, Unit, Written } from './unit.ts';

/** What was read for one unit before it is decided, beside the current versions. */
export interface Found {
  /** Patients (rid) that the caller may reach among those involved; null: all. */
  readonly reachable: ReadonlySet<bigint> | null;
  /** What the conditions of the unit match, by their plan. */
  readonly matches: ReadonlyMap<SearchPlan, readonly Current[]>;
  /** A response of the same patient with the same identifier, by position of the write. */
  readonly identified: ReadonlyMap<number, Current>;
  /** What is left (`Type/id`) in the records of the Patients that are to be deleted. */
  readonly left: ReadonlyMap<string, readonly string[]>;
}

/** The refusal of a subject that does not exist or is not visible. */
export const unknownSubject = (type: string): Problem =>
  problem('invalid', 'not-found', 'The subject is not known here. Create the Patient first, or in the same transaction.', `${type}.${servedType(type)?.patient ?? 'subject'}`);

/** What the caller may do with a loaded row: the same rule as that of every query (`store/visible.ts`). */
export const standing = (unit: Unit, found: Found, row: Current): Standing =>
  (unit.internal ? 'writable' : standingOf(unit.visibility, row, reaches(unit.visibility.reach, found.reachable, row.type, row.patient)));

function reaches(reach: Reach, reachable: Found['reachable'], type: string, patient: bigint | null): boolean {
  if (reach.kind === 'all') return true;
  if (reach.kind === 'none' || reach.kind === 'auditor') return false;
  const access = servedType(type)?.access;
  if (access === 'patient') return patient !== null && (reachable === null || reachable.has(patient));
  return access === 'directory' && reach.kind === 'practitioner';
}

/** @throws Problem `forbidden` when the caller may not create a resource of this type in that patient's record. */
export function admitNew(unit: Unit, found: Found, staging: Staging, type: string, written: Written): void {
  if (unit.internal || unit.visibility.reach.kind === 'all') return;
  if (type === 'Patient' && unit.visibility.reach.kind === 'practitioner') return;
  const row = staging.current(type, written.id)!;
  const standing = standingOf(unit.visibility, { ...row, restricted: false, private: false }, reaches(unit.visibility.reach, found.reachable, type, row.patient));
  if (standing === 'writable') return;
  // The same words as for a subject that does not exist: whether it exists is not for this caller to know.
  if (servedType(type)?.access === 'patient' && servedType(type)?.patient !== undefined) throw unknownSubject(type);
  throw problem('forbidden', 'forbidden', `This access does not allow to create a ${type}.`);
}

/**
 * Refuses a Provenance about what the caller does not see. It belongs to the record of its targets, so that the answer would
 * tell of a target in another record.
 */
export function checkTargets(unit: Unit, found: Found, staging: Staging, { resourceType, target }: Resource): void {
  if (resourceType !== 'Provenance' || unit.visibility.reach.kind === 'all' && unit.visibility.limits === undefined) return;
  const known = (target as { reference?: string }[] | undefined ?? []).every(({ reference }) => {
    const [type, id] = reference?.split('/') ?? [];
    if (type === undefined || id === undefined || servedType(type) === undefined) return true;
    if (type === 'Patient') return reaches(unit.visibility.reach, found.reachable, type, staging.patient(id) ?? null);
    const row = staging.current(type, id);
    return row !== undefined && standing(unit, found, row) !== 'unseen' && !isBeyond(unit.visibility, row);
  });
  if (!known) throw unknownSubject(resourceType);
}

/**
 * Looked at before anything that the content refers to: the refusal does not tell whether that is there.
 * @throws Problem `forbidden` for content that the granular scopes of the caller do not let it write.
 */
export function checkLimits(unit: Unit, verb: Verb, resource: Resource): void {
  if (!unit.internal && !within(unit.visibility, verb, resource)) throw beyondScope(resource.resourceType);
}

const beyondScope = (type: string): Problem => problem('forbidden', 'forbidden', `The scopes of this access do not extend to this ${type}: they are limited by its content.`, type);

/**
 * @returns whether the caller may know of a row, to change or delete it.
 * @throws Problem `forbidden` when it is seen and may not be changed.
 */
export function reachesRow(unit: Unit, found: Found, verb: Verb, row: Current): boolean {
  if (unit.internal) return true;
  const { visibility } = unit;
  const may = standing(unit, found, row);
  if (may === 'unseen') return false;
  if (row.live && limitsOf(visibility, row.type).length + limitsOf(visibility, row.type, verb).length > 0) {
    if (within(visibility, verb, JSON.parse(row.body!) as Resource) && may === 'writable') return true;
    if (isBeyond(visibility, row) || !(visibility.grants.get(row.type)!.has('r') || visibility.grants.get(row.type)!.has('s'))) return false;
    throw beyondScope(row.type);
  }
  if (may === 'readable') throw problem('forbidden', 'forbidden', `This access sees the ${row.type} by a Consent, which does not allow to change it.`);
  return true;
}
