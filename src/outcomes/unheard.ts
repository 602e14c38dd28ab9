import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { recordEntries, type ProjectionContext } from './project.ts';
import { patientRecord } from './record.ts';
import { alertsOf } from './safety.ts';
import { defaultSafety, type SafetySettings } from './safety-settings.ts';

/**
 * @param response one that is in nobody's record.
 * @returns why it must not be stored so: it calls for a look by a person (docs/clinical.md 7), and nobody would be told; undefined for all others.
 */
export function unheard(response: Resource, context: ProjectionContext, settings: SafetySettings = defaultSafety): Issue | undefined {
  if (response.resourceType !== 'QuestionnaireResponse') return undefined;
  const alerts = alertsOf({ record: patientRecord(recordEntries(response, context)), response, registry: context.registry, settings });
  if (!alerts.some(({ flagged }) => flagged)) return undefined;
  return {
    severity: 'error', code: 'required', expression: 'QuestionnaireResponse.subject',
    text: 'A person is to look at this response, and without the Patient in subject nobody would be told: name the Patient of this server whose answers they are, as Patient/id.',
  };
}
