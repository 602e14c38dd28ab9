import { parseJson } from '../fhir/json.ts';
import { problem, type Problem } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import { servedType } from '../fhir/types.ts';
import { validate } from '../fhir/validate.ts';
import { operation } from '../operations/operations.ts';
import { refuseErrors } from './accept.ts';
import { accessRows } from './access-log.ts';
import { emergencies, withConsents } from '../store/consents.ts';
import { readAudit, searchAuditEvents } from './audit-events.ts';
import { batch } from './batch.ts';
import { natively } from './binary.ts';
import type { Answer, Context } from './context.ts';
import { create } from './create.ts';
import { conditionalDelete, remove } from './delete.ts';
import { history } from './history.ts';
import { conditionalPatch, patch } from './patch.ts';
import { forgetDefinitions } from './profiles.ts';
import { read } from './read.ts';
import type { Interaction } from './route.ts';
import { systemSearch } from './search-system.ts';
import { searchInteraction } from './search.ts';
import { shaped } from './shape.ts';
import { transaction } from './transaction.ts';
import { conditionalUpdate, update } from './update.ts';
import { vread } from './vread.ts';

/**
 * Carries out one authorized interaction.
 * @param body the request body as text; '' when there is none.
 * @param statusOf the HTTP status of a Problem, for the entries of a batch.
 */
export async function perform(asked: Context, interaction: Interaction, body: string, statusOf: (problem: Problem) => number): Promise<Answer> {
  const visibility = await withConsents(asked.database, asked.visibility);
  const context = visibility === asked.visibility ? asked : { ...asked, visibility, requester: { ...asked.requester, emergencies: emergencies(visibility) } };
  if ('type' in interaction && interaction.type !== undefined && interaction.kind !== 'operation') refuseServiceOnly(interaction);
  const answer = await carriedOut(context, interaction, body, statusOf);
  if (isWrite(interaction)) forgetDefinitions(context, [interaction.type]);
  return answer;
}

async function carriedOut(context: Context, interaction: Interaction, body: string, statusOf: (problem: Problem) => number): Promise<Answer> {
  switch (interaction.kind) {
    case 'read': {
      const { type, id } = interaction;
      return natively(context, type, await shaped(type, interaction.query, async () => (type === 'AuditEvent' ? readAudit(context, id) : read(context, type, id))));
    }
    case 'vread': return natively(context, interaction.type, await shaped(interaction.type, interaction.query, async () => vread(context, interaction.type, interaction.id, interaction.version)));
    case 'create': return create(context, interaction.type, body);
    case 'update': return update(context, interaction.type, interaction.id, body);
    case 'conditional-update': return conditionalUpdate(context, interaction.type, interaction.condition, body);
    case 'patch': return patch(context, interaction.type, interaction.id, body);
    case 'delete': return remove(context, interaction.type, interaction.id);
    case 'conditional-delete': return conditionalDelete(context, interaction.type, interaction.condition);
    case 'history': return history(context, { type: interaction.type, id: interaction.id }, interaction.query);
    case 'search': {
      if (interaction.type === 'AuditEvent') return searchAuditEvents(context, interaction.query, interaction.compartment?.id);
      const plan = parseSearch(interaction.type, interaction.query, { handling: context.prefer.handling, baseUrl: context.baseUrl, compartment: interaction.compartment });
      const { patients, ...answer } = await searchInteraction(context, plan, context.visibility);
      const query = plan.applied.map(([name, value]) => `${name}=${value}`).join('&');
      await context.audit.record(accessRows(context, { interaction: 'search-type', type: interaction.type, query, patients }));
      return answer;
    }
    case 'search-system': return systemSearch(context, interaction.query, interaction.compartment);
    case 'operation': return operation(context, interaction, body);
    case 'bundle': return bundle(context, body, statusOf);
    case 'conditional-patch': return conditionalPatch(context, interaction.type, interaction.condition, body);
    case 'capabilities': return { status: 200, body: context.capabilities };
  }
}

function isWrite(interaction: Interaction): interaction is Extract<Interaction, { kind: 'create' | 'update' | 'patch' | 'delete' | 'conditional-update' | 'conditional-delete' | 'conditional-patch' }> {
  return /^(create|update|patch|delete|conditional-)/.test(interaction.kind);
}

/** Types that only the service writes are read-only for everybody. */
function refuseServiceOnly(interaction: Interaction & { type?: string }): void {
  if (isWrite(interaction) && servedType(interaction.type)?.writtenBy === 'service') {
    throw problem('method-not-allowed', 'not-supported', `${interaction.type} is written by the service itself; it can be read and searched.`, undefined, { allow: 'GET' });
  }
}

async function bundle(context: Context, body: string, statusOf: (problem: Problem) => number): Promise<Answer> {
  const { value, stored } = parseJson(body);
  const type = (value as { resourceType?: unknown; type?: unknown }).type;
  if ((value as { resourceType?: unknown }).resourceType !== 'Bundle' || (type !== 'batch' && type !== 'transaction')) {
    throw problem('malformed', 'invalid', 'POST to the base takes a Bundle of type batch or transaction.', 'Bundle.type');
  }
  const within = (inner: Context, interaction: Interaction, text: string): Promise<Answer> => perform(inner, interaction, text, statusOf);
  refuseErrors(validate(shellOf(value as Record<string, unknown>), 'Bundle'));
  return type === 'batch' ? batch(context, stored, within, statusOf) : transaction(context, () => parseJson(body).stored, within, statusOf);
}

/** The Bundle without its resources: those are checked one by one after their links are resolved. No entries at all are nothing to do. */
function shellOf(value: Record<string, unknown>): Record<string, unknown> {
  const { entry: entries, ...others } = value;
  if (!Array.isArray(entries)) return value;
  if (entries.length === 0) return others;
  return { ...others, entry: entries.map((entry: unknown, at) => {
    if (entry === null || typeof entry !== 'object') return entry;
    if (!('request' in entry)) throw problem('malformed', 'required', 'Every entry of a batch or transaction needs a request with method and url (bdl-3).', `Bundle.entry[${at}].request`);
    const { resource: _resource, ...rest } = entry as Record<string, unknown>;
    return rest;
  }) };
}
