import { randomInt, randomUUID } from 'node:crypto';
import { codeSystem } from '../src/fhir/canonical.ts';
import type { Resource } from '../src/fhir/resource.ts';

/** What the lines ask about. */
export interface Known {
  readonly patients: string[];
  readonly responses: string[];
  readonly tasks: { readonly id: string; readonly patient: string }[];
}

/** Responses that a record of `record` holds. */
export const phq9InRecord = 12;

interface Question { readonly linkId: string; readonly text: string; readonly options: readonly { readonly coding: object; readonly display: string }[] }

/** A form with its questions, as the service publishes it. */
export interface Form { readonly canonical: string; readonly questions: readonly Question[] }

export function formOf(questionnaire: any): Form {
  const asked = (questionnaire.item as any[]).filter(({ answerOption }) => answerOption !== undefined);
  return {
    canonical: `${questionnaire.url}|${questionnaire.version}`,
    questions: asked.map(({ linkId, text, answerOption }) => ({ linkId, text, options: answerOption.map(({ valueCoding }: any) => ({ coding: valueCoding, display: valueCoding.display })) })),
  };
}

const minute = 60_000;
const day = 1440 * minute;
const firstDay = Date.parse('2024-01-01');
const past = (): string => new Date(firstDay + randomInt(0, 800 * day)).toISOString();
const answeredOn = new Map<string, number>();
/**
 * Later than everything that this client answered, on another date: of two answers of one date the later counts, and what was
 * computed from the other is withdrawn, so that answers ten minutes apart measure corrections.
 */
export function next(patient: string): string {
  const count = (answeredOn.get(patient) ?? 0) + 1;
  answeredOn.set(patient, count);
  return new Date(firstDay + 800 * day + count * day).toISOString();
}

/**
 * @returns a response as a form filler sends it, with the questions' text and a narrative: 4 KB for the PHQ-9.
 * Half of the symptoms are answered with each of the two middle options and one of them at random, so that totals move by a point,
 * as from one week to the next, and no rule calls for a look; the safety item with "not at all".
 */
export function response(form: Form, patient: string, authored: string): Resource {
  const other = randomInt(0, form.questions.length);
  const chosen = form.questions.map(({ linkId, text, options }, at) => ({ linkId, text, option: linkId === '/44260-8' ? options[0]! : options[1 + (at === other ? randomInt(0, 2) : at % 2)]! }));
  return {
    resourceType: 'QuestionnaireResponse',
    text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><table>${chosen.map(({ text, option }) => `<tr><td>${text}</td><td>${option.display}</td></tr>`).join('')}</table></div>` },
    identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${randomUUID()}` },
    questionnaire: form.canonical, status: 'completed', subject: { reference: patient }, author: { reference: patient }, authored,
    item: chosen.map(({ linkId, text, option }) => ({ linkId, text, answer: [{ valueCoding: option.coding }] })),
  };
}

/** @returns the sum of the nine scored answers of a PHQ-9, worked out here to check the service's. */
export function totalOf(form: Form, { item }: Resource): number {
  const answered = item as { linkId: string; answer: { valueCoding: object }[] }[];
  return answered.slice(0, 9).reduce((sum, { linkId, answer }) => sum + form.questions.find((question) => question.linkId === linkId)!.options.findIndex(({ coding }) => coding === answer[0]!.valueCoding), 0);
}

/** @returns the same answers to a form that nobody scores, its questions as long and without their words, by which a safety item would be heard. */
export const unscored = (form: Form, patient: string, authored: string): Resource => {
  const { item, ...rest } = response(form, patient, authored);
  return { ...rest, questionnaire: 'http://example.org/Questionnaire/unscored', item: (item as { text: string }[]).map((each, at) => ({ ...each, linkId: `q${at}`, text: each.text.replaceAll(/\p{L}/gu, 'x') })) };
};

/** Earlier scores of a client in `longRecord`. */
export const scoresInLongRecord = 100;

/** @returns a transaction with a client, 100 weekly scores of the PHQ-9 and a session at each of the first 40. */
export function longRecord(phq9: Form): Resource {
  const patient = `urn:uuid:${randomUUID()}`, episode = `urn:uuid:${randomUUID()}`;
  const week = (at: number): string => new Date(firstDay + at * 7 * day).toISOString();
  const resources: (Resource & { fullUrl?: string })[] = [
    ...Array.from({ length: 40 }, (_, at): Resource => ({ resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: patient }, episodeOfCare: [{ reference: episode }], period: { start: week(at) } })),
    ...Array.from({ length: scoresInLongRecord }, (_, at) => response(phq9, patient, week(at))),
  ];
  const entry = (resource: Resource, fullUrl = `urn:uuid:${randomUUID()}`): object => ({ fullUrl, resource, request: { method: 'POST', url: resource.resourceType } });
  return {
    resourceType: 'Bundle', type: 'transaction',
    entry: [entry({ resourceType: 'Patient', active: true }, patient), entry({ resourceType: 'EpisodeOfCare', status: 'active', patient: { reference: patient }, period: { start: '2024-01-01' } }, episode), ...resources.map((resource) => entry(resource))],
  };
}

export function task(patient: string, note: string): Resource {
  const authoredOn = '2025-06-02T09:00:00Z';
  return {
    resourceType: 'Task', status: 'requested', intent: 'order', priority: 'routine',
    code: { coding: [{ system: codeSystem('homework-type'), code: 'mindfulness', display: 'Mindfulness practice' }] }, description: 'Ten minutes of breathing practice',
    for: { reference: patient }, owner: { reference: patient }, requester: { reference: 'Practitioner/bench' }, authoredOn, lastModified: authoredOn,
    restriction: { repetitions: 5, period: { start: '2025-06-02', end: '2025-06-09' } },
    input: [{ type: { coding: [{ system: codeSystem('task-input'), code: 'expected-occurrences' }] }, valueInteger: 5 }],
    note: [{ text: note }],
  };
}

/** What the clients of the benchmark measure themselves: from 5 to 29 minutes. */
export const practice = { system: 'http://example.org/measure', code: 'practice-minutes' } as const;

/** @returns the record of a new patient as one transaction of a hundred resources. */
export function record(phq9: Form, gad7: Form): Resource {
  const patient = `urn:uuid:${randomUUID()}`, episode = `urn:uuid:${randomUUID()}`;
  const reference = { reference: patient };
  const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
  const resources: (Resource & { fullUrl?: string })[] = [
    { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' }, subject: reference },
    { resourceType: 'CareTeam', status: 'active', subject: reference, participant: [{ member: { reference: 'Practitioner/bench' } }] },
    { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'To enjoy weekends again' }, subject: reference, startDate: '2024-01-01', target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 9 }] },
    ...times(10, (): Resource => { const start = past(); return { resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: reference, episodeOfCare: [{ reference: episode }], period: { start } }; }),
    ...times(30, (at): Resource => ({ ...task(patient, `Note ${at}`), ...(at % 3 === 0 ? {} : { status: at % 3 === 1 ? 'accepted' : 'completed' }), ...(randomInt(0, 3000) === 0 ? { priority: 'asap' } : {}) })),
    ...times(phq9InRecord, () => response(phq9, patient, past())),
    ...times(4, () => response(gad7, patient, past())),
    ...times(39, (): Resource => ({
      resourceType: 'Observation', status: 'final', code: { coding: [practice], text: 'Minutes of practice' }, subject: reference, performer: [reference], effectiveDateTime: past(),
      valueQuantity: { value: randomInt(5, 30), unit: 'min', system: 'http://unitsofmeasure.org', code: 'min' },
    })),
  ];
  const entry = (resource: Resource, fullUrl = `urn:uuid:${randomUUID()}`): object => ({ fullUrl, resource, request: { method: 'POST', url: resource.resourceType } });
  return {
    resourceType: 'Bundle', type: 'transaction',
    entry: [
      entry({ resourceType: 'Patient', active: true, name: [{ family: `Family${randomInt(0, 1_000_000)}`, given: ['Given'] }], birthDate: '1990-01-01' }, patient),
      entry({ resourceType: 'EpisodeOfCare', status: 'active', patient: reference, period: { start: '2024-01-01' } }, episode),
      ...resources.map((resource) => entry(resource)),
    ],
  };
}

/** Remembers what a transaction of `record` created, from the answer's locations. */
export function remember(known: Known, answer: any): void {
  const ids = (answer.entry as { response: { location: string } }[]).map(({ response: { location } }) => location.split('/').slice(-4) as [string, string, string, string]);
  const patient = ids.find(([type]) => type === 'Patient')![1];
  known.patients.push(patient);
  for (const [at, [type, id]] of ids.entries()) {
    if (type === 'QuestionnaireResponse') known.responses.push(id);
    else if (type === 'Task' && (at - 15) % 3 === 0) known.tasks.push({ id, patient: `Patient/${patient}` });
  }
}

export const pick = <T>(list: readonly T[]): T => list[randomInt(0, list.length)]!;
