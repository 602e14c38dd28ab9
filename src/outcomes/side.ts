import { codeSystem } from '../fhir/canonical.ts';
import { isClinical } from './change.ts';
import type { Cutoff } from './instrument.ts';
import { shown } from './plain-words.ts';
import type { Scale } from './registry.ts';
import { scoreSideDisplay } from './terminology.ts';

/** On which side of the cut-off that interprets it a score is (docs/clinical.md 2). A side describes a score, not a person. Pure. */

export interface Side {
  readonly cutoff: Cutoff;
  readonly kind: NonNullable<Cutoff['interprets']>;
  /** On the side that asks for a closer look: a screening is reached, or the score is in the clinical range. */
  readonly reached: boolean;
  /** For `Observation.interpretation`; its text is what clinicians read. */
  readonly concept: { readonly coding: readonly object[]; readonly text: string };
}

/** http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation */
export const interpretationSystem = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation';

const sides = new WeakMap<Scale, readonly [Side, Side]>();

/** @returns the side of `value`; undefined where no cut-off interprets the scale. The same object for the same side of one scale. */
export function sideOf(scale: Scale, value: number): Side | undefined {
  const { interpreting: cutoff } = scale;
  if (cutoff?.interprets === undefined) return undefined;
  const known = sides.get(scale) ?? [side(scale, cutoff, cutoff.interprets, false), side(scale, cutoff, cutoff.interprets, true)];
  sides.set(scale, known);
  return known[isClinical(value, cutoff) ? 1 : 0];
}

/** Why a cut-off of one sex holds for somebody of another, or of none that is known. */
export const moreCautious = 'the more cautious cut-off, because no sex is known for which there is another';

function side({ sex }: Scale, cutoff: Cutoff, kind: Side['kind'], reached: boolean): Side {
  const [where, whose] = [relation(cutoff.op, reached), cutoff.sex !== undefined && sex === undefined ? `, ${moreCautious}` : ''];
  if (kind === 'clinical-range') {
    const code = reached ? 'clinical-range' : 'functional-range';
    const text = `${where} the cut-off of ${shown(cutoff.value)}, ${scoreSideDisplay[code].toLowerCase()}${whose}`;
    return { cutoff, kind, reached, concept: { coding: [{ system: codeSystem('score-side'), code, display: scoreSideDisplay[code] }], text } };
  }
  // Without a display, which apps would show: "Positive" reads as a finding, and to clients as praise.
  return { cutoff, kind, reached, concept: { coding: [{ system: interpretationSystem, code: reached ? 'POS' : 'NEG' }], text: `${where} the screening cut-off of ${shown(cutoff.value)}${whose}` } };
}

/** Where a value lies that fulfils `op`, or does not. */
function relation(op: Cutoff['op'], fulfilled: boolean): string {
  switch (op) {
    case '>=': return fulfilled ? 'At or above' : 'Below';
    case '>': return fulfilled ? 'Above' : 'At or below';
    case '<=': return fulfilled ? 'At or below' : 'Above';
    case '<': return fulfilled ? 'Below' : 'At or above';
  }
}
