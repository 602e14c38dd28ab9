import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { answerValueSets, systemsOf, weighedLists } from '../../src/outcomes/answer-weights.ts';
import { weightOf } from '../../src/fhir/item-weight.ts';
import { formAnswers, formTotal } from '../../src/outcomes/form-total.ts';
import { itemScores } from '../../src/outcomes/score.ts';
import { recognise } from '../../src/outcomes/recognise.ts';
import { phqItems, registry } from '../kit/record.ts';

const system = 'http://example.org/how-often';
const weighs = (name: string, value: object): object => ({ extension: [{ url: `http://hl7.org/fhir/StructureDefinition/${name}`, ...value }] });
const ordinal = (valueDecimal: number): object => weighs('ordinalValue', { valueDecimal });
const codeSystem: Resource = { resourceType: 'CodeSystem', id: 'cs', url: system, concept: [
  { code: 'never', ...ordinal(0) }, { code: 'some', property: [{ code: 'itemWeight', valueDecimal: 1 }], concept: [{ code: 'often', ...weighs('itemWeight', { valueInteger: 2 }) }] }, { code: 'unweighed' },
] };
const valueSet = (id: string, content: object): Resource => ({ resourceType: 'ValueSet', id, url: `http://example.org/ValueSet/${id}`, ...content });
const listed = (canonical: string, lists: readonly Resource[]): Record<string, number> => Object.fromEntries(weighedLists(lists)(canonical).map(({ coding: { code }, weight }) => [code, weight]));

t.test('the weights of a value set: its own, else those of its code system', async (t) => {
  const own = valueSet('own', { compose: { include: [{ system, concept: [{ code: 'never', ...ordinal(5) }, { code: 'often' }, { code: 'unknown' }] }] } });
  t.same(listed('#own', [own]), { never: 5 });
  t.same(listed('#own', [own, codeSystem]), { never: 5, often: 2 });
  t.same(listed('http://example.org/ValueSet/own|3', [own, codeSystem]), { never: 5, often: 2 }, 'by its canonical');
  t.same(listed('#whole', [valueSet('whole', { compose: { include: [{ system }], exclude: [{ system, concept: [{ code: 'some' }] }] } }), codeSystem]), { never: 0, often: 2 });
  t.same(listed('#expanded', [valueSet('expanded', { expansion: { contains: [{ abstract: true, contains: [{ system, code: 'never', ...ordinal(1) }] }, { system, code: 'some' }] }, compose: { include: [{ system }] } }), codeSystem]), { never: 1, some: 1 });
  for (const include of [{ system, filter: [{ property: 'concept', op: 'is-a', value: 'some' }] }, { valueSet: ['http://example.org/ValueSet/own'] }]) t.same(listed('#ruled', [valueSet('ruled', { compose: { include: [include] } }), codeSystem]), {}, 'what it holds by a rule');
  t.same(listed('#missing', [own]), {});
  t.same(systemsOf(valueSet('expanded', { expansion: { contains: [{ abstract: true, contains: [{ system, code: 'never' }] }, { system: 'urn:b', code: 'x' }, { system, code: 'some' }] }, compose: { include: [{ system: 'urn:c' }] } })), [system, 'urn:b'], 'the code systems of what it was expanded to');
  t.equal(weightOf(undefined, { extension: [{ url: 'urn:other' }] }), undefined);
});

const form = (question: object, more: object = {}): Resource => ({ resourceType: 'Questionnaire', url: 'http://example.org/form', status: 'active', ...more, item: ['a', 'b'].map((linkId) => ({ linkId, type: 'choice', required: true, ...question })) });
const answered = (...codings: readonly object[]): Resource => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'http://example.org/form', item: codings.map((valueCoding, i) => ({ linkId: ['a', 'b'][i], answer: [{ valueCoding }] })) });

t.test('a form whose options are in a value set is weighed by it', async (t) => {
  const contained = form({ answerValueSet: '#own' }, { contained: [valueSet('own', { compose: { include: [{ system, concept: [{ code: 'never' }, { code: 'some' }, { code: 'often' }] }] } }), codeSystem] });
  t.match(formTotal(answered({ system, code: 'some' }, { system, code: 'often' }), contained), { value: 3, answered: 2, items: 2, form: { min: 0, max: 4 } });
  t.same(formAnswers(answered({ system, code: 'some' }, { code: 'often' }), contained).map(({ weight }) => weight), [1, 2], 'a coding without its system is the only one with its code');
  t.equal(formTotal(answered({ system, code: 'some' }), contained)?.value, null, 'a required one is missing');
  t.equal(formTotal(answered({ system, code: 'some' }, { system: 'urn:other', code: 'often' }), contained)?.value, null, 'another system is another answer');
  t.equal(formTotal(answered({ system, code: 'some' }), form({ answerValueSet: 'http://example.org/ValueSet/own' })), undefined, 'a list that is not known');
  const twice = form({ answerOption: [{ valueCoding: { system, code: 'x' }, ...ordinal(1) }, { valueCoding: { system: 'urn:other', code: 'x' }, ...ordinal(2) }] });
  t.equal(formTotal(answered({ code: 'x' }, { code: 'x' }), twice)?.value, null, 'a code that several systems offer says nothing without its system');
  t.same([answerValueSets(contained), systemsOf(contained['contained'] instanceof Array ? contained['contained'][0] as Resource : contained)], [['#own'], [system]]);
});

t.test('contained forms without a canonical are of one series where they ask and weigh the same, whatever their id', async (t) => {
  const option = (code: string, weight: number): object => ({ valueCoding: { system, code }, ...ordinal(weight) });
  const own = (id: string, weight: number, title = 'Mood'): Resource => ({ ...form({ answerOption: [option('never', 0), option('often', weight)] }), id, url: undefined, title });
  const key = (contained: Resource): string | undefined => formTotal({ ...answered({ system, code: 'often' }, { system, code: 'never' }), questionnaire: `#${contained.id}` }, contained)?.key;
  t.match(key(own('form', 2)), /^#[0-9a-f-]{36}$/);
  t.equal(key(own('form', 2)), key(own('f1', 2)));
  t.not(key(own('form', 2)), key(own('form', 3)), 'other weights');
  t.not(key(own('form', 2)), key(own('form', 2, 'Sleep')), 'another form under the same id');
});

t.test('an option may be answered by its number, is chosen once, and a group that repeats asks again', async (t) => {
  const option = (code: string, weight: number): object => ({ valueCoding: { system, code }, ...ordinal(weight) });
  const questionnaire: Resource = { resourceType: 'Questionnaire', url: 'http://example.org/form', status: 'active', item: [
    { linkId: 'a', type: 'choice', answerOption: [option('never', 0), option('often', 2)] }, { linkId: 'b', type: 'choice', repeats: true, answerOption: [option('x', 1), option('y', 2.5)] },
    { linkId: 'g', type: 'group', repeats: true, item: [{ linkId: 'c', type: 'choice', answerOption: [option('no', 0), option('yes', 3)] }] },
    { linkId: 'd', type: 'choice', answerOption: [{ valueDate: '2024-01-01', ...ordinal(5) }, { valueDate: '2024-01-02', ...ordinal(7) }] }, { linkId: 'e', type: 'choice', answerOption: [{ valueInteger: 10, ...ordinal(1) }, { valueInteger: 20, ...ordinal(2) }] },
  ] };
  const total = (...item: readonly object[]): [number | null | undefined, number | undefined] => {
    const found = formTotal({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'http://example.org/form', item }, questionnaire);
    return [found?.value, found?.form.max];
  };
  const of = (linkId: string, ...answer: readonly object[]): object => ({ linkId, answer });
  t.same(total(of('a', { valueInteger: 2 })), [2, 2 + 3.5 + 3 + 7 + 2]);
  t.same(total(of('a', { valueDecimal: 2 })), [2, 17.5]);
  t.same(total(of('a', { valueInteger: 1 })), [null, 17.5], 'no option has that number');
  t.same(total(of('b', { valueCoding: { system, code: 'y' } }, { valueCoding: { system, code: 'x' } }, { valueCoding: { system, code: 'y' } })), [3.5, 17.5]);
  const group = (code: string): object => ({ linkId: 'g', item: [of('c', { valueCoding: { system, code } })] });
  t.same(total(group('yes'), group('yes'), group('no')), [6, 17.5 + 6], 'out of three times 3');
  t.same([total(of('d', { valueDate: '2024-01-01' }))[0], total(of('d', { valueDate: '2024-01-02' }))[0], total(of('d', { valueDate: '2024-01-03' }))[0]], [5, 7, null]);
  t.same([total(of('e', { valueInteger: 20 }))[0], total(of('e', { valueInteger: 2 }))[0]], [2, null], 'a number that is offered is the answer, not its weight');
});

t.test('what a form says by the code of an item holds, also where its linkId is the code of another question', async (t) => {
  const swapped = phqItems.toReversed();
  const questionnaire: Resource = { resourceType: 'Questionnaire', url: 'http://example.org/phq', status: 'active', item: phqItems.map((code, i) => ({ linkId: `/${swapped[i]}`, type: 'choice', code: [{ system: 'http://loinc.org', code }] })) };
  const response: Resource = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'http://example.org/phq', item: phqItems.map((_, i) => ({ linkId: `/${swapped[i]}`, answer: [{ valueInteger: i === 8 ? 3 : 0 }] })) };
  const [recognised] = recognise(response, registry, questionnaire);
  t.same(itemScores(recognised!).scores.get('/44260-8'), 3, 'the ninth question was answered, whatever it is called');
});

t.test('an instrument on a form of another publisher is scored by the weights of its value set, where they are item scores', async (t) => {
  const questionnaire: Resource = { resourceType: 'Questionnaire', url: 'http://example.org/phq', status: 'active', contained: [valueSet('own', { compose: { include: [{ system }] } }), codeSystem], item: phqItems.map((code) => ({ linkId: code, type: 'choice', code: [{ system: 'http://loinc.org', code }], answerValueSet: '#own' })) };
  const response: Resource = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'http://example.org/phq', item: phqItems.map((linkId) => ({ linkId, answer: [{ valueCoding: { system, code: 'often' } }] })) };
  const [recognised] = recognise(response, registry, questionnaire);
  t.same([...itemScores(recognised!).scores.values()], Array.from({ length: 9 }, () => 2));
});

t.test('a long list of answers is read once, however often its code system is named, and however many questions name it', async (t) => {
  let read = 0;
  const many = Array.from({ length: 150_000 }, (_, at) => ({ code: `c${at}`, property: [{ code: 'itemWeight', valueDecimal: at - 1000 }] }));
  const counted: Resource = { resourceType: 'CodeSystem', id: 'cs', url: system, get concept() { read += 1; return many; } };
  const list = valueSet('long', { compose: { include: many.slice(0, 300).map(({ code }) => ({ system, concept: [{ code }] })) } });
  t.equal(weighedLists([list, counted])('#long').length, 300);
  t.equal(weighedLists([valueSet('long', { expansion: { contains: many.slice(0, 300).map(({ code }) => ({ system, code })) } }), counted])('#long').length, 300);
  t.equal(read, 1, 'once, whichever list names it');
  const whole = form({ answerValueSet: '#whole' }, { contained: [valueSet('whole', { compose: { include: [{ system }] } }), counted] });
  t.match(formTotal(answered({ system, code: 'c1007' }, { system, code: 'c0' }), whole), { value: -993, answered: 2, form: { min: -2000, max: 2 * 148_999 } });
  t.equal(read, 1, 'nor again for another form that shares it');
  const [one, other] = [weighedLists([list, counted])('#long'), weighedLists([list, counted])('#long')];
  t.equal(one, other, 'forms that share a list have one copy of what it weighs');
  t.not(weighedLists([list, { ...counted, concept: many.slice(0, 3) }])('#long'), one, 'with other weights it is another');
});
