import { operationOutcome, problem, Problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import { readNewest } from '../store/read.ts';
import type { Answer, Context } from './context.ts';
import type { Interaction } from './route.ts';
import { systemPlan } from './search-system.ts';

/**
 * Refuses a read of a transaction before anything is written, where its answer can be known then: all or nothing covers the
 * reads too, and they run after the writes are stored.
 * @param written `Type/id` of what the transaction itself writes.
 * @throws Problem as the read would.
 */
export async function rehearse(context: Context, interaction: Interaction, written: ReadonlySet<string>): Promise<void> {
  if (interaction.kind === 'search') {
    parseSearch(interaction.type, interaction.query, { handling: context.prefer.handling, baseUrl: context.baseUrl, compartment: interaction.compartment });
  } else if (interaction.kind === 'search-system') {
    systemPlan(context, interaction.query, interaction.compartment);
  } else if (interaction.kind === 'read' && interaction.type !== 'AuditEvent' && !written.has(`${interaction.type}/${interaction.id}`)) {
    const row = await readNewest(context.database, context.visibility, interaction.type, interaction.id);
    if (row === undefined) throw problem('not-found', 'not-found', `No such ${interaction.type}.`);
    if (row.body === null) throw problem('gone', 'deleted', `This ${interaction.type} was deleted.`);
  }
}

/** The entry of a response Bundle for something that was read; HEAD brings no resource. */
export function readEntry(method: string, { status, headers, body }: Answer): string {
  const response = JSON.stringify({ status: String(status), ...(headers?.['etag'] === undefined ? {} : { etag: headers['etag'] }), ...modified(headers) });
  return `{${body === undefined || method === 'HEAD' ? '' : `"resource":${body},`}"response":${response}}`;
}

/** Bundle.entry.response.lastModified, an instant where HTTP has a date. */
export function modified(headers: Answer['headers']): { lastModified?: string } {
  const date = headers?.['last-modified'];
  return date === undefined ? {} : { lastModified: new Date(date).toISOString() };
}

/** The entry of a response Bundle for something that was refused by itself. */
export function refusedEntry(refusal: Problem, statusOf: (problem: Problem) => number): string {
  return JSON.stringify({ response: { status: String(statusOf(refusal)), outcome: operationOutcome(refusal.issues) } });
}
