import { readdirSync, readFileSync } from 'node:fs';
import type { Resource } from './fhir/resource.ts';

/** Folders of `schemas/` whose files are FHIR resources that the service publishes as they are (`code-systems` is read by outcomes/questionnaires.ts). */
const folders = ['questionnaires', 'profiles', 'search-parameters', 'operations', 'value-sets'];

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
