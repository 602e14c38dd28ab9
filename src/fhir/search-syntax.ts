import type { IssueCode } from './outcome.ts';
import { Problem, problem } from './outcome.ts';
import type { Prefix } from './search-plan.ts';

/** Where a name is being read: inside how many chains and `_has`, and what the client wrote. */
export interface Reading {
  /** The whole name as it came, for refusals. */
  readonly name: string;
  readonly baseUrl: string | undefined;
  readonly chains: number;
  readonly reverse: number;
}

const plainName = /^[A-Za-z_][A-Za-z0-9_.:-]{0,99}$/;

/** `http.<name>`: where in the query a refusal points to. A name that is no name is not repeated. */
export const queryExpression = (name: string): string => (plainName.test(name) ? `http.${name}` : 'http');

/** A parameter as a refusal calls it. */
export const called = (name: string): string => (plainName.test(name) ? `"${name}"` : 'a parameter of the query');

/** @returns the refusal of a value: what is wrong with it is told without repeating it. */
export const badValue = (name: string, text: string, code: IssueCode = 'value'): Problem =>
  problem('malformed', code, `The value of ${called(name)} cannot be used: ${text}`, queryExpression(name));

/** A name that means nothing here: the only refusal that lenient handling turns into leaving the parameter out. */
export class UnknownName extends Problem {}

/** @returns the refusal of an unknown parameter, sort key or include. */
export const unknownName = (name: string, text: string): UnknownName =>
  new UnknownName('not-supported', { severity: 'error', code: 'not-supported', text, expression: queryExpression(name) });

/** @returns the refusal of something known that is not supported (R4: a server SHALL reject a modifier that it does not support). */
export const unsupported = (name: string, text: string): Problem =>
  problem('not-supported', 'not-supported', text, queryExpression(name));

/**
 * Splits at a separator that is not escaped (http://hl7.org/fhir/R4/search.html#escaping); the parts keep their escapes.
 */
export function splitEscaped(text: string, separator: ',' | '|' | '$'): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\' && at + 1 < text.length) part += character + text[++at]!;
    else if (character === separator) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  parts.push(part);
  return parts;
}

/** Takes the escapes away: `\,` `\$` `\|` `\\`. */
export const unescaped = (text: string): string => (text.includes('\\') ? text.replace(/\\([,$|\\])/g, '$1') : text);

const prefixed = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+.\d])/;

/** Splits a prefix from an ordered value; `eq` when there is none. */
export function splitPrefix(text: string): { prefix: Prefix; rest: string } {
  const prefix = prefixed.exec(text)?.[1] as Prefix | undefined;
  return prefix === undefined ? { prefix: 'eq', rest: text } : { prefix, rest: text.slice(2) };
}

const resourceId = /^[A-Za-z0-9\-.]{1,64}$/;

/** @returns whether `text` can be a logical id. */
export const isId = (text: string): boolean => resourceId.test(text);
