import { canonicalBase } from '../fhir/canonical.ts';
import { heldSystem, type Concept, type HeldSystem, type Property } from '../fhir/code-systems.ts';
import { subsumption } from '../fhir/code-validation.ts';
import { quoted } from '../fhir/expansion.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { terminology, type Terminology } from '../interactions/terminology.ts';
import { many, one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { answered, codingsOf, definitionInputs, definitionOf, parameters, type Output } from './terminology-input.ts';

/** `CodeSystem/$lookup` (http://hl7.org/fhir/R4/codesystem-operation-lookup.html): what a code means. */
export const lookup: Operation = {
  level: 'type',
  type: 'CodeSystem',
  needs: [['CodeSystem', 'r']],
  definition: `${canonicalBase}/OperationDefinition/lookup`,
  run: lookedUp,
};

/** `CodeSystem/$subsumes` (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html): which of two codes is above the other. */
export const subsumes: Operation = {
  level: ['type', 'instance'],
  type: 'CodeSystem',
  needs: [['CodeSystem', 'r']],
  definition: `${canonicalBase}/OperationDefinition/subsumes`,
  run: compared,
};

async function systemOf(held: Terminology, url: string, version: string | undefined): Promise<HeldSystem> {
  const found = await held.codeSystem(url, version ?? null);
  if (found === undefined) throw problem('not-found', 'not-found', `The code system ${quoted(url)} is not held here${version === undefined ? '' : ' in that version'}: nothing is told of its codes.`);
  return found;
}

const noCode = (system: HeldSystem): Error => problem('not-found', 'not-found', `${quoted(system.url)} has no such code${system.complete ? '' : ' in the part that is held here'}.`);

async function lookedUp(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = definitionInputs(call, body, 'CodeSystem', 'codeSystem');
  refuseUnknown(context, call, inputs, ['code', 'system', 'version', 'coding', 'property', 'displayLanguage']);
  const [coding] = codingsOf(call, inputs.filter(({ name }) => name !== 'codeableConcept'));
  if (coding?.system === undefined || coding.code === undefined) throw problem('malformed', 'required', '$lookup needs a coding with its system and code.', 'Parameters.parameter');
  const system = await systemOf(terminology(context), coding.system, coding.version);
  const concept = system.find(coding.code);
  if (concept === undefined) throw noCode(system);
  return answered(context, call, parameters([
    { name: 'name', valueString: system.name },
    ...(system.version === undefined ? [] : [{ name: 'version', valueString: system.version }]),
    { name: 'display', valueString: concept.display ?? concept.code },
    ...shownProperties(system, concept, many(inputs, 'property')),
  ]));
}

/** The properties that are asked for; all of them where none is. `lang.de` is a designation in German. */
function shownProperties(system: HeldSystem, concept: Concept, asked: readonly string[]): Output[] {
  const languages = asked.filter((name) => name.startsWith('lang.')).map((name) => name.slice('lang.'.length));
  const designations = asked.length === 0 || asked.includes('designation') ? concept.designation : concept.designation.filter(({ language }) => language !== undefined && languages.includes(language));
  const designated = designations.map(({ language, use, value }): Output => ({
    name: 'designation', part: [
      ...(language === undefined ? [] : [{ name: 'language', valueCode: language }]),
      ...(use === undefined ? [] : [{ name: 'use', valueCoding: use }]),
      { name: 'value', valueString: value ?? '' },
    ],
  }));
  const related = (code: 'parent' | 'child', codes: readonly string[]): Property[] => codes.map((value) => ({ code, valueCode: value }));
  const all: Property[] = [
    ...(concept.definition === undefined ? [] : [{ code: 'definition', valueString: concept.definition }]),
    { code: 'inactive', valueBoolean: concept.inactive },
    ...related('parent', concept.parents), ...related('child', concept.children),
    ...concept.property.filter(({ code }) => code !== 'parent' && code !== 'child' && code !== 'inactive'),
  ];
  return [...designated, ...all.filter(({ code }) => code !== undefined && (asked.length === 0 || asked.includes(code))).map((property) => shown(property, system))];
}

function shown({ code, ...rest }: Property, system: HeldSystem): Output {
  const [name, value] = Object.entries(rest).find(([key]) => key.startsWith('value')) ?? [];
  const description = code === 'parent' || code === 'child' ? system.find(String(value))?.display : undefined;
  return {
    name: 'property', part: [
      { name: 'code', valueCode: code },
      ...(name === undefined ? [] : [{ name: 'value', [name]: value }]),
      ...(description === undefined ? [] : [{ name: 'description', valueString: description }]),
    ],
  };
}

async function compared(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = definitionInputs(call, body, 'CodeSystem', 'codeSystem');
  refuseUnknown(context, call, inputs, ['codeA', 'codeB', 'system', 'version', 'codingA', 'codingB']);
  const held = terminology(context);
  const [a, b] = [side(inputs, 'A'), side(inputs, 'B')];
  const url = one(inputs, 'system') ?? a.system ?? b.system;
  if (call.id === undefined && url === undefined) throw problem('malformed', 'required', '$subsumes needs the system of the two codes.');
  const system = call.id === undefined ? await systemOf(held, url!, one(inputs, 'version')) : heldSystem((await instance(held, call))!);
  for (const each of [a, b]) if (each.system !== undefined && each.system !== system.url) throw problem('malformed', 'value', 'Both codes are of one system.', 'Parameters.parameter');
  const outcome = subsumption(system, a.code, b.code);
  if (outcome === undefined) throw noCode(system);
  return answered(context, call, parameters([{ name: 'outcome', valueCode: outcome }]));
}

const instance = (held: Terminology, call: Call): Promise<Resource | undefined> =>
  definitionOf(held, call, [], 'CodeSystem', { sent: 'codeSystem', version: 'version' });

function side(inputs: readonly Input[], letter: 'A' | 'B'): { code: string; system?: string } {
  const code = one(inputs, `code${letter}`);
  const coding = inputs.find(({ name }) => name === `coding${letter}`)?.value as { code?: string; system?: string } | undefined;
  const found = code ?? coding?.code;
  if (found === undefined || (code !== undefined && coding !== undefined)) throw problem('malformed', 'required', `$subsumes takes code${letter} or coding${letter}.`);
  return { code: found, ...(coding?.system === undefined ? {} : { system: coding.system }) };
}
