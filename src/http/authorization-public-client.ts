import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AuthorizationServerOptions } from './authorization-options.ts';

/** A refresh request is a few hundred bytes; a larger one is left as it is. */
const longest = 8192;

/**
 * An app without a secret may leave out `client_id` when it refreshes (RFC 6749 6 asks only clients that can authenticate to
 * say who they are, and libraries for browsers do leave it out): the refresh token says whose it is. The library wants the
 * name, so it is added to the form. What a client with a secret leaves out stays out.
 */
export async function nameRefreshingClient(request: IncomingMessage, { store, accounts }: Pick<AuthorizationServerOptions, 'store' | 'accounts'>): Promise<void> {
  const length = Number(request.headers['content-length']);
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  if (request.headers.authorization !== undefined || !isForm || !(length > 0 && length <= longest)) return;
  const body = await wholeBody(request, length);
  const form = new URLSearchParams(body.toString('utf8'));
  const token = form.get('refresh_token');
  let added = '';
  if (form.get('grant_type') === 'refresh_token' && token !== null && !['client_id', 'client_secret', 'client_assertion'].some((name) => form.has(name))) {
    const id = (await store.find('RefreshToken', token))?.['clientId'];
    const client = typeof id === 'string' ? await accounts.client(id) : undefined;
    if (client?.registration.token_endpoint_auth_method === 'none') added = `&client_id=${encodeURIComponent(client.registration.client_id)}`;
  }
  if (added === '') return;
  // the bytes are back in front of the stream: what was added goes there as well
  request.read();
  request.unshift(Buffer.concat([body, Buffer.from(added)]));
  request.headers['content-length'] = String(length + added.length);
}

/** Reads the body and puts it back, so that it can be read again. */
async function wholeBody(request: IncomingMessage, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let size = 0; size < length;) {
    const part = request.read() as Buffer | null;
    if (part === null) {
      await Promise.race([once(request, 'readable'), once(request, 'close'), once(request, 'end')]);
      if (request.destroyed || request.readableEnded) break;
      continue;
    }
    parts.push(part);
    size += part.length;
    if (size >= length) request.unshift(Buffer.concat(parts)); // before the stream notices that it has ended
  }
  return Buffer.concat(parts);
}
