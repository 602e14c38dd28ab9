import { adherence } from '../adherence.ts';
import { onePerDate } from '../baseline.ts';
import { changeBetween } from '../change.ts';
import { association, effectSize, effectSizeMinimum } from '../effect-size.ts';
import { wilson } from '../proportions.ts';
import type { Registry, Scale } from '../registry.ts';
import { sessionNumber } from '../sessions.ts';
import { smallest } from '../suppression.ts';
import { publishedCurve, survivalCurve, type Course as SurvivalCourse } from '../survival.ts';
import { zoneOf } from '../time-zone.ts';
import { finishedCourses, paired, type Course, type Paired, type Subject } from './courses.ts';
import type { MeasurementPeriod } from './membership.ts';

/** What a caseload looks like on one scale: how many, how they began and ended, how large the change is, after how many sessions (docs/clinical.md 3.6, 3.14, 3.15). Pure. */

/** One number with its limits; `value` null: not shown, for the reason that `note` says. */
export interface Line {
  readonly scale: string;
  readonly statistic: string;
  readonly n: number | null;
  readonly value: number | null;
  readonly low?: number;
  readonly high?: number;
  readonly note?: string;
}

interface Gathered {
  readonly pairs: Paired[];
  readonly improvement: SurvivalCourse[];
  readonly recovery: SurvivalCourse[];
  /** Share of the homework of a course that was done, with its improvement. */
  readonly homework: [number, number][];
}

/** Gathers the courses of a caseload, subject by subject, and says what they look like. */
export class CaseloadOutcomes {
  readonly #scales: readonly Scale[];
  readonly #period: MeasurementPeriod;
  readonly #zone: string;
  readonly #gathered: ReadonlyMap<string, Gathered>;
  #courses = 0;

  constructor(registry: Registry, keys: readonly string[], period: MeasurementPeriod, zone: string) {
    this.#scales = keys.map((key) => registry.scales.get(key)!);
    this.#period = period;
    this.#zone = zone;
    this.#gathered = new Map(keys.map((key) => [key, { pairs: [], improvement: [], recovery: [], homework: [] }]));
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
    const pair = paired(course, scale);
    if (pair === undefined) return;
    const { pairs, improvement, recovery, homework } = this.#gathered.get(scale.key)!;
    pairs.push(pair);
    improvement.push(untilFirst(course, pair, ({ reliable }) => reliable === 'better'));
    if (pair.change.preClinical === true) recovery.push(untilFirst(course, pair, (change) => change.class === 'recovered'));
    const { start, end } = course.episode.period as { start?: string; end?: string };
    const tasks = (subject.byType.get('Task') ?? []).filter((task) => task.encounter === undefined || course.sessions.some(({ id }) => (task.encounter as { reference?: string }).reference === `Encounter/${id}`));
    const { quantity } = adherence(tasks, end ?? new Date(this.#period.end).toISOString(), { ...(start === undefined ? {} : { from: start }), zone: zoneOf(subject.patient, this.#zone) });
    if (quantity !== null) homework.push([quantity, pair.change.improvement]);
  }

  /** @param isSuppressed whether numbers that rest on fewer than five courses are left out. */
  lines(isSuppressed: boolean): Line[] {
    return this.#scales.flatMap((scale) => {
      const lines = this.#linesOf(scale, this.#gathered.get(scale.key)!);
      return isSuppressed ? lines.map(suppressedLine) : lines;
    });
  }

  #linesOf(scale: Scale, { pairs, improvement, recovery, homework }: Gathered): Line[] {
    const n = pairs.length;
    const line = (statistic: string, value: number | null, more: Partial<Line> = {}): Line => ({ scale: scale.key, statistic, n, value, ...more });
    const mean = (of: (pair: Paired) => number): number | null => (n === 0 ? null : pairs.reduce((sum, pair) => sum + of(pair), 0) / n);
    const share = (statistic: string, k: number, of: number): Line => ({ scale: scale.key, statistic, n: of, value: of === 0 ? null : k / of, ...wilson(k, of) });
    const count = (is: (pair: Paired) => boolean): number => pairs.filter(is).length;
    const clinical = pairs.filter(({ change }) => change.preClinical === true);
    return [
      { scale: scale.key, statistic: 'courses', n: this.#courses, value: this.#courses },
      share('paired-data-completeness', n, this.#courses),
      line('mean-first', mean(({ baseline }) => baseline.value)), line('mean-last', mean(({ last }) => last.value)), line('mean-improvement', mean(({ change }) => change.improvement)),
      ...effectLines(scale, pairs),
      ...(scale.threshold === undefined ? [] : [
        share('reliable-improvement', count(({ change }) => change.reliable === 'better'), n),
        share('reliable-deterioration', count(({ change }) => change.reliable === 'worse'), n),
        share('recovery', clinical.filter(({ change }) => change.postClinical === false).length, clinical.length),
        share('reliable-recovery', clinical.filter(({ change }) => change.class === 'recovered').length, clinical.length),
        ...curveLines(scale, 'sessions-to-reliable-improvement', improvement),
        ...curveLines(scale, 'sessions-to-reliable-recovery', recovery),
      ]),
      homeworkLine(scale, homework),
    ];
  }
}

/** The session of the first score with the event; without one the course ends, for the curve, with its last session. */
function untilFirst({ sessions, series }: Course, { scale, baseline }: Paired, isEvent: (change: Paired['change']) => boolean): SurvivalCourse {
  const later = onePerDate(series(scale.key)!.scores).filter(({ at, date }) => at > baseline.at && date !== baseline.date);
  const first = later.find(({ value }) => isEvent(changeBetween(scale, baseline.value, value)));
  const session = first === undefined ? sessions.length : sessionNumber(sessions, first);
  return { session: Math.max(1, session), event: first !== undefined };
}

const tooFew = `fewer than ${effectSizeMinimum} courses with two scores, or scores without spread`;

function effectLines(scale: Scale, pairs: readonly Paired[]): Line[] {
  const effect = effectSize(pairs.map(({ baseline, last }) => ({ baseline: baseline.value, last: last.value })), scale.sign);
  const line = (statistic: string, value: number | null | undefined, se?: number | null): Line => ({
    scale: scale.key, statistic, n: pairs.length, value: value ?? null,
    ...(value == null ? { note: tooFew } : se == null ? {} : { low: value - 1.96 * se, high: value + 1.96 * se }),
  });
  return [line('effect-size-d', effect?.dPre, effect?.se), line('effect-size-g', effect?.g), line('effect-size-dz', effect?.dz)];
}

function curveLines(scale: Scale, statistic: string, courses: readonly SurvivalCourse[]): Line[] {
  const curve = publishedCurve(survivalCurve(courses));
  if (curve === null) return [{ scale: scale.key, statistic: `${statistic}-median`, n: courses.length, value: null, note: 'no curve yet: fewer than 20 courses' }];
  return [
    { scale: scale.key, statistic: `${statistic}-median`, n: courses.length, value: curve.median, ...(curve.median === null ? { note: 'not reached' } : {}) },
    ...curve.steps.map(({ session, survival, interval, atRisk }): Line => ({
      scale: scale.key, statistic: `${statistic}-by-session-${session}`, n: atRisk, value: 1 - survival, ...(interval === null ? {} : { low: 1 - interval.high, high: 1 - interval.low }),
    })),
  ];
}

function homeworkLine(scale: Scale, pairs: readonly (readonly [number, number])[]): Line {
  const found = association(pairs);
  return {
    scale: scale.key, statistic: 'homework-and-improvement', n: pairs.length, value: found?.r ?? null, ...(found === null ? {} : { low: found.low, high: found.high }),
    note: found === null ? tooFew : 'an association, not proof of cause; published: r = .22 (27 studies, 2000), r = .26 (23 studies, 2010)',
  };
}

/** A number that rests on few, or a share whose counts are few, is not shown; what it rests on is rounded. */
function suppressedLine(line: Line): Line {
  const { n, value } = line;
  const isShare = line.low !== undefined && !line.statistic.startsWith('effect') && !line.statistic.startsWith('homework');
  const few = n === null || n < smallest || (isShare && value !== null && value * n < smallest - 0.5);
  if (few) return { scale: line.scale, statistic: line.statistic, n: null, value: null, note: 'hidden: small numbers' };
  return { ...line, n: 5 * Math.round(n / 5), ...(line.statistic === 'courses' ? { value: 5 * Math.round(n / 5) } : {}) };
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** @returns the lines as CSV (RFC 4180), with a header. */
export function linesAsCsv(lines: readonly Line[]): string {
  const columns = ['scale', 'statistic', 'n', 'value', 'low', 'high', 'note'] as const;
  const row = (line: Line): string => columns.map((column) => { const value = line[column]; return value == null ? '' : quoted(typeof value === 'number' ? String(Number(value.toPrecision(6))) : value); }).join(',');
  return `${[columns.join(','), ...lines.map(row)].join('\r\n')}\r\n`;
}
