/** Numbers that answers, options and concepts carry by an extension. Pure. */

interface Extension { readonly url?: string; readonly valueDecimal?: unknown; readonly valueInteger?: unknown }
/** What may have extensions. */
export interface Extended { readonly extension?: readonly Extension[] }

/** http://hl7.org/fhir/R4/extension-ordinalvalue.html, and the name that it has from R5 on. */
const urls: ReadonlySet<string | undefined> = new Set(['http://hl7.org/fhir/StructureDefinition/itemWeight', 'http://hl7.org/fhir/StructureDefinition/ordinalValue']);

/** @returns the weight (itemWeight, ordinalValue) of the first of `holders` that has one; undefined for none. */
export function weightOf(...holders: readonly (Extended | undefined)[]): number | undefined {
  const found = holders.flatMap((holder) => (Array.isArray(holder?.extension) ? holder.extension as readonly Extension[] : [])).find(({ url }) => urls.has(url));
  return numberOf(found);
}

/** @returns the number that a holder of `value[x]` says; undefined for none. */
export function numberOf(holder: Omit<Extension, 'url'> | undefined): number | undefined {
  const weight = holder?.valueDecimal ?? holder?.valueInteger;
  return weight === undefined ? undefined : Number(weight);
}
