import { dayAfter } from '../local-time.ts';
import { ageBand, isAged } from './age.ts';
import { Chart } from './chart.ts';
import type { Concepts } from './concepts.ts';
import { exclusions } from './depression-exclusions.ts';
import { confirmedAndActive } from './editions.ts';
import { reference, type MeasurementPeriod, type Membership, type PatientResources } from './membership.ts';
import { dateOnly, monthsAfter, monthsBefore, overlapping, timeOf, utcMoment, within, type Moment, type Stretch } from './moments.ts';

/**
 * Remission or response after an elevated PHQ-9, and use of the PHQ-9 throughout the year, after the HEDIS measures DRR-E and DMS-E
 * as secondary pages describe them (docs/clinical.md 3.5; their own text is licensed and not here). Pure.
 */

const least = { elevated: 9, age: 12, remission: 5, response: 0.5, followUpFrom: 120, followUpTo: 240 } as const;
const byDay = { death: 'day', palliativeCare: 'day' } as const;

/** From one time, which belongs to it, to another, which does not. */
const between = (start: number, end: number): Stretch => ({ low: utcMoment(start), high: utcMoment(end - 1) });

/** Whether something began in a stretch: by its instant, or by its date where it has no time. */
const began = (at: Moment | undefined, stretch: Stretch): boolean => at !== undefined && within(at, stretch, at.utc.includes('T') ? 'instant' : 'day');

/**
 * Whoever has an elevated PHQ-9 with a diagnosis of depression in the intake period, eight months before the measurement period to
 * eight months before its end: follow-up, remission and response 120 to 240 days later.
 * @returns the patient's place in the three rates (followed up, in remission, responded); undefined outside the initial population
 */
export function remissionOrResponse(resources: PatientResources, period: MeasurementPeriod, concepts: Concepts): readonly Membership[] | undefined {
  const chart = new Chart(resources, concepts, confirmedAndActive);
  const intake = between(monthsBefore(period.start, 8), monthsBefore(period.end, 8));
  const diagnoses = chart.diagnoses('depression', 'dysthymia');
  const assessments = chart.assessments();
  const { birthDate } = chart.patient;
  for (const index of assessments) {
    if (index.value <= least.elevated || !began(index.start, intake) || !isAged(birthDate, least.age, index.start)) continue;
    const diagnosis = diagnoses.find(({ time }) => overlapping(time, index.time, 'day'));
    if (diagnosis === undefined) continue;
    const after = (days: number): Moment => dateOnly(dayAfter(index.start.date, days));
    const followUp: Stretch = { low: after(least.followUpFrom), high: after(least.followUpTo) };
    const last = assessments.findLast(({ start }) => within(start, followUp, 'day'));
    const excluded = exclusions(chart, between(period.start, period.end), byDay);
    const place = (isIn: boolean): Membership => ({
      patient: reference(chart.patient), unit: reference(chart.patient), denominator: true, exclusion: excluded.length > 0, numerator: isIn && excluded.length === 0,
      evaluated: [reference(index.resource), reference(diagnosis.resource), ...(last === undefined ? [] : [reference(last.resource)]), ...excluded.map(reference)],
      strata: { age: ageBand(birthDate, index.start) },
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
  const chart = new Chart(resources, concepts, confirmedAndActive);
  const diagnoses = chart.diagnoses('depression', 'dysthymia');
  const { birthDate } = chart.patient;
  const visits = chart.visits().filter(({ status }) => status === 'finished').flatMap((resource) => {
    const time = timeOf(resource, 'period');
    return time?.low !== undefined && isAged(birthDate, least.age, time.low) && diagnoses.some((diagnosis) => overlapping(diagnosis.time, time, 'day')) ? [{ resource, start: time.low }] : [];
  });
  const excluded = exclusions(chart, between(period.start, period.end), byDay);
  return [0, 4, 8].map((months): Membership | undefined => {
    const third = between(monthsAfter(period.start, months), months === 8 ? period.end : monthsAfter(period.start, months + 4));
    const visit = visits.find(({ start }) => began(start, third));
    if (visit === undefined) return undefined;
    const assessment = chart.assessments().find(({ start }) => began(start, third));
    return {
      patient: reference(chart.patient), unit: reference(chart.patient), denominator: true, exclusion: excluded.length > 0, numerator: assessment !== undefined && excluded.length === 0,
      evaluated: [reference(visit.resource), ...(assessment === undefined ? [] : [reference(assessment.resource)]), ...excluded.map(reference)],
      strata: { age: ageBand(birthDate, visit.start) },
    };
  });
}
