import type { Questionnaire, QuestionnaireItem, QuestionnaireItemEnableWhen } from '@medplum/fhirtypes';
import { exists, isDistinct, rule, type Invariant } from './rule.ts';

const withLength: ReadonlySet<unknown> = new Set(['boolean', 'decimal', 'integer', 'string', 'text', 'url', 'open-choice']);
const withOptions: ReadonlySet<unknown> = new Set(['choice', 'open-choice', 'decimal', 'integer', 'date', 'dateTime', 'time', 'string', 'quantity']);

const linkIds = (items: readonly QuestionnaireItem[]): unknown[] => items.flatMap(({ linkId, item = [] }) => [linkId, ...linkIds(item)]);
const isShown = ({ type }: QuestionnaireItem): boolean => type === 'display';

/** Constraints of Questionnaire (http://hl7.org/fhir/R4/questionnaire.html#invs). */
export const ofQuestionnaire: readonly Invariant[] = [
  rule<QuestionnaireItem>('que-1', 'A group must have items, a display item none', (item) => (item.type !== 'group' || 'item' in item) && (!isShown(item) || !('item' in item))),
  rule<Questionnaire>('que-2', 'The linkIds of a questionnaire must differ', ({ item = [] }) => isDistinct(linkIds(item))),
  rule<QuestionnaireItem>('que-3', 'A display item must have no code', (item) => !isShown(item) || !('code' in item)),
  rule<QuestionnaireItem>('que-4', 'answerOption and answerValueSet exclude each other', (item) => !('answerOption' in item) || !exists(item, 'answerValueSet')),
  rule<QuestionnaireItem>('que-5', 'Only a question that can be chosen from a list may have answerOption or answerValueSet', (item) => withOptions.has(item.type)
    || (!exists(item, 'answerValueSet') && !('answerOption' in item))),
  rule<QuestionnaireItem>('que-6', 'A display item must not be required or repeat', (item) => !isShown(item) || (!exists(item, 'required') && !exists(item, 'repeats'))),
  rule<QuestionnaireItemEnableWhen>('que-7', 'The operator exists needs answerBoolean', (condition) => condition.operator !== 'exists' || exists(condition, 'answerBoolean')),
  rule<QuestionnaireItem>('que-8', 'A group or display item must have no initial value', (item) => (item.type !== 'group' && !isShown(item)) || !('initial' in item)),
  rule<QuestionnaireItem>('que-9', 'A display item must not be readOnly', (item) => !isShown(item) || !exists(item, 'readOnly')),
  rule<QuestionnaireItem>('que-10', 'maxLength is for simple questions only', (item) => withLength.has(item.type) || !exists(item, 'maxLength')),
  rule<QuestionnaireItem>('que-11', 'answerOption and initial exclude each other: mark the option with initialSelected', (item) => !('answerOption' in item) || !('initial' in item)),
  // The published FHIRPath says "> 2", its text "more than one"; without enableBehavior two conditions have no meaning.
  rule<QuestionnaireItem>('que-12', 'More than one enableWhen needs enableBehavior', (item) => (item.enableWhen?.length ?? 0) <= 1 || exists(item, 'enableBehavior')),
  rule<QuestionnaireItem>('que-13', 'Only an item that repeats may have several initial values', (item) => item.repeats === true || (item.initial?.length ?? 0) <= 1),
];
