import type { Resource } from '../fhir/resource.ts';
import { formWords, readable, type Line } from './readable.ts';

/** A resource of the record: its stored text and what it says. */
export interface Recorded { readonly type: string; readonly id: string; readonly text: string }

/** What a document is made of. */
export interface RecordContent {
  /** UUID of the document. */
  readonly id: string;
  /** FHIR instant. */
  readonly now: string;
  readonly baseUrl: string;
  /** Logical id of the Patient, who is the first of `record`. */
  readonly patient: string;
  readonly record: readonly Recorded[];
  /** What the record refers to: forms and who is named. */
  readonly referred: readonly Recorded[];
}

/** Sections by resource type, in their order; what is not listed comes after them under its own name. */
const titles: Readonly<Record<string, string>> = {
  Patient: 'Who this is about', QuestionnaireResponse: 'Answered forms', Observation: 'Scores and observations', Goal: 'Goals', Task: 'Homework and other tasks',
  Communication: 'Messages', Appointment: 'Appointments', Encounter: 'Sessions', EpisodeOfCare: 'Episodes of care', CarePlan: 'Plans', Condition: 'Problems', ServiceRequest: 'Requests',
  CareTeam: 'Who is involved', RelatedPerson: 'People around', Consent: 'Consents', Flag: 'Alerts', DocumentReference: 'Documents', Provenance: 'Where things come from',
};

function sections(record: readonly Recorded[]): [title: string, resources: readonly Recorded[]][] {
  const order = Object.keys(titles);
  const place = (type: string): number => (order.includes(type) ? order.indexOf(type) : order.length);
  const groups = [...Map.groupBy(record, ({ type }) => type)].toSorted(([one], [other]) => place(one) - place(other) || (one < other ? -1 : 1));
  return groups.map(([type, resources]) => [titles[type] ?? type, resources]);
}

/**
 * The record as a FHIR document (http://hl7.org/fhir/R4/documents.html): a Composition first, with a section for each type of
 * resource, then the resources as they are stored.
 * @returns a Bundle of type document as JSON text.
 */
export function recordDocument({ id, now, baseUrl, patient, record, referred }: RecordContent): string {
  const composition = {
    resourceType: 'Composition', id,
    status: 'final',
    type: { coding: [{ system: 'http://loinc.org', code: '11503-0', display: 'Medical records' }] },
    subject: { reference: `${baseUrl}/Patient/${patient}` },
    date: now,
    author: [{ display: 'Intersession' }],
    title: 'The record',
    section: sections(record).map(([title, resources]) => ({ title, entry: resources.map(({ type, id: of }) => ({ reference: `${baseUrl}/${type}/${of}` })) })),
  };
  const entries = [
    `{"fullUrl":"urn:uuid:${id}","resource":${JSON.stringify(composition)}}`,
    ...[...record, ...referred].map(({ type, id: of, text }) => `{"fullUrl":${JSON.stringify(`${baseUrl}/${type}/${of}`)},"resource":${text}}`),
  ];
  return `{"resourceType":"Bundle","id":"${id}","identifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:${id}"},"type":"document","timestamp":"${now}","entry":[${entries.join(',')}]}`;
}

/** The words of the forms that the record answers, by their canonical without its version. */
const wordsOf = (referred: readonly Recorded[]): ReadonlyMap<string, ReturnType<typeof formWords>> => new Map(referred.filter(({ type }) => type === 'Questionnaire').map(({ text }) => {
  const form = JSON.parse(text) as Resource;
  return [String(form['url']), formWords(form)];
}));

function linesOf(text: string, words: ReturnType<typeof wordsOf>): Line[] {
  const resource = JSON.parse(text) as Resource;
  const form = resource['questionnaire'];
  return readable(resource, typeof form === 'string' ? words.get(form.split('|', 1)[0]!) : undefined);
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character]!);

/** The record as a page that anybody can read, without script, style or link. What the record refers to is not repeated. */
export function recordPage({ now, record, referred }: RecordContent): string {
  const words = wordsOf(referred);
  const parts = sections(record).map(([title, resources]) => `<h2>${escaped(title)}</h2>\n${resources.map(({ type, id, text }) => {
    const lines = linesOf(text, words).map(({ label, text: said, depth }) => `<dt>${'– '.repeat(depth)}${escaped(label)}</dt><dd>${escaped(said)}</dd>`);
    return `<section aria-label="${escaped(`${type} ${id}`)}"><dl>\n${lines.join('\n')}\n</dl></section>`;
  }).join('\n<hr>\n')}`);
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>The record</title></head><body>\n<h1>The record</h1>\n<p>As of ${escaped(now)}.</p>\n${parts.join('\n')}\n</body></html>\n`;
}

/** The record as plain text. */
export function recordText({ now, record, referred }: RecordContent): string {
  const words = wordsOf(referred);
  const parts = sections(record).map(([title, resources]) => `${title}\n${'='.repeat(title.length)}\n\n${resources.map(({ text }) =>
    linesOf(text, words).map(({ label, text: said, depth }) => `${'  '.repeat(depth)}${label}: ${said}`).join('\n')).join('\n\n')}`);
  return `The record\n\nAs of ${now}.\n\n${parts.join('\n\n')}\n`;
}
