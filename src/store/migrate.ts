import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import pg from 'pg';
import { StartRefusal } from '../start-refusal.ts';
import type { Connection } from './database.ts';

/** The numbered SQL files of this version of the service. */
export const migrationsFolder = fileURLToPath(new URL('../../migrations/', import.meta.url));

interface Step {
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
}

interface Recorded {
  readonly name: string;
  readonly checksum: string | null;
}

/** How long a step waits for a lock before it lets the readers behind it pass and tries again (an ALTER TABLE that waits blocks everybody). */
const lockWaitMs = 200;

/**
 * Brings the database at `url` to the schema of this version: forward only, one transaction a file, one migrator at a time
 * (a second one waits and finds nothing left to do). The checksum of each applied file is kept and compared.
 * @returns the names applied now
 * @throws StartRefusal when the database is newer than this version, or an applied file was changed afterwards, or a step fails
 */
export async function migrate(url: string, folder: string = migrationsFolder): Promise<string[]> {
  const steps = readSteps(folder);
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 10_000, application_name: 'intersession migrate', options: `-c lock_timeout=${lockWaitMs}` });
  pool.on('error', () => {});
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await compare(db, steps);
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(Object.fromEntries(steps.map((step) => [step.name, migrationOf(step)]))) } });
    const applied: string[] = [];
    for (;;) {
      const name = await applyNext(migrator);
      if (name === undefined) break;
      applied.push(name);
    }
    await compare(db, steps); // another version may have migrated meanwhile
    return applied;
  } finally {
    await db.destroy();
  }
}

function readSteps(folder: string): Step[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql')).toSorted();
  return names.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return { name: name.slice(0, -'.sql'.length), text, checksum: createHash('sha256').update(text).digest('hex') };
  });
}

/** `up` runs inside the transaction that also records the step, so neither is there without the other. */
function migrationOf(step: Step): Migration {
  return {
    async up(db) {
      await sql.raw(step.text).execute(db);
      await sql`create table if not exists migration_checksum (name text primary key, checksum text not null)`.execute(db);
      await sql`insert into migration_checksum (name, checksum) values (${step.name}, ${step.checksum})`.execute(db);
    },
  };
}

/** Applies the next step, if there is one; waits with jitter while a lock is taken, for two minutes at most. */
async function applyNext(migrator: Migrator): Promise<string | undefined> {
  for (const deadline = performance.now() + 120_000; ;) {
    const { error, results } = await migrator.migrateUp();
    if (error === undefined) return results?.[0]?.migrationName;
    const { code } = error as { code?: string };
    const passing = code === '55P03' || code === '40P01' || code === '40001'; // lock not available, deadlock, serialization failure
    if (!passing || performance.now() > deadline) {
      const name = results?.[0]?.migrationName ?? 'a migration';
      throw new StartRefusal(`The database could not be migrated: ${name} failed (${code ?? (error as Error).name}). Nothing of it was kept.`, { cause: error });
    }
    await delay(50 + Math.random() * 150);
  }
}

async function compare(db: Kysely<unknown>, steps: readonly Step[]): Promise<void> {
  const { rows: [present] } = await sql<{ steps: boolean; checksums: boolean }>`select to_regclass('kysely_migration') is not null as steps, to_regclass('migration_checksum') is not null as checksums`.execute(db);
  if (!present?.steps) return;
  const { rows } = present.checksums
    ? await sql<Recorded>`select name, checksum from kysely_migration left join migration_checksum using (name) order by name`.execute(db)
    : await sql<Recorded>`select name, null as checksum from kysely_migration order by name`.execute(db);
  const known = new Map(steps.map((step) => [step.name, step.checksum]));
  const unknown = rows.find((row) => !known.has(row.name));
  if (unknown) throw new StartRefusal(`The database is newer than this version of the service: it holds migration ${unknown.name}, which this version does not know. Start the newer version, or restore the backup taken before the upgrade.`);
  const changed = rows.find((row) => row.checksum !== null && row.checksum !== known.get(row.name));
  if (changed) throw new StartRefusal(`Migration ${changed.name} was changed after it had been applied to this database: restore the file, and put the change in a new one.`);
}

/** Settings without which an acknowledged write can be lost. */
export const durabilitySettings = ['fsync', 'synchronous_commit', 'full_page_writes'] as const;

/**
 * Refuses a server that is too old or that would lose acknowledged writes in a crash.
 * @param allowed names of settings whose risk the operator accepts (ALLOW_UNSAFE_DATABASE)
 * @throws StartRefusal naming the version or the settings
 */
export async function checkServer(connection: Connection, allowed: readonly string[] = []): Promise<void> {
  const [server] = await connection.query<Record<string, string>>(
    `select current_setting('server_version_num') as version, current_setting('server_version') as label, ${durabilitySettings.map((name) => `current_setting('${name}') as ${name}`).join(', ')}, pg_is_in_recovery()::text as standby`);
  if (!server) throw new StartRefusal('The database answers with nothing.');
  if (Number(server['version']) < 150_000) throw new StartRefusal(`The database is PostgreSQL ${server['label']}: version 15 or later is needed.`);
  if (server['standby'] === 'true') throw new StartRefusal('The database is a standby and cannot be written: set DATABASE_URL to the primary (target_session_attrs=read-write).');
  const unsafe = durabilitySettings.filter((name) => server[name] === 'off' && !allowed.includes(name));
  if (unsafe.length > 0) throw new StartRefusal(`The database would lose acknowledged writes in a crash: ${unsafe.join(', ')} ${unsafe.length > 1 ? 'are' : 'is'} off. Switch on, or accept the loss with ALLOW_UNSAFE_DATABASE=${unsafe.join(',')}.`);
}
