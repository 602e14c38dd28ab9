import { authorize } from '../auth/decide.ts';
import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { changeIndices, type ChangeIndexCode } from '../outcomes/change-index.ts';
import { isHomework, writingsOf } from '../outcomes/adherence.ts';
import { progress as progressOf } from '../outcomes/progress.ts';
import { patientRecord } from '../outcomes/record.ts';
import { isSafetyReview } from '../outcomes/review-times.ts';
import { zoneOf } from '../outcomes/time-zone.ts';
import { readOfPatient, readRecord } from '../store/record.ts';
import { readWritten } from '../store/written.ts';
import { descriptorsOf, episodeRecord, readerOf, type SeenRecord } from './episode.ts';
import { inputsOf, many, refuseUnknown, type Input } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `GET Patient/[id]/$progress`, `GET EpisodeOfCare/[id]/$progress`: what a clinician or an auditor needs on one screen, each number with its inputs, its rule
 * and the rule's version. A Parameters resource (docs/clinical.md; schemas/operations/progress.json).
 */
export const progress: Operation = {
  level: 'instance',
  type: ['Patient', 'EpisodeOfCare'],
  needs: [['Patient', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/progress`,
  run: progressFor,
};

async function progressFor(context: Context, call: Call, text: string): Promise<Answer> {
  const inputs = inputsOf(call, text);
  refuseUnknown(context, call, inputs, ['index']);
  const indices = indicesOf(inputs);
  const { database, visibility } = context;
  const { rid, patient, now, record, episode } = call.type === 'EpisodeOfCare' ? await ofEpisode(context, call.id!) : await ofPatient(context, call.id!);
  const of = async (type: string, statuses: readonly string[] | null): Promise<Resource[]> =>
    (await readOfPatient(database, visibility, rid, type, statuses)).map((body) => JSON.parse(body) as Resource);
  const [goals, tasks, flags, [person], descriptors] = await Promise.all([of('Goal', null), of('Task', null), of('Flag', ['active']), of('Patient', null), descriptorsOf(context, rid)]);
  const written = await readWritten(database, visibility, rid, tasks.filter(isHomework).flatMap(writingsOf));
  const open = tasks.filter((task) => isSafetyReview(task) && !closed.has(String(task['status'])));
  const body = progressOf(record, {
    registry: context.registry, now, patient: `Patient/${patient}`, goals, tasks, alerts: [...flags, ...open], reader: readerOf(context),
    benchmark: context.reference.current, descriptors, zone: zoneOf(person, context.zone), written, indices, ...(episode === undefined ? {} : { episode }),
  });
  await context.audit.record(accessRows(context, { interaction: '$progress', action: 'E', type: call.type!, id: call.id!, patients: [rid] }));
  return { status: 200, body: JSON.stringify(body) };
}

/** Indices of change, by code. @throws Problem `malformed` for one that compares no two scores. */
function indicesOf(inputs: readonly Input[]): ChangeIndexCode[] {
  const given = [...new Set(many(inputs, 'index').flatMap((text) => text.split(',')))];
  const unknown = given.find((code) => !(changeIndices as readonly string[]).includes(code));
  if (unknown !== undefined) throw problem('malformed', 'code-invalid', `index must be a code of CodeSystem/change-index: ${changeIndices.join(', ')}. hlm is of a caseload: Group/[id]/$outcomes.`, inputs.find(({ name }) => name === 'index')!.expression);
  return given as ChangeIndexCode[];
}

interface Asked extends SeenRecord { readonly episode?: string }

async function ofPatient(context: Context, id: string): Promise<Asked> {
  const read = await readRecord(context.database, context.visibility, id);
  if (read === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  return { rid: read.rid, patient: id, now: read.now, record: patientRecord(read.entries, context.zone) };
}

async function ofEpisode(context: Context, id: string): Promise<Asked> {
  authorize(context.visibility, 'EpisodeOfCare', 'r');
  const { rid, patient, now, record } = await episodeRecord(context, id);
  return { rid, patient, now, record, episode: id };
}

const closed = new Set(['completed', 'cancelled', 'rejected', 'failed', 'entered-in-error']);
