import type { Coding } from '@medplum/fhirtypes';
import { canonicalBase } from '../fhir/canonical.ts';
import { parseJson } from '../fhir/json.ts';
import { operationOutcome, problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import { resourceValue, type Typed } from '../fhir/simple-path.ts';
import { grants } from '../fhir/visibility.ts';
import { validate } from '../fhir/validate.ts';
import { refuseErrors } from '../interactions/accept.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { linkedItems, type LinkedItem } from '../resources/populate-links.ts';
import { populated } from '../resources/populate.ts';
import { extension, extensions, sdcExtension } from '../resources/sdc.ts';
import { readClock } from '../store/clock.ts';
import { matching, search } from '../store/search.ts';
import { Given, referenceOf } from './given.ts';
import { inputsOf, one, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';

/** Items that are looked up among the Observations of one subject, at most. */
const mostLinks = 100;

/**
 * `Questionnaire/$populate` and `Questionnaire/[id]/$populate` (http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate): a
 * response in progress, filled from what the form says, from the subject's own Observations and from simple expressions
 * (fhir/simple-path.ts). Nothing is stored. What this server knows is used unless `local` is false.
 */
export const populate: Operation = {
  level: ['type', 'instance'],
  type: 'Questionnaire',
  needs: [['Questionnaire', 'r']],
  definition: `${canonicalBase}/OperationDefinition/populate`,
  run: populateQuestionnaire,
};

async function populateQuestionnaire(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['identifier', 'questionnaire', 'questionnaireRef', 'subject', 'context', 'launchContext', 'local']);
  const given = new Given(context);
  const questionnaire = await questionnaireOf(context, call, inputs, given);
  const local = one(inputs, 'local') !== 'false';
  const subject = referenceOf(inputs, 'subject');
  const issues: Issue[] = [];
  const names = await contexts(body, questionnaire, given, issues);
  const subjectReference = subject === undefined ? undefined : given.relative(subject.reference);
  if (subject !== undefined && subjectReference!.startsWith('Patient/') && local) {
    const patient = [resourceValue(await given.referenced(subject.reference, subject.expression))];
    for (const name of ['patient', 'subject']) if (!names.has(name)) names.set(name, patient);
  }
  const now = await readClock(context.database);
  const observations = local && subjectReference !== undefined ? await newest(context, questionnaire, subjectReference, { now, given, issues }) : new Map<string, Resource>();
  const encounter = names.get('encounter')?.[0]?.value as { id?: string } | undefined;
  const { response, issues: found } = populated(questionnaire, {
    names, observations, now,
    ...(subjectReference === undefined ? {} : { subject: subjectReference }),
    ...(encounter?.id === undefined ? {} : { encounter: `Encounter/${encounter.id}` }),
  });
  issues.push(...found);
  await given.log(call);
  const parameter = [{ name: 'response', resource: response }, ...(issues.length === 0 ? [] : [{ name: 'issues', resource: operationOutcome(issues) }])];
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }) };
}

async function questionnaireOf(context: Context, call: Call, inputs: readonly Input[], given: Given): Promise<Resource> {
  if (call.id !== undefined) return (await given.instance('Questionnaire', call.id)).value;
  const named = inputs.filter(({ name }) => name === 'identifier' || name === 'questionnaire' || name === 'questionnaireRef');
  const [input] = named;
  if (input === undefined || named.length > 1) {
    throw problem('malformed', 'required', 'Say which Questionnaire with one of questionnaire, questionnaireRef and identifier, or call $populate on one.', named[1]?.expression);
  }
  if (input.resource !== undefined) return given.resource(input.resource, 'Questionnaire').value;
  if (input.name === 'identifier') return identified(context, input);
  const { reference } = (typeof input.value === 'object' && input.value !== null ? input.value : {}) as { reference?: string };
  const canonical = input.text ?? reference;
  const known = canonical === undefined ? undefined : await context.questionnaire(given.relative(canonical));
  const found = known === undefined ? undefined : await given.visible(known);
  if (found === undefined) throw problem('invalid', 'not-found', 'This Questionnaire is not stored here: give its canonical, its reference, or the resource itself.', input.expression);
  return found;
}

async function identified(context: Context, input: Input): Promise<Resource> {
  const { system, value } = (typeof input.value === 'object' && input.value !== null ? input.value : {}) as { system?: string; value?: string };
  const token = input.text ?? [...(system === undefined ? [] : [system]), value ?? ''].join('|');
  const plan = parseSearch('Questionnaire', [['identifier', token]], { handling: 'strict' });
  const found = await matching(context.database, plan, context.visibility, 2);
  if (found.length === 1) return JSON.parse(found[0]!.body) as Resource;
  throw problem('invalid', found.length === 0 ? 'not-found' : 'multiple-matches', `${found.length === 0 ? 'No' : 'More than one'} Questionnaire here has this identifier.`, input.expression);
}

interface Part { readonly name: string; readonly valueReference?: { readonly reference?: string }; readonly resource?: Resource; readonly part?: readonly Part[] }

/** The values of `context` and `launchContext`: by the name that the form's launchContext or variables declare. */
async function contexts(body: string, questionnaire: Resource, given: Given, issues: Issue[]): Promise<Map<string, readonly Typed[]>> {
  const names = new Map<string, readonly Typed[]>();
  if (body === '') return names;
  const declared = new Set([
    'patient', 'encounter', 'user',
    ...extensions(questionnaire, sdcExtension.launchContext).map((launch) => extension(launch, 'name')?.valueCoding?.code ?? extension(launch, 'name')?.valueId),
    ...extensions(questionnaire, sdcExtension.variable).map(({ valueExpression }) => valueExpression?.name),
  ]);
  const parameters = (parseJson(body).value['parameter'] ?? []) as Part[];
  for (const [at, { name, part = [] }] of parameters.entries()) {
    if (name !== 'context' && name !== 'launchContext') continue;
    const expression = `Parameters.parameter[${at}]`;
    const called = part.find((each) => each.name === 'name') as { valueString?: string; valueCode?: string; valueId?: string; valueCoding?: Coding } | undefined;
    const variable = called?.valueString ?? called?.valueCode ?? called?.valueId ?? called?.valueCoding?.code;
    if (variable === undefined) throw problem('malformed', 'required', `${name} has the parts name and content.`, expression);
    if (!declared.has(variable)) {
      issues.push({ severity: 'warning', code: 'value', text: 'A context is not used: the Questionnaire declares no launchContext or variable of its name.', expression });
      continue;
    }
    const contents = part.filter((each) => each.name === 'content');
    names.set(variable, await Promise.all(contents.map((content) => contentOf(content, given, expression))));
  }
  return names;
}

async function contentOf({ resource, valueReference }: Part, given: Given, expression: string): Promise<Typed> {
  if (resource !== undefined) {
    refuseErrors(validate(resource));
    return resourceValue(resource);
  }
  if (valueReference?.reference === undefined) throw problem('malformed', 'value', 'content must be a resource or a reference.', expression);
  return resourceValue(await given.referenced(valueReference.reference, expression));
}

/** The newest Observation of the subject within its period, for each item that asks for one. */
async function newest(context: Context, questionnaire: Resource, subject: string, { now, given, issues }: { now: string; given: Given; issues: Issue[] }): Promise<Map<string, Resource>> {
  const found = new Map<string, Resource>();
  const { linked, unusable } = linkedItems(questionnaire, now);
  issues.push(...unusable);
  if (linked.length === 0) return found;
  if (!grants(context.visibility, 'Observation', 's')) {
    issues.push({ severity: 'warning', code: 'forbidden', text: 'Observations are not used: this access does not allow to search them.' });
    return found;
  }
  if (linked.length > mostLinks) issues.push({ severity: 'warning', code: 'too-costly', text: `Observations are looked up for the first ${mostLinks} items only.` });
  for (const item of linked.slice(0, mostLinks)) {
    const { matches } = await search(context.database, planOf(item, subject), context.visibility);
    given.note(matches);
    if (matches[0] !== undefined) found.set(item.linkId, JSON.parse(matches[0].body) as Resource);
  }
  return found;
}

function planOf({ codes, since }: LinkedItem, subject: string): ReturnType<typeof parseSearch> {
  return parseSearch('Observation', [
    ['subject', subject], ['code', codes.join(',')], ['status', 'final,amended,corrected'], ['date', `ge${since}`], ['_sort', '-date'], ['_count', '1'],
  ], { handling: 'strict' });
}

