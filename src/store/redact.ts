import { parseJson, serialize } from '../fhir/json.ts';
import type { Meta } from '../fhir/resource.ts';

/** Whether `value` is a Reference to `target` (`Patient/x`), or to a version of it. */
function pointsTo(value: unknown, target: string): boolean {
  const reference = (value as { reference?: unknown } | null)?.reference;
  return typeof reference === 'string' && (reference === target || reference.startsWith(`${target}/_history/`) || reference.endsWith(`/${target}`));
}

/** A number in its written form (fhir/json.ts). */
const isWritten = (value: object): boolean => (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);

/** @returns `value` without what references to `target` say beside the reference itself, and without the members of a group that are it. */
function without(value: unknown, target: string): unknown {
  if (Array.isArray(value)) {
    return value.filter((each) => !pointsTo((each as { entity?: unknown } | null)?.entity, target)).map((each) => without(each, target));
  }
  if (value === null || typeof value !== 'object' || isWritten(value)) return value;
  if (pointsTo(value, target)) return { reference: (value as { reference: string }).reference };
  return Object.fromEntries(Object.entries(value).flatMap(([key, each]) => {
    const kept = without(each, target);
    return Array.isArray(kept) && kept.length === 0 ? [] : [[key, kept]];
  }));
}

/**
 * What is left of a resource of somebody else when `target` (`Patient/x`) is erased: a reference keeps the id, which says
 * nothing any more, and loses name and identifier; who was a member of a group is none. Text that people wrote is theirs.
 * @returns the text as it is stored; the same where it does not name `target`.
 */
export function redacted(body: string, target: string): string {
  if (!body.includes(target)) return body;
  const { stored } = parseJson(body);
  const left = without(stored, target) as Record<string, unknown>;
  return serialize(left, { id: left['id'] as string, meta: left['meta'] as Meta });
}
