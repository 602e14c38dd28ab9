import type { Client } from 'oidc-provider';

type Errors = (typeof import('oidc-provider'))['errors'];

/** Longest life of a client assertion (seconds). */
const assertionSeconds = 300;

interface Claims { readonly sub?: unknown; readonly exp?: unknown; readonly iat?: unknown; readonly nbf?: unknown; readonly jti?: unknown }
interface Header { readonly kid?: unknown; readonly alg?: unknown; readonly typ?: unknown; readonly jku?: unknown }

/**
 * What SMART asks of a client assertion beyond RFC 7523 (http://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html):
 * `sub` is the client, five minutes at most, `kid` and the key type choose exactly one registered key, `jku` is the registered URL.
 * The library checks signature, algorithm, audience and issuer before, and that `jti` is new afterwards.
 */
export function checkAssertion(now: () => number, toleranceSeconds: number, { InvalidClientAuth }: Errors) {
  return (_context: unknown, claims: Claims, header: Header, client: Client): void => {
    const seconds = now() / 1000;
    if (claims.sub !== client.clientId) throw new InvalidClientAuth('sub must be the client_id');
    if (typeof claims.exp !== 'number' || claims.exp > seconds + assertionSeconds + toleranceSeconds) throw new InvalidClientAuth('exp must be at most five minutes ahead');
    if (typeof claims.jti !== 'string' || claims.jti === '' || claims.jti.length > 256) throw new InvalidClientAuth('jti must be a text of 1 to 256 characters');
    if (typeof header.kid !== 'string') throw new InvalidClientAuth('kid must name the key');
    if (header.typ !== undefined && header.typ !== 'JWT') throw new InvalidClientAuth('typ must be JWT');
    if (header.jku !== undefined && header.jku !== client['keys_url']) throw new InvalidClientAuth('jku must be the URL that is registered');
    const kty = header.alg === 'ES384' ? 'EC' : 'RSA';
    const matching = [...client.asymmetricKeyStore].filter((key) => key.kid === header.kid && key.kty === kty);
    if (matching.length !== 1) throw new InvalidClientAuth('kid must choose exactly one key');
  };
}
