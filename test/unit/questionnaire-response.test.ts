import { readFileSync } from 'node:fs';
import t from 'tap';
import { validate } from '../../src/fhir/validate.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { checkAgainstQuestionnaire } from '../../src/resources/questionnaire-response.ts';

const read = (name: string): Resource => JSON.parse(readFileSync(new URL(`../data/${name}.json`, import.meta.url), 'utf8')) as Resource;
const asked = (...item: object[]): Resource => ({ resourceType: 'Questionnaire', status: 'active', item });
const answered = (...item: object[]): Resource => ({ resourceType: 'QuestionnaireResponse', status: 'completed', item });
const one = (...answer: object[]): Resource => answered({ linkId: '1', answer });

/** Severity is shown for warnings only. */
function found(response: Resource, questionnaire: Resource): string[] {
  const invalid = [...validate(response), ...validate(questionnaire)];
  if (invalid.length > 0) throw new Error(`the case itself is wrong: ${JSON.stringify(invalid)}`);
  return checkAgainstQuestionnaire(response, questionnaire).map(({ severity, code, expression }) => `${severity === 'error' ? '' : `${severity} `}${code} ${expression}`);
}

const at = 'QuestionnaireResponse.item[0].answer[0].value';
const coding = (code: string, system = 'http://example.org/s'): object => ({ system, code });
const weighted = (code: string, weight: number): object => ({ valueCoding: coding(code), extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/ordinalValue', valueDecimal: weight }] });

t.test('PHQ-9, AUDIT-C and the coma scale as HL7 publishes them fit their questionnaires', async (t) => {
  for (const name of ['phq-9-example', 'AUDIT-C']) t.same(found(read(`us-core/QuestionnaireResponse-${name}`), read(`us-core/Questionnaire-${name}`)), [], name);
  t.same(found(read('r4/QuestionnaireResponse-gcs'), read('r4/Questionnaire-gcs')), [], 'gcs');
});

t.test('items must be known, in their places and there once', async (t) => {
  const questionnaire = asked({ linkId: 'g', type: 'group', item: [{ linkId: '1', type: 'string' }, { linkId: '2', type: 'string' }] }, { linkId: '3', type: 'string', item: [{ linkId: '4', type: 'string' }] });
  const given = (linkId: string, rest: object = {}): object => ({ linkId, answer: [{ valueString: 'x', ...rest }] });
  t.same(found(answered({ linkId: 'g', item: [given('1'), given('2')] }, given('3', { item: [given('4')] })), questionnaire), []);
  t.same(found(answered({ linkId: 'g', item: [given('2'), given('1')] }), questionnaire), ['warning structure QuestionnaireResponse.item[0].item[1]'], 'another order is a warning only');
  t.same(found(answered(given('x')), questionnaire), ['value QuestionnaireResponse.item[0].linkId']);
  t.same(found(answered(given('constructor')), questionnaire), ['value QuestionnaireResponse.item[0].linkId']);
  t.same(found(answered(given('1')), questionnaire), ['value QuestionnaireResponse.item[0].linkId'], 'outside its group');
  t.match(checkAgainstQuestionnaire(answered(given('1')), questionnaire)[0]?.text, /belongs elsewhere/);
  t.same(found(answered({ linkId: 'g', item: [given('1'), given('1')] }), questionnaire), ['structure QuestionnaireResponse.item[0].item[1]'], 'a question twice');
  t.same(found(answered({ linkId: 'g', item: [given('1')] }, { linkId: 'g', item: [given('2')] }), questionnaire), ['structure QuestionnaireResponse.item[1]'], 'a group twice');
  t.same(found(answered({ linkId: 'g', item: [given('1')] }, { linkId: 'g', item: [given('1')] }), asked({ linkId: 'g', type: 'group', repeats: true, item: [{ linkId: '1', type: 'string' }] })), [], 'a group that repeats');
  t.same(found(answered({ linkId: 'g', answer: [{ valueString: 'x' }] }), questionnaire), ['structure QuestionnaireResponse.item[0].answer'], 'a group with an answer');
  t.same(found(answered({ linkId: '3', item: [given('4')] }), questionnaire), ['structure QuestionnaireResponse.item[0].item'], 'items of a question belong to its answer');
  t.same(found(answered(given('d')), asked({ linkId: 'd', type: 'display', text: 'x' })), ['structure QuestionnaireResponse.item[0]'], 'an answer to what is shown only');
  t.same(found(answered({ linkId: 'd' }), asked({ linkId: 'd', type: 'display', text: 'x' })), []);
});

t.test('the answer has the type of the question', async (t) => {
  const values: Record<string, object> = {
    valueBoolean: { valueBoolean: true }, valueDecimal: { valueDecimal: 1.5 }, valueInteger: { valueInteger: 1 }, valueDate: { valueDate: '2026-01-01' }, valueDateTime: { valueDateTime: '2026-01-01T10:00:00Z' },
    valueTime: { valueTime: '10:00:00' }, valueString: { valueString: 'x' }, valueUri: { valueUri: 'http://example.org' }, valueAttachment: { valueAttachment: { url: 'http://example.org' } },
    valueCoding: { valueCoding: coding('a') }, valueQuantity: { valueQuantity: { value: 1 } }, valueReference: { valueReference: { reference: 'Patient/1' } },
  };
  const right: Record<string, readonly string[]> = {
    boolean: ['valueBoolean'], decimal: ['valueDecimal', 'valueInteger'], integer: ['valueInteger'], date: ['valueDate'], dateTime: ['valueDateTime'], time: ['valueTime'], string: ['valueString'], text: ['valueString'], url: ['valueUri'],
    choice: ['valueCoding'], 'open-choice': ['valueCoding', 'valueString'], attachment: ['valueAttachment'], reference: ['valueReference'], quantity: ['valueQuantity'],
  };
  for (const [type, allowed] of Object.entries(right)) {
    for (const [name, value] of Object.entries(values)) {
      t.same(found(one(value), asked({ linkId: '1', type })), allowed.includes(name) ? [] : [`value ${at}`], `${type}: ${name}`);
    }
  }
  t.same(found(one({ extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'asked-declined' }] }), asked({ linkId: '1', type: 'integer', required: true })), [], 'why it is absent is an answer');
});

t.test('a choice is one of the options', async (t) => {
  const options = (type: string, ...answerOption: object[]): Resource => asked({ linkId: '1', type, answerOption });
  const scored = options('choice', weighted('a', 0), weighted('b', 1), weighted('c', 1.5));
  t.same(found(one({ valueCoding: { ...coding('a'), display: 'another text' } }), scored), [], 'by code and system');
  t.same(found(one({ valueCoding: coding('x') }), scored), [`code-invalid ${at}`]);
  t.same(found(one({ valueCoding: coding('a', 'http://example.org/other') }), scored), [`code-invalid ${at}`]);
  t.same(found(one({ valueCoding: { code: 'a' } }), scored), [`code-invalid ${at}`], 'without system');
  t.same(found(one({ valueString: 'a' }), scored), [`code-invalid ${at}`]);
  for (const value of [{ valueInteger: 1 }, { valueDecimal: 1 }, { valueDecimal: 1.5 }, { valueInteger: 0 }]) t.same(found(one(value), scored), [], `the number of an option: ${JSON.stringify(value)}`);
  for (const value of [{ valueInteger: 2 }, { valueDecimal: 0.5 }, { valueInteger: -1 }]) t.same(found(one(value), scored), [`code-invalid ${at}`], `no number of an option: ${JSON.stringify(value)}`);
  const itemWeight = options('choice', { valueCoding: { ...coding('a'), extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: 4 }] } });
  t.same(found(one({ valueInteger: 4 }), itemWeight), [], 'itemWeight on the coding');
  t.same(found(one({ valueInteger: 0 }), options('choice', { valueCoding: coding('a') })), [`code-invalid ${at}`], 'an option without number has none, not even 0');
  t.same(found(one({ valueInteger: 3 }), options('choice', { valueInteger: 3 })), []);
  t.same(found(one({ valueInteger: 4 }), options('choice', { valueInteger: 3 })), [`code-invalid ${at}`]);
  t.same(found(one({ valueDate: '2026-01-01' }), options('choice', { valueDate: '2026-01-01' })), []);
  t.same(found(one({ valueString: 'yes' }), options('choice', { valueString: 'yes' })), []);
  t.same(found(one({ valueString: 'no' }), options('choice', { valueString: 'yes' })), [`code-invalid ${at}`]);
  t.same(found(one({ valueString: 'anything' }), options('open-choice', { valueCoding: coding('a') })), [], 'open-choice takes a text of its own');
  t.same(found(one({ valueCoding: coding('x') }), options('open-choice', { valueCoding: coding('a') })), [`code-invalid ${at}`]);

  const listed: Resource = { ...asked({ linkId: '1', type: 'choice', answerValueSet: '#v' }), contained: [{ resourceType: 'ValueSet', id: 'v', status: 'active', compose: { include: [{ system: 'http://example.org/s', concept: [{ code: 'a' }] }] } }] };
  t.same(found(one({ valueCoding: coding('a') }), listed), [], 'a value set that the questionnaire contains');
  t.same(found(one({ valueCoding: coding('b') }), listed), [`code-invalid ${at}`]);
  t.same(found(one({ valueCoding: coding('b') }), asked({ linkId: '1', type: 'choice', answerValueSet: 'http://example.org/v' })), [], 'another cannot be looked into');
});

t.test('required answers are missed when the response is complete', async (t) => {
  const questionnaire = asked({ linkId: '1', type: 'string', required: true }, { linkId: 'g', type: 'group', item: [{ linkId: '2', type: 'string', required: true }] });
  const complete = ['required QuestionnaireResponse'];
  t.same(found({ resourceType: 'QuestionnaireResponse', status: 'completed' }, questionnaire), complete, 'nothing at all');
  t.same(found(answered({ linkId: 'g', item: [{ linkId: '2', answer: [{ valueString: 'x' }] }] }), questionnaire), complete);
  t.same(found(answered({ linkId: '1' }), questionnaire), ['required QuestionnaireResponse.item[0]'], 'an item without answer');
  t.same(found(one({ valueString: 'x' }), questionnaire), [], 'an optional group may be left out with all that it requires');
  t.same(found(answered({ linkId: '1', answer: [{ valueString: 'x' }] }, { linkId: 'g' }), questionnaire), ['required QuestionnaireResponse.item[1]'], 'but not half of it');
  t.same(found(answered({ linkId: 'g' }), asked({ linkId: 'g', type: 'group', required: true, item: [{ linkId: '2', type: 'string' }] })), ['required QuestionnaireResponse.item[0]'], 'a required group needs an answer');
  for (const status of ['in-progress', 'stopped', 'entered-in-error']) t.same(found({ resourceType: 'QuestionnaireResponse', status }, questionnaire), [], status);
  t.same(found({ resourceType: 'QuestionnaireResponse', status: 'amended' }, questionnaire), complete, 'amended');
});

t.test('repeats and maxLength', async (t) => {
  t.same(found(one({ valueString: 'a' }, { valueString: 'b' }), asked({ linkId: '1', type: 'string' })), ['structure QuestionnaireResponse.item[0].answer']);
  t.same(found(one({ valueString: 'a' }, { valueString: 'b' }), asked({ linkId: '1', type: 'string', repeats: true })), []);
  t.same(found(one({ valueString: 'abcd' }), asked({ linkId: '1', type: 'text', maxLength: 3 })), [`too-long ${at}`]);
  t.same(found(one({ valueString: 'ab😀' }), asked({ linkId: '1', type: 'text', maxLength: 3 })), [], 'characters, not code units');
});

t.test('answers belong to enabled questions only, and enabled questions are required', async (t) => {
  const when = (operator: string, value: object, type: string, options: object = {}): Resource => asked(
    { linkId: '1', type, ...options },
    { linkId: '2', type: 'string', required: true, enableWhen: [{ question: '1', operator, ...value }] },
  );
  const follow = { linkId: '2', answer: [{ valueString: 'x' }] };
  const enables = (given: object | undefined, questionnaire: Resource): string => {
    const first = given === undefined ? [] : [{ linkId: '1', answer: [given] }];
    const without = found({ ...answered(), item: first.length === 0 ? [{ linkId: '1' }] : first }, questionnaire).join();
    const withIt = found(answered(...first, follow), questionnaire).join();
    if (without === 'required QuestionnaireResponse' && withIt === '') return 'enabled';
    if (without === '' && withIt.startsWith('business-rule QuestionnaireResponse.item[')) return 'disabled';
    return without === '' && withIt === '' ? 'open' : `${without} / ${withIt}`;
  };
  const weights = { answerOption: [weighted('a', 0), weighted('b', 1)] };
  const cases: readonly [string, object | undefined, Resource][] = [
    ['enabled', { valueBoolean: true }, when('=', { answerBoolean: true }, 'boolean')],
    ['disabled', { valueBoolean: false }, when('=', { answerBoolean: true }, 'boolean')],
    ['disabled', undefined, when('=', { answerBoolean: true }, 'boolean')],
    ['enabled', { valueBoolean: false }, when('exists', { answerBoolean: true }, 'boolean')],
    ['disabled', undefined, when('exists', { answerBoolean: true }, 'boolean')],
    ['enabled', undefined, when('exists', { answerBoolean: false }, 'boolean')],
    ['disabled', { valueBoolean: false }, when('exists', { answerBoolean: false }, 'boolean')],
    ['enabled', { valueInteger: 2 }, when('!=', { answerInteger: 1 }, 'integer')],
    ['disabled', { valueInteger: 1 }, when('!=', { answerInteger: 1 }, 'integer')],
    ['open', undefined, when('!=', { answerInteger: 1 }, 'integer')],
    ['enabled', { valueInteger: 2 }, when('>', { answerInteger: 1 }, 'integer')],
    ['disabled', { valueInteger: 1 }, when('>', { answerInteger: 1 }, 'integer')],
    ['enabled', { valueDecimal: 1 }, when('>=', { answerDecimal: 1 }, 'decimal')],
    ['enabled', { valueInteger: 0 }, when('<', { answerDecimal: 0.5 }, 'decimal')],
    ['disabled', { valueDecimal: 0.5 }, when('<', { answerDecimal: 0.5 }, 'decimal')],
    ['enabled', { valueDecimal: 0.5 }, when('<=', { answerDecimal: 0.5 }, 'decimal')],
    ['enabled', { valueDate: '2026-02-01' }, when('>', { answerDate: '2026-01-31' }, 'date')],
    ['disabled', { valueDateTime: '2026-01-01T00:30:00+01:00' }, when('>', { answerDateTime: '2026-01-01T00:00:00Z' }, 'dateTime')],
    ['enabled', { valueTime: '10:00:00' }, when('<', { answerTime: '10:00:01' }, 'time')],
    ['enabled', { valueString: 'x' }, when('=', { answerString: 'x' }, 'string')],
    ['enabled', { valueCoding: coding('a') }, when('=', { answerCoding: coding('a') }, 'choice', weights)],
    ['disabled', { valueCoding: coding('b') }, when('=', { answerCoding: coding('a') }, 'choice', weights)],
    ['enabled', { valueInteger: 0 }, when('=', { answerCoding: coding('a') }, 'choice', weights)],
    ['disabled', { valueInteger: 1 }, when('=', { answerCoding: coding('a') }, 'choice', weights)],
    ['enabled', { valueQuantity: { value: 2, unit: 'h' } }, when('>', { answerQuantity: { value: 1, unit: 'h' } }, 'quantity')],
    ['enabled', { valueQuantity: { value: 1, unit: 'h' } }, when('=', { answerQuantity: { value: 1, unit: 'h' } }, 'quantity')],
    ['open', { valueQuantity: { value: 2, unit: 'h' } }, when('>', { answerQuantity: { value: 1, unit: 'min' } }, 'quantity')],
    ['enabled', { valueReference: { reference: 'Patient/1' } }, when('=', { answerReference: { reference: 'Patient/1' } }, 'reference')],
  ];
  for (const [wanted, given, questionnaire] of cases) t.equal(enables(given, questionnaire), wanted, JSON.stringify([given, (questionnaire['item'] as object[])[1]]));

  const behaviour = (enableBehavior: string): Resource => asked({ linkId: '1', type: 'integer' }, {
    linkId: '2', type: 'string', required: true, enableBehavior, enableWhen: [{ question: '1', operator: '>', answerInteger: 1 }, { question: '1', operator: '<', answerInteger: 5 }],
  });
  t.equal(enables({ valueInteger: 3 }, behaviour('all')), 'enabled');
  t.equal(enables({ valueInteger: 7 }, behaviour('all')), 'disabled');
  t.equal(enables({ valueInteger: 7 }, behaviour('any')), 'enabled');

  const nested = asked({ linkId: 'g', type: 'group', repeats: true, item: [
    { linkId: '1', type: 'boolean' },
    { linkId: 's', type: 'group', enableWhen: [{ question: '1', operator: '=', answerBoolean: true }], item: [{ linkId: '2', type: 'string', required: true }] },
  ] });
  const group = (first: boolean, ...rest: object[]): object => ({ linkId: 'g', item: [{ linkId: '1', answer: [{ valueBoolean: first }] }, ...rest] });
  const inside = { linkId: 's', item: [follow] };
  t.same(found(answered(group(true, inside), group(false)), nested), [], 'each repetition looks at its own answer');
  t.same(found(answered(group(true, inside), group(false, inside)), nested), ['business-rule QuestionnaireResponse.item[1].item[1]'], 'what is within a disabled group is disabled');

  const below = asked({ linkId: '1', type: 'boolean', item: [{ linkId: '2', type: 'string', required: true, enableWhen: [{ question: '1', operator: '=', answerBoolean: true }] }] });
  t.same(found(answered({ linkId: '1', answer: [{ valueBoolean: true }] }), below), ['required QuestionnaireResponse.item[0].answer[0]'], 'a question below the one it depends on');
  t.same(found(answered({ linkId: '1', answer: [{ valueBoolean: false }] }), below), []);
});

t.test('issues repeat no answers, and many repetitions cost linear time', async (t) => {
  const issues = checkAgainstQuestionnaire(answered({ linkId: 'Amy Shaw', answer: [{ valueString: 'Amy Shaw' }] }, { linkId: '1', answer: [{ valueString: 'Amy Shaw' }] }), asked({ linkId: '1', type: 'integer' }));
  t.equal(issues.length, 2);
  t.notMatch(JSON.stringify(issues), /Amy/);

  const questionnaire = asked({ linkId: 'q', type: 'string' }, { linkId: 'g', type: 'group', repeats: true, item: [{ linkId: '1', type: 'string', enableWhen: [{ question: 'q', operator: 'exists', answerBoolean: false }] }] });
  const response = answered(...Array.from({ length: 20_000 }, () => ({ linkId: 'g', item: [{ linkId: '1', answer: [{ valueString: 'x' }] }] })));
  const started = process.cpuUsage();
  t.same(checkAgainstQuestionnaire(response, questionnaire), []);
  t.ok(process.cpuUsage(started).user < 2_000_000);
});
