import driverSystem from '../../schemas/code-systems/driver.json' with { type: 'json' };
import { codeSystem } from '../fhir/canonical.ts';
import { isLater, onePerDate, seriesOf, type Series, type Valid } from './baseline.ts';
import { isOutcome } from './change.ts';
import { onWholeScale } from './course.ts';
import { changeForClient, nameForClient, scoreForClient } from './client-words.ts';
import { changeSentence } from './explain.ts';
import { changeOf, scoreReference } from './observations.ts';
import { explanation, known, number, reference, type Part } from './parts.ts';
import { counted, dayOf, direction, outOf, shown } from './plain-words.ts';
import { homeworkExplanation, homeworkIntervals, type HomeworkContext, type HomeworkInterval } from './progress-homework.ts';
import type { Episode, PatientRecord } from './record.ts';
import type { Scale } from './registry.ts';
import { bandOf } from './score.ts';
import { sessionNumbers, sessionsOf } from './sessions.ts';

/**
 * Motivation, the work together and homework beside the scores of a course, session by session (docs/clinical.md 3.10; seed: progress
 * depends on motivation, relationship and practice). Composed of what is stored; no number here says that one moves another. Pure.
 */

export interface DriversContext extends Omit<HomeworkContext, 'episode'> {
  /** Keys of the outcome scales that are asked for; absent: every one with scores. */
  readonly outcomes?: readonly string[];
}

type DriverCode = 'motivation' | 'self-efficacy' | 'alliance' | 'alliance-therapist' | 'homework';

/** What a scale is looked at as; undefined: it is none of these. */
function driverOf({ key, instrument, definition }: Scale): DriverCode | undefined {
  if (key === 'bs-weekly.motivation') return 'motivation';
  if (key === 'bs-weekly.self-efficacy') return 'self-efficacy';
  if (definition.alliance !== undefined) return 'alliance';
  return instrument.definition.id === 'bs-alliance-therapist' && definition.id === 'total' ? 'alliance-therapist' : undefined;
}

const displays = new Map(driverSystem.concept.map(({ code, display }) => [code, display]));
const driverPart = (code: DriverCode): Part => ({ name: 'driver', valueCoding: { system: codeSystem('driver'), code, display: displays.get(code) } });

/** The scores of one scale in the episode, with the number of the session that each belongs to. */
interface Rated { readonly driver?: DriverCode; readonly scale: Scale; readonly series: Series; readonly scores: readonly Valid[]; readonly sessionOf: (score: Valid) => number }

/** @returns the parts of an episode: a `rating` for each driver that was rated, an `outcome` for each scale, an `interval` for each time between two sessions. */
export function driverParts(record: PatientRecord, episode: Episode, context: DriversContext): Part[] {
  const { registry, outcomes } = context;
  const sessionOf = sessionNumbers(sessionsOf(record, episode));
  const all = [...record.scores.keys()].sort().flatMap((key): Rated[] => {
    const scale = registry.scales.get(key);
    const series = seriesOf(record, key).find((each) => each.episode?.id === episode.id);
    if (scale === undefined || series === undefined) return [];
    const driver = driverOf(scale);
    return [{ scale, series, scores: onePerDate(series.scores), sessionOf, ...(driver === undefined ? {} : { driver }) }];
  });
  const ratings = all.filter(({ driver }) => driver !== undefined);
  const shownOutcomes = all.filter(({ scale, driver }) => driver === undefined && (outcomes === undefined ? isOutcome(scale) : outcomes.includes(scale.key)));
  return [
    caution,
    ...ratings.map(ratingPart),
    ...shownOutcomes.map(outcomePart),
    ...homeworkIntervals(record, episode, { ...context, episode: episode.id }).flatMap((interval) => intervalPart(interval, ratings, shownOutcomes)),
  ];
}

/** Said before any number. */
const caution: Part = {
  name: 'caution',
  part: [
    { name: 'text', valueString: 'These stand side by side for one person. Which of them moves which, or whether something else moves all of them, cannot be told from it.' },
    { name: 'text-for-client', valueString: 'These stand side by side. What leads to what cannot be told from it; you may have your own idea, and it is worth talking about.' },
  ],
};

const concept = ({ codings, definition }: Scale): Part => ({ name: 'code', valueCodeableConcept: { coding: codings, text: definition.title } });

const pointParts = ({ scores, sessionOf }: Rated): Part[] => scores.map((score) => ({
  name: 'point',
  part: [number('session', sessionOf(score)), { name: 'effective', valueDateTime: score.data.authored }, number('value', score.value), reference('observation', scoreReference(score))],
}));

const mean = (scores: readonly Valid[]): number => scores.reduce((sum, { value }) => sum + value, 0) / scores.length;

function ratingPart(rated: Rated): Part {
  const { driver, scale, scores } = rated;
  const { definition: { id, version } } = scale.instrument;
  const [first, latest] = [scores[0]!, scores.at(-1)!];
  const since = scores.length === 1 ? '' : `, ${shown(first.value)} on ${dayOf(first.date)}`;
  return {
    name: 'rating',
    part: [
      driverPart(driver!), concept(scale), { name: 'direction', valueCode: scale.definition.direction }, number('n', scores.length), number('mean', mean(scores)), number('latest', latest.value),
      ...pointParts(rated),
      explanation(id, version, {
        clinician: `${scale.definition.title}: ${counted(scores.length, 'rating')} in this episode, on average ${shown(mean(scores))}; ${outOf(scale, latest.value)} on ${dayOf(latest.date)}${since} (${direction(scale)}).`,
        client: `${nameForClient(scale)}: ${outOf(scale, latest.value)} on ${dayOf(latest.date)}${since}. You answered ${counted(scores.length, 'time')}.`,
      }, scores.map(scoreReference)),
    ],
  };
}

function outcomePart(rated: Rated): Part {
  const { scale, series, scores } = rated;
  const { definition: { id, version } } = scale.instrument;
  const latest = scores.at(-1)!;
  // Beside each other and beside the improvement they count as it does.
  const whole = scores.map((score) => onWholeScale(scale, score));
  const change = isLater(latest, series) ? changeOf(scale, series.baseline, latest) : null;
  const words = change === null
    ? { clinician: `${scale.definition.title}: ${outOf(scale, latest.value)} on ${dayOf(latest.date)}. There is one date so far, so that nothing is compared.`, client: scoreForClient(scale, latest, bandOf(scale, latest.value)) }
    : { clinician: changeSentence(scale, latest, series.baseline, change), client: changeForClient(scale, latest, series.baseline, change) };
  return {
    name: 'outcome',
    part: [
      concept(scale), { name: 'direction', valueCode: scale.definition.direction },
      number('baseline', onWholeScale(scale, series.baseline).value), number('latest', whole.at(-1)!.value), ...known('improvement', change?.improvement ?? null),
      ...pointParts({ ...rated, scores: whole }),
      explanation(id, version, words, change === null ? [scoreReference(latest)] : [latest, series.baseline].map(scoreReference)),
    ],
  };
}

/** One row of the panel; none where nothing was rated, due or compared. */
function intervalPart({ session, after, before, found, moved }: HomeworkInterval, ratings: readonly Rated[], outcomes: readonly Rated[]): Part[] {
  const rated = ratings.flatMap((each): Part[] => {
    const scores = each.scores.filter((score) => each.sessionOf(score) === session);
    return scores.length === 0 ? [] : [{ name: 'rating', part: [driverPart(each.driver!), concept(each.scale), number('n', scores.length), number('mean', mean(scores)), ...scores.map((score) => reference('observation', scoreReference(score)))] }];
  });
  const homework: Part[] = found.eligible.length === 0 ? [] : [{
    name: 'homework',
    part: [driverPart('homework'), number('eligible', found.eligible.length), number('completed', found.completed), ...known('completion-rate', found.completionRate), ...known('quantity', found.quantity), homeworkExplanation(found)],
  }];
  const changes = moved.filter(({ scale }) => outcomes.some((each) => each.scale.key === scale.key)).map(({ scale, from, to, improvement }): Part => ({
    name: 'change',
    part: [concept(scale), number('from', from.value), number('to', to.value), number('improvement', improvement), ...[from, to].map((score) => reference('observation', scoreReference(score)))],
  }));
  if (rated.length + homework.length + changes.length === 0) return [];
  return [{
    name: 'interval',
    part: [
      number('session', session),
      ...(after === undefined ? [] : [reference('after', `Encounter/${after.id}`), { name: 'start', valueDateTime: after.data.start }]),
      ...(before === undefined ? [] : [reference('before', `Encounter/${before.id}`), { name: 'end', valueDateTime: before.data.start }]),
      ...rated, ...homework, ...changes,
    ],
  }];
}
