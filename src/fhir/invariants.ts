import { ofClinicalResources } from './invariants/clinical.ts';
import { ofDatatypes } from './invariants/datatypes.ts';
import { ofExchangeResources } from './invariants/exchange.ts';
import { ofQuestionnaire } from './invariants/questionnaire.ts';
import type { Invariant } from './invariants/rule.ts';
import { ofElementDefinition, ofStructureDefinition } from './invariants/structure-definition.ts';

export type { Invariant } from './invariants/rule.ts';

const byType: Readonly<Record<string, readonly Invariant[]>> = {
  ...ofDatatypes,
  ...ofClinicalResources,
  ...ofExchangeResources,
  ElementDefinition: ofElementDefinition,
  Questionnaire: ofQuestionnaire,
  StructureDefinition: ofStructureDefinition,
};

/** By type and key, e.g. `Observation.obs-6`: structures.json says to which element of the type it belongs. */
export const invariants: ReadonlyMap<string, Invariant> = new Map(Object.entries(byType)
  .flatMap(([type, rules]) => rules.map((each): [string, Invariant] => [`${type}.${each.key}`, each])));

/**
 * Constraints of severity error that are not in `invariants`, each with the reason. `npm test` proves that the constraints of
 * the served types are in one of the two.
 */
export const heldElsewhere: ReadonlyMap<string, string> = new Map([
  ['Narrative.txt-1', 'narrative.ts parses the XHTML'],
  ['Narrative.txt-2', 'narrative.ts parses the XHTML'],
  ['Reference.ref-1', 'needs the contained resources: validate.ts looks at it when the resource is closed'],
  ['SimpleQuantity.sqty-1', 'SimpleQuantity has no element comparator in structures.json'],
]);
