// Brings the database of DATABASE_URL to the schema of this version, as the role of DATABASE_MIGRATION_URL where that is set: npm run migrate
import { loadConfig } from '../config.ts';
import { StartRefusal } from '../start-refusal.ts';
import { openDatabase } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { confineTo } from '../store/roles.ts';

try {
  const { databaseUrl, migrationUrl } = loadConfig();
  if (databaseUrl === undefined) throw new StartRefusal('DATABASE_URL is not set. The built-in database is migrated when the service starts.');
  const applied = await migrate(migrationUrl ?? databaseUrl);
  if (migrationUrl !== undefined) {
    const service = openDatabase({ url: databaseUrl, connections: 1, namedStatements: false, statementTimeoutMs: 10_000 });
    await confineTo(migrationUrl, service).finally(() => service.close());
  }
  process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}.\n` : 'Nothing to do: the database is up to date.\n');
} catch (error) {
  const reason = error instanceof StartRefusal ? error.message : `The database cannot be reached or refuses (${(error as { code?: string }).code ?? (error as Error).name}).`;
  process.stderr.write(`migrate: ${reason}\n`);
  process.exitCode = 1;
}
