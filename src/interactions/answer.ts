import { canonicalBase } from '../fhir/canonical.ts';
import { operationOutcome, type Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { grants, limitsOf, within, type Visibility } from '../fhir/visibility.ts';
import type { VersionRow } from '../store/read.ts';
import type { Written } from '../store/unit.ts';
import type { Accepted } from './accept.ts';
import type { Answer, Context } from './context.ts';
import { uncoded, warnings } from './warnings.ts';

/** HTTP date (RFC 9110 5.6.7) of a FHIR instant. */
export const httpDate = (instant: string): string => new Date(instant).toUTCString();

/** Weak ETag of a version (http://hl7.org/fhir/R4/http.html#versioning). */
export const etag = (version: number): string => `W/"${version}"`;

const statusOf = { created: 201, updated: 200, deleted: 204, existing: 200, unchanged: 200, absent: 204 } as const;

/** @returns the HTTP status of what became of a write. */
export const writtenStatus = ({ outcome }: Written): number => statusOf[outcome];

/** @returns the absolute URL of a version. */
export const versionUrl = (context: Pick<Context, 'baseUrl'>, { type, id, version }: { type: string; id: string; version: number }): string =>
  `${context.baseUrl}/${type}/${id}/_history/${version}`;

/**
 * @param remarks what its sender should know of what is stored (warnings.ts).
 * @returns the OperationOutcome that says what became of a write, for `Prefer: return=OperationOutcome`.
 */
export function storedOutcome({ outcome, version, clientMessage }: Written, remarks: readonly Issue[] = []): Record<string, unknown> {
  const text = outcome === 'deleted' ? 'Deleted.' : outcome === 'existing' || outcome === 'unchanged' ? 'Already stored; nothing changed.' : `Stored as version ${version}.`;
  const message: Issue[] = clientMessage === undefined ? [] : [{ severity: 'information', code: 'informational', text: `There is a message for the client, to be shown at once: GET Communication/${clientMessage}.` }];
  return operationOutcome([{ severity: 'information', code: 'informational', text }, ...message, ...remarks]);
}

/**
 * @returns whether what became of a write is shown. Who may write but not read is told what became of it; what a patch or a
 * label of before made of it, or a condition found, is not for them.
 */
export function mayRead(visibility: Visibility, { outcome, type, body }: Written): boolean {
  if (outcome === 'created') return true;
  return grants(visibility, type, 'r') && (body === null || limitsOf(visibility, type, 'r').length === 0 || within(visibility, 'r', JSON.parse(body) as Resource));
}

/** Relation of the link (RFC 8288) from a response to the message that its client is to be shown at once. */
const clientMessageRelation = `${canonicalBase}/client-message`;

/** The answer to one write, with the body that `Prefer: return` asks for. @param accepted what was sent, where the whole of it was. */
export function writtenAnswer(context: Context, written: Written, accepted?: Accepted): Answer {
  const { outcome, version, lastUpdated, body } = written;
  const status = statusOf[outcome];
  if (outcome === 'absent') return { status };
  const headers: Record<string, string> = { etag: etag(version), 'last-modified': httpDate(lastUpdated) };
  if (written.clientMessage !== undefined) headers['link'] = `<${context.baseUrl}/Communication/${written.clientMessage}>; rel="${clientMessageRelation}"`;
  if (outcome === 'deleted') return { status, headers };
  headers['location'] = versionUrl(context, written);
  if (context.prefer.return === 'minimal' || !mayRead(context.visibility, written)) return { status, headers };
  if (context.prefer.return === 'OperationOutcome') {
    return { status, headers, body: JSON.stringify(storedOutcome(written, accepted === undefined ? [] : warnings(accepted, context.registry))) };
  }
  return { status, headers, body: body!, ...(accepted === undefined ? {} : { remarks: () => uncoded(accepted, context.registry) }) };
}

/** The answer to a read of one version. */
export function versionAnswer({ version, lastUpdated, body }: VersionRow): Answer {
  return { status: 200, headers: { etag: etag(version), 'last-modified': httpDate(lastUpdated) }, body: body! };
}
