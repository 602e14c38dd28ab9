import { writeFile } from 'node:fs/promises';
import { servedTypes } from '../../fhir/types.ts';
import { generatedNote, readDefinitions } from './package-files.ts';

const output = new URL('../../../schemas/r4/summary.json', import.meta.url);

/** An element of a StructureDefinition, as far as it is read here. */
interface Element { readonly path: string; readonly isSummary?: boolean; readonly type?: readonly { readonly code: string }[] }

/** Writes `schemas/r4/summary.json`: for each served type the elements that `_summary=true` leaves. */
export async function writeSummaryElements(): Promise<void> {
  await writeFile(output, await summaryElementsText());
}

/**
 * @returns what `writeSummaryElements` writes: a line a type, the paths of elements that are marked `isSummary`. Of a nested
 * element that is marked, the marked children are listed too; where none is, it is part of a summary as a whole.
 */
export async function summaryElementsText(): Promise<string> {
  const types = new Map<string, string[]>();
  for (const { resourceType, type, derivation, snapshot } of await readDefinitions('profiles-resources')) {
    if (resourceType !== 'StructureDefinition' || derivation === 'constraint' || !servedTypes.includes(type as string)) continue;
    const elements = (snapshot.element as Element[]).slice(1).filter(({ path, isSummary }) => isSummary === true && !path.endsWith('.modifierExtension'));
    types.set(type as string, elements.map(({ path }) => path.slice((type as string).length + 1).replace('[x]', '')));
  }
  const lines = servedTypes.map((type) => `${JSON.stringify(type)}:${JSON.stringify(types.get(type) ?? [])}`);
  return `{"note":${JSON.stringify(await generatedNote())},\n"types":{\n${lines.join(',\n')}\n}}\n`;
}
