import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { servedType, servedTypes } from '../../src/fhir/types.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type TestService, type Who } from '../kit/service.ts';

// Two people in one therapy, two therapists, and everybody who should not see the other's record. Every set is exact, and
// every denial stands beside the same request of somebody who may.

t.setTimeout(180_000); // a busy machine

const confidentiality = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const labels: Readonly<Record<string, object>> = {
  R: { system: confidentiality, code: 'R' },
  V: { system: confidentiality, code: 'V' },
  PSYTHPN: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSYTHPN' },
};
const loinc = 'http://loinc.org';
const task = 'https://intersession.example/fhir/CodeSystem/task-type';
const people = { a: 'ann', b: 'ben' } as const;
type Person = keyof typeof people;

const callers: Readonly<Record<string, Who>> = {
  a: { patient: 'ann' },
  b: { patient: 'ben' },
  userA: { scopes: 'user/*.cruds', user: 'Patient/ann' },
  t1: { user: 'Practitioner/t1' },
  t2: { user: 'Practitioner/t2' },
  stranger: { user: 'Practitioner/t3' },
  system: {},
  narrow: { scopes: 'system/Goal.rs' },
  narrowA: { scopes: 'patient/Goal.rs', patient: 'ann' },
};
/** Whose records a caller reaches, and whether it sees what is restricted. */
const reach: Readonly<Record<string, { of: readonly Person[]; restricted: boolean; types?: readonly string[] }>> = {
  a: { of: ['a'], restricted: false }, userA: { of: ['a'], restricted: false }, b: { of: ['b'], restricted: false },
  t1: { of: ['a'], restricted: true }, t2: { of: ['b'], restricted: true }, stranger: { of: [], restricted: true },
  system: { of: ['a', 'b'], restricted: true }, narrow: { of: ['a', 'b'], restricted: true, types: ['Goal'] }, narrowA: { of: ['a'], restricted: false, types: ['Goal'] },
};

const device = `intersession-${(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version}`;
const ref = (reference: string): object => ({ reference });
const code = (text: string): object => ({ coding: [{ system: 'urn:test', code: text }], text });

/** A minimal resource of each type that is part of a record. */
const content: Readonly<Record<string, (patient: string, other: string) => object>> = {
  Task: (p) => ({ status: 'requested', intent: 'order', for: ref(p), code: code('walk') }),
  // what the partner wrote about this one: the author is no way in
  QuestionnaireResponse: (p, other) => ({ status: 'completed', subject: ref(p), author: ref(other), questionnaire: 'urn:test:form', authored: '2026-01-05' }),
  Goal: (p) => ({ lifecycleStatus: 'active', description: { text: 'sleep' }, subject: ref(p) }),
  Observation: (p, other) => ({ status: 'final', code: code('mood'), subject: ref(p), performer: [ref(other)], valueQuantity: { value: 7 }, effectiveDateTime: '2026-01-05' }),
  RelatedPerson: (p) => ({ patient: ref(p) }),
  CareTeam: (p) => ({ status: 'active', subject: ref(p) }),
  EpisodeOfCare: (p) => ({ status: 'active', patient: ref(p) }),
  Encounter: (p) => ({ status: 'finished', class: { code: 'AMB' }, subject: ref(p) }),
  Appointment: (p) => ({ status: 'booked', start: '2026-01-05T10:00:00Z', end: '2026-01-05T11:00:00Z', participant: [{ actor: ref(p), status: 'accepted' }] }),
  Condition: (p) => ({ subject: ref(p), code: code('worry') }),
  CarePlan: (p) => ({ status: 'active', intent: 'plan', subject: ref(p) }),
  ServiceRequest: (p) => ({ status: 'active', intent: 'order', subject: ref(p) }),
  Communication: (p) => ({ status: 'completed', subject: ref(p) }),
  CommunicationRequest: (p) => ({ status: 'active', subject: ref(p) }),
  ClinicalImpression: (p) => ({ status: 'completed', subject: ref(p) }),
  Procedure: (p) => ({ status: 'completed', subject: ref(p) }),
  RiskAssessment: (p) => ({ status: 'final', subject: ref(p) }),
  Flag: (p) => ({ status: 'active', code: code('note'), subject: ref(p) }),
  DetectedIssue: (p) => ({ status: 'final', patient: ref(p) }),
  Consent: (p) => ({ status: 'active', scope: code('x'), category: [code('y')], patient: ref(p), policyRule: code('z') }),
  DocumentReference: (p) => ({ status: 'current', subject: ref(p), content: [{ attachment: { contentType: 'text/plain' } }] }),
  Binary: (p) => ({ contentType: 'text/plain', securityContext: ref(p), data: 'aGk=' }),
  List: (p) => ({ status: 'current', mode: 'working', subject: ref(p) }),
  Device: (p) => ({ patient: ref(p) }),
  Provenance: (p) => ({ target: [ref(p)], recorded: '2026-01-05T10:00:00Z', agent: [{ who: ref('Practitioner/t1') }] }),
  MeasureReport: (p) => ({ status: 'complete', type: 'individual', measure: 'urn:test:m', subject: ref(p), period: { start: '2026-01-01' } }),
};
const types = Object.keys(content);
const idOf = (type: string, person: Person): string => `${type.toLowerCase()}-${person}`;
const made = (type: string, person: Person, more: object = {}): any => {
  const [own, other] = person === 'a' ? ['Patient/ann', 'Patient/ben'] : ['Patient/ben', 'Patient/ann'];
  return { resourceType: type, id: idOf(type, person), ...content[type]!(own, other), ...more };
};

async function put(fhir: Client, ...resources: any[]): Promise<void> {
  for (const resource of resources) {
    const { status, text } = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
    if (status !== 201 && status !== 200) throw new Error(`${resource.resourceType}/${resource.id}: ${status} ${text}`);
  }
}

/** Both records: one resource of each type for each, and restricted ones of each label. */
async function records(t: Test): Promise<TestService> {
  const service = await testService(t, { env: { RATE_LIMIT_PATIENT: '1000000' } });
  const fhir = service.as();
  await put(fhir, ...['t1', 't2', 't3'].map((id) => ({ resourceType: 'Practitioner', id, name: [{ family: `Doctor${id}` }] })),
    { resourceType: 'Patient', id: 'ann', name: [{ family: 'Annwood' }], birthDate: '1980-01-01' }, { resourceType: 'Patient', id: 'ben', name: [{ family: 'Benfield' }], birthDate: '1970-01-01' });
  for (const person of ['a', 'b'] as const) await put(fhir, ...types.filter((type) => type !== 'Device').map((type) => made(type, person)), made('Device', person));
  // T1 cares for Ann by her CareTeam, T2 for Ben by a session
  await put(fhir, made('CareTeam', 'a', { participant: [{ member: ref('Practitioner/t1') }] }),
    made('Encounter', 'b', { participant: [{ individual: ref('Practitioner/t2') }] }),
    { resourceType: 'RelatedPerson', id: 'rp-a', patient: ref('Patient/ann'), name: [{ family: 'Kin' }] });
  for (const [label, coding] of Object.entries(labels)) {
    for (const person of ['a', 'b'] as const) await put(fhir, made('Observation', person, { id: `note-${label.toLowerCase()}-${person}`, meta: { security: [coding] }, valueQuantity: { value: 999 } }));
  }
  // visible as version 1, labelled later
  await put(fhir, made('Goal', 'a', { id: 'late-a' }), made('Goal', 'a', { id: 'late-a', meta: { security: [labels['R']] }, description: { text: 'sleep more' } }));
  return service;
}

/** Ids of `type` that a caller sees, by the fixture alone. */
function expected(type: string, caller: string): string[] {
  const { of, restricted, types: only } = reach[caller]!;
  if (only !== undefined && !only.includes(type)) return [];
  if (type === 'Patient') return of.map((person) => people[person]).toSorted();
  const ids = of.map((person) => idOf(type, person));
  if (type === 'RelatedPerson' && of.includes('a')) ids.push('rp-a');
  // the service's own: part of nobody's record
  if (type === 'Device' && caller === 'system') ids.push(device);
  if (type === 'Observation' && restricted) ids.push(...of.flatMap((person) => Object.keys(labels).map((label) => `note-${label.toLowerCase()}-${person}`)));
  if (type === 'Goal' && restricted && of.includes('a')) ids.push('late-a');
  return ids.toSorted();
}

const idsIn = (reply: Reply, type?: string): string[] => (reply.body?.entry ?? []).map((entry: any) => entry.resource)
  .filter((resource: any) => resource !== undefined && resource.resourceType !== 'OperationOutcome' && (type === undefined || resource.resourceType === type)).map((resource: any) => resource.id).toSorted();
const granted = (caller: string, type: string): boolean => (reach[caller]!.types ?? servedTypes).includes(type);
/** A refusal as a client can compare it: all but what differs in every request. */
const comparable = ({ status, headers, text }: Reply): object =>
  ({ status, text, headers: [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)) });

t.test('who sees what', async (t) => {
  const service = await records(t);
  const as = Object.fromEntries(Object.entries(callers).map(([name, who]) => [name, service.as(who)])) as Record<string, Client>;
  t.same(servedTypes.filter((type) => servedType(type)!.access === 'patient' && !['Patient', 'AuditEvent'].includes(type)).toSorted(), types.toSorted(), 'the fixture has every type that is part of a record');

  for (const caller of Object.keys(callers)) {
    await t.test(`search: ${caller} finds exactly its own of every type, in every form of search`, async (t) => {
      const fhir = as[caller]!;
      for (const type of ['Patient', ...types]) {
        const want = expected(type, caller);
        if (!granted(caller, type)) {
          for (const path of [type, `${type}?_summary=count`, `Patient/ann/${type}`]) t.equal((await fhir('GET', path)).status, 403, `${path}: not granted`);
          continue;
        }
        const found = await fhir('GET', `${type}?_count=200&_total=accurate`);
        t.same([idsIn(found, type), found.body.total], [want, want.length], `${type}: set and total`);
      }
    });
  }

  await t.test('the ways into a record by search: each gives its own, and nothing of the other', async (t) => {
    const observations = (person: Person, restricted: boolean): string[] => [idOf('Observation', person), ...(restricted ? ['r', 'v', 'psythpn'].map((label) => `note-${label}-${person}`) : [])].toSorted();
    const queries: [query: string, ids: (of: readonly Person[], restricted: boolean) => string[]][] = [
      ['Observation?patient=ben', (of, r) => (of.includes('b') ? observations('b', r) : [])],
      ['Observation?subject=Patient/ben', (of, r) => (of.includes('b') ? observations('b', r) : [])],
      ['Observation?performer=Patient/ben', (of, r) => (of.includes('a') ? observations('a', r) : [])],
      ['Observation?_id=observation-a,observation-b', (of) => of.map((person) => idOf('Observation', person))],
      ['Observation?subject:Patient.family=benfield', (of, r) => (of.includes('b') ? observations('b', r) : [])],
      ['Observation?patient.family:contains=benf', (of, r) => (of.includes('b') ? observations('b', r) : [])],
      ['Observation?performer:Patient.family=benfield', (of, r) => (of.includes('a') && of.includes('b') ? observations('a', r) : [])],
      ['Observation?value-quantity=gt900', (of, r) => (r ? of.flatMap((person) => observations(person, true).filter((id) => id.startsWith('note'))) : [])],
      ['Observation?code=urn:test|mood&_sort=-date,_id', (of, r) => of.flatMap((person) => observations(person, r))],
      ['Observation?_security=R', (of, r) => (r ? of.map((person) => `note-r-${person}`) : [])],
      ['Observation?code:not=nothing', (of, r) => of.flatMap((person) => observations(person, r))],
      ['Observation?performer:missing=false', (of, r) => of.flatMap((person) => observations(person, r))],
      ['Observation?_lastUpdated=gt2020-01-01', (of, r) => of.flatMap((person) => observations(person, r))],
      ['Patient?_has:Observation:patient:value-quantity=gt900', (of, r) => (r ? of.map((person) => people[person]) : [])],
      ['Patient?_has:Observation:performer:value-quantity=7', (of) => (of.length === 2 ? ['ann', 'ben'] : [])],
      ['Patient?_has:QuestionnaireResponse:subject:author=Patient/ben', (of) => (of.includes('a') ? ['ann'] : [])],
      ['Patient?family=benfield,annwood&_sort=family', (of) => of.map((person) => people[person])],
      ['Patient?birthdate=1970-01-01', (of) => (of.includes('b') ? ['ben'] : [])],
      ['QuestionnaireResponse?author=Patient/ann', (of) => (of.includes('b') ? [idOf('QuestionnaireResponse', 'b')] : [])],
      ['QuestionnaireResponse?author:Patient.family=annwood', (of) => (of.length === 2 ? [idOf('QuestionnaireResponse', 'b')] : [])],
      ['Provenance?target=Patient/ben', (of) => (of.includes('b') ? [idOf('Provenance', 'b')] : [])],
    ];
    for (const [query, ids] of queries) {
      for (const caller of ['a', 'b', 'userA', 't1', 't2', 'stranger', 'system']) {
        const { of, restricted } = reach[caller]!;
        const [type, parameters] = query.split('?') as [string, string];
        const want = ids(of, restricted).toSorted();
        const get = await as[caller]!('GET', query);
        t.same([get.status, idsIn(get)], [200, want], `${caller}: ${query}`);
        const count = await as[caller]!('GET', `${query}&_summary=count`);
        t.equal(count.body.total, want.length, `${caller}: the total of ${query}`);
        const posted = await as[caller]!('POST', `${type}/_search`, parameters, { 'content-type': 'application/x-www-form-urlencoded' });
        t.same(idsIn(posted), want, `${caller}: POST ${query}`);
        const batch = await as[caller]!('POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: query } }] });
        t.same(idsIn({ ...batch, body: batch.body.entry[0].resource }), want, `${caller}: batch ${query}`);
      }
    }
  });

  await t.test('compartment search', async (t) => {
    for (const type of types) {
      for (const caller of ['a', 'b', 't1', 't2', 'stranger', 'system']) {
        const got = await as[caller]!('GET', `Patient/ben/${type}?_count=200`);
        const want = reach[caller]!.of.includes('b') ? expected(type, caller).filter((id) => id.endsWith('-b')) : [];
        t.same([got.status, idsIn(got)], [200, want], `${caller}: Patient/ben/${type}`);
      }
    }
  });

  await t.test('what is included is what could be read', async (t) => {
    const cases: [query: string, caller: string, ids: string[]][] = [
      ['Observation?_id=observation-a&_include=Observation:performer', 'a', ['observation-a']],
      ['Observation?_id=observation-a&_include=Observation:performer', 'system', ['ben', 'observation-a']],
      ['Observation?_id=observation-a&_include=*', 't1', ['ann', 'observation-a']],
      ['Patient?_id=ann&_revinclude=Observation:performer', 'a', ['ann']],
      ['Patient?_id=ann&_revinclude=Observation:performer', 'system', ['ann', ...['observation', 'note-r', 'note-v', 'note-psythpn'].map((id) => `${id}-b`)].toSorted()],
      ['Patient?_id=ann&_revinclude=Observation:subject', 'a', ['ann', 'observation-a']],
      ['Patient?_id=ann&_revinclude=Observation:subject', 't1', ['ann', 'note-psythpn-a', 'note-r-a', 'note-v-a', 'observation-a']],
      ['Patient?_id=ann&_revinclude=QuestionnaireResponse:author', 't1', ['ann']],
      ['QuestionnaireResponse?_id=questionnaireresponse-a&_include=QuestionnaireResponse:author&_revinclude:iterate=Observation:subject&_include:iterate=Observation:performer', 'a', ['questionnaireresponse-a']],
      ['QuestionnaireResponse?_id=questionnaireresponse-a&_include=QuestionnaireResponse:author&_revinclude:iterate=Goal:subject', 'system', ['ben', 'goal-b', 'questionnaireresponse-a']],
    ];
    for (const [query, caller, ids] of cases) t.same(idsIn(await as[caller]!('GET', query)), ids.toSorted(), `${caller}: ${query}`);
    const everything = idsIn(await as['a']!('GET', 'Patient?_revinclude=*&_include=*&_include:iterate=*'));
    t.ok(everything.length > 20 && !everything.some((id) => id.endsWith('-b') || id === 'ben' || id.startsWith('note') || id === 'late-a'), 'all that can be included, repeated');
    t.same(idsIn(await as['narrowA']!('GET', 'Goal?_include=Goal:subject&_revinclude=Observation:focus')), ['goal-a'], 'a type that is not granted is not included');
    t.equal((await as['narrowA']!('GET', 'Goal?subject:Patient.family=annwood')).status, 403, 'nor asked by what is in it');
    t.equal((await as['a']!('GET', 'Goal?subject:Patient.family=annwood')).status, 200);
  });

  await t.test('read, vread and history: not visible is not there, to the byte', async (t) => {
    for (const type of ['Patient', ...types]) {
      for (const caller of ['a', 't1', 'stranger', 'b', 't2']) {
        const foreign = type === 'Patient' ? 'ben' : idOf(type, 'b');
        for (const suffix of ['', '/_history', '/_history/1', '/_history/2', ...(type === 'Patient' ? ['/$progress'] : [])]) {
          const there = await as[caller]!('GET', `${type}/${foreign}${suffix}`);
          const none = await as[caller]!('GET', `${type}/none-${foreign}${suffix}`);
          if (reach[caller]!.of.includes('b') && !(suffix === '/_history/2' && !(type === 'Encounter'))) t.equal(there.status, 200, `${caller}: ${type}${suffix}`);
          else t.same(comparable(there), comparable(none), `${caller}: ${type}${suffix}`);
          t.equal(none.status, 404, `${caller}: no ${type}${suffix}`);
        }
      }
    }
    for (const id of ['note-r-a', 'note-v-a', 'note-psythpn-a']) {
      t.same(comparable(await as['a']!('GET', `Observation/${id}`)), comparable(await as['a']!('GET', 'Observation/note-none')), `${id} is not there for the patient`);
      t.equal((await as['t1']!('GET', `Observation/${id}`)).status, 200);
    }
    for (const path of ['Goal/late-a', 'Goal/late-a/_history', 'Goal/late-a/_history/1', 'Goal/late-a/_history/2']) {
      t.same(comparable(await as['a']!('GET', path)), comparable(await as['a']!('GET', path.replace('late-a', 'none'))), `${path}: a label covers the versions before it`);
      t.equal((await as['t1']!('GET', path)).status, 200);
    }
  });

  await t.test('type and system history show the versions of what is visible', async (t) => {
    for (const caller of ['a', 'b', 't1', 't2', 'stranger', 'system']) {
      for (const type of ['Patient', ...types]) {
        const got = await as[caller]!('GET', `${type}/_history?_count=500`);
        t.same([got.status, [...new Set(idsIn(got))]], [200, expected(type, caller)], `${caller}: ${type}/_history`);
      }
      const seen = new Set<string>();
      let next: string | undefined = '_history?_count=40';
      while (next !== undefined) {
        const page: Reply = await as[caller]!('GET', next);
        for (const { resource } of page.body.entry ?? []) if (resource !== undefined && (resource.resourceType === 'Patient' || types.includes(resource.resourceType))) seen.add(`${resource.resourceType}/${resource.id}`);
        next = page.body.link.find((link: any) => link.relation === 'next')?.url;
      }
      const want = ['Patient', ...types].flatMap((type) => expected(type, caller).map((id) => `${type}/${id}`));
      t.same([...seen].toSorted(), want.toSorted(), `${caller}: _history`);
    }
    t.same([...new Set(idsIn(await as['narrow']!('GET', '_history?_count=500')))], ['goal-a', 'goal-b', 'late-a'], 'of the granted types');
  });

  await t.test('a page link serves the caller it was given to', async (t) => {
    const first = await as['system']!('GET', 'Observation?_count=1&_sort=_id');
    const next = first.body.link.find((link: any) => link.relation === 'next').url as string;
    t.equal((await as['system']!('GET', next)).status, 200);
    for (const caller of ['a', 't1', 'b']) t.equal((await as[caller]!('GET', next)).status, 400, caller);
    t.equal((await as['system']!('GET', next.replace('Observation?', 'Goal?'))).status, 400, 'another type');
    t.notMatch(Buffer.from(new URL(next).searchParams.get('_page')!, 'base64url').toString('latin1'), /observation|note/, 'what is in it cannot be read');
    const history = (await as['system']!('GET', '_history?_count=1')).body.link.find((link: any) => link.relation === 'next').url as string;
    t.equal((await as['a']!('GET', history)).status, 400);
  });
});

t.test('what operations show', async (t) => {
  const service = await records(t);
  const as = Object.fromEntries(Object.entries(callers).map(([name, who]) => [name, service.as(who)]));
  const system = service.as();
  const owner = (id: string): string => (id === 'ann' || id.endsWith('-a') ? 'a' : id === 'ben' || id.endsWith('-b') ? 'b' : '');
  const mine = (caller: string, ids: readonly string[]): void => {
    for (const id of ids) {
      const of = owner(id);
      t.ok(of === '' || (reach[caller]!.of as readonly string[]).includes(of), `${caller} sees ${id}`);
      t.ok(reach[caller]!.restricted || !/^(?:note|late)-/.test(id), `${caller} sees the restricted ${id}`);
    }
  };
  /** What an operation says of somebody else's is, to the byte, what it says of what was never there. */
  const asAbsent = async (caller: string, method: string, path: (id: string) => string, [id, never]: readonly [string, string], body?: (id: string) => object): Promise<void> => {
    const [foreign, absent] = [await as[caller]!(method, path(id), body?.(id)), await as[caller]!(method, path(never), body?.(never))];
    t.same({ ...comparable(foreign), text: foreign.text.replaceAll(id, never) }, comparable(absent), `${caller} ${method} ${path(id)}`);
    t.ok(foreign.status >= 400 || foreign.body.issue?.some(({ severity }: any) => severity === 'error') || !foreign.text.includes(id), `${caller} ${path(id)}: ${foreign.status} ${foreign.text.slice(0, 200)}`);
  };

  await t.test('on one resource: somebody else’s is not there', async (t) => {
    for (const type of types) {
      const [own, foreign] = [idOf(type, 'a'), idOf(type, 'b')];
      for (const operation of ['$meta', '$validate', '$validate?mode=delete']) await asAbsent('a', 'GET', (id) => `${type}/${id}/${operation}`, [foreign, 'never']);
      await asAbsent('t1', 'GET', (id) => `${type}/${id}/$meta`, [foreign, 'never']);
      t.equal((await as['a']!('GET', `${type}/${own}/$meta`)).status, 200, `${type}/${own}/$meta`);
    }
    const label = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ system: 'urn:x', code: 'y' }] } }] };
    for (const operation of ['$meta-add', '$meta-delete']) {
      await asAbsent('a', 'POST', (id) => `Goal/${id}/${operation}`, ['goal-b', 'never'], () => label);
      await asAbsent('t1', 'POST', (id) => `Goal/${id}/${operation}`, ['goal-b', 'never'], () => label);
    }
    await asAbsent('a', 'GET', (id) => `Observation/${id}/$meta`, ['note-r-a', 'never']);
    await asAbsent('a', 'GET', (id) => `QuestionnaireResponse/${id}/$extract`, ['questionnaireresponse-b', 'never']);
    for (const operation of ['$everything', '$progress']) {
      await asAbsent('a', 'GET', (id) => `Patient/${id}/${operation}`, ['ben', 'never']);
      await asAbsent('t1', 'GET', (id) => `Patient/${id}/${operation}`, ['ben', 'never']);
      await asAbsent('stranger', 'GET', (id) => `Patient/${id}/${operation}`, ['ann', 'never']);
    }
    await asAbsent('a', 'POST', (id) => `Goal/${id}/$validate?mode=update`, ['goal-b', 'never'], (id) => ({ ...made('Goal', 'a'), id }));
  });

  await t.test('over several: each shows what a search would', async (t) => {
    for (const caller of Object.keys(callers)) {
      for (const patient of ['ann', 'ben']) {
        for (const path of [`Patient/${patient}/$everything?_count=1000`, `Observation/$lastn?patient=${patient}&code=mood&max=99`]) {
          const reply = await as[caller]!('GET', path);
          if (reply.status === 200) mine(caller, idsIn(reply));
        }
      }
      const labelled = await as[caller]!('GET', 'Observation/$meta');
      if (labelled.status === 200) t.equal(/PSYTHPN/.test(labelled.text), reach[caller]!.restricted && reach[caller]!.of.length > 0, `${caller}: labels in use`);
      const all = await as[caller]!('GET', '$meta');
      if (all.status === 200 && !reach[caller]!.restricted) t.notMatch(all.text, /PSYTHPN/, `${caller}: labels in use anywhere`);
    }
    t.ok(idsIn(await as['a']!('GET', 'Patient/ann/$everything?_count=1000')).includes('goal-a'), 'one sees the own');
    const noted = await as['t1']!('GET', 'Observation/$lastn?patient=ann&code=mood&max=99');
    t.ok(idsIn(noted).includes('note-r-a'), 'and a therapist the notes');
    const foreign = await as['a']!('GET', 'Observation/$lastn?patient=ben&code=mood&max=99');
    t.same([foreign.status, idsIn(foreign)], [200, []]);
  });

  await t.test('statistics count what the caller sees', async (t) => {
    const stats = async (caller: string, patient: string): Promise<Reply> => as[caller]!('GET', `Observation/$stats?subject=Patient/${patient}&code=mood&system=urn:test&statistic=max`);
    const own = await stats('a', 'ann'), therapist = await stats('t1', 'ann'), foreign = await stats('a', 'ben');
    t.equal(own.status, 200);
    t.notMatch(own.text, /999/, 'without the notes');
    t.match(therapist.text, /999/, 'with them');
    t.notMatch(foreign.text, /:7[,}]/);
    t.same(foreign.text.replaceAll('ben', 'never'), (await stats('a', 'never')).text, 'of somebody else as of nobody');
  });

  await t.test('whom an operation is done for must be seen', async (t) => {
    await put(system, { resourceType: 'Questionnaire', id: 'form', url: 'urn:test:form-of-operations', status: 'active', item: [{ linkId: '1', type: 'string', text: 'x' }] },
      { resourceType: 'ActivityDefinition', id: 'walk', status: 'active', kind: 'ServiceRequest' });
    await asAbsent('a', 'GET', (id) => `Questionnaire/form/$populate?subject=Patient/${id}`, ['ben', 'never']);
    await asAbsent('a', 'GET', (id) => `ActivityDefinition/walk/$apply?subject=Patient/${id}`, ['ben', 'never']);
    await asAbsent('t1', 'GET', (id) => `ActivityDefinition/walk/$apply?subject=Patient/${id}`, ['ben', 'never']);
    t.equal((await as['a']!('GET', 'ActivityDefinition/walk/$apply?subject=Patient/ann')).status, 200);
    await asAbsent('a', 'POST', () => 'Goal/$validate?mode=create', ['ben', 'never'], (id) => ({ resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref(`Patient/${id}`) }));
  });

  await t.test('a definition that is restricted is none for whom it is not', async (t) => {
    const restricted = { meta: { security: [labels['R']] } };
    await put(system, { resourceType: 'CodeSystem', id: 'cs-note', url: 'urn:test:cs-note', status: 'active', content: 'complete', concept: [{ code: 'hidden-word' }], ...restricted },
      { resourceType: 'ValueSet', id: 'vs-note', url: 'urn:test:vs-note', status: 'active', compose: { include: [{ system: 'urn:test:cs-note', concept: [{ code: 'hidden-word' }] }] }, ...restricted },
      { resourceType: 'ConceptMap', id: 'cm-note', url: 'urn:test:cm-note', status: 'active', group: [{ source: 'urn:test:cs-note', target: 'urn:t', element: [{ code: 'hidden-word', target: [{ code: 'b', equivalence: 'equal' }] }] }], ...restricted });
    for (const [type, id, operation] of [['ValueSet', 'vs-note', '$expand'], ['ValueSet', 'vs-note', '$validate-code?code=hidden-word&system=urn:test:cs-note'], ['CodeSystem', 'cs-note', '$validate-code?code=hidden-word'], ['ConceptMap', 'cm-note', '$translate?code=hidden-word&system=urn:test:cs-note']] as const) {
      await asAbsent('a', 'GET', (each) => `${type}/${each}/${operation}`, [id, 'never']);
      t.equal((await system('GET', `${type}/${id}/${operation}`)).status, 200, `${type} ${operation}`);
    }
    for (const path of ['ValueSet/$expand?url=urn:test:vs-note', 'CodeSystem/$lookup?system=urn:test:cs-note&code=hidden-word']) {
      t.ok((await as['a']!('GET', path)).status >= 400, path);
      t.equal((await system('GET', path)).status, 200, path);
    }
    const versions = await as['a']!('GET', '$versions');
    t.same([versions.status, versions.text], [200, (await as['stranger']!('GET', '$versions')).text], '$versions says the same to everybody');
  });
});

t.test('who writes what', async (t) => {
  const service = await records(t);
  const as = Object.fromEntries(Object.entries(callers).map(([name, who]) => [name, service.as(who)])) as Record<string, Client>;
  const state = async (): Promise<string> => JSON.stringify(await service.database.query("select type, id, version, live, body from resource where not type = 'Provenance' order by type, id, version", []));
  const patchJson = { 'content-type': 'application/json-patch+json' };

  await t.test('an id that is drawn from random numbers may be chosen, in the own record and again and again', async (t) => {
    const id = '0198f3c2-7b1e-7c4d-9a55-3f2e1d0c9b8a';
    const goal = { resourceType: 'Goal', id, lifecycleStatus: 'proposed', description: { text: 'Sleep' }, subject: { reference: 'Patient/ann' } };
    t.equal((await as['a']!('PUT', `Goal/${id}`, goal)).status, 201);
    t.equal((await as['a']!('PUT', `Goal/${id}`, goal)).status, 200, 'the answer was lost: the same once more');
    t.same((await as['a']!('GET', `Goal/${id}/_history`)).body.entry.length, 1);
    for (const [caller, other] of [['a', 'ben'], ['stranger', 'ann'], ['t1', 'ben']] as const) {
      const foreign = { ...goal, id: id.replace(/a$/, 'b'), subject: { reference: `Patient/${other}` } };
      const reply = await as[caller]!('PUT', `Goal/${foreign.id}`, foreign);
      t.ok([403, 404, 422].includes(reply.status), `${caller} makes nothing in the record of ${other}: ${reply.status}`);
    }
    t.equal((await as['stranger']!('PUT', `Goal/${id}`, { ...goal, description: { text: 'mine' } })).status, 404);
    t.equal((await service.as()('GET', `Goal/${id.replace(/a$/, 'b')}`)).status, 404);
    for (const chosen of ['my-goal', '0198f3c2-7b1e-8c4d-9a55-3f2e1d0c9b8a', '0198F3C2-7B1E-7C4D-9A55-3F2E1D0C9B8A']) t.equal((await as['a']!('PUT', `Goal/${chosen}`, { ...goal, id: chosen })).status, 404, `${chosen} could have been guessed`);
    await service.as()('DELETE', `Goal/${id}`);
  });

  await t.test('a foreign resource cannot be changed, and answers as if it were not there', async (t) => {
    const before = await state();
    for (const type of ['Patient', ...types]) {
      const id = type === 'Patient' ? 'ben' : idOf(type, 'b');
      for (const caller of ['a', 't1', 'stranger']) {
        const fhir = as[caller]!;
        const verbs = caller === 'a' ? servedType(type)!.byPatient?.verbs ?? '' : type === 'Patient' ? 'cu' : 'cud';
        const body = type === 'Patient' ? { resourceType: 'Patient', id } : made(type, 'b');
        const mine = type === 'Patient' ? body : { ...made(type, 'a'), id };
        for (const [name, content] of [['own content', mine], ['its content', body]] as const) {
          t.equal((await fhir('PUT', `${type}/${id}`, content)).status, verbs.includes('u') ? 404 : 403, `${caller}: PUT ${type} with ${name}`);
        }
        const change = [{ op: 'add', path: '/language', value: 'de' }];
        const patched = await fhir('PATCH', `${type}/${id}`, change, patchJson);
        t.same(comparable(patched), comparable(await fhir('PATCH', `${type}/none`, change, patchJson)), `${caller}: PATCH ${type}`);
        t.equal(patched.status, verbs.includes('u') ? 404 : 403);
        const deleted = await fhir('DELETE', `${type}/${id}`);
        t.same(comparable(deleted), comparable(await fhir('DELETE', `${type}/none`)), `${caller}: DELETE ${type}`);
        t.equal(deleted.status, verbs.includes('d') ? 204 : 403, `${caller}: DELETE ${type}`);
        t.same(comparable(await fhir('DELETE', `${type}/${id}`, undefined, { 'if-match': 'W/"1"' })), comparable(await fhir('DELETE', `${type}/none`, undefined, { 'if-match': 'W/"1"' })), `${caller}: DELETE ${type} with If-Match`);
        const conditional = await fhir('DELETE', `${type}?_id=${id}`);
        t.same(comparable(conditional), comparable(await fhir('DELETE', `${type}?_id=none`)), `${caller}: conditional DELETE ${type}`);
      }
    }
    t.equal(await state(), before, 'nothing changed');
    t.equal((await as['t2']!('PATCH', 'Goal/goal-b', [{ op: 'add', path: '/language', value: 'de' }], patchJson)).status, 200, 'who may, can');
    t.equal((await as['b']!('PUT', 'Goal/goal-b', made('Goal', 'b', { language: 'fr' }))).status, 200);
  });

  await t.test('nothing is created in a foreign record, and the refusal is that for a patient who does not exist', async (t) => {
    for (const type of types) {
      const own = made(type, 'b');
      delete own.id;
      const missing = JSON.parse(JSON.stringify(own).replaceAll('Patient/ben', 'Patient/nobody'));
      for (const caller of ['a', 't1', 'stranger']) {
        const foreign = await as[caller]!('POST', type, own);
        t.same(comparable(foreign), comparable(await as[caller]!('POST', type, missing)), `${caller}: POST ${type}`);
        t.equal(foreign.status, caller === 'a' && servedType(type)!.byPatient?.verbs.includes('c') !== true ? 403 : 422, `${caller}: POST ${type}`);
        const inTransaction = await as[caller]!('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: own, request: { method: 'POST', url: type } }] });
        t.ok(inTransaction.status === 422 || inTransaction.status === 403, `${caller}: ${type} in a transaction: ${inTransaction.status}`);
        const conditional = await as[caller]!('POST', type, own, { 'if-none-exist': `_id=${idOf(type, 'b')}` });
        t.same([conditional.status, conditional.text], [foreign.status, foreign.text], `${caller}: ${type} with a condition that matches a foreign one`);
      }
    }
    const ok = await as['t2']!('POST', 'Observation', made('Observation', 'b'));
    t.equal(ok.status, 201, 'the control');
  });

  await t.test('conditions match what the caller sees', async (t) => {
    const goal = { ...made('Goal', 'a'), id: undefined, description: { text: 'mine' } };
    const created = await as['a']!('POST', 'Goal', goal, { 'if-none-exist': '_id=goal-b' });
    t.equal(created.status, 201, 'the foreign match is none');
    t.equal((await as['a']!('POST', 'Goal', goal, { 'if-none-exist': '_id=goal-a' })).status, 200, 'the own one is');
    const updated = await as['a']!('PUT', 'Goal?_id=goal-b', goal);
    t.equal(updated.status, 201);
    t.not(updated.body.id, 'goal-b');
    t.equal((await as['a']!('PUT', 'Goal?_id=goal-a', goal)).status, 200);
    t.equal((await as['a']!('PUT', 'Goal?_id=none-x', { ...goal, id: 'goal-b' })).status, 404, 'nor by the id in the body');
    for (const condition of ['subject:Patient.family=benfield', '_has:Provenance:target:recorded=gt2000', 'subject=Patient/ben']) {
      t.equal((await as['a']!('POST', 'Goal', goal, { 'if-none-exist': condition })).status, 201, condition);
    }
    const link = (reference: string): Promise<Reply> => as['a']!('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [
      { resource: { ...goal, addresses: [ref(reference)] }, request: { method: 'POST', url: 'Goal' } }] });
    t.same(comparable(await link('Condition?_id=condition-b')), comparable(await link('Condition?_id=none')), 'a conditional reference');
    t.equal((await link('Condition?_id=condition-a')).status, 200);
  });

  await t.test('an identifier that somebody else used is free, and a key belongs to who used it', async (t) => {
    const answer = (person: Person, more: object = {}): object => ({ ...made('QuestionnaireResponse', person), id: undefined, author: undefined, identifier: { system: 'urn:app', value: 'same' }, ...more });
    t.equal((await as['b']!('POST', 'QuestionnaireResponse', answer('b'))).status, 201);
    t.equal((await as['a']!('POST', 'QuestionnaireResponse', answer('a'))).status, 201);
    const twin = await as['a']!('POST', 'QuestionnaireResponse', answer('b'));
    t.same(comparable(twin), comparable(await as['a']!('POST', 'QuestionnaireResponse', { ...answer('b'), identifier: { system: 'urn:app', value: 'unused' } })), 'the twin in a foreign record');
    t.equal(twin.status, 422);
    await as['t1']!('POST', 'QuestionnaireResponse', answer('a', { identifier: { system: 'urn:app', value: 'note' }, meta: { security: [labels['PSYTHPN']] } }));
    t.equal((await as['a']!('POST', 'QuestionnaireResponse', answer('a', { identifier: { system: 'urn:app', value: 'note' } }))).status, 201, 'a restricted twin is not there either');
    const key = { 'idempotency-key': 'k-1' };
    const first = await as['b']!('POST', 'Goal', { ...made('Goal', 'b'), id: undefined }, key);
    t.equal((await as['b']!('POST', 'Goal', { ...made('Goal', 'b'), id: undefined }, key)).body.id, first.body.id, 'its own key replays');
    const foreign = await as['a']!('POST', 'Goal', { ...made('Goal', 'b'), id: undefined }, key);
    t.equal(foreign.status, 422);
    t.notMatch(foreign.text, new RegExp(`${first.body.id}|Idempotency`));
    t.equal((await as['a']!('POST', 'Goal', { ...made('Goal', 'a'), id: undefined }, key)).status, 201);
  });

  await t.test('a resource stays in its record', async (t) => {
    for (const type of types.filter((type) => type !== 'Provenance')) {
      for (const caller of ['a', 'system']) {
        if (caller === 'a' && (servedType(type)!.byPatient === undefined || servedType(type)!.byPatient!.author !== undefined)) continue;
        const moved = await as[caller]!('PUT', `${type}/${idOf(type, 'a')}`, { ...made(type, 'b'), id: idOf(type, 'a') });
        t.equal(moved.status, 422, `${caller}: ${type} ${moved.text}`);
        t.equal((await as['system']!('GET', `${type}/${idOf(type, 'b')}`)).status, 200);
      }
    }
    const patched = await as['a']!('PATCH', 'Goal/goal-a', [{ op: 'replace', path: '/subject/reference', value: 'Patient/ben' }], patchJson);
    t.equal(patched.status, 422);
    const transaction = await as['system']!('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: { ...made('Goal', 'b'), id: 'goal-a' }, request: { method: 'PUT', url: 'Goal/goal-a' } }] });
    t.equal(transaction.status, 422);
    for (const reference of [`${service.url}/Patient/ben`, 'Patient/ben/_history/1']) {
      t.equal((await as['a']!('POST', 'Goal', { ...made('Goal', 'a'), id: undefined, subject: ref(reference) })).status, 422, `however it is written: ${reference}`);
    }
  });

  await t.test('a patient does not write the directory, nor what others answer for', async (t) => {
    const bodies: Readonly<Record<string, object>> = {
      Practitioner: {}, Organization: { name: 'x' }, Questionnaire: { status: 'active' }, PractitionerRole: {}, Group: { type: 'person', actual: true },
      CodeSystem: { status: 'active', content: 'complete' }, ValueSet: { status: 'active' }, StructureDefinition: {}, Subscription: {},
    };
    for (const [type, body] of Object.entries(bodies)) {
      for (const caller of ['a', 'userA']) t.equal((await as[caller]!('POST', type, { resourceType: type, ...body })).status, 403, `${caller}: ${type}`);
    }
    t.equal((await as['t1']!('POST', 'Organization', { resourceType: 'Organization', name: 'x' })).status, 201, 'the control');
    for (const type of types.filter((type) => servedType(type)!.byPatient === undefined)) {
      t.equal((await as['a']!('POST', type, { ...made(type, 'a'), id: undefined })).status, 403, `creates no ${type}`);
      t.equal((await as['a']!('PUT', `${type}/${idOf(type, 'a')}`, made(type, 'a'))).status, 403, `changes no ${type}`);
      t.equal((await as['t1']!('POST', type, { ...made(type, 'a'), id: undefined })).status, 201, `the therapist does: ${type}`);
    }
    for (const type of ['Patient', ...types]) t.equal((await as['a']!('DELETE', `${type}/${type === 'Patient' ? 'ann' : idOf(type, 'a')}`)).status, 403, `deletes no ${type}`);
    t.equal((await as['a']!('POST', 'AuditEvent', { resourceType: 'AuditEvent' })).status, 403);
    t.equal((await as['system']!('POST', 'AuditEvent', { resourceType: 'AuditEvent' })).status, 405);
  });

  await t.test('a patient writes in the own name', async (t) => {
    const observation = (performer: string): object => ({ ...made('Observation', 'a'), id: undefined, performer: [ref(performer)] });
    t.equal((await as['a']!('POST', 'Observation', observation('Practitioner/t1'))).status, 403, 'not in a therapist’s');
    t.equal((await as['a']!('POST', 'Observation', observation('Patient/ben'))).status, 403, 'not in the partner’s');
    const own = await as['a']!('POST', 'Observation', observation('Patient/ann'));
    t.equal(own.status, 201);
    t.equal((await as['a']!('PUT', `Observation/${own.body.id}`, { ...own.body, status: 'amended' })).status, 200, 'amends the own');
    t.equal((await as['a']!('PUT', 'Observation/observation-a', { ...made('Observation', 'a'), performer: [ref('Patient/ann')] })).status, 403, 'and not what the partner wrote');
    t.equal((await as['a']!('PATCH', 'Observation/observation-a', [{ op: 'replace', path: '/status', value: 'entered-in-error' }], patchJson)).status, 403);
    t.equal((await as['a']!('PUT', 'QuestionnaireResponse/questionnaireresponse-a', made('QuestionnaireResponse', 'a', { status: 'amended', author: ref('Patient/ann') }))).status, 403);
    t.equal((await as['a']!('PUT', 'Consent/consent-a', made('Consent', 'a', { status: 'inactive' }))).status, 403, 'a consent that others recorded');
    const consent = await as['a']!('POST', 'Consent', { ...made('Consent', 'a'), id: undefined, performer: [ref('Patient/ann')] });
    t.equal(consent.status, 201);
    t.equal((await as['a']!('PUT', `Consent/${consent.body.id}`, { ...consent.body, status: 'inactive' })).status, 200, 'withdraws the own');
    t.equal((await as['t1']!('PUT', 'Observation/observation-a', made('Observation', 'a', { status: 'amended' }))).status, 200, 'the therapist amends');
  });

  await t.test('care is given by who has it', async (t) => {
    const attempts: [who: string, what: string, status: number, request: [method: string, path: string, body: object]][] = [
      ['t1', 'a CareTeam of a foreign patient', 422, ['POST', 'CareTeam', { resourceType: 'CareTeam', status: 'active', subject: ref('Patient/ben'), participant: [{ member: ref('Practitioner/t1') }] }]],
      ['t1', 'a session with a foreign patient', 422, ['POST', 'Encounter', { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' }, subject: ref('Patient/ben'), participant: [{ individual: ref('Practitioner/t1') }] }]],
      ['t1', 'a Task of a foreign patient', 422, ['POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: ref('Patient/ben'), owner: ref('Practitioner/t1') }]],
      ['t1', 'an episode of a foreign patient', 422, ['POST', 'EpisodeOfCare', { resourceType: 'EpisodeOfCare', status: 'active', patient: ref('Patient/ben'), careManager: ref('Practitioner/t1') }]],
      ['t1', 'the foreign Patient', 404, ['PUT', 'Patient/ben', { resourceType: 'Patient', id: 'ben', generalPractitioner: [ref('Practitioner/t1')] }]],
      ['a', 'a therapist of the patient’s choice, by a Task', 403, ['POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: ref('Patient/ann'), owner: ref('Practitioner/t3') }]],
      ['a', 'by the Task that is there', 403, ['PUT', 'Task/task-a', made('Task', 'a', { owner: ref('Practitioner/t3') })]],
      ['a', 'by the own Patient', 403, ['PUT', 'Patient/ann', { resourceType: 'Patient', id: 'ann', generalPractitioner: [ref('Practitioner/t3')] }]],
      ['a', 'by a link', 403, ['PUT', 'Patient/ann', { resourceType: 'Patient', id: 'ann', link: [{ other: ref('Patient/ben'), type: 'seealso' }] }]],
    ];
    for (const [who, what, status, [method, path, body]] of attempts) {
      const reply = await as[who]!(method, path, body);
      t.equal(reply.status, status, `${who}: ${what}: ${reply.text}`);
    }
    t.same(idsIn(await as['t1']!('GET', 'Patient')), ['ann']);
    t.same(idsIn(await as['stranger']!('GET', 'Patient')), []);
    t.equal((await as['a']!('PUT', 'Patient/ann', { resourceType: 'Patient', id: 'ann', name: [{ family: 'Annwood' }], telecom: [{ system: 'phone', value: '1' }] })).status, 200, 'the own telephone number');
    t.equal((await as['t1']!('PUT', 'Task/task-a', made('Task', 'a', { owner: ref('Practitioner/t3') }))).status, 200, 'the therapist assigns');
    t.same(idsIn(await as['stranger']!('GET', 'Patient')), ['ann'], 'and from then on the other one cares for her');
    await as['system']!('PUT', 'Task/task-a', made('Task', 'a', { owner: ref('Practitioner/t3'), status: 'entered-in-error' }));
    t.same(idsIn(await as['stranger']!('GET', 'Patient')), [], 'until it is taken back');
  });

  await t.test('an alert is closed by a clinician, and is not forged', async (t) => {
    const posted = await as['a']!('POST', 'QuestionnaireResponse', phq9('ann', spread(12, 9, 2), '2026-02-05T10:00:00Z'));
    t.equal(posted.status, 201);
    const review = (await as['t1']!('GET', 'Task?code=safety-review&patient=ann')).body.entry[0].resource;
    const flag = (await as['t1']!('GET', `Flag/${review.reasonReference.reference.slice(5)}`)).body;
    const done = { ...review, status: 'completed', output: [{ type: { coding: [{ system: task.replace('task-type', 'task-input'), code: 'action-taken' }] }, valueCodeableConcept: { coding: [{ system: task.replace('task-type', 'review-action'), code: 'not-a-concern' }] } }, { type: { coding: [{ system: task.replace('task-type', 'task-input'), code: 'note' }] }, valueString: 'Talked' }, { type: { coding: [{ system: task.replace('task-type', 'task-input'), code: 'next-check' }] }, valueDate: '2026-02-12' }] };
    t.equal((await as['a']!('PUT', `Task/${review.id}`, done)).status, 403, 'the patient does not close the review');
    t.equal((await as['a']!('PATCH', `Task/${review.id}`, [{ op: 'replace', path: '/status', value: 'received' }], patchJson)).status, 403);
    t.equal((await as['a']!('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive' })).status, 403, 'nor the flag');
    t.equal((await as['a']!('POST', 'Task', { ...review, id: undefined })).status, 403, 'nor makes one up');
    t.equal((await as['t2']!('PUT', `Task/${review.id}`, done)).status, 404, 'nor does another therapist');
    for (const caller of ['t1', 'system']) {
      t.equal((await as[caller]!('DELETE', `Task/${review.id}`)).status, 422, `${caller}: it is closed, not deleted`);
      t.equal((await as[caller]!('DELETE', `Flag/${flag.id}`)).status, 422);
    }
    t.equal((await as['system']!('PUT', `Task/${review.id}`, done)).status, 403, 'nor does a system without a person');
    const reason = { url: `${task.replace('CodeSystem/task-type', 'StructureDefinition/status-reason')}`, valueString: 'We talked, and the plan holds' };
    t.equal((await as['t1']!('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive', extension: [...flag.extension, reason] })).status, 422, 'not before the review is completed');
    t.equal((await as['t1']!('PUT', `Task/${review.id}`, done)).status, 200, 'the therapist closes it');
    t.equal((await as['t1']!('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive' })).status, 422, 'not without a reason');
    t.equal((await as['t1']!('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive', extension: [...flag.extension, reason] })).status, 200);
    const author = flag.author;
    const score = (await as['t1']!('GET', `Observation?derived-from=QuestionnaireResponse/${posted.body.id}&code=${loinc}|44261-6`)).body.entry[0].resource;
    t.same(score.device, author);
    for (const caller of ['a', 't1', 'system']) {
      t.equal((await as[caller]!('PUT', `Observation/${score.id}`, { ...score, valueInteger: 0 })).status, 403, `${caller} does not change a score`);
      t.equal((await as[caller]!('POST', 'Observation', { ...score, id: undefined })).status, 403, `${caller} does not forge one`);
    }
    for (const caller of ['a', 't1']) {
      t.equal((await as[caller]!('POST', 'Observation', { ...made('Observation', 'a'), id: undefined, performer: undefined, device: author })).status, 403, `${caller}: in the name of the service`);
    }
    t.equal((await as['t1']!('POST', 'Provenance', { ...made('Provenance', 'a'), id: undefined, agent: [{ who: author }] })).status, 403);
    t.equal((await as['t1']!('POST', 'Provenance', { ...made('Provenance', 'a'), id: undefined })).status, 201, 'in the own name');
    t.equal((await as['t1']!('POST', 'Provenance', { ...made('Provenance', 'a'), id: undefined, target: [ref('Goal/goal-b')] })).status, 422, 'about a foreign resource');
  });

  await t.test('what is derived carries the label of what it is derived from', async (t) => {
    const note = await as['t1']!('POST', 'QuestionnaireResponse', phq9('ann', spread(20), '2026-03-05T10:00:00Z', { meta: { security: [labels['PSYTHPN']] } }));
    const query = `Observation?derived-from=QuestionnaireResponse/${note.body.id}`;
    t.ok(idsIn(await as['t1']!('GET', query)).length > 0);
    const seen = (await as['a']!('GET', query)).body.entry ?? [];
    t.notOk(seen.some(({ resource }: any) => resource.code.coding.some((coding: any) => coding.code === '44261-6')), 'no total');
    const progress = JSON.stringify((await as['a']!('GET', 'Patient/ann/$progress')).body);
    t.notMatch(progress, note.body.id);
    t.match(JSON.stringify((await as['t1']!('GET', 'Patient/ann/$progress')).body), note.body.id);
  });

  await t.test('who may write but not read is not shown what it changes', async (t) => {
    const writer = service.as({ scopes: 'system/Goal.cud' });
    const patched = await writer('PATCH', 'Goal/goal-a', [{ op: 'add', path: '/language', value: 'it' }], patchJson);
    t.same([patched.status, patched.text], [200, '']);
    t.equal((await as['system']!('GET', 'Goal/goal-a')).body.language, 'it', 'it is done');
    t.equal((await writer('GET', 'Goal/goal-a')).status, 403);
    const made1 = await as['system']!('POST', 'QuestionnaireResponse', phq9('ben', spread(9), '2026-04-01T10:00:00Z'));
    await service.as({ scopes: 'system/QuestionnaireResponse.d' })('DELETE', `QuestionnaireResponse/${made1.body.id}`);
    const left = (await as['system']!('GET', `Observation?derived-from=QuestionnaireResponse/${made1.body.id}`)).body.entry ?? [];
    t.ok(left.every(({ resource }: any) => resource.status === 'entered-in-error'), 'what was derived is withdrawn, whatever the scopes of who deletes');
    const made2 = await as['system']!('POST', 'QuestionnaireResponse', phq9('ben', spread(9), '2026-04-02T10:00:00Z'));
    const broken = await service.as({ scopes: 'system/QuestionnaireResponse.u' })('PATCH', `QuestionnaireResponse/${made2.body.id}`, [{ op: 'replace', path: '/item/0/answer/0/valueCoding/code', value: 'LA-none' }], patchJson);
    t.equal(broken.status, 422, 'the answers are checked against their form');
  });

  await t.test('a resource that is written anew without its label does not give away the versions before', async (t) => {
    await put(as['system']!, made('Goal', 'a', { id: 'again', description: { text: 'first' } }), made('Goal', 'a', { id: 'again', description: { text: 'secret' }, meta: { security: [labels['R']] } }));
    await as['system']!('DELETE', 'Goal/again');
    await put(as['system']!, made('Goal', 'a', { id: 'again', description: { text: 'open' } }));
    t.equal((await as['a']!('GET', 'Goal/again')).status, 200);
    for (const version of [1, 2, 3]) t.equal((await as['a']!('GET', `Goal/again/_history/${version}`)).status, 404, `version ${version}`);
    t.same((await as['a']!('GET', 'Goal/again/_history')).body.entry.map(({ resource }: any) => resource.description.text), ['open']);
    t.equal((await as['t1']!('GET', 'Goal/again/_history/2')).status, 200);
  });

  await t.test('the access log of a patient is the patient’s', async (t) => {
    await as['t1']!('GET', 'Observation/note-r-a');
    await as['system']!('GET', 'Patient?_id=ann,ben');
    await as['a']!('DELETE', 'Goal/goal-b');
    const events = async (caller: string, query: string): Promise<any[]> => (await as[caller]!('GET', `AuditEvent?_count=1000${query}`)).body.entry?.map(({ resource }: any) => resource) ?? [];
    const patients = (list: any[]): string[] => [...new Set(list.flatMap(({ entity }) => entity.map(({ what }: any) => what?.reference).filter((reference: any) => /^Patient\/[^/]+$/.test(reference ?? ''))) as string[])].toSorted();
    for (const [caller, of] of [['a', ['Patient/ann']], ['b', ['Patient/ben']], ['t1', ['Patient/ann']], ['t2', ['Patient/ben']], ['stranger', []]] as const) t.same(patients(await events(caller, '')), of, caller);
    t.ok(patients(await events('system', '')).length >= 2);
    t.same(await events('a', '&patient=ben'), []);
    t.same(await events('a', '&patient=Patient/ben&action=R'), []);
    t.equal((await as['a']!('GET', 'Patient/ben/AuditEvent')).body.entry, undefined);
    const [foreign] = await events('b', '');
    t.same(comparable(await as['a']!('GET', `AuditEvent/${foreign.id}`)), comparable(await as['a']!('GET', 'AuditEvent/00000000-0000-0000-0000-000000000000')));
    t.equal((await as['b']!('GET', `AuditEvent/${foreign.id}`)).status, 200);
    const own = JSON.stringify(await events('a', ''));
    t.notMatch(own, /note-r-a|late-a/, 'it does not say that there are notes');
    t.match(JSON.stringify(await events('t1', '')), /note-r-a/);
    t.notMatch(own, /"query"/, 'a query may name others');
    t.ok((await events('system', '&patient=ann')).some(({ entity }) => entity.some(({ query }: any) => query !== undefined && Buffer.from(query, 'base64').toString().includes('ann,ben'))));
    t.notOk((await events('b', '')).some(({ action, agent }) => action === 'D' && agent.some(({ who }: any) => who.reference === 'Patient/ann')), 'a deletion that did not happen is in nobody’s record');
    for (const path of ['AuditEvent?_has:Provenance:target:recorded=gt2000', 'AuditEvent?patient.family=benfield', 'Patient?_has:AuditEvent:patient:action=R', 'Patient?_revinclude=AuditEvent:patient']) {
      const { status, text } = await as['a']!('GET', path);
      t.ok(status === 400 || (status === 200 && !text.includes('AuditEvent/')), `${path}: ${status}`);
    }
  });
});
