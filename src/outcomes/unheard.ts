import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { recordEntries, type ProjectionContext } from './project.ts';
import { patientRecord, scoreId } from './record.ts';
import { alertsOf, alertsOfScores } from './safety.ts';
import { defaultSafety, type SafetySettings } from './safety-settings.ts';

/**
 * @param resource a response, or an Observation of another system, that is in nobody's record.
 * @returns why it must not be stored so: it calls for a look by a person (docs/clinical.md 7), and nobody would be told; undefined for all others.
 */
export function unheard(resource: Resource, context: ProjectionContext, settings: SafetySettings = defaultSafety): Issue | undefined {
  const { resourceType } = resource;
  if (resourceType !== 'QuestionnaireResponse' && resourceType !== 'Observation') return undefined;
  const record = patientRecord(recordEntries(resource, context));
  const alerts = resourceType === 'Observation' ? alertsOfScores(record, scoreId({ type: resourceType, id: resource.id! }), context.registry, settings) : alertsOf({ record, response: resource, registry: context.registry, settings });
  // A question that was left open has no time limit, and is no reason to lose the other answers.
  if (alerts.every(({ limit }) => limit === null)) return undefined;
  return {
    severity: 'error', code: 'required', expression: `${resourceType}.subject`,
    text: 'A person is to look at these answers, and without the Patient in subject nobody would be told: name the Patient of this server whose they are, as Patient/id.',
  };
}
