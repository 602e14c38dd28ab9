import type { Resource } from '../../fhir/resource.ts';
import { overlap, spanOf, startOfDay, type Span } from './calendar.ts';
import { counted, type Chart } from './chart.ts';
import type { Concept, ConceptGroup } from './concepts.ts';

/**
 * What takes a patient out of the denominator of the measures of depression: death, other disorders, hospice or palliative care.
 * @param whole from the beginning of what the measure looks at to its end
 */
export function exclusions(chart: Chart, whole: Span): Resource[] {
  const { patient } = chart;
  const died = spanOf(patient, 'deceased');
  const isDead = patient.deceasedBoolean === true || (died !== undefined && died.low < whole.high);
  const during = (resource: Resource, name: string): boolean => {
    const span = spanOf(resource, name);
    return span !== undefined && overlap({ low: startOfDay(span.low), high: span.high }, whole);
  };
  const disorders = chart.diagnoses('bipolar', 'personality-labile', 'psychosis', 'developmental').filter(({ span }) => span.low < whole.high);
  const care = chart.diagnoses('hospice-diagnosis', 'palliative-diagnosis').filter(({ span }) => overlap(span, whole));
  const refused: readonly unknown[] = ['not-done', 'entered-in-error', 'unknown', 'preparation'];
  return [
    ...(isDead ? [patient] : []),
    ...[...disorders, ...care].map(({ resource }) => resource),
    ...chart.of('Encounter', 'inpatient').filter((encounter) => encounter.status === 'finished' && endsDuring(encounter, whole)
      && chart.is('hospice-discharge', (encounter.hospitalization as { dischargeDisposition?: Concept } | undefined)?.dischargeDisposition)),
    ...chart.of('Encounter', 'hospice-encounter').filter((encounter) => !['cancelled', 'entered-in-error', 'unknown'].includes(encounter.status as string) && during(encounter, 'period')),
    ...chart.of('Encounter', 'palliative-encounter').filter((encounter) => encounter.status === 'finished' && during(encounter, 'period')),
    ...chart.of('Observation', 'hospice-assessment').filter((observation) => counted.includes(observation.status) && isYes(observation) && during(observation, 'effective')),
    ...chart.of('Observation', 'palliative-assessment').filter((observation) => counted.includes(observation.status) && during(observation, 'effective')),
    ...chart.of('ServiceRequest', 'hospice-care').filter(isOrdered).filter((request) => during(request, 'authoredOn')),
    ...['hospice-care', 'palliative-care'].flatMap((group) => chart.of('Procedure', group as ConceptGroup)).filter((procedure) => !refused.includes(procedure.status) && during(procedure, 'performed')),
  ];
}

function endsDuring(encounter: Resource, whole: Span): boolean {
  const span = spanOf(encounter, 'period');
  return span !== undefined && span.high !== Infinity && span.high > whole.low && span.high - 1 < whole.high;
}

const orders: readonly unknown[] = ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'];
const isOrdered = ({ status, intent, doNotPerform }: Resource): boolean => (status === 'active' || status === 'completed') && orders.includes(intent) && doNotPerform !== true;

const isYes = ({ valueCodeableConcept }: Resource): boolean =>
  (valueCodeableConcept as Concept | undefined)?.coding?.some(({ system, code }) => system === 'http://snomed.info/sct' && code === '373066001') === true;
