import t, { type Test } from 'tap';
import { randomCaseload, type Raw } from '../kit/random-caseload.ts';
import { reckon, type Unit } from '../kit/reckoning.ts';
import { testService, type Client } from '../kit/service.ts';

// Rates over a caseload that looks random, beside counts that are made from the published rules, without the code of the service.

const [first, last] = ['2025-01-01', '2025-12-31'];
const measures = [
  ...['reliable-improvement', 'reliable-deterioration', 'recovery', 'reliable-recovery', 'response'].flatMap((rate) => [`${rate}-phq-9`, `${rate}-gad-7`]), 'remission-phq-9',
  ...['recovery', 'reliable-recovery', 'reliable-improvement', 'reliable-deterioration'].map((rate) => `talking-therapies-${rate}`),
  'paired-data-completeness', 'session-completeness', 'alliance-coverage', 'homework-completion',
];

const populations: readonly (readonly [string, (unit: Unit) => boolean])[] =
  [['initial-population', () => true], ['denominator', ({ denominator }) => denominator], ['denominator-exclusion', () => false], ['numerator', ({ numerator }) => numerator]];
const countsOf = (units: readonly Unit[]): number[] => populations.map(([, isIn]) => units.filter(isIn).length);
const sorted = (list: readonly string[]): string[] => [...new Set(list)].sort();

/** Everything of a report that a caller sees, beside what was counted. */
async function compare(t: Test, client: Client, measure: string, more: string, units: readonly Unit[]): Promise<void> {
  const { status, body, text } = await client('GET', `Measure/${measure}/$evaluate-measure?periodStart=${first}&periodEnd=${last}${more}&reportType=subject-list`);
  t.equal(status, 200, text.slice(0, 200));
  const [group] = body.group;
  const subjects = (reference: string): string[] => (body.contained.find(({ id }: any) => `#${id}` === reference).entry ?? []).map(({ item }: any) => item.reference.slice('Patient/'.length));
  const seen = {
    counts: group.population.map(({ count }: any) => count),
    subjects: group.population.map(({ subjectResults }: any) => sorted(subjects(subjectResults.reference))),
    evaluated: sorted((body.evaluatedResource ?? []).map(({ reference }: any) => reference)),
    score: group.measureScore.value ?? null,
    completeness: group.extension?.find(({ url }: any) => url.endsWith('/paired-data-completeness'))?.valueDecimal ?? null,
    strata: Object.fromEntries(group.stratifier.map(({ code: [{ coding: [{ code }] }], stratum }: any) => [code, Object.fromEntries(stratum.map(({ value, population }: any) => [value.text, population.map(({ count }: any) => count)]))])),
  };
  const [, n, , k] = countsOf(units) as [number, number, number, number];
  const asked = units.filter(({ paired }) => paired !== undefined);
  t.same(seen, {
    counts: countsOf(units),
    subjects: populations.map(([, isIn]) => sorted(units.filter(isIn).map(({ patient }) => patient))),
    evaluated: sorted(units.flatMap(({ evaluated }) => evaluated)),
    score: n === 0 ? null : Number((k / n).toPrecision(6)),
    completeness: asked.length === 0 ? null : Number((asked.filter(({ paired }) => paired).length / asked.length).toPrecision(6)),
    strata: Object.fromEntries(Object.keys(seen.strata).map((by) => [by, Object.fromEntries([...Map.groupBy(units, ({ strata }) => strata[by]!)].map(([value, list]) => [value, countsOf(list)]))])),
  }, `${measure} ${more}`);
}

/** Whether somebody is in the care of a practitioner, as far as these records say it. */
const isCaredFor = (raws: readonly Raw[], practitioner: string): boolean => raws
  .some(({ resourceType, status, generalPractitioner, careManager }) => resourceType === 'Patient' ? generalPractitioner[0].reference === practitioner : careManager?.reference === practitioner && status !== 'entered-in-error' && status !== 'cancelled');

t.test('rates are those that are counted by hand, for everybody, one caseload and the practitioner who has it', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const ann = service.as({ user: 'Practitioner/ann', scopes: 'user/*.rs' });
  const people = randomCaseload(7, 40);
  const put = (resource: object & { resourceType: string; id: string }): object => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
  const others = [...['ann', 'ben', 'cat'].map((id) => ({ resourceType: 'Practitioner', id })), ...['red', 'blue'].map((id) => ({ resourceType: 'CareTeam', id }))];
  for (const entry of [others, ...people].map((list) => list.map(put))) {
    const { status, text } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
    t.equal(status, 200, text.slice(0, 200));
  }
  for (const measure of measures) {
    const counted = (of: readonly Raw[][], withPrivate: boolean): Unit[] => of.flatMap((raws) => reckon(measure, raws, first, last, withPrivate));
    const [inAnnsCare, inBensCare] = ['Practitioner/ann', 'Practitioner/ben'].map((each) => people.filter((raws) => isCaredFor(raws, each))) as [Raw[][], Raw[][]];
    t.ok(counted(people, true).filter(({ denominator }) => denominator).length >= 5, measure);
    await compare(t, fhir, measure, '', counted(people, true));
    await compare(t, fhir, measure, '&practitioner=Practitioner/ben', counted(inBensCare, true));
    await compare(t, ann, measure, '', counted(inAnnsCare, false));
  }
});
