import { authorize } from '../auth/decide.ts';
import { dateRange } from '../fhir/dates.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { limitsOf, type Visibility } from '../fhir/visibility.ts';
import type { Context } from '../interactions/context.ts';
import { calendarParts, isOfCalendar, type CalendarParts } from '../outcomes/measures/calendar.ts';
import type { Subject } from '../outcomes/measures/courses.ts';
import type { MeasurementPeriod } from '../outcomes/measures/membership.ts';
import { withoutHidden } from '../outcomes/progress.ts';
import { patientRecord } from '../outcomes/record.ts';
import { readCaseload, type CaseloadQuery } from '../store/caseload.ts';
import { readerOf } from './episode.ts';
import { one, type Input } from './input.ts';

/** What operations on a caseload have in common: the period, who is in it for this caller, and reading it. */

/** @returns `periodStart` and `periodEnd`, which are dates (also `2026-03` or `2026`), as they were written and as a span. @throws Problem `malformed`. */
export function periodOf(inputs: readonly Input[]): { written: { start: string; end: string }; span: MeasurementPeriod } {
  const read = (name: string): { text: string; low: number; high: number } => {
    const text = one(inputs, name);
    const range = text === undefined || text.includes('T') ? undefined : dateRange(text);
    if (text === undefined || range === undefined) throw problem('malformed', text === undefined ? 'required' : 'value', `${name} is needed: a date, such as 2026-01-01.`, `http.${name}`);
    return { text, low: Date.parse(range.low), high: Date.parse(range.high) };
  };
  const [start, end] = [read('periodStart'), read('periodEnd')];
  if (end.high <= start.low) throw problem('malformed', 'value', 'periodEnd must not be before periodStart.', 'http.periodEnd');
  return { written: { start: start.text, end: end.text }, span: { start: start.low, end: end.high } };
}

/**
 * What is shown to whoever may not know individuals is of whole months, quarters or years that are over: of two periods that
 * differ by a day, or of one that is asked for every day, one person more could be seen.
 * @throws Problem `malformed`
 */
export function refuseOtherPeriods(period: MeasurementPeriod, now: number): void {
  if (!isOfCalendar(period) || period.end > now) throw problem('malformed', 'value', 'Where small numbers are hidden, the period is a month, a quarter or a year of the calendar that is over.', 'http.periodEnd');
}

/**
 * What courses of others came to is told by years: of two periods it could be told what those between them did.
 * @throws Problem `malformed`
 */
export function refuseOtherThanYears(period: MeasurementPeriod, now: number): void {
  if (calendarParts(period)?.own !== 0 || period.end > now) throw problem('malformed', 'value', 'caseMix is of a year of the calendar that is over: a caseload is held against those of others.', 'http.periodEnd');
}

/**
 * The same for rates with strata, of which there are too many in the months of a year to tell what they give away together.
 * @returns the period with those that it is a part of
 * @throws Problem `malformed`
 */
export function partsFor(period: MeasurementPeriod, now: number): CalendarParts {
  const parts = calendarParts(period);
  if (parts === undefined || period.end > now) throw problem('malformed', 'value', 'Where small numbers are hidden, the period is a quarter or a year of the calendar that is over.', 'http.periodEnd');
  return parts;
}

/** What counting reads of a record beside the types of a rule: the Patient, and scores as the Observations that show them. */
const always = ['Patient', 'Observation'];

/**
 * The visibility with which a caseload is counted: the caller's own, where it reaches all that is read (a rate over a part of the
 * resources would be a wrong rate); for an auditor, who is to see nothing but the counts, everybody's. This is the one place
 * where a query reaches further than its caller: what comes out of it must be suppressed and name nobody.
 * @throws Problem `forbidden`
 */
export function seeingAll(visibility: Visibility, ofRule: readonly string[]): Visibility {
  const types = [...new Set([...always, ...ofRule])];
  if (visibility.reach.kind === 'auditor') return everybody(visibility, types);
  for (const type of types) {
    authorize(visibility, type, 's');
    if (limitsOf(visibility, type).length > 0) throw problem('forbidden', 'forbidden', `The scopes for ${type} are limited by criteria; a rate needs all of them.`);
  }
  return visibility;
}

/** For counts that name nobody, and for nothing else: every record, whoever asks. */
export const everybody = ({ caller }: Visibility, types: readonly string[]): Visibility =>
  ({ caller, reach: { kind: 'all' }, restricted: true, grants: new Map([...always, ...types].map((type) => [type, new Set(['r', 's'] as const)])) });

/**
 * Whose patients a report is about: those in the care of one practitioner (logical id), where it is asked for, else of the caller
 * who is one. Somebody whose record a Consent or an emergency opened is not in care, and counts in no caseload for it.
 * @returns what to choose Patients by; undefined: all that the caller sees. What is read of them is what the caller sees: of the
 *   same courses, a system client has the same numbers for one caseload and in the stratum of it
 * @throws Problem `not-found` when that is not the caller's own caseload and the caller does not reach all
 */
export function inCareOf(visibility: Visibility, practitioner: string | undefined): Visibility | undefined {
  const { reach } = visibility;
  if (practitioner === undefined) return reach.kind === 'practitioner' ? { ...visibility, consents: [] } : undefined;
  const reference = `Practitioner/${practitioner}`;
  if (reach.kind !== 'all' && (reach.kind !== 'practitioner' || reach.reference !== reference)) throw problem('not-found', 'not-found', 'No such Practitioner.', 'http.practitioner');
  return { ...visibility, reach: { kind: 'practitioner', reference }, consents: [] };
}

/** Reads a caseload, one subject after the other, as far as `visibility` reaches. */
export async function* caseload(context: Context, visibility: Visibility, query: CaseloadQuery): AsyncGenerator<{ readonly rid: bigint; readonly subject: Subject }> {
  for await (const batch of readCaseload(context.database, visibility, query)) {
    for (const { rid, body, entries, resources } of batch) {
      const byType = new Map<string, Resource[]>();
      for (const { type, body: text } of resources) {
        const list = byType.get(type);
        if (list === undefined) byType.set(type, [JSON.parse(text) as Resource]);
        else list.push(JSON.parse(text) as Resource);
      }
      yield { rid, subject: { patient: JSON.parse(body) as Resource, record: withoutHidden(patientRecord(entries, context.zone), readerOf({ visibility })), byType } };
    }
  }
}
