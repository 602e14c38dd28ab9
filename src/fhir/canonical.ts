import canonical from '../../schemas/canonical.json' with { type: 'json' };

/** Base of the canonical URLs that this project defines (`{b}` in docs/clinical.md). */
export const canonicalBase: string = canonical.base;

/** @returns the URL of a local code system, e.g. `codeSystem('progress-metric')`. */
export const codeSystem = (name: string): string => `${canonicalBase}/CodeSystem/${name}`;

/** @returns the URL of a local extension. */
export const extensionUrl = (name: string): string => `${canonicalBase}/StructureDefinition/${name}`;

export const loinc = 'http://loinc.org';

/** @returns a canonical without its |version. */
export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar < 0 ? canonical : canonical.slice(0, bar);
}
