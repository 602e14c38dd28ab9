import data from '../../../schemas/measure-editions.json' with { type: 'json' };
import type { Precision } from './moments.ts';

/** What differs between the editions of a published measure: schemas/measure-editions.json. Pure. */

/** Which Conditions are a diagnosis that counts. */
export interface DiagnosisRule {
  /** null: whatever it is. */
  readonly clinicalStatus: readonly string[] | null;
  readonly verificationStatus: readonly string[];
  /** Whether one that says nothing of its verification counts. */
  readonly withoutVerification: boolean;
}

export interface Edition {
  readonly diagnosis: DiagnosisRule;
  readonly visitEnds: Precision;
  readonly death: Precision;
  readonly palliativeCare: Precision;
}

/** For measures without editions of their own. */
export const confirmedAndActive: DiagnosisRule = { clinicalStatus: ['active', 'recurrence', 'relapse'], verificationStatus: ['confirmed'], withoutVerification: false };

/** By the year that it is for, the oldest first. */
export const remissionEditions: ReadonlyMap<string, Edition> = new Map(Object.entries(data['depression-remission'] as Readonly<Record<string, Edition>>).sort(([a], [b]) => (a < b ? -1 : 1)));

/** @returns the edition that is named; without a name the newest that is not for a later year than that of `start` (milliseconds since 1970), or the oldest. */
export function remissionEdition(name: string | undefined, start: number): Edition {
  const year = String(new Date(start).getUTCFullYear());
  const named = name === undefined ? [...remissionEditions].findLast(([each]) => each <= year)?.[1] : remissionEditions.get(name);
  return named ?? remissionEditions.values().next().value!;
}
