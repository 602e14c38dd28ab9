import { extensionUrl } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import { spanOf, type Span } from './calendar.ts';
import { classesOf, type Concept, type ConceptGroup, type Concepts } from './concepts.ts';
import type { PatientResources } from './membership.ts';

/** Statuses of an Observation that counts. */
export const counted: readonly unknown[] = ['final', 'amended', 'corrected'];
const activeStatuses: readonly unknown[] = ['active', 'recurrence', 'relapse'];

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

  /** PHQ-9 totals in time order, none of them prorated; of equal times the one with the larger id last. */
  assessments(): Assessment[] {
    return this.of('Observation', 'phq-9').filter((resource) => counted.includes(resource.status) && !isProrated(resource)).flatMap((resource): Assessment[] => {
      const span = spanOf(resource, 'effective');
      const value = valueOf(resource);
      return span === undefined || value === undefined ? [] : [{ resource, span, value }];
    }).sort((a, b) => a.span.low - b.span.low || (a.resource.id! < b.resource.id! ? -1 : 1));
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
