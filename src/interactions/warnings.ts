import type { Issue } from '../fhir/outcome.ts';
import type { Registry } from '../outcomes/registry.ts';
import { uncodedQuestionsOn } from '../outcomes/safety-questions.ts';
import { unread, unscorable } from '../outcomes/score-alone.ts';
import type { Accepted } from './accept.ts';

/** What the sender of something that is stored should know of it. */

/** @returns warnings of a safety item that is not heard, or would not be. They are told with every answer that has a place for them. */
export function uncoded({ incoming: { value }, questionnaire }: Accepted, registry: Registry): Issue[] {
  if (value.resourceType === 'Questionnaire') return uncodedQuestionsOn(value, registry);
  return value.resourceType === 'QuestionnaireResponse' || value.resourceType === 'Observation' ? unread(value, registry, questionnaire) : [];
}

/** @returns those, and why a response has no score although one might be expected: for whoever asks for an OperationOutcome. */
export function warnings(accepted: Accepted, registry: Registry): Issue[] {
  const { incoming: { value }, questionnaire } = accepted;
  const isFinished = value.resourceType === 'QuestionnaireResponse' && ['completed', 'amended', 'stopped'].includes(String(value['status']));
  // A form that is known and weighs nothing (a journal) is not meant to be scored.
  const open = isFinished ? unscorable(value, registry, questionnaire).filter(({ code }) => code !== 'not-supported' || questionnaire === undefined) : [];
  return [...uncoded(accepted, registry), ...open];
}
