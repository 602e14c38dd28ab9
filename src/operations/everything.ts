import { canonicalBase } from '../fhir/canonical.ts';
import { dateRange } from '../fhir/dates.ts';
import { problem } from '../fhir/outcome.ts';
import { servedType } from '../fhir/types.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { openPage, sealPage } from '../interactions/paging.ts';
import { directoryTypes, readEverything, readReferred, recordTypes, type EverythingPosition, type EverythingQuery } from '../store/everything.ts';
import type { Row } from '../store/search.ts';
import { readSubject } from '../store/subject.ts';
import { inputsOf, many, one, positive, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { searchset, withQuery } from './searchset.ts';

/**
 * `Patient/[id]/$everything` (http://hl7.org/fhir/R4/patient-operation-everything.html): the record of a patient and what of the
 * directory it refers to. On the type it is for access that belongs to one patient.
 */
export const everything: Operation = {
  level: ['type', 'instance'],
  type: 'Patient',
  needs: [['Patient', 'r']],
  definition: `${canonicalBase}/OperationDefinition/everything`,
  run: record,
};

const known = ['start', 'end', '_since', '_type', '_count', '_page'];
const mostOnPage = 1000;

interface Page extends EverythingPosition { readonly settled: string }

async function record(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, known);
  const id = patientOf(context, call);
  const asked = { types: typesOf(inputs), count: positive(inputs, '_count', mostOnPage) ?? mostOnPage, ...timesOf(inputs) };
  const query = inputs.filter(({ name }) => known.includes(name) && name !== '_page').map(({ name, text }): [string, string] => [name, text!]);
  const url = `${context.baseUrl}/Patient/${id}/$everything`;
  const binding = withQuery(url, query);
  const page = one(inputs, '_page');
  const after = page === undefined ? undefined : openPage<Page>(context, binding, page);
  const subject = await readSubject(context.database, context.visibility, id);
  if (subject === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  const { rows, next } = await pageOf(context, { ...asked, patient: subject.rid, after });
  await context.audit.record(accessRows(context, { interaction: '$everything', action: 'E', type: 'Patient', id, patients: [subject.rid] }));
  // The time of the first page: what changes while a client reads on is for the next time.
  const settled = after?.settled ?? subject.settled;
  const links = [
    { relation: 'self', url: binding },
    ...(next === undefined ? [] : [{ relation: 'next', url: withQuery(url, [...query, ['_page', sealPage(context, binding, { ...next, settled } satisfies Page)]]) }]),
  ];
  const total = next === undefined && after === undefined ? rows.length : undefined;
  const shown = rows.map(({ type, id: of, body: text }) => ({ type, id: of, text, mode: directoryTypes.includes(type) ? 'include' as const : 'match' as const }));
  return { status: 200, body: searchset(context.baseUrl, { total, lastUpdated: settled, links }, shown) };
}

/** Whose record. On the type it is that of the one patient whom the access belongs to. */
function patientOf({ visibility: { reach } }: Context, { id }: Call): string {
  if (id !== undefined) return id;
  if (reach.kind === 'patient') return reach.patient;
  throw problem('malformed', 'too-costly', 'This access reaches several patients: name one, as Patient/[id]/$everything.');
}

/** A page of the record; where that ends, it goes on with what the record refers to. */
async function pageOf({ database, visibility }: Context, query: EverythingQuery): Promise<{ rows: Row[]; next?: EverythingPosition }> {
  const own = await readEverything(database, visibility, query, query.count + 1);
  const rows = own.slice(0, query.count);
  if (own.length <= query.count) {
    const room = query.count - own.length;
    const referred = await readReferred(database, visibility, query, room + 1);
    rows.push(...referred.slice(0, room));
    if (referred.length <= room) return { rows };
  }
  const last = rows.at(-1)!;
  const part = directoryTypes.includes(last.type) ? 'directory' : 'record';
  return { rows, next: { part, head: last.type === 'Patient', rid: String(last.rid) } };
}

function typesOf(inputs: readonly Input[]): readonly string[] {
  const all = [...recordTypes, ...directoryTypes];
  const named = many(inputs, '_type').flatMap((text) => text.split(','));
  for (const type of named) {
    if (!all.includes(type)) throw problem('malformed', servedType(type) === undefined ? 'value' : 'not-supported', '_type names types that a record holds or refers to, and that this service serves.', 'http._type');
  }
  return named.length === 0 ? all : [...new Set(named)];
}

function timesOf(inputs: readonly Input[]): Pick<EverythingQuery, 'since' | 'start' | 'end'> {
  const range = (name: string): { low: string; high: string } | undefined => {
    const text = one(inputs, name);
    const found = text === undefined ? undefined : dateRange(text);
    if (text !== undefined && found === undefined) throw problem('malformed', 'value', `${name} must be a FHIR date or instant, e.g. 2026-03-14 or 2026-03-14T09:26:53Z.`, `http.${name}`);
    return found;
  };
  const [since, start, end] = [range('_since'), range('start'), range('end')];
  return { ...(since === undefined ? {} : { since: since.low }), ...(start === undefined ? {} : { start: start.low }), ...(end === undefined ? {} : { end: end.high }) };
}
