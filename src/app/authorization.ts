import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AuthorizationAudit, AuthorizationEvent } from '../auth/authorization-event.ts';
import { developmentClient, developmentUsers } from '../auth/development-client.ts';
import { keySource } from '../auth/key-source.ts';
import { openKeys } from '../auth/keys.ts';
import { authorizationPath, foreignSmartConfiguration, smartConfiguration } from '../auth/smart-configuration.ts';
import { tokenVerifier, type Caller } from '../auth/token.ts';
import { now } from '../clock.ts';
import type { Config } from '../config.ts';
import { Accounts } from '../http/authorization-accounts.ts';
import type { ClientAddress } from '../http/client-address.ts';
import { Pages } from '../http/authorization-pages.ts';
import { People } from '../http/authorization-people.ts';
import { authorizationServer } from '../http/authorization-server.ts';
import { accessRows } from '../interactions/access-log.ts';
import { discoverIssuer, fetchKeys, introspector } from '../jobs/issuer.ts';
import { outbound } from '../jobs/outbound.ts';
import type { Job } from '../jobs/schedule.ts';
import { failure, type Log } from '../log.ts';
import type { AuditLog } from '../store/audit.ts';
import { AccountStore } from '../store/authorization-accounts.ts';
import { AuthorizationStore } from '../store/authorization.ts';
import type { Database } from '../store/database.ts';
import { newId } from '../store/identity.ts';
import { deploymentSecret } from '../store/setting.ts';
import { signInViews } from '../web/sign-in.ts';

/** Who issues the tokens, and how they are read. */
export interface Authorization {
  readonly issuer: string;
  /** What the authorization server says of itself (RFC 8414). */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly authenticate: (token: string) => Promise<Caller>;
  readonly smartConfiguration: unknown;
  /** The service's own authorization server, where it has one. */
  readonly handle: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** Whether pages of this origin belong to a registered app: they may call the API, too. */
  isOrigin(origin: string): Promise<boolean>;
  /** Lines for whoever starts the service in development mode. */
  readonly notice: readonly string[];
  close(): void;
}

export interface AuthorizationParts {
  readonly config: Config;
  readonly database: Database;
  readonly audit: AuditLog;
  readonly log: Log;
  /** Where clients reach the service, e.g. `https://fhir.example`. */
  readonly origin: string;
  /** From where a request comes. */
  readonly address: ClientAddress;
  /** Counts requests to the service's own authorization server by address. */
  readonly limit: (address: string) => Promise<void>;
}

/**
 * Opens the service's own authorization server, or joins the operator's.
 * @throws StartRefusal when keys, clients or users cannot be used, or the issuer cannot be reached
 */
export async function openAuthorization(parts: AuthorizationParts): Promise<Authorization> {
  return parts.config.oidcIssuer === undefined ? ownServer(parts) : foreignIssuer(parts, parts.config.oidcIssuer);
}

async function ownServer({ config, database, audit, log, origin, address, limit }: AuthorizationParts): Promise<Authorization> {
  const issuer = `${origin}${authorizationPath}`;
  const audience = `${origin}/fhir/R4`;
  const send = outbound({ loopback: config.mode === 'development' });
  const development = config.mode === 'development' ? await openKeys(config.keysFile) : undefined;
  const accounts = new Accounts({
    store: new AccountStore(database), clientsFile: config.clientsFile, usersFile: config.usersFile, development, now, fetchKeys: (url) => fetchKeys(url, send),
  });
  const server = await authorizationServer({
    issuer, audience, keysFile: config.keysFile, mode: config.mode, now, accounts,
    store: new AuthorizationStore(database), people: new People(database), pages: new Pages(signInViews), cookieKey: await deploymentSecret(database, 'cookie-key'),
    audit: auditOf(audit, log), address, limit, report: (error) => log.error({ event: 'authorization-failed', ...failure(error) }),
  });
  return {
    issuer,
    metadata: server.metadata,
    authenticate: server.authenticate,
    smartConfiguration: smartConfiguration(issuer),
    handle: (request, response) => server.handle(request, response),
    isOrigin: (origin) => accounts.isOrigin(origin),
    notice: development === undefined ? [] : [
      ...developmentUsers(development).map(({ name, password, fhirUser }) => `Sign in as ${name} with ${password} (${fhirUser} of npm run demo).`),
      `Apps: ${Object.values(developmentClient).join(', ')}; more with npm run client, npm run user.`,
    ],
    close: () => { server.close(); },
  };
}

async function foreignIssuer({ config, origin }: AuthorizationParts, issuer: string): Promise<Authorization> {
  // the issuer is the operator's word: it may stand in a private network; where its metadata lead is looked at
  const send = outbound({ trusted: [new URL(issuer).origin], loopback: config.mode === 'development' });
  const found = await discoverIssuer(issuer, send);
  const { introspectionClient } = config;
  return {
    issuer,
    metadata: found.metadata,
    authenticate: tokenVerifier({
      issuer, audience: `${origin}/fhir/R4`, now, type: config.oidcTokenType, keys: keySource(() => fetchKeys(found.keys, send), now),
      ...(introspectionClient === undefined || found.introspection === undefined ? {} : { introspect: introspector(found.introspection, introspectionClient, send) }),
    }),
    smartConfiguration: foreignSmartConfiguration(found.metadata),
    handle: undefined,
    isOrigin: () => Promise.resolve(false),
    notice: [],
    close: () => {},
  };
}

/** Refused requests that go into the access log, a second: strangers must not fill the disk. */
const refusedPerSecond = 20;

/** Writes what the authorization server does into the access log, and its refusals as codes into the log. */
function auditOf(audit: AuditLog, log: Log): AuthorizationAudit {
  let refused = { since: 0, rows: 0 };
  return async (event) => {
    if (event.refused) {
      log.info({ event: `${event.kind}-refused`, ...(event.client === undefined ? {} : { client: event.client }), ...(event.reason === undefined ? {} : { reason: event.reason }) });
      if (performance.now() - refused.since > 1000) refused = { since: performance.now(), rows: 0 };
      if ((refused.rows += 1) > refusedPerSecond) return;
    }
    await audit.record(rowsOf(event));
  };
}

function rowsOf(event: AuthorizationEvent): ReturnType<typeof accessRows> {
  const requester = { client: event.client ?? 'unknown', agent: event.fhirUser, requestId: newId(), address: event.address };
  return accessRows({ requester } as Parameters<typeof accessRows>[0], {
    interaction: event.kind === 'patient-list' ? 'search-type' : event.kind, action: 'E', outcome: event.refused ? '4' : '0',
    ...(event.kind === 'patient-list' ? { type: 'Patient', patients: event.patients ?? [] } : event.patient === undefined ? {} : { type: 'Patient', id: event.patient }),
  });
}

/** Removes what has expired from the memory of the authorization server. */
export function authorizationSweep(database: Database): Job {
  const store = new AuthorizationStore(database);
  return { name: 'authorization-expiry', everyMs: 600_000, run: async () => { await store.sweep(); } };
}
