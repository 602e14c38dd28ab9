import { authorize } from '../auth/decide.ts';
import { entriesOf, type Entry } from '../fhir/bundle.ts';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Answer, Context } from './context.ts';
import { patchIn } from './patch.ts';
import { route, verbOf } from './route.ts';
import { refusedEntry } from './transaction-reads.ts';
import { bounded, each, type Perform } from './several.ts';
import { largestBundle, splitUrl } from './transaction-steps.ts';

/**
 * batch (http://hl7.org/fhir/R4/http.html#transaction): each entry is a request of its own; one that is refused leaves the
 * others alone. The response mirrors the order.
 * @param statusOf the HTTP status that belongs to a Problem's kind.
 */
export async function batch(context: Context, stored: unknown, perform: Perform, statusOf: (problem: Problem) => number): Promise<Answer> {
  const entries = entriesOf(stored as Resource);
  if (entries.length > largestBundle) throw problem('too-large', 'too-costly', `A Bundle takes ${largestBundle} entries at most; split it.`, 'Bundle.entry');
  const performing = bounded(perform);
  const answers = await each(entries, (entry) => one(context, entry, performing, statusOf));
  return { status: 200, body: `{"resourceType":"Bundle","type":"batch-response","entry":[${answers.join(',')}]}` };
}

async function one(context: Context, entry: Entry, perform: Perform, statusOf: (problem: Problem) => number): Promise<string> {
  try {
    const [path, query] = splitUrl(entry.url, context.baseUrl);
    const interaction = route(entry.method, path, query);
    if (interaction.kind === 'bundle') throw problem('not-supported', 'not-supported', 'A batch cannot hold another batch.');
    const needs = verbOf(interaction);
    if (needs !== null) authorize(context.visibility, needs.type, needs.verb);
    const sent = interaction.kind === 'patch' ? patchIn(entry.resource) : entry.resource === undefined ? '' : JSON.stringify(entry.resource);
    const { status, headers, body } = await perform(headersOf(context, entry), interaction, sent);
    const response = JSON.stringify({ status: String(status), ...(headers?.['location'] === undefined ? {} : { location: headers['location'] }), ...(headers?.['etag'] === undefined ? {} : { etag: headers['etag'] }) });
    const shown = body !== undefined && (entry.method === 'GET' || context.prefer.return === 'representation');
    return `{${shown ? `"resource":${body},` : ''}"response":${response}}`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return refusedEntry(error, statusOf);
  }
}

/** The conditional headers of an entry are its own; those of the surrounding request are not inherited. */
function headersOf(context: Context, entry: Entry): Context {
  const version = entry.ifMatch === undefined ? undefined : /^(?:W\/)?"?(\d{1,9})"?$/.exec(entry.ifMatch.trim())?.[1];
  if (entry.ifMatch !== undefined && version === undefined) throw problem('malformed', 'value', 'ifMatch must be an ETag such as W/"3".', 'request.ifMatch');
  return {
    ...context,
    idempotencyKey: undefined,
    ifMatch: version === undefined ? undefined : Number(version),
    ifNoneExist: entry.ifNoneExist,
    ifNoneMatch: entry.ifNoneMatch,
    ifModifiedSince: entry.ifModifiedSince,
  };
}
