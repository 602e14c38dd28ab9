/** The part of oidc-provider 9 that the authorization server uses; the package has no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';
  import type { JSONWebKeySet } from 'jose';

  export interface ClientMetadata {
    readonly client_id: string;
    readonly [name: string]: unknown;
  }

  export interface Client {
    readonly clientId: string;
    readonly [name: string]: unknown;
  }

  /** A token about to be issued. */
  export interface Token {
    readonly kind: string;
    readonly extra?: Readonly<Record<string, unknown>>;
  }

  export interface Context {
    readonly path: string;
    body: unknown;
    status: number;
    type: string;
    readonly oidc?: {
      readonly route?: string;
      readonly body?: Readonly<Record<string, unknown>>;
      readonly params?: Readonly<Record<string, unknown>>;
      readonly entities: Readonly<Record<string, Token | undefined>>;
    };
  }

  export interface ResourceServer {
    readonly scope: string;
    readonly audience: string;
    readonly accessTokenTTL: number;
    readonly accessTokenFormat: 'jwt';
    readonly jwt: { readonly sign: { readonly alg: string } };
  }

  /** One kind of what the server must remember (https://github.com/panva/node-oidc-provider/blob/main/example/my_adapter.js). */
  export interface Adapter {
    upsert(id: string, payload: Record<string, unknown>, expiresIn?: number): Promise<void>;
    find(id: string): Promise<Record<string, unknown> | undefined>;
    findByUid(uid: string): Promise<Record<string, unknown> | undefined>;
    findByUserCode(userCode: string): Promise<Record<string, unknown> | undefined>;
    consume(id: string): Promise<void>;
    destroy(id: string): Promise<void>;
    revokeByGrantId(grantId: string): Promise<void>;
  }

  export interface Configuration {
    readonly adapter: (kind: string) => Adapter;
    readonly clients: readonly ClientMetadata[];
    readonly jwks: JSONWebKeySet;
    readonly [option: string]: unknown;
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration);
    proxy: boolean;
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this;
    on(event: 'server_error' | 'error', listener: (...values: unknown[]) => void): this;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  }

  export const errors: {
    readonly InvalidRequest: new (description: string) => Error;
    readonly InvalidScope: new (description: string, scope?: string) => Error;
    readonly InvalidTarget: new (description?: string) => Error;
    readonly InvalidClientAuth: new (detail: string) => Error;
  };
}
