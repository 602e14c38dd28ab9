import { problem } from '../fhir/outcome.ts';
import { readNewest } from '../store/read.ts';
import { accessRows } from './access-log.ts';
import { versionAnswer, etag } from './answer.ts';
import type { Answer, Context } from './context.ts';

/**
 * read (http://hl7.org/fhir/R4/http.html#read), conditional with `If-None-Match` and `If-Modified-Since`.
 * @throws Problem `not-found` when it does not exist or is not visible, `gone` when it was deleted.
 */
export async function read(context: Context, type: string, id: string): Promise<Answer> {
  const row = await readNewest(context.database, context.visibility, type, id);
  if (row === undefined) throw problem('not-found', 'not-found', `No such ${type}.`);
  await context.audit.record(accessRows(context, { interaction: 'read', type, id, version: row.version, patients: [row.patient] }));
  if (row.body === null) throw problem('gone', 'deleted', `This ${type} was deleted. Its earlier versions are in its history.`, undefined, { etag: etag(row.version) });
  const answer = versionAnswer(row);
  return unchanged(context, row.version, row.lastUpdated) ? { status: 304, headers: answer.headers } : answer;
}

/** @returns whether the client has this version already, by `If-None-Match`, else by `If-Modified-Since`. */
export function unchanged(context: Context, version: number, lastUpdated: string): boolean {
  if (context.ifNoneMatch !== undefined) {
    return context.ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === `"${version}"`);
  }
  if (context.ifModifiedSince === undefined) return false;
  const since = Date.parse(context.ifModifiedSince);
  return !Number.isNaN(since) && Math.floor(Date.parse(lastUpdated) / 1000) * 1000 <= since;
}
