import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { canonicalBase } from '../../src/fhir/canonical.ts';
import type { Resource } from '../../src/fhir/resource.ts';
import { loadStructures, searchesFor } from '../kit/parameter-values.ts';
import { testService } from '../kit/service.ts';

const folder = new URL('../data/r4-examples/', import.meta.url);

/** JSON with its numbers as they are written, without what the service sets in meta. */
function written(json: string): string {
  const keep = (_key: string, value: unknown, context: { source?: string }): unknown => (typeof value === 'number' ? `number ${context.source}` : value);
  const { meta: { versionId: _version, lastUpdated: _updated, tag = [], ...meta } = {} as Record<string, any>, ...resource } = JSON.parse(json, keep as never) as Record<string, any>; // oxlint-disable-line typescript/no-explicit-any
  return JSON.stringify({ ...resource, meta: { ...meta, tag: tag.filter(({ system }: { system?: string }) => system?.startsWith(canonicalBase) !== true) } });
}

t.test('examples of the specification come back as they were sent, and are found by each parameter that says something of them', { timeout: 120_000 }, async (t) => {
  await loadStructures();
  const service = await testService(t);
  const fhir = service.as();
  const texts = readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => readFileSync(new URL(name, folder), 'utf8'));
  const sent = texts.map((text) => ({ text, resource: JSON.parse(text) as Resource }));
  const here = new Set(sent.map(({ resource }) => `${resource.resourceType}/${resource.id}`));
  for (const [, id] of texts.join().matchAll(/"reference"\s*:\s*"Patient\/([A-Za-z0-9.-]+)"/g)) {
    if (!here.has(`Patient/${id}`)) await fhir('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
  }
  // a record needs its Patient, a Provenance its targets
  const rank = ({ resource: { resourceType } }: { resource: Resource }): number => (resourceType === 'Patient' ? 0 : resourceType === 'Provenance' ? 2 : 1);
  const stored: Resource[] = [];
  for (const { text, resource } of sent.toSorted((a, b) => rank(a) - rank(b))) {
    const place = `${resource.resourceType}/${resource.id}`;
    const put = await fhir('PUT', place, text);
    t.ok(put.status === 201 || put.status === 200, `${place} ${put.status} ${put.status < 300 ? '' : put.text.slice(0, 300)}`);
    const got = await fhir('GET', place);
    t.equal(written(got.text), written(text), place);
    stored.push(got.body as Resource);
  }
  t.ok(new Set(stored.map(({ resourceType }) => resourceType)).size > 38);

  const searches = stored.flatMap((resource) => [...searchesFor(resource, service.url)].flatMap(([parameter, pairs]) => pairs.slice(0, 5).map((pair) => ({ resource, parameter, pair }))));
  const missed: string[] = [];
  const parameters = new Set<string>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < searches.length; at = next++) {
      const { resource: { resourceType: type, id }, parameter, pair } = searches[at]!;
      const { status, body } = await fhir('GET', `${type}?${new URLSearchParams([[...pair]]).toString()}&_elements=id&_count=1000`);
      if (pair[1] !== 'true') parameters.add(`${type}.${parameter.code}`);
      if (status !== 200 || body.entry?.some((entry: { resource: Resource }) => entry.resource.id === id) !== true) missed.push(`${type}/${id} ${pair.join('=')} ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  t.same(missed, []);
  t.ok(searches.length > 1800, `${searches.length} searches`);
  t.ok(parameters.size > 450, `${parameters.size} parameters`);
});
