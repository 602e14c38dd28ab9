import { exactKey, stringFold } from './index-keys.ts';
import { aspectNumber, hash64, type SearchParameter } from './search-parameters.ts';
import type { ConceptTest, Test, TokenValue } from './search-plan.ts';
import { badValue, splitEscaped, unescaped, type Reading } from './search-syntax.ts';

/**
 * Conditions on codes that only definitions can decide: `:in`, `:not-in`, `:above`, `:below`, and `:text`, which also knows
 * what a code is called (http://hl7.org/fhir/R4/search.html#token).
 */

const codes: ReadonlySet<string> = new Set(['code', 'Coding', 'CodeableConcept']);
const texts: ReadonlySet<string> = new Set(['Coding', 'CodeableConcept', 'Identifier', 'Reference']);

/** The modifiers that definitions decide. */
export type Relation = ConceptTest['relation'];

const relations: ReadonlySet<string> = new Set<Relation>(['in', 'not-in', 'above', 'below', 'text']);

export const isRelation = (modifier: string | null): modifier is Relation => modifier !== null && relations.has(modifier);

/** Whether `relation` can be asked of `parameter`: its elements have codes, or a text beside them. */
export const hasRelation = ({ type, elements }: SearchParameter, relation: Relation): boolean =>
  (type === 'token' || (type === 'reference' && relation === 'text')) && elements.some((element) => (relation === 'text' ? texts : codes).has(element));

/** The parameter whose rows hold the texts beside the values of `parameter`: CodeableConcept.text, Coding.display, Identifier.type.text, Reference.display. */
export function textParameter(parameter: SearchParameter): SearchParameter {
  const { column: _, ...rest } = parameter;
  return { ...rest, type: 'string', number: aspectNumber(parameter.number, 'text') };
}

/**
 * @param values as they came, with their escapes.
 * @returns the test, which is not ready to run: `interactions/concept-tests.ts` asks the definitions first. A text of
 *   resources that the service does not compute itself is ready.
 * @throws Problem `malformed` for a value that cannot be used.
 */
export function conceptTest(parameter: SearchParameter, relation: Relation, values: readonly string[], reading: Reading): Test {
  const { name } = reading;
  if (relation === 'text') {
    const folded = values.map(unescaped).map(stringFold);
    if (folded.includes('')) throw badValue(name, 'nothing of it is left when case, accents and spaces are ignored.');
    const written: Test = { kind: 'string', parameter: textParameter(parameter), match: 'contains', values: folded };
    return parameter.base === 'Observation' && parameter.type === 'token'
      ? { kind: 'any', tests: [written, { kind: 'concept', relation, parameter, name, values: folded }] }
      : written;
  }
  if (relation === 'above' || relation === 'below') {
    for (const value of values) {
      const [system, code, more] = splitEscaped(value, '|');
      if (!system || !code || more !== undefined) throw badValue(name, `:${relation} takes system|code: which codes are ${relation} another one is a matter of their system.`);
    }
    return { kind: 'concept', relation, parameter, name, values };
  }
  return { kind: 'concept', relation, parameter, name, values: values.map(unescaped) };
}

/** @returns the test for any of `codings`, or for none of them. An element of type `code` has no system but the one that it implies. */
export function codingsTest(parameter: SearchParameter, codings: Iterable<{ readonly system: string; readonly code: string }>, negated: boolean): Test {
  const implied = parameter.elements.every((element) => element === 'code');
  const values: TokenValue[] = [];
  for (const { system, code } of codings) {
    if (!implied) values.push({ code: exactKey(code), system: String(hash64(system)) });
    else if (system === parameter.system) values.push({ code: exactKey(code), system: null });
  }
  if (values.length === 0) return negated ? { kind: 'all', tests: [] } : { kind: 'nothing' };
  return { kind: 'token', parameter, values, negated };
}
