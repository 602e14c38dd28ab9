import { randomBytes } from 'node:crypto';
import type { Connection } from './database.ts';

/** @returns the value of a setting of the deployment, or undefined. */
export async function readSetting(connection: Connection, name: string): Promise<string | undefined> {
  const rows = await connection.query<{ value: string }>('select value from setting where name = $1', [name]);
  return rows[0]?.value;
}

/** Sets a setting of the deployment. */
export async function writeSetting(connection: Connection, name: string, value: string): Promise<void> {
  await connection.query('insert into setting (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value', [name, value]);
}

/** @returns a secret of this name, base64: made once, shared by all processes of the deployment. */
export async function deploymentSecret(connection: Connection, name: string): Promise<string> {
  await connection.query('insert into setting (name, value) values ($1, $2) on conflict (name) do nothing', [name, randomBytes(32).toString('base64')]);
  return (await readSetting(connection, name))!;
}

/** @returns the secret that seals paging tokens. */
export async function pageKey(connection: Connection): Promise<Buffer> {
  return Buffer.from(await deploymentSecret(connection, 'page-key'), 'base64');
}
