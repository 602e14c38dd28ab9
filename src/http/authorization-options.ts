import type { AuthorizationAudit } from '../auth/authorization-event.ts';
import type { AuthorizationStore } from '../store/authorization.ts';
import type { Accounts } from './authorization-accounts.ts';
import type { ClientAddress } from './client-address.ts';
import type { Pages } from './authorization-pages.ts';
import type { People } from './authorization-people.ts';

/** What the authorization server is made of. */
export interface AuthorizationServerOptions {
  /** URL of the issuer as clients know it, e.g. `http://127.0.0.1:3000/oauth`. */
  readonly issuer: string;
  /** FHIR base URL: the only audience that tokens are issued for. */
  readonly audience: string;
  readonly keysFile: string;
  readonly mode: 'development' | 'production';
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly store: AuthorizationStore;
  readonly accounts: Accounts;
  readonly people: People;
  readonly pages: Pages;
  /** Signs cookies and forms; the same in all processes of the deployment. */
  readonly cookieKey: string;
  readonly audit: AuthorizationAudit;
  /** From where a request comes. */
  readonly address: ClientAddress;
  /** Counts a request from an address. @throws Problem `throttled` when there are too many. */
  readonly limit: (address: string) => Promise<void>;
  /** Told of faults of the server itself, never of refused requests. */
  readonly report: (error: unknown) => void;
}
