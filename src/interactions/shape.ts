import { problem } from '../fhir/outcome.ts';
import { applyControl, initialControls } from '../fhir/search-controls.ts';
import { subset } from '../fhir/subset.ts';
import type { Answer } from './context.ts';
import type { Query } from './route.ts';

/**
 * The part of a resource that `_summary` or `_elements` of a read asks for (http://hl7.org/fhir/R4/http.html#summary). Other
 * parameters say nothing about a read and are left alone.
 * @param read brings the resource; it is not asked where the parameters cannot be used.
 * @throws Problem `malformed` for a value that means nothing here.
 */
export async function shaped(type: string, query: Query | undefined, read: () => Promise<Answer>): Promise<Answer> {
  const controls = initialControls();
  for (const [name, value] of query ?? []) if (name === '_summary' || name === '_elements') applyControl(controls, type, name, value);
  if (controls.countOnly) throw problem('malformed', 'value', '_summary=count is for searches; a read takes true, text, data or false.', 'http._summary');
  if (controls.elements.length > 0 && controls.summary !== 'false') throw problem('malformed', 'invalid', '_elements and _summary exclude each other: give one of them.', 'http._elements');
  const answer = await read();
  if (answer.body === undefined || (controls.elements.length === 0 && controls.summary === 'false')) return answer;
  return { ...answer, body: subset(answer.body, controls) };
}
