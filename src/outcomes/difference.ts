import { episodeAt, isLater, onePerDate, seriesOf, type Valid } from './baseline.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { changeObservations, observationId, safetyItemObservation, scoreObservation, type ObservationStatus } from './observations.ts';
import type { Resource } from '../fhir/resource.ts';
import { scoreId, type Episode, type PatientRecord, type Score } from './record.ts';
import type { Scale } from './registry.ts';

/** Which Observations follow from a record, and which writes lead from those of one record to those of another. */

/** What one response implies on one scale. Bodies are built only for what differs. */
interface Fact {
  readonly score: Score;
  readonly episode: Episode | null;
  /** Whether there is a score Observation (with a total or with the reason why not). */
  readonly scored: boolean;
  /** The baseline that it is compared with; null: it has no change Observations. */
  readonly baseline: Valid | null;
}

function factsOf(record: PatientRecord, scale: Scale): Map<string, Fact> {
  const baselines = new Map<string, Valid>();
  for (const series of seriesOf(record, scale.key)) {
    if (scale.definition.compared !== false) for (const score of onePerDate(series.scores)) if (isLater(score, series)) baselines.set(score.id, series.baseline);
  }
  const facts = new Map<string, Fact>();
  for (const score of record.scores.get(scale.key) ?? []) {
    const { status, panel, source } = score.data;
    facts.set(score.id, {
      score,
      episode: score.at === null ? null : episodeAt(record.episodes, score.at),
      scored: source === undefined && panel && (score.value !== null || status === 'completed' || status === 'amended'),
      baseline: baselines.get(score.id) ?? null,
    });
  }
  return facts;
}

/** Adds to `writes` what turns the Observations of `before` into those of `after`. */
export function observationWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  const was = factsOf(before, scale);
  const is = factsOf(after, scale);
  for (const [id, fact] of is) {
    const known = was.get(id);
    if (known === undefined || !same(known, fact)) writeFact(writes, scale, known, fact, new Standing(id, change), context);
  }
  for (const [id, fact] of was) if (!is.has(id)) withdrawFact(writes, scale, fact, context);
}

/** How an Observation of the response `id` stands to the change that is being derived. */
export class Standing {
  /** Whether the changed resource is the response itself. */
  readonly own: boolean;
  /** Whether nothing derived from the response can exist yet. */
  readonly fresh: boolean;
  /** Whether the response had been withdrawn before. */
  readonly reinstated: boolean;

  constructor(id: string, { resource, previous }: Change) {
    this.own = id === (resource.resourceType === 'QuestionnaireResponse' || resource.resourceType === 'Observation' ? scoreId({ type: resource.resourceType, id: resource.id! }) : undefined);
    this.fresh = this.own && previous === undefined && resource.meta?.versionId === '1';
    this.reinstated = this.own && !this.fresh && (previous === undefined || previous.status === 'entered-in-error');
  }

  /** corrected: its own answers were changed; amended: something else that it is computed from was. */
  status(existed: boolean, first: ObservationStatus): ObservationStatus {
    if (existed) return this.own ? 'corrected' : 'amended';
    return this.reinstated ? 'corrected' : first;
  }
}

function writeFact(writes: DerivedWrite[], scale: Scale, was: Fact | undefined, is: Fact, standing: Standing, context: DeriveContext): void {
  const { score, episode, scored, baseline } = is;
  const mayExist = !standing.fresh;
  const first: ObservationStatus = score.data.status === 'amended' ? 'amended' : 'final';
  if (scored && !(was?.scored === true && sameScore(was, is))) {
    writes.push({ kind: 'put', resource: scoreObservation(scale, score, episode, standing.status(was?.scored === true, first), context), mayExist });
  } else if (!scored && was?.scored === true) {
    writes.push({ kind: 'put', resource: scoreObservation(scale, was.score, was.episode, 'entered-in-error', context), mayExist });
  }
  safetyItemWrites(writes, scale, was, is, standing, context);
  if (baseline !== null && !(was !== undefined && sameChange(was, is))) {
    const status = standing.status(was !== undefined && was.baseline !== null, first);
    for (const resource of changeObservations(scale, score as Valid, baseline, episode, status, context)) writes.push({ kind: 'put', resource, mayExist });
  } else if (baseline === null && was !== undefined) withdrawChange(writes, scale, was, context);
}

/** An item above 0 is kept as an Observation of its own, and stays one when it is corrected to 0. */
function safetyItemWrites(writes: DerivedWrite[], scale: Scale, was: Fact | undefined, is: Fact, standing: Standing, context: DeriveContext): void {
  for (const [linkId, value] of Object.entries(is.score.data.safety ?? {})) {
    const earlier = was?.score.data.safety?.[linkId] ?? 0;
    if (value === null) {
      if (earlier > 0) withdrawSafetyItem(writes, scale, was!, linkId, earlier, context);
      continue;
    }
    if (value === 0 && earlier === 0) {
      if (was !== undefined && !sameSetting(was, is)) writes.push(correctedItem(scale, is, (current) =>
        safetyItemObservation(scale, is.score, linkId, 0, is.episode, current['status'] as ObservationStatus, context)));
      continue;
    }
    const open = is.score.data.status === 'in-progress';
    if (earlier === value && was !== undefined && was.score.data.status === is.score.data.status && sameSetting(was, is)) continue;
    const settled = earlier > 0 && was!.score.data.status !== 'in-progress';
    const status = open ? 'preliminary' : standing.status(settled, is.score.data.status === 'amended' ? 'amended' : 'final');
    writes.push({ kind: 'put', resource: safetyItemObservation(scale, is.score, linkId, value, is.episode, status, context), mayExist: !standing.fresh });
  }
}

const withdrawSafetyItem = (writes: DerivedWrite[], scale: Scale, { score, episode }: Fact, linkId: string, value: number, context: DeriveContext): void => {
  writes.push({ kind: 'put', resource: safetyItemObservation(scale, score, linkId, value, episode, 'entered-in-error', context), mayExist: true });
};

/**
 * A change of the Observation of an item that is 0 now: there is one only where the item was above 0 before and was
 * corrected, which the record does not tell, so it is looked up. Nothing happens where there is none or it is withdrawn.
 */
const correctedItem = (scale: Scale, { score }: Fact, change: (current: Resource) => Resource): DerivedWrite => ({
  kind: 'change', type: 'Observation', id: observationId('safety-item', scale, score.id),
  change: (current) => (current['status'] === 'entered-in-error' ? null : change(current)),
});

function withdrawChange(writes: DerivedWrite[], scale: Scale, { score, baseline, episode }: Fact, context: DeriveContext): void {
  if (baseline === null) return;
  for (const resource of changeObservations(scale, score as Valid, baseline, episode, 'entered-in-error', context)) writes.push({ kind: 'put', resource, mayExist: true });
}

/** The response is gone: what was derived from it keeps its values and says that it must not be used. */
function withdrawFact(writes: DerivedWrite[], scale: Scale, fact: Fact, context: DeriveContext): void {
  const { score, episode, scored } = fact;
  if (scored) writes.push({ kind: 'put', resource: scoreObservation(scale, score, episode, 'entered-in-error', context), mayExist: true });
  for (const [linkId, value] of Object.entries(score.data.safety ?? {})) {
    if (value !== null && value > 0) withdrawSafetyItem(writes, scale, fact, linkId, value, context);
    else if (value === 0) writes.push(correctedItem(scale, fact, (current) => ({ ...current, status: 'entered-in-error' })));
  }
  withdrawChange(writes, scale, fact, context);
}

/** Entries that a change left alone are the same objects, so that this costs nothing for them. */
const same = (a: Fact, b: Fact): boolean => a.score === b.score && a.baseline === b.baseline && a.episode?.id === b.episode?.id;

const sameSetting = (a: Fact, b: Fact): boolean =>
  a.episode?.id === b.episode?.id && a.score.data.authored === b.score.data.authored && a.score.data.encounter === b.score.data.encounter;

const sameScore = (a: Fact, b: Fact): boolean => sameSetting(a, b) && sameTotal(a.score, b.score) && a.score.data.status === b.score.data.status;

const sameChange = (a: Fact, b: Fact): boolean =>
  a.baseline !== null && b.baseline !== null && sameSetting(a, b) && sameTotal(a.score, b.score) && sameTotal(a.baseline, b.baseline) && a.baseline.date === b.baseline.date;

const sameTotal = (a: Score, b: Score): boolean => a === b || (
  a.id === b.id && a.value === b.value && a.data.answered === b.data.answered && a.data.items === b.data.items
  && a.data.prorated === b.data.prorated && a.data.maxScore === b.data.maxScore
  && JSON.stringify(a.data.security) === JSON.stringify(b.data.security));
