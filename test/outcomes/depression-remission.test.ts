import t from 'tap';
import { memberKey } from '../../src/fhir/expansion.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { ageBand, isAged } from '../../src/outcomes/measures/age.ts';
import { conceptsFrom } from '../../src/outcomes/measures/concepts.ts';
import { monitored, remissionOrResponse } from '../../src/outcomes/measures/depression-monitoring.ts';
import { depressionRemission } from '../../src/outcomes/measures/depression-remission.ts';
import { remissionEdition, remissionEditions } from '../../src/outcomes/measures/editions.ts';
import { before, dateOnly, momentOf, monthsBefore, monthsLater, notAfter, timeOf } from '../../src/outcomes/measures/moments.ts';

const period = { start: Date.parse('2025-01-01'), end: Date.parse('2026-01-01') };
const coded = (system: string, code: string): object => ({ coding: [{ system, code }] });
const icd = 'http://hl7.org/fhir/sid/icd-10-cm';
const sct = 'http://snomed.info/sct';

const condition = (id: string, code: object, more: object = {}): Resource => ({
  resourceType: 'Condition', id, code, onsetDateTime: '2024-01-10',
  clinicalStatus: coded('http://terminology.hl7.org/CodeSystem/condition-clinical', 'active'),
  verificationStatus: coded('http://terminology.hl7.org/CodeSystem/condition-ver-status', 'confirmed'), ...more,
});
const phq9 = (id: string, effectiveDateTime: string, valueInteger: number, more: object = {}): Resource =>
  ({ resourceType: 'Observation', id, status: 'final', code: coded('http://loinc.org', '44261-6'), effectiveDateTime, valueInteger, ...more });
const visit = (id: string, start: string, end: string, more: object = {}): Resource =>
  ({ resourceType: 'Encounter', id, status: 'finished', class: { code: 'AMB' }, type: [coded('http://www.ama-assn.org/go/cpt', '90834')], period: { start, end }, ...more });

const patient: Resource = { resourceType: 'Patient', id: 'p', birthDate: '1990-06-15' };
const depression = condition('depression', coded(icd, 'F32.9'));
const march = visit('march', '2024-03-10T10:00:00Z', '2024-03-10T11:00:00Z');
const elevated = phq9('elevated', '2024-03-10T09:00:00Z', 15);

/** @returns [denominator, exclusion, numerator], or null outside the initial population. */
function place(resources: readonly Resource[], who: Resource = patient, edition = '2025'): readonly boolean[] | null {
  const byType = Map.groupBy(resources, ({ resourceType }) => resourceType);
  const found = depressionRemission({ patient: who, byType }, period, conceptsFrom(), remissionEdition(edition, period.start));
  return found === undefined ? null : [found.denominator, found.exclusion, found.numerator];
}

const open = [true, false, false];
const met = [true, false, true];
const excluded = [true, true, false];

t.test('times are compared as far as they are written down, days by the date as written', async (t) => {
  const [evening, morning] = [momentOf('2024-03-10T23:30:00-05:00')!, momentOf('2024-03-11T01:00:00Z')!];
  t.same(evening, { utc: '2024-03-11T04:30:00.000Z', date: '2024-03-10' });
  t.ok(before(morning, evening, 'instant'));
  t.ok(before(evening, morning, 'day'), 'by its date the evening was the day before');
  for (const by of ['instant', 'day'] as const) t.notOk(notAfter(undefined, morning, by));
  t.notOk(notAfter(momentOf('2024-03-11'), morning, 'instant') || notAfter(morning, momentOf('2024-03-11'), 'instant'), 'a date is neither before nor after a time in it');
  t.ok(notAfter(momentOf('2024-03-11'), morning, 'day'));
  t.notOk(before(dateOnly('2024-03'), morning, 'day') || notAfter(dateOnly('2024-03'), morning, 'day'));
  t.equal(momentOf('2024-02-30'), undefined);
  t.equal(monthsLater('2024-01-31', 1), '2024-02-29');
  t.equal(monthsLater('2024-02', 11), '2025-01');
  t.equal(new Date(monthsBefore(Date.parse('2025-01-01'), 14)).toISOString(), '2023-11-01T00:00:00.000Z');
  t.equal(new Date(monthsBefore(Date.parse('2025-03-31T12:00:00Z'), 1)).toISOString(), '2025-02-28T12:00:00.000Z');
  t.equal(timeOf({ effectivePeriod: { start: '2024-01-01' } }, 'effective')!.high!.date, '9999-12-31', 'without an end it goes on');
  t.equal(timeOf({}, 'effective'), undefined);
});

t.test('an age is that of the date as written; of half a birth date, what is sure', async (t) => {
  t.notOk(isAged('2012-03-10', 12, momentOf('2024-03-09T23:59:59Z')!));
  t.ok(isAged('2012-03-10', 12, momentOf('2024-03-10T00:00:00Z')!));
  t.ok(isAged('2012-03-10', 12, momentOf('2024-03-10T05:00:00+14:00')!), 'the birthday of where it was written');
  t.notOk(isAged('2012-03', 12, momentOf('2024-03-20')!));
  t.ok(isAged('2012-03', 12, momentOf('2024-04-01')!));
  t.notOk(isAged('2012', 12, momentOf('2024-12-31')!));
  t.notOk(isAged(undefined, 12, momentOf('2024-12-31')!));
  t.same(['2012-03-10', '2006-03-10', '2006-03-11', '2006-03', '2006-02', '2007', '2006'].map((born) => ageBand(born, momentOf('2024-03-10T09:00:00Z')!)), ['12-17', '18+', '12-17', 'unknown', '18+', '12-17', 'unknown']);
  t.same(place([depression, march, elevated], { ...patient, birthDate: '1985' }), open);
  t.equal(place([depression, march, elevated], { ...patient, birthDate: '2012' }), null);
});

t.test('what begins or ends at an age is of a year of life; what is no longer active and does not say since when is not counted', async (t) => {
  const at = (more: object): object => ({ onsetDateTime: undefined, ...more });
  const age = (value: number, code = 'a'): object => ({ value, system: 'http://unitsofmeasure.org', code });
  const with_ = (more: object, edition = '2025'): readonly boolean[] | null => place([condition('c', coded(icd, 'F32.9'), more), march, elevated], patient, edition);
  t.same(with_(at({ onsetAge: age(33) })), open, 'thirty-three in June 2023');
  t.equal(with_(at({ onsetAge: age(34) })), null, 'thirty-four in June 2024, after the visit');
  t.same(with_(at({ onsetRange: { low: age(400, 'mo'), high: age(50) } })), open);
  t.same(with_(at({})), open, 'without an onset it has always been');
  t.equal(with_({ abatementAge: age(32) }), null, 'over by June 2023');
  t.same(with_({ abatementAge: age(33) }), open, 'it may have gone on to June 2024');
  t.same(with_({ abatementPeriod: { start: '2024-01-20', end: '2024-03-12' } }), open);
  t.equal(with_({ abatementPeriod: { start: '2024-01-20', end: '2024-03-10' } }), null, 'without its last day');
  t.same(with_({ clinicalStatus: coded('x', 'resolved'), abatementDateTime: '2024-04-01' }, '2026'), open);
  t.equal(with_({ clinicalStatus: coded('x', 'resolved') }, '2026'), null);
});

t.test('editions differ in what a diagnosis is and in how the edges are compared', async (t) => {
  const both = (resources: readonly Resource[], who?: Resource): unknown[] => ['2025', '2026'].map((edition) => place(resources, who, edition));
  const base = [depression, march, elevated];
  for (const status of ['provisional', 'unconfirmed', 'differential']) t.same(both([{ ...depression, verificationStatus: coded('x', status) }, march, elevated]), [null, open], status);
  t.same(both([{ ...depression, verificationStatus: undefined } as Resource, march, elevated]), [null, open]);
  t.same(both([{ ...depression, verificationStatus: coded('x', 'refuted') }, march, elevated]), [null, null]);
  t.same(both(base, { ...patient, deceasedDateTime: '2025-05-09T10:00:00Z' }), [open, excluded], 'on the last day');
  t.same(both(base, { ...patient, deceasedDateTime: '2025-05-08T10:00:00Z' }), [excluded, excluded]);
  t.same(both([...base, { resourceType: 'Procedure', id: 'x', status: 'completed', performedDateTime: '2025-05-09T10:00:00Z', code: coded(sct, '395669003') }]), [open, excluded]);
  const last = visit('last', '2024-10-31T22:00:00Z', '2024-11-01T00:30:00+01:00');
  t.same(both([depression, last, phq9('x', '2024-10-31T22:30:00Z', 12)]), [open, null], 'by the date that is written it ended on the first of November');
  t.equal(remissionEdition(undefined, Date.parse('2030-01-01')), remissionEditions.get('2026'));
  t.equal(remissionEdition(undefined, Date.parse('2025-07-01')), remissionEditions.get('2025'));
  t.equal(remissionEdition(undefined, Date.parse('2020-01-01')), remissionEditions.get('2025'));
});

t.test('the index is the first elevated score around a visit for depression in the fourteen to two months before', async (t) => {
  t.same(place([depression, march, elevated]), open, 'without a later score the case stays, and is not met');
  t.equal(place([march, elevated]), null, 'no diagnosis');
  t.equal(place([depression, elevated]), null, 'no visit');
  t.equal(place([depression, march, phq9('ten', '2024-03-10T09:00:00Z', 9)]), null, 'nine is not above nine');
  t.same(place([depression, march, phq9('ten', '2024-03-10T09:00:00Z', 10)]), open);
  t.same(place([depression, march, phq9('before', '2024-03-03T00:00:00Z', 12)]), open, 'seven days before the visit');
  t.equal(place([depression, march, phq9('before', '2024-03-02T23:59:00Z', 12)]), null, 'eight days before it');
  t.equal(place([depression, march, phq9('after', '2024-03-11T00:00:00Z', 12)]), null, 'the day after it');
  t.same(place([depression, march, phq9('evening', '2024-03-10T23:00:00Z', 12)]), open, 'the same day');
  t.equal(place([depression, visit('late', '2024-11-01T00:00:00Z', '2024-11-01T01:00:00Z'), phq9('x', '2024-11-01T00:30:00Z', 12)]), null, 'two months before is over');
  t.same(place([depression, visit('last', '2024-10-31T22:00:00Z', '2024-10-31T23:00:00Z'), phq9('x', '2024-10-31T22:30:00Z', 12)]), open);
  t.equal(place([depression, { ...march, status: 'planned' }, elevated]), null);
  t.equal(place([depression, march, { ...elevated, status: 'preliminary' }]), null);
  t.equal(place([{ ...depression, verificationStatus: coded('x', 'provisional') }, march, elevated]), null);
  t.equal(place([{ ...depression, abatementDateTime: '2024-02-01' }, march, elevated]), null, 'over before the visit');
  t.equal(place([depression, march, elevated], { ...patient, birthDate: '2012-03-11' }), null, 'eleven years old');
  t.same(place([depression, { ...march, type: undefined } as Resource, elevated]), open, 'an ambulatory encounter without a type is a visit');
  const quantity = { valueInteger: undefined, valueQuantity: { value: 15 } };
  t.same(place([depression, march, { ...elevated, ...quantity } as Resource]), open);
  t.same(place([depression, march, { ...elevated, valueInteger: undefined, valueString: '12' } as Resource]), open);
});

t.test('remission is the last score within sixty days of twelve months, below five', async (t) => {
  const base = [depression, march, elevated];
  t.same(place([...base, phq9('y', '2025-03-10T09:00:00Z', 4)]), met);
  t.same(place([...base, phq9('y', '2025-03-10T09:00:00Z', 5)]), open, 'five is not below five');
  t.same(place([...base, phq9('y', '2025-01-09T00:00:00Z', 3)]), met, 'sixty days before');
  t.same(place([...base, phq9('y', '2025-01-08T23:00:00Z', 3)]), open, 'sixty-one days before');
  t.same(place([...base, phq9('y', '2025-05-09T23:00:00Z', 3)]), met, 'sixty days after');
  t.same(place([...base, phq9('y', '2025-05-10T00:00:00Z', 3)]), open);
  t.same(place([...base, phq9('y', '2025-02-10', 3), phq9('z', '2025-03-10', 8)]), open, 'the last one counts');
  t.same(place([...base, phq9('y', '2025-02-10', 8), phq9('z', '2025-03-10', 3, { status: 'amended' })]), met);
  for (const [low, high] of [['a', 'b'], ['b', 'a']] as const) t.same(place([...base, phq9(low, '2025-02-10', 3), phq9(high, '2025-02-10', 8)]), open, 'of two at one time the higher one, whatever their ids');
  t.same(place([depression, march, elevated, visit('may', '2024-05-10T10:00:00Z', '2024-05-10T11:00:00Z'), phq9('b', '2024-05-10T10:00:00Z', 20), phq9('y', '2025-05-20T00:00:00Z', 2)]), open, 'the window is that of the first index');
  const prorated = { extension: [{ url: 'https://intersession.example/fhir/StructureDefinition/score-quality', extension: [{ url: 'prorated', valueBoolean: true }] }] };
  t.same(place([depression, march, elevated, phq9('twelve', '2025-03-10T09:00:00Z', 3), phq9('later', '2025-04-01T09:00:00Z', 12, prorated)]), met, 'a prorated total is not reported');
  t.equal(place([depression, march, phq9('elevated', '2024-03-10T09:00:00Z', 15, prorated)]), null, 'nor does it begin a case');
});

t.test('other disorders, hospice and palliative care, and death take a case out', async (t) => {
  const base = [depression, march, elevated, phq9('y', '2025-03-10T09:00:00Z', 4)];
  t.same(place([...base, condition('c', coded(icd, 'F31.81'))]), excluded);
  t.same(place([...base, condition('c', coded(icd, 'F3181'))]), excluded, 'as some systems write it');
  t.same(place([...base, condition('c', coded(icd, 'F84.0'), { onsetDateTime: '2025-06-01' })]), met, 'known only after the window');
  t.same(place([...base, condition('c', coded(icd, 'F31.81'), { clinicalStatus: coded('x', 'inactive') })]), met);
  t.same(place(base, { ...patient, deceasedDateTime: '2025-02-01' }), excluded);
  t.same(place(base, { ...patient, deceasedDateTime: '2025-08-01' }), met);
  t.same(place(base, { ...patient, deceasedBoolean: true }), met, 'nobody knows whether it was before the end');
  t.same(place(base, { ...patient, deceasedBoolean: false }), met);
  t.same(place([...base, visit('h', '2024-06-01T10:00:00Z', '2024-06-02T10:00:00Z', { type: [coded(sct, '305336008')] })]), excluded);
  t.same(place([...base, { resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', authoredOn: '2024-06-01', code: coded(sct, '385763009') }]), excluded);
  for (const system of ['http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets', 'https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets', 'http://www.nlm.nih.gov/research/umls/hcpcs']) {
    t.same(place([...base, { resourceType: 'Procedure', id: 'x', status: 'completed', performedDateTime: '2024-06-01', code: coded(system, 'G0182') }]), excluded, system);
  }
  t.same(place([...base, { resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'proposal', authoredOn: '2024-06-01', code: coded(sct, '385763009') }]), met);
  t.same(place([...base, { resourceType: 'Procedure', id: 'x', status: 'completed', performedDateTime: '2024-06-01', code: coded(sct, '395669003') }]), excluded);
  t.same(place([...base, { resourceType: 'Procedure', id: 'x', status: 'not-done', performedDateTime: '2024-06-01', code: coded(sct, '395669003') }]), met);
  t.same(place([...base, { resourceType: 'Observation', id: 'o', status: 'final', effectiveDateTime: '2024-06-01', code: coded('http://loinc.org', '45755-6'), valueCodeableConcept: coded(sct, '373066001') }]), excluded);
  const discharge = { type: [coded(sct, '183452005')], hospitalization: { dischargeDisposition: coded(sct, '428361000124107') } };
  t.same(place([...base, visit('i', '2024-06-01T10:00:00Z', '2024-06-05T10:00:00Z', discharge)]), excluded);
});

const bySort = (resources: readonly Resource[], who: Resource): { patient: Resource; byType: Map<string, Resource[]> } => ({ patient: who, byType: Map.groupBy(resources, ({ resourceType }) => resourceType) });

t.test('follow-up, remission and response are those 120 to 240 days after an elevated score of the intake period', async (t) => {
  /** Followed up, in remission, responded: [exclusion, numerator] of each; null outside. */
  const rates = (resources: readonly Resource[], who = patient): (readonly boolean[])[] | null =>
    remissionOrResponse(bySort(resources, who), period, conceptsFrom())?.map(({ exclusion, numerator }) => [exclusion, numerator]) ?? null;
  const [no, yes] = [[false, false], [false, true]];
  const index = phq9('index', '2024-06-01T09:00:00Z', 16);
  t.same(rates([depression, index]), [no, no, no], 'no visit is asked for');
  t.same(rates([depression, index, phq9('a', '2024-09-29T00:00:00Z', 8)]), [yes, no, yes], '120 days later, half of sixteen');
  t.same(rates([depression, index, phq9('a', '2024-09-28T23:00:00Z', 8)]), [no, no, no]);
  t.same(rates([depression, index, phq9('a', '2025-01-27T23:00:00Z', 4)]), [yes, yes, yes], '240 days later');
  t.same(rates([depression, index, phq9('a', '2025-01-28T00:00:00Z', 4)]), [no, no, no]);
  t.same(rates([depression, index, phq9('a', '2024-10-01', 3), phq9('b', '2024-12-01', 9)]), [yes, no, no], 'the last one counts');
  t.same(rates([depression, phq9('early', '2024-04-30T23:00:00Z', 20), index, phq9('a', '2024-10-01', 4)]), [yes, yes, yes], 'the intake begins in May');
  t.equal(rates([depression, phq9('late', '2025-05-01', 20)]), null, 'and ends in April');
  t.equal(rates([depression, phq9('low', '2024-06-01', 9)]), null);
  t.equal(rates([depression, index], { ...patient, birthDate: '2012-06-02' }), null);
  t.equal(rates([{ ...depression, verificationStatus: coded('x', 'provisional') }, index]), null);
  t.same(rates([depression, index, condition('c', coded(icd, 'F31.81'))]), [[true, false], [true, false], [true, false]]);
  t.same(rates([depression, index, phq9('a', '2024-10-01', 4)], { ...patient, deceasedDateTime: '2026-01-01' }), [yes, yes, yes], 'after the year');
});

t.test('use of the PHQ-9 is asked for in each third of the year in which depression was seen at a visit', async (t) => {
  const thirds = (resources: readonly Resource[], who = patient): (string | null)[] =>
    monitored(bySort(resources, who), period, conceptsFrom()).map((found) => (found === undefined ? null : found.exclusion ? 'excluded' : found.numerator ? 'met' : 'open'));
  const at = (date: string): Resource => visit(date, `${date}T10:00:00Z`, `${date}T11:00:00Z`);
  t.same(thirds([depression, at('2025-02-01'), at('2025-09-01'), phq9('a', '2025-04-30T23:59:59Z', 3)]), ['met', null, 'open']);
  t.same(thirds([depression, at('2025-02-01'), phq9('a', '2025-05-01T00:00:00Z', 3)]), ['open', null, null], 'of the same third');
  t.same(thirds([depression, at('2025-05-01'), at('2025-12-31'), phq9('a', '2025-08-31', 3), phq9('b', '2025-12-31', 3)]), [null, 'met', 'met']);
  t.same(thirds([depression, { ...at('2025-02-01'), status: 'cancelled' }]), [null, null, null]);
  t.same(thirds([at('2025-02-01')]), [null, null, null]);
  t.same(thirds([depression, at('2025-02-01')], { ...patient, birthDate: '2013-02-02' }), [null, null, null]);
  t.same(thirds([depression, at('2025-02-01')], { ...patient, deceasedDateTime: '2025-11-01' }), ['excluded', null, null]);
});

t.test('a ValueSet that is stored replaces the shipped codes', async (t) => {
  const concepts = conceptsFrom(new Map([['depression', new Set([memberKey('urn:local', 'sad')])]]));
  t.ok(concepts('depression', [{ coding: [{ system: 'urn:local', code: 'sad' }] }]));
  t.notOk(concepts('depression', [{ coding: [{ system: icd, code: 'F32.9' }] }]));
  t.notOk(concepts('depression', [{ coding: [{ code: 'F32.9' }] }, undefined]));
});
