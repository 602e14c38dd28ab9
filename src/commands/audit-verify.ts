// Verifies the access log against its seals and the signed heads outside the database: npm run audit:verify [-- --heads=FILE ... --public-key=FILE --late=SECONDS]
// It needs no private key, changes nothing, and reads as the role of AUDIT_DATABASE_URL where that is set. Exit code: 0 sound, 1 not, 2 could not be told.
import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { StartRefusal } from '../start-refusal.ts';
import { publicKeyFileOf } from '../store/audit-heads.ts';
import { verifyAudit, type AuditFault, type AuditReport } from '../store/audit-verify.ts';
import { openDatabase } from '../store/database.ts';
import { ownerDatabase } from './owner-database.ts';

const words: Readonly<Record<AuditFault['reason'], string>> = {
  modified: 'the event differs from what was sealed',
  deleted: 'the event that was sealed here is gone, or its time or id was changed',
  inserted: 'after this position stands an event that was never sealed',
  'seal-missing': 'the seal is gone',
  reordered: 'the seals are not in the order of their events',
  'query-modified': 'the text of the query is not what was asked',
  rewritten: 'the chain is not what the signed head says it was',
  truncated: 'the chain ends here, and a signed head says that it was longer',
  unsealed: 'events after this position have waited too long for their seal: they were inserted, or the job audit-seal does not run',
  'head-late': 'no head outside the database reaches this position: heads were taken away, or the job audit-seal does not run',
  'head-forged': 'a head is not signed by the key',
  'head-missing': 'heads before this line are gone',
  'head-rewound': 'a head goes back behind the one before it',
};

async function verified(): Promise<AuditReport> {
  const { values } = parseArgs({ options: { heads: { type: 'string', multiple: true }, 'public-key': { type: 'string' }, late: { type: 'string' } } });
  const config = loadConfig();
  const keyFile = values['public-key'] ?? publicKeyFileOf(config.auditKeyFile);
  if (!existsSync(keyFile)) throw new StartRefusal(`The public key ${keyFile} is not there: name it with --public-key.`);
  const { url, stop } = await ownerDatabase({ ...config, migrationUrl: config.auditDatabaseUrl ?? config.migrationUrl });
  const database = openDatabase({ url, connections: 1, namedStatements: false, statementTimeoutMs: 600_000 });
  try {
    const connection = await database.lease();
    try {
      return await verifyAudit({
        connection, publicKey: createPublicKey(readFileSync(keyFile)), headFiles: values.heads ?? [config.auditHeadsFile],
        lateMs: 1000 * Number(values.late ?? 120), mostFaults: 100,
      });
    } finally {
      connection.release();
    }
  } finally {
    await database.close();
    await stop();
  }
}

try {
  const { faults, sealed, waiting, erasedQueries, heads, newest } = await verified();
  for (const { position, reason, event, head } of faults) {
    process.stdout.write(`position ${position}: ${words[reason]} (${[reason, ...(event === undefined ? [] : [`event ${event}`]), ...(head === undefined ? [] : [head])].join(', ')})\n`);
  }
  const summary = `${sealed} sealed events, ${waiting} waiting for their seal, ${erasedQueries} erased queries, ${heads} signed heads${newest === undefined ? '' : `, the newest at position ${newest.position} of ${newest.at}`}`;
  process.stdout.write(`${faults.length === 0 ? 'The access log is sound' : `The access log is NOT sound: the first bad position is ${Math.min(...faults.map(({ position }) => position))}`}. ${summary}.\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`audit:verify: ${error instanceof StartRefusal ? error.message : `the access log cannot be read (${(error as { code?: string }).code ?? (error as Error).name})`}\n`);
  process.exitCode = 2;
}
