import type { Problem } from '../fhir/outcome.ts';
import type { AuditRow } from '../store/effects.ts';
import { newId } from '../store/identity.ts';
import type { Context } from './context.ts';
import type { Interaction } from './route.ts';

/** What was looked at or done. */
export interface Access {
  /** A RESTful interaction, `$name` of an operation, or what the authorization server did: `login`, `token` (src/auth/authorization-event.ts). */
  readonly interaction: string;
  /** Not given: E for a search and an operation (IHE BALP), R for what else is not said. */
  readonly action?: AuditRow['action'];
  readonly outcome?: AuditRow['outcome'];
  readonly type?: string;
  readonly id?: string;
  readonly version?: number;
  /** Of a search: its parameters. */
  readonly query?: string;
  /** Patients (rid) whose record was shown: one row each; none: one row without a patient. */
  readonly patients?: readonly (bigint | null)[];
  /** Code of v3-ActReason that the caller stated. */
  readonly purpose?: string;
}

/** Rows of the access log for one request: one for each patient concerned (IHE BALP). */
export function accessRows(context: Pick<Context, 'requester'>, access: Access): AuditRow[] {
  const { requester } = context;
  const patients = [...new Set((access.patients ?? []).filter((patient) => patient !== null))];
  return (patients.length === 0 ? [null] : patients).map((patient) => ({
    id: newId(),
    interaction: access.interaction,
    action: access.action ?? (/^[$]|^search/.test(access.interaction) ? 'E' : 'R'),
    outcome: access.outcome ?? '0',
    client: requester.client,
    agent: requester.agent ?? null,
    patient,
    entityType: access.type ?? null,
    entityId: access.id ?? null,
    version: access.version ?? null,
    query: access.query === undefined ? null : `${access.type ?? ''}?${access.query}`,
    requestId: requester.requestId,
    address: requester.address ?? null,
    purpose: access.purpose ?? (patient === null ? null : requester.emergencies?.get(patient) ?? null),
  }));
}

/** The interactions of a route whose name is another one in the log (http://hl7.org/fhir/R4/codesystem-restful-interaction.html). */
const logged: Readonly<Record<string, string>> = { 'conditional-update': 'update', 'conditional-patch': 'patch', 'conditional-delete': 'delete', bundle: 'batch' };

/**
 * Logs an attempt that was refused: without the right, or for what is not there for this caller. Any other refusal (a request
 * that could not be understood, a conflict) is no attempt at anything.
 */
export async function recordRefusal(context: Pick<Context, 'audit' | 'requester'>, asked: Interaction, refusal: Problem): Promise<void> {
  if (refusal.kind !== 'forbidden' && refusal.kind !== 'not-found') return;
  const { type, id } = asked as { type?: string; id?: string };
  const interaction = asked.kind === 'operation' ? `$${asked.name}` : logged[asked.kind] ?? asked.kind;
  await context.audit.record(accessRows(context, { interaction: interaction.slice(0, 64), type, id, outcome: '4', action: 'E' }));
}

/** Rows a second at most about requests without a token that holds: anybody can send them, and must not fill the disk. */
const strangersPerSecond = 20;
let strangers = { since: 0, rows: 0 };

/** Logs a request that came without a token that holds. Never the reason for another answer. */
export async function recordStranger(audit: Context['audit'], { requestId, address }: Pick<Context['requester'], 'requestId' | 'address'>): Promise<void> {
  const now = performance.now();
  if (now - strangers.since > 1000) strangers = { since: now, rows: 0 };
  if (++strangers.rows > strangersPerSecond) return;
  await audit.record(accessRows({ requester: { client: 'unknown', requestId, address } }, { interaction: 'login', action: 'E', outcome: '4' })).catch(() => undefined);
}
