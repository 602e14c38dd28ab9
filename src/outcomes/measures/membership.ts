import { dateRange } from '../../fhir/dates.ts';
import type { Resource } from '../../fhir/resource.ts';

export interface StratumCoding { readonly system?: string; readonly code?: string; readonly display?: string }

/** Where one unit stands in a measure: a patient, a course of treatment, a session or a task, as the measure counts. */
export interface Membership {
  /** `Patient/...` */
  readonly patient: string;
  /** What is counted, by reference. */
  readonly unit: string;
  readonly denominator: boolean;
  readonly exclusion: boolean;
  readonly numerator: boolean;
  /** For rates of outcome: whether there is a first and a last score; undefined where the measure is about something else. */
  readonly paired?: boolean;
  /** What the answer rests on, by reference. */
  readonly evaluated: readonly string[];
  /** Value of each stratifier. */
  readonly strata: Readonly<Record<string, string>>;
  /** What a value stands for, by stratifier, where it is a code. */
  readonly codings?: Readonly<Record<string, StratumCoding>>;
}

/** The resources of one patient that measures read. */
export interface PatientResources {
  readonly patient: Resource;
  readonly byType: ReadonlyMap<string, readonly Resource[]>;
}

/** The measurement period, whole days: milliseconds since 1970 in UTC, half-open. */
export interface MeasurementPeriod { readonly start: number; readonly end: number }

/** Whether the day that `date` names, or the last day of the month or year, is one of `period`. */
export function isWithin(date: string, { start, end }: MeasurementPeriod): boolean {
  const high = dateRange(date)?.high;
  const last = high === undefined ? NaN : Date.parse(high) - 1;
  return last >= start && last < end;
}

export const reference = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;
