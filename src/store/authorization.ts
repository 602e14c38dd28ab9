import { createHash } from 'node:crypto';
import type { Connection, Database } from './database.ts';

/** What the authorization server keeps of one session, code, token, grant or launch. */
export type Payload = Readonly<Record<string, unknown>>;

const digestOf = (id: string): Buffer => createHash('sha256').update(id).digest();

/** Longest life of an access token: what is revoked is listed for as long. */
const longestTokenSeconds = 3600;

interface Row { readonly payload: string; readonly consumed: string | null }

const columns = `payload, extract(epoch from consumed)::bigint::text as consumed`;

/** Texts of a payload that entries are found by, or ended by. */
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/**
 * The memory of the authorization server, shared by all processes of the deployment. An entry is known by the digest of its
 * id: the id itself is the secret (a code, a refresh token, a session's cookie) and is not kept.
 */
export class AuthorizationStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps an entry, or what it has become. */
  async keep(kind: string, id: string, payload: Payload, seconds: number): Promise<void> {
    await this.#database.query(`
      insert into authorization_entry (kind, digest, payload, grant_id, uid, account, client, expires)
      values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
      on conflict (kind, digest) do update set payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid,
        account = excluded.account, client = excluded.client, expires = excluded.expires`,
    [kind, digestOf(id), JSON.stringify({ ...payload, jti: undefined }), kind === 'Grant' ? id : text(payload['grantId']), text(payload['uid']), text(payload['accountId']), text(payload['clientId']), seconds]);
  }

  /** Keeps an entry that must not be there yet. @returns false when it is: of many who try at once, one is told true. */
  async keepOnce(kind: string, id: string, payload: Payload, seconds: number): Promise<boolean> {
    const rows = await this.#database.query(`
      insert into authorization_entry (kind, digest, payload, expires) values ($1, $2, $3, now() + make_interval(secs => $4))
      on conflict (kind, digest) do update set payload = excluded.payload, expires = excluded.expires where authorization_entry.expires <= now()
      returning kind`, [kind, digestOf(id), JSON.stringify({ ...payload, jti: undefined }), seconds]);
    return rows.length === 1;
  }

  /** @returns the entry while it lives, with its id in it. */
  async find(kind: string, id: string): Promise<Payload | undefined> {
    const rows = await this.#database.query<Row>(`select ${columns} from authorization_entry where kind = $1 and digest = $2 and expires > now()`, [kind, digestOf(id)]);
    return rows[0] === undefined ? undefined : { ...payloadOf(rows[0]), jti: id };
  }

  /** @returns the entry with this `uid`; its id is not known. */
  async findByUid(kind: string, uid: string): Promise<Payload | undefined> {
    const rows = await this.#database.query<Row>(`select ${columns} from authorization_entry where kind = $1 and uid = $2 and expires > now()`, [kind, uid]);
    return rows[0] === undefined ? undefined : payloadOf(rows[0]);
  }

  /** Marks an entry as used. @returns false when it was used before, or is not there: of many who try at once, one is told true. */
  async consume(kind: string, id: string): Promise<boolean> {
    const rows = await this.#database.query('update authorization_entry set consumed = now() where kind = $1 and digest = $2 and consumed is null and expires > now() returning kind', [kind, digestOf(id)]);
    return rows.length === 1;
  }

  async remove(kind: string, id: string): Promise<void> {
    await this.#database.query('delete from authorization_entry where kind = $1 and digest = $2', [kind, digestOf(id)]);
  }

  /** Ends a grant: its codes and refresh tokens are gone, its access tokens are revoked. */
  async revokeGrant(grantId: string): Promise<void> {
    await this.#database.transaction(async (connection) => {
      await connection.query('delete from authorization_entry where grant_id = $1', [grantId]);
      await revoke(connection, [grantId]);
    });
  }

  /** Revokes single access tokens (`jti`) or all of a client (`client:id`). */
  async revoke(ids: readonly string[]): Promise<void> {
    await revoke(this.#database, ids);
  }

  /** @returns everything that is revoked at the moment. */
  async revoked(): Promise<ReadonlySet<string>> {
    const rows = await this.#database.query<{ id: string }>('select id from authorization_revocation where expires > now()', []);
    return new Set(rows.map(({ id }) => id));
  }

  /** Counts one attempt. @returns how many there were in the window that the first one opened, and when it closes. */
  async attempt(key: string, windowSeconds: number): Promise<{ readonly failures: number; readonly seconds: number }> {
    const rows = await this.#database.query<{ failures: number; seconds: number }>(`
      insert into authorization_attempt as a (key, failures, until) values ($1, 1, now() + make_interval(secs => $2))
      on conflict (key) do update set
        failures = case when a.until <= now() then 1 else a.failures + 1 end,
        until = case when a.until <= now() then excluded.until else a.until end
      returning failures, ceil(extract(epoch from until - now()))::integer as seconds`, [digestOf(key), windowSeconds]);
    return rows[0]!;
  }

  /** Forgets the attempts of one who has succeeded. */
  async forgetAttempts(key: string): Promise<void> {
    await this.#database.query('delete from authorization_attempt where key = $1', [digestOf(key)]);
  }

  /** Takes one attempt back: of an address that others share, a success says nothing about the failures. */
  async forgiveAttempt(key: string): Promise<void> {
    await this.#database.query('update authorization_attempt set failures = failures - 1 where key = $1 and failures > 0', [digestOf(key)]);
  }

  /** Removes what has expired. @returns the number of entries removed. */
  async sweep(): Promise<number> {
    const entries = await this.#database.query('delete from authorization_entry where expires <= now() returning kind', []);
    await this.#database.query('delete from authorization_attempt where until <= now()', []);
    await this.#database.query('delete from authorization_revocation where expires <= now()', []);
    return entries.length;
  }
}

function payloadOf({ payload, consumed }: Row): Payload {
  return { ...(JSON.parse(payload) as Payload), ...(consumed === null ? {} : { consumed: Number(consumed) }) };
}

async function revoke(connection: Connection, ids: readonly string[]): Promise<void> {
  await connection.query(`
    insert into authorization_revocation (id, expires) select id, now() + make_interval(secs => $2) from unnest($1::text[]) id
    on conflict (id) do update set expires = excluded.expires`, [ids, longestTokenSeconds]);
}

/**
 * Ends all grants, sessions and pending sign-ins of a user or client, in the transaction that removes it.
 * @param column which of the two `id` is.
 */
export async function endAllOf(connection: Connection, column: 'account' | 'client', id: string): Promise<void> {
  const ended = await connection.query<{ kind: string; grant_id: string | null }>(`delete from authorization_entry where ${column} = $1 returning kind, grant_id`, [id]);
  const grants = [...new Set(ended.map((row) => row.grant_id).filter((grant) => grant !== null))];
  await revoke(connection, column === 'client' ? [...grants, `client:${id}`] : grants);
}

/**
 * Ends what was granted and opened for the record of a Patient who is erased: the context of launches names the id, and a grant
 * for a record that is gone is good for nothing. In the transaction that forgets the person's account.
 */
export async function endAllAbout(connection: Connection, patient: string): Promise<void> {
  const ended = await connection.query<{ grant_id: string | null }>("delete from authorization_entry where kind in ('Launch', 'EhrLaunch') and payload::jsonb ->> 'patient' = $1 returning grant_id", [patient]);
  const grants = [...new Set(ended.map((row) => row.grant_id).filter((grant) => grant !== null))];
  await connection.query('delete from authorization_entry where grant_id = any($1::text[])', [grants]);
  await revoke(connection, grants);
}
