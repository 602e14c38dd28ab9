import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { problem } from '../fhir/outcome.ts';
import type { Visibility } from '../fhir/visibility.ts';

/** What a page token is bound to. */
export interface PageContext {
  /** Secret of the deployment: the same in all its processes. */
  readonly pageKey: Buffer;
  readonly visibility: Visibility;
}

const ivLength = 12;
const tagLength = 16;

/**
 * The key of the tokens of one caller for one query. Binding by the key leaves no check to forget: the token of somebody
 * else, or for another query, is not readable.
 */
function keyOf({ pageKey, visibility }: PageContext, binding: string): Buffer {
  return createHmac('sha256', pageKey).update(JSON.stringify([visibility.caller, binding])).digest();
}

/**
 * Makes the opaque token of a `next` link. Sort keys are in it, names and dates of patients among them, and links end up in
 * logs: so it is encrypted (AES-256-GCM), which also makes it tamper-proof.
 * @param binding the normalised query: a token serves no other.
 * @param position where the next page begins.
 */
export function sealPage(context: PageContext, binding: string, position: unknown): string {
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', keyOf(context, binding), iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(position), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/**
 * @returns the position that `sealPage` was given.
 * @throws Problem `malformed` for a token that this service did not give to this caller for this query; it does not say which.
 */
export function openPage<Position>(context: PageContext, binding: string, token: string): Position {
  try {
    const bytes = Buffer.from(token, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', keyOf(context, binding), bytes.subarray(0, ivLength), { authTagLength: tagLength });
    decipher.setAuthTag(bytes.subarray(ivLength, ivLength + tagLength));
    return JSON.parse(decipher.update(bytes.subarray(ivLength + tagLength), undefined, 'utf8') + decipher.final('utf8')) as Position;
  } catch {
    throw problem('malformed', 'value', 'This page link is not valid. Start again from the first page.', 'http._page');
  }
}
