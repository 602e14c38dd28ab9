import type { Issue } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';

/** Elements by which a resource says who made it. */
const makers = ['author', 'sender', 'requester', 'device', 'performer', 'agent', 'owner'];

/** The Device that stands for a version of this service (store/shipped.ts). */
const ours = /"(?:[^"]*\/)?Device\/intersession-[^"]*"/;

/**
 * A person's access does not write in the name of the service: what the service computed, and only that, names its Device.
 * @returns an issue where `next` names it anew; a name that is there already may stay.
 */
export function checkMaker(previous: Resource | undefined, next: Resource): Issue[] {
  for (const element of makers) {
    const text = JSON.stringify(next[element]) ?? '';
    if (!ours.test(text) || text === JSON.stringify(previous?.[element])) continue;
    return [{ severity: 'error', code: 'forbidden', text: `${element} names this service: only what it computes itself may say so.`, expression: `${next.resourceType}.${element}` }];
  }
  return [];
}
