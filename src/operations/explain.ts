import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { questionnaireForOutcomes } from '../interactions/accept.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { sourcesIn, type Source } from '../outcomes/cause.ts';
import { explanation } from '../outcomes/explanation.ts';
import { readProvenanceOf } from '../store/caused-by.ts';
import { readVersion } from '../store/read.ts';
import { isDerived } from '../resources/observation.ts';
import { Given } from './given.ts';
import { inputsOf, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { subjectAsPerson } from './person.ts';

/**
 * `Observation/[id]/$explain`: how a computed number came about, down to the answers: inputs, the formula with the numbers filled in,
 * the rule's version, source and mark. What the caller may not see of it is named and not shown.
 */
export const explain: Operation = {
  level: 'instance',
  type: 'Observation',
  needs: [['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/explain`,
  run: explained,
};

/** From a class to its scores, and from these to their answers. */
const rounds = 3;

async function explained(context: Context, call: Call, body: string): Promise<Answer> {
  refuseUnknown(context, call, inputsOf(call, body), []);
  const given = new Given(context);
  const observation = (await given.instance('Observation', call.id!)).value as Resource;
  if (!isDerived(observation)) throw problem('invalid', 'business-rule', 'This Observation was not computed here: there is no derivation of it.', 'Observation.method');
  const inputs = new Map<string, Resource>();
  let open = referencesOf(observation);
  for (let round = 0; round < rounds && open.length > 0; round += 1) {
    const found = await Promise.all(open.map(async (reference) => [reference, await visible(context, given, reference)] as const));
    for (const [reference, resource] of found) if (resource !== undefined) inputs.set(reference, resource);
    open = found.flatMap(([, resource]) => (resource === undefined ? [] : referencesOf(resource))).filter((reference) => !inputs.has(reference));
  }
  const forms = new Map<string, Resource>();
  for (const [reference, input] of inputs) {
    const form = input.resourceType === 'QuestionnaireResponse' ? await questionnaireForOutcomes(input, context) : undefined;
    if (form !== undefined) forms.set(reference, form);
  }
  const version = Number(observation.meta?.versionId);
  const before = version > 1 ? await readVersion(context.database, context.visibility, 'Observation', call.id!, version - 1) : undefined;
  const sources = before === undefined ? [] : await sourcesOf(context, given, call.id!, version);
  const person = await subjectAsPerson(context, given, observation);
  await given.log(call);
  const reader = context.visibility.reach.kind === 'patient' ? 'client' : 'clinician';
  return { status: 200, body: JSON.stringify(explanation(observation, {
    registry: context.registry, inputs, forms, reader, person, sources, ...(before === undefined || before.body === null ? {} : { previous: JSON.parse(before.body) as Resource }),
  })) };
}

/** What led to a version, as its Provenance says: the changed resources, as far as the caller may see them. */
async function sourcesOf(context: Context, given: Given, id: string, version: number): Promise<Source[]> {
  if (context.visibility.grants.get('Provenance')?.has('r') !== true) return [];
  const row = await readProvenanceOf(context.database, context.visibility, 'Observation', id, version);
  if (row === undefined) return [];
  given.note([row]);
  return Promise.all(sourcesIn(JSON.parse(row.body) as Resource).map(async (reference): Promise<Source> => {
    const resource = await visible(context, given, reference.replace(/\/_history\/.*/, ''));
    return { reference, ...(resource === undefined ? {} : { resource }) };
  }));
}

const referencesOf = ({ derivedFrom }: Resource): string[] =>
  [...new Set(((derivedFrom ?? []) as { reference?: string }[]).flatMap(({ reference }) => (reference !== undefined && /^(Observation|QuestionnaireResponse)\/[^/]+$/.test(reference) ? [reference] : [])))];

/** A type for which there is no scope is not shown, and is no reason to refuse the rest. */
async function visible({ visibility }: Context, given: Given, reference: string): Promise<Resource | undefined> {
  const [type, id] = reference.split('/') as [string, string];
  if (visibility.grants.get(type)?.has('r') !== true) return undefined;
  const row = await given.row(type, id);
  return row === undefined ? undefined : (JSON.parse(row.body!) as Resource);
}
