import { createHash } from 'node:crypto';
import { instant } from './load.ts';

/** What of an event is sealed: every column of `audit_event`, as text. */
export interface SealedEvent {
  readonly id: string;
  /** FHIR instant with microseconds. */
  readonly recorded: string;
  /** The other columns as one JSON text; made by the database, so that the program cannot round anything. */
  readonly content: string;
}

/** One row of `audit_seal`. */
export interface Seal {
  readonly position: number;
  readonly recorded: string;
  readonly event: string;
  readonly hash: Buffer;
}

/** The columns of `SealedEvent` for `e`. The order within `content` is part of the chain: what a later version adds goes after it, and only into events that have it. */
export const sealedColumns = `e.id::text as id, ${instant('e.recorded')} as recorded, json_build_array(
  e.interaction, e.action::text, e.outcome::text, e.client, e.agent, e.patient::text, e.entity_type, e.entity_id, e.version,
  encode(e.query_digest, 'hex'), e.request_id, host(e.address), e.purpose)::text as content`;

/** The hash before the first. */
export const noHash: Buffer = Buffer.alloc(32);

/** @returns the hash of the chain with `event` at its end: SHA-256 of the hash before and of the event. */
export function chained(before: Buffer, { id, recorded, content }: SealedEvent): Buffer {
  return createHash('sha256').update(before).update(`${id}\n${recorded}\n${content}`).digest();
}
