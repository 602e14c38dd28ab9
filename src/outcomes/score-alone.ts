import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { derive } from './derive.ts';
import type { DeriveContext } from './derived-write.ts';
import { formTotal } from './form-total.ts';
import { recordEntries } from './project.ts';
import { recognise } from './recognise.ts';
import { patientRecord } from './record.ts';
import type { ScoreData } from './record-entry.ts';
import type { Registry } from './registry.ts';
import { isSafetyReview } from './review-times.ts';
import { alertsOf, type Alert } from './safety.ts';
import { defaultSafety } from './safety-settings.ts';
import { itemScores, total } from './score.ts';

/** What one response gives by itself, as if it were the first of a record: for `QuestionnaireResponse/$score`. Pure. */

/** What storing a response as the first of its record would write. */
export interface ScoredAlone {
  readonly observations: readonly Resource[];
  /** What would call for a look by a person. */
  readonly alerts: readonly Alert[];
  /** Other requests that would be made of a clinician. */
  readonly tasks: readonly Resource[];
}

/**
 * @param response with an id; its answers have been checked.
 * @returns what `derive` gives for it in a record that has nothing but the Patient, where there is one: the very rules of a write.
 */
export function scoredAlone(response: Resource, context: DeriveContext, questionnaire: Resource | undefined): ScoredAlone {
  const { registry, now, patientResource, zone, safety: settings = defaultSafety } = context;
  const person = patientResource === undefined ? [] : recordEntries(patientResource, { registry });
  const resource: Resource = { ...response, meta: { ...response.meta, versionId: '1', lastUpdated: now } };
  const record = patientRecord([...person, ...recordEntries(resource, { registry, ...(questionnaire === undefined ? {} : { questionnaire }) })], zone);
  const written = derive(patientRecord(person, zone), record, { resource, deleted: false, ...(questionnaire === undefined ? {} : { questionnaire }) }, context)
    .flatMap((write) => (write.kind === 'change' ? [] : [write.resource]));
  const alerts = alertsOf({ record, response: resource, registry, settings });
  return {
    observations: written.filter(({ resourceType }) => resourceType === 'Observation'),
    alerts,
    tasks: written.filter((resource) => resource.resourceType === 'Task' && !isSafetyReview(resource)),
  };
}

/**
 * @returns why a response, or a scale of it, has no total, each with the element where something else would give one. [] when
 * everything that can be scored is.
 */
export function unscorable(response: Resource, registry: Registry, questionnaire: Resource | undefined): Issue[] {
  if (response['status'] === 'entered-in-error') return [warning('business-rule', 'What was entered in error is not scored: its status says that it must not be used.', 'QuestionnaireResponse.status')];
  const recognised = recognise(response, registry, questionnaire).filter(({ panel }) => panel);
  const form = recognised.length > 0 ? undefined : formTotal(response, questionnaire);
  if (recognised.length === 0 && form === undefined) return [unknownForm(questionnaire)];
  if (response['status'] === 'in-progress') return [warning('business-rule', 'A response that is still being written has no total: it is scored when it is completed, amended or stopped.', 'QuestionnaireResponse.status')];
  if (form !== undefined) return form.value === null ? [warning('required', 'A question that the form requires and weighs has no answer, so that there is no total.', 'QuestionnaireResponse.item')] : [];
  return recognised.flatMap((each) => {
    const { scores, notApplicable } = itemScores(each);
    const open = each.instrument.scales.filter((scale) => scale.definition.optional !== true && total(scale, scores, notApplicable).value === null);
    return open.map(({ definition: { title }, items }) => {
      const missing = items.filter(({ linkId }) => !scores.has(linkId) && !notApplicable.has(linkId)).map(({ linkId }) => linkId);
      return warning('required', `${title} has no total: too few items are answered. Open: ${missing.join(', ')}.`, 'QuestionnaireResponse.item');
    });
  });
}

/** @returns a warning where an answer to a safety item is there, or seems to be, in a response or an Observation of another system, and cannot be read: a clinician is asked to look, and the sender can mend it. */
export function unread(resource: Resource, registry: Registry, questionnaire: Resource | undefined): Issue[] {
  const isResponse = resource.resourceType === 'QuestionnaireResponse';
  // Of a panel whose items are known, an answer that cannot be read was refused: nothing need be scored to tell.
  if (isResponse && recognise(resource, registry, questionnaire).every(({ panel, hidesSafety }) => panel && hidesSafety !== true)) return [];
  const entries = recordEntries({ ...resource, id: resource.id ?? '' }, { registry, ...(questionnaire === undefined ? {} : { questionnaire }) });
  return entries.flatMap(({ kind, key, data }) => {
    const { unread: isUnread, safety = {} } = (kind === 'score' || kind === 'imported' ? JSON.parse(data) : {}) as Partial<ScoreData>;
    if (isUnread !== true) return [];
    const { definition, items } = registry.scales.get(key)!.instrument;
    return definition.safety.filter(({ linkId }) => safety[linkId] === null).map(({ linkId, title }) => {
      const { code, system, byCode, byNumber, answerSystem } = items.get(linkId)!;
      const how = isResponse
        ? `Say what the questions ask: by the canonical of a form of the ${definition.shortTitle} that this service knows, by a Questionnaire stored here whose items have codes (${code} of ${system} for this one), or by linkIds that end in them.`
        : `Send its answer as one of the numbers ${[...byNumber.keys()].join(', ')} without a unit or of the codes ${[...byCode.keys()].join(', ')} of ${answerSystem}, and without a modifierExtension.`;
      return warning('incomplete', `${title} could not be read, so that a clinician is asked to look${isResponse ? '' : ', where it is of the last two weeks'}. ${how}`, isResponse ? 'QuestionnaireResponse.item' : 'Observation');
    });
  });
}

function unknownForm(questionnaire: Resource | undefined): Issue {
  return questionnaire === undefined
    ? warning('not-supported', 'No instrument of this service is recognised in it, and its form is not stored here: store the Questionnaire, or give it as the parameter questionnaire.', 'QuestionnaireResponse.questionnaire')
    : warning('not-supported', 'Its form is no instrument of this service and weighs no answer (itemWeight or ordinalValue of an answerOption), so that there is nothing to add up.', 'QuestionnaireResponse.questionnaire');
}

const warning = (code: Issue['code'], text: string, expression: string): Issue => ({ severity: 'warning', code, text, expression });
