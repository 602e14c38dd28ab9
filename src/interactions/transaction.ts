import { processingOrder } from '../fhir/bundle.ts';
import { parseJson } from '../fhir/json.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { ExistsElsewhere, type Condition, type Incoming, type WriteRequest, type Written } from '../store/unit.ts';
import { admit, meetKept } from './accept.ts';
import { etag, mayRead, storedOutcome, versionUrl, writtenStatus } from './answer.ts';
import { conditionPlan, whileItHolds } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { conditionalDeleteOf, conditionalDeletes, patientOf } from './delete.ts';
import { conditionalPatchWrite, patchIn, patchWrite } from './patch.ts';
import { forgetDefinitions } from './profiles.ts';
import { listsIn, withAnswerLists } from './questionnaires.ts';
import { bounded, each, isReading, type Perform } from './several.ts';
import { linkEntries, type Places } from './transaction-links.ts';
import { readEntry, refusedEntry, rehearse } from './transaction-reads.ts';
import { atEntry, entryContext, located, stepsOf, type Step } from './transaction-steps.ts';
import { conditionalPut, onlyNew } from './update.ts';
import { uncoded, warnings } from './warnings.ts';

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
  return whileItHolds(async () => {
    const steps = stepsOf(context, bundle() as Resource);
    const references = await linkEntries(context, steps, places);
    const results = await written(context, steps, references, places);
    return answerOf(context, steps, results, perform, statusOf);
  });
}

/** @returns what became of the steps that write. @throws ExistsElsewhere when they must be linked anew. */
async function written(context: Context, steps: readonly Step[], references: readonly Condition[], places: Places): Promise<Map<Step, readonly Written[]>> {
  const writing = steps.filter(({ interaction }) => !isReading(interaction));
  const knowing = withFormsOf(context, writing);
  await each(writing, async (step) => {
    step.writes = await located(step.at, () => writesOf(entryContext(knowing, step.entry), step));
  });
  refuseDoubles(writing);
  const targets = new Set(writing.flatMap(({ writes }) => writes!.map(({ type, id }) => `${type}/${id}`)));
  await each(steps, ({ at, interaction }) => located(at, () => rehearse(context, interaction, targets)));
  const ordered = writing.filter(({ sameAs }) => sameAs === undefined).toSorted((a, b) => stagingOrder(a) - stagingOrder(b));
  const done = await committed(context, ordered, references, places);
  const results = new Map<Step, readonly Written[]>();
  let next = 0;
  for (const step of ordered) results.set(step, done.slice(next, (next += step.writes!.length)));
  for (const step of writing) if (step.sameAs !== undefined) results.set(step, [{ ...results.get(step.sameAs)![0]!, outcome: 'existing' }]);
  forgetDefinitions(context, new Set(ordered.flatMap(({ writes }) => writes!.map(({ type }) => type))));
  return results;
}

async function answerOf(context: Context, steps: readonly Step[], results: ReadonlyMap<Step, readonly Written[]>, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  const reads = bounded(perform);
  const answers = await each(steps, async (step) => {
    const { entry, interaction } = step;
    const result = results.get(step);
    if (result !== undefined) return result.length === 1 ? writtenEntry(context, result[0]!, step.writes![0]!) : '{"response":{"status":"204"}}';
    try {
      const body = interaction.kind === 'operation' && entry.resource !== undefined ? JSON.stringify(entry.resource) : '';
      return readEntry(entry.method, await located(step.at, () => reads(entryContext(context, entry), interaction, body)));
    } catch (error) {
      // What is stored is stored: it would not be true that the transaction failed.
      if (error instanceof Problem && results.size > 0) return refusedEntry(error, statusOf);
      throw error;
    }
  });
  return { status: 200, body: `{"resourceType":"Bundle","type":"transaction-response"${answers.length === 0 ? '' : `,"entry":[${answers.join(',')}]`}}` };
}

/**
 * FHIR's order of processing. Within it nothing depends on where an entry stands in the Bundle: a Patient is there before
 * what goes into the record, and a Provenance comes after its targets, whether they are created or updated.
 */
function stagingOrder({ entry, writes }: Step): number {
  if (entry.method === 'DELETE') return 0;
  const type = writes![0]!.type;
  return type === 'Patient' ? 1 : type === 'Provenance' ? 9 : 1 + processingOrder(entry.method);
}

/** What an entry that writes asks for. @param context with the conditional headers of the entry. */
async function writesOf(context: Context, step: Step): Promise<WriteRequest[]> {
  const { entry, interaction } = step;
  const ifMatch = context.ifMatch === undefined ? {} : { ifMatch: context.ifMatch };
  switch (interaction.kind) {
    case 'create': {
      const accepted = await admit(incomingOf(entry.resource!), interaction.type, context);
      return [{ kind: 'create', type: interaction.type, id: step.id!, linked: step.linked!, ...accepted, ...(step.plan === undefined ? {} : { ifNoneExist: step.plan }) }];
    }
    case 'update': {
      const { type, id } = interaction;
      const resource = entry.resource!.id === undefined ? { ...entry.resource!, id } : entry.resource!;
      if (resource.id !== id) throw problem('malformed', 'invalid', 'The id of the resource must be the id in request.url.', 'resource.id');
      const accepted = await admit(incomingOf(resource), type, context);
      await meetKept(context, type, id, accepted);
      return [{ kind: 'update', type, id, ...accepted, ...ifMatch, ...onlyNew(entry.ifNoneMatch) }];
    }
    case 'conditional-update': {
      const accepted = await admit(incomingOf(entry.resource!), interaction.type, context);
      if (step.match !== undefined) await meetKept(context, interaction.type, step.match, accepted);
      return [conditionalPut({ type: interaction.type, plan: step.plan!, match: step.match, newId: step.id!, accepted, ifMatch: context.ifMatch, ifNoneMatch: entry.ifNoneMatch })];
    }
    case 'patch': return [{ ...(await patchWrite(context, interaction.type, interaction.id, patchIn(entry.resource))), ...ifMatch }];
    case 'conditional-patch': return [{ ...(await conditionalPatchWrite(context, interaction.type, await conditionPlan(context, interaction.type, interaction.condition), patchIn(entry.resource))), ...ifMatch }];
    case 'delete': return [{ kind: 'delete', type: interaction.type, id: interaction.id, patient: await patientOf(context, interaction.type, interaction.id), ...ifMatch }];
    case 'conditional-delete': return conditionalDeletes(context, interaction.type, await conditionalDeleteOf(context, interaction.type, interaction.condition), context.ifMatch);
    default: throw problem('not-supported', 'not-supported', 'This interaction cannot be part of a transaction.');
  }
}

/** The context in which a response may answer a Questionnaire that the same Bundle brings, by canonical or by place, with the lists of its answers. */
function withFormsOf(context: Context, steps: readonly Step[]): Context {
  const forms = new Map<string, Resource>();
  const lists = new Map<string, Resource>();
  for (const { entry: { resource }, interaction, id } of steps) {
    if (resource?.resourceType === 'ValueSet' || resource?.resourceType === 'CodeSystem') lists.set(`${resource.resourceType}/${String(resource['url'])}`, resource);
    if (resource?.resourceType !== 'Questionnaire') continue;
    const place = id ?? (interaction as { id?: string }).id;
    if (typeof resource['url'] === 'string') forms.set(resource['url'], resource).set(`${resource['url']}|${String(resource['version'])}`, resource);
    if (place !== undefined) forms.set(`Questionnaire/${place}`, resource);
  }
  if (forms.size === 0) return context;
  const stored = listsIn(context.database);
  // Every response of the Bundle asks; its lists are looked for once.
  const whole = new Map<Resource, Promise<Resource>>();
  const find = async (canonical: string): Promise<Resource | undefined> => {
    const form = forms.get(canonical);
    if (form === undefined) return context.questionnaire(canonical);
    const found = whole.get(form) ?? withAnswerLists(form, async (type, url) => lists.get(`${type}/${url.split('|', 1)[0]!}`) ?? stored(type, url));
    whole.set(form, found);
    return found;
  };
  return { ...context, questionnaire: Object.assign(find, { forget: context.questionnaire.forget }) };
}

/** The resource of an entry: links were rewritten in the lossless tree, so the plain one is read from it. */
function incomingOf(resource: Resource): Incoming {
  const parsed = parseJson(JSON.stringify(resource));
  return { value: parsed.value as Resource, stored: parsed.stored };
}

function refuseDoubles(steps: readonly Step[]): void {
  const seen = new Map<string, number>();
  for (const { writes, at, linked, sameAs } of steps) {
    if (sameAs !== undefined || linked === 'existing') continue; // it writes nothing
    for (const { type, id } of writes!) {
      const key = `${type}/${id}`;
      if (seen.has(key)) throw problem('invalid', 'duplicate', `Entries ${seen.get(key)} and ${at} are about the same resource; a transaction takes one of them.`, `Bundle.entry[${at}]`);
      seen.set(key, at);
    }
  }
}

async function committed(context: Context, ordered: readonly Step[], references: readonly Condition[], places: Places): Promise<Written[]> {
  const writes = ordered.flatMap((step) => step.writes!);
  if (writes.length === 0) return [];
  try {
    return await context.committer.commit({ visibility: context.visibility, requester: context.requester, interaction: 'transaction', writes, references });
  } catch (error) {
    const position = (error as { position?: number }).position;
    if (!(error instanceof Problem) || position === undefined) throw error;
    const { at } = ordered.flatMap((step) => step.writes!.map(() => step))[position]!;
    if (!(error instanceof ExistsElsewhere)) throw atEntry(error, at);
    if (error.id === null) places.delete(at);
    else places.set(at, { id: error.id, exists: true });
    throw error;
  }
}

function writtenEntry(context: Context, written: Written, write: WriteRequest): string {
  const { outcome, version, lastUpdated, body } = written;
  const status = String(writtenStatus(written));
  if (outcome === 'absent') return JSON.stringify({ response: { status } });
  const isAsked = context.prefer.return === 'OperationOutcome';
  const remarks = !('incoming' in write) ? [] : isAsked ? warnings(write, context.registry) : uncoded(write, context.registry);
  const told = isAsked || written.clientMessage !== undefined || remarks.length > 0 ? { outcome: storedOutcome(written, remarks) } : {};
  const response = JSON.stringify({ status, ...(outcome === 'deleted' ? {} : { location: versionUrl(context, written) }), etag: etag(version), lastModified: lastUpdated, ...told });
  const resource = context.prefer.return === 'representation' && body !== null && mayRead(context.visibility, written) ? `"resource":${body},` : '';
  return `{"fullUrl":${JSON.stringify(`${context.baseUrl}/${written.type}/${written.id}`)},${resource}"response":${response}}`;
}
