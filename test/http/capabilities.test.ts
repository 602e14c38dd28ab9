import t from 'tap';
import { testService, type Client, type Reply } from '../kit/service.ts';

// The CapabilityStatement promises nothing that is not done: every line of it is called.

interface Param { readonly name: string; readonly type: string; readonly definition?: string }
interface Offered { readonly name: string; readonly definition: string; readonly documentation?: string }
interface Stated {
  readonly type: string; readonly interaction: readonly { readonly code: string }[]; readonly searchParam: readonly Param[];
  readonly supportedProfile?: readonly string[]; readonly searchInclude?: readonly string[]; readonly searchRevInclude?: readonly string[]; readonly operation?: readonly Offered[];
  readonly versioning: string; readonly readHistory: boolean; readonly updateCreate: boolean; readonly conditionalCreate: boolean; readonly conditionalUpdate: boolean; readonly conditionalDelete: string; readonly conditionalRead?: string;
}

const base = 'https://intersession.example/fhir/';
const values: Readonly<Record<string, string>> = { token: 'urn:x|y', string: 'x', reference: 'p', date: '2026-01-01', number: '1', quantity: '1', uri: 'urn:x' };
/** Telephone numbers and addresses have no system. */
const contacts: ReadonlySet<string> = new Set(['email', 'phone', 'telecom', 'contact']);

/** Answers of many requests, asked for in batches. */
async function all(fhir: Client, urls: readonly string[]): Promise<[string, { status: string; outcome?: unknown }][]> {
  const found: [string, { status: string; outcome?: unknown }][] = [];
  for (let from = 0; from < urls.length; from += 250) {
    const part = urls.slice(from, from + 250);
    const reply = await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: part.map((url) => ({ request: { method: 'GET', url } })) });
    found.push(...part.map((url, at): [string, { status: string; outcome?: unknown }] => [url, reply.body.entry[at].response]));
  }
  return found;
}

t.test('every statement of the CapabilityStatement holds', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const statement = (await fhir('GET', 'metadata')).body;
  const [rest] = statement.rest;
  const resources = rest.resource as readonly Stated[];
  t.ok(resources.length > 30);

  await t.test('every search parameter is searched by', async (t) => {
    const urls = resources.flatMap(({ type, searchParam }) => searchParam.map(({ name, type: kind }) => {
      if (name === '_filter') return `${type}?_filter=${encodeURIComponent('_id eq x')}`;
      return `${type}?${name}=${encodeURIComponent(kind === 'composite' ? compositeOf(name) : name === '_id' || contacts.has(name) ? 'x' : values[kind] ?? 'x')}&_count=1`;
    }));
    const composites = resources.flatMap(({ searchParam }) => searchParam.filter(({ type }) => type === 'composite'));
    t.ok(composites.length > 0);
    for (const [url, { status, outcome }] of await all(fhir, urls)) t.equal(status.slice(0, 3), '200', `${url} ${JSON.stringify(outcome ?? '')}`);
  });

  await t.test('what is stated of all types holds for each, and for several together', async (t) => {
    const names = rest.searchParam.map(({ name }: Param) => name) as string[];
    t.same(names.filter((name) => name !== '_type').toSorted(), ['_id', '_lastUpdated', '_profile', '_security', '_source', '_tag']);
    for (const name of names) t.equal((await fhir('GET', `${service.url}?${name === '_type' ? '' : '_type=Goal,Task&'}${name}=${name === '_type' ? 'Goal' : name === '_lastUpdated' ? '2026' : 'x'}&_count=1`)).status, 200, name);
    t.same(rest.compartment, ['http://hl7.org/fhir/CompartmentDefinition/patient']);
  });

  await t.test('every include and revinclude is followed', async (t) => {
    const urls = resources.flatMap(({ type, searchInclude = [], searchRevInclude = [] }) => [
      ...searchInclude.map((include) => `${type}?_include=${include}&_count=1`), ...searchRevInclude.map((include) => `${type}?_revinclude=${include}&_count=1`),
    ]);
    for (const [url, { status, outcome }] of await all(fhir, urls)) t.equal(status.slice(0, 3), '200', `${url} ${JSON.stringify(outcome ?? '')}`);
    for (const { type, searchRevInclude = [] } of resources) if (/^(Observation|Goal|CarePlan|CareTeam|Condition|Encounter|Patient|QuestionnaireResponse|RelatedPerson|ServiceRequest)$/.test(type)) t.ok(searchRevInclude.includes('Provenance:target'), `${type} with its Provenance`);
  });

  await t.test('every operation is reachable, and its definition is published', async (t) => {
    const reachable = (reply: Reply, what: string): void => {
      const text = String(reply.body?.issue?.[0]?.details?.text ?? '');
      t.notOk([405, 500, 501].includes(reply.status) || /no such operation|is called on/.test(text), `${what}: ${reply.status} ${text.slice(0, 120)}`);
    };
    const definitions = new Map<string, string>();
    const tried = new Set<string>();
    const instances: string[] = [];
    const known = new Map<string, any>();
    const levels = async (name: string, definition: string): Promise<any> => {
      t.ok(definition.startsWith(base), definition);
      definitions.set(name, definition);
      if (!known.has(definition)) known.set(definition, (await fhir('GET', definition.slice(base.length))).body);
      return known.get(definition);
    };
    for (const { type, operation = [] } of resources) {
      for (const { name, definition } of operation) {
        const described = await levels(name, definition);
        t.equal(described.code, name);
        t.ok(described.instance || described.type, `${name} is for a type or an instance`);
        // of what is offered everywhere the reading is tried everywhere, the rest once
        if (described.instance && described.affectsState !== true) instances.push(`${type}/none/$${name}`);
        if (tried.has(name)) continue;
        tried.add(name);
        if (described.instance && described.affectsState === true) reachable(await fhir('POST', `${type}/none/$${name}`, { resourceType: 'Parameters' }), `${type}/none/$${name}`);
        if (described.type) reachable(await fhir('POST', `${type}/$${name}`, { resourceType: 'Parameters' }), `${type}/$${name}`);
      }
    }
    for (const { name, definition } of (rest.operation ?? []) as readonly Offered[]) {
      const described = await levels(name, definition);
      t.ok(described.system, `${name} is for the service`);
      if (described.affectsState === true) reachable(await fhir('POST', `$${name}`, { resourceType: 'Parameters' }), `$${name}`);
      else reachable(await fhir('GET', `$${name}`), `$${name}`);
    }
    for (const [url, { outcome }] of await all(fhir, instances)) t.notMatch(JSON.stringify(outcome ?? ''), /no such operation|is called on/, url);
    const published = (await fhir('GET', 'OperationDefinition?_count=100&_elements=url')).body.entry.map(({ resource }: { resource: { url: string } }) => resource.url) as string[];
    t.same(published.filter((url) => ![...definitions.values()].includes(url)), [], 'and nothing is published that is not offered');
  });

  await t.test('an operation is refused without a scope that it names', async (t) => {
    const named = new Map(resources.flatMap(({ type, operation = [] }) => operation.filter(({ documentation }) => documentation !== undefined).map((each) => [each.name, { type, ...each }])));
    t.ok(named.size > 20);
    for (const { type, name, definition, documentation } of named.values()) {
      const scopes = documentation!.match(/[A-Z][A-Za-z]+\.[cruds]\b/g)!;
      const path = (await fhir('GET', definition.slice(base.length))).body.instance ? `${type}/none/$${name}` : `${type}/$${name}`;
      for (const lacking of scopes) {
        const others = service.as({ scopes: ['List.s', ...scopes.filter((each) => each !== lacking)].map((scope) => `system/${scope}`).join(' ') });
        t.equal((await others('POST', path, { resourceType: 'Parameters' })).status, 403, `${name} without ${lacking}`);
      }
    }
  });

  await t.test('an operation takes the parameters of its definition and no other', async (t) => {
    const clinician = service.as({ user: 'Practitioner/x' });
    const definitions = (await fhir('GET', 'OperationDefinition?_count=100')).body.entry.map(({ resource }: { resource: object }) => resource) as { code: string; system: boolean; type: boolean; instance: boolean; resource: string[]; parameter: { name: string; use: string }[] }[];
    t.ok(definitions.length > 25);
    const logged = (await fhir('GET', 'CodeSystem/interaction')).body.concept.map(({ code }: { code: string }) => code) as string[];
    t.same(logged.filter((code) => code.startsWith('$')).toSorted(), definitions.map(({ code }) => `$${code}`).toSorted(), 'each is a code of the access log');
    for (const { code, type: onType, instance, resource, parameter } of definitions.filter(({ code: name }) => name !== 'lastn')) { // it takes search parameters
      const taken = new Set<string>();
      for (const type of resource.map((each) => (each === 'Resource' ? 'Goal' : each))) {
        const path = instance ? `${type}/none/$${code}` : onType ? `${type}/$${code}` : `$${code}`;
        const { status, body } = await (code === 'break-glass' ? clinician : fhir)('POST', path, { resourceType: 'Parameters', parameter: [{ name: 'neverHeardOf', valueString: 'x' }] });
        const told = String(body.issue?.[0]?.details?.text);
        t.match([status, told], [400, new RegExp(`^\\$${code} takes `)], path);
        for (const name of told.replace(/^.* takes (?:no parameters)?|\.$/g, '').split(', ')) if (name !== '') taken.add(name);
      }
      t.same([...taken].toSorted(), parameter.filter(({ use }) => use === 'in').map(({ name }) => name).toSorted(), code);
    }
  });

  await t.test('every profile is known, every parameter of this service is published', async (t) => {
    for (const { type, supportedProfile = [] } of resources) {
      for (const profile of supportedProfile) {
        const reply = await fhir('POST', `${type}/$validate?profile=${encodeURIComponent(profile)}`, { resourceType: type });
        t.equal(reply.status, 200);
        t.notMatch(JSON.stringify(reply.body), /not known here|of another type/, profile);
      }
    }
    const own = new Set(resources.flatMap(({ searchParam }) => searchParam.flatMap(({ definition }) => (definition?.startsWith(base) === true ? [definition] : []))));
    for (const definition of own) t.equal((await fhir('GET', `SearchParameter?url=${definition}`)).body.entry?.length, 1, definition);
    t.ok(statement.implementationGuide.some((guide: string) => guide.includes('us.core')));
  });

  await t.test('versions, conditions and creation by update are as stated', async (t) => {
    const expected = new Map<string, string>();
    for (const each of resources) {
      const writable = each.interaction.some(({ code }) => code === 'create');
      if (!writable) {
        t.match(each, { versioning: 'no-version', readHistory: false, updateCreate: false, conditionalCreate: false, conditionalUpdate: false, conditionalDelete: 'not-supported' });
        for (const [method, path] of [['POST', each.type], ['PUT', `${each.type}/x`], ['DELETE', `${each.type}/x`]] as const) t.equal((await fhir(method, path, method === 'DELETE' ? undefined : { resourceType: each.type, id: 'x' })).status, 405, `${method} ${path}`);
        continue;
      }
      t.match(each, { versioning: 'versioned-update', readHistory: true, updateCreate: true, conditionalCreate: true, conditionalUpdate: true, conditionalDelete: 'multiple', conditionalRead: 'full-support' });
      for (const [url, status] of [[`${each.type}/_history?_count=1`, '200'], [`${each.type}/none`, '404'], [`${each.type}/none/_history/1`, '404']] as const) expected.set(url, status);
    }
    for (const [url, { status }] of await all(fhir, [...expected.keys()])) t.equal(status.slice(0, 3), expected.get(url), url);
    const deletions = resources.filter(({ conditionalDelete }) => conditionalDelete === 'multiple').map(({ type }) => ({ request: { method: 'DELETE', url: `${type}?_id=none` } }));
    for (const { response } of (await fhir('POST', '', { resourceType: 'Bundle', type: 'batch', entry: deletions })).body.entry) t.equal(response.status.slice(0, 3), '204');
    for (const code of rest.interaction.map((each: { code: string }) => each.code) as string[]) t.ok(['transaction', 'batch', 'search-system', 'history-system'].includes(code));
    t.equal((await fhir('GET', '_history?_count=1')).status, 200);
    t.equal((await fhir('GET', '?_type=Patient,Task&_count=1')).status, 200);
    t.same((await fhir('GET', '$versions')).body.parameter.map(({ valueCode, valueString }: { valueCode?: string; valueString?: string }) => valueCode ?? valueString).slice(0, 1), ['4.0']);
  });
});

/** A value of a composite: as many parts as its name says. */
function compositeOf(name: string): string {
  if (/date/.test(name)) return 'urn:x|y$2026-01-01';
  if (/quantity/.test(name)) return 'urn:x|y$1';
  if (/string/.test(name)) return 'urn:x|y$x';
  return /relatesto/.test(name) ? 'DocumentReference/x$replaces' : 'urn:x|y$urn:x|y';
}

t.test('the searches of US Core for the types that are served', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  const combinations: Readonly<Record<string, readonly string[]>> = {
    Patient: ['_id', 'identifier', 'name', 'birthdate name', 'gender name', 'birthdate family', 'family gender', 'death-date family'],
    Observation: ['patient category', 'patient code', 'patient category date', 'patient code date', 'patient category status', 'patient _lastUpdated'],
    Goal: ['patient', 'patient lifecycle-status', 'patient target-date', 'patient description'],
    CarePlan: ['patient category', 'patient category status', 'patient category date', 'patient category status date'],
    CareTeam: ['patient status'],
    Condition: ['patient', 'patient category', 'patient clinical-status', 'patient onset-date', 'patient recorded-date', 'patient abatement-date', 'patient code', 'patient category clinical-status', 'patient category encounter'],
    Encounter: ['_id', 'patient', 'identifier', 'date patient', 'class patient', 'patient status', 'patient type', 'patient location'],
    QuestionnaireResponse: ['_id', 'patient', 'patient questionnaire', 'patient authored', 'patient status'],
    ServiceRequest: ['_id', 'patient', 'patient category', 'patient code', 'patient category authored', 'patient code authored', 'patient status'],
    RelatedPerson: ['_id', 'patient', 'patient name'], Practitioner: ['_id', 'name', 'identifier'], PractitionerRole: ['specialty', 'practitioner'],
  };
  const given = (name: string): string => {
    if (/date|authored/i.test(name)) return `${name}=ge2026-01-01&${name}=le2026-12-31`;
    return `${name}=${/patient|practitioner|encounter|location/.test(name) ? 'x' : name === 'gender' ? 'female' : name === 'questionnaire' ? 'urn:x' : 'y'}`;
  };
  const served = new Set((await fhir('GET', 'metadata')).body.rest[0].resource.map(({ type }: { type: string }) => type));
  for (const [type, list] of Object.entries(combinations)) {
    if (!served.has(type)) continue;
    for (const names of list) {
      const reply = await fhir('GET', `${type}?${names.split(' ').map(given).join('&')}&_revinclude=Provenance:target`);
      t.equal(reply.status, 200, `${type}: ${names} ${reply.status === 200 ? '' : reply.text}`);
    }
  }
  for (const [type, names] of [['Questionnaire', 'code context date identifier publisher status title version definition'], ['CodeSystem', 'code date description name status system url'], ['ValueSet', 'date description name reference status']] as const) {
    const { searchParam } = (await fhir('GET', 'metadata')).body.rest[0].resource.find((each: Stated) => each.type === type) as Stated;
    t.same(names.split(' ').filter((name) => !searchParam.some((each) => each.name === name)), [], `${type}: what the form manager of SDC searches by`);
  }
});
