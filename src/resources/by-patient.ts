import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { servedType } from '../fhir/types.ts';
import { isSafetyReview } from '../outcomes/review-times.ts';
import { recorderOf } from './consent.ts';

const forbidden = (expression: string, text: string): Issue => ({ severity: 'error', code: 'forbidden', text, expression });

/** The references in an element that holds one or several; '' stands for an author without a reference. */
function named(resource: Resource, element: string): string[] {
  const value = resource[element];
  const list = (value === undefined ? [] : Array.isArray(value) ? value : [value]) as { reference?: unknown }[];
  return list.map(({ reference }) => (typeof reference === 'string' ? reference : ''));
}

/**
 * What a patient's own app may not do within the patient's own record (`byPatient` in schemas/r4/types.json): write in
 * another's name, change what another wrote, or say who treats and who ordered. Reviewing an alert is for a clinician.
 * @param previous the current version, undefined for a new resource.
 * @param persons references of the patient and of the person who uses the app.
 */
export function checkByPatient(previous: Resource | undefined, next: Resource, persons: ReadonlySet<string>): Issue[] {
  const type = next.resourceType;
  const { author, unsigned, keeps = [] } = servedType(type)?.byPatient ?? { verbs: '' };
  const isOwn = (resource: Resource, element: string): boolean => named(resource, element).every((reference) => persons.has(reference));
  if (type === 'Task' && (isSafetyReview(next) || (previous !== undefined && isSafetyReview(previous)))) {
    return [forbidden('Task.code', 'A safety review is written by the service and closed by a clinician.')];
  }
  if (author !== undefined) {
    const expression = `${type}.${author}`;
    // what the patient's own access recorded can be withdrawn by it, whether it names a performer or not
    const isSigned = previous === undefined || unsigned === true || recorderOf(previous) === 'patient' || named(previous, author).length > 0;
    if (previous !== undefined && (!isOwn(previous, author) || !isSigned)) {
      return [forbidden(expression, `This ${type} is not the patient's own: in a patient's access only what names the patient as ${author} can be changed.`)];
    }
    if (!isOwn(next, author)) return [forbidden(expression, `In a patient's access ${author} may name the patient only.`)];
  }
  for (const element of keeps) {
    if (JSON.stringify(next[element]) === JSON.stringify(previous?.[element])) continue;
    if (next[element] === undefined || !isOwn(next, element)) return [forbidden(`${type}.${element}`, `In a patient's access ${element} stays as it is.`)];
  }
  return [];
}
