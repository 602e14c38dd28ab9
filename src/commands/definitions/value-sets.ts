import { readDefinitions, type Definition } from './package-files.ts';

/** Codes by code system, by the last segment of the value set's URL. */
type ValueSets = Record<string, Record<string, string[]>>;

/** The value sets of the specification, expanded as far as their code systems are enumerated in it. */
export class Terminology {
  readonly #valueSets = new Map<string, Definition>();
  readonly #codeSystems = new Map<string, Definition>();
  readonly #used = new Map<string, Record<string, string[]>>();

  static async read(): Promise<Terminology> {
    const terminology = new Terminology();
    for (const file of ['valuesets', 'v3-codesystems', 'v2-tables']) {
      for (const resource of await readDefinitions(file)) {
        const url = resource['url'] as string;
        if (resource['resourceType'] === 'ValueSet') terminology.#valueSets.set(url, resource);
        if (resource['resourceType'] === 'CodeSystem') terminology.#codeSystems.set(url, resource);
      }
    }
    return terminology;
  }

  /** @returns whether all codes of the value set are known; if so it is kept for `used`. */
  enumerable(url: string): boolean {
    const name = url.slice(url.lastIndexOf('/') + 1);
    if (this.#used.has(name)) return true;
    const codes = this.#expand(url, 0);
    if (codes === undefined) return false;
    this.#used.set(name, Object.fromEntries([...codes].map(([system, set]) => [system, [...set]])));
    return true;
  }

  /** @returns the value sets that were asked for and are enumerable, by name. */
  used(): ValueSets {
    return Object.fromEntries([...this.#used].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #expand(url: string, depth: number): Map<string, Set<string>> | undefined {
    const compose = this.#valueSets.get(url.replace(/\|.*$/, ''))?.['compose'] as Definition | undefined;
    if (compose === undefined || depth > 8) return undefined;
    const codes = new Map<string, Set<string>>();
    for (const include of compose['include'] as Definition[]) {
      const part = this.#include(include, depth);
      if (part === undefined) return undefined;
      for (const [system, set] of part) codes.set(system, (codes.get(system) ?? new Set()).union(set));
    }
    for (const exclude of (compose['exclude'] ?? []) as Definition[]) {
      const part = this.#include(exclude, depth);
      if (part === undefined) return undefined;
      for (const [system, set] of part) codes.set(system, (codes.get(system) ?? new Set()).difference(set));
    }
    return codes;
  }

  #include(include: Definition, depth: number): Map<string, Set<string>> | undefined {
    const imported = ((include['valueSet'] ?? []) as string[]).map((url) => this.#expand(url, depth + 1));
    if (imported.includes(undefined)) return undefined;
    const system = include['system'] as string | undefined;
    if (system === undefined) return imported.length === 1 ? imported[0] : undefined;
    if (imported.length > 0) return undefined;
    const codes = include['concept'] === undefined
      ? this.#select(system, (include['filter'] ?? []) as Definition[])
      : (include['concept'] as Definition[]).map((concept) => concept['code'] as string);
    return codes === undefined ? undefined : new Map([[system, new Set(codes)]]);
  }

  #select(system: string, filters: readonly Definition[]): string[] | undefined {
    const codeSystem = this.#codeSystems.get(system);
    if (codeSystem?.['concept'] === undefined || codeSystem['content'] !== 'complete') return undefined;
    if (filters.length === 0) return flatten(codeSystem['concept']);
    const filter = filters[0] as Definition;
    if (filters.length > 1 || filter['property'] !== 'concept' || filter['op'] !== 'is-a') return undefined;
    const top = find(codeSystem['concept'], filter['value']);
    return top === undefined ? undefined : flatten([top]);
  }
}

function flatten(concepts: readonly Definition[]): string[] {
  return concepts.flatMap((concept) => [concept['code'] as string, ...flatten(concept['concept'] ?? [])]);
}

function find(concepts: readonly Definition[], code: string): Definition | undefined {
  for (const concept of concepts) {
    const found = concept['code'] === code ? concept : find(concept['concept'] ?? [], code);
    if (found !== undefined) return found;
  }
  return undefined;
}
