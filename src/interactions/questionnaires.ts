import type { Resource } from '../fhir/resource.ts';
import { answerValueSets, hasWeights, systemsOf } from '../outcomes/answer-weights.ts';
import { parseCanonical, parseReference } from '../fhir/references.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { readDefinition } from '../store/definitions.ts';
import { readNewest } from '../store/read.ts';

const kept = 200;

/** Finding a form is the service's own business: the answers are checked whoever gives them. */
const forms: Visibility = { caller: 'intersession', reach: { kind: 'all' }, restricted: true, grants: new Map(['Questionnaire', 'ValueSet', 'CodeSystem'].map((type) => [type, new Set(['r'] as const)])) };

/** Finds the Questionnaire that a response names. */
export interface QuestionnaireFinder {
  /**
   * @param canonical with or without |version, or `Questionnaire/id`: its place in this store.
   * @returns undefined when it is not stored here.
   */
  (canonical: string): Promise<Resource | undefined>;
  /** A form, or a list of answers, was written: what is remembered may be out of date. */
  readonly forget: () => void;
}

/** Finds the list of answers with a canonical. */
export type FindList = (type: 'ValueSet' | 'CodeSystem', canonical: string) => Promise<Resource | undefined>;

/** @returns what finds the lists that are stored, each once: forms that name the same list share what was found. */
export function listsIn(connection: Connection): FindList {
  const found = new Map<string, Promise<Resource | undefined>>();
  const read = async (type: 'ValueSet' | 'CodeSystem', canonical: string): Promise<Resource | undefined> => {
    const { url, version } = parseCanonical(canonical);
    const body = await readDefinition(connection, forms, type, url, version);
    const list = body === undefined ? undefined : (JSON.parse(body) as Resource);
    return type === 'CodeSystem' && list !== undefined && !hasWeights(list) ? undefined : list; // the largest have none
  };
  return (type, canonical) => {
    const key = `${type}/${canonical}`;
    const list = found.get(key) ?? read(type, canonical);
    found.set(key, list);
    list.catch(() => found.delete(key));
    return list;
  };
}

/** Lists that one form may lead to, so that no form can keep a request busy. */
const mostLists = 50;

/**
 * @returns the form with the value sets and code systems of its answers beside those that it contains: they may weigh what the form
 * does not (outcomes/form-total.ts). The same form where it names none that can be found.
 */
export async function withAnswerLists(questionnaire: Resource, find: FindList): Promise<Resource> {
  const contained = (questionnaire['contained'] ?? []) as readonly Resource[];
  const named = answerValueSets(questionnaire);
  const found = (list: readonly (Resource | undefined)[]): Resource[] => list.filter((each) => each !== undefined);
  const valueSets = found(await Promise.all(named.filter((canonical) => !canonical.startsWith('#')).slice(0, mostLists).map((canonical) => find('ValueSet', canonical))));
  const asked = [...contained.filter(({ id }) => named.includes(`#${id}`)), ...valueSets];
  const known = new Set(contained.flatMap(({ resourceType, url }) => (resourceType === 'CodeSystem' ? [url] : [])));
  const systems = [...new Set(asked.flatMap(systemsOf))].filter((system) => !known.has(system)).slice(0, mostLists);
  const lists = [...valueSets, ...found(await Promise.all(systems.map((system) => find('CodeSystem', system))))];
  return lists.length === 0 ? questionnaire : { ...questionnaire, contained: [...contained, ...lists] };
}

/**
 * Makes a finder that remembers what was found for `ttlMs`: every answered form asks, and forms change rarely. After a form
 * changed, another process may check answers against the earlier one for that long; the process that changed it does not.
 * @param clock milliseconds, monotonic.
 */
export function questionnaireFinder(connection: Connection, ttlMs: number, clock: () => number): QuestionnaireFinder {
  const found = new Map<string, { at: number; questionnaire: Promise<Resource | undefined> }>();
  let lists = { at: clock(), find: listsIn(connection) };
  const isFresh = ({ at }: { at: number }): boolean => clock() - at < ttlMs;
  const find = async (canonical: string): Promise<Resource | undefined> => {
    const named = parseCanonical(canonical.split('#', 1)[0]!);
    const place = parseReference(named.url);
    const body = place?.kind === 'relative' && place.type === 'Questionnaire'
      ? (await readNewest(connection, forms, 'Questionnaire', place.id))?.body
      : await readDefinition(connection, forms, 'Questionnaire', named.url, named.version);
    if (!isFresh(lists)) lists = { at: clock(), find: listsIn(connection) };
    return body == null ? undefined : withAnswerLists(JSON.parse(body) as Resource, lists.find);
  };
  const finder = (canonical: string): Promise<Resource | undefined> => {
    const known = found.get(canonical);
    if (known !== undefined && isFresh(known)) return known.questionnaire;
    // The oldest come first. What is not fresh would keep lists that are shared with nothing any more.
    for (const [old, entry] of found) {
      if (isFresh(entry) && found.size < kept) break;
      found.delete(old);
    }
    const questionnaire = find(canonical);
    found.set(canonical, { at: clock(), questionnaire });
    questionnaire.catch(() => found.delete(canonical));
    return questionnaire;
  };
  return Object.assign(finder, {
    forget: () => {
      found.clear();
      lists = { at: clock(), find: listsIn(connection) };
    },
  });
}
