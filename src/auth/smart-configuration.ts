import { servedTypes } from '../fhir/types.ts';
import { launchScopes } from './launch.ts';

/** Where this service serves its authorization server, whatever path a proxy in front of it adds. */
export const authorizationPath = '/oauth';

/** Algorithms of client assertions (http://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html). */
export const assertionAlgorithms = ['RS384', 'ES384'] as const;

const wildcards = ['patient/*.cruds', 'patient/*.rs', 'user/*.cruds', 'user/*.rs', 'system/*.cruds', 'system/*.rs'];

/** How the authorization server of this service is reached. */
export type AuthorizationMetadata = ReturnType<typeof authorizationMetadata>;

/**
 * Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0). Lists what works: a client that is promised more fails at its users.
 *
 * @param issuer the issuer's URL; its endpoints lie below it
 */
export function authorizationMetadata(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    end_session_endpoint: `${issuer}/logout`,
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: [...assertionAlgorithms],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    introspection_endpoint_auth_signing_alg_values_supported: [...assertionAlgorithms],
    revocation_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: [...assertionAlgorithms],
    scopes_supported: [...launchScopes, ...wildcards, ...(['patient', 'user', 'system'] as const).flatMap((context) => servedTypes.map((type) => `${context}/${type}.cruds`))],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'fhirUser', 'profile'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
  };
}

/** http://hl7.org/fhir/smart-app-launch/conformance.html#capabilities */
const capabilities = [
  'launch-ehr', 'launch-standalone', 'authorize-post',
  'client-public', 'client-confidential-symmetric', 'client-confidential-asymmetric',
  'sso-openid-connect',
  'context-banner', 'context-style', 'context-ehr-patient', 'context-ehr-encounter', 'context-standalone-patient',
  'permission-offline', 'permission-online', 'permission-patient', 'permission-user', 'permission-v1', 'permission-v2',
];

/** @returns the document of `/.well-known/smart-configuration` where this service is its own authorization server. */
export function smartConfiguration(issuer: string): AuthorizationMetadata & { readonly capabilities: readonly string[] } {
  return { ...authorizationMetadata(issuer), capabilities };
}

/** What of an issuer's metadata a SMART app needs. */
const told = ['issuer', 'authorization_endpoint', 'token_endpoint', 'introspection_endpoint', 'revocation_endpoint', 'end_session_endpoint', 'jwks_uri', 'grant_types_supported', 'response_types_supported', 'token_endpoint_auth_methods_supported', 'token_endpoint_auth_signing_alg_values_supported', 'scopes_supported', 'code_challenge_methods_supported', 'registration_endpoint'] as const;

/**
 * The document of `/.well-known/smart-configuration` where another server issues the tokens.
 * @param metadata what that server publishes; capabilities of launching are promised only if it says them itself
 */
export function foreignSmartConfiguration(metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const own = Array.isArray(metadata['capabilities']) ? (metadata['capabilities'] as unknown[]).filter((each) => typeof each === 'string') : [];
  return {
    ...Object.fromEntries(told.filter((name) => metadata[name] !== undefined).map((name) => [name, metadata[name]])),
    capabilities: [...new Set([...own, ...capabilities.filter((each) => each.startsWith('permission-') && !/offline|online/.test(each))])],
  };
}
