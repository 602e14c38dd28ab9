import table from '../../schemas/units.json' with { type: 'json' };

/** The system of UCUM codes. */
export const ucum: string = table.system;

/** A unit as a multiple of the base unit of its dimension. */
export interface BaseUnit { readonly unit: string; readonly factor: string }

const units: ReadonlyMap<string, BaseUnit> = new Map(Object.entries(table.bases).flatMap(([unit, members]) =>
  Object.entries(members as Record<string, string>).map(([code, factor]): [string, BaseUnit] => [code, { unit, factor }])));

/**
 * What stands in braces is an annotation without meaning for the unit (UCUM section 2.2, 12): `{score}` is the unit 1.
 * @returns the base unit of a UCUM code with its exact decimal factor; undefined for a unit that `schemas/units.json` lacks.
 */
export function baseUnit(code: string): BaseUnit | undefined {
  return units.get(code.includes('{') ? code.replace(/\{[^{}]*\}/g, '') || '1' : code);
}
