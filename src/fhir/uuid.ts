import { hash } from 'node:crypto';

/** Namespace of the ids that this service derives (a UUID drawn once). */
const namespace = '6d5c3e0f-a1b8-4d0c-9f1e-7c24b05d8a93';

/** A UUID version 7: its first 48 bits are the time at which it was made. */
const timeOrdered = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The id of what a rule derives from a source: the same source and rule always give the same id, so that writing a derived
 * resource again finds the one that is there. A UUID version 8 (RFC 9562, 5.8): the time of the source's own id, where that
 * is a version 7, then bits of a SHA-1 as version 5 takes them. With the time in front, what is derived together lies
 * together in every index; version 5 would touch a page of its own for each (docs/adr/0007).
 * @param source logical id of the source resource.
 * @param rule what is derived from it.
 */
export function derivedId(source: string, rule: string): string {
  const bits = hash('sha1', `${namespace}|${source}|${rule}`, 'hex');
  const time = timeOrdered.exec(source);
  const variant = ((Number.parseInt(bits.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${time?.[1] ?? bits.slice(0, 8)}-${time?.[2] ?? bits.slice(8, 12)}-8${bits.slice(13, 16)}-${variant}${bits.slice(17, 20)}-${bits.slice(20, 32)}`;
}
