import { exactKey } from './index-keys.ts';
import { quantityRange, times } from './quantities.ts';
import { hash64 } from './search-parameters.ts';
import type { QuantityValue } from './search-plan.ts';
import { badValue, splitEscaped, splitPrefix, unescaped, type Reading } from './search-syntax.ts';
import { baseUnit, ucum } from './units.ts';

/** Reads a number of a query. @throws Problem `malformed`. */
export function numberValue(reading: Reading, text: string): QuantityValue {
  const { prefix, rest } = splitPrefix(text);
  const value = rest.startsWith('+') ? rest.slice(1) : rest;
  const range = quantityRange(value);
  if (range === undefined) throw badValue(reading.name, 'a number is written like 5, -5.40 or 5.4e2, after an optional prefix such as gt.');
  return { prefix, value, ...range, code: null, system: null };
}

/** Quantities by where their rows are: as written, or in the base unit of their dimension. */
export interface QuantityForms { readonly written: readonly QuantityValue[]; readonly canonical: readonly QuantityValue[] }

/**
 * Reads quantities of a query: `number`, `number|system|code`, `number||code`
 * (http://hl7.org/fhir/R4/search.html#quantity). A UCUM unit finds every unit of its dimension that has an exact decimal
 * factor: `5|http://unitsofmeasure.org|g` finds 5000 mg.
 * @throws Problem `malformed`.
 */
export function quantityForms(reading: Reading, texts: readonly string[]): QuantityForms {
  const written: QuantityValue[] = [];
  const canonical: QuantityValue[] = [];
  for (const text of texts) {
    const [number = '', system, code, more] = splitEscaped(text, '|').map(unescaped);
    if ((system !== undefined && code === undefined) || more !== undefined) throw badValue(reading.name, 'a quantity is number, number|system|code or number||code.');
    const value = numberValue(reading, number);
    const base = system === ucum && code !== undefined ? baseUnit(code) : undefined;
    if (base === undefined) {
      written.push({ ...value, code: code === undefined || code === '' ? null : exactKey(code), system: system === undefined || system === '' ? null : String(hash64(system)) });
      continue;
    }
    const scaled = { ...value, value: times(value.value, base.factor), low: times(value.low, base.factor), high: times(value.high, base.factor) };
    canonical.push({ ...scaled, code: base.unit, system: null });
    // a pure number has no row in a base unit: it is its own
    if (base.unit === '1') written.push({ ...scaled, code: '1', system: String(hash64(ucum)) });
  }
  return { written, canonical };
}
