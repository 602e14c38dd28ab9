import { expansion } from '../fhir/expansion.ts';
import { conceptsFrom, conceptValueSets, type ConceptGroup, type Concepts } from '../outcomes/measures/concepts.ts';
import { terminology, type TerminologyContext } from './terminology.ts';

/**
 * @returns what measures mean by their concepts in this store: the members of the ValueSets that are stored, else the codes that
 * the service ships
 * @throws Problem as `expansion` does, for a ValueSet that is stored and whose content cannot be told
 */
export async function measureConcepts(context: TerminologyContext): Promise<Concepts> {
  const held = terminology(context);
  const stored = new Map<ConceptGroup, ReadonlySet<string>>();
  for (const [group, urls] of conceptValueSets) {
    for (const url of urls) {
      const valueSet = await held.valueSet(url);
      if (valueSet === undefined) continue;
      const { members } = await expansion(valueSet, held);
      stored.set(group, new Set([...stored.get(group) ?? [], ...members.keys()]));
    }
  }
  return conceptsFrom(stored);
}
