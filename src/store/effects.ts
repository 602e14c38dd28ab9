import type { IndexRows } from '../fhir/index-rows.ts';
import type { RecordEntry } from '../outcomes/record-entry.ts';

/** One row of `resource` to be inserted. */
export interface Version {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly rid: bigint;
  readonly live: boolean;
  /** C created by POST, P created by PUT, U updated, D deleted. */
  readonly method: 'C' | 'P' | 'U' | 'D';
  readonly restricted: boolean;
  readonly private: boolean;
  readonly patient: bigint | null;
  readonly status: string | null;
  readonly dateLow: string | null;
  readonly dateHigh: string | null;
  readonly lastUpdated: string;
  readonly body: string | null;
}

/** A live version that gives way; the update counts these, so a version that somebody else replaced first is noticed. */
export interface Superseded { readonly type: string; readonly rid: bigint; readonly version: number }

export interface IndexChange { readonly rid: bigint; readonly patient: bigint | null; readonly added: IndexRows; readonly removed: IndexRows }

export interface EntryChange { readonly patient: bigint; readonly id: string; readonly kinds: readonly string[]; readonly entries: readonly RecordEntry[]; readonly replaces: boolean }

export interface Replayable { readonly client: string; readonly key: string; readonly bodyHash: Buffer; readonly status: number; readonly type: string; readonly id: string; readonly version: number }

/** One row of the access log. */
export interface AuditRow {
  readonly id: string;
  readonly interaction: string;
  readonly action: 'C' | 'R' | 'U' | 'D' | 'E';
  readonly outcome: '0' | '4' | '8';
  readonly client: string;
  readonly agent: string | null;
  readonly patient: bigint | null;
  readonly entityType: string | null;
  readonly entityId: string | null;
  readonly version: number | null;
  readonly query: string | null;
  readonly requestId: string;
  readonly address: string | null;
  /** Code of v3-ActReason, where the caller stated why. */
  readonly purpose?: string | null;
}

/** Everything that a transaction writes. */
export interface Effects {
  readonly versions: Version[];
  readonly superseded: Superseded[];
  readonly index: IndexChange[];
  readonly entries: EntryChange[];
  readonly replays: Replayable[];
  readonly audit: AuditRow[];
}

/** @returns effects with nothing in them. */
export const noEffects = (): Effects => ({ versions: [], superseded: [], index: [], entries: [], replays: [], audit: [] });

/** Adds all of `from` to `to`. */
export function addEffects(to: Effects, from: Effects): void {
  to.versions.push(...from.versions);
  to.superseded.push(...from.superseded);
  to.index.push(...from.index);
  to.entries.push(...from.entries);
  to.replays.push(...from.replays);
  to.audit.push(...from.audit);
}
