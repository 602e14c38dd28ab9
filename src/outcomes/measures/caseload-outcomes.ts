import { adherence } from '../adherence.ts';
import { changeBetween } from '../change.ts';
import type { ChangeIndexCode } from '../change-index.ts';
import { areFew, observedExpected, referenceRates, type Case, type ReferenceRates } from '../case-mix.ts';
import { association, effectSize, effectSizeMinimum } from '../effect-size.ts';
import type { ScoredCourse } from '../hlm-change.ts';
import type { Pieces } from '../pieces.ts';
import { counted } from '../plain-words.ts';
import { bounds, funnel, shrunken, wilson, z998, type Interval } from '../proportions.ts';
import type { Registry, Scale } from '../registry.ts';
import { bandOf } from '../score.ts';
import { sessionNumber } from '../sessions.ts';
import { smallest } from '../suppression.ts';
import { descriptorOf } from '../talking-therapies.ts';
import { publishable, publishedCurve, survivalCurve, type Course as SurvivalCourse, type CurveStep } from '../survival.ts';
import { zoneOf } from '../time-zone.ts';
import { suppressedLines, type Line } from './caseload-line.ts';
import { courseScores } from './course-scores.ts';
import { conditionOf, finishedCourses, paired, type Course, type Paired, type Subject } from './courses.ts';
import { hlmLines, scoredCourse } from './hlm-lines.ts';
import { indexLines } from './index-lines.ts';
import { reference, type MeasurementPeriod } from './membership.ts';

/** What a caseload looks like on one scale: how many, how they began and ended, how large the change is, after how many sessions (docs/clinical.md 3.6, 3.14, 3.15). Pure. */

interface Gathered {
  readonly pairs: (Paired & { readonly episode: string })[];
  readonly improvement: SurvivalCourse[];
  readonly recovery: SurvivalCourse[];
  /** Share of the homework of a course that was done, with its improvement. */
  readonly homework: [number, number][];
  /** Each pair by how it began and what it was about, with whether it improved reliably. */
  readonly cases: Case[];
  /** The scores of every course over time, where change by slopes is asked for. */
  readonly scored: ScoredCourse[];
}

/** What is computed only where it is asked for. */
export interface Wanted {
  readonly hlm?: boolean;
  /** An index of change beside the one that decides, with the reliability to compute it by, where one is given. */
  readonly index?: { readonly code: ChangeIndexCode; readonly reliability?: number };
  /** As how many cases the rate of the whole deployment counts where the caseload's own is drawn towards it. */
  readonly priorWeight?: number;
}

/** What courses like these came to in the whole deployment. */
export interface CaseMix { readonly rates: ReferenceRates; readonly overall: number | null }

/** Service-defined: a cell of fewer courses says nothing to compare with. */
const leastInCell = 30;

/** Gathers the courses of a caseload, subject by subject, and says what they look like. */
export class CaseloadOutcomes {
  readonly #scales: readonly Scale[];
  readonly #period: MeasurementPeriod;
  readonly #zone: string;
  readonly #wanted: Wanted;
  readonly #gathered: ReadonlyMap<string, Gathered>;
  #courses = 0;

  constructor(registry: Registry, keys: readonly string[], period: MeasurementPeriod, zone: string, wanted: Wanted = {}) {
    this.#scales = keys.map((key) => registry.scales.get(key)!);
    this.#period = period;
    this.#zone = zone;
    this.#wanted = wanted;
    this.#gathered = new Map(keys.map((key) => [key, { pairs: [], improvement: [], recovery: [], homework: [], cases: [], scored: [] }]));
  }

  /** Courses that ended in the period. */
  get courses(): number { return this.#courses; }

  add(subject: Subject): void {
    for (const course of finishedCourses(subject, this.#period)) {
      this.#courses += 1;
      for (const scale of this.#scales) this.#addCourse(course, subject, scale);
    }
  }

  #addCourse(course: Course, subject: Subject, scale: Scale): void {
    if (this.#wanted.hlm === true) this.#gathered.get(scale.key)!.scored.push(scoredCourse(course, scale));
    const pair = paired(course, scale);
    if (pair === undefined) return;
    const { pairs, improvement, recovery, homework, cases } = this.#gathered.get(scale.key)!;
    pairs.push({ ...pair, episode: reference(course.episode) });
    const problem = descriptorOf(conditionOf(course.episode, subject)?.code) ?? 'unknown';
    if (pair.change.reliable !== null) cases.push({ cell: `${bandOf(scale, pair.baseline.value)?.code ?? 'none'}|${problem}`, outcome: pair.change.reliable === 'better' });
    improvement.push(untilFirst(course, pair, ({ reliable }) => reliable === 'better'));
    if (pair.change.preClinical === true) recovery.push(untilFirst(course, pair, (change) => change.class === 'recovered'));
    const { start, end } = course.episode.period as { start?: string; end?: string };
    const tasks = (subject.byType.get('Task') ?? []).filter((task) => task.encounter === undefined || course.sessions.some(({ id }) => (task.encounter as { reference?: string }).reference === `Encounter/${id}`));
    const { quantity } = adherence(tasks, end ?? new Date(this.#period.end).toISOString(), { ...(start === undefined ? {} : { from: start }), zone: zoneOf(subject.patient, this.#zone) });
    if (quantity !== null) homework.push([quantity, pair.change.improvement]);
  }

  /**
   * @param part the caseload, of this one, that is held against it
   * @returns what the courses of this caseload lead one to expect of others that began like them, by scale
   */
  caseMix(part: CaseloadOutcomes): ReadonlyMap<string, CaseMix> {
    return new Map([...this.#gathered].map(([key, { cases }]): [string, CaseMix] => {
      const own = part.#gathered.get(key)?.cases ?? [];
      const isTold = cases.length >= leastInCell && !areFew(cases.length - own.length);
      return [key, { rates: referenceRates(cases, leastInCell, own), overall: isTold ? cases.filter(({ outcome }) => outcome).length / cases.length : null }];
    }));
  }

  /**
   * @param isSuppressed for somebody who may not know the people in it (`suppressedLines`).
   * @param reference what the caseload is held against; absent: nothing.
   */
  *lines(isSuppressed: boolean, reference?: ReadonlyMap<string, CaseMix>): Pieces<Line[]> {
    const found: Line[] = [];
    for (const scale of this.#scales) {
      const gathered = this.#gathered.get(scale.key)!;
      const mix = reference?.get(scale.key);
      const lines = [
        ...this.#linesOf(scale, gathered, isSuppressed),
        ...(mix === undefined || scale.threshold === undefined ? [] : caseMixLines(scale, gathered.cases, mix, { isSuppressed, ...this.#wanted })),
        ...(this.#wanted.hlm === true ? yield* hlmLines(scale, gathered.scored) : []),
        ...(this.#wanted.index === undefined ? [] : indexLines(scale, gathered.pairs, this.#wanted.index.code, this.#wanted.index.reliability, isSuppressed)),
      ];
      found.push(...(isSuppressed ? suppressedLines(lines) : lines));
      yield;
    }
    return found;
  }

  #linesOf(scale: Scale, { pairs, improvement, recovery, homework }: Gathered, isSuppressed: boolean): Line[] {
    const n = pairs.length;
    const line = (statistic: string, value: number | null, more: Partial<Line> = {}): Line => ({ scale: scale.key, statistic, metric: 'caseload-outcomes', n, value, ...more });
    const mean = (of: (pair: Paired) => number): number | null => (n === 0 ? null : pairs.reduce((sum, pair) => sum + of(pair), 0) / n);
    const share = (statistic: string, k: number, of: number): Line => ({ scale: scale.key, statistic, metric: 'caseload-outcomes', n: of, value: of === 0 ? null : k / of, ...wilson(k, of), tells: [k], isShare: true });
    const count = (is: (pair: Paired) => boolean): number => pairs.filter(is).length;
    // What a rate would be if none, and if all, of those without a pair had the outcome: how many they are is not for everybody.
    const rate = (statistic: string, k: number, of: number): Line[] => {
      const range = isSuppressed ? null : bounds(k, of, this.#courses - n);
      return [share(statistic, k, of), ...(range === null ? [] : [line(`${statistic}-bounds`, null, { n: of + this.#courses - n, ...range, note: ifMissing })])];
    };
    const clinical = pairs.filter(({ change }) => change.preClinical === true);
    return [
      line('courses', this.#courses, { n: this.#courses, isCount: true }),
      share('paired-data-completeness', n, this.#courses),
      line('mean-first', mean(({ baseline }) => baseline.value)), line('mean-last', mean(({ last }) => last.value)), line('mean-improvement', mean(({ change }) => change.improvement)),
      ...effectLines(scale, pairs),
      ...(scale.threshold === undefined ? [] : [
        ...rate('reliable-improvement', count(({ change }) => change.reliable === 'better'), n),
        ...rate('reliable-deterioration', count(({ change }) => change.reliable === 'worse'), n),
        ...rate('recovery', clinical.filter(({ change }) => change.postClinical === false).length, clinical.length),
        ...rate('reliable-recovery', clinical.filter(({ change }) => change.class === 'recovered').length, clinical.length),
        ...curveLines(scale, 'sessions-to-reliable-improvement', improvement, isSuppressed),
        ...curveLines(scale, 'sessions-to-reliable-recovery', recovery, isSuppressed),
      ]),
      homeworkLine(scale, homework),
    ];
  }
}

const ifMissing = 'if none, and if all, of the courses without a pair had it';

/** The session of the first score with the event; without one the course ends, for the curve, with its last session. */
function untilFirst(course: Course, { scale, baseline }: Paired, isEvent: (change: Paired['change']) => boolean): SurvivalCourse {
  const first = courseScores(course, scale).find((score) => score.id !== baseline.id && isEvent(changeBetween(scale, baseline.value, score.value)));
  const session = first === undefined ? course.sessions.length : sessionNumber(course.sessions, first);
  return { session: Math.max(1, session), event: first !== undefined };
}

/** The caseload against what courses that began like its own came to everywhere, and where a unit of its size lies by chance. */
function caseMixLines(scale: Scale, cases: readonly Case[], { rates, overall }: CaseMix, { isSuppressed, priorWeight }: Pick<Wanted, 'priorWeight'> & { readonly isSuppressed: boolean }): Line[] {
  const { n, withoutReference, observed, expected, ratio, interval } = observedExpected(cases, rates);
  const line = (statistic: string, of: number, value: number | null, more: Partial<Line> = {}): Line => ({ scale: scale.key, statistic: `reliable-improvement-${statistic}`, metric: 'case-mix', n: of, value, ...more });
  if (ratio === null || overall === null) return [line('observed-to-expected', n, null, { note: `no reference yet: fewer than ${leastInCell} courses that began alike, or few elsewhere` })];
  // Where the caseload is most of the deployment, the rate of all tells the count of its own.
  const limits = (statistic: string, range: Interval | null): Line => line(statistic, cases.length, overall, { ...range, tells: [overall * cases.length], isShare: true });
  const improved = cases.filter(({ outcome }) => outcome).length;
  const drawn = priorWeight === undefined ? [] : [line('shrunken', cases.length, shrunken(improved, cases.length, overall, priorWeight), {
    tells: [improved, overall * cases.length], isShare: true, note: `the own rate drawn towards that of the whole deployment, which counts as ${priorWeight} cases`,
  })];
  const compared = isSuppressed ? 'courses without a reference are counted on neither side' : withoutReference === 0 ? 'every course has a reference' : `${counted(withoutReference, 'course has', 'courses have')} no reference: fewer than ${leastInCell} began like them, or few elsewhere`;
  return [
    line('observed', n, observed, { isCount: true, tells: [observed] }), line('expected', n, expected, { tells: [expected], note: compared }),
    line('observed-to-expected', n, ratio, { ...interval, tells: [observed], places: 2, note: 'an association with how courses began, not a verdict on anybody' }),
    limits('funnel-95', funnel(overall, cases.length)), limits('funnel-99.8', funnel(overall, cases.length, z998)), ...drawn,
  ];
}

const tooFew = `fewer than ${effectSizeMinimum} courses with two scores, or scores without spread`;

function effectLines(scale: Scale, pairs: readonly Paired[]): Line[] {
  const effect = effectSize(pairs.map(({ baseline, last }) => ({ baseline: baseline.value, last: last.value })), scale.sign);
  const line = (statistic: string, value: number | null | undefined, interval?: Interval | null): Line =>
    ({ scale: scale.key, statistic, metric: 'effect-size', n: pairs.length, value: value ?? null, ...(value == null ? { note: tooFew } : interval ?? {}) });
  return [line('sd-first', effect?.sdPre), line('effect-size-d', effect?.dPre, effect?.interval), line('effect-size-g', effect?.g, effect?.intervalOfG), line('effect-size-dz', effect?.dz)];
}

function curveLines(scale: Scale, statistic: string, courses: readonly SurvivalCourse[], isSuppressed: boolean): Line[] {
  const line = (what: string, n: number, value: number | null, more: Partial<Line> = {}): Line => ({ scale: scale.key, statistic: `${statistic}-${what}`, metric: 'dose-response', n, value, ...more });
  const curve = publishedCurve(survivalCurve(courses));
  if (curve === null) return [line('median', courses.length, null, { note: `no curve yet: fewer than ${publishable.episodes} courses` })];
  return [
    line('median', courses.length, curve.median, curve.median === null ? { note: 'not reached as far as five or more were at risk' } : {}),
    ...(isSuppressed ? coarsened(curve.steps) : curve.steps).map(({ session, survival, interval, atRisk }) =>
      line(`by-session-${session}`, atRisk, 1 - survival, { ...(interval === null ? {} : { low: 1 - interval.high, high: 1 - interval.low }), isShare: true })),
  ];
}

/** The steps of a curve at which five courses or more have had the event since the step before: one course alone would show itself. */
function coarsened(steps: readonly CurveStep[]): CurveStep[] {
  let since = 0;
  return steps.filter(({ events }) => {
    since += events;
    const isShown = since >= smallest;
    if (isShown) since = 0;
    return isShown;
  });
}

function homeworkLine(scale: Scale, pairs: readonly (readonly [number, number])[]): Line {
  const found = association(pairs);
  return {
    scale: scale.key, statistic: 'homework-and-improvement', metric: 'homework-and-improvement', n: pairs.length, value: found?.r ?? null, ...(found === null ? {} : { low: found.low, high: found.high }),
    note: found === null ? tooFew : 'an association, not proof of cause; published: r = .22 (27 studies, 2000), r = .26 (23 studies, 2010)',
  };
}
