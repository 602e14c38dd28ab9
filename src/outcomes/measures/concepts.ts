import { memberKey } from '../../fhir/expansion.ts';
import data from '../../../schemas/measure-concepts.json' with { type: 'json' };

/** What measures mean by a diagnosis, a procedure or an encounter: schemas/measure-concepts.json, or ValueSets that are stored. Pure. */

export interface Coding { readonly system?: string; readonly code?: string }
export interface Concept { readonly coding?: readonly Coding[] }

interface Group {
  readonly valueSet: readonly string[];
  readonly starts: Readonly<Record<string, readonly string[]>>;
  readonly codes: Readonly<Record<string, readonly string[]>>;
  readonly classes?: readonly string[];
}

export type ConceptGroup = keyof typeof data.groups;

const groups: Readonly<Record<ConceptGroup, Group>> = data.groups;

/** @returns the canonicals of the ValueSets that replace the shipped codes where they are stored, by group. */
export const conceptValueSets: readonly (readonly [ConceptGroup, readonly string[]])[] =
  (Object.entries(groups) as [ConceptGroup, Group][]).map(([name, { valueSet }]) => [name, valueSet] as const).filter(([, urls]) => urls.length > 0);

/** Whether a concept belongs to a group. */
export type Concepts = (group: ConceptGroup, concepts: readonly (Concept | undefined)[]) => boolean;

/**
 * @param stored the members, by `memberKey`, of the ValueSets that are stored, by group
 * @returns the test of concepts against the groups
 */
export function conceptsFrom(stored: ReadonlyMap<ConceptGroup, ReadonlySet<string>> = new Map()): Concepts {
  return (group, concepts) => {
    const { starts, codes } = groups[group];
    const members = stored.get(group);
    return concepts.some((concept) => concept?.coding?.some(({ system, code }) => {
      if (system === undefined || code === undefined) return false;
      if (members !== undefined) return members.has(memberKey(system, code));
      return codes[system]?.includes(code) === true || starts[system]?.some((start) => isWithin(code, start)) === true;
    }) === true);
  };
}

/** `F32.9` and `F32` are within F32, and F320, as some systems write it, is too. */
const isWithin = (code: string, start: string): boolean => code.startsWith(start) || code.startsWith(start.replace('.', ''));

/** @returns the classes of Encounter that stand for the group where an encounter has no type. */
export const classesOf = (group: ConceptGroup): readonly string[] => groups[group].classes ?? [];
