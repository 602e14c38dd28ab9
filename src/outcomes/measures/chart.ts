import { extensionUrl } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import { classesOf, type Concept, type ConceptGroup, type Concepts } from './concepts.ts';
import type { DiagnosisRule } from './editions.ts';
import type { PatientResources } from './membership.ts';
import { timeOf, type Moment, type Stretch } from './moments.ts';
import { hasStatus, prevalence } from './prevalence.ts';

/** Statuses of an Observation that counts. */
export const counted: readonly unknown[] = ['final', 'amended', 'corrected'];

/** A PHQ-9 total with its time; `start` is known to the day or better. */
export interface Assessment { readonly resource: Resource; readonly start: Moment; readonly time: Stretch; readonly value: number }

/** The resources of a patient, asked by type and meaning. */
export class Chart {
  readonly patient: Resource;
  readonly #byType: PatientResources['byType'];
  readonly #concepts: Concepts;
  readonly #rule: DiagnosisRule;

  /** @param rule which Conditions count as diagnoses */
  constructor({ patient, byType }: PatientResources, concepts: Concepts, rule: DiagnosisRule) {
    this.patient = patient;
    this.#byType = byType;
    this.#concepts = concepts;
    this.#rule = rule;
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

  /** Diagnoses that count, with how long they have been; one without a beginning has always been, one without an end that is known is left out. */
  diagnoses(...groups: readonly ConceptGroup[]): { resource: Resource; time: Stretch }[] {
    const { clinicalStatus, verificationStatus, withoutVerification } = this.#rule;
    return groups.flatMap((group) => this.of('Condition', group))
      .filter((condition) => (clinicalStatus === null || hasStatus(condition, 'clinicalStatus', clinicalStatus))
        && (condition.verificationStatus === undefined ? withoutVerification : hasStatus(condition, 'verificationStatus', verificationStatus)))
      .flatMap((resource) => {
        const time = prevalence(resource, this.patient.birthDate);
        return time === undefined ? [] : [{ resource, time }];
      });
  }

  /** PHQ-9 totals in time order, none of them prorated; of equal times the higher one last, as elsewhere (docs/clinical.md 3.0); an id decides only between equal ones. */
  assessments(): Assessment[] {
    return this.of('Observation', 'phq-9').filter((resource) => counted.includes(resource.status) && !isProrated(resource)).flatMap((resource): Assessment[] => {
      const time = timeOf(resource, 'effective');
      const value = valueOf(resource);
      return time?.low === undefined || time.low.date.length < 10 || value === undefined ? [] : [{ resource, start: time.low, time, value }];
    }).sort((a, b) => (a.start.utc === b.start.utc ? a.value - b.value || (a.resource.id! < b.resource.id! ? -1 : 1) : a.start.utc < b.start.utc ? -1 : 1));
  }
}

interface Quality { readonly url?: string; readonly extension?: readonly { readonly url?: string; readonly valueBoolean?: boolean }[] }

/** Whether this service wrote the total from fewer answers than there are items: reports to others leave it out (docs/clinical.md 3.5). */
const isProrated = ({ extension }: Resource): boolean => ((extension ?? []) as readonly Quality[])
  .some(({ url, extension: parts }) => url === quality && parts?.some((part) => part.url === 'prorated' && part.valueBoolean === true) === true);
const quality = extensionUrl('score-quality');

/** Whole numbers, quantities and, as some systems write them, texts. */
function valueOf({ valueInteger, valueQuantity, valueString }: Resource): number | undefined {
  const value = valueInteger ?? (valueQuantity as { value?: number } | undefined)?.value ?? (typeof valueString === 'string' && /^\d+(\.\d+)?$/.test(valueString) ? Number(valueString) : undefined);
  return typeof value === 'number' ? value : undefined;
}
