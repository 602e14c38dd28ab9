import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { heldSystem } from '../fhir/code-systems.ts';
import { anyOf, inCodeSystem, inValueSet, type Verdict } from '../fhir/code-validation.ts';
import { problem } from '../fhir/outcome.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { terminology, type Terminology } from '../interactions/terminology.ts';
import { refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { answered, codingsOf, definitionInputs, definitionOf, parameters } from './terminology-input.ts';

/**
 * `ValueSet/$validate-code` and `CodeSystem/$validate-code` (http://hl7.org/fhir/R4/valueset-operation-validate-code.html,
 * codesystem-operation-validate-code.html): whether a code is there, and rightly called.
 */
export const validateCode: Operation = {
  level: ['type', 'instance'],
  type: ['ValueSet', 'CodeSystem'],
  needs: [], // reading the type it is called on, which `validated` asks for
  definition: `${canonicalBase}/OperationDefinition/validate-code`,
  run: validated,
};

const ofValueSet = ['url', 'valueSet', 'valueSetVersion', 'code', 'system', 'systemVersion', 'display', 'coding', 'codeableConcept', 'displayLanguage'];
const ofCodeSystem = ['url', 'codeSystem', 'code', 'version', 'display', 'coding', 'codeableConcept', 'displayLanguage'];

async function validated(context: Context, call: Call, body: string): Promise<Answer> {
  authorize(context.visibility, call.type!, 'r');
  const held = terminology(context);
  const verdict = call.type === 'ValueSet' ? await byValueSet(context, held, call, body) : await byCodeSystem(context, held, call, body);
  const { result, message, display } = verdict;
  return answered(context, call, parameters([
    { name: 'result', valueBoolean: result },
    ...(message === undefined ? [] : [{ name: 'message', valueString: message }]),
    ...(display === undefined ? [] : [{ name: 'display', valueString: display }]),
  ]));
}

async function byValueSet(context: Context, held: Terminology, call: Call, body: string): Promise<Verdict> {
  const inputs = definitionInputs(call, body, 'ValueSet', 'valueSet');
  refuseUnknown(context, call, inputs, ofValueSet);
  const valueSet = await definitionOf(held, call, inputs, 'ValueSet', { sent: 'valueSet', version: 'valueSetVersion' });
  if (valueSet === undefined) throw problem('malformed', 'required', '$validate-code needs the value set: its url, the ValueSet itself, or ValueSet/[id]/$validate-code.');
  return anyOf(codingsOf(call, inputs, { version: 'systemVersion' }), (coding) => inValueSet(valueSet, coding, held));
}

async function byCodeSystem(context: Context, held: Terminology, call: Call, body: string): Promise<Verdict> {
  const inputs = definitionInputs(call, body, 'CodeSystem', 'codeSystem');
  refuseUnknown(context, call, inputs, ofCodeSystem);
  const codings = codingsOf(call, inputs, { ofOneSystem: true });
  const sent = call.id !== undefined || inputs.some(({ name }) => name === 'codeSystem' || name === 'url');
  const url = codings.length === 1 ? codings[0]!.system : undefined;
  if (!sent && url === undefined) throw problem('malformed', 'required', '$validate-code needs the code system: its url, the CodeSystem itself, or CodeSystem/[id]/$validate-code.');
  const asked = sent ? inputs : [...inputs, { name: 'url', text: url!, expression: 'Parameters.parameter' }];
  const system = heldSystem((await definitionOf(held, call, asked, 'CodeSystem', { sent: 'codeSystem', version: 'version' }))!);
  return anyOf(codings, (coding) => inCodeSystem(system, coding));
}
