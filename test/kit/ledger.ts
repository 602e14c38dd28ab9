import { randomUUID } from 'node:crypto';
import type { Connection } from '../../src/store/database.ts';

/**
 * What a client knows of a write: it was acknowledged, refused, or nobody can tell (no answer, or 503). Two outcomes are
 * not enough: a write that timed out may have happened.
 */
export type Outcome = 'acked' | 'refused' | 'indeterminate';

/** One request. */
export interface Attempt {
  readonly requestId: string;
  outcome: Outcome;
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** The stored text that the answer carried. */
  text: string;
}

/** One write that a client wants, repeated with the same content until the outcome is known. */
export interface Operation {
  /** Carried by the resource in an extension, so that the store tells which write made which version. */
  readonly name: string;
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly sent: Record<string, unknown>;
  readonly headers: Record<string, string>;
  readonly attempts: Attempt[];
}

/** What became of the writes in a ledger. All but the first five must be zero. */
export interface LedgerFindings {
  readonly operations: number;
  readonly acked: number;
  readonly refused: number;
  readonly indeterminate: number;
  /** Operations of which nobody knew for a while, and that a repetition settled. */
  readonly converged: number;
  /** Answers with a status of 500: defects. */
  readonly failed: number;
  /** Acknowledged, and not stored as exactly that version with exactly that text. */
  readonly lost: number;
  /** Stored with other content than was sent. */
  readonly altered: number;
  /** Refused, and stored all the same. */
  readonly phantom: number;
  /** Stored more than once. */
  readonly duplicated: number;
  /** Acknowledged without a row of the access log, or a row for what was not done, or more than one. */
  readonly unaudited: number;
  readonly examples: readonly string[];
}

const marker = 'https://example.org/operation';

/** The record of a client that outlives every process of the service. */
export class Ledger {
  readonly operations: Operation[] = [];

  /** Notes the intent before anything is sent. */
  intend(method: Operation['method'], path: string, resource: Record<string, unknown>, headers: Record<string, string> = {}): Operation {
    const name = randomUUID();
    const operation: Operation = { name, method, path, sent: { ...resource, extension: [{ url: marker, valueString: name }] }, headers, attempts: [] };
    this.operations.push(operation);
    return operation;
  }

  /** Sends it once and notes the outcome. @returns the attempt; it is never an exception. */
  async attempt(operation: Operation, base: string, token: string, timeoutMs = 10_000): Promise<Attempt> {
    const attempt: Attempt = { requestId: randomUUID(), outcome: 'indeterminate', status: 0, text: '' };
    operation.attempts.push(attempt);
    try {
      const response = await fetch(`${base}/${operation.path}`, {
        method: operation.method, body: JSON.stringify(operation.sent), signal: AbortSignal.timeout(timeoutMs),
        headers: { ...operation.headers, authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', 'x-request-id': attempt.requestId },
      });
      attempt.status = response.status;
      attempt.text = await response.text();
      attempt.outcome = response.ok ? 'acked' : response.status >= 500 ? 'indeterminate' : 'refused';
    } catch {
      attempt.outcome = 'indeterminate'; // refused connection, reset, half an answer: none of them says whether it happened
    }
    return attempt;
  }

  /** Compares everything that was noted with what the store holds. */
  async examine(connection: Connection): Promise<LedgerFindings> {
    const found = { operations: this.operations.length, acked: 0, refused: 0, indeterminate: 0, converged: 0, failed: 0, lost: 0, altered: 0, phantom: 0, duplicated: 0, unaudited: 0, examples: [] as string[] };
    const report = (kind: 'lost' | 'altered' | 'phantom' | 'duplicated' | 'unaudited', what: string): void => {
      found[kind]++;
      if (found.examples.length < 20) found.examples.push(`${kind}: ${what}`);
    };
    const { texts, introduced } = await versionsOf(connection);
    const audited = await auditedOf(connection);
    const known = new Set<string>();
    for (const operation of this.operations) {
      const outcomes = operation.attempts.map(({ outcome }) => outcome);
      const final = outcomes.includes('acked') ? 'acked' : outcomes.at(-1) ?? 'indeterminate';
      found[final]++;
      if (final !== 'indeterminate' && outcomes.includes('indeterminate')) found.converged++;
      const stored = introduced.get(operation.name) ?? [];
      const name = `${operation.method} ${operation.path} ${operation.attempts.map(({ status }) => status).join(' ')}`;
      if (stored.length > 1) report('duplicated', `${name}: ${stored.length} times`);
      if (final === 'refused' && stored.length > 0) report('phantom', name);
      if (final === 'acked' && stored.length === 0) report('lost', `${name}: nowhere`);
      for (const body of stored) if (content(body) !== content(operation.sent)) report('altered', name);
      for (const attempt of operation.attempts) {
        known.add(attempt.requestId);
        if (attempt.status === 500) found.failed++;
        if (attempt.outcome === 'acked' && !texts.has(attempt.text)) report('lost', `${name}: not this version`);
        const rows = audited.get(attempt.requestId) ?? 0;
        if (attempt.outcome === 'acked' ? rows !== 1 : attempt.outcome === 'refused' ? rows !== 0 : rows > 1) report('unaudited', `${name}: ${attempt.outcome}, ${rows} rows`);
      }
      const changed = operation.attempts.filter(({ requestId }) => audited.has(requestId)).length;
      if (stored.length > 0 && changed === 0) report('unaudited', `${name}: stored without a row`);
    }
    for (const [requestId, rows] of audited) if (!known.has(requestId)) report('unaudited', `${rows} rows of a request that nobody sent`);
    return found;
  }
}

/** What the client decides of a resource: the service gives ids and versions, and the achievement of a goal. */
function content(resource: Record<string, unknown>): string {
  const { id: _id, meta: _meta, achievementStatus: _achievement, ...rest } = resource;
  return JSON.stringify(rest, (_key, value: unknown) =>
    (value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value));
}

/** Every stored text, and by operation the versions that brought its name in. */
async function versionsOf(connection: Connection): Promise<{ texts: Set<string>; introduced: Map<string, Record<string, unknown>[]> }> {
  const rows = await connection.query<{ key: string; body: string }>(`select type || '/' || id as key, body from resource where body is not null order by type, id, version`);
  const texts = new Set<string>();
  const introduced = new Map<string, Record<string, unknown>[]>();
  let before = { key: '', name: undefined as string | undefined };
  for (const { key, body } of rows) {
    texts.add(body);
    const resource = JSON.parse(body) as Record<string, unknown>;
    const name = (resource['extension'] as { url: string; valueString?: string }[] | undefined)?.find(({ url }) => url === marker)?.valueString;
    if (name !== undefined && !(before.key === key && before.name === name)) introduced.set(name, [...introduced.get(name) ?? [], resource]);
    before = { key, name };
  }
  return { texts, introduced };
}

/** Rows of the access log about writes that were done, by request; what the service stores at its start is not a client's. */
async function auditedOf(connection: Connection): Promise<Map<string, number>> {
  const rows = await connection.query<{ requestId: string; rows: number }>(`
    select request_id as "requestId", count(*)::int as rows from audit_event
    where outcome = '0' and interaction in ('create', 'update', 'patch', 'delete', 'transaction') and request_id <> 'start' group by 1`);
  return new Map(rows.map(({ requestId, rows: count }) => [requestId, count]));
}
