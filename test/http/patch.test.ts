import t from 'tap';
import { applyPatch, patchOperations } from '../../src/fhir/fhirpath-patch.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/outcome.ts';
import { testService } from '../kit/service.ts';

type Value = Record<string, unknown>;
interface Operation { type: string; path: string; name?: string; value?: Value; index?: number; source?: number; destination?: number }

/** The Parameters of a FHIRPath Patch. `value` is the value part without its name: `{ valueCode: 'male' }`, `{ part: [...] }`. */
const parameters = (...operations: Operation[]): Value => ({
  resourceType: 'Parameters',
  ...(operations.length === 0 ? {} : { parameter: operations.map(({ type, path, name, value, ...numbers }) => ({
    name: 'operation',
    part: [
      { name: 'type', valueCode: type }, { name: 'path', valueString: path }, ...(name === undefined ? [] : [{ name: 'name', valueString: name }]),
      ...(value === undefined ? [] : [{ name: 'value', ...value }]), ...Object.entries(numbers).map(([key, valueInteger]) => ({ name: key, valueInteger })),
    ],
  })) }),
});

const ids = (...values: string[]): Value[] => values.map((value) => ({ system: 'urn:x', value }));
const add = (path: string, name: string, value: Value): Operation => ({ type: 'add', path, name, value });
const replace = (path: string, value: Value): Operation => ({ type: 'replace', path, value });
const remove = (path: string): Operation => ({ type: 'delete', path });
const insert = (path: string, index: number, value: Value): Operation => ({ type: 'insert', path, index, value });
const move = (path: string, source: number, destination: number): Operation => ({ type: 'move', path, source, destination });

/** One row: a resource, the operations, and what it becomes; null: refused. Without resourceType it is a Patient. */
const table: readonly (readonly [title: string, before: Value, operations: readonly Operation[], after: Value | null])[] = [
  ['nothing to do', { birthDate: '1920-01-01' }, [], { birthDate: '1920-01-01' }],
  ['replace a primitive', { birthDate: '1920-01-01' }, [replace('Patient.birthDate', { valueDate: '1930-01-01' })], { birthDate: '1930-01-01' }],
  ['the type may be left out', { birthDate: '1920-01-01' }, [replace('birthDate', { valueDate: '1930-01-01' })], { birthDate: '1930-01-01' }],
  ['delete a primitive', { birthDate: '1920-01-01', active: true }, [remove('Patient.birthDate')], { active: true }],
  ['delete what is not there', { active: true }, [remove('Patient.birthDate'), remove('Patient.identifier[2]')], { active: true }],
  ['add a primitive', {}, [add('Patient', 'birthDate', { valueDate: '1930-01-01' })], { birthDate: '1930-01-01' }],
  ['add what is there already', { gender: 'male' }, [add('Patient', 'gender', { valueCode: 'female' })], null],
  ['a nested primitive', { contact: [{ name: { text: 'a' }, gender: 'male' }] }, [replace('Patient.contact[0].gender', { valueCode: 'female' }), replace('Patient.contact[0].name.text', { valueString: 'b' })], { contact: [{ name: { text: 'b' }, gender: 'female' }] }],
  ['what a deletion leaves empty goes too', { contact: [{ name: { text: 'a' }, gender: 'male' }] }, [remove('Patient.contact[0].name.text')], { contact: [{ gender: 'male' }] }],
  ['and a list', { contact: [{ name: { text: 'a' } }] }, [remove('Patient.contact[0]')], {}],
  ['add and replace a complex value', {}, [add('Patient', 'maritalStatus', { valueCodeableConcept: { text: 'a' } }), replace('Patient.maritalStatus', { valueCodeableConcept: { id: '2', text: 'b' } })], { maritalStatus: { id: '2', text: 'b' } }],
  ['a type without a name of its own, by parts', {}, [add('Patient', 'contact', { part: [{ name: 'name', valueHumanName: { text: 'a' } }, { name: 'gender', valueCode: 'male' }, { name: 'telecom', valueContactPoint: { value: '1' } }, { name: 'telecom', valueContactPoint: { value: '2' } }] })], { contact: [{ name: { text: 'a' }, gender: 'male', telecom: [{ value: '1' }, { value: '2' }] }] }],
  ['parts within parts', { resourceType: 'Goal' }, [add('Goal', 'target', { part: [{ name: 'due', valueDate: '2026-01-01' }, { name: 'detail', valueQuantity: { value: 5 } }] })], { resourceType: 'Goal', target: [{ dueDate: '2026-01-01', detailQuantity: { value: 5 } }] }],
  ['add appends to a list', { identifier: ids('1') }, [add('Patient', 'identifier', { valueIdentifier: ids('2')[0] })], { identifier: ids('1', '2') }],
  ['insert in the middle and at the end', { identifier: ids('1', '2') }, [insert('Patient.identifier', 1, { valueIdentifier: ids('x')[0] }), insert('Patient.identifier', 3, { valueIdentifier: ids('y')[0] })], { identifier: ids('1', 'x', '2', 'y') }],
  ['insert past the end', { identifier: ids('1') }, [insert('Patient.identifier', 2, { valueIdentifier: ids('x')[0] })], null],
  ['insert into no list', {}, [insert('Patient.birthDate', 0, { valueDate: '2000-01-01' })], null],
  ['delete from a list', { identifier: ids('1', '2', '3') }, [remove('Patient.identifier[1]')], { identifier: ids('1', '3') }],
  ['delete several at once', { identifier: ids('1', '2') }, [remove('Patient.identifier')], null],
  ['move forwards', { identifier: ids('1', '2', '3', '4') }, [move('Patient.identifier', 0, 3)], { identifier: ids('2', '3', '4', '1') }],
  ['move backwards', { identifier: ids('1', '2', '3', '4') }, [move('Patient.identifier', 3, 0)], { identifier: ids('4', '1', '2', '3') }],
  ['move from outside', { identifier: ids('1') }, [move('Patient.identifier', 1, 0)], null],
  ['where', { telecom: [{ system: 'phone', value: '1', use: 'home' }, { system: 'phone', value: '2', use: 'work' }] }, [replace("Patient.telecom.where(system = 'phone' and use = 'work').value", { valueString: '3' })], { telecom: [{ system: 'phone', value: '1', use: 'home' }, { system: 'phone', value: '3', use: 'work' }] }],
  ['where that nothing fulfils', { identifier: ids('1') }, [add("Patient.identifier.where(use = 'official').period", 'end', { valueDate: '2021-12-01' })], null],
  ['where with or, parentheses, exists, not equal', { name: [{ use: 'old', family: 'a' }, { use: 'usual', given: ['b'] }] }, [remove("Patient.name.where((use = 'usual' or use = 'official') and given.exists() and use != 'old' and family.empty())")], { name: [{ use: 'old', family: 'a' }] }],
  ['first and last', { name: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] }, [remove('Patient.name.last()'), replace('Patient.name.first().text', { valueString: 'x' })], { name: [{ text: 'x' }, { text: 'b' }] }],
  ['an extension by its url', { extension: [{ url: 'urn:a', valueInteger: 1 }, { url: 'urn:b', valueInteger: 2 }] }, [replace("Patient.extension('urn:b').value", { valueInteger: 3 })], { extension: [{ url: 'urn:a', valueInteger: 1 }, { url: 'urn:b', valueInteger: 3 }] }],
  ['a choice takes another type', { deceasedBoolean: true }, [replace('Patient.deceased', { valueDateTime: '2020-01-01' })], { deceasedDateTime: '2020-01-01' }],
  ['but one of its own', {}, [add('Patient', 'deceased', { valueString: 'x' })], null],
  ['a choice by ofType', { resourceType: 'Observation', valueQuantity: { value: 1 } }, [replace('Observation.value.ofType(Quantity).unit', { valueString: 'kg' })], null],
  ['extensions of a primitive go with it', { birthDate: '1970-01-01', _birthDate: { extension: [{ url: 'urn:a', valueInteger: 1 }] } }, [replace('Patient.birthDate', { valueDate: '1971-01-01' })], { birthDate: '1971-01-01' }],
  ['and are reached through it', { birthDate: '1970-01-01', _birthDate: { extension: [{ url: 'urn:a', valueInteger: 1 }] } }, [replace('Patient.birthDate.extension[0].value', { valueInteger: 2 })], { birthDate: '1970-01-01', _birthDate: { extension: [{ url: 'urn:a', valueInteger: 2 }] } }],
  ['a primitive gets one', { birthDate: '1970-01-01' }, [add('Patient.birthDate', 'extension', { part: [{ name: 'url', valueUri: 'urn:a' }, { name: 'value', valueInteger: 1 }] })], { birthDate: '1970-01-01', _birthDate: { extension: [{ url: 'urn:a', valueInteger: 1 }] } }],
  ['a list of primitives keeps step with its extensions', { name: [{ given: ['a', 'b'], _given: [null, { id: 'x' }] }] }, [remove('Patient.name[0].given[0]'), add('Patient.name[0]', 'given', { valueString: 'c' })], { name: [{ given: ['b', 'c'], _given: [{ id: 'x' }, null] }] }],
  ['an element that is not defined', {}, [add('Patient', 'shoeSize', { valueInteger: 44 })], null],
  ['a name of Object.prototype', {}, [add('Patient', '__proto__', { valueString: 'x' })], null],
  ['another path language', { name: [{ text: 'a' }] }, [remove('Patient.name.select(text)')], null],
  ['the resource itself', {}, [remove('Patient')], null],
  ['one after the other', { contact: [{ name: { text: 'a' } }] }, [add('Patient.contact[0]', 'gender', { valueCode: 'male' }), add('Patient', 'contact', { part: [{ name: 'gender', valueCode: 'female' }] })], { contact: [{ name: { text: 'a' }, gender: 'male' }, { gender: 'female' }] }],
];

t.test('FHIRPath Patch, operation by operation', async (t) => {
  for (const [title, before, operations, after] of table) {
    const resource: Value = { resourceType: 'Patient', ...structuredClone(before) };
    const run = (): Value => {
      applyPatch(resource, patchOperations(parameters(...operations)));
      return resource;
    };
    if (after === null) t.throws(run, Problem, title);
    else t.same(run(), { resourceType: 'Patient', ...after }, title);
  }
  const { stored } = parseJson('{"resourceType":"Observation","valueQuantity":{"value":2.50},"component":[{"valueQuantity":{"value":0.010}}]}');
  applyPatch(stored, patchOperations(parseJson('{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.component.where(value.value = 0.01).value"},{"name":"value","valueQuantity":{"value":1.20}}]}]}').stored));
  t.equal(JSON.stringify(stored), '{"resourceType":"Observation","valueQuantity":{"value":2.50},"component":[{"valueQuantity":{"value":1.20}}]}', 'numbers keep their written form');
  for (const [part, what] of [[{ name: 'other' }, 'no operation'], [{ name: 'operation', part: [] }, 'no type'], [{ name: 'operation', part: [{ name: 'type', valueCode: 'leap' }] }, 'an unknown type'], [{ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }] }, 'no path']] as const) {
    t.throws(() => patchOperations({ resourceType: 'Parameters', parameter: [part] }), Problem, what);
  }
});

t.test('PATCH', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const fhirpath = { 'content-type': 'application/fhir+json' };
  const jsonPatch = { 'content-type': 'application/json-patch+json' };
  await fhir('PUT', 'Practitioner/p', { resourceType: 'Practitioner', id: 'p', identifier: [{ system: 'urn:p', value: '1' }], active: true });

  await t.test('with a FHIRPath Patch, and its refusals', async (t) => {
    const done = await fhir('PATCH', 'Practitioner/p', parameters(replace('Practitioner.active', { valueBoolean: false }), add('Practitioner', 'gender', { valueCode: 'female' })), { ...fhirpath, 'if-match': 'W/"1"' });
    t.equal(done.status, 200, done.text.slice(0, 300));
    t.match(done.body, { active: false, gender: 'female', meta: { versionId: '2' } });
    const before = (await fhir('GET', 'Practitioner/p')).text;
    for (const [body, headers, status, what] of [
      [parameters(remove('Practitioner.id')), fhirpath, 422, 'the id'],
      [parameters(replace('Practitioner.gender', { valueCode: 'm' })), fhirpath, 422, 'a result that is not valid'],
      [parameters(replace('Practitioner.birthDate', { valueDate: '2000-01-01' })), fhirpath, 422, 'what is not there'],
      [parameters(replace('Practitioner.active', { valueBoolean: true })), { ...fhirpath, 'if-match': 'W/"1"' }, 412, 'another version'],
      [{ resourceType: 'Practitioner', id: 'p' }, fhirpath, 400, 'no Parameters'],
      [{ resourceType: 'Parameters', parameter: [{}] }, fhirpath, 400, 'Parameters that are not valid'],
      [parameters(), jsonPatch, 400, 'a FHIRPath Patch as JSON Patch'],
      [[{ op: 'replace', path: '/active', value: true }], fhirpath, 415, 'a JSON Patch as a FHIRPath Patch'],
      [parameters(), { 'content-type': 'application/json' }, 415, 'neither'],
    ] as const) {
      const reply = await fhir('PATCH', 'Practitioner/p', body, headers);
      t.equal(reply.status, status, `${what}: ${reply.text.slice(0, 200)}`);
      t.match(reply.body, { resourceType: 'OperationOutcome' }, what);
    }
    t.equal((await fhir('GET', 'Practitioner/p')).text, before, 'nothing of them was stored');
    t.equal((await fhir('PATCH', 'Practitioner/p', parameters(), fhirpath)).body.meta.versionId, '2', 'an empty patch changes nothing');
    t.equal((await fhir('PATCH', 'Practitioner/none', parameters(), fhirpath)).status, 404);
    t.match((await fhir('GET', 'metadata')).body.patchFormat, ['application/json-patch+json', 'application/fhir+json']);
  });

  await t.test('under a condition: one match, none, several, in both formats', async (t) => {
    const by = 'Practitioner?identifier=urn:p|1';
    t.equal((await fhir('PATCH', by, parameters(replace('Practitioner.gender', { valueCode: 'other' })), fhirpath)).body.gender, 'other');
    t.equal((await fhir('PATCH', by, [{ op: 'replace', path: '/gender', value: 'male' }], jsonPatch)).body.gender, 'male');
    t.equal((await fhir('PATCH', 'Practitioner?identifier=urn:p|2', parameters(), fhirpath)).status, 404, 'none');
    t.equal((await fhir('PATCH', 'Practitioner', parameters(), fhirpath)).status, 412, 'no condition');
    t.equal((await fhir('PATCH', by, parameters(), { ...fhirpath, 'if-match': 'W/"1"' })).status, 412, 'another version');
    await fhir('POST', 'Practitioner', { resourceType: 'Practitioner', identifier: [{ system: 'urn:p', value: '1' }] });
    t.equal((await fhir('PATCH', by, parameters(), fhirpath)).status, 412, 'several');
  });

  await t.test('as an entry, and of nothing that matches no more', async (t) => {
    for (const type of ['batch', 'transaction']) {
      const { status, body, text } = await fhir('POST', '', { resourceType: 'Bundle', type, entry: [
        { resource: parameters(replace('Practitioner.gender', { valueCode: type === 'batch' ? 'female' : 'male' })), request: { method: 'PATCH', url: 'Practitioner/p' } },
        { resource: parameters(), request: { method: 'PATCH', url: 'Practitioner?identifier=urn:p|2' } },
      ].slice(0, type === 'batch' ? 2 : 1) });
      t.equal(status, 200, text.slice(0, 300));
      t.same(body.entry.map(({ response }: any) => response.status), type === 'batch' ? ['200', '404'] : ['200']);
      t.equal((await fhir('GET', 'Practitioner/p')).body.gender, type === 'batch' ? 'female' : 'male');
    }
  });

  await t.test('a response that is patched to another version of its form is checked and scored by that one', async (t) => {
    const url = 'https://clinic.example/forms/steps';
    for (const version of [1, 2]) {
      await fhir('PUT', `Questionnaire/steps-${version}`, { resourceType: 'Questionnaire', id: `steps-${version}`, url, version: String(version), status: 'active', item: [{ linkId: 'a', type: 'choice', answerOption: [1, 2, 3].slice(0, 4 - version).map((n) => ({ valueCoding: { system: 'urn:s', code: `c${n}` }, extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: n * version }] })) }] });
    }
    await fhir('PUT', 'Patient/s', { resourceType: 'Patient', id: 's' });
    await fhir('PUT', 'QuestionnaireResponse/s', { resourceType: 'QuestionnaireResponse', id: 's', status: 'completed', questionnaire: `${url}|1`, subject: { reference: 'Patient/s' }, authored: '2025-01-01T10:00:00Z', item: [{ linkId: 'a', answer: [{ valueCoding: { system: 'urn:s', code: 'c2' } }] }] });
    const total = async (): Promise<unknown> => (await fhir('GET', 'Observation?patient=s&code=form-total')).body.entry.map(({ resource }: any) => [resource.valueInteger, resource.method.coding[0].version]);
    t.same(await total(), [[2, '1']]);
    t.equal((await fhir('PATCH', 'QuestionnaireResponse/s', [{ op: 'replace', path: '/questionnaire', value: `${url}|2` }], jsonPatch)).status, 200);
    t.same(await total(), [[4, '2']]);
    const unknown = await fhir('PATCH', 'QuestionnaireResponse/s', [{ op: 'replace', path: '/item/0/answer/0/valueCoding/code', value: 'c3' }], jsonPatch);
    t.equal(unknown.status, 422, 'an answer that only the first version has');
    t.equal((await fhir('PATCH', 'QuestionnaireResponse/s', parameters(replace('QuestionnaireResponse.questionnaire', { valueCanonical: `${url}|1` })), fhirpath)).status, 200);
    t.same(await total(), [[2, '1']]);
  });
});
