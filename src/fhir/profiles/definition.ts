/** A profile as FHIR writes it (http://hl7.org/fhir/R4/structuredefinition.html), as far as it decides what is valid. */
export interface StructureDefinition {
  readonly resourceType: string;
  readonly url?: string;
  readonly version?: string;
  readonly name?: string;
  readonly type?: string;
  readonly kind?: string;
  readonly abstract?: boolean;
  readonly derivation?: string;
  readonly baseDefinition?: string;
  readonly differential?: { readonly element?: readonly ElementDefinition[] };
  readonly snapshot?: { readonly element?: readonly ElementDefinition[] };
}

export interface ElementDefinition {
  readonly id?: string;
  readonly path: string;
  readonly sliceName?: string;
  readonly min?: number;
  readonly max?: string;
  readonly type?: readonly TypeDefinition[];
  readonly slicing?: Slicing;
  readonly binding?: { readonly strength?: string; readonly valueSet?: string };
  readonly constraint?: readonly ConstraintDefinition[];
  readonly maxLength?: number;
  /** fixed[x], pattern[x], minValue[x], maxValue[x]. */
  readonly [choice: string]: unknown;
}

export interface TypeDefinition { readonly code?: string; readonly profile?: readonly string[]; readonly targetProfile?: readonly string[] }
export interface Slicing { readonly discriminator?: readonly Discriminator[]; readonly rules?: string; readonly ordered?: boolean }
export interface Discriminator { readonly type: string; readonly path: string }
export interface ConstraintDefinition { readonly key?: string; readonly severity?: string; readonly human?: string; readonly expression?: string; readonly source?: string }

export const coreBase = 'http://hl7.org/fhir/StructureDefinition/';

const decisive = ['min', 'max', 'type', 'slicing', 'binding', 'maxLength'];
const decisiveChoice = /^(?:fixed|pattern|minValue|maxValue)[A-Z]/;

/**
 * What a profile and those that it is built on say of each element, from the outermost base to the profile itself: a sparse
 * snapshot. What FHIR's own definition of the type says is not in it: the base validator holds that.
 * @param chain the profile, its base, the base of that ...: without FHIR's own definitions.
 * @returns by id of the element (`Observation.category:survey.coding`), in an order where parents come before children.
 */
export function sparseSnapshot(chain: readonly StructureDefinition[]): ReadonlyMap<string, ElementDefinition> {
  const merged = new Map<string, ElementDefinition>();
  for (const definition of chain.toReversed()) {
    for (const [id, element] of identified(elementsOf(definition))) merged.set(id, joined(merged.get(id), element));
  }
  return merged;
}

/** The differential says less, so it is quicker; a profile that comes without one is read from its snapshot. */
export function elementsOf({ differential, snapshot }: StructureDefinition): readonly ElementDefinition[] {
  return differential?.element ?? snapshot?.element ?? [];
}

/** Ids are optional in a differential: they follow from paths and slice names. */
function identified(elements: readonly ElementDefinition[]): [string, ElementDefinition][] {
  const last = new Map<string, string>();
  return elements.map((element) => {
    const dot = element.path.lastIndexOf('.');
    const parent = element.path.slice(0, Math.max(dot, 0));
    const own = element.path.slice(dot + 1) + (element.sliceName === undefined ? '' : `:${element.sliceName}`);
    const id = element.id ?? (parent === '' ? own : `${last.get(parent) ?? parent}.${own}`);
    last.set(element.path, id);
    return [id, element];
  });
}

function joined(base: ElementDefinition | undefined, own: ElementDefinition): ElementDefinition {
  if (base === undefined) return own;
  const said = Object.entries(own).filter(([name]) => decisive.includes(name) || decisiveChoice.test(name));
  const constraint = [...(base.constraint ?? []), ...(own.constraint ?? [])];
  return { ...base, ...Object.fromEntries(said), ...(own.sliceName === undefined ? {} : { sliceName: own.sliceName }), ...(constraint.length === 0 ? {} : { constraint }) };
}

/** @returns the value of a choice of the definition, e.g. `pattern` for patternCodeableConcept. */
export function choiceOf(element: ElementDefinition, name: string): unknown {
  for (const key in element) if (key.startsWith(name) && key.length > name.length && /^[A-Z]/.test(key.slice(name.length))) return element[key];
  return undefined;
}
