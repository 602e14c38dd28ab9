import { readDefinitions } from './package-files.ts';

/** An element as its StructureDefinition describes it. `type` is a FHIR type name or, for a nested element, its own path. */
export interface ElementType { readonly type: string; readonly name: string; readonly many: boolean; readonly valueSet?: string }

interface ElementDefinition {
  readonly path: string;
  readonly max: string;
  readonly type?: readonly { readonly code: string; readonly extension?: readonly { readonly url: string; readonly valueUrl?: string }[] }[];
  readonly contentReference?: string;
  readonly binding?: { readonly strength: string; readonly valueSet?: string };
}

const fhirType = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';

/** The elements of R4 resources and data types, looked up by the type (or path) they are in. */
export class StructureElements {
  readonly #children = new Map<string, Map<string, readonly ElementType[]>>();
  readonly #systems = new Map<string, string>();

  /** Reads the base definitions; profiles of the package are left out. */
  static async read(): Promise<StructureElements> {
    const elements = new StructureElements();
    for (const file of ['profiles-types', 'profiles-resources']) {
      for (const resource of await readDefinitions(file)) {
        const snapshot = resource.snapshot as { element: readonly ElementDefinition[] } | undefined;
        if (resource.resourceType === 'StructureDefinition' && resource.derivation !== 'constraint' && snapshot !== undefined) {
          snapshot.element.forEach((element) => elements.#add(element));
        }
      }
    }
    for (const resource of await readDefinitions('valuesets')) elements.#addValueSet(resource);
    return elements;
  }

  /** @returns the element `name` of `type`: one for each type that a choice element may take, none where there is no such element. */
  child(type: string, name: string): readonly ElementType[] {
    return this.#children.get(type)?.get(name) ?? [];
  }

  /** @returns the one code system behind a required binding, where the value set is exactly one whole system. */
  system(valueSet: string | undefined): string | undefined {
    return valueSet === undefined ? undefined : this.#systems.get(valueSet.split('|', 1)[0] as string);
  }

  #add(element: ElementDefinition): void {
    const dot = element.path.lastIndexOf('.');
    if (dot < 0) return;
    const parent = element.path.slice(0, dot);
    const name = element.path.slice(dot + 1);
    const many = element.max !== '0' && element.max !== '1';
    const valueSet = element.binding?.strength === 'required' ? element.binding.valueSet : undefined;
    const choice = name.endsWith('[x]');
    const base = choice ? name.slice(0, -3) : name;
    const types = (element.type ?? []).map((each) => each.extension?.find(({ url }) => url === fhirType)?.valueUrl ?? each.code);
    const found: ElementType[] = element.contentReference !== undefined
      ? [{ type: element.contentReference.slice(element.contentReference.indexOf('#') + 1), name: base, many }]
      : types.map((type) => ({
          type: type === 'BackboneElement' || type === 'Element' ? element.path : type,
          name: choice ? base + (type[0] as string).toUpperCase() + type.slice(1) : base,
          many,
          ...(valueSet === undefined ? {} : { valueSet }),
        }));
    const siblings = this.#children.get(parent) ?? new Map<string, readonly ElementType[]>();
    siblings.set(base, found);
    this.#children.set(parent, siblings);
  }

  #addValueSet(resource: Record<string, unknown>): void {
    const compose = resource.compose as { include?: { system?: string; concept?: unknown; filter?: unknown; valueSet?: unknown }[] } | undefined;
    const [include, another] = compose?.include ?? [];
    if (resource.resourceType !== 'ValueSet' || include === undefined || another !== undefined || include.valueSet !== undefined) return;
    if (include.system !== undefined) this.#systems.set(resource.url as string, include.system);
  }
}
