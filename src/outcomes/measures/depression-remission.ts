import type { Resource } from '../../fhir/resource.ts';
import { ageAt, day, overlap, plusMonths, spanOf, startOfDay, type Span } from './calendar.ts';
import { Chart, type Assessment } from './chart.ts';
import type { Concepts } from './concepts.ts';
import { exclusions } from './depression-exclusions.ts';
import { reference, type MeasurementPeriod, type Membership, type PatientResources } from './membership.ts';

/**
 * Remission of depression at twelve months, by the logic of CMS159 (copyright of its measure statement: MN Community Measurement;
 * nothing of its text is here). docs/clinical.md 3.5. Pure.
 */

const least = { score: 9, age: 12, remission: 5, daysBeforeVisit: 7, aroundTwelveMonths: 60 } as const;

/** @returns the patient's place in the measure; undefined when the patient is not in the initial population. */
export function depressionRemission(resources: PatientResources, period: MeasurementPeriod, concepts: Concepts): Membership | undefined {
  const chart = new Chart(resources, concepts);
  const identification: Span = { low: plusMonths(period.start, -14), high: plusMonths(period.start, -2) };
  const index = indexAssessment(chart, identification);
  if (index === undefined) return undefined;
  const age = ageAt(chart.patient.birthDate, index.assessment.span.low);
  if (age === undefined || age < least.age) return undefined;
  const twelve = plusMonths(startOfDay(index.assessment.span.low), 12);
  const window: Span = { low: twelve - least.aroundTwelveMonths * day, high: twelve + (least.aroundTwelveMonths + 1) * day };
  const last = chart.assessments().findLast(({ span }) => span.low >= window.low && span.low < window.high);
  const exclusion = exclusions(chart, { low: identification.low, high: window.high });
  const isIn = last !== undefined && last.value < least.remission;
  return {
    patient: reference(chart.patient), unit: reference(chart.patient),
    denominator: true, exclusion: exclusion.length > 0, numerator: isIn && exclusion.length === 0,
    evaluated: [reference(index.assessment.resource), reference(index.visit), reference(index.diagnosis), ...(last === undefined ? [] : [reference(last.resource)]), ...exclusion.map(reference)],
    strata: { age: age < 18 ? '12-17' : '18+' },
  };
}

/** The first elevated score around a visit of the identification period at which depression was a diagnosis. */
function indexAssessment(chart: Chart, identification: Span): { assessment: Assessment; visit: Resource; diagnosis: Resource } | undefined {
  const depression = chart.diagnoses('depression', 'dysthymia');
  const visits = chart.visits().flatMap((visit) => {
    const span = spanOf(visit, 'period');
    const end = (visit.period as { end?: string } | undefined)?.end === undefined ? undefined : span?.high;
    if (visit.status !== 'finished' || span === undefined || end === undefined || end - 1 < identification.low || end - 1 >= identification.high) return [];
    const diagnosis = depression.find((each) => overlap(each.span, span));
    return diagnosis === undefined ? [] : [{ visit, diagnosis: diagnosis.resource, from: startOfDay(span.low) - least.daysBeforeVisit * day, to: startOfDay(end - 1) + day }];
  });
  for (const assessment of chart.assessments()) {
    if (assessment.value <= least.score) continue;
    const at = visits.find(({ from, to }) => assessment.span.low >= from && assessment.span.high - 1 < to);
    if (at !== undefined) return { assessment, visit: at.visit, diagnosis: at.diagnosis };
  }
  return undefined;
}
