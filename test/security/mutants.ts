/**
 * `npm run mutants [-- name...]`: takes away one guard at a time and expects a test to turn red. A guard whose absence no test
 * notices is a guard that could be lost. The sources are changed in a copy; the tests first run there unchanged and must pass.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTestServer } from '../kit/server.ts';

/** One guard: where it stands, and what is left without it. `by`: the test that must notice. */
interface Mutant { readonly guard: string; readonly file: string; readonly from: string; readonly to: string; readonly by: string }

const mutants: readonly Mutant[] = [
  { guard: 'a record is reached by a relation only', file: 'src/store/visible.ts', from: "allowed === 'by patient', record));", to: 'false, record));', by: 'security/isolation-intake' },
  { guard: 'a relation that ended is none', file: 'src/store/care.ts', from: "and coalesce(relation.status, '') not in (${ended})", to: '', by: 'security/isolation-intake' },
  { guard: 'notes of therapists stay out of a patient’s app', file: 'src/store/visible.ts', from: "if (!restricted) return reach.kind === 'auditor' ? [] : [sql`(not ${forOneSide} or ${forClient})`];", to: 'if (!restricted) return [];', by: 'security/isolation' },
  { guard: 'what a client keeps private stays so', file: 'src/store/visible.ts', from: '[opened === undefined ? sql`not ${forClient}`', to: '[opened === undefined ? sql`true`', by: 'security/sharing' },
  { guard: 'versions under a later label', file: 'src/store/read.ts', from: '      and ${newestVisible(visibility, type)}`);', to: '      `);', by: 'security/sharing' },
  { guard: 'granular scopes in a query', file: 'src/store/visible.ts', from: ', ...limitSql(limitsOf(visibility, type, verb), alias)]', to: ']', by: 'security/isolation-scopes' },
  { guard: 'granular scopes on a version', file: 'src/store/read.ts', from: "judged === undefined || (judged !== null && within(visibility, verb, JSON.parse(judged) as Resource));", to: 'judged === undefined || verb.length > 0;', by: 'security/isolation-scopes' },
  { guard: 'granular scopes on what is written', file: 'src/store/admission.ts', from: 'if (!unit.internal && !within(unit.visibility, verb, resource))', to: 'if (!unit.internal && verb.length === 0 && !within(unit.visibility, verb, resource))', by: 'security/isolation-scopes' },
  { guard: 'granular scopes on what is replaced', file: 'src/store/admission.ts', from: "if (row.live && limitsOf(visibility, row.type).length", to: "if (row.live && false && limitsOf(visibility, row.type).length", by: 'security/isolation-scopes' },
  { guard: 'what is asked about must be searchable', file: 'src/store/search.ts', from: "grants(visibility, type, 's');", to: "grants(visibility, type, 's') || grants(visibility, type, 'r');", by: 'security/isolation-scopes' },
  { guard: 'the predicate on chains and _has', file: 'src/store/search-tests.ts', from: "visiblePredicate(subject.visibility, other.type, other.alias, undefined, 's'), ", to: '', by: 'security/isolation-scopes' },
  { guard: 'the predicate on _include', file: 'src/store/search-include.ts', from: " and ${visibleAmong(visibility, types, 'c')}`);", to: '`);', by: 'security/isolation-scopes' },
  { guard: 'auditors see no report about a person', file: 'src/store/visible.ts', from: 'sql`${patient} is null`', to: 'sql`true`', by: 'security/isolation-scopes' },
  { guard: 'criteria that are not understood grant nothing', file: 'src/auth/scopes.ts', from: "return limited.length === 0 ? 'criteria' : ", to: "return limited.length === 0 ? { ...granted, types } : ", by: 'unit/scopes' },
  { guard: 'criteria are decided by content alone', file: 'src/fhir/criteria.ts', from: '    default: return false;\n  }\n}\n\n/** @returns whether a resource', to: '    default: return true;\n  }\n}\n\n/** @returns whether a resource', by: 'unit/scopes' },
  { guard: 'letters out of order are no scope', file: 'src/auth/scopes.ts', from: '/^c?r?u?d?s?$/', to: '/^[cruds]*$/', by: 'unit/scopes' },
  { guard: 'the narrowest context counts', file: 'src/auth/decide.ts', from: "['patient', 'user', 'system'];", to: "['system', 'user', 'patient'];", by: 'security/decide' },
  { guard: 'what a patient’s app may write', file: 'src/auth/decide.ts', from: "return byPatient === undefined ? read : read.union(", to: 'return byPatient === undefined ? all : read.union(', by: 'security/decide' },
  { guard: 'nobody joins an organisation alone', file: 'src/auth/decide.ts', from: 'PractitionerRole: read, ', to: '', by: 'security/sharing-consent' },
  { guard: 'Consents are looked up', file: 'src/store/consents.ts', from: 'return { ...visibility, consents };', to: 'return { ...visibility, consents: [] };', by: 'security/sharing-consent' },
  { guard: 'who recorded a Consent', file: 'src/store/consents.ts', from: "mayWiden: recorder === 'patient' ||", to: "mayWiden: recorder !== undefined || recorder === 'patient' ||", by: 'security/sharing-consent' },
  { guard: 'the service says who recorded it', file: 'src/store/decide.ts', from: 'const value = withRecorder(withSharing(', to: 'const value = ((resource: Resource, _recorder: string) => resource)(withSharing(', by: 'security/sharing-consent' },
  { guard: 'the period of a provision', file: 'src/fhir/consent.ts', from: 'range !== undefined && range.low <= now && now < range.high', to: 'range !== undefined', by: 'security/sharing-consent' },
  { guard: 'what is not evaluated makes a permit void', file: 'src/fhir/consent.ts', from: '(reading.unread || !mayWiden)', to: '(!mayWiden)', by: 'security/sharing-consent' },
  { guard: 'a denial overrides', file: 'src/store/visible.ts', from: 'if (denied !== undefined) list.push(', to: 'if (denied !== undefined && list.length === 0) list.push(', by: 'security/sharing-consent' },
  { guard: 'a Consent lets see, not change', file: 'src/store/admission.ts', from: "if (may === 'readable') throw", to: "if (may === 'readable' && row.version < 0) throw", by: 'security/sharing-consent' },
  { guard: 'an emergency is for practitioners', file: 'src/operations/break-glass.ts', from: "if (visibility.reach.kind !== 'practitioner') throw", to: "if (visibility.reach.kind === 'none') throw", by: 'security/sharing-consent' },
  { guard: 'an emergency is not prolonged', file: 'src/resources/consent.ts', from: "recorderOf(previous) !== 'break-glass') return [];", to: "previous.id !== undefined) return [];", by: 'security/sharing-consent' },
  { guard: 'an overview of what is seen', file: 'src/store/record.ts', from: '${knownOf(visibility)}\n', to: '\n', by: 'security/sharing-consent' },
  { guard: 'what is not seen cannot be changed', file: 'src/store/admission.ts', from: "  if (may === 'unseen') return false;\n", to: '', by: 'security/isolation-intake' },
  { guard: 'nothing is created in a foreign record', file: 'src/store/admission.ts', from: "if (standing === 'writable') return;", to: 'if (standing.length > 0) return;', by: 'security/isolation-intake' },
  { guard: 'what was deleted stays in its record', file: 'src/store/decide.ts', from: 'if (current?.live !== true) admitNew(', to: 'if (current === undefined) admitNew(', by: 'security/isolation-intake' },
  { guard: 'whether it would move is seen first', file: 'src/store/staging.ts', from: 'const patient = isMoved ? null : this.', to: 'const patient = this.', by: 'security/isolation-intake' },
  { guard: 'which ids are taken', file: 'src/store/decide.ts', from: 'if (current === undefined ? !unit.internal && overlooks(unit.visibility, type, id) : ', to: 'if (current === undefined ? false : ', by: 'security/isolation-intake' },
  { guard: 'the targets of a Provenance', file: 'src/store/admission.ts', from: '  if (!known) throw unknownSubject(resourceType);\n', to: '  void known;\n', by: 'security/isolation-intake' },
  { guard: 'the access log of others', file: 'src/store/audit-search.ts', from: "select ${columns} from ${source} where ${and([visiblePredicate(visibility, 'AuditEvent', 'a'), ", to: 'select ${columns} from ${source} where ${and([', by: 'security/isolation' },
  { guard: 'the authorization server is limited by address', file: 'src/http/authorization-server.ts', from: 'options.limit(options.address(request)).then(', to: 'Promise.resolve().then(', by: 'security/attacks-sign-in' },
  { guard: 'proxies that are not the operator’s', file: 'src/http/client-address.ts', from: 'while (isProxy(address)) {', to: 'for (;;) {', by: 'security/attacks-sign-in' },
  { guard: 'a success does not pay for sprayed passwords', file: 'src/http/authorization-signin.ts', from: 'store.forgiveAttempt(keys.address)', to: 'store.forgetAttempts(keys.address)', by: 'security/attacks-sign-in' },
  { guard: 'redirect URIs to the letter', file: 'src/http/authorization-provider.ts', from: 'return this.redirectUris.includes(uri);', to: 'return this.redirectUris.some((each) => uri.startsWith(each));', by: 'security/attacks-sign-in' },
  { guard: 'PKCE of everybody', file: 'src/http/authorization-provider.ts', from: 'pkce: { required: () => true }', to: 'pkce: { required: () => false }', by: 'security/attacks-sign-in' },
  { guard: 'the audience of the request', file: 'src/http/authorization-provider.ts', from: 'if (value !== audience) throw', to: "if (value === '') throw", by: 'security/attacks-sign-in' },
  { guard: 'a launch is of one app', file: 'src/http/authorization-signin.ts', from: "    if (launch?.client_id !== undefined && launch.client_id !== client.clientId) return 'launch';\n", to: '', by: 'security/attacks-sign-in' },
  { guard: 'a launch is for who treats', file: 'src/http/authorization-signin.ts', from: "    if (id !== undefined && patient === undefined) return 'record';\n", to: '', by: 'security/attacks-sign-in' },
  { guard: 'forms of our own pages', file: 'src/http/authorization-form.ts', from: "return isToken(form.get('csrf') ?? '', secret, subject) ? form : 403;", to: 'void isToken; void secret; void subject; return form;', by: 'security/launch' },
  { guard: 'who may ask about tokens', file: 'src/http/authorization-provider.ts', from: "  client['may_introspect'] === true || client.clientId === token.clientId;", to: "  client['may_introspect'] === true || token.clientId !== '';", by: 'security/launch' },
  { guard: 'grants of an erased record', file: 'src/store/erase.ts', from: '    await endAllAbout(connection, id);\n', to: '', by: 'security/attacks-sign-in' },
  { guard: 'an erased person is not brought back', file: 'src/store/decide.ts', from: 'if (current?.erased === true && ', to: 'if (current?.erased === true && unit.writes.length === 0 && ', by: 'security/attacks-record' },
  { guard: 'a denial is not taken back', file: 'src/resources/consent.ts', from: "recorderOf(previous) === 'practitioner' || !denies(", to: "recorderOf(previous) !== undefined || !denies(", by: 'security/attacks-record' },
  { guard: 'no note of therapists in what is taken away', file: 'src/operations/export-record.ts', from: 'list.filter(forClient)', to: 'list.filter((row) => forClient(row) || true)', by: 'security/attacks-record' },
  { guard: 'large bodies are counted', file: 'src/http/large-bodies.ts', from: 'if (taken + bytes > together) {', to: 'if (bytes < 0) {', by: 'security/attacks-service' },
  { guard: 'large bodies of strangers are not read', file: 'src/http/large-bodies.ts', from: '    if (!await isKnown(request)) return refuse(request, reply);\n', to: '    void isKnown; void refuse; void reply;\n', by: 'security/attacks-service' },
  { guard: 'heads that are written while the log is read', file: 'src/store/audit-verify.ts', from: 'new Heads(file, sizes[at]!, ', to: 'new Heads(file, sizes[at]! + 1_000_000, ', by: 'security/attacks-log' },
];

const root = fileURLToPath(new URL('../..', import.meta.url));

function copyOf(): string {
  const directory = mkdtempSync(join(tmpdir(), 'intersession-mutants-'));
  for (const part of ['src', 'test', 'schemas', 'migrations', 'package.json']) cpSync(join(root, part), join(directory, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** Runs one test file and @returns whether all of it passed; the first failure ends it. */
function passes(directory: string, test: string, server: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`test/${test}.test.ts`], { cwd: directory, env: { ...process.env, INTERSESSION_TEST_SERVER: server }, stdio: ['ignore', 'pipe', 'ignore'] });
    let green = true;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!green || !/^ *not ok /m.test(chunk.toString())) return;
      green = false;
      child.kill('SIGKILL');
    });
    child.once('close', (code) => resolve(green && code === 0));
  });
}

const wanted = process.argv.slice(2);
const chosen = mutants.filter(({ guard }) => wanted.length === 0 || wanted.some((word) => guard.includes(word)));
const server = await startTestServer();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop().finally(() => process.exit(1)));
const began = performance.now();
const alive: string[] = [];
try {
  const waiting: (Mutant | string)[] = [...new Set(chosen.map(({ by }) => by)), ...chosen];
  await Promise.all([copyOf(), copyOf()].map(async (directory) => {
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (typeof next === 'string') {
          if (!(await passes(directory, next, server.url))) alive.push(`${next} does not pass by itself`);
          continue;
        }
        const { guard, file, from, to, by } = next;
        const path = join(directory, file);
        const text = readFileSync(path, 'utf8');
        if (text.split(from).length !== 2) {
          alive.push(`${guard}: ${file} has not exactly one "${from}"`);
          continue;
        }
        writeFileSync(path, text.replace(from, () => to));
        const green = await passes(directory, by, server.url);
        writeFileSync(path, text);
        process.stdout.write(`${green ? 'ALIVE ' : 'killed'} ${guard} (${by})\n`);
        if (green) alive.push(`${guard}: ${by} does not notice that it is gone`);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }));
} finally {
  await server.stop();
}
process.stdout.write(`${chosen.length} guards, ${alive.length} wrong, ${Math.round((performance.now() - began) / 1000)} s\n${alive.map((line) => `${line}\n`).join('')}`);
process.exitCode = alive.length === 0 ? 0 : 1;
