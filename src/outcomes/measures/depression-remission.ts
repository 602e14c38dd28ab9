import type { Resource } from '../../fhir/resource.ts';
import { ageAt, day, overlap, plusMonths, spanOf, startOfDay, type Span } from './calendar.ts';
import { classesOf, type Concept, type ConceptGroup, type Concepts } from './concepts.ts';
import { reference, type MeasurementPeriod, type Membership, type PatientResources } from './membership.ts';

/**
 * Remission of depression at twelve months, by the logic of CMS159 (copyright of its measure statement: MN Community Measurement;
 * nothing of its text is here). docs/clinical.md 3.5. Pure.
 */

const counted: readonly unknown[] = ['final', 'amended', 'corrected'];
const activeStatuses: readonly unknown[] = ['active', 'recurrence', 'relapse'];
const least = { score: 9, age: 12, remission: 5, daysBeforeVisit: 7, aroundTwelveMonths: 60 } as const;

/** A PHQ-9 total with its time. */
export interface Assessment { readonly resource: Resource; readonly span: Span; readonly value: number }

/** The resources of a patient, asked by type and meaning. */
export class Chart {
  readonly patient: Resource;
  readonly #byType: PatientResources['byType'];
  readonly #concepts: Concepts;

  constructor({ patient, byType }: PatientResources, concepts: Concepts) {
    this.patient = patient;
    this.#byType = byType;
    this.#concepts = concepts;
  }

  of(type: string, group: ConceptGroup): Resource[] {
    return (this.#byType.get(type) ?? []).filter((resource) => this.#concepts(group, type === 'Encounter' ? (resource.type as Concept[] | undefined) ?? [] : [resource.code as Concept | undefined]));
  }

  /** Visits by their type, or by their class where they have no type. */
  visits(): Resource[] {
    const classes = classesOf('office-visit');
    const untyped = (this.#byType.get('Encounter') ?? []).filter((encounter) => encounter.type === undefined && classes.includes((encounter.class as { code?: string } | undefined)?.code ?? ''));
    return [...this.of('Encounter', 'office-visit'), ...untyped];
  }

  is(group: ConceptGroup, concept: unknown): boolean {
    return this.#concepts(group, [concept as Concept | undefined]);
  }

  /** Confirmed and active diagnoses with their time; one without a beginning has always been. */
  diagnoses(...groups: readonly ConceptGroup[]): { resource: Resource; span: Span }[] {
    const has = (resource: Resource, element: string, codes: readonly unknown[]): boolean =>
      (resource[element] as Concept | undefined)?.coding?.some(({ code }) => codes.includes(code)) === true;
    return groups.flatMap((group) => this.of('Condition', group))
      .filter((condition) => has(condition, 'clinicalStatus', activeStatuses) && has(condition, 'verificationStatus', ['confirmed']))
      .map((resource) => ({ resource, span: { low: spanOf(resource, 'onset')?.low ?? -Infinity, high: spanOf(resource, 'abatement')?.high ?? Infinity } }));
  }

  /** PHQ-9 totals in time order; of equal times the one with the larger id last. */
  assessments(): Assessment[] {
    return this.of('Observation', 'phq-9').filter(({ status }) => counted.includes(status)).flatMap((resource): Assessment[] => {
      const span = spanOf(resource, 'effective');
      const value = valueOf(resource);
      return span === undefined || value === undefined ? [] : [{ resource, span, value }];
    }).sort((a, b) => a.span.low - b.span.low || (a.resource.id! < b.resource.id! ? -1 : 1));
  }
}

/** Whole numbers, quantities and, as some systems write them, texts. */
function valueOf({ valueInteger, valueQuantity, valueString }: Resource): number | undefined {
  const value = valueInteger ?? (valueQuantity as { value?: number } | undefined)?.value ?? (typeof valueString === 'string' && /^\d+(\.\d+)?$/.test(valueString) ? Number(valueString) : undefined);
  return typeof value === 'number' ? value : undefined;
}

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
    patient: reference(chart.patient),
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

/** What takes a patient out of the denominator: death, other disorders, and hospice or palliative care. */
function exclusions(chart: Chart, whole: Span): Resource[] {
  const { patient } = chart;
  const died = spanOf(patient, 'deceased');
  const isDead = patient.deceasedBoolean === true || (died !== undefined && died.low < whole.high);
  const during = (resource: Resource, name: string): boolean => {
    const span = spanOf(resource, name);
    return span !== undefined && overlap({ low: startOfDay(span.low), high: span.high }, whole);
  };
  const disorders = chart.diagnoses('bipolar', 'personality-labile', 'psychosis', 'developmental').filter(({ span }) => span.low < whole.high);
  const care = chart.diagnoses('hospice-diagnosis', 'palliative-diagnosis').filter(({ span }) => overlap(span, whole));
  const refused: readonly unknown[] = ['not-done', 'entered-in-error', 'unknown', 'preparation'];
  return [
    ...(isDead ? [patient] : []),
    ...[...disorders, ...care].map(({ resource }) => resource),
    ...chart.of('Encounter', 'inpatient').filter((encounter) => encounter.status === 'finished' && endsDuring(encounter, whole)
      && chart.is('hospice-discharge', (encounter.hospitalization as { dischargeDisposition?: Concept } | undefined)?.dischargeDisposition)),
    ...chart.of('Encounter', 'hospice-encounter').filter((encounter) => !['cancelled', 'entered-in-error', 'unknown'].includes(encounter.status as string) && during(encounter, 'period')),
    ...chart.of('Encounter', 'palliative-encounter').filter((encounter) => encounter.status === 'finished' && during(encounter, 'period')),
    ...chart.of('Observation', 'hospice-assessment').filter((observation) => counted.includes(observation.status) && isYes(observation) && during(observation, 'effective')),
    ...chart.of('Observation', 'palliative-assessment').filter((observation) => counted.includes(observation.status) && during(observation, 'effective')),
    ...chart.of('ServiceRequest', 'hospice-care').filter(isOrdered).filter((request) => during(request, 'authoredOn')),
    ...['hospice-care', 'palliative-care'].flatMap((group) => chart.of('Procedure', group as ConceptGroup)).filter((procedure) => !refused.includes(procedure.status) && during(procedure, 'performed')),
  ];
}

function endsDuring(encounter: Resource, whole: Span): boolean {
  const span = spanOf(encounter, 'period');
  return span !== undefined && span.high !== Infinity && span.high > whole.low && span.high - 1 < whole.high;
}

const orders: readonly unknown[] = ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'];
const isOrdered = ({ status, intent, doNotPerform }: Resource): boolean => (status === 'active' || status === 'completed') && orders.includes(intent) && doNotPerform !== true;

const isYes = ({ valueCodeableConcept }: Resource): boolean =>
  (valueCodeableConcept as Concept | undefined)?.coding?.some(({ system, code }) => system === 'http://snomed.info/sct' && code === '373066001') === true;
