import { StartRefusal } from '../start-refusal.ts';

const patienceMs = 10_000;

/**
 * Where a configured issuer publishes its keys (OpenID Connect Discovery 1.0, section 4).
 * The only place from which the service calls out.
 * @throws StartRefusal when the issuer cannot be reached or its metadata are not its own.
 */
export async function issuerKeys(issuer: string): Promise<URL> {
  const refuse = (why: string): never => { throw new StartRefusal(`OIDC_ISSUER ${issuer}: ${why}`); };
  try {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(patienceMs), redirect: 'error' });
    if (!response.ok) return refuse(`its openid-configuration answers ${response.status}.`);
    const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (metadata.issuer !== issuer) return refuse('its openid-configuration names another issuer.');
    if (typeof metadata.jwks_uri !== 'string' || !URL.canParse(metadata.jwks_uri)) return refuse('its openid-configuration has no jwks_uri.');
    return new URL(metadata.jwks_uri);
  } catch (error) {
    if (error instanceof StartRefusal) throw error;
    return refuse('it cannot be reached.');
  }
}
