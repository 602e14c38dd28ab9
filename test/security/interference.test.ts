import fc from 'fast-check';
import t, { type Test } from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply, type Who } from '../kit/service.ts';
import { requests, type Asked } from './interference-requests.ts';

// Non-interference: two worlds that differ only in what a caller may not see give the caller the same answers, byte by byte,
// but for ids and times that are made while they run.

const ref = (reference: string): object => ({ reference });
const sharing = 'https://intersession.example/fhir/CodeSystem/sharing';
const kept = { meta: { security: [{ system: sharing, code: 'private' }], tag: [{ code: 'secret' }] } };
const note = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSYTHPN' }], tag: [{ code: 'secret' }] } };

/** One resource of each type of the record, under `name`, of `patient`. */
function record(name: string, patient: string, { secret = false, more = {} }: { secret?: boolean; more?: object } = {}): any[] {
  const subject = ref(`Patient/${patient}`);
  const code = { coding: [{ system: 'urn:test', code: secret ? 'secret' : 'mood' }], text: secret ? 'secret' : 'mood' };
  const of = (type: string, content: object): any => ({ resourceType: type, id: `${type.toLowerCase()}-${name}`, ...(secret ? { meta: { tag: [{ code: 'secret' }] } } : {}), ...more, ...content });
  return [
    of('Observation', { status: 'final', category: [{ coding: [{ code: secret ? 'vital-signs' : 'survey' }] }], code, subject, performer: [ref('Patient/ann')], effectiveDateTime: secret ? '2026-03-01' : '2026-01-05', valueQuantity: { value: secret ? 999 : 7 } }),
    of('Goal', { lifecycleStatus: 'active', startDate: '2026-01-05', description: { text: secret ? 'secret' : 'sleep' }, subject }),
    of('Condition', { code, subject }),
    of('QuestionnaireResponse', { status: 'completed', questionnaire: 'urn:test:form', identifier: { system: 'urn:test', value: secret ? `secret-${name}` : name }, subject, author: ref('Patient/ben'), authored: '2026-01-05' }),
    of('Task', { status: 'requested', intent: 'order', for: subject, code, focus: ref(`Goal/goal-${name}`) }),
    of('Consent', { status: 'draft', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: subject }),
    of('Encounter', { status: 'planned', class: { code: 'AMB' }, subject }),
    of('Provenance', { target: [ref(`Goal/goal-${name}`)], recorded: '2026-01-05T10:00:00Z', agent: [{ who: ref('Practitioner/tom') }] }),
  ];
}

/** What both worlds hold, and what the caller sees of it with some more. */
const common: readonly any[] = [
  { resourceType: 'Practitioner', id: 'tom' }, { resourceType: 'Practitioner', id: 'eve' },
  { resourceType: 'Patient', id: 'ann', name: [{ family: 'Annwood' }], birthDate: '1980-01-01' },
  { resourceType: 'RelatedPerson', id: 'kin', active: true, patient: ref('Patient/ann') },
  { resourceType: 'CareTeam', id: 'team', status: 'active', subject: ref('Patient/ann'), participant: [{ member: ref('Practitioner/tom') }] },
  ...record('seen', 'ann'), ...record('seen-2', 'ann'),
  { resourceType: 'List', id: 'seen', status: 'current', mode: 'working', subject: ref('Patient/ann'), entry: ['Goal/goal-seen', 'Goal/goal-hidden', 'Observation/observation-hidden', 'Goal/goal-none'].map((item) => ({ item: ref(item) })) },
];
const foreign: readonly any[] = [
  { resourceType: 'Patient', id: 'ben', name: [{ family: 'Benfield' }], birthDate: '1970-01-01', generalPractitioner: [ref('Practitioner/eve')] },
  ...record('foreign', 'ben', { secret: true }), ...record('hidden', 'ben', { secret: true }),
  { resourceType: 'List', id: 'hidden', status: 'current', mode: 'working', subject: ref('Patient/ben'), entry: [{ item: ref('Goal/goal-seen') }] },
];
const permit = (actor: string, more: object): any => ({
  resourceType: 'Consent', id: 'given', status: 'active', scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ text: 'x' }], policyRule: { text: 'x' }, patient: ref('Patient/ann'),
  provision: { type: 'permit', actor: [{ role: { text: 'x' }, reference: ref(actor) }], ...more },
});
const classes = (...list: string[]): object => ({ class: list.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code })) });

/** Callers, with what only the second of their worlds holds. */
const callers: Readonly<Record<string, { who: Who; both?: readonly any[]; hidden: readonly any[]; answered?: readonly object[] }>> = {
  'a patient’s app': { who: { patient: 'ann' }, hidden: [...foreign, ...record('note', 'ann', { secret: true, more: note })] },
  'a therapist': {
    who: { user: 'Practitioner/tom' }, answered: [phq9('ben', spread(20), '2026-01-06T10:00:00Z'), phq9('ann', spread(24), '2026-02-06T10:00:00Z', { author: ref('Patient/ann'), ...kept })],
    hidden: [...foreign, ...record('kept', 'ann', { secret: true, more: kept })],
  },
  'a therapist to whom something is denied': {
    who: { user: 'Practitioner/tom' }, both: [{ ...permit('Practitioner/tom', classes('Condition', 'Encounter')), provision: { type: 'deny', actor: [{ role: { text: 'x' }, reference: ref('Practitioner/tom') }], ...classes('Condition', 'Encounter') } }],
    hidden: [...foreign, ...record('hidden-2', 'ann', { secret: true }).filter(({ resourceType }) => resourceType === 'Condition' || resourceType === 'Encounter')],
  },
  'a relative': {
    who: { user: 'RelatedPerson/kin' }, both: [permit('RelatedPerson/kin', classes('Goal', 'Observation', 'Patient'))],
    hidden: [...foreign, ...record('hidden-2', 'ann', { secret: true }).filter(({ resourceType }) => !['Goal', 'Observation', 'Consent', 'Provenance'].includes(resourceType)), ...record('note', 'ann', { secret: true, more: note }), ...record('kept', 'ann', { secret: true, more: kept })],
  },
  // who writes about anybody knows who there is
  'a system with granular scopes': {
    who: { scopes: 'system/Observation.cruds?category=survey system/Patient.rs system/Goal.cruds?patient=ann system/Provenance.rs?target=Goal/goal-seen' },
    // scores are surveys, whoever answered
    both: foreign.slice(0, 1), answered: [], hidden: [...foreign.slice(1), ...record('hidden-2', 'ann', { secret: true }).filter(({ resourceType }) => resourceType !== 'Goal')],
  },
};

async function world(t: Test, resources: readonly any[], responses: readonly object[], who: Who): Promise<{ ask: (asked: Asked) => Promise<object>; as: Client }> {
  const service = await testService(t, { env: { RATE_LIMIT_PATIENT: '1000000' } });
  const system = service.as();
  for (const resource of resources) {
    const { status, text } = await system('PUT', `${resource.resourceType}/${resource.id}`, resource);
    if (status !== 201) throw new Error(`${resource.resourceType}/${resource.id}: ${status} ${text}`);
  }
  for (const response of responses) {
    const { status, text } = await system('POST', 'QuestionnaireResponse', response);
    if (status !== 201) throw new Error(text);
  }
  const as = service.as(who);
  const comparable = normaliser(service.url);
  return { as, ask: async ({ method, path, body, headers }) => comparable(await as(method, path, body, headers)) };
}

/** Answers without what is made while a world runs: its address, ids (numbered as they come up), times, page tokens, hashes of them. */
function normaliser(url: string): (reply: Reply) => object {
  const numbers = new Map<string, number>();
  const plain = (text: string): string => text.replaceAll(url, 'BASE').replaceAll(/_page=[\w-]+/g, '_page=*')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => {
      if (!numbers.has(id)) numbers.set(id, numbers.size);
      return `#${numbers.get(id)!}`;
    })
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '@');
  return ({ status, headers, text }) => ({ status, text: /^{"resourceType":"Bundle","type":"searchset".*"AuditEvent"/.test(text) ? loggedIn(text).map(plain).toSorted((a, b) => a.localeCompare(b)) : plain(text), headers: [...headers].filter(([name]) => !['date', 'last-modified', 'x-request-id', 'content-length'].includes(name)).map(([name, value]) => `${name}: ${plain(value)}`) });
}

t.setTimeout(600_000);

/** What one answer says and the other does not. */
function difference(one: any, other: any): string {
  if (Array.isArray(one.text) && Array.isArray(other.text)) return `${one.text.length} events, among them ${JSON.stringify(one.text.filter((event: string) => !other.text.includes(event)).slice(0, 3))}`;
  const [text, against] = [JSON.stringify(one), JSON.stringify(other)];
  let at = 0;
  while (text[at] === against[at]) at++;
  return text.slice(Math.max(0, at - 300), at + 600);
}

/** The events of a log without their ids and in no order: reads of a batch are logged as they end. */
const loggedIn = (text: string): string[] => (JSON.parse(text) as { entry: { resource: object }[] }).entry.map(({ resource }) => JSON.stringify({ ...resource, id: undefined, entity: undefined }));

const runs = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 60);

for (const [name, { who, both = [], hidden, answered = [phq9('ben', spread(20), '2026-01-06T10:00:00Z')] }] of Object.entries(callers)) {
  t.test(`${name}: what is not seen changes no answer`, { timeout: 600_000 }, async (t) => {
    const shared = [...common, ...both];
    const answers = [phq9('ann', spread(12), '2026-01-05T10:00:00Z', { id: undefined, author: ref('Patient/ann') })];
    const [one, other] = await Promise.all([
      world(t, shared, answers, who),
      world(t, [...shared, ...hidden], [...answers, ...answered], who),
    ]);
    const statuses = new Map<number, number>();
    let told = 0;
    await fc.assert(fc.asyncProperty(fc.array(requests, { minLength: 3, maxLength: 8 }), async (list) => {
      for (const asked of list) {
        const [a, b] = await Promise.all([one.ask(asked), other.ask(asked)]) as [any, any];
        statuses.set(a.status, (statuses.get(a.status) ?? 0) + 1);
        if (/"resource":/.test(a.text)) told++;
        const [without, withIt] = [JSON.stringify(a), JSON.stringify(b)];
        if (without !== withIt) throw new Error(`${JSON.stringify(asked)}\n  without: ${difference(a, b)}\n  with:    ${difference(b, a)}`);
        if (a.status === 500) throw new Error(`${JSON.stringify(asked)}: ${without}`);
      }
    }), { numRuns: runs, endOnFailure: true });
    t.comment(`${[...statuses.values()].reduce((sum, each) => sum + each, 0)} requests: ${[...statuses].map(([status, count]) => `${status} ×${count}`).join(', ')}`);
    for (const status of [200, 404]) t.ok((statuses.get(status) ?? 0) > runs / 4, `the comparison meets ${status}`);
    t.ok(told > runs / 4, 'and answers that show something');
    t.notOk(statuses.has(500), 'and no failure of the service');
  });
}
