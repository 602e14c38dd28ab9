// Prints an access token of the development client, and nothing else, to standard output:
//   npm run token -- [scopes] [--patient=ID] [--user=Practitioner/ID]
import { parseArgs } from 'node:util';
import { developmentClient } from '../auth/development-client.ts';
import { keysFileOf, readKeys } from '../auth/keys.ts';
import { authorizationPath } from '../auth/smart-configuration.ts';
import { environment, loadConfig } from '../config.ts';

const usage = 'usage: npm run token -- [scopes] [--patient=ID] [--user=Practitioner/ID]';

/** What was asked for on the command line. Without scopes: all of the context that was named, or of the whole system. */
function request(words: readonly string[]): URLSearchParams {
  const { values, positionals } = parseArgs({
    args: [...words], allowPositionals: true, options: { patient: { type: 'string' }, user: { type: 'string' } },
  });
  const whole = values.patient !== undefined ? 'patient/*.cruds' : values.user !== undefined ? 'user/*.cruds' : 'system/*.cruds';
  return new URLSearchParams({
    grant_type: 'client_credentials',
    scope: positionals.join(' ') || whole,
    ...(values.patient === undefined ? {} : { patient: values.patient }),
    ...(values.user === undefined ? {} : { fhirUser: values.user }),
  });
}

/** A server that listens on all addresses is reached at the loopback address. */
function endpoint(host: string, port: number): URL {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return new URL(`http://${name.includes(':') ? `[${name}]` : name}:${port}${authorizationPath}/token`);
}

async function main(words: readonly string[]): Promise<string> {
  const body = request(words);
  const config = loadConfig(environment());
  const file = keysFileOf(config);
  const keys = await readKeys(file);
  if (keys === undefined) throw new Error(`there is no keys file ${file}: start the service first (npm start), with the same DATA_DIR and KEYS_FILE`);
  const url = endpoint(config.host, config.port);
  const authorization = `Basic ${Buffer.from(`${developmentClient.withSecret}:${keys.development.secret}`).toString('base64')}`;
  const response = await fetch(url, { method: 'POST', body, headers: { authorization, accept: 'application/json' }, signal: AbortSignal.timeout(10_000) })
    .catch(() => { throw new Error(`no service answers at ${url.origin}: start it first (npm start), or set HOST and PORT to where it is`); });
  const answer = await response.json().catch(() => ({})) as { access_token?: unknown; scope?: unknown; error?: unknown; error_description?: unknown };
  if (answer.error === 'invalid_client') {
    throw new Error(`the service at ${url.origin} does not know the development client: it runs in production mode, or with another keys file`);
  }
  if (typeof answer.access_token !== 'string') {
    throw new Error(typeof answer.error_description === 'string' ? answer.error_description : `the answer of ${url.origin} is not a token response (status ${response.status})`);
  }
  const granted = new Set(typeof answer.scope === 'string' ? answer.scope.split(' ') : []);
  const refused = (body.get('scope') ?? '').split(' ').filter((scope) => !granted.has(scope));
  if (refused.length > 0) process.stderr.write(`token: not granted: ${refused.join(' ')}\n`);
  return answer.access_token;
}

try {
  process.stdout.write(`${await main(process.argv.slice(2))}\n`);
} catch (error) {
  const { message } = error as Error;
  const line = (error as { code?: unknown }).code?.toString().startsWith('ERR_PARSE_ARGS') ? usage : message;
  process.stderr.write(`token: ${line.split('\n', 1)[0]}\n`);
  process.exitCode = 1;
}
