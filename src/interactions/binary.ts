import { problem } from '../fhir/outcome.ts';
import type { Answer, Context } from './context.ts';

const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; ?[\w-]+=(?:[\w!#$&^.+-]+|"[\w !#$&^.+-]*"))*$/;

/**
 * A Binary that was read, as its own bytes where the client wants it so (http://hl7.org/fhir/R4/binary.html#rest). A browser
 * keeps it as a file and never shows it: what was uploaded by one person does not run beside what others may do here.
 * @throws Problem `not-acceptable` when it is of a type that the client does not take.
 */
export function natively({ native }: Context, type: string, answer: Answer): Answer {
  if (type !== 'Binary' || native === undefined || answer.body === undefined) return answer;
  const { contentType, data = '' } = JSON.parse(answer.body) as { contentType: string; data?: string };
  const wanted = native(contentType);
  if (wanted === undefined) throw problem('not-acceptable', 'not-supported', 'This Binary is of another type than Accept names. As a resource it is application/fhir+json.');
  if (!wanted) return answer;
  const { body: _resource, ...rest } = answer;
  return {
    ...rest, content: Buffer.from(data, 'base64'),
    headers: { ...answer.headers, 'content-type': mediaType.test(contentType) ? contentType : 'application/octet-stream', 'content-disposition': 'attachment' },
  };
}
