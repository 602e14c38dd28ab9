import type { Valid } from './baseline.ts';
import type { Change } from './change.ts';
import type { Band } from './instrument.ts';
import { metricTable, type MetricId } from './metrics.ts';
import { daysBetween } from './local-time.ts';
import { counted, dayOf, direction, limitOf, marks, markOf, outOf, points, shown } from './plain-words.ts';
import type { Score } from './record.ts';
import { dependsOnSex, type Scale } from './registry.ts';
import { comparable } from './score.ts';
import { moreCautious, sideOf } from './side.ts';
import { changeClassDisplay } from './terminology.ts';

/** Plain sentences beside computed numbers: what they were computed from and by which rule. They describe scores, never people. */

/** @returns the sentence that names a rule, its version and how sure it is. */
export const ruleSentence = (metric: MetricId): string => {
  const { title, version, verification } = metricTable[metric];
  return `Rule: ${title.clinician}, version ${version} (${markOf(verification)}).`;
};

/** @returns how a total was reached. */
export function scoreSentence(scale: Scale, score: Score, band: Band | undefined): string {
  const { value, data: { answered, items, source } } = score;
  const { definition: { title, missing, bands }, instrument: { definition: { shortTitle, version } } } = scale;
  const rule = scale.instrument.definition.id === 'form-total' ? `Rule: sum of the weights that the form gives its answers, version ${version} of the form.` : `Rule: scoring of ${shortTitle}, version ${version}.`;
  if (value === null) {
    const needed = missing.method === 'none' ? items : items - missing.max;
    return `${title}: no total, because ${answered} of ${counted(items, 'item')} ${answered === 1 ? 'is' : 'are'} answered and ${needed === items ? 'none' : `at most ${missing.max}`} may be missing (${marks[missing.verification]}). With ${needed === items ? `all ${items}` : `${needed} or more`} answered there is one. ${rule}`;
  }
  const how = source === 'Observation' ? 'The total was computed by another system; its answers are not known here.' : answeredSentence(scale, score);
  const where = band === undefined || bands === undefined ? '' : ` Band ${band.low} to ${band.high}, "${band.clinicianLabel}"${value > band.high ? ' (a value between two bands belongs to the lower one)' : ''} (bands: ${marks[bands.verification]}).`;
  return `${title}: ${meaning(scale, score, value)}. ${how}${where} ${[...scoreRemarks(scale, score, value), rule].join(' ')} A score is not a diagnosis.`;
}

/** The value with what it measures and which way is better; of a pattern, whether it is there. */
function meaning(scale: Scale, { data: { maxScore } }: Score, value: number): string {
  const { definition: { id, formula, max }, instrument: { definition: { measures } } } = scale;
  if (scale.instrument.definition.id === 'form-total') return `${outOf(scale, value)} (the form does not say which way is better)`;
  if (formula === 'criteria') return value === 1 ? 'the pattern is there (1)' : 'the pattern is not there (0)';
  const of = maxScore < max ? outOf(scale, value, maxScore) : outOf(scale, value);
  return `${of} (${id === 'total' ? `${measures}; ` : ''}${direction(scale)})`;
}

function answeredSentence({ definition: { missing, max, formula }, instrument: { definition: { id, licence, skips } } }: Scale, { value, data: { answered, items, prorated, maxScore, skipped } }: Score): string {
  if (formula === 'goal-attainment') return `${counted(answered, 'goal is', 'goals are')} scored${items > answered ? `, ${items - answered} with a weight and no level left out` : ''}; 50 means attained as expected.`;
  if (prorated && formula === 'mean') return `It is the mean of ${answered} of ${items} items: those without an answer are left out (${marks[missing.verification]}).`;
  if (prorated) return `Prorated from ${answered} of ${items} items: the mean of the answered ones stands for each missing one (${marks[missing.verification]}).`;
  if (skipped !== undefined) return `${answered - skipped} of ${items} items are answered; after these answers the form leaves out the other ${skipped}, which count 0 (${marks[skips![0]!.verification]}).`;
  const all = items === 1 ? (licence.shipItemText || id === 'form-total' ? 'One question, answered.' : 'The total was entered as such; the single answers are not known here.') : `${items === 2 ? 'Both' : `All ${items}`} items${maxScore < max ? ' that apply' : ''} are answered.`;
  return maxScore < max ? `${all} One question does not apply, so that the highest score is ${shown(maxScore)}; beside other scores it counts as ${shown((value! * max) / maxScore)} of ${shown(max)}.` : all;
}

/** A mean of what is answered: nothing has to stand for what is not. */
const isMean = ({ definition: { formula } }: Scale): boolean => formula === 'mean';

/** What else is to be said of a score: the cut-off that holds, remarks of the scale. */
function scoreRemarks(scale: Scale, { data }: Score, value: number): string[] {
  const { definition: { remarks }, sex } = scale;
  const found: string[] = [];
  const side = sideOf(scale, value);
  if (side !== undefined && dependsOnSex(scale)) {
    const whose = sex !== undefined ? `the cut-off for this sex, ${sex}` : moreCautious;
    found.push(`It is compared with ${whose}: ${limitOf(side.cutoff)} (${marks[side.cutoff.verification]}). It ${side.reached ? 'reaches' : 'does not reach'} that.`);
  } else if (side !== undefined) found.push(`${side.concept.text} (${marks[side.cutoff.verification]}).`);
  return [...found, ...(remarks ?? []).filter(({ id }) => data.remarks?.includes(id) === true).map(({ text }) => text)];
}

/** @returns the steps by which totals to which an item did not apply were brought to the whole scale. */
export function broughtSentence(scale: Scale, scores: readonly Valid[]): string {
  const { max } = scale.definition;
  const lower = scores.filter(({ data: { maxScore } }) => maxScore !== max);
  return lower.length === 0 ? '' : ` An item did not apply, so ${lower.map(({ value, data: { maxScore } }) => `${shown(value)} of ${shown(maxScore)} counts as ${shown(comparable(scale, value, maxScore))} of ${shown(max)}`).join(', and ')}.`;
}

/** @returns how two totals compare; `classed`: the sentence about the class follows and says which change counts as reliable. */
export function changeSentence(scale: Scale, score: Valid, baseline: Valid, { baseline: before, current, delta, improvement }: Change, classed?: 'classed'): string {
  const { definition, threshold } = scale;
  const { title } = definition;
  const moved = delta === 0 ? 'no difference'
    : `${points(Math.abs(delta))} ${delta < 0 ? 'lower' : 'higher'}, which is ${improvement > 0 ? 'better' : 'worse'} on this scale`;
  const reliable = classed !== undefined ? '' : threshold === undefined
    ? ' There is no threshold of reliable change for this score here.'
    : ` A change of ${limitOf(threshold, points)} counts as reliable (threshold: ${marks[threshold.definition.verification]}).`;
  const goals = definition.formula === 'goal-attainment' && score.data.answered !== baseline.data.answered
    ? ` ${counted(baseline.data.answered, 'goal was', 'goals were')} scored at baseline and ${score.data.answered} now: the two rest on different goals.` : '';
  const prorated = !score.data.prorated && !baseline.data.prorated ? ''
    : isMean(scale) ? ' Not every item is answered in both: the two means may rest on different ones.'
      : ' One of the totals is prorated: take the change with more caution; outcomes by national rules leave such a pair out.';
  return `${title}: ${shown(before)} at baseline (${dayOf(baseline.date)}), ${shown(current)} on ${dayOf(score.date)}, ${counted(daysBetween(baseline.date, score.date), 'day')} later: ${moved}.${broughtSentence(scale, [baseline, score])}${reliable}${prorated}${goals} It does not say what led to the change.`;
}

/** @returns why the change has its class. */
export function classSentence(scale: Scale, change: Change): string {
  const { cutoff, threshold } = scale;
  const name = changeClassDisplay[change.class];
  const size = change.improvement === 0 ? 'No difference' : `${change.improvement > 0 ? 'Better' : 'Worse'} by ${points(Math.abs(change.improvement))}`;
  if (threshold === undefined) return `${name}. ${size}. It becomes computable once this score has a threshold of reliable change, a published one or one from a standard deviation and a reliability.`;
  const compared = `${size}; ${limitOf(threshold, points)} count as reliable (threshold: ${marks[threshold.definition.verification]}).`;
  const range = cutoff === undefined ? 'No cut-off between a clinical and a functional range is known here, so neither side can be told.'
    : `${sides(change)} (cut-off: ${limitOf(cutoff)} is clinical, ${marks[cutoff.verification]}).`;
  const crossed = change.crossedWithoutReliable ? ' The cut-off was crossed without a reliable change.' : '';
  return `${name}. ${compared} ${range}${crossed} A class describes two scores, not a person.`;
}

function sides({ baseline, current, preClinical, postClinical }: Change): string {
  const name = (clinical: boolean | null): string => (clinical === true ? 'clinical' : 'functional');
  return preClinical === postClinical ? `Baseline ${shown(baseline)} and current ${shown(current)} are both on the ${name(preClinical)} side`
    : `Baseline ${shown(baseline)} is on the ${name(preClinical)} side, current ${shown(current)} on the ${name(postClinical)} side`;
}

/** @returns what the answer to a safety item is, and what it is not. */
export function safetyItemSentence({ instrument: { definition: { safety, shortTitle, version }, items } }: Scale, score: Score, linkId: string, value: number): string {
  const title = safety.find((each) => each.linkId === linkId)?.title ?? shortTitle;
  return `${title}: answered with ${shown(value)} of ${shown(items.get(linkId)!.max)}${score.date === '' ? '' : ` (${dayOf(score.date)})`}. Any answer above 0 asks a clinician to look and to talk with the client. Rule: scoring of ${shortTitle}, version ${version}. One answer is not an assessment of risk and not a diagnosis.`;
}
