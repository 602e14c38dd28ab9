/** An expression that is outside the subset of `simple-path.ts`. The message completes "this expression is not used: ...". */
export class UnsupportedExpression extends Error {}

export type Step =
  | { readonly kind: 'element'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'first' | 'last' | 'exists' | 'empty' | 'count' | 'not' }
  | { readonly kind: 'ofType'; readonly type: string }
  | { readonly kind: 'where'; readonly criterion: Expression };

export type Start =
  | { readonly kind: 'literal'; readonly value: { readonly type: string; readonly value: unknown } }
  | { readonly kind: 'name'; readonly name: string }
  /** A capitalised first word: the type of the focus. */
  | { readonly kind: 'type'; readonly name: string }
  | { readonly kind: 'now' | 'today' | 'focus' };

/** A path, perhaps compared with another. */
export interface Expression {
  readonly start: Start;
  readonly steps: readonly Step[];
  readonly compared?: { readonly operator: '=' | '!='; readonly with: Expression };
}

const longest = 1000;
const deepest = 8;
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
const named = /%(?:([A-Za-z_][A-Za-z0-9_-]*)|'([A-Za-z0-9_-]+)'|`([A-Za-z0-9_-]+)`)/y;
const number = /-?(?:0|[1-9]\d{0,15})(\.\d{1,15})?/y;
const text = /'((?:[^'\\]|\\['\\"`/])*)'/y;
const space = /\s*/y;
const plain = new Set(['first', 'last', 'exists', 'empty', 'count', 'not'] as const);

/** @returns whether a value is no structure, so that `=` means sameness. */
export const isScalar = ({ value }: { readonly value: unknown }): boolean => typeof value !== 'object';

/** @returns the parsed expression. @throws UnsupportedExpression when it is not of the subset. */
export function parsePath(expression: string): Expression {
  if (expression.length > longest) throw new UnsupportedExpression('it is too long');
  const reader = new Reader(expression);
  const parsed = reader.comparison(0);
  reader.end();
  return parsed;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(source: string) {
    this.#text = source;
  }

  comparison(depth: number): Expression {
    if (depth > deepest) throw new UnsupportedExpression('it is nested too deep');
    const left = this.#path(depth);
    const operator = this.#take('!=') ? '!=' : this.#take('=') ? '=' : undefined;
    return operator === undefined ? left : { ...left, compared: { operator, with: this.#path(depth) } };
  }

  end(): void {
    this.#match(space);
    if (this.#at < this.#text.length) throw this.#unsupported();
  }

  #path(depth: number): Expression {
    const { start, first } = this.#start(depth);
    const steps: Step[] = first === undefined ? [] : [first];
    for (;;) {
      if (this.#take('[')) steps.push(this.#index());
      else if (this.#take('.')) steps.push(this.#step(depth));
      else return { start, steps };
    }
  }

  #start(depth: number): { start: Start; first?: Step } {
    this.#match(space);
    const name = this.#match(named);
    if (name !== undefined) return { start: { kind: 'name', name: (name[1] ?? name[2] ?? name[3])! } };
    const quoted = this.#match(text);
    if (quoted !== undefined) return { start: { kind: 'literal', value: { type: 'string', value: quoted[1]!.replace(/\\(.)/g, '$1') } } };
    const digits = this.#match(number);
    if (digits !== undefined) return { start: { kind: 'literal', value: { type: digits[1] === undefined ? 'integer' : 'decimal', value: Number(digits[0]) } } };
    const keyword = this.#match(word)?.[0];
    if (keyword === undefined) throw this.#unsupported();
    if (keyword === 'true' || keyword === 'false') return { start: { kind: 'literal', value: { type: 'boolean', value: keyword === 'true' } } };
    if ((keyword === 'now' || keyword === 'today') && this.#take('(')) {
      this.#expect(')');
      return { start: { kind: keyword } };
    }
    if (/^[A-Z]/.test(keyword)) return { start: { kind: 'type', name: keyword } };
    return { start: { kind: 'focus' }, first: this.#called(keyword, depth) };
  }

  #step(depth: number): Step {
    this.#match(space);
    const name = this.#match(word)?.[0];
    if (name === undefined) throw this.#unsupported();
    return this.#called(name, depth);
  }

  #called(name: string, depth: number): Step {
    if (!this.#take('(')) return { kind: 'element', name };
    if (plain.has(name as 'first')) {
      this.#expect(')');
      return { kind: name as 'first' };
    }
    if (name === 'ofType') {
      this.#match(space);
      const type = this.#match(word)?.[0];
      if (type === undefined) throw this.#unsupported();
      this.#expect(')');
      return { kind: 'ofType', type };
    }
    if (name !== 'where') throw new UnsupportedExpression(`the function ${name}() is not supported`);
    const criterion = this.comparison(depth + 1);
    this.#expect(')');
    return { kind: 'where', criterion };
  }

  #index(): Step {
    this.#match(space);
    const index = this.#match(number);
    if (index === undefined || !/^\d+$/.test(index[0])) throw this.#unsupported();
    this.#expect(']');
    return { kind: 'index', index: Number(index[0]) };
  }

  #take(token: string): boolean {
    this.#match(space);
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#unsupported();
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #unsupported(): UnsupportedExpression {
    return new UnsupportedExpression(`what stands at character ${this.#at + 1} is not supported`);
  }
}
