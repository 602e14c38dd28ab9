import type { Resource } from '../fhir/resource.ts';
import { parseCanonical, parseReference } from '../fhir/references.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { readDefinition } from '../store/definitions.ts';
import { readNewest } from '../store/read.ts';

const kept = 200;

/** Finding a form is the service's own business: the answers are checked whoever gives them. */
const forms: Visibility = { caller: 'intersession', reach: { kind: 'all' }, restricted: true, grants: new Map([['Questionnaire', new Set(['r'] as const)]]) };

/** Finds the Questionnaire that a response names. */
export interface QuestionnaireFinder {
  /**
   * @param canonical with or without |version, or `Questionnaire/id`: its place in this store.
   * @returns undefined when it is not stored here.
   */
  (canonical: string): Promise<Resource | undefined>;
  /** A form was written: what is remembered may be out of date. */
  readonly forget: () => void;
}

/**
 * Makes a finder that remembers what was found for `ttlMs`: every answered form asks, and forms change rarely. After a form
 * changed, another process may check answers against the earlier one for that long; the process that changed it does not.
 * @param clock milliseconds, monotonic.
 */
export function questionnaireFinder(connection: Connection, ttlMs: number, clock: () => number): QuestionnaireFinder {
  const found = new Map<string, { at: number; questionnaire: Promise<Resource | undefined> }>();
  const find = async (canonical: string): Promise<Resource | undefined> => {
    const named = parseCanonical(canonical.split('#', 1)[0]!);
    const place = parseReference(named.url);
    const body = place?.kind === 'relative' && place.type === 'Questionnaire'
      ? (await readNewest(connection, forms, 'Questionnaire', place.id))?.body
      : await readDefinition(connection, forms, 'Questionnaire', named.url, named.version);
    return body == null ? undefined : (JSON.parse(body) as Resource);
  };
  const finder = (canonical: string): Promise<Resource | undefined> => {
    const known = found.get(canonical);
    if (known !== undefined && clock() - known.at < ttlMs) return known.questionnaire;
    const questionnaire = find(canonical);
    if (found.size >= kept) found.delete(found.keys().next().value!);
    found.set(canonical, { at: clock(), questionnaire });
    questionnaire.catch(() => found.delete(canonical));
    return questionnaire;
  };
  return Object.assign(finder, { forget: () => found.clear() });
}
