import t, { type Test } from 'tap';
import { gad7, phq9, spread } from '../kit/answers.ts';
import { inspectStore } from '../kit/consistency.ts';
import { testService, type Client, type TestService } from '../kit/service.ts';
import { questionnaireFinder } from '../../src/interactions/questionnaires.ts';
import { lateForms as lateFormsJob } from '../../src/jobs/late-forms.ts';
import { Committer } from '../../src/store/commit.ts';
import { openDatabase, type Database } from '../../src/store/database.ts';
import { alertId } from '../../src/outcomes/safety.ts';
import { gadItems, phqItems, registry } from '../kit/record.ts';

// Records computed anew: what an administrator does after a rule has changed, or to prove that nothing has drifted.

const value = (body: any, name: string): any => { const { name: _, ...rest } = body.parameter.find((each: any) => each.name === name) ?? {}; return Object.values(rest)[0]; };
const differences = (body: any): Record<string, any>[] => body.parameter.filter(({ name }: any) => name === 'difference')
  .map(({ part }: any) => Object.fromEntries(part.map((each: any) => [each.name, each.valueReference?.reference ?? each.valueCode ?? each.valueString])));

/** A patient with an episode, sessions, scores, an amendment, a withdrawn response and a goal. */
async function record(t: Test, fhir: Client, id: string): Promise<void> {
  const put = async (resource: any): Promise<void> => {
    const { status, text } = await fhir('PUT', `${resource.resourceType}/${resource.id}`, resource);
    t.ok(status < 300, `${resource.resourceType}/${resource.id}: ${status < 300 ? '' : text}`);
  };
  const subject = { reference: `Patient/${id}` };
  await put({ resourceType: 'Patient', id });
  await put({ resourceType: 'EpisodeOfCare', id, status: 'active', patient: subject, period: { start: '2025-01-10' } });
  for (const [at, start] of ['2025-01-15', '2025-01-29', '2025-02-12', '2025-02-26'].entries()) {
    await put({ resourceType: 'Encounter', id: `${id}-${at}`, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject, episodeOfCare: [{ reference: `EpisodeOfCare/${id}` }], period: { start: `${start}T10:00:00Z`, end: `${start}T11:00:00Z` } });
  }
  const scores: [string, number, string, object?][] = [['a', 18, '2025-01-14'], ['b', 15, '2025-01-28'], ['c', 9, '2025-02-11'], ['d', 4, '2025-02-25']];
  for (const [name, total, at] of scores) await put({ ...phq9(id, spread(total, 9, name === 'a' ? 1 : 0), `${at}T09:00:00Z`), id: `${id}-${name}` });
  await put({ ...gad7(id, spread(12, 7), '2025-01-14T09:05:00Z'), id: `${id}-g` });
  await put({ ...phq9(id, spread(12), '2025-01-28T09:00:00Z'), id: `${id}-b`, status: 'amended' });
  await put({ ...phq9(id, spread(20), '2025-03-01T09:00:00Z'), id: `${id}-e` });
  await put({ ...phq9(id, spread(20), '2025-03-01T09:00:00Z'), id: `${id}-e`, status: 'entered-in-error' });
  await put({ resourceType: 'Goal', id, lifecycleStatus: 'active', subject, startDate: '2025-01-10', description: { text: 'Feel lighter' }, target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailQuantity: { value: 5, comparator: '<' } }] });
}

/** As the role that owns the tables: the service's own may not change a version. */
async function asOwner(service: TestService, work: (owner: Database) => Promise<unknown>): Promise<void> {
  const owner = openDatabase({ url: service.ownerUrl, connections: 2, namedStatements: true, statementTimeoutMs: 10_000 });
  await work(owner).finally(() => owner.close());
}

/** As if an earlier release had computed it otherwise: the text of the stored version itself is changed. */
async function tamper(service: TestService, id: string, change: (resource: any) => any): Promise<void> {
  const [row] = await service.database.query<{ body: string }>("select body from resource where type = 'Observation' and id = $1 and live", [id]);
  await asOwner(service, (owner) => owner.query("update resource set body = $2 where type = 'Observation' and id = $1 and live", [id, JSON.stringify(change(JSON.parse(row!.body)))]));
}

/** Whether every index row, line and version fits the others. */
async function consistent(t: Test, service: TestService): Promise<void> {
  t.same((await inspectStore(service.database)).examples, [], 'the store is consistent');
}

const scored = async (fhir: Client, patient: string, response: string): Promise<any> =>
  (await fhir('GET', `Observation?patient=${patient}&derived-from=QuestionnaireResponse/${response}&code=44261-6`)).body.entry[0].resource;

t.test('a record that was written by the rules of today is as they give it, however it came about', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const id of ['p', 'q']) await record(t, fhir, id);
  const found = await fhir('POST', 'Patient/p/$recompute');
  t.equal(found.status, 200, found.text.slice(0, 300));
  t.same(differences(found.body), []);
  t.same([value(found.body, 'applied'), value(found.body, 'patients'), value(found.body, 'record-lines'), value(found.body, 'differences')], [false, 1, 0, 0]);
  const all = await fhir('POST', '$recompute?apply=true');
  t.same([value(all.body, 'patients'), value(all.body, 'differences'), value(all.body, 'next')], [2, 0, undefined], 'applied, and nothing was to be written');
});

t.test('what is not as the rules give it is told with the reason before it is written, once, with its history kept', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await record(t, fhir, 'p');
  const score = await scored(fhir, 'p', 'p-c');
  await tamper(service, score.id, (resource) => ({ ...resource, valueInteger: 11, method: { coding: [{ ...resource.method.coding[0], version: '0.9.0' }] } }));
  const dry = await fhir('POST', 'Patient/p/$recompute');
  const [told, ...others] = differences(dry.body);
  t.same(others, []);
  t.match(told, { resource: `Observation/${score.id}`, kind: 'different', before: '11', after: '9', why: /rule phq-9 0\.9\.0 -> .*valueInteger/ });
  t.equal((await fhir('GET', `Observation/${score.id}`)).body.valueInteger, 11, 'a dry run writes nothing');
  const episode = await fhir('POST', 'EpisodeOfCare/p/$recompute', { resourceType: 'Parameters', parameter: [{ name: 'apply', valueBoolean: true }] });
  t.equal(value(episode.body, 'differences'), 1, episode.text.slice(0, 300));
  const { body: after } = await fhir('GET', `Observation/${score.id}`);
  t.match(after, { status: 'amended', valueInteger: 9 });
  t.equal((await fhir('GET', `Observation/${score.id}/_history/${Number(after.meta.versionId) - 1}`)).body.valueInteger, 11, 'the earlier result stays readable');
  const { body: why } = await fhir('GET', `Provenance?target=Observation/${score.id}&_sort=-recorded&_count=1`);
  t.match(why.entry[0].resource, { activity: { text: /anew/ }, target: [{ reference: `Observation/${score.id}/_history/${after.meta.versionId}` }] });
  t.equal(value((await fhir('POST', '$recompute?apply=true')).body, 'differences'), 0, 'a second time there is nothing to do');
  t.ok((await fhir('GET', 'AuditEvent?patient=p&subtype=$recompute&_count=10')).body.entry?.length >= 1, 'it is in the access log');
  // What version 1.0.0 of the PHQ-9 wrote: the band, and not the side of the cut-off.
  await tamper(service, score.id, (resource) => ({ ...resource, interpretation: resource.interpretation.slice(0, 1), method: { coding: [{ ...resource.method.coding[0], version: '1.0.0' }] } }));
  t.same(differences((await fhir('POST', 'Patient/p/$recompute?apply=true')).body).map(({ before, after: now, why: reason }) => [before, now, reason]), [['9', '9', 'rule phq-9 1.0.0 -> 1.1.0, method, interpretation']]);
  t.match((await fhir('GET', `Observation/${score.id}`)).body.interpretation, [{ coding: [{ code: 'mild' }] }, { coding: [{ code: 'NEG' }], text: 'Below the screening cut-off of 10' }]);
  await consistent(t, service);
});

t.test('a response is read by the form that it was read by when it came: contained, of another publisher, named by where it is', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  await fhir('PUT', 'Goal/g', { resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', subject: { reference: 'Patient/p' }, startDate: '2025-01-01', description: { text: 'Feel lighter' }, target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 4, dueDate: '2025-03-01' }] });
  const items = phq9('p', spread(9), '').item as { linkId: string; answer: object[] }[];
  const form = { resourceType: 'Questionnaire', id: 'renamed', status: 'active', code: [{ system: 'http://loinc.org', code: '44249-1' }], item: items.map(({ linkId }, i) => ({ linkId: `q${i}`, type: 'choice', code: [{ system: 'http://loinc.org', code: linkId.slice(1) }] })) };
  await fhir('PUT', 'Questionnaire/renamed', { ...form, url: 'http://loinc.org/q/44249-1' });
  const answers = async (questionnaire: string, authored: string, more: object = {}): Promise<number> => (await fhir('POST', 'QuestionnaireResponse', { ...phq9('p', spread(9), authored), questionnaire, item: items.map(({ answer }, i) => ({ linkId: `q${i}`, answer })), ...more })).status;
  t.equal(await answers('#form', '2025-01-10', { contained: [{ ...form, id: 'form' }] }), 201);
  t.equal(await answers(`${service.url}/Questionnaire/renamed`, '2025-01-20'), 201);
  t.equal(await answers('http://loinc.org/q/44249-1', '2025-01-30'), 201, 'a known canonical whose form is stored here under other names');
  t.equal((await fhir('GET', 'Observation?patient=p&code=44261-6')).body.total, 3);
  const found = await fhir('POST', 'Patient/p/$recompute');
  t.same([differences(found.body), value(found.body, 'record-lines')], [[], 0]);
  await service.job('overdue-goals', '2025-03-02T13:00:00Z');
  t.match((await fhir('GET', 'Goal/g')).body.achievementStatus, { coding: [{ code: 'not-achieved' }] }, 'the job reads them too');
  const [{ resource }] = (await fhir('GET', 'Observation?patient=p&code=44261-6&date=2025-01-10')).body.entry;
  t.match((await fhir('GET', `Observation/${resource.id}/$explain`)).text, /"name":"item"/, 'and so does the explanation');
});

t.test('lines of the record that were lost come back, what nothing gives is withdrawn, and no alert is raised in retrospect', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await record(t, fhir, 'p');
  const before = (await fhir('GET', 'Task?patient=p&_summary=count')).body.total;
  await service.database.query("delete from record_entry where kind = 'score' and id in ('p-a', 'p-d')", []);
  const lost = await fhir('POST', 'Patient/p/$recompute?apply=true');
  t.same([value(lost.body, 'record-lines'), value(lost.body, 'differences')], [2, 0]);
  const alien = await scored(fhir, 'p', 'p-d');
  await asOwner(service, (owner) => owner.query("update resource set live = false where type = 'QuestionnaireResponse' and id = 'p-d'", []));
  const gone = await fhir('POST', 'Patient/p/$recompute?apply=true');
  t.ok(differences(gone.body).some(({ resource, kind }) => resource === `Observation/${alien.id}` && kind === 'not-implied'), gone.text.slice(0, 600));
  t.equal((await fhir('GET', `Observation/${alien.id}`)).body.status, 'entered-in-error');
  t.equal((await fhir('GET', 'Goal/p')).body.achievementStatus.coding[0].code, 'improving', 'what rests on it follows');
  t.equal((await fhir('GET', 'Task?patient=p&_summary=count')).body.total, before);
});

t.test('the whole store is done in portions, while others write, by an administrator only', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  for (const id of ['p', 'q', 'r']) await record(t, fhir, id);
  let after: string | undefined;
  let patients = 0;
  do {
    const [reply] = await Promise.all([
      fhir('POST', `$recompute?apply=true&count=1${after === undefined ? '' : `&after=${after}`}`),
      ...['p', 'q', 'r'].map((id, at) => fhir('POST', 'QuestionnaireResponse', phq9(id, spread(8), `2025-04-0${patients + 1}T0${at}:00:00Z`))),
    ]);
    patients += value(reply!.body, 'patients');
    after = value(reply!.body, 'next');
  } while (after !== undefined);
  t.equal(patients, 3);
  t.equal(value((await fhir('POST', '$recompute')).body, 'differences'), 0);
  await consistent(t, service);
  t.equal((await fhir('GET', '$recompute')).status, 405);
  t.equal((await fhir('POST', '$recompute?after=x')).status, 400);
  t.equal((await fhir('POST', 'EpisodeOfCare/none/$recompute')).status, 404);
  t.equal((await service.as({ user: 'Practitioner/x' })('POST', 'Patient/p/$recompute')).status, 403);
  t.equal((await service.as({ patient: 'p' })('POST', 'Patient/p/$recompute')).status, 403);
});

t.test('many answers in one transaction, in any order, leave what they imply together', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  let seed = 7;
  const random = (below: number): number => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor((seed / 2147483648) * below); };
  const zones = [undefined, 'Europe/Berlin', 'Pacific/Auckland', 'America/Los_Angeles'];
  const lives = (valueCode: string | undefined): object => (valueCode === undefined ? {} : { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/timezone', valueCode }] });
  const people: string[] = [];
  for (let person = 0; person < 24; person += 1) {
    const [patient, episode] = [`urn:uuid:${crypto.randomUUID()}`, `urn:uuid:${crypto.randomUUID()}`];
    const day = (): string => new Date(Date.parse('2025-01-01T10:00:00Z') + random(200) * 86_400_000 + random(24) * 3_600_000).toISOString();
    const session = (): object => ({ resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: patient }, episodeOfCare: [{ reference: episode }], period: { start: day() } });
    const answers = (): object => ({ ...phq9('p', spread(8 + random(16)), day()), subject: { reference: patient } });
    const resources: any[] = [...Array.from({ length: 8 }, session), ...Array.from({ length: 14 }, answers)].map((resource) => ({ resource, at: random(1000) })).sort((a, b) => a.at - b.at).map(({ resource }) => resource);
    const entry = (resource: any, fullUrl = `urn:uuid:${crypto.randomUUID()}`): object => ({ fullUrl, resource, request: { method: 'POST', url: resource.resourceType } });
    const { status, text, body } = await fhir('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [entry({ resourceType: 'Patient', ...lives(zones[person % 4]) }, patient), entry({ resourceType: 'EpisodeOfCare', status: 'active', patient: { reference: patient }, period: { start: '2025-01-01' } }, episode), ...resources.map((resource) => entry(resource))] });
    t.equal(status, 200, text.slice(0, 200));
    people.push(/Patient\/([^/]+)/.exec(body.entry[0].response.location)![1]!);
  }
  const { body } = await fhir('POST', '$recompute');
  t.same([value(body, 'patients'), differences(body)], [24, []]);
  for (const [person, id] of people.entries()) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id, ...lives(zones[(person + 1) % 4]) });
  t.same(differences((await fhir('POST', '$recompute')).body), [], 'and after everybody moved');
  await consistent(t, service);
});

t.test('a goal whose day is over says so by itself, the day after', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  for (const [at, total] of [18, 12].entries()) await fhir('POST', 'QuestionnaireResponse', phq9('p', spread(total), `2025-0${at + 1}-10T09:00:00Z`));
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const goal = { resourceType: 'Goal', id: 'g', lifecycleStatus: 'active', subject: { reference: 'Patient/p' }, startDate: '2025-01-01', description: { text: 'Feel lighter' }, target: [{ measure: { coding: [{ system: 'http://loinc.org', code: '44261-6' }] }, detailInteger: 5, dueDate: tomorrow }] };
  await fhir('PUT', 'Goal/g', goal);
  const status = async (): Promise<string> => (await fhir('GET', 'Goal/g')).body.achievementStatus.coding[0].code;
  await service.job('overdue-goals');
  t.equal(await status(), 'improving');
  // The clock of the database is not ours to move: a goal of which the due day was changed to yesterday by an earlier release.
  await asOwner(service, (owner) => owner.query("update record_entry set data = replace(data, $1, '2025-03-01') where kind = 'goal'", [tomorrow]));
  await asOwner(service, (owner) => owner.query("update resource set body = replace(body, $1, '2025-03-01') where type = 'Goal'", [tomorrow]));
  await service.job('overdue-goals', '2025-03-02T12:00:00Z');
  t.equal(await status(), 'not-achieved');
  const { body } = await fhir('GET', 'Goal/g/_history?_count=10');
  const versions = body.entry.length;
  await service.job('overdue-goals', '2025-03-02T13:00:00Z');
  t.equal((await fhir('GET', 'Goal/g/_history?_count=10')).body.entry.length, versions, 'once');
});

/** What was written is looked at when it is half a minute old. */
const lateForms = (service: TestService): Promise<boolean> => service.job('late-forms', new Date(Date.now() + 31_000).toISOString());

t.test('a form that comes after its responses: they are scored then, as if it had been there, and nothing else is touched', async (t) => {
  const service = await testService(t, { env: { ADMIN_CLIENTS: 'development' } });
  const fhir = service.as();
  await record(t, fhir, 'ada');
  const altered = await scored(fhir, 'ada', 'ada-c');
  await tamper(service, altered.id, (resource) => ({ ...resource, valueInteger: 11 }));
  const form = (version: string, url = 'https://clinic.example/forms/calm') => ({
    resourceType: 'Questionnaire', id: `calm-${version}`, url, version, status: 'active',
    item: ['a', 'b'].map((linkId) => ({ linkId, type: 'choice', answerOption: [0, 1, 2].map((score) => ({ valueCoding: { system: 'https://clinic.example/answers', code: `c${score}` }, extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: score }] })) })),
  });
  const response = (id: string, canonical: string, more: object = {}) => fhir('PUT', `QuestionnaireResponse/${id}`, {
    resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: canonical, subject: { reference: 'Patient/ada' }, authored: '2025-02-01T10:00:00Z',
    item: ['a', 'b'].map((linkId) => ({ linkId, answer: [{ valueCoding: { system: 'https://clinic.example/answers', code: 'c2' } }] })), ...more,
  });
  const url = 'https://clinic.example/forms/calm';
  await response('early', url);
  await response('early-1', `${url}|1`);
  await response('other-version', `${url}|2`);
  await response('withdrawn', url, { status: 'entered-in-error' });
  const scores = async (): Promise<any[]> => (await fhir('GET', 'Observation?patient=ada&code=form-total')).body.entry?.map(({ resource }: any) => resource) ?? [];
  await lateForms(service);
  t.same(await scores(), []);
  await fhir('PUT', 'Questionnaire/calm-1', form('1'));
  await lateForms(service);
  t.same((await scores()).map(({ valueInteger, derivedFrom, status }) => `${derivedFrom[0].reference} ${valueInteger} ${status}`).sort(), ['QuestionnaireResponse/early 4 final', 'QuestionnaireResponse/early-1 4 final']);
  t.match((await fhir('GET', `Provenance?target=Observation/${(await scores())[0].id}`)).body.entry[0].resource.activity, { text: /when the form came/ });
  const lists = form('2');
  for (const item of lists.item as any[]) { delete item.answerOption; item.answerValueSet = 'https://clinic.example/answers/calm'; }
  await fhir('PUT', 'Questionnaire/calm-2', lists);
  await lateForms(service);
  t.equal((await scores()).length, 2, 'nothing weighs its answers yet');
  await fhir('PUT', 'ValueSet/calm', { resourceType: 'ValueSet', id: 'calm', url: 'https://clinic.example/answers/calm', status: 'active', compose: { include: [{ system: 'https://clinic.example/answers', concept: form('2').item[0]!.answerOption.map(({ valueCoding: { code }, extension }) => ({ code, extension })) }] } });
  await lateForms(service);
  t.equal((await scores()).length, 3);
  const found = await fhir('POST', 'Patient/ada/$recompute', { resourceType: 'Parameters' });
  t.same((await scores()).map(({ method, derivedFrom }) => `${derivedFrom[0].reference} ${method.coding[0].version}`).sort(), ['QuestionnaireResponse/early 1', 'QuestionnaireResponse/early-1 1', 'QuestionnaireResponse/other-version 2']);
  t.match(differences(found.body).toSorted((one, other) => (one['why'] < other['why'] ? -1 : 1)), [{ why: /^rule form-total 1 -> 2/ }, { resource: `Observation/${altered.id}`, why: 'valueInteger' }], 'what differs for another reason, or names no version, is an administrator\'s to decide');
});

t.test('a form that comes after its responses and says by codes what it asks: the score is there, and the safety item that could not be read is heard', async (t) => {
  const service = await testService(t, { env: { ADMIN_CLIENTS: 'development' } });
  const fhir = service.as();
  await fhir('PUT', 'Patient/kai', { resourceType: 'Patient', id: 'kai' });
  const url = 'https://clinic.example/forms/mood-and-sleep-phq-9';
  const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
  for (const [id, authored, canonical] of [['kai-a', daysAgo(1), url], ['kai-old', daysAgo(20), url], ['kai-unnamed', daysAgo(2), 'https://clinic.example/forms/mood'], ['kai-version', daysAgo(3), 'https://clinic.example/forms/mood|9']] as const) await fhir('PUT', `QuestionnaireResponse/${id}`, {
    resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: canonical, subject: { reference: 'Patient/kai' }, authored,
    item: phqItems.map((_, i) => ({ linkId: `q${i + 1}`, answer: [{ valueInteger: i === 8 ? 2 : 1 }] })),
  });
  const review = async (trigger: string, id = 'kai-a'): Promise<any> => (await fhir('GET', `Task/${alertId(id, trigger, 'task')}`)).body;
  t.equal((await review('phq-9-item-9-unread', 'kai-unnamed')).resourceType, 'OperationOutcome', 'nothing says what it is');
  t.match(await review('phq-9-item-9-unread'), { priority: 'urgent' });
  for (const [id, canonical] of [['named', url], ['mood', 'https://clinic.example/forms/mood']] as const) await fhir('PUT', `Questionnaire/${id}`, { resourceType: 'Questionnaire', id, url: canonical, status: 'active', item: phqItems.map((code, i) => ({ linkId: `q${i + 1}`, type: 'integer', code: [{ system: 'http://loinc.org', code }] })) });
  await lateForms(service);
  t.match((await fhir('GET', 'Observation?patient=kai&code=44261-6')).body.entry.map(({ resource }: any) => resource), [10, 10, 10].map((valueInteger) => ({ valueInteger })));
  for (const id of ['kai-a', 'kai-unnamed', 'kai-version']) {
    const found = await review('phq-9-item-9', id);
    t.match(found, { priority: 'asap', status: 'requested' });
    t.ok(Date.parse(found.restriction.period.start) > Date.now() - 60_000, 'the clock starts when it can be known');
    t.match((await fhir('GET', found.reasonReference.reference)).body, { resourceType: 'Flag', status: 'active' });
  }
  t.equal((await review('phq-9-item-9', 'kai-old')).resourceType, 'OperationOutcome', 'older than two weeks');
  t.equal((await fhir('GET', 'Communication?patient=kai&category=notification&_summary=count')).body.total, 0, 'no client is waiting');
  t.match(await review('phq-9-item-9-unread'), { status: 'requested', note: [{ text: /its form became known/ }] });
  const again = await fhir('POST', 'Patient/kai/$recompute', { resourceType: 'Parameters' });
  t.same(differences(again.body), []);
});

t.test('a form that comes after its responses and has no codes: its words, its name or its panel say that a safety item is among the answers', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/mia', { resourceType: 'Patient', id: 'mia' });
  const item = (text: (i: number) => string): object[] => phqItems.map((_, i) => ({ linkId: `q${i + 1}`, type: 'integer', text: text(i) }));
  const forms: Record<string, object> = {
    words: { title: 'Stimmung', item: item((i) => (i === 8 ? 'Gedanken, dass Sie lieber tot wären' : `Frage ${i}`)) }, named: { title: 'PHQ-9', item: item((i) => `Frage ${i}`) },
    panel: { code: [{ system: 'http://loinc.org', code: '44249-1' }], item: item((i) => `Frage ${i}`) }, other: { title: 'Schlaf', item: item((i) => `Frage ${i}`) },
  };
  for (const [id, form] of Object.entries(forms)) {
    await fhir('PUT', `QuestionnaireResponse/${id}`, {
      resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: `https://clinic.example/forms/${id}`, subject: { reference: 'Patient/mia' }, authored: new Date(Date.now() - 86_400_000).toISOString(),
      item: phqItems.map((_, i) => ({ linkId: `q${i + 1}`, answer: [{ valueInteger: i === 8 ? 3 : 1 }] })),
    });
    await fhir('PUT', `Questionnaire/${id}`, { resourceType: 'Questionnaire', id, url: `https://clinic.example/forms/${id}`, status: 'active', ...form });
  }
  const reviews = async (): Promise<string[]> => ((await fhir('GET', 'Task?patient=mia')).body.entry ?? []).map(({ resource }: any) => `${resource.focus.reference.split('/')[1]} ${resource.reasonCode.coding[0].code} ${resource.priority}`).sort();
  t.same(await reviews(), [], 'nothing says what they are');
  for (let i = 0; i < 2; i += 1) {
    await lateForms(service);
    t.same(await reviews(), ['named phq-9-item-9-unread urgent', 'panel phq-9-item-9-unread urgent', 'words phq-9-item-9 stat'], 'once');
  }
});

t.test('a response that has another score is looked at again where its form says later that a safety item is among it, within two weeks', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/liv', { resourceType: 'Patient', id: 'liv' });
  const url = 'https://clinic.example/forms/worry-and-more';
  for (const id of ['liv-new', 'liv-old', 'liv-calm']) await fhir('PUT', `QuestionnaireResponse/${id}`, {
    resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: url, subject: { reference: 'Patient/liv' }, authored: new Date(Date.now() - 86_400_000).toISOString(),
    item: [...gadItems.map((code) => ({ linkId: `/${code}`, answer: [{ valueInteger: 1 }] })), { linkId: 'own', answer: [{ valueInteger: id === 'liv-calm' ? 0 : 2 }] }],
  });
  await asOwner(service, (owner) => owner.query("update resource set last_updated = now() - interval '20 days' where id = 'liv-old'", []));
  const reviews = async (): Promise<string[]> => ((await fhir('GET', 'Task?patient=liv')).body.entry ?? []).map(({ resource }: any) => `${resource.focus.reference} ${resource.reasonCode.coding[0].code}`);
  t.same(await reviews(), []);
  t.equal((await fhir('GET', 'Observation?patient=liv&code=70274-6&_summary=count')).body.total, 3, 'each has its GAD-7');
  await fhir('PUT', 'Questionnaire/worry', { resourceType: 'Questionnaire', id: 'worry', url, status: 'active', item: [...gadItems.map((code) => ({ linkId: `/${code}`, type: 'integer' })), { linkId: 'own', type: 'integer', code: [{ system: 'http://loinc.org', code: '44260-8' }] }] });
  for (let i = 0; i < 2; i += 1) {
    await lateForms(service);
    t.same(await reviews(), ['QuestionnaireResponse/liv-new phq-9-item-9']);
  }
  t.equal((await fhir('GET', 'Observation?patient=liv&code=70274-6&_summary=count')).body.total, 3);
});

t.test('an answer that another system sent, and that is heard by rules that came later, calls for a look then, where it is of the last two weeks', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/noa', { resourceType: 'Patient', id: 'noa' });
  const days: Record<string, number> = { recent: 1, old: 20 };
  for (const [id, ago] of Object.entries(days)) await fhir('PUT', `Observation/${id}`, { resourceType: 'Observation', id, status: 'preliminary', code: { text: 'Thoughts of being better off dead' }, subject: { reference: 'Patient/noa' }, effectiveDateTime: new Date(Date.now() - ago * 86_400_000).toISOString(), valueString: '3' });
  const raised = ['Task', 'Flag', 'Communication'];
  const count = async (): Promise<number[]> => Promise.all(raised.map(async (type) => (await fhir('GET', `${type}?patient=noa&_summary=count`)).body.total));
  t.same(await count(), [1, 1, 1]);
  // As it stood before: neither in the record, nor anything raised.
  await asOwner(service, async (owner) => {
    await owner.query("delete from record_entry where kind = 'imported'", []);
    await owner.query('delete from resource where type = any($1)', [raised]);
  });
  t.same(await count(), [0, 0, 0]);
  for (let i = 0; i < 2; i += 1) {
    await fhir('POST', 'Patient/noa/$recompute?apply=true');
    t.same(await count(), [1, 1, 1], 'once');
  }
});

t.test('a form is looked at once: responses that get no score by it are not computed again and again', async (t) => {
  const service = await testService(t);
  const fhir = service.as();
  await fhir('PUT', 'Patient/bea', { resourceType: 'Patient', id: 'bea' });
  const url = 'https://clinic.example/forms/calmer';
  const form = (version: string, weigh: boolean): object => ({
    resourceType: 'Questionnaire', id: `calmer-${version}`, url, version, status: 'active',
    item: [{ linkId: 'a', type: 'choice', answerOption: [0, 1].map((score) => ({ valueCoding: { system: 'https://clinic.example/answers', code: `c${score}` }, ...(weigh ? { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/itemWeight', valueDecimal: score }] } : {}) })) }],
  });
  const response = (id: string): Promise<any> => fhir('PUT', `QuestionnaireResponse/${id}`, {
    resourceType: 'QuestionnaireResponse', id, status: 'completed', questionnaire: url, subject: { reference: 'Patient/bea' }, authored: '2025-02-01T10:00:00Z', item: [{ linkId: 'a', answer: [{ valueCoding: { system: 'https://clinic.example/answers', code: 'c1' } }] }],
  });
  await response('bea-a');
  await fhir('PUT', 'Questionnaire/calmer-1', form('1', true));
  await fhir('PUT', 'Questionnaire/calmer-2', form('2', false)); // the newest, which a response without a version means, weighs nothing
  const computed: string[] = [];
  const find = questionnaireFinder(service.database, 0, () => 0);
  const job = lateFormsJob({
    database: service.database, committer: new Committer({ database: service.database, rules: { registry, device: 'Device/d' }, lanes: 1, queueLimit: 100 }),
    questionnaire: (one) => { computed.push(one.id!); return find(one['questionnaire'] as string); },
  });
  const minutesLater = async (minutes: number): Promise<string[]> => {
    computed.length = 0;
    await job.run(Date.now() + minutes * 60_000, new AbortController().signal);
    return [...new Set(computed)].sort();
  };
  t.same(await minutesLater(0), [], 'what was written just now is left for the next run: a process may not know it yet');
  t.same(await minutesLater(1), ['bea-a'], 'looked at by the older version');
  t.same(await minutesLater(2), [], 'and not again');
  await response('bea-b');
  t.same(await minutesLater(3), [], 'a response is scored as it comes, or not');
  await fhir('PUT', 'ValueSet/other', { resourceType: 'ValueSet', id: 'other', url: 'https://clinic.example/answers/other', status: 'active' });
  t.same(await minutesLater(4), [], 'a list that this form has nothing to do with');
  await fhir('PUT', 'Questionnaire/calmer-1', { ...form('1', true), title: 'Calmer' });
  t.same(await minutesLater(5), ['bea-a', 'bea-b'], 'a new version of it is looked at');
  t.equal((await fhir('GET', 'Observation?patient=bea&_summary=count')).body.total, 0);
});
