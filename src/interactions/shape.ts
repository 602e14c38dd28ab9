import { problem } from '../fhir/outcome.ts';
import { applyControl, initialControls } from '../fhir/search-controls.ts';
import { subset } from '../fhir/subset.ts';
import type { Answer } from './context.ts';
import type { Query } from './route.ts';

/** @returns the text of a resource, or the part of it that was asked for. */
export type Shaper = (text: string) => string;

/**
 * Reads `_summary` and `_elements`, which are for every interaction (http://hl7.org/fhir/R4/http.html#parameters).
 * @param type of what is shown; undefined where several types are.
 * @returns undefined where nothing is left out.
 * @throws Problem `malformed` for a value that means nothing here.
 */
export function shaper(type: string | undefined, query: Query | undefined): Shaper | undefined {
  const controls = initialControls();
  for (const [name, value] of query ?? []) {
    if (name === '_elements' && type === undefined) throw problem('malformed', 'not-supported', '_elements names elements of one type: ask for the history of a type.', 'http._elements');
    if (name === '_summary' || name === '_elements') applyControl(controls, type ?? '', name, value);
  }
  if (controls.countOnly) throw problem('malformed', 'value', '_summary=count is for searches; here it is true, text, data or false.', 'http._summary');
  if (controls.elements.length > 0 && controls.summary !== 'false') throw problem('malformed', 'invalid', '_elements and _summary exclude each other: give one of them.', 'http._elements');
  return controls.elements.length === 0 && controls.summary === 'false' ? undefined : (text) => subset(text, controls);
}

/**
 * The part of a resource that a read asks for. Other parameters say nothing about a read and are left alone.
 * @param read brings the resource; it is not asked where the parameters cannot be used.
 * @throws Problem as `shaper` does.
 */
export async function shaped(type: string, query: Query | undefined, read: () => Promise<Answer>): Promise<Answer> {
  const shape = shaper(type, query);
  const answer = await read();
  return answer.body === undefined || shape === undefined ? answer : { ...answer, body: shape(answer.body) };
}
