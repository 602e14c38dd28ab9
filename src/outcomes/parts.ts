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
