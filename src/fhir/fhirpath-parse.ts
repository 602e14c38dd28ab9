import { problem, type Problem } from './outcome.ts';

/** One step of a simple FHIRPath: to a child, to one of several, or to those of them that fulfil a condition. */
export type PathStep =
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'where'; readonly test: PathTest }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'type'; readonly type: string }
  | { readonly kind: 'first' | 'last' | 'single' };

/** The condition of `where(...)`. */
export type PathTest =
  | { readonly kind: 'and' | 'or'; readonly left: PathTest; readonly right: PathTest }
  | { readonly kind: 'compare'; readonly steps: readonly PathStep[]; readonly equal: boolean; readonly literal: string | boolean }
  | { readonly kind: 'exists'; readonly steps: readonly PathStep[]; readonly wanted: boolean };

const longest = 2000;
const deepest = 16;
const token = /\s*(?:('(?:[^'\\]|\\.)*')|(`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)|(-?\d+(?:\.\d+)?)|(@[\dT:.Z+-]+)|(!=|[.[\]()=]))/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

/** Words that are steps of their own, without or with an argument. */
const plainSteps = new Set(['first', 'last', 'single']);

/** @throws Problem that says what such a path may hold. */
const refusal = (): Problem => problem('invalid', 'invalid', 'A path of a FHIRPath Patch takes element names, indexes, where(...) with = and !=, and, or, exists(), first(), last(), single(), ofType(), extension().', 'Parameters.parameter.part.value');

/**
 * Reads the part of FHIRPath that chooses an element of a resource (http://hl7.org/fhir/R4/fhirpatch.html: only simple paths).
 * @returns the steps; the first may be the name of the resource type.
 * @throws Problem `invalid` for anything else.
 */
export function parsePath(text: string): readonly PathStep[] {
  if (text.length > longest) throw refusal();
  const reader = new Reader(tokens(text));
  const steps = reader.steps(0);
  if (!reader.done) throw refusal();
  return steps;
}

function tokens(text: string): string[] {
  const found: string[] = [];
  const trimmed = text.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < trimmed.length) {
    const match = token.exec(trimmed);
    if (match === null) throw refusal();
    found.push(match[0].trim());
  }
  return found;
}

/** Reads tokens from left to right; each method takes what it is named after. */
class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(list: readonly string[]) {
    this.#tokens = list;
  }

  get done(): boolean {
    return this.#at === this.#tokens.length;
  }

  steps(depth: number): PathStep[] {
    if (depth > deepest) throw refusal();
    const steps = [this.#step(depth)];
    for (;;) {
      if (this.#next('.')) steps.push(this.#step(depth));
      else if (this.#next('[')) {
        steps.push({ kind: 'index', at: this.#whole() });
        this.#expect(']');
      } else return steps;
    }
  }

  #step(depth: number): PathStep {
    const name = this.#name();
    // exists() ends the path of a condition and is read there
    if (this.#tokens[this.#at] !== '(' || name === 'exists' || name === 'empty') return { kind: 'child', name };
    this.#expect('(');
    const step = this.#called(name, depth);
    this.#expect(')');
    return step;
  }

  #called(name: string, depth: number): PathStep {
    if (plainSteps.has(name)) return { kind: name as 'first' | 'last' | 'single' };
    if (name === 'where') return { kind: 'where', test: this.#test(depth + 1) };
    if (name === 'ofType' || name === 'as') {
      const type = this.#name();
      return { kind: 'type', type: type === 'FHIR' && this.#next('.') ? this.#name() : type };
    }
    const url = name === 'extension' ? this.#literal() : undefined;
    if (typeof url !== 'string') throw refusal();
    return { kind: 'extension', url };
  }

  #test(depth: number): PathTest {
    let left = this.#conjunction(depth);
    while (this.#next('or')) left = { kind: 'or', left, right: this.#conjunction(depth) };
    return left;
  }

  #conjunction(depth: number): PathTest {
    let left = this.#condition(depth);
    while (this.#next('and')) left = { kind: 'and', left, right: this.#condition(depth) };
    return left;
  }

  #condition(depth: number): PathTest {
    if (depth > deepest) throw refusal();
    if (this.#next('(')) {
      const test = this.#test(depth + 1);
      this.#expect(')');
      return test;
    }
    const steps = this.steps(depth);
    const last = steps.at(-1)!;
    if (last.kind === 'child' && (last.name === 'exists' || last.name === 'empty') && this.#next('(')) {
      this.#expect(')');
      return { kind: 'exists', steps: steps.slice(0, -1), wanted: last.name === 'exists' };
    }
    const equal = this.#next('=');
    if (!equal) this.#expect('!=');
    return { kind: 'compare', steps, equal, literal: this.#literal() };
  }

  #next(expected: string): boolean {
    if (this.#tokens[this.#at] !== expected) return false;
    this.#at += 1;
    return true;
  }

  #expect(expected: string): void {
    if (!this.#next(expected)) throw refusal();
  }

  #take(form: RegExp): string {
    const text = this.#tokens[this.#at];
    if (text === undefined || !form.test(text)) throw refusal();
    this.#at += 1;
    return text;
  }

  #name(): string {
    return this.#take(/^[A-Za-z_`]/).replaceAll('`', '');
  }

  #whole(): number {
    return Number(this.#take(/^\d{1,6}$/));
  }

  /** A string, a date or a number as its text; a boolean as itself. */
  #literal(): string | boolean {
    const text = this.#take(/^['@\d-]|^(true|false)$/);
    if (text === 'true' || text === 'false') return text === 'true';
    if (!text.startsWith("'")) return text.replace(/^@/, '');
    return text.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_whole, code: string) =>
      (code.length === 5 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : escapes[code] ?? code));
  }
}
