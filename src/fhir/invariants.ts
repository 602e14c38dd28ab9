/** A constraint of severity error, translated by hand from its FHIRPath. */
export interface Invariant {
  readonly key: string;
  readonly text: string;
  holds(value: never, resource: Readonly<Record<string, unknown>>): boolean;
}
export const invariants: ReadonlyMap<string, Invariant> = new Map();
