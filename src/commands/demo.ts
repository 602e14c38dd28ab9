// Loads a made-up caseload into the running service, through its FHIR API, and says what the service computed from it:
//   npm run demo -- [--clients=200] [--now=2026-06-29]
import { parseArgs } from 'node:util';
import { environment, loadConfig } from '../config.ts';
import { load, type Caseload, type Send } from './demo/load.ts';
import { queries, readBack, summary } from './demo/summary.ts';
import { developmentToken, originOf } from './development-token.ts';

const usage = 'usage: npm run demo -- [--clients=200] [--now=2026-06-29]: 10 to 999 clients, the date at which the twelve weeks end';

/** The one date there is, so that two runs give the same caseload. */
const lastDay = '2026-06-29';

function wanted(words: readonly string[]): Caseload {
  const { values } = parseArgs({ args: [...words], options: { clients: { type: 'string', default: '200' }, now: { type: 'string', default: lastDay } } });
  const clients = Number(values.clients);
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(values.now) && !Number.isNaN(Date.parse(values.now)) && new Date(values.now).toISOString().startsWith(values.now);
  if (!Number.isInteger(clients) || clients < 10 || clients > 999 || !isDate) throw new Error(usage);
  return { clients, now: values.now };
}

/** One line that is written over on a terminal; elsewhere a line for every quarter. */
function reporter(clients: number): (done: number) => void {
  const { isTTY } = process.stdout;
  return (done) => {
    if (isTTY) process.stdout.write(`\rloading: ${done} of ${clients} clients${done === clients ? '\n' : ''}`);
    else if (Math.floor((done * 4) / clients) > Math.floor(((done - 1) * 4) / clients)) process.stdout.write(`loading: ${done} of ${clients} clients\n`);
  };
}

async function main(words: readonly string[]): Promise<void> {
  const caseload = wanted(words);
  const config = loadConfig(environment());
  const { token } = await developmentToken(config, { scope: 'system/*.cruds' });
  const baseUrl = `${originOf(config)}/fhir/R4`;
  const send: Send = async (method, path, body) => {
    const response = await fetch(`${baseUrl}/${path}`, {
      method, headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/fhir+json', 'prefer': 'return=minimal' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => { throw new Error(`the service at ${originOf(config)} does not answer any more`); });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  };
  const started = performance.now();
  const loaded = await load(send, caseload, reporter(caseload.clients));
  const seconds = (performance.now() - started) / 1000;
  const lines = [...summary(caseload, loaded, await readBack(send, caseload), seconds), '', 'Worth trying:', ...queries(baseUrl, caseload.now)];
  process.stdout.write(`\n${lines.join('\n')}\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const { message, code } = error as Error & { code?: unknown };
  process.stderr.write(`demo: ${code?.toString().startsWith('ERR_PARSE_ARGS') ? usage : message.split('\n', 1)[0]}\n`);
  process.exitCode = 1;
}
