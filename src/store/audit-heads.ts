import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, readSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { StartRefusal } from '../start-refusal.ts';

/** A signed statement, kept outside the database: at `at` the chain had this hash at this position. */
export interface Head {
  readonly position: number;
  /** Hexadecimal. */
  readonly hash: string;
  /** FHIR instant. */
  readonly at: string;
  /** SHA-256 of the line before in the same file; empty for the first. */
  readonly previous: string;
  /** Ed25519, base64url, of all the above. */
  readonly signature: string;
}

const signedText = ({ position, hash, at, previous }: Omit<Head, 'signature'>): Buffer => Buffer.from(JSON.stringify(['intersession audit head', position, hash, at, previous]));
const digest = (line: string): string => createHash('sha256').update(line).digest('hex');

/** Where the public half of the key in `keyFile` is: all that a verifier needs. */
export const publicKeyFileOf = (keyFile: string): string => `${keyFile.replace(/\.pem$/, '')}.pub.pem`;

/**
 * Reads the key that signs heads; makes it, readable for its owner only, where there is none.
 * @throws StartRefusal when the file is no Ed25519 key in PEM form: it is never overwritten
 */
export function openAuditKey(file: string): KeyObject {
  if (!existsSync(file)) makeKey(file);
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(readFileSync(file));
  } catch { /* said below */ }
  if (key?.asymmetricKeyType !== 'ed25519') throw new StartRefusal(`AUDIT_KEY_FILE ${file} is no Ed25519 private key in PEM form: restore it. A new key would not verify what the old one signed.`);
  if (!existsSync(publicKeyFileOf(file))) writeFileSync(publicKeyFileOf(file), createPublicKey(key).export({ type: 'spki', format: 'pem' }), { mode: 0o644 });
  return key;
}

/** Of several processes that start at once one makes the key: a finished file gets its name, which fails if the name is taken. */
function makeKey(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** @returns the statement of a line, or undefined where the line is none. Nothing of it is checked yet. */
function headOf(line: string): Head | undefined {
  try {
    const { position, hash, at, previous, signature } = JSON.parse(line) as Head;
    const sound = Number.isSafeInteger(position) && [hash, at, previous, signature].every((text) => typeof text === 'string');
    return sound ? { position, hash, at, previous, signature } : undefined;
  } catch {
    return undefined;
  }
}

/** The end of the file: its last whole line, and whether a line after it was cut off by a crash. */
function endOf(file: string): { line: string; torn: boolean } {
  if (!existsSync(file)) return { line: '', torn: false };
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    const tail = Buffer.alloc(Math.min(size, 8192));
    readSync(handle, tail, 0, tail.length, size - tail.length);
    const text = tail.toString('utf8');
    const lines = text.split('\n');
    const torn = lines.pop() !== '';
    return { line: lines.findLast((line) => headOf(line) !== undefined) ?? '', torn };
  } finally {
    closeSync(handle);
  }
}

/** @returns the newest statement in `file`, or undefined where there is none. */
export const newestHead = (file: string): Head | undefined => headOf(endOf(file).line);

/** Signs a statement and appends it; when this returns it is on the disk. */
export function appendHead(file: string, key: KeyObject, { position, hash, at }: Pick<Head, 'position' | 'hash' | 'at'>): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const { line, torn } = endOf(file);
  const head = { position, hash, at, previous: line === '' ? '' : digest(line) };
  const text = JSON.stringify({ ...head, signature: sign(null, signedText(head), key).toString('base64url') });
  const handle = openSync(file, 'a', 0o600);
  try {
    writeSync(handle, `${torn ? '\n' : ''}${text}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** @returns how much a file of heads holds now; nothing where there is none. */
export const sizeOfHeads = (file: string): number => (existsSync(file) ? statSync(file).size : 0);

/** What is wrong with a line of a file of heads. */
export interface HeadFault { readonly line: number; readonly reason: 'forged' | 'missing' | 'rewound' }

/**
 * Reads the statements of a file in their order. A line that a crash cut off is passed over: the next one joins on to the one
 * before it.
 * @param size how much of the file is read: what was there before the chain was looked at.
 * @param report told of a line whose signature is not by the key, before which lines are missing, or that goes back.
 */
export async function* readHeads(file: string, size: number, publicKey: KeyObject, report: (fault: HeadFault) => void): AsyncGenerator<Head> {
  if (size === 0) return;
  let previous = '';
  let position = 0;
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file, { encoding: 'utf8', end: size - 1 }), crlfDelay: Infinity })) {
    number++;
    const head = headOf(line);
    if (head === undefined) continue;
    if (!verify(null, signedText(head), publicKey, Buffer.from(head.signature, 'base64url'))) {
      report({ line: number, reason: 'forged' });
      continue;
    }
    if (head.previous !== previous) report({ line: number, reason: 'missing' });
    if (head.position <= position) report({ line: number, reason: 'rewound' });
    previous = digest(line);
    position = head.position;
    yield head;
  }
}
