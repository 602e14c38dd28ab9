/** A constraint of severity error, translated by hand from its FHIRPath. */
export interface Invariant {
  readonly key: string;
  /** What has to be so, as a sentence without its full stop. */
  readonly text: string;
  /** Called only for values whose structure is valid. `resource` is the resource that the value is part of. */
  holds(value: never, resource: Plain): boolean;
}

export type Plain = Readonly<Record<string, unknown>>;

/** @returns an invariant over values of type `Value` within resources of type `Within`: types that the structures guarantee. */
export function rule<Value, Within = Plain>(key: string, text: string, holds: (value: Value, resource: Within) => boolean): Invariant {
  return { key, text, holds: (value, resource) => holds(value, resource as Within) };
}

/** FHIRPath `exists()` of an element: a primitive may be there by its extensions only. */
export function exists(owner: object, element: string): boolean {
  return element in owner || `_${element}` in owner;
}

/** FHIRPath `exists()` of a choice, e.g. `value` for valueQuantity. */
export function existsChoice(owner: object, element: string): boolean {
  for (const key in owner) {
    const name = key.startsWith('_') ? key.slice(1) : key;
    if (name.length > element.length && name.startsWith(element) && isUpper(name.charCodeAt(element.length))) return true;
  }
  return false;
}

const isUpper = (code: number): boolean => code >= 65 && code <= 90;

/** FHIRPath `isDistinct()`. */
export function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}
