import type { Incoming } from './request.ts';

/**
 * A Binary is read and written in its own format as well (http://hl7.org/fhir/R4/binary.html#rest). What is written that
 * way becomes the resource before anything else looks at it; what is read becomes bytes after everything else did.
 */

const place = /^\/?Binary(?:\/([^/]+))?\/?$/;
const readable = /^\/?Binary\/[^/]+(?:\/_history\/[^/]+)?\/?$/;
const fhirTypes = /^(?:application\/(?:fhir\+)?json|text\/json)$/;

const typeOf = (header: string | undefined): string => (header ?? '').split(';', 1)[0]!.trim().toLowerCase();

/**
 * @returns whether a request brings the content of a Binary instead of the resource: any type does but the formats of FHIR, and
 * JSON that is no Binary itself.
 */
export function bringsContent(method: string, path: string, contentType: string | undefined, body: Buffer): boolean {
  const id = place.exec(path);
  const type = typeOf(contentType);
  if (id === null || method !== (id[1] === undefined ? 'POST' : 'PUT') || type === '' || otherFormats.test(type)) return false;
  return !fhirTypes.test(type) || isOtherJson(body.toString());
}

const otherFormats = /^application\/(?:fhir\+xml|xml\+fhir|fhir\+turtle|x-www-form-urlencoded)$/;

/** What cannot be parsed is left to those who say so. */
function isOtherJson(text: string): boolean {
  if (/"resourceType"\s*:\s*"Binary"/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * @returns the request that brings the same as a resource. `X-Security-Context` is the reference of its `securityContext`,
 * which says whose record it belongs to.
 */
export function asResource(request: Incoming, content: Buffer): Incoming {
  const id = place.exec(request.path)?.[1];
  const context = request.headers['x-security-context'];
  return {
    ...request,
    headers: { ...request.headers, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({
      resourceType: 'Binary', ...(id === undefined ? {} : { id }), contentType: request.headers['content-type'],
      ...(typeof context === 'string' ? { securityContext: { reference: context } } : {}),
      ...(content.length === 0 ? {} : { data: content.toString('base64') }),
    }),
  };
}

/** Whether content of a type is wanted as it is; `undefined`: neither as it is nor as a resource. */
export type Wanted = (contentType: string) => boolean | undefined;

/**
 * How a Binary is wanted: as a resource where the client names a FHIR format, in `Accept` or `_format`, or asks for a part of
 * the resource; else as it is, where `Accept` has its type.
 * @returns undefined where it is wanted as a resource, and for everything but a read of a Binary.
 */
export function nativeWanted({ method, path, query, headers: { accept } }: Incoming): Wanted | undefined {
  if ((method !== 'GET' && method !== 'HEAD') || !readable.test(path) || /(?:^|&)_(?:format|summary|elements|pretty)=/.test(query)) return undefined;
  const ranges = String(accept ?? '*/*').split(',').filter((range) => !/;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(range)).map(typeOf);
  if (ranges.some((range) => range.startsWith('application/fhir+'))) return undefined;
  return (contentType) => {
    const type = typeOf(contentType);
    if (ranges.some((range) => range === type || range === '*/*' || range === '' || range === `${type.split('/', 1)[0]}/*`)) return true;
    return ranges.some((range) => fhirTypes.test(range) || range === 'application/*') ? false : undefined;
  };
}
