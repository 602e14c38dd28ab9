import type { Resource } from '../../fhir/resource.ts';

/** Where one subject or one course stands in a measure. */
export interface Membership {
  /** `Patient/...` */
  readonly patient: string;
  /** The episode, for measures that count courses of treatment. */
  readonly episode?: string;
  readonly denominator: boolean;
  readonly exclusion: boolean;
  readonly numerator: boolean;
  /** What the answer rests on, by reference. */
  readonly evaluated: readonly string[];
  /** Value of each stratifier. */
  readonly strata: Readonly<Record<string, string>>;
}

/** The resources of one patient that measures read. */
export interface PatientResources {
  readonly patient: Resource;
  readonly byType: ReadonlyMap<string, readonly Resource[]>;
}

/** The measurement period: milliseconds since 1970, half-open. */
export interface MeasurementPeriod { readonly start: number; readonly end: number }

export const reference = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;
