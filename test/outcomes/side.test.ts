import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { shippedResources } from '../../src/outcomes/questionnaires.ts';
import { scaleForSex, type Scale } from '../../src/outcomes/registry.ts';
import { sideOf } from '../../src/outcomes/side.ts';
import { base, registry, World } from '../kit/record.ts';
import { jargonWords, judgingWords, verdictWords } from './words.ts';

// On which side of its cut-off a score is: on the cut-off itself and one step to either side, from answers to the words.

interface Interpretation { readonly coding: readonly { readonly system: string; readonly code: string; readonly display?: string }[]; readonly text: string }
const interpretationsOf = (observation: Resource | undefined): readonly Interpretation[] => (observation?.['interpretation'] ?? []) as Interpretation[];
const scaleOf = (key: string): Scale => registry.scales.get(key)!;

const [screening, range] = [['NEG', 'POS'], ['functional-range', 'clinical-range']] as const;
/** Score key; the codes of the two sides; scores on the better side, then from the cut-off on; how the text begins on either. Worked from the sources, not from the files. */
const vectors: readonly (readonly [string, readonly [string, string], readonly number[], readonly number[], string, string])[] = [
  ['phq-9', screening, [0, 9], [10, 11, 27], 'Below the screening cut-off of 10', 'At or above the screening cut-off of 10'],
  ['phq-8', screening, [9], [10, 11], 'Below the screening cut-off of 10', 'At or above the screening cut-off of 10'],
  ['phq-2', screening, [0, 2], [3, 4, 6], 'Below the screening cut-off of 3', 'At or above the screening cut-off of 3'],
  ['gad-7', screening, [8, 9], [10, 11], 'Below the screening cut-off of 10', 'At or above the screening cut-off of 10'],
  ['gad-2', screening, [2], [3, 4], 'Below the screening cut-off of 3', 'At or above the screening cut-off of 3'],
  ['phq-4', screening, [5], [6, 7], 'Below the screening cut-off of 6', 'At or above the screening cut-off of 6'],
  ['phq-4.anxiety', screening, [2], [3, 4], 'Below the screening cut-off of 3', 'At or above the screening cut-off of 3'],
  ['phq-4.depression', screening, [2], [3, 4], 'Below the screening cut-off of 3', 'At or above the screening cut-off of 3'],
  ['pcl-5', screening, [30], [31, 32, 33], 'Below the screening cut-off of 31', 'At or above the screening cut-off of 31'],
  ['audit', screening, [7], [8, 9], 'Below the screening cut-off of 8', 'At or above the screening cut-off of 8'],
  ['k6', screening, [12], [13, 14], 'Below the screening cut-off of 13', 'At or above the screening cut-off of 13'],
  ['k10', screening, [10, 19], [20, 21], 'Below the screening cut-off of 20', 'At or above the screening cut-off of 20'],
  ['who-5', screening, [52, 56, 100], [48, 44, 0], 'Above the screening cut-off of 50', 'At or below the screening cut-off of 50'],
  ['core-10', range, [10], [11, 12], 'Below the cut-off of 11, in the functional range', 'At or above the cut-off of 11, in the clinical range'],
  ['isi', range, [14], [15, 16], 'Below the cut-off of 15, in the functional range', 'At or above the cut-off of 15, in the clinical range'],
  ['phq-15', range, [9], [10, 11], 'Below the cut-off of 10, in the functional range', 'At or above the cut-off of 10, in the clinical range'],
  ['ors', range, [25, 25.1, 40], [24.9, 0], 'At or above the cut-off of 25, in the functional range', 'Below the cut-off of 25, in the clinical range'],
  ['oq-45', range, [63], [64, 65], 'Below the cut-off of 64, in the functional range', 'At or above the cut-off of 64, in the clinical range'],
  ['mi', range, [2.29, 2.3], [2.31], 'At or below the cut-off of 2.3, in the functional range', 'Above the cut-off of 2.3, in the clinical range'],
  ['hai', range, [17], [18, 19], 'Below the cut-off of 18', 'At or above the cut-off of 18'],
  ['ies-r', range, [32], [33, 34], 'Below the cut-off of 33', 'At or above the cut-off of 33'],
  ['oci', range, [39], [40, 41], 'Below the cut-off of 40', 'At or above the cut-off of 40'],
  ['oci-r', range, [16], [17, 18], 'Below the cut-off of 17', 'At or above the cut-off of 17'],
  ['pdss-sr', range, [7], [8, 9], 'Below the cut-off of 8', 'At or above the cut-off of 8'],
  ['pswq', range, [44], [45, 46], 'Below the cut-off of 45', 'At or above the cut-off of 45'],
  ['spin', range, [18], [19, 20], 'Below the cut-off of 19', 'At or above the cut-off of 19'],
];
/** No side: no cut-off is published, or it is none of how somebody is (a rating of the work together, goals attained), or bands say all. */
const without = ['pss-10', 'swemwbs', 'wai-sr', 'srs', 'gas', 'goal-rating', 'wsas', 'dass-21.depression', 'pcl-5.pattern', 'pcl-5.intrusion', 'oq-45.sd', 'bs-checkin.mood', 'bs-alliance'];

/** A completed response in which the items of `scale` sum up to `value` and all others are at their lowest. */
function scoring(scale: Scale, value: number, more: object = {}): Resource {
  const { definition: { scales }, items, canonical } = scale.instrument;
  const total = scales.length > 1 && scale.definition.id === 'total' ? scale.items : [];
  let left = value / (scale.definition.factor ?? 1);
  const item = [...items.values()].map(({ linkId, byNumber, numeric }) => {
    const counts = scale.items.some((each) => each.linkId === linkId) || total.some((each) => each.linkId === linkId);
    const rest = scale.items.slice(scale.items.findIndex((each) => each.linkId === linkId) + 1).reduce((sum, each) => sum + (each.numeric?.min ?? Math.min(...each.byNumber.values())), 0);
    if (numeric !== undefined) {
      const score = counts ? Math.min(numeric.max, Number((left - rest).toFixed(6))) : numeric.min;
      if (counts) left = Number((left - score).toFixed(6));
      return { linkId, answer: [Number.isInteger(score) ? { valueInteger: score } : { valueDecimal: score }] };
    }
    const printed = [...byNumber].sort(([, a], [, b]) => b - a);
    const [given, score] = (counts ? printed.find(([, each]) => each <= left - rest) : undefined) ?? printed.at(-1)!;
    if (counts) left -= score;
    return { linkId, answer: [{ valueInteger: given }] };
  });
  if (Math.abs(left) > 1e-9) throw new RangeError(`${scale.key} cannot be ${value}`);
  return { resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01T10:00:00Z', questionnaire: canonical, subject: { reference: 'Patient/p' }, item, ...more };
}

function scored(key: string, value: number): Resource {
  const world = new World();
  world.write(scoring(scaleOf(key), value));
  const observation = world.observation('score', 'r', key)!;
  const { valueInteger, valueQuantity } = observation as unknown as { valueInteger?: number; valueQuantity?: { value: number } };
  t.equal(valueInteger ?? valueQuantity?.value, value, `${key} ${value}: the answers come to it`);
  return observation;
}

const notesOf = (observation: Resource): { readonly clinician: string; readonly client: string } => {
  const [clinician, client] = observation['note'] as { text: string }[];
  return { clinician: clinician!.text, client: client!.text };
};

t.test('the side of each score on its cut-off and beside it, in a code and in words', async (t) => {
  for (const [key, codes, better, worse, below, reached] of vectors) {
    const scale = scaleOf(key);
    for (const [at, values] of [better, worse].entries()) {
      for (const value of values) {
        const observation = scored(key, value);
        const interpretations = interpretationsOf(observation);
        t.equal(interpretations.length, scale.definition.bands === undefined ? 1 : 2, `${key} ${value}: its band, where it has one, and its side`);
        const side = interpretations.at(-1)!;
        t.equal(side.coding[0]!.code, codes[at], `${key} ${value}`);
        t.ok(side.text.startsWith(at === 0 ? below : reached), `${key} ${value}: ${side.text}`);
        t.equal(side.coding[0]!.system, codes === screening ? 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation' : `${base}/CodeSystem/score-side`);
        t.notMatch(JSON.stringify(interpretations), /positive|negative|abnormal|diagnos/i, 'no finding');
        const { clinician, client } = notesOf(observation);
        t.ok(clinician.includes(`${side.text} (`), `${key} ${value}: clinicians read it too`);
        t.notMatch(clinician, verdictWords);
        for (const words of [judgingWords, jargonWords, /positive|negative|screen/i]) t.notMatch(client, words, `${key} ${value}: ${client}`);
        t.equal(/something to look at together/.test(client), at === 1 && scale.definition.bands === undefined, `${key} ${value}: ${client}`);
        t.same(validate(observation), []);
        const component = ((observation as unknown as { component?: { code: { coding: { code: string }[]; text: string } }[] }).component ?? []).find(({ code }) => code.coding[0]!.code === 'cut-off');
        if (scale.definition.bands === undefined) t.match(component?.code.text, codes === screening ? /^The screening cut-off: .* \(.*\)$/ : /^On the clinical side: .* \(.*\)$/, `${key}: with the cut-off and how sure it is`);
        else t.equal(component, undefined);
      }
    }
  }
  const told = new Set(vectors.map(([key]) => key));
  t.same([...registry.scales.values()].filter(({ key, interpreting }) => interpreting !== undefined && key !== 'audit-c' && !told.has(key)).map(({ key }) => key), [], 'all that have a side are looked at');
  for (const key of without) t.equal(sideOf(scaleOf(key), scaleOf(key).definition.min), undefined, `${key} has none`);
});

t.test('a total is on the side of the number as it stands: prorated, not rounded, with an item that does not apply', async (t) => {
  const world = new World();
  world.write(scoring(scaleOf('core-10'), 9, { item: (scoring(scaleOf('core-10'), 10)['item'] as object[]).slice(0, -1) }));
  t.match(world.observation('score', 'r', 'core-10'), { valueQuantity: { value: 11.1 }, interpretation: [{ coding: [{ code: 'mild' }] }, { coding: [{ code: 'clinical-range' }] }] }, '10 / 9 * 10');
  world.write(scoring(scaleOf('core-10'), 9, { id: 's', item: (scoring(scaleOf('core-10'), 9)['item'] as object[]).slice(0, -1) }));
  t.match(world.observation('score', 's', 'core-10'), { valueInteger: 10, interpretation: [{ coding: [{ code: 'low' }] }, { coding: [{ code: 'functional-range' }] }] }, '9 / 9 * 10');
  t.equal(sideOf(scaleOf('core-10'), 10.9)?.reached, false, 'between the two: the lower band, the functional range');
  t.equal(sideOf(scaleOf('who-5'), 50)?.reached, true);
  world.write(scoring(scaleOf('phq-2'), 3, { id: 'u', item: (scoring(scaleOf('phq-2'), 3)['item'] as object[]).slice(0, 1) }));
  const open = world.observation('score', 'u', 'phq-2')!;
  t.match(open['dataAbsentReason'], { coding: [{ code: 'unknown' }] });
  t.same([open['interpretation'], open['component']], [undefined, undefined], 'without a total there is no side');
});

t.test('AUDIT-C: the side by the sex, and where that is not known by the more cautious cut-off, which it says', async (t) => {
  const scale = scaleOf('audit-c');
  const of = (sex: string | undefined, value: number): string => sideOf(scaleForSex(scale, sex), value)!.concept.text;
  t.same([2, 3, 4, 5].map((value) => sideOf(scaleForSex(scale, 'male'), value)!.reached), [false, false, true, true]);
  t.same([1, 2, 3, 4].map((value) => sideOf(scaleForSex(scale, 'female'), value)!.reached), [false, false, true, true]);
  for (const sex of [undefined, 'other', 'unknown']) t.same([2, 3, 4].map((value) => sideOf(scaleForSex(scale, sex), value)!.reached), [false, true, true], sex ?? 'not known');
  t.same([of('male', 3), of('male', 4), of('female', 3)], ['Below the screening cut-off of 4', 'At or above the screening cut-off of 4', 'At or above the screening cut-off of 3']);
  t.equal(of(undefined, 3), 'At or above the screening cut-off of 3, the more cautious cut-off, because no sex is known for which there is another');
  const world = new World();
  world.write(scoring(scale, 3));
  t.match(world.observation('score', 'r', 'audit-c'), { interpretation: [{ coding: [{ code: 'POS' }], text: /more cautious/ }] });
  world.write({ resourceType: 'Patient', id: 'p', gender: 'male' });
  t.match(world.observation('score', 'r', 'audit-c'), { status: 'amended', interpretation: [{ coding: [{ code: 'NEG' }], text: 'Below the screening cut-off of 4' }] });
});

t.test('a band never says something else than the side: every band lies on one side of the cut-off', async (t) => {
  for (const scale of registry.scales.values()) {
    for (const { low, high, code } of scale.interpreting === undefined ? [] : scale.definition.bands?.list ?? []) {
      t.equal(sideOf(scale, low), sideOf(scale, high), `${scale.key} ${code}`);
    }
  }
});

t.test('what is published of it: the interval that reaches the cut-off, without the cut-off where it does not belong to it', async (t) => {
  const shipped = shippedResources(registry);
  const interval = (key: string, id: string): unknown => (shipped.find((each) => each.id === `score-${key}`)!['qualifiedInterval'] as { condition: string }[]).find(({ condition }) => condition.startsWith(`${id}:`));
  t.match(interval('pcl-5', 'screen-31'), { category: 'critical', context: { text: 'Screening' }, range: { low: { value: 31 }, high: { value: 80 } } });
  t.equal((interval('pcl-5', 'ptsd-33') as { context?: object }).context, undefined, 'decides the class of a change, and interprets no score');
  t.match(interval('who-5', 'screen-50'), { context: { text: 'Screening' }, range: { low: { value: 0 }, high: { value: 50 } } });
  t.match(interval('ors', 'adult-25'), { context: { text: 'Clinical range' }, range: { low: { value: 0 }, high: { value: 24.9 } } });
  t.match(interval('mi', 'nhs-2.3'), { range: { low: { value: 2.31 }, high: { value: 5 } } });
  t.match(interval('pcl-5', 'significant-28'), { range: { low: { value: 29 }, high: { value: 80 } } });
  t.match(shipped.find(({ id, resourceType }) => id === 'score-side' && resourceType === 'CodeSystem'), { concept: [{ code: 'clinical-range' }, { code: 'functional-range' }] });
  for (const resource of shipped.filter(({ resourceType }) => resourceType === 'ObservationDefinition')) t.same(validate(resource), [], String(resource.id));
});

t.test('the form keeps its version: what names it with that goes on finding it', async (t) => {
  const shipped = shippedResources(registry);
  const form = (id: string): Resource => shipped.find((each) => each.resourceType === 'Questionnaire' && each.id === id)!;
  t.same(['phq-9', 'audit-c', 'wsas'].map((id) => [registry.byCanonical.get(`${base}/Questionnaire/${id}`)!.definition.version, form(id)['version']]), [['1.1.0', '1.0.0'], ['1.2.0', '1.1.0'], ['1.1.0', '1.0.0']]);
});
