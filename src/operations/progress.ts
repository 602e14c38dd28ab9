import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { progress as progressOf } from '../outcomes/progress.ts';
import { patientRecord } from '../outcomes/record.ts';
import { isSafetyReview } from '../outcomes/review-times.ts';
import { readOfPatient, readRecord } from '../store/record.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `GET Patient/[id]/$progress`: what a clinician or an auditor needs on one screen, each number with its inputs, its rule
 * and the rule's version. A Parameters resource (docs/clinical.md; schemas/operations/progress.json).
 */
export const progress: Operation = {
  level: 'instance',
  type: 'Patient',
  needs: [['Patient', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/progress`,
  run: patientProgress,
};

async function patientProgress(context: Context, call: Call): Promise<Answer> {
  const { database, visibility } = context;
  const record = await readRecord(database, visibility, call.id!);
  if (record === undefined) throw problem('not-found', 'not-found', 'No such Patient.');
  const of = async (type: string, statuses: readonly string[] | null): Promise<Resource[]> =>
    (await readOfPatient(database, visibility, record.rid, type, statuses)).map((body) => JSON.parse(body) as Resource);
  const [goals, tasks, flags] = await Promise.all([of('Goal', null), of('Task', null), of('Flag', ['active'])]);
  const open = tasks.filter((task) => isSafetyReview(task) && !closed.has(String(task['status'])));
  const body = progressOf(patientRecord(record.entries), {
    registry: context.registry, now: record.now, patient: `Patient/${call.id}`, goals, tasks, alerts: [...flags, ...open], 
    reader: visibility.reach.kind === 'all' ? 'any' : visibility.restricted ? 'clinician' : 'client',
  });
  await context.audit.record(accessRows(context, { interaction: '$progress', action: 'E', type: 'Patient', id: call.id!, patients: [record.rid] }));
  return { status: 200, body: JSON.stringify(body) };
}

const closed = new Set(['completed', 'cancelled', 'rejected', 'failed', 'entered-in-error']);
