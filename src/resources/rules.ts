import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { isSafetyReview } from '../outcomes/review-times.ts';
import { isDerived } from './observation.ts';
import { checkFlag, isSafetyFlag } from './safety-review.ts';
import { checkTaskTransition } from './task.ts';

/**
 * The rules of this service for one write, by resource type.
 * @param previous the current version, undefined for a new resource.
 * @param next what it would become; null for a deletion.
 * @returns issues; one of code `forbidden` means that a client may not do this at all.
 */
export function checkWrite(previous: Resource | undefined, next: Resource | null): Issue[] {
  const type = (next ?? previous)?.resourceType;
  if (type === 'Task' && next !== null) return checkTaskTransition(previous, next);
  if (type === 'Flag' && next !== null) return checkFlag(previous, next);
  if (type === 'Observation' && ((previous !== undefined && isDerived(previous)) || (next !== null && isDerived(next)))) {
    return [{ severity: 'error', code: 'forbidden', text: 'This Observation is computed by the service. Amend the QuestionnaireResponse that it is derived from.', expression: 'Observation' }];
  }
  if (next === null && previous !== undefined && isAlert(previous)) {
    return [{ severity: 'error', code: 'business-rule', text: 'An alert is closed, not deleted: complete the review, and set the Flag inactive.', expression: type }];
  }
  return [];
}

/** A Flag or a review that the service raised: it stays in the record however it ends (docs/clinical.md 7). */
const isAlert = (resource: Resource): boolean => (resource.resourceType === 'Task' ? isSafetyReview(resource) : isSafetyFlag(resource));
