import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { expansion } from '../../src/fhir/expansion.ts';
import { heldSystem } from '../../src/fhir/code-systems.ts';
import type { Issue } from '../../src/fhir/outcome.ts';
import { checkProfile, type Known } from '../../src/fhir/profiles/check.ts';
import type { ElementDefinition, StructureDefinition } from '../../src/fhir/profiles/definition.ts';
import { membersOf, type Members } from '../../src/fhir/profiles/members.ts';
import { readExpression } from '../../src/fhir/profiles/path-expression.ts';
import { compileProfile, isCore, type Profile } from '../../src/fhir/profiles/rules.ts';
import { requiredBinding } from '../../src/fhir/required-bindings.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { UnsupportedExpression } from '../../src/fhir/simple-path-parse.ts';
import { nodeOf } from '../../src/fhir/structures.ts';
import { validate } from '../../src/fhir/validate.ts';

const json = (url: URL): any => JSON.parse(readFileSync(url, 'utf8'));
const folder = (name: string): any[] => {
  const url = new URL(`../../${name}/`, import.meta.url);
  return readdirSync(url).filter((file) => file.endsWith('.json')).map((file) => json(new URL(file, url)));
};
const shipped = ['schemas/us-core', 'schemas/sdc', 'schemas/profiles', 'schemas/value-sets'].flatMap(folder);
const core = 'http://hl7.org/fhir/us/core/StructureDefinition/';

/** What a store of these definitions would know. */
async function knowing(resources: readonly any[]): Promise<Known & { of(url: string): Profile }> {
  const definitions = new Map<string, StructureDefinition>(resources.filter(({ resourceType }) => resourceType === 'StructureDefinition').map((each) => [each.url, each]));
  const others = new Map<string, Resource>(resources.filter(({ resourceType }) => resourceType !== 'StructureDefinition').map((each) => [each.url, each]));
  const held = {
    codeSystem: async (url: string) => (others.has(url) ? heldSystem(others.get(url)!) : undefined),
    valueSet: async (url: string) => others.get(url.split('|')[0]!) ?? requiredBinding(url),
  };
  const members = new Map<string, Members>();
  const bound = JSON.stringify([...definitions.values()]).matchAll(/"valueSet":"([^"]+)"/g);
  for (const url of new Set([...bound].map(([, found]) => found!))) {
    const valueSet = await held.valueSet(url);
    if (valueSet !== undefined) await expansion(valueSet, held).then((expanded) => members.set(url, membersOf(expanded)), () => undefined);
  }
  const chain = (definition: StructureDefinition): StructureDefinition[] => {
    const base = definition.baseDefinition === undefined || isCore(definition.baseDefinition) ? undefined : definitions.get(definition.baseDefinition);
    return base === undefined ? [definition] : [definition, ...chain(base)];
  };
  const compiled = new Map<string, Profile>();
  const profile = (canonical: string): Profile | undefined => {
    const definition = definitions.get(canonical.split('|')[0]!);
    if (definition !== undefined && !compiled.has(definition.url!)) compiled.set(definition.url!, compileProfile(chain(definition)));
    return definition === undefined ? undefined : compiled.get(definition.url!);
  };
  return { profile, members: (url) => members.get(url), typeOf: (canonical) => definitions.get(canonical.split('|')[0]!)?.type, of: (url) => profile(url)! };
}

const errors = (issues: readonly Issue[]): Issue[] => issues.filter(({ severity }) => severity === 'error');
const expressions = (issues: readonly Issue[]): string[] => errors(issues).map(({ expression = '' }) => expression).sort();

/** A profile of `type` with these elements. */
const profileOf = (type: string, element: readonly ElementDefinition[], more: object = {}): StructureDefinition =>
  ({ resourceType: 'StructureDefinition', url: 'urn:test:profile', name: 'Test', type, derivation: 'constraint', baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`, differential: { element: [{ path: type }, ...element] }, ...more });

async function checked(resource: object, definition: StructureDefinition, others: readonly object[] = []): Promise<Issue[]> {
  t.same(validate(resource), [], `the resource itself is valid: ${JSON.stringify(resource)}`);
  const known = await knowing([definition, ...others]);
  return checkProfile(resource as any, known.of(definition.url!), known);
}

t.test('what is shipped is valid, compiles whole, and is built on what is shipped', async (t) => {
  const known = await knowing(shipped);
  for (const resource of shipped) {
    t.same(validate(resource), [], resource.url);
    if (resource.resourceType !== 'StructureDefinition') continue;
    const profile = known.of(resource.url);
    t.equal(profile.missing, undefined, resource.url);
    const unevaluated: string[] = [];
    const open = [profile.root];
    for (let rule = open.pop(); rule !== undefined; rule = open.pop()) {
      for (const { key, evaluate } of rule.constraints) if (typeof evaluate === 'string') unevaluated.push(`${key}: ${evaluate}`);
      open.push(...rule.children.values(), ...rule.slices);
    }
    t.same(unevaluated, [], `every constraint of ${resource.id} is evaluated`);
  }
});

t.test('the examples of US Core meet the profiles that they say they meet, and what is changed in them is found where it is', async (t) => {
  const known = await knowing(shipped);
  const example = (name: string): any => json(new URL(`../data/us-core-6.1/${name}.json`, import.meta.url));
  const files = readdirSync(new URL('../data/us-core-6.1/', import.meta.url)).filter((file) => file.endsWith('.json'));
  let held = 0;
  for (const file of files) {
    const resource = example(file.slice(0, -5));
    for (const url of resource.meta.profile) {
      t.same(errors(checkProfile(resource, known.of(url), known)), [], `${file} by ${url}`);
      held += 1;
    }
  }
  t.ok(held >= 13, 'each has a profile');
  const cases: readonly [string, string, (resource: any) => void, readonly string[]][] = [
    ['Patient-example', 'us-core-patient', (r) => { delete r.gender; }, ['Patient.gender']],
    ['Patient-example', 'us-core-patient', (r) => { delete r.identifier; }, ['Patient.identifier']],
    ['Patient-example', 'us-core-patient', (r) => { delete r.name[0].family; delete r.name[0].given; }, ['Patient.name[0]']],
    ['Patient-example', 'us-core-patient', (r) => { r.extension.push(r.extension.find((e: any) => e.url.endsWith('us-core-race'))); }, ['Patient.extension']],
    ['Patient-example', 'us-core-patient', (r) => { const race = r.extension.find((e: any) => e.url.endsWith('us-core-race')); race.extension = race.extension.filter((e: any) => e.url !== 'text'); }, ['Patient.extension[0].extension']],
    ['Goal-goal-1', 'us-core-goal', (r) => { r.target[0] = { dueDuration: { value: 1, unit: 'a' } }; r.subject = { reference: 'Group/1' }; }, ['Goal.subject.reference']],
    ['CarePlan-colonoscopy', 'us-core-careplan', (r) => { r.category = [{ text: 'x' }]; }, ['CarePlan.category']],
    ['CarePlan-colonoscopy', 'us-core-careplan', (r) => { r.text.status = 'empty'; }, ['CarePlan.text.status']],
    ['CareTeam-example', 'us-core-careteam', (r) => { delete r.participant[0].role; }, ['CareTeam.participant[0].role']],
    ['QuestionnaireResponse-phq-9-example', 'us-core-questionnaireresponse', (r) => { delete r.questionnaire; delete r.authored; }, ['QuestionnaireResponse.authored', 'QuestionnaireResponse.questionnaire']],
    ['QuestionnaireResponse-phq-9-example', 'us-core-questionnaireresponse', (r) => { r.item[0].linkId = r.item[1].linkId; }, ['QuestionnaireResponse']],
    ['Observation-PHQ9-item-example-44250-9', 'us-core-observation-screening-assessment', (r) => { r.category = r.category.slice(1); r.category = [{ text: 'none' }]; }, ['Observation.category']],
    ['Observation-PHQ9-item-example-44250-9', 'us-core-observation-screening-assessment', (r) => { r.effectiveDateTime = '2022'; }, ['Observation.effective']],
    ['Observation-PHQ9-item-example-44250-9', 'us-core-observation-screening-assessment', (r) => { for (const key of Object.keys(r)) if (key.startsWith('value')) delete r[key]; }, ['Observation']],
    ['Condition-health-concern-example', 'us-core-condition-problems-health-concerns', (r) => { r.category = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-category', code: 'encounter-diagnosis' }] }]; }, ['Condition.category']],
    ['Encounter-example-1', 'us-core-encounter', (r) => { delete r.type; }, ['Encounter.type']],
    ['Provenance-example-targeted-provenance', 'us-core-provenance', (r) => { r.agent[0].who = { reference: 'Practitioner/1' }; }, ['Provenance.agent[0]']],
  ];
  for (const [name, profile, change, expected] of cases) {
    const resource = example(name);
    change(resource);
    const issues = checkProfile(resource, known.of(core + profile), known);
    t.same(expressions(issues), expected, `${name}: ${JSON.stringify(errors(issues).map(({ text }) => text))}`);
    const said = JSON.stringify(issues);
    for (const value of ['Shaw', 'Amy', 'Sarah']) t.notOk(said.includes(value), 'nothing of the record is repeated');
  }
});

const observation = (rest: object): object => ({ resourceType: 'Observation', status: 'final', code: { coding: [{ system: 's', code: 'a' }] }, ...rest });
const task = (rest: object): object => ({ resourceType: 'Task', status: 'requested', intent: 'order', ...rest });
const at = (path: string, rest: object = {}): ElementDefinition => ({ path, ...rest });

t.test('each kind of rule is held, at the element that breaks it', async (t) => {
  const slicing = (type: string, path: string, rest: object = {}): object => ({ slicing: { discriminator: [{ type, path }], rules: 'open', ...rest } });
  const closed = { rules: 'closed' };
  const components = (...codes: string[]): object => observation({ component: codes.map((code) => ({ code: { coding: [{ system: 's', code }] }, valueInteger: 1 })) });
  const component = (name: string, rest: object = {}): ElementDefinition[] => [
    at('Observation.component', { id: `Observation.component:${name}`, sliceName: name, ...rest }),
    at('Observation.component.code', { id: `Observation.component:${name}.code`, patternCodeableConcept: { coding: [{ system: 's', code: name }] } }),
  ];
  const byCode = [at('Observation.component', slicing('pattern', 'code')), ...component('a', { min: 1, max: '1' }), ...component('b')];
  const byType: ElementDefinition[] = [
    at('Observation.value[x]', slicing('type', '$this', closed)),
    at('Observation.value[x]', { sliceName: 'valueInteger', type: [{ code: 'integer' }], minValueInteger: 0, maxValueInteger: 4 }),
  ];
  const byExists: ElementDefinition[] = [
    at('Task.note', slicing('exists', 'time')),
    at('Task.note', { sliceName: 'timed', max: '1' }), at('Task.note.time', { min: 1 }),
    at('Task.note', { sliceName: 'plain', max: '0' }), at('Task.note.time', { max: '0' }),
  ];
  const byTarget: ElementDefinition[] = [
    at('Observation.performer', slicing('type', 'resolve()', closed)),
    at('Observation.performer', { sliceName: 'patient', type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Patient'] }] }),
  ];
  const cases: readonly [string, object, readonly ElementDefinition[], readonly string[]][] = [
    ['min', observation({}), [at('Observation.subject', { min: 1 })], ['Observation.subject']],
    ['an element that FHIR does not have', task({}), [at('Task.dateOfBirth', { min: 1 })], []],
    ['max', task({ note: [{ text: 'x' }, { text: 'y' }] }), [at('Task.note', { max: '1' })], ['Task.note']],
    ['max 0', task({ note: [{ text: 'x' }] }), [at('Task.note', { max: '0' })], ['Task.note']],
    ['min within an element that is not there', observation({}), [at('Observation.referenceRange.low', { min: 1 })], []],
    ['min within each element', observation({ referenceRange: [{ low: { value: 1 } }, { text: 'x' }] }), [at('Observation.referenceRange.low', { min: 1 })], ['Observation.referenceRange[1].low']],
    ['a primitive by its extension is there', { resourceType: 'Patient', _birthDate: { extension: [{ url: 'urn:x', valueCode: 'unknown' }] } }, [at('Patient.birthDate', { min: 1 })], []],
    ['fixed primitive', task({ priority: 'asap' }), [at('Task.priority', { fixedCode: 'routine' })], ['Task.priority']],
    ['fixed is exact', observation({}), [at('Observation.code', { fixedCodeableConcept: { coding: [{ system: 's', code: 'a' }], text: 'A' } })], ['Observation.code']],
    ['pattern is part', observation({}), [at('Observation.code', { patternCodeableConcept: { coding: [{ code: 'a' }] } })], []],
    ['pattern', observation({}), [at('Observation.code', { patternCodeableConcept: { coding: [{ code: 'b' }] } })], ['Observation.code']],
    ['type of a choice', observation({ valueString: 'x' }), [at('Observation.value[x]', { type: [{ code: 'Quantity' }] })], ['Observation.value']],
    ['a choice by the name of its property', observation({ valueQuantity: { value: 1 } }), [at('Observation.valueQuantity.unit', { min: 1 })], ['Observation.value.unit']],
    ['target', observation({ subject: { reference: 'Group/1' } }), [at('Observation.subject', { type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Patient'] }] })], ['Observation.subject.reference']],
    ['target by URL', observation({ subject: { reference: 'https://elsewhere.example/fhir/Patient/1' } }), [at('Observation.subject', { type: [{ code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Patient'] }] })], []],
    ['target that is not known', observation({ subject: { reference: 'Group/1' } }), [at('Observation.subject', { type: [{ code: 'Reference', targetProfile: ['urn:test:unknown'] }] })], []],
    ['required binding', task({ priority: 'asap' }), [at('Task.priority', { binding: { strength: 'required', valueSet: 'urn:test:codes' } })], ['Task.priority']],
    ['required binding by text only', observation({ method: { text: 'x' } }), [at('Observation.method', { binding: { strength: 'required', valueSet: 'urn:test:codes' } })], ['Observation.method']],
    ['required binding met', observation({ method: { coding: [{ system: 's', code: 'z' }, { system: 's', code: 'routine' }] } }), [at('Observation.method', { binding: { strength: 'required', valueSet: 'urn:test:codes' } })], []],
    ['extensible binding warns only', observation({ method: { coding: [{ system: 's', code: 'z' }] } }), [at('Observation.method', { binding: { strength: 'extensible', valueSet: 'urn:test:codes' } })], []],
    ['maxLength', observation({ valueString: 'too long' }), [at('Observation.value[x]', { maxLength: 3 })], ['Observation.value']],
    ['range of numbers', observation({ valueInteger: 5 }), [at('Observation.value[x]', { maxValueInteger: 4 })], ['Observation.value']],
    ['range of quantities in other units', observation({ valueQuantity: { value: 2, system: 'http://unitsofmeasure.org', code: 'h' } }), [at('Observation.value[x]', { maxValueQuantity: { value: 60, system: 'http://unitsofmeasure.org', code: 'min' } })], ['Observation.value']],
    ['range of dates', { resourceType: 'Patient', birthDate: '1800' }, [at('Patient.birthDate', { minValueDate: '1900-01-01' })], ['Patient.birthDate']],
    ['slices by pattern', components('a', 'b', 'b', 'c'), byCode, []],
    ['a slice that must be there', components('b'), byCode, ['Observation.component']],
    ['a slice that must be there where nothing is', observation({}), byCode, ['Observation.component']],
    ['a slice too often', components('a', 'a'), byCode, ['Observation.component']],
    ['closed slicing', components('a', 'c'), [at('Observation.component', slicing('pattern', 'code', closed)), ...component('a')], ['Observation.component[1]']],
    ['ordered slicing', components('b', 'a'), [at('Observation.component', slicing('pattern', 'code', { ordered: true })), ...component('a'), ...component('b')], ['Observation.component[1]']],
    ['rules of a slice', components('a', 'b'), [...byCode, at('Observation.component.value[x]', { id: 'Observation.component:b.value[x]', type: [{ code: 'string' }] })], ['Observation.component[1].value']],
    ['slices by value', observation({ identifier: [{ system: 'x', value: '1' }] }), [at('Observation.identifier', slicing('value', 'system')), at('Observation.identifier', { sliceName: 'x', max: '0' }), at('Observation.identifier.system', { fixedUri: 'x' })], ['Observation.identifier']],
    ['slices by type', observation({ valueInteger: 9 }), byType, ['Observation.value']],
    ['closed slices by type', observation({ valueString: '9' }), byType, ['Observation.value']],
    ['slices by existence', task({ note: [{ text: 'x', time: '2026-01-01T00:00:00Z' }, { text: 'y' }] }), byExists, ['Task.note']],
    ['slices by what a reference leads to', observation({ performer: [{ reference: 'Patient/1' }, { reference: 'Practitioner/1' }] }), byTarget, ['Observation.performer[1]']],
    ['an element that is defined by another', { resourceType: 'QuestionnaireResponse', status: 'completed', item: [{ linkId: '1', item: [{ linkId: '1.1', item: [{ linkId: '1.1.1' }] }] }] }, [at('QuestionnaireResponse.item.text', { min: 1 })], ['QuestionnaireResponse.item[0].item[0].item[0].text', 'QuestionnaireResponse.item[0].item[0].text', 'QuestionnaireResponse.item[0].text']],
    ['slices are not repeated where an element is defined by another', { resourceType: 'Parameters', parameter: [{ name: 'one', part: [{ name: 'other', valueInteger: 1 }] }] }, [at('Parameters.parameter', slicing('value', 'name', closed)), at('Parameters.parameter', { sliceName: 'one', min: 1, max: '1' }), at('Parameters.parameter.name', { fixedString: 'one' })], []],
    ['a constraint', task({ note: [{ text: 'x' }] }), [at('Task.note', { constraint: [{ key: 'n-1', severity: 'error', human: 'A note has a time', expression: 'time.exists()' }] })], ['Task.note[0]']],
    ['a constraint that only warns', task({ note: [{ text: 'x' }] }), [at('Task.note', { constraint: [{ key: 'n-1', severity: 'warning', human: 'A note has a time', expression: 'time.exists()' }] })], []],
    ['a constraint that is not evaluated', task({ note: [{ text: 'x' }] }), [at('Task.note', { constraint: [{ key: 'n-1', severity: 'error', human: 'x', expression: "text.memberOf('urn:x')" }] })], []],
    ['a constraint of FHIR itself is held by the base', task({}), [at('Task', { constraint: [{ key: 'x', severity: 'error', human: 'x', expression: 'false', source: 'http://hl7.org/fhir/StructureDefinition/Task' }] })], []],
  ];
  const codes = { resourceType: 'ValueSet', url: 'urn:test:codes', status: 'active', compose: { include: [{ system: 's', concept: [{ code: 'routine' }] }] } };
  for (const [name, resource, elements, expected] of cases) {
    const issues = await checked(resource, profileOf((resource as Resource).resourceType, elements), [codes]);
    t.same(expressions(issues), [...expected].sort(), `${name}: ${JSON.stringify(issues)}`);
  }
  const unevaluated = await checked(task({}), profileOf('Task', [at('Task', { constraint: [{ key: 'n-1', severity: 'error', human: 'x', expression: "status.memberOf('urn:x')" }] })]));
  t.match(unevaluated, [{ severity: 'information', code: 'not-supported', text: /n-1 of Test was not evaluated: memberOf/ }]);
  const unheld = await checked(task({}), profileOf('Task', [at('Task.status', { binding: { strength: 'required', valueSet: 'urn:test:elsewhere' } })]));
  t.match(unheld, [{ severity: 'information', text: /urn:test:elsewhere are not held/ }]);
  const warned = await checked(observation({ method: { coding: [{ system: 's', code: 'z' }] } }), profileOf('Observation', [at('Observation.method', { binding: { strength: 'extensible', valueSet: 'urn:test:codes' } })]), [codes]);
  t.match(warned, [{ severity: 'warning', expression: 'Observation.method' }]);
});

t.test('a profile has the rules of those it is built on, of its extensions and of the profiles of its elements', async (t) => {
  const base = profileOf('Task', [at('Task.owner', { min: 1 }), at('Task.note', { max: '3' })], { url: 'urn:test:base' });
  const derived = profileOf('Task', [at('Task.note', { max: '1' }), at('Task.for', { min: 1 })], { baseDefinition: 'urn:test:base' });
  t.same(expressions(await checked(task({ note: [{ text: 'a' }, { text: 'b' }] }), derived, [base])), ['Task.for', 'Task.note', 'Task.owner']);
  t.match(await checked(task({ for: { reference: 'Patient/1' } }), derived), [{ severity: 'information', text: /built on urn:test:base, which is not held here/ }]);
  const extension = { ...profileOf('Extension', [at('Extension.url', { fixedUri: 'urn:test:minutes' }), at('Extension.value[x]', { min: 1, type: [{ code: 'integer' }] })], { url: 'urn:test:minutes' }), kind: 'complex-type' };
  const extended = profileOf('Task', [at('Task.extension', { sliceName: 'minutes', min: 1, max: '1', type: [{ code: 'Extension', profile: ['urn:test:minutes'] }] })]);
  const minutes = (value: object): object => ({ url: 'urn:test:minutes', ...value });
  t.same(expressions(await checked(task({ extension: [{ url: 'urn:other', valueCode: 'x' }, minutes({ valueInteger: 1 })] }), extended, [extension])), []);
  t.same(expressions(await checked(task({ extension: [minutes({ valueString: '1' })] }), extended, [extension])), ['Task.extension[0].value']);
  t.same(expressions(await checked(task({ extension: [{ url: 'urn:other', valueCode: 'x' }] }), extended, [extension])), ['Task.extension']);
  t.same(expressions(await checked(task({}), extended, [extension])), ['Task.extension']);
  const fromSnapshot = profileOf('Task', [], { differential: undefined, snapshot: { element: [at('Task', { min: 0, max: '*' }), at('Task.status', { min: 1, max: '1', type: [{ code: 'code' }] }), at('Task.input', { min: 0, max: '*', type: [{ code: 'BackboneElement' }] }), at('Task.focus', { min: 1, max: '1', type: [{ code: 'Reference' }] })] } });
  t.same(expressions(await checked(task({ input: [{ type: { text: 'x' }, valueInteger: 1 }] }), fromSnapshot)), ['Task.focus'], 'a profile that has only a snapshot is read from it');
  t.match(await checked(observation({}), profileOf('Task', [])), [{ severity: 'error', expression: 'Observation', text: /is a profile of Task/ }]);
});

/** Whether it is said that an expression is not evaluated. */
function refused(evaluate: () => unknown): boolean {
  try {
    evaluate();
    return false;
  } catch (error) {
    return error instanceof UnsupportedExpression;
  }
}

t.test('FHIRPath: what an invariant says of a resource', async (t) => {
  const value = { resourceType: 'Patient', id: 'p', active: true, name: [{ family: 'Ng', given: ['Ann', 'Lee'] }, { text: 'x' }], birthDate: '1990-05-17', deceasedBoolean: false, _gender: { extension: [{ url: 'urn:x', valueCode: 'y' }] }, contained: [{ resourceType: 'Organization', id: 'o', name: 'O' }], managingOrganization: { reference: '#o' }, generalPractitioner: [{ reference: 'Practitioner/1' }], multipleBirthInteger: 3 };
  const root = { value, type: 'Patient', selected: { value, node: nodeOf('Patient'), place: undefined } };
  const says = (expression: string, left = 100_000): unknown[] => readExpression(expression)([root], { context: [root], self: [root], index: 0, resource: root, budget: { left } }).map((item) => item.value);
  const cases: readonly [string, readonly unknown[]][] = [
    ['Patient.name.given', ['Ann', 'Lee']], ['name.given.count()', [2]], ['name[0].given[1]', ['Lee']], ['name.where(text.exists()).text', ['x']], ['name.exists(family = \'Ng\')', [true]],
    ['deceased', [false]], ['deceased.ofType(boolean)', [false]], ['deceased is dateTime', [false]], ['deceased is Boolean', [true]], ['multipleBirth is integer and multipleBirth > 2', [true]], ['gender.exists()', [true]], ['gender.hasValue()', [false]], ['gender.extension(\'urn:x\').value', ['y']],
    ['1 + 2 * 3', [7]], ['(1 + 2) * 3', [9]], ['7 mod 4', [3]], ['7 div 2', [3]], ['1 / 0', []], ['\'a\' + \'b\'', ['ab']], ['\'a\' & {}', ['a']], ['-1 < 0', [true]], ['3-1', [2]],
    ['true and {}', []], ['false and {}', [false]], ['true or {}', [true]], ['{} or {}', []], ['false implies {}', [true]], ['{} implies true', [true]], ['true implies false', [false]], ['true xor true', [false]], ['{}.not()', []],
    ['1 = 1.0', [true]], ['{} = 1', []], ['1 != 2', [true]], ['\'A \' ~ \'a\'', [true]], ['\'a\' in (\'a\' | \'b\')', [true]], ['(\'a\' | \'b\') contains \'c\'', [false]], ['(1 | 2 | 1).count()', [2]],
    ['name.all(given.exists() or text.exists())', [true]], ['name.given.isDistinct()', [true]], ['name.select(family)', ['Ng']], ['iif(active, \'y\', \'n\')', ['y']], ['name.given.select($this.length())', [3, 3]], ['name.given.where($index = 1)', ['Lee']],
    ['birthDate.matches(\'^[0-9]{4}-\')', [true]], ['birthDate.matches(\'05\')', [true]], ['birthDate.matches(\'^05\')', [false]], ['birthDate.substring(0, 4).toInteger()', [1990]], ['birthDate > @1990-01-01', [true]], ['birthDate > @1990', []], ['\'abc\'.startsWith(\'ab\') and \'abc\'.endsWith(\'bc\') and \'abc\'.contains(\'b\')', [true]],
    ['managingOrganization.resolve().name', ['O']], ['managingOrganization.resolve() is Organization', [true]], ['generalPractitioner.resolve() is Practitioner', [true]], ['generalPractitioner.resolve() is Device', [false]],
    ['descendants().where($this is code).count() >= 0', [true]], ['repeat(name).count()', [2]], ['%resource.id', ['p']], ['%context.active', [true]], ['`name`.first().family', ['Ng']], ['name.last().text', ['x']], ['name.tail().count()', [1]], ['constructor', []], ['__proto__', []],
  ];
  for (const [expression, expected] of cases) t.same(says(expression), expected, expression);
  for (const expression of ['name.', 'name[', '(1', 'now() > today()', 'name.memberOf(\'x\')', '1 \'mg\'', '%unknown', 'a'.repeat(20_000), `${'('.repeat(100)}1${')'.repeat(100)}`, 'name.where()', '"x"', '$total', 'x ! y', 'name.given and true', 'birthDate.matches(\'(a)\\\\1\')', 'generalPractitioner.resolve().active']) {
    t.ok(refused(() => says(expression)), expression.slice(0, 40));
  }
  t.ok(refused(() => says('repeat($this)')), 'an endless repetition ends');
  t.ok(refused(() => says('name.given.select(%resource.descendants()).select(%resource.descendants()).count()', 1000)), 'the budget bounds the cost');
  fc.assert(fc.property(fc.string({ maxLength: 60 }), (text) => {
    try {
      says(text, 2000);
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
    }
  }), { numRuns: 3000 });
  fc.assert(fc.property(fc.array(fc.constantFrom('name', '.', 'given', '(', ')', '[', ']', '0', '=', 'and', 'is', '$this', 'where', 'exists', ',', '\'a\'', '-', '|', 'resolve', 'matches', '%resource', 'repeat'), { maxLength: 14 }), (parts) => {
    try {
      says(parts.join(' ').replaceAll(/ ?([.()[\],]) ?/g, '$1'), 2000);
    } catch (error) {
      if (!(error instanceof UnsupportedExpression)) throw error;
    }
  }), { numRuns: 3000 });
});

t.test('no definition makes a check endless or throws', async (t) => {
  const own = profileOf('Task', [at('Task.extension', { sliceName: 'x', type: [{ code: 'Extension', profile: ['urn:test:again'] }] })]);
  const again = { ...profileOf('Extension', [at('Extension.extension', { sliceName: 'x', type: [{ code: 'Extension', profile: ['urn:test:again'] }] })], { url: 'urn:test:again' }), kind: 'complex-type' };
  let nested: object = { url: 'urn:test:again', valueCode: 'x' };
  for (let n = 0; n < 30; n++) nested = { url: 'urn:test:again', extension: [nested] };
  t.same(errors(await checked(task({ extension: [nested] }), own, [again])), []);
  const odd: readonly unknown[] = [
    [{ path: '' }], [{ path: 'Task.' }], [{ path: 'Task.nothing.at.all', min: 1 }], [{ path: 'Task.status', max: 'x' }], [{ path: 'Task.note', slicing: { discriminator: [{ type: 'nonsense', path: '((' }], rules: 'open' } }, { path: 'Task.note', sliceName: 's', min: 1 }],
    [{ path: 'Task.note', sliceName: 'a/b', min: 1 }], [{ path: 'Task', constraint: [{ key: 'k' }] }], [{ path: 'Task.status.extension.value[x].coding', min: 1 }], [{ path: 'Task.constructor', min: 0 }],
  ];
  for (const element of odd) t.doesNotThrow(() => checkProfile(task({ note: [{ text: 'x' }] }) as any, compileProfile([profileOf('Task', element as ElementDefinition[])]), { profile: () => undefined, members: () => undefined, typeOf: () => undefined }), JSON.stringify(element));
});

t.test('every definition that is shipped as a file is valid', async (t) => {
  for (const room of ['operations', 'measures', 'plans', 'questionnaires', 'search-parameters']) {
    for (const resource of folder(`schemas/${room}`)) {
      t.same(validate(resource), [], `${room}: ${resource.id}`);
      t.ok(resource.publisher, `${room}: ${resource.id} names its publisher, as the shareable profiles of R4 ask`);
    }
  }
});

/** Where each step of a path stands among its siblings, as the type lists them. */
function placeOf(path: string): number[] {
  const [type = '', ...steps] = path.split('.');
  let node = nodeOf(type);
  return steps.map((step) => {
    const name = step.replace('[x]', '');
    const all = [...node.elements.values()];
    const at = all.findIndex((element) => element.name === name);
    if (all[at]?.primitive === undefined && all[at]?.holdsResource === false) node = all[at].node();
    return at;
  });
}

t.test('the elements of every profile are in the order of their type: others make no snapshot of it otherwise', async (t) => {
  for (const { id, type, kind, differential } of folder('schemas/profiles').filter(({ resourceType }) => resourceType === 'StructureDefinition')) {
    if (kind !== 'resource') continue;
    const paths = (differential.element as { path: string }[]).map(({ path }) => path);
    paths.slice(1).forEach((path, i) => {
      const before = paths[i]!;
      const [was, is] = [placeOf(before), placeOf(path)];
      if (is.includes(-1)) return t.fail(`${id}: ${path} is no element of ${type}`);
      if (before === path || before.startsWith(`${path}.`)) return; // a slice begins
      const differs = is.findIndex((place, at) => place !== was[at]);
      if ((was[differs] ?? -1) > is[differs]!) t.fail(`${id}: ${path} comes before ${before}`);
    });
    t.ok(paths.length > 1, id);
  }
});
