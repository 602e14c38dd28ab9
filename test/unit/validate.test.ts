import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import structures from '../../schemas/r4/structures.json' with { type: 'json' };
import { validationTexts } from '../../src/commands/definitions/structures.ts';
import { heldElsewhere, invariants } from '../../src/fhir/invariants.ts';
import { resourceTypes } from '../../src/fhir/structures.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';

const data = new URL('../data/', import.meta.url);
const example = (name: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(name, data), 'utf8')) as Record<string, unknown>;
const xhtml = (body: string): object => ({ status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${body}</div>` });

const concept = { text: 'x' };
const patient = (rest: object = {}): object => ({ resourceType: 'Patient', ...rest });
const observation = (rest: object = {}): object => ({ resourceType: 'Observation', status: 'final', code: concept, ...rest });
const task = (rest: object = {}): object => ({ resourceType: 'Task', status: 'requested', intent: 'plan', ...rest });
const goal = (rest: object = {}): object => ({ resourceType: 'Goal', lifecycleStatus: 'active', description: concept, subject: { reference: 'Patient/1' }, ...rest });
const response = (rest: object = {}): object => ({ resourceType: 'QuestionnaireResponse', status: 'completed', ...rest });
const answer = (value: object): object => response({ item: [{ linkId: '1', answer: [value] }] });
const questionnaire = (...item: object[]): object => ({ resourceType: 'Questionnaire', status: 'active', item });
const organization = { resourceType: 'Organization', id: 'o', name: 'x' };
const activityDefinition = (rest: object): object => ({ resourceType: 'ActivityDefinition', status: 'draft', ...rest });
const consent = (rest: object): object => ({ resourceType: 'Consent', status: 'active', scope: concept, category: [concept], policyRule: concept, ...rest });
const appointment = (rest: object, participant: object = { type: [concept], status: 'accepted' }): object => ({ resourceType: 'Appointment', status: 'proposed', participant: [participant], ...rest });
const condition = (rest: object): object => ({ resourceType: 'Condition', subject: { reference: 'Patient/1' }, ...rest });
const clinical = (code: string): object => ({ clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code }] } });
const list = (rest: object): object => ({ resourceType: 'List', status: 'current', mode: 'working', ...rest });
const bundle = (rest: object): object => ({ resourceType: 'Bundle', type: 'collection', ...rest });
const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter });
const valueSet = (rest: object): object => ({ resourceType: 'ValueSet', status: 'draft', ...rest });
const timing = (repeat: object): object => activityDefinition({ timingTiming: { repeat } });
const extension = (rest: object): object => patient({ extension: [{ url: 'http://example.org/x', ...rest }] });
const deep = (levels: number): object => (levels === 0 ? { linkId: 'x' } : { linkId: 'x', item: [deep(levels - 1)] });

t.test('valid resources are accepted', async (t) => {
  const cases: Record<string, object> = {
    'an empty patient': patient(),
    'dates to the year, month and day': patient({ birthDate: '2024-02-29', deceasedDateTime: '2024' }),
    'a dateTime with zone': response({ authored: '2026-11-24T23:59:60+14:00' }),
    'fractions of a second': response({ authored: '2026-11-24T23:59:59.123456789Z' }),
    'base64 with white space': { resourceType: 'Binary', contentType: 'text/plain; charset=utf-8', data: 'aGVs\nbG8g\r\nd29ybGQ=' },
    'a primitive with extension only': response({ status: 'completed', _authored: { extension: [{ url: 'http://example.org/x', valueCode: 'unknown' }] } }),
    'a required primitive by its extension': { resourceType: 'QuestionnaireResponse', _status: { extension: [{ url: 'http://example.org/x', valueCode: 'unknown' }] } },
    'nulls that are filled by the sibling': patient({ name: [{ given: ['A', null], _given: [{ id: 'x' }, { extension: [{ url: 'http://example.org/x', valueCode: 'unknown' }] }] }] }),
    'value and sibling of one choice': answer({ valueString: 'x', _valueString: { id: 'a' } }),
    'references of every form': task({
      focus: { reference: 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520' },
      for: { reference: 'http://example.org/fhir/Patient/1/_history/2', type: 'Patient' },
      encounter: { identifier: { value: 'x' } },
      owner: { type: 'http://hl7.org/fhir/StructureDefinition/Patient', display: 'x' },
      basedOn: [{ reference: 'http://example.org/plan.pdf' }, { reference: 'urn:oid:1.2.3' }, { reference: 'CarePlan/a-1.b' }],
    }),
    'a contained resource that is referred to': patient({ contained: [organization], managingOrganization: { reference: '#o' } }),
    'a contained resource that refers to its container': patient({ contained: [{ resourceType: 'Observation', id: 'o', status: 'final', code: concept, subject: { reference: '#' } }] }),
    'a contained resource of a type that is not served': patient({ contained: [{ resourceType: 'Medication', id: 'm', code: concept }], extension: [{ url: 'http://example.org/x', valueReference: { reference: '#m' } }] }),
    'a conditional reference in a transaction': bundle({ type: 'transaction', entry: [{ resource: goal({ subject: { reference: 'Patient?identifier=x|y' } }), request: { method: 'POST', url: 'Goal' } }] }),
    'narrative': patient({ text: xhtml('<h1 class="a">T</h1><p style="color: red">a &amp; b&nbsp;&eacute;&euro;&hellip;&apos;&#8364;<br/><a href="https://example.org/?a=1&amp;b=2">l</a></p><table><tr><td colspan="2">1</td></tr></table><img src="#i" alt=""/><!-- c -->') }),
    'a narrative of one image': patient({ text: xhtml('<img src="data:image/png;base64,AAAA" alt="x"/>') }),
    'a period within one day': { resourceType: 'EpisodeOfCare', status: 'active', patient: { reference: 'Patient/1' }, period: { start: '2026-01', end: '2026-01-01' } },
    'required CodeableConcept among others': condition({ clinicalStatus: { coding: [{ system: 'http://example.org', code: 'x' }, { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] } }),
    'white space around text': patient({ name: [{ text: ' Amy\n\tShaw\u00a0' }] }),
    'items 25 deep': response({ item: [deep(24)] }),
    'large and small decimals': answer({ valueDecimal: -1e300 }),
    'an empty system of codes': valueSet({ compose: { include: [{ system: 'http://example.org' }] } }),
  };
  for (const [name, resource] of Object.entries(cases)) t.same(validate(resource), [], name);
});

t.test('what breaks the structure is refused and named', async (t) => {
  const cases: readonly [string, unknown, string | undefined, RegExp][] = [
    ['null', null, undefined, /JSON object/],
    ['an array', [], undefined, /JSON object/],
    ['no type', {}, 'resourceType', /resource type/],
    ['an unknown type', { resourceType: 'Foo' }, 'resourceType', /resource type/],
    ['a type of Object.prototype', { resourceType: 'constructor' }, 'resourceType', /resource type/],
    ['a data type as resource', { resourceType: 'HumanName' }, 'resourceType', /resource type/],
    ['an abstract type', { resourceType: 'DomainResource' }, 'resourceType', /resource type/],
    ['a type that only Medplum has', { resourceType: 'Bot' }, 'resourceType', /resource type/],
    ['a type of R4B', { resourceType: 'SubscriptionStatus' }, 'resourceType', /resource type/],
    ['an element that only Medplum has', patient({ meta: { project: 'x' } }), 'Patient.meta.project', /not an element of Meta/],
    ['an unknown element', patient({ foo: 1 }), 'Patient.foo', /not an element/],
    ['an unknown nested element', response({ item: [{ linkId: '1', answr: [] }] }), 'QuestionnaireResponse.item[0].answr', /not an element/],
    ['resourceType within an element', patient({ name: [{ resourceType: 'Patient' }] }), 'Patient.name[0].resourceType', /not an element/],
    ['own __proto__', JSON.parse('{"resourceType":"Patient","__proto__":{"x":1}}'), 'Patient', /not an element/],
    ['own constructor', patient({ constructor: 1 }), 'Patient.constructor', /not an element/],
    ['own toString', patient({ name: [{ toString: 'x' }] }), 'Patient.name[0].toString', /not an element/],
    ['a required element missing', { resourceType: 'QuestionnaireResponse' }, 'QuestionnaireResponse.status', /must be there/],
    ['a required nested element missing', response({ item: [{}] }), 'QuestionnaireResponse.item[0].linkId', /must be there/],
    ['a single value as array', patient({ active: [true] }), 'Patient.active', /single value/],
    ['an array as single value', patient({ name: { family: 'x' } }), 'Patient.name', /array/],
    ['an empty array', patient({ name: [] }), 'Patient.name', /empty array/],
    ['an empty object', patient({ name: [{}] }), 'Patient.name[0]', /ele-1/],
    ['an object with an id only', patient({ name: [{ id: 'a' }] }), 'Patient.name[0]', /ele-1/],
    ['an empty string', patient({ name: [{ family: '' }] }), 'Patient.name[0].family', /1 to/],
    ['null', patient({ active: null }), 'Patient.active', /true or false/],
    ['null in an array of objects', patient({ name: [null] }), 'Patient.name[0]', /JSON object/],
    ['null without sibling', patient({ name: [{ given: ['A', null] }] }), 'Patient.name[0].given[1]', /string/],
    ['null on both sides', patient({ name: [{ given: ['A', null], _given: [{ id: 'a' }, null] }] }), 'Patient.name[0].given[1]', /string|value or an extension/],
    ['null with an id only', patient({ name: [{ given: [null], _given: [{ id: 'a' }] }] }), 'Patient.name[0].given[0]', /ele-1/],
    ['a sibling that is not aligned', patient({ name: [{ given: ['A'], _given: [null, null] }] }), 'Patient.name[0].given[1]', /value or an extension/],
    ['a sibling that is no array', patient({ name: [{ given: ['A'], _given: { id: 'x' } }] }), 'Patient.name[0].given', /array/],
    ['a sibling that is no object', patient({ _birthDate: 'x' }), 'Patient.birthDate', /objects/],
    ['an empty sibling', patient({ _birthDate: {} }), 'Patient.birthDate', /ele-1/],
    ['an unknown element in a sibling', patient({ _birthDate: { value: '2024' } }), 'Patient.birthDate.value', /not an element/],
    ['a sibling of an object', patient({ _name: [{ id: 'a' }] }), 'Patient._name', /not an element/],
    ['a sibling of an id', patient({ _id: { id: 'a' } }), 'Patient._id', /not an element/],
    ['two types of one choice', answer({ valueString: 'x', valueInteger: 1 }), 'QuestionnaireResponse.item[0].answer[0].value', /one type/],
    ['two types of one choice, one by sibling', answer({ valueString: 'x', _valueInteger: { id: 'a' } }), 'QuestionnaireResponse.item[0].answer[0].value', /one type/],
    ['a type that the choice does not have', answer({ valueCodeableConcept: concept }), 'QuestionnaireResponse.item[0].answer[0].valueCodeableConcept', /not an element/],
    ['the choice without a type', answer({ value: 'x' }), 'QuestionnaireResponse.item[0].answer[0].value', /not an element/],
    ['a simple quantity with comparator', observation({ referenceRange: [{ low: { value: 1, comparator: '<' } }] }), 'Observation.referenceRange[0].low.comparator', /not an element/],
    ['a string for a number', answer({ valueInteger: '1' }), 'QuestionnaireResponse.item[0].answer[0].value', /JSON number/],
    ['a number for a string', patient({ name: [{ family: 1 }] }), 'Patient.name[0].family', /JSON string/],
    ['a string for an object', patient({ name: ['Amy'] }), 'Patient.name[0]', /JSON object/],
    ['a resource that is not one', bundle({ entry: [{ resource: { resourceType: 'Foo' } }] }), 'Bundle.entry[0].resource.resourceType', /resource type/],
    ['an error in a resource of a bundle', bundle({ entry: [{ resource: patient({ foo: 1 }) }] }), 'Bundle.entry[0].resource.foo', /not an element/],
    ['nesting without end', response({ item: [deep(100)] }), undefined, /deeper than 64/],
  ];
  for (const [name, resource, expression, text] of cases) {
    const issues = validate(resource);
    t.match(issues.map((issue) => `${issue.expression ?? ''} ${issue.text}`).find((each) => text.test(each)) ?? `nothing of the kind in ${JSON.stringify(issues)}`, text, name);
    if (expression !== undefined) t.ok(issues.some((issue) => issue.expression === expression && issue.severity === 'error'), `${name}: ${expression}, got ${JSON.stringify(issues)}`);
  }
  t.same(validate(patient(), 'Task').map(({ expression }) => expression), ['resourceType'], 'the type that was expected');
  t.same(validate(patient(), 'Patient'), []);
});

t.test('values of primitive types', async (t) => {
  const where: Record<string, (value: unknown) => unknown> = {
    id: (id) => patient({ id }),
    date: (birthDate) => patient({ birthDate }),
    dateTime: (authored) => response({ authored }),
    instant: (issued) => observation({ issued }),
    time: (valueTime) => answer({ valueTime }),
    boolean: (active) => patient({ active }),
    integer: (valueInteger) => answer({ valueInteger }),
    decimal: (valueDecimal) => answer({ valueDecimal }),
    positiveInt: (rank) => patient({ telecom: [{ rank }] }),
    unsignedInt: (total) => bundle({ type: 'searchset', total }),
    code: (language) => patient({ language }),
    uri: (implicitRules) => patient({ implicitRules }),
    url: (url) => patient({ photo: [{ url }] }),
    canonical: (questionnaireUrl) => response({ questionnaire: questionnaireUrl }),
    oid: (valueOid) => extension({ valueOid }),
    uuid: (valueUuid) => extension({ valueUuid }),
    base64Binary: (dataText) => ({ resourceType: 'Binary', contentType: 'text/plain', data: dataText }),
    mimetype: (contentType) => ({ resourceType: 'Binary', contentType }),
    string: (family) => patient({ name: [{ family }] }),
  };
  const cases: Record<string, readonly [valid: readonly unknown[], invalid: readonly unknown[]]> = {
    id: [['a', 'A-1.b', 'x'.repeat(64)], ['', 'a/b', 'a_b', 'x'.repeat(65), '..', '.', 'é', 'a b', 'a\n', 1]],
    date: [['2024', '2024-02', '2024-02-29', '2000-02-29'], ['2023-02-29', '1900-02-29', '2024-13', '2024-00', '2024-04-31', '2024-1-1', '24', '0000', '2024-02-29T00:00:00Z', '2024-02-29\n']],
    dateTime: [['2024', '2024-02', '2024-02-29', '2024-02-29T23:59:59Z', '2024-02-29T00:00:00-13:59'], ['2024-02-29T10:00Z', '2024-02-29T10:00:00', '2024-02-29T10Z', '2024-02-29Z', '2024-02-30T10:00:00Z', '2024-02-29T24:00:00Z', '2024-02-29T10:60:00Z', '2024-02-29T10:00:00+15:00', '2024-02-29T10:00:00z', '2024-02-29 10:00:00Z']],
    instant: [['2024-02-29T10:00:00.5Z', '2024-02-29T10:00:00+01:00'], ['2024-02-29', '2024-02-29T10:00:00', '2024-02-30T10:00:00Z']],
    time: [['00:00:00', '23:59:59.9', '10:00:60'], ['24:00:00', '10:00', '10:00:00Z', '1:00:00']],
    boolean: [[true, false], ['true', 1, 0]],
    integer: [[0, -1, 2_147_483_647, -2_147_483_648], [1.5, 2_147_483_648, -2_147_483_649, '1', true]],
    decimal: [[0, 1.5, -0.25], ['1.5', Number.NaN, Number.POSITIVE_INFINITY]],
    positiveInt: [[1, 2_147_483_647], [0, -1, 1.5]],
    unsignedInt: [[0, 7], [-1, 0.5]],
    code: [['en', 'a b'], ['', ' a', 'a ', 'a  b', 'a\n']],
    uri: [['urn:x', 'http://example.org/a?b#c', 'relative'], ['', 'a b', ' http://example.org', 'javascript:alert(1)', 'JavaScript:alert(1)', 'vbscript:x']],
    url: [['https://example.org/', 'mailto:a@example.org'], ['javascript:alert(1)', 'http://a b']],
    canonical: [['http://example.org/Q|1.0', 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520'], ['a b', 'javascript:x', '#missing']],
    oid: [['urn:oid:1.2.3', 'urn:oid:0.1'], ['1.2.3', 'urn:oid:3.1', 'urn:oid:1.02', 'urn:oid:1']],
    uuid: [['urn:uuid:c757873d-ec9a-4326-a141-556f43239520'], ['c757873d-ec9a-4326-a141-556f43239520', 'urn:uuid:c757873d']],
    base64Binary: [['AAAA', 'AAA=', 'AA==', 'AA AA\n'], ['AAA', 'A===', 'AA=A', 'AAA-', '====', ' ']],
    mimetype: [['application/pdf', 'text/html; charset=utf-8', 'application/fhir+json'], ['pdf', 'text/', 'text /html']],
    string: [['x', 'x'.repeat(1_048_576), ' '], ['', 'x'.repeat(1_048_577), 1]],
  };
  for (const [type, [valid, invalid]] of Object.entries(cases)) {
    for (const value of valid) t.same(validate(where[type]?.(value)), [], `${type}: ${String(value).slice(0, 40)}`);
    for (const value of invalid) t.not(validate(where[type]?.(value)).length, 0, `not ${type}: ${String(value).slice(0, 40)}`);
  }
});

t.test('required bindings', async (t) => {
  const refused = (resource: object): string => validate(resource).map(({ code, expression }) => `${code} ${expression}`).join();
  t.equal(refused(patient({ gender: 'woman' })), 'code-invalid Patient.gender');
  t.equal(refused(task({ status: 'banana' })), 'code-invalid Task.status');
  t.equal(refused(task({ intent: 'toString' })), 'code-invalid Task.intent');
  t.equal(refused(condition(clinical('well'))), 'code-invalid Condition.clinicalStatus');
  t.equal(refused(condition({ clinicalStatus: { coding: [{ code: 'active' }] } })), 'code-invalid Condition.clinicalStatus', 'the system counts');
  t.equal(refused(condition({ clinicalStatus: { text: 'active' } })), 'code-invalid Condition.clinicalStatus', 'text does not do');
  t.match(validate(patient({ gender: 'woman' }))[0]?.text, /"male", "female", "other", "unknown"/, 'the message says what would be right');
});

t.test('references', async (t) => {
  const refused = (reference: object, rest: object = {}): string => validate(goal({ subject: reference, ...rest })).map(({ expression }) => expression).join();
  for (const reference of ['Foo/1', 'Patient', 'Patient/', 'patient/1', 'Patient/a b', 'Patient/1/x', 'Patient/1/_history', 'Patient/..', 'javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'http://', '//example.org/Patient/1',
    'urn:uuid:1', 'urn:oid:x', 'Patient?identifier=x', '', '../Patient/1', 'Patient/1#x']) {
    t.equal(refused({ reference }), 'Goal.subject.reference', reference);
  }
  t.equal(refused({ reference: 'Practitioner/1' }), 'Goal.subject.reference', 'a type that the element does not allow');
  t.equal(refused({ reference: 'http://example.org/fhir/Practitioner/1' }), 'Goal.subject.reference', 'in an absolute URL as well');
  t.equal(refused({ type: 'Practitioner', display: 'x' }), 'Goal.subject.type');
  t.equal(refused({ reference: 'Patient/1', type: 'Group' }), 'Goal.subject.type', 'type and reference differ');
  t.equal(refused({ reference: 'Patient/1', type: 'Foo' }), 'Goal.subject.type');
  t.equal(refused({ reference: '#p' }), 'Goal.subject', 'nothing contained');
  t.equal(refused({ reference: '#' }), 'Goal.subject', 'only a contained resource has a container');
});

t.test('contained resources', async (t) => {
  const keys = (contained: object[], rest: object = { managingOrganization: { reference: '#o' } }): string => validate(patient({ contained, ...rest }))
    .map(({ text, expression }) => `${expression} ${/\(([\w-]+)\)/.exec(text)?.[1] ?? text}`).join();
  t.equal(keys([organization]), '');
  t.equal(keys([organization], {}), 'Patient.contained[0] dom-3');
  t.equal(keys([{ ...organization, contained: [organization] }]), 'Patient.contained[0].contained dom-2');
  t.equal(keys([{ ...organization, meta: { versionId: '1' } }]), 'Patient.contained[0].meta dom-4');
  t.equal(keys([{ ...organization, meta: { security: [{ code: 'R' }] } }]), 'Patient.contained[0].meta dom-5');
  t.equal(keys([organization, organization]), 'Patient.contained[1].id The ids of contained resources must differ.');
  t.equal(keys([{ id: 'o', name: 'x' }]).split(',')[0], 'Patient.contained[0].resourceType resourceType must name a resource type of FHIR R4.');
  t.equal(keys([{ ...organization, foo: 1 }]), 'Patient.contained[0].foo foo is not an element of Organization.');
  t.match(validate(bundle({ entry: [{ resource: patient({ managingOrganization: { reference: '#o' } }) }, { resource: { ...organization, contained: [{ ...organization, id: 'p' }], partOf: { reference: '#p' } } }] })),
    [{ expression: 'Bundle.entry[0].resource.managingOrganization' }], 'each entry has its own');
});

t.test('narrative is basic XHTML without anything active', async (t) => {
  const bad: readonly string[] = [
    '<script>alert(1)</script>', '<SCRIPT>x</SCRIPT>', '<p onclick="x()">x</p>', '<img src="x" onerror="x()"/>', '<iframe src="https://example.org"/>', '<object data="x"/>', '<embed src="x"/>',
    '<form action="x"><input name="a"/></form>', '<style>p{}</style>', '<link href="x"/>', '<base href="x"/>', '<meta content="x"/>', '<svg><p>x</p></svg>', '<math>x</math>', '<a href="javascript:x">x</a>',
    '<a href="java&#10;script:x">x</a>', '<a href="&#106;avascript:x">x</a>', '<a href="javascript&colon;x">x</a>', '<a href=" javascript:x">x</a>', '<a href="vbscript:x">x</a>', '<a href="data:text/html,x">x</a>',
    '<img src="data:image/svg+xml;base64,AAAA"/>', '<img src="javascript:x"/>', '<p style="background:url(javascript:x)">x</p>', '<p style="width:expression(x)">x</p>', '<p style="behavior:url(x)">x</p>',
    '<p style="@import \'x\'">x</p>', '<p style="ba\\63kground:red">x</p>', '<p style="back/**/ground:red">x</p>', '<p>x', '<p>x</b></p>', '</p>', '<p class=x>x</p>', '<p class="a" class="b">x</p>', '<p title="<">x</p>',
    'a & b', 'a &amp b', 'a &unknown; b', '<p title="&nope;">x</p>', '&Colon;', '&NewLine;x', '&constructor;', '<![CDATA[x]]>', '<?php x ?>', '<!DOCTYPE x>', '<!-- -- -->', '<!-- x', '<p', '<', '<p/ onclick="x">', '<p xmlns="http://www.w3.org/2000/svg">x</p>', '<x:p>x</x:p>', '', '  ', '<p> &#32; </p>', '<br/>', '<!-- only -->',
  ];
  for (const body of bad) t.match(validate(patient({ text: xhtml(body) })), [{ expression: 'Patient.text.div' }], body);
  for (const div of ['x', '<p xmlns="http://www.w3.org/1999/xhtml">x</p>', '<div>x</div>', '<div xmlns="http://www.w3.org/1999/xhtml">x</div><div>y</div>', '<div xmlns="http://www.w3.org/1999/xhtml">x</div>y', '<!-- x --><div xmlns="http://www.w3.org/1999/xhtml">x</div>']) {
    t.match(validate(patient({ text: { status: 'generated', div } })), [{ expression: 'Patient.text.div' }], div);
  }
});

t.test('constraints', async (t) => {
  const broken: Record<string, readonly object[]> = {
    'ext-1': [extension({}), extension({ valueString: 'x', extension: [{ url: 'http://example.org/y', valueString: 'x' }] }), patient({ _birthDate: { extension: [{ url: 'http://example.org/y' }] } })],
    'per-1': [patient({ name: [{ period: { start: '2026-02', end: '2026-01' } }] }), patient({ name: [{ period: { start: '2026-01-01T10:00:00Z', end: '2026-01-01T10:30:00+01:00' } }] })],
    'cpt-2': [patient({ telecom: [{ value: 'x' }] })],
    'qty-3': [observation({ valueQuantity: { value: 1, code: 'kg' } })],
    'rat-1': [observation({ valueRatio: { numerator: { value: 1 } } }), observation({ valueRatio: { id: 'a', denominator: { value: 1 } } })],
    'rng-2': [observation({ valueRange: { low: { value: 2 }, high: { value: 1 } } })],
    'att-1': [patient({ photo: [{ data: 'AAAA' }] })],
    'age-1': [condition({ ...clinical('active'), onsetAge: { value: 0, code: 'a', system: 'http://unitsofmeasure.org' } }), condition({ ...clinical('active'), onsetAge: { value: 3 } })],
    'drt-1': [timing({ boundsDuration: { code: 'wk', system: 'http://unitsofmeasure.org' } })],
    'exp-1': [activityDefinition({ dynamicValue: [{ path: 'x', expression: { language: 'text/cql' } }] })],
    'tim-1': [timing({ duration: 1 })], 'tim-2': [timing({ period: 1 })], 'tim-4': [timing({ duration: -1, durationUnit: 'h' })], 'tim-5': [timing({ period: -1, periodUnit: 'd' })],
    'tim-6': [timing({ periodMax: 1 })], 'tim-7': [timing({ durationMax: 1 })], 'tim-8': [timing({ countMax: 1 })], 'tim-9': [timing({ offset: 1 }), timing({ offset: 1, when: ['CM'] })], 'tim-10': [timing({ timeOfDay: ['10:00:00'], when: ['MORN'] })],
    'obs-3': [observation({ referenceRange: [{ type: concept }] })],
    'obs-6': [observation({ valueInteger: 1, dataAbsentReason: concept })],
    'obs-7': [observation({ code: { coding: [{ system: 'a', code: 'b' }] }, valueInteger: 1, component: [{ code: { coding: [{ system: 'a', code: 'b' }] }, valueInteger: 1 }] })],
    'qrs-1': [response({ item: [{ linkId: '1', item: [{ linkId: '2' }], answer: [{ valueString: 'x' }] }] })],
    'gol-1': [goal({ target: [{ detailInteger: 1 }] })],
    'inv-1': [task({ authoredOn: '2026-02-01', lastModified: '2026-01-01' }), parameters({ name: 'a' }), parameters({ name: 'a', valueString: 'x', resource: patient() })],
    'pat-1': [patient({ contact: [{ gender: 'male' }] })],
    'app-1': [appointment({}, { status: 'accepted' })], 'app-2': [appointment({ start: '2026-01-01T10:00:00Z' })], 'app-3': [appointment({ status: 'booked' })], 'app-4': [appointment({ cancelationReason: concept })],
    'con-1': [condition({ ...clinical('active'), stage: [{ type: concept }] })], 'con-2': [condition({ ...clinical('active'), evidence: [{ id: 'a', extension: [{ url: 'http://example.org/x', valueString: 'x' }] }] })],
    'con-4': [condition({ ...clinical('active'), abatementDateTime: '2026' })], 'con-5': [condition({ ...clinical('active'), verificationStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: 'entered-in-error' }] } })],
    'ppc-1': [{ resourceType: 'Consent', status: 'active', scope: concept, category: [concept] }], 'ppc-2': [consent({ scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] } })],
    'cpl-3': [{ resourceType: 'CarePlan', status: 'active', intent: 'plan', subject: { reference: 'Patient/1' }, activity: [{ reference: { reference: 'Task/1' }, detail: { status: 'scheduled' } }] }],
    'ctm-1': [{ resourceType: 'CareTeam', participant: [{ member: { reference: 'Patient/1' }, onBehalfOf: { reference: 'Organization/1' } }] }],
    'grp-1': [{ resourceType: 'Group', type: 'person', actual: false, member: [{ entity: { reference: 'Patient/1' } }] }],
    'lst-1': [list({ emptyReason: concept, entry: [{ item: { reference: 'Task/1' } }] })], 'lst-2': [list({ entry: [{ deleted: true, item: { reference: 'Task/1' } }] })], 'lst-3': [list({ mode: 'snapshot', entry: [{ date: '2026', item: { reference: 'Task/1' } }] })],
    'org-1': [{ resourceType: 'Organization', active: true }], 'org-2': [{ ...organization, address: [{ use: 'home' }] }], 'org-3': [{ ...organization, telecom: [{ use: 'home', system: 'phone', value: '1' }] }],
    'prr-1': [{ resourceType: 'ServiceRequest', status: 'active', intent: 'order', subject: { reference: 'Patient/1' }, orderDetail: [concept] }],
    'ras-1': [{ resourceType: 'RiskAssessment', status: 'final', subject: { reference: 'Patient/1' }, prediction: [{ probabilityRange: { low: { value: 1 } } }] }],
    'ras-2': [{ resourceType: 'RiskAssessment', status: 'final', subject: { reference: 'Patient/1' }, prediction: [{ probabilityDecimal: 100.5 }] }],
    'que-1': [questionnaire({ linkId: '1', type: 'group' }), questionnaire({ linkId: '1', type: 'display', item: [{ linkId: '2', type: 'string' }] })],
    'que-2': [questionnaire({ linkId: '1', type: 'group', item: [{ linkId: '1', type: 'string' }] })], 'que-3': [questionnaire({ linkId: '1', type: 'display', code: [{ code: 'x' }] })],
    'que-4': [questionnaire({ linkId: '1', type: 'choice', answerValueSet: 'http://example.org', answerOption: [{ valueString: 'x' }] })], 'que-5': [questionnaire({ linkId: '1', type: 'boolean', answerOption: [{ valueString: 'x' }] })],
    'que-6': [questionnaire({ linkId: '1', type: 'display', required: false })], 'que-7': [questionnaire({ linkId: '1', type: 'string', enableWhen: [{ question: '2', operator: 'exists', answerString: 'x' }] })],
    'que-8': [questionnaire({ linkId: '1', type: 'display', initial: [{ valueString: 'x' }] })], 'que-9': [questionnaire({ linkId: '1', type: 'display', readOnly: true })], 'que-10': [questionnaire({ linkId: '1', type: 'date', maxLength: 3 })],
    'que-11': [questionnaire({ linkId: '1', type: 'choice', initial: [{ valueString: 'x' }], answerOption: [{ valueString: 'x' }] })], 'que-13': [questionnaire({ linkId: '1', type: 'string', initial: [{ valueString: 'x' }, { valueString: 'y' }] })],
    'que-12': [questionnaire({ linkId: '1', type: 'string', enableWhen: ['2', '3'].map((question) => ({ question, operator: 'exists', answerBoolean: true })) })],
    'bdl-1': [bundle({ total: 1 })], 'bdl-2': [bundle({ entry: [{ resource: patient(), search: { mode: 'match' } }] })], 'bdl-3': [bundle({ type: 'batch', entry: [{ resource: patient() }] }), bundle({ entry: [{ request: { method: 'GET', url: 'x' } }] })],
    'bdl-4': [bundle({ type: 'batch-response', entry: [{ resource: patient() }] })], 'bdl-5': [bundle({ entry: [{ fullUrl: 'urn:x' }] })], 'bdl-7': [bundle({ entry: [{ fullUrl: 'urn:x', resource: patient() }, { fullUrl: 'urn:x', resource: patient() }] })],
    'bdl-8': [bundle({ entry: [{ fullUrl: 'http://example.org/Patient/1/_history/1', resource: patient() }] })], 'bdl-9': [bundle({ type: 'document' })], 'bdl-10': [bundle({ type: 'document' })], 'bdl-11': [bundle({ type: 'document' })], 'bdl-12': [bundle({ type: 'message' })],
    'vsd-1': [valueSet({ compose: { include: [{ version: '1' }] } })], 'vsd-2': [valueSet({ compose: { include: [{ valueSet: ['http://example.org'], concept: [{ code: 'x' }] }] } })],
    'vsd-3': [valueSet({ compose: { include: [{ system: 'http://example.org', concept: [{ code: 'x' }], filter: [{ property: 'a', op: '=', value: 'b' }] }] } })],
    'vsd-6': [valueSet({ expansion: { timestamp: '2026', contains: [{ abstract: true }] } })], 'vsd-9': [valueSet({ expansion: { timestamp: '2026', contains: [{ display: 'x' }] } })], 'vsd-10': [valueSet({ expansion: { timestamp: '2026', contains: [{ code: 'x' }] } })],
    'csd-1': [{ resourceType: 'CodeSystem', status: 'draft', content: 'complete', concept: [{ code: 'a', concept: [{ code: 'a' }] }] }],
    'spd-2': [{ resourceType: 'SearchParameter', url: 'http://example.org', name: 'x', status: 'draft', description: 'x', code: 'x', base: ['Task'], type: 'token', chain: ['x'] }],
    'sev-1': [{ resourceType: 'AuditEvent', type: { code: 'x' }, recorded: '2026-01-01T00:00:00Z', agent: [{ requestor: true }], source: { observer: { display: 'x' } }, entity: [{ name: 'x', query: 'AAAA' }] }],
    'mrp-1': [{ resourceType: 'MeasureReport', status: 'complete', type: 'data-collection', measure: 'http://example.org', period: { start: '2026' }, group: [{ code: concept }] }],
  };
  for (const [key, resources] of Object.entries(broken)) {
    for (const resource of resources) t.ok(validate(resource).some(({ text, code }) => code === 'invariant' && text.includes(`(${key})`)), `${key}: ${JSON.stringify(validate(resource))}`);
  }
});

t.test('every constraint of severity error of the served types is held, or listed with the reason', async (t) => {
  const types = new Map<string, { base?: string; constraints?: string[]; elements: string[] }>(Object.entries(structures.types));
  const wanted = new Set<string>();
  const visited = new Set<string>();
  const visit = (path: string): void => {
    const node = types.get(path);
    if (node === undefined || visited.has(path)) return;
    visited.add(path);
    const type = path.split('.')[0] ?? '';
    for (const key of node.constraints ?? []) wanted.add(`${type}.${key}`);
    if (node.base !== undefined) visit(node.base);
    for (const line of node.elements) {
      const [, , names = '', ...marks] = line.split(' ');
      for (const mark of marks) if (mark.startsWith('!')) wanted.add(`${type}.${mark.slice(1)}`);
      for (const name of names.split('|')) visit(name.replace(/^#/, '').replace(/\(.*/, ''));
    }
  };
  for (const type of [...servedTypes, 'Bundle', 'Parameters', 'OperationOutcome', 'CapabilityStatement']) visit(type);
  t.ok(wanted.size > 150, `${wanted.size} constraints`);
  t.same([...wanted].filter((key) => !invariants.has(key) && !heldElsewhere.has(key)), [], 'none is left out');
  t.same([...invariants.keys()].filter((key) => !wanted.has(key)), [], 'none is held that is not in the structures');
  t.same([...heldElsewhere.keys()].filter((key) => !wanted.has(key) && key !== 'Reference.ref-1').length, 0, 'the list names constraints that exist');
  t.ok(servedTypes.every((type) => resourceTypes.has(type)));
});

t.test('the committed structures and value sets are what the definitions give', async (t) => {
  const texts = await validationTexts();
  for (const [name, text] of [['structures.json', texts.structures], ['value-sets.json', texts.valueSets]] as const) {
    t.ok(text === readFileSync(new URL(`../../schemas/r4/${name}`, import.meta.url), 'utf8'), `${name}: run "npm run definitions"`);
    t.notMatch(text, /medplum\.com/);
  }
});

t.test('examples of HL7 are accepted', async (t) => {
  for (const folder of ['r4/', 'us-core/']) {
    for (const name of readdirSync(new URL(folder, data)).filter((each) => each.endsWith('.json'))) t.same(validate(example(folder + name)), [], name);
  }
});

t.test('issues repeat nothing that stands in the resource', async (t) => {
  const secret = 'Amy Shaw was here';
  const issues = validate({ resourceType: 'Patient', id: secret, gender: secret, birthDate: secret, [secret]: secret, telecom: [{ system: secret, value: secret, [`_${secret}`]: 1 }], managingOrganization: { reference: secret, type: secret } });
  t.ok(issues.length >= 6);
  t.notMatch(JSON.stringify(issues), /Amy|Shaw/);
});

t.test('validate is total and bounded', async (t) => {
  const types = fc.constantFrom(...servedTypes, 'Bundle', 'Parameters');
  const names = fc.constantFrom('id', 'meta', 'text', 'contained', 'extension', 'item', 'answer', 'valueString', '_valueString', 'valueReference', 'reference', 'status', 'subject', 'entry', 'resource', 'resourceType', 'code', 'coding', 'div', '__proto__');
  const tree = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('#', '#a', 'Patient/1', '2024', 'final', '<div'), types, fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(names, tie('value'), { maxKeys: 5 })),
  })).value;
  fc.assert(fc.property(tree, types, (value, resourceType) => {
    for (const resource of [value, { ...(value as object), resourceType }]) {
      if (!Array.isArray(validate(resource))) return false;
    }
    return true;
  }), { numRuns: 2000 });
  t.pass('it answers whatever it gets');

  const cycle: { resourceType: string; status: string; item: object[] } = { resourceType: 'QuestionnaireResponse', status: 'completed', item: [] };
  cycle.item.push({ linkId: '1', item: cycle.item });
  t.match(validate(cycle).at(-1), { code: 'too-costly' }, 'even a cycle');
  t.equal(validate(patient({ name: Array.from({ length: 5000 }, () => ({ family: 1 })) })).length, 100, 'a hundred issues are enough');
  t.match(validate(patient({ name: Array.from({ length: 210_000 }, () => ({ family: 'x' })) })), [{ code: 'too-costly' }], 'elements are counted');
});

t.test('the fast pass over a PHQ-9 response stays within its budget', async (t) => {
  const phq9 = example('us-core/QuestionnaireResponse-phq-9-example.json');
  for (let index = 0; index < 10_000; index++) validate(phq9);
  const started = process.cpuUsage();
  for (let index = 0; index < 10_000; index++) validate(phq9);
  const { user, system } = process.cpuUsage(started);
  const micros = (user + system) / 10_000;
  t.comment(`${micros.toFixed(1)} µs`);
  t.ok(micros < 40, 'a quarter of the speed measured on a quiet machine is enough here');
});
