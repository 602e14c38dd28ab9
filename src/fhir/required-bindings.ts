import published from '../../schemas/r4/value-sets.json' with { type: 'json' };
import type { Resource } from './resource.ts';

const codesByName: ReadonlyMap<string, Readonly<Record<string, readonly string[]>>> = new Map(Object.entries(published.valueSets as unknown as Record<string, Record<string, string[]>>));

const urlForm = /^http:\/\/(?:hl7\.org\/fhir|terminology\.hl7\.org)\/ValueSet\/([A-Za-z0-9.-]{1,64})$/;
const version = '4.0.1';

/**
 * @param canonical of a value set that R4 binds an element to with strength `required`: its codes are known here because
 *   resources are checked against them.
 * @returns the value set, by its codes; undefined for any other.
 */
export function requiredBinding(canonical: string): Resource | undefined {
  const [url = '', asked = version] = canonical.split('|');
  const name = urlForm.exec(url)?.[1];
  const systems = name === undefined ? undefined : codesByName.get(name);
  if (name === undefined || systems === undefined || asked !== version || name.startsWith('v3-') !== url.startsWith('http://terminology')) return undefined;
  return {
    resourceType: 'ValueSet', url, version, name: `R4_${name.replaceAll(/[^A-Za-z0-9]/g, '_')}`, status: 'active',
    compose: { include: Object.entries(systems).map(([system, codes]) => ({ system, concept: codes.map((code) => ({ code })) })) },
  };
}
