import type { Resource } from '../../fhir/resource.ts';
import { dayAfter } from '../local-time.ts';
import { ageBand, isAged } from './age.ts';
import { Chart, type Assessment } from './chart.ts';
import type { Concepts } from './concepts.ts';
import { exclusions } from './depression-exclusions.ts';
import type { Edition } from './editions.ts';
import { reference, type MeasurementPeriod, type Membership, type PatientResources } from './membership.ts';
import { before, dateOnly, monthsBefore, monthsLater, notAfter, overlapping, timeOf, utcMoment, within, type Moment, type Stretch } from './moments.ts';

/**
 * Remission of depression at twelve months, by the logic of CMS159 (copyright of its measure statement: MN Community Measurement;
 * nothing of its text is here). docs/clinical.md 3.5, docs/measures.md. Pure.
 */

const least = { score: 9, age: 12, remission: 5, daysBeforeVisit: 7, aroundTwelveMonths: 60 } as const;

/** In which the visit ends; `until` does not belong to it. */
interface Identification { readonly from: Moment; readonly until: Moment }

/** @returns the patient's place in the measure; undefined when the patient is not in the initial population. */
export function depressionRemission(resources: PatientResources, period: MeasurementPeriod, concepts: Concepts, edition: Edition): Membership | undefined {
  const chart = new Chart(resources, concepts, edition.diagnosis);
  const identification: Identification = { from: utcMoment(monthsBefore(period.start, 14)), until: utcMoment(monthsBefore(period.start, 2)) };
  const index = indexAssessment(chart, identification, edition);
  const { birthDate } = chart.patient;
  if (index === undefined || !isAged(birthDate, least.age, index.assessment.start)) return undefined;
  const twelve = monthsLater(index.assessment.start.date, 12);
  const window: Stretch = { low: dateOnly(dayAfter(twelve, -least.aroundTwelveMonths)), high: dateOnly(dayAfter(twelve, least.aroundTwelveMonths)) };
  const last = chart.assessments().findLast(({ start }) => within(start, window, 'day'));
  const exclusion = exclusions(chart, { low: identification.from, high: window.high }, edition);
  const isIn = last !== undefined && last.value < least.remission;
  return {
    patient: reference(chart.patient), unit: reference(chart.patient),
    denominator: true, exclusion: exclusion.length > 0, numerator: isIn && exclusion.length === 0,
    evaluated: [reference(index.assessment.resource), reference(index.visit), reference(index.diagnosis), ...(last === undefined ? [] : [reference(last.resource)]), ...exclusion.map(reference)],
    strata: { age: ageBand(birthDate, index.assessment.start) },
  };
}

/** The first elevated score around a visit of the identification period at which depression was a diagnosis. */
function indexAssessment(chart: Chart, { from: earliest, until }: Identification, { visitEnds }: Edition): { assessment: Assessment; visit: Resource; diagnosis: Resource } | undefined {
  const depression = chart.diagnoses('depression', 'dysthymia');
  const visits = chart.visits().flatMap((visit) => {
    const time = timeOf(visit, 'period');
    if (visit.status !== 'finished' || time === undefined || !notAfter(earliest, time.high, visitEnds) || !before(time.high, until, visitEnds)) return [];
    const diagnosis = depression.find((each) => overlapping(each.time, time, 'instant'));
    const from = time.low === undefined ? undefined : dateOnly(time.low.date.length < 10 ? time.low.date : dayAfter(time.low.date, -least.daysBeforeVisit));
    return diagnosis === undefined ? [] : [{ visit, diagnosis: diagnosis.resource, from, to: time.high }];
  });
  for (const assessment of chart.assessments()) {
    if (assessment.value <= least.score) continue;
    const at = visits.find(({ from, to }) => (from === undefined || notAfter(from, assessment.start, 'day')) && notAfter(assessment.time.high, to, 'day'));
    if (at !== undefined) return { assessment, visit: at.visit, diagnosis: at.diagnosis };
  }
  return undefined;
}
