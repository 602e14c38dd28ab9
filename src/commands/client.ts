// Registers the apps and systems that may ask for tokens: npm run client -- add|list|show|remove ...
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readRegistration, type Registration } from '../auth/client.ts';
import { secretDigest, type AccountStore } from '../store/authorization-accounts.ts';
import { runCommand, withAccounts } from './accounts.ts';

const usage = `usage: npm run client -- add ID --name=NAME --scope=SCOPES [--redirect-uri=URI]... (--public | --secret | --keys=JWKS.json | --keys-url=URL)
                               [--origin=ORIGIN]... [--logout-uri=URI]... [--may-launch] [--may-introspect]
       npm run client -- list
       npm run client -- show ID
       npm run client -- remove ID`;

const options = {
  'name': { type: 'string' }, 'scope': { type: 'string', multiple: true }, 'redirect-uri': { type: 'string', multiple: true }, 'logout-uri': { type: 'string', multiple: true }, 'origin': { type: 'string', multiple: true },
  'public': { type: 'boolean' }, 'secret': { type: 'boolean' }, 'keys': { type: 'string' }, 'keys-url': { type: 'string' }, 'may-launch': { type: 'boolean' }, 'may-introspect': { type: 'boolean' },
} as const;

type Values = ReturnType<typeof parsed>['values'];
const parsed = (args: readonly string[]) => parseArgs({ args: [...args], allowPositionals: true, options });

/** @returns the registration, with the secret that was drawn for it. @throws Error with one line for each element that is wrong */
function registrationOf(id: string, values: Values): Registration {
  const ways = [values.public, values.secret, values.keys, values['keys-url']].filter((way) => way !== undefined).length;
  if (ways !== 1) throw new Error('');
  const read = readRegistration({
    client_id: id, client_name: values.name ?? id, scope: (values.scope ?? []).join(' '), redirect_uris: values['redirect-uri'] ?? [], post_logout_redirect_uris: values['logout-uri'] ?? [], origins: values.origin ?? [],
    token_endpoint_auth_method: values.public ? 'none' : values.secret ? 'client_secret_basic' : 'private_key_jwt',
    ...(values.secret ? { client_secret: randomBytes(32).toString('base64url') } : {}),
    ...(values.keys === undefined ? {} : { jwks: JSON.parse(readFileSync(values.keys, 'utf8')) as unknown }),
    ...(values['keys-url'] === undefined ? {} : { jwks_uri: values['keys-url'] }),
    may_launch: values['may-launch'] ?? false, may_introspect: values['may-introspect'] ?? false,
  });
  if ('wrong' in read) throw new Error(read.wrong.join('\nclient: '));
  return read.client;
}

async function add(store: AccountStore, { client_secret: secret, ...registration }: Registration): Promise<string[]> {
  const { client_id: id } = registration;
  if (!await store.addClient({ id, registration: JSON.stringify(registration), secret: secret === undefined ? null : secretDigest(secret) })) throw new Error(`there is a client ${id}: remove it first`);
  return [`Registered ${id}.`, ...(secret === undefined ? [] : [`Its secret, which is not shown again: ${secret}`])];
}

async function run(): Promise<readonly string[]> {
  const { positionals: [what, id], values } = parsed(process.argv.slice(2));
  if (what === 'list') return withAccounts(async (store) => (await store.clients()).map((client) => lineOf(JSON.parse(client.registration) as Registration)));
  if (id === undefined) throw new Error('');
  if (what === 'add') {
    const registration = registrationOf(id, values);
    return withAccounts((store) => add(store, registration));
  }
  if (what === 'show') {
    return withAccounts(async (store) => {
      const client = await store.client(id);
      if (client === undefined) throw new Error(`there is no client ${id}`);
      return [JSON.stringify(JSON.parse(client.registration), undefined, 2)];
    });
  }
  if (what !== 'remove') throw new Error('');
  return withAccounts(async (store) => {
    if (!await store.removeClient(id)) throw new Error(`there is no client ${id}`);
    return [`Removed ${id}: its tokens are revoked.`];
  });
}

const lineOf = (client: Registration): string => [client.client_id, client.client_name, client.token_endpoint_auth_method, client.scope, ...client.redirect_uris].join('\t');

await runCommand('client', usage, run);
