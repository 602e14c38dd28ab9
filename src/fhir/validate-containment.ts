import type { Findings } from './validate-findings.ts';

export type Plain = Readonly<Record<string, unknown>>;

/** What one resource contains, and what it and the contained ones refer to within it (http://hl7.org/fhir/R4/references.html#contained). */
export class Containment {
  /** The contained resource being checked. */
  inside: { readonly id: unknown } | undefined;
  readonly #ids = new Set<unknown>();
  /** Local references, with where they stand. */
  readonly #uses: { readonly id: string; readonly at: string; readonly mustResolve: boolean }[] = [];
  /** Ids of contained resources that refer to their container. */
  readonly #pointingUp = new Set<unknown>();

  /** dom-2, dom-4, dom-5. @returns whether the content of the contained resource is to be checked as well. */
  add(contained: Plain, found: Findings): boolean {
    const { id, meta } = contained;
    if (id !== undefined && this.#ids.has(id)) found.report('invariant', 'The ids of contained resources must differ.', 'id');
    this.#ids.add(id);
    if (isObject(meta)) {
      if ('versionId' in meta || 'lastUpdated' in meta) found.report('invariant', 'A contained resource must not have meta.versionId or meta.lastUpdated (dom-4).', 'meta');
      if ('security' in meta) found.report('invariant', 'A contained resource must not have a security label (dom-5).', 'meta');
    }
    if (this.inside === undefined && !('contained' in contained)) return true;
    found.report('invariant', 'A contained resource must not contain resources itself (dom-2).', 'contained');
    return false;
  }

  /** Notes a reference that starts with `#`. */
  refer(reference: string, mustResolve: boolean, found: Findings): void {
    if (reference === '#' && this.inside !== undefined) this.#pointingUp.add(this.inside.id);
    else this.#uses.push({ id: reference.slice(1), at: found.expression(''), mustResolve });
  }

  /** ref-1 and dom-3, when all of the resource was seen. */
  close(resource: Plain, found: Findings): void {
    const used = new Set<unknown>();
    for (const use of this.#uses) {
      used.add(use.id);
      if (use.mustResolve && !this.#ids.has(use.id)) found.reportAt('invariant', 'A reference that starts with "#" must be the id of a contained resource (ref-1).', use.at);
    }
    if (!Array.isArray(resource['contained'])) return;
    resource['contained'].forEach((inner: unknown, index) => {
      if (!isObject(inner) || used.has(inner['id']) || this.#pointingUp.has(inner['id'])) return;
      found.report('invariant', 'A contained resource must be referred to from within the resource, or refer to it (dom-3).', `contained[${index}]`);
    });
  }
}

/** @returns whether a JSON value is an object, not an array and not null. */
export function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
