import { codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import type { CourseEvent } from './course.ts';
import { eventWords } from './course-words.ts';
import { exact } from './decimals.ts';
import { number, occurrenceObservation, part, type ObservationContext, type ObservationStatus } from './observations.ts';
import type { Episode } from './record.ts';
import type { Scale } from './registry.ts';
import { courseStateDisplay } from './terminology.ts';

/** The Observation of something that stands out in a course. It exists only where the rule applies: a usual score writes none. */
export const courseObservation = (scale: Scale, event: CourseEvent, episode: Episode | null, status: ObservationStatus, context: ObservationContext): Resource =>
  occurrenceObservation(scale, event, episode, status, context, content(scale, event), eventWords(scale, event));

const state = (code: keyof typeof courseStateDisplay): object =>
  ({ valueCodeableConcept: { coding: [{ system: codeSystem('course-state'), code, display: courseStateDisplay[code] }] } });

/** Value and components, as few as tell the whole: every component is a row in several indexes. */
function content(scale: Scale, event: CourseEvent): object {
  const threshold = scale.threshold === undefined ? [] : [part('threshold', number(scale.threshold.value))];
  switch (event.metric) {
    case 'response': return { valueQuantity: { value: Math.round(1000 * event.reduction) / 10, unit: '%', system: 'http://unitsofmeasure.org', code: '%' }, component: [part('baseline', number(event.inputs[1]!.value))] };
    case 'remission': case 'sustained-remission': return { valueBoolean: true };
    case 'setback': {
      const { best, recoveryDays, week } = event.setback;
      return { ...state(event.state), component: [part('reference-score', number(best.value)), ...threshold, ...(recoveryDays === null ? [] : [part('recovery-days', { valueInteger: recoveryDays })]), ...(week === null ? [] : [part('check-in-week', { valuePeriod: { start: week.week.from, end: week.week.to } })])] };
    }
    case 'relapse': return { ...state(event.after.state), component: [part('reference-score', number(event.after.reference.value)), ...threshold] };
    case 'sudden-gain': case 'sudden-loss': {
      const { before, after, reversal } = event.step;
      return { ...number(exact(after[0]!.value - before.at(-1)!.value)), component: [...threshold, ...(reversal === null ? [] : [part('reversed', { valueBoolean: true })])] };
    }
    case 'trajectory-signal': {
      const { signal: { code, reference }, session } = event;
      return { ...state(code), component: [part('session-number', { valueInteger: session }), ...(reference === undefined ? [] : [
        part('expected', number(reference.expected)), part('watch-boundary', number(reference.watchBeyond)), part('boundary', number(reference.notOnTrackBeyond)), part('n', { valueInteger: reference.n }),
        ...(reference.percentile === undefined ? [] : [part('percentile', number(reference.percentile))]),
        part('reference-version', { valueString: reference.version }),
      ])] };
    }
  }
}
