import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../src/fhir/outcome.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { parseSearch } from '../../src/fhir/search-parse.ts';
import { parseSystemSearch } from '../../src/fhir/search-system.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Reach, Verb, Visibility } from '../../src/fhir/visibility.ts';
import { searchInteraction } from '../../src/interactions/search.ts';
import type { Connection } from '../../src/store/database.ts';
import { matching, search, searchSeveral, type Cursor, type Found } from '../../src/store/search.ts';
import { testDatabase } from '../kit/database.ts';
import { putResource, type Rids } from '../kit/store-rows.ts';

const loinc = 'http://loinc.org';
const restrictedLabel = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] };
const baseUrl = 'https://here.example/fhir';

const granted = (types: readonly string[] = servedTypes, verbs: readonly Verb[] = ['r', 's']): Visibility['grants'] => new Map(types.map((type) => [type, new Set(verbs)]));
const caller = (reach: Reach, more: Partial<Visibility> = {}): Visibility => ({ caller: JSON.stringify(reach), reach, grants: granted(), restricted: true, ...more });
const everybody = caller({ kind: 'all' });

const plan = (url: string) => {
  const [type, query] = url.split('?') as [string, string?];
  return parseSearch(type, [...new URLSearchParams(query ?? '')] as [string, string][], { handling: 'strict', baseUrl });
};

async function kindOf(refused: Promise<unknown>): Promise<string> {
  try {
    await refused;
  } catch (error) {
    if (error instanceof Problem) return error.kind;
    throw error;
  }
  return 'accepted';
}

const ids = (rows: readonly { type: string; id: string }[]): string[] => rows.map(({ id }) => id);

async function put(connection: Connection, resources: readonly Resource[], rids: Rids = new Map()): Promise<Rids> {
  for (const resource of resources) await putResource(connection, rids, resource);
  return rids;
}

/** All pages of a search. */
async function pages(connection: Connection, url: string, visibility: Visibility): Promise<{ ids: string[]; pages: number }> {
  const found: string[] = [];
  let cursor: Cursor | undefined;
  let count = 0;
  do {
    const page: Found = await search(connection, plan(url), visibility, cursor);
    found.push(...ids(page.matches));
    cursor = page.next;
    count++;
  } while (cursor !== undefined && count < 1000);
  return { ids: found, pages: count };
}

// ---------------------------------------------------------------- against a filter in memory

interface Case { readonly query: readonly [string, string]; readonly holds: (resource: any) => boolean } // oxlint-disable-line typescript/no-explicit-any -- plain JSON of the test's own making

const moment = (text: string): [number, number] => {
  const [year, month, day] = text.split(/[-T]/).map(Number) as [number, number?, number?];
  if (text.includes('T')) return [Date.parse(text), Date.parse(text) + 1000];
  if (day !== undefined) return [Date.UTC(year, month! - 1, day), Date.UTC(year, month! - 1, day + 1)];
  return month === undefined ? [Date.UTC(year, 0), Date.UTC(year + 1, 0)] : [Date.UTC(year, month - 1), Date.UTC(year, month)];
};
const when = (o: { effectiveDateTime?: string; effectivePeriod?: { start?: string; end?: string } }): [number, number] | null => {
  if (o.effectiveDateTime !== undefined) return moment(o.effectiveDateTime);
  const { effectivePeriod: period } = o;
  if (period === undefined) return null;
  return [period.start === undefined ? -Infinity : moment(period.start)[0], period.end === undefined ? Infinity : moment(period.end)[1]];
};
const byDate: Record<string, (row: [number, number], value: [number, number]) => boolean> = {
  eq: ([low, high], [from, until]) => low >= from && high <= until,
  ne: ([low, high], [from, until]) => !(low >= from && high <= until),
  gt: ([, high], [, until]) => high > until,
  lt: ([low], [from]) => low < from,
  ge: ([low, high], [from, until]) => high > until || (low >= from && high <= until),
  le: ([low, high], [from, until]) => low < from || (low >= from && high <= until),
  sa: ([low], [, until]) => low >= until,
  eb: ([, high], [from]) => high <= from,
};
const halfUnit = (text: string): number => 0.5 * 10 ** -(text.split('.')[1]?.length ?? 0);
const byNumber: Record<string, (row: string, value: string) => boolean> = {
  eq: (row, value) => Number(row) >= Number(value) - halfUnit(value) && Number(row) < Number(value) + halfUnit(value),
  ne: (row, value) => !byNumber['eq']!(row, value),
  gt: (row, value) => Number(row) > Number(value), ge: (row, value) => Number(row) >= Number(value),
  lt: (row, value) => Number(row) < Number(value), le: (row, value) => Number(row) <= Number(value),
};

/** Units of the world, each as a multiple of the unit of its dimension. */
const units = ['{score}', '1', '%', 'mg', 'g'] as const;
const scales: Record<string, readonly [dimension: string, factor: number]> = { '{score}': ['1', 1], '{other}': ['1', 1], '1': ['1', 1], '%': ['1', 0.01], mg: ['g', 0.001], g: ['g', 1], ug: ['g', 0.000_001] };
/** Compares a quantity with one in another unit of the same dimension; in billionths, so that rounding plays no part. */
function byUnit(prefix: string, row: { value: number; code: string }, value: string, unit: string): boolean {
  const [dimension, factor] = scales[row.code]!;
  const [wanted, other] = scales[unit]!;
  if (dimension !== wanted) return false;
  const span = (text: string, scale: number): [number, number, number] => [Number(text) - halfUnit(text), Number(text) + halfUnit(text), Number(text)].map((each) => Math.round(each * scale * 1e9)) as [number, number, number];
  const [, , exact] = span(String(row.value), factor);
  const [from, until, at] = span(value, other);
  const tenth = Math.abs(at) / 10;
  return { eq: exact >= from && exact < until, ne: !(exact >= from && exact < until), gt: exact > at, ge: exact >= at, lt: exact < at, le: exact <= at, ap: exact <= at + tenth && exact >= at - tenth }[prefix]!;
}

const codes = ['a', 'b', 'c', 'd'];
const dates = ['2025', '2025-06', '2025-06-10', '2025-06-11', '2025-06-10T12:00:00Z', '2025-06-10T23:59:59Z', '2026', '2026-01-01', '2024-12-31'];
const codings = (o: any): { system?: string; code: string }[] => o.code.coding; // oxlint-disable-line typescript/no-explicit-any
const patients = ['p1', 'p2', 'p3', 'p4'];

const arbitraryObservation = fc.record({
  coding: fc.uniqueArray(fc.record({ system: fc.constantFrom(undefined, loinc, 'http://other'), code: fc.constantFrom(...codes) }), { minLength: 1, maxLength: 3, selector: (coding) => `${coding.system}|${coding.code}` }),
  status: fc.constantFrom('final', 'amended', 'preliminary'),
  patient: fc.constantFrom(...patients, undefined),
  date: fc.option(fc.constantFrom(...dates), { nil: undefined }),
  period: fc.option(fc.record({ start: fc.constantFrom(undefined, '2025-01-05', '2025-06-10'), end: fc.constantFrom('2025-06-10', '2025-12-31', '2026-02-01') }), { nil: undefined }),
  value: fc.option(fc.constantFrom('5', '5.0', '5.4', '6', '10', '-3'), { nil: undefined }),
  performers: fc.uniqueArray(fc.constantFrom('Practitioner/d1', 'Practitioner/d2', 'Organization/d1'), { maxLength: 2 }),
  note: fc.constantFrom(undefined, 'Grüße an alle', 'gruss', 'An die Freude'),
  unit: fc.constantFrom(...units),
  method: fc.constantFrom(undefined, { text: 'by hand' }, { coding: [{ code: 'm' }] }),
  focus: fc.constantFrom(undefined, { identifier: { system: 'urn:n', value: '7' } }, { reference: 'Practitioner/d1', identifier: { value: '8' } }, { display: 'somebody' }),
  identifier: fc.constantFrom(undefined, { value: '7' }, { system: 'urn:n', value: '7', type: { coding: [{ system: 'urn:t', code: 'MR' }] } }, { value: '8', type: { coding: [{ system: 'urn:t', code: 'MR' }, { system: 'urn:u', code: 'PI' }] } }),
});

function observation(id: string, from: typeof arbitraryObservation extends fc.Arbitrary<infer T> ? T : never): Resource {
  const { coding, status, patient, date, period, value, performers, note, unit, method, focus, identifier } = from;
  return JSON.parse(JSON.stringify({
    resourceType: 'Observation', id, status, code: { coding },
    ...(patient === undefined ? {} : { subject: { reference: `Patient/${patient}` } }),
    ...(date !== undefined ? { effectiveDateTime: date } : period === undefined ? {} : { effectivePeriod: period }),
    ...(value !== undefined ? { valueQuantity: { value: Number(value), unit: 'points', code: unit, system: 'http://unitsofmeasure.org' } } : note === undefined ? {} : { valueString: note }),
    performer: performers.map((reference) => ({ reference })),
    method, ...(focus === undefined ? {} : { focus: [focus] }), ...(identifier === undefined ? {} : { identifier: [identifier] }),
  })) as Resource;
}

const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase().toLowerCase();
const genders: Record<string, string> = { p1: 'female', p2: 'male', p3: 'female', p4: 'other' };
const patientOf = (o: any): string | undefined => o.subject?.reference.slice('Patient/'.length); // oxlint-disable-line typescript/no-explicit-any

interface FilterCase { readonly text: string; readonly holds: Case['holds'] }

/** A comparison of `_filter`, and what it means. */
const arbitraryComparison: fc.Arbitrary<FilterCase> = fc.oneof(
  fc.constantFrom(...codes).map((code): FilterCase => ({ text: `code eq ${code}`, holds: (o) => codings(o).some((coding) => coding.code === code) })),
  fc.constantFrom(...codes).map((code): FilterCase => ({ text: `code eq "${loinc}|${code}"`, holds: (o) => codings(o).some((coding) => coding.code === code && coding.system === loinc) })),
  fc.constantFrom(...codes).map((code): FilterCase => ({ text: `code ne ${code}`, holds: (o) => !codings(o).some((coding) => coding.code === code) })),
  fc.constant<FilterCase>({ text: 'status ne final', holds: (o) => o.status !== 'final' }),
  fc.tuple(fc.constantFrom(...Object.keys(byDate)), fc.constantFrom(...dates)).map(([operator, date]): FilterCase => ({ text: `date ${operator} ${date}`, holds: (o) => when(o) !== null && byDate[operator]!(when(o)!, moment(date)) })),
  fc.constantFrom(...dates).map((date): FilterCase => ({ text: `date po ${date}`, holds: (o) => when(o) !== null && when(o)![0] < moment(date)[1] && when(o)![1] > moment(date)[0] })),
  fc.constantFrom('gt', 'le', 'ne').map((operator): FilterCase => ({ text: `value-quantity ${operator} 5`, holds: (o) => o.valueQuantity !== undefined && byNumber[operator]!(String(o.valueQuantity.value), '5') })),
  fc.constant<FilterCase>({ text: 'value-quantity gt 5000|http://unitsofmeasure.org|mg', holds: (o) => o.valueQuantity !== undefined && byUnit('gt', o.valueQuantity, '5000', 'mg') }),
  fc.constantFrom('co freu', 'ew FREUDE', 'sw "an d"', 'eq "An die freude"').map((condition): FilterCase => ({ text: `value-string ${condition}`, holds: (o) => o.valueString === 'An die Freude' })),
  fc.constant<FilterCase>({ text: 'value-string ne "AN DIE FREUDE"', holds: (o) => o.valueString !== undefined && o.valueString !== 'An die Freude' }),
  fc.constant<FilterCase>({ text: 'value-string eq "an die"', holds: () => false }),
  fc.constantFrom(true, false).map((present): FilterCase => ({ text: `performer pr ${present}`, holds: (o) => (o.performer.length > 0) === present })),
  fc.constant<FilterCase>({ text: 'performer re Practitioner/d1', holds: (o) => o.performer.some((p: { reference: string }) => p.reference === 'Practitioner/d1') }),
  fc.constantFrom('female', 'male').map((gender): FilterCase => ({ text: `patient.gender eq ${gender}`, holds: (o) => patientOf(o) !== undefined && genders[patientOf(o)!] === gender })),
  fc.constantFrom('p1', 'p3').map((id): FilterCase => ({ text: `patient[gender eq female or gender eq other]._id eq ${id}`, holds: (o) => patientOf(o) === id })),
  fc.constant<FilterCase>({ text: '_id eq o7', holds: (o) => o.id === 'o7' }),
);

const { filter: arbitraryFilter } = fc.letrec<{ filter: FilterCase }>((tie) => ({
  filter: fc.oneof({ maxDepth: 3 }, arbitraryComparison,
    fc.tuple(tie('filter'), tie('filter')).map(([a, b]): FilterCase => ({ text: `(${a.text}) and (${b.text})`, holds: (o) => a.holds(o) && b.holds(o) })),
    fc.tuple(arbitraryComparison, arbitraryComparison, arbitraryComparison).map(([a, b, c]): FilterCase => ({ text: `${a.text} or ${b.text} and ${c.text}`, holds: (o) => a.holds(o) || (b.holds(o) && c.holds(o)) })),
    tie('filter').map((a): FilterCase => ({ text: `not (${a.text})`, holds: (o) => !a.holds(o) }))),
}));

/** A condition as a query and as what it means. */
const arbitraryCase: fc.Arbitrary<Case> = fc.oneof(
  { weight: 6, arbitrary: arbitraryFilter.map(({ text, holds }): Case => ({ query: ['_filter', text], holds })) },
  fc.constantFrom(...codes).map((code): Case => ({ query: ['code', code], holds: (o) => codings(o).some((coding) => coding.code === code) })),
  fc.tuple(fc.constantFrom(loinc, 'http://other'), fc.constantFrom(...codes)).map(([system, code]): Case => ({ query: ['code', `${system}|${code}`], holds: (o) => codings(o).some((coding) => coding.code === code && coding.system === system) })),
  fc.constantFrom(...codes).map((code): Case => ({ query: ['code', `|${code}`], holds: (o) => codings(o).some((coding) => coding.code === code && coding.system === undefined) })),
  fc.constant<Case>({ query: ['code', `${loinc}|`], holds: (o) => codings(o).some(({ system }) => system === loinc) }),
  fc.tuple(fc.constantFrom(...codes), fc.constantFrom(...codes)).map(([one, two]): Case => ({ query: ['code', `${one},${loinc}|${two},http://other|a`], holds: (o) => codings(o).some(({ code, system }) => code === one || (code === two && system === loinc) || (code === 'a' && system === 'http://other')) })),
  fc.constantFrom(...codes).map((code): Case => ({ query: ['code:not', code], holds: (o) => !codings(o).some((coding) => coding.code === code) })),
  fc.constantFrom('final', 'amended', 'nothing').map((status): Case => ({ query: ['status', status], holds: (o) => o.status === status })),
  fc.constant<Case>({ query: ['status', 'http://hl7.org/fhir/observation-status|final,amended'], holds: (o) => o.status === 'final' || o.status === 'amended' }),
  fc.constant<Case>({ query: ['status', 'http://elsewhere|final'], holds: () => false }),
  fc.constant<Case>({ query: ['status:not', 'final'], holds: (o) => o.status !== 'final' }),
  fc.constantFrom(...patients).map((patient): Case => ({ query: ['patient', patient], holds: (o) => patientOf(o) === patient })),
  fc.constant<Case>({ query: ['subject', `Patient/p1,${baseUrl}/Patient/p2`], holds: (o) => patientOf(o) === 'p1' || patientOf(o) === 'p2' }),
  fc.constant<Case>({ query: ['subject:missing', 'true'], holds: (o) => o.subject === undefined }),
  fc.tuple(fc.constantFrom(...Object.keys(byDate)), fc.constantFrom(...dates)).map(([prefix, date]): Case => ({ query: ['date', `${prefix}${date}`], holds: (o) => when(o) !== null && byDate[prefix]!(when(o)!, moment(date)) })),
  fc.constantFrom(true, false).map((missing): Case => ({ query: ['date:missing', String(missing)], holds: (o) => (when(o) === null) === missing })),
  fc.tuple(fc.constantFrom(...Object.keys(byNumber), 'ap'), fc.constantFrom('5', '5.0', '5.4', '6', '-3', '10.0', '0.05', '500', '5000', '5.0e3'), fc.constantFrom(...Object.keys(scales))).filter(([prefix, value]) => !value.includes('e') || /^[gl]/.test(prefix))
    .map(([prefix, value, unit]): Case => ({ query: ['value-quantity', `${prefix}${value}|http://unitsofmeasure.org|${unit}`], holds: (o) => o.valueQuantity !== undefined && byUnit(prefix, o.valueQuantity, value, unit) })),
  fc.constant<Case>({ query: ['value-quantity', 'gt5000|http://unitsofmeasure.org|mg,5|http://unitsofmeasure.org|%,-3||g,10||points'], holds: (o) => o.valueQuantity !== undefined && (byUnit('gt', o.valueQuantity, '5000', 'mg') || byUnit('eq', o.valueQuantity, '5', '%') || (o.valueQuantity.code === 'g' && byNumber['eq']!(String(o.valueQuantity.value), '-3')) || byNumber['eq']!(String(o.valueQuantity.value), '10')) }),
  fc.constant<Case>({ query: ['value-quantity', 'gt0||mg'], holds: (o) => o.valueQuantity?.code === 'mg' && o.valueQuantity.value > 0 }),
  fc.constant<Case>({ query: ['value-quantity', 'gt0||ug'], holds: () => false }),
  fc.tuple(fc.constantFrom(...codes), fc.constantFrom('g', '%', '{other}')).map(([code, unit]): Case => ({ query: ['code-value-quantity', `${code}$gt0.0052|http://unitsofmeasure.org|${unit}`], holds: (o) => codings(o).some((coding) => coding.code === code) && o.valueQuantity !== undefined && byUnit('gt', o.valueQuantity, '0.0052', unit) })),
  fc.constantFrom(true, false).map((missing): Case => ({ query: ['method:missing', String(missing)], holds: (o) => (o.method === undefined) === missing })),
  fc.constantFrom(true, false).map((missing): Case => ({ query: ['focus:missing', String(missing)], holds: (o) => (o.focus === undefined) === missing })),
  fc.constant<Case>({ query: ['focus:identifier', 'urn:n|7'], holds: (o) => o.focus?.[0].identifier?.value === '7' }),
  fc.constant<Case>({ query: ['focus:identifier', '|8,nothing'], holds: (o) => o.focus?.[0].identifier?.value === '8' }),
  fc.constant<Case>({ query: ['focus', 'Practitioner/d1'], holds: (o) => o.focus?.[0].reference === 'Practitioner/d1' }),
  fc.constantFrom('7', '8').map((value): Case => ({ query: ['identifier:of-type', `urn:t|MR|${value}`], holds: (o) => o.identifier?.[0].value === value && o.identifier[0].type !== undefined })),
  fc.constant<Case>({ query: ['identifier:of-type', 'urn:u|MR|8,urn:u|PI|7'], holds: () => false }),
  fc.constant<Case>({ query: ['_list', 'l1'], holds: (o) => ['o1', 'o3', 'o5'].includes(o.id as string) }),
  fc.constant<Case>({ query: ['_list', 'List/l1,l2'], holds: (o) => ['o1', 'o3', 'o5', 'o6'].includes(o.id as string) }),
  fc.constant<Case>({ query: ['value-quantity:missing', 'false'], holds: (o) => o.valueQuantity !== undefined }),
  fc.tuple(fc.constantFrom(...codes), fc.constantFrom('gt5', 'le5')).map(([code, value]): Case => ({ query: ['code-value-quantity', `${code}$${value}`], holds: (o) => codings(o).some((coding) => coding.code === code) && o.valueQuantity !== undefined && byNumber[value.slice(0, 2)]!(String(o.valueQuantity.value), '5') })),
  fc.constant<Case>({ query: ['performer', 'Practitioner/d1'], holds: (o) => o.performer.some((p: { reference: string }) => p.reference === 'Practitioner/d1') }),
  fc.constant<Case>({ query: ['performer', 'd1'], holds: (o) => o.performer.some((p: { reference: string }) => p.reference.endsWith('/d1')) }),
  fc.constant<Case>({ query: ['performer:Organization', 'd1'], holds: (o) => o.performer.some((p: { reference: string }) => p.reference === 'Organization/d1') }),
  fc.constant<Case>({ query: ['performer:missing', 'true'], holds: (o) => o.performer.length === 0 }),
  fc.constant<Case>({ query: ['performer.name', 'doctor'], holds: (o) => o.performer.some((p: { reference: string }) => p.reference.startsWith('Practitioner/')) }),
  fc.constantFrom('gr', 'GRÜSSE', 'an die').map((text): Case => ({ query: ['value-string', text], holds: (o) => o.valueString !== undefined && fold(o.valueString).startsWith(fold(text)) })),
  fc.constant<Case>({ query: ['value-string:contains', 'FREU'], holds: (o) => o.valueString?.includes('Freu') === true }),
  fc.constant<Case>({ query: ['value-string:exact', 'gruss'], holds: (o) => o.valueString === 'gruss' }),
  fc.constantFrom('female', 'male').map((gender): Case => ({ query: ['patient.gender', gender], holds: (o) => patientOf(o) !== undefined && genders[patientOf(o)!] === gender })),
  fc.constant<Case>({ query: ['_id', 'o1,o5,o9'], holds: (o) => ['o1', 'o5', 'o9'].includes(o.id as string) }),
);

t.test('every combination of conditions, orders and page sizes finds what a filter in memory finds, in its order', { timeout: 120_000 }, async (t) => {
  const { database } = await testDatabase(t);
  const world: Resource[] = fc.sample(arbitraryObservation, { numRuns: 120, seed: 20261124 }).map((from, n) => observation(`o${n}`, from));
  const rids = await put(database, [
    ...patients.map((id): Resource => ({ resourceType: 'Patient', id, gender: genders[id] })),
    { resourceType: 'Practitioner', id: 'd1', name: [{ family: 'Doctor' }] }, { resourceType: 'Practitioner', id: 'd2', name: [{ family: 'Doctor' }] }, { resourceType: 'Organization', id: 'd1', name: 'Clinic' },
    ...world,
    { resourceType: 'List', id: 'l1', status: 'current', mode: 'working', entry: ['o1', 'o3', 'o5'].map((id) => ({ item: { reference: `Observation/${id}` } })) },
    { resourceType: 'List', id: 'l2', status: 'current', mode: 'working', entry: [{ item: { reference: 'Observation/o6' } }] },
  ]);
  const rid = (o: Resource): number => Number(rids.get(`Observation/${o.id!}`));
  type Key = readonly [string, (o: Resource) => string | number | null];
  const least = (values: readonly string[], descending: boolean): string | null => values.toSorted((a, b) => (a < b ? -1 : 1)).at(descending ? -1 : 0) ?? null;
  const arbitraryKey = fc.tuple(fc.constantFrom('date', 'status', '_id', 'code', 'performer'), fc.boolean()).map(([code, descending]): Key => [`${descending ? '-' : ''}${code}`, {
    date: (o: any) => when(o)?.[0] ?? null, status: (o: any) => o.status, _id: (o: any) => o.id, // oxlint-disable-line typescript/no-explicit-any
    code: (o: any) => least(codings(o).map((coding) => coding.code), descending), // oxlint-disable-line typescript/no-explicit-any
    performer: (o: any) => least(o.performer.map((p: { reference: string }) => p.reference.split('/')[1]!), descending), // oxlint-disable-line typescript/no-explicit-any
  }[code]!]);
  const ordered = (found: readonly Resource[], keys: readonly Key[]): string[] => found.toSorted((a, b) => {
    for (const [name, of] of keys) {
      const [x, y] = [of(a), of(b)];
      if (x === y) continue;
      if (x === null) return 1;
      if (y === null) return -1;
      return (x < y ? -1 : 1) * (name.startsWith('-') ? -1 : 1);
    }
    const down = keys.at(-1)?.[0].startsWith('-') ?? true;
    return down ? rid(b) - rid(a) : rid(a) - rid(b);
  }).map(({ id }) => id!);

  const each = new Map(fc.sample(arbitraryCase, { numRuns: 4000, seed: 1 }).map((one) => [one.query.join('='), one]));
  for (const [url, { query: [name, value], holds }] of each) {
    const found = await search(database, parseSearch('Observation', [[name, value], ['_count', '1000']], { handling: 'strict', baseUrl }), everybody);
    const expected = ordered(world.filter(holds), []);
    if (JSON.stringify(ids(found.matches)) !== JSON.stringify(expected)) throw new Error(`${url}\n found ${ids(found.matches).join()}\n expected ${expected.join()}`);
  }
  t.ok(each.size > 120, `each of ${each.size} conditions by itself`);

  let nonEmpty = 0;
  await fc.assert(fc.asyncProperty(fc.array(arbitraryCase, { maxLength: 3 }), fc.array(arbitraryKey, { maxLength: 2 }), fc.integer({ min: 1, max: 150 }), async (cases, keys, count) => {
    const query = new URLSearchParams([...cases.map(({ query: [name, value] }): [string, string] => [name, value]), ...(keys.length === 0 ? [] : [['_sort', keys.map(([name]) => name).join(',')] as [string, string]]), ['_count', String(count)]]);
    const expected = ordered(world.filter((o) => cases.every(({ holds }) => holds(o))), keys);
    const url = `Observation?${query.toString()}`;
    const found = await pages(database, url, everybody);
    if (JSON.stringify(found.ids) !== JSON.stringify(expected)) throw new Error(`${decodeURIComponent(url)}\n found ${found.ids.join()}\n expected ${expected.join()}`);
    if (found.pages !== Math.max(1, Math.ceil(expected.length / count))) throw new Error(`${url}: ${found.pages} pages`);
    const { total } = await search(database, plan(`${url}&_summary=count`), everybody);
    if (total !== expected.length) throw new Error(`${url}: total ${total}`);
    if (expected.length > 0) nonEmpty++;
  }), { numRuns: 400 });
  t.ok(nonEmpty > 100, `the comparison had something to compare (${nonEmpty} of 400 were not empty)`);
});

t.test('pages neither repeat nor skip while resources are written', async (t) => {
  const { database } = await testDatabase(t);
  const task = (n: number): Resource => ({ resourceType: 'Task', id: `t${n}`, status: 'requested', intent: 'order', for: { reference: 'Patient/p1' }, ...(n % 3 === 0 ? {} : { authoredOn: `2026-01-${String(1 + (n % 28)).padStart(2, '0')}` }) });
  for (const sort of ['', '&_sort=authored-on', '&_sort=-authored-on', '&_sort=_lastUpdated,-_id', '&_sort=code']) {
    await database.query('truncate resource, index_token, index_reference, index_date');
    const rids = await put(database, [{ resourceType: 'Patient', id: 'p1' }, ...Array.from({ length: 40 }, (_, n) => task(n))]);
    const before = new Set(Array.from({ length: 40 }, (_, n) => `t${n}`));
    const seen: string[] = [];
    let cursor: Cursor | undefined;
    let written = 40;
    do {
      const page: Found = await search(database, plan(`Task?patient=p1&_count=7${sort}`), everybody, cursor);
      seen.push(...ids(page.matches));
      cursor = page.next;
      for (let n = 0; n < 3; n++) await putResource(database, rids, task(written++));
    } while (cursor !== undefined && written < 1000);
    t.equal(new Set(seen).size, seen.length, `${sort}: none twice`);
    t.same([...before].filter((id) => !seen.includes(id)), [], `${sort}: none of those that were there is missing`);
  }
});

t.test('a search over several types is one list in one order, and its pages are whole', async (t) => {
  const { database } = await testDatabase(t);
  const rids: Rids = new Map();
  const written: string[] = [];
  await putResource(database, rids, { resourceType: 'Patient', id: 'p1', meta: { tag: [{ code: 'x' }] } }, '2026-01-01T00:00:00Z');
  for (let n = 0; n < 40; n++) {
    const type = ['Task', 'Goal', 'Observation'][n % 3]!;
    const id = `${String.fromCharCode(97 + ((n * 7) % 26))}${n}`;
    written.push(`${type}/${id}`);
    const reference = { reference: 'Patient/p1' };
    await putResource(database, rids, { resourceType: type, id, ...(type === 'Task' ? { for: reference, status: 'draft' } : { subject: reference }), ...(type === 'Observation' ? { status: 'draft' } : {}), meta: { tag: n % 2 === 0 ? [{ code: 'x' }] : [] } }, `2026-01-0${1 + (n % 5)}T00:00:00.${n % 4 === 0 ? '1' : '12'}Z`);
  }
  const several = async (query: string, all: readonly string[] = ['Task', 'Goal', 'Observation', 'Patient']): Promise<{ ids: string[]; total: number | undefined; sizes: number[] }> => {
    const { plans, ...follow } = parseSystemSearch(all, [...new URLSearchParams(query)] as [string, string][], { handling: 'strict' });
    const found: string[] = [];
    const sizes: number[] = [];
    let cursor: Cursor | undefined;
    let total: number | undefined;
    do {
      const page: Found = await searchSeveral(database, plans, follow, everybody, cursor);
      found.push(...page.matches.map(({ type, id }) => `${type}/${id}`));
      sizes.push(page.matches.length);
      total ??= page.total;
      cursor = page.next;
    } while (cursor !== undefined && sizes.length < 100);
    return { ids: found, total, sizes };
  };
  const newest = written.toReversed();
  t.same((await several('_type=Task,Goal,Observation&_count=7')).ids, newest);
  t.same((await several('_type=Task,Goal,Observation&_count=7')).sizes, [7, 7, 7, 7, 7, 5]);
  t.same((await several('_type=Task&_count=3')).ids, newest.filter((one) => one.startsWith('Task/')));
  t.same((await several('_tag=x')).ids, [...newest.filter((_, at) => (39 - at) % 2 === 0), 'Patient/p1'], 'a common parameter, all types');
  t.same((await several('_type=Task,Observation&status=draft')).ids, newest.filter((one) => !one.startsWith('Goal/')), 'a parameter that each of the named types has');
  t.equal((await several('_type=Task,Goal&_count=3&_total=accurate')).total, 27);
  t.same(await several('_summary=count'), { ids: [], total: 41, sizes: [0] });
  const byId = (await several('_type=Task,Goal,Observation&_sort=-_id&_count=6')).ids;
  t.same(byId, written.toSorted((a, b) => (a.split('/')[1]! < b.split('/')[1]! ? 1 : -1)));
  const byTime = (await several('_type=Task,Goal,Observation&_sort=_lastUpdated,-_id&_count=6')).ids;
  const at = (one: string): string => { const n = written.indexOf(one); return `${n % 5}.${n % 4 === 0 ? '1' : '12'}`; };
  t.same(byTime, written.toSorted((a, b) => (at(a) === at(b) ? (a.split('/')[1]! < b.split('/')[1]! ? 1 : -1) : at(a) < at(b) ? -1 : 1)));
  const patient = caller({ kind: 'patient', patient: 'nobody' });
  const { plans, ...follow } = parseSystemSearch(['Task', 'Patient'], [], { handling: 'strict' });
  t.same((await searchSeveral(database, plans, follow, patient)).matches, [], 'each type within what the caller sees');
  t.equal(await kindOf(searchSeveral(database, plans, follow, caller({ kind: 'all' }, { grants: granted(['Task']) }))), 'forbidden');
  for (const query of ['_type=Nope', '_type=Task&_type=Goal', '_type=Task,Goal&status=draft', 'status=draft', '_include=Observation:subject', '_revinclude=Provenance:agent', '_sort=status', '_type=Task,Nope']) {
    t.throws(() => parseSystemSearch(['Task', 'Goal'], [...new URLSearchParams(query)] as [string, string][], { handling: 'strict' }), { name: 'Problem' }, query);
  }
  t.same(parseSystemSearch(['Task', 'Goal'], [['status', 'draft'], ['_type', 'Task,Goal,Nope'], ['_count', '5000'], ['_id', 'a']], { handling: 'lenient' }).applied, [['_type', 'Task,Goal'], ['_count', '1000'], ['_id', 'a']], 'lenient: left out for all types alike');
});

// ---------------------------------------------------------------- what callers see

const subject = (patient: string): object => ({ subject: { reference: `Patient/${patient}` } });
const clinic: readonly Resource[] = [
  { resourceType: 'Practitioner', id: 'doc-a', name: [{ family: 'Able' }] }, { resourceType: 'Practitioner', id: 'doc-b', name: [{ family: 'Baker' }] }, { resourceType: 'Practitioner', id: 'doc-none', name: [{ family: 'None' }] },
  { resourceType: 'Patient', id: 'ann', name: [{ family: 'Ames' }], generalPractitioner: [{ reference: 'Practitioner/doc-a' }] },
  { resourceType: 'Patient', id: 'bob', name: [{ family: 'Burns' }] },
  { resourceType: 'CareTeam', id: 'team', status: 'active', ...subject('bob'), participant: [{ member: { reference: 'Practitioner/doc-b' } }] },
  { resourceType: 'CareTeam', id: 'team-mistake', status: 'entered-in-error', ...subject('ann'), participant: [{ member: { reference: 'Practitioner/doc-b' } }] },
  { resourceType: 'Observation', id: 'ann-1', status: 'final', code: { coding: [{ code: 'x' }] }, ...subject('ann'), performer: [{ reference: 'Practitioner/doc-a' }, { reference: 'Patient/bob' }] },
  { resourceType: 'Observation', id: 'ann-secret', status: 'final', code: { coding: [{ code: 'x' }] }, ...subject('ann'), meta: restrictedLabel },
  { resourceType: 'Observation', id: 'bob-1', status: 'final', code: { coding: [{ code: 'x' }] }, ...subject('bob'), performer: [{ reference: 'Practitioner/doc-a' }], derivedFrom: [{ reference: 'Observation/ann-secret' }], focus: [{ reference: 'Patient/ann' }] },
  { resourceType: 'Provenance', id: 'prov', recorded: '2026-01-01T00:00:00Z', target: [{ reference: 'Observation/bob-1' }, { reference: 'Patient/bob' }], agent: [{ who: { reference: 'Practitioner/doc-b' } }] },
  { resourceType: 'Group', id: 'group', type: 'person', actual: true, member: [{ entity: { reference: 'Patient/ann' } }] },
  { resourceType: 'Questionnaire', id: 'q', status: 'active', url: 'http://x.example/q', version: '2' },
  { resourceType: 'QuestionnaireResponse', id: 'qr', status: 'completed', questionnaire: 'http://x.example/q|2', authored: '2026-01-01', ...subject('ann') },
];

type Who = 'all' | 'all but restricted' | 'ann' | 'bob' | 'doc-a' | 'doc-b' | 'doc-none' | 'nobody';
const callers: Record<Who, Visibility> = {
  'all': everybody,
  'all but restricted': caller({ kind: 'all' }, { restricted: false }),
  'ann': caller({ kind: 'patient', patient: 'ann' }, { restricted: false }),
  'bob': caller({ kind: 'patient', patient: 'bob' }, { restricted: false }),
  'doc-a': caller({ kind: 'practitioner', reference: 'Practitioner/doc-a' }),
  'doc-b': caller({ kind: 'practitioner', reference: 'Practitioner/doc-b' }),
  'doc-none': caller({ kind: 'practitioner', reference: 'Practitioner/doc-none' }),
  'nobody': caller({ kind: 'none' }),
};

t.test('each form of query shows each caller exactly what the caller may see', async (t) => {
  const { database } = await testDatabase(t);
  await put(database, clinic);
  const everyone = ['all', 'all but restricted', 'ann', 'bob', 'doc-a', 'doc-b', 'doc-none', 'nobody'] as const;
  const expect = async (url: string, expected: Record<Who, string>): Promise<void> => {
    for (const who of everyone) {
      const found = await search(database, plan(url), callers[who]);
      const text = [...ids(found.matches).toSorted(), ...ids(found.included).toSorted().map((id) => `+${id}`)].join(' ');
      t.equal(text, expected[who], `${url} for ${who}`);
    }
    const counted = await Promise.all(everyone.map(async (who) => (await search(database, plan(`${url}${url.includes('?') ? '&' : '?'}_summary=count`), callers[who])).total));
    t.same(counted, everyone.map((who) => expected[who].split(' ').filter((id) => id !== '' && !id.startsWith('+')).length), `${url}: the totals`);
  };
  const observations = { 'all': 'ann-1 ann-secret bob-1', 'all but restricted': 'ann-1 bob-1', 'ann': 'ann-1', 'bob': 'bob-1', 'doc-a': 'ann-1 ann-secret', 'doc-b': 'bob-1', 'doc-none': '', 'nobody': '' };
  await expect('Observation', observations);
  await expect('Observation?code=x', observations); // the ordered walk
  await expect('Observation?code=x,y', observations);
  await expect('Observation?code=x&status=final', observations);
  await expect('Observation?_sort=-date', observations);
  await expect('Observation?_sort=code', observations);
  await expect('Observation?_id=ann-1,ann-secret,bob-1', observations);
  await expect('Observation?code:missing=false', observations);
  await expect('Observation?patient=ann', { 'all': 'ann-1 ann-secret', 'all but restricted': 'ann-1', 'ann': 'ann-1', 'bob': '', 'doc-a': 'ann-1 ann-secret', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  // performer and focus must not widen what a patient sees
  await expect('Observation?performer=Patient/bob', { 'all': 'ann-1', 'all but restricted': 'ann-1', 'ann': 'ann-1', 'bob': '', 'doc-a': 'ann-1', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Patient', { 'all': 'ann bob', 'all but restricted': 'ann bob', 'ann': 'ann', 'bob': 'bob', 'doc-a': 'ann', 'doc-b': 'bob', 'doc-none': '', 'nobody': '' });
  // a chain confirms nothing about a Patient who is not visible, even from a visible resource
  await expect('Observation?focus:Patient.family=ames', { 'all': 'bob-1', 'all but restricted': 'bob-1', 'ann': '', 'bob': '', 'doc-a': '', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Observation?derived-from.code=x', { 'all': 'bob-1', 'all but restricted': '', 'ann': '', 'bob': '', 'doc-a': '', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Observation?patient.family=ames', { 'all': 'ann-1 ann-secret', 'all but restricted': 'ann-1', 'ann': 'ann-1', 'bob': '', 'doc-a': 'ann-1 ann-secret', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  // _has: who may not see the Observation learns nothing from it
  await expect('Practitioner?_has:Observation:performer:code=x', { 'all': 'doc-a', 'all but restricted': 'doc-a', 'ann': 'doc-a', 'bob': 'doc-a', 'doc-a': 'doc-a', 'doc-b': 'doc-a', 'doc-none': '', 'nobody': '' });
  await expect('Practitioner?_has:Observation:performer:_id=bob-1', { 'all': 'doc-a', 'all but restricted': 'doc-a', 'ann': '', 'bob': 'doc-a', 'doc-a': '', 'doc-b': 'doc-a', 'doc-none': '', 'nobody': '' });
  await expect('Patient?_has:Observation:patient:_id=ann-secret', { 'all': 'ann', 'all but restricted': '', 'ann': '', 'bob': '', 'doc-a': 'ann', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  // includes
  await expect('Observation?_id=bob-1&_include=Observation:derived-from&_include=Observation:focus&_include=Observation:subject', { 'all': 'bob-1 +ann +ann-secret +bob', 'all but restricted': 'bob-1 +ann +bob', 'ann': '', 'bob': 'bob-1 +bob', 'doc-a': '', 'doc-b': 'bob-1 +bob', 'doc-none': '', 'nobody': '' });
  await expect('Practitioner?_id=doc-a&_revinclude=Observation:performer', { 'all': 'doc-a +ann-1 +bob-1', 'all but restricted': 'doc-a +ann-1 +bob-1', 'ann': 'doc-a +ann-1', 'bob': 'doc-a +bob-1', 'doc-a': 'doc-a +ann-1', 'doc-b': 'doc-a +bob-1', 'doc-none': 'doc-a', 'nobody': '' });
  await expect('Patient?_id=ann&_revinclude=*', { 'all': 'ann +ann-1 +ann-secret +bob-1 +group +qr +team-mistake', 'all but restricted': 'ann +ann-1 +bob-1 +group +qr +team-mistake', 'ann': 'ann +ann-1 +qr +team-mistake', 'bob': '', 'doc-a': 'ann +ann-1 +ann-secret +qr +team-mistake', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Patient?_id=bob&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target', { 'all': 'bob +bob-1 +prov', 'all but restricted': 'bob +bob-1 +prov', 'ann': '', 'bob': 'bob +bob-1 +prov', 'doc-a': '', 'doc-b': 'bob +bob-1 +prov', 'doc-none': '', 'nobody': '' });
  await expect('QuestionnaireResponse?questionnaire=http://x.example/q&_include=QuestionnaireResponse:questionnaire', { 'all': 'qr +q', 'all but restricted': 'qr +q', 'ann': 'qr +q', 'bob': '', 'doc-a': 'qr +q', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed', { 'all': 'q', 'all but restricted': 'q', 'ann': 'q', 'bob': '', 'doc-a': 'q', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  await expect('Group', { 'all': 'group', 'all but restricted': 'group', 'ann': '', 'bob': '', 'doc-a': '', 'doc-b': '', 'doc-none': '', 'nobody': '' });
  for (const who of everyone) {
    t.same(ids(await matching(database, plan('Observation?code=x&_sort=date&_count=1'), callers[who], 9)).toSorted().join(' '), observations[who], `the matches of a condition for ${who}`);
  }
});

t.test('a deleted relation, an older version and a type that is not granted show nothing', async (t) => {
  const { database } = await testDatabase(t);
  const rids = await put(database, clinic);
  const doctor = callers['doc-b'];
  t.same(ids((await search(database, plan('Observation'), doctor)).matches), ['bob-1'], 'the control: the relation counts while it lives');
  await database.query(`update resource set live = false where rid = $1`, [rids.get('CareTeam/team')]);
  t.same(ids((await search(database, plan('Observation'), doctor)).matches), []);
  await database.query(`update resource set live = false where rid = $1`, [rids.get('Observation/ann-1')]);
  t.same(ids((await search(database, plan('Observation?code=x'), callers['ann'])).matches), [], 'index rows alone reveal nothing');

  const few = caller({ kind: 'all' }, { grants: granted(['Observation']) });
  t.same(ids((await search(database, plan('Observation?_id=bob-1&_include=Observation:subject&_include=*&_revinclude=*'), few)).included), ['ann-secret'], 'only granted types are included');
  const forbidden = [['Patient', few], ['Observation?patient.family=ames', few], ['Observation?_has:Provenance:target:recorded=2026', few], ['Observation', caller({ kind: 'all' }, { grants: granted(servedTypes, ['r']) })]] as const;
  for (const [url, who] of forbidden) t.equal(await kindOf(search(database, plan(url), who)), 'forbidden', url);
  t.equal(await kindOf(matching(database, plan('Patient?family=ames'), few, 2)), 'forbidden');
  t.equal(await kindOf(search(database, plan('AuditEvent'), everybody)), 'not-supported');
  t.equal(await kindOf(search(database, plan('Patient?_has:AuditEvent:patient:date=2026'), everybody)), 'not-supported');
});

// ---------------------------------------------------------------- the Bundle

t.test('the answer is a searchset of the stored texts, with links that say what was applied', async (t) => {
  const { database } = await testDatabase(t);
  await put(database, clinic);
  const text = '{"resourceType":"Goal","id":"g","lifecycleStatus":"active","description":{"text":"Sleep"},"subject":{"reference":"Patient/ann"},"target":[{"detailQuantity":{"value":2.50}}],"note":[{"text":"n"}]}';
  await putResource(database, new Map([['Patient/ann', 4n]]), JSON.parse(text) as Resource);
  await database.query(`update resource set body = $1, patient = (select rid from resource where id = 'ann') where type = 'Goal'`, [text]);
  const context = { database, baseUrl, pageKey: Buffer.alloc(32, 7) };
  const ask = async (url: string, who = everybody): Promise<any> => JSON.parse((await searchInteraction(context, plan(url), who)).body); // oxlint-disable-line typescript/no-explicit-any

  const goal = await searchInteraction(context, plan('Goal?patient=ann'), everybody);
  t.ok(goal.body.includes(`"resource":${text}`), 'the stored text itself, with 2.50 as it was written');
  t.match(JSON.parse(goal.body), { resourceType: 'Bundle', type: 'searchset', total: 1, link: [{ relation: 'self', url: `${baseUrl}/Goal?patient=ann` }], entry: [{ fullUrl: `${baseUrl}/Goal/g`, search: { mode: 'match' } }] });
  t.equal(goal.patients.length, 1, 'whose record was shown');

  const elements = (await searchInteraction(context, plan('Goal?_elements=target'), everybody)).body;
  t.ok(elements.includes('2.50'), 'subsets keep how numbers are written');
  t.strictSame(Object.keys(JSON.parse(elements).entry[0].resource).toSorted(), ['description', 'id', 'lifecycleStatus', 'meta', 'resourceType', 'subject', 'target'], 'what is asked for and what is mandatory');
  t.match(JSON.parse(elements).entry[0].resource.meta.tag, [{ code: 'SUBSETTED' }]);
  t.notOk('note' in (await ask('Goal?_summary=true')).entry[0].resource);
  t.strictSame(await ask('Observation?code=x&_summary=count'), { resourceType: 'Bundle', type: 'searchset', total: 3, link: [{ relation: 'self', url: `${baseUrl}/Observation?code=x&_summary=count` }] });
  t.equal((await ask('Observation?code=x&_count=1')).total, undefined, 'no total that was not asked for');
  t.equal((await ask('Observation?code=x&_count=1&_total=accurate')).total, 3);
  t.same((await ask('Observation?_id=ann-1&_include=Observation:subject')).entry.map((entry: any) => entry.search.mode), ['match', 'include']); // oxlint-disable-line typescript/no-explicit-any

  const first = await ask('Observation?code=x&_count=2');
  const next = new URL(first.link.find((link: { relation: string }) => link.relation === 'next').url);
  t.equal(next.origin + next.pathname, `${baseUrl}/Observation`);
  const second = await ask(`Observation${next.search}`);
  t.same([...first.entry, ...second.entry].map((entry: any): string => entry.resource.id).toSorted(), ['ann-1', 'ann-secret', 'bob-1']); // oxlint-disable-line typescript/no-explicit-any
  t.notOk(second.link.some((link: { relation: string }) => link.relation === 'next'));
  const token = next.searchParams.get('_page')!;
  const flipped = `${token.slice(0, 30)}${token[30] === 'A' ? 'B' : 'A'}${token.slice(31)}`;
  for (const [url, who, why] of [
    [`Observation${next.search}`, callers['ann'], 'of another caller'], [`Observation?code=y&_count=2&_page=${token}`, everybody, 'of another query'],
    [`Observation?code=x&_count=2&_page=${flipped}`, everybody, 'changed'], ['Observation?code=x&_count=2&_page=x', everybody, 'no token'],
  ] as const) {
    await t.rejects(ask(url, who), { name: 'Problem', message: 'This page link is not valid. Start again from the first page.' }, `a page token ${why}`);
  }
});

t.test('hostile values are values', async (t) => {
  const { database } = await testDatabase(t);
  await put(database, clinic);
  const text = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.constantFrom("'; drop table resource; --", '%', '_', '\\', '"', '$1', '1$1', "a'||'b", '-infinity', 'NaN', 'ge9999', '1e400', '9e399', 'ap0', 'lt-5', 'ap0001', 'ge9999-12-31T23:59:59Z'));
  const name = fc.constantFrom('code', 'date', 'value-quantity', 'value-string', 'value-string:contains', 'performer', 'patient', '_id', 'code-value-quantity', '_tag', '_profile', '_profile:below', '_profile:above', 'patient.name', '_has:Provenance:target:recorded', '_lastUpdated');
  let ran = 0;
  await fc.assert(fc.asyncProperty(name, text, async (parameter, value) => {
    try {
      await search(database, parseSearch('Observation', [[parameter, value]], { handling: 'strict' }), callers['doc-a']);
      ran++;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }), { numRuns: 400 });
  t.ok(ran > 100, `${ran} reached the database`);
});
