import { processingOrder } from '../fhir/bundle.ts';
import { parseJson } from '../fhir/json.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { grants } from '../fhir/visibility.ts';
import { newId } from '../store/identity.ts';
import { ExistsElsewhere, type Incoming, type WriteRequest, type Written } from '../store/unit.ts';
import { admit } from './accept.ts';
import { etag, versionUrl, writtenStatus } from './answer.ts';
import { conditionPlan } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { patientOf } from './delete.ts';
import { patchIn, patchWrite } from './patch.ts';
import { bounded, each, type Perform } from './several.ts';
import { linkEntries, one, type Places } from './transaction-links.ts';
import { readEntry, refusedEntry, rehearse } from './transaction-reads.ts';
import { atEntry, located, stepsOf, type Step } from './transaction-steps.ts';
import { onlyNew } from './update.ts';

/** A transaction is linked anew when what a create met changed meanwhile: each time others got something done. */
const attempts = 6;

/**
 * transaction (http://hl7.org/fhir/R4/http.html#transaction): all or nothing, in FHIR's order, with links between entries
 * resolved before anything is checked. Reads run after the writes; what can be known of them before is checked before.
 * @param bundle reads the Bundle anew: links are rewritten in it.
 * @param statusOf the HTTP status of a Problem, for a read that only the writes made impossible.
 * @throws Problem of the first entry that is refused, its expression prefixed with `Bundle.entry[n]`; nothing is stored.
 */
export async function transaction(context: Context, bundle: () => unknown, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  if (context.idempotencyKey !== undefined) throw problem('not-supported', 'not-supported', 'Idempotency-Key goes with a single write. In a transaction give each create its request.ifNoneExist.');
  const places: Places = new Map();
  for (let attempt = 1; ; attempt++) {
    const steps = stepsOf(context, bundle() as Resource);
    await linkEntries(context, steps, places);
    const results = await written(context, steps, places);
    if (results !== undefined) return answerOf(context, steps, results, perform, statusOf);
    if (attempt === attempts) throw problem('conflict', 'lock-error', 'Others are writing what the conditions of this transaction match. Try again.', undefined, { 'retry-after': '1' });
  }
}

const reading = new Set(['read', 'vread', 'search', 'history', 'capabilities']);

/** @returns what became of the steps that write; undefined when they must be linked anew. */
async function written(context: Context, steps: readonly Step[], places: Places): Promise<Map<Step, Written> | undefined> {
  const writing = steps.filter(({ interaction }) => !reading.has(interaction.kind));
  const knowing = withFormsOf(context, writing);
  for (const step of writing) step.write = await located(step.at, () => writeOf(knowing, step));
  refuseDoubles(writing);
  const targets = new Set(writing.map(({ write }) => `${write!.type}/${write!.id}`));
  for (const { at, interaction } of steps) await located(at, () => rehearse(context, interaction, targets));
  const ordered = writing.filter(({ sameAs }) => sameAs === undefined).toSorted((a, b) => stagingOrder(a) - stagingOrder(b));
  const results = new Map<Step, Written>();
  if (ordered.length === 0) return results;
  const done = await committed(context, ordered, places);
  if (done === undefined) return undefined;
  for (const [at, step] of ordered.entries()) results.set(step, done[at]!);
  for (const step of writing) if (step.sameAs !== undefined) results.set(step, { ...results.get(step.sameAs)!, outcome: 'existing' });
  if (ordered.some(({ write }) => write!.type === 'Questionnaire')) context.questionnaire.forget();
  return results;
}

async function answerOf(context: Context, steps: readonly Step[], results: ReadonlyMap<Step, Written>, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  const reads = bounded(perform);
  const answers = await each(steps, async (step) => {
    const result = results.get(step);
    if (result !== undefined) return writtenEntry(context, result);
    try {
      return readEntry(await located(step.at, () => reads(context, step.interaction, '')));
    } catch (error) {
      // What is stored is stored: it would not be true that the transaction failed.
      if (error instanceof Problem && results.size > 0) return refusedEntry(error, statusOf);
      throw error;
    }
  });
  return { status: 200, body: `{"resourceType":"Bundle","type":"transaction-response","entry":[${answers.join(',')}]}` };
}

/**
 * FHIR's order of processing. Within it nothing depends on where an entry stands in the Bundle: a Patient is there before
 * what goes into the record, and a Provenance comes after its targets, whether they are created or updated.
 */
function stagingOrder({ entry, write }: Step): number {
  if (entry.method === 'DELETE') return 0;
  return write!.type === 'Patient' ? 1 : write!.type === 'Provenance' ? 9 : 1 + processingOrder(entry.method);
}

async function writeOf(context: Context, step: Step): Promise<WriteRequest> {
  const { entry, interaction } = step;
  const ifMatch = entry.ifMatch === undefined ? {} : { ifMatch: versionOf(entry.ifMatch) };
  switch (interaction.kind) {
    case 'create': {
      const accepted = await admit(incomingOf(entry.resource!), interaction.type, context);
      const ifNoneExist = entry.ifNoneExist === undefined ? {} : { ifNoneExist: conditionPlan(context, interaction.type, entry.ifNoneExist) };
      return { kind: 'create', type: interaction.type, id: step.id!, linked: step.linked!, ...accepted, ...ifNoneExist };
    }
    case 'update': case 'conditional-update': {
      const id = interaction.kind === 'update' ? interaction.id : step.id!;
      const resource = entry.resource!.id === undefined ? { ...entry.resource!, id } : entry.resource!;
      if (resource.id !== id) throw problem('malformed', 'invalid', 'The id of the resource must be the id in request.url.', 'resource.id');
      const accepted = await admit(incomingOf(resource), interaction.type, context);
      // Where nothing matches it is a create under the condition, so that of two transactions at once one creates.
      if (interaction.kind === 'conditional-update' && step.linked === 'new') {
        return { kind: 'create', type: interaction.type, id, linked: 'new', ...accepted, ifNoneExist: conditionPlan(context, interaction.type, interaction.condition) };
      }
      return { kind: 'update', type: interaction.type, id, ...accepted, ...ifMatch, ...onlyNew(entry.ifNoneMatch) };
    }
    case 'patch': return { ...(await patchWrite(context, interaction.type, interaction.id, patchIn(entry.resource))), ...ifMatch };
    case 'delete': return { kind: 'delete', type: interaction.type, id: interaction.id, patient: await patientOf(context, interaction.type, interaction.id), ...ifMatch };
    case 'conditional-delete': {
      const id = (await one(context, interaction.type, interaction.condition, step.at)) ?? newId();
      return { kind: 'delete', type: interaction.type, id, patient: await patientOf(context, interaction.type, id) };
    }
    default: throw problem('not-supported', 'not-supported', 'This interaction cannot be part of a transaction.');
  }
}

/** The context in which a response may answer a Questionnaire that the same Bundle brings, by canonical or by place. */
function withFormsOf(context: Context, steps: readonly Step[]): Context {
  const forms = new Map<string, Resource>();
  for (const { entry: { resource }, interaction, id } of steps) {
    if (resource?.resourceType !== 'Questionnaire') continue;
    const place = id ?? (interaction as { id?: string }).id;
    if (typeof resource['url'] === 'string') forms.set(resource['url'], resource).set(`${resource['url']}|${String(resource['version'])}`, resource);
    if (place !== undefined) forms.set(`Questionnaire/${place}`, resource);
  }
  if (forms.size === 0) return context;
  const find = async (canonical: string): Promise<Resource | undefined> => forms.get(canonical) ?? context.questionnaire(canonical);
  return { ...context, questionnaire: Object.assign(find, { forget: context.questionnaire.forget }) };
}

/** The resource of an entry: links were rewritten in the lossless tree, so the plain one is read from it. */
function incomingOf(resource: Resource): Incoming {
  const parsed = parseJson(JSON.stringify(resource));
  return { value: parsed.value as Resource, stored: parsed.stored };
}

function versionOf(ifMatch: string): number {
  const version = /^(?:W\/)?"?(\d{1,9})"?$/.exec(ifMatch.trim())?.[1];
  if (version === undefined) throw problem('malformed', 'value', 'ifMatch must be an ETag such as W/"3".', 'request.ifMatch');
  return Number(version);
}

function refuseDoubles(steps: readonly Step[]): void {
  const seen = new Map<string, number>();
  for (const { write, at, linked, sameAs } of steps) {
    if (sameAs !== undefined || (write!.kind === 'create' && linked === 'existing')) continue; // it writes nothing
    const key = `${write!.type}/${write!.id}`;
    if (seen.has(key)) throw problem('invalid', 'duplicate', `Entries ${seen.get(key)} and ${at} are about the same resource; a transaction takes one of them.`, `Bundle.entry[${at}]`);
    seen.set(key, at);
  }
}

async function committed(context: Context, ordered: readonly Step[], places: Places): Promise<Written[] | undefined> {
  try {
    return await context.committer.commit({ visibility: context.visibility, requester: context.requester, interaction: 'transaction', writes: ordered.map(({ write }) => write!) });
  } catch (error) {
    const position = (error as { position?: number }).position;
    if (!(error instanceof Problem) || position === undefined) throw error;
    const { at } = ordered[position]!;
    if (!(error instanceof ExistsElsewhere)) throw atEntry(error, at);
    if (error.id === null) places.delete(at);
    else places.set(at, { id: error.id, exists: true });
    return undefined;
  }
}

function writtenEntry(context: Context, written: Written): string {
  const { outcome, version, lastUpdated, body } = written;
  const status = String(writtenStatus(written));
  if (outcome === 'absent') return JSON.stringify({ response: { status } });
  const response = JSON.stringify({ status, ...(outcome === 'deleted' ? {} : { location: versionUrl(context, written) }), etag: etag(version), lastModified: lastUpdated });
  const mayRead = outcome === 'created' || grants(context.visibility, written.type, 'r');
  const resource = context.prefer.return === 'representation' && body !== null && mayRead ? `"resource":${body},` : '';
  return `{"fullUrl":${JSON.stringify(`${context.baseUrl}/${written.type}/${written.id}`)},${resource}"response":${response}}`;
}
