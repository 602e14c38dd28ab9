import type { IssueCode } from './outcome.ts';
import { resourceTypes } from './structures.ts';

const typePattern = '([A-Z][A-Za-z]{1,63})';
const idPattern = '(?!\\.{1,2}(?:/|$))[A-Za-z0-9\\-.]{1,64}';
const relative = new RegExp(`^${typePattern}/${idPattern}(?:/_history/${idPattern})?$`);
const restful = new RegExp(`/${typePattern}/${idPattern}(?:/_history/${idPattern})?$`);
const conditional = new RegExp(`^${typePattern}\\?\\S+$`);
const urn = /^urn:(?:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|oid:[0-2](?:\.(?:0|[1-9]\d*))+)$/i;
const definitionBase = 'http://hl7.org/fhir/StructureDefinition/';

/** @returns whether a reference points to a contained resource, or from one to its container. */
export function isLocal(reference: string): boolean {
  return reference.startsWith('#');
}

interface ReferenceFault { readonly code: IssueCode; readonly text: string; readonly element: string }

/**
 * Checks the form of a Reference and the type it points to (http://hl7.org/fhir/R4/references.html).
 * @param targets the types the element allows; undefined: any.
 * @param conditionalAllowed whether `Type?query` may stand there: in a transaction only.
 */
export function faultOfReference(value: Readonly<Record<string, unknown>>, targets: ReadonlySet<string> | undefined, conditionalAllowed: boolean): ReferenceFault | undefined {
  const reference = value['reference'] as string | undefined;
  const written = value['type'] as string | undefined;
  const said = written?.startsWith(definitionBase) === true ? written.slice(definitionBase.length) : written;
  if (said !== undefined && !resourceTypes.has(said) && !said.includes(':')) {
    return { code: 'value', text: 'type must name a resource type of FHIR R4.', element: 'type' };
  }
  let found: string | undefined;
  if (reference !== undefined && !isLocal(reference)) {
    const read = typeOf(reference, conditionalAllowed);
    if (read === undefined) {
      return { code: 'value', text: 'reference must be "Type/id" with a type of FHIR R4, "#id", an absolute http(s) URL, "urn:uuid:…" or "urn:oid:…".', element: 'reference' };
    }
    found = read === '' ? undefined : read;
  }
  if (found !== undefined && said !== undefined && found !== said) {
    return { code: 'value', text: 'type and reference must name the same resource type.', element: 'type' };
  }
  const target = found ?? said;
  if (target === undefined || targets === undefined || targets.has(target) || !resourceTypes.has(target)) return undefined;
  return { code: 'value', text: `The reference must be to ${[...targets].join(' or ')}.`, element: found === undefined ? 'type' : 'reference' };
}

/** @returns the type a reference names, '' when it names none, undefined when it is not a reference. */
function typeOf(reference: string, conditionalAllowed: boolean): string | undefined {
  const local = relative.exec(reference) ?? (conditionalAllowed ? conditional.exec(reference) : null);
  if (local !== null) return resourceTypes.has(local[1] ?? '') ? local[1] : undefined;
  if (urn.test(reference)) return '';
  if (!/^https?:\/\/[^\s/]/i.test(reference) || /\s/.test(reference) || !URL.canParse(reference)) return undefined;
  const type = restful.exec(reference)?.[1] ?? '';
  return resourceTypes.has(type) ? type : '';
}
