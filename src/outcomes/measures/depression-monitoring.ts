import { ageAt, overlap, plusMonths, spanOf, startOfDay, day, type Span } from './calendar.ts';
import { Chart } from './chart.ts';
import type { Concepts } from './concepts.ts';
import { exclusions } from './depression-exclusions.ts';
import { reference, type MeasurementPeriod, type Membership, type PatientResources } from './membership.ts';

/**
 * Remission or response after an elevated PHQ-9, and use of the PHQ-9 throughout the year, after the HEDIS measures DRR-E and DMS-E
 * as secondary pages describe them (docs/clinical.md 3.5; their own text is licensed and not here). Pure.
 */

const least = { elevated: 9, age: 12, remission: 5, response: 0.5, followUpFrom: 120, followUpTo: 240 } as const;

/**
 * Whoever has an elevated PHQ-9 with a diagnosis of depression in the intake period, eight months before the measurement period to
 * eight months before its end: follow-up, remission and response 120 to 240 days later.
 * @returns the patient's place in the three rates (followed up, in remission, responded); undefined outside the initial population
 */
export function remissionOrResponse(resources: PatientResources, period: MeasurementPeriod, concepts: Concepts): readonly Membership[] | undefined {
  const chart = new Chart(resources, concepts);
  const intake: Span = { low: plusMonths(period.start, -8), high: plusMonths(period.end, -8) };
  const diagnoses = chart.diagnoses('depression', 'dysthymia');
  const assessments = chart.assessments();
  for (const index of assessments) {
    if (index.value <= least.elevated || index.span.low < intake.low || index.span.low >= intake.high) continue;
    const diagnosis = diagnoses.find(({ span }) => overlap(span, index.span));
    const age = ageAt(chart.patient.birthDate, index.span.low);
    if (diagnosis === undefined || age === undefined || age < least.age) continue;
    const from = startOfDay(index.span.low) + least.followUpFrom * day;
    const to = startOfDay(index.span.low) + (least.followUpTo + 1) * day;
    const last = assessments.findLast(({ span }) => span.low >= from && span.low < to);
    const excluded = exclusions(chart, { low: period.start, high: period.end });
    const place = (isIn: boolean): Membership => ({
      patient: reference(chart.patient), unit: reference(chart.patient), denominator: true, exclusion: excluded.length > 0, numerator: isIn && excluded.length === 0,
      evaluated: [reference(index.resource), reference(diagnosis.resource), ...(last === undefined ? [] : [reference(last.resource)]), ...excluded.map(reference)],
      strata: { age: age < 18 ? '12-17' : '18+' },
    });
    return [
      place(last !== undefined),
      place(last !== undefined && last.value < least.remission),
      place(last !== undefined && (index.value - last.value) / index.value >= least.response),
    ];
  }
  return undefined;
}

/**
 * For each third of the measurement period in which depression was seen at a visit, whether there is a PHQ-9 in it.
 * @returns the patient's place in each third: undefined where there was no such visit
 */
export function monitored(resources: PatientResources, period: MeasurementPeriod, concepts: Concepts): readonly (Membership | undefined)[] {
  const chart = new Chart(resources, concepts);
  const diagnoses = chart.diagnoses('depression', 'dysthymia');
  const visits = chart.visits().filter(({ status }) => status === 'finished').flatMap((resource) => {
    const span = spanOf(resource, 'period');
    return span === undefined ? [] : [{ resource, span }];
  });
  const excluded = exclusions(chart, { low: period.start, high: period.end });
  return [0, 4, 8].map((months): Membership | undefined => {
    const third: Span = { low: plusMonths(period.start, months), high: months === 8 ? period.end : plusMonths(period.start, months + 4) };
    const visit = visits.find(({ span }) => span.low >= third.low && span.low < third.high && diagnoses.some((diagnosis) => overlap(diagnosis.span, span)));
    const age = visit === undefined ? undefined : ageAt(chart.patient.birthDate, visit.span.low);
    if (visit === undefined || age === undefined || age < least.age) return undefined;
    const assessment = chart.assessments().find(({ span }) => span.low >= third.low && span.low < third.high);
    return {
      patient: reference(chart.patient), unit: reference(chart.patient), denominator: true, exclusion: excluded.length > 0, numerator: assessment !== undefined && excluded.length === 0,
      evaluated: [reference(visit.resource), ...(assessment === undefined ? [] : [reference(assessment.resource)]), ...excluded.map(reference)],
      strata: { age: age < 18 ? '12-17' : '18+' },
    };
  });
}
