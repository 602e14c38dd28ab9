import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { scaleFor } from '../outcomes/form-total.ts';
import { forReader } from '../outcomes/client-answer.ts';
import { scaleForSex } from '../outcomes/registry.ts';
import { trajectoryParts } from '../outcomes/trajectory-view.ts';
import { episodeRecord, readerOf } from './episode.ts';
import { inputsOf, one, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `GET EpisodeOfCare/[id]/$trajectory?instrument=phq-9`: scores by session beside the line through them and the course that is
 * expected from the deployment's own closed episodes (docs/clinical.md 3.7; schemas/operations/trajectory.json).
 */
export const trajectory: Operation = {
  level: 'instance',
  type: 'EpisodeOfCare',
  needs: [['EpisodeOfCare', 'r'], ['Patient', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/trajectory`,
  run: trajectoryOfEpisode,
};

async function trajectoryOfEpisode(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['instrument']);
  const wanted = one(inputs, 'instrument');
  const { rid, patient, now, visible: record, episode } = await episodeRecord(context, call.id!);
  const keys = wanted === undefined ? [...record.scores.keys()].sort() : [wanted];
  if (wanted !== undefined && scaleFor(context.registry, wanted, record) === undefined) {
    throw problem('malformed', 'code-invalid', 'No such score: instrument is a code of CodeSystem/instrument, such as phq-9.', 'http.instrument');
  }
  const benchmark = context.reference.current;
  const parameter = [
    { name: 'patient', valueReference: { reference: `Patient/${patient}` } },
    { name: 'episode', valueReference: { reference: `EpisodeOfCare/${episode.id}` } },
    { name: 'computed', valueInstant: now },
    ...forReader(keys.flatMap((key) => scaleFor(context.registry, key, record) ?? []).flatMap((scale) => trajectoryParts(record, scaleForSex(scale, record.person.gender), episode.id, benchmark)), readerOf(context)),
  ];
  await context.audit.record(accessRows(context, { interaction: '$trajectory', action: 'E', type: 'EpisodeOfCare', id: call.id!, patients: [rid] }));
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }) };
}
