import t from 'tap';
import { authorize, visibility } from '../../src/auth/decide.ts';
import { parseScopes } from '../../src/auth/scopes.ts';
import type { Caller } from '../../src/auth/token.ts';
import { Problem } from '../../src/fhir/outcome.ts';
import { servedType, servedTypes } from '../../src/fhir/types.ts';
import { grants, type Verb } from '../../src/fhir/visibility.ts';

const caller = (scope: string, more: Partial<Caller> = {}): Caller =>
  ({ client: 'app', subject: 'someone', scopes: parseScopes(scope), tokenId: 't', expires: 0, ...more });

/** The refusal that `run` ends in. */
function refusal(run: () => unknown): Problem | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error;
  }
}

const verbs: readonly Verb[] = ['c', 'r', 'u', 'd', 's'];
const allowed = (seen: ReturnType<typeof visibility>, type: string): string => verbs.filter((verb) => grants(seen, type, verb)).join('');
const typesWith = (access: string): string[] => servedTypes.filter((type) => servedType(type)?.access === access);

await t.test('zero understood scopes are zero access', async (t) => {
  for (const scope of ['', 'openid fhirUser launch/patient', 'patient/Task.dus', 'system/*.rs?_sort=date', 'everything']) {
    const seen = visibility(caller(scope, { patient: 'p1', fhirUser: 'Practitioner/dr' }));
    t.strictSame([seen.reach, seen.grants.size, seen.restricted], [{ kind: 'none' }, 0, false], scope);
    for (const verb of verbs) t.equal(refusal(() => authorize(seen, 'Task', verb))?.kind, 'forbidden');
  }
});

await t.test('patient/ scopes reach the patient of the token only, and without one nothing at all', async (t) => {
  const seen = visibility(caller('patient/*.cruds', { patient: 'p1' }));
  t.strictSame(seen.reach, { kind: 'patient', patient: 'p1' });
  t.equal(allowed(seen, 'Task'), 'crus');
  t.match(refusal(() => visibility(caller('patient/*.cruds'))), { kind: 'forbidden', message: /names no patient/ });
  t.equal(refusal(() => visibility(caller('patient/Task.r system/*.cruds user/*.cruds', { fhirUser: 'Practitioner/dr' })))?.kind, 'forbidden', 'other scopes are no way round');
});

/** What a patient's own app can do beside reading; a record is not deleted by an app. */
const own: Readonly<Record<string, string>> = {
  Patient: 'rus', ...Object.fromEntries(['Task', 'QuestionnaireResponse', 'Goal', 'Observation', 'Appointment', 'Communication', 'CommunicationRequest', 'Consent', 'DocumentReference', 'Binary'].map((type) => [type, 'crus'])),
};

await t.test('in a patient’s app shared definitions can be read but not changed, and system types are not there', async (t) => {
  for (const seen of [visibility(caller('patient/*.cruds', { patient: 'p1' })), visibility(caller('user/*.cruds', { fhirUser: 'Patient/p1' }))]) {
    for (const type of typesWith('directory')) t.equal(allowed(seen, type), 'rs', type);
    for (const type of typesWith('system')) t.equal(allowed(seen, type), '', type);
    for (const type of typesWith('patient')) t.equal(allowed(seen, type), own[type] ?? 'rs', type);
  }
});

await t.test('user/ scopes reach what the person reaches', async (t) => {
  const reach = (fhirUser?: string) => visibility(caller('user/*.rs', fhirUser === undefined ? {} : { fhirUser })).reach;
  t.strictSame(reach('Practitioner/dr'), { kind: 'practitioner', reference: 'Practitioner/dr' });
  t.strictSame(reach('Patient/p1'), { kind: 'patient', patient: 'p1' });
  t.strictSame(reach('RelatedPerson/r'), { kind: 'related', reference: 'RelatedPerson/r' });
  for (const other of [undefined, 'PractitionerRole/x', 'Group/x']) t.strictSame(reach(other), { kind: 'none' }, String(other));
  t.strictSame(visibility(caller('user/*.rs', { patient: 'p2', fhirUser: 'Practitioner/dr' })).reach, { kind: 'practitioner', reference: 'Practitioner/dr' });
});

await t.test('a user that is nobody here reads the directory and touches no record', async (t) => {
  const seen = visibility(caller('user/*.cruds'));
  for (const type of typesWith('directory')) t.equal(allowed(seen, type), 'rs', type);
  for (const type of [...typesWith('patient'), ...typesWith('system')]) t.equal(allowed(seen, type), '', type);
});

await t.test('system/ scopes reach all', async (t) => {
  const seen = visibility(caller('system/*.cruds'));
  t.strictSame(seen.reach, { kind: 'all' });
  for (const type of servedTypes) t.equal(allowed(seen, type), 'cruds', type);
});

await t.test('of several contexts the narrowest counts, with its own grants alone', async (t) => {
  const seen = visibility(caller('system/*.cruds user/Goal.rs patient/Task.r', { patient: 'p1', fhirUser: 'Practitioner/dr' }));
  t.strictSame(seen.reach, { kind: 'patient', patient: 'p1' });
  t.strictSame([...seen.grants.keys()], ['Task']);
  const user = visibility(caller('system/*.cruds user/Goal.rs', { fhirUser: 'Practitioner/dr' }));
  t.strictSame(user.reach, { kind: 'practitioner', reference: 'Practitioner/dr' });
  t.strictSame([...user.grants.keys()], ['Goal']);
});

await t.test('restricted notes are for practitioners and systems', async (t) => {
  t.equal(visibility(caller('patient/*.rs', { patient: 'p1' })).restricted, false);
  t.equal(visibility(caller('user/*.rs', { fhirUser: 'Patient/p1' })).restricted, false);
  t.equal(visibility(caller('user/*.rs')).restricted, false);
  t.equal(visibility(caller('user/*.rs', { fhirUser: 'Practitioner/dr' })).restricted, true);
  t.equal(visibility(caller('system/*.rs')).restricted, true);
});

await t.test('the caller key is stable over tokens and differs by client, subject, context, patient and user', async (t) => {
  const key = (scope: string, more: Partial<Caller>) => visibility(caller(scope, more)).caller;
  const base = key('patient/*.rs', { patient: 'p1' });
  t.equal(key('patient/Task.cud', { patient: 'p1', tokenId: 'other', expires: 9 }), base);
  const others = [
    key('patient/*.rs', { patient: 'p2' }), key('patient/*.rs', { patient: 'p1', client: 'b' }), key('patient/*.rs', { patient: 'p1', subject: 'b' }),
    key('user/*.rs', { fhirUser: 'Patient/p1' }), key('user/*.rs', { fhirUser: 'Practitioner/p1' }), key('system/*.rs', {}), key('', {}),
    key('patient/*.rs', { patient: 'p1', client: 'ap', subject: 'psomeone' }),
  ];
  t.equal(new Set([base, ...others]).size, others.length + 1);
});

await t.test('a refusal names the scope that would be needed, where the caller could get it', async (t) => {
  const refused = (seen: ReturnType<typeof visibility>, type: string, verb: Verb): string | undefined =>
    refusal(() => authorize(seen, type, verb))?.headers['WWW-Authenticate'];
  const patient = visibility(caller('patient/Task.rs', { patient: 'p1' }));
  t.equal(refusal(() => authorize(patient, 'Task', 'r')), undefined);
  t.match(refused(patient, 'Task', 'u'), /error="insufficient_scope", scope="patient\/Task.u"/);
  t.match(refused(patient, 'Questionnaire', 'u'), /scope="user\/Questionnaire.u"/, 'no patient/ scope would do');
  t.match(refused(visibility(caller('user/Task.rs', { fhirUser: 'Practitioner/dr' })), 'Task', 'd'), /scope="user\/Task.d"/);
  t.match(refused(visibility(caller('system/Task.rs')), 'Group', 's'), /scope="system\/Group.s"/);
  t.match(refusal(() => authorize(visibility(caller('user/Task.rs')), 'Task', 'r')), { message: /fhirUser is a Practitioner, Patient or RelatedPerson/ });
});
