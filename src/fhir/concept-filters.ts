import { propertyText, type Concept, type HeldSystem } from './code-systems.ts';
import { linearRegex } from './linear-regex.ts';
import { problem, type Problem } from './outcome.ts';

/** ValueSet.compose.include.filter (http://hl7.org/fhir/R4/valueset-filter-operator.html). */
export interface Filter { readonly property?: string; readonly op?: string; readonly value?: string }

/** Values of a property of a concept: what the system declares, and what every concept has. */
function values(concept: Concept, property: string): readonly string[] {
  switch (property) {
    case 'code': case 'concept': return [concept.code];
    case 'display': return concept.display === undefined ? [] : [concept.display];
    case 'definition': return concept.definition === undefined ? [] : [concept.definition];
    case 'parent': return concept.parents;
    case 'child': return concept.children;
    case 'inactive': return [String(concept.inactive)];
    default: return concept.property.filter(({ code }) => code === property).map(propertyText).filter((value) => value !== undefined);
  }
}

const list = (value: string): ReadonlySet<string> => new Set(value.split(',').map((each) => each.trim()));

/**
 * @returns the test that `filter` stands for in `system`.
 * @throws Problem `invalid` for a filter that cannot be applied: one that is left out would widen the value set.
 */
export function filterTest({ property, op, value }: Filter, system: HeldSystem, at: string): (concept: Concept) => boolean {
  if (property === undefined || op === undefined || value === undefined) throw problem('invalid', 'required', 'A filter needs property, op and value.', at);
  if (!system.properties.has(property)) throw problem('invalid', 'not-supported', 'The code system that is held here has no such property: whether a concept has it cannot be told.', `${at}.property`);
  const has = (accepts: (text: string) => boolean) => (concept: Concept): boolean => values(concept, property).some(accepts);
  switch (op) {
    case '=': return has((text) => text === value);
    case 'in': {
      const wanted = list(value);
      return has((text) => wanted.has(text));
    }
    case 'not-in': {
      const unwanted = list(value);
      const held = has((text) => unwanted.has(text));
      return (concept) => !held(concept);
    }
    case 'exists': {
      if (value !== 'true' && value !== 'false') throw problem('invalid', 'value', 'The op exists takes the value true or false.', `${at}.value`);
      return (concept) => (values(concept, property).length > 0) === (value === 'true');
    }
    case 'regex': {
      const matches = linearRegex(value);
      if (matches === undefined) throw problem('invalid', 'not-supported', 'The regular expression is none, is too long, or uses what is not followed here (back references, looking ahead or behind, \\b).', `${at}.value`);
      return has(matches);
    }
    case 'is-a': case 'descendent-of': case 'is-not-a': case 'generalizes': return hierarchy(op, property, value, system, at);
    default: throw problem('invalid', 'not-supported', 'This filter op is not supported: use =, is-a, descendent-of, is-not-a, generalizes, in, not-in, exists or regex.', `${at}.op`);
  }
}

function hierarchy(op: 'is-a' | 'descendent-of' | 'is-not-a' | 'generalizes', property: string, value: string, system: HeldSystem, at: string): (concept: Concept) => boolean {
  if (property !== 'concept' && property !== 'code') throw onlyConcepts(op, at);
  const root = system.find(value);
  if (root === undefined) throw problem('invalid', 'code-invalid', `The code system has no such concept: ${op} needs one of its codes.`, `${at}.value`);
  const codes = op === 'generalizes' ? system.above(root.code) : system.below(root.code);
  switch (op) {
    case 'descendent-of': return ({ code }) => codes.has(code);
    case 'is-not-a': return ({ code }) => code !== root.code && !codes.has(code);
    default: return ({ code }) => code === root.code || codes.has(code);
  }
}

const onlyConcepts = (op: string, at: string): Problem =>
  problem('invalid', 'not-supported', `The op ${op} is about the hierarchy: its property is concept.`, `${at}.property`);
