import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { auditSeal } from '../../src/jobs/audit-seal.ts';
import { silent } from '../../src/log.ts';
import { chained, noHash } from '../../src/store/audit-chain.ts';
import { newestHead, openAuditKey, publicKeyFileOf } from '../../src/store/audit-heads.ts';
import { chainEnd, sealBatch } from '../../src/store/audit-seal.ts';
import { verifyAudit, type AuditReport } from '../../src/store/audit-verify.ts';
import { AuditLog } from '../../src/store/audit.ts';
import { openDatabase, type Database } from '../../src/store/database.ts';
import type { AuditRow } from '../../src/store/effects.ts';
import { newId } from '../../src/store/identity.ts';
import { testDatabase, type Ending } from '../kit/database.ts';

const program = fileURLToPath(new URL('../../src/commands/audit-verify.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'intersession-audit-'));
t.teardown(() => { rmSync(folder, { recursive: true }); });
const keyFile = join(folder, 'audit-key.pem');
const key = openAuditKey(keyFile);
const publicKey = createPublicKey(readFileSync(publicKeyFileOf(keyFile)));

const row = (n: number): AuditRow => ({
  id: newId(), interaction: n % 3 === 0 ? 'search-type' : 'read', action: n % 3 === 0 ? 'E' : 'R', outcome: '0', client: 'app', agent: null, patient: null,
  entityType: 'Observation', entityId: n % 3 === 0 ? null : `o${n}`, version: n % 3 === 0 ? null : 1, query: n % 3 === 0 ? `code=x${n}` : null, requestId: `r${n}`, address: '127.0.0.1',
});

/** A log of `count` events, sealed in two steps with a head after each; `owner` is the one who tampers. */
async function sealed(t: Ending, count = 40): Promise<{ database: Database; owner: Database; ownerUrl: string; headsFile: string; verify: (more?: object) => Promise<AuditReport> }> {
  const { database, ownerUrl } = await testDatabase(t, { as: 'service' });
  const owner = openDatabase({ url: ownerUrl, connections: 2, namedStatements: false, statementTimeoutMs: 10_000 });
  t.teardown(() => owner.close());
  const headsFile = join(folder, `heads-${newId()}`);
  const job = auditSeal({ database, key, headsFile, log: silent, marginMs: 0 });
  const log = new AuditLog(database);
  for (const half of [0, 1]) {
    for (let n = 0; n < count / 2; n++) await log.record([row(half * count / 2 + n)]);
    await job.run(Date.now(), new AbortController().signal);
  }
  const verify = async (more: object = {}): Promise<AuditReport> => {
    const connection = await owner.lease();
    try {
      return await verifyAudit({ connection, publicKey, headFiles: [headsFile], lateMs: 0, mostFaults: 1000, ...more });
    } finally {
      connection.release();
    }
  };
  return { database, owner, ownerUrl, headsFile, verify };
}


/** Who has the rights of the owner can do this; what the verifier says first. */
const tampering: readonly { what: string; sql: string; first: { position: number; reason: string } }[] = [
  { what: 'one event is changed', sql: `update audit_event set agent = 'Practitioner/other' where id = (select event from audit_seal where position = 17)`, first: { position: 17, reason: 'modified' } },
  { what: 'an outcome is changed', sql: `update audit_event set outcome = '4' where id = (select event from audit_seal where position = 40)`, first: { position: 40, reason: 'modified' } },
  { what: 'the first event is deleted', sql: 'delete from audit_event where id = (select event from audit_seal where position = 1)', first: { position: 1, reason: 'deleted' } },
  { what: 'one in the middle is deleted', sql: 'delete from audit_event where id = (select event from audit_seal where position = 21)', first: { position: 21, reason: 'deleted' } },
  { what: 'the last is deleted', sql: 'delete from audit_event where id = (select event from audit_seal where position = 40)', first: { position: 40, reason: 'deleted' } },
  { what: 'the first is deleted with its seal', sql: 'delete from audit_event where id = (select event from audit_seal where position = 1); delete from audit_seal where position = 1', first: { position: 1, reason: 'seal-missing' } },
  { what: 'one in the middle is deleted with its seal', sql: 'delete from audit_event where id = (select event from audit_seal where position = 21); delete from audit_seal where position = 21', first: { position: 21, reason: 'seal-missing' } },
  { what: 'it is deleted with its seal and the others move up', sql: 'delete from audit_event where id = (select event from audit_seal where position = 21); delete from audit_seal where position = 21; update audit_seal set position = -position where position > 21; update audit_seal set position = -position - 1 where position < 0', first: { position: 21, reason: 'modified' } },
  { what: 'an event is inserted among others', sql: `insert into audit_event (id, recorded, interaction, action, outcome, client, request_id) select gen_random_uuid(), recorded + interval '1 microsecond', 'read', 'R', '0', 'app', 'x' from audit_seal where position = 12`, first: { position: 12, reason: 'inserted' } },
  { what: 'an event is inserted before all others', sql: `insert into audit_event (id, recorded, interaction, action, outcome, client, request_id) values (gen_random_uuid(), '2020-01-01', 'read', 'R', '0', 'app', 'x')`, first: { position: 0, reason: 'inserted' } },
  { what: 'two events change places', sql: `create temporary table two as select s.position, e.* from audit_event e join audit_seal s on s.event = e.id where s.position in (10, 11); update audit_event e set client = 'b', entity_id = o.entity_id, request_id = o.request_id from two m, two o where e.id = m.id and o.id <> m.id; drop table two`, first: { position: 10, reason: 'modified' } },
  { what: 'the times of two events are exchanged', sql: `create temporary table two as select e.* from audit_event e join audit_seal s on s.event = e.id where s.position in (10, 11); update audit_event e set recorded = o.recorded from two m, two o where e.id = m.id and o.id <> m.id; drop table two`, first: { position: 10, reason: 'deleted' } },
  { what: 'two seals change places', sql: 'update audit_seal set position = -1 where position = 10; update audit_seal set position = 10 where position = 11; update audit_seal set position = 11 where position = -1', first: { position: 9, reason: 'inserted' } },
  { what: 'a seal is changed', sql: `update audit_seal set hash = sha256('x') where position = 30`, first: { position: 30, reason: 'modified' } },
  { what: 'the tail is cut off', sql: 'delete from audit_event where id in (select event from audit_seal where position > 30); delete from audit_seal where position > 30', first: { position: 30, reason: 'truncated' } },
  { what: 'everything is deleted', sql: 'delete from audit_event; delete from audit_seal', first: { position: 0, reason: 'truncated' } },
  { what: 'the text of a query is changed', sql: `update audit_query set query = 'code=other' where event = (select event from audit_seal where position = 19)`, first: { position: 19, reason: 'query-modified' } },
];

t.test('what somebody with all rights on the database changed is found, and the first bad position is named', async (t) => {
  const { owner, verify, database } = await sealed(t);
  t.match(await verify(), { faults: [], sealed: 40, waiting: 0, heads: 2, newest: { position: 40 } }, 'control: nobody changed anything');
  for (const { what, sql, first } of tampering) {
    const keep = ['audit_event', 'audit_seal', 'audit_query'];
    await owner.query(keep.map((table) => `create table kept_${table} as select * from ${table}`).join(';'));
    await owner.query(sql);
    const { faults } = await verify();
    t.match(faults[0], first, what);
    await owner.query(keep.map((table) => `truncate ${table}; insert into ${table} select * from kept_${table}; drop table kept_${table}`).join(';'));
  }
  t.match(await verify(), { faults: [], sealed: 40 }, 'control: all is as it was');
  await owner.query('delete from audit_query');
  t.match(await verify(), { faults: [], erasedQueries: 14 }, 'the texts of queries may be erased, and the chain holds');
  await t.rejects(database.query(`update audit_event set client = 'x'`), 'the service itself could do none of it');
});

t.test('a chain that is computed anew is not what was signed; heads that are forged, removed or cut off are found', async (t) => {
  const { owner, verify, headsFile } = await sealed(t);
  const lines = readFileSync(headsFile, 'utf8');
  const [first, second] = lines.trim().split('\n');
  await owner.query(`update audit_event set client = 'somebody else' where id = (select event from audit_seal where position = 5)`);
  let hash = noHash;
  const { sealedColumns } = await import('../../src/store/audit-chain.ts');
  const events = await owner.query<{ id: string; recorded: string; content: string }>(`select ${sealedColumns} from audit_event e order by e.recorded, e.id`);
  for (const [at, event] of events.entries()) {
    hash = chained(hash, event);
    await owner.query('update audit_seal set hash = $2 where position = $1', [at + 1, hash]);
  }
  t.match((await verify()).faults.map(({ position, reason }) => [position, reason]), [[20, 'rewritten'], [40, 'rewritten']], 'every hash fits, but the heads outside say otherwise');

  const other = generateKeyPairSync('ed25519').privateKey;
  const forged = { position: 40, hash: hash.toString('hex'), at: new Date().toISOString(), previous: '' };
  writeFileSync(headsFile, `${JSON.stringify({ ...forged, signature: sign(null, Buffer.from(JSON.stringify(['intersession audit head', forged.position, forged.hash, forged.at, forged.previous])), other).toString('base64url') })}\n`);
  t.same((await verify()).faults.map(({ reason }) => reason), ['head-forged', 'head-late'], 'signed by another key');
  writeFileSync(headsFile, lines.replace(/"position":20/, '"position":19'));
  t.match((await verify()).faults.map(({ reason }) => reason), ['head-forged', 'head-missing'], 'a statement that was changed');

  const sound = await sealed(t);
  const text = readFileSync(sound.headsFile, 'utf8');
  const [one, two] = text.trim().split('\n');
  for (const [what, content, reasons] of [
    ['the first head is removed', `${two}\n`, ['head-missing']],
    ['the last head is removed', `${one}\n`, ['head-late']],
    ['all heads are removed', '', ['head-late']],
    ['heads change places', `${two}\n${one}\n`, ['head-missing', 'head-missing', 'head-rewound']],
    ['a head of another log is put in', `${one}\n${first}\n`, ['rewritten', 'head-missing', 'head-rewound', 'head-late']],
    ['a line that a crash cut off is passed over', `${one}\n{"posit\n${two}\n`, []],
    ['control: all heads are there', text, []],
  ] as const) {
    writeFileSync(sound.headsFile, content);
    t.same((await sound.verify()).faults.map(({ reason }) => reason).toSorted(), [...reasons].toSorted(), what);
  }
  t.ok(second);
});

t.test('the sealer goes on after an interruption, states no chain that was cut, and never seals what was put in later', async (t) => {
  const { database, owner, headsFile, verify } = await sealed(t, 20);
  const log = new AuditLog(database);
  appendFileSync(headsFile, '{"position":'); // a crash while a head was written
  await log.record([row(1), row(2)]);
  await owner.query(`insert into audit_event (id, recorded, interaction, action, outcome, client, request_id) values (gen_random_uuid(), now() - interval '1 hour', 'read', 'R', '0', 'app', 'x')`);
  const job = auditSeal({ database, key, headsFile, log: silent, marginMs: 0 });
  await Promise.allSettled([sealBatch(database, 0), sealBatch(database, 0)]);
  t.match(await chainEnd(database), { position: 22 }, 'two at once seal everything once');
  await job.run(Date.now(), new AbortController().signal);
  t.match(newestHead(headsFile), { position: 22 });
  t.match((await verify()).faults.map(({ reason }) => reason), ['inserted']);

  await owner.query('delete from audit_event where id in (select event from audit_seal where position > 15); delete from audit_seal where position > 15');
  const errors: string[] = [];
  await auditSeal({ database, key, headsFile, log: { ...silent, error: ({ event }) => { errors.push(event); } } }).run(Date.now(), new AbortController().signal);
  t.same([errors, newestHead(headsFile)?.position], [['audit-chain-cut'], 22], 'it is told, and no head is written that would make the rest look whole');
});

t.test('an event whose transaction is open when others are sealed is sealed after it, never passed over', async (t) => {
  const { database, verify } = await sealed(t, 20);
  const { auditStatement } = await import('../../src/store/write.ts');
  const open = await database.lease();
  const late = auditStatement([row(7)]);
  await open.query('begin');
  await open.query(late.text, late.values);
  await new AuditLog(database).record([row(8)]);
  t.match(await sealBatch(database, 0), { sealed: 0 }, 'the horizon stays before it');
  await open.query('commit');
  open.release();
  t.match(await sealBatch(database, 0), { sealed: 2 });
  t.same((await verify()).faults.filter(({ reason }) => reason !== 'head-late'), []);
});

t.test('npm run audit:verify tells by its exit code, with the public key alone', async (t) => {
  const { owner, ownerUrl, headsFile } = await sealed(t, 20);
  const beside = join(folder, 'public.pem');
  copyFileSync(publicKeyFileOf(keyFile), beside);
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [program, `--heads=${headsFile}`, `--public-key=${beside}`, '--late=0', ...args], { encoding: 'utf8', env: { PATH: process.env['PATH'], DATABASE_URL: ownerUrl, DATA_DIR: join(folder, 'nothing') } });
  t.match(run(), { status: 0, stdout: /is sound\. 20 sealed events, 0 waiting.*2 signed heads, the newest at position 20/ });
  await owner.query(`update audit_event set client = 'x' where id = (select event from audit_seal where position = 7)`);
  t.match(run(), { status: 1, stdout: /position 7: the event differs[\s\S]*the first bad position is 7/ });
  t.match(run('--public-key=/nowhere'), { status: 2, stderr: /public key/ });
});

t.test('the key is readable for its owner only, and never overwritten', async (t) => {
  const file = join(folder, 'broken.pem');
  writeFileSync(file, 'no key');
  t.throws(() => openAuditKey(file), /no Ed25519/);
  t.equal(readFileSync(file, 'utf8'), 'no key');
  t.ok(openAuditKey(keyFile).equals(key));
});
