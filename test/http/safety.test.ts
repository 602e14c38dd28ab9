import t from 'tap';
import { clientMessageId } from '../../src/outcomes/safety-message.ts';
import { alertId } from '../../src/outcomes/safety.ts';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type Reply } from '../kit/service.ts';

const b = 'https://intersession.example/fhir';
const coded = (system: string, code: string): object => ({ coding: [{ system: `${b}/CodeSystem/${system}`, code }] });
const outputs = [
  { type: coded('task-input', 'action-taken'), valueCodeableConcept: coded('review-action', 'contacted-client') },
  { type: coded('task-input', 'note'), valueString: 'We talked; the plan holds.' },
  { type: coded('task-input', 'next-check'), valueDate: '2026-03-08' },
];
const reason = { url: `${b}/StructureDefinition/status-reason`, valueString: 'Reviewed together' };
const resources = (reply: Reply): any[] => (reply.body.entry ?? []).map(({ resource }: { resource: unknown }) => resource);
const extensionOf = (resource: any, name: string): any => resource.extension?.find(({ url }: { url: string }) => url === `${b}/StructureDefinition/${name}`);
const time = (task: any, name: string): string | undefined => extensionOf(task, 'review-times')?.extension.find(({ url }: { url: string }) => url === name)?.valueInstant;
const later = (instant: string, minutes: number): string => new Date(Date.parse(instant) + minutes * 60_000).toISOString();

t.test('safety reviews', async (t) => {
  const service = await testService(t);
  const [system, one, two] = [service.as(), service.as({ user: 'Practitioner/one' }), service.as({ user: 'Practitioner/two' })];
  const client = service.as({ patient: 'p' });
  for (const id of ['one', 'two', 'boss']) await system('PUT', `Practitioner/${id}`, { resourceType: 'Practitioner', id });
  const patient = async (id: string, care = true): Promise<void> => {
    await system('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
    if (!care) return;
    await system('POST', 'CareTeam', { resourceType: 'CareTeam', status: 'active', subject: { reference: `Patient/${id}` }, participant: [
      { member: { reference: 'Practitioner/one' } }, { member: { reference: 'Practitioner/two' } },
      { member: { reference: 'Practitioner/boss' }, role: [coded('care-team-role', 'duty-lead')] },
    ] });
  };
  await patient('p');
  const answer = async (who: Client, id: string, item9: number, authored: string, more: object = {}): Promise<Reply> =>
    who('PUT', `QuestionnaireResponse/${id}`, { ...phq9('p', spread(12, 9, item9), authored), id, ...more });
  const review = async (id: string, trigger = 'phq-9-item-9'): Promise<any> => (await system('GET', `Task/${alertId(id, trigger, 'task')}`)).body;
  const put = (who: Client, task: any): Promise<Reply> => who('PUT', `Task/${task.id}`, task);
  const messagesOf = async (task: any): Promise<any[]> => resources(await system('GET', `Communication?patient=${task.for.reference}&category=alert&_count=100`)).filter(({ about }) => about[0].reference === `Task/${task.id}`);

  await t.test('the answer to a response names the message for the client, also when it is sent again, and the client can read it', async (t) => {
    const sent = { ...phq9('p', spread(12, 9, 3), new Date(Date.now() - 1000).toISOString()), identifier: { system: 'urn:app', value: 'first' } };
    const posted = await client('POST', 'QuestionnaireResponse', sent);
    t.equal(posted.status, 201, posted.text);
    const link = `<${service.url}/Communication/${clientMessageId(posted.body.id)}>; rel="${b}/client-message"`;
    t.equal(posted.headers.get('link'), link);
    const again = await client('POST', 'QuestionnaireResponse', sent);
    t.same([again.status, again.headers.get('link')], [200, link]);
    const told = await client('GET', `Communication/${clientMessageId(posted.body.id)}`);
    t.match(told.body.payload[0].contentString, /Your care team has been told/);
    t.match(told.text, /findahelpline/);
    t.same(resources(await client('GET', `Communication?part-of=QuestionnaireResponse/${posted.body.id}`)).map(({ id }) => id), [told.body.id]);
    const outcome = await client('POST', 'QuestionnaireResponse', { ...sent, identifier: undefined }, { prefer: 'return=OperationOutcome' });
    t.match(outcome.body.issue[1].details.text, /message for the client/);
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'POST', url: 'QuestionnaireResponse' }, resource: { ...sent, identifier: undefined } }, { request: { method: 'POST', url: 'QuestionnaireResponse' }, resource: phq9('p', spread(12), '2026-03-01T10:00:00Z') }] };
    for (const type of ['transaction', 'batch']) {
      const reply = await client('POST', '', { ...bundle, type });
      t.match(JSON.stringify(reply.body.entry[0].response.outcome), /There is a message for the client/, type);
      t.equal(reply.body.entry[1].response.outcome, undefined);
    }
    const calm = await client('POST', 'QuestionnaireResponse', phq9('p', spread(12), '2026-03-01T10:00:00Z'));
    t.equal(calm.headers.get('link'), null);
  });

  await t.test('whoever sends answers or a form whose safety item has no code is told so wherever the answer has room for it', async (t) => {
    await patient('uncoded');
    const nine = Array.from({ length: 9 }, (_, i) => ({ linkId: `q${i + 1}`, answer: [{ valueInteger: 1 }] }));
    const response = { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: 'http://example.org/forms/phq-9', subject: { reference: 'Patient/uncoded' }, authored: '2026-03-01T10:00:00Z', item: nine };
    const form = { resourceType: 'Questionnaire', status: 'active', url: 'http://example.org/forms/other', item: [{ linkId: 'a', type: 'integer', text: 'Thoughts that you would be better off dead' }] };
    const asked = { prefer: 'return=OperationOutcome' };
    const observation = { resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44260-8' }] }, subject: { reference: 'Patient/uncoded' }, effectiveDateTime: '2026-03-01T10:00:00Z', valueString: 'sometimes' };
    for (const [sent, told, element] of [[observation, /^PHQ-9 item 9 could not be read.*0, 1, 2, 3.*LA6568-5/, 'Observation'], [response, /^PHQ-9 item 9 could not be read.*44260-8/, 'QuestionnaireResponse.item'], [form, /^PHQ-9 item 9 is asked without its code: .*44260-8/, 'Questionnaire.item']] as const) {
      const warning = [{ severity: 'warning', details: { text: told }, expression: [element] }];
      const type = sent.resourceType;
      const alone = await system('POST', type, sent, asked);
      t.equal(alone.status, 201, alone.text.slice(0, 300));
      t.match(alone.body.issue.slice(1), warning);
      t.match((await system('POST', `${type}/$validate`, sent)).body.issue, warning);
      for (const kind of ['transaction', 'batch']) {
        const reply = await system('POST', '', { resourceType: 'Bundle', type: kind, entry: [{ request: { method: 'POST', url: type }, resource: sent }] });
        t.match(reply.body.entry[0].response.outcome.issue.at(-1), warning[0], kind);
      }
    }
    const fine = await system('POST', 'QuestionnaireResponse', phq9('uncoded', spread(12), '2026-03-02T10:00:00Z'), asked);
    t.equal(fine.body.issue.length, 1, fine.text);
    const open = { ...phq9('uncoded', spread(12), '2026-03-03T10:00:00Z') } as { item: object[] };
    t.match((await system('POST', 'QuestionnaireResponse', { ...open, item: open.item.slice(0, 5) }, asked)).body.issue.slice(1), [{ severity: 'warning', code: 'required', details: { text: /has no total: too few items are answered/ } }]);
    t.match(await review((await system('POST', 'QuestionnaireResponse', response)).body.id, 'phq-9-item-9-unread'), { priority: 'urgent', status: 'requested' });
  });

  await t.test('a version of a form that is not stored: what another version says of a safety item is heard, nothing is scored or refused by it', async (t) => {
    await patient('versions');
    const url = 'http://example.org/forms/week';
    const form = (version: string): object => ({ resourceType: 'Questionnaire', status: 'active', url, version, item: [
      { linkId: 'a', type: 'integer', text: 'How was the week?', required: true }, { linkId: 'b', type: 'integer', code: [{ system: 'http://loinc.org', code: '44260-8' }] },
    ] });
    await system('POST', 'Questionnaire', form('1'));
    const sent = (version: string, item: object[]): object => ({ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${url}|${version}`, subject: { reference: 'Patient/versions' }, authored: '2026-03-01T10:00:00Z', item });
    const heard = await system('POST', 'QuestionnaireResponse', sent('2', [{ linkId: 'new', answer: [{ valueString: 'x' }] }, { linkId: 'b', answer: [{ valueInteger: 3 }] }]));
    t.equal(heard.status, 201, heard.text.slice(0, 300));
    t.match(await review(heard.body.id), { priority: 'stat', status: 'requested' });
    t.equal((await system('GET', 'Observation?patient=versions&code=44261-6&_summary=count')).body.total, 0);
    const unread = await system('POST', 'QuestionnaireResponse', sent('2', [{ linkId: 'b', answer: [{ valueString: 'sometimes' }] }]));
    t.match(await review(unread.body.id, 'phq-9-item-9-unread'), { priority: 'urgent' });
    const without = await system('POST', 'QuestionnaireResponse', sent('2', [{ linkId: 'new', answer: [{ valueString: 'x' }] }]));
    t.equal((await system('GET', `Task?focus=QuestionnaireResponse/${without.body.id}&_summary=count`)).body.total, 0, 'the question is not in it');
    t.equal((await system('POST', 'QuestionnaireResponse', sent('1', [{ linkId: 'new', answer: [{ valueString: 'x' }] }]))).status, 422, 'the version that is stored is checked');
    const patched = await system('PATCH', `QuestionnaireResponse/${without.body.id}`, [{ op: 'add', path: '/item/-', value: { linkId: 'b', answer: [{ valueInteger: 1 }] } }], { 'content-type': 'application/json-patch+json' });
    t.equal(patched.status, 200, patched.text.slice(0, 300));
    t.match(await review(without.body.id), { status: 'requested' });
  });

  await t.test('an answer to item 9 that another system sends as an Observation is looked at', async (t) => {
    await system('PUT', 'Patient/elsewhere', { resourceType: 'Patient', id: 'elsewhere' });
    const item = (valueInteger: number, more: object = {}): object => ({ resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '44260-8' }] }, subject: { reference: 'Patient/elsewhere' }, effectiveDateTime: new Date(Date.now() - 60_000).toISOString(), valueInteger, ...more });
    await system('POST', 'QuestionnaireResponse', phq9('elsewhere', spread(9, 9, 1), new Date(Date.now() - 86_400_000).toISOString()));
    const posted = await system('POST', 'Observation', item(2));
    t.equal(posted.status, 201, posted.text.slice(0, 300));
    const reviews = async (): Promise<any[]> => resources(await system('GET', `Task?patient=elsewhere&focus=Observation/${posted.body.id}`));
    t.match(await reviews(), [{ priority: 'stat', status: 'requested', reasonCode: { coding: [{ code: 'phq-9-item-9' }] } }], 'one above the answer of the day before');
    t.equal(resources(await system('GET', 'Flag?patient=elsewhere')).length, 2);
    await system('PUT', `Observation/${posted.body.id}`, item(0, { id: posted.body.id, status: 'corrected' }));
    t.match((await reviews())[0].note, [{ text: /close this task yourself/ }]);
    await system('POST', 'Observation', item(0));
    t.equal(resources(await system('GET', 'Flag?patient=elsewhere')).length, 2);
    const alone = await system('POST', 'Observation', item(1, { subject: undefined }));
    t.match([alone.status, alone.body.issue?.[0].expression], [422, ['Observation.subject']], alone.text.slice(0, 300));
    t.equal((await system('POST', 'Observation', item(0, { subject: undefined }))).status, 201);
    const urn = 'urn:uuid:1c2b9f6e-5d0c-4e0b-8f26-3c0c0a3f6f10';
    const together = [{ resource: item(2, { derivedFrom: [{ reference: urn }] }), request: { method: 'POST', url: 'Observation' } }, { fullUrl: urn, resource: phq9('elsewhere', spread(9, 9, 2), new Date(Date.now() - 60_000).toISOString()), request: { method: 'POST', url: 'QuestionnaireResponse' } }];
    t.equal((await system('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: together })).status, 200);
    t.equal(resources(await system('GET', 'Flag?patient=elsewhere')).length, 3, 'one answer, whichever of the two stands first in the Bundle');
  });

  await t.test('"I need help now" is a response to a form of one press', async (t) => {
    const pressed = await client('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${b}/Questionnaire/bs-help-now`, subject: { reference: 'Patient/p' }, authored: '2026-03-01T10:00:00Z' });
    t.equal(pressed.status, 201, pressed.text);
    t.ok(pressed.headers.get('link'));
    t.match(await review(pressed.body.id, 'help-now'), { priority: 'stat', status: 'requested', owner: { reference: 'Practitioner/one' } });
    const flags = resources(await one('GET', `Flag?patient=p&code=${encodeURIComponent(`${b}/CodeSystem/safety-trigger|help-now`)}&status=active`));
    t.equal(flags.length, 1);
  });

  await t.test('a review goes from seen to closed, stamped once by the service, and its Flag after it', async (t) => {
    await answer(system, 'close', 1, '2026-03-01T10:00:00Z');
    const raised = await review('close');
    t.equal((await put(client, { ...raised, status: 'received' })).status, 403, 'not by the client');
    t.equal((await put(system, { ...raised, status: 'received' })).status, 403, 'not by a system without a person');
    const skipped = await put(one, { ...raised, status: 'completed' });
    t.equal(skipped.status, 422);
    t.match(skipped.body.issue, [{ expression: ['Task.output'] }]);
    t.equal((await put(one, { ...raised, status: 'cancelled' })).status, 422);
    const seen = (await put(one, { ...raised, status: 'received', extension: [{ url: `${b}/StructureDefinition/review-times`, extension: [{ url: 'acknowledgedAt', valueInstant: '2020-01-01T00:00:00Z' }] }] })).body;
    const acknowledged = time(seen, 'acknowledgedAt')!;
    t.ok(Math.abs(Date.parse(acknowledged) - Date.now()) < 60_000, 'the time is the service\'s');
    t.match(extensionOf(seen, 'review-times').extension, [{}, { url: 'acknowledgedBy', valueReference: { reference: 'Practitioner/one' } }]);
    const flag = (await one('GET', raised.reasonReference.reference)).body;
    const inactive = { ...flag, status: 'inactive', extension: [...flag.extension, reason] };
    t.match((await one('PUT', `Flag/${flag.id}`, inactive)).body.issue, [{ expression: ['Flag.status'], details: { text: /review of this alert is not completed/ } }]);
    t.equal((await one('PUT', `Flag/${flag.id}`, { ...inactive, extension: [...inactive.extension, { url: `${b}/StructureDefinition/review`, valueReference: { reference: 'Task/x' } }] })).status, 422, 'and saying that it is does not help');
    const working = (await put(two, { ...seen, status: 'in-progress', output: outputs.slice(0, 1), restriction: { period: { end: '2030-01-01' } }, authoredOn: '2030-01-01', lastModified: '2030-01-01' })).body;
    t.same([working.restriction, working.authoredOn, time(working, 'acknowledgedAt')], [raised.restriction, raised.authoredOn, acknowledged], 'what the service keeps stays');
    t.ok(time(working, 'contactedAt'));
    for (const left of [1, 2]) t.equal((await put(two, { ...working, status: 'completed', output: outputs.filter((_, at) => at !== left) })).status, 422);
    const closed = await put(two, { ...working, status: 'completed', output: outputs });
    t.equal(closed.status, 200, closed.text);
    t.match(extensionOf(closed.body, 'review-times').extension.at(-1), { url: 'closedBy', valueReference: { reference: 'Practitioner/two' } });
    t.equal(time(closed.body, 'acknowledgedAt'), acknowledged);
    t.equal((await put(one, { ...closed.body, status: 'requested' })).status, 422);
    t.match((await one('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive' })).body.issue, [{ expression: ['Flag.extension'] }]);
    t.equal((await client('PUT', `Flag/${flag.id}`, inactive)).status, 403);
    t.equal((await system('PUT', `Flag/${flag.id}`, inactive)).status, 403);
    const lowered = await one('PUT', `Flag/${flag.id}`, inactive);
    t.match(lowered.body, { status: 'inactive', code: flag.code, period: { start: flag.period.start, end: /^20/ } });
    t.equal(extensionOf(lowered.body, 'review').valueReference.reference, `Task/${raised.id}`);
    t.match(resources(await one('GET', `Provenance?target=Flag/${flag.id}`)), [{ agent: [{ who: { reference: 'Practitioner/one' } }], activity: { text: 'Status of the flag changed from active to inactive' } }], 'who did it is kept');
  });

  await t.test('an answer that becomes more pressing after its review was closed is reviewed again, under the same Flag', async (t) => {
    await answer(system, 'again', 1, '2026-03-01T10:00:00Z');
    const first = await review('again');
    await put(one, { ...first, status: 'completed', output: outputs });
    const flag = (await one('GET', first.reasonReference.reference)).body;
    t.equal((await one('PUT', `Flag/${flag.id}`, { ...flag, status: 'inactive', extension: [...flag.extension, reason] })).status, 200);
    await answer(system, 'again', 3, '2026-03-01T10:00:00Z', { status: 'amended' });
    const second = (await one('GET', `Task/${alertId('again', 'phq-9-item-9', 'task-stat')}`)).body;
    t.match(second, { status: 'requested', priority: 'stat', owner: { reference: 'Practitioner/one' } });
    const raised = (await one('GET', `Flag/${flag.id}`)).body;
    t.equal(raised.status, 'active');
    t.same([raised.period.end, extensionOf(raised, 'review'), extensionOf(raised, 'status-reason')], [undefined, undefined, undefined]);
    t.equal((await one('PUT', `Flag/${flag.id}`, { ...raised, status: 'inactive', extension: [...raised.extension, reason] })).status, 422, 'the second review comes first');
    t.equal((await put(two, { ...second, status: 'completed', output: outputs })).status, 200);
    const reviewed = (await one('GET', `Flag/${flag.id}`)).body;
    t.equal(extensionOf(reviewed, 'review').valueReference.reference, `Task/${second.id}`);
    t.equal((await one('PUT', `Flag/${flag.id}`, { ...reviewed, status: 'inactive', extension: [...reviewed.extension, reason] })).status, 200);
    t.equal((await review('again')).status, 'completed');
  });

  await t.test('a review that somebody made up opens no Flag', async (t) => {
    await answer(system, 'made-up', 2, '2026-03-01T10:00:00Z');
    const raised = await review('made-up');
    const { id: _id, meta: _meta, extension: _extension, ...forged } = raised;
    const made = await one('POST', 'Task', { ...forged, requester: { reference: 'Practitioner/one' }, status: 'completed', output: outputs });
    t.equal(made.status, 201, made.text);
    t.equal(extensionOf((await one('GET', raised.reasonReference.reference)).body, 'review'), undefined);
  });

  await t.test('two clinicians acknowledge at once: one time, one name, no answer lost', async (t) => {
    for (let n = 0; n < 5; n++) {
      await answer(system, `race-${n}`, 2, '2026-03-01T10:00:00Z');
      const raised = await review(`race-${n}`);
      const replies = await Promise.all([one, two, one, two].map((who) => put(who, { ...raised, status: 'received' })));
      t.same(replies.map(({ status }) => status), [200, 200, 200, 200]);
      const times = new Set(replies.map(({ body }) => JSON.stringify(extensionOf(body, 'review-times'))));
      t.equal(times.size, 1, 'all are told the same');
    }
  });

  await t.test('an amendment while somebody acknowledges is not taken back by a copy that was read before', async (t) => {
    for (const order of ['amended first', 'at once']) {
      const id = order.replace(' ', '-');
      await answer(system, id, 1, '2026-03-01T10:00:00Z');
      const before = await review(id);
      const amend = (): Promise<Reply> => answer(system, id, 3, '2026-03-01T10:00:00Z', { status: 'amended' });
      if (order === 'amended first') await amend();
      const [seen] = await Promise.all([put(one, { ...before, status: 'received' }), ...(order === 'at once' ? [amend()] : [])]);
      t.equal(seen.status, 200, order);
      const now = await review(id);
      // Acknowledged first and amended then: what was seen is not what is there now.
      const isAgain = now.status === 'requested';
      t.ok(order === 'at once' || !isAgain);
      t.match(now, { status: isAgain ? 'requested' : 'received', priority: 'stat' });
      t.ok(now.note.some(({ text }: { text: string }) => /still calls for a look/.test(text)), 'the note of the amendment');
      t.ok(isAgain || now.restriction.period.end === '2026-03-01T11:00:00.000Z', 'and its earlier limit');
      t.equal(time(now, 'acknowledgedAt') === undefined, isAgain);
    }
    await answer(system, 'withdrawn', 2, '2026-03-01T10:00:00Z');
    await answer(system, 'withdrawn', 2, '2026-03-01T10:00:00Z', { status: 'entered-in-error' });
    t.equal((await review('withdrawn')).status, 'requested', 'a response in error is for a person to close');
  });

  await t.test('who does not acknowledge is followed by a second clinician at the limit and the duty lead at twice the time, each once', async (t) => {
    const other = await testService(t, { beside: service });
    const authored = '2026-03-02T10:00:00Z';
    await answer(system, 'late', 2, authored); // 120 minutes
    await answer(system, 'seen', 2, authored);
    await put(one, { ...(await review('seen')), status: 'received' });
    const task = await review('late');
    const start = task.restriction.period.start;
    const told = async (): Promise<string> => (await messagesOf(task)).map(({ recipient }) => String(recipient[0].reference).split('/')[1]!).toSorted((a, b) => a.localeCompare(b)).join(' ');
    await service.job('safety-escalation', later(start, 119));
    t.equal(await told(), 'one', 'in time');
    await Promise.all([service.job('safety-escalation', later(start, 120)), other.job('safety-escalation', later(start, 120)), other.job('safety-escalation', later(start, 120))]);
    await service.job('safety-escalation', later(start, 239));
    t.equal(await told(), 'one two');
    t.match(await review('late'), { status: 'requested', owner: { reference: 'Practitioner/one' }, businessStatus: { coding: [{ code: 'second-clinician' }] }, note: [{ text: /Practitioner\/two/ }] });
    for (const at of [240, 300, 10_000]) await other.job('safety-escalation', later(start, at));
    t.equal(await told(), 'boss one two');
    const last = await review('late');
    t.match(last.businessStatus.coding, [{ code: 'second-clinician' }, { code: 'duty-lead' }]);
    t.equal(last.note.length, 2);
    t.notMatch(JSON.stringify(await messagesOf(task)), /PHQ|item 9|suicid/i);
    t.equal((await messagesOf(await review('seen'))).length, 1, 'who was seen is not followed');
    const acknowledged = await put(one, { ...last, status: 'received', businessStatus: undefined, note: undefined });
    t.same([acknowledged.body.businessStatus, acknowledged.body.note], [last.businessStatus, last.note]);
    const log = resources(await system('GET', `AuditEvent?entity=Task/${task.id}&_count=50`));
    t.ok(log.length >= 3, 'each step is in the access log');
  });

  await t.test('a service that was away for long takes both steps at once; where nobody is on duty the review says so', async (t) => {
    await patient('alone', false);
    const sent = await system('POST', 'QuestionnaireResponse', phq9('alone', spread(12, 9, 1), '2026-03-03T10:00:00Z'));
    const task = await review(sent.body.id);
    await service.job('safety-escalation', later(task.restriction.period.end, 100_000));
    const now = await review(sent.body.id);
    t.match(now, { status: 'requested', note: [{ text: /nobody on duty/ }, { text: /nobody on duty/ }] });
    const messages = await messagesOf(task);
    t.equal(messages.length, 3);
    t.ok(messages.every(({ recipient }) => recipient === undefined));
  });

  await t.test('an acknowledgement and an escalation at once: either the step was taken before, or not at all', async (t) => {
    for (let n = 0; n < 6; n++) {
      await answer(system, `both-${n}`, 3, '2026-03-04T10:00:00Z');
      const raised = await review(`both-${n}`);
      await Promise.all([put(two, { ...raised, status: 'received' }), service.job('safety-escalation', later(raised.restriction.period.end, 1))]);
      const now = await review(`both-${n}`);
      const steps = now.businessStatus?.coding.length ?? 0;
      t.equal(now.status, 'received');
      t.equal((await messagesOf(now)).length, 1 + steps, `${steps} steps`);
    }
  });

  await t.test('the time to acknowledge is reported over what the caller may see, and for an auditor with small numbers hidden', async (t) => {
    await patient('q');
    const before = (await one('GET', 'Task/$time-to-acknowledge?periodStart=2025-01-01&periodEnd=2025-01-31')).body;
    t.same(before.parameter, [{ name: 'n', valueInteger: 0 }, { name: 'breaches', valueInteger: 0 }]);
    for (const n of [1, 2, 3, 4, 5, 6]) await system('POST', 'QuestionnaireResponse', phq9('q', spread(12, 9, 1), `2025-01-0${n}T10:00:00Z`));
    const values = ({ parameter }: any): any => Object.fromEntries((parameter ?? []).map((each: any) => [each.name, each.part === undefined ? each.valueInteger ?? each.valueDecimal : values({ parameter: each.part })]));
    const report = (who: Client, more = ''): Promise<Reply> => who('GET', `Task/$time-to-acknowledge?periodStart=2025-01-01&periodEnd=2025-01-31${more}`);
    t.same(values((await report(one)).body), { n: 6, breaches: 6, breachRate: 1 }, 'nobody acknowledged');
    t.same(values((await report(one, '&suppressed=true')).body), { n: 5, breaches: 5, breachRate: 1 }, 'to the nearest five');
    t.same(values((await one('GET', 'Task/$time-to-acknowledge?periodStart=2025-01-01&periodEnd=2025-01-04&suppressed=true')).body), {}, 'fewer than five');
    const auditor = service.as({ scopes: 'system/AuditEvent.rs system/MeasureReport.rs' });
    t.same(values((await report(auditor)).body), { n: 5, breaches: 5, breachRate: 1 }, 'an auditor counts all, and sees none');
    t.equal((await auditor('GET', 'Task?code=safety-review')).status, 403);
    const stranger = service.as({ user: 'Practitioner/boss-of-nobody' });
    await system('PUT', 'Practitioner/boss-of-nobody', { resourceType: 'Practitioner', id: 'boss-of-nobody' });
    t.equal(values((await report(stranger)).body).n, 0);
    for (const [query, expression] of [['', 'http.periodStart'], ['?periodStart=2025-01-01&periodEnd=soon', 'http.periodEnd'], ['?periodStart=2025-02-01&periodEnd=2025-01-01', 'http.periodEnd']]) {
      t.match((await one('GET', `Task/$time-to-acknowledge${query}`)).body.issue, [{ expression: [expression] }]);
    }
    t.equal((await service.as({ scopes: 'system/Task.rs' })('GET', 'Task/$time-to-acknowledge?periodStart=2025-01-01&periodEnd=2025-01-31')).status, 403);
  });
});

t.test('the organisation\'s files are read at start; one that does not fit stops it with a line for each element', async (t) => {
  const folder = t.testdir({
    'rules.json': JSON.stringify({ minutes: { 'help-now': { stat: 5 } }, staffedHours: { timeZone: 'Europe/Berlin', week: {} }, dutyLead: 'Practitioner/lead' }),
    'wrong.json': JSON.stringify({ minutes: { '*': { stat: 0 } }, staffedHours: { timeZone: 'Europe/Nowhere', week: { mon: [['9', '17:00']] } } }),
    'contacts.json': JSON.stringify({ '*': [{ name: 'Example line', phone: '000' }] }),
  });
  const service = await testService(t, { env: { SAFETY_RULES: `${folder}/rules.json`, CRISIS_CONTACTS: `${folder}/contacts.json` } });
  const system = service.as();
  await system('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' });
  const pressed = await system('POST', 'QuestionnaireResponse', { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: `${b}/Questionnaire/bs-help-now`, subject: { reference: 'Patient/p' }, authored: '2026-03-01T10:00:00Z' });
  const task = (await system('GET', `Task/${alertId(pressed.body.id, 'help-now', 'task')}`)).body;
  t.match(task, { restriction: { period: { start: '2026-03-01T10:00:00.000Z', end: '2026-03-01T10:05:00.000Z' } }, owner: { reference: 'Practitioner/lead' } });
  t.match((await system('GET', `Communication/${clientMessageId(pressed.body.id)}`)).text, /Example line: 000/);
  await t.rejects(testService(t, { env: { SAFETY_RULES: `${folder}/wrong.json` } }), { name: 'StartRefusal', message: /^SAFETY_RULES staffedHours.timeZone: .*|SAFETY_RULES minutes/m });
});
