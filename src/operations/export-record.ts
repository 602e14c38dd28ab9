import { canonicalBase } from '../fhir/canonical.ts';
import { hotColumns } from '../fhir/extract.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { recordDocument, recordPage, recordText, type RecordContent } from '../resources/record-document.ts';
import { directoryTypes, readEverything, readReferred, recordTypes } from '../store/everything.ts';
import { newId } from '../store/identity.ts';
import type { Row } from '../store/search.ts';
import { readSubject } from '../store/subject.ts';
import { inputsOf, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `Patient/[id]/$export-record`: the client's own record to take away, as a FHIR document, or with `_format` or Accept as a
 * page (`text/html`) or text (`text/plain`). What the caller may see and, whoever asks, no note for therapists only.
 */
export const exportRecord: Operation = {
  level: 'instance',
  type: 'Patient',
  needs: [['Patient', 'r']],
  definition: `${canonicalBase}/OperationDefinition/export-record`,
  run: exported,
};

/** Resources in one document. */
const most = 10_000;

async function exported(context: Context, call: Call, body: string): Promise<Answer> {
  const { database, visibility, baseUrl, format } = context;
  refuseUnknown(context, call, inputsOf(call, body), []);
  const id = call.id!;
  const subject = await readSubject(database, visibility, id);
  if (subject === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  const query = { patient: subject.rid, types: [...recordTypes, ...directoryTypes], count: most };
  const rows = await readEverything(database, visibility, query, most + 1);
  const referred = await readReferred(database, visibility, query, most + 1);
  if (rows.length + referred.length > most) throw problem('too-costly', 'too-costly', `A document holds ${most} resources at most: read this record page by page with $everything.`);
  await context.audit.record(accessRows(context, { interaction: '$export-record', action: 'E', type: 'Patient', id, patients: [subject.rid] }));
  const recorded = (list: readonly Row[]): { type: string; id: string; text: string }[] => list.filter(forClient).map(({ type, id: of, body: text }) => ({ type, id: of, text }));
  return answerOf(format, { id: newId(), now: subject.now, baseUrl, patient: id, record: recorded(rows), referred: recorded(referred) });
}

/** Not what is for clinicians only, whatever the caller may see. */
function forClient({ body }: Row): boolean {
  const { restricted, private: own } = hotColumns(JSON.parse(body) as Resource);
  return !restricted || own;
}

function answerOf(format: string | undefined, content: RecordContent): Answer {
  if (format === undefined) return { status: 200, body: recordDocument(content) };
  const page = format === 'text/html';
  return {
    status: 200, body: page ? recordPage(content) : recordText(content),
    headers: { 'content-type': `${format}; charset=utf-8`, 'content-disposition': `attachment; filename="record.${page ? 'html' : 'txt'}"` },
  };
}
