import { parseJson } from '../fhir/json.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import { refuseErrors } from '../interactions/accept.ts';
import type { Context } from '../interactions/context.ts';
import type { Incoming } from '../store/unit.ts';
import type { Call } from './operation.ts';

/** One input parameter of an operation: `text` for a primitive, `value` for what Parameters hold, or a resource. */
export interface Input {
  readonly name: string;
  readonly text?: string;
  /** JSON name of the value: `valueMeta`, `valueCode`, ... */
  readonly kind?: string;
  readonly value?: unknown;
  readonly resource?: Incoming;
  /** Where it stands: `http.name` or `Parameters.parameter[0]`. */
  readonly expression: string;
}

interface Parameter { readonly name: string; readonly resource?: Resource; readonly [value: string]: unknown }

/** Parameters of every request, which the answer's form depends on. */
const ofEveryRequest: ReadonlySet<string> = new Set(['_format', '_pretty']);

/**
 * Reads the input parameters of an operation from the query and from a Parameters resource in the body
 * (http://hl7.org/fhir/R4/operations.html#executing). A resource among them is not checked here.
 * @throws Problem `malformed` when the body is no Parameters resource.
 */
export function inputsOf(call: Call, body: string): Input[] {
  const fromQuery = call.query.filter(([name]) => !ofEveryRequest.has(name)).map(([name, text]): Input => ({ name, text, expression: `http.${name}` }));
  return body === '' ? fromQuery : [...fromQuery, ...parametersOf(parseJson(body))];
}

/** @returns what a Parameters resource holds. @throws Problem `malformed` when it is none. */
export function parametersOf({ value, stored }: { value: Readonly<Record<string, unknown>>; stored: Readonly<Record<string, unknown>> }): Input[] {
  if (value['resourceType'] !== 'Parameters') throw problem('malformed', 'invalid', 'The body of an operation is a Parameters resource.', 'resourceType');
  const list = Array.isArray(value['parameter']) ? (value['parameter'] as Parameter[]) : [];
  // What is wrong with a resource is for the operation to say: the check goes round it.
  const shell = list.map((each) => (each?.resource === undefined || each === null ? each : { ...without(each, 'resource'), valueBoolean: true }));
  refuseErrors(validate({ ...value, ...(list.length === 0 ? {} : { parameter: shell }) }, 'Parameters'));
  const written = (stored['parameter'] ?? []) as Parameter[];
  return list.map((each, at): Input => {
    const key = Object.keys(each).find((name) => name.startsWith('value'));
    const content = key === undefined ? undefined : each[key];
    return {
      name: each.name, value: content, ...(key === undefined ? {} : { kind: key }), expression: `Parameters.parameter[${at}]`,
      ...(typeof content === 'string' || typeof content === 'number' || typeof content === 'boolean' ? { text: String(content) } : {}),
      ...(each.resource === undefined ? {} : { resource: { value: each.resource, stored: written[at]!.resource! } }),
    };
  });
}

function without(object: Parameter, key: string): object {
  const { [key]: _left, ...rest } = object;
  return rest;
}

/** @throws Problem `malformed` for a parameter that the operation does not have, unless the client is lenient. */
export function refuseUnknown(context: Context, call: Call, inputs: readonly Input[], known: readonly string[]): void {
  const unknown = inputs.find(({ name }) => !known.includes(name));
  if (unknown !== undefined && context.prefer.handling === 'strict') {
    const names = known.filter((name) => name !== '_page');
    throw problem('malformed', 'not-supported', `$${call.name} takes ${names.length === 0 ? 'no parameters' : names.join(', ')}.`, unknown.expression);
  }
}

/** @returns the one value of a primitive parameter. @throws Problem `malformed` when it comes twice or is not primitive. */
export function one(inputs: readonly Input[], name: string): string | undefined {
  const found = inputs.filter((input) => input.name === name);
  if (found.length > 1) throw problem('malformed', 'invalid', `${name} is given at most once.`, found[1]!.expression);
  const [input] = found;
  if (input !== undefined && (input.text === undefined || input.text === '')) throw problem('malformed', 'value', `${name} needs a value.`, input.expression);
  return input?.text;
}

/** @returns the texts of a repeating primitive parameter. @throws Problem `malformed` when one is not primitive. */
export function many(inputs: readonly Input[], name: string): string[] {
  return inputs.filter((input) => input.name === name).map(({ text, expression }) => {
    if (text === undefined || text === '') throw problem('malformed', 'value', `${name} needs a value.`, expression);
    return text;
  });
}

/** @returns a positiveInt of at most `most`. @throws Problem `malformed` for anything else. */
export function positive(inputs: readonly Input[], name: string, most: number): number | undefined {
  const text = one(inputs, name);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,9}$/.test(text)) throw problem('malformed', 'value', `${name} must be a whole number from 1.`, inputs.find((input) => input.name === name)!.expression);
  return Math.min(Number(text), most);
}
