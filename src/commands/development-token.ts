import { developmentClient } from '../auth/development-client.ts';
import { keysFileOf, readKeys } from '../auth/keys.ts';
import { authorizationPath } from '../auth/smart-configuration.ts';
import type { Config } from '../config.ts';

/** A token of the development client, with the scopes that were granted. */
export interface DevelopmentToken { readonly token: string; readonly granted: readonly string[] }

/** Where commands on this machine reach the service: a server that listens on all addresses is reached at the loopback address. */
export function originOf({ host, port }: Pick<Config, 'host' | 'port'>): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/**
 * Asks the running service for an access token, as its development client does.
 * @param wanted `scope`, and the `patient` or `fhirUser` in context.
 * @throws Error of one line that says what to do: no keys file, nothing answers, not a development service, refused
 */
export async function developmentToken(config: Config, wanted: Readonly<Record<string, string>>): Promise<DevelopmentToken> {
  const file = keysFileOf(config);
  const keys = await readKeys(file);
  if (keys === undefined) throw new Error(`there is no keys file ${file}: start the service first (npm start), with the same DATA_DIR and KEYS_FILE`);
  const origin = originOf(config);
  const authorization = `Basic ${Buffer.from(`${developmentClient.withSecret}:${keys.development.secret}`).toString('base64')}`;
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...wanted });
  const response = await fetch(`${origin}${authorizationPath}/token`, { method: 'POST', body, headers: { authorization, accept: 'application/json' }, signal: AbortSignal.timeout(10_000) })
    .catch(() => { throw new Error(`no service answers at ${origin}: start it first (npm start), or set HOST and PORT to where it is`); });
  const answer = await response.json().catch(() => ({})) as { access_token?: unknown; scope?: unknown; error?: unknown; error_description?: unknown };
  if (answer.error === 'invalid_client') {
    throw new Error(`the service at ${origin} does not know the development client: it runs in production mode, or with another keys file`);
  }
  if (typeof answer.access_token !== 'string') {
    throw new Error(typeof answer.error_description === 'string' ? answer.error_description : `the answer of ${origin} is not a token response (status ${response.status})`);
  }
  return { token: answer.access_token, granted: typeof answer.scope === 'string' ? answer.scope.split(' ') : [] };
}
