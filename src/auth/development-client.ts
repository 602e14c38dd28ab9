import { createHmac } from 'node:crypto';
import { publicKey, type Keys } from './keys.ts';
import type { Registration } from './client.ts';
import type { UserEntry } from './user.ts';

/** Ids of the clients that exist in development mode only: one authenticates with a secret, one with a signed assertion, one is an app that cannot keep a secret. */
export const developmentClient = { withSecret: 'development', withKey: 'development-key', app: 'development-app' } as const;

/** All that a client of this service can be registered for. */
export const developmentScopes = 'patient/*.cruds user/*.cruds system/*.cruds';

/** Where the app of development mode may send people back to. */
const appUris = ['http://127.0.0.1:8080/', 'http://localhost:8080/'];

/** @returns the clients of development mode: their credentials are in the keys file, and nowhere else. */
export function developmentClients({ development }: Keys): Registration[] {
  const itself = { redirect_uris: [], post_logout_redirect_uris: [], origins: [], scope: developmentScopes, may_launch: true, may_introspect: true };
  return [
    { ...itself, client_id: developmentClient.withSecret, client_name: 'Development', client_secret: development.secret, token_endpoint_auth_method: 'client_secret_basic' },
    { ...itself, client_id: developmentClient.withKey, client_name: 'Development, with a key', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicKey(development.key) as never] } },
    {
      ...itself, client_id: developmentClient.app, client_name: 'Development app', token_endpoint_auth_method: 'none', redirect_uris: appUris, post_logout_redirect_uris: appUris,
      scope: 'patient/*.cruds user/*.cruds', may_launch: false, may_introspect: false,
    },
  ];
}

/** A user of development mode, who is somebody of `npm run demo`. */
export interface DevelopmentUser extends Omit<UserEntry, 'password'> {
  readonly password: string;
}

/** @returns the users of development mode. Their passwords follow from the keys file, so that they can be told again. */
export function developmentUsers({ development }: Keys): DevelopmentUser[] {
  const drawn = (name: string): Buffer => createHmac('sha256', development.secret).update(`user ${name}`).digest();
  const user = (name: string, fhirUser: string): DevelopmentUser => {
    const hex = drawn(`${name} id`).toString('hex');
    return { id: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`, name, password: drawn(name).toString('base64url').slice(0, 22), fhirUser };
  };
  return [user('therapist', 'Practitioner/demo-therapist-1'), user('client', 'Patient/demo-client-001')];
}
