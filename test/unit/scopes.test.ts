import fc from 'fast-check';
import t from 'tap';
import { grantableScopes } from '../../src/auth/grantable.ts';
import { reportingIgnored, type Ignored } from '../../src/auth/ignored-scopes.ts';
import { parseScopes, type Context } from '../../src/auth/scopes.ts';
import { servedTypes } from '../../src/fhir/types.ts';

/** `patient/Task:rs` for every grant: what a scope string gives, in one comparable list. */
function given(text: string): string[] {
  return [...parseScopes(text).contexts].flatMap(([context, grants]) =>
    [...grants].map(([type, verbs]) => `${context}/${type}:${[...verbs].toSorted((a, b) => 'cruds'.indexOf(a) - 'cruds'.indexOf(b)).join('')}`));
}

const reason = (scope: string) => parseScopes(scope).ignored.map((each) => each.reason);

await t.test('version 2 scopes grant the letters that are written', async (t) => {
  t.strictSame(given('patient/Task.rs'), ['patient/Task:rs']);
  t.strictSame(given('user/Goal.c system/Observation.cruds'), ['user/Goal:c', 'system/Observation:cruds']);
});

await t.test('all 31 subsets in order are scopes, and no other order is guessed at', async (t) => {
  const letters = ['c', 'r', 'u', 'd', 's'];
  const subsets = Array.from({ length: 31 }, (_, index) => letters.filter((_letter, bit) => (index + 1) & (1 << bit)).join(''));
  for (const subset of subsets) t.strictSame(given(`user/Task.${subset}`), [`user/Task:${subset}`]);
  for (const subset of subsets.filter((each) => each.length > 1)) {
    t.strictSame(given(`user/Task.${subset.split('').toReversed().join('')}`), [], `${subset} reversed`);
  }
  for (const wrong of ['dus', 'rr', 'crudsx', 'R', 'rs.', '', 'readwrite', 'Read']) {
    t.strictSame(given(`user/Task.${wrong}`), [], wrong);
  }
});

await t.test('version 1 scopes: read is rs, write is cud, * is all', async (t) => {
  t.strictSame(given('patient/Task.read'), ['patient/Task:rs']);
  t.strictSame(given('patient/Task.write'), ['patient/Task:cud']);
  t.strictSame(given('patient/Task.*'), ['patient/Task:cruds']);
  t.strictSame(given('patient/Task.read patient/Task.write'), ['patient/Task:cruds']);
});

await t.test('a wildcard stands for the served types and no more', async (t) => {
  t.strictSame(given('system/*.r'), servedTypes.map((type) => `system/${type}:r`));
});

await t.test('several scopes for one type add up within their context only', async (t) => {
  t.strictSame(given('patient/Task.r patient/Task.u user/Task.d'), ['patient/Task:ru', 'user/Task:d']);
  t.strictSame(given('patient/*.s patient/Task.c').filter((each) => each.includes('/Task:')), ['patient/Task:cs']);
});

await t.test('what is not understood grants nothing and is reported with its reason', async (t) => {
  for (const scope of ['patient/Task', 'patient/Task.', 'Patient/Task.rs', 'group/Task.rs', 'patient/Task.rs.rs', 'patient//Task.rs', '/Task.rs', 'patient/*', 'patient/.rs', 'patient/T*.rs', '*', '*/*.*', 'patient/*.rs*', 'patient/Task.rs?']) {
    t.strictSame([given(scope), reason(scope)], [[], ['malformed']], scope);
  }
  for (const scope of ['patient/MedicationRequest.rs', 'patient/task.rs', 'user/constructor.r', 'user/toString.cruds']) {
    t.strictSame([given(scope), reason(scope)], [[], ['unserved-type']], scope);
  }
  for (const scope of ['user/*.r?a=b', 'patient/Task.rs?code:in=x%2fy', 'patient/Observation.rs?category:not=x', 'patient/Observation.rs?patient.name=x', 'patient/Observation.rs?date=gt2020',
    'patient/Observation.rs?_sort=date', 'patient/Observation.rs?category=a&_count=1', 'patient/Observation.rs?category', 'patient/Observation.rs?category=', 'patient/Observation.rs?&category=a', 'patient/Observation.rs?category=%zz',
    'patient/Observation.rs?_has:Task:focus:status=x', 'patient/Observation.rs?_filter=code%20eq%20x', 'patient/Observation.rs?value-quantity=5', 'patient/AuditEvent.rs?action=R', 'patient/Observation.rs?code-value-concept=a$b']) {
    t.strictSame([given(scope), reason(scope)], [[], ['criteria']], scope);
  }
  t.strictSame(given('patient/Observation.rs?category:not=laboratory patient/Task.r'), ['patient/Task:r'], 'the others still count');
});

await t.test('launch and identity scopes grant no resource and are no mistakes', async (t) => {
  const read = parseScopes('openid fhirUser launch launch/patient offline_access online_access profile');
  t.equal(read.contexts.size, 0);
  t.strictSame(read.ignored, []);
  t.strictSame(read.understood, []);
});

await t.test('an empty scope string grants nothing', async (t) => {
  for (const empty of ['', ' ', '\n\t ']) t.equal(parseScopes(empty).contexts.size, 0);
});

/** Mostly right, so that scopes are granted; sometimes wrong, so that it matters which. */
const mostly = (right: string[], wrong: string[]) => fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });

const words = fc.oneof(
  fc.tuple(
    mostly(['patient', 'user', 'system'], ['Patient', '', '*', 'sys']),
    mostly(['/'], ['//', '.', '']),
    mostly(['Task', 'Goal', '*'], ['Nonsense', '', 'task', '__proto__']),
    mostly(['.'], ['', '..', '/']),
    fc.oneof(fc.stringMatching(/^[cruds]{0,6}$/), fc.constantFrom('read', 'write', '*', 'rs*', 'all', 'rs', 'cruds')),
    mostly([''], ['?a=b', '?', '#x']),
  ).map((parts) => parts.join('')),
  fc.string(),
);

await t.test('never grants more than the string says', async (t) => {
  const meaning: Record<string, string> = { read: 'rs', write: 'cud', '*': 'cruds' };
  const says = (text: string, context: Context, type: string, verb: string): boolean =>
    text.split(/\s+/).some((word) => {
      if (word.includes('?') || !word.startsWith(`${context}/`)) return false;
      const [what, letters, ...more] = word.slice(context.length + 1).split('.');
      return more.length === 0 && (what === type || what === '*') && (meaning[letters ?? ''] ?? letters ?? '').includes(verb);
    });
  let granted = 0;
  fc.assert(fc.property(fc.array(words, { maxLength: 6 }), (list) => {
    const text = list.join(' ');
    for (const [context, grants] of parseScopes(text).contexts) {
      for (const [type, verbs] of grants) {
        for (const verb of verbs) {
          granted += 1;
          if (!says(text, context, type, verb)) throw new Error(`${JSON.stringify(text)} does not say ${context}/${type}.${verb}`);
        }
      }
    }
  }), { numRuns: 5000 });
  t.ok(granted > 1000, `the property was put to the test ${granted} times`);
});

await t.test('every word is understood, ignored with a reason, or about the launch', async () => {
  fc.assert(fc.property(fc.array(words, { maxLength: 6 }), (list) => {
    const text = list.join(' ');
    const read = parseScopes(text);
    const counted = new Set([...read.understood, ...read.ignored.map((each) => each.scope)]);
    const all = new Set(text.split(/\s+/).filter((word) => word !== ''));
    if (counted.size !== all.size || [...all].some((word) => !counted.has(word))) throw new Error(JSON.stringify(text));
  }));
});

await t.test('a client is granted what it is registered for, on behalf of somebody who is there', async (t) => {
  const all = 'patient/*.cruds user/*.cruds system/*.cruds';
  t.strictSame(grantableScopes('system/*.rs system/Task.cud', all, {}), ['system/*.rs', 'system/Task.cud']);
  t.strictSame(grantableScopes('system/Task.r system/Task.u system/Goal.r', 'system/Task.rs system/Goal.u', {}), ['system/Task.r']);
  t.strictSame(grantableScopes('system/*.r', 'system/Task.cruds', {}), []);
  t.strictSame(grantableScopes('patient/Task.r', 'system/*.cruds', { patient: 'p1' }), []);
  t.strictSame(grantableScopes('patient/Task.r user/Task.r', all, {}), []);
  t.strictSame(grantableScopes('patient/Task.r user/Task.r', all, { patient: 'p1' }), ['patient/Task.r']);
  t.strictSame(grantableScopes('patient/Task.r user/Task.r', all, { fhirUser: 'Practitioner/a' }), ['user/Task.r']);
  t.strictSame(grantableScopes('system/Task.dus openid system/Task.r?a=b system/Task.r?code:not=b', all, {}), []);
  t.strictSame(grantableScopes('system/Task.r', '', {}), [], 'a client without registration gets nothing');
});

await t.test('a granular scope that is understood is granted apart from plain ones', async (t) => {
  const read = parseScopes('patient/Observation.rs?category=http%3A%2F%2Fa|survey system/Goal.r?patient=ann&_id=x,y patient/Observation.c');
  t.strictSame(read.ignored, []);
  t.strictSame(given('patient/Observation.rs?category=a'), [], 'it is no plain grant');
  t.match(read.limited.get('patient'), [{ type: 'Observation', verbs: new Set(['r', 's']), criterion: [{ kind: 'token', values: [{ code: 'survey' }] }] }]);
  t.match(read.limited.get('system'), [{ type: 'Goal', criterion: [{ kind: 'reference' }, { kind: 'id', ids: ['x', 'y'] }] }]);
});

await t.test('a granular scope is granted to a client that has the whole of it, or the very same', async (t) => {
  const granular = 'system/Observation.rs?category=a';
  t.strictSame(grantableScopes(granular, 'system/*.cruds', {}), [granular]);
  t.strictSame(grantableScopes(granular, granular, {}), [granular]);
  for (const registered of ['system/Observation.rs?category=b', 'system/Goal.rs', 'patient/*.cruds', 'system/Observation.r', '']) t.strictSame(grantableScopes(granular, registered, {}), [], registered);
  t.strictSame(grantableScopes('system/Observation.rs', granular, {}), [], 'a part is not the whole');
  t.strictSame(grantableScopes('patient/Observation.rs?category=a', 'patient/*.cruds', {}), [], 'nobody is there');
});

await t.test('what an issuer grants in vain is reported once for a token, without its criteria', async (t) => {
  const told: Ignored[] = [];
  const caller = { client: 'app', subject: 's', scopes: parseScopes('patient/Observation.rs?code:text=Annwood patient/Task.dus patient/Task.r'), tokenId: 't', expires: 0 };
  const authenticate = reportingIgnored(async () => caller, (ignored) => told.push(ignored));
  for (let n = 0; n < 3; n++) t.equal(await authenticate('x'), caller);
  t.strictSame(told, [{ client: 'app', type: 'Observation', reason: 'criteria' }, { client: 'app', type: 'Task', reason: 'malformed' }]);
  t.notMatch(JSON.stringify(told), /Annwood/);
});
