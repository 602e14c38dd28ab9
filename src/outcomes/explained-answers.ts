import type { Resource } from '../fhir/resource.ts';
import { formAnswers } from './form-total.ts';
import type { InstrumentDefinition } from './instrument.ts';
import type { Part } from './parts.ts';
import { recognise } from './recognise.ts';
import type { Registry, Scale } from './registry.ts';
import { itemScores } from './score.ts';

/** The answers of a response within an explanation: each with its words and what it counts. Pure. */

export interface Coding { readonly system?: string; readonly code?: string; readonly version?: string; readonly display?: string }
export interface Valued { readonly [value: `value${string}`]: unknown }

/** A number with all its digits: what is worked out by hand must come to the same. */
export const exactNumber = (name: string, found: number): Part => (Number.isInteger(found) ? { name, valueInteger: found } : { name, valueDecimal: found });

/** @returns the value of `holder` under another name; [] where it has none. */
export function value(name: string, holder: Valued): Part[] {
  const key = Object.keys(holder).find((each) => each.startsWith('value')) as `value${string}` | undefined;
  return key === undefined ? [] : [{ name, [key]: holder[key] }];
}

/** @returns each item with its answer and what it counts; `forms` are the forms of responses that are stored, by the response's reference. */
export function answerParts(response: Resource, reference: string, scale: Scale | undefined, { registry, forms }: { readonly registry: Registry; readonly forms: ReadonlyMap<string, Resource> }): Part[] {
  const recognised = recognise(response, registry, forms.get(reference)).find(({ instrument }) => instrument === scale?.instrument);
  if (recognised === undefined || scale === undefined) return scale === undefined ? weighedParts(response, forms.get(reference)) : [];
  const { scores, notApplicable, skipped } = itemScores(recognised);
  const { items: definitions, licence } = recognised.instrument.definition;
  return scale.items.map(({ linkId }): Part => {
    const definition = definitions.find((each) => each.linkId === linkId);
    const answer = recognised.items.get(linkId)?.[0]?.answers[0] as Valued | undefined;
    const score = scores.get(linkId);
    return {
      name: 'item',
      part: [
        { name: 'linkId', valueString: linkId }, ...(licence.shipItemText && definition?.text !== undefined ? [{ name: 'text', valueString: definition.text }] : []),
        ...(answer === undefined ? [] : value('answer', answer)), ...answerText(recognised.instrument.definition, definition?.answers, answer), ...(definition?.reverse === true ? [{ name: 'reversed', valueBoolean: true }] : []), ...(skipped.has(linkId) ? [{ name: 'skipped', valueBoolean: true }] : []),
        ...(score === undefined ? [{ name: 'absent', valueCode: notApplicable.has(linkId) ? 'not-applicable' : 'unknown' }] : [exactNumber('score', score)]),
      ],
    };
  });
}

/** The answers that a form of the deployment weighs, with their weights. */
const weighedParts = (response: Resource, form: Resource | undefined): Part[] => (form === undefined ? [] : formAnswers(response, form)
  .map(({ linkId, answer, weight }) => ({ name: 'item', part: [{ name: 'linkId', valueString: linkId }, ...value('answer', answer as Valued), exactNumber('score', weight)] })));

/** The words of an answer that came as a code. */
function answerText({ answerLists }: InstrumentDefinition, list: string | undefined, answer: Valued | undefined): Part[] {
  const { code, display } = (answer?.['valueCoding'] ?? {}) as Coding;
  const words = answerLists.find(({ id }) => id === list)?.options.find((option) => option.code === code)?.display ?? display;
  return code === undefined || words === undefined ? [] : [{ name: 'answer-text', valueString: words }];
}
