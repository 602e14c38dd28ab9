/** Answers that say why there is none (http://hl7.org/fhir/R4/extension-data-absent-reason.html). Pure. */

const extensionUrl = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/** Code systems of reasons, with the names that they had in STU3. */
const systems: ReadonlySet<unknown> = new Set([
  'http://terminology.hl7.org/CodeSystem/data-absent-reason', 'http://hl7.org/fhir/data-absent-reason',
  'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', 'http://hl7.org/fhir/v3/NullFlavor',
]);
const notApplicable: ReadonlySet<unknown> = new Set(['not-applicable', 'NA']);

interface Extended { readonly extension?: readonly { readonly url?: string; readonly valueCode?: string }[] }

/**
 * @param answer an answer, or another element with `value[x]`.
 * @returns the code of the reason why it has no value, '' where it says none; undefined where it has a value. A reason may stand in
 * an extension of the answer, of the value or of its code, or be the coding that was chosen ("asked but declined").
 */
export function whyAbsent(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const key = valueOf(answer as Record<string, unknown>);
  if (key === undefined) return reasonIn(answer as Extended) ?? reasonWithin(answer) ?? '';
  const value = (answer as Record<string, unknown>)[key];
  if (typeof value !== 'object' || value === null) return undefined;
  const { system, code, display } = value as { system?: unknown; code?: unknown; display?: unknown };
  if (key === 'valueCoding' && systems.has(system)) return typeof code === 'string' ? code : '';
  const saysSomething = key === 'valueCoding' ? code !== undefined || display !== undefined : Object.keys(value).some((name) => name !== 'extension' && name !== 'id' && !name.startsWith('_'));
  return saysSomething ? undefined : reasonIn(value as Extended) ?? reasonWithin(value);
}

/** The name of the element that holds the value; without a list of all names, as every answer is asked for it. */
function valueOf(answer: Readonly<Record<string, unknown>>): string | undefined {
  for (const name in answer) if (name.startsWith('value') && answer[name] !== undefined) return name;
  return undefined;
}

/** @returns whether an answer says that its question does not apply to the person. */
export const doesNotApply = (answer: unknown): boolean => notApplicable.has(whyAbsent(answer));

const reasonIn = ({ extension }: Extended): string | undefined =>
  (Array.isArray(extension) ? (extension as NonNullable<Extended['extension']>).find(({ url }) => url === extensionUrl)?.valueCode : undefined);

/** In what stands beside a primitive: `_valueInteger`, `_code`. */
const reasonWithin = (owner: object): string | undefined =>
  Object.entries(owner).flatMap(([name, beside]) => (name.startsWith('_') && typeof beside === 'object' && beside !== null ? reasonIn(beside as Extended) ?? [] : []))[0];
