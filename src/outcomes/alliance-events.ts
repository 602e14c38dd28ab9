import { isLow, repairWithin, ruptures, type Rupture } from './alliance.ts';
import { onePerDate, seriesOf, type Series, type Valid } from './baseline.ts';
import type { PatientRecord, Session } from './record.ts';
import type { Scale } from './registry.ts';
import { sessionNumbers, sessionsOf } from './sessions.ts';

/** What stands out in how two people rate their work together (docs/clinical.md 3.13). Pure. */

export type RuptureState = 'open' | 'repaired' | 'unrepaired';

/** Something in a series of ratings that is worth an Observation of its own. */
export type AllianceEvent = { readonly anchor: Valid; readonly inputs: readonly Valid[]; readonly series: Series } & (
  | { readonly metric: 'alliance-low'; readonly total: boolean; readonly items: readonly string[] }
  | { readonly metric: 'alliance-rupture'; readonly rupture: Rupture<Valid>; readonly state: RuptureState; /** The last thing that its state rests on, in milliseconds since 1970. */ readonly decidedAt: number }
);

/** @returns the ratings of one series that count: one a date, in time order. */
export const ratingsOf = ({ scores }: Series): readonly Valid[] => onePerDate(scores);

/** @returns everything that stands out in the ratings of `scale`; [] where the scale is no rating of the alliance. */
export function allianceEvents(record: PatientRecord, scale: Scale): AllianceEvent[] {
  return scale.definition.alliance === undefined ? [] : seriesOf(record, scale.key).flatMap((series) => eventsOf(scale, series, sessionsOf(record, series.episode)));
}

/** @returns what stands out in one series, in the order of the ratings; `sessions` are those of its episode. */
export function eventsOf({ definition: { alliance } }: Scale, series: Series, sessions: readonly Session[]): AllianceEvent[] {
  const ratings = ratingsOf(series);
  const limit = alliance?.low?.total;
  const low = ratings.flatMap((anchor): AllianceEvent[] => {
    const total = limit !== undefined && isLow(anchor.value, limit);
    const items = anchor.data.alliance?.lowItems ?? [];
    return total || items.length > 0 ? [{ metric: 'alliance-low', anchor, inputs: [anchor], series, total, items }] : [];
  });
  const numberOf = sessionNumbers(sessions);
  const drops = ruptures(ratings, alliance?.sampleSd, alliance?.leastDrop, { count: sessions.length, numberOf }).map((rupture): AllianceEvent => {
    const { at, before, spreadOf, later } = rupture;
    return {
      metric: 'alliance-rupture', anchor: at, series, rupture, state: stateOf(rupture),
      decidedAt: Math.max(later.at(-1)?.at ?? at.at, sessions[numberOf(at) + repairWithin]?.at ?? -Infinity),
      inputs: [at, before, ...spreadOf.filter(({ id }) => id !== before.id), ...later],
    };
  });
  return [...low, ...drops].sort((a, b) => a.anchor.at - b.anchor.at);
}

const stateOf = ({ repairedBy, isUnrepaired }: Rupture): RuptureState => (repairedBy !== null ? 'repaired' : isUnrepaired ? 'unrepaired' : 'open');
