// The keys that sign tokens: npm run keys -- rotate|list
import { keysFileOf, publicKeys, readKeys, rotateKeys } from '../auth/keys.ts';
import { environment, loadConfig } from '../config.ts';
import { runCommand } from './accounts.ts';

const usage = 'usage: npm run keys -- rotate | list';

async function run(): Promise<readonly string[]> {
  const [what, ...more] = process.argv.slice(2);
  const file = keysFileOf(loadConfig(environment()));
  if (more.length > 0) throw new Error('');
  if (what === 'rotate') return [`The new key is ${await rotateKeys(file)}. Running services use it within seconds; what the key before signed is accepted until it expires.`];
  if (what !== 'list') throw new Error('');
  const keys = await readKeys(file);
  if (keys === undefined) throw new Error(`there is no keys file ${file}: it is made when the service starts for the first time`);
  return publicKeys(keys).keys.map(({ kid }, at) => `${kid}\t${at === 0 ? 'signs' : 'signed before'}`);
}

await runCommand('keys', usage, run);
