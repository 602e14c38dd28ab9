/**
 * Regular expressions whose cost is the length of the text times the size of the pattern, whatever the two say: all ways
 * through the pattern are followed at once (Thompson 1968), none is tried and taken back. For patterns that clients write.
 */

type Symbol = (character: string) => boolean;
/** A state reads one symbol and goes on, or goes on in two ways without reading; -1: the pattern is fulfilled. */
type State = { readonly symbol: Symbol; readonly next: number } | { first: number; second: number };

/** What a pattern becomes. */
interface Program { readonly states: State[]; sequences: number }

/** Builds the states that lead to `next` and returns the first of them. */
type Part = (program: Program, next: number) => number;

const mostStates = 500;
/** Counted groups within counted groups multiply even where they hold nothing. */
const mostSequences = 5000;
const longestPattern = 300;
const done = -1;

class Unreadable extends Error {}

const digit: Symbol = (c) => c >= '0' && c <= '9';
const word: Symbol = (c) => /^[A-Za-z0-9_]$/.test(c);
const space: Symbol = (c) => /^\s$/.test(c);
const not = (symbol: Symbol): Symbol => (c) => !symbol(c);
const classes: Readonly<Record<string, Symbol>> = { d: digit, D: not(digit), w: word, W: not(word), s: space, S: not(space) };
const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function push({ states }: Program, state: State): number {
  if (states.length === mostStates) throw new Unreadable();
  return states.push(state) - 1;
}

const one = (symbol: Symbol): Part => (program, next) => push(program, { symbol, next });
const sequence = (parts: readonly Part[]): Part => (program, next) => {
  if (++program.sequences > mostSequences) throw new Unreadable();
  return parts.reduceRight((after, part) => part(program, after), next);
};
const either = (a: Part, b: Part): Part => (program, next) => push(program, { first: a(program, next), second: b(program, next) });
const optional = (part: Part): Part => (program, next) => push(program, { first: part(program, next), second: next });
const repeated = (part: Part): Part => (program, next) => {
  const fork = { first: 0, second: next };
  const at = push(program, fork);
  fork.first = part(program, at);
  return at;
};

function times(part: Part, least: number, most: number | null): Part {
  if (least > 100 || (most !== null && (most > 100 || most < least))) throw new Unreadable();
  const needed = Array.from({ length: least }, () => part);
  if (most === null) return sequence([...needed, repeated(part)]);
  let rest: Part = sequence([]);
  for (let more = most - least; more > 0; more--) rest = optional(sequence([part, rest]));
  return sequence([...needed, rest]);
}

/** Reads a pattern: literals, `.`, classes, groups, `|`, `*`, `+`, `?`, `{n,m}`. */
class Reader {
  readonly #text: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#text = Array.from(pattern);
  }

  whole(): Part {
    this.#take('^');
    const part = this.#alternatives();
    if (this.#at < this.#text.length) throw new Unreadable();
    return part;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #alternatives(): Part {
    let part = this.#terms();
    while (this.#take('|')) part = either(part, this.#terms());
    return part;
  }

  #terms(): Part {
    const parts: Part[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === '|' || next === ')') return sequence(parts);
      if (next === '$' && this.#at === this.#text.length - 1) {
        this.#at++;
        return sequence(parts);
      }
      parts.push(this.#counted(this.#atom()));
    }
  }

  #counted(part: Part): Part {
    let counted = part;
    if (this.#take('*')) counted = repeated(part);
    else if (this.#take('+')) counted = sequence([part, repeated(part)]);
    else if (this.#take('?')) counted = optional(part);
    else if (this.#take('{')) counted = this.#braces(part);
    else return part;
    // which way is preferred makes no difference to whether there is one
    this.#take('?');
    return counted;
  }

  #braces(part: Part): Part {
    const end = this.#text.indexOf('}', this.#at);
    const bounds = /^(\d{1,3})(,(\d{1,3})?)?$/.exec(this.#text.slice(this.#at, end).join(''));
    if (end < 0 || bounds === null) throw new Unreadable();
    this.#at = end + 1;
    const least = Number(bounds[1]);
    return times(part, least, bounds[2] === undefined ? least : bounds[3] === undefined ? null : Number(bounds[3]));
  }

  #atom(): Part {
    const character = this.#text[this.#at++]!;
    if (character === '(') {
      if (this.#take('?') && !this.#take(':')) throw new Unreadable();
      const part = this.#alternatives();
      if (!this.#take(')')) throw new Unreadable();
      return part;
    }
    if (character === '[') return one(this.#set());
    if (character === '.') return one((c) => c !== '\n');
    if (character === '\\') return one(this.#escaped());
    if ('*+?{}^$]'.includes(character)) throw new Unreadable();
    return one((c) => c === character);
  }

  #escaped(): Symbol {
    const character = this.#text[this.#at++];
    if (character === undefined) throw new Unreadable();
    const known = classes[character];
    if (known !== undefined) return known;
    const control = controls[character];
    if (control !== undefined) return (c) => c === control;
    // a back reference, an edge of words, a code point: not a matter of one symbol
    if (/^[A-Za-z0-9]$/.test(character)) throw new Unreadable();
    return (c) => c === character;
  }

  #set(): Symbol {
    const negated = this.#take('^');
    const members: Symbol[] = [];
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      const character = this.#text[this.#at++];
      if (character === undefined) throw new Unreadable();
      if (character === '\\' && this.#text[this.#at]! in classes) members.push(this.#escaped());
      else members.push(this.#range(this.#member(character)));
    }
    this.#at++;
    const within: Symbol = (c) => members.some((member) => member(c));
    return negated ? not(within) : within;
  }

  #member(character: string): string {
    if (character !== '\\') return character;
    const escaped = this.#text[this.#at++];
    if (escaped === undefined) throw new Unreadable();
    return controls[escaped] ?? escaped;
  }

  #range(low: string): Symbol {
    if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']') return (c) => c === low;
    this.#at++;
    const next = this.#text[this.#at++];
    if (next === undefined) throw new Unreadable();
    const high = this.#member(next);
    if (high < low) throw new Unreadable();
    return (c) => c >= low && c <= high;
  }
}

/**
 * @param pattern must match a text from its beginning to its end, with or without `^` and `$`.
 * @returns the test; undefined for a pattern that is none, is too large, or needs more than this matcher follows
 *   (back references, looking ahead or behind, edges of words).
 */
export function linearRegex(pattern: string): ((text: string) => boolean) | undefined {
  if (pattern.length > longestPattern) return undefined;
  const states: State[] = [];
  let start: number;
  try {
    start = new Reader(pattern).whole()({ states, sequences: 0 }, done);
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
  return (text) => {
    let current = reached(states, [start]);
    for (const character of text) {
      if (current.size === 0) return false;
      const next: number[] = [];
      for (const at of current) {
        const state = states[at];
        if (state !== undefined && 'symbol' in state && state.symbol(character)) next.push(state.next);
      }
      current = reached(states, next);
    }
    return current.has(done);
  };
}

/** The states that can be reached from `from` without reading. */
function reached(states: readonly State[], from: number[]): Set<number> {
  const found = new Set<number>();
  while (from.length > 0) {
    const at = from.pop()!;
    if (found.has(at)) continue;
    found.add(at);
    const state = states[at];
    if (state !== undefined && !('symbol' in state)) from.push(state.first, state.second);
  }
  return found;
}
