import fc from 'fast-check';
import t from 'tap';
import { dateRange, periodRange, timingRange } from '../../src/fhir/dates.ts';
import { hotColumns, indexRows } from '../../src/fhir/extract.ts';
import { exactKey, stringFold, stringKey } from '../../src/fhir/index-keys.ts';
import type { IndexRows } from '../../src/fhir/index-rows.ts';
import { quantityRange, rangeRange, valueRange } from '../../src/fhir/quantities.ts';
import { parseCanonical, parseReference } from '../../src/fhir/references.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { hash64, searchParameter, tupleNumber } from '../../src/fhir/search-parameters.ts';

const parameter = (type: string, code: string) => {
  const found = searchParameter(type, code);
  if (found === undefined) throw new Error(`${type} has no parameter ${code}`);
  return found;
};

/** The rows of one parameter, without its number. */
function rowsOf<T extends keyof IndexRows>(resource: Resource, code: string, table: T): object[] {
  const { number } = parameter(resource.resourceType, code);
  return indexRows(resource)[table].filter(({ param }) => param === number).map((row) => {
    const values: { param?: number } = { ...row };
    delete values.param;
    return values;
  });
}

const raw = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
const loinc = 'http://loinc.org';
const short = (text: string | undefined): string | undefined => text?.replace(/T00:00:00\.000000Z$/, '').replace(/\.000000Z$/, 'Z');
const dates = (range: { low: string; high: string } | undefined) => range && [short(range.low), short(range.high)];

t.test('a date stands for all the time that its written precision leaves open', async (t) => {
  const cases: [string, string, string][] = [
    ['2026', '2026-01-01', '2027-01-01'],
    ['2026-12', '2026-12-01', '2027-01-01'],
    ['2024-02', '2024-02-01', '2024-03-01'],
    ['2024-02-29', '2024-02-29', '2024-03-01'],
    ['2026-12-31', '2026-12-31', '2027-01-01'],
    ['2026-11-24T10:20Z', '2026-11-24T10:20:00Z', '2026-11-24T10:21:00Z'],
    ['2026-11-24T10:20:30Z', '2026-11-24T10:20:30Z', '2026-11-24T10:20:31Z'],
    ['2026-11-24T10:20:30.5Z', '2026-11-24T10:20:30.500000Z', '2026-11-24T10:20:30.600000Z'],
    ['2026-11-24T10:20:30.999Z', '2026-11-24T10:20:30.999000Z', '2026-11-24T10:20:31Z'],
    ['2026-11-24T10:20:30.123456Z', '2026-11-24T10:20:30.123456Z', '2026-11-24T10:20:30.123457Z'],
    ['2026-11-24T10:20:30.123456789Z', '2026-11-24T10:20:30.123456Z', '2026-11-24T10:20:30.123457Z'],
    ['2026-11-24T00:30:00+02:00', '2026-11-23T22:30:00Z', '2026-11-23T22:30:01Z'],
    ['2026-11-24T22:30:00-05:30', '2026-11-25T04:00:00Z', '2026-11-25T04:00:01Z'],
    ['2026-11-24T10:20:30', '2026-11-24T10:20:30Z', '2026-11-24T10:20:31Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01', '2017-01-01T00:00:01Z'],
    ['1969-12-31', '1969-12-31', '1970-01-01'],
    ['0001', '0001-01-01', '0002-01-01'],
    ['0099-03', '0099-03-01', '0099-04-01'],
    ['9999-12-31', '9999-12-31', 'infinity'],
    ['0001-01-01T00:00:00+14:00', '-infinity', '-infinity'],
  ];
  for (const [text, low, high] of cases) t.strictSame(dates(dateRange(text)), [low, high], text);
  for (const text of ['', '26', '2026-13', '2026-00', '2026-02-30', '2025-02-29', '2026-01-00', '2026-01-01T10', '2026-01-01T24:00:00Z', '2026-01-01T10:60Z', '2026-01-01T10:00:61Z', '2026-01-01T10:00:00+15:00', '0000', '2026-1-1', ' 2026', '2026-01-01 10:00', '12026']) {
    t.equal(dateRange(text), undefined, text);
  }
});

t.test('a date range agrees with the calendar of the language for any instant and zone', async () => {
  const instant = fc.date({ min: new Date('0002-01-01T00:00:00Z'), max: new Date('9998-12-31T00:00:00Z'), noInvalidDate: true });
  fc.assert(fc.property(instant, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, offset) => {
    const zone = `${offset < 0 ? '-' : '+'}${String(Math.floor(Math.abs(offset) / 60)).padStart(2, '0')}:${String(Math.abs(offset) % 60).padStart(2, '0')}`;
    const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
    const range = dateRange(local + zone);
    return range !== undefined && range.low === date.toISOString().replace('Z', '000Z') && range.high === new Date(date.getTime() + 1).toISOString().replace('Z', '000Z');
  }));
  fc.assert(fc.property(instant, (date) => {
    const day = dateRange(date.toISOString().slice(0, 10));
    const next = new Date(date.getTime() + 86_400_000).toISOString().slice(0, 10);
    return day?.low === `${date.toISOString().slice(0, 10)}T00:00:00.000000Z` && day.high === `${next}T00:00:00.000000Z`;
  }));
});

t.test('periods are open where an end is missing, timings are the hull of what they name', async (t) => {
  t.strictSame(dates(periodRange({ start: '2026-01-05', end: '2026-01-31' })), ['2026-01-05', '2026-02-01']);
  t.strictSame(dates(periodRange({ start: '2026-01' })), ['2026-01-01', 'infinity']);
  t.strictSame(dates(periodRange({ end: '2026' })), ['-infinity', '2027-01-01']);
  t.equal(periodRange({}), undefined);
  t.equal(periodRange({ start: '2026-02-02', end: '2026-02-01' }), undefined);
  t.strictSame(dates(timingRange({ event: ['2026-03-01', null, '2026-01-10', '2026-02'] })), ['2026-01-10', '2026-03-02']);
  t.strictSame(dates(timingRange({ event: ['2026-03-01'], repeat: { boundsPeriod: { start: '2026-02-01' } } })), ['2026-02-01', 'infinity']);
  t.strictSame(dates(timingRange({ repeat: {} })), ['-infinity', 'infinity'], 'a Timing without dates is open on both sides');
  t.equal(timingRange({ event: [null] }), undefined);
});

t.test('a decimal stands for half a unit of its last digit to either side, exactly', async (t) => {
  const cases: [string, string, string][] = [
    ['100', '99.5', '100.5'], ['100.00', '99.995', '100.005'], ['5.40', '5.395', '5.405'], ['5.4', '5.35', '5.45'], ['0', '-0.5', '0.5'],
    ['-5.4', '-5.45', '-5.35'], ['0.1', '0.05', '0.15'], ['0.10', '0.095', '0.105'], ['1e2', '95', '105'], ['1E+2', '95', '105'], ['1.0e2', '95', '105'],
    ['1.00e2', '99.5', '100.5'], ['25e-1', '2.45', '2.55'], ['0.30000000000000004', '0.300000000000000035', '0.300000000000000045'],
    ['9007199254740993', '9007199254740992.5', '9007199254740993.5'],
  ];
  for (const [text, low, high] of cases) t.strictSame(quantityRange(text), { low, high }, text);
  for (const text of ['', '.5', '5.', '007', '+1', '1e', 'NaN', '1,5', '0x10', '1'.repeat(401), '1e401', '1e99999']) t.equal(quantityRange(text), undefined, text);
  t.equal(quantityRange('1.000000000000000000E-245')?.high.length, 2 + 245 + 19);
});

t.test('for any decimal the range is one unit of its last digit wide with the number in the middle', async () => {
  const scaled = (text: string, places: number): bigint => {
    const [whole = '', fraction = ''] = text.split('.');
    return BigInt(whole + fraction.padEnd(places, '0'));
  };
  const decimal = fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 25 }));
  fc.assert(fc.property(decimal, ([negative, digits, places]) => {
    const plain = digits.toString().padStart(places + 1, '0');
    const text = (negative ? '-' : '') + (places === 0 ? plain : `${plain.slice(0, -places)}.${plain.slice(-places)}`);
    const range = quantityRange(text);
    if (range === undefined) return false;
    const value = negative ? -digits : digits;
    const sign = (bound: string): bigint => (bound.startsWith('-') ? -scaled(bound.slice(1), places + 1) : scaled(bound, places + 1));
    return sign(range.low) === value * 10n - 5n && sign(range.high) === value * 10n + 5n;
  }));
});

t.test('what is stored is the number that it says; comparators and Ranges open it', async (t) => {
  t.strictSame(valueRange({ value: 5.4 }), { low: '5.4', high: '5.4' });
  t.strictSame(valueRange({ value: { rawJSON: '-25e-1' } }), { low: '-2.5', high: '-2.5' });
  t.equal(valueRange({ value: { rawJSON: '1e401' } }), undefined);
  t.strictSame(valueRange({ value: 5, comparator: '<' }), { low: '-Infinity', high: '5' });
  t.strictSame(valueRange({ value: 5, comparator: '<=' }), { low: '-Infinity', high: '5' });
  t.strictSame(valueRange({ value: 5, comparator: '>' }), { low: '5', high: 'Infinity' });
  t.equal(valueRange({}), undefined);
  t.strictSame(rangeRange({ low: { value: 1 }, high: { value: 3 } }), { low: '1', high: '3' });
  t.strictSame(rangeRange({ high: { value: 3 } }), { low: '-Infinity', high: '3' });
});

t.test('a reference is read by its form, versions are taken off', async (t) => {
  t.strictSame(parseReference('Patient/x-1.2'), { kind: 'relative', type: 'Patient', id: 'x-1.2' });
  t.strictSame(parseReference('Patient/x/_history/3'), { kind: 'relative', type: 'Patient', id: 'x', version: '3' });
  t.strictSame(parseReference('https://a.example/r4/Patient/x/_history/3'), { kind: 'absolute', url: 'https://a.example/r4/Patient/x', type: 'Patient', id: 'x', version: '3' });
  t.strictSame(parseReference('http://a.example/thing'), { kind: 'absolute', url: 'http://a.example/thing' });
  t.strictSame(parseReference('#c1'), { kind: 'contained', id: 'c1' });
  t.strictSame(parseReference('urn:uuid:0a'), { kind: 'urn', urn: 'urn:uuid:0a' });
  t.strictSame(parseReference('Patient?identifier=a|b'), { kind: 'conditional', type: 'Patient', query: 'identifier=a|b' });
  for (const text of ['', 'Patient', 'Patient/', 'patient/x', 'Patient/x/y', 'Patient/a b', '/Patient/x', `Patient/${'x'.repeat(65)}`]) t.equal(parseReference(text), undefined, text);
  t.strictSame(parseCanonical('http://a/b|1.0'), { url: 'http://a/b', version: '1.0' });
  t.strictSame(parseCanonical('http://a/b'), { url: 'http://a/b', version: null });
});

t.test('folding takes accents, case and spaces away, and is stable', async (t) => {
  t.equal(stringFold('  Jürgen\t ÅSTRÖM '), 'jurgen astrom');
  t.equal(stringFold('Straße'), 'strasse');
  t.equal(stringFold('ΟΔΥΣΣΕΥΣ'), stringFold('Οδυσσεύς'));
  t.ok(stringFold('Οδυσσεύς').startsWith(stringFold('Οδυσ')), 'a final sigma is a sigma: the start of a word finds it');
  t.equal(stringFold('İstanbul'), 'istanbul');
  t.equal(stringFold('ﬁne'), 'fine');
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => stringFold(stringFold(text)) === stringFold(text)));
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => stringFold(text.toUpperCase()) === stringFold(text)));
});

t.test('no key is longer than an index row can hold', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 0, maxLength: 3000, size: 'max' }), (text) =>
    Buffer.byteLength(stringKey(text)) <= 2000 && Buffer.byteLength(exactKey(text)) <= 1000 && exactKey(exactKey(text)) === exactKey(text)), { numRuns: 50 });
  t.equal(exactKey('é'.repeat(500)), 'é'.repeat(500));
  t.not(exactKey(`${'a'.repeat(2000)}1`), exactKey(`${'a'.repeat(2000)}2`));
});

const response: Resource = {
  resourceType: 'QuestionnaireResponse', id: 'r',
  meta: {
    profile: ['http://a/p|1'], source: 'urn:x', tag: [{ system: 'http://t', code: 'a' }, { code: 'b' }],
    security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' }],
  },
  extension: [
    { url: 'http://else', valueReference: { reference: 'EpisodeOfCare/no' } },
    { url: 'http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare', valueReference: { reference: 'EpisodeOfCare/e' } },
  ],
  identifier: { system: 'http://i', value: '1' },
  questionnaire: 'http://q/phq-9|2.0', status: 'completed', subject: { reference: 'Patient/p' }, authored: '2026-11-24T10:00:00+01:00',
  author: { reference: 'Practitioner/d/_history/2' }, basedOn: [{ reference: 'CarePlan/c' }, { reference: 'CarePlan/c' }],
};

t.test('a QuestionnaireResponse: what columns serve has no rows, all else has one row a value', async (t) => {
  t.strictSame(hotColumns(response), { patient: 'p', status: 'completed', dateLow: '2026-11-24T09:00:00.000000Z', dateHigh: '2026-11-24T09:00:01.000000Z', restricted: false, private: false });
  t.strictSame(rowsOf(response, 'questionnaire', 'uri'), [{ value: 'http://q/phq-9', version: '2.0' }]);
  t.strictSame(rowsOf({ resourceType: 'QuestionnaireResponse', questionnaire: '#contained' }, 'questionnaire', 'uri'), []);
  t.strictSame(rowsOf(response, 'author', 'reference'), [{ targetId: 'd', targetType: 'Practitioner' }]);
  t.strictSame(rowsOf(response, 'based-on', 'reference'), [{ targetId: 'c', targetType: 'CarePlan' }], 'one row for a repeated value');
  t.strictSame(rowsOf(response, 'episode', 'reference'), [{ targetId: 'e', targetType: 'EpisodeOfCare' }], 'only the extension with this URL');
  t.strictSame(rowsOf(response, 'identifier', 'token'), [{ code: '1', system: hash64('http://i') }]);
  t.strictSame(rowsOf(response, '_tag', 'token'), [{ code: 'a', system: hash64('http://t') }, { code: 'b', system: 0n }]);
  t.strictSame(rowsOf(response, '_profile', 'uri'), [{ value: 'http://a/p', version: '1' }]);
  t.strictSame(rowsOf(response, '_source', 'uri'), [{ value: 'urn:x', version: null }]);
  const rows = indexRows(response);
  t.strictSame(Object.values(rows).map((each: unknown[]) => each.length), [4, 3, 0, 0, 3, 0], 'nothing for subject, patient, status, authored');
});

t.test('a subject that is not a local Patient is in rows, not in the column', async (t) => {
  const about = (reference: string): Resource => ({ resourceType: 'Observation', subject: { reference } });
  t.strictSame(rowsOf(about('Group/g'), 'subject', 'reference'), [{ targetId: 'g', targetType: 'Group' }]);
  t.strictSame(rowsOf(about('Group/g'), 'patient', 'reference'), []);
  t.equal(hotColumns(about('Group/g')).patient, null);
  const elsewhere = 'https://other.example/fhir/Patient/p';
  t.strictSame(rowsOf(about(elsewhere), 'patient', 'reference'), [{ targetId: elsewhere, targetType: null }]);
  t.equal(hotColumns(about(elsewhere)).patient, null, 'a Patient of another server is not ours');
  for (const skipped of ['#c', 'urn:uuid:0b1c', 'Patient?identifier=x']) t.strictSame(indexRows(about(skipped)).reference, [], skipped);
  t.equal(hotColumns(about('Patient/p/_history/4')).patient, 'p');
  t.strictSame(indexRows({ resourceType: 'Observation', subject: { identifier: { value: '1' } } }).reference, [], 'a reference by identifier only');
});

t.test('the patient of each kind of record is found', async (t) => {
  const patient = (resource: Resource): string | null => hotColumns(resource).patient;
  const actor = (reference: string) => ({ actor: { reference }, status: 'accepted' });
  t.equal(patient({ resourceType: 'Patient', id: 'p' }), 'p');
  t.equal(patient({ resourceType: 'Task', for: { reference: 'Patient/p' } }), 'p');
  t.equal(patient({ resourceType: 'Consent', patient: { reference: 'Patient/p' } }), 'p');
  t.equal(patient({ resourceType: 'Binary', securityContext: { reference: 'Patient/p' } }), 'p');
  t.equal(patient({ resourceType: 'Appointment', participant: [actor('Practitioner/d'), actor('Patient/p'), { status: 'accepted' }] }), 'p');
  t.equal(patient({ resourceType: 'Appointment', participant: [actor('Patient/p'), actor('Patient/q')] }), null);
  t.equal(patient({ resourceType: 'Appointment', participant: [actor('Practitioner/d')] }), null);
  t.equal(patient({ resourceType: 'Provenance', target: [{ reference: 'Observation/o' }, { reference: 'Patient/p' }] }), 'p');
  t.equal(patient({ resourceType: 'Provenance', target: [{ reference: 'Observation/o' }] }), null);
  t.equal(patient({ resourceType: 'Questionnaire' }), null);
  t.equal(patient({ resourceType: 'Task', for: { reference: 'Patients/p' } }), null);
});

t.test('resources that their labels restrict are marked', async (t) => {
  const labelled = (system: string, code: string): boolean => hotColumns({ resourceType: 'Observation', meta: { security: [{ system: `http://terminology.hl7.org/CodeSystem/${system}`, code }] } }).restricted;
  t.equal(labelled('v3-Confidentiality', 'R'), true);
  t.equal(labelled('v3-Confidentiality', 'V'), true);
  t.equal(labelled('v3-Confidentiality', 'N'), false);
  t.equal(labelled('v3-ActCode', 'PSYTHPN'), true);
  t.equal(labelled('v3-ActCode', 'R'), false);
  t.equal(hotColumns({ resourceType: 'Observation' }).restricted, false);
});

t.test('the clinical date of each kind of Observation fills the columns', async (t) => {
  const of = (element: object) => {
    const { dateLow, dateHigh } = hotColumns({ resourceType: 'Observation', ...element });
    return [short(dateLow ?? undefined), short(dateHigh ?? undefined)];
  };
  t.strictSame(of({ effectiveDateTime: '2026-03' }), ['2026-03-01', '2026-04-01']);
  t.strictSame(of({ effectivePeriod: { start: '2026-03-01' } }), ['2026-03-01', 'infinity']);
  t.strictSame(of({ effectiveTiming: { event: ['2026-03-05', '2026-03-01'] } }), ['2026-03-01', '2026-03-06']);
  t.strictSame(of({ effectiveInstant: '2026-03-01T00:00:00.000Z' }), ['2026-03-01', '2026-03-01T00:00:00.001000Z']);
  t.strictSame(of({}), [undefined, undefined]);
});

t.test('tokens come from every coding, identifier, contact point, code and boolean', async (t) => {
  const concept: Resource = { resourceType: 'Observation', code: { text: 'x', coding: [{ system: loinc, code: 'a' }, { code: 'b' }, { system: loinc, display: 'no code' }] } };
  t.strictSame(rowsOf(concept, 'code', 'token'), [{ code: 'a', system: hash64(loinc) }, { code: 'b', system: 0n }]);
  t.strictSame(rowsOf(concept, 'combo-code', 'token'), [], 'a union has no rows');
  const person: Resource = {
    resourceType: 'Patient', active: false, gender: 'other', deceasedDateTime: '2026-01-01',
    telecom: [{ system: 'phone', value: '+1 (555) 010-9' }, { system: 'email', value: 'A@b.Example' }, { system: 'phone' }],
  };
  t.strictSame(rowsOf(person, 'active', 'token'), [{ code: 'false', system: 0n }]);
  t.strictSame(rowsOf(person, 'telecom', 'token').length, 2);
  t.strictSame(rowsOf(person, 'email', 'token'), [{ code: 'a@b.example', system: 0n }]);
  t.strictSame(rowsOf(person, 'phone', 'token'), [{ code: '15550109', system: 0n }]);
  t.strictSame(rowsOf(person, 'deceased', 'token'), [{ code: 'true', system: 0n }]);
  t.strictSame(rowsOf({ resourceType: 'Patient' }, 'deceased', 'token'), [{ code: 'false', system: 0n }], 'who is not said to be dead is alive');
  t.strictSame(rowsOf({ resourceType: 'Patient', deceasedBoolean: false }, 'deceased', 'token'), [{ code: 'false', system: 0n }]);
});

t.test('strings come from every part of a name and an address', async (t) => {
  const person: Resource = {
    resourceType: 'Patient',
    name: [{ text: 'Dr. José  Peña', family: 'Peña', given: ['José', null as unknown as string, 'Luis'], suffix: ['Jr.'] }],
    address: [{ line: ['Main St. 1'], city: 'Köln', postalCode: '50667', use: 'home' }],
  };
  t.strictSame(rowsOf(person, 'name', 'string').map((row) => (row as { value: string }).value).sort(), ['dr. jose pena', 'jose', 'jr.', 'luis', 'pena']);
  t.strictSame(rowsOf(person, 'given', 'string'), [{ value: 'jose', exact: 'José' }, { value: 'luis', exact: 'Luis' }]);
  t.strictSame(rowsOf(person, 'address', 'string').map((row) => (row as { exact: string }).exact), ['Main St. 1', 'Köln', '50667']);
  t.strictSame(rowsOf(person, 'address-city', 'string'), [{ value: 'koln', exact: 'Köln' }]);
  t.strictSame(rowsOf(person, 'address-use', 'token'), [{ code: 'home', system: 0n }]);
});

t.test('quantities keep the precision they were written with and are found by code and by unit', async (t) => {
  const measured = (valueQuantity: object): Resource => ({ resourceType: 'Observation', valueQuantity });
  const ucum = 'http://unitsofmeasure.org';
  t.strictSame(rowsOf(measured({ value: raw('2.50'), system: ucum, code: 'h', unit: 'hours' }), 'value-quantity', 'quantity'), [
    { code: 'h', system: hash64(ucum), low: '2.50', high: '2.50' }, { code: 'hours', system: 0n, low: '2.50', high: '2.50' },
  ]);
  t.strictSame(rowsOf(measured({ value: 12, code: '{score}', system: ucum, unit: '{score}' }), 'value-quantity', 'quantity'), [{ code: '{score}', system: hash64(ucum), low: '12', high: '12' }]);
  t.strictSame(rowsOf(measured({ value: 12 }), 'value-quantity', 'quantity'), [{ code: '', system: 0n, low: '12', high: '12' }]);
  t.strictSame(rowsOf(measured({ unit: 'h' }), 'value-quantity', 'quantity'), []);
  t.strictSame(rowsOf({ resourceType: 'RiskAssessment', prediction: [{ probabilityDecimal: raw('0.30') }, {}] }, 'probability', 'quantity'), [{ code: '', system: 0n, low: '0.30', high: '0.30' }]);
  t.strictSame(rowsOf({ resourceType: 'Condition', onsetRange: { low: { value: 20, code: 'a', system: ucum } } }, 'onset-age', 'quantity'), [{ code: 'a', system: hash64(ucum), low: '20', high: 'Infinity' }]);
});

t.test('the rows of a composite hold the value of the same element as the token', async (t) => {
  const pressure: Resource = {
    resourceType: 'Observation', code: { coding: [{ system: loinc, code: 'bp' }] },
    component: [
      { code: { coding: [{ system: loinc, code: 'sys' }] }, valueQuantity: { value: 120 } },
      { code: { coding: [{ code: 'dia' }] }, valueQuantity: { value: 80 } },
    ],
  };
  const composite = parameter('Observation', 'component-code-value-quantity');
  const found = (code: string, system?: bigint) =>
    indexRows(pressure).quantity.filter(({ param }) => param === tupleNumber(composite, code, system)).map(({ low }) => low);
  t.strictSame(found('sys', hash64(loinc)), ['120']);
  t.strictSame(found('sys'), ['120'], 'in any system');
  t.strictSame(found('sys', 0n), []);
  t.strictSame(found('dia', 0n), ['80']);
  t.strictSame(found('dia', hash64(loinc)), []);
  const score: Resource = { resourceType: 'Observation', code: { coding: [{ system: loinc, code: 'x' }] }, valueQuantity: { value: 3 } };
  const number = tupleNumber(parameter('Observation', 'code-value-quantity'), 'x');
  t.strictSame(indexRows(score).quantity.filter(({ param }) => param === number).map(({ low }) => low), ['3']);
  const related: Resource = { resourceType: 'DocumentReference', relatesTo: [{ code: 'replaces', target: { reference: 'DocumentReference/d' } }] };
  const relation = tupleNumber(parameter('DocumentReference', 'relationship'), 'replaces');
  t.strictSame(indexRows(related).reference.filter(({ param }) => param === relation).map(({ targetId }) => targetId), ['d']);
});

t.test('the parameters published here find what R4 has no parameter for', async (t) => {
  const task: Resource = { resourceType: 'Task', instantiatesCanonical: 'http://a/ActivityDefinition/x|1', restriction: { period: { end: '2026-12-01' } } };
  t.strictSame(rowsOf(task, 'due', 'date').map((row) => dates(row as never)), [['-infinity', '2026-12-02']]);
  t.strictSame(rowsOf(task, 'instantiates', 'uri'), [{ value: 'http://a/ActivityDefinition/x', version: '1' }]);
  const goal: Resource = {
    resourceType: 'Goal', lifecycleStatus: 'active', startDate: '2026-01-01', expressedBy: { reference: 'Patient/p' }, description: { coding: [{ code: 'sleep' }] },
    target: [{ measure: { coding: [{ code: 'm' }] }, dueDate: '2026-02-01' }, { dueDuration: { value: 3 } }], outcomeReference: [{ reference: 'Observation/o' }],
  };
  t.strictSame(rowsOf(goal, 'expressed-by', 'reference'), [{ targetId: 'p', targetType: 'Patient' }], 'not the subject: no column');
  t.strictSame(rowsOf(goal, 'outcome', 'reference'), [{ targetId: 'o', targetType: 'Observation' }]);
  t.strictSame(rowsOf(goal, 'description', 'token'), [{ code: 'sleep', system: 0n }]);
  t.strictSame(rowsOf(goal, 'target-measure', 'token'), [{ code: 'm', system: 0n }]);
  t.equal(rowsOf(goal, 'target-date', 'date').length, 1);
  t.equal(hotColumns(goal).status, 'active');
  const priority = { url: 'http://hl7.org/fhir/StructureDefinition/flag-priority', valueCodeableConcept: { coding: [{ code: 'PH' }] } };
  t.strictSame(rowsOf({ resourceType: 'Flag', extension: [priority] }, 'priority', 'token'), [{ code: 'PH', system: 0n }]);
});

t.test('a long list of equal and different values becomes one row a value', async (t) => {
  const concept = Array.from({ length: 5000 }, (_, at) => ({ code: `c${at % 2500}` }));
  const valueSet: Resource = { resourceType: 'ValueSet', compose: { include: [{ system: 'http://s', concept }] } };
  const started = process.cpuUsage().user;
  t.equal(rowsOf(valueSet, 'code', 'token').length, 2500);
  t.ok(process.cpuUsage().user - started < 500_000, 'in less than half a second');
});

t.test('a type that is not served, and elements of the wrong shape, give no rows', async (t) => {
  t.strictSame(Object.values(indexRows({ resourceType: 'Basic', code: { coding: [{ code: 'x' }] } })).flat(), []);
  t.strictSame(hotColumns({ resourceType: 'Basic' }), { patient: null, status: null, dateLow: null, dateHigh: null, restricted: false, private: false });
  const rows = Object.values(indexRows({ resourceType: 'Observation', code: 'x', performer: [null, 'y', {}], valueQuantity: 5, identifier: [{}] })).flat();
  t.strictSame(rows.filter((row) => !('code' in row) || row.code !== ''), [], 'but for what says that there is an element');
});
