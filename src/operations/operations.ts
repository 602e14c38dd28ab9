import { authorize } from '../auth/decide.ts';
import { problem } from '../fhir/outcome.ts';
import type { Answer, Context } from '../interactions/context.ts';
import type { Call, Operation } from './operation.ts';
import { progress } from './progress.ts';

/** The operations of the service by name: one line each. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['progress', progress],
]);

/**
 * Carries out `$name`.
 * @throws Problem `not-found` for an unknown operation, `malformed` for a wrong level, `forbidden` when a scope is missing.
 */
export async function operation(context: Context, call: Call, body: string): Promise<Answer> {
  const found = operations.get(call.name);
  if (found === undefined) throw problem('not-found', 'not-supported', 'This service has no such operation. GET metadata lists what it has.');
  const level = call.id !== undefined ? 'instance' : call.type !== undefined ? 'type' : 'system';
  if (found.level !== level || found.type !== call.type) {
    throw problem('malformed', 'not-supported', `$${call.name} is called on ${found.level === 'instance' ? `one ${found.type}: ${found.type}/[id]/$${call.name}` : found.level === 'type' ? found.type : 'the base'}.`);
  }
  for (const [type, verb] of found.needs) authorize(context.visibility, type, verb);
  return found.run(context, call, body);
}
