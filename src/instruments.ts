import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * Reads the instrument files of a folder (`schemas/instruments`), in the order of their names.
 * @returns what `instrumentRegistry` takes: adding an instrument is adding a file.
 * @throws Error that names the file when it is not JSON or its id is not its name.
 */
export function readInstruments(directory: URL): unknown[] {
  return filesOf(new URL(directory.href.endsWith('/') ? directory.href : `${directory.href}/`)).map(({ name, value }) => {
    if (`${String((value as { id?: unknown } | null)?.id)}.json` !== name) throw new Error(`${name}: id must be the name of the file.`);
    return value;
  });
}

/**
 * Reads the texts that a deployment has a licence for, in the order of the names of their files.
 * @param directory path of the folder; undefined: there are none.
 * @throws Error that names the file when it cannot be read or is not JSON.
 */
export function readTextPacks(directory: string | undefined): unknown[] {
  return directory === undefined ? [] : filesOf(pathToFileURL(`${directory}/`)).map(({ value }) => value);
}

function filesOf(folder: URL): { name: string; value: unknown }[] {
  return readdirSync(folder).filter((name) => name.endsWith('.json')).sort().map((name) => {
    try {
      return { name, value: JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as unknown };
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  });
}
