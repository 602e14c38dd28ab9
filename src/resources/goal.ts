import type { Resource } from '../fhir/resource.ts';
import { computedAchievement, humanAchievement, withComputedAchievement } from '../outcomes/goals.ts';

/**
 * A Goal as a client writes it. The mark of what was computed last is the service's own: it is carried over from `previous`
 * whatever the client sent, so that a status that differs from it is known to be a person's.
 * @returns the Goal to store, and whether this write sets, changes or takes back a status by hand (worth a Provenance of the person's).
 */
export function goalByClient(previous: Resource | undefined, next: Resource): { goal: Resource; override: boolean } {
  const goal = withComputedAchievement(next, previous === undefined ? undefined : computedAchievement(previous));
  const before = previous === undefined ? undefined : humanAchievement(previous);
  return { goal, override: humanAchievement(goal) !== before };
}
