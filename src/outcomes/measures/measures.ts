import type { Resource } from '../../fhir/resource.ts';
import type { Registry } from '../registry.ts';
import type { Concepts } from './concepts.ts';
import { courseRate, courseRates, pairRate, pairRates } from './course-measures.ts';
import type { Subject } from './courses.ts';
import { monitored, remissionOrResponse } from './depression-monitoring.ts';
import { depressionRemission } from './depression-remission.ts';
import type { MeasurementPeriod, Membership } from './membership.ts';
import { homeworkCompleted, pairedData, reviewsAcknowledged, sessionsCovered } from './session-measures.ts';

/** The rules that Measures name in their criteria, each with what it reads of a record. Pure. */

/** `Expression.language` of criteria that name a rule of this service. */
export const ruleLanguage = 'application/x-intersession-rule';

export interface MeasureContext {
  readonly registry: Registry;
  readonly concepts: Concepts;
  /** Time zone of the deployment, for due dates of clients who do not say where they live. */
  readonly zone: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface MeasureRule {
  /** Types whose resources the rule reads. */
  readonly types: readonly string[];
  /** LOINC codes of the Observations that it reads. */
  readonly observations?: readonly string[];
  /** Whether it is about courses of treatment, which only patients with an episode of care have. */
  readonly withEpisode: boolean;
  /** Whether it takes a scale as its argument: `response(gad-7)`. */
  readonly ofScale: boolean;
  /** Where the subject's units stand, for each group of the Measure. @param scale key of the scale, where `ofScale`. */
  readonly evaluate: (subject: Subject, period: MeasurementPeriod, context: MeasureContext, scale: string) => readonly (readonly Membership[])[];
}

const phq9 = ['44261-6', '89204-2', '45755-6', '71007-9'];
const chartTypes = ['Encounter', 'Condition', 'Observation', 'ServiceRequest', 'Procedure'];
const courseTypes = ['EpisodeOfCare', 'Condition'];
const optional = (membership: Membership | undefined): readonly Membership[] => (membership === undefined ? [] : [membership]);
const scoresOf = (registry: Registry, wanted: (id: string) => boolean): string[] => [...registry.scales.values()].filter(({ instrument }) => wanted(instrument.definition.id)).map(({ key }) => key);
const allianceInstruments: ReadonlySet<string> = new Set(['bs-alliance', 'srs', 'wai-sr']);

export const measureRules: ReadonlyMap<string, MeasureRule> = new Map<string, MeasureRule>([
  ...courseRates.map((rate): [string, MeasureRule] => [rate, {
    types: courseTypes, withEpisode: true, ofScale: true,
    evaluate: (subject, period, { registry }, key) => {
      const scale = registry.scales.get(key);
      return [scale === undefined ? [] : courseRate(rate, subject, period, scale)];
    },
  }]),
  ...pairRates.map((rate): [string, MeasureRule] => [rate, { types: courseTypes, withEpisode: true, ofScale: false, evaluate: (subject, period, { registry }) => [pairRate(rate, subject, period, registry)] }]),
  ['paired-data-completeness', { types: courseTypes, withEpisode: true, ofScale: false, evaluate: (subject, period) => [pairedData(subject, period)] }],
  ['session-completeness', {
    types: courseTypes, withEpisode: false, ofScale: false,
    evaluate: (subject, period, { registry }) => [sessionsCovered(subject, period, scoresOf(registry, (id) => !allianceInstruments.has(id)))],
  }],
  ['alliance-coverage', {
    types: courseTypes, withEpisode: false, ofScale: false,
    evaluate: (subject, period, { registry }) => [sessionsCovered(subject, period, scoresOf(registry, (id) => allianceInstruments.has(id)))],
  }],
  ['homework-completion', { types: ['Task'], withEpisode: false, ofScale: false, evaluate: (subject, period, { zone }) => [homeworkCompleted(subject, period, zone)] }],
  ['time-to-acknowledge', { types: ['Task'], withEpisode: false, ofScale: false, evaluate: (subject, period, { now }) => [reviewsAcknowledged(subject, period, now)] }],
  ['depression-remission', {
    types: chartTypes, observations: phq9, withEpisode: false, ofScale: false,
    evaluate: (subject, period, { concepts }) => [optional(depressionRemission(subject, period, concepts))],
  }],
  ['depression-remission-or-response', {
    types: chartTypes, observations: phq9, withEpisode: false, ofScale: false,
    evaluate: (subject, period, { concepts }) => {
      const places = remissionOrResponse(subject, period, concepts);
      return [0, 1, 2].map((at) => optional(places?.[at]));
    },
  }],
  ['depression-monitoring', {
    types: chartTypes, observations: phq9, withEpisode: false, ofScale: false,
    evaluate: (subject, period, { concepts }) => monitored(subject, period, concepts).map(optional),
  }],
]);

/** A rule as a Measure names it. */
export interface NamedRule { readonly rule: MeasureRule; readonly scale: string }

const written = /^([a-z0-9-]+)(?:\(([a-z0-9.-]+)\))?$/;

/**
 * @returns the rule that `measure` names in the criteria of its first population, or what is wrong with it in a sentence.
 */
export function ruleOf(measure: Resource, registry: Registry): NamedRule | string {
  const criteria = ((measure.group ?? []) as { population?: { criteria?: { language?: string; expression?: string } }[] }[])[0]?.population?.[0]?.criteria;
  if (criteria?.language !== ruleLanguage) return `The criteria of the Measure are not in the language ${ruleLanguage}, the only one that is evaluated here.`;
  const [, name, argument] = written.exec(criteria.expression ?? '') ?? [];
  const rule = name === undefined ? undefined : measureRules.get(name);
  if (rule === undefined) return `The criteria of the Measure name no rule of this service; there are ${[...measureRules.keys()].join(', ')}.`;
  const scale = argument ?? 'phq-9';
  if (rule.ofScale ? !registry.scales.has(scale) : argument !== undefined) return rule.ofScale ? 'The criteria of the Measure name a scale that this service does not have.' : `The rule ${name} is not of one scale.`;
  return { rule, scale };
}
