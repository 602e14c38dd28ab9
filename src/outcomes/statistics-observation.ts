import type { Resource } from '../fhir/resource.ts';
import type { Measured, Unit } from './measurements.ts';
import { describe, regression, statisticDisplay, type Statistic } from './statistics.ts';

/** Of what, of whom, and over which time statistics are. */
export interface Scope {
  readonly statistics: readonly Statistic[];
  readonly subject: string;
  readonly period?: { readonly start?: string; readonly end?: string };
}

const system = 'http://terminology.hl7.org/CodeSystem/observation-statistics';
const ucum = 'http://unitsofmeasure.org';
const one: Unit = { unit: '1', system: ucum, code: '1' };
/** Numbers of values, and shapes of their distribution: whatever the unit of the values. */
const plain: ReadonlySet<Statistic> = new Set(['count', 'total-count', 'skew', 'kurtosis']);

/**
 * The Observation that carries the statistics of one code: a component for each
 * (http://hl7.org/fhir/R4/observation-operation-stats.html).
 * @param measured values of one unit at most.
 */
export function statisticsObservation(measured: Measured, { statistics, subject, period }: Scope): Resource {
  const unit = measured.units[0] ?? {};
  return {
    resourceType: 'Observation',
    status: 'final',
    code: measured.code,
    subject: { reference: subject },
    ...(period === undefined ? {} : { effectivePeriod: period }),
    component: statistics.flatMap((statistic) => (statistic === 'regression' ? line(measured, unit) : [component(statistic, numberOf(statistic, measured), unitOf(statistic, unit))])),
  };
}

const numberOf = (statistic: Exclude<Statistic, 'regression'>, { points, total }: Measured): number | undefined =>
  (statistic === 'total-count' ? total : describe(statistic, points.map(({ value }) => value)));

/** The gradient for each day, and the value at the first time; both are the statistic "regression". */
function line(measured: Measured, unit: Unit): object[] {
  const found = regression(measured.points);
  return [
    component('regression', found?.gradient, perDay(unit), 'gradient'),
    component('regression', found?.intercept, unit, 'intercept'),
  ];
}

function component(statistic: Statistic, value: number | undefined, unit: Unit, part?: string): object {
  return {
    code: { coding: [{ system, code: statistic, display: statisticDisplay[statistic] }], ...(part === undefined ? {} : { text: part }) },
    ...(value === undefined
      ? { dataAbsentReason: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable', display: 'Not Applicable' }], text: 'The values do not define it.' } }
      : { valueQuantity: { value, ...unit } }),
  };
}

function unitOf(statistic: Statistic, unit: Unit): Unit {
  if (plain.has(statistic)) return one;
  return statistic === 'variance' ? squared(unit) : unit;
}

/** UCUM has no power of a product: the unit times itself. */
function squared({ unit, system: of, code }: Unit): Unit {
  return derived(unit === undefined ? undefined : `(${unit})\u00B2`, of, code === undefined ? undefined : code === '1' ? '1' : `${code}.${code}`);
}

function perDay({ unit, system: of, code }: Unit): Unit {
  if (unit === undefined && code === undefined) return { unit: '/d', system: ucum, code: '/d' };
  return derived(`${unit ?? code}/d`, of, code === undefined ? undefined : code === '1' ? '/d' : `${code}/d`);
}

/** A unit made of another; only of UCUM it is known how codes are put together. */
const derived = (unit: string | undefined, of: string | undefined, code: string | undefined): Unit =>
  ({ ...(unit === undefined ? {} : { unit }), ...(of === ucum && code !== undefined ? { system: ucum, code } : {}) });
