import { codeSystem, extensionUrl } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';

/** What happened to the review of an alert, and when: an extension of its Task that only the service writes. */
export const reviewTimes = extensionUrl('review-times');

/** Instants by the clock of the database. */
export interface ReviewTimes {
  readonly acknowledgedAt?: string;
  readonly acknowledgedBy?: { readonly reference?: string };
  /** First time that the client was reached, as the outputs of the review say. */
  readonly contactedAt?: string;
  readonly closedAt?: string;
  readonly closedBy?: { readonly reference?: string };
}

interface Extension { readonly url?: string; readonly extension?: readonly Extension[]; readonly valueInstant?: string; readonly valueReference?: { readonly reference?: string } }

const extensionsOf = (task: Resource): readonly Extension[] => (Array.isArray(task.extension) ? (task.extension as readonly Extension[]) : []);

/** @returns the times that `task` carries. */
export function timesOf(task: Resource): ReviewTimes {
  const parts = extensionsOf(task).find(({ url }) => url === reviewTimes)?.extension ?? [];
  return Object.fromEntries(parts.map(({ url, valueInstant, valueReference }) => [url, valueInstant ?? valueReference]));
}

/** @returns `task` with these times. */
export function withTimes(task: Resource, times: ReviewTimes): Resource {
  const others = extensionsOf(task).filter(({ url }) => url !== reviewTimes);
  const parts = Object.entries(times).filter(([, value]) => typeof value === 'string' || (value as { reference?: string }).reference !== undefined)
    .map(([url, value]: [string, unknown]) => (typeof value === 'string' ? { url, valueInstant: value } : { url, valueReference: value }));
  if (parts.length === 0 && others.length === extensionsOf(task).length) return task;
  const { extension: _extension, ...rest } = task;
  const extension = [...others, ...(parts.length === 0 ? [] : [{ url: reviewTimes, extension: parts }])];
  return extension.length === 0 ? rest : { ...rest, extension };
}

/** @returns whether a Task is the review of an alert. */
export function isSafetyReview({ resourceType, code }: Resource): boolean {
  const { coding } = (code ?? {}) as { coding?: readonly { system?: string; code?: string }[] };
  return resourceType === 'Task' && Array.isArray(coding) && coding.some((each: { system?: string; code?: string }) => each.system === codeSystem('task-type') && each.code === 'safety-review');
}
