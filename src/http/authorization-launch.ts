import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerToken } from '../auth/bearer.ts';
import { readLaunch } from '../auth/launch.ts';
import type { Caller } from '../auth/token.ts';
import { Problem } from '../fhir/outcome.ts';
import { readBody } from './authorization-form.ts';
import type { AuthorizationServerOptions } from './authorization-options.ts';

/** From the click in the EHR to the end of the sign-in. */
const launchSeconds = 600;

/**
 * POST /oauth/launch: an EHR opens a launch. It authenticates as a client of its own (an access token of its client
 * credentials), says what is open on its screen, and gets the opaque `launch` that it hands to the app.
 */
export async function openLaunch(options: AuthorizationServerOptions, authenticate: (token: string) => Promise<Caller>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (status: number, body: object, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }).end(JSON.stringify(body));
  };
  const { store, accounts, audit, audience } = options;
  let caller: Caller;
  try {
    caller = await authenticate(bearerToken(request.headers.authorization));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return answer(401, { error: 'invalid_token', error_description: error.message }, { ...error.headers });
  }
  // a token that stands for a person does not stand for the EHR
  const client = caller.grant === undefined ? await accounts.client(caller.client) : undefined;
  if (client?.registration.may_launch !== true) {
    await audit({ kind: 'launch', refused: true, client: caller.client, reason: 'not-allowed' });
    return answer(403, { error: 'access_denied', error_description: 'this client may not open launches' });
  }
  const body = await readBody(request, 'application/json');
  if (typeof body === 'number') return answer(body, { error: 'invalid_request', error_description: 'send one JSON object as application/json' });
  const read = readLaunch(parsed(body));
  if ('wrong' in read) return answer(400, { error: 'invalid_request', error_description: read.wrong.join('; ') });
  const launch = randomBytes(24).toString('base64url');
  await store.keep('EhrLaunch', launch, { ...read.launch, openedBy: caller.client }, launchSeconds);
  await audit({ kind: 'launch', refused: false, client: caller.client, ...(read.launch.patient === undefined ? {} : { patient: read.launch.patient }), ...(read.launch.fhirUser === undefined ? {} : { fhirUser: read.launch.fhirUser }) });
  return answer(201, { launch, iss: audience, expires_in: launchSeconds });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
