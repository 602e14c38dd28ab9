import type { AuditRow } from '../store/effects.ts';
import { newId } from '../store/identity.ts';
import type { Context } from './context.ts';

/** What was looked at. */
export interface Access {
  readonly interaction: string;
  readonly action?: AuditRow['action'];
  readonly outcome?: AuditRow['outcome'];
  readonly type?: string;
  readonly id?: string;
  readonly version?: number;
  readonly query?: string;
  /** Patients (rid) whose record was shown: one row each; none: one row without a patient. */
  readonly patients?: readonly (bigint | null)[];
}

/** Rows of the access log for one request: one for each patient concerned (IHE BALP). */
export function accessRows(context: Pick<Context, 'requester'>, access: Access): AuditRow[] {
  const { requester } = context;
  const patients = [...new Set((access.patients ?? []).filter((patient) => patient !== null))];
  return (patients.length === 0 ? [null] : patients).map((patient) => ({
    id: newId(),
    interaction: access.interaction,
    action: access.action ?? 'R',
    outcome: access.outcome ?? '0',
    client: requester.client,
    agent: requester.agent ?? null,
    patient,
    entityType: access.type ?? null,
    entityId: access.id ?? null,
    version: access.version ?? null,
    query: access.query ?? null,
    requestId: requester.requestId,
    address: requester.address ?? null,
  }));
}
