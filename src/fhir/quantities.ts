/** From `low` to `high`, decimals without an exponent; `-Infinity` and `Infinity` are open ends (PostgreSQL's numeric reads both). */
export interface QuantityRange { readonly low: string; readonly high: string }

/** A decimal that kept its written precision through `JSON.parse` and `JSON.rawJSON`. */
interface RawJson { readonly rawJSON: string }

interface Quantity { readonly value?: number | RawJson; readonly comparator?: string }
interface Range { readonly low?: Quantity; readonly high?: Quantity }

const written = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;
const longest = 400;

/**
 * The numbers [low, high) that a searched decimal stands for: half a unit of its last digit to either side, computed exactly.
 * `100` is [99.5, 100.5), `5.40` is [5.395, 5.405). With an exponent and a single digit the specification counts one
 * digit more: `1e2` is [95, 105) (http://hl7.org/fhir/R4/search.html#number).
 * @returns undefined when the text is no FHIR decimal or has more than 400 digits before or after the point.
 */
export function quantityRange(text: string): QuantityRange | undefined {
  const match = written.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', power = '0'] = match;
  const unit = Number(power) - fraction.length;
  if (whole.length + fraction.length > longest || Math.abs(Number(power)) > longest) return undefined;
  const further = match[4] !== undefined && whole.length + fraction.length === 1 ? 2 : 1;
  const digits = `${sign}${whole}${fraction}${'0'.repeat(further)}`;
  // Up to 15 digits a double counts exactly, and faster.
  if (digits.length <= 15) return { low: place(String(Number(digits) - 5), unit - further), high: place(String(Number(digits) + 5), unit - further) };
  return { low: place(String(BigInt(digits) - 5n), unit - further), high: place(String(BigInt(digits) + 5n), unit - further) };
}

/** @returns a JSON number as it was written, where that is known; undefined for anything else. */
export function decimalText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'object' && value !== null && 'rawJSON' in value && typeof value.rawJSON === 'string' ? value.rawJSON : undefined;
}

/**
 * A stored decimal is the number that it says: a search for 100 is one "for values in the range [99.5 ... 100.5)"
 * (http://hl7.org/fhir/R4/search.html#number), and the zeros behind a point do not survive every client.
 * @returns undefined where `quantityRange` is.
 */
export function exactNumber(text: string): QuantityRange | undefined {
  if (quantityRange(text) === undefined) return undefined;
  const number = /e/i.test(text) ? times(text, '1') : text;
  return { low: number, high: number };
}

/** @returns what a stored Quantity stands for; its comparator (`<5`) opens the range to one side. Undefined without a value. */
export function valueRange({ value, comparator }: Quantity): QuantityRange | undefined {
  const text = decimalText(value);
  const range = text === undefined ? undefined : exactNumber(text);
  if (range === undefined || comparator === undefined) return range;
  return comparator.startsWith('<') ? { low: '-Infinity', high: range.high } : { low: range.low, high: 'Infinity' };
}

/** @returns from a Range's `low` to its `high`, open where one is missing; undefined without both. */
export function rangeRange({ low, high }: Range): QuantityRange | undefined {
  const from = low === undefined ? undefined : valueRange(low);
  const to = high === undefined ? undefined : valueRange(high);
  return from === undefined && to === undefined ? undefined : { low: from?.low ?? '-Infinity', high: to?.high ?? 'Infinity' };
}

/** @returns `text` (a decimal or an open end) times `factor`, computed exactly. */
export function times(text: string, factor: string): string {
  if (text.endsWith('Infinity')) return text;
  const parts = [text, factor].map((one) => written.exec(one));
  const [a, b] = parts.map((match) => ({ digits: BigInt(`${match![1]}${match![2]}${match![3] ?? ''}`), unit: Number(match![4] ?? 0) - (match![3] ?? '').length }));
  return place(String(a!.digits * b!.digits), a!.unit + b!.unit);
}

// Writes `integer` times ten to the power of `unit` without an exponent.
function place(integer: string, unit: number): string {
  const sign = integer.startsWith('-') ? '-' : '';
  const digits = sign === '' ? integer : integer.slice(1);
  if (unit >= 0) return sign + digits + '0'.repeat(unit);
  const padded = digits.padStart(1 - unit, '0');
  return `${sign}${padded.slice(0, unit)}.${padded.slice(unit)}`;
}
