import type { Resource } from '../fhir/resource.ts';
import type { Words } from './observations.ts';

/** Pieces of the Parameters resources that say where a patient stands. */

export interface Part { readonly name: string; readonly part?: readonly Part[]; readonly resource?: Resource; readonly [value: `value${string}`]: unknown }

export const reference = (name: string, target: string): Part => ({ name, valueReference: { reference: target } });

export const number = (name: string, value: number): Part =>
  (Number.isInteger(value) ? { name, valueInteger: value } : { name, valueDecimal: Math.round(value * 10_000) / 10_000 });

/** A number, or nothing where it is not defined. */
export const known = (name: string, value: number | null): Part[] => (value === null ? [] : [number(name, value)]);

/** A yes or no, or nothing where it is not defined. */
export const flag = (name: string, value: boolean | null): Part[] => (value === null ? [] : [{ name, valueBoolean: value }]);

/** Who reads: `any` is a system that shows it to both. */
export type Reader = 'any' | 'clinician' | 'client';

/** @returns `parts` as they are for a reader: a client gets the words that are written for clients, and those only; a band by its words for clients, a class by its code. */
export function forReader(parts: readonly Part[], reader: Reader): readonly Part[] {
  if (reader !== 'client') return parts;
  return parts.flatMap((each): Part[] => {
    if (each.part === undefined) return isForClinicians(each, parts) ? [] : [withoutDisplay(each)];
    const words = each.part.find(({ name }) => name === 'text-for-client');
    const rest = each.part.filter(({ name }) => words === undefined || (name !== 'text' && name !== 'text-for-client'));
    return [{ ...each, part: [...forReader(rest, reader), ...(words === undefined ? [] : [{ ...words, name: 'text' }])] }];
  });
}

/** Names of bands and states. */
const isForClinicians = ({ name }: Part, beside: readonly Part[]): boolean => name === 'state-text' || (name === 'band' && beside.some((other) => other.name === 'band-for-client'));

interface Concept { readonly coding: readonly { readonly system: string; readonly code: string }[] }

/** The classes of change have names for clinicians only. */
const withoutDisplay = (part: Part): Part => (part.name !== 'class' ? part
  : { name: part.name, valueCodeableConcept: { coding: (part['valueCodeableConcept'] as Concept).coding.map(({ system, code }) => ({ system, code })) } });

/** What stands beside a number: what went in, the rule with its version, and a sentence for clinicians; for clients where there is one. */
export const explanation = (rule: string, version: string, words: string | Words, inputs: readonly string[]): Part => ({
  name: 'explanation',
  part: [
    ...inputs.map((input) => reference('input', input)),
    { name: 'rule', valueString: rule },
    { name: 'rule-version', valueString: version },
    { name: 'text', valueString: typeof words === 'string' ? words : words.clinician },
    ...(typeof words === 'string' ? [] : [{ name: 'text-for-client', valueString: words.client }]),
  ],
});
