import type { PlanDefinition } from '@medplum/fhirtypes';
import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { parseCanonical } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { resourceValue, type Typed } from '../fhir/simple-path.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { applied, type Setting } from '../resources/apply-activity.ts';
import { carePlan } from '../resources/apply-plan.ts';
import { readClock } from '../store/clock.ts';
import { readDefinition } from '../store/definitions.ts';
import { Given, referenceOf } from './given.ts';
import { inputsOf, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `$apply` of a PlanDefinition or an ActivityDefinition (http://hl7.org/fhir/R4/plandefinition-operation-apply.html,
 * http://hl7.org/fhir/R4/activitydefinition-operation-apply.html): the CarePlan, or the request, that the definition describes for a
 * subject. It is a draft that is returned and not stored: who agrees on it sends it.
 */
export const apply: Operation = {
  level: ['type', 'instance'],
  type: ['PlanDefinition', 'ActivityDefinition'],
  needs: [['ActivityDefinition', 'r']],
  definition: `${canonicalBase}/OperationDefinition/apply`,
  run: applyDefinition,
};

const references = ['subject', 'encounter', 'practitioner', 'organization'] as const;
/** Taken, as R4 has them; no definition here depends on them. */
const ignored = ['userType', 'userLanguage', 'userTaskContext', 'setting', 'settingContext'];

async function applyDefinition(context: Context, call: Call, body: string): Promise<Answer> {
  const type = call.type as 'PlanDefinition' | 'ActivityDefinition';
  authorize(context.visibility, type, 'r');
  const named = type === 'PlanDefinition' ? 'planDefinition' : 'activityDefinition';
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, [named, ...references, ...ignored]);
  const given = new Given(context);
  const definition = await definitionOf(context, call, inputs, { given, named, type });
  const setting = await settingOf(context, inputs, given);
  const result = type === 'ActivityDefinition'
    ? applied(definition, setting, type)
    : await carePlan(definition as unknown as PlanDefinition & Resource, setting, finder(context, given));
  await given.log(call);
  return { status: 200, body: JSON.stringify(result) };
}

async function definitionOf(context: Context, call: Call, inputs: readonly Input[], { given, named, type }: { given: Given; named: string; type: string }): Promise<Resource> {
  const [input, second] = inputs.filter(({ name }) => name === named);
  if (call.id !== undefined) {
    if (input !== undefined) throw problem('malformed', 'invalid', `On one ${type} $apply takes no other.`, input.expression);
    return (await given.instance(type, call.id)).value;
  }
  if (input === undefined || second !== undefined) throw problem('malformed', 'required', `Give one ${named}, as a resource or its canonical, or call $apply on one.`, second?.expression);
  if (input.resource !== undefined) return given.resource(input.resource, type).value;
  const found = input.text === undefined ? undefined : await canonicalResource(context, given, type, input.text);
  if (found === undefined) throw problem('invalid', 'not-found', `This ${type} is not stored here.`, input.expression);
  return found;
}

async function settingOf(context: Context, inputs: readonly Input[], given: Given): Promise<Setting> {
  const found = new Map<string, string>();
  const names = new Map<string, readonly Typed[]>();
  for (const name of references) {
    const input = referenceOf(inputs, name);
    if (input === undefined) continue;
    const reference = given.relative(input.reference);
    const resource = await given.referenced(reference, input.expression);
    if (name === 'subject' && resource.resourceType !== 'Patient') throw problem('invalid', 'not-supported', 'The subject must be a Patient.', input.expression);
    if (name !== 'subject' && resource.resourceType.toLowerCase() !== name) throw problem('invalid', 'value', `${name} must be a reference to one.`, input.expression);
    found.set(name, reference);
    names.set(name, [resourceValue(resource)]);
  }
  const subject = found.get('subject');
  if (subject === undefined) throw problem('malformed', 'required', 'subject is required: for whom the definition is applied, as Patient/id.', 'http.subject');
  names.set('patient', names.get('subject')!);
  return { ...Object.fromEntries(found), subject, names, now: await readClock(context.database) };
}

/** @returns the stored resource of a canonical; undefined when there is none for the caller. */
async function canonicalResource(context: Context, given: Given, type: string, canonical: string): Promise<Resource | undefined> {
  const { url, version } = parseCanonical(canonical);
  const body = await readDefinition(context.database, context.visibility, type, url, version);
  return body === undefined ? undefined : given.visible(JSON.parse(body) as Resource);
}

/** What an action asks for: an ActivityDefinition, or a form to be answered. */
function finder(context: Context, given: Given): (canonical: string) => Promise<Resource | undefined> {
  return async (canonical) => {
    const found = await canonicalResource(context, given, 'ActivityDefinition', given.relative(canonical));
    if (found !== undefined) return found;
    const form = await context.questionnaire(given.relative(canonical));
    return form === undefined ? undefined : given.visible(form);
  };
}
