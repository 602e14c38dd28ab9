import { setImmediate } from 'node:timers/promises';
import { authorize } from '../auth/decide.ts';
import { dateRange } from '../fhir/dates.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { limitsOf, type Visibility } from '../fhir/visibility.ts';
import type { Context } from '../interactions/context.ts';
import { calendarParts, datesOf, insteadOf, isOfCalendar, type CalendarParts } from '../outcomes/measures/calendar.ts';
import type { Subject } from '../outcomes/measures/courses.ts';
import type { MeasurementPeriod } from '../outcomes/measures/membership.ts';
import type { Pieces } from '../outcomes/pieces.ts';
import { withoutHidden } from '../outcomes/progress.ts';
import { patientRecord } from '../outcomes/record.ts';
import { readCaseload, type CaseloadQuery } from '../store/caseload.ts';
import { readerOf } from './episode.ts';
import { one, type Input } from './input.ts';

/** What operations on a caseload have in common: the period, who is in it for this caller, and reading it. */

/** A period as it was written, and as a span. */
export interface AskedPeriod { readonly written: { readonly start: string; readonly end: string }; readonly span: MeasurementPeriod }

/** @returns `periodStart` and `periodEnd`, which are dates (also `2026-03` or `2026`), as they were written and as a span. @throws Problem `malformed`. */
export function periodOf(inputs: readonly Input[]): AskedPeriod {
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

/** Periods to ask for in place of one that is refused, ready to use. */
const queries = (period: MeasurementPeriod, now: number): string => insteadOf(period, now).map((each) => `periodStart=${datesOf(each).start}&periodEnd=${datesOf(each).end}`).join(' or ');

/**
 * What is shown to whoever may not know individuals is of whole months, quarters or years that are over, or of the first quarters of a
 * year together: of two periods that differ by a day, or of one that is asked for every day, one person more could be seen.
 * @throws Problem `malformed`, which says what to ask for instead
 */
export function refuseOtherPeriods(period: MeasurementPeriod, now: number): void {
  if (!isOfCalendar(period, now)) throw problem('malformed', 'value', `Where small numbers are hidden, the period is a month, a quarter or a year of the calendar, or the first quarters of a year, that is over: ${queries(period, now)}.`, 'http.periodEnd');
}

/**
 * What courses of others came to is told by years: of two periods it could be told what those between them did.
 * @throws Problem `malformed`
 */
export function refuseOtherThanYears(period: MeasurementPeriod, now: number): void {
  const parts = calendarParts(period, now);
  if (parts?.own !== 0 || !parts.withStrata) throw problem('malformed', 'value', `caseMix is of a year of the calendar that is over, such as ${queries(period, now).split(' or ').find((each) => each.endsWith('-12-31'))!}: a caseload is held against those of others.`, 'http.periodEnd');
}

/**
 * The same for rates with strata, of which there are too many in the months of a year to tell what they give away together.
 * @returns the period with those of its year beside which it is shown
 * @throws Problem `malformed`, which says what to ask for instead
 */
export function partsFor(period: MeasurementPeriod, now: number): CalendarParts {
  const parts = calendarParts(period, now);
  if (parts === undefined) throw problem('malformed', 'value', `Where small numbers are hidden, the period is a quarter or a year of the calendar, or the first quarters of a year, that is over: ${queries(period, now)}.`, 'http.periodEnd');
  return parts;
}

/** Runs a long computation so that others are answered meanwhile: the event loop has a turn after each of its pieces. */
export async function inPieces<T>(work: Pieces<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    await setImmediate();
  }
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

/** Patients that are counted before others are answered. */
const together = 20;

/** Reads a caseload, one subject after the other, as far as `visibility` reaches. */
export async function* caseload(context: Context, visibility: Visibility, query: CaseloadQuery): AsyncGenerator<{ readonly rid: bigint; readonly subject: Subject }> {
  for await (const batch of readCaseload(context.database, visibility, query)) {
    for (const [at, { rid, body, entries, resources }] of batch.entries()) {
      if (at % together === 0) await setImmediate();
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
