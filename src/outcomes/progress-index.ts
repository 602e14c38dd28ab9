import indexSystem from '../../schemas/code-systems/change-index.json' with { type: 'json' };
import { codeSystem } from '../fhir/canonical.ts';
import type { Valid } from './baseline.ts';
import { classByIndex, indexOfChange, type ChangeIndexCode, type CutoffOfTrueScores, type IndexOfChange, type SampleMoments } from './change-index.ts';
import { metricTable } from './metrics.ts';
import { changeOf, type Words } from './observations.ts';
import { explanation, number, type Part } from './parts.ts';
import { dayOf, marks, shown } from './plain-words.ts';
import { sourceOf } from './record.ts';
import type { Scale } from './registry.ts';

/** What `$progress` says of a change by another index, where it is asked for (docs/clinical.md 3.3). It decides no class. */

const concepts = new Map(indexSystem.concept.map((concept) => [concept.code, concept]));

/** The reference sample of an instrument: mean and SD of its norms, SD and reliability of its computed threshold. */
interface Reference { readonly sample: SampleMoments; readonly source: string; readonly verification: keyof typeof marks }

function referenceOf({ definition: { reliableChange, norms } }: Scale): Reference | undefined {
  const computed = reliableChange.find((each) => 'sd' in each);
  if (computed === undefined) return undefined;
  const sample = { sd: computed.sd, r: computed.r, ...(norms === undefined ? {} : { mean: norms.clinical.mean, functional: norms.functional }) };
  return { sample, source: [computed.source, ...(norms === undefined ? [] : [norms.source])].join('; '), verification: computed.verification };
}

/** @returns the part `index` of one index of the change between two scores. */
export function indexPart(scale: Scale, baseline: Valid, latest: Valid, code: ChangeIndexCode): Part {
  const change = changeOf(scale, baseline, latest);
  const reference = referenceOf(scale);
  const found = reference === undefined ? 'not computed: no standard deviation and reliability of this score are known here'
    : indexOfChange(code, { baseline: change.baseline, current: change.current, sign: scale.sign }, reference.sample);
  const { display, definition } = concepts.get(code)!;
  const explained = (words: Words): Part => explanation('change-index', metricTable['change-index'].version, words, [baseline, latest].map(sourceOf));
  const title: Part[] = [{ name: 'code', valueCoding: { system: codeSystem('change-index'), code, display } }, { name: 'formula', valueString: definition }];
  if (typeof found === 'string') {
    const elsewhere = `${display} for ${scale.definition.title}: ${found}. Over a caseload, Group/[id]/$outcomes takes what is lacking from its own courses.`;
    return { name: 'index', part: [...title, { name: 'data-absent-reason', valueCode: 'unknown' }, explained({ clinician: elsewhere, client: notForOne })] };
  }
  return {
    name: 'index',
    part: [
      ...title, number('value', found.value), number('critical-value', found.critical), { name: 'change', valueCode: found.reliable },
      { name: 'class', valueCodeableConcept: { coding: [{ system: codeSystem('change-class'), code: classByIndex(code, found, change) }] } },
      { name: 'formula-with-numbers', valueString: found.formula },
      ...(found.cutoff === undefined ? [] : [cutoffPart(found.cutoff)]),
      samplePart(reference!), explained(wordsOf(scale, display, found, baseline, latest)),
    ],
  };
}

const notForOne = 'There is another way to look at the step between the two scores; what it needs is not known here.';

function wordsOf(scale: Scale, display: string, { value, critical, reliable }: IndexOfChange, baseline: Valid, latest: Valid): Words {
  const said = reliable === 'none' ? 'by this index no reliable change' : `by this index reliably ${reliable}`;
  return {
    clinician: `${display}, ${scale.definition.title}, ${shown(baseline.value)} on ${dayOf(baseline.date)} to ${shown(latest.value)} on ${dayOf(latest.date)}: ${shown(value)}; a size of more than ${critical} counts, so ${said}. It rests on a reference sample and decides no class.`,
    client: 'The step between the two scores is looked at in one more way here, beside what a group of other people did. It says little about one person.',
  };
}

const cutoffPart = ({ limit, index, preClinical, postFunctional, formula }: CutoffOfTrueScores): Part => ({
  name: 'cut-off-index',
  part: [number('cut-off', limit), number('value', index), number('critical-value', 1.645), { name: 'clinical-before', valueBoolean: preClinical }, { name: 'functional-after', valueBoolean: postFunctional }, { name: 'formula-with-numbers', valueString: formula }],
});

const samplePart = ({ sample: { sd, r, mean, functional }, source, verification }: Reference): Part => ({
  name: 'sample',
  part: [
    number('sd', sd), number('reliability', r), ...(mean === undefined ? [] : [number('mean', mean)]), ...(functional === undefined ? [] : [number('functional-mean', functional.mean), number('functional-sd', functional.sd)]),
    { name: 'source', valueString: source }, { name: 'verification', valueCode: verification }, { name: 'verification-text', valueString: marks[verification] },
  ],
});
