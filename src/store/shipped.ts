import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Resource } from '../fhir/resource.ts';
import { servedTypes } from '../fhir/types.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Committer } from './commit.ts';
import type { Connection } from './database.ts';
import { readSetting, writeSetting } from './setting.ts';

/** The service itself: what it ships and what it does by itself is its own. */
export const serviceVisibility: Visibility = {
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
    visibility: serviceVisibility, internal: true, interaction: 'update',
    requester: { client: 'intersession', requestId: 'start' },
    writes: resources.map((resource) => ({ kind: 'update', type: resource.resourceType, id: resource.id!, incoming: { value: resource, stored: resource } })),
  });
  await writeSetting(connection, 'shipped', hash);
}

/** Folders of `schemas/` whose files are FHIR resources that the service publishes as they are (`code-systems` is read by outcomes/questionnaires.ts). */
const folders = ['measures', 'questionnaires', 'profiles', 'us-core', 'sdc', 'search-parameters', 'operations', 'value-sets', 'plans'];

/**
 * Reads what the service publishes beside its instruments, and the Device that stands for this version of it.
 * @param schemas URL of `schemas/`, with a slash at the end.
 * @throws Error that names a file which is not JSON or has no id.
 */
export function readShipped(schemas: URL, version: string): Resource[] {
  const files = folders.flatMap((folder) => {
    const url = new URL(`${folder}/`, schemas);
    let names: string[];
    try {
      names = readdirSync(url);
    } catch {
      return []; // a folder that is not there ships nothing
    }
    return names.filter((name) => name.endsWith('.json')).sort().map((name) => ({ name: `${folder}/${name}`, url: new URL(name, url) }));
  });
  const resources = files.map(({ name, url }) => {
    const resource = JSON.parse(readFileSync(url, 'utf8')) as Resource;
    if (typeof resource.resourceType !== 'string' || typeof resource.id !== 'string') throw new Error(`schemas/${name}: resourceType and id are needed.`);
    return resource;
  });
  return [...resources, {
    resourceType: 'Device',
    id: `intersession-${version}`,
    status: 'active',
    deviceName: [{ name: 'Intersession', type: 'user-friendly-name' }],
    type: { text: 'Service that computes progress between psychotherapy sessions' },
    version: [{ value: version }],
  }];
}
