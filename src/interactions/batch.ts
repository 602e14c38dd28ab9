import { authorize } from '../auth/decide.ts';
import { entriesOf, type Entry } from '../fhir/bundle.ts';
import { operationOutcome, problem, Problem, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { recordRefusal } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import { patchIn } from './patch.ts';
import { route, verbOf, type Interaction } from './route.ts';
import { modified, readEntry, refusedEntry } from './transaction-reads.ts';
import { bounded, each, isReading, type Perform } from './several.ts';
import { entryContext, largestBundle, splitUrl } from './transaction-steps.ts';

/**
 * batch (http://hl7.org/fhir/R4/http.html#transaction): each entry is a request of its own; one that is refused leaves the
 * others alone. They run in their order, those at once that `runsOf` puts together. The response mirrors the order.
 * @param statusOf the HTTP status that belongs to a Problem's kind.
 */
export async function batch(context: Context, stored: unknown, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  const entries = entriesOf(stored as Resource);
  if (entries.length > largestBundle) throw problem('too-large', 'too-costly', `A Bundle takes ${largestBundle} entries at most; split it.`, 'Bundle.entry');
  const performing = bounded(perform);
  const names = new Set(entries.flatMap(({ fullUrl }) => (fullUrl?.startsWith('urn:') === true ? [fullUrl] : [])));
  const answers: string[] = [];
  for (const run of runsOf(entries)) answers.push(...await each(run, (entry) => one(context, entry, names, performing, statusOf)));
  return { status: 200, body: `{"resourceType":"Bundle","type":"batch-response"${answers.length === 0 ? '' : `,"entry":[${answers.join(',')}]`}}` };
}

/**
 * Parts entries into runs whose entries may run at the same time: reads that follow each other, and writes of one kind to
 * different places of one type. A Patient is there before the Observations that follow it, and gone after those before it.
 */
function runsOf(entries: readonly Entry[]): Entry[][] {
  const runs: Entry[][] = [];
  let kind = '';
  const places = new Set<string>();
  for (const entry of entries) {
    const reads = entry.method === 'GET' || entry.method === 'HEAD';
    const own = reads ? 'read' : `${entry.method} ${/[A-Z][A-Za-z]+/.exec(entry.url)?.[0] ?? ''}`;
    const again = entry.method !== 'POST' && !reads && places.has(entry.url);
    if (own !== kind || again) {
      runs.push([]);
      places.clear();
      kind = own;
    }
    places.add(entry.url);
    runs.at(-1)!.push(entry);
  }
  return runs;
}

/** @throws Problem `invalid` for what refers to another entry: only a transaction knows what becomes of it. */
function refuseLinks(sent: string, names: ReadonlySet<string>, own: string | undefined): void {
  if (names.size === 0) return;
  for (const [, name] of sent.matchAll(/"(urn:(?:uuid|oid):[^"\\]{1,200})"/g)) {
    if (name !== own && names.has(name!)) throw problem('invalid', 'business-rule', 'The entries of a batch cannot refer to each other: send a transaction.', 'resource');
  }
}

async function one(context: Context, entry: Entry, names: ReadonlySet<string>, perform: Perform, statusOf: (problem: Problem) => number): Promise<string> {
  let interaction: Interaction | undefined;
  try {
    const [path, query] = splitUrl(entry.url, context.baseUrl);
    interaction = route(entry.method, path, query);
    if (interaction.kind === 'bundle') throw problem('not-supported', 'not-supported', 'A batch cannot hold another batch.');
    const needs = verbOf(interaction);
    if (needs !== null) authorize(context.visibility, needs.type, needs.verb);
    const sent = /^(conditional-)?patch$/.test(interaction.kind) ? patchIn(entry.resource) : entry.resource === undefined ? '' : JSON.stringify(entry.resource);
    refuseLinks(sent, names, entry.fullUrl);
    const answer = await perform(entryContext(context, entry), interaction, sent);
    return isReading(interaction) ? readEntry(entry.method, answer) : writtenEntry(context, answer);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (interaction !== undefined) await recordRefusal(context, interaction, error);
    return refusedEntry(error, statusOf);
  }
}

/** The entry for a write, with what `Prefer: return` of the whole request asks for; a write by itself would bring the resource. */
function writtenEntry(context: Context, { status, headers, body, remarks = () => [] }: Answer): string {
  const link = headers?.['link'];
  const message: Issue[] = link === undefined ? [] : [{ severity: 'information', code: 'informational', text: `There is a message for the client, to be shown at once: ${link}` }];
  const asked = body !== undefined && context.prefer.return === 'OperationOutcome' ? (JSON.parse(body) as unknown) : undefined;
  const issues = asked === undefined ? [...message, ...remarks()] : [];
  const told = asked !== undefined ? { outcome: asked } : issues.length > 0 ? { outcome: operationOutcome(issues) } : {};
  const response = JSON.stringify({
    status: String(status), ...(headers?.['location'] === undefined ? {} : { location: headers['location'] }),
    ...(headers?.['etag'] === undefined ? {} : { etag: headers['etag'] }), ...modified(headers), ...told,
  });
  return `{${body !== undefined && context.prefer.return === 'representation' ? `"resource":${body},` : ''}"response":${response}}`;
}
