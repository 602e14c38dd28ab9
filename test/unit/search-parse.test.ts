import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../src/fhir/outcome.ts';
import { parseSearch, type SearchOptions } from '../../src/fhir/search-parse.ts';
import { hash64, searchParameters } from '../../src/fhir/search-parameters.ts';
import type { SearchPlan } from '../../src/fhir/search-plan.ts';
import { servedTypes } from '../../src/fhir/types.ts';

const strict: SearchOptions = { handling: 'strict', baseUrl: 'https://here.example/fhir' };
const parse = (type: string, query: string, options: SearchOptions = strict): SearchPlan =>
  parseSearch(type, [...new URLSearchParams(query)] as [string, string][], options);

function refusal(type: string, query: string, options: SearchOptions = strict): Problem {
  try {
    parse(type, query, options);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error(`${type}?${query} was accepted`);
}

t.test('values of every kind are read into what the specification says they mean', async (t) => {
  const [token] = parse('Observation', 'code=http://loinc.org|44261-6,44261-6,|x,http://loinc.org|').tests;
  const system = String(hash64('http://loinc.org'));
  t.match(token, { kind: 'token', negated: false, values: [
    { code: '44261-6', system }, { code: '44261-6', system: null }, { code: 'x', system: '0' }, { code: null, system },
  ] }, 'token: system|code, code, |code, system|');
  t.match(parse('Observation', 'date=ge2026-03').tests[0], { kind: 'date', values: [{ prefix: 'ge', low: '2026-03-01T00:00:00.000000Z', high: '2026-04-01T00:00:00.000000Z' }] });
  t.match(parse('Observation', 'value-quantity=5.40||mg').tests[0], { kind: 'quantity', values: [{ prefix: 'eq', low: '5.395', high: '5.405', code: 'mg' }] });
  t.match(parse('Observation', 'value-quantity=5.40|http://unitsofmeasure.org|mg').tests[0], { kind: 'quantity', values: [{ prefix: 'eq', value: '0.00540', low: '0.005395', high: '0.005405', code: 'g', system: null }] }, 'a UCUM unit in the base unit of its dimension');
  t.match(parse('Patient', 'name=M%C3%9CLLER,%C3%89va').tests[0], { kind: 'string', match: 'prefix', values: ['muller', 'eva'] });
  t.match(parse('Patient', 'name:exact=M%C3%BCller').tests[0], { kind: 'string', match: 'exact', values: ['Müller'] });
  t.match(parse('Observation', 'performer=Practitioner/a,https://here.example/fhir/Practitioner/b,https://there.example/fhir/Practitioner/c').tests[0], { values: [
    { kind: 'local', type: 'Practitioner', id: 'a' }, { kind: 'local', type: 'Practitioner', id: 'b' }, { kind: 'url', url: 'https://there.example/fhir/Practitioner/c' },
  ] });
  t.match(parse('Questionnaire', 'url=http://x.example/Questionnaire/phq-9|2').tests[0], { kind: 'all', tests: [{ kind: 'uri', match: 'equal', values: [{ value: 'http://x.example/Questionnaire/phq-9', version: null }] }, { kind: 'token', parameter: { code: 'version' }, values: [{ code: '2', system: null }] }] });
  t.match(parse('QuestionnaireResponse', 'questionnaire=http://x.example/Questionnaire/phq-9|2').tests[0], { kind: 'uri', match: 'equal', values: [{ value: 'http://x.example/Questionnaire/phq-9', version: '2' }] });
  t.match(parse('QuestionnaireResponse', 'questionnaire:above=http://x.example/q|1.2').tests[0], { kind: 'uri', match: 'above', values: [{ value: 'http://x.example/q', version: '1.2' }, { value: 'http://x.example/q', version: '1' }] });
  t.match(parse('Patient', '_lastUpdated=gt2026-01-01T00:00:00 01:00').tests[0], { kind: 'updated', values: [{ prefix: 'gt', low: '2025-12-31T23:00:00.000000Z' }] }, 'a + that arrives as a space');
});

t.test('separators that are escaped belong to the value', async (t) => {
  t.match(parse('Patient', 'identifier=a\\,b,c\\|d').tests[0], { values: [{ code: 'a,b', system: null }, { code: 'c|d', system: null }] });
  t.match(parse('Patient', 'identifier=http://x|a\\\\b\\$c').tests[0], { values: [{ code: 'a\\b$c' }] });
});

t.test('chains and _has are read to their depth and no deeper', async (t) => {
  t.match(parse('Observation', 'subject:Patient.name:exact=Ann').tests[0], { kind: 'chain', reference: { code: 'subject' }, targets: [{ type: 'Patient', test: { kind: 'string', match: 'exact' } }] });
  t.match(parse('Observation', 'subject.name=ann').tests[0], { kind: 'chain', targets: [{ type: 'Patient' }] }, 'only targets that have the parameter');
  t.match(parse('Task', 'encounter.patient.general-practitioner.identifier=1').tests[0], { kind: 'chain' });
  t.match(refusal('Task', 'encounter.part-of.part-of.part-of.status=finished'), { kind: 'not-supported' });
  t.match(parse('Patient', '_has:Observation:patient:_has:Provenance:target:recorded=2026').tests[0], { kind: 'has', source: 'Observation', test: { kind: 'has', source: 'Provenance' } });
  t.match(refusal('Patient', '_has:Observation:patient:_has:Observation:derived-from:_has:Provenance:target:recorded=2026'), { kind: 'not-supported' });
  t.match(refusal('Patient', '_has:Observation:performer:nope=1'), { issues: [{ expression: 'http._has:Observation:performer:nope' }] });
});

t.test('what shapes the result is checked, clamped and listed as applied', async (t) => {
  const plan = parse('Observation', '_sort=-date,_id&_count=5000&_total=accurate&_elements=status,code&_include=Observation:subject:Patient&_revinclude=Provenance:target&_include:iterate=Patient:general-practitioner');
  t.match(plan, { count: 1000, total: 'accurate', elements: ['status', 'code'], sort: [{ descending: true }, { by: '_id', descending: false }] });
  t.match(plan.includes, [{ source: 'Observation', target: 'Patient', iterate: false }, { source: 'Patient', iterate: true }]);
  t.same(plan.applied[1], ['_count', '1000'], 'the self link shows the clamped count');
  t.match(parse('Task', '_summary=count'), { count: 0, total: 'accurate' });
  t.match(parse('Task', '_count=0'), { count: 0, total: 'accurate' });
  t.ok(parse('Patient', '_revinclude=*').revincludes.length > 10);
  t.ok(Object.isFrozen(plan) && Object.isFrozen(plan.tests) && Object.isFrozen(plan.sort[0]));
  t.doesNotThrow(() => JSON.stringify(parse('Observation', 'code=http://loinc.org|1&code-value-quantity=http://loinc.org|1$gt5')), 'a plan is data that JSON can write');
});

t.test('what is wrong is refused with the name of the parameter and without its value', async (t) => {
  const cases: [string, string, string][] = [
    ['Observation', 'subjct=Patient/1', 'http.subjct'], ['Observation', 'code:exact=http://secret', 'http.code:exact'], ['Observation', 'date=2026-02-30', 'http.date'],
    ['Observation', 'date:exact=2026', 'http.date:exact'], ['Observation', 'value-quantity=5|mg', 'http.value-quantity'], ['Observation', 'performer=Group/secret', 'http.performer'],
    ['Observation', 'code=a|b|c', 'http.code'], ['Observation', 'code=|', 'http.code'], ['Observation', 'code=a,,b', 'http.code'], ['Observation', 'code=', 'http.code'],
    ['Observation', 'code:missing=yes', 'http.code:missing'], ['Observation', '_count=-5', 'http._count'], ['Observation', '_count=NaN', 'http._count'], ['Observation', '_total=banana', 'http._total'],
    ['Observation', '_sort=$$$', 'http._sort'], ['Observation', '_sort=code-value-quantity', 'http._sort'], ['Observation', '_include=Nope:subject', 'http._include'], ['Observation', '_include=Patient:general-practitioner', 'http._include'],
    ['Observation', '_include=Observation:code', 'http._include'], ['Observation', '_revinclude=Patient:general-practitioner', 'http._revinclude'], ['Observation', '_include:foo=Observation:subject', 'http._include:foo'],
    ['Observation', '_id=a/b', 'http._id'], ['Observation', '_lastUpdated=yesterday', 'http._lastUpdated'], ['Observation', '_text=secret', 'http._text'], ['Observation', '_filter=secret', 'http._filter'],
    ['Observation', 'code-value-quantity=secret', 'http.code-value-quantity'], ['Observation', '_format=xml', 'http._format'], ['Patient', 'name=%00', 'http.name'], ['Patient', 'name=%CC%81', 'http.name'],
    ['Patient', 'birthdate.name=a', 'http.birthdate.name'], ['Patient', '__proto__=1', 'http.__proto__'], ['Patient', 'constructor=1', 'http.constructor'], ['Patient', 'toString.name=1', 'http.toString.name'],
    ['Patient', '_has:__proto__:x:y=1', 'http._has:__proto__:x:y'], ['Patient', '_sort=__proto__', 'http._sort'], ['Patient', '_include=__proto__:constructor', 'http._include'], ['Patient', '<script>=1', 'http'],
    ['Task', '_elements=a.b', 'http._elements'], ['Task', 'code:identifier=x|secret', 'http.code:identifier'], ['Task', 'patient:of-type=x|secret|y', 'http.patient:of-type'], ['Task', 'identifier:of-type=x|secret', 'http.identifier:of-type'], ['Goal', 'subject:Practitioner.name=a', 'http.subject:Practitioner.name'],
  ];
  for (const [type, query, expression] of cases) {
    const problem = refusal(type, query);
    t.equal(problem.issues[0]?.expression, expression, `${type}?${query}`);
    t.notMatch(problem.message, /secret|banana|yesterday|script/, 'the value is not repeated');
    t.ok(problem.message.length > 20);
  }
});

t.test('a filter is read by the grammar of R4, and refused where it stops to be one', async (t) => {
  const tests = (text: string): unknown => parse('Observation', `_filter=${encodeURIComponent(text)}`).tests[0];
  t.match(tests('status eq final or status eq amended and code eq x'), { kind: 'any', tests: [{ kind: 'token' }, { kind: 'all' }] }, 'and binds tighter than or');
  t.match(tests(' ( status eq final or not(status eq amended)) and value-string eq "a,b \\"c\\" (d)" '), { kind: 'all', tests: [{ kind: 'any', tests: [{}, { kind: 'not' }] }, { kind: 'string', match: 'same', values: ['a,b "c" (d)'] }] });
  t.match(tests('subject.name co "pet"'), { kind: 'chain', targets: [{ test: { kind: 'string', match: 'contains' } }] });
  t.match(tests('performer[active eq true].name sw x'), { kind: 'chain', targets: [{ test: { kind: 'all' } }] });
  t.match(tests('code pr false'), { kind: 'missing', missing: true });
  const wrong = [
    'secret', 'code', 'code eq', 'code eq ', 'code xx secret', 'code eq x)', '(code eq x', 'code eq x and', 'code eq x status eq y', 'not code eq x', 'code eq "x', 'code eq "x\\q"', 'code co x', 'date co x', 'code gt x', 'nope eq x', 'code.name eq x',
    'code-value-quantity eq x', 'subject[name eq x] eq y', 'date eq yesterday', 'code pr maybe', 'code re x', 'date in x', 'status po 2026', `${'('.repeat(11)}code eq x${')'.repeat(11)}`, `code eq ${'x'.repeat(2000)}`, Array.from({ length: 61 }, () => 'code eq x').join(' or '),
  ];
  for (const text of wrong) {
    const problem = refusal('Observation', `_filter=${encodeURIComponent(text)}`);
    t.match(problem.issues[0]!.expression, /^http(\._filter)?$/, text.slice(0, 40));
    t.notMatch(problem.message, /secret|maybe|yesterday/);
  }
});

t.test('lists, contained resources and names that other servers have', async (t) => {
  t.match(parse('Task', '_list=List/42,7').tests, [{ kind: 'has', source: 'List', test: { kind: 'id', ids: ['42', '7'] } }]);
  for (const [type, list] of [['Task', '$current-problems'], ['Condition', '$current-allergies'], ['Condition', '$current-problems,x']] as const) {
    t.match(refusal(type, `_list=${list}`), { kind: 'not-supported', issues: [{ expression: 'http._list' }] });
  }
  t.match(parse('Task', '_contained=false&_containedType=container&status=draft'), { tests: [{ kind: 'token' }], applied: [['_contained', 'false'], ['_containedType', 'container'], ['status', 'draft']] });
  t.match(parse('Task', '_contained=both&_containedType=contained'), { contained: 'both', containedType: 'contained' });
  t.match(refusal('Task', '_contained=true&_sort=status'), { kind: 'not-supported', issues: [{ expression: 'http._contained' }] });
  for (const query of ['_query=x', '_text=x', '_content=x', '_type=Goal']) t.match(refusal('Task', query), { kind: 'not-supported', issues: [{ expression: `http.${query.split('=')[0]}` }] }, query);
  t.match(refusal('Task', '_elements=status,nope'), { kind: 'not-supported', issues: [{ expression: 'http._elements' }] });
  t.same(parse('Observation', '_elements=value,valueQuantity,Observation.status,id').elements, ['value', 'valueQuantity', 'status', 'id']);
});

t.test('lenient handling leaves out unknown names only, and shows it by what is applied', async (t) => {
  const lenient: SearchOptions = { handling: 'lenient' };
  const plan = parse('Observation', 'nope=1&code=a&_sort=nope&_include=Nope:x', lenient);
  t.same(plan.applied, [['code', 'a']]);
  t.equal(plan.tests.length, 1);
  t.match(refusal('Observation', 'date=x', lenient), { kind: 'malformed' }, 'a bad value');
  t.match(refusal('Observation', 'code:exact=x', lenient), { kind: 'not-supported' }, 'a modifier: ignoring it would answer another question');
});

t.test('a compartment is a condition; types outside a record have none', async (t) => {
  t.match(parse('Task', '', { ...strict, compartment: { type: 'Patient', id: 'p' } }).tests, [{ kind: 'compartment', patient: 'p' }]);
  t.match(refusal('Questionnaire', '', { ...strict, compartment: { type: 'Patient', id: 'p' } }), { kind: 'not-supported' });
});

t.test('no text makes the parser fail in any other way than with a Problem', async (t) => {
  const names = [...new Set(servedTypes.flatMap((type) => searchParameters(type).map(({ code }) => code)))];
  const name = fc.oneof(fc.constantFrom(...names, '_sort', '_include', '_revinclude', '_elements', '_count', '_summary', '_page'), fc.string(), fc.string({ unit: 'binary' }));
  const modified = fc.tuple(name, fc.constantFrom('', ':not', ':missing', ':exact', ':above', ':Patient.name', '.identifier', ':x')).map((parts) => parts.join(''));
  fc.assert(fc.property(fc.constantFrom(...servedTypes), fc.array(fc.tuple(modified, fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a|b', 'ge2026', '1$2', '5||mg', 'Patient/1', 'true'))), { maxLength: 4 }), (type, query) => {
    try {
      JSON.stringify(parseSearch(type, query, strict));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }), { numRuns: 3000 });
  t.pass();
});
