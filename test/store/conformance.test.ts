import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { parseSearch } from '../../src/fhir/search-parse.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Visibility } from '../../src/fhir/visibility.ts';
import type { Connection } from '../../src/store/database.ts';
import { search, type Cursor, type Found } from '../../src/store/search.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testDatabase } from '../kit/database.ts';
import { testService } from '../kit/service.ts';
import { putResource, type Rids } from '../kit/store-rows.ts';

// What other servers got wrong, each with the number of its thread: one case, one line of expectation.

const baseUrl = 'https://here.example/fhir';
const everybody: Visibility = { caller: 'all', reach: { kind: 'all' }, grants: new Map(servedTypes.map((type) => [type, new Set(['r', 's'] as const)])), restricted: true };

const found = (connection: Connection, url: string, page?: Cursor): Promise<Found> => {
  const [type, query] = url.split('?') as [string, string?];
  return search(connection, parseSearch(type, [...new URLSearchParams((query ?? '').replaceAll('+', '%2B'))] as [string, string][], { handling: 'strict', baseUrl }), everybody, page);
};

/** Searches that must find exactly these ids, in any order; included ones with a + before. */
async function expectAll(t: { equal(found: unknown, wanted: unknown, message: string): unknown }, connection: Connection, expected: Readonly<Record<string, string>>): Promise<void> {
  for (const [url, ids] of Object.entries(expected)) {
    const { matches, included } = await found(connection, url);
    const text = [...matches.map(({ id }) => id).toSorted(), ...included.map(({ id }) => `+${id}`).toSorted()].join(' ');
    t.equal(text, ids, url);
  }
}

async function world(connection: Connection, resources: readonly Resource[]): Promise<Rids> {
  const rids: Rids = new Map();
  for (const resource of resources) await putResource(connection, rids, resource);
  return rids;
}

const ucum = 'http://unitsofmeasure.org';
const loinc = 'http://loinc.org';
const coded = (code: string, system = loinc): object => ({ coding: [{ system, code }] });
const quantity = (value: string, code: string): object => ({ value: JSON.rawJSON(value), unit: code, system: ucum, code });
const observation = (id: string, more: object): Resource => ({ resourceType: 'Observation', id, status: 'final', ...more }) as Resource;

t.test('hapi #7318, blaze #3606: code and value of a composite are of one component, or of the Observation itself', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, [
    observation('crossed', { code: coded('panel'), component: [{ code: coded('a'), valueQuantity: quantity('5', 'mg') }, { code: coded('b'), valueQuantity: quantity('9', 'mg') }] }),
    observation('within', { code: coded('panel'), component: [{ code: coded('a'), valueQuantity: quantity('9', 'mg') }, { code: coded('b'), valueQuantity: quantity('5', 'mg') }] }),
    observation('itself', { code: coded('a'), valueQuantity: quantity('9', 'mg') }),
    observation('mixed', { code: coded('a'), valueQuantity: quantity('5', 'mg'), component: [{ code: coded('b'), valueQuantity: quantity('9', 'mg') }] }),
    observation('words', { code: coded('a'), valueCodeableConcept: coded('yes'), component: [{ code: coded('b'), valueCodeableConcept: coded('no') }] }),
    observation('systems', { code: { coding: [{ system: loinc, code: 'x' }, { system: 'urn:other', code: 'a' }] }, valueQuantity: quantity('9', 'mg') }),
  ]);
  await expectAll(t, database, {
    'Observation?component-code-value-quantity=a$9': 'within',
    [`Observation?component-code-value-quantity=${loinc}|b$9|${ucum}|mg`]: 'crossed mixed',
    'Observation?combo-code-value-quantity=a$9': 'itself systems within',
    [`Observation?combo-code-value-quantity=${loinc}|a$9`]: 'itself within',
    [`Observation?combo-code-value-quantity=a$0.009|${ucum}|g`]: 'itself systems within',
    [`Observation?combo-code-value-quantity=a$gt4000|${ucum}|ug,b$lt6||mg`]: 'crossed itself mixed systems within',
    'Observation?code-value-quantity=a$9': 'itself systems',
    'Observation?code-value-quantity=a$9&combo-code-value-quantity=b$9': '',
    'Observation?combo-code-value-concept=a$yes,a$no': 'words',
    'Observation?combo-code-value-concept=b$yes': '',
    'Observation?combo-code=b': 'crossed mixed within words',
    'Observation?combo-value-quantity=9&combo-value-quantity=5': 'crossed mixed within',
    'Observation?combo-value-concept=no': 'words',
    'Observation?combo-code:not=b': 'itself systems',
  });
});

t.test('hapi #2424, #6749, #3470; medplum #3794, #8950, #9159: partial dates, Timing, periods, and every prefix as a relation of ranges', async (t) => {
  const { database } = await testDatabase(t);
  const at = (id: string, effective: object): Resource => observation(id, { code: coded('x'), ...effective });
  await world(database, [
    at('year', { effectiveDateTime: '2013' }), at('month', { effectiveDateTime: '2013-03' }), at('day', { effectiveDateTime: '2013-03-14' }),
    at('timing', { effectiveTiming: { event: ['2013-03-14'] } }), at('events', { effectiveTiming: { event: ['2013-03-14', '2013-03-16'] } }),
    at('period', { effectivePeriod: { start: '2013-03-14', end: '2013-03-20' } }), at('open', { effectivePeriod: { start: '2013-03-14' } }), at('until', { effectivePeriod: { end: '2012' } }), at('never', {}),
  ]);
  await expectAll(t, database, {
    'Observation?date=2013': 'day events month period timing year',
    'Observation?date=2013-03': 'day events month period timing',
    'Observation?date=2013-03-14': 'day timing',
    'Observation?date=ne2013-03': 'open until year',
    'Observation?date=ge2013-03-15': 'events month open period year',
    'Observation?date=gt2013-12-31': 'open',
    'Observation?date=lt2013-03-01': 'until year',
    'Observation?date=le2013-03-14': 'day month timing until year',
    'Observation?date=sa2013-03-13': 'day events open period timing',
    'Observation?date=eb2013-03-15': 'day timing until',
    'Observation?date=ge2013-03-14&date=lt2013-03-15': 'day events month open period timing year',
    'Observation?date:missing=true': 'never',
    'Observation?date=2012,2013-03-14': 'day timing',
    'Observation?_filter=date po 2013-03-15': 'events month open period year',
  });
});

t.test('a Timing that names no date has a time, with limits that are not known', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, [
    observation('daily', { code: coded('x'), effectiveTiming: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } } }),
    observation('coded', { code: coded('x'), effectiveTiming: { code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation', code: 'BID' }] } } }),
    observation('never', { code: coded('x') }),
  ]);
  await expectAll(t, database, {
    'Observation?date:missing=true': 'never', 'Observation?date:missing=false': 'coded daily',
    'Observation?date=2026': '', 'Observation?date=ne2026': 'coded daily', 'Observation?date=ge2026': 'coded daily', 'Observation?date=lt2026': 'coded daily', 'Observation?date=sa2026': '', 'Observation?date=eb2026': '',
  });
});

t.test('blaze #257: times compare as instants whatever their zone; a date without one is the day in UTC', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, [
    observation('east', { code: coded('x'), effectiveDateTime: '2026-01-01T00:30:00+02:00' }),
    observation('west', { code: coded('x'), effectiveDateTime: '2025-12-31T20:00:00-05:00' }),
    observation('milli', { code: coded('x'), effectiveDateTime: '2026-06-01T10:00:00.500Z' }),
  ]);
  await expectAll(t, database, {
    'Observation?date=2025-12-31': 'east', 'Observation?date=2026-01-01': 'west',
    'Observation?date=2026-01-01T00:30+02:00': 'east', 'Observation?date=2025-12-31T22:30:00Z': 'east', 'Observation?date=2026-01-01T01:00:00Z': 'west',
    'Observation?date=2026-06-01T10:00:00Z': 'milli', 'Observation?date=2026-06-01T10:00:00.5Z': 'milli', 'Observation?date=2026-06-01T12:00:00.500+02:00': 'milli', 'Observation?date=gt2026-06-01T10:00:00.499Z': 'milli',
    'Observation?date=2026-06-01T10:00:01Z': '',
  });
});

t.test('medplum #8764 and quantities of every form: precision, units, comparators, about a tenth, comma-OR', async (t) => {
  const { database } = await testDatabase(t);
  const value = (id: string, valueQuantity: object): Resource => observation(id, { code: coded('x'), valueQuantity });
  await world(database, [
    value('mg', quantity('5400', 'mg')), value('g', quantity('5.4', 'g')), value('precise', quantity('5.400', 'g')), value('score', quantity('10', '{score}')), value('one', quantity('10', '1')), value('percent', quantity('50', '%')),
    value('minutes', quantity('90', 'min')), value('celsius', quantity('37', 'Cel')), value('below', { ...quantity('5', 'mg'), comparator: '<' }), value('bare', { value: 7 }), value('local', { value: 7, unit: 'pieces', system: 'urn:units', code: 'pc' }),
    observation('part', { code: coded('x'), component: [{ code: coded('y'), valueQuantity: quantity('5.4', 'g') }, { code: coded('z'), valueQuantity: quantity('1', 'g') }] }),
    observation('sampled', { code: coded('x'), valueInteger: 3, component: [{ code: coded('y'), valueSampledData: { origin: { value: 0 }, period: 10, dimensions: 1, data: '1 2' } }] }),
  ]);
  await expectAll(t, database, {
    [`Observation?value-quantity=5.4|${ucum}|g`]: 'g mg precise',
    [`Observation?value-quantity=5400|${ucum}|mg`]: 'g mg precise',
    [`Observation?value-quantity=5.40|${ucum}|g`]: 'g mg precise', 'Observation?value-quantity=10.00': 'one score', 'Observation?value-quantity=1e1': 'one score', 'Observation?value-quantity=9.99': '',
    [`Observation?value-quantity=0.0054|${ucum}|kg`]: 'g mg precise',
    'Observation?value-quantity=5.4||g': 'g precise', 'Observation?value-quantity=5.4': 'g precise', 'Observation?value-quantity=5400': 'mg',
    [`Observation?value-quantity=10|${ucum}|{score}`]: 'one score', [`Observation?value-quantity=10|${ucum}|1`]: 'one score', [`Observation?value-quantity=0.5|${ucum}|1`]: 'percent', [`Observation?value-quantity=1000|${ucum}|%`]: 'one score', [`Observation?value-quantity=1.0e3|${ucum}|%`]: 'one score',
    [`Observation?value-quantity=1.5|${ucum}|h`]: 'minutes', [`Observation?value-quantity=gt1|${ucum}|d`]: '', [`Observation?value-quantity=37|${ucum}|Cel`]: 'celsius', [`Observation?value-quantity=310|${ucum}|K`]: '',
    [`Observation?value-quantity=lt0.005|${ucum}|g`]: 'below', [`Observation?value-quantity=gt0.005|${ucum}|g`]: 'g mg precise',
    [`Observation?value-quantity=ap5|${ucum}|g`]: 'g mg precise', [`Observation?value-quantity=ap4|${ucum}|g`]: '', 'Observation?value-quantity=ap100': 'minutes', 'Observation?value-quantity=ap110': '', 'Observation?value-quantity=ap97||min': 'minutes',
    [`Observation?value-quantity=1.5|${ucum}|h,5.4||g,7`]: 'bare g local minutes precise',
    'Observation?value-quantity=7|urn:units|pc': 'local', 'Observation?value-quantity=7||pieces': 'local', 'Observation?value-quantity=7|urn:else|pc': '',
    [`Observation?component-value-quantity=5400|${ucum}|mg`]: 'part', [`Observation?component-value-quantity=5.4|${ucum}|g&component-value-quantity=1000|${ucum}|mg`]: 'part', [`Observation?component-value-quantity=5.4|${ucum}|g&component-value-quantity=1001|${ucum}|mg`]: '', [`Observation?component-value-quantity=5.4|${ucum}|g&component-value-quantity=1`]: 'part',
    [`Observation?combo-value-quantity=5.4|${ucum}|g`]: 'g mg part precise',
    'Observation?value-quantity:missing=true': 'part sampled', 'Observation?component-value-quantity:missing=false': 'part sampled',
  });
});

t.test('hapi #5176, #4139; blaze #1588: chains of three, _has nested and with modifiers, _id and _lastUpdated inside', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, [
    { resourceType: 'Organization', id: 'org', name: 'Clinic North' }, { resourceType: 'Organization', id: 'branch', name: 'Room 1', partOf: { reference: 'Organization/org' } },
    { resourceType: 'Patient', id: 'p', name: [{ family: 'Ames' }], managingOrganization: { reference: 'Organization/branch' } }, { resourceType: 'Patient', id: 'other', name: [{ family: 'Burns' }] },
    { resourceType: 'Encounter', id: 'e', status: 'finished', class: { code: 'AMB' }, subject: { reference: 'Patient/p' } },
    observation('o', { code: coded('x'), subject: { reference: 'Patient/p' }, encounter: { reference: 'Encounter/e' } }), observation('o2', { code: coded('y'), subject: { reference: 'Patient/other' } }),
    { resourceType: 'Provenance', id: 'prov', recorded: '2026-01-01T00:00:00Z', target: [{ reference: 'Observation/o' }], agent: [{ type: coded('author'), who: { reference: 'Organization/org' } }] },
  ]);
  await expectAll(t, database, {
    'Observation?encounter.subject:Patient.organization.name=room': 'o',
    'Observation?encounter.patient.organization.name:exact=Room 1': 'o',
    'Observation?patient.organization.partof.name:contains=north': 'o',
    'Observation?encounter.patient.organization.name=clinic': '',
    'Observation?subject:Patient.family=ames,burns': 'o o2',
    'Patient?_has:Observation:patient:_id=o': 'p', 'Patient?_has:Observation:patient:_id=o2,nothing': 'other',
    'Patient?_has:Observation:patient:_lastUpdated=2026-01-01': 'other p', 'Patient?_has:Observation:patient:_lastUpdated=gt2026-06-01': '',
    'Patient?_has:Observation:patient:code:not=x': 'other', 'Patient?_has:Observation:patient:code:missing=true': '',
    'Patient?_has:Observation:patient:_has:Provenance:target:recorded=2026': 'p', 'Patient?_has:Observation:patient:_has:Provenance:target:agent.name=clinic': 'p',
    'Organization?_has:Patient:organization:_has:Observation:patient:code=x': 'branch',
    'Patient?_has:Observation:patient:encounter.status=finished': 'p',
  });
});

t.test('references in every form; logical ones by identifier; canonicals with and without version (hapi #6003, #7330)', async (t) => {
  const { database } = await testDatabase(t);
  const response = (id: string, questionnaire: string): Resource => ({ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire, subject: { reference: 'Patient/p' } }) as Resource;
  await world(database, [
    { resourceType: 'Patient', id: 'p' }, { resourceType: 'Practitioner', id: 'd' },
    { resourceType: 'Questionnaire', id: 'q1', status: 'active', url: 'http://x.example/q', version: '1' }, { resourceType: 'Questionnaire', id: 'q2', status: 'active', url: 'http://x.example/q', version: '2' },
    response('any', 'http://x.example/q'), response('first', 'http://x.example/q|1'), response('third', 'http://x.example/q|3'), response('below', 'http://x.example/q/part'),
    observation('local', { code: coded('x'), performer: [{ reference: 'Practitioner/d' }] }), observation('versioned', { code: coded('x'), performer: [{ reference: 'Practitioner/d/_history/3' }] }),
    observation('elsewhere', { code: coded('x'), performer: [{ reference: 'https://there.example/fhir/Practitioner/d' }] }),
    observation('logical', { code: { text: 'in words' }, performer: [{ identifier: { system: 'urn:npi', value: '17' } }], subject: { identifier: { system: 'urn:mrn', value: '4' } } }),
    observation('both', { code: coded('x'), subject: { reference: 'Patient/p', identifier: { system: 'urn:mrn', value: '5' } } }),
    { resourceType: 'Practitioner', id: 'typed', identifier: [{ type: coded('NPI', 'urn:types'), system: 'urn:npi', value: '17' }, { type: coded('MD', 'urn:types'), value: '18' }] },
    { resourceType: 'Patient', id: 'wordless', identifier: [{ system: 'urn:mrn' }], contact: [] },
  ]);
  await expectAll(t, database, {
    'Observation?performer=d': 'local versioned', 'Observation?performer=Practitioner/d': 'local versioned', [`Observation?performer=${baseUrl}/Practitioner/d`]: 'local versioned',
    'Observation?performer=Practitioner/d/_history/3': 'local versioned', 'Observation?performer:Practitioner=d': 'local versioned', 'Observation?performer=https://there.example/fhir/Practitioner/d': 'elsewhere',
    'Observation?performer=Organization/d': '', 'Observation?performer:identifier=urn:npi|17': 'logical', 'Observation?performer:identifier=17': 'logical', 'Observation?performer:identifier=urn:npi|18': '',
    'Observation?subject:identifier=urn:mrn|4': 'logical', 'Observation?patient:identifier=urn:mrn|5': 'both', 'Observation?subject:identifier=urn:mrn|4,5': 'both logical',
    'Observation?performer:missing=true': 'both', 'Observation?subject:missing=false': 'both logical',
    'Observation?code:missing=true': '', 'Observation?code:missing=false': 'both elsewhere local logical versioned', 'Patient?identifier:missing=false': 'wordless',
    'Practitioner?identifier:of-type=urn:types|NPI|17': 'typed', 'Practitioner?identifier:of-type=urn:types|NPI|18': '', 'Practitioner?identifier:of-type=urn:types|MD|18,urn:types|MD|19': 'typed', 'Practitioner?identifier=urn:npi|17': 'typed',
    'QuestionnaireResponse?questionnaire=http://x.example/q': 'any first third', 'QuestionnaireResponse?questionnaire=http://x.example/q|1': 'first', 'QuestionnaireResponse?questionnaire=http://x.example/q|2': '',
    'QuestionnaireResponse?questionnaire=http://x.example/q|1,http://x.example/q|3': 'first third', 'QuestionnaireResponse?questionnaire:below=http://x.example/q|1': 'first', 'QuestionnaireResponse?questionnaire:below=http://x.example/': 'any below first third',
    'QuestionnaireResponse?questionnaire:above=http://x.example/q|3.1,http://x.example/q|10': 'third', 'QuestionnaireResponse?questionnaire:above=http://x.example/q/part': 'any below first third', 'QuestionnaireResponse?questionnaire:below=http://x.example/q|': 'any below first third',
    'QuestionnaireResponse?questionnaire.version=1': 'any first', 'QuestionnaireResponse?questionnaire=http://x.example/q|1&_include=QuestionnaireResponse:questionnaire': 'first +q1',
    'QuestionnaireResponse?questionnaire=http://x.example/q|3&_include=QuestionnaireResponse:questionnaire': 'third', 'QuestionnaireResponse?_id=any&_include=*': 'any +p +q1 +q2',
    'Questionnaire?_id=q2&_revinclude=QuestionnaireResponse:questionnaire': 'q2 +any', 'Questionnaire?url:below=http://x.example': 'q1 q2', 'Questionnaire?url=http://x.example/q|2': 'q2', 'Questionnaire?url=http://x.example/q|2,http://x.example/q|9': 'q2', 'Questionnaire?url=http://x.example/q|9': '', 'Questionnaire?url=http://x.example/q&version=2': 'q2', 'Questionnaire?url:above=http://x.example/q/further': 'q1 q2',
  });
});

t.test('blaze #1498, #3143; microsoft #5242, #5297, #5340: includes with iterate, both ways, with target types and sorting', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, [
    { resourceType: 'Organization', id: 'org' }, { resourceType: 'Practitioner', id: 'doc' }, { resourceType: 'Device', id: 'dev' },
    { resourceType: 'Patient', id: 'p', generalPractitioner: [{ reference: 'Practitioner/doc' }, { reference: 'Organization/org' }] },
    observation('o1', { code: coded('x'), effectiveDateTime: '2026-01-02', subject: { reference: 'Patient/p' }, performer: [{ reference: 'Practitioner/doc' }, { reference: 'Organization/org' }] }),
    observation('o2', { code: coded('x'), effectiveDateTime: '2026-01-01', subject: { reference: 'Patient/p' }, derivedFrom: [{ reference: 'Observation/o1' }] }),
    observation('o3', { code: coded('y'), derivedFrom: [{ reference: 'Observation/o2' }] }),
    { resourceType: 'Provenance', id: 'v3', recorded: '2026-01-01T00:00:00Z', target: [{ reference: 'Observation/o3' }], agent: [{ who: { reference: 'Device/dev' } }] },
  ]);
  await expectAll(t, database, {
    'Observation?_id=o1&_include=Observation:performer': 'o1 +doc +org', 'Observation?_id=o1&_include=Observation:performer:Organization': 'o1 +org',
    'Observation?_id=o3&_include=Observation:derived-from': 'o3 +o2', 'Observation?_id=o3&_include:iterate=Observation:derived-from': 'o3 +o1 +o2',
    'Observation?_id=o2&_include=Observation:patient&_include:iterate=Patient:general-practitioner': 'o2 +doc +org +p', 'Observation?_id=o2&_include=Observation:patient&_include:iterate=Patient:general-practitioner:Practitioner': 'o2 +doc +p',
    'Observation?_id=o1&_revinclude:iterate=Observation:derived-from&_revinclude:iterate=Provenance:target': 'o1 +o2 +o3 +v3',
    'Observation?_id=o1&_revinclude:iterate=Observation:derived-from&_revinclude:iterate=Provenance:target&_include:iterate=Provenance:agent': 'o1 +dev +o2 +o3 +v3',
    'Observation?code=x&_include=*': 'o1 o2 +doc +org +p',
    'Patient?_revinclude=Observation:subject&_include=Patient:general-practitioner': 'p +doc +o1 +o2 +org',
  });
  const { matches, included } = await found(database, 'Observation?code=x&_sort=date&_include=Observation:patient&_revinclude=Provenance:target');
  t.same([matches.map(({ id }) => id), included.map(({ id }) => id)], [['o2', 'o1'], ['p']], 'sorted as asked, each included once, never a match again');
});

t.test('hapi #8247: 500 values of a comma-OR are one look-up each; medplum PR #1671: :not in a long list', async (t) => {
  const { database } = await testDatabase(t);
  await world(database, Array.from({ length: 60 }, (_, n) => observation(`o${n}`, { code: coded(`c${n}`) })));
  const list = Array.from({ length: 500 }, (_, n) => `${loinc}|c${n * 2}`).join(',');
  const began = performance.now();
  t.equal((await found(database, `Observation?code=${list}`)).matches.length, 30);
  t.equal((await found(database, `Observation?code:not=${list}`)).matches.length, 30);
  t.equal((await found(database, `Observation?code=c1&code:not=${list}&_has:Observation:derived-from:code=${list}`)).matches.length, 0);
  t.ok(performance.now() - began < 2000, 'and no hang');
});

t.test('hapi #3608, #4190, #4098, #5192, #5454; medplum #5693; blaze #904, #2960: pages in every order, with the missing ones, includes and totals', { timeout: 60_000 }, async (t) => {
  const { database } = await testDatabase(t);
  const n = 24;
  await world(database, [
    { resourceType: 'Patient', id: 'p' }, { resourceType: 'Practitioner', id: 'd' },
    ...Array.from({ length: n }, (_, at) => observation(`o${at}`, {
      code: { coding: at % 4 === 0 ? [] : [{ code: `c${at % 3}` }], text: 'x' }, ...(at % 3 === 0 ? {} : { effectiveDateTime: `2026-01-0${1 + (at % 3)}` }), ...(at % 2 === 0 ? {} : { subject: { reference: 'Patient/p' } }),
      ...(at % 3 === 1 ? { valueQuantity: quantity(String(at), 'mg') } : at % 3 === 2 ? { valueString: `text ${at % 4}` } : {}), ...(at % 5 === 0 ? {} : { performer: [{ reference: `Practitioner/${at % 2 === 0 ? 'd' : 'e'}` }] }),
      meta: at % 2 === 0 ? { source: `urn:source:${at % 3}`, profile: [`http://x.example/${at % 4}`] } : {},
    })),
  ]);
  const walk = async (query: string): Promise<{ ids: string[]; sizes: number[] }> => {
    const ids: string[] = [];
    const sizes: number[] = [];
    let cursor: Cursor | undefined;
    do {
      const page = await found(database, `Observation?${query}`, cursor);
      ids.push(...page.matches.map(({ id }) => id));
      sizes.push(page.matches.length);
      cursor = page.next;
    } while (cursor !== undefined && sizes.length < 100);
    return { ids, sizes };
  };
  for (const key of ['date', 'code', 'status', 'value-quantity', 'value-string', 'performer', 'subject', 'patient', '_source', '_profile', '_id', '_lastUpdated', 'value-date']) {
    for (const sort of [key, `-${key}`, `-${key},_id`]) {
      const { ids, sizes } = await walk(`_sort=${sort}&_count=5&_include=Observation:performer`);
      t.equal(new Set(ids).size, n, `_sort=${sort}: every resource once`);
      t.equal(ids.length, n);
      t.ok(sizes.every((size) => size > 0), 'no blank page');
      const all = (await found(database, `Observation?_sort=${sort}`)).matches.map(({ id }) => id);
      t.same(ids, all, 'pages are pieces of the whole');
      t.same((await walk(`_sort=${sort}&_count=5&_total=accurate`)).ids, all, '_total changes nothing');
    }
  }
  const sorted = (await found(database, 'Observation?_sort=-value-quantity')).matches.map(({ id }) => id);
  t.same(sorted.slice(0, 8), ['o22', 'o19', 'o16', 'o13', 'o10', 'o7', 'o4', 'o1'], 'those without a value come last, and they come');
  t.equal((await found(database, 'Observation?_total=estimate&_count=1')).total, n);
});

t.test('hapi #5720: a history pages over equal timestamps without missing or repeating one', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const entry = Array.from({ length: 20 }, (_, at) => ({ resource: { resourceType: 'Practitioner', id: `d${at}` }, request: { method: 'PUT', url: `Practitioner/d${at}` } }));
  t.equal((await fhir('POST', service.url, { resourceType: 'Bundle', type: 'transaction', entry })).status, 200);
  const seen: string[] = [];
  for (let url: string | undefined = 'Practitioner/_history?_count=3'; url !== undefined && seen.length < 100;) {
    const { body } = await fhir('GET', url);
    seen.push(...body.entry.map(({ fullUrl }: { fullUrl: string }) => fullUrl.split('/').at(-1)!));
    url = body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url;
  }
  t.same(seen.toSorted(), entry.map(({ resource }) => resource.id).toSorted());
});

t.test('a scored response takes 40 index rows: 2 of its own, 31 of the three Observations, 6 of the Provenance and 1 of what :text finds there', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  const rows = async (): Promise<number> => {
    const tables = ['token', 'reference', 'date', 'string', 'uri', 'quantity'].map((kind) => `(select count(*) from index_${kind} where patient = (select rid from resource where id = 'p' and type = 'Patient'))`);
    return Number((await service.database.query<{ rows: string }>(`select ${tables.join(' + ')} as rows`, []))[0]!.rows);
  };
  const post = async (date: string, total: number): Promise<number> => {
    const before = await rows();
    t.equal((await fhir('POST', 'QuestionnaireResponse', phq9('p', spread(total), date, { identifier: { system: 'urn:app', value: date } }))).status, 201);
    return (await rows()) - before;
  };
  await post('2024-10-01T10:00:00Z', 12);
  t.equal(await post('2024-10-08T10:00:00Z', 11), 40);
  t.equal(await post('2024-10-15T10:00:00Z', 10), 40);
});
