/** A place in a JSON text that is wrong. `text` names keys at most, never a value. */
export interface Fault {
  readonly at: number;
  readonly text: string;
}

/** Containers within containers. Deeper text could be stored and never be written out again. */
export const maximumDepth = 64;

interface Container {
  /** Names seen so far; null in an array. */
  readonly names: Set<string> | null;
  /** Where the container is, for the message. */
  readonly path: string;
  index: number;
}

// oxlint-disable-next-line no-control-regex -- JSON excludes these characters from strings
const token = /[ \t\n\r]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],:]))/y;

/** Names that may be repeated in a message: element names, not something a person typed. */
const elementName = /^_?[A-Za-z][A-Za-z0-9]{0,63}$/;

/**
 * Reads a JSON text once, without building anything, and says where it first breaks the grammar or repeats a key.
 * Only called for a text that is known or suspected to be wrong. Takes linear time; depth costs no stack.
 * @returns undefined when the text is JSON without repeated keys.
 */
export function firstFault(text: string): Fault | undefined {
  const open: Container[] = [];
  let expect: 'value' | 'first value' | 'first name' | 'name' | 'colon' | 'more' | 'end' = 'value';
  let path = '';
  token.lastIndex = 0;
  for (;;) {
    const start = token.lastIndex;
    const match = token.exec(text);
    if (match === null) return expect === 'end' && isBlank(text, start) ? undefined : syntax(text, start, expect);
    const at = token.lastIndex - (match[1] ?? match[2] ?? match[3] ?? '').length;
    const [, string, literal, mark] = match;
    const inside = open.at(-1);
    if (expect === 'value' || expect === 'first value') {
      if (mark === ']' && expect === 'first value') {
        open.pop();
      } else if (mark === '{' || mark === '[') {
        if (open.length === maximumDepth) return { at, text: `Nested deeper than ${maximumDepth} levels` };
        open.push({ names: mark === '{' ? new Set() : null, path, index: 0 });
        expect = mark === '{' ? 'first name' : 'first value';
        if (mark === '[') path = `${path}[0]`;
        continue;
      } else if (string === undefined && literal === undefined) {
        return syntax(text, at, expect);
      }
      expect = open.length === 0 ? 'end' : 'more';
    } else if (expect === 'first name' || expect === 'name') {
      if (mark === '}' && expect === 'first name') {
        open.pop();
        expect = open.length === 0 ? 'end' : 'more';
        continue;
      }
      if (string === undefined || inside?.names == null) return syntax(text, at, expect);
      const name = JSON.parse(string) as string;
      path = joined(inside.path, name);
      if (inside.names.has(name)) return { at, text: `The key ${elementName.test(name) ? `"${path}"` : `in "${inside.path}"`} stands there twice` };
      inside.names.add(name);
      expect = 'colon';
    } else if (expect === 'colon') {
      if (mark !== ':') return syntax(text, at, expect);
      expect = 'value';
    } else if (expect === 'more' && inside !== undefined) {
      if (mark === ',') {
        if (inside.names === null) path = `${inside.path}[${++inside.index}]`;
        expect = inside.names === null ? 'value' : 'name';
      } else if (mark === (inside.names === null ? ']' : '}')) {
        open.pop();
        expect = open.length === 0 ? 'end' : 'more';
      } else {
        return syntax(text, at, expect);
      }
    } else {
      return syntax(text, at, expect);
    }
  }
}

const wanted = {
  'value': 'a value',
  'first value': 'a value or "]"',
  'first name': 'a name or "}"',
  'name': 'a name',
  'colon': '":"',
  'more': '"," or the end of the object or array',
  'end': 'nothing more',
} as const;

function syntax(text: string, from: number, expect: keyof typeof wanted): Fault {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at += 1;
  const where = at >= text.length ? 'The JSON ends too early' : 'Not valid JSON';
  return { at, text: `${where}: expected ${wanted[expect]}` };
}

function isBlank(text: string, from: number): boolean {
  return text.slice(from).trim() === '';
}

function joined(path: string, name: string): string {
  const shown = elementName.test(name) ? name : '…';
  return path === '' ? shown : `${path}.${shown}`;
}
