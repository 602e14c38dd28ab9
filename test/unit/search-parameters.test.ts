import { readFile, readdir } from 'node:fs/promises';
import { evalFhirPath, indexStructureDefinitionBundle } from '@medplum/core';
import type { Bundle, StructureDefinition } from '@medplum/fhirtypes';
import t from 'tap';
import { readDefinitions } from '../../src/commands/definitions/package-files.ts';
import { expressionPaths } from '../../src/commands/definitions/expression-paths.ts';
import { searchParametersText } from '../../src/commands/definitions/search-parameters.ts';
import { StructureElements } from '../../src/commands/definitions/structure-elements.ts';
import { canonicalBase } from '../../src/fhir/canonical.ts';
import { indexRows } from '../../src/fhir/extract.ts';
import { compilePath } from '../../src/fhir/paths.ts';
import { hash64, searchParameter, searchParameters, tupleNumber } from '../../src/fhir/search-parameters.ts';
import type { SearchParameter, Step } from '../../src/fhir/search-parameters.ts';
import { servedType, servedTypes } from '../../src/fhir/types.ts';

const all = servedTypes.flatMap((type) => searchParameters(type));
const name = ({ base, code }: SearchParameter): string => `${base}.${code}`;
const get = (type: string, code: string): SearchParameter => {
  const found = searchParameter(type, code);
  if (found === undefined) throw new Error(`${type} has no parameter ${code}`);
  return found;
};

t.test('no two parameters of the service have the same number', async (t) => {
  t.ok(all.length > 900);
  t.equal(new Set(all.map(({ number }) => number)).size, all.length);
  t.ok(all.every(({ number }) => Number.isInteger(number) && number >= -(2 ** 31) && number < 2 ** 31));
  t.equal(get('Observation', 'code').number, -1499930192, 'a number never changes: stored rows carry it');
});

t.test('the committed definitions are what the command writes from R4 and schemas/search-parameters', async (t) => {
  const committed = await readFile(new URL('../../schemas/r4/search-parameters.json', import.meta.url), 'utf8');
  t.ok(committed === await searchParametersText(), 'run "npm run definitions"');
});

t.test('the parameters of the four main types are those of R4 and the ones published here', async (t) => {
  const own = (type: string): string => searchParameters(type).filter(({ common }) => !common).map(({ code }) => code).join(' ');
  t.equal(own('Task'), 'authored-on based-on business-status code due encounter focus group-identifier identifier instantiates intent modified owner part-of patient performer period priority requester status subject');
  t.equal(own('QuestionnaireResponse'), 'author authored based-on encounter episode identifier part-of patient questionnaire source status subject');
  t.equal(own('Goal'), 'achievement-status category description expressed-by identifier lifecycle-status outcome patient start-date subject target-date target-measure');
  t.equal(searchParameters('Observation').filter(({ common }) => !common).length, 39);
  t.equal(own('ServiceRequest').split(' ').includes('order-detail'), false, 'what the source adds to R4 is left out');
  t.strictSame(searchParameters('Task').filter(({ common }) => common).map(({ code }) => code), ['_id', '_lastUpdated', '_profile', '_security', '_source', '_tag']);
});

t.test('a type or code that is not known has no parameter', async (t) => {
  t.equal(searchParameter('Task', 'colour'), undefined);
  t.equal(searchParameter('Task', 'constructor'), undefined);
  t.equal(searchParameter('Basic', '_id'), undefined);
  t.equal(searchParameter('Resource', '_id'), undefined);
  t.strictSame(searchParameters('Basic'), []);
});

t.test('the parameters published here are valid data files under the canonical base and are all in the registry', async (t) => {
  const folder = new URL('../../schemas/search-parameters/', import.meta.url);
  for (const file of (await readdir(folder)).filter((each) => each.endsWith('.json'))) {
    const resource = JSON.parse(await readFile(new URL(file, folder), 'utf8')) as { id: string; url: string; code: string; base: string[] };
    t.equal(resource.url, `${canonicalBase}/SearchParameter/${resource.id}`);
    t.equal(file, `${resource.id}.json`);
    for (const base of resource.base) t.equal(searchParameter(base, resource.code)?.url, resource.url, `${base}.${resource.code}`);
  }
});

t.test('a column serves what types.json names, and only what is single', async (t) => {
  const columns = (type: string): Record<string, string | undefined> =>
    Object.fromEntries(searchParameters(type).filter(({ column }) => column !== undefined).map(({ code, column }) => [code, column]));
  const every = { _id: 'id', _lastUpdated: 'lastUpdated' };
  t.strictSame(columns('Task'), { ...every, 'authored-on': 'date', patient: 'patient', status: 'status', subject: 'patient' });
  t.strictSame(columns('Goal'), { ...every, 'lifecycle-status': 'status', patient: 'patient', 'start-date': 'date', subject: 'patient' });
  t.strictSame(columns('Flag'), { ...every, date: 'date', patient: 'patient', status: 'status', subject: 'patient' });
  t.strictSame(columns('Appointment'), { ...every, date: 'date', status: 'status' }, 'an appointment may have several patients');
  t.strictSame(columns('Provenance'), { ...every, recorded: 'date' }, 'a provenance may have several targets');
  t.strictSame(columns('Patient'), { ...every, birthdate: 'date' });
  for (const type of servedTypes) {
    const date = servedType(type)?.date;
    if (date !== undefined) t.equal(searchParameter(type, date)?.column, 'date', `${type}.${date}`);
  }
  t.ok(all.filter(({ column, common }) => column !== undefined && !common).every(({ paths }) => paths.every(({ many }) => many !== true)));
});

t.test('a parameter that others cover has no rows of its own', async (t) => {
  t.strictSame(get('Observation', 'combo-code').union, ['code', 'component-code']);
  t.strictSame(get('Observation', 'combo-value-quantity').union, ['component-value-quantity', 'value-quantity']);
  t.strictSame(get('Observation', 'combo-code-value-quantity').union, ['code-value-quantity', 'component-code-value-quantity']);
  t.strictSame(get('Patient', 'phonetic').union, ['name']);
  t.strictSame(get('CodeSystem', 'system').union, ['url']);
  for (const parameter of all) {
    for (const code of parameter.union ?? []) t.equal(get(parameter.base, code).union, undefined, `${name(parameter)} -> ${code}`);
  }
});

t.test('composites name their components, also where R4 interchanges the definitions', async (t) => {
  t.strictSame(get('Observation', 'code-value-quantity').components?.map(({ code, type }) => [code, type]), [['code', 'token'], ['value-quantity', 'quantity']]);
  t.strictSame(get('Observation', 'code-value-date').components?.[1]?.paths.map(({ steps }) => steps), [['valueDateTime'], ['valuePeriod']]);
  t.strictSame(get('DocumentReference', 'relationship').components?.map(({ code, type }) => [code, type]), [['relation', 'token'], ['relatesto', 'reference']]);
  t.ok(all.filter(({ type }) => type === 'composite').every(({ base, components }) => components?.every(({ code }) => searchParameter(base, code) !== undefined)));
});

t.test('targets and implied code systems are known', async (t) => {
  t.strictSame(get('Goal', 'expressed-by').targets, ['Patient', 'Practitioner', 'PractitionerRole', 'RelatedPerson']);
  t.ok(get('Task', 'focus').targets.includes('QuestionnaireResponse'), 'any type');
  t.notOk(get('MeasureReport', 'subject').targets.includes('Organization'), 'R4 has it without Organization');
  t.equal(get('Patient', 'gender').system, 'http://hl7.org/fhir/administrative-gender');
  t.equal(get('Task', 'code').system, undefined);
});

t.test('hash64 and tupleNumber tell values apart and stay the same', async (t) => {
  t.equal(hash64('http://loinc.org'), -4546576224293134562n);
  const single = get('Observation', 'code-value-quantity');
  const repeated = get('Observation', 'component-code-value-quantity');
  t.equal(tupleNumber(single, 'a', 1n), tupleNumber(single, 'a'), 'the token of the resource itself decides the system');
  t.not(tupleNumber(repeated, 'a', 1n), tupleNumber(repeated, 'a'));
  t.not(tupleNumber(repeated, 'a', 1n), tupleNumber(repeated, 'a', 2n));
  t.not(tupleNumber(single, 'a'), tupleNumber(repeated, 'a'));
  t.equal(tupleNumber(single, 'x'.repeat(5000)), tupleNumber(single, 'x'.repeat(5000)));
});

const samples: Readonly<Record<string, unknown>> = {
  boolean: true, decimal: 0.5, integer: 1, Period: { start: '2026-01-01' }, Timing: { event: ['2026-01-01'] },
  date: '2026-01-01', dateTime: '2026-01-01', instant: '2026-01-01T00:00:00Z', Reference: { reference: 'Basic/1' },
  Coding: { code: 'a' }, CodeableConcept: { coding: [{ code: 'a' }] }, Identifier: { value: 'a' }, ContactPoint: { value: 'a' },
  HumanName: { family: 'a' }, Address: { city: 'a' }, Quantity: { value: 1 }, Age: { value: 1 }, Duration: { value: 1 }, Range: { low: { value: 1 } }, Money: { value: 1 },
};

function put(steps: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  const inner = put(rest, value);
  if (typeof step === 'string') return { [step]: inner };
  if ('where' in step) return { ...(inner as object), ...step.where };
  if ('resolves' in step) return { ...(inner as object), reference: `${step.resolves}/1` };
  throw new Error('a tested presence has no sample');
}

t.test('every path finds exactly what the FHIRPath expression finds', async (t) => {
  for (const file of ['profiles-types', 'profiles-resources']) {
    const entry = (await readDefinitions(file)).filter(({ resourceType }) => resourceType === 'StructureDefinition').map((resource) => ({ resource: resource as StructureDefinition }));
    indexStructureDefinitionBundle({ resourceType: 'Bundle', type: 'collection', entry } as Bundle<StructureDefinition>);
  }
  let compared = 0;
  for (const parameter of all.filter(({ type, common, code }) => type !== 'composite' && !common && code !== 'deceased')) {
    for (const { type, steps } of parameter.paths) {
      const resource = { resourceType: parameter.base, ...(put(steps, samples[type] ?? 'a') as object) };
      const found: unknown[] = [];
      for (const path of parameter.paths) compilePath<undefined, undefined>(path, (value) => found.push(value))(resource, undefined, undefined);
      const expected = evalFhirPath(parameter.expression, resource);
      if (JSON.stringify(found) !== JSON.stringify(expected) || found.length !== 1) t.strictSame(found, expected, `${name(parameter)}: ${parameter.expression}`);
      compared += 1;
    }
  }
  t.ok(compared > 700, `${compared} compared`);
});

t.test('every parameter of every served type has an extractor', async (t) => {
  for (const type of servedTypes) t.doesNotThrow(() => indexRows({ resourceType: type }), type);
});

t.test('an expression beyond the supported part of FHIRPath, or with an element that R4 does not have, is refused by name', async (t) => {
  const elements = await StructureElements.read();
  const paths = (expression: string) => () => expressionPaths(expression, 'Task', elements);
  t.throws(paths('Task.colour'), /Task has no element colour/);
  t.throws(paths('Task.input.count()'), /count\(\) is not supported/);
  t.throws(paths('Task.code + Task.status'), /not supported/);
  t.strictSame(paths("Task.extension('http://x').value.as(string)")(), [
    { type: 'string', steps: ['extension', { where: { url: 'http://x' } }, 'valueString'], many: true },
  ]);
});
