import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/fhir/resource.ts';
import { parseSearch } from '../../src/fhir/search-parse.ts';
import { servedTypes } from '../../src/fhir/types.ts';
import type { Verb, Visibility } from '../../src/fhir/visibility.ts';
import { search, type Cursor, type Found } from '../../src/store/search.ts';
import { testDatabase } from '../kit/database.ts';
import { putResource, type Rids } from '../kit/store-rows.ts';

/* oxlint-disable typescript/no-explicit-any -- plain JSON of the test's own making */

const everybody: Visibility = { caller: 'test', reach: { kind: 'all' }, grants: new Map(servedTypes.map((type) => [type, new Set<Verb>(['r', 's'])])), restricted: true };
const codes = ['a', 'b', 'c'];
const families = ['Adler', 'Berg', 'Adam'];
const coded = (code: string) => ({ coding: [{ system: 'urn:c', code }] });
const reference = (type: string, id: string | undefined) => (id === undefined ? undefined : { reference: `${type}/${id}` });
const maybe = <T>(values: readonly T[]) => fc.constantFrom(undefined, ...values);

/** People and what is known of them, tied by references at random. */
const arbitraryWorld = fc.record({
  organizations: fc.array(fc.record({ name: fc.constantFrom('North', 'South'), partOf: maybe([0, 1, 2]) }), { minLength: 4, maxLength: 4 }),
  practitioners: fc.array(fc.record({ family: fc.constantFrom(...families), active: maybe([true, false]) }), { minLength: 4, maxLength: 4 }),
  patients: fc.array(fc.record({ gp: fc.uniqueArray(fc.nat(3), { maxLength: 2 }), organization: maybe([0, 1, 2, 3]), gender: maybe(['female', 'male']), birth: maybe(['1980', '1990-05', '2001-01-31']) }), { minLength: 8, maxLength: 8 }),
  observations: fc.array(fc.record({
    patient: maybe([0, 1, 2, 3, 4, 5, 6, 7]), code: fc.constantFrom(...codes), value: maybe([3, 5, 8]), performer: maybe([0, 1, 2, 3]), from: maybe([0, 1, 2, 3, 4]),
    components: fc.uniqueArray(fc.record({ code: fc.constantFrom(...codes), value: maybe([3, 5, 8]) }), { maxLength: 3, selector: ({ code }) => code }),
  }), { minLength: 40, maxLength: 40 }),
});
type World = typeof arbitraryWorld extends fc.Arbitrary<infer T> ? T : never;

function resources({ organizations, practitioners, patients, observations }: World): Resource[] {
  const quantity = (value: number | undefined) => (value === undefined ? undefined : { value, system: 'http://unitsofmeasure.org', code: 'mg' });
  return JSON.parse(JSON.stringify([
    ...organizations.map(({ name, partOf }, n) => ({ resourceType: 'Organization', id: `org${n}`, name, partOf: partOf === undefined || partOf >= n ? undefined : reference('Organization', `org${partOf}`) })),
    ...practitioners.map(({ family, active }, n) => ({ resourceType: 'Practitioner', id: `d${n}`, name: [{ family }], active })),
    ...patients.map(({ gp, organization, gender, birth }, n) => ({ resourceType: 'Patient', id: `p${n}`, gender, birthDate: birth, generalPractitioner: gp.length === 0 ? undefined : gp.map((d) => reference('Practitioner', `d${d}`)), managingOrganization: organization === undefined ? undefined : reference('Organization', `org${organization}`) })),
    ...observations.map(({ patient, code, value, performer, from, components }, n) => ({
      resourceType: 'Observation', id: `o${n}`, status: 'final', code: coded(code), subject: patient === undefined ? undefined : reference('Patient', `p${patient}`), valueQuantity: quantity(value),
      performer: performer === undefined ? undefined : [reference('Practitioner', `d${performer}`)], derivedFrom: from === undefined || from >= n ? undefined : [reference('Observation', `o${from}`)],
      component: components.length === 0 ? undefined : components.map((one) => ({ code: coded(one.code), valueQuantity: quantity(one.value) })),
    })),
  ])) as Resource[];
}

/** A condition on resources of one type and what it means. */
interface Case { readonly query: readonly [string, string]; readonly holds: (resource: any, world: Reach) => boolean }

/** What references lead to and come from. */
class Reach {
  readonly #all: ReadonlyMap<string, any>;
  constructor(all: readonly Resource[]) { this.#all = new Map(all.map((resource) => [`${resource.resourceType}/${resource.id}`, resource])); }
  to(one: { reference?: string } | undefined): any { return one?.reference === undefined ? undefined : this.#all.get(one.reference); }
  from(type: string, pick: (resource: any) => readonly ({ reference?: string } | undefined)[], target: any): any[] {
    return [...this.#all.values()].filter((resource) => resource.resourceType === type && pick(resource).some((one) => one?.reference === `${target.resourceType}/${target.id}`));
  }
}

const has = (concept: any, code: string): boolean => concept.coding[0].code === code;
const compared: Record<string, (value: number) => boolean> = { eq5: (value) => value === 5, gt3: (value) => value > 3, lt5: (value) => value < 5, ne8: (value) => value !== 8 };
const bound = fc.constantFrom(...Object.keys(compared));
const gps = (patient: any): any[] => patient.generalPractitioner ?? [];
const observationsOf = (patient: any, world: Reach): any[] => world.from('Observation', (o) => [o.subject], patient);

const cases: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Observation: fc.oneof(
    fc.tuple(fc.constantFrom(...codes), bound).map(([code, test]): Case => ({ query: ['component-code-value-quantity', `urn:c|${code}$${test}`], holds: (o) => (o.component ?? []).some((c: any) => has(c.code, code) && c.valueQuantity !== undefined && compared[test]!(c.valueQuantity.value)) })),
    fc.tuple(fc.constantFrom(...codes), bound).map(([code, test]): Case => ({ query: ['combo-code-value-quantity', `${code}$${test}|http://unitsofmeasure.org|mg`], holds: (o) => [o, ...(o.component ?? [])].some((c: any) => has(c.code, code) && c.valueQuantity !== undefined && compared[test]!(c.valueQuantity.value)) })),
    bound.map((test): Case => ({ query: ['component-value-quantity', test], holds: (o) => (o.component ?? []).some((c: any) => c.valueQuantity !== undefined && compared[test]!(c.valueQuantity.value)) })),
    fc.constantFrom(...codes).map((code): Case => ({ query: ['combo-code:not', code], holds: (o) => ![o, ...(o.component ?? [])].some((c: any) => has(c.code, code)) })),
    fc.constantFrom(true, false).map((missing): Case => ({ query: ['combo-value-quantity:missing', String(missing)], holds: (o) => [o, ...(o.component ?? [])].every((c: any) => c.valueQuantity === undefined) === missing })),
    fc.constantFrom(...families).map((family): Case => ({ query: ['subject:Patient.general-practitioner:Practitioner.family:exact', family], holds: (o, world) => gps(world.to(o.subject) ?? {}).some((gp) => world.to(gp).name[0].family === family) })),
    fc.constantFrom('North', 'South').map((name): Case => ({ query: ['patient.organization.partof.name', name], holds: (o, world) => world.to(world.to(world.to(o.subject)?.managingOrganization)?.partOf)?.name === name })),
    fc.constantFrom(true, false).map((missing): Case => ({ query: ['patient.gender:missing', String(missing)], holds: (o, world) => o.subject !== undefined && (world.to(o.subject).gender === undefined) === missing })),
    fc.constantFrom(...codes).map((code): Case => ({ query: ['derived-from:Observation.code:not', code], holds: (o, world) => (o.derivedFrom ?? []).some((one: any) => !has(world.to(one).code, code)) })),
    fc.constantFrom(...codes).map((code): Case => ({ query: ['_has:Observation:derived-from:code', code], holds: (o, world) => world.from('Observation', (one) => one.derivedFrom ?? [], o).some((one) => has(one.code, code)) })),
    fc.constantFrom('1980', 'gt1985', 'le1990-05').map((date): Case => ({ query: ['patient.birthdate', date], holds: (o, world) => {
      const birth = world.to(o.subject)?.birthDate;
      return birth !== undefined && (date === '1980' ? birth === '1980' : date === 'gt1985' ? birth > '1985' : birth <= '1990-05');
    } })),
  ),
  Patient: fc.oneof(
    fc.constantFrom(...codes).map((code): Case => ({ query: ['_has:Observation:patient:code', code], holds: (p, world) => observationsOf(p, world).some((o) => has(o.code, code)) })),
    fc.tuple(fc.constantFrom(...codes), bound).map(([code, test]): Case => ({ query: ['_has:Observation:subject:component-code-value-quantity', `${code}$${test}`], holds: (p, world) => observationsOf(p, world).some((o) => (o.component ?? []).some((c: any) => has(c.code, code) && c.valueQuantity !== undefined && compared[test]!(c.valueQuantity.value))) })),
    fc.constantFrom(...families).map((family): Case => ({ query: ['_has:Observation:patient:performer:Practitioner.family', family], holds: (p, world) => observationsOf(p, world).some((o) => world.to(o.performer?.[0])?.name[0].family.startsWith(family) === true) })),
    fc.constantFrom(...codes).map((code): Case => ({ query: ['_has:Observation:patient:_has:Observation:derived-from:code', code], holds: (p, world) => observationsOf(p, world).some((o) => world.from('Observation', (one) => one.derivedFrom ?? [], o).some((one) => has(one.code, code))) })),
    fc.constantFrom('ad', 'berg').map((family): Case => ({ query: ['general-practitioner.name:contains', family], holds: (p, world) => gps(p).some((gp) => world.to(gp).name[0].family.toLowerCase().includes(family)) })),
    fc.constantFrom(true, false).map((active): Case => ({ query: ['_filter', `general-practitioner.active eq ${active} and not (organization.name eq north)`], holds: (p, world) => gps(p).some((gp) => world.to(gp).active === active) && world.to(p.managingOrganization)?.name !== 'North' })),
    fc.constantFrom(true, false).map((missing): Case => ({ query: ['general-practitioner:missing', String(missing)], holds: (p) => (gps(p).length === 0) === missing })),
  ),
  Practitioner: fc.oneof(
    fc.constantFrom(...codes).map((code): Case => ({ query: ['_has:Patient:general-practitioner:_has:Observation:patient:code', code], holds: (d, world) => world.from('Patient', gps, d).some((p) => observationsOf(p, world).some((o) => has(o.code, code))) })),
    fc.constantFrom('female', 'male').map((gender): Case => ({ query: ['_has:Observation:performer:patient.gender', gender], holds: (d, world) => world.from('Observation', (o) => o.performer ?? [], d).some((o) => world.to(o.subject)?.gender === gender) })),
    fc.constant<Case>({ query: ['active:not', 'true'], holds: (d) => d.active !== true }),
  ),
};

t.test('chains, reverse chains, composites of components and what is missing: the same as walking the references by hand', { timeout: 120_000 }, async (t) => {
  let searches = 0;
  let fruitful = 0;
  for (const [round, world] of fc.sample(arbitraryWorld, { numRuns: 3, seed: 20261125 }).entries()) {
    const { database } = await testDatabase(t);
    const all = resources(world);
    const reach = new Reach(all);
    const rids: Rids = new Map();
    for (const resource of all) await putResource(database, rids, resource);
    for (const [type, arbitrary] of Object.entries(cases)) {
      const sets = fc.sample(fc.tuple(fc.array(arbitrary, { minLength: 1, maxLength: 2 }), fc.integer({ min: 1, max: 30 })), { numRuns: 40, seed: round });
      for (const [conditions, count] of sets) {
        const expected = all.filter((resource) => resource.resourceType === type && conditions.every(({ holds }) => holds(resource, reach))).map(({ id }) => id!);
        const plan = parseSearch(type, [...conditions.map(({ query }) => query), ['_count', String(count)], ['_sort', '_id']], { handling: 'strict' });
        const found: string[] = [];
        let cursor: Cursor | undefined;
        do {
          const page: Found = await search(database, plan, everybody, cursor);
          found.push(...page.matches.map(({ id }) => id));
          cursor = page.next;
        } while (cursor !== undefined);
        if (JSON.stringify(found) !== JSON.stringify(expected.toSorted((a, b) => (a < b ? -1 : 1)))) throw new Error(`${type}?${conditions.map(({ query }) => query.join('=')).join('&')}\n found ${found.join()}\n expected ${expected.join()}`);
        searches++;
        if (expected.length > 0) fruitful++;
      }
    }
  }
  t.equal(searches, 360);
  t.ok(fruitful > 150, `${fruitful} of them found something`);
});
