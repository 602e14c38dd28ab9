import type { Resource } from '../../fhir/resource.ts';
import type { Registry } from '../registry.ts';
import type { Concepts } from './concepts.ts';
import { courseRate, courseRates, pairRate, pairRates } from './course-measures.ts';
import type { Subject } from './courses.ts';
import { monitored, remissionOrResponse } from './depression-monitoring.ts';
import { depressionRemission } from './depression-remission.ts';
import { remissionEdition, remissionEditions } from './editions.ts';
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
  /** By what a Measure may tell its units apart. */
  readonly strata: readonly string[];
  /** For how many groups of a Measure it says where units stand; 1 without it. */
  readonly groups?: number;
  /** What it takes as its argument: a scale, `response(gad-7)`, or the edition of a published measure, `depression-remission(2025)`. */
  readonly takes?: 'scale' | 'edition';
  /** Where the subject's units stand, for each group of the Measure. @param argument key of the scale, or the edition, if it is named. */
  readonly evaluate: (subject: Subject, period: MeasurementPeriod, context: MeasureContext, argument: string | undefined) => readonly (readonly Membership[])[];
}

const phq9 = ['44261-6', '89204-2', '45755-6', '71007-9'];
const chartTypes = ['Encounter', 'Condition', 'Observation', 'ServiceRequest', 'Procedure'];
const courseTypes = ['EpisodeOfCare', 'Condition'];
const ofEpisodes = ['practitioner', 'team', 'problem'];
const ofCourses = [...ofEpisodes, 'baseline-band'];
const optional = (membership: Membership | undefined): readonly Membership[] => (membership === undefined ? [] : [membership]);
const scoresOf = (registry: Registry, wanted: (id: string) => boolean): string[] => [...registry.scales.values()].filter(({ instrument }) => wanted(instrument.definition.id)).map(({ key }) => key);
const defaultScale = 'phq-9';
const allianceInstruments: ReadonlySet<string> = new Set(['bs-alliance', 'srs', 'wai-sr']);

export const measureRules: ReadonlyMap<string, MeasureRule> = new Map<string, MeasureRule>([
  ...courseRates.map((rate): [string, MeasureRule] => [rate, {
    types: courseTypes, withEpisode: true, strata: ofCourses, takes: 'scale',
    evaluate: (subject, period, { registry }, key = defaultScale) => {
      const scale = registry.scales.get(key);
      return [scale === undefined ? [] : courseRate(rate, subject, period, scale)];
    },
  }]),
  ...pairRates.map((rate): [string, MeasureRule] => [rate, { types: courseTypes, withEpisode: true, strata: ofCourses, evaluate: (subject, period, { registry }) => [pairRate(rate, subject, period, registry)] }]),
  ['paired-data-completeness', { types: courseTypes, withEpisode: true, strata: ofEpisodes, evaluate: (subject, period) => [pairedData(subject, period)] }],
  ['session-completeness', {
    types: courseTypes, withEpisode: false, strata: ofEpisodes,
    evaluate: (subject, period, { registry }) => [sessionsCovered(subject, period, scoresOf(registry, (id) => !allianceInstruments.has(id)))],
  }],
  ['alliance-coverage', {
    types: courseTypes, withEpisode: false, strata: ofEpisodes,
    evaluate: (subject, period, { registry }) => [sessionsCovered(subject, period, scoresOf(registry, (id) => allianceInstruments.has(id)))],
  }],
  ['homework-completion', { types: ['Task'], withEpisode: false, strata: ['practitioner', 'homework-type'], evaluate: (subject, period, { zone, now }) => [homeworkCompleted(subject, period, zone, now)] }],
  ['time-to-acknowledge', { types: ['Task'], withEpisode: false, strata: ['priority'], evaluate: (subject, period, { now }) => [reviewsAcknowledged(subject, period, now)] }],
  ['depression-remission', {
    types: chartTypes, observations: phq9, withEpisode: false, strata: ['age'], takes: 'edition',
    evaluate: (subject, period, { concepts }, edition) => [optional(depressionRemission(subject, period, concepts, remissionEdition(edition, period.start)))],
  }],
  ['depression-remission-or-response', {
    types: chartTypes, observations: phq9, withEpisode: false, strata: ['age'], groups: 3,
    evaluate: (subject, period, { concepts }) => {
      const places = remissionOrResponse(subject, period, concepts);
      return [0, 1, 2].map((at) => optional(places?.[at]));
    },
  }],
  ['depression-monitoring', {
    types: chartTypes, observations: phq9, withEpisode: false, strata: ['age'], groups: 3,
    evaluate: (subject, period, { concepts }) => monitored(subject, period, concepts).map(optional),
  }],
]);

/** A rule as a Measure names it. */
export interface NamedRule { readonly rule: MeasureRule; readonly argument: string | undefined }

const written = /^([a-z0-9-]+)(?:\(([a-z0-9.-]+)\))?$/;

/** Why a Measure cannot be evaluated: a sentence, and the element that it is about. */
export interface NotEvaluated { readonly wrong: string; readonly expression: string }

interface MeasureGroup { readonly population?: readonly { readonly criteria?: { readonly language?: string; readonly expression?: string } }[]; readonly stratifier?: readonly Stratifier[] }
/** By what a group of a Measure tells units apart. */
export interface Stratifier { readonly code?: { readonly coding?: readonly { readonly code?: string }[] } }

/** @returns by what a stratifier tells units apart; '' where it does not name it. */
export const stratifierCode = ({ code }: Stratifier): string => code?.coding?.[0]?.code ?? '';

/** @returns the rule that `measure` names in the criteria of its first population, or what is wrong with it. */
export function ruleOf(measure: Resource, registry: Registry): NamedRule | NotEvaluated {
  const groups = (measure.group ?? []) as readonly MeasureGroup[];
  const criteria = groups[0]?.population?.[0]?.criteria;
  const named = namedRule(criteria ?? {}, registry);
  if (typeof named === 'string') return { wrong: named, expression: 'Measure.group[0].population[0].criteria' };
  const { strata, groups: most = 1 } = named.rule;
  if (groups.length > most) return { wrong: `The rule of the Measure counts for ${most === 1 ? 'one group' : `${most} groups`}, and there are ${groups.length}.`, expression: `Measure.group[${most}]` };
  for (const [at, { stratifier = [] }] of groups.entries()) {
    const unknown = stratifier.findIndex((each) => !strata.includes(stratifierCode(each)));
    if (unknown !== -1) return { wrong: `The rule of the Measure tells its units apart by ${strata.join(', ')}: a stratifier names one of them as its code.`, expression: `Measure.group[${at}].stratifier[${unknown}].code` };
  }
  return named;
}

function namedRule({ language, expression = '' }: { readonly language?: string; readonly expression?: string }, registry: Registry): NamedRule | string {
  if (language !== ruleLanguage) return `The criteria of the Measure are not in the language ${ruleLanguage}, the only one that is evaluated here.`;
  const [, name, argument] = written.exec(expression) ?? [];
  const rule = name === undefined ? undefined : measureRules.get(name);
  if (rule === undefined) return `The criteria of the Measure name no rule of this service; there are ${[...measureRules.keys()].join(', ')}.`;
  return wrongArgument(rule, name!, argument, registry) ?? { rule, argument };
}

function wrongArgument({ takes }: MeasureRule, name: string, argument: string | undefined, registry: Registry): string | undefined {
  if (argument === undefined) return undefined;
  if (takes === undefined) return `The rule ${name} takes no argument.`;
  if (takes === 'scale') return registry.scales.has(argument) ? undefined : 'The criteria of the Measure name a scale that this service does not have.';
  return remissionEditions.has(argument) ? undefined : `The criteria of the Measure name an edition that this service does not have; there are ${[...remissionEditions.keys()].join(', ')}.`;
}
