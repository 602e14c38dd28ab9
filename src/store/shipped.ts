import { createHash } from 'node:crypto';
import type { Resource } from '../fhir/resource.ts';
import { servedTypes } from '../fhir/types.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Committer } from './commit.ts';
import type { Connection } from './database.ts';
import { readSetting, writeSetting } from './setting.ts';

/** The service itself: what it ships is its own. */
const own: Visibility = {
  caller: 'intersession', reach: { kind: 'all' }, restricted: true,
  grants: new Map(servedTypes.map((type) => [type, new Set(['c', 'r', 'u', 'd', 's'] as const)])),
};

/**
 * Stores the resources that the service ships (questionnaires, code systems, search parameters, ...): each is created, or
 * gets a new version when it changed. Does nothing when this very set was stored before, so a second start costs one read.
 */
export async function storeShipped(connection: Connection, committer: Committer, resources: readonly Resource[]): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify(resources)).digest('hex');
  if ((await readSetting(connection, 'shipped')) === hash) return;
  await committer.commit({
    visibility: own, internal: true, interaction: 'update',
    requester: { client: 'intersession', requestId: 'start' },
    writes: resources.map((resource) => ({ kind: 'update', type: resource.resourceType, id: resource.id!, incoming: { value: resource, stored: resource } })),
  });
  await writeSetting(connection, 'shipped', hash);
}
