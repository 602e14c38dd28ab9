import { episodeAt, isLater, onePerDate, seriesOf, type Series, type Valid } from './baseline.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { scaleOfScore } from './form-total.ts';
import { changeObservations, safetyItemObservation, scoreObservation, type ObservationStatus } from './observations.ts';
import { scoreId, type Episode, type PatientRecord, type Score } from './record.ts';
import { scaleForSex, type Scale } from './registry.ts';

/** Which Observations follow from a record, and which writes lead from those of one record to those of another. */

/** What one response implies on one scale. Bodies are built only for what differs. */
interface Fact {
  /** As it judges the scores of this person; of a form of the deployment in the version that was answered. */
  readonly scale: Scale;
  readonly score: Score;
  readonly episode: Episode | null;
  /** Whether there is a score Observation (with a total or with the reason why not). */
  readonly scored: boolean;
  /** The baseline that it is compared with; null: it has no change Observations. */
  readonly baseline: Valid | null;
}

/** In the order of the scores in the record: that of the series, with those between that have no total. */
function factsOf(record: PatientRecord, general: Scale): Fact[] {
  const scale = scaleForSex(general, record.person.gender);
  const series = seriesOf(record, scale.key);
  let at = 0, place = 0;
  let compared = comparedIn(series[0], scale);
  return (record.scores.get(scale.key) ?? []).map((score) => {
    const own = series[at];
    const isIn = own?.scores[place] === score;
    const { status, panel, source } = score.data;
    const fact: Fact = {
      scale: scaleOfScore(scale, score), score,
      episode: isIn ? own.episode : score.at === null ? null : episodeAt(record.episodes, score.at),
      scored: source === undefined && panel && (score.value !== null || status === 'completed' || status === 'amended'),
      baseline: isIn && compared(score as Valid) ? own.baseline : null,
    };
    if (isIn && (place += 1) === own.scores.length) {
      [at, place] = [at + 1, 0];
      compared = comparedIn(series[at], scale);
    }
    return fact;
  });
}

/** @returns whether a score of `series` is compared with its baseline. */
function comparedIn(series: Series | undefined, { definition }: Scale): (score: Valid) => boolean {
  if (series === undefined || definition.compared === false) return () => false;
  const counting = onePerDate(series.scores);
  const counts = counting === series.scores ? undefined : new Set(counting);
  return (score) => isLater(score, series) && counts?.has(score) !== false;
}

/** Adds to `writes` what turns the Observations of `before` into those of `after`. */
export function observationWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  const [earlier, now] = [factsOf(before, scale), factsOf(after, scale)];
  // As a rule an answer is the latest, and all before it are as they were.
  let first = 0;
  while (first < earlier.length && first < now.length && same(earlier[first]!, now[first]!)) first += 1;
  const was = new Map(earlier.slice(first).map((fact) => [fact.score.id, fact]));
  for (const fact of now.slice(first)) {
    const { id } = fact.score;
    const known = was.get(id);
    was.delete(id);
    if (known === undefined || !same(known, fact)) writeFact(writes, known, fact, new Standing(id, change), context);
  }
  for (const fact of was.values()) withdrawFact(writes, fact, context);
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

function writeFact(writes: DerivedWrite[], was: Fact | undefined, is: Fact, standing: Standing, context: DeriveContext): void {
  const { scale, score, episode, scored, baseline } = is;
  const mayExist = !standing.fresh;
  const first: ObservationStatus = score.data.status === 'amended' ? 'amended' : 'final';
  if (scored && !(was?.scored === true && sameScore(was, is))) {
    writes.push({ kind: 'put', resource: scoreObservation(scale, score, episode, standing.status(was?.scored === true, first), context), mayExist });
  } else if (!scored && was?.scored === true) {
    writes.push({ kind: 'put', resource: scoreObservation(was.scale, was.score, was.episode, 'entered-in-error', context), mayExist });
  }
  safetyItemWrites(writes, was, is, standing, context);
  if (baseline !== null && !(was !== undefined && sameChange(was, is))) {
    const status = standing.status(was !== undefined && was.baseline !== null, first);
    for (const resource of changeObservations(scale, score as Valid, baseline, episode, status, context)) writes.push({ kind: 'put', resource, mayExist });
  } else if (baseline === null && was !== undefined) withdrawChange(writes, was, context);
}

/** An answer that came as an Observation is one already. */
const ownSafety = ({ data: { safety, source } }: Score): NonNullable<Score['data']['safety']> => (source === undefined ? safety ?? {} : {});

/** An item above 0 is an Observation of its own; one that is corrected to 0 or left open is withdrawn, as if it had never been above. */
function safetyItemWrites(writes: DerivedWrite[], was: Fact | undefined, is: Fact, standing: Standing, context: DeriveContext): void {
  for (const [linkId, value] of Object.entries(ownSafety(is.score))) {
    const earlier = was?.score.data.safety?.[linkId] ?? 0;
    if (value === null || value === 0) {
      if (earlier > 0) withdrawSafetyItem(writes, was!, linkId, earlier, context);
      continue;
    }
    const open = is.score.data.status === 'in-progress';
    if (earlier === value && was !== undefined && was.score.data.status === is.score.data.status && sameSetting(was, is)) continue;
    const settled = earlier > 0 && was!.score.data.status !== 'in-progress';
    const status = open ? 'preliminary' : standing.status(settled, is.score.data.status === 'amended' ? 'amended' : 'final');
    writes.push({ kind: 'put', resource: safetyItemObservation(is.scale, is.score, linkId, value, is.episode, status, context), mayExist: !standing.fresh });
  }
}

const withdrawSafetyItem = (writes: DerivedWrite[], { scale, score, episode }: Fact, linkId: string, value: number, context: DeriveContext): void => {
  writes.push({ kind: 'put', resource: safetyItemObservation(scale, score, linkId, value, episode, 'entered-in-error', context), mayExist: true });
};

function withdrawChange(writes: DerivedWrite[], { scale, score, baseline, episode }: Fact, context: DeriveContext): void {
  if (baseline === null) return;
  for (const resource of changeObservations(scale, score as Valid, baseline, episode, 'entered-in-error', context)) writes.push({ kind: 'put', resource, mayExist: true });
}

/** The response is gone: what was derived from it keeps its values and says that it must not be used. */
function withdrawFact(writes: DerivedWrite[], fact: Fact, context: DeriveContext): void {
  const { scale, score, episode, scored } = fact;
  if (scored) writes.push({ kind: 'put', resource: scoreObservation(scale, score, episode, 'entered-in-error', context), mayExist: true });
  for (const [linkId, value] of Object.entries(ownSafety(score))) {
    if (value !== null && value > 0) withdrawSafetyItem(writes, fact, linkId, value, context);
  }
  withdrawChange(writes, fact, context);
}

/** Entries that a change left alone are the same objects, so that this costs nothing for them. */
const same = (a: Fact, b: Fact): boolean => a.scale === b.scale && a.score === b.score && a.baseline === b.baseline && a.episode?.id === b.episode?.id;

const sameSetting = (a: Fact, b: Fact): boolean =>
  a.episode?.id === b.episode?.id && a.score.data.authored === b.score.data.authored && a.score.date === b.score.date && a.score.data.encounter === b.score.data.encounter;

const sameScore = (a: Fact, b: Fact): boolean => a.scale === b.scale && sameSetting(a, b) && sameTotal(a.score, b.score) && a.score.data.status === b.score.data.status;

const sameChange = (a: Fact, b: Fact): boolean =>
  a.scale === b.scale && a.baseline !== null && b.baseline !== null && sameSetting(a, b) && sameTotal(a.score, b.score) && sameTotal(a.baseline, b.baseline) && a.baseline.date === b.baseline.date;

const sameTotal = (a: Score, b: Score): boolean => a === b || (
  a.id === b.id && a.value === b.value && a.data.answered === b.data.answered && a.data.items === b.data.items
  && a.data.prorated === b.data.prorated && a.data.maxScore === b.data.maxScore
  && JSON.stringify(a.data.security) === JSON.stringify(b.data.security));
