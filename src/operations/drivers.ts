import { canonicalBase } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { accessRows } from '../interactions/access-log.ts';
import type { Answer, Context } from '../interactions/context.ts';
import { isHomework, writingsOf } from '../outcomes/adherence.ts';
import { driverParts } from '../outcomes/drivers.ts';
import { forReader } from '../outcomes/client-answer.ts';
import type { Part } from '../outcomes/parts.ts';
import { zoneOf } from '../outcomes/time-zone.ts';
import { readOfPatient } from '../store/record.ts';
import { readWritten } from '../store/written.ts';
import { episodeRecord, readerOf } from './episode.ts';
import { inputsOf, many, refuseUnknown } from './input.ts';
import type { Call, Operation } from './operation.ts';

/**
 * `GET EpisodeOfCare/[id]/$drivers?outcome=phq-9`: motivation, the work together and homework beside the scores of a course, session
 * by session, each traced to its Observations and Tasks (docs/operations-fhir.md; schemas/operations/drivers.json).
 */
export const drivers: Operation = {
  level: 'instance',
  type: 'EpisodeOfCare',
  needs: [['EpisodeOfCare', 'r'], ['Patient', 'r'], ['Observation', 'r']],
  definition: `${canonicalBase}/OperationDefinition/drivers`,
  run: driversOfEpisode,
};

async function driversOfEpisode(context: Context, call: Call, body: string): Promise<Answer> {
  const inputs = inputsOf(call, body);
  refuseUnknown(context, call, inputs, ['outcome']);
  const outcomes = many(inputs, 'outcome').flatMap((text) => text.split(','));
  if (outcomes.some((key) => !context.registry.scales.has(key))) throw problem('malformed', 'code-invalid', 'outcome must be a code of CodeSystem/instrument, such as phq-9.', inputs.find(({ name }) => name === 'outcome')!.expression);
  const { database, visibility } = context;
  const { rid, patient, now, visible: record, episode } = await episodeRecord(context, call.id!);
  const of = async (type: string): Promise<Resource[]> => (await readOfPatient(database, visibility, rid, type, null)).map((text) => JSON.parse(text) as Resource);
  const [tasks, [person]] = await Promise.all([of('Task'), of('Patient')]);
  const homework = tasks.filter(isHomework);
  const written = await readWritten(database, visibility, rid, homework.flatMap(writingsOf));
  const parameter: Part[] = [
    { name: 'patient', valueReference: { reference: `Patient/${patient}` } },
    { name: 'episode', valueReference: { reference: `EpisodeOfCare/${episode.id}` } },
    { name: 'computed', valueInstant: now },
    ...forReader(driverParts(record, episode, {
      registry: context.registry, tasks: homework, now, zone: zoneOf(person, context.zone), written, ...(outcomes.length === 0 ? {} : { outcomes }),
    }), readerOf(context)),
  ];
  await context.audit.record(accessRows(context, { interaction: '$drivers', action: 'E', type: 'EpisodeOfCare', id: call.id!, patients: [rid] }));
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }) };
}
