import { readFileSync } from 'node:fs';
import type { JWK } from 'jose';
import { originsOf, readRegistration, type Registration } from '../auth/client.ts';
import { developmentClient, developmentClients, developmentUsers } from '../auth/development-client.ts';
import { keySource, type FetchedKeys } from '../auth/key-source.ts';
import type { Keys } from '../auth/keys.ts';
import { hashPassword } from '../auth/password.ts';
import { readUser, type UserEntry } from '../auth/user.ts';
import { StartRefusal } from '../start-refusal.ts';
import { secretDigest, type AccountStore } from '../store/authorization-accounts.ts';

/** How long origins are remembered: a preflight must not become a question to the database each time. */
const originsMs = 5000;

/** A registered client, wherever it is registered. */
export interface KnownClient {
  readonly registration: Registration;
  /** SHA-256 of its secret, base64url. */
  readonly secret: string | null;
}

export interface AccountOptions {
  readonly store: AccountStore;
  /** JSON files of the operator; read once. */
  readonly clientsFile: string | undefined;
  readonly usersFile: string | undefined;
  /** In development mode: the keys whose clients and users exist too. */
  readonly development: Keys | undefined;
  readonly fetchKeys: (url: URL) => Promise<FetchedKeys>;
  readonly now: () => number;
}

/**
 * Who may use the authorization server: the clients and users of the configuration files, those that were registered by
 * command, and in development mode those of the keys file. An entry of a file goes before a registered one of the same id.
 */
export class Accounts {
  readonly #store: AccountStore;
  readonly #clients: ReadonlyMap<string, KnownClient>;
  readonly #users: readonly UserEntry[];
  readonly #keys = new Map<string, (kid: string | undefined) => Promise<readonly JWK[]>>();
  readonly #options: AccountOptions;
  #origins: { readonly known: ReadonlySet<string>; readonly until: number } = { known: new Set(), until: -Infinity };
  #developmentUsers: Promise<readonly UserEntry[]> | undefined;

  /** @throws StartRefusal when a file cannot be read, or an entry is wrong or the development client's */
  constructor(options: AccountOptions) {
    this.#options = options;
    this.#store = options.store;
    const listed = entriesOf('CLIENTS_FILE', options.clientsFile, (value) => {
      const read = readRegistration(value);
      return 'wrong' in read ? read : { entry: read.client, id: read.client.client_id };
    });
    const taken = listed.find(({ client_id: id }) => (Object.values(developmentClient) as string[]).includes(id));
    if (taken !== undefined) throw new StartRefusal(`CLIENTS_FILE: ${taken.client_id} is the id of a client of development mode: its credentials are no secret.`);
    this.#users = entriesOf('USERS_FILE', options.usersFile, (value) => {
      const read = readUser(value);
      return 'wrong' in read ? read : { entry: read.user, id: read.user.name };
    });
    const all = [...(options.development === undefined ? [] : developmentClients(options.development)), ...listed];
    this.#clients = new Map(all.map((client) => [client.client_id, known(client)]));
  }

  async client(id: string): Promise<KnownClient | undefined> {
    const listed = this.#clients.get(id);
    if (listed !== undefined) return listed;
    const stored = id.length > 128 ? undefined : await this.#store.client(id);
    return stored === undefined ? undefined : { registration: JSON.parse(stored.registration) as Registration, secret: stored.secret };
  }

  /** @returns the public keys of a client as they are now. @throws when they are published elsewhere and cannot be fetched. */
  async keysOf({ jwks, jwks_uri: url }: Registration, kid: string | undefined): Promise<readonly JWK[] | undefined> {
    if (url === undefined) return jwks?.keys as readonly JWK[] | undefined;
    if (!this.#keys.has(url)) this.#keys.set(url, keySource(() => this.#options.fetchKeys(new URL(url)), this.#options.now));
    return this.#keys.get(url)!(kid);
  }

  /** Whether a page of this origin belongs to a registered client: what was registered by command counts within seconds. */
  async isOrigin(origin: string): Promise<boolean> {
    if (this.#options.now() > this.#origins.until) {
      const stored = (await this.#store.clients()).map(({ registration }) => JSON.parse(registration) as Registration);
      const listed = [...this.#clients.values()].map(({ registration }) => registration);
      this.#origins = { known: new Set([...stored, ...listed].flatMap(originsOf)), until: this.#options.now() + originsMs };
    }
    return this.#origins.known.has(origin);
  }

  async user(id: string): Promise<UserEntry | undefined> {
    return (await this.#listedUsers()).find((user) => user.id === id) ?? (uuid.test(id) ? this.#store.user(id) : undefined);
  }

  async userByName(name: string): Promise<UserEntry | undefined> {
    return (await this.#listedUsers()).find((user) => user.name === name) ?? this.#store.userByName(name);
  }

  async #listedUsers(): Promise<readonly UserEntry[]> {
    const { development } = this.#options;
    if (development === undefined) return this.#users;
    this.#developmentUsers ??= Promise.all(developmentUsers(development).map(async (user) => ({ ...user, password: await hashPassword(user.password, true) })));
    return [...await this.#developmentUsers, ...this.#users];
  }
}

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** A client without its secret. */
function known({ client_secret: secret, ...registration }: Registration): KnownClient {
  return { registration, secret: secret === undefined ? null : secretDigest(secret) };
}

function entriesOf<Entry>(variable: string, file: string | undefined, read: (value: unknown) => { entry: Entry; id: string } | { wrong: readonly string[] }): Entry[] {
  if (file === undefined) return [];
  let listed: unknown;
  try {
    listed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new StartRefusal(`${variable} ${file} cannot be read (${(error as { code?: string }).code ?? 'it is no JSON'}).`);
  }
  if (!Array.isArray(listed)) throw new StartRefusal(`${variable} ${file} must be a JSON array.`);
  const entries = listed.map(read);
  const wrong = entries.flatMap((entry, at) => ('wrong' in entry ? entry.wrong.map((line) => `${variable}[${at}] ${line}`) : []));
  if (wrong.length > 0) throw new StartRefusal(wrong.join('\n'));
  const good = entries as { entry: Entry; id: string }[];
  const twice = good.find(({ id }, at) => good.findIndex((other) => other.id === id) !== at);
  if (twice !== undefined) throw new StartRefusal(`${variable} has ${twice.id} twice.`);
  return good.map(({ entry }) => entry);
}
