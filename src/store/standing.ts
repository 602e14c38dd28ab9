import type { Resource } from '../fhir/resource.ts';
import { limitsOf, sees, type Visibility } from '../fhir/visibility.ts';
import { servedType } from '../fhir/types.ts';
import { byConsent } from './consents.ts';
import type { Current } from './unit.ts';

/** What a caller may do with a resource that is there: not know of it, see it, change it. */
export type Standing = 'unseen' | 'readable' | 'writable';

/**
 * The rule of `store/visible.ts` on one loaded row, whatever the verbs: what Consents permit is seen and not changed.
 * @param reached whether the caller reaches the record by its own reach (a relation of care, the own record).
 */
export function standingOf(visibility: Visibility, row: Current, reached: boolean): Standing {
  const { reach, restricted, consents = [] } = visibility;
  if (reach.kind === 'all') return 'writable';
  if (reach.kind === 'patient') return reached && (!row.restricted || row.private) ? 'writable' : 'unseen';
  if (consents.length === 0 || servedType(row.type)?.access !== 'patient') return reached && restricted && !row.private ? 'writable' : 'unseen';
  const { permitted, opened, denied } = byConsent(visibility, ruled(row), row);
  if (denied) return 'unseen';
  if (reach.kind === 'related') return permitted && (!row.restricted || row.private) ? 'readable' : 'unseen';
  if (row.private && !opened) return 'unseen';
  return reached && !row.private ? 'writable' : permitted || reached ? 'readable' : 'unseen';
}

function ruled({ type, id, patient, body }: Current): Parameters<typeof byConsent>[1] {
  const { meta } = body === null ? {} as Resource : (JSON.parse(body) as Resource);
  return { type, id, patient, security: (meta?.security ?? []).map(({ system, code }) => ({ system, code: code ?? '' })) };
}

/** An id that is drawn from random numbers (UUID version 4 or 7): nobody who was not told it comes to ask about it. */
const drawn = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Whether there may be resources of a type in records that the caller does not see. Then the caller does not choose the ids of
 * new ones, unless it draws them: the answer would tell which are taken.
 */
export const overlooks = (visibility: Visibility, type: string, id: string): boolean =>
  !drawn.test(id) && ((visibility.reach.kind !== 'all' && servedType(type)?.access === 'patient') || limitsOf(visibility, type).length > 0);

/** Whether granular scopes hide the live version `row` from reading and searching: where neither is granted they hide nothing more. */
export const isBeyond = (visibility: Visibility, row: Current): boolean =>
  row.body !== null && limitsOf(visibility, row.type).length > 0 && !sees(visibility, JSON.parse(row.body) as Resource);
