import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { recordEntries } from '../../src/outcomes/project.ts';
import { recognise } from '../../src/outcomes/recognise.ts';
import { instrumentRegistry } from '../../src/outcomes/registry.ts';
import { answerIssues, bandOf, itemScores, total } from '../../src/outcomes/score.ts';
import { readInstruments } from '../../src/instruments.ts';
import { isLoincAnswerCode, isLoincCode } from '../../src/outcomes/loinc.ts';
import { questionnaire, shippedResources } from '../../src/outcomes/questionnaires.ts';
import { base, gad7, gadItems, phq9, phqItems, registry, totalling } from '../kit/record.ts';

const usCore = JSON.parse(readFileSync(new URL('../data/us-core/QuestionnaireResponse-phq-9-example.json', import.meta.url), 'utf8')) as Resource;
const phqScale = registry.scales.get('phq-9')!;
const gadScale = registry.scales.get('gad-7')!;

/** The value and data of the first score entry. */
function projected(response: Resource, form?: Resource): { key: string; value: unknown; data: Record<string, unknown> } | undefined {
  const [entry] = recordEntries(response, { registry, questionnaire: form });
  return entry && { key: entry.key, value: entry.value, data: JSON.parse(entry.data) as Record<string, unknown> };
}
const withAnswer = (response: Resource, index: number, answer: object[]): Resource => {
  const item = [...response.item as object[]];
  item[index] = { ...item[index], answer };
  return { ...response, item };
};

t.test('the US Core PHQ-9 example totals 12, its own total item and difficulty item left aside', async (t) => {
  t.match(projected(usCore), { key: 'phq-9', value: 12, data: { answered: 9, items: 9, prorated: false, safety: { '/44260-8': 0 } } });
  const unknownForm = { ...usCore, questionnaire: 'http://example.org/Questionnaire/other' };
  t.equal(projected(unknownForm)?.value, 12, 'by the LOINC codes in its linkIds alone');
  const wrongTotal = { ...usCore, item: (usCore.item as { linkId: string }[]).map((item) => (item.linkId === '/44261-6' ? { ...item, answer: [{ valueDecimal: 27 }] } : item)) };
  t.equal(projected(wrongTotal)?.value, 12, 'a total that the form sends is never trusted');
});

t.test('a response is recognised by canonical, by the codes of its Questionnaire or by LOINC linkIds, never by position', async (t) => {
  t.equal(projected(phq9('a', '2024-01-01', totalling(7), { questionnaire: `${base}/Questionnaire/phq-9|1.0.0` }))?.value, 7, 'with version');
  const nested = { ...phq9('a', '2024-01-01', []), questionnaire: 'http://example.org/q', item: [{ linkId: '/44249-1', item: phqItems.map((code) => ({ linkId: `/44249-1/${code}`, answer: [{ valueInteger: 1 }] })) }] };
  t.equal(projected(nested)?.value, 9, 'nested under the panel');
  const form: Resource = { resourceType: 'Questionnaire', url: 'http://example.org/q', item: gadItems.map((code, i) => ({ linkId: `q${i}`, type: 'choice', code: [{ code }] })) };
  const local = { ...gad7('a', '2024-01-01', []), questionnaire: 'http://example.org/q', item: gadItems.map((_, i) => ({ linkId: `q${i}`, answer: [{ valueCoding: { code: 'LA6570-1' } }] })).reverse() };
  t.match(projected(local, form), { key: 'gad-7', value: 14 }, 'coded form with own linkIds, answers without system, items in another order');
  t.equal(projected(local), undefined, 'the same response without its form is not guessed at');
});

t.test('a LOINC code that stands whole in a linkId, a definition or another name of its system says what was asked', async (t) => {
  const safety = (item: object, form?: Resource): unknown => {
    const response = { ...phq9('a', '2024-01-01', []), questionnaire: 'http://example.org/q', item: [{ linkId: 'first', answer: [{ valueInteger: 3 }] }, item].flat() };
    const [only, ...others] = recordEntries(response, { registry, ...(form === undefined ? {} : { questionnaire: form }) });
    t.same(others, []);
    return only === undefined ? undefined : (JSON.parse(only.data) as { safety?: Record<string, unknown> }).safety?.['/44260-8'];
  };
  const answer = [{ valueCoding: { system: 'http://loinc.org', code: 'LA6570-1' } }];
  for (const linkId of ['LOINC:44260-8', 'http://loinc.org/44260-8', 'http://loinc.org|44260-8', 'PHQ9_44260-8', 'PHQ-9-44260-8', '44260-8-1', '/44260-8/1', '44260-8_item9', '/44249-1/44260-8', '/44249-1/44260-8/0', '44250-9.44260-8', '[44260-8]']) {
    t.equal(safety({ linkId, answer }), 2, linkId);
  }
  for (const linkId of ['144260-8', '44260-81', '44260-8a', 'a44260-8', '2a44260-8874-4248', '44260', '44260-9', '44260-8.44250-9', 'http://loinc.org/44261-6', 'LA44260-8']) {
    t.equal(safety({ linkId, answer }), undefined, linkId);
  }
  t.equal(safety({ linkId: 'q9', definition: 'http://loinc.org/44260-8', answer }), 2, 'a definition in the response');
  t.equal(safety({ linkId: 'q9', definition: 'http://example.org/44260-8', answer }), undefined, 'the definition of somebody else');
  t.equal(safety({ linkId: '44260-8', definition: 'http://loinc.org/44250-9', answer }), undefined, 'what an item is defined as comes before its name');
  const form = (item: object): Resource => ({ resourceType: 'Questionnaire', url: 'http://example.org/q', item: [{ linkId: 'q9', type: 'choice', ...item }] });
  for (const system of ['http://loinc.org', 'https://loinc.org', 'http://loinc.org/', 'urn:oid:2.16.840.1.113883.6.1', 'LOINC']) {
    t.equal(safety({ linkId: 'q9', answer }, form({ code: [{ system: 'http://example.org/items', code: '9' }, { system, code: '44260-8' }] })), 2, system);
  }
  t.equal(safety({ linkId: 'q9', answer }, form({ definition: 'https://loinc.org/44260-8' })), 2, 'a definition in the form');
  t.equal(safety({ linkId: 'q9', answer }, form({ code: [{ system: 'http://snomed.info/sct', code: '44260-8' }] })), undefined, 'a code of another system');
  t.equal(safety({ linkId: 'LOINC:44260-8', answer }, { ...form({}), item: [{ linkId: 'LOINC:44260-8', type: 'choice', code: [{ system: 'http://loinc.org', code: '44250-9' }] }] }), undefined, 'the code of the form wins over the name');
});

t.test('notes and subquestions whose linkId has the code of an item do not answer it twice', async (t) => {
  const full = (names: (code: string) => string, more: readonly object[] = []): Resource => ({ ...phq9('a', '2024-01-01', []), questionnaire: 'http://example.org/q', item: [...phqItems.map((code) => ({ linkId: names(code), answer: [{ valueInteger: 1 }] })), ...more] });
  const note = (linkId: string): object => ({ linkId, answer: [{ valueString: 'Only at night.' }] });
  for (const [response, why] of [
    [full((code) => `LOINC:${code}`), 'LOINC:'],
    [full((code) => `PHQ9_${code}_1`), 'codes in the middle'],
    [full((code) => `/${code}`, [note('/44260-8/comment'), note('44260-8-note'), { linkId: 'again-44260-8', answer: [{ valueInteger: 3 }] }]), 'beside clear names'],
    [full((code) => `PHQ9_${code}`, [note('PHQ9_44260-8_comment'), { linkId: '44260-8-how-often', answer: [{ valueInteger: 7 }] }]), 'beside names that end in the code'],
  ] as const) {
    t.same(answerIssues(response, { registry }), [], why);
    t.match(projected(response), { key: 'phq-9', value: 9 }, why);
  }
  const open = full((code) => `PHQ9_${code}`, [note('PHQ9_44260-8_comment')]);
  open.item = (open.item as { linkId: string }[]).filter(({ linkId }) => linkId !== 'PHQ9_44260-8');
  t.same(answerIssues(open, { registry }), [], 'words are no answer to the question that was left open');
  t.equal(projected(open), undefined);
});

t.test('a panel that is partial is not recognised; several on one form are', async (t) => {
  const foreign = { questionnaire: 'http://example.org/q' };
  t.equal(projected(gad7('a', '2024-01-01', [1, 1, 1], foreign)), undefined);
  const both = { ...phq9('a', '2024-01-01', totalling(3), foreign), item: [...phq9('x', '', totalling(3)).item as object[], ...gad7('y', '', [1, 1, 1, 1, 1, 1, 1]).item as object[]] };
  t.same(recordEntries(both, { registry }).map(({ key, value }) => [key, value]), [['gad-7', 7], ['phq-9', 3]], 'two panels on one form are two scores');
  const gate = { ...phq9('a', '2024-01-01', [], foreign), item: [...gad7('y', '', [1, 1, 1, 1, 1, 1, 1]).item as object[], { linkId: '/44260-8', answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA6570-1' } }] }] };
  t.match(recordEntries(gate, { registry }).map(({ key, value, data }) => ({ key, value, ...JSON.parse(data) as object })), [{ key: 'gad-7', value: 7, panel: true }, { key: 'phq-9', value: null, panel: false, safety: { '/44260-8': 2 } }], 'a safety item is read beside a panel that it does not belong to');
});

t.test('the total of an instrument beside most of its items names it, also where items are open or others are longer', async (t) => {
  const foreign = { questionnaire: 'http://example.org/q' };
  const sum = (code: string): object => ({ linkId: `/${code}`, answer: [{ valueDecimal: 99 }] });
  const scores = (item: readonly object[]): (readonly [string, unknown])[] => recordEntries({ ...phq9('a', '2024-01-01', [], foreign), item }, { registry })
    .filter(({ data }) => (JSON.parse(data) as { panel: boolean }).panel).map(({ key, value }) => [key, value] as const);
  const phq = (given: readonly (number | null)[]): object[] => phq9('x', '', given).item as object[];
  t.same(scores([...phq([1, 1, 1, 1, 1, 1, 1, 1, null]), sum('44261-6')]), [['phq-9', 9]], 'one is open, and the mean stands for it; the total that was sent is not looked at');
  t.same(scores([...phq([1, 1, 1, 1, 1]), sum('44261-6')]), [['phq-9', null]], 'four are open');
  t.same(scores([...phq([1, 1, 1, 1, 1, 1, 1, 1, null])]), [], 'without it nothing says that it is a PHQ-9');
  t.same(scores([...phq([null, null, null, null, null, null, null, null, 1]), sum('44261-6')]), [], 'a total and an item are no PHQ-9');
  t.same(scores([...phq([1, 2]), sum('55758-7')]), [['phq-2', 3]], 'two answers and the total of the PHQ-2');
  const drinks = ['68518-0', '68519-8', '68520-6'].map((code, i) => ({ linkId: code, answer: [{ valueCoding: { system: 'http://loinc.org', code: ['LA18926-8', 'LA15694-5', 'LA6270-8'][i] } }] }));
  t.same(scores([...drinks, { linkId: '75626-2', answer: [{ valueInteger: 1 }] }]), [['audit-c', 1]], 'the AUDIT-C and not the beginning of an AUDIT');
  t.same(scores(drinks), []);
  const never = { linkId: '/68518-0', answer: [{ valueCoding: { system: 'http://loinc.org', code: 'LA6270-8' } }] };
  t.same(scores([never, sum('75626-2')]), [['audit-c', 0]], 'the others are not asked then');
});

t.test('an older LHC-Forms export of GAD-7 scores "More days than not" as 2, and only on the item that offers it', async (t) => {
  const answers = gadItems.map((code) => ({ linkId: `/${code}`, answer: [{ valueCoding: { code: code === '68509-9' ? 'LA18938-3' : 'LA6568-5', system: 'http://loinc.org' } }] }));
  const response = { ...gad7('a', '2024-01-01', []), questionnaire: 'http://example.org/gad', item: answers };
  t.match(projected(response), { key: 'gad-7', value: 2 });
  t.same(answerIssues(response, { registry }), []);
  const elsewhere = withAnswer(response, 0, [{ valueCoding: { code: 'LA18938-3', system: 'http://loinc.org' } }]);
  t.match(answerIssues(elsewhere, { registry }), [{ code: 'code-invalid', expression: 'QuestionnaireResponse.item[0].answer[0].value' }]);
});

t.test('an answer outside the option set is an issue that names the element, never a 0', async (t) => {
  const response = phq9('a', '2024-01-01', totalling(5));
  for (const [answer, what] of [
    [{ valueCoding: { system: 'http://loinc.org', code: 'LA9999-9' } }, 'unknown code'],
    [{ valueCoding: { system: 'http://snomed.info/sct', code: 'LA6568-5' } }, 'known code of another system'],
    [{ valueInteger: 4 }, 'number above the scale'],
    [{ valueDecimal: 1.5 }, 'number between options'],
    [{ valueString: '2' }, 'text'],
    [{ valueBoolean: true }, 'boolean'],
  ] as const) {
    const wrong = withAnswer(response, 3, [answer]);
    t.match(answerIssues(wrong, { registry }), [{ severity: 'error', code: 'code-invalid', expression: 'QuestionnaireResponse.item[3].answer[0].value' }], what);
    t.notMatch(JSON.stringify(answerIssues(wrong, { registry })), /9999|1\.5/, 'the issue does not repeat the answer');
  }
  t.same(answerIssues({ ...withAnswer(response, 3, [{ valueInteger: 4 }]), status: 'entered-in-error' }, { registry }), [], 'a wrong response can be withdrawn');
});

t.test('numbers are accepted like codes; an ordinalValue in the response does not count', async (t) => {
  const numbers = { ...phq9('a', '2024-01-01', []), item: phqItems.map((code, i) => ({ linkId: `/${code}`, answer: [i % 2 === 0 ? { valueInteger: 2 } : { valueDecimal: 1 }] })) };
  t.equal(projected(numbers)?.value, 14);
  const ordinal = withAnswer(phq9('a', '2024-01-01', totalling(0)), 0, [{ valueCoding: { system: 'http://loinc.org', code: 'LA6569-3', extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: 3 }] } }]);
  t.equal(projected(ordinal)?.value, 1);
});

t.test('an item answered twice is refused', async (t) => {
  const response = phq9('a', '2024-01-01', totalling(5));
  const twice = { ...response, item: [...response.item as object[], (response.item as object[])[2]] };
  t.match(answerIssues(twice, { registry }), [{ code: 'structure', expression: 'QuestionnaireResponse.item[9]' }]);
  const two = withAnswer(response, 1, [{ valueInteger: 1 }, { valueInteger: 2 }]);
  t.match(answerIssues(two, { registry }), [{ code: 'structure', expression: 'QuestionnaireResponse.item[1].answer' }]);
  const declined = withAnswer(response, 1, [{ extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'asked-declined' }] }]);
  t.same(answerIssues(declined, { registry }), [], 'declined is not wrong');
  t.match(projected(declined), { data: { answered: 8, prorated: true } });
});

t.test('missing items: PHQ-9 allows two and GAD-7 one, rounded half up; more give no total', async (t) => {
  t.match(projected(phq9('a', '2024-01-01', [2, 2, 2, 2, 2, 1, 1, null, 0])), { value: 14, data: { prorated: true, answered: 8 } }, '12 * 9 / 8 = 13.5');
  t.match(projected(phq9('a', '2024-01-01', [3, 2, 2, 2, 2, 2, 0, null, null])), { value: 17, data: { prorated: true, answered: 7, safety: { '/44260-8': null } } }, '13 * 9 / 7 = 16.7; item 9 is not imputed');
  t.match(projected(phq9('a', '2024-01-01', [3, 3, 3, 3, 3, 3])), { value: null, data: { prorated: false, answered: 6 } });
  t.match(projected(gad7('a', '2024-01-01', [1, 1, 1, 1, 1, 1])), { value: 7, data: { prorated: true } });
  t.match(projected(gad7('a', '2024-01-01', [1, 1, 1, 1, 1])), { value: null });
});

t.test('a response in progress has no total; a stopped one has it where the missing rule allows', async (t) => {
  t.match(projected(phq9('a', '2024-01-01', totalling(9, 2), { status: 'in-progress' })), { value: null, data: { safety: { '/44260-8': 2 } } });
  t.equal(projected(phq9('a', '2024-01-01', [1, 1, 1, 1, 1, 1, 1], { status: 'stopped' }))?.value, 9);
  t.equal(projected(phq9('a', '2024-01-01', [1, 1, 1], { status: 'stopped' }))?.value, null);
  t.equal(projected(phq9('a', '2024-01-01', totalling(9), { status: 'entered-in-error' })), undefined);
});

t.test('bands are half-open: 19.5 belongs to 15-19', async (t) => {
  t.same([0, 4, 4.9, 5, 9, 10, 14, 15, 19, 19.5, 20, 27].map((value) => bandOf(phqScale, value)?.code),
    ['minimal', 'minimal', 'minimal', 'mild', 'mild', 'moderate', 'moderate', 'moderately-severe', 'moderately-severe', 'moderately-severe', 'severe', 'severe']);
  t.same([4, 5, 9, 10, 14, 15, 21].map((value) => bandOf(gadScale, value)?.code), ['minimal', 'mild', 'mild', 'moderate', 'moderate', 'severe', 'severe']);
});

t.test('formulas that later instruments use: mean, factor, table, subscales, reversed items', async (t) => {
  const source = readInstruments(new URL('../../schemas/instruments', import.meta.url)).find((one) => (one as { id: string }).id === 'gad-7') as { scales: object[]; items: { linkId: string }[] };
  const [scale] = source.scales as [Record<string, unknown>];
  const bare = { ...scale, bands: undefined, codes: [], cutoffs: [], reliableChange: [] };
  const items = source.items.map((item, i) => (i === 0 ? { ...item, reverse: true } : item));
  const table = Object.fromEntries(Array.from({ length: 22 }, (_, raw) => [raw, raw + 0.5]));
  const made = instrumentRegistry([{ ...source, items, scales: [
    { ...bare, id: 'mean', formula: 'mean', min: 0, max: 3 },
    { ...bare, id: 'percent', factor: 4, max: 84 },
    { ...bare, id: 'metric', formula: 'table', table, tableSource: { source: 'x', verification: 'service' }, min: 0.5, max: 21.5 },
    { ...bare, id: 'pair', items: ['/69725-0', '/68509-9'], max: 6 },
  ] }]);
  const recognised = recognise(gad7('a', '2024-01-01', [0, 1, 1, 1, 1, 1, 1]), made)[0]!;
  const { scores } = itemScores(recognised);
  t.same([...made.scales.values()].map((one) => [one.key, total(one, scores).value]),
    [['gad-7.mean', 9 / 7], ['gad-7.percent', 36], ['gad-7.metric', 9.5], ['gad-7.pair', 4]], 'item 1 reversed: 0 counts 3');
});

t.test('the registry names the instrument and the field that is wrong', async (t) => {
  const phq = readInstruments(new URL('../../schemas/instruments', import.meta.url)).find((one) => (one as { id: string }).id === 'phq-9') as { items: object[]; licence: object; scales: { bands: { list: object[] } }[]; safety: object[] };
  const [scale] = phq.scales as [(typeof phq.scales)[number]];
  const broken = (change: object): (() => unknown) => () => instrumentRegistry([{ ...phq, ...change }]);
  t.throws(broken({ items: phq.items.map((item, i) => (i === 2 ? { ...item, code: '44259-1' } : item)) }), /Instrument phq-9: items\[2\].code: 44259-1 is not a LOINC code/);
  t.throws(broken({ scales: [{ ...scale, max: 28 }] }), /scales\[0\].*27/);
  t.throws(broken({ scales: [{ ...scale, bands: { ...scale.bands, list: scale.bands.list.slice(1) } }] }), /scales\[0\]\.bands: must cover 0 to 27/);
  t.throws(broken({ scales: [{ ...scale, bands: { ...scale.bands, list: scale.bands.list.filter((_, i) => i !== 2) } }] }), /leaves a gap after 9/);
  t.throws(broken({ safety: [{ ...phq.safety[0], linkId: '/1-8' }] }), /safety\[0\]\.linkId/);
  t.throws(broken({ licence: { ...phq.licence, class: 'D' } }), /licence\.shipItemText/);
  t.throws(broken({ version: 'one' }), /Instrument phq-9: version/);
  t.throws(broken({ answerLists: [] }), /items\[0\]\.answers: there is no answer list/);
  t.throws(() => instrumentRegistry([phq, phq]), /already used/);
  t.throws(() => instrumentRegistry([null]), /Instrument without id/);
});

t.test('check digits of LOINC find invented codes', async (t) => {
  for (const code of ['44249-1', '44261-6', '69737-5', '70274-6', '101698-9']) t.ok(isLoincCode(code), code);
  for (const code of ['89794-0', '97546-9', '89213-1', '44249', 'LA6568-5']) t.notOk(isLoincCode(code), code);
  for (const code of ['LA6568-5', 'LA18938-3', 'LA32-8']) t.ok(isLoincAnswerCode(code), code);
  t.notOk(isLoincAnswerCode('LA6568-4'));
});

t.test('the published Questionnaire interoperates: LOINC linkIds, weights, notice, and its own responses are scored', async (t) => {
  const form = questionnaire(phqScale.instrument) as Resource & { item: { linkId: string; type: string; answerOption?: { valueCoding: object }[] }[] };
  t.match(form, { id: 'phq-9', url: `${base}/Questionnaire/phq-9`, experimental: false, copyright: /Pfizer.*LOINC/, code: [{ code: '44249-1' }] });
  t.same(form.item.filter(({ type }) => type === 'choice').map(({ linkId }) => linkId), [...phqItems.map((code) => `/${code}`), '/69722-7']);
  const most = { ...phq9('a', '2024-01-01', []), item: form.item.filter(({ type }) => type === 'choice').map(({ linkId, answerOption }) => ({ linkId, answer: [answerOption!.at(-1)] })) };
  t.equal(projected(most, form)?.value, 27);
  const shipped = shippedResources(registry);
  t.equal(new Set(shipped.map(({ resourceType, id }) => `${resourceType}/${id}`)).size, shipped.length, 'ids are unique by type');
  t.ok(shipped.every(({ resourceType, url }) => resourceType === 'ObservationDefinition' || String(url).startsWith(base)));
  const withoutText = questionnaire({ ...phqScale.instrument, definition: { ...phqScale.instrument.definition, licence: { ...phqScale.instrument.definition.licence, shipItemText: false } } });
  t.notMatch(JSON.stringify(withoutText), /interest|pleasure/, 'item text is shipped only where the licence allows');
});
