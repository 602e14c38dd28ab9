import { onePerDate, seriesOf, type Valid } from './baseline.ts';
import { onWholeScale } from './course.ts';
import { shown } from './plain-words.ts';
import { metricTable } from './metrics.ts';
import { explanation, number, reference, type Part } from './parts.ts';
import { rankCorrelation } from './rank-correlation.ts';
import { sourceOf, type Episode, type PatientRecord, type Session } from './record.ts';
import type { Registry, Scale } from './registry.ts';
import { sessionsOf } from './sessions.ts';

/** How the scores moved between two sessions, beside the homework of that time (docs/clinical.md 3.10). */

/** The change of one scale from one session to the next. */
export interface IntervalChange { readonly scale: Scale; readonly from: Valid; readonly to: Valid; readonly improvement: number }

/**
 * The score with which a session begins is the last one of its date or of the time since the session before, or one that names it:
 * what was answered on the evening before a session shows what the time before it did.
 * @returns for each interval (number of the session that it follows) the scales with a score for both of its sessions; those without a reliable change are left out.
 */
export function changesOf(record: PatientRecord, episode: Episode, registry: Registry): Map<number, IntervalChange[]> {
  const found = new Map<number, IntervalChange[]>();
  const sessions = sessionsOf(record, episode);
  for (const key of [...record.scores.keys()].sort()) {
    const scale = registry.scales.get(key);
    const series = seriesOf(record, key).find((each) => each.episode?.id === episode.id);
    if (scale?.threshold === undefined || series === undefined) continue;
    const bySession = new Map(onePerDate(series.scores).map((score) => [beginning(sessions, score), onWholeScale(scale, score)]));
    for (const [session, from] of bySession) {
      const to = bySession.get(session + 1);
      if (session === 0 || to === undefined) continue;
      found.set(session, [...found.get(session) ?? [], { scale, from, to, improvement: scale.sign * (from.value - to.value) }]);
    }
  }
  return found;
}

/** The number of the session that a score is the beginning of; 0 after the last. */
function beginning(sessions: readonly Session[], { date, data: { encounter } }: Valid): number {
  const named = sessions.findIndex(({ id }) => encounter === `Encounter/${id}`);
  return (named >= 0 ? named : sessions.findIndex((session) => session.date >= date)) + 1;
}

/** @returns what is said of one change: which way is better is for clinicians, what moved for clients. */
export function changePart({ scale, from, to, improvement }: IntervalChange): Part {
  return {
    name: 'change',
    part: [
      { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } },
      number('from', from.value), number('to', to.value), number('improvement', Math.round(100 * improvement) / 100),
      reference('from-response', sourceOf(from)), reference('to-response', sourceOf(to)),
    ],
  };
}

/** @returns the rank correlation of how much homework was done with the improvement, for each scale with enough intervals. */
export function associationParts(pairs: readonly { readonly quantity: number; readonly tasks: readonly string[]; readonly change: IntervalChange }[]): Part[] {
  return [...Map.groupBy(pairs, ({ change }) => change.scale)].flatMap(([scale, list]): Part[] => {
    const rho = rankCorrelation(list.map(({ quantity, change }) => [quantity, change.improvement]));
    if (rho === null) return [];
    const words = {
      clinician: `Over ${list.length} intervals between sessions the rank correlation of homework done with improvement on ${scale.definition.title} is ${shown(rho)}: an association within one person, not proof of cause. Between people, published: r = .22 (27 studies, 2000) and .26 (23 studies, 2010).`,
      client: `Your practice and your ${scale.instrument.definition.shortTitle} scores in ${list.length} stretches between sessions are put side by side here. What leads to what cannot be told from it.`,
    };
    return [{
      name: 'association',
      part: [
        { name: 'code', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } }, number('n', list.length), number('rank-correlation', rho),
        explanation('homework-and-change', metricTable['homework-and-change'].version, words, list.flatMap(({ tasks, change: { from, to } }) => [...tasks, sourceOf(from), sourceOf(to)])),
      ],
    }];
  });
}
