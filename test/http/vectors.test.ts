import t from 'tap';
import { gad7Items, phq9Items, spread } from '../kit/answers.ts';
import { testService } from '../kit/service.ts';

// What a client sees of a score, a total of another system and a series: worked by hand, sent and read over HTTP.

const base = 'https://intersession.example/fhir';
const loinc = 'http://loinc.org';
const codes = ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'];
const absentReason = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
const weight = 'http://hl7.org/fhir/StructureDefinition/ordinalValue';

type Answer = object;
type Given = number | string | Answer | null;
const coding = (i: number): Answer => ({ valueCoding: { system: loinc, code: codes[i] } });

/** Items with these answers in their order; null leaves one out. */
const items = (linkIds: readonly string[], given: readonly Given[], as: (value: number) => Answer = coding): object[] => linkIds.flatMap((linkId, i) => {
  const value = given[i] ?? null;
  const answer = typeof value === 'number' ? as(value) : typeof value === 'string' ? { valueCoding: { system: loinc, code: value } } : value;
  return answer === null ? [] : [{ linkId, answer: [answer] }];
});
const integer = (value: number): Answer => ({ valueInteger: value });
const phq = phq9Items.map((code) => `/${code}`);
const gad = gad7Items.map((code) => `/${code}`);
const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${String(i + 1).padStart(2, '0')}`);

interface Vector { readonly what: string; readonly form: string | undefined; readonly item: readonly object[]; readonly code: string; readonly expected: string; readonly more?: object }
const fourteen = [2, 2, 2, 2, 2, 1, 1, 1, 1];
const total = `${loinc}|44261-6`;
const own = (code: string): string => `${base}/CodeSystem/instrument|${code}`;
const form = (id: string): string => `${base}/Questionnaire/${id}`;
const elsewhere = 'http://example.org/forms/1';
const notApplicable = { extension: [{ url: absentReason, valueCode: 'not-applicable' }] };
const vector = (what: string, id: string | undefined, item: readonly object[], code: string, expected: string, more?: object): Vector => ({ what, form: id, item, code, expected, ...(more === undefined ? {} : { more }) });

const answers: readonly Vector[] = [
  vector('codes', form('phq-9'), items(phq, fourteen), total, '14'),
  vector('integers', form('phq-9'), items(phq, fourteen, integer), total, '14'),
  vector('decimals', form('phq-9'), items(phq, fourteen, (value) => ({ valueDecimal: value })), total, '14'),
  vector('another version of the canonical', `${form('phq-9')}|9.9`, items(phq, fourteen), total, '14'),
  vector('no canonical at all', undefined, items(phq, fourteen), total, '14'),
  vector('US Core example form, with its own total', 'http://hl7.org/fhir/us/core/Questionnaire/phq-9-example', [...items(phq, fourteen), { linkId: '/44261-6', answer: [{ valueDecimal: 25 }] }], total, '14'),
  vector('canonical of LOINC', 'http://loinc.org/q/44249-1', items(phq, fourteen), total, '14'),
  vector('canonical of LOINC, one missing', 'http://loinc.org/q/44249-1|2.77', items(phq, [2, 2, 2, 2, 2, 1, 1, null, 0]), total, '14'),
  vector('canonical of LOINC, items with other names', 'http://loinc.org/q/44249-1', items(['a', 'b', 'c'], [2, 2, 2]), total, ''),
  vector('canonical of LOINC for the GAD-7', 'http://loinc.org/q/69737-5', items(gad, [1, 1, 1, 1, 1, 1]), `${loinc}|70274-6`, '7'),
  vector('nested below the panel', elsewhere, [{ linkId: '/44249-1', item: items(phq9Items.map((code) => `/44249-1/${code}`), fourteen) }], total, '14'),
  vector('difficulty beside it is not scored', form('phq-9'), [...items(phq, fourteen), { linkId: '/69722-7', answer: [{ valueCoding: { system: loinc, code: 'LA6574-3' } }] }], total, '14'),
  vector('codes of another system with weights', elsewhere, [{ linkId: '/44249-1', item: items(phq, fourteen, (i) => ({ valueCoding: { system: 'http://example.org/answers', code: `a${i}`, extension: [{ url: weight, valueDecimal: i }] } })) }], total, '14'),
  vector('our codes with other weights', form('phq-9'), items(phq, fourteen, (i) => ({ valueCoding: { system: loinc, code: codes[i], extension: [{ url: weight, valueDecimal: 3 }] } })), total, '14'),
  vector('codes without a system on our form', form('phq-9'), items(phq, fourteen, (i) => ({ valueCoding: { code: codes[i] } })), total, '14'),
  vector('other codes with weights on our form', form('phq-9'), items(phq, fourteen, (i) => ({ valueCoding: { system: 'http://example.org/answers', code: `a${i}`, extension: [{ url: weight, valueDecimal: i }] } })), total, '14'),
  vector('a weight that is no score', form('phq-9'), items(phq, fourteen, (i) => ({ valueCoding: { system: 'http://example.org/answers', code: `a${i}`, extension: [{ url: weight, valueDecimal: 7 }] } })), total, '422'),
  vector('codes without a system, as old exports', elsewhere, [{ linkId: '/44249-1', item: items(phq, fourteen, (i) => ({ valueCoding: { code: codes[i] } })) }], total, '14'),
  vector('one missing: 12 * 9 / 8 = 13.5', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, null, 0]), total, '14'),
  vector('declined is missing', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { extension: [{ url: absentReason, valueCode: 'asked-declined' }] }, 0]), total, '14'),
  vector('declined, within the coding', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { valueCoding: { extension: [{ url: absentReason, valueCode: 'asked-declined' }] } }, 0]), total, '14'),
  vector('declined, instead of the code', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { valueCoding: { system: loinc, _code: { extension: [{ url: absentReason, valueCode: 'asked-declined' }] } } }, 0]), total, '14'),
  vector('unknown, beside no number', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { _valueInteger: { extension: [{ url: absentReason, valueCode: 'asked-unknown' }] } }, 0]), total, '14'),
  vector('declined, chosen although the form does not offer it', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'asked-declined' } }, 0]), total, '14'),
  vector('a null flavor, on a form that is not stored', elsewhere, [{ linkId: '/44249-1', item: items(phq, [2, 2, 2, 2, 2, 1, 1, { valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'ASKU' } }, 0]) }], total, '14'),
  vector('three declined', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, ...[1, 2, 3].map(() => ({ valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'NASK' } }))]), total, 'unknown'),
  vector('a coding that says nothing, not even why', form('phq-9'), items(phq, [2, 2, 2, 2, 2, 1, 1, { valueCoding: { system: loinc } }, 0]), total, '422'),
  vector('a null flavor that says that it does not apply', form('wsas'), items(['wsas-1', 'wsas-2', 'wsas-3', 'wsas-4', 'wsas-5'], [{ valueCoding: { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'NA' } }, 8, 8, 8, 8], integer), own('wsas'), '32'),
  vector('two missing: 13 * 9 / 7 = 16.7', form('phq-9'), items(phq, [3, 2, 2, 2, 2, 2, 0, null, null]), total, '17'),
  vector('7 * 9 / 8 = 7.9', form('phq-9'), items(phq, [1, 1, 1, 1, 1, 1, 1, 0, null]), total, '8'),
  vector('three missing', form('phq-9'), items(phq, [3, 2, 2, 2, 2, 2]), total, 'unknown'),
  vector('stopped with seven', form('phq-9'), items(phq, [1, 1, 1, 1, 1, 1, 1]), total, '9', { status: 'stopped' }),
  vector('stopped with three', form('phq-9'), items(phq, [1, 1, 1]), total, '', { status: 'stopped' }),
  vector('in progress', form('phq-9'), items(phq, fourteen), total, '', { status: 'in-progress' }),
  vector('not written down when: when it came', form('phq-9'), items(phq, fourteen), total, '14', { authored: undefined }),
  vector('a word', form('phq-9'), items(phq, fourteen, () => ({ valueString: 'Several days' })), total, '422'),
  vector('a display without a code', form('phq-9'), items(phq, fourteen, () => ({ valueCoding: { display: 'Several days' } })), total, '422'),
  vector('a code that is no answer', form('phq-9'), items(phq, fourteen, () => ({ valueCoding: { system: loinc, code: 'LA13866-1' } })), total, '422'),
  vector('4 of 3', form('phq-9'), items(phq, [4, 0, 0, 0, 0, 0, 0, 0, 0], integer), total, '422'),
  vector('an item twice', form('phq-9'), [...items(phq, fourteen), ...items(phq, [1])], total, '422'),
  vector('two answers to an item', form('phq-9'), [{ linkId: phq[0], answer: [integer(1), integer(2)] }, ...items(phq.slice(1), fourteen)], total, '422'),
  vector('GAD-7, more days than not, on our form', form('gad-7'), items(gad, ['LA6568-5', 'LA18938-3', 0, 0, 0, 0, 0]), `${loinc}|70274-6`, '2'),
  vector('GAD-7: 6 * 7 / 6', form('gad-7'), items(gad, [1, 1, 1, 1, 1, 1]), `${loinc}|70274-6`, '7'),
  vector('GAD-7 with two missing', form('gad-7'), items(gad, [1, 1, 1, 1, 1]), `${loinc}|70274-6`, 'unknown'),
  vector('PHQ-8 is not the PHQ-9', form('phq-8'), items(phq.slice(0, 8), Array.from({ length: 8 }, () => 3)), total, ''),
  vector('PHQ-8', form('phq-8'), items(phq.slice(0, 8), Array.from({ length: 8 }, () => 3)), own('phq-8'), '24'),
  vector('PHQ-2', form('phq-2'), items(phq.slice(0, 2), [3, 2]), `${loinc}|55758-7`, '5'),
  vector('PHQ-4', form('phq-4'), items(['/69725-0', '/68509-9', '/44250-9', '/44255-8'], [3, 3, 1, 1]), `${loinc}|70272-0`, '8'),
  vector('CORE-10: 11 * 10 / 9', form('core-10'), items(numbered('core10', 10), [1, 3, 3, 1, 1, 0, 2, 2, 2, null], integer), own('core-10'), '12.2'),
  vector('CORE-10: two turned', form('core-10'), items(numbered('core10', 10), Array.from({ length: 10 }, () => 4), integer), own('core-10'), '32'),
  vector('WSAS without work: of 32', form('wsas'), items(['wsas-1', 'wsas-2', 'wsas-3', 'wsas-4', 'wsas-5'], [notApplicable, 8, 8, 8, 8], integer), own('wsas'), '32'),
  vector('WHO-5 in per cent', form('who-5'), items(['who5-1', 'who5-2', 'who5-3', 'who5-4', 'who5-5'], [3, 3, 2, 2, 2], integer), own('who-5'), '48'),
  vector('AUDIT, never drinks', form('audit'), items(['/68518-0', '/97739-7', '/97740-5'], ['LA6270-8', 2, 4], integer), `${loinc}|75624-7`, '6'),
  vector('AUDIT-C, highest', form('audit-c'), items(['/68518-0', '/68519-8', '/68520-6'], ['LA18929-2', 'LA18932-6', 'LA18934-2']), `${loinc}|75626-2`, '12'),
];

const phqOf = (patient: string, sum: number, authored: string): object => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: form('phq-9'), subject: { reference: `Patient/${patient}` }, authored, item: items(phq, spread(sum)) });
const valueOf = (observation: any): string => String(observation.valueInteger ?? observation.valueQuantity?.value ?? observation.dataAbsentReason?.coding[0].code);

t.test('answers as forms send them', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const [at, { what, form: questionnaire, item, code, expected, more }] of answers.entries()) {
    await fhir('PUT', `Patient/p${at}`, { resourceType: 'Patient', id: `p${at}` });
    const reply = await fhir('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire, subject: { reference: `Patient/p${at}` }, authored: '2024-05-01T10:00:00Z', item, ...more });
    if (reply.status >= 300) {
      t.equal(String(reply.status), expected, `${what}: ${reply.text.slice(0, 300)}`);
      t.match(reply.body.issue?.[0].expression?.[0], /^QuestionnaireResponse\.item/, `${what}: where it is`);
      continue;
    }
    const { body } = await fhir('GET', `Observation?patient=p${at}&code=${encodeURIComponent(code)}`);
    t.equal((body.entry ?? []).map(({ resource }: any) => valueOf(resource)).join(), expected, what);
  }
});

/** What an EHR sends as the total of a PHQ-9, and the total that it is; null: none. */
const imported: readonly (readonly [string, object, number | null])[] = [
  ['integer', { valueInteger: 15 }, 15], ['0', { valueInteger: 0 }, 0], ['27', { valueInteger: 27 }, 27],
  ['text', { valueString: '15' }, 15], ['text with blanks', { valueString: ' 15 ' }, 15], ['text 15.0', { valueString: '15.0' }, 15], ['text that is no number', { valueString: '15/27' }, null],
  ['{score}', { valueQuantity: { value: 15, unit: '{score}', system: 'http://unitsofmeasure.org', code: '{score}' } }, 15], ['{#}', { valueQuantity: { value: 15, unit: '#', system: 'http://unitsofmeasure.org', code: '{#}' } }, 15],
  ['1', { valueQuantity: { value: 15, system: 'http://unitsofmeasure.org', code: '1' } }, 15], ['bare quantity', { valueQuantity: { value: 15 } }, 15], ['the word points', { valueQuantity: { value: 15, unit: 'points' } }, 15], ['prorated elsewhere', { valueQuantity: { value: 15.5 } }, 15.5],
  ['milligrams', { valueQuantity: { value: 15, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' } }, null], ['milligrams as a word', { valueQuantity: { value: 15, unit: 'mg' } }, null], ['per cent', { valueQuantity: { value: 15, unit: '%', system: 'http://unitsofmeasure.org', code: '%' } }, null],
  ['more than', { valueQuantity: { value: 15, comparator: '>' } }, null], ['28 of 27', { valueInteger: 28 }, null], ['below 0', { valueInteger: -1 }, null],
  ['absent', { dataAbsentReason: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown' }] } }, null],
  ['preliminary', { status: 'preliminary', valueInteger: 15 }, null], ['corrected', { status: 'corrected', valueInteger: 15 }, 15], ['amended', { status: 'amended', valueInteger: 15 }, 15],
  ['form for adolescents', { code: { coding: [{ system: loinc, code: '89204-2' }] }, valueInteger: 15 }, 15], ['SNOMED CT', { code: { coding: [{ system: 'http://snomed.info/sct', code: '720433000' }] }, valueInteger: 15 }, 15],
  ['second coding', { code: { coding: [{ system: 'http://example.org/local', code: 'PHQ' }, { system: loinc, code: '44261-6' }] }, valueInteger: 15 }, 15], ['withdrawn code 44262-4', { code: { coding: [{ system: loinc, code: '44262-4' }] }, valueInteger: 15 }, null],
  ['time as issued', { effectiveDateTime: undefined, issued: '2024-04-01T10:00:00Z', valueInteger: 15 }, 15], ['a period', { effectiveDateTime: undefined, effectivePeriod: { start: '2024-04-01', end: '2024-04-02' }, valueInteger: 15 }, 15],
];

t.test('totals of other systems', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const [at, [what, more, expected]] of imported.entries()) {
    const patient = `i${at}`;
    await fhir('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient });
    const reply = await fhir('POST', 'Observation', { resourceType: 'Observation', status: 'final', code: { coding: [{ system: loinc, code: '44261-6' }] }, subject: { reference: `Patient/${patient}` }, effectiveDateTime: '2024-04-01T10:00:00Z', ...more });
    t.equal(reply.status, 201, `${what}: ${reply.text.slice(0, 300)}`);
    await fhir('POST', 'QuestionnaireResponse', phqOf(patient, 6, '2024-05-01T10:00:00Z'));
    const { body } = await fhir('GET', `Observation?patient=${patient}&code=change-from-baseline`);
    t.equal((body.entry ?? []).map(({ resource }: any) => valueOf(resource)).join(), expected === null ? '' : String(6 - expected), what);
  }
});

/** Scores by time, first sessions; baseline, latest, and the changes that stand. */
const series: readonly (readonly [string, readonly (readonly [string, number])[], readonly string[], number, number, readonly string[]])[] = [
  ['two dates', [['2024-05-01T08:00:00Z', 20], ['2024-05-10T08:00:00Z', 12]], [], 20, 12, ['-8 2024-05-10']],
  ['two on one date after the baseline', [['2024-05-01T08:00:00Z', 20], ['2024-05-10T08:00:00Z', 12], ['2024-05-10T18:00:00Z', 10]], [], 20, 10, ['-10 2024-05-10']],
  ['the later of one date came first', [['2024-05-01T08:00:00Z', 20], ['2024-05-10T18:00:00Z', 10], ['2024-05-10T08:00:00Z', 12]], [], 20, 10, ['-10 2024-05-10']],
  ['two on the first date', [['2024-05-01T08:00:00Z', 20], ['2024-05-01T18:00:00Z', 16], ['2024-05-10T18:00:00Z', 10]], [], 16, 10, ['-6 2024-05-10']],
  ['one date where the client lives, two in UTC', [['2024-05-01T08:00:00Z', 20], ['2024-05-10T00:30:00+02:00', 12], ['2024-05-10T23:30:00+02:00', 10]], [], 20, 10, ['-10 2024-05-10']],
  ['14 days before the first session', [['2024-01-01', 10], ['2024-01-06', 20], ['2024-01-30', 8]], ['2024-01-20T10:00:00Z'], 20, 8, ['-12 2024-01-30']],
  ['15 days before', [['2024-01-05', 10], ['2024-01-30', 20], ['2024-02-20', 8]], ['2024-01-20T10:00:00Z'], 10, 8, ['10 2024-01-30', '-2 2024-02-20']],
  ['7 days after', [['2024-01-15', 10], ['2024-01-27T10:00:00Z', 20], ['2024-02-20', 8]], ['2024-01-20T10:00:00Z'], 20, 8, ['-12 2024-02-20']],
  ['8 days after', [['2024-01-15', 10], ['2024-01-28', 20], ['2024-02-20', 8]], ['2024-01-20T10:00:00Z'], 10, 8, ['10 2024-01-28', '-2 2024-02-20']],
];

t.test('baseline, latest and change over a series, in the order in which the answers come', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const [at, [what, scores, sessions, baseline, latest, changes]] of series.entries()) {
    const patient = `s${at}`;
    await fhir('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient });
    for (const [authored, sum] of scores) await fhir('POST', 'QuestionnaireResponse', phqOf(patient, sum, authored));
    for (const start of sessions) await fhir('POST', 'Encounter', { resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: `Patient/${patient}` }, period: { start } });
    const { body } = await fhir('GET', `Observation?patient=${patient}&code=change-from-baseline&_sort=date`);
    const standing = (body.entry ?? []).map(({ resource }: any) => resource).filter(({ status }: any) => status !== 'entered-in-error');
    t.same(standing.map((each: any) => `${valueOf(each)} ${each.effectiveDateTime.slice(0, 10)}`), changes, what);
    const { body: progress } = await fhir('GET', `Patient/${patient}/$progress`);
    const part = progress.parameter.find(({ name }: any) => name === 'instrument').part;
    const shown = (name: string): number => part.find((each: any) => each.name === name).part.find((each: any) => each.name === 'value').valueInteger;
    t.same([shown('baseline'), shown('latest')], [baseline, latest], `${what}: $progress`);
  }
});
