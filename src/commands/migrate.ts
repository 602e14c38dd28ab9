// Brings the database of DATABASE_URL to the schema of this version: npm run migrate
import { loadConfig } from '../config.ts';
import { StartRefusal } from '../start-refusal.ts';
import { migrate } from '../store/migrate.ts';

try {
  const { databaseUrl } = loadConfig();
  if (databaseUrl === undefined) throw new StartRefusal('DATABASE_URL is not set. The built-in database is migrated when the service starts.');
  const applied = await migrate(databaseUrl);
  process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}.\n` : 'Nothing to do: the database is up to date.\n');
} catch (error) {
  const reason = error instanceof StartRefusal ? error.message : `The database cannot be reached or refuses (${(error as { code?: string }).code ?? (error as Error).name}).`;
  process.stderr.write(`migrate: ${reason}\n`);
  process.exitCode = 1;
}
