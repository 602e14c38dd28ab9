import type {
  Age, Attachment, ContactPoint, Count, DataRequirementCodeFilter, Duration, Expression, Period, Quantity, Range, Ratio, TimingRepeat, TriggerDefinition,
} from '@medplum/fhirtypes';
import { dateRange } from '../dates.ts';
import { exists, existsChoice, rule, type Invariant } from './rule.ts';

const ucum = 'http://unitsofmeasure.org';

const unitSystem = rule<Quantity>('qty-3', 'A unit with a code must have a system', ({ code, system }) => code === undefined || system !== undefined);
const isUcum = ({ system }: Quantity): boolean => system === undefined || system === ucum;
const hasUnit = (quantity: Quantity): boolean => quantity.code !== undefined || !exists(quantity, 'value');

const eventsOfMeals: ReadonlySet<unknown> = new Set(['C', 'CM', 'CD', 'CV']);

const pathOrParameter = (filter: DataRequirementCodeFilter): boolean => exists(filter, 'path') !== exists(filter, 'searchParam');

/** Constraints of the data types (http://hl7.org/fhir/R4/datatypes.html). */
export const ofDatatypes: Readonly<Record<string, readonly Invariant[]>> = {
  Age: [
    unitSystem,
    rule<Age>('age-1', 'An age must be above zero and have a UCUM unit of time as code', (age) => hasUnit(age) && isUcum(age) && (age.value === undefined || age.value > 0)),
  ],
  Attachment: [
    rule<Attachment>('att-1', 'An attachment with data must have a contentType', (attachment) => !exists(attachment, 'data') || exists(attachment, 'contentType')),
  ],
  ContactPoint: [
    rule<ContactPoint>('cpt-2', 'A contact point with a value must have a system', (contact) => !exists(contact, 'value') || exists(contact, 'system')),
  ],
  Count: [
    unitSystem,
    rule<Count>('cnt-3', 'A count must be a whole number with the UCUM code "1"', (count) => hasUnit(count) && isUcum(count)
      && (count.code === undefined || count.code === '1') && (count.value === undefined || Number.isInteger(count.value))),
  ],
  DataRequirement: [
    rule('drq-1', 'A code filter must have either path or searchParam', pathOrParameter),
    rule('drq-2', 'A date filter must have either path or searchParam', pathOrParameter),
  ],
  Distance: [
    unitSystem,
    rule<Quantity>('dis-1', 'A distance must have a UCUM unit of length as code', (distance) => hasUnit(distance) && isUcum(distance)),
  ],
  Duration: [
    unitSystem,
    rule<Duration>('drt-1', 'A duration with a code must have a value and the UCUM system', (duration) => duration.code === undefined
      || (duration.system === ucum && exists(duration, 'value'))),
  ],
  Expression: [
    rule<Expression>('exp-1', 'An expression must have an expression or a reference', (expression) => exists(expression, 'expression') || exists(expression, 'reference')),
  ],
  Period: [
    rule<Period>('per-1', 'A period must not end before it starts', ({ start, end }) => start === undefined || end === undefined || isOrdered(start, end)),
  ],
  Quantity: [unitSystem],
  Range: [
    rule<Range>('rng-2', 'The low end of a range must not be above its high end', ({ low, high }) => low?.value === undefined || high?.value === undefined
      || low.system !== high.system || low.code !== high.code || low.unit !== high.unit || low.value <= high.value),
  ],
  Ratio: [
    rule<Ratio>('rat-1', 'A ratio must have both numerator and denominator, or neither and an extension', (ratio) => ('numerator' in ratio) === ('denominator' in ratio)
      && ('numerator' in ratio || 'extension' in ratio)),
  ],
  SimpleQuantity: [unitSystem],
  Timing: ofTiming(),
  TriggerDefinition: [
    rule<TriggerDefinition>('trd-1', 'A trigger must have either timing or data', (trigger) => !('data' in trigger) || !existsChoice(trigger, 'timing')),
    rule<TriggerDefinition>('trd-2', 'A trigger with a condition must have data', (trigger) => !('condition' in trigger) || 'data' in trigger),
    rule<TriggerDefinition>('trd-3', 'A named event must have a name, a periodic event timing, a data event data', (trigger) => (trigger.type !== 'named-event' || exists(trigger, 'name'))
      && (trigger.type !== 'periodic' || existsChoice(trigger, 'timing')) && (trigger.type?.startsWith('data-') !== true || 'data' in trigger)),
  ],
};

function ofTiming(): Invariant[] {
  return [
    rule<TimingRepeat>('tim-1', 'duration needs durationUnit', (repeat) => !exists(repeat, 'duration') || exists(repeat, 'durationUnit')),
    rule<TimingRepeat>('tim-2', 'period needs periodUnit', (repeat) => !exists(repeat, 'period') || exists(repeat, 'periodUnit')),
    rule<TimingRepeat>('tim-4', 'duration must not be negative', ({ duration }) => duration === undefined || duration >= 0),
    rule<TimingRepeat>('tim-5', 'period must not be negative', ({ period }) => period === undefined || period >= 0),
    rule<TimingRepeat>('tim-6', 'periodMax needs period', (repeat) => !exists(repeat, 'periodMax') || exists(repeat, 'period')),
    rule<TimingRepeat>('tim-7', 'durationMax needs duration', (repeat) => !exists(repeat, 'durationMax') || exists(repeat, 'duration')),
    rule<TimingRepeat>('tim-8', 'countMax needs count', (repeat) => !exists(repeat, 'countMax') || exists(repeat, 'count')),
    rule<TimingRepeat>('tim-9', 'offset needs a when that is not C, CM, CD or CV', (repeat) => !exists(repeat, 'offset')
      || (exists(repeat, 'when') && !(repeat.when ?? []).some((when) => eventsOfMeals.has(when)))),
    rule<TimingRepeat>('tim-10', 'timeOfDay and when exclude each other', (repeat) => !exists(repeat, 'timeOfDay') || !exists(repeat, 'when')),
  ];
}

/** Two instants compare as such; otherwise as far as both are written (2026-01 and 2026-01-15 do not contradict). */
export function isOrdered(start: string, end: string): boolean {
  if (start.length > 10 && end.length > 10) {
    const low = dateRange(start)?.low;
    const high = dateRange(end)?.high;
    return low === undefined || high === undefined || low < high;
  }
  const common = Math.min(start.length, end.length, 10);
  return start.slice(0, common) <= end.slice(0, common);
}
