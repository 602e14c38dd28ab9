import fc from 'fast-check';

/** A request as a client sends it. */
export interface Asked { readonly method: string; readonly path: string; readonly body?: object; readonly headers?: Record<string, string> }

const types = ['Observation', 'Goal', 'Condition', 'QuestionnaireResponse', 'Task', 'Patient', 'Provenance', 'Consent', 'Encounter'] as const;
/** What is there for the caller, what is there in one of the worlds only, and what is nowhere. */
const names = ['seen', 'seen-2', 'hidden', 'hidden-2', 'note', 'kept', 'foreign', 'none'];
const people = ['ann', 'ben', 'none'];
const type = fc.constantFrom(...types);
const idOf = (of: string): fc.Arbitrary<string> => (of === 'Patient' ? fc.constantFrom(...people) : fc.constantFrom(...names).map((name) => `${of.toLowerCase()}-${name}`));

/** Values that the hidden resources have and the seen ones have not among them. */
const parameters: Readonly<Record<string, readonly string[]>> = {
  Observation: ['code=mood', 'code=secret', 'value-quantity=gt900', 'value-quantity=7', 'patient=ann', 'patient=ben', 'subject=Patient/ben', 'performer=Patient/ann', 'status=final', 'date=gt2026-01-01', 'category=survey', 'category:not=survey', '_security=R',
    'code:missing=true', 'patient.name=benfield', 'subject:Patient.family=annwood', 'performer:Patient.name:contains=field', 'derived-from.value-quantity=gt900', '_has:Provenance:target:agent=Practitioner/tom', '_has:Observation:derived-from:value-quantity=gt900',
    'has-member:missing=false', 'code:text=secret', '_filter=value-quantity gt 900', '_filter=code eq secret or code eq mood'],
  Goal: ['patient=ann', 'lifecycle-status=active', 'subject.name=annwood', '_has:Provenance:target:recorded=gt2020', 'description=secret', 'start-date=gt2020', '_tag=secret', '_filter=lifecycle-status eq active and _tag eq secret'],
  Condition: ['patient=ann', 'code=secret', 'code:text=secret', 'code:missing=false', 'encounter.status=planned'],
  QuestionnaireResponse: ['patient=ann', 'status=completed', 'author=Patient/ben', 'author.name=benfield', 'questionnaire=urn:test:form', 'identifier=urn:test|secret', 'identifier=urn:test|known'],
  Task: ['patient=ann', 'status=requested', 'owner=Practitioner/tom', 'focus=Goal/goal-hidden', 'focus:Goal.lifecycle-status=active', 'code=secret'],
  Patient: ['family=annwood', 'name=benfield', 'birthdate=gt1900', '_has:Observation:patient:value-quantity=gt900', '_has:Observation:subject:code=mood', '_has:Goal:patient:_tag=secret', '_has:Condition:patient:code=secret', '_has:Task:patient:focus=Goal/goal-hidden',
    'general-practitioner=Practitioner/tom', '_has:Provenance:patient:_has:Provenance:target:recorded=gt2020', '_filter=name co "field"'],
  Provenance: ['target=Goal/goal-hidden', 'target=Goal/goal-seen', 'target:Goal.lifecycle-status=active', 'target:Observation.value-quantity=gt900', 'agent=Practitioner/tom'],
  Consent: ['patient=ann', 'status=active', 'actor=Practitioner/tom', 'data=Goal/goal-hidden', 'data:Goal._tag=secret'],
  Encounter: ['patient=ann', 'participant=Practitioner/tom', 'status=planned', 'subject:Patient.name=benfield'],
};
const controls = ['_sort=-date', '_sort=_id', '_sort=-_lastUpdated', '_sort=status', '_sort=value-quantity', '_count=1', '_count=0', '_count=3', '_total=accurate', '_total=estimate', '_summary=count', '_summary=true', '_elements=status', '_include=*',
  '_include=Observation:derived-from', '_include:iterate=Provenance:target', '_revinclude=Observation:subject', '_revinclude=Provenance:target', '_revinclude=Task:focus', '_revinclude=Goal:patient', '_include=QuestionnaireResponse:author', '_list=seen', '_list=hidden', '_lastUpdated=gt2020-01-01'];
const query = (of: string, extra = true): fc.Arbitrary<string> => fc.tuple(
  fc.subarray([...(parameters[of] ?? [])], { maxLength: 3 }), fc.oneof(fc.constant(''), idOf(of).map((id) => `_id=${id}`)), extra ? fc.subarray(controls, { maxLength: 3 }) : fc.constant([]),
).map(([own, id, more]) => [...own, ...(id === '' ? [] : [id]), ...more].join('&'));

const reference = (text: string): object => ({ reference: text });
const person = fc.constantFrom(...people).map((id) => `Patient/${id}`);
const value = fc.constantFrom(7, 8, 999);

/** Content of a type about somebody; invalid for none. */
const content: Readonly<Record<string, (id: string | undefined) => fc.Arbitrary<any>>> = {
  Observation: (id) => fc.tuple(person, value, fc.constantFrom('mood', 'secret'), fc.constantFrom('survey', 'vital-signs')).map(([subject, quantity, code, category]) => ({
    resourceType: 'Observation', id, status: 'final', category: [{ coding: [{ code: category }] }], code: { coding: [{ system: 'urn:test', code }] }, subject: reference(subject), performer: [reference('Patient/ann')], valueQuantity: { value: quantity }, derivedFrom: [reference('Observation/observation-hidden')],
  })),
  Goal: (id) => fc.tuple(person, fc.constantFrom('active', 'completed')).map(([subject, lifecycleStatus]) => ({ resourceType: 'Goal', id, lifecycleStatus, description: { text: 'x' }, subject: reference(subject) })),
  Condition: (id) => person.map((subject) => ({ resourceType: 'Condition', id, subject: reference(subject), code: { text: 'x' } })),
  QuestionnaireResponse: (id) => fc.tuple(person, fc.constantFrom('secret', 'known', 'new')).map(([subject, name]) => ({ resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: 'urn:test:form', identifier: { system: 'urn:test', value: name }, subject: reference(subject), author: reference('Patient/ann'), authored: '2026-02-01' })),
  Task: (id) => fc.tuple(person, fc.constantFrom('hidden', 'seen', 'none')).map(([who, focus]) => ({ resourceType: 'Task', id, status: 'requested', intent: 'order', for: reference(who), focus: reference(`Goal/goal-${focus}`) })),
  Patient: (id) => fc.constant({ resourceType: 'Patient', id, name: [{ family: 'Annwood' }], birthDate: '1980-01-01' }),
  Provenance: (id) => fc.subarray(['Goal/goal-seen', 'Goal/goal-hidden', 'Goal/goal-foreign', 'Goal/goal-none', 'Patient/ann', 'Patient/ben'], { minLength: 1, maxLength: 2 }).map((targets) => ({ resourceType: 'Provenance', id, target: targets.map(reference), recorded: '2026-01-05T10:00:00Z', agent: [{ who: reference('Practitioner/tom') }] })),
  Consent: (id) => person.map((patient) => ({ resourceType: 'Consent', id, status: 'draft', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: reference(patient), performer: [reference('Patient/ann')] })),
  Encounter: (id) => person.map((subject) => ({ resourceType: 'Encounter', id, status: 'planned', class: { code: 'AMB' }, subject: reference(subject), participant: [{ individual: reference('Practitioner/tom') }] })),
};
const versions = fc.constantFrom(undefined, 'W/"1"', 'W/"2"', 'W/"9"').map((tag): Record<string, string> => (tag === undefined ? {} : { 'if-match': tag }));

const reading: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 6, arbitrary: type.chain((of) => query(of).map((text) => ({ method: 'GET', path: `${of}?${encodeURI(text)}` }))) },
  { weight: 2, arbitrary: type.chain((of) => idOf(of).map((id) => ({ method: 'GET', path: `${of}/${id}` }))) },
  { weight: 2, arbitrary: type.chain((of) => fc.tuple(idOf(of), fc.constantFrom('_history', '_history/1', '_history/2', '_history?_count=1')).map(([id, more]) => ({ method: 'GET', path: `${of}/${id}/${more}` }))) },
  fc.tuple(type, fc.constantFrom('_history', '_history?_count=2', '_history?_sort=_lastUpdated', '_history?_at=2026-01-01')).map(([of, more]) => ({ method: 'GET', path: `${of}/${more}` })),
  fc.constantFrom('_history', '_history?_count=3', '?_type=Goal,Observation,Patient', '?_type=Goal,Task&_total=accurate&_lastUpdated=gt2020', '$meta', 'AuditEvent?_count=1000&_total=none', 'AuditEvent?patient=ben', 'AuditEvent?entity=Goal/goal-hidden').map((path) => ({ method: 'GET', path })),
  fc.tuple(fc.constantFrom(...people), type).map(([who, of]) => ({ method: 'GET', path: `Patient/${who}/${of}` })),
  fc.tuple(fc.constantFrom(...people), fc.constantFrom('$everything', '$everything?_type=Goal,Observation', '$everything?_count=2', '$progress')).map(([who, name]) => ({ method: 'GET', path: `Patient/${who}/${name}` })),
  fc.constantFrom('Observation/observation-seen/$explain', 'Observation/observation-hidden/$explain', 'Observation/observation-none/$explain', 'Observation/$stats?subject=Patient/ann&code=mood&system=urn:test&statistic=count,average', 'Observation/$stats?subject=Patient/ann&code=secret&system=urn:test&statistic=count&include=true',
    'Observation/$stats?subject=Patient/ben&code=mood&system=urn:test&statistic=count', 'Patient/ann/$export-record', 'Patient/ben/$export-record', 'Task/$time-to-acknowledge?periodStart=2026-01-01&periodEnd=2026-12-31', 'Practitioner/tom/$outcomes?periodStart=2026-01-01&periodEnd=2026-12-31', 'Practitioner/eve/$outcomes?periodStart=2026-01-01&periodEnd=2026-12-31',
    'Measure/$evaluate-measure?measure=Measure/homework-completion&periodStart=2026-01-01&periodEnd=2026-12-31', 'Measure/$evaluate-measure?measure=Measure/homework-completion&periodStart=2026-01-01&periodEnd=2026-12-31&subject=Patient/ben', 'Goal/goal-hidden/$versions', 'Goal/$versions').map((path) => ({ method: 'GET', path })),
  fc.tuple(idOf('Goal'), fc.constantFrom<Record<string, string>>({ 'if-none-match': 'W/"1"' }, { 'if-none-match': '*' }, { 'if-modified-since': 'Wed, 21 Oct 2099 07:28:00 GMT' }, { prefer: 'handling=lenient' })).map(([id, headers]): Asked => ({ method: 'GET', path: `Goal/${id}`, headers })),
  fc.constantFrom('Observation/$lastn?patient=ann&code=mood', 'Observation/$lastn?patient=ben&code=mood,secret&max=3', 'Goal/$meta', 'Goal/goal-hidden/$meta', 'Goal/goal-seen/$meta').map((path) => ({ method: 'GET', path })),
);

const writing: fc.Arbitrary<Asked> = type.chain((of) => fc.oneof(
  fc.tuple(idOf(of), versions).chain(([id, headers]) => content[of]!(id).map((body) => ({ method: 'PUT', path: `${of}/${id}`, body, headers }))),
  fc.tuple(query(of, false), content[of]!(undefined)).map(([text, body]): Asked => ({ method: 'POST', path: of, body, headers: text === '' ? {} : { 'if-none-exist': encodeURI(text) } })),
  fc.tuple(query(of, false), fc.oneof(fc.constant(undefined), idOf(of))).chain(([text, id]) => content[of]!(id).map((body) => ({ method: 'PUT', path: `${of}?${encodeURI(text)}`, body }))),
  fc.tuple(idOf(of), versions).map(([id, headers]) => ({ method: 'PATCH', path: `${of}/${id}`, body: [{ op: 'add', path: '/language', value: 'en' }], headers: { ...headers, 'content-type': 'application/json-patch+json' } })),
  query(of, false).map((text) => ({ method: 'PATCH', path: `${of}?${encodeURI(text)}`, body: [{ op: 'add', path: '/language', value: 'de' }], headers: { 'content-type': 'application/json-patch+json' } })),
  fc.tuple(idOf(of), versions).map(([id, headers]) => ({ method: 'DELETE', path: `${of}/${id}`, headers })),
  fc.tuple(query(of, false), fc.constantFrom('', '&_multiple=true')).map(([text, more]) => ({ method: 'DELETE', path: `${of}?${encodeURI(text)}${more}` })),
  idOf(of).map((id) => ({ method: 'POST', path: `${of}/${id}/$meta-add`, body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ system: 'urn:test', code: 'added' }] } }] } })),
  fc.tuple(fc.constantFrom('', '/goal-hidden', '/goal-seen', '/goal-none'), content['Goal']!(undefined)).map(([at, resource]) => ({ method: 'POST', path: `Goal${at}/$validate`, body: { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: at === '' ? resource : { ...resource, id: at.slice(1) } }, { name: 'mode', valueCode: at === '' ? 'create' : 'update' }] } })),
));

const entry = ({ method, path, body, headers }: Asked): object => ({
  ...(body === undefined || Array.isArray(body) ? {} : { resource: body }),
  request: { method, url: path, ...(headers?.['if-match'] === undefined ? {} : { ifMatch: headers['if-match'] }), ...(headers?.['if-none-exist'] === undefined ? {} : { ifNoneExist: headers['if-none-exist'] }) },
});

const bundle: fc.Arbitrary<Asked> = fc.tuple(fc.constantFrom('batch', 'transaction'), fc.array(fc.oneof(reading.filter(({ path }) => !path.startsWith('AuditEvent')), writing.filter(({ method }) => method !== 'PATCH')), { minLength: 1, maxLength: 4 }), fc.constantFrom('', '_tag=secret', 'description=x', '_id=goal-hidden'))
  .map(([kind, requests, condition]) => ({ method: 'POST', path: '', body: { resourceType: 'Bundle', type: kind, entry: [
    ...requests.filter(({ path }) => path !== '' && !path.startsWith('?')).map(entry),
    // a reference by a condition finds what is seen
    ...(condition === '' ? [] : [{ resource: { resourceType: 'Task', status: 'requested', intent: 'order', for: reference('Patient/ann'), focus: reference(`Goal?${condition}`) }, request: { method: 'POST', url: 'Task' } }]),
  ] } }));

/** Requests of every kind, about what the caller sees and what it does not. */
export const requests: fc.Arbitrary<Asked> = fc.oneof({ weight: 6, arbitrary: reading }, { weight: 3, arbitrary: writing }, { weight: 1, arbitrary: bundle });
