import t from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type Who } from '../kit/service.ts';

// Questions about a record that is not the caller's, in every form in which one could be asked. What is there and hidden must be
// answered like what never was, to the byte; who may see it is answered differently, or the question would prove nothing.

t.setTimeout(240_000);

const reference = (text: string): object => ({ reference: text });
const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter });
const tag = { system: 'urn:test', code: 'kept-secret' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const patch = { 'content-type': 'application/json-patch+json' };
const loinc = 'http://loinc.org';

const service = await testService(t, { env: { ADMIN_CLIENTS: 'development' } });
const system = service.as();

/** The record of `x`, whom no attacker reaches. */
async function record(x: string): Promise<void> {
  const subject = reference(`Patient/${x}`);
  const resources: any[] = [
    { resourceType: 'Patient', id: x, name: [{ family: 'Zebrowska' }], birthDate: '1999-12-24', identifier: [{ system: 'urn:mrn', value: `mrn-${x}` }] },
    { resourceType: 'Practitioner', id: `t-${x}`, name: [{ family: 'Carer' }] },
    { resourceType: 'CareTeam', id: `ct-${x}`, status: 'active', subject, participant: [{ member: reference(`Practitioner/t-${x}`) }] },
    { resourceType: 'EpisodeOfCare', id: `e-${x}`, status: 'active', patient: subject, period: { start: '2026-01-01' } },
    { resourceType: 'Encounter', id: `s-${x}`, status: 'finished', class: { code: 'AMB' }, subject, episodeOfCare: [reference(`EpisodeOfCare/e-${x}`)], period: { start: '2026-01-05T10:00:00Z', end: '2026-01-05T11:00:00Z' } },
    { resourceType: 'Goal', id: `g-${x}`, meta: { tag: [tag] }, lifecycleStatus: 'active', description: { text: 'kept-secret-goal' }, subject, identifier: [{ system: 'urn:goal', value: `goal-${x}` }] },
    { resourceType: 'Task', id: `k-${x}`, status: 'requested', intent: 'order', for: subject, focus: reference(`Goal/g-${x}`), code: { text: 'kept-secret-task' } },
    { resourceType: 'Observation', id: `o-${x}`, status: 'final', subject, code: { coding: [{ system: loinc, code: '44261-6' }], text: 'kept-secret-score' }, valueQuantity: { value: 26 }, effectiveDateTime: '2026-01-06' },
    { resourceType: 'Condition', id: `c-${x}`, subject, code: { text: 'kept-secret-illness' } },
    { resourceType: 'Consent', id: `n-${x}`, status: 'active', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: subject },
    { resourceType: 'Communication', id: `m-${x}`, status: 'completed', subject, payload: [{ contentString: 'kept-secret-message' }] },
    { resourceType: 'Binary', id: `b-${x}`, contentType: 'text/plain', securityContext: subject, data: 'a2VwdC1zZWNyZXQ=' },
    { resourceType: 'DocumentReference', id: `d-${x}`, status: 'current', subject, content: [{ attachment: { contentType: 'text/plain', url: `Binary/b-${x}` } }] },
    { resourceType: 'List', id: `l-${x}`, status: 'current', mode: 'working', subject, entry: [{ item: reference(`Goal/g-${x}`) }] },
    { resourceType: 'MeasureReport', id: `r-${x}`, status: 'complete', type: 'individual', measure: 'urn:test:m', subject, period: { start: '2026-01-01' } },
    { resourceType: 'RelatedPerson', id: `p-${x}`, patient: subject, name: [{ family: 'Zebrowska' }] },
    { resourceType: 'Provenance', id: `v-${x}`, target: [reference(`Goal/g-${x}`)], recorded: '2026-01-05T10:00:00Z', agent: [{ who: reference(`Practitioner/t-${x}`) }] },
    { resourceType: 'Group', id: `gr-${x}`, type: 'person', actual: true, member: [{ entity: subject }] },
    { ...phq9(x, spread(20), '2026-01-06T08:00:00Z'), id: `q-${x}` },
  ];
  for (const resource of resources) {
    const { status, text } = await system('PUT', `${resource.resourceType}/${resource.id}`, resource);
    if (status !== 201) throw new Error(`${resource.resourceType}/${resource.id}: ${status} ${text}`);
  }
}

await record('hidden');
await record('myself');
for (const id of ['tom', 'relief']) await system('PUT', `Practitioner/${id}`, { resourceType: 'Practitioner', id });
await system('PUT', 'CareTeam/ct-myself', { resourceType: 'CareTeam', id: 'ct-myself', status: 'active', subject: reference('Patient/myself'), participant: [{ member: reference('Practitioner/tom') }] });
await system('PUT', 'PlanDefinition/walks', { resourceType: 'PlanDefinition', id: 'walks', status: 'active', action: [{ title: 'walk' }] });
await system('PUT', 'RelatedPerson/kin', { resourceType: 'RelatedPerson', id: 'kin', patient: reference('Patient/myself') });

const attackers: Readonly<Record<string, Who>> = {
  'a patient’s app': { patient: 'myself' },
  'a therapist of somebody else': { user: 'Practitioner/tom' },
  'a therapist of nobody': { user: 'Practitioner/relief' },
  'a relative': { user: 'RelatedPerson/kin' },
  'an auditor': { scopes: 'system/AuditEvent.rs system/MeasureReport.rs' },
  'a system without the types': { scopes: 'system/Questionnaire.rs system/Organization.cruds' },
};
/** An auditor sees in the log that there is somebody, and counts in groups: that is what it is for. */
const forAuditors = new Set(['the log', 'the log of one thing', 'outcomes of a group']);

interface Question { readonly what: string; readonly method: string; readonly path: string; readonly body?: unknown; readonly headers?: Record<string, string> }
const ask = (what: string, method: string, path: string, body?: unknown, headers?: Record<string, string>): Question => ({ what, method, path, ...(body === undefined ? {} : { body }), ...(headers === undefined ? {} : { headers }) });
const get = (what: string, path: string, headers?: Record<string, string>): Question => ask(what, 'GET', path, undefined, headers);

const mine = reference('Patient/myself');
const task = (more: object): object => ({ resourceType: 'Task', status: 'requested', intent: 'order', for: mine, ...more });
const batch = (...entry: object[]): object => ({ resourceType: 'Bundle', type: 'batch', entry });
const transaction = (...entry: object[]): object => ({ resourceType: 'Bundle', type: 'transaction', entry });
const entry = (method: string, url: string, resource?: object, more: object = {}): object => ({ ...(resource === undefined ? {} : { resource }), request: { method, url, ...more } });

/** `{x}` is somebody hidden, or nobody. */
const reads: Question[] = [
  ...[['Patient', ''], ['EpisodeOfCare', 'e-'], ['Encounter', 's-'], ['Goal', 'g-'], ['Task', 'k-'], ['Observation', 'o-'], ['Condition', 'c-'], ['Consent', 'n-'], ['Communication', 'm-'], ['Binary', 'b-'], ['DocumentReference', 'd-'], ['List', 'l-'], ['MeasureReport', 'r-'], ['RelatedPerson', 'p-'], ['Provenance', 'v-'], ['Group', 'gr-'], ['CareTeam', 'ct-'], ['QuestionnaireResponse', 'q-']]
    .flatMap(([type, prefix]) => [
      get(`read ${type}`, `${type}/${prefix}{x}`), get(`search ${type} by id`, `${type}?_id=${prefix}{x}`), get(`version of ${type}`, `${type}/${prefix}{x}/_history/1`), get(`history of ${type}`, `${type}/${prefix}{x}/_history`), ask(`HEAD ${type}`, 'HEAD', `${type}/${prefix}{x}`), get(`labels of ${type}`, `${type}/${prefix}{x}/$meta`),
    ]),
  get('whether it changed', 'Goal/g-{x}', { 'if-none-match': 'W/"1"' }), get('whether it changed since', 'Goal/g-{x}', { 'if-modified-since': 'Wed, 21 Oct 2099 07:28:00 GMT' }), get('a page of its history', 'Goal/g-{x}/_history?_count=1'),
  get('only counting', 'Goal?_id=g-{x}&_summary=count'), get('counting none', 'Goal?_id=g-{x}&_count=0'), get('an accurate total', 'Goal?_id=g-{x}&_total=accurate'), get('a total of an estimate', 'Goal?subject=Patient/{x}&_total=estimate'),
  get('the order', 'Goal?_sort=-_lastUpdated&_id=g-{x},g-myself'), get('one element', 'Goal?_id=g-{x}&_elements=id'), get('text alone', 'Goal?_id=g-{x}&_summary=text'), get('a filter', 'Goal?_filter=_id eq g-{x}'), get('a list', 'Goal?_list=l-{x}'), get('an identifier', 'Patient?identifier=urn:mrn|mrn-{x}'),
  get('a chain', 'Goal?patient.identifier=urn:mrn|mrn-{x}'), get('a chain by type', 'Goal?subject:Patient.identifier=mrn-{x}'), get('a reverse chain', 'Patient?_has:Goal:subject:identifier=urn:goal|goal-{x}'), get('a reverse chain in one', 'Patient?_has:Goal:subject:_has:Provenance:target:_id=v-{x}'),
  get('a chain through the focus', 'Task?focus:Goal.identifier=goal-{x}'), get('not', 'Goal?identifier:not=urn:goal|goal-{x}&_summary=count'), get('missing', 'Goal?_id=g-{x}&start-date:missing=true'), get('a target', 'Provenance?target=Goal/g-{x}'), get('an item', 'List?item=Goal/g-{x}'), get('a member', 'Group?member=Patient/{x}'),
  get('the agent', 'Provenance?agent=Practitioner/t-{x}'), get('a care team', 'CareTeam?participant=Practitioner/t-{x}'), get('whom a therapist sees', 'Patient?_has:CareTeam:patient:participant=Practitioner/t-{x}'), get('whom a therapist sees, backwards', 'Practitioner?_has:CareTeam:participant:subject=Patient/{x}'),
  get('from the directory', 'Practitioner?_has:CareTeam:participant:subject:Patient.identifier=mrn-{x}'),
  get('the whole record', 'Patient/{x}/$everything'), get('the whole record by type', 'Patient/{x}/$everything?_type=Goal&_count=1'), get('the record to take away', 'Patient/{x}/$export-record'), get('as a page', 'Patient/{x}/$export-record?_format=html'), get('an overview', 'Patient/{x}/$progress'),
  get('the last ones', `Observation/$lastn?patient=Patient/{x}&code=${loinc}|44261-6`), get('statistics', `Observation/$stats?subject=Patient/{x}&code=44261-6&system=${loinc}&statistic=count`), get('the course', 'EpisodeOfCare/e-{x}/$trajectory'), get('an interval', 'EpisodeOfCare/e-{x}/$interval'), get('what is open at the end', 'EpisodeOfCare/e-{x}/$end'), get('what goes with the scores', 'EpisodeOfCare/e-{x}/$drivers'), get('how a number came about', 'Observation/o-{x}/$explain'),
  get('a rate of one', 'Measure/$evaluate-measure?measure=https://intersession.example/fhir/Measure/homework-completion&periodStart=2026-01-01&periodEnd=2026-12-31&subject=Patient/{x}'),
  get('outcomes of a group', 'Group/gr-{x}/$outcomes?periodStart=2025-01-01&periodEnd=2025-12-31'), get('the compartment', 'Patient/{x}/Goal'), get('the compartment, all of it', 'Patient/{x}/*'), get('the log', 'AuditEvent?patient={x}&_summary=count'), get('the log of one thing', 'AuditEvent?entity=Goal/g-{x}'),
  ask('a form', 'POST', 'Goal/_search', '_id=g-{x}', form), ask('a batch', 'POST', '', batch(entry('GET', 'Goal/g-{x}'), entry('GET', 'Goal?_id=g-{x}'), entry('GET', 'Patient/{x}/$everything'))), ask('a batch of HEAD', 'POST', '', batch(entry('HEAD', 'Goal/g-{x}'))), ask('reading in a transaction', 'POST', '', transaction(entry('GET', 'Goal/g-{x}'))),
  ask('prepared answers', 'POST', 'Questionnaire/phq-9/$populate', parameters({ name: 'subject', valueReference: reference('Patient/{x}') })), ask('answers taken apart', 'POST', 'QuestionnaireResponse/q-{x}/$extract'), get('scores of answers', 'QuestionnaireResponse/q-{x}/$score'), ask('answers only added up', 'POST', 'QuestionnaireResponse/$score', phq9('{x}', spread(3), '2026-01-07T08:00:00Z')), ask('validating what is there', 'POST', 'Goal/g-{x}/$validate', parameters({ name: 'mode', valueCode: 'delete' })),
  ask('validating a change', 'POST', 'Goal/g-{x}/$validate', parameters({ name: 'mode', valueCode: 'update' }, { name: 'resource', resource: { resourceType: 'Goal', id: 'g-{x}', lifecycleStatus: 'active', description: { text: 'x' }, subject: reference('Patient/{x}') } })), ask('validating what is new', 'POST', 'Goal/$validate', parameters({ name: 'mode', valueCode: 'create' }, { name: 'resource', resource: { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: reference('Patient/{x}') } })),
  ask('what a plan makes', 'POST', 'PlanDefinition/walks/$apply', parameters({ name: 'subject', valueString: 'Patient/{x}' })),
];

const writes: Question[] = [
  ask('ending a therapy', 'POST', 'EpisodeOfCare/e-{x}/$end?apply=true'),
  ask('a write into the record', 'POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: reference('Patient/{x}') }),
  ask('answers about somebody', 'POST', 'QuestionnaireResponse', phq9('{x}', spread(3), '2026-01-07T08:00:00Z')),
  ask('a task of somebody', 'POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: reference('Patient/{x}') }),
  ask('a message to somebody', 'POST', 'Communication', { resourceType: 'Communication', status: 'completed', subject: reference('Patient/{x}') }),
  ask('a focus', 'POST', 'Task', task({ focus: reference('Goal/g-{x}') })), ask('a reason', 'POST', 'Task', task({ reasonReference: reference('Condition/c-{x}') })), ask('what it is based on', 'POST', 'Task', task({ basedOn: [reference('CarePlan/cp-{x}')] })),
  ask('what it follows from', 'POST', 'Observation', { resourceType: 'Observation', status: 'final', subject: mine, code: { text: 'x' }, performer: [mine], derivedFrom: [reference('QuestionnaireResponse/q-{x}')] }),
  ask('a provenance', 'POST', 'Provenance', { resourceType: 'Provenance', target: [reference('Goal/g-{x}')], recorded: '2026-01-05T10:00:00Z', agent: [{ who: reference('Practitioner/tom') }] }),
  ask('a condition that one might meet', 'POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine, identifier: [{ system: 'urn:goal', value: 'goal-{x}' }] }, { 'if-none-exist': 'identifier=urn:goal|goal-{x}' }),
  ask('a condition about the person', 'POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }, { 'if-none-exist': 'patient.identifier=mrn-{x}' }),
  ask('an update by condition', 'PUT', 'Goal?identifier=urn:goal|goal-{x}', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }), ask('a patch by condition', 'PATCH', 'Goal?identifier=urn:goal|goal-{x}', [{ op: 'add', path: '/language', value: 'en' }], patch), ask('a deletion by condition', 'DELETE', 'Goal?identifier=urn:goal|goal-{x}'), ask('a deletion of several', 'DELETE', 'Goal?patient={x}&_multiple=true'),
  ask('an update', 'PUT', 'Goal/g-{x}', { resourceType: 'Goal', id: 'g-{x}', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }), ask('an update of what was seen', 'PUT', 'Goal/g-{x}', { resourceType: 'Goal', id: 'g-{x}', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }, { 'if-match': 'W/"1"' }), ask('an update into the record', 'PUT', 'Goal/g-{x}', { resourceType: 'Goal', id: 'g-{x}', lifecycleStatus: 'active', description: { text: 'x' }, subject: reference('Patient/{x}') }),
  ask('a patch', 'PATCH', 'Goal/g-{x}', [{ op: 'add', path: '/language', value: 'en' }], patch), ask('a patch that tests', 'PATCH', 'Goal/g-{x}', [{ op: 'test', path: '/lifecycleStatus', value: 'active' }], patch), ask('a FHIRPath patch', 'PATCH', 'Goal/g-{x}', parameters({ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }, { name: 'path', valueString: 'Goal.note' }] })), ask('a deletion', 'DELETE', 'Goal/g-{x}'),
  ask('labels taken off', 'POST', 'Goal/g-{x}/$meta-delete', parameters({ name: 'meta', valueMeta: { tag: [tag] } })), ask('labels put on', 'POST', 'Goal/g-{x}/$meta-add', parameters({ name: 'meta', valueMeta: { tag: [tag] } })),
  ask('a reference by condition', 'POST', '', transaction(entry('POST', 'Task', task({ focus: reference('Goal?identifier=urn:goal|goal-{x}') })))), ask('a subject by condition', 'POST', '', transaction(entry('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: reference('Patient?identifier=urn:mrn|mrn-{x}') }))),
  ask('a condition in a transaction', 'POST', '', transaction(entry('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }, { ifNoneExist: 'identifier=urn:goal|goal-{x}' }))), ask('an update in a transaction', 'POST', '', transaction(entry('PUT', 'Goal/g-{x}', { resourceType: 'Goal', id: 'g-{x}', lifecycleStatus: 'active', description: { text: 'x' }, subject: mine }))), ask('a deletion in a transaction', 'POST', '', transaction(entry('DELETE', 'Goal/g-{x}'))), ask('a deletion in a batch', 'POST', '', batch(entry('DELETE', 'Goal/g-{x}'), entry('PATCH', 'Goal/g-{x}', parameters({ name: 'operation', part: [{ name: 'type', valueCode: 'delete' }, { name: 'path', valueString: 'Goal.note' }] })))),
  ask('joining the care', 'POST', 'CareTeam', { resourceType: 'CareTeam', status: 'active', subject: reference('Patient/{x}'), participant: [{ member: reference('Practitioner/relief') }] }), ask('a session', 'POST', 'Encounter', { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' }, subject: reference('Patient/{x}'), participant: [{ individual: reference('Practitioner/relief') }] }), ask('a task for oneself', 'POST', 'Task', { resourceType: 'Task', status: 'requested', intent: 'order', for: reference('Patient/{x}'), owner: reference('Practitioner/relief') }), ask('being the doctor', 'PUT', 'Patient/{x}', { resourceType: 'Patient', id: '{x}', generalPractitioner: [reference('Practitioner/relief')] }),
  ask('consenting for somebody', 'POST', 'Consent', { resourceType: 'Consent', status: 'active', scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: reference('Patient/{x}'), performer: [reference('Patient/myself')] }), ask('a relative of somebody', 'POST', 'RelatedPerson', { resourceType: 'RelatedPerson', patient: reference('Patient/{x}') }), ask('a link', 'PUT', 'Patient/myself', { resourceType: 'Patient', id: 'myself', link: [{ other: reference('Patient/{x}'), type: 'seealso' }] }),
  ask('an attachment', 'POST', 'DocumentReference', { resourceType: 'DocumentReference', status: 'current', subject: mine, content: [{ attachment: { contentType: 'text/plain', url: 'Binary/b-{x}' } }] }), ask('an attachment of somebody', 'POST', 'Binary', { resourceType: 'Binary', contentType: 'text/plain', securityContext: reference('Patient/{x}'), data: 'eA==' }), ask('a list', 'POST', 'List', { resourceType: 'List', status: 'current', mode: 'working', subject: mine, entry: [{ item: reference('Goal/g-{x}') }] }),
  ask('erasing', 'POST', 'Patient/{x}/$erase'), ask('holding', 'POST', 'Patient/{x}/$legal-hold', parameters({ name: 'hold', valueBoolean: true }, { name: 'reason', valueString: 'x' })), ask('computing anew', 'POST', 'Patient/{x}/$recompute'), ask('computing an episode anew', 'POST', 'EpisodeOfCare/e-{x}/$recompute'),
];

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
/** What a caller can compare of an answer: all but what differs from one moment to the next. */
const told = ({ status, headers, text }: Reply, x: string): string => JSON.stringify([status, [...headers].filter(([name]) => !['date', 'x-request-id', 'last-modified', 'content-length'].includes(name)), text])
  .replaceAll(x, '{x}').replaceAll(uuid, 'ID').replaceAll(time, 'TIME').replaceAll(/(W\/\\*"|versionId\\*":\\*"|_history\/)\d+/g, '$1N');

async function put(client: Client, { method, path, body, headers }: Question, x: string): Promise<Reply> {
  const text = body === undefined ? undefined : (typeof body === 'string' ? body : JSON.stringify(body)).replaceAll('{x}', x);
  return client(method, path.replaceAll('{x}', x), text, headers);
}

/** Answers to a question about who is hidden and about nobody; of many at once, since none changes what another sees. */
async function bothWays(client: Client, questions: readonly Question[], look: (question: Question, hidden: Reply, nobody: Reply) => void): Promise<void> {
  for (let at = 0; at < questions.length; at += 8) {
    await Promise.all(questions.slice(at, at + 8).map(async (question) => { look(question, ...await Promise.all([put(client, question, 'hidden'), put(client, question, 'nobody')])); }));
  }
}

for (const [name, who] of Object.entries(attackers)) {
  await t.test(`${name} learns nothing of who is hidden, not even that there is somebody`, async (t) => {
    const questions = [...name === 'a therapist of nobody' ? [] : reads, ...name === 'a relative' ? [] : writes].filter(({ what }) => name !== 'an auditor' || !forAuditors.has(what));
    await bothWays(service.as(who), questions, (question, hidden, nobody) => {
      t.equal(told(hidden, 'hidden'), told(nobody, 'nobody'), `${question.what}: ${question.method} ${question.path}`);
      t.ok(hidden.status < 500, `${question.what}: ${hidden.status}`);
    });
  });
}

await t.test('the control: who may see both is told the difference', async (t) => {
  const same: string[] = [];
  await bothWays(system, reads, ({ what }, hidden, nobody) => {
    if (told(hidden, 'hidden') === told(nobody, 'nobody')) same.push(what);
  });
  t.same(same, []);
  for (const [type, id] of [['Goal', 'g-hidden'], ['Patient', 'hidden'], ['Observation', 'o-hidden']]) t.equal((await system('GET', `${type}/${id}/_history`)).body.entry.length, 1, `${type}: nobody changed it`);
});
