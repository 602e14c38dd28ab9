import { authorize } from '../auth/decide.ts';
import { conditionalReferences, entriesOf, processingOrder, resolveLinks, type Entry } from '../fhir/bundle.ts';
import { parseJson } from '../fhir/json.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { servedType } from '../fhir/types.ts';
import { newId } from '../store/identity.ts';
import { matching } from '../store/search.ts';
import type { Incoming, WriteRequest, Written } from '../store/unit.ts';
import { admit } from './accept.ts';
import { etag, versionUrl, writtenStatus } from './answer.ts';
import { conditionPlan } from './condition.ts';
import type { Answer, Context } from './context.ts';
import { patientOf } from './delete.ts';
import { patchIn, patchWrite } from './patch.ts';
import { route, verbOf, type Interaction } from './route.ts';
import { readEntry, refusedEntry, rehearse } from './transaction-reads.ts';

/** Entries of one Bundle at most; 413 beyond. */
export const largestBundle = 5000;

/** Runs an interaction that only reads; given by the caller so that this file need not know every interaction. */
export type Perform = (context: Context, interaction: Interaction, body: string) => Promise<Answer>;

interface Step { readonly entry: Entry; readonly at: number; readonly interaction: Interaction; id?: string; write?: WriteRequest }

/**
 * transaction (http://hl7.org/fhir/R4/http.html#transaction): all or nothing, in FHIR's order, with links between entries
 * resolved before anything is checked. Reads run after the writes; what can be known of them before is checked before.
 * @param statusOf the HTTP status of a Problem, for a read that only the writes made impossible.
 * @throws Problem of the first entry that is refused, its expression prefixed with `Bundle.entry[n]`; nothing is stored.
 */
export async function transaction(context: Context, stored: unknown, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  if (context.idempotencyKey !== undefined) throw problem('not-supported', 'not-supported', 'Idempotency-Key goes with a single write. In a transaction give each create its request.ifNoneExist.');
  const steps = stepsOf(context, stored as Resource);
  await linkEntries(context, steps);
  const writing = steps.filter(({ interaction }) => interaction.kind !== 'read' && interaction.kind !== 'search' && interaction.kind !== 'vread' && interaction.kind !== 'history' && interaction.kind !== 'capabilities');
  const knowing = withFormsOf(context, writing);
  for (const step of writing) step.write = await located(step.at, () => writeOf(knowing, step));
  refuseDoubles(writing);
  const written = new Set(writing.map(({ write }) => `${write!.type}/${write!.id}`));
  for (const { at, interaction } of steps) await located(at, () => rehearse(context, interaction, written));
  const ordered = writing.toSorted((a, b) => stagingOrder(a) - stagingOrder(b));
  const results = new Map<Step, Written>();
  if (ordered.length > 0) {
    const done = await committed(context, ordered);
    for (const [at, step] of ordered.entries()) results.set(step, done[at]!);
    if (ordered.some(({ write }) => write!.type === 'Questionnaire')) context.questionnaire.forget();
  }
  const answers = await Promise.all(steps.map(async (step) => {
    const result = results.get(step);
    if (result !== undefined) return writtenEntry(context, result);
    try {
      return readEntry(await located(step.at, () => perform(context, step.interaction, '')));
    } catch (error) {
      // What is stored is stored: it would not be true that the transaction failed.
      if (error instanceof Problem && ordered.length > 0) return refusedEntry(error, statusOf);
      throw error;
    }
  }));
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

function stepsOf(context: Context, bundle: Resource): Step[] {
  const entries = entriesOf(bundle);
  if (entries.length > largestBundle) throw problem('too-large', 'too-costly', `A Bundle takes ${largestBundle} entries at most; split it.`, 'Bundle.entry');
  return entries.map((entry, at) => located(at, () => {
    const [path, query] = splitUrl(entry.url, context.baseUrl);
    const interaction = route(entry.method, path, query);
    const needs = verbOf(interaction);
    if (needs === null) throw problem('not-supported', 'not-supported', 'An entry is a read, search, create, update, patch or delete.');
    authorize(context.visibility, needs.type, needs.verb);
    if ((entry.method === 'POST' || entry.method === 'PUT') && !isObject(entry.resource)) throw problem('malformed', 'required', 'This entry needs a resource.', 'resource');
    return { entry, at, interaction, ...(interaction.kind === 'create' ? { id: newId() } : {}) };
  }));
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Path and query of an entry's url, which is relative to the base or absolute on this base. */
export function splitUrl(url: string, baseUrl: string): [path: string, query: string] {
  const relative = url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length + 1) : url.replace(/^\//, '');
  const mark = relative.indexOf('?');
  return mark < 0 ? [relative, ''] : [relative.slice(0, mark), relative.slice(mark + 1)];
}

/** Gives every entry that creates or updates its place, then rewrites the links that other entries hold to it. */
async function linkEntries(context: Context, steps: readonly Step[]): Promise<void> {
  const links = new Map<string, string>();
  for (const step of steps) {
    const { entry, interaction } = step;
    if (interaction.kind === 'create') {
      const match = entry.ifNoneExist === undefined ? undefined : await one(context, interaction.type, entry.ifNoneExist, step.at);
      place(links, entry, `${interaction.type}/${match ?? step.id}`);
    } else if (interaction.kind === 'update') place(links, entry, `${interaction.type}/${interaction.id}`);
    else if (interaction.kind === 'conditional-update') {
      step.id = (await one(context, interaction.type, interaction.condition, step.at)) ?? entry.resource?.id ?? newId();
      place(links, entry, `${interaction.type}/${step.id}`);
    }
  }
  for (const { entry, at } of steps) for (const reference of conditionalReferences(entry.resource)) {
    if (links.has(reference)) continue;
    const type = reference.slice(0, reference.indexOf('?'));
    const id = servedType(type) === undefined ? undefined : await one(context, type, reference, at);
    if (id === undefined) throw located(at, () => { throw problem('precondition-failed', 'not-found', 'A conditional reference matches nothing.', 'resource'); });
    links.set(reference, `${type}/${id}`);
  }
  if (links.size > 0) for (const { entry } of steps) resolveLinks(entry.resource, links);
}

function place(links: Map<string, string>, entry: Entry, reference: string): void {
  if (entry.fullUrl !== undefined && entry.fullUrl !== '') links.set(entry.fullUrl, reference);
}

async function one(context: Context, type: string, condition: string, at: number): Promise<string | undefined> {
  return located(at, async () => {
    const rows = await matching(context.database, conditionPlan(context, type, condition), context.visibility, 2);
    if (rows.length > 1) throw problem('precondition-failed', 'multiple-matches', 'The condition matches several resources; make it more specific.', 'request');
    return rows[0]?.id;
  });
}

async function writeOf(context: Context, step: Step): Promise<WriteRequest> {
  const { entry, interaction } = step;
  const ifMatch = entry.ifMatch === undefined ? {} : { ifMatch: versionOf(entry.ifMatch) };
  switch (interaction.kind) {
    case 'create': {
      const accepted = await admit(incomingOf(entry.resource!), interaction.type, context);
      const ifNoneExist = entry.ifNoneExist === undefined ? {} : { ifNoneExist: conditionPlan(context, interaction.type, entry.ifNoneExist) };
      return { kind: 'create', type: interaction.type, id: step.id!, ...accepted, ...ifNoneExist };
    }
    case 'update': case 'conditional-update': {
      const id = interaction.kind === 'update' ? interaction.id : step.id!;
      const resource = entry.resource!.id === undefined ? { ...entry.resource!, id } : entry.resource!;
      if (resource.id !== id) throw problem('malformed', 'invalid', 'The id of the resource must be the id in request.url.', 'resource.id');
      return { kind: 'update', type: interaction.type, id, ...(await admit(incomingOf(resource), interaction.type, context)), ...ifMatch };
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
  for (const { write, at } of steps) {
    const key = `${write!.type}/${write!.id}`;
    if (seen.has(key)) throw problem('invalid', 'duplicate', `Entries ${seen.get(key)} and ${at} are about the same resource; a transaction takes one of them.`, `Bundle.entry[${at}]`);
    seen.set(key, at);
  }
}

async function committed(context: Context, ordered: readonly Step[]): Promise<Written[]> {
  try {
    return await context.committer.commit({ visibility: context.visibility, requester: context.requester, interaction: 'transaction', writes: ordered.map(({ write }) => write!) });
  } catch (error) {
    const position = (error as { position?: number }).position;
    if (error instanceof Problem && position !== undefined) throw atEntry(error, ordered[position]!.at);
    throw error;
  }
}

/** Runs `work` and says of a refusal which entry it is about. */
function located<T>(at: number, work: () => T): T {
  const rethrow = (error: unknown): never => { throw error instanceof Problem ? atEntry(error, at) : error; };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(rethrow) as T) : result;
  } catch (error) {
    return rethrow(error);
  }
}

function atEntry(error: Problem, at: number): Problem {
  if (error.issues[0]?.expression?.startsWith('Bundle.entry[')) return error;
  const issues = error.issues.map((issue) => {
    const inner = issue.expression;
    const path = inner === undefined ? '' : /^(request|resource)\b/.test(inner) ? `.${inner}` : `.resource.${inner.replace(/^[A-Z][A-Za-z]*\.?/, '')}`.replace(/\.$/, '');
    return { ...issue, expression: `Bundle.entry[${at}]${path}` };
  });
  return new Problem(error.kind, issues, { ...error.headers });
}

function writtenEntry(context: Context, written: Written): string {
  const { outcome, version, lastUpdated, body } = written;
  const status = String(writtenStatus(written));
  if (outcome === 'absent') return JSON.stringify({ response: { status } });
  const response = JSON.stringify({ status, ...(outcome === 'deleted' ? {} : { location: versionUrl(context, written) }), etag: etag(version), lastModified: lastUpdated });
  const resource = context.prefer.return === 'representation' && body !== null ? `"resource":${body},` : '';
  return `{"fullUrl":${JSON.stringify(`${context.baseUrl}/${written.type}/${written.id}`)},${resource}"response":${response}}`;
}
