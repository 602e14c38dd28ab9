import type { Resource } from '../fhir/resource.ts';
import { withoutVersion } from './recognise.ts';

/** Requests to answer a questionnaire: the Task of SDC (http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-task). */

export const sdcTemp = 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp';

interface Parameter { type?: { coding?: { system?: string; code?: string }[] }; valueCanonical?: string; valueReference?: { reference?: string } }

const carries = ({ type }: Parameter, code: string): boolean =>
  type?.coding?.some((coding) => coding.system === sdcTemp && coding.code === code) === true;

/** @returns the canonical (without version) of the questionnaire that `task` asks to complete, or undefined for other Tasks. */
export function questionnaireOf(task: Resource): string | undefined {
  const { coding } = (task.code ?? {}) as { coding?: { system?: string; code?: string }[] };
  if (coding?.some(({ system, code }) => system === sdcTemp && code === 'complete-questionnaire') !== true) return undefined;
  const canonical = (task.input as Parameter[] | undefined)?.find((input) => carries(input, 'questionnaire'))?.valueCanonical;
  return canonical === undefined ? undefined : withoutVersion(canonical);
}

const open: readonly unknown[] = ['requested', 'received', 'accepted', 'ready', 'in-progress'];

/** @returns whether a response may complete a Task in this status. */
export const fulfillable = (status: unknown): boolean => open.includes(status);

/**
 * @returns `task` completed by `response` with the output of SDC, or null when it is no longer open.
 * @param response `QuestionnaireResponse/...`
 */
export function completed(task: Resource, response: string, now: string): Resource | null {
  if (!fulfillable(task.status)) return null;
  const output = { type: { coding: [{ system: sdcTemp, code: 'questionnaire-response', display: 'Questionnaire response' }] }, valueReference: { reference: response } };
  return { ...task, status: 'completed', lastModified: now, output: [...(task.output as unknown[] | undefined) ?? [], output] };
}
