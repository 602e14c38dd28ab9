import type { Resource } from '../fhir/resource.ts';
import type { ImpressionData, RecordEntry } from './record-entry.ts';
import { instant } from './instant.ts';
import { answersIn, ownForm } from './safety.ts';

/** @returns the entry of a finished form in which a therapist noted an impression of risk (item `risk-impression`), or []. */
export function impressionEntry(response: Resource): RecordEntry[] {
  if (ownForm(response) === undefined || (response.status !== 'completed' && response.status !== 'amended')) return [];
  const code = answersIn(response.item).find(({ linkId }) => linkId === 'risk-impression')?.answer.valueCoding?.code;
  if (code === undefined) return [];
  const authored = (response.authored ?? response.meta?.lastUpdated) as string | undefined;
  const at = instant(authored);
  const data: ImpressionData = { code, ...(authored === undefined ? {} : { authored }) };
  return [{ kind: 'impression', key: '', id: response.id!, at: at === null ? null : new Date(at).toISOString(), value: null, data: JSON.stringify(data) }];
}
