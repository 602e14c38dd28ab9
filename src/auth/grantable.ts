import { parseScopes, type Context, type Grants } from './scopes.ts';

/** On whose behalf a token is asked for, as far as the authorization server has established it. */
export interface LaunchContext {
  readonly patient?: string;
  readonly fhirUser?: string;
}

/**
 * The part of the requested scopes that a token may carry: understood, within what the client is registered for, and with
 * somebody there on whose behalf. The rest is left out of the token; SMART App Launch lets a server grant less than was asked for.
 *
 * @param requested the `scope` of the token request
 * @param registered the scopes the client is registered for; they count as a limit, so `system/*.rs` covers `system/Task.r`
 * @returns the granted scopes, as they were written
 */
export function grantableScopes(requested: string, registered: string, context: LaunchContext): readonly string[] {
  const limits = parseScopes(registered);
  const present: Readonly<Record<Context, boolean>> = {
    patient: context.patient !== undefined,
    user: context.fhirUser !== undefined,
    system: true,
  };
  return parseScopes(requested).understood.filter((scope) => {
    const { contexts, limited } = parseScopes(scope);
    const byContext = [...contexts, ...[...limited].map(([name, list]) => [name, new Map(list.map(({ type, verbs }) => [type, verbs]))] as const)];
    // a granular scope is covered by what grants all of the type, or by the very same scope
    return byContext.length > 0 && byContext.every(([name, grants]) => present[name] && (covers(limits.contexts.get(name), grants) || (limited.size > 0 && limits.understood.includes(scope))));
  });
}

function covers(limit: Grants | undefined, grants: Grants): boolean {
  return limit !== undefined && [...grants].every(([type, verbs]) => limit.get(type)?.isSupersetOf(verbs) === true);
}
