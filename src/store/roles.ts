import { openDatabase, type Connection, type Database } from './database.ts';

type Privilege = 'select' | 'insert' | 'update' | 'delete' | `update (${string})`;

/** What the service does with a table that is not listed. */
const usual: readonly Privilege[] = ['select', 'insert', 'update', 'delete'];

/**
 * What the service does with tables whose rows are evidence. A version is written once: what changes is whether it is the
 * live one; and it is deleted when a person is erased.
 */
const restricted: Readonly<Record<string, readonly Privilege[]>> = {
  resource: ['select', 'insert', 'update (live)', 'delete'],
  audit_event: ['select', 'insert'],
  audit_seal: ['select', 'insert'],
  audit_query: ['select', 'insert', 'delete'],
  erasure: ['select', 'insert', 'update (begun, finished, resources, versions)'],
  legal_hold: ['select', 'insert', 'update (released)'],
  trajectory_reference: ['select', 'insert'],
  kysely_migration: ['select'],
  kysely_migration_lock: ['select'],
  migration_checksum: ['select'],
};

const quoted = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;

/**
 * Gives `role` what the service does with the tables of this schema version, and takes away whatever else it had: the second
 * wall, which holds whatever the program says. One process at a time; a running service notices nothing.
 * @param owner a database whose role owns the tables.
 */
export async function confine(owner: Database, role: string): Promise<void> {
  await owner.transaction(async (connection) => {
    const run = (text: string): Promise<unknown> => connection.query(text);
    await run(`select pg_advisory_xact_lock(hashtext('intersession roles'))`);
    const tables = await connection.query<{ name: string }>(`select tablename as name from pg_tables where schemaname = 'public' order by tablename`);
    const [database] = await connection.query<{ name: string }>('select current_database() as name');
    const to = quoted(role);
    await run(`revoke temporary on database ${quoted(database!.name)} from public`);
    await run(`revoke all on schema public from ${to}`);
    await run(`grant usage on schema public to ${to}`);
    await run(`revoke all on all tables in schema public from ${to}`);
    for (const { name } of tables) await run(`grant ${(restricted[name] ?? usual).join(', ')} on ${quoted(name)} to ${to}`);
    await run(`grant usage on all sequences in schema public to ${to}`);
  });
}

/** `confine`s the role of `service`, which another role owns. @param ownerUrl the same database as its owner. */
export async function confineTo(ownerUrl: string, service: Connection): Promise<void> {
  const rows = await service.query<{ role: string }>('select current_user::text as role', []);
  const owner = openDatabase({ url: ownerUrl, connections: 1, namedStatements: false, statementTimeoutMs: 30_000 });
  try {
    await confine(owner, rows[0]!.role);
  } finally {
    await owner.close();
  }
}

/** @returns whether the role of `connection` can neither change the access log nor the schema: false where it owns them. */
export async function isConfined(connection: Connection): Promise<boolean> {
  const rows = await connection.query<{ confined: boolean }>(`
    select not (
      has_table_privilege('audit_event', 'update') or has_table_privilege('audit_event', 'delete') or has_table_privilege('audit_event', 'truncate')
      or has_table_privilege('audit_seal', 'update') or has_table_privilege('audit_seal', 'delete') or has_table_privilege('audit_seal', 'truncate')
      or has_schema_privilege('public', 'create')
      or (select pg_has_role(c.relowner, 'member') from pg_class c where c.oid = 'audit_event'::regclass)
    ) as confined`, []);
  return rows[0]!.confined;
}
