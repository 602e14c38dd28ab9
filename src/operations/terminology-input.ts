import type { Coding } from '../fhir/code-validation.ts';
import { quoted } from '../fhir/expansion.ts';
import { parseJson } from '../fhir/json.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { validate } from '../fhir/validate.ts';
import { refuseErrors } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Terminology } from '../interactions/terminology.ts';
import { inputsOf, one, type Input } from './input.ts';
import type { Call } from './operation.ts';

/** What the operations on definitions have in common. */

/** Each may be the work of a whole expansion. */
const mostCodings = 50;

type DefinitionType = 'ValueSet' | 'CodeSystem' | 'ConceptMap';

/**
 * Reads the inputs; a body may be the definition itself instead of Parameters that hold it
 * (http://hl7.org/fhir/R4/operations.html#executing).
 * @param parameter the name under which Parameters would hold it.
 */
export function definitionInputs(call: Call, body: string, type: DefinitionType, parameter: string): Input[] {
  if (body === '') return inputsOf(call, body);
  const { value, stored } = parseJson(body);
  if ((value as { resourceType?: unknown }).resourceType !== type) return inputsOf(call, body);
  return [...inputsOf(call, ''), { name: parameter, resource: { value: value as Resource, stored: stored as Resource }, expression: type }];
}

/**
 * @returns the definition that an operation is about: the instance it is called on, the resource that was sent, or the one
 *   that `url` names. undefined when none of these is given.
 * @throws Problem `not-found` when it is not held here; `malformed` for a resource that is not valid.
 */
export async function definitionOf(held: Terminology, call: Call, inputs: readonly Input[], type: DefinitionType, names: { sent: string; url?: string; version: string }): Promise<Resource | undefined> {
  const { url: urlName = 'url' } = names;
  const sent = inputs.find(({ name }) => name === names.sent);
  const url = one(inputs, urlName);
  const version = one(inputs, names.version);
  if (call.id !== undefined) {
    if (sent !== undefined || url !== undefined) throw problem('malformed', 'invalid', `Called on one ${type}, $${call.name} takes neither ${urlName} nor ${names.sent}.`, (sent ?? inputs.find(({ name }) => name === urlName))!.expression);
    return (await held.definition(type, `${type}/${call.id}`)) ?? missing(type, undefined);
  }
  if (sent !== undefined) {
    if (url !== undefined) throw problem('malformed', 'invalid', `Give ${urlName} or ${names.sent}, not both.`, sent.expression);
    if (sent.resource?.value.resourceType !== type) throw problem('malformed', 'value', `${names.sent} is a ${type} resource.`, sent.expression);
    refuseErrors(validate(sent.resource.value, type));
    return sent.resource.value;
  }
  if (url === undefined) return undefined;
  return (await held.definition(type, version === undefined ? url : `${url.split('|', 1)[0]}|${version}`)) ?? missing(type, url);
}

function missing(type: string, url: string | undefined): never {
  throw problem('not-found', 'not-found', `No such ${type} is held here${url === undefined ? '' : `: ${quoted(url)}`}. What is not held cannot be told.`);
}

/**
 * @returns what an operation is asked about: `code` with its companions, `coding`, or `codeableConcept`: one of them.
 * @param ofOneSystem the operation is about one system, so that a code needs not say which.
 * @throws Problem `malformed` otherwise.
 */
export function codingsOf(call: Call, inputs: readonly Input[], { code: codeName = 'code', version = 'version', ofOneSystem = false }: { code?: string; version?: string; ofOneSystem?: boolean } = {}): readonly Coding[] {
  const code = one(inputs, codeName);
  const given = [code, ...['coding', 'codeableConcept'].map((name) => inputs.find((input) => input.name === name)?.value)].filter((value) => value !== undefined);
  if (given.length !== 1) throw problem('malformed', given.length === 0 ? 'required' : 'invalid', `$${call.name} takes one of ${codeName}, coding and codeableConcept.`, given.length === 0 ? undefined : 'Parameters.parameter');
  const [value] = given;
  if (typeof value === 'string') {
    const system = one(inputs, 'system');
    const ofVersion = one(inputs, version);
    const display = one(inputs, 'display');
    if (system === undefined && !ofOneSystem) throw problem('malformed', 'required', `${codeName} needs its system: the same code may mean something else in another one.`, inputs.find(({ name }) => name === codeName)!.expression);
    return [{ code: value, ...(system === undefined ? {} : { system }), ...(ofVersion === undefined ? {} : { version: ofVersion }), ...(display === undefined ? {} : { display }) }];
  }
  if (typeof value !== 'object' || value === null) throw problem('malformed', 'value', 'coding is a valueCoding and codeableConcept a valueCodeableConcept of a Parameters resource.', 'Parameters.parameter');
  if (!inputs.some(({ name }) => name === 'codeableConcept')) return [value as Coding];
  const { coding = [] } = value as { coding?: Coding[] };
  if (coding.length > mostCodings) throw problem('malformed', 'too-costly', `A codeableConcept of more than ${mostCodings} codings is not looked through.`, 'Parameters.parameter');
  return coding;
}

/** @returns the boolean input `name`, else `otherwise`. @throws Problem `malformed` for another value. */
export function flag(inputs: readonly Input[], name: string, otherwise = false): boolean {
  const text = one(inputs, name);
  if (text === undefined) return otherwise;
  if (text !== 'true' && text !== 'false') throw problem('malformed', 'value', `${name} is true or false.`, inputs.find((input) => input.name === name)!.expression);
  return text === 'true';
}

/** @returns a whole number from 0. @throws Problem `malformed` for anything else. */
export function natural(inputs: readonly Input[], name: string): number | undefined {
  const text = one(inputs, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw problem('malformed', 'value', `${name} is a whole number from 0.`, inputs.find((input) => input.name === name)!.expression);
  return Number(text);
}

/** One output parameter: `valueString`, `part` and so on beside its name. */
export type Output = { readonly name: string } & Readonly<Record<string, unknown>>;

/** Answers with Parameters, and writes that it was asked into the access log. No patient's record is concerned. */
export async function answered(context: Context, call: Call, resource: object): Promise<Answer> {
  await context.audit.record(accessRows(context, { interaction: `$${call.name}`, action: 'E', ...(call.type === undefined ? {} : { type: call.type }), ...(call.id === undefined ? {} : { id: call.id }) }));
  return { status: 200, body: JSON.stringify(resource) };
}

export const parameters = (outputs: readonly Output[]): object => ({ resourceType: 'Parameters', parameter: outputs });
