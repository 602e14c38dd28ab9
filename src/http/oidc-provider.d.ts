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
    readonly clientName?: string;
    readonly redirectUris: readonly string[];
    readonly clientSecret?: string;
    readonly asymmetricKeyStore: Iterable<{ readonly kid?: string; readonly kty: string }>;
    grantTypeAllowed(type: string): boolean;
    readonly [name: string]: unknown;
  }

  /** A token about to be issued, or one that was found. */
  export interface Token {
    readonly kind: string;
    readonly clientId?: string;
    readonly accountId?: string;
    readonly grantId?: string;
    readonly jti?: string;
    readonly scopes?: ReadonlySet<string>;
    readonly extra?: Readonly<Record<string, unknown>>;
  }

  export interface Account {
    readonly accountId: string;
    claims(): Promise<Readonly<Record<string, unknown>> & { readonly sub: string }>;
  }

  export interface Context {
    readonly path: string;
    readonly method: string;
    readonly req: IncomingMessage;
    body: unknown;
    status: number;
    type: string;
    get(header: string): string;
    set(header: string, value: string): void;
    remove(header: string): void;
    readonly oidc?: {
      readonly route?: string;
      readonly body?: Readonly<Record<string, unknown>>;
      readonly params?: Readonly<Record<string, unknown>>;
      readonly client?: Client;
      readonly result?: Readonly<Record<string, unknown>>;
      readonly session?: { readonly accountId?: string };
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
    readonly jwks: JSONWebKeySet;
    readonly [option: string]: unknown;
  }

  /** A request for authorization that waits for a person. */
  export interface Interaction {
    readonly uid: string;
    readonly prompt: { readonly name: string; readonly reasons: readonly string[] };
    readonly params: Readonly<Record<string, string | undefined>>;
    readonly session?: { readonly accountId?: string };
  }

  export interface Grant {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    rejectOIDCScope(scope: string): void;
    rejectResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration);
    static readonly ctx: Context | undefined;
    proxy: boolean;
    readonly Client: { find(id: string): Promise<Client | undefined>; readonly prototype: Client };
    readonly Grant: { new (of: { accountId: string; clientId: string }): Grant; find(id: string): Promise<Grant | undefined> };
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this;
    on(event: string, listener: (...values: unknown[]) => void): this;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object, options: { mergeWithLastSubmission: boolean }): Promise<void>;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  }

  type Refusal = new (description?: string) => Error & { readonly error: string; readonly statusCode: number };

  export const errors: {
    readonly InvalidRequest: Refusal;
    readonly InvalidScope: Refusal;
    readonly InvalidTarget: Refusal;
    readonly InvalidGrant: Refusal;
    readonly InvalidClientAuth: Refusal;
    readonly SessionNotFound: Refusal;
  };
}
