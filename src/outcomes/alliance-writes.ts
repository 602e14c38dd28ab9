import type { Resource } from '../fhir/resource.ts';
import { allianceEvents, type AllianceEvent } from './alliance-events.ts';
import { allianceObservation } from './alliance-observations.ts';
import { allianceTaskWrites } from './alliance-tasks.ts';
import type { Valid } from './baseline.ts';
import { Standing } from './difference.ts';
import type { Change, DeriveContext, DerivedWrite } from './derived-write.ts';
import { observationId } from './observations.ts';
import type { PatientRecord } from './record.ts';
import type { Scale } from './registry.ts';

/** Which writes lead from what stood out in the ratings of the work together in one record to what stands out in another. */

/** Adds to `writes` what turns the Observations of the alliance and the requests to talk of `before` into those of `after`. */
export function allianceWrites(writes: DerivedWrite[], scale: Scale, before: PatientRecord, after: PatientRecord, change: Change, context: DeriveContext): void {
  if (scale.definition.alliance === undefined) return;
  const was = allianceEvents(before, scale), is = allianceEvents(after, scale);
  const earlier = byKey(was), now = byKey(is);
  for (const [key, event] of now) {
    const known = earlier.get(key);
    if (known !== undefined && same(known, event)) continue;
    const standing = new Standing(event.anchor.id, change);
    const status = standing.status(known !== undefined, event.anchor.data.status === 'amended' ? 'amended' : 'final');
    writes.push({ kind: 'put', resource: allianceObservation(scale, event, status, context), mayExist: !standing.fresh });
  }
  for (const [key, { metric, anchor }] of earlier) if (!now.has(key)) writes.push(withdrawal(scale, metric, anchor.id));
  allianceTaskWrites(writes, scale, { before, after, was, is }, change, context);
}

const byKey = (events: readonly AllianceEvent[]): Map<string, AllianceEvent> => new Map(events.map((event) => [`${event.metric}|${event.anchor.id}`, event]));

/** Whether the Observation of an event would be the same. */
function same(a: AllianceEvent, b: AllianceEvent): boolean {
  return a.series.episode?.id === b.series.episode?.id && detail(a) === detail(b)
    && a.inputs.length === b.inputs.length && a.inputs.every((score, i) => sameInput(score, b.inputs[i]!));
}

function sameInput(a: Valid, b: Valid): boolean {
  return a === b || (a.id === b.id && a.value === b.value && a.date === b.date && a.data.encounter === b.data.encounter
    && a.data.authored === b.data.authored && JSON.stringify(a.data.security) === JSON.stringify(b.data.security));
}

/** What an event says beside its inputs. */
const detail = (event: AllianceEvent): string => (event.metric === 'alliance-low' ? `${event.total} ${event.items.join(' ')}`
  : `${event.state} ${event.rupture.size} ${event.rupture.reference} ${event.rupture.before.id}`);

/** The Observation keeps its value and says that it must not be used any more. */
const withdrawal = (scale: Scale, metric: AllianceEvent['metric'], responseId: string): DerivedWrite => ({
  kind: 'change', type: 'Observation', id: observationId(metric, scale, responseId),
  change: (current: Resource) => (current['status'] === 'entered-in-error' ? null : { ...current, status: 'entered-in-error' }),
});
