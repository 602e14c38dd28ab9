import { problem } from '../fhir/outcome.ts';
import type { Context } from '../interactions/context.ts';

/**
 * Requires that an administrator asks: a client that the configuration names (ADMIN_CLIENTS), with access of its own to every record.
 * @throws Problem `forbidden`
 */
export function requireAdministrator({ administrators, requester, visibility }: Context, operation: string): void {
  if (visibility.reach.kind === 'all' && administrators.has(requester.client)) return;
  throw problem('forbidden', 'forbidden', `$${operation} is for an administrator: a client that ADMIN_CLIENTS names, with system scopes.`);
}
