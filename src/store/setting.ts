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

/** @returns the secret that seals paging tokens: made once, shared by all processes of the deployment. */
export async function pageKey(connection: Connection): Promise<Buffer> {
  await connection.query(`insert into setting (name, value) values ('page-key', $1) on conflict (name) do nothing`, [randomBytes(32).toString('base64')]);
  return Buffer.from((await readSetting(connection, 'page-key'))!, 'base64');
}
