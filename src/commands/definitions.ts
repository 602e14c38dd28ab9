/**
 * Writes the data files that the service validates by: `schemas/r4/structures.json` and `schemas/r4/value-sets.json`,
 * from the StructureDefinitions and value sets of FHIR R4. Run at development time (`npm run definitions`), the results are committed,
 * so that the 93 MB of definitions are neither shipped nor read at start.
 */
import { writeFile } from 'node:fs/promises';
import { structures } from './definitions/structures.ts';
import { Terminology } from './definitions/value-sets.ts';

const folder = new URL('../../schemas/r4/', import.meta.url);

const terminology = await Terminology.read();
const found = await structures((valueSet) => terminology.enumerable(valueSet));
await write('structures.json', found, 'types');
await write('value-sets.json', await terminology.used(), 'valueSets');

/** One line a type, so that a change of the source reads as a change of lines. */
async function write(name: string, content: { note: string } & Record<string, unknown>, key: string): Promise<void> {
  const lines = Object.entries(content[key] as Record<string, unknown>).map(([entry, value]) => `${JSON.stringify(entry)}:${JSON.stringify(value)}`);
  await writeFile(new URL(name, folder), `{"note":${JSON.stringify(content.note)},\n"${key}":{\n${lines.join(',\n')}\n}}\n`);
}
