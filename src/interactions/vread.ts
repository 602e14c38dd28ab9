import { problem } from '../fhir/outcome.ts';
import { readVersion } from '../store/read.ts';
import { accessRows } from './access-log.ts';
import { etag, versionAnswer } from './answer.ts';
import type { Answer, Context } from './context.ts';
import { unchanged } from './read.ts';

/**
 * vread (http://hl7.org/fhir/R4/http.html#vread), conditional as a read is.
 * @throws Problem `not-found`; `gone` when this version is the deletion.
 */
export async function vread(context: Context, type: string, id: string, version: number): Promise<Answer> {
  const row = await readVersion(context.database, context.visibility, type, id, version);
  if (row === undefined) throw problem('not-found', 'not-found', `No such version of a ${type}.`);
  await context.audit.record(accessRows(context, { interaction: 'vread', type, id, version, patients: [row.patient] }));
  if (row.body === null) throw problem('gone', 'deleted', `Version ${version} is the deletion of this ${type}.`, undefined, { etag: etag(version) });
  const answer = versionAnswer(row);
  return unchanged(context, row.version, row.lastUpdated) ? { status: 304, headers: answer.headers } : answer;
}
