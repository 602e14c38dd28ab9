import { hash } from 'node:crypto';

/** Namespace of the ids that this service derives (a UUID drawn once). */
const namespace = Buffer.from('6d5c3e0fa1b84d0c9f1e7c24b05d8a93', 'hex').toString('latin1');

/**
 * @returns the version-5 UUID of `name` (RFC 9562, 5.5): the same name always gives the same id,
 * so that writing a derived resource again finds the one that is there.
 */
export function derivedId(name: string): string {
  const bytes = hash('sha1', Buffer.from(namespace + Buffer.from(name, 'utf8').toString('latin1'), 'latin1'), 'hex');
  const variant = ((Number.parseInt(bytes.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${bytes.slice(0, 8)}-${bytes.slice(8, 12)}-5${bytes.slice(13, 16)}-${variant}${bytes.slice(17, 20)}-${bytes.slice(20, 32)}`;
}
