import type { Resource } from '../../fhir/resource.ts';
import { counted, type Chart } from './chart.ts';
import type { Concept } from './concepts.ts';
import type { Edition } from './editions.ts';
import { notAfter, overlapping, timeOf, within, type Precision, type Stretch } from './moments.ts';

/**
 * What takes a patient out of the denominator of the measures of depression: death, other disorders, hospice or palliative care.
 * A death of which no date is known is none: nobody can tell whether it was before the end.
 * @param whole from the beginning of what the measure looks at to its end
 */
export function exclusions(chart: Chart, whole: Stretch, { death, palliativeCare }: Pick<Edition, 'death' | 'palliativeCare'>): Resource[] {
  const { patient } = chart;
  const during = (name: string, by: Precision) => (resource: Resource): boolean => {
    const time = timeOf(resource, name);
    return time !== undefined && overlapping(time, whole, by);
  };
  const diagnosed = (by: Precision, group: 'hospice-diagnosis' | 'palliative-diagnosis'): Resource[] => chart.diagnoses(group).filter(({ time }) => overlapping(time, whole, by)).map(({ resource }) => resource);
  const counts = ({ status }: Resource): boolean => counted.includes(status);
  return [
    ...(notAfter(timeOf(patient, 'deceased')?.low, whole.high, death) ? [patient] : []),
    ...chart.diagnoses('bipolar', 'personality-labile', 'psychosis', 'developmental').filter(({ time }) => notAfter(time.low, whole.high, 'day')).map(({ resource }) => resource),
    ...diagnosed('day', 'hospice-diagnosis'),
    ...diagnosed(palliativeCare, 'palliative-diagnosis'),
    ...chart.of('Encounter', 'inpatient').filter((encounter) => encounter.status === 'finished' && isToHospice(chart, encounter) && within(timeOf(encounter, 'period')?.high, whole, 'day')),
    ...chart.of('Encounter', 'hospice-encounter').filter(({ status }) => !['cancelled', 'entered-in-error', 'unknown'].includes(status as string)).filter(during('period', 'day')),
    ...chart.of('Encounter', 'palliative-encounter').filter(({ status }) => status === 'finished').filter(during('period', palliativeCare)),
    ...chart.of('Observation', 'hospice-assessment').filter(counts).filter(isYes).filter(during('effective', 'day')),
    ...chart.of('Observation', 'palliative-assessment').filter(counts).filter(during('effective', palliativeCare)),
    ...chart.of('ServiceRequest', 'hospice-care').filter(isOrdered).filter(during('authoredOn', 'day')),
    ...chart.of('Procedure', 'hospice-care').filter(isPerformed).filter(during('performed', 'day')),
    ...chart.of('Procedure', 'palliative-care').filter(isPerformed).filter(during('performed', palliativeCare)),
  ];
}

const isToHospice = (chart: Chart, { hospitalization }: Resource): boolean => chart.is('hospice-discharge', (hospitalization as { dischargeDisposition?: Concept } | undefined)?.dischargeDisposition);

const orders: readonly unknown[] = ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'];
const isOrdered = ({ status, intent, doNotPerform }: Resource): boolean => (status === 'active' || status === 'completed') && orders.includes(intent) && doNotPerform !== true;

const refused: readonly unknown[] = ['not-done', 'entered-in-error', 'unknown'];
const isPerformed = ({ status }: Resource): boolean => !refused.includes(status);

const isYes = ({ valueCodeableConcept }: Resource): boolean =>
  (valueCodeableConcept as Concept | undefined)?.coding?.some(({ system, code }) => system === 'http://snomed.info/sct' && code === '373066001') === true;
