import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import type { Context } from '../interactions/context.ts';
import { withoutHidden, type ProgressContext } from '../outcomes/progress.ts';
import { patientRecord, type Episode, type PatientRecord } from '../outcomes/record.ts';
import { descriptorOf } from '../outcomes/talking-therapies.ts';
import { readNewest } from '../store/read.ts';
import { readOfPatient, readRecord } from '../store/record.ts';

/** The record of a patient that a caller may see. */
export interface SeenRecord { readonly rid: bigint; readonly patient: string; readonly now: string; readonly record: PatientRecord }

/** @returns for which reader a caller is answered: what is labelled for the other side is left out. */
export const readerOf = ({ visibility: { reach, restricted } }: Pick<Context, 'visibility'>): ProgressContext['reader'] =>
  (reach.kind === 'all' ? 'any' : restricted ? 'clinician' : 'client');

/**
 * @returns the episode that an operation is called on, with the record of its patient, and `visible`: without the scores that are
 * for the other side only.
 * @throws Problem `not-found` when there is none or the caller may not see it; `invalid` when it has not begun.
 */
export async function episodeRecord(context: Context, id: string): Promise<SeenRecord & { readonly episode: Episode; readonly visible: PatientRecord }> {
  const { database, visibility } = context;
  const found = await readNewest(database, visibility, 'EpisodeOfCare', id);
  if (found === undefined || found.body === null) throw problem('not-found', 'not-found', 'No such EpisodeOfCare.');
  const { patient } = JSON.parse(found.body) as { patient?: { reference?: string } };
  const patientId = patient?.reference?.split('/').at(-1) ?? '';
  const read = await readRecord(database, visibility, patientId);
  if (read === undefined) throw problem('not-found', 'not-found', 'No such EpisodeOfCare.');
  const record = patientRecord(read.entries, context.zone);
  const episode = record.episodes.find((each) => each.id === id);
  if (episode === undefined || episode.at === null) {
    throw problem('invalid', 'business-rule', 'An episode has a course from when it is active, with the start of its period.', 'EpisodeOfCare.period.start');
  }
  return { rid: read.rid, patient: patientId, now: read.now, record, visible: withoutHidden(record, readerOf(context)), episode };
}

interface Diagnosed { readonly diagnosis?: readonly { readonly condition?: { readonly reference?: string }; readonly rank?: number }[] }

/** @returns what each episode of a patient is about, by the first of its diagnoses that the caller may see and that is known. */
export async function descriptorsOf({ database, visibility }: Context, rid: bigint): Promise<Map<string, string | null>> {
  const [episodes, conditions] = await Promise.all(['EpisodeOfCare', 'Condition'].map(async (type) =>
    (await readOfPatient(database, visibility, rid, type, null)).map((body) => JSON.parse(body) as Resource)));
  const codes = new Map(conditions!.map((condition) => [`Condition/${condition.id}`, condition['code']]));
  return new Map(episodes!.map((episode) => {
    const ranked = [...(episode as Diagnosed).diagnosis ?? []].sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity));
    const found = ranked.flatMap(({ condition }) => descriptorOf(codes.get(condition?.reference ?? '')) ?? []);
    return [episode.id!, found[0] ?? null];
  }));
}
