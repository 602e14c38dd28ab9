import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { JSONWebKeySet, JWK } from 'jose';
import { StartRefusal } from '../start-refusal.ts';

/** What the authorization server must remember: its signing key, and the credentials of the development clients. */
export interface Keys {
  /** RSA 2048, private. */
  readonly signing: JWK;
  readonly development: {
    /** Of the client that authenticates with a secret. */
    readonly secret: string;
    /** P-384, private: of the client that authenticates with a signed assertion. */
    readonly key: JWK;
  };
}

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
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(await newKeys(), undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file).catch((error: unknown) => {
      if (!isSystemError(error, 'EEXIST')) throw error;
    });
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  const made = await readKeys(file);
  if (made === undefined) throw new StartRefusal(`The keys file ${file} disappeared while it was made.`);
  return made;
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

/** @returns the public half of `key`, as a key set that can be published. */
export function publicKeys(key: JWK): JSONWebKeySet {
  const { kty, use, alg, kid, n, e, crv, x, y } = key;
  const published = Object.entries({ kty, use, alg, kid, n, e, crv, x, y }).filter(([, value]) => value !== undefined);
  return { keys: [Object.fromEntries(published) as unknown as JWK] };
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
  const { signing, development } = (value ?? {}) as Partial<Keys>;
  return isPrivate(signing, 'RSA') && typeof development?.secret === 'string' && development.secret.length >= 32 && isPrivate(development.key, 'EC');
}

function isPrivate(key: JWK | undefined, kty: string): boolean {
  return key?.kty === kty && typeof key.d === 'string' && typeof key.kid === 'string';
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
