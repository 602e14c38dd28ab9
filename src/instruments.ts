import { readdirSync, readFileSync } from 'node:fs';

/**
 * Reads the instrument files of a folder (`schemas/instruments`), in the order of their names.
 * @returns what `instrumentRegistry` takes: adding an instrument is adding a file.
 * @throws Error that names the file when it is not JSON or its id is not its name.
 */
export function readInstruments(directory: URL): unknown[] {
  const folder = new URL(directory.href.endsWith('/') ? directory.href : `${directory.href}/`);
  return readdirSync(folder).filter((name) => name.endsWith('.json')).sort().map((name) => {
    let definition: { id?: unknown };
    try {
      definition = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { id?: unknown };
    } catch (error) {
      throw new Error(`schemas/instruments/${name}: ${(error as Error).message}`, { cause: error });
    }
    if (`${String(definition.id)}.json` !== name) throw new Error(`schemas/instruments/${name}: id must be the name of the file.`);
    return definition;
  });
}
