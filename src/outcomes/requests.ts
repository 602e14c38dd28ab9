import { withoutVersion } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import type { DerivedWrite } from './derived-write.ts';
import { momentOf } from './local-time.ts';
import type { PatientRecord, QuestionnaireRequest } from './record.ts';

/** Requests to answer a questionnaire: the Task of SDC (http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-task). */

export const sdcTemp = 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp';

interface Parameter { type?: { coding?: { system?: string; code?: string }[] }; valueCanonical?: string; valueReference?: { reference?: string } }

const carries = ({ type }: Parameter, code: string): boolean =>
  type?.coding?.some((coding) => coding.system === sdcTemp && coding.code === code) === true;

const request = 'complete-questionnaire';

/** @returns whether the text of a Task, as it is stored, may be that of a request: of most it tells that it is none, and they need not be read. */
export const mayBeRequest = (text: string): boolean => text.includes(request);

/** @returns the canonical (without version) of the questionnaire that `task` asks to complete, or undefined for other Tasks. */
export function questionnaireOf(task: Resource): string | undefined {
  const { coding } = (task.code ?? {}) as { coding?: { system?: string; code?: string }[] };
  if (coding?.some(({ system, code }) => system === sdcTemp && code === request) !== true) return undefined;
  const canonical = (task.input as Parameter[] | undefined)?.find((input) => carries(input, 'questionnaire'))?.valueCanonical;
  return canonical === undefined ? undefined : withoutVersion(canonical);
}

/** @returns ids of the responses that a Task names as its answers. */
export const answersOf = ({ output }: Resource): string[] => ((output ?? []) as Parameter[]).flatMap((each) =>
  (carries(each, 'questionnaire-response') ? /^QuestionnaireResponse\/(.+)$/.exec(each.valueReference?.reference ?? '')?.[1] ?? [] : []));

const open: readonly unknown[] = ['requested', 'received', 'accepted', 'ready', 'in-progress'];

/** @returns whether a response may complete a Task in this status. */
export const fulfillable = (status: unknown): boolean => open.includes(status);

/**
 * Which request a response answers: of the open ones for its questionnaire that were made before it, the one whose time began last
 * (`restriction.period.start`, else when it was made); before the time of any, the one whose time comes first. So the answer of
 * this week is this week's and one that was missed stays missed; and which requests are answered does not depend on the order in
 * which the answers come, for requests that say no time and for a series of them that is made at once.
 * @param at when it was answered, in milliseconds.
 * @returns undefined where nothing asks for it, and where it answered a request already.
 */
export function requestFor({ tasks, person: { zone } }: PatientRecord, questionnaire: string, response: string, at: number): QuestionnaireRequest | undefined {
  const asked = tasks.filter(({ key }) => key === questionnaire);
  if (asked.some(({ data }) => data.responses?.includes(response) === true)) return undefined;
  const waiting = asked.filter((task) => fulfillable(task.data.status) && (task.at ?? -Infinity) <= at)
    .map((task) => ({ task, from: momentOf(task.data.start, zone) ?? task.at ?? -Infinity }))
    .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  return (waiting.findLast(({ from }) => from <= at) ?? waiting[0])?.task;
}

/** @returns `record` in which the requests that `writes` complete are answered: what is derived next from the same unit sees them so. */
export function withAnswered(record: PatientRecord, writes: readonly DerivedWrite[]): PatientRecord {
  const responses = new Map(writes.flatMap((write) => (write.kind === 'change' && write.answeredBy !== undefined ? [[write.id, write.answeredBy]] : [])));
  if (responses.size === 0) return record;
  return { ...record, tasks: record.tasks.map((task) => {
    const response = responses.get(task.id);
    return response === undefined ? task : { ...task, data: { ...task.data, status: 'completed', responses: [response] } };
  }) };
}

/**
 * @returns `task` completed by `response` with the output of SDC, or null when it is no longer open.
 * @param response `QuestionnaireResponse/...`
 */
export function completed(task: Resource, response: string, now: string): Resource | null {
  if (!fulfillable(task.status)) return null;
  const output = { type: { coding: [{ system: sdcTemp, code: 'questionnaire-response', display: 'Questionnaire response' }] }, valueReference: { reference: response } };
  return { ...task, status: 'completed', lastModified: now, output: [...(task.output as unknown[] | undefined) ?? [], output] };
}
