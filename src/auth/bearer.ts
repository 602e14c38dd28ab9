import { problem, type Problem } from '../fhir/outcome.ts';

/** Longest token looked at: a header that holds more is refused before any hashing or parsing. */
export const longestToken = 8192;

/**
 * Takes the token from the value of an `Authorization` header (RFC 6750, 2.1).
 *
 * @throws Problem `unauthenticated` when there is none, or when it is not a bearer token
 */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') throw missing();
  const match = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization);
  if (match?.[1] === undefined) throw invalidToken('the Authorization header must be "Bearer" and one access token');
  return match[1];
}

/** A request without a token is told where to begin, and gets no error code (RFC 6750, 3.1). */
function missing(): Problem {
  return problem('unauthenticated', 'login',
    'This request needs an access token: send the header Authorization: Bearer <token>. /.well-known/smart-configuration says where to get one.',
    undefined, { 'WWW-Authenticate': 'Bearer realm="fhir"' });
}

/** @returns the refusal of a token; `why` is a fixed phrase of this service, never a part of the token. */
export function invalidToken(why: string, code: 'login' | 'expired' = 'login'): Problem {
  const description = why.replaceAll('"', "'");
  return problem('unauthenticated', code, `The access token is not accepted: ${why}.`, undefined,
    { 'WWW-Authenticate': `Bearer realm="fhir", error="invalid_token", error_description="${description}"` });
}

/** @returns the refusal of a valid token that does not grant enough (RFC 6750, 3.1 `insufficient_scope`). */
export function insufficientScope(text: string, scope: string): Problem {
  return problem('forbidden', 'forbidden', text, undefined,
    { 'WWW-Authenticate': `Bearer realm="fhir", error="insufficient_scope", scope="${scope}"` });
}
