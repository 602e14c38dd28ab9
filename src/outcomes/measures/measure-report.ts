import { extensionUrl } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import { bounds, wilson, type Interval } from '../proportions.ts';
import { coarseShare, hidden, suppressed, unsuppressed, type Counts, type Shown } from '../suppression.ts';
import { stratifierCode, type Stratifier } from './measures.ts';
import type { Membership } from './membership.ts';
import { countsOf, isCounted, stratumOf, type MayShow } from './report-cells.ts';

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
  /** What may be shown, for each group of the Measure, where small numbers are hidden, and with them all that names individuals; absent: all. */
  readonly mayShow?: readonly MayShow[];
}

interface MeasureGroup {
  readonly code?: object;
  readonly description?: string;
  readonly stratifier?: readonly Stratifier[];
}

const population = (code: string, display: string): object => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-population', code, display }] });
const populations = [
  ['initial-population', 'Initial Population', () => true],
  ['denominator', 'Denominator', ({ denominator }) => denominator],
  ['denominator-exclusion', 'Denominator Exclusion', ({ denominator, exclusion }) => denominator && exclusion],
  ['numerator', 'Numerator', (membership) => isCounted(membership) && membership.numerator],
] as const satisfies readonly (readonly [string, string, (membership: Membership) => boolean])[];

const absentReason = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/**
 * @param groups where everybody stands, for each group of the Measure; who is not in the initial population is left out
 * @returns the MeasureReport
 */
export function measureReport(groups: readonly (readonly Membership[])[], context: ReportContext): Resource {
  const { measure, type, period, now, reporter, subject, mayShow } = context;
  const definitions = (measure.group ?? []) as MeasureGroup[];
  const lists = type === 'subject-list' ? groups.map(subjectLists) : [];
  const evaluated = mayShow !== undefined ? [] : [...new Set(groups.flat().flatMap((membership) => membership.evaluated))];
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
    group: groups.map((memberships, at) => reportGroup(memberships, definitions[at] ?? {}, type, mayShow?.[at], lists.slice(0, at).flat().length)),
    ...(evaluated.length === 0 ? {} : { evaluatedResource: evaluated.map((target) => ({ reference: target })) }),
  };
}

function reportGroup(memberships: readonly Membership[], { code, stratifier = [] }: MeasureGroup, type: ReportType, mayShow: MayShow | undefined, firstList: number): object {
  const shown = shownOf(countsOf(memberships), mayShow, mayShow?.());
  return {
    ...(code === undefined ? {} : { code }),
    ...extensions(memberships, shown, type, mayShow !== undefined),
    population: mayShow === undefined ? populationsOf(memberships, type, firstList) : suppressedPopulations(memberships, shown),
    ...score(shown, mayShow !== undefined),
    ...(stratifier.length === 0 || type === 'individual' ? {} : { stratifier: stratifier.map((each) => stratify(memberships, each, mayShow)) }),
  };
}

const shownOf = (counts: Counts, mayShow: MayShow | undefined, isShown: boolean | undefined): Shown => (mayShow === undefined ? unsuppressed(counts) : isShown === true ? suppressed(counts) : hidden);

function populationsOf(memberships: readonly Membership[], type: ReportType, firstList: number): object[] {
  return populations.map(([code, display, isIn], at) => ({
    code: population(code, display),
    count: memberships.filter(isIn).length,
    ...(type === 'subject-list' ? { subjectResults: { reference: `#subjects-${firstList + at + 1}` } } : {}),
  }));
}

const masked = { _count: { extension: [{ url: absentReason, valueCode: 'masked' }] } };

/** A count that only who may know individuals may see is left out; nobody at all is as telling as a few. */
const shownCount = (n: number | null): object => (n === null ? masked : { count: n });

/** The counts of the rate go with it: where it is hidden for what could be had from it, they are too. */
function suppressedPopulations(memberships: readonly Membership[], { numerator, denominator }: Shown): object[] {
  const alone = (n: number): number | null => suppressed({ numerator: n, denominator: n }).denominator;
  const given: Readonly<Record<string, number | null>> = { denominator, numerator };
  return populations.map(([code, display, isIn]) => ({ code: population(code, display), ...shownCount(Object.hasOwn(given, code) ? given[code]! : alone(memberships.filter(isIn).length)) }));
}

/** Six digits: a rate of counts has no more. */
const sixDigits = (value: number): number => Number(value.toPrecision(6));

function score({ rate }: Shown, isSuppressed: boolean): object {
  if (rate !== null) return { measureScore: { value: sixDigits(rate) } };
  return { measureScore: { extension: [{ url: absentReason, valueCode: isSuppressed ? 'masked' : 'not-applicable' }] } };
}

/**
 * What a rate must not be shown without: how sure it is, and how many courses have the scores it needs. Of a suppressed report
 * only the interval of a rate that is shown and the completeness, in the same steps.
 */
function extensions(memberships: readonly Membership[], { rate }: Shown, type: ReportType, isSuppressed: boolean): object {
  if (type === 'individual') return {};
  const { numerator, denominator } = countsOf(memberships);
  const limits = (name: string, { low, high }: Interval): object => ({
    url: extensionUrl(name), extension: Object.entries({ low, high }).map(([url, value]) => ({ url, valueDecimal: isSuppressed ? coarseShare(value, denominator) : sixDigits(value) })),
  });
  const parts: object[] = [];
  const interval = rate === null ? null : wilson(numerator, denominator);
  if (interval !== null) parts.push(limits('confidence-interval', interval));
  const asked = memberships.filter(({ paired }) => paired !== undefined);
  if (asked.length > 0) {
    const paired = { numerator: asked.filter((membership) => membership.paired === true).length, denominator: asked.length };
    const completeness = (isSuppressed ? suppressed : unsuppressed)(paired).rate;
    parts.push({ url: extensionUrl('paired-data-completeness'), ...(completeness === null ? { valueCode: 'masked' } : { valueDecimal: sixDigits(completeness) }) });
    const range = isSuppressed ? null : bounds(numerator, denominator, asked.length - paired.numerator);
    if (range !== null) parts.push(limits('missing-data-bounds', range));
  }
  return parts.length === 0 ? {} : { extension: parts };
}

/** What a stratum is called: of a code its name, and of several the first by the alphabet, so that the order of the cases does not decide. */
function valueOf(value: string, by: string, members: readonly Membership[]): object {
  const codings = members.flatMap(({ codings: of }) => of?.[by] ?? []);
  const [first] = codings;
  if (first === undefined) return { text: value };
  const display = codings.flatMap((coding) => coding.display ?? []).sort()[0];
  const { system, code } = first;
  return { coding: [{ ...(system === undefined ? {} : { system }), code, ...(display === undefined ? {} : { display }) }], text: display ?? code };
}

/** Coded, so that a problem of that name is another one. */
const notShown = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'masked' }], text: 'not shown' };

function stratify(memberships: readonly Membership[], stratifier: Stratifier, mayShow: MayShow | undefined): object {
  const [by, { code }] = [stratifierCode(stratifier), stratifier];
  const strata = [...Map.groupBy(memberships, (membership) => stratumOf(membership, by))].sort(([a], [b]) => (a < b ? -1 : 1));
  const visible = strata.filter(([value]) => mayShow?.(by, value) !== false);
  const stratum = [
    ...visible.map(([value, members]) => {
      const shown = shownOf(countsOf(members), mayShow, true);
      return { value: valueOf(value, by, members), population: mayShow === undefined ? populationsOf(members, 'summary', 0) : stratumPopulations(shown), ...score(shown, mayShow !== undefined) };
    }),
    // That there is somebody with a rare problem, or a small caseload, is told as little as the numbers.
    ...(visible.length === strata.length ? [] : [{ value: notShown, population: stratumPopulations(hidden), ...score(hidden, true) }]),
  ];
  return { ...(code === undefined ? {} : { code: [code] }), ...(stratum.length === 0 ? {} : { stratum }) };
}

/** Of a stratum only what its rate rests on: the initial population and the exclusions would give away what is hidden elsewhere. */
function stratumPopulations({ numerator, denominator }: Shown): object[] {
  return [{ code: population('denominator', 'Denominator'), ...shownCount(denominator) }, { code: population('numerator', 'Numerator'), ...shownCount(numerator) }];
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
