import { problem } from '../fhir/outcome.ts';
import type { Preferences } from '../interactions/context.ts';
import type { Query } from '../interactions/route.ts';

/** A request as it came off the wire: nothing of it is trusted yet. */
export interface Incoming {
  readonly id: string;
  readonly method: string;
  /** Below the FHIR base, undecoded, without query. */
  readonly path: string;
  /** After `?`, undecoded. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Body text; '' when there is none. */
  readonly body: string;
  readonly address: string;
}

/** @returns the one value of a header; several lines of it are refused where only one can be meant. */
export function header(request: Incoming, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const jsonTypes = new Set(['application/fhir+json', 'application/json', 'text/json', 'json', 'application/*', '*/*', 'text/*']);
const formatNames = new Set(['json', 'application/json', 'application/fhir+json', 'application/fhir json', 'text/json']);

/** Operations that answer in another format as well, by the last part of the path. */
const otherFormats: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  $outcomes: { csv: 'text/csv', 'text/csv': 'text/csv' },
  '$export-record': { html: 'text/html', 'text/html': 'text/html', text: 'text/plain', 'text/plain': 'text/plain' },
};

const notAcceptable = () => problem('not-acceptable', 'not-supported', 'This service speaks JSON: Accept application/fhir+json (XML and others are not available).');

/**
 * Content negotiation (http://hl7.org/fhir/R4/http.html#mime-type): `_format` before `Accept`.
 * @returns the media type where it is another than JSON, which a few operations have.
 * @throws Problem `not-acceptable` when nothing that the client takes is available.
 */
export function negotiate(request: Incoming): string | undefined {
  const others = otherFormats[request.path.slice(request.path.lastIndexOf('/') + 1)] ?? {};
  const format = new URLSearchParams(request.query).get('_format');
  if (format !== null && format !== '') {
    const named = format.split(';')[0]!.trim().toLowerCase();
    if (Object.hasOwn(others, named)) return others[named];
    if (!formatNames.has(named)) throw notAcceptable();
    return undefined;
  }
  const accept = header(request, 'accept');
  if (accept === undefined || accept.trim() === '') return undefined;
  // A browser takes anything, too: what it names first is what it wants.
  const first = accept.split(',', 1)[0]!.split(';')[0]!.trim().toLowerCase();
  if (Object.hasOwn(others, first)) return others[first];
  const acceptable = accept.split(',').some((range) => {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    const version = parameters.find((parameter) => parameter.startsWith('fhirversion='));
    return jsonTypes.has(type!) && !refused && (version === undefined || ourVersion.test(version));
  });
  if (!acceptable) throw notAcceptable();
  return undefined;
}

/** The `fhirVersion` of a media type is major.minor (http://hl7.org/fhir/R4/http.html#version-parameter); clients write 4.0.1 too. */
const ourVersion = /^fhirversion="?4\.0(?:\.1)?"?$/;

const mediaTypes: Readonly<Record<string, readonly string[]>> = {
  resource: ['application/fhir+json', 'application/json'],
  patch: ['application/json-patch+json', 'application/fhir+json'],
  form: ['application/x-www-form-urlencoded'],
};

/**
 * Checks that the body is of the media type that the interaction takes. The exact header is checked here, never by a
 * framework's schema (security.md 3: four bypasses by case, blanks or garbage).
 * @throws Problem `unsupported-media-type` that names what would be taken.
 */
export function requireMediaType(request: Incoming, kind: 'resource' | 'patch' | 'form'): void {
  const encoding = header(request, 'content-encoding')?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
    throw problem('unsupported-media-type', 'not-supported', 'Send the body as it is: a Content-Encoding is not taken.', undefined, { 'accept-encoding': 'identity' });
  }
  const [type, ...parameters] = (header(request, 'content-type') ?? '').split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  const version = parameters.find((parameter) => parameter.startsWith('fhirversion='));
  const allowed = mediaTypes[kind]!;
  if (!allowed.includes(type!) || (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset)) || (version !== undefined && !ourVersion.test(version))) {
    throw problem('unsupported-media-type', 'not-supported', `Send Content-Type ${allowed.join(' or ')}, in UTF-8.`);
  }
}

/**
 * Checks that a patch is of the format that its media type says: a JSON Patch is an array, a FHIRPath Patch a Parameters.
 * @throws Problem `unsupported-media-type` as `requireMediaType`, and when it is a JSON Patch that says otherwise; `malformed` when it is none and says so.
 */
export function requirePatch(request: Incoming): void {
  requireMediaType(request, 'patch');
  const isArray = request.body.trimStart().startsWith('[');
  const saysArray = /^\s*application\/json-patch\+json/i.test(header(request, 'content-type')!);
  if (isArray && !saysArray) throw problem('unsupported-media-type', 'not-supported', 'A JSON Patch is sent as application/json-patch+json.');
  if (saysArray && !isArray) throw problem('malformed', 'invalid', 'As application/json-patch+json a patch is an array of operations (RFC 6902).');
}

/** Name-value pairs of an x-www-form-urlencoded body. */
export const formOf = (body: string): Query => [...new URLSearchParams(body)];

/** `Prefer` (http://hl7.org/fhir/R4/http.html#ops, search.html#errors); what is not understood is ignored, as RFC 7240 says. */
export function preferences(request: Incoming): Preferences {
  const prefer = header(request, 'prefer') ?? '';
  const returned = /(?:^|[,;\s])return\s*=\s*"?(minimal|representation|OperationOutcome)"?/i.exec(prefer)?.[1]?.toLowerCase();
  const handling = /(?:^|[,;\s])handling\s*=\s*"?(strict|lenient)"?/i.exec(prefer)?.[1]?.toLowerCase();
  return {
    ...(returned === undefined ? {} : { return: returned === 'operationoutcome' ? 'OperationOutcome' as const : (returned as 'minimal' | 'representation') }),
    handling: handling === 'lenient' ? 'lenient' : 'strict',
  };
}

/**
 * The version that `If-Match` names.
 * @throws Problem `malformed` for anything but one version ETag: an update must know which version it changes.
 */
export function ifMatchOf(request: Incoming): number | undefined {
  const text = header(request, 'if-match');
  if (text === undefined) return undefined;
  const version = /^(?:W\/)?"(\d{1,9})"$/.exec(text.trim())?.[1];
  if (version === undefined) throw problem('malformed', 'value', 'If-Match must be one ETag of this service, such as W/"3".', 'http.If-Match');
  return Number(version);
}

/**
 * `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header).
 * @throws Problem `malformed` when it is empty or longer than 255 visible ASCII characters.
 */
export function idempotencyKeyOf(request: Incoming): string | undefined {
  const text = header(request, 'idempotency-key');
  if (text === undefined) return undefined;
  const key = text.trim().replace(/^"(.*)"$/, '$1');
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw problem('malformed', 'value', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', 'http.Idempotency-Key');
  return key;
}
