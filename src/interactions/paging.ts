import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
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

const keys = new WeakMap<Buffer, KeyObject>();

/** The deployment's secret as a key; making one for each token cost more than the encryption. */
function keyOf(pageKey: Buffer): KeyObject {
  let key = keys.get(pageKey);
  if (key === undefined) keys.set(pageKey, (key = createSecretKey(pageKey)));
  return key;
}

/**
 * What a token is bound to, authenticated with it. Binding by the cipher leaves no check to forget: the token of somebody
 * else, or for another query, cannot be opened.
 */
const boundTo = ({ visibility }: PageContext, binding: string): Buffer => Buffer.from(JSON.stringify([visibility.caller, binding]));

/**
 * Makes the opaque token of a `next` link. Sort keys are in it, names and dates of patients among them, and links end up in
 * logs: so it is encrypted (AES-256-GCM), which also makes it tamper-proof.
 * @param binding the normalised query: a token serves no other.
 * @param position where the next page begins.
 */
export function sealPage(context: PageContext, binding: string, position: unknown): string {
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', keyOf(context.pageKey), iv).setAAD(boundTo(context, binding));
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
    const decipher = createDecipheriv('aes-256-gcm', keyOf(context.pageKey), bytes.subarray(0, ivLength), { authTagLength: tagLength });
    decipher.setAAD(boundTo(context, binding));
    decipher.setAuthTag(bytes.subarray(ivLength, ivLength + tagLength));
    return JSON.parse(decipher.update(bytes.subarray(ivLength + tagLength), undefined, 'utf8') + decipher.final('utf8')) as Position;
  } catch {
    throw problem('malformed', 'value', 'This page link is not valid. Start again from the first page.', 'http._page');
  }
}
