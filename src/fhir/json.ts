import { problem } from './outcome.ts';
import { firstFault, maximumDepth } from './json-scan.ts';
import type { Meta } from './resource.ts';

declare global {
  interface JSON {
    /** Part of ES2026 and of Node 22+; not yet in TypeScript's library. */
    rawJSON(text: string): unknown;
  }
}

/** A body that was read: two views of the same document. */
export interface Parsed {
  /** Plain JSON, for every rule that looks at the content. */
  readonly value: Record<string, unknown>;
  /** What is written back: the same object, unless it holds numbers whose written form a JavaScript number would lose. */
  readonly stored: Record<string, unknown>;
}

/** Longest number: an unbounded one would cost PostgreSQL and every reader. */
const maximumDigits = 64;

/**
 * JSON numbers that do not come back from a double as they were written: minus zero, trailing zeros, exponents, 16 or more digits.
 * No two quantifiers can share a digit, so a long number costs linear time.
 */
const inexact = /[:,[\s](?:-0[\s,\]}]|-?(?:\d+\.\d*0[\s,\]}]|\d+(?:\.\d+)?[eE]|[\d.]{16}))/;

/**
 * Reads a JSON body strictly: one object, no key twice, no `__proto__`, `constructor` or `prototype`, no U+0000, no half of a surrogate pair,
 * at most 64 containers deep. Decimals keep their written form (`2.50`; http://hl7.org/fhir/R4/datatypes.html#decimal).
 * @throws Problem `malformed`: says where, never what stands there.
 */
export function parseJson(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(firstFault(text) ?? { at: 0, text: 'not valid JSON' }, text);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw problem('malformed', 'structure', 'The body must be one JSON object.');
  }
  const walk = new Walk(text.includes('\\u') || !text.isWellFormed());
  walk.object(value as Record<string, unknown>, 1);
  if (walk.fault !== undefined) throw problem('malformed', 'structure', walk.fault);
  if (walk.keys !== countKeys(text)) {
    const fault = firstFault(text);
    if (fault !== undefined) throw malformed(fault, text);
  }
  const document = value as Record<string, unknown>;
  return { value: document, stored: walk.numbers && inexact.test(text) ? withWrittenNumbers(text) : document };
}

/**
 * @returns compact JSON text: resourceType, id and meta first, then the elements of `stored` in the order they came, numbers as written.
 * `stored` is not changed.
 */
export function serialize(stored: Readonly<Record<string, unknown>>, own: { readonly id?: string; readonly meta?: Meta }): string {
  // The three have their places, whatever fills them.
  const text: Record<string, unknown> = { resourceType: undefined, id: undefined, meta: undefined, ...stored };
  if (own.id !== undefined) text['id'] = own.id;
  if (own.meta !== undefined) text['meta'] = own.meta;
  return JSON.stringify(text);
}

function malformed(fault: { readonly at: number; readonly text: string }, text: string) {
  const line = text.slice(0, fault.at).split('\n');
  return problem('malformed', 'structure', `${fault.text} (line ${line.length}, column ${(line.at(-1) ?? '').length + 1}).`);
}

/** One pass over the tree: counts keys, and finds what JSON allows and this service does not. */
class Walk {
  keys = 0;
  numbers = false;
  fault: string | undefined;
  readonly #characters: boolean;

  constructor(characters: boolean) {
    this.#characters = characters;
  }

  object(value: Record<string, unknown>, depth: number): void {
    if (depth > maximumDepth) {
      this.fault = `The body is nested deeper than ${maximumDepth} levels.`;
      return;
    }
    for (const key in value) {
      this.keys += 1;
      if (key === '__proto__' || key === 'constructor' || key === 'prototype') this.fault = `The name "${key}" is not allowed in a body.`;
      if (this.#characters) this.#text(key);
      this.#any(value[key], depth);
    }
  }

  #any(value: unknown, depth: number): void {
    if (typeof value === 'string') {
      if (this.#characters) this.#text(value);
    } else if (typeof value === 'number') {
      this.numbers = true;
    } else if (Array.isArray(value)) {
      if (depth + 1 > maximumDepth) this.fault = `The body is nested deeper than ${maximumDepth} levels.`;
      else for (let index = 0; index < value.length; index++) this.#any(value[index], depth + 1);
    } else if (value !== null && typeof value === 'object') {
      this.object(value as Record<string, unknown>, depth + 1);
    }
  }

  #text(text: string): void {
    if (text.includes('\u0000')) this.fault = 'The character U+0000 is not allowed in a body.';
    else if (!text.isWellFormed()) this.fault = 'A string holds half of a surrogate pair; it is not valid Unicode.';
  }
}

/**
 * Counts `"` before `:`, which is every key of the text and, rarely, a place inside a string: never less than the keys.
 * More of them than keys in the tree calls for the slow look; equal numbers prove that no key came twice.
 */
function countKeys(text: string): number {
  let count = 0;
  for (let colon = text.indexOf(':'); colon !== -1; colon = text.indexOf(':', colon + 1)) {
    let before = colon - 1;
    let code = text.charCodeAt(before);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(--before);
    if (code === 34) count += 1;
  }
  return count;
}

function withWrittenNumbers(text: string): Record<string, unknown> {
  const written = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
    if (source.length > maximumDigits) throw problem('malformed', 'value', `A number has more than ${maximumDigits} characters.`);
    return JSON.rawJSON(source);
  };
  return JSON.parse(text, written) as Record<string, unknown>;
}
