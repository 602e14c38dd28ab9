import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** Shortest password a person may choose (NIST SP 800-63B-4 asks for 15 where it is the only factor, and for no rules of composition). */
export const shortestPassword = 15;
/** Longest one looked at. */
const longestPassword = 1024;

/** Cost of scrypt: 2^15 blocks of 1 kB, three times over: 32 MB and a fifth of a second (OWASP Password Storage Cheat Sheet). */
const cost = { N: 2 ** 15, r: 8, p: 3 };
/** A password that was drawn at random cannot be guessed, whatever a guess costs. */
const costOfRandom = { N: 2 ** 12, r: 8, p: 1 };

const hashBytes = 32;
const maxmem = 64 * 1024 * 1024;

/**
 * @param random whether the password was drawn at random, with 128 bits or more.
 * @returns what is kept of a password: method, cost, salt and hash.
 */
export async function hashPassword(password: string, random = false): Promise<string> {
  const { N, r, p } = random ? costOfRandom : cost;
  const salt = randomBytes(16);
  const hash = await derive(password.normalize('NFKC'), salt, hashBytes, { N, r, p, maxmem });
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** What an unknown name is compared with, so that it takes as long as a known one. */
const nobody = ['scrypt', cost.N, cost.r, cost.p, randomBytes(16).toString('base64url'), randomBytes(hashBytes).toString('base64url')].join('$');

/** Whether `hash` is one that `hashPassword` makes, at a cost that this process pays. */
export function isPasswordHash(hash: string): boolean {
  const [, N, r, p] = form.exec(hash) ?? [];
  return N !== undefined && Number.isInteger(Math.log2(Number(N))) && 128 * Number(N) * Number(r) < maxmem && Number(r) >= 1 && Number(p) >= 1 && Number(p) <= 16;
}
const form = /^scrypt\$(\d{4,6})\$(\d{1,2})\$(\d{1,2})\$[\w-]{22,}\$[\w-]{43}$/;

/** @param hash undefined: there is no such user; the answer is no, and takes as long. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  if (password.length > longestPassword) return false;
  const [, N, r, p, salt = '', expected = ''] = (hash !== undefined && isPasswordHash(hash) ? hash : nobody).split('$');
  const found = await derive(password.normalize('NFKC'), Buffer.from(salt, 'base64url'), hashBytes, { N: Number(N), r: Number(r), p: Number(p), maxmem });
  return timingSafeEqual(found, Buffer.from(expected, 'base64url')) && hash !== undefined;
}
