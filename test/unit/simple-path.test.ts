import fc from 'fast-check';
import t from 'tap';
import { openAt, putAt } from '../../src/fhir/element-path.ts';
import { evaluate, resourceValue, UnsupportedExpression } from '../../src/fhir/simple-path.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { shifted } from '../../src/resources/populate-links.ts';

const patient = {
  resourceType: 'Patient', birthDate: '1990-05-17', active: true,
  name: [{ use: 'old', family: 'Former', given: ['A'] }, { use: 'official', family: 'Example', given: ['Ann', 'Lou'] }],
  contact: [{ name: { text: 'Nia' } }], multipleBirthInteger: 2,
};
const observation = { resourceType: 'Observation', valueQuantity: { value: 7.5, unit: 'h' } };
const bundle = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: patient }, { resource: observation }] };
const names = new Map([['patient', [resourceValue(patient)]], ['o', [resourceValue(observation)]], ['b', [resourceValue(bundle)]], ['none', []]]);
const environment = { names, now: '2026-05-31T10:00:00.000000Z' };
const values = (expression: string): unknown[] => evaluate(expression, environment).map(({ value }) => value);

t.test('simple paths give what FHIRPath gives', async (t) => {
  const rows: [string, unknown[]][] = [
    ['%patient.name.given', ['A', 'Ann', 'Lou']], ['%patient.name.given.first()', ['A']], ['%patient.name.last().given[1]', ['Lou']], ['%patient.name[9]', []],
    ["%patient.name.where(use = 'official').family", ['Example']], ["%patient.name.where(use != 'official').family", ['Former']], ['%patient.name.where(given.count() = 2).family', ['Example']],
    ['%patient.name.exists()', [true]], ['%patient.photo.exists()', [false]], ['%patient.photo.empty()', [true]], ['%patient.active.not()', [false]], ['%patient.name.count()', [2]],
    ['%patient.multipleBirth', [2]], ['%patient.multipleBirth.ofType(boolean)', []], ['%patient.contact.name.text', ['Nia']],
    ['%o.value.ofType(Quantity).unit', ['h']], ['%o.value.value', [7.5]], ['%b.entry.resource.ofType(Patient).birthDate', ['1990-05-17']],
    ["%patient.birthDate = '1990-05-17'", [true]], ['%none = 1', []], ['today()', ['2026-05-31']], ['now()', ['2026-05-31T10:00:00.000000Z']], ["'it\\'s'", ["it's"]], ['true', [true]], ['-3', [-3]],
    [" %patient . name [ 1 ] . family ", ['Example']],
  ];
  for (const [expression, expected] of rows) t.same(values(expression), expected, expression);
  t.same(evaluate('Patient.birthDate', { ...environment, focus: [resourceValue(patient)] }), [{ type: 'date', value: '1990-05-17' }], 'from the focus by its type');
});

function isRefused(expression: string): boolean {
  try {
    evaluate(expression, environment);
    return false;
  } catch (error) {
    return error instanceof UnsupportedExpression;
  }
}

t.test('anything else is refused and never empty', async (t) => {
  for (const expression of [
    '', '%', '%unknown', '%patient.nothing', '%patient.birthDate.year', '%patient.name.given.toString()', '%patient.name | %patient.contact', 'today() - 18 years', '%patient.name.select(given)', 'iif(true, 1, 2)',
    '%patient.name.where(', "%patient.name.where('x'", '%patient.name[', '%patient.name[-1]', "'open", '1 + 1', '%patient.birthDate > today()', 'Patient.name', 'name', '%patient.__proto__', '%patient.constructor', '%patient.name = %patient.name',
    `%patient${'.name'.repeat(300)}`, `${'%patient.name.where('.repeat(9)}true${')'.repeat(9)}`, '%patient.not()',
  ]) t.ok(isRefused(expression), expression.slice(0, 60));
});

t.test('an expression cannot keep a request busy', async (t) => {
  const many = new Map([['b', [resourceValue({ resourceType: 'Bundle', entry: Array.from({ length: 5000 }, () => ({ resource: patient })) } as Resource)]]]);
  const started = performance.now();
  t.throws(() => evaluate('%b.entry.where(%b.entry.where(%b.entry.exists()).exists())', { names: many, now: environment.now }), /too many/);
  t.ok(performance.now() - started < 2000);
});

t.test('any text is evaluated or refused, nothing else happens', async (t) => {
  const token = fc.constantFrom('%patient', '%b', '.', 'name', 'given', '[', ']', '0', '1', '(', ')', 'where', 'first', 'exists', '=', '!=', "'x'", "'", 'today()', 'now', ' ', '%', 'entry', 'resource', 'ofType', 'Patient', '\\', '-', 'true');
  fc.assert(fc.property(fc.oneof(fc.array(token, { maxLength: 30 }).map((parts) => parts.join('')), fc.string({ maxLength: 60 })), (expression) => {
    try {
      return Array.isArray(evaluate(expression, environment));
    } catch (error) {
      return error instanceof UnsupportedExpression;
    }
  }), { numRuns: 3000 });
  t.pass();
});

t.test('a value goes to the element of a path where its type fits', async (t) => {
  const made = (path: string, type: string, value: unknown, resource: Resource = { resourceType: path.split('.')[0]! }): unknown => putAt(resource, path, { type, value }) ?? resource;
  t.same(made('Patient.name.given', 'string', 'Ann'), { resourceType: 'Patient', name: [{ given: ['Ann'] }] });
  t.same(made('Patient.birthDate', 'dateTime', '1990-05-17T10:00:00Z'), { resourceType: 'Patient', birthDate: '1990-05-17' });
  t.same(made('Observation.value[x]', 'Quantity', { value: 1 }), { resourceType: 'Observation', valueQuantity: { value: 1 } });
  t.same(made('Observation.code', 'Coding', { code: 'a' }), { resourceType: 'Observation', code: { coding: [{ code: 'a' }] } });
  t.same(made('Task.restriction.repetitions', 'integer', 3), { resourceType: 'Task', restriction: { repetitions: 3 } });
  t.same(made('Patient.gender', 'Coding', { code: 'other' }), { resourceType: 'Patient', gender: 'other' });
  for (const [path, type, value] of [['Patient.nothing', 'string', 'x'], ['Patient.active', 'string', 'x'], ['Patient.birthDate.x', 'string', 'x'], ['Patient.__proto__.polluted', 'string', 'x'], ['Patient', 'string', 'x'], ['Patient.contained.id', 'string', 'x']] as const) {
    t.type(putAt({ resourceType: 'Patient' }, path, { type, value }), 'string', path);
  }
  t.type(putAt({ resourceType: 'Patient', birthDate: '1990' }, 'Patient.birthDate', { type: 'date', value: '1991' }), 'string', 'a second value');
  t.notOk('polluted' in {});
  const resource: Resource = { resourceType: 'Patient' };
  const first = openAt(resource, 'Patient.contact', new Map())!;
  openAt(resource, 'Patient.contact', new Map());
  putAt(resource, 'Patient.contact.gender', { type: 'code', value: 'male' }, new Map([['Patient.contact', first]]));
  t.same(resource, { resourceType: 'Patient', contact: [{ gender: 'male' }, {}] });
});

t.test('a duration from an instant goes by the calendar for months and years', async (t) => {
  const rows: [number, string, 1 | -1, string | undefined][] = [
    [1, 'mo', 1, '2026-06-30T10:00:00.000Z'], [3, 'mo', -1, '2026-02-28T10:00:00.000Z'], [1, 'a', -1, '2025-05-31T10:00:00.000Z'], [2, 'wk', 1, '2026-06-14T10:00:00.000Z'], [1.5, 'd', -1, '2026-05-29T22:00:00.000Z'],
    [1.5, 'mo', 1, undefined], [1, 'constructor', 1, undefined], [-1, 'd', 1, undefined], [9e9, 'a', 1, undefined],
  ];
  for (const [value, code, sign, expected] of rows) t.equal(shifted(environment.now, { value, code }, sign), expected, `${value} ${code}`);
});
