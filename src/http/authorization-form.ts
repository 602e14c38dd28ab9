import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Largest form: a page with all scopes of a client ticked. */
const limitBytes = 64 * 1024;

/** Why a form was not taken: the status that says so. */
export type FormRefusal = 400 | 403 | 413 | 415;

/**
 * Reads a form that one of our pages sent.
 * @param secret of the deployment; with `subject` (the sign-in under way) it makes the token that only the page knows.
 * @returns its fields, or the status of the refusal: another type or site, too large, or without the token.
 */
export async function readForm(request: IncomingMessage, secret: string, subject: string): Promise<URLSearchParams | FormRefusal> {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return 403;
  const body = await readBody(request, 'application/x-www-form-urlencoded');
  if (typeof body === 'number') return body;
  const form = new URLSearchParams(body);
  return isToken(form.get('csrf') ?? '', secret, subject) ? form : 403;
}

/** @returns the body as text, or the status of the refusal. */
export async function readBody(request: IncomingMessage, type: string): Promise<string | FormRefusal> {
  if (request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() !== type) return 415;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limitBytes) return 413;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** @returns the token that a form of the sign-in `subject` carries: no other site can know it. */
export function formToken(secret: string, subject: string): string {
  return createHmac('sha256', secret).update(`form ${subject}`).digest('base64url');
}

function isToken(given: string, secret: string, subject: string): boolean {
  const expected = Buffer.from(formToken(secret, subject));
  const found = Buffer.from(given);
  return found.length === expected.length && timingSafeEqual(found, expected);
}
