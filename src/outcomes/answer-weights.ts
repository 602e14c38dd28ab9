import { withoutVersion } from '../fhir/canonical.ts';
import { numberOf, weightOf, type Extended } from '../fhir/item-weight.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Coding } from './instrument.ts';

/** The numbers that answers carry: on an option, in a value set, in a code system (itemWeight, ordinalValue). Pure. */

interface Concept extends Extended {
  readonly code?: string;
  readonly property?: readonly { readonly code?: string; readonly valueDecimal?: unknown; readonly valueInteger?: unknown }[];
  readonly concept?: readonly Concept[];
}
interface Include { readonly system?: string; readonly concept?: readonly Concept[]; readonly filter?: unknown; readonly valueSet?: unknown }
interface Contains extends Extended { readonly system?: string; readonly code?: string; readonly contains?: readonly Contains[] }

const weightProperties: ReadonlySet<string | undefined> = new Set(['itemWeight', 'ordinalValue']);

/** A coding that a question offers, with its weight. */
export interface WeighedCoding { readonly coding: Coding; readonly weight: number }

/** @returns what a value set lists, by `answerValueSet` of a question. */
export type WeighedLists = (canonical: string) => readonly WeighedCoding[];

/**
 * @param lists the ValueSets and CodeSystems that are known: those that the form contains, and those that were found for it.
 * @returns for a canonical the codings that the value set lists and that have a weight: in it, or in the code system that they are of.
 * [] where it is not known, or says what it holds by a rule. Each code system is read once: a list may name it for each of its codes, and many forms the same.
 */
export function weighedLists(lists: readonly Resource[]): WeighedLists {
  const ofSystem: SystemWeights = (system) => systemWeights(definition('CodeSystem', system, lists));
  return (canonical) => {
    const valueSet = definition('ValueSet', canonical, lists);
    return valueSet === undefined ? [] : sharedCodings(valueSet, ofSystem);
  };
}

/** What value sets list by the weights of the systems that they take codes from: the same for every form that shares them. */
const codingsOf = new WeakMap<Resource, { readonly systems: readonly SystemMap[]; readonly codings: readonly WeighedCoding[] }>();

function sharedCodings(valueSet: Resource, ofSystem: SystemWeights): readonly WeighedCoding[] {
  const systems = systemsOf(valueSet).map(ofSystem);
  const known = codingsOf.get(valueSet);
  if (known?.systems.length === systems.length && known.systems.every((each, at) => each === systems[at])) return known.codings;
  const codings = weighedCodings(valueSet, ofSystem);
  codingsOf.set(valueSet, { systems, codings });
  return codings;
}

type SystemMap = ReadonlyMap<string, number>;
/** Weight by code of the code system with a canonical. */
type SystemWeights = (system: string) => SystemMap;

function weighedCodings(valueSet: Resource, ofSystem: SystemWeights): WeighedCoding[] {
  const { contains } = (valueSet['expansion'] ?? {}) as { contains?: readonly Contains[] };
  if (contains !== undefined) return expanded(contains, ofSystem);
  const { include = [], exclude = [] } = (valueSet['compose'] ?? {}) as { include?: readonly Include[]; exclude?: readonly Include[] };
  const left = new Set(exclude.flatMap(({ system, concept = [] }) => concept.map(({ code }) => `${system ?? ''}|${code ?? ''}`)));
  return include.flatMap((each) => included(each, ofSystem)).filter(({ coding: { system, code } }) => !left.has(`${system ?? ''}|${code ?? ''}`));
}

function definition(type: string, canonical: string, lists: readonly Resource[]): Resource | undefined {
  const url = withoutVersion(canonical);
  return lists.find((each) => each.resourceType === type && (canonical.startsWith('#') ? `#${each.id}` === canonical : each['url'] === url));
}

function included({ system, concept, filter, valueSet }: Include, ofSystem: SystemWeights): WeighedCoding[] {
  if (system === undefined || filter !== undefined || valueSet !== undefined) return [];
  if (concept === undefined) return [...ofSystem(system)].map(([code, weight]) => ({ coding: { system, code }, weight }));
  return concept.flatMap((each) => weighed({ system, code: each.code }, weightOf(each) ?? ofSystem(system).get(each.code ?? '')));
}

const expanded = (contains: readonly Contains[], ofSystem: SystemWeights): WeighedCoding[] => contains.flatMap((each) => [
  ...weighed({ system: each.system, code: each.code }, weightOf(each) ?? (each.system === undefined ? undefined : ofSystem(each.system).get(each.code ?? ''))),
  ...expanded(each.contains ?? [], ofSystem),
]);

const weighed = (coding: { readonly system: string | undefined; readonly code: string | undefined }, weight: number | undefined): WeighedCoding[] =>
  (weight === undefined || coding.code === undefined ? [] : [{ coding: coding as Coding, weight }]);

/** The weights of code systems that were read: forms that share one share them. */
const weightsOf = new WeakMap<Resource, SystemMap>();
const noWeights: SystemMap = new Map();

/** Weight by code of a code system; none of one that is not known. */
function systemWeights(codeSystem: Resource | undefined): SystemMap {
  if (codeSystem === undefined) return noWeights;
  const weights = weightsOf.get(codeSystem) ?? readWeights(codeSystem);
  weightsOf.set(codeSystem, weights);
  return weights;
}

/** @returns whether a code system weighs any of its codes. */
export const hasWeights = (codeSystem: Resource): boolean => systemWeights(codeSystem).size > 0;

/** By an extension of the concept or by a property. */
function readWeights(codeSystem: Resource): SystemMap {
  const found = new Map<string, number>();
  const collect = (concepts: readonly Concept[] = []): void => {
    for (const concept of concepts) {
      const weight = weightOf(concept) ?? numberOf(concept.property?.find(({ code }) => weightProperties.has(code)));
      if (concept.code !== undefined && weight !== undefined) found.set(concept.code, weight);
      collect(concept.concept);
    }
  };
  collect(codeSystem['concept'] as readonly Concept[] | undefined);
  return found;
}

/** @returns the canonicals of the value sets that the questions of a form name. */
export function answerValueSets(questionnaire: Resource): string[] {
  const found = new Set<string>();
  const collect = (items: unknown): void => {
    for (const { answerValueSet, item } of Array.isArray(items) ? (items as readonly { answerValueSet?: string; item?: unknown }[]) : []) {
      if (typeof answerValueSet === 'string') found.add(answerValueSet);
      collect(item);
    }
  };
  collect(questionnaire['item']);
  return [...found];
}

/** @returns the code systems from which a value set takes codes: as it was expanded, where it was. */
export function systemsOf(valueSet: Resource): string[] {
  const { contains } = (valueSet['expansion'] ?? {}) as { contains?: readonly Contains[] };
  const { include = [] } = (valueSet['compose'] ?? {}) as { include?: readonly Include[] };
  const found = new Set<string>();
  const collect = (list: readonly Contains[]): void => {
    for (const { system, contains: within = [] } of list) {
      if (system !== undefined) found.add(system);
      collect(within);
    }
  };
  collect(contains ?? include);
  return [...found];
}
