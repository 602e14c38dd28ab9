import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Resource } from '../fhir/resource.ts';
import { questionnaireForOutcomes } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Difference } from '../outcomes/recompute.ts';
import { patientOfEpisode, patientsAfter, recomputePatients } from '../store/recompute.ts';
import { requireAdministrator } from './administration.ts';
import { inputsOf, one, positive, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';
import { flag } from './terminology-input.ts';

/**
 * `$recompute`: what the rules of today make of records that are stored, for one Patient, one EpisodeOfCare or, in portions, the
 * whole store. Without `apply=true` nothing is written, and the answer says what would be and why (docs/operations-fhir.md).
 */
export const recompute: Operation = {
  level: ['instance', 'system'],
  type: ['Patient', 'EpisodeOfCare'],
  changes: true,
  needs: [['Observation', 'u'], ['Patient', 'r']],
  definition: `${canonicalBase}/OperationDefinition/recompute`,
  run: computeAnew,
};

const known = ['apply', 'count', 'after'];
/** Patients of one call on the whole store, and differences that its answer tells. */
const usual = 200;
const most = 1000;

async function computeAnew(context: Context, call: Call, body: string): Promise<Answer> {
  requireAdministrator(context, 'recompute');
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, known);
  const apply = flag(inputs, 'apply');
  const count = positive(inputs, 'count', most) ?? usual;
  const after = one(inputs, 'after') ?? '0';
  if (!/^\d{1,18}$/.test(after)) throw problem('malformed', 'value', 'after is what the answer before gave as next.', 'http.after');
  const { patients, next } = await chosen(context, call, after, count);
  const options = {
    database: context.database, rules: context.committer.rules, questionnaire: (response: Resource) => questionnaireForOutcomes(response, context), requester: context.requester, apply,
    ...(call.type === 'EpisodeOfCare' ? { episode: `EpisodeOfCare/${call.id!}` } : {}),
  };
  const found = await recomputePatients(patients, options);
  // What was applied is logged with what was written; what was only looked at is logged here.
  if (!apply) await context.audit.record(accessRows(context, { interaction: '$recompute', action: 'E', ...(call.type === undefined ? {} : { type: call.type }), ...(call.id === undefined ? {} : { id: call.id }), patients: found.filter(({ differences }) => differences.length > 0).map(({ rid }) => rid) }));
  return { status: 200, body: JSON.stringify(answer(found, apply, next)) };
}

/** The Patients of one call, and where the next one goes on. */
async function chosen({ database }: Context, { type, id }: Call, after: string, count: number): Promise<{ patients: string[]; next?: string }> {
  if (type === 'Patient') return { patients: [id!] };
  if (type === 'EpisodeOfCare') {
    const patient = await patientOfEpisode(database, id!);
    if (patient === undefined) throw problem('not-found', 'not-found', 'No such EpisodeOfCare.');
    return { patients: [patient] };
  }
  const rows = await patientsAfter(database, after, count);
  return { patients: rows.map((row) => row.id), ...(rows.length < count ? {} : { next: String(rows.at(-1)!.rid) }) };
}

function answer(found: Awaited<ReturnType<typeof recomputePatients>>, apply: boolean, next: string | undefined): object {
  const differences = found.flatMap(({ patient, differences: list }) => list.map((difference) => ({ patient, difference })));
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'applied', valueBoolean: apply },
      { name: 'patients', valueInteger: found.length },
      { name: 'patients-with-differences', valueInteger: found.filter(({ differences: list, entries }) => list.length + entries > 0).length },
      { name: 'record-lines', valueInteger: found.reduce((sum, { entries }) => sum + entries, 0) },
      { name: 'differences', valueInteger: differences.length },
      ...differences.slice(0, most).map(({ patient, difference }) => ({ name: 'difference', part: partsOf(patient, difference) })),
      ...(next === undefined ? [] : [{ name: 'next', valueString: next }]),
    ],
  };
}

const partsOf = (patient: string, { kind, type, id, why, before, after }: Difference): object[] => [
  { name: 'patient', valueReference: { reference: `Patient/${patient}` } },
  { name: 'resource', valueReference: { reference: `${type}/${id}` } },
  { name: 'kind', valueCode: kind },
  { name: 'why', valueString: why },
  ...(before === undefined ? [] : [{ name: 'before', valueString: before }]),
  ...(after === undefined ? [] : [{ name: 'after', valueString: after }]),
];
