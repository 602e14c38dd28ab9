import { UnsupportedExpression } from '../simple-path-parse.ts';
import { functions, member, ofType, truth, type Evaluate } from './path-functions.ts';
import { boolean, isOfType, none, number, sameValue, spend, text, type Item, type Items } from './path-values.ts';

/**
 * FHIRPath (http://hl7.org/fhirpath/N1/) as the invariants of profiles use it: read once into functions, evaluated without a
 * clock, a terminology or other resources, at a cost that is bounded whatever it says.
 */

const longest = 10_000;
const deepest = 64;
const token = /\s*(?:\/\/[^\n]*\n|\/\*[^]*?\*\/)?\s*(?:('(?:[^'\\]|\\.)*')|(\d+(?:\.\d+)?)|(@T?[\dT:.Z+-]+)|(%?`[^`]+`|%?[A-Za-z_][A-Za-z0-9_-]*|\$[a-z]+)|(!=|!~|<=|>=|[.[\](),=~<>+\-*/|&{}]))/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

type Operator = (left: Evaluate, right: Evaluate) => Evaluate;

/** @returns the evaluation of `expression`. @throws UnsupportedExpression for what this service does not evaluate. */
export function readExpression(expression: string): Evaluate {
  if (expression.length > longest) throw new UnsupportedExpression('it is too long');
  const reader = new Reader(tokensOf(expression));
  return reader.whole();
}

function tokensOf(expression: string): string[] {
  const found: string[] = [];
  const trimmed = expression.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < trimmed.length) {
    const match = token.exec(trimmed);
    if (match === null) throw new UnsupportedExpression('a part of it is not FHIRPath that this service reads');
    // a name takes no minus sign: `a-1` is a difference, `%us-zip` a name
    const [name] = /^[A-Za-z_][A-Za-z0-9_]*/.exec(match[4] ?? '') ?? [];
    if (name !== undefined && match[4] !== name) token.lastIndex -= match[4]!.length - name.length;
    found.push(name ?? (match[1] ?? match[2] ?? match[3] ?? match[4] ?? match[5])!);
  }
  return found;
}

const one = (items: Items): Item | undefined => {
  if (items.length > 1) throw new UnsupportedExpression('several values stand where one is needed');
  return items[0];
};

const equality = (wanted: boolean): Operator => (left, right) => (focus, scope) => {
  const a = left(focus, scope), b = right(focus, scope);
  if (a.length === 0 || b.length === 0) return none;
  spend(scope, a.length);
  return boolean((a.length === b.length && a.every(({ value }, at) => sameValue(value, b[at]!.value))) === wanted);
};

const alike = (a: unknown, b: unknown): boolean => (typeof a === 'string' && typeof b === 'string' ? a.trim().toLowerCase() === b.trim().toLowerCase() : sameValue(a, b));

const equivalence = (wanted: boolean): Operator => (left, right) => (focus, scope) => {
  const a = left(focus, scope), b = right(focus, scope);
  spend(scope, 1 + a.length * b.length);
  return boolean((a.length === b.length && a.every(({ value }) => b.some((other) => alike(value, other.value)))) === wanted);
};

const order = (holds: (difference: number) => boolean): Operator => (left, right) => (focus, scope) => {
  const a = one(left(focus, scope))?.value, b = one(right(focus, scope))?.value;
  if (a === undefined || b === undefined) return none;
  if (typeof a === 'number' && typeof b === 'number') return boolean(holds(a - b));
  if (typeof a !== 'string' || typeof b !== 'string') throw new UnsupportedExpression('it orders values that are neither numbers nor text');
  const isTime = (value: string): boolean => /^\d{4}-\d\d-\d\dT/.test(value);
  if (isTime(a) && isTime(b)) return boolean(holds(Date.parse(a) - Date.parse(b)));
  const length = Math.min(a.length, b.length);
  // dates of other precision can be told apart only where the common part differs
  if (/^\d{4}(-|$)/.test(a) && /^\d{4}(-|$)/.test(b) && a.length !== b.length && a.slice(0, length) === b.slice(0, length)) return none;
  return boolean(holds(a < b ? -1 : a > b ? 1 : 0));
};

const arithmetic = (numbers: (a: number, b: number) => number | undefined, texts?: (a: string, b: string) => string): Operator => (left, right) => (focus, scope) => {
  const a = one(left(focus, scope))?.value, b = one(right(focus, scope))?.value;
  if (texts !== undefined && (typeof a === 'string' || typeof b === 'string')) return typeof a === 'string' && typeof b === 'string' ? text(texts(a, b)) : none;
  const result = typeof a === 'number' && typeof b === 'number' ? numbers(a, b) : undefined;
  return result === undefined ? none : number(result);
};

const logic = (decide: (a: boolean | undefined, b: () => boolean | undefined) => boolean | undefined): Operator => (left, right) => (focus, scope) => {
  const is = decide(truth(left(focus, scope)), () => truth(right(focus, scope)));
  return is === undefined ? none : boolean(is);
};

const among: Operator = (left, right) => (focus, scope) => {
  const item = one(left(focus, scope));
  const list = right(focus, scope);
  spend(scope, list.length);
  return item === undefined ? none : boolean(list.some(({ value }) => sameValue(value, item.value)));
};

const textOf = (item: Item | undefined): string => (typeof item?.value === 'string' ? item.value : '');
const concatenation: Operator = (left, right) => (focus, scope) => text(textOf(one(left(focus, scope))) + textOf(one(right(focus, scope))));
const union: Operator = (left, right) => functionOf('union', [right], left);
const divided = (use: (a: number, b: number) => number) => (a: number, b: number): number | undefined => (b === 0 ? undefined : use(a, b));

/** By how closely they bind: http://hl7.org/fhirpath/N1/#operator-precedence */
const operators: ReadonlyMap<string, readonly [binding: number, operator: Operator]> = new Map(Object.entries({
  implies: [1, logic((a, b) => (a === false ? true : a === true ? b() : b() === true ? true : undefined))],
  or: [2, logic((a, b) => { if (a === true) return true; const is = b(); return is === true ? true : a === false && is === false ? false : undefined; })],
  xor: [2, logic((a, b) => { const is = b(); return a === undefined || is === undefined ? undefined : a !== is; })],
  and: [3, logic((a, b) => { if (a === false) return false; const is = b(); return is === false ? false : a === true && is === true ? true : undefined; })],
  in: [4, among], contains: [4, (left, right) => among(right, left)],
  '=': [5, equality(true)], '!=': [5, equality(false)], '~': [5, equivalence(true)], '!~': [5, equivalence(false)],
  '<': [6, order((d) => d < 0)], '>': [6, order((d) => d > 0)], '<=': [6, order((d) => d <= 0)], '>=': [6, order((d) => d >= 0)],
  '|': [7, union],
  '+': [9, arithmetic((a, b) => a + b, (a, b) => a + b)], '-': [9, arithmetic((a, b) => a - b)], '&': [9, concatenation],
  '*': [10, arithmetic((a, b) => a * b)], '/': [10, arithmetic(divided((a, b) => a / b))], 'div': [10, arithmetic(divided((a, b) => Math.trunc(a / b)))], 'mod': [10, arithmetic(divided((a, b) => a % b))],
} satisfies Record<string, [number, Operator]>));
const typeBinding = 8;

function functionOf(name: string, args: readonly Evaluate[], on: Evaluate): Evaluate {
  const known = functions.get(name);
  if (known === undefined) throw new UnsupportedExpression(`${name}() is not evaluated here`);
  const [least, most] = known.args;
  if (args.length < least || args.length > most) throw new UnsupportedExpression(`${name}() has other arguments`);
  return (focus, scope) => {
    const input = on(focus, scope);
    spend(scope, 1 + input.length);
    return known.call(input, args, scope);
  };
}

/** Reads tokens from left to right. */
class Reader {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  whole(): Evaluate {
    const read = this.#expression(0);
    if (this.#at !== this.#tokens.length) throw this.#unreadable();
    return read;
  }

  #expression(binding: number): Evaluate {
    if (++this.#depth > deepest) throw new UnsupportedExpression('it is nested too deeply');
    let left = this.#term();
    for (;;) {
      const next = this.#tokens[this.#at] ?? '';
      if ((next === 'is' || next === 'as') && typeBinding > binding) {
        this.#at += 1;
        left = typeTest(next, left, this.#type());
        continue;
      }
      const known = operators.get(next);
      if (known === undefined || known[0] <= binding) break;
      this.#at += 1;
      left = known[1](left, this.#expression(known[0]));
    }
    this.#depth -= 1;
    return left;
  }

  #term(): Evaluate {
    if (this.#next('-')) return negative(this.#term());
    if (this.#next('+')) return this.#term();
    let read = this.#start();
    for (;;) {
      if (this.#next('.')) read = this.#invocation(read);
      else if (this.#next('[')) {
        const index = this.#expression(0);
        this.#expect(']');
        read = indexed(read, index);
      } else return read;
    }
  }

  #start(): Evaluate {
    const next = this.#tokens[this.#at] ?? '';
    if (next === '(') {
      this.#at += 1;
      const inner = this.#expression(0);
      this.#expect(')');
      return inner;
    }
    if (next === '{') {
      this.#at += 1;
      this.#expect('}');
      return () => none;
    }
    const literal = literalOf(next);
    if (literal !== undefined) {
      this.#at += 1;
      if (this.#tokens[this.#at]?.startsWith("'") === true) throw new UnsupportedExpression('it has a quantity');
      return () => literal;
    }
    return this.#invocation((focus) => focus);
  }

  /** A name, or a function with its arguments, on what stands before it. */
  #invocation(on: Evaluate): Evaluate {
    const name = this.#tokens[this.#at] ?? '';
    this.#at += 1;
    if (name === '$this') return (_focus, scope) => scope.self;
    if (name === '$index') return (_focus, scope) => number(scope.index);
    if (name === '%resource' || name === '%rootResource') return (_focus, scope) => [scope.resource];
    if (name === '%context') return (_focus, scope) => scope.context;
    if (name === '%ucum') return () => text('http://unitsofmeasure.org');
    if (!/^(?:`|[A-Za-z_])/.test(name)) throw this.#unreadable();
    if (!this.#next('(')) {
      const step = member(name.replaceAll('`', ''));
      return (focus, scope) => step(on(focus, scope), scope);
    }
    if (name === 'ofType' || name === 'as' || name === 'is') {
      const type = this.#type();
      this.#expect(')');
      return typeTest(name === 'ofType' ? 'as' : name, on, type);
    }
    const args: Evaluate[] = [];
    while (!this.#next(')')) {
      if (args.length > 0) this.#expect(',');
      args.push(this.#expression(0));
    }
    return functionOf(name, args, on);
  }

  #type(): string {
    const name = this.#tokens[this.#at] ?? '';
    if (!/^[A-Za-z`]/.test(name)) throw this.#unreadable();
    this.#at += 1;
    if (!this.#next('.')) return name.replaceAll('`', '');
    return `${name}.${this.#type()}`;
  }

  #next(expected: string): boolean {
    if (this.#tokens[this.#at] !== expected) return false;
    this.#at += 1;
    return true;
  }

  #expect(expected: string): void {
    if (!this.#next(expected)) throw this.#unreadable();
  }

  #unreadable(): UnsupportedExpression {
    return new UnsupportedExpression('it is not FHIRPath that this service reads');
  }
}

const typeTest = (word: 'is' | 'as', on: Evaluate, type: string): Evaluate => (focus, scope) => {
  const items = on(focus, scope);
  if (word === 'as') return ofType(items, type);
  const item = one(items);
  return item === undefined ? none : boolean(isOfType(item, type));
};

const negative = (of: Evaluate): Evaluate => (focus, scope) => {
  const value = one(of(focus, scope))?.value;
  return typeof value === 'number' ? number(-value) : none;
};

const indexed = (on: Evaluate, index: Evaluate): Evaluate => (focus, scope) => {
  const at = one(index(scope.self, scope))?.value;
  return typeof at === 'number' ? on(focus, scope).slice(at, at + 1) : none;
};

function literalOf(written: string): Items | undefined {
  if (written === 'true' || written === 'false') return boolean(written === 'true');
  if (/^\d/.test(written)) return number(Number(written));
  if (written.startsWith('@')) {
    const value = written.slice(1).replace(/^T/, '').replace(/T$/, '');
    return [{ value, type: written.startsWith('@T') ? 'time' : written.includes('T') ? 'dateTime' : 'date' }];
  }
  if (!written.startsWith("'")) return undefined;
  return text(written.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_whole, code: string) =>
    (code.length === 5 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : escapes[code] ?? code)));
}
