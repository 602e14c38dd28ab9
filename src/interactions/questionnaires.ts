import type { Resource } from '../fhir/resource.ts';
import { searchParameter } from '../fhir/search-parameters.ts';
import type { Connection } from '../store/database.ts';
import { readCanonical } from '../store/read.ts';

const kept = 200;

/**
 * Finds the Questionnaire that a response names, remembering what was found for `ttlMs`: every answered form asks, and
 * forms change rarely. After a form changed, another process may check answers against the earlier one for that long.
 * @param clock milliseconds, monotonic.
 */
export function questionnaireFinder(connection: Connection, ttlMs: number, clock: () => number): (canonical: string) => Promise<Resource | undefined> {
  const url = searchParameter('Questionnaire', 'url')!.number;
  const version = searchParameter('Questionnaire', 'version')!.number;
  const found = new Map<string, { at: number; questionnaire: Promise<Resource | undefined> }>();
  const find = async (canonical: string): Promise<Resource | undefined> => {
    const [whole] = canonical.split('#');
    const bar = whole!.indexOf('|');
    const body = await readCanonical(connection, url, version, 'Questionnaire', bar < 0 ? whole! : whole!.slice(0, bar), bar < 0 ? null : whole!.slice(bar + 1));
    return body === undefined ? undefined : (JSON.parse(body) as Resource);
  };
  return (canonical) => {
    const known = found.get(canonical);
    if (known !== undefined && clock() - known.at < ttlMs) return known.questionnaire;
    const questionnaire = find(canonical);
    if (found.size >= kept) found.delete(found.keys().next().value!);
    found.set(canonical, { at: clock(), questionnaire });
    questionnaire.catch(() => found.delete(canonical));
    return questionnaire;
  };
}
