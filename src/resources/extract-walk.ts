import type { QuestionnaireItem, QuestionnaireResponseItem } from '@medplum/fhirtypes';
import type { Resource } from '../fhir/resource.ts';
import { itemsOf } from './sdc.ts';

/** What extraction starts from. */
export interface Answered {
  /** A valid response, numbers as they were written. */
  readonly response: Resource;
  readonly questionnaire: Resource;
}

/** One item of a response with its question. */
export interface AnsweredItem {
  readonly question: QuestionnaireItem;
  readonly item: QuestionnaireResponseItem;
  /** FHIRPath in the response. */
  readonly path: string;
  /** Names this item among all of the response, whatever is answered beside it: linkIds with the number of each repetition. */
  readonly key: string;
}

const byLinkId = new WeakMap<readonly QuestionnaireItem[], ReadonlyMap<string, QuestionnaireItem>>();

/** The questions of one level, listed once however often its group is repeated. */
function listed(questions: readonly QuestionnaireItem[]): ReadonlyMap<string, QuestionnaireItem> {
  let known = byLinkId.get(questions);
  if (known === undefined) byLinkId.set(questions, known = new Map(questions.map((question) => [question.linkId, question])));
  return known;
}

/** @returns the items of `owner` (a response, an item or an answer) that answer `questions`, in the order of the response. */
export function answeredItems(owner: object, questions: readonly QuestionnaireItem[], path: string, key: string): AnsweredItem[] {
  const byId = listed(questions);
  const repetitions = new Map<string, number>();
  return itemsOf<QuestionnaireResponseItem>(owner).flatMap((item, at) => {
    const question = byId.get(item.linkId ?? '');
    if (question === undefined) return [];
    const repetition = (repetitions.get(question.linkId) ?? 0) + 1;
    repetitions.set(question.linkId, repetition);
    return [{ question, item, path: `${path}.item[${at}]`, key: `${key}/${JSON.stringify(question.linkId)}${repetition === 1 ? '' : `#${repetition}`}` }];
  });
}
