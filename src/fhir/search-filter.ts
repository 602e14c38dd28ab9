import { badValue, type Reading } from './search-syntax.ts';

/** A parsed `_filter` (http://hl7.org/fhir/R4/search_filter.html). */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'test'; readonly path: readonly FilterStep[]; readonly operator: Operator; readonly value: string };

/** A name of the path; in brackets what the resource that it points to must fulfil. */
export interface FilterStep { readonly name: string; readonly filter?: Filter }

const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'pr', 'po', 'ss', 'sb', 'in', 'ni', 're'] as const;
export type Operator = (typeof operators)[number];

const longest = 2000;
const deepest = 10;

const nameForm = /[A-Za-z_][A-Za-z0-9_-]*/y;
const wordForm = /[a-z]+/y;
const stringForm = /"(?:[^"\\]|\\.)*"/y;
const tokenForm = /[^\s\])"][^\s\])]*/y;

/**
 * Reads a filter: comparisons joined by `and`, `or` and `not (...)`. `and` binds tighter than `or`, as is usual; the
 * specification leaves it open, and parentheses say it.
 * @throws Problem `malformed` that tells where the text stops to be a filter, without repeating it.
 */
export function parseFilter(text: string, reading: Reading): Filter {
  if (text.length > longest) throw badValue(reading.name, `it is longer than ${longest} characters.`, 'too-costly');
  let at = 0;
  let depth = 0;

  const refuse = (expected: string): never => {
    throw badValue(reading.name, `at character ${at + 1} there must be ${expected}. A filter is written like: code eq http://loinc.org|44261-6 and (date ge 2026-01-01 or status eq final).`);
  };
  const skipSpace = (): void => { while (/\s/.test(text.charAt(at))) at++; };
  const take = (form: RegExp): string | null => {
    form.lastIndex = at;
    const found = form.exec(text)?.[0] ?? null;
    if (found !== null) at += found.length;
    return found;
  };
  /** Takes a word of the grammar that is followed by a space or parenthesis. */
  const word = (wanted: string): boolean => {
    skipSpace();
    if (!text.startsWith(wanted, at) || !/^[\s()]/.test(text.slice(at + wanted.length, at + wanted.length + 1))) return false;
    at += wanted.length;
    return true;
  };
  const mark = (wanted: string): boolean => {
    skipSpace();
    if (text[at] !== wanted) return false;
    at++;
    return true;
  };

  const joined = (kind: 'and' | 'or', part: () => Filter): Filter => {
    const filters = [part()];
    while (word(kind)) filters.push(part());
    return filters.length === 1 ? filters[0]! : { kind, filters };
  };
  const whole = (): Filter => {
    if (++depth > deepest) throw badValue(reading.name, `it is nested more than ${deepest} deep.`, 'too-costly');
    const filter = joined('or', () => joined('and', one));
    depth--;
    return filter;
  };
  const closed = (end: string): Filter => {
    const filter = whole();
    if (!mark(end)) refuse(`"${end}", "and" or "or"`);
    return filter;
  };
  const one = (): Filter => {
    if (mark('(')) return closed(')');
    const start = at;
    if (word('not') && mark('(')) return { kind: 'not', filter: closed(')') };
    at = start;
    return comparison();
  };
  const comparison = (): Filter => {
    const path: FilterStep[] = [];
    do path.push(step()); while (text[at] === '.' && at++ >= 0);
    skipSpace();
    const written = take(wordForm);
    const operator = operators.find((candidate) => candidate === written) ?? refuse(`one of ${operators.join(', ')}`);
    if (!/\s/.test(text.charAt(at))) refuse('a space and the value');
    skipSpace();
    return { kind: 'test', path, operator, value: value() };
  };
  const step = (): FilterStep => {
    skipSpace();
    const name = take(nameForm) ?? refuse('the name of a search parameter, "not (" or "("');
    if (text[at] !== '[') return { name };
    at++;
    const filter = closed(']');
    if (text[at] !== '.') refuse('"." and the name of a search parameter');
    return { name, filter };
  };
  const value = (): string => {
    if (text[at] !== '"') return take(tokenForm) ?? refuse('a value');
    const string = take(stringForm) ?? refuse('a string that ends with a quotation mark');
    try {
      return JSON.parse(string) as string;
    } catch {
      return refuse('an end: what is before it is no JSON string');
    }
  };

  const filter = whole();
  skipSpace();
  if (at < text.length) refuse('the end, "and" or "or"');
  return filter;
}
