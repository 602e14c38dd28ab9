import { dateRange, periodRange, timingRange } from './dates.ts';
import type { DateRange } from './dates.ts';
import { contactKey, exactKey, stringKey } from './index-keys.ts';
import type { IndexRows } from './index-rows.ts';
import type { Node, Walk } from './paths.ts';
import { decimalText, exactNumber, rangeRange, times, valueRange } from './quantities.ts';
import type { QuantityRange } from './quantities.ts';
import { parseCanonical, parseReference } from './references.ts';
import { aspectNumber, hash64 } from './search-parameters.ts';
import type { ParameterType } from './search-parameters.ts';
import { baseUnit, ucum } from './units.ts';

/** Turns one value of a resource into rows with the given parameter number. */
export type Indexer = Walk<number, IndexRows>;

/** @returns how values of the FHIR type `element` are indexed for a parameter of type `kind`. */
export function indexer(kind: ParameterType, element: string): Indexer {
  const found = indexers[kind]?.[element];
  if (found === undefined) throw new Error(`A ${kind} parameter cannot be read from ${element}`);
  return found;
}

const text = (take: (value: string, param: number, rows: IndexRows) => void): Indexer => (value, param, rows) => {
  if (typeof value === 'string' && value !== '') take(value, param, rows);
};

const code = text((value, param, rows) => addToken(rows, param, value, 0n));

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const coding: Indexer = (value, param, rows) => {
  const { system, code: symbol } = value as Node;
  if (isText(symbol)) addToken(rows, param, symbol, systemHash(system));
  else addPresent(rows, param);
};

const codeableConcept: Indexer = (value, param, rows) => {
  const { coding: codings } = value as { coding?: unknown };
  if (!Array.isArray(codings)) return addPresent(rows, param);
  for (const each of codings) if (each !== null) coding(each, param, rows);
};

const identifier: Indexer = (value, param, rows) => {
  const { system, value: symbol, type } = value as Node & { type?: { coding?: unknown } };
  if (!isText(symbol)) return addPresent(rows, param);
  addToken(rows, param, symbol, systemHash(system));
  if (!Array.isArray(type?.coding)) return;
  for (const each of type.coding as (Node | null)[]) {
    if (isText(each?.code)) addToken(rows, aspectNumber(param, 'of-type'), typedIdentifier(each.code, symbol), systemHash(each.system));
  }
};

/** The code of the row that holds an identifier with the code of its type: what `:of-type` looks for. */
export const typedIdentifier = (type: string, value: string): string => `${type}|${value}`;

const contactPoint: Indexer = (value, param, rows) => {
  const { value: written } = value as Node;
  if (isText(written)) addToken(rows, param, contactKey(written), 0n);
  else addPresent(rows, param);
};

const boolean: Indexer = (value, param, rows) => addToken(rows, param, String(value), 0n);

const reference: Indexer = (value, param, rows) => {
  const { reference: written, identifier: logical } = value as Node;
  if (typeof logical === 'object' && logical !== null) identifier(logical, aspectNumber(param, 'identifier'), rows);
  const parsed = typeof written === 'string' ? parseReference(written) : undefined;
  if (parsed?.kind === 'relative') addReference(rows, param, parsed.id, parsed.type);
  else if (parsed?.kind === 'absolute') addReference(rows, param, exactKey(parsed.url), null);
  else addPresent(rows, param);
};

/** A reference parameter whose local Patients are in the column `patient`: rows for all else. */
export const referenceBesidesPatient: Indexer = (value, param, rows) => {
  const { reference: written, identifier: logical } = value as Node;
  if (typeof written !== 'string' || localPatient(written) === null) reference(value, param, rows);
  else if (typeof logical === 'object' && logical !== null) identifier(logical, aspectNumber(param, 'identifier'), rows);
};

/** @returns the logical id of the Patient that a relative reference names, else null. */
export function localPatient(written: string): string | null {
  if (!written.startsWith('Patient/')) return null;
  const parsed = parseReference(written);
  return parsed?.kind === 'relative' ? parsed.id : null;
}

const uri = text((value, param, rows) => addUri(rows, param, exactKey(value), null));

const canonical = text((value, param, rows) => {
  if (value.startsWith('#')) return addPresent(rows, param);
  const { url, version } = parseCanonical(value);
  if (url !== '') addUri(rows, param, exactKey(url), version === null ? null : exactKey(version));
});

const date = text((value, param, rows) => addDate(rows, param, dateRange(value)));
const period: Indexer = (value, param, rows) => addDate(rows, param, periodRange(value as object));
const timing: Indexer = (value, param, rows) => addDate(rows, param, timingRange(value as object));

const string = text((value, param, rows) => addString(rows, param, value));

const parts = (names: readonly string[]): Indexer => (value, param, rows) => {
  let found = false;
  for (const name of names) {
    const part = (value as Node)[name];
    found ||= part !== undefined;
    if (Array.isArray(part)) for (const each of part) string(each, param, rows);
    else string(part, param, rows);
  }
  if (!found) addPresent(rows, param);
};

const decimal: Indexer = (value, param, rows) => {
  const written = decimalText(value);
  if (written !== undefined) addQuantity(rows, param, '', 0n, exactNumber(written));
};

const quantity: Indexer = (value, param, rows) => addMeasured(rows, param, value as Node, valueRange(value as object));

const range: Indexer = (value, param, rows) => {
  const { low, high } = value as { low?: Node; high?: Node };
  addMeasured(rows, param, low ?? high ?? {}, rangeRange(value as object));
};

const money: Indexer = (value, param, rows) => {
  const { currency } = value as Node;
  addQuantity(rows, param, typeof currency === 'string' ? currency : '', currencySystem, valueRange({ value: (value as Node).value as number }));
};

/** What was sampled is not indexed number by number; `:missing` knows of it. */
const sampled: Indexer = (_value, param, rows) => addPresent(rows, param);

const currencySystem = hash64('urn:iso:std:iso:4217');

const indexers: Readonly<Partial<Record<ParameterType, Readonly<Record<string, Indexer>>>>> = {
  token: { code, string: code, uri: code, id: code, boolean, Coding: coding, CodeableConcept: codeableConcept, Identifier: identifier, ContactPoint: contactPoint },
  reference: { Reference: reference, canonical, uri },
  date: { date, dateTime: date, instant: date, Period: period, Timing: timing },
  string: {
    string,
    markdown: string,
    HumanName: parts(['text', 'family', 'given', 'prefix', 'suffix']),
    Address: parts(['text', 'line', 'city', 'district', 'state', 'postalCode', 'country']),
  },
  uri: { uri, url: uri, oid: uri, uuid: uri, canonical },
  number: { decimal, integer: decimal, positiveInt: decimal, unsignedInt: decimal, Range: range },
  quantity: { Quantity: quantity, Age: quantity, Duration: quantity, Money: money, Range: range, SampledData: sampled },
};

function systemHash(system: unknown): bigint {
  return typeof system === 'string' && system !== '' ? hash64(system) : 0n;
}

/** Says that the element is there: `:missing` would not know it of a concept with a text only, or of a contained reference. */
function addPresent(rows: IndexRows, param: number): void {
  if (param !== 0) addToken(rows, aspectNumber(param, 'present'), '', 0n);
}

// A resource has few rows, so a row that is there already is found by looking; above this many, `distinctRows` does it.
const few = 32;

function addToken({ token }: IndexRows, param: number, symbol: string, system: bigint): void {
  const key = exactKey(symbol);
  for (let at = token.length; at-- > 0 && token.length <= few;) {
    const row = token[at]!;
    if (row.param === param && row.code === key && row.system === system) return;
  }
  token.push({ param, code: key, system });
}

function addReference({ reference: rows }: IndexRows, param: number, targetId: string, targetType: string | null): void {
  for (let at = rows.length; at-- > 0 && rows.length <= few;) {
    const row = rows[at]!;
    if (row.param === param && row.targetId === targetId && row.targetType === targetType) return;
  }
  rows.push({ param, targetId, targetType });
}

function addUri({ uri: rows }: IndexRows, param: number, value: string, version: string | null): void {
  for (let at = rows.length; at-- > 0 && rows.length <= few;) {
    const row = rows[at]!;
    if (row.param === param && row.value === value && row.version === version) return;
  }
  rows.push({ param, value, version });
}

function addDate(all: IndexRows, param: number, found: DateRange | undefined): void {
  if (found === undefined) return addPresent(all, param);
  const { date: rows } = all;
  for (let at = rows.length; at-- > 0 && rows.length <= few;) {
    const row = rows[at]!;
    if (row.param === param && row.low === found.low && row.high === found.high) return;
  }
  rows.push({ param, low: found.low, high: found.high });
}

export function addString({ string: rows }: IndexRows, param: number, exact: string): void {
  for (let at = rows.length; at-- > 0 && rows.length <= few;) {
    const row = rows[at]!;
    if (row.param === param && row.exact === exact) return;
  }
  rows.push({ param, value: stringKey(exact), exact });
}

// Both the code and the printed unit can be asked for: `5.4||mg` names either (http://hl7.org/fhir/R4/search.html#quantity).
function addMeasured(rows: IndexRows, param: number, measured: Node, found: QuantityRange | undefined): void {
  const { system, code: unitCode, unit } = measured;
  const named = typeof unitCode === 'string' && unitCode !== '';
  if (found === undefined) return addPresent(rows, param);
  if (named) addQuantity(rows, param, exactKey(unitCode), systemHash(system), found);
  if (typeof unit === 'string' && unit !== '' && unit !== unitCode) addQuantity(rows, param, exactKey(unit), 0n, found);
  else if (!named) addQuantity(rows, param, '', 0n, found);
  const base = named && system === ucum ? baseUnit(unitCode) : undefined;
  // a pure number is its own base: the rows of every score are found as they are
  if (base === undefined || base.factor === '1' && base.unit === '1') return;
  addQuantity(rows, aspectNumber(param, 'canonical'), base.unit, hash64(ucum), { low: times(found.low, base.factor), high: times(found.high, base.factor) });
}

function addQuantity({ quantity: rows }: IndexRows, param: number, unit: string, system: bigint, found: QuantityRange | undefined): void {
  if (found === undefined) return;
  for (let at = rows.length; at-- > 0 && rows.length <= few;) {
    const row = rows[at]!;
    if (row.param === param && row.code === unit && row.low === found.low && row.high === found.high && row.system === system) return;
  }
  rows.push({ param, code: unit, system, low: found.low, high: found.high });
}

/** @returns `rows` without repetitions. */
export function distinctRows(rows: IndexRows): IndexRows {
  return {
    token: distinct(rows.token, (row) => `${row.param} ${row.system} ${row.code}`),
    reference: distinct(rows.reference, (row) => `${row.param} ${row.targetType} ${row.targetId}`),
    date: distinct(rows.date, (row) => `${row.param} ${row.low} ${row.high}`),
    string: distinct(rows.string, (row) => `${row.param} ${row.exact}`),
    uri: distinct(rows.uri, (row) => `${row.param} ${row.value}|${row.version ?? ''}`),
    quantity: distinct(rows.quantity, (row) => `${row.param} ${row.low} ${row.high} ${row.system} ${row.code}`),
  };
}

function distinct<T>(rows: T[], key: (row: T) => string): T[] {
  return rows.length <= few ? rows : [...new Map(rows.map((row): [string, T] => [key(row), row])).values()];
}
