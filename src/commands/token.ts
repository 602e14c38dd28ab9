// Prints an access token of the development client, and nothing else, to standard output:
//   npm run token -- [scopes] [--patient=ID] [--user=Practitioner/ID]
import { parseArgs } from 'node:util';
import { environment, loadConfig } from '../config.ts';
import { developmentToken } from './development-token.ts';

const usage = 'usage: npm run token -- [scopes] [--patient=ID] [--user=Practitioner/ID]';

/** What was asked for on the command line. Without scopes: all of the context that was named, or of the whole system. */
function request(words: readonly string[]): { scope: string; patient?: string; fhirUser?: string } {
  const { values: { patient, user }, positionals } = parseArgs({
    args: [...words], allowPositionals: true, options: { patient: { type: 'string' }, user: { type: 'string' } },
  });
  const whole = patient !== undefined ? 'patient/*.cruds' : user !== undefined ? 'user/*.cruds' : 'system/*.cruds';
  return { scope: positionals.join(' ') || whole, ...(patient === undefined ? {} : { patient }), ...(user === undefined ? {} : { fhirUser: user }) };
}

async function main(words: readonly string[]): Promise<string> {
  const wanted = request(words);
  const { token, granted } = await developmentToken(loadConfig(environment()), wanted);
  const refused = wanted.scope.split(' ').filter((scope) => !granted.includes(scope));
  if (refused.length > 0) process.stderr.write(`token: not granted: ${refused.join(' ')}\n`);
  return token;
}

try {
  process.stdout.write(`${await main(process.argv.slice(2))}\n`);
} catch (error) {
  const { message } = error as Error;
  const line = (error as { code?: unknown }).code?.toString().startsWith('ERR_PARSE_ARGS') ? usage : message;
  process.stderr.write(`token: ${line.split('\n', 1)[0]}\n`);
  process.exitCode = 1;
}
