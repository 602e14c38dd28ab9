import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { JSONWebKeySet, JWK } from 'jose';
import { StartRefusal } from '../start-refusal.ts';

/** What the authorization server must remember: its signing key, and the credentials of the development clients. */
export interface Keys {
  /** RSA 2048, private. */
  readonly signing: JWK;
  /** Public keys that signed before: still published, so that what they signed is accepted until it expires. */
  readonly retired?: readonly JWK[];
  readonly development: {
    /** Of the client that authenticates with a secret. */
    readonly secret: string;
    /** P-384, private: of the client that authenticates with a signed assertion. */
    readonly key: JWK;
  };
}

/** How many keys that signed before are published: rotating every day still leaves a token ten days. */
const keptKeys = 10;

/** @returns the keys file of a configuration: the one that is named, or one in the data directory. */
export function keysFileOf({ keysFile, dataDir }: { readonly keysFile: string | undefined; readonly dataDir: string }): string {
  return keysFile ?? join(dataDir, 'keys.json');
}

/**
 * Reads the keys file; makes it, readable for its owner only, when it is not there. Of several processes that start at
 * once exactly one makes it and all use it: the finished file is linked to its name, which fails if the name is taken.
 *
 * @throws Error when the file cannot be read or made, or is not a keys file: it is never overwritten
 */
export async function openKeys(file: string): Promise<Keys> {
  const existing = await readKeys(file);
  if (existing !== undefined) return existing;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await written(file, await newKeys(), (draft) => link(draft, file).catch((error: unknown) => {
    if (!isSystemError(error, 'EEXIST')) throw error;
  }));
  const made = await readKeys(file);
  if (made === undefined) throw new StartRefusal(`The keys file ${file} disappeared while it was made.`);
  return made;
}

/**
 * Makes a new signing key. The one before is still published; running services notice within seconds.
 * @returns the key id of the new key
 * @throws Error as `readKeys`, and when there is no keys file
 */
export async function rotateKeys(file: string): Promise<string> {
  const keys = await readKeys(file);
  if (keys === undefined) throw new StartRefusal(`There is no keys file ${file}: it is made when the service starts for the first time.`);
  const signing = await newKey('RS256');
  await written(file, { ...keys, signing, retired: [publicKey(keys.signing), ...(keys.retired ?? [])].slice(0, keptKeys) }, (draft) => rename(draft, file));
  return String(signing.kid);
}

/** Writes keys beside `file`, readable to their owner only, and hands the finished file to `put`. */
async function written(file: string, keys: Keys, put: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(keys, undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await put(draft);
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}

/** How often a running service looks whether the keys file was changed. */
const lookMs = 2000;

/**
 * The keys of the file as they are now: the same value until the file changes.
 * @param milliseconds of a clock that never goes back.
 * @throws StartRefusal as `openKeys`, at the first call only: later a file that cannot be read leaves the keys as they are
 */
export function keyring(file: string, milliseconds: () => number): () => Promise<Keys> {
  let known: { readonly keys: Keys; readonly changed: number } | undefined;
  let lookedAt = -Infinity;
  return async () => {
    if (known !== undefined && milliseconds() < lookedAt + lookMs) return known.keys;
    lookedAt = milliseconds();
    const changed = await stat(file).then(({ mtimeMs }) => mtimeMs, () => undefined);
    if (known !== undefined && (changed === undefined || changed === known.changed)) return known.keys;
    if (known === undefined) {
      const keys = await openKeys(file);
      return (known = { keys, changed: (await stat(file)).mtimeMs }).keys;
    }
    const keys = await readKeys(file).catch(() => undefined);
    if (keys !== undefined && changed !== undefined) known = { keys, changed };
    return known.keys;
  };
}

/**
 * @returns the keys, or undefined when there is no such file
 * @throws Error when the file cannot be read or is not a keys file
 */
export async function readKeys(file: string): Promise<Keys | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const keys = parsed(text);
  if (!isKeys(keys)) throw new StartRefusal(`${file} is not a keys file of this service. Restore it, or remove it so that new keys are made (all tokens become invalid).`);
  return keys;
}

/** @returns the public half of `key`. */
export function publicKey({ kty, use, alg, kid, n, e, crv, x, y }: JWK): JWK {
  return Object.fromEntries(Object.entries({ kty, use, alg, kid, n, e, crv, x, y }).filter(([, value]) => value !== undefined)) as unknown as JWK;
}

/** @returns all keys whose signatures are accepted, as they are published. */
export function publicKeys({ signing, retired = [] }: Pick<Keys, 'signing' | 'retired'>): JSONWebKeySet {
  return { keys: [publicKey(signing), ...retired.map(publicKey)] };
}

async function newKeys(): Promise<Keys> {
  const [signing, key] = await Promise.all([newKey('RS256'), newKey('ES384')]);
  return { signing, development: { secret: randomBytes(32).toString('base64url'), key } };
}

async function newKey(alg: 'RS256' | 'ES384'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { modulusLength: 2048, extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isKeys(value: unknown): value is Keys {
  const { signing, development, retired } = (value ?? {}) as Partial<Keys>;
  return isPrivate(signing, 'RSA') && (retired === undefined || Array.isArray(retired)) && typeof development?.secret === 'string' && development.secret.length >= 32 && isPrivate(development.key, 'EC');
}

function isPrivate(key: JWK | undefined, kty: string): boolean {
  return key?.kty === kty && typeof key.d === 'string' && typeof key.kid === 'string';
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
