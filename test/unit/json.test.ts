import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { firstFault } from '../../src/fhir/json-scan.ts';
import { parseJson, serialize } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/outcome.ts';

const refused = (text: string): string => {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof Problem && error.kind === 'malformed') return error.message;
    throw error;
  }
  return 'accepted';
};

t.test('a body that is not one JSON object is refused with the place and without the content', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['', /ends too early.*line 1, column 1/],
    ['{"a":', /ends too early.*column 6/],
    ['{"a":1,}', /expected a name.*column 8/],
    ['{"a":tru}', /expected a value.*column 6/],
    ['{"a":01}', /expected ",".*column 7/],
    ['{"a":1} x', /nothing more.*column 9/],
    ['{"a":[}', /expected a value or "\]"/],
    ['{"a":"line\nbreak"}', /column 6/],
    ['{\n"a":1,\n"b" 2}', /line 3, column 5/],
    ['[1]', /one JSON object/],
    ['null', /one JSON object/],
    ['"text"', /one JSON object/],
    ['12', /one JSON object/],
  ];
  for (const [text, message] of cases) t.match(refused(text), message, JSON.stringify(text));
  t.notMatch(refused('{"name":"Amy Shaw" "x"}'), /Amy/);
});

t.test('a key that comes twice is refused and named by its path', async (t) => {
  t.match(refused('{"a":1,"a":2}'), /"a" stands there twice/);
  t.match(refused('{"item":[{"linkId":"1"},{"linkId":"2","linkId" : "3"}]}'), /"item\[1\]\.linkId" stands there twice/);
  t.match(refused('{"a":1,"\\u0061":2}'), /"a" stands there twice/);
  t.notMatch(refused('{"x":{"Amy Shaw":1,"Amy Shaw":2}}'), /Amy/, 'a key that a person may have typed is not repeated');
  t.equal(refused('{"a":": {","b":"\\":","c":[{"a":1},{"a":2}],"d":{"a" : 1}}'), 'accepted', 'colons and quotes within strings are no keys');
});

t.test('names and characters that could do harm later are refused', async (t) => {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    t.match(refused(`{"${name}":{"polluted":true}}`), /not allowed/, name);
    t.match(refused(`{"a":[{"${name}":1}]}`), /not allowed/, `${name} deeper`);
  }
  t.match(refused('{"\\u005f_proto__":1}'), /not allowed/, 'an escaped name');
  t.match(refused('{"a":"x\\u0000y"}'), /U\+0000/);
  t.match(refused('{"\\u0000":1}'), /U\+0000/);
  t.match(refused('{"a":"\\ud83d"}'), /surrogate/);
  t.match(refused('{"a":"\\ude00\\ud83d"}'), /surrogate/);
  t.match(refused('{"a":"\ud83d"}'), /surrogate/, 'unescaped as well');
  t.equal(refused('{"a":"\\ud83d\\ude00","b":"\\\\u0000"}'), 'accepted', 'a whole pair and an escaped backslash are fine');
});

t.test('nesting is bounded, so that what is stored can be written out again', async (t) => {
  const arrays = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  t.equal(refused(arrays(63)), 'accepted');
  t.match(refused(arrays(64)), /deeper than 64/);
  t.match(refused(arrays(1_000_000)), /deeper than 64/);
  t.match(refused('{"a":'.repeat(200_000)), /[Dd]eeper than 64/);
});

t.test('numbers are written back as they were written', async (t) => {
  for (const number of ['2.50', '9007199254740993', '1e3', '1E-10', '-0', '0.0', '-0.10', '0.1234567890123456789', '100000000000000000000', '3', '-1', '1.5']) {
    const { value, stored } = parseJson(`{"resourceType":"X","a":${number},"b":[${number} , ${number}]}`);
    t.equal(serialize(stored, {}), `{"resourceType":"X","a":${number},"b":[${number},${number}]}`, number);
    t.equal(value['a'], Number(number), 'logic sees a plain number');
  }
  const plain = parseJson('{"a":1.5,"b":"2.50","c":"2026-01-01T10:00:00.000Z"}');
  t.equal(plain.value, plain.stored, 'the usual body is parsed once');
  t.match(refused(`{"a":${'1'.repeat(65)}}`), /64 characters/);
});

t.test('a number of a million digits costs no more than its length', async (t) => {
  const started = process.cpuUsage();
  t.match(refused(`{"a":${'1'.repeat(1_000_000)}}`), /64 characters/);
  t.equal(refused(`{"n":1,"a":"${' 0.0000'.repeat(200_000)}"}`), 'accepted');
  t.ok(process.cpuUsage(started).user < 2_000_000);
});

t.test('serialize puts resourceType, id and meta first and keeps the order of the rest', async (t) => {
  const { stored } = parseJson('{"status":"final","id":"theirs","code":{"text":"x"},"meta":{"versionId":"9"},"resourceType":"Observation","valueInteger":1}');
  t.equal(
    serialize(stored, { id: 'ours', meta: { versionId: '1' } }),
    '{"resourceType":"Observation","id":"ours","meta":{"versionId":"1"},"status":"final","code":{"text":"x"},"valueInteger":1}',
  );
  t.equal(stored['id'], 'theirs', 'what was read is not changed');
  t.equal(serialize({ resourceType: 'Patient', active: true }, {}), '{"resourceType":"Patient","active":true}', 'what is not there is not written');
});

t.test('properties', async (t) => {
  const decimal = fc.tuple(fc.boolean(), fc.bigInt(0n, 10n ** 18n), fc.option(fc.stringMatching(/^\d{1,12}$/)), fc.option(fc.integer({ min: -30, max: 30 })))
    .map(([negative, whole, fraction, exponent]) => `${negative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`);
  fc.assert(fc.property(fc.array(decimal, { minLength: 1, maxLength: 5 }), (numbers) => {
    const text = `{"resourceType":"X","a":[${numbers.join(',')}]}`;
    return serialize(parseJson(text).stored, {}) === text;
  }));
  t.pass('any decimal comes back as it was written');

  const object = fc.dictionary(fc.stringMatching(/^[a-z:"{}[\], ]{1,6}$/).filter((key) => key !== 'resourceType'), fc.jsonValue({ maxDepth: 4 }));
  fc.assert(fc.property(object, fc.integer({ min: 0, max: 3 }), (value, indent) => {
    return firstFault(JSON.stringify(value, null, indent)) === undefined;
  }));
  t.equal(firstFault('{ "a" : { "b"\n:\t[ 1 , { } ] } , ":" :null , " :": 2 }'), undefined, 'with blanks wherever they may be');
  t.pass('the scanner finds no fault in JSON');

  fc.assert(fc.property(fc.string({ maxLength: 40, unit: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', 'a', '1', '\\', ' ', 'u', 'null') }), (text) => {
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    return isJson || firstFault(text) !== undefined;
  }), { numRuns: 5000 });
  t.pass('the scanner finds a fault in whatever is not JSON');
});

t.test('a questionnaire response of 4 KB is read within its budget', async (t) => {
  const text = readFileSync(new URL('../data/us-core/QuestionnaireResponse-phq-9-example.json', import.meta.url), 'utf8');
  for (let index = 0; index < 5000; index++) parseJson(text);
  const started = process.cpuUsage();
  for (let index = 0; index < 5000; index++) parseJson(text);
  const { user, system } = process.cpuUsage(started);
  const micros = (user + system) / 5000;
  t.comment(`${micros.toFixed(1)} µs`);
  t.ok(micros < 100, 'a quarter of the speed measured on a quiet machine is enough here');
});
