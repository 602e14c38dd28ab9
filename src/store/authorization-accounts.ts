import { createHash } from 'node:crypto';
import { endAllOf } from './authorization.ts';
import type { Database } from './database.ts';

/** A registered client as it is stored: the registration is read by `src/auth/client.ts`. */
export interface StoredClient {
  readonly id: string;
  /** JSON. */
  readonly registration: string;
  /** SHA-256 of the secret, base64url; null: it has none. */
  readonly secret: string | null;
}

export interface StoredUser {
  readonly id: string;
  readonly name: string;
  /** A hash with its parameters and salt (`src/auth/password.ts`). */
  readonly password: string;
  /** `Practitioner/x` or `Patient/x`. */
  readonly fhirUser: string;
}

/** @returns what is kept of a client's secret: it is at least 32 characters long, so its digest cannot be guessed back. */
export const secretDigest = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

const clientColumns = `id, registration, translate(encode(secret, 'base64'), '+/=', '-_') as secret`;
const userColumns = 'id::text, name, password, fhir_user as "fhirUser"';

/** Clients and users that were registered by command; those of a configuration file are not stored. */
export class AccountStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async client(id: string): Promise<StoredClient | undefined> {
    return (await this.#database.query<StoredClient>(`select ${clientColumns} from authorization_client where id = $1`, [id]))[0];
  }

  async clients(): Promise<StoredClient[]> {
    return this.#database.query<StoredClient>(`select ${clientColumns} from authorization_client order by id`, []);
  }

  /** @returns false when there is a client of this id already. */
  async addClient({ id, registration, secret }: StoredClient): Promise<boolean> {
    return this.#database.transaction(async (connection) => {
      const added = await connection.query('insert into authorization_client (id, registration, secret) values ($1, $2, $3) on conflict (id) do nothing returning id',
        [id, registration, secret === null ? null : Buffer.from(secret, 'base64url')]);
      if (added.length === 1) await connection.query('delete from authorization_revocation where id = $1', [`client:${id}`]);
      return added.length === 1;
    });
  }

  /** Removes a client and ends what it was granted. @returns false when there is none. */
  async removeClient(id: string): Promise<boolean> {
    return this.#database.transaction(async (connection) => {
      const removed = await connection.query('delete from authorization_client where id = $1 returning id', [id]);
      if (removed.length === 1) await endAllOf(connection, 'client', id);
      return removed.length === 1;
    });
  }

  async user(id: string): Promise<StoredUser | undefined> {
    return (await this.#database.query<StoredUser>(`select ${userColumns} from authorization_user where id = $1::uuid`, [id]))[0];
  }

  async userByName(name: string): Promise<StoredUser | undefined> {
    return (await this.#database.query<StoredUser>(`select ${userColumns} from authorization_user where name = $1`, [name]))[0];
  }

  async users(): Promise<StoredUser[]> {
    return this.#database.query<StoredUser>(`select ${userColumns} from authorization_user order by name`, []);
  }

  /** @returns false when the name is taken. */
  async addUser({ id, name, password, fhirUser }: StoredUser): Promise<boolean> {
    const added = await this.#database.query('insert into authorization_user (id, name, password, fhir_user) values ($1::uuid, $2, $3, $4) on conflict (name) do nothing returning id',
      [id, name, password, fhirUser]);
    return added.length === 1;
  }

  /** Sets another password and ends the sessions and grants of the user. @returns false when there is none. */
  async setPassword(name: string, password: string): Promise<boolean> {
    return this.#change('update authorization_user set password = $2 where name = $1 returning id::text', [name, password]);
  }

  /** Removes a user and ends all sessions and grants. @returns false when there is none. */
  async removeUser(name: string): Promise<boolean> {
    return this.#change('delete from authorization_user where name = $1 returning id::text', [name]);
  }

  async #change(statement: string, values: readonly string[]): Promise<boolean> {
    return this.#database.transaction(async (connection) => {
      const [changed] = await connection.query<{ id: string }>(statement, values);
      if (changed !== undefined) await endAllOf(connection, 'account', changed.id);
      return changed !== undefined;
    });
  }
}
