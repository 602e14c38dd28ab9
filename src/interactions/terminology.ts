import { heldSystem, type HeldSystem } from '../fhir/code-systems.ts';
import type { Held } from '../fhir/expansion.ts';
import { exactKey } from '../fhir/index-keys.ts';
import { parseCanonical, parseReference } from '../fhir/references.ts';
import { requiredBinding } from '../fhir/required-bindings.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { readDefinition } from '../store/definitions.ts';
import { readNewest } from '../store/read.ts';

/** What a look-up of definitions needs. */
export interface TerminologyContext { readonly database: Connection; readonly baseUrl: string; readonly visibility: Visibility }

/** The definitions of this store as one request sees them: each is read once. */
export interface Terminology extends Held {
  /** @param canonical URL with or without |version, `Type/id`, or the URL of that place on this server. */
  definition(type: 'ValueSet' | 'CodeSystem' | 'ConceptMap', canonical: string): Promise<Resource | undefined>;
}

/**
 * Definitions are public to everybody who may use this service: a search by value set needs no scope for ValueSet. Labels of
 * restricted resources hold all the same.
 */
export const definitionsVisible = (visibility: Visibility): Visibility => ({ ...visibility, grants: definitions });

const definitions: Visibility['grants'] = new Map(['ValueSet', 'CodeSystem', 'ConceptMap'].map((type) => [type, new Set(['r', 's'] as const)]));

/** @returns access to the value sets, code systems and concept maps that are stored, and to the value sets of R4's required bindings. */
export function terminology({ database, baseUrl, visibility }: TerminologyContext): Terminology {
  const seeing = definitionsVisible(visibility);
  const read = async (type: string, canonical: string): Promise<Resource | undefined> => {
    const { url, version } = parseCanonical(canonical);
    const place = parseReference(url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length + 1) : url);
    const body = place?.kind === 'relative'
      ? (place.type === type ? await readNewest(database, seeing, type, place.id) : undefined)?.body
      : await readDefinition(database, seeing, type, exactKey(url), version === null || version === '' ? null : exactKey(version));
    return body == null ? (type === 'ValueSet' ? requiredBinding(canonical) : undefined) : (JSON.parse(body) as Resource);
  };
  const found = new Map<string, Promise<Resource | undefined>>();
  const systems = new Map<string, Promise<HeldSystem | undefined>>();
  const definition: Terminology['definition'] = (type, canonical) => once(found, `${type} ${canonical}`, () => read(type, canonical));
  return {
    definition,
    valueSet: (canonical) => definition('ValueSet', canonical),
    codeSystem: (url, version) => once(systems, `${url}|${version ?? ''}`, async () => {
      const resource = await definition('CodeSystem', version === null ? url : `${url}|${version}`);
      return resource === undefined ? undefined : heldSystem(resource);
    }),
  };
}

function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const there = known.get(key);
  if (there !== undefined) return there;
  const made = make();
  known.set(key, made);
  return made;
}
