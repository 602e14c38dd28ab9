import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { readInstruments } from '../../src/instruments.ts';
import { withInstruments } from '../../src/outcomes/instrument-table.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { patientRecord, withSource } from '../../src/outcomes/record.ts';
import { questionnaire, shippedResources } from '../../src/outcomes/questionnaires.ts';
import { instrumentRegistry, scaleForSex, type Instrument, type Item, type Scale } from '../../src/outcomes/registry.ts';
import { answerIssues, bandOf } from '../../src/outcomes/score.ts';
import { checkAgainstQuestionnaire } from '../../src/resources/questionnaire-response.ts';
import { base, phq9, registry, totalling, World } from '../kit/record.ts';
import { judgingWords, verdictWords } from './words.ts';

const loinc = 'http://loinc.org';
const absentReason = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
const definitions = readInstruments(new URL('../../schemas/instruments', import.meta.url)) as { id: string }[];
const instrumentOf = (id: string): Instrument => registry.instruments.find(({ definition }) => definition.id === id)!;

/** An answer: the number on the form, a code of LOINC, a whole answer; null leaves the item out. */
type Given = number | string | object | null;

/** A completed response with these answers to the items in their order. */
function answered(id: string, given: readonly Given[], more: object = {}): Resource {
  const { definition, canonical } = instrumentOf(id);
  const answer = (value: number | string | object): object => (typeof value === 'number'
    ? (Number.isInteger(value) ? { valueInteger: value } : { valueDecimal: value })
    : typeof value === 'string' ? { valueCoding: { system: loinc, code: value } } : value);
  return {
    resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01T10:00:00Z', questionnaire: canonical, subject: { reference: 'Patient/p' },
    item: definition.items.flatMap(({ linkId }, i) => { const value = given[i] ?? null; return value === null ? [] : [{ linkId, answer: [answer(value)] }]; }),
    ...more,
  };
}

/** Scores by their keys. */
const scoresOf = (response: Resource, known = registry, form?: Resource): Record<string, number | null> =>
  Object.fromEntries(recordEntries(response, { registry: known, questionnaire: form }).map(({ key, value }) => [key, value === null ? null : Number(value)]));
const dataOf = (response: Resource, key: string): Record<string, unknown> =>
  JSON.parse(recordEntries(response, { registry }).find((entry) => entry.key === key)!.data) as Record<string, unknown>;
const all = (count: number, value: Given): Given[] => Array.from({ length: count }, () => value);
const notApplicable = { extension: [{ url: absentReason, valueCode: 'not-applicable' }] };

/** Worked by hand: instrument, answers, the scores that follow (the key of the total is the id). */
const vectors: readonly (readonly [string, readonly Given[], Record<string, number | null>, string])[] = [
  ['phq-8', all(8, 3), { 'phq-8': 24 }, 'maximum'],
  ['phq-8', all(8, 0), { 'phq-8': 0 }, 'minimum'],
  ['phq-8', [2, 2, 2, 2, 1, 1, 1, null], { 'phq-8': 13 }, '11 * 8 / 7 = 12.57'],
  ['phq-8', [2, 2, 2, 2, 1, 1], { 'phq-8': null }, 'two missing'],
  ['phq-2', [3, 'LA6570-1'], { 'phq-2': 5 }, 'number and code'],
  ['phq-2', [0, 0], { 'phq-2': 0 }, 'minimum'],
  ['phq-2', [3], { 'phq-2': null }, 'one missing'],
  ['gad-2', ['LA6571-9', 'LA18938-3'], { 'gad-2': 5 }, 'older exports: more days than not is 2'],
  ['gad-2', [0, 0], { 'gad-2': 0 }, 'minimum'],
  ['gad-2', [3, 3], { 'gad-2': 6 }, 'maximum'],
  ['phq-4', [3, 2, 1, 0], { 'phq-4': 6, 'phq-4.anxiety': 5, 'phq-4.depression': 1 }, 'subscales'],
  ['phq-4', all(4, 3), { 'phq-4': 12, 'phq-4.anxiety': 6, 'phq-4.depression': 6 }, 'maximum'],
  ['phq-4', [3, 2, null, 1], { 'phq-4': null, 'phq-4.anxiety': 5, 'phq-4.depression': null }, 'never prorated; the complete subscale stands'],
  ['phq-15', all(15, 2), { 'phq-15': 30 }, 'maximum'],
  ['phq-15', [2, 1, 0, notApplicable, ...all(11, 1)], { 'phq-15': 14 }, 'the question about periods does not apply'],
  ['phq-15', [2, 1, 0, null, ...all(11, 1)], { 'phq-15': null }, 'left open is not the same'],
  ['wsas', all(5, 8), { wsas: 40 }, 'maximum'],
  ['wsas', [notApplicable, 4, 5, 6, 7], { wsas: 22 }, 'no work: total of four'],
  ['wsas', [{ valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable' } }, 8, 8, 8, 8], { wsas: 32 }, 'as a choice'],
  ['wsas', [null, 4, 5, 6, 7], { wsas: null }, 'question 1 left open'],
  ['wsas', [4, notApplicable, 5, 6, 7], { wsas: null }, 'only question 1 may not apply'],
  ['core-10', all(10, 0), { 'core-10': 8 }, 'items 2 and 3 turned: 4 + 4'],
  ['core-10', all(10, 4), { 'core-10': 32 }, 'eight at 4, two turned to 0'],
  ['core-10', [4, 0, 0, 4, 4, 4, 4, 4, 4, 4], { 'core-10': 40 }, 'maximum'],
  ['core-10', [0, 4, 4, 0, 0, 0, 0, 0, 0, 0], { 'core-10': 0 }, 'minimum'],
  ['core-10', [1, 3, 3, 1, 1, 0, 2, 2, 2, null], { 'core-10': 12.2 }, '1+1+1+1+1+0+2+2+2 = 11; 11 * 10 / 9 = 12.22'],
  ['core-10', [1, 3, 3, 1, 1, 0, 2, 2], { 'core-10': null }, 'two missing'],
  ['who-5', all(5, 5), { 'who-5': 100 }, 'maximum'],
  ['who-5', [3, 3, 2, 2, 2], { 'who-5': 48 }, 'raw 12 is 48, at or below 50'],
  ['who-5', [3, 3, 3, 2, 2], { 'who-5': 52 }, 'raw 13 is 52'],
  ['who-5', [3, 3, 3, 2], { 'who-5': null }, 'none may be missing'],
  ['pcl-5', all(20, 4), { 'pcl-5': 80, 'pcl-5.intrusion': 20, 'pcl-5.avoidance': 8, 'pcl-5.cognition-and-mood': 28, 'pcl-5.arousal': 24, 'pcl-5.pattern': 1 }, 'maximum'],
  ['pcl-5', [2, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0], { 'pcl-5': 12, 'pcl-5.intrusion': 2, 'pcl-5.avoidance': 2, 'pcl-5.cognition-and-mood': 4, 'pcl-5.arousal': 4, 'pcl-5.pattern': 1 }, 'the least that shows the pattern: 1, 1, 2, 2'],
  ['pcl-5', [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 1, 1, 1, 1, 1], { 'pcl-5': 65, 'pcl-5.intrusion': 20, 'pcl-5.avoidance': 8, 'pcl-5.cognition-and-mood': 28, 'pcl-5.arousal': 9, 'pcl-5.pattern': 0 }, 'one of E only: high, and no pattern'],
  ['pcl-5', all(19, 2), { 'pcl-5': null, 'pcl-5.intrusion': 10, 'pcl-5.avoidance': 4, 'pcl-5.cognition-and-mood': 14, 'pcl-5.arousal': null, 'pcl-5.pattern': null }, 'item 20 missing'],
  ['audit', all(10, 4), { audit: 40 }, 'maximum'],
  ['audit', [0, null, null, null, null, null, null, null, 0, 0], { audit: 0 }, 'never: only 9 and 10 are asked'],
  ['audit', [0, null, null, null, null, null, null, null, 2, 4], { audit: 6 }, 'never, with what was before'],
  ['audit', [2, 0, 0, null, null, null, null, null, 0, 2], { audit: 4 }, 'questions 2 and 3 at 0: 4 to 8 are skipped'],
  ['audit', [2, 1, 0, null, null, null, null, null, 0, 2], { audit: null }, 'question 2 above 0: nothing may be skipped'],
  ['audit', [0, null, null, null, null, null, null, null, 2, null], { audit: null }, '10 is always asked'],
  ['audit-c', ['LA18929-2', 'LA18932-6', 'LA18934-2'], { 'audit-c': 12 }, 'maximum, by code'],
  ['audit-c', [0], { 'audit-c': 0 }, 'never: the others do not arise'],
  ['audit-c', [3, 0, 0], { 'audit-c': 3 }, 'all from question 1'],
  ['audit-c', [3, 0], { 'audit-c': null }, 'question 3 missing'],
  ['k6', all(6, 'LA6154-4'), { k6: 24 }, 'all of the time is 4, though the list of LOINC says 1'],
  ['k6', all(6, 'LA6297-1'), { k6: 0 }, 'none of the time is 0, though the list of LOINC says 5'],
  ['k6', ['LA14734-0', 'LA14733-2', 'LA14732-4', 4, 3, 1], { k6: 14 }, '3 + 2 + 1 + 4 + 3 + 1'],
  ['k6', all(5, 4), { k6: null }, 'one missing'],
  ['k10', all(10, 'LA6297-1'), { k10: 10 }, 'minimum'],
  ['k10', all(10, 5), { k10: 50 }, 'maximum'],
  ['k10', [1, 2, 3, 4, 5, 'LA6154-4', 'LA14734-0', 'LA14733-2', 'LA14732-4', 'LA6297-1'], { k10: 30 }, '15 + 15'],
  ['pss-10', all(10, 0), { 'pss-10': 16 }, 'four items turned: 4 * 4'],
  ['pss-10', all(10, 4), { 'pss-10': 24 }, 'six at 4'],
  ['pss-10', [4, 4, 4, 0, 0, 4, 0, 0, 4, 4], { 'pss-10': 40 }, 'maximum'],
  ['pss-10', [1, 2, 3, 'LA14985-8', 3, 2, 1, 0, 'LA13866-1', 2], { 'pss-10': 19 }, '1+2+3+0+1+2+3+4+1+2'],
  ['dass-21', all(21, 3), { 'dass-21.depression': 42, 'dass-21.anxiety': 42, 'dass-21.stress': 42 }, 'maximum'],
  ['dass-21', all(21, 0), { 'dass-21.depression': 0, 'dass-21.anxiety': 0, 'dass-21.stress': 0 }, 'minimum'],
  ['dass-21', Array.from({ length: 21 }, (_, i) => ([3, 5, 10, 13, 16, 17, 21].includes(i + 1) ? 2 : [2, 4, 7, 9, 15, 19, 20].includes(i + 1) ? 1 : 0)), { 'dass-21.depression': 28, 'dass-21.anxiety': 14, 'dass-21.stress': 0 }, 'which item belongs where'],
  ['dass-21', Array.from({ length: 21 }, (_, i) => (i === 2 ? null : i === 4 ? 3 : 1)), { 'dass-21.depression': 2 * 8 * 7 / 6, 'dass-21.anxiety': 14, 'dass-21.stress': 14 }, 'one missing: 8 * 7 / 6, then doubled'],
  ['dass-21', Array.from({ length: 21 }, (_, i) => (i === 2 || i === 4 ? null : 1)), { 'dass-21.depression': null, 'dass-21.anxiety': 14, 'dass-21.stress': 14 }, 'two missing of one scale'],
  ['isi', all(7, 4), { isi: 28 }, 'maximum'],
  ['isi', [2, 2, 2, 2, 2, 2, 3], { isi: 15 }, 'at the cut-off'],
  ['isi', all(6, 2), { isi: null }, 'one missing'],
  ['swemwbs', all(7, 1), { swemwbs: 7 }, 'minimum'],
  ['swemwbs', all(7, 5), { swemwbs: 35 }, 'maximum'],
  ['swemwbs', [3, 3, 3, 3, 3, 3, 3], { swemwbs: 19.25 }, 'raw 21 by the table'],
  ['swemwbs', [4, 4, 4, 3, 3, 3, 3], { swemwbs: 21.54 }, 'raw 24'],
  ['swemwbs', all(6, 3), { swemwbs: null }, 'none may be missing'],
  ['ors', [9.1, 8.2, 7.3, 0.4], { ors: 25 }, 'decimals without the noise of fractions'],
  ['ors', all(4, 10), { ors: 40 }, 'maximum'],
  ['ors', [9.1, 8.2, 7.3], { ors: null }, 'one missing'],
  ['srs', [9, 9.5, 8.9, 8.6], { srs: 36 }, 'at the limit'],
  ['srs', all(4, 0), { srs: 0 }, 'minimum'],
  ['srs', all(4, 10), { srs: 40 }, 'maximum'],
  ['wai-sr', all(12, 5), { 'wai-sr': 60, 'wai-sr.goal': 5, 'wai-sr.task': 5, 'wai-sr.bond': 5 }, 'maximum'],
  ['wai-sr', [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2], { 'wai-sr': 33, 'wai-sr.goal': 9 / 4, 'wai-sr.task': 10 / 4, 'wai-sr.bond': 14 / 4 }, 'goal 4+1+3+1, task 1+2+5+2, bond 3+5+2+4'],
  ['wai-sr', all(11, 3), { 'wai-sr': null, 'wai-sr.goal': 3, 'wai-sr.task': null, 'wai-sr.bond': 3 }, 'item 12 missing'],
  ['oq-45', [64, 40, 14, 10], { 'oq-45': 64, 'oq-45.sd': 40, 'oq-45.ir': 14, 'oq-45.sr': 10 }, 'totals of the licensed system'],
  ['oq-45', [180], { 'oq-45': 180 }, 'total alone'],
  ['spin', [19], { spin: 19 }, 'total'],
  ['mi', [2.31], { mi: 2.31 }, 'a mean with two decimals'],
  ['gas', [0, 0, 0], { gas: 50 }, 'as expected'],
  ['gas', [1, -1, 2], { gas: 59.13 }, '50 + 20 / sqrt(0.7 * 3 + 0.3 * 9)'],
  ['gas', [1, 2, null, null, null, 3, 1], { gas: 64.56 }, 'weights 3 and 1: 50 + 50 / sqrt(0.7 * 10 + 0.3 * 16)'],
  ['goal-rating', [4, 7], { 'goal-rating': 5.5, 'goal-rating.goal-1': 4, 'goal-rating.goal-2': 7 }, 'mean of the goals that are rated'],
  ['goal-rating', [0, 0, 0], { 'goal-rating': 0, 'goal-rating.goal-1': 0, 'goal-rating.goal-2': 0, 'goal-rating.goal-3': 0 }, 'minimum'],
  ['goal-rating', [10, 10, 10], { 'goal-rating': 10, 'goal-rating.goal-1': 10, 'goal-rating.goal-2': 10, 'goal-rating.goal-3': 10 }, 'maximum'],
  ['bs-checkin', [7, 3, null], { 'bs-checkin.mood': 7, 'bs-checkin.stress': 3 }, 'what is passed over is no score'],
  ['bs-rating', [100, null, 0], { 'bs-rating.suds': 100, 'bs-rating.belief': 0 }, 'each by itself'],
  ['bs-weekly', [6, 8], { 'bs-weekly.motivation': 6, 'bs-weekly.self-efficacy': 8 }, 'two numbers of a week'],
  ['bs-work', [28, 0, 10, null, 0], { 'bs-work.days-off': 28, 'bs-work.days-limited': 0, 'bs-work.work-ability': 10, 'bs-work.morale': 0 }, 'days and ratings'],
  ['bs-alliance', all(6, 10), { 'bs-alliance': 60 }, 'maximum'],
  ['bs-alliance', [9, 9, 9, 9, 8], { 'bs-alliance': 52.8 }, '44 * 6 / 5'],
  ['bs-alliance', [9, 9, 9, 9], { 'bs-alliance': null }, 'two missing'],
  ['bs-homework-feedback', [4, 4, 0, 4, 4, 4, 4, 4, 3], { 'bs-homework-feedback': 32, 'bs-homework-feedback.amount': 4, 'bs-homework-feedback.quality': 4, 'bs-homework-feedback.difficulty': 3 }, 'obstacles run against the scale; how difficult it was is no part of it'],
  ['bs-homework-feedback', all(9, 2), { 'bs-homework-feedback': 16, 'bs-homework-feedback.amount': 2, 'bs-homework-feedback.quality': 2, 'bs-homework-feedback.difficulty': 2 }, 'middle'],
  ['bs-therapist-observation', [3, 4], { 'bs-therapist-observation.mood-seen': 3, 'bs-therapist-observation.engagement': 4 }, 'each by itself'],
  ['bs-experiment-outcome', [90, 80, 35, 6, 70, 40], { 'bs-experiment-outcome.belief': 40, 'bs-experiment-outcome.belief-change': -30, 'bs-experiment-outcome.overestimation': 10, 'bs-experiment-outcome.suds-change': -45, 'bs-experiment-outcome.coped': 6 }, 'differences: afterwards less before, expected less at the peak, afterwards less at the peak'],
  ['bs-experiment-outcome', [null, 80, null, null, null, 100], { 'bs-experiment-outcome.belief': 100 }, 'a difference needs both'],
];

t.test('worked examples: every instrument scores as by hand', async (t) => {
  for (const [id, given, expected, what] of vectors) {
    const found = scoresOf(answered(id, given));
    t.same(Object.keys(found).sort(), Object.keys(expected).sort(), `${id}: ${what}: which scores`);
    for (const [key, value] of Object.entries(expected)) {
      if (value === null) t.equal(found[key], null, `${key}: ${what}`);
      else t.ok(Math.abs((found[key] ?? NaN) - value) < 1e-9, `${key}: ${what}: ${found[key]}`);
    }
  }
  const seen = new Set(vectors.map(([id]) => id));
  const totalsOnly = ['ies-r', 'pdss-sr', 'oci', 'oci-r', 'hai', 'pswq'];
  t.same(definitions.map(({ id }) => id).filter((id) => !seen.has(id) && !totalsOnly.includes(id) && !id.endsWith('-therapist')), ['gad-7', 'phq-9'], 'none is left out; these two are in score.test.ts');
});

t.test('PSS-10 and CORE-10: weights of foreign codes are item scores, turned already; a code or number of ours is turned here', async (t) => {
  const foreign = (weight: number): object => ({ valueCoding: { system: 'http://example.org/answers', code: 'x', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: weight }] } });
  t.same(scoresOf(answered('pss-10', [0, 0, 0, foreign(4), foreign(4), 0, foreign(4), foreign(4), 0, 0])), { 'pss-10': 16 }, 'not turned a second time');
  const known = { valueCoding: { system: loinc, code: 'LA6270-8', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: 0 }] } };
  t.same(scoresOf(answered('pss-10', [0, 0, 0, known, 0, 0, 0, 0, 0, 0])), { 'pss-10': 16 }, 'a weight beside a code of ours is not looked at');
  t.match(answerIssues(answered('pss-10', [0, 0, 0, foreign(5)]), { registry }), [{ code: 'code-invalid' }], 'a weight that is no score of the item');
  t.match(answerIssues(answered('core-10', [foreign(1)]), { registry }), [{ code: 'code-invalid' }], 'an instrument that does not say what foreign weights are');
  t.match(answerIssues(answered('k6', [foreign(1)]), { registry }), [{ code: 'code-invalid' }], 'the list of the K6 has weights that run the other way');
  t.same(scoresOf(answered('phq-8', [foreign(3), ...all(7, 0)])), { 'phq-8': 3 });
  const own = { valueCoding: { system: 'http://example.org/answers', code: 'often' } };
  const form = { resourceType: 'Questionnaire', url: `${base}/Questionnaire/phq-8`, item: [{ linkId: '/44250-9', answerOption: [{ extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: 2 }], ...own }] }] } as Resource;
  t.same(scoresOf(answered('phq-8', [own, ...all(7, 0)]), registry, form), { 'phq-8': 2 }, 'the weight of the option in the form');
  t.match(answerIssues(answered('phq-8', [own, ...all(7, 0)]), { registry }), [{ code: 'code-invalid' }], 'without the form nothing is known of it');
});

t.test('K10 and K6: another coding of the numbers counts only where the form declares it', async (t) => {
  const declared = { questionnaire: `${base}/Questionnaire/k10-0-4` };
  t.same(scoresOf(answered('k10', all(10, 0), declared)), { k10: 10 });
  t.same(scoresOf(answered('k10', all(10, 4), declared)), { k10: 50 });
  t.match(answerIssues(answered('k10', all(10, 0)), { registry }), [{ code: 'code-invalid' }], '0 is no number of the K10 from 1 to 5');
  t.match(answerIssues(answered('k10', all(10, 5), declared), { registry })[0]?.text, /the number 4, 3, 2, 1, 0/);
  t.same(scoresOf(answered('k10', all(10, 'LA6154-4'), declared)), { k10: 50 }, 'codes are the same in both');
  t.same(scoresOf(answered('k6', all(6, 5), { questionnaire: `${base}/Questionnaire/k6-1-5` })), { k6: 24 });
});

t.test('AUDIT-C: the cut-off by sex, the more cautious one where it is not known; the note on limits', async (t) => {
  const scale = registry.scales.get('audit-c')!;
  t.same(['female', 'male', undefined, 'other'].map((sex) => scaleForSex(scale, sex).cutoff?.value), [3, 4, 3, 3]);
  t.equal(scaleForSex(registry.scales.get('phq-9')!, 'male'), registry.scales.get('phq-9')!);
  const cases = [
    ['male', /the cut-off for this sex, male: 4 or more \(.*does not reach that/, 'NEG', 4], ['female', /the cut-off for this sex, female: 3 or more \(.*It reaches that/, 'POS', 3],
    ['unknown', /the more cautious cut-off, .*: 3 or more/, 'POS', 3],
  ] as const;
  const [later, earlier] = [new World(), new World()];
  later.write(answered('audit-c', [3, 0, 0]));
  for (const [gender, note, code, limit] of cases) {
    const patient: Resource = { resourceType: 'Patient', id: 'p', gender };
    const world = new World();
    world.write(patient);
    world.write(answered('audit-c', [3, 0, 0]));
    const score = world.observation('score', 'r', 'audit-c')!;
    t.match(JSON.stringify(score['note']), note, gender);
    t.match(score, { interpretation: [{ coding: [{ code }] }], component: [{ code: { coding: [{ code: 'cut-off' }] }, valueInteger: limit }] });
    later.write(patient);
    t.strictSame(later.derivedState(), world.derivedState(), 'the same where the sex becomes known, or is corrected, after the answers');
  }
  t.equal(later.observation('score', 'r', 'audit-c')?.['status'], 'amended');
  earlier.write(answered('audit-c', [3, 0, 0]));
  earlier.write(phq9('q', '2024-05-02', totalling(9)));
  earlier.log.length = 0;
  earlier.write({ resourceType: 'Patient', id: 'p', gender: 'female', birthDate: '1990-01-01' });
  t.equal(earlier.log.length, 1, 'the words of one score');
  earlier.write({ resourceType: 'Patient', id: 'p', gender: 'female', birthDate: '1990-01-02' });
  t.equal(earlier.log.length, 1, 'what no rule looks at changes nothing');
  t.same(dataOf(answered('audit-c', [3, 0, 0]), 'audit-c')['remarks'], ['below-limits']);
  t.equal(dataOf(answered('audit-c', [3, 1, 0]), 'audit-c')['remarks'], undefined);
  t.equal(dataOf(answered('audit-c', [0, 0, 0]), 'audit-c')['remarks'], undefined, 'no points, nothing to say');
  const otherFirst: Resource = { resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01', questionnaire: 'http://example.org/q', item: ['68517-2', '68519-8', '68520-6'].map((code) => ({ linkId: `/${code}`, answer: [{ valueInteger: 1 }] })) };
  t.same(scoresOf(otherFirst), {}, '68517-2 is another question than the first of the AUDIT-C');
});

t.test('WSAS: what does not apply lowers the maximum, and only the comparison brings it to the whole scale', async (t) => {
  t.match(dataOf(answered('wsas', [notApplicable, 4, 5, 6, 7]), 'wsas'), { maxScore: 32, answered: 4, items: 4, prorated: false });
  const world = new World();
  world.write(answered('wsas', [notApplicable, 8, 8, 8, 8], { id: 'a', authored: '2024-01-01' }));
  world.write(answered('wsas', [4, 5, 6, 7, 8], { id: 'b', authored: '2024-02-01' }));
  t.match(world.observation('change-from-baseline', 'b', 'wsas'), { valueInteger: -10 }, '30 of 40 against 32 of 32, which is 40 of 40');
  t.match(JSON.stringify(world.observation('score', 'a', 'wsas')), /"valueInteger":32.*highest score is 32; beside other scores it counts as 40 of 40/);
  t.match(world.observation('score', 'a', 'wsas')!['component'], [{ code: { coding: [{ code: 'whole-scale' }], text: /: × 40 \/ 32, out of 0 to 40$/ }, valueInteger: 40 }], 'the factor and what follows from it, not in words only');
  t.same(validate(world.observation('score', 'a', 'wsas')!), []);
  t.equal(world.observation('score', 'b', 'wsas')!['component'], undefined);
});

t.test('scores for clinicians are labelled, and patterns and moments are not compared', async (t) => {
  const world = new World();
  for (const [id, authored] of [['a', '2024-01-01'], ['b', '2024-02-01']] as const) {
    world.write(answered('pcl-5', all(20, id === 'a' ? 4 : 1), { id, authored }));
    world.write(answered('bs-checkin', [id === 'a' ? 2 : 8], { id: `c${id}`, authored }));
  }
  t.match(world.observation('score', 'a', 'pcl-5.pattern')?.meta, { security: [{ code: 'R' }] });
  t.equal(world.observation('score', 'a', 'pcl-5')?.meta?.security, undefined);
  t.ok(world.observation('change-from-baseline', 'b', 'pcl-5'));
  for (const [id, key] of [['b', 'pcl-5.pattern'], ['cb', 'bs-checkin.mood']] as const) {
    t.ok(world.observation('score', id, key), key);
    t.equal(world.observation('change-from-baseline', id, key), undefined, key);
  }
  for (const resource of world.all('Observation')) t.same(validate(resource), [], String(resource.id));
});

/** Answers of an item: codes, and the numbers of a numeric one. */
const answerOf = (item: Item): fc.Arbitrary<object> => (item.numeric === undefined
  ? fc.constantFrom(...item.byCode.keys()).map((code) => ({ valueCoding: { system: item.answerSystem, code } }))
  : fc.integer({ min: 0, max: Math.round((item.numeric.max - item.numeric.min) / item.numeric.step) }).map((steps) => {
    const value = Math.round((item.numeric!.min + steps * item.numeric!.step) * 100) / 100;
    return Number.isInteger(item.numeric!.step) ? { valueInteger: value } : { valueDecimal: value };
  }));

/** Random responses: each item answered, or now and then left out. */
const responses = (instrument: Instrument, complete = false): fc.Arbitrary<object[]> =>
  fc.tuple(...[...instrument.items.values()].map((item) => (complete ? answerOf(item) : fc.option(answerOf(item), { freq: 12 }))
    .map((answer) => (answer === null ? [] : [{ linkId: item.linkId, answer: [answer] }])))).map((items) => items.flat());

const response = (instrument: Instrument, item: readonly object[]): Resource =>
  ({ resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01', questionnaire: instrument.canonical, item });

t.test('the order of the items does not matter, and every score lies within its range and one band', async (t) => {
  for (const instrument of registry.instruments) {
    fc.assert(fc.property(responses(instrument), fc.nat(), (items, turn) => {
      const at = turn % Math.max(1, items.length);
      const scores = scoresOf(response(instrument, items));
      const turned = scoresOf(response(instrument, [...items.slice(at), ...items.slice(0, at)].reverse()));
      if (JSON.stringify(scores) !== JSON.stringify(turned)) return false;
      return instrument.scales.every((scale) => {
        const value = scores[scale.key] ?? null;
        if (value === null) return true;
        const { min, max, bands } = scale.definition;
        return value >= min && value <= max && (bands === undefined || bands.list.filter((band) => band === bandOf(scale, value)).length === 1);
      });
    }), { numRuns: 15 });
  }
  t.pass('for random answers of all instruments');
});

/** The answers that score least or most on every scale. */
function extreme({ items }: Instrument, pick: (scores: readonly number[]) => number): object[] {
  return [...items.values()].map(({ linkId, numeric, reverse, byCode, answerSystem }) => {
    if (numeric !== undefined) {
      const value = (pick([numeric.min, numeric.max]) === numeric.min) === reverse ? numeric.max : numeric.min;
      return { linkId, answer: [{ valueDecimal: value }] };
    }
    const best = pick([...byCode.values()]);
    return { linkId, answer: [{ valueCoding: { system: answerSystem, code: [...byCode].find(([, score]) => score === best)![0] } }] };
  });
}

t.test('lowest and highest score are reached, and one point more on an item never lowers a sum', async (t) => {
  const sums = (scale: Scale): boolean => !['difference', 'goal-attainment'].includes(scale.definition.formula);
  for (const instrument of registry.instruments) {
    const [least, most] = [Math.min, Math.max].map((pick) => scoresOf(response(instrument, extreme(instrument, (scores) => pick(...scores)))));
    for (const scale of instrument.scales.filter(sums)) {
      t.equal(least![scale.key], scale.definition.min, `${scale.key}: lowest`);
      t.equal(most![scale.key], scale.definition.max, `${scale.key}: highest`);
    }
    const items = [...instrument.items.values()].filter(({ numeric }) => numeric === undefined);
    if (items.length === 0) continue;
    fc.assert(fc.property(responses(instrument, true), fc.nat(items.length - 1), (answers, at) => {
      const item = items[at]!;
      const codes = [...item.byCode].sort(([, a], [, b]) => a - b).map(([code]) => code);
      const given = answers.findIndex((each) => (each as { linkId: string }).linkId === item.linkId);
      const { code } = (answers[given] as { answer: [{ valueCoding: { code: string } }] }).answer[0].valueCoding;
      const higher = [...answers];
      higher[given] = { linkId: item.linkId, answer: [{ valueCoding: { system: item.answerSystem, code: codes[Math.min(codes.indexOf(code) + 1, codes.length - 1)] } }] };
      const [before, after] = [scoresOf(response(instrument, answers)), scoresOf(response(instrument, higher))];
      return instrument.scales.every(({ key }) => after[key]! >= before[key]!);
    }), { numRuns: 15 });
  }
});

/** What a renderer such as LHC-Forms computes for the totals of a form: variables first, then each calculatedExpression. */
async function rendered(form: Resource, given: Resource): Promise<Record<string, number | undefined>> {
  interface Expressed { readonly valueExpression: { readonly name?: string; readonly expression: string } }
  const variables: Record<string, unknown> = { questionnaire: form, resource: given };
  const evaluate = async (expression: string): Promise<unknown[]> => (await fhirpath.evaluate(given, expression, variables, r4)) as unknown[];
  for (const { valueExpression: { name, expression } } of (form['extension'] ?? []) as Expressed[]) variables[name!] = await evaluate(expression);
  const items = (form['item'] as { linkId: string; readOnly?: boolean; extension?: Expressed[] }[]).filter(({ readOnly }) => readOnly === true);
  const results: Record<string, number | undefined> = {};
  for (const { linkId, extension } of items) results[linkId] = (await evaluate(extension![0]!.valueExpression.expression))[0] as number | undefined;
  return results;
}

t.test('a renderer computes the same totals by the published expressions (fhirpath.js, as LHC-Forms evaluates them)', async (t) => {
  let compared = 0;
  for (const instrument of registry.instruments.filter(({ definition }) => definition.form === undefined)) {
    const form = questionnaire(instrument);
    const computed = instrument.scales.filter(({ definition: { formula, optional } }) => formula !== 'criteria' && optional !== true);
    const samples = fc.sample(responses(instrument), { numRuns: 8, seed: 7 });
    if (instrument.definition.id === 'audit') samples.push(...['never', 'below'].map((kind) => [0, ...(kind === 'never' ? [] : [0, 0])].map((value, i) => ({ linkId: [...instrument.items.keys()][i], answer: [{ valueCoding: { system: loinc, code: [...[...instrument.items.values()][i]!.byCode].find(([, score]) => score === value)![0] } }] })).concat(['/97739-7', '/97740-5'].map((linkId) => ({ linkId, answer: [{ valueCoding: { system: instrument.items.get(linkId)!.answerSystem, code: [...instrument.items.get(linkId)!.byCode.keys()][1]! } }] })))));
    const [whole] = fc.sample(responses(instrument, true), { numRuns: 1, seed: 7 });
    for (const { linkId } of [...instrument.items.values()].filter(({ notApplicable }) => notApplicable)) {
      samples.push(whole!.map((item) => ((item as { linkId: string }).linkId === linkId ? { linkId, answer: [{ valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-applicable' } }] } : item)));
    }
    for (const items of samples) {
      const given = response(instrument, items);
      const shown = await rendered(form, given);
      const scores = scoresOf(given);
      const values = Object.values(shown);
      t.equal(values.length, computed.length, instrument.definition.id);
      computed.forEach(({ key }, i) => {
        const [ours, theirs] = [scores[key] ?? null, values[i] ?? null];
        compared += 1;
        if (ours === null || theirs === null ? ours !== theirs : Math.abs(ours - theirs) > 1e-6) t.fail(`${key}: ${String(theirs)} shown, ${String(ours)} stored, for ${JSON.stringify(items)}`);
      });
    }
  }
  t.ok(compared > 300, `${compared} totals`);
});

t.test('a renderer asks what the rules of skipping leave, by expressions that any FHIRPath engine reads', async (t) => {
  const form = questionnaire(instrumentOf('audit')) as Resource & { item: { linkId: string; extension?: { url: string; valueExpression: { expression: string } }[] }[] };
  const conditions = form.item.flatMap(({ linkId, extension = [] }) => extension.filter(({ url }) => url.endsWith('enableWhenExpression')).map(({ valueExpression }): [string, string] => [linkId, valueExpression.expression]));
  const asked = (given: readonly Given[]): number[] => conditions.flatMap(([linkId, expression]) => {
    const resource = answered('audit', given);
    return (fhirpath.evaluate(resource, expression, { resource }, r4) as unknown[])[0] === false ? [] : [[...instrumentOf('audit').items.keys()].indexOf(linkId) + 1];
  });
  const [first, second] = [...instrumentOf('audit').items.values()].map(({ byCode }) => [...byCode.keys()]);
  t.same(asked([]), [2, 3, 4, 5, 6, 7, 8], 'nothing is known yet');
  t.same(asked([first![0]!]), [], 'never: only 9 and 10, which are always asked');
  t.same(asked([first![1]!, second![0]!, 'LA6270-8']), [2, 3], 'no days with many drinks');
  t.same(asked([first![1]!, second![1]!, 'LA6270-8']), [2, 3, 4, 5, 6, 7, 8]);
  t.notMatch(JSON.stringify(conditions), /weight|ordinal/, 'validators evaluate them too, and do not all know the functions of SDC');
});

t.test('what is published: licensed texts are placeholders, answers carry the score they give, and every form accepts its own answers', async (t) => {
  const forms = new Map(registry.instruments.map((instrument) => [instrument.definition.id, questionnaire(instrument) as Resource & { item: any[]; copyright: string }]));
  t.same([...forms].filter(([, { description }]) => /always sees the answer to question/.test(String(description))).map(([id, { description }]) => [id, /question [\d and]+/.exec(String(description))![0].trim()]), [['core-10', 'question 6'], ['phq-9', 'question 9']], 'what is seen in any case is said beforehand');
  for (const { definition: { id, licence, items } } of registry.instruments) {
    if (licence.shipItemText) continue;
    t.ok(items.every(({ text }) => text === undefined), `${id}: no text in the file`);
    t.match(forms.get(id)!.item[0].text, /^Item 1 of .* \(text supplied by your licence\)$/, id);
  }
  const weights = (item: any): number[] => item.answerOption.map((option: any) => option.extension.find(({ url }: { url: string }) => url.endsWith('itemWeight')).valueDecimal);
  t.same(weights(forms.get('core-10')!.item.find(({ linkId }) => linkId === 'core10-02')), [4, 3, 2, 1, 0], 'reversed: the weight is the score');
  t.same(forms.get('core-10')!.item.find(({ linkId }) => linkId === 'core10-02').answerOption.map((option: any) => option.extension[0].valueString), ['0', '1', '2', '3', '4'], 'and the number is the printed one');
  t.match(forms.get('core-10')!.copyright, /NoDerivatives/);
  t.match(forms.get('ors')!.item[0], { type: 'decimal', extension: [{}, { valueDecimal: 0 }, { valueDecimal: 10 }] });
  t.match(forms.get('wsas')!.item[0].answerOption.at(-1), { valueCoding: { code: 'not-applicable' } });
  for (const instrument of registry.instruments.filter(({ definition }) => definition.form === undefined)) {
    const [items] = fc.sample(responses(instrument, true), { numRuns: 1, seed: 1 });
    t.same(checkAgainstQuestionnaire(response(instrument, items!), forms.get(instrument.definition.id)!), [], instrument.definition.id);
  }
  const shipped = shippedResources(registry);
  const auditC = shipped.find(({ id }) => id === 'score-audit-c') as Resource & { qualifiedInterval: object[] };
  t.match(auditC, { resourceType: 'ObservationDefinition', code: { coding: [{ code: '75626-2' }, { code: 'audit-c' }] }, permittedDataType: ['integer'] });
  t.match(auditC.qualifiedInterval, [{ category: 'absolute', range: { low: { value: 0 }, high: { value: 12 } } }, { gender: 'female', range: { low: { value: 3 } } }, { gender: 'male', range: { low: { value: 4 } } }]);
  const own = shipped.filter(({ resourceType }) => resourceType === 'CodeSystem') as (Resource & { url: string; concept: { code: string }[] })[];
  for (const { definition: { items, unscored, answerLists } } of registry.instruments) {
    for (const { system, code } of [...items, ...unscored, ...answerLists.flatMap(({ options }) => options)]) {
      if (system !== undefined) t.ok(own.find(({ url }) => url === system)?.concept.some((concept) => concept.code === code), `${system}#${code} is defined`);
    }
  }
});

t.test('texts that a deployment has a licence for are published, in its languages', async (t) => {
  const pack = (language: string, more: object = {}): object => ({ instrument: 'who-5', version: '1.0.0', language, stem: `${language} stem`, items: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`who5-${n}`, `${language} ${n}`])), answers: { 'who-5-5': `${language} always` }, licence: { id: 'L-1', date: '2026-01-31' }, ...more });
  const form = (packs: object[]): any => questionnaire(instrumentRegistry(definitions, packs).instruments.find(({ definition }) => definition.id === 'who-5')!);
  const both = form([pack('de'), pack('fr')]);
  t.match(both, { language: 'de', copyright: /Item texts under licence L-1 of 2026-01-31/, item: [{ linkId: 'stem', text: 'de stem' }, { text: 'de 1', _text: { extension: [{ extension: [{ valueCode: 'fr' }, { valueString: 'fr 1' }] }] } }] });
  t.equal(both.item[1].answerOption.at(-1).valueCoding.display, 'de always');
  t.same(validate(both), []);
  for (const [more, wrong] of [[{ version: '2.0.0' }, /is for version 2\.0\.0, this is 1\.0\.0/], [{ instrument: 'xyz' }, /there is no instrument xyz/], [{ items: { 'who5-1': 'x' } }, /item who5-2 has no text/], [{ answers: { x: 'y' } }, /x is no answer/], [{ licence: { id: 'L' } }, /licence\.date/]] as const) {
    t.throws(() => form([pack('de', more)]), wrong);
  }
  t.throws(() => form([pack('de'), pack('de')]), /another one in de/);
});

t.test('lints find what does not fit together in a file', async (t) => {
  const source = (id: string): any => structuredClone(definitions.find((one) => one.id === id));
  const broken = (id: string, change: (definition: any) => void): (() => unknown) => () => {
    const definition = source(id);
    change(definition);
    return instrumentRegistry([definition]);
  };
  t.throws(broken('who-5', (one) => { one.scales[0].direction = 'higher-worse'; }), /cutoffs\[0\]\.op: <= does not fit higher-worse/);
  t.throws(broken('isi', (one) => { one.scales[0].bands.list = [['severe', 0, 14], ['mild', 15, 28]].map(([code, low, high]) => ({ ...one.scales[0].bands.list[0], code, low, high })); }), /mild above severe does not fit higher-worse/);
  t.throws(broken('swemwbs', (one) => { delete one.scales[0].table[20]; }), /no value for the raw sum 20/);
  t.throws(broken('swemwbs', (one) => { one.scales[0].table[20] = 40; }), /must rise at the raw sum 21/);
  t.throws(broken('swemwbs', (one) => { delete one.scales[0].tableSource; }), /tableSource/);
  t.throws(broken('k6', (one) => { delete one.answerLists[0].options[0].score; }), /every option of LL1257-6 needs a score/);
  t.throws(broken('audit', (one) => { one.skips[0].items.push('/1-8'); }), /skips: \/1-8 is no item/);
  t.throws(broken('ors', (one) => { one.items[0].answers = 'x'; }), /items\[0\]: must have either answers or numeric/);
  t.throws(broken('isi', (one) => { one.scales[0].cutoffs[0].value = 40; }), /40 is outside 0 to 28/);
  t.throws(broken('isi', (one) => { one.scales[0].minimalImportant[0].value = 0; }), /minimalImportant\[0\]\.value/);
  t.throws(broken('isi', (one) => { one.scales[0].cutoffs[0].source = ''; }), /cutoffs\[0\]\.source/);
  t.throws(broken('k6', (one) => { one.scales[0].cutoffs[0].value = 0; }), /cutoffs\[0\]\.value: >= 0 has every score on one side/);
  t.throws(broken('ors', (one) => { one.scales[0].cutoffs[0].value = 0; }), /cutoffs\[0\]\.value: < 0 has every score on one side/);
  t.throws(broken('k6', (one) => { delete one.scales[0].cutoffs[0].interprets; }), /none interprets a score/);
  t.throws(broken('pcl-5', (one) => { one.scales[0].cutoffs[0].interprets = 'screening'; }), /interpreted by one only/);
  t.throws(broken('audit-c', (one) => { one.scales[0].cutoffs[0].interprets = 'clinical-range'; }), /of the same kind/);
  t.throws(broken('gad-7', (one) => { one.scales[0].cutoffs[1].value = 8; }), /screen-10 \(>= 8\) divides a band; a band begins where/);
  t.throws(broken('who-5', (one) => { one.scales[0].cutoffs[0].value = 52; }), /screen-50 \(<= 52\) divides a band; a band ends where/);
  t.throws(broken('k6', (one) => { one.scales[0].cutoffs[0].interprets = 'severe'; }), /cutoffs\[0\]\.interprets/);
  t.throws(broken('who-5', (one) => { one.licence.shipItemText = true; }), /class C does not allow/);
  t.throws(broken('pcl-5', (one) => { one.scales[0].codes[0].code = '101698-8'; }), /101698-8 is not a LOINC code/);
  t.throws(broken('pcl-5', (one) => { one.scales.at(-1).max = 4; }), /criteria are met \(1\) or not \(0\)/);
  t.same(registry.warnings, [], 'no answer code has an unusual check digit');
});

t.test('an instrument that is part of a longer one is not guessed at from a few answers', async (t) => {
  const linked = (codes: readonly string[]): Resource => ({ resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01', questionnaire: 'http://example.org/q', item: codes.map((code) => ({ linkId: `/${code}`, answer: [{ valueInteger: 1 }] })) });
  const form = (codes: readonly string[]): Resource => ({ resourceType: 'Questionnaire', url: 'http://example.org/q', item: codes.map((code) => ({ linkId: `/${code}`, type: 'choice', code: [{ system: loinc, code }] })) });
  const two = ['44250-9', '44255-8'];
  t.same(scoresOf(linked(two)), {}, 'two answers of a PHQ-9, or a PHQ-2');
  t.same(scoresOf(linked(two), registry, form(two)), { 'phq-2': 2 }, 'the form asks no more than these two');
  t.same(scoresOf(linked(two), registry, form([...two, '44259-0'])), {}, 'the form asks more of the longer one');
  const local = { resourceType: 'QuestionnaireResponse', id: 'r', status: 'completed', authored: '2024-05-01', questionnaire: 'http://example.org/q', item: [{ linkId: 'mood', answer: [{ valueInteger: 3 }] }, { linkId: 'stress', answer: [{ valueInteger: 3 }] }, { linkId: 'energy', answer: [{ valueInteger: 3 }] }] } as Resource;
  t.same(scoresOf(local), {}, 'words that any form may use are no codes');
});

t.test('the tables of instruments in docs/clinical.md are current (else: npm run clinical)', async (t) => {
  const document = readFileSync(new URL('../../docs/clinical.md', import.meta.url), 'utf8');
  t.equal(document, withInstruments(document, registry));
  t.throws(() => withInstruments('# no marks', registry), /missing/);
});

t.test('what a client reads of a score judges nobody', async (t) => {
  for (const { key, definition: { bands, remarks } } of registry.scales.values()) {
    for (const { clientLabel, clinicianLabel } of bands?.list ?? []) {
      t.notMatch(clientLabel, judgingWords, key);
      t.notMatch(clinicianLabel, verdictWords, key);
    }
    for (const { text } of remarks ?? []) t.notMatch(text, judgingWords, key);
  }
});

t.test('instruments whose form is a file ask the same as the form: code, words and bounds', async (t) => {
  const own = registry.instruments.filter(({ definition }) => definition.form === 'shipped');
  t.ok(own.length > 2);
  for (const { definition: { id, items } } of own) {
    const form = JSON.parse(readFileSync(new URL(`../../schemas/questionnaires/${id}.json`, import.meta.url), 'utf8')) as { item: any[] };
    for (const { linkId, code, system, text, numeric } of items) {
      const found = form.item.find((item) => item.linkId === linkId);
      t.match(found, { code: [{ system, code }], text, type: 'integer' }, `${id} ${linkId}`);
      const bound = (name: string): number => found.extension.find(({ url }: { url: string }) => url.endsWith(name)).valueInteger;
      t.same([bound('minValue'), bound('maxValue')], [numeric?.min, numeric?.max], `${id} ${linkId}`);
    }
  }
});

t.test('a record is the same in whatever order responses and totals of other systems come, go and come again', async (t) => {
  const change = fc.record({ what: fc.constantFrom('response', 'total'), n: fc.nat(2), day: fc.integer({ min: 1, max: 3 }), value: fc.integer({ min: 0, max: 3 }), gone: fc.boolean() });
  const resourceOf = ({ what, n, day, value }: { what: string; n: number; day: number; value: number }): Resource => (what === 'response'
    ? answered('phq-8', all(8, value), { id: `${n}`, authored: `2024-01-0${day}` })
    : { resourceType: 'Observation', id: `${n}`, status: 'final', code: { coding: [{ system: `${base}/CodeSystem/instrument`, code: 'phq-8' }] }, effectiveDateTime: `2024-01-0${day}`, valueInteger: value, derivedFrom: [{ reference: `QuestionnaireResponse/${value}` }] });
  fc.assert(fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
    let record = patientRecord([]);
    const current = new Map<string, Resource>();
    for (const each of changes) {
      const resource = resourceOf(each);
      const key = `${resource.resourceType}/${resource.id}`;
      if (each.gone) current.delete(key);
      else current.set(key, resource);
      record = withSource(record, { type: resource.resourceType, id: resource.id! }, each.gone ? [] : recordEntries(resource, { registry }));
    }
    const whole = patientRecord([...current.values()].flatMap((resource) => recordEntries(resource, { registry })));
    const shown = ({ scores, duplicates = [] }: typeof record): string => JSON.stringify([[...scores], duplicates.map(({ id }) => id).sort()]);
    return shown(record) === shown(whole);
  }));
  t.pass('and the totals of responses that are scored here are set aside');
});
