// Registers the people who sign in at the service's own authorization server: npm run user -- add|list|password|remove|hash ...
import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { hashPassword } from '../auth/password.ts';
import { nameForm, personForm } from '../auth/user.ts';
import { runCommand, typedPassword, withAccounts } from './accounts.ts';

const usage = `usage: npm run user -- add NAME --person=Practitioner/ID|Patient/ID|RelatedPerson/ID   (the password on standard input, or one is drawn)
       npm run user -- password NAME                                 (likewise)
       npm run user -- list
       npm run user -- remove NAME
       npm run user -- hash                                          (the password on standard input; prints what USERS_FILE takes)`;

/** The password that was typed, or a drawn one of 128 bits; with its hash and what to tell. */
async function passwordFor(): Promise<{ readonly hash: string; readonly told: readonly string[] }> {
  const typed = await typedPassword();
  const password = typed ?? randomBytes(16).toString('base64url');
  return { hash: await hashPassword(password, typed === undefined), told: typed === undefined ? [`The password, which is not shown again: ${password}`] : [] };
}

async function run(): Promise<readonly string[]> {
  const { positionals: [what, name], values } = parseArgs({ args: process.argv.slice(2), allowPositionals: true, options: { person: { type: 'string' } } });
  if (what === 'list') return withAccounts(async (store) => (await store.users()).map((user) => [user.name, user.fhirUser, user.id].join('\t')));
  if (what === 'hash') {
    const typed = await typedPassword();
    if (typed === undefined) throw new Error('');
    return [await hashPassword(typed)];
  }
  if (name === undefined || !nameForm.test(name)) throw new Error('');
  if (what === 'remove') {
    return withAccounts(async (store) => {
      if (!await store.removeUser(name)) throw new Error(`there is no user ${name}`);
      return [`Removed ${name}: all sessions and tokens are ended.`];
    });
  }
  if (what !== 'add' && what !== 'password') throw new Error('');
  const fhirUser = values.person ?? '';
  if (what === 'add' && !personForm.test(fhirUser)) throw new Error('--person must be Practitioner/id, Patient/id or RelatedPerson/id');
  const { hash, told } = await passwordFor();
  return withAccounts(async (store) => {
    if (what === 'password') {
      if (!await store.setPassword(name, hash)) throw new Error(`there is no user ${name}`);
      return [`Changed the password of ${name}: all sessions and tokens are ended.`, ...told];
    }
    if (!await store.addUser({ id: randomUUID(), name, password: hash, fhirUser })) throw new Error(`there is a user ${name}`);
    return [`Registered ${name} as ${fhirUser}.`, ...told];
  });
}

await runCommand('user', usage, run);
