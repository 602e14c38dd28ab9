import t, { type Test } from 'tap';
import { phq9, spread } from '../kit/answers.ts';
import { testService, type Client, type TestService } from '../kit/service.ts';

t.setTimeout(180_000); // a busy machine

// Who sees what by a Consent, and that it ends with the next request. Every refusal stands beside the same request while it holds.

const sharing = 'https://intersession.example/fhir/CodeSystem/sharing';
const ref = (reference: string): object => ({ reference });
const byText = (one: string, other: string): number => one.localeCompare(other);
const ids = ({ body }: { body: any }): string[] => (body.entry ?? []).map(({ resource }: any) => resource.id as string).toSorted(byText);

const permitted = (actor: string, more: object = {}): object => ({ type: 'permit', actor: [{ role: { text: 'reader' }, reference: ref(actor) }], ...more });
const denied = (actor: string, more: object = {}): object => ({ ...permitted(actor, more), type: 'deny' });
const consent = (provision: object, more: object = {}): any => ({
  resourceType: 'Consent', status: 'active', scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ text: 'privacy' }], patient: ref('Patient/ann'), performer: [ref('Patient/ann')], policyRule: { text: 'the words of Ann' }, provision, ...more,
});
const classOf = (code: string): object => ({ class: [{ system: 'http://hl7.org/fhir/resource-types', code }] });
const instance = (reference: string): object => ({ data: [{ meaning: 'instance', reference: ref(reference) }] });

interface World { service: TestService; system: Client; ann: Client; tom: Client; eve: Client; kin: Client }

async function world(t: Test): Promise<World> {
  const service = await testService(t);
  const system = service.as();
  const put = async (...resources: any[]): Promise<void> => {
    for (const resource of resources) {
      const { status, text } = await system('PUT', `${resource.resourceType}/${resource.id}`, resource);
      if (status !== 201) throw new Error(`${resource.id}: ${status} ${text}`);
    }
  };
  await put(
    { resourceType: 'Patient', id: 'ann', name: [{ family: 'Annwood' }] }, { resourceType: 'Patient', id: 'ben', name: [{ family: 'Benfield' }] },
    ...['tom', 'eve'].map((id) => ({ resourceType: 'Practitioner', id })),
    { resourceType: 'Organization', id: 'clinic', name: 'Clinic' }, { resourceType: 'Organization', id: 'other', name: 'Other' },
    { resourceType: 'PractitionerRole', id: 'eve-clinic', active: true, practitioner: ref('Practitioner/eve'), organization: ref('Organization/clinic') },
    { resourceType: 'RelatedPerson', id: 'kin', active: true, patient: ref('Patient/ann') }, { resourceType: 'RelatedPerson', id: 'kin-of-ben', patient: ref('Patient/ben') },
    { resourceType: 'CareTeam', id: 'team', status: 'active', subject: ref('Patient/ann'), participant: [{ member: ref('Practitioner/tom') }] },
    ...['plain', 'kept'].map((id) => ({ resourceType: 'Goal', id, lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann'), ...(id === 'kept' ? { meta: { security: [{ system: sharing, code: 'private' }] } } : {}) })),
    { resourceType: 'Goal', id: 'note', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann'), meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSYTHPN' }] } },
    { resourceType: 'Condition', id: 'worry', code: { text: 'worry' }, subject: ref('Patient/ann') },
    { resourceType: 'Goal', id: 'of-ben', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ben') },
  );
  return {
    service, system, ann: service.as({ patient: 'ann' }), tom: service.as({ user: 'Practitioner/tom' }), eve: service.as({ user: 'Practitioner/eve' }),
    kin: service.as({ user: 'RelatedPerson/kin' }),
  };
}

const found = async (fhir: Client): Promise<[goals: string[], conditions: string[]]> => [ids(await fhir('GET', 'Goal?_count=50')), ids(await fhir('GET', 'Condition'))];

/** What `fhir` sees of Goal and Condition in every way of looking, which must agree. */
async function seen(t: Test, fhir: Client): Promise<string[]> {
  const [goals, conditions] = await found(fhir);
  for (const id of ['plain', 'kept', 'note', 'of-ben']) {
    t.equal((await fhir('GET', `Goal/${id}`)).status, goals.includes(id) ? 200 : 404, `read of ${id} agrees with the search`);
    t.equal((await fhir('GET', `Goal/${id}/_history/1`)).status, goals.includes(id) ? 200 : 404, `vread of ${id}`);
    t.equal((await fhir('GET', `Goal/${id}/_history`)).status, goals.includes(id) ? 200 : 404, `history of ${id}`);
  }
  t.same(ids(await fhir('GET', 'Goal/_history')), goals, 'the history of the type agrees');
  t.same(ids(await fhir('GET', '?_type=Goal,Condition')), [...goals, ...conditions].toSorted(byText), 'so does a search over types');
  return [...goals, ...conditions];
}

async function during(t: Test, fhir: Client, content: any, check: () => Promise<unknown>): Promise<void> {
  const made = await fhir('POST', 'Consent', content);
  t.equal(made.status, 201, made.text.slice(0, 300));
  await check();
  const { id } = made.body;
  t.equal((await fhir('PUT', `Consent/${id}`, { ...content, id, status: 'inactive' })).status, 200, 'it is withdrawn');
}

t.test('what a Consent permits a practitioner is seen while it is in force, and no longer', async (t) => {
  const { ann, tom, eve, system } = await world(t);
  const before = ['note', 'plain', 'worry'];
  t.same(await seen(t, tom), before, 'a therapist in care sees what is not kept private');
  t.same(await seen(t, eve), [], 'another sees nothing');
  const cases: [what: string, provision: object, tom: string[], eve: string[]][] = [
    ['a kept entry, by name', permitted('Practitioner/tom', instance('Goal/kept')), ['kept', ...before], []],
    ['a kept entry, by its label', permitted('Practitioner/tom', { securityLabel: [{ system: sharing, code: 'private' }] }), ['kept', ...before], []],
    ['the record, which does not open what is kept', permitted('Practitioner/tom'), before, []],
    ['the record to another: without notes of therapists', permitted('Practitioner/eve'), before, ['plain', 'worry']],
    ['a class of data', permitted('Practitioner/eve', classOf('Condition')), before, ['worry']],
    ['a single resource', permitted('Practitioner/eve', instance('Goal/plain')), before, ['plain']],
    ['what an organisation may see, to who works there', permitted('Organization/clinic', classOf('Condition')), before, ['worry']],
    ['another organisation', permitted('Organization/other'), before, []],
    ['a foreign record', permitted('Practitioner/eve', instance('Goal/of-ben')), before, []],
    ['below the first provision', { type: 'deny', provision: [permitted('Practitioner/eve', classOf('Condition'))] }, [], ['worry']],
    ['a period that is over', permitted('Practitioner/eve', { period: { end: '2020-01-01' } }), before, []],
    ['a period to come', permitted('Practitioner/eve', { period: { start: '2090-01-01' } }), before, []],
    ['a period that is now', permitted('Practitioner/eve', { period: { start: '2020-01-01', end: '2090-01-01' }, ...classOf('Condition') }), before, ['worry']],
    ['a period around that is over', { period: { end: '2020-01-01' }, provision: [permitted('Practitioner/eve')] }, before, []],
    ['another act than looking', permitted('Practitioner/eve', { action: [{ coding: [{ code: 'correct' }] }] }), before, []],
    ['for research', permitted('Practitioner/eve', { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HRESCH' }] }), before, []],
    ['for treatment', permitted('Practitioner/eve', { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }], ...classOf('Condition') }), before, ['worry']],
    ['narrowed by what is not evaluated', permitted('Practitioner/eve', { code: [{ text: 'sleep' }] }), before, []],
    ['by a relation that is not evaluated', permitted('Practitioner/eve', { data: [{ meaning: 'related', reference: ref('Goal/plain') }] }), before, []],
    ['nobody in particular', { type: 'permit' }, before, []],
    ['a denial of the record', denied('Practitioner/tom'), [], []],
    ['a denial of a class', denied('Practitioner/tom', classOf('Goal')), ['worry'], []],
    ['a denial of one', denied('Practitioner/tom', instance('Goal/plain')), ['note', 'worry'], []],
    ['a denial by label', denied('Practitioner/tom', { securityLabel: [{ code: 'PSYTHPN' }] }), ['plain', 'worry'], []],
    ['a denial to everybody', { type: 'deny', ...classOf('Goal') }, ['worry'], []],
    ['a denial with an exception', denied('Practitioner/tom', { provision: [permitted('Practitioner/tom', classOf('Condition'))] }), ['worry'], []],
    ['a denial with what is not evaluated', denied('Practitioner/tom', { code: [{ text: 'sleep' }] }), [], []],
    ['a denial that is over', denied('Practitioner/tom', { period: { end: '2020-01-01' } }), before, []],
  ];
  for (const [what, provision, forTom, forEve] of cases) {
    await t.test(what, async (t) => {
      await during(t, ann, consent(provision), async () => {
        t.same(await seen(t, tom), forTom.toSorted(byText).filter((id) => id !== 'worry').concat(forTom.includes('worry') ? ['worry'] : []), 'tom');
        t.same(await seen(t, eve), forEve, 'eve');
      });
      t.same((await found(tom)).flat(), before, 'and with the next request it is over');
      t.same((await found(eve)).flat(), []);
    });
  }

  await t.test('a denial overrides a permit, whichever came first', async (t) => {
    await during(t, ann, consent(permitted('Practitioner/eve')), async () => {
      t.same(await seen(t, eve), ['plain', 'worry']);
      await during(t, ann, consent(denied('Practitioner/eve', classOf('Goal'))), async () => t.same(await seen(t, eve), ['worry']));
      t.same(await seen(t, eve), ['plain', 'worry']);
    });
  });

  await t.test('only the patient or a system gives access; a name in it does not', async (t) => {
    await during(t, tom, consent(permitted('Practitioner/eve')), async () => t.same(await seen(t, eve), [], 'recorded by a practitioner'));
    await during(t, tom, consent(denied('Practitioner/tom', instance('Goal/plain'))), async () => t.same(await seen(t, tom), ['note', 'worry'], 'a denial holds whoever recorded it'));
    const forged = consent(permitted('Practitioner/eve'), { meta: { tag: [{ system: 'https://intersession.example/fhir/CodeSystem/consent-recorded-by', code: 'patient' }] } });
    await during(t, tom, forged, async () => t.same(await seen(t, eve), [], 'with a tag of their own'));
    await during(t, system, consent(permitted('Practitioner/eve')), async () => t.same(await seen(t, eve), ['plain', 'worry'], 'a system may'));
    const own = await ann('POST', 'Consent', consent(permitted('Practitioner/eve', classOf('Condition'))));
    t.same(await seen(t, eve), ['worry']);
    t.equal((await tom('PUT', `Consent/${own.body.id}`, { ...own.body, provision: permitted('Practitioner/eve') })).status, 200, 'a practitioner changes what the patient recorded');
    t.same(await seen(t, eve), [], 'and it gives access no more');
    t.equal((await tom('POST', 'PractitionerRole', { resourceType: 'PractitionerRole', practitioner: ref('Practitioner/tom'), organization: ref('Organization/other') })).status, 403, 'nobody joins an organisation alone');
    t.equal((await system('POST', 'Consent', { ...consent(permitted('Practitioner/eve')), scope: { coding: [{ code: 'research' }] } })).status, 201);
    t.same(await seen(t, eve), [], 'a consent to research is not one to look');
  });

  await t.test('what is seen by a Consent is not changed', async (t) => {
    await during(t, ann, consent(permitted('Practitioner/eve', instance('Goal/plain'))), async () => {
      const goal = (await eve('GET', 'Goal/plain')).body;
      t.equal((await eve('PUT', 'Goal/plain', { ...goal, lifecycleStatus: 'completed' })).status, 403);
      t.equal((await eve('DELETE', 'Goal/plain')).status, 403);
      t.equal((await eve('POST', 'Goal', { ...goal, id: undefined })).status, 422, 'nor is anything added');
      t.equal((await eve('PUT', 'Goal/kept', { ...goal, id: 'kept' })).status, 404, 'what is not seen is not there');
    });
  });

  await t.test('the access log does not name what is denied', async (t) => {
    await system('GET', 'Goal/plain');
    const named = async (): Promise<boolean> => (await tom('GET', 'AuditEvent?_count=1000')).text.includes('Goal/plain');
    t.equal(await named(), true);
    await during(t, ann, consent(denied('Practitioner/tom', classOf('Goal'))), async () => t.equal(await named(), false));
    t.equal(await named(), true);
  });
});

t.test('a relative sees what a Consent opens, and nothing by being one', async (t) => {
  const { ann, system, kin, service } = await world(t);
  t.same(await seen(t, kin), []);
  t.equal((await kin('GET', 'Questionnaire/phq-9')).status, 200, 'forms are for everybody');
  await during(t, ann, consent(permitted('RelatedPerson/kin')), async () => t.same(await seen(t, kin), ['plain', 'worry']));
  await during(t, ann, consent(permitted('RelatedPerson/kin', instance('Goal/kept'))), async () => t.same(await seen(t, kin), ['kept']));
  await during(t, ann, consent(permitted('RelatedPerson/kin', instance('Goal/note'))), async () => t.same(await seen(t, kin), [], 'notes of therapists are not the patient’s to open to others'));
  await during(t, ann, consent(permitted('RelatedPerson/kin')), async () => {
    t.equal((await kin('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: ref('Patient/ann') })).status, 403, 'and writes nothing');
    t.same(await seen(t, service.as({ user: 'RelatedPerson/kin-of-ben' })), [], 'another relative sees nothing');
    await system('PUT', 'RelatedPerson/kin', { resourceType: 'RelatedPerson', id: 'kin', active: false, patient: ref('Patient/ann') });
    t.same(await seen(t, kin), [], 'who is no relative any more sees nothing');
  });
});

t.test('an overview holds what is seen of the record', async (t) => {
  const { ann, system, eve } = await world(t);
  await system('POST', 'QuestionnaireResponse', phq9('ann', spread(12), '2026-01-05T10:00:00Z'));
  t.equal((await eve('GET', 'Patient/ann/$progress')).status, 404);
  const scores = async (): Promise<number> => ((await eve('GET', 'Patient/ann/$progress')).body.parameter ?? []).filter(({ name }: any) => name === 'measure' || name === 'instrument').length;
  await during(t, ann, consent(permitted('Practitioner/eve')), async () => t.ok((await scores()) > 0, 'with the record'));
  await during(t, ann, consent(permitted('Practitioner/eve', classOf('Patient'))), async () => t.equal(await scores(), 0, 'without the Observations there are no scores'));
});

t.test('in an emergency a practitioner reads a record for a time, and everybody concerned can see it', async (t) => {
  const { ann, system, eve, tom, kin, service } = await world(t);
  const ask = (fhir: Client, reason: string, text?: string, patient = 'ann') => fhir('POST', `Patient/${patient}/$break-glass`, {
    resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: reason }, ...(text === undefined ? [] : [{ name: 'text', valueString: text }])],
  });
  t.equal((await ask(eve, 'TREAT', 'x')).status, 400, 'for no other purpose');
  t.equal((await ask(eve, 'BTG')).status, 400, 'nor without saying why');
  for (const other of [ann, kin, system]) t.equal((await ask(other, 'BTG', 'x')).status, 403, 'it is for practitioners');
  t.equal((await ask(eve, 'BTG', 'x', 'nobody')).status, 404);
  t.equal((await eve('GET', 'Patient/ann/$break-glass?reason=BTG&text=x')).status, 405);
  t.same(await seen(t, eve), []);
  const opened = await ask(eve, 'ETREAT', 'brought in unconscious');
  t.equal(opened.status, 201, opened.text.slice(0, 300));
  t.equal(Date.parse(opened.body.provision.period.end) - Date.parse(opened.body.provision.period.start), 3_600_000);
  t.same(await seen(t, eve), ['plain', 'worry'], 'without what is kept private and the notes of others');
  t.same(ids(await eve('GET', 'Patient')), ['ann'], 'of this person only');
  t.same(ids(await service.as({ user: 'Practitioner/other' })('GET', 'Patient')), [], 'and for this practitioner only');
  t.equal((await eve('PUT', 'Goal/plain', { ...(await eve('GET', 'Goal/plain')).body, lifecycleStatus: 'completed' })).status, 403, 'nothing is changed');
  t.equal((await eve('POST', 'Encounter', { resourceType: 'Encounter', status: 'in-progress', class: { code: 'EMER' }, subject: ref('Patient/ann'), participant: [{ individual: ref('Practitioner/eve') }] })).status, 422, 'nor is it a way into care');

  t.match((await ann('GET', `Consent/${opened.body.id}`)).body, { performer: [{ reference: 'Practitioner/eve' }], policyRule: { text: 'brought in unconscious' } }, 'the person sees it');
  const review = (await system('GET', 'Task?code=break-glass-review&status=requested')).body.entry;
  t.match(review, [{ resource: { priority: 'urgent', focus: { reference: `Consent/${opened.body.id}` }, for: { reference: 'Patient/ann' }, requester: { reference: 'Practitioner/eve' } } }], 'whoever looks after privacy is told');
  const events = (await ann('GET', 'AuditEvent?_count=1000')).body.entry.map(({ resource }: any) => resource).filter(({ agent }: any) => agent.some(({ who }: any) => who.reference === 'Practitioner/eve'));
  t.ok(events.some(({ subtype, purposeOfEvent }: any) => JSON.stringify(subtype).includes('break-glass') && purposeOfEvent?.[0].coding[0].code === 'ETREAT'), 'the log says for which purpose');
  t.ok(events.some(({ subtype, purposeOfEvent }: any) => subtype[0].code === 'read' && purposeOfEvent?.[0].coding[0].code === 'ETREAT'), 'and so does each look');

  for (const fhir of [eve, tom]) {
    t.equal((await fhir('PUT', `Consent/${opened.body.id}`, { ...opened.body, provision: permitted('Practitioner/eve') })).status, 403, 'it is not prolonged');
    t.equal((await fhir('DELETE', `Consent/${opened.body.id}`)).status, 403, 'and does not disappear');
  }
  await system('PUT', `Consent/${opened.body.id}`, { ...opened.body, status: 'inactive' });
  t.same(await seen(t, eve), [], 'a system ends it before its time');
  await ask(eve, 'BTG', 'again');
  t.same(await seen(t, eve), ['plain', 'worry']);
  await during(t, ann, consent(denied('Practitioner/eve')), async () => {
    t.same(await seen(t, eve), [], 'what the person denied to this practitioner stays closed');
    t.equal((await ask(eve, 'BTG', 'once more')).status, 404);
  });
});
