import type { Valid } from './baseline.ts';
import type { Change } from './change.ts';
import type { Band } from './instrument.ts';
import type { Score } from './record.ts';
import { decidingCutoff, type Scale } from './registry.ts';
import { changeClassDisplay } from './terminology.ts';

/** Plain sentences beside computed numbers: what they were computed from and by which rule. They describe scores, never people. */

export const marks = {
  verified: 'read in its source', secondary: 'read in a secondary source', memory: 'recalled, to be checked before use', service: 'defined by this service',
} as const;

export const shown = (value: number): string => String(Math.round(value * 100) / 100);

/** A share in whole per cent, rounded towards 0, so that what is just below a half never reads as a half. */
export const percent = (share: number): string => String(Math.floor(Math.abs(100 * share) + 1e-9));

/** @returns how a total was reached. */
export function scoreSentence(scale: Scale, score: Score, band: Band | undefined, sex?: string): string {
  const { value, data: { answered, items, prorated, source } } = score;
  const { definition: { title, max, missing, bands }, instrument: { definition: { id, version } } } = scale;
  const rule = `Rule ${id} ${version}.`;
  if (value === null) return `${title}: no total, because ${answered} of ${items} items are answered and at most ${missing.max} may be missing (${marks[missing.verification]}). ${rule}`;
  const how = source === 'Observation' ? 'imported: computed by another system' : prorated
    ? `from ${answered} of ${items} items; the mean of the answered items stands for each missing one (${marks[missing.verification]})`
    : `from ${answered} answered items`;
  const where = band === undefined || bands === undefined ? '' : ` It lies in the band ${band.low} to ${band.high}, named "${band.clinicianLabel}"${value > band.high ? ', to which a value above it and below the next band belongs' : ''} (${marks[bands.verification]}).`;
  return `${title} ${shown(value)} of ${shown(max)}, ${how}.${where} ${[...scoreRemarks(scale, score, sex), rule].join(' ')} A score is not a diagnosis.`;
}

/** What else is to be said of a score: an item that does not apply, the cut-off that holds, remarks of the scale. */
function scoreRemarks({ definition: { max, cutoffs, remarks, direction } }: Scale, { value, data }: Score, sex: string | undefined): string[] {
  const found: string[] = [];
  if (data.maxScore < max) found.push(`One question does not apply, so that the highest score is ${shown(data.maxScore)}; to compare it with others it counts as ${shown((value! * max) / data.maxScore)} of ${shown(max)}.`);
  const bySex = cutoffs.filter((cutoff) => cutoff.use === 'class' && cutoff.sex !== undefined);
  if (bySex.length > 0) {
    const cutoff = decidingCutoff({ cutoffs, direction }, sex)!;
    const whose = cutoff.sex === sex ? `the cut-off for this sex (${cutoff.sex})` : 'the more cautious cut-off, because the sex is not known or none of those that have one';
    found.push(`Compared with ${cutoff.op} ${shown(cutoff.value)}: ${whose} (${marks[cutoff.verification]}).`);
  }
  return [...found, ...(remarks ?? []).filter(({ id }) => data.remarks?.includes(id) === true).map(({ text }) => text)];
}

/** @returns how two totals compare. */
export function changeSentence(scale: Scale, score: Valid, baseline: Valid, { delta, improvement }: Change): string {
  const { definition: { title }, threshold } = scale;
  const moved = delta === 0 ? 'no difference'
    : `${shown(Math.abs(delta))} ${delta < 0 ? 'lower' : 'higher'}, which is ${improvement > 0 ? 'better' : 'worse'} on this scale`;
  const reliable = threshold === undefined
    ? 'This instrument has no threshold of reliable change.'
    : `A change counts as reliable ${threshold.op === '>' ? 'above' : 'from'} ${shown(threshold.value)} (${threshold.id}, ${marks[threshold.definition.verification]}).`;
  const prorated = score.data.prorated || baseline.data.prorated ? ' One of the totals is prorated, so national rules leave this pair out.' : '';
  return `${title} was ${shown(baseline.value)} at baseline (${baseline.date}) and is ${shown(score.value)} (${score.date}): ${moved}. ${reliable}${prorated}`;
}

/** @returns why the change has its class. */
export function classSentence(scale: Scale, change: Change): string {
  const { cutoff, threshold } = scale;
  const name = changeClassDisplay[change.class];
  if (threshold === undefined) return `${name}.`;
  const size = change.improvement === 0 ? 'No difference' : `${shown(Math.abs(change.improvement))} for the ${change.improvement > 0 ? 'better' : 'worse'}`;
  const compared = `${size} against a threshold of ${threshold.op} ${shown(threshold.value)} (${threshold.id}, ${marks[threshold.definition.verification]})`;
  const side = (clinical: boolean | null): string => (clinical === true ? 'clinical' : 'functional');
  const range = cutoff === undefined ? 'no cut-off is known'
    : `baseline on the ${side(change.preClinical)}, current on the ${side(change.postClinical)} side of the cut-off (${cutoff.op} ${shown(cutoff.value)} is clinical; ${cutoff.id}, ${marks[cutoff.verification]})`;
  const crossed = change.crossedWithoutReliable ? ' The cut-off was crossed without a reliable change.' : '';
  return `${name}. ${compared}; ${range}.${crossed} A class describes two scores, not a person.`;
}
