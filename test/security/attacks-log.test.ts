import { spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { chained, noHash, sealedColumns } from '../../src/store/audit-chain.ts';
import { appendHead, openAuditKey, publicKeyFileOf } from '../../src/store/audit-heads.ts';
import { verifyAudit, type AuditReport } from '../../src/store/audit-verify.ts';
import { openDatabase } from '../../src/store/database.ts';
import { testService } from '../kit/service.ts';

// Who has every right on the database changes the log of a running service; and a busy service raises no alarm.

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'intersession-log-'));
t.teardown(() => { rmSync(folder, { recursive: true }); });
const headsFile = join(folder, 'heads.jsonl');
const keyFile = join(folder, 'audit-key.pem');
const service = await testService(t, { env: { AUDIT_KEY_FILE: keyFile, AUDIT_HEADS_FILE: headsFile } });
const system = service.as();
const owner = openDatabase({ url: service.ownerUrl, connections: 2, namedStatements: false, statementTimeoutMs: 30_000 });
t.teardown(() => owner.close());

async function verify(late: number, heads: readonly string[] = [headsFile]): Promise<AuditReport> {
  const connection = await owner.lease();
  try {
    return await verifyAudit({ connection, publicKey: createPublicKey(readFileSync(publicKeyFileOf(keyFile))), headFiles: heads, lateMs: late, mostFaults: 1000 });
  } finally {
    connection.release();
  }
}

/** `npm run audit:verify`, in a process of its own. */
function command(): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../src/commands/audit-verify.ts', import.meta.url)), `--heads=${headsFile}`, `--public-key=${publicKeyFileOf(keyFile)}`], { env: { PATH: process.env['PATH'], DATABASE_URL: service.ownerUrl, DATA_DIR: join(folder, 'nothing') } });
  let text = '';
  child.stdout.on('data', (data: Buffer) => { text += data.toString(); });
  return new Promise((resolve) => { child.once('close', (code) => { resolve({ code, text }); }); });
}

const work = async (n: number): Promise<void> => {
  await system('PUT', `Patient/p${n % 7}`, { resourceType: 'Patient', id: `p${n % 7}`, language: n % 2 === 0 ? 'en' : 'de' });
  await system('GET', `Patient?_id=p${n % 7}&_lastUpdated=gt2020-01-0${1 + n % 9}`);
  await system('POST', 'Goal', { resourceType: 'Goal', lifecycleStatus: 'active', description: { text: 'x' }, subject: { reference: `Patient/p${n % 7}` } });
};

await t.test('no false alarm: sixteen clients write, the job seals, and every verification in between is sound', async (t) => {
  let busy = true;
  let done = 0;
  const clients = Array.from({ length: 16 }, async (_, client) => {
    for (let n = client; busy; n += 16) {
      await work(n);
      done++;
    }
  });
  const sealing = (async () => {
    for (; busy; await new Promise((resolve) => { setTimeout(resolve, 20); })) await service.job('audit-seal');
  })();
  const found: unknown[] = [];
  let rounds = 0;
  for (const end = performance.now() + 2000; performance.now() < end; rounds++) found.push(...(await verify(60_000)).faults);
  const { code, text } = await command();
  busy = false;
  await Promise.all([...clients, sealing]);
  t.same(found, [], `${rounds} times while ${done} rounds of requests were answered`);
  t.equal(code, 0, text);
  t.ok(rounds > 3 && done > 16);
});

let length = 0;
let middle = 0;
/** Seals everything that was logged: the sealer stays a second behind. */
async function sealed(): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 1100); });
  await service.job('audit-seal');
}

await t.test('nor does the job that seals and signs while the log is read', async (t) => {
  await sealed();
  const lease = await owner.lease();
  let meanwhile = 0;
  const connection = Object.assign(Object.create(lease) as typeof lease, {
    query: async (...[text, values]: Parameters<typeof lease.query>) => {
      const rows = await lease.query(text, values);
      if (text.includes('as due')) {
        await work(meanwhile++);
        await sealed();
      }
      return rows;
    },
  });
  const report = await verifyAudit({ connection, publicKey: createPublicKey(readFileSync(publicKeyFileOf(keyFile))), headFiles: [headsFile], lateMs: 60_000, mostFaults: 10 });
  lease.release();
  t.equal(meanwhile, 1);
  t.same(report.faults, []);
  length = Number((await owner.query<{ n: string }>('select max(position)::text as n from audit_seal', []))[0]!.n);
  middle = Math.floor(length / 2);
  t.ok(report.newest!.position < length, 'a head was written meanwhile');
});

const tables = ['audit_event', 'audit_seal', 'audit_query'];
const keep = tables.map((table) => `create table kept_${table} as select * from ${table}`).join(';');
const restore = tables.map((table) => `truncate ${table}; insert into ${table} select * from kept_${table}; drop table kept_${table}`).join(';');
const at = (position: number): string => `(select event from audit_seal where position = ${position})`;

/** Computes the chain of what is there anew. */
async function rechain(): Promise<Buffer> {
  const events = await owner.query<{ id: string; recorded: string; content: string }>(`select ${sealedColumns} from audit_event e order by e.recorded, e.id`);
  let hash = noHash;
  const hashes = events.map((event) => (hash = chained(hash, event)));
  await owner.query('truncate audit_seal', []);
  await owner.query('insert into audit_seal (position, recorded, event, hash) select n, at, event, hash from unnest($1::timestamptz[], $2::uuid[], $3::bytea[]) with ordinality as s(at, event, hash, n)',
    [events.map(({ recorded }) => recorded), events.map(({ id }) => id), hashes.map((each) => `\\x${each.toString('hex')}`)]);
  return hash;
}

await t.test('what the owner of the tables does to them is named with its position', async (t) => {
  t.same((await verify(0)).faults, [], 'the control');
  const attacks: readonly [what: string, change: () => Promise<unknown>, fault: { position?: number; reason: string }][] = [
    ['with triggers put out of force', () => owner.query(`alter table audit_event disable trigger user; delete from audit_event where id = ${at(middle)}; alter table audit_event enable trigger user`), { position: middle, reason: 'deleted' }],
    ['whose record it was', () => owner.query(`update audit_event set patient = coalesce(patient, 0) + 1 where id = ${at(middle)}`), { position: middle, reason: 'modified' }],
    ['where it came from', () => owner.query(`update audit_event set address = '10.0.0.1' where id = ${at(3)}`), { position: 3, reason: 'modified' }],
    ['a value where there was none', () => owner.query(`update audit_event set agent = '' where id = ${at(middle)}`), { position: middle, reason: 'modified' }],
    ['which request', () => owner.query(`update audit_event set request_id = 'x' where id = ${at(length)}`), { position: length, reason: 'modified' }],
    ['a microsecond', () => owner.query(`update audit_event set recorded = recorded + interval '1 microsecond' where id = ${at(length)}`), { position: length, reason: 'deleted' }],
    ['a day', () => owner.query(`update audit_event set recorded = recorded - interval '1 day' where id = ${at(middle)}`), { position: 0, reason: 'inserted' }],
    ['a day, of the seal too', () => owner.query(`update audit_event set recorded = recorded - interval '1 day' where id = ${at(middle)}; update audit_seal set recorded = recorded - interval '1 day' where position = ${middle}`), { position: 0, reason: 'inserted' }],
    ['a copy under another id', () => owner.query(`create temporary table one as select * from audit_event where id = ${at(middle)}; update one set id = gen_random_uuid(), recorded = recorded + interval '1 microsecond'; insert into audit_event select * from one; drop table one`), { reason: 'inserted' }],
    ['all seals', () => owner.query('truncate audit_seal'), { position: 0, reason: 'unsealed' }],
    ['all there is', () => owner.query('truncate audit_event, audit_seal, audit_query'), { position: 0, reason: 'truncated' }],
    ['a seal beyond the end', () => owner.query(`insert into audit_seal select max(position) + 5, max(recorded), gen_random_uuid(), sha256('x') from audit_seal`), { position: length + 1, reason: 'seal-missing' }],
    ['the salt of a query', () => owner.query(`update audit_query set salt = sha256('x') where event = (select q.event from audit_query q join audit_seal s on s.event = q.event order by s.position limit 1)`), { reason: 'query-modified' }],
    ['the chain computed anew', async () => { await owner.query(`update audit_event set client = 'somebody' where id = ${at(middle)}`); await rechain(); }, { reason: 'rewritten' }],
    ['the chain computed anew without one', async () => { await owner.query(`delete from audit_event where id = ${at(middle)}`); await rechain(); }, { reason: 'rewritten' }],
  ];
  for (const [what, change, fault] of attacks) {
    await owner.query(keep);
    await change();
    const { faults } = await verify(0);
    t.match(faults[0], fault, `${what}: ${JSON.stringify(faults.slice(0, 2))}`);
    await owner.query(restore);
  }
  t.same((await verify(0)).faults, [], 'the control: all is as it was');
});

await t.test('an older backup, a stolen key and a shortened file of heads are told', async (t) => {
  await owner.query(keep);
  const kept = readFileSync(headsFile, 'utf8');
  const elsewhere = join(folder, 'copy.jsonl');
  for (let n = 0; n < 3; n++) await work(n);
  await sealed();
  const whole = readFileSync(headsFile, 'utf8');
  writeFileSync(elsewhere, whole);
  await owner.query(restore);
  t.match((await verify(60_000)).faults[0], { position: length, reason: 'truncated' }, 'the backup of before');
  const told = await command();
  t.match(told, { code: 1, text: new RegExp(`position ${length}: the chain ends here[\\s\\S]*first bad position is ${length}`) });
  await work(5);
  await service.job('audit-seal');
  t.equal(readFileSync(headsFile, 'utf8'), whole, 'and nothing is signed for what was put back');
  // with the heads of before the machine knows nothing; the copy that is kept elsewhere does
  writeFileSync(headsFile, kept);
  t.ok((await verify(60_000, [headsFile, elsewhere])).faults.some(({ reason }) => reason === 'truncated'), 'told by the copy');
  await owner.query(`update audit_event set client = 'somebody' where id = ${at(middle)}`);
  const hash = await rechain();
  const [end] = await owner.query<{ n: string }>('select max(position)::text as n from audit_seal', []);
  rmSync(headsFile);
  appendHead(headsFile, openAuditKey(keyFile), { position: Number(end!.n), hash: hash.toString('hex'), at: new Date().toISOString() });
  t.same((await verify(60_000)).faults, [], 'who has the key and the file can make a chain of his own');
  t.ok((await verify(60_000, [headsFile, elsewhere])).faults.some(({ reason, position }) => reason === 'rewritten' && position >= middle), 'which the copy that is kept elsewhere contradicts');
  const lines = whole.trimEnd().split('\n');
  for (const [what, text, reason] of [['the first line', lines.slice(1), 'head-missing'], ['a line in the middle', lines.toSpliced(1, 1), 'head-missing'], ['two lines exchanged', [lines[1]!, lines[0]!, ...lines.slice(2)], 'head-rewound'], ['a line twice', [lines[0]!, ...lines], 'head-rewound']] as const) {
    writeFileSync(headsFile, `${text.join('\n')}\n`);
    t.ok((await verify(60_000)).faults.some((fault) => fault.reason === reason), what);
  }
});
