/** What Reference.reference or a reference search value says (http://hl7.org/fhir/R4/references.html). */
export type ParsedReference =
  /** `Type/id`, perhaps of a version: a resource of this server. */
  | { readonly kind: 'relative'; readonly type: string; readonly id: string; readonly version?: string }
  /** A URL, without `/_history/version`; type and id where it ends like a RESTful one. */
  | { readonly kind: 'absolute'; readonly url: string; readonly type?: string; readonly id?: string; readonly version?: string }
  /** `#id`; the container itself for `#`. */
  | { readonly kind: 'contained'; readonly id: string }
  /** `urn:uuid:...`, `urn:oid:...`: another entry of the same Bundle. */
  | { readonly kind: 'urn'; readonly urn: string }
  /** `Type?query`: resolved by a search in a transaction. */
  | { readonly kind: 'conditional'; readonly type: string; readonly query: string };

const relative = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
const absolute = /^([a-z][a-z0-9+.-]*:\/\/\S+?)(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/i;
const restful = /\/([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;
const conditional = /^([A-Z][A-Za-z]+)\?(\S+)$/;

/** @returns the parts of a reference; undefined when the text is none of the forms that FHIR has. */
export function parseReference(text: string): ParsedReference | undefined {
  const local = relative.exec(text);
  if (local !== null) return { kind: 'relative', type: local[1] as string, id: local[2] as string, ...version(local[3]) };
  if (text.startsWith('#')) return { kind: 'contained', id: text.slice(1) };
  if (text.startsWith('urn:')) return { kind: 'urn', urn: text };
  const condition = conditional.exec(text);
  if (condition !== null) return { kind: 'conditional', type: condition[1] as string, query: condition[2] as string };
  const elsewhere = absolute.exec(text);
  if (elsewhere === null) return undefined;
  const url = elsewhere[1] as string;
  const parts = restful.exec(url);
  return { kind: 'absolute', url, ...(parts === null ? {} : { type: parts[1] as string, id: parts[2] as string }), ...version(elsewhere[2]) };
}

/** @returns a canonical (or its search value) parted into URL and version, e.g. `http://x/Questionnaire/phq-9|2.0`. */
export function parseCanonical(text: string): { readonly url: string; readonly version: string | null } {
  const bar = text.indexOf('|');
  return bar < 0 ? { url: text, version: null } : { url: text.slice(0, bar), version: text.slice(bar + 1) };
}

/** @returns the type that a reference names, `resolve() is Type` decided from its text; undefined when it does not say. */
export function referencedType(text: string): string | undefined {
  const parsed = parseReference(text);
  return parsed !== undefined && 'type' in parsed ? parsed.type : undefined;
}

function version(text: string | undefined): { version?: string } {
  return text === undefined ? {} : { version: text };
}
