import { extensionUrl } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import { bounds, wilson } from '../proportions.ts';
import { suppressed, suppressedStrata, unsuppressed, type Counts, type Shown } from '../suppression.ts';
import type { Membership } from './membership.ts';

/** From where everybody stands in a measure to the MeasureReport of it (http://hl7.org/fhir/R4/measurereport.html). Pure. */

export type ReportType = 'individual' | 'subject-list' | 'summary';

export interface ReportContext {
  /** The Measure that is evaluated. */
  readonly measure: Resource;
  readonly type: ReportType;
  /** As they were given: dates or dateTimes. */
  readonly period: { readonly start: string; readonly end: string };
  readonly now: string;
  readonly reporter?: string;
  /** `Patient/...`, for an individual report. */
  readonly subject?: string;
  /** Whether small numbers are hidden, and with them all that names individuals. */
  readonly isSuppressed: boolean;
}

interface MeasureGroup {
  readonly code?: object;
  readonly description?: string;
  readonly stratifier?: readonly { readonly code?: { readonly coding?: readonly { readonly code?: string }[] } }[];
}

const population = (code: string, display: string): object => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-population', code, display }] });
const populations = [
  ['initial-population', 'Initial Population', () => true],
  ['denominator', 'Denominator', ({ denominator }) => denominator],
  ['denominator-exclusion', 'Denominator Exclusion', ({ denominator, exclusion }) => denominator && exclusion],
  ['numerator', 'Numerator', isNumerator],
] as const satisfies readonly (readonly [string, string, (membership: Membership) => boolean])[];

const absentReason = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/**
 * @param groups where everybody stands, for each group of the Measure; who is not in the initial population is left out
 * @returns the MeasureReport
 */
export function measureReport(groups: readonly (readonly Membership[])[], context: ReportContext): Resource {
  const { measure, type, period, now, reporter, subject, isSuppressed } = context;
  const definitions = (measure.group ?? []) as MeasureGroup[];
  const lists = type === 'subject-list' ? groups.map(subjectLists) : [];
  const evaluated = isSuppressed ? [] : [...new Set(groups.flat().flatMap((membership) => membership.evaluated))];
  const contained = lists.flatMap((group) => group.map(({ list }) => list));
  return {
    resourceType: 'MeasureReport',
    ...(contained.length === 0 ? {} : { contained: contained.map((list, at) => ({ ...list, id: `subjects-${at + 1}` })) }),
    status: 'complete',
    type,
    measure: `${measure.url as string}${measure.version === undefined ? '' : `|${measure.version as string}`}`,
    ...(subject === undefined ? {} : { subject: { reference: subject } }),
    date: now,
    ...(reporter === undefined ? {} : { reporter: { reference: reporter } }),
    period: { ...period },
    improvementNotation: measure.improvementNotation ?? { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-improvement-notation', code: 'increase' }] },
    group: groups.map((memberships, at) => reportGroup(memberships, definitions[at] ?? {}, type, isSuppressed, lists.slice(0, at).flat().length)),
    ...(evaluated.length === 0 ? {} : { evaluatedResource: evaluated.map((target) => ({ reference: target })) }),
  };
}

function isNumerator({ denominator, exclusion, numerator }: Membership): boolean {
  return denominator && !exclusion && numerator;
}

const countsOf = (memberships: readonly Membership[]): Counts => ({
  numerator: memberships.filter(isNumerator).length,
  denominator: memberships.filter(({ denominator, exclusion }) => denominator && !exclusion).length,
});

function reportGroup(memberships: readonly Membership[], { code, stratifier = [] }: MeasureGroup, type: ReportType, isSuppressed: boolean, firstList: number): object {
  const counts = countsOf(memberships);
  return {
    ...(code === undefined ? {} : { code }),
    ...extensions(memberships, counts, type, isSuppressed),
    population: populationsOf(memberships, type, isSuppressed, firstList),
    ...score(isSuppressed ? suppressed(counts) : unsuppressed(counts), isSuppressed),
    ...(stratifier.length === 0 || type === 'individual' ? {} : { stratifier: stratifier.map(({ code: by }) => stratify(memberships, by, counts, isSuppressed)) }),
  };
}

function populationsOf(memberships: readonly Membership[], type: ReportType, isSuppressed: boolean, firstList: number): object[] {
  return populations.map(([code, display, isIn], at) => ({
    code: population(code, display),
    ...count(memberships.filter(isIn).length, isSuppressed),
    ...(type === 'subject-list' ? { subjectResults: { reference: `#subjects-${firstList + at + 1}` } } : {}),
  }));
}

/** A count as everybody, or only who may know individuals, may see it; nobody at all is as telling as a few. */
function count(n: number, isSuppressed: boolean): object {
  if (!isSuppressed) return { count: n };
  const { denominator } = suppressed({ numerator: n, denominator: n });
  return denominator === null ? { _count: { extension: [{ url: absentReason, valueCode: 'masked' }] } } : { count: denominator };
}

/** Six digits: a rate of counts has no more. Suppressed, whole per cents: the exact counts could be had from more. */
const rounded = (value: number, isSuppressed: boolean): number => (isSuppressed ? Math.round(value * 100) / 100 : Number(value.toPrecision(6)));

function score({ rate }: Shown, isSuppressed: boolean): object {
  if (rate !== null) return { measureScore: { value: rounded(rate, isSuppressed) } };
  return { measureScore: { extension: [{ url: absentReason, valueCode: isSuppressed ? 'masked' : 'not-applicable' }] } };
}

/**
 * What a rate must not be shown without: how sure it is, and how many courses have the scores it needs. Of a suppressed report
 * only the completeness stays, under the same rule.
 */
function extensions(memberships: readonly Membership[], { numerator, denominator }: Counts, type: ReportType, isSuppressed: boolean): object {
  if (type === 'individual') return {};
  const parts: object[] = [];
  const interval = isSuppressed && suppressed({ numerator, denominator }).rate === null ? null : wilson(numerator, denominator);
  if (interval !== null) parts.push(limits('confidence-interval', interval, isSuppressed));
  const asked = memberships.filter(({ paired }) => paired !== undefined);
  if (asked.length > 0) {
    const paired = asked.filter((membership) => membership.paired === true).length;
    const completeness = isSuppressed ? suppressed({ numerator: paired, denominator: asked.length }) : unsuppressed({ numerator: paired, denominator: asked.length });
    parts.push({ url: extensionUrl('paired-data-completeness'), ...(completeness.rate === null ? { valueCode: 'masked' } : { valueDecimal: rounded(completeness.rate, isSuppressed) }) });
    const range = isSuppressed ? null : bounds(numerator, denominator, asked.length - paired);
    if (range !== null) parts.push(limits('missing-data-bounds', range, isSuppressed));
  }
  return parts.length === 0 ? {} : { extension: parts };
}

const limits = (name: string, { low, high }: { low: number; high: number }, isSuppressed: boolean): object =>
  ({ url: extensionUrl(name), extension: [{ url: 'low', valueDecimal: rounded(low, isSuppressed) }, { url: 'high', valueDecimal: rounded(high, isSuppressed) }] });

function stratify(memberships: readonly Membership[], code: { coding?: readonly { code?: string }[] } | undefined, total: Counts, isSuppressed: boolean): object {
  const by = code?.coding?.[0]?.code ?? '';
  const strata = [...Map.groupBy(memberships, (membership) => membership.strata[by] ?? 'unknown')].sort(([a], [b]) => (a < b ? -1 : 1));
  const counts = strata.map(([, members]) => countsOf(members));
  const shown = isSuppressed ? suppressedStrata(total, counts).strata : counts.map(unsuppressed);
  return {
    ...(code === undefined ? {} : { code: [code] }),
    stratum: strata.map(([value, members], at) => ({
      value: { text: value },
      population: isSuppressed ? suppressedPopulations(shown[at]!) : populationsOf(members, 'summary', false, 0),
      ...score(shown[at]!, isSuppressed),
    })),
  };
}

/** Of a stratum only what its rate rests on: the initial population and the exclusions would give away what is hidden elsewhere. */
function suppressedPopulations({ numerator, denominator }: Shown): object[] {
  const masked = { _count: { extension: [{ url: absentReason, valueCode: 'masked' }] } };
  return [
    { code: population('denominator', 'Denominator'), ...(denominator === null ? masked : { count: denominator }) },
    { code: population('numerator', 'Numerator'), ...(numerator === null ? masked : { count: numerator }) },
  ];
}

function subjectLists(memberships: readonly Membership[]): { list: object }[] {
  return populations.map(([, display, isIn]) => {
    const subjects = [...new Set(memberships.filter(isIn).map(({ patient }) => patient))];
    return {
      list: {
        resourceType: 'List', status: 'current', mode: 'snapshot', title: display,
        ...(subjects.length === 0 ? { emptyReason: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/list-empty-reason', code: 'nilknown' }] } } : { entry: subjects.map((target) => ({ item: { reference: target } })) }),
      },
    };
  });
}
