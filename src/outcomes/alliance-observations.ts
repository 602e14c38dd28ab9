import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import type { AllianceEvent } from './alliance-events.ts';
import { allianceWords } from './alliance-words.ts';
import { number, occurrenceObservation, part, type ObservationContext, type ObservationStatus } from './observations.ts';
import type { Scale } from './registry.ts';
import { allianceStateDisplay } from './terminology.ts';

/** @returns the Observation of something that stands out in the ratings of the work together. */
export const allianceObservation = (scale: Scale, event: AllianceEvent, status: ObservationStatus, context: ObservationContext): Resource =>
  occurrenceObservation(scale, event, event.series.episode, status, context, content(scale, event), allianceWords(scale, event));

const coded = (code: keyof typeof allianceStateDisplay): object =>
  ({ valueCodeableConcept: { coding: [{ system: codeSystem('alliance-state'), code, display: allianceStateDisplay[code] }] } });

function content({ definition: { alliance } }: Scale, event: AllianceEvent): object {
  if (event.metric === 'alliance-low') {
    const { total, item } = alliance!.low!;
    const limits = [...(event.total ? [part('low-limit', number(total!.value))] : []), ...(event.items.length > 0 ? [part('low-item-limit', number(item!.value))] : [])];
    return { valueBoolean: true, component: [...limits, ...event.items.map((linkId) => part('low-item', { valueString: linkId }))] };
  }
  const { size, drop, reference, before } = event.rupture;
  const threshold = Math.max((size === 'major' ? 2 : 1) * reference, alliance?.leastDrop ?? 0);
  return {
    ...coded(size),
    component: [part('state', coded(event.state)), part('drop', number(drop)), part('reference-sd', number(reference)), part('drop-threshold', number(threshold)), part('reference-score', number(before.value))],
  };
}
