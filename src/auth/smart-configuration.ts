import { servedTypes } from '../fhir/types.ts';

/** Where this service serves its authorization server, whatever path a proxy in front of it adds. */
export const authorizationPath = '/oauth';

/** How the authorization server of this service is reached. */
export interface AuthorizationMetadata {
  readonly issuer: string;
  readonly token_endpoint: string;
  readonly jwks_uri: string;
  readonly grant_types_supported: readonly string[];
  readonly response_types_supported: readonly string[];
  readonly token_endpoint_auth_methods_supported: readonly string[];
  readonly token_endpoint_auth_signing_alg_values_supported: readonly string[];
  readonly scopes_supported: readonly string[];
  readonly code_challenge_methods_supported: readonly string[];
}

/** Algorithms of client assertions (http://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html). */
export const assertionAlgorithms = ['RS384', 'ES384'] as const;

/**
 * Authorization server metadata (RFC 8414). Lists what works now: a client that is promised more fails at its users.
 *
 * @param issuer the issuer's URL; its endpoints lie below it
 */
export function authorizationMetadata(issuer: string): AuthorizationMetadata {
  return {
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    scopes_supported: [...wildcards, ...servedTypes.map((type) => `system/${type}.cruds`)],
    code_challenge_methods_supported: ['S256'],
  };
}

const wildcards = ['patient/*.cruds', 'patient/*.rs', 'user/*.cruds', 'user/*.rs', 'system/*.cruds', 'system/*.rs'];

/** http://hl7.org/fhir/smart-app-launch/conformance.html#smart-on-fhir-oauth-authorization-endpoints-and-capabilities */
const capabilities = [
  'client-confidential-symmetric', 'client-confidential-asymmetric',
  'permission-patient', 'permission-user', 'permission-v1', 'permission-v2',
];

/** @returns the document of `/.well-known/smart-configuration`. */
export function smartConfiguration(issuer: string): AuthorizationMetadata & { readonly capabilities: readonly string[] } {
  return { ...authorizationMetadata(issuer), capabilities };
}
