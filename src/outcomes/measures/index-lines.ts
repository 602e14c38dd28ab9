import { classByIndex, criticalValue, indexOfChange, momentsOf, type ChangeIndexCode, type SampleMoments } from '../change-index.ts';
import type { ChangeClass } from '../change.ts';
import { wilson } from '../proportions.ts';
import type { Scale } from '../registry.ts';
import type { Line } from './caseload-line.ts';
import type { Paired } from './courses.ts';

/** Change by another index in the outcomes of a caseload, its own courses being the sample (docs/clinical.md 3.3). Pure. */

/** Service-defined: as many as change by slopes asks for. */
const leastCourses = 20;

type More = Pick<Line, 'value'> & Partial<Line>;

/** The reliability of a score that the registry holds; null: none. */
const reliabilityOf = ({ definition: { reliableChange } }: Scale): number | null => reliableChange.find((each) => 'sd' in each)?.r ?? null;

/**
 * @param pairs baseline and last score of every course that ended in the period.
 * @param given reliability of the score, in place of the one that the registry holds.
 * @param isSuppressed for somebody who may not know the people in it: then how many changed reliably, and not to which class, because
 * the classes together make up all, so that one that is hidden could be had from the others.
 * @returns the moments of the sample, how many courses came to each class, and each course.
 */
export function indexLines(scale: Scale, pairs: readonly (Paired & { readonly episode: string })[], code: ChangeIndexCode, given: number | undefined, isSuppressed: boolean): Line[] {
  const line = (statistic: string, more: More): Line => ({ scale: scale.key, statistic: `${code}-${statistic}`, metric: 'change-index', n: pairs.length, ...more });
  const share = (statistic: string, k: number, of: number): Line => line(statistic, { n: of, value: k / of, ...wilson(k, of), tells: [k], isShare: true });
  const none = (note: string): Line[] => [line('courses', { value: null, note })];
  const r = given ?? reliabilityOf(scale);
  if (r === null) return none('not computed: no reliability of this score is known here; give one as reliability');
  const scores = pairs.map(({ change: { baseline, current } }) => ({ baseline, current }));
  const moments = pairs.length < leastCourses ? undefined : momentsOf(scores);
  if (moments === undefined) return none(`not computed: fewer than ${leastCourses} courses with two scores, or first scores that do not differ`);
  const norms = scale.definition.norms?.functional;
  const sample: SampleMoments = { ...moments, r, ...(norms === undefined ? {} : { functional: norms }) };
  const found = pairs.map((pair) => ({ pair, index: indexOfChange(code, { baseline: pair.change.baseline, current: pair.change.current, sign: scale.sign }, sample) }));
  const courses = found.flatMap(({ pair, index }) => (typeof index === 'string' ? [] : [{ pair, index, of: classByIndex(code, index, pair.change) }]));
  const [first] = found;
  if (courses.length === 0) return none(typeof first!.index === 'string' ? first!.index : '');
  const cutoff = courses[0]!.index.cutoff;
  return [
    line('courses', { value: courses.length, isCount: true }),
    line('mean-first', { value: moments.mean }), line('sd-first', { value: moments.sd }), line('mean-last', { value: moments.meanAfter }), line('sd-last', { value: moments.sdAfter }),
    line('correlation', { value: moments.correlation ?? null, places: 2, ...(moments.correlation === undefined ? { note: 'the last scores do not differ' } : {}) }),
    line('reliability', { value: r, places: 2, note: given === undefined ? 'of the instrument as the registry has it' : 'as given' }),
    line('critical-value', { value: criticalValue(code), places: 3 }),
    ...(code !== 'hageman-arrindell' ? [] : [line('cut-off', cutoff === undefined ? { value: null, note: 'no norms of people without the problem are known here, or they are too even for this reliability: nobody is classed as recovered' } : { value: cutoff.limit })]),
    share('reliably-better', courses.filter(({ index }) => index.reliable === 'better').length, courses.length),
    share('reliably-worse', courses.filter(({ index }) => index.reliable === 'worse').length, courses.length),
    ...(isSuppressed ? [] : classesOf(code).map((each) => share(each, courses.filter(({ of }) => of === each).length, courses.length))),
    ...courses.flatMap(({ pair, index, of }) => [
      line('course-index', { n: null, value: index.value, episode: pair.episode, class: of }),
      ...(index.cutoff === undefined ? [] : [line('course-cut-off-index', { n: null, value: index.cutoff.index, episode: pair.episode, class: of })]),
    ]),
  ];
}

/** Hageman and Arrindell have no class of its own for the clinical side. */
const classesOf = (code: ChangeIndexCode): ChangeClass[] => ['recovered', 'improved', 'unchanged', 'deteriorated', ...(code === 'hageman-arrindell' ? [] : ['harmed'] as const)];
